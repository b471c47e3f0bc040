/* fluctuation: what a series of batch losses says about its own fluctuation. Pure functions over arrays: from a running
 * trainer and from steps.csv alike. Formulas, units and limits: docs/statistics.md.
 * Level 1. */
#ifndef FLUCTUATION_H
#define FLUCTUATION_H
#include "base.h"

/* What is said of one step's loss beside it; NaN: not known yet. */
struct loss_view {
    double smooth, smooth_error; /* mean of the last losses, this one included, and its standard error */
    double spike_z;              /* how far above the last losses' median, in robust standard deviations */
};
#endif
