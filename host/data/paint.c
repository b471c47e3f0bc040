/* paint: see paint.h. */
#include "paint.h"

#include <math.h>

#define TURN 6.2831853f

struct dice dice_key(uint32_t stream, uint64_t seed, uint32_t part, uint64_t index)
{
    return (struct dice){.stream = stream, .seed = seed, .part = part, .index = index};
}

static uint32_t dice_word(struct dice *dice)
{
    if (dice->left == 0) {
        dice->block = random_words(dice->seed, dice->stream, dice->part, dice->index, dice->draw++);
        dice->left = 4;
    }
    return dice->block.word[--dice->left];
}

float dice_unit(struct dice *dice)
{
    return random_unit(dice_word(dice));
}

float dice_range(struct dice *dice, float low, float high)
{
    return low + (high - low) * dice_unit(dice);
}

int dice_below(struct dice *dice, int count)
{
    return (int)random_below(dice_word(dice), (uint32_t)count);
}

bool dice_chance(struct dice *dice, float share)
{
    return dice_unit(dice) < share;
}

struct color color_pick(struct dice *dice, const struct color *palette, int count)
{
    struct color first = palette[dice_below(dice, count)], second = palette[dice_below(dice, count)];
    return color_scale(color_mix(first, second, dice_range(dice, 0.0f, 0.45f)), dice_range(dice, 0.88f, 1.12f));
}

void noise_make(struct noise *noise, struct dice *dice, int cells)
{
    noise->cells = cells;
    noise->scale = (float)cells / SCENE;
    for (int i = 0; i < (cells + 1) * (cells + 1); i++)
        noise->value[i] = dice_range(dice, -1.0f, 1.0f);
}

void texture_make(struct texture *texture, struct dice *dice)
{
    noise_make(&texture->coarse, dice, 4);
    noise_make(&texture->middle, dice, 11);
    noise_make(&texture->fine, dice, NOISE_CELLS);
}

struct color patch_color(const struct canvas *canvas, const struct patch *patch, const struct texture *texture, float x,
                         float y)
{
    float factor = 1.0f + patch->mottle * texture_at(texture, x, y);
    if (patch->rows > 0.0f) {
        /* Rows finer than two pixels would turn into moiré. */
        float visible = clamp(patch->period / (2.2f * canvas->unit), 0.0f, 1.0f);
        float across = (x * patch->along_y - y * patch->along_x) / patch->period + patch->phase;
        factor *= 1.0f + patch->rows * visible * visible * sinf(TURN * across);
    }
    return color_scale(patch->color, factor);
}

struct patch patch_grass(struct canvas *canvas)
{
    static const struct color lush[] = {{0.34f, 0.46f, 0.22f}, {0.27f, 0.38f, 0.19f}, {0.42f, 0.50f, 0.28f}};
    static const struct color dry[] = {{0.60f, 0.56f, 0.36f}, {0.50f, 0.47f, 0.30f}, {0.55f, 0.48f, 0.34f}};
    struct dice *dice = &canvas->dice;
    struct color green = color_pick(dice, lush, 3), yellow = color_pick(dice, dry, 3);
    float dryness = canvas->dryness + dice_range(dice, -0.25f, 0.25f);
    dryness = clamp(dryness, 0.0f, 1.0f);
    return (struct patch){.color = color_mix(green, yellow, dryness), .mottle = dice_range(dice, 0.08f, 0.25f)};
}

struct patch patch_crop(struct canvas *canvas, float angle)
{
    static const struct color crops[] = {{0.30f, 0.44f, 0.20f}, {0.70f, 0.61f, 0.36f}, {0.66f, 0.64f, 0.25f},
                                         {0.63f, 0.55f, 0.41f}, {0.50f, 0.39f, 0.29f}, {0.38f, 0.31f, 0.25f},
                                         {0.40f, 0.48f, 0.26f}, {0.24f, 0.37f, 0.18f}};
    struct dice *dice = &canvas->dice;
    return (struct patch){.color = color_pick(dice, crops, 8),
                          .mottle = dice_range(dice, 0.04f, 0.14f),
                          .rows = dice_range(dice, 0.06f, 0.22f),
                          .period = dice_range(dice, 2.2f, 5.5f),
                          .along_x = cosf(angle),
                          .along_y = sinf(angle),
                          .phase = dice_unit(dice)};
}

void ground_lay(struct canvas *canvas, float crops)
{
    enum { PATCHES = 4 };
    struct dice *dice = &canvas->dice;
    struct patch patches[PATCHES];
    struct texture texture;
    struct noise warp;
    int count = 1 + dice_below(dice, PATCHES);
    for (int p = 0; p < count; p++) {
        patches[p] =
            dice_chance(dice, crops) ? patch_crop(canvas, dice_range(dice, 0.0f, TURN / 2)) : patch_grass(canvas);
        patches[p].x = dice_range(dice, 0.0f, SCENE);
        patches[p].y = dice_range(dice, 0.0f, SCENE);
    }
    texture_make(&texture, dice);
    noise_make(&warp, dice, 6);
    for (int j = 0; j < canvas->size; j++)
        for (int i = 0; i < canvas->size; i++) {
            float x = canvas_place(canvas, i), y = canvas_place(canvas, j), nearest = 1e9f;
            float shift = 5.0f * noise_at(&warp, x, y);
            const struct patch *here = patches;
            for (int p = 0; p < count; p++) {
                float dx = patches[p].x - x - shift, dy = patches[p].y - y + shift, distance = dx * dx + dy * dy;
                if (distance < nearest) {
                    nearest = distance;
                    here = &patches[p];
                }
            }
            canvas->at[j * canvas->size + i] = patch_color(canvas, here, &texture, x, y);
        }
}

/* The pixels that a shape within reach of (x, y) can touch. */
struct window {
    int left, right, top, bottom; /* right and bottom not included */
};

static struct window window_around(const struct canvas *canvas, float x, float y, float reach)
{
    reach += canvas->unit;
    struct window w = {(int)floorf((x - reach) / canvas->unit), (int)ceilf((x + reach) / canvas->unit),
                       (int)floorf((y - reach) / canvas->unit), (int)ceilf((y + reach) / canvas->unit)};
    w.left = w.left < 0 ? 0 : w.left;
    w.top = w.top < 0 ? 0 : w.top;
    w.right = w.right > canvas->size ? canvas->size : w.right;
    w.bottom = w.bottom > canvas->size ? canvas->size : w.bottom;
    return w;
}

static void blend(struct color *at, struct color color, float alpha)
{
    *at = color_mix(*at, color, alpha);
}

static void paint_disc(struct canvas *canvas, float x, float y, float radius, struct color color, float alpha)
{
    struct window w = window_around(canvas, x, y, radius);
    for (int j = w.top; j < w.bottom; j++)
        for (int i = w.left; i < w.right; i++) {
            float dx = canvas_place(canvas, i) - x, dy = canvas_place(canvas, j) - y;
            float cover = canvas_cover(canvas, sqrtf(dx * dx + dy * dy) - radius);
            blend(&canvas->at[j * canvas->size + i], color, alpha * cover);
        }
}

void paint_box(struct canvas *canvas, float x, float y, float half_w, float half_h, float angle, struct color color,
               float alpha)
{
    float cosine = cosf(angle), sine = sinf(angle);
    struct window w = window_around(canvas, x, y, half_w + half_h);
    for (int j = w.top; j < w.bottom; j++)
        for (int i = w.left; i < w.right; i++) {
            float dx = canvas_place(canvas, i) - x, dy = canvas_place(canvas, j) - y;
            float along = fabsf(dx * cosine + dy * sine) - half_w, across = fabsf(dy * cosine - dx * sine) - half_h;
            float cover = canvas_cover(canvas, along) * canvas_cover(canvas, across);
            blend(&canvas->at[j * canvas->size + i], color, alpha * cover);
        }
}

void paint_crown(struct canvas *canvas, float x, float y, float radius, struct color color)
{
    paint_disc(canvas, x + canvas->sun_x * radius * 0.7f, y + canvas->sun_y * radius * 0.7f, radius,
               (struct color){0.05f, 0.07f, 0.08f}, 0.5f);
    struct window w = window_around(canvas, x, y, radius);
    for (int j = w.top; j < w.bottom; j++)
        for (int i = w.left; i < w.right; i++) {
            float dx = (canvas_place(canvas, i) - x) / radius, dy = (canvas_place(canvas, j) - y) / radius;
            float out = sqrtf(dx * dx + dy * dy);
            float light = 1.12f - 0.45f * (dx * canvas->sun_x + dy * canvas->sun_y) - 0.25f * out * out;
            blend(&canvas->at[j * canvas->size + i], color_scale(color, light),
                  canvas_cover(canvas, (out - 1.0f) * radius));
        }
}

struct color crown_color(struct canvas *canvas)
{
    static const struct color leaves[] = {{0.20f, 0.31f, 0.14f}, {0.26f, 0.37f, 0.17f}, {0.15f, 0.26f, 0.13f}};
    static const struct color autumn[] = {{0.44f, 0.34f, 0.15f}, {0.36f, 0.34f, 0.16f}, {0.48f, 0.29f, 0.14f}};
    struct dice *dice = &canvas->dice;
    struct color green = color_pick(dice, leaves, 3), brown = color_pick(dice, autumn, 3);
    float late = canvas->dryness * canvas->dryness * canvas->dryness;
    return color_mix(green, brown, late * dice_unit(dice));
}

struct course course_make(struct canvas *canvas, float swing, float off_centre)
{
    struct dice *dice = &canvas->dice;
    float angle = dice_range(dice, 0.0f, TURN), away = dice_range(dice, -off_centre, off_centre);
    struct course course = {.along_x = cosf(angle), .along_y = sinf(angle)};
    course.x = SCENE / 2 - course.along_y * away;
    course.y = SCENE / 2 + course.along_x * away;
    /* The second bend is weaker and only twice as fast, or the line would fold back on itself. */
    for (int w = 0; w < 2; w++) {
        course.swing[w] = swing * dice_range(dice, 0.35f, 1.0f) * (w == 0 ? 1.0f : 0.3f);
        course.wave[w] = TURN / dice_range(dice, 70.0f, 120.0f) * (float)(1 + w);
        course.phase[w] = dice_range(dice, 0.0f, TURN);
    }
    return course;
}

float course_distance(const struct course *course, float x, float y, float *along)
{
    float dx = x - course->x, dy = y - course->y;
    float u = dx * course->along_x + dy * course->along_y, v = dy * course->along_x - dx * course->along_y;
    float slope = 0.0f;
    for (int w = 0; w < 2; w++) {
        float turn = course->wave[w] * u + course->phase[w];
        v -= course->swing[w] * sinf(turn);
        slope += course->swing[w] * course->wave[w] * cosf(turn);
    }
    *along = u;
    return v / sqrtf(1.0f + slope * slope);
}
