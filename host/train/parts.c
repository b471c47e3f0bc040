/* parts: the images of a session: opening them, how much of them is held in memory, and batches of them for whoever
 * runs the plan, wherever they lie. Knows no network. */
#include "log.h"
#include "machine.h"
#include "train.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- opening ---- */

/* Bytes that the pixels of both data sets may take together. */
static int64_t budget(const struct config *config)
{
    return config->data.memory > 0 ? (int64_t)config->data.memory << 20 : machine_memory() / 2;
}

static struct dataset_options options_of(const struct config *config, bool train_part, int64_t held)
{
    const int64_t room = budget(config) - held;
    return (struct dataset_options){.resize = config->data.resize,
                                    .threads = config->data.threads ? config->data.threads : config->train.threads,
                                    .train_part = train_part,
                                    .skip = config->data.on_error == ON_ERROR_SKIP,
                                    .cache = config->data.cache,
                                    .memory = room > 1 ? room : 1};
}

/* Out of memory is no mistake of the config. */
static bool is_mistake(int status)
{
    return status != OK && status != ERR_MEMORY;
}

/* key names the source. A wrong data.resize shows in the images. */
static int source_find(const struct config *config, struct source *source, const struct source *other, const char *path,
                       bool train_part, struct mistakes *mistakes)
{
    const struct dataset_options options = options_of(config, train_part, other->data.held);
    const int status = dataset_find(&source->data, path, &options);
    if (!is_mistake(status))
        return status;
    mistakes_add_failure(mistakes, config,
                         status == ERR_CONFIG ? "data.resize"
                         : train_part         ? "data.train"
                                              : "data.val",
                         status);
    return OK;
}

static int source_read(const struct config *config, struct source *source, const struct source *other, bool train_part,
                       struct mistakes *mistakes)
{
    const struct dataset_options options = options_of(config, train_part, other->data.held);
    const int status = dataset_read(&source->data, &options);
    if (status != ERR_CONFIG)
        return status;
    mistakes_add_failure(mistakes, config, "data.resize", status);
    return OK;
}

static int source_place(struct session *session, struct source *source)
{
    const struct dataset *data = &source->data;
    size_t pixel_bytes = (size_t)(data->count * shape_count(data->image));
    const size_t available = session->backend->available(session->device);
    const double room = available == SIZE_MAX ? INFINITY : session->config->data.device_share * (double)available;
    if (data->pixels && (double)pixel_bytes <= room) {
        const int status = session->backend->place(session->device, data->pixels, pixel_bytes, &source->pixels);
        /* Where the device has no room for them they are sent batch by batch. */
        if (status != OK && status != ERR_MEMORY)
            return status;
    }
    source->streamed = !source->pixels;
    return session->backend->place(session->device, data->labels, (size_t)data->count * sizeof(int32_t),
                                   &source->labels);
}

static int part_place(struct session *session, struct part *part)
{
    size_t bytes = (size_t)part->subset.count * sizeof(int32_t);
    TRY(session->backend->alloc(session->device, bytes, (void **)&part->order));
    return session->backend->upload(session->device, part->order, part->subset.samples, bytes);
}

/* Training and validation set, from two folders or by a split of one. */
static int choose(struct session *session)
{
    const struct config *config = session->config;
    struct source *train = &session->train_source, *val = &session->val_source;
    subset_free(&session->train.subset);
    subset_free(&session->val.subset);
    session->train.source = train;
    if (!config->data.val[0] && config->data.val_fraction > 0.0) {
        session->val.source = train;
        return subset_split(&session->train.subset, &session->val.subset, &train->data, config->data.val_fraction,
                            (uint64_t)config->train.seed);
    }
    TRY(subset_all(&session->train.subset, &train->data));
    if (!config->data.val[0])
        return OK;
    session->val.source = val;
    return subset_all(&session->val.subset, &val->data);
}

int parts_find(struct session *session, struct mistakes *mistakes)
{
    const struct config *config = session->config;
    struct source *train = &session->train_source, *val = &session->val_source;
    const int before = mistakes->count;
    TRY(source_find(config, train, val, config->data.train, true, mistakes));
    if (config->data.val[0])
        TRY(source_find(config, val, train, config->data.val, false, mistakes));
    if (mistakes->count > before)
        return OK;
    if (config->data.val[0])
        dataset_adopt_classes(&val->data, &train->data);
    return choose(session);
}

/* Both parts, although the first may have failed. */
static int read_both(struct session *session, struct mistakes *mistakes)
{
    const struct config *config = session->config;
    struct source *train = &session->train_source, *val = &session->val_source;
    const int status = source_read(config, train, val, true, mistakes);
    if (!config->data.val[0] || status == ERR_MEMORY)
        return status;
    char first[4096];
    snprintf(first, sizeof first, "%s", fail_text());
    const int other = source_read(config, val, train, false, mistakes);
    if (status == OK)
        return other;
    if (other != OK)
        log_error("%s", fail_text());
    return FAIL(status, "%s", first);
}

int parts_read(struct session *session, struct mistakes *mistakes)
{
    const struct config *config = session->config;
    const struct dataset *train = &session->train_source.data, *val = &session->val_source.data;
    const int64_t found = train->count + val->count;
    TRY(read_both(session, mistakes));
    if (mistakes->count > 0)
        return OK;
    if (train->count + val->count != found)
        TRY(choose(session));
    return config->data.leave_out[0] ? subset_leave_out(&session->train.subset, config->data.leave_out) : OK;
}

int parts_draw(struct session *session, int64_t count)
{
    const struct model_card *card = &session->card;
    struct dataset *data = &session->train_source.data;
    *data = (struct dataset){.source = "noise", .image = card->image, .count = count, .class_count = card->class_count};
    const size_t bytes = (size_t)(count * shape_count(card->image));
    TRY(memory_take(&data->owned, bytes, "images of noise"));
    data->pixels = data->owned;
    TRY(memory_take(&data->labels, (size_t)count * sizeof *data->labels, "labels of images of noise"));
    uint8_t *pixels = data->owned;
    uint32_t noise = 1;
    for (size_t i = 0; i < bytes; i++)
        pixels[i] = (uint8_t)((noise = noise * 1664525u + 1013904223u) >> 24);
    for (int64_t i = 0; i < count; i++)
        data->labels[i] = (int32_t)(i % card->class_count);
    session->train.source = &session->train_source;
    return subset_all(&session->train.subset, data);
}

/* Threads and a ring for batches of the plan's size, where images are not all on the device. */
static int open_loader(struct session *session)
{
    const struct config *config = session->config;
    if (!session->train_source.streamed && !session->val_source.streamed)
        return OK;
    loader_close(session->loader);
    const struct loader_options options = {
        .backend = session->backend,
        .device = session->device,
        .image = session->card.image,
        .batch = session->plan.options.batch,
        .partners = augment_blends(&session->plan.options.augment_train),
        .threads = config->data.threads ? config->data.threads : config->train.threads,
    };
    return loader_open(&session->loader, &options);
}

int parts_place(struct session *session)
{
    TRY(source_place(session, &session->train_source));
    if (session->val.source == &session->val_source)
        TRY(source_place(session, &session->val_source));
    TRY(part_place(session, &session->train));
    if (session->val.source)
        TRY(part_place(session, &session->val));
    return open_loader(session);
}

int session_open_val(struct session *session, const char *path)
{
    struct config named = *session->config;
    if (path) { /* no line of the run's config is to blame */
        named.origin = NULL;
        named.file[0] = 0;
    }
    const struct config *config = &named;
    const char *from = path ? path : config->data.val[0] ? config->data.val : NULL;
    struct source *source = &session->val_source;
    if (!from && config->data.val_fraction == 0.0)
        return FAIL(ERR_USAGE, "the run has no validation images; name a data set with --data");
    struct mistakes mistakes;
    mistakes_begin(&mistakes, config);
    int status =
        source_find(config, source, &session->train_source, from ? from : config->data.train, from == NULL, &mistakes);
    if (status == OK && mistakes.count == 0)
        status = source_read(config, source, &session->train_source, from == NULL, &mistakes);
    status = mistakes_settle(&mistakes, status, stderr);
    if (status == ERR_NO_INPUT && !path)
        return FAIL(status,
                    "%s; a run's paths count from here or from the folder where it was made: start this where they "
                    "are, or name the images with --data",
                    fail_text());
    TRY(status);
    card_adopt_classes(&session->card, &source->data);
    TRY(card_match(&session->card, "the model", &source->data));
    if (from) {
        TRY(subset_all(&session->val.subset, &source->data));
    } else {
        struct subset rest = {0};
        TRY(subset_split(&rest, &session->val.subset, &source->data, config->data.val_fraction,
                         (uint64_t)config->train.seed));
        subset_free(&rest);
    }
    session->val.source = source;
    TRY(source_place(session, source));
    TRY(part_place(session, &session->val));
    return open_loader(session);
}

/* ---- batches ---- */

int batches_begin(struct session *session, const struct source *source, const int32_t *order, const int32_t *host_order,
                  int64_t first, int64_t end)
{
    struct plan *plan = &session->plan;
    session->batches_of = source;
    if (!source->streamed) {
        plan_set_data(plan, source->pixels, source->labels, order);
        return OK;
    }
    const int rows = plan->options.batch + augment_blends(&plan->options.augment_train);
    if (loader_feed(session->loader)->slot_bytes != (size_t)rows * (size_t)shape_count(plan->options.image))
        TRY(open_loader(session));
    plan_set_feed(plan, loader_feed(session->loader), source->labels, order);
    return loader_begin(session->loader, &source->data, host_order, first, end);
}

void batches_rest(struct session *session)
{
    if (session->loader)
        loader_rest(session->loader);
}

int batch_next(struct session *session, struct step_control *control)
{
    return session->batches_of->streamed ? loader_next(session->loader, &control->slot) : OK;
}

int batch_again(struct session *session, const int32_t *host_order, struct step_control *control)
{
    const struct source *source = session->batches_of;
    return source->streamed ? loader_again(session->loader, &source->data, host_order, control->first, control->valid,
                                           &control->slot)
                            : OK;
}

int batch_queued(struct session *session, const struct step_control *control)
{
    return session->batches_of->streamed ? loader_taken(session->loader, control->slot) : OK;
}

double batches_waited(const struct session *session)
{
    return session->loader ? loader_waited(session->loader) : 0.0;
}

/* ---- closing ---- */

static void source_close(struct session *session, struct source *source)
{
    if (source->pixels)
        session->backend->unplace(session->device, source->pixels);
    if (source->labels)
        session->backend->unplace(session->device, source->labels);
    dataset_close(&source->data);
}

static void part_close(struct session *session, struct part *part)
{
    if (part->order)
        session->backend->release(session->device, part->order);
    subset_free(&part->subset);
}

void parts_close(struct session *session)
{
    loader_close(session->loader);
    session->loader = NULL;
    part_close(session, &session->val);
    part_close(session, &session->train);
    source_close(session, &session->val_source);
    source_close(session, &session->train_source);
}
