/* test_trials_file: the file that keeps what experiments showed. */
#include "given_trials.h"
#include "tiny_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Experiments of a run that has gone on since say nothing of it; damaged ones are refused. */
static void test_the_file(void **state)
{
    (void)state;
    struct given given = {"anew", CAUSE_RATE_HIGH, 0.5, 0.01, false, false};
    struct diagnosis diagnosis;
    struct train_result run;
    tiny_train_ok(NULL, "train.epochs=12 train.threads=1 model.name=mlp model.hidden=64", &run);
    for (int steps_then = 59; steps_then <= 60; steps_then++) {
        write_trials(run.path, &given, 1, 1.0, 16, steps_then);
        assert_int_equal(diagnose_run(&diagnosis, run.path), OK);
        assert_int_equal(diagnose_recall(&diagnosis, run.path), OK);
        assert_int_equal(diagnosis.probed, steps_then == 60);
        diagnosis_free(&diagnosis);
    }
    char *text = tiny_read_text(run.path, "trials.json"), path[PATH_BYTES];
    struct experiment read = {0}, again = {0};
    struct arena arena = {0};
    int64_t steps;
    assert_int_equal(experiment_parse(&read, "trials", text, strlen(text), &steps), OK);
    assert_int_equal(steps, 60);
    assert_int_equal(path_join(path, run.path, "trials.json"), OK);
    read.seconds = 20.0;
    read.arms[0].done = true;
    read.arms[0].result.right = 0.625;
    read.seconds_allowed = 30.0;
    assert_int_equal(experiment_write(&read, steps, path), OK);
    assert_int_equal(experiment_read(&again, path, &steps), OK);
    assert_string_equal(experiment_json(&read, NULL, &arena), experiment_json(&again, NULL, &arena));
    assert_true(again.arms[0].result.right == 0.625);
    /* A budget of seconds stays one. */
    assert_true(again.seconds_allowed == 30.0);
    assert_true(again.update_seconds * again.updates_spent > 19.99 &&
                again.update_seconds * again.updates_spent < 20.01);
    static const struct {
        const char *from, *to;
    } damage[] = {{"\"anew\"", "\"never\""},
                  {"optim.lr=0.5", "optim.lr"},
                  {"\"healthy\"", "\"unwell\""},
                  {"\"pace\": 1", "\"pace\": 0"},
                  {"2.302585", "-2.302585"},
                  {"\"batch\": 16", "\"batch\": 0"},
                  {"\"arms\": [", "\"arms\": 7, \"more\": ["},
                  {"{\"steps\"", "[\"steps\""},
                  {"\"images\": 80", "\"images\": 0"},
                  {"\"updates\": 250, \"accuracy\": 1", "\"updates\": 250, \"accuracy\": 2"},
                  {"\"updates\": 250, \"accuracy\"", "\"updates\": 250, \"accurate\""}};
    for (int i = 0; i < COUNT_OF(damage); i++) {
        const char *at = strstr(text, damage[i].from);
        assert_non_null(at);
        const char *damaged =
            arena_format(&arena, "%.*s%s%s", (int)(at - text), text, damage[i].to, at + strlen(damage[i].from));
        assert_int_equal(experiment_parse(&again, "trials", damaged, strlen(damaged), &steps), ERR_DATA);
        assert_non_null(strstr(fail_text(), "trials: "));
    }
    memory_give(text);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_the_file)};
    return cmocka_run_group_tests(tests, tiny_set_up, tiny_tear_down);
}
