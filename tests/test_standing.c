/* test_standing: the first line of the verdict on a run without a fault. */
#include "drawn_run.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct symptom found[CAUSE_COUNT];

static const char *line(int count)
{
    static char text[HEALTHY_TEXT];
    const struct standing standing = doctor_standing(&run.evidence);
    doctor_say_healthy(&standing, found, count, text);
    return text;
}

static bool falls(void)
{
    return doctor_standing(&run.evidence).falls;
}

/* The last 200 steps go from a loss to another; validation is at its best in the end. */
static void last_third(double from, double to)
{
    fill(run.val_loss, EPOCHS - 1, EPOCHS, 0.65);
    for (int t = STEPS - 200; t < STEPS; t++)
        run.loss[t] = from + (to - from) * (t - (STEPS - 200)) / 200.0;
}

static void test_nothing_missing(void **state)
{
    (void)state;
    part(0.97, 0.1, 0.96, 0.1);
    last_third(0.4, 0.1);
    assert_string_equal(line(0), "nothing is wrong that the figures show");
    part(0.95, 0.1, 0.95, 0.1);
    assert_string_equal(line(0),
                        "no fault found; 95.0 % of validation's images are right at best, and whether more can be had "
                        "is not known");
    fill(run.train_accuracy, 0, EPOCHS, 0.95);
    run.evidence.val_images = 0;
    assert_non_null(strstr(line(0), "95.0 % of the training images"));
}

/* 6 epochs: the last quarter of them is two. */
static void test_one_epoch_of_many(void **state)
{
    (void)state;
    part(0.97, 0.1, 0.94, 0.1);
    run.val_accuracy[3] = 0.966;
    assert_string_equal(line(0), "no fault found; 94.0 % of validation's images are right, 96.6 % at the best epoch, "
                                 "and whether more can be had is not known");
    found[0] = (struct symptom){.cause = CAUSE_SCHEDULE, .rule = "jumps", .note = true};
    assert_string_equal(line(1), JUMPS_TITLE ": 94.0 % of validation's images are right, 96.6 % at the best epoch");
    run.val_accuracy[4] = 0.96; /* in half of the last ones */
    assert_string_equal(line(0), "nothing is wrong that the figures show");
    run.val_accuracy[4] = 0.94;
    run.val_accuracy[5] = 0.951; /* in the end */
    assert_string_equal(line(0), "nothing is wrong that the figures show");
    static double right[12], losses[12]; /* three are the last quarter */
    fill(right, 0, 12, 0.94);
    fill(losses, 0, 12, 0.1);
    right[10] = 0.951;
    run.evidence.val_accuracy = right;
    run.evidence.val_loss = losses;
    run.evidence.epochs = 12;
    assert_non_null(strstr(line(0), "95.1 % at the best epoch"));
    right[10] = 0.94;
    right[11] = 0.951;
    assert_string_equal(line(0), "nothing is wrong that the figures show");
    run.evidence.epochs = 0; /* nothing is known yet */
    assert_string_equal(line(0), "nothing is wrong that the figures show");
}

/* A twentieth of 0.58, 0.029, over the third; one standard error is sqrt(0.5 / 64 / 200) * sqrt(12) = 0.0216. */
static void test_still_falling(void **state)
{
    (void)state;
    part(0.8, 0.6, 0.78, 0.7);
    last_third(0.6, 0.54);
    assert_true(falls());
    assert_string_equal(line(0), "no fault found; the loss was still falling: 78.0 % of validation's images are right "
                                 "at best, so far");
    last_third(0.6, 0.55); /* 2.3 standard errors */
    assert_false(falls());
    last_third(2.0, 1.92); /* 3.7, and a twenty-fifth */
    assert_false(falls());
    last_third(0.6, 0.54);
    run.val_loss[3] = 0.6; /* validation has gained nothing by it for two epochs */
    assert_false(falls());
    run.val_loss[4] = 0.59;
    assert_true(falls());
    run.evidence.steps = 57; /* a third of 19 */
    assert_int_equal(doctor_standing(&run.evidence).window, 0);
}

/* Whether epochs, steps or early stopping ended it; none where it is not over. */
static void test_what_ended_it(void **state)
{
    (void)state;
    part(0.8, 0.6, 0.78, 0.7);
    static const struct {
        bool over;
        int epochs, max_steps;
        int patience;
        bool at_last_epoch, at_max_steps, at_patience;
    } cases[] = {{false, EPOCHS, STEPS, 2, false, false, false},   {true, EPOCHS, 0, 2, true, false, false},
                 {true, EPOCHS, STEPS + 1, 2, true, false, false}, {true, EPOCHS + 1, STEPS, 2, false, true, false},
                 {true, EPOCHS, STEPS, 2, true, true, false},      {true, EPOCHS + 1, 0, 0, false, false, false},
                 {true, EPOCHS + 1, 0, 2, false, false, true},     {false, EPOCHS + 1, 0, 2, false, false, false}};
    for (int i = 0; i < COUNT_OF(cases); i++) {
        run.evidence.over = cases[i].over;
        run.config.train.epochs = cases[i].epochs;
        run.config.train.max_steps = cases[i].max_steps;
        run.config.early_stop.patience = cases[i].patience;
        const struct standing standing = doctor_standing(&run.evidence);
        assert_int_equal(standing.at_last_epoch, cases[i].at_last_epoch);
        assert_int_equal(standing.at_max_steps, cases[i].at_max_steps);
        assert_int_equal(standing.at_patience, cases[i].at_patience);
    }
}

static void test_schedule_over(void **state)
{
    (void)state;
    part(0.8, 0.6, 0.78, 0.7);
    last_third(0.6, 0.5);
    run.rate[STEPS - 1] = 0.29 * run.config.optim.lr;
    assert_non_null(strstr(line(0), "still falling")); /* no schedule lowered it */
    run.config.schedule.name = SCHEDULE_COSINE;
    assert_string_equal(line(0),
                        "no fault found; the loss fell until the schedule ended: 78.0 % of validation's images "
                        "are right at best, so far");
    run.rate[STEPS - 1] = 0.31 * run.config.optim.lr;
    assert_non_null(strstr(line(0), "still falling"));
    fill(run.rate, 0, STEPS, 0.2 * run.config.optim.lr); /* a warm-up that is longer than the run */
    assert_non_null(strstr(line(0), "still falling"));
}

static void test_what_was_seen(void **state)
{
    (void)state;
    part(0.8, 0.6, 0.78, 0.7);
    last_third(0.6, 0.5);
    found[0] = (struct symptom){
        .cause = CAUSE_ILLUMINATION, .rule = "brightness", .doubtful = true, .cost = NAN, .cost_error = NAN};
    assert_string_equal(line(1),
                        "no fault found, but only 78.0 % of validation's images are right at best, and the images are "
                        "lit very unevenly: what that costs is not known");
    found[0].cost = 0.05, found[0].cost_error = 0.04; /* a fault, of 15 %, for all that is known */
    assert_non_null(strstr(line(1), "what that costs is not known"));
    found[0].cost_error = 0.03;
    assert_non_null(strstr(line(1), "still falling"));
    found[0].cost = NAN, found[0].rule = "late_start"; /* not of the images */
    assert_non_null(strstr(line(1), "still falling"));
    found[0] = (struct symptom){.cause = CAUSE_SCHEDULE, .rule = "jumps", .note = true};
    assert_string_equal(line(1), JUMPS_TITLE ": 78.0 % of validation's images are right at best");
    part(0.97, 0.1, 0.96, 0.1);
    assert_string_equal(line(1), JUMPS_TITLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_missing), cmocka_unit_test(test_one_epoch_of_many),
        cmocka_unit_test(test_still_falling),   cmocka_unit_test(test_what_ended_it),
        cmocka_unit_test(test_schedule_over),   cmocka_unit_test(test_what_was_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
