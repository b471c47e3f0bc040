/* conv: two-dimensional convolution as three cuDNN plans, activations NHWC, weights {out,kh,kw,in/groups} (KRSC). Knows
 * what goes into and comes out of a pass; plans are dnn.c's. cuDNN's weight gradient has the activations' dtype (with
 * fp32 output it has slow engines only), so in bf16 and fp16 it is widened afterwards. */
#include "dnn.h"
#include <stdlib.h>
#include <string.h>

enum { SCRATCH_ALIGNMENT = 256 };

struct conv {
    struct dnn_plan plan[DNN_PASS_COUNT];
    struct shape weight, out;
    enum dtype dtype;
    size_t narrow_bytes; /* of the weight gradient in the activations' dtype, at the start of scratch; 0 in fp32 */
    bool bias;
};

static void conv_release(void *state)
{
    struct conv *conv = state;
    for (int pass = 0; conv && pass < DNN_PASS_COUNT; pass++)
        dnn_plan_free(&conv->plan[pass]);
    free(conv);
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static int conv_build(struct device *device, const struct op_desc *desc, struct conv *conv, struct op_needs *needs)
{
    const union op_params *params = desc->params;
    const struct dnn_conv described = {
        .in = desc->in[0],
        .out = desc->out,
        .dtype = desc->dtype,
        .kernel_h = params->conv2d.kernel_h,
        .kernel_w = params->conv2d.kernel_w,
        .stride = params->conv2d.stride,
        .pad_h = params->conv2d.pad_h,
        .pad_w = params->conv2d.pad_w,
        .groups = params->conv2d.groups,
    };
    conv->weight =
        (struct shape){desc->out.c, described.kernel_h, described.kernel_w, desc->in[0].c / described.groups};
    conv->out = desc->out;
    conv->dtype = desc->dtype;
    conv->bias = params->conv2d.bias;
    const bool wanted[DNN_PASS_COUNT] = {true, desc->training && desc->in_grad[0], desc->training};
    for (int pass = 0; pass < DNN_PASS_COUNT; pass++)
        if (wanted[pass])
            TRY(dnn_plan_build(device, &described, (enum dnn_pass)pass, &conv->plan[pass]));
    const int64_t count = shape_count(conv->weight);
    if (desc->dtype != DT_F32)
        conv->narrow_bytes =
            ((size_t)count * dtype_bytes(desc->dtype) + SCRATCH_ALIGNMENT - 1) / SCRATCH_ALIGNMENT * SCRATCH_ALIGNMENT;
    needs->scratch_bytes =
        larger(larger(conv->plan[DNN_FORWARD].workspace_bytes, conv->plan[DNN_DATA].workspace_bytes),
               wanted[DNN_WEIGHTS] ? conv->narrow_bytes + conv->plan[DNN_WEIGHTS].workspace_bytes : 0);
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
    TRY(dnn_plan_run(device, &conv->plan[DNN_FORWARD], call->in[0], call->weight[0], call->out, call->scratch));
    return conv->bias ? cuda_bias_add(device, call->out, conv->dtype, call->weight[1], rows_of(conv), conv->out.c) : OK;
}

static int conv_backward_weights(struct device *device, struct conv *conv, const struct op_call *call)
{
    const bool narrow = conv->narrow_bytes > 0;
    void *gradient = narrow ? call->scratch : call->weight_grad[0];
    char *workspace = call->scratch;
    TRY(dnn_plan_run(device, &conv->plan[DNN_WEIGHTS], call->in[0], gradient, call->out_grad,
                     workspace ? workspace + conv->narrow_bytes : NULL));
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
    return dnn_plan_run(device, &conv->plan[DNN_DATA], call->in_grad[0], call->weight[0], call->out_grad,
                        call->scratch);
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
