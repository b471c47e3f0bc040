/* causes: what can be wrong, one row a cause: as it is said to people, the one thing to do about it, the settings that
 * mend it, the trials that speak for it. Must not judge. */
#include "check.h"
#include "fits.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the table ---- */

#define SET(setting, to)                                                                                               \
    {                                                                                                                  \
        .key = setting, .word = to                                                                                     \
    }
#define TIMES(setting, by)                                                                                             \
    {                                                                                                                  \
        .key = setting, .factor = by                                                                                   \
    }

/* What scatters the weights about where they should be, as single images that weigh much do, averages out: the weights
 * of the last tenth of a run. So does what is left of a rate that was found in factors of four, and is up to twice too
 * high. */
#define AVERAGED                                                                                                       \
    {                                                                                                                  \
        .key = "optim.ema_decay", .averages = 0.1                                                                      \
    }

/* What a batch that is too small is made to hold, in its own images. */
#define LARGER_BATCH 4.0

/* Light that is an image's own is gone: what is left is the picture. */
#define BY_IMAGE SET("augment.normalize", "image"), SET("augment.mean", "[]"), SET("augment.std", "[]")

/* What is seldom seen, or seen through much else, takes more updates to learn. What goes by epochs goes on for as many
 * more of them: a schedule that falls every few epochs is at nothing long before the end of a longer run of shorter
 * ones. */
#define EPOCHS(setting, by)                                                                                            \
    {                                                                                                                  \
        .key = setting, .factor = by, .counts_epochs = true                                                            \
    }
#define LONGER(by)                                                                                                     \
    EPOCHS("train.epochs", by), TIMES("train.max_steps", by), EPOCHS("schedule.step_epochs", by),                      \
        EPOCHS("schedule.patience", by)
/* So that fewer batches of an epoch do not make a run that is over before it has learned. */
#define AS_MANY_UPDATES(setting)                                                                                       \
    {                                                                                                                  \
        .key = setting, .counts_epochs = true, .keeps_updates = true                                                   \
    }
/* What leaves labels what they are, for whatever network: half of what a trial of it would be of. */
#define MOVED_A_LITTLE SET("augment.translate", "0.05"), SET("augment.rotate", "5")

const struct cause_info cause_table[CAUSE_COUNT] = {
    [CAUSE_HEALTHY] = {.name = "healthy",
                       .group = "",
                       .title = "nothing is wrong that the figures show",
                       .action = "none is needed; a larger batch only makes the curve look calmer"},
    [CAUSE_INPUT_SCALE] = {"input_scale", "data", "the images reach the network badly scaled",
                           "set augment.normalize = auto",
                           .trials = {{.name = "measured normalisation",
                                       .family = ARM_ANEW,
                                       .remedy = {.fits = fits_normalises_by_hand,
                                                  .edits = {SET("augment.normalize", "auto"), SET("augment.mean", "[]"),
                                                            SET("augment.std", "[]")}}}}},
    [CAUSE_ILLUMINATION] = {"illumination", "data", "the images are lit very unevenly", RELIGHT_ACTION,
                            .repairs = {{.fits = fits_shares_normalisation, .edits = {BY_IMAGE, AVERAGED, LONGER(3.0)}},
                                        {.edits = {SET("augment.brightness", RELIGHT), SET("augment.contrast", RELIGHT),
                                                   AVERAGED, LONGER(3.0)}}},
                            .trials = {{.name = "light evened out",
                                        .family = ARM_UNSEEN,
                                        .one_cure = true,
                                        .remedy = {.fits = fits_shares_normalisation, .edits = {BY_IMAGE}}}}},
    [CAUSE_OUTLIERS] = {"outliers", "data", "some images are not what the others are",
                        "look at what `evenkeel doctor RUN --samples` lists, and take out what does not belong",
                        .repairs = {{.edits = {AVERAGED}}},
                        .trials = {{.name = "odd images left out", .family = ARM_UNSEEN, .left_out = LEAVE_OUTLIERS}}},
    [CAUSE_LABELS] = {"labels", "data", "a good part of the labels is wrong",
                      "correct or leave out what `evenkeel doctor RUN --samples` lists; until then "
                      "train.label_smoothing = 0.1 softens it",
                      .repairs = {{.fits = fits_are_left_out, .edits = {AVERAGED, LONGER(2.0)}},
                                  {.fits = fits_moves_nothing,
                                   .edits = {SET("train.label_smoothing", "0.1"), MOVED_A_LITTLE, AVERAGED,
                                             LONGER(2.0)}},
                                  {.edits = {SET("train.label_smoothing", "0.1"), AVERAGED, LONGER(2.0)}}},
                      .trials = {{.name = "doubtful labels left out", .family = ARM_UNSEEN, .left_out = LEAVE_LABELS}}},
    [CAUSE_IMBALANCE] =
        {"imbalance", "data", "some classes have far fewer images than others",
         "set train.balance = true, which makes rare classes count as much, shift and turn images a little unless "
         "they are already, so that the few are not learned by heart, and collect more of them",
         .repairs = {{.fits = fits_moves_nothing,
                      .edits = {SET("train.balance", "true"), MOVED_A_LITTLE, AVERAGED, LONGER(3.0)}},
                     {.edits = {SET("train.balance", "true"), AVERAGED, LONGER(3.0)}}}},
    [CAUSE_ORDER] = {"order", "data", "the batches are not drawn at random", "set data.shuffle = true",
                     .repairs = {{.edits = {SET("data.shuffle", "true")}}},
                     .trials = {{.name = "shuffled",
                                 .family = ARM_ANEW,
                                 .remedy = {.fits = fits_is_unshuffled, .edits = {SET("data.shuffle", "true")}}}}},
    [CAUSE_LEAKAGE] = {.name = "leakage",
                       .group = "data",
                       .title = "validation images are among the training images",
                       .action = "take them out of one of the two"},
    [CAUSE_MISMATCH] =
        {.name = "mismatch",
         .group = "data",
         .title = "validation's images or labels are not like training's",
         .action = "prepare both parts alike: same folders and labels, same source, same channels, same "
                   "processing",
         .repairs = {{.fits = fits_is_lit_otherwise_throughout, .edits = {BY_IMAGE, AVERAGED}},
                     {.fits = fits_is_lit_otherwise,
                      .edits = {{.key = "augment.brightness", .spans_light = true}, AVERAGED, LONGER(3.0)}}},
         .trials = {{.name = "brightness varied",
                     .family = ARM_ONWARD,
                     .one_cure = true,
                     .remedy = {.fits = fits_is_lit_otherwise,
                                .edits = {{.key = "augment.brightness", .spans_light = true}}}},
                    {.name = "light evened out",
                     .family = ARM_UNSEEN,
                     .one_cure = true,
                     .remedy = {.fits = fits_is_lit_otherwise_throughout, .edits = {BY_IMAGE}}}}},
    [CAUSE_OVERFITTING] =
        {"overfitting", "data", "the network learns the images by heart",
         "add augmentation or more images, or use a smaller network",
         .repairs = {{.fits = fits_gains_by_augmentation,
                      .edits = {SET("augment.translate", "0.1"), SET("augment.rotate", "10"), AVERAGED, LONGER(3.0)}},
                     {.fits = fits_has_not_tried_augmentation, .edits = {MOVED_A_LITTLE, AVERAGED, LONGER(3.0)}},
                     {.fits = fits_sees_no_shapes, .edits = {SET("train.label_smoothing", "0.1"), AVERAGED}},
                     {.edits = {AVERAGED, LONGER(3.0)}}},
         .trials = {{.name = "augmentation",
                     .family = ARM_ONWARD,
                     .remedy = {.fits = fits_lacks_augmentation,
                                .edits = {{.key = "augment.crop_padding", .side_share = 0.125},
                                          SET("augment.rotate", "10")}}},
                    {.name = "images shifted, turned",
                     .family = ARM_ONWARD,
                     .one_cure = true,
                     .remedy = {.fits = fits_could_be_augmented,
                                .edits = {SET("augment.translate", "0.1"), SET("augment.rotate", "10")}}}},
         .usual = true},
    [CAUSE_RATE_HIGH] =
        {"rate_high", "hyperparameters", "the learning rate is too high",
         "divide optim.lr by 10, or ask `evenkeel find-lr CONFIG` for the largest that is stable",
         .actions =
             {{fits_swings, "set optim.momentum = 0.9: steps are a tenth as long then, and swing less"},
              {fits_rate_is_out_of_use,
               "set optim.lr to what is in use, 0.1 with SGD and 0.01 with Adam at most, or ask `evenkeel find-lr "
               "CONFIG` for the largest that is stable"}},
         .repairs = {{.fits = fits_swings, .edits = {SET("optim.momentum", "0.9")}},
                     {.edits = {{.key = "optim.lr", .factor = 0.1, .as_in_use = true}, AVERAGED}}},
         .trials = {{.name = "rate / 4", .family = ARM_ANEW, .remedy = {.edits = {TIMES("optim.lr", 0.25)}}},
                    {.name = "momentum 0.9",
                     .family = ARM_ANEW,
                     .remedy = {.fits = fits_has_much_momentum, .edits = {SET("optim.momentum", "0.9")}}},
                    {.name = "rate / 4 from here on",
                     .family = ARM_ONWARD,
                     .remedy = {.fits = fits_stands_at_its_rate, .edits = {TIMES("optim.lr", 0.25)}}}},
         .usual = true},
    [CAUSE_RATE_LOW] = {"rate_low", "hyperparameters", "the learning rate is too low",
                        "raise optim.lr; `evenkeel find-lr CONFIG` measures how far it can be raised",
                        .repairs = {{.edits = {{.key = "optim.lr", .factor = 10.0, .at_least_what_is_short = true},
                                               AVERAGED}}},
                        .trials = {{.name = "rate x 4",
                                    .family = ARM_ANEW,
                                    .remedy = {.fits = fits_rate_can_rise, .edits = {TIMES("optim.lr", 4.0)}}}},
                        .usual = true},
    [CAUSE_BATCH_SMALL] =
        {"batch_small", "hyperparameters", "the batch is too small",
         "raise train.batch_size, or train.accumulate where memory is short",
         .repairs = {{.edits = {TIMES("train.batch_size", LARGER_BATCH), AS_MANY_UPDATES("train.epochs"),
                                AS_MANY_UPDATES("schedule.step_epochs"), AS_MANY_UPDATES("schedule.patience")}}},
         .trials = {{.name = "batch x 4",
                     .family = ARM_ANEW,
                     .remedy = {.fits = fits_gradients_can_gather, .edits = {TIMES("train.accumulate", 4.0)}},
                     .pace = 4},
                    {.name = "batch x 4, whole",
                     .family = ARM_ANEW,
                     .remedy = {.fits = fits_batch_can_grow_whole, .edits = {TIMES("train.batch_size", 4.0)}},
                     .pace = 4}},
         .usual = true},
    [CAUSE_REGULARISATION] =
        {"regularisation", "hyperparameters", "regularisation takes away more than it gives",
         "soften or take away augmentation, dropout, label smoothing and mixing, one after another",
         .actions = {{fits_has_layers_that_drop,
                      "lower the rate of the [[layer]] sections that drop, soften or take away "
                      "augmentation, label smoothing and mixing, one after another"}},
         .repairs = {{.fits = fits_drops_most, .edits = {TIMES("model.dropout", 0.5)}},
                     {.fits = fits_layers_drop_most, .layers = LAYERS_DROP_NOTHING},
                     {.fits = fits_smooths_much, .edits = {SET("train.label_smoothing", "0.1")}},
                     {.fits = fits_is_augmented_unusually, .taken_away = config_augmentations, .unlike_most = true},
                     {.fits = fits_is_augmented, .taken_away = config_augmentations},
                     {.fits = fits_is_mixed, .taken_away = config_mixtures}},
         .trials = {{.name = "no augmentation",
                     .family = ARM_FREED,
                     .remedy = {.fits = fits_is_augmented, .taken_away = config_augmentations}},
                    {.name = "no dropout",
                     .family = ARM_FREED,
                     .remedy = {.fits = fits_drops_units, .edits = {SET("model.dropout", "0")}}},
                    {.name = "no dropout in layers",
                     .family = ARM_FREED,
                     .remedy = {.fits = fits_layers_drop, .layers = LAYERS_DROP_NOTHING}},
                    {.name = "no mixing or smoothing",
                     .family = ARM_FREED,
                     .remedy = {.fits = fits_is_mixed, .taken_away = config_mixtures}}},
         .usual = true},
    [CAUSE_FEW_UPDATES] = {"few_updates", "hyperparameters", "the run is over after too few updates",
                           "make more of the same images: lower train.batch_size, or raise train.epochs",
                           .repairs = {{.edits = {SET("train.accumulate", "1"),
                                                  {.key = "train.batch_size", .makes_updates = true},
                                                  {.key = "train.epochs", .makes_updates = true}}}}},
    [CAUSE_CAPACITY] =
        {"capacity", "architecture", "the network is too small for the task", "use a larger network",
         .repairs = {{.fits = fits_is_small_cnn,
                      .edits = {{"model.width", .factor = 2.0, .least = 32.0, .most = 1024.0, .widens = true}}},
                     {.fits = fits_is_mlp,
                      .edits = {{"model.hidden", .factor = 2.0, .least = 256.0, .most = 65536.0, .widens = true}}},
                     {.fits = fits_has_layers_to_widen_twice, .layers = LAYERS_WIDENED_TWICE},
                     {.fits = fits_has_layers, .layers = LAYERS_WIDENED}}},
    [CAUSE_INITIALISATION] = {"initialisation", "architecture", "the first weights are badly scaled",
                              "use the default initialisation (model.init_scale = 1), or add batch normalisation",
                              .repairs = {{.edits = {SET("model.init_scale", "1")}}},
                              .trials = {{.name = "usual first weights",
                                          .family = ARM_ANEW,
                                          .remedy = {.fits = fits_draws_unusually,
                                                     .edits = {SET("model.init_scale", "1")}}}}},
    [CAUSE_NO_SIGNAL] =
        {"no_signal", "architecture", "nothing comes back to the weights that they could learn from",
         "look at images, augmentation and labels; fewer layers let a gradient through, or ones that pass them by",
         .actions = {{fits_answers_through_relu,
                      "take the relu from the last layer: a class whose answer is below 0 learns nothing through it"},
                     {fits_could_normalise_with_adam, "add batch normalisation"},
                     {fits_could_normalise,
                      "add batch normalisation; optim.name = adam, with optim.lr = 0.001, gives each "
                      "layer steps of its own length"},
                     {fits_is_sgd,
                      "set optim.name = adam, with optim.lr = 0.001, which gives each layer steps of its own "
                      "length; or look at images, augmentation and labels"}},
         .repairs = {{.fits = fits_answers_through_relu, .layers = LAYERS_OPEN},
                     {.fits = fits_layers_lack_normalisation, .layers = LAYERS_NORMALISED},
                     {.fits = fits_lacks_normalisation, .edits = {SET("model.batch_norm", "true")}},
                     {.fits = fits_is_sgd,
                      .edits = {SET("optim.name", "adam"), SET("optim.lr", "0.001"), SET("optim.nesterov", "false")}}},
         .trials = {{.name = "no relu behind the last layer",
                     .family = ARM_ANEW,
                     .remedy = {.fits = fits_answers_through_relu, .layers = LAYERS_OPEN}},
                    {.name = "batch normalisation",
                     .family = ARM_ANEW,
                     .remedy = {.fits = fits_lacks_normalisation, .edits = {SET("model.batch_norm", "true")}}},
                    {.name = "layers normalised",
                     .family = ARM_ANEW,
                     .remedy = {.fits = fits_layers_lack_normalisation, .layers = LAYERS_NORMALISED}},
                    {.name = "normalisation, rate / 4",
                     .family = ARM_ANEW,
                     .remedy = {.fits = fits_lacks_normalisation,
                                .edits = {SET("model.batch_norm", "true"), TIMES("optim.lr", 0.25)}}},
                    {.name = "normalised, rate / 4",
                     .family = ARM_ANEW,
                     .remedy = {.fits = fits_layers_lack_normalisation,
                                .edits = {TIMES("optim.lr", 0.25)},
                                .layers = LAYERS_NORMALISED}}}},
    [CAUSE_WEIGHT_DECAY] = {"weight_decay", "optimizer", "weight decay is stronger than the gradient",
                            "divide optim.weight_decay by 100",
                            .repairs = {{.edits = {TIMES("optim.weight_decay", 0.01)}}},
                            .trials = {{.name = "no weight decay",
                                        .family = ARM_ANEW,
                                        .remedy = {.fits = fits_decays, .edits = {SET("optim.weight_decay", "0")}}}}},
    [CAUSE_ADAM] = {"adam", "optimizer", "Adam's epsilon or beta2 is mistuned",
                    "use optim.eps = 1e-8 and optim.beta2 = 0.999",
                    .trials = {{.name = "adam's defaults",
                                .family = ARM_ANEW,
                                .remedy = {.fits = fits_is_adam_tuned,
                                           .edits = {SET("optim.eps", "1e-8"), SET("optim.beta1", "0.9"),
                                                     SET("optim.beta2", "0.999")}}}}},
    [CAUSE_PLAIN_SGD] = {"plain_sgd", "optimizer", "SGD without momentum makes little headway here",
                         "set optim.momentum = 0.9, or optim.name = adam with optim.lr = 0.001",
                         .repairs = {{.edits = {SET("optim.momentum", "0.9")}}},
                         .trials = {{.name = "momentum 0.9",
                                     .family = ARM_ANEW,
                                     .remedy = {.fits = fits_lacks_momentum, .edits = {SET("optim.momentum", "0.9")}}},
                                    {.name = "adam",
                                     .family = ARM_ANEW,
                                     .remedy = {.fits = fits_is_sgd,
                                                .edits = {SET("optim.name", "adam"), SET("optim.lr", "0.001"),
                                                          SET("optim.nesterov", "false")}}}}},
    [CAUSE_SCHEDULE] =
        {"schedule", "optimizer", "the schedule keeps the learning rate low too early or too long, or never lowers it",
         "lower the rate in the end: schedule.name = cosine",
         .actions = {{fits_steps_down, "lower the rate later: schedule.name = cosine does, as does a larger "
                                       "schedule.step_epochs"},
                     {fits_waits_for_plateau, "lower the rate later: schedule.name = cosine does, as does "
                                              "more schedule.patience"},
                     {fits_warms_up, "shorten the warm-up: lower schedule.warmup_epochs"},
                     {fits_anneals, "train for more epochs, so that the cosine keeps the rate for longer"}},
         .repairs = {{.fits = fits_ends_before_it_falls,
                      .edits = {SET("schedule.name", "cosine"), {.key = "train.epochs", .ends_with_run = true}}},
                     {.edits = {SET("schedule.name", "cosine"), SET("schedule.warmup_epochs", "0")}}},
         .trials = {{.name = "rate / 10 from here on",
                     .family = ARM_ONWARD,
                     .remedy = {.fits = fits_has_levelled, .edits = {TIMES("optim.lr", 0.1)}}}},
         .usual = true},
    [CAUSE_CLIP] = {"clip", "optimizer", "the gradient clip leaves next to nothing of each step",
                    "set optim.clip_norm = 0, or above the usual length of the gradient",
                    .repairs = {{.edits = {SET("optim.clip_norm", "0")}}},
                    .trials = {{.name = "no gradient clip",
                                .family = ARM_ANEW,
                                .remedy = {.fits = fits_clips, .edits = {SET("optim.clip_norm", "0")}}}}},
    [CAUSE_EARLY_STOP] =
        {"early_stop", "optimizer", "early stopping ended the run while it was still learning",
         "raise early_stop.patience, and train on: `evenkeel train --resume RUN early_stop.patience=N`",
         .actions = {{fits_wants_more, "set early_stop.min_delta = 0, or raise early_stop.patience, and train on: "
                                       "`evenkeel train --resume RUN early_stop.min_delta=0`"}},
         .repairs = {{.edits = {{.key = "early_stop.patience", .factor = 2.0, .least = 10.0},
                                SET("early_stop.min_delta", "0")}}}},
    [CAUSE_AVERAGE] = {"average", "optimizer", "the averaged weights have not caught up with the trained ones",
                       "lower optim.ema_decay, or set optim.ema_warmup = true", .repairs = {{.edits = {AVERAGED}}}},
    [CAUSE_UNKNOWN] = {.name = "unknown",
                       .group = "",
                       .title = "what is learned is no use on validation, and the records do not say why",
                       .action = "ask by experiment: `evenkeel doctor RUN --probe`; look at images and labels"},
};

const char *cause_action(enum cause cause, const struct config *config)
{
    const struct cause_info *info = &cause_table[cause];
    const struct remedy_case asked = {.config = config};
    for (int i = 0; i < ACTIONS_MOST; i++)
        if (info->actions[i].fits && info->actions[i].fits(&asked))
            return info->actions[i].words;
    return info->action;
}

/* ---- what a remedy says ---- */

static double number_of(const struct config *config, const char *key)
{
    char text[EDIT_TEXT];
    return config_get(config, key, text, sizeof text) ? strtod(text, NULL) : NAN;
}

/* number: the setting as it is. A rate is not taken above 1 by what is short alone: gradients may vanish, too. */
static double factor_of(const struct edit *edit, const struct remedy_case *asked, double number)
{
    if (!edit->at_least_what_is_short || !(asked->falls_short > 1.0))
        return edit->factor;
    return fmax(edit->factor, fmin(pow(10.0, ceil(log10(asked->falls_short))), 1.0 / number));
}

/* What a key of makes_updates is to be. The pace that falls_short goes by is the run's so far, and learning slows down:
 * once more as many updates where a batch that still holds 32 images makes them of the same images. */
static double more_updates(const char *key, const struct remedy_case *asked)
{
    enum { LEAST = 16 };
    const struct config *config = asked->config;
    const double wanted = fmax(asked->falls_short, 2.0);
    double missing = wanted / config->train.accumulate;
    int batch = config->train.batch_size;
    for (; missing > 1.0 && batch >= 2 * LEAST; batch /= 2)
        missing /= 2.0;
    if (missing > 0.5 && missing <= 1.0 && batch >= 4 * LEAST)
        batch /= 2;
    return strcmp(key, "train.batch_size") == 0 ? batch : ceil(config->train.epochs * fmax(missing, 1.0));
}

/* Epochs with larger batches, in those of the run: as many more as make 1000 updates, which is how far back Adam's
 * second moments look, and no more than make the run's own. */
static double epochs_for_updates(const struct remedy_case *asked)
{
    const double enough = 1000.0, fewer = (double)asked->steps / LARGER_BATCH;
    return asked->batch_stays || !(fewer > 0.0) ? 1.0 : fmin(fmax(enough / fewer, 1.0), LARGER_BATCH);
}

/* Of a schedule's setting, whether it goes by that. */
static bool edit_is_asked(const struct edit *edit, const struct config *config)
{
    const bool steps = strcmp(edit->key, "schedule.step_epochs") == 0,
               waits = strcmp(edit->key, "schedule.patience") == 0;
    return !edit->counts_epochs || !(steps || waits) ||
           config->schedule.name == (steps ? SCHEDULE_STEP : SCHEDULE_PLATEAU);
}

static void edit_say(const struct edit *edit, const struct remedy_case *asked, char text[static EDIT_TEXT])
{
    if (edit->word)
        snprintf(text, EDIT_TEXT, "%s=%s", edit->key, edit->word);
    else if (edit->makes_updates)
        snprintf(text, EDIT_TEXT, "%s=%.0f", edit->key, more_updates(edit->key, asked));
    else if (edit->ends_with_run)
        snprintf(text, EDIT_TEXT, "%s=%.0f", edit->key,
                 fmax(1.0, round(number_of(asked->config, edit->key) * asked->falls_short)));
    else if (edit->counts_epochs)
        snprintf(text, EDIT_TEXT, "%s=%.0f", edit->key,
                 ceil(number_of(asked->config, edit->key) *
                      (edit->keeps_updates ? epochs_for_updates(asked) : edit->factor) /
                      (asked->kept > 0.0 ? asked->kept : 1.0)));
    else if (edit->spans_light)
        snprintf(text, EDIT_TEXT, "%s=%.1f", edit->key, fits_span_of_light(asked));
    else if (edit->averages > 0.0)
        snprintf(text, EDIT_TEXT, "%s=%.4g", edit->key, 1.0 - 1.0 / fmax(10.0, edit->averages * (double)asked->steps));
    else if (edit->side_share > 0.0)
        snprintf(text, EDIT_TEXT, "%s=%.0f", edit->key, floor(asked->side * edit->side_share));
    else {
        const bool rescaled = asked->rate_scale > 0.0 && strcmp(edit->key, "optim.lr") == 0;
        const double number = number_of(asked->config, edit->key) * (rescaled ? asked->rate_scale : 1.0);
        const double most = edit->as_in_use    ? fits_highest_rate_in_use(asked)
                            : edit->most > 0.0 ? edit->most
                                               : INFINITY;
        const double once = fmax(factor_of(edit, asked, number) * number, edit->least);
        snprintf(text, EDIT_TEXT, "%s=%.9g", edit->key,
                 fmin(edit->widens && asked->wider ? edit->factor * once : once, most));
    }
}

bool remedy_is_any(const struct remedy *remedy)
{
    return remedy->edits[0].key || remedy->taken_away || remedy->layers;
}

int remedy_say(const struct remedy *remedy, const struct remedy_case *asked, char text[static REMEDY_MOST][EDIT_TEXT])
{
    int count = 0;
    for (int i = 0; i < EDITS_MOST && remedy->edits[i].key; i++)
        if (edit_is_asked(&remedy->edits[i], asked->config))
            edit_say(&remedy->edits[i], asked, text[count++]);
    for (const char *const *key = remedy->taken_away; key && *key; key++) {
        const char *const alone[] = {*key, NULL};
        if (remedy->unlike_most ? setting_is_unusual(*key, asked->config) : config_sets_any(asked->config, alone))
            snprintf(text[count++], EDIT_TEXT, "%s=%s", *key, config_fallback(*key));
    }
    return count;
}
