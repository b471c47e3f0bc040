/* test_along: what differs along a list that is not shuffled; validation images that are nearly those of training. */
#include "drawn_images.h"
#include "text.h"

#include <math.h>

static const struct finding *check(const char *rule)
{
    findings_free(&world.findings);
    world_check();
    return finding_of(rule);
}

static void draw(void)
{
    findings_free(&world.findings);
    draw_waves();
    world.input.shuffle = false;
}

/* One training image in five: the last of the list, or spread over it. */
static bool is_chosen(int image, bool last)
{
    return image < TRAIN && (last ? image >= TRAIN - TRAIN / 5 : image % 5 == 2);
}

static void brighten(bool last, int levels)
{
    for (int i = 0; i < TRAIN; i++)
        for (int k = 0; k < BYTES && is_chosen(i, last); k++)
            world.pixels[i][k] = (uint8_t)(world.pixels[i][k] + levels);
}

static void roughen(bool last)
{
    for (int i = 0; i < TRAIN; i++)
        for (int k = 0; k < BYTES && is_chosen(i, last); k++) {
            const uint32_t word = random_words(3, RANDOM_TILE, 0, (uint64_t)(i * BYTES + k), 0).word[0];
            world.pixels[i][k] = (uint8_t)(world.pixels[i][k] + word % 61 - 30);
        }
}

static void blank(bool last)
{
    for (int i = 0; i < TRAIN; i++)
        if (is_chosen(i, last))
            memset(world.pixels[i], i % 200, BYTES);
}

static void expect_order(const char *says)
{
    const struct finding *finding = check("order");
    assert_non_null(finding);
    assert_int_equal(finding->severity, SEVERITY_FAULT);
    if (!strstr(finding->text, says))
        fail_msg("%s", finding->text);
    assert_string_equal(finding->action, "set data.shuffle = true");
    world.input.shuffle = true;
    assert_null(check("order"));
}

static void test_differs_along_the_list(void **state)
{
    (void)state;
    draw();
    assert_null(check("order"));
    brighten(true, 40);
    expect_order("along it they differ in brightness");
    draw();
    roughen(true);
    expect_order("along it they differ in texture");
    draw();
    blank(true);
    expect_order("along it they differ in how many are no pictures");
    /* The same spread over the list is no order. */
    draw();
    brighten(false, 40);
    assert_null(check("order"));
    draw();
    roughen(false);
    assert_null(check("order"));
    draw();
    blank(false);
    assert_null(check("order"));
}

/* Of two batches nobody speaks of an order, and batches of single images are all unlike. */
static void test_batches_count(void **state)
{
    (void)state;
    draw();
    brighten(true, 40);
    world.input.batch = 80;
    assert_non_null(check("order"));
    world.input.batch = 81; /* fewer than five batches */
    assert_null(check("order"));
    world.input.batch = 2; /* twice as much as in random order at most */
    assert_null(check("order"));
}

/* Long lists in random order, of two classes, one of them rare: that a place lies by chance where one of its few images
 * is, or several are, is no order. Sorted ones are told all the same, unless it is too rare to say anything. */
static void test_rare_class(void **state)
{
    (void)state;
    enum { LONG = 20000, LISTS = 12 };
    static int32_t list[LONG];
    static const double shares[] = {0.00005, 0.02, 0.3};
    draw();
    world.subset[0].samples = list;
    world.subset[0].count = LONG;
    world.input.limit = 20;
    world.input.batch = 2;
    world.input.shuffle = false;
    for (int i = 0; i < TRAIN; i++)
        world.labels[i] = i > 0;
    for (int k = 0; k < COUNT_OF(shares); k++) {
        int told = 0;
        for (int lists = 0; lists < LISTS; lists++) {
            for (int i = 0; i < LONG; i++) {
                const uint32_t word = random_words(8, RANDOM_TILE, (uint32_t)lists, (uint64_t)i, (uint32_t)k).word[0];
                list[i] = word / 4294967296.0 < shares[k] ? 0 : 1;
            }
            list[lists % 16] = 0; /* one of them lies where the first place is */
            told += check("order") != NULL;
        }
        if (told > 0)
            fail_msg("share %g: %d of %d random lists are told", shares[k], told, LISTS);
        for (int i = 0; i < LONG; i++)
            list[i] = i < LONG * shares[k] ? 0 : 1;
        assert_int_equal(check("order") != NULL, shares[k] > 0.01);
    }
    findings_free(&world.findings);
}

/* Of few images chance alone makes as much of large batches. */
static void test_chance(void **state)
{
    (void)state;
    draw();
    world.input.batch = 80;
    for (world.input.limit = 100; world.input.limit < 120; world.input.limit++)
        assert_null(check("order"));
}

/* Nearly the same picture: grain of one level. */
static void nearly(int image, int of)
{
    for (int k = 0; k < BYTES; k++)
        world.pixels[image][k] = (uint8_t)(world.pixels[of][k] + (k + image) % 2);
}

static void test_near_leak(void **state)
{
    (void)state;
    for (int copies = 4; copies <= 5; copies++) {
        draw();
        world.input.shuffle = true;
        const int before = check("near-leak") != NULL;
        assert_int_equal(before, 0);
        for (int i = 0; i < copies; i++)
            nearly(TRAIN + i, i);
        const struct finding *finding = check("near-leak");
        assert_true((finding != NULL) == (copies == 5)); /* of 100: five in a hundred */
        if (!finding)
            continue;
        assert_int_equal(finding->severity, SEVERITY_WARN);
        assert_non_null(strstr(finding->text, "5 of 100 validation images are nearly equal to a training image"));
        assert_non_null(strstr(finding->action, "split by scene"));
        assert_int_equal(finding->file_total, 10);
        assert_string_equal(finding->files[0], "training sample 0");
        assert_string_equal(finding->files[1], "validation sample 0");
        assert_null(finding_of("near-duplicates")); /* said once */
    }
    /* One of which many are: counted once. */
    for (int i = 0; i < 5; i++)
        nearly(10 + i, 100);
    nearly(TRAIN + 5, 100);
    const struct finding *finding = check("near-leak");
    assert_non_null(finding);
    assert_non_null(strstr(finding->text, "6 of 100"));
    assert_non_null(strstr(finding_of("near-duplicates")->text, "pairs of images of one part"));
    /* Within training alone it is none. */
    draw();
    for (int i = 0; i < 20; i++)
        nearly(i, 100 + i);
    assert_null(check("near-leak"));
    assert_non_null(finding_of("near-duplicates"));
    findings_free(&world.findings);
}

/* A scene of its own for each number, cut so many pixels lower and further right. */
static void scene(int image, int number, int down, int right)
{
    for (int k = 0; k < BYTES; k++) {
        const double y = k / 3 / SIDE + down, x = k / 3 % SIDE + right, a = 0.25 + 0.005 * number,
                     b = 0.35 - 0.005 * number;
        const double light = sin(a * y + number) + sin(b * x + 2.0 * number) + sin(0.7 * b * (x + y) + 3.0 * number);
        world.pixels[image][k] = (uint8_t)(128.0 + 40.0 * light);
    }
}

/* Cut a pixel further, in whatever direction; two pixels are another picture. */
static void test_cut_again(void **state)
{
    (void)state;
    for (int further = 1; further <= 2; further++) {
        draw();
        world.input.shuffle = true;
        for (int i = 0; i < 20; i++) {
            scene(i, i, 3, 3);
            scene(TRAIN + i, i, 3 + further * (i % 3 - 1), 3 + further * (i % 2 ? 1 : -1));
        }
        assert_true((check("near-leak") != NULL) == (further == 1));
    } /* check frees what it found before */
    findings_free(&world.findings);
}

static void test_order(void **state)
{
    (void)state;
    world_make();
    for (int i = 0; i < TRAIN; i++)
        world.labels[i] = i * CLASSES / TRAIN;
    world_check();
    assert_int_equal(world.findings.count, 0);
    findings_free(&world.findings);
    world.input.shuffle = false;
    assert_true(only("order", SEVERITY_FAULT)->evidence[0].value > 10);
    findings_free(&world.findings);
    /* Sorted images are so whatever the batch: of 16 of one class it is 16 on average. */
    for (int batch = 1; batch <= 8; batch *= 2) {
        world.input.batch = batch;
        const double ratio = only("order", SEVERITY_FAULT)->evidence[0].value;
        if (!(ratio > 13.0 && ratio < 16.5)) /* places on an edge have two classes */
            fail_msg("batch %d: %g", batch, ratio);
        findings_free(&world.findings);
    }
    /* A random list read in its order is none. */
    for (int batch = 1; batch <= 64; batch *= 2) {
        world.input.batch = batch;
        for (int i = 0; i < TRAIN; i++)
            world.labels[i] = (int32_t)(random_words(9, RANDOM_TILE, 0, (uint64_t)i, 0).word[0] % CLASSES);
        world_check();
        assert_int_equal(world.findings.count, 0);
        findings_free(&world.findings);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_differs_along_the_list),
        cmocka_unit_test(test_batches_count),
        cmocka_unit_test(test_rare_class),
        cmocka_unit_test(test_chance),
        cmocka_unit_test(test_near_leak),
        cmocka_unit_test(test_cut_again),
        cmocka_unit_test(test_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
