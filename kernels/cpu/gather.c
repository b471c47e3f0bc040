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

/* For functions of the number of channels: their callers know it while compiling, which makes them 2 times as fast. */
#define BY_CHANNELS static inline __attribute__((always_inline))

struct table {
    float value[CHANNELS][LEVELS];
    uint16_t half[CHANNELS][LEVELS];
};

/* Of each value of a strip. */
struct scales {
    float mean[STRIP * CHANNELS], std[STRIP * CHANNELS];
};

/* One sample on its way. */
struct sample {
    const struct gather_args *args;
    const struct scales *scales;
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

BY_CHANNELS void pixel_copy(uint8_t *to, const uint8_t *from, int c)
{
    for (int channel = 0; channel < c; channel++)
        to[channel] = from[channel];
}

/* Pixels straight from a stored row, forwards or backwards. */
BY_CHANNELS void fetch_row(const struct sample *sample, const struct strip *strip, uint8_t *bytes, const int c)
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

BY_CHANNELS void fetch_nearest(const struct sample *sample, const struct strip *strip, uint8_t *bytes, const int c)
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
BY_CHANNELS void fetch_bytes(const struct sample *sample, const struct strip *strip, uint8_t *bytes, const int c)
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

/* The strip's interpolated values, 0..255, 0 outside. Collecting the pixels apart from mixing them lets the compiler
 * mix many at a time. */
BY_CHANNELS void fetch_linear(const struct sample *sample, const struct strip *strip, float *values, const int c)
{
    uint8_t corner[4][STRIP * CHANNELS];
    float across[STRIP * CHANNELS], down[STRIP * CHANNELS];
    const struct augment_map map = sample->map;
    const int h = sample->args->image.h, w = sample->args->image.w;
    int64_t x = map.x0 + map.xx * strip->begin + map.xy * strip->y;
    int64_t y = map.y0 + map.yx * strip->begin + map.yy * strip->y;
    int end = (strip->end - strip->begin) * c;
    for (int i = 0; i < end; i += c, x += map.xx, y += map.yx) {
        bool inside = augment_inside(x, y, h, w);
        struct augment_pair beside = augment_pair(inside ? x : 0, w), below = augment_pair(inside ? y : 0, h);
        const uint8_t *upper = sample->pixels + (size_t)below.a * w * c;
        const uint8_t *lower = sample->pixels + (size_t)below.b * w * c;
        for (int channel = 0; channel < c; channel++) {
            corner[0][i + channel] = upper[beside.a * c + channel];
            corner[1][i + channel] = upper[beside.b * c + channel];
            corner[2][i + channel] = lower[beside.a * c + channel];
            corner[3][i + channel] = lower[beside.b * c + channel];
            across[i + channel] = beside.share;
            down[i + channel] = below.share;
        }
        if (!inside)
            for (int k = 0; k < 4; k++)
                memset(&corner[k][i], 0, (size_t)c);
    }
    float *mixed = values + (strip->begin - strip->x) * c;
    memset(values, 0, (size_t)strip->count * c * sizeof *values);
#pragma omp simd
    for (int i = 0; i < end; i++)
        mixed[i] = augment_bilinear((float)corner[0][i], (float)corner[1][i], (float)corner[2][i], (float)corner[3][i],
                                    across[i], down[i]);
}

/* The strip's values after brightness, 0..1. */
BY_CHANNELS void fetch_units(const struct sample *sample, const struct strip *strip, float *values, const int c)
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

BY_CHANNELS float sample_grey(const struct sample *sample, const int c)
{
    int out_h = sample->args->augment.out_h, out_w = sample->args->augment.out_w;
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
BY_CHANNELS void write_bytes(const struct table *table, const struct gather_args *args, int64_t out,
                             const uint8_t *bytes, int count, const int c)
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

static void write_units(const struct sample *sample, int64_t out, float *values, int count)
{
    const struct gather_args *args = sample->args;
    const struct scales *scales = sample->scales;
    const float factor = sample->draw.contrast, grey = sample->grey;
#pragma omp simd
    for (int i = 0; i < count; i++)
        values[i] = augment_normalise(augment_contrast(values[i], factor, grey), scales->mean[i], scales->std[i]);
    if (args->dtype == DT_F32) {
        memcpy((float *)args->out + out, values, (size_t)count * sizeof *values);
        return;
    }
    uint16_t *restrict to = (uint16_t *)args->out + out;
#pragma omp simd
    for (int i = 0; i < count; i++)
        to[i] = bf16_from_float(values[i]);
}

/* out: where the sample's first value goes. */
BY_CHANNELS void sample_write(const struct sample *sample, const struct table *table, int64_t out, const int c)
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
                write_units(sample, to, values, strip.count * c);
            } else {
                fetch_bytes(sample, &strip, bytes, c);
                write_bytes(table, sample->args, to, bytes, strip.count, c);
            }
        }
}

BY_CHANNELS void sample_finish(struct sample *sample, const struct table *plain, int64_t out, const int c)
{
    struct table own;
    bool brightness = sample->draw.brightness != 1.0f, contrast = sample->draw.contrast != 1.0f;
    if (contrast)
        sample->grey = sample_grey(sample, c);
    bool colour = !sample->map.linear && (brightness || contrast);
    if (colour)
        table_fill(&own, sample->args, &sample->draw, sample->grey);
    sample_write(sample, colour ? &own : plain, out, c);
}

static void sample_gather(const struct gather_args *args, const struct scales *scales, const struct table *plain,
                          int row, int32_t number)
{
    const int h = args->image.h, w = args->image.w, c = args->image.c;
    const struct image_source *source = &args->control->source;
    const int64_t place = source->fed ? (int64_t)args->control->slot * args->batch + row : number;
    struct sample sample = {.args = args, .scales = scales, .pixels = source->pixels + (size_t)place * h * w * c};
    sample.draw = augment_draw(&args->augment, h, w, args->control->seed, args->control->epoch, (uint64_t)number);
    sample.rotated = sample.draw.degrees != 0.0;
    if (sample.rotated)
        sample.map = augment_map(&args->augment, &sample.draw, h, w);
    int64_t out = (int64_t)row * args->augment.out_h * args->augment.out_w * c;
    if (c == 3)
        sample_finish(&sample, plain, out, 3);
    else if (c == 1)
        sample_finish(&sample, plain, out, 1);
    else
        sample_finish(&sample, plain, out, c);
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
    struct scales scales;
    for (int i = 0; i < STRIP * args->image.c; i++) {
        scales.mean[i] = args->augment.mean[i % args->image.c];
        scales.std[i] = args->augment.std[i % args->image.c];
    }
    table_fill(&plain, args, &none, 0.0f);
#pragma omp parallel for schedule(static) num_threads(device->threads)
    for (int row = 0; row < args->batch; row++) {
        bool counts = row < control->valid;
        int32_t number = counts ? control->source.order[control->first + row] : -1;
        args->out_samples[row] = number;
        args->out_labels[row] = counts ? control->source.labels[number] : -1;
        if (counts)
            sample_gather(args, &scales, &plain, row, number);
        else
            row_clear(args, row);
    }
    return OK;
}
