/* render: the plain loop over output pixels. Knows nothing of batches, tables or threads. */
#include "render.h"

static float value_at(const uint8_t *pixels, struct shape image, const struct augment_map *map, int x, int y,
                      int channel)
{
    int64_t from_x = map->x0 + map->xx * x + map->xy * y, from_y = map->y0 + map->yx * x + map->yy * y;
    if (!augment_inside(from_x, from_y, image.h, image.w))
        return 0.0f;
    if (!map->linear)
        return (float)pixels[((from_y >> 32) * image.w + (from_x >> 32)) * image.c + channel];
    struct augment_pair across = augment_pair(from_x, image.w), down = augment_pair(from_y, image.h);
    const uint8_t *upper = pixels + down.a * image.w * image.c + channel;
    const uint8_t *lower = pixels + down.b * image.w * image.c + channel;
    return augment_bilinear(upper[across.a * image.c], upper[across.b * image.c], lower[across.a * image.c],
                            lower[across.b * image.c], across.share, down.share);
}

void render_values(float *values, const uint8_t *pixels, struct shape image, const struct augment *augment,
                   const struct augment_draw *draw)
{
    struct augment_map map = augment_map(augment, draw, image.h, image.w);
    for (int y = 0; y < augment->out_h; y++)
        for (int x = 0; x < augment->out_w; x++)
            for (int channel = 0; channel < image.c; channel++)
                *values++ =
                    augment_framed(draw, x, y, image.h, image.w) ? value_at(pixels, image, &map, x, y, channel) : 0.0f;
}

void render_sample(float *values, const uint8_t *pixels, struct shape image, const struct augment *augment,
                   const struct augment_draw *draw)
{
    int64_t count = (int64_t)augment->out_h * augment->out_w, sum = 0;
    render_values(values, pixels, image, augment, draw);
    for (int64_t i = 0; i < count * image.c; i++)
        values[i] = augment_brighten(values[i], draw->brightness);
    for (int64_t i = 0; i < count; i++)
        sum += augment_grey(values + i * image.c, image.c);
    float grey = augment_grey_mean(sum, count);
    for (int64_t i = 0; i < count * image.c; i++)
        values[i] = augment_normalise(augment_contrast(values[i], draw->contrast, grey), augment->mean[i % image.c],
                                      augment->std[i % image.c]);
}
