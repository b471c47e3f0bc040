/* test_arms: which trials there are for a run, and in which order: what its config sets unlike most trainings, then
 * what the rules suspect, as they rank it, then what is tried always. */
#include "data.h"
#include "diagnosis.h"
#include "file.h"
#include "tiny_run.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define BASE "train.epochs=2 train.threads=1 early_stop.restore_best=false "

static struct diagnosis diagnosis;
static struct {
    bool lit;                /* what the rules found has the light of both parts */
    bool levelled, complete; /* the loss no longer falls; nothing is missing of what validation could get right */
    bool stands;
    double budget; /* 0: too little for any */
} given;

/* The trials of a run of so many words, listed and not made: the budget lets in none. suspected: [count] instead of
 * what the rules found. */
static const struct experiment *listed(const char *words, const enum cause *suspected, int count)
{
    struct train_result result;
    char all[512];
    snprintf(all, sizeof all, BASE "%s %s", strstr(words, "batch_size") ? "" : "train.batch_size=20", words);
    tiny_train_ok(NULL, all, &result);
    diagnosis_free(&diagnosis);
    assert_int_equal(diagnose_run(&diagnosis, result.path), OK);
    diagnosis.missing = !given.complete;
    diagnosis.levelled = given.levelled;
    diagnosis.stands = given.stands;
    diagnosis.count = count;
    for (int i = 0; i < count; i++)
        diagnosis.found[i] = (struct symptom){.cause = suspected[i],
                                              .rule = "given",
                                              .numbers = {{"train_mean", 0.4}, {"val_mean", 0.2}},
                                              .number_count = given.lit ? 2 : 0};
    const struct budget budget = {.updates = fmax(given.budget, 1.0)};
    if (diagnose_probe(&diagnosis, result.path, &budget) < 0)
        fail_msg("%s", fail_text());
    return &diagnosis.experiment;
}

/* Their names but those of the unchanged ones, "a, b"; a refused one has a mark. */
static void names(const struct experiment *experiment, size_t size, char *text)
{
    text[0] = 0;
    for (int i = 0; i < experiment->arm_count; i++) {
        const struct arm *arm = &experiment->arms[i];
        const size_t used = strlen(text);
        assert_false(arm->done);
        if (arm->cause != CAUSE_HEALTHY)
            snprintf(text + used, size - used, "%s%s%s", used ? ", " : "", arm->name, arm->refused[0] ? "!" : "");
    }
}

static void expect(const char *words, const enum cause *suspected, int count, const char *wanted)
{
    char got[1024];
    names(listed(words, suspected, count), sizeof got, got);
    if (strcmp(got, wanted) != 0)
        fail_msg("%s: %s\nexpected: %s", words, got, wanted);
}

#define MLP "model.name=mlp model.hidden=32 "
#define SGD MLP "optim.name=sgd optim.lr=0.01 "
#define CNN "model.name=small_cnn model.width=4 "

static void test_what_there_is(void **state)
{
    (void)state;
    expect(MLP, NULL, 0, "rate / 4, rate x 4");
    expect(SGD, NULL, 0, "rate / 4, rate x 4, adam");
    expect(CNN, NULL, 0, "rate / 4, rate x 4, augmentation");
    expect(SGD "optim.momentum=0 optim.weight_decay=1e-4 optim.clip_norm=5 schedule.min_lr=0.005", NULL, 0,
           "momentum 0.9, rate / 4!, rate x 4, no weight decay, adam!, no gradient clip");
    expect(CNN "augment.hflip=0.5 model.dropout=0.2 train.label_smoothing=0.1", NULL, 0,
           "rate / 4, rate x 4, no augmentation, no dropout, no mixing or smoothing");
    expect(MLP "train.batch_size=16", NULL, 0, "batch x 4, rate / 4, rate x 4");
    expect(MLP "train.batch_size=17", NULL, 0,
           "rate / 4, rate x 4"); /* none too small: a larger one counts for nothing */
}

/* The bounds of what is usual: at them it is, beyond it comes first. */
static void test_the_unusual_comes_first(void **state)
{
    (void)state;
    static const struct {
        const char *network, *usual, *unusual, *trial;
    } cases[] = {
        {MLP, "optim.weight_decay=0.001", "optim.weight_decay=0.0011", "no weight decay"},
        {MLP "optim.name=adamw ", "optim.weight_decay=0.1", "optim.weight_decay=0.11", "no weight decay"},
        {MLP, "optim.eps=1e-6", "optim.eps=1.1e-6", "adam's defaults"},
        {MLP, "optim.beta2=0.95", "optim.beta2=0.94", "adam's defaults"},
        {MLP, "optim.beta2=0.9999", "optim.beta2=0.99995", "adam's defaults"},
        {MLP, "optim.beta1=0.8", "optim.beta1=0.79", "adam's defaults"},
        {MLP, "optim.beta1=0.95", "optim.beta1=0.96", "adam's defaults"},
        {SGD, "optim.momentum=0.5", "optim.momentum=0.49", "momentum 0.9"},
        {SGD, "optim.momentum=0.95", "optim.momentum=0.96", "momentum 0.9"},
        {SGD, "optim.clip_norm=0.1", "optim.clip_norm=0.09", "no gradient clip"},
        {SGD, "optim.clip_norm=0", "optim.clip_norm=0.001", "no gradient clip"},
        {MLP, "model.init_scale=0.5", "model.init_scale=0.49", "usual first weights"},
        {MLP, "model.init_scale=2", "model.init_scale=2.1", "usual first weights"},
        {MLP, "data.shuffle=true", "data.shuffle=false", "shuffled"},
        {MLP, "train.batch_size=17", "train.batch_size=16", "batch x 4"},
        {MLP, "train.batch_size=4 train.accumulate=5", "train.batch_size=4 train.accumulate=4", "batch x 4"},
        {MLP, "augment.mean=0.5 augment.std=0.25", "augment.normalize=none", "measured normalisation"},
        {CNN, "model.dropout=0.5", "model.dropout=0.6", "no dropout"},
        {CNN, "train.label_smoothing=0.2", "train.label_smoothing=0.3", "no mixing or smoothing"},
        {CNN, "augment.rotate=45", "augment.rotate=46", "no augmentation"},
        {CNN, "augment.translate=0.25", "augment.translate=0.3", "no augmentation"},
        {CNN, "augment.erase=0.5", "augment.erase=0.6", "no augmentation"},
    };
    for (int i = 0; i < COUNT_OF(cases); i++)
        for (int unusual = 0; unusual < 2; unusual++) {
            char words[256], got[1024];
            const size_t length = strlen(cases[i].trial);
            snprintf(words, sizeof words, "%s%s", cases[i].network, unusual ? cases[i].unusual : cases[i].usual);
            names(listed(words, NULL, 0), sizeof got, got);
            if ((strncmp(got, cases[i].trial, length) == 0) != (bool)unusual)
                fail_msg("%s: %s", words, got);
            /* Asked for by name it is not picked as the best of many. */
            for (int a = 0; a < diagnosis.experiment.arm_count; a++)
                if (strcmp(diagnosis.experiment.arms[a].name, cases[i].trial) == 0)
                    assert_int_equal(diagnosis.experiment.arms[a].suspected, unusual);
        }
}

static void test_then_what_is_suspected_by_rank(void **state)
{
    (void)state;
    static const char words[] = SGD "optim.weight_decay=1e-4 optim.clip_norm=0.001";
    const enum cause found[] = {CAUSE_WEIGHT_DECAY, CAUSE_RATE_LOW, CAUSE_PLAIN_SGD};
    expect(words, NULL, 0, "no gradient clip, rate / 4, rate x 4, no weight decay, adam");
    expect(words, found, 1, "no gradient clip, no weight decay, rate / 4, rate x 4, adam");
    expect(words, found, 3, "no gradient clip, no weight decay, rate x 4, adam, rate / 4");
    const enum cause others[] = {CAUSE_RATE_LOW, CAUSE_WEIGHT_DECAY};
    expect(words, others, 2, "no gradient clip, rate x 4, no weight decay, rate / 4, adam");
    const enum cause clipped[] = {CAUSE_RATE_LOW, CAUSE_CLIP}; /* once, and first */
    expect(words, clipped, 2, "no gradient clip, rate x 4, rate / 4, no weight decay, adam");
    const struct experiment *experiment = &diagnosis.experiment;
    for (int i = 0; i < experiment->arm_count; i++) {
        const enum cause cause = experiment->arms[i].cause;
        assert_true(experiment->arms[i].suspected == (cause == CAUSE_CLIP || cause == CAUSE_RATE_LOW));
    }
    const enum cause nothing[] = {CAUSE_NO_SIGNAL}; /* may come from a rate too high */
    expect(SGD, nothing, 1, "rate / 4, rate x 4, adam");
    expect(SGD "optim.weight_decay=1e-4", nothing, 1, "rate / 4, rate x 4, no weight decay, adam");
    assert_true(diagnosis.experiment.arms[2].suspected);
}

static const struct arm *arm_named(const char *name)
{
    for (int i = 0; i < diagnosis.experiment.arm_count; i++)
        if (strcmp(diagnosis.experiment.arms[i].name, name) == 0)
            return &diagnosis.experiment.arms[i];
    fail_msg("no trial %s", name);
    return NULL;
}

/* What each changes, what it is compared with, and why one is not possible: the first reason, in its own words. */
static void test_what_a_trial_is(void **state)
{
    (void)state;
    listed(SGD "train.batch_size=16 optim.weight_decay=1e-4 augment.mean=0.5 augment.std=0.25 schedule.min_lr=0.005",
           NULL, 0);
    const struct arm *low = arm_named("rate / 4"), *high = arm_named("rate x 4"), *batch = arm_named("batch x 4");
    assert_string_equal(low->text[0], "optim.lr=0.0025");
    assert_int_equal(strncmp(low->refused, "not possible: ", 14), 0);
    assert_non_null(strstr(low->refused, "min_lr"));
    assert_null(strstr(low->refused, "\n"));
    assert_null(strstr(low->refused, "error: "));
    assert_string_equal(high->text[0], "optim.lr=0.04");
    assert_int_equal(high->override_count, 1);
    assert_string_equal(high->refused, "");
    assert_string_equal(batch->text[0], "train.accumulate=4");
    assert_int_equal(batch->pace, 4);
    assert_int_equal(high->pace, 1);
    assert_int_equal(arm_named("measured normalisation")->override_count, 3);
    assert_int_equal(arm_named("adam")->override_count, 3);
    assert_int_equal(high->family, ARM_ANEW);
    /* Nothing is compared with families that have no trial. */
    assert_non_null(experiment_unchanged(&diagnosis.experiment, ARM_ANEW));
    assert_non_null(experiment_unchanged(&diagnosis.experiment, ARM_ONWARD));
    assert_null(experiment_unchanged(&diagnosis.experiment, ARM_FREED));
    assert_null(experiment_unchanged(&diagnosis.experiment, ARM_UNSEEN));
    listed(CNN "augment.hflip=0.5", NULL, 0);
    assert_int_equal(arm_named("no augmentation")->family, ARM_FREED);
    assert_string_equal(experiment_unchanged(&diagnosis.experiment, ARM_FREED)->name, "unchanged, whole rate");
    assert_null(experiment_unchanged(&diagnosis.experiment, ARM_UNSEEN));
}

/* Of what is asked of the run beside its config. */
static void test_what_the_run_shows(void **state)
{
    (void)state;
    static const char held[] = CNN "augment.hflip=0.5 model.dropout=0.2 train.label_smoothing=0.1";
    given.complete = true; /* nothing is held back */
    expect(held, NULL, 0, "rate / 4, rate x 4");
    given.complete = false;
    given.levelled = true;
    expect(SGD, NULL, 0, "rate / 10 from here on, rate / 4, rate x 4, adam");
    assert_int_equal(arm_named("rate / 10 from here on")->family, ARM_ONWARD);
    expect(SGD "schedule.name=cosine", NULL, 0, "rate / 4, rate x 4, adam");
    given.levelled = false;
    given.stands = true;
    expect(SGD, NULL, 0, "rate / 4 from here on, rate / 4, rate x 4, adam");
    expect(SGD "schedule.name=cosine", NULL, 0, "rate / 4, rate x 4, adam");
    given.stands = false;
    const enum cause found[] = {CAUSE_OVERFITTING};
    expect(MLP, found, 1, "images shifted, turned, rate / 4, rate x 4");
    listed(CNN, NULL, 0);
    assert_string_equal(arm_named("augmentation")->text[0], "augment.crop_padding=2"); /* an eighth of 16 pixels */
    expect(CNN "data.val_fraction=0", NULL, 0, "rate / 4, rate x 4");                  /* nothing to judge it on */
    assert_null(experiment_unchanged(&diagnosis.experiment, ARM_ONWARD));
}

/* What speaks for two causes is tried once, for the one that the rules rank first. */
static void test_one_trial_of_two_causes(void **state)
{
    (void)state;
    const enum cause found[] = {CAUSE_MISMATCH, CAUSE_ILLUMINATION}, turned[] = {CAUSE_ILLUMINATION, CAUSE_MISMATCH};
    expect(MLP, found, 2, "light evened out, rate / 4, rate x 4"); /* they differ in something else */
    assert_int_equal(arm_named("light evened out")->cause, CAUSE_ILLUMINATION);
    given.lit = true;
    expect(MLP, found, 2, "brightness varied, light evened out, rate / 4, rate x 4");
    assert_int_equal(arm_named("light evened out")->cause, CAUSE_MISMATCH);
    assert_int_equal(arm_named("light evened out")->family, ARM_UNSEEN);
    expect(MLP, turned, 2, "light evened out, brightness varied, rate / 4, rate x 4");
    assert_int_equal(arm_named("light evened out")->cause, CAUSE_ILLUMINATION);
    expect(MLP, NULL, 0, "rate / 4, rate x 4");
    given.lit = false;
}

/* A suspected rate is followed, four times as far each. */
static void test_rates_further_on(void **state)
{
    (void)state;
    const enum cause found[] = {CAUSE_RATE_LOW};
    given.budget = 3000.0;
    listed(SGD, found, 1);
    given.budget = 0.0;
    assert_string_equal(arm_named("rate x 4")->text[0], "optim.lr=0.04");
    assert_string_equal(arm_named("rate x 16")->text[0], "optim.lr=0.16");
    assert_string_equal(arm_named("rate x 64")->text[0], "optim.lr=0.64");
    assert_true(arm_named("rate x 64")->suspected && arm_named("rate x 64")->done);
    assert_false(arm_named("rate / 4")->suspected);
}

static bool has_arm(const char *name)
{
    for (int i = 0; i < diagnosis.experiment.arm_count; i++)
        if (strcmp(diagnosis.experiment.arms[i].name, name) == 0)
            return true;
    return false;
}

/* Odd images are left out, each once, where some are found and the rules suspect them, and what is left fills an
 * update. */
static void test_images_left_out(void **state)
{
    (void)state;
    static const char name[] = "odd images left out";
    const struct tiles_options options = {.per_class = 12, .size = 16, .seed = 5, .outliers = 0.2};
    const enum cause found[] = {CAUSE_OUTLIERS};
    char odd[PATH_BYTES], words[PATH_BYTES + 256];
    assert_int_equal(path_join(odd, tiny_folder, "odd"), OK);
    if (tiles_write(odd, &options) < 0)
        fail_msg("%s", fail_text());
    snprintf(words, sizeof words, MLP "data.train=%s", odd);
    listed(words, NULL, 0);
    assert_false(has_arm(name));
    listed(words, found, 1);
    const struct arm *arm = arm_named(name);
    int64_t marked = 0;
    for (int i = 0; i < 120; i++)
        marked += arm->left_out[i];
    if (marked < 1 || marked > 40) /* 24 of 120 are planted */
        fail_msg("%d are left out", (int)marked);
    assert_int_equal(arm->left_out_count, marked);
    assert_true(arm->family == ARM_UNSEEN && arm->cause == CAUSE_OUTLIERS && arm->suspected);
    for (int more = 0; more < 2; more++) {
        snprintf(words, sizeof words, MLP "data.train=%s train.batch_size=%d", odd, (int)(90 - marked) + more);
        listed(words, found, 1);
        assert_int_equal(has_arm(name), !more);
    }
    snprintf(words, sizeof words, MLP "data.train=%s train.accumulate=2 train.batch_size=%d", odd,
             (int)(90 - marked) / 2 + 1);
    listed(words, found, 1);
    assert_false(has_arm(name));
}

static int tear_down(void **state)
{
    diagnosis_free(&diagnosis);
    return tiny_tear_down(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_there_is),
        cmocka_unit_test(test_the_unusual_comes_first),
        cmocka_unit_test(test_then_what_is_suspected_by_rank),
        cmocka_unit_test(test_what_a_trial_is),
        cmocka_unit_test(test_what_the_run_shows),
        cmocka_unit_test(test_one_trial_of_two_causes),
        cmocka_unit_test(test_rates_further_on),
        cmocka_unit_test(test_images_left_out),
    };
    return cmocka_run_group_tests(tests, tiny_set_up, tear_down);
}
