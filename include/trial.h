/* trial: controlled experiments from a run's own state: a training state kept in host memory, and short trainings from
 * it in which one thing is changed. What is changed is written as overrides of the run's config, so that what a trial
 * has proven is at once the repair to make. Level 7: includes trainer. */
#ifndef TRIAL_H
#define TRIAL_H
#include "layers.h"
#include "state.h"
#include "trainer.h"

/* A training state: weights, moments and running statistics in the canonical layout, in the order of the graph. */
struct branch {
    struct session *session;     /* the caller's; its data serve every trial */
    const struct config *config; /* of the run; the caller's */
    struct train_state state;
    enum optimizer_kind optimizer;        /* that the moments are of */
    double rate;                          /* learning rate of the step that comes next */
    int weight_count;                     /* parameters and states, in the order of the graph */
    float **weight, **moment1, **moment2; /* [weight_count], NULL where there are none */
    void *memory;
};

/* No state at all, of a run that has left none (memory NULL): for trials from drawn weights. */
void branch_begin(struct branch *branch, struct session *session);
/* The state of a run's checkpoint ("last", "best"). The session was opened with the run's config; it holds that state
 * afterwards. ERR_NO_INPUT, ERR_DATA: as checkpoint_load. */
int branch_load(struct branch *branch, struct session *session, const char *run, const char *which);
void branch_free(struct branch *branch); /* accepts a zeroed struct */

/* Images on which trials are judged: the same for each, forward only, without augmentation. */
struct probe {
    const struct source *source; /* of the session */
    const int32_t *labels;       /* of the source's images */
    int64_t count;
    int32_t *samples; /* [count] of the source */
    int32_t *order;   /* the same in device memory */
    float *losses;    /* [count]: unsmoothed, with the weights of now */
    float *hits;      /* [count]: 1 where the label was named, else 0; likewise */
};
/* count distinct images of a part of the session (all, where there are fewer), a function of (seed, part). */
int probe_open(struct probe *probe, struct session *session, const struct part *part, int64_t count);
void probe_close(struct probe *probe, struct session *session); /* accepts a zeroed struct */

/* Batches that go forward alone, in a trial whose running statistics are let settle. */
enum { TRIAL_SETTLED = 50 };

struct trial {
    const char *name;             /* for people: "rate / 4" */
    const char *const *overrides; /* what differs from the run, as on a command line */
    int override_count;
    enum layer_change layers; /* beside them */
    int updates;              /* how many; refused ones count */
    const bool *left_out;     /* [images of the data set] samples not to draw; NULL: none */
    const int32_t *samples;   /* draw from these alone, in this order; NULL: as the run would go on */
    int64_t sample_count;
    bool fresh;         /* start from drawn weights rather than from the branch */
    bool still;         /* images and network as validation sees them: no augmentation, no dropout */
    double least_rate;  /* share of optim.lr that a trial from the branch trains with at least: a schedule that has come
                           to its end would let nothing happen */
    bool settled;       /* running statistics are let settle before each reading (plan_settle_batch) */
    double good_enough; /* share of an update's images predicted right at which to stop; 0: never */
};

/* Of the probe, in the last part of a trial. */
enum { TRIAL_READINGS = 4 };

/* Readings of the probe are averaged, image by image. */
struct trial_result {
    int updates, refused;
    float *losses;                  /* [probe->count], the caller's */
    float *hits;                    /* the same: share of the readings that were right; NULL: not wanted */
    float readings[TRIAL_READINGS]; /* the mean loss of each */
    int reading_count;
    double loss;                       /* their mean; NaN or infinite: diverged */
    double right;                      /* mean of the hits; 0 where not wanted */
    double train_loss, train_accuracy; /* over the updates of the last quarter */
    double best_accuracy;              /* of a single update */
    double images;                     /* that went through a training step: the cost */
    double settled_images;             /* that went forward alone, for running statistics to settle */
    double seconds;
    bool stopped; /* by a signal, before its end: it says nothing */
};

/* The run's config with the trial's overrides, trained from the branch (with another optimizer: moments start anew; the
 * rate keeps its ratio to optim.lr). run: the run directory. Afterwards the session's plan is the trial's. A
 * signal that is noticed (signals_begin) ends it early. */
int trial_run(const struct branch *branch, const char *run, const struct trial *trial, struct probe *probe,
              struct trial_result *result);

/* By how much b's losses are lower than a's, and by how much more of b's images are right, image by image: mean and its
 * standard error over the images, of the losses also from reading to reading. */
void trial_gain(const struct trial_result *a, const struct trial_result *b, int64_t count, double *gain, double *error);
void trial_gain_right(const struct trial_result *a, const struct trial_result *b, int64_t count, double *gain,
                      double *error);
#endif
