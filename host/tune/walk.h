/* walk: a training from fresh weights with a rate of one's choice for each step. Private to host/tune. */
#ifndef WALK_H
#define WALK_H
#include "find_lr.h"

struct walk {
    struct session *session;
    const struct config *config;
    int32_t *order; /* [subset.count] */
    uint64_t seed;
    int64_t step, steps_per_epoch;
    bool begun; /* the epoch of the next step is on the device */
};
int walk_open(struct walk *walk, struct session *session);
void walk_close(struct walk *walk);
/* Fresh weights, drawn from the seed as the order of the images is; the next step is the given one. */
int walk_begin(struct walk *walk, uint64_t seed, int64_t step);
/* One update with that rate. Waits for it. */
int walk_step(struct walk *walk, double rate, struct step_record *record);
#endif
