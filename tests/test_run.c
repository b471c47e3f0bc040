/* test_run: the run directory: numbered without races, logs cut exactly for a resumed run, one writer, full and
 * read-only file systems. */
#include "run.h"
#include "small_disk.h"

#include <jansson.h>
#include <math.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char top[256];
static struct config config;

static int open_top(void **state)
{
    (void)state;
    const char *base = getenv("TMPDIR");
    snprintf(top, sizeof top, "%s/evenkeel-run-XXXXXX", base && base[0] ? base : "/tmp");
    return mkdtemp(top) && config_load(&config, NULL, NULL, 0, stderr) == OK ? 0 : -1;
}

static int close_top(void **state)
{
    (void)state;
    config_free(&config);
    return folder_remove(top);
}

static int empty_top(void **state)
{
    (void)state;
    snprintf(config.run.dir, sizeof config.run.dir, "%s/runs", top);
    snprintf(config.run.name, sizeof config.run.name, "trial");
    return folder_remove(top) < 0 || folder_make(top) < 0 ? -1 : 0;
}

static void must(int status)
{
    if (status < 0)
        fail_msg("%s (%s)", fail_text(), fail_origin());
}

static void must_fail(int got, int status, const char *text, const char *more)
{
    if (got != status || !strstr(fail_text(), text) || !strstr(fail_text(), more))
        fail_msg("status %d, '%s'; expected %d, '%s' and '%s'", got, fail_text(), status, text, more);
}

/* A file of the run as text, in the arena. */
static char *content(struct arena *arena, const char *run_path, const char *name)
{
    char path[PATH_BYTES];
    void *data;
    size_t bytes;
    must(path_join(path, run_path, name));
    must(file_read(path, 1 << 20, &data, &bytes));
    char *text = arena_text(arena, data);
    memory_give(data);
    return text;
}

static bool in_run(const char *run_path, const char *name)
{
    char path[PATH_BYTES];
    must(path_join(path, run_path, name));
    return file_exists(path);
}

static void test_names_are_numbered(void **state)
{
    (void)state;
    static const char *const names[] = {"trial", "trial-2", "trial-3"};
    struct run run;
    for (int i = 0; i < COUNT_OF(names); i++) {
        must(run_create(&run, &config));
        assert_string_equal(path_base(run.path), names[i]);
        assert_true(in_run(run.path, "config.resolved.ini") && in_run(run.path, "checkpoints"));
        run_close(&run);
    }
    config.run.name[0] = 0;
    snprintf(config.name, sizeof config.name, "from_config");
    must(run_create(&run, &config));
    assert_string_equal(path_base(run.path), "from_config");
    run_close(&run);
    run_close(&run); /* and again: nothing is open */
    run_close(&(struct run){0});
}

static void test_bad_names_are_refused(void **state)
{
    (void)state;
    struct run run;
    snprintf(config.run.name, sizeof config.run.name, "a/b");
    must_fail(run_create(&run, &config), ERR_CONFIG, "run.name", "a/b");
    snprintf(config.run.name, sizeof config.run.name, "a\tb");
    must_fail(run_create(&run, &config), ERR_CONFIG, "run.name", "cannot name a folder");
    snprintf(config.run.name, sizeof config.run.name, "..");
    must_fail(run_create(&run, &config), ERR_CONFIG, "run.name", "..");
}

/* A folder in which nobody, root included, can make another. */
static void test_failure_leaves_no_run(void **state)
{
    (void)state;
    struct run run;
    snprintf(config.run.dir, sizeof config.run.dir, "/proc");
    must_fail(run_create(&run, &config), ERR_CREATE, "/proc/trial", "run.dir");
    assert_string_equal(run.path, "");
    run_close(&run);
}

/* Processes started at one moment: each gets a folder of its own and numbers 1..n are all used. */
static void test_processes_do_not_share_a_folder(void **state)
{
    (void)state;
    enum { PROCESSES = 8, EACH = 4 };
    int gate[2];
    pid_t children[PROCESSES];
    assert_int_equal(pipe(gate), 0);
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] > 0)
            continue;
        char byte;
        close(gate[1]);
        int failures = read(gate[0], &byte, 1) != 0; /* until the parent closes */
        for (int k = 0; k < EACH; k++) {
            struct run run;
            failures += run_create(&run, &config) < 0;
            run_close(&run);
        }
        _exit(failures);
    }
    close(gate[0]);
    close(gate[1]);
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    for (int n = 2; n <= PROCESSES * EACH + 1; n++) {
        char path[PATH_BYTES + 64];
        snprintf(path, sizeof path, "%s/trial-%d/config.resolved.ini", config.run.dir, n);
        assert_int_equal(file_exists(path), n <= PROCESSES * EACH);
    }
}

static const struct loss_view view = {2.25, 0.03125, NAN, 0, true};

static struct step_record example_step(int64_t step)
{
    struct step_record record = {.step = step, .epoch = (int32_t)(step / 4), .samples = 32, .correct = 7};
    record.loss = 2.3f - 0.1f * (float)step, record.loss_variance = 0.25f, record.loss_next = 1.5f;
    record.loss_median = 2.0f, record.loss_p90 = 3.0f, record.loss_max = 4.0f;
    record.grad_norm = 1e-9f, record.update_norm = 0.5f, record.weight_norm = 32.0f, record.grad_dot_update = -1.5f;
    record.grad_cosine = 0.75f, record.grad_dot_last = NAN, record.noise_grad = 3.0f, record.noise_trace = 96.0f;
    record.lr = 0.1f, record.loss_scale = NAN;
    return record;
}

static void test_step_rows(void **state)
{
    (void)state;
    struct run run;
    struct arena arena = {0};
    must(run_create(&run, &config));
    struct step_record record = example_step(0);
    must(run_log_step(&run, &record, &view));
    record = (struct step_record){.step = INT64_MAX,
                                  .epoch = 6,
                                  .samples = 1,
                                  .loss = INFINITY,
                                  .loss_variance = NAN,
                                  .loss_max = -INFINITY,
                                  .loss_median = NAN,
                                  .grad_norm = NAN,
                                  .update_norm = NAN,
                                  .grad_dot_update = NAN,
                                  .grad_cosine = NAN,
                                  .grad_dot_last = NAN,
                                  .noise_grad = NAN,
                                  .noise_trace = NAN,
                                  .loss_scale = NAN,
                                  .loss_next = NAN};
    must(run_log_step(&run, &record, &view));
    record.bad = REFUSED_NONFINITE;
    record.loss_scale = 65536.0f;
    record.nonfinite = 3;
    must(run_log_step(&run, &record, &view));
    assert_string_equal(
        content(&arena, run.path, "steps.csv"),
        "step,epoch,samples,loss,loss_variance,loss_max,correct,grad_norm,update_norm,weight_norm,lr,nonfinite,bad,"
        "loss_median,loss_p90,update_ratio,grad_dot_update,grad_cosine,grad_dot_last,noise_grad,noise_trace,"
        "loss_smooth,loss_smooth_error,spike_z,loss_scale,loss_next,tied\n"
        "0,1,32,2.29999995,0.25,4,7,9.99999972e-10,0.5,32,0.100000001,0,0,2,3,0.015625,-1.5,0.75,,3,96,2.25,0.03125,,,"
        "1.5,1\n"
        "9223372036854775807,7,1,inf,,-inf,0,,,0,0,0,0,,0,,,,,,,2.25,0.03125,,,,1\n"
        "9223372036854775807,7,1,inf,nan,-inf,0,nan,,0,0,3,1,nan,0,,,,,,,2.25,0.03125,,65536,,1\n");
    arena_free(&arena);
    run_close(&run);
}

/* A run that an older version began has fewer columns, and keeps to them; one with others is not gone on with. */
static void test_older_columns(void **state)
{
    (void)state;
    struct run run;
    struct arena arena = {0};
    char path[PATH_BYTES], steps[PATH_BYTES];
    must(run_create(&run, &config));
    snprintf(path, sizeof path, "%s", run.path);
    run_close(&run);
    must(path_join(steps, path, "steps.csv"));
    must(file_write(steps, "step,epoch,samples\n", 19));
    must(run_reopen(&run, path, 19, 0, 0));
    struct step_record record = example_step(0);
    must(run_log_step(&run, &record, &view));
    run_close(&run);
    assert_string_equal(content(&arena, path, "steps.csv"), "step,epoch,samples\n0,1,32\n");
    must(file_write(steps, "step,epoch,sam\n", 15));
    must_fail(run_reopen(&run, path, 15, 0, 0), ERR_DATA, "steps.csv", "not this version's");
    arena_free(&arena);
}

static void test_epoch_rows_and_events(void **state)
{
    (void)state;
    struct run run;
    struct arena arena = {0};
    must(run_create(&run, &config));
    struct epoch_record record = {.epoch = 0,
                                  .seconds = 12.345678,
                                  .train_loss = 0.5,
                                  .train_accuracy = 0.75,
                                  .val_loss = 0.25,
                                  .val_loss_error = 0.125,
                                  .val_accuracy = 0.875,
                                  .val_accuracy5 = 1.0,
                                  .lr = 0.1,
                                  .images_per_second = 1234.5,
                                  .best = true,
                                  .plateau_cut = false,
                                  .bad_steps = 2,
                                  .data_wait = 1.5,
                                  .skipped = 3};
    must(run_log_epoch(&run, &record));
    record.val_loss = record.val_loss_error = record.val_accuracy = record.val_accuracy5 = NAN;
    record.train_loss = INFINITY;
    record.epoch = 1;
    must(run_log_epoch(&run, &record));
    assert_string_equal(content(&arena, run.path, "results.csv"),
                        "epoch,time,train/loss,metrics/accuracy_top1,metrics/accuracy_top5,val/loss,lr/pg0,train/"
                        "accuracy,best,plateau_cut,bad_steps,images_per_second,data_wait,skipped,val/loss_error\n"
                        "1,12.3457,0.5,0.875,1,0.25,0.1,0.75,1,0,2,1234.5,1.5,3,0.125\n"
                        "2,12.3457,inf,,,,0.1,0.75,1,0,2,1234.5,1.5,3,\n");

    char *line = strtok(content(&arena, run.path, "log.jsonl"), "\n");
    json_t *event = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
    assert_true(json_real_value(json_object_get(event, "val_loss")) == 0.25);
    assert_string_equal(json_string_value(json_object_get(event, "event")), "epoch");
    assert_int_equal(json_integer_value(json_object_get(event, "epoch")), 1);
    json_decref(event);
    event = json_loads(strtok(NULL, "\n"), JSON_REJECT_DUPLICATES, NULL);
    assert_true(json_is_null(json_object_get(event, "val_loss")));
    assert_string_equal(json_string_value(json_object_get(event, "train_loss")), "Infinity");
    json_decref(event);
    arena_free(&arena);
    run_close(&run);
}

static void test_events_are_json_lines(void **state)
{
    (void)state;
    struct run run;
    struct arena arena = {0};
    regex_t rfc3339;
    char number[32];
    char *argv[] = {(char[]){"evenkeel"}, (char[]){"train"}, (char[]){"a \"b\"\n\xff.ini"}};
    must(run_create(&run, &config));
    must(run_log_event(&run, "plain", "%s", ""));
    must(run_log_event(&run, "with", "\"lr\":%s,\"n\":%d", run_json_number(number, 0.1), 7));
    must(run_write_env(&run, "CPU \"x\"", COUNT_OF(argv), argv));
    assert_int_equal(regcomp(&rfc3339, "^20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]\\.[0-9]{3}Z$",
                             REG_EXTENDED | REG_NOSUB),
                     0);
    static const char *const events[] = {"plain", "with", "environment"};
    char *line = strtok(content(&arena, run.path, "log.jsonl"), "\n");
    for (int i = 0; i < COUNT_OF(events); i++, line = strtok(NULL, "\n")) {
        assert_non_null(line);
        json_t *event = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(event);
        assert_string_equal(json_string_value(json_object_get(event, "event")), events[i]);
        assert_int_equal(regexec(&rfc3339, json_string_value(json_object_get(event, "ts")), 0, NULL, 0), 0);
        json_decref(event);
    }
    assert_null(line);
    json_t *env = json_loads(content(&arena, run.path, "env.json"), JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(env);
    assert_string_equal(json_string_value(json_object_get(env, "device")), "CPU \"x\"");
    assert_int_equal(json_array_size(json_object_get(env, "command")), 3);
    assert_true(json_integer_value(json_object_get(env, "cpus")) >= 1);
    assert_null(json_object_get(env, "resumed"));
    json_decref(env);
    /* Later starts are added. */
    for (int later = 1; later <= 2; later++) {
        must(run_write_env(&run, later == 1 ? "GPU" : "TPU", 2, argv));
        env = json_loads(content(&arena, run.path, "env.json"), JSON_REJECT_DUPLICATES, NULL);
        assert_string_equal(json_string_value(json_object_get(env, "device")), "CPU \"x\"");
        assert_int_equal(json_array_size(json_object_get(env, "command")), 3);
        json_t *list = json_object_get(env, "resumed"), *last = json_array_get(list, (size_t)later - 1);
        assert_int_equal(json_array_size(list), later);
        assert_string_equal(json_string_value(json_object_get(last, "device")), later == 1 ? "GPU" : "TPU");
        assert_int_equal(json_array_size(json_object_get(last, "command")), 2);
        json_decref(env);
    }
    regfree(&rfc3339);
    arena_free(&arena);
    run_close(&run);
}

static void log_steps(struct run *run, int64_t from, int64_t to)
{
    for (int64_t step = from; step < to; step++) {
        struct step_record record = example_step(step);
        must(run_log_step(run, &record, &view));
        must(run_log_event(run, "step", "\"step\":%d", (int)step));
        if (step % 4 == 3) {
            struct epoch_record epoch = {.epoch = step / 4, .train_loss = 1.0 / (double)step};
            must(run_log_epoch(run, &epoch));
        }
    }
}

/* Six steps past the checkpoint, killed, resumed: the tables are those of a run that was not interrupted. */
static void test_resumed_tables_equal_uninterrupted(void **state)
{
    (void)state;
    struct run whole, cut;
    struct arena arena = {0};
    int64_t steps, results, log;
    char path[PATH_BYTES];
    must(run_create(&whole, &config));
    log_steps(&whole, 0, 20);
    must(run_create(&cut, &config));
    log_steps(&cut, 0, 7);
    must(run_sync(&cut, &steps, &results, &log));
    log_steps(&cut, 7, 13);
    must(path_join(path, cut.path, "")); /* a slash at the end is fine */
    run_close(&cut);
    must(run_reopen(&cut, path, steps, results, log));
    log_steps(&cut, 7, 20);
    assert_string_equal(content(&arena, cut.path, "steps.csv"), content(&arena, whole.path, "steps.csv"));
    assert_string_equal(content(&arena, cut.path, "results.csv"), content(&arena, whole.path, "results.csv"));
    assert_int_equal(strlen(content(&arena, cut.path, "log.jsonl")), strlen(content(&arena, whole.path, "log.jsonl")));
    run_close(&whole);
    run_close(&cut);
    arena_free(&arena);
}

static void test_reopen_refuses_what_is_no_run(void **state)
{
    (void)state;
    struct run run, other;
    char path[PATH_BYTES];
    must_fail(run_reopen(&run, top, 0, 0, 0), ERR_NO_INPUT, top, "not a run");
    must(run_create(&run, &config));
    memcpy(path, run.path, sizeof path);
    must_fail(run_reopen(&other, path, 0, 0, 0), ERR_CREATE, path, "another evenkeel is writing");
    run_close(&run);
    must_fail(run_reopen(&run, path, 1 << 20, 0, 0), ERR_DATA, "steps.csv", "1048576");
    must(run_reopen(&run, path, 0, 0, 0)); /* the failed one let go of the lock */
    struct arena arena = {0};
    assert_true(strncmp(content(&arena, path, "steps.csv"), "step,epoch,", 11) == 0); /* a new beginning has heads */
    assert_true(strncmp(content(&arena, path, "results.csv"), "epoch,time,", 11) == 0);
    arena_free(&arena);
    run_close(&run);
}

static void test_marks_replace_each_other(void **state)
{
    (void)state;
    struct run run;
    struct arena arena = {0};
    must(run_create(&run, &config));
    assert_false(in_run(run.path, "DONE") || in_run(run.path, "FAILED"));
    must(run_mark(&run, "FAILED", "loss is not finite"));
    assert_string_equal(content(&arena, run.path, "FAILED"), "loss is not finite\n");
    must(run_mark(&run, "DONE", "best 0.9"));
    assert_true(in_run(run.path, "DONE") && !in_run(run.path, "FAILED"));
    must(run_unmark(&run));
    assert_false(in_run(run.path, "DONE") || in_run(run.path, "FAILED"));
    must(run_unmark(&run));
    arena_free(&arena);
    run_close(&run);
}

static char disk[sizeof top + 8];

static bool mount_small(void)
{
    snprintf(disk, sizeof disk, "%s/small", top);
    snprintf(config.run.dir, sizeof config.run.dir, "%s/runs", disk);
    return small_disk_mount(disk);
}

static void test_full_disk(void **state)
{
    (void)state;
    if (!mount_small())
        skip();
    struct run run;
    struct arena arena = {0};
    must(run_create(&run, &config));
    struct step_record record = example_step(0);
    int status = OK;
    int64_t rows = 0, steps, results, log;
    while (status >= 0 && rows < 10000) {
        status = run_log_step(&run, &record, &view);
        rows += status >= 0;
    }
    must_fail(status, ERR_IO, "steps.csv", "No space left on device");
    assert_non_null(strstr(fail_text(), "--resume"));
    /* Only whole rows are there, and the run can go on from any of them. */
    const char *text = content(&arena, run.path, "steps.csv");
    assert_int_equal(text[strlen(text) - 1], '\n');
    int64_t lines = 0;
    for (const char *at = text; (at = strchr(at, '\n')); at++)
        lines++;
    assert_int_equal(lines, rows + 1);
    must_fail(run_mark(&run, "FAILED", "disk full"), ERR_IO, "FAILED", "make room");
    assert_false(in_run(run.path, "FAILED"));
    must(run_sync(&run, &steps, &results, &log));
    assert_int_equal(steps, strlen(text));
    /* A second run has no room: its folder does not stay behind. */
    char second[PATH_BYTES + 8];
    struct run other;
    snprintf(second, sizeof second, "%s-2", run.path);
    assert_true(run_create(&other, &config) < 0);
    assert_non_null(strstr(fail_text(), "run.dir=FOLDER"));
    assert_false(file_exists(second));
    run_close(&run);
    arena_free(&arena);
    small_disk_unmount(disk);
}

static void test_read_only_folder(void **state)
{
    (void)state;
    if (!mount_small())
        skip();
    struct run run;
    char existing[PATH_BYTES];
    must(run_create(&run, &config));
    memcpy(existing, run.path, sizeof existing);
    run_close(&run);
    small_disk_make_read_only(disk);
    must_fail(run_create(&run, &config), ERR_CREATE, "trial", "Read-only file system");
    assert_non_null(strstr(fail_text(), "run.dir"));
    assert_string_equal(run.path, ""); /* nobody may write into a run that is not there */
    snprintf(config.run.dir, sizeof config.run.dir, "%s/other", disk);
    must_fail(run_create(&run, &config), ERR_CREATE, "small/other", "Read-only file system");
    must_fail(run_reopen(&run, existing, 0, 0, 0), ERR_CREATE, "steps.csv", "Read-only file system");
    small_disk_unmount(disk);
}

#define CASE(test) cmocka_unit_test_setup(test, empty_top)
int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_names_are_numbered),
        CASE(test_bad_names_are_refused),
        CASE(test_failure_leaves_no_run),
        CASE(test_processes_do_not_share_a_folder),
        CASE(test_step_rows),
        CASE(test_older_columns),
        CASE(test_epoch_rows_and_events),
        CASE(test_events_are_json_lines),
        CASE(test_resumed_tables_equal_uninterrupted),
        CASE(test_reopen_refuses_what_is_no_run),
        CASE(test_marks_replace_each_other),
        CASE(test_full_disk),
        CASE(test_read_only_folder),
    };
    return cmocka_run_group_tests(tests, open_top, close_top);
}
