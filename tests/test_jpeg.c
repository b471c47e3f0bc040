/* JPEG files: bit for bit what PIL makes of them, and every cut or damaged one refused. */
#include "fixtures.h"
#include "vectors.h"

static uint8_t *from_hex(const char *text, size_t *count)
{
    *count = strlen(text) / 2;
    uint8_t *bytes = malloc(*count);
    for (size_t i = 0; i < *count; i++) {
        unsigned value;
        assert_int_equal(sscanf(text + 2 * i, "%2x", &value), 1);
        bytes[i] = (uint8_t)value;
    }
    return bytes;
}

/* Whether this build reads JPEG at all. */
static bool reads_jpeg(void)
{
    uint8_t *pixels;
    int height, width;
    return image_decode("x", "\xff\xd8\xff", 3, &pixels, &height, &width) != ERR_UNSUPPORTED;
}

static void test_as_pil(void **state)
{
    (void)state;
    struct vectors recorded;
    if (!reads_jpeg())
        skip();
    vectors_open(&recorded, "jpeg");
    json_t *cases = vectors_member(recorded.json, "cases");
    assert_true(json_array_size(cases) >= 8);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        json_t *one = json_array_get(cases, i);
        size_t count, want_count;
        uint8_t *file = from_hex(vectors_text(one, "file"), &count),
                *want = from_hex(vectors_text(one, "rgb"), &want_count);
        uint8_t *pixels;
        int height, width;
        if (image_decode("a.jpg", file, count, &pixels, &height, &width) != OK)
            fail_msg("%s: %s", vectors_text(one, "name"), fail_text());
        assert_int_equal(height, vectors_integer(one, "height"));
        assert_int_equal(width, vectors_integer(one, "width"));
        assert_int_equal((size_t)height * (size_t)width * 3, want_count);
        for (size_t k = 0; k < want_count; k++)
            if (pixels[k] != want[k])
                fail_msg("%s: byte %zu is %d, PIL has %d", vectors_text(one, "name"), k, pixels[k], want[k]);
        memory_give(pixels);
        free(file);
        free(want);
    }
    vectors_close(&recorded);
}

/* Every file cut anywhere is refused, with a reason. */
static void test_cut(void **state)
{
    (void)state;
    struct vectors recorded;
    if (!reads_jpeg())
        skip();
    vectors_open(&recorded, "jpeg");
    json_t *cases = vectors_member(recorded.json, "cases");
    for (size_t i = 0; i < json_array_size(cases); i++) {
        size_t count;
        uint8_t *file = from_hex(vectors_text(json_array_get(cases, i), "file"), &count), *pixels;
        int height, width;
        /* Without its last two bytes, the end marker, the picture is still whole. */
        for (size_t kept = 0; kept + 2 < count; kept++) {
            uint8_t *exact = malloc(kept + 1); /* so that a sanitizer sees what is read beyond */
            memcpy(exact, file, kept);
            const int status = image_decode("cut.jpg", exact, kept, &pixels, &height, &width);
            if (status == OK)
                fail_msg("%zu bytes of %zu were taken for a whole picture", kept, count);
            CHECK_FAILS(status, ERR_DATA, "cut.jpg");
            free(exact);
        }
        free(file);
    }
    vectors_close(&recorded);
}

/* A header that says 65535x65535 is refused before memory is taken for it. */
static void test_too_large(void **state)
{
    (void)state;
    struct vectors recorded;
    if (!reads_jpeg())
        skip();
    vectors_open(&recorded, "jpeg");
    size_t count, at = 0;
    uint8_t *file = from_hex(vectors_text(recorded.json, "cases/0/file"), &count), *pixels;
    int height, width;
    while (!(file[at] == 0xff && file[at + 1] == 0xc0))
        at++;
    memset(file + at + 5, 0xff, 4);
    CHECK_FAILS(image_decode("bomb.jpg", file, count, &pixels, &height, &width), ERR_DATA, "bomb.jpg",
                "cannot be decoded");
    memset(file + at + 5, 0xef, 4);
    CHECK_FAILS(image_decode("bomb.jpg", file, count, &pixels, &height, &width), ERR_DATA, "million pixels");
    free(file);
    vectors_close(&recorded);
}

/* A JPEG file's first bytes with an orientation in them, in either order of bytes, behind another segment and another
 * entry of the directory. Returns how many. */
static size_t put_orientation(uint8_t *to, bool big_endian, int orientation)
{
    static const uint8_t before[] = {0xff, 0xd8, 0xff, 0xe0, 0, 4, 7, 7, 0xff, 0xe1, 0, 46, 'E', 'x', 'i', 'f', 0, 0},
                         little[] = {'I', 'I', 42,  0, 8, 0, 0,    0, 2, 0, 0x0f, 1, 2, 0, 1, 0,
                                     0,   0,   'x', 0, 0, 0, 0x12, 1, 3, 0, 1,    0, 0, 0, 0, 0},
                         big[] = {'M', 'M', 0,   42, 0, 0, 0, 8,    0, 2, 1, 0x0f, 0, 2, 0, 0,
                                  0,   1,   'x', 0,  0, 0, 1, 0x12, 0, 3, 0, 0,    0, 1, 0, 0};
    memset(to, 0, sizeof before + 38);
    memcpy(to, before, sizeof before);
    memcpy(to + sizeof before, big_endian ? big : little, sizeof little);
    to[sizeof before + (big_endian ? 31 : 30)] = (uint8_t)orientation;
    return sizeof before + 38;
}

static void test_orientation(void **state)
{
    (void)state;
    uint8_t head[64];
    for (int big_endian = 0; big_endian < 2; big_endian++) {
        for (int orientation = 0; orientation < 10; orientation++) {
            const size_t count = put_orientation(head, big_endian, orientation);
            assert_int_equal(jpeg_is_turned(head, count), orientation >= 2 && orientation <= 8);
        }
        const size_t count = put_orientation(head, big_endian, 6);
        for (size_t kept = 0; kept < count; kept++) {
            uint8_t *exact = malloc(kept + 1);
            memcpy(exact, head, kept);
            jpeg_is_turned(exact, kept);
            free(exact);
        }
        for (size_t i = 0; i < count; i++) { /* a byte that is wrong, as of an offset far behind the end */
            const uint8_t right = head[i];
            uint8_t *exact = malloc(count);
            head[i] = 0xff;
            memcpy(exact, head, count);
            jpeg_is_turned(exact, count);
            free(exact);
            head[i] = right;
        }
    }
    assert_false(jpeg_is_turned("\x89PNG\r\n\x1a\n", 8));
}

/* Read with the images, and kept beside those that are. */
static void test_turned_files(void **state)
{
    (void)state;
    struct vectors recorded;
    struct dataset dataset;
    const struct dataset_options options = {.resize = 8, .threads = 2, .skip = true};
    if (!reads_jpeg())
        skip();
    vectors_open(&recorded, "jpeg");
    size_t count;
    uint8_t *file = from_hex(vectors_text(recorded.json, "cases/0/file"), &count), *turned = malloc(count + 64);
    const size_t head = put_orientation(turned, true, 6);
    memcpy(turned + head, file + 2, count - 2);
    fixture_write(fixture_path("set/a/0.jpg"), "no picture", 10);
    fixture_write(fixture_path("set/a/1.jpg"), file, count);
    fixture_write(fixture_path("set/a/2.jpg"), turned, head + count - 2);
    assert_int_equal(dataset_open(&dataset, fixture_path("set"), &options), OK);
    assert_int_equal(dataset.count, 2);
    assert_true(!dataset.turned[0] && dataset.turned[1]);
    assert_memory_equal(dataset.pixels, dataset.pixels + 8 * 8 * 3, 8 * 8 * 3); /* it is not turned */
    dataset_close(&dataset);
    free(file);
    free(turned);
    vectors_close(&recorded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_pil),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_orientation),
        cmocka_unit_test_setup_teardown(test_turned_files, fixture_begin, fixture_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
