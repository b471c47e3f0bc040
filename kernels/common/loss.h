/* loss: one row of softmax cross-entropy, cut into pieces that can be computed by one thread in order or by many
 * threads in parallel and merged: the peak, the mass, the loss, one element of the gradient. Formulas as in
 * torch.nn.functional.cross_entropy. Compiled by the C compiler and by nvcc; knows nothing of batches. */
#ifndef COMMON_LOSS_H
#define COMMON_LOSS_H
#include "random.h"
#include <math.h>
#include <stdbool.h>

/* The highest logit and its place: the lowest index on a tie; a NaN is above everything (torch.argmax). */
struct loss_peak {
    float logit;
    int index;
};

HOST_DEVICE struct loss_peak loss_peak_empty(void)
{
    struct loss_peak peak = {-INFINITY, -1};
    return peak;
}

HOST_DEVICE struct loss_peak loss_peak_merge(struct loss_peak a, struct loss_peak b)
{
    bool a_nan = a.logit != a.logit, b_nan = b.logit != b.logit;
    bool equal = a.logit == b.logit || (a_nan && b_nan);
    bool b_wins = equal ? a.index < 0 || (b.index >= 0 && b.index < a.index) : b_nan || (!a_nan && b.logit > a.logit);
    return b_wins ? b : a;
}

/* A target: the row of probabilities if there is one, else the label and its share, the rest on the partner; smoothed.
 */
struct loss_target {
    const float *row; /* or NULL */
    int label, partner;
    float share; /* 1: the label alone */
    float smoothing;
    int classes;
};

HOST_DEVICE float loss_target_at(const struct loss_target *target, int class_index)
{
    float plain = target->row ? target->row[class_index]
                              : target->share * (float)(class_index == target->label) +
                                    (1.0f - target->share) * (float)(class_index == target->partner);
    return plain * (1.0f - target->smoothing) + target->smoothing / (float)target->classes;
}

/* Sums over the classes. */
struct loss_mass {
    double exponents; /* of exp(logit - peak) */
    double weighted;  /* of target * (logit - peak) */
    double target;    /* of target: 1 but for rows of targets that do not sum to 1 */
    int above;        /* classes ranked before the label */
    float rival;      /* largest logit of another class than the label */
};

HOST_DEVICE struct loss_mass loss_mass_empty(void)
{
    struct loss_mass mass = {0.0, 0.0, 0.0, 0, -INFINITY};
    return mass;
}

HOST_DEVICE struct loss_mass loss_mass_at(const struct loss_target *target, int class_index, float logit, float peak,
                                          float label_logit)
{
    float share = loss_target_at(target, class_index), shifted = logit - peak;
    struct loss_mass mass;
    mass.exponents = (double)expf(shifted);
    /* A class without target has no part in the loss, even if its logit is -infinity. */
    mass.weighted = share != 0.0f ? (double)share * (double)shifted : 0.0;
    mass.target = (double)share;
    mass.above = logit > label_logit || (logit == label_logit && class_index < target->label);
    mass.rival = class_index == target->label ? -INFINITY : logit;
    return mass;
}

HOST_DEVICE struct loss_mass loss_mass_merge(struct loss_mass a, struct loss_mass b)
{
    a.exponents += b.exponents;
    a.weighted += b.weighted;
    a.target += b.target;
    a.above += b.above;
    a.rival = b.rival > a.rival ? b.rival : a.rival;
    return a;
}

HOST_DEVICE float loss_value(struct loss_mass mass)
{
    return (float)(mass.target * log(mass.exponents) - mass.weighted);
}

/* Of the label alone, without smoothing. loss: loss_value, which is the same bits where the label is the target. */
HOST_DEVICE float loss_plain(const struct loss_target *target, struct loss_mass mass, float loss, float label_logit,
                             float peak)
{
    const bool same = !target->row && target->share == 1.0f && target->smoothing == 0.0f;
    return same ? loss : (float)(log(mass.exponents) - (double)(label_logit - peak));
}

HOST_DEVICE float loss_probability(struct loss_mass mass, float logit, float peak)
{
    return (float)((double)expf(logit - peak) / mass.exponents);
}

/* Of the row's loss. */
HOST_DEVICE float loss_gradient(const struct loss_target *target, int class_index, struct loss_mass mass, float logit,
                                float peak)
{
    double probability = (double)expf(logit - peak) / mass.exponents;
    return (float)(probability * mass.target - (double)loss_target_at(target, class_index));
}
#endif
