/* mixture: see mixture.h. Must not know what the numbers are. */
#include "mixture.h"
#include "order.h"

#include <math.h>
#include <string.h>

enum { ROUNDS = 200 };
/* Members of the average group that each group is taken to have besides its own: the weakest prior that keeps shares
 * off 0 and 1 (one member of each kind). */
#define PRIOR 2.0
/* Deviations are not let below this share of the values' own. */
#define NARROWEST 1e-3

/* Means, deviations and the share, given who belongs where. */
static void maximise(struct mixture *mixture, const double *values, const double *posterior, int64_t count)
{
    double weight[2] = {0}, sum[2] = {0}, squares[2] = {0}, all = 0.0, all_squares = 0.0;
    for (int64_t i = 0; i < count; i++) {
        const double share[2] = {1.0 - posterior[i], posterior[i]};
        all += values[i] / (double)count;
        for (int k = 0; k < 2; k++) {
            weight[k] += share[k];
            sum[k] += share[k] * values[i];
        }
    }
    for (int k = 0; k < 2; k++)
        mixture->mean[k] = weight[k] > 0.0 ? sum[k] / weight[k] : all;
    for (int64_t i = 0; i < count; i++) {
        const double share[2] = {1.0 - posterior[i], posterior[i]};
        all_squares += (values[i] - all) * (values[i] - all) / (double)count;
        for (int k = 0; k < 2; k++)
            squares[k] += share[k] * (values[i] - mixture->mean[k]) * (values[i] - mixture->mean[k]);
    }
    const double least = NARROWEST * sqrt(all_squares) + 1e-12;
    for (int k = 0; k < 2; k++)
        mixture->deviation[k] = fmax(least, weight[k] > 0.0 ? sqrt(squares[k] / weight[k]) : 0.0);
    mixture->share = weight[1] / (double)count;
}

/* The deviations' own errors as of normal distributions: the variance of a variance v of n values is 2 v^2 / n. */
static void separate(struct mixture *mixture, double count)
{
    const double members[2] = {count * (1.0 - mixture->share), count * mixture->share};
    double square = 0.0, of_means = 0.0, of_square = 0.0;
    for (int k = 0; k < 2; k++) {
        const double variance = mixture->deviation[k] * mixture->deviation[k];
        square += 0.5 * variance;
        of_means += variance / members[k];
        of_square += 0.25 * 2.0 * variance * variance / members[k];
    }
    const double separation = (mixture->mean[1] - mixture->mean[0]) / sqrt(square);
    mixture->separation = separation;
    mixture->separation_error = sqrt(of_means / square + separation * separation * of_square / (4.0 * square * square));
}

/* Logarithm of a normal density, without the constant. */
static double log_density(const struct mixture *mixture, int kind, double value)
{
    const double z = (value - mixture->mean[kind]) / mixture->deviation[kind];
    return -0.5 * z * z - log(mixture->deviation[kind]);
}

void mixture_fit(struct mixture *mixture, const double *values, const int32_t *group, int64_t count, int32_t groups,
                 double *posterior)
{
    struct arena arena = {0};
    double *members = arena_push(&arena, (size_t)groups * sizeof *members);
    double *second = arena_push(&arena, (size_t)groups * sizeof *second);
    memcpy(posterior, values, (size_t)count * sizeof *posterior);
    const double middle = median_of_known(posterior, count);
    for (int64_t i = 0; i < count; i++) {
        members[group[i]] += 1.0;
        posterior[i] = values[i] > middle ? 0.8 : 0.2;
    }
    for (int round = 0; round < ROUNDS; round++) {
        maximise(mixture, values, posterior, count);
        for (int32_t g = 0; g < groups; g++)
            second[g] = 0.0;
        for (int64_t i = 0; i < count; i++)
            second[group[i]] += posterior[i];
        for (int64_t i = 0; i < count; i++) {
            const double share = (second[group[i]] + PRIOR * mixture->share) / (members[group[i]] + PRIOR);
            const double odds = log_density(mixture, 1, values[i]) - log_density(mixture, 0, values[i]) +
                                log(share + 1e-12) - log(1.0 - share + 1e-12);
            posterior[i] = 1.0 / (1.0 + exp(-odds));
        }
    }
    maximise(mixture, values, posterior, count);
    separate(mixture, (double)count);
    arena_free(&arena);
}
