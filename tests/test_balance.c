/* test_balance: train.balance where classes are unlike in frequency: the loss that training begins with, and what a
 * validation set of classes equally frequent gains. */
#include "tiny_run.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char train[PATH_BYTES], val[PATH_BYTES], list[PATH_BYTES];

/* Of the last five classes one image in 15 stays. */
static int write_list(void)
{
    struct dataset data;
    const struct dataset_options options = {.threads = 1};
    if (dataset_open(&data, train, &options) < 0)
        return -1;
    FILE *file = fopen(list, "w");
    if (!file)
        return -1;
    fputs("sample\n", file);
    for (int64_t i = 0; i < data.count; i++)
        if (data.labels[i] >= TILES_CLASSES / 2 && i % 15 > 0)
            fprintf(file, "%d\n", (int)i);
    dataset_close(&data);
    return fclose(file);
}

static int set_up(void **state)
{
    if (tiny_set_up(state) != 0)
        return -1;
    const struct tiles_options many = {.per_class = 120, .size = 16, .seed = 4};
    const struct tiles_options even = {.per_class = 40, .size = 16, .seed = 4, .part = TILES_VAL};
    return path_join(train, tiny_folder, "many") == OK && path_join(val, tiny_folder, "even") == OK &&
                   path_join(list, tiny_folder, "rare.csv") == OK && tiles_write(train, &many) == OK &&
                   tiles_write(val, &even) == OK && write_list() == 0
               ? 0
               : -1;
}

static void run(const char *words, struct train_result *result)
{
    char text[4 * PATH_BYTES];
    snprintf(text, sizeof text,
             "data.train=%s data.val=%s data.leave_out=%s model.name=mlp model.hidden=32 train.threads=1 %s", train,
             val, list, words);
    tiny_train_ok(NULL, text, result);
}

/* A network that says nothing yet has the loss of guessing by the classes' shares, where it has that of guessing evenly
 * otherwise: all images in one batch. */
static void test_first_loss(void **state)
{
    (void)state;
    struct train_result plain, balanced;
    char words[128];
    snprintf(words, sizeof words, "model.init_scale=0 train.max_steps=1 train.batch_size=640");
    const double entropy = -5.0 * (120.0 / 640.0 * log(120.0 / 640.0) + 8.0 / 640.0 * log(8.0 / 640.0));
    run(words, &plain);
    assert_true(fabs(tiny_cell_at(plain.path, "steps.csv", 1, "loss") - log(10.0)) < 1e-5);
    strcat(words, " train.balance=true");
    run(words, &balanced);
    assert_true(fabs(tiny_cell_at(balanced.path, "steps.csv", 1, "loss") - entropy) < 1e-5);
}

static void test_rare_classes_count(void **state)
{
    (void)state;
    struct train_result plain, balanced;
    run("train.epochs=8 optim.lr=0.003", &plain);
    run("train.epochs=8 optim.lr=0.003 train.balance=true", &balanced);
    const double before = tiny_result_at(plain.path, 8, "metrics/accuracy_top1");
    const double after = tiny_result_at(balanced.path, 8, "metrics/accuracy_top1");
    if (!(after > before + 0.03))
        fail_msg("accuracy %.3f with, %.3f without", after, before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_loss),
        cmocka_unit_test(test_rare_classes_count),
    };
    return cmocka_run_group_tests(tests, set_up, tiny_tear_down);
}
