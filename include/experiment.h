/* experiment: the trials that tell causes apart: each changes one thing of a run's config and is compared with the
 * unchanged one, on the same images in the same order.
 * Level 8: includes doctor, trial. */
#ifndef EXPERIMENT_H
#define EXPERIMENT_H
#include "doctor.h"
#include "trial.h"

enum { ARMS_MAX = 16, ARM_OVERRIDES = 8 };

/* One trial and what came of it against the unchanged one. */
struct arm {
    enum cause cause; /* that it speaks for when it helps */
    char name[48];
    char text[ARM_OVERRIDES][64]; /* its overrides */
    int override_count;
    int pace;  /* images of an update, in those of the run's; it takes so many fewer updates, to see the same images */
    bool done; /* the budget allowed it */
    struct trial_result result;
    double gain, error; /* of the probe's loss against the unchanged trial, positive: better; its standard error */
    bool helps;
};
struct experiment {
    int updates;          /* of each trial */
    double updates_spent; /* of the run's size, on all of them */
    double updates_allowed;
    double updates_wanted; /* for every trial, of the length chosen, and learning by heart */
    double seconds;
    struct arm arms[ARMS_MAX]; /* the first is the unchanged one */
    int arm_count;
    double guess; /* loss of guessing by the class shares */
    bool memory_done;
    int memory_images;
    struct trial_result memory; /* of a fresh network that was shown those images only, over and over */
    struct arena arena;
};

/* Runs the trials that fit the budget, those of the suspected causes first. session: of the run, with its config;
 * branch holds the run's state. budget: updates of the run's size. */
int experiment_run(struct experiment *experiment, struct session *session, const struct branch *branch, const char *run,
                   const struct symptom *suspected, int suspected_count, double budget);
/* What the trials say, as a cause: of the arms that help, the one that helps most, a setting that is not its default
 * before the rate and the batch where they help about as much; CAUSE_CAPACITY where none helps, or a higher rate alone,
 * and a fresh network cannot learn a few images by heart; CAUSE_HEALTHY where nothing helps. *arm: the one that proves
 * it, or NULL. */
enum cause experiment_verdict(const struct experiment *experiment, const struct arm **arm);
/* The best arm of a cause that was done; NULL. */
const struct arm *experiment_arm(const struct experiment *experiment, enum cause cause);
void experiment_free(struct experiment *experiment); /* accepts a zeroed struct */
#endif
