/* picture: where a strip's values come from (copied rows, nearest pixels, padding; interpolate.c), and their colour.
 * The arithmetic is in kernels/common/augment*.h. Knows nothing of batches and normalisation. */
#include "picture.h"
#include <string.h>

static struct strip strip_at(const struct augment *augment, int y, int x)
{
    const int fit = STRIP / augment->out_w, width = augment->out_w - x, height = augment->out_h - y;
    const int rows = fit > 1 ? fit : 1;
    return (struct strip){y, x, rows < height ? rows : height, width < STRIP ? width : STRIP};
}

struct strip strip_first(const struct augment *augment)
{
    return strip_at(augment, 0, 0);
}

struct strip strip_next(const struct augment *augment, const struct strip *strip)
{
    const int x = strip->x + strip->width;
    return x < augment->out_w ? strip_at(augment, strip->y, x) : strip_at(augment, strip->y + strip->rows, 0);
}

struct span picture_span(const struct picture *picture, const struct strip *strip, int row)
{
    const struct augment_map *map = &picture->map;
    int begin = -map->left - strip->x, end = begin + map->frame_w;
    if (map->plain) {
        /* The first column of the frame shows this stored one; the others follow or precede. */
        int first = (int)(map->x0 >> 32), w = picture->image.w;
        int shown = map->xx > 0 ? -first : first - w + 1;
        begin += shown > 0 ? shown : 0;
        end += shown < 0 ? shown : 0;
    }
    const struct span span = {begin > 0 ? begin : 0, end < strip->width ? end : strip->width};
    const bool none =
        span.begin >= span.end || augment_fold(strip->y + row + map->top, map->frame_h, picture->augment->padding) < 0;
    return none ? (struct span){0, 0} : span;
}

/* Places of the stored image along the inner part of a row. */
struct walk {
    int64_t x, y, step_x, step_y;
};

static struct walk walk_begin(const struct picture *picture, const struct strip *strip, int row, int first)
{
    const struct augment_map *map = &picture->map;
    int64_t u = strip->x + first + map->left;
    int64_t v = augment_fold(strip->y + row + map->top, map->frame_h, picture->augment->padding);
    return (struct walk){map->x0 + map->xx * u + map->xy * v, map->y0 + map->yx * u + map->yy * v, map->xx, map->yx};
}

/* The place itself, held in a resized crop. */
static inline void walk_place(const struct augment_map *map, const struct walk *walk, int64_t *x, int64_t *y)
{
    *x = map->held ? augment_hold(walk->x, map->low_x, map->high_x) : walk->x;
    *y = map->held ? augment_hold(walk->y, map->low_y, map->high_y) : walk->y;
}

BY_CHANNELS void pixel_copy(uint8_t *to, const uint8_t *from, const int c)
{
    for (int channel = 0; channel < c; channel++)
        to[channel] = from[channel];
}

/* Pixels straight from a stored row, forwards or backwards. */
BY_CHANNELS void copy_row(const struct picture *picture, struct walk walk, int count, uint8_t *to, const int c)
{
    int64_t row = walk.y >> 32, column = walk.x >> 32;
    if ((uint64_t)row >= (uint64_t)picture->image.h) {
        for (int i = 0; i < count; i++)
            pixel_copy(to + i * c, picture->augment->fill, c);
        return;
    }
    const uint8_t *from = picture->pixels + (row * picture->image.w + column) * c;
    if (walk.step_x > 0)
        memcpy(to, from, (size_t)count * c);
    else
        for (int i = 0; i < count; i++)
            pixel_copy(to + i * c, from - i * c, c);
}

BY_CHANNELS void copy_nearest(const struct picture *picture, struct walk walk, int count, uint8_t *to, const int c)
{
    const struct augment_map *map = &picture->map;
    const int h = picture->image.h, w = picture->image.w;
    for (int i = 0; i < count; i++, walk.x += walk.step_x, walk.y += walk.step_y, to += c) {
        int64_t x, y;
        walk_place(map, &walk, &x, &y);
        bool inside = augment_inside(x, y, h, w);
        pixel_copy(to, inside ? picture->pixels + ((y >> 32) * w + (x >> 32)) * c : picture->augment->fill, c);
    }
}

/* Pixels [from, to) outside the inner part, which only padding other than one colour shows. bytes: of the row. */
BY_CHANNELS void copy_outer(const struct picture *picture, int y, int x, uint8_t *bytes, int from, int to, const int c)
{
    const struct augment *augment = picture->augment;
    const int h = picture->image.h, w = picture->image.w;
    for (int i = from; i < to; i++) {
        int64_t at_x, at_y;
        bool shown = augment->padding != PADDING_CONSTANT &&
                     augment_source(&picture->map, augment->padding, x + i, y, h, w, &at_x, &at_y);
        pixel_copy(bytes + i * c, shown ? picture->pixels + ((at_y >> 32) * w + (at_x >> 32)) * c : augment->fill, c);
    }
}

BY_CHANNELS void bytes_of(const struct picture *picture, const struct strip *strip, uint8_t *bytes, const int c)
{
    for (int row = 0; row < strip->rows; row++, bytes += strip->width * c) {
        const struct span span = picture_span(picture, strip, row);
        const int y = strip->y + row, count = span.end - span.begin;
        copy_outer(picture, y, strip->x, bytes, 0, span.begin, c);
        if (count > 0) {
            const struct walk walk = walk_begin(picture, strip, row, span.begin);
            if (picture->map.plain)
                copy_row(picture, walk, count, bytes + span.begin * c, c);
            else
                copy_nearest(picture, walk, count, bytes + span.begin * c, c);
        }
        copy_outer(picture, y, strip->x, bytes, span.end, strip->width, c);
    }
}

void picture_bytes(const struct picture *picture, const struct strip *strip, uint8_t *bytes)
{
    WITH_CHANNELS(picture->image.c, bytes_of, picture, strip, bytes);
}

/* The strip's values after brightness, 0..1. */
static void bright_units(const struct picture *picture, const struct strip *strip, float *values)
{
    const int c = picture->image.c, count = strip->rows * strip->width * c;
    if (picture->map.linear) {
        picture_interpolated(picture, strip, values);
    } else {
        uint8_t bytes[STRIP * CHANNELS];
        picture_bytes(picture, strip, bytes);
        for (int i = 0; i < count; i++)
            values[i] = (float)bytes[i];
    }
    const float factor = picture->draw.brightness;
#pragma omp simd
    for (int i = 0; i < count; i++)
        values[i] = augment_brighten(values[i], factor);
}

/* Of three channels: taken apart, so that the compiler can do many pixels at a time. */
static void tint(const struct augment_draw *draw, float *values, int count)
{
    float red[STRIP], green[STRIP], blue[STRIP];
    const float saturation = draw->saturation, hue = draw->hue;
    const bool grayscale = draw->grayscale;
    for (int i = 0; i < count; i++) {
        red[i] = values[i * 3];
        green[i] = values[i * 3 + 1];
        blue[i] = values[i * 3 + 2];
    }
#pragma omp simd
    for (int i = 0; i < count; i++)
        augment_tint(&red[i], &green[i], &blue[i], saturation, hue, grayscale);
    for (int i = 0; i < count; i++) {
        values[i * 3] = red[i];
        values[i * 3 + 1] = green[i];
        values[i * 3 + 2] = blue[i];
    }
}

void picture_units(const struct picture *picture, const struct strip *strip, float *values)
{
    const float factor = picture->draw.contrast, grey = picture->grey;
    const int count = strip->rows * strip->width;
    if (picture->is_kept)
        memcpy(values, picture->kept + ((int64_t)strip->y * picture->augment->out_w + strip->x) * picture->image.c,
               (size_t)(count * picture->image.c) * sizeof *values);
    else
        bright_units(picture, strip, values);
    if (factor != 1.0f)
#pragma omp simd
        for (int i = 0; i < count * picture->image.c; i++)
            values[i] = augment_contrast(values[i], factor, grey);
    if (augment_tinted(&picture->draw, picture->image.c))
        tint(&picture->draw, values, count);
}

BY_CHANNELS int64_t luminance_of(const float *values, int count, const int c)
{
    int64_t sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int i = 0; i < count; i++)
        sum += augment_grey(values + i * c, c);
    return sum;
}

/* Of the brightened picture, which is kept where there is room, because it is wanted once more. */
static float mean_luminance(struct picture *picture)
{
    const int out_h = picture->augment->out_h, out_w = picture->augment->out_w, c = picture->image.c;
    float values[STRIP * CHANNELS];
    int64_t sum = 0;
    const bool keep = !picture->copied && (int64_t)out_h * out_w * c <= PICTURE_KEPT;
    struct strip strip = strip_first(picture->augment);
    for (; strip.rows > 0; strip = strip_next(picture->augment, &strip)) {
        const int count = strip.rows * strip.width;
        float *to = values;
        if (keep)
            to = picture->kept + (strip.y * out_w + strip.x) * c;
        bright_units(picture, &strip, to);
        sum += c == 3 ? luminance_of(to, count, 3) : c == 1 ? luminance_of(to, count, 1) : luminance_of(to, count, c);
    }
    picture->is_kept = keep;
    return augment_grey_mean(sum, (int64_t)out_h * out_w);
}

/* For rows of as many pixels as a strip has at most. */
static void fill_ramps(struct picture *picture)
{
    const int width = picture->augment->out_w < STRIP ? picture->augment->out_w : STRIP;
    const int64_t step_x = picture->map.xx, step_y = picture->map.yx;
    for (int i = 0; i < width + LANES; i++) {
        picture->ramp_x[i] = step_x * i;
        picture->ramp_y[i] = step_y * i;
    }
}

static void take_own_light(struct picture *picture)
{
    const uint8_t *pixels = picture->pixels;
    const int64_t values = shape_count(picture->image);
    uint64_t sum = 0, squares = 0;
#pragma omp simd reduction(+ : sum, squares)
    for (int64_t i = 0; i < values; i++) {
        sum += pixels[i];
        squares += (uint32_t)pixels[i] * pixels[i];
    }
    augment_own_light(sum, squares, values, &picture->mean[0], &picture->std[0]);
    for (int channel = 1; channel < CHANNELS; channel++) {
        picture->mean[channel] = picture->mean[0];
        picture->std[channel] = picture->std[0];
    }
}

void picture_open(struct picture *picture, const struct gather_args *args, const uint8_t *pixels, uint64_t sample)
{
    const struct augment *augment = &args->augment;
    const int h = args->image.h, w = args->image.w;
    picture->augment = augment;
    picture->pixels = pixels;
    picture->image = args->image;
    picture->draw = augment_draw(augment, h, w, args->control->seed, args->control->epoch, sample);
    picture->map = augment_map(augment, &picture->draw, h, w);
    picture->copied = !picture->map.linear && !augment_tinted(&picture->draw, args->image.c);
    picture->is_kept = false;
    memcpy(picture->mean, augment->mean, sizeof picture->mean);
    memcpy(picture->std, augment->std, sizeof picture->std);
    if (augment->by_image)
        take_own_light(picture);
    if (picture->map.linear)
        fill_ramps(picture);
    picture->grey = picture->draw.contrast != 1.0f ? mean_luminance(picture) : 0.0f;
}
