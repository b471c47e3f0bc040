/* test_repairs: the settings that mend what was found or proven, and what becomes of runs that are given them. */
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

static enum cause of[REPAIR_MAX]; /* what the repair asked for last is for */

static void diagnose(struct diagnosis *diagnosis, const char *run, double budget)
{
    if (diagnose_run(diagnosis, run) < 0 ||
        (budget > 0.0 &&
         diagnose_probe(diagnosis, run, &(struct budget){.updates = budget * (double)diagnosis->steps}) < 0))
        fail_msg("%s: %s", run, fail_text());
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
    tiny_assert_whole(&mended);
    assert_non_null(strstr(mended.path, "-repaired"));
    assert_true(tiny_result_at(mended.path, 24, "train/loss") < 0.7 * tiny_result_at(broken.path, 24, "train/loss"));
    char *text = tiny_read_text(tiny_folder, "mended.ini");
    assert_non_null(strstr(text, "# evidence: step 10, weight_decay: the pull of optim.weight_decay"));
    assert_non_null(strstr(text, "# confidence: proven: no weight decay lowered the loss"));
    memory_give(text);
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
    assert_int_equal(diagnosis_repair(&diagnosis, &config, repair, of), 0);
    config_free(&config);
    assert_int_equal(path_join(file, tiny_folder, "same.ini"), OK);
    assert_int_equal(diagnosis_apply(&diagnosis, result.path, file), ERR_CONFIG);
    assert_non_null(strstr(fail_text(), "which no setting mends that it has not already"));
    tiny_train_ok(NULL, "train.epochs=1 schedule.name=cosine schedule.warmup_epochs=0.5", &result);
    assert_int_equal(train_load_config(&config, result.path, NULL, 0), OK);
    assert_int_equal(diagnosis_repair(&diagnosis, &config, repair, of), 1);
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
        const char *left_out, *settings[7];
    } cases[] = {
        {CAUSE_IMBALANCE,
         "",
         {"train.balance=true", "augment.translate=0.05", "augment.rotate=5", "optim.ema_decay=0.9", "train.epochs=6",
          "train.max_steps=21"}},
        {CAUSE_LABELS,
         "",
         {"train.label_smoothing=0.1", "augment.translate=0.05", "augment.rotate=5", "optim.ema_decay=0.9",
          "train.epochs=4", "train.max_steps=14"}},
        {CAUSE_LABELS,
         "list.csv",
         {"data.leave_out=list.csv", "optim.ema_decay=0.9", "train.epochs=4", "train.max_steps=14"}},
        {CAUSE_ILLUMINATION,
         "",
         {"augment.normalize=image", "optim.ema_decay=0.9", "train.epochs=6", "train.max_steps=21"}},
        {CAUSE_OVERFITTING, "", {"train.label_smoothing=0.1", "optim.ema_decay=0.9"}}, /* shapes are nothing to it */
    };
    struct train_result result;
    struct config config = {0};
    tiny_train_ok(NULL, "train.epochs=2 train.max_steps=7", &result);
    assert_int_equal(train_load_config(&config, result.path, NULL, 0), OK);
    for (int i = 0; i < COUNT_OF(cases); i++) {
        char repair[REPAIR_MAX][REPAIR_TEXT];
        struct diagnosis diagnosis = {.cause = cases[i].cause, .steps = 7};
        text_copy(diagnosis.left_out, sizeof diagnosis.left_out, cases[i].left_out);
        int count = diagnosis_repair(&diagnosis, &config, repair, of);
        for (int k = 0; cases[i].settings[k]; k++)
            expect_setting(repair, &count, cases[i].settings[k]);
        assert_int_equal(count, 0);
    }
    config.model.name = MODEL_SMALL_CNN; /* moved images take longer to learn, and trials are too short to say so */
    struct diagnosis by_heart = {.cause = CAUSE_OVERFITTING, .steps = 7};
    for (int proven = 0; proven < 2; proven++) {
        struct arm *arm = &by_heart.experiment.arms[0];
        *arm = (struct arm){.cause = CAUSE_OVERFITTING, .done = true, .helps = true, .override_count = 1};
        text_copy(arm->text[0], sizeof arm->text[0], "augment.crop_padding=2");
        by_heart.probed = proven;
        by_heart.proof = proven ? arm : NULL;
        char longer[REPAIR_MAX][REPAIR_TEXT];
        int settings = diagnosis_repair(&by_heart, &config, longer, of);
        expect_setting(longer, &settings, proven ? "augment.crop_padding=2" : "augment.translate=0.05");
        if (!proven)
            expect_setting(longer, &settings, "augment.rotate=5");
        expect_setting(longer, &settings, "optim.ema_decay=0.9");
        expect_setting(longer, &settings, "train.epochs=6");
        expect_setting(longer, &settings, "train.max_steps=21");
        assert_int_equal(settings, 0);
    }
    config.model.name = MODEL_MLP;
    config.augment.normalize = NORMALIZE_IMAGE; /* is evened out already */
    const struct diagnosis lit = {.cause = CAUSE_ILLUMINATION, .steps = 7};
    char repair[REPAIR_MAX][REPAIR_TEXT];
    int count = diagnosis_repair(&lit, &config, repair, of);
    static const char *const varied[] = {"augment.brightness=0.3", "augment.contrast=0.3", "optim.ema_decay=0.9",
                                         "train.epochs=6", "train.max_steps=21"};
    for (int k = 0; k < COUNT_OF(varied); k++)
        expect_setting(repair, &count, varied[k]);
    assert_int_equal(count, 0);
    config.train.max_steps = 0; /* none: epochs alone */
    const struct diagnosis rare = {.cause = CAUSE_IMBALANCE, .steps = 7};
    assert_int_equal(diagnosis_repair(&rare, &config, repair, of), 5);
    /* Softer labels cost networks with convolutions accuracy where they were tried: what moves its images goes on. */
    char longer[REPAIR_MAX][REPAIR_TEXT];
    config.model.name = MODEL_SMALL_CNN;
    config.augment.hflip = 0.5;
    by_heart = (struct diagnosis){.cause = CAUSE_OVERFITTING, .steps = 7};
    assert_int_equal(diagnosis_repair(&by_heart, &config, longer, of), 2); /* an average, and three times the epochs */
    config_free(&config);
}

/* What the run's own trial has tried, and what did not help, is not written; of the others the next is. */
static void test_no_repair_that_did_not_help(void **state)
{
    (void)state;
    static const struct {
        enum cause cause;
        const char *name, *trial, *kept, *instead; /* instead NULL: nothing */
    } cases[] = {
        {CAUSE_MISMATCH, "light evened out", "augment.normalize=image", "augment.normalize=image",
         "augment.brightness=0.3"},
        {CAUSE_MISMATCH, "brightness varied", "augment.brightness=0.3", "augment.normalize=image",
         "augment.normalize=image"},
        {CAUSE_ILLUMINATION, "light evened out", "augment.normalize=image", "augment.normalize=image",
         "augment.brightness=0.3"},
        {CAUSE_OVERFITTING, "augmentation", "augment.rotate=10", "augment.translate=0.1", "optim.ema_decay=0.9"},
    };
    struct train_result result;
    struct config config = {0};
    tiny_train_ok(NULL, "train.epochs=2", &result);
    assert_int_equal(train_load_config(&config, result.path, NULL, 0), OK);
    config.model.name = MODEL_SMALL_CNN;
    for (int i = 0; i < COUNT_OF(cases); i++)
        for (int helps = 0; helps < 2; helps++) {
            char repair[REPAIR_MAX][REPAIR_TEXT];
            struct diagnosis diagnosis = {.cause = cases[i].cause, .probed = true, .count = 1, .steps = 7};
            diagnosis.experiment.arms[0] = (struct arm){.name = "unchanged", .done = true, .result = {.loss = 1.0}};
            struct arm *arm = &diagnosis.experiment.arms[1];
            diagnosis.experiment.arm_count = 2;
            diagnosis.found[0] = (struct symptom){.cause = cases[i].cause,
                                                  .rule = "given",
                                                  .numbers = {{"train_mean", 0.5}, {"val_mean", 0.35}},
                                                  .number_count = 2};
            *arm = (struct arm){.cause = cases[i].cause,
                                .done = true,
                                .helps = helps,
                                .gain = helps ? 0.5 : -0.1,
                                .error = 0.1,
                                .override_count = 1};
            text_copy(arm->name, sizeof arm->name, cases[i].name);
            text_copy(arm->text[0], sizeof arm->text[0], cases[i].trial);
            if (diagnosis_repair(&diagnosis, &config, repair, of) < 1)
                fail_msg("%s, %d: nothing is written", cases[i].name, helps);
            assert_string_equal(repair[0], helps ? cases[i].kept : cases[i].instead);
        }
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
            int count = diagnosis_repair(&diagnosis, &config, repair, of);
            expect_setting(repair, &count, high ? "optim.lr=0.002" : "optim.lr=0.2");
            expect_setting(repair, &count, "optim.ema_decay=0.9");
            if (cases[i].warming)
                expect_setting(repair, &count, "schedule.warmup_epochs=0");
            assert_int_equal(count, 0);
        }
        diagnosis.rate_scale = 0.0625; /* autopilot went back twice: the repair goes on from there */
        for (int high = 0; high < 2; high++) {
            diagnosis.cause = high ? CAUSE_RATE_HIGH : CAUSE_RATE_LOW;
            int count = diagnosis_repair(&diagnosis, &config, repair, of);
            expect_setting(repair, &count, high ? "optim.lr=0.000125" : "optim.lr=0.0125");
            char action[ACTION_TEXT];
            diagnosis_say_action(&diagnosis, &config, action);
            assert_ptr_equal(
                strstr(action, high ? "set optim.lr=0.000125: autopilot had brought optim.lr from 0.02 to 0.00125"
                                    : "set optim.lr=0.0125: autopilot had brought optim.lr from 0.02 to 0.00125"),
                action);
        }
        /* Another cause's repair, and a healthy run's, sets what the run trained with. */
        for (int healthy = 0; healthy < 2; healthy++) {
            diagnosis.cause = healthy ? CAUSE_HEALTHY : CAUSE_CLIP;
            diagnosis.missing = false;
            int count = diagnosis_repair(&diagnosis, &config, repair, of);
            expect_setting(repair, &count, "optim.lr=0.00125");
            assert_int_equal(count, 0);
            char action[ACTION_TEXT];
            diagnosis_say_action(&diagnosis, &config, action);
            assert_non_null(strstr(action, "; set optim.lr=0.00125: autopilot had brought optim.lr from 0.02"));
        }
        diagnosis.rate_scale = 1.0;
        assert_int_equal(diagnosis_repair(&diagnosis, &config, repair, of), 0);
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
        assert_true(diagnosis_repair(&diagnosis, &config, repair, of) == 2);
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

/* A schedule that goes by epochs goes on for as many more; and without the images that are left out these are shorter.
 */
static void test_schedules_of_longer_runs(void **state)
{
    (void)state;
    static const struct {
        const char *overrides, *settings;
    } cases[] = {
        {"schedule.name=step schedule.step_epochs=3", "schedule.step_epochs=8"}, /* 3 x 2 / 0.8 is 7.5 */
        {"schedule.name=plateau schedule.patience=2", "schedule.patience=5"},
        {"schedule.name=cosine schedule.step_epochs=3 schedule.patience=2", NULL},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        struct train_result result;
        struct config config = {0};
        char overrides[256], repair[REPAIR_MAX][REPAIR_TEXT];
        snprintf(overrides, sizeof overrides, "train.epochs=2 train.max_steps=7 %s", cases[i].overrides);
        tiny_train_ok(NULL, overrides, &result);
        assert_int_equal(train_load_config(&config, result.path, NULL, 0), OK);
        struct diagnosis diagnosis = {
            .cause = CAUSE_LABELS, .steps = 7, .train_images = 100, .left_out_count = 20, .left_out = "list.csv"};
        int count = diagnosis_repair(&diagnosis, &config, repair, of);
        expect_setting(repair, &count, "data.leave_out=list.csv");
        expect_setting(repair, &count, "optim.ema_decay=0.9");
        expect_setting(repair, &count, "train.epochs=5");
        expect_setting(repair, &count, "train.max_steps=14"); /* updates are as long as they were */
        if (cases[i].settings)
            expect_setting(repair, &count, cases[i].settings);
        assert_int_equal(count, 0);
        diagnosis = (struct diagnosis){.cause = CAUSE_LABELS, .steps = 7, .train_images = 100};
        count = diagnosis_repair(&diagnosis, &config, repair, of);
        expect_setting(repair, &count, "train.epochs=4");
        config_free(&config);
    }
}

/* What else was found by evidence of its own is mended too, unless any of it contradicts the first; not what may be a
 * consequence, nor what is doubtful. */
static void test_several_causes_are_mended(void **state)
{
    (void)state;
    static const struct {
        enum cause first, second;
        const char *rule;
        unsigned effects;
        bool doubtful, listed;
        const char *settings; /* with blanks between */
    } cases[] = {
        {CAUSE_ORDER, CAUSE_ILLUMINATION, "illumination", 0, false, false,
         "data.shuffle=true augment.normalize=image optim.ema_decay=0.9 train.epochs=6 train.max_steps=21"},
        {CAUSE_ORDER, CAUSE_ILLUMINATION, "illumination", 0, true, false, "data.shuffle=true"},
        {CAUSE_ORDER, CAUSE_WEIGHT_DECAY, "decay", EFFECT_SETTING, false, false,
         "data.shuffle=true optim.weight_decay=0.005"},
        {CAUSE_ORDER, CAUSE_RATE_HIGH, "large_steps", EFFECT_LONG, false, false, "data.shuffle=true"},
        {CAUSE_ORDER, CAUSE_FEW_UPDATES, "few_updates", EFFECT_SETTING, false, false, "data.shuffle=true"},
        {CAUSE_ILLUMINATION, CAUSE_LABELS, "two_kinds", EFFECT_APART, false, true,
         "augment.normalize=image optim.ema_decay=0.9 data.leave_out=list.csv train.epochs=6 train.max_steps=21"},
        {CAUSE_ILLUMINATION, CAUSE_LABELS, "two_kinds", EFFECT_APART, false, false,
         "augment.normalize=image optim.ema_decay=0.9 train.epochs=6 train.max_steps=21"},
        /* the longer of two lengths */
        {CAUSE_LABELS, CAUSE_IMBALANCE, "imbalance", 0, false, false,
         "train.label_smoothing=0.1 train.balance=true augment.translate=0.05 augment.rotate=5 optim.ema_decay=0.9 "
         "train.epochs=6 train.max_steps=21"},
        /* counted, whatever it explains */
        {CAUSE_WEIGHT_DECAY, CAUSE_ORDER, "order", 0, true, false, "optim.weight_decay=0.005 data.shuffle=true"},
        /* contradicts */
        {CAUSE_RATE_HIGH, CAUSE_RATE_LOW, "given", EFFECT_SETTING, false, false, "optim.lr=0.0001 optim.ema_decay=0.9"},
    };
    struct train_result result;
    struct config config = {0};
    tiny_train_ok(NULL, "train.epochs=2 train.max_steps=7 data.shuffle=false optim.weight_decay=0.5", &result);
    assert_int_equal(train_load_config(&config, result.path, NULL, 0), OK);
    for (int i = 0; i < COUNT_OF(cases); i++) {
        char repair[REPAIR_MAX][REPAIR_TEXT];
        struct diagnosis diagnosis = {.cause = cases[i].first, .first_guess = cases[i].first, .steps = 7, .count = 2};
        diagnosis.found[0] = (struct symptom){.cause = cases[i].first, .rule = "given"};
        diagnosis.found[1] = (struct symptom){.cause = cases[i].second,
                                              .rule = cases[i].rule,
                                              .effects = cases[i].effects,
                                              .doubtful = cases[i].doubtful};
        text_copy(diagnosis.left_out, sizeof diagnosis.left_out, cases[i].listed ? "list.csv" : "");
        int count = diagnosis_repair(&diagnosis, &config, repair, of);
        for (int k = 0; k < count; k++)
            assert_true(of[k] == cases[i].first || of[k] == cases[i].second);
        char settings[256];
        snprintf(settings, sizeof settings, "%s", cases[i].settings);
        for (char *one = strtok(settings, " "); one; one = strtok(NULL, " "))
            expect_setting(repair, &count, one);
        if (count > 0)
            fail_msg("case %d: %s is set", i, repair[0]);
    }
    config_free(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_repair_mends),
        cmocka_unit_test(test_repair_that_changes_nothing),
        cmocka_unit_test(test_repairs_that_take_longer),
        cmocka_unit_test(test_schedules_of_longer_runs),
        cmocka_unit_test(test_several_causes_are_mended),
        cmocka_unit_test(test_no_repair_that_did_not_help),
        cmocka_unit_test(test_repairs_of_rates),
        cmocka_unit_test(test_best_of_the_rates_that_prove_nothing),
        cmocka_unit_test(test_repair_that_comes_furthest),
    };
    return cmocka_run_group_tests(tests, tiny_set_up, tiny_tear_down);
}
