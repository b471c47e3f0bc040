/* measure: a run's steps.csv and results.csv into the figures of a sweep's table. Formulas: docs/sweep.md.
 * Knows one run; must not know seeds. */
#include "measure.h"

#include "order.h"
#include "stability.h"
#include "table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    WINDOW = 200,      /* steps of a window at most */
    WINDOW_LEAST = 16, /* that fluctuation_of needs */
    SMOOTH_IMAGES = 1000
};

/* ---- the loss about its trend ---- */

/* Medians over whole windows of the run's second half, the last one ending with the run. Windows are short against the
 * run, so that its trend is a straight line in each, but for runs of some dozen steps. */
static void measure_fluctuation(const struct loss_series *series, struct measures *measures)
{
    const int64_t epoch_steps = fluctuation_epoch_steps(series);
    int64_t window = series->count / 4 < WINDOW ? series->count / 4 : WINDOW, count = 0;
    window = window < WINDOW_LEAST ? WINDOW_LEAST : window;
    struct arena arena = {0};
    double *deviation = arena_push(&arena, (size_t)(series->count + 1) * sizeof *deviation);
    double *share = arena_push(&arena, (size_t)(series->count + 1) * sizeof *share);
    for (int64_t end = series->count; window > 0 && end - window >= series->count / 2; end -= window) {
        struct fluctuation part;
        fluctuation_of(series, end - window, end, epoch_steps, &part);
        double detrended = part.sampling.value + part.motion.value;
        if (!(part.deviation > 0.0 && detrended > 0.0))
            continue;
        deviation[count] = part.deviation * sqrt(detrended);
        share[count++] = part.sampling.value / detrended;
    }
    measures->fluctuation = median_of_known(deviation, count);
    measures->sampling = median_of_known(share, count);
    arena_free(&arena);
}

/* Over the run's second half. */
static struct estimate measure_noise_scale(const struct table *steps)
{
    const double *grad = table_column(steps, "noise_grad"), *trace = table_column(steps, "noise_trace");
    const int64_t from = steps->row_count / 2;
    const struct estimate unknown = {NAN, NAN, NAN};
    return grad && trace ? noise_scale_of(grad + from, trace + from, steps->row_count - from) : unknown;
}

/* ---- progress ---- */

/* Steps over whose losses a mean is taken: about SMOOTH_IMAGES images, at most a twentieth of the run. */
static int64_t smooth_steps(const struct loss_series *series)
{
    int64_t steps = series->count > 0 ? whole_of(ceil(SMOOTH_IMAGES / series->samples[0])) : 1;
    int64_t most = series->count / 20;
    return steps < most ? steps : most > 1 ? most : 1;
}

static double mean_loss(const struct loss_series *series, int64_t from, int64_t to)
{
    double sum = 0.0;
    for (int64_t i = from; i < to; i++)
        sum += series->loss[i];
    return to > from ? sum / (double)(to - from) : NAN;
}

static void measure_target(const struct loss_series *series, double target, struct measures *measures)
{
    int64_t width = smooth_steps(series);
    measures->last_loss = mean_loss(series, series->count > width ? series->count - width : 0, series->count);
    measures->target_steps = NAN;
    for (int64_t end = width; end <= series->count && isnan(measures->target_steps); end++)
        if (mean_loss(series, end - width, end) <= target)
            measures->target_steps = series->step[end - 1] + 1.0;
}

static void measure_speed(const struct table *results, struct measures *measures)
{
    const double *rate = table_column(results, "images_per_second");
    struct arena arena = {0};
    if (rate) {
        double *rates = arena_push(&arena, (size_t)(results->row_count + 1) * sizeof *rates);
        memcpy(rates, rate, (size_t)results->row_count * sizeof *rates);
        measures->images_per_second = median_of_known(rates, results->row_count);
    }
    arena_free(&arena);
}

/* ---- the run ---- */

static void measure_steps(const struct table *steps, double images, double target, struct measures *measures)
{
    struct arena arena = {0};
    const double *bad = table_column(steps, "bad");
    struct loss_series series;
    int64_t own;
    if (!loss_series_of(steps, images, &series))
        return;
    const double **const columns[] = {&series.step, &series.epoch,    &series.samples,
                                      &series.loss, &series.variance, &series.next};
    for (int k = 0; k < COUNT_OF(columns) && *columns[k]; k++) {
        double *good = arena_push(&arena, (size_t)(steps->row_count + 1) * sizeof *good);
        series.count = 0;
        for (int64_t i = 0; i < steps->row_count; i++)
            if (!(bad && bad[i] != 0.0))
                good[series.count++] = (*columns[k])[i];
        *columns[k] = good;
    }
    measure_fluctuation(&series, measures);
    spikes_of(&series, NULL, &measures->spikes, &own);
    measures->noise_scale = measure_noise_scale(steps);
    measure_target(&series, target, measures);
    measures->steps = whole_of(table_last(steps, "step")) + 1;
    arena_free(&arena);
}

/* The loss of somebody who names every class with the same probability; NaN where the run kept no model. */
static double guess_loss(const char *run)
{
    char checkpoints[PATH_BYTES], last[PATH_BYTES];
    struct arena arena = {0};
    struct model_card card;
    double loss = NAN;
    if (path_join(checkpoints, run, "checkpoints") == OK && path_join(last, checkpoints, "last") == OK &&
        folder_exists(last) && card_read(&card, &arena, last) == OK)
        loss = log(card.class_count);
    arena_free(&arena);
    return loss;
}

static int read_part(struct table *table, const char *run, const char *name, struct table_damage *all)
{
    char path[PATH_BYTES];
    struct table_damage damage;
    *table = (struct table){0};
    TRY(path_join(path, run, name));
    if (!file_exists(path))
        return OK;
    TRY(table_salvage(table, path, &damage));
    if (all->rows == 0)
        *all = damage;
    else
        all->rows += damage.rows;
    return OK;
}

int measure_run(const char *path, double target, struct measures *measures)
{
    struct table steps, results = {0};
    struct run_end end;
    *measures = (struct measures){.fluctuation = NAN,
                                  .sampling = NAN,
                                  .noise_scale = {NAN, NAN, NAN},
                                  .last_loss = NAN,
                                  .images_per_second = NAN,
                                  .target_steps = NAN,
                                  .failed_step = -1};
    int status = read_part(&steps, path, "steps.csv", &measures->damage);
    if (status == OK)
        status = read_part(&results, path, "results.csv", &measures->damage);
    if (status == OK) {
        if (steps.row_count > 0)
            measure_steps(&steps, run_read_images(path), target, measures);
        if (results.row_count > 0)
            measure_speed(&results, measures);
        measures->val_loss = table_last(&results, "val/loss");
        measures->val_accuracy = table_last(&results, "metrics/accuracy_top1");
        run_read_end(path, &end);
        bool failed = end.kind == RUN_FAILED && end.exit_status == status_exit_code(ERR_TRAINING);
        measures->diverged = failed || (end.kind == RUN_DONE && measures->last_loss > guess_loss(path));
        if (failed)
            measures->failed_step = steps.row_count > 0 ? whole_of(table_last(&steps, "step")) : 0;
    }
    table_free(&steps);
    table_free(&results);
    return status;
}
