/* test_rules_steps: rules over how far steps go and what batches agree on: every threshold from both sides. */
#include "drawn_run.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_small_steps(void **state)
{
    (void)state;
    creep(0.66, 0.8);
    SHOWS("small_steps", CAUSE_RATE_LOW);
    assert_int_equal(shown("small_steps")->step, 99);
    assert_true(fabs(shown("small_steps")->falls_short - 1.01) < 0.01);
    creep(0.68, 0.8);
    SILENT("small_steps");
    creep(0.3, 0.51);
    SHOWS("small_steps", CAUSE_RATE_LOW);
    creep(0.3, 0.49);
    SILENT("small_steps");
    creep(0.3, 0.8); /* the loss is that of the second half of the window */
    fill(run.loss, 50, 100, 0.49 * guess), fill(run.loss, 150, 200, 0.49 * guess);
    for (int t = 200; t < STEPS; t++)
        run.loss[t] = 0.49 * guess;
    SILENT("small_steps");
    creep(0.3, 0.8); /* steps that are small later on, after large ones */
    fill(run.update, 0, 100, 20.0 * 0.007);
    SILENT("small_steps");
    fill(run.update, 0, 100, 20.0 * 0.003); /* 0.3, and 500 of 0.0005 */
    SHOWS("small_steps", CAUSE_RATE_LOW);
    assert_int_equal(shown("small_steps")->step, 199);
    creep(0.3, 0.8); /* small while nothing was learned, and larger since: 0.265 and 70 of 0.0105 */
    fill(run.update, 500, 570, 20.0 * 0.0104);
    SHOWS("small_steps", CAUSE_RATE_LOW);
    fill(run.update, 500, 570, 20.0 * 0.0106);
    SILENT("small_steps");
    for (int t = 1; t < STEPS; t += 2) /* every other step has its row */
        run.update[t] = NAN;
    SILENT("small_steps");
    creep(0.3, 0.8); /* 95 % of the last fifty steps' images are right */
    fill(run.correct, STEPS - 50, STEPS, 64.0 * 0.96);
    SILENT("small_steps");
    fill(run.correct, STEPS - 50, STEPS, 64.0 * 0.94);
    SHOWS("small_steps", CAUSE_RATE_LOW);
}

/* Steps from a quarter of the run, 151, to half of it, 300. */
static void test_short_steps(void **state)
{
    (void)state;
    healthy();
    fill(run.end_slope, 0, STEPS, -0.049);
    SILENT("short_steps");
    fill(run.end_slope, 0, STEPS, -0.051);
    SHOWS("short_steps", CAUSE_RATE_LOW);
    SAYS("short_steps", "from step 151 to 300 the loss fell where a step ended by 0.51 of how it fell where the step "
                        "began");
    assert_int_equal(shown("short_steps")->step, 299);
    run.evidence.steps = 299; /* not before half of the run */
    SILENT("short_steps");
    run.evidence.steps = STEPS;
    fill(run.correct, 151, 300, 64.0 * 0.96); /* what is learned leaves no gradient to go by */
    SILENT("short_steps");
    fill(run.correct, 151, 300, 64.0 * 0.94);
    SHOWS("short_steps", CAUSE_RATE_LOW);
    run.config.data.shuffle = false; /* sorted batches are not alike */
    SILENT("short_steps");
    run.config.data.shuffle = true;
    run.config.optim.eps = 1e-3;
    SHOWS("short_steps", CAUSE_ADAM);
    run.config.optim.name = OPTIMIZER_SGD;
    SHOWS("short_steps", CAUSE_RATE_LOW);
    run.config.optim.momentum = 0.0;
    SHOWS("short_steps", CAUSE_PLAIN_SGD);
    fill(run.rate, 0, STEPS, 0.0001);
    SHOWS("short_steps", CAUSE_SCHEDULE);
    healthy(); /* what comes before and after does not count */
    fill(run.end_slope, 0, 151, -0.1);
    fill(run.end_slope, 300, STEPS, -0.1);
    SILENT("short_steps");
}

/* Nine tenths smoothed of ten classes, the right one has 0.19 and each other 0.09: entropy 2.266, and guessing 2.303.
 */
static void test_small_steps_of_softened_targets(void **state)
{
    (void)state;
    creep(0.3, 1.0);
    run.config.train.label_smoothing = 0.9;
    fill(run.correct, 0, STEPS, 64.0 * (0.1 + 0.9 * 0.49));
    SHOWS("small_steps", CAUSE_RATE_LOW);
    SAYS("small_steps", "(loss 2.303, guessing 2.303, of who knows every label 2.266)");
    fill(run.correct, 0, STEPS, 64.0 * (0.1 + 0.9 * 0.51));
    SILENT("small_steps");
    run.config.train.label_smoothing = 0.0; /* the loss says it all */
    SHOWS("small_steps", CAUSE_RATE_LOW);
    fill(run.correct, 0, STEPS, 6.4);
    run.config.train.label_smoothing = 0.9;
    fill(run.loss, 1, STEPS, 2.302585 - 0.49 * 0.0366);
    SHOWS("small_steps", CAUSE_RATE_LOW);
    fill(run.loss, 1, STEPS, 2.302585 - 0.51 * 0.0366);
    SILENT("small_steps");
}

/* A cosine over six epochs, which by the last one has taken the rate to 0.067: where optim.lr all along would have been
 * enough, a warm-up that was over in the first epoch is not to blame, and no other schedule mends it. */
static void test_small_steps_at_the_end_of_a_cosine(void **state)
{
    (void)state;
    const double pi = 3.14159265358979323846;
    creep(0.0, 0.8);
    run.config.schedule.name = SCHEDULE_COSINE;
    run.config.schedule.warmup_epochs = 0.5;
    run.config.train.epochs = EPOCHS;
    for (int t = 0; t < STEPS; t++) {
        run.rate[t] = run.config.optim.lr * 0.5 * (1.0 + cos(pi * (run.epoch[t] - 1.0) / EPOCHS));
        run.update[t] = 20.0 * 1.13 / STEPS * run.rate[t] / run.config.optim.lr; /* 0.66 in all, 0.75 of 400 by pace */
    }
    SHOWS("small_steps", CAUSE_FEW_UPDATES);
    SAYS("small_steps", "the cosine lowers the rate, as it is to");
    assert_true(fabs(shown("small_steps")->falls_short - log(0.05) / log(0.8)) < 0.2);
    for (int t = 0; t < STEPS; t++) { /* a warm-up that still holds it in the fifth epoch of six */
        run.rate[t] *= 0.25;
        run.update[t] *= 0.9;
    }
    SHOWS("small_steps", CAUSE_SCHEDULE);
    SAYS("small_steps", "of optim.lr then");
}

/* A step schedule that comes to a fifth in the last third of the run: 2 / 3 at the whole rate and 1 / 15 in it, where
 * optim.lr all along would have been 1: too little is the rate's doing. In the last two thirds it is the schedule's. */
static void test_small_steps_of_a_schedule(void **state)
{
    (void)state;
    creep(0.0, 0.8);
    run.config.schedule.name = SCHEDULE_STEP;
    for (int t = 0; t < STEPS; t++) {
        run.rate[t] = run.config.optim.lr * (3 * t < 2 * STEPS ? 1.0 : 0.2);
        run.update[t] = 20.0 * 0.7 / STEPS * run.rate[t] / run.config.optim.lr;
    }
    SHOWS("small_steps", CAUSE_RATE_LOW);
    for (int t = STEPS / 3; t < STEPS; t++) {
        run.rate[t] = 0.2 * run.config.optim.lr;
        run.update[t] = 20.0 * 0.7 / STEPS * 0.2;
    }
    SHOWS("small_steps", CAUSE_SCHEDULE);
    SAYS("small_steps", "the rate was 0.2 of optim.lr then");
}

/* No action says what the config has. */
static void test_a_cosine_is_not_told_to_be_one(void **state)
{
    (void)state;
    healthy();
    run.config.schedule.name = SCHEDULE_COSINE;
    run.config.schedule.warmup_epochs = 0.0;
    assert_null(strstr(cause_action(CAUSE_SCHEDULE, &run.config), "schedule.name = cosine"));
    run.config.schedule.name = SCHEDULE_CONSTANT;
    assert_non_null(strstr(cause_action(CAUSE_SCHEDULE, &run.config), "schedule.name = cosine"));
}

static void test_whose_fault_small_steps_are(void **state)
{
    (void)state;
    creep(0.3, 0.8);
    fill(run.rate, 0, STEPS, 0.31 * run.config.optim.lr);
    SHOWS("small_steps", CAUSE_RATE_LOW);
    fill(run.rate, 0, STEPS, 0.29 * run.config.optim.lr);
    SHOWS("small_steps", CAUSE_SCHEDULE); /* 0.3 / 0.29 of the weights' length at the whole rate */
    fill(run.update, 0, STEPS, 20.0 * 0.19 / STEPS);
    SHOWS("small_steps", CAUSE_RATE_LOW); /* 0.66 of it, and no schedule brings more */
    fill(run.update, 0, STEPS, 20.0 * 0.2 / STEPS);
    SHOWS("small_steps", CAUSE_SCHEDULE);
    /* A rate that was cut to a hundredth after 40 steps is 0.41 of optim.lr on average in the first hundred: 0.05 of
     * the way that would have been 0.75 long. */
    creep(0.75, 0.8);
    fill(run.rate, 40, STEPS, 0.01 * run.config.optim.lr);
    fill(run.update, 40, STEPS, 20.0 * 0.0075 / STEPS);
    run.evidence.planned_steps = STEPS;
    SHOWS("small_steps", CAUSE_SCHEDULE);
    SAYS("small_steps", "; the rate was 0.01 of optim.lr then");
    creep(0.3, 0.8);
    fill(run.rate, 60, STEPS, 0.01 * run.config.optim.lr); /* two thirds on average, and next to nothing since */
    SHOWS("small_steps", CAUSE_SCHEDULE);
    SAYS("small_steps", "the rate was 0.01 of optim.lr then");
    creep(0.3, 0.8);
    run.config.optim.eps = 0.9e-4;
    SHOWS("small_steps", CAUSE_RATE_LOW);
    run.config.optim.eps = 1.1e-4;
    SHOWS("small_steps", CAUSE_ADAM);
    run.config.optim.name = OPTIMIZER_SGD;
    run.config.optim.momentum = 0.51;
    SHOWS("small_steps", CAUSE_RATE_LOW);
    run.config.optim.momentum = 0.49;
    SHOWS("small_steps", CAUSE_PLAIN_SGD);
}

static void test_short_steps_needs_what_is_known(void **state)
{
    (void)state;
    for (int known = 49; known <= 50; known++) {
        healthy();
        fill(run.end_slope, 0, STEPS, NAN);
        fill(run.end_slope, 200, 200 + known, -0.09);
        if (known < 50)
            SILENT("short_steps");
        else
            SHOWS("short_steps", CAUSE_RATE_LOW);
    }
    healthy(); /* the beginning of a step that its end is compared with is the row before */
    fill(run.end_slope, 0, STEPS, -0.09);
    fill(run.slope, 150, 299, -0.2);
    SILENT("short_steps");
    fill(run.slope, 150, 299, -0.1);
    fill(run.slope, 299, STEPS, -90.0);
    SHOWS("short_steps", CAUSE_RATE_LOW);
}

static void alike(double cosine, double batch)
{
    healthy();
    fill(run.samples, 0, STEPS, batch);
    for (int t = 0; t < STEPS; t++)
        run.grad_cosine[t] = cosine + (t % 2 ? 0.1 : -0.1);
}

/* 500 cosines that scatter by 0.1: two standard errors are 0.0089; 0.0982 + 0.0089 is 0.12 of the rest. */
static void test_unlike_batches(void **state)
{
    (void)state;
    alike(0.0992, 16.0);
    SILENT("unlike_batches");
    alike(0.0972, 16.0);
    SHOWS("unlike_batches", CAUSE_BATCH_SMALL);
    SAYS("unlike_batches", "gradients of two batches of 16 have a cosine of 0.097 +- 0.004");
    assert_int_equal(shown("unlike_batches")->step, 199);
    run.config.optim.beta1 = 0.4;
    SILENT("unlike_batches");
    run.config.optim.name = OPTIMIZER_SGD;
    SHOWS("unlike_batches", CAUSE_BATCH_SMALL);
    run.config.optim.momentum = 0.4;
    SILENT("unlike_batches");
    alike(0.05, 17.0);
    SILENT("unlike_batches");
    alike(0.05, 16.0);
    run.config.data.shuffle = false;
    SILENT("unlike_batches");
    for (int known = 99; known <= 100; known++) {
        alike(0.05, 16.0);
        fill(run.grad_cosine, 0, STEPS - known, NAN);
        if (known < 100)
            SILENT("unlike_batches");
        else
            SHOWS("unlike_batches", CAUSE_BATCH_SMALL);
    }
    alike(0.05, 16.0);
    fill(run.loss, 100, STEPS, 0.09 * guess); /* all is learned */
    SILENT("unlike_batches");
    fill(run.loss, 100, STEPS, 0.11 * guess);
    SHOWS("unlike_batches", CAUSE_BATCH_SMALL);
    run.evidence.steps = 199;
    SILENT("unlike_batches");
}

/* Steps too large at a batch that is mostly noise: only the ratio of rate and batch can be known, and the batch is
 * named.
 */
static void test_whose_fault_large_steps_are(void **state)
{
    (void)state;
    static const struct {
        double cosine, batch, scale;
        enum cause cause;
    } cases[] = {
        {0.3, 16.0, NAN, CAUSE_RATE_HIGH},    {0.05, 16.0, NAN, CAUSE_BATCH_SMALL}, {0.05, 17.0, NAN, CAUSE_RATE_HIGH},
        {0.3, 16.0, 81.0, CAUSE_BATCH_SMALL}, {0.3, 16.0, 79.0, CAUSE_RATE_HIGH},   {0.3, 17.0, 99.0, CAUSE_RATE_HIGH},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        alike(cases[i].cosine, cases[i].batch);
        run.evidence.noise_scale.low = cases[i].scale;
        fill(run.update, 5, 8, 10.0);
        fill(run.loss, 6, 7, 1.4 * guess);
        SHOWS("large_steps", cases[i].cause);
    }
}

/* A batch takes 0.1 off its own loss, the next one adds 0.9 of 0.01 for past gradients: noise holds up by 0.27. From
 * the first quarter to the last tenth the loss falls by twice three quarters of that. */
static void test_noise_that_costs(void **state)
{
    (void)state;
    const double held = (0.1 + 0.9 * 0.01) / (4.0 * 0.1); /* 0.2725; three quarters of it are twice 0.102 */
    for (double brought = 0.98; brought < 1.03; brought += 0.04) {
        alike(0.05, 16.0);
        fill(run.loss, 0, STEPS, 1.5 * held * brought + 1.0);
        fill(run.loss, STEPS - STEPS / 10, STEPS, 1.0);
        if (brought > 1.0)
            SILENT("unlike_batches");
        else
            SHOWS("unlike_batches", CAUSE_BATCH_SMALL);
    }
    alike(0.05, 16.0);
    SAYS("unlike_batches", "noise held the loss up by about 0.27 after the first quarter and by 0.27 in the end");
    /* A rate that has fallen leaves 0.019 / 0.4 = 0.0475 in the end, of which a larger batch has a fourth: twice 0.2606
     */
    for (double brought = 0.51; brought < 0.54; brought += 0.02) {
        alike(0.05, 16.0);
        fill(run.loss, 0, STEPS, 1.0 + brought);
        fill(run.loss, STEPS - STEPS / 10, STEPS, 1.0);
        fill(run.slope, STEPS - STEPS / 10, STEPS, -0.01);
        if (brought > 0.52)
            SILENT("unlike_batches");
        else
            SHOWS("unlike_batches", CAUSE_BATCH_SMALL);
    }
    alike(0.05, 16.0);
    run.evidence.planned_steps = 2 * STEPS;
    SHOWS("unlike_batches", CAUSE_BATCH_SMALL);
    run.evidence.planned_steps++; /* less than half of the run */
    SILENT("unlike_batches");
    run.evidence.over = true; /* stopped early */
    SHOWS("unlike_batches", CAUSE_BATCH_SMALL);
    run.config.optim.name = OPTIMIZER_SGD;
    fill(run.slope, 0, STEPS, -0.04); /* 0.0490 / 0.4 = 0.1225, of which three quarters are twice 0.046 */
    fill(run.loss, 0, STEPS, 1.15);
    fill(run.loss, STEPS - STEPS / 10, STEPS, 1.0);
    SHOWS("unlike_batches", CAUSE_BATCH_SMALL);
    run.config.optim.nesterov = true; /* the gradient has 1.9 of its length in its own step */
    SILENT("unlike_batches");
}

/* Under SGD the clip shortens steps as a low rate does; Adam divides a gradient by its length. */
static void test_steps_cut_by_the_clip(void **state)
{
    (void)state;
    creep(0.3, 0.8);
    run.config.optim.name = OPTIMIZER_SGD;
    run.config.optim.clip_norm = 0.31; /* gradients are 1 long */
    SHOWS("small_steps", CAUSE_RATE_LOW);
    run.config.optim.clip_norm = 0.29;
    SHOWS("small_steps", CAUSE_CLIP);
    SAYS("small_steps", "; optim.clip_norm = 0.29 leaves 0.29 of a step, the gradient being 1 long");
    run.config.optim.name = OPTIMIZER_ADAM;
    SHOWS("small_steps", CAUSE_RATE_LOW);
    healthy();
    run.config.optim.name = OPTIMIZER_SGD;
    run.config.optim.clip_norm = 0.01;
    fill(run.end_slope, 0, STEPS, -0.06);
    SHOWS("short_steps", CAUSE_CLIP);
    fill(run.grad, 151, 300, 0.01); /* not clipped in that window */
    SHOWS("short_steps", CAUSE_RATE_LOW);
}

/* Where nothing comes back to the first layer, a higher rate is none for the last one. */
static void test_faded_gradients_come_first(void **state)
{
    (void)state;
    creep(0.3, 0.8);
    run.evidence.layers = (struct layer_evidence){
        .first_layer = "conv1", .last_layer = "linear1", .first_grad = 1.1e-3, .last_grad = 1.0, .measured = true};
    SHOWS("small_steps", CAUSE_RATE_LOW);
    run.evidence.layers.first_grad = 0.9e-3;
    SHOWS("small_steps", CAUSE_NO_SIGNAL);
    SAYS("small_steps", "; the gradient of conv1 is 0.0009 of that of linear1");
    run.config.optim.name = OPTIMIZER_SGD;
    run.config.optim.clip_norm = 0.01;
    SHOWS("small_steps", CAUSE_NO_SIGNAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_steps),
        cmocka_unit_test(test_small_steps_of_softened_targets),
        cmocka_unit_test(test_whose_fault_small_steps_are),
        cmocka_unit_test(test_small_steps_at_the_end_of_a_cosine),
        cmocka_unit_test(test_small_steps_of_a_schedule),
        cmocka_unit_test(test_a_cosine_is_not_told_to_be_one),
        cmocka_unit_test(test_steps_cut_by_the_clip),
        cmocka_unit_test(test_faded_gradients_come_first),
        cmocka_unit_test(test_short_steps),
        cmocka_unit_test(test_short_steps_needs_what_is_known),
        cmocka_unit_test(test_unlike_batches),
        cmocka_unit_test(test_whose_fault_large_steps_are),
        cmocka_unit_test(test_noise_that_costs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
