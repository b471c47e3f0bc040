/* render: the plain loop over output pixels. Knows nothing of batches, tables or threads. */
#include "render.h"

static float value_at(const uint8_t *pixels, struct shape image, const struct augment *augment,
                      const struct augment_map *map, int x, int y, int channel)
{
    int64_t from_x, from_y;
    if (!augment_source(map, augment->padding, x, y, image.h, image.w, &from_x, &from_y))
        return (float)augment->fill[channel];
    if (!map->linear)
        return (float)pixels[((from_y >> 32) * image.w + (from_x >> 32)) * image.c + channel];
    struct augment_pair across = augment_pair(from_x, image.w), down = augment_pair(from_y, image.h);
    const uint8_t *upper = pixels + down.a * image.w * image.c + channel;
    const uint8_t *lower = pixels + down.b * image.w * image.c + channel;
    const float value =
        augment_bilinear(upper[across.a * image.c], upper[across.b * image.c], lower[across.a * image.c],
                         lower[across.b * image.c], across.share, down.share);
    return augment_edge(value, augment_cover(map, across.cover, down.cover), (float)augment->fill[channel]);
}

void render_values(float *values, const uint8_t *pixels, struct shape image, const struct augment *augment,
                   const struct augment_draw *draw)
{
    struct augment_map map = augment_map(augment, draw, image.h, image.w);
    for (int y = 0; y < augment->out_h; y++)
        for (int x = 0; x < augment->out_w; x++)
            for (int channel = 0; channel < image.c; channel++)
                *values++ = value_at(pixels, image, augment, &map, x, y, channel);
}

void render_sample(float *values, const uint8_t *pixels, struct shape image, const struct augment *augment,
                   const struct augment_draw *draw)
{
    int64_t count = (int64_t)augment->out_h * augment->out_w, sum = 0;
    int c = image.c;
    render_values(values, pixels, image, augment, draw);
    for (int64_t i = 0; i < count * c; i++)
        values[i] = augment_brighten(values[i], draw->brightness);
    for (int64_t i = 0; i < count; i++)
        sum += augment_grey(values + i * c, c);
    float grey = augment_grey_mean(sum, count);
    float mean[4], std[4];
    uint64_t bytes = 0, squares = 0;
    for (int64_t i = 0; i < shape_count(image); i++) {
        bytes += pixels[i];
        squares += (uint64_t)pixels[i] * pixels[i];
    }
    for (int channel = 0; channel < 4; channel++) {
        mean[channel] = augment->mean[channel];
        std[channel] = augment->std[channel];
        if (augment->by_image)
            augment_own_light(bytes, squares, shape_count(image), &mean[channel], &std[channel]);
    }
    for (int64_t i = 0; i < count; i++) {
        float *pixel = values + i * c;
        for (int channel = 0; channel < c; channel++)
            pixel[channel] = augment_contrast(pixel[channel], draw->contrast, grey);
        if (c == 3)
            augment_tint(pixel, pixel + 1, pixel + 2, draw->saturation, draw->hue, draw->grayscale);
        bool erased = augment_in_box(&draw->erase, (int)(i % augment->out_w), (int)(i / augment->out_w));
        for (int channel = 0; channel < c; channel++)
            pixel[channel] = erased ? 0.0f : augment_normalise(pixel[channel], mean[channel], std[channel]);
    }
}

void render_blend(float *values, const float *partner, int c, const struct augment *augment,
                  const struct augment_blend *blend)
{
    for (int64_t i = 0; i < (int64_t)augment->out_h * augment->out_w; i++) {
        bool in_box = augment_in_box(&blend->box, (int)(i % augment->out_w), (int)(i / augment->out_w));
        for (int channel = 0; channel < c; channel++, values++, partner++)
            *values = augment_blended(blend, in_box, *values, *partner);
    }
}
