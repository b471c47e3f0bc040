/* test_sweep_table: the table over seeds, on run directories that are written here, with answers
 * that are known. */
#include "made_sweep.h"
#include "report.h"
#include "table.h"
#include "tiny_run.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ASSERT_NEAR(value, wanted, share)                                                                              \
    if (!(fabs((value) / (wanted)-1.0) < (share)))                                                                     \
    fail_msg("%s is %g, expected %g", #value, (double)(value), (double)(wanted))

/* A point's noise scale beside its interval: as measurements scatter, and without an upper end where the gradient
 * cannot be told from 0; shown, and written. */
static void test_noise_scale_has_an_interval(void **unused)
{
    (void)unused;
    struct sweep sweep;
    struct sweep_table table;
    struct sweep_cells cells;
    make_sweep(&sweep, "noise", "bs=4,8,16", 3);
    static const double scatter[] = {0.0, 2.5, 25.0}; /* of measurements 0.25 in the mean: 1250 of them */
    for (int run = 0; run < sweep.run_count; run++) {
        const struct made made = {.batch = 4 << sweep.runs[run].point,
                                  .steps = 2500,
                                  .epochs = 2,
                                  .spread = 0.8,
                                  .seconds = 1,
                                  .noise_trace = 30,
                                  .noise_grad = 0.25,
                                  .noise_scatter = scatter[sweep.runs[run].point]};
        write_run(&sweep, run, &made);
    }
    make_table(&table, &sweep, NAN);
    const struct sweep_range *exact = &table.rows[0].noise_scale, *known = &table.rows[1].noise_scale;
    const struct sweep_range *unbounded = &table.rows[2].noise_scale;
    ASSERT_NEAR(exact->low, 120.0, 1e-6);
    ASSERT_NEAR(exact->high, 120.0, 1e-6);
    /* The mean's standard error is 0.07 of 0.25: 1 / (1 + 0.55) to 1 / (1 - 0.55) of the scale. */
    ASSERT_NEAR(known->low, 120.0 / 1.55, 0.3);
    ASSERT_NEAR(known->high, 120.0 / 0.45, 0.5);
    assert_true(known->low < known->median && known->median < known->high);
    assert_true(isinf(unbounded->high) && unbounded->low > 0.0 && unbounded->low < 120.0);
    int column = 0;
    sweep_table_cells(&table, -1, &cells);
    while (column < cells.count && strcmp(cells.text[column], "noise") != 0)
        column++;
    assert_true(column < cells.count);
    sweep_table_cells(&table, 1, &cells);
    assert_true(strstr(cells.text[column], " (") && strstr(cells.text[column], ".."));
    sweep_table_cells(&table, 2, &cells);
    assert_true(strstr(cells.text[column], "..)"));
    sweep_table_free(&table);
    sweep_free(&sweep);
}

/* ---- one run ---- */

static void test_fluctuation_and_its_shares(void **unused)
{
    (void)unused;
    struct sweep sweep;
    struct sweep_table table;
    make_sweep(&sweep, "shares", "bs=4,16,64", 1);
    const struct made all_sampling = {.batch = 4,
                                      .steps = 4000,
                                      .epochs = 4,
                                      .from = 2,
                                      .to = 1,
                                      .spread = 0.8,
                                      .seconds = 1,
                                      .noise_trace = 30,
                                      .noise_grad = 0.25};
    struct made mixed = all_sampling, short_run = all_sampling;
    mixed.batch = 16;
    mixed.motion = 0.2 * sqrt(3.0); /* sampling leaves 0.2: a quarter of the variance, 0.4 in all */
    short_run.batch = 64;
    short_run.steps = 30;
    write_run(&sweep, 0, &all_sampling);
    write_run(&sweep, 1, &mixed);
    write_run(&sweep, 2, &short_run);
    make_table(&table, &sweep, 1.5);
    ASSERT_NEAR(table.rows[0].fluctuation.median, 0.4, 0.05);
    ASSERT_NEAR(table.rows[0].sampling.median, 1.0, 0.06);
    ASSERT_NEAR(table.rows[1].fluctuation.median, 0.4, 0.05);
    ASSERT_NEAR(table.rows[1].sampling.median, 0.25, 0.1);
    ASSERT_NEAR(table.rows[1].motion, 0.75, 0.1);
    ASSERT_NEAR(table.rows[0].noise_scale.median, 120.0, 1e-6);
    assert_true(table.rows[0].images == 4.0 && table.rows[2].images == 64.0);
    /* Too few steps for a spread: missing, not 0. */
    assert_true(isnan(table.rows[2].fluctuation.median) && isnan(table.rows[2].sampling.median));
    sweep_table_free(&table);
    sweep_free(&sweep);
}

static void test_steps_and_seconds_to_the_target(void **unused)
{
    (void)unused;
    struct sweep sweep;
    struct sweep_table table;
    make_sweep(&sweep, "target", "bs=10,20", 1);
    /* Without any noise the loss of step i is 2 - i / 1000; its mean over the last 100 steps (1000 images) is 1.5 with
     * steps 450.5 .. 549.5 about 500. An epoch of 250 steps takes 10 s. */
    const struct made fast = {.batch = 10, .steps = 2000, .epochs = 8, .from = 2, .to = 0, .seconds = 10};
    const struct made never = {.batch = 20, .steps = 2000, .epochs = 8, .from = 3, .to = 1.6, .seconds = 10};
    write_run(&sweep, 0, &fast);
    write_run(&sweep, 1, &never);
    make_table(&table, &sweep, 1.5);
    assert_true(table.rows[0].target_steps.median == 551.0); /* 451 to 550: their mean is the first below */
    ASSERT_NEAR(table.rows[0].target_seconds.median, table.rows[0].target_steps.median / 250.0 * 10.0, 1e-6);
    assert_int_equal(table.rows[0].reached, 1);
    assert_int_equal(table.rows[1].reached, 0);
    assert_true(isinf(table.rows[1].target_steps.median) && isinf(table.rows[1].target_seconds.median));
    ASSERT_NEAR(table.rows[0].images_per_second.median, 250.0, 1e-6);
    sweep_table_free(&table);
    /* Left to itself it is where the median point ended: between 0.05 and 1.635 here. */
    make_table(&table, &sweep, NAN);
    ASSERT_NEAR(table.target, (0.05 + 1.6 + 0.035 / 2.0) / 2.0, 0.01);
    sweep_table_free(&table);
    sweep_free(&sweep);
}

/* ---- over seeds ---- */

static void test_ends_of_runs_are_counted(void **unused)
{
    (void)unused;
    struct sweep sweep;
    struct sweep_table table;
    make_sweep(&sweep, "ends", "bs=8,16", 5);
    for (int seed = 0; seed < 5; seed++) {
        struct made made = {.batch = 8,
                            .steps = 400,
                            .epochs = 2,
                            .from = 2,
                            .to = 1,
                            .seconds = 1,
                            .val_loss = 1 + seed,
                            .val_accuracy = 0.5 + 0.1 * seed};
        if (seed == 3)
            made.failed_at = 312;
        if (seed != 4) /* not begun */
            write_run(&sweep, 2 * seed, &made);
    }
    make_table(&table, &sweep, 1.2);
    const struct sweep_row *row = &table.rows[0];
    assert_int_equal(row->runs, 5);
    assert_int_equal(row->done, 3);
    assert_int_equal(row->diverged, 1);
    assert_int_equal(row->unfinished, 1);
    /* The failed one is no part of the medians. */
    assert_true(row->val_loss.median == 2.0 && row->val_loss.low == 1.0 && row->val_loss.high == 3.0);
    ASSERT_NEAR(row->val_accuracy.median, 0.6, 1e-9);
    assert_int_equal(table.rows[1].unfinished, 5);
    assert_true(isnan(table.rows[1].val_loss.median));
    struct sweep_outcome outcome;
    char text[200];
    assert_int_equal(sweep_outcome(&sweep, 6, &outcome), OK);
    assert_int_equal(outcome.state, SWEEP_DIVERGED);
    sweep_outcome_text(&sweep, 6, &outcome, text, sizeof text);
    assert_string_equal(text, "diverged at step 312");
    sweep_table_free(&table);
    sweep_free(&sweep);
}

static void test_a_failure_that_is_no_result(void **unused)
{
    (void)unused;
    struct sweep sweep;
    struct sweep_outcome outcome;
    make_sweep(&sweep, "disk", "bs=8,16", 1);
    const struct made made = {.batch = 8, .steps = 10, .epochs = 1, .failed_at = 5};
    write_run(&sweep, 0, &made);
    char folder[PATH_BYTES];
    assert_int_equal(sweep_file(&sweep, sweep.runs[0].name, folder), OK);
    static const struct {
        int exit_status;
        enum sweep_state state;
    } cases[] = {{1, SWEEP_DIVERGED}, {71, SWEEP_NO_MEMORY}, {74, SWEEP_BEGUN}, {69, SWEEP_BEGUN}};
    for (int i = 0; i < COUNT_OF(cases); i++) {
        char path[PATH_BYTES];
        assert_int_equal(path_join(path, folder, "log.jsonl"), OK);
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fprintf(file, "{\"event\":\"failed\",\"exit_status\":%d}\n", cases[i].exit_status);
        assert_int_equal(fclose(file), 0);
        assert_int_equal(sweep_outcome(&sweep, 0, &outcome), OK);
        assert_int_equal(outcome.state, cases[i].state);
    }
    sweep_free(&sweep);
}

/* ---- written ---- */

static void test_written_as_csv(void **unused)
{
    (void)unused;
    struct sweep sweep;
    struct sweep_table table;
    struct table read;
    char path[PATH_BYTES];
    make_sweep(&sweep, "csv", "bs=8,16", 1);
    const struct made made = {.batch = 8, .steps = 400, .epochs = 2, .from = 2, .to = 1, .seconds = 1, .val_loss = 0.5};
    write_run(&sweep, 0, &made);
    make_table(&table, &sweep, 1.2);
    assert_int_equal(sweep_file(&sweep, "sweep.csv", path), OK);
    assert_int_equal(sweep_table_write_csv(&table, path), OK);
    assert_int_equal(table_read(&read, path), OK);
    assert_int_equal(read.row_count, 2);
    assert_true(table_column(&read, "train.batch_size")[1] == 16.0);
    assert_true(table_column(&read, "val_loss")[0] == 0.5 && isnan(table_column(&read, "val_loss")[1]));
    assert_true(table_column(&read, "unfinished")[1] == 1.0);
    table_free(&read);
    assert_int_equal(sweep_file(&sweep, "sweep.json", path), OK);
    assert_int_equal(sweep_table_write_json(&table, path), OK);
    sweep_table_free(&table);
    sweep_free(&sweep);
}

/* ---- what is recommended ---- */

/* The speed's ends are those of the middle half: one run beside which the machine did much else does not widen it. */
static void test_speed_is_of_the_middle_half(void **unused)
{
    (void)unused;
    struct sweep sweep;
    struct sweep_table table;
    make_sweep(&sweep, "speeds", "bs=8", 9);
    for (int run = 0; run < sweep.run_count; run++) {
        /* 8 images * 100 steps an epoch in 1, 2 … 9 s */
        const struct made made = {
            .batch = 8, .steps = 400, .epochs = 4, .from = 2, .to = 1, .seconds = run + 1, .val_accuracy = 0.8};
        write_run(&sweep, run, &made);
    }
    make_table(&table, &sweep, 1.5);
    ASSERT_NEAR(table.rows[0].images_per_second.median, 800.0 / 5.0, 1e-9);
    ASSERT_NEAR(table.rows[0].images_per_second.low, 800.0 / 7.0, 1e-4);
    ASSERT_NEAR(table.rows[0].images_per_second.high, 800.0 / 3.0, 1e-4);
    sweep_table_free(&table);
    sweep_free(&sweep);
}

/* Charts go from the smallest batch to the largest, whatever the plan's order. */
static void test_charts_are_in_order_of_the_batch(void **unused)
{
    (void)unused;
    struct sweep sweep;
    struct sweep_table table;
    struct charts charts = {0};
    static const int batches[] = {32, 8, 64, 16};
    make_sweep(&sweep, "order", "bs=32,8,64,16", 2);
    for (int run = 0; run < sweep.run_count; run++) {
        const int batch = batches[sweep.runs[run].point];
        const struct made made = {.batch = batch,
                                  .steps = 400,
                                  .epochs = 4,
                                  .from = 2,
                                  .to = 1,
                                  .seconds = 1,
                                  .val_loss = batch + 0.5 * (run / 4),
                                  .val_accuracy = 0.8};
        write_run(&sweep, run, &made);
    }
    make_table(&table, &sweep, 1.5);
    sweep_charts(&charts, &table);
    const struct chart *chart = charts_find(&charts, "val-loss");
    assert_non_null(chart);
    assert_true(chart->series_count == 1 && chart->series[0].count == COUNT_OF(batches));
    for (int i = 0; i < COUNT_OF(batches); i++) {
        const struct chart_series *series = &chart->series[0];
        assert_true(series->x[i] == 8 << i && series->low[i] == 8 << i && series->high[i] == (8 << i) + 0.5);
        assert_true(series->y[i] == (8 << i) + 0.25);
    }
    /* What is recommended, up to twice the fewest images, is shaded to the middle between its end and what comes next.
     */
    assert_int_equal(chart->region_count, 1);
    ASSERT_NEAR(chart->regions[0].to, 16.0 * sqrt(2.0), 1e-9);
    assert_true(chart->regions[0].from == chart->x.low);
    charts_free(&charts);
    sweep_table_free(&table);
    sweep_free(&sweep);
}

/* Rules of the rate lie beside one another, so that their whiskers can be told apart; what is the same for all is one
 * line; and every chart of a share or of the noise scale has its spread. */
static void test_charts_of_rules(void **unused)
{
    (void)unused;
    struct sweep sweep;
    struct sweep_table table;
    struct charts charts = {0};
    make_sweep(&sweep, "rules", "bs=8,16 optim.momentum=0,0.9", 2);
    for (int run = 0; run < sweep.run_count; run++) {
        const int point = sweep.runs[run].point;
        const struct made made = {.batch = point < 2 ? 8 : 16,
                                  .steps = 400,
                                  .epochs = 4,
                                  .from = 2,
                                  .to = 1,
                                  .seconds = 1,
                                  .spread = 0.4,
                                  .motion = 0.05 * run,
                                  .val_loss = 1.0 + point,
                                  .val_accuracy = 0.8};
        write_run(&sweep, run, &made);
    }
    make_table(&table, &sweep, 1.5);
    for (int point = 0; point < sweep.point_count; point++) /* the same for both rules, not for both batches */
        table.rows[point].images_per_second = (struct sweep_range){100.0 + 50.0 * (point / 2), 90.0, 170.0};
    sweep_charts(&charts, &table);
    const struct chart *loss = charts_find(&charts, "val-loss"), *share = charts_find(&charts, "sampling");
    assert_true(loss && loss->series_count == 2 && loss->series[0].count == 2);
    const double left = loss->series[0].x[0], right = loss->series[1].x[0];
    assert_true(left < 8.0 && right > 8.0 && right / left < 1.2);
    ASSERT_NEAR(left * right, 64.0, 1e-9);
    assert_true(share && share->series_count == 2);
    for (int i = 0; i < 2; i++)
        assert_true(share->series[i].low[1] < share->series[i].y[1] &&
                    share->series[i].high[1] > share->series[i].y[1]);
    const struct chart *speed = charts_find(&charts, "speed");
    assert_true(speed && speed->series_count == 1 && !*speed->series[0].name && speed->series[0].x[0] == 8.0);
    charts_free(&charts);
    sweep_table_free(&table);
    sweep_free(&sweep);
}

/* The noise scale lies beside the batch itself, a line through as many images as there are. */
static void test_noise_scale_beside_the_batch(void **unused)
{
    (void)unused;
    struct sweep sweep;
    struct sweep_table table;
    struct charts charts = {0};
    make_sweep(&sweep, "noisy", "bs=8,16", 1);
    for (int run = 0; run < sweep.run_count; run++) {
        const struct made made = {.batch = 8 << run, .steps = 400, .epochs = 4, .from = 2, .to = 1, .seconds = 1};
        write_run(&sweep, run, &made);
    }
    make_table(&table, &sweep, 1.5);
    table.rows[0].noise_scale = (struct sweep_range){70.0, 40.0, 90.0};
    /* A seed that never got to the target has no end either; where most did not there is no point. */
    table.rows[0].target_steps = (struct sweep_range){10.0, 5.0, INFINITY};
    table.rows[1].target_steps = (struct sweep_range){INFINITY, 5.0, INFINITY};
    table.rows[1].noise_scale = (struct sweep_range){80.0, 50.0, INFINITY}; /* no upper end */
    sweep_charts(&charts, &table);
    const struct chart *noise = charts_find(&charts, "noise");
    assert_true(noise && noise->series_count == 2);
    const struct chart_series *points = &noise->series[0], *batch = &noise->series[1];
    assert_true(points->y[0] == 70.0 && points->low[0] == 40.0 && points->high[0] == 90.0 && points->y[1] == 80.0);
    assert_true(points->low[1] == 50.0 && points->high[1] == INFINITY);
    const struct chart *images = charts_find(&charts, "images");
    assert_true(images && images->series[0].y[0] == 80.0 && images->series[0].low[0] == 40.0);
    assert_true(images->series[0].high[0] == INFINITY);
    assert_true(isnan(images->series[0].y[1]) && isnan(images->series[0].low[1]) && isnan(images->series[0].high[1]));
    assert_true(batch->count == 2 && batch->x[1] == 16.0 && batch->y[1] == 16.0 && batch->y[0] == 8.0);
    charts_free(&charts);
    sweep_table_free(&table);
    sweep_free(&sweep);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_noise_scale_has_an_interval),
        cmocka_unit_test(test_fluctuation_and_its_shares),
        cmocka_unit_test(test_steps_and_seconds_to_the_target),
        cmocka_unit_test(test_ends_of_runs_are_counted),
        cmocka_unit_test(test_a_failure_that_is_no_result),
        cmocka_unit_test(test_written_as_csv),
        cmocka_unit_test(test_charts_of_rules),
        cmocka_unit_test(test_noise_scale_beside_the_batch),
        cmocka_unit_test(test_speed_is_of_the_middle_half),
        cmocka_unit_test(test_charts_are_in_order_of_the_batch),
    };
    return cmocka_run_group_tests(tests, tiny_set_up, tiny_tear_down);
}
