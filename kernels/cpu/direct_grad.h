/* direct_grad: what the two ways to the weights' gradient share: direct_grad.c's own, and winograd_grad.c's for layers
 * that winograd.h computes. Private to kernels/cpu/. */
#ifndef CPU_DIRECT_GRAD_H
#define CPU_DIRECT_GRAD_H
#include "direct.h"

enum { BLOCK_SUMS = BLOCK * BLOCK }; /* floats */

struct grad_run {
    const struct direct *direct;
    struct window_source in, out_grad;
    float *sums;    /* [slice][number block][column block][tap][32][32]; one slice
                       alone: in scratch, of its blocks */
    double *biases; /* [slice][out.c] */
    char *scratch;  /* of all threads */
    float *weight_grad, *bias_grad;
};

/* A task's working memory and what is packed in it. */
struct grad_task {
    const struct grad_run *run;
    int first_block, blocks; /* of 32 numbers */
    float *sums;
    double *biases; /* NULL: another task's */
    const char *right;
    char *entries, *filled, *rows, *left;
    int32_t *left_offset, *right_offset; /* of each step of those units, bytes */
    int together; /* units: all of the same rows of some images; the steps of a row lie unit by unit */
    struct unit unit, grads;
};

/* A block's sums, those of all slices added in order, to their place among the weights. */
void direct_grad_finish(const struct grad_run *run, const float *sums, int slices, int n, int block, int tap);

/* winograd_grad.c: what a unit adds to a task's sums, packed as it is; the sums of a block's planes, as above; a
 * thread's memory. */
void winograd_grad_unit(const struct grad_task *task);
void winograd_grad_finish(const struct grad_run *run, float *sums, int slices, int n, int block);
void winograd_grad_reserve(struct direct_grad *grad);
#endif
