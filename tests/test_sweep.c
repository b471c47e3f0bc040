/* test_sweep: the plan of a sweep: which runs, in which order, under which names; written, read, refused. Runs in
 * processes of their own are in test_sweep.sh. */
#include "sweep.h"
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

enum { MAX_WORDS = 12 };

/* A request with words separated by blanks. */
static int make(struct sweep *sweep, struct sweep_request request, const char *text)
{
    static char copy[1024];
    static const char *words[MAX_WORDS];
    snprintf(copy, sizeof copy, "%s", text);
    char *rest = copy, *word;
    request.words = words;
    while ((word = strsep(&rest, " ")))
        if (*word)
            words[request.word_count++] = word;
    request.file = tiny_config;
    request.seeds = request.seeds ? request.seeds : 1;
    return sweep_make(sweep, &request);
}

static void make_ok(struct sweep *sweep, struct sweep_request request, const char *text)
{
    if (make(sweep, request, text) < 0)
        fail_msg("%s: %s", text, fail_text());
}

static void assert_run(const struct sweep *sweep, int run, const char *name, int point, const char *label)
{
    char text[256];
    assert_string_equal(sweep->runs[run].name, name);
    assert_int_equal(sweep->runs[run].point, point);
    sweep_run_label(&sweep->runs[run], text, sizeof text);
    assert_string_equal(text, label);
}

static void test_order_and_names(void **unused)
{
    (void)unused;
    struct sweep sweep;
    make_ok(&sweep, (struct sweep_request){.seeds = 2}, "bs=8,16 epochs=1 optim.name=sgd,adam");
    assert_int_equal(sweep.run_count, 8);
    assert_int_equal(sweep.point_count, 4);
    assert_int_equal(sweep.every_count, 1);
    assert_string_equal(sweep.every[0], "train.epochs=1");
    assert_run(&sweep, 0, "1-batch_size-8-name-sgd-seed-0", 0, "batch_size=8 name=sgd seed=0");
    assert_run(&sweep, 1, "2-batch_size-8-name-adam-seed-0", 1, "batch_size=8 name=adam seed=0");
    assert_run(&sweep, 2, "3-batch_size-16-name-sgd-seed-0", 2, "batch_size=16 name=sgd seed=0");
    assert_run(&sweep, 4, "5-batch_size-8-name-sgd-seed-1", 0, "batch_size=8 name=sgd seed=1");
    assert_run(&sweep, 7, "8-batch_size-16-name-adam-seed-1", 3, "batch_size=16 name=adam seed=1");
    sweep_free(&sweep);
}

static void test_values_with_brackets_and_odd_letters(void **unused)
{
    (void)unused;
    struct sweep sweep;
    make_ok(&sweep, (struct sweep_request){0},
            "augment.mean=[0.1,0.2,0.3],[0.5,0.5,0.5] augment.std=[1,1,1] data.val=\"a,b\"");
    assert_int_equal(sweep.run_count, 2);
    assert_string_equal(sweep_value(&sweep.runs[0], "augment.mean"), "[0.1,0.2,0.3]");
    assert_string_equal(sweep.runs[0].name, "1-mean-_0.1_0.2_0.3_-seed-0");
    assert_string_equal(sweep.every[1], "data.val=\"a,b\"");
    sweep_free(&sweep);
    make_ok(&sweep, (struct sweep_request){0}, "seed=3,1");
    assert_int_equal(sweep.run_count, 2);
    assert_int_equal(sweep.point_count, 1);
    assert_string_equal(sweep_value(&sweep.runs[0], "train.seed"), "3");
    sweep_free(&sweep);
}

static double rate_of(const struct sweep *sweep, const char *batch, const char *rule, const char *seed)
{
    for (int i = 0; i < sweep->run_count; i++)
        if (strcmp(sweep_value(&sweep->runs[i], "train.batch_size"), batch) == 0 &&
            strcmp(sweep_value(&sweep->runs[i], "lr_rule"), rule) == 0 &&
            strcmp(sweep_value(&sweep->runs[i], "train.seed"), seed) == 0)
            return atof(sweep_value(&sweep->runs[i], "optim.lr"));
    return NAN;
}

static void test_learning_rates_follow_the_batch(void **unused)
{
    (void)unused;
    struct sweep sweep;
    make_ok(&sweep, (struct sweep_request){.seeds = 2, .lr_rules = "constant,linear,sqrt", .base_batch = 16},
            "bs=8,16,64 lr=0.01");
    /* Every rule gives the base batch the same run: once, not three times. */
    assert_int_equal(sweep.run_count, 14);
    assert_int_equal(sweep.point_count, 7);
    assert_true(rate_of(&sweep, "8", "constant", "0") == 0.01);
    assert_true(rate_of(&sweep, "8", "linear", "1") == 0.005);
    assert_true(fabs(rate_of(&sweep, "8", "sqrt", "0") - 0.00707107) < 1e-8);
    assert_true(rate_of(&sweep, "16", "any", "1") == 0.01);
    assert_true(rate_of(&sweep, "64", "linear", "0") == 0.04);
    assert_true(rate_of(&sweep, "64", "sqrt", "0") == 0.02);
    sweep_free(&sweep);
    /* The base is the config's batch where none is given (16), and its rate (0.001 there). */
    make_ok(&sweep, (struct sweep_request){.lr_rules = "linear"}, "bs=16,32");
    assert_int_equal(sweep.run_count, 2);
    struct config config;
    assert_int_equal(config_load(&config, tiny_config, NULL, 0, stderr), OK);
    assert_true(fabs(rate_of(&sweep, "16", "linear", "0") / config.optim.lr - 1.0) < 1e-5);
    assert_true(fabs(rate_of(&sweep, "32", "linear", "0") / config.optim.lr - 2.0) < 1e-5);
    config_free(&config);
    sweep_free(&sweep);
    /* Rates that are swept are each the base's. */
    make_ok(&sweep, (struct sweep_request){.lr_rules = "sqrt"}, "bs=16,64 lr=0.1,0.2");
    assert_int_equal(sweep.run_count, 4);
    assert_string_equal(sweep_value(&sweep.runs[3], "optim.lr"), "0.4");
    assert_string_equal(sweep.runs[3].name, "4-batch_size-64-sqrt-lr-0.4-seed-0");
    sweep_free(&sweep);
}

static void test_mistakes(void **unused)
{
    (void)unused;
    static const struct {
        const char *words, *says;
        struct sweep_request request;
        int status;
    } cases[] = {
        {"bs=8,,16", "missing between", {0}, ERR_USAGE},
        {"bs=8,16,8", "given twice", {0}, ERR_USAGE},
        {"bs=8,16 batch_size=32,64", "1 mistake", {0}, ERR_CONFIG},
        {"bs=8,16x", "1 mistake", {0}, ERR_CONFIG},
        {"bs=8,16 nonsense=1,2", "1 mistake", {0}, ERR_CONFIG},
        {"bs", "1 mistake", {0}, ERR_CONFIG},
        {"run.name=a,b", "names its runs itself", {0}, ERR_USAGE},
        {"run.dir=a", "--out", {0}, ERR_USAGE},
        {"seed=1,2", "choose the seeds", {.seeds = 2}, ERR_USAGE},
        {"lr=0.1,0.2", "sweep that", {.lr_rules = "linear"}, ERR_USAGE},
        {"bs=8,16", "expected constant", {.lr_rules = "cubic"}, ERR_USAGE},
        {"bs=8,16", "needs --lr-rule", {.base_batch = 8}, ERR_USAGE},
        {"bs=8,16 lr=999,1000", "1 mistake", {.lr_rules = "linear", .base_batch = 1}, ERR_CONFIG},
        {"bs=8,16", "more than", {.seeds = SWEEP_RUNS}, ERR_USAGE},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        struct sweep sweep;
        assert_int_equal(make(&sweep, cases[i].request, cases[i].words), cases[i].status);
        if (!strstr(fail_text(), cases[i].says))
            fail_msg("%s: '%s' does not say '%s'", cases[i].words, fail_text(), cases[i].says);
        sweep_free(&sweep);
    }
}

/* Words and file of the last request made. */
static int write_at(const char *folder, struct sweep_request request, const char *words)
{
    struct sweep sweep;
    request.out = folder;
    make_ok(&sweep, request, words);
    request.file = tiny_config;
    int status = sweep_write(&sweep, &request);
    sweep_free(&sweep);
    return status;
}

static void test_written_and_read(void **unused)
{
    (void)unused;
    char folder[PATH_BYTES + 16];
    struct sweep made, read;
    struct sweep_request request = {.seeds = 2, .lr_rules = "linear,sqrt"};
    snprintf(folder, sizeof folder, "%s/plan", tiny_folder);
    assert_int_equal(write_at(folder, request, "bs=8,16 epochs=3"), OK);
    char *first = tiny_read_text(folder, "sweep.plan");
    /* The same again changes nothing; another is refused and changes nothing. */
    assert_int_equal(write_at(folder, request, "bs=8,16 epochs=3"), OK);
    assert_int_equal(write_at(folder, request, "bs=8,16 epochs=4"), ERR_CREATE);
    char *again = tiny_read_text(folder, "sweep.plan");
    assert_string_equal(first, again);
    assert_int_equal(sweep_read(&read, folder), OK);
    make_ok(&made, request, "bs=8,16 epochs=3");
    assert_int_equal(made.run_count, read.run_count);
    assert_int_equal(made.point_count, read.point_count);
    for (int i = 0; i < made.run_count; i++) {
        char label[256];
        sweep_run_label(&made.runs[i], label, sizeof label);
        assert_run(&read, i, made.runs[i].name, made.runs[i].point, label);
    }
    struct config config;
    assert_int_equal(sweep_load_config(&read, &read.runs[0], &config, stderr), OK);
    assert_int_equal(config.train.batch_size, 8);
    assert_int_equal(config.train.epochs, 3);
    assert_string_equal(config.run.dir, folder);
    assert_string_equal(config.name, read.runs[0].name);
    config_free(&config);
    sweep_free(&made);
    sweep_free(&read);
    memory_give(first);
    memory_give(again);
}

static void test_damaged_plans(void **unused)
{
    (void)unused;
    static const char *const plans[] = {
        "",
        "plan 2\nrun a x=1\n",
        "plan 1\n",
        "plan 1\nrun\n",
        "plan 1\nrun a x\n",
        "plan 1\nrun ../a x=1\n",
        "plan 1\nrun .. x=1\n",
        "plan 1\nrum a x=1\n",
        "plan 1\nevery\nrun a x=1\n",
    };
    struct sweep sweep;
    for (int i = 0; i < COUNT_OF(plans); i++) {
        if (sweep_parse(&sweep, "plan", plans[i]) != ERR_DATA)
            fail_msg("'%s' is read", plans[i]);
        sweep_free(&sweep);
    }
    assert_int_equal(sweep_read(&sweep, tiny_folder), ERR_NO_INPUT);
}

/* ---- a run in this process ---- */

/* Exit status of a child that does a run of a plan and may take room bytes more (0: any number); its state at the end.
 */
static int do_in_child(const struct sweep *sweep, int run, size_t room, enum sweep_state *state)
{
    fflush(NULL);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct sweep_outcome outcome;
        int stopped_by;
        if (room > 0)
            tiny_limit_memory(room);
        _exit(status_exit_code(sweep_do(sweep, run, &outcome, &stopped_by)));
    }
    int ended;
    struct sweep_outcome outcome;
    assert_int_equal(waitpid(child, &ended, 0), child);
    assert_true(WIFEXITED(ended));
    assert_int_equal(sweep_outcome(sweep, run, &outcome), OK);
    *state = outcome.state;
    return WEXITSTATUS(ended);
}

enum { ROOM = 72 << 20 };

/* Run 1 of the plan, taken up again without the memory it needs. */
static void assert_left_alone(const struct sweep *sweep, const char *path)
{
    enum sweep_state state;
    char *before = tiny_read_text(path, "log.jsonl");
    assert_int_equal(do_in_child(sweep, 1, ROOM, &state), status_exit_code(ERR_MEMORY));
    assert_int_equal(state, SWEEP_BEGUN);
    char *after = tiny_read_text(path, "log.jsonl");
    assert_string_equal(before, after);
    memory_give(before);
    memory_give(after);
}

/* Of 94 MB of pixels the process may have 72. That is the result of a run that never began; one that had begun is left
 * as it was, whether it was interrupted or had failed for another reason. First of all tests, as OpenMP does not
 * survive a fork. */
static void test_no_memory(void **unused)
{
    (void)unused;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip(); /* they take what they want */
#endif
    char folder[PATH_BYTES + 16], path[PATH_BYTES], mark[PATH_BYTES];
    struct sweep sweep;
    enum sweep_state state;
    snprintf(folder, sizeof folder, "%s/memory", tiny_folder);
    assert_int_equal(write_at(folder, (struct sweep_request){.seeds = 2},
                              "data.resize=512 augment.crop=16 train.epochs=1 batch_size=2 data.threads=1 "
                              "data.memory=1000"),
                     OK);
    assert_int_equal(sweep_read(&sweep, folder), OK);
    assert_int_equal(do_in_child(&sweep, 0, ROOM, &state), 0);
    assert_int_equal(state, SWEEP_NO_MEMORY);
    assert_int_equal(do_in_child(&sweep, 1, 0, &state), 0);
    assert_int_equal(state, SWEEP_DONE);
    assert_int_equal(sweep_file(&sweep, sweep.runs[1].name, path), OK);
    /* Ended between its checkpoint and its mark, then failed by a full disk. */
    assert_int_equal(path_join(mark, path, "DONE"), OK);
    assert_int_equal(unlink(mark), 0);
    assert_left_alone(&sweep, path);
    assert_int_equal(path_join(mark, path, "FAILED"), OK);
    assert_int_equal(file_write(mark, "disk full\n", 10), OK);
    assert_int_equal(path_join(mark, path, "log.jsonl"), OK);
    FILE *log = fopen(mark, "a");
    assert_non_null(log);
    fprintf(log, "{\"event\":\"failed\",\"exit_status\":74}\n");
    assert_int_equal(fclose(log), 0);
    assert_left_alone(&sweep, path);
    assert_int_equal(do_in_child(&sweep, 1, 0, &state), 0);
    assert_int_equal(state, SWEEP_DONE);
    sweep_free(&sweep);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_order_and_names),
        cmocka_unit_test(test_values_with_brackets_and_odd_letters),
        cmocka_unit_test(test_learning_rates_follow_the_batch),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_written_and_read),
        cmocka_unit_test(test_damaged_plans),
    };
    return cmocka_run_group_tests(tests, tiny_set_up, tiny_tear_down);
}
