/* test_check: clean images give no finding; each planted fault gives the one it should, and only that. */
#include "check.h"
#include "random.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the standard headers first */
#include <cmocka.h>

enum { SIDE = 16, BYTES = SIDE * SIDE * 3, TRAIN = 400, VAL = 100, COUNT = TRAIN + VAL, CLASSES = 4 };

static struct world {
    uint8_t pixels[COUNT][BYTES];
    int32_t labels[COUNT], samples[COUNT];
    struct dataset data[2];
    struct subset subset[2];
    struct check_input input;
    struct findings findings;
} world;
static const char *names[CLASSES] = {"a", "b", "c", "d"};

static void part_make(int part, int first, int count)
{
    struct dataset *data = &world.data[part];
    *data = (struct dataset){.image = {1, SIDE, SIDE, 3}, .count = count, .class_count = CLASSES, .class_names = names};
    data->pixels = world.pixels[first];
    data->labels = world.labels + first;
    world.subset[part] = (struct subset){data, world.samples, count};
}

/* Noise about a level; classes in turn. */
static void world_make(void)
{
    memset(&world, 0, sizeof world);
    for (int i = 0; i < COUNT; i++) {
        world.labels[i] = i % CLASSES;
        world.samples[i] = i;
        for (int k = 0; k < BYTES; k++)
            world.pixels[i][k] =
                (uint8_t)(64 + random_words(1, RANDOM_TILE, 0, (uint64_t)(i * BYTES + k), 0).word[0] % 128);
    }
    part_make(0, 0, TRAIN);
    part_make(1, TRAIN, VAL);
    world.input = (struct check_input){.train = &world.subset[0],
                                       .val = &world.subset[1],
                                       .mean = {0.5, 0.5, 0.5},
                                       .std = {0.15, 0.15, 0.15},
                                       .shuffle = true,
                                       .seed = 3,
                                       .batch = 16};
}

static void world_check(void)
{
    assert_int_equal(check_images(&world.findings, &world.input), OK);
}

/* The one finding there is. */
static const struct finding *only(const char *name, enum severity severity)
{
    world_check();
    for (int i = 0; i < world.findings.count; i++)
        if (strcmp(world.findings.list[i].name, name) != 0)
            fail_msg("%s: also %s", name, world.findings.list[i].name);
    assert_int_equal(world.findings.count, 1);
    assert_int_equal(world.findings.list[0].severity, severity);
    assert_true(world.findings.list[0].text && world.findings.list[0].action);
    return &world.findings.list[0];
}

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

static void test_copies(void **state)
{
    (void)state;
    world_make();
    memcpy(world.pixels[8], world.pixels[4], BYTES);
    const struct finding *finding = only("duplicates", SEVERITY_INFO);
    assert_int_equal(finding->file_total, 2);
    assert_string_equal(finding->files[0], "training sample 4");
    findings_free(&world.findings);
    world_make();
    memcpy(world.pixels[9], world.pixels[4], BYTES);
    only("conflicting-labels", SEVERITY_WARN);
    findings_free(&world.findings);
    world_make();
    memcpy(world.pixels[TRAIN + 4], world.pixels[4], BYTES);
    finding = only("leak", SEVERITY_FAULT);
    assert_string_equal(finding->files[1], "validation sample 4");
    assert_true(finding->evidence[0].value == 1);
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

static void test_values(void **state)
{
    (void)state;
    world_make();
    for (int c = 0; c < 3; c++)
        world.input.mean[c] = 0.5, world.input.std[c] = 0.02;
    assert_true(only("normalisation", SEVERITY_FAULT)->evidence[1].value > 4);
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
    world_make();
    for (int i = TRAIN; i < COUNT; i++)
        for (int k = 0; k < BYTES; k++)
            world.pixels[i][k] = (uint8_t)(world.pixels[i][k] + 20);
    only("mismatch", SEVERITY_WARN);
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
}

static void test_skipped(void **state)
{
    (void)state;
    static const char *skipped[] = {"x.png: truncated"};
    world_make();
    world.data[0].skipped = skipped;
    world.data[0].skipped_count = 1;
    assert_string_equal(only("unreadable", SEVERITY_WARN)->files[0], skipped[0]);
    findings_free(&world.findings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clean),   cmocka_unit_test(test_copies), cmocka_unit_test(test_near_copies),
        cmocka_unit_test(test_classes), cmocka_unit_test(test_values), cmocka_unit_test(test_order),
        cmocka_unit_test(test_skipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
