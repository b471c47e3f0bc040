/* test_recorded: which images a repair leaves out, told by a run's own files where the images are gone: the same as
 * with them; a list that was written is taken as it is until the run goes on. */
#include "diagnosis.h"
#include "doubts.h"
#include "tiny_run.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static char data[PATH_BYTES], gone[PATH_BYTES];
static struct train_result result;

static int set_up(void **state)
{
    char words[PATH_BYTES + 256];
    const struct tiles_options options = {.per_class = 60, .size = 16, .seed = 4, .label_noise = 0.25, .outliers = 0.1};
    if (tiny_set_up(state) != 0)
        return -1;
    assert_int_equal(path_join(data, tiny_folder, "spoiled"), OK);
    assert_int_equal(path_join(gone, tiny_folder, "gone"), OK);
    assert_int_equal(tiles_write(data, &options), OK);
    snprintf(words, sizeof words,
             "data.train=%s data.val_fraction=0.2 model.name=small_cnn model.width=8 train.batch_size=32 "
             "train.epochs=8 optim.lr=0.005 early_stop.patience=0",
             data);
    tiny_train_ok(NULL, words, &result);
    return 0;
}

static void hide(void)
{
    assert_int_equal(rename(data, gone), 0);
}

static void show(void)
{
    assert_int_equal(rename(gone, data), 0);
}

static int64_t left_out(enum cause cause, bool write)
{
    struct diagnosis diagnosis = {.cause = cause};
    assert_int_equal(diagnosis_leave_out(&diagnosis, result.path, write), OK);
    assert_int_equal(diagnosis.left_out[0] != '\0', diagnosis.left_out_count > 0);
    return diagnosis.left_out_count;
}

static void test_labels_are_judged_alike(void **state)
{
    (void)state;
    struct config config = {0};
    struct session session = {0};
    struct suspects with, without;
    assert_int_equal(train_load_config(&config, result.path, NULL, 0), OK);
    assert_int_equal(session_open_data(&session, &config, stderr), OK);
    assert_int_equal(suspects_find_labels(&with, &session, result.path), OK);
    /* Validation's images of each class, too. */
    struct labelled recorded;
    struct arena arena = {0};
    const struct subset *val = &session.val.subset;
    assert_int_equal(labelled_read(&recorded, &config, result.path, &arena), OK);
    assert_true(val->count > 100);
    assert_int_equal(recorded.val_count, val->count);
    for (int64_t i = 0; i < val->count; i++)
        recorded.val_images[val->data->labels[val->samples[i]]]--;
    for (int c = 0; c < TILES_CLASSES; c++)
        assert_int_equal(recorded.val_images[c], 0);
    arena_free(&arena);
    session_close(&session);
    hide();
    assert_int_equal(suspects_find_recorded(&without, &config, result.path), OK);
    show();
    assert_true(with.count > 20);
    assert_int_equal(with.count, without.count);
    assert_string_equal(with.labels_text, without.labels_text);
    for (int64_t i = 0; i < with.count; i++) {
        assert_int_equal(with.list[i].sample, without.list[i].sample);
        assert_int_equal(with.list[i].suggested, without.list[i].suggested);
        assert_true(with.list[i].score == without.list[i].score);
        assert_string_equal(with.list[i].evidence, without.list[i].evidence);
    }
    suspects_free(&with);
    suspects_free(&without);
    config_free(&config);
}

static void move(const char *from, const char *to)
{
    char before[2 * PATH_BYTES], after[2 * PATH_BYTES];
    snprintf(before, sizeof before, "%s/%s", result.path, from);
    snprintf(after, sizeof after, "%s/%s", result.path, to);
    assert_int_equal(rename(before, after), 0);
}

/* The records say nothing, as of a run that is going on: then the images are asked. */
static void test_a_repair_without_images(void **state)
{
    (void)state;
    const int64_t labels = left_out(CAUSE_LABELS, false);
    assert_true(labels > 20);
    hide();
    assert_int_equal(left_out(CAUSE_LABELS, false), labels);
    assert_int_equal(left_out(CAUSE_OUTLIERS, false), 0);
    static const char *const needed[] = {"samples.csv", "predictions.csv"};
    for (int i = 0; i < COUNT_OF(needed); i++) {
        move(needed[i], "aside");
        assert_int_equal(left_out(CAUSE_LABELS, false), 0);
        show();
        assert_int_equal(left_out(CAUSE_LABELS, false), labels);
        hide();
        move("aside", needed[i]);
    }
    show();
}

static void set_time(const char *name, time_t seconds)
{
    char path[2 * PATH_BYTES];
    const struct timespec times[2] = {{.tv_sec = seconds}, {.tv_sec = seconds}};
    snprintf(path, sizeof path, "%s/%s", result.path, name);
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void test_a_list_that_was_written(void **state)
{
    (void)state;
    const int64_t labels = left_out(CAUSE_LABELS, false), odd = left_out(CAUSE_OUTLIERS, true);
    assert_true(odd > 10 && odd != labels + 1);
    hide();
    assert_int_equal(left_out(CAUSE_OUTLIERS, false), odd);
    /* A person has taken the last image off it. */
    char path[2 * PATH_BYTES], *text = tiny_read_text(result.path, "left-out.csv");
    const size_t length = strlen(text);
    text[length - 1] = '\0';
    strrchr(text, '\n')[1] = '\0';
    snprintf(path, sizeof path, "%s/left-out.csv", result.path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    memory_give(text);
    assert_int_equal(left_out(CAUSE_OUTLIERS, false), odd - 1);
    /* It is of another cause, or of the run as it was before. */
    assert_int_equal(left_out(CAUSE_LABELS, false), labels);
    set_time("steps.csv", 1000000001);
    set_time("left-out.csv", 1000000000);
    assert_int_equal(left_out(CAUSE_OUTLIERS, false), 0);
    set_time("left-out.csv", 1000000002);
    assert_int_equal(left_out(CAUSE_OUTLIERS, false), odd - 1);
    show();
    assert_int_equal(left_out(CAUSE_OUTLIERS, true), odd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_labels_are_judged_alike),
        cmocka_unit_test(test_a_repair_without_images),
        cmocka_unit_test(test_a_list_that_was_written),
    };
    return cmocka_run_group_tests(tests, set_up, tiny_tear_down);
}
