/* diagnosis: the verdict on a run: what the rules found, in order of time, and what experiments made of it.
 * Level 9: includes experiment. */
#ifndef DIAGNOSIS_H
#define DIAGNOSIS_H
#include "experiment.h"
#include "table.h"

struct diagnosis {
    enum cause cause, first_guess; /* with and without experiments */
    char run[PATH_BYTES];          /* its directory; "": not known */
    int64_t steps, train_images;
    struct symptom found[CAUSE_COUNT]; /* as doctor_examine has them: the first is the cause, the others follow */
    int count;
    bool
        has_gap; /* validation is behind in the end, whatever explains it: the note that stands where that is refuted */
    struct symptom gap;
    char left_out[PATH_BYTES]; /* list of images that are the cause; "": there is none */
    int64_t left_out_count;    /* of the images; one may be there for several reasons */
    bool left_out_mixed;       /* for reasons of more than one kind */
    bool levelled;             /* the loss no longer falls */
    bool stands;               /* as doctor_stands has it */
    bool too_early;            /* nothing was found, but in so few steps nothing need be */
    bool behind, learned_all;  /* as doctor_behind and doctor_learned_all have it */
    bool fitted;               /* as doctor_fitted has it */
    struct standing standing;
    char healthy[HEALTHY_TEXT]; /* the verdict where no fault is found */
    bool missing;               /* as doctor_misses has it */
    double best_right;          /* as doctor_best_right has it */
    double guess;               /* the loss of who knows how frequent the classes are */
    bool scheduled;             /* over, or half of it done, at a rate that was not optim.lr all along */
    bool warming;               /* the warm-up takes half of the run's epochs or more */
    double rate;                /* optim.lr */
    double rate_scale;          /* what autopilot came to make of optim.lr; 0: nothing */
    double update_seconds;      /* of an update of the run, in its last epoch; NaN: not known */
    double comes_to;            /* as doctor_comes_to has it */
    double val_least;           /* the lowest validation loss of an epoch; NaN: there is none */
    bool faded;     /* of the gradient next to nothing came back to the first layer, even before the first update */
    bool of_no_use; /* validation never was below the loss of guessing, and the records do not say why */
    bool probed;
    struct experiment experiment;
    const struct arm *proof;   /* the trial that mends it, or NULL; of a schedule the unchanged one, which has none */
    const struct arm *refuted; /* the trial of the rules' first guess that made things worse, so that it fell; NULL */
    const struct arm *sooner;  /* the trial that gets a healthy run where it is sooner, but no further, or NULL */
};

/* The run's lowest validation loss, without validation the training loss that it comes to. */
double diagnosis_reached(const struct diagnosis *diagnosis);
/* Whether what proves the cause was made once more, longer, and came further down than the run by what makes a fault.
 */
bool diagnosis_got_further(const struct diagnosis *diagnosis);

/* How sure the cause is. */
enum confidence {
    CONFIDENCE_SHOWN,  /* the records show it; no trial of it was made, none can be, or those that go far enough did not
                          fit the budget */
    CONFIDENCE_PROVEN, /* its own trial mends it, or the network learnt nothing by heart; of a healthy run: every
                          trial was made, learning by heart too, and none found a fault, and 95 % are right or
                          there is no cause that no trial was made of */
    CONFIDENCE_DOUBTFUL, /* the records show it, but its own trial did not help, and no other did */
    CONFIDENCE_COUNT
};
extern const char *const confidence_names[CONFIDENCE_COUNT]; /* "shown", "proven", "doubtful" */
enum confidence diagnosis_confidence(const struct diagnosis *diagnosis);
/* Odd images that validation has as well: a trial without them in training is judged on them, and a network that never
 * saw their like is surely wrong of them. Wrong labels that were not told by validation's being right: those of a part
 * of the same folder may be as wrong, and the better the network, the more of them it gets wrong. false: of any other.
 */
bool diagnosis_odd_in_both(const struct diagnosis *diagnosis, enum cause cause);
/* The same as a sentence with its figures. */
enum { CONFIDENCE_TEXT = 480 };
void diagnosis_say_confidence(const struct diagnosis *diagnosis, char text[static CONFIDENCE_TEXT]);

/* Judges a run directory by what it recorded. ERR_NO_INPUT, ERR_DATA: not a run, or one that cannot be judged. */
int diagnose_run(struct diagnosis *diagnosis, const char *run);
/* The same of its steps.csv and results.csv, where they have been read already; NaN columns may be added to them. */
int diagnose_tables(struct diagnosis *diagnosis, const char *run, const struct config *config, struct table *steps,
                    struct table *results);
/* Whether the labels say nothing of the images, as counted in them: no trial says or mends more. */
bool diagnosis_is_certain(const struct diagnosis *diagnosis);
/* Goes on with experiments, unless it is certain without. They are kept in RUN/trials.json. */
int diagnose_probe(struct diagnosis *diagnosis, const char *run, const struct budget *budget);
/* Takes up the experiments of an earlier diagnose_probe, where the run has not gone on since. ERR_DATA: damaged. */
int diagnose_recall(struct diagnosis *diagnosis, const char *run);
/* The cause as a sentence, and the one thing to do: the settings of the trial that mends it, where there is one. */
const char *diagnosis_title(const struct diagnosis *diagnosis);
enum { ACTION_TEXT = 640 };
void diagnosis_say_action(const struct diagnosis *diagnosis, const struct config *config,
                          char text[static ACTION_TEXT]);
/* What became of a trial, in a few words. */
const char *diagnosis_why(const struct diagnosis *diagnosis, const struct arm *arm);
/* What found[i] is to the cause: "evidence", "overruled" (the rules' first guess), "also" (later: a consequence) or
 * "doubtful" (it does not explain what the run shows). */
const char *diagnosis_role(const struct diagnosis *diagnosis, int i);
/* The trial whose settings are the repair: the proof, or the next one where the budget ended on the way to it; NULL. A
 * trial that went on with a tenth of the rate does not say when the rate should have fallen. */
const struct arm *diagnosis_mending(const struct diagnosis *diagnosis);
/* The settings that mend what was found, as a command line has them, and the cause that each is for: those of the trial
 * that proved the cause, or what is usual for it, without what the config has already; and of what else was found by
 * evidence of its own, unless any of it contradicts these. 0: no setting mends the cause (images). */
enum { REPAIR_MAX = 2 * ARM_OVERRIDES, REPAIR_TEXT = PATH_BYTES + 32 };
int diagnosis_repair(const struct diagnosis *diagnosis, const struct config *config,
                     char repair[static REPAIR_MAX][REPAIR_TEXT], enum cause of[static REPAIR_MAX]);
/* Whether autopilot had to lower the rate, so that the run did not train with the config's: then that is part of the
 * repair, of a healthy run all of it. */
bool diagnosis_rate_was_cut(const struct diagnosis *diagnosis);
/* What the repair of the cause makes of the [[layer]] sections, beside these settings. */
enum layer_change diagnosis_layers(const struct diagnosis *diagnosis, const struct config *config);
/* Where single images are the cause, or among it: RUN/left-out.csv, which lists them, is then part of the repair. What
 * was written since the run ended is taken as it is; labels of a run that has ended are judged by its own files; else
 * the run's images are read, and where they cannot be that is warned of. Does nothing for other causes, and where no
 * image can be told to be wrong. write: it is made anew from the images, and written. */
int diagnosis_leave_out(struct diagnosis *diagnosis, const char *run, bool write);
struct suspects;
/* What is listed, each image once. */
void diagnosis_count_left_out(struct diagnosis *diagnosis, const struct suspects *suspects);
/* Writes the run's config with the repair made, verdict and evidence as comments on top. ERR_CONFIG: no setting mends
 * it. */
int diagnosis_apply(const struct diagnosis *diagnosis, const char *run, const char *file);
void diagnosis_free(struct diagnosis *diagnosis); /* accepts a zeroed struct */
#endif
