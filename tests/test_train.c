/* test_train: whole runs on a few drawn tiles, in this process: learning, exact resume, early stopping, plateau,
 * accumulation, refused updates, evaluation. What a run left behind is read from its directory, as a person would. */
#include "tensors.h"
#include "trainer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[PATH_BYTES - 256], data[PATH_BYTES], config_file[PATH_BYTES];

enum { MAX_WORDS = 24 };

/* Runs `train` with overrides separated by blanks, on top of the config all tests share. */
static int train(const char *resume, const char *words, struct train_result *result)
{
    char text[2 * PATH_BYTES];
    const char *overrides[MAX_WORDS];
    int count = 0;
    snprintf(text, sizeof text, "%s", words);
    char *rest = text, *word;
    while ((word = strsep(&rest, " ")))
        if (*word)
            overrides[count++] = word;
    assert_true(count <= MAX_WORDS);
    struct train_request request = {
        .file = resume ? NULL : config_file, .resume = resume, .overrides = overrides, .override_count = count};
    return train_run(&request, result);
}

static void train_ok(const char *resume, const char *words, struct train_result *result)
{
    if (train(resume, words, result) < 0)
        fail_msg("train %s: %s", words, fail_text());
}

/* ---- what a run left ---- */

static char *read_text(const char *run, const char *name)
{
    char path[2 * PATH_BYTES];
    void *text;
    size_t bytes;
    snprintf(path, sizeof path, "%s/%s", run, name);
    if (file_read(path, 1 << 24, &text, &bytes) < 0)
        fail_msg("%s", fail_text());
    return text;
}

static void assert_same_text(const char *run_a, const char *run_b, const char *name)
{
    char *a = read_text(run_a, name), *b = read_text(run_b, name);
    assert_string_equal(a, b);
    memory_give(a);
    memory_give(b);
}

static void read_tensors(struct tensor_file *file, const char *run, const char *name)
{
    char path[2 * PATH_BYTES];
    snprintf(path, sizeof path, "%s/checkpoints/%s", run, name);
    *file = (struct tensor_file){0};
    if (tensors_read(file, path) < 0)
        fail_msg("%s", fail_text());
}

/* Largest difference of any number of two files of the same tensors. */
static double largest_difference(const char *run_a, const char *run_b, const char *name)
{
    struct tensor_file a, b;
    double largest = 0.0;
    read_tensors(&a, run_a, name);
    read_tensors(&b, run_b, name);
    assert_int_equal(a.count, b.count);
    for (int i = 0; i < a.count; i++) {
        const struct tensor *other = tensors_find(&b, a.tensors[i].name);
        assert_non_null(other);
        assert_int_equal(a.tensors[i].bytes, other->bytes);
        if (a.tensors[i].type != TENSOR_F32) {
            if (memcmp(a.tensors[i].data, other->data, other->bytes) != 0)
                largest = INFINITY;
            continue;
        }
        for (size_t at = 0; at < other->bytes; at += sizeof(float)) {
            float x, y;
            memcpy(&x, (const char *)a.tensors[i].data + at, sizeof x);
            memcpy(&y, (const char *)other->data + at, sizeof y);
            double difference = fabs((double)x - (double)y);
            if (memcmp(&x, &y, sizeof x) != 0 && !(difference > 0.0))
                difference = 1e-45; /* zeros of different sign, NaN */
            largest = fmax(largest, difference);
        }
    }
    tensors_free(&a);
    tensors_free(&b);
    return largest;
}

static void assert_same_run(const char *run_a, const char *run_b)
{
    assert_true(largest_difference(run_a, run_b, "last/model.safetensors") == 0.0);
    assert_true(largest_difference(run_a, run_b, "last/optim.safetensors") == 0.0);
    assert_true(largest_difference(run_a, run_b, "best/model.safetensors") == 0.0);
    assert_same_text(run_a, run_b, "steps.csv");
}

/* Column of a row (from 1) of a table. */
static double cell_at(const char *run, const char *table, int row, const char *column)
{
    char *text = read_text(run, table), *rest = text, *head = strsep(&rest, "\n"), *name, *cell = NULL;
    int at = -1, count = 0;
    for (; (name = strsep(&head, ",")); count++)
        if (strcmp(name, column) == 0)
            at = count;
    assert_true(at >= 0);
    char *line = NULL;
    for (int i = 0; i < row; i++)
        line = strsep(&rest, "\n");
    if (!line || !*line)
        fail_msg("%s/%s has no row %d", run, table, row);
    for (int i = 0; i <= at; i++)
        cell = strsep(&line, ",");
    assert_non_null(cell);
    double value = atof(cell);
    memory_give(text);
    return value;
}

static double result_at(const char *run, int row, const char *column)
{
    return cell_at(run, "results.csv", row, column);
}

static int result_rows(const char *run)
{
    char *text = read_text(run, "results.csv");
    int rows = -1;
    for (const char *at = text; *at; at++)
        rows += *at == '\n';
    memory_give(text);
    return rows;
}

static bool has_file(const char *run, const char *name)
{
    char path[2 * PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", run, name);
    return file_exists(path);
}

/* ---- tests ---- */

static void test_overfits_one_batch(void **state)
{
    (void)state;
    struct train_result result;
    train_ok(NULL, "train.batch_size=90 train.epochs=60 data.val_fraction=0.25 optim.lr=0.01 model.hidden=64", &result);
    assert_int_equal(result.stopped_by, 0);
    assert_true(result_at(result.path, 60, "train/accuracy") > 0.98);
    assert_true(result_at(result.path, 60, "train/loss") < 0.2);
    assert_true(has_file(result.path, "DONE") && !has_file(result.path, "FAILED"));
}

/* Runs words with whole, and again with first, then resumed with rest: the same run must come out. */
static void check_resume(const char *words, const char *whole_words, const char *first_words, const char *rest_words)
{
    struct train_result whole, part, rest;
    char joined[1024];
    snprintf(joined, sizeof joined, "%s %s", words, whole_words);
    train_ok(NULL, joined, &whole);
    snprintf(joined, sizeof joined, "%s %s", words, first_words);
    train_ok(NULL, joined, &part);
    assert_string_not_equal(whole.path, part.path);
    assert_true(largest_difference(whole.path, part.path, "last/model.safetensors") > 0.0);
    train_ok(part.path, rest_words, &rest);
    assert_string_equal(part.path, rest.path);
    assert_same_run(whole.path, part.path);
    assert_int_equal(result_rows(whole.path), result_rows(part.path));
    for (int row = 1; row <= result_rows(whole.path); row++) {
        assert_true(result_at(whole.path, row, "val/loss") == result_at(part.path, row, "val/loss"));
        assert_true(result_at(whole.path, row, "train/loss") == result_at(part.path, row, "train/loss"));
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

static void test_resume_inside_first_epoch_with_sgd(void **state)
{
    (void)state;
    check_resume("train.epochs=3 optim.name=sgd optim.momentum=0.9 schedule.name=plateau schedule.patience=0 "
                 "schedule.threshold=0.5 train.accumulate=2 train.batch_size=8 optim.lr=0.01",
                 "", "train.max_steps=3", "train.max_steps=0");
}

/* Everything that keeps a state of its own at once, in both precisions (auto is bf16 where the hardware has it). */
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

/* What max_steps cuts off inside an epoch is measured, but it is no epoch: the best epoch stays what it was. */
static void test_max_steps_inside_an_epoch(void **state)
{
    (void)state;
    struct train_result one, cut;
    train_ok(NULL, "train.epochs=1", &one);
    train_ok(NULL, "train.epochs=2 train.max_steps=8", &cut);
    assert_int_equal(result_rows(cut.path), 2);
    assert_true(result_at(cut.path, 2, "val/loss") < result_at(cut.path, 1, "val/loss"));
    assert_int_equal(cut.epoch, 1);
    assert_int_equal(cut.best_epoch, 1);
    assert_true(cut.best.loss == one.best.loss);
    assert_true(largest_difference(one.path, cut.path, "best/model.safetensors") == 0.0);
}

static void test_resume_keeps_settings(void **state)
{
    (void)state;
    struct train_result result;
    train_ok(NULL, "train.epochs=1", &result);
    char path[PATH_BYTES];
    memcpy(path, result.path, sizeof path);
    assert_int_equal(train(path, "optim.lr=0.5 train.epochs=3", &result), ERR_CONFIG);
    assert_non_null(strstr(fail_text(), "optim.lr"));
    assert_null(strstr(fail_text(), "train.epochs"));
    assert_false(has_file(path, "FAILED"));
    assert_int_equal(result_rows(path), 1);
}

static void test_resume_notices_missing_images(void **state)
{
    (void)state;
    struct train_result result;
    char copy[PATH_BYTES], word[PATH_BYTES + 32], image[2 * PATH_BYTES];
    snprintf(copy, sizeof copy, "%s/copy", folder);
    struct tiles_options options = {.per_class = 12, .size = 16, .seed = 3};
    assert_int_equal(tiles_write(copy, &options), OK);
    train_ok(NULL, "train.epochs=1", &result);
    char path[PATH_BYTES];
    memcpy(path, result.path, sizeof path);
    snprintf(word, sizeof word, "train.epochs=2 data.train=%s", copy);
    train_ok(path, word, &result);
    snprintf(image, sizeof image, "%s/%s/00000.png", copy, tiles_class_names[0]);
    for (int number = 0; unlink(image) != 0 && number < 200; number++)
        snprintf(image, sizeof image, "%s/%s/%05d.png", copy, tiles_class_names[0], number);
    assert_int_equal(train(path, "train.epochs=3", &result), ERR_CONFIG);
    assert_non_null(strstr(fail_text(), "number of images"));
}

/* One update with weight decay and one without: which tensors tell them apart? */
static void test_weight_decay_groups(void **state)
{
    (void)state;
    static const char *const kinds[] = {"optim.weight_decay=0", "optim.weight_decay=0.5 optim.decay=weights",
                                        "optim.weight_decay=0.5 optim.decay=all"};
    struct tensor_file files[COUNT_OF(kinds)];
    for (int i = 0; i < COUNT_OF(kinds); i++) {
        struct train_result result;
        char words[256];
        snprintf(words, sizeof words, "%s train.max_steps=1 optim.name=sgd model.name=small_cnn model.width=4",
                 kinds[i]);
        train_ok(NULL, words, &result);
        read_tensors(&files[i], result.path, "last/model.safetensors");
    }
    int weights = 0, others = 0;
    for (int i = 0; i < files[0].count; i++) {
        const struct tensor *plain = &files[0].tensors[i], *some = tensors_find(&files[1], plain->name),
                            *all = tensors_find(&files[2], plain->name);
        bool weight = plain->rank > 1;
        weights += weight;
        if (strstr(plain->name, "running_") || plain->type != TENSOR_F32)
            continue;
        assert_int_equal(memcmp(plain->data, some->data, plain->bytes) != 0, weight);
        /* A bias before a norm, or a norm's, begins at 0, which nothing pulls. */
        if (weight || strstr(plain->name, "weight")) {
            assert_memory_not_equal(plain->data, all->data, plain->bytes);
            others += !weight;
        }
    }
    assert_true(weights > 0 && others > 0);
    for (int i = 0; i < COUNT_OF(kinds); i++)
        tensors_free(&files[i]);
}

/* Two batches of 8 make the update that one of 16 makes. */
static void test_accumulation_equals_larger_batch(void **state)
{
    (void)state;
    struct train_result one, two;
    const char *common = "train.epochs=1 optim.name=sgd optim.lr=0.05 ";
    char words[256];
    snprintf(words, sizeof words, "%s train.batch_size=16", common);
    train_ok(NULL, words, &one);
    snprintf(words, sizeof words, "%s train.batch_size=8 train.accumulate=2", common);
    train_ok(NULL, words, &two);
    assert_true(largest_difference(one.path, two.path, "last/model.safetensors") < 1e-6);
}

static void test_threads_do_not_change_the_images(void **state)
{
    (void)state;
    struct train_result one, two;
    const char *common = "train.epochs=1 augment.hflip=0.5 augment.rotate=20 augment.brightness=0.4 optim.name=sgd";
    char words[256];
    snprintf(words, sizeof words, "%s train.threads=1 data.threads=1", common);
    train_ok(NULL, words, &one);
    snprintf(words, sizeof words, "%s train.threads=2 data.threads=3", common);
    train_ok(NULL, words, &two);
    /* Sums may round differently; another image would show in the second digit. */
    assert_true(largest_difference(one.path, two.path, "last/model.safetensors") < 1e-5);
    assert_true(fabs(result_at(one.path, 1, "train/loss") - result_at(two.path, 1, "train/loss")) < 1e-5);
}

/* With weights that hardly move, an epoch's losses are those of its order alone. */
static void test_each_epoch_has_its_order(void **state)
{
    (void)state;
    struct train_result shuffled, fixed;
    enum { STEPS = 5 }; /* of 90 images in batches of 16 */
    train_ok(NULL, "optim.name=sgd optim.lr=1e-12", &shuffled);
    train_ok(NULL, "optim.name=sgd optim.lr=1e-12 data.shuffle=false", &fixed);
    bool differs = false;
    for (int step = 1; step <= STEPS; step++) {
        differs |= fabs(cell_at(shuffled.path, "steps.csv", step, "loss") -
                        cell_at(shuffled.path, "steps.csv", step + STEPS, "loss")) > 1e-4;
        assert_true(fabs(cell_at(fixed.path, "steps.csv", step, "loss") -
                         cell_at(fixed.path, "steps.csv", step + STEPS, "loss")) < 1e-6);
    }
    assert_true(differs);
    assert_int_equal((int)cell_at(fixed.path, "steps.csv", STEPS, "epoch"), 1);
    assert_int_equal((int)cell_at(fixed.path, "steps.csv", STEPS + 1, "epoch"), 2);
}

/* Running statistics are taken over after the whole backward pass: until then nothing may be written over what
 * normalisation saved of the batch, mean and variance of each channel at least. */
static void test_saved_statistics_outlive_the_backward_pass(void **state)
{
    (void)state;
    struct config config = {0};
    struct session session;
    /* Sizes at which gradients fitted where statistics had been. */
    const char *const overrides[] = {"model.name=resnet18", "augment.crop=20", "augment.crop_padding=2",
                                     "train.batch_size=20"};
    assert_int_equal(config_load(&config, config_file, overrides, COUNT_OF(overrides), stderr), OK);
    if (session_open(&session, &config) < 0)
        fail_msg("%s", fail_text());
    const struct graph *graph = &session.graph;
    for (int i = 0; i < graph->node_count; i++) {
        if (graph->nodes[i].op != OP_NORM)
            continue;
        const char *saved = session.plan.calls[i].saved;
        const char *end = saved + 2 * sizeof(float) * (size_t)graph->values[graph->nodes[i].out].shape.c;
        for (int k = 0; k < i; k++)
            for (int slot = 0; slot < graph->nodes[k].in_count; slot++) {
                const char *grad = session.plan.calls[k].in_grad[slot];
                if (grad && grad < end && saved < grad + session.plan.values[graph->nodes[k].in[slot]].bytes)
                    fail_msg("the gradient that %s writes lies over what %s saved", graph->nodes[k].name,
                             graph->nodes[i].name);
            }
    }
    session_close(&session);
    config_free(&config);
}

/* Adam's first step is the rate in every weight; no later one is longer, unless its bias correction stands still. */
static void test_updates_are_counted(void **state)
{
    (void)state;
    struct train_result result;
    train_ok(NULL, "train.epochs=3", &result);
    double first = cell_at(result.path, "steps.csv", 1, "update_norm");
    assert_true(first > 0.0);
    for (int row = 2; row <= 15; row++)
        assert_true(cell_at(result.path, "steps.csv", row, "update_norm") < first);
}

/* The checkpoint chosen for use measures what the run said of its best epoch. */
static void assert_best_is_found(const struct train_result *result)
{
    struct config config = {0};
    struct session session;
    struct evaluation evaluation;
    char checkpoint[PATH_BYTES];
    assert_int_equal(train_load_config(&config, result->path, NULL, 0), OK);
    assert_int_equal(train_find_checkpoint(&config, result->path, NULL, checkpoint), OK);
    if (session_open_model(&session, &config, checkpoint, 7) < 0 || session_open_val(&session, NULL) < 0 ||
        evaluate_part(&session, &session.val, NULL, NULL, &evaluation) < 0)
        fail_msg("%s", fail_text());
    assert_true(fabs(evaluation.loss - result->best.loss) < 1e-5);
    assert_true(fabs(evaluation.accuracy - result->best.accuracy) < 1e-9);
    /* Every image once, though 7 does not divide their number. */
    assert_int_equal(evaluation.samples, session.val.subset.count);
    assert_true(evaluation.samples % 7 != 0);
    session_close(&session);
    config_free(&config);
}

static void test_early_stop_restores_best(void **state)
{
    (void)state;
    struct train_result result;
    train_ok(NULL, "train.epochs=50 optim.lr=0.02 early_stop.patience=3 early_stop.min_delta=0.01", &result);
    assert_true(result.epoch < 50);
    assert_int_equal(result.epoch, result.best_epoch + 3);
    assert_int_equal(result_rows(result.path), result.epoch);
    assert_best_is_found(&result);
}

/* Averaged weights are measured and kept, but training does not feel them. */
static void test_average_is_measured_only(void **state)
{
    (void)state;
    struct train_result plain, averaged;
    const char *common = "train.epochs=3 model.name=small_cnn model.width=4 ";
    char words[256];
    snprintf(words, sizeof words, "%s optim.ema_decay=0.95", common);
    train_ok(NULL, common, &plain);
    train_ok(NULL, words, &averaged);
    assert_same_text(plain.path, averaged.path, "steps.csv");
    assert_true(result_at(plain.path, 3, "val/loss") != result_at(averaged.path, 3, "val/loss"));
    assert_best_is_found(&averaged);
}

static void test_plateau_cuts(void **state)
{
    (void)state;
    struct train_result result;
    train_ok(NULL,
             "train.epochs=5 optim.lr=1e-4 optim.name=sgd schedule.name=plateau schedule.patience=1 "
             "schedule.threshold=0.9 schedule.factor=0.5",
             &result);
    /* Epoch 1 is the first best, 2 and 3 are bad: cut after 3. */
    static const double expected[] = {1e-4, 1e-4, 1e-4, 5e-5, 5e-5};
    for (int row = 1; row <= COUNT_OF(expected); row++) {
        assert_true(fabs(result_at(result.path, row, "lr/pg0") - expected[row - 1]) < 1e-10);
        assert_int_equal((int)result_at(result.path, row, "plateau_cut"), row == 3 || row == 5);
    }
}

static void test_divergence_is_refused_and_named(void **state)
{
    (void)state;
    struct train_result result;
    int status = train(NULL,
                       "optim.name=sgd optim.lr=1000 optim.momentum=0.99 train.epochs=200 train.bad_steps=3 "
                       "model.name=mlp run.name=diverging optim.weight_decay=100",
                       &result);
    assert_int_equal(status, ERR_TRAINING);
    assert_int_equal(status_exit_code(status), 1);
    assert_non_null(strstr(fail_text(), "3 steps in a row"));
    assert_non_null(strstr(fail_text(), "optim.lr"));
    char path[PATH_BYTES];
    assert_int_equal(path_join(path, folder, "diverging"), OK);
    assert_true(has_file(path, "FAILED") && !has_file(path, "DONE"));
    char *log = read_text(path, "log.jsonl"), *steps = read_text(path, "steps.csv");
    assert_non_null(strstr(log, "\"refused\""));
    assert_non_null(strstr(log, "\"first_tensor\":\"the "));
    assert_non_null(strstr(log, "\"files\":[\""));
    /* Exactly three refused rows, the last three. */
    int refused = 0;
    char *rest = steps, *line, *last = NULL;
    while ((line = strsep(&rest, "\n")) && *line) {
        refused += line[strlen(line) - 1] == '1' && line[strlen(line) - 2] == ',';
        last = line;
    }
    assert_int_equal(refused, 3);
    assert_non_null(last);
    assert_true(last[strlen(last) - 1] == '1');
    memory_give(log);
    memory_give(steps);
}

static void test_bad_requests(void **state)
{
    (void)state;
    struct train_result result;
    assert_int_equal(train(NULL, "train.batch_size=4096", &result), ERR_CONFIG);
    assert_non_null(strstr(fail_text(), "lower train.batch_size"));
    assert_string_equal(result.path, "");
    assert_int_equal(train("/nonexistent", "", &result), ERR_NO_INPUT);
    assert_int_equal(train(NULL, "augment.crop=64", &result), ERR_CONFIG);
    assert_non_null(strstr(fail_text(), "augment.crop"));
}

static void test_without_validation(void **state)
{
    (void)state;
    struct train_result result;
    train_ok(NULL, "data.val_fraction=0 train.epochs=2", &result);
    assert_int_equal(result.best_epoch, 2);
}

static int set_up(void **state)
{
    (void)state;
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/train.XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(folder))
        return -1;
    snprintf(data, sizeof data, "%s/tiles", folder);
    struct tiles_options options = {.per_class = 12, .size = 16, .seed = 3};
    if (tiles_write(data, &options) < 0)
        return -1;
    snprintf(config_file, sizeof config_file, "%s/run.ini", folder);
    FILE *file = fopen(config_file, "w");
    if (!file)
        return -1;
    fprintf(file,
            "[data]\ntrain = \"%s\"\nval_fraction = 0.25\n[model]\nname = \"mlp\"\nhidden = 16\n"
            "[train]\nepochs = 2\nbatch_size = 16\nprecision = \"fp32\"\n[run]\ndir = \"%s\"\n",
            data, folder);
    return fclose(file);
}

static int tear_down(void **state)
{
    (void)state;
    return folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_overfits_one_batch),
        cmocka_unit_test(test_resume_after_epoch),
        cmocka_unit_test(test_resume_inside_epoch),
        cmocka_unit_test(test_resume_inside_first_epoch_with_sgd),
        cmocka_unit_test(test_resume_with_everything),
        cmocka_unit_test(test_max_steps_inside_an_epoch),
        cmocka_unit_test(test_resume_keeps_settings),
        cmocka_unit_test(test_resume_notices_missing_images),
        cmocka_unit_test(test_weight_decay_groups),
        cmocka_unit_test(test_accumulation_equals_larger_batch),
        cmocka_unit_test(test_threads_do_not_change_the_images),
        cmocka_unit_test(test_each_epoch_has_its_order),
        cmocka_unit_test(test_updates_are_counted),
        cmocka_unit_test(test_saved_statistics_outlive_the_backward_pass),
        cmocka_unit_test(test_early_stop_restores_best),
        cmocka_unit_test(test_average_is_measured_only),
        cmocka_unit_test(test_plateau_cuts),
        cmocka_unit_test(test_divergence_is_refused_and_named),
        cmocka_unit_test(test_bad_requests),
        cmocka_unit_test(test_without_validation),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
