/* test_recommend: what a sweep recommends, of runs as theory would have them, with answers that are known. */
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
    /* The noise scale agrees with 32 images to within a factor of two. */
    static const struct {
        double scale;
        const char *says;
    } scales[] = {{15.9, "says less"}, {16.1, "says the same"}, {63.9, "says the same"}, {64.1, "says more"}};
    for (int i = 0; i < COUNT_OF(scales); i++) {
        for (int row = 0; row < 4; row++)
            table.rows[row].noise_scale.median = scales[i].scale;
        assert_choice(&table, "largest paying batch", 1, scales[i].says);
    }
    /* Another whose best seed lies between the chosen one's worst and middle is not told apart. */
    table.rows[1].val_accuracy.high = table.rows[2].val_accuracy.low + 1e-6;
    assert_choice(&table, "most accurate", 2, "1 other lies within the seeds' spread");
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

/* A point of which a seed diverged is not named for one that it equals. */
static void test_a_diverged_point_is_no_equal(void **unused)
{
    (void)unused;
    struct sweep sweep;
    struct sweep_table table;
    make_sweep(&sweep, "unequal", "bs=8,16,32 momentum=0.5,0.9", 3);
    for (int run = 0; run < sweep.run_count; run++) {
        const int point = sweep.runs[run].point;
        const struct made made = {.batch = 8 << point / 2,
                                  .steps = 1000,
                                  .epochs = 4,
                                  .from = 2,
                                  .to = 1,
                                  .seconds = 1,
                                  .val_loss = 0.5 - 0.005 * (point % 2) + 0.01 * (run / 6),
                                  .val_accuracy = 0.8,
                                  .failed_at = point == 0 && run / 6 == 2 ? 99 : 0};
        write_run(&sweep, run, &made);
    }
    make_table(&table, &sweep, 1.5);
    assert_int_equal(table.rows[0].diverged, 1);
    assert_choice(&table, "smallest steady batch", 1, "it is the smallest that was tried");
    assert_null(strstr(recommend(&table, "smallest steady batch")->reason, "other of that batch"));
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
    make_theory(&sweep, "large_scale", 2000.0, 2, (const double[]){0.5, 0.5, 0.5, 0.5}, 0);
    make_table(&table, &sweep, 1.5);
    assert_choice(&table, "largest paying batch", 3, "larger ones may pay too");
    assert_choice(&table, "largest paying batch", 3, "says more");
    assert_choice(&table, "smallest steady batch", 0, "smallest that was tried");
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recommendations),
        cmocka_unit_test(test_a_diverged_seed_counts),
        cmocka_unit_test(test_the_region_has_ends_where_something_lies_beyond),
        cmocka_unit_test(test_a_busy_machine_does_not_decide),
        cmocka_unit_test(test_steady_is_what_overlaps),
        cmocka_unit_test(test_a_trend_is_no_scatter),
        cmocka_unit_test(test_equals_are_not_chosen_between),
        cmocka_unit_test(test_a_diverged_point_is_no_equal),
        cmocka_unit_test(test_what_the_data_do_not_support),
        cmocka_unit_test(test_damaged_records),
    };
    return cmocka_run_group_tests(tests, tiny_set_up, tiny_tear_down);
}
