/* interpolate: a strip's values between stored pixels, in passes that the compiler turns into many pixels at a time:
 * where each place lies, the pixels around it, their mixture. Knows nothing of colour. */
#include "picture.h"
#include <string.h>

enum { FAR_OUTSIDE = -256 };

/* Of each pixel of a strip along one axis: its place, the two stored rows or columns around that. */
struct axis {
    int32_t whole[RAMP]; /* of the place: pixels, and below them units of 2^-32 */
    uint32_t part[RAMP];
    int32_t first[STRIP], second[STRIP];
    float share[STRIP]; /* of the second */
    float cover[STRIP]; /* how much of both is in the image */
};

struct corners {
    struct axis x, y;
    uint32_t pixel[4][STRIP]; /* the first channel in the lowest byte */
    float cover[STRIP];       /* how much of them is shown, the rest is fill */
};

/* ---- places ---- */

/* Places of a row along one axis: held within low and high. Written by whole vectors: what lies beyond the row is
 * overwritten by the next one, or is nobody's. */
static void walk_row(struct axis *restrict axis, int at, int width, int64_t start, const int64_t *restrict ramp,
                     bool held, int64_t low, int64_t high)
{
    int32_t *restrict whole = axis->whole + at;
    uint32_t *restrict part = axis->part + at;
    for (int from = 0; from < width; from += LANES)
        for (int i = from; i < from + LANES; i++) {
            int64_t place = start + ramp[i];
            if (held)
                place = augment_hold(place, low, high);
            whole[i] = (int32_t)(place >> 32);
            part[i] = (uint32_t)place;
        }
}

/* Pixels [from, to) of a row outside of the frame: only padding other than one colour shows something. A place far
 * outside shows nothing of the image. */
static void find_outer(struct corners *corners, const struct picture *picture, const struct strip *strip, int row,
                       int from, int to)
{
    const enum padding padding = picture->augment->padding;
    for (int i = from; i < to; i++) {
        const int at = row * strip->width + i;
        int64_t x = 0, y = 0;
        const bool shows = augment_source(&picture->map, padding, strip->x + i, strip->y + row, picture->image.h,
                                          picture->image.w, &x, &y);
        corners->x.whole[at] = shows ? (int32_t)(x >> 32) : FAR_OUTSIDE, corners->x.part[at] = shows ? (uint32_t)x : 0;
        corners->y.whole[at] = shows ? (int32_t)(y >> 32) : FAR_OUTSIDE, corners->y.part[at] = shows ? (uint32_t)y : 0;
    }
}

static void find_places(struct corners *corners, const struct picture *picture, const struct strip *strip)
{
    const struct augment_map *map = &picture->map;
    const int width = strip->width;
    for (int row = 0; row < strip->rows; row++) {
        const int64_t u = strip->x + map->left,
                      v = augment_fold(strip->y + row + map->top, map->frame_h, picture->augment->padding);
        walk_row(&corners->x, row * width, width, map->x0 + map->xx * u + map->xy * v, picture->ramp_x, map->held,
                 map->low_x, map->high_x);
        walk_row(&corners->y, row * width, width, map->y0 + map->yx * u + map->yy * v, picture->ramp_y, map->held,
                 map->low_y, map->high_y);
    }
    for (int row = 0; row < strip->rows; row++) {
        const struct span span = picture_span(picture, strip, row);
        find_outer(corners, picture, strip, row, 0, span.begin);
        find_outer(corners, picture, strip, row, span.end, width);
    }
}

static void find_pairs(struct axis *restrict axis, int size, int count)
{
#pragma omp simd
    for (int i = 0; i < count; i++) {
        const struct augment_pair pair = augment_pair_at(axis->whole[i], axis->part[i], size);
        axis->first[i] = pair.a;
        axis->second[i] = pair.b;
        axis->share[i] = pair.share;
        axis->cover[i] = pair.cover;
    }
}

static void find_cover(struct corners *restrict corners, const struct augment_map *map, int count)
{
#pragma omp simd
    for (int i = 0; i < count; i++)
        corners->cover[i] = augment_cover(map, corners->x.cover[i], corners->y.cover[i]);
}

/* ---- pixels ---- */

/* Two pixels of a row, beside each other or the same. Eight bytes are read at once, so that of the image's last pixels
 * they begin earlier. */
BY_CHANNELS void read_pairs(uint32_t *restrict to_a, uint32_t *restrict to_b, const struct picture *picture,
                            const int32_t *restrict rows, const struct axis *restrict columns, int count, const int c)
{
    const uint8_t *pixels = picture->pixels;
    const int64_t w = picture->image.w, last = picture->image.h * w * c - 8;
    for (int i = 0; i < count; i++) {
        const int64_t at = (rows[i] * w + columns->first[i]) * c, from = at < last ? at : last;
        uint64_t word;
        memcpy(&word, pixels + from, sizeof word);
        word >>= 8 * (at - from);
        to_a[i] = (uint32_t)word;
        to_b[i] = (uint32_t)(word >> 8 * c * (columns->second[i] - columns->first[i]));
    }
}

/* Of an image of fewer bytes. */
static void read_singly(uint32_t *restrict to, const struct picture *picture, const int32_t *rows,
                        const int32_t *columns, int count)
{
    const int c = picture->image.c;
    for (int i = 0; i < count; i++) {
        to[i] = 0;
        memcpy(&to[i], picture->pixels + (rows[i] * picture->image.w + columns[i]) * c, (size_t)c);
    }
}

static void read_pixels(struct corners *corners, const struct picture *picture, int count)
{
    const struct axis *x = &corners->x, *y = &corners->y;
    uint32_t(*pixel)[STRIP] = corners->pixel;
    if (shape_count(picture->image) >= 8) {
        WITH_CHANNELS(picture->image.c, read_pairs, pixel[0], pixel[1], picture, y->first, x, count);
        WITH_CHANNELS(picture->image.c, read_pairs, pixel[2], pixel[3], picture, y->second, x, count);
        return;
    }
    for (int k = 0; k < 4; k++)
        read_singly(pixel[k], picture, k < 2 ? y->first : y->second, k % 2 == 0 ? x->first : x->second, count);
}

/* ---- their mixture ---- */

static void mix_channel(const struct corners *restrict corners, int shift, float fill, int count,
                        float *restrict values)
{
#pragma omp simd
    for (int i = 0; i < count; i++) {
        const float value = augment_bilinear((float)(int32_t)(corners->pixel[0][i] >> shift & 255),
                                             (float)(int32_t)(corners->pixel[1][i] >> shift & 255),
                                             (float)(int32_t)(corners->pixel[2][i] >> shift & 255),
                                             (float)(int32_t)(corners->pixel[3][i] >> shift & 255), corners->x.share[i],
                                             corners->y.share[i]);
        values[i] = augment_edge(value, corners->cover[i], fill);
    }
}

BY_CHANNELS void mix_pixels(const struct corners *corners, const uint8_t fill[static 4], int count,
                            float *restrict values, const int c)
{
    float channel[CHANNELS][STRIP];
    if (c == 1) {
        mix_channel(corners, 0, (float)fill[0], count, values);
        return;
    }
    for (int k = 0; k < c; k++)
        mix_channel(corners, 8 * k, (float)fill[k], count, channel[k]);
    for (int i = 0; i < count; i++)
        for (int k = 0; k < c; k++)
            values[i * c + k] = channel[k][i];
}

void picture_interpolated(const struct picture *picture, const struct strip *strip, float *values)
{
    struct corners corners;
    const struct shape image = picture->image;
    const int count = strip->rows * strip->width;
    find_places(&corners, picture, strip);
    find_pairs(&corners.x, image.w, count);
    find_pairs(&corners.y, image.h, count);
    find_cover(&corners, &picture->map, count);
    read_pixels(&corners, picture, count);
    WITH_CHANNELS(image.c, mix_pixels, &corners, picture->augment->fill, count, values);
}
