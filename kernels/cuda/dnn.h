/* dnn: a piece of work around one convolution as a cuDNN execution plan: description, candidates, choice, running.
 * Private to kernels/cuda/; vendor-free (cudnnBackendDescriptor_t is void *). */
#ifndef CUDA_DNN_H
#define CUDA_DNN_H
#include "cuda.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a plan computes. Sums are fp32 throughout. Those after DNN_WEIGHTS join a convolution with a part of the
 * normalisations next to it; cuDNN has fast engines for them in fp16, of channels in eights. */
enum dnn_pass {
    DNN_FORWARD,      /* Y = X * W */
    DNN_DATA,         /* X = gradient of the input, Y being the output's */
    DNN_WEIGHTS,      /* W = gradient of the weights, in dnn_conv.weights_dtype */
    DNN_FORWARD_SUMS, /* DNN_FORWARD, and per output channel SUM and SQUARES of Y */
    DNN_DATA_NORM,    /* DNN_DATA behind the rectifier of the normalisation of NORM_X that made the input: X is 0 where
                         (NORM_X - MEAN) * INVERSE * SCALE + BIAS is not positive. And the rest of its backward pass up to
                         one formula per element: the gradients of SCALE and BIAS, and per channel A, B, C, the gradient
                         of NORM_X being A * X + B * NORM_X + C */
    DNN_DATA_MET, /* DNN_DATA_NORM of a normalisation with addend whose result others read too: OTHER, the gradient by
                     them, is added to X first, and ADDEND to what must be positive */
    DNN_FORWARD_NORM, /* DNN_FORWARD_SUMS of max(NORM_X * FACTOR + TERM, 0), rounded to its dtype, in place of X */
    DNN_WEIGHTS_NORM, /* DNN_WEIGHTS of the same */
    DNN_PASS_COUNT,
};

/* The arrays of a plan: inputs and results alike. NHWC, weights KRSC; those after DNN_ADDEND have one value per
 * channel, fp32 but for FACTOR and TERM, which are of the activations' dtype. */
enum dnn_array {
    DNN_X,
    DNN_W,
    DNN_Y,
    DNN_NORM_X,
    DNN_OTHER,
    DNN_ADDEND,
    DNN_SUM,
    DNN_SQUARES,
    DNN_MEAN,
    DNN_INVERSE,
    DNN_SCALE,
    DNN_BIAS,
    DNN_SCALE_GRAD,
    DNN_BIAS_GRAD,
    DNN_A,
    DNN_B,
    DNN_C,
    DNN_FACTOR,
    DNN_TERM,
    DNN_ARRAY_COUNT
};
#define DNN_ID(array) ((array) + 1) /* in the graph */

struct dnn_conv {
    struct shape in, out;
    enum dtype dtype;         /* of activations, weights and gradients of both */
    enum dtype weights_dtype; /* of DNN_WEIGHTS' result: dtype or DT_F32 */
    int kernel_h, kernel_w, stride, pad_h, pad_w, groups;
    bool deterministic; /* only plans whose results repeat bit for bit */
    bool tf32;          /* fp32 operands may be rounded to TF32 */
    bool precompiled;   /* no engine that is compiled when the plan is made */
};

enum { DNN_PARTS = 48 };

struct dnn_use {
    enum dnn_array array;
    enum dtype dtype;
    size_t bytes;
};

struct dnn_plan {
    void *plan;             /* NULL: none */
    void *parts[DNN_PARTS]; /* what it was made of, which it may refer to */
    int part_count;
    struct dnn_use uses[DNN_ARRAY_COUNT];
    int use_count;
    float ms;   /* of one run when it was chosen; NAN: never timed */
    void *pack; /* the pointers of the last run, which are the same in every step */
    const void *bound[DNN_ARRAY_COUNT], *bound_workspace;
    size_t workspace_bytes;
};

/* On failure *plan can still be freed. ERR_UNSUPPORTED: cuDNN has no such plan. */
int dnn_plan_build(struct device *device, const struct dnn_conv *conv, enum dnn_pass pass, struct dnn_plan *plan);
void dnn_plan_free(struct dnn_plan *plan); /* accepts a zeroed struct */
/* arrays: by enum dnn_array; those that the pass does not use are not looked at. */
int dnn_plan_run(struct device *device, struct dnn_plan *plan, const void *const *arrays, void *workspace);

/* Of workspace for one plan, in bytes: both images in another layout, as cuDNN's fast engines for fp32 have them, and
 * as much again as a small one needs. */
size_t dnn_workspace_most(const struct dnn_conv *conv);

/* ---- between the files of dnn ---- */

/* dnn_describe.c: a finished operation graph for this device (one that is only described is named to the search), which
 * is one of plan's parts; fills plan->uses. */
int dnn_describe(struct device *device, struct dnn_plan *plan, const struct dnn_conv *conv, enum dnn_pass pass,
                 void **graph);

/* dnn_search.c: adds to found, which has room for most, what cuDNN offers for a graph and conv allows. What differs
 * only in how it was found is there once. A candidate can be freed, and refers to the graph. Returns how many there
 * are. */
int dnn_search(struct device *device, const struct dnn_conv *conv, void *graph, struct dnn_plan *found, int most);
/* From cuDNN's JSON. false: cuDNN cannot, or it wants too much workspace. */
bool dnn_revive(struct device *device, const struct dnn_conv *conv, const char *json, struct dnn_plan *plan);
/* As JSON, to free. NULL: cuDNN cannot. */
char *dnn_json(const struct dnn_plan *plan);

#ifdef __cplusplus
}
#endif
#endif
