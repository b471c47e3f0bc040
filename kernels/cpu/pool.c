/* pool: maximum, average and global average over windows of an NHWC image. Channels in vectors. The
 * backward pass gathers, for every input pixel, from the windows that cover it, so it needs no zeroed buffer and no
 * order between threads. */
#include "lanes.h"
#include <math.h>
#include <stdlib.h>

/* A range of pixels, in one direction. counted: its length when padding counts. */
struct span {
    int begin, end, counted;
};

struct pool {
    struct shape in, out;
    enum dtype dtype;
    enum pool_kind kind;
    int size_h, size_w, stride, pad; /* global: one window, the image */
    bool count_padding;
    /* Input pixels in a window, by its number; windows over an input pixel, by its position. */
    struct span *window_h, *window_w, *over_h, *over_w, spans[];
};

static struct span window_span(const struct pool *pool, int position, int size, int limit)
{
    struct span span = {.begin = position * pool->stride - pool->pad};
    span.end = span.begin + size;
    span.counted = (span.end < limit + pool->pad ? span.end : limit + pool->pad) - span.begin;
    if (span.begin < 0)
        span.begin = 0;
    if (span.end > limit)
        span.end = limit;
    return span;
}

static struct span over_span(const struct pool *pool, int position, int size, int count)
{
    const int padded = position + pool->pad;
    struct span span = {.begin = padded < size ? 0 : (padded - size) / pool->stride + 1,
                        .end = padded / pool->stride + 1};
    if (span.end > count)
        span.end = count;
    return span;
}

static int64_t pixel(struct shape shape, int n, int h, int w)
{
    return (((int64_t)n * shape.h + h) * shape.w + w) * shape.c;
}

static float divisor(const struct pool *pool, struct span h, struct span w)
{
    return (float)(pool->count_padding ? h.counted * w.counted : (h.end - h.begin) * (w.end - w.begin));
}

/* Four vectors of channels at a time where there are as many: enough to hide the latency of one. Calls
 * function(dtype, vectors, width of the last, ..., first channel) with constant dtype and vectors. */
enum { UNROLLED = 4 };
#define BY_CHANNELS(dtype, channels, function, ...)                                                                    \
    for (int c_ = 0, step_; c_ < (channels); c_ += step_) {                                                            \
        const int left_ = (channels)-c_;                                                                               \
        step_ = left_ >= UNROLLED * VEC ? UNROLLED * VEC : VEC;                                                        \
        if (step_ > VEC)                                                                                               \
            function(dtype, UNROLLED, VEC, __VA_ARGS__, c_);                                                           \
        else if (left_ >= VEC)                                                                                         \
            function(dtype, 1, VEC, __VA_ARGS__, c_);                                                                  \
        else                                                                                                           \
            function(dtype, 1, left_, __VA_ARGS__, c_);                                                                \
    }

/* ---- maximum ---- */

/* torch: `value > best or value is NaN` in row-major order of the window, from -inf at its first pixel. */
INLINE void max_channels(enum dtype dtype, int vecs, int width, const struct pool *pool, const struct op_call *call,
                         int n, int oh, int ow, int c)
{
    const struct span h = pool->window_h[oh], w = pool->window_w[ow];
    const int top = oh * pool->stride - pool->pad, left = ow * pool->stride - pool->pad;
    const int64_t to = pixel(pool->out, n, oh, ow) + c;
    vec best[UNROLLED];
    vec_int taps[UNROLLED];
    for (int k = 0; k < vecs; k++) {
        best[k] = (vec){0} - INFINITY;
        taps[k] = (vec_int){0} + ((h.begin - top) * pool->size_w + w.begin - left);
    }
    for (int ih = h.begin; ih < h.end; ih++)
        for (int iw = w.begin; iw < w.end; iw++)
            for (int k = 0; k < vecs; k++) {
                vec value;
                vec_load(&value, call->in[0], pixel(pool->in, n, ih, iw) + c + k * VEC, width, dtype);
                const vec_int wins = (value > best[k]) | (value != value);
                best[k] = (vec)(((vec_int)value & wins) | ((vec_int)best[k] & ~wins));
                taps[k] = (((ih - top) * pool->size_w + iw - left) & wins) | (taps[k] & ~wins);
            }
    for (int k = 0; k < vecs; k++) {
        vec_store(call->out, to + k * VEC, width, dtype, &best[k]);
        vec_byte bytes;
        vec_to_bytes(&bytes, &taps[k]);
        if (call->training)
            vec_copy((uint8_t *)call->saved + to + k * VEC, &bytes, width, 1);
    }
}

INLINE void max_grad_channels(enum dtype dtype, int vecs, int width, const struct pool *pool,
                              const struct op_call *call, int n, int ih, int iw, int c)
{
    const struct span h = pool->over_h[ih], w = pool->over_w[iw];
    vec sum[UNROLLED] = {{0}};
    for (int oh = h.begin; oh < h.end; oh++)
        for (int ow = w.begin; ow < w.end; ow++) {
            const int64_t from = pixel(pool->out, n, oh, ow) + c;
            const int tap_h = ih - oh * pool->stride + pool->pad, tap_w = iw - ow * pool->stride + pool->pad;
            for (int k = 0; k < vecs; k++) {
                vec grad;
                vec_byte bytes = {0};
                vec_load(&grad, call->out_grad, from + k * VEC, width, dtype);
                vec_copy(&bytes, (const uint8_t *)call->saved + from + k * VEC, width, 1);
                vec_int taps;
                vec_from_bytes(&taps, &bytes);
                sum[k] += (vec)((vec_int)grad & (taps == tap_h * pool->size_w + tap_w));
            }
        }
    for (int k = 0; k < vecs; k++)
        vec_store(call->in_grad[0], pixel(pool->in, n, ih, iw) + c + k * VEC, width, dtype, &sum[k]);
}

/* ---- average ---- */

INLINE void average_channels(enum dtype dtype, int vecs, int width, const struct pool *pool, const struct op_call *call,
                             int n, int oh, int ow, int c)
{
    const struct span h = pool->window_h[oh], w = pool->window_w[ow];
    const float count = divisor(pool, h, w);
    vec sum[UNROLLED] = {{0}};
    for (int ih = h.begin; ih < h.end; ih++)
        for (int iw = w.begin; iw < w.end; iw++)
            for (int k = 0; k < vecs; k++) {
                vec value;
                vec_load(&value, call->in[0], pixel(pool->in, n, ih, iw) + c + k * VEC, width, dtype);
                sum[k] += value;
            }
    for (int k = 0; k < vecs; k++) {
        sum[k] /= count;
        vec_store(call->out, pixel(pool->out, n, oh, ow) + c + k * VEC, width, dtype, &sum[k]);
    }
}

INLINE void average_grad_channels(enum dtype dtype, int vecs, int width, const struct pool *pool,
                                  const struct op_call *call, int n, int ih, int iw, int c)
{
    const struct span h = pool->over_h[ih], w = pool->over_w[iw];
    vec sum[UNROLLED] = {{0}};
    for (int oh = h.begin; oh < h.end; oh++)
        for (int ow = w.begin; ow < w.end; ow++) {
            const float share = 1.0f / divisor(pool, pool->window_h[oh], pool->window_w[ow]);
            for (int k = 0; k < vecs; k++) {
                vec grad;
                vec_load(&grad, call->out_grad, pixel(pool->out, n, oh, ow) + c + k * VEC, width, dtype);
                sum[k] += grad * share;
            }
        }
    for (int k = 0; k < vecs; k++)
        vec_store(call->in_grad[0], pixel(pool->in, n, ih, iw) + c + k * VEC, width, dtype, &sum[k]);
}

/* ---- rows ---- */

INLINE void forward_row(enum dtype dtype, const struct pool *pool, const struct op_call *call, int n, int oh)
{
    for (int ow = 0; ow < pool->out.w; ow++)
        if (pool->kind == POOL_MAX)
            BY_CHANNELS(dtype, pool->in.c, max_channels, pool, call, n, oh, ow)
        else
            BY_CHANNELS(dtype, pool->in.c, average_channels, pool, call, n, oh, ow)
}

INLINE void backward_row(enum dtype dtype, const struct pool *pool, const struct op_call *call, int n, int ih)
{
    for (int iw = 0; iw < pool->in.w; iw++)
        if (pool->kind == POOL_MAX)
            BY_CHANNELS(dtype, pool->in.c, max_grad_channels, pool, call, n, ih, iw)
        else
            BY_CHANNELS(dtype, pool->in.c, average_grad_channels, pool, call, n, ih, iw)
}

static int pool_forward(struct device *device, const struct op_call *call)
{
    const struct pool *pool = call->state;
#pragma omp parallel for collapse(2) schedule(static) num_threads(device->threads)
    for (int n = 0; n < pool->out.n; n++)
        for (int oh = 0; oh < pool->out.h; oh++)
            BY_DTYPE(pool->dtype, forward_row, pool, call, n, oh);
    return OK;
}

static int pool_backward(struct device *device, const struct op_call *call)
{
    const struct pool *pool = call->state;
    if (!call->in_grad[0])
        return OK;
#pragma omp parallel for collapse(2) schedule(static) num_threads(device->threads)
    for (int n = 0; n < pool->in.n; n++)
        for (int ih = 0; ih < pool->in.h; ih++)
            BY_DTYPE(pool->dtype, backward_row, pool, call, n, ih);
    return OK;
}

static void fill_spans(struct pool *pool)
{
    pool->window_h = pool->spans;
    pool->window_w = pool->window_h + pool->out.h;
    pool->over_h = pool->window_w + pool->out.w;
    pool->over_w = pool->over_h + pool->in.h;
    for (int i = 0; i < pool->out.h; i++)
        pool->window_h[i] = window_span(pool, i, pool->size_h, pool->in.h);
    for (int i = 0; i < pool->out.w; i++)
        pool->window_w[i] = window_span(pool, i, pool->size_w, pool->in.w);
    for (int i = 0; i < pool->in.h; i++)
        pool->over_h[i] = over_span(pool, i, pool->size_h, pool->out.h);
    for (int i = 0; i < pool->in.w; i++)
        pool->over_w[i] = over_span(pool, i, pool->size_w, pool->out.w);
}

static int pool_prepare(struct device *device, const struct op_desc *desc, void **state, struct op_needs *needs)
{
    (void)device;
    const union op_params *params = desc->params;
    const struct shape in = desc->in[0], out = desc->out;
    const size_t span_count = (size_t)in.h + (size_t)in.w + (size_t)out.h + (size_t)out.w;
    struct pool *pool = malloc(sizeof *pool + span_count * sizeof *pool->spans);
    *state = pool;
    if (!pool)
        return FAIL(ERR_MEMORY, "cpu: out of memory for a layer's description; close other programs");
    *pool = (struct pool){.in = in, .out = out, .dtype = desc->dtype, .kind = params->pool.kind};
    if (pool->kind == POOL_GLOBAL) {
        pool->size_h = in.h;
        pool->size_w = in.w;
        pool->stride = 1;
    } else {
        pool->size_h = pool->size_w = params->pool.size;
        pool->stride = params->pool.stride;
        pool->pad = params->pool.pad;
        pool->count_padding = params->pool.count_padding;
    }
    fill_spans(pool);
    if (pool->kind == POOL_MAX && desc->training)
        needs->saved_bytes = (size_t)shape_count(out);
    return OK;
}

const struct op_impl cpu_pool = {
    .prepare = pool_prepare,
    .forward = pool_forward,
    .backward = pool_backward,
    .release = free,
};
