/* test_series: what the columns of a run are made into for its charts, worked out anew the plain way, row by row, of a
 * run with all that breaks a course: refused steps, losses that are not known, an epoch that ends early, steps left
 * out.
 */
#include "series.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 300, ROOM = 128, FIRST = 3 }; /* the first row's step */

static struct run_facts facts;
static struct arena arena;

static void assert_is(double got, double wanted, const char *what, int row)
{
    if (!(isnan(wanted) ? isnan(got) : got == wanted || fabs(got - wanted) <= 1e-12 * fmax(1.0, fabs(wanted))))
        fail_msg("%s, row %d: %.12g, expected %.12g", what, row, got, wanted);
}

static int epoch_of(int row)
{
    return row < 1     ? 1
           : row < 150 ? 2
           : row < 151 ? 3
                       : 5; /* the first and third are of one row, the fourth has none */
}

/* Steps between rows: `apart`; the noise scale in each fourth row, half of what it needs in others. */
static void read_run(int rows, int apart)
{
    char *text = malloc((size_t)(rows + 1) * ROOM), *at = text;
    at +=
        sprintf(at, "step,epoch,samples,loss,loss_variance,loss_smooth,loss_smooth_error,bad,noise_grad,noise_trace\n");
    for (int i = 0; i < rows; i++) {
        at += sprintf(at, "%d,%d,%d,", FIRST + i * apart, epoch_of(i), i % 3 ? 32 : 16);
        at += i % 41 == 7 ? sprintf(at, ",,") : sprintf(at, "%.3f,%.2f,", 2.0 + i * 37 % 23 / 46.0, 0.5 + i % 5 * 0.1);
        at += sprintf(at, "7,8,%d,", i % 29 == 3);
        if (i % 4)
            at += sprintf(at, "%s,%s\n", i % 4 == 1 ? "0.5" : "", i % 4 == 2 ? "9" : "");
        else /* at first it leads nowhere; one trace is all of the scatter */
            at += sprintf(at, "%.3f,%d\n", (i % 24 && i >= 40) || i > 150 ? 0.2 + i % 7 * 0.05 : -1.5,
                          i == 200 ? 20000 : 10 + i % 13);
    }
    table_free(&facts.steps);
    assert_int_equal(table_parse(&facts.steps, "steps.csv", text, strlen(text)), OK);
    free(text);
    stability_of(&facts.steps, 0.0, &facts.stability);
}

static int set_up(void **state)
{
    (void)state;
    static const char results[] = "epoch,val/loss\n1,1\n2,1\n3,1\n4,1\n5,1\n";
    read_run(ROWS, 1);
    return table_parse(&facts.results, "results.csv", results, strlen(results));
}

static int tear_down(void **state)
{
    (void)state;
    table_free(&facts.steps);
    table_free(&facts.results);
    arena_free(&arena);
    return 0;
}

static void test_ends_of_epochs(void **state)
{
    (void)state;
    static const double wanted[] = {FIRST, FIRST + 149.0, FIRST + 150.0, NAN, FIRST + ROWS - 1};
    const double *ends = epoch_ends(&arena, &facts);
    for (int e = 0; e < COUNT_OF(wanted); e++)
        assert_is(ends[e], wanted[e], "end of an epoch", e);
    struct run_facts none = {.results = facts.results}; /* no steps.csv */
    assert_true(isnan(epoch_ends(&arena, &none)[0]));
}

static void test_windows(void **state)
{
    (void)state;
    enum { WINDOW = 9 };
    const double *loss = steps_column(&facts, "loss"), *step = steps_column(&facts, "step");
    const double *middles = window_middles(&arena, step, ROWS, WINDOW);
    const double *medians = rolling_median(&arena, loss, ROWS, WINDOW), *sums = plus(&arena, ROWS, step, -2.0, middles);
    for (int i = 0; i < ROWS; i++) {
        double known[WINDOW] = {0};
        int count = 0;
        const int first = i < WINDOW ? 0 : i - WINDOW + 1;
        for (int j = first; j <= i; j++) {
            int place = count;
            if (isnan(loss[j]))
                continue;
            for (; place > 0 && known[place - 1] > loss[j]; place--)
                known[place] = known[place - 1];
            known[place] = loss[j];
            count++;
        }
        assert_is(medians[i], count < 5 ? NAN : 0.5 * (known[(count - 1) / 2] + known[count / 2]), "median", i);
        assert_is(middles[i], FIRST + 0.5 * (first + i), "middle", i);
        assert_is(sums[i], step[i] - 2.0 * middles[i], "sum", i);
    }
}

/* A quarter of a run, from 5 to 64 rows. */
static void test_width_of_smoothing(void **state)
{
    (void)state;
    static const int wanted[][2] = {{0, 5}, {23, 5}, {24, 6}, {100, 25}, {255, 63}, {256, 64}, {4000, 64}};
    for (int i = 0; i < COUNT_OF(wanted); i++)
        assert_int_equal(smooth_window(wanted[i][0]), wanted[i][1]);
}

/* Mean of the losses that count, and the errors of each epoch's batches, drawn without replacement. */
static void test_smoothed_loss(void **state)
{
    (void)state;
    enum { WINDOW = 25 };
    const double *loss = steps_column(&facts, "loss"), *bad = steps_column(&facts, "bad");
    const double *variance = steps_column(&facts, "loss_variance"), *samples = steps_column(&facts, "samples");
    static const double designs[] = {NAN, 2.25}, images[] = {0.0, 400.0, 3000.0};
    for (int k = 0; k < COUNT_OF(designs) * COUNT_OF(images); k++) {
        facts.stability.last.design.value = designs[k % 2];
        facts.stability.images = images[k / 2];
        struct loss_series series;
        assert_true(loss_series_of(&facts.steps, facts.stability.images, &series));
        const struct smooth_loss smooth = smooth_loss_of(&arena, &facts, WINDOW);
        for (int i = 0; i < ROWS; i++) {
            double sum = 0.0, squares[6] = {0}, drawn[6] = {0}, error = 0.0;
            int count = 0;
            for (int j = i < WINDOW ? 0 : i - WINDOW + 1; j <= i; j++)
                if (!isnan(loss[j]) && bad[j] == 0.0) {
                    sum += loss[j];
                    squares[epoch_of(j)] += variance[j] / samples[j];
                    drawn[epoch_of(j)] += samples[j];
                    count++;
                }
            for (int e = 1; e < 6; e++)
                error += squares[e] * (series.images > 0.0 ? fmax(0.0, 1.0 - drawn[e] / series.images) : 1.0);
            assert_is(smooth.mean[i], count ? sum / count : NAN, "mean", i);
            assert_is(smooth.error[i], (k % 2 ? 1.5 : 1.0) * sqrt(error) / count, "error", i);
        }
    }
    facts.stability.images = 0.0;
    facts.stability.last.design.value = NAN;
    /* A loss that has lost its way is no part of the line, nor is its error; one of a run that is lost all along is. */
    double *losses = (double *)table_column(&facts.steps, "loss");
    const double before = losses[150], usual = smooth_loss_of(&arena, &facts, WINDOW).mean[149];
    losses[150] = 1e13;
    facts.diagnosis.guess = 2.3;
    assert_true(smooth_loss_of(&arena, &facts, WINDOW).some_lost);
    for (int i = 150; i < 150 + WINDOW; i++)
        assert_true(fabs(smooth_loss_of(&arena, &facts, WINDOW).mean[i] - usual) < usual);
    const double own = smooth_loss_of(&arena, &facts, LOSS_WINDOW).mean[150]; /* not steps.csv's then */
    assert_true(own < 22.0 && own != 7.0);
    facts.diagnosis.guess = 1e-6;
    losses[150] = before;
    assert_true(smooth_loss_of(&arena, &facts, WINDOW).some_lost);
    assert_is(smooth_loss_of(&arena, &facts, WINDOW).mean[149], usual, "mean of a lost run", 149);
    facts.diagnosis.guess = 0.0;
    /* steps.csv's own over 64 rows, but not where steps lie between them. */
    assert_true(smooth_loss_of(&arena, &facts, LOSS_WINDOW).mean[100] == 7.0);
    read_run(ROWS, 2);
    assert_false(smooth_loss_of(&arena, &facts, LOSS_WINDOW).mean[100] == 7.0);
    read_run(ROWS, 1);
}

/* A run of these losses, one step a row but for `skipped` before the last. */
static void read_losses(const double *losses, int rows, int skipped)
{
    char *text = malloc((size_t)(rows + 1) * ROOM), *at = text;
    at += sprintf(at, "step,epoch,samples,loss,loss_variance,loss_smooth,loss_smooth_error,bad\n");
    for (int i = 0; i < rows; i++)
        at += sprintf(at, "%d,1,16,%.9g,0.25,7,8,0\n", i + (i == rows - 1) * skipped, losses[i]);
    table_free(&facts.steps);
    assert_int_equal(table_parse(&facts.steps, "steps.csv", text, strlen(text)), OK);
    free(text);
    stability_of(&facts.steps, 0.0, &facts.stability);
}

/* Lost is what is over ten times guessing and ten times the median of the window, once that is known. */
static void test_what_has_lost_its_way(void **state)
{
    (void)state;
    enum { COUNT = 80, WINDOW = 10 };
    double losses[COUNT];
    for (int i = 0; i < COUNT; i++)
        losses[i] = 1.0;
    facts.diagnosis.guess = 1.0;
    losses[50] = 10.0;
    read_losses(losses, COUNT, 0);
    assert_false(smooth_loss_of(&arena, &facts, WINDOW).some_lost);
    losses[50] = 10.1;
    losses[20] = 10.0;
    losses[1] = 10.1;
    read_losses(losses, COUNT, 0);
    struct smooth_loss smooth = smooth_loss_of(&arena, &facts, WINDOW);
    assert_true(smooth.some_lost);
    assert_is(smooth.mean[50], 1.0, "mean without what is lost", 50);
    assert_is(smooth.error[50], 0.125 / sqrt(WINDOW - 1.0), "its error", 50);
    assert_is(smooth.mean[20], 1.9, "mean with the most there may be", 20);
    assert_is(smooth.mean[1], 5.55, "mean before the median is known", 1);
    assert_is(smooth_loss_of(&arena, &facts, 1).mean[50], 10.1, "mean of a window too short for a median", 50);
    /* A low median does not make a loss that is below guessing's limit one; a high one allows for more. */
    for (int i = 0; i < COUNT; i++)
        losses[i] = i < 40 ? 0.01 : 4.0;
    losses[20] = 5.0;
    losses[60] = 39.0;
    losses[70] = 41.0;
    read_losses(losses, COUNT, 0);
    smooth = smooth_loss_of(&arena, &facts, WINDOW);
    assert_is(smooth.mean[20], 0.509, "mean at a low median", 20);
    assert_is(smooth.mean[60], 7.5, "mean at a high median", 60);
    assert_is(smooth.mean[70], 4.0, "mean beyond it", 70);
    facts.diagnosis.guess = 0.0;
    facts.stability.last.design.value = 0.81;
    read_losses(losses, COUNT, 0);
    facts.stability.last.design.value = 0.81;
    assert_is(smooth_loss_of(&arena, &facts, WINDOW).error[30], 0.9 * 0.125 / sqrt(WINDOW), "error", 30);
    facts.stability.last.design.value = NAN;
    /* No loss of the window counts; and one step that is not there is one too many for steps.csv's own. */
    losses[30] = INFINITY;
    read_losses(losses, COUNT, 0);
    smooth = smooth_loss_of(&arena, &facts, 1);
    assert_true(isnan(smooth.mean[30]) && isnan(smooth.error[30]));
    assert_is(smooth_loss_of(&arena, &facts, LOSS_WINDOW).mean[70], 7.0, "steps.csv's own", 70);
    read_losses(losses, COUNT, 1);
    assert_false(smooth_loss_of(&arena, &facts, LOSS_WINDOW).mean[70] == 7.0);
    const double *medians = rolling_median(&arena, losses, COUNT, COUNT);
    assert_is(medians[32], 0.01, "median of what is finite", 32);
    const double few[] = {INFINITY, 1.0, 2.0, 3.0, 4.0, 5.0};
    assert_is(rolling_median(&arena, few, 6, 6)[5], 3.0, "median of what is finite", 5);
    read_run(ROWS, 1);
}

/* Windows of a quarter of the run, from 40 to 200 rows, one at each row until there are 160, the last one at the end.
 */
static void test_split(void **state)
{
    (void)state;
    static const int lengths[][3] = {{39, 40, 0},    {40, 40, 1},     {41, 40, 2},
                                     {213, 53, 160}, {ROWS, 75, 160}, {1000, 200, 160}};
    for (int k = 0; k < COUNT_OF(lengths); k++) {
        const int rows = lengths[k][0], window = lengths[k][1], points = lengths[k][2];
        struct split_series split;
        struct loss_series series;
        read_run(rows, 1);
        split_over_time(&arena, &facts, &split);
        assert_true(split.window == window && split.count == points);
        assert_true(loss_series_of(&facts.steps, facts.stability.images, &series));
        for (int i = 0; i < points; i++) {
            const int first = points > 1 ? (int)((double)(rows - window) * i / (points - 1)) : 0;
            struct fluctuation here;
            fluctuation_of(&series, first, first + window, facts.stability.epoch_steps, &here);
            assert_is(split.step[i], FIRST + first + 0.5 * (window - 1), "middle of a window", i);
            assert_is(split.sampling[i], here.sampling.value, "sampling", i);
            assert_is(split.motion[i], here.motion.value, "motion", i);
            assert_is(split.trend[i], here.trend.value, "trend", i);
        }
    }
    read_run(ROWS, 1);
}

/* Stretches of 16 measurements, one at each until there are 60; in the middle of their steps. */
static void test_noise(void **state)
{
    (void)state;
    static const int lengths[][2] = {{60, 0}, {61, 1}, {65, 2}, {ROWS, 60}, {ROWS + 1, 60}};
    int unknown = 0, unbounded = 0;
    for (int k = 0; k < COUNT_OF(lengths); k++) {
        struct noise_series noise;
        read_run(lengths[k][0], 1);
        noise_over_time(&arena, &facts, &noise);
        assert_int_equal(noise.count, lengths[k][1]);
        const double *grad = steps_column(&facts, "noise_grad"), *trace = steps_column(&facts, "noise_trace");
        const int measured = (lengths[k][0] + 3) / 4;
        for (int i = 0; i < noise.count; i++) {
            const int at = noise.count > 1 ? (int)((double)(measured - 16) * i / ((int)noise.count - 1)) : 0;
            const struct estimate here = noise_scale_of(grad + 4 * at, trace + 4 * at, 61);
            assert_is(noise.step[i], FIRST + 4 * at + 30, "middle of a stretch", i);
            assert_is(noise.value[i], isfinite(here.value) ? here.value : NAN, "noise scale", i);
            unknown += isnan(noise.value[i]);
            unbounded += isfinite(here.high) && !(here.low > 0.0);
            assert_is(noise.low[i], here.low > 0.0 && isfinite(here.high) ? here.low : NAN, "its low end", i);
            assert_is(noise.high[i], isfinite(here.high) ? here.high : NAN, "its high end", i);
        }
    }
    assert_true(unknown > 0 && unbounded > 0);
    read_run(ROWS, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ends_of_epochs),
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_width_of_smoothing),
        cmocka_unit_test(test_smoothed_loss),
        cmocka_unit_test(test_what_has_lost_its_way),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_noise),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
