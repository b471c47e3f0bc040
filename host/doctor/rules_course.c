/* rules_course: what the course of the steps tells: a decay that outweighs the gradient, units that die, losing
 * what was won. */
#include "rules.h"

#include <math.h>
#include <stdio.h>

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
 * the same direction: 0.05. Weights that steps have made twice as long are not held by decay: it pulls as they are
 * long, and the steps are too. */
bool rule_decay(const struct evidence *evidence, struct symptom *symptom)
{
    const double grown = 2.0;
    const double threshold = evidence->config->optim.name == OPTIMIZER_ADAMW ? 0.3 : 0.05;
    const double ratio = decay_ratio(evidence), decay = evidence->config->optim.weight_decay;
    const double length = column_median(evidence->weight_norm, EARLY_FROM, EARLY_TO);
    if (!(decay > 0.0 && ratio > threshold))
        return false;
    if (length > grown * evidence->weight_norm[0]) {
        symptom->cause = CAUSE_RATE_HIGH;
        return show(symptom, EARLY_FROM, length / (grown * evidence->weight_norm[0]),
                    "steps made the weights %.2g times as long as they were after the first one (%.3g, steps %d to "
                    "%d), so that even the pull of optim.weight_decay = %.3g was %.2g of the %s",
                    length / evidence->weight_norm[0], evidence->weight_norm[0], EARLY_FROM, EARLY_TO, decay, ratio,
                    evidence->config->optim.name == OPTIMIZER_ADAMW ? "update" : "gradient");
    }
    return show(symptom, EARLY_FROM, ratio / threshold,
                "the pull of optim.weight_decay = %.3g was %.2g of the %s (steps %d to %d); above %.2g it keeps the "
                "weights from following the data",
                decay, ratio, evidence->config->optim.name == OPTIMIZER_ADAMW ? "update" : "gradient", EARLY_FROM,
                EARLY_TO, threshold);
}

enum cause blame_dead(const struct evidence *evidence)
{
    const int64_t step = evidence->layers.dead_step;
    if (step == 0 || evidence->layers.dead_drawn >= DEAD)
        return CAUSE_INITIALISATION;
    return gradient_faded_as_drawn(evidence) ? CAUSE_NO_SIGNAL : blame_large(evidence, step);
}

bool rule_dead_units(const struct evidence *evidence, struct symptom *symptom)
{
    const double threshold = DEAD;
    const struct layer_evidence *layers = &evidence->layers;
    symptom->cause = blame_dead(evidence);
    return layers->dead_share >= threshold &&
           show(
               symptom, layers->dead_step, layers->dead_share / threshold,
               "at step %lld %.0f %% of the channels of %s were 0 for every image of the batch: no gradient comes back "
               "through them",
               (long long)layers->dead_step, 100.0 * layers->dead_share, layers->dead_layer);
}

double loss_slope(const struct evidence *evidence, int64_t from, int64_t to, double *error)
{
    double count = 0.0, middle = 0.0, spread = 0.0, slope = 0.0, noise = 0.0;
    for (int64_t t = from; t < to; t++)
        if (isfinite(evidence->loss[t])) {
            count++;
            middle += (double)(t - from);
        }
    middle /= count;
    for (int64_t t = from; t < to; t++)
        if (isfinite(evidence->loss[t])) {
            const double away = (double)(t - from) - middle;
            spread += away * away;
            slope += away * evidence->loss[t];
            noise += evidence->variance[t] / evidence->samples[t] / count;
        }
    *error = sqrt(noise / spread);
    return slope / spread;
}

/* Over the last third of [from, steps), where a fall by a twentieth of the loss would have shown: that none is seen
 * through the noise of small batches says nothing by itself. *slope, *error and *window say what was found. */
static bool levelled(const struct evidence *evidence, int64_t from, double *slope, double *error, int64_t *window)
{
    enum { LEAST = 100 };
    const int64_t steps = evidence->steps - from;
    *window = steps / 3 > LEAST ? steps / 3 : LEAST;
    if (steps < 2 * LEAST)
        return false;
    const int64_t first = evidence->steps - *window;
    *slope = loss_slope(evidence, first, evidence->steps, error);
    const double seen = -FALLING * *error * (double)*window;
    return *slope / *error > FALLING && seen < 0.05 * column_mean(evidence->loss, first, evidence->steps);
}

bool doctor_levelled(const struct evidence *evidence)
{
    double slope, error;
    int64_t window;
    return levelled(evidence, 0, &slope, &error, &window);
}

/* Whether the second half of the epochs brought no lower a loss than the first, by a twentieth. */
static bool brings_nothing(const double *losses, int64_t epochs)
{
    double early = INFINITY, late = INFINITY;
    for (int64_t i = 0; i < epochs; i++)
        if (i < epochs / 2)
            early = fmin(early, losses[i]);
        else
            late = fmin(late, losses[i]);
    return late > 0.95 * early;
}

bool doctor_stands(const struct evidence *evidence)
{
    enum { LEAST = 4 };
    const bool lowered = evidence->rate_scale > 0.0 && evidence->rate_scale < 1.0;
    return doctor_levelled(evidence) || lowered ||
           (evidence->epochs >= LEAST && brings_nothing(evidence->train_loss, evidence->epochs) &&
            brings_nothing(evidence->val_loss, evidence->epochs));
}

bool doctor_noise_limited(const struct evidence *evidence, struct symptom *symptom)
{
    int64_t from = evidence->steps;
    if (from == 0)
        return false;
    while (from > 0 && evidence->samples[from - 1] == evidence->samples[evidence->steps - 1])
        from--;
    double slope, error;
    int64_t window;
    struct symptom slow;
    if (!levelled(evidence, from, &slope, &error, &window) || rule_small_steps(evidence, &slow))
        return false;
    const double batch = evidence->samples[from], share = batch / evidence->noise_scale.low;
    const double loss = column_mean(evidence->loss, evidence->steps - window, evidence->steps);
    char scale[NOISE_TEXT];
    say_noise_scale(evidence, batch, scale);
    return share < 0.2 && learned_of(evidence, loss) < 0.9 && learned_of(evidence, loss) > 0.1 &&
           show(symptom, evidence->steps - window, 0.2 / share,
                "the last %lld steps did not lower the loss (%.3g, slope %.2g +- %.2g in 100 steps), and %s: its noise "
                "takes back what the steps gain",
                (long long)window, loss, 100.0 * slope, 100.0 * error, scale);
}

/* From step to the end of what is known. */
static bool stays_below(const struct evidence *evidence, int64_t step, double rate)
{
    int64_t t = step;
    while (t < evidence->steps && !(evidence->rate[t] > rate))
        t++;
    return t == evidence->steps;
}

/* Whether validation was at its best in one of the last two epochs before a step, as far as is known. In the first two
 * epochs nothing is known by heart, and training's loss is that of images as good as new. */
static bool val_still_falls(const struct evidence *evidence, int64_t step)
{
    enum { LATELY = 2 };
    int64_t best = -1, epoch = 0;
    for (; epoch < evidence->epochs && evidence->epoch[step] > (double)epoch + 1.0; epoch++)
        if (isfinite(evidence->val_loss[epoch]) && (best < 0 || evidence->val_loss[epoch] < evidence->val_loss[best]))
            best = epoch;
    return best < 0 || best + LATELY >= epoch;
}

/* So low, as a share of the highest before, the rate is at no step of a schedule in common use: steps that cut it
 * tenfold do so at a third of the run or later, and again beyond half; a plateau does not as long as the loss falls.
 * Rates are kept as floats. */
static double too_low_at(const struct evidence *evidence, int64_t step)
{
    const double rounding = 1e-6, before_a_third = 0.3;
    const bool early = evidence->config->schedule.name != SCHEDULE_STEP ||
                       (double)step < before_a_third * (double)evidence->planned_steps;
    return 0.1 * (early ? 1.0 + rounding : 1.0 - rounding);
}

/* A schedule of steps asks nothing of the loss. One that leaves the second half of the updates less than a hundredth of
 * the way, by the sum of their rates, has made the run half as long: steps in use leave 5 % and more (a tenth at a
 * third and at two thirds), a cosine 18 %. */
bool rule_spent(const struct evidence *evidence, struct symptom *symptom)
{
    const double little = 0.01;
    const int64_t steps = evidence->steps, half = steps / 2;
    if (!evidence->over || evidence->config->schedule.name != SCHEDULE_STEP || !doctor_misses(evidence))
        return false;
    const double first = column_mean(evidence->rate, 0, half), second = column_mean(evidence->rate, half, steps);
    const double share = second / (first + second);
    return share < little && show(symptom, half, little / fmax(share, 1e-6),
                                  "after half of the %lld updates the rate was %.2g, from %.2g at first: all updates "
                                  "of the second half go "
                                  "%.2g of the way that the run goes, and not all was learned by then",
                                  (long long)steps, evidence->rate[half], evidence->rate[0], share);
}

/* The schedule has taken the rate that low before half of the run was done, while the loss was still falling, and has
 * left it there: a run that goes on for longer than was planned has a rate that rises again. What has been learned
 * but for a twentieth needs no rate; nor does what validation no longer gained by: training's loss falls in every run
 * that learns its images by heart. */
bool rule_early_drop(const struct evidence *evidence, struct symptom *symptom)
{
    double highest = 0.0;
    for (int64_t t = 0; t < evidence->steps && t < evidence->planned_steps / 2; t++) {
        highest = fmax(highest, evidence->rate[t]);
        const double low = too_low_at(evidence, t) * highest;
        if (!(evidence->rate[t] <= low) || t < 50)
            continue;
        double error, slope = loss_slope(evidence, t / 3, t, &error), z = slope / error;
        const double learned = learned_in(evidence, t - 50, t);
        return z < FALLING && learned < 0.95 && val_still_falls(evidence, t) && stays_below(evidence, t, low) &&
               show(symptom, t, z / FALLING,
                    "at step %lld of %lld the rate had fallen from %.2g to %.2g while the loss was still "
                    "falling by %.2g in 100 steps (%.1f standard errors)",
                    (long long)t, (long long)evidence->planned_steps, highest, evidence->rate[t], -100.0 * slope, -z);
    }
    return false;
}

/* A run that has ended in its warm-up at less than a third of optim.lr, where something is missing: the rate that was
 * asked for was never tried. */
bool rule_still_warming(const struct evidence *evidence, struct symptom *symptom)
{
    const int64_t last = evidence->steps - 1;
    const double warmup = evidence->config->schedule.warmup_epochs, rate = evidence->config->optim.lr;
    return evidence->over && warmup > evidence->epoch[last] && evidence->rate[last] < SMALL_SHARE * rate &&
           doctor_misses(evidence) &&
           show(symptom, last, SMALL_SHARE * rate / evidence->rate[last],
                "the run ended in its warm-up of %.3g epochs, at a rate of %.2g: optim.lr = %.3g was never reached",
                warmup, evidence->rate[last], rate);
}

/* The epochs that early stopping waited for, and what validation lost in the last of them since the best; false: it did
 * not end the run. */
static bool waited_for(const struct evidence *evidence, int64_t *best)
{
    const int patience = evidence->config->early_stop.patience;
    *best = evidence->epochs - 1 - patience;
    if (patience == 0 || *best < 0 || !evidence->over || evidence->steps >= evidence->planned_steps)
        return false;
    for (int64_t epoch = *best; epoch < evidence->epochs; epoch++)
        if (evidence->best[epoch] != (epoch == *best ? 1.0 : 0.0))
            return false;
    return true;
}

/* Validation was at its best when the run was ended, as that was too little of an improvement for
 * early_stop.min_delta. */
static bool asked_too_much(const struct evidence *evidence)
{
    const struct config *config = evidence->config;
    const int64_t last = evidence->epochs - 1;
    if (config->early_stop.patience == 0 || !(config->early_stop.min_delta > 0.0) ||
        config->early_stop.monitor != MONITOR_VAL_LOSS || last < 1 || !evidence->over ||
        evidence->steps >= evidence->planned_steps)
        return false;
    for (int64_t epoch = 0; epoch < last; epoch++)
        if (!(evidence->val_loss[last] < evidence->val_loss[epoch]))
            return false;
    return true;
}

/* Training was still falling, validation had lost nothing that shows, and what training gained in the epochs that were
 * waited for would not have shown in validation, for the noise of its few images, or not have counted, for
 * early_stop.min_delta. */
bool rule_stopped_soon(const struct evidence *evidence, struct symptom *symptom)
{
    enum { LEAST = 100 };
    const double sure = 3.5;
    const int64_t last = evidence->epochs - 1;
    int64_t best;
    if (evidence->val_images == 0)
        return false;
    if (asked_too_much(evidence))
        return show(
            symptom, evidence->steps - 1, 2.0,
            "it ended at epoch %lld with the lowest validation loss of all, %.3g after %.3g: early_stop.min_delta "
            "= %.3g asks for more than that",
            (long long)evidence->epochs, evidence->val_loss[last], evidence->val_loss[last - 1],
            evidence->config->early_stop.min_delta);
    if (evidence->steps < LEAST || !waited_for(evidence, &best)) /* a slope needs so many */
        return false;
    const double noise = sure * hypot(evidence->val_loss_error[last], evidence->val_loss_error[best]);
    const int64_t half = evidence->steps / 2, window = half > LEAST ? half : LEAST;
    double error, slope = loss_slope(evidence, evidence->steps - window, evidence->steps, &error), z = slope / error;
    const double waited = (double)evidence->steps * (double)(last - best) / (double)evidence->epochs;
    const double asked = evidence->config->early_stop.min_delta;
    char counts[64] = "";
    if (asked > 0.0)
        snprintf(counts, sizeof counts, ", and early_stop.min_delta = %.3g asks for more", asked);
    struct symptom unused; /* what validation shows then is how far running means are behind, not what was learned */
    if (z < FALLING && rule_evaluated_otherwise(evidence, &unused))
        return show(symptom, evidence->steps - 1, z / FALLING,
                    "it ended at epoch %lld of %d by a validation loss of %.3g after %.3g, while the training loss was "
                    "falling by %.2g in 100 steps (%.1f standard errors): in evaluation training's own images are no "
                    "more right than validation's (%.1f %%), so that this loss does not measure what is learned%s",
                    (long long)evidence->epochs, evidence->config->train.epochs, evidence->val_loss[last],
                    evidence->val_loss[best], -100.0 * slope, -z, 100.0 * evidence->fit.accuracy, counts);
    return z < FALLING && -slope * waited < fmax(noise, asked) &&
           evidence->val_loss[last] - evidence->val_loss[best] < noise &&
           show(symptom, evidence->steps - 1, z / FALLING,
                "it ended at epoch %lld of %d, as validation had been no better for %d: %.3g after %.3g, which single "
                "images make differ by %.2g%s; the training loss was falling by %.2g in 100 steps (%.1f standard "
                "errors)",
                (long long)evidence->epochs, evidence->config->train.epochs, (int)(last - best),
                evidence->val_loss[last], evidence->val_loss[best], noise / sure, counts, -100.0 * slope, -z);
}

enum { SETBACK_WINDOW = 20 };

/* More than a share of the way down from guessing, where a tenth of that to the lowest loss there is was made. */
static bool is_lost(double share, double loss, double floor, double guess, double lowest)
{
    return guess - floor > 0.1 * (guess - lowest) && loss - floor > share * (guess - floor);
}

bool rule_losing_ground(const struct evidence *evidence)
{
    double floor = INFINITY;
    if (evidence->steps < 2 * SETBACK_WINDOW) /* nothing is won yet */
        return false;
    for (int64_t t = 0; t + 2 * SETBACK_WINDOW <= evidence->steps; t += SETBACK_WINDOW)
        floor = fmin(floor, column_mean(evidence->loss, t, t + SETBACK_WINDOW));
    return is_lost(0.25, column_mean(evidence->loss, evidence->steps - SETBACK_WINDOW / 2, evidence->steps), floor,
                   loss_of_guessing(evidence), loss_floor(evidence));
}

/* More than half of all progress lost again, for forty steps, beyond what the batch's noise explains; and it was
 * progress: a quarter of what has been learned in the end. On the plain near guessing a loss goes up and
 * down by little that is much of next to nothing. */
bool rule_setback(const struct evidence *evidence, struct symptom *symptom)
{
    enum { WINDOW = SETBACK_WINDOW };
    double guess = loss_of_guessing(evidence), floor = INFINITY;
    const int64_t last = evidence->steps - 2 * WINDOW;
    const double end = column_mean(evidence->loss, last > 0 ? last : 0, evidence->steps);
    for (int64_t t = 0; t + 2 * WINDOW <= evidence->steps; t += WINDOW) {
        double now = column_mean(evidence->loss, t, t + WINDOW);
        double next = column_mean(evidence->loss, t + WINDOW, t + 2 * WINDOW);
        double noise = loss_noise(evidence, t, t + WINDOW), rise = fmin(now, next) - floor;
        if (isnan(now) || isnan(next))
            continue;
        if (t >= evidence->accepted && is_lost(0.5, fmin(now, next), floor, guess, loss_floor(evidence)) &&
            guess - floor > 0.25 * (guess - end) && rise > 8.0 * (isnan(noise) ? 0.0 : noise)) {
            symptom->cause =
                evidence->samples[0] <= 8.0 || batch_is_noise(evidence) ? CAUSE_BATCH_SMALL : CAUSE_RATE_HIGH;
            return show(
                symptom, t, rise / (0.5 * (guess - floor)),
                "at step %lld the loss rose from %.3g to %.3g and stayed there for %d steps (standard error %.2g)",
                (long long)t, floor, fmin(now, next), 2 * WINDOW, noise);
        }
        floor = fmin(floor, now);
    }
    return false;
}

/* The quarter of the run, of those that end before its last one begins, that has the lowest loss: by eighths. */
static int64_t lowest_quarter(const struct evidence *evidence, int64_t quarter)
{
    int64_t lowest = 0;
    for (int64_t eighth = 1; eighth <= 4; eighth++) {
        const int64_t from = eighth * quarter / 2;
        if (column_mean(evidence->loss, from, from + quarter) < column_mean(evidence->loss, lowest, lowest + quarter))
            lowest = from;
    }
    return lowest;
}

/* Whether the loss of the last quarter says that a rate which has risen since an earlier one takes back what it brings.
 * At half as much again a loss that is no lower does, where a fall by a twentieth would have shown; and at a quarter
 * more one that is above the lowest that there was by as much, beyond three standard errors. */
static bool takes_back(const struct evidence *evidence, int64_t from, int64_t quarter, double *error)
{
    const double risen = 1.5, little = 1.25, worth = 0.05;
    const int64_t steps = evidence->steps;
    const double before = column_mean(evidence->loss, from, from + quarter);
    const double more = column_mean(evidence->loss, steps - quarter, steps) - before;
    const double rate =
        column_mean(evidence->rate, steps - quarter, steps) / column_mean(evidence->rate, from, from + quarter);
    *error = hypot(loss_noise(evidence, from, from + quarter), loss_noise(evidence, steps - quarter, steps));
    return (rate > risen && -FALLING * *error < worth * before && more > FALLING * *error) ||
           (rate > little && more > worth * before && more > FAULT_SURE * *error);
}

/* What was learned at a lower rate, in the second quarter of the run or where the loss was lowest, is not gone on with
 * at a higher one, in the last. A rate that still rises while nothing is learned yet says nothing, nor one where all is
 * learned, nor one that the schedule is to lower again. */
bool rule_rising_rate(const struct evidence *evidence, struct symptom *symptom)
{
    const double least = 0.1, most = 0.9;
    const int64_t steps = evidence->steps, quarter = steps / 4;
    if (2 * steps < evidence->planned_steps ||
        (!evidence->over && evidence->config->schedule.name != SCHEDULE_CONSTANT))
        return false;
    const int64_t starts[] = {quarter, lowest_quarter(evidence, quarter)};
    for (int i = 0; i < COUNT_OF(starts); i++) {
        const int64_t from = starts[i], to = from + quarter;
        const double before = column_mean(evidence->loss, from, to), learned = learned_of(evidence, before);
        const double now = column_mean(evidence->loss, steps - quarter, steps);
        const double rate_before = column_mean(evidence->rate, from, to);
        const double rate = column_mean(evidence->rate, steps - quarter, steps);
        double error;
        if (learned > least && learned < most && takes_back(evidence, from, quarter, &error))
            return show(symptom, to, rate / rate_before,
                        "from step %lld to %lld, at a rate of %.2g, the loss was %.3g; at %.2g, from step %lld on, it "
                        "is %.3g (%+.3g +- %.2g): the higher rate takes back what it brings",
                        (long long)from, (long long)to, rate_before, before, rate, (long long)(steps - quarter), now,
                        now - before, error);
    }
    return false;
}
