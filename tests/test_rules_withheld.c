/* test_rules_withheld: the rule that sees more right on validation than training is allowed to show. */
#include "drawn_run.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Accuracies alike in each epoch, of a run with dropout that is over. */
static void dropped(double train_accuracy, double val_accuracy)
{
    healthy();
    fill(run.correct, 0, STEPS, 64.0 * train_accuracy);
    fill(run.val_accuracy, 0, EPOCHS, val_accuracy);
    run.config.model.dropout = 0.9;
    run.evidence.over = true;
}

static void test_withheld(void **state)
{
    (void)state;
    dropped(0.2, 0.5);
    SHOWS("withheld", CAUSE_REGULARISATION);
    SAYS("withheld", "50.0 % of the validation images are right, where nothing is taken away, and 20.0 %");
    /* 1600 images of training's last quarter, 2000 of validation: 0.0229, 3.5 of them 0.080 */
    dropped(0.2, 0.47);
    SILENT("withheld");
    dropped(0.2, 0.49);
    SHOWS("withheld", CAUSE_REGULARISATION);
    fill(run.val_accuracy, EPOCHS - 2, EPOCHS - 1, 0.4); /* once is chance */
    SILENT("withheld");
    dropped(0.2, 0.5);
    fill(run.val_accuracy, 0, 1, 0.96); /* nothing that was missing */
    SILENT("withheld");
    dropped(0.01, 0.15); /* guesses */
    SILENT("withheld");
}

/* Where nothing is taken away, that is another matter; of mixed images none is right. */
static void test_of_what_is_set(void **state)
{
    (void)state;
    dropped(0.2, 0.5);
    run.config.model.dropout = 0.0;
    SILENT("withheld");
    run.config.augment.erase = 0.9;
    SHOWS("withheld", CAUSE_REGULARISATION);
    run.config.augment.cutmix = 1.0;
    SILENT("withheld");
    run.config.augment.cutmix = 0.0;
    run.config.augment.mixup = 1.0;
    SILENT("withheld");
}

/* Halfway through it is early enough, and before it is too early. */
static void test_when(void **state)
{
    (void)state;
    dropped(0.2, 0.5);
    run.evidence.over = false;
    run.evidence.planned_steps = 2 * STEPS;
    SHOWS("withheld", CAUSE_REGULARISATION);
    run.evidence.planned_steps = 2 * STEPS + 1;
    SILENT("withheld");
    run.evidence.over = true;
    run.evidence.epochs = 1;
    SILENT("withheld");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_withheld),
        cmocka_unit_test(test_of_what_is_set),
        cmocka_unit_test(test_when),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
