/* test_from_here: what a trial says that goes on from the run's own state at a lower rate. */
#include "given_trials.h"
#include "text.h"
#include "tiny_run.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct train_result run;
static double rate_scale, comes_to = 0.9;
static int run_steps = 60;
static enum cause first_guess = CAUSE_HEALTHY;
static char said[CONFIDENCE_TEXT], why[128], action[ACTION_TEXT], changed[REPAIR_TEXT];

/* Unchanged trials come to 1, guessing to 2.302585; the run's best epoch to val_least. */
static void expect(const struct given *given, int count, double val_least, enum cause cause)
{
    struct diagnosis diagnosis;
    struct config config = {0};
    char repair[REPAIR_MAX][REPAIR_TEXT];
    enum cause of[REPAIR_MAX];
    write_trials(run.path, given, count, -1.0, 16, run_steps);
    assert_int_equal(diagnose_run(&diagnosis, run.path), OK);
    diagnosis.cause = diagnosis.first_guess = first_guess;
    diagnosis.count = first_guess != CAUSE_HEALTHY;
    diagnosis.found[0] = (struct symptom){.cause = first_guess, .rule = "given", .effects = EFFECT_TRAINING};
    diagnosis.too_early = diagnosis.learned_all = diagnosis.fitted = diagnosis.scheduled = false;
    diagnosis.steps = run_steps;
    diagnosis.comes_to = comes_to;
    diagnosis.val_least = val_least;
    diagnosis.rate_scale = rate_scale;
    if (diagnose_recall(&diagnosis, run.path) < 0)
        fail_msg("%s", fail_text());
    assert_string_equal(cause_table[diagnosis.cause].name, cause_table[cause].name);
    diagnosis_say_confidence(&diagnosis, said);
    assert_int_equal(train_load_config(&config, run.path, NULL, 0), OK);
    diagnosis_say_action(&diagnosis, &config, action);
    text_copy(changed, sizeof changed, diagnosis_repair(&diagnosis, &config, repair, of) > 0 ? repair[0] : "");
    config_free(&config);
    text_copy(why, sizeof why, diagnosis_why(&diagnosis, &diagnosis.experiment.arms[ARM_FAMILIES]));
    diagnosis_free(&diagnosis);
}

static const struct given lower = {.family = "onward", .cause = CAUSE_RATE_HIGH, .gain = 0.3, .error = 0.01};

/* 15 % below the best epoch, and a fifth further down from guessing. */
static void test_further_than_the_run(void **state)
{
    (void)state;
    expect(&lower, 1, 1.0, CAUSE_RATE_HIGH); /* 1.603 below guessing after 1.303 */
    assert_string_equal(action, "set optim.lr=0.5");
    assert_string_equal(changed, "optim.lr=0.5");
    assert_non_null(strstr(said, "proven: trial 0 lowered the loss by 0.3"));
    assert_string_equal(why, "proves it");
    expect(&lower, 1, 0.95, CAUSE_HEALTHY); /* after 1.353: 18 % more */
    assert_string_equal(why, "rejected: better for now, and hardly further than the run has been");
    const struct given far = {.family = "onward", .cause = CAUSE_RATE_HIGH, .gain = 0.3, .error = 0.11};
    expect(&far, 1, 1.0, CAUSE_HEALTHY); /* by no more than chance */
    assert_string_equal(why, "not decided: chance alone may make such a difference, or a fault");
    expect(&lower, 1, 2.2, CAUSE_RATE_HIGH); /* the unchanged one came to 1 */
    const struct given less = {.family = "onward", .cause = CAUSE_RATE_HIGH, .gain = 0.25, .error = 0.01};
    expect(&less, 1, 2.2, CAUSE_HEALTHY);
    expect(&lower, 1, NAN, CAUSE_HEALTHY);
}

static void test_made_longer(void **state)
{
    (void)state;
    given_longer[0] = 0.6;
    expect(&lower, 1, 0.95, CAUSE_RATE_HIGH);
    assert_non_null(strstr(said, "and came to a validation loss of 0.6 in 400 updates, where the run came to 0.95"));
    given_longer[0] = 0.72; /* what it had in passing is not what it comes to */
    expect(&lower, 1, 1.0, CAUSE_RATE_HIGH);
    given_longer[0] = 0.75;
    expect(&lower, 1, 1.0, CAUSE_HEALTHY);
    given_longer[0] = 0.0;
}

/* A rate that was quicker from new weights than a fourth of it was never lowered; one that was not is too high. */
static void test_never_lowered(void **state)
{
    (void)state;
    struct given given[] = {lower, {.family = "anew", .cause = CAUSE_RATE_HIGH, .gain = -0.1, .error = 0.03}};
    given_name[1] = "rate / 4";
    expect(given, 2, 1.0, CAUSE_SCHEDULE);
    assert_string_equal(action, cause_table[CAUSE_SCHEDULE].action);
    assert_string_equal(changed, "schedule.name=cosine");
    given[1].error = 0.04;
    expect(given, 2, 1.0, CAUSE_RATE_HIGH);
    given[1].error = 0.03;
    given[1].untried = true;
    expect(given, 2, 1.0, CAUSE_RATE_HIGH);
    given_name[1] = NULL;
}

/* What lowers it to a tenth speaks of the schedule in any case, by the same measure. */
static void test_a_tenth(void **state)
{
    (void)state;
    struct given given = lower;
    given.cause = CAUSE_SCHEDULE;
    expect(&given, 1, 1.0, CAUSE_SCHEDULE);
    expect(&given, 1, 0.95, CAUSE_HEALTHY);
}

/* A fourth of what autopilot had made of the rate; what it made of it itself is no repair. */
static void test_autopilot(void **state)
{
    (void)state;
    rate_scale = 0.25;
    expect(&lower, 1, 1.0, CAUSE_RATE_HIGH);
    assert_string_equal(action, "set optim.lr=0.125");
    assert_string_equal(changed, "optim.lr=0.125");
    rate_scale = 0.0;
}

/* What comes in few updates (400) as far as the run in five times as many, within three standard errors. */
static void test_as_far_in_few(void **state)
{
    (void)state;
    const struct given quicker = {"anew", CAUSE_PLAIN_SGD, 0.5, 0.01, true, false}; /* to 0.5 */
    run_steps = 2000;
    comes_to = 0.471;
    expect(&quicker, 1, 0.5, CAUSE_PLAIN_SGD);
    comes_to = 0.469;
    expect(&quicker, 1, 0.5, CAUSE_HEALTHY);
    comes_to = 0.471;
    run_steps = 1999;
    expect(&quicker, 1, 0.5, CAUSE_HEALTHY);
    run_steps = 60;
    comes_to = 0.9;
}

/* What stays at the edge of guessing (2.303) is no repair where something else comes twice as far down from it. */
static void test_a_repair_comes_far_enough(void **state)
{
    (void)state;
    struct given given[] = {{"anew", CAUSE_BATCH_SMALL, 0.5, 0.01, false, false},
                            {"anew", CAUSE_PLAIN_SGD, 1.2, 0.01, true, false}};
    first_guess = CAUSE_BATCH_SMALL;
    given_unchanged = 2.2;
    expect(given, 2, 2.2, CAUSE_BATCH_SMALL); /* 0.603 and 1.303 below guessing */
    assert_string_equal(why, "proves it");
    assert_string_equal(action, "set optim.lr=0.5, optim.name=adam");
    given[1].gain = 1.1;
    expect(given, 2, 2.2, CAUSE_BATCH_SMALL);
    assert_string_equal(action, "set optim.lr=0.5");
    first_guess = CAUSE_HEALTHY;
    given_unchanged = 1.0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_further_than_the_run),
        cmocka_unit_test(test_made_longer),
        cmocka_unit_test(test_never_lowered),
        cmocka_unit_test(test_a_tenth),
        cmocka_unit_test(test_autopilot),
        cmocka_unit_test(test_as_far_in_few),
        cmocka_unit_test(test_a_repair_comes_far_enough),
    };
    if (tiny_set_up(NULL) < 0)
        return 1;
    tiny_train_ok(NULL,
                  "train.epochs=24 train.threads=1 model.name=mlp model.hidden=8 train.max_steps=60 optim.name=sgd "
                  "optim.lr=2 early_stop.restore_best=false",
                  &run);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    tiny_tear_down(NULL);
    return failed;
}
