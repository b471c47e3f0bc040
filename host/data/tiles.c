/* tiles: ten kinds of aerial picture, drawn. One function per class; a tile is a function of (seed, part, class, index)
 * alone. The kinds overlap in colour on purpose: what tells them apart is structure. Knows nothing of files. */
#include "data.h"
#include "paint.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#define TURN                6.2831853f
#define PICK(dice, palette) color_pick(dice, palette, COUNT_OF(palette))

/* In byte order, as class folders are numbered. */
const char *const tiles_class_names[TILES_CLASSES] = {"beach",  "fields",  "forest", "houses", "industry",
                                                      "meadow", "orchard", "river",  "road",   "water"};

static const struct color waters[] = {{0.10f, 0.21f, 0.27f}, {0.14f, 0.28f, 0.29f}, {0.19f, 0.28f, 0.20f},
                                      {0.33f, 0.34f, 0.26f}, {0.12f, 0.26f, 0.38f}, {0.07f, 0.14f, 0.18f},
                                      {0.42f, 0.38f, 0.28f}, {0.24f, 0.40f, 0.38f}, {0.25f, 0.31f, 0.22f}};
static const struct color sands[] = {{0.80f, 0.73f, 0.57f}, {0.72f, 0.65f, 0.50f}, {0.86f, 0.82f, 0.70f}};
static const struct color asphalts[] = {
    {0.38f, 0.38f, 0.39f}, {0.50f, 0.49f, 0.48f}, {0.60f, 0.58f, 0.55f}, {0.55f, 0.48f, 0.38f}, {0.30f, 0.31f, 0.30f}};
static const struct color cars[] = {
    {0.85f, 0.85f, 0.86f}, {0.15f, 0.15f, 0.17f}, {0.60f, 0.15f, 0.13f}, {0.20f, 0.28f, 0.48f}, {0.55f, 0.56f, 0.58f}};
static const struct color dark = {0.05f, 0.06f, 0.09f};
static const struct color white = {0.92f, 0.93f, 0.93f};

/* How water looks at a place: ripples across the wind over slow changes of colour. */
struct surface {
    struct color color, deep;
    float wind_x, wind_y, period, ripple;
    struct texture texture;
};

static void surface_make(struct surface *surface, struct canvas *canvas)
{
    struct dice *dice = &canvas->dice;
    float angle = dice_range(dice, 0.0f, TURN);
    surface->color = PICK(dice, waters);
    surface->deep = color_scale(PICK(dice, waters), 0.85f);
    surface->wind_x = cosf(angle);
    surface->wind_y = sinf(angle);
    surface->period = dice_range(dice, 3.0f, 7.0f);
    surface->ripple = dice_range(dice, 0.03f, 0.1f);
    texture_make(&surface->texture, dice);
}

static struct color surface_color(const struct surface *surface, float x, float y)
{
    float slow = noise_at(&surface->texture.coarse, x, y), quick = noise_at(&surface->texture.fine, x, y);
    float wave = sinf(TURN * ((x * surface->wind_x + y * surface->wind_y) / surface->period + 0.7f * slow));
    struct color color = color_mix(surface->color, surface->deep, 0.5f + 0.5f * slow);
    return color_scale(color, 1.0f + surface->ripple * (wave + 0.8f * quick));
}

static void scatter_trees(struct canvas *canvas, int count, float smallest, float largest)
{
    struct dice *dice = &canvas->dice;
    struct color color = crown_color(canvas);
    for (int t = 0; t < count; t++) {
        float x = dice_range(dice, 0.0f, SCENE), y = dice_range(dice, 0.0f, SCENE);
        paint_crown(canvas, x, y, dice_range(dice, smallest, largest),
                    color_scale(color, dice_range(dice, 0.8f, 1.2f)));
    }
}

static void draw_beach(struct canvas *canvas)
{
    struct dice *dice = &canvas->dice;
    ground_lay(canvas, 0.1f);
    struct course coast = course_make(canvas, 7.0f, 15.0f);
    struct surface surface;
    surface_make(&surface, canvas);
    struct color sand = PICK(dice, sands);
    float width = dice_range(dice, 6.0f, 20.0f), along, surf = dice_range(dice, 0.5f, 2.2f);
    const struct texture *texture = &surface.texture;
    for (int j = 0; j < canvas->size; j++)
        for (int i = 0; i < canvas->size; i++) {
            float x = canvas_place(canvas, i), y = canvas_place(canvas, j);
            float from_sea = course_distance(&coast, x, y, &along) + 1.2f * noise_at(&texture->middle, x, y);
            float inland = from_sea - width + 3.0f * texture_at(texture, x, y);
            struct color *at = &canvas->at[j * canvas->size + i];
            struct color dry = color_scale(sand, 1.0f + 0.07f * texture_at(texture, x, y));
            dry = color_mix(dry, color_scale(dry, 0.72f), canvas_cover(canvas, from_sea - 2.0f));
            *at = color_mix(*at, dry, canvas_cover(canvas, inland));
            struct color sea = color_mix(surface_color(&surface, x, y), sand, 0.35f * expf(0.22f * fminf(from_sea, 0)));
            *at = color_mix(*at, sea, canvas_cover(canvas, from_sea));
            float breaker = fabsf(from_sea + 1.0f + 1.5f * noise_at(&texture->coarse, x, y)) - surf * 0.5f;
            *at = color_mix(*at, white, 0.75f * canvas_cover(canvas, breaker));
        }
}

/* A strip of fields: widths of its fields along it, and what grows there. */
struct strip {
    float start, length, offset;
    struct patch patches[3];
};

static void draw_fields(struct canvas *canvas)
{
    enum { STRIPS = 3 };
    struct dice *dice = &canvas->dice;
    struct strip strips[STRIPS];
    struct texture texture;
    texture_make(&texture, dice);
    float angle = dice_range(dice, 0.0f, TURN), cosine = cosf(angle), sine = sinf(angle);
    float start = dice_range(dice, -34.0f, -12.0f), border = dice_range(dice, 0.3f, 1.1f);
    for (int s = 0; s < STRIPS; s++) {
        strips[s].start = s == 0 ? -1e6f : start;
        start += s == 0 ? 0.0f : dice_range(dice, 12.0f, 34.0f);
        strips[s].length = dice_range(dice, 24.0f, 80.0f);
        strips[s].offset = dice_range(dice, 0.0f, 60.0f);
        for (int p = 0; p < COUNT_OF(strips[s].patches); p++)
            strips[s].patches[p] = patch_crop(canvas, angle + (dice_chance(dice, 0.7f) ? 0.0f : TURN / 4));
    }
    struct patch verge = patch_grass(canvas);
    for (int j = 0; j < canvas->size; j++)
        for (int i = 0; i < canvas->size; i++) {
            float x = canvas_place(canvas, i), y = canvas_place(canvas, j);
            float u = (x - SCENE / 2) * cosine + (y - SCENE / 2) * sine;
            float v = (y - SCENE / 2) * cosine - (x - SCENE / 2) * sine;
            int s = v >= strips[2].start ? 2 : v >= strips[1].start;
            float place = (u + strips[s].offset + 200.0f) / strips[s].length, cell = floorf(place);
            float edge = fminf(fabsf(v - strips[1].start), fabsf(v - strips[2].start));
            edge = fminf(edge, fminf(place - cell, cell + 1.0f - place) * strips[s].length);
            struct color crop = patch_color(canvas, &strips[s].patches[(int)cell % 3], &texture, x, y);
            canvas->at[j * canvas->size + i] =
                color_mix(crop, patch_color(canvas, &verge, &texture, x, y), canvas_cover(canvas, edge - border));
        }
}

static void draw_forest(struct canvas *canvas)
{
    struct dice *dice = &canvas->dice;
    ground_lay(canvas, 0.0f);
    float spacing = dice_range(dice, 4.6f, 8.0f), jitter = spacing * 0.45f, gaps = dice_range(dice, 0.0f, 0.1f);
    float bright = dice_range(dice, 0.85f, 1.6f);
    struct color first = color_scale(crown_color(canvas), bright), second = color_scale(crown_color(canvas), bright);
    struct noise stands;
    noise_make(&stands, dice, 3);
    for (int p = 0; p < canvas->size * canvas->size; p++)
        canvas->at[p] = color_mix(color_scale(canvas->at[p], 0.6f), color_scale(first, 0.5f), 0.6f);
    for (float y = -spacing; y < SCENE + spacing; y += spacing * 0.87f)
        for (float x = -spacing; x < SCENE + spacing; x += spacing) {
            float at_x = x + dice_range(dice, -jitter, jitter), at_y = y + dice_range(dice, -jitter, jitter);
            float radius = spacing * dice_range(dice, 0.42f, 0.72f), light = dice_range(dice, 0.75f, 1.25f);
            bool gap = dice_chance(dice, gaps);
            struct color color = noise_at(&stands, at_x, at_y) > 0.1f ? first : second;
            if (!gap)
                paint_crown(canvas, at_x, at_y, radius, color_scale(color, light));
        }
}

/* A house with a gabled roof: one half lit, one in shade. */
static void paint_house(struct canvas *canvas, float x, float y, float half_w, float half_h, float angle,
                        struct color roof)
{
    float reach = 0.5f * half_h + 1.0f, cosine = cosf(angle), sine = sinf(angle);
    bool lit_above = -sine * canvas->sun_x + cosine * canvas->sun_y > 0.0f;
    paint_box(canvas, x + canvas->sun_x * reach, y + canvas->sun_y * reach, half_w, half_h, angle, dark, 0.55f);
    paint_box(canvas, x, y, half_w, half_h, angle, color_scale(roof, lit_above ? 1.18f : 0.78f), 1.0f);
    paint_box(canvas, x - sine * half_h * 0.5f, y + cosine * half_h * 0.5f, half_w, half_h * 0.5f, angle,
              color_scale(roof, lit_above ? 0.78f : 1.18f), 1.0f);
}

static void draw_houses(struct canvas *canvas)
{
    static const struct color roofs[] = {{0.58f, 0.30f, 0.22f}, {0.44f, 0.31f, 0.25f}, {0.42f, 0.43f, 0.46f},
                                         {0.68f, 0.41f, 0.30f}, {0.28f, 0.28f, 0.31f}, {0.56f, 0.53f, 0.50f}};
    struct dice *dice = &canvas->dice;
    ground_lay(canvas, 0.0f);
    float angle = dice_range(dice, 0.0f, TURN), cosine = cosf(angle), sine = sinf(angle);
    float block = dice_range(dice, 24.0f, 34.0f), shift = dice_range(dice, 0.0f, block);
    float step = dice_range(dice, 9.5f, 15.0f), street = dice_range(dice, 1.4f, 2.4f);
    struct color asphalt = PICK(dice, asphalts), usual = PICK(dice, roofs);
    scatter_trees(canvas, 10 + dice_below(dice, 16), 1.2f, 2.8f);
    for (float v = shift - 64.0f; v < 64.0f; v += block) {
        paint_box(canvas, SCENE / 2 - sine * v, SCENE / 2 + cosine * v, 80.0f, street, angle, asphalt, 1.0f);
        for (int side = -1; side <= 1; side += 2)
            for (float u = -60.0f + dice_range(dice, 0.0f, step); u < 60.0f; u += step) {
                float across = v + (float)side * block * dice_range(dice, 0.24f, 0.3f);
                float x = SCENE / 2 + cosine * u - sine * across, y = SCENE / 2 + sine * u + cosine * across;
                float half_w = dice_range(dice, 3.0f, 4.6f), half_h = dice_range(dice, 2.3f, 3.4f);
                bool turned = dice_chance(dice, 0.25f), empty = dice_chance(dice, 0.12f);
                struct color roof = dice_chance(dice, 0.6f) ? usual : PICK(dice, roofs);
                if (!empty)
                    paint_house(canvas, x, y, half_w, half_h, angle + (turned ? TURN / 4 : 0.0f),
                                color_scale(roof, dice_range(dice, 0.85f, 1.15f)));
            }
    }
}

/* A flat roof with sheets of metal, lights or vents on it. */
static void paint_hall(struct canvas *canvas, float x, float y, float half_w, float half_h, float angle,
                       struct color roof)
{
    struct dice *dice = &canvas->dice;
    float cosine = cosf(angle), sine = sinf(angle), height = dice_range(dice, 1.5f, 3.2f);
    float period = dice_range(dice, 3.0f, 6.0f), contrast = dice_range(dice, 0.82f, 0.95f);
    paint_box(canvas, x + canvas->sun_x * height, y + canvas->sun_y * height, half_w, half_h, angle, dark, 0.6f);
    paint_box(canvas, x, y, half_w, half_h, angle, color_scale(roof, 0.8f), 1.0f);
    paint_box(canvas, x, y, half_w - 0.5f, half_h - 0.5f, angle, roof, 1.0f);
    for (float u = -half_w + period; u < half_w - 0.5f; u += period)
        paint_box(canvas, x + cosine * u, y + sine * u, 0.4f, half_h - 0.5f, angle, color_scale(roof, contrast), 1.0f);
    for (int vent = dice_below(dice, 5); vent > 0; vent--) {
        float u = dice_range(dice, -0.8f, 0.8f) * half_w, v = dice_range(dice, -0.8f, 0.8f) * half_h;
        paint_box(canvas, x + cosine * u - sine * v, y + sine * u + cosine * v, 0.8f, 0.8f, angle,
                  color_scale(roof, 0.6f), 1.0f);
    }
}

static void paint_car(struct canvas *canvas, float x, float y, float angle, float length)
{
    struct color color = PICK(&canvas->dice, cars);
    paint_box(canvas, x + 0.5f * canvas->sun_x, y + 0.5f * canvas->sun_y, length, 0.75f, angle, dark, 0.5f);
    paint_box(canvas, x, y, length, 0.75f, angle, color, 1.0f);
}

static void draw_industry(struct canvas *canvas)
{
    static const struct color roofs[] = {{0.84f, 0.85f, 0.86f}, {0.66f, 0.68f, 0.70f}, {0.45f, 0.53f, 0.62f},
                                         {0.69f, 0.65f, 0.57f}, {0.36f, 0.37f, 0.39f}, {0.52f, 0.33f, 0.28f}};
    struct dice *dice = &canvas->dice;
    ground_lay(canvas, 0.1f);
    float angle = dice_range(dice, 0.0f, TURN), cosine = cosf(angle), sine = sinf(angle);
    struct color yard = PICK(dice, asphalts);
    struct texture texture;
    texture_make(&texture, dice);
    float paved = dice_range(dice, -0.3f, 0.5f);
    for (int j = 0; j < canvas->size; j++)
        for (int i = 0; i < canvas->size; i++) {
            float x = canvas_place(canvas, i), y = canvas_place(canvas, j);
            struct color here = color_scale(yard, 1.0f + 0.12f * texture_at(&texture, x, y));
            float bare = noise_at(&texture.coarse, x, y) + paved;
            struct color *at = &canvas->at[j * canvas->size + i];
            *at = color_mix(*at, here, canvas_cover(canvas, -6.0f * (bare + 0.35f)));
        }
    float step_u = dice_range(dice, 24.0f, 40.0f), step_v = dice_range(dice, 18.0f, 30.0f);
    float from_u = dice_range(dice, 0.0f, step_u) - 2 * step_u, from_v = dice_range(dice, 0.0f, step_v) - 2 * step_v;
    for (float v = from_v; v < 52.0f; v += step_v)
        for (float u = from_u; u < 58.0f; u += step_u) {
            float half_w = step_u * dice_range(dice, 0.28f, 0.44f), half_h = step_v * dice_range(dice, 0.26f, 0.42f);
            float x = SCENE / 2 + cosine * u - sine * v, y = SCENE / 2 + sine * u + cosine * v;
            struct color roof = PICK(dice, roofs);
            if (dice_chance(dice, 0.85f))
                paint_hall(canvas, x, y, half_w, half_h, angle, roof);
            for (int truck = dice_below(dice, 4); truck > 0; truck--)
                paint_car(canvas, x - sine * step_v * 0.47f + cosine * (float)truck * 2.6f,
                          y + cosine * step_v * 0.47f + sine * (float)truck * 2.6f, angle + TURN / 4, 1.7f);
        }
}

static void draw_meadow(struct canvas *canvas)
{
    struct dice *dice = &canvas->dice;
    struct patch grass = patch_grass(canvas), other = patch_grass(canvas);
    struct texture texture;
    texture_make(&texture, dice);
    struct course path = course_make(canvas, 8.0f, 24.0f);
    float worn = dice_chance(dice, 0.4f) ? dice_range(dice, 0.1f, 0.35f) : 0.0f, along;
    other.color = color_mix(grass.color, other.color, 0.4f);
    for (int j = 0; j < canvas->size; j++)
        for (int i = 0; i < canvas->size; i++) {
            float x = canvas_place(canvas, i), y = canvas_place(canvas, j);
            float share = 0.5f + 0.9f * noise_at(&texture.coarse, x, y);
            struct color here = color_mix(patch_color(canvas, &grass, &texture, x, y),
                                          patch_color(canvas, &other, &texture, x, y), clamp(share, 0.0f, 1.0f));
            float trodden = canvas_cover(canvas, fabsf(course_distance(&path, x, y, &along)) - 0.5f);
            canvas->at[j * canvas->size + i] = color_mix(here, sands[1], worn * trodden);
        }
    scatter_trees(canvas, dice_below(dice, 5), 0.9f, 2.6f);
}

static void draw_orchard(struct canvas *canvas)
{
    struct dice *dice = &canvas->dice;
    ground_lay(canvas, 0.25f);
    float angle = dice_range(dice, 0.0f, TURN), cosine = cosf(angle), sine = sinf(angle);
    float step_u = dice_range(dice, 5.0f, 7.5f), step_v = step_u * dice_range(dice, 1.0f, 1.5f);
    float radius = step_u * dice_range(dice, 0.28f, 0.42f), wobble = step_u * 0.07f,
          missing = dice_range(dice, 0, 0.1f);
    float from_u = dice_range(dice, 0.0f, step_u), from_v = dice_range(dice, 0.0f, step_v);
    struct color color = crown_color(canvas);
    for (float v = from_v - 48.0f; v < 48.0f; v += step_v)
        for (float u = from_u - 48.0f; u < 48.0f; u += step_u) {
            float x = SCENE / 2 + cosine * u - sine * v + dice_range(dice, -wobble, wobble);
            float y = SCENE / 2 + sine * u + cosine * v + dice_range(dice, -wobble, wobble);
            float size = radius * dice_range(dice, 0.8f, 1.2f), light = dice_range(dice, 0.85f, 1.15f);
            if (!dice_chance(dice, missing))
                paint_crown(canvas, x, y, size, color_scale(color, light));
        }
}

static void draw_river(struct canvas *canvas)
{
    struct dice *dice = &canvas->dice;
    ground_lay(canvas, 0.4f);
    if (dice_chance(dice, 0.5f))
        scatter_trees(canvas, dice_below(dice, 10), 1.2f, 2.8f);
    struct course course = course_make(canvas, 14.0f, 12.0f);
    struct surface surface;
    surface_make(&surface, canvas);
    struct color bank = dice_chance(dice, 0.4f) ? PICK(dice, sands) : color_scale(crown_color(canvas), 0.8f);
    float half = dice_range(dice, 2.6f, 8.0f), edge = dice_range(dice, 0.6f, 2.6f), along;
    for (int j = 0; j < canvas->size; j++)
        for (int i = 0; i < canvas->size; i++) {
            float x = canvas_place(canvas, i), y = canvas_place(canvas, j);
            float wobble = 1.3f * noise_at(&surface.texture.middle, x, y);
            float away = fabsf(course_distance(&course, x, y, &along)) - half + wobble;
            struct color *at = &canvas->at[j * canvas->size + i];
            float tufts = 1.0f + 0.35f * noise_at(&surface.texture.fine, x, y);
            *at = color_mix(*at, color_scale(bank, tufts), 0.85f * canvas_cover(canvas, away - edge + wobble));
            *at = color_mix(*at, surface_color(&surface, x, y), canvas_cover(canvas, away));
        }
}

static void paint_road(struct canvas *canvas, const struct course *course, float half, struct color asphalt)
{
    struct dice *dice = &canvas->dice;
    struct noise worn;
    noise_make(&worn, dice, 20);
    bool marked = dice_chance(dice, 0.7f);
    struct color verge = color_mix(sands[1], canvas->at[0], 0.5f);
    float along;
    for (int j = 0; j < canvas->size; j++)
        for (int i = 0; i < canvas->size; i++) {
            float x = canvas_place(canvas, i), y = canvas_place(canvas, j);
            float across = fabsf(course_distance(course, x, y, &along));
            struct color *at = &canvas->at[j * canvas->size + i];
            *at = color_mix(*at, verge, 0.7f * canvas_cover(canvas, across - half - 0.9f));
            struct color here = color_scale(asphalt, 1.0f + 0.07f * noise_at(&worn, x, y));
            *at = color_mix(*at, here, canvas_cover(canvas, across - half));
            bool dash = fmodf(along + 200.0f, 6.0f) < 3.2f;
            if (marked && dash)
                *at = color_mix(*at, white, 0.8f * canvas_cover(canvas, across - 0.3f));
            if (marked)
                *at = color_mix(*at, white, 0.5f * canvas_cover(canvas, fabsf(across - half + 0.6f) - 0.2f));
        }
}

static void draw_road(struct canvas *canvas)
{
    struct dice *dice = &canvas->dice;
    ground_lay(canvas, 0.5f);
    scatter_trees(canvas, dice_below(dice, 12), 1.2f, 2.6f);
    struct course main = course_make(canvas, dice_chance(dice, 0.5f) ? 1.0f : 7.0f, 14.0f);
    float half = dice_range(dice, 1.8f, 4.6f);
    struct color asphalt = PICK(dice, asphalts);
    if (dice_chance(dice, 0.3f)) {
        struct course side = course_make(canvas, 2.0f, 10.0f);
        paint_road(canvas, &side, dice_range(dice, 1.3f, 2.2f), asphalt);
    }
    paint_road(canvas, &main, half, asphalt);
    for (int car = dice_below(dice, 5); car > 0; car--) {
        float u = dice_range(dice, -34.0f, 34.0f), lane = half * (dice_chance(dice, 0.5f) ? 0.5f : -0.5f);
        float bend = 0.0f, slope = 0.0f;
        for (int w = 0; w < 2; w++) {
            bend += main.swing[w] * sinf(main.wave[w] * u + main.phase[w]);
            slope += main.swing[w] * main.wave[w] * cosf(main.wave[w] * u + main.phase[w]);
        }
        paint_car(canvas, main.x + main.along_x * u - main.along_y * (bend + lane),
                  main.y + main.along_y * u + main.along_x * (bend + lane),
                  atan2f(main.along_y, main.along_x) + atanf(slope), 1.6f);
    }
}

static void draw_water(struct canvas *canvas)
{
    struct dice *dice = &canvas->dice;
    ground_lay(canvas, 0.2f);
    struct surface surface;
    surface_make(&surface, canvas);
    struct course shore = course_make(canvas, 5.0f, 4.0f);
    float out = dice_chance(dice, 0.35f) ? dice_range(dice, 20.0f, 30.0f) : 90.0f, along;
    for (int j = 0; j < canvas->size; j++)
        for (int i = 0; i < canvas->size; i++) {
            float x = canvas_place(canvas, i), y = canvas_place(canvas, j);
            float away = course_distance(&shore, x, y, &along) - out + 2.0f * noise_at(&surface.texture.middle, x, y);
            struct color *at = &canvas->at[j * canvas->size + i];
            *at = color_mix(*at, color_scale(*at, 0.55f), canvas_cover(canvas, away - 1.5f));
            *at = color_mix(*at, surface_color(&surface, x, y), canvas_cover(canvas, away));
        }
    for (int boat = dice_chance(dice, 0.3f) ? 1 + dice_below(dice, 3) : 0; boat > 0; boat--) {
        float x = dice_range(dice, 8.0f, 56.0f), y = dice_range(dice, 8.0f, 56.0f), angle = dice_range(dice, 0, TURN);
        paint_box(canvas, x - 4.0f * cosf(angle), y - 4.0f * sinf(angle), 3.5f, 0.5f, angle, white, 0.3f);
        paint_box(canvas, x, y, 1.5f, 0.6f, angle, white, 0.95f);
    }
}

/* Light, white balance, haze, the lens's slight blur, and a trace of sensor noise; then bytes. */
static void develop(const struct canvas *canvas, uint8_t *rgb)
{
    struct dice dice = canvas->dice;
    int size = canvas->size;
    float gain = dice_range(&dice, 0.74f, 1.22f), warmth = dice_range(&dice, -0.09f, 0.09f);
    float haze = dice_range(&dice, 0.0f, 0.18f), centre = 0.72f, side = 0.07f;
    const float gains[3] = {gain * (1.0f + warmth), gain, gain * (1.0f - warmth)}, veil[3] = {0.62f, 0.66f, 0.72f};
    for (int y = 0; y < size; y++)
        for (int x = 0; x < size; x++) {
            const struct color *at = canvas->at + y * size + x;
            const struct color *left = x > 0 ? at - 1 : at, *right = x < size - 1 ? at + 1 : at;
            const struct color *above = y > 0 ? at - size : at, *below = y < size - 1 ? at + size : at;
            const float value[3] = {at->r * centre + (left->r + right->r + above->r + below->r) * side,
                                    at->g * centre + (left->g + right->g + above->g + below->g) * side,
                                    at->b * centre + (left->b + right->b + above->b + below->b) * side};
            float grain = dice_range(&dice, -0.012f, 0.012f);
            for (int c = 0; c < 3; c++) {
                float lit = value[c] * gains[c] * (1.0f - haze) + veil[c] * haze + grain;
                *rgb++ = (uint8_t)(clamp(lit, 0.0f, 1.0f) * 255.0f + 0.5f);
            }
        }
}

void tiles_draw(uint8_t *rgb, int size, int class, enum tiles_part part, uint64_t seed, uint32_t index)
{
    static void (*const scenes[TILES_CLASSES])(struct canvas *) = {
        draw_beach,  draw_fields,  draw_forest, draw_houses, draw_industry,
        draw_meadow, draw_orchard, draw_river,  draw_road,   draw_water,
    };
    struct color pixels[TILES_SIZE_MAX * TILES_SIZE_MAX];
    assert(size >= TILES_SIZE_MIN && size <= TILES_SIZE_MAX && class >= 0 && class < TILES_CLASSES);
    struct canvas canvas = {
        .size = size, .unit = (float)SCENE / (float)size, .sharpness = (float)size / SCENE, .at = pixels};
    canvas.dice = dice_key(RANDOM_TILE, seed, (uint32_t)part, (uint64_t) class << 32 | index);
    float sun = dice_range(&canvas.dice, 0.0f, TURN);
    canvas.sun_x = cosf(sun);
    canvas.sun_y = sinf(sun);
    canvas.dryness = dice_unit(&canvas.dice);
    scenes[class](&canvas);
    develop(&canvas, rgb);
}
