/* test_autopilot: a run that diverges goes back and recovers; one that does not is the same bits with autopilot and
 * without; a batch whose noise is all that is left is enlarged; after an interruption the rest is the same. */
#include "diagnosis.h"
#include "tiny_run.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <glob.h>

#define BASE     "train.threads=1 model.name=mlp model.hidden=32 optim.name=sgd optim.momentum=0.9 "
#define DIVERGES BASE "train.bad_steps=3 "
/* Batches of two of images that have two labels each, at a rate at which their noise is all that is left. */
#define NOISY                                                                                                          \
    BASE "train.batch_size=2 optim.lr=0.01 train.label_smoothing=0.2 stats.noise_every=8 run.checkpoint_epochs=20 "    \
         "train.epochs=50 data.train="
enum { NOISY_EPOCHS = 50, NOISY_STEPS = 45, LARGER_STEPS = 11 }; /* steps of an epoch */

/* A list of the first half of each class's images, each with its own label and with the next class's. */
static const char *two_labels(void)
{
    enum { OF_CLASS = 12, CLASSES = 10 };
    static char path[PATH_BYTES], pattern[PATH_BYTES + 16];
    glob_t found;
    snprintf(path, sizeof path, "%s/two.txt", tiny_folder);
    snprintf(pattern, sizeof pattern, "%s/*/*.png", tiny_data);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    assert_int_equal(found.gl_pathc, OF_CLASS * CLASSES);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < OF_CLASS * CLASSES; i++)
        for (int k = 0; k < 2 && i % OF_CLASS < OF_CLASS / 2; k++)
            fprintf(file, "%s\t%d\n", found.gl_pathv[i], (i / OF_CLASS + k) % CLASSES);
    assert_int_equal(fclose(file), 0);
    globfree(&found);
    return path;
}

/* Two runs that several tests compare with. */
static struct train_result recovered, enlarged;

static void train_noisy(const char *words, struct train_result *result)
{
    char all[2 * PATH_BYTES];
    snprintf(all, sizeof all, NOISY "%s %s", two_labels(), words);
    tiny_train_ok(NULL, all, result);
}

static int count_acts(const char *run)
{
    char *log = tiny_read_text(run, "log.jsonl");
    int acts = 0;
    for (const char *at = log; (at = strstr(at, "\"event\":\"autopilot\"")); at++)
        acts++;
    memory_give(log);
    return acts;
}

static void test_healthy_run_is_unchanged(void **state)
{
    (void)state;
    struct train_result plain, watched;
    tiny_train_ok(NULL, BASE "optim.lr=0.01 train.epochs=24 model.dropout=0.1", &plain);
    tiny_train_ok(NULL, BASE "optim.lr=0.01 train.epochs=24 model.dropout=0.1 train.autopilot=true", &watched);
    tiny_assert_same_run(plain.path, watched.path);
    struct diagnosis diagnosis;
    assert_int_equal(diagnose_run(&diagnosis, watched.path), OK);
    assert_true(diagnosis.rate_scale == 0.0);
    assert_int_equal(count_acts(watched.path), 0);
}

/* Without autopilot the run fails; with it the loss ends below that of guessing among ten classes. */
static void test_diverging_run_recovers(void **state)
{
    (void)state;
    struct train_result lost;
    assert_int_equal(tiny_train(NULL, DIVERGES "optim.lr=20 train.epochs=12", &lost), ERR_TRAINING);
    tiny_train_ok(NULL, DIVERGES "optim.lr=20 train.epochs=24 train.autopilot=true", &recovered);
    const int acts = count_acts(recovered.path), rows = tiny_result_rows(recovered.path);
    assert_true(acts >= 1 && acts <= 5);
    assert_int_equal(rows, 24);
    struct diagnosis diagnosis;
    assert_int_equal(diagnose_run(&diagnosis, recovered.path), OK);
    assert_true(diagnosis.rate_scale == pow(0.25, acts));
    const double loss = tiny_result_at(recovered.path, rows, "train/loss");
    if (!(loss < 2.0))
        fail_msg("loss %g after %d acts", loss, acts);
    /* What was undone is not in the table of steps. */
    char *steps = tiny_read_text(recovered.path, "steps.csv");
    int lines = 0;
    for (const char *at = steps; *at; at++)
        lines += *at == '\n';
    memory_give(steps);
    assert_int_equal(lines, 1 + 24 * 5);
    assert_true(fabs(tiny_cell_at(recovered.path, "steps.csv", 24 * 5, "lr") - 20.0 * pow(0.25, acts)) < 1e-6);
}

/* A rate that no fourth of a fourth mends: given up after five times, as without autopilot. */
static void test_gives_up(void **state)
{
    (void)state;
    struct train_result result;
    assert_int_equal(
        tiny_train(NULL, DIVERGES "optim.lr=1000 model.init_scale=300 train.epochs=4 train.autopilot=true", &result),
        ERR_TRAINING);
}

static void test_goes_on_after_an_interruption(void **state)
{
    (void)state;
    struct train_result part, rest;
    assert_true(count_acts(recovered.path) > 0);
    tiny_train_ok(NULL, DIVERGES "optim.lr=20 train.epochs=24 train.autopilot=true train.max_steps=63", &part);
    tiny_train_ok(part.path, "train.max_steps=0", &rest);
    tiny_assert_same_run(recovered.path, part.path);
}

static double batch_at(const char *run, int step)
{
    return tiny_cell_at(run, "steps.csv", step, "samples");
}

/* Where noise is what is left, the batch is enlarged, and an epoch has a fourth of the steps from there on. */
static void test_noise_enlarges_the_batch(void **state)
{
    (void)state;
    struct train_result plain;
    train_noisy("", &plain);
    assert_true(batch_at(plain.path, NOISY_EPOCHS * NOISY_STEPS) == 2.0);
    train_noisy("train.autopilot=true", &enlarged);
    char *log = tiny_read_text(enlarged.path, "log.jsonl");
    const char *act = strstr(log, "\"act\":\"enlarge\"");
    assert_non_null(act);
    assert_non_null(strstr(act, "\"batch\":2,\"to_batch\":8,\"accumulate\":4,\"evidence\":\"the last "));
    const int at = atoi(strstr(act, "\"at_step\":") + strlen("\"at_step\":"));
    assert_null(strstr(act + 1, "\"act\":\"enlarge\"")); /* an epoch of a fourth of these has too few for another */
    memory_give(log);
    assert_true(at >= 200 && at % NOISY_STEPS == 0);
    assert_true(batch_at(enlarged.path, at) == 2.0 && batch_at(enlarged.path, at + 1) == 8.0);
    assert_int_equal(tiny_result_rows(enlarged.path), NOISY_EPOCHS);
    const int steps = at + (NOISY_EPOCHS - at / NOISY_STEPS) * LARGER_STEPS;
    assert_true(batch_at(enlarged.path, steps) == 8.0);
    assert_true(tiny_cell_at(enlarged.path, "steps.csv", steps, "epoch") == NOISY_EPOCHS);
    assert_true(tiny_result_at(enlarged.path, NOISY_EPOCHS, "train/loss") <
                tiny_result_at(plain.path, NOISY_EPOCHS, "train/loss"));
    /* The config is still what was asked for. */
    char *resolved = tiny_read_text(enlarged.path, "config.resolved.ini");
    assert_non_null(strstr(resolved, "\naccumulate = 1\n"));
    memory_give(resolved);
}

/* Interrupted before, at and after the act, within an epoch of either batch. */
static void test_enlarged_run_goes_on(void **state)
{
    (void)state;
    struct train_result part, rest;
    char *log = tiny_read_text(enlarged.path, "log.jsonl");
    const int at = atoi(strstr(strstr(log, "\"act\":\"enlarge\""), "\"at_step\":") + strlen("\"at_step\":"));
    memory_give(log);
    const int stops[] = {at - 13, at, at + 3};
    for (int i = 0; i < COUNT_OF(stops); i++) {
        char words[64];
        snprintf(words, sizeof words, "train.autopilot=true train.max_steps=%d", stops[i]);
        train_noisy(words, &part);
        tiny_train_ok(part.path, "train.max_steps=0", &rest);
        tiny_assert_same_run(enlarged.path, part.path);
        assert_int_equal(count_acts(part.path), count_acts(enlarged.path));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_healthy_run_is_unchanged),
        cmocka_unit_test(test_diverging_run_recovers),
        cmocka_unit_test(test_gives_up),
        cmocka_unit_test(test_goes_on_after_an_interruption),
        cmocka_unit_test(test_noise_enlarges_the_batch),
        cmocka_unit_test(test_enlarged_run_goes_on),
    };
    return cmocka_run_group_tests(tests, tiny_set_up, tiny_tear_down);
}
