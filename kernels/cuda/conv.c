/* conv: two-dimensional convolution as three cuDNN plans, activations NHWC, weights {out,kh,kw,in/groups} (KRSC). Knows
 * what goes into and comes out of a pass; plans are dnn.c's. In bf16 and fp16 the weights' gradient is computed in fp32
 * where cuDNN has an engine for that which is no slower on this device; else it has the activations' dtype, as cuDNN's
 * fastest engines have it, and is widened afterwards. */
#include "dnn.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SCRATCH_ALIGNMENT = 256 };

struct conv {
    struct dnn_plan plan[DNN_PASS_COUNT];
    struct shape weight, out;
    enum dtype dtype;
    size_t narrow_bytes; /* of the weight gradient in the activations' dtype, at the start of scratch; 0: it is fp32 */
    bool bias;
};

static void conv_release(void *state)
{
    struct conv *conv = state;
    for (int pass = 0; conv && pass < DNN_PASS_COUNT; pass++)
        dnn_plan_free(&conv->plan[pass]);
    free(conv);
}

/* The dtype in which a plan writes the weights' gradient. */
static enum dtype weights_use(const struct dnn_plan *plan)
{
    for (int i = 0; i < plan->use_count; i++)
        if (plan->uses[i].array == DNN_W)
            return plan->uses[i].dtype;
    return DT_F32;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static int build_weights(struct device *device, struct dnn_conv described, struct dnn_plan *plan)
{
    struct dnn_plan wide = {0};
    TRY(dnn_plan_build(device, &described, DNN_WEIGHTS, plan));
    if (described.dtype == DT_F32 || isnan(plan->ms))
        return OK;
    described.weights_dtype = DT_F32;
    const int status = dnn_plan_build(device, &described, DNN_WEIGHTS, &wide);
    if (status == OK && wide.ms <= plan->ms) {
        dnn_plan_free(plan);
        *plan = wide;
        return OK;
    }
    dnn_plan_free(&wide);
    return status == ERR_UNSUPPORTED ? OK : status;
}

static int conv_build(struct device *device, const struct op_desc *desc, struct conv *conv, struct op_needs *needs)
{
    const union op_params *params = desc->params;
    const struct dnn_conv described = {
        .in = desc->in[0],
        .out = desc->out,
        .dtype = desc->dtype,
        .weights_dtype = desc->dtype,
        .kernel_h = params->conv2d.kernel_h,
        .kernel_w = params->conv2d.kernel_w,
        .stride = params->conv2d.stride,
        .pad_h = params->conv2d.pad_h,
        .pad_w = params->conv2d.pad_w,
        .groups = params->conv2d.groups,
        .deterministic = desc->deterministic,
        .tf32 = desc->tf32,
    };
    conv->weight =
        (struct shape){desc->out.c, described.kernel_h, described.kernel_w, desc->in[0].c / described.groups};
    conv->out = desc->out;
    conv->dtype = desc->dtype;
    conv->bias = params->conv2d.bias;
    if (!desc->sizes_only)
        TRY(dnn_plan_build(device, &described, DNN_FORWARD, &conv->plan[DNN_FORWARD]));
    if (desc->training && !desc->sizes_only)
        TRY(build_weights(device, described, &conv->plan[DNN_WEIGHTS]));
    if (desc->training && desc->in_grad[0] && !desc->sizes_only)
        TRY(dnn_plan_build(device, &described, DNN_DATA, &conv->plan[DNN_DATA]));
    const int64_t count = shape_count(conv->weight);
    if (desc->training && weights_use(&conv->plan[DNN_WEIGHTS]) != DT_F32)
        conv->narrow_bytes =
            ((size_t)count * dtype_bytes(desc->dtype) + SCRATCH_ALIGNMENT - 1) / SCRATCH_ALIGNMENT * SCRATCH_ALIGNMENT;
    needs->scratch_bytes = larger(larger(conv->plan[DNN_FORWARD].workspace_bytes, conv->plan[DNN_DATA].workspace_bytes),
                                  conv->narrow_bytes + conv->plan[DNN_WEIGHTS].workspace_bytes);
    if (desc->sizes_only)
        needs->scratch_bytes = DNN_WORKSPACE_MOST + (size_t)count * sizeof(float);
    needs->weight[0].count = count;
    needs->weight[0].dtype = desc->dtype;
    if (conv->bias) {
        needs->weight[1].count = desc->out.c;
        needs->weight[1].dtype = DT_F32;
    }
    return OK;
}

static int conv_prepare(struct device *device, const struct op_desc *desc, void **state, struct op_needs *needs)
{
    *state = NULL;
    struct conv *conv = calloc(1, sizeof *conv);
    if (!conv)
        return FAIL(ERR_MEMORY, "cuda: out of memory for a convolution's description; close other programs");
    int status = conv_build(device, desc, conv, needs);
    if (status < 0) {
        conv_release(conv);
        return status;
    }
    *state = conv;
    return OK;
}

static int64_t rows_of(const struct conv *conv)
{
    return (int64_t)conv->out.n * conv->out.h * conv->out.w;
}

static int conv_forward(struct device *device, const struct op_call *call)
{
    struct conv *conv = call->state;
    const void *const arrays[] = {[DNN_X] = call->in[0], [DNN_W] = call->weight[0], [DNN_Y] = call->out};
    TRY(dnn_plan_run(device, &conv->plan[DNN_FORWARD], arrays, call->scratch));
    return conv->bias ? cuda_bias_add(device, call->out, conv->dtype, call->weight[1], rows_of(conv), conv->out.c) : OK;
}

static int conv_backward_weights(struct device *device, struct conv *conv, const struct op_call *call)
{
    const bool narrow = conv->narrow_bytes > 0;
    void *gradient = narrow ? call->scratch : call->weight_grad[0];
    char *workspace = call->scratch;
    const void *const arrays[] = {[DNN_X] = call->in[0], [DNN_W] = gradient, [DNN_Y] = call->out_grad};
    TRY(dnn_plan_run(device, &conv->plan[DNN_WEIGHTS], arrays, workspace ? workspace + conv->narrow_bytes : NULL));
    if (narrow)
        TRY(cuda_widen(device, call->weight_grad[0], gradient, conv->dtype, shape_count(conv->weight)));
    if (!conv->bias)
        return OK;
    return cuda_bias_grad(device, call->weight_grad[1], call->out_grad, conv->dtype, rows_of(conv), conv->out.c);
}

static int conv_backward(struct device *device, const struct op_call *call)
{
    struct conv *conv = call->state;
    TRY(conv_backward_weights(device, conv, call));
    if (!call->in_grad[0])
        return OK;
    const void *const arrays[] = {[DNN_X] = call->in_grad[0], [DNN_W] = call->weight[0], [DNN_Y] = call->out_grad};
    return dnn_plan_run(device, &conv->plan[DNN_DATA], arrays, call->scratch);
}

static void conv_pack(const void *state, int weight, float *own, const float *canonical)
{
    const struct conv *conv = state;
    if (weight == 0)
        cuda_channels_last(own, canonical, conv->weight);
    else
        memcpy(own, canonical, (size_t)conv->out.c * sizeof *own);
}

static void conv_unpack(const void *state, int weight, float *canonical, const float *own)
{
    const struct conv *conv = state;
    if (weight == 0)
        cuda_channels_first(canonical, own, conv->weight);
    else
        memcpy(canonical, own, (size_t)conv->out.c * sizeof *own);
}

const struct op_impl cuda_conv2d = {
    .prepare = conv_prepare,
    .forward = conv_forward,
    .backward = conv_backward,
    .release = conv_release,
    .pack = conv_pack,
    .unpack = conv_unpack,
};
