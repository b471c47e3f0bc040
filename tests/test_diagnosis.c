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
        (budget > 0.0 && diagnose_probe(diagnosis, run, &(struct budget){.share = budget}) < 0))
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

/* What a repair writes is a config that trains, better than the run it came from. */
static void test_repair_mends(void **state)
{
    (void)state;
    struct train_result broken, mended;
    struct diagnosis diagnosis = {0};
    char file[PATH_BYTES];
    tiny_train_ok(NULL, BASE "optim.weight_decay=1", &broken);
    diagnose(&diagnosis, broken.path, 6.0);
    assert_int_equal(path_join(file, tiny_folder, "mended.ini"), OK);
    if (diagnosis_apply(&diagnosis, broken.path, file) < 0)
        fail_msg("%s", fail_text());
    diagnosis_free(&diagnosis);
    struct train_request request = {.file = file};
    assert_int_equal(train_run(&request, &mended), OK);
    assert_non_null(strstr(mended.path, "-repaired"));
    assert_true(tiny_result_at(mended.path, 24, "train/loss") < 0.7 * tiny_result_at(broken.path, 24, "train/loss"));
    char *text = tiny_read_text(tiny_folder, "mended.ini");
    assert_non_null(strstr(text, "# evidence: step 10, weight_decay: the pull of optim.weight_decay"));
    assert_non_null(strstr(text, "# confidence: proven: no weight decay lowered the loss"));
    memory_give(text);
}

/* A network made of layers is given what it lacks; who named a convolution as input gets what follows it now. */
static void test_layers_are_normalised(void **state)
{
    (void)state;
    struct train_result result;
    struct train_request request = {.file = NULL};
    char own[PATH_BYTES], mended[PATH_BYTES];
    assert_int_equal(path_join(own, tiny_folder, "own.ini"), OK);
    assert_int_equal(path_join(mended, tiny_folder, "own-mended.ini"), OK);
    FILE *file = fopen(own, "w");
    assert_non_null(file);
    fprintf(file,
            "[data]\ntrain = '%s'\n[model]\nname = 'custom'\n[train]\nepochs = 1\nbatch_size = 16\nthreads = 1\n"
            "[run]\ndir = '%s'\n[[layer]]\ntype = 'conv'\nname = 'a'\nfilters = 4\nrelu = true\n"
            "[[layer]]\ntype = 'conv'\nfilters = 4\n[[layer]]\ntype = 'add'\nfrom = 'a'\nrelu = true\n"
            "[[layer]]\ntype = 'global_pool'\n[[layer]]\ntype = 'linear'\nname = 'h'\nunits = 8\nrelu = true\n"
            "[[layer]]\ntype = 'linear'\nname = 'last'\n",
            tiny_data, tiny_folder);
    assert_int_equal(fclose(file), 0);
    request.file = own;
    assert_int_equal(train_run(&request, &result), OK);
    const struct diagnosis diagnosis = {.cause = CAUSE_NO_SIGNAL};
    if (diagnosis_apply(&diagnosis, result.path, mended) < 0)
        fail_msg("%s", fail_text());
    char *text = tiny_read_text(tiny_folder, "own-mended.ini");
    assert_non_null(strstr(text, "# changed: a normalisation behind every convolution and hidden layer"));
    assert_non_null(strstr(text, "name = \"a_norm\"\nrelu = true\n"));
    assert_non_null(strstr(text, "name = \"h_norm\"\nrelu = true\n"));
    assert_null(strstr(text, "last_norm"));
    assert_non_null(strstr(text, "from = \"a_norm\""));
    memory_give(text);
    request.file = mended;
    if (train_run(&request, &result) < 0)
        fail_msg("%s", fail_text());
    char repair[REPAIR_MAX][REPAIR_TEXT];
    struct config config = {0};
    assert_int_equal(train_load_config(&config, result.path, NULL, 0), OK);
    assert_int_equal(diagnosis_repair(&diagnosis, &config, repair), 0); /* now it has them, and Adam */
    config.optim.name = OPTIMIZER_SGD;
    assert_true(diagnosis_repair(&diagnosis, &config, repair) > 0);
    assert_string_equal(repair[0], "optim.name=adam");
    config_free(&config);
}

/* What the config has already is no repair. */
static void test_repair_that_changes_nothing(void **state)
{
    (void)state;
    struct train_result result;
    struct config config = {0};
    char repair[REPAIR_MAX][REPAIR_TEXT], file[PATH_BYTES];
    const struct diagnosis diagnosis = {.cause = CAUSE_SCHEDULE};
    tiny_train_ok(NULL, "train.epochs=1 schedule.name=cosine", &result);
    assert_int_equal(train_load_config(&config, result.path, NULL, 0), OK);
    assert_int_equal(diagnosis_repair(&diagnosis, &config, repair), 0);
    config_free(&config);
    assert_int_equal(path_join(file, tiny_folder, "same.ini"), OK);
    assert_int_equal(diagnosis_apply(&diagnosis, result.path, file), ERR_CONFIG);
    assert_non_null(strstr(fail_text(), "which no setting mends that it has not already"));
    tiny_train_ok(NULL, "train.epochs=1 schedule.name=cosine schedule.warmup_epochs=0.5", &result);
    assert_int_equal(train_load_config(&config, result.path, NULL, 0), OK);
    assert_int_equal(diagnosis_repair(&diagnosis, &config, repair), 1);
    assert_string_equal(repair[0], "schedule.warmup_epochs=0");
    config_free(&config);
}

/* Takes one of a repair's settings away, and fails where it was not there. */
static void expect_setting(char repair[static REPAIR_MAX][REPAIR_TEXT], int *count, const char *setting)
{
    for (int i = 0; i < *count; i++)
        if (strcmp(repair[i], setting) == 0) {
            memmove(repair[i], repair[--*count], REPAIR_TEXT);
            return;
        }
    fail_msg("%s is not set", setting);
}

/* Rare classes, uneven light and wrong labels take longer to learn; labels that are left are not smoothed. */
static void test_repairs_that_take_longer(void **state)
{
    (void)state;
    static const struct {
        enum cause cause;
        const char *left_out, *settings[6];
    } cases[] = {
        {CAUSE_IMBALANCE, "", {"train.balance=true", "optim.ema_decay=0.9", "train.epochs=6", "train.max_steps=21"}},
        {CAUSE_LABELS,
         "",
         {"train.label_smoothing=0.1", "optim.ema_decay=0.9", "train.epochs=4", "train.max_steps=14"}},
        {CAUSE_LABELS,
         "list.csv",
         {"data.leave_out=list.csv", "optim.ema_decay=0.9", "train.epochs=4", "train.max_steps=14"}},
        {CAUSE_ILLUMINATION, "", {"augment.normalize=image", "optim.ema_decay=0.9"}},
    };
    struct train_result result;
    struct config config = {0};
    tiny_train_ok(NULL, "train.epochs=2 train.max_steps=7", &result);
    assert_int_equal(train_load_config(&config, result.path, NULL, 0), OK);
    for (int i = 0; i < COUNT_OF(cases); i++) {
        char repair[REPAIR_MAX][REPAIR_TEXT];
        struct diagnosis diagnosis = {.cause = cases[i].cause, .steps = 7};
        text_copy(diagnosis.left_out, sizeof diagnosis.left_out, cases[i].left_out);
        int count = diagnosis_repair(&diagnosis, &config, repair);
        for (int k = 0; cases[i].settings[k]; k++)
            expect_setting(repair, &count, cases[i].settings[k]);
        assert_int_equal(count, 0);
    }
    config.augment.normalize = NORMALIZE_IMAGE; /* is evened out already */
    const struct diagnosis lit = {.cause = CAUSE_ILLUMINATION, .steps = 7};
    char repair[REPAIR_MAX][REPAIR_TEXT];
    int count = diagnosis_repair(&lit, &config, repair);
    static const char *const varied[] = {"augment.brightness=0.3", "augment.contrast=0.3", "optim.ema_decay=0.9",
                                         "train.epochs=6", "train.max_steps=21"};
    for (int k = 0; k < COUNT_OF(varied); k++)
        expect_setting(repair, &count, varied[k]);
    assert_int_equal(count, 0);
    config.train.max_steps = 0; /* none: epochs alone */
    const struct diagnosis rare = {.cause = CAUSE_IMBALANCE, .steps = 7};
    assert_int_equal(diagnosis_repair(&rare, &config, repair), 3);
    config_free(&config);
}

/* A rate comes with averaged weights, and without a warm-up that takes half of the run, which no trial of a rate has.
 */
static void test_repairs_of_rates(void **state)
{
    (void)state;
    static const struct {
        const char *words;
        bool warming;
    } cases[] = {
        {"schedule.warmup_epochs=3", true},    /* of 6 */
        {"schedule.warmup_epochs=2.9", false}, /* over before it is half done */
        {"", false},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        struct train_result result;
        struct config config = {0};
        struct diagnosis diagnosis = {0};
        char repair[REPAIR_MAX][REPAIR_TEXT], words[256];
        snprintf(words, sizeof words, "train.epochs=6 optim.lr=0.02 %s", cases[i].words);
        tiny_train_ok(NULL, words, &result);
        diagnose(&diagnosis, result.path, 0.0);
        assert_int_equal(diagnosis.warming, cases[i].warming);
        assert_int_equal(train_load_config(&config, result.path, NULL, 0), OK);
        for (int high = 0; high < 2; high++) {
            diagnosis.cause = high ? CAUSE_RATE_HIGH : CAUSE_RATE_LOW;
            int count = diagnosis_repair(&diagnosis, &config, repair);
            expect_setting(repair, &count, high ? "optim.lr=0.002" : "optim.lr=0.2");
            expect_setting(repair, &count, "optim.ema_decay=0.9");
            if (cases[i].warming)
                expect_setting(repair, &count, "schedule.warmup_epochs=0");
            assert_int_equal(count, 0);
        }
        diagnosis.cause = CAUSE_CLIP; /* another cause's repair leaves it */
        assert_int_equal(diagnosis_repair(&diagnosis, &config, repair), 0);
        diagnosis_free(&diagnosis);
        config_free(&config);
    }
}

/* Where no rate that was tried proves it, the best of them is the repair: not a worse one, nor one that diverged. */
static void test_best_of_the_rates_that_prove_nothing(void **state)
{
    (void)state;
    static const struct {
        double gains[3]; /* of / 4, / 16, / 64; below -9: it diverged */
        const char *repair;
    } cases[] = {
        {{0.07, 0.09, 0.08}, "optim.lr=0.00125"},
        {{-0.2, -0.1, 0.02}, "optim.lr=0.0003125"},
        {{-0.2, -0.1, -0.3}, "optim.lr=0.002"}, /* as its row has it */
        {{0.05, -99.0, -99.0}, "optim.lr=0.005"},
    };
    struct train_result result;
    struct config config = {0};
    tiny_train_ok(NULL, "train.epochs=1 optim.lr=0.02", &result);
    assert_int_equal(train_load_config(&config, result.path, NULL, 0), OK);
    for (int i = 0; i < COUNT_OF(cases); i++) {
        char repair[REPAIR_MAX][REPAIR_TEXT];
        struct diagnosis diagnosis = {.cause = CAUSE_RATE_HIGH, .first_guess = CAUSE_RATE_HIGH, .probed = true};
        struct experiment *experiment = &diagnosis.experiment;
        experiment->guess = 2.3;
        experiment->arms[experiment->arm_count++] =
            (struct arm){.name = "unchanged", .done = true, .result = {.loss = 2.5}};
        for (int k = 0; k < 3; k++) {
            struct arm *arm = &experiment->arms[experiment->arm_count++];
            *arm = (struct arm){.cause = CAUSE_RATE_HIGH, .done = true, .gain = cases[i].gains[k], .error = 0.2};
            arm->result.loss = arm->gain < -9.0 ? NAN : 2.5 - arm->gain;
            arm->gain = arm->gain < -9.0 ? NAN : arm->gain;
            arm->override_count = 1;
            snprintf(arm->text[0], sizeof arm->text[0], "optim.lr=%.9g", 0.02 / pow(4.0, k + 1));
        }
        assert_true(diagnosis_repair(&diagnosis, &config, repair) == 2);
        assert_string_equal(repair[0], cases[i].repair);
    }
    config_free(&config);
}

/* Of trials that are judged on validation images the one that comes furthest down is the repair, whatever it is
 * compared with. */
static void test_repair_that_comes_furthest(void **state)
{
    (void)state;
    static const struct given trials[] = {{"unseen", CAUSE_MISMATCH, 0.6, 0.01, false, false},
                                          {"onward", CAUSE_MISMATCH, 0.5, 0.01, false, false}};
    struct train_result result;
    struct diagnosis diagnosis = {0};
    tiny_train_ok(NULL, "train.epochs=1", &result);
    for (int turn = 0; turn < 2; turn++) {
        const struct given given[] = {trials[turn], trials[!turn]};
        write_trials(result.path, given, 2, -1.0, 16, 5);
        char *text = tiny_read_text(result.path, "trials.json"), path[PATH_BYTES];
        char *unchanged = strstr(strstr(text, "\"unseen\", \"cause\": \"healthy\""), "\"loss\": 1.0");
        memcpy(unchanged, "\"loss\": 2.0", strlen("\"loss\": 2.0")); /* of which 0.6 is the smaller share */
        assert_int_equal(path_join(path, result.path, "trials.json"), OK);
        assert_int_equal(file_write(path, text, strlen(text)), OK);
        memory_give(text);
        diagnose(&diagnosis, result.path, 0.0);
        diagnosis.first_guess = diagnosis.cause = CAUSE_MISMATCH;
        assert_int_equal(diagnose_recall(&diagnosis, result.path), OK);
        assert_non_null(diagnosis.proof);
        assert_int_equal(diagnosis.proof->family, ARM_UNSEEN);
        diagnosis_free(&diagnosis);
    }
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
        cmocka_unit_test(test_layers_are_normalised),
        cmocka_unit_test(test_repair_that_changes_nothing),
        cmocka_unit_test(test_repair_mends),
        cmocka_unit_test(test_without_a_checkpoint),
        cmocka_unit_test(test_repairs_that_take_longer),
        cmocka_unit_test(test_repairs_of_rates),
        cmocka_unit_test(test_repair_that_comes_furthest),
        cmocka_unit_test(test_best_of_the_rates_that_prove_nothing),
        cmocka_unit_test(test_budget_is_kept),
        cmocka_unit_test(test_what_cannot_be_judged),
        cmocka_unit_test(test_every_fifth_step_recorded),
        cmocka_unit_test(test_too_early),
        cmocka_unit_test(test_found_while_training),
        cmocka_unit_test(test_by_heart_again),
    };
    return cmocka_run_group_tests(tests, tiny_set_up, tiny_tear_down);
}
