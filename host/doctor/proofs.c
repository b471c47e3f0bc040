/* proofs: which of the trials that help is the repair, and whether one that lowers the rate from the run's own state
 * says that it was too high. Pure functions of the trials' figures. */
#include "arms.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the least that helps as much ---- */

/* Whether one changes settings, and the other all of these, for the same cause. */
static bool is_part(const struct arm *part, const struct arm *whole)
{
    if (part->override_count == 0 || part->cause != whole->cause || part->family != whole->family ||
        part->layers != whole->layers)
        return false;
    for (int i = 0; i < part->override_count; i++) {
        bool there = false;
        for (int k = 0; k < whole->override_count; k++)
            there |= strcmp(part->text[i], whole->text[k]) == 0;
        if (!there)
            return false;
    }
    return true;
}

/* Of what is taken away the least that brings back as much. */
static const struct arm *mildest(const struct experiment *experiment, const struct arm *best)
{
    const struct arm *mild = best;
    for (int i = 0; i < experiment->arm_count && best->cause == CAUSE_REGULARISATION; i++) {
        const struct arm *arm = &experiment->arms[i];
        if (arm->override_count < mild->override_count && is_part(arm, best) && arm_does_as_much(arm, best))
            mild = arm;
    }
    return mild;
}

/* Whether one changes what another does, and the rate besides. */
static bool has_a_rate_too(const struct arm *arm, const struct arm *than)
{
    const int last = arm->override_count - 1;
    struct arm rest = *arm;
    rest.override_count = last;
    return last == than->override_count && strncmp(arm->text[last], "optim.lr=", 9) == 0 &&
           (last == 0 || is_part(&rest, than)) && arm->cause == than->cause && arm->family == than->family &&
           arm->layers == than->layers;
}

/* A lower rate is slower at first: where it comes as far in a trial, within a standard error, it comes further in a
 * run. */
static const struct arm *calmest(const struct experiment *experiment, const struct arm *best)
{
    for (int i = 0; i < experiment->arm_count && best->cause == CAUSE_NO_SIGNAL; i++) {
        const struct arm *arm = &experiment->arms[i];
        if (arm->helps && has_a_rate_too(arm, best) && arm->gain + arm->error > best->gain)
            return arm;
    }
    return best;
}

const struct arm *arm_least(const struct experiment *experiment, const struct arm *best)
{
    return calmest(experiment, mildest(experiment, best));
}

/* ---- a lower rate from here on ---- */

/* Any run that has been at one rate settles when that is lowered, the more the noisier it was. What settling alone
 * brings is less than a fifth of all that the run has won from guessing. */
#define FURTHER 1.2

bool arm_is_from_here(const struct arm *arm)
{
    return arm->family == ARM_ONWARD && (arm->cause == CAUSE_RATE_HIGH || arm->cause == CAUSE_SCHEDULE);
}

static double comes_to(const struct arm *arm)
{
    return arm->longer > 0 ? arm->longer_loss : arm->result.loss;
}

/* What it is to be better than: the run's best epoch, or where the unchanged one is better, that one. */
static double best_so_far(const struct experiment *experiment, double val_least)
{
    const struct arm *unchanged = experiment_unchanged(experiment, ARM_ONWARD);
    return unchanged && unchanged->done ? fmin(val_least, unchanged->result.loss) : val_least;
}

/* Whether the way down from guessing is so many times as long as the run's. */
static bool is_further(const struct experiment *experiment, const struct arm *arm, double best, double times)
{
    return experiment->guess - comes_to(arm) > times * (experiment->guess - best);
}

bool from_here_outdoes(const struct experiment *experiment, const struct arm *arm, double val_least)
{
    const double best = best_so_far(experiment, val_least);
    return isfinite(val_least) && comes_to(arm) < (1.0 - FAULT_WORTH) * best &&
           is_further(experiment, arm, best, FURTHER);
}

bool from_here_promises(const struct experiment *experiment, const struct arm *arm, double val_least)
{
    return arm_is_from_here(arm) && arm->helps && !from_here_outdoes(experiment, arm, val_least) &&
           is_further(experiment, arm, best_so_far(experiment, val_least), 0.5 * (1.0 + FURTHER));
}

/* All that a higher rate is good for is that it is quicker at first. Whether it is, compared with a fourth of it from
 * new weights, beyond chance. */
static bool was_quicker(const struct experiment *experiment)
{
    for (int i = 0; i < experiment->arm_count; i++) {
        const struct arm *arm = &experiment->arms[i];
        if (arm->family == ARM_ANEW && arm->done && strcmp(arm->name, cause_table[CAUSE_RATE_HIGH].trials[0].name) == 0)
            return arm->gain < -FAULT_SURE * arm->error;
    }
    return false;
}

/* What was changed, as a setting of a run that begins anew: autopilot's share of the rate is part of it. */
static void take_scale(struct arm *arm, double rate_scale)
{
    double rate;
    if (arm->override_count == 1 && sscanf(arm->text[0], "optim.lr=%lf", &rate) == 1 && rate_scale > 0.0 &&
        rate_scale != 1.0)
        snprintf(arm->text[0], sizeof arm->text[0], "optim.lr=%.9g", rate_scale * rate);
}

void from_here_judge(struct experiment *experiment, double val_least, double rate_scale)
{
    for (int i = 0; i < experiment->arm_count; i++) {
        struct arm *arm = &experiment->arms[i];
        if (!arm_is_from_here(arm) || !arm->done)
            continue;
        take_scale(arm, rate_scale);
        arm->no_further = arm->helps && !from_here_outdoes(experiment, arm, val_least);
        arm->helps = arm->helps && !arm->no_further;
        if (arm->helps && was_quicker(experiment))
            arm->cause = CAUSE_SCHEDULE;
    }
}
