/* test_train: whole runs on a few drawn tiles: learning, early stopping, plateau, accumulation, refused updates,
 * evaluation. */
#include "csv.h"
#include "samples.h"
#include "tensors.h"
#include "tiny_run.h"
#include "trainer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void test_overfits_one_batch(void **state)
{
    (void)state;
    struct train_result result;
    tiny_train_ok(NULL, "train.batch_size=90 train.epochs=60 data.val_fraction=0.25 optim.lr=0.01 model.hidden=64",
                  &result);
    assert_int_equal(result.stopped_by, 0);
    assert_true(tiny_result_at(result.path, 60, "train/accuracy") > 0.98);
    assert_true(tiny_result_at(result.path, 60, "train/loss") < 0.2);
    assert_true(tiny_has_file(result.path, "DONE") && !tiny_has_file(result.path, "FAILED"));
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
        tiny_train_ok(NULL, words, &result);
        tiny_read_tensors(&files[i], result.path, "last/model.safetensors");
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

/* Smoothing is a matter of training: with a rate that moves no weight, validation must not notice it. */
static void test_validation_is_not_smoothed(void **state)
{
    (void)state;
    struct train_result plain, smoothed;
    const char *const still = "train.epochs=1 optim.lr=1e-30";
    char text[128];
    tiny_train_ok(NULL, still, &plain);
    snprintf(text, sizeof text, "%s train.label_smoothing=0.3", still);
    tiny_train_ok(NULL, text, &smoothed);
    assert_true(tiny_result_at(smoothed.path, 1, "train/loss") != tiny_result_at(plain.path, 1, "train/loss"));
    assert_true(tiny_result_at(smoothed.path, 1, "val/loss") == tiny_result_at(plain.path, 1, "val/loss"));
}

/* Without statistics the same weights come out, also resumed, and what was not measured is missing. */
static void test_without_statistics(void **state)
{
    (void)state;
    struct train_result measured, bare, cut, resumed;
    const char *const words = "train.batch_size=16 train.epochs=2 stats.noise_every=2 stats.layers_every=2",
                      *const without = "train.batch_size=16 train.epochs=2 stats.enabled=false stats.noise_every=2";
    char text[256];
    tiny_train_ok(NULL, words, &measured);
    tiny_train_ok(NULL, without, &bare);
    assert_true(tiny_largest_difference(measured.path, bare.path, "last/model.safetensors") == 0.0);
    assert_true(tiny_cell_at(bare.path, "steps.csv", 2, "loss") == tiny_cell_at(measured.path, "steps.csv", 2, "loss"));
    assert_true(tiny_cell_at(bare.path, "steps.csv", 2, "grad_norm") > 0.0);
    static const char *const missing[] = {"loss_median", "update_norm",   "weight_norm",
                                          "grad_cosine", "grad_dot_last", "noise_trace"};
    for (int i = 0; i < COUNT_OF(missing); i++)
        assert_true(isnan(tiny_cell_at(bare.path, "steps.csv", 3, missing[i])));
    assert_true(tiny_has_file(measured.path, "samples.csv") && !tiny_has_file(bare.path, "samples.csv"));
    snprintf(text, sizeof text, "%s train.max_steps=3", without);
    tiny_train_ok(NULL, text, &cut);
    tiny_train_ok(cut.path, "train.max_steps=0", &resumed);
    assert_true(tiny_largest_difference(measured.path, resumed.path, "last/model.safetensors") == 0.0);
}

/* Two steps an epoch: epochs are added until there are seven steps, and each of these few is measured. */
static void test_epochs_are_added_for_steps(void **state)
{
    (void)state;
    struct train_result few, enough;
    const char *const words = "train.batch_size=40 train.epochs=1 stats.noise_least=16";
    char text[128];
    snprintf(text, sizeof text, "%s train.min_steps=2", words);
    tiny_train_ok(NULL, text, &few);
    assert_int_equal(tiny_result_rows(few.path), 1);
    snprintf(text, sizeof text, "%s train.min_steps=7", words);
    tiny_train_ok(NULL, text, &enough);
    assert_int_equal(tiny_result_rows(enough.path), 4);
    for (int step = 0; step < 8; step++)
        assert_true(isfinite(tiny_cell_at(enough.path, "steps.csv", step + 1, "noise_trace")));
    char *config = tiny_read_text(enough.path, "config.resolved.ini");
    assert_non_null(strstr(config, "epochs = 4"));
    memory_give(config);
}

/* Two batches of 8 make the update that one of 16 makes. */
static void test_accumulation_equals_larger_batch(void **state)
{
    (void)state;
    struct train_result one, two;
    const char *common = "train.epochs=1 optim.name=sgd optim.lr=0.05 ";
    char words[256];
    snprintf(words, sizeof words, "%s train.batch_size=16", common);
    tiny_train_ok(NULL, words, &one);
    snprintf(words, sizeof words, "%s train.batch_size=8 train.accumulate=2", common);
    tiny_train_ok(NULL, words, &two);
    assert_true(tiny_largest_difference(one.path, two.path, "last/model.safetensors") < 1e-6);
    /* Each of them is one that running statistics followed, as PyTorch counts. */
    struct tensor_file file;
    tiny_train_ok(NULL, "train.max_steps=3 train.batch_size=8 train.accumulate=2 model.name=small_cnn model.width=4",
                  &two);
    tiny_read_tensors(&file, two.path, "last/model.safetensors");
    int64_t tracked;
    const struct tensor *tensor = tensors_find(&file, "bn1.num_batches_tracked");
    assert_true(tensor && tensor->bytes == sizeof tracked);
    memcpy(&tracked, tensor->data, sizeof tracked);
    assert_int_equal(tracked, 6);
    tensors_free(&file);
}

static void test_threads_do_not_change_the_images(void **state)
{
    (void)state;
    struct train_result one, two;
    const char *common = "train.epochs=1 augment.hflip=0.5 augment.rotate=20 augment.brightness=0.4 optim.name=sgd";
    char words[256];
    snprintf(words, sizeof words, "%s train.threads=1 data.threads=1", common);
    tiny_train_ok(NULL, words, &one);
    snprintf(words, sizeof words, "%s train.threads=2 data.threads=3", common);
    tiny_train_ok(NULL, words, &two);
    /* Sums may round differently; another image would show in the second digit. */
    assert_true(tiny_largest_difference(one.path, two.path, "last/model.safetensors") < 1e-5);
    assert_true(fabs(tiny_result_at(one.path, 1, "train/loss") - tiny_result_at(two.path, 1, "train/loss")) < 1e-5);
}

/* With weights that hardly move, an epoch's losses are those of its order alone. */
static void test_each_epoch_has_its_order(void **state)
{
    (void)state;
    struct train_result shuffled, fixed;
    enum { STEPS = 5 }; /* of 90 images in batches of 16 */
    tiny_train_ok(NULL, "optim.name=sgd optim.lr=1e-12", &shuffled);
    tiny_train_ok(NULL, "optim.name=sgd optim.lr=1e-12 data.shuffle=false", &fixed);
    bool differs = false;
    for (int step = 1; step <= STEPS; step++) {
        differs |= fabs(tiny_cell_at(shuffled.path, "steps.csv", step, "loss") -
                        tiny_cell_at(shuffled.path, "steps.csv", step + STEPS, "loss")) > 1e-4;
        assert_true(fabs(tiny_cell_at(fixed.path, "steps.csv", step, "loss") -
                         tiny_cell_at(fixed.path, "steps.csv", step + STEPS, "loss")) < 1e-6);
    }
    assert_true(differs);
    assert_int_equal((int)tiny_cell_at(fixed.path, "steps.csv", STEPS, "epoch"), 1);
    assert_int_equal((int)tiny_cell_at(fixed.path, "steps.csv", STEPS + 1, "epoch"), 2);
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
    assert_int_equal(config_load(&config, tiny_config, overrides, COUNT_OF(overrides), stderr), OK);
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
    tiny_train_ok(NULL, "train.epochs=3", &result);
    double first = tiny_cell_at(result.path, "steps.csv", 1, "update_norm");
    assert_true(first > 0.0);
    for (int row = 2; row <= 15; row++)
        assert_true(tiny_cell_at(result.path, "steps.csv", row, "update_norm") < first);
}

/* predictions.csv is of the best epoch's weights: what stands there adds up to what the run said of it. */
static void assert_predictions_are_of_best(const struct train_result *result, const struct judgement *judgements,
                                           int64_t images)
{
    enum { CELLS = 8 };
    char *cells[CELLS], *text = tiny_read_text(result->path, "predictions.csv");
    struct csv csv = {text, text + strlen(text)};
    int64_t rows = 0, correct = 0;
    double loss = 0.0;
    int count;
    assert_true(csv_row(&csv, cells, CELLS, &count));
    const int sample = csv_column(cells, count, "sample"), label = csv_column(cells, count, "label");
    const int prediction = csv_column(cells, count, "prediction"), losses = csv_column(cells, count, "loss");
    for (; csv_row(&csv, cells, CELLS, &count); rows++) {
        assert_true(rows < images && atoi(cells[sample]) == judgements[rows].sample);
        assert_int_equal(atoi(cells[label]), judgements[rows].label);
        assert_int_equal(atoi(cells[prediction]), judgements[rows].prediction);
        correct += atoi(cells[prediction]) == atoi(cells[label]);
        loss += atof(cells[losses]);
    }
    assert_int_equal(rows, images);
    assert_true(fabs(loss / (double)rows - result->best.loss) < 1e-5);
    assert_true(fabs((double)correct / (double)rows - result->best.accuracy) < 1e-9);
    memory_give(text);
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
    struct judgement judgements[1000];
    if (session_open_model(&session, &config, checkpoint, 7) < 0 || session_open_val(&session, NULL) < 0)
        fail_msg("%s", fail_text());
    assert_true(session.val.subset.count <= COUNT_OF(judgements));
    if (evaluate_part(&session, &session.val, judgements, NULL, &evaluation) < 0)
        fail_msg("%s", fail_text());
    assert_predictions_are_of_best(result, judgements, evaluation.samples);
    assert_true(fabs(evaluation.loss - result->best.loss) < 1e-5);
    assert_true(fabs(evaluation.accuracy - result->best.accuracy) < 1e-9);
    double squares = 0.0;
    for (int64_t i = 0; i < evaluation.samples; i++)
        squares += pow((double)judgements[i].loss - evaluation.loss, 2.0);
    const double n = (double)evaluation.samples, error = sqrt(squares / (n - 1.0) / n);
    assert_true(error > 0.0 && fabs(evaluation.loss_error - error) < 1e-5 * error);
    /* Every image once, though 7 does not divide their number. */
    assert_int_equal(evaluation.samples, session.val.subset.count);
    assert_true(evaluation.samples % 7 != 0);
    session_close(&session);
    config_free(&config);
}

/* predictions-last.csv is of the last epoch, where that is not the best. */
static void assert_last_is_told(const struct train_result *result)
{
    enum { CELLS = 8 };
    char *cells[CELLS], *text = tiny_read_text(result->path, "predictions-last.csv");
    struct csv csv = {text, text + strlen(text)};
    int64_t rows = 0;
    double loss = 0.0;
    int count;
    assert_true(csv_row(&csv, cells, CELLS, &count));
    const int losses = csv_column(cells, count, "loss");
    for (; csv_row(&csv, cells, CELLS, &count); rows++)
        loss += atof(cells[losses]);
    assert_true(fabs(loss / (double)rows - tiny_result_at(result->path, (int)result->epoch, "val/loss")) < 1e-5);
    memory_give(text);
}

static void test_early_stop_restores_best(void **state)
{
    (void)state;
    struct train_result result;
    tiny_train_ok(NULL, "train.epochs=50 optim.lr=0.02 early_stop.patience=3 early_stop.min_delta=0.01", &result);
    assert_true(result.epoch < 50);
    assert_int_equal(result.epoch, result.best_epoch + 3);
    assert_int_equal(tiny_result_rows(result.path), result.epoch);
    assert_best_is_found(&result);
    assert_last_is_told(&result);
}

/* Schedule and early stopping each hear of what they watch, a training loss where there is validation too; and what an
 * epoch that is not a whole number of run.checkpoint_epochs ends with is saved. */
static void test_what_is_watched(void **state)
{
    (void)state;
    struct train_result result;
    double loss = INFINITY, accuracy = 0.0;
    char expected[3][64];
    tiny_train_ok(NULL,
                  "train.epochs=3 schedule.name=plateau schedule.monitor=train_loss early_stop.monitor=val_accuracy "
                  "run.checkpoint_epochs=2",
                  &result);
    for (int row = 1; row <= 3; row++) {
        loss = fmin(loss, tiny_result_at(result.path, row, "train/loss"));
        accuracy = fmax(accuracy, tiny_result_at(result.path, row, "metrics/accuracy_top1"));
        assert_true(tiny_result_at(result.path, row, "metrics/accuracy_top5") >
                    tiny_result_at(result.path, row, "metrics/accuracy_top1"));
    }
    char *state_json = tiny_read_text(result.path, "checkpoints/last/state.json");
    snprintf(expected[0], sizeof expected[0], "\"plateau_best\":%.6g", loss);
    snprintf(expected[1], sizeof expected[1], "\"early_stop_best\":%.6g", accuracy);
    snprintf(expected[2], sizeof expected[2], "\"epoch\":3,");
    for (int i = 0; i < COUNT_OF(expected); i++)
        if (!strstr(state_json, expected[i]))
            fail_msg("%s: not in %s", expected[i], state_json);
    memory_give(state_json);
}

/* Averaged weights are measured and kept, but training does not feel them. */
static void test_average_is_measured_only(void **state)
{
    (void)state;
    struct train_result plain, averaged;
    const char *common = "train.epochs=3 model.name=small_cnn model.width=4 ";
    char words[256];
    snprintf(words, sizeof words, "%s optim.ema_decay=0.95", common);
    tiny_train_ok(NULL, common, &plain);
    tiny_train_ok(NULL, words, &averaged);
    tiny_assert_same_text(plain.path, averaged.path, "steps.csv");
    assert_true(tiny_result_at(plain.path, 3, "val/loss") != tiny_result_at(averaged.path, 3, "val/loss"));
    assert_best_is_found(&averaged);
}

static void test_plateau_cuts(void **state)
{
    (void)state;
    struct train_result result;
    tiny_train_ok(NULL,
                  "train.epochs=5 optim.lr=1e-4 optim.name=sgd schedule.name=plateau schedule.patience=1 "
                  "schedule.threshold=0.9 schedule.factor=0.5",
                  &result);
    /* Epoch 1 is the first best, 2 and 3 are bad: cut after 3. */
    static const double expected[] = {1e-4, 1e-4, 1e-4, 5e-5, 5e-5};
    for (int row = 1; row <= COUNT_OF(expected); row++) {
        assert_true(fabs(tiny_result_at(result.path, row, "lr/pg0") - expected[row - 1]) < 1e-10);
        assert_int_equal((int)tiny_result_at(result.path, row, "plateau_cut"), row == 3 || row == 5);
    }
}

static void test_divergence_is_refused_and_named(void **state)
{
    (void)state;
    struct train_result result;
    int status = tiny_train(NULL,
                            "optim.name=sgd optim.lr=1000 optim.momentum=0.99 train.epochs=200 train.bad_steps=3 "
                            "model.name=mlp run.name=diverging optim.weight_decay=100 stats.steps_every=5",
                            &result);
    assert_int_equal(status, ERR_TRAINING);
    assert_int_equal(status_exit_code(status), 1);
    assert_non_null(strstr(fail_text(), "3 steps in a row"));
    assert_non_null(strstr(fail_text(), "optim.lr"));
    char path[PATH_BYTES];
    assert_int_equal(path_join(path, tiny_folder, "diverging"), OK);
    assert_true(tiny_has_file(path, "FAILED") && !tiny_has_file(path, "DONE"));
    char *log = tiny_read_text(path, "log.jsonl"), *steps = tiny_read_text(path, "steps.csv");
    assert_non_null(strstr(log, "\"refused\""));
    assert_non_null(strstr(log, "\"first_tensor\":\"the "));
    assert_non_null(strstr(log, "\"files\":[\""));
    /* Exactly three refused rows, the last three. */
    int refused = 0, rows = -1;
    for (const char *at = steps; *at; at++)
        rows += *at == '\n';
    for (int row = 1; row <= rows; row++)
        refused += tiny_cell_at(path, "steps.csv", row, "bad") != 0.0;
    assert_int_equal(refused, 3);
    assert_true(tiny_cell_at(path, "steps.csv", rows, "bad") == 1.0);
    assert_true(tiny_cell_at(path, "steps.csv", rows - 2, "bad") == 1.0);
    memory_give(log);
    memory_give(steps);
}

/* Running statistics overflow first, but training does not read them: they are not what is at fault. */
static void test_running_statistics_are_not_to_blame(void **state)
{
    (void)state;
    struct train_result result;
    char path[PATH_BYTES];
    assert_int_equal(
        tiny_train(NULL,
                   "optim.name=sgd optim.lr=1000 optim.momentum=0.99 optim.weight_decay=100 train.epochs=200 "
                   "train.bad_steps=3 model.name=small_cnn "
                   "run.name=overflowing",
                   &result),
        ERR_TRAINING);
    assert_int_equal(path_join(path, tiny_folder, "overflowing"), OK);
    char *log = tiny_read_text(path, "log.jsonl");
    assert_non_null(strstr(log, "\"first_tensor\":\"the "));
    assert_null(strstr(log, "running_"));
    memory_give(log);
}

/* Every training image was seen once an epoch, validation images never; the checkpoint says the same. */
static void test_samples(void **state)
{
    (void)state;
    struct train_result result;
    const struct sample_stats *table;
    struct arena arena = {0};
    char folder[2 * PATH_BYTES];
    int64_t count, seen = 0, correct = 0;
    tiny_train_ok(NULL, "train.epochs=3 train.batch_size=15", &result);
    snprintf(folder, sizeof folder, "%s/checkpoints/last", result.path);
    assert_int_equal(samples_read(folder, 10, &arena, &table, &count), OK);
    assert_int_equal(count, 120);
    for (int64_t i = 0; i < count; i++) {
        assert_true(table[i].seen == 0 || table[i].seen == 3);
        seen += table[i].seen;
        correct += table[i].correct;
    }
    assert_int_equal(seen, 270);
    double accuracy = 0.0;
    for (int row = 1; row <= 3; row++)
        accuracy += tiny_result_at(result.path, row, "train/accuracy") / 3.0;
    assert_true(fabs((double)correct / 270.0 - accuracy) < 1e-6);
    char *text = tiny_read_text(result.path, "samples.csv");
    int lines = 0;
    for (const char *at = text; *at; at++)
        lines += *at == '\n';
    assert_int_equal(lines, 91);
    assert_non_null(strstr(text, ".png\n"));
    memory_give(text);
    assert_int_equal(samples_read(result.path, 10, &arena, &table, &count), ERR_NO_INPUT);
    arena_free(&arena);
}

static void test_bad_requests(void **state)
{
    (void)state;
    struct train_result result;
    assert_int_equal(tiny_train("/nonexistent", "", &result), ERR_NO_INPUT);
    assert_int_equal(tiny_train(NULL, "train.batch_size=4096 augment.crop=64", &result), ERR_CONFIG);
    assert_non_null(strstr(fail_text(), "2 mistakes in the config"));
    assert_string_equal(result.path, "");
}

static void test_without_validation(void **state)
{
    (void)state;
    struct train_result result;
    tiny_train_ok(NULL, "data.val_fraction=0 train.epochs=2", &result);
    assert_int_equal(result.best_epoch, 2);
    /* Judged by its training images, by their accuracy too. */
    tiny_train_ok(NULL, "data.val_fraction=0 train.epochs=2 early_stop.monitor=val_accuracy", &result);
    assert_true(result.best_epoch > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_overfits_one_batch),
                                       cmocka_unit_test(test_weight_decay_groups),
                                       cmocka_unit_test(test_validation_is_not_smoothed),
                                       cmocka_unit_test(test_without_statistics),
                                       cmocka_unit_test(test_epochs_are_added_for_steps),
                                       cmocka_unit_test(test_accumulation_equals_larger_batch),
                                       cmocka_unit_test(test_threads_do_not_change_the_images),
                                       cmocka_unit_test(test_each_epoch_has_its_order),
                                       cmocka_unit_test(test_updates_are_counted),
                                       cmocka_unit_test(test_saved_statistics_outlive_the_backward_pass),
                                       cmocka_unit_test(test_early_stop_restores_best),
                                       cmocka_unit_test(test_what_is_watched),
                                       cmocka_unit_test(test_average_is_measured_only),
                                       cmocka_unit_test(test_plateau_cuts),
                                       cmocka_unit_test(test_divergence_is_refused_and_named),
                                       cmocka_unit_test(test_running_statistics_are_not_to_blame),
                                       cmocka_unit_test(test_samples),
                                       cmocka_unit_test(test_bad_requests),
                                       cmocka_unit_test(test_without_validation)};
    return cmocka_run_group_tests(tests, tiny_set_up, tiny_tear_down);
}
