/* test_fluctuation: series whose parts are known are split into them, within the intervals that are given; smoothing,
 * spikes and what is missing. */
#include "drawn_losses.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka wants the standard headers first */
#include <cmocka.h>

enum { STEPS = 200 };

/* ---- known shares ---- */

struct recipe {
    int batch;
    double spread;           /* of the losses within a batch */
    double motion, memory;   /* deviation of a wandering path, and how much of it stays from step to step */
    double slope;            /* of the path, a step */
    double least, widest[3]; /* coverage that the intervals must have, mean width that they may have */
};

struct truth {
    double share[3], sampling_variance;
};

/* The path's own split about its line, beside what sampling adds on average. */
static struct truth split_path(const struct recipe *recipe)
{
    const double n = STEPS, center = (n - 1.0) / 2.0, spread = n * (n * n - 1.0) / 12.0;
    double mean = 0.0, line = 0.0, total = 0.0;
    for (int i = 0; i < STEPS; i++)
        mean += series.path[i] / n;
    for (int i = 0; i < STEPS; i++) {
        line += (i - center) * (series.path[i] - mean) / spread;
        total += (series.path[i] - mean) * (series.path[i] - mean) / n;
    }
    const double sampling = recipe->spread * recipe->spread / recipe->batch * (1.0 - 1.0 / n);
    const double trend = line * line * spread / n, motion = fmax(0.0, total - trend), sum = sampling + trend + motion;
    return (struct truth){{sampling / sum, motion / sum, trend / sum}, sampling};
}

static void draw_series(const struct recipe *recipe, struct draws *draws)
{
    double wander = normal(draws) * recipe->motion;
    series_begin(STEPS);
    for (int i = 0; i < STEPS; i++) {
        series.epoch[i] = 0.0;
        series.path[i] = 3.0 + recipe->slope * i + wander;
        wander = recipe->memory * wander + sqrt(1.0 - recipe->memory * recipe->memory) * recipe->motion * normal(draws);
        draw_batch(draws, i, recipe->batch, recipe->spread);
    }
}

static void check_recipe(const struct recipe *recipe)
{
    enum { SERIES = 250 };
    int inside[3] = {0};
    double width[3] = {0}, bias[3] = {0};
    for (int s = 0; s < SERIES; s++) {
        struct draws draws = {(uint64_t)s, 0};
        struct fluctuation got;
        draw_series(recipe, &draws);
        const struct truth truth = split_path(recipe);
        fluctuation_of(&series.rows, 0, STEPS, 0, &got);
        const struct estimate shares[3] = {got.sampling, got.motion, got.trend};
        assert_true(fabs(shares[0].value + shares[1].value + shares[2].value - 1.0) < 1e-12);
        for (int k = 0; k < 3; k++) {
            assert_true(shares[k].low >= 0.0 && shares[k].high <= 1.0 && shares[k].low <= shares[k].value &&
                        shares[k].value <= shares[k].high);
            inside[k] += shares[k].low <= truth.share[k] + 1e-9 && truth.share[k] <= shares[k].high + 1e-9;
            width[k] += (shares[k].high - shares[k].low) / SERIES;
            bias[k] += (shares[k].value - truth.share[k]) / SERIES;
        }
    }
    for (int k = 0; k < 3; k++)
        if (inside[k] < recipe->least * SERIES || width[k] > recipe->widest[k] || fabs(bias[k]) > 0.06)
            fail_msg("batch %d, motion %g, slope %g: share %d: %d of %d inside, mean width %.3f, bias %.3f",
                     recipe->batch, recipe->motion, recipe->slope, k, inside[k], SERIES, width[k], bias[k]);
}

static void test_known_shares(void **state)
{
    (void)state;
    static const struct recipe recipes[] = {
        {8, 1.0, 0.0, 0.0, 0.0, 0.90, {0.3, 0.3, 0.06}}, /* sampling alone */
        {64, 1.0, 0.0, 0.0, 0.0, 0.90, {0.25, 0.25, 0.06}},
        {64, 1.0, 0.125, 0.0, 0.0, 0.90, {0.25, 0.25, 0.06}},  /* half of it motion, at random */
        {64, 1.0, 0.125, 0.95, 0.0, 0.90, {0.35, 0.35, 0.2}},  /* slow motion */
        {32, 1.0, 0.4, 0.9, 0.0, 0.90, {0.2, 0.25, 0.25}},     /* mostly motion */
        {64, 1.0, 0.0, 0.0, -0.002, 0.90, {0.25, 0.25, 0.25}}, /* a falling loss */
        {64, 1.0, 0.1, 0.5, -0.002, 0.90, {0.25, 0.25, 0.25}}, /* all three */
        {20, 1.2, 0.0, 0.0, -0.0012, 0.93, {0.3, 0.25, 0.2}},  /* a weak trend, and no motion that would hide it */
    };
    for (int i = 0; i < COUNT_OF(recipes); i++)
        check_recipe(&recipes[i]);
}

/* Losses with heavy tails: means of few of them have heavy tails too, and intervals are wider for it. */
static void test_heavy_tails_widen(void **state)
{
    (void)state;
    static const struct {
        int batch;
        double least, most; /* times the interval of normal losses */
    } cases[] = {{4, 1.1, 1.5}, {256, 0.99, 1.05}};
    for (int c = 0; c < COUNT_OF(cases); c++) {
        const struct recipe recipe = {.batch = cases[c].batch, .spread = 1.0};
        struct draws draws = {21, 0};
        struct fluctuation got;
        draw_series(&recipe, &draws);
        fluctuation_of(&series.rows, 0, STEPS, 0, &got);
        const double width = log(got.phi.high / got.phi.value) / (1.96 * sqrt(3.0 / (STEPS - 1)));
        if (width < cases[c].least || width > cases[c].most)
            fail_msg("batch %d: %.3f times as wide", cases[c].batch, width);
    }
}

/* By its definition, from the columns alone: the mean square about the least-squares line with its two degrees of
 * freedom taken off, beside the mean of s^2 / n. */
static void test_variance_ratio_is_as_defined(void **state)
{
    (void)state;
    static const int lengths[] = {20, 60, 200};
    for (int k = 0; k < COUNT_OF(lengths); k++) {
        const struct recipe recipe = {.batch = 24, .spread = 0.8, .motion = 0.2, .memory = 0.6, .slope = -0.003};
        struct draws draws = {4, 0};
        struct fluctuation got;
        const double n = lengths[k];
        double x = 0.0, y = 0.0, xx = 0.0, xy = 0.0, own = 0.0, rest = 0.0;
        draw_series(&recipe, &draws);
        for (int i = 0; i < lengths[k]; i++) {
            x += i / n, y += series.loss[i] / n, own += series.variance[i] / series.samples[i] / n;
            xx += (double)i * i / n, xy += i * series.loss[i] / n;
        }
        const double slope = (xy - x * y) / (xx - x * x);
        for (int i = 0; i < lengths[k]; i++)
            rest += pow(series.loss[i] - y - slope * (i - x), 2.0);
        fluctuation_of(&series.rows, 0, lengths[k], 0, &got);
        assert_true(fabs(got.variance_ratio / (rest / (n - 2.0) / own) - 1.0) < 1e-9);
    }
}

/* Of normal losses s^2 scatters by itself, by 2 / (n - 1) of its square: that is no heavy tail, however small batches
 * are. */
static void test_normal_losses_widen_little(void **state)
{
    (void)state;
    enum { BATCH = 4 };
    struct draws draws = {33, 0};
    struct fluctuation got;
    series_begin(4000);
    for (int i = 0; i < 4000; i++) {
        double sum = 0.0, squares = 0.0;
        for (int k = 0; k < BATCH; k++) {
            const double loss = normal(&draws);
            sum += loss;
            squares += loss * loss;
        }
        series.step[i] = i;
        series.epoch[i] = 0.0;
        series.samples[i] = BATCH;
        series.loss[i] = 3.0 + sum / BATCH;
        series.variance[i] = (squares - sum * sum / BATCH) / (BATCH - 1);
    }
    fluctuation_of(&series.rows, 0, 4000, 0, &got);
    const double width = log(got.phi.high / got.phi.value) / (1.96 * sqrt(3.0 / 3999.0));
    if (width < 1.0 || width > 1.05)
        fail_msg("%.3f times as wide", width);
}

/* The design of a stretch is told from as many rows before it as have 32 looks and 512 steps, both. */
static void test_design_reaches_back_for_looks_and_rows(void **state)
{
    (void)state;
    enum { ROWS = 3000, FIRST = 2800 };
    static double next[ROWS];
    static const int aparts[] = {64, 8}; /* 32 looks in more rows than 512; in 512 rows more looks than 32 */
    for (int c = 0; c < COUNT_OF(aparts); c++) {
        struct draws draws = {12, 0};
        struct fluctuation got;
        series_begin(ROWS);
        series.rows.next = next;
        for (int i = 0; i < ROWS; i++) {
            series.path[i] = 2.0;
            series.epoch[i] = 0.0;
            next[i] = NAN;
            draw_batch(&draws, i, 16, 1.0);
        }
        for (int i = 0; i + 1 < ROWS; i++)
            if (i % aparts[c] == aparts[c] - 1)
                next[i] = series.loss[i + 1];
        fluctuation_of(&series.rows, FIRST, ROWS, 0, &got);
        int64_t looks = 0, first = ROWS;
        while (looks < 32 || ROWS - first < 512)
            looks += isfinite(next[--first]);
        const struct estimate wanted = design_looked_at(&series.rows, first, ROWS);
        assert_true(got.design.value == wanted.value && got.design.high == wanted.high);
        series.rows.next = NULL;
    }
}

/* ---- frozen weights, epochs without replacement ---- */

/* A data set of fixed losses, drawn batch by batch in a new order each epoch. */
static void draw_epochs(int images, int batch, int64_t steps)
{
    enum { MOST = 2500 };
    static double losses[MOST];
    static int order[MOST];
    struct draws draws = {77, 0};
    assert_true(images <= MOST);
    for (int i = 0; i < images; i++) {
        losses[i] = -log(uniform(&draws));
        order[i] = i;
    }
    series_begin(steps);
    const int per_epoch = images / batch;
    for (int64_t step = 0; step < steps; step++) {
        if (step % per_epoch == 0)
            for (int i = images - 1; i > 0; i--) {
                int other = (int)(uniform(&draws) * (i + 1)), kept = order[i];
                order[i] = order[other];
                order[other] = kept;
            }
        double sum = 0.0, squares = 0.0;
        for (int i = 0; i < batch; i++) {
            const double loss = losses[order[step % per_epoch * batch + i]];
            sum += loss;
            squares += loss * loss;
        }
        series.step[step] = (double)step;
        series.epoch[step] = (double)(step / per_epoch + 1);
        series.samples[step] = batch;
        series.loss[step] = sum / batch;
        series.variance[step] = (squares - sum * sum / batch) / (batch - 1);
    }
}

static void test_frozen_weights(void **state)
{
    (void)state;
    static const int batches[] = {8, 64, 512};
    for (int b = 0; b < COUNT_OF(batches); b++) {
        struct fluctuation got;
        draw_epochs(1024, batches[b], 4000);
        assert_int_equal(fluctuation_epoch_steps(&series.rows), 1024 / batches[b]);
        fluctuation_of(&series.rows, 0, 4000, 1024 / batches[b], &got);
        /* With two batches an epoch, pairs within it are all of the data: the second mirrors the first. */
        if (fabs(got.sampling.value - 1.0) > 0.05 || fabs(got.phi.value - 1.0) > 0.08 ||
            fabs(got.variance_ratio - 1.0) > 0.08)
            fail_msg("batch %d: sampling %.3f, phi %.3f, VR %.3f", batches[b], got.sampling.value, got.phi.value,
                     got.variance_ratio);
        assert_false(got.loss.high - got.loss.low >= 0.02); /* unknown where whole epochs were drawn */
    }
    /* Images that fill no batch are left out of an epoch; still each batch is drawn from all of them. */
    static const int unlike[] = {2048, 1024, 512};
    for (int b = 0; b < COUNT_OF(unlike); b++) {
        struct fluctuation got;
        draw_epochs(2500, unlike[b], 1000);
        series.rows.images = 2500.0;
        fluctuation_of(&series.rows, 0, 1000, 2500 / unlike[b], &got);
        if (fabs(got.sampling.value - 1.0) > 0.05 || fabs(got.variance_ratio - 1.0) > 0.1 ||
            !(got.loss.high > got.loss.low))
            fail_msg("batch %d of 2500: sampling %.3f, VR %.3f, loss %g to %g", unlike[b], got.sampling.value,
                     got.variance_ratio, got.loss.low, got.loss.high);
    }
    /* Within one epoch there is no correction to make. */
    struct fluctuation got;
    draw_epochs(1024, 4, 256);
    fluctuation_of(&series.rows, 0, 256, 256, &got);
    assert_true(got.variance_ratio > 0.7 && got.variance_ratio < 1.3);
    assert_true(isfinite(got.loss.value) && isnan(got.loss.low) && isnan(got.loss.high)); /* every image once */
}

/* ---- series in time ---- */

static void test_signs_in_time(void **state)
{
    (void)state;
    struct draws draws = {5, 0};
    struct fluctuation got;
    /* From step to step to and fro. */
    series_begin(400);
    for (int i = 0; i < 400; i++) {
        series.path[i] = 2.0 + (i % 2 ? 0.5 : -0.5);
        series.epoch[i] = 1.0;
        draw_batch(&draws, i, 64, 0.5);
    }
    fluctuation_of(&series.rows, 0, 400, 0, &got);
    assert_true(got.autocorrelation.high < -0.5 && got.phi.high < 0.1 && got.motion.low > 0.9);
    assert_true(isnan(got.epoch_autocorrelation.value));
    /* The same order every epoch: slow swings that come again. */
    for (int i = 0; i < 400; i++) {
        series.path[i] = 2.0 + sin(6.283185307179586 * i / 50.0);
        series.epoch[i] = i / 50 + 1;
        draw_batch(&draws, i, 64, 0.5);
    }
    fluctuation_of(&series.rows, 0, 400, 50, &got);
    assert_true(got.epoch_autocorrelation.low > 0.5 && got.autocorrelation.low > 0.5 && got.variance_ratio > 10.0);
    assert_true(got.phi.value > 0.2); /* slow motion hardly shows from step to step */
    /* Epochs of 25 and 50 in turn are no period. */
    assert_int_equal(fluctuation_epoch_steps(&series.rows), 50);
}

/* A loss that falls in a curve goes up and down nowhere: its bend must not pass for the order of the images. */
static void test_bend_is_no_period(void **state)
{
    (void)state;
    enum { RUNS = 100 };
    static const int epochs[] = {18, 25, 64};
    for (int e = 0; e < COUNT_OF(epochs); e++) {
        int found = 0, known = 0;
        for (int run = 0; run < RUNS; run++) {
            struct draws draws = {(uint64_t)(100 * e + run), 0};
            struct fluctuation got;
            series_begin(STEPS);
            for (int i = 0; i < STEPS; i++) {
                series.path[i] = 0.6 + 1.6 * exp(-i / 50.0);
                series.epoch[i] = i / epochs[e] + 1;
                draw_batch(&draws, i, 64, 0.5);
            }
            fluctuation_of(&series.rows, 0, STEPS, epochs[e], &got);
            known += !isnan(got.epoch_autocorrelation.value);
            found += got.epoch_autocorrelation.low > 0.0;
        }
        assert_int_equal(known, RUNS);
        assert_true(found <= RUNS / 10);
    }
}

static void test_missing(void **state)
{
    (void)state;
    struct fluctuation got, clean;
    struct draws draws = {9, 0};
    series_begin(100);
    for (int i = 0; i < 100; i++) {
        series.path[i] = 1.0;
        series.epoch[i] = 1.0;
        draw_batch(&draws, i, 16, 1.0);
    }
    fluctuation_of(&series.rows, 0, 15, 0, &got);
    assert_true(got.steps == 15 && isnan(got.sampling.value) && isnan(got.phi.low) && isnan(got.deviation));
    fluctuation_of(&series.rows, 0, 16, 0, &got);
    assert_true(isfinite(got.sampling.value) && isfinite(got.phi.value) && isfinite(got.autocorrelation.value));
    /* Refused rows are as if they were not there. */
    series.loss[40] = NAN, series.variance[41] = INFINITY, series.loss[42] = -INFINITY;
    fluctuation_of(&series.rows, 0, 100, 0, &got);
    assert_int_equal(got.steps, 97);
    assert_true(isfinite(got.sampling.value) && isfinite(got.phi.value) && isfinite(got.autocorrelation.value));
    /* Batches of one image have no spread to tell sampling by. */
    for (int i = 0; i < 100; i++)
        series.variance[i] = NAN;
    fluctuation_of(&series.rows, 0, 100, 0, &got);
    assert_true(got.steps == 0 && isnan(got.motion.value));
    /* A loss that never moves has no fluctuation to share out. */
    for (int i = 0; i < 100; i++)
        series.loss[i] = 0.5, series.variance[i] = 0.0;
    fluctuation_of(&series.rows, 0, 100, 0, &clean);
    assert_true(clean.deviation == 0.0 && isnan(clean.sampling.value) && isnan(clean.phi.value));
    assert_int_equal(fluctuation_epoch_steps(&series.rows), 0);
}

/* ---- the window ---- */

static void test_window_mean(void **state)
{
    (void)state;
    struct loss_window window = {0};
    struct loss_view view;
    loss_window_add(&window, NAN, NAN, 8, 0, 0, &view);
    assert_true(window.count == 0 && isnan(view.smooth) && isnan(view.smooth_error) && isnan(view.spike_z));
    /* Ten of ten batches of an epoch leave no error; the first of the next brings its own. */
    for (int i = 0; i < 10; i++)
        loss_window_add(&window, i, 8.0, 8, 3, 80, &view);
    assert_true(fabs(view.smooth - 4.5) < 1e-12 && view.smooth_error < 1e-12);
    loss_window_add(&window, 4.5, 8.0, 8, 4, 80, &view);
    assert_true(fabs(view.smooth_error - sqrt(0.9) / 11.0) < 1e-12);
    /* Not known how many there are: as if drawn anew each time. */
    loss_window_add(&window, 4.5, 8.0, 8, 4, 0, &view);
    assert_true(fabs(view.smooth_error - sqrt(12.0) / 12.0) < 1e-12);
    /* A refused step changes nothing and is told the same. */
    const struct loss_view before = view;
    const struct loss_window kept = window;
    loss_window_add(&window, INFINITY, NAN, 8, 4, 0, &view);
    assert_memory_equal(&window, &kept, sizeof kept);
    assert_true(view.smooth == before.smooth && isnan(view.spike_z));
    /* Only the last ones count. */
    for (int i = 0; i < LOSS_WINDOW; i++)
        loss_window_add(&window, 2.0, 1.0, 4, 5, 0, &view);
    assert_true(fabs(view.smooth - 2.0) < 1e-12);
    assert_true(fabs(view.smooth_error - 0.5 / sqrt(LOSS_WINDOW)) < 1e-12);
}

static void test_spikes(void **state)
{
    (void)state;
    struct loss_window window = {0};
    struct loss_view view;
    for (int i = 0; i < LOSS_WINDOW_LEAST; i++) {
        loss_window_add(&window, 1.0 + 0.1 * (i % 2 ? 1 : -1), 0.64, 64, 0, 0, &view);
        assert_true(isnan(view.spike_z));
    }
    /* Median 1, median deviation 0.1. */
    loss_window_add(&window, 1.0 + 0.14826, 0.64, 64, 0, 0, &view);
    assert_true(fabs(view.spike_z - 1.0) < 1e-9 && window.spikes == 0);
    /* All images of the batch are worse: the weights moved. */
    loss_window_add(&window, 9.0, 0.64, 64, 0, 0, &view);
    assert_true(view.spike_z > 50.0 && window.spikes == 1 && window.spikes_of_batch == 0);
    /* One image of 64 has a loss of 513: the batch's own. */
    loss_window_add(&window, 9.0, 4096.0, 64, 0, 0, &view);
    assert_true(view.spike_z > 20.0 && window.spikes == 2 && window.spikes_of_batch == 1);
    /* 2.5 standard errors of 0.4 above the median, 1: its own as well; 3.5 of them are not. */
    for (int own = 0; own < 2; own++) {
        window = (struct loss_window){0};
        for (int i = 0; i < LOSS_WINDOW_LEAST; i++)
            loss_window_add(&window, 1.0 + 0.1 * (i % 2 ? 1 : -1), 0.64, 64, 0, 0, &view);
        loss_window_add(&window, own ? 2.0 : 2.4, 0.16 * 64, 64, 0, 0, &view);
        assert_true(view.spike_z > 6.0 && window.spikes == 1 && window.spikes_of_batch == own);
    }
    /* Losses that are all alike leave nothing to measure by. */
    window = (struct loss_window){0};
    for (int i = 0; i <= LOSS_WINDOW_LEAST; i++)
        loss_window_add(&window, 0.5, 0.0, 64, 0, 0, &view);
    assert_true(isnan(view.spike_z) && window.spikes == 0);
}

/* A line that falls by a tenth of a batch's standard error a step is told from chance; one that stands still is not. */
static void test_direction(void **state)
{
    (void)state;
    for (int direction = -1; direction <= 1; direction++) {
        struct loss_window window = {0};
        struct loss_view view = {0};
        for (int i = 0; i < LOSS_WINDOW; i++)
            loss_window_add(&window, 2.0 + direction * 0.1 * i + (i % 2 ? 1.0 : -1.0), 16.0, 16, 0, 0, &view);
        assert_int_equal(view.direction, direction);
    }
    /* The halves are those of the losses that there are: of few, and of many whose oldest lies far off. */
    for (int count = 20; count <= LOSS_WINDOW + 6; count += 50) {
        struct loss_window window = {0};
        struct loss_view view = {0};
        for (int i = 0; i < count; i++)
            loss_window_add(&window, i == count - LOSS_WINDOW ? 60.0 : 2.0, 16.0, 16, 0, 0, &view);
        assert_int_equal(view.direction, count < LOSS_WINDOW ? 0 : -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_shares),
        cmocka_unit_test(test_heavy_tails_widen),
        cmocka_unit_test(test_variance_ratio_is_as_defined),
        cmocka_unit_test(test_normal_losses_widen_little),
        cmocka_unit_test(test_design_reaches_back_for_looks_and_rows),
        cmocka_unit_test(test_frozen_weights),
        cmocka_unit_test(test_signs_in_time),
        cmocka_unit_test(test_bend_is_no_period),
        cmocka_unit_test(test_missing),
        cmocka_unit_test(test_window_mean),
        cmocka_unit_test(test_direction),
        cmocka_unit_test(test_spikes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
