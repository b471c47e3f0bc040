/* test_early_stop: our rule against the recorded ones of Keras 3, Lightning 2 and ultralytics, wherever they mean the
 * same; where they differ from each other, what ours does. */
#include "schedule.h"
#include "vectors.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Cases about options that this program has not, or where the rules part (each has a test below). */
static const char *const others_rules[] = {
    "keras3/flat_p0", /* patience 0 is 1 there, off here */
    "keras3/dec_p0",
    "keras3/baseline_unmet", /* no baseline here */
    "keras3/baseline_met",
    "keras3/start_from_epoch", /* no such option here */
    "keras3/nan_first",        /* NaN becomes the best there */
    "lightning2/flat_p0",
    "lightning2/dec_p0",
    "lightning2/nan_stops", /* not finite stops at once there */
    "lightning2/inf_stops",
    "lightning2/stopping_threshold", /* no thresholds here */
    "lightning2/divergence_threshold",
    "ultralytics/p1", /* a best of 0 is always replaced there */
};

static bool is_others_rule(const char *family, const char *name)
{
    char full[96];
    snprintf(full, sizeof full, "%s/%s", family, name);
    for (int i = 0; i < COUNT_OF(others_rules); i++)
        if (strcmp(others_rules[i], full) == 0)
            return true;
    return false;
}

static void check_case(struct vectors *vectors, const char *family, const json_t *record)
{
    const char *name = vectors_text(record, "name");
    bool known_mode = vectors_has(record, "params/mode");
    struct early_stop_rule rule = {
        .maximize = (known_mode && vectors_is(record, "params/mode", "max")) || strcmp(family, "ultralytics") == 0,
        .min_delta = vectors_has(record, "params/min_delta") ? vectors_number(record, "params/min_delta") : 0.0,
        .patience = (int)vectors_integer(record, "params/patience"),
    };
    int64_t count, first = vectors_integer(record, "first_epoch"), stopped = -1;
    const double *metrics = vectors_doubles(vectors, record, "metrics", &count);
    const double *best = vectors_doubles(vectors, record, "best", NULL);
    struct early_stop stop;
    early_stop_begin(&stop, &rule);
    for (int64_t i = 0; i < count && stopped < 0; i++) {
        early_stop_step(&stop, &rule, first + i, metrics[i]);
        if ((float)stop.best != (float)best[i]) /* Lightning compares float32 tensors */
            fail_msg("%s/%s epoch %lld: best %g, recorded %g", family, name, (long long)i, stop.best, best[i]);
        char path[32];
        snprintf(path, sizeof path, "wait/%lld", (long long)i);
        if (!json_is_null(vectors_member(record, path)))
            assert_int_equal(stop.wait, vectors_integer(record, path));
        if (early_stop_due(&stop, &rule))
            stopped = first + i;
    }
    const json_t *recorded_stop = vectors_member(record, "stop_epoch");
    assert_int_equal(stopped, json_is_null(recorded_stop) ? -1 : json_integer_value(recorded_stop));
    if (vectors_has(record, "best_epoch"))
        assert_int_equal(stop.best_epoch, vectors_integer(record, "best_epoch"));
}

static void test_where_the_rules_coincide(void **state)
{
    (void)state;
    static const char *const families[] = {"keras3", "lightning2", "ultralytics"};
    struct vectors vectors;
    int checked = 0, left_out = 0;
    vectors_open(&vectors, "early_stopping");
    for (int f = 0; f < COUNT_OF(families); f++) {
        const json_t *cases = vectors_member(vectors.json, families[f]);
        for (size_t i = 0; i < json_array_size(cases); i++) {
            const json_t *record = json_array_get(cases, i);
            if (is_others_rule(families[f], vectors_text(record, "name"))) {
                left_out++;
                continue;
            }
            check_case(&vectors, families[f], record);
            checked++;
        }
    }
    assert_int_equal(checked, 23);
    assert_int_equal(left_out, COUNT_OF(others_rules));
    vectors_close(&vectors);
}

/* Epoch at which metrics stop the run, -1: not at all. */
static int64_t stop_epoch(struct early_stop *stop, const struct early_stop_rule *rule, const double *metrics, int count)
{
    early_stop_begin(stop, rule);
    for (int i = 0; i < count; i++) {
        early_stop_step(stop, rule, i, metrics[i]);
        if (early_stop_due(stop, rule))
            return i;
    }
    return -1;
}

static void test_where_ours_differs(void **state)
{
    (void)state;
    struct early_stop stop;
    const struct early_stop_rule off = {.patience = 0}, two = {.patience = 2}, three = {.patience = 3};
    const double flat[] = {1, 1, 1, 1, 1, 1};
    assert_int_equal(stop_epoch(&stop, &off, flat, COUNT_OF(flat)), -1);

    const double nan_first[] = {NAN, 0.9, 0.8, 0.7};
    assert_int_equal(stop_epoch(&stop, &two, nan_first, COUNT_OF(nan_first)), -1);
    assert_true(stop.best == 0.7 && stop.best_epoch == 3);

    const double nan_middle[] = {1.0, 0.9, NAN, 0.8};
    assert_int_equal(stop_epoch(&stop, &three, nan_middle, COUNT_OF(nan_middle)), -1);
    assert_true(stop.best == 0.8 && stop.best_epoch == 3);

    const double nan_always[] = {NAN, NAN, NAN};
    assert_int_equal(stop_epoch(&stop, &three, nan_always, COUNT_OF(nan_always)), 2);
    assert_int_equal(stop.best_epoch, -1);

    const double infinite_first[] = {INFINITY, 5.0};
    assert_int_equal(stop_epoch(&stop, &two, infinite_first, 1), -1);
    assert_int_equal(stop.best_epoch, 0);
    assert_int_equal(stop_epoch(&stop, &two, infinite_first, 2), -1);
    assert_int_equal(stop.best_epoch, 1);
}

static void test_rule_comes_from_config(void **state)
{
    (void)state;
    struct config config = {
        .early_stop = {.monitor = MONITOR_VAL_ACCURACY, .mode = MODE_AUTO, .patience = 7, .min_delta = 0.25}};
    struct early_stop_rule rule;
    early_stop_rule_from(&rule, &config);
    assert_true(rule.maximize && rule.patience == 7 && rule.min_delta == 0.25);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_where_the_rules_coincide),
        cmocka_unit_test(test_where_ours_differs),
        cmocka_unit_test(test_rule_comes_from_config),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
