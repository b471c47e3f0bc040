/* layer: chooses who computes a convolution or linear layer, when it is prepared, by a rule that depends on the layer
 * and the CPU alone. The rule is `chosen`; everything else passes calls on. */
#include "direct.h"

/* Input channels from which on our own fp32 convolutions take no longer than oneDNN's (bench/RESULTS.md). */
enum { FP32_CHANNELS = 64 };

/* Our own kernels: in bf16 they are the faster ones; in fp32, where as fast, for what they have besides: sums that do
 * not depend on the number of threads, weights in one layout, and no allocation. */
static const struct op_impl *chosen(enum op_kind kind, const struct op_desc *desc)
{
    const bool worthwhile = desc->dtype == DT_BF16 || (kind == OP_CONV2D && desc->in[0].c >= FP32_CHANNELS);
    if (worthwhile && direct_covers(kind, desc))
        return kind == OP_CONV2D ? &cpu_direct_conv2d : &cpu_direct_linear;
    return kind == OP_CONV2D ? &cpu_onednn_conv2d : &cpu_onednn_linear;
}

static const struct op_impl *impl_of(const void *state)
{
    return ((const struct layer *)state)->impl;
}

static int conv_prepare(struct device *device, const struct op_desc *desc, void **state, struct op_needs *needs)
{
    return chosen(OP_CONV2D, desc)->prepare(device, desc, state, needs);
}

static int linear_prepare(struct device *device, const struct op_desc *desc, void **state, struct op_needs *needs)
{
    return chosen(OP_LINEAR, desc)->prepare(device, desc, state, needs);
}

static int layer_forward(struct device *device, const struct op_call *call)
{
    return impl_of(call->state)->forward(device, call);
}

static int layer_backward(struct device *device, const struct op_call *call)
{
    return impl_of(call->state)->backward(device, call);
}

static void layer_release(void *state)
{
    if (state)
        impl_of(state)->release(state);
}

static void layer_pack(const void *state, int weight, float *own, const float *canonical)
{
    impl_of(state)->pack(state, weight, own, canonical);
}

static void layer_unpack(const void *state, int weight, float *canonical, const float *own)
{
    impl_of(state)->unpack(state, weight, canonical, own);
}

const struct op_impl cpu_conv2d = {
    .prepare = conv_prepare,
    .forward = layer_forward,
    .backward = layer_backward,
    .release = layer_release,
    .pack = layer_pack,
    .unpack = layer_unpack,
};

const struct op_impl cpu_linear = {
    .prepare = linear_prepare,
    .forward = layer_forward,
    .backward = layer_backward,
    .release = layer_release,
    .pack = layer_pack,
    .unpack = layer_unpack,
};
