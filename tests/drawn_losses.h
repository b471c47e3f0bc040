/* drawn_losses: series of batch losses drawn by numbers, whose parts are known.
 * For tests alone. */
#ifndef DRAWN_LOSSES_H
#define DRAWN_LOSSES_H
#include "fluctuation.h"

enum { MOST_STEPS = 4096 };

/* Draws, each a function of its number. */
struct draws {
    uint64_t seed, next;
};
double uniform(struct draws *draws); /* in (0, 1) */
double normal(struct draws *draws);

struct series {
    double step[MOST_STEPS], epoch[MOST_STEPS], samples[MOST_STEPS], loss[MOST_STEPS], variance[MOST_STEPS];
    double path[MOST_STEPS]; /* of the loss without sampling noise */
    struct loss_series rows;
};
extern struct series series;

/* Rows of independent images, to be filled. */
void series_begin(int64_t count);
/* A batch of losses about path whose deviation is spread; exponential, so skewed and heavy-tailed as losses are. */
void draw_batch(struct draws *draws, int64_t step, int batch, double spread);
#endif
