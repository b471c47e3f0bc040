/* record: what a step leaves behind, put together from the sums that the loss and the update left. Compiled by the C
 * compiler and by nvcc. */
#ifndef COMMON_RECORD_H
#define COMMON_RECORD_H
#include "kernels/common/loss_scale.h"
#include "kernels/common/noise.h"
#include "kernels/common/quantile.h"
#include <math.h>
#include <stdbool.h>
#include <string.h>

/* Counts the update in control and, with scale_loss, adapts the loss scale. The sequence number is left to whoever
 * writes the record where it is read. octaves: loss_octave of each of the sums' histogram. What could not be computed
 * is NaN, never 0. */
HOST_DEVICE struct step_record record_make(const struct update_args *args, const struct loss_sums *sums,
                                           const int32_t *octaves)
{
    struct step_control *control = args->control;
    const struct step_norms *norms = args->norms;
    double count = (double)sums->samples;
    bool none = sums->samples == 0, refused = control->bad != 0;
    struct step_record record;
    memset(&record, 0, sizeof record); /* what lies between the members too: records are compared as bytes */
    record.step = control->step;
    record.epoch = (int32_t)control->epoch;
    record.samples = (int32_t)sums->samples;
    record.correct = (int32_t)sums->correct;
    record.nonfinite = sums->nonfinite + *args->nonfinite;
    record.bad = control->bad ? REFUSED_NONFINITE : REFUSED_NOT;
    record.lr = control->lr;
    record.loss = none ? NAN : (float)(sums->loss / count);
    double spread = sums->loss_squares - sums->loss * sums->loss / count;
    /* Rounding may leave less than nothing when all losses are equal; a NaN must stay one. */
    record.loss_variance = sums->samples > 1 ? (float)((spread < 0.0 ? 0.0 : spread) / (count - 1.0)) : NAN;
    record.loss_max = none ? NAN : sums->loss_max;
    record.loss_median = loss_quantile(sums->histogram, octaves, 0.5f, record.loss_max);
    record.loss_p90 = loss_quantile(sums->histogram, octaves, 0.9f, record.loss_max);
    record.grad_norm = norms->grad;
    record.update_norm = refused ? NAN : norms->update;
    record.weight_norm = refused ? NAN : norms->weight;
    record.grad_dot_update = refused ? NAN : norms->grad_dot_update;
    record.grad_cosine = refused ? NAN : norms->grad_cosine;
    record.grad_dot_last = refused ? NAN : norms->grad_dot_last;
    noise_finish(&record, control, norms);
    record.loss_next = !refused && control->ahead && args->aside->samples > 0
                           ? (float)(args->aside->loss / (double)args->aside->samples)
                           : NAN;
    record.loss_scale = args->scale_loss ? loss_scale(control) : NAN;
    if (args->scale_loss && loss_scale_step(control, sums->nonfinite == 0))
        record.bad = REFUSED_SCALE;
    control->kept.updates += !refused;
    record.kept = control->kept;
    return record;
}
#endif
