/* gather: the batch out of the stored images, augmented and normalised, each sample read and written once. The
 * arithmetic is in kernels/common/augment.h.
 *
 * Pixels that are copies of stored bytes (all but linearly interpolated ones) can only become 256 values per channel:
 * they are looked up in a table that holds colour and normalisation. */
#include "cpu.h"
#include "kernels/common/augment.h"
#include "kernels/common/bf16.h"
#include <assert.h>
#include <string.h>

enum { STRIP = 256, CHANNELS = 4, LEVELS = 256 };

struct table {
    float value[CHANNELS][LEVELS];
    uint16_t half[CHANNELS][LEVELS];
};

/* One sample on its way. */
struct sample {
    const struct gather_args *args;
    const uint8_t *pixels;
    struct augment_draw draw;
    struct augment_map map;
    bool rotated;
    float grey; /* mean luminance, if contrast changes */
};

/* Up to STRIP pixels of an output row; those in [begin, end) lie in the image's frame. */
struct strip {
    int y, x, count, begin, end;
};

static struct strip strip_place(const struct sample *sample, int y, int x)
{
    int w = sample->args->image.w, left = sample->draw.left, width = sample->args->augment.out_w - x;
    struct strip strip = {y, x, width < STRIP ? width : STRIP, 0, 0};
    int begin = -left > x ? -left : x, end = w - left < x + strip.count ? w - left : x + strip.count;
    bool framed = (unsigned)(y + sample->draw.top) < (unsigned)sample->args->image.h;
    strip.begin = framed && begin < end ? begin : x;
    strip.end = framed && begin < end ? end : x;
    return strip;
}

static void pixel_copy(uint8_t *to, const uint8_t *from, int c)
{
    for (int channel = 0; channel < c; channel++)
        to[channel] = from[channel];
}

/* Pixels straight from a stored row, forwards or backwards. */
static void fetch_row(const struct sample *sample, const struct strip *strip, uint8_t *bytes, const int c)
{
    int w = sample->args->image.w, first = strip->begin + sample->draw.left, count = strip->end - strip->begin;
    const uint8_t *row = sample->pixels + (size_t)(strip->y + sample->draw.top) * w * c;
    uint8_t *to = bytes + (strip->begin - strip->x) * c;
    if (!sample->draw.flip) {
        memcpy(to, row + (size_t)first * c, (size_t)count * c);
        return;
    }
    const uint8_t *from = row + (size_t)(w - 1 - first) * c;
    for (int i = 0; i < count; i++)
        pixel_copy(to + i * c, from - i * c, c);
}

static void fetch_nearest(const struct sample *sample, const struct strip *strip, uint8_t *bytes, const int c)
{
    const struct augment_map map = sample->map;
    const int h = sample->args->image.h, w = sample->args->image.w;
    int64_t x = map.x0 + map.xx * strip->begin + map.xy * strip->y;
    int64_t y = map.y0 + map.yx * strip->begin + map.yy * strip->y;
    for (int i = strip->begin; i < strip->end; i++, x += map.xx, y += map.yx) {
        uint8_t *to = bytes + (i - strip->x) * c;
        if (augment_inside(x, y, h, w))
            pixel_copy(to, sample->pixels + ((size_t)(y >> 32) * w + (size_t)(x >> 32)) * c, c);
        else
            memset(to, 0, (size_t)c);
    }
}

/* The strip's stored bytes, 0 outside. */
static void fetch_bytes(const struct sample *sample, const struct strip *strip, uint8_t *bytes, const int c)
{
    memset(bytes, 0, (size_t)(strip->begin - strip->x) * c);
    if (strip->begin < strip->end) {
        if (sample->rotated)
            fetch_nearest(sample, strip, bytes, c);
        else
            fetch_row(sample, strip, bytes, c);
    }
    memset(bytes + (strip->end - strip->x) * c, 0, (size_t)(strip->x + strip->count - strip->end) * c);
}

/* The strip's interpolated values, 0..255, 0 outside. */
static void fetch_linear(const struct sample *sample, const struct strip *strip, float *values, const int c)
{
    const struct augment_map map = sample->map;
    const int h = sample->args->image.h, w = sample->args->image.w;
    memset(values, 0, (size_t)strip->count * c * sizeof *values);
    int64_t x = map.x0 + map.xx * strip->begin + map.xy * strip->y;
    int64_t y = map.y0 + map.yx * strip->begin + map.yy * strip->y;
    for (int i = strip->begin; i < strip->end; i++, x += map.xx, y += map.yx) {
        if (!augment_inside(x, y, h, w))
            continue;
        struct augment_pair across = augment_pair(x, w), down = augment_pair(y, h);
        for (int channel = 0; channel < c; channel++)
            values[(i - strip->x) * c + channel] = augment_bilinear(sample->pixels, w, c, across, down, channel);
    }
}

/* The strip's values after brightness, 0..1. */
static void fetch_units(const struct sample *sample, const struct strip *strip, float *values, const int c)
{
    if (sample->map.linear) {
        fetch_linear(sample, strip, values, c);
    } else {
        uint8_t bytes[STRIP * CHANNELS];
        fetch_bytes(sample, strip, bytes, c);
        for (int i = 0; i < strip->count * c; i++)
            values[i] = (float)bytes[i];
    }
    for (int i = 0; i < strip->count * c; i++)
        values[i] = augment_brighten(values[i], sample->draw.brightness);
}

static float sample_grey(const struct sample *sample)
{
    const struct gather_args *args = sample->args;
    int out_h = args->augment.out_h, out_w = args->augment.out_w, c = args->image.c;
    float values[STRIP * CHANNELS];
    int64_t sum = 0;
    for (int y = 0; y < out_h; y++)
        for (int x = 0; x < out_w; x += STRIP) {
            struct strip strip = strip_place(sample, y, x);
            fetch_units(sample, &strip, values, c);
            for (int i = 0; i < strip.count; i++)
                sum += augment_grey(values + i * c, c);
        }
    return augment_grey_mean(sum, (int64_t)out_h * out_w);
}

static void table_fill(struct table *table, const struct gather_args *args, const struct augment_draw *draw, float grey)
{
    for (int channel = 0; channel < args->image.c; channel++)
        for (int level = 0; level < LEVELS; level++) {
            float unit = augment_contrast(augment_brighten((float)level, draw->brightness), draw->contrast, grey);
            float value = augment_normalise(unit, args->augment.mean[channel], args->augment.std[channel]);
            table->value[channel][level] = value;
            table->half[channel][level] = bf16_from_float(value);
        }
}

/* out: where the strip's first value goes, in a batch of args->dtype. */
static void write_bytes(const struct table *table, const struct gather_args *args, int64_t out, const uint8_t *bytes,
                        int count, const int c)
{
    if (args->dtype == DT_F32) {
        float *restrict to = (float *)args->out + out;
        for (int i = 0; i < count; i++)
            for (int channel = 0; channel < c; channel++)
                to[i * c + channel] = table->value[channel][bytes[i * c + channel]];
    } else {
        uint16_t *restrict to = (uint16_t *)args->out + out;
        for (int i = 0; i < count; i++)
            for (int channel = 0; channel < c; channel++)
                to[i * c + channel] = table->half[channel][bytes[i * c + channel]];
    }
}

static void write_units(const struct sample *sample, int64_t out, const float *values, int count, const int c)
{
    const struct gather_args *args = sample->args;
    for (int i = 0; i < count; i++)
        for (int channel = 0; channel < c; channel++) {
            float unit = augment_contrast(values[i * c + channel], sample->draw.contrast, sample->grey);
            float value = augment_normalise(unit, args->augment.mean[channel], args->augment.std[channel]);
            if (args->dtype == DT_F32)
                ((float *)args->out)[out + i * c + channel] = value;
            else
                ((uint16_t *)args->out)[out + i * c + channel] = bf16_from_float(value);
        }
}

/* out: where the sample's first value goes. Inlined for the usual numbers of channels. */
static inline __attribute__((always_inline)) void sample_write(const struct sample *sample, const struct table *table,
                                                               int64_t out, const int c)
{
    const struct augment *augment = &sample->args->augment;
    uint8_t bytes[STRIP * CHANNELS];
    float values[STRIP * CHANNELS];
    for (int y = 0; y < augment->out_h; y++)
        for (int x = 0; x < augment->out_w; x += STRIP) {
            struct strip strip = strip_place(sample, y, x);
            int64_t to = out + ((int64_t)y * augment->out_w + x) * c;
            if (sample->map.linear) {
                fetch_units(sample, &strip, values, c);
                write_units(sample, to, values, strip.count, c);
            } else {
                fetch_bytes(sample, &strip, bytes, c);
                write_bytes(table, sample->args, to, bytes, strip.count, c);
            }
        }
}

static void sample_gather(const struct gather_args *args, const struct table *plain, int row, int32_t number)
{
    const int h = args->image.h, w = args->image.w, c = args->image.c;
    struct sample sample = {.args = args, .pixels = args->pixels + (size_t)number * h * w * c};
    sample.draw = augment_draw(&args->augment, h, w, args->control->seed, args->control->epoch, (uint64_t)number);
    sample.rotated = sample.draw.degrees != 0.0;
    if (sample.rotated)
        sample.map = augment_map(&args->augment, &sample.draw, h, w);
    if (sample.draw.contrast != 1.0f)
        sample.grey = sample_grey(&sample);
    struct table own;
    const struct table *table = plain;
    if (!sample.map.linear && (sample.draw.brightness != 1.0f || sample.draw.contrast != 1.0f)) {
        table_fill(&own, args, &sample.draw, sample.grey);
        table = &own;
    }
    int64_t out = (int64_t)row * args->augment.out_h * args->augment.out_w * c;
    if (c == 3)
        sample_write(&sample, table, out, 3);
    else if (c == 1)
        sample_write(&sample, table, out, 1);
    else
        sample_write(&sample, table, out, c);
}

static void row_clear(const struct gather_args *args, int row)
{
    size_t values = (size_t)args->augment.out_h * args->augment.out_w * args->image.c;
    size_t bytes = values * (args->dtype == DT_F32 ? sizeof(float) : sizeof(uint16_t));
    memset((char *)args->out + (size_t)row * bytes, 0, bytes);
}

int cpu_gather(struct device *device, const struct gather_args *args)
{
    assert(args->dtype == DT_F32 || args->dtype == DT_BF16);
    assert(args->image.c >= 1 && args->image.c <= CHANNELS);
    const struct step_control *control = args->control;
    const struct augment_draw none = augment_draw_none(&args->augment, args->image.h, args->image.w);
    struct table plain;
    table_fill(&plain, args, &none, 0.0f);
#pragma omp parallel for schedule(static) num_threads(device->threads)
    for (int row = 0; row < args->batch; row++) {
        bool counts = row < control->valid;
        int32_t number = counts ? args->order[control->first + row] : -1;
        args->out_samples[row] = number;
        args->out_labels[row] = counts ? args->labels[number] : -1;
        if (counts)
            sample_gather(args, &plain, row, number);
        else
            row_clear(args, row);
    }
    return OK;
}
