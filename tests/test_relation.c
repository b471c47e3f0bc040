/* test_relation: labels that have nothing to do with the images, found without training; and what differs along a
 * list that is not shuffled. */
#include "drawn_images.h"
#include "text.h"

#include <math.h>

static double number(const struct finding *finding, const char *name)
{
    for (int i = 0; i < finding->evidence_count; i++)
        if (strcmp(finding->evidence[i].name, name) == 0)
            return finding->evidence[i].value;
    fail_msg("no %s", name);
    return NAN;
}

/* Grain, brighter in a corner of its class's; strength: of 255 levels. */
static void draw(int strength)
{
    world_make();
    for (int i = 0; i < COUNT; i++)
        for (int k = 0; k < BYTES; k++) {
            const int x = k / 3 % SIDE / (SIDE / 2), y = k / 3 / SIDE / (SIDE / 2);
            if (2 * y + x == world.labels[i])
                world.pixels[i][k] = (uint8_t)(world.pixels[i][k] + strength);
        }
}

/* Every label becomes that of another image: dealt out anew. */
static void deal(int from, int to)
{
    for (int i = to - 1; i > from; i--) {
        const uint32_t draw = random_words(5, RANDOM_TILE, 1, (uint64_t)i, 0).word[0];
        const int other = from + (int)random_below(draw, (uint32_t)(i - from + 1));
        const int32_t kept = world.labels[i];
        world.labels[i] = world.labels[other];
        world.labels[other] = kept;
    }
}

static void test_labels_that_tell(void **state)
{
    (void)state;
    draw(40);
    world_check();
    assert_null(finding_of("unrelated"));
    findings_free(&world.findings);
}

static void test_training_labels_dealt_out(void **state)
{
    (void)state;
    draw(40);
    deal(0, TRAIN);
    world_check();
    const struct finding *finding = finding_of("unrelated");
    assert_non_null(finding);
    assert_int_equal(finding->severity, SEVERITY_FAULT);
    assert_non_null(strstr(finding->text, "the training labels say nothing about the images"));
    assert_non_null(strstr(finding->action, "list and files are in step"));
    assert_true(fabs(number(finding, "told")) < 0.1);
    assert_true(number(finding, "val_told") > 0.9);
    /* 400 images of 4 classes, each called about as often: 2 * 400 * 0.25 * 0.75 is 150. */
    assert_true(fabs(number(finding, "error") - sqrt(150.0) / 300.0) < 0.002);
    findings_free(&world.findings);
}

/* Each image as bright as its class, and a corner of it brighter. */
static void light_classes(void)
{
    draw(40);
    for (int i = 0; i < COUNT; i++)
        for (int k = 0; k < BYTES; k++)
            world.pixels[i][k] = (uint8_t)(world.pixels[i][k] / 2 + 40 * world.labels[i]);
}

/* Of labels that say nothing images of a class differ as those of all do: light is not to blame, nor to be mended. */
static void test_no_light_without_classes(void **state)
{
    (void)state;
    light_classes();
    world_check();
    assert_null(finding_of("brightness"));
    findings_free(&world.findings);
    light_classes();
    deal(0, TRAIN);
    world_check();
    assert_int_equal(finding_of("unrelated")->severity, SEVERITY_FAULT);
    assert_true(!finding_of("brightness") && !finding_of("illumination") && !finding_of("shading") &&
                !finding_of("background"));
    findings_free(&world.findings);
    light_classes(); /* a good part of them: classes are left */
    deal(0, 3 * TRAIN / 4);
    world_check();
    assert_true(!finding_of("unrelated") && finding_of("brightness"));
    findings_free(&world.findings);
}

/* A good part of the labels may be wrong, and others may be told: not this. */
static void test_half_of_the_labels(void **state)
{
    (void)state;
    draw(40);
    deal(0, TRAIN / 2);
    world_check();
    assert_null(finding_of("unrelated"));
    findings_free(&world.findings);
}

/* Neither part is told: worth a note where it is known well enough, as of ten classes, else nothing. */
static void test_neither_told(void **state)
{
    (void)state;
    static const char *ten[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};
    draw(0);
    world_check();
    assert_null(finding_of("unrelated")); /* 3.5 standard errors are 0.14 of what there is to tell */
    findings_free(&world.findings);
    draw(0);
    for (int i = 0; i < COUNT; i++)
        world.labels[i] = i % 10;
    for (int part = 0; part < 2; part++) {
        world.data[part].class_count = 10;
        world.data[part].class_names = ten;
    }
    for (int i = 0; i < COUNT; i++) /* brighter or darker each, whatever it is */
        for (int k = 0; k < BYTES; k++)
            world.pixels[i][k] =
                (uint8_t)(world.pixels[i][k] / 16 + random_words(6, RANDOM_TILE, 2, (uint64_t)i, 0).word[0] % 230);
    world_check();
    assert_non_null(strstr(finding_of("brightness")->action, "see first whether list and files are in step"));
    const struct finding *finding =
        finding_of("unrelated"); /* sqrt(2 * 400 * 0.1 * 0.9) of 360: 3.5 of them are 0.082 */
    assert_non_null(finding);
    assert_int_equal(finding->severity, SEVERITY_INFO);
    assert_non_null(strstr(finding->text, "no simple figure of the images goes with the labels"));
    findings_free(&world.findings);
    world.input.val = NULL;
    world_check();
    finding = finding_of("unrelated");
    assert_non_null(finding);
    assert_null(strstr(finding->text, "validation"));
    findings_free(&world.findings);
    world.input.limit = 250; /* 0.104 */
    world_check();
    assert_null(finding_of("unrelated"));
    findings_free(&world.findings);
}

/* Two halves of a part that has no image twice in its class: nothing to ask. */
static void test_few(void **state)
{
    (void)state;
    draw(40);
    world.data[0].count = world.subset[0].count = 1;
    world.subset[1].count = 1;
    world_check();
    assert_null(finding_of("unrelated"));
    findings_free(&world.findings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_labels_that_tell),
        cmocka_unit_test(test_training_labels_dealt_out),
        cmocka_unit_test(test_half_of_the_labels),
        cmocka_unit_test(test_neither_told),
        cmocka_unit_test(test_few),
        cmocka_unit_test(test_no_light_without_classes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
