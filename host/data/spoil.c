/* spoil: what goes wrong with pictures and labels in practice, planted on purpose. What happens to a tile is a function
 * of (seed, part, class, index) and the knob of that fault alone: turning one knob changes nothing about the others. */
#include "paint.h"
#include "tiles_parts.h"

#include <math.h>

#define TURN 6.2831853f

const char *const outlier_names[OUTLIER_KINDS] = {"black frame", "cloud", "pure noise", "test pattern"};

/* A tile's dice for one purpose. */
enum purpose { PURPOSE_PLAN, PURPOSE_LIGHT, PURPOSE_NOISE, PURPOSE_OUTLIER };

static struct dice tile_dice(const struct tiles_options *options, int class, uint32_t index, enum purpose purpose)
{
    uint64_t tile = (uint64_t) class << 32 | index;
    struct dice dice = dice_key(RANDOM_SPOIL, options->seed, (uint32_t)options->part, tile);
    /* Far more blocks than one purpose uses. */
    dice.draw = (uint32_t)purpose << 20;
    return dice;
}

struct spoil spoil_plan(const struct tiles_options *options, int class, uint32_t index)
{
    struct dice dice = tile_dice(options, class, index, PURPOSE_PLAN);
    /* All are drawn always, so that the knobs stay independent. */
    float light = dice_unit(&dice), label = dice_unit(&dice), outlier = dice_unit(&dice);
    int away = 1 + dice_below(&dice, TILES_CLASSES - 1), kind = dice_below(&dice, OUTLIER_KINDS);
    struct spoil spoil = {.filed_class = class, .outlier = -1};
    if ((double)outlier < options->outliers) {
        spoil.outlier = kind;
        return spoil;
    }
    if ((double)label < options->label_noise)
        spoil.filed_class = (class + away) % TILES_CLASSES;
    spoil.illumination = light * (float)options->illumination;
    spoil.noise = (float)options->noise;
    return spoil;
}

static uint8_t to_byte(float value)
{
    return (uint8_t)(clamp(value, 0.0f, 255.0f) + 0.5f);
}

/* Too bright or too dark as a whole, falling off to one side, dark corners. */
static void light_unevenly(uint8_t *rgb, int size, float strength, struct dice dice)
{
    float gain = expf(strength * dice_range(&dice, -0.8f, 0.6f)), angle = dice_range(&dice, 0.0f, TURN);
    float slope = strength * dice_range(&dice, 0.2f, 0.8f), corners = strength * dice_range(&dice, 0.0f, 0.7f);
    float across = slope * cosf(angle), down = slope * sinf(angle), half = (float)size / 2.0f;
    for (int y = 0; y < size; y++)
        for (int x = 0; x < size; x++) {
            float u = ((float)x + 0.5f) / half - 1.0f, v = ((float)y + 0.5f) / half - 1.0f;
            float factor = gain * (1.0f + across * u + down * v) * (1.0f - corners * 0.5f * (u * u + v * v));
            for (int c = 0; c < 3; c++, rgb++)
                *rgb = to_byte((float)*rgb * factor);
        }
}

/* Sum of four uniforms, scaled to the wanted deviation: close enough to a normal distribution. */
static void add_noise(uint8_t *rgb, int size, float deviation, struct dice dice)
{
    float scale = 255.0f * deviation * 1.7320508f;
    for (int i = 0; i < size * size * 3; i++) {
        float sum = dice_unit(&dice) + dice_unit(&dice) + dice_unit(&dice) + dice_unit(&dice) - 2.0f;
        rgb[i] = to_byte((float)rgb[i] + scale * sum);
    }
}

static void draw_cloud(uint8_t *rgb, int size, struct dice *dice)
{
    struct texture texture;
    texture_make(&texture, dice);
    for (int y = 0; y < size; y++)
        for (int x = 0; x < size; x++) {
            float puff = texture_at(&texture, (float)x * SCENE / (float)size, (float)y * SCENE / (float)size);
            for (int c = 0; c < 3; c++)
                *rgb++ = to_byte(232.0f + 26.0f * puff + 3.0f * (float)c);
        }
}

static void draw_pattern(uint8_t *rgb, int size, struct dice *dice)
{
    float period = dice_range(dice, 5.0f, 14.0f), around_x = dice_range(dice, 0.0f, SCENE);
    float around_y = dice_range(dice, 0.0f, SCENE);
    const float color[3] = {dice_range(dice, 60, 255), dice_range(dice, 60, 255), dice_range(dice, 60, 255)};
    bool rings = dice_chance(dice, 0.5f);
    for (int y = 0; y < size; y++)
        for (int x = 0; x < size; x++) {
            float u = (float)x * SCENE / (float)size, v = (float)y * SCENE / (float)size;
            int ring = (int)(hypotf(u - around_x, v - around_y) / period);
            int square = (int)(u / period) + (int)(v / period);
            bool on = (rings ? ring : square) % 2;
            for (int c = 0; c < 3; c++)
                *rgb++ = to_byte(on ? color[c] : 255.0f - color[c]);
        }
}

static void draw_outlier(uint8_t *rgb, int size, int kind, struct dice dice)
{
    switch ((enum outlier_kind)kind) {
    case OUTLIER_BLACK:
    case OUTLIER_NOISE:
        for (int i = 0; i < size * size * 3; i++)
            rgb[i] = kind == OUTLIER_BLACK ? 0 : (uint8_t)dice_below(&dice, 256);
        break;
    case OUTLIER_CLOUD: draw_cloud(rgb, size, &dice); break;
    case OUTLIER_PATTERN: draw_pattern(rgb, size, &dice); break;
    case OUTLIER_KINDS: break;
    }
}

void tile_make(uint8_t *rgb, const struct tiles_options *options, int class, uint32_t index, const struct spoil *spoil)
{
    if (spoil->outlier >= 0) {
        draw_outlier(rgb, options->size, spoil->outlier, tile_dice(options, class, index, PURPOSE_OUTLIER));
        return;
    }
    tiles_draw(rgb, options->size, class, options->part, options->seed, index);
    if (spoil->illumination > 0.0f)
        light_unevenly(rgb, options->size, spoil->illumination, tile_dice(options, class, index, PURPOSE_LIGHT));
    if (spoil->noise > 0.0f)
        add_noise(rgb, options->size, spoil->noise, tile_dice(options, class, index, PURPOSE_NOISE));
}
