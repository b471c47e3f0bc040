/* depthwise: convolution of each channel on its own; its loops are vector_depthwise.h's. There is too little to
 * multiply for tiles: memory decides. Weights lie as {tap, channel}; sums of their gradient are cut into slices of
 * whole images and added up in order, so that they do not depend on the number of threads. */
#include "depthwise.h"
#include <stdlib.h>
#include <string.h>

enum { SLICES = 16 };

static void run_rows(struct device *device, const struct depthwise *layer, const struct op_call *call, bool backward)
{
    const struct shape to = backward ? layer->in : layer->out;
#pragma omp parallel for schedule(static) num_threads(device->threads)
    for (int i = 0; i < to.n * to.h; i++)
        layer->vector->depthwise_row(layer, call, backward, i / to.h, i % to.h);
}

static int depthwise_forward(struct device *device, const struct op_call *call)
{
    run_rows(device, call->state, call, false);
    return OK;
}

static int depthwise_backward(struct device *device, const struct op_call *call)
{
    const struct depthwise *layer = call->state;
    float *const sums = call->scratch;
    const int channels = layer->out.c, count = layer->taps * channels, apart = count + channels;
#pragma omp parallel for schedule(static) num_threads(device->threads)
    for (int slice = 0; slice < layer->slices; slice++) {
        float *const own = sums + (int64_t)slice * apart;
        memset(own, 0, (size_t)apart * sizeof *own);
        layer->vector->depthwise_slice(layer, call, own, slice);
    }
    for (int i = 0; i < (layer->bias ? apart : count); i++) {
        float sum = 0.0f;
        for (int slice = 0; slice < layer->slices; slice++)
            sum += sums[(int64_t)slice * apart + i];
        *(i < count ? call->weight_grad[0] + i : call->weight_grad[1] + (i - count)) = sum;
    }
    if (call->in_grad[0])
        run_rows(device, layer, call, true);
    return OK;
}

/* ---- preparing ---- */

static int depthwise_prepare(struct device *device, const struct op_desc *desc, void **state, struct op_needs *needs)
{
    struct depthwise *layer = malloc(sizeof *layer);
    *state = layer;
    if (!layer)
        return FAIL(ERR_MEMORY, "cpu: out of memory for a layer's description; close other programs");
    const struct shape in = desc->in[0], out = desc->out;
    const union op_params *params = desc->params;
    const int stride = params->conv2d.stride;
    *layer = (struct depthwise){
        .conv.impl = &cpu_depthwise,
        .vector = device->vector,
        .in = in,
        .out = out,
        .high = {out.h, in.h, params->conv2d.kernel_h, stride, params->conv2d.pad_h},
        .wide = {out.w, in.w, params->conv2d.kernel_w, stride, params->conv2d.pad_w},
        .bias = params->conv2d.bias,
        .dtype = desc->dtype,
        .taps = params->conv2d.kernel_h * params->conv2d.kernel_w,
        .slices = in.n < SLICES ? in.n : SLICES,
    };
    needs->weight[0].count = (int64_t)layer->taps * in.c;
    needs->weight[0].dtype = desc->dtype;
    if (params->conv2d.bias) {
        needs->weight[1].count = in.c;
        needs->weight[1].dtype = DT_F32;
    }
    if (desc->training)
        needs->scratch_bytes = (size_t)layer->slices * (size_t)(layer->taps + 1) * (size_t)in.c * sizeof(float);
    return OK;
}

/* Canonical weights are {channel, tap}. */
static void depthwise_pack(const void *state, int weight, float *own, const float *canonical)
{
    const struct depthwise *layer = state;
    const int taps = weight == 0 ? layer->taps : 1, channels = layer->out.c;
    for (int i = 0; i < taps * channels; i++)
        own[i % taps * channels + i / taps] = canonical[i];
}

static void depthwise_unpack(const void *state, int weight, float *canonical, const float *own)
{
    const struct depthwise *layer = state;
    const int taps = weight == 0 ? layer->taps : 1, channels = layer->out.c;
    for (int i = 0; i < taps * channels; i++)
        canonical[i] = own[i % taps * channels + i / taps];
}

const struct op_impl cpu_depthwise = {
    .prepare = depthwise_prepare,
    .forward = depthwise_forward,
    .backward = depthwise_backward,
    .release = free,
    .pack = depthwise_pack,
    .unpack = depthwise_unpack,
};
