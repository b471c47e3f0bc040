/* test_ahead: what batches that were looked at before the step that came before them tell, of series whose answer is
 * known: how much of the jitter is not the steps' doing, and how much batches scatter of themselves. */
#include "drawn_losses.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka wants the standard headers first */
#include <cmocka.h>

/* Steps of known size, each seen by one batch in sixteen: their share of the jitter lies within its interval, whatever
 * is said of the batches' own variance. Still weights leave all of it. */
static void test_looking_ahead(void **state)
{
    (void)state;
    enum { SERIES = 400, COUNT = 2048, EVERY = 16, EPOCH = 100 };
    static const int looks[] = {COUNT / EVERY, 16, 8}; /* the last ones; at the beginning of an epoch there is none */
    static const double widest[] = {0.12, 0.3, 0.55};
    static double next[COUNT];
    const double truth = 2.0 / (2.0 + 0.25); /* batches scatter by 1, a step moves the loss by 0.5 */
    int inside[COUNT_OF(looks)] = {0};
    double width[COUNT_OF(looks)] = {0};
    for (int s = 0; s <= SERIES; s++) {
        struct draws draws = {(uint64_t)s, 0};
        series_begin(COUNT);
        for (int i = 0; i < COUNT; i++) {
            const double move = s == SERIES ? 0.0 : 0.5 * normal(&draws);
            series.epoch[i] = floor(i / (double)EPOCH);
            series.path[i] = i ? series.path[i - 1] + move : 3.0;
            draw_batch(&draws, i, 16, 4.0);
            series.variance[i] *= 0.5; /* as if batches were tied */
            if (i > 0)
                next[i - 1] = i % EVERY == 0 ? series.loss[i] - move : NAN;
        }
        next[COUNT - 1] = NAN;
        const struct estimate got = chance_looked_at(&series.rows, next, 0);
        if (s == SERIES) {
            assert_true(got.value == 1.0 && got.low == 1.0 && got.high == 1.0);
            continue;
        }
        for (int k = 0; k < COUNT_OF(looks); k++) {
            const struct estimate some = chance_looked_at(&series.rows, next, COUNT - (looks[k] + 1) * EVERY);
            inside[k] += some.low <= truth && truth <= some.high;
            width[k] += (some.high - some.low) / SERIES;
        }
    }
    for (int k = 0; k < COUNT_OF(looks); k++)
        if (inside[k] < 0.925 * SERIES || width[k] > widest[k])
            fail_msg("%d looks: %d of %d, mean width %.3f", looks[k], inside[k], SERIES, width[k]);
    for (int i = 8 * EVERY - 1; i < COUNT; i++)
        next[i] = NAN;
    assert_true(isnan(chance_looked_at(&series.rows, next, 0).value)); /* seven looks */
    next[8 * EVERY + 1] = series.loss[8 * EVERY + 2];
    assert_false(isnan(chance_looked_at(&series.rows, next, 0).value));
    assert_true(isnan(chance_looked_at(&series.rows, next, 40).value));
}

/* Batches of 16 that scatter by more than their images do, of weights that move by `move` of that from step to step and
 * come back; every 32nd is looked at. */
static void draw_tied(struct draws *draws, double design, double move, double *next, int count)
{
    enum { EVERY = 32 };
    const double scatter = sqrt(design / 16.0);
    double at = 0.0, before = 0.0;
    series_begin(count);
    for (int i = 0; i < count; i++) {
        series.epoch[i] = 1.0;
        series.path[i] = 0.0;
        draw_batch(draws, i, 16, 1.0);
        const double noise = sqrt(design) * series.loss[i];
        series.loss[i] = 2.0 + at + noise;
        if (i > 0)
            next[i - 1] = i % EVERY == 0 ? 2.0 + before + noise : NAN;
        before = at;
        at = 0.9 * at + move * scatter * normal(draws);
    }
    next[count - 1] = NAN;
    series.rows.next = next;
}

static void test_design(void **state)
{
    (void)state;
    enum { SERIES = 200, COUNT = 640 };
    static const struct {
        double design, move, widest;
    } cases[] = {{1.0, 0.0, 0.4}, {1.4, 0.0, 0.6}, {1.4, 0.2, 0.65}, {1.4, 0.5, 1.0}, {0.8, 0.2, 0.4}, {1.4, 3.0, 2.2}};
    static double next[COUNT];
    for (int c = 0; c < COUNT_OF(cases); c++) {
        double bias = 0.0, width = 0.0;
        int inside = 0, taken = 0;
        for (int s = 0; s < SERIES; s++) {
            struct draws draws = {(uint64_t)s, 0};
            struct fluctuation whole;
            draw_tied(&draws, cases[c].design, cases[c].move, next, COUNT);
            const struct estimate got = design_looked_at(&series.rows, 0, series.rows.count);
            inside += got.low <= cases[c].design && cases[c].design <= got.high;
            bias += (got.value - cases[c].design) / SERIES;
            width += (got.high - got.low) / SERIES;
            fluctuation_of(&series.rows, 0, COUNT, 0, &whole);
            taken += isfinite(whole.design.value);
        }
        if (inside < 0.87 * SERIES || fabs(bias) > 0.05 * cases[c].design || width > cases[c].widest)
            fail_msg("design %g, move %g: %d of %d inside, bias %.3f, mean width %.3f, %d taken", cases[c].design,
                     cases[c].move, inside, SERIES, bias, width, taken);
        /* Weights that move as fast as batches scatter leave too little to tell it by. */
        assert_true(cases[c].move < 0.3 ? taken > 0.8 * SERIES : cases[c].move < 1.0 || taken < 0.2 * SERIES);
    }
    for (int i = 32 * 8 - 1; i < COUNT; i++)
        next[i] = NAN;
    assert_true(isnan(design_looked_at(&series.rows, 0, series.rows.count).value)); /* seven looks */
    next[32 * 8 - 1] = series.loss[32 * 8];
    assert_false(isnan(design_looked_at(&series.rows, 0, series.rows.count).value));
}

/* A look counts for the steps since the last one, and for 1 - 1/64 of the next one: looks twice as far apart count
 * twice. Jumps are all alike, so that the looks alone tell. */
static void test_looks_count_for_the_steps_between_them(void **state)
{
    (void)state;
    enum { LOOKS = 24 };
    struct design_track track = {0};
    double step = 0.0, sum = 0.0, weights = 0.0;
    for (int look = 0; look < LOOKS; look++) {
        const int apart = look < LOOKS / 2 ? 10 : 20;
        const double square = look < LOOKS / 2 ? 1.0 : 1.2; /* of what two batches differ by, in units of 2 s^2 / n */
        for (int i = 0; i < apart; i++, step += 1.0) {
            const double loss = 2.0 + (fmod(step, 2.0) > 0.0 ? 0.5 : -0.5);
            const struct loss_row row = {step, 1.0, 16.0, loss, 8.0, i == apart - 1 ? loss + sqrt(square) : NAN};
            design_take(&track, &row);
        }
        const double weight = pow(1.0 - 1.0 / 64.0, LOOKS - 1 - look) * (look == 0           ? 9.0
                                                                         : look == LOOKS / 2 ? 20.0
                                                                                             : apart);
        sum += weight * square;
        weights += weight;
    }
    const double loss = 2.0 + (fmod(step, 2.0) > 0.0 ? 0.5 : -0.5);
    design_take(&track, &(struct loss_row){step, 1.0, 16.0, loss, 8.0, NAN}); /* the step that the last look was of */
    if (!(fabs(design_now(&track) / (sum / weights) - 1.0) < 0.005))
        fail_msg("%.4f, expected %.4f", design_now(&track), sum / weights);
}

/* Row by row it is told as of the whole; a refused row breaks the chain and no more; without looks it is not known. */
static void test_design_while_a_run_goes_on(void **state)
{
    (void)state;
    enum { SERIES = 100, COUNT = 2048 };
    static double next[COUNT];
    static const double designs[] = {1.0, 1.5};
    for (int c = 0; c < COUNT_OF(designs); c++) {
        double sum = 0.0, off = 0.0;
        for (int s = 0; s < SERIES; s++) {
            struct draws draws = {(uint64_t)s, 0};
            struct design_track track = {0};
            draw_tied(&draws, designs[c], 0.1, next, COUNT);
            for (int i = 0; i < COUNT; i++) {
                struct loss_row row = {i, 1.0, 16.0, series.loss[i], series.variance[i], next[i]};
                if (i % 100 == 50)
                    row.loss = NAN;
                design_take(&track, &row);
                assert_true(i > 8 * 32 - 2 || isnan(design_now(&track))); /* seven looks */
            }
            sum += design_now(&track) / SERIES;
            off += fabs(design_now(&track) - design_looked_at(&series.rows, 0, COUNT).value) / SERIES;
        }
        if (!(fabs(sum / designs[c] - 1.0) < 0.05 && off < 0.08 * designs[c]))
            fail_msg("design %g: %.3f, off by %.3f", designs[c], sum, off);
    }
    /* It widens the standard error, and what is told from chance. */
    struct loss_window window = {0};
    struct loss_view narrow = {0}, wide = {0};
    for (int i = 0; i < LOSS_WINDOW; i++)
        loss_window_add(&window, 2.0 + 0.06 * i, 16.0, 16, 0, 0, &narrow);
    loss_window_look(&window, 4.0, 16, 0, &wide);
    assert_true(fabs(wide.smooth_error - 2.0 * narrow.smooth_error) < 1e-12 && wide.smooth == narrow.smooth);
    assert_true(narrow.direction == 1 && wide.direction == 1);
    loss_window_look(&window, 40.0, 16, 0, &wide);
    assert_int_equal(wide.direction, 0);
}

/* With the design, shares and phi are those of a series whose images tell all of the scatter. */
static void test_design_is_sampling(void **state)
{
    (void)state;
    enum { COUNT = 2048 };
    static double next[COUNT];
    struct draws draws = {5, 0};
    struct fluctuation blind, got;
    draw_tied(&draws, 1.5, 0.0, next, COUNT);
    fluctuation_of(&series.rows, 0, COUNT, 0, &got);
    series.rows.next = NULL;
    fluctuation_of(&series.rows, 0, COUNT, 0, &blind);
    assert_true(blind.phi.value < 0.75 && blind.sampling.value < 0.75);
    assert_true(fabs(got.phi.value - 1.0) < 0.03 && got.sampling.value > 0.97 && got.sampling.high == 1.0);
    assert_true(fabs(got.variance_ratio - 1.0) < 0.1);
    assert_true(fabs(got.loss.high - got.loss.low - sqrt(1.5) * (blind.loss.high - blind.loss.low)) <
                0.1 * (got.loss.high - got.loss.low));
}

/* The formulas of docs/statistics.md, worked out in double precision by another program. */
static void assert_estimate(struct estimate got, double value, double low, double high)
{
    if (!(fabs(got.value - value) < 1e-9 && fabs(got.low - low) < 1e-9 && fabs(got.high - high) < 1e-9))
        fail_msg("%.10f, %.10f to %.10f; expected %.10f, %.10f to %.10f", got.value, got.low, got.high, value, low,
                 high);
}

/* To the last figure, of a short series with all that breaks one: an epoch's end, a row left out, a loss that is not
 * known, batches of two sizes, looks at uneven distances. */
static void test_figures(void **state)
{
    (void)state;
    enum { COUNT = 120 };
    static double next[COUNT];
    struct design_track track = {0};
    series_begin(COUNT);
    for (int i = 0; i < COUNT; i++) {
        series.step[i] = i + (i >= 70);
        series.epoch[i] = 1.0 + i / 45;
        series.samples[i] = i % 5 ? 16.0 : 8.0;
        series.loss[i] = i == 52 ? NAN : 2.0 + i * 37 % 23 / 23.0;
        series.variance[i] = 4.0 + i * 17 % 7;
        next[i] = NAN;
        if (i > 0 && (i % 9 == 4 || i == 11 || i == 47))
            next[i - 1] = 2.1 + 0.5 * (i * 37 % 23) / 23.0 + i * 5 % 11 / 44.0;
    }
    series.rows.next = next;
    for (int i = 0; i < COUNT; i++)
        design_take(&track, &(struct loss_row){series.step[i], series.epoch[i], series.samples[i], series.loss[i],
                                               series.variance[i], next[i]});
    assert_true(fabs(design_now(&track) - 0.1410495268) < 1e-9);
    /* As many looks and steps of one weight tell as much. */
    const struct pair_moments looks = track.looks, steps = track.steps;
    assert_true(fabs(looks.weight * looks.weight / looks.squares - 13.2152012680) < 1e-8);
    assert_true(fabs(steps.weight * steps.weight / steps.squares - 113.4424849914) < 1e-8);
    assert_estimate(design_looked_at(&series.rows, 0, COUNT), 0.1416852983, 0.0939243374, 0.1894462592);
    assert_estimate(design_looked_at(&series.rows, 25, 110), 0.1425126688, 0.0862962026, 0.1987291349);
    assert_estimate(chance_looked_at(&series.rows, next, 0), 0.8843382854, 0.7484339920, 0.9468225762);
    assert_estimate(chance_looked_at(&series.rows, next, 30), 0.8777747591, 0.6883433802, 0.9520658040);
    next[57] = series.loss[58] - 2.0; /* a step unlike the others: the interval is that of the scatter */
    assert_estimate(chance_looked_at(&series.rows, next, 0), -0.2382499235, -7.4222454612, 0.8179508208);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_looking_ahead),
                                       cmocka_unit_test(test_design),
                                       cmocka_unit_test(test_design_is_sampling),
                                       cmocka_unit_test(test_looks_count_for_the_steps_between_them),
                                       cmocka_unit_test(test_design_while_a_run_goes_on),
                                       cmocka_unit_test(test_figures)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
