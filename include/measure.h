/* measure: one run in figures, from its files; formulas in docs/sweep.md.
 * Level 7: includes trainer. */
#ifndef MEASURE_H
#define MEASURE_H
#include "fluctuation.h"
#include "table.h"
#include "trainer.h"

/* NaN: cannot be told. */
struct measures {
    int64_t steps, spikes;
    double fluctuation; /* standard deviation of the loss of a step about its trend */
    double sampling;    /* share of its square that each batch being a sample explains, 0..1; the rest is motion */
    struct estimate noise_scale;   /* images; unbounded above: high, and where it is not known at all value, infinite */
    double last_loss;              /* training loss of the end, smoothed */
    double val_loss, val_accuracy; /* after the last epoch */
    double images_per_second;      /* median over epochs */
    double target_steps;           /* when the smoothed loss first came down to the target */
    bool diverged;                 /* failed, or ended worse than guessing would */
    int64_t failed_step;           /* -1: it did not fail */
    struct table_damage damage;    /* rows that are left out */
};
/* A run directory. target: NaN for none. What is missing in the files is missing in the figures. */
int measure_run(const char *path, double target, struct measures *measures);
#endif
