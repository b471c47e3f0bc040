/* standing: where a run without a fault stands: what is right so far, and whether its loss was still falling. Must not
 * judge. */
#include "rules.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Whether the schedule has left so little of the rate that going on brings nothing. One that a warm-up still raises is
 * not spent. */
static bool rate_is_spent(const struct evidence *evidence)
{
    double highest = 0.0;
    for (int64_t t = 0; t < evidence->steps; t++)
        highest = fmax(highest, evidence->rate[t]);
    return evidence->config->schedule.name != SCHEDULE_CONSTANT &&
           evidence->rate[evidence->steps - 1] < SMALL_SHARE * highest;
}

/* Whether validation was at its best in one of the last two epochs, or nothing is known of it. */
static bool val_is_at_its_best(const struct evidence *evidence)
{
    enum { LATELY = 2 };
    int64_t best = -1;
    for (int64_t epoch = 0; epoch < evidence->epochs; epoch++)
        if (isfinite(evidence->val_loss[epoch]) && (best < 0 || evidence->val_loss[epoch] < evidence->val_loss[best]))
            best = epoch;
    return best < 0 || best + LATELY >= evidence->epochs;
}

/* Over the last third of the run, by what is worth it and beyond chance; validation has to gain by it as well, as
 * training's loss falls in every run that learns its images by heart. */
static bool still_falls(const struct evidence *evidence, struct standing *standing)
{
    enum { LEAST = 20 };
    const double worth = 0.05;
    const int64_t steps = evidence->steps, window = steps / 3, from = steps - window;
    if (window < LEAST)
        return false;
    double error;
    const double slope = loss_slope(evidence, from, steps, &error);
    standing->window = window;
    standing->fall = -slope * (double)window;
    standing->fall_error = error * (double)window;
    return slope < FALLING * error && standing->fall > worth * column_mean(evidence->loss, from, steps) &&
           val_is_at_its_best(evidence);
}

struct standing doctor_standing(const struct evidence *evidence)
{
    struct standing standing = {.misses = doctor_misses(evidence),
                                .of_validation = evidence->val_images > 0,
                                .right = doctor_best_right(evidence),
                                .lately = doctor_right_lately(evidence)};
    const int64_t steps = evidence->over ? evidence->steps : 0;
    standing.at_max_steps =
        steps > 0 && evidence->config->train.max_steps > 0 && steps >= evidence->config->train.max_steps;
    standing.at_last_epoch = steps > 0 && evidence->epoch[steps - 1] >= evidence->config->train.epochs;
    standing.at_patience =
        steps > 0 && evidence->config->early_stop.patience > 0 && !standing.at_max_steps && !standing.at_last_epoch;
    standing.falls = evidence->steps > 0 && still_falls(evidence, &standing);
    standing.rate_is_spent = standing.falls && rate_is_spent(evidence);
    return standing;
}

/* The first of what was found in the images and may cost as much as a fault; NULL: there is none. */
static const struct symptom *in_images(const struct symptom *found, int count)
{
    struct symptom image;
    for (int i = 0; i < count; i++)
        if (found[i].doubtful && doctor_image(&image, found[i].rule) &&
            !(found[i].cost + FAULT_SURE * found[i].cost_error < FAULT_WORTH))
            return &found[i];
    return NULL;
}

void doctor_say_healthy(const struct standing *standing, const struct symptom *found, int count,
                        char text[static HEALTHY_TEXT])
{
    const char *noted = doctor_noted(found, count);
    const struct symptom *image = in_images(found, count);
    if (!standing->misses) {
        snprintf(text, HEALTHY_TEXT, "%s", noted ? noted : cause_table[CAUSE_HEALTHY].title);
        return;
    }
    char right[128];
    const char *of = standing->of_validation ? "validation's" : "the training";
    if (standing->right > ALL_LEARNED)
        snprintf(right, sizeof right, "%.1f %% of %s images are right, %.1f %% at the best epoch",
                 100.0 * standing->lately, of, 100.0 * standing->right);
    else
        snprintf(right, sizeof right, "%.1f %% of %s images are right at best", 100.0 * standing->right, of);
    if (noted)
        snprintf(text, HEALTHY_TEXT, "%s: %s", noted, right);
    else if (image)
        snprintf(text, HEALTHY_TEXT, "no fault found, but only %s, and %s: what that costs is not known", right,
                 cause_table[image->cause].title);
    else if (standing->falls && standing->rate_is_spent)
        snprintf(text, HEALTHY_TEXT, "no fault found; the loss fell until the schedule ended: %s, so far", right);
    else if (standing->falls)
        snprintf(text, HEALTHY_TEXT, "no fault found; the loss was still falling: %s, so far", right);
    else
        snprintf(text, HEALTHY_TEXT, "no fault found; %s, and whether more can be had is not known", right);
}
