/* loss: softmax cross-entropy of a batch, one thread per row; and the record of a step. The arithmetic is in
 * kernels/common/. */
#include "kernels/common/loss.h"
#include "cpu.h"
#include "kernels/common/bf16.h"
#include "kernels/common/record.h"
#include "kernels/common/samples.h"
#include <assert.h>

enum { TOP_COUNT = 5 };

static inline float value_at(const void *values, enum dtype dtype, int64_t index)
{
    return dtype == DT_F32 ? ((const float *)values)[index] : bf16_to_float(((const uint16_t *)values)[index]);
}

static inline void value_put(void *values, enum dtype dtype, int64_t index, float value)
{
    if (dtype == DT_F32)
        ((float *)values)[index] = value;
    else
        ((uint16_t *)values)[index] = bf16_from_float(value);
}

static inline float logit_at(const struct loss_args *args, int64_t first, int class_index)
{
    float logit = value_at(args->logits, args->dtype, first + class_index);
    return args->offsets ? logit + args->offsets[class_index] : logit;
}

static struct loss_peak row_peak(const struct loss_args *args, int64_t first)
{
    struct loss_peak peak = loss_peak_empty();
    for (int c = 0; c < args->classes; c++) {
        struct loss_peak here = {logit_at(args, first, c), c};
        peak = loss_peak_merge(peak, here);
    }
    return peak;
}

static struct loss_mass row_mass(const struct loss_args *args, const struct loss_target *target, int64_t first,
                                 float peak)
{
    struct loss_mass mass = loss_mass_empty();
    float label_logit = target->label < 0 ? 0.0f : logit_at(args, first, target->label);
    for (int c = 0; c < args->classes; c++) {
        float logit = logit_at(args, first, c);
        mass = loss_mass_merge(mass, loss_mass_at(target, c, logit, peak, label_logit));
    }
    return mass;
}

/* Everything of one row. Returns how many classes rank before the label. */
static int row_loss(const struct loss_args *args, int row)
{
    int64_t first = (int64_t)row * args->classes;
    struct loss_target target = {
        args->targets ? args->targets + first : NULL, args->labels[row], args->partners ? args->partners[row] : -1,
        args->partners ? args->shares[row] : 1.0f,    args->smoothing,   args->classes};
    assert(target.label >= -1 && target.label < args->classes);
    struct sample_stats *sample = args->table && target.label >= 0 ? &args->table[args->samples[row]] : NULL;
    if (sample) /* the order is random: by when it is needed it will be in the cache */
        __builtin_prefetch(sample, 1);
    struct loss_peak peak = row_peak(args, first);
    struct loss_mass mass = row_mass(args, &target, first, peak.logit);
    bool graded = target.label >= 0 && (args->grad_rows == 0 || row < args->grad_rows);
    float rows = (float)(args->grad_rows ? args->grad_rows : args->control->valid);
    float scale = graded ? args->grad_scale / rows * loss_scale(args->control) : 0.0f;
    args->predictions[row] = peak.index;
    args->losses[row] = target.label < 0 ? 0.0f : loss_value(mass);
    for (int c = 0; c < args->classes; c++) {
        float logit = logit_at(args, first, c);
        if (args->probabilities)
            args->probabilities[first + c] = loss_probability(mass, logit, peak.logit);
        if (args->logits_grad) {
            /* Chosen, not multiplied: whatever an uncounted row holds, its gradient is 0. */
            float slope = graded ? loss_gradient(&target, c, mass, logit, peak.logit) * scale : 0.0f;
            value_put(args->logits_grad, args->dtype, first + c, slope);
        }
    }
    if (sample) {
        float logit = logit_at(args, first, target.label);
        sample_take(sample, target.label, peak.index, loss_plain(&target, mass, args->losses[row], logit, peak.logit),
                    logit - mass.rival, loss_probability(mass, logit, peak.logit));
    }
    return mass.above;
}

int cpu_loss(struct device *device, const struct loss_args *args)
{
    assert(args->dtype == DT_F32 || args->dtype == DT_BF16);
    int64_t samples = 0, correct = 0, correct5 = 0;
    int nonfinite = 0;
#pragma omp parallel for schedule(static) num_threads(device->threads) reduction(+ : samples, correct, correct5, nonfinite)
    for (int row = 0; row < args->batch; row++) {
        int above = row_loss(args, row);
        bool counts = args->labels[row] >= 0, finite = float_finite(args->losses[row]);
        samples += counts;
        correct += counts && finite && args->predictions[row] == args->labels[row];
        correct5 += counts && finite && above < TOP_COUNT;
        nonfinite += counts && !finite;
    }
    struct loss_sums *sums = args->sums;
    /* In order, by one thread: the sum does not depend on how many there are. */
    for (int row = 0; row < args->batch; row++) {
        double loss = (double)args->losses[row];
        sums->loss += loss;
        sums->loss_squares += loss * loss;
        /* A NaN replaces the maximum and stays. */
        if (args->losses[row] > sums->loss_max || loss != loss)
            sums->loss_max = args->losses[row];
        if (!args->unmeasured && args->labels[row] >= 0 && float_finite(args->losses[row]))
            sums->histogram[loss_bin(args->losses[row])]++;
    }
    sums->samples += samples;
    sums->correct += correct;
    sums->correct5 += correct5;
    sums->nonfinite += nonfinite;
    if (nonfinite > 0)
        args->control->bad = 1;
    return OK;
}

int cpu_record(struct device *device, struct step_record *ring, int slots, const struct loss_sums *sums,
               const struct update_args *args)
{
    (void)device;
    int32_t octaves[LOSS_OCTAVES];
    for (int i = 0; i < LOSS_OCTAVES; i++)
        octaves[i] = loss_octave(sums->histogram, i);
    struct step_record *slot = ring + args->control->step % slots;
    *slot = record_make(args, sums, octaves);
    slot->sequence = slot->step + 1;
    return OK;
}
