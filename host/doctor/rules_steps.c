/* rules_steps: whether the steps go as far as they should, and whether a batch says where to. */
#include "rules.h"

#include <math.h>
#include <stdio.h>

/* What the gradient clip leaves of the steps, 0..1. Adam divides a gradient by its own length: that is all the same to
 * it. */
static double clip_leaves(const struct evidence *evidence, int64_t from, int64_t to)
{
    const struct config *config = evidence->config;
    double sum = 0.0, known = 0.0;
    for (int64_t t = from; t < to; t++)
        if (isfinite(evidence->grad_norm[t]) && evidence->grad_norm[t] > 0.0) {
            sum += fmin(config->optim.clip_norm / evidence->grad_norm[t], 1.0);
            known++;
        }
    return config->optim.name != OPTIMIZER_SGD || config->optim.clip_norm == 0.0 || known == 0.0 ? 1.0 : sum / known;
}

/* What a cosine over the whole run leaves of optim.lr by itself, without warm-up; 1 of any other schedule. */
static double cosine_leaves(const struct evidence *evidence, int64_t step)
{
    const double pi = 3.14159265358979323846;
    const struct config *config = evidence->config;
    if (config->schedule.name != SCHEDULE_COSINE)
        return 1.0;
    const double done = fmin((evidence->epoch[step] - 1.0) / config->train.epochs, 1.0);
    const double low = config->schedule.min_lr / config->optim.lr;
    return low + (1.0 - low) * 0.5 * (1.0 + cos(pi * done));
}

/* Share of optim.lr that the schedule left, on average and in the end: a rate that rises is low on average, one that
 * was cut in the end. */
static double scheduled_share(const struct evidence *evidence, int64_t from, int64_t to)
{
    return fmin(column_mean(evidence->rate, from, to), evidence->rate[to - 1]) / evidence->config->optim.lr;
}

/* The same as a share of what a cosine leaves, where there is one: less of it is a warm-up that still holds the rate.
 * One that is over, long since, leaves all of it, however low the cosine is by then. */
static double held_share(const struct evidence *evidence, int64_t from, int64_t to)
{
    double sum = 0.0, last = NAN;
    int64_t known = 0;
    for (int64_t t = from; t < to; t++)
        if (isfinite(evidence->rate[t])) {
            last = evidence->rate[t] / (evidence->config->optim.lr * cosine_leaves(evidence, t));
            sum += last;
            known++;
        }
    return fmin(sum / (double)known, last);
}

/* What makes steps small other than the rate asked for. Where nothing comes back to the first layers, no rate is right
 * for them and the last ones alike. taken: the schedule made most of it, and at optim.lr all along they would not be.
 */
static enum cause blame_small(const struct evidence *evidence, int64_t from, int64_t to, bool taken)
{
    const struct config *config = evidence->config;
    if (gradient_fades(evidence))
        return CAUSE_NO_SIGNAL;
    if (clip_leaves(evidence, from, to) < SMALL_SHARE)
        return CAUSE_CLIP;
    if (taken && held_share(evidence, from, to) < SMALL_SHARE)
        return CAUSE_SCHEDULE;
    if (config->optim.name != OPTIMIZER_SGD)
        return config->optim.eps > 1e-4 ? CAUSE_ADAM : CAUSE_RATE_LOW;
    return config->optim.momentum < 0.5 ? CAUSE_PLAIN_SGD : CAUSE_RATE_LOW;
}

static void say_small(const struct evidence *evidence, const struct symptom *symptom, int64_t from, int64_t to,
                      char text[static EVIDENCE_BYTES])
{
    say_faded(evidence, text);
    if (symptom->cause == CAUSE_SCHEDULE)
        snprintf(text, EVIDENCE_BYTES, "; the rate was %.2g of optim.lr then", scheduled_share(evidence, from, to));
    if (symptom->cause == CAUSE_FEW_UPDATES)
        snprintf(text, EVIDENCE_BYTES,
                 "; optim.lr all along would take them far enough, but the cosine lowers the rate, as it is to, before "
                 "they are: to %.2g of it by then",
                 scheduled_share(evidence, from, to));
    if (symptom->cause == CAUSE_CLIP)
        snprintf(text, EVIDENCE_BYTES, "; optim.clip_norm = %.3g leaves %.2g of a step, the gradient being %.2g long",
                 evidence->config->optim.clip_norm, clip_leaves(evidence, from, to),
                 column_mean(evidence->grad_norm, from, to));
}

/* All updates so far laid end to end, in the weights' own length. */
static double path_made(const struct evidence *evidence)
{
    double path = 0.0, known = 0.0;
    for (int64_t t = 0; t < evidence->steps; t++)
        if (isfinite(step_size(evidence, t))) {
            path += step_size(evidence, t);
            known++;
        }
    return path / known * (double)evidence->steps;
}

/* Whether of these steps' images nearly all are right. */
static bool knows_its_images(const struct evidence *evidence, int64_t from, int64_t to)
{
    double images;
    return steps_accuracy(evidence, from, to, &images) >= LEARNT_BY_HEART;
}

/* All updates of the run laid end to end, at the pace of the last 100: two thirds of the weights' own length, so that
 * training cannot take them far from where chance put them. Where they need not go far the loss says so: guessing less
 * the loss is what has been learned of the labels, in nats, and with more than half of it the steps are large enough.
 * Steps that were small in the beginning and have come as far as the weights are long since, or to where nearly all is
 * learned, are none too small. */
bool rule_small_steps(const struct evidence *evidence, struct symptom *symptom)
{
    enum { WINDOW = 100 };
    const double far = 2.0 / 3.0, half = 0.5;
    double path = 0.0, unscheduled = 0.0;
    if (path_made(evidence) >= 1.0 || knows_its_images(evidence, evidence->steps - WINDOW / 2, evidence->steps))
        return false;
    for (int64_t t = 0; t + WINDOW <= evidence->steps; t += WINDOW) {
        double sizes[WINDOW], at_lr[WINDOW];
        for (int k = 0; k < WINDOW; k++) {
            const double rate = evidence->rate[t + k];
            sizes[k] = step_size(evidence, t + k);
            at_lr[k] = rate > 0.0 ? sizes[k] * evidence->config->optim.lr / rate : NAN;
        }
        const double mean = column_mean(sizes, 0, WINDOW), mean_at_lr = column_mean(at_lr, 0, WINDOW);
        const double left = (double)(evidence->planned_steps - t - WINDOW);
        path += WINDOW * mean;
        unscheduled += WINDOW * mean_at_lr;
        const double whole = path + mean * left, learned = learned_in(evidence, t + WINDOW / 2, t + WINDOW);
        if (!(whole < far) || learned > half)
            continue;
        /* A schedule is to blame that took half of the way or more where there would have been enough; a cosine that
         * lowers the rate as it is to, never. */
        const double at_lr_whole = unscheduled + mean_at_lr * left;
        const bool enough = at_lr_whole >= far, cosine = evidence->config->schedule.name == SCHEDULE_COSINE;
        symptom->cause = blame_small(evidence, t, t + WINDOW, enough && whole < half * at_lr_whole);
        if (symptom->cause == CAUSE_RATE_LOW && enough && cosine &&
            scheduled_share(evidence, t, t + WINDOW) < SMALL_SHARE)
            symptom->cause = CAUSE_FEW_UPDATES;
        symptom->falls_short = symptom->cause == CAUSE_FEW_UPDATES ? updates_wanted(learned)
                               : symptom->cause == CAUSE_RATE_LOW  ? far / fmax(whole, 1e-9)
                                                                   : 0.0;
        char why[EVIDENCE_BYTES], loss[LEARNED_TEXT];
        say_small(evidence, symptom, t, t + WINDOW, why);
        say_learned(evidence, column_mean(evidence->loss, t + WINDOW / 2, t + WINDOW), loss);
        return show(symptom, t + WINDOW - 1, far / fmax(whole, 1e-9),
                    "an update changes the weights by %.2g %% of their length; at this pace all %lld of the run, laid "
                    "end to end, reach %.2g of it, so they cannot get far from where they began (%s)%s",
                    100.0 * mean, (long long)evidence->planned_steps, whole, loss, why);
    }
    return false;
}

/* Along a step the loss is about a parabola. Its slope where the step ends, over that where it begins, is -1 of a step
 * that gets nowhere and 0 of one that ends in the lowest point; each is measured by a batch of its own, so that
 * sampling noise can only bring it nearer to 0. Sorted batches are not alike, and say nothing.
 *
 * Below -1/2, by two standard errors, steps end before half the way to the lowest point. While a network is new that is
 * so at any rate; from a quarter of the run to half of it no more, unless the rate is a small part of what it could be.
 * Where nearly all is learned by a quarter of the run, as soon as that, steps have been long enough: a gradient fades
 * with what is left to learn, and its steps with it. */
bool rule_short_steps(const struct evidence *evidence, struct symptom *symptom)
{
    enum { LEAST = 50 };
    const double half_way = -0.5, sure = 2.0;
    const int64_t from = evidence->planned_steps / 4 + 1, to = evidence->planned_steps / 2;
    if (evidence->steps < to || !evidence->config->data.shuffle || knows_its_images(evidence, from, to))
        return false;
    double end = 0.0, begin = 0.0, squares = 0.0;
    int ends = 0, begins = 0; /* not of the same steps where not every step has its row */
    for (int64_t t = from; t < to; t++) {
        if (isfinite(evidence->end_slope[t])) {
            end += evidence->end_slope[t];
            squares += evidence->end_slope[t] * evidence->end_slope[t];
            ends++;
        }
        if (isfinite(evidence->slope[t - 1])) {
            begin += fabs(evidence->slope[t - 1]);
            begins++;
        }
    }
    const double ratio = end / ends / (begin / begins);
    const double error = sqrt(fmax(squares / ends - end / ends * end / ends, 0.0) / ends) / (begin / begins);
    if (ends < LEAST || begins < LEAST || !(ratio + sure * error < half_way))
        return false;
    symptom->cause = blame_small(evidence, from, to, true);
    char why[EVIDENCE_BYTES];
    say_small(evidence, symptom, from, to, why);
    return show(symptom, to - 1, ratio / half_way,
                "from step %lld to %lld the loss fell where a step ended by %.2g of how it fell where the step began: "
                "steps end before half the way to the lowest point along them%s",
                (long long)from, (long long)to, -ratio, why);
}

/* Where no gradient is seen through the noise, its scale has no upper end. */
void say_noise_scale(const struct evidence *evidence, double batch, char text[static NOISE_TEXT])
{
    const struct estimate *scale = &evidence->noise_scale;
    if (isfinite(scale->value))
        snprintf(text, NOISE_TEXT, "a batch of %.0f is %.2g of the gradient noise scale (%.0f images, %.0f at least)",
                 batch, batch / scale->value, scale->value, scale->low);
    else
        snprintf(text, NOISE_TEXT, "a batch of %.0f is below %.2g of the gradient noise scale (%.0f images at least)",
                 batch, batch / scale->low, scale->low);
}

/* What the noise of batches holds the loss up by. Along a direction of curvature h, steps w -= rate (h w + noise) come
 * to rest at a mean w^2 of rate noise^2 / 2h, h small beside 1 / rate: a loss higher by rate noise^2 / 4, whatever h is
 * (Mandt et al., "Stochastic gradient descent as approximate Bayesian inference", 2017). Summed over all directions,
 * that is a fourth of what a step takes off its own batch by its own gradient; past gradients, whose share in a step
 * the next batch measures without that, make the rate longer by 1 / (1 - momentum). What is learned with these steps,
 * and not noise, counts as noise here: below a fifth of the noise scale that is little. */
double noise_held_up(const struct evidence *evidence, int64_t from, int64_t to, double *error)
{
    const struct config *config = evidence->config;
    const bool sgd = config->optim.name == OPTIMIZER_SGD;
    const double past = sgd ? config->optim.momentum : config->optim.beta1;
    const double rest = 1.0 / (4.0 * (1.0 - past)) / (sgd && config->optim.nesterov ? 1.0 + past : 1.0);
    double sum = 0.0, squares = 0.0, known = 0.0;
    for (int64_t t = from; t < to; t++) {
        const double own = past > 0.0 ? past * evidence->end_slope[t] - evidence->slope[t] : -evidence->slope[t];
        if (isfinite(own)) {
            sum += own;
            squares += own * own;
            known++;
        }
    }
    const double mean = sum / known;
    *error = rest * sqrt(fmax(squares / known - mean * mean, 0.0) / known);
    return rest * mean;
}

/* Whether a larger batch would have come further in as many epochs. One of four times the images makes a fourth of the
 * updates: but for the noise of then it ends where this run was at a fourth of them, and noise holds it up by a fourth
 * of what it does this run in the end, where a schedule has come as far. What it saves must be more than what the
 * updates have brought that it does not make. Noise costs up to twice what it holds up at rest, as it turns steps aside
 * as well: half is asked for (measured: faults 0.5 to 2.8, runs that a larger batch made worse 0.01 to 0.4). Not known
 * before half of the run: where little is learned, it is so of any batch. */
static bool noise_costs(const struct evidence *evidence, char text[static NOISE_TEXT])
{
    const double fourth = 1.0 / 4.0, half = 0.5;
    const int64_t end = evidence->steps, tenth = end / 10, quarter = end / 4;
    if (!evidence->over && 2 * end < evidence->planned_steps)
        return false;
    const int64_t from = quarter - tenth / 2, to = quarter + tenth / 2;
    double error;
    const double then = noise_held_up(evidence, from, to, &error),
                 noise = noise_held_up(evidence, end - tenth, end, &error);
    const double brought = column_mean(evidence->loss, from, to) - column_mean(evidence->loss, end - tenth, end);
    snprintf(text, NOISE_TEXT,
             "noise held the loss up by about %.2g after the first quarter and by %.2g in the end, where the updates "
             "between have lowered it by %.2g",
             then, noise, brought);
    return then - fourth * noise > half * brought;
}

/* Of batches up to this one says so small: a larger one is seldom below a fifth of the noise scale by much. */
#define FEW_IMAGES 16.0
/* Of the gradient noise scale. */
#define MOSTLY_NOISE 0.2

/* Two batches' gradients are alike, cosine c, as far as they agree: B over the noise scale is c / (1 - c). Those of
 * consecutive steps are less alike than those of one point, as the step between them has used up part of what they
 * agree on: with momentum 0.6 of it is left and more (pilot 0.6 to 0.74), without momentum it may be nothing. */
struct alike {
    double mean, error, share; /* of the cosine; the batch over the noise scale at most */
};
enum { ALIKE_FROM = 100 };
static const double alike_threshold = MOSTLY_NOISE * 0.6;

/* false: too few are known, or they say nothing. */
static bool batches_alike(const struct evidence *evidence, struct alike *alike)
{
    const double sure = 2.0;
    const struct config *config = evidence->config;
    double sum = 0.0, squares = 0.0, known = 0.0;
    if (!config->data.shuffle ||
        (config->optim.name == OPTIMIZER_SGD ? config->optim.momentum : config->optim.beta1) < 0.5)
        return false;
    for (int64_t t = ALIKE_FROM; t < evidence->steps; t++)
        if (isfinite(evidence->grad_cosine[t])) {
            sum += evidence->grad_cosine[t];
            squares += evidence->grad_cosine[t] * evidence->grad_cosine[t];
            known++;
        }
    const double mean = sum / known, error = sqrt((squares / known - mean * mean) / known), most = mean + sure * error;
    *alike = (struct alike){mean, error, most / (1.0 - most)};
    return known >= ALIKE_FROM;
}

bool batch_is_noise(const struct evidence *evidence)
{
    const double batch = evidence->samples[0];
    struct alike alike;
    return batch <= FEW_IMAGES && (batch / evidence->noise_scale.low < MOSTLY_NOISE ||
                                   (batches_alike(evidence, &alike) && alike.share < alike_threshold));
}

/* A batch far below the gradient noise scale (McCandlish et al., "An empirical model of large-batch training", 2018):
 * each step is mostly noise. */
bool rule_noise_scale(const struct evidence *evidence, struct symptom *symptom)
{
    const double batch = evidence->samples[0], share = batch / evidence->noise_scale.low;
    /* What has been learned has no gradient left, and noise alone says nothing then. */
    const double learned = learned_in(evidence, evidence->steps - 50, evidence->steps);
    char scale[NOISE_TEXT], cost[NOISE_TEXT];
    say_noise_scale(evidence, batch, scale);
    return batch <= FEW_IMAGES && share < MOSTLY_NOISE && learned < 0.9 && noise_costs(evidence, cost) &&
           show(symptom, 199, MOSTLY_NOISE / share, "%s: its gradient is mostly noise; %s", scale, cost);
}

bool rule_unlike_batches(const struct evidence *evidence, struct symptom *symptom)
{
    struct alike alike;
    const double batch = evidence->samples[0];
    if (batch > FEW_IMAGES || !batches_alike(evidence, &alike))
        return false;
    /* Where all is learned, what is left of the gradients is noise. */
    const double learned = learned_in(evidence, ALIKE_FROM, evidence->steps);
    char cost[NOISE_TEXT];
    return alike.share < alike_threshold && learned < 0.9 && noise_costs(evidence, cost) &&
           show(symptom, 2 * ALIKE_FROM - 1, alike_threshold / fmax(alike.share, 1e-3),
                "gradients of two batches of %.0f have a cosine of %.2g +- %.1g: such a batch is less than a fifth of "
                "the gradient noise scale, its gradient is mostly noise; %s",
                batch, alike.mean, alike.error, cost);
}
