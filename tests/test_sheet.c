/* The contact sheet: its pictures are the network's input as a backend gathers it, its text is there, and what cannot
 * be drawn is said. */
#include "fixtures.h"
#include "kernels/common/augment_draw.h"
#include "sheet.h"

#include <sys/stat.h>

/* As host/check/easel.c lays out eight pictures of 28 x 28 pixels or less: enlarged, one row. */
enum { SIDE = 28, SCALE = 4, CELL = SIDE * SCALE, GAP = 10, HEADER = 30, COUNT = 8, LINES = 30 };

static struct dataset data;
static struct subset all;
static struct sheet_options options;

static int begin(void **state)
{
    if (fixture_begin(state) != 0)
        return -1;
    for (int i = 0; i < COUNT; i++)
        fixture_png(fixture_path("set/%s/%d.png", i % 2 ? "ant" : "bumble bee", i), SIDE, SIDE, i * 20);
    const struct dataset_options opening = {.threads = 1};
    assert_int_equal(dataset_open(&data, fixture_path("set"), &opening), OK);
    assert_int_equal(subset_all(&all, &data), OK);
    options = (struct sheet_options){.train = &all,
                                     .augment = {.random = true,
                                                 .out_h = SIDE,
                                                 .out_w = SIDE,
                                                 .mean = {0.4f, 0.5f, 0.3f},
                                                 .std = {0.2f, 0.3f, 0.1f}},
                                     .seed = 3,
                                     .shuffle = true,
                                     .batch = 16,
                                     .image = -1};
    return 0;
}

static int end(void **state)
{
    subset_free(&all);
    dataset_close(&data);
    return fixture_end(state);
}

/* The sheet as pixels; false: built without what draws it. */
static bool draw(uint8_t **rgb, int *height, int *width)
{
    const int status = sheet_write(fixture_path("sheet.png"), &options);
    if (status == ERR_UNSUPPORTED)
        return false;
    if (status != OK)
        fail_msg("%s", fail_text());
    assert_int_equal(image_read(fixture_path("sheet.png"), rgb, height, width), OK);
    return true;
}

static const uint8_t *at(const uint8_t *rgb, int width, int cell, int y, int x)
{
    return rgb + ((HEADER + y) * width + GAP + cell * (CELL + GAP) + x) * 3;
}

/* A picture on the sheet is an image of the set, mirrored or not. */
static void check_cell(const uint8_t *rgb, int width, int cell, const uint8_t *image, bool mirrored)
{
    for (int y = 0; y < CELL; y++)
        for (int x = 0; x < CELL; x++) {
            const int column = mirrored ? SIDE - 1 - x / SCALE : x / SCALE;
            if (memcmp(at(rgb, width, cell, y, x), image + (y / SCALE * SIDE + column) * 3, 3) != 0)
                fail_msg("picture %d is wrong at %d, %d", cell, x, y);
        }
}

static int dark_pixels(const uint8_t *rgb, int width, int cell, int from_y, int to_y)
{
    int count = 0;
    for (int y = from_y; y < to_y; y++)
        for (int x = 0; x < CELL; x++)
            count += at(rgb, width, cell, y, x)[0] < 128;
    return count;
}

/* The lines of the class. */
static bool same_caption(const uint8_t *rgb, int width, int a, int b)
{
    for (int y = CELL; y < CELL + 15; y++)
        if (memcmp(at(rgb, width, a, y, 0), at(rgb, width, b, y, 0), CELL * 3) != 0)
            return false;
    return true;
}

static void test_batch(void **state)
{
    (void)state;
    uint8_t *rgb;
    int height, width;
    int32_t order[COUNT];
    for (int turn = 0; turn < 3; turn++) {
        options.augment.flip_share = 0.5f * (float)turn;
        if (!draw(&rgb, &height, &width))
            return;
        assert_int_equal(width, COUNT * (CELL + GAP) + GAP);
        assert_int_equal(height, HEADER + CELL + LINES + 2 * GAP);
        subset_order(&all, 3, 1, true, order);
        for (int i = 0; i < COUNT; i++) {
            const bool mirrored = augment_draw(&options.augment, SIDE, SIDE, 3, 1, (uint64_t)order[i]).flip;
            assert_true(turn == 1 || mirrored == (turn == 2));
            check_cell(rgb, width, i, data.pixels + order[i] * SIDE * SIDE * 3, mirrored);
            /* Class and file; of the longer name there is more. */
            assert_true(dark_pixels(rgb, width, i, CELL, CELL + 15) > 30);
            assert_true(dark_pixels(rgb, width, i, CELL + 15, CELL + 30) > 10);
            assert_true(same_caption(rgb, width, 0, i) == (data.labels[order[0]] == data.labels[order[i]]));
        }
        memory_give(rgb);
    }
}

/* One image in eight epochs: flips are drawn anew in each, and the caption says what it is. */
static void test_one_image(void **state)
{
    (void)state;
    uint8_t *rgb;
    int height, width, flipped = 0;
    options.image = 5;
    options.augment.flip_share = 0.5f;
    if (!draw(&rgb, &height, &width))
        return;
    const uint8_t *image = data.pixels + 5 * SIDE * SIDE * 3;
    for (int i = 0; i < SHEET_EPOCHS; i++) {
        const bool mirrored = memcmp(at(rgb, width, i, 0, 0), image, 3) != 0;
        flipped += mirrored;
        check_cell(rgb, width, i, image, mirrored);
    }
    assert_true(flipped > 0 && flipped < SHEET_EPOCHS);
    memory_give(rgb);
    options.image = COUNT;
    CHECK_FAILS(sheet_write(fixture_path("sheet.png"), &options), ERR_USAGE, "no image 8", "0 to 7");
}

/* Mixed pictures are between the two; the same options give the same file. */
static void test_mixed(void **state)
{
    (void)state;
    uint8_t *rgb;
    int height, width;
    size_t bytes, again_bytes;
    int32_t order[COUNT];
    options.augment.mixup = 2.0f;
    if (!draw(&rgb, &height, &width))
        return;
    subset_order(&all, 3, 1, true, order);
    for (int i = 1; i < COUNT; i++) {
        const uint8_t *own = data.pixels + order[i] * SIDE * SIDE * 3,
                      *partner = data.pixels + order[i - 1] * SIDE * SIDE * 3;
        for (int k = 0; k < 3; k++) {
            const int low = own[k] < partner[k] ? own[k] : partner[k], high = own[k] + partner[k] - low;
            assert_in_range(at(rgb, width, i, 0, 0)[k], low > 0 ? low - 1 : 0, high + 1);
        }
    }
    memory_give(rgb);
    uint8_t *first = fixture_read(fixture_path("sheet.png"), &bytes);
    assert_int_equal(sheet_write(fixture_path("sheet.png"), &options), OK);
    uint8_t *again = fixture_read(fixture_path("sheet.png"), &again_bytes);
    assert_int_equal(bytes, again_bytes);
    assert_memory_equal(first, again, bytes);
    free(first);
    free(again);
}

/* Grey images come in three equal colours; samples without files have a number. */
static void test_grey(void **state)
{
    (void)state;
    enum { H = 20, W = 30, ENLARGED = 6 };
    uint8_t pixels[2 * H * W], *rgb;
    int32_t labels[2] = {0, 1}, samples[2] = {0, 1};
    const char *names[2] = {"0", "1"};
    int height, width;
    for (int i = 0; i < 2 * H * W; i++)
        pixels[i] = (uint8_t)(i * 7);
    struct dataset grey = {.source = "grey",
                           .image = {1, H, W, 1},
                           .count = 2,
                           .class_count = 2,
                           .class_names = names,
                           .pixels = pixels,
                           .labels = labels};
    struct subset both = {&grey, samples, 2};
    options.train = &both;
    options.shuffle = false;
    options.augment = (struct augment){.out_h = H, .out_w = W, .mean = {0.5f, 9.0f, 9.0f}, .std = {0.25f, 9.0f, 9.0f}};
    if (!draw(&rgb, &height, &width))
        return;
    for (int y = 0; y < H * ENLARGED; y++)
        for (int x = 0; x < W * ENLARGED; x++)
            for (int k = 0; k < 3; k++)
                assert_int_equal(rgb[((HEADER + y) * width + GAP + x) * 3 + k],
                                 pixels[y / ENLARGED * W + x / ENLARGED]);
    memory_give(rgb);
}

/* Names that are too long, or no text, are drawn all the same; large pictures are reduced; few fit in any layout. */
static void test_shapes(void **state)
{
    (void)state;
    uint8_t *rgb;
    int height, width;
    char long_name[700];
    for (size_t i = 0; i + 2 < sizeof long_name; i += 2)
        memcpy(long_name + i, "\xc3\xa4", 3); /* ä */
    const char *const odd[] = {long_name, "\xff\xfe", "", "名前"};
    for (int i = 0; i < COUNT_OF(odd); i++) {
        data.class_names[0] = odd[i];
        if (!draw(&rgb, &height, &width))
            return;
        memory_give(rgb);
    }
    for (int side = 1; side <= 1000; side += 333) {
        options.augment.out_h = side;
        options.augment.out_w = 2 * side;
        options.augment.pad = 1000;
        options.batch = side % 5 + 1;
        assert_true(draw(&rgb, &height, &width));
        assert_int_equal(width, options.batch * ((side == 1 ? 224 : 256) + GAP) + GAP);
        assert_int_equal(height, HEADER + (side == 1 ? 112 : 128) + LINES + 2 * GAP);
        memory_give(rgb);
    }
    CHECK_FAILS(sheet_write(fixture_path("absent/x/sheet.png"), &options), ERR_CREATE, "sheet.png");
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, begin, end)
int main(void)
{
    const struct CMUnitTest tests[] = {CASE(test_batch), CASE(test_one_image), CASE(test_mixed), CASE(test_grey),
                                       CASE(test_shapes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
