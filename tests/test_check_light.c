/* test_check_light: images that are lit unlike each other, and what only looks like it. */
#include "drawn_images.h"

#include <math.h>

/* A black background, clipped where the image gets darker: every image by its own offset up to that many levels either
 * way. Natural images, which have no background of one level, are in other tests. */
static void set_against_black(int levels)
{
    world_make();
    for (int i = 0; i < COUNT; i++) {
        const int offset =
            levels
                ? (int)(random_words(1, RANDOM_SPOIL, 0, (uint64_t)i, 0).word[0] % (unsigned)(2 * levels + 1)) - levels
                : 0;
        for (int k = 0; k < BYTES; k++) {
            const int drawn = k / 3 % 3 ? 0 : world.pixels[i][k], lit = drawn + offset;
            world.pixels[i][k] = (uint8_t)(lit < 0 ? 0 : lit > 255 ? 255 : lit);
        }
    }
    for (int c = 0; c < 3; c++)
        world.input.mean[c] = 0.2, world.input.std[c] = 0.25;
}

static void test_background(void **state)
{
    (void)state;
    set_against_black(0);
    world_check();
    assert_int_equal(world.findings.count, 0);
    assert_null(world.findings.light);
    findings_free(&world.findings);
    set_against_black(16);
    world_check();
    assert_int_equal(world.findings.count, 0);
    findings_free(&world.findings);
    /* Contrast and texture change with it. */
    set_against_black(60);
    world_check();
    int at = 0;
    while (at < world.findings.count && strcmp(world.findings.list[at].name, "background") != 0)
        at++;
    assert_true(at < world.findings.count);
    /* (60 - 16) / 121 of them */
    const struct finding *finding = &world.findings.list[at];
    assert_true(finding->evidence[0].value > 0.28 && finding->evidence[0].value < 0.45);
    assert_true(finding->evidence[2].value == 1.0);
    /* How each image is lit is there to be looked at later: where no light was found, it is not. */
    assert_int_equal(world.findings.train_seen, TRAIN);
    for (int i = 0; i < TRAIN; i++) {
        const struct image_light *light = &world.findings.light[i];
        assert_int_equal(light->sample, world.samples[i]);
        double mean = 0.0, square = 0.0;
        for (int k = 0; k < BYTES; k++) {
            mean += world.pixels[i][k] / 255.0 / BYTES;
            square += world.pixels[i][k] / 255.0 * world.pixels[i][k] / 255.0 / BYTES;
        }
        assert_true(fabs((double)light->brightness - mean) < 1e-5);
        assert_true(fabs((double)light->contrast - 0.5 * log(square - mean * mean)) < 1e-4);
        assert_true(fabs((double)light->background - world.pixels[i][3] / 255.0) < 2.0 / 255.0);
        assert_true(light->slope > 0.0f && light->slope < 0.2f);
    }
    findings_free(&world.findings);
}

/* Drawings: a figure of a grey of its own on a background of its own, both drawn anew for each image. */
static void draw_figures(void)
{
    world_make();
    for (int i = 0; i < COUNT; i++) {
        const struct random_block grey = random_words(1, RANDOM_SPOIL, 1, (uint64_t)i, 0);
        for (int k = 0; k < BYTES; k++)
            world.pixels[i][k] =
                (uint8_t)(k / 3 % 3 ? grey.word[0] % 256 : grey.word[1] % 192 + world.pixels[i][k] / 4);
    }
    for (int c = 0; c < 3; c++)
        world.input.mean[c] = 0.5, world.input.std[c] = 0.25;
}

/* However much backgrounds differ, colours that were chosen are no light. */
static void test_drawings_are_not_lit(void **state)
{
    (void)state;
    draw_figures();
    world_check();
    for (int i = 0; i < world.findings.count; i++) {
        assert_string_not_equal(world.findings.list[i].name, "background");
    }
    findings_free(&world.findings);
}

/* Where training varies brightness and contrast already, uneven light is a note. */
static void test_light_is_answered(void **state)
{
    (void)state;
    for (int relit = 0; relit < 3; relit++) {
        set_against_black(60);
        world.input.relit = relit > 0;
        world.input.by_image = relit == 2;
        world_check();
        int light = 0;
        for (int i = 0; i < world.findings.count; i++) {
            const struct finding *finding = &world.findings.list[i];
            if (strcmp(finding->name, "background") != 0 && strcmp(finding->name, "illumination") != 0)
                continue;
            light++;
            assert_int_equal(finding->severity, relit ? SEVERITY_INFO : SEVERITY_WARN);
            assert_true((relit > 0) != (strstr(finding->action, RELIGHT_ACTION) != NULL));
            assert_true((relit == 1) ==
                        (strstr(finding->text, "augment.brightness and augment.contrast make") != NULL));
            assert_true((relit == 2) == (strstr(finding->text, "augment.normalize = image makes") != NULL));
        }
        assert_true(light > 0);
        findings_free(&world.findings);
    }
}

/* A class that is brighter than the others and frequent in training alone makes no other preparation of it. */
static void test_parts_are_compared_by_class(void **state)
{
    (void)state;
    for (int darker = 0; darker < 2; darker++) {
        world_make();
        for (int i = 0; i < COUNT; i++) {
            if (i < TRAIN && i % 20 >= CLASSES)
                world.labels[i] = 0;
            for (int k = 0; k < BYTES; k++)
                world.pixels[i][k] =
                    (uint8_t)(world.pixels[i][k] + (world.labels[i] == 0 ? 40 : 0) - (darker && i >= TRAIN ? 20 : 0));
        }
        world_check();
        bool found = false;
        for (int i = 0; i < world.findings.count; i++)
            found |= strcmp(world.findings.list[i].name, "mismatch") == 0;
        assert_int_equal(found, darker);
        findings_free(&world.findings);
    }
}

/* Brightness of each image times 1 + slope * (-1..1) to one side. */
static void slope(int image, double strength, bool downwards)
{
    for (int k = 0; k < BYTES; k++) {
        const int at = downwards ? k / 3 / SIDE : k / 3 % SIDE;
        world.pixels[image][k] =
            (uint8_t)(world.pixels[image][k] * (1.0 + strength * ((at + 0.5) * 2.0 / SIDE - 1.0)) * 0.7);
    }
}

/* Lighting that falls off differently in each image is found, whichever way; what all images of a class have in common,
 * as a sky above, is not lighting; nor is a slope too faint to matter; a few images say nothing. */
static void test_shading(void **state)
{
    (void)state;
    for (int downwards = 0; downwards < 2; downwards++) {
        world_make();
        for (int c = 0; c < 3; c++)
            world.input.mean[c] = 0.35, world.input.std[c] = 0.13;
        for (int i = 0; i < COUNT; i++)
            slope(i, 0.4 * (double)((i / CLASSES) % 5 - 2) / 2.0, downwards);
        const struct finding *finding = only("shading", SEVERITY_WARN);
        assert_true(finding->evidence[0].value > 0.45 && finding->evidence[0].value < 1.0);
        /* The median of 0.4, 0.2, 0, 0.2, 0.4 over the square root of 3; patches are of one or two pixels, and noisy.
         */
        assert_true(fabs(finding->evidence[2].value - 0.2 / sqrt(3.0)) < 0.02);
        findings_free(&world.findings);
    }
    world_make();
    for (int i = 0; i < COUNT; i++)
        slope(i, 0.2 * (world.labels[i] - 1.5), true);
    world_check();
    for (int i = 0; i < world.findings.count; i++)
        assert_string_not_equal(world.findings.list[i].name, "shading");
    findings_free(&world.findings);
    world_make();
    for (int i = 0; i < COUNT; i++) {
        for (int k = 0; k < BYTES; k++)
            world.pixels[i][k] = (uint8_t)(120 + world.pixels[i][k] / 64);
        slope(i, 0.07 * (double)((i / CLASSES) % 5 - 2) / 2.0, true);
    }
    world_check();
    for (int i = 0; i < world.findings.count; i++)
        assert_string_not_equal(world.findings.list[i].name, "shading");
    findings_free(&world.findings);
    world_make();
    for (int i = 0; i < COUNT; i++)
        slope(i, 0.4 * (double)((i / CLASSES) % 5 - 2) / 2.0, true);
    world.input.limit = 49;
    world_check();
    for (int i = 0; i < world.findings.count; i++)
        assert_string_not_equal(world.findings.list[i].name, "shading");
    findings_free(&world.findings);
}

/* Slopes are what the pictures of one class are of: with nine in ten of the set it still is one class of four. */
static void test_one_class_does_not_speak_for_all(void **state)
{
    (void)state;
    world_make();
    for (int i = 0; i < COUNT; i++) {
        if (i % 40 >= CLASSES)
            world.labels[i] = 0;
        if (world.labels[i] == 0)
            slope(i, 0.4 * (double)(i % 5 - 2) / 2.0, true);
    }
    world_check();
    for (int i = 0; i < world.findings.count; i++)
        assert_string_not_equal(world.findings.list[i].name, "shading");
    findings_free(&world.findings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_background),        cmocka_unit_test(test_drawings_are_not_lit),
        cmocka_unit_test(test_light_is_answered), cmocka_unit_test(test_parts_are_compared_by_class),
        cmocka_unit_test(test_shading),           cmocka_unit_test(test_one_class_does_not_speak_for_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
