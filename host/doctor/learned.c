/* learned: how much of what there is to learn a loss or a share of right answers shows: between guessing and the lowest
 * training loss that can be had. Must not judge. */
#include "rules.h"

#include <math.h>
#include <stdio.h>

/* Targets smoothed by e have K - 1 answers of e/K each: somebody who knows every label still has their entropy. */
static double smoothed_entropy(double smoothing, int classes)
{
    const double other = smoothing / classes, right = 1.0 - smoothing + other;
    return smoothing > 0.0 ? -right * log(right) - (classes - 1) * other * log(other) : 0.0;
}

/* Derivative of log gamma. */
static double digamma(double x)
{
    const double h = 1e-3;
    return (lgamma(x + h) - lgamma(x - h)) / (2.0 * h);
}

/* Of two labels mixed by a share drawn from Beta(a, a), the mean entropy of the share; not where both are the same. */
static double mixed_entropy(double alpha, int classes)
{
    return alpha > 0.0 ? (digamma(2.0 * alpha + 1.0) - digamma(alpha + 1.0)) * (1.0 - 1.0 / classes) : 0.0;
}

double loss_of_guessing(const struct evidence *evidence)
{
    const double smoothing = evidence->config->train.label_smoothing;
    return (1.0 - smoothing) * evidence->prior_entropy + smoothing * log((double)evidence->classes);
}

double val_loss_of_guessing(const struct evidence *evidence)
{
    return evidence->config->train.balance ? log((double)evidence->classes) : evidence->prior_entropy;
}

double loss_floor(const struct evidence *evidence)
{
    const struct config *config = evidence->config;
    const double smoothing = config->train.label_smoothing, mixup = config->augment.mixup;
    const double cutmix = config->augment.cutmix;
    const double either = mixup > 0.0 && cutmix > 0.0 ? 0.5 : 1.0;
    const double mixed = either * (mixed_entropy(mixup, evidence->classes) + mixed_entropy(cutmix, evidence->classes));
    return fmax(smoothed_entropy(smoothing, evidence->classes), (1.0 - smoothing) * mixed);
}

double learned_of(const struct evidence *evidence, double loss)
{
    const double guess = loss_of_guessing(evidence);
    return (guess - loss) / (guess - loss_floor(evidence));
}

double learned_in(const struct evidence *evidence, int64_t from, int64_t to)
{
    const struct config *config = evidence->config;
    const double by_loss = learned_of(evidence, column_mean(evidence->loss, from, to));
    if (config->train.label_smoothing <= 0.0 || config->augment.mixup > 0.0 || config->augment.cutmix > 0.0)
        return by_loss;
    double images;
    const double right = steps_accuracy(evidence, from, to, &images);
    const double usual = evidence->largest_share > 0.0 ? evidence->largest_share : 1.0 / evidence->classes;
    return fmax(by_loss, (right - usual) / (1.0 - usual));
}

void say_learned(const struct evidence *evidence, double loss, char text[static LEARNED_TEXT])
{
    const double floor = loss_floor(evidence);
    if (floor > 0.0)
        snprintf(text, LEARNED_TEXT, "loss %.4g, guessing %.4g, of who knows every label %.4g", loss,
                 loss_of_guessing(evidence), floor);
    else
        snprintf(text, LEARNED_TEXT, "loss %.3g, guessing %.3g", loss, loss_of_guessing(evidence));
}

bool answers_guess(const struct evidence *evidence, double right, double images)
{
    const double sure = 3.5, share = right / images;
    const double usual = evidence->largest_share > 0.0 ? evidence->largest_share : 1.0 / evidence->classes;
    return !(share > usual + sure * sqrt(usual * (1.0 - usual) / images)) || doctor_guesses(share, evidence->classes);
}
