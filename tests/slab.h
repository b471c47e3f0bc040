/* slab: the flat arrays of one model and all that the update reads and writes, on whatever device is tested. */
#ifndef SLAB_H
#define SLAB_H
#include "mirror.h"

/* What is larger takes too long in the emulator, or in its race detector. */
enum { EMULATED_MOST = 100003, RACES_MOST = 4097 };

/* The flat arrays of one model, and everything that update reads and writes. */
struct slab {
    struct mirror mirror;
    struct step_control control;
    struct decay_segment segments[3];
    struct followed_row followed[SKETCH_FOLLOWED];
    struct update_args args; /* places in host memory */
    struct step_norms norms;
    int32_t nonfinite;
};

/* Parameters, gradient and average drawn by name, three decays, AdamW. threads: of the CPU. */
void slab_open(struct slab *slab, int64_t count, int threads);
void slab_close(struct slab *slab);
/* The same with places on the device, for work of one's own. */
struct update_args slab_on_device(const struct mirror *mirror, const struct update_args *host);
void slab_step(struct slab *slab);  /* the gradient's norm, then the update */
void slab_blend(struct slab *slab); /* the average takes in the parameters */
#endif
