/* conv: two-dimensional convolution as three cuDNN plans, activations NHWC, weights {out,kh,kw,in/groups} (KRSC). Knows
 * what goes into and comes out of a pass; plans are dnn.c's. In bf16 and fp16 the weights' gradient is computed in fp32
 * where cuDNN has an engine for that which is no slower on this device; else it has the activations' dtype, as cuDNN's
 * fastest engines have it, and is widened afterwards. The first convolution, of images of few channels, takes them
 * padded with zeros to 4 or 8, as is fastest: the weights' padding is 0 and stays so, its gradient being 0. In fp16 a
 * convolution does part of the work of normalisations next to it: conv_join.c. */
#include "conv.h"
#include "norm.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    SCRATCH_ALIGNMENT = 256,
    FIRST_CHANNELS_MOST = 8,
};

static void conv_release(void *state)
{
    struct conv *conv = state;
    for (int pass = 0; conv && pass < DNN_PASS_COUNT; pass++)
        dnn_plan_free(&conv->plan[pass]);
    free(conv);
}

static int64_t weight_count(const struct conv *conv)
{
    return (int64_t)conv->weight.n * conv->weight.h * conv->weight.w * conv->weight_channels;
}

static enum dnn_pass weights_pass(const struct conv *conv)
{
    return conv->plan[DNN_WEIGHTS_NORM].plan ? DNN_WEIGHTS_NORM : DNN_WEIGHTS;
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

/* In 16 bits their gradient is that narrow or fp32: as is faster, or as there is a plan. */
static int build_weights(struct device *device, struct dnn_conv described, struct dnn_plan *plan)
{
    struct dnn_plan wide = {0};
    const int narrow = dnn_plan_build(device, &described, DNN_WEIGHTS, plan);
    if (described.dtype == DT_F32 || (narrow == OK && isnan(plan->ms)) || (narrow < 0 && narrow != ERR_UNSUPPORTED))
        return narrow;
    described.weights_dtype = DT_F32;
    const int status = dnn_plan_build(device, &described, DNN_WEIGHTS, &wide);
    if (status == OK && (narrow < 0 || wide.ms <= plan->ms)) {
        dnn_plan_free(plan);
        *plan = wide;
        return OK;
    }
    dnn_plan_free(&wide);
    return status == ERR_UNSUPPORTED ? narrow : status;
}

/* The two passes that every convolution has in training. */
static int build_plain(struct device *device, const struct op_desc *desc, const struct dnn_conv *described,
                       struct dnn_plan plan[static DNN_PASS_COUNT])
{
    TRY(dnn_plan_build(device, described, DNN_FORWARD, &plan[DNN_FORWARD]));
    return desc->training ? build_weights(device, *described, &plan[DNN_WEIGHTS]) : OK;
}

static float plain_ms(const struct dnn_plan plan[static DNN_PASS_COUNT])
{
    return plan[DNN_FORWARD].ms + (plan[DNN_WEIGHTS].plan ? plan[DNN_WEIGHTS].ms : 0.0f);
}

/* As many channels of the gathered batch as are fastest, the first of these where there is no clock. */
static int build_first(struct device *device, const struct op_desc *desc, struct dnn_conv *described,
                       struct dnn_plan plan[static DNN_PASS_COUNT])
{
    const int choices[] = {4, 8, desc->in[0].c};
    for (int i = 0; i < COUNT_OF(choices); i++) {
        struct dnn_plan tried[DNN_PASS_COUNT] = {0};
        struct dnn_conv padded = *described;
        padded.in.c = choices[i];
        const int status = choices[i] < desc->in[0].c ? ERR_UNSUPPORTED : build_plain(device, desc, &padded, tried);
        const bool better = status == OK && (!plan[DNN_FORWARD].plan || plain_ms(tried) < plain_ms(plan));
        for (int pass = 0; pass < DNN_PASS_COUNT; pass++) {
            dnn_plan_free(better ? &plan[pass] : &tried[pass]);
            if (better)
                plan[pass] = tried[pass];
        }
        if (better)
            described->in.c = choices[i];
        if (status < 0 && status != ERR_UNSUPPORTED)
            return status;
    }
    return plan[DNN_FORWARD].plan ? OK : ERR_UNSUPPORTED; /* the last one's words */
}

static bool pads(const struct op_desc *desc)
{
    return desc->first && !desc->in_grad[0] && desc->dtype != DT_F32 && desc->params->conv2d.groups == 1 &&
           desc->in[0].c < FIRST_CHANNELS_MOST;
}

static int conv_build(struct device *device, const struct op_desc *desc, struct conv *conv, struct op_needs *needs)
{
    const union op_params *params = desc->params;
    struct dnn_conv described = {
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
    if (pads(desc) && desc->sizes_only)
        described.in.c = FIRST_CHANNELS_MOST;
    else if (!desc->sizes_only)
        TRY(pads(desc) ? build_first(device, desc, &described, conv->plan)
                       : build_plain(device, desc, &described, conv->plan));
    conv->in = described.in;
    conv->weight_channels = described.in.c / described.groups;
    if (pads(desc))
        needs->in_channels = described.in.c;
    if (desc->training && desc->in_grad[0] && !desc->sizes_only)
        TRY(dnn_plan_build(device, &described, DNN_DATA, &conv->plan[DNN_DATA]));
    TRY(conv_join(device, desc, &described, conv, needs));
    const int64_t count = weight_count(conv);
    if (desc->training && weights_use(&conv->plan[weights_pass(conv)]) != DT_F32)
        conv->narrow_bytes =
            ((size_t)count * dtype_bytes(desc->dtype) + SCRATCH_ALIGNMENT - 1) / SCRATCH_ALIGNMENT * SCRATCH_ALIGNMENT;
    for (int pass = 0; pass < DNN_PASS_COUNT; pass++)
        needs->scratch_bytes =
            larger(needs->scratch_bytes,
                   conv->plan[pass].workspace_bytes + (pass == (int)weights_pass(conv) ? conv->narrow_bytes : 0));
    if (desc->sizes_only)
        needs->scratch_bytes = dnn_workspace_most(&described) + (size_t)count * sizeof(float);
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

struct norm_joined cuda_conv_joined(const struct op_call *call)
{
    const struct conv *conv = call->state;
    return norm_joined_at(call->saved, conv->out.c, conv->in.c);
}

/* What a pass that makes a normalisation's result makes it of. */
static void add_norm(const void *arrays[static DNN_ARRAY_COUNT], const struct op_call *call)
{
    const float *saved = call->makes->saved;
    const int64_t row = norm_row(((const struct conv *)call->state)->in.c);
    arrays[DNN_NORM_X] = call->makes->in[0];
    arrays[DNN_FACTOR] = saved + SAVED_FACTOR * row;
    arrays[DNN_TERM] = saved + SAVED_TERM * row;
}

static int conv_forward(struct device *device, const struct op_call *call)
{
    struct conv *conv = call->state;
    const void *arrays[DNN_ARRAY_COUNT] = {[DNN_X] = call->in[0], [DNN_W] = call->weight[0], [DNN_Y] = call->out};
    enum dnn_pass pass = DNN_FORWARD;
    if (call->training && (call->makes || conv->plan[DNN_FORWARD_SUMS].plan)) {
        const struct norm_joined joined = cuda_conv_joined(call);
        pass = call->makes ? DNN_FORWARD_NORM : DNN_FORWARD_SUMS;
        arrays[DNN_SUM] = joined.sum;
        arrays[DNN_SQUARES] = joined.squares;
        if (call->makes)
            add_norm(arrays, call);
    }
    TRY(dnn_plan_run(device, &conv->plan[pass], arrays, call->scratch));
    return conv->bias ? cuda_bias_add(device, call->out, conv->dtype, call->weight[1], rows_of(conv), conv->out.c) : OK;
}

static int conv_backward_weights(struct device *device, struct conv *conv, const struct op_call *call)
{
    const bool narrow = conv->narrow_bytes > 0;
    void *gradient = narrow ? call->scratch : call->weight_grad[0];
    char *workspace = call->scratch;
    const void *arrays[DNN_ARRAY_COUNT] = {[DNN_X] = call->in[0], [DNN_W] = gradient, [DNN_Y] = call->out_grad};
    if (call->makes)
        add_norm(arrays, call);
    TRY(dnn_plan_run(device, &conv->plan[weights_pass(conv)], arrays,
                     workspace ? workspace + conv->narrow_bytes : NULL));
    if (narrow)
        TRY(cuda_widen(device, call->weight_grad[0], gradient, conv->dtype, weight_count(conv)));
    if (!conv->bias)
        return OK;
    return cuda_bias_grad(device, call->weight_grad[1], call->out_grad, conv->dtype, rows_of(conv), conv->out.c);
}

/* The gradient of the input, and what its normalisation's backward pass would do. */
static int conv_backward_joined(struct device *device, struct conv *conv, const struct op_call *call)
{
    const struct op_call *norm = call->takes;
    const float *saved = norm->saved;
    const int64_t row = norm_row(conv->in.c);
    const struct norm_joined joined = cuda_conv_joined(call);
    const void *const arrays[DNN_ARRAY_COUNT] = {
        [DNN_X] = call->in_grad[0],
        [DNN_W] = call->weight[0],
        [DNN_Y] = call->out_grad,
        [DNN_NORM_X] = norm->in[0],
        [DNN_OTHER] = call->met_grad,
        [DNN_ADDEND] = norm->in[1],
        [DNN_MEAN] = saved + SAVED_MEAN * row,
        [DNN_INVERSE] = saved + SAVED_INVERSE * row,
        [DNN_SCALE] = norm->weight[0],
        [DNN_BIAS] = norm->weight[1],
        [DNN_SCALE_GRAD] = norm->weight_grad[0],
        [DNN_BIAS_GRAD] = norm->weight_grad[1],
        [DNN_A] = joined.a,
        [DNN_B] = joined.b,
        [DNN_C] = joined.c,
    };
    return dnn_plan_run(device, &conv->plan[call->met_grad ? DNN_DATA_MET : DNN_DATA_NORM], arrays, call->scratch);
}

static int conv_backward(struct device *device, const struct op_call *call)
{
    struct conv *conv = call->state;
    TRY(conv_backward_weights(device, conv, call));
    if (!call->in_grad[0])
        return OK;
    if (call->takes)
        return conv_backward_joined(device, conv, call);
    const void *const arrays[] = {[DNN_X] = call->in_grad[0], [DNN_W] = call->weight[0], [DNN_Y] = call->out_grad};
    return dnn_plan_run(device, &conv->plan[DNN_DATA], arrays, call->scratch);
}

static void conv_pack(const void *state, int weight, float *own, const float *canonical)
{
    const struct conv *conv = state;
    if (weight == 0)
        cuda_channels_last(own, canonical, conv->weight, conv->weight_channels);
    else
        memcpy(own, canonical, (size_t)conv->out.c * sizeof *own);
}

static void conv_unpack(const void *state, int weight, float *canonical, const float *own)
{
    const struct conv *conv = state;
    if (weight == 0)
        cuda_channels_first(canonical, own, conv->weight, conv->weight_channels);
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
