/* rules_momentum: what a momentum that is missing, or too long for the run, shows of itself. */
#include "rules.h"

#include <math.h>

/* Mean of the known cosines of [from, to) and its standard error by their own scatter. */
static double mean_cosine(const struct evidence *evidence, int64_t from, int64_t to, double *error)
{
    double sum = 0.0, squares = 0.0, known = 0.0;
    for (int64_t t = from; t < to; t++)
        if (isfinite(evidence->grad_cosine[t])) {
            sum += evidence->grad_cosine[t];
            squares += evidence->grad_cosine[t] * evidence->grad_cosine[t];
            known++;
        }
    const double mean = sum / known;
    *error = sqrt(fmax(squares / known - mean * mean, 0.0) / known);
    return mean;
}

/* An ill-conditioned problem as it looks from within: steps end beyond the lowest point along them, so that a higher
 * rate leads nowhere, and each gradient points back against the one before; and still the loss falls until the end, so
 * that there is a way down across these. Momentum lets what points to and fro cancel, 1 / (1 + m) of it is left, and
 * what does not add up, 1 / (1 - m) of it (Polyak 1964). */
bool rule_zigzag(const struct evidence *evidence, struct symptom *symptom)
{
    if (evidence->config->optim.name != OPTIMIZER_SGD || evidence->config->optim.momentum >= 0.5 || !evidence->over ||
        !doctor_misses(evidence))
        return false;
    const struct standing standing = doctor_standing(evidence);
    const int64_t steps = evidence->steps, from = steps - standing.window;
    if (!standing.falls || standing.rate_is_spent || !steps_overshoot(evidence, from, steps))
        return false;
    double error;
    const double cosine = mean_cosine(evidence, from, steps, &error);
    return cosine < -FAULT_SURE * error &&
           show(symptom, steps - 1, -cosine / (FAULT_SURE * error),
                "steps end beyond the lowest point along them and gradients point back against the one before (cosine "
                "%.2f +- %.2f), and yet the loss fell until the end, by %.2g over the last %lld updates: the way down "
                "lies across what the steps go to and fro along, and optim.momentum = %.3g gathers nothing along it",
                cosine, error, standing.fall, (long long)standing.window, evidence->config->optim.momentum);
}

/* With momentum m what swings in the weights loses 1 - sqrt(m) with each update, whatever the rate and the curvature
 * (the roots of a heavy ball that is not overdamped have the length sqrt(m); Polyak 1964): what swung when half of the
 * run was done has m^(updates / 4) left at its end. A twentieth is nothing; with momentum in common use it is far less
 * after a few hundred updates. It shows last, so that whatever else is seen is the cause. */
bool rule_swings(const struct evidence *evidence, struct symptom *symptom)
{
    const double usual = 0.95, nothing = 0.05, momentum = evidence->config->optim.momentum;
    const double updates = (double)(evidence->over ? evidence->steps : evidence->planned_steps);
    const double left = pow(momentum, updates / 4.0);
    return evidence->config->optim.name == OPTIMIZER_SGD && momentum > usual && left > nothing &&
           (evidence->over || 2 * evidence->steps >= evidence->planned_steps) && doctor_misses(evidence) &&
           show(symptom, evidence->steps - 1, left / nothing,
                "with optim.momentum = %.4g what swings in the weights takes %.0f updates to halve: of what swung in "
                "the middle of %.0f updates %.0f %% are left at the end, and steps are %.0f times as long as the rate, "
                "with 0.9 10 times",
                momentum, 2.0 * log(0.5) / log(momentum), updates, 100.0 * left, 1.0 / (1.0 - momentum));
}
