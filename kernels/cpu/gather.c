/* gather: the batch out of the stored images, augmented, normalised and mixed, each sample read and written once. The
 * arithmetic is in kernels/common/augment*.h, pictures in picture.c.
 *
 * Pixels that are copies of stored bytes can only become 256 values per channel: they are looked up in a table that
 * holds colour and normalisation. */
#include "cpu.h"
#include "kernels/common/augment_blend.h"
#include "kernels/common/bf16.h"
#include "picture.h"
#include <assert.h>
#include <string.h>

enum { LEVELS = 256 };

struct table {
    float value[CHANNELS][LEVELS];
    uint16_t half[CHANNELS][LEVELS];
};

/* What all samples share. */
struct batch {
    const struct gather_args *args;
    struct table plain;                                  /* normalisation alone */
    float mean[STRIP * CHANNELS], std[STRIP * CHANNELS]; /* of each value of a strip */
};

/* A picture and how its bytes end, if it is copied. */
struct finished {
    struct picture picture;
    const struct table *table;
    struct table own;
};

static void table_fill(struct table *table, const struct gather_args *args, float brightness, float contrast,
                       float grey)
{
    for (int channel = 0; channel < args->image.c; channel++)
        for (int level = 0; level < LEVELS; level++) {
            float unit = augment_contrast(augment_brighten((float)level, brightness), contrast, grey);
            float value = augment_normalise(unit, args->augment.mean[channel], args->augment.std[channel]);
            table->value[channel][level] = value;
            table->half[channel][level] = bf16_from_float(value);
        }
}

/* row: where it lies in the slot, if the images are fed. */
static void finished_open(struct finished *finished, const struct batch *batch, int row, int32_t number)
{
    const struct gather_args *args = batch->args;
    const size_t bytes = (size_t)args->image.h * args->image.w * args->image.c;
    struct picture *picture = &finished->picture;
    const struct image_source *source = &args->control->source;
    const int64_t place = source->slot_rows ? (int64_t)args->control->slot * source->slot_rows + row : number;
    picture_open(picture, args, source->pixels + (size_t)place * bytes, (uint64_t)number);
    const struct augment_draw *draw = &picture->draw;
    finished->table = &batch->plain;
    if (picture->copied && (draw->brightness != 1.0f || draw->contrast != 1.0f)) {
        table_fill(&finished->own, args, draw->brightness, draw->contrast, picture->grey);
        finished->table = &finished->own;
    }
}

BY_CHANNELS void look_up_floats(const struct table *table, float *restrict to, const uint8_t *bytes, int count,
                                const int c)
{
    for (int i = 0; i < count; i++)
        for (int channel = 0; channel < c; channel++)
            to[i * c + channel] = table->value[channel][bytes[i * c + channel]];
}

BY_CHANNELS void look_up_halves(const struct table *table, uint16_t *restrict to, const uint8_t *bytes, int count,
                                const int c)
{
    for (int i = 0; i < count; i++)
        for (int channel = 0; channel < c; channel++)
            to[i * c + channel] = table->half[channel][bytes[i * c + channel]];
}

/* The erased box's part of a strip becomes 0. */
static void erase(const struct picture *picture, const struct strip *strip, void *values, size_t pixel_bytes)
{
    const struct augment_box *box = &picture->draw.erase;
    int begin = box->left > strip->x ? box->left : strip->x, stop = strip->x + strip->count;
    int end = box->left + box->w < stop ? box->left + box->w : stop;
    if (strip->y >= box->top && strip->y < box->top + box->h && begin < end)
        memset((char *)values + (size_t)(begin - strip->x) * pixel_bytes, 0, (size_t)(end - begin) * pixel_bytes);
}

/* A strip of the picture as the network would see it, were it not mixed. */
static void finished_values(const struct finished *finished, const struct batch *batch, int y, int x, float *values)
{
    const struct picture *picture = &finished->picture;
    const int c = picture->image.c;
    struct strip strip = picture_strip(picture, y, x);
    if (picture->copied) {
        uint8_t bytes[STRIP * CHANNELS];
        picture_bytes(picture, &strip, bytes);
        WITH_CHANNELS(c, look_up_floats, finished->table, values, bytes, strip.count);
    } else {
        picture_units(picture, &strip, values);
#pragma omp simd
        for (int i = 0; i < strip.count * c; i++)
            values[i] = augment_normalise(values[i], batch->mean[i], batch->std[i]);
    }
    erase(picture, &strip, values, (size_t)c * sizeof *values);
}

static void store(const struct gather_args *args, int64_t out, const float *values, int count)
{
    if (args->dtype == DT_F32) {
        memcpy((float *)args->out + out, values, (size_t)count * sizeof *values);
        return;
    }
    uint16_t *restrict to = (uint16_t *)args->out + out;
#pragma omp simd
    for (int i = 0; i < count; i++)
        to[i] = bf16_from_float(values[i]);
}

/* Straight from bytes to the batch in bf16. */
static void write_halves(const struct finished *finished, const struct gather_args *args, int64_t out, int y, int x)
{
    uint8_t bytes[STRIP * CHANNELS];
    struct strip strip = picture_strip(&finished->picture, y, x);
    picture_bytes(&finished->picture, &strip, bytes);
    uint16_t *to = (uint16_t *)args->out + out;
    WITH_CHANNELS(args->image.c, look_up_halves, finished->table, to, bytes, strip.count);
    erase(&finished->picture, &strip, to, (size_t)args->image.c * sizeof *to);
}

static void mix(const struct augment_blend *blend, int y, int x, float *own, const float *partner, int pixels, int c)
{
    for (int i = 0; i < pixels; i++) {
        bool in_box = augment_in_box(&blend->box, x + i, y);
        for (int k = i * c; k < i * c + c; k++)
            own[k] = augment_blended(blend, in_box, own[k], partner[k]);
    }
}

/* partner: NULL unless mixed. */
static void row_write(const struct batch *batch, int row, const struct finished *own, const struct finished *partner,
                      const struct augment_blend *blend)
{
    const struct gather_args *args = batch->args;
    const int out_h = args->augment.out_h, out_w = args->augment.out_w, c = args->image.c;
    const bool direct = !partner && own->picture.copied && args->dtype == DT_BF16;
    float values[STRIP * CHANNELS], others[STRIP * CHANNELS];
    for (int y = 0; y < out_h; y++)
        for (int x = 0; x < out_w; x += STRIP) {
            const int64_t out = (((int64_t)row * out_h + y) * out_w + x) * c;
            const int pixels = out_w - x < STRIP ? out_w - x : STRIP;
            if (direct) {
                write_halves(own, args, out, y, x);
                continue;
            }
            finished_values(own, batch, y, x, values);
            if (partner) {
                finished_values(partner, batch, y, x, others);
                mix(blend, y, x, values, others, pixels, c);
            }
            store(args, out, values, pixels * c);
        }
}

static void row_gather(const struct batch *batch, int row)
{
    const struct gather_args *args = batch->args;
    const struct step_control *control = args->control;
    const struct image_source *source = &control->source;
    const int64_t position = control->first + row;
    const int32_t number = source->order[position];
    struct finished own, partner;
    struct augment_blend blend = augment_blend(&args->augment, control->seed, control->epoch, (uint64_t)number);
    finished_open(&own, batch, row, number);
    int32_t second = number;
    if (blend.share < 1.0f) {
        second = source->order[augment_partner(position)];
        finished_open(&partner, batch, augment_partner_row(row, args->batch), second);
    }
    row_write(batch, row, &own, blend.share < 1.0f ? &partner : NULL, &blend);
    args->out_samples[row] = number;
    args->out_labels[row] = source->labels[number];
    if (args->out_shares) {
        args->out_partners[row] = source->labels[second];
        args->out_shares[row] = blend.share;
    }
}

static void row_clear(const struct gather_args *args, int row)
{
    size_t values = (size_t)args->augment.out_h * args->augment.out_w * args->image.c;
    size_t bytes = values * (args->dtype == DT_F32 ? sizeof(float) : sizeof(uint16_t));
    memset((char *)args->out + (size_t)row * bytes, 0, bytes);
    args->out_samples[row] = args->out_labels[row] = -1;
    if (args->out_shares) {
        args->out_partners[row] = -1;
        args->out_shares[row] = 1.0f;
    }
}

int cpu_gather(struct device *device, const struct gather_args *args)
{
    assert(args->channels == 0 || args->channels == args->image.c);
    assert(args->dtype == DT_F32 || args->dtype == DT_BF16);
    assert(args->image.c >= 1 && args->image.c <= CHANNELS);
    assert(!augment_blends(&args->augment) || args->out_shares);
    assert(!args->control->source.slot_rows ||
           args->control->source.slot_rows >= args->batch + augment_blends(&args->augment));
    struct batch batch = {.args = args};
    for (int i = 0; i < STRIP * args->image.c; i++) {
        batch.mean[i] = args->augment.mean[i % args->image.c];
        batch.std[i] = args->augment.std[i % args->image.c];
    }
    table_fill(&batch.plain, args, 1.0f, 1.0f, 0.0f);
#pragma omp parallel for schedule(static) num_threads(device->threads)
    for (int row = 0; row < args->batch; row++) {
        if (row < args->control->valid)
            row_gather(&batch, row);
        else
            row_clear(args, row);
    }
    return OK;
}
