/* test_rules_words: how many steps each rule of steps needs, which steps it looks at, and the sentence it says. */
#include "drawn_run.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A rule is silent one step before it has what it needs. */
static void needs(const char *rule, int64_t steps)
{
    run.evidence.steps = steps - 1;
    if (shown(rule))
        fail_msg("%s shows after %d steps", rule, (int)steps - 1);
    run.evidence.steps = steps;
    if (!shown(rule))
        fail_msg("%s does not show after %d steps", rule, (int)steps);
}

static void test_needs(void **state)
{
    (void)state;
    stride(0);
    needs("large_steps", 10);
    healthy();
    fill(run.loss, 1, 10, 9.0);
    needs("worse_than_guessing", 5);
    healthy();
    run.config.optim.weight_decay = 0.0026;
    needs("decay", 60);
    creep(0.3, 0.8);
    needs("small_steps", 100);
    stand(1.0);
    needs("stuck", 200);
    healthy();
    fill(run.samples, 0, STEPS, 8.0);
    run.evidence.noise_scale = exactly(100.0);
    fill(run.loss, 0, STEPS, 1.0);
    run.evidence.planned_steps = 200;
    needs("noise_scale", 200);
    healthy();
    fill(run.rate, 60, STEPS, 0.00001);
    needs("early_drop", 100);
    healthy();
    fill(run.loss, 1, 20, 0.5);
    fill(run.loss, 20, STEPS, 2.0);
    needs("setback", 60);
}

/* Windows of 100 steps begin every 50, and end where the run does. */
static void test_stuck_windows(void **state)
{
    (void)state;
    stand(1.0);
    fill(run.loss, 1, 150, 0.95 * guess * 0.999);
    fill(run.loss, 150, STEPS, guess);
    run.evidence.steps = 249;
    SILENT("stuck");
    run.evidence.steps = 250;
    SHOWS("stuck", CAUSE_NO_SIGNAL);
    assert_int_equal(shown("stuck")->step, 249);
}

/* A median is the middle of the values in order, whatever the order they came in. */
static void test_decay_is_a_median(void **state)
{
    (void)state;
    healthy();
    run.config.optim.weight_decay = 0.0026; /* 0.052 of a gradient of 1 */
    for (int t = 10; t < 60; t++)
        run.grad[t] = t < 36 ? 1.0 : 3.0;
    SHOWS("decay", CAUSE_WEIGHT_DECAY); /* in 26 of the 50 */
    for (int t = 10; t < 60; t++)
        run.grad[t] = t % 2 ? 0.1 : 1.5;
    run.grad[20] = 0.9; /* 26 of 50 again, in turns: the two in the middle are 0.058 and 0.052 * 10 */
    SAYS("decay", "was 0.29 of the gradient");
    for (int t = 10; t < 60; t++)
        run.grad[t] = 2.0 - (t * 7 % 50) / 50.0; /* 1.02 to 2, none twice: 0.052 / 1.51 */
    SILENT("decay");
}

static void test_sentences(void **state)
{
    (void)state;
    healthy();
    run.loss[0] = 9.0;
    SAYS("first_loss", "the first loss was 9, where the same answer for every class has 2.3");
    assert_true(fabs(shown("first_loss")->strength - 9.0 / (3.0 * log(10.0))) < 1e-9);
    healthy();
    run.variance[0] = 0.25e-4;
    SAYS("equal_outputs", "differed by 0.005 only");
    assert_true(fabs(shown("equal_outputs")->strength - 4.0) < 1e-9);
    run.variance[0] = 0.0;
    assert_true(fabs(shown("equal_outputs")->strength / 1e8 - 1.0) < 1e-9);
    stride(40);
    run.update[41] = 12.0;
    SAYS("large_steps", "3 of the first 50 updates changed the weights by more than 15 % of their length, one by 60 %");
    assert_true(fabs(shown("large_steps")->strength - 4.0) < 1e-9);
    healthy();
    run.bad[7] = REFUSED_NONFINITE;
    SAYS("worse_than_guessing", "was not a number at step 7");
    assert_true(shown("worse_than_guessing")->strength == 10.0);
    healthy();
    fill(run.loss, 20, 23, 3.35);
    SAYS("worse_than_guessing",
         "from step 20 to 22 the mean loss was 3.35, worse than guessing by the class shares (2.3) by more than "
         "the batches' noise (standard error 0.051)");
    assert_true(fabs(shown("worse_than_guessing")->strength - 3.35 / 3.2865) < 1e-3);
    fill(run.variance, 0, STEPS, NAN); /* single images have no variance: nothing is said of it */
    assert_null(strstr(shown("worse_than_guessing")->evidence, "nan"));
    healthy();
    run.config.optim.weight_decay = 0.01;
    SAYS("decay", "optim.weight_decay = 0.01 was 0.2 of the gradient (steps 10 to 60); above 0.05");
    run.config.optim.name = OPTIMIZER_ADAMW;
    run.config.optim.weight_decay = 5.0;
    SAYS("decay", "= 5 was 0.5 of the update (steps 10 to 60); above 0.3");
}

static void test_sentences_of_the_course(void **state)
{
    (void)state;
    creep(0.3, 0.8);
    SAYS("small_steps", "an update changes the weights by 0.05 % of their length; at this pace all 600 of the run, "
                        "laid end to end, reach 0.3 of it");
    SAYS("small_steps", "(loss 1.84, guessing 2.3)");
    assert_true(fabs(shown("small_steps")->strength - 2.0 / 0.9) < 1e-6);
    fill(run.update, 0, STEPS, 0.0);
    assert_true(fabs(shown("small_steps")->strength / 6.666667e8 - 1.0) < 1e-6);
    stand(1.0);
    SAYS("stuck", "from step 100 to 200 the loss stood at 2.303, which is guessing by the class shares (2.303)");
    assert_true(fabs(shown("stuck")->strength - 50.0) < 1e-6);
    healthy();
    fill(run.samples, 0, STEPS, 8.0);
    run.evidence.noise_scale = exactly(80.0);
    SAYS("noise_scale", "a batch of 8 is 0.1 of the gradient noise scale (80 images, 80 at least)");
    assert_true(shown("noise_scale")->step == 199 && fabs(shown("noise_scale")->strength - 2.0) < 1e-9);
    healthy(); /* 0.002 a step, over the 100 before: 6.53 standard errors of 3.062e-4 */
    for (int t = 1; t < STEPS; t++)
        run.loss[t] = 2.0 - 0.002 * t;
    fill(run.rate, 150, STEPS, 0.00001);
    SAYS("early_drop", "at step 150 of 600 the rate had fallen from 0.001 to 1e-05 while the loss was still falling by "
                       "0.2 in 100 steps (6.5 standard errors)");
    assert_true(fabs(shown("early_drop")->strength - 6.532 / 2.5) < 0.01);
    fall_back(1.9, 40);
    SAYS("setback", "at step 300 the loss rose from 1 to 1.9 and stayed there for 40 steps (standard error 0.02)");
    assert_true(fabs(shown("setback")->strength - 0.9 / 0.6513) < 1e-3);
}

/* The run is over, planned and made in fewer updates than say anything of a rate, and not half learned in them. */
static void test_few_updates(void **state)
{
    (void)state;
    healthy();
    run.evidence.steps = run.evidence.planned_steps = 40;
    run.evidence.epochs = 1;
    run.evidence.over = true;
    fill(run.loss, 30, 40, 0.75 * guess); /* the last quarter counts */
    SHOWS("few_updates", CAUSE_FEW_UPDATES);
    SAYS("few_updates",
         "the whole run was 40 updates, of 64 images each, and 25 % of what there is to learn was learned");
    SAYS("few_updates", "at that pace it takes about 417"); /* ln 0.05 / ln 0.75 = 10.4 times as many */
    assert_true(fabs(shown("few_updates")->falls_short - 10.413) < 0.001);
    assert_int_equal(shown("few_updates")->step, 39);
    run.evidence.over = false; /* it goes on */
    SILENT("few_updates");
    run.evidence.over = true;
    run.evidence.planned_steps = 600; /* ended early, for another reason */
    SILENT("few_updates");
    run.evidence.planned_steps = run.config.train.max_steps = 40; /* cut short, which somebody asked for */
    SILENT("few_updates");
    run.config.train.max_steps = 400;
    SHOWS("few_updates", CAUSE_FEW_UPDATES);
    fill(run.loss, 20, 40, 0.49 * guess);
    SILENT("few_updates");
    fill(run.loss, 20, 40, 0.51 * guess);
    SHOWS("few_updates", CAUSE_FEW_UPDATES);
    fill(run.loss, 30, 40, 1.1 * guess); /* no pace that could be gone on at */
    assert_true(shown("few_updates")->falls_short == 100.0);
    fill(run.loss, 0, 100, 0.75 * guess);
    run.evidence.steps = run.evidence.planned_steps = 99;
    SHOWS("few_updates", CAUSE_FEW_UPDATES);
    run.evidence.steps = run.evidence.planned_steps = 100;
    SILENT("few_updates");
}

/* More than half is learned, not all, and the last quarter learned more than noise and a fault's worth. */
static void test_few_updates_falling(void **state)
{
    (void)state;
    healthy();
    run.evidence.steps = run.evidence.planned_steps = 40;
    run.evidence.epochs = 1;
    run.evidence.over = true;
    fill(run.loss, 0, 40, 0.4 * guess);
    fill(run.loss, 30, 40, 0.33 * guess);
    SHOWS("few_updates", CAUSE_FEW_UPDATES);
    SAYS("few_updates", "67 % of what there is to learn");
    SAYS("few_updates", "the loss still falling; at that pace it takes about 108"); /* ln 0.05 / ln 0.33 times */
    fill(run.loss, 30, 40, 0.35 * guess);                                           /* by an eighth */
    SILENT("few_updates");
    fill(run.loss, 0, 10, 0.6 * guess);
    fill(run.loss, 10, 20, 0.5 * guess); /* nothing more once the rate is below a half, but before */
    fill(run.rate, 20, 40, 0.49 * run.config.optim.lr);
    SHOWS("few_updates", CAUSE_FEW_UPDATES);
    SAYS("few_updates", "the loss still falling when the schedule lowered the rate; at");
    fill(run.rate, 20, 40, 0.51 * run.config.optim.lr);
    SILENT("few_updates");
    fill(run.loss, 0, 20, 0.4 * guess);
    fill(run.loss, 30, 40, 0.04 * guess); /* all is learned */
    SILENT("few_updates");
    fill(run.loss, 30, 40, 0.33 * guess);
    fill(run.variance, 0, 40, 64.0); /* standard error 0.45 */
    SILENT("few_updates");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_few_updates),
        cmocka_unit_test(test_few_updates_falling),
        cmocka_unit_test(test_needs),
        cmocka_unit_test(test_stuck_windows),
        cmocka_unit_test(test_decay_is_a_median),
        cmocka_unit_test(test_sentences),
        cmocka_unit_test(test_sentences_of_the_course),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
