/* sheet: has training images augmented by the backend, one at a time, and turns what the network would be given back
 * into pictures with captions. Draws nothing itself. */
#include "sheet.h"
#include "easel.h"
#include "text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A batch of one on the device, its image fed, its partner's beside it. */
struct studio {
    const struct sheet_options *options;
    const struct backend *backend;
    struct device *device;
    struct gather_args args;
    struct step_control control; /* the host's, for the device's copy in args.control */
    const void *labels;
    void *pixels, *order; /* the device's */
    int32_t *host_order;
    uint8_t *staged; /* two images */
    float *values;   /* what was gathered */
    struct arena arena;
};

static int studio_open(struct studio *studio, const struct sheet_options *options)
{
    *studio = (struct studio){.options = options};
    const struct dataset *data = options->train->data;
    const struct augment *augment = &options->augment;
    const size_t image = (size_t)shape_count(data->image), count = (size_t)options->train->count;
    const size_t values = (size_t)augment->out_h * (size_t)augment->out_w * (size_t)data->image.c;
    struct gather_args *args = &studio->args;
    TRY(backend_open("cpu", 1, &studio->backend, &studio->device));
    const struct backend *backend = studio->backend;
    *args = (struct gather_args){.image = data->image, .augment = *augment, .dtype = DT_F32, .batch = 1};
    const struct {
        void **memory;
        size_t bytes;
    } wanted[] = {
        {&studio->pixels, 2 * image},
        {&studio->order, count * sizeof(int32_t)},
        {&args->out, values * sizeof(float)},
        {(void **)&args->out_labels, sizeof(int32_t)},
        {(void **)&args->out_samples, sizeof(int32_t)},
        {(void **)&args->out_partners, sizeof(int32_t)},
        {(void **)&args->out_shares, sizeof(float)},
        {(void **)&args->control, sizeof studio->control},
    };
    for (int i = 0; i < COUNT_OF(wanted); i++)
        TRY(backend->alloc(studio->device, wanted[i].bytes, wanted[i].memory));
    TRY(backend->place(studio->device, data->labels, (size_t)data->count * sizeof *data->labels, &studio->labels));
    studio->control.source = (struct image_source){studio->pixels, studio->labels, studio->order, 2};
    studio->control.seed = options->seed;
    studio->control.valid = 1;
    TRY(arena_take(&studio->arena, &studio->host_order, count * sizeof(int32_t), "the order of an epoch"));
    studio->staged = arena_push(&studio->arena, 2 * image);
    studio->values = arena_push(&studio->arena, values * sizeof(float));
    return OK;
}

static void studio_close(struct studio *studio)
{
    const struct backend *backend = studio->backend;
    const struct gather_args *args = &studio->args;
    void *const taken[] = {studio->pixels,    studio->order,      args->out,        args->out_labels,
                           args->out_samples, args->out_partners, args->out_shares, (void *)args->control};
    for (int i = 0; i < COUNT_OF(taken) && studio->device; i++)
        backend->release(studio->device, taken[i]);
    if (studio->labels)
        backend->unplace(studio->device, studio->labels);
    if (studio->device)
        backend->close(studio->device);
    arena_free(&studio->arena);
}

static int begin_epoch(struct studio *studio, uint32_t epoch)
{
    const struct sheet_options *options = studio->options;
    studio->control.epoch = epoch;
    subset_order(options->train, options->seed, epoch, options->shuffle, studio->host_order);
    return studio->backend->upload(studio->device, studio->order, studio->host_order,
                                   (size_t)options->train->count * sizeof *studio->host_order);
}

/* What one row of a batch became. */
struct row {
    int32_t label, partner;
    float share; /* of the label's own picture */
};

/* Gathers the image at a position of the epoch; its values are then in studio->values. */
static int gather_one(struct studio *studio, int64_t position, struct row *row)
{
    const struct dataset *data = studio->options->train->data;
    const struct backend *backend = studio->backend;
    const struct gather_args *args = &studio->args;
    const struct shape out = {1, args->augment.out_h, args->augment.out_w, data->image.c};
    const size_t image = (size_t)shape_count(data->image);
    TRY(dataset_image(data, studio->host_order[position], studio->staged));
    if (augment_blends(&args->augment))
        TRY(dataset_image(data, studio->host_order[augment_partner(position)], studio->staged + image));
    studio->control.first = position;
    TRY(backend->upload(studio->device, studio->pixels, studio->staged, 2 * image));
    TRY(backend->upload(studio->device, (void *)args->control, &studio->control, sizeof studio->control));
    TRY(backend->gather(studio->device, args));
    TRY(backend->download(studio->device, studio->values, args->out, (size_t)shape_count(out) * sizeof(float)));
    TRY(backend->download(studio->device, &row->label, args->out_labels, sizeof row->label));
    TRY(backend->download(studio->device, &row->partner, args->out_partners, sizeof row->partner));
    TRY(backend->download(studio->device, &row->share, args->out_shares, sizeof row->share));
    return backend->wait(studio->device);
}

/* The gathered values as a picture: normalisation undone, grey in all three colours. */
static uint8_t *picture_of(struct studio *studio)
{
    const struct augment *augment = &studio->options->augment;
    const int c = studio->args.image.c;
    const int64_t pixels = (int64_t)augment->out_h * augment->out_w;
    uint8_t *rgb = arena_push(&studio->arena, (size_t)pixels * 3);
    for (int64_t i = 0; i < pixels; i++)
        for (int k = 0; k < 3; k++) {
            const int channel = k < c ? k : 0;
            const float unit = studio->values[i * c + channel] * augment->std[channel] + augment->mean[channel];
            rgb[i * 3 + k] = (uint8_t)lrintf(fminf(fmaxf(unit, 0.0f), 1.0f) * 255.0f);
        }
    return rgb;
}

/* A name that can be drawn. */
static const char *drawable(const char *name)
{
    return text_is_utf8(name) ? name : "(a name that is not UTF-8)";
}

static const char *file_of(struct studio *studio, int32_t sample)
{
    const struct dataset *data = studio->options->train->data;
    const char *file = data->files ? data->files[sample] : NULL, *slash = file ? strrchr(file, '/') : NULL;
    return file ? drawable(slash ? slash + 1 : file) : arena_format(&studio->arena, "sample %d", (int)sample);
}

/* Class, and below it the class it is mixed with, else other. */
static void caption(struct studio *studio, struct cell *cell, const struct row *row, const char *other)
{
    const char *const *names = studio->options->train->data->class_names;
    const char *own = drawable(names[row->label]), *partner = drawable(names[row->partner]);
    const bool mixed = row->share < 0.995f; /* else it would read 1.00 and 0.00 */
    cell->lines[0] = mixed ? arena_format(&studio->arena, "%.2f %s", (double)row->share, own) : own;
    cell->lines[1] = mixed ? arena_format(&studio->arena, "%.2f %s", 1.0 - (double)row->share, partner) : other;
}

static int batch_cells(struct studio *studio, struct sheet *sheet)
{
    TRY(begin_epoch(studio, 1));
    for (int i = 0; i < sheet->count; i++) {
        struct row row;
        TRY(gather_one(studio, i, &row));
        sheet->cells[i].rgb = picture_of(studio);
        caption(studio, &sheet->cells[i], &row, file_of(studio, studio->host_order[i]));
    }
    sheet->title = arena_format(&studio->arena, "%s: the first %d images of epoch 1, as the network is given them",
                                drawable(studio->options->train->data->source), sheet->count);
    return OK;
}

static int epoch_cells(struct studio *studio, struct sheet *sheet)
{
    const int32_t sample = studio->options->train->samples[studio->options->image];
    for (int i = 0; i < sheet->count; i++) {
        struct row row;
        int64_t position = 0;
        TRY(begin_epoch(studio, (uint32_t)i + 1));
        while (studio->host_order[position] != sample)
            position++;
        TRY(gather_one(studio, position, &row));
        sheet->cells[i].rgb = picture_of(studio);
        caption(studio, &sheet->cells[i], &row, arena_format(&studio->arena, "epoch %d", i + 1));
    }
    sheet->title = arena_format(&studio->arena, "%s, as the network is given it in epochs 1 to %d",
                                file_of(studio, sample), sheet->count);
    return OK;
}

int sheet_write(const char *file, const struct sheet_options *options)
{
    const int64_t count = options->train->count;
    const bool one = options->image >= 0;
    if (one && options->image >= count)
        return FAIL(ERR_USAGE, "there is no image %lld; the training images are 0 to %lld", (long long)options->image,
                    (long long)count - 1);
    const int batch = options->batch < SHEET_MOST ? options->batch : SHEET_MOST;
    struct sheet sheet = {.count = one             ? SHEET_EPOCHS
                                   : batch < count ? batch
                                                   : (int)count,
                          .height = options->augment.out_h,
                          .width = options->augment.out_w};
    struct studio studio;
    int status = studio_open(&studio, options);
    if (status == OK) {
        sheet.cells = arena_push(&studio.arena, (size_t)sheet.count * sizeof *sheet.cells);
        status = one ? epoch_cells(&studio, &sheet) : batch_cells(&studio, &sheet);
    }
    if (status == OK)
        status = easel_write(file, &sheet);
    studio_close(&studio);
    return status;
}
