/* rules_course: what the course of the steps tells: a decay that outweighs the gradient, steps too small to get
 * anywhere, standing still, losing what was won. */
#include "rules.h"

#include <math.h>

/* Steps that are judged at the beginning: past the first few, before there is progress to speak of. */
enum { EARLY_FROM = 10, EARLY_TO = 60 };

/* Median over the early steps of decay over gradient, as the optimizer adds them. */
static double decay_ratio(const struct evidence *evidence)
{
    const struct config *config = evidence->config;
    double decay = config->optim.weight_decay, ratio[EARLY_TO - EARLY_FROM];
    for (int64_t t = EARLY_FROM; t < EARLY_TO; t++)
        ratio[t - EARLY_FROM] = config->optim.name == OPTIMIZER_ADAMW
                                    ? evidence->rate[t] * decay * evidence->weight_norm[t] / evidence->update_norm[t]
                                    : decay * evidence->weight_norm[t] / evidence->grad_norm[t];
    return column_median(ratio, 0, COUNT_OF(ratio));
}

/* At balance the pull of the decay equals the gradient's own part: then the weights no longer answer to the data.
 * Decoupled, 0.3 of each update; coupled, the gradient's norm is mostly noise, which the decay meets at every step in
 * the same direction: 0.05. */
bool rule_decay(const struct evidence *evidence, struct symptom *symptom)
{
    double threshold = evidence->config->optim.name == OPTIMIZER_ADAMW ? 0.3 : 0.05, ratio = decay_ratio(evidence);
    return evidence->config->optim.weight_decay > 0.0 && ratio > threshold &&
           show(symptom, EARLY_FROM, ratio / threshold,
                "the pull of optim.weight_decay = %.3g was %.2g of the %s (steps %d to %d); above %.2g it keeps the "
                "weights "
                "from following the data",
                evidence->config->optim.weight_decay, ratio,
                evidence->config->optim.name == OPTIMIZER_ADAMW ? "update" : "gradient", EARLY_FROM, EARLY_TO,
                threshold);
}

/* What makes steps small other than the rate asked for. */
static enum cause blame_small(const struct evidence *evidence, int64_t from, int64_t to)
{
    const struct config *config = evidence->config;
    if (column_mean(evidence->rate, from, to) < 0.3 * config->optim.lr)
        return CAUSE_SCHEDULE;
    if (config->optim.name != OPTIMIZER_SGD)
        return config->optim.eps > 1e-4 ? CAUSE_ADAM : CAUSE_RATE_LOW;
    return config->optim.momentum < 0.5 ? CAUSE_PLAIN_SGD : CAUSE_RATE_LOW;
}

/* All updates of the run laid end to end, at the pace of the last 100: two thirds of the weights' own length, so that
 * training cannot take them far from where chance put them. Where they need not go far the loss says so: guessing less
 * the loss is what has been learned of the labels, in nats, and with more than half of it the steps are large enough.
 */
bool rule_small_steps(const struct evidence *evidence, struct symptom *symptom)
{
    enum { WINDOW = 100 };
    const double far = 2.0 / 3.0, half = 0.5;
    double path = 0.0;
    for (int64_t t = 0; t + WINDOW <= evidence->steps; t += WINDOW) {
        double sizes[WINDOW];
        for (int k = 0; k < WINDOW; k++)
            sizes[k] = step_size(evidence, t + k);
        double mean = column_mean(sizes, 0, WINDOW);
        path += WINDOW * mean;
        double whole = path + mean * (double)(evidence->planned_steps - t - WINDOW);
        double loss = column_mean(evidence->loss, t + WINDOW / 2, t + WINDOW);
        if (!(whole < far) || loss < half * evidence->prior_entropy)
            continue;
        symptom->cause = blame_small(evidence, t, t + WINDOW);
        return show(symptom, t + WINDOW - 1, far / fmax(whole, 1e-9),
                    "an update changes the weights by %.2g %% of their length; all %lld of the run, laid end to end, "
                    "reach %.2g of it, so they cannot get far from where they began (loss %.3g, guessing %.3g)",
                    100.0 * mean, (long long)evidence->planned_steps, whole, loss, evidence->prior_entropy);
    }
    return false;
}

/* A hundred steps at the loss of guessing, and none of it going down. */
bool rule_stuck(const struct evidence *evidence, struct symptom *symptom)
{
    const double near = 0.05, flat = 0.01;
    for (int64_t t = 100; t + 100 <= evidence->steps; t += 50) {
        double first = column_mean(evidence->loss, t, t + 50), second = column_mean(evidence->loss, t + 50, t + 100);
        double guess = evidence->prior_entropy;
        if (fabs(0.5 * (first + second) / guess - 1.0) < near && fabs(log(first / second)) < flat)
            return show(symptom, t + 99, near / fmax(fabs(0.5 * (first + second) / guess - 1.0), 1e-3),
                        "from step %lld to %lld the loss stood at %.4g, which is guessing by the class shares (%.4g)",
                        (long long)t, (long long)t + 100, 0.5 * (first + second), guess);
    }
    return false;
}

/* A batch far below the gradient noise scale (McCandlish et al., "An empirical model of large-batch training", 2018):
 * each step is mostly noise, and a larger batch is progress nearly for free. */
bool rule_noise_scale(const struct evidence *evidence, struct symptom *symptom)
{
    double batch = evidence->samples[0], share = batch / evidence->noise_scale;
    return batch <= 16.0 && share < 0.2 &&
           show(symptom, 199, 0.2 / share,
                "a batch of %.0f is %.2g of the gradient noise scale (%.0f images): its gradient is mostly noise",
                batch, share, evidence->noise_scale);
}

/* Slope per step of the loss over [from, to), by least squares; *error its standard error from sampling noise alone. */
static double loss_slope(const struct evidence *evidence, int64_t from, int64_t to, double *error)
{
    double count = (double)(to - from), middle = 0.5 * (count - 1.0), spread = count * (count * count - 1.0) / 12.0;
    double slope = 0.0, noise = 0.0;
    for (int64_t t = from; t < to; t++) {
        slope += ((double)(t - from) - middle) * evidence->loss[t] / spread;
        noise += evidence->variance[t] / evidence->samples[t] / count;
    }
    *error = sqrt(noise / spread);
    return slope;
}

/* The schedule has taken the rate below a tenth before half of the run was done, while the loss was still falling. It
 * is asked once a run, so 2.5 standard errors will do. */
bool rule_early_drop(const struct evidence *evidence, struct symptom *symptom)
{
    double highest = 0.0;
    for (int64_t t = 0; t < evidence->steps && t < evidence->planned_steps / 2; t++) {
        highest = fmax(highest, evidence->rate[t]);
        if (evidence->rate[t] > 0.1 * highest || t < 50)
            continue;
        double error, slope = loss_slope(evidence, t / 3, t, &error), z = slope / error;
        return z < -2.5 &&
               show(symptom, t, z / -2.5,
                    "at step %lld of %lld the rate had fallen from %.2g to %.2g while the loss was still "
                    "falling by %.2g in 100 steps (%.1f standard errors)",
                    (long long)t, (long long)evidence->planned_steps, highest, evidence->rate[t], -100.0 * slope, -z);
    }
    return false;
}

/* More than half of all progress lost again, for forty steps, beyond what the batch's noise explains. */
bool rule_setback(const struct evidence *evidence, struct symptom *symptom)
{
    enum { WINDOW = 20 };
    double guess = evidence->prior_entropy, floor = INFINITY;
    for (int64_t t = 0; t + 2 * WINDOW <= evidence->steps; t += WINDOW) {
        double now = column_mean(evidence->loss, t, t + WINDOW);
        double next = column_mean(evidence->loss, t + WINDOW, t + 2 * WINDOW);
        double noise = loss_noise(evidence, t) / sqrt(WINDOW), rise = fmin(now, next) - floor;
        if (floor < 0.9 * guess && rise > 0.5 * (guess - floor) && rise > 8.0 * (isnan(noise) ? 0.0 : noise)) {
            symptom->cause = evidence->samples[0] <= 8.0 ? CAUSE_BATCH_SMALL : CAUSE_RATE_HIGH;
            return show(
                symptom, t, rise / (0.5 * (guess - floor)),
                "at step %lld the loss rose from %.3g to %.3g and stayed there for %d steps (standard error %.2g)",
                (long long)t, floor, fmin(now, next), 2 * WINDOW, noise);
        }
        floor = fmin(floor, now);
    }
    return false;
}
