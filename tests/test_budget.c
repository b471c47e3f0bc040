/* test_budget: what a budget may be, how one is asked for, and that what is suggested is enough for what it names. */
#include "diagnosis.h"
#include "tiny_run.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void test_reading(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        struct budget is;
    } cases[] = {
        {"5%", {.share = 0.05}},     {"250%", {.share = 2.5}}, {"0.05", {.share = 0.05}},  {"1", {.updates = 1.0}},
        {"400", {.updates = 400.0}}, {"30s", {.seconds = 30}}, {"0.5s", {.seconds = 0.5}},
    };
    struct budget budget;
    for (int i = 0; i < COUNT_OF(cases); i++) {
        budget = (struct budget){9.0, 9.0, 9.0};
        assert_int_equal(budget_read(cases[i].text, &budget), OK);
        assert_true(budget.share == cases[i].is.share && budget.updates == cases[i].is.updates &&
                    budget.seconds == cases[i].is.seconds);
    }
    static const char *const wrong[] = {"", "s", "%", "0", "-5%", "nothing", "5%%", "30 s", "1e10", "nan", "inf", "5m"};
    for (int i = 0; i < COUNT_OF(wrong); i++)
        assert_int_equal(budget_read(wrong[i], &budget), ERR_USAGE);
}

/* A share of what a crashed run has left is too little for any trial: it has the least that makes
 * trials. */
static void test_updates(void **state)
{
    (void)state;
    struct config config = {0};
    assert_int_equal(config_load(&config, NULL, NULL, 0, NULL), OK);
    const double least = doctor_budget(&config, 0);
    assert_true(least > 200.0);
    const struct {
        struct budget budget;
        int64_t steps;
        double updates;
    } cases[] = {
        {{.share = 1.0}, 16, least},        {{.share = 0.05}, 1000000, 50000.0},
        {{.share = 3.0}, 1000, 3000.0},     {{.updates = 63.0}, 16, 63.0},
        {{.updates = 63.0}, 1000000, 63.0}, {{.seconds = 2.0}, 16, INFINITY},
        {{.share = 0.0}, 16, least},        {{.share = 0.0}, 1000000, DOCTOR_SHARE * 1000000.0},
    };
    for (int i = 0; i < COUNT_OF(cases); i++)
        assert_true(budget_updates(&cases[i].budget, &config, cases[i].steps) == cases[i].updates);
    config_free(&config);
    /* Of 256 images by heart as many updates are made in batches of 2: no share that lets trials in is raised for it.
     */
    static const char *const small[] = {"train.batch_size=2"};
    config = (struct config){0};
    assert_int_equal(config_load(&config, NULL, small, 1, NULL), OK);
    assert_true(doctor_budget(&config, 0) > 10000.0);
    assert_true(budget_updates(&(struct budget){.share = 2.5}, &config, 800) == 2000.0);
    assert_true(budget_updates(&(struct budget){.share = 0.05}, &config, 800) == doctor_budget(&config, 0));
    config_free(&config);
}

/* Before trials are made. */
static void test_saying_ahead(void **state)
{
    (void)state;
    static const struct {
        double updates, update_seconds;
        const char *says;
    } cases[] = {
        {811.5, 0.043, "9 trials, about 812 updates, about 35 s at the run's pace"},
        {1000.0, 0.6, "9 trials, about 1000 updates, about 10 min at the run's pace"},
        {1000.0, 0.599, "9 trials, about 1000 updates, about 599 s at the run's pace"},
        {1000.0, 0.0001, "9 trials, about 1000 updates, about 1 s at the run's pace"},
        {40.0, NAN, "9 trials, about 40 updates"},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        char text[AHEAD_TEXT];
        budget_say_ahead(9, cases[i].updates, cases[i].update_seconds, text);
        assert_string_equal(text, cases[i].says);
    }
}

/* The pace of a run is that of its last epoch's images, by the images of an update. */
static void test_pace(void **state)
{
    (void)state;
    struct train_result result;
    struct diagnosis diagnosis;
    tiny_train_ok(NULL, "train.epochs=3 train.threads=1 train.batch_size=8 train.accumulate=2", &result);
    const double rate = tiny_result_at(result.path, 3, "images_per_second");
    assert_int_equal(diagnose_run(&diagnosis, result.path), OK);
    assert_true(fabs(diagnosis.update_seconds * rate / 16.0 - 1.0) < 1e-9);
    diagnosis_free(&diagnosis);
}

static void probe(struct diagnosis *diagnosis, const char *run, const char *text)
{
    struct budget budget;
    assert_int_equal(budget_read(text, &budget), OK);
    if (diagnose_run(diagnosis, run) < 0 || diagnose_probe(diagnosis, run, &budget) < 0)
        fail_msg("%s", fail_text());
}

static int left_undone(const struct experiment *experiment)
{
    int undone = 0;
    for (int i = 0; i < experiment->arm_count; i++)
        undone += !experiment->arms[i].done && experiment->arms[i].cause != CAUSE_HEALTHY;
    return undone;
}

/* What is spent where no budget is given lets in every trial that nobody asked for; what the doctor ends with lets in
 * those, two further rates, and all that learning by heart may take, of a network that does not learn a thing. */
static void test_what_is_suggested_is_enough(void **state)
{
    (void)state;
    static const char *const runs[] = {
        "model.name=mlp model.hidden=64 optim.lr=0.003",
        ("model.name=small_cnn model.width=4 optim.lr=0.004 augment.hflip=0.5 model.dropout=0.2 "
         "train.label_smoothing=0.1 optim.weight_decay=1e-4 optim.clip_norm=5"),
        "model.name=mlp model.hidden=1 optim.lr=0.01 optim.name=sgd optim.momentum=0",
        "model.name=mlp model.hidden=64 optim.lr=1e-6 train.batch_size=8",
    };
    for (int i = 0; i < COUNT_OF(runs); i++) {
        struct train_result result;
        struct diagnosis diagnosis;
        struct config config = {0};
        char words[512], enough[32];
        const struct budget unsaid = {0};
        snprintf(words, sizeof words, "train.epochs=4 train.threads=1 early_stop.restore_best=false %s", runs[i]);
        tiny_train_ok(NULL, words, &result);
        assert_int_equal(train_load_config(&config, result.path, NULL, 0), OK);
        assert_int_equal(diagnose_run(&diagnosis, result.path), OK);
        assert_true(doctor_budget(&config, diagnosis.steps) > DOCTOR_SHARE * (double)diagnosis.steps);
        assert_true(doctor_budget(&config, 1000000) == DOCTOR_SHARE * 1000000.0);
        config_free(&config);
        assert_int_equal(diagnose_probe(&diagnosis, result.path, &unsaid), OK);
        int undone = 0; /* of what the rules suspect there may be more than anybody knew */
        for (int k = 0; k < diagnosis.experiment.arm_count; k++)
            undone += !diagnosis.experiment.arms[k].done && diagnosis.experiment.arms[k].cause != CAUSE_HEALTHY &&
                      !diagnosis.experiment.arms[k].suspected;
        if (undone > 0 || !(diagnosis.experiment.updates_spent <= diagnosis.experiment.updates_allowed))
            fail_msg("%s: without a budget %d are left out", runs[i], undone);
        snprintf(enough, sizeof enough, "%.0f", ceil(diagnosis.experiment.updates_wanted));
        diagnosis_free(&diagnosis);
        probe(&diagnosis, result.path, enough);
        if (left_undone(&diagnosis.experiment) > 0 || !diagnosis.experiment.memory_done)
            fail_msg("%s: --budget %s leaves %d out%s", runs[i], enough, left_undone(&diagnosis.experiment),
                     diagnosis.experiment.memory_done ? "" : ", and learning by heart");
        diagnosis_free(&diagnosis);
    }
}

/* By the clock no trial is begun that would not end in time; what was begun first tells how long they take. */
static void test_seconds(void **state)
{
    (void)state;
    struct train_result result;
    struct diagnosis diagnosis;
    tiny_train_ok(NULL, "train.epochs=4 train.threads=1 model.name=mlp model.hidden=64 optim.lr=0.003", &result);
    probe(&diagnosis, result.path, "0.000001s");
    assert_false(experiment_tried(&diagnosis.experiment));
    diagnosis_free(&diagnosis);
    probe(&diagnosis, result.path, "100s");
    assert_true(experiment_tried(&diagnosis.experiment));
    assert_int_equal(left_undone(&diagnosis.experiment), 0);
    assert_true(diagnosis.experiment.seconds <= 100.0 && diagnosis.experiment.seconds_allowed == 100.0);
    /* A small network's trials are as long as they can be, and by the clock as dear as they were measured to be. */
    assert_int_equal(diagnosis.experiment.updates, TRIAL_UPDATES_MOST);
    assert_true(diagnosis.experiment.update_seconds > 0.0 && diagnosis.experiment.update_seconds < 0.1);
    diagnosis_free(&diagnosis);
    /* What one trial of two updates has spent is not measured any further, and what was tried before is kept. */
    probe(&diagnosis, result.path, "0.000001s");
    assert_false(experiment_tried(&diagnosis.experiment));
    assert_true(diagnosis.experiment.updates_spent > 1.99 && diagnosis.experiment.updates_spent < 2.01);
    diagnosis_free(&diagnosis);
    assert_int_equal(diagnose_run(&diagnosis, result.path), OK);
    assert_int_equal(diagnose_recall(&diagnosis, result.path), OK);
    assert_true(experiment_tried(&diagnosis.experiment) && diagnosis.experiment.seconds_allowed == 100.0);
    diagnosis_free(&diagnosis);
}

/* A signal ends the trial under way; those that had ended by then are kept and answered from. */
static void test_interrupted(void **state)
{
    (void)state;
    struct train_result result;
    struct diagnosis diagnosis;
    tiny_train_ok(NULL, "train.epochs=4 train.threads=1 model.name=mlp model.hidden=1024 optim.lr=0.003", &result);
    void (*const before)(int) = signal(SIGTERM, SIG_IGN); /* where it comes before the experiments */
    const pid_t test = getpid(), child = fork();
    if (child == 0)
        usleep(1000000);
    while (child == 0 && kill(test, SIGTERM) == 0)
        usleep(20000);
    probe(&diagnosis, result.path, "100000");
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    signal(SIGTERM, before);
    assert_true(diagnosis.experiment.stopped);
    int done = 0;
    for (int i = 0; i < diagnosis.experiment.arm_count; i++)
        done += diagnosis.experiment.arms[i].done;
    assert_true(done < diagnosis.experiment.arm_count);
    /* On a busy machine nothing may have ended. */
    assert_int_equal(tiny_has_file(result.path, "trials.json"), done > 0 || diagnosis.experiment.memory_done);
    const struct arm *last = &diagnosis.experiment.arms[diagnosis.experiment.arm_count - 1];
    assert_true(last->done || strstr(experiment_why(&diagnosis.experiment, last), "interrupted"));
    diagnosis_free(&diagnosis);
}

/* Trials four times as long, within the longest; what all are to take counts at least those of 100 updates already. */
static void test_longer_trials(void **state)
{
    (void)state;
    double budget;
    struct experiment experiment = {.updates = 40, .updates_wanted = 1000.0, .arm_count = 8};
    assert_int_equal(experiment_longer(&experiment, &budget), 160);
    assert_true(budget == 1000.0 + 12.0 * 60.0);
    experiment.updates = 150;
    assert_int_equal(experiment_longer(&experiment, &budget), 400);
    assert_true(budget == 1000.0 + 12.0 * 250.0);
    experiment.updates = 400;
    assert_int_equal(experiment_longer(&experiment, &budget), 0);
}

/* Of a rate that helps and has not come as far as the run in so few updates: it is made once more with what the budget
 * has left, in no more than half of the run's updates, and kept. Not where the run's training images are right, nor
 * where the trial has come further. */
static void test_the_quickest_once_more(void **state)
{
    (void)state;
    static const struct {
        double updates, comes_to;
        bool fitted;
        int longer;
    } cases[] = {{700.0, 0.0, false, 1}, {700.0, 0.0, true, 0}, {700.0, 2.0, false, 0}, {1e6, 0.0, false, 1}};
    struct train_result results[2];
    const char *const words[] = {
        "train.epochs=48 train.threads=1 model.name=mlp model.hidden=64 optim.lr=3e-4",
        "train.epochs=480 train.threads=1 model.name=mlp model.hidden=64 optim.lr=1e-6 early_stop.patience=0"};
    for (int i = 0; i < COUNT_OF(words); i++)
        tiny_train_ok(NULL, words[i], &results[i]);
    for (int i = 0; i < COUNT_OF(cases); i++) {
        const struct budget budget = {.updates = cases[i].updates};
        const struct train_result result = results[cases[i].updates > 700.0];
        struct diagnosis diagnosis;
        struct arm kept = {0};
        int longer = 0;
        assert_int_equal(diagnose_run(&diagnosis, result.path), OK);
        diagnosis.comes_to = cases[i].comes_to;
        diagnosis.fitted = cases[i].fitted;
        assert_int_equal(diagnose_probe(&diagnosis, result.path, &budget), OK);
        const struct experiment *experiment = &diagnosis.experiment;
        for (int k = 0; k < experiment->arm_count; k++) {
            if (experiment->arms[k].longer == 0)
                continue;
            kept = experiment->arms[k];
            longer++;
            assert_true(kept.cause == CAUSE_RATE_LOW && kept.helps && isfinite(kept.longer_loss));
            assert_in_range(kept.longer, TRIALS_LONGER * experiment->updates, diagnosis.steps / 2);
        }
        assert_int_equal(longer, cases[i].longer);
        assert_true(experiment->updates_spent <= experiment->updates_allowed);
        diagnosis_free(&diagnosis);
        assert_int_equal(diagnose_run(&diagnosis, result.path), OK);
        assert_int_equal(diagnose_recall(&diagnosis, result.path), OK);
        for (int k = 0; k < experiment->arm_count; k++)
            if (experiment->arms[k].longer > 0) {
                assert_int_equal(experiment->arms[k].longer, kept.longer);
                assert_true(fabs(experiment->arms[k].longer_loss - kept.longer_loss) < 1e-6);
                longer--;
            }
        assert_int_equal(longer, 0);
        diagnosis_free(&diagnosis);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reading),
        cmocka_unit_test(test_updates),
        cmocka_unit_test(test_saying_ahead),
        cmocka_unit_test(test_pace),
        cmocka_unit_test(test_what_is_suggested_is_enough),
        cmocka_unit_test(test_seconds),
        cmocka_unit_test(test_interrupted),
        cmocka_unit_test(test_longer_trials),
        cmocka_unit_test(test_the_quickest_once_more),
    };
    return cmocka_run_group_tests(tests, tiny_set_up, tiny_tear_down);
}
