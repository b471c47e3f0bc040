/* arms: the trials of an experiment, which there are and which of them help. Private to host/doctor. */
#ifndef ARMS_H
#define ARMS_H
#include "experiment.h"

/* Fills experiment->arms: the unchanged ones, then those of what the config sets unlike most trainings, then those of
 * suspected causes as the rules rank them, then the others; those that the config refuses with why. */
int arms_list(struct experiment *experiment, const struct experiment_request *request);
/* Number of the unchanged trial that a family is compared with; -1: there is none. */
int arms_unchanged(const struct experiment *experiment, enum arm_family family);
/* A rate 4^rung times lower (CAUSE_RATE_HIGH) or higher (CAUSE_RATE_LOW) than the run's. */
int arms_add_rate(struct experiment *experiment, const struct experiment_request *request, enum cause cause, int rung);
/* In which order what an arm changes is tried alone: what lies outside common use first. Returns how many. */
int arms_parts(const struct arm *whole, const struct config *config, int order[static ARM_OVERRIDES]);
/* Of what an arm changes one setting alone. */
int arms_add_part(struct experiment *experiment, const struct experiment_request *request, int whole, int change);
/* Whether the rules suspect a cause; that nothing is learnt may come from a rate that is too high. */
bool arms_suspected(const struct experiment_request *request, enum cause cause);
/* Whether it changes a setting that is outside what is in common use. */
bool arm_is_of_the_unusual(const struct arm *arm, const struct config *config);
/* Whether an arm has lost its way, or the unchanged trial has and this one does not get below guessing either. */
bool arms_astray(const struct experiment *experiment, const struct arm *arm);
/* Of several trials of one cause the least that brings back as much as the best of them. */
const struct arm *arm_least(const struct experiment *experiment, const struct arm *best);
/* Whether it goes on from the run's own state at a lower rate. */
bool arm_is_from_here(const struct arm *arm);
/* Whether such a one comes further than the run ever has: validation's loss lower by what makes a fault, and a fifth
 * further down from guessing. */
bool from_here_outdoes(const struct experiment *experiment, const struct arm *arm, double val_least);
/* Whether it is on its way there, so that it is worth to go on. */
bool from_here_promises(const struct experiment *experiment, const struct arm *arm, double val_least);
/* Says of each whether it helps, and of which cause it speaks: where the rate was quicker from new weights than a
 * fourth of it, it was good for the beginning, and was never lowered. */
void from_here_judge(struct experiment *experiment, double val_least, double rate_scale);
/* Sets helps of those that are done. */
void arms_judge(struct experiment *experiment);
#endif
