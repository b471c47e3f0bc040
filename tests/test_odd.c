/* test_odd: single images that stand out from their class. */
#include "drawn_images.h"
#include "text.h"

#include <cmocka.h>

/* Orchards of 16 pixels a side are rough pictures, and the roughest of them no noise: what is planted is listed, and
 * nothing else. */
static void test_rough_pictures_are_no_noise(void **state)
{
    enum { EACH = 60, SIZE = 16 };
    assert_int_equal(fixture_begin(state), 0);
    for (int planted = 0; planted < 2; planted++) {
        const struct tiles_options options = {.per_class = EACH, .size = SIZE, .outliers = 0.05 * planted, .seed = 1};
        const struct dataset_options opening = {.threads = 1};
        struct dataset data;
        struct subset all;
        struct odd_images odd;
        char path[PATH_BYTES];
        assert_true(text_copy(path, sizeof path, fixture_path(planted ? "planted" : "clean")));
        assert_int_equal(tiles_write(path, &options), OK);
        assert_int_equal(dataset_open(&data, path, &opening), OK);
        assert_int_equal(subset_all(&all, &data), OK);
        const struct check_input input = {.train = &all,
                                          .mean = {0.4, 0.43, 0.32},
                                          .std = {0.15, 0.12, 0.11},
                                          .shuffle = true,
                                          .seed = 3,
                                          .batch = 16};
        assert_int_equal(check_odd_images(&odd, &input), OK);
        int noise = 0;
        for (int64_t i = 0; i < odd.count; i++)
            noise += odd.list[i].noise;
        assert_true(planted ? noise >= 9 : odd.count == 0);
        odd_images_free(&odd);
        subset_free(&all);
        dataset_close(&data);
    }
    fixture_end(state);
}

/* The drawn noise with so many hundredths of a slope's weight: 100 is a slope alone. */
static void smooth(int image, int hundredths)
{
    for (int k = 0; k < BYTES; k++) {
        const int slope = 64 + k / 3 % SIDE * 128 / SIDE;
        world.pixels[image][k] = (uint8_t)((world.pixels[image][k] * (100 - hundredths) + slope * hundredths) / 100);
    }
}

/* Classes of pictures, the first of which reaches from slopes to what nobody tells from noise. Of the others' one
 * training image in three is noise, or of all. */
static void draw_pictures(bool in_val)
{
    world_make();
    for (int i = 0; i < COUNT; i++)
        if (i % CLASSES == 0)
            smooth(i, i / CLASSES * 13 % 100);
        else if (i / CLASSES % 3 != 0 || (i >= TRAIN && !in_val))
            smooth(i, 80);
}

static void test_noise_that_validation_lacks(void **state)
{
    (void)state;
    struct odd_images odd;
    draw_pictures(false);
    assert_int_equal(check_odd_images(&odd, &world.input), OK);
    int strangers = 0;
    for (int64_t i = 0; i < odd.count; i++) {
        if (odd.list[i].what != ODD_TEXTURE)
            continue;
        assert_true(odd.list[i].noise && odd.list[i].sample / CLASSES % 3 == 0);
        assert_int_not_equal(odd.list[i].sample % CLASSES, 0);
        strangers++;
    }
    assert_int_equal(strangers, 3 * 34);
    odd_images_free(&odd);
    /* Where validation has as many they may be of the first class, under a wrong label. */
    draw_pictures(true);
    assert_int_equal(check_odd_images(&odd, &world.input), OK);
    for (int64_t i = 0; i < odd.count; i++)
        assert_int_not_equal(odd.list[i].what, ODD_TEXTURE);
    odd_images_free(&odd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rough_pictures_are_no_noise),
        cmocka_unit_test(test_noise_that_validation_lacks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
