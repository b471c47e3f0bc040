/* test_resume: a run that stopped and went on equals one that never stopped, bit for bit; what a resumed run refuses.
 */
#include "tensors.h"
#include "tiny_run.h"
#include "trainer.h"

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

static void check_resume(const char *words, const char *whole_words, const char *first_words, const char *rest_words)
{
    struct train_result whole, part, rest;
    char joined[1024];
    snprintf(joined, sizeof joined, "%s %s", words, whole_words);
    tiny_train_ok(NULL, joined, &whole);
    snprintf(joined, sizeof joined, "%s %s", words, first_words);
    tiny_train_ok(NULL, joined, &part);
    assert_string_not_equal(whole.path, part.path);
    assert_true(tiny_largest_difference(whole.path, part.path, "last/model.safetensors") > 0.0);
    tiny_train_ok(part.path, rest_words, &rest);
    assert_string_equal(part.path, rest.path);
    tiny_assert_same_run(whole.path, part.path);
    assert_int_equal(tiny_result_rows(whole.path), tiny_result_rows(part.path));
    for (int row = 1; row <= tiny_result_rows(whole.path); row++) {
        assert_true(tiny_result_at(whole.path, row, "val/loss") == tiny_result_at(part.path, row, "val/loss"));
        assert_true(tiny_result_at(whole.path, row, "train/loss") == tiny_result_at(part.path, row, "train/loss"));
    }
}

static void test_resume_after_epoch(void **state)
{
    (void)state;
    check_resume("augment.hflip=0.5 augment.rotate=10 model.dropout=0.2", "train.epochs=4", "train.epochs=2",
                 "train.epochs=4");
}

static void test_resume_inside_epoch(void **state)
{
    (void)state;
    check_resume(
        "train.epochs=3 train.precision=auto model.name=small_cnn model.width=4 augment.crop_padding=2 augment.crop=16 "
        "optim.ema_decay=0.9 optim.ema_warmup=true",
        "", "train.max_steps=7", "train.max_steps=0");
}

/* What batches were looked at for goes on too: it widens loss_smooth_error. */
static void test_resume_with_looks_ahead(void **state)
{
    (void)state;
    check_resume("train.epochs=12 train.batch_size=8 model.name=small_cnn model.width=4 stats.noise_every=8 "
                 "data.val_fraction=0.5",
                 "", "train.max_steps=50", "train.max_steps=0");
}

static void test_resume_inside_first_epoch_with_sgd(void **state)
{
    (void)state;
    check_resume("train.epochs=3 optim.name=sgd optim.momentum=0.9 schedule.name=plateau schedule.patience=0 "
                 "schedule.threshold=0.5 train.accumulate=2 train.batch_size=8 optim.lr=0.01",
                 "", "train.max_steps=3", "train.max_steps=0");
}

static void test_resume_with_everything(void **state)
{
    (void)state;
    static const char *const kinds[] = {"train.precision=fp32 optim.name=adamw",
                                        "train.precision=auto optim.name=adamw",
                                        "train.precision=auto optim.name=sgd optim.nesterov=true"};
    for (int i = 0; i < COUNT_OF(kinds); i++) {
        char words[1024];
        snprintf(words, sizeof words,
                 "%s train.epochs=4 train.accumulate=2 train.batch_size=8 train.label_smoothing=0.1 "
                 "model.name=small_cnn model.width=4 model.dropout=0.3 optim.ema_decay=0.9 optim.clip_norm=1 "
                 "schedule.name=plateau schedule.patience=0 schedule.threshold=0.5 schedule.warmup_epochs=0.5 "
                 "augment.hflip=0.5 augment.rotate=10 augment.contrast=0.2",
                 kinds[i]);
        check_resume(words, "", "train.max_steps=13", "train.max_steps=0");
    }
}

static void test_resume_with_added_epochs(void **state)
{
    (void)state;
    check_resume("train.batch_size=40 train.epochs=1 train.min_steps=7 stats.noise_least=16 schedule.name=cosine", "",
                 "train.max_steps=3", "train.max_steps=0");
}

static void test_max_steps_inside_an_epoch(void **state)
{
    (void)state;
    struct train_result one, cut;
    tiny_train_ok(NULL, "train.epochs=1", &one);
    tiny_train_ok(NULL, "train.epochs=2 train.max_steps=8", &cut);
    assert_int_equal(tiny_result_rows(cut.path), 2);
    assert_true(tiny_result_at(cut.path, 2, "val/loss") < tiny_result_at(cut.path, 1, "val/loss"));
    assert_int_equal(cut.epoch, 1);
    assert_int_equal(cut.best_epoch, 1);
    assert_true(cut.best.loss == one.best.loss);
    assert_true(tiny_largest_difference(one.path, cut.path, "best/model.safetensors") == 0.0);
}

static void test_resume_keeps_settings(void **state)
{
    (void)state;
    struct train_result result;
    tiny_train_ok(NULL, "train.epochs=1", &result);
    char path[PATH_BYTES];
    memcpy(path, result.path, sizeof path);
    assert_int_equal(tiny_train(path, "optim.lr=0.5 train.epochs=3", &result), ERR_CONFIG);
    assert_non_null(strstr(fail_text(), "optim.lr"));
    assert_non_null(strstr(fail_text(), "model.weights=RUN"));
    assert_null(strstr(fail_text(), "train.epochs"));
    assert_false(tiny_has_file(path, "FAILED"));
    assert_int_equal(tiny_result_rows(path), 1);
    /* Training grows longer, and no shorter. */
    tiny_train_ok(path, "train.epochs=2", &result);
    assert_int_equal(tiny_train(path, "train.epochs=1", &result), ERR_CONFIG);
    assert_non_null(strstr(fail_text(), "train.epochs (2)"));
    tiny_train_ok(path, "train.min_steps=15", &result);
    assert_int_equal(tiny_result_rows(path), 3);
}

/* What cannot be looked at is no reason to begin anew, over the run's records. */
static void test_resume_where_the_checkpoint_cannot_be_read(void **state)
{
    (void)state;
    struct train_result part, rest;
    char last[PATH_BYTES], aside[PATH_BYTES];
    tiny_train_ok(NULL, "train.epochs=2", &part);
    assert_int_equal(path_join(last, part.path, "checkpoints/last"), OK);
    assert_int_equal(path_join(aside, part.path, "checkpoints/aside"), OK);
    assert_int_equal(rename(last, aside), 0);
    assert_int_equal(symlink("last", last), 0);
    assert_int_equal(tiny_train(part.path, "train.epochs=3", &rest), ERR_IO);
    assert_non_null(strstr(fail_text(), "checkpoints/last: cannot be read: "));
    assert_int_equal(tiny_result_rows(part.path), 2);
    assert_int_equal(unlink(last), 0);
    assert_int_equal(rename(aside, last), 0);
    tiny_train_ok(part.path, "train.epochs=3", &rest);
}

/* A person who asks for more gets more, with patience counted anew; the best stays what it was. Who asks for nothing is
 * told that there is nothing to do. */
static void test_resume_after_early_stopping(void **state)
{
    (void)state;
    struct train_result result;
    tiny_train_ok(NULL, "train.epochs=50 early_stop.patience=2 early_stop.min_delta=1000", &result);
    char path[PATH_BYTES];
    memcpy(path, result.path, sizeof path);
    assert_int_equal(result.epoch, 3);
    tiny_train_ok(path, "", &result);
    assert_int_equal(result.epoch, 3);
    tiny_train_ok(path, "train.epochs=60", &result);
    assert_int_equal(result.epoch, 5);
    assert_int_equal(result.best_epoch, 1);
    assert_int_equal(tiny_result_rows(path), 5);
    tiny_train_ok(path, "train.epochs=60", &result);
    assert_int_equal(result.epoch, 5);
    tiny_train_ok(path, "train.min_steps=10000", &result);
    assert_int_equal(result.epoch, 7);
    tiny_train_ok(path, "early_stop.min_delta=100", &result);
    assert_int_equal(result.epoch, 9);
    /* A run that has not been stopped waits on from where it was. */
    tiny_train_ok(NULL, "train.epochs=2 early_stop.patience=2 early_stop.min_delta=1000", &result);
    memcpy(path, result.path, sizeof path);
    tiny_train_ok(path, "train.epochs=60", &result);
    assert_int_equal(result.epoch, 3);
}

/* As if it had always been that patient. */
static void test_resume_with_more_patience(void **state)
{
    (void)state;
    check_resume("train.epochs=50 early_stop.min_delta=1000", "early_stop.patience=5", "early_stop.patience=2",
                 "early_stop.patience=5");
    check_resume("train.epochs=6 early_stop.min_delta=1000", "early_stop.patience=0", "early_stop.patience=2",
                 "early_stop.patience=0");
}

/* What was asked for holds from then on, also where the run is killed before it saves anything. */
static void test_killed_after_early_stopping(void **state)
{
    (void)state;
    struct train_result result;
    tiny_train_ok(NULL, "train.epochs=50 early_stop.patience=2 early_stop.min_delta=1000 optim.lr=1e-6 train.threads=1",
                  &result);
    char path[PATH_BYTES];
    memcpy(path, result.path, sizeof path);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        tiny_train(path, "train.epochs=100000 early_stop.min_delta=0 run.checkpoint_epochs=100000", &result);
        _exit(0);
    }
    for (int i = 0; i < 10000 && tiny_result_rows(path) < 5; i++)
        usleep(1000);
    assert_int_equal(kill(child, SIGKILL), 0);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_true(tiny_result_rows(path) >= 5);
    tiny_train_ok(path, "train.max_steps=1000", &result);
    assert_true(result.epoch > 5);
}

static void test_resume_notices_missing_images(void **state)
{
    (void)state;
    struct train_result result;
    char copy[PATH_BYTES], word[PATH_BYTES + 32], image[2 * PATH_BYTES];
    snprintf(copy, sizeof copy, "%s/copy", tiny_folder);
    struct tiles_options options = {.per_class = 12, .size = 16, .seed = 3};
    assert_int_equal(tiles_write(copy, &options), OK);
    tiny_train_ok(NULL, "train.epochs=1", &result);
    char path[PATH_BYTES];
    memcpy(path, result.path, sizeof path);
    snprintf(word, sizeof word, "train.epochs=2 data.train=%s", copy);
    tiny_train_ok(path, word, &result);
    /* A class of another name is none that the network knows. */
    char named[2 * PATH_BYTES];
    snprintf(named, sizeof named, "%s/%s", copy, tiles_class_names[0]);
    snprintf(image, sizeof image, "%s/renamed", copy);
    assert_int_equal(rename(named, image), 0);
    assert_true(tiny_train(path, "train.epochs=3", &result) < 0);
    assert_non_null(strstr(fail_text(), "have different classes"));
    assert_int_equal(rename(image, named), 0);
    snprintf(image, sizeof image, "%s/%s/00000.png", copy, tiles_class_names[0]);
    for (int number = 0; unlink(image) != 0 && number < 200; number++)
        snprintf(image, sizeof image, "%s/%s/%05d.png", copy, tiles_class_names[0], number);
    assert_int_equal(tiny_train(path, "train.epochs=3", &result), ERR_CONFIG);
    assert_non_null(strstr(fail_text(), "number of images"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resume_after_epoch),
        cmocka_unit_test(test_resume_inside_epoch),
        cmocka_unit_test(test_resume_with_looks_ahead),
        cmocka_unit_test(test_resume_inside_first_epoch_with_sgd),
        cmocka_unit_test(test_resume_with_everything),
        cmocka_unit_test(test_resume_with_added_epochs),
        cmocka_unit_test(test_max_steps_inside_an_epoch),
        cmocka_unit_test(test_resume_keeps_settings),
        cmocka_unit_test(test_resume_where_the_checkpoint_cannot_be_read),
        cmocka_unit_test(test_resume_after_early_stopping),
        cmocka_unit_test(test_resume_with_more_patience),
        cmocka_unit_test(test_killed_after_early_stopping),
        cmocka_unit_test(test_resume_notices_missing_images),
    };
    return cmocka_run_group_tests(tests, tiny_set_up, tiny_tear_down);
}
