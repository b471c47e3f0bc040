/* test_long_past: most of a run in which training came further and validation did not. */
#include "found_images.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka wants the standard headers first */
#include <cmocka.h>

enum { LONG = 12, LENGTH = STEPS / LONG };
static double val_loss[LONG], val_accuracy[LONG], val_error[LONG], best[LONG];

/* Twelve epochs: validation is at its best after the third, 0.80 and 70 % right, then at 0.82; training goes on from
 * 0.4 to 0.2, 94 % right. */
static void make(void)
{
    healthy();
    run.evidence.over = true;
    run.evidence.epochs = LONG;
    run.evidence.val_loss = val_loss;
    run.evidence.val_accuracy = val_accuracy;
    run.evidence.val_loss_error = val_error;
    run.evidence.best = best;
    for (int t = 0; t < STEPS; t++) {
        const int epoch = t / LENGTH;
        run.epoch[t] = 1 + epoch;
        run.loss[t] = (epoch < 3 ? 1.0 : epoch < 6 ? 0.4 : 0.2) + 0.01 * jitter(t);
        run.correct[t] = 64.0 * (epoch < 3 ? 0.7 : 0.94);
        run.variance[t] = 0.1;
    }
    for (int e = 0; e < LONG; e++) {
        val_loss[e] = e < 2    ? 1.0
                      : e == 2 ? 0.8
                               : 0.82; /* 1000 images: an error of 0.03, so that it is none the worse */
        val_accuracy[e] = e < 2 ? 0.6 : e == 2 ? 0.70 : 0.72;
        val_error[e] = 0.03;
        best[e] = e <= 2;
    }
    run.evidence.val_images = 1000;
}

static void test_shows(void **state)
{
    (void)state;
    make();
    SHOWS("long_past", CAUSE_OVERFITTING);
    assert_false(shown("long_past")->note);
    SAYS("long_past",
         "lowest after epoch 3 of 12 (0.8, 70.0 % right) and no lower since, while training's fell from 0.4 "
         "to 0.2; in the end 94.0 % of the training images are right and 72.0 % of validation's");
}

static void test_silent(void **state)
{
    (void)state;
    make();
    val_loss[3] = 0.79; /* a third of the run */
    SILENT("long_past");
    make();
    for (int t = 6 * LENGTH; t < STEPS; t++)
        run.loss[t] = 0.35; /* by 12 % */
    SILENT("long_past");
    make();
    fill(run.variance, 0, STEPS, 300.0); /* errors of 0.31 and 0.18 */
    SILENT("long_past");
    make();
    fill(val_accuracy, 3, LONG, 0.78); /* 8 points more, 3.5 errors are 6.5 */
    SILENT("long_past");
    make();
    fill(val_accuracy, 2, LONG, 0.86); /* 8 points behind */
    SILENT("long_past");
    make();
    run.evidence.over = false;
    SILENT("long_past");
    make();
    fill(val_loss, 0, LONG, 3.5); /* guessing has 2.3: of no use at its best */
    fill(val_loss, 2, 3, 3.4);
    SILENT("long_past");
    make();
    val_loss[0] = 0.79, val_accuracy[0] = 0.7;
    run.evidence.epochs = 8;
    SHOWS("long_past", CAUSE_OVERFITTING);
    run.evidence.epochs = 7; /* too few to say */
    SILENT("long_past");
}

/* 22 points behind, which odd images a tenth of either part do not explain and a third of them would. */
static void test_beside_odd_images(void **state)
{
    (void)state;
    struct symptom *odd = &run.evidence.images[0];
    make();
    find_images("outliers");
    strcpy(odd->numbers[0].name, "share"), odd->numbers[0].value = 0.1;
    strcpy(odd->numbers[1].name, "val"), odd->numbers[1].value = 0.1;
    odd->number_count = 2;
    expect(CAUSE_OVERFITTING, "long_past");
    odd->numbers[1].value = 0.3;
    expect(CAUSE_OUTLIERS, "outliers");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_shows), cmocka_unit_test(test_silent),
                                       cmocka_unit_test(test_beside_odd_images)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
