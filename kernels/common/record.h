/* record: what a step leaves behind, put together from the sums that the loss and the update left. Compiled by the C
 * compiler and by nvcc. */
#ifndef COMMON_RECORD_H
#define COMMON_RECORD_H
#include "backend.h"
#include "random.h"
#include <math.h>

/* Counts the update in control. The sequence number is left to whoever writes the record where it is read. norms and
 * nonfinite are those of update_args. What could not be computed is NaN, never 0. */
HOST_DEVICE struct step_record record_make(struct step_control *control, const struct loss_sums *sums,
                                           const float *norms, int32_t nonfinite)
{
    double count = (double)sums->samples;
    struct step_record record;
    record.step = control->step;
    record.epoch = (int32_t)control->epoch;
    record.samples = (int32_t)sums->samples;
    record.loss = sums->samples > 0 ? (float)(sums->loss / count) : NAN;
    double spread = sums->loss_squares - sums->loss * sums->loss / count;
    /* Rounding may leave less than nothing when all losses are equal; a NaN must stay one. */
    record.loss_variance = sums->samples > 1 ? (float)((spread < 0.0 ? 0.0 : spread) / (count - 1.0)) : NAN;
    record.loss_max = sums->samples > 0 ? sums->loss_max : NAN;
    record.correct = (int32_t)sums->correct;
    record.grad_norm = norms[0];
    record.update_norm = control->bad ? NAN : norms[1];
    record.weight_norm = control->bad ? NAN : norms[2];
    record.lr = control->lr;
    record.nonfinite = sums->nonfinite + nonfinite;
    record.bad = control->bad;
    control->updates += control->bad == 0;
    record.updates = control->updates;
    record.sequence = 0;
    return record;
}
#endif
