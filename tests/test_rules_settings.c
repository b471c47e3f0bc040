/* test_rules_settings: rules over settings that cannot work: every threshold from both sides. */
#include "drawn_run.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void off_centre(double mean)
{
    healthy();
    run.evidence.input_unusual = true;
    run.evidence.input_mean = mean;
    run.evidence.input_deviation = 0.2;
    run.evidence.layers.measured = true;
    run.config.augment.normalize = NORMALIZE_NONE;
}

static void test_offcentre(void **state)
{
    (void)state;
    off_centre(0.19);
    SILENT("offcentre");
    off_centre(-0.21);
    SHOWS("offcentre", CAUSE_INPUT_SCALE);
    SAYS("offcentre", "mean -0.21 and deviation 0.2: 52 % of what the first layer gets is the same for every image");
    assert_int_equal(shown("offcentre")->step, 0);
    run.evidence.layers.normalises = true;
    SILENT("offcentre");
    off_centre(0.4);
    run.evidence.layers.measured = false; /* not known */
    SILENT("offcentre");
    off_centre(0.4);
    run.config.augment.normalize = NORMALIZE_AUTO;
    SILENT("offcentre");
    off_centre(0.4);
    run.evidence.input_unusual = false;
    SILENT("offcentre");
}

/* Of a healthy run 84 % of validation is right in the end. */
static void test_off_scale(void **state)
{
    (void)state;
    off_centre(0.1);
    run.evidence.input_deviation = 2.0; /* together 2.002 */
    SHOWS("off_scale", CAUSE_INPUT_SCALE);
    SAYS("off_scale", "mean 0.1 and deviation 2, and no layer normalises them: the first layer bears 1/4 of the usual");
    assert_int_equal(shown("off_scale")->step, STEPS - 1);
    run.evidence.layers.normalises = true; /* takes it out again */
    SILENT("off_scale");
    run.evidence.layers.normalises = false;
    run.evidence.planned_steps = 2 * STEPS + 2; /* not half of it done */
    SILENT("off_scale");
    run.evidence.planned_steps = STEPS;
    fill(run.val_accuracy, EPOCHS - 1, EPOCHS, 0.96); /* and nothing is missing */
    SILENT("off_scale");
    off_centre(0.1);
    run.evidence.input_deviation = 1.9;
    SILENT("off_scale");
    run.evidence.input_deviation = 0.49;
    run.config.optim.name = OPTIMIZER_SGD;
    SAYS("off_scale", "deviation 0.49, and no layer normalises them: the first layer learns at 0.24 of the usual pace");
    run.config.optim.name = OPTIMIZER_ADAM;
    SAYS("off_scale", "the first layer learns at 0.49 of the usual pace");
    run.evidence.layers.normalises = true;
    SILENT("off_scale");
    run.evidence.layers.normalises = false;
    run.evidence.input_deviation = 0.51;
    SILENT("off_scale");
    run.evidence.input_deviation = 2.0;
    run.config.augment.normalize = NORMALIZE_AUTO;
    SILENT("off_scale");
}

/* Three deviations and more, taken out by running means: validation behind by more than 3.5 standard errors of 1600 and
 * 2000 images, 4.2 points, or jumping. */
static void test_off_scale_by_running_means(void **state)
{
    (void)state;
    off_centre(0.61);
    run.evidence.layers.normalises = true;
    SILENT("off_scale"); /* bears it */
    fill(run.val_accuracy, 0, EPOCHS, 0.79);
    SHOWS("off_scale", CAUSE_INPUT_SCALE);
    SAYS("off_scale", "mean 0.61 and deviation 0.2: 90 % of what the first layer gets is the same for every image");
    fill(run.val_accuracy, 0, EPOCHS, 0.83);
    SILENT("off_scale");
    run.val_accuracy[EPOCHS - 2] = 0.6;
    SHOWS("off_scale", CAUSE_INPUT_SCALE);
    run.evidence.input_mean = 0.59;
    SILENT("off_scale");
}

/* 0.9^4 = 0.6561 */
static void test_adam_forgets(void **state)
{
    (void)state;
    healthy();
    run.config.optim.beta2 = 0.657;
    SILENT("adam_forgets");
    run.config.optim.beta2 = 0.655;
    SHOWS("adam_forgets", CAUSE_ADAM);
    run.config.optim.beta1 = 0.8;
    SILENT("adam_forgets");
    run.config.optim.beta1 = 0.9;
    run.config.optim.name = OPTIMIZER_SGD;
    SILENT("adam_forgets");
    run.config.optim.name = OPTIMIZER_ADAMW;
    SHOWS("adam_forgets", CAUSE_ADAM);
}

/* An update of 0.2 at a rate of 0.001 from a gradient of 1: eps is 200 eps of the denominator. */
static void test_adam_epsilon(void **state)
{
    (void)state;
    healthy();
    run.config.optim.eps = 0.0024;
    SILENT("adam_epsilon");
    run.config.optim.eps = 0.0026;
    SHOWS("adam_epsilon", CAUSE_ADAM);
    SAYS("adam_epsilon", "optim.eps = 0.0026 is 52 % of what Adam divides the first gradient by");
    assert_int_equal(shown("adam_epsilon")->step, 0);
    run.rate[0] = 0.0; /* a warm-up begins with no step at all */
    SHOWS("adam_epsilon", CAUSE_ADAM);
    assert_int_equal(shown("adam_epsilon")->step, 1);
    fill(run.rate, 0, 10, 0.0);
    SILENT("adam_epsilon");
    fill(run.rate, 0, 10, 0.001);
    run.bad[0] = REFUSED_NONFINITE;
    SHOWS("adam_epsilon", CAUSE_ADAM);
    assert_int_equal(shown("adam_epsilon")->step, 1);
    run.config.optim.weight_decay = 0.003; /* coupled: 0.06 of the gradient */
    SILENT("adam_epsilon");
    run.config.optim.name = OPTIMIZER_ADAMW; /* decoupled: 0.001 * 0.003 * 20 of the update's 0.2 */
    SHOWS("adam_epsilon", CAUSE_ADAM);
    run.config.optim.weight_decay = 0.5; /* 0.01 */
    SILENT("adam_epsilon");
    run.config.optim.weight_decay = 0.0;
    run.config.optim.name = OPTIMIZER_SGD;
    SILENT("adam_epsilon");
}

/* An update of 0.2 at a rate of 0.001 is 200 rates long: half of what 160000 weights make of it without eps. */
static void test_adam_epsilon_for_most_weights(void **state)
{
    (void)state;
    healthy();
    run.config.optim.eps = 0.0006; /* 0.12 of the denominator */
    SILENT("adam_epsilon");        /* it is not known how many weights there are */
    run.evidence.parameters = 159000;
    SILENT("adam_epsilon");
    run.evidence.parameters = 161000;
    SHOWS("adam_epsilon", CAUSE_ADAM);
    SAYS("adam_epsilon", "with optim.eps = 0.0006 Adam's first update had 50 % of the length");
    run.config.optim.eps = 0.0004; /* 0.08: weights without a gradient may be what is missing */
    SILENT("adam_epsilon");
    run.config.optim.eps = 0.0006;
    run.rate[0] = 0.0; /* later updates are shorter in any case */
    SILENT("adam_epsilon");
    run.rate[0] = 0.001;
    run.config.optim.name = OPTIMIZER_SGD;
    SILENT("adam_epsilon");
}

/* Of a healthy run 84 % of validation is right in the end. */
static void test_answers_cut(void **state)
{
    static struct config_layer layers[2] = {{.type = "conv", .relu = true}, {.type = "linear", .name = "answer"}};
    (void)state;
    healthy();
    run.config.layers = layers;
    run.config.layer_count = 2;
    run.evidence.layers.answer_dead = NAN;
    SILENT("answers_cut");
    layers[1].relu = true;
    SHOWS("answers_cut", CAUSE_NO_SIGNAL);
    SAYS("answers_cut", "pass through the relu of answer: one that is below 0 gets no gradient back");
    assert_int_equal(shown("answers_cut")->step, 0);
    run.evidence.layers.measured = true;
    run.evidence.layers.answer_dead = 0.3;
    SAYS("answers_cut", "; 3 of 10 are 0 for every image");
    run.evidence.planned_steps = 2 * STEPS + 2; /* not half of it done */
    SILENT("answers_cut");
    run.evidence.planned_steps = STEPS;
    fill(run.val_accuracy, EPOCHS - 1, EPOCHS, 0.96); /* nothing is missing */
    SILENT("answers_cut");
}

static void pass_through(int64_t width, double level)
{
    healthy();
    run.evidence.bottleneck = width;
    memcpy(run.evidence.bottleneck_at, "fc1", 4);
    fill(run.loss, 1, STEPS, level * guess);
}

/* Ten classes: log2 is 3.32. */
static void test_narrow(void **state)
{
    (void)state;
    pass_through(3, 0.2);
    SHOWS("narrow", CAUSE_CAPACITY);
    SAYS("narrow",
         "all that the network knows of an image passes through the 3 numbers of fc1, and there are 10 classes");
    assert_int_equal(shown("narrow")->step, 0);
    fill(run.correct, STEPS - 50, STEPS, 64 * 0.96); /* it has learnt it all the same */
    SILENT("narrow");
    fill(run.correct, STEPS - 50, STEPS, 64 * 0.94);
    SHOWS("narrow", CAUSE_CAPACITY);
    pass_through(4, 0.49);
    SILENT("narrow");
    pass_through(4, 0.51);
    SHOWS("narrow", CAUSE_CAPACITY);
    assert_int_equal(shown("narrow")->step, 299);
    run.evidence.steps = 299;
    SILENT("narrow");
    pass_through(4, 0.9);
    fill(run.loss, 250, 300, 0.4 * guess); /* the last of the first half count */
    SILENT("narrow");
    pass_through(6, 0.51); /* 2^6 = 64 are fewer than 10 times 7, 2^7 no fewer than 10 times 8 */
    SHOWS("narrow", CAUSE_CAPACITY);
    pass_through(7, 0.51);
    SILENT("narrow");
    pass_through(0, 0.51); /* not known */
    SILENT("narrow");
    pass_through(4, 0.51);
    run.evidence.classes = 3;
    SILENT("narrow");
}

/* By training more than half was learned at half of the run; by validation at no epoch, at the end. */
static void test_narrow_by_validation(void **state)
{
    (void)state;
    pass_through(4, 0.49);
    fill(run.val_loss, 0, EPOCHS, 0.6 * guess);
    run.val_loss[2] = 0.51 * guess;
    SILENT("narrow"); /* there is more to come */
    run.evidence.over = true;
    SHOWS("narrow", CAUSE_CAPACITY);
    assert_int_equal(shown("narrow")->step, STEPS - 1);
    run.val_loss[2] = 0.49 * guess;
    SILENT("narrow");
    run.val_loss[2] = 0.51 * guess;
    run.evidence.val_images = 0;
    SILENT("narrow");
    run.evidence.val_images = 2000;
    run.evidence.bottleneck = 7;
    SILENT("narrow");
}

/* A cosine of 1000 epochs, of which train.max_steps leaves six. Noise at rest: (0.9 * 0.01 + 0.1) / 4 / 0.1 = 0.27 of a
 * loss of 0.576. */
static void test_never_fell(void **state)
{
    (void)state;
    healthy();
    run.evidence.over = true;
    run.config.schedule.name = SCHEDULE_COSINE;
    run.config.train.epochs = 1000;
    run.config.train.max_steps = STEPS;
    SHOWS("never_fell", CAUSE_SCHEDULE);
    SAYS("never_fell",
         "schedule.name = cosine was planned for train.epochs = 1000, and train.max_steps ended the run in "
         "epoch 6, at 100 % of optim.lr: at that rate noise makes about 47 % of what is left of the loss");
    assert_true(fabs(shown("never_fell")->falls_short - 0.006) < 1e-9);
    run.config.schedule.name = SCHEDULE_STEP;
    SHOWS("never_fell", CAUSE_SCHEDULE);
    run.config.schedule.name = SCHEDULE_PLATEAU; /* which waits for what validation does */
    SILENT("never_fell");
    run.config.schedule.name = SCHEDULE_CONSTANT;
    SILENT("never_fell");
    run.config.schedule.name = SCHEDULE_COSINE;
    run.rate[STEPS - 1] = 0.00069;
    SILENT("never_fell");
    run.rate[STEPS - 1] = 0.00071;
    SHOWS("never_fell", CAUSE_SCHEDULE);
    run.evidence.over = false;
    SILENT("never_fell");
    run.evidence.over = true;
    run.config.train.max_steps = STEPS + 1; /* something else ended it */
    SILENT("never_fell");
    run.config.train.max_steps = 0;
    SILENT("never_fell");
    run.config.train.max_steps = STEPS;
    run.config.schedule.warmup_epochs = 6.0; /* the rate is still to rise */
    SILENT("never_fell");
    run.config.schedule.warmup_epochs = 5.0;
    fill(run.val_accuracy, 0, EPOCHS, 0.96);
    SILENT("never_fell");
    fill(run.val_accuracy, 0, EPOCHS, 0.8);
    fill(run.slope, 0, STEPS, -0.002); /* 0.0275: 4.8 % */
    SILENT("never_fell");
    fill(run.slope, 0, STEPS, -0.003); /* 0.03: 5.2 % */
    SHOWS("never_fell", CAUSE_SCHEDULE);
    for (int t = 0; t < STEPS; t++)
        run.slope[t] = -0.003 + (t % 2 ? 0.03 : -0.03); /* 0.012 +- 0.0039: 3.1 standard errors */
    SHOWS("never_fell", CAUSE_SCHEDULE);
    for (int t = 0; t < STEPS; t++)
        run.slope[t] = -0.003 + (t % 2 ? 0.033 : -0.033); /* 2.8 */
    SILENT("never_fell");
}

/* Rate and loss fall; the slope has the error of batches of 64 with a variance of 0.5. */
/* A run that goes on for longer than it was planned for has a rate that rises again; one that has learned nearly all
 * wants none. */
static void test_early_drop_that_is_none(void **state)
{
    (void)state;
    healthy();
    fill(run.variance, 0, STEPS, 1e-6);
    fill(run.rate, 60, STEPS, 0.00009);
    SHOWS("early_drop", CAUSE_SCHEDULE);
    run.rate[STEPS - 1] = 0.00011;
    SILENT("early_drop");
    run.rate[STEPS - 1] = 0.00009;
    for (int t = 0; t < STEPS; t++)
        run.loss[t] = guess * (0.06 - 0.0001 * t);
    SHOWS("early_drop", CAUSE_SCHEDULE);
    for (int t = 0; t < STEPS; t++)
        run.loss[t] = guess * (0.05 - 0.00001 * t);
    SILENT("early_drop");
}

/* Steps that leave the second half of the updates a hundredth of the way, of a flat loss too: 0.0101 of it is silent.
 */
static void test_a_rate_that_is_spent_at_half(void **state)
{
    (void)state;
    healthy();
    run.evidence.over = true;
    run.config.schedule.name = SCHEDULE_STEP;
    fill(run.rate, 0, STEPS / 2, 0.001);
    fill(run.rate, STEPS / 2, STEPS, 0.0000102);
    SILENT("spent");
    fill(run.rate, STEPS / 2, STEPS, 0.00001);
    SHOWS("spent", CAUSE_SCHEDULE);
    assert_int_equal(shown("spent")->step, STEPS / 2);
    SAYS("spent", "after half of the 600 updates the rate was 1e-05, from 0.001 at first: all updates of the second "
                  "half go 0.0099 of the way");
    run.config.schedule.name = SCHEDULE_PLATEAU; /* it asks the loss */
    SILENT("spent");
    run.config.schedule.name = SCHEDULE_STEP;
    run.evidence.over = false;
    SILENT("spent");
    run.evidence.over = true;
    fill(run.val_accuracy, EPOCHS - 1, EPOCHS, 0.96); /* nothing is missing */
    SILENT("spent");
}

/* A tenfold step at three tenths of the run is usual, before that it is not, nor one that is more than tenfold. A
 * plateau's cut is one of a loss that stands, and rates are rounded. */
static void test_a_usual_step_is_no_early_drop(void **state)
{
    (void)state;
    healthy();
    run.config.schedule.name = SCHEDULE_STEP;
    fill(run.rate, 180, STEPS, 0.0001 * (1.0 + 5e-7));
    SILENT("early_drop");
    run.rate[179] = 0.0001 * (1.0 + 5e-7);
    SHOWS("early_drop", CAUSE_SCHEDULE);
    run.rate[179] = 0.001;
    fill(run.rate, 180, STEPS, 0.00009);
    SHOWS("early_drop", CAUSE_SCHEDULE);
    run.config.schedule.name = SCHEDULE_PLATEAU;
    fill(run.rate, 180, STEPS, 0.0001 * (1.0 + 5e-7));
    SHOWS("early_drop", CAUSE_SCHEDULE);
}

/* After three epochs that were no better on validation than the second, a cut takes nothing, however training falls. */
static void test_drop_that_validation_asked_for(void **state)
{
    (void)state;
    healthy();
    run.evidence.planned_steps = 2 * STEPS;
    for (int t = 0; t < STEPS; t++)
        run.loss[t] = guess * (1.0 - 0.0015 * t);
    fill(run.rate, 500, STEPS, 0.00001);
    SHOWS("early_drop", CAUSE_SCHEDULE);
    fill(run.val_loss, 2, EPOCHS, 1.01 * run.val_loss[1]);
    SILENT("early_drop");
    run.val_loss[3] = 0.99 * run.val_loss[1]; /* one epoch that was no better is no end */
    SHOWS("early_drop", CAUSE_SCHEDULE);
    run.val_loss[3] = 1.01 * run.val_loss[1];
    run.val_loss[5] = 0.5 * run.val_loss[1]; /* after the cut */
    SILENT("early_drop");
    fill(run.val_loss, 0, EPOCHS, NAN);
    SHOWS("early_drop", CAUSE_SCHEDULE);
}

static void test_early_drop(void **state)
{
    (void)state;
    healthy();
    fill(run.rate, 120, STEPS, 0.000101);
    SILENT("early_drop");
    fill(run.rate, 120, STEPS, 0.0000999);
    SHOWS("early_drop", CAUSE_SCHEDULE);
    healthy();
    fill(run.rate, 299, STEPS, 0.00001);
    SHOWS("early_drop", CAUSE_SCHEDULE);
    healthy();
    fill(run.rate, 300, STEPS, 0.00001); /* in the second half of the run */
    SILENT("early_drop");
    healthy();
    fill(run.rate, 20, STEPS, 0.00001);
    SHOWS("early_drop", CAUSE_SCHEDULE);
    assert_int_equal(shown("early_drop")->step, 50); /* before, there is no slope to speak of */
    /* Over 100 steps before step 150 the slope's standard error is sqrt(0.5 / 64 * 12 / 100^3) = 3.06e-4. */
    for (double errors = 2.3; errors < 2.8; errors += 0.4) {
        healthy();
        for (int t = 1; t < STEPS; t++)
            run.loss[t] = 1.5 - errors * 3.062e-4 * t;
        fill(run.rate, 150, STEPS, 0.00001);
        if (errors < 2.5)
            SILENT("early_drop");
        else
            SHOWS("early_drop", CAUSE_SCHEDULE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offcentre),
        cmocka_unit_test(test_off_scale),
        cmocka_unit_test(test_off_scale_by_running_means),
        cmocka_unit_test(test_adam_forgets),
        cmocka_unit_test(test_adam_epsilon),
        cmocka_unit_test(test_adam_epsilon_for_most_weights),
        cmocka_unit_test(test_answers_cut),
        cmocka_unit_test(test_narrow),
        cmocka_unit_test(test_narrow_by_validation),
        cmocka_unit_test(test_never_fell),
        cmocka_unit_test(test_early_drop_that_is_none),
        cmocka_unit_test(test_a_rate_that_is_spent_at_half),
        cmocka_unit_test(test_a_usual_step_is_no_early_drop),
        cmocka_unit_test(test_drop_that_validation_asked_for),
        cmocka_unit_test(test_early_drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
