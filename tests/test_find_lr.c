/* test_find_lr: the limit that find_lr measures against one that can be computed. A linear model of two classes, whose
 * labels have nothing to do with the images, stays near weights of 0; there the Hessian of its loss is half the second
 * moment of the (normalised) images and a constant 1 for the bias, so gradient descent on all images at once is stable
 * below a rate of 4 / the largest eigenvalue of that moment. */
#include "find_lr.h"
#include "random.h"
#include "table.h"
#include "text.h"

#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { IMAGES = 256, SIDE = 4, PIXELS = SIDE * SIDE };

static char folder[PATH_BYTES - 256];
static uint8_t pixels[IMAGES][PIXELS], labels[IMAGES];

/* Normal numbers, by Box and Muller. */
static double draw(uint32_t index)
{
    struct random_block block = random_words(17, RANDOM_TILE, 0, index, 0);
    double u = ((double)block.word[0] + 0.5) / 4294967296.0, v = (double)block.word[1] / 4294967296.0;
    return sqrt(-2.0 * log(u)) * cos(2.0 * 3.14159265358979323846 * v);
}

/* Grey images with much in common, so that one direction is far steeper than the rest. */
static void draw_images(void)
{
    uint32_t index = 0;
    for (int i = 0; i < IMAGES; i++) {
        double common = draw(index++);
        for (int k = 0; k < PIXELS; k++) {
            double value = 128.0 + 35.0 * common + 20.0 * draw(index++);
            pixels[i][k] = (uint8_t)fmin(fmax(value, 0.0), 255.0);
        }
        labels[i] = (uint8_t)(draw(index++) > 0.0);
    }
}

/* An IDX file: dimensions, then bytes. */
static void write_idx(const char *name, int dimensions, const void *data, size_t bytes)
{
    char path[PATH_BYTES];
    unsigned char head[16] = {0, 0, 8, (unsigned char)dimensions, 0, 0, IMAGES >> 8, IMAGES & 0xFF};
    head[11] = head[15] = SIDE;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(head, 4 + 4 * (size_t)dimensions, 1, file), 1);
    assert_int_equal(fwrite(data, bytes, 1, file), 1);
    assert_int_equal(fclose(file), 0);
}

static int set_up(void **state)
{
    (void)state;
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/find_lr.XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(folder))
        return -1;
    draw_images();
    write_idx("train-images-idx3-ubyte", 3, pixels, sizeof pixels);
    write_idx("train-labels-idx1-ubyte", 1, labels, sizeof labels);
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/linear.ini", folder);
    FILE *file = fopen(path, "w");
    if (!file)
        return -1;
    fprintf(file,
            "[data]\ntrain = \"%s\"\nval_fraction = 0\n[model]\nname = \"custom\"\n[optim]\nname = \"sgd\"\n"
            "momentum = 0\nweight_decay = 0\n[train]\nbatch_size = %d\nprecision = \"fp32\"\n"
            "[run]\ndir = \"%s/runs\"\n[[layer]]\ntype = \"linear\"\n",
            folder, IMAGES, folder);
    return fclose(file);
}

static int tear_down(void **state)
{
    (void)state;
    return folder_remove(folder);
}

/* Largest eigenvalue of the mean of x x', x the normalised pixels and a 1, by power iteration. */
static double largest_eigenvalue(void)
{
    static double x[IMAGES][PIXELS + 1];
    double mean = 0.0, square = 0.0, direction[PIXELS + 1], value = 0.0;
    for (int i = 0; i < IMAGES; i++)
        for (int k = 0; k < PIXELS; k++) {
            mean += pixels[i][k] / (double)(IMAGES * PIXELS);
            square += (double)pixels[i][k] * pixels[i][k] / (IMAGES * PIXELS);
        }
    for (int i = 0; i < IMAGES; i++) {
        for (int k = 0; k < PIXELS; k++)
            x[i][k] = (pixels[i][k] - mean) / sqrt(square - mean * mean);
        x[i][PIXELS] = 1.0;
    }
    for (int k = 0; k <= PIXELS; k++)
        direction[k] = 1.0;
    for (int turn = 0; turn < 200; turn++) {
        double next[PIXELS + 1] = {0}, length = 0.0;
        for (int i = 0; i < IMAGES; i++) {
            double along = 0.0;
            for (int k = 0; k <= PIXELS; k++)
                along += x[i][k] * direction[k] / IMAGES;
            for (int k = 0; k <= PIXELS; k++)
                next[k] += along * x[i][k];
        }
        for (int k = 0; k <= PIXELS; k++)
            length += next[k] * next[k];
        value = sqrt(length);
        for (int k = 0; k <= PIXELS; k++)
            direction[k] = next[k] / value;
    }
    return value;
}

/* What is said of a curve and of trials follows from their numbers. */
static void check_curve(const struct find_lr_curve *curve, const struct find_lr_options *options)
{
    enum { TRAIL = 5 };
    double lowest = INFINITY;
    for (int i = 0; i < curve->count; i++) {
        const double rate = options->from * pow(options->to / options->from, i / (options->steps - 1.0));
        assert_true(fabs(curve->rate[i] / rate - 1.0) < 1e-9);
    }
    for (int end = TRAIL; end <= curve->count; end++) {
        double mean = 0.0;
        for (int i = end - TRAIL; i < end; i++)
            mean += curve->loss[i] / TRAIL;
        lowest = fmin(lowest, mean);
        /* Over where it is 4 times the lowest, and nowhere before. */
        if (isfinite(mean) && mean > 4.0 * lowest)
            assert_int_equal(end, curve->count);
        else if (isfinite(mean) && end == curve->count)
            assert_int_equal(end, options->steps);
    }
}

static void check_trials(const struct find_lr_restart *restart)
{
    const struct find_lr_trial *best = NULL;
    double stable = 0.0;
    for (int i = 0; i < restart->trial_count; i++) {
        const struct find_lr_trial *trial = &restart->trials[i];
        if (trial->gain > 3.5 * trial->error && (!best || trial->gain > best->gain))
            best = trial;
    }
    for (int i = 0; best && i < restart->trial_count; i++)
        if (restart->trials[i].gain >= best->gain / 2.0)
            stable = fmax(stable, restart->trials[i].rate);
    assert_true(best ? restart->best == best->rate && restart->stable == stable
                     : isnan(restart->best) && isnan(restart->stable));
}

static void check_found(const struct find_lr *found, const struct find_lr_options *options)
{
    for (int r = 0; r < found->restart_count; r++) {
        if (found->steps == options->steps)
            check_curve(&found->restarts[r].curve, options);
        check_trials(&found->restarts[r]);
    }
    if (found->restart_count == 2 && found->best.count == 2)
        assert_true(fabs(found->best.middle / sqrt(found->restarts[0].best * found->restarts[1].best) - 1.0) < 1e-12);
}

/* words: overrides, parted by blanks. */
static void find(struct find_lr *found, const char *words, const struct find_lr_options *options)
{
    char path[PATH_BYTES], text[2 * PATH_BYTES], *rest = text;
    const char *overrides[8];
    int count = 0;
    struct config config;
    struct session session;
    snprintf(path, sizeof path, "%s/linear.ini", folder);
    snprintf(text, sizeof text, "%s", words);
    for (char *word; (word = strsep(&rest, " "));)
        overrides[count++] = word;
    assert_int_equal(config_load(&config, path, overrides, count, stderr), OK);
    if (session_open(&session, &config) < 0 || find_lr(found, &session, options) < 0)
        fail_msg("%s", fail_text());
    check_found(found, options);
    session_close(&session);
    config_free(&config);
}

static void check_limit(const char *word)
{
    const struct find_lr_options options = {.from = 1e-4, .to = 100.0, .steps = 60, .restarts = 2};
    struct find_lr found;
    double limit = 4.0 / largest_eigenvalue();
    find(&found, word, &options);
    print_message("# %s: limit %.4f, found %.4f (%.4f to %.4f), best %.4f\n", word, limit, found.stable.middle,
                  found.stable.low, found.stable.high, found.best.middle);
    assert_int_equal(found.stable.count, 2);
    assert_false(found.open_end);
    /* Not more than the steps between rates that were tried. */
    assert_true(found.stable.low > limit / 1.3);
    assert_true(found.stable.high < limit * 1.3);
    assert_true(found.best.high <= found.stable.high);
    find_lr_free(&found);
}

static void test_known_limit(void **unused)
{
    (void)unused;
    check_limit("train.precision=fp32 train.seed=1");
}

static void test_known_limit_in_16_bits(void **unused)
{
    (void)unused;
    check_limit("train.precision=bf16 train.seed=1");
}

static void test_the_same_again_and_no_run(void **unused)
{
    (void)unused;
    const struct find_lr_options options = {.from = 1e-4, .to = 10.0, .steps = 20, .restarts = 2};
    struct find_lr a, b;
    char runs[PATH_BYTES];
    find(&a, "train.batch_size=16", &options);
    find(&b, "train.batch_size=16", &options);
    for (int r = 0; r < 2; r++) {
        const struct find_lr_curve *curve = &a.restarts[r].curve;
        assert_int_equal(curve->count, b.restarts[r].curve.count);
        assert_memory_equal(curve->loss, b.restarts[r].curve.loss, (size_t)curve->count * sizeof *curve->loss);
        assert_int_equal(a.restarts[r].trial_count, b.restarts[r].trial_count);
        assert_true(a.restarts[r].trials[0].gain == b.restarts[r].trials[0].gain);
    }
    assert_true(a.restarts[0].curve.loss[0] != a.restarts[1].curve.loss[0]);
    snprintf(runs, sizeof runs, "%s/runs", folder);
    assert_false(file_exists(runs));
    find_lr_free(&a);
    find_lr_free(&b);
}

static void test_range_below_the_limit(void **unused)
{
    (void)unused;
    const struct find_lr_options options = {.from = 1e-4, .to = 0.1, .steps = 100, .restarts = 1};
    struct find_lr found;
    find(&found, "train.precision=fp32", &options);
    assert_true(found.open_end);
    assert_true(found.stable.middle <= 0.1 * (1.0 + 1e-9));
    find_lr_free(&found);
}

/* A range that begins where the loss is driven up already has nothing to find: that is counted, and not tried again
 * with more steps. */
static void test_range_above_the_limit(void **unused)
{
    (void)unused;
    const struct find_lr_options options = {.from = 50.0, .to = 100.0, .steps = 20, .restarts = 2, .most_steps = 80};
    struct find_lr found;
    find(&found, "train.precision=fp32", &options);
    assert_int_equal(found.best.count, 0);
    assert_int_equal(found.diverged, 2);
    assert_int_equal(found.steps, 20);
    find_lr_free(&found);
}

/* Nothing is gained where no rate changes a weight; a range of many powers of 2 is then not searched to its end. */
static void test_range_too_wide_to_search(void **unused)
{
    (void)unused;
    const struct find_lr_options options = {.from = 1e-40, .to = 1e-15, .steps = 8, .restarts = 8};
    struct find_lr found;
    int most = 0;
    find(&found, "train.batch_size=16", &options);
    assert_int_equal(found.restart_count, 8);
    for (int r = 0; r < 8; r++)
        most = found.restarts[r].trial_count > most ? found.restarts[r].trial_count : most;
    assert_int_equal(most, FIND_LR_TRIALS);
    assert_int_equal(found.best.count, 0);
    assert_int_equal(found.diverged, 0);
    find_lr_free(&found);
}

/* Rates that a few steps do not tell from guessing are tried with twice as many, until they are told or it is enough.
 */
static void test_more_steps_where_it_takes_them(void **unused)
{
    (void)unused;
    struct find_lr_options options = {.from = 3e-3, .to = 0.1, .steps = 8, .restarts = 2, .most_steps = 512};
    struct find_lr found;
    find(&found, "train.precision=fp32", &options);
    const int steps = found.steps;
    assert_true(steps > 8 && steps <= 512);
    assert_int_equal(found.restart_count, 2);
    assert_int_equal(found.best.count, 2);
    find_lr_free(&found);
    options.most_steps = steps - 1;
    find(&found, "train.precision=fp32", &options);
    assert_int_equal(found.steps, steps / 2);
    assert_true(found.best.count < 2);
    find_lr_free(&found);
}

static double mean_of(const double *values, int count)
{
    double sum = 0.0;
    for (int i = 0; i < count; i++)
        sum += values[i] / count;
    return sum;
}

/* With rates that move nothing the losses are those of the images: of each epoch in an order of its own, of a trial's
 * last quarter for the loss that is untrained, and the same however a step's images are batched. */
static void test_images_in_turn(void **unused)
{
    (void)unused;
    enum { STEPS = 13, LAST = 4, OF_EPOCH = 4 }; /* the last quarter begins in the epoch before the last */
    const struct find_lr_options options = {.from = 1e-12, .to = 2e-12, .steps = STEPS, .restarts = 1};
    struct find_lr one, two;
    find(&one, "train.batch_size=64", &options);
    find(&two, "train.batch_size=32 train.accumulate=2", &options);
    const struct find_lr_curve *curve = &one.restarts[0].curve;
    assert_int_equal(curve->count, STEPS);
    bool differs = false;
    for (int i = 0; i < OF_EPOCH; i++)
        differs |= fabs(curve->loss[i] - curve->loss[i + OF_EPOCH]) > 1e-4;
    assert_true(differs);
    assert_true(fabs(mean_of(curve->loss + STEPS - LAST, LAST) - one.restarts[0].untrained) < 1e-6);
    for (int i = 0; i < STEPS; i++)
        assert_true(fabs(curve->loss[i] - two.restarts[0].curve.loss[i]) < 1e-5);
    find_lr_free(&one);
    find_lr_free(&two);
}

/* Nothing is left of what was tried before, whatever moments the optimizer had. */
static void test_begins_anew(void **unused)
{
    (void)unused;
    const struct find_lr_options options = {.from = 1e-3, .to = 1.0, .steps = 12, .restarts = 1};
    const char *const words[] = {"optim.name=adam", "train.batch_size=16"};
    char path[PATH_BYTES];
    struct config config;
    struct session session;
    struct find_lr found[2];
    snprintf(path, sizeof path, "%s/linear.ini", folder);
    assert_int_equal(config_load(&config, path, words, COUNT_OF(words), stderr), OK);
    assert_int_equal(session_open(&session, &config), OK);
    for (int i = 0; i < 2; i++)
        assert_int_equal(find_lr(&found[i], &session, &options), OK);
    assert_int_equal(found[0].restarts[0].curve.count, found[1].restarts[0].curve.count);
    assert_memory_equal(found[0].restarts[0].curve.loss, found[1].restarts[0].curve.loss,
                        (size_t)found[0].restarts[0].curve.count * sizeof(double));
    for (int i = 0; i < 2; i++)
        find_lr_free(&found[i]);
    session_close(&session);
    config_free(&config);
}

static void test_files(void **unused)
{
    (void)unused;
    const struct find_lr_options options = {.from = 1e-3, .to = 10.0, .steps = 20, .restarts = 2};
    struct find_lr found;
    struct table table;
    char path[PATH_BYTES];
    find(&found, "train.precision=fp32", &options);
    snprintf(path, sizeof path, "%s/find_lr.csv", folder);
    assert_int_equal(find_lr_write_csv(&found, path), OK);
    assert_int_equal(table_read(&table, path), OK);
    int64_t rows = 0;
    for (int r = 0; r < 2; r++)
        rows += found.restarts[r].curve.count + found.restarts[r].trial_count;
    assert_int_equal(table.row_count, rows);
    assert_true(fabs(table_column(&table, "lr")[0] / 1e-3 - 1.0) < 1e-8);
    assert_true(fabs(table_column(&table, "loss")[0] / found.restarts[0].curve.loss[0] - 1.0) < 1e-8);
    table_free(&table);
    find_lr_free(&found);
}

/* First weights so large that the loss begins far above guessing: what is gained is counted from guessing, log 2 here.
 */
static void test_gain_begins_at_guessing(void **unused)
{
    (void)unused;
    const struct find_lr_options options = {.from = 1e-3, .to = 10.0, .steps = 20, .restarts = 2};
    struct find_lr found;
    find(&found, "model.init_scale=8 train.label_smoothing=0.25", &options);
    double entropy = 0.0, ones = 0.0;
    for (int i = 0; i < IMAGES; i++)
        ones += labels[i] / (double)IMAGES;
    entropy = -ones * log(ones) - (1.0 - ones) * log(1.0 - ones);
    for (int r = 0; r < 2; r++) {
        const struct find_lr_restart *restart = &found.restarts[r];
        assert_true(restart->untrained > 1.2 * entropy);
        assert_true(fabs(restart->begins - (0.75 * entropy + 0.25 * log(2.0))) < 1e-9);
        for (int i = 0; i < restart->trial_count; i++)
            assert_true(restart->trials[i].rate != restart->best ||
                        restart->trials[i].gain > 3.5 * restart->trials[i].error);
    }
    find_lr_free(&found);
}

/* What is drawn are the curves, up to half as high again above the beginning, and the two rates with their spread. */
static void test_chart(void **unused)
{
    (void)unused;
    const struct find_lr_options options = {.from = 1e-3, .to = 10.0, .steps = 60, .restarts = 2};
    struct find_lr found;
    struct charts charts = {0};
    struct chart_frame frame;
    find(&found, "train.precision=fp32", &options);
    find_lr_chart(&found, &charts);
    assert_int_equal(charts.count, 1);
    const struct chart *chart = &charts.list[0];
    assert_int_equal(chart->series_count, 2);
    for (int r = 0; r < 2; r++) {
        assert_int_equal(chart->series[r].count, found.restarts[r].curve.count);
        assert_ptr_equal(chart->series[r].y, found.restarts[r].curve.smooth);
    }
    assert_int_equal(chart->event_count, 2);
    assert_true(chart->events[0].at == found.best.middle && chart->events[1].at == found.stable.middle);
    assert_non_null(strstr(chart->events[1].text, "stable to "));
    assert_true(chart_frame_of(chart, &frame));
    assert_true(frame.top <= 2.0 * found.restarts[0].curve.smooth[0]);
    assert_true(frame.top >= found.restarts[0].curve.smooth[0]);
    assert_true(fabs(frame.left / 1e-3 - 1.0) < 1e-6);
    charts_free(&charts);
    find_lr_free(&found);
}

/* With model.weights every trial begins with those. */
static void test_given_weights(void **unused)
{
    (void)unused;
    const struct find_lr_options options = {.from = 1e-12, .to = 2e-12, .steps = 8, .restarts = 1};
    char path[PATH_BYTES], words[PATH_BYTES + 64];
    const char *const overrides[] = {"optim.lr=0.1", "train.epochs=20", "model.init_scale=4"};
    const struct train_request request = {.file = path, .overrides = overrides, .override_count = COUNT_OF(overrides)};
    struct train_result result;
    struct find_lr drawn, given;
    snprintf(path, sizeof path, "%s/linear.ini", folder);
    if (train_run(&request, &result) < 0)
        fail_msg("%s", fail_text());
    find(&drawn, "model.init_scale=4", &options);
    snprintf(words, sizeof words, "model.init_scale=4 model.weights=%s", result.path);
    find(&given, words, &options);
    assert_true(given.restarts[0].curve.loss[0] < drawn.restarts[0].curve.loss[0] - 0.1);
    assert_true(given.restarts[0].untrained < drawn.restarts[0].untrained - 0.1);
    find_lr_free(&drawn);
    find_lr_free(&given);
}

int main(void)
{
    setlocale(LC_CTYPE, "C.UTF-8");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_limit),
        cmocka_unit_test(test_known_limit_in_16_bits),
        cmocka_unit_test(test_the_same_again_and_no_run),
        cmocka_unit_test(test_range_below_the_limit),
        cmocka_unit_test(test_range_above_the_limit),
        cmocka_unit_test(test_range_too_wide_to_search),
        cmocka_unit_test(test_more_steps_where_it_takes_them),
        cmocka_unit_test(test_gain_begins_at_guessing),
        cmocka_unit_test(test_images_in_turn),
        cmocka_unit_test(test_begins_anew),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_chart),
        cmocka_unit_test(test_given_weights),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
