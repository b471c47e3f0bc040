/* fits: which runs a remedy is for, by their configs and what is known of their images. Must not know causes. */
#include "fits.h"

#include "check.h"

#include <math.h>
#include <string.h>

bool fits_rate_can_rise(const struct remedy_case *asked)
{
    return asked->config->optim.lr < 100.0;
}

/* Of what is published: 0.1 with SGD (ResNet on ImageNet), with Adam ten times its default. */
double fits_highest_rate_in_use(const struct remedy_case *asked)
{
    return fits_is_sgd(asked) ? 0.1 : 0.01;
}

/* So that a tenth of it is, too. */
bool fits_rate_is_out_of_use(const struct remedy_case *asked)
{
    return asked->config->optim.lr > 10.0 * fits_highest_rate_in_use(asked);
}

/* A larger batch mends a small one alone, and an update of four times the images has to be filled. */
static bool batch_can_grow(const struct remedy_case *asked)
{
    const int64_t update = (int64_t)asked->config->train.batch_size * asked->config->train.accumulate;
    return update <= SMALL_BATCH && (asked->images == 0 || 4 * update <= asked->images);
}

/* Normalised over so few, a larger batch of gradients alone leaves the noise of the means as it is. */
static bool normalises_few(const struct remedy_case *asked)
{
    return config_normalises(asked->config) && asked->config->train.batch_size <= NORMALISED_FEW;
}

bool fits_batch_can_grow_whole(const struct remedy_case *asked)
{
    return batch_can_grow(asked) && normalises_few(asked);
}

bool fits_gradients_can_gather(const struct remedy_case *asked)
{
    return batch_can_grow(asked) && !normalises_few(asked);
}

/* What is left of the labels is less than half (rule_softened). */
bool fits_smooths_much(const struct remedy_case *asked)
{
    return asked->config->train.label_smoothing >= 0.3;
}

bool fits_decays(const struct remedy_case *asked)
{
    return asked->config->optim.weight_decay > 0.0;
}

bool fits_is_small_cnn(const struct remedy_case *asked)
{
    return asked->config->model.name == MODEL_SMALL_CNN;
}

bool fits_is_mlp(const struct remedy_case *asked)
{
    return asked->config->model.name == MODEL_MLP;
}

bool fits_lacks_normalisation(const struct remedy_case *asked)
{
    return asked->suspected && fits_is_small_cnn(asked) && !asked->config->model.batch_norm;
}

bool config_normalises(const struct config *config)
{
    bool found = config->model.name != MODEL_MLP && config->model.name != MODEL_CUSTOM &&
                 (config->model.name != MODEL_SMALL_CNN || config->model.batch_norm);
    for (int i = 0; i < config->layer_count; i++)
        found |= strcmp(config->layers[i].type, "norm") == 0;
    return found;
}

/* A normalisation here and there lets no gradient through many layers: there are fewer than one to two of them. The
 * last layer answers. */
static bool layers_lack_normalisation(const struct config *config)
{
    int computing = 0, norms = 0;
    for (int i = 0; i < config->layer_count; i++) {
        const char *type = config->layers[i].type;
        norms += strcmp(type, "norm") == 0;
        computing += i + 1 < config->layer_count && (strcmp(type, "conv") == 0 || strcmp(type, "linear") == 0);
    }
    return 2 * norms < computing;
}

bool fits_could_normalise(const struct remedy_case *asked)
{
    const struct config *config = asked->config;
    return config->layer_count > 0 ? layers_lack_normalisation(config)
                                   : config->model.name != MODEL_MLP && !config_normalises(config);
}

bool fits_could_normalise_with_adam(const struct remedy_case *asked)
{
    return fits_could_normalise(asked) && !fits_is_sgd(asked);
}

bool fits_draws_unusually(const struct remedy_case *asked)
{
    return asked->config->model.init_scale != 1.0;
}

bool fits_normalises_by_hand(const struct remedy_case *asked)
{
    return asked->config->augment.normalize == NORMALIZE_GIVEN || asked->config->augment.normalize == NORMALIZE_NONE;
}

bool fits_shares_normalisation(const struct remedy_case *asked)
{
    return asked->suspected && asked->config->augment.normalize != NORMALIZE_IMAGE;
}

bool fits_is_unshuffled(const struct remedy_case *asked)
{
    return !asked->config->data.shuffle;
}

/* A network without convolutions knows nothing of neighbourhood: a shifted image is another one to it. */
static bool sees_shapes(const struct remedy_case *asked)
{
    const struct config *config = asked->config;
    bool convolves = config->layer_count == 0 && !fits_is_mlp(asked);
    for (int i = 0; i < config->layer_count; i++)
        convolves = convolves || strcmp(config->layers[i].type, "conv") == 0;
    return convolves;
}

bool fits_sees_no_shapes(const struct remedy_case *asked)
{
    return !sees_shapes(asked);
}

/* Factors of 1 - x to 1 + x: the least x, in tenths, at which training's images come to be lit as validation's. */
double fits_span_of_light(const struct remedy_case *asked)
{
    return fmin(ceil(10.0 * fabs(1.0 - asked->lit) - 1e-9) / 10.0, 1.0);
}

bool fits_is_lit_otherwise_throughout(const struct remedy_case *asked)
{
    return asked->lit > 0.0 && fits_shares_normalisation(asked);
}

bool fits_is_lit_otherwise(const struct remedy_case *asked)
{
    return asked->lit > 0.0 && asked->config->augment.brightness < fits_span_of_light(asked);
}

bool fits_lacks_augmentation(const struct remedy_case *asked)
{
    return sees_shapes(asked) && !config_augments(asked->config);
}

/* Two mistakes are possible, and which costs more nobody knows: the side that its trial is on. */
bool fits_gains_by_augmentation(const struct remedy_case *asked)
{
    return asked->tried && asked->gained && fits_lacks_augmentation(asked);
}

bool fits_has_not_tried_augmentation(const struct remedy_case *asked)
{
    return !asked->tried && fits_lacks_augmentation(asked);
}

/* Rare classes are few images, whatever the others do to theirs: mirrored ones are shown alike each time. */
bool fits_moves_nothing(const struct remedy_case *asked)
{
    static const char *const moves[] = {"augment.rotate",
                                        "augment.translate",
                                        "augment.scale",
                                        "augment.shear",
                                        "augment.crop_padding",
                                        "augment.crop_area",
                                        NULL};
    return !config_sets_any(asked->config, moves);
}

/* Whether shifted images are of use to a network without convolutions depends on the images. */
bool fits_could_be_augmented(const struct remedy_case *asked)
{
    return asked->suspected && !sees_shapes(asked) && !config_augments(asked->config);
}

/* What validation gets right leaves nothing to be held back. */
bool fits_is_augmented(const struct remedy_case *asked)
{
    return asked->missing && config_sets_any(asked->config, config_augmentations);
}

bool fits_is_augmented_unusually(const struct remedy_case *asked)
{
    bool unusual = false;
    for (const char *const *key = config_augmentations; *key; key++)
        unusual |= setting_is_unusual(*key, asked->config);
    return unusual && fits_is_augmented(asked);
}

bool fits_is_mixed(const struct remedy_case *asked)
{
    return asked->missing && config_sets_any(asked->config, config_mixtures);
}

/* By a setting: in layers of one's own it is in their sections. */
static bool drops_by_setting(const struct config *config)
{
    return config->model.name != MODEL_CUSTOM && config_dropout(config) > 0.0;
}

bool fits_drops_units(const struct remedy_case *asked)
{
    return asked->missing && drops_by_setting(asked->config);
}

bool fits_drops_most(const struct remedy_case *asked)
{
    return drops_by_setting(asked->config) && config_dropout(asked->config) > 0.5;
}

bool fits_layers_drop(const struct remedy_case *asked)
{
    return asked->missing && fits_has_layers_that_drop(asked);
}

bool fits_layers_drop_most(const struct remedy_case *asked)
{
    return fits_has_layers_that_drop(asked) && config_dropout(asked->config) > 0.5;
}

bool fits_has_layers(const struct remedy_case *asked)
{
    return asked->config->layer_count > 0;
}

bool fits_has_layers_to_widen_twice(const struct remedy_case *asked)
{
    return asked->wider && fits_has_layers(asked);
}

bool fits_answers_through_relu(const struct remedy_case *asked)
{
    return config_rectified_answer(asked->config) >= 0;
}

bool fits_layers_lack_normalisation(const struct remedy_case *asked)
{
    return asked->suspected && layers_lack_normalisation(asked->config);
}

bool fits_has_layers_that_drop(const struct remedy_case *asked)
{
    return !drops_by_setting(asked->config) && config_dropout(asked->config) > 0.0;
}

bool fits_has_levelled(const struct remedy_case *asked)
{
    return asked->config->schedule.name == SCHEDULE_CONSTANT && asked->levelled;
}

bool fits_stands_at_its_rate(const struct remedy_case *asked)
{
    return asked->config->schedule.name == SCHEDULE_CONSTANT && asked->stands;
}

bool fits_is_adam_tuned(const struct remedy_case *asked)
{
    const struct config *config = asked->config;
    return config->optim.name != OPTIMIZER_SGD &&
           (config->optim.eps != 1e-8 || config->optim.beta2 != 0.999 || config->optim.beta1 != 0.9);
}

bool fits_is_sgd(const struct remedy_case *asked)
{
    return asked->config->optim.name == OPTIMIZER_SGD;
}

bool fits_lacks_momentum(const struct remedy_case *asked)
{
    return fits_is_sgd(asked) && asked->config->optim.momentum < 0.5;
}

/* Steps are 1 / (1 - momentum) as long: more than twice as long as with the usual 0.9. */
bool fits_has_much_momentum(const struct remedy_case *asked)
{
    return fits_is_sgd(asked) && asked->config->optim.momentum > 0.95;
}

/* And a rate that is in use with it otherwise: then the momentum alone is to blame. */
bool fits_swings(const struct remedy_case *asked)
{
    return fits_has_much_momentum(asked) && asked->config->optim.lr <= fits_highest_rate_in_use(asked);
}

bool fits_clips(const struct remedy_case *asked)
{
    return asked->config->optim.clip_norm > 0.0;
}

bool fits_steps_down(const struct remedy_case *asked)
{
    return asked->config->schedule.name == SCHEDULE_STEP;
}

bool fits_waits_for_plateau(const struct remedy_case *asked)
{
    return asked->config->schedule.name == SCHEDULE_PLATEAU;
}

bool fits_warms_up(const struct remedy_case *asked)
{
    return asked->config->schedule.warmup_epochs > 0.0;
}

/* The run is a small part of what its schedule was planned for. */
bool fits_ends_before_it_falls(const struct remedy_case *asked)
{
    return asked->falls_short > 0.0 && asked->falls_short < 1.0;
}

bool fits_anneals(const struct remedy_case *asked)
{
    return asked->config->schedule.name == SCHEDULE_COSINE;
}

bool fits_wants_more(const struct remedy_case *asked)
{
    return asked->config->early_stop.min_delta > 0.0;
}

/* Labels that are left are mostly right, and smoothing them costs more than it gives. */
bool fits_are_left_out(const struct remedy_case *asked)
{
    return asked->left_out;
}
