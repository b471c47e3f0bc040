/* dnn: a convolution pass as a cuDNN execution plan: description, choice, the file of earlier choices, running. Private
 * to kernels/cuda/; vendor-free (cudnnBackendDescriptor_t is void *). */
#ifndef CUDA_DNN_H
#define CUDA_DNN_H
#include "cuda.h"

#ifdef __cplusplus
extern "C" {
#endif

enum dnn_pass { DNN_FORWARD, DNN_DATA, DNN_WEIGHTS, DNN_PASS_COUNT };

struct dnn_conv {
    struct shape in, out;
    enum dtype dtype; /* of activations, weights and all gradients; sums are fp32 */
    int kernel_h, kernel_w, stride, pad_h, pad_w, groups;
};

enum { DNN_PARTS = 8, DNN_WORKSPACE_MOST = 256 << 20 };

struct dnn_plan {
    void *plan;             /* NULL: none */
    void *parts[DNN_PARTS]; /* what it was made of, which it may refer to */
    int part_count;
    void *pack;           /* the pointers of the last run, which are the same in every step */
    const void *bound[4]; /* x, w, y, workspace */
    size_t workspace_bytes;
};

/* On failure *plan can still be freed. */
int dnn_plan_build(struct device *device, const struct dnn_conv *conv, enum dnn_pass pass, struct dnn_plan *plan);
void dnn_plan_free(struct dnn_plan *plan); /* accepts a zeroed struct */
/* x, w, y: input or its gradient, weights or their gradient, output or its gradient, by pass. */
int dnn_plan_run(struct device *device, struct dnn_plan *plan, const void *x, const void *w, const void *y,
                 void *workspace);

/* dnn_time.c: the plan that runs fastest; all run once before they are timed. *best is -1 when none runs. */
int dnn_fastest(struct device *device, const struct dnn_conv *conv, struct dnn_plan *plans, int count, int *best);

/* dnn_cache.c: plans chosen earlier. What cannot be read or written is only slower next time, never an error. */
/* Text to free, or NULL when there is none for this key. */
char *dnn_cache_read(const char *key);
void dnn_cache_write(const char *key, const char *json);

#ifdef __cplusplus
}
#endif
#endif
