/* session: opens, in order, what a run needs: device, data, normalisation, network, plan; closes in reverse. Knows no
 * steps, epochs or files of a run. */
#include "train.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int session_dtype(enum precision_kind precision, const struct backend *backend, const struct device *device,
                  enum dtype *dtype)
{
    static const enum dtype wanted[] = {
        [PRECISION_FP32] = DT_F32, [PRECISION_BF16] = DT_BF16, [PRECISION_FP16] = DT_F16};
    bool in_hardware = false;
    if (precision == PRECISION_AUTO) {
        bool can = backend->supports(device, DT_BF16, &in_hardware);
        *dtype = can && in_hardware ? DT_BF16 : DT_F32;
        return OK;
    }
    *dtype = wanted[precision];
    if (!backend->supports(device, *dtype, &in_hardware))
        return FAIL(ERR_UNSUPPORTED, "%s: the %s backend cannot compute in it here; use auto or fp32",
                    dtype_name(*dtype), backend->name);
    return OK;
}

static int choose_dtype(struct session *session)
{
    return session_dtype(session->config->train.precision, session->backend, session->device, &session->dtype);
}

static int open_device(struct session *session)
{
    const struct config *config = session->config;
    TRY(backend_open(config->train.device, config->train.threads, &session->backend, &session->device));
    return choose_dtype(session);
}

/* The same, where none is open; a device or precision that is not there is told with the other mistakes. */
static int look_for_device(struct session *session, struct mistakes *mistakes)
{
    const struct config *config = session->config;
    const int opened = session->device ? OK
                                       : backend_open(config->train.device, config->train.threads, &session->backend,
                                                      &session->device);
    const int status = opened == OK ? choose_dtype(session) : opened;
    if (status == ERR_DEVICE || status == ERR_UNSUPPORTED)
        mistakes_add_failure(mistakes, config, opened == OK ? "train.precision" : "train.device", status);
    else
        return status;
    return OK;
}

/* What the images are and how they are normalised; measured on the training set where nothing else is said. */
static int fill_card(struct session *session, FILE *errors)
{
    const struct config *config = session->config;
    const struct dataset *data = &session->train_source.data;
    struct model_card *card = &session->card;
    struct mistakes mistakes;
    card->image = data->image;
    card->image.n = 1;
    card->class_count = data->class_count;
    card->class_names = data->class_names;
    const int channels = data->image.c;
    card->by_image = config->augment.normalize == NORMALIZE_IMAGE;
    for (int c = 0; c < 4; c++) {
        card->mean[c] = 0.0;
        card->std[c] = 1.0;
    }
    if (config->augment.normalize == NORMALIZE_GIVEN) {
        augmentation_numbers(card->mean, config->augment.mean, config->augment.mean_count, channels);
        augmentation_numbers(card->std, config->augment.std, config->augment.std_count, channels);
    } else if (config->augment.normalize != NORMALIZE_NONE) {
        subset_statistics(&session->train.subset, card->mean, card->std);
    }
    mistakes_begin(&mistakes, config);
    for (int c = 0; c < channels; c++)
        if (!(card->std[c] > 0.0) && !card->by_image)
            mistakes_add_key(&mistakes, config, "augment.normalize",
                             "channel %d is the same in every pixel of %s, so it cannot be divided by its standard "
                             "deviation; set augment.normalize = none",
                             c, data->source);
    return mistakes_tell(&mistakes, errors);
}

/* Whether the config goes with images like the card's, where there may be none. */
static int judge_card(const struct session *session)
{
    struct mistakes mistakes;
    mistakes_begin(&mistakes, session->config);
    judge_network(session->config, session->card.image, session->card.class_count, &mistakes);
    return mistakes_tell(&mistakes, stderr);
}

/* Logarithms of the classes' shares of the training images, of a class without any as if it had one. Trained with these
 * added, a network's own outputs are those for classes equally frequent (Menon et al., "Long-tail learning via logit
 * adjustment", 2021). */
static int place_class_offsets(struct session *session)
{
    const struct subset *subset = &session->train.subset;
    if (!session->config->train.balance || subset->count == 0 || session->class_offsets)
        return OK;
    const size_t classes = (size_t)session->card.class_count;
    float *offsets = arena_push(&session->arena, classes * sizeof *offsets);
    for (int64_t i = 0; i < subset->count; i++)
        offsets[subset->data->labels[subset->samples[i]]] += 1.0f;
    for (size_t c = 0; c < classes; c++)
        offsets[c] = (float)log(fmax(1.0, (double)offsets[c]) / (double)subset->count);
    return session->backend->place(session->device, offsets, classes * sizeof *offsets, &session->class_offsets);
}

static int build_model(struct session *session, int batch, bool training)
{
    const struct config *config = session->config;
    const struct model_card *card = &session->card;
    TRY(place_class_offsets(session));
    struct plan_options options = {
        .batch = batch,
        .dtype = session->dtype,
        .training = training,
        .survey = config->stats.layers_every > 0,
        .unmeasured = !config->stats.enabled,
        .samples = config->stats.enabled && card->class_count <= UINT16_MAX ? session->train_source.data.count : 0,
        .deterministic = config->train.deterministic,
        .tf32 = config->train.tf32,
        .accumulate = config->train.accumulate > 1,
        .ema = training && config->optim.ema_decay > 0.0,
        .decay_all = config->optim.decay == DECAY_ALL,
        .weight_decay = (float)config->optim.weight_decay,
        .smoothing = (float)config->train.label_smoothing,
        .class_offsets = config->train.balance ? session->class_offsets : NULL,
        .update = {.kind = config->optim.name,
                   .momentum = config->optim.momentum,
                   .nesterov = config->optim.nesterov,
                   .beta1 = config->optim.beta1,
                   .beta2 = config->optim.beta2,
                   .epsilon = config->optim.eps,
                   .clip_norm = (float)config->optim.clip_norm,
                   .grad_scale = 1.0f / (float)config->train.accumulate},
        .image = card->image,
    };
    augmentation_make(&options.augment_train, config, card, true);
    augmentation_make(&options.augment_eval, config, card, false);
    struct shape input = {1, options.augment_eval.out_h, options.augment_eval.out_w, card->image.c};
    TRY(model_build(&session->graph, config, input, card->class_count));
    return plan_build(&session->plan, &session->graph, session->backend, session->device, &options);
}

/* Which images there are, and what of the config cannot be had with them. */
static int look_at_data(struct session *session, struct mistakes *mistakes)
{
    const int before = mistakes->count;
    if (!*session->config->data.train)
        mistakes_add_key(mistakes, session->config, "data.train", "is empty; it names the training images");
    else
        TRY(parts_find(session, mistakes));
    const struct dataset *train = &session->train_source.data, *val = &session->val_source.data;
    const struct dataset *seen = train->image.h ? train : val;
    /* Reading names all that cannot be used; what is left is judged then. */
    if (dataset_has_problems(train) || dataset_has_problems(val))
        return OK;
    if (mistakes->count == before)
        judge_config(session, mistakes);
    else if (seen->image.h) /* one part at least */
        judge_network(session->config, seen->image, seen->class_count, mistakes);
    return OK;
}

/* status: of what was looked for before the images. */
static int open_data(struct session *session, struct mistakes *mistakes, int status, FILE *errors)
{
    if (status == OK)
        status = look_at_data(session, mistakes);
    TRY(mistakes_settle(mistakes, status, errors));
    TRY(mistakes_settle(mistakes, parts_read(session, mistakes), errors));
    judge_config(session, mistakes); /* of what is left */
    TRY(mistakes_tell(mistakes, errors));
    return fill_card(session, errors);
}

int session_open_data(struct session *session, const struct config *config, FILE *errors)
{
    struct mistakes mistakes;
    *session = (struct session){.config = config};
    mistakes_begin(&mistakes, config);
    return open_data(session, &mistakes, OK, errors);
}

int session_look(struct session *session, const struct config *config, bool device, FILE *errors)
{
    struct mistakes mistakes;
    int status = OK;
    mistakes_begin(&mistakes, config);
    session->config = config;
    if (device)
        status = look_for_device(session, &mistakes);
    if (status == OK && session->train.subset.count > 0)
        judge_config(session, &mistakes);
    else if (status == OK)
        status = look_at_data(session, &mistakes);
    return mistakes_settle(&mistakes, status, errors);
}

void session_check_input(const struct session *session, struct check_input *input)
{
    const struct config *config = session->config;
    *input =
        (struct check_input){.train = &session->train.subset,
                             .val = session->val.source ? &session->val.subset : NULL,
                             .shuffle = config->data.shuffle,
                             .balanced = config->train.balance,
                             .relit = session->card.by_image || (config->augment.brightness >= strtod(RELIGHT, NULL) &&
                                                                 config->augment.contrast >= strtod(RELIGHT, NULL)),
                             .by_image = session->card.by_image,
                             .skip = config->data.on_error == ON_ERROR_SKIP,
                             .seed = (uint64_t)config->train.seed,
                             .batch = config->train.batch_size,
                             .threads = config->data.threads ? config->data.threads : config->train.threads};
    memcpy(input->mean, session->card.mean, sizeof input->mean);
    memcpy(input->std, session->card.std, sizeof input->std);
}

int session_open(struct session *session, const struct config *config)
{
    struct mistakes mistakes;
    *session = (struct session){.config = config};
    mistakes_begin(&mistakes, config);
    TRY(open_data(session, &mistakes, look_for_device(session, &mistakes), stderr));
    TRY(build_model(session, config->train.batch_size, true));
    card_make_metadata(session);
    TRY(plan_init_weights(&session->plan, (uint64_t)config->train.seed));
    return parts_place(session);
}

int session_rebind(struct session *session, const struct config *config)
{
    plan_free(&session->plan);
    graph_free(&session->graph);
    session->config = config;
    TRY(choose_dtype(session));
    TRY(judge_card(session));
    TRY(fill_card(session, stderr));
    TRY(build_model(session, config->train.batch_size, true));
    card_make_metadata(session); /* it names the graph's model */
    return plan_init_weights(&session->plan, (uint64_t)config->train.seed);
}

static int open_bare(struct session *session, const struct config *config, struct shape image, int class_count)
{
    *session = (struct session){.config = config, .card = {.image = image, .class_count = class_count}};
    for (int c = 0; c < 4; c++)
        session->card.std[c] = 1.0;
    TRY(judge_card(session));
    return open_device(session);
}

int session_open_bare(struct session *session, const struct config *config, struct shape image, int class_count)
{
    TRY(open_bare(session, config, image, class_count));
    return build_model(session, config->train.batch_size, true);
}

int session_open_noise(struct session *session, const struct config *config, struct shape image, int class_count,
                       int64_t count)
{
    TRY(open_bare(session, config, image, class_count));
    TRY(parts_draw(session, count));
    TRY(build_model(session, config->train.batch_size, true));
    TRY(plan_init_weights(&session->plan, (uint64_t)config->train.seed));
    return parts_place(session);
}

int session_open_model(struct session *session, const struct config *config, const char *checkpoint, int batch)
{
    *session = (struct session){.config = config};
    TRY(card_read(&session->card, &session->arena, checkpoint));
    TRY(judge_card(session));
    TRY(open_device(session));
    TRY(build_model(session, batch, false));
    return checkpoint_load(checkpoint, &session->plan, false, &session->arena, NULL, NULL);
}

void session_close(struct session *session)
{
    plan_free(&session->plan);
    graph_free(&session->graph);
    parts_close(session);
    if (session->class_offsets)
        session->backend->unplace(session->device, session->class_offsets);
    if (session->backend)
        session->backend->close(session->device);
    arena_free(&session->arena);
    *session = (struct session){0};
}
