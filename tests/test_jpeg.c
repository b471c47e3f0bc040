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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_pil),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
