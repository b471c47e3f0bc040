/* paint: a canvas of floats and what aerial scenes are put together from: noise, ground, discs, boxes, winding courses,
 * tree crowns. Private to host/data; knows nothing of classes.
 *
 * Scenes are laid out on 64 x 64 units whatever the canvas has in pixels. Every random number comes from the canvas's
 * dice, so a drawing is a function of what the dice were keyed with. */
#ifndef PAINT_H
#define PAINT_H
#include "random.h"
#include <stdbool.h>

enum { SCENE = 64 };

struct dice {
    uint64_t seed, index;
    uint32_t stream, part, draw;
    int left;
    struct random_block block;
};
struct dice dice_key(uint32_t stream, uint64_t seed, uint32_t part, uint64_t index);
float dice_unit(struct dice *dice); /* [0, 1) */
float dice_range(struct dice *dice, float low, float high);
int dice_below(struct dice *dice, int count);
bool dice_chance(struct dice *dice, float share);

static inline float clamp(float value, float low, float high)
{
    return value < low ? low : value > high ? high : value;
}

struct color {
    float r, g, b; /* 0..1 */
};
static inline struct color color_mix(struct color a, struct color b, float s)
{
    return (struct color){a.r + (b.r - a.r) * s, a.g + (b.g - a.g) * s, a.b + (b.b - a.b) * s};
}

static inline struct color color_scale(struct color color, float factor)
{
    return (struct color){color.r * factor, color.g * factor, color.b * factor};
}
/* One of the palette's colours, moved towards another and varied in brightness. */
struct color color_pick(struct dice *dice, const struct color *palette, int count);

struct canvas {
    int size;
    float sharpness;    /* pixels per scene unit */
    float unit;         /* scene units per pixel */
    struct color *at;   /* [size][size] */
    float sun_x, sun_y; /* unit vector along which shadows fall */
    float dryness;      /* of the season, 0 lush .. 1 dry */
    struct dice dice;
};
/* Pixel centre in scene units. */
static inline float canvas_place(const struct canvas *canvas, int pixel)
{
    return ((float)pixel + 0.5f) * canvas->unit;
}
/* 1 inside, 0 outside, a pixel's width between; distance is negative inside. */
static inline float canvas_cover(const struct canvas *canvas, float distance)
{
    return clamp(0.5f - distance * canvas->sharpness, 0.0f, 1.0f);
}

/* Smooth value noise in -1..1, cells x cells over the scene. */
enum { NOISE_CELLS = 32 };
struct noise {
    int cells;
    float scale; /* cells per scene unit */
    float value[(NOISE_CELLS + 1) * (NOISE_CELLS + 1)];
};
void noise_make(struct noise *noise, struct dice *dice, int cells);
/* Inline: a quarter of the drawing time is spent here. */
static inline float noise_at(const struct noise *noise, float x, float y)
{
    float most = (float)noise->cells - 0.001f;
    float u = clamp(x * noise->scale, 0.0f, most), v = clamp(y * noise->scale, 0.0f, most);
    int i = (int)u, j = (int)v;
    float s = u - (float)i, t = v - (float)j;
    s = s * s * (3.0f - 2.0f * s);
    t = t * t * (3.0f - 2.0f * t);
    const float *row = noise->value + j * (noise->cells + 1) + i, *next = row + noise->cells + 1;
    float top = row[0] + (row[1] - row[0]) * s, bottom = next[0] + (next[1] - next[0]) * s;
    return top + (bottom - top) * t;
}

/* Three octaves of noise. */
struct texture {
    struct noise coarse, middle, fine;
};
void texture_make(struct texture *texture, struct dice *dice);
static inline float texture_at(const struct texture *texture, float x, float y)
{
    return 0.5f * noise_at(&texture->coarse, x, y) + 0.3f * noise_at(&texture->middle, x, y) +
           0.35f * noise_at(&texture->fine, x, y);
}

/* One sort of ground: a colour, mottled, perhaps in rows. */
struct patch {
    float x, y; /* where it is, for ground_patches */
    struct color color;
    float mottle, rows, period, along_x, along_y, phase;
};
struct color patch_color(const struct canvas *canvas, const struct patch *patch, const struct texture *texture, float x,
                         float y);
struct patch patch_grass(struct canvas *canvas);
struct patch patch_crop(struct canvas *canvas, float angle);
/* Covers the canvas with one to four patches of grass and crops with winding borders. crops: how likely a patch is
 * one. */
void ground_lay(struct canvas *canvas, float crops);

void paint_box(struct canvas *canvas, float x, float y, float half_w, float half_h, float angle, struct color color,
               float alpha);
/* A tree seen from above, with its shadow. */
void paint_crown(struct canvas *canvas, float x, float y, float radius, struct color color);
struct color crown_color(struct canvas *canvas);

/* A winding line across the scene: distance from it across, and how far along. */
struct course {
    float x, y, along_x, along_y, swing[2], wave[2], phase[2];
};
struct course course_make(struct canvas *canvas, float swing, float off_centre);
float course_distance(const struct course *course, float x, float y, float *along);
#endif
