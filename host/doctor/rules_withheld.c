/* rules_withheld: what training is not allowed to show of what it knows. Pure functions over the evidence. */
#include "rules.h"

#include <math.h>

/* More than half of what the network gets right when nothing is taken from it, on images that it has never seen, it
 * gets wrong while it trains: its gradient is for the most part that of what was taken away. Of mixed images there is
 * no right answer to count. */
static bool is_withheld(const struct evidence *evidence, const struct moment *now)
{
    const double a = now->train_accuracy, v = now->val_accuracy;
    const double error =
        sqrt(v * (1.0 - v) / (double)evidence->val_images + 4.0 * a * (1.0 - a) / fmax(now->images, 1.0));
    return v - 2.0 * a > 3.5 * error && !doctor_guesses(v, evidence->classes);
}

/* At the end of two epochs, in a run that has had the time, while there is something to gain. */
bool rule_withheld(const struct evidence *evidence, struct symptom *symptom)
{
    const struct config *config = evidence->config;
    const int64_t last = evidence->epochs - 1;
    struct moment before, now;
    if (!handicapped(config) || config->augment.mixup > 0.0 || config->augment.cutmix > 0.0 || last < 1 ||
        !(evidence->over || 2 * evidence->steps >= evidence->planned_steps) || !doctor_misses(evidence) ||
        !moment_at(evidence, last - 1, &before) || !moment_at(evidence, last, &now) ||
        !is_withheld(evidence, &before) || !is_withheld(evidence, &now))
        return false;
    return show(symptom, now.step, 0.5 * now.val_accuracy / now.train_accuracy,
                "%.1f %% of the validation images are right, where nothing is taken away, and %.1f %% of the training "
                "images as augmentation and dropout leave them: less than half of what is known shows in training",
                100.0 * now.val_accuracy, 100.0 * now.train_accuracy);
}
