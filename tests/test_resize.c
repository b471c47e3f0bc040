/* Resizing equals PIL's bit for bit, and torchvision's Resize(int) and CenterCrop in their rounding. */
#include "fixtures.h"
#include "vectors.h"

static struct vectors recorded;

static int open_recorded(void **state)
{
    vectors_open(&recorded, "geometry");
    return fixture_begin(state);
}

static int close_recorded(void **state)
{
    vectors_close(&recorded);
    return fixture_end(state);
}

/* Source picture "D" and its size. */
static uint8_t *source(int *height, int *width)
{
    const struct tensor *tensor = vectors_tensor(&recorded, "D");
    *height = (int)tensor->dims[0];
    *width = (int)tensor->dims[1];
    return vectors_tensor_bytes(&recorded, "D");
}

static void check_resize(const char *key, const uint8_t *from, int height, int width)
{
    const struct tensor *want = vectors_tensor(&recorded, key);
    int new_height = (int)want->dims[0], new_width = (int)want->dims[1];
    uint8_t *got;
    assert_int_equal(image_resize(from, height, width, 3, new_height, new_width, &got), OK);
    assert_memory_equal(got, vectors_tensor_bytes(&recorded, key), (size_t)(new_height * new_width) * 3);
    memory_give(got);
}

static void test_pil_bilinear(void **state)
{
    (void)state;
    int height, width, checked = 0;
    uint8_t *from = source(&height, &width);
    json_t *cases = vectors_member(recorded.json, "cases"), *one;
    size_t i;
    json_array_foreach(cases, i, one)
    {
        if (!vectors_is(one, "op", "resize") || !vectors_is(one, "backend", "pil") ||
            !vectors_is(one, "interp", "bilinear"))
            continue;
        check_resize(vectors_text(one, "key"), from, height, width);
        checked++;
    }
    assert_int_equal(checked, 5);
}

static void test_resized_crop(void **state)
{
    (void)state;
    enum { TOP = 2, LEFT = 1, HEIGHT = 9, WIDTH = 11 };
    int height, width;
    uint8_t *from = source(&height, &width), part[HEIGHT * WIDTH * 3];
    for (int y = 0; y < HEIGHT; y++)
        memcpy(part + (size_t)y * WIDTH * 3, from + (size_t)((TOP + y) * width + LEFT) * 3, (size_t)WIDTH * 3);
    check_resize("resized_crop", part, HEIGHT, WIDTH);
}

static void test_grey_is_one_of_three_channels(void **state)
{
    (void)state;
    int height, width;
    uint8_t *from = source(&height, &width), *colour, *grey, *plane = malloc((size_t)(height * width));
    for (int p = 0; p < height * width; p++)
        plane[p] = from[3 * p + 1];
    assert_int_equal(image_resize(from, height, width, 3, 7, 20, &colour), OK);
    assert_int_equal(image_resize(plane, height, width, 1, 7, 20, &grey), OK);
    for (int p = 0; p < 7 * 20; p++)
        assert_int_equal(grey[p], colour[3 * p + 1]);
    memory_give(colour);
    memory_give(grey);
    free(plane);
}

/* Short side to 10 makes 13x10 (the long side truncated); the crop starts at round(1.5) = 2. */
static void test_fit_is_resize_and_centre_crop(void **state)
{
    (void)state;
    int height, width;
    uint8_t *from = source(&height, &width), *got;
    const uint8_t *want = vectors_tensor_bytes(&recorded, "resize.pil.short10");
    assert_int_equal(png_write(fixture_path("d.png"), from, height, width, 3), OK);
    assert_int_equal(image_load(fixture_path("d.png"), (struct shape){1, 10, 10, 3}, 10, &got, NULL), OK);
    assert_memory_equal(got, want + 2 * 10 * 3, 10 * 10 * 3);
    memory_give(got);
}

/* Halves to even, as Python rounds. */
static void test_centre_rounding(void **state)
{
    (void)state;
    static const int starts[] = {0, 0, 1, 2, 2, 2, 3, 4};
    enum { SIDE = 8 };
    for (int more = 0; more < COUNT_OF(starts); more++)
        for (int tall = 0; tall < 2; tall++) {
            int height = tall ? SIDE + more : SIDE, width = tall ? SIDE : SIDE + more;
            uint8_t rgb[16 * 16 * 3], *got;
            fixture_picture(rgb, height, width, 3);
            assert_int_equal(png_write(fixture_path("c.png"), rgb, height, width, 3), OK);
            assert_int_equal(image_load(fixture_path("c.png"), (struct shape){1, SIDE, SIDE, 3}, SIDE, &got, NULL), OK);
            size_t start = (size_t)starts[more] * (size_t)(tall ? width : 1) * 3;
            assert_memory_equal(got, rgb + start, SIDE * 3);
            memory_give(got);
        }
}

static void test_image_load(void **state)
{
    (void)state;
    uint8_t rgb[6 * 9 * 3], *got;
    bool fitted = true;
    fixture_picture(rgb, 6, 9, 1);
    const char *path = fixture_path("x.png");
    assert_int_equal(png_write(path, rgb, 6, 9, 3), OK);
    /* The right size is left alone; one channel is PIL's convert("L"). */
    assert_int_equal(image_load(path, (struct shape){1, 6, 9, 3}, 0, &got, &fitted), OK);
    assert_false(fitted);
    assert_memory_equal(got, rgb, sizeof rgb);
    memory_give(got);
    assert_int_equal(image_load(path, (struct shape){1, 6, 9, 1}, 0, &got, NULL), OK);
    for (int p = 0; p < 6 * 9; p++)
        assert_int_equal(got[p], (rgb[3 * p] * 19595 + rgb[3 * p + 1] * 38470 + rgb[3 * p + 2] * 7471 + 32768) >> 16);
    memory_give(got);
    /* Shapes of other proportions are covered, not padded: the picture is bright everywhere. */
    memset(rgb, 200, sizeof rgb);
    assert_int_equal(png_write(path, rgb, 6, 9, 3), OK);
    static const struct shape shapes[] = {{1, 20, 20, 3}, {1, 28, 20, 3}, {1, 3, 17, 3}, {1, 1, 1, 3}, {1, 7, 9, 1}};
    for (int i = 0; i < COUNT_OF(shapes); i++) {
        assert_int_equal(image_load(path, shapes[i], 0, &got, &fitted), OK);
        assert_true(fitted);
        for (int64_t p = 0; p < shape_count(shapes[i]); p++)
            assert_int_equal(got[p], 200);
        memory_give(got);
    }
    CHECK_FAILS(image_load(fixture_path("absent.png"), shapes[0], 0, &got, NULL), ERR_NO_INPUT, "absent.png");
    assert_null(got);
}

static void test_long_thin_picture(void **state)
{
    (void)state;
    uint8_t *rgb = calloc(3, 60000), *got;
    assert_int_equal(png_write(fixture_path("thin.png"), rgb, 1, 60000, 3), OK);
    free(rgb);
    /* 13.4 million columns wide when resized: only the crop is computed. */
    assert_int_equal(image_load(fixture_path("thin.png"), (struct shape){1, 224, 224, 3}, 224, &got, NULL), OK);
    memory_give(got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pil_bilinear),
        cmocka_unit_test(test_resized_crop),
        cmocka_unit_test(test_grey_is_one_of_three_channels),
        cmocka_unit_test(test_fit_is_resize_and_centre_crop),
        cmocka_unit_test(test_centre_rounding),
        cmocka_unit_test(test_image_load),
        cmocka_unit_test(test_long_thin_picture),
    };
    return cmocka_run_group_tests(tests, open_recorded, close_recorded);
}
