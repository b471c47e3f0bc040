/* trial_words: what a trial came to, in words. Must not judge. */
#include "experiment.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Of losses beyond that single hundredths say nothing. */
#define LOSS_PLAIN 100.0

/* Images right decide where less regularisation is tried, and where the loss is lower by what makes a fault, but not
 * beyond chance. */
static bool rests_on_right(const struct experiment *experiment, const struct arm *arm)
{
    const double base = experiment_unchanged(experiment, arm->family)->result.loss;
    if (!isfinite(arm->right_gain) || experiment_is_lost(experiment, arm) || !(arm->gain > 0.0))
        return false;
    return arm->cause == CAUSE_REGULARISATION ||
           (arm->gain > FAULT_WORTH * base && !(arm->gain > FAULT_SURE * arm->error));
}

void experiment_say_right(const struct experiment *experiment, const struct arm *arm,
                          char text[static TRIAL_RIGHT_TEXT])
{
    const double from = experiment_unchanged(experiment, arm->family)->result.right, to = arm->result.right;
    const double points = 100.0 * arm->right_gain;
    const bool known = isfinite(from) && isfinite(to);
    text[0] = 0;
    if (!rests_on_right(experiment, arm))
        return;
    if (known)
        snprintf(text, TRIAL_RIGHT_TEXT, "%.1f %% -> %.1f %% right, ", 100.0 * from, 100.0 * to);
    const size_t used = strlen(text);
    snprintf(text + used, TRIAL_RIGHT_TEXT - used, "%.1f +- %.1f points %s%s", fabs(points), 100.0 * arm->right_error,
             points < 0.0 ? "fewer" : "more", known ? "" : " right");
}

void experiment_say_trial(const struct experiment *experiment, const struct arm *arm, char text[static TRIAL_TEXT])
{
    const double loss = arm->result.loss;
    const struct arm *unchanged = experiment_unchanged(experiment, arm->family);
    char right[TRIAL_RIGHT_TEXT];
    if (!isfinite(loss)) {
        snprintf(text, TRIAL_TEXT, "diverged");
        return;
    }
    if (experiment_is_lost(experiment, arm)) {
        snprintf(text, TRIAL_TEXT, loss < LOSS_PLAIN ? "loss %.4g (guessing: %.2f)" : "loss %.3g (guessing: %.2f)",
                 loss, experiment->guess);
        return;
    }
    snprintf(text, TRIAL_TEXT, fabs(loss) < LOSS_PLAIN ? "loss %.4f" : "loss %.3g", loss);
    if (arm == unchanged)
        return;
    /* Of a file anything may be read: each text ends where there is no room for more. */
    size_t used = strlen(text);
    snprintf(text + used, TRIAL_TEXT - used,
             fmax(fabs(arm->gain), arm->error) < LOSS_PLAIN ? ", %s by %.4f +- %.4f" : ", %s by %.3g +- %.2g",
             arm->gain < 0.0 ? "higher" : "lower", fabs(arm->gain), arm->error);
    experiment_say_right(experiment, arm, right);
    used = strlen(text);
    if (right[0])
        snprintf(text + used, TRIAL_TEXT - used, ", %s", right);
}
