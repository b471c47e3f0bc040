/* test_half: images of which one half is noise, and what only looks like it. */
#include "drawn_images.h"
#include "text.h"

#include <math.h>

/* One half of it; across: left or right, else upper or lower. */
static void spoil_half(int image, bool second, bool across)
{
    for (int k = 0; k < BYTES; k++) {
        const int x = k / 3 % SIDE, y = k / 3 / SIDE;
        if (((across ? x : y) >= SIDE / 2) == second)
            world.pixels[image][k] =
                (uint8_t)(random_words(7, RANDOM_TILE, 0, (uint64_t)(image * BYTES + k), 0).word[0]);
    }
}

/* Slopes, brighter to the right by so many levels. */
static void draw_slopes(void)
{
    draw_waves();
    for (int i = 0; i < COUNT; i++)
        for (int k = 0; k < BYTES; k++)
            world.pixels[i][k] = (uint8_t)(40 + 9 * (k / 3 % SIDE) + world.pixels[i][k] / 8 + i % 8);
}

static void test_half_noise(void **state)
{
    (void)state;
    for (int across = 0; across < 2; across++) {
        draw_slopes();
        for (int i = 0; i < TRAIN; i += 3)
            spoil_half(i, i % 2, across);
        world_check();
        assert_int_equal(get("torn")->file_total, 134);
        assert_non_null(strstr(get("torn")->text, "134 of 400 training images (33.5 %) and 0 of 100 validation images "
                                                  "(0 %) are noise in one half, where neighbouring pixels do not"));
        assert_true(world.findings.light[3].torn && !world.findings.light[4].torn);
        findings_free(&world.findings);
    }
    draw_slopes(); /* all of it: an odd one, and not half */
    for (int i = 0; i < TRAIN; i += 9) {
        spoil_half(i, false, true);
        spoil_half(i, true, true);
    }
    world_check();
    assert_false(has("torn"));
    findings_free(&world.findings);
    draw_slopes(); /* faint: a background with nothing before it */
    for (int i = 0; i < TRAIN; i += 3)
        for (int k = 0; k < BYTES / 2; k++)
            world.pixels[i][k] = (uint8_t)(100 + random_words(7, RANDOM_TILE, 0, (uint64_t)k, 0).word[0] % 8);
    world_check();
    assert_false(has("torn"));
    findings_free(&world.findings);
    draw_slopes(); /* some of which is not as faint */
    for (int i = 0; i < TRAIN; i += 3)
        for (int k = 0; k < BYTES / 2; k++)
            world.pixels[i][k] =
                (uint8_t)(20 + random_words(7, RANDOM_TILE, 0, (uint64_t)k, 0).word[0] % (i % 9 ? 8 : 200));
    world_check();
    assert_false(has("torn"));
    findings_free(&world.findings);
    draw_slopes(); /* what one class of four is like, for the greater part or some of it */
    for (int share = 1; share < 4; share += 2) {
        for (int i = 0; i < COUNT; i += CLASSES * share)
            spoil_half(i, true, false);
        world_check();
        assert_false(has("torn"));
        findings_free(&world.findings);
        draw_slopes();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_half_noise)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
