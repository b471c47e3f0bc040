/* made_sweep: a sweep whose runs' directories are written by hand, with answers that are known. */
#ifndef MADE_SWEEP_H
#define MADE_SWEEP_H
#include "sweep_table.h"

/* A run as it might have been. */
struct made {
    int batch, steps, epochs;               /* steps in all */
    double from, to;                        /* the loss's trend, a straight line */
    double spread;                          /* deviation of the losses within a batch */
    double motion;                          /* deviation of what parameters add to a step's loss, on top of sampling */
    double val_loss, val_accuracy, seconds; /* of an epoch */
    double noise_trace, noise_grad, noise_scatter; /* the last: of measurements of noise_grad */
    int failed_at;                                 /* step; 0: it was trained to the end */
};

/* Plans a sweep in tiny_folder; words: one or two, with a blank between. */
void make_sweep(struct sweep *sweep, const char *name, const char *words, int seeds);
void write_run(const struct sweep *sweep, int run, const struct made *made);
void make_table(struct sweep_table *table, const struct sweep *sweep, double target);
#endif
