/* augment_draw: what is drawn for one sample. A function of (seed, epoch, sample) alone; every kind has its own stream,
 * so that switching one kind on or off leaves what the others draw. Rules as torchvision's get_params. Compiled by the
 * C compiler and by nvcc. */
#ifndef COMMON_AUGMENT_DRAW_H
#define COMMON_AUGMENT_DRAW_H
/* brings include/augment.h, which kernels/common/augment.h cannot include by its own name */
#include "backend.h"
#include "random.h"
#include <math.h>

enum { AUGMENT_TRIES = 10 }; /* for a box that fits, as torchvision */

struct augment_box {
    int top, left, h, w; /* h 0: none */
};

struct augment_draw {
    bool flip, vflip;
    double degrees, scale, shear;           /* counter-clockwise; factor; degrees along x */
    int move_x, move_y;                     /* pixels, right and down */
    struct augment_box crop;                /* in the image; beyond it: in the padding. Unlike the output: resized */
    float brightness, contrast, saturation; /* factors; 1: unchanged */
    float hue;                              /* turns */
    bool grayscale;
    struct augment_box erase; /* in the output */
};

/* Half of what is left over, as torchvision's CenterCrop rounds it: half to even, down when the image is too small. */
HOST_DEVICE int augment_centre(int image, int crop)
{
    int extra = image - crop;
    if (extra < 0)
        return -(-extra / 2);
    int half = extra / 2;
    return half + (extra % 2 == 1 && half % 2 == 1);
}

HOST_DEVICE struct augment_draw augment_draw_none(const struct augment *augment, int h, int w)
{
    struct augment_draw draw;
    draw.flip = draw.vflip = draw.grayscale = false;
    draw.degrees = draw.shear = 0.0;
    draw.scale = 1.0;
    draw.move_x = draw.move_y = 0;
    draw.crop.top = augment_centre(h, augment->out_h);
    draw.crop.left = augment_centre(w, augment->out_w);
    draw.crop.h = augment->out_h;
    draw.crop.w = augment->out_w;
    draw.brightness = draw.contrast = draw.saturation = 1.0f;
    draw.hue = 0.0f;
    draw.erase.top = draw.erase.left = draw.erase.h = draw.erase.w = 0;
    return draw;
}

/* Uniform in [max(0, 1 - spread), 1 + spread]; exactly 1 for a spread of 0. */
HOST_DEVICE float augment_factor(float spread, float unit)
{
    float low = spread < 1.0f ? 1.0f - spread : 0.0f;
    return low + unit * (1.0f + spread - low);
}

/* Uniform in ±spread. */
HOST_DEVICE double augment_swing(float spread, uint32_t word)
{
    return (2.0 * (double)random_unit(word) - 1.0) * (double)spread;
}

HOST_DEVICE double augment_between(const float range[2], uint32_t word)
{
    return (double)range[0] + (double)random_unit(word) * ((double)range[1] - (double)range[0]);
}

/* First row or column of the crop out of the padded image, as seen from the image. An image too small even when padded
 * is centred. */
HOST_DEVICE int augment_place(int image, int pad, int crop, uint32_t word)
{
    int room = image + 2 * pad - crop;
    return room < 0 ? augment_centre(image, crop) : (int)random_below(word, (uint32_t)room + 1u) - pad;
}

/* Python's round: half to even. */
HOST_DEVICE int augment_round(double value)
{
    return (int)rint(value);
}

/* Sides of a box with a drawn share of an area and a drawn ratio of one to other, whose logarithm is uniform. */
HOST_DEVICE void augment_sides(double area, const float ratio[2], uint32_t word, int *one, int *other)
{
    double low = log((double)ratio[0]), high = log((double)ratio[1]);
    double aspect = exp(low + (double)random_unit(word) * (high - low));
    *one = augment_round(sqrt(area * aspect));
    *other = augment_round(sqrt(area / aspect));
}

/* The whole image, or the most of its centre that has an allowed ratio. */
HOST_DEVICE struct augment_box augment_fallback_crop(const struct augment *augment, int h, int w)
{
    const double ratio = (double)w / (double)h, low = (double)augment->crop_ratio[0],
                 high = (double)augment->crop_ratio[1];
    struct augment_box box;
    box.w = ratio > high ? augment_round(h * high) : w;
    box.h = ratio < low ? augment_round(w / low) : h;
    box.top = (h - box.h) / 2;
    box.left = (w - box.w) / 2;
    return box;
}

/* RandomResizedCrop.get_params. */
HOST_DEVICE struct augment_box augment_resized_crop(const struct augment *augment, int h, int w, uint64_t seed,
                                                    uint32_t epoch, uint64_t sample)
{
    for (int attempt = 0; attempt < AUGMENT_TRIES; attempt++) {
        struct random_block block = random_words(seed, RANDOM_RESIZED_CROP, epoch, sample, (uint32_t)attempt);
        double area = (double)h * (double)w * augment_between(augment->crop_area, block.word[0]);
        struct augment_box box;
        augment_sides(area, augment->crop_ratio, block.word[1], &box.w, &box.h);
        if (box.w > 0 && box.w <= w && box.h > 0 && box.h <= h) {
            box.top = (int)random_below(block.word[2], (uint32_t)(h - box.h) + 1u);
            box.left = (int)random_below(block.word[3], (uint32_t)(w - box.w) + 1u);
            return box;
        }
    }
    return augment_fallback_crop(augment, h, w);
}

/* RandomErasing.get_params: smaller than the image both ways, or none. */
HOST_DEVICE struct augment_box augment_erased_box(const struct augment *augment, uint64_t seed, uint32_t epoch,
                                                  uint64_t sample)
{
    struct augment_box box = {0, 0, 0, 0};
    const int h = augment->out_h, w = augment->out_w;
    if (!(random_unit(random_words(seed, RANDOM_ERASE, epoch, sample, 0).word[0]) < augment->erase_share))
        return box;
    for (int attempt = 1; attempt <= AUGMENT_TRIES; attempt++) {
        struct random_block block = random_words(seed, RANDOM_ERASE, epoch, sample, (uint32_t)attempt);
        double area = (double)h * (double)w * augment_between(augment->erase_area, block.word[0]);
        augment_sides(area, augment->erase_ratio, block.word[1], &box.h, &box.w);
        if (box.h > 0 && box.h < h && box.w > 0 && box.w < w) {
            box.top = (int)random_below(block.word[2], (uint32_t)(h - box.h) + 1u);
            box.left = (int)random_below(block.word[3], (uint32_t)(w - box.w) + 1u);
            return box;
        }
    }
    box.h = box.w = 0;
    return box;
}

HOST_DEVICE void augment_draw_geometry(struct augment_draw *draw, const struct augment *augment, int h, int w,
                                       uint64_t seed, uint32_t epoch, uint64_t sample)
{
    if (augment->flip_share > 0.0f || augment->vflip_share > 0.0f) {
        struct random_block block = random_words(seed, RANDOM_FLIP, epoch, sample, 0);
        draw->flip = random_unit(block.word[0]) < augment->flip_share;
        draw->vflip = random_unit(block.word[1]) < augment->vflip_share;
    }
    if (augment->rotate_degrees > 0.0f)
        draw->degrees =
            augment_swing(augment->rotate_degrees, random_words(seed, RANDOM_ROTATE, epoch, sample, 0).word[0]);
    if (augment->translate > 0.0f || augment->scale[1] > 0.0f || augment->shear_degrees > 0.0f) {
        struct random_block block = random_words(seed, RANDOM_AFFINE, epoch, sample, 0);
        draw->move_x = augment_round(augment_swing(augment->translate * (float)w, block.word[0]));
        draw->move_y = augment_round(augment_swing(augment->translate * (float)h, block.word[1]));
        draw->scale = augment->scale[1] > 0.0f ? augment_between(augment->scale, block.word[2]) : 1.0;
        draw->shear = augment_swing(augment->shear_degrees, block.word[3]);
    }
    if (augment->crop_area[1] > 0.0f) {
        draw->crop = augment_resized_crop(augment, h, w, seed, epoch, sample);
    } else {
        struct random_block place = random_words(seed, RANDOM_CROP, epoch, sample, 0);
        draw->crop.top = augment_place(h, augment->pad, augment->out_h, place.word[0]);
        draw->crop.left = augment_place(w, augment->pad, augment->out_w, place.word[1]);
    }
}

HOST_DEVICE float augment_draw_factor(float spread, uint64_t seed, uint32_t stream, uint32_t epoch, uint64_t sample)
{
    return spread > 0.0f ? augment_factor(spread, random_unit(random_words(seed, stream, epoch, sample, 0).word[0]))
                         : 1.0f;
}

HOST_DEVICE struct augment_draw augment_draw(const struct augment *augment, int h, int w, uint64_t seed, uint32_t epoch,
                                             uint64_t sample)
{
    struct augment_draw draw = augment_draw_none(augment, h, w);
    if (!augment->random)
        return draw;
    augment_draw_geometry(&draw, augment, h, w, seed, epoch, sample);
    draw.brightness = augment_draw_factor(augment->brightness, seed, RANDOM_BRIGHTNESS, epoch, sample);
    draw.contrast = augment_draw_factor(augment->contrast, seed, RANDOM_CONTRAST, epoch, sample);
    draw.saturation = augment_draw_factor(augment->saturation, seed, RANDOM_SATURATION, epoch, sample);
    if (augment->hue > 0.0f)
        draw.hue = (float)augment_swing(augment->hue, random_words(seed, RANDOM_HUE, epoch, sample, 0).word[0]);
    if (augment->grayscale_share > 0.0f)
        draw.grayscale =
            random_unit(random_words(seed, RANDOM_GRAYSCALE, epoch, sample, 0).word[0]) < augment->grayscale_share;
    if (augment->erase_share > 0.0f)
        draw.erase = augment_erased_box(augment, seed, epoch, sample);
    return draw;
}
#endif
