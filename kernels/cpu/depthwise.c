/* depthwise: convolution of each channel on its own, sixteen channels side by side. There is too little to multiply for
 * tiles: memory decides. Weights lie as {tap, channel}; sums of their gradient are cut into slices of whole images and
 * added up in order, so that they do not depend on the number of threads. */
#include "conv.h"
#include "lanes.h"
#include <stdlib.h>

enum { SLICES = 16 };

struct depthwise {
    struct conv conv;
    struct shape in, out;
    union op_params params;
    enum dtype dtype;
    int taps, slices;
};

/* One dimension of the convolution: positions read `from` positions through taps. */
struct axis {
    int size, from, kernel, stride, pad;
};

static struct axis height(const struct depthwise *layer)
{
    return (struct axis){layer->out.h, layer->in.h, layer->params.conv2d.kernel_h, layer->params.conv2d.stride,
                         layer->params.conv2d.pad_h};
}

static struct axis width(const struct depthwise *layer)
{
    return (struct axis){layer->out.w, layer->in.w, layer->params.conv2d.kernel_w, layer->params.conv2d.stride,
                         layer->params.conv2d.pad_w};
}

/* What position `at` reads through a tap, -1: nothing. Backward it is an input's, which reads outputs. */
INLINE int reads(bool backward, const struct axis *axis, int at, int tap)
{
    if (!backward) {
        const int from = at * axis->stride - axis->pad + tap;
        return from >= 0 && from < axis->from ? from : -1;
    }
    const int to = at + axis->pad - tap;
    if (axis->stride == 1) /* without the division */
        return to >= 0 && to < axis->size ? to : -1;
    return to >= 0 && to % axis->stride == 0 && to / axis->stride < axis->size ? to / axis->stride : -1;
}

/* ---- forward and by data ---- */

/* Up to sixteen channels of a result: of an output from inputs, backward of an input's gradient from outputs'. */
INLINE void run_channels(enum dtype dtype, bool backward, const struct depthwise *layer, const struct op_call *call,
                         int image, int row, int w, int c, int channels)
{
    const struct shape to = backward ? layer->in : layer->out, from = backward ? layer->out : layer->in;
    const struct axis high = height(layer), wide = width(layer);
    const void *source = backward ? call->out_grad : call->in[0], *weights = call->weight[0];
    vec sum = {0};
    if (!backward && layer->params.conv2d.bias)
        vec_load(&sum, call->weight[1], c, channels, DT_F32);
    for (int kh = 0; kh < high.kernel; kh++) {
        const int h = reads(backward, &high, row, kh);
        for (int kw = 0; h >= 0 && kw < wide.kernel; kw++) {
            const int column = reads(backward, &wide, w, kw);
            vec value, weight;
            if (column < 0)
                continue;
            vec_load(&value, source, (((int64_t)image * from.h + h) * from.w + column) * from.c + c, channels, dtype);
            vec_load(&weight, weights, (int64_t)(kh * wide.kernel + kw) * to.c + c, channels, dtype);
            sum += value * weight;
        }
    }
    vec_store(backward ? call->in_grad[0] : call->out, (((int64_t)image * to.h + row) * to.w + w) * to.c + c, channels,
              dtype, &sum);
}

INLINE void run_row(enum dtype dtype, bool backward, const struct depthwise *layer, const struct op_call *call,
                    int image, int row)
{
    const struct shape to = backward ? layer->in : layer->out;
    for (int w = 0; w < to.w; w++) {
        int c = 0;
        for (; c + VEC <= to.c; c += VEC)
            run_channels(dtype, backward, layer, call, image, row, w, c, VEC);
        if (c < to.c)
            run_channels(dtype, backward, layer, call, image, row, w, c, to.c - c);
    }
}

static void run_rows(struct device *device, const struct depthwise *layer, const struct op_call *call, bool backward)
{
    const struct shape to = backward ? layer->in : layer->out;
#pragma omp parallel for schedule(static) num_threads(device->threads)
    for (int i = 0; i < to.n * to.h; i++)
        if (backward)
            BY_DTYPE(layer->dtype, run_row, true, layer, call, i / to.h, i % to.h);
        else
            BY_DTYPE(layer->dtype, run_row, false, layer, call, i / to.h, i % to.h);
}

static int depthwise_forward(struct device *device, const struct op_call *call)
{
    run_rows(device, call->state, call, false);
    return OK;
}

/* ---- the gradient of the weights ---- */

/* Adds one row of outputs, one tap, up to sixteen channels. */
INLINE void add_channels(enum dtype dtype, const struct depthwise *layer, const struct op_call *call, float *sums,
                         int64_t in_row, int64_t out_row, int tap_column, int c, int channels)
{
    const struct axis wide = width(layer);
    const int all = layer->out.c;
    vec sum, value, grad;
    vec_load(&sum, sums, c, channels, DT_F32);
    for (int w = 0; w < layer->out.w; w++) {
        const int column = reads(false, &wide, w, tap_column);
        if (column < 0)
            continue;
        vec_load(&value, call->in[0], (in_row * layer->in.w + column) * all + c, channels, dtype);
        vec_load(&grad, call->out_grad, (out_row * layer->out.w + w) * all + c, channels, dtype);
        sum += value * grad;
    }
    vec_store(sums, c, channels, DT_F32, &sum);
}

INLINE void add_tap(enum dtype dtype, const struct depthwise *layer, const struct op_call *call, float *sums,
                    int64_t in_row, int64_t out_row, int tap_column)
{
    int c = 0;
    for (; c + VEC <= layer->out.c; c += VEC)
        add_channels(dtype, layer, call, sums, in_row, out_row, tap_column, c, VEC);
    if (c < layer->out.c)
        add_channels(dtype, layer, call, sums, in_row, out_row, tap_column, c, layer->out.c - c);
}

INLINE void add_bias(enum dtype dtype, const struct depthwise *layer, const struct op_call *call, float *sums,
                     int64_t out_row)
{
    for (int w = 0; w < layer->out.w; w++)
        for (int c = 0; c < layer->out.c; c++)
            sums[c] += lane_load(call->out_grad, (out_row * layer->out.w + w) * layer->out.c + c, dtype);
}

INLINE void add_slice(enum dtype dtype, const struct depthwise *layer, const struct op_call *call, float *sums,
                      int slice)
{
    const struct axis high = height(layer);
    const int taps_wide = layer->params.conv2d.kernel_w, channels = layer->out.c;
    memset(sums, 0, (size_t)(layer->taps + 1) * (size_t)channels * sizeof *sums);
    for (int n = slice; n < layer->in.n; n += layer->slices)
        for (int h = 0; h < layer->out.h; h++) {
            const int64_t out_row = (int64_t)n * layer->out.h + h;
            for (int tap = 0; tap < layer->taps; tap++) {
                const int row = reads(false, &high, h, tap / taps_wide);
                if (row >= 0)
                    add_tap(dtype, layer, call, sums + tap * channels, (int64_t)n * layer->in.h + row, out_row,
                            tap % taps_wide);
            }
            if (layer->params.conv2d.bias)
                add_bias(dtype, layer, call, sums + layer->taps * channels, out_row);
        }
}

static int depthwise_backward(struct device *device, const struct op_call *call)
{
    const struct depthwise *layer = call->state;
    float *const sums = call->scratch;
    const int channels = layer->out.c, count = layer->taps * channels, apart = count + channels;
#pragma omp parallel for schedule(static) num_threads(device->threads)
    for (int slice = 0; slice < layer->slices; slice++)
        BY_DTYPE(layer->dtype, add_slice, layer, call, sums + (int64_t)slice * apart, slice);
    for (int i = 0; i < (layer->params.conv2d.bias ? apart : count); i++) {
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
    (void)device;
    struct depthwise *layer = malloc(sizeof *layer);
    *state = layer;
    if (!layer)
        return FAIL(ERR_MEMORY, "cpu: out of memory for a layer's description; close other programs");
    const struct shape in = desc->in[0];
    *layer = (struct depthwise){
        .conv.impl = &cpu_depthwise,
        .in = in,
        .out = desc->out,
        .params = *desc->params,
        .dtype = desc->dtype,
        .taps = desc->params->conv2d.kernel_h * desc->params->conv2d.kernel_w,
        .slices = in.n < SLICES ? in.n : SLICES,
    };
    needs->weight[0].count = (int64_t)layer->taps * in.c;
    needs->weight[0].dtype = desc->dtype;
    if (desc->params->conv2d.bias) {
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
