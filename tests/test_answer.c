/* test_answer: the doctor's answer in words: what to do, and what a trial came to, of figures that are given. */
#include "config_text.h"
#include "diagnosis.h"
#include "suspects.h"
#include "text.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the standard headers first */
#include <cmocka.h>

static void expect_action(const struct diagnosis *diagnosis, const char *settings, const char *says)
{
    struct config config;
    char *said, action[ACTION_TEXT];
    assert_int_equal(config_text_load(&config, "", 0, settings, &said), OK);
    free(said);
    diagnosis_say_action(diagnosis, &config, action);
    config_free(&config);
    assert_string_equal(action, says);
}

/* Where the loss was still falling, the plain step comes before the experiment. */
static void test_still_falling(void **state)
{
    (void)state;
    struct diagnosis diagnosis = {.missing = true, .val_least = 0.5, .best_right = 0.8, .guess = 2.3};
    expect_action(&diagnosis, "train.epochs=20",
                  "none that the records show: 80.0 % of validation's images are right at best (loss 0.5, guessing "
                  "2.3), and they do not say whether more can be had: `evenkeel doctor RUN --probe` tries it");
    diagnosis.standing.falls = true;
    expect_action(
        &diagnosis, "train.epochs=20|train.max_steps=300", /* it was interrupted, or is still going on */
        "train on, as the loss was still falling: `evenkeel train --resume RUN`; whether it can be had sooner "
        "`evenkeel doctor RUN --probe` tries");
    diagnosis.standing.at_last_epoch = true;
    expect_action(&diagnosis, "train.epochs=20|train.max_steps=5000",
                  "train on, as the loss was still falling: `evenkeel train --resume RUN train.epochs=40`; whether it "
                  "can be had sooner `evenkeel doctor RUN --probe` tries");
    diagnosis.standing.at_max_steps = true; /* in the last epoch, and in an earlier one */
    expect_action(&diagnosis, "train.epochs=20|train.max_steps=300",
                  "train on, as the loss was still falling: `evenkeel train --resume RUN train.epochs=40 "
                  "train.max_steps=0`; whether it can be had sooner `evenkeel doctor RUN --probe` tries");
    diagnosis.standing.at_last_epoch = false;
    expect_action(&diagnosis, "train.epochs=20|train.max_steps=300",
                  "train on, as the loss was still falling: `evenkeel train --resume RUN train.max_steps=0`; whether "
                  "it can be had sooner `evenkeel doctor RUN --probe` tries");
    diagnosis.standing.at_max_steps = false;
    diagnosis.standing.at_patience = true;
    expect_action(&diagnosis, "train.epochs=20|early_stop.patience=3",
                  "train on, as the loss was still falling: `evenkeel train --resume RUN early_stop.patience=6`; "
                  "whether it can be had sooner `evenkeel doctor RUN --probe` tries");
    diagnosis.standing.at_patience = false;
    diagnosis.probed = true;
    diagnosis.experiment.arms[0].done = true;
    diagnosis.experiment.arm_count = 1;
    diagnosis.standing.rate_is_spent = true;
    expect_action(&diagnosis, "train.epochs=20",
                  "train anew for longer, so that the rate falls later: `evenkeel train CONFIG train.epochs=40`; no "
                  "trial says how to come further sooner");
    diagnosis.found[0] = (struct symptom){.cause = CAUSE_OVERFITTING, .rule = "gap", .note = true};
    diagnosis.count = 1;
    expect_action(&diagnosis, "train.epochs=20",
                  "look at the note: 80.0 % of validation's images are right at best (loss 0.5, guessing 2.3), and no "
                  "trial says how to come further");
}

/* What is said is what --apply writes: images left out where such are listed, and how much longer the run gets, and
 * why. */
static void test_what_is_written(void **state)
{
    (void)state;
    struct diagnosis diagnosis = {.cause = CAUSE_LABELS, .steps = 500};
    expect_action(&diagnosis, "train.epochs=25",
                  "correct or leave out what `evenkeel doctor RUN --samples` lists; until then train.label_smoothing = "
                  "0.1 softens it; --apply sets augment.translate=0.05, augment.rotate=5; train for 50 epochs, not 25, "
                  "so that fewer images, or softer labels, are learned as "
                  "far");
    snprintf(diagnosis.left_out, sizeof diagnosis.left_out, "runs/x/left-out.csv");
    diagnosis.left_out_count = 446;
    diagnosis.standing.at_max_steps = true; /* which ended it; that the epochs are as many more is for the schedule */
    expect_action(
        &diagnosis, "train.epochs=25|train.max_steps=100",
        "leave out of training the 446 images that are likely to be wrong, or correct them: RUN/left-out.csv, "
        "which --apply writes, lists them; train for 200 steps, not 100, so that fewer images, or softer labels, "
        "are learned as far");
    diagnosis.cause = CAUSE_OUTLIERS;
    expect_action(&diagnosis, "train.epochs=25",
                  "leave out of training the 446 images that are likely to be wrong: RUN/left-out.csv, which --apply "
                  "writes, lists them");
    diagnosis.cause = CAUSE_LEAKAGE;
    expect_action(&diagnosis, "train.epochs=25",
                  "leave out of training the 446 copies of validation images, so that validation is honest: "
                  "RUN/left-out.csv, which --apply writes, lists them");
    struct suspect list[] = {{.kind = SUSPECT_DUPLICATE, .sample = 9},
                             {.kind = SUSPECT_DUPLICATE, .sample = 3},
                             {.kind = SUSPECT_DUPLICATE, .sample = 9},
                             {.kind = SUSPECT_LABEL, .sample = 3}};
    diagnosis_count_left_out(&diagnosis, &(struct suspects){.list = list, .count = 3});
    expect_action(&diagnosis, "train.epochs=25",
                  "leave out of training the 2 copies of validation images, so that validation is honest: "
                  "RUN/left-out.csv, which --apply writes, lists them");
    diagnosis_count_left_out(&diagnosis, &(struct suspects){.list = list, .count = 4});
    expect_action(&diagnosis, "train.epochs=25",
                  "leave out of training the 2 images at fault: RUN/left-out.csv, which --apply writes, lists them");
    diagnosis.cause = CAUSE_CLIP; /* what else was found has the list */
    expect_action(&diagnosis, "train.epochs=25|optim.clip_norm=0.01",
                  "set optim.clip_norm = 0, or above the usual length of the gradient");
}

/* Commands have the run's directory, quoted where a shell needs that; what is set and not named in words is said;
 * nobody is told to take what he has. */
static void test_actions_are_the_runs_own(void **state)
{
    (void)state;
    struct diagnosis diagnosis = {.cause = CAUSE_EARLY_STOP, .steps = 500};
    text_copy(diagnosis.run, sizeof diagnosis.run, "runs/my run");
    expect_action(&diagnosis, "train.epochs=25|early_stop.patience=3",
                  "raise early_stop.patience, and train on: `evenkeel train --resume 'runs/my run' "
                  "early_stop.patience=N`");
    memset(diagnosis.run, 'x', ACTION_TEXT); /* no room */
    expect_action(&diagnosis, "train.epochs=25|early_stop.patience=3",
                  "raise early_stop.patience, and train on: `evenkeel train --resume RUN early_stop.patience=N`");
    diagnosis = (struct diagnosis){.cause = CAUSE_REGULARISATION, .steps = 500};
    expect_action(&diagnosis, "model.dropout=0.9",
                  "soften or take away augmentation, dropout, label smoothing and mixing, one after another; --apply "
                  "sets model.dropout=0.45");
    diagnosis.cause = CAUSE_NO_SIGNAL;
    expect_action(&diagnosis, "optim.name=adam|model.name=small_cnn|model.batch_norm=false",
                  "add batch normalisation; --apply sets model.batch_norm=true");
}

/* A row shows the figures that its outcome rests on: the loss; images right where the loss may be chance, or where less
 * regularisation is tried; beside one that has lost its way, guessing. */
static void test_rows_of_trials(void **state)
{
    (void)state;
    static const struct {
        double base, base_right;
        struct arm arm;
        const char *says, *why;
    } cases[] = {
        {2.853,
         0.121,
         {.cause = CAUSE_WEIGHT_DECAY,
          .result = {.loss = 0.508, .right = 0.88},
          .gain = 2.345,
          .error = 1.309,
          .right_gain = 0.759,
          .right_error = 0.02,
          .suspected = true},
         "loss 0.5080, lower by 2.3450 +- 1.3090, 12.1 % -> 88.0 % right, 75.9 +- 2.0 points more",
         NULL},
        {2.853,
         NAN,
         {.cause = CAUSE_WEIGHT_DECAY,
          .result = {.loss = 0.508, .right = NAN},
          .gain = 2.345,
          .error = 1.309,
          .right_gain = 0.759,
          .right_error = 0.02}, /* kept by an earlier version; not suspected */
         "loss 0.5080, lower by 2.3450 +- 1.3090, 75.9 +- 2.0 points more right",
         "not decided: more are right, which no rule asked for, and the loss may be chance"},
        {2.853,
         0.121,
         {.cause = CAUSE_WEIGHT_DECAY,
          .result = {.loss = 0.508, .right = 0.1},
          .gain = 2.345,
          .error = 1.309,
          .right_gain = -0.021,
          .right_error = 0.02},
         "loss 0.5080, lower by 2.3450 +- 1.3090, 12.1 % -> 10.0 % right, 2.1 +- 2.0 points fewer",
         "not decided: chance alone may make such a difference, or a fault"},
        {2.853,
         0.121,
         {.cause = CAUSE_PLAIN_SGD,
          .override_count = 3,
          .result = {.loss = 0.525, .right = 0.85},
          .gain = 2.328,
          .error = 1.315,
          .right_gain = 0.73,
          .right_error = 0.02},
         "loss 0.5250, lower by 2.3280 +- 1.3150, 12.1 % -> 85.0 % right, 73.0 +- 2.0 points more",
         "rejected: quicker at first, as a higher rate nearly always is"},
        {2.853,
         0.121,
         {.cause = CAUSE_BATCH_SMALL,
          .result = {.loss = 2.1, .right = 0.35},
          .gain = 0.753,
          .error = 1.3,
          .right_gain = 0.23,
          .right_error = 0.02},
         "loss 2.1000, lower by 0.7530 +- 1.3000, 12.1 % -> 35.0 % right, 23.0 +- 2.0 points more",
         "rejected: the batch is none too small"},
        {1.0,
         0.5,
         {.cause = CAUSE_RATE_HIGH,
          .result = {.loss = 0.7, .right = 0.6},
          .gain = 0.3,
          .error = 0.01,
          .right_gain = 0.1,
          .right_error = 0.02},
         "loss 0.7000, lower by 0.3000 +- 0.0100",
         NULL},
        {1.0,
         0.5,
         {.cause = CAUSE_RATE_HIGH,
          .result = {.loss = 1.4, .right = 0.4},
          .gain = -0.4,
          .error = 0.15,
          .right_gain = -0.1,
          .right_error = 0.02},
         "loss 1.4000, higher by 0.4000 +- 0.1500",
         "rejected: no difference beyond chance"},
        {1.0,
         0.5,
         {.cause = CAUSE_REGULARISATION,
          .result = {.loss = 0.7, .right = 0.51},
          .gain = 0.3,
          .error = 0.01,
          .right_gain = 0.01,
          .right_error = 0.02},
         "loss 0.7000, lower by 0.3000 +- 0.0100, 50.0 % -> 51.0 % right, 1.0 +- 2.0 points more",
         "rejected: surer answers, and not more of them right"},
        {1.06e7,
         0.1,
         {.cause = CAUSE_ADAM,
          .result = {.loss = 0.3127, .right = 0.9},
          .gain = 1.06e7,
          .error = 1.2e7,
          .right_gain = 0.8,
          .right_error = 0.02},
         "loss 0.3127 (guessing: 2.30)",
         NULL},
        {1.06e7,
         0.1,
         {.cause = CAUSE_RATE_HIGH, .result = {.loss = 44712.3, .right = 0.1}, .gain = 1.06e7, .error = 1.2e7},
         "loss 4.47e+04 (guessing: 2.30)",
         "rejected: it stays worse than guessing"},
        {NAN,
         0.1,
         {.cause = CAUSE_RATE_HIGH, .result = {.loss = 1.4081, .right = 0.9}, .gain = NAN, .error = NAN},
         "loss 1.408 (guessing: 2.30)",
         NULL},
        {1.0,
         0.5,
         {.cause = CAUSE_RATE_LOW, .result = {.loss = INFINITY}, .gain = NAN, .error = NAN},
         "diverged",
         "rejected: it diverged"},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        char text[TRIAL_TEXT];
        struct experiment experiment = {.arm_count = 2, .guess = log(10.0), .batch = 64};
        experiment.arms[0] =
            (struct arm){.done = true, .result = {.loss = cases[i].base, .right = cases[i].base_right}};
        experiment.arms[1] = cases[i].arm;
        experiment.arms[1].done = true;
        experiment_say_trial(&experiment, &experiment.arms[1], text);
        assert_string_equal(text, cases[i].says);
        if (cases[i].why)
            assert_string_equal(experiment_why(&experiment, &experiment.arms[1]), cases[i].why);
    }
    struct diagnosis lost = {.cause = CAUSE_ADAM, .probed = true, .experiment = {.arm_count = 2, .guess = log(10.0)}};
    lost.experiment.arms[0] = (struct arm){.done = true, .result = {.loss = 1.06e7}};
    lost.experiment.arms[1] = cases[8].arm;
    snprintf(lost.experiment.arms[1].name, sizeof lost.experiment.arms[1].name, "adam's defaults");
    lost.proof = &lost.experiment.arms[1];
    char confidence[CONFIDENCE_TEXT];
    diagnosis_say_confidence(&lost, confidence);
    assert_string_equal(confidence,
                        "proven: with adam's defaults the loss is 0.313, where the unchanged trial's is 1.06e+07");
    char text[TRIAL_TEXT];
    struct experiment experiment = {.arm_count = 1, .guess = log(10.0), .arms = {{.result = {.loss = 1.06e7}}}};
    experiment_say_trial(&experiment, &experiment.arms[0], text);
    assert_string_equal(text, "loss 1.06e+07 (guessing: 2.30)");
    experiment.arms[0].result.loss = 1.06;
    experiment_say_trial(&experiment, &experiment.arms[0], text);
    assert_string_equal(text, "loss 1.0600");
    /* Figures that no trial has, and a file may: the text ends where there is no room for more. */
    struct experiment made = {.arm_count = 2, .guess = log(10.0)};
    made.arms[0] = (struct arm){.done = true, .result = {.loss = 2.0, .right = 1e300}};
    made.arms[1] = (struct arm){.done = true,
                                .cause = CAUSE_RATE_LOW,
                                .result = {.loss = -1e300, .right = -1e300},
                                .gain = 1.0,
                                .error = 1e300,
                                .right_gain = 1e300,
                                .right_error = 1e299};
    experiment_say_trial(&made, &made.arms[1], text);
    assert_true(strlen(text) < sizeof text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_still_falling), cmocka_unit_test(test_what_is_written),
                                       cmocka_unit_test(test_actions_are_the_runs_own),
                                       cmocka_unit_test(test_rows_of_trials)};
    return cmocka_run_group_tests(tests, config_folder_make, config_folder_remove);
}
