/* interpolate: a strip's values between stored pixels, in three passes that the compiler turns into many pixels at a
 * time: where each place's four pixels lie, those pixels, their mixture. Knows nothing of colour. */
#include "picture.h"
#include <string.h>

/* Of each pixel of a strip along one axis: its place, the two stored rows or columns around that. */
struct axis {
    int64_t place[STRIP];
    int32_t first[STRIP], second[STRIP];
    float share[STRIP]; /* of the second */
};

struct corners {
    struct axis x, y;
    int32_t shown[STRIP];     /* the place is in the image */
    uint32_t pixel[4][STRIP]; /* the first channel in the lowest byte */
};

/* Places of the inner part of a strip, along one axis: held within low and high. */
static void walk_axis(int64_t *restrict place, int count, int64_t start, int64_t step, bool held, int64_t low,
                      int64_t high)
{
#pragma omp simd
    for (int i = 0; i < count; i++)
        place[i] = start + step * i;
    if (held)
#pragma omp simd
        for (int i = 0; i < count; i++)
            place[i] = augment_hold(place[i], low, high);
}

static void find_places(struct corners *corners, const struct picture *picture, const struct strip *strip)
{
    const struct augment_map *map = &picture->map;
    const enum padding padding = picture->augment->padding;
    const int h = picture->image.h, w = picture->image.w, begin = strip->begin - strip->x, end = strip->end - strip->x;
    for (int i = 0; i < strip->count; i++) {
        if (i == begin && begin < end)
            i = end;
        if (i == strip->count)
            break;
        /* Outside of the frame: only padding other than one colour shows something. */
        corners->shown[i] = padding != PADDING_CONSTANT && augment_source(map, padding, strip->x + i, strip->y, h, w,
                                                                          &corners->x.place[i], &corners->y.place[i]);
    }
    if (begin >= end)
        return;
    const int64_t u = strip->begin + map->left, v = augment_fold(strip->y + map->top, map->frame_h, padding);
    walk_axis(corners->x.place + begin, end - begin, map->x0 + map->xx * u + map->xy * v, map->xx, map->held,
              map->low_x, map->high_x);
    walk_axis(corners->y.place + begin, end - begin, map->y0 + map->yx * u + map->yy * v, map->yx, map->held,
              map->low_y, map->high_y);
    for (int i = begin; i < end; i++)
        corners->shown[i] = augment_inside(corners->x.place[i], corners->y.place[i], h, w);
}

/* What is not shown is looked up at the first pixel, so that there is no branch; in loops of their own, choices become
 * masks. */
static void find_pairs(struct axis *restrict axis, const int32_t *restrict shown, int size, int count)
{
#pragma omp simd
    for (int i = 0; i < count; i++)
        axis->place[i] = shown[i] ? axis->place[i] : 0;
#pragma omp simd
    for (int i = 0; i < count; i++) {
        const struct augment_pair pair = augment_pair(axis->place[i], size);
        axis->first[i] = pair.a;
        axis->second[i] = pair.b;
        axis->share[i] = pair.share;
    }
}

/* One of the four pixels around each place. */
BY_CHANNELS void read_pixels(uint32_t *restrict to, const uint8_t *pixels, struct shape image, const int32_t *rows,
                             const int32_t *columns, int count, const int c)
{
    /* Four bytes are read at once, so that of the last pixel they begin a byte earlier. */
    const int64_t last = (int64_t)image.h * image.w * c - 4;
    for (int i = 0; i < count; i++) {
        const int64_t at = ((int64_t)rows[i] * image.w + columns[i]) * c;
        uint32_t word = 0;
        if (c == 1) {
            word = pixels[at];
        } else if (last >= 0) {
            const int64_t from = at < last ? at : last;
            memcpy(&word, pixels + from, 4);
            word >>= 8 * (at - from);
        } else {
            memcpy(&word, pixels + at, (size_t)c);
        }
        to[i] = word;
    }
}

/* All four of what is not shown, whose mixture is then the same. */
static void show_fill(uint32_t *restrict pixels, const int32_t *restrict shown, const uint8_t fill[static CHANNELS],
                      int count)
{
    const uint32_t word = fill[0] | (uint32_t)fill[1] << 8 | (uint32_t)fill[2] << 16 | (uint32_t)fill[3] << 24;
#pragma omp simd
    for (int i = 0; i < count; i++)
        pixels[i] = shown[i] ? pixels[i] : word;
}

static void mix_channel(const struct corners *restrict corners, int shift, int count, float *restrict values)
{
#pragma omp simd
    for (int i = 0; i < count; i++)
        values[i] = augment_bilinear((float)(int32_t)(corners->pixel[0][i] >> shift & 255),
                                     (float)(int32_t)(corners->pixel[1][i] >> shift & 255),
                                     (float)(int32_t)(corners->pixel[2][i] >> shift & 255),
                                     (float)(int32_t)(corners->pixel[3][i] >> shift & 255), corners->x.share[i],
                                     corners->y.share[i]);
}

BY_CHANNELS void mix_pixels(const struct corners *corners, int count, float *restrict values, const int c)
{
    float channel[CHANNELS][STRIP];
    if (c == 1) {
        mix_channel(corners, 0, count, values);
        return;
    }
    for (int k = 0; k < c; k++)
        mix_channel(corners, 8 * k, count, channel[k]);
    for (int i = 0; i < count; i++)
        for (int k = 0; k < c; k++)
            values[i * c + k] = channel[k][i];
}

void picture_interpolated(const struct picture *picture, const struct strip *strip, float *values)
{
    struct corners corners;
    const struct shape image = picture->image;
    const int c = image.c, count = strip->count;
    find_places(&corners, picture, strip);
    find_pairs(&corners.x, corners.shown, image.w, count);
    find_pairs(&corners.y, corners.shown, image.h, count);
    for (int k = 0; k < 4; k++) {
        WITH_CHANNELS(c, read_pixels, corners.pixel[k], picture->pixels, image,
                      k < 2 ? corners.y.first : corners.y.second, k % 2 == 0 ? corners.x.first : corners.x.second,
                      count);
        show_fill(corners.pixel[k], corners.shown, picture->augment->fill, count);
    }
    WITH_CHANNELS(c, mix_pixels, &corners, count, values);
}
