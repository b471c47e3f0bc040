/* test_rules_thin: rules asked of a run of which not every step is known: with stats.steps_every above 1, or refused.
 */
#include "drawn_run.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* One step in ten has its row; epoch and samples are known of every step. */
static void thin(void)
{
    double *const columns[] = {run.loss, run.variance, run.correct, run.grad,      run.update,     run.weight,
                               run.rate, run.bad,      run.slope,   run.end_slope, run.grad_cosine};
    for (int c = 0; c < COUNT_OF(columns); c++)
        for (int t = 0; t < STEPS; t++)
            if (t % 10 != 0)
                columns[c][t] = NAN;
}

static void test_healthy_is_healthy(void **state)
{
    (void)state;
    struct symptom found[CAUSE_COUNT];
    healthy();
    thin();
    assert_int_equal(doctor_examine(&run.evidence, found), 0);
    assert_true(doctor_too_early(&run.evidence)); /* 60 losses */
    assert_true(doctor_learns(&run.evidence));
}

static void test_faults_show(void **state)
{
    (void)state;
    creep(0.6, 0.8);
    thin();
    SHOWS("small_steps", CAUSE_RATE_LOW);
    assert_true(fabs(shown("small_steps")->strength - 2.0 / 1.8) < 0.01);
    creep(0.7, 0.8);
    thin();
    SILENT("small_steps");
    healthy();
    fill(run.rate, 120, STEPS, 0.00009);
    thin();
    SHOWS("early_drop", CAUSE_SCHEDULE);
    assert_int_equal(shown("early_drop")->step, 120);
    fall_back(2.0, 60);
    thin();
    SHOWS("setback", CAUSE_RATE_HIGH);
    healthy();
    fill(run.loss, 200, 221, 6.0); /* three losses that are known */
    thin();
    SHOWS("worse_than_guessing", CAUSE_RATE_HIGH);
    healthy();
    fill(run.loss, 200, 211, 6.0); /* two: with the next one their mean is 4.2 */
    run.loss[220] = 0.1;
    fill(run.variance, 0, STEPS, 20.0); /* 8 standard errors are the guess itself */
    thin();
    SILENT("worse_than_guessing");
    healthy();
    fill(run.end_slope, 0, STEPS, -0.06);
    thin(); /* 15 of them in the window: too few to say */
    SILENT("short_steps");
}

/* A mean beyond the border by less than two of its standard errors says nothing: 150 slopes, +- 0.02, of 0.0016 each.
 */
static void test_short_steps_beyond_chance(void **state)
{
    (void)state;
    healthy();
    fill(run.end_slope, 0, STEPS, -0.052);
    SHOWS("short_steps", CAUSE_RATE_LOW);
    for (int t = 0; t < STEPS; t++)
        run.end_slope[t] = -0.052 + (t % 2 ? 0.02 : -0.02);
    SILENT("short_steps");
    for (int t = 0; t < STEPS; t++)
        run.end_slope[t] -= 0.003;
    SHOWS("short_steps", CAUSE_RATE_LOW);
}

/* Three losses in a row, of which the last step's is the second: nothing is said yet. */
static void test_the_end_is_no_row_of_three(void **state)
{
    (void)state;
    healthy();
    fill(run.loss, STEPS - 2, STEPS, 4.0);
    SILENT("worse_than_guessing");
    run.loss[STEPS - 3] = 4.0;
    SHOWS("worse_than_guessing", CAUSE_RATE_HIGH);
}

/* One refused step among hundreds changes no slope. */
static void test_one_loss_that_is_none(void **state)
{
    (void)state;
    struct symptom seen;
    healthy();
    fill(run.rate, 120, STEPS, 0.00009);
    const double strength = shown("early_drop")->strength;
    run.loss[60] = NAN;
    run.bad[60] = 2.0;
    SHOWS("early_drop", CAUSE_SCHEDULE);
    assert_true(fabs(shown("early_drop")->strength / strength - 1.0) < 0.1);
    healthy();
    fill(run.loss, 0, STEPS, 1.0);
    fill(run.variance, 0, STEPS, 0.1);
    run.evidence.noise_scale = exactly(640.0);
    assert_true(doctor_levelled(&run.evidence) && doctor_noise_limited(&run.evidence, &seen));
    run.loss[STEPS - 30] = NAN;
    run.bad[STEPS - 30] = 2.0;
    assert_true(doctor_levelled(&run.evidence) && doctor_noise_limited(&run.evidence, &seen));
    /* Where the gradient drowns, its noise scale has no upper end. */
    run.evidence.noise_scale.value = INFINITY;
    assert_true(doctor_noise_limited(&run.evidence, &seen));
    assert_non_null(
        strstr(seen.evidence, "a batch of 64 is below 0.1 of the gradient noise scale (640 images at least):"));
    fill(run.samples, 0, STEPS, 16.0);
    SAYS("noise_scale", "a batch of 16 is below 0.025 of the gradient noise scale (640 images at least):");
    run.evidence.noise_scale.value = 800.0;
    SAYS("noise_scale", "is 0.02 of the gradient noise scale (800 images, 640 at least):");
}

/* Steps of the first epochs of a tiny run: what lies before the array is not looked at. */
static void test_a_few_steps(void **state)
{
    (void)state;
    healthy();
    for (int steps = 0; steps < 60; steps++) {
        run.evidence.steps = steps;
        assert_true(doctor_too_early(&run.evidence));
        doctor_learns(&run.evidence);
        SILENT("never_of_use");
    }
}

/* The best weights' validation loss is above ln 10 = 2.303. */
static void test_never_of_use(void **state)
{
    (void)state;
    healthy();
    fill(run.val_loss, 0, EPOCHS, 2.31);
    SHOWS("never_of_use", CAUSE_UNKNOWN);
    SAYS("never_of_use", "above 2.3, that of guessing among 10 classes, though 84.0 % of the answers are right: where");
    fill(run.val_accuracy, 0, EPOCHS, 0.12);
    fill(run.correct, 0, STEPS, 64.0 * 0.2);
    SHOWS("never_of_use", CAUSE_UNKNOWN);
    SAYS("never_of_use", "12.0 % of the answers are right");
    run.val_loss[EPOCHS - 1] = 2.19; /* answers of whom guesses, and a loss less than a twentieth below: 2.187 */
    SHOWS("never_of_use", CAUSE_UNKNOWN);
    SAYS("never_of_use", "is 2.19, no better than 2.303");
    run.val_loss[EPOCHS - 1] = 2.18;
    SILENT("never_of_use");
    run.val_loss[EPOCHS - 1] = 2.30;
    fill(run.val_accuracy, 0, EPOCHS, 0.5); /* answers that are right */
    SILENT("never_of_use");
    fill(run.val_accuracy, 0, EPOCHS, 0.12);
    run.best[EPOCHS - 1] = 0.0; /* other weights were kept */
    SHOWS("never_of_use", CAUSE_UNKNOWN);
    run.evidence.planned_steps = 2 * STEPS + 2; /* not half of it done, unless it is over */
    SILENT("never_of_use");
    run.evidence.over = true;
    SHOWS("never_of_use", CAUSE_UNKNOWN);
    run.evidence.val_images = 0;
    SILENT("never_of_use");
    run.evidence.val_images = 2000;
    stride(5); /* what is known comes first, and is all that is said */
    SILENT("never_of_use");
}

/* A run stands where neither loss came lower in the second half of the epochs, or autopilot had to lower the rate. */
static void test_stands(void **state)
{
    (void)state;
    healthy();
    for (int t = 0; t < STEPS; t++) /* falls on */
        run.loss[t] = 2.0 - 0.002 * t;
    fill(run.train_loss, 0, EPOCHS, 1.0);
    fill(run.val_loss, 0, EPOCHS, 1.0);
    assert_false(doctor_levelled(&run.evidence));
    assert_true(doctor_stands(&run.evidence));
    run.val_loss[EPOCHS - 1] = 0.94;
    assert_false(doctor_stands(&run.evidence));
    run.evidence.rate_scale = 0.25;
    assert_true(doctor_stands(&run.evidence));
    run.evidence.rate_scale = 0.0;
    run.val_loss[EPOCHS - 1] = 0.96;
    run.train_loss[EPOCHS - 1] = 0.94;
    assert_false(doctor_stands(&run.evidence));
    run.train_loss[EPOCHS - 1] = 1.0;
    run.evidence.epochs = 3;
    assert_false(doctor_stands(&run.evidence));
    run.evidence.epochs = EPOCHS;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_healthy_is_healthy),
        cmocka_unit_test(test_faults_show),
        cmocka_unit_test(test_the_end_is_no_row_of_three),
        cmocka_unit_test(test_one_loss_that_is_none),
        cmocka_unit_test(test_a_few_steps),
        cmocka_unit_test(test_never_of_use),
        cmocka_unit_test(test_short_steps_beyond_chance),
        cmocka_unit_test(test_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
