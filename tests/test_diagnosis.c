/* test_diagnosis: whole runs with a fault planted, judged from what they left, proven by experiment, mended. */
#include "file.h"
#include "given_trials.h"
#include "text.h"
#include "tiny_run.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* 120 steps. */
#define BASE "train.epochs=24 train.threads=1 model.name=mlp model.hidden=64 early_stop.restore_best=false "

static void diagnose(struct diagnosis *diagnosis, const char *run, double budget)
{
    if (diagnose_run(diagnosis, run) < 0 ||
        (budget > 0.0 &&
         diagnose_probe(diagnosis, run, &(struct budget){.updates = budget * (double)diagnosis->steps}) < 0))
        fail_msg("%s: %s", run, fail_text());
}

static void expect(const struct diagnosis *diagnosis, enum cause cause, const char *words)
{
    if (diagnosis->cause != cause)
        fail_msg("%s: found %s (%s), not %s", words, cause_table[diagnosis->cause].name,
                 diagnosis->count ? diagnosis->found[0].evidence : "no symptom", cause_table[cause].name);
}

static void test_planted_faults(void **state)
{
    (void)state;
    static const struct {
        const char *words;
        enum cause cause;
        const char *proof; /* of the trial that mends it, how its name begins */
    } cases[] = {
        {"optim.lr=0.003 train.max_steps=45", CAUSE_HEALTHY, NULL},
        {"optim.weight_decay=1", CAUSE_WEIGHT_DECAY, "no weight decay"},
        {"model.init_scale=0", CAUSE_INITIALISATION, "usual first weights"},
        {"optim.lr=0.3", CAUSE_RATE_HIGH, "rate / "},
        {"optim.lr=0.00001", CAUSE_RATE_LOW, "rate x "},
        {"optim.eps=1", CAUSE_ADAM, "adam's defaults"},
        {"augment.mean=0 augment.std=0.001", CAUSE_INPUT_SCALE, "measured normalisation"},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        struct train_result result;
        struct diagnosis diagnosis = {0};
        char words[512];
        snprintf(words, sizeof words, BASE "%s", cases[i].words);
        tiny_train_ok(NULL, words, &result);
        diagnose(&diagnosis, result.path, 6.0);
        expect(&diagnosis, cases[i].cause, cases[i].words);
        assert_true(diagnosis.probed);
        assert_true(diagnosis.experiment.updates_spent <= 6.0 * (double)diagnosis.steps);
        if (cases[i].proof) {
            if (!diagnosis.proof)
                fail_msg("%s: found, but no trial proves it", cases[i].words);
            if (strncmp(diagnosis.proof->name, cases[i].proof, strlen(cases[i].proof)) != 0)
                fail_msg("%s: %s proves it, not %s", cases[i].words, diagnosis.proof->name, cases[i].proof);
        } else {
            assert_null(diagnosis.proof);
        }
        diagnosis_free(&diagnosis);
    }
}

/* From its last state, where all is known by heart, a run does not come back within a trial: it goes on from its best
 * one, where validation had not begun to suffer. */
static void test_by_heart_again(void **state)
{
    (void)state;
    struct train_result result;
    struct diagnosis diagnosis = {0};
    tiny_train_ok(NULL,
                  "train.epochs=120 train.threads=1 model.name=small_cnn model.width=32 early_stop.restore_best=false "
                  "model.batch_norm=false optim.lr=0.003",
                  &result);
    diagnose(&diagnosis, result.path, 0.6); /* 40 updates each */
    assert_int_equal(diagnosis.first_guess, CAUSE_OVERFITTING);
    const struct arm *unchanged = experiment_unchanged(&diagnosis.experiment, ARM_ONWARD);
    assert_true(unchanged && unchanged->done);
    const double last = tiny_result_at(result.path, 120, "val/loss");
    if (!(unchanged->result.loss < 0.75 * last))
        fail_msg("%g, where the last epoch has %g", unchanged->result.loss, last);
    diagnosis_free(&diagnosis);
}

/* What the config refuses is not tried, and everything else is: a rate below the lowest of the schedule. */
static void test_what_cannot_be_tried(void **state)
{
    (void)state;
    struct train_result result;
    struct diagnosis diagnosis = {0};
    tiny_train_ok(NULL,
                  BASE "optim.lr=0.003 schedule.name=cosine schedule.min_lr=0.0009 optim.name=sgd "
                       "optim.nesterov=true",
                  &result);
    diagnose(&diagnosis, result.path, 40.0);
    bool adam = false;
    int refused = 0;
    for (int i = 0; i < diagnosis.experiment.arm_count; i++) {
        const struct arm *arm = &diagnosis.experiment.arms[i];
        assert_int_equal(arm->refused[0] != 0, arm->cause == CAUSE_RATE_HIGH);
        assert_false(arm->refused[0] && (arm->done || arm_is_missing(arm)));
        refused += arm->refused[0] != 0;
        if (arm->refused[0] && !(strstr(arm->refused, "not possible: ") && strstr(arm->refused, "min_lr")))
            fail_msg("%s", arm->refused);
        adam |= arm_swaps_optimizer(&diagnosis.experiment.arms[i]) && diagnosis.experiment.arms[i].done;
    }
    assert_true(adam && refused == 1);
    diagnosis_free(&diagnosis);
    assert_int_equal(diagnose_run(&diagnosis, result.path), OK); /* kept in the file, too */
    assert_int_equal(diagnose_recall(&diagnosis, result.path), OK);
    for (int i = 0; i < diagnosis.experiment.arm_count; i++)
        refused -= diagnosis.experiment.arms[i].refused[0] != 0;
    assert_int_equal(refused, 0);
    diagnosis_free(&diagnosis);
}

/* A rate that is off by a factor of thousands takes many rungs, none of which may be left out for being above what a
 * higher rate could be; where the budget ends among them, those that are missing are listed, and another optimizer
 * overturns nothing. */
static void test_rate_far_too_high(void **state)
{
    (void)state;
    struct train_result result;
    struct diagnosis diagnosis = {0};
    int proven = 0;
    tiny_train_ok(NULL,
                  "train.epochs=12 train.threads=1 model.name=small_cnn model.width=4 early_stop.restore_best=false "
                  "optim.name=sgd optim.momentum=0.9 optim.lr=1000",
                  &result);
    for (double budget = 2.0; budget < 40.0; budget += 4.0) {
        diagnose(&diagnosis, result.path, budget);
        expect(&diagnosis, CAUSE_RATE_HIGH, "lr=1000");
        const struct experiment *experiment = &diagnosis.experiment;
        int left_out = 0;
        for (int i = 0; i < experiment->arm_count; i++)
            left_out += experiment->arms[i].cause == CAUSE_RATE_HIGH && !experiment->arms[i].done;
        if (diagnosis.proof)
            assert_int_equal(strncmp(diagnosis.proof->name, "rate / ", 7), 0);
        else
            assert_true(left_out > 0);
        proven += diagnosis.proof != NULL;
        diagnosis_free(&diagnosis);
    }
    assert_true(proven > 0);
}

static void test_budget_is_kept(void **state)
{
    (void)state;
    struct train_result result;
    struct diagnosis diagnosis = {0};
    tiny_train_ok(NULL, BASE, &result);
    for (double budget = 0.05; budget < 10.0; budget *= 2.0) {
        diagnose(&diagnosis, result.path, budget);
        const struct experiment *experiment = &diagnosis.experiment;
        assert_true(experiment->updates_spent <= budget * 120.0);
        int done[ARM_FAMILIES] = {0};
        for (int i = 0; i < experiment->arm_count; i++)
            done[experiment->arms[i].family] += experiment->arms[i].done;
        assert_true(done[ARM_ANEW] != 1 && done[ARM_ONWARD] != 1 && done[ARM_UNSEEN] != 1); /* one alone says nothing */
        diagnosis_free(&diagnosis);
    }
}

/* Failed before its first checkpoint: there is no state to go on from, and new weights will do. */
static void test_without_a_checkpoint(void **state)
{
    (void)state;
    struct train_result result;
    struct diagnosis diagnosis = {0};
    char path[PATH_BYTES];
    const int status = tiny_train(
        NULL, BASE "run.name=lost optim.name=sgd optim.lr=900 model.init_scale=50 train.bad_steps=2", &result);
    assert_int_equal(status, ERR_TRAINING);
    assert_int_equal(path_join(path, tiny_folder, "lost"), OK);
    diagnose(&diagnosis, path, 200.0);
    assert_true(diagnosis.probed && diagnosis.experiment.arms[ARM_ANEW].done);
    for (int i = 0; i < diagnosis.experiment.arm_count; i++)
        assert_int_equal(diagnosis.experiment.arms[i].family, ARM_ANEW);
    diagnosis_free(&diagnosis);
}

/* Steps are counted as they were taken, whether or not each has its row. */
static void test_every_fifth_step_recorded(void **state)
{
    (void)state;
    struct train_result result;
    struct diagnosis diagnosis = {0};
    tiny_train_ok(NULL, BASE "optim.lr=0.00001 stats.steps_every=5", &result);
    diagnose(&diagnosis, result.path, 0.0);
    assert_int_equal(diagnosis.steps, 116); /* of 120: the last row is step 115 */
    expect(&diagnosis, CAUSE_RATE_LOW, "every fifth step");
    diagnosis_free(&diagnosis);
}

/* Nothing found in a few steps is no word for health, and what has no loss at all is no run. */
static void test_too_early(void **state)
{
    (void)state;
    struct train_result result;
    struct diagnosis diagnosis = {0};
    char path[PATH_BYTES], text[ACTION_TEXT];
    tiny_train_ok(NULL, BASE "train.max_steps=30", &result);
    diagnose(&diagnosis, result.path, 0.0);
    expect(&diagnosis, CAUSE_HEALTHY, "30 steps");
    assert_true(diagnosis.too_early);
    assert_non_null(strstr(diagnosis_title(&diagnosis), "too few steps"));
    struct config config = {0};
    assert_int_equal(train_load_config(&config, result.path, NULL, 0), OK);
    diagnosis_say_action(&diagnosis, &config, text);
    config_free(&config);
    assert_non_null(strstr(text, "train on"));
    assert_int_equal(diagnosis_confidence(&diagnosis), CONFIDENCE_DOUBTFUL);
    diagnose(&diagnosis, result.path, 120.0); /* trials do not say how far the run has come */
    assert_true(diagnosis.too_early);
    assert_int_equal(diagnosis_confidence(&diagnosis), CONFIDENCE_DOUBTFUL);
    diagnosis_free(&diagnosis);
    assert_int_equal(path_join(path, result.path, "steps.csv"), OK);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("step,epoch,samples\n0,1,16\n", file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(diagnose_run(&diagnosis, result.path), ERR_DATA);
    assert_non_null(strstr(fail_text(), "no column 'loss'"));
    file = fopen(path, "w");
    assert_non_null(file);
    fputs("step,epoch,samples,loss\n5,1,16,2\n4,1,16,2\n", file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(diagnose_run(&diagnosis, result.path), ERR_DATA);
    assert_non_null(strstr(fail_text(), "line 3: steps do not go up"));
}

static void test_what_cannot_be_judged(void **state)
{
    (void)state;
    struct diagnosis diagnosis = {0};
    assert_int_equal(diagnose_run(&diagnosis, tiny_data), ERR_NO_INPUT);
    assert_non_null(strstr(fail_text(), "no run directory"));
}

static int count_text(const char *run, const char *wanted)
{
    int count = 0;
    char *log = tiny_read_text(run, "log.jsonl");
    for (const char *at = log; (at = strstr(at, wanted)); at++)
        count++;
    memory_give(log);
    return count;
}

/* A finding is logged once, also when the run goes on in another process. */
static void test_found_while_training(void **state)
{
    (void)state;
    struct train_result result, rest;
    tiny_train_ok(NULL, BASE "optim.lr=0.3 train.max_steps=30", &result);
    assert_int_equal(count_text(result.path, "\"event\":\"finding\",\"cause\":\"rate_high\""), 1);
    assert_int_equal(count_text(result.path, "\"consequence\":false"), 1);
    tiny_train_ok(result.path, "train.max_steps=0", &rest);
    assert_int_equal(count_text(result.path, "\"event\":\"finding\",\"cause\":\"rate_high\""), 1);
    tiny_train_ok(NULL, BASE "optim.lr=0.003 train.max_steps=45", &result);
    assert_int_equal(count_text(result.path, "\"event\":\"finding\""), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_cannot_be_tried),
        cmocka_unit_test(test_planted_faults),
        cmocka_unit_test(test_rate_far_too_high),
        cmocka_unit_test(test_without_a_checkpoint),
        cmocka_unit_test(test_budget_is_kept),
        cmocka_unit_test(test_what_cannot_be_judged),
        cmocka_unit_test(test_every_fifth_step_recorded),
        cmocka_unit_test(test_too_early),
        cmocka_unit_test(test_found_while_training),
        cmocka_unit_test(test_by_heart_again),
    };
    return cmocka_run_group_tests(tests, tiny_set_up, tiny_tear_down);
}
