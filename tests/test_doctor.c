/* test_doctor: the doctor's rules on series with a known fault, each beside its healthy neighbour, and the order of
 * what they find. */
#include "drawn_run.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct symptom found[CAUSE_COUNT];

static int examine(void)
{
    return doctor_examine(&run.evidence, found);
}

#define EXPECT(wanted, rule_name)                                                                                      \
    do {                                                                                                               \
        assert_true(examine() >= 1);                                                                                   \
        assert_string_equal(cause_table[found[0].cause].name, cause_table[wanted].name);                               \
        assert_string_equal(found[0].rule, rule_name);                                                                 \
        assert_true(found[0].strength > 1.0 && strlen(found[0].evidence) > 20);                                        \
    } while (0)
#define EXPECT_NOTHING() assert_int_equal(examine(), 0)

static void test_healthy(void **state)
{
    (void)state;
    healthy();
    EXPECT_NOTHING();
    for (run.evidence.steps = 0; run.evidence.steps < STEPS; run.evidence.steps += 7) { /* at any moment */
        run.evidence.epochs = run.evidence.steps / 100;
        EXPECT_NOTHING();
    }
    /* Not known is not a fault. */
    healthy();
    for (int t = 0; t < STEPS; t++)
        run.variance[t] = run.update[t] = run.weight[t] = run.grad[t] = run.correct[t] = run.slope[t] =
            run.end_slope[t] = run.grad_cosine[t] = NAN;
    EXPECT_NOTHING();
}

static void test_first_steps(void **state)
{
    (void)state;
    healthy();
    run.loss[0] = 2.9 * guess;
    EXPECT_NOTHING();
    run.loss[0] = 3.1 * guess;
    EXPECT(CAUSE_INITIALISATION, "first_loss");
    run.config.model.init_scale = 1.0;
    EXPECT(CAUSE_INITIALISATION, "first_loss");
    run.loss[0] = 2.9 * guess; /* a new network knows nothing of rare classes: what they are worth is no measure */
    run.evidence.prior_entropy = 0.48;
    SILENT("first_loss");
    healthy();
    run.loss[0] = 3.1 * guess;
    run.config.model.init_scale = 1.0;
    run.config.augment.normalize = NORMALIZE_GIVEN;
    EXPECT(CAUSE_INPUT_SCALE, "first_loss");
    healthy();
    run.variance[0] = 1e-6;
    EXPECT(CAUSE_INITIALISATION, "equal_outputs");
    healthy();
    run.update[3] = run.update[4] = 10.0;
    EXPECT_NOTHING();
    run.update[9] = 10.0;
    EXPECT_NOTHING(); /* nothing is lost by it */
    run.loss[4] = guess + 1.0;
    EXPECT(CAUSE_RATE_HIGH, "large_steps");
    assert_int_equal(found[0].step, 3);
    run.config.optim.beta2 = 0.8;
    EXPECT(CAUSE_ADAM, "large_steps");
}

static void test_worse_than_guessing(void **state)
{
    (void)state;
    healthy();
    run.loss[5] = 3.0; /* one batch alone */
    EXPECT_NOTHING();
    for (int t = 5; t < 9; t++)
        run.loss[t] = 9.0;
    EXPECT(CAUSE_RATE_HIGH, "worse_than_guessing");
    for (int t = 0; t < STEPS; t++)
        run.samples[t] = 4;
    EXPECT(CAUSE_BATCH_SMALL, "worse_than_guessing");
    healthy();
    run.bad[17] = 1.0;
    run.loss[17] = NAN;
    EXPECT(CAUSE_RATE_HIGH, "worse_than_guessing");
    assert_int_equal(found[0].step, 17);
}

static void test_decay(void **state)
{
    (void)state;
    healthy();
    run.config.optim.weight_decay = 0.002; /* 0.04 of the gradient */
    EXPECT_NOTHING();
    run.config.optim.weight_decay = 0.01;
    EXPECT(CAUSE_WEIGHT_DECAY, "decay");
    run.config.optim.name = OPTIMIZER_ADAMW; /* 0.001 of the update */
    EXPECT_NOTHING();
    run.config.optim.weight_decay = 5.0;
    EXPECT(CAUSE_WEIGHT_DECAY, "decay");
}

static void slow(void)
{
    healthy();
    for (int t = 0; t < STEPS; t++) {
        run.update[t] = 0.01; /* 600 of them: 0.3 of the weights */
        run.loss[t] = guess * (1.0 - 0.4 * t / STEPS) + 0.1 * jitter(t);
    }
}

static void test_small_steps(void **state)
{
    (void)state;
    slow();
    EXPECT(CAUSE_RATE_LOW, "small_steps");
    assert_int_equal(found[0].step, 99);
    run.evidence.planned_steps = 100 * STEPS; /* there is time enough */
    EXPECT_NOTHING();
    slow();
    run.config.optim.eps = 0.0002;
    EXPECT(CAUSE_ADAM, "small_steps");
    slow();
    run.config.optim.name = OPTIMIZER_SGD;
    EXPECT(CAUSE_RATE_LOW, "small_steps");
    run.config.optim.momentum = 0.0;
    EXPECT(CAUSE_PLAIN_SGD, "small_steps");
    slow();
    for (int t = 0; t < STEPS; t++)
        run.rate[t] = 1e-5;
    EXPECT(CAUSE_SCHEDULE, "small_steps");
    /* Steps as short, in a short run that has learned most of what there is and goes on falling. */
    slow();
    run.evidence.steps = run.evidence.planned_steps = 117;
    run.evidence.epochs = 1;
    for (int t = 0; t < STEPS; t++)
        run.loss[t] = guess * exp(-t / 75.0) + 0.1 * jitter(t);
    EXPECT_NOTHING();
    for (int t = 0; t < STEPS; t++) /* less than half of it */
        run.loss[t] = guess * exp(-t / 150.0) + 0.1 * jitter(t);
    EXPECT(CAUSE_RATE_LOW, "small_steps");
}

static void test_early_drop(void **state)
{
    (void)state;
    healthy();
    for (int t = 120; t < STEPS; t++)
        run.rate[t] = 5e-5;
    EXPECT(CAUSE_SCHEDULE, "early_drop");
    assert_int_equal(found[0].step, 120);
    healthy();
    for (int t = 400; t < STEPS; t++) /* past the middle of the run */
        run.rate[t] = 5e-5;
    EXPECT_NOTHING();
}

static void test_stuck(void **state)
{
    (void)state;
    stand(1.0);
    for (int t = 0; t < STEPS; t++)
        run.loss[t] = guess + 0.01 * jitter(t);
    EXPECT(CAUSE_NO_SIGNAL, "stuck");
    assert_int_equal(found[0].step, 199);
}

static void test_layers(void **state)
{
    (void)state;
    healthy();
    struct layer_evidence *layers = &run.evidence.layers;
    *layers = (struct layer_evidence){.dead_layer = "relu3", .dead_share = 0.94, .dead_step = 256};
    EXPECT_NOTHING();
    layers->dead_share = 0.96;
    EXPECT(CAUSE_RATE_HIGH, "dead_units");
    assert_int_equal(found[0].step, 256);
    assert_non_null(strstr(found[0].evidence, "96 % of the channels of relu3"));
    layers->dead_step = 0;
    EXPECT(CAUSE_INITIALISATION, "dead_units");
    /* Where nothing is learnt the layer is named at which the gradient is lost. */
    stand(1.0);
    for (int t = 0; t < STEPS; t++)
        run.loss[t] = guess + 0.01 * jitter(t);
    *layers = (struct layer_evidence){
        .first_layer = "conv1", .last_layer = "linear2", .first_grad = 1.1e-4, .last_grad = 0.1};
    EXPECT(CAUSE_NO_SIGNAL, "stuck");
    assert_null(strstr(found[0].evidence, "conv1"));
    layers->first_grad = 0.9e-4;
    EXPECT(CAUSE_NO_SIGNAL, "stuck");
    assert_non_null(strstr(found[0].evidence, "the gradient of conv1 is 0.0009 of that of linear2"));
}

static void test_setback(void **state)
{
    (void)state;
    struct symptom symptom;
    healthy();
    for (int t = 300; t < 400; t++)
        run.loss[t] = 2.0;
    assert_true(doctor_diverged(&run.evidence, &symptom));
    run.evidence.accepted = 380; /* what a run has gone back to is not held against it */
    assert_false(doctor_diverged(&run.evidence, &symptom));
    healthy();
    for (int t = 300; t < 330; t++)
        run.loss[t] = 2.0;
    EXPECT_NOTHING(); /* it came back */
    for (int t = 300; t < 400; t++)
        run.loss[t] = 2.0;
    EXPECT(CAUSE_RATE_HIGH, "setback");
    assert_int_equal(found[0].step, 300);
}

/* A state is worth going back to where it is better than guessing and not just losing what was won. */
static void test_learns(void **state)
{
    (void)state;
    healthy();
    assert_true(doctor_learns(&run.evidence));
    for (int t = STEPS - 12; t < STEPS; t++)
        run.loss[t] = 0.9; /* 0.58 + a fourth of the 1.73 down to it are 1.01 */
    assert_true(doctor_learns(&run.evidence));
    for (int t = STEPS - 12; t < STEPS; t++)
        run.loss[t] = 1.2;
    assert_false(doctor_learns(&run.evidence));
    run.evidence.steps = STEPS - 12;
    assert_true(doctor_learns(&run.evidence));
    for (int t = 0; t < STEPS; t++)
        run.loss[t] = 0.96 * guess;
    assert_false(doctor_learns(&run.evidence));
    run.evidence.steps = 5;
    for (int t = 0; t < STEPS; t++)
        run.loss[t] = 0.94 * guess;
    assert_true(doctor_learns(&run.evidence));
}

/* 200 steps of batches of 64 with a deviation of 0.3 would see a fall by 0.025. */
static void level(void)
{
    healthy();
    for (int t = 0; t < STEPS; t++) {
        run.loss[t] = 1.0 + 0.1 * jitter(t);
        run.variance[t] = 0.1;
    }
    run.evidence.noise_scale = exactly(400);
}

static void test_noise_limited(void **state)
{
    (void)state;
    struct symptom symptom;
    level();
    assert_true(doctor_levelled(&run.evidence) && doctor_noise_limited(&run.evidence, &symptom));
    assert_true(symptom.strength > 1.0 && symptom.step == 400);
    assert_non_null(
        strstr(symptom.evidence, "a batch of 64 is 0.16 of the gradient noise scale (400 images, 400 at least)"));
    run.evidence.noise_scale = exactly(300); /* 0.21 */
    assert_false(doctor_noise_limited(&run.evidence, &symptom));
    level();
    for (int t = 400; t < STEPS; t++)
        run.loss[t] -= 0.001 * (t - 400); /* it falls */
    assert_false(doctor_levelled(&run.evidence) || doctor_noise_limited(&run.evidence, &symptom));
    level();
    for (int t = 0; t < STEPS; t++)
        run.variance[t] = 0.5; /* so much noise that a fall by 0.05 would not show */
    assert_false(doctor_levelled(&run.evidence) || doctor_noise_limited(&run.evidence, &symptom));
    level();
    for (int t = 0; t < STEPS; t++) {
        run.loss[t] *= 0.2; /* next to nothing left to win */
        run.variance[t] *= 0.04;
    }
    assert_true(doctor_levelled(&run.evidence));
    assert_false(doctor_noise_limited(&run.evidence, &symptom));
    level();
    for (int t = 0; t < STEPS; t++) {
        run.loss[t] += 1.1; /* hardly anything won yet */
    }
    assert_true(doctor_levelled(&run.evidence));
    assert_false(doctor_noise_limited(&run.evidence, &symptom));
    level();
    for (int t = 0; t < STEPS; t++)
        run.update[t] = 0.01; /* it is the rate */
    for (int t = 0; t < STEPS; t++)
        run.loss[t] += 0.3;
    assert_true(doctor_levelled(&run.evidence));
    assert_false(doctor_noise_limited(&run.evidence, &symptom));
    /* Steps with another batch do not count. */
    level();
    for (int t = 0; t < 401; t++)
        run.samples[t] = 16;
    assert_true(doctor_levelled(&run.evidence));
    assert_false(doctor_noise_limited(&run.evidence, &symptom));
    for (int t = 300; t < STEPS; t++)
        run.samples[t] = 64;
    assert_true(doctor_noise_limited(&run.evidence, &symptom));
    level();
    run.evidence.steps = 199;
    assert_false(doctor_levelled(&run.evidence));
}

static void test_noise_scale(void **state)
{
    (void)state;
    healthy();
    for (int t = 0; t < STEPS; t++)
        run.samples[t] = 8;
    EXPECT_NOTHING();
    run.evidence.noise_scale = exactly(30);
    EXPECT_NOTHING();
    run.evidence.noise_scale = exactly(100);
    EXPECT(CAUSE_BATCH_SMALL, "noise_scale");
}

static void test_against_validation(void **state)
{
    (void)state;
    healthy();
    for (int e = 0; e < EPOCHS; e++)
        run.val_accuracy[e] += 0.1, run.val_loss[e] *= 0.6;
    EXPECT(CAUSE_LABELS, "better_on_validation");
    run.config.augment.hflip = 0.5; /* training is harder: nothing can be said */
    EXPECT_NOTHING();
    healthy();
    for (int t = 0; t < STEPS; t++) {
        run.loss[t] *= exp(-t / 100.0);
        run.correct[t] = 64 * (1.0 - exp(-t / 60.0));
    }
    for (int e = 2; e < EPOCHS; e++)
        run.val_loss[e] = 1.0 + 0.2 * e;
    EXPECT(CAUSE_OVERFITTING, "overfitting");
    for (int e = 2; e < EPOCHS; e++)
        run.val_loss[e] = 0.6; /* no worse: a note */
    assert_int_equal(doctor_cause(found, examine()), CAUSE_HEALTHY);
    for (int e = 2; e < EPOCHS; e++)
        run.val_loss[e] = 0.6 + 0.1 * e;
    EXPECT(CAUSE_OVERFITTING, "overfitting");
    for (int e = 2; e < EPOCHS; e++)
        run.val_accuracy[e] = 0.93; /* not far behind */
    EXPECT_NOTHING();
}

static void test_first_in_time_is_the_cause(void **state)
{
    (void)state;
    stand(1.0);
    run.loss[0] = 4.0 * guess;
    for (int t = 1; t < STEPS; t++) {
        run.loss[t] = guess + 0.01 * jitter(t);
        run.update[t] = t < 50 ? 10.0 : 0.2;
    }
    assert_int_equal(examine(), 3);
    assert_int_equal(found[0].cause, CAUSE_INITIALISATION);
    assert_int_equal(found[1].cause, CAUSE_RATE_HIGH);
    assert_int_equal(found[2].cause, CAUSE_NO_SIGNAL);
    assert_true(found[0].step <= found[1].step && found[1].step <= found[2].step);
    /* A cause is there once, where it showed first. */
    run.variance[0] = 0.0;
    assert_int_equal(examine(), 3);
    assert_string_equal(found[0].rule, "first_loss");
}

/* Ten classes: 0.25 is worth 2.21 of 2.303, 0.28 is worth 2.175. Two: 0.62 is worth 0.664 of 0.693, 0.64 0.653. */
static void test_guessing(void **state)
{
    (void)state;
    assert_true(doctor_guesses(0.0, 10) && doctor_guesses(0.1, 10) && doctor_guesses(0.25, 10));
    assert_false(doctor_guesses(0.28, 10) || doctor_guesses(0.45, 10) || doctor_guesses(1.0, 10));
    assert_true(doctor_guesses(0.3, 2) && doctor_guesses(0.5, 2) && doctor_guesses(0.62, 2));
    assert_false(doctor_guesses(0.64, 2) || doctor_guesses(1.0, 2));
}

static void test_table(void **state)
{
    (void)state;
    for (int i = 0; i < CAUSE_COUNT; i++) {
        assert_non_null(cause_table[i].name);
        assert_true(strlen(cause_table[i].title) > 10 && strlen(cause_table[i].action) > 10);
        for (int k = 0; k < i; k++)
            assert_string_not_equal(cause_table[i].name, cause_table[k].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_healthy),
        cmocka_unit_test(test_first_steps),
        cmocka_unit_test(test_worse_than_guessing),
        cmocka_unit_test(test_decay),
        cmocka_unit_test(test_small_steps),
        cmocka_unit_test(test_early_drop),
        cmocka_unit_test(test_stuck),
        cmocka_unit_test(test_layers),
        cmocka_unit_test(test_setback),
        cmocka_unit_test(test_noise_scale),
        cmocka_unit_test(test_learns),
        cmocka_unit_test(test_noise_limited),
        cmocka_unit_test(test_against_validation),
        cmocka_unit_test(test_first_in_time_is_the_cause),
        cmocka_unit_test(test_guessing),
        cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
