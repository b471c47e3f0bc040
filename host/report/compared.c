/* compared: charts of several runs, one over the other. See include/report.h. */
#include "series.h"

#include <math.h>

struct comparison {
    struct charts *charts;
    const struct run_facts *facts;
    int count;
    bool epochs;           /* x: images seen in those of an epoch; else steps */
    const double **x;      /* [count][rows] */
    const double **middle; /* the same of the middle of the rows that lines are smoothed over */
    const double **ends;   /* [count][epochs] */
};

/* Images seen up to each row, in epochs of the run's training images; steps where their number is not known. */
static const double *positions(struct arena *arena, const struct run_facts *facts, bool epochs)
{
    const double *samples = steps_column(facts, "samples"), *step = steps_column(facts, "step");
    double images = 0.0, seen = 0.0;
    for (int i = 0; i < facts->class_count; i++)
        images += facts->class_images[i];
    if (!epochs)
        return step;
    double *places = arena_push(arena, (size_t)(facts->steps.row_count + 1) * sizeof *places);
    for (int64_t i = 0; i < facts->steps.row_count; i++) {
        /* Rows may be missing (stats.steps_every): the steps between saw as many images. */
        const double passed = i > 0 ? step[i] - step[i - 1] : step[i] + 1.0;
        seen += passed * samples[i];
        places[i] = seen / images;
    }
    return places;
}

static const double *at_ends(struct arena *arena, const struct run_facts *facts, const double *x)
{
    const double *ends = epoch_ends(arena, facts), *step = steps_column(facts, "step");
    double *places = arena_push(arena, (size_t)(facts->results.row_count + 1) * sizeof *places);
    for (int64_t e = 0, row = 0; e < facts->results.row_count; e++) {
        while (row < facts->steps.row_count && step[row] < ends[e])
            row++;
        places[e] = isnan(ends[e]) || row == facts->steps.row_count ? NAN : x[row];
    }
    return places;
}

static struct chart *begin(struct comparison *comparison, const char *id, const char *title, const char *how,
                           const char *axis)
{
    struct chart *chart = chart_add(comparison->charts, id, title, how);
    chart->x.title = comparison->epochs ? "epoch" : "step";
    chart->y.title = axis;
    return chart;
}

static void add(struct comparison *comparison, struct chart *chart, enum chart_mark mark, int run, int64_t count,
                const double *x, const double *y)
{
    enum { COLOURS = CHART_GREY }; /* those before it */
    struct chart_series *series =
        chart_series_add(chart, mark, (enum chart_colour)(run % COLOURS), comparison->facts[run].name, count, x, y);
    if (series)
        series->dashed = run >= COLOURS;
}

/* How a column is shown: as it is, as a mean (the loss), as a median. */
enum shown { AS_IT_IS, MEAN, MEDIAN };

static void of_steps(struct comparison *comparison, struct chart *chart, const char *column, enum shown shown)
{
    struct arena *arena = &comparison->charts->arena;
    for (int i = 0; i < comparison->count; i++) {
        const struct run_facts *facts = &comparison->facts[i];
        const int64_t rows = facts->steps.row_count;
        const double *values = steps_column(facts, column);
        if (rows > 0 && shown == MEAN)
            values = smooth_loss_of(arena, facts, smooth_window(rows)).mean;
        if (rows > 0 && shown == MEDIAN)
            values = rolling_median(arena, values, rows, smooth_window(rows));
        if (rows > 0)
            add(comparison, chart, CHART_LINE, i, rows, shown == AS_IT_IS ? comparison->x[i] : comparison->middle[i],
                values);
    }
}

static void of_epochs(struct comparison *comparison, struct chart *chart, const char *column)
{
    for (int i = 0; i < comparison->count; i++) {
        const struct run_facts *facts = &comparison->facts[i];
        if (facts->results.row_count > 0 && facts->steps.row_count > 0)
            add(comparison, chart, CHART_DOTS, i, facts->results.row_count, comparison->ends[i],
                results_column(facts, column));
    }
}

/* Losses of different size are compared by their ratio. */
static enum chart_scale loss_scale(const struct chart *chart)
{
    double low = INFINITY, high = 0.0;
    for (int i = 0; i < chart->series_count; i++)
        for (int64_t k = 0; k < chart->series[i].count; k++)
            if (isfinite(chart->series[i].y[k])) {
                low = fmin(low, chart->series[i].y[k]);
                high = fmax(high, chart->series[i].y[k]);
            }
    return low > 0.0 && high > 20.0 * low ? CHART_LOG10 : CHART_LINEAR;
}

/* Over how many rows, of runs of any length. */
static const char *smoothed(struct comparison *comparison, const char *how)
{
    int least = LOSS_WINDOW, most = 0;
    for (int i = 0; i < comparison->count; i++) {
        const int64_t rows = comparison->facts[i].steps.row_count;
        const int window = rows > 0 ? smooth_window(rows) : least;
        least = window < least ? window : least;
        most = window > most ? window : most;
    }
    return arena_format(&comparison->charts->arena, "%s of %d batches%s.", how, most,
                        least < most ? "; in short runs, of a quarter of them" : "");
}

static void fill(struct comparison *comparison)
{
    struct arena *arena = &comparison->charts->arena;
    struct chart *chart =
        begin(comparison, "loss", "Training loss, smoothed",
              arena_format(arena, "%s Runs with other batch sizes are comparable: the mean does not depend on it.",
                           smoothed(comparison, "Mean")),
              "loss, nats");
    of_steps(comparison, chart, "loss", MEAN);
    chart->y.scale = loss_scale(chart);
    chart_end(comparison->charts);
    chart = begin(comparison, "val-loss", "Validation loss after each epoch", "The lowest point counts, not the last.",
                  "loss, nats");
    of_epochs(comparison, chart, "val/loss");
    chart->y.scale = loss_scale(chart);
    chart_end(comparison->charts);
    chart =
        begin(comparison, "accuracy", "Validation accuracy after each epoch",
              "Differences within the scatter from epoch to epoch mean little.", "images whose first guess is right");
    chart->y.percent = true;
    of_epochs(comparison, chart, "metrics/accuracy_top1");
    chart_end(comparison->charts);
    chart = begin(comparison, "rate", "Learning rate", "As it was applied, step by step.", "learning rate");
    of_steps(comparison, chart, "lr", AS_IT_IS);
    chart_end(comparison->charts);
    chart = begin(comparison, "gradient", "Length of the gradient, smoothed",
                  arena_format(arena, "%s Larger batches have shorter gradients: there is less noise in them.",
                               smoothed(comparison, "Median")),
                  "|g|");
    of_steps(comparison, chart, "grad_norm", MEDIAN);
    chart_end(comparison->charts);
    chart = begin(
        comparison, "update", "How far a step moves the weights, smoothed",
        arena_format(arena, "%s Beside the weights' own length. This, not the rate, is comparable between optimizers.",
                     smoothed(comparison, "Median")),
        "|step| / |weights|");
    of_steps(comparison, chart, "update_ratio", MEDIAN);
    chart->y.scale = loss_scale(chart);
    chart_end(comparison->charts);
    chart =
        begin(comparison, "speed", "Images per second, by epoch", "Training alone, without evaluation.", "images/s");
    chart->y.low = 0.0;
    of_epochs(comparison, chart, "images_per_second");
    chart_end(comparison->charts);
}

void compared_charts(struct charts *charts, const struct run_facts *facts, int count)
{
    struct arena *arena = &charts->arena;
    struct comparison comparison = {.charts = charts, .facts = facts, .count = count, .epochs = true};
    comparison.x = arena_push(arena, (size_t)count * sizeof *comparison.x);
    comparison.middle = arena_push(arena, (size_t)count * sizeof *comparison.middle);
    comparison.ends = arena_push(arena, (size_t)count * sizeof *comparison.ends);
    for (int i = 0; i < count; i++)
        comparison.epochs = comparison.epochs && facts[i].class_count > 0;
    for (int i = 0; i < count; i++) {
        if (facts[i].steps.row_count == 0)
            continue;
        comparison.x[i] = positions(arena, &facts[i], comparison.epochs);
        comparison.middle[i] =
            window_middles(arena, comparison.x[i], facts[i].steps.row_count, smooth_window(facts[i].steps.row_count));
        comparison.ends[i] = at_ends(arena, &facts[i], comparison.x[i]);
    }
    fill(&comparison);
}
