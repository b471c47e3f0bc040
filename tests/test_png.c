/* PNG: every kind of picture decodes to what PIL's convert("RGB") gives, and no bytes can do harm. */
#include "fixtures.h"
#include "random.h"

#include <png.h>
#include <stdio.h>
#include <zlib.h>

enum { SIDE = 5 };

/* One kind of PNG and what its picture must decode to. */
struct kind {
    const char *name;
    int color, depth;
    bool interlaced, transparent, gamma;
};

static const struct kind kinds[] = {
    {"grey 1", PNG_COLOR_TYPE_GRAY, 1, false, false, false},
    {"grey 2", PNG_COLOR_TYPE_GRAY, 2, false, false, false},
    {"grey 4", PNG_COLOR_TYPE_GRAY, 4, true, false, false},
    {"grey 8", PNG_COLOR_TYPE_GRAY, 8, false, true, false},
    {"grey 16", PNG_COLOR_TYPE_GRAY, 16, false, false, false},
    {"grey alpha 8", PNG_COLOR_TYPE_GRAY_ALPHA, 8, true, false, false},
    {"grey alpha 16", PNG_COLOR_TYPE_GRAY_ALPHA, 16, false, false, false},
    {"palette 1", PNG_COLOR_TYPE_PALETTE, 1, false, false, false},
    {"palette 2", PNG_COLOR_TYPE_PALETTE, 2, true, false, false},
    {"palette 4", PNG_COLOR_TYPE_PALETTE, 4, false, true, false},
    {"palette 8", PNG_COLOR_TYPE_PALETTE, 8, false, true, true},
    {"rgb 8", PNG_COLOR_TYPE_RGB, 8, false, false, false},
    {"rgb 8 interlaced, gamma", PNG_COLOR_TYPE_RGB, 8, true, false, true},
    {"rgb 8 with a colour called transparent", PNG_COLOR_TYPE_RGB, 8, false, true, false},
    {"rgb 16", PNG_COLOR_TYPE_RGB, 16, false, false, true},
    {"rgba 8", PNG_COLOR_TYPE_RGB_ALPHA, 8, true, false, false},
    {"rgba 16", PNG_COLOR_TYPE_RGB_ALPHA, 16, false, false, false},
};

/* Sample c of pixel (y, x): alpha samples are small, so that blending would show. */
static int sample(const struct kind *kind, int y, int x, int c, int channels)
{
    bool alpha = (kind->color & PNG_COLOR_MASK_ALPHA) && c == channels - 1;
    int most = (1 << kind->depth) - 1;
    return alpha ? (x + y) & most : (y * 7919 + x * 104729 + c * 50021 + 11) & most;
}

static png_color palette_color(int index)
{
    return (png_color){(png_byte)(index * 53 + 7), (png_byte)(index * 31 + 90), (png_byte)(255 - index)};
}

static void add_chunks(png_structp png, png_infop info, const struct kind *kind)
{
    png_set_IHDR(png, info, SIDE, SIDE, kind->depth, kind->color,
                 kind->interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    if (kind->color == PNG_COLOR_TYPE_PALETTE) {
        png_color palette[256];
        for (int i = 0; i < 1 << kind->depth; i++)
            palette[i] = palette_color(i);
        png_set_PLTE(png, info, palette, 1 << kind->depth);
    }
    if (kind->gamma)
        png_set_gAMA(png, info, 1.0);
    if (kind->transparent) {
        const png_byte alphas[] = {0, 128, 255};
        const png_color_16 one = {0, (png_uint_16)sample(kind, 0, 0, 0, 3), (png_uint_16)sample(kind, 0, 0, 1, 3),
                                  (png_uint_16)sample(kind, 0, 0, 2, 3), (png_uint_16)sample(kind, 0, 0, 0, 1)};
        png_set_tRNS(png, info, alphas, 3, &one);
    }
}

static int channels_of(const struct kind *kind)
{
    int color = kind->color == PNG_COLOR_TYPE_RGB || kind->color == PNG_COLOR_TYPE_RGB_ALPHA ? 3 : 1;
    return color + (kind->color & PNG_COLOR_MASK_ALPHA ? 1 : 0);
}

static void pack_row(uint8_t *row, const struct kind *kind, int y)
{
    int channels = channels_of(kind);
    memset(row, 0, SIDE * 8);
    for (int x = 0; x < SIDE; x++)
        for (int c = 0; c < channels; c++) {
            int value = sample(kind, y, x, c, channels), at = x * channels + c;
            if (kind->depth == 16) {
                row[2 * at] = (uint8_t)(value >> 8);
                row[2 * at + 1] = (uint8_t)value;
            } else {
                int bit = at * kind->depth;
                row[bit / 8] = (uint8_t)(row[bit / 8] | value << (8 - kind->depth - bit % 8));
            }
        }
}

static void write_kind(const char *path, const struct kind *kind)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    uint8_t pixels[SIDE][SIDE * 8];
    png_bytep rows[SIDE];
    png_init_io(png, file);
    add_chunks(png, info, kind);
    for (int y = 0; y < SIDE; y++) {
        pack_row(pixels[y], kind, y);
        rows[y] = pixels[y];
    }
    png_write_info(png, info);
    png_write_image(png, rows);
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    fclose(file);
}

/* By PIL's rules, written out a second time: no blending, no gamma, high bytes. */
static int wanted(const struct kind *kind, int y, int x, int c)
{
    int channels = channels_of(kind), value = sample(kind, y, x, channels >= 3 ? c : 0, channels);
    if (kind->color == PNG_COLOR_TYPE_PALETTE) {
        png_color color = palette_color(value);
        return c == 0 ? color.red : c == 1 ? color.green : color.blue;
    }
    if (kind->depth == 16)
        return value >> 8;
    return value * 255 / ((1 << kind->depth) - 1);
}

static void test_kinds(void **state)
{
    (void)state;
    for (int k = 0; k < COUNT_OF(kinds); k++) {
        uint8_t *pixels;
        int height, width;
        write_kind(fixture_path("kind.png"), &kinds[k]);
        if (image_read(fixture_path("kind.png"), &pixels, &height, &width) != OK)
            fail_msg("%s: %s", kinds[k].name, fail_text());
        assert_int_equal(height, SIDE);
        assert_int_equal(width, SIDE);
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++)
                for (int c = 0; c < 3; c++)
                    if (pixels[(y * SIDE + x) * 3 + c] != wanted(&kinds[k], y, x, c))
                        fail_msg("%s: y %d x %d channel %d is %d, wanted %d", kinds[k].name, y, x, c,
                                 pixels[(y * SIDE + x) * 3 + c], wanted(&kinds[k], y, x, c));
        memory_give(pixels);
    }
}

static void test_written_and_read(void **state)
{
    (void)state;
    uint8_t rgb[7 * 3 * 3], grey[7 * 3], *got;
    int height, width;
    fixture_picture(rgb, 7, 3, 5);
    assert_int_equal(png_write(fixture_path("a.png"), rgb, 7, 3, 3), OK);
    assert_int_equal(image_read(fixture_path("a.png"), &got, &height, &width), OK);
    assert_int_equal(height, 7);
    assert_int_equal(width, 3);
    assert_memory_equal(got, rgb, sizeof rgb);
    memory_give(got);
    for (int i = 0; i < 7 * 3; i++)
        grey[i] = (uint8_t)(i * 12);
    assert_int_equal(png_write(fixture_path("a.png"), grey, 7, 3, 1), OK);
    assert_int_equal(image_read(fixture_path("a.png"), &got, &height, &width), OK);
    for (int i = 0; i < 7 * 3 * 3; i++)
        assert_int_equal(got[i], grey[i / 3]);
    memory_give(got);
    CHECK_FAILS(png_write(fixture_path("absent/a.png"), rgb, 7, 3, 3), ERR_CREATE, "absent/a.png");
}

/* A header that promises a picture of 60000x60000 is refused before memory is taken for it. */
static void test_bomb(void **state)
{
    (void)state;
    uint8_t rgb[12] = {0}, *bytes, *pixels;
    size_t count;
    int height, width;
    assert_int_equal(png_encode(rgb, 2, 2, 3, &bytes, &count), OK);
    static const uint8_t huge[] = {0, 0, 0xEA, 0x60, 0, 0, 0xEA, 0x60};
    memcpy(bytes + 16, huge, sizeof huge);
    uint32_t sum = (uint32_t)crc32_z(0, bytes + 12, 17);
    for (int i = 0; i < 4; i++)
        bytes[29 + i] = (uint8_t)(sum >> (24 - 8 * i));
    CHECK_FAILS(png_decode("bomb.png", bytes, count, &pixels, &height, &width), ERR_DATA, "bomb.png",
                "179 million pixels");
    assert_null(pixels);
    memory_give(bytes);
}

static void test_random_damage(void **state)
{
    (void)state;
    int refused = 0;
    for (int k = 0; k < COUNT_OF(kinds); k++) {
        size_t count;
        write_kind(fixture_path("kind.png"), &kinds[k]);
        uint8_t *good = fixture_read(fixture_path("kind.png"), &count), *bytes = malloc(count);
        for (uint32_t round = 0; round < 300; round++) {
            uint8_t *pixels;
            int height, width;
            memcpy(bytes, good, count);
            struct random_block draw = random_words(1, 1, (uint32_t)k, round, 0);
            for (uint32_t hit = 0; hit <= draw.word[0] % 3; hit++)
                bytes[8 + random_below(draw.word[1 + hit], (uint32_t)count - 8)] ^= (uint8_t)(1 << round % 8);
            if (png_decode("damaged.png", bytes, count, &pixels, &height, &width) == OK)
                memory_give(pixels);
            else
                refused++;
        }
        free(bytes);
        memory_give(good);
    }
    assert_true(refused > 3000);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, fixture_begin, fixture_end)
int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_kinds),
        CASE(test_written_and_read),
        CASE(test_bomb),
        CASE(test_random_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
