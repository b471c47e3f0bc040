/* test_run_charts: what the charts of a run show of a steps.csv and a results.csv whose courses are known. */
#include "report.h"
#include "table.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { STEPS = 1000, SMOOTH = 64, EPOCH = 100 };

static struct run_facts facts;
static struct charts charts;

/* The loss goes from 3 to 1 along a line, by far more than batches scatter; gradients are as long as the step's number,
 * each fifth of them (2, 7 …) not known; the noise scale is 2 (step + 1), measured in every tenth step. */
static int set_up(void **state)
{
    (void)state;
    char *text = malloc(STEPS * 128), *at = text;
    at += sprintf(at, "step,epoch,samples,loss,loss_variance,loss_smooth,loss_smooth_error,grad_norm,update_ratio,lr,"
                      "bad,noise_grad,noise_trace\n");
    for (int i = 0; i < STEPS; i++) {
        const double loss = 3.0 - 2.0 * i / STEPS;
        char grad[16] = "", noise[48] = ",";
        if (i % 5 != 2)
            snprintf(grad, sizeof grad, "%d", i);
        if (i % 10 == 0)
            snprintf(noise, sizeof noise, "0.5,%d", i + 1);
        at +=
            sprintf(at, "%d,%d,64,%.9g,0.01,%.9g,0.001,%s,0.001,0.1,0,%s\n", i, i / EPOCH + 1, loss, loss, grad, noise);
    }
    assert_int_equal(table_parse(&facts.steps, "steps.csv", text, strlen(text)), OK);
    at = text + sprintf(text, "epoch,val/loss,metrics/accuracy_top1,best,plateau_cut\n");
    for (int e = 0; e < STEPS / EPOCH; e++)
        at += sprintf(at, "%d,%.9g,%.9g,%d,%d\n", e + 1, 3.0 - 0.2 * e, 0.1 * e, e < 7, e == 4);
    assert_int_equal(table_parse(&facts.results, "results.csv", text, strlen(text)), OK);
    free(text);
    stability_of(&facts.steps, 0.0, &facts.stability);
    run_charts(&charts, &facts);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    charts_free(&charts);
    table_free(&facts.steps);
    table_free(&facts.results);
    return 0;
}

static const struct chart *chart_of(const char *id)
{
    const struct chart *chart = charts_find(&charts, id);
    if (!chart)
        fail_msg("no chart %s", id);
    return chart;
}

static const struct chart_series *line_of(const struct charts *from, const char *id, const char *name)
{
    const struct chart *chart = charts_find(from, id);
    for (int i = 0; chart && i < chart->series_count; i++)
        if (strcmp(chart->series[i].name, name) == 0)
            return &chart->series[i];
    fail_msg("chart %s: no series %s", id, name);
    return NULL;
}

static const struct chart_series *series_of(const char *id, const char *name)
{
    return line_of(&charts, id, name);
}

/* A mean of 64 steps stands at their middle, so that a straight line comes out as itself. */
static void test_smoothed_lines_do_not_lag(void **state)
{
    (void)state;
    const struct chart_series *line = series_of("loss", "training"), *band = series_of("loss", "");
    assert_int_equal(line->count, STEPS);
    assert_true(line->x[10] == 5.0 && line->x[SMOOTH - 1] == 31.5 && line->x[SMOOTH] == 32.5);
    assert_true(line->x[STEPS - 1] == STEPS - 1 - 31.5);
    assert_true(fabs(band->y[500] - line->y[500] - 0.002) < 1e-9 && fabs(line->y[500] - band->low[500] - 0.002) < 1e-9);
}

/* Of 64 rows those that are known: what has left the window does not count. */
static void test_running_median(void **state)
{
    (void)state;
    const struct chart_series *median = series_of("gradient", "median of 64");
    static const int rows[] = {5, 6, SMOOTH - 1, SMOOTH, SMOOTH + 1, 500, STEPS - 1};
    for (int k = 0; k < COUNT_OF(rows); k++) {
        double known[SMOOTH] = {0};
        int count = 0;
        for (int i = rows[k] >= SMOOTH ? rows[k] - SMOOTH + 1 : 0; i <= rows[k]; i++)
            if (i % 5 != 2)
                known[count++] = i;
        const double wanted = 0.5 * (known[(count - 1) / 2] + known[count / 2]);
        if (count < 5 ? !isnan(median->y[rows[k]]) : median->y[rows[k]] != wanted)
            fail_msg("row %d: %g, expected %g", rows[k], median->y[rows[k]], wanted);
    }
}

/* Stacked: each layer lies on the one below; here all but nothing is trend. */
static void test_shares_are_stacked(void **state)
{
    (void)state;
    const struct chart_series *chance = series_of("split", "chance"), *motion = series_of("split", "motion");
    const struct chart_series *trend = series_of("split", "trend");
    for (int64_t i = 0; i < chance->count; i++) {
        assert_true(chance->low[i] == 0.0 && motion->low[i] == chance->y[i] && trend->low[i] == motion->y[i]);
        assert_true(fabs(trend->y[i] - 1.0) < 1e-9);
        /* The line alone has 0.0133 a window of 200 steps, a batch of 64 has 0.01 / 64. */
        assert_true(fabs(chance->y[i] - 0.0116) < 0.001 && motion->y[i] - chance->y[i] < 0.001);
    }
    /* Of images in their order motion is not the weights' alone. */
    assert_non_null(strstr(charts_find(&charts, "split")->how, "the weights swing or wander"));
    struct charts ordered = {0};
    facts.stability.in_order = true;
    run_charts(&ordered, &facts);
    facts.stability.in_order = false;
    assert_non_null(strstr(charts_find(&ordered, "split")->how, "or other images come"));
    charts_free(&ordered);
    assert_true(chance->x[0] == 99.5 && chance->x[chance->count - 1] == STEPS - 1 - 99.5);
}

/* Each point is of 16 measurements in a row, at their middle. */
static void test_noise_scale_over_time(void **state)
{
    (void)state;
    const struct chart_series *noise = series_of("noise", "");
    const struct chart *chart = chart_of("noise");
    assert_true(noise->count > 10);
    for (int64_t i = 0; i < noise->count; i++) {
        assert_true(fabs(noise->y[i] / (2.0 * (noise->x[i] + 1.0)) - 1.0) < 1e-9);
        assert_true(noise->low[i] < noise->y[i] && noise->y[i] < noise->high[i]);
    }
    assert_true(chart->limit_count == 1 && chart->limits[0].at == 64.0);
}

/* Epochs end with their last step; the last best one and the cut are marked there. */
static void test_epochs_lie_at_their_ends(void **state)
{
    (void)state;
    const struct chart_series *validation = series_of("loss", "validation");
    const struct chart *chart = chart_of("loss");
    assert_int_equal(validation->count, STEPS / EPOCH);
    for (int e = 0; e < STEPS / EPOCH; e++)
        assert_true(validation->x[e] == EPOCH * (e + 1) - 1 && fabs(validation->y[e] - 3.0 + 0.2 * e) < 1e-9);
    assert_int_equal(chart->event_count, 2);
    assert_true(chart->events[0].at == 499.0 && strstr(chart->events[0].text, "plateau"));
    assert_true(chart->events[1].at == 699.0 && strcmp(chart->events[1].text, "best") == 0);
}

/* A run of so many rows, the loss of each its number but for the refused row 20; epochs of 8 batches of 25 of 200
 * images, each batch with a squared standard error of 0.04. Each row stands for `every` steps. */
static void open_short(struct run_facts *run, struct charts *drawn, int rows, int every)
{
    char *text = malloc((size_t)(rows + 2) * 64), *at = text;
    *run = (struct run_facts){.name = "short"};
    *drawn = (struct charts){0};
    at += sprintf(
        at, "step,epoch,samples,loss,loss_variance,loss_smooth,loss_smooth_error,grad_norm,update_ratio,lr,bad\n");
    for (int i = 0; i < rows; i++)
        at += sprintf(at, "%d,%d,25,%d,1,99,99,%d,0.001,0.1,%d\n", every * i, i / 8 + 1, i, i, i == 20);
    assert_int_equal(table_parse(&run->steps, "steps.csv", text, strlen(text)), OK);
    free(text);
    stability_of(&run->steps, 200.0, &run->stability);
    run_charts(drawn, run);
}

static void close_short(struct run_facts *run, struct charts *drawn)
{
    charts_free(drawn);
    table_free(&run->steps);
}

/* Lines of a run that is shorter than four windows are smoothed over a quarter of it, with the error of so many. */
static void test_short_runs_are_smoothed_over_a_quarter(void **state)
{
    (void)state;
    enum { QUARTER = 10 };
    struct run_facts run;
    struct charts drawn;
    open_short(&run, &drawn, 40, 1);
    const struct chart_series *line = line_of(&drawn, "loss", "training"), *band = line_of(&drawn, "loss", "");
    const struct chart_series *median = line_of(&drawn, "gradient", "median of 10");
    assert_non_null(strstr(charts_find(&drawn, "loss")->how, "mean of 10 batches"));
    assert_true(line->x[39] == 34.5 && fabs(line->y[39] - 34.5) < 1e-9 && line->y[2] == 1.0);
    assert_true(fabs(line->y[24] - (15 + 16 + 17 + 18 + 19 + 21 + 22 + 23 + 24) / 9.0) < 1e-9);
    assert_true(median->y[39] == 34.5 && median->x[39] == 34.5);
    /* Of rows 30 to 39 two are the last of an epoch and eight a whole one, which drew every image. */
    assert_true(fabs(band->y[39] - line->y[39] - 2.0 * sqrt(2 * 0.04 * 0.75) / QUARTER) < 1e-9);
    close_short(&run, &drawn);
}

/* steps.csv's own mean is of neighbouring steps, not of rows. */
static void test_rows_apart_are_smoothed_by_rows(void **state)
{
    (void)state;
    struct run_facts run;
    struct charts drawn;
    open_short(&run, &drawn, 300, 10);
    const struct chart_series *line = line_of(&drawn, "loss", "training");
    assert_true(line->x[299] == 10 * 267.5 && fabs(line->y[299] - 267.5) < 1e-9);
    close_short(&run, &drawn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_smoothed_lines_do_not_lag),
        cmocka_unit_test(test_running_median),
        cmocka_unit_test(test_shares_are_stacked),
        cmocka_unit_test(test_noise_scale_over_time),
        cmocka_unit_test(test_epochs_lie_at_their_ends),
        cmocka_unit_test(test_short_runs_are_smoothed_over_a_quarter),
        cmocka_unit_test(test_rows_apart_are_smoothed_by_rows),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
