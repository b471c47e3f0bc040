/* augment: what happens to one sample: the drawn parameters, the one affine sampling that flip, rotation and crop
 * compose to, the sampling itself, colour, and normalisation. The contract is in include/augment.h; rotation follows
 * PIL's Image.rotate (the geometry that torchvision's RandomRotation has on images), colour follows torchvision on
 * float tensors. Compiled by the C compiler and by nvcc; knows nothing of batches. */
#ifndef COMMON_AUGMENT_H
#define COMMON_AUGMENT_H
/* brings include/augment.h, which a file of the same name cannot include itself */
#include "backend.h"
#include "random.h"
#include <math.h>

/* What was drawn for one sample. */
struct augment_draw {
    bool flip;
    double degrees;             /* counter-clockwise */
    int top, left;              /* of the crop, in the image; negative: in the padding */
    float brightness, contrast; /* factors; 1: unchanged */
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
    draw.flip = false;
    draw.degrees = 0.0;
    draw.top = augment_centre(h, augment->out_h);
    draw.left = augment_centre(w, augment->out_w);
    draw.brightness = 1.0f;
    draw.contrast = 1.0f;
    return draw;
}

/* Uniform in [max(0, 1 - spread), 1 + spread]; exactly 1 for a spread of 0. */
HOST_DEVICE float augment_factor(float spread, float unit)
{
    float low = spread < 1.0f ? 1.0f - spread : 0.0f;
    return low + unit * (1.0f + spread - low);
}

/* First row or column of the crop out of the padded image, as seen from the image. An image too small even when padded
 * is centred. */
HOST_DEVICE int augment_place(int image, int pad, int crop, uint32_t word)
{
    int room = image + 2 * pad - crop;
    return room < 0 ? augment_centre(image, crop) : (int)random_below(word, (uint32_t)room + 1u) - pad;
}

/* A function of (seed, epoch, sample) alone. */
HOST_DEVICE struct augment_draw augment_draw(const struct augment *augment, int h, int w, uint64_t seed, uint32_t epoch,
                                             uint64_t sample)
{
    struct augment_draw draw = augment_draw_none(augment, h, w);
    if (!augment->random)
        return draw;
    if (augment->flip_share > 0.0f)
        draw.flip = random_unit(random_words(seed, RANDOM_FLIP, epoch, sample, 0).word[0]) < augment->flip_share;
    if (augment->rotate_degrees > 0.0f)
        draw.degrees = (2.0 * (double)random_unit(random_words(seed, RANDOM_ROTATE, epoch, sample, 0).word[0]) - 1.0) *
                       (double)augment->rotate_degrees;
    struct random_block place = random_words(seed, RANDOM_CROP, epoch, sample, 0);
    draw.top = augment_place(h, augment->pad, augment->out_h, place.word[0]);
    draw.left = augment_place(w, augment->pad, augment->out_w, place.word[1]);
    if (augment->brightness > 0.0f)
        draw.brightness = augment_factor(augment->brightness,
                                         random_unit(random_words(seed, RANDOM_BRIGHTNESS, epoch, sample, 0).word[0]));
    if (augment->contrast > 0.0f)
        draw.contrast = augment_factor(augment->contrast,
                                       random_unit(random_words(seed, RANDOM_CONTRAST, epoch, sample, 0).word[0]));
    return draw;
}

/* Output pixel (x, y) is sampled at (x0 + xx * x + xy * y, y0 + yx * x + yy * y) of the stored image, where a pixel's
 * area is [i, i + 1): in units of 2^-32, because integers round alike everywhere. */
struct augment_map {
    int64_t x0, xx, xy, y0, yx, yy;
    bool linear; /* interpolated: never without rotation, whose places are centres of pixels */
};

/* PIL rounds to 16 binary places before it samples the nearest pixel; linear is free of that. */
HOST_DEVICE int64_t augment_fixed(double value, bool linear)
{
    return linear ? (int64_t)floor(value * 4294967296.0 + 0.5) : (int64_t)floor(value * 65536.0 + 0.5) * 65536;
}

/* PIL rounds the sine and cosine to 15 places, which makes right angles exact. */
HOST_DEVICE double augment_round15(double value)
{
    return floor(value * 1e15 + 0.5) / 1e15;
}

HOST_DEVICE struct augment_map augment_map(const struct augment *augment, const struct augment_draw *draw, int h, int w)
{
    double radians = -draw->degrees * (3.14159265358979323846 / 180.0);
    double cosine = augment_round15(cos(radians)), sine = augment_round15(sin(radians));
    double centre_x = 0.5 * w, centre_y = 0.5 * h;
    /* The source of the rotated image's pixel (0, 0), at its centre. */
    double from_x = cosine * -centre_x + sine * -centre_y + centre_x;
    double from_y = -sine * -centre_x + cosine * -centre_y + centre_y;
    struct augment_map map;
    map.linear = augment->interpolation == INTERPOLATE_BILINEAR && draw->degrees != 0.0;
    map.xx = augment_fixed(cosine, map.linear);
    map.xy = augment_fixed(sine, map.linear);
    map.yx = augment_fixed(-sine, map.linear);
    map.yy = map.xx;
    map.x0 = augment_fixed(from_x + 0.5 * cosine + 0.5 * sine, map.linear);
    map.y0 = augment_fixed(from_y - 0.5 * sine + 0.5 * cosine, map.linear);
    map.x0 += map.xx * draw->left + map.xy * draw->top;
    map.y0 += map.yx * draw->left + map.yy * draw->top;
    if (draw->flip) {
        /* x -> w - x, less the smallest step: [i, i + 1) becomes [w - 1 - i, w - i), closed on the same side. */
        map.x0 = ((int64_t)w << 32) - 1 - map.x0;
        map.xx = -map.xx;
        map.xy = -map.xy;
    }
    return map;
}

/* What rotation turns out of the image's frame is lost, so outside the frame there is only padding: whether an output
 * pixel lies in it. */
HOST_DEVICE bool augment_framed(const struct augment_draw *draw, int x, int y, int h, int w)
{
    return (unsigned)(x + draw->left) < (unsigned)w && (unsigned)(y + draw->top) < (unsigned)h;
}

/* Whether a place is in the stored image. */
HOST_DEVICE bool augment_inside(int64_t x, int64_t y, int h, int w)
{
    return (uint64_t)x < (uint64_t)w << 32 && (uint64_t)y < (uint64_t)h << 32;
}

/* The two pixels around a place along one axis, clamped to the image, and the share of the second. */
struct augment_pair {
    int a, b;
    float share;
};

HOST_DEVICE struct augment_pair augment_pair(int64_t place, int size)
{
    int64_t centred = place - ((int64_t)1 << 31);
    int below = (int)(centred >> 32);
    struct augment_pair pair;
    pair.a = below < 0 ? 0 : below;
    pair.b = below + 1 < size ? below + 1 : size - 1;
    pair.share = (float)((uint32_t)centred >> 8) * (1.0f / 16777216.0f);
    return pair;
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

HOST_DEVICE float augment_clamp(float value)
{
    return value < 0.0f ? 0.0f : value > 1.0f ? 1.0f : value;
}

/* value: 0..255; the result 0..1. */
HOST_DEVICE float augment_brighten(float value, float factor)
{
    float unit = value / 255.0f;
    return factor == 1.0f ? unit : augment_clamp(unit * factor);
}

/* grey: the mean of the brightened output's luminance. */
HOST_DEVICE float augment_contrast(float value, float factor, float grey)
{
    return factor == 1.0f ? value : augment_clamp(factor * value + (1.0f - factor) * grey);
}

HOST_DEVICE float augment_normalise(float value, float mean, float std)
{
    return (value - mean) / std;
}

/* Luminance of a pixel (of 3 channels as torchvision weighs them, else their mean), in units of 2^-30: integers add up
 * to the same in any order. */
HOST_DEVICE int64_t augment_grey(const float *value, int c)
{
    float grey = 0.0f;
    if (c == 3)
        grey = 0.2989f * value[0] + 0.587f * value[1] + 0.114f * value[2];
    else
        for (int channel = 0; channel < c; channel++)
            grey += value[channel] / (float)c;
    return (int64_t)(grey * 1073741824.0f);
}

HOST_DEVICE float augment_grey_mean(int64_t sum, int64_t pixels)
{
    return (float)((double)sum / (double)pixels / 1073741824.0);
}
#endif
