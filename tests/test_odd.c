/* test_odd: single images that stand out from their class, of drawn tiles. */
#include "check.h"
#include "fixtures.h"
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rough_pictures_are_no_noise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
