/* test_experiment: what a doctor makes of trials whose figures are given: which of them help, when they overturn what
 * the rules said first, and when they must not. */
#include "given_trials.h"
#include "report.h"
#include "tiny_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* 60 steps; cut short after as many, since a run that was to be so short is still learning for want of them. */
#define BASE      "train.threads=1 model.name=mlp model.hidden=64 early_stop.restore_best=false "
#define CUT_SHORT "train.epochs=24 train.max_steps=60 " BASE
static char healthy[PATH_BYTES], decayed[PATH_BYTES], dark[PATH_BYTES], fast[PATH_BYTES];

/* What a check of the images would have found before the run. */
static void find_images(const char *run, const char *rule)
{
    char path[PATH_BYTES];
    assert_int_equal(path_join(path, run, "log.jsonl"), OK);
    FILE *file = fopen(path, "a");
    assert_non_null(file);
    fprintf(file,
            "{\"event\":\"images\",\"rule\":\"%s\",\"severity\":\"warn\",\"text\":\"so it "
            "is\",\"numbers\":{\"share\":0.3}}\n",
            rule);
    assert_int_equal(fclose(file), 0);
}

static int set_up(void **state)
{
    struct train_result result;
    if (tiny_set_up(state) != 0)
        return -1;
    tiny_train_ok(NULL, CUT_SHORT "optim.lr=0.003", &result);
    snprintf(healthy, sizeof healthy, "%s", result.path);
    tiny_train_ok(NULL, BASE "train.epochs=12 optim.weight_decay=1", &result);
    snprintf(decayed, sizeof decayed, "%s", result.path);
    tiny_train_ok(NULL, BASE "train.epochs=12 data.shuffle=false train.batch_size=8", &result);
    snprintf(dark, sizeof dark, "%s", result.path);
    tiny_train_ok(NULL, BASE "train.epochs=12 optim.lr=0.3", &result);
    snprintf(fast, sizeof fast, "%s", result.path);
    return 0;
}

static enum confidence confidence; /* of the run expected last */
static char said[CONFIDENCE_TEXT];
static bool of_enough_steps; /* whatever the run's are */

static void expect(const char *run, enum cause guess, enum cause cause, const char *proof)
{
    struct diagnosis diagnosis;
    int status = diagnose_run(&diagnosis, run);
    diagnosis.comes_to = diagnosis.val_least = 1.0; /* the run stands where the unchanged trials do */
    diagnosis.fitted = false;
    if (guess == CAUSE_HEALTHY) { /* whatever the rules make of so few images */
        diagnosis.cause = diagnosis.first_guess = CAUSE_HEALTHY;
        diagnosis.count = 0;
        diagnosis.too_early = diagnosis.steps < VERDICT_STEPS && !of_enough_steps;
    }
    diagnosis.too_early = diagnosis.too_early && !of_enough_steps;
    diagnosis.missing = diagnosis.missing && !of_enough_steps;
    if (status < 0 || diagnose_recall(&diagnosis, run) < 0)
        fail_msg("%s", fail_text());
    assert_string_equal(cause_table[diagnosis.first_guess].name, cause_table[guess].name);
    assert_string_equal(cause_table[diagnosis.cause].name, cause_table[cause].name);
    if (proof) {
        assert_non_null(diagnosis.proof);
        assert_string_equal(diagnosis.proof->name, proof);
    } else {
        assert_null(diagnosis.proof);
    }
    confidence = diagnosis_confidence(&diagnosis);
    diagnosis_say_confidence(&diagnosis, said);
    assert_ptr_equal(strstr(said, confidence_names[confidence]), said);
    diagnosis_free(&diagnosis);
}

/* Every kind of trial can say what no rule saw, when it helps by 15 % and three standard errors. */
static void test_each_trial_can_speak(void **state)
{
    (void)state;
    static const struct {
        const char *family;
        enum cause cause;
    } kinds[] = {
        {"anew", CAUSE_RATE_HIGH},     {"anew", CAUSE_PLAIN_SGD},      {"anew", CAUSE_ADAM},
        {"anew", CAUSE_WEIGHT_DECAY},  {"anew", CAUSE_INITIALISATION}, {"anew", CAUSE_INPUT_SCALE},
        {"anew", CAUSE_ORDER},         {"anew", CAUSE_NO_SIGNAL},      {"unseen", CAUSE_LABELS},
        {"onward", CAUSE_OVERFITTING}, {"onward", CAUSE_CLIP},         {"unseen", CAUSE_OUTLIERS},
    };
    for (int i = 0; i < COUNT_OF(kinds); i++) {
        struct given given = {kinds[i].family, kinds[i].cause, 0.16, 0.05, false, false};
        write_trials(healthy, &given, 1, 1.0, 16, 60);
        expect(healthy, CAUSE_HEALTHY, kinds[i].cause, "trial 0");
        given.gain = 0.14; /* too little */
        write_trials(healthy, &given, 1, 1.0, 16, 60);
        expect(healthy, CAUSE_HEALTHY, CAUSE_HEALTHY, NULL);
        given = (struct given){kinds[i].family, kinds[i].cause, 0.16, 0.06, false, false}; /* may be chance */
        write_trials(healthy, &given, 1, 1.0, 16, 60);
        expect(healthy, CAUSE_HEALTHY, CAUSE_HEALTHY, NULL);
    }
}

/* A higher rate must come a fifth further from guessing: 1.302585 * 1.2 = 1.563. A larger batch must lose nothing. */
static void test_rate_and_batch(void **state)
{
    (void)state;
    struct given given = {"anew", CAUSE_RATE_LOW, 0.27, 0.01, false, false};
    write_trials(healthy, &given, 1, 1.0, 16, 60);
    expect(healthy, CAUSE_HEALTHY, CAUSE_RATE_LOW, "trial 0");
    given.gain = 0.25;
    write_trials(healthy, &given, 1, 1.0, 16, 60);
    expect(healthy, CAUSE_HEALTHY, CAUSE_HEALTHY, NULL);
    given = (struct given){"anew", CAUSE_PLAIN_SGD, 0.25, 0.01, true, false}; /* Adam instead of SGD hurries as well */
    write_trials(healthy, &given, 1, 1.0, 16, 60);
    expect(healthy, CAUSE_HEALTHY, CAUSE_HEALTHY, NULL);
    given.gain = 0.27;
    write_trials(healthy, &given, 1, 1.0, 16, 60);
    expect(healthy, CAUSE_HEALTHY, CAUSE_PLAIN_SGD, "trial 0");
    given = (struct given){"anew", CAUSE_BATCH_SMALL, -0.02, 0.01, false, false};
    write_trials(healthy, &given, 1, 1.0, 16, 60);
    expect(healthy, CAUSE_HEALTHY, CAUSE_BATCH_SMALL, "trial 0");
    write_trials(healthy, &given, 1, 1.0, 17, 60); /* of a batch that is none too small */
    expect(healthy, CAUSE_HEALTHY, CAUSE_HEALTHY, NULL);
    given.gain = -0.04;
    write_trials(healthy, &given, 1, 1.0, 16, 60);
    expect(healthy, CAUSE_HEALTHY, CAUSE_HEALTHY, NULL);
}

static void test_first_guess_is_overturned(void **state)
{
    (void)state;
    struct given given[] = {{"anew", CAUSE_WEIGHT_DECAY, 0.05, 0.01, false, false},
                            {"anew", CAUSE_RATE_HIGH, 0.4, 0.01, false, false}};
    write_trials(decayed, given, 2, 1.0, 16, 60);
    expect(decayed, CAUSE_WEIGHT_DECAY, CAUSE_RATE_HIGH, "trial 1");
    given[0].gain = 0.2; /* its own trial helps: it stays, whatever helps more */
    write_trials(decayed, given, 2, 1.0, 16, 60);
    expect(decayed, CAUSE_WEIGHT_DECAY, CAUSE_WEIGHT_DECAY, "trial 0");
    given[0].gain = given[1].gain = 0.05; /* nothing helps: what the rules saw stays, without proof */
    write_trials(decayed, given, 2, 1.0, 16, 60);
    expect(decayed, CAUSE_WEIGHT_DECAY, CAUSE_WEIGHT_DECAY, NULL);
    given[0] = (struct given){"anew", CAUSE_WEIGHT_DECAY, 0.0, 0.0, false, true}; /* left out for want of budget */
    given[1] = (struct given){"anew", CAUSE_ADAM, 0.5, 0.01, false, false};
    write_trials(decayed, given, 2, 1.0, 16, 60);
    expect(decayed, CAUSE_WEIGHT_DECAY, CAUSE_WEIGHT_DECAY, NULL);
    given[0].cause = CAUSE_ORDER; /* seen in the order of the labels itself */
    write_trials(dark, given, 2, 1.0, 8, 132);
    expect(dark, CAUSE_ORDER, CAUSE_ORDER, NULL);
}

/* No trial speaks for rare classes or copies, nor for odd images where none is listed: one that helps says more than
 * they do, if it mends what they explain.
 */
static void test_what_has_no_trial_is_overturned(void **state)
{
    (void)state;
    static const struct {
        const char *rule;
        enum cause cause, on_training, on_validation; /* what becomes of it where such a trial helps */
    } kinds[] = {
        {"leak", CAUSE_LEAKAGE, CAUSE_RATE_HIGH, CAUSE_CLIP},
        {"outliers", CAUSE_OUTLIERS, CAUSE_RATE_HIGH, CAUSE_CLIP},
        {"imbalance", CAUSE_IMBALANCE, CAUSE_RATE_HIGH, CAUSE_CLIP},
    };
    struct train_result result;
    for (int i = 0; i < COUNT_OF(kinds); i++) {
        tiny_train_ok(NULL, CUT_SHORT "optim.lr=0.002", &result);
        find_images(result.path, kinds[i].rule);
        struct given given = {"anew", CAUSE_RATE_HIGH, 0.5, 0.01, false, false};
        write_trials(result.path, &given, 1, 1.0, 16, 60);
        expect(result.path, kinds[i].cause, kinds[i].on_training,
               kinds[i].on_training == kinds[i].cause ? NULL : "trial 0");
        given = (struct given){"onward", CAUSE_CLIP, 0.5, 0.01, false, false};
        write_trials(result.path, &given, 1, 1.0, 16, 60);
        expect(result.path, kinds[i].cause, kinds[i].on_validation,
               kinds[i].on_validation == kinds[i].cause ? NULL : "trial 0");
        given.gain = 0.05; /* none helps */
        write_trials(result.path, &given, 1, 1.0, 16, 60);
        expect(result.path, kinds[i].cause, kinds[i].cause, NULL);
        assert_int_equal(confidence, CONFIDENCE_SHOWN);
    }
}

/* Augmentation, which helps most runs that have none, overturns nothing that is seen in the data. */
static void test_augmentation_overturns_no_data(void **state)
{
    (void)state;
    struct given given[] = {{"anew", CAUSE_ORDER, 0.05, 0.01, false, false},
                            {"onward", CAUSE_OVERFITTING, 0.5, 0.01, false, false}};
    write_trials(dark, given, 2, 1.0, 8, 132);
    expect(dark, CAUSE_ORDER, CAUSE_ORDER, NULL);
    write_trials(decayed, given, 2, 1.0, 16, 60);
    expect(decayed, CAUSE_WEIGHT_DECAY, CAUSE_WEIGHT_DECAY, NULL); /* its own trial was not made */
    given[0].cause = CAUSE_WEIGHT_DECAY;
    write_trials(decayed, given, 2, 1.0, 16, 60);
    expect(decayed, CAUSE_WEIGHT_DECAY, CAUSE_WEIGHT_DECAY, NULL); /* validation keeps up: nothing is by heart */
    given[0].cause = CAUSE_ORDER;
    given[1].cause = CAUSE_CLIP;
    write_trials(dark, given, 2, 1.0, 8, 132);
    expect(dark, CAUSE_ORDER, CAUSE_CLIP, "trial 1");
}

/* A run that has learnt its images by heart does not want a higher rate, however much quicker that is: its training is
 * over. */
static void test_training_overturns_no_validation(void **state)
{
    (void)state;
    struct train_result result;
    tiny_train_ok(NULL,
                  "train.epochs=24 train.threads=1 model.name=mlp model.hidden=64 early_stop.restore_best=false "
                  "optim.lr=0.003",
                  &result);
    struct given given[] = {{"onward", CAUSE_OVERFITTING, 0.05, 0.1, false, false},
                            {"anew", CAUSE_RATE_LOW, 0.5, 0.01, false, false}};
    write_trials(result.path, given, 2, 1.0, 16, 120);
    expect(result.path, CAUSE_OVERFITTING, CAUSE_OVERFITTING, NULL);
    assert_int_equal(confidence, CONFIDENCE_DOUBTFUL);
    write_trials(result.path, given, 1, 0.9, 16, 120); /* too small it is not */
    expect(result.path, CAUSE_OVERFITTING, CAUSE_OVERFITTING, NULL);
    given[1] = (struct given){"onward", CAUSE_SCHEDULE, 0.5, 0.01, false, false};
    write_trials(result.path, given, 2, 1.0, 16, 120);
    expect(result.path, CAUSE_OVERFITTING, CAUSE_SCHEDULE, "trial 1");
}

/* What is set unusually comes before what is tried always, and that before another optimizer. */
static void test_best_explanation(void **state)
{
    (void)state;
    struct given given[] = {{"anew", CAUSE_RATE_HIGH, 0.5, 0.01, false, false},
                            {"anew", CAUSE_ADAM, 0.36, 0.01, false, false}};
    write_trials(healthy, given, 2, 1.0, 16, 60);
    expect(healthy, CAUSE_HEALTHY, CAUSE_ADAM, "trial 1");
    given[1].gain = 0.34; /* below 0.7 of the most */
    write_trials(healthy, given, 2, 1.0, 16, 60);
    expect(healthy, CAUSE_HEALTHY, CAUSE_RATE_HIGH, "trial 0");
    given[1] = (struct given){"onward", CAUSE_OVERFITTING, 0.45, 0.01, false, false};
    write_trials(healthy, given, 2, 1.0, 16, 60);
    expect(healthy, CAUSE_HEALTHY, CAUSE_RATE_HIGH, "trial 0");
}

/* The best of nine trials that nobody asked for is 1.5 standard errors lucky: 0.19 less 1.5 * 0.03 is no fault's 0.15.
 */
static void test_the_best_of_many_is_lucky(void **state)
{
    (void)state;
    enum { MANY = 9 };
    struct given given[MANY] = {{"anew", CAUSE_RATE_HIGH, 0.19, 0.03, false, false}};
    for (int i = 1; i < MANY; i++)
        given[i] = (struct given){"anew", CAUSE_ADAM, 0.0, 0.03, false, false};
    write_trials(healthy, given, 1, 1.0, 16, 60);
    expect(healthy, CAUSE_HEALTHY, CAUSE_RATE_HIGH, "trial 0");
    write_trials(healthy, given, MANY, 1.0, 16, 60);
    expect(healthy, CAUSE_HEALTHY, CAUSE_HEALTHY, NULL);
    given[0].gain = 0.2;
    write_trials(healthy, given, MANY, 1.0, 16, 60);
    expect(healthy, CAUSE_HEALTHY, CAUSE_RATE_HIGH, "trial 0");
    given[0].gain = 0.19; /* what the rules suspect is one question */
    given[0].cause = CAUSE_WEIGHT_DECAY;
    given_suspected = true;
    write_trials(decayed, given, MANY, 1.0, 16, 60);
    given_suspected = false;
    expect(decayed, CAUSE_WEIGHT_DECAY, CAUSE_WEIGHT_DECAY, "trial 0");
    write_trials(decayed, given, MANY, 1.0, 16, 60);
    expect(decayed, CAUSE_WEIGHT_DECAY, CAUSE_WEIGHT_DECAY, NULL);
}

/* A rate that is said to be too high, and a lower one of which makes no difference that could be a fault, is not: where
 * the trial is of as many steps as showed it, where something is learned, and where it is precise enough. A setting
 * that most do not have falls only to another cause. */
static void test_no_difference_refutes(void **state)
{
    (void)state;
    struct given given = {"anew", CAUSE_RATE_HIGH, 0.01, 0.02, false, false};
    write_trials(fast, &given, 1, 1.0, 16, 60);
    expect(fast, CAUSE_RATE_HIGH, CAUSE_FEW_UPDATES, NULL); /* what else shows */
    assert_non_null(strstr(said, "(rate_high) was refuted: with trial 0 the loss was lower only by 0.01 +- 0.02, and a "
                                 "fault costs 15 %"));
    given.gain = -0.01;
    write_trials(fast, &given, 1, 1.0, 16, 60);
    expect(fast, CAUSE_RATE_HIGH, CAUSE_FEW_UPDATES, NULL);
    given = (struct given){"anew", CAUSE_RATE_HIGH, 0.07, 0.05, false, false}; /* 0.17: maybe a fault */
    write_trials(fast, &given, 1, 1.0, 16, 60);
    expect(fast, CAUSE_RATE_HIGH, CAUSE_RATE_HIGH, NULL);
    assert_int_equal(confidence, CONFIDENCE_DOUBTFUL);
    given = (struct given){"anew", CAUSE_RATE_HIGH, 0.07, 0.02, false, false}; /* more than chance */
    write_trials(fast, &given, 1, 1.0, 16, 60);
    expect(fast, CAUSE_RATE_HIGH, CAUSE_RATE_HIGH, NULL);
    given = (struct given){"anew", CAUSE_RATE_HIGH, -1.25, 0.5, false, false}; /* 2.25 learns nothing, of 2.30 */
    write_trials(fast, &given, 1, 1.0, 16, 60);
    expect(fast, CAUSE_RATE_HIGH, CAUSE_RATE_HIGH, NULL);
    given = (struct given){"anew", CAUSE_WEIGHT_DECAY, 0.01, 0.02, false, false};
    write_trials(decayed, &given, 1, 1.0, 16, 60);
    expect(decayed, CAUSE_WEIGHT_DECAY, CAUSE_FEW_UPDATES, NULL);
}

/* No trial can help against labels that say nothing of the images: none is made, and none that was made counts. */
static void test_certain_without_trials(void **state)
{
    (void)state;
    struct train_result result;
    struct diagnosis diagnosis;
    const struct given given = {"anew", CAUSE_RATE_HIGH, 0.5, 0.01, false, false};
    tiny_train_ok(NULL, CUT_SHORT "optim.lr=0.002", &result);
    find_images(result.path, "unrelated");
    assert_int_equal(diagnose_run(&diagnosis, result.path), OK);
    assert_int_equal(diagnose_probe(&diagnosis, result.path, &(struct budget){.share = 10.0}), OK);
    assert_false(diagnosis.probed);
    assert_false(tiny_has_file(result.path, "trials.json"));
    diagnosis_free(&diagnosis);
    write_trials(result.path, &given, 1, 1.0, 16, 60);
    expect(result.path, CAUSE_LABELS, CAUSE_LABELS, NULL);
    assert_non_null(strstr(said, "so none is made"));
}

static void test_confidence(void **state)
{
    (void)state;
    struct given given = {"anew", CAUSE_WEIGHT_DECAY, 0.3, 0.01, false, false};
    write_trials(decayed, &given, 1, 1.0, 16, 59); /* of a run that has gone on: not of this one */
    expect(decayed, CAUSE_WEIGHT_DECAY, CAUSE_WEIGHT_DECAY, NULL);
    assert_int_equal(confidence, CONFIDENCE_SHOWN);
    assert_non_null(strstr(said, "--probe"));
    write_trials(decayed, &given, 1, 1.0, 16, 60);
    expect(decayed, CAUSE_WEIGHT_DECAY, CAUSE_WEIGHT_DECAY, "trial 0");
    assert_int_equal(confidence, CONFIDENCE_PROVEN);
    assert_non_null(strstr(said, "trial 0 lowered the loss by 0.3 +- 0.01"));
    given.gain = 0.05;
    write_trials(decayed, &given, 1, 1.0, 16, 60);
    expect(decayed, CAUSE_WEIGHT_DECAY, CAUSE_WEIGHT_DECAY, NULL);
    assert_int_equal(confidence, CONFIDENCE_DOUBTFUL);
    assert_non_null(strstr(said, "with trial 0 the loss was lower only by 0.05 +- 0.01 after 60 updates"));
    given.gain = -0.2;
    write_trials(decayed, &given, 1, 1.0, 16, 60);
    expect(decayed, CAUSE_WEIGHT_DECAY, CAUSE_FEW_UPDATES, NULL); /* refuted: what else shows */
    assert_non_null(strstr(said, "(weight_decay) was refuted: with trial 0 the loss was higher by 0.2 +- 0.01"));
    struct given others[] = {{"anew", CAUSE_WEIGHT_DECAY, 0.0, 0.0, false, true}, /* its own was not made */
                             {"anew", CAUSE_ADAM, -0.2, 0.01, false, false}};
    write_trials(decayed, others, 2, 1.0, 16, 60);
    expect(decayed, CAUSE_WEIGHT_DECAY, CAUSE_WEIGHT_DECAY, NULL);
    assert_int_equal(confidence, CONFIDENCE_SHOWN);
    assert_non_null(strstr(said, "no trial of it"));
    write_trials(healthy, &given, 1, 1.0, 16, 60);
    expect(healthy, CAUSE_HEALTHY, CAUSE_HEALTHY, NULL);
    assert_int_equal(confidence, CONFIDENCE_DOUBTFUL); /* of 60 steps no trial says that they are enough */
    write_trials(healthy, NULL, 0, 0.5, 16, 60);
    expect(healthy, CAUSE_HEALTHY, CAUSE_CAPACITY, NULL);
    assert_int_equal(confidence, CONFIDENCE_PROVEN);
    assert_non_null(strstr(said, "50 % of 80 images"));
}

/* Adam with its own rate works where SGD's is far too high: it says nothing of SGD as long as lower rates are better
 * and the lowest were not tried. */
/* That no trial found a fault proves none only where each rules one out: by two standard errors. */
static void test_what_trials_leave_open(void **state)
{
    (void)state;
    static const struct {
        struct given given;
        int batch;
        bool decided;
        const char *says;
    } cases[] = {
        {{"anew", CAUSE_WEIGHT_DECAY, 0.02, 0.01, false, false}, 64, true, "no difference beyond chance"},
        {{"anew", CAUSE_WEIGHT_DECAY, 0.10, 0.02, false, false}, 64, true, "the difference is too small to be a fault"},
        {{"anew", CAUSE_WEIGHT_DECAY, 0.14, 0.02, false, false}, 64, false, "more than chance, and maybe a fault"},
        {{"anew", CAUSE_WEIGHT_DECAY, 0.18, 0.07, false, false}, 64, false, "chance alone may make such a difference"},
        {{"anew", CAUSE_RATE_LOW, 0.18, 0.07, false, false}, 64, true, "no difference beyond chance"}, /* hurries */
        {{"anew", CAUSE_BATCH_SMALL, -0.3, 0.01, false, false}, 8, false, "none lowered the loss"},
        {{"anew", CAUSE_BATCH_SMALL, -0.3, 0.01, false, false}, 64, true, "none lowered the loss"},
    };
    of_enough_steps = true;
    for (int i = 0; i < COUNT_OF(cases); i++) {
        write_trials(healthy, &cases[i].given, 1, 1.0, cases[i].batch, 60);
        expect(healthy, CAUSE_HEALTHY, CAUSE_HEALTHY, NULL);
        assert_int_equal(confidence, cases[i].decided ? CONFIDENCE_PROVEN : CONFIDENCE_SHOWN);
        if (!strstr(said, cases[i].says) ||
            (!cases[i].decided && !strstr(said, "not every trial decides: no fault in 1 trial")))
            fail_msg("%d: %s", i, said);
    }
    const struct given lucky[] = {{"anew", CAUSE_ADAM, 0.18, 0.055, false, false},
                                  {"anew", CAUSE_CLIP, -0.2, 0.01, false, false},
                                  {"anew", CAUSE_CAPACITY, -0.2, 0.01, false, false},
                                  {"anew", CAUSE_INITIALISATION, -0.2, 0.01, false, false}};
    write_trials(healthy, lucky, COUNT_OF(lucky), 1.0, 64, 60);
    expect(healthy, CAUSE_HEALTHY, CAUSE_HEALTHY, NULL);
    assert_int_equal(confidence, CONFIDENCE_SHOWN);
    assert_non_null(strstr(said, "not decided: the best of so many trials may be lucky"));
    of_enough_steps = false;
}

static void test_another_optimizer_waits_for_the_rates(void **state)
{
    (void)state;
    struct given given[] = {{"anew", CAUSE_RATE_HIGH, 0.1, 0.01, false, false},
                            {"anew", CAUSE_PLAIN_SGD, 0.6, 0.01, true, false},
                            {"anew", CAUSE_RATE_HIGH, 0.0, 0.0, false, true}};
    write_trials(fast, given, 3, 1.0, 16, 60);
    expect(fast, CAUSE_RATE_HIGH, CAUSE_RATE_HIGH, NULL);
    assert_int_equal(confidence, CONFIDENCE_SHOWN);
    assert_non_null(strstr(said, "trial 0 is not enough"));
    given[0].gain = 0.01; /* lower rates are no better: there is nothing to wait for */
    write_trials(fast, given, 3, 1.0, 16, 60);
    expect(fast, CAUSE_RATE_HIGH, CAUSE_PLAIN_SGD, "trial 1");
    given[0].gain = 0.1; /* nor where all were tried */
    write_trials(fast, given, 2, 1.0, 16, 60);
    expect(fast, CAUSE_RATE_HIGH, CAUSE_PLAIN_SGD, "trial 1");
    given[0].gain = 0.14; /* with two standard errors what makes a fault: not decided */
    write_trials(fast, given, 2, 1.0, 16, 60);
    expect(fast, CAUSE_RATE_HIGH, CAUSE_RATE_HIGH, NULL);
}

/* The run has its momentum, and the first guess was overruled: nothing that is said may contradict the trial. */
static void test_what_is_said_is_what_was_tried(void **state)
{
    (void)state;
    struct given given[] = {{"anew", CAUSE_RATE_HIGH, 0.1, 0.01, false, false},
                            {"anew", CAUSE_PLAIN_SGD, 0.6, 0.01, true, false}};
    struct diagnosis diagnosis;
    char action[ACTION_TEXT], path[PATH_BYTES];
    struct config config = {0};
    assert_int_equal(train_load_config(&config, fast, NULL, 0), OK);
    write_trials(fast, given, 2, 1.0, 16, 60);
    assert_int_equal(diagnose_run(&diagnosis, fast), OK);
    diagnosis_say_action(&diagnosis, &config, action);
    assert_non_null(strstr(action, "set optim.lr to what is in use, 0.1 with SGD"));
    assert_string_equal(diagnosis_role(&diagnosis, 0), "evidence");
    assert_int_equal(diagnose_recall(&diagnosis, fast), OK);
    assert_null(strstr(diagnosis_title(&diagnosis), "momentum"));
    diagnosis_say_action(&diagnosis, &config, action);
    assert_string_equal(action, "set optim.lr=0.5, optim.name=adam");
    struct given more[] = {given[0], given[1], {"anew", CAUSE_RATE_HIGH, 0.0, 0.0, false, true}};
    diagnosis_free(&diagnosis);
    write_trials(fast, more, 3, 1.0, 16,
                 60); /* the budget ended on the way: what comes next, not what was not enough */
    assert_int_equal(diagnose_run(&diagnosis, fast), OK);
    assert_int_equal(diagnose_recall(&diagnosis, fast), OK);
    diagnosis_say_action(&diagnosis, &config, action);
    assert_string_equal(action, "set optim.lr=0.5");
    diagnosis_free(&diagnosis);
    write_trials(fast, given, 2, 1.0, 16, 60);
    assert_int_equal(diagnose_run(&diagnosis, fast), OK);
    assert_int_equal(diagnose_recall(&diagnosis, fast), OK);
    assert_int_equal(path_join(path, tiny_folder, "mended.ini"), OK);
    assert_int_equal(diagnosis_apply(&diagnosis, fast, path), OK);
    char *text = tiny_read_text(tiny_folder, "mended.ini");
    assert_non_null(strstr(text, "# overruled: step 0, rate_high: "));
    assert_non_null(strstr(text, "# confidence: proven: trial 1 lowered the loss by 0.6 +- 0.01\n"));
    assert_null(strstr(text, "evidence"));
    memory_give(text);
    diagnosis_free(&diagnosis);
    config_free(&config);
}

/* What a trial proves where no rule saw anything is in the run's report, which has no finding to draw then. */
static void test_report_of_what_no_rule_saw(void **state)
{
    (void)state;
    struct train_result result;
    struct given given = {"anew", CAUSE_RATE_HIGH, 0.5, 0.01, false, false};
    tiny_train_ok(NULL, CUT_SHORT "optim.lr=0.001 data.val_fraction=0", &result);
    write_trials(result.path, &given, 1, 1.0, 16, 60);
    char path[PATH_BYTES];
    assert_int_equal(path_join(path, result.path, "report.html"), OK);
    assert_int_equal(report_write_run(result.path, path), OK);
    char *page = tiny_read_text(result.path, "report.html");
    assert_non_null(strstr(page, "<h2>the learning rate is too high</h2>"));
    assert_non_null(strstr(page, "proven: trial 0 lowered the loss by 0.5"));
    assert_null(strstr(page, "finding-1"));
    memory_give(page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_trial_can_speak),
        cmocka_unit_test(test_rate_and_batch),
        cmocka_unit_test(test_first_guess_is_overturned),
        cmocka_unit_test(test_what_has_no_trial_is_overturned),
        cmocka_unit_test(test_augmentation_overturns_no_data),
        cmocka_unit_test(test_best_explanation),
        cmocka_unit_test(test_the_best_of_many_is_lucky),
        cmocka_unit_test(test_training_overturns_no_validation),
        cmocka_unit_test(test_no_difference_refutes),
        cmocka_unit_test(test_certain_without_trials),
        cmocka_unit_test(test_confidence),
        cmocka_unit_test(test_what_trials_leave_open),
        cmocka_unit_test(test_another_optimizer_waits_for_the_rates),
        cmocka_unit_test(test_what_is_said_is_what_was_tried),
        cmocka_unit_test(test_report_of_what_no_rule_saw),
    };
    return cmocka_run_group_tests(tests, set_up, tiny_tear_down);
}
