/* rules_start: what the first steps tell: weights badly drawn, steps far too large. */
#include "rules.h"

#include <math.h>
#include <stdio.h>

/* Logits of variance v add about v/2 to ln K, the loss of a network that takes all classes for equally likely, as a new
 * one does however frequent they are (log-normal mean). Twice that on top of it is a variance of 4 ln K: the network is
 * sure of itself before it has seen anything. */
bool rule_first_loss(const struct evidence *evidence, struct symptom *symptom)
{
    /* Drawn larger by hand, weights are suspected anyway. */
    const double factor = evidence->config->model.init_scale > 1.0 ? 1.5 : 3.0;
    double first = evidence->loss[0], even = log((double)evidence->classes);
    const struct config *config = evidence->config;
    if (config->model.init_scale == 1.0 && config->augment.normalize != NORMALIZE_AUTO)
        symptom->cause = CAUSE_INPUT_SCALE; /* the weights are as they should be, the images need not be */
    return (first > factor * even || isinf(first)) &&
           show(symptom, 0, first / (factor * even),
                "the first loss was %.3g, where the same answer for every class has %.3g", first, even);
}

/* The network says the same of every image: losses that differ by less than 0.01 before the first update. Two images
 * may be alike by chance, so small batches are taken together until there are 16 images. */
bool rule_equal_outputs(const struct evidence *evidence, struct symptom *symptom)
{
    const double threshold = 1e-4;
    int64_t steps = whole_of(ceil(16.0 / evidence->samples[0]));
    double variance = column_mean(evidence->variance, 0, steps < evidence->steps ? steps : evidence->steps);
    return variance < threshold && show(symptom, 0, threshold / fmax(variance, 1e-12),
                                        "at the first step the losses of the images of a batch differed by %.2g only: "
                                        "the network answers the same to every image",
                                        sqrt(variance));
}

/* A step of a sixth of the weights' own length leaves the range in which the gradient says anything. */
#define LARGE_STEP 0.15

/* What decay alone changes the weights by, in their length: it pulls the same way at each step, so that momentum adds
 * it up. Where it is part of the gradient that Adam divides by its length, it is not told apart. */
static double decay_step(const struct config *config, double rate)
{
    const double pull = rate * config->optim.weight_decay;
    return config->optim.name == OPTIMIZER_SGD     ? pull / (1.0 - config->optim.momentum)
           : config->optim.name == OPTIMIZER_ADAMW ? pull
                                                   : 0.0;
}

/* Of Adam decay is part of the gradient, whose length it does not see: where decay is the longer part, the step is
 * decay's. */
static bool decay_leads(const struct evidence *evidence, int64_t step)
{
    const struct config *config = evidence->config;
    return config->optim.name == OPTIMIZER_ADAM &&
           config->optim.weight_decay * evidence->weight_norm[step] > evidence->grad_norm[step];
}

/* Dropout by p makes the mean square of what a layer gets 1 / (1 - p) times as large, and the steps it bears that much
 * shorter. By four and more, which is what a trial of the rate changes it by, that is dropout's doing. */
static bool drops_most(const struct config *config)
{
    const double most = 0.75;
    return config_dropout(config) >= most;
}

enum cause blame_large(const struct evidence *evidence, int64_t step)
{
    const struct config *config = evidence->config;
    if (decay_step(config, evidence->rate[step]) > 0.5 * LARGE_STEP || decay_leads(evidence, step))
        return CAUSE_WEIGHT_DECAY;
    bool adam = config->optim.name != OPTIMIZER_SGD;
    if (evidence->input_unusual && config->model.init_scale == 1.0 && step < 50)
        return CAUSE_INPUT_SCALE;
    if (adam && (config->optim.beta2 < 0.9 || config->optim.eps < 1e-10))
        return CAUSE_ADAM;
    if (drops_most(config))
        return CAUSE_REGULARISATION;
    return evidence->samples[0] <= 8.0 || batch_is_noise(evidence) ? CAUSE_BATCH_SMALL : CAUSE_RATE_HIGH;
}

/* Of single losses among the next few, each beyond this many standard errors. */
#define RISEN 2.0

/* Whether one of the losses after these updates is above guessing and above the first. Where layers normalise, the
 * length of the weights before them is nothing to the network, and Adam's first updates are of full length whatever the
 * gradient: long steps that lead down are none too long. */
static bool made_worse(const struct evidence *evidence, int64_t first, int64_t last)
{
    const double before = fmax(evidence->loss[0], evidence->prior_entropy);
    const int64_t from = first + 1, to = last + 2 < evidence->steps ? last + 2 : evidence->steps;
    const double noise = batch_noise(evidence, from, to);
    for (int64_t t = from; t < to; t++)
        if (evidence->bad[t] == REFUSED_NONFINITE ||
            evidence->loss[t] - before > RISEN * (isfinite(noise) ? noise : 0.0))
            return true;
    return false;
}

/* Whether nothing has come of a hundred steps and more. */
static bool has_learned_nothing(const struct evidence *evidence)
{
    return evidence->steps >= VERDICT_STEPS &&
           learned_in(evidence, evidence->steps - VERDICT_STEPS / 2, evidence->steps) < NOTHING;
}

bool rule_large_steps(const struct evidence *evidence, struct symptom *symptom)
{
    const double threshold = LARGE_STEP;
    const int enough = 3, early = 50;
    int count = 0;
    int64_t first = -1, last = -1;
    double largest = 0.0;
    for (int64_t t = 0; t < evidence->steps && t < early; t++)
        if (step_size(evidence, t) > threshold) {
            first = first < 0 ? t : first;
            last = t;
            largest = fmax(largest, step_size(evidence, t));
            count++;
        }
    if (count < enough || !(made_worse(evidence, first, last) || has_learned_nothing(evidence)))
        return false;
    symptom->cause = blame_large(evidence, first);
    return show(symptom, first, largest / threshold,
                "%d of the first %d updates changed the weights by more than %.0f %% of their length, one by %.0f %%%s",
                count, early, 100.0 * threshold, 100.0 * largest,
                made_worse(evidence, first, last) ? ", and the loss rose above guessing"
                                                  : "; nothing is learned since");
}

/* Training made the network worse than one that knows only how frequent the classes are, beyond what the noise of the
 * batches explains: 8 standard errors, and a quarter of the guess for the heavy tail of wrong answers. The noise is the
 * first batch's, since that of losses without bound has none either, and at most one guess; a batch without any image
 * of a rare class has next to none, so that it is no less than what drawing the classes brings where each is answered
 * by its share. */
bool rule_worse_than_guessing(const struct evidence *evidence, struct symptom *symptom)
{
    enum { RUN = 3 }; /* losses in a row */
    const double sure = 8.0;
    double guess = evidence->prior_entropy, start = fmax(guess, evidence->loss[0]);
    for (int64_t t = evidence->accepted > 1 ? evidence->accepted : 1; t < evidence->steps; t++) {
        const bool refused = evidence->bad[t] == REFUSED_NONFINITE;
        if (isnan(evidence->loss[t]) && !refused)
            continue;
        const int64_t to = known_after(evidence->loss, t, RUN, evidence->steps);
        const bool known = to <= evidence->steps;
        const double loss = known ? column_mean(evidence->loss, t, to) : NAN;
        const double own = loss_noise(evidence, t, t + 1) / sqrt(RUN);
        const double drawn = sqrt(evidence->prior_variance / (RUN * fmax(evidence->samples[t], 1.0)));
        const double noise = isnan(own) ? drawn : fmax(own, drawn);
        const double limit = start + 0.25 * guess + fmax(isnan(own) ? 0.0 : fmin(sure * own, guess), sure * drawn);
        if (!refused && !(loss > limit))
            continue;
        symptom->cause = blame_large(evidence, t);
        /* A jolt of the last layer on the way from guessing to guessing: there is nothing else to step with. */
        if (symptom->cause == CAUSE_RATE_HIGH && gradient_faded_as_drawn(evidence) && has_learned_nothing(evidence))
            symptom->cause = CAUSE_NO_SIGNAL;
        if (refused)
            return show(symptom, t, 10.0, "the loss or its gradient was not a number at step %lld", (long long)t);
        char error[64] = "";
        if (noise > 0.0 && isfinite(noise))
            snprintf(error, sizeof error, " by more than the batches' noise (standard error %.2g)", noise);
        return show(symptom, t, loss / limit,
                    "from step %lld to %lld the mean loss was %.3g, worse than guessing by the class shares (%.3g)%s",
                    (long long)t, (long long)to - 1, loss, guess, error);
    }
    return false;
}
