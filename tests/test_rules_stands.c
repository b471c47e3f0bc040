/* test_rules_stands: rules over a loss that stands at guessing: every threshold from both sides. */
#include "drawn_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_stuck(void **state)
{
    (void)state;
    static const double levels[] = {0.94, 0.96, 1.04, 1.06};
    for (int i = 0; i < COUNT_OF(levels); i++) {
        stand(levels[i]);
        if (i == 0 || i == 3)
            SILENT("stuck");
        else
            SHOWS("stuck", CAUSE_NO_SIGNAL);
    }
    for (int t = 1; t < STEPS; t++) /* fifty steps later lower by 0.8 %: no slope to speak of */
        run.loss[t] = guess * (1.03 - 0.008 * (t - 100) / 50.0);
    run.evidence.steps = 200;
    SHOWS("stuck", CAUSE_NO_SIGNAL);
    for (int t = 1; t < STEPS; t++)
        run.loss[t] = guess * (1.03 - 0.012 * (t - 100) / 50.0);
    SILENT("stuck");
    stand(1.0); /* the first hundred steps are for setting out */
    fill(run.loss, 190, STEPS, 0.5 * guess);
    SILENT("stuck");
}

/* What is learned after all refutes that nothing is: by the last hundred losses, by answers, by validation. */
static void test_stuck_is_withdrawn(void **state)
{
    (void)state;
    stand(1.0);
    SHOWS("stuck", CAUSE_NO_SIGNAL);
    fill(run.loss, 500, STEPS, 0.94 * guess);
    SILENT("stuck");
    fill(run.loss, 500, STEPS, 0.96 * guess);
    SHOWS("stuck", CAUSE_NO_SIGNAL);
    fill(run.correct, 500, STEPS, 0.27 * 64); /* worth 6 % of guessing; 23.5 % are worth 5 */
    SILENT("stuck");
    fill(run.correct, 500, STEPS, 0.22 * 64);
    SHOWS("stuck", CAUSE_NO_SIGNAL);
    run.val_accuracy[EPOCHS - 1] = 0.27;
    SILENT("stuck");
    run.val_accuracy[EPOCHS - 1] = 0.22;
    SHOWS("stuck", CAUSE_NO_SIGNAL);
    run.evidence.largest_share = 0.3; /* no more right than by naming the largest class always */
    run.val_accuracy[EPOCHS - 1] = 0.3;
    SHOWS("stuck", CAUSE_NO_SIGNAL);
}

/* Smoothed by 0.9 among ten, a label has 0.19, the others 0.09 each: nobody gets below 2.266, of 2.303 for guessing. */
static void test_stuck_knows_the_floor(void **state)
{
    (void)state;
    stand(0.9985);
    run.config.train.label_smoothing = 0.9;
    SILENT("stuck");
    stand(0.9999);
    run.config.train.label_smoothing = 0.9;
    SHOWS("stuck", CAUSE_NO_SIGNAL);
    stand(0.96); /* two labels mixed by Beta(1, 1) have an entropy of a half, if they differ: 0.45 of 2.303 */
    SHOWS("stuck", CAUSE_NO_SIGNAL);
    run.config.augment.mixup = 1.0;
    SHOWS("stuck", CAUSE_NO_SIGNAL);
    fill(run.loss, 1, STEPS, 0.955 * guess);
    SILENT("stuck");
}

/* Steps that go too far while nothing is learned, a gradient that comes back: no want of a signal. */
static void test_stuck_by_long_steps(void **state)
{
    (void)state;
    stand(1.0);
    run.evidence.layers = (struct layer_evidence){
        .first_layer = "conv1", .last_layer = "linear2", .first_grad = 0.1, .last_grad = 0.1, .measured = true};
    SHOWS("stuck", CAUSE_RATE_HIGH);
    run.evidence.layers.first_grad = 0.9e-4;
    SHOWS("stuck", CAUSE_NO_SIGNAL);
    run.evidence.layers.first_grad = 0.1;
    for (int t = 0; t < STEPS; t++) /* 500 of deviation 0.1: two standard errors are 0.0089 */
        run.end_slope[t] = 0.0085 + (t % 2 ? 0.1 : -0.1);
    SHOWS("stuck", CAUSE_NO_SIGNAL);
    for (int t = 0; t < STEPS; t++)
        run.end_slope[t] = 0.0095 + (t % 2 ? 0.1 : -0.1);
    SHOWS("stuck", CAUSE_RATE_HIGH);
    run.config.data.shuffle = false;
    SHOWS("stuck", CAUSE_NO_SIGNAL);
}

/* Without momentum, where gradients come back and steps end before the lowest point along them: asked first. */
static void test_stuck_without_momentum(void **state)
{
    (void)state;
    stand(1.0);
    run.evidence.layers = (struct layer_evidence){
        .first_layer = "conv1", .last_layer = "linear2", .first_grad = 0.1, .last_grad = 0.1, .measured = true};
    run.config.optim.name = OPTIMIZER_SGD;
    run.config.optim.momentum = 0.4;
    SHOWS("stuck", CAUSE_RATE_HIGH);
    fill(run.end_slope, 0, STEPS, -0.1);
    SHOWS("stuck", CAUSE_PLAIN_SGD);
    SAYS("stuck", "gradients come back to conv1, and with optim.momentum = 0.4 the steps go 0.17 of the way that they");
    run.config.optim.momentum = 0.5;
    SHOWS("stuck", CAUSE_NO_SIGNAL);
    run.config.optim.momentum = 0.0;
    run.config.optim.name = OPTIMIZER_ADAM;
    SHOWS("stuck", CAUSE_NO_SIGNAL);
    run.config.optim.name = OPTIMIZER_SGD;
    run.evidence.layers.first_grad = 0.9e-4;
    SHOWS("stuck", CAUSE_NO_SIGNAL);
    run.evidence.layers.measured = false;
    SHOWS("stuck", CAUSE_NO_SIGNAL);
}

/* Begun after so many steps of 800. */
static void begin_at(int step)
{
    stand(1.0);
    run.evidence.planned_steps = 800;
    for (int t = step; t < STEPS; t++) {
        run.loss[t] = 0.5 * guess;
        run.correct[t] = 32.0;
    }
}

static void test_late_start(void **state)
{
    (void)state;
    begin_at(250);
    SHOWS("late_start", CAUSE_RATE_HIGH);
    assert_true(shown("late_start")->doubtful); /* the best rate may begin as late */
    SILENT("stuck");
    SAYS("late_start", "up to step 200 of 800 the loss stood at guessing (2.303), in steps that ended beyond");
    run.evidence.planned_steps = 801;
    SILENT("late_start");
    begin_at(240); /* windows of 100 from 0, 50 …: that from 150 has begun */
    SILENT("late_start");
    begin_at(250);
    fill(run.end_slope, 0, STEPS, -0.01);
    SILENT("late_start");
    begin_at(250);
    fill(run.rate, 0, 200, 0.0002); /* a warm-up is not the rate asked for */
    SILENT("late_start");
    begin_at(250);
    fill(run.samples, 0, STEPS, 8.0);
    fill(run.correct, 0, 250, 0.8);
    SHOWS("late_start", CAUSE_BATCH_SMALL);
    stand(1.0); /* not at all */
    SILENT("late_start");
}

/* Quarters of 150 steps; the errors are sqrt(0.5 / 64 / 150) = 0.0072 each, 0.0102 of the difference. */
static void rise(double before, double now, double rate)
{
    healthy();
    fill(run.loss, 0, 150, guess);
    fill(run.loss, 150, 300, before);
    fill(run.loss, 300, STEPS, now);
    fill(run.rate, 0, 300, 0.001);
    fill(run.rate, 300, STEPS, rate);
}

static void test_rising_rate(void **state)
{
    (void)state;
    rise(1.0, 1.0, 0.002);
    SHOWS("rising_rate", CAUSE_RATE_HIGH);
    SAYS("rising_rate",
         "from step 150 to 300, at a rate of 0.001, the loss was 1; at 0.002, from step 450 on, it is 1 ");
    assert_int_equal(shown("rising_rate")->step, 300);
    rise(1.0, 1.0, 0.0014); /* hardly risen */
    SILENT("rising_rate");
    rise(1.0, 0.97, 0.002); /* 2.9 standard errors */
    SILENT("rising_rate");
    rise(1.0, 0.98, 0.002);
    SHOWS("rising_rate", CAUSE_RATE_HIGH);
    rise(0.92 * guess, 0.92 * guess, 0.002); /* nothing learned yet, which may come */
    SILENT("rising_rate");
    rise(0.08 * guess, 0.08 * guess, 0.002); /* all but that learned */
    SILENT("rising_rate");
    rise(1.0, 1.0, 0.002);
    fill(run.variance, 0, STEPS, 2.1); /* 0.0209 of the difference: a fall by 0.05 would not have shown */
    SILENT("rising_rate");
    rise(1.0, 1.0, 0.002);
    run.evidence.planned_steps = 2 * STEPS;
    SHOWS("rising_rate", CAUSE_RATE_HIGH);
    run.evidence.planned_steps++; /* not half of it done */
    SILENT("rising_rate");
    rise(1.0, 1.0, 0.002); /* the schedule is to lower it again; in the end it has not */
    run.config.schedule.name = SCHEDULE_COSINE;
    run.evidence.over = true;
    SHOWS("rising_rate", CAUSE_RATE_HIGH);
    run.evidence.over = false;
    SILENT("rising_rate");
}

/* The lowest loss is that of the fourth and fifth eighth, later than the second quarter. */
static void dip(double low, double now, double rate)
{
    rise(1.5, 1.1, rate);
    fill(run.loss, 225, 375, low);
    fill(run.rate, 150, 375, 0.001);
    fill(run.loss, 450, STEPS, now);
}

static void test_rate_that_has_risen_too_far(void **state)
{
    (void)state;
    dip(1.0, 1.06, 0.0013);
    SHOWS("rising_rate", CAUSE_RATE_HIGH);
    SAYS("rising_rate", "from step 225 to 375, at a rate of 0.001, the loss was 1; at 0.0013, from step 450 on, it is "
                        "1.06 (+0.06 +- 0.01)");
    assert_int_equal(shown("rising_rate")->step, 375);
    dip(1.0, 1.06, 0.0012); /* hardly risen */
    SILENT("rising_rate");
    dip(1.0, 1.04, 0.0013); /* not by a twentieth */
    SILENT("rising_rate");
    dip(1.0, 1.06, 0.0013);
    fill(run.variance, 0, STEPS, 2.1); /* 2.9 standard errors */
    SILENT("rising_rate");
}

/* Gradients come back, and steps are as they should be or not: an image on its side may be another class. */
static void test_images_turned_over(void **state)
{
    (void)state;
    stand(1.0);
    run.evidence.layers = (struct layer_evidence){.first_layer = "conv1",
                                                  .last_layer = "fc",
                                                  .first_grad = 0.5,
                                                  .last_grad = 1.0,
                                                  .first_drawn = 0.5,
                                                  .last_drawn = 1.0,
                                                  .measured = true};
    run.config.augment.rotate = 45.0;
    assert_int_not_equal(shown("stuck")->cause, CAUSE_REGULARISATION);
    run.config.augment.rotate = 90.0;
    SHOWS("stuck", CAUSE_REGULARISATION);
    run.config.augment.rotate = 0.0;
    run.config.augment.vflip = 0.5;
    SHOWS("stuck", CAUSE_REGULARISATION);
    run.evidence.layers.first_grad = 0.0;
    SHOWS("stuck", CAUSE_NO_SIGNAL);
    SAYS("stuck", "no gradient comes back to conv1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_images_turned_over),
        cmocka_unit_test(test_rising_rate),
        cmocka_unit_test(test_rate_that_has_risen_too_far),
        cmocka_unit_test(test_stuck),
        cmocka_unit_test(test_stuck_is_withdrawn),
        cmocka_unit_test(test_stuck_knows_the_floor),
        cmocka_unit_test(test_stuck_by_long_steps),
        cmocka_unit_test(test_stuck_without_momentum),
        cmocka_unit_test(test_late_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
