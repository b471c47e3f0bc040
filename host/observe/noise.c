/* noise: the gradient noise scale of many measurements. See include/fluctuation.h. Must not know how they were made. */
#include "fluctuation.h"

#include <math.h>

enum { LEAST_MEASUREMENTS = 8 };
#define NORMAL_95 1.96

struct pair_sums {
    int64_t count;
    double grad, trace;              /* means */
    double of_grad, of_trace, mixed; /* variances of the means, and their covariance */
};

static struct pair_sums sum_pairs(const double *grad, const double *trace, int64_t count)
{
    struct pair_sums sums = {0};
    for (int64_t i = 0; i < count; i++)
        if (isfinite(grad[i]) && isfinite(trace[i])) {
            sums.count++;
            sums.grad += grad[i];
            sums.trace += trace[i];
        }
    const double n = (double)sums.count;
    sums.grad /= n;
    sums.trace /= n;
    for (int64_t i = 0; i < count; i++)
        if (isfinite(grad[i]) && isfinite(trace[i])) {
            const double g = grad[i] - sums.grad, t = trace[i] - sums.trace;
            sums.of_grad += g * g / n / (n - 1.0);
            sums.of_trace += t * t / n / (n - 1.0);
            sums.mixed += g * t / n / (n - 1.0);
        }
    return sums;
}

/* The ratios r at which trace - r grad lies within Student's quantile, nearly, of its standard deviations of 0 (Fieller
 * 1954). */
struct estimate noise_scale_of(const double *grad, const double *trace, int64_t count)
{
    const struct pair_sums sums = sum_pairs(grad, trace, count);
    if (sums.count < LEAST_MEASUREMENTS)
        return (struct estimate){NAN, NAN, NAN};
    const double quantile = NORMAL_95 * (1.0 + 1.2 / (double)(sums.count - 1)), z = quantile * quantile;
    const double a = sums.grad * sums.grad - z * sums.of_grad, b = sums.grad * sums.trace - z * sums.mixed;
    const double c = sums.trace * sums.trace - z * sums.of_trace, root = sqrt(fmax(0.0, b * b - a * c));
    const double value = sums.grad > 0.0 ? sums.trace / sums.grad : INFINITY;
    /* A gradient not to be told from 0: the scale is bounded from below alone. */
    if (a <= 0.0 || sums.grad <= 0.0)
        return (struct estimate){value, fmax(0.0, c / (fabs(b) + root)), INFINITY};
    return (struct estimate){value, fmax(0.0, (b - root) / a), (b + root) / a};
}
