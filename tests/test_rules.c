/* test_rules: every threshold of the rules that look at steps, from both sides: what is just short of it is no fault,
 * what is just beyond it is one; what each needs and says. What the rules make of whole courses is in test_doctor. */
#include "drawn_run.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- the first steps ---- */

static void test_first_loss(void **state)
{
    (void)state;
    healthy();
    run.loss[0] = 2.99 * guess;
    SILENT("first_loss");
    run.loss[0] = 3.01 * guess;
    SHOWS("first_loss", CAUSE_INITIALISATION);
    run.loss[0] = INFINITY;
    SHOWS("first_loss", CAUSE_INITIALISATION);
    /* Weights as usual and images that were given other figures: it is the images. */
    run.config.model.init_scale = 1.0;
    run.config.augment.normalize = NORMALIZE_NONE;
    SHOWS("first_loss", CAUSE_INPUT_SCALE);
    run.config.model.init_scale = 2.0;
    SHOWS("first_loss", CAUSE_INITIALISATION);
    run.loss[0] = 1.51 * guess; /* weights drawn larger by hand */
    SHOWS("first_loss", CAUSE_INITIALISATION);
    run.loss[0] = 1.49 * guess;
    SILENT("first_loss");
    run.config.model.init_scale = 1.0;
    run.loss[0] = 2.99 * guess;
    SILENT("first_loss");
}

/* Decay moves the weights by rate * decay / (1 - momentum) of their length: half of a step that is too large is 0.075.
 */
static void test_large_steps_of_decay(void **state)
{
    (void)state;
    stride(5); /* before the rule for decay itself looks */
    run.config.optim.name = OPTIMIZER_SGD;
    fill(run.rate, 0, STEPS, 0.05);
    run.config.optim.weight_decay = 0.149;
    SHOWS("large_steps", CAUSE_RATE_HIGH);
    run.config.optim.weight_decay = 0.151;
    SHOWS("large_steps", CAUSE_WEIGHT_DECAY);
    run.config.optim.momentum = 0.0;
    SHOWS("large_steps", CAUSE_RATE_HIGH);
    run.config.optim.name = OPTIMIZER_ADAMW;
    run.config.optim.weight_decay = 1.49;
    SHOWS("large_steps", CAUSE_RATE_HIGH);
    run.config.optim.weight_decay = 1.51;
    SHOWS("large_steps", CAUSE_WEIGHT_DECAY);
    run.config.optim.name = OPTIMIZER_ADAM; /* whose gradient it is part of */
    fill(run.weight, 0, STEPS, 1.0);
    fill(run.update, 0, STEPS, 0.01);
    fill(run.update, 5, 8, 1.0);
    fill(run.grad, 0, STEPS, 1.52);
    SHOWS("large_steps", CAUSE_RATE_HIGH);
    fill(run.grad, 0, STEPS, 1.5);
    SHOWS("large_steps", CAUSE_WEIGHT_DECAY);
}

/* Of 16 images at least, which may take several batches. */
static void test_equal_outputs(void **state)
{
    (void)state;
    healthy();
    run.variance[0] = 1.1e-4;
    SILENT("equal_outputs");
    run.variance[0] = 0.9e-4;
    SHOWS("equal_outputs", CAUSE_INITIALISATION);
    fill(run.samples, 0, STEPS, 5.0); /* four batches of five */
    SILENT("equal_outputs");
    fill(run.variance, 0, 3, 0.0);
    run.variance[3] = 4.4e-4;
    SILENT("equal_outputs");
    run.variance[3] = 3.6e-4;
    SHOWS("equal_outputs", CAUSE_INITIALISATION);
    run.evidence.steps = 2; /* what there is */
    SHOWS("equal_outputs", CAUSE_INITIALISATION);
}

static void test_large_steps(void **state)
{
    (void)state;
    healthy();
    run.loss[50] = 3.0;
    fill(run.update, 47, 50, 20.0 * 0.149);
    SILENT("large_steps");
    fill(run.update, 47, 50, 20.0 * 0.151);
    SHOWS("large_steps", CAUSE_RATE_HIGH);
    run.update[47] = 0.2;
    run.update[50] = 20.0;
    SILENT("large_steps"); /* early ones alone count */
}

/* Long steps that lead down are none too long: one of the losses after them, up to the one behind the last, must be
 * above guessing and the first loss by two standard errors of it, 2 sqrt(0.5 / 64) = 0.177; or nothing learned since.
 */
static void test_large_steps_lead_up(void **state)
{
    (void)state;
    healthy();
    fill(run.update, 5, 8, 10.0);
    SILENT("large_steps");
    run.loss[8] = fmax(guess, run.loss[0]) + 0.17;
    SILENT("large_steps");
    run.loss[8] = fmax(guess, run.loss[0]) + 0.18;
    SHOWS("large_steps", CAUSE_RATE_HIGH);
    SAYS("large_steps", "the loss rose above guessing");
    run.loss[0] = 3.0;
    SILENT("large_steps");
    run.loss[0] = run.loss[8] = guess;
    run.loss[5] = run.loss[9] = 4.0; /* before the first has been taken, and too late to be of them */
    SILENT("large_steps");
    run.bad[6] = REFUSED_NONFINITE;
    SHOWS("large_steps", CAUSE_RATE_HIGH);
    stand(0.96);
    fill(run.update, 5, 8, 10.0);
    SHOWS("large_steps", CAUSE_RATE_HIGH);
    SAYS("large_steps", "nothing is learned since");
    run.evidence.steps = 99; /* nothing can be by then */
    SILENT("large_steps");
    stand(0.94);
    fill(run.update, 5, 8, 10.0);
    SILENT("large_steps");
}

static void test_whose_fault_large_steps_are(void **state)
{
    (void)state;
    stride(40);
    run.config.optim.beta2 = 0.89;
    SHOWS("large_steps", CAUSE_ADAM);
    run.config.optim.beta2 = 0.91;
    SHOWS("large_steps", CAUSE_RATE_HIGH);
    run.config.optim.eps = 0.9e-10;
    SHOWS("large_steps", CAUSE_ADAM);
    run.config.optim.eps = 1.1e-10;
    SHOWS("large_steps", CAUSE_RATE_HIGH);
    run.config.optim.eps = 1e-12;
    run.config.optim.name = OPTIMIZER_SGD; /* which has none */
    SHOWS("large_steps", CAUSE_RATE_HIGH);
    fill(run.samples, 0, STEPS, 9.0);
    SHOWS("large_steps", CAUSE_RATE_HIGH);
    fill(run.samples, 0, STEPS, 8.0);
    SHOWS("large_steps", CAUSE_BATCH_SMALL);
    run.evidence.input_unusual = true;
    SHOWS("large_steps", CAUSE_BATCH_SMALL); /* the weights are drawn otherwise than usual */
    run.config.model.init_scale = 1.0;
    SHOWS("large_steps", CAUSE_INPUT_SCALE);
}

/* The limit is 1.25 guess + 8 standard errors of three steps: 2.878 + 8 * sqrt(0.5 / 64 / 3) = 3.287. */
static void test_worse_than_guessing(void **state)
{
    (void)state;
    healthy();
    fill(run.loss, 20, 23, 3.2);
    SILENT("worse_than_guessing");
    fill(run.loss, 20, 23, 3.35);
    SHOWS("worse_than_guessing", CAUSE_RATE_HIGH);
    assert_int_equal(shown("worse_than_guessing")->step, 20);
    run.evidence.accepted = 20;
    SHOWS("worse_than_guessing", CAUSE_RATE_HIGH);
    run.evidence.accepted = 21; /* what was gone back behind */
    SILENT("worse_than_guessing");
    healthy(); /* noise that is not known is none: 2.878 */
    fill(run.variance, 0, STEPS, NAN);
    fill(run.loss, 20, 23, 2.85);
    SILENT("worse_than_guessing");
    fill(run.loss, 20, 23, 2.9);
    SHOWS("worse_than_guessing", CAUSE_RATE_HIGH);
    healthy(); /* and counts for no more than guessing once more: 5.18 */
    fill(run.variance, 1, STEPS, 100.0);
    fill(run.loss, 20, 23, 5.1);
    SILENT("worse_than_guessing");
    fill(run.loss, 20, 23, 5.3);
    SHOWS("worse_than_guessing", CAUSE_RATE_HIGH);
    healthy(); /* a first loss above guessing is what it begins with: 5.757 + 0.576 + 0.408 = 6.74 */
    run.loss[0] = 2.5 * guess;
    fill(run.loss, 20, 23, 6.6);
    SILENT("worse_than_guessing");
    fill(run.loss, 20, 23, 6.9);
    SHOWS("worse_than_guessing", CAUSE_RATE_HIGH);
    healthy(); /* the very first loss is not of training */
    fill(run.loss, 0, 1, 6.8);
    SILENT("worse_than_guessing");
    run.bad[7] = REFUSED_SCALE; /* fp16's scale looks for its place */
    SILENT("worse_than_guessing");
    run.bad[7] = REFUSED_NONFINITE;
    SHOWS("worse_than_guessing", CAUSE_RATE_HIGH);
}

/* What it is blamed on where the rate is not all there is. */
static void test_worse_than_guessing_why(void **state)
{
    (void)state;
    healthy(); /* a layer bears steps a fourth as long: 0.26 of the units are left, and 0.25 */
    fill(run.loss, 20, 23, 3.35);
    run.config.model.dropout = 0.74;
    SHOWS("worse_than_guessing", CAUSE_RATE_HIGH);
    run.config.model.dropout = 0.75;
    SHOWS("worse_than_guessing", CAUSE_REGULARISATION);
    healthy(); /* gradients that faded as the network was drawn, and nothing is learned since */
    fill(run.loss, 0, STEPS, guess);
    fill(run.loss, 20, 23, 3.35);
    fill(run.correct, 0, STEPS, 6.4);
    SHOWS("worse_than_guessing", CAUSE_RATE_HIGH);
    run.evidence.layers.last_drawn = 1.0;
    run.evidence.layers.first_drawn = 1.1e-3;
    SHOWS("worse_than_guessing", CAUSE_RATE_HIGH);
    run.evidence.layers.first_drawn = 0.9e-3;
    SHOWS("worse_than_guessing", CAUSE_NO_SIGNAL);
    healthy(); /* something is */
    fill(run.loss, 20, 23, 3.35);
    run.evidence.layers.last_drawn = 1.0;
    run.evidence.layers.first_drawn = 0.9e-3;
    SHOWS("worse_than_guessing", CAUSE_RATE_HIGH);
}

/* Of two classes, 15 to 1, as one run had them: a batch without any rare image, then two with some. Its own variance is
 * next to none, and that of guessing by the class shares allows for all three. */
static void test_worse_than_guessing_rare_class(void **state)
{
    (void)state;
    healthy();
    run.evidence.prior_entropy = 0.234;
    run.evidence.prior_variance = 0.0586 * 7.33;
    fill(run.loss, 0, STEPS, 0.2);
    fill(run.samples, 0, STEPS, 16.0);
    fill(run.variance, 0, STEPS, 0.4);
    run.loss[20] = 0.05, run.loss[21] = 0.59, run.loss[22] = 0.43;
    run.variance[20] = 1e-4, run.variance[21] = run.variance[22] = 1.2;
    SILENT("worse_than_guessing");
    fill(run.loss, 20, 23, 0.9); /* 0.2925 + 8 * sqrt(0.4295 / 48) = 1.05, above guessing twice */
    fill(run.variance, 20, 23, 1.2);
    SILENT("worse_than_guessing");
    fill(run.loss, 20, 23, 1.2);
    SHOWS("worse_than_guessing", CAUSE_RATE_HIGH);
}

/* An odd scale of the images explains early steps, and no late ones. */
static void test_worse_than_guessing_late(void **state)
{
    (void)state;
    for (int step = 40; step <= 60; step += 20) {
        healthy();
        run.evidence.input_unusual = true;
        run.config.model.init_scale = 1.0;
        fill(run.loss, step, step + 3, 5.0);
        SHOWS("worse_than_guessing", step < 50 ? CAUSE_INPUT_SCALE : CAUSE_RATE_HIGH);
    }
}

/* ---- the course ---- */

static void test_decay(void **state)
{
    (void)state;
    healthy();
    run.config.optim.weight_decay = 0.0024; /* of weights 20, gradient 1 */
    SILENT("decay");
    run.config.optim.weight_decay = 0.0026;
    SHOWS("decay", CAUSE_WEIGHT_DECAY);
    fill(run.grad, 10, 40, 100.0); /* more than half of the steps */
    SILENT("decay");
    healthy();
    run.config.optim.weight_decay = 0.0024;
    fill(run.grad, 0, 10, 1e-6), fill(run.grad, 60, STEPS, 1e-6); /* other steps do not count */
    SILENT("decay");
    healthy();
    run.config.optim.name = OPTIMIZER_ADAMW;
    run.config.optim.weight_decay = 2.9; /* 0.001 * 20 / 0.2 of it */
    SILENT("decay");
    run.config.optim.weight_decay = 3.1;
    SHOWS("decay", CAUSE_WEIGHT_DECAY);
    run.weight[0] = 10.1; /* what pulls so is what steps have made long */
    SHOWS("decay", CAUSE_WEIGHT_DECAY);
    run.weight[0] = 9.9;
    SHOWS("decay", CAUSE_RATE_HIGH);
}

static void test_dead_units(void **state)
{
    (void)state;
    healthy();
    run.evidence.layers = (struct layer_evidence){.dead_layer = "relu1", .dead_share = 0.949, .dead_step = 1};
    SILENT("dead_units");
    run.evidence.layers.dead_share = 0.951;
    SHOWS("dead_units", CAUSE_RATE_HIGH); /* alive at first: the updates have killed them */
    fill(run.samples, 0, STEPS, 8.0);
    SHOWS("dead_units", CAUSE_BATCH_SMALL);
    stand(1.0);
    run.evidence.layers = (struct layer_evidence){.dead_layer = "relu1", .dead_share = 0.951, .dead_step = 256};
    SHOWS("stuck", CAUSE_RATE_HIGH);
    run.evidence.layers.first_drawn = 0.9e-3; /* killed, but nothing came back even before */
    run.evidence.layers.last_drawn = 1.0;
    SHOWS("stuck", CAUSE_NO_SIGNAL);
    run.evidence.layers.first_drawn = 1.1e-3;
    SHOWS("stuck", CAUSE_RATE_HIGH);
    run.evidence.layers.dead_drawn = 0.951; /* most were dead before, the rest is a consequence */
    SHOWS("stuck", CAUSE_INITIALISATION);
    run.evidence.layers.dead_share = 0.949;
    SHOWS("stuck", CAUSE_NO_SIGNAL);
    healthy();
    run.evidence.layers = (struct layer_evidence){.dead_layer = "relu1", .dead_share = 0.951, .dead_step = 1};
    run.evidence.layers.dead_step = 0;
    SHOWS("dead_units", CAUSE_INITIALISATION);
}

static void test_noise_scale(void **state)
{
    (void)state;
    healthy();
    fill(run.samples, 0, STEPS, 16.0);
    run.evidence.noise_scale = exactly(16.0 / 0.21);
    SILENT("noise_scale");
    run.evidence.noise_scale = exactly(16.0 / 0.19);
    SHOWS("noise_scale", CAUSE_BATCH_SMALL);
    /* What it is at least counts. */
    run.evidence.noise_scale = (struct estimate){400.0, 16.0 / 0.21, INFINITY};
    SILENT("noise_scale");
    run.evidence.noise_scale.low = 16.0 / 0.19;
    SHOWS("noise_scale", CAUSE_BATCH_SMALL);
    /* Where hardly any loss is left, so is hardly any gradient. */
    fill(run.loss, 0, STEPS, 0.099 * guess);
    SILENT("noise_scale");
    fill(run.loss, 0, STEPS, 0.101 * guess);
    SHOWS("noise_scale", CAUSE_BATCH_SMALL);
    fill(run.samples, 0, STEPS, 17.0);
    run.evidence.noise_scale = exactly(1000.0);
    SILENT("noise_scale");
}

/* The plain near guessing: the loss had come down by 0.3 and went back, before it came to half of guessing. */
static void test_setback_on_a_plain(void **state)
{
    (void)state;
    for (int much = 0; much < 2; much++) {
        healthy();
        fill(run.loss, 0, 200, 2.0);
        fill(run.loss, 200, 260, 2.25);
        fill(run.loss, 260, STEPS, much ? 1.15 : 1.0); /* a quarter of 1.15 is 0.29, of 1.3 it is 0.33 */
        run.loss[0] = guess;
        if (much)
            SHOWS("setback", CAUSE_RATE_HIGH);
        else
            SILENT("setback");
    }
}

static void test_setback(void **state)
{
    (void)state;
    fall_back(1.64, 40);
    SILENT("setback");
    fall_back(1.66, 40);
    SHOWS("setback", CAUSE_RATE_HIGH);
    assert_int_equal(shown("setback")->step, 300);
    fall_back(1.66, 39);
    SILENT("setback");
    fall_back(1.66, 40);
    fill(run.samples, 0, STEPS, 8.0);
    SHOWS("setback", CAUSE_BATCH_SMALL);
    fill(run.samples, 0, STEPS, 9.0);
    SHOWS("setback", CAUSE_RATE_HIGH);
    run.evidence.accepted = 300;
    SHOWS("setback", CAUSE_RATE_HIGH);
    run.evidence.accepted = 301;
    SILENT("setback");
    fall_back(1.66, 40); /* 8 standard errors of 0.082 are the rise */
    fill(run.variance, 0, STEPS, 0.5 * 17.2);
    SHOWS("setback", CAUSE_RATE_HIGH);
    fill(run.variance, 0, STEPS, 0.5 * 17.6);
    SILENT("setback");
    fill(run.variance, 0, STEPS, NAN);
    SHOWS("setback", CAUSE_RATE_HIGH);
    /* There must have been progress: a tenth of guessing. */
    for (double floor = 0.89; floor < 0.92; floor += 0.02) {
        healthy();
        fill(run.loss, 1, STEPS, floor * guess);
        fill(run.loss, 300, 340, guess * 1.2);
        if (floor < 0.9)
            SHOWS("setback", CAUSE_RATE_HIGH);
        else
            SILENT("setback");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_loss),
        cmocka_unit_test(test_equal_outputs),
        cmocka_unit_test(test_large_steps_of_decay),
        cmocka_unit_test(test_large_steps),
        cmocka_unit_test(test_large_steps_lead_up),
        cmocka_unit_test(test_whose_fault_large_steps_are),
        cmocka_unit_test(test_worse_than_guessing),
        cmocka_unit_test(test_worse_than_guessing_why),
        cmocka_unit_test(test_worse_than_guessing_late),
        cmocka_unit_test(test_worse_than_guessing_rare_class),
        cmocka_unit_test(test_decay),
        cmocka_unit_test(test_dead_units),
        cmocka_unit_test(test_noise_scale),
        cmocka_unit_test(test_setback),
        cmocka_unit_test(test_setback_on_a_plain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
