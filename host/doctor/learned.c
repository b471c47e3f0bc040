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

double right_by_chance(const struct evidence *evidence)
{
    return fmax(evidence->largest_share, 1.0 / evidence->classes);
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
    const double usual = right_by_chance(evidence);
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
    const double usual = right_by_chance(evidence);
    return !(share > usual + sure * sqrt(usual * (1.0 - usual) / images)) || doctor_guesses(share, evidence->classes);
}

static const double *right_by_epoch(const struct evidence *evidence)
{
    return evidence->val_images > 0 ? evidence->val_accuracy : evidence->train_accuracy;
}

double doctor_right_lately(const struct evidence *evidence)
{
    return evidence->epochs > 0 ? right_by_epoch(evidence)[evidence->epochs - 1] : NAN;
}

double doctor_best_right(const struct evidence *evidence)
{
    const double *accuracy = right_by_epoch(evidence);
    double best = NAN;
    for (int64_t epoch = 0; epoch < evidence->epochs; epoch++)
        best = fmax(best, accuracy[epoch]);
    return best;
}

double doctor_comes_to(const struct evidence *evidence)
{
    struct moment last = {.train_loss = INFINITY};
    if (evidence->epochs == 0 || !moment_at(evidence, evidence->epochs - 1, &last) || !handicapped(evidence->config))
        return last.train_loss;
    return fmin(last.train_loss, last.val_loss);
}

bool doctor_learned_all(const struct evidence *evidence)
{
    const double left = 0.05;
    return doctor_comes_to(evidence) < left * evidence->prior_entropy && doctor_best_right(evidence) > ALL_LEARNED;
}

bool doctor_fitted(const struct evidence *evidence)
{
    struct moment now;
    const bool asked = fit_asked(evidence, &now);
    if (!asked && (evidence->epochs == 0 || !moment_at(evidence, evidence->epochs - 1, &now)))
        return false;
    return (asked ? evidence->fit.accuracy : now.train_accuracy) > ALL_LEARNED;
}

/* At the end, or in half of the last quarter of the epochs: one of many is right that often by luck. */
static bool all_learned_lately(const struct evidence *evidence, const double *accuracy)
{
    const int64_t last = (evidence->epochs + 3) / 4;
    int64_t all = 0;
    for (int64_t epoch = evidence->epochs - last; epoch < evidence->epochs; epoch++)
        all += accuracy[epoch] > ALL_LEARNED;
    return evidence->epochs > 0 && (accuracy[evidence->epochs - 1] > ALL_LEARNED || 2 * all >= last);
}

bool doctor_misses(const struct evidence *evidence)
{
    const double best = doctor_best_right(evidence);
    return best <= ALL_LEARNED || (best > ALL_LEARNED && !all_learned_lately(evidence, right_by_epoch(evidence)));
}
