/* charts: what is worth seeing of one run. See include/report.h. Owns the choice of charts, their titles and how they
 * are read; must not know how they are drawn. */
#include "series.h"

#include <math.h>
#include <stdio.h>

/* What all charts of a run need. */
struct maker {
    struct charts *charts;
    const struct run_facts *facts;
    struct arena *arena; /* of the charts */
    int64_t rows, epochs;
    const double *step, *ends; /* of rows; of epochs, in steps */
    int window;                /* rows that lines are smoothed over */
    const double *middle;      /* of the last of them, at each row: so drawn, a line does not lag behind */
};

static struct chart *begin(struct maker *maker, const char *id, const char *title, const char *how)
{
    struct chart *chart = chart_add(maker->charts, id, title, how);
    chart->x.title = "step";
    if (maker->rows > 1) {
        chart->x.low = maker->step[0];
        chart->x.high = maker->step[maker->rows - 1];
    }
    return chart;
}

static struct chart_series *of_steps(struct maker *maker, struct chart *chart, enum chart_mark mark,
                                     enum chart_colour colour, const char *name, const double *values)
{
    return chart_series_add(chart, mark, colour, name, maker->rows, maker->step, values);
}

static struct chart_series *of_windows(struct maker *maker, struct chart *chart, enum chart_mark mark,
                                       enum chart_colour colour, const char *name, const double *values)
{
    return chart_series_add(chart, mark, colour, name, maker->rows, maker->middle, values);
}

static struct chart_series *of_epochs(struct maker *maker, struct chart *chart, enum chart_mark mark,
                                      enum chart_colour colour, const char *name, const char *column)
{
    return maker->epochs ? chart_series_add(chart, mark, colour, name, maker->epochs, maker->ends,
                                            results_column(maker->facts, column))
                         : NULL;
}

/* Where the rate was cut on a plateau, and where the validation was best. */
static void mark_epochs(struct maker *maker, struct chart *chart, bool best)
{
    const double *cut = results_column(maker->facts, "plateau_cut"), *good = results_column(maker->facts, "best");
    int64_t last_best = -1;
    for (int64_t e = 0; e < maker->epochs; e++) {
        if (cut[e] == 1.0)
            chart_event_add(chart, maker->ends[e], CHART_PURPLE, "plateau: rate cut");
        if (good[e] == 1.0)
            last_best = e;
    }
    if (best && last_best >= 0)
        chart_event_add(chart, maker->ends[last_best], CHART_GREY, "best");
}

/* Refused updates, as far as there is room for marks. */
static void mark_refused(struct maker *maker, struct chart *chart)
{
    enum { MOST = 6 };
    const double *bad = steps_column(maker->facts, "bad");
    int marked = 0;
    for (int64_t i = 0; i < maker->rows && marked < MOST; i++)
        if (bad[i] == REFUSED_NONFINITE && (i == 0 || bad[i - 1] != REFUSED_NONFINITE)) {
            chart_event_add(chart, maker->step[i], CHART_RED, "not a number");
            marked++;
        }
}

static void widen_range(double range[static 2], const double *values, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (isfinite(values[i])) {
            range[0] = fmin(range[0], values[i]);
            range[1] = fmax(range[1], values[i]);
        }
}

/* What falls that many times is seen on a logarithmic axis only. */
static enum chart_scale scale_of_range(const double range[static 2], double ratio)
{
    return range[0] > 0.0 && range[1] > ratio * range[0] ? CHART_LOG10 : CHART_LINEAR;
}

static enum chart_scale scale_of(const double *values, int64_t count, double ratio)
{
    double range[2] = {INFINITY, 0.0};
    widen_range(range, values, count);
    return scale_of_range(range, ratio);
}

/* Be it by falling or by one validation that went wrong. */
static enum chart_scale scale_of_loss(const struct maker *maker, const double *smooth)
{
    double range[2] = {INFINITY, 0.0};
    widen_range(range, smooth, maker->rows);
    if (maker->epochs)
        widen_range(range, results_column(maker->facts, "val/loss"), maker->epochs);
    return scale_of_range(range, 20.0);
}

static void chart_loss(struct maker *maker)
{
    const struct smooth_loss loss = smooth_loss_of(maker->arena, maker->facts, maker->window);
    const double *smooth = loss.mean, *error = loss.error;
    struct chart *chart =
        begin(maker, "loss", "Loss: what it does, behind its jitter",
              arena_format(
                  maker->arena,
                  "Pale: every batch. Line: mean of %d batches, its band twice the standard error: what lies outside "
                  "of the band is no chance.%s Dots: validation.",
                  maker->window, loss.some_lost ? " Losses that have lost their way are left out of it." : ""));
    chart->y.title = "loss, nats";
    chart->y.scale = scale_of_loss(maker, smooth);
    of_steps(maker, chart, CHART_RAW, CHART_BLUE, "each batch", steps_column(maker->facts, "loss"));
    struct chart_series *band =
        of_windows(maker, chart, CHART_BAND, CHART_BLUE, "", plus(maker->arena, maker->rows, smooth, 2.0, error));
    if (band)
        band->low = plus(maker->arena, maker->rows, smooth, -2.0, error);
    of_windows(maker, chart, CHART_LINE, CHART_BLUE, "training", smooth);
    of_epochs(maker, chart, CHART_DOTS, CHART_ORANGE, "validation", "val/loss");
    mark_epochs(maker, chart, true);
    mark_refused(maker, chart);
    chart_end(maker->charts);
}

static void chart_accuracy(struct maker *maker)
{
    struct chart *chart =
        begin(maker, "accuracy", "Accuracy after each epoch",
              "Training is counted while the weights move and on augmented images, so it may lie below "
              "validation. A gap that opens with validation below is overfitting. At the right: the last epoch.");
    chart->y.title = "images whose first guess is right";
    chart->y.percent = true;
    of_epochs(maker, chart, CHART_DOTS, CHART_BLUE, "training", "train/accuracy");
    of_epochs(maker, chart, CHART_DOTS, CHART_ORANGE, "validation", "metrics/accuracy_top1");
    mark_epochs(maker, chart, true);
    chart_end(maker->charts);
}

static void chart_rate(struct maker *maker)
{
    const double *rate = steps_column(maker->facts, "lr");
    struct chart *chart =
        begin(maker, "rate", "Learning rate as it was applied",
              "Steps down at a plateau's mark are the schedule's answer to a validation that no longer "
              "got better.");
    chart->y.title = "learning rate";
    const enum schedule_kind kind = maker->facts->config.schedule.name;
    chart->y.scale =
        kind == SCHEDULE_STEP || kind == SCHEDULE_PLATEAU ? scale_of(rate, maker->rows, 30.0) : CHART_LINEAR;
    of_steps(maker, chart, CHART_STEP, CHART_PURPLE, "", rate);
    mark_epochs(maker, chart, false);
    chart_end(maker->charts);
}

/* A column and its running median. */
static void chart_norm(struct maker *maker, const char *id, const char *title, const char *how, const char *axis,
                       const char *column, enum chart_colour colour)
{
    const double *values = steps_column(maker->facts, column);
    struct chart *chart = begin(maker, id, title, how);
    chart->y.title = axis;
    chart->y.scale = scale_of(values, maker->rows, 10.0);
    of_steps(maker, chart, CHART_RAW, colour, "each step", values);
    of_windows(maker, chart, CHART_LINE, colour, arena_format(maker->arena, "median of %d", maker->window),
               rolling_median(maker->arena, values, maker->rows, maker->window));
    mark_epochs(maker, chart, false);
    mark_refused(maker, chart);
    chart_end(maker->charts);
}

static void chart_split(struct maker *maker)
{
    struct split_series split;
    split_over_time(maker->arena, maker->facts, &split);
    if (split.count < 2)
        return;
    struct chart *chart =
        begin(maker, "split", "Why batches scatter: shares of the fluctuation",
              arena_format(
                  maker->arena,
                  "In stretches of %d steps. Chance: each batch is a draw of images; larger batches lower it. Motion: "
                  "%s. Trend: the loss goes somewhere.",
                  split.window,
                  maker->facts->stability.in_order ? "the weights move, or other images come, as they stand in order"
                                                   : "the weights swing or wander"));
    chart->y = (struct chart_axis){.title = "share of the variance", .low = 0.0, .high = 1.0, .percent = true};
    double *floor = arena_push(maker->arena, (size_t)split.count * sizeof *floor);
    const struct {
        const double *share;
        enum chart_colour colour;
        const char *name;
    } layers[] = {{split.sampling, CHART_SKY, "chance"},
                  {split.motion, CHART_ORANGE, "motion"},
                  {split.trend, CHART_GREEN, "trend"}};
    for (int i = 0; i < COUNT_OF(layers); i++) {
        double *top = plus(maker->arena, split.count, floor, 1.0, layers[i].share);
        struct chart_series *area =
            chart_series_add(chart, CHART_AREA, layers[i].colour, layers[i].name, split.count, split.step, top);
        if (area)
            area->low = floor;
        floor = top;
    }
    chart_end(maker->charts);
}

static void chart_noise(struct maker *maker)
{
    struct noise_series noise;
    noise_over_time(maker->arena, maker->facts, &noise);
    const double images = steps_column(maker->facts, "samples")[0];
    struct chart *chart = begin(maker, "noise", "Gradient noise scale: the batch size that would pay",
                                "Far below it a batch twice as large needs half the steps; above it larger batches "
                                "hardly help. It grows as a run "
                                "converges. Whiskers: 95 %.");
    chart->y.title = "images";
    chart->y.scale = CHART_LOG10;
    struct chart_series *series =
        chart_series_add(chart, CHART_SPREAD, CHART_BROWN, "", noise.count, noise.step, noise.value);
    if (series) {
        series->low = noise.low;
        series->high = noise.high;
    }
    chart_limit_add(chart, images, CHART_INK, arena_format(maker->arena, "this run's batch, %.0f", images));
    chart_end(maker->charts);
}

static void chart_speed(struct maker *maker)
{
    struct chart *chart =
        begin(maker, "speed", "Images per second, by epoch",
              "Training alone, without evaluation. A first epoch that is slower warmed up; dips are other "
              "work on the machine, or images that came late.");
    chart->y.title = "images/s";
    chart->y.low = 0.0;
    of_epochs(maker, chart, CHART_DOTS, CHART_GREEN, "", "images_per_second");
    chart_end(maker->charts);
}

/* Only where they differ: then it is a reason for much else. */
static void chart_balance(struct maker *maker)
{
    const struct run_facts *facts = maker->facts;
    double *number = arena_push(maker->arena, (size_t)(facts->class_count + 1) * sizeof *number);
    double least = INFINITY, most = 0.0;
    for (int i = 0; i < facts->class_count; i++) {
        number[i] = i;
        least = fmin(least, facts->class_images[i]);
        most = fmax(most, facts->class_images[i]);
    }
    if (!(most > 1.2 * least))
        return;
    struct chart *chart = chart_add(maker->charts, "balance", "Training images of each class",
                                    "Classes with few images are guessed rarely; accuracy over all images hides that.");
    chart->y.title = "images";
    chart->x = (struct chart_axis){.title = "class", .low = -0.5, .high = facts->class_count - 0.5};
    enum { NAMED = 12 };
    if (facts->confusion.class_count == facts->class_count && facts->class_count <= NAMED) {
        chart->x.ticks = number;
        chart->x.names = facts->confusion.names;
        chart->x.tick_count = facts->class_count;
    }
    chart_series_add(chart, CHART_BARS, CHART_BLUE, "", facts->class_count, number, facts->class_images);
}

void run_charts(struct charts *charts, const struct run_facts *facts)
{
    struct maker maker = {.charts = charts,
                          .facts = facts,
                          .arena = &charts->arena,
                          .rows = facts->steps.row_count,
                          .epochs = facts->results.row_count};
    if (maker.rows == 0)
        return;
    maker.step = steps_column(facts, "step");
    maker.ends = epoch_ends(maker.arena, facts);
    maker.window = smooth_window(maker.rows);
    maker.middle = window_middles(maker.arena, maker.step, maker.rows, maker.window);
    chart_loss(&maker);
    chart_accuracy(&maker);
    chart_split(&maker);
    chart_rate(&maker);
    chart_norm(
        &maker, "gradient", "Length of the gradient",
        "Before clipping. Growing without end: the rate is too high; near zero with a high loss: nothing reaches the "
        "weights. Spikes are single hard batches.",
        "|g|", "grad_norm", CHART_BROWN);
    chart_norm(&maker, "update", "How far a step moves the weights",
               "Beside their own length. Around one in a thousand is usual; above a sixth a step leaves the range in "
               "which its gradient says "
               "anything.",
               "|step| / |weights|", "update_ratio", CHART_PURPLE);
    chart_noise(&maker);
    chart_speed(&maker);
    chart_balance(&maker);
}
