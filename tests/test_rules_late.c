/* test_rules_late: the same for the rules that set training against validation, and for what autopilot asks. */
#include "drawn_run.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- what autopilot asks ---- */

static void test_diverged(void **state)
{
    (void)state;
    struct symptom symptom;
    healthy();
    assert_false(doctor_diverged(&run.evidence, &symptom));
    fill(run.loss, 1, STEPS, 0.96 * guess); /* as good as guessing, without steps to blame */
    assert_false(doctor_diverged(&run.evidence, &symptom));
    fill(run.update, 5, 8, 10.0);
    assert_true(doctor_diverged(&run.evidence, &symptom));
    assert_int_equal(symptom.cause, CAUSE_RATE_HIGH);
    run.evidence.steps = 199; /* not known yet */
    assert_false(doctor_diverged(&run.evidence, &symptom));
    run.evidence.steps = 200;
    assert_true(doctor_diverged(&run.evidence, &symptom));
    fill(run.loss, 100, 200, 0.94 * guess); /* it has got over them: the last hundred steps count */
    assert_false(doctor_diverged(&run.evidence, &symptom));
    healthy();
    fill(run.loss, 20, 23, 9.0);
    run.evidence.steps = 49;
    assert_false(doctor_diverged(&run.evidence, &symptom));
    run.evidence.steps = 50;
    assert_true(doctor_diverged(&run.evidence, &symptom));
}

/* Of the way down from guessing, 1.3 from 1.0, a fourth: 0.326, over the last ten steps. */
static void test_losing_ground(void **state)
{
    (void)state;
    healthy();
    fill(run.loss, 1, STEPS, 1.0);
    fill(run.loss, STEPS - 10, STEPS, 1.32);
    assert_true(doctor_learns(&run.evidence));
    fill(run.loss, STEPS - 10, STEPS, 1.33);
    assert_false(doctor_learns(&run.evidence));
    fill(run.loss, STEPS - 10, STEPS, 1.0);
    fill(run.loss, STEPS - 50, STEPS - 20, 10.0); /* the last fifty are worse than guessing */
    assert_false(doctor_learns(&run.evidence));
    fill(run.loss, STEPS - 70, STEPS - 50, 10.0);
    fill(run.loss, STEPS - 50, STEPS, 1.0);
    assert_true(doctor_learns(&run.evidence));
}

/* ---- against validation ---- */

static void test_better_on_validation(void **state)
{
    (void)state;
    part(0.7, 1.0, 0.78, 0.9);
    SHOWS("better_on_validation", CAUSE_LABELS);
    assert_int_equal(shown("better_on_validation")->step, 299); /* the first epoch is too early to say, one no proof */
    run.val_accuracy[2] = 0.7;                                  /* every other epoch */
    run.val_accuracy[4] = 0.7;
    SILENT("better_on_validation");
    part(0.7, 1.0, 0.85, 0.9); /* 12 standard errors need no second */
    assert_int_equal(shown("better_on_validation")->step, 199);
    run.config.train.balance = true; /* training is scored otherwise */
    SILENT("better_on_validation");
    run.config.train.balance = false;
    run.config.optim.ema_decay = 0.9f; /* validation's weights are averages */
    SILENT("better_on_validation");
    part(0.7, 1.0, 0.78, 0.9);
    run.config.optim.ema_decay = 0.0f;
    part(0.7, 1.0, 0.78, 0.96); /* losses 0.04 apart */
    SILENT("better_on_validation");
    part(0.7, 1.0, 0.79,
         1.1); /* a loss that is no lower, as of labels that are wrong by a rule: not beyond 10 points */
    SILENT("better_on_validation");
    part(0.7, 1.0, 0.81, 1.1);
    SHOWS("better_on_validation", CAUSE_LABELS);
    run.evidence.val_images = 400; /* 11 points, 5.2 standard errors */
    SHOWS("better_on_validation", CAUSE_LABELS);
    run.evidence.val_images = 360; /* 4.95 */
    SILENT("better_on_validation");
    part(0.98, 1.0, 1.0, 0.9); /* two points */
    SILENT("better_on_validation");
    part(0.96, 1.0, 1.0, 0.9);
    SHOWS("better_on_validation", CAUSE_LABELS);
    /* 0.7 against 0.744, of 3200 images and 2000: the standard error is 0.0127; 3.47 of them. */
    part(0.7, 1.0, 0.744, 0.9);
    SILENT("better_on_validation");
    part(0.7, 1.0, 0.75, 0.9); /* 3.96 */
    SHOWS("better_on_validation", CAUSE_LABELS);
    run.evidence.val_images = 1200; /* 3.36 */
    SILENT("better_on_validation");
    part(0.7, 1.0, 0.78, 0.9);
    run.evidence.val_images = 0; /* none, whatever the columns say */
    SILENT("better_on_validation");
}

/* Training's accuracy in the last quarter of each epoch and the first of the next, where the run goes on. */
static void around(double before, double after)
{
    part(0.7, 1.0, 0.78, 0.9);
    run.evidence.epochs = EPOCHS - 1;
    fill(run.correct, 0, STEPS, 64.0 * 0.78);
    for (int e = 0; e < EPOCHS; e++) {
        fill(run.correct, 100 * e, 100 * e + 25, 64.0 * after);
        fill(run.correct, 100 * e + 75, 100 * e + 100, 64.0 * before);
    }
}

/* As many steps behind a validation have their say as before it; refused ones have none. */
static void test_at_the_moment_of_validation(void **state)
{
    (void)state;
    around(0.7, 0.7);
    SHOWS("better_on_validation", CAUSE_LABELS);
    for (int e = 0; e < EPOCHS; e++) {
        fill(run.bad, 100 * e, 100 * e + 25, REFUSED_SCALE);
        fill(run.bad, 100 * e + 75, 100 * e + 100, REFUSED_SCALE);
    }
    SILENT("better_on_validation");
    around(0.7, 0.78); /* 0.74: 3.15 standard errors */
    SILENT("better_on_validation");
    around(0.7, 0.74); /* 0.72: 4.8 */
    SHOWS("better_on_validation", CAUSE_LABELS);
    around(0.7, 0.7);
    fill(run.loss, 0, STEPS, 0.89); /* a loss, too, is that of both sides */
    for (int e = 0; e < EPOCHS; e++)
        fill(run.loss, 100 * e + 75, 100 * e + 100, 1.0);
    SILENT("better_on_validation");
    fill(run.loss, 100, 125, 0.92); /* 1.0 and 0.92 */
    fill(run.loss, 200, 225, 0.92);
    fill(run.loss, 300, 325, 0.92);
    SHOWS("better_on_validation", CAUSE_LABELS);
    /* At the end of what is known training has gone on as before for half a quarter. */
    around(0.7, 0.7);
    fill(run.val_accuracy, 0, EPOCHS, 0.82); /* of one epoch, far beyond chance */
    run.evidence.steps = 200;
    run.evidence.epochs = 2;
    fill(run.correct, 150, 175, 64.0 * 0.7);
    SHOWS("better_on_validation", CAUSE_LABELS);
    fill(run.correct, 150, 175, 64.0 * 0.62); /* 0.74 by then */
    SILENT("better_on_validation");
    fill(run.correct, 150, 175, 64.0 * 0.78); /* nobody gets worse by going on */
    SHOWS("better_on_validation", CAUSE_LABELS);
}

static void test_handicapped(void **state)
{
    (void)state;
    part(0.7, 1.0, 0.78, 0.9);
    SHOWS("better_on_validation", CAUSE_LABELS);
    run.config.model.dropout = 0.1;
    SILENT("better_on_validation");
    run.config.model.dropout = 0.0;
    struct config_layer layers[] = {{.type = "conv", .rate = 0.0f}, {.type = "dropout", .rate = 0.6f}};
    run.config.layers = layers;
    run.config.layer_count = COUNT_OF(layers);
    SILENT("better_on_validation");
    run.config.layer_count = 0;
    run.config.train.label_smoothing = 0.05;
    SILENT("better_on_validation");
    run.config.train.label_smoothing = 0.0;
    SHOWS("better_on_validation", CAUSE_LABELS);
    run.config.model.name = MODEL_SMALL_CNN; /* means of few images, which validation is spared */
    run.config.model.batch_norm = true;
    run.config.train.batch_size = 17;
    SHOWS("better_on_validation", CAUSE_LABELS);
    run.config.train.batch_size = 16;
    SILENT("better_on_validation");
    run.config.model.batch_norm = false;
    SHOWS("better_on_validation", CAUSE_LABELS);
}

/* From 0.8 to 0.735 of 2000 images, training's 0.82 of 1600 twice: 3.4 standard errors; 3.7 to 0.73. */
static void test_jumps(void **state)
{
    (void)state;
    struct symptom found[CAUSE_COUNT];
    part(0.82, 0.6, 0.8, 0.7);
    SILENT("jumps");
    fill(run.val_accuracy, 4, 5, 0.73);
    SHOWS("jumps", CAUSE_SCHEDULE);
    SAYS("jumps", "80.0 % of its images were right after epoch 4 and 73.0 % after the next (3.7 standard errors), of "
                  "training's 82.0 and 82.0 %");
    SAYS("jumps", "(optim.ema_decay = 0.983)");
    const int count = doctor_examine(&run.evidence, found);
    assert_true(doctor_cause(found, count) == CAUSE_HEALTHY);
    assert_string_equal(doctor_noted(found, count), JUMPS_TITLE);
    run.evidence.val_images = 1600; /* 3.4 */
    SILENT("jumps");
    run.evidence.val_images = 2000;
    fill(run.val_accuracy, 4, 5, 0.755); /* beyond chance, and not five points */
    run.evidence.val_images = 20000;
    fill(run.samples, 0, STEPS, 640.0);
    fill(run.correct, 0, STEPS, 640.0 * 0.82);
    SILENT("jumps");
    fill(run.samples, 0, STEPS, 64.0);
    fill(run.correct, 0, STEPS, 64.0 * 0.82);
    run.evidence.val_images = 2000;
    fill(run.val_accuracy, 4, 5, 0.73);
    fill(run.correct, 400, 500, 64.0 * 0.81); /* training went down too */
    SILENT("jumps");
    fill(run.correct, 400, 500, 64.0 * 0.82);
    fill(run.rate, 500, STEPS, 0.0002); /* it has fallen by now */
    SILENT("jumps");
    fill(run.rate, 500, STEPS, 0.001);
    run.config.schedule.name = SCHEDULE_COSINE; /* it will */
    SILENT("jumps");
    run.evidence.over = true; /* no longer */
    SAYS("jumps", "a falling rate (a cosine that ends with the run)");
    run.evidence.over = false;
    run.config.schedule.name = SCHEDULE_CONSTANT;
    SHOWS("jumps", CAUSE_SCHEDULE);
    run.config.optim.ema_decay = 0.9;
    SILENT("jumps");
    run.config.optim.ema_decay = 0.0;
    run.evidence.planned_steps = 3 * STEPS;
    SILENT("jumps");
    run.evidence.planned_steps = STEPS;
    SHOWS("jumps", CAUSE_SCHEDULE);
    fill(run.val_accuracy, 0, EPOCHS, 0.8);
    fill(run.val_accuracy, 1, 2, 0.7); /* at first */
    SILENT("jumps");
}

/* 0.8 of 1600 images and 0.75 of 2000: 3.59 standard errors; the loss must be below 0.115, a twentieth of guessing. */
static void test_what_trials_can_have_cost(void **state)
{
    (void)state;
    part(0.8, 0.6, 0.75, 0.9);
    assert_true(doctor_behind(&run.evidence));
    part(0.8, 0.6, 0.753, 0.9);
    assert_false(doctor_behind(&run.evidence));
    part(0.99, 0.11, 0.96, 0.1);
    assert_true(doctor_learned_all(&run.evidence));
    part(0.99, 0.12, 0.96, 0.1);
    assert_false(doctor_learned_all(&run.evidence));
    part(0.99, 0.11, 0.94, 0.1);
    assert_false(doctor_learned_all(&run.evidence));
    part(0.951, 0.3, 0.6, 1.0);
    assert_true(doctor_fitted(&run.evidence));
    part(0.949, 0.3, 0.6, 1.0);
    assert_false(doctor_fitted(&run.evidence));
    part(0.99, 0.11, 0.94, 0.1);
    run.evidence.val_images = 0; /* training's images then */
    fill(run.train_accuracy, 0, EPOCHS, 0.96);
    assert_true(doctor_learned_all(&run.evidence));
    run.evidence.epochs = 0;
    assert_false(doctor_learned_all(&run.evidence) || doctor_behind(&run.evidence));
}

/* A run that fell at first and stands still in its last third has levelled, however steep the fall was. */
static void test_levelled_at_last(void **state)
{
    (void)state;
    struct symptom symptom;
    healthy();
    for (int t = 0; t < STEPS; t++) {
        run.loss[t] = 1.0 + (t < 400 ? 0.003 * (400 - t) : 0.0);
        run.variance[t] = 0.1;
    }
    run.evidence.noise_scale = exactly(640.0);
    assert_true(doctor_levelled(&run.evidence));
    assert_true(doctor_noise_limited(&run.evidence, &symptom));
    assert_true(fabs(symptom.strength - 2.0) < 1e-9 && symptom.step == 400);
    /* 200 steps of variance 0.1: sqrt(0.1 / 64 * 12 / 200^3) = 4.84e-5. */
    for (int t = 400; t < STEPS; t++)
        run.loss[t] = 1.0 - 0.0001 * (t - 400);
    assert_true(doctor_noise_limited(&run.evidence, &symptom));
    if (!strstr(symptom.evidence,
                "the last 200 steps did not lower the loss (0.99, slope -0.01 +- 0.0048 in 100 steps)"))
        fail_msg("%s", symptom.evidence);
}

/* A third of a short run is too little to say: then it is 100 steps. */
static void test_levelled_early(void **state)
{
    (void)state;
    struct symptom symptom;
    healthy();
    fill(run.loss, 0, STEPS, 1.0);
    fill(run.variance, 0, STEPS, 0.1);
    run.evidence.noise_scale = exactly(640.0);
    run.evidence.steps = 210;
    assert_true(doctor_noise_limited(&run.evidence, &symptom));
    assert_int_equal(symptom.step, 110);
}

/* Of an epoch the last quarter counts, and of a long one the last 100 steps. */
static void test_which_steps_count(void **state)
{
    (void)state;
    part(0.78, 0.9, 0.84, 0.9); /* at the end alone more than 10 points: 0.706; before 0.743 */
    run.evidence.val_images = 20000;
    for (int e = 0; e < EPOCHS; e++)
        fill(run.correct, 100 * e + 75, 100 * e + 98, 64.0 * 0.7);
    SHOWS("better_on_validation", CAUSE_LABELS);
    part(0.9, 1.0, 0.82, 0.9); /* epochs of 100 and of 500 steps: a quarter of the second would be 125 */
    for (int t = 0; t < STEPS; t++)
        run.epoch[t] = t < 100 ? 1.0 : 2.0;
    run.evidence.epochs = 2;
    fill(run.correct, 500, STEPS, 64.0 * 0.73);
    SHOWS("better_on_validation", CAUSE_LABELS);
}

/* Few images: an epoch of three steps, of which the last is looked at: those before lag behind validation. */
static void test_epochs_of_a_few_steps(void **state)
{
    (void)state;
    worse(0.99, 0.1, 0.8);
    for (int t = 0; t < STEPS; t++)
        run.epoch[t] = 1 + t / 3;
    run.evidence.steps = 3 * EPOCHS;
    SHOWS("overfitting", CAUSE_OVERFITTING);
    assert_int_equal(shown("overfitting")->step, 8);
    part(0.7, 1.0, 0.78, 0.9);
    for (int t = 0; t < STEPS; t++)
        run.epoch[t] = 1 + t / 3;
    run.evidence.steps = 3 * EPOCHS;
    fill(run.samples, 0, STEPS, 640.0);
    fill(run.correct, 0, STEPS, 640.0 * 0.7);
    SHOWS("better_on_validation", CAUSE_LABELS);
    for (int e = 0; e < EPOCHS; e++)
        run.correct[3 * e + 2] = 640.0 * 0.78;
    SILENT("better_on_validation");
}

static void test_sentences(void **state)
{
    (void)state;
    part(0.7, 1.0, 0.78, 0.9);
    SAYS("better_on_validation",
         "validation is predicted better (78.0 %) than the images trained on (70.0 %, 6.5 standard errors)");
    assert_true(fabs(shown("better_on_validation")->strength - 6.50 / 3.5) < 0.01);
    part(0.99, 0.1, 0.8, 0.8);
    fill(run.val_loss, 2, EPOCHS, 0.9);
    SAYS("overfitting",
         "training: loss 0.1, accuracy 99.0 %; validation: loss 0.9 after 0.8 at its best, accuracy 80.0 %");
    assert_true(fabs(shown("overfitting")->strength - 9.0) < 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_diverged),
        cmocka_unit_test(test_losing_ground),
        cmocka_unit_test(test_better_on_validation),
        cmocka_unit_test(test_at_the_moment_of_validation),
        cmocka_unit_test(test_handicapped),
        cmocka_unit_test(test_jumps),
        cmocka_unit_test(test_what_trials_can_have_cost),
        cmocka_unit_test(test_levelled_at_last),
        cmocka_unit_test(test_levelled_early),
        cmocka_unit_test(test_which_steps_count),
        cmocka_unit_test(test_epochs_of_a_few_steps),
        cmocka_unit_test(test_sentences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
