/* test_rules_by_heart: rules of images that are learned by heart: every threshold from both sides. */
#include "drawn_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* All learned by heart from the first epoch on, and validation as it is: the first is the best yet, the third the
 * second one that is no better. The standard error of a loss of 0.8 over 2000 images is 0.0179. */
static void test_overfitting(void **state)
{
    (void)state;
    worse(0.99, 0.1, 0.8);
    SHOWS("overfitting", CAUSE_OVERFITTING);
    assert_int_equal(shown("overfitting")->step, 299);
    SAYS("overfitting",
         "validation: loss 0.8 after 0.7 at its best, accuracy 80.0 %; in the last two epochs 0.8 and 0.8");
    worse(0.945, 0.1, 0.8); /* not by heart, however much worse validation gets */
    fill(run.val_loss, 2, EPOCHS, 1.6);
    SILENT("overfitting");
    worse(0.955, 0.1, 0.8);
    SHOWS("overfitting", CAUSE_OVERFITTING);
    worse(0.99, 0.1, 0.9); /* nine points */
    SILENT("overfitting");
    worse(0.99, 0.1, 0.88);
    SHOWS("overfitting", CAUSE_OVERFITTING);
    run.evidence.val_images = 60; /* eleven points, 2.6 standard errors */
    SILENT("overfitting");
    worse(0.99, 0.79, 0.8);
    SHOWS("overfitting", CAUSE_OVERFITTING);
    worse(0.99, 0.81, 0.8); /* the loss, which label smoothing raises, is not behind */
    SILENT("overfitting");
}

/* A network that knows all its images and is at its best on others has lost nothing. */
static void test_overfitting_comes_back(void **state)
{
    (void)state;
    worse(0.99, 0.1, 0.8);
    run.val_loss[EPOCHS - 1] = 0.715; /* at its best again, within its error of 0.016 */
    SILENT("overfitting");
    SHOWS("gap", CAUSE_OVERFITTING);
    run.val_loss[EPOCHS - 1] = 0.719;
    SHOWS("overfitting", CAUSE_OVERFITTING);
    run.val_loss[EPOCHS - 2] = 0.715;
    SILENT("overfitting");
    worse(0.99, 0.1, 0.8);
    fill(run.val_loss_error, 0, EPOCHS, 0.11); /* where it is known it counts */
    SILENT("overfitting");
    fill(run.val_loss_error, 0, EPOCHS, 0.09);
    SHOWS("overfitting", CAUSE_OVERFITTING);
    for (int e = 0; e < EPOCHS; e++) /* getting better all the time */
        run.val_loss[e] = 0.8 - 0.01 * e;
    SILENT("overfitting");
}

/* Weights that jump: one epoch says less than its images. Jumps of 0.1 beside an error of 0.016. */
static void test_overfitting_among_jumps(void **state)
{
    (void)state;
    for (int jumps = 0; jumps < 2; jumps++) {
        worse(0.99, 0.1, 0.8);
        fill(run.val_loss, 0, EPOCHS, 0.78);
        run.val_loss[0] = 0.7;
        for (int e = 1; jumps && e < EPOCHS; e += 2)
            run.val_loss[e] = 0.88;
        if (jumps)
            SILENT("overfitting");
        else
            SHOWS("overfitting", CAUSE_OVERFITTING);
    }
}

/* A new best, beyond 3.5 standard errors of 0.02, takes back what two epochs before it had shown. */
static void test_overfitting_taken_back(void **state)
{
    (void)state;
    worse(0.99, 0.1, 0.8);
    fill(run.val_loss_error, 0, EPOCHS, 0.02);
    const double losses[EPOCHS] = {0.7, 0.8, 0.8, 0.62, 0.9, 0.9};
    memcpy(run.val_loss, losses, sizeof losses);
    SHOWS("overfitting", CAUSE_OVERFITTING);
    assert_int_equal(shown("overfitting")->step, 599); /* not the third epoch's */
    run.val_loss[3] = 0.64;
    assert_int_equal(shown("overfitting")->step, 299);
}

/* Guessing is 2.3026; 3.5 standard errors of 0.02 above are 2.3726. */
static void test_worthless(void **state)
{
    (void)state;
    part(0.7, 1.0, 0.2, 2.38);
    fill(run.val_loss_error, 0, EPOCHS, 0.02);
    run.val_loss[3] = 2.375;
    SHOWS("worthless", CAUSE_OVERFITTING);
    SAYS("worthless", "validation's loss is 2.38 at its best, above guessing (2.3), where training's is 1");
    assert_int_equal(shown("worthless")->step, 399);
    SILENT("gap");
    run.val_loss[3] = 2.37; /* once it was not */
    SILENT("worthless");
    run.val_loss[3] = 2.38;
    run.evidence.epochs = 1; /* too early to say */
    SILENT("worthless");
    run.evidence.epochs = 2;
    SHOWS("worthless", CAUSE_OVERFITTING);
    part(0.7, 0.96 * guess, 0.2, 3.0); /* nothing learned */
    SILENT("worthless");
    part(0.3, 1.0, 0.21, 3.0); /* nine points */
    SILENT("worthless");
}

/* A difference that nothing says can be mended is a note, and no verdict. */
static void test_gap(void **state)
{
    (void)state;
    struct symptom found[CAUSE_COUNT];
    part(0.8, 0.6, 0.69, 0.9);
    SHOWS("gap", CAUSE_OVERFITTING);
    SAYS("gap", "80.0 % of the training images are right and 69.0 % of validation's, 11.0 +- 1.4 points less");
    int count = doctor_examine(&run.evidence, found);
    assert_true(count == 1 && found[0].note && !symptom_speaks(&found[0]));
    assert_ptr_equal(doctor_note(found, count), &found[0]);
    assert_int_equal(doctor_cause(found, count), CAUSE_HEALTHY);
    fill(run.val_accuracy, EPOCHS - 1, EPOCHS, 0.71); /* the last epoch counts */
    SILENT("gap");
    part(0.8, 0.6, 0.69, 0.9);
    run.evidence.val_images = 150; /* 2.8 standard errors */
    SILENT("gap");
    part(0.8, 0.6, 0.69, 0.9);
    run.config.optim.weight_decay = 1.0; /* what has a cause is its consequence */
    fill(run.update, 5, 8, 10.0);
    run.loss[6] = 3.0;
    SHOWS("large_steps", CAUSE_WEIGHT_DECAY);
    SILENT("gap");
    worse(0.99, 0.1, 0.8);
    SILENT("gap");
    count = doctor_examine(&run.evidence, found);
    assert_null(doctor_note(found, count));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_overfitting),
        cmocka_unit_test(test_overfitting_comes_back),
        cmocka_unit_test(test_overfitting_among_jumps),
        cmocka_unit_test(test_overfitting_taken_back),
        cmocka_unit_test(test_worthless),
        cmocka_unit_test(test_gap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
