/* test_rules_labels: labels that have nothing to do with the images, as a cause of a loss that stands. */
#include "drawn_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct symptom found[CAUSE_COUNT];

static void expect(enum cause cause, const char *rule)
{
    const int count = doctor_examine(&run.evidence, found);
    assert_string_equal(cause_table[doctor_cause(found, count)].name, cause_table[cause].name);
    assert_string_equal(found[0].rule, rule);
}

static void note(void)
{
    strcpy(run.evidence.unrelated, "no simple figure of the images goes with the labels");
}

/* What the steps are like is no matter where there is nothing to learn. */
static void test_first_of_a_loss_that_stands(void **state)
{
    (void)state;
    stand(1.0);
    expect(CAUSE_NO_SIGNAL, "stuck");
    stand(1.0);
    note();
    expect(CAUSE_LABELS, "labels_unrelated");
    SAYS("labels_unrelated", "guessing by the class shares, and no simple figure of the images");
    assert_non_null(strstr(symptom_action(&found[0], &run.config), "list and files are in step"));
    stand(1.0);
    note();
    fill(run.update, 0, STEPS, 1e-5); /* steps too short would be, too */
    expect(CAUSE_LABELS, "labels_unrelated");
}

/* A loss that falls has found what no simple figure tells; units that are dead, gradients that do not come back and a
 * loss far above guessing stand for their own reasons. */
static void test_not_without_a_loss_that_stands(void **state)
{
    (void)state;
    healthy();
    note();
    SILENT("labels_unrelated");
    stand(1.2);
    note();
    SILENT("labels_unrelated");
    stand(1.0);
    note();
    run.evidence.layers.measured = true;
    strcpy(run.evidence.layers.first_layer, "conv1");
    run.evidence.layers.first_grad = 1e-6;
    run.evidence.layers.last_grad = 1.0;
    SILENT("labels_unrelated");
    run.evidence.layers.first_grad = 0.1;
    SHOWS("labels_unrelated", CAUSE_LABELS);
    run.evidence.layers.dead_share = 0.96;
    SILENT("labels_unrelated");
}

/* Found in the images for certain it is the cause of whatever shows, and nothing else that the run says is to be done.
 */
static void test_certain(void **state)
{
    (void)state;
    static void (*const courses[])(void) = {healthy, NULL};
    for (int i = 0; i < 2; i++) {
        courses[i] ? courses[i]() : stand(1.0);
        assert_true(doctor_image(&run.evidence.images[run.evidence.image_count++], "unrelated"));
        expect(CAUSE_LABELS, "unrelated");
        assert_non_null(strstr(symptom_action(&found[0], &run.config), "list and files are in step"));
    }
    healthy();
    stride(5);
    assert_true(doctor_image(&run.evidence.images[run.evidence.image_count++], "unrelated"));
    expect(CAUSE_LABELS, "unrelated");
    healthy(); /* whatever else was found in them, and before it */
    static const char *const others[] = {"leak", "conflicting-labels", "mismatch"};
    for (int i = 0; i < 3; i++)
        assert_true(doctor_image(&run.evidence.images[run.evidence.image_count++], others[i]));
    run.evidence.images[0].numbers[0].value = 2.0; /* training alone */
    strcpy(run.evidence.images[0].numbers[0].name, "apart");
    run.evidence.images[0].number_count = 1;
    assert_true(doctor_image(&run.evidence.images[run.evidence.image_count++], "unrelated"));
    expect(CAUSE_LABELS, "unrelated");
    healthy(); /* a part of them wrong is another matter */
    assert_true(doctor_image(&run.evidence.images[run.evidence.image_count++], "conflicting-labels"));
    doctor_examine(&run.evidence, found);
    assert_string_equal(symptom_action(&found[0], &run.config), cause_action(CAUSE_LABELS, &run.config));
}

/* Of two that are found in the images, the setting comes before what sets training's images apart; near copies are the
 * verdict of a run where nothing else shows. */
static void test_order_and_near_copies(void **state)
{
    (void)state;
    healthy();
    struct symptom *odd = &run.evidence.images[0];
    assert_true(doctor_image(odd, "outliers"));
    strcpy(odd->numbers[0].name, "apart"), odd->numbers[0].value = 2.0;
    odd->number_count = 1;
    run.evidence.image_count = 1;
    expect(CAUSE_OUTLIERS, "outliers");
    assert_true(doctor_image(&run.evidence.images[run.evidence.image_count++], "order"));
    expect(CAUSE_ORDER, "order");
    healthy();
    assert_true(doctor_image(&run.evidence.images[run.evidence.image_count++], "near-leak"));
    expect(CAUSE_LEAKAGE, "near-leak");
    assert_non_null(strstr(symptom_action(&found[0], &run.config), "split by scene"));
    stride(5);
    assert_true(doctor_image(&run.evidence.images[run.evidence.image_count++], "near-leak"));
    expect(CAUSE_RATE_HIGH, "large_steps");
}

/* Of 200 images of a pair among 500, so many are called one of the two and so many right; of the others 81 %. */
static void pair(int64_t either, int64_t right, int64_t less)
{
    healthy();
    run.evidence.over = true;
    run.evidence.train_images = 5000;
    run.train_accuracy[EPOCHS - 1] = 0.8;
    run.evidence.called[CALLED_LAST] = (struct called_evidence){
        .epoch = EPOCHS - 1, .images = 500, .right = right + 243, .pair = {"left", "right", 200, either, right, less}};
}

static void test_twins(void **state)
{
    (void)state;
    pair(190, 95, 40);
    SHOWS("twins", CAUSE_LABELS);
    SAYS("twins", "of 190 validation images of 'left' and 'right' that are called one of the two 95 are right");
    SAYS("twins", "of one kind under two names");
    const int count = doctor_examine(&run.evidence, found);
    assert_int_equal(doctor_cause(found, count), CAUSE_LABELS);
    assert_non_null(strstr(symptom_action(&found[0], &run.config), "make one class of them"));
    run.config.augment.hflip = 0.5;
    SHOWS("twins", CAUSE_REGULARISATION);
    SAYS("twins", "augment.hflip may make one of the other");
    const int noted = doctor_examine(&run.evidence, found);
    assert_int_equal(doctor_cause(found, noted), CAUSE_HEALTHY); /* a note */
    assert_string_equal(doctor_noted(found, noted), PAIR_TITLE);
    run.config.augment.hflip = 0.0;
    run.train_accuracy[EPOCHS - 1] = 0.89; /* of a pair guessed in training a quarter of 40 %: 0.9, and its errors */
    SILENT("twins");
    run.train_accuracy[EPOCHS - 1] = 0.88;
    SHOWS("twins", CAUSE_LABELS);
    run.evidence.over = false;
    SILENT("twins");
    static const int64_t told[][3] = {
        {159, 80, 40},  /* called something else, too */
        {190, 109, 40}, /* told better than by chance, by two standard errors */
        {190, 81, 40},  /* or worse: exchanged */
        {190, 95, 23},  /* all called the one */
        {44, 22, 15},   /* of fewer nobody knows */
        {5, 1, 1},      /* nor where there are fewer right ones */
    };
    for (int i = 0; i < COUNT_OF(told); i++) {
        pair(told[i][0], told[i][1], told[i][2]);
        if (i >= 4)
            run.evidence.called[CALLED_LAST].pair.images = told[i][0] + 1;
        SILENT("twins");
    }
    pair(190, 108, 40);
    SHOWS("twins", CAUSE_LABELS);
    run.evidence.called[CALLED_LAST].right = 108 + 239; /* the others are hard to tell, too */
    SILENT("twins");
    pair(190, 108, 40);
    run.evidence.classes = 2; /* is guessing, and said as such */
    SILENT("twins");
}

/* Images turned on their heads, and a loss that stands: asked before steps that are hardly short, and not before those
 * that are short by far. */
static void test_turned_before_short_steps(void **state)
{
    (void)state;
    static const double wholes[] = {0.64, 0.3};
    for (int i = 0; i < COUNT_OF(wholes); i++) {
        creep(wholes[i], 1.0);
        fill(run.correct, 0, STEPS, 6.4);
        fill(run.val_accuracy, 0, EPOCHS, 0.1);
        run.config.augment.rotate = 180.0;
        run.evidence.layers.measured = true;
        strcpy(run.evidence.layers.first_layer, "conv1");
        run.evidence.layers.first_grad = run.evidence.layers.last_grad = 1.0;
        SHOWS("stuck", CAUSE_REGULARISATION);
        SAYS("stuck", "images are turned over");
        SHOWS("small_steps", CAUSE_RATE_LOW);
        expect(i == 0 ? CAUSE_REGULARISATION : CAUSE_RATE_LOW, i == 0 ? "stuck" : "small_steps");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_of_a_loss_that_stands),
        cmocka_unit_test(test_not_without_a_loss_that_stands),
        cmocka_unit_test(test_certain),
        cmocka_unit_test(test_order_and_near_copies),
        cmocka_unit_test(test_twins),
        cmocka_unit_test(test_turned_before_short_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
