/* trainer: a whole run from config to verdict, its evaluation and prediction.
 * Level 6: includes everything below. */
#ifndef TRAINER_H
#define TRAINER_H
#include "checkpoint.h"
#include "config.h"
#include "data.h"
#include "run.h"
#include "schedule.h"

/* Everything a run holds open, in the order it was opened. session_close closes in reverse and accepts a zeroed or
 * half-built struct. */
struct session {
    struct config config;
    const struct backend *backend;
    struct device *device;
    struct dataset train_data, val_data; /* val_data unused when the split is from train_data */
    struct subset train, val;
    struct graph graph;
    struct plan plan;
    enum dtype dtype;
    double mean[4], std[4];
};
/* training false: for evaluation only. mean/std known (from a checkpoint): given, else NULL. */
int session_open(struct session *session, bool training, bool with_train_data);
void session_close(struct session *session);

struct evaluation {
    double loss, accuracy, accuracy5; /* shares 0..1; loss is unsmoothed cross-entropy, sample-weighted */
    int64_t samples, nonfinite;
};

/* Trains. resume: a run directory, or NULL for a new run. run_path gets the run directory. Returns OK, ERR_TRAINING, or
 * another failure; *stopped_by gets the signal that ended the run early, or 0. */
int train_run(struct config *config, const char *resume, int argc, char **argv, char run_path[static PATH_BYTES],
              int *stopped_by);

int evaluate_subset(struct session *session, const struct subset *subset, struct evaluation *evaluation);
#endif
