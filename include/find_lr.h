/* find_lr: which learning rates a network trains with, found by short trainings from fresh weights.
 * Level 7: includes trainer, chart. */
#ifndef FIND_LR_H
#define FIND_LR_H
#include "chart.h"
#include "trainer.h"

enum { FIND_LR_RESTARTS = 64, FIND_LR_TRIALS = 64 /* of a restart, at most */ };

struct find_lr_options {
    double from, to; /* learning rates of the range test */
    int steps;       /* of the range test, and of each trial */
    int most_steps;  /* twice as many, and so on up to this, while a restart does not come clearly below guessing */
    int restarts;    /* other weights, another order of the images: seeds train.seed, +1, … */
};

/* The range test: from fresh weights the rate grows from step to step by a constant factor, until the loss is far above
 * the lowest it came to, a step is refused, or the range is over. */
struct find_lr_curve {
    int count;
    double *rate, *loss, *variance; /* [steps]; variance of the batch's mean loss: s^2 / n; NaN where refused */
    double *smooth;                 /* [steps]: the loss, weighted with a normal curve over log rate */
};
/* A trial: fresh weights, one rate throughout. */
struct find_lr_trial {
    double rate;
    double gain;  /* by how much its last quarter's mean loss is below where it begins; -INFINITY: a step was refused */
    double error; /* standard error of that, from how losses differ within batches */
};
struct find_lr_restart {
    struct find_lr_curve curve;
    struct find_lr_trial trials[FIND_LR_TRIALS];
    int trial_count;
    double untrained; /* mean loss of the fresh weights on the images of a trial's last quarter */
    double begins;    /* that, or where it is lower the loss of guessing by the classes' shares: to fall to guessing is
                         to learn nothing of the images, which any rate does that is not far too high */
    double best;      /* the rate that gained most; NaN: none gained more than 3.5 standard errors */
    double stable;    /* the largest rate that gained at least half as much; NaN likewise */
};
/* Median over the restarts that found one, and the two ends. */
struct find_lr_spread {
    double middle, low, high;
    int count; /* restarts that found one */
};
struct find_lr {
    struct find_lr_restart *restarts;
    int restart_count;
    int steps; /* that trials had in the end */
    struct find_lr_spread best, stable;
    bool open_end; /* the largest rate tried was stable for a restart: the limit lies above the range */
    int diverged;  /* restarts that found none because the smallest rate tried drove the loss up or was refused */
    struct arena arena;
};

/* With a session opened for training, whose weights are drawn anew each time. Nothing but its device memory is written.
 * Deterministic. find_lr_free accepts a zeroed struct. */
int find_lr(struct find_lr *found, struct session *session, const struct find_lr_options *options);
void find_lr_free(struct find_lr *found);

/* ---- what it looks like ---- */

/* Every step and trial. */
int find_lr_write_csv(const struct find_lr *found, const char *path);
/* The curves, suggested and stable rate, as one chart (of more than CHART_SERIES restarts the first). Points into
 * found, which must outlive it. */
void find_lr_chart(const struct find_lr *found, struct charts *charts);
#endif
