/* test_transforms: every transform alone against torchvision's tensor path on float tensors (recorded), and the rules
 * by which crops, erased boxes and mixed pairs are drawn. Tolerances are in units of the value range 0..1. */
#include "random.h"
#include "render.h"
#include "vectors.h"

#include <math.h>
#include <setjmp.h>
#include <string.h>
/* cmocka wants the standard headers first */
#include <cmocka.h>

enum { MOST = 32 * 32 * 3 };

/* float32's rounding along a chain of a few operations. */
#define ROUNDING 1e-6
/* torchvision computes places in float32: a few units in the last place of 17 pixels, times the steepest edge. */
#define PLACES 2e-5
static struct vectors vectors;

static int setup(void **state)
{
    (void)state;
    vectors_open(&vectors, "augment");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    vectors_close(&vectors);
    return 0;
}

static struct shape image_shape(const char *name)
{
    const struct tensor *tensor = vectors_tensor(&vectors, name);
    return (struct shape){1, (int)tensor->dims[0], (int)tensor->dims[1], (int)tensor->dims[2]};
}

/* Renders without normalisation and fetches the recorded answer in the same layout. */
static void both(const json_t *one, const struct augment *augment, const struct augment_draw *draw, float *got,
                 float *want)
{
    struct augment plain = *augment;
    const char *name = vectors_text(one, "img");
    for (int c = 0; c < 4; c++)
        plain.mean[c] = 0.0f, plain.std[c] = 1.0f;
    render_sample(got, vectors_tensor_bytes(&vectors, name), image_shape(name), &plain, draw);
    nhwc_from_nchw(want, vectors_tensor_floats(&vectors, vectors_text(one, "key")), 1, 3, augment->out_h,
                   augment->out_w);
}

/* ---- geometry ---- */

static int ties; /* pixels of the nearest sampling that torchvision takes from the other side of a border */

/* Whether the place is so near a border between pixels that the rounding decides: PIL's places are whole 2^-16, its
 * steps' errors add up over a row and a column. */
static bool on_border(const struct augment_map *map, int x, int y)
{
    const int64_t near = (int64_t)1 << 22;
    const uint32_t of_x = (uint32_t)(map->x0 + map->xx * x + map->xy * y + near);
    const uint32_t of_y = (uint32_t)(map->y0 + map->yx * x + map->yy * y + near);
    return of_x <= 2 * near || of_y <= 2 * near;
}

/* How much of a place's four pixels is in the image, along one axis; place in pixels. */
static double cover_along(double place, int size)
{
    return fmax(0, fmin(1, fmin(place + 0.5, size + 0.5 - place)));
}

/* Of the interpolated pixel (x, y). */
static double cover_at(const struct augment_map *map, int x, int y, struct shape image)
{
    return cover_along((double)(map->x0 + map->xx * x + map->xy * y) * 0x1p-32, image.w) *
           cover_along((double)(map->y0 + map->yx * x + map->yy * y) * 0x1p-32, image.h);
}

/* The fill is a whole level here: 64, 128 and 191 for the recorded 0.25, 0.5 and 0.75, which is seen as far as the fill
 * is. */
static void use_levels(float *want, const struct augment *augment, const struct augment_map *map, struct shape image)
{
    static const double fill[3] = {0.25, 0.5, 0.75};
    for (int i = 0; i < image.h * image.w; i++) {
        const int x = i % image.w, y = i / image.w;
        int64_t at_x, at_y;
        const bool shown = augment_source(map, PADDING_CONSTANT, x, y, image.h, image.w, &at_x, &at_y);
        const double cover = map->linear ? cover_at(map, x, y, image) : shown;
        for (int c = 0; c < 3; c++)
            want[i * 3 + c] += (float)((1 - cover) * (augment->fill[c] / 255.0 - fill[c]));
    }
}

static int edges; /* interpolated pixels of which a part is filled */

static void affine_check(const json_t *one)
{
    float got[MOST], want[MOST];
    const struct shape image = image_shape(vectors_text(one, "img"));
    const bool linear = vectors_is(one, "interp", "bilinear");
    struct augment augment = {.out_h = image.h,
                              .out_w = image.w,
                              .fill = {64, 128, 191},
                              .interpolation = linear ? INTERPOLATE_BILINEAR : INTERPOLATE_NEAREST};
    struct augment_draw draw = augment_draw_none(&augment, image.h, image.w);
    draw.degrees = -vectors_number(one, "angle_clockwise");
    draw.scale = vectors_number(one, "scale");
    draw.shear = vectors_number(one, "shear");
    draw.move_x = (int)vectors_integer(one, "translate/0"), draw.move_y = (int)vectors_integer(one, "translate/1");
    both(one, &augment, &draw, got, want);
    struct augment_map map = augment_map(&augment, &draw, image.h, image.w);
    use_levels(want, &augment, &map, image);
    for (int i = 0; i < image.h * image.w; i++) {
        const int x = i % image.w, y = i / image.w;
        double worst = 0;
        for (int c = 0; c < 3; c++)
            worst = fmax(worst, fabs((double)got[i * 3 + c] - (double)want[i * 3 + c]));
        if (worst > PLACES && (linear || !on_border(&map, x, y)))
            fail_msg("%s: pixel %d, %d differs by %g", vectors_text(one, "key"), x, y, worst);
        ties += worst > PLACES;
        const double cover = linear ? cover_at(&map, x, y, image) : 1;
        edges += cover > 0.01 && cover < 0.99;
    }
}

static void test_affine(void **state)
{
    (void)state;
    ties = edges = 0;
    assert_int_equal(vectors_each_case(&vectors, "affine", affine_check), 54);
    assert_true(ties < 9 * (35 + 64 + 221) / 20);
    assert_true(edges > 250);
}

static void resized_crop_check(const json_t *one)
{
    float got[MOST], want[MOST];
    struct augment augment = {.out_h = (int)vectors_integer(one, "size/0"),
                              .out_w = (int)vectors_integer(one, "size/1"),
                              .interpolation = INTERPOLATE_BILINEAR};
    struct augment_draw draw = augment_draw_none(&augment, 17, 13);
    draw.crop = (struct augment_box){(int)vectors_integer(one, "ijhw/0"), (int)vectors_integer(one, "ijhw/1"),
                                     (int)vectors_integer(one, "ijhw/2"), (int)vectors_integer(one, "ijhw/3")};
    both(one, &augment, &draw, got, want);
    vectors_check(vectors_text(one, "key"), got, want, (int64_t)augment.out_h * augment.out_w * 3, PLACES, 0);
}

/* A resized crop alone does not see beyond its box, whichever way it is mirrored. */
static void test_resized_crop(void **state)
{
    (void)state;
    assert_int_equal(vectors_each_case(&vectors, "resized_crop", resized_crop_check), 5);
    static uint8_t pixels[20 * 20], outside[20 * 20];
    float got[36], want[36];
    struct augment augment = {.out_h = 6, .out_w = 6, .interpolation = INTERPOLATE_BILINEAR};
    vectors_image(pixels, 20, 20, 1);
    struct augment_draw draw = augment_draw_none(&augment, 20, 20);
    draw.crop = (struct augment_box){8, 8, 4, 4};
    for (int i = 0; i < 400; i++)
        outside[i] = augment_in_box(&draw.crop, i % 20, i / 20) ? pixels[i] : 255 - pixels[i];
    for (int mirrored = 0; mirrored < 4; mirrored++) {
        draw.flip = mirrored & 1, draw.vflip = mirrored & 2;
        render_values(got, pixels, (struct shape){1, 20, 20, 1}, &augment, &draw);
        render_values(want, outside, (struct shape){1, 20, 20, 1}, &augment, &draw);
        /* The smallest step of a place may let through 2^-24 of the neighbour. */
        vectors_check("beyond the crop", got, want, 36, 1e-4, 0);
    }
}

static void pad_check(const json_t *one)
{
    float got[MOST], want[MOST];
    static const struct {
        const char *name;
        enum padding padding;
    } modes[] = {{"constant", PADDING_CONSTANT},
                 {"edge", PADDING_EDGE},
                 {"reflect", PADDING_REFLECT},
                 {"symmetric", PADDING_SYMMETRIC}};
    struct augment augment = {.out_h = 17 + 9, .out_w = 13 + 9};
    for (int i = 0; i < COUNT_OF(modes); i++)
        if (vectors_is(one, "mode", modes[i].name))
            augment.padding = modes[i].padding;
    struct augment_draw draw = augment_draw_none(&augment, 17, 13);
    draw.crop.left = -(int)vectors_integer(one, "padding_ltrb/0");
    draw.crop.top = -(int)vectors_integer(one, "padding_ltrb/1");
    both(one, &augment, &draw, got, want);
    vectors_check(vectors_text(one, "key"), got, want, (int64_t)augment.out_h * augment.out_w * 3, 0, 0);
}

static void test_padding(void **state)
{
    (void)state;
    assert_int_equal(vectors_each_case(&vectors, "pad", pad_check), 4);
    /* Mirrored again where the padding is wider than the image; one pixel has nothing to mirror. */
    static const int reflected[] = {2, 1, 0, 1, 2, 1, 0, 1}, repeated[] = {2, 2, 1, 0, 0, 1, 2, 2};
    for (int i = 0; i < 8; i++) {
        assert_int_equal(augment_fold(i - 2, 3, PADDING_REFLECT), reflected[i]);
        assert_int_equal(augment_fold(i - 4, 3, PADDING_SYMMETRIC), repeated[i]);
        assert_int_equal(augment_fold(i - 4, 1, PADDING_REFLECT), 0);
        assert_int_equal(augment_fold(i - 4, 1, PADDING_SYMMETRIC), 0);
    }
}

/* ---- colour ---- */

static void colour_check(const json_t *one)
{
    float got[MOST], want[MOST];
    const struct shape image = image_shape(vectors_text(one, "img"));
    struct augment augment = {.out_h = image.h, .out_w = image.w};
    struct augment_draw draw = augment_draw_none(&augment, image.h, image.w);
    if (vectors_is(one, "op", "saturation"))
        draw.saturation = (float)vectors_number(one, "factor");
    if (vectors_is(one, "op", "hue"))
        draw.hue = (float)vectors_number(one, "factor");
    draw.grayscale = vectors_is(one, "op", "grayscale");
    if (vectors_is(one, "op", "jitter")) {
        draw.brightness = (float)vectors_number(one, "brightness");
        draw.contrast = (float)vectors_number(one, "contrast");
        draw.saturation = (float)vectors_number(one, "saturation");
        draw.hue = (float)vectors_number(one, "hue");
    }
    both(one, &augment, &draw, got, want);
    vectors_check(vectors_text(one, "key"), got, want, (int64_t)image.h * image.w * 3, 2 * ROUNDING, 0);
}

static void test_colour(void **state)
{
    (void)state;
    assert_int_equal(vectors_each_case(&vectors, "saturation", colour_check), 8);
    assert_int_equal(vectors_each_case(&vectors, "hue", colour_check), 14);
    assert_int_equal(vectors_each_case(&vectors, "grayscale", colour_check), 2);
    assert_int_equal(vectors_each_case(&vectors, "jitter", colour_check), 4);
}

/* ---- boxes ---- */

static const struct augment boxes = {.random = true,
                                     .out_h = 24,
                                     .out_w = 40,
                                     .crop_area = {0.08f, 1.0f},
                                     .crop_ratio = {3.0f / 4.0f, 4.0f / 3.0f},
                                     .erase_share = 0.5f,
                                     .erase_area = {0.02f, 0.33f},
                                     .erase_ratio = {0.3f, 3.3f}};

static void test_drawn_boxes(void **state)
{
    (void)state;
    enum { COUNT = 20000, H = 30, W = 37 };
    int erased = 0;
    double area = 0, erased_area = 0, log_ratio = 0;
    for (uint64_t i = 0; i < COUNT; i++) {
        struct augment_draw draw = augment_draw(&boxes, H, W, 4, 2, i);
        const struct augment_box *crop = &draw.crop, *erase = &draw.erase;
        assert_true(crop->h > 0 && crop->w > 0 && crop->top >= 0 && crop->left >= 0 && crop->top + crop->h <= H &&
                    crop->left + crop->w <= W);
        area += (double)(crop->h * crop->w) / (H * W) / COUNT;
        if (erase->h == 0)
            continue;
        assert_true(erase->h < 24 && erase->w > 0 && erase->w < 40 && erase->top >= 0 && erase->left >= 0);
        assert_true(erase->top + erase->h <= 24 && erase->left + erase->w <= 40);
        erased++;
        erased_area += (double)(erase->h * erase->w) / (24 * 40);
        log_ratio += log((double)erase->h / erase->w);
    }
    /* 0.54 is the middle; large boxes fit less often. */
    assert_true(area > 0.45 && area < 0.54);
    assert_true(abs(erased - COUNT / 2) < 5 * 71 && fabs(erased_area / erased - 0.175) < 0.02);
    assert_true(fabs(log_ratio / erased) < 0.15);
}

/* torchvision's recorded sides, and what it falls back to when nothing fits. */
static void test_recorded_boxes(void **state)
{
    (void)state;
    struct vectors recorded;
    vectors_open(&recorded, "rrc_params");
    const json_t *sides = vectors_member(recorded.json, "wh"), *fallback = vectors_member(recorded.json, "fallback");
    for (size_t i = 0; i < json_array_size(sides); i++) {
        const json_t *one = json_array_get(sides, i);
        const float ratio = (float)exp(vectors_number(one, "log_ratio")), both_ends[2] = {ratio, ratio};
        int w, h;
        augment_sides(vectors_number(one, "H") * vectors_number(one, "W") * vectors_number(one, "scale"), both_ends, 0,
                      &w, &h);
        assert_int_equal(w, vectors_integer(one, "w"));
        assert_int_equal(h, vectors_integer(one, "h"));
    }
    for (size_t i = 0; i < json_array_size(fallback); i++) {
        const json_t *one = json_array_get(fallback, i);
        struct augment_box box =
            augment_fallback_crop(&boxes, (int)vectors_integer(one, "H"), (int)vectors_integer(one, "W"));
        const int got[4] = {box.top, box.left, box.h, box.w};
        for (int k = 0; k < 4; k++) {
            char path[16];
            snprintf(path, sizeof path, "ijhw/%d", k);
            assert_int_equal(got[k], vectors_integer(one, path));
        }
    }
    assert_true(json_array_size(sides) >= 15 && json_array_size(fallback) >= 6);
    vectors_close(&recorded);
}

/* ---- mixing ---- */

/* Mean and variance of Beta(a, a) folded to at least one half, by the unfolded's: E|2x-1|^2 = 1 / (2a + 1). */
static void test_shares(void **state)
{
    (void)state;
    static const float alphas[] = {0.01f, 0.2f, 1.0f, 2.0f};
    enum { COUNT = 20000 };
    for (int a = 0; a < COUNT_OF(alphas); a++) {
        struct augment augment = {.random = true, .out_h = 32, .out_w = 32, .mixup = alphas[a]};
        double squares = 0;
        int odd = 0;
        for (uint64_t i = 0; i < COUNT; i++) {
            struct augment_blend blend = augment_blend(&augment, 3, 1, i);
            assert_true(blend.share >= 0.5f && blend.share <= 1.0f && blend.box.h == 0);
            squares += pow(2.0 * (double)blend.share - 1.0, 2) / COUNT;
            odd += augment_blend(&augment, 3, 2, i).share != blend.share;
        }
        assert_true(fabs(squares - 1.0 / (2.0 * (double)alphas[a] + 1.0)) < 0.015);
        assert_true(a == 0 || odd > COUNT / 2);
    }
    struct augment none = {.out_h = 32, .out_w = 32, .mixup = 1.0f};
    assert_true(augment_blend(&none, 3, 1, 5).share == 1.0f);
    assert_true(augment_partner(0) == 1 && augment_partner(1) == 0 && augment_partner(77) == 76);
}

static void test_kinds_of_mix(void **state)
{
    (void)state;
    /* Both: each about half of the time; the share is what is left of the picture. */
    struct augment augment = {.random = true, .out_h = 16, .out_w = 20, .mixup = 1.0f, .cutmix = 1.0f};
    int cut = 0;
    for (uint64_t i = 0; i < 4000; i++) {
        struct augment_blend blend = augment_blend(&augment, 9, 1, i);
        cut += blend.box.h > 0;
        assert_true(blend.box.h == 0 || blend.share == 1.0f - (float)(blend.box.h * blend.box.w) / 320.0f);
        assert_true(blend.share >= 0.5f);
    }
    assert_true(cut > 1700 && cut < 2100); /* boxes without area are neither */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_affine), cmocka_unit_test(test_resized_crop), cmocka_unit_test(test_padding),
        cmocka_unit_test(test_colour), cmocka_unit_test(test_drawn_boxes),  cmocka_unit_test(test_recorded_boxes),
        cmocka_unit_test(test_shares), cmocka_unit_test(test_kinds_of_mix),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
