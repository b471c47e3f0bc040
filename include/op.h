/* op: the table of operations: for each kind its inputs, weights, shapes, flops and bytes. Description only: no memory,
 * no device.
 * Level 1: includes base. */
#ifndef OP_H
#define OP_H
#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

enum dtype { DT_F32, DT_BF16, DT_F16, DT_I32, DT_U8, DT_COUNT };
size_t dtype_bytes(enum dtype dtype);
const char *dtype_name(enum dtype dtype); /* "fp32", "bf16", "fp16", "int32", "uint8" */

/* Always NHWC. A vector is {n,1,1,c}. Convolution weights are {out,kh,kw,in/groups}; a linear layer's are
 * {out,h,w,in}, its input being flattened. */
struct shape {
    int n, h, w, c;
};
int64_t shape_count(struct shape shape);
bool shape_equal(struct shape a, struct shape b);
/* "128x64x64x3"; returns text. */
char *shape_text(char text[AT_LEAST(48)], struct shape shape);

enum op_kind {
    OP_CONV2D,  /* in: x. weights: weight[, bias]. Cross-correlation, zero padding, groups */
    OP_LINEAR,  /* in: x (any shape, flattened in torch's channel-first order). weights: weight[, bias] */
    OP_NORM,    /* batch normalisation over n,h,w. in: x[, addend]. out = relu?(norm(x) + addend).
                   weights: weight, bias, running_mean, running_var */
    OP_RELU,    /* gradient at 0 is 0; relu(NaN) = NaN */
    OP_POOL,    /* max (first maximum wins, NaN propagates), average, or global average */
    OP_ADD,     /* in: a, b of one shape */
    OP_DROPOUT, /* inverted; the mask is a function of (seed, step, micro batch, node, element). What is dropped is
                   multiplied by 0, so that a NaN stays one, forward and backward */
    OP_COUNT
};

enum { OP_MAX_IN = 2, OP_MAX_WEIGHTS = 4 };
enum pool_kind { POOL_MAX, POOL_AVERAGE, POOL_GLOBAL };

union op_params {
    struct {
        int filters, kernel_h, kernel_w, stride, pad_h, pad_w, groups;
        bool bias;
    } conv2d;
    struct {
        int units;
        bool bias;
    } linear;
    struct {
        float epsilon, momentum; /* running = (1 - momentum) * running + momentum * batch; torch: 1e-5, 0.1 */
        bool relu, add;
    } norm;
    struct {
        enum pool_kind kind;
        int size, stride, pad;
        bool ceil, count_padding; /* average: divide by size*size (torch's default) or by what is inside */
    } pool;
    struct {
        float rate;
    } dropout;
};

enum weight_role { WEIGHT_PARAM, WEIGHT_STATE }; /* trained; or kept (running statistics) */

/* How a weight starts (torchvision's and torch's rules; fan computed from the canonical shape). */
enum weight_init {
    INIT_ZERO,
    INIT_ONE,
    INIT_UNIFORM_FAN_IN, /* U(±1/sqrt(fan_in)): torch's default for conv and linear, weight and bias */
    INIT_HE_FAN_OUT,     /* N(0, sqrt(2/fan_out)): torchvision's ResNet convolutions */
};

struct op_weight {
    const char *suffix; /* "weight", "bias", "running_mean", "running_var" */
    struct shape shape; /* canonical */
    int rank;           /* dimensions in a file: 4 conv (OIHW), 2 linear (out, c*h*w), 1 vector */
    enum weight_role role;
    enum weight_init init;
    int fan_in; /* for INIT_UNIFORM_FAN_IN */
};

/* What a backward pass reads of the forward pass, besides weights and what the operation itself saved. IN: the first
 * input. */
enum { OP_NEEDS_IN = 1, OP_NEEDS_OUT = 2 };

/* Everything the host knows about one kind of operation. */
struct op_info {
    const char *name;
    int in_min, in_max;
    /* Output shape. ERR_CONFIG with a reason ("kernel 7x7 larger than the padded input 5x5") if the inputs do not fit.
     */
    int (*infer)(const union op_params *params, const struct shape *in, int in_count, struct shape *out);
    /* Fills weights, returns how many. */
    int (*weights)(const union op_params *params, const struct shape *in,
                   struct op_weight weights[AT_LEAST(OP_MAX_WEIGHTS)]);
    /* OP_NEEDS_* of this node. */
    unsigned (*needs)(const union op_params *params);
    /* Forward floating-point operations (a multiply-add is two); backward of conv and linear is twice that. */
    double (*flops)(const union op_params *params, const struct shape *in, struct shape out);
};
extern const struct op_info op_table[OP_COUNT];

#ifdef __cplusplus
}
#endif
#endif
