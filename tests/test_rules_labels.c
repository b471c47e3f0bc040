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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_of_a_loss_that_stands),
        cmocka_unit_test(test_not_without_a_loss_that_stands),
        cmocka_unit_test(test_certain),
        cmocka_unit_test(test_order_and_near_copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
