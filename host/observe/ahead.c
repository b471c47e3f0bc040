/* ahead: what batches that were looked at before the step that came before them say: how much of the jitter of the loss
 * from step to step is not the steps' doing, and how much batches scatter of themselves. See include/fluctuation.h and
 * docs/statistics.md. Must not know how they were looked at. */
#include "fluctuation.h"

#include <math.h>

enum { LEAST_LOOKS = 8, AROUND = 32, KEPT_LOOKS = 64 };
#define NORMAL_95 1.96

/* Whether row i follows row i - 1 in one epoch, both good. */
static bool follows(const struct loss_series *series, int64_t i)
{
    return i > 0 && isfinite(series->loss[i]) && isfinite(series->loss[i - 1]) &&
           series->step[i] == series->step[i - 1] + 1.0 && series->epoch[i] == series->epoch[i - 1];
}

/* Mean square of the loss's changes from step to step around a row. */
static double jitter_around(const struct loss_series *series, int64_t row)
{
    double sum = 0.0;
    int64_t count = 0;
    for (int64_t i = row > AROUND ? row - AROUND : 1; i <= row + AROUND && i < series->count; i++)
        if (follows(series, i)) {
            const double jump = series->loss[i] - series->loss[i - 1];
            sum += jump * jump;
            count++;
        }
    return sum / (double)count;
}

/* 1 - ratio, of so many looks, around which the jitter was on average; spread: the sum of squares of what the ratio
 * leaves of them. Few squares of changes seldom show how wide they scatter, so that it is taken as that of normal ones
 * at least; and a ratio of two squares is nearer to normal in its logarithm. */
static struct estimate share_left(double ratio, double jitter, double spread, double looks)
{
    const double variance = fmax(spread / (looks - 1.0) / (jitter * jitter), 2.0 * ratio * ratio);
    const double error = ratio > 0.0 ? NORMAL_95 * (1.0 + 1.2 / (looks - 1.0)) * sqrt(variance / looks) / ratio : 0.0;
    return (struct estimate){1.0 - ratio, 1.0 - ratio * exp(error), 1.0 - ratio * exp(-error)};
}

struct estimate chance_looked_at(const struct loss_series *series, const double *loss_next, int64_t first)
{
    double moved = 0.0, jitter = 0.0, spread = 0.0;
    int64_t looks = 0;
    /* Twice: the standard error of the ratio is that of what is left of it (Cochran 1977, 6.4). */
    for (int pass = 0; pass < 2; pass++) {
        const double ratio = moved / jitter;
        for (int64_t i = first > 0 ? first : 1; i < series->count; i++) {
            if (!follows(series, i) || !isfinite(loss_next[i - 1]))
                continue;
            const double change = series->loss[i] - loss_next[i - 1], around = jitter_around(series, i);
            if (pass == 0) {
                moved += change * change;
                jitter += around;
                looks++;
            } else {
                const double rest = change * change - ratio * around;
                spread += rest * rest;
            }
        }
    }
    if (looks < LEAST_LOOKS || !(jitter > 0.0))
        return (struct estimate){NAN, NAN, NAN};
    return share_left(moved / jitter, jitter / (double)looks, spread, (double)looks);
}

/* ---- the design ---- */

/* Mean of s^2 / n around a row. */
static double scale_around(const struct loss_series *series, int64_t row)
{
    double sum = 0.0;
    int64_t count = 0;
    for (int64_t i = row > AROUND ? row - AROUND : 0; i <= row + AROUND && i < series->count; i++)
        if (isfinite(series->loss[i]) && isfinite(series->variance[i])) {
            sum += series->variance[i] / series->samples[i];
            count++;
        }
    return sum / (double)count;
}

static void pair_add(struct pair_moments *sums, double weight, double x, double y)
{
    sums->count++;
    sums->weight += weight;
    sums->squares += weight * weight;
    sums->x += weight * x;
    sums->y += weight * y;
    sums->xx += weight * x * x;
    sums->xy += weight * x * y;
    sums->yy += weight * y * y;
}

/* Sums to means, variances and covariance. Returns how many pairs of one weight would tell as much. */
static double pair_finish(struct pair_moments *sums)
{
    sums->x /= sums->weight;
    sums->y /= sums->weight;
    sums->xx = sums->xx / sums->weight - sums->x * sums->x;
    sums->xy = sums->xy / sums->weight - sums->x * sums->y;
    sums->yy = sums->yy / sums->weight - sums->y * sums->y;
    return sums->weight * sums->weight / sums->squares;
}

static struct estimate design_from(struct pair_moments looks, struct pair_moments steps)
{
    if (looks.count < LEAST_LOOKS)
        return (struct estimate){NAN, NAN, NAN};
    const double freedom = pair_finish(&looks) - 2.0, all = pair_finish(&steps);
    const double b = looks.yy > 0.0 ? fmax(0.0, fmin(1.0, looks.xy / looks.yy)) : 0.0;
    const double value = looks.x + b * (steps.y - looks.y);
    const double rest = fmax(0.0, looks.xx - 2.0 * b * looks.xy + b * b * looks.yy);
    /* Student's quantile, nearly. Squares of neighbouring jumps share a batch, which makes their mean's variance half
     * as large again. */
    const double error = NORMAL_95 * (1.0 + 1.2 / freedom) * sqrt(rest / freedom + 1.5 * b * b * steps.yy / all);
    return freedom > 0.0 ? (struct estimate){value, value - error, value + error} : (struct estimate){NAN, NAN, NAN};
}

/* A regression estimator (Cochran 1977, 7.1): x, what two batches differ by at the same weights, is known of the looks
 * alone, y, what they differ by across the step, of every step; as far as steps move little the two are nearly one.
 * A look counts for the steps since the last one, as a run's first steps are looked at more often. */
struct estimate design_looked_at(const struct loss_series *series, int64_t first, int64_t end)
{
    struct pair_moments looks = {0}, steps = {0};
    double since = 0.0;
    for (int64_t i = first > 0 ? first : 1; i < end; i++) {
        const double scale = 2.0 * scale_around(series, i);
        if (!follows(series, i) || !(scale > 0.0))
            continue;
        const double jump = series->loss[i] - series->loss[i - 1], still = series->next[i - 1] - series->loss[i - 1];
        const double y = jump * jump / scale;
        pair_add(&steps, 1.0, y, y);
        since += 1.0;
        if (isfinite(still)) {
            pair_add(&looks, since, still * still / scale, y);
            since = 0.0;
        }
    }
    return design_from(looks, steps);
}

/* ---- the design row by row ---- */

/* As if all had been so much less often. */
static void pair_forget(struct pair_moments *sums, double left)
{
    double *const each[] = {&sums->weight, &sums->x, &sums->y, &sums->xx, &sums->xy, &sums->yy};
    for (int i = 0; i < COUNT_OF(each); i++)
        *each[i] *= left;
    sums->squares *= left * left;
}

void design_take(struct design_track *track, const struct loss_row *row)
{
    const struct loss_row last = track->last;
    const double own = row->variance / row->samples;
    track->last = *row;
    if (!isfinite(row->loss) || !isfinite(own))
        return;
    track->scale += (own - track->scale) / (track->scale > 0.0 ? AROUND / 2.0 : 1.0);
    if (!isfinite(last.loss) || row->step != last.step + 1.0 || row->epoch != last.epoch || !(track->scale > 0.0))
        return;
    const double scale = 2.0 * track->scale, jump = row->loss - last.loss, still = last.next - last.loss;
    const double y = jump * jump / scale;
    pair_add(&track->steps, 1.0, y, y);
    track->since += 1.0;
    if (!isfinite(still))
        return;
    pair_add(&track->looks, track->since, still * still / scale, y);
    track->since = 0.0;
    pair_forget(&track->looks, 1.0 - 1.0 / KEPT_LOOKS);
    pair_forget(&track->steps, 1.0 - 1.0 / KEPT_LOOKS);
}

double design_now(const struct design_track *track)
{
    const struct estimate got = design_from(track->looks, track->steps);
    return 0.5 * (got.high - got.low) <= DESIGN_KNOWN * got.value ? got.value : NAN;
}
