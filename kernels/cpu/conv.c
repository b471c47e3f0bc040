/* conv: chooses who computes a convolution when it is prepared, by a rule that depends on the layer alone. The rule is
 * `chosen`; everything else passes calls on. */
#include "conv.h"

static const struct op_impl *chosen(const struct op_desc *desc)
{
    const int channels = desc->in[0].c, groups = desc->params->conv2d.groups;
    if (few_suits(desc))
        return &cpu_few;
    return channels > 1 && groups == channels && desc->out.c == channels ? &cpu_depthwise : &cpu_direct;
}

static const struct op_impl *impl_of(const void *state)
{
    return ((const struct conv *)state)->impl;
}

static int conv_prepare(struct device *device, const struct op_desc *desc, void **state, struct op_needs *needs)
{
    return chosen(desc)->prepare(device, desc, state, needs);
}

static int conv_forward(struct device *device, const struct op_call *call)
{
    return impl_of(call->state)->forward(device, call);
}

static int conv_backward(struct device *device, const struct op_call *call)
{
    return impl_of(call->state)->backward(device, call);
}

static void conv_release(void *state)
{
    if (state)
        impl_of(state)->release(state);
}

static void conv_pack(const void *state, int weight, float *own, const float *canonical)
{
    impl_of(state)->pack(state, weight, own, canonical);
}

static void conv_unpack(const void *state, int weight, float *canonical, const float *own)
{
    impl_of(state)->unpack(state, weight, canonical, own);
}

const struct op_impl cpu_conv2d = {
    .prepare = conv_prepare,
    .forward = conv_forward,
    .backward = conv_backward,
    .release = conv_release,
    .pack = conv_pack,
    .unpack = conv_unpack,
};
