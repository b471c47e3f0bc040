/* resize: PIL's antialiased bilinear resize, bit for bit, and torchvision's Resize(int) and CenterCrop on top of it.
 *
 * As in Pillow up to 11 (src/libImaging/Resample.c, for the formulas): a triangle filter stretched by the scale where
 * the picture shrinks, its weights computed in double, normalised, rounded to 22 fraction bits; rows first into uint8,
 * then columns. Only the wanted window of the result is computed. */
#include "formats.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FRACTION_BITS = 22 };

/* A stretch of the result along one axis: out positions [start, start + count) of an axis brought from in to out. */
struct axis {
    int in, out, start, count;
};

/* For each position of the stretch: the first source position, how many, and their weights. */
struct taps {
    int *first, *used, *weight;
    int most; /* weights per position */
};

static void taps_free(struct taps *taps)
{
    free(taps->first);
    free(taps->used);
    free(taps->weight);
}

static int taps_build(struct taps *taps, const struct axis *axis)
{
    double scale = (double)axis->in / axis->out, stretch = scale > 1.0 ? scale : 1.0;
    size_t count = (size_t)axis->count;
    taps->most = (int)ceil(stretch) * 2 + 1;
    taps->first = malloc(count * sizeof(int));
    taps->used = malloc(count * sizeof(int));
    taps->weight = malloc(count * (size_t)taps->most * sizeof(int));
    double *share = malloc((size_t)taps->most * sizeof(double));
    if (!taps->first || !taps->used || !taps->weight || !share) {
        free(share);
        return FAIL(ERR_MEMORY, "out of memory for resizing %d to %d pixels", axis->in, axis->out);
    }
    for (int i = 0; i < axis->count; i++) {
        double centre = (axis->start + i + 0.5) * scale, sum = 0.0;
        int low = (int)(centre - stretch + 0.5), high = (int)(centre + stretch + 0.5);
        low = low < 0 ? 0 : low;
        high = high > axis->in ? axis->in : high;
        assert(high - low <= taps->most);
        for (int k = 0; k < high - low; k++) {
            double distance = fabs((k + low - centre + 0.5) * (1.0 / stretch));
            share[k] = distance < 1.0 ? 1.0 - distance : 0.0;
            sum += share[k];
        }
        taps->first[i] = low;
        taps->used[i] = high - low;
        for (int k = 0; k < high - low; k++)
            taps->weight[(size_t)i * (size_t)taps->most + (size_t)k] =
                (int)(0.5 + share[k] / sum * (1 << FRACTION_BITS));
    }
    free(share);
    return OK;
}

/* Weighted sum of count pixels that lie stride bytes apart. */
static uint8_t blend(const uint8_t *from, const int *weight, int count, size_t stride)
{
    int sum = 1 << (FRACTION_BITS - 1);
    for (int k = 0; k < count; k++)
        sum += from[(size_t)k * stride] * weight[k];
    sum >>= FRACTION_BITS;
    return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

/* Rows [low, low + rows) of pixels, brought to the stretch: out [rows][stretch][channels]. */
static void pass_across(const uint8_t *pixels, int low, int rows, int channels, const struct axis *axis,
                        const struct taps *taps, uint8_t *out)
{
    for (int y = 0; y < rows; y++)
        for (int x = 0; x < axis->count; x++) {
            const uint8_t *from =
                pixels + ((size_t)(low + y) * (size_t)axis->in + (size_t)taps->first[x]) * (size_t)channels;
            const int *weight = taps->weight + (size_t)x * (size_t)taps->most;
            for (int c = 0; c < channels; c++)
                *out++ = blend(from + c, weight, taps->used[x], (size_t)channels);
        }
}

/* rows holds source rows from low on, row_bytes each. */
static void pass_down(const uint8_t *rows, int low, size_t row_bytes, const struct axis *axis, const struct taps *taps,
                      uint8_t *out)
{
    for (int y = 0; y < axis->count; y++) {
        const uint8_t *from = rows + (size_t)(taps->first[y] - low) * row_bytes;
        const int *weight = taps->weight + (size_t)y * (size_t)taps->most;
        for (size_t x = 0; x < row_bytes; x++)
            *out++ = blend(from + x, weight, taps->used[y], row_bytes);
    }
}

/* The window of a picture brought to down->out x across->out. out: [down->count][across->count][channels]. */
static int resize_window(const uint8_t *pixels, int channels, const struct axis *down, const struct axis *across,
                         uint8_t *out)
{
    struct taps x = {0}, y = {0};
    uint8_t *rows = NULL;
    int status = taps_build(&x, across);
    if (status == OK)
        status = taps_build(&y, down);
    if (status == OK) {
        int low = y.first[0], last = down->count - 1;
        int count = y.first[last] + y.used[last] - low;
        size_t row_bytes = (size_t)across->count * (size_t)channels;
        rows = malloc((size_t)count * row_bytes);
        if (rows) {
            /* An axis that keeps its size has one weight of exactly one per position: the pass copies. */
            pass_across(pixels, low, count, channels, across, &x, rows);
            pass_down(rows, low, row_bytes, down, &y, out);
        } else {
            status = FAIL(ERR_MEMORY, "out of memory for resizing a picture of %dx%d pixels", across->in, down->in);
        }
    }
    free(rows);
    taps_free(&x);
    taps_free(&y);
    return status;
}

int image_resize(const uint8_t *pixels, int height, int width, int channels, int new_height, int new_width,
                 uint8_t **resized)
{
    assert(height > 0 && width > 0 && channels > 0 && new_height > 0 && new_width > 0);
    void *out;
    *resized = NULL;
    TRY(memory_take(&out, (size_t)new_height * (size_t)new_width * (size_t)channels, "a resized picture"));
    struct axis down = {height, new_height, 0, new_height}, across = {width, new_width, 0, new_width};
    int status = resize_window(pixels, channels, &down, &across, out);
    if (status != OK) {
        memory_give(out);
        return status;
    }
    *resized = out;
    return OK;
}

/* torchvision's round((whole - part) / 2.0), which is Python's: halves to even. */
static int centre_start(int whole, int part)
{
    return (int)lrint((whole - part) / 2.0);
}

int image_fit(const uint8_t *pixels, int height, int width, int channels, int size, int out_h, int out_w, uint8_t *out)
{
    int64_t new_h = size, new_w = size;
    if (height < width)
        new_w = (int64_t)size * width / height;
    else
        new_h = (int64_t)size * height / width;
    if (new_h > INT32_MAX || new_w > INT32_MAX)
        return FAIL(ERR_DATA, "a picture of %dx%d pixels is too long and thin to be resized", width, height);
    assert(new_h >= out_h && new_w >= out_w);
    struct axis down = {height, (int)new_h, centre_start((int)new_h, out_h), out_h};
    struct axis across = {width, (int)new_w, centre_start((int)new_w, out_w), out_w};
    return resize_window(pixels, channels, &down, &across, out);
}
