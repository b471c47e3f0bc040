/* test_choices: what a sweep recommends, of tables whose figures are given: each limit from either side, each number
 * of a sentence, and what is said where nothing can be. */
#include "made_sweep.h"
#include "tiny_run.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { KINDS = 2 };
static struct sweep sweep;
static struct sweep_table table;
static struct sweep_choice choices[SWEEP_ADVICE];

static struct sweep_range about(double value, double share)
{
    return (struct sweep_range){value, value * (1.0 - share), value * (1.0 + share)};
}

/* What a row took to the target. */
static void took(int row, double images)
{
    table.rows[row].target_steps = about(images / table.rows[row].images, 0.1);
    table.rows[row].target_seconds = about(images / table.rows[row].images_per_second.median, 0.1);
}

/* Batches in this order, two momenta each: all alike, and the second momentum behind the first in everything. */
static void begin(const char *name, const char *words, const int *batches, int count)
{
    sweep_table_free(&table);
    sweep_free(&sweep);
    make_sweep(&sweep, name, words, 3);
    assert_int_equal(sweep.point_count, count * KINDS);
    table = (struct sweep_table){.sweep = &sweep, .target = 0.5};
    table.rows = arena_push(&table.arena, (size_t)sweep.point_count * sizeof *table.rows);
    for (int i = 0; i < sweep.point_count; i++) {
        table.rows[i] = (struct sweep_row){.run = &sweep.runs[i], .runs = 3, .done = 3, .images = batches[i / KINDS]};
        const bool behind = i % KINDS;
        table.rows[i].val_loss = about(behind ? 0.9 : 0.5, 0.04);
        table.rows[i].val_accuracy = about(behind ? 0.6 : 0.8, 0.01);
        table.rows[i].images_per_second = about(1000.0, 0.0);
        table.rows[i].noise_scale = (struct sweep_range){NAN, NAN, NAN};
        took(i, behind ? 9000.0 : 1000.0);
    }
}

static const int rising[] = {8, 16, 32, 64};

static void begin_usual(void)
{
    static int number;
    char name[32];
    snprintf(name, sizeof name, "usual-%d", number++);
    begin(name, "bs=8,16,32,64 momentum=0.5,0.9", rising, COUNT_OF(rising));
}

static void assert_says(int choice, int row, const char *reason)
{
    assert_int_equal(sweep_recommend(&table, choices), SWEEP_ADVICE);
    assert_string_equal(choices[choice].reason, reason);
    assert_int_equal(choices[choice].row, row);
}

enum { SMALLEST, LARGEST, FASTEST, ACCURATE };
enum { AT8 = 0, AT16 = 2, AT32 = 4, AT64 = 6 };

static void test_smallest_steady(void **state)
{
    (void)state;
    begin_usual();
    /* Of equals the first is the best, of batches and of one batch's points. */
    assert_says(SMALLEST, AT8,
                "batch_size=8 momentum=0.5 ended best, at a validation loss of 0.5; it is the smallest that was "
                "tried, smaller ones may do too");
    table.rows[AT32].val_loss = table.rows[AT32 + 1].val_loss = (struct sweep_range){0.4, 0.3, 0.48};
    assert_says(SMALLEST, AT8,
                "batch_size=8 momentum=0.5 ended at a validation loss of 0.5, within the seeds' spread of the best "
                "(0.4, batch_size=32 momentum=0.5), so the larger fluctuation cost nothing; it is the smallest that "
                "was tried, smaller ones may do too");
    /* Ranges that just touch overlap; those that do not are worse with every seed. */
    table.rows[AT8].val_loss.low = 0.481;
    assert_says(SMALLEST, AT16,
                "batch_size=16 momentum=0.5 ended at a validation loss of 0.5, within the seeds' spread of the best "
                "(0.4, batch_size=32 momentum=0.5), so the larger fluctuation cost nothing; below it 8 images a step "
                "ended at 0.5, worse with every seed");
    table.rows[AT16].val_loss.low = 0.481;
    assert_says(SMALLEST, AT32,
                "batch_size=32 momentum=0.5 ended best, at a validation loss of 0.4; below it 16 images a step ended "
                "at 0.5, worse with every seed; 1 other of that batch lies within the seeds' spread");
}

/* Of a batch the point counts that ended lowest, and its equals are counted; one that lies apart is none. */
static void test_smallest_is_judged_by_its_best_point(void **state)
{
    (void)state;
    begin_usual();
    table.rows[AT8].val_loss = (struct sweep_range){0.9, 0.8, 1.0};
    table.rows[AT8 + 1].val_loss = (struct sweep_range){0.45, 0.44, 0.46};
    assert_says(SMALLEST, AT8 + 1,
                "batch_size=8 momentum=0.9 ended best, at a validation loss of 0.45; it is the smallest that was "
                "tried, smaller ones may do too");
    table.rows[AT8].val_loss.low = 0.46;
    assert_says(SMALLEST, AT8,
                "batch_size=8 momentum=0.5 ended best, at a validation loss of 0.9; it is the smallest that was "
                "tried, smaller ones may do too; 1 other of that batch lies within the seeds' spread");
    table.rows[AT8].val_loss.low = 0.461;
    assert_says(SMALLEST, AT8 + 1,
                "batch_size=8 momentum=0.9 ended best, at a validation loss of 0.45; it is the smallest that was "
                "tried, smaller ones may do too");
}

static void test_smallest_where_seeds_diverged(void **state)
{
    (void)state;
    begin_usual();
    table.rows[AT8].diverged = table.rows[AT8 + 1].diverged = 1;
    table.rows[AT8].done = table.rows[AT8 + 1].done = 2;
    assert_says(SMALLEST, AT16,
                "batch_size=16 momentum=0.5 ended best, at a validation loss of 0.5; below it, with 8 images a step, 1 "
                "of 3 seeds diverged");
    table.rows[AT32].val_loss = (struct sweep_range){0.4, 0.3, 0.6};
    assert_says(SMALLEST, AT16,
                "batch_size=16 momentum=0.5 ended at a validation loss of 0.5, within the seeds' spread of the best "
                "(0.4, batch_size=32 momentum=0.5), so the larger fluctuation cost nothing; below it, with 8 images a "
                "step, 1 of 3 seeds diverged");
    for (int i = 0; i < sweep.point_count; i++)
        table.rows[i].diverged = 1;
    assert_says(SMALLEST, -1, "cannot be said: fewer than 3 batch sizes were trained to the end");
}

static void test_smallest_that_cannot_be_said(void **state)
{
    (void)state;
    static const char few[] = "cannot be said: fewer than 3 batch sizes were trained to the end";
    begin_usual();
    for (int i = AT8; i < AT32; i++)
        table.rows[i].done = 0;
    assert_says(SMALLEST, -1, few);
    table.rows[AT16].done = 2;
    assert_says(SMALLEST, AT16,
                "batch_size=16 momentum=0.5 ended best, at a validation loss of 0.5; it is the smallest that was "
                "tried, smaller ones may do too");
    begin_usual();
    for (int i = AT8; i < AT32; i++)
        table.rows[i].val_loss.median = NAN;
    assert_says(SMALLEST, -1, few);
    begin_usual();
    for (int i = 0; i < sweep.point_count; i++)
        table.rows[i].done = 1;
    assert_says(SMALLEST, -1, "cannot be said: with one seed a difference cannot be told from chance");
    for (int i = 0; i < sweep.point_count; i++)
        table.rows[i].runs = 1;
    assert_says(SMALLEST, -1,
                "cannot be said: with one seed a difference cannot be told from chance; sweep with --seeds 3");
    for (int i = 0; i < sweep.point_count; i++)
        table.rows[i].runs = table.rows[i].done = 2;
    assert_int_equal(sweep_recommend(&table, choices), SWEEP_ADVICE);
    assert_int_equal(choices[SMALLEST].row, AT8);
}

/* The plan may have the batches in any order. */
static void test_batches_are_put_in_order(void **state)
{
    (void)state;
    static const int batches[] = {32, 8, 64};
    begin("disordered", "bs=32,8,64 momentum=0.5,0.9", batches, COUNT_OF(batches));
    table.rows[4].val_loss = (struct sweep_range){0.3, 0.29, 0.31};
    assert_says(SMALLEST, 4,
                "batch_size=64 momentum=0.5 ended best, at a validation loss of 0.3; below it 32 images a step ended "
                "at 0.5, worse with every seed");
    took(4, 2001.0);
    assert_says(LARGEST, 0,
                "batch_size=32 momentum=0.5 took the fewest images to the target; larger ones took more than twice, or "
                "did not get there");
}

static void test_largest_paying(void **state)
{
    (void)state;
    begin_usual();
    assert_says(LARGEST, AT64,
                "batch_size=64 momentum=0.5 took the fewest images to the target; it is the largest that was tried, "
                "larger ones may pay too");
    took(AT64, 1040.0);
    assert_says(LARGEST, AT64,
                "batch_size=64 momentum=0.5 took about the fewest images to the target; it is the largest that was "
                "tried, larger ones may pay too");
    took(AT64, 1060.0);
    assert_says(LARGEST, AT64,
                "batch_size=64 momentum=0.5 took 1.1 times the fewest images to the target; it is the largest that was "
                "tried, larger ones may pay too");
    /* Up to twice, and no further. */
    table.rows[AT64].target_steps.median = 2000.0 / 64.0;
    table.rows[AT8].target_steps.median = 1000.0 / 8.0;
    assert_says(LARGEST, AT64,
                "batch_size=64 momentum=0.5 took 2 times the fewest images to the target; it is the largest that was "
                "tried, larger ones may pay too");
    took(AT64, 2001.0);
    took(AT8, 1900.0);
    assert_says(LARGEST, AT32,
                "batch_size=32 momentum=0.5 took the fewest images to the target; larger ones took more than twice, or "
                "did not get there");
    took(AT32, INFINITY);
    assert_says(LARGEST, AT16,
                "batch_size=16 momentum=0.5 took the fewest images to the target; larger ones took more than twice, or "
                "did not get there");
    /* The next one to the thriftiest. */
    took(AT8, 900.0);
    took(AT16, 1800.0);
    took(AT32, 1801.0);
    assert_says(LARGEST, AT16,
                "batch_size=16 momentum=0.5 took 2 times the fewest images to the target; larger ones took more than "
                "twice, or did not get there");
    /* A smaller one than the thriftiest is none that pays. */
    took(AT8, 1000.0);
    took(AT16, 500.0);
    took(AT32, 1001.0);
    assert_says(LARGEST, AT16,
                "batch_size=16 momentum=0.5 took the fewest images to the target; larger ones took more than twice, or "
                "did not get there");
}

/* Another point of the batch that ended alike counts where it paid as well. */
static void test_equals_of_the_largest(void **state)
{
    (void)state;
    begin_usual();
    table.rows[AT64 + 1].val_loss = table.rows[AT64].val_loss;
    assert_says(LARGEST, AT64,
                "batch_size=64 momentum=0.5 took the fewest images to the target; it is the largest that was tried, "
                "larger ones may pay too");
    table.rows[AT64 + 1].target_steps.median = 2000.0 / 64.0;
    assert_says(LARGEST, AT64,
                "batch_size=64 momentum=0.5 took the fewest images to the target; it is the largest that was tried, "
                "larger ones may pay too; 1 other of that batch lies within the seeds' spread");
    /* One that ended elsewhere is no equal, however few images it took. */
    table.rows[AT64 + 1].val_loss.low = table.rows[AT64].val_loss.high + 1e-9;
    assert_says(LARGEST, AT64,
                "batch_size=64 momentum=0.5 took the fewest images to the target; it is the largest that was tried, "
                "larger ones may pay too");
    table.rows[AT64 + 1].val_loss = table.rows[AT64].val_loss;
    table.rows[AT64 + 1].diverged = 1;
    assert_says(LARGEST, AT64,
                "batch_size=64 momentum=0.5 took the fewest images to the target; it is the largest that was tried, "
                "larger ones may pay too");
}

static void test_largest_that_cannot_be_said(void **state)
{
    (void)state;
    begin_usual();
    for (int i = 0; i < AT32; i++)
        table.rows[i].target_steps.median = NAN; /* of what is not known none is the least */
    assert_says(LARGEST, -1,
                "cannot be said: 2 batch sizes came down to the target; give a higher --target, or train longer");
    took(AT64, INFINITY);
    assert_says(LARGEST, -1,
                "cannot be said: 1 batch size came down to the target; give a higher --target, or train longer");
    took(AT64, 1000.0);
    took(AT16, 1900.0);
    assert_says(LARGEST, AT64,
                "batch_size=64 momentum=0.5 took the fewest images to the target; it is the largest that was tried, "
                "larger ones may pay too");
    took(AT32, 900.0);
    assert_says(LARGEST, AT64,
                "batch_size=64 momentum=0.5 took 1.1 times the fewest images to the target; it is the largest that was "
                "tried, larger ones may pay too");
}

/* Noise scales measure one thing: their geometric mean, of those that are known. */
static void test_noise_scale_agrees(void **state)
{
    (void)state;
    begin_usual();
    static const struct {
        double scales[4];
        const char *says;
    } cases[] = {{{20, 80, NAN, NAN}, "about 40 images, says the same"},
                 {{32, 32, 0, -5}, "about 32 images, says the same"},
                 {{31.9, 31.9, NAN, INFINITY}, "about 32 images, says less"},
                 {{128, NAN, NAN, NAN}, "about 128 images, says the same"},
                 {{128.4, NAN, NAN, NAN}, "about 128 images, says more"}};
    for (int i = 0; i < COUNT_OF(cases); i++) {
        char reason[SWEEP_SENTENCE];
        for (int k = 0; k < 4; k++)
            table.rows[2 * k].noise_scale.median = cases[i].scales[k];
        snprintf(reason, sizeof reason,
                 "batch_size=64 momentum=0.5 took the fewest images to the target; it is the largest that was tried, "
                 "larger ones may pay too; the gradient noise scale, %s",
                 cases[i].says);
        assert_says(LARGEST, AT64, reason);
    }
}

static void test_fastest(void **state)
{
    (void)state;
    begin_usual();
    took(AT8, 500.0);
    assert_says(FASTEST, AT8,
                "batch_size=8 momentum=0.5 came down to a training loss of 0.5 in 0.5 s; better than every other point "
                "with every seed");
    table.rows[AT32].target_seconds.low = table.rows[AT8].target_seconds.high;
    assert_says(FASTEST, AT8,
                "batch_size=8 momentum=0.5 came down to a training loss of 0.5 in 0.5 s; 1 other lies within the "
                "seeds' spread, so these seeds do not tell them apart");
    table.rows[AT16].target_seconds.low = 0.0;
    assert_says(FASTEST, AT8,
                "batch_size=8 momentum=0.5 came down to a training loss of 0.5 in 0.5 s; 2 others, of 16 to 32 images "
                "a step, lie within the seeds' spread, so these seeds do not tell them apart");
    /* Of one speed the steps tell, whatever is known of the speed. */
    table.rows[AT8 + 1].target_seconds.low = 0.0;
    table.rows[AT8 + 1].target_steps = (struct sweep_range){100.0, table.rows[AT8].target_steps.high, 100.0};
    assert_says(FASTEST, AT8,
                "batch_size=8 momentum=0.5 came down to a training loss of 0.5 in 0.5 s; 3 others, of 8 to 32 images a "
                "step, lie within the seeds' spread, so these seeds do not tell them apart");
    table.rows[AT8 + 1].target_steps.low *= 1.001;
    assert_says(FASTEST, AT8,
                "batch_size=8 momentum=0.5 came down to a training loss of 0.5 in 0.5 s; 2 others, of 16 to 32 images "
                "a step, lie within the seeds' spread, so these seeds do not tell them apart");
    table.rows[AT8 + 1].images_per_second.median = 2000.0;
    assert_says(FASTEST, AT8,
                "batch_size=8 momentum=0.5 came down to a training loss of 0.5 in 0.5 s; 3 others, of 8 to 32 images a "
                "step, lie within the seeds' spread, so these seeds do not tell them apart");
    /* At the same images/s another batch is another speed of steps. */
    table.rows[AT32].target_steps.low = 1e9;
    assert_says(FASTEST, AT8,
                "batch_size=8 momentum=0.5 came down to a training loss of 0.5 in 0.5 s; 3 others, of 8 to 32 images a "
                "step, lie within the seeds' spread, so these seeds do not tell them apart");
    table.rows[AT8].done = 2;
    assert_says(FASTEST, AT8,
                "batch_size=8 momentum=0.5 came down to a training loss of 0.5 in 0.5 s; 3 others, of 8 to 32 images a "
                "step, lie within the seeds' spread, so these seeds do not tell them apart");
    table.rows[AT8].done = 1;
    assert_says(FASTEST, AT8,
                "batch_size=8 momentum=0.5 came down to a training loss of 0.5 in 0.5 s; with one seed that may be "
                "chance");
    table.rows[AT8].target_seconds.median = NAN;
    assert_says(FASTEST, AT16,
                "batch_size=16 momentum=0.5 came down to a training loss of 0.5 in 1 s; 4 others, of 8 to 64 images a "
                "step, lie within the seeds' spread, so these seeds do not tell them apart");
    for (int i = 0; i < sweep.point_count; i++)
        table.rows[i].target_seconds.median = INFINITY;
    assert_says(FASTEST, -1, "cannot be said: no point came down to the target with most seeds");
}

static void test_most_accurate(void **state)
{
    (void)state;
    begin_usual();
    table.rows[AT16].val_accuracy = (struct sweep_range){0.875, 0.85, 0.9};
    assert_says(ACCURATE, AT16, "batch_size=16 momentum=0.5, 87.50 %; better than every other point with every seed");
    table.rows[AT64].val_accuracy.high = 0.85;
    assert_says(ACCURATE, AT16,
                "batch_size=16 momentum=0.5, 87.50 %; 1 other lies within the seeds' spread, so these seeds do not "
                "tell them apart");
    table.rows[AT16].diverged = 1;
    table.rows[AT8].val_accuracy = (struct sweep_range){0.84, 0.83, 0.845};
    assert_says(ACCURATE, AT8,
                "batch_size=8 momentum=0.5, 84.00 %; 2 others, of 16 to 64 images a step, lie within the seeds' "
                "spread, so these seeds do not tell them apart");
    for (int i = 0; i < sweep.point_count; i++)
        table.rows[i].diverged = 1;
    assert_says(ACCURATE, -1, "cannot be said: no point with validation images was trained to the end with every seed");
}

static void test_two_points_are_swept(void **state)
{
    (void)state;
    static const int batches[] = {8, 16};
    begin("two", "bs=8,16 momentum=0.5,0.9", batches, COUNT_OF(batches));
    assert_true(sweep_is_swept(&table, "train.batch_size") && sweep_is_swept(&table, "optim.momentum"));
    assert_false(sweep_is_swept(&table, "optim.lr"));
    assert_says(SMALLEST, -1, "cannot be said of 2 batch sizes; sweep 3 or more");
    assert_says(LARGEST, -1, "cannot be said of 2 batch sizes; sweep 3 or more");
    sweep.point_count = 2; /* these differ in the momentum alone */
    assert_true(sweep_is_swept(&table, "optim.momentum"));
    assert_false(sweep_is_swept(&table, "train.batch_size"));
    sweep.point_count = 4;
}

static int tear_down(void **state)
{
    sweep_table_free(&table);
    sweep_free(&sweep);
    return tiny_tear_down(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_smallest_steady),
        cmocka_unit_test(test_smallest_is_judged_by_its_best_point),
        cmocka_unit_test(test_smallest_where_seeds_diverged),
        cmocka_unit_test(test_smallest_that_cannot_be_said),
        cmocka_unit_test(test_batches_are_put_in_order),
        cmocka_unit_test(test_largest_paying),
        cmocka_unit_test(test_equals_of_the_largest),
        cmocka_unit_test(test_largest_that_cannot_be_said),
        cmocka_unit_test(test_noise_scale_agrees),
        cmocka_unit_test(test_fastest),
        cmocka_unit_test(test_most_accurate),
        cmocka_unit_test(test_two_points_are_swept),
    };
    return cmocka_run_group_tests(tests, tiny_set_up, tear_down);
}
