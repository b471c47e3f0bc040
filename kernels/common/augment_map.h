/* augment_map: the one affine sampling that flips, rotation, translation, scale, shear and crop compose to, and the
 * interpolation. The matrix is torchvision's RandomAffine's. Places of the nearest pixel are rounded as PIL's
 * Image.rotate rounds them (the geometry that torchvision's RandomRotation has on images); interpolation and its edge
 * are torchvision's on tensors. Compiled by the C compiler and by nvcc. */
#ifndef COMMON_AUGMENT_MAP_H
#define COMMON_AUGMENT_MAP_H
#include "augment_draw.h"

/* The frame is the image after flips and affine, of the stored image's size; a crop reads it, and beyond it there is
 * padding. Output pixel (x, y) lies at u = x + left, v = y + top of the frame, which is sampled at
 * (x0 + xx * u + xy * v, y0 + yx * u + yy * v) of the stored image, where a pixel's area is [i, i + 1): in units of
 * 2^-32, because integers round alike everywhere. A resized crop's own steps are in the map; its frame is the output,
 * and its places are held in the crop's box. */
struct augment_map {
    int left, top, frame_h, frame_w;
    int64_t x0, xx, xy, y0, yx, yy;
    int64_t low_x, high_x, low_y, high_y; /* places are held within */
    bool held;                            /* places can be outside of that */
    bool plain;                           /* whole steps along the axes: an output row is a piece of a stored row */
    bool linear;                          /* interpolated; never when plain, whose places are centres of pixels */
};

/* PIL rounds to 16 binary places before it samples the nearest pixel; linear is free of that. */
HOST_DEVICE int64_t augment_fixed(double value, bool fine)
{
    return fine ? (int64_t)floor(value * 4294967296.0 + 0.5) : (int64_t)floor(value * 65536.0 + 0.5) * 65536;
}

/* PIL rounds the sine and cosine to 15 places, which makes right angles exact. */
HOST_DEVICE double augment_round15(double value)
{
    return floor(value * 1e15 + 0.5) / 1e15;
}

/* x -> size - x, less the smallest step: [i, i + 1) becomes [size - 1 - i, size - i), closed on the same side. */
HOST_DEVICE void augment_mirror(int64_t *start, int64_t *along, int64_t *across, int64_t *low, int64_t *high, int size)
{
    const int64_t end = ((int64_t)size << 32) - 1, was_low = *low;
    *start = end - *start;
    *along = -*along;
    *across = -*across;
    *low = end - *high;
    *high = end - was_low;
}

HOST_DEVICE struct augment_map augment_map(const struct augment *augment, const struct augment_draw *draw, int h, int w)
{
    const double turn = 3.14159265358979323846 / 180.0;
    const double cosine = augment_round15(cos(-draw->degrees * turn)),
                 sine = augment_round15(sin(-draw->degrees * turn));
    const double slope = draw->shear != 0.0 ? tan(draw->shear * turn) : 0.0;
    /* The inverse of rotation * shear * scale, about the moved centre. */
    const double xx = (cosine - sine * slope) / draw->scale, xy = (sine + cosine * slope) / draw->scale;
    const double yx = -sine / draw->scale, yy = cosine / draw->scale;
    const double centre_x = 0.5 * w, centre_y = 0.5 * h;
    const double to_x = -centre_x - draw->move_x, to_y = -centre_y - draw->move_y;
    const double from_x = xx * to_x + xy * to_y + centre_x, from_y = yx * to_x + yy * to_y + centre_y;
    const bool resized = draw->crop.h != augment->out_h || draw->crop.w != augment->out_w;
    const bool aligned = draw->degrees == 0.0 && draw->shear == 0.0;
    const double step_x = resized ? (double)draw->crop.w / augment->out_w : 1.0;
    const double step_y = resized ? (double)draw->crop.h / augment->out_h : 1.0;
    /* The centre of the frame's first pixel. */
    const double u = (resized ? draw->crop.left : 0) + 0.5 * step_x, v = (resized ? draw->crop.top : 0) + 0.5 * step_y;
    struct augment_map map;
    map.plain = aligned && draw->scale == 1.0 && !resized;
    map.linear = augment->interpolation == INTERPOLATE_BILINEAR && !map.plain;
    const bool fine = map.linear || resized;
    map.left = resized ? 0 : draw->crop.left;
    map.top = resized ? 0 : draw->crop.top;
    map.frame_h = resized ? augment->out_h : h;
    map.frame_w = resized ? augment->out_w : w;
    map.xx = augment_fixed(xx * step_x, fine);
    map.xy = augment_fixed(xy * step_y, fine);
    map.yx = augment_fixed(yx * step_x, fine);
    map.yy = augment_fixed(yy * step_y, fine);
    map.x0 = augment_fixed(from_x + xx * u + xy * v, fine);
    map.y0 = augment_fixed(from_y + yx * u + yy * v, fine);
    /* Resizing alone does not see beyond the crop. */
    map.held = resized && aligned && draw->scale == 1.0 && draw->move_x == 0 && draw->move_y == 0;
    const int64_t half = (int64_t)1 << 31;
    map.low_x = map.held ? ((int64_t)draw->crop.left << 32) + half : 0;
    map.high_x = map.held ? ((int64_t)(draw->crop.left + draw->crop.w) << 32) - half : 0;
    map.low_y = map.held ? ((int64_t)draw->crop.top << 32) + half : 0;
    map.high_y = map.held ? ((int64_t)(draw->crop.top + draw->crop.h) << 32) - half : 0;
    if (draw->flip)
        augment_mirror(&map.x0, &map.xx, &map.xy, &map.low_x, &map.high_x, w);
    if (draw->vflip)
        augment_mirror(&map.y0, &map.yy, &map.yx, &map.low_y, &map.high_y, h);
    return map;
}

/* The row or column of the frame that is shown at a place along one axis; -1: none, it is filled. */
HOST_DEVICE int augment_fold(int place, int size, enum padding padding)
{
    if ((unsigned)place < (unsigned)size)
        return place;
    if (padding == PADDING_CONSTANT)
        return -1;
    if (padding == PADDING_EDGE || size == 1)
        return place < 0 ? 0 : size - 1;
    const int period = padding == PADDING_REFLECT ? 2 * size - 2 : 2 * size;
    const int within = (place % period + period) % period;
    return within < size ? within : period - (padding == PADDING_SYMMETRIC) - within;
}

HOST_DEVICE int64_t augment_hold(int64_t place, int64_t low, int64_t high)
{
    return place < low ? low : place > high ? high : place;
}

/* Whether a place is in the stored image. */
HOST_DEVICE bool augment_inside(int64_t x, int64_t y, int h, int w)
{
    return (uint64_t)x < (uint64_t)w << 32 && (uint64_t)y < (uint64_t)h << 32;
}

/* Where output pixel (x, y) is sampled. false: nowhere, it is filled. The places of a linear map may be outside the
 * image: augment_cover says how much of it they show. */
HOST_DEVICE bool augment_source(const struct augment_map *map, enum padding padding, int x, int y, int h, int w,
                                int64_t *from_x, int64_t *from_y)
{
    const int u = augment_fold(x + map->left, map->frame_w, padding),
              v = augment_fold(y + map->top, map->frame_h, padding);
    *from_x = map->x0 + map->xx * u + map->xy * v;
    *from_y = map->y0 + map->yx * u + map->yy * v;
    if (map->held) {
        *from_x = augment_hold(*from_x, map->low_x, map->high_x);
        *from_y = augment_hold(*from_y, map->low_y, map->high_y);
    }
    return u >= 0 && v >= 0 && (map->linear || augment_inside(*from_x, *from_y, h, w));
}

/* The same in whole pixels; of a plain map. */
HOST_DEVICE bool augment_plain_source(const struct augment_map *map, enum padding padding, int x, int y, int h, int w,
                                      int *column, int *line)
{
    const int u = augment_fold(x + map->left, map->frame_w, padding),
              v = augment_fold(y + map->top, map->frame_h, padding);
    const int first_x = (int)(map->x0 >> 32), first_y = (int)(map->y0 >> 32);
    *column = map->xx > 0 ? first_x + u : first_x - u;
    *line = map->yy > 0 ? first_y + v : first_y - v;
    return u >= 0 && v >= 0 && (unsigned)*column < (unsigned)w && (unsigned)*line < (unsigned)h;
}

/* The two pixels around a place along one axis, clamped to the image, the share of the second, and how much of their
 * mixture lies in the image: 1 between two centres, 0 from half a pixel beyond the edge on. */
struct augment_pair {
    int a, b;
    float share, cover;
};

/* A place of whole pixels and a part in units of 2^-32; pixels have their values at their centres. */
HOST_DEVICE struct augment_pair augment_pair_at(int whole, uint32_t part, int size)
{
    const uint32_t half = 0x80000000u;
    const int below = whole - (part < half), last = size - 1;
    const int a = below < last ? below : last, b = below + 1 < last ? below + 1 : last;
    struct augment_pair pair;
    pair.a = a > 0 ? a : 0;
    pair.b = b > 0 ? b : 0;
    pair.share = (float)(int)((part ^ half) >> 8) * (1.0f / 16777216.0f);
    /* Their shares, of those that are there: exactly 1 where both are. */
    pair.cover = ((unsigned)below < (unsigned)size ? 1.0f - pair.share : 0.0f) +
                 ((unsigned)(below + 1) < (unsigned)size ? pair.share : 0.0f);
    return pair;
}

HOST_DEVICE struct augment_pair augment_pair(int64_t place, int size)
{
    return augment_pair_at((int)(place >> 32), (uint32_t)place, size);
}

HOST_DEVICE float augment_mix(float a, float b, float share)
{
    return a + (b - a) * share;
}

/* Of the four pixels around a place: across within the upper and the lower row, then down. */
HOST_DEVICE float augment_bilinear(float upper_a, float upper_b, float lower_a, float lower_b, float across, float down)
{
    return augment_mix(augment_mix(upper_a, upper_b, across), augment_mix(lower_a, lower_b, across), down);
}

/* How much of a linear map's place is in the image, 0..1. Resizing alone sees no edge. */
HOST_DEVICE float augment_cover(const struct augment_map *map, float across, float down)
{
    return map->held ? 1.0f : across * down;
}

/* What a place at the edge shows. With zeros around the image the mixture of its pixels is cover * value; torchvision
 * multiplies that with the cover once more where it adds the fill (_apply_grid_transform), which darkens the edge.
 * Exact for a cover of 1 and 0. */
HOST_DEVICE float augment_edge(float value, float cover, float fill)
{
    return cover * (cover * value) + (1.0f - cover) * fill;
}
#endif
