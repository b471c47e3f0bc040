/* test_rules_withheld: rules of what training is not allowed to see, or to show of what it knows. */
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
    run.config.model.dropout = 0.5;
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
    fill(run.val_accuracy, EPOCHS - 2, EPOCHS - 1, 0.96); /* nothing that was missing */
    SILENT("withheld");
    dropped(0.01, 0.15); /* guesses */
    SILENT("withheld");
    dropped(0.2, 0.5); /* training and validation are scored otherwise */
    run.config.train.balance = true;
    SILENT("withheld");
}

/* Where nothing is taken away, that is another matter; of mixed images none is right. */
static void test_of_what_is_set(void **state)
{
    (void)state;
    dropped(0.2, 0.5);
    run.config.model.dropout = 0.0;
    SILENT("withheld");
    run.config.augment.erase = 0.3;
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

/* Smoothed by e, one of ten classes: somebody who knows the label has the entropy of 1 - 0.9 e and nine times e / 10.
 * Of ln 10 that leaves 0.502 at 0.29, 0.489 at 0.3, 0.253 at 0.52, 0.244 at 0.53. */
static void test_softened(void **state)
{
    (void)state;
    healthy();
    fill(run.val_accuracy, EPOCHS - 1, EPOCHS, 0.96); /* nothing else is missing */
    run.config.train.label_smoothing = 0.52;
    SILENT("softened");
    run.config.train.label_smoothing = 0.53;
    SHOWS("softened", CAUSE_REGULARISATION);
    SAYS("softened", "train.label_smoothing = 0.53 leaves 24 % of what the labels say");
    SAYS("softened", "not to be surer of an answer than 52 %");
    healthy(); /* 84 % */
    run.config.train.label_smoothing = 0.1;
    SILENT("softened");
    run.config.train.label_smoothing = 0.29;
    SILENT("softened");
    run.config.train.label_smoothing = 0.3;
    SHOWS("softened", CAUSE_REGULARISATION);
    run.evidence.planned_steps = 2 * STEPS + 1; /* nobody knows yet what will be missing */
    SILENT("softened");
    healthy();
    run.config.augment.mixup = 1.0; /* mixed images alone leave four fifths */
    SILENT("softened");
}

/* Validation with so many points more right than training, of a run that is over. */
static void kept_from(double train_accuracy, double ahead)
{
    healthy();
    fill(run.correct, 0, STEPS, 64.0 * train_accuracy);
    fill(run.val_accuracy, 0, EPOCHS, train_accuracy + ahead);
    run.evidence.over = true;
}

static void erases(double shift, double share, double from, double to)
{
    run.config.augment.translate = shift;
    run.config.augment.erase = share;
    run.config.augment.erase_area[0] = from, run.config.augment.erase_area[1] = to;
    run.config.augment.erase_area_count = 2;
}

static void test_too_little_of_an_image(void **state)
{
    (void)state;
    kept_from(0.7, 0.0);
    erases(0.0, 0.9, 0.4, 0.7); /* 0.9 of 0.55 is taken: 0.505 are left */
    SILENT("too_much");
    erases(0.0, 0.95, 0.4, 0.7); /* 0.478 */
    SHOWS("too_much", CAUSE_REGULARISATION);
    SAYS("too_much", "leaves 48 % of each image on average");
    erases(0.4, 0.5, 0.4, 0.6); /* 0.8 of each side, three quarters of that */
    SHOWS("too_much", CAUSE_REGULARISATION);
    erases(0.3, 0.5, 0.4, 0.6);
    SILENT("too_much");
    kept_from(0.7, -0.1); /* something to hold back: 3.5 of 0.0156 */
    erases(0.0, 0.95, 0.4, 0.7);
    SILENT("too_much");
    fill(run.val_accuracy, EPOCHS - 2, EPOCHS - 1, 0.7); /* at one moment */
    SHOWS("too_much", CAUSE_REGULARISATION);
    kept_from(0.7, -0.3); /* validation never sees so little of an image */
    run.config.augment.crop_area[0] = 0.05, run.config.augment.crop_area[1] = 0.2;
    run.config.augment.crop_area_count = 2;
    SHOWS("too_much", CAUSE_REGULARISATION);
    run.config.augment.crop_area[0] = 0.08, run.config.augment.crop_area[1] = 1.0; /* as usual */
    SILENT("too_much");
}

/* From 0.3 to 1.5: of the smaller ones 0.7 * 0.463, of the larger ones 0.5 * 0.667, of a width of 1.2: 0.548. */
static void test_too_little_of_a_zoomed_image(void **state)
{
    (void)state;
    static const struct {
        double low, high, translate;
        bool shows;
    } cases[] = {
        {0.3, 1.5, 0.0, false}, {0.3, 1.5, 0.1, true}, /* 0.548, times 0.9025: 0.494 */
        {0.7, 0.7, 0.1, true},  {0.75, 0.75, 0.0, false}, {1.5, 1.5, 0.0, true},
        {0.8, 1.2, 0.0, false}, {1.0, 3.0, 0.0, true}, /* a third */
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        kept_from(0.7, 0.0);
        run.config.augment.translate = cases[i].translate;
        run.config.augment.scale[0] = cases[i].low, run.config.augment.scale[1] = cases[i].high;
        run.config.augment.scale_count = 2;
        if (cases[i].shows)
            SHOWS("too_much", CAUSE_REGULARISATION);
        else
            SILENT("too_much");
    }
    SAYS("too_much", "leaves 33 % of each image on average");
}

static void test_too_few_units(void **state)
{
    (void)state;
    kept_from(0.7, 0.06);
    run.config.model.dropout = 0.5;
    SILENT("too_much");
    run.config.model.dropout = 0.51;
    SHOWS("too_much", CAUSE_REGULARISATION);
    SAYS("too_much", "dropout of 0.51 leaves 49 % of the units in training: 70.0 % of its images");
    kept_from(0.7, 0.05); /* 3.5 of 0.0153 are 0.0537 */
    run.config.model.dropout = 0.8;
    SILENT("too_much");
    kept_from(0.1, 0.0); /* nothing is learned with so few */
    run.config.model.dropout = 0.8;
    SHOWS("too_much", CAUSE_REGULARISATION);
}

/* Where nothing is missing nothing was taken, and what is known by heart was not kept from the network. */
static void test_where_nothing_is_taken(void **state)
{
    (void)state;
    kept_from(0.9, 0.06);
    run.config.model.dropout = 0.8;
    SILENT("too_much");
    fill(run.val_accuracy, 0, EPOCHS, 0.94);
    SHOWS("too_much", CAUSE_REGULARISATION);
    kept_from(0.96, -0.02);
    erases(0.0, 0.95, 0.4, 0.7);
    SILENT("too_much");
    kept_from(0.7, 0.0);
    erases(0.0, 0.95, 0.4, 0.7);
    run.evidence.over = false;
    run.evidence.planned_steps = 2 * STEPS + 1;
    SILENT("too_much");
    run.evidence.over = true;
    run.evidence.epochs = 1;
    SILENT("too_much");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_withheld),
        cmocka_unit_test(test_of_what_is_set),
        cmocka_unit_test(test_when),
        cmocka_unit_test(test_softened),
        cmocka_unit_test(test_too_little_of_an_image),
        cmocka_unit_test(test_too_little_of_a_zoomed_image),
        cmocka_unit_test(test_too_few_units),
        cmocka_unit_test(test_where_nothing_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
