/* test_plateau: PyTorch's recorded ReduceLROnPlateau trajectories, to the last bit. */
#include "schedule.h"
#include "vectors.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { RECORDED_CASES = 36 };

static struct plateau_rule recorded_rule(const json_t *params, const char *min_lr)
{
    return (struct plateau_rule){
        .maximize = vectors_is(params, "mode", "max"),
        .absolute = vectors_is(params, "threshold_mode", "abs"),
        .factor = vectors_number(params, "factor"),
        .threshold = vectors_number(params, "threshold"),
        .min_lr = vectors_number(params, min_lr),
        .eps = vectors_number(params, "eps"),
        .patience = (int)vectors_integer(params, "patience"),
        .cooldown = (int)vectors_integer(params, "cooldown"),
    };
}

static void expect(const char *name, int64_t i, const char *what, double got, double want)
{
    if (got != want && !(isnan(got) && isnan(want)))
        fail_msg("%s, step %lld: %s %.17g, recorded %.17g", name, (long long)i, what, got, want);
}

/* One parameter group of a case: group of groups rates stand in each recorded step. */
static void check_case(struct vectors *vectors, const json_t *record, int group, int groups)
{
    const char *name = vectors_text(record, "name");
    char min_lr[32] = "min_lr", lr0[32] = "lr0";
    if (groups > 1) {
        snprintf(min_lr, sizeof min_lr, "min_lr/%d", group);
        snprintf(lr0, sizeof lr0, "lr0/%d", group);
    }
    int64_t count;
    const double *metrics = vectors_doubles(vectors, record, "metrics", &count);
    const double *lr = vectors_doubles(vectors, record, "lr", NULL);
    const double *best = vectors_doubles(vectors, record, "best", NULL);
    const double *bad = vectors_doubles(vectors, record, "num_bad_epochs", NULL);
    const double *cooldown = vectors_doubles(vectors, record, "cooldown_counter", NULL);
    struct plateau_rule rule = recorded_rule(vectors_member(record, "params"), min_lr);
    struct plateau plateau;
    plateau_begin(&plateau, &rule, vectors_number(record, lr0));
    for (int64_t i = 0; i < count; i++) {
        double before = plateau.lr;
        bool lowered = plateau_step(&plateau, &rule, metrics[i]);
        expect(name, i, "lr", plateau.lr, lr[i * groups + group]);
        expect(name, i, "best", plateau.best, best[i]);
        expect(name, i, "bad epochs", plateau.bad_epochs, bad[i]);
        expect(name, i, "cooldown", plateau.cooldown_left, cooldown[i]);
        assert_int_equal(lowered, plateau.lr < before);
    }
}

static void test_recorded_trajectories(void **state)
{
    (void)state;
    struct vectors vectors;
    vectors_open(&vectors, "plateau");
    const json_t *cases = vectors_member(vectors.json, "cases");
    assert_int_equal(json_array_size(cases), RECORDED_CASES);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *record = json_array_get(cases, i), *lr0 = vectors_member(record, "lr0");
        int groups = json_is_array(lr0) ? (int)json_array_size(lr0) : 1;
        for (int group = 0; group < groups; group++)
            check_case(&vectors, record, group, groups);
    }
    vectors_close(&vectors);
}

/* Continued from the recorded state in the middle, the rates are those of the run that was not interrupted. */
static void test_resume_from_recorded_state(void **state)
{
    (void)state;
    enum { LAST_DONE = 5 };
    struct vectors vectors;
    vectors_open(&vectors, "plateau");
    const json_t *record = vectors_member(vectors.json, "resume");
    int64_t count;
    const double *metrics = vectors_doubles(&vectors, record, "metrics", &count);
    const double *lr = vectors_doubles(&vectors, record, "lr", NULL);
    struct plateau_rule rule = {.factor = vectors_number(record, "params/factor"),
                                .threshold = 1e-4,
                                .eps = 1e-8,
                                .patience = (int)vectors_integer(record, "params/patience"),
                                .cooldown = (int)vectors_integer(record, "params/cooldown")};
    struct plateau whole;
    plateau_begin(&whole, &rule, vectors_number(record, "lr0"));
    for (int64_t i = 0; i <= LAST_DONE; i++) {
        plateau_step(&whole, &rule, metrics[i]);
        expect("resume", i, "lr", whole.lr, lr[i]);
    }
    const json_t *saved = vectors_member(record, "state_after_index_5");
    struct plateau resumed = {.lr = vectors_number(saved, "_last_lr/0"),
                              .best = vectors_number(saved, "best"),
                              .bad_epochs = (int)vectors_integer(saved, "num_bad_epochs"),
                              .cooldown_left = (int)vectors_integer(saved, "cooldown_counter")};
    expect("resume", LAST_DONE, "best", whole.best, resumed.best);
    expect("resume", LAST_DONE, "bad epochs", whole.bad_epochs, resumed.bad_epochs);
    expect("resume", LAST_DONE, "cooldown", whole.cooldown_left, resumed.cooldown_left);
    for (int64_t i = LAST_DONE + 1; i < count; i++) {
        plateau_step(&resumed, &rule, metrics[i]);
        expect("resume", i, "lr", resumed.lr, lr[i]);
    }
    vectors_close(&vectors);
}

static void test_rule_comes_from_config(void **state)
{
    (void)state;
    struct config config = {.schedule = {.name = SCHEDULE_PLATEAU,
                                         .monitor = MONITOR_VAL_ACCURACY,
                                         .mode = MODE_AUTO,
                                         .threshold_mode = THRESHOLD_ABS,
                                         .factor = 0.3,
                                         .threshold = 0.02,
                                         .min_lr = 0.001,
                                         .eps = 0.5,
                                         .patience = 4,
                                         .cooldown = 5}};
    struct plateau_rule rule;
    plateau_rule_from(&rule, &config);
    assert_true(rule.maximize && rule.absolute && rule.patience == 4 && rule.cooldown == 5);
    assert_true(rule.factor == 0.3 && rule.threshold == 0.02 && rule.min_lr == 0.001 && rule.eps == 0.5);
    config.schedule.mode = MODE_MIN;
    plateau_rule_from(&rule, &config);
    assert_false(rule.maximize);
    assert_false(monitor_maximize(MONITOR_VAL_LOSS, MODE_AUTO));
    assert_false(monitor_maximize(MONITOR_TRAIN_LOSS, MODE_AUTO));
    assert_true(monitor_maximize(MONITOR_TRAIN_LOSS, MODE_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recorded_trajectories),
        cmocka_unit_test(test_resume_from_recorded_state),
        cmocka_unit_test(test_rule_comes_from_config),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
