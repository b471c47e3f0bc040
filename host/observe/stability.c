/* stability: a run's fluctuation window by window, and in words. See include/stability.h. Must not know where the table
 * comes from. */
#include "stability.h"
#include "json.h"
#include "order.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- figures ---- */

bool loss_series_of(const struct table *steps, double images, struct loss_series *series)
{
    const char *const names[] = {"step", "epoch", "samples", "loss", "loss_variance"};
    const double *columns[COUNT_OF(names)];
    const double *tied = table_column(steps, "tied");
    *series = (struct loss_series){0};
    for (int i = 0; i < COUNT_OF(names); i++)
        if (!(columns[i] = table_column(steps, names[i])) || steps->row_count == 0)
            return false;
    series->count = steps->row_count;
    series->step = columns[0];
    series->epoch = columns[1];
    series->samples = columns[2];
    series->loss = columns[3];
    series->variance = columns[4];
    series->images = images;
    series->next = tied && tied[series->count - 1] == 1.0 ? table_column(steps, "loss_next") : NULL;
    return true;
}

/* Independent estimates of one thing, each with an interval to both sides alike: their mean. */
struct pooled {
    double sum, squares;
    int64_t count;
};

static void pool(struct pooled *pooled, const struct estimate *estimate)
{
    if (isnan(estimate->value))
        return;
    pooled->sum += estimate->value;
    pooled->squares += pow((estimate->high - estimate->low) / 2.0, 2.0);
    pooled->count++;
}

static struct estimate pooled_mean(const struct pooled *pooled)
{
    const double count = (double)pooled->count, mean = pooled->sum / count, half = sqrt(pooled->squares) / count;
    return pooled->count > 0 ? (struct estimate){mean, mean - half, mean + half} : (struct estimate){NAN, NAN, NAN};
}

/* The mean of the good losses of rows [first, end), and its 95 % interval as they scatter about their line, neighbours
 * being alike: of a stretch that is chance alone, of one that wanders, and of one that falls. Returns how many. */
static int64_t mean_of(const struct loss_series *series, int64_t first, int64_t end, struct estimate *mean)
{
    double count = 0.0, sum = 0.0, at = 0.0, at_squares = 0.0, products = 0.0;
    double squares = 0.0, neighbours = 0.0, before = 0.0;
    for (int64_t i = first; i < end; i++) {
        const double loss = series->loss[i], x = (double)(i - first);
        if (!isfinite(loss))
            continue;
        count += 1.0;
        sum += loss;
        at += x;
        at_squares += x * x;
        products += x * loss;
    }
    const double middle = at / count, slope = (products - at * sum / count) / (at_squares - at * middle);
    for (int64_t i = first; i < end; i++) {
        const double residual = series->loss[i] - sum / count - slope * ((double)(i - first) - middle);
        if (!isfinite(residual))
            continue;
        squares += residual * residual;
        neighbours += residual * before;
        before = residual;
    }
    const double alike = fmax(0.0, neighbours / squares);
    const double half = 1.96 * sqrt(squares / (count - 2.0) / count * (1.0 + alike) / (1.0 - alike));
    *mean = (struct estimate){sum / count, sum / count - half, sum / count + half};
    return (int64_t)count;
}

/* Kendall's rank correlation of the loss with the step (Mann 1945): of all pairs, those that fall less those that rise,
 * as a share. However crooked a fall is, it is one. */
static double fall_of(const struct loss_series *series, int64_t first, int64_t end)
{
    double fell = 0.0, pairs = 0.0;
    for (int64_t i = first; i < end; i++)
        for (int64_t k = i + 1; k < end; k++)
            if (isfinite(series->loss[i]) && isfinite(series->loss[k])) {
                fell += (series->loss[k] < series->loss[i]) - (series->loss[k] > series->loss[i]);
                pairs += 1.0;
            }
    return pairs > 0.0 ? fell / pairs : 0.0;
}

/* As of a straight line that falls by 1.5 deviations, and beyond what chance makes of so few (Kendall 1938). */
static bool is_plain_fall(double fall, int64_t count)
{
    const double n = (double)count, chance = sqrt(2.0 * (2.0 * n + 5.0) / (9.0 * n * (n - 1.0)));
    return fall > fmax(0.285, 2.576 * chance);
}

/* Where the loss came to: the mean of the last window, of its second half where the two differ by more than chance and
 * wandering give, of the half of that, and so on (as Lepski chooses a window: the widest whose parts agree). Four
 * halvings at most, each beyond one of a hundred by chance. */
static void look_at_end(const struct loss_series *series, int64_t first, struct stability *stability)
{
    enum { LEAST = 8 };
    const double sure = 2.576 / 1.96;
    stability->end = stability->last.loss;
    stability->end_steps = stability->last.steps;
    for (int64_t end = series->count;;) {
        const int64_t half = first + (end - first) / 2;
        struct estimate earlier, later;
        if (half - first < LEAST || mean_of(series, first, half, &earlier) < LEAST)
            return;
        const int64_t steps = mean_of(series, half, end, &later);
        const double chance = hypot(earlier.high - earlier.value, later.high - later.value);
        if (steps < LEAST || (!(fabs(later.value - earlier.value) > sure * chance) &&
                              !is_plain_fall(fall_of(series, first, end), end - first)))
            return;
        stability->end = later;
        stability->end_steps = steps;
        first = half;
    }
}

/* Windows are counted from the end, so that the last one is whole; what is left over at the beginning is let go. */
static void look_at_windows(const struct loss_series *series, struct stability *stability)
{
    enum { FIGURES = 5 };
    const int64_t count = series->count;
    struct arena arena = {0};
    double *figures[FIGURES];
    struct pooled autocorrelation = {0};
    stability->windows = count / STABILITY_STEPS > 1 ? count / STABILITY_STEPS : 1;
    for (int i = 0; i < FIGURES; i++)
        figures[i] = arena_push(&arena, (size_t)stability->windows * sizeof(double));
    for (int64_t w = 0; w < stability->windows; w++) {
        const int64_t end = count - w * STABILITY_STEPS;
        const int64_t first = end > STABILITY_STEPS ? end - STABILITY_STEPS : 0;
        struct fluctuation here;
        fluctuation_of(series, first, end, stability->epoch_steps, &here);
        if (w == 0) {
            stability->last = here;
            stability->first_step = whole_of(series->step[first]);
            stability->last_step = whole_of(series->step[end - 1]);
            look_at_end(series, first, stability);
            stability->fall = fall_of(series, first, end);
        }
        const double values[FIGURES] = {here.phi.value, here.variance_ratio, here.sampling.value, here.motion.value,
                                        here.trend.value};
        for (int i = 0; i < FIGURES; i++)
            figures[i][w] = values[i];
        pool(&autocorrelation, &here.autocorrelation);
    }
    stability->autocorrelation = pooled_mean(&autocorrelation);
    stability->phi = median_of_known(figures[0], stability->windows);
    stability->variance_ratio = median_of_known(figures[1], stability->windows);
    stability->sampling = median_of_known(figures[2], stability->windows);
    stability->motion = median_of_known(figures[3], stability->windows);
    stability->trend = median_of_known(figures[4], stability->windows);
    arena_free(&arena);
}

/* Rows from the first of the last measurements on. */
static void scale_noise(const struct table *steps, struct stability *stability)
{
    const double *grad = table_column(steps, "noise_grad"), *trace = table_column(steps, "noise_trace");
    int64_t first = steps->row_count, measured = 0;
    stability->noise_scale = (struct estimate){NAN, NAN, NAN};
    if (!grad || !trace)
        return;
    while (first > 0 && measured < STABILITY_MEASUREMENTS)
        measured += isfinite(grad[--first]);
    stability->noise_scale = noise_scale_of(grad + first, trace + first, steps->row_count - first);
}

static void look_back(const struct table *steps, const struct loss_series *series, struct stability *stability)
{
    const double *next = table_column(steps, "loss_next");
    int64_t first = series->count, looks = 0;
    if (!next)
        return;
    while (first > 1 && looks < STABILITY_MEASUREMENTS)
        looks += isfinite(next[--first - 1]);
    stability->steady = chance_looked_at(series, next, first);
}

void spikes_of(const struct loss_series *series, const double *bad, int64_t *spikes, int64_t *spikes_of_batch)
{
    struct loss_window window = {0};
    struct loss_view view;
    for (int64_t i = 0; i < series->count; i++)
        loss_window_add(&window, bad && bad[i] != 0.0 ? NAN : series->loss[i], series->variance[i],
                        whole_of(series->samples[i]), whole_of(series->epoch[i]), 0, &view);
    *spikes = window.spikes;
    *spikes_of_batch = window.spikes_of_batch;
}

void stability_of(const struct table *steps, double images, struct stability *stability)
{
    const double *bad = table_column(steps, "bad");
    struct loss_series series;
    *stability = (struct stability){
        .steps = steps->row_count, .images = images, .steady = {NAN, NAN, NAN}, .autocorrelation = {NAN, NAN, NAN}};
    scale_noise(steps, stability);
    if (!loss_series_of(steps, images, &series)) {
        fluctuation_of(&series, 0, 0, 0, &stability->last);
        stability->end = stability->last.loss;
        stability->phi = stability->variance_ratio = NAN;
        stability->sampling = stability->motion = stability->trend = NAN;
        return;
    }
    for (int64_t i = 0; bad && i < steps->row_count; i++)
        stability->refused += bad[i] != 0.0;
    stability->epoch_steps = fluctuation_epoch_steps(&series);
    look_at_windows(&series, stability);
    look_back(steps, &series, stability);
    spikes_of(&series, bad, &stability->spikes, &stability->spikes_of_batch);
}

/* ---- words ---- */

static void say_scatter(const struct stability *stability, char text[STABILITY_TEXT])
{
    const struct fluctuation *last = &stability->last;
    const struct estimate *end = &stability->end;
    char mean[128], error[32] = "";
    /* Of images in their order no stretch is a sample of all, and its mean has no error that is known. */
    if (isfinite(end->low) && !stability->in_order)
        snprintf(error, sizeof error, " ± %.2g", (end->high - end->low) / 2.0);
    if (stability->end_steps == last->steps)
        snprintf(mean, sizeof mean, "Over the last %lld steps the loss was %.4g%s, and", (long long)last->steps,
                 end->value, error);
    else
        snprintf(mean, sizeof mean, "The loss came to %.4g%s in the last %lld steps; over the last %lld", end->value,
                 error, (long long)stability->end_steps, (long long)last->steps);
    snprintf(text, STABILITY_TEXT,
             "%s single batches lay %.2g around %s: %.0f %% of that (%.0f to %.0f) is chance in drawing %.0f images, "
             "%.0f %% (%.0f to %.0f) the weights moving%s, %.0f %% (%.0f to %.0f) a trend.",
             mean, last->deviation, stability->end_steps == last->steps ? "it" : "their mean",
             100.0 * last->sampling.value, 100.0 * last->sampling.low, 100.0 * last->sampling.high, last->samples,
             100.0 * last->motion.value, 100.0 * last->motion.low, 100.0 * last->motion.high,
             stability->in_order ? " or other images coming" : "", 100.0 * last->trend.value, 100.0 * last->trend.low,
             100.0 * last->trend.high);
}

static void say_trend(const struct stability *stability, char text[STABILITY_TEXT])
{
    const struct estimate *slope = &stability->last.slope;
    const double error = (slope->high - slope->low) / 2.0;
    const double steps = (double)(stability->last_step - stability->first_step), stretch = fmin(steps, 100.0);
    if (slope->high < 0.0 || slope->low > 0.0)
        snprintf(text, STABILITY_TEXT, "Over them it %s by %.2g ± %.2g %s.", slope->value < 0.0 ? "fell" : "rose",
                 fabs(stretch * slope->value), stretch * error, steps < 100.0 ? "in all" : "every 100 steps");
    else
        snprintf(text, STABILITY_TEXT,
                 "Whether it fell or rose over them cannot be told: changes up to %.2g would drown in that scatter.",
                 error * steps);
}

/* How much of the jitter is chance: a few looks say less of it than all steps do. NaN where their intervals lie apart:
 * what a step changes and what a batch is go together then, and neither is a share. */
static double chance_of_jitter(const struct stability *stability)
{
    const struct estimate *phi = &stability->last.phi, *steady = &stability->steady;
    if (isnan(phi->value))
        return steady->value;
    return steady->high < phi->low || steady->low > phi->high ? NAN : phi->value;
}

static void say_advice(const struct stability *stability, char text[STABILITY_TEXT])
{
    const struct fluctuation *last = &stability->last;
    const double significant = 2.0 / sqrt((double)last->steps), correlation = last->autocorrelation.value;
    const double chance = chance_of_jitter(stability);
    const bool swings = last->phi.value < 0.5 && correlation < -significant;
    const bool wanders = last->variance_ratio > 2.0 && last->motion.value > 0.5 && correlation > significant;
    /* Of a straight fall that is 1.5 deviations high, or one that is as plain; what it leaves beside its line wanders.
     */
    const bool descends = is_plain_fall(stability->fall, last->steps);
    if (stability->in_order && (swings || wanders))
        snprintf(text, STABILITY_TEXT,
                 "The loss goes up and down with the images, which come in their order (data.shuffle = false): what "
                 "the steps do cannot be told from that, nor whether the learning rate is right.");
    else if (swings)
        snprintf(text, STABILITY_TEXT,
                 "From step to step the loss swings to and fro by more than chance gives (autocorrelation %.2f): the "
                 "steps are too long for these batches; lower optim.lr or take larger batches.",
                 correlation);
    else if (wanders && descends)
        snprintf(text, STABILITY_TEXT,
                 "Much of it is the fall itself, which is steep and no straight line: before the loss has flattened, "
                 "what is left beside chance does not say whether the learning rate is right.");
    else if (last->variance_ratio > 2.0 && last->epoch_autocorrelation.low > 0.0 && !descends)
        snprintf(text, STABILITY_TEXT,
                 "The loss goes up and down in the same places of every epoch (autocorrelation %.2f over an epoch): "
                 "%s. That does not say whether the learning rate is right.",
                 last->epoch_autocorrelation.value,
                 stability->in_order ? "the order of the images shows; see data.shuffle"
                                     : "with data.shuffle = true that is no order of the images, but what changes with "
                                       "an epoch, such as images being seen again");
    else if (wanders)
        snprintf(text, STABILITY_TEXT,
                 "It wanders over many steps by %.1f times what chance gives (autocorrelation %.2f): the weights are "
                 "being thrown about or batches in a row are alike; lower optim.lr or momentum, and see data.shuffle.",
                 last->variance_ratio, correlation);
    else if (chance > 0.7)
        snprintf(
            text, STABILITY_TEXT,
            "The jitter from step to step is about what chance gives (%.0f %% of it): batches of four times the size "
            "would have half of it. That explains the jitter, not whether the learning rate is right: one too high "
            "or too low can look the same.",
            100.0 * fmin(1.0, chance));
    else if (isnan(chance))
        snprintf(text, STABILITY_TEXT,
                 "How much of the jitter from step to step is chance cannot be told: %s; nor can whether the learning "
                 "rate is right.",
                 isnan(last->phi.value) ? "too few steps stand next to each other within an epoch"
                                        : "what the steps change goes with what the batches are");
    else
        snprintf(
            text, STABILITY_TEXT,
            "Chance explains %.0f %% of the jitter from step to step; these figures alone do not say what moves the "
            "rest, nor whether the learning rate is right.",
            100.0 * fmax(0.0, chance));
}

int stability_say(const struct stability *stability, char texts[STABILITY_TEXTS][STABILITY_TEXT])
{
    if (isnan(stability->last.sampling.value))
        return 0;
    say_scatter(stability, texts[0]);
    say_trend(stability, texts[1]);
    say_advice(stability, texts[2]);
    return STABILITY_TEXTS;
}

/* ---- JSON ---- */

static json_t *interval(const struct estimate *estimate)
{
    return json_pack("{s:o, s:o, s:o}", "value", json_known(estimate->value), "low", json_known(estimate->low), "high",
                     json_known(estimate->high));
}

static json_t *window(const struct stability *stability)
{
    const struct fluctuation *last = &stability->last;
    json_t *object = json_object();
    const struct {
        const char *name;
        const struct estimate *estimate;
    } intervals[] = {
        {"loss", &last->loss},
        {"sampling", &last->sampling},
        {"motion", &last->motion},
        {"trend", &last->trend},
        {"phi", &last->phi},
        {"autocorrelation", &last->autocorrelation},
        {"epoch_autocorrelation", &last->epoch_autocorrelation},
        {"slope", &last->slope},
        {"design", &last->design},
    };
    json_object_set_new(object, "steps", json_integer(last->steps));
    json_object_set_new(object, "first_step", json_integer(stability->first_step));
    json_object_set_new(object, "last_step", json_integer(stability->last_step));
    json_object_set_new(object, "samples", json_known(last->samples));
    json_object_set_new(object, "deviation", json_known(last->deviation));
    json_object_set_new(object, "sampling_deviation", json_known(last->sampling_deviation));
    json_object_set_new(object, "variance_ratio", json_known(last->variance_ratio));
    for (int i = 0; i < COUNT_OF(intervals); i++)
        json_object_set_new(object, intervals[i].name, interval(intervals[i].estimate));
    return object;
}

char *stability_json(const struct stability *stability, struct arena *arena)
{
    char texts[STABILITY_TEXTS][STABILITY_TEXT];
    json_t *said = json_array();
    const int count = stability_say(stability, texts);
    for (int i = 0; i < count; i++)
        json_array_append_new(said, json_string(texts[i]));
    json_t *root = json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:{s:o, s:o, s:o, s:o, s:o}, s:o, s:o, s:o, s:{s:I, s:o}, s:o, s:o}", "steps",
        (json_int_t)stability->steps, "refused", (json_int_t)stability->refused, "epoch_steps",
        (json_int_t)stability->epoch_steps, "windows", (json_int_t)stability->windows, "spikes",
        (json_int_t)stability->spikes, "spikes_of_batch", (json_int_t)stability->spikes_of_batch, "median", "phi",
        json_known(stability->phi), "variance_ratio", json_known(stability->variance_ratio), "sampling",
        json_known(stability->sampling), "motion", json_known(stability->motion), "trend", json_known(stability->trend),
        "autocorrelation", interval(&stability->autocorrelation), "noise_scale", interval(&stability->noise_scale),
        "steady", interval(&stability->steady), "end", "steps", (json_int_t)stability->end_steps, "loss",
        interval(&stability->end), "last", window(stability), "text", said);
    char *dumped = json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(9));
    char *text = arena_text(arena, dumped);
    free(dumped);
    json_decref(root);
    return text;
}
