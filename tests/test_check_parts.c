/* test_check_parts: images that are no pictures or parts of some, and what of image quality sets training apart from
 * validation. */
#include "drawn_images.h"
#include "text.h"

#include <math.h>

static double number(const char *rule, const char *name)
{
    const struct finding *finding = get(rule);
    for (int i = 0; i < finding->evidence_count; i++)
        if (strcmp(finding->evidence[i].name, name) == 0)
            return finding->evidence[i].value;
    fail_msg("%s: no %s", rule, name);
    return NAN;
}

/* From a line on, of which a part is there, all is grey. */
static void tear(int image, int line)
{
    const int from = line * SIDE * 3 + SIDE / 2 * 3;
    memset(world.pixels[image] + from, 128, (size_t)(BYTES - from));
}

/* Of so many looked at each part is counted by itself, however many there are in all. */
static void test_constant_by_part(void **state)
{
    (void)state;
    draw_waves();
    for (int i = 0; i < TRAIN; i += 9)
        memset(world.pixels[i], i % 2 ? 255 : 0, BYTES);
    world.input.limit = 100;
    world_check();
    assert_non_null(strstr(get("constant")->text,
                           "12 of 100 training images (12 %) and 0 of 100 validation images (0 %) are one colour all "
                           "over"));
    assert_null(strstr(get("constant")->text, "can be right"));
    assert_true(fabs(number("constant", "share") - 0.12) < 1e-12 && number("constant", "val") == 0.0);
    findings_free(&world.findings);
    world.input.limit = 0;
    world_check();
    assert_true(fabs(number("constant", "share") - 45.0 / TRAIN) < 1e-12);
    assert_int_equal(get("constant")->file_total, 45);
    findings_free(&world.findings);
    /* 8 of 100 in validation: three quarters of them are wrong by chance. */
    draw_waves();
    for (int i = TRAIN; i < TRAIN + 8; i++)
        memset(world.pixels[i], i, BYTES);
    world_check();
    assert_non_null(strstr(get("constant")->text, "no more than 94 % of validation can be right"));
    assert_true(number("constant", "apart") < 0.0);
    findings_free(&world.findings);
    /* A class of such images is what they are. */
    draw_waves();
    for (int i = 0; i < COUNT; i += CLASSES)
        memset(world.pixels[i], i / CLASSES, BYTES);
    world_check();
    assert_false(has("constant"));
    findings_free(&world.findings);
}

static void test_torn(void **state)
{
    (void)state;
    draw_waves();
    for (int i = 0; i < 4; i++)
        tear(40 * i, 3 + i);
    world_check();
    assert_false(has("torn")); /* four are no finding */
    findings_free(&world.findings);
    draw_waves();
    for (int i = 0; i < 130; i++)
        tear(3 * i, 1 + i % 8);
    world_check();
    assert_non_null(strstr(get("torn")->text,
                           "130 of 400 training images (32.5 %) and 0 of 100 validation images (0 %) were read"));
    assert_true(number("torn", "apart") > 1.0);
    assert_false(has("outliers") || has("illumination") || has("mismatch")); /* whatever else is odd of them */
    assert_non_null(world.findings.light);
    assert_true(world.findings.light[9].torn && !world.findings.light[9].odd && !world.findings.light[8].torn);
    findings_free(&world.findings);
    /* The last line over and over, as other decoders fill it up. */
    draw_waves();
    for (int i = 0; i < 48; i++)
        for (int line = 8; line < SIDE; line++)
            memcpy(world.pixels[8 * i] + line * SIDE * 3, world.pixels[8 * i] + 7 * SIDE * 3, SIDE * 3);
    world_check();
    assert_int_equal(get("torn")->file_total, 48);
    findings_free(&world.findings);
    /* The same of pictures before a background, and not of stripes from above to below. */
    for (int stripes = 0; stripes < 2; stripes++) {
        draw_waves();
        for (int i = 0; i < 48; i++)
            for (int k = 0; k < BYTES; k++) {
                const int x = k / 3 % SIDE, y = k / 3 / SIDE;
                uint8_t *at = &world.pixels[8 * i + i % 3][k];
                *at = x < 4 || x > 11 ? 9 : stripes ? (uint8_t)(40 + 9 * x + i) : y < 8 ? *at : at[-SIDE * 3];
            }
        world_check();
        assert_int_equal(has("torn"), !stripes);
        findings_free(&world.findings);
    }
    /* Pictures of a quarter of the size, enlarged: by interpolation, whose edges are repeated, and by larger pixels. */
    for (int larger = 0; larger < 2; larger++) {
        draw_waves();
        for (int i = 0; i < 100; i++) {
            uint8_t *at = world.pixels[3 * i];
            for (int y = 0; y < SIDE; y++)
                for (int x = 0; x < SIDE; x++)
                    for (int c = 0; c < 3; c++) {
                        const int down = larger ? y / 4 * 40 : y < 2 ? 10 : y >= SIDE - 2 ? 10 * (SIDE - 2) : 10 * y;
                        at[(y * SIDE + x) * 3 + c] = (uint8_t)(down + 5 * (x / (larger ? 4 : 1)) + c);
                    }
        }
        world_check();
        assert_false(has("torn"));
        findings_free(&world.findings);
    }
    /* A background of that colour is above as well; a caption that most images of their classes have is none. */
    draw_waves();
    for (int i = 0; i < 100; i++) {
        tear(3 * i, 8);
        memset(world.pixels[3 * i], 128, SIDE * 3);
    }
    world_check();
    assert_false(has("torn"));
    findings_free(&world.findings);
    draw_waves();
    for (int i = 0; i < COUNT; i++)
        tear(i, 12);
    world_check();
    assert_false(has("torn"));
    findings_free(&world.findings);
}

static void relight(int image, double gain, double offset)
{
    for (int k = 0; k < BYTES; k++)
        world.pixels[image][k] = (uint8_t)fmin(255.0, fmax(0.0, gain * world.pixels[image][k] + offset));
}

/* Even or odd in its class, whatever the class. */
static int turn(int image)
{
    return image / CLASSES % 2;
}

/* In training alone, in both parts, in validation alone: contrast, brightness, a slope. */
static void test_light_apart(void **state)
{
    (void)state;
    static const char *const rules[] = {"illumination", "brightness", "shading"};
    for (int rule = 0; rule < COUNT_OF(rules); rule++)
        for (int where = 0; where < 3; where++) {
            draw_waves();
            for (int i = where == 2 ? TRAIN : 0; i < (where == 0 ? TRAIN : COUNT); i++) {
                if (rule == 0)
                    relight(i, turn(i) ? 1.4 : 0.4, turn(i) ? -37.0 : 55.0);
                if (rule == 1)
                    relight(i, turn(i) ? 1.3 : 0.6, 0.0);
                for (int k = 0; rule == 2 && k < BYTES; k++)
                    world.pixels[i][k] = (uint8_t)(world.pixels[i][k] *
                                                   (1.0 - 0.06 * (turn(i) ? k / 3 % SIDE : SIDE - 1 - k / 3 % SIDE)));
            }
            world_check();
            if (where == 0)
                assert_true(number(rules[rule], "apart") > 1.0);
            else if (has(rules[rule]))
                assert_true(number(rules[rule], "apart") < 0.5);
            if (where == 2)
                assert_true(has("mismatch"));
            findings_free(&world.findings);
            world.input.by_image = world.input.relit = true;
            world_check();
            if (where == 2) /* what is evened out sets nothing apart; a slope is not */
                assert_int_equal(has("mismatch"), rule == 2);
            findings_free(&world.findings);
        }
}

/* One of 100 is enough by a hair; of 99 the standard error is 5.03 points at most, and at 80 % 4.0. */
static void test_few_to_measure_by(void **state)
{
    (void)state;
    draw_waves();
    world_check();
    assert_false(has("few-validation"));
    findings_free(&world.findings);
    world.subset[1].count = 99;
    world_check();
    assert_non_null(
        strstr(get("few-validation")->text, "validation has 99 images: an accuracy of 80 % is known to +- 4.0"));
    assert_int_equal(get("few-validation")->severity, SEVERITY_INFO);
    findings_free(&world.findings);
    world.input.val = NULL;
    world_check();
    assert_false(has("few-validation"));
    findings_free(&world.findings);
}

/* Both is asked: that it matters, and that it is beyond chance. */
static void test_sure_and_worth(void **state)
{
    (void)state;
    draw_waves(); /* a deviation of 0.08, of 0.17 that matter */
    for (int i = 0; i < TRAIN; i++)
        relight(i, turn(i) ? 1.08 : 0.92, 0.0);
    world_check();
    assert_false(has("illumination") || has("brightness") || has("shading"));
    findings_free(&world.findings);
    draw_waves(); /* 6 %, where a twentieth matters, beside 100 images that have none */
    for (int i = 0; i < 24; i++)
        memset(world.pixels[15 * i], 200, BYTES);
    world_check();
    assert_true(number("constant", "share") > 0.05 && number("constant", "apart") < 1.0);
    findings_free(&world.findings);
}

/* Neither wrong labels, which make a class's images more unlike each other, nor rare classes, which make all of them,
 * set the parts apart, though training's differ a little more in either way. */
static void test_what_sets_nothing_apart(void **state)
{
    (void)state;
    for (int which = 0; which < 3; which++) {
        draw_waves();
        for (int i = 0; i < COUNT; i++)
            relight(i, pow(1.8, world.labels[i] - 2) * (i >= TRAIN ? 1.0 : turn(i) ? 1.15 : 0.85), 0.0);
        for (int i = 0; i < TRAIN && which == 1; i += 2) /* half of the labels */
            world.labels[i] = (world.labels[i] + 1 + i / 8 % 3) % CLASSES;
        for (int i = 0; i < TRAIN && which == 2; i++) /* three in four of two classes are the darkest or brightest */
            if (i % CLASSES % 3 && i / CLASSES % 4) {
                const int other = i % CLASSES == 1 ? i - 1 : i + 1;
                world.labels[i] = other % CLASSES;
                memcpy(world.pixels[i], world.pixels[other], BYTES);
            }
        world_check();
        static const char *const rules[] = {"illumination", "brightness", "shading", "constant", "torn", "outliers"};
        for (int i = 0; i < COUNT_OF(rules); i++)
            if (has(rules[i]))
                assert_true(fabs(number(rules[i], "apart")) < 1.0);
        findings_free(&world.findings);
    }
}

/* Training's brightness varies, and validation's does not: but a fifth of its images are of one colour, and those that
 * are left say nothing of what they were. Or its classes have too few images to say what is usual. */
static void test_what_does_not_tell(void **state)
{
    (void)state;
    for (int few = 0; few < 2; few++) {
        draw_waves();
        for (int i = 0; i < TRAIN; i++)
            relight(i, turn(i) ? 1.3 : 0.6, 0.0);
        for (int i = TRAIN; i < COUNT && !few; i++)
            if (i / CLASSES % 5 == 0)
                memset(world.pixels[i], i % 256, BYTES);
        world.subset[1].count = few ? 19 * CLASSES : VAL;
        world_check();
        assert_int_equal(has("mismatch"), !few);
        assert_true(!has("brightness") || number("brightness", "apart") == 0.0);
        findings_free(&world.findings);
    }
}

/* All of training's images have a slope; one in ten of validation's is noise, which is less. */
static void test_the_strongest_speaks(void **state)
{
    (void)state;
    draw_waves();
    for (int i = 0; i < COUNT; i++)
        for (int k = 0; k < BYTES && (i < TRAIN || i % 10 == 0); k++) {
            const int x = turn(i) ? k / 3 % SIDE : SIDE - 1 - k / 3 % SIDE;
            const double noise = (uint8_t)random_words(3, RANDOM_TILE, 0, (uint64_t)(i * BYTES + k), 0).word[0];
            world.pixels[i][k] = (uint8_t)(i < TRAIN ? world.pixels[i][k] * 0.4 * exp(1.2 * x / (SIDE - 1)) : noise);
        }
    world_check();
    assert_true(number("shading", "apart") > 1.0);
    assert_true(!has("mismatch") || !strstr(get("mismatch")->text, "noise"));
    findings_free(&world.findings);
}

/* Validation is training's negative: what is measured against its brightness is less, and no light. */
static void test_prepared_otherwise(void **state)
{
    (void)state;
    draw_waves();
    for (int i = 0; i < COUNT; i++)
        for (int k = 0; k < BYTES; k++) {
            const double level = 0.4 * world.pixels[i][k] + 2.0 * (turn(i) ? k / 3 % SIDE : SIDE - 1 - k / 3 % SIDE);
            world.pixels[i][k] = (uint8_t)(i < TRAIN ? level : 255.0 - level);
        }
    world_check();
    static const char *const rules[] = {"illumination", "brightness", "shading", "outliers"};
    for (int i = 0; i < COUNT_OF(rules); i++)
        assert_true(!has(rules[i]) || number(rules[i], "apart") == 0.0);
    assert_true(number("mismatch", "val_mean") - number("mismatch", "train_mean") > number("mismatch", "train_std"));
    findings_free(&world.findings);
}

/* Of validation alone they are no matter of training. */
static void test_noise_in_validation(void **state)
{
    (void)state;
    draw_waves();
    for (int i = TRAIN; i < COUNT; i += 4 - i / 4 % 2)
        for (int k = 0; k < BYTES; k++)
            world.pixels[i][k] = (uint8_t)random_words(3, RANDOM_TILE, 0, (uint64_t)(i * BYTES + k), 0).word[0];
    world_check();
    assert_false(has("outliers"));
    assert_non_null(strstr(get("mismatch")->action, "validation"));
    assert_true(number("mismatch", "val_figure") > 0.25);
    findings_free(&world.findings);
}

/* Images of noise among those of training, and then among both parts'. */
static void test_odd_apart(void **state)
{
    (void)state;
    for (int both = 0; both < 2; both++) {
        draw_waves();
        for (int i = 0; i < (both ? COUNT : TRAIN); i += 4 - i / 4 % 2)
            for (int k = 0; k < BYTES; k++)
                world.pixels[i][k] = (uint8_t)random_words(3, RANDOM_TILE, 0, (uint64_t)(i * BYTES + k), 0).word[0];
        world_check();
        assert_true(number("outliers", "share") > 0.25);
        assert_int_equal(number("outliers", "apart") > 1.0, !both);
        assert_int_equal(number("outliers", "val") > 0.25, both);
        findings_free(&world.findings);
    }
}

/* From 0 to 1, the same for the colours of a pixel. */
static double grain(int image, int k)
{
    return random_words(5, RANDOM_TILE, 0, (uint64_t)(image * BYTES + k / 3), 0).word[0] / 4294967296.0;
}

/* A class of pictures with so much grain that its images are far from noise, and noise is not far from them: no image
 * of noise belongs to it. */
static void test_noise_beside_a_rough_class(void **state)
{
    (void)state;
    for (int noise = 0; noise < 2; noise++) {
        draw_waves();
        for (int i = 0; i < COUNT; i++) {
            const double much = 70.0 + 50.0 * grain(i, 0);
            for (int k = 0; k < BYTES; k++)
                if (noise && i % 40 == 0)
                    world.pixels[i][k] = (uint8_t)(255.0 * grain(i, k));
                else if (i % CLASSES == 3)
                    world.pixels[i][k] =
                        (uint8_t)fmin(255.0, fmax(0.0, world.pixels[i][k] + much * (grain(i, k) - 0.5)));
        }
        world_check();
        assert_int_equal(has("outliers"), noise);
        if (noise)
            assert_true(number("outliers", "share") > 0.015 && number("outliers", "share") < 0.0251);
        findings_free(&world.findings);
    }
}

/* Each row so many pixels further to the right than the one before, round the edge. */
static void slant(int image, int by)
{
    uint8_t row[SIDE * 3];
    for (int y = 0; y < SIDE; y++) {
        uint8_t *at = world.pixels[image] + y * SIDE * 3;
        memcpy(row, at, sizeof row);
        for (int x = 0; x < SIDE; x++)
            memcpy(at + (x + (by + SIDE) * y) % SIDE * 3, row + x * 3, 3);
    }
}

/* A wrong length of row, in both parts and all classes; not where one class of pictures is so, as of stripes. */
static void test_aslant(void **state)
{
    (void)state;
    struct odd_images odd;
    for (int by = -4; by <= 4; by += 8) {
        draw_waves();
        for (int i = 0; i < COUNT; i += 5)
            slant(i, by);
        world_check();
        assert_non_null(strstr(get("outliers")->text, "in 100 each row begins some pixels later"));
        assert_true(number("outliers", "share") == 0.2 && number("outliers", "val") == 0.2);
        assert_true(world.findings.light[5].odd && !world.findings.light[6].odd);
        findings_free(&world.findings);
        assert_int_equal(check_odd_images(&odd, &world.input), OK);
        int aslant = 0;
        for (int64_t i = 0; i < odd.count; i++) {
            if (odd.list[i].what == ODD_ASLANT)
                assert_true(odd.list[i].sample % 5 == 0 &&
                            fabs(odd.list[i].value - by) <= 1.0); /* the wave is aslant by itself */
            aslant += odd.list[i].what == ODD_ASLANT;
        }
        assert_int_equal(aslant, 80);
        odd_images_free(&odd);
    }
    draw_waves();
    for (int i = 0; i < COUNT; i += 2 * CLASSES)
        slant(i, 4);
    world_check();
    assert_false(has("outliers"));
    findings_free(&world.findings);
}

/* Stripes that run aslant through whole pictures of all classes, four pixels to the right with each row: as rows read
 * with a wrong length, but that they end at the edges. */
static void test_stripes_aslant_are_whole(void **state)
{
    (void)state;
    struct odd_images odd;
    draw_waves();
    for (int i = 0; i < COUNT; i += 5)
        for (int k = 0; k < BYTES; k++) {
            const int x = k / 3 % SIDE, y = k / 3 / SIDE;
            world.pixels[i][k] = (uint8_t)(80 + world.pixels[i][k] % 4 + 40.0 * sin(i + 0.2 * (x - 4 * y)));
        }
    assert_int_equal(check_odd_images(&odd, &world.input), OK);
    for (int64_t i = 0; i < odd.count; i++)
        assert_int_not_equal(odd.list[i].what, ODD_ASLANT);
    odd_images_free(&odd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_constant_by_part),
        cmocka_unit_test(test_torn),
        cmocka_unit_test(test_light_apart),
        cmocka_unit_test(test_what_sets_nothing_apart),
        cmocka_unit_test(test_odd_apart),
        cmocka_unit_test(test_sure_and_worth),
        cmocka_unit_test(test_prepared_otherwise),
        cmocka_unit_test(test_noise_in_validation),
        cmocka_unit_test(test_noise_beside_a_rough_class),
        cmocka_unit_test(test_few_to_measure_by),
        cmocka_unit_test(test_what_does_not_tell),
        cmocka_unit_test(test_aslant),
        cmocka_unit_test(test_stripes_aslant_are_whole),
        cmocka_unit_test(test_the_strongest_speaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
