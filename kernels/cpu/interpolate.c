/* interpolate: a strip's values between stored pixels, in three passes that the compiler turns into many pixels at a
 * time: where each place's four pixels lie, those pixels, their mixture. Knows nothing of colour. */
#include "picture.h"
#include <string.h>

/* By output pixel of a strip. */
struct corners {
    int64_t x[STRIP], y[STRIP]; /* the place */
    int32_t shown[STRIP];       /* it is in the image */
    int32_t offset[4][STRIP];   /* bytes; an image has fewer than 2^31 */
    float across[STRIP], down[STRIP];
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
        corners->shown[i] = padding != PADDING_CONSTANT &&
                            augment_source(map, padding, strip->x + i, strip->y, h, w, &corners->x[i], &corners->y[i]);
    }
    if (begin >= end)
        return;
    const int64_t u = strip->begin + map->left, v = augment_fold(strip->y + map->top, map->frame_h, padding);
    walk_axis(corners->x + begin, end - begin, map->x0 + map->xx * u + map->xy * v, map->xx, map->held, map->low_x,
              map->high_x);
    walk_axis(corners->y + begin, end - begin, map->y0 + map->yx * u + map->yy * v, map->yx, map->held, map->low_y,
              map->high_y);
    for (int i = begin; i < end; i++)
        corners->shown[i] = augment_inside(corners->x[i], corners->y[i], h, w);
}

static void find_corners(struct corners *restrict corners, struct shape image, int count)
{
    const int w = image.w, h = image.h, c = image.c;
#pragma omp simd
    for (int i = 0; i < count; i++) {
        const struct augment_pair beside = augment_pair(corners->shown[i] ? corners->x[i] : 0, w);
        const struct augment_pair below = augment_pair(corners->shown[i] ? corners->y[i] : 0, h);
        corners->offset[0][i] = (below.a * w + beside.a) * c;
        corners->offset[1][i] = (below.a * w + beside.b) * c;
        corners->offset[2][i] = (below.b * w + beside.a) * c;
        corners->offset[3][i] = (below.b * w + beside.b) * c;
        corners->across[i] = beside.share;
        corners->down[i] = below.share;
    }
}

BY_CHANNELS void read_pixels(struct corners *corners, const uint8_t *pixels, int64_t bytes, int count, const int c)
{
    for (int k = 0; k < 4; k++)
        for (int i = 0; i < count; i++) {
            const int32_t at = corners->offset[k][i];
            uint32_t word = 0;
            if (c == 3 && at + 4 <= bytes)
                memcpy(&word, pixels + at, 4); /* and a byte of the next pixel, which nobody looks at */
            else
                memcpy(&word, pixels + at, (size_t)c);
            corners->pixel[k][i] = word;
        }
}

BY_CHANNELS void mix_pixels(const struct corners *restrict corners, const uint8_t *fill, int count,
                            float *restrict values, const int c)
{
    for (int channel = 0; channel < c; channel++) {
        const float outside = (float)fill[channel];
        const int shift = 8 * channel;
#pragma omp simd
        for (int i = 0; i < count; i++) {
            float corner[4];
            for (int k = 0; k < 4; k++)
                corner[k] = (float)(int32_t)(corners->pixel[k][i] >> shift & 255);
            const float mixed =
                augment_bilinear(corner[0], corner[1], corner[2], corner[3], corners->across[i], corners->down[i]);
            values[i * c + channel] = corners->shown[i] ? mixed : outside;
        }
    }
}

void picture_interpolated(const struct picture *picture, const struct strip *strip, float *values)
{
    struct corners corners;
    const int c = picture->image.c;
    const int64_t bytes = (int64_t)picture->image.h * picture->image.w * c;
    find_places(&corners, picture, strip);
    find_corners(&corners, picture->image, strip->count);
    WITH_CHANNELS(c, read_pixels, &corners, picture->pixels, bytes, strip->count);
    WITH_CHANNELS(c, mix_pixels, &corners, picture->augment->fill, strip->count, values);
}
