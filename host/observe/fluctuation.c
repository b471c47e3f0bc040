/* fluctuation: the fluctuation of batch losses over a stretch of steps, split into sampling noise, movement of the
 * weights and trend. See include/fluctuation.h and docs/statistics.md, which derives what is computed here.
 * Must not know files or runs. */
#include "fluctuation.h"

#include <math.h>
#include <string.h>

enum { LEAST_STEPS = 16 };
#define NORMAL_95 1.96

static const struct estimate unknown = {NAN, NAN, NAN};

/* The usable rows of the stretch. n, s2: of row i; t: its place on the axis of steps. */
struct rows {
    const struct loss_series *series;
    int64_t first, end, count, epoch_steps;
    double center; /* mean of the steps */
    double spread; /* sum of squared steps about it */
    struct estimate design;
};

static bool usable(const struct loss_series *series, int64_t i)
{
    return isfinite(series->loss[i]) && isfinite(series->variance[i]) && series->samples[i] > 0.0;
}

/* Variance of a batch's loss that drawing its images gives. */
static double one_batch(const struct rows *rows, int64_t i)
{
    return rows->design.value * rows->series->variance[i] / rows->series->samples[i];
}

/* Of the design, as a share of it. */
static double design_error(const struct rows *rows)
{
    return 0.5 * (rows->design.high - rows->design.low) / rows->design.value;
}

#define FOR_ROWS(i, rows)                                                                                              \
    for (int64_t i = (rows)->first; i < (rows)->end; i++)                                                              \
        if (usable((rows)->series, i))

/* ---- sums over the stretch ---- */

struct moments {
    double loss, batch; /* means */
    double line;        /* slope of the least-squares line, a step */
    double total, rest; /* mean squares about the mean and about the line */
    double one;         /* mean variance of one batch's loss, before it is corrected for the epoch's end */
    double one_square;  /* mean of its square */
    double drawn;       /* variance of the sum of the sampling errors */
    double left;        /* mean of 1 - n / N */
};

/* Images of all those of an epoch, n / N. The last ones may fill no batch and be left out: they could have been drawn.
 */
static double share_of_epoch(const struct rows *rows, double images)
{
    const double steps = (double)rows->epoch_steps;
    return rows->series->images > 0.0 ? images / rows->series->images : steps > 0.0 ? 1.0 / steps : 0.0;
}

/* Within an epoch batches are drawn without replacement: k of n images have a sum with variance k v (1 - k n/N). */
static double drawn_variance(const struct rows *rows)
{
    double sum = 0.0, part = 0.0, drawn = 0.0, epoch = NAN;
    for (int64_t i = rows->first; i <= rows->end; i++) {
        if (i < rows->end && !usable(rows->series, i))
            continue;
        if (i == rows->end || rows->series->epoch[i] != epoch) {
            sum += part * fmax(0.0, 1.0 - drawn);
            part = drawn = 0.0;
        }
        if (i == rows->end)
            break;
        epoch = rows->series->epoch[i];
        part += one_batch(rows, i);
        drawn += share_of_epoch(rows, rows->series->samples[i]);
    }
    return sum;
}

static struct moments sum_up(struct rows *rows)
{
    const struct loss_series *series = rows->series;
    struct moments sums = {0};
    FOR_ROWS(i, rows)
    {
        const double one = one_batch(rows, i);
        rows->center += series->step[i];
        sums.loss += series->loss[i];
        sums.batch += series->samples[i];
        sums.one += one;
        sums.one_square += one * one;
    }
    const double count = (double)rows->count;
    rows->center /= count;
    sums.loss /= count;
    sums.batch /= count;
    sums.left = fmax(0.0, 1.0 - share_of_epoch(rows, sums.batch));
    sums.one /= count;
    sums.one_square /= count;
    FOR_ROWS(i, rows)
    {
        const double at = series->step[i] - rows->center, off = series->loss[i] - sums.loss;
        rows->spread += at * at;
        sums.line += at * off;
        sums.total += off * off / count;
    }
    sums.line /= rows->spread;
    sums.rest = fmax(0.0, sums.total - sums.line * sums.line * rows->spread / count);
    sums.drawn = drawn_variance(rows);
    return sums;
}

/* Off the line. */
static double residual(const struct rows *rows, const struct moments *sums, int64_t i)
{
    return rows->series->loss[i] - sums->loss - sums->line * (rows->series->step[i] - rows->center);
}

/* Rows follow one another in one epoch. */
static bool neighbours(const struct loss_series *series, int64_t i)
{
    return usable(series, i) && usable(series, i - 1) && series->step[i] == series->step[i - 1] + 1.0 &&
           series->epoch[i] == series->epoch[i - 1];
}

/* What the kurtosis of the losses adds to the spread of squared sampling errors: excess kurtosis / n, told from how s^2
 * differs between neighbours, whose variance is (kurtosis + 2) / n of its square. */
static double kurtosis_of_mean(const struct rows *rows, const struct moments *sums)
{
    double sum = 0.0;
    int64_t pairs = 0;
    for (int64_t i = rows->first + 1; i < rows->end; i++)
        if (neighbours(rows->series, i)) {
            const double difference = rows->series->variance[i] - rows->series->variance[i - 1];
            sum += 0.5 * difference * difference;
            pairs++;
        }
    const double mean = sums->one / rows->design.value * sums->batch;
    if (pairs == 0 || !(mean > 0.0))
        return 0.0;
    return fmax(0.0, sum / (double)pairs / (mean * mean) - 2.0 / sums->batch);
}

/* ---- shares ---- */

enum part { SAMPLING, MOTION, TREND, PARTS };

static double share(const double parts[PARTS], int which)
{
    const double sum = parts[SAMPLING] + parts[MOTION] + parts[TREND];
    return sum > 0.0 ? parts[which] / sum : NAN;
}

/* Sum of squares of the upward shifts of a share by the parts that are not taken to be 0. */
static double shifts_up(const struct estimate parts[PARTS], const double at[PARTS], int which)
{
    double values[PARTS], sum = 0.0;
    memcpy(values, at, sizeof values);
    for (int i = 0; i < PARTS; i++) {
        if (at[i] == 0.0)
            continue;
        for (int end = 0; end < 2; end++) {
            values[i] = end ? parts[i].high : parts[i].low;
            const double shift = fmax(0.0, share(values, which) - share(at, which));
            sum += shift * shift;
        }
        values[i] = at[i];
    }
    return sum;
}

/* The interval of a share from those of the parts: the shifts that each part alone can give it, in quadrature (MOVER:
 * Zou and Donner 2008). The others may all be 0 at once where each may be: 0 is then not an end but the rule, and what
 * the rest can shift comes on top of it. */
static struct estimate share_estimate(const struct estimate parts[PARTS], int which)
{
    double values[PARTS], up = 0.0, down = 0.0;
    for (int i = 0; i < PARTS; i++)
        values[i] = parts[i].value;
    const double value = share(values, which);
    for (int i = 0; i < PARTS; i++) {
        const double kept = values[i];
        for (int end = 0; end < 2; end++) {
            values[i] = end ? parts[i].high : parts[i].low;
            const double shift = share(values, which) - value;
            *(shift > 0.0 ? &up : &down) += shift * shift;
        }
        values[i] = kept;
    }
    for (int i = 0; i < PARTS; i++)
        if (i != which && parts[i].low == 0.0)
            values[i] = 0.0;
    const double most = fmax(value + sqrt(up), share(values, which) + sqrt(shifts_up(parts, values, which)));
    return (struct estimate){value, fmax(0.0, value - sqrt(down)), fmin(1.0, most)};
}

static void split(const struct rows *rows, const struct moments *sums, struct fluctuation *fluctuation)
{
    const double count = (double)rows->count;
    const double sampling = sums->one * sums->left;
    /* What sampling alone leaves about the mean, less the one degree of freedom that the line takes. */
    const double about_mean = fmax(0.0, sampling - sums->drawn / (count * count));
    const double on_line = fmin(about_mean, sampling / count), about_line = about_mean - on_line;
    const double motion = sums->rest - about_line;
    const double spread = rows->spread / count;
    const double trend = sums->line * sums->line * spread - on_line;
    const double fourth = 2.0 + kurtosis_of_mean(rows, sums);
    const double line_error = sqrt(sampling / rows->spread) * NORMAL_95, line = fabs(sums->line);
    const double line_low = fmax(0.0, line - line_error), line_high = line + line_error;
    const double one_error =
        hypot(NORMAL_95 * sqrt(fmax(0.0, sums->one_square - sums->one * sums->one) / count) * sums->left,
              design_error(rows) * about_mean);
    const double motion_error =
        hypot(NORMAL_95 * sqrt((fourth * sums->one_square + 4.0 * fmax(0.0, motion) * sampling) / count),
              design_error(rows) * about_line);
    const struct estimate parts[PARTS] = {
        [SAMPLING] = {about_mean, fmax(0.0, about_mean - one_error), about_mean + one_error},
        [MOTION] = {fmax(0.0, motion), fmax(0.0, motion - motion_error), fmax(0.0, motion + motion_error)},
        [TREND] = {fmax(0.0, trend), line_low * line_low * spread, line_high * line_high * spread},
    };
    fluctuation->sampling = share_estimate(parts, SAMPLING);
    fluctuation->motion = share_estimate(parts, MOTION);
    fluctuation->trend = share_estimate(parts, TREND);
    fluctuation->variance_ratio = sums->rest / about_line;
    fluctuation->slope = (struct estimate){sums->line, sums->line - line_error, sums->line + line_error};
}

/* ---- series in time ---- */

/* phi = 2 mean(s^2 / n) / mean(dL^2) over neighbours: without replacement the two errors are correlated just so that
 * no correction for the epoch's end is left. */
static struct estimate find_phi(const struct rows *rows, double kurtosis)
{
    const struct loss_series *series = rows->series;
    double jumps = 0.0, sampling = 0.0;
    int64_t pairs = 0;
    for (int64_t i = rows->first + 1; i < rows->end; i++) {
        if (!neighbours(series, i))
            continue;
        const double jump = series->loss[i] - series->loss[i - 1];
        jumps += jump * jump;
        sampling += one_batch(rows, i) + one_batch(rows, i - 1);
        pairs++;
    }
    if (pairs < LEAST_STEPS / 2 || !(jumps > 0.0))
        return unknown;
    /* A moving average of order 1: three times 1 / pairs; kurtosis adds to it. */
    const double error = hypot(NORMAL_95 * sqrt((3.0 + kurtosis) / (double)pairs), design_error(rows));
    const double value = sampling / jumps;
    return (struct estimate){value, value * exp(-error), value * exp(error)};
}

static struct estimate correlate(const struct rows *rows, const struct moments *sums, int64_t lag)
{
    const struct loss_series *series = rows->series;
    double product = 0.0;
    int64_t pairs = 0;
    for (int64_t i = rows->first + lag; i < rows->end; i++) {
        if (!usable(series, i) || !usable(series, i - lag) || series->step[i] != series->step[i - lag] + (double)lag)
            continue;
        product += residual(rows, sums, i) * residual(rows, sums, i - lag);
        pairs++;
    }
    if (pairs < LEAST_STEPS / 2 || !(sums->rest > 0.0))
        return unknown;
    const double value = product / (double)pairs / sums->rest, error = NORMAL_95 / sqrt((double)pairs);
    return (struct estimate){value, value - error, value + error};
}

/* Off the mean of an epoch's steps around it: that follows a loss which bends, and leaves what comes again in every
 * epoch. NaN: some of these steps are not there. */
static double off_epoch(const struct rows *rows, int64_t i, int64_t epoch_steps)
{
    const struct loss_series *series = rows->series;
    const int64_t half = epoch_steps / 2;
    double sum = 0.0;
    if (i - half < rows->first || i + half >= rows->end ||
        series->step[i + half] - series->step[i - half] != (double)(2 * half))
        return NAN;
    for (int64_t k = i - half; k <= i + half; k++) {
        if (!usable(series, k))
            return NAN;
        const bool outer = k == i - half || k == i + half; /* an even number has no middle */
        sum += series->loss[k] * (outer && epoch_steps % 2 == 0 ? 0.5 : 1.0);
    }
    return series->loss[i] - sum / (double)epoch_steps;
}

static struct estimate correlate_epochs(const struct rows *rows, int64_t epoch_steps)
{
    const struct loss_series *series = rows->series;
    double product = 0.0, square = 0.0;
    int64_t pairs = 0;
    for (int64_t i = rows->first + epoch_steps; i < rows->end; i++) {
        const double here = off_epoch(rows, i, epoch_steps), before = off_epoch(rows, i - epoch_steps, epoch_steps);
        if (isnan(here + before) || series->step[i] != series->step[i - epoch_steps] + (double)epoch_steps)
            continue;
        product += here * before;
        square += 0.5 * (here * here + before * before);
        pairs++;
    }
    if (pairs < LEAST_STEPS / 2 || !(square > 0.0))
        return unknown;
    const double value = product / square, error = NORMAL_95 / sqrt((double)pairs);
    return (struct estimate){value, value - error, value + error};
}

/* ---- the whole ---- */

/* That of the stretch, with rows before it and, where there are none, after it, until there are enough; taken where it
 * is known to within DESIGN_KNOWN of itself. */
static struct estimate find_design(const struct loss_series *series, int64_t first, int64_t end)
{
    enum { LOOKS = 32, ROWS = 512 };
    int64_t looks = 0;
    if (!series->next)
        return unknown;
    for (int64_t i = first; i < end; i++)
        looks += isfinite(series->next[i]);
    while ((looks < LOOKS || end - first < ROWS) && first > 0)
        looks += isfinite(series->next[--first]);
    while ((looks < LOOKS || end - first < ROWS) && end < series->count)
        looks += isfinite(series->next[end++]);
    const struct estimate got = design_looked_at(series, first, end);
    return 0.5 * (got.high - got.low) <= DESIGN_KNOWN * got.value ? got : unknown;
}

void fluctuation_of(const struct loss_series *series, int64_t first, int64_t end, int64_t epoch_steps,
                    struct fluctuation *fluctuation)
{
    struct rows rows = {.series = series, .first = first, .end = end, .epoch_steps = epoch_steps};
    *fluctuation = (struct fluctuation){.samples = NAN,
                                        .loss = unknown,
                                        .deviation = NAN,
                                        .sampling_deviation = NAN,
                                        .sampling = unknown,
                                        .motion = unknown,
                                        .trend = unknown,
                                        .phi = unknown,
                                        .variance_ratio = NAN,
                                        .autocorrelation = unknown,
                                        .epoch_autocorrelation = unknown,
                                        .slope = unknown,
                                        .design = unknown};
    FOR_ROWS(i, &rows)
    rows.count++;
    fluctuation->steps = rows.count;
    if (rows.count < LEAST_STEPS)
        return;
    fluctuation->design = find_design(series, first, end);
    rows.design = isnan(fluctuation->design.value) ? (struct estimate){1.0, 1.0, 1.0} : fluctuation->design;
    const struct moments sums = sum_up(&rows);
    const double error = NORMAL_95 * sqrt(sums.drawn) / (double)rows.count;
    fluctuation->samples = sums.batch;
    /* Where every image was drawn equally often no chance is left, and how the mean moved is not told by it. */
    const bool whole = sums.drawn <= 1e-9 * sums.one * (double)rows.count;
    fluctuation->loss = (struct estimate){sums.loss, whole ? NAN : sums.loss - error, whole ? NAN : sums.loss + error};
    fluctuation->deviation = sqrt(sums.total);
    fluctuation->sampling_deviation = sqrt(sums.one * sums.left);
    split(&rows, &sums, fluctuation);
    fluctuation->phi = find_phi(&rows, kurtosis_of_mean(&rows, &sums));
    fluctuation->autocorrelation = correlate(&rows, &sums, 1);
    if (epoch_steps > 1)
        fluctuation->epoch_autocorrelation = correlate_epochs(&rows, epoch_steps);
}

int64_t fluctuation_epoch_steps(const struct loss_series *series)
{
    int64_t longest = 0, begin = 0;
    for (int64_t i = 1; i < series->count; i++)
        if (series->epoch[i] != series->epoch[begin]) {
            const int64_t steps = whole_of(series->step[i] - series->step[begin]);
            longest = steps > longest ? steps : longest;
            begin = i;
        }
    return longest;
}
