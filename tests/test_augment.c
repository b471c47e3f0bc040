/* test_augment: random numbers, the drawn parameters, and the arithmetic of one sample against the recorded answers of
 * PIL and torchvision, and against flip, rotation and crop done one after the other. */
#include "random.h"
#include "render.h"
#include "vectors.h"

#include <math.h>
#include <setjmp.h>
#include <string.h>
/* cmocka wants the standard headers first */
#include <cmocka.h>

enum { SIDE = 64, MOST = SIDE * SIDE * 4 };

/* ---- random numbers ---- */

/* The known answers published with Random123 (philox4x32-10). */
static void test_philox(void **state)
{
    (void)state;
    static const struct {
        struct random_block counter;
        uint32_t key[2];
        struct random_block want;
    } cases[] = {
        {{{0, 0, 0, 0}}, {0, 0}, {{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}}},
        {{{~0u, ~0u, ~0u, ~0u}}, {~0u, ~0u}, {{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}}},
        {{{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}},
         {0xa4093822, 0x299f31d0},
         {{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        struct random_block got = random_rounds(cases[i].counter, cases[i].key[0], cases[i].key[1]);
        assert_memory_equal(&got, &cases[i].want, sizeof got);
    }
    /* The packing is part of what a run can be repeated by. */
    struct random_block counter = {{0x89abcdef, 0x01234567 ^ 0x500, 7, RANDOM_CROP}};
    struct random_block want = random_rounds(counter, 0x9abcdef0, 0x12345678);
    struct random_block got = random_words(0x123456789abcdef0, RANDOM_CROP, 7, 0x0123456789abcdef, 5);
    assert_memory_equal(&got, &want, sizeof got);
    assert_true(random_unit(0xFFFFFFFF) < 1.0f && random_unit(0) == 0.0f);
    assert_true(random_below(0xFFFFFFFF, 10) == 9 && random_below(0, 10) == 0 && random_below(~0u, 1) == 0);
}

/* ---- drawn parameters ---- */

static const struct augment full = {.random = true,
                                    .out_h = 28,
                                    .out_w = 24,
                                    .pad = 4,
                                    .flip_share = 0.5f,
                                    .rotate_degrees = 15.0f,
                                    .brightness = 0.2f,
                                    .contrast = 0.4f};

static void test_draws(void **state)
{
    (void)state;
    enum { COUNT = 20000 };
    int flips = 0, tops[9] = {0}, lefts[17] = {0};
    double degrees = 0, squares = 0, brightness = 0, contrast = 0;
    for (int i = 0; i < COUNT; i++) {
        struct augment_draw draw = augment_draw(&full, 28, 32, 99, 3, (uint64_t)i);
        assert_true(draw.degrees >= -15 && draw.degrees <= 15);
        assert_true(draw.brightness >= 0.8f && draw.brightness <= 1.2f);
        assert_true(draw.contrast >= 0.6f && draw.contrast <= 1.4f);
        assert_true(draw.crop.top >= -4 && draw.crop.top <= 4 && draw.crop.left >= -4 && draw.crop.left <= 12);
        flips += draw.flip;
        tops[draw.crop.top + 4]++;
        lefts[draw.crop.left + 4]++;
        degrees += draw.degrees / COUNT, squares += draw.degrees * draw.degrees / COUNT;
        brightness += (double)draw.brightness / COUNT, contrast += (double)draw.contrast / COUNT;
    }
    /* Five standard deviations of each. */
    assert_true(abs(flips - COUNT / 2) < 5 * 71);
    assert_true(fabs(degrees) < 5 * 8.7 / 141 && fabs(squares - 75) < 3);
    assert_true(fabs(brightness - 1) < 5 * 0.116 / 141 && fabs(contrast - 1) < 5 * 0.231 / 141);
    for (int i = 0; i < 9; i++)
        assert_true(abs(tops[i] - COUNT / 9) < 5 * 45);
    for (int i = 0; i < 17; i++)
        assert_true(abs(lefts[i] - COUNT / 17) < 5 * 34);
}

static void test_draws_are_keyed(void **state)
{
    (void)state;
    struct augment_draw base = augment_draw(&full, 28, 32, 99, 3, 5);
    assert_true(augment_draw(&full, 28, 32, 99, 3, 5).degrees == base.degrees);
    assert_true(augment_draw(&full, 28, 32, 99, 3, 6).degrees != base.degrees);
    assert_true(augment_draw(&full, 28, 32, 99, 4, 5).degrees != base.degrees);
    assert_true(augment_draw(&full, 28, 32, 98, 3, 5).degrees != base.degrees);
    /* Switching one kind off leaves what the others draw. */
    struct augment other = full;
    other.flip_share = 0, other.brightness = 0;
    struct augment_draw draw = augment_draw(&other, 28, 32, 99, 3, 5);
    assert_true(!draw.flip && draw.brightness == 1.0f);
    assert_true(draw.degrees == base.degrees && draw.crop.top == base.crop.top && draw.contrast == base.contrast);
    /* Evaluation draws nothing; an image too small is centred. */
    other = full;
    other.random = false;
    draw = augment_draw(&other, 28, 32, 99, 3, 5);
    assert_true(!draw.flip && draw.degrees == 0 && draw.crop.top == 0 && draw.crop.left == 4 && draw.contrast == 1.0f);
    other.random = true, other.pad = 1;
    assert_int_equal(augment_draw(&other, 20, 32, 99, 3, 5).crop.top, -4);
    /* Always and never. */
    other.flip_share = 1.0f;
    for (uint64_t i = 0; i < 100; i++)
        assert_true(augment_draw(&other, 28, 32, 1, 1, i).flip);
    /* A spread above 1 does not go below 0. */
    assert_true(augment_factor(1.5f, 0.0f) == 0.0f && augment_factor(0.0f, 0.7f) == 1.0f);
}

/* ---- recorded answers ---- */

static struct shape image_shape(const struct vectors *vectors, const char *name)
{
    const struct tensor *tensor = vectors_tensor(vectors, name);
    return (struct shape){1, (int)tensor->dims[0], (int)tensor->dims[1], (int)tensor->dims[2]};
}

/* What of a rotation must be as recorded. PIL's nearest pixels are equal; its linear ones are cut down to whole levels,
 * which happens here only in the end, and its edge is not ours, which is that of torchvision's tensors. Those are
 * rounded to the nearest level; where a place falls on the border of two pixels they take either. */
static bool rotated_right(const json_t *one, const struct augment_map *map, struct shape image, int x, int y,
                          double value, double want)
{
    const bool nearest = vectors_is(one, "interp", "nearest"), pil = vectors_is(one, "backend", "pil");
    const int64_t from_x = map->x0 + map->xx * x + map->xy * y, from_y = map->y0 + map->yx * x + map->yy * y;
    const uint32_t near = 1u << 22;
    if (nearest)
        return value == want || (!pil && ((uint32_t)from_x + near <= 2 * near || (uint32_t)from_y + near <= 2 * near));
    if (!pil)
        return fabs(value - want) <= 0.5 + 1e-2;
    const struct augment_pair across = augment_pair(from_x, image.w), down = augment_pair(from_y, image.h);
    return across.cover * down.cover < 1.0f || (value >= want - 1e-3 && value <= want + 1 + 1e-3);
}

static void rotate_check(struct vectors *vectors, const json_t *one)
{
    float values[MOST];
    const char *key = vectors_text(one, "key"), *name = vectors_text(one, "img");
    struct shape image = image_shape(vectors, name);
    struct augment augment = {.out_h = image.h, .out_w = image.w};
    augment.interpolation = vectors_is(one, "interp", "nearest") ? INTERPOLATE_NEAREST : INTERPOLATE_BILINEAR;
    struct augment_draw draw = augment_draw_none(&augment, image.h, image.w);
    draw.degrees = vectors_number(one, "angle");
    const struct augment_map map = augment_map(&augment, &draw, image.h, image.w);
    render_values(values, vectors_tensor_bytes(vectors, name), image, &augment, &draw);
    const uint8_t *want = vectors_tensor_bytes(vectors, key);
    for (int i = 0; i < image.h * image.w * image.c; i++)
        if (!rotated_right(one, &map, image, i / image.c % image.w, i / image.c / image.w, (double)values[i], want[i]))
            fail_msg("%s: value %d is %g, expected %d", key, i, (double)values[i], want[i]);
}

static void test_rotations(void **state)
{
    (void)state;
    struct vectors vectors;
    vectors_open(&vectors, "rotate");
    const json_t *cases = vectors_member(vectors.json, "cases");
    int checked = 0;
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *one = json_array_get(cases, i);
        /* Other fills, frames and centres are not offered. */
        if (!vectors_is(one, "op", "rotate") || vectors_has(one, "expand") || vectors_has(one, "center") ||
            json_is_array(vectors_member(one, "fill")))
            continue;
        rotate_check(&vectors, one);
        checked++;
    }
    assert_true(checked >= 58);
    vectors_close(&vectors);
}

static void geometry_check(struct vectors *vectors, const char *key, struct augment_draw draw, int out_h, int out_w)
{
    float values[MOST];
    struct shape image = image_shape(vectors, "A");
    struct augment augment = {.out_h = out_h, .out_w = out_w};
    render_values(values, vectors_tensor_bytes(vectors, "A"), image, &augment, &draw);
    const uint8_t *want = vectors_tensor_bytes(vectors, key);
    for (int i = 0; i < out_h * out_w * image.c; i++)
        if (values[i] != (float)want[i])
            fail_msg("%s: value %d is %g, expected %d", key, i, (double)values[i], want[i]);
}

static void test_geometry(void **state)
{
    (void)state;
    struct vectors vectors;
    vectors_open(&vectors, "geometry");
    const json_t *cases = vectors_member(vectors.json, "cases");
    int checked = 0;
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *one = json_array_get(cases, i);
        const char *key = vectors_text(one, "key");
        struct augment augment = {.out_h = 7, .out_w = 5};
        if (vectors_is(one, "op", "center_crop")) {
            augment.out_h = (int)vectors_integer(one, "size/0"), augment.out_w = (int)vectors_integer(one, "size/1");
            struct augment_draw centre = augment_draw_none(&augment, 7, 5);
            geometry_check(&vectors, key, centre, augment.out_h, augment.out_w);
        } else if (vectors_is(one, "op", "hflip") || vectors_is(one, "op", "vflip")) {
            struct augment_draw flip = augment_draw_none(&augment, 7, 5);
            *(vectors_is(one, "op", "hflip") ? &flip.flip : &flip.vflip) = true;
            geometry_check(&vectors, key, flip, 7, 5);
        } else if (vectors_is(one, "op", "crop")) {
            augment.out_h = (int)vectors_integer(one, "height"), augment.out_w = (int)vectors_integer(one, "width");
            struct augment_draw crop = augment_draw_none(&augment, 7, 5);
            crop.crop.top = (int)vectors_integer(one, "top"), crop.crop.left = (int)vectors_integer(one, "left");
            geometry_check(&vectors, key, crop, augment.out_h, augment.out_w);
        } else {
            continue;
        }
        checked++;
    }
    assert_int_equal(checked, 9);
    vectors_close(&vectors);
}

/* torchvision's box, which was filled with other values than the 0 that is its default and ours. */
static void test_erase(void **state)
{
    (void)state;
    enum { H = 7, W = 5, COUNT = H * W * 3 };
    struct vectors vectors;
    float got[COUNT], want[COUNT];
    vectors_open(&vectors, "geometry");
    struct augment augment = {.out_h = H, .out_w = W, .std = {1, 1, 1}};
    struct augment_draw draw = augment_draw_none(&augment, H, W);
    draw.erase = (struct augment_box){.top = 1, .left = 2, .h = 3, .w = 2};
    render_sample(got, vectors_tensor_bytes(&vectors, "A"), image_shape(&vectors, "A"), &augment, &draw);
    nhwc_from_nchw(want, vectors_tensor_floats(&vectors, "erase"), 1, 3, H, W);
    int erased = 0;
    for (int i = 0; i < COUNT; i++) {
        const bool filled = want[i] == 1.5f + (float)(i % 3);
        assert_true(got[i] == (filled ? 0.0f : want[i] / 255.0f));
        erased += filled;
    }
    assert_int_equal(erased, 3 * 2 * 3);
    vectors_close(&vectors);
}

/* torchvision on float tensors, which rounds nothing to whole levels. */
static void test_colour(void **state)
{
    (void)state;
    struct vectors vectors;
    vectors_open(&vectors, "color");
    const json_t *cases = vectors_member(vectors.json, "cases");
    int checked = 0;
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *one = json_array_get(cases, i);
        bool brightness = vectors_is(one, "op", "brightness");
        if (!vectors_has(one, "backend") || !vectors_is(one, "backend", "tensor_f32_chw") ||
            (!brightness && !vectors_is(one, "op", "contrast")))
            continue;
        float values[8 * 8 * 3], want[8 * 8 * 3];
        struct shape image = {1, 8, 8, 3};
        struct augment augment = {.out_h = 8, .out_w = 8, .std = {1, 1, 1}};
        struct augment_draw draw = augment_draw_none(&augment, 8, 8);
        *(brightness ? &draw.brightness : &draw.contrast) = (float)vectors_number(one, "factor");
        render_sample(values, vectors_tensor_bytes(&vectors, vectors_text(one, "img")), image, &augment, &draw);
        nhwc_from_nchw(want, vectors_tensor_floats(&vectors, vectors_text(one, "key")), 1, 3, 8, 8);
        /* One rounding: the mean luminance is summed in another order. */
        vectors_check(vectors_text(one, "key"), values, want, COUNT_OF(values), 1.2e-7, 0);
        checked++;
    }
    assert_int_equal(checked, 4);
    vectors_close(&vectors);
}

static void test_normalise(void **state)
{
    (void)state;
    static const float mean[] = {0.485f, 0.456f, 0.406f}, std[] = {0.229f, 0.224f, 0.225f};
    struct vectors vectors;
    vectors_open(&vectors, "to_tensor_normalize");
    const float *unit = vectors_tensor_floats(&vectors, "to_tensor_channel0");
    const float *normal = vectors_tensor_floats(&vectors, "imagenet_norm");
    for (int level = 0; level < 256; level++) {
        assert_true(augment_brighten((float)level, 1.0f) == unit[level]);
        for (int c = 0; c < 3; c++)
            assert_true(augment_normalise(unit[level], mean[c], std[c]) == normal[c * 256 + level]);
    }
    vectors_close(&vectors);
}

/* Of its own bytes; of next to one colour by a whole level, so that its rounding is no picture. */
static void test_own_light(void **state)
{
    (void)state;
    float mean, std;
    augment_own_light(10 + 40 + 50 + 100, 100 + 1600 + 2500 + 10000, 4, &mean, &std);
    assert_true(mean == (float)(50.0 / 255.0) && std == (float)(sqrt(1050.0) / 255.0));
    augment_own_light(7 * 3, 49 * 3, 3, &mean, &std);
    assert_true(mean == (float)(7.0 / 255.0) && std == (float)(1.0 / 255.0));
    augment_own_light(7 + 8, 49 + 64, 2, &mean, &std);
    assert_true(mean == (float)(7.5 / 255.0) && std == (float)(1.0 / 255.0));
    const uint64_t many = 4096ull * 4096 * 3; /* of the largest that there are */
    augment_own_light(255 * (many / 2), 255 * 255 * (many / 2), (int64_t)many, &mean, &std);
    assert_true(mean == 0.5f && std == 0.5f);
}

/* ---- flip, rotation and crop compose ---- */

/* Three images one after the other, rotated as PIL does it, by adding up whole steps of 2^-16. */
static void apply_in_turn(float *values, const uint8_t *pixels, struct shape image, const struct augment *augment,
                          const struct augment_draw *draw)
{
    static uint8_t flipped[MOST], rotated[MOST];
    int h = image.h, w = image.w, c = image.c;
    for (int i = 0; i < h * w * c; i++) {
        int y = i / c / w, x = i / c % w;
        flipped[i] = pixels[(y * w + (draw->flip ? w - 1 - x : x)) * c + i % c];
    }
    double angle = -draw->degrees * 3.14159265358979323846 / 180, cosine = cos(angle), sine = sin(angle);
    long xx = lround(cosine * 65536), xy = lround(sine * 65536);
    double from_x = w / 2.0 - cosine * w / 2.0 - sine * h / 2.0, from_y = h / 2.0 + sine * w / 2.0 - cosine * h / 2.0;
    long row_x = lround((from_x + cosine / 2 + sine / 2) * 65536);
    long row_y = lround((from_y - sine / 2 + cosine / 2) * 65536);
    for (int y = 0; y < h; y++, row_x += xy, row_y += xx) {
        long at_x = row_x, at_y = row_y;
        for (int x = 0; x < w; x++, at_x += xx, at_y -= xy)
            for (int channel = 0; channel < c; channel++) {
                bool inside = at_x >= 0 && at_y >= 0 && at_x >> 16 < w && at_y >> 16 < h;
                rotated[(y * w + x) * c + channel] =
                    inside ? flipped[((at_y >> 16) * w + (at_x >> 16)) * c + channel] : 0;
            }
    }
    for (int i = 0; i < augment->out_h * augment->out_w * c; i++) {
        int y = i / c / augment->out_w + draw->crop.top, x = i / c % augment->out_w + draw->crop.left;
        values[i] = y >= 0 && x >= 0 && y < h && x < w ? (float)rotated[(y * w + x) * c + i % c] : 0.0f;
    }
}

static void test_composition(void **state)
{
    (void)state;
    static uint8_t pixels[MOST];
    static float got[MOST], want[MOST];
    static const struct shape images[] = {{1, 28, 32, 3}, {1, 33, 25, 1}, {1, 17, 64, 4}, {1, 20, 33, 3}, {1, 1, 1, 3}};
    for (int s = 0; s < COUNT_OF(images); s++) {
        vectors_image(pixels, images[s].h, images[s].w, images[s].c);
        for (uint64_t sample = 0; sample < 50; sample++) {
            struct augment augment = full;
            augment.rotate_degrees = sample % 2 ? 15.0f : 180.0f;
            struct augment_draw draw = augment_draw(&augment, images[s].h, images[s].w, 5, 1, sample);
            /* Where the sides differ by an odd number, right angles meet the borders between pixels. */
            if (sample % 5 == 0)
                draw.degrees = 90.0 * (double)(sample / 5 % 4);
            render_values(got, pixels, images[s], &augment, &draw);
            apply_in_turn(want, pixels, images[s], &augment, &draw);
            vectors_check("composition", got, want, (int64_t)full.out_h * full.out_w * images[s].c, 0, 0);
        }
    }
}

/* Interpolating a flipped image is flipping an interpolated one; at no angle nothing is interpolated. */
static void test_bilinear(void **state)
{
    (void)state;
    enum { H = 19, W = 23 };
    static uint8_t pixels[H * W * 3], mirrored[H * W * 3];
    static float got[H * W * 3], want[H * W * 3];
    struct shape image = {1, H, W, 3};
    struct augment augment = {.out_h = H, .out_w = W, .interpolation = INTERPOLATE_BILINEAR};
    vectors_image(pixels, H, W, 3);
    for (int i = 0; i < H * W * 3; i++)
        mirrored[i] = pixels[(i / 3 / W * W + W - 1 - i / 3 % W) * 3 + i % 3];
    struct augment_draw draw = augment_draw_none(&augment, H, W);
    render_values(got, pixels, image, &augment, &draw);
    for (int i = 0; i < H * W * 3; i++)
        assert_true(got[i] == (float)pixels[i]);
    draw.degrees = 12.3;
    render_values(want, mirrored, image, &augment, &draw);
    draw.flip = true;
    render_values(got, pixels, image, &augment, &draw);
    vectors_check("flipped", got, want, H * W * 3, 1e-4, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_philox),    cmocka_unit_test(test_draws),     cmocka_unit_test(test_draws_are_keyed),
        cmocka_unit_test(test_rotations), cmocka_unit_test(test_geometry),  cmocka_unit_test(test_colour),
        cmocka_unit_test(test_normalise), cmocka_unit_test(test_own_light), cmocka_unit_test(test_composition),
        cmocka_unit_test(test_bilinear),  cmocka_unit_test(test_erase),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
