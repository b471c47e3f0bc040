/* series: see include/series.h. Pure arithmetic on columns; must not know charts. */
#include "series.h"

#include <math.h>
#include <string.h>

static const double *column(const struct table *table, const char *name)
{
    /* Only the table's arena grows. */
    return table->column_count ? table_column_or_nan((struct table *)table, name) : NULL;
}

const double *steps_column(const struct run_facts *facts, const char *name)
{
    return column(&facts->steps, name);
}

const double *results_column(const struct run_facts *facts, const char *name)
{
    return column(&facts->results, name);
}

const double *epoch_ends(struct arena *arena, const struct run_facts *facts)
{
    const double *step = steps_column(facts, "step"), *of = steps_column(facts, "epoch");
    const double *epoch = results_column(facts, "epoch");
    double *ends = arena_push(arena, (size_t)(facts->results.row_count + 1) * sizeof *ends);
    for (int64_t e = 0, row = 0; e < facts->results.row_count; e++) {
        while (row < facts->steps.row_count && of[row] <= epoch[e])
            row++;
        ends[e] = row > 0 && of[row - 1] == epoch[e] ? step[row - 1] : NAN;
    }
    return ends;
}

double *window_middles(struct arena *arena, const double *x, int64_t count, int window)
{
    double *middles = arena_push(arena, (size_t)(count + 1) * sizeof *middles);
    for (int64_t i = 0; i < count; i++)
        middles[i] = 0.5 * (x[i] + x[i >= window ? i - window + 1 : 0]);
    return middles;
}

/* The last values in order of size; one goes and one comes at each row. */
struct sorted {
    double *values;
    int count;
};

static int sorted_place(const struct sorted *sorted, double value)
{
    int low = 0, high = sorted->count;
    while (low < high) {
        int middle = (low + high) / 2;
        if (sorted->values[middle] < value)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void sorted_add(struct sorted *sorted, double value)
{
    int place = sorted_place(sorted, value);
    memmove(sorted->values + place + 1, sorted->values + place,
            (size_t)(sorted->count++ - place) * sizeof *sorted->values);
    sorted->values[place] = value;
}

static void sorted_remove(struct sorted *sorted, double value)
{
    int place = sorted_place(sorted, value);
    memmove(sorted->values + place, sorted->values + place + 1,
            (size_t)(--sorted->count - place) * sizeof *sorted->values);
}

double *rolling_median(struct arena *arena, const double *values, int64_t count, int window)
{
    enum { FEW = 5 };
    double *medians = arena_push(arena, (size_t)(count + 1) * sizeof *medians);
    struct sorted sorted = {arena_push(arena, (size_t)(window + 1) * sizeof(double)), 0};
    for (int64_t i = 0; i < count; i++) {
        if (isfinite(values[i]))
            sorted_add(&sorted, values[i]);
        if (i >= window && isfinite(values[i - window]))
            sorted_remove(&sorted, values[i - window]);
        const int half = sorted.count / 2;
        medians[i] = sorted.count < FEW ? NAN
                     : sorted.count % 2 ? sorted.values[half]
                                        : 0.5 * (sorted.values[half - 1] + sorted.values[half]);
    }
    return medians;
}

int smooth_window(int64_t rows)
{
    enum { LEAST = 5 };
    const int64_t quarter = rows / 4;
    return quarter >= LOSS_WINDOW ? LOSS_WINDOW : quarter > LEAST ? (int)quarter : LEAST;
}

/* Times guessing, and times the median of the window: so large a loss is no part of a course. */
#define LOST 10.0

/* What steps.csv has over LOSS_WINDOW steps, over fewer rows or over rows with steps between them (docs/statistics.md:
 * standard errors). */
static void smooth_at(const struct loss_series *series, const double *bad, int64_t row, int window, double most,
                      double *mean, double *error)
{
    double sum = 0.0, squares = 0.0, epoch_squares = 0.0, epoch_images = 0.0;
    int count = 0;
    for (int64_t i = row < window ? 0 : row - window + 1; i <= row; i++) {
        if (isfinite(series->loss[i]) && !(bad[i] > 0.0) && series->loss[i] <= most) {
            sum += series->loss[i];
            epoch_squares += series->variance[i] / series->samples[i];
            epoch_images += series->samples[i];
            count++;
        }
        if (i == row || series->epoch[i + 1] != series->epoch[i]) {
            squares += epoch_squares * (series->images > 0.0 ? fmax(1.0 - epoch_images / series->images, 0.0) : 1.0);
            epoch_squares = epoch_images = 0.0;
        }
    }
    *mean = count > 0 ? sum / count : NAN;
    *error = count > 0 ? sqrt(squares) / count : NAN;
}

struct smooth_loss smooth_loss_of(struct arena *arena, const struct run_facts *facts, int window)
{
    const struct table *steps = &facts->steps;
    const double *step = steps_column(facts, "step"), *bad = steps_column(facts, "bad");
    const double design = facts->stability.last.design.value;
    const double lost = facts->diagnosis.guess > 0.0 ? LOST * facts->diagnosis.guess : INFINITY;
    const double *loss = steps_column(facts, "loss");
    bool gets_lost = false;
    for (int64_t i = 0; i < steps->row_count; i++)
        gets_lost |= loss[i] > lost;
    struct loss_series series;
    if ((!gets_lost && window == LOSS_WINDOW && step[steps->row_count - 1] - step[0] < (double)steps->row_count) ||
        !loss_series_of(steps, facts->stability.images, &series))
        return (struct smooth_loss){steps_column(facts, "loss_smooth"), steps_column(facts, "loss_smooth_error"),
                                    false};
    double *mean = arena_push(arena, (size_t)steps->row_count * sizeof *mean);
    double *error = arena_push(arena, (size_t)steps->row_count * sizeof *error);
    const double *median = gets_lost ? rolling_median(arena, loss, steps->row_count, window) : NULL;
    for (int64_t i = 0; i < steps->row_count; i++) {
        const double most = median && isfinite(median[i]) ? fmax(lost, LOST * median[i]) : INFINITY;
        smooth_at(&series, bad, i, window, most, &mean[i], &error[i]);
        error[i] *= sqrt(design > 0.0 ? design : 1.0);
    }
    return (struct smooth_loss){mean, error, gets_lost};
}

double *plus(struct arena *arena, int64_t count, const double *value, double factor, const double *other)
{
    double *sums = arena_push(arena, (size_t)(count + 1) * sizeof *sums);
    for (int64_t i = 0; i < count; i++)
        sums[i] = value[i] + factor * other[i];
    return sums;
}

/* The statistics' own window; in a short run a quarter of it, so that there is a course to be seen. */
static int split_window(int64_t steps)
{
    enum { LEAST = 40 };
    const int64_t quarter = steps / 4;
    return quarter >= STABILITY_STEPS ? STABILITY_STEPS : quarter > LEAST ? (int)quarter : LEAST;
}

void split_over_time(struct arena *arena, const struct run_facts *facts, struct split_series *split)
{
    enum { POINTS = 160 };
    const int64_t rows = facts->steps.row_count;
    struct loss_series series;
    *split = (struct split_series){.window = split_window(rows)};
    if (!loss_series_of(&facts->steps, facts->stability.images, &series) || rows < split->window)
        return;
    double **arrays[] = {&split->step, &split->sampling, &split->motion, &split->trend};
    for (int i = 0; i < COUNT_OF(arrays); i++)
        *arrays[i] = arena_push(arena, (POINTS + 1) * sizeof(double));
    const int64_t places = rows - split->window, points = places < POINTS ? places + 1 : POINTS;
    for (int64_t k = 0; k < points; k++) {
        const int64_t first = points > 1 ? places * k / (points - 1) : 0, end = first + split->window;
        struct fluctuation here;
        fluctuation_of(&series, first, end, facts->stability.epoch_steps, &here);
        const int64_t i = split->count++;
        split->step[i] = 0.5 * (series.step[first] + series.step[end - 1]);
        split->sampling[i] = here.sampling.value;
        split->motion[i] = here.motion.value;
        split->trend[i] = here.trend.value;
    }
}

void noise_over_time(struct arena *arena, const struct run_facts *facts, struct noise_series *noise)
{
    enum { POINTS = 60 };
    const int64_t rows = facts->steps.row_count;
    const double *step = steps_column(facts, "step"), *grad = steps_column(facts, "noise_grad");
    const double *trace = steps_column(facts, "noise_trace");
    int64_t *measured = arena_push(arena, (size_t)(rows + 1) * sizeof *measured), count = 0;
    double **arrays[] = {&noise->step, &noise->value, &noise->low, &noise->high};
    for (int i = 0; i < COUNT_OF(arrays); i++)
        *arrays[i] = arena_push(arena, (POINTS + 1) * sizeof(double));
    noise->count = 0;
    for (int64_t i = 0; i < rows; i++)
        if (isfinite(grad[i]) && isfinite(trace[i]))
            measured[count++] = i;
    if (count < NOISE_MEASUREMENTS)
        return;
    const int64_t places = count - NOISE_MEASUREMENTS, points = places < POINTS ? places + 1 : POINTS;
    for (int64_t k = 0; k < points; k++) {
        const int64_t at = points > 1 ? places * k / (points - 1) : 0;
        const int64_t first = measured[at], last = measured[at + NOISE_MEASUREMENTS - 1];
        const struct estimate here = noise_scale_of(grad + first, trace + first, last - first + 1);
        const int64_t i = noise->count++;
        noise->step[i] = 0.5 * (step[first] + step[last]);
        noise->value[i] = isfinite(here.value) ? here.value : NAN;
        noise->low[i] = here.low > 0.0 && isfinite(here.high) ? here.low : NAN;
        noise->high[i] = isfinite(here.high) ? here.high : NAN;
    }
}
