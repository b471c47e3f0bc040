/* noise: how much of a gradient is sampling noise, from the gradients of parts of the batch (McCandlish et al. 2018,
 * "An empirical model of large-batch training"). |G|^2 is the squared norm of the gradient without noise, tr(Sigma) the
 * sum of the variances of one sample's gradient; both unbiased, so either may come out below 0. Compiled by the C
 * compiler and by nvcc. */
#ifndef COMMON_NOISE_H
#define COMMON_NOISE_H
#include "backend.h"
#include <math.h>

struct noise_estimate {
    double grad, trace;
};

/* From the mean of the squared norms of the gradients of equal parts, and that of the whole. */
HOST_DEVICE struct noise_estimate noise_of_parts(double whole, double mean, double parts, double samples)
{
    struct noise_estimate noise;
    noise.grad = (parts * whole - mean) / (parts - 1.0);
    noise.trace = samples / (parts - 1.0) * (mean - whole);
    return noise;
}

/* From the gradient of the first half alone: that of the other half follows from it and the whole. half: its squared
 * norm; product: its inner product with the whole. grad is the product of the two halves. */
HOST_DEVICE struct noise_estimate noise_of_half(double whole, double half, double product, double samples)
{
    double first = floor(samples / 2.0), rest = samples - first;
    struct noise_estimate noise;
    noise.grad = (samples * product - first * half) / rest;
    noise.trace = samples / rest * (samples / rest) * (half - 2.0 * product + whole) / (1.0 / first + 1.0 / rest);
    return noise;
}

HOST_DEVICE void noise_finish(struct step_record *record, const struct step_control *control,
                              const struct step_norms *norms)
{
    struct noise_estimate noise = {NAN, NAN};
    const double whole = (double)norms->grad * (double)norms->grad, samples = (double)record->samples;
    record->noise_parts = 0;
    if (!control->bad && control->noise == NOISE_OF_HALF && samples >= 2.0) {
        const double product = norms->part_cosine * sqrt(norms->part_squares * whole);
        noise = noise_of_half(whole, norms->part_squares, product, samples);
        record->noise_parts = 2;
    } else if (!control->bad && control->noise == NOISE_OF_PARTS) {
        noise = noise_of_parts(whole, norms->part_squares / control->parts, control->parts, samples);
        record->noise_parts = control->parts;
    }
    record->noise_grad = (float)noise.grad;
    record->noise_trace = (float)noise.trace;
}
#endif
