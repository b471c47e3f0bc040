/* test_judge: what a config asks for and cannot have with the images it names: all of it is told at once, with its
 * lines, before the images are read. */
#include "fixtures.h"
#include "trainer.h"

#include <stdio.h>

enum { SIDE = 16, PER_CLASS = 5 };

/* Two folders of two classes; with broken, only the first picture of each folder can be decoded. */
static void make_pictures(bool broken)
{
    for (int i = 0; i < 4 * PER_CLASS; i++) {
        const char *part = i < 2 * PER_CLASS ? "train" : "val", *class = i / PER_CLASS % 2 ? "bee" : "ant";
        const char *path = fixture_path("%s/%s/%02d.png", part, class, i);
        fixture_png(path, SIDE, SIDE, i);
        if (broken && i % (2 * PER_CLASS) > 0)
            fixture_write(path, "no picture", 10);
    }
}

/* Opens the data of a config; said, to be freed, is what was told, the folder's name left out. */
static int open_with(const char *text, const char *const *overrides, int count, char **said)
{
    const char *path = fixture_path("x.ini"), *folder = fixture_path("%s", "");
    struct config config;
    struct session session = {0};
    char whole[4096];
    size_t bytes;
    snprintf(whole, sizeof whole, "[data]\ntrain = \"%strain\"\nval = \"%sval\"\n%s", folder, folder, text);
    fixture_write(path, whole, strlen(whole));
    FILE *errors = open_memstream(said, &bytes);
    int status = config_load(&config, path, overrides, count, errors);
    if (status == OK)
        status = session_open_data(&session, &config, errors);
    session_close(&session);
    config_free(&config);
    fclose(errors);
    for (char *at = *said; (at = strstr(at, folder));)
        memmove(at, at + strlen(folder), strlen(at + strlen(folder)) + 1);
    return status;
}

static void check_said(int status, const char *said, const char *const *lines, int count)
{
    assert_int_equal(status, count ? ERR_CONFIG : OK);
    for (int i = 0; i < count; i++) {
        const char *end = strchr(said, '\n');
        if (!end || strncmp(said, lines[i], strlen(lines[i])) != 0)
            fail_msg("expected \"%s\" at: %s", lines[i], said);
        said = end + 1;
    }
    assert_string_equal(said, "");
}

/* The other pictures are damaged, which nobody has looked at yet. */
static void test_all_at_once(void **state)
{
    (void)state;
    static const char text[] = "[augment]\n"           /* 4 */
                               "crop = 24\n"           /* 5 */
                               "crop_padding = 3\n"    /* 6 */
                               "mean = [0.5, 0.5]\n"   /* 7 */
                               "std = [0.2, 0.2]\n"    /* 8 */
                               "fill = [0, 1]\n"       /* 9 */
                               "[model]\n"             /* 10 */
                               "name = \"custom\"\n"   /* 11 */
                               "[train]\n"             /* 12 */
                               "accumulate = 2\n"      /* 13 */
                               "[[layer]]\n"           /* 14 */
                               "type = \"conv\"\n"     /* 15 */
                               "filters = 8\n"         /* 16 */
                               "kernel = 99\n"         /* 17 */
                               "pad = 0\n"             /* 18 */
                               "[[layer]]\n"           /* 19 */
                               "type = \"max_pool\"\n" /* 20 */
                               "pad = 3\n"             /* 21 */
                               "[[layer]]\n"           /* 22 */
                               "type = \"linear\"\n"   /* 23 */
                               "units = 3\n";          /* 24 */
    static const char
        *const overrides
            [] = {"train.batch_size=4096"},
   *const lines[] = {
       "x.ini:5: error: augment.crop: a crop of 24 is larger than the images (16 x 16 pixels, 3 of padding each side)",
       "x.ini:7: error: augment.mean: 2 numbers, but the images have 3 channels",
       "x.ini:8: error: augment.std: 2 numbers, but the images have 3 channels",
       "x.ini:9: error: augment.fill: 2 numbers, but the images have 3 channels",
       "x.ini:14: error: conv1: the 99x99 kernel is larger than the padded input, 24x24",
       "x.ini:19: error: max_pool1: pad = 3 must be at most half the window, 2",
       "x.ini:22: error: the last layer gives 1x1x1x3, but the data has 2 classes; end with a linear layer of 2 units",
       "command line: error: train.batch_size: a step takes 8192 images (train.batch_size 4096 x train.accumulate 2)",
   };
    char *said;
    make_pictures(true);
    int status = open_with(text, overrides, 1, &said);
    check_said(status, said, lines, COUNT_OF(lines));
    assert_non_null(strstr(fail_text(), "x.ini: 8 mistakes in the config"));
    free(said);
}

static void test_single_mistakes(void **state)
{
    (void)state;
    static const struct {
        const char *text, *said; /* said NULL: nothing is wrong */
    } cases[] = {
        {"[train]\nbatch_size = 10\n", NULL},
        {"[train]\nbatch_size = 11\n", "x.ini:5: error: train.batch_size: a step takes 11 images"},
        {"[train]\nbatch_size = 5\naccumulate = 3\n", "x.ini:5: error: train.batch_size: a step takes 15 images"},
        {"[train]\nbatch_size = 5\n[augment]\ncrop = 16\n", NULL},
        {"[train]\nbatch_size = 5\n[augment]\ncrop = 17\n", "x.ini:7: error: augment.crop: a crop of 17"},
        {"[train]\nbatch_size = 5\n[augment]\ncrop = 17\ncrop_padding = 1\n", NULL},
        {"[train]\nbatch_size = 5\n[augment]\nmean = [0.1, 0.2, 0.3]\nstd = [0.1, 0.2, 0.3]\n", NULL},
        {"[train]\nbatch_size = 5\n[augment]\nmean = [0.1]\nstd = [0.1]\nfill = [0.5]\n", NULL},
        {"[train]\nbatch_size = 5\n[model]\nname = \"resnet18\"\nstem = \"imagenet\"\n", NULL},
        {"[train]\nbatch_size = 5\n[model]\nname = \"custom\"\n[[layer]]\ntype = \"relu\"\n",
         "x.ini:8: error: the last layer gives 1x16x16x3, but the data has 2 classes"},
        {"[train]\nbatch_size = 5\n[model]\nname = \"custom\"\n[[layer]]\ntype = \"linear\"\n", NULL},
        {"[train]\nbatch_size = 1\n[model]\nname = \"small_cnn\"\n", NULL},
        {"[train]\nbatch_size = 1\n[model]\nname = \"resnet18\"\nstem = \"imagenet\"\n",
         "x.ini:5: error: train.batch_size: layer3.0.bn1 normalises over one value per channel"},
    };
    make_pictures(false);
    for (int i = 0; i < COUNT_OF(cases); i++) {
        char *said;
        int status = open_with(cases[i].text, NULL, 0, &said);
        check_said(status, said, &cases[i].said, cases[i].said != NULL);
        free(said);
    }
}

/* What the images of the two parts are to each other is a matter of the paths that name them. */
static void test_parts(void **state)
{
    (void)state;
    static const char few[] = "[train]\nbatch_size = 4\n";
    static const char *const other_class[] =
        {"x.ini:3: error: data.val: train and val have different classes: class 1 "},
                             *const other_size[] = {"x.ini:3: error: data.val: val: images are 8 x 8 with 3 channels"},
                             *const one_class[] = {"x.ini:2: error: data.train: train: has one class only, 'ant'"},
                             *const mixed[] = {"x.ini: error: data.resize: train: images differ in size: ant/00.png is "
                                               "16x16 but ant/01.png is 9x16"};
    char *said;
    make_pictures(false);
    assert_int_equal(rename(fixture_path("val/bee"), fixture_path("val/wasp")), 0);
    int status = open_with(few, NULL, 0, &said);
    check_said(status, said, other_class, 1);
    free(said);
    assert_int_equal(rename(fixture_path("val/wasp"), fixture_path("val/bee")), 0);
    fixture_png(fixture_path("train/ant/01.png"), SIDE, 9, 1);
    status = open_with(few, NULL, 0, &said);
    check_said(status, said, mixed, 1);
    free(said);
    make_pictures(false);
    for (int i = 2 * PER_CLASS; i < 4 * PER_CLASS; i++)
        fixture_png(fixture_path("val/%s/%02d.png", i / PER_CLASS % 2 ? "bee" : "ant", i), 8, 8, i);
    status = open_with(few, NULL, 0, &said);
    check_said(status, said, other_size, 1);
    free(said);
    assert_int_equal(folder_remove(fixture_path("train/bee")), OK);
    assert_int_equal(folder_remove(fixture_path("val")), OK);
    const char *const without[] = {"data.val="};
    status = open_with(few, without, 1, &said);
    check_said(status, said, one_class, 1);
    free(said);
}

/* A set that was large enough before what cannot be used was left out. */
static void test_after_reading(void **state)
{
    (void)state;
    static const char *const skip[] = {"data.on_error=skip"},
                             *const lines[] =
                                 {"x.ini:5: error: train.batch_size: a step takes 10 images (train.batch_size 10 x "
                                  "train.accumulate 1), but the training set has only 9"},
                             *const grey[] = {"x.ini: error: augment.normalize: channel 0 is the same in every pixel"};
    char *said;
    make_pictures(false);
    fixture_write(fixture_path("train/bee/07.png"), "x", 1);
    int status = open_with("[train]\nbatch_size = 10\n", skip, 1, &said);
    check_said(status, said, lines, 1);
    free(said);
    uint8_t black[SIDE * SIDE * 3] = {0};
    for (int i = 0; i < SIDE * SIDE; i++)
        black[3 * i + 1] = black[3 * i + 2] = (uint8_t)i;
    for (int i = 0; i < 2 * PER_CLASS; i++)
        assert_int_equal(
            png_write(fixture_path("train/%s/%02d.png", i / PER_CLASS ? "bee" : "ant", i), black, SIDE, SIDE, 3), OK);
    status = open_with("[train]\nbatch_size = 5\n", NULL, 0, &said);
    check_said(status, said, grey, 1);
    free(said);
    static const char *const image[] = {"augment.normalize=image"}; /* by all channels of each */
    status = open_with("[train]\nbatch_size = 5\n", image, 1, &said);
    assert_int_equal(status, OK);
    free(said);
}

/* That sizes differ shows when images are read, but not only after the rest was mended. */
static void test_sizes_with_the_rest(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "x.ini:5: error: train.batch_size: a step takes 4096 images",
        "x.ini: error: data.resize: train: images differ in size: ant/00.png is 16x16 but bee/09.png is 9x16"};
    char *said;
    make_pictures(false);
    fixture_png(fixture_path("train/bee/09.png"), SIDE, 9, 1);
    int status = open_with("[train]\nbatch_size = 4096\n", NULL, 0, &said);
    check_said(status, said, lines, COUNT_OF(lines));
    free(said);
}

/* A part that is not there, and what does not go with the one that is. */
static void test_missing_part(void **state)
{
    (void)state;
    static const char *const lines[] = {"x.ini:3: error: data.val: val: no such file or folder",
                                        "x.ini:5: error: augment.crop: a crop of 99 is larger"};
    char *said;
    make_pictures(false);
    assert_int_equal(folder_remove(fixture_path("val")), OK);
    int status = open_with("[augment]\ncrop = 99\n", NULL, 0, &said);
    check_said(status, said, lines, COUNT_OF(lines));
    free(said);
    status = open_with("", NULL, 0, &said);
    assert_int_equal(status, ERR_NO_INPUT);
    assert_int_equal(strncmp(said, lines[0], strlen(lines[0])), 0);
    free(said);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, fixture_begin, fixture_end)
int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_all_at_once),   CASE(test_single_mistakes),     CASE(test_parts),
        CASE(test_after_reading), CASE(test_sizes_with_the_rest), CASE(test_missing_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
