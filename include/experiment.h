/* experiment: the trials that tell causes apart: each changes one thing of a run's config and is compared with the
 * unchanged one, on the same images in the same order.
 * Level 8: includes doctor, trial. */
#ifndef EXPERIMENT_H
#define EXPERIMENT_H
#include "doctor.h"
#include "trial.h"

enum { REFUSED_TEXT = 200, ARMS_MAX = 24, ARM_OVERRIDES = REMEDY_MOST };

/* One trial and what came of it against the unchanged one of its family. */
struct arm {
    enum arm_family family;
    enum cause cause; /* that it speaks for when it helps; CAUSE_HEALTHY: it is the unchanged one */
    char name[48];
    char text[ARM_OVERRIDES][EDIT_TEXT]; /* its overrides */
    int override_count;
    enum layer_change layers; /* beside them */
    const bool *left_out;     /* [images of the data set] samples it does not draw; NULL: none */
    int64_t left_out_count;
    int pace;  /* images of an update, in those of the run's; it takes so many fewer updates, to see the same images */
    bool done; /* the budget allowed it */
    char refused[REFUSED_TEXT]; /* why it is not possible beside the rest of the config; "": it is */
    struct trial_result result;
    double gain, error; /* of the probe's loss against the unchanged trial, positive: better; its standard error */
    double right_gain, right_error; /* likewise of the share of the probe's images that are right */
    int longer;                     /* updates of the same once more, where it only hurries; 0: not made */
    double longer_loss;             /* what that came to, of validation images where there are any */
    bool suspected;                 /* before it was made: by the rules, or as a setting unlike what is usual */
    bool helps;
    bool no_further; /* a lower rate from the run's own state: better, and hardly further than the run has been */
};
struct experiment {
    int batch;            /* images of the run's update */
    int updates;          /* of each trial */
    double settling;      /* doctor_settling: what each takes besides */
    double updates_spent; /* of the run's size, on all of them, settling among them */
    double updates_allowed;
    double seconds_allowed; /* 0: no matter */
    double
        update_seconds; /* of one update, measured where seconds are allowed, of a kept experiment their mean; else 0 */
    bool stopped;       /* by a signal: what had ended by then counts */
    double updates_wanted; /* for every trial, of the length chosen and TRIAL_UPDATES_ENOUGH at least, and learning by
                              heart */
    double seconds;
    struct arm arms[ARMS_MAX]; /* an unchanged one of each family among them */
    int arm_count;
    double guess; /* loss of guessing by the class shares */
    bool memory_done;
    int memory_images;
    struct trial_result memory; /* of a fresh network that was shown those images only, over and over, until it had
                                   learnt them */
    bool wider_done;            /* where it could not: the same of one as wide as the repair of capacity makes it */
    struct trial_result wider;
    struct arena arena;
};

struct experiment_request {
    struct session *session;     /* of the run, with its config */
    const struct branch *branch; /* the run's state */
    const char *run;
    const struct symptom *suspected; /* their trials come first */
    int suspected_count;
    bool levelled;         /* the run's loss no longer falls */
    bool stands;           /* as doctor_stands has it */
    bool missing;          /* less than 95 % of the validation images are right */
    bool fitted;           /* as doctor_fitted has it */
    double comes_to;       /* as doctor_comes_to has it */
    double val_least;      /* the run's lowest validation loss; NaN: there is none */
    int64_t steps;         /* of the run */
    double updates;        /* of the run's size, to spend */
    double seconds;        /* likewise; 0: no matter */
    double update_seconds; /* that the run took for one; NaN: not known */
};
/* Runs the trials that fit the budget. */
int experiment_run(struct experiment *experiment, const struct experiment_request *request);
/* A network that cannot do it is too small for the task or badly built. */
bool experiment_learns_by_heart(const struct experiment *experiment);
/* Whether one as wide as the first repair learns more by heart, beyond three standard errors, and not all. */
bool experiment_wants_wider(const struct experiment *experiment);
/* A higher rate, or Adam in the place of SGD: quicker at first nearly always. */
bool arm_hurries(const struct arm *arm);
/* Of what was suspected: its loss is lower by what makes a fault, which chance alone may make, and more images are
 * right beyond chance; of less regularisation, lower at all. */
bool arm_helps_by_right(const struct experiment *experiment, const struct arm *arm);
/* Whether the unchanged trial that it is compared with diverged, or is above ten times guessing: then by how much an
 * arm is lower says nothing, and that it is below guessing does. */
bool experiment_is_lost(const struct experiment *experiment, const struct arm *arm);
/* Another optimizer with its rate, in the place of SGD. */
bool arm_swaps_optimizer(const struct arm *arm);
/* How much of the unchanged trial's loss an arm takes away, 0..1; of a diverged one, of the loss of guessing. */
double experiment_share(const struct experiment *experiment, const struct arm *arm);
/* What the trials say, as a cause: of the arms that help, the one that helps most, a setting that is not its default
 * before the rate and the batch where they help about as much; CAUSE_CAPACITY where none helps, or a higher rate alone,
 * and a fresh network cannot learn a few images by heart; CAUSE_HEALTHY where nothing helps. *arm: the one that proves
 * it, or NULL. */
enum cause experiment_verdict(const struct experiment *experiment, const struct arm **arm);
/* Whether the budget ended on the way to a cause: one of its trials was not made, and the others were better than the
 * unchanged one or lost their way like it, but did not help. */
bool experiment_unfinished(const struct experiment *experiment, enum cause cause);
/* The trial of a cause that made the loss higher, beyond three standard errors, the most of them; NULL: there is none.
 */
const struct arm *experiment_worsened(const struct experiment *experiment, enum cause cause);
/* A trial that did not help, and that does not rule out what makes a fault: two standard errors more would be one. Of a
 * small batch's, which has a quarter of the updates, in any case. */
bool experiment_undecided(const struct experiment *experiment, const struct arm *arm);
/* Whether a trial is one cure of several, so that nothing speaks against its cause where it does not help. */
bool arm_is_one_cure(const struct arm *arm);
/* Whether what takes away a part of what another does helps and brings back 80 % of what that does. */
bool arm_does_as_much(const struct arm *part, const struct arm *whole);
/* Whether an arm was left out that could have been made. */
bool arm_is_missing(const struct arm *arm);
/* Updates of trials four times as long, and the budget that lets all of them in; 0: they are as long as can be. */
int experiment_longer(const struct experiment *experiment, double *budget);
/* Whether any trial was made. */
bool experiment_tried(const struct experiment *experiment);
/* What a trial came to beside the unchanged one of its family, in the figures that its outcome rests on: "loss 0.31,
 * lower by 1.9 +- 0.2", and images right where the loss alone does not decide. It was done. */
enum { TRIAL_TEXT = 160 };
void experiment_say_trial(const struct experiment *experiment, const struct arm *arm, char text[static TRIAL_TEXT]);
/* Of these the images right, "12.1 % -> 88.0 % right (75.9 +- 2.0 points more)"; "": it does not rest on them. */
enum { TRIAL_RIGHT_TEXT = 80 };
void experiment_say_right(const struct experiment *experiment, const struct arm *arm,
                          char text[static TRIAL_RIGHT_TEXT]);
/* Why one that does not help was rejected, in a few words. */
const char *experiment_why(const struct experiment *experiment, const struct arm *arm);
/* Numbers of the arms, family by family: the unchanged one, then the best first. */
void experiment_rank(const struct experiment *experiment, int order[static ARMS_MAX]);
/* The unchanged trial of a family; NULL: it is not among the arms. */
const struct arm *experiment_unchanged(const struct experiment *experiment, enum arm_family family);
/* The best arm of a cause that was done; NULL. */
const struct arm *experiment_arm(const struct experiment *experiment, enum cause cause);

/* As one JSON object, in the arena. why: [arm_count] what became of each; NULL: left out. */
char *experiment_json(const struct experiment *experiment, const char *const *why, struct arena *arena);
/* The same as a file, complete or not at all; steps: of the run, when the experiment was made. */
int experiment_write(const struct experiment *experiment, int64_t steps, const char *path);
/* What experiment_write wrote, without the losses of single images; what helps is judged anew. ERR_NO_INPUT: there is
 * no such file; ERR_DATA. */
int experiment_read(struct experiment *experiment, const char *path, int64_t *steps);
/* The same of text in memory; name is for the error. */
int experiment_parse(struct experiment *experiment, const char *name, const char *text, size_t bytes, int64_t *steps);
void experiment_free(struct experiment *experiment); /* accepts a zeroed struct */
#endif
