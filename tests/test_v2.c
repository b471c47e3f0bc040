/* test_v2: what classes of torchvision's v2 transforms drew and made of pictures, given the numbers that we draw:
 * RandomResizedCrop, RandomErasing, MixUp, CutMix (tests/vectors/make_v2_vectors.py). Tolerances are in units of the
 * value range 0..1. */
#include "kernels/common/loss.h"
#include "render.h"
#include "vectors.h"

#include <setjmp.h>
/* cmocka wants the standard headers first */
#include <cmocka.h>

enum { H = 9, W = 11, C = 3, PICTURES = 4, CLASSES = 5, VALUES = H * W * C };

/* One multiplication and one addition, each rounded. */
#define ROUNDING 1.2e-7
/* torchvision computes places in float32: a few units in the last place, times the steepest edge. */
#define PLACES 2e-5

static struct vectors vectors;
static const struct shape picture = {1, H, W, C};

static int setup(void **state)
{
    (void)state;
    vectors_open(&vectors, "mix");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    vectors_close(&vectors);
    return 0;
}

static void box_check(const json_t *one, const struct augment_box *box)
{
    const int got[4] = {box->top, box->left, box->h, box->w};
    for (int k = 0; k < 4; k++) {
        char path[16];
        snprintf(path, sizeof path, "ijhw/%d", k);
        if (got[k] != vectors_integer(one, path))
            fail_msg("%s of sample %d: number %d of the box is %d, expected %d", vectors_text(one, "op"),
                     (int)vectors_integer(one, "sample"), k, got[k], (int)vectors_integer(one, path));
    }
}

static uint64_t seed(void)
{
    return (uint64_t)vectors_integer(vectors.json, "seed");
}

static uint32_t epoch(void)
{
    return (uint32_t)vectors_integer(vectors.json, "epoch");
}

/* The first picture with what was drawn, against the recorded one. */
static void picture_check(const json_t *one, const struct augment *augment, const struct augment_draw *draw,
                          double tolerance)
{
    float got[VALUES], want[VALUES];
    const char *key = vectors_text(one, "key");
    render_sample(got, vectors_tensor_bytes(&vectors, "pictures"), picture, augment, draw);
    nhwc_from_nchw(want, vectors_tensor_floats(&vectors, key), 1, C, augment->out_h, augment->out_w);
    vectors_check(key, got, want, (int64_t)augment->out_h * augment->out_w * C, tolerance, 0);
}

/* ---- boxes ---- */

static void crop_check(const json_t *one)
{
    const struct augment augment = {
        .random = true,
        .out_h = 6,
        .out_w = 7,
        .crop_area = {0.08f, 1.0f},
        .crop_ratio = {(float)vectors_number(one, "ratio/0"), (float)vectors_number(one, "ratio/1")},
        .interpolation = INTERPOLATE_BILINEAR,
        .std = {1, 1, 1}};
    const struct augment_draw draw =
        augment_draw(&augment, (int)vectors_integer(one, "H"), (int)vectors_integer(one, "W"), seed(), epoch(),
                     (uint64_t)vectors_integer(one, "sample"));
    box_check(one, &draw.crop);
    if (vectors_has(one, "key"))
        picture_check(one, &augment, &draw, PLACES);
}

/* All tries, the one that fits, and the middle where none does. */
static void test_resized_crop(void **state)
{
    (void)state;
    assert_int_equal(vectors_each_case(&vectors, "crop", crop_check), 80);
}

static void erase_check(const json_t *one)
{
    const struct augment augment = {.random = true,
                                    .out_h = H,
                                    .out_w = W,
                                    .erase_share = 1.0f,
                                    .erase_area = {0.05f, 0.9f},
                                    .erase_ratio = {0.3f, 3.3f},
                                    .mean = {0.5f, 0.25f, 0.75f},
                                    .std = {0.25f, 0.5f, 2.0f}};
    const struct augment_draw draw =
        augment_draw(&augment, H, W, seed(), epoch(), (uint64_t)vectors_integer(one, "sample"));
    box_check(one, &draw.erase);
    if (vectors_has(one, "key"))
        picture_check(one, &augment, &draw, 0);
}

static void test_erasing(void **state)
{
    (void)state;
    assert_int_equal(vectors_each_case(&vectors, "erase", erase_check), 24);
}

/* ---- mixing ---- */

/* Every picture of the batch with the one before it, and the targets of both labels. */
static void blend_check(const json_t *one, const struct augment_blend *blend)
{
    const struct augment augment = {.out_h = H, .out_w = W, .std = {1, 1, 1}};
    const struct augment_draw draw = augment_draw_none(&augment, H, W);
    const uint8_t *pixels = vectors_tensor_bytes(&vectors, "pictures");
    const float *recorded = vectors_tensor_floats(&vectors, vectors_text(one, "key"));
    const float *targets = vectors_floats(&vectors, one, "targets", NULL);
    const double *labels = vectors_doubles(&vectors, one, "labels", NULL);
    for (int row = 0; row < PICTURES; row++) {
        const int before = (row + PICTURES - 1) % PICTURES;
        float got[VALUES], partner[VALUES], want[VALUES];
        render_sample(got, pixels + (size_t)row * VALUES, picture, &augment, &draw);
        render_sample(partner, pixels + (size_t)before * VALUES, picture, &augment, &draw);
        render_blend(got, partner, C, &augment, blend);
        nhwc_from_nchw(want, recorded + (size_t)row * VALUES, 1, C, H, W);
        vectors_check(vectors_text(one, "key"), got, want, VALUES, blend->box.h ? 0 : ROUNDING, 0);
        const struct loss_target target = {NULL, (int)labels[row], (int)labels[before], blend->share, 0.0f, CLASSES};
        float shares[CLASSES];
        for (int class = 0; class < CLASSES; class ++)
            shares[class] = loss_target_at(&target, class);
        vectors_check("targets", shares, targets + (size_t)row * CLASSES, CLASSES, ROUNDING, 0);
    }
}

static void mixup_check(const json_t *one)
{
    const struct augment_blend blend = {.share = (float)vectors_number(one, "share")};
    blend_check(one, &blend);
}

static void cutmix_check(const json_t *one)
{
    struct augment_blend blend = {.box = augment_cut(vectors_number(one, "share"), (int)vectors_integer(one, "x"),
                                                     (int)vectors_integer(one, "y"), H, W)};
    blend.share = augment_cut_share(&blend.box, H, W);
    blend_check(one, &blend);
}

static void test_mixup(void **state)
{
    (void)state;
    assert_int_equal(vectors_each_case(&vectors, "mixup", mixup_check), 4);
}

static void test_cutmix(void **state)
{
    (void)state;
    assert_int_equal(vectors_each_case(&vectors, "cutmix", cutmix_check), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resized_crop),
        cmocka_unit_test(test_erasing),
        cmocka_unit_test(test_mixup),
        cmocka_unit_test(test_cutmix),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
