/* test_sweep_table: the table over seeds and what it recommends, on run directories that are written here, with answers
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
    ASSERT_NEAR(table.rows[0].sampling, 1.0, 0.06);
    ASSERT_NEAR(table.rows[1].fluctuation.median, 0.4, 0.05);
    ASSERT_NEAR(table.rows[1].sampling, 0.25, 0.1);
    ASSERT_NEAR(table.rows[1].motion, 0.75, 0.1);
    ASSERT_NEAR(table.rows[0].noise_scale.median, 120.0, 1e-6);
    assert_true(table.rows[0].images == 4.0 && table.rows[2].images == 64.0);
    /* Too few steps for a spread: missing, not 0. */
    assert_true(isnan(table.rows[2].fluctuation.median) && isnan(table.rows[2].sampling));
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

/* Runs of batch sizes 8 … 512 that behave as the theory of the noise scale has it: steps to the target are
 * S (1 + scale / batch). lost: of batch 128, seeds that diverge. */
static void make_theory(struct sweep *sweep, const char *name, double scale, int seeds, const double *val_losses,
                        int lost)
{
    make_sweep(sweep, name, "bs=8,32,128,512", seeds);
    static const int batches[] = {8, 32, 128, 512};
    for (int i = 0; i < sweep->run_count; i++) {
        int point = sweep->runs[i].point, seed = i / COUNT_OF(batches);
        double steps = 200.0 * (1.0 + scale / batches[point]);
        const struct made made = {.batch = batches[point],
                                  .steps = (int)(2.0 * steps),
                                  .epochs = 4,
                                  .from = 2.0,
                                  .to = 1.0,
                                  .seconds = steps * (1.0 + batches[point] / 64.0),
                                  .val_loss = val_losses[point] + 0.01 * seed,
                                  .val_accuracy = 0.9 - 0.1 * val_losses[point],
                                  .noise_grad = 1.0,
                                  .noise_trace = scale,
                                  .failed_at = batches[point] == 128 && seed < lost ? 99 : 0};
        write_run(sweep, i, &made);
    }
}

static const struct sweep_choice *recommend(const struct sweep_table *table, const char *name)
{
    static struct sweep_choice choices[SWEEP_ADVICE];
    int count = sweep_recommend(table, choices);
    for (int i = 0; i < count; i++)
        if (strcmp(choices[i].name, name) == 0)
            return &choices[i];
    fail_msg("no choice '%s'", name);
    return NULL;
}

static void assert_choice(const struct sweep_table *table, const char *name, int row, const char *says)
{
    const struct sweep_choice *choice = recommend(table, name);
    if (choice->row != row || !strstr(choice->reason, says))
        fail_msg("%s: row %d, '%s'; expected row %d and '%s'", name, choice->row, choice->reason, row, says);
}

static void test_recommendations(void **unused)
{
    (void)unused;
    struct sweep sweep;
    struct sweep_table table;
    make_theory(&sweep, "theory", 100.0, 3, (const double[]){0.8, 0.51, 0.50, 0.55}, 0);
    make_table(&table, &sweep, 1.5);
    /* 32 overlaps the best (128) over seeds, 8 does not. Images to the target: 8 + 100, 132, 228, 612: up to 32. */
    assert_choice(&table, "smallest steady batch", 1, "within the seeds' spread");
    assert_choice(&table, "largest paying batch", 1, "times the fewest images");
    assert_choice(&table, "fastest to the target", 2, "came down to a training loss");
    assert_choice(&table, "most accurate", 2, "better than every other");
    sweep_table_free(&table);
    sweep_free(&sweep);
}

/* Of the best point a seed diverges: it is no longer chosen, and its two good ends are not told as all there is. */
static void test_a_diverged_seed_counts(void **unused)
{
    (void)unused;
    struct sweep sweep;
    struct sweep_table table;
    for (int lost = 1; lost <= 2; lost++) {
        make_theory(&sweep, lost == 1 ? "one_lost" : "two_lost", 100.0, 3, (const double[]){0.8, 0.51, 0.50, 0.55},
                    lost);
        make_table(&table, &sweep, 1.5);
        assert_int_equal(table.rows[2].diverged, lost);
        assert_true(isfinite(table.rows[2].val_loss.median) && isinf(table.rows[2].target_steps.median) == (lost == 2));
        assert_choice(&table, "smallest steady batch", 1, "ended best");
        assert_choice(&table, "smallest steady batch", 1, "8 images a step ended at 0.81, worse with every seed");
        assert_choice(&table, "fastest to the target", lost == 1 ? 2 : 1, "came down to a training loss");
        assert_choice(&table, "most accurate", 1, "1 other lies within the seeds' spread");
        sweep_table_free(&table);
        sweep_free(&sweep);
    }
}

/* The region between the first two choices, without an end where nothing beyond was tried. */
static void test_the_region_has_ends_where_something_lies_beyond(void **unused)
{
    (void)unused;
    static const struct {
        int low, high;
        const char *text;
        bool is;
    } cases[] = {{1, 2, "32 to 128", true},  {0, 2, "up to 128", true},
                 {1, 3, "from 32 on", true}, {0, 3, "any that was tried", true},
                 {2, 2, "128", true},        {2, 1, "", false},
                 {-1, 2, "", false},         {1, -1, "", false}};
    struct sweep sweep;
    struct sweep_table table;
    struct sweep_region region;
    make_theory(&sweep, "region", 100.0, 1, (const double[]){0.8, 0.51, 0.50, 0.55}, 0);
    make_table(&table, &sweep, 1.5);
    for (int i = 0; i < COUNT_OF(cases); i++) {
        const struct sweep_choice choices[SWEEP_ADVICE] = {{.row = cases[i].low}, {.row = cases[i].high}};
        assert_int_equal(sweep_region_of(&table, choices, &region), cases[i].is);
        if (cases[i].is)
            assert_string_equal(region.text, cases[i].text);
    }
    assert_false(sweep_has_any_rule(&table));
    sweep_table_free(&table);
    sweep_free(&sweep);
}

/* What the machine did beside a run is no merit of its rate: all runs of a batch size tell the speed together, and what
 * is left is the steps that each took. */
static void test_a_busy_machine_does_not_decide(void **unused)
{
    (void)unused;
    struct sweep sweep;
    struct sweep_table table;
    make_sweep(&sweep, "busy", "lr=0.1,0.2,0.3", 3);
    for (int run = 0; run < sweep.run_count; run++) {
        const int point = sweep.runs[run].point;
        /* The second takes half of the first's steps, and the machine was slow just then; the third lies beside it. */
        const struct made made = {.batch = 8,
                                  .steps = point == 0 ? 2000 : 1000 + 20 * (point == 2),
                                  .epochs = 4,
                                  .from = 2,
                                  .to = 1 - 0.01 * (run % 7),
                                  .seconds = point == 1   ? 8
                                             : point == 0 ? 4
                                                          : 2,
                                  .val_loss = 0.5,
                                  .val_accuracy = 0.8 + 0.01 * run};
        write_run(&sweep, run, &made);
    }
    make_table(&table, &sweep, 1.5);
    assert_true(table.rows[0].images_per_second.median == table.rows[1].images_per_second.median);
    assert_true(table.rows[1].target_seconds.low < table.rows[1].target_seconds.median);
    assert_choice(&table, "fastest to the target", 1, "1 other lies within the seeds' spread");
    sweep_table_free(&table);
    sweep_free(&sweep);
}

/* Seeds of a batch size that reach the best's spread make it steady, though their median does not. */
static void test_steady_is_what_overlaps(void **unused)
{
    (void)unused;
    struct sweep sweep;
    struct sweep_table table;
    static const double losses[3][3] = {{0.60, 0.55, 0.70}, {0.60, 0.525, 0.70}, {0.50, 0.53, 0.54}};
    make_sweep(&sweep, "overlap", "bs=8,16,32", 3);
    for (int run = 0; run < sweep.run_count; run++) {
        const int point = sweep.runs[run].point;
        const struct made made = {.batch = 8 << point,
                                  .steps = 400,
                                  .epochs = 4,
                                  .from = 2,
                                  .to = 1,
                                  .seconds = 1,
                                  .val_loss = losses[point][run / 3],
                                  .val_accuracy = 0.8};
        write_run(&sweep, run, &made);
    }
    make_table(&table, &sweep, 1.5);
    assert_choice(&table, "smallest steady batch", 1, "within the seeds' spread of the best (0.53,");
    assert_choice(&table, "smallest steady batch", 1, "8 images a step ended at 0.6, worse with every seed");
    sweep_table_free(&table);
    sweep_free(&sweep);
}

/* Scatter is about the trend, and what a run ended at is the mean of its last twentieth: of 400 steps of 20 images 20,
 * though 1000 images are 50. */
static void test_a_trend_is_no_scatter(void **unused)
{
    (void)unused;
    struct sweep sweep;
    struct sweep_table table;
    make_sweep(&sweep, "steep", "bs=20", 1);
    const struct made made = {
        .batch = 20, .steps = 400, .epochs = 4, .from = 40, .to = 0, .spread = 0.4, .seconds = 1, .val_accuracy = 0.8};
    write_run(&sweep, 0, &made);
    make_table(&table, &sweep, NAN);
    ASSERT_NEAR(table.rows[0].fluctuation.median, 0.4 / sqrt(20.0), 0.1);
    /* Steps 380 to 399 of 0.1 each: 2.0 to 0.1. */
    ASSERT_NEAR(table.target, 1.05, 0.1);
    sweep_table_free(&table);
    sweep_free(&sweep);
}

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
    charts_free(&charts);
    sweep_table_free(&table);
    sweep_free(&sweep);
}

/* Points of the smallest steady batch that the seeds do not tell apart: the first is taken, and the others counted. */
static void test_equals_are_not_chosen_between(void **unused)
{
    (void)unused;
    struct sweep sweep;
    struct sweep_table table;
    make_sweep(&sweep, "equals", "bs=8,16,32 momentum=0.5,0.6,0.9", 3);
    for (int run = 0; run < sweep.run_count; run++) {
        const int point = sweep.runs[run].point, kind = point % 3;
        const struct made made = {.batch = 8 << point / 3,
                                  .steps = 1000,
                                  .epochs = 4,
                                  .from = 2,
                                  .to = 1,
                                  .seconds = 1,
                                  .val_loss = 0.5 + 0.1 * (kind == 0) - 0.005 * (kind == 2) + 0.01 * (run / 9),
                                  .val_accuracy = 0.8};
        write_run(&sweep, run, &made);
    }
    make_table(&table, &sweep, 1.5);
    assert_choice(&table, "smallest steady batch", 1, "1 other of that batch lies within the seeds' spread");
    sweep_table_free(&table);
    sweep_free(&sweep);
}

/* A damaged row costs itself alone, and is told. */
static void test_damaged_records(void **unused)
{
    (void)unused;
    struct sweep sweep;
    struct sweep_table table;
    char folder[PATH_BYTES], path[PATH_BYTES];
    make_theory(&sweep, "damaged", 100.0, 1, (const double[]){0.8, 0.51, 0.50, 0.55}, 0);
    for (int run = 1; run <= 2; run++) {
        assert_int_equal(sweep_file(&sweep, sweep.runs[run].name, folder), OK);
        assert_int_equal(path_join(path, folder, "steps.csv"), OK);
        FILE *file = fopen(path, "a");
        assert_non_null(file);
        fputs("what is this\n", file);
        fclose(file);
    }
    make_table(&table, &sweep, 1.5);
    assert_int_equal(table.damage.rows, 2);
    assert_non_null(strstr(table.damage.first, sweep.runs[1].name));
    assert_choice(&table, "most accurate", 2, "may be chance");
    sweep_table_free(&table);
    sweep_free(&sweep);
}

static void test_what_the_data_do_not_support(void **unused)
{
    (void)unused;
    struct sweep sweep;
    struct sweep_table table;
    make_theory(&sweep, "one_seed", 100.0, 1, (const double[]){0.8, 0.51, 0.50, 0.55}, 0);
    make_table(&table, &sweep, 1.5);
    assert_choice(&table, "smallest steady batch", -1, "one seed");
    assert_choice(&table, "most accurate", 2, "may be chance");
    sweep_table_free(&table);
    make_table(&table, &sweep, 0.1);
    assert_choice(&table, "largest paying batch", -1, "cannot be said");
    assert_choice(&table, "fastest to the target", -1, "cannot be said");
    sweep_table_free(&table);
    make_table(&table, &sweep, 1.5);
    table.rows[2].images = table.rows[3].images = table.rows[0].images;
    assert_choice(&table, "smallest steady batch", -1, "cannot be said of 2 batch sizes; sweep 3");
    assert_choice(&table, "largest paying batch", -1, "cannot be said of 2 batch sizes; sweep 3");
    sweep_table_free(&table);
    sweep_free(&sweep);
    /* A large noise scale: every batch pays, and it is said that larger ones may. */
    make_theory(&sweep, "large_scale", 10000.0, 2, (const double[]){0.5, 0.5, 0.5, 0.5}, 0);
    make_table(&table, &sweep, 1.5);
    assert_choice(&table, "largest paying batch", 3, "larger ones may pay too");
    assert_choice(&table, "largest paying batch", 3, "says more");
    assert_choice(&table, "smallest steady batch", 0, "smallest that was tried");
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
        cmocka_unit_test(test_recommendations),
        cmocka_unit_test(test_a_diverged_seed_counts),
        cmocka_unit_test(test_the_region_has_ends_where_something_lies_beyond),
        cmocka_unit_test(test_a_busy_machine_does_not_decide),
        cmocka_unit_test(test_steady_is_what_overlaps),
        cmocka_unit_test(test_a_trend_is_no_scatter),
        cmocka_unit_test(test_speed_is_of_the_middle_half),
        cmocka_unit_test(test_charts_are_in_order_of_the_batch),
        cmocka_unit_test(test_equals_are_not_chosen_between),
        cmocka_unit_test(test_damaged_records),
        cmocka_unit_test(test_what_the_data_do_not_support),
    };
    return cmocka_run_group_tests(tests, tiny_set_up, tiny_tear_down);
}
