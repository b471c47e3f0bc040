/* test_check: clean images give no finding; each planted fault gives the one it should, and only that. */
#include "drawn_images.h"
#include "text.h"

#include <math.h>

static void test_clean(void **state)
{
    (void)state;
    world_make();
    world_check();
    assert_int_equal(world.findings.count, 0);
    assert_int_equal(findings_worst(&world.findings), -1);
    assert_int_equal(world.findings.train_seen, TRAIN);
    findings_free(&world.findings);
    world.input.limit = 50;
    world_check();
    assert_int_equal(world.findings.train_seen, 50);
    assert_int_equal(world.findings.val_seen, 50);
    findings_free(&world.findings);
}

/* What is told of images without a fault as of others: classes of all of them, values of those looked at. */
static void test_figures(void **state)
{
    (void)state;
    world_make();
    world.labels[0] = 1;
    world.input.limit = 50;
    world_check();
    const struct findings *findings = &world.findings;
    assert_int_equal(findings->class_count, CLASSES);
    for (int part = 0; part < 2; part++)
        for (int i = 0; i < CLASSES; i++)
            assert_int_equal(findings->class_counts[part][i],
                             (part ? VAL : TRAIN) / CLASSES + (part ? 0 : (i == 1) - (i == 0)));
    /* Uniform in 64..191: mean 127.5, variance (128 * 128 - 1) / 12. */
    for (int c = 0; c < 3; c++) {
        assert_true(fabs(findings->mean[c] - 0.5) < 0.005);
        assert_true(fabs(findings->std[c] - sqrt(16383.0 / 12.0) / 255.0) < 0.002);
    }
    findings_free(&world.findings);
}

static void test_copies(void **state)
{
    (void)state;
    world_make();
    memcpy(world.pixels[8], world.pixels[4], BYTES);
    const struct finding *finding = only("duplicates", SEVERITY_INFO);
    assert_int_equal(finding->file_total, 2);
    assert_string_equal(finding->files[0], "training sample 4");
    assert_string_equal(finding->text,
                        "1 of 400 training images (0.25 %) and 0 of 100 validation images (0 %) is a copy "
                        "of another of the same class");
    findings_free(&world.findings);
    world_make();
    memcpy(world.pixels[9], world.pixels[4], BYTES);
    only("conflicting-labels", SEVERITY_WARN);
    findings_free(&world.findings);
    /* Of the part that has them: four of training's 400 are one in a hundred, of all 500 less. */
    world_make();
    for (int i = 0; i < 4; i++)
        memcpy(world.pixels[8 * i + 1], world.pixels[8 * i], BYTES);
    finding = only("conflicting-labels", SEVERITY_FAULT);
    assert_string_equal(finding->text,
                        "4 of 400 training images (1 %) and 0 of 100 validation images (0 %) are under two labels");
    assert_string_equal(finding->evidence[1].name, "share");
    assert_true(finding->evidence[1].value == 0.01);
    findings_free(&world.findings);
    world.input.val = NULL;
    finding = only("conflicting-labels", SEVERITY_FAULT);
    assert_string_equal(finding->text, "4 of 400 training images (1 %) are under two labels");
    findings_free(&world.findings);
    world_make();
    memcpy(world.pixels[TRAIN + 4], world.pixels[4], BYTES);
    finding = only("leak", SEVERITY_FAULT);
    assert_string_equal(finding->files[1], "validation sample 4");
    assert_true(finding->evidence[0].value == 1);
    findings_free(&world.findings);
    /* Of a part of the training images as large a part of the copies is seen. */
    world_make();
    memcpy(world.pixels[TRAIN], world.pixels[0], BYTES);
    world.input.limit = 50;
    finding = only("leak", SEVERITY_FAULT);
    assert_non_null(
        strstr(finding->text, "1 of 50 validation images are among the 50 training images looked at (2 %)"));
    assert_true(fabs(finding->evidence[1].value - fmin(0.02 * TRAIN / 50.0, 1.0)) < 1e-9);
    findings_free(&world.findings);
}

/* Files of two sets are told with the set they are in; of one that is split, below it. */
static void test_copies_by_name(void **state)
{
    (void)state;
    static const char *files[COUNT];
    world_make();
    for (int i = 0; i < COUNT; i++)
        files[i] = i % 2 ? "b/1.png" : "a/0.png";
    for (int part = 0; part < 2; part++) {
        world.data[part].files = files;
        world.data[part].source = part ? "photos/val" : "photos/train";
    }
    world.data[1].encoded.root = "photos/val.dir";
    memcpy(world.pixels[TRAIN + 5], world.pixels[4], BYTES);
    world.labels[TRAIN + 5] = world.labels[4];
    const struct finding *finding = only("leak", SEVERITY_FAULT);
    assert_string_equal(finding->files[0], "photos/train/a/0.png");
    assert_string_equal(finding->files[1], "photos/val.dir/b/1.png");
    assert_non_null(strstr(finding->text, "(1 %)"));
    findings_free(&world.findings);
    for (int i = TRAIN; i < COUNT; i++) {
        memcpy(world.pixels[i], world.pixels[i - TRAIN], BYTES);
        world.labels[i] = world.labels[i - TRAIN];
    }
    assert_non_null(
        strstr(only("leak", SEVERITY_FAULT)->text, "100 validation images are also in the training set (100 %)"));
    findings_free(&world.findings);
    world_make();
    world.data[0].files = files;
    world.input.val = NULL;
    memcpy(world.pixels[8], world.pixels[4], BYTES);
    assert_string_equal(only("duplicates", SEVERITY_INFO)->files[0], "a/0.png");
    findings_free(&world.findings);
}

/* A little noise makes a near copy; another picture of the same kind is none. */
static void test_near_copies(void **state)
{
    (void)state;
    world_make();
    for (int k = 0; k < BYTES; k++)
        world.pixels[44][k] = (uint8_t)(world.pixels[4][k] + k % 3);
    const struct finding *finding = only("near-duplicates", SEVERITY_INFO);
    assert_true(finding->evidence[0].value == 1 && finding->evidence[1].value == 0);
    assert_string_equal(finding->files[1], "training sample 44");
    assert_true(finding->pairs);
    findings_free(&world.findings);
    /* Nor are two of one colour each, which the colour's channels correlate. */
    world_make();
    for (int k = 0; k < BYTES; k++) {
        world.pixels[4][k] = (uint8_t)(40 + 80 * (k % 3));
        world.pixels[44][k] = (uint8_t)(world.pixels[4][k] + 3);
    }
    assert_true(!only("constant", SEVERITY_WARN)->pairs);
    findings_free(&world.findings);
}

static void test_classes(void **state)
{
    (void)state;
    world_make();
    for (int i = 0; i < COUNT; i++)
        world.labels[i] = i % 41 == 0 ? 3 : i % 3;
    assert_true(only("imbalance", SEVERITY_WARN)->evidence[0].value > 10);
    findings_free(&world.findings);
    world_make();
    for (int i = 0; i < TRAIN; i++)
        world.labels[i] = i % 3;
    only("class-absent", SEVERITY_FAULT);
    findings_free(&world.findings);
    world_make();
    for (int i = TRAIN; i < COUNT; i++)
        world.labels[i] = i % 3;
    only("class-unmeasured", SEVERITY_WARN);
    findings_free(&world.findings);
}

static void test_class_names(void **state)
{
    (void)state;
    static const char *numbers[] = {"0", "1", "2", "3"}, *alike[] = {"Pool", "river", "Field", "River"};
    world_make();
    world.data[0].class_names = world.data[1].class_names = numbers;
    for (int i = 0; i < COUNT; i++)
        world.labels[i] = 1 + i % 3;
    const struct finding *finding = only("class-absent", SEVERITY_FAULT);
    assert_string_equal(finding->text,
                        "1 of 4 classes have no training image, the first: 0; the labels seem to count from 1");
    assert_non_null(strstr(finding->action, "take 1 from every label"));
    findings_free(&world.findings);
    world.data[0].class_names = world.data[1].class_names = alike; /* none of which is class 0 */
    world_check();
    assert_int_equal(world.findings.count, 3);
    assert_null(strstr(world.findings.list[0].text, "count from 1"));
    assert_string_equal(world.findings.list[1].name, "class-unmeasured");
    finding = &world.findings.list[2];
    assert_string_equal(finding->name, "class-names");
    assert_int_equal(finding->severity, SEVERITY_INFO);
    assert_string_equal(finding->text,
                        "'River' and 'river' are two classes, whose names differ in capital letters alone");
    findings_free(&world.findings);
    /* Numbers that leave out others than 0 count from it. */
    world_make();
    world.data[0].class_names = world.data[1].class_names = numbers;
    for (int i = 0; i < TRAIN; i++)
        world.labels[i] = i % 3;
    assert_null(strstr(only("class-absent", SEVERITY_FAULT)->text, "count from 1"));
    findings_free(&world.findings);
}

static void test_turned(void **state)
{
    (void)state;
    static bool turned[2][COUNT];
    world_make();
    world.data[0].turned = turned[0];
    turned[0][7] = true;
    const struct finding *finding = only("orientation", SEVERITY_INFO);
    assert_string_equal(finding->files[0], "training sample 7");
    findings_free(&world.findings);
    for (int i = 0; i < 20; i++)
        turned[0][i] = turned[1][i] = true;
    world.data[1].turned = turned[1];
    finding = only("orientation", SEVERITY_WARN);
    assert_non_null(strstr(finding->text, "20 training and 20 validation images ("));
    assert_int_equal(finding->file_total, 40);
    findings_free(&world.findings);
}

static void make_grey(int image)
{
    for (int k = 0; k < BYTES; k += 3)
        world.pixels[image][k + 1] = world.pixels[image][k + 2] = world.pixels[image][k];
}

static void test_values(void **state)
{
    (void)state;
    world_make();
    for (int c = 0; c < 3; c++)
        world.input.mean[c] = 0.5, world.input.std[c] = 0.02;
    assert_true(only("normalisation", SEVERITY_FAULT)->evidence[1].value > 4);
    findings_free(&world.findings);
    world_make(); /* the worst channel is told, not the first that is unusual */
    const double deviation = world.input.std[0];
    world.input.std[0] = deviation / 2.7;
    world.input.std[1] = deviation;
    world.input.std[2] = deviation / 5.6;
    assert_non_null(strstr(only("normalisation", SEVERITY_FAULT)->text, "channel 2 has"));
    findings_free(&world.findings);
    world_make();
    memset(world.pixels[6], 120, BYTES);
    assert_string_equal(only("constant", SEVERITY_WARN)->files[0], "training sample 6");
    findings_free(&world.findings);
    /* Contrast halved in every other image of each class: log 2 / 2 about the middle is 0.35, a third is 0.55. */
    world_make();
    for (int i = 0; i < COUNT; i++)
        for (int k = 0; k < BYTES && i / CLASSES % 2; k++)
            world.pixels[i][k] = (uint8_t)(128 + (world.pixels[i][k] - 128) / 3);
    assert_true(only("illumination", SEVERITY_WARN)->evidence[0].value > 0.5);
    findings_free(&world.findings);
    /* Equal contrast, brightness up or down: by 8 levels is no finding, by 60 is. */
    for (int levels = 8; levels <= 60; levels += 52) {
        world_make();
        for (int i = 0; i < COUNT; i++)
            for (int k = 0; k < BYTES; k++)
                world.pixels[i][k] = (uint8_t)(world.pixels[i][k] + (i / CLASSES % 2 ? levels : -levels));
        if (levels == 8) {
            world_check();
            assert_int_equal(world.findings.count, 0);
        } else {
            const struct finding *finding = only("brightness", SEVERITY_WARN);
            assert_true(finding->evidence[0].value > 4.0 && finding->evidence[2].value > 0.5);
        }
        findings_free(&world.findings);
    }
    world_make();
    for (int i = TRAIN; i < COUNT; i++)
        for (int k = 0; k < BYTES; k++)
            world.pixels[i][k] = (uint8_t)(world.pixels[i][k] + 20);
    only("mismatch", SEVERITY_WARN);
    findings_free(&world.findings);
    world.input.by_image = true; /* what each is normalised by of its own is no difference */
    world_check();
    for (int i = 0; i < world.findings.count; i++)
        assert_string_not_equal(world.findings.list[i].name, "mismatch");
    findings_free(&world.findings);
    world_make(); /* grey validation; the channels' means stay as they are */
    for (int i = TRAIN; i < COUNT; i++)
        make_grey(i);
    assert_non_null(strstr(only("mismatch", SEVERITY_WARN)->text,
                           "0 % of the training images are grey (three equal channels), and 100 % of validation's"));
    findings_free(&world.findings);
    for (int i = 0; i < TRAIN; i++) /* both are: nothing to say */
        make_grey(i);
    world_check();
    for (int i = 0; i < world.findings.count; i++)
        assert_string_not_equal(world.findings.list[i].name, "mismatch");
    findings_free(&world.findings);
    world_make(); /* 10 of 100 is no more than a tenth */
    for (int i = TRAIN; i < TRAIN + VAL / 10; i++)
        make_grey(i);
    world_check();
    assert_int_equal(world.findings.count, 0);
    findings_free(&world.findings);
}

/* Rows in steps of so many pixels: the wider, the smoother. */
static void coarsen(int image, int width)
{
    for (int k = BYTES - 1; k >= 0; k--) {
        const int x = k / 3 % SIDE;
        world.pixels[image][k] = world.pixels[image][k - x % width * 3];
    }
}

static bool any_outliers(void)
{
    bool found = false;
    world_check();
    for (int i = 0; i < world.findings.count; i++)
        found |= strcmp(world.findings.list[i].name, "outliers") == 0;
    findings_free(&world.findings);
    return found;
}

/* Smoother than a class whose images are alike; noise in a class of pictures of every kind, from which it does not lie
 * far; four are no finding. */
static void test_outliers(void **state)
{
    (void)state;
    for (int odd = 4; odd < 6; odd++) {
        world_make();
        for (int i = 0; i < odd; i++)
            coarsen(40 + i, 4);
        if (odd == 4) {
            assert_false(any_outliers());
            continue;
        }
        const struct finding *finding = only("outliers", SEVERITY_WARN);
        assert_true(fabs(finding->evidence[0].value - 5.0 / TRAIN) < 1e-12);
        assert_int_equal(finding->file_total, 5);
        for (int i = 0; i < 5; i++)
            assert_non_null(strstr(finding->files[i], "training sample 4"));
        findings_free(&world.findings);
    }
    for (int noise = 0; noise < 2; noise++) {
        world_make();
        for (int i = 0; i < COUNT; i++)
            if (!noise || i % 67 != 0)
                coarsen(i, 2 + i / CLASSES % 7);
        assert_int_equal(any_outliers(), noise);
    }
}

/* The drawn tiles, clean and lit unevenly. */
static void test_tiles(void **state)
{
    enum { EACH = 20, SIZE = 32 };
    char path[PATH_BYTES];
    assert_int_equal(fixture_begin(state), 0);
    for (int lit = 0; lit < 2; lit++) {
        const struct tiles_options options = {.per_class = EACH, .size = SIZE, .illumination = 0.75 * lit, .seed = 5};
        const struct dataset_options opening = {.threads = 1};
        struct dataset data;
        struct subset all;
        assert_true(text_copy(path, sizeof path, fixture_path(lit ? "lit" : "clean")));
        assert_int_equal(tiles_write(path, &options), OK);
        assert_int_equal(dataset_open(&data, path, &opening), OK);
        assert_int_equal(subset_all(&all, &data), OK);
        world_make();
        world.input.train = &all;
        world.input.val = NULL;
        memcpy(world.input.mean, (double[]){0.4, 0.43, 0.32}, 3 * sizeof(double));
        world_check();
        bool found = false;
        for (int i = 0; i < world.findings.count; i++)
            found |= strcmp(world.findings.list[i].name, "shading") == 0;
        assert_int_equal(found, lit);
        assert_true(lit || world.findings.count == 0);
        findings_free(&world.findings);
        subset_free(&all);
        dataset_close(&data);
    }
    fixture_end(state);
}

static void test_skipped(void **state)
{
    (void)state;
    static const char *skipped[] = {"x.png: truncated"};
    world_make();
    world.data[0].skipped = skipped;
    world.data[0].skipped_count = 1;
    const struct finding *finding = only("unreadable", SEVERITY_WARN);
    assert_string_equal(finding->files[0], skipped[0]);
    assert_non_null(strstr(finding->action, "data.on_error = skip trains without them"));
    findings_free(&world.findings);
    world.input.skip = true;
    finding = only("unreadable", SEVERITY_WARN);
    assert_non_null(strstr(finding->action, "training goes on without them"));
    assert_non_null(strstr(finding->text, "1 of the training files and 0 of the validation files"));
    findings_free(&world.findings);
    /* Of validation alone, where that is a data set of its own, and of both. */
    static const char *of_val[] = {"v/1.png: 0 bytes", "v/2.png: 0 bytes"};
    world_make();
    world.data[1].skipped = of_val;
    world.data[1].skipped_count = 2;
    finding = only("unreadable", SEVERITY_FAULT);
    assert_string_equal(finding->files[0], of_val[0]);
    assert_int_equal(finding->file_total, 2);
    assert_true(finding->evidence[1].value > 0.01 && finding->evidence[2].value == 2);
    findings_free(&world.findings);
    world_make();
    world.data[0].skipped = skipped;
    world.data[0].skipped_count = 1;
    world.data[1].skipped = of_val;
    world.data[1].skipped_count = 2;
    finding = only("unreadable", SEVERITY_FAULT);
    assert_int_equal(finding->file_total, 3);
    assert_string_equal(finding->files[1], of_val[0]);
    assert_non_null(strstr(finding->text, "1 of the training files and 2 of the validation files"));
    findings_free(&world.findings);
    /* Split from one data set: counted once. */
    world_make();
    world.data[0].skipped = skipped;
    world.data[0].skipped_count = 1;
    world.input.val = world.input.train;
    world_check();
    assert_true(world.findings.count >= 1 && strcmp(world.findings.list[0].name, "unreadable") == 0);
    assert_int_equal(world.findings.list[0].file_total, 1);
    findings_free(&world.findings);
}

/* Blurred from left to right: so many hundredths of a pixel's left neighbour. */
static void blur(int image, int hundredths)
{
    for (int k = BYTES - 1; k >= 3; k--)
        world.pixels[image][k] =
            (uint8_t)((world.pixels[image][k] * (100 - hundredths) + world.pixels[image][k - 3] * hundredths) / 100);
}

/* Images of a class differ by up to 20 hundredths; validation's by as much, or all of them by 25 more. */
static void test_parts_of_another_texture(void **state)
{
    (void)state;
    for (int apart = 0; apart < 2; apart++) {
        world_make();
        for (int i = 0; i < COUNT; i++)
            blur(i, i / CLASSES * 7 % 21 + (apart && i >= TRAIN ? 25 : 0));
        if (apart) {
            assert_non_null(strstr(only("mismatch", SEVERITY_WARN)->text, "training's images are rougher"));
            assert_true(world.findings.list[0].evidence[0].value > world.findings.list[0].evidence[1].value);
        } else {
            world_check();
            assert_int_equal(world.findings.count, 0);
        }
        findings_free(&world.findings);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts_of_another_texture),
        cmocka_unit_test(test_clean),
        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_copies_by_name),
        cmocka_unit_test(test_near_copies),
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_class_names),
        cmocka_unit_test(test_turned),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_outliers),
        cmocka_unit_test(test_tiles),
        cmocka_unit_test(test_skipped),
        cmocka_unit_test(test_figures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
