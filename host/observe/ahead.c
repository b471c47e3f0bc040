/* ahead: how much of the jitter of the loss from step to step is not the steps' doing, of batches that were looked at
 * before the step that came before them. See include/fluctuation.h. Must not know how that was done. */
#include "fluctuation.h"

#include <math.h>

enum { LEAST_LOOKS = 8, AROUND = 32 };
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
    const double share = 1.0 - moved / jitter, error = NORMAL_95 * sqrt(spread) / jitter;
    return (struct estimate){share, share - error, fmin(1.0, share + error)};
}
