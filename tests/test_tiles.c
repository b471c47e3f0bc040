/* Generated tiles: functions of their key alone, written whole or not at all, every planted fault on record. */
#include "fixtures.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

enum { SIZE = 32, BYTES = SIZE * SIZE * 3 };

static void draw(uint8_t *rgb, int class, enum tiles_part part, uint64_t seed, uint32_t index)
{
    tiles_draw(rgb, SIZE, class, part, seed, index);
}

static void test_pure_function_of_key(void **state)
{
    (void)state;
    uint8_t tile[BYTES], other[BYTES];
    for (int class = 0; class < TILES_CLASSES; class ++) {
        draw(tile, class, TILES_TRAIN, 1, 5);
        draw(other, class, TILES_TRAIN, 1, 6);
        assert_memory_not_equal(tile, other, BYTES);
        draw(other, class, TILES_TRAIN, 2, 5);
        assert_memory_not_equal(tile, other, BYTES);
        draw(other, class, TILES_VAL, 1, 5);
        assert_memory_not_equal(tile, other, BYTES);
        draw(other, class, TILES_TRAIN, 1, 5);
        assert_memory_equal(tile, other, BYTES);
    }
    for (int class = 1; class < TILES_CLASSES; class ++)
        assert_true(strcmp(tiles_class_names[class - 1], tiles_class_names[class]) < 0);
}

/* At any size there is a picture: neither flat nor burnt out. */
static void test_sizes(void **state)
{
    (void)state;
    static const int sizes[] = {TILES_SIZE_MIN, 17, 50, TILES_SIZE_MAX};
    for (int s = 0; s < COUNT_OF(sizes); s++)
        for (int class = 0; class < TILES_CLASSES; class ++) {
            size_t bytes = (size_t)sizes[s] * (size_t)sizes[s] * 3;
            uint8_t *rgb = malloc(bytes);
            double sum = 0.0, squares = 0.0;
            tiles_draw(rgb, sizes[s], class, TILES_TRAIN, 3, 1);
            for (size_t i = 0; i < bytes; i++) {
                sum += rgb[i];
                squares += rgb[i] * rgb[i];
            }
            double mean = sum / (double)bytes, deviation = sqrt(squares / (double)bytes - mean * mean);
            assert_true(mean > 15.0 && mean < 235.0);
            assert_true(deviation > 3.0);
            free(rgb);
        }
}

/* The mean colours of classes overlap: the nearest class mean says little. */
static void test_mean_colour_says_little(void **state)
{
    (void)state;
    enum { EACH = 30 };
    double mean[TILES_CLASSES][EACH][3], centre[TILES_CLASSES][3] = {{0}};
    uint8_t rgb[BYTES];
    for (int k = 0; k < TILES_CLASSES; k++)
        for (int i = 0; i < EACH; i++) {
            memset(mean[k][i], 0, sizeof mean[k][i]);
            draw(rgb, k, TILES_TRAIN, 1, (uint32_t)i);
            for (int p = 0; p < BYTES; p++)
                mean[k][i][p % 3] += rgb[p] / (double)(BYTES / 3);
            for (int c = 0; c < 3; c++)
                centre[k][c] += mean[k][i][c] / EACH;
        }
    int right = 0;
    for (int k = 0; k < TILES_CLASSES; k++)
        for (int i = 0; i < EACH; i++) {
            int best = 0;
            double nearest = 1e9;
            for (int q = 0; q < TILES_CLASSES; q++) {
                double distance = 0.0;
                for (int c = 0; c < 3; c++)
                    distance += pow(mean[k][i][c] - centre[q][c], 2);
                if (distance < nearest) {
                    nearest = distance;
                    best = q;
                }
            }
            right += best == k;
        }
    assert_in_range(right, EACH, 6 * EACH); /* between chance and 60 % */
}

static const struct tiles_options clean = {.per_class = 6, .size = 16, .seed = 9};

static int count_lines(const char *path, const char *with)
{
    size_t bytes;
    int count = 0;
    uint8_t *text = fixture_read(path, &bytes);
    for (char *rest = NULL, *line = strtok_r((char *)text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        count += strstr(line, with) != NULL;
    memory_give(text);
    return count;
}

static void open_tiles(struct dataset *dataset)
{
    const struct dataset_options options = {.threads = 2};
    assert_int_equal(dataset_open(dataset, fixture_path("t"), &options), OK);
}

static void test_written_tiles(void **state)
{
    (void)state;
    struct dataset dataset;
    uint8_t rgb[16 * 16 * 3];
    assert_int_equal(tiles_write(fixture_path("t/"), &clean), OK);
    open_tiles(&dataset);
    assert_int_equal(dataset.count, 60);
    assert_int_equal(dataset.class_count, TILES_CLASSES);
    for (int i = 0; i < 60; i++) {
        assert_string_equal(dataset.class_names[dataset.labels[i]], tiles_class_names[i / 6]);
        tiles_draw(rgb, 16, i / 6, TILES_TRAIN, 9, (uint32_t)(i % 6));
        assert_memory_equal(dataset.pixels + (size_t)i * sizeof rgb, rgb, sizeof rgb);
    }
    dataset_close(&dataset);
    size_t bytes;
    uint8_t *record = fixture_read(fixture_path("t.spoiled.csv"), &bytes);
    assert_string_equal((char *)record, "file,class,fault,detail\n");
    memory_give(record);
    assert_false(file_exists(fixture_path("t.unfinished")));
}

static void test_folder_rules(void **state)
{
    (void)state;
    /* An empty folder is taken; an interrupted attempt is thrown away; the result is kept as it is. */
    assert_int_equal(folder_make(fixture_path("t")), OK);
    fixture_write(fixture_path("t.unfinished/forest/00001.png"), "half", 4);
    assert_int_equal(tiles_write(fixture_path("t"), &clean), OK);
    assert_int_equal(unlink(fixture_path("t/beach/00000.png")), 0);
    assert_int_equal(tiles_write(fixture_path("t"), &clean), OK);
    assert_false(file_exists(fixture_path("t/beach/00000.png")));
    struct tiles_options other = clean;
    other.noise = 0.25;
    CHECK_FAILS(tiles_write(fixture_path("t"), &other), ERR_CREATE, "t: holds tiles of other options",
                "'noise = 0' there, 'noise = 0.25' wanted");
    fixture_write(fixture_path("mine/letter.txt"), "x", 1);
    CHECK_FAILS(tiles_write(fixture_path("mine"), &clean), ERR_CREATE, "mine: holds other files");
    assert_true(file_exists(fixture_path("mine/letter.txt")));
    fixture_write(fixture_path("file"), "x", 1);
    CHECK_FAILS(tiles_write(fixture_path("file"), &clean), ERR_CREATE, "file: is a file");
    CHECK_FAILS(tiles_write(fixture_path("file/below"), &clean), ERR_CREATE, "file");
}

static void test_bad_options(void **state)
{
    (void)state;
    static const struct {
        struct tiles_options options;
        const char *text;
    } cases[] = {
        {{.per_class = 0, .size = 16}, "tiles per class: 0"},
        {{.per_class = 1, .size = 15}, "tile size: 15"},
        {{.per_class = 1, .size = 512}, "tile size: 512"},
        {{.per_class = 1, .size = 16, .noise = -0.1}, "noise: -0.1"},
        {{.per_class = 1, .size = 16, .imbalance = 1.0}, "imbalance: 1"},
        {{.per_class = 1, .size = 16, .label_noise = NAN}, "label noise: nan"},
        {{.per_class = 1, .size = 16, .outliers = 2.0}, "outliers: 2"},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        CHECK_FAILS(tiles_write(fixture_path("t"), &cases[i].options), ERR_USAGE, cases[i].text);
        assert_false(file_exists(fixture_path("t")));
    }
}

static void test_imbalance(void **state)
{
    (void)state;
    struct tiles_options options = {.per_class = 10, .size = 16, .imbalance = 0.9};
    struct dataset dataset;
    int counts[TILES_CLASSES] = {0};
    assert_int_equal(tiles_write(fixture_path("t"), &options), OK);
    open_tiles(&dataset);
    for (int64_t i = 0; i < dataset.count; i++)
        counts[dataset.labels[i]]++;
    for (int class = 0; class < TILES_CLASSES; class ++)
        assert_int_equal(counts[class], 10 - class);
    dataset_close(&dataset);
}

/* Every mislabelled tile is in the record, and nothing else is; pixels are those of the true class. */
static void test_label_noise(void **state)
{
    (void)state;
    struct tiles_options options = {.per_class = 20, .size = 16, .label_noise = 0.3, .seed = 4};
    struct dataset dataset;
    uint8_t rgb[16 * 16 * 3];
    assert_int_equal(tiles_write(fixture_path("t"), &options), OK);
    open_tiles(&dataset);
    int wrong = 0;
    for (int64_t i = 0; i < dataset.count; i++) {
        int number = atoi(strchr(dataset.files[i], '/') + 1), class = number / 20;
        char line[160];
        snprintf(line, sizeof line, "%s,%s,label,%s", dataset.files[i], tiles_class_names[class],
                 tiles_class_names[dataset.labels[i]]);
        assert_int_equal(count_lines(fixture_path("t.spoiled.csv"), line), class != dataset.labels[i]);
        wrong += class != dataset.labels[i];
        tiles_draw(rgb, 16, class, TILES_TRAIN, 4, (uint32_t)(number % 20));
        assert_memory_equal(dataset.pixels + (size_t)i * sizeof rgb, rgb, sizeof rgb);
    }
    assert_in_range(wrong, 40, 80); /* 60 expected of 200, deviation 6.5 */
    assert_int_equal(count_lines(fixture_path("t.spoiled.csv"), ","), wrong + 1);
    dataset_close(&dataset);
}

/* The tile's place in the record decides whether it may differ from the clean one. */
static void check_spoiled_pixels(const char *fault, const struct tiles_options *options, int low, int high)
{
    struct dataset dataset;
    uint8_t rgb[16 * 16 * 3];
    assert_int_equal(folder_remove(fixture_path("t")), OK);
    assert_int_equal(tiles_write(fixture_path("t"), options), OK);
    open_tiles(&dataset);
    int spoiled = 0, unseen = 0;
    for (int64_t i = 0; i < dataset.count; i++) {
        char line[160];
        snprintf(line, sizeof line, "%s,%s,%s,", dataset.files[i], dataset.class_names[dataset.labels[i]], fault);
        tiles_draw(rgb, 16, (int)i / 20, TILES_TRAIN, 4, (uint32_t)(i % 20));
        bool same = memcmp(dataset.pixels + (size_t)i * sizeof rgb, rgb, sizeof rgb) == 0;
        int recorded = count_lines(fixture_path("t.spoiled.csv"), line);
        assert_true(recorded == 1 || (recorded == 0 && same));
        spoiled += !same;
        unseen += recorded && same;
    }
    assert_in_range(unseen, 0, 3); /* lighting too faint to change a byte */
    assert_in_range(spoiled, low, high);
    dataset_close(&dataset);
}

static void test_spoiled_pixels(void **state)
{
    (void)state;
    const struct tiles_options options = {.per_class = 20, .size = 16, .seed = 4};
    struct tiles_options light = options, noise = options, outliers = options;
    light.illumination = 0.8;
    noise.noise = 0.1;
    outliers.outliers = 0.2;
    check_spoiled_pixels("illumination", &light, 190, 200);
    check_spoiled_pixels("noise", &noise, 200, 200);
    check_spoiled_pixels("outlier", &outliers, 20, 60);
}

/* Turning one knob leaves the others' choices alone. */
static void test_knobs_are_independent(void **state)
{
    (void)state;
    struct tiles_options options = {.per_class = 20, .size = 16, .label_noise = 0.2, .seed = 4};
    assert_int_equal(tiles_write(fixture_path("t"), &options), OK);
    int labels = count_lines(fixture_path("t.spoiled.csv"), ",label,");
    options.illumination = 0.5;
    options.noise = 0.1;
    assert_int_equal(tiles_write(fixture_path("u"), &options), OK);
    assert_int_equal(count_lines(fixture_path("u.spoiled.csv"), ",label,"), labels);
    size_t bytes;
    uint8_t *record = fixture_read(fixture_path("t.spoiled.csv"), &bytes);
    for (char *rest = NULL, *line = strtok_r((char *)record, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        assert_int_equal(count_lines(fixture_path("u.spoiled.csv"), line), 1);
    memory_give(record);
}

static void test_sheet(void **state)
{
    (void)state;
    uint8_t *pixels, rgb[16 * 16 * 3];
    int height, width;
    assert_int_equal(tiles_write_sheet(fixture_path("sheet.png"), 3, &clean), OK);
    assert_int_equal(image_read(fixture_path("sheet.png"), &pixels, &height, &width), OK);
    assert_int_equal(height, 10 * 19 + 3);
    assert_int_equal(width, 3 * 19 + 3);
    tiles_draw(rgb, 16, 4, TILES_TRAIN, 9, 2); /* fifth row, third column */
    for (int y = 0; y < 16; y++)
        assert_memory_equal(pixels + ((3 + 4 * 19 + y) * width + 3 + 2 * 19) * 3, rgb + (size_t)y * 48, 48);
    assert_int_equal(pixels[0], 255);
    memory_give(pixels);
    CHECK_FAILS(tiles_write_sheet(fixture_path("sheet.png"), 0, &clean), ERR_USAGE, "0 columns");
    CHECK_FAILS(tiles_write_sheet(fixture_path("absent/sheet.png"), 1, &clean), ERR_CREATE, "absent/sheet.png");
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, fixture_begin, fixture_end)
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pure_function_of_key),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_mean_colour_says_little),
        CASE(test_written_tiles),
        CASE(test_folder_rules),
        CASE(test_bad_options),
        CASE(test_imbalance),
        CASE(test_label_noise),
        CASE(test_spoiled_pixels),
        CASE(test_knobs_are_independent),
        CASE(test_sheet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
