/* test_chosen: of several trials that speak for a cause, the one whose settings are the repair. */
#include "data.h"
#include "diagnosis.h"
#include "file.h"
#include "report.h"
#include "text.h"
#include "tiny_run.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct train_result run;
static char many[PATH_BYTES]; /* a data set */

/* A trial beside an unchanged one of loss 2.2, which learns nothing. */
struct made {
    const char *name;
    enum cause cause;
    enum layer_change layers;
    double gain, error;
    const char *sets[3];
};

static int make_run(void **state)
{
    if (tiny_set_up(state) != 0)
        return -1;
    tiny_train_ok(NULL, "train.epochs=2 train.threads=1 model.name=mlp model.hidden=16", &run);
    return 0;
}

/* The name of the trial that proves the first guess. */
static const char *chosen(const struct made *made, int count, enum cause guess)
{
    static char name[48];
    char path[PATH_BYTES];
    struct diagnosis diagnosis;
    struct experiment experiment = {.batch = 16, .updates = 80, .guess = 2.302585, .updates_wanted = 900.0};
    experiment.arms[experiment.arm_count++] =
        (struct arm){.name = "unchanged", .pace = 1, .done = true, .result = {.loss = 2.2}};
    for (int i = 0; i < count; i++) {
        struct arm *arm = &experiment.arms[experiment.arm_count++];
        *arm = (struct arm){.cause = made[i].cause,
                            .pace = 1,
                            .done = true,
                            .suspected = true,
                            .layers = made[i].layers,
                            .gain = made[i].gain,
                            .error = made[i].error,
                            .result = {.loss = 2.2 - made[i].gain}};
        text_copy(arm->name, sizeof arm->name, made[i].name);
        for (int k = 0; k < COUNT_OF(made[i].sets) && made[i].sets[k]; k++)
            text_copy(arm->text[arm->override_count++], sizeof arm->text[0], made[i].sets[k]);
    }
    assert_int_equal(diagnose_run(&diagnosis, run.path), OK);
    assert_int_equal(path_join(path, run.path, "trials.json"), OK);
    assert_int_equal(experiment_write(&experiment, diagnosis.steps, path), OK);
    diagnosis.cause = diagnosis.first_guess = guess;
    diagnosis.found[0] = (struct symptom){.cause = guess, .rule = "given", .effects = EFFECT_STANDS};
    diagnosis.count = guess != CAUSE_HEALTHY;
    if (diagnose_recall(&diagnosis, run.path) < 0)
        fail_msg("%s", fail_text());
    assert_non_null(diagnosis.proof);
    text_copy(name, sizeof name, diagnosis.proof->name);
    diagnosis_free(&diagnosis);
    return name;
}

/* What normalises comes with a lower rate where that comes as far in as many updates, within a standard error. */
static void test_the_lower_rate_of_two_alike(void **state)
{
    (void)state;
    static const struct {
        double gain;
        enum layer_change layers;
        const char *sets, *is;
    } cases[] = {
        {0.385, LAYERS_NORMALISED, "optim.lr=0.001", "rate too"},
        {0.375, LAYERS_NORMALISED, "optim.lr=0.001", "alone"}, /* more than one standard error behind */
        {0.45, LAYERS_NORMALISED, "optim.lr=0.001", "rate too"},
        {0.385, LAYERS_NORMALISED, "optim.momentum=0.5", "alone"}, /* no rate */
        {0.385, LAYERS_KEPT, "optim.lr=0.001", "alone"},           /* of another change */
        {0.385, LAYERS_NORMALISED, NULL, "alone"},
    };
    for (int i = 0; i < COUNT_OF(cases); i++)
        for (int guess = 0; guess < 2; guess++) {
            const struct made made[] = {
                {"alone", CAUSE_NO_SIGNAL, LAYERS_NORMALISED, 0.4, 0.02, {0}},
                {"rate too", CAUSE_NO_SIGNAL, cases[i].layers, cases[i].gain, 0.02, {cases[i].sets}},
            };
            assert_string_equal(chosen(made, 2, guess ? CAUSE_NO_SIGNAL : CAUSE_HEALTHY), cases[i].is);
        }
    static const struct made settings[] = {
        {"alone", CAUSE_NO_SIGNAL, LAYERS_KEPT, 0.4, 0.02, {"model.batch_norm=true"}},
        {"rate too", CAUSE_NO_SIGNAL, LAYERS_KEPT, 0.39, 0.02, {"model.batch_norm=true", "optim.lr=0.001"}},
        {"another", CAUSE_NO_SIGNAL, LAYERS_KEPT, 0.39, 0.02, {"model.width=64", "optim.lr=0.001"}},
    };
    assert_string_equal(chosen(settings, 2, CAUSE_NO_SIGNAL), "rate too");
    const struct made other[] = {settings[0], settings[2]};
    assert_string_equal(chosen(other, 2, CAUSE_NO_SIGNAL), "alone");
}

/* Of several cures the proven one lasts as long as it is meant to: varied brightness three times as long, an image's
 * own mean as long as the run. */
static void test_a_proven_cure_lasts(void **state)
{
    (void)state;
    static const struct {
        const char *sets, *also;
    } cases[] = {{"augment.brightness=0.3", "train.epochs=6"}, {"augment.normalize=image", ""}};
    struct config config = {0};
    assert_int_equal(train_load_config(&config, run.path, NULL, 0), OK);
    for (int i = 0; i < COUNT_OF(cases); i++) {
        char repair[REPAIR_MAX][REPAIR_TEXT], lasts[REPAIR_TEXT] = "";
        enum cause of[REPAIR_MAX];
        struct diagnosis diagnosis = {.cause = CAUSE_MISMATCH, .probed = true, .count = 1, .steps = 7};
        struct arm *arm = &diagnosis.experiment.arms[diagnosis.experiment.arm_count++];
        diagnosis.found[0] = (struct symptom){.cause = CAUSE_MISMATCH,
                                              .rule = "given",
                                              .numbers = {{"train_mean", 0.5}, {"val_mean", 0.35}},
                                              .number_count = 2};
        *arm = (struct arm){.cause = CAUSE_MISMATCH, .done = true, .helps = true, .override_count = 1};
        text_copy(arm->text[0], sizeof arm->text[0], cases[i].sets);
        diagnosis.proof = arm;
        const int count = diagnosis_repair(&diagnosis, &config, repair, of);
        assert_string_equal(repair[0], cases[i].sets);
        for (int k = 0; k < count; k++)
            if (strncmp(repair[k], "train.epochs=", 13) == 0)
                text_copy(lasts, sizeof lasts, repair[k]);
        assert_string_equal(lasts, cases[i].also);
    }
    config_free(&config);
}

/* One made wider is made wider again where it learns more by heart, beyond three standard errors, and not all. */
static void test_wider_still(void **state)
{
    (void)state;
    static const struct {
        double narrow, wide;
        bool done, wants;
    } cases[] = {
        {0.5, 0.8, true, true},   {0.5, 0.8, false, false}, {0.5, 0.95, true, false}, {0.5, 0.64, true, true},
        {0.5, 0.62, true, false}, {0.96, 0.9, true, false}, {0.9, 0.6, true, false},
    };
    struct config config = {0};
    assert_int_equal(train_load_config(&config, run.path, NULL, 0), OK);
    for (int i = 0; i < COUNT_OF(cases); i++) {
        char repair[REPAIR_MAX][REPAIR_TEXT];
        enum cause of[REPAIR_MAX];
        struct diagnosis diagnosis = {.cause = CAUSE_CAPACITY, .probed = true};
        struct experiment *experiment = &diagnosis.experiment;
        experiment->memory_images = 256;
        experiment->memory_done = true;
        experiment->memory.best_accuracy = cases[i].narrow;
        experiment->wider_done = cases[i].done;
        experiment->wider.best_accuracy = cases[i].wide;
        assert_int_equal(experiment_wants_wider(experiment), cases[i].wants);
        assert_int_equal(diagnosis_repair(&diagnosis, &config, repair, of), 1);
        assert_string_equal(repair[0], cases[i].wants ? "model.hidden=512" : "model.hidden=256");
    }
    config_free(&config);
}

/* A network that cannot learn a few images by heart is seen again as wide as the repair makes it; kept in the file. */
static void test_seen_wider(void **state)
{
    (void)state;
    for (int small = 0; small < 2; small++) {
        struct train_result result;
        struct diagnosis diagnosis, again;
        char words[128];
        snprintf(words, sizeof words, "train.epochs=2 train.threads=1 model.name=mlp model.hidden=%d", small ? 1 : 64);
        tiny_train_ok(NULL, words, &result);
        assert_int_equal(diagnose_run(&diagnosis, result.path), OK);
        assert_int_equal(diagnose_probe(&diagnosis, result.path, &(struct budget){.updates = 1e6}), OK);
        assert_true(diagnosis.experiment.memory_done);
        assert_int_equal(experiment_learns_by_heart(&diagnosis.experiment), !small);
        assert_int_equal(diagnosis.experiment.wider_done, small);
        assert_true(!small || diagnosis.experiment.wider.best_accuracy >= LEARNT_BY_HEART);
        assert_int_equal(diagnose_run(&again, result.path), OK);
        assert_int_equal(diagnose_recall(&again, result.path), OK);
        assert_int_equal(again.experiment.wider_done, small);
        assert_true(fabs(again.experiment.wider.best_accuracy - diagnosis.experiment.wider.best_accuracy) < 1e-8);
        char path[PATH_BYTES];
        assert_int_equal(path_join(path, result.path, "report.html"), OK);
        assert_int_equal(report_write_run(result.path, path), OK);
        char *page = tiny_read_text(result.path, "report.html");
        assert_int_equal(strstr(page, " As wide as the repair makes it, it learnt ") != NULL, small);
        memory_give(page);
        diagnosis_free(&again);
        diagnosis_free(&diagnosis);
    }
}

/* What is tried of a run held back by augmentation: the names of its trials of that, each with a comma. */
static const char *tried_of(const char *augmentation)
{
    static char tried[256];
    char words[PATH_BYTES + 256];
    struct train_result held;
    struct diagnosis diagnosis;
    snprintf(words, sizeof words,
             "train.epochs=8 train.threads=1 model.name=small_cnn model.width=8 optim.lr=0.006 data.train=%s %s", many,
             augmentation);
    tiny_train_ok(NULL, words, &held);
    assert_int_equal(diagnose_run(&diagnosis, held.path), OK);
    diagnosis.missing = true;
    diagnosis.found[0] = (struct symptom){.cause = CAUSE_REGULARISATION, .rule = "given"};
    diagnosis.count = 1;
    if (diagnose_probe(&diagnosis, held.path, &(struct budget){.updates = 2500.0}) < 0)
        fail_msg("%s", fail_text());
    const struct experiment *experiment = &diagnosis.experiment;
    *tried = 0;
    for (int i = 0; i < experiment->arm_count; i++) {
        const struct arm *arm = &experiment->arms[i];
        if (arm->cause == CAUSE_REGULARISATION && arm->done)
            snprintf(tried + strlen(tried), sizeof tried - strlen(tried), "%s, ", arm->name);
    }
    diagnosis_free(&diagnosis);
    return tried;
}

/* Of what is taken away together and helps each is tried alone, what is unlike most first, until one does as much. */
static void test_one_by_one(void **state)
{
    (void)state;
    const struct tiles_options options = {.per_class = 80, .size = 16, .seed = 5};
    assert_int_equal(path_join(many, tiny_folder, "many"), OK);
    if (tiles_write(many, &options) < 0)
        fail_msg("%s", fail_text());
    assert_string_equal(tried_of("augment.hflip=0.5 augment.rotate=180 augment.erase=1 augment.erase_area=[0.8,0.9]"),
                        "no augmentation, no augment.rotate, no augment.erase, no augment.hflip, ");
    assert_string_equal(tried_of("augment.hflip=0.5 augment.erase=0.2 augment.grayscale=1"),
                        "no augmentation, no augment.hflip, no augment.grayscale, ");
    assert_string_equal(tried_of("augment.hflip=0.5 augment.brightness=0.1"),
                        "no augmentation, "); /* which does not help */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_lower_rate_of_two_alike),
        cmocka_unit_test(test_a_proven_cure_lasts),
        cmocka_unit_test(test_wider_still),
        cmocka_unit_test(test_seen_wider),
        cmocka_unit_test(test_one_by_one),
    };
    return cmocka_run_group_tests(tests, make_run, tiny_tear_down);
}
