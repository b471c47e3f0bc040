/* test_tensorboard: event files hold what the tables hold, for our own reader and for TensorBoard's; resumed runs show
 * no step twice; what was written survives kill -9; a full disk is one clear error. */
#include "event_points.h"
#include "small_disk.h"
#include "table.h"
#include "tensorboard.h"
#include "tiny_run.h"

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const struct {
    const char *tag, *table, *column;
} curves[] = {
    {"train/loss", "steps.csv", "loss"},
    {"train/loss_smooth", "steps.csv", "loss_smooth"},
    {"train/loss_smooth_error", "steps.csv", "loss_smooth_error"},
    {"train/spike_z", "steps.csv", "spike_z"},
    {"optim/grad_norm", "steps.csv", "grad_norm"},
    {"optim/update_ratio", "steps.csv", "update_ratio"},
    {"optim/lr", "steps.csv", "lr"},
    {"epoch/train_loss", "results.csv", "train/loss"},
    {"epoch/train_accuracy", "results.csv", "train/accuracy"},
    {"epoch/val_loss", "results.csv", "val/loss"},
    {"epoch/val_accuracy", "results.csv", "metrics/accuracy_top1"},
    {"epoch/val_accuracy5", "results.csv", "metrics/accuracy_top5"},
    {"epoch/images_per_second", "results.csv", "images_per_second"},
};

static void read_table(struct table *table, const char *run, const char *name)
{
    char path[PATH_BYTES];
    assert_int_equal(path_join(path, run, name), OK);
    if (table_read(table, path) < 0)
        fail_msg("%s", fail_text());
}

/* A number that went through a CSV cell and through a float. */
static bool same(double written, float read)
{
    return fabs(written - (double)read) <= 1e-5 * fabs(written);
}

/* The curve's points are the column's cells, in order, empty ones left out. */
static void compare_curve(const struct event_points *events, const char *run, int which)
{
    struct table table = {0};
    int found = 0;
    read_table(&table, run, curves[which].table);
    const double *column = table_column(&table, curves[which].column), *step = table_column(&table, "step");
    assert_non_null(column);
    for (int64_t row = 0; row < table.row_count; row++) {
        if (isnan(column[row]))
            continue;
        const struct event_point *point = event_points_find(events, curves[which].tag, found);
        if (!point || !same(column[row], point->value) || (step && point->step != (int64_t)step[row]))
            fail_msg("%s: row %lld has %.9g, the event file %.9g", curves[which].tag, (long long)row + 1, column[row],
                     point ? (double)point->value : NAN);
        assert_int_equal(point->described, found == 0);
        found++;
    }
    assert_true(found > 0);
    assert_false(events->torn);
    assert_null(event_points_find(events, curves[which].tag, found));
    table_free(&table);
}

/* 90 images of which 5 steps make an epoch. */
static const char *const words = "stats.tensorboard=true train.epochs=12 optim.lr=0.005 stats.noise_every=0";

static void test_curves_are_the_tables(void **state)
{
    (void)state;
    struct train_result result;
    struct event_points events;
    struct table steps = {0};
    tiny_train_ok(NULL, words, &result);
    event_points_read(&events, result.path);
    assert_int_equal(events.files, 1);
    assert_int_equal(events.restarts, 0);
    for (int i = 0; i < COUNT_OF(curves); i++)
        compare_curve(&events, result.path, i);
    assert_int_equal(event_points_find(&events, "epoch/val_loss", 0)->step, 4);
    assert_int_equal(event_points_find(&events, "epoch/val_loss", 11)->step, 59);
    /* Shares after 50 rows, of these rows. */
    read_table(&steps, result.path, "steps.csv");
    struct loss_series series;
    assert_true(loss_series_of(&steps, 90.0, &series));
    struct fluctuation expected;
    fluctuation_of(&series, 0, 50, 5, &expected);
    const double shares[] = {expected.sampling.value, expected.motion.value, expected.trend.value};
    static const char *const tags[] = {"fluctuation/sampling", "fluctuation/motion", "fluctuation/trend"};
    for (int i = 0; i < COUNT_OF(tags); i++) {
        const struct event_point *point = event_points_find(&events, tags[i], 0);
        assert_non_null(point);
        assert_int_equal(point->step, 49);
        assert_true(shares[i] > 0.0 && same(shares[i], point->value));
        assert_null(event_points_find(&events, tags[i], 1));
    }
    table_free(&steps);
    event_points_free(&events);
}

static void test_not_asked_for_is_not_written(void **state)
{
    (void)state;
    struct train_result result;
    struct event_points events;
    tiny_train_ok(NULL, "train.epochs=1", &result);
    event_points_read(&events, result.path);
    assert_int_equal(events.files, 0);
    event_points_free(&events);
}

/* What a process wrote after its last checkpoint, before it was killed. */
static void write_orphans(const char *path)
{
    struct run run = {0};
    struct tensorboard board;
    assert_true(snprintf(run.path, sizeof run.path, "%s", path) > 0);
    assert_int_equal(tensorboard_open(&board, &run, 27, 5, 0), OK);
    for (int64_t step = 27; step < 33; step++) {
        const struct step_record record = {.step = step, .samples = 16, .loss = 99.0f, .weight_norm = 1.0f};
        assert_int_equal(tensorboard_step(&board, &record, &(struct loss_view){.smooth = 99.0, .spike_z = NAN}), OK);
    }
    tensorboard_close(&board);
}

/* Stopped inside an epoch, its last steps lost, resumed: curves are those of a run that was not interrupted. */
static void test_resumed_curves_are_one(void **state)
{
    (void)state;
    struct train_result whole, part, rest;
    struct event_points of_whole, of_part;
    char first[512];
    tiny_train_ok(NULL, words, &whole);
    snprintf(first, sizeof first, "%s train.max_steps=27", words);
    tiny_train_ok(NULL, first, &part);
    write_orphans(part.path);
    tiny_train_ok(part.path, "train.max_steps=0", &rest);
    event_points_read(&of_whole, whole.path);
    event_points_read(&of_part, part.path);
    assert_int_equal(of_part.files, 3);
    assert_int_equal(of_part.restarts, 2);
    for (int i = 0; i < of_whole.count; i++) {
        const struct event_point *expected = &of_whole.points[i];
        int found = 0, n = 0;
        for (const struct event_point *point; (point = event_points_find(&of_part, expected->tag, n)); n++)
            if (point->step == expected->step) {
                assert_true(strstr(expected->tag, "per_second") || point->value == expected->value);
                found++;
            }
        if (found != 1)
            fail_msg("%s of step %lld is there %d times", expected->tag, (long long)expected->step, found);
    }
    event_points_free(&of_whole);
    event_points_free(&of_part);
}

/* What TensorBoard's own reader finds is what ours finds. */
static void test_real_reader(void **state)
{
    (void)state;
    enum { NOT_INSTALLED = 77 };
    struct train_result result, rest;
    struct event_points events;
    char command[3 * PATH_BYTES], line[256], tag[48];
    const char *python = getenv("PYTHON");
    snprintf(command, sizeof command, "%s train.max_steps=27", words);
    tiny_train_ok(NULL, command, &result);
    write_orphans(result.path);
    tiny_train_ok(result.path, "train.max_steps=0", &rest);
    event_points_read(&events, result.path);
    snprintf(command, sizeof command, "'%s' tests/read_events.py '%s'", python ? python : "python3", result.path);
    FILE *answer = popen(command, "r");
    assert_non_null(answer);
    int points = 0;
    long long step;
    float value;
    while (fgets(line, sizeof line, answer)) {
        bool found = false;
        if (sscanf(line, "%47s %lld %f", tag, &step, &value) != 3)
            continue;
        for (int i = 0; i < events.count && !found; i++)
            found = strcmp(events.points[i].tag, tag) == 0 && events.points[i].step == step &&
                    events.points[i].value == value;
        if (!found)
            fail_msg("TensorBoard has %s", line);
        points++;
    }
    const int status = pclose(answer), count = events.count;
    event_points_free(&events);
    if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_INSTALLED)
        skip();
    assert_int_equal(status, 0);
    assert_int_equal(points, count);
}

/* ---- kill -9, full disk ---- */

static struct run make_run(const char *folder)
{
    struct run run;
    struct config config = {0};
    assert_int_equal(config_load(&config, NULL, NULL, 0, stderr), OK);
    snprintf(config.run.dir, sizeof config.run.dir, "%s", folder);
    snprintf(config.run.name, sizeof config.run.name, "written");
    assert_int_equal(run_create(&run, &config), OK);
    config_free(&config);
    return run;
}

static const struct step_record record_of_a_step = {.samples = 16, .loss = 2.0f, .weight_norm = 1.0f};

static void test_kill_leaves_all_records(void **state)
{
    (void)state;
    struct run run = make_run(tiny_folder);
    struct event_points events;
    int told[2];
    int64_t step = 0, written = 0;
    assert_int_equal(pipe(told), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct tensorboard board;
        if (tensorboard_open(&board, &run, 0, 5, 0) < 0)
            _exit(1);
        for (struct step_record record = record_of_a_step;; record.step++) {
            if (tensorboard_step(&board, &record, &(struct loss_view){.smooth = 2.0, .spike_z = NAN}) < 0 ||
                write(told[1], &record.step, sizeof record.step) < 0)
                _exit(1);
        }
    }
    close(told[1]);
    while (written < 1000 && read(told[0], &step, sizeof step) == sizeof step)
        written = step + 1;
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    while (read(told[0], &step, sizeof step) == sizeof step)
        written = step + 1;
    close(told[0]);
    event_points_read(&events, run.path); /* torn or not: Linux ends a write of several pages between two of them */
    assert_true(written >= 1000);
    assert_non_null(event_points_find(&events, "train/loss", (int)written - 1));
    event_points_free(&events);
    run_close(&run);
}

static void test_full_disk(void **state)
{
    (void)state;
    char disk[PATH_BYTES];
    struct tensorboard board;
    struct event_points events;
    struct step_record record = record_of_a_step;
    assert_int_equal(path_join(disk, tiny_folder, "small"), OK);
    if (!small_disk_mount(disk))
        skip();
    struct run run = make_run(disk);
    assert_int_equal(tensorboard_open(&board, &run, 0, 5, 0), OK);
    int status = OK;
    for (; status >= 0 && record.step < 10000; record.step++)
        status = tensorboard_step(&board, &record, &(struct loss_view){.smooth = 2.0, .spike_z = NAN});
    assert_int_equal(status, ERR_IO);
    assert_non_null(strstr(fail_text(), "events.out.tfevents."));
    assert_non_null(strstr(fail_text(), "No space left on device; make room"));
    assert_non_null(strstr(fail_text(), "--resume"));
    event_points_read(&events, run.path);
    assert_false(events.torn);
    assert_non_null(event_points_find(&events, "train/loss", (int)record.step - 2));
    assert_null(event_points_find(&events, "train/loss", (int)record.step - 1));
    event_points_free(&events);
    tensorboard_close(&board);
    run_close(&run);
    small_disk_unmount(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_curves_are_the_tables),   cmocka_unit_test(test_not_asked_for_is_not_written),
        cmocka_unit_test(test_resumed_curves_are_one),  cmocka_unit_test(test_real_reader),
        cmocka_unit_test(test_kill_leaves_all_records), cmocka_unit_test(test_full_disk),
    };
    return cmocka_run_group_tests(tests, tiny_set_up, tiny_tear_down);
}
