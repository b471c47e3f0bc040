/* augment: colour and normalisation of one sample's values, after what is drawn (augment_draw.h) and where its pixels
 * come from (augment_map.h). The contract is in include/augment.h; colour follows torchvision on float tensors.
 * Compiled by the C compiler and by nvcc; knows nothing of batches. */
#ifndef COMMON_AUGMENT_H
#define COMMON_AUGMENT_H
#include "augment_map.h"

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

/* Mean and deviation of a stored image, of sums over all its bytes and their squares: integers add up to the same in
 * any order. A deviation below one level is rounding, as of an image of one colour. */
HOST_DEVICE void augment_own_light(uint64_t sum, uint64_t squares, int64_t values, float *mean, float *std)
{
    const double level = (double)sum / (double)values;
    const double variance = (double)squares / (double)values - level * level;
    *mean = (float)(level / 255.0);
    *std = (float)((variance > 1.0 ? sqrt(variance) : 1.0) / 255.0);
}

HOST_DEVICE float augment_luminance(float red, float green, float blue)
{
    return 0.2989f * red + 0.587f * green + 0.114f * blue;
}

/* Luminance of a pixel (of 3 channels as torchvision weighs them, else their mean), in units of 2^-30: integers add up
 * to the same in any order. */
HOST_DEVICE int64_t augment_grey(const float *value, int c)
{
    float grey = 0.0f;
    if (c == 3)
        grey = augment_luminance(value[0], value[1], value[2]);
    else
        for (int channel = 0; channel < c; channel++)
            grey += value[channel] / (float)c;
    return (int32_t)(grey * 1073741824.0f); /* at most 1: fits */
}

HOST_DEVICE float augment_grey_mean(int64_t sum, int64_t pixels)
{
    return (float)((double)sum / (double)pixels / 1073741824.0);
}

/* ---- colour that mixes the channels of a pixel: only where there are three, as torchvision ---- */

HOST_DEVICE bool augment_tinted(const struct augment_draw *draw, int c)
{
    return c == 3 && (draw->saturation != 1.0f || draw->hue != 0.0f || draw->grayscale);
}

/* Hue in sixths of a turn, 0..6, shifted. */
HOST_DEVICE float augment_hue(float red, float green, float blue, float peak, float chroma, float shift)
{
    float whole = chroma == 0.0f ? 1.0f : chroma;
    float difference = peak == red ? green - blue : peak == green ? blue - red : red - green;
    float sector = peak == red ? 0.0f : peak == green ? 2.0f : 4.0f;
    float hue = sector + difference / whole + 6.0f * shift;
    hue = hue < 0.0f ? hue + 6.0f : hue;
    return hue >= 6.0f ? hue - 6.0f : hue;
}

/* A channel of hue, value and chroma; place: 5 for red, 3 for green, 1 for blue. (A. R. Smith, "Color gamut transform
 * pairs", SIGGRAPH 1978, without its cases.) */
HOST_DEVICE float augment_channel(float hue, float peak, float chroma, float place)
{
    float at = place + hue;
    at = at >= 6.0f ? at - 6.0f : at;
    return peak - chroma * augment_clamp(at < 4.0f - at ? at : 4.0f - at);
}

/* Saturation, hue and grayscale of one pixel, after contrast. No branch depends on the pixel. */
HOST_DEVICE void augment_tint(float *red, float *green, float *blue, float saturation, float hue_shift, bool grayscale)
{
    float r = *red, g = *green, b = *blue;
    if (saturation != 1.0f) {
        float grey = (1.0f - saturation) * augment_luminance(r, g, b);
        r = augment_clamp(saturation * r + grey);
        g = augment_clamp(saturation * g + grey);
        b = augment_clamp(saturation * b + grey);
    }
    if (hue_shift != 0.0f) {
        float high = r > g ? r : g, low = r < g ? r : g;
        high = high > b ? high : b;
        low = low < b ? low : b;
        float hue = augment_hue(r, g, b, high, high - low, hue_shift), chroma = high - low;
        r = augment_channel(hue, high, chroma, 5.0f);
        g = augment_channel(hue, high, chroma, 3.0f);
        b = augment_channel(hue, high, chroma, 1.0f);
    }
    if (grayscale)
        r = g = b = augment_luminance(r, g, b);
    *red = r;
    *green = g;
    *blue = b;
}

/* ---- the erased box ---- */

HOST_DEVICE bool augment_in_box(const struct augment_box *box, int x, int y)
{
    return (unsigned)(x - box->left) < (unsigned)box->w && (unsigned)(y - box->top) < (unsigned)box->h;
}
#endif
