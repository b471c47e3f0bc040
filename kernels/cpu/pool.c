/* pool: maximum, average and global average over windows of an NHWC image. Own loops with channels as vector lanes:
 * oneDNN's maximum neither passes NaN on nor says which of equal values won. The backward pass gathers, for every input
 * pixel, from the windows that cover it, so it needs no zeroed buffer and no order between threads. */
#include "lanes.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TILE = 64 }; /* channels at a time */

struct pool {
    struct shape in, out;
    enum dtype dtype;
    enum pool_kind kind;
    int size_h, size_w, stride, pad; /* global: one window, the image */
    bool count_padding;
};

/* The part of a window inside the image, one direction, and its length when padding counts. */
struct span {
    int begin, end, counted;
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

static struct span window_h(const struct pool *pool, int oh)
{
    return window_span(pool, oh, pool->size_h, pool->in.h);
}

static struct span window_w(const struct pool *pool, int ow)
{
    return window_span(pool, ow, pool->size_w, pool->in.w);
}

/* The windows [begin, end) of `count` that cover an input position. */
static struct span covering_span(const struct pool *pool, int position, int size, int count)
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

static int tile_width(int channels, int c)
{
    return channels - c < TILE ? channels - c : TILE;
}

/* ---- maximum ---- */

/* torch: `value > best or value is NaN` in row-major order of the window, from -inf at its first pixel. */
INLINE void max_pixel(enum dtype dtype, const struct pool *pool, const void *x, void *y, uint8_t *winner, int n, int oh,
                      int ow)
{
    const struct span h = window_h(pool, oh), w = window_w(pool, ow);
    const int top = oh * pool->stride - pool->pad, left = ow * pool->stride - pool->pad;
    const int64_t to = pixel(pool->out, n, oh, ow);
    for (int c = 0; c < pool->in.c; c += TILE) {
        const int width = tile_width(pool->in.c, c);
        float best[TILE];
        int32_t tap[TILE];
        for (int j = 0; j < TILE; j++) {
            best[j] = -INFINITY;
            tap[j] = (h.begin - top) * pool->size_w + w.begin - left;
        }
        for (int ih = h.begin; ih < h.end; ih++)
            for (int iw = w.begin; iw < w.end; iw++) {
                const int64_t from = pixel(pool->in, n, ih, iw) + c;
                const int32_t here = (ih - top) * pool->size_w + iw - left;
#pragma omp simd
                for (int j = 0; j < width; j++) {
                    const float value = lane_load(x, from + j, dtype);
                    const bool wins = value > best[j] || value != value;
                    best[j] = wins ? value : best[j];
                    tap[j] = wins ? here : tap[j];
                }
            }
#pragma omp simd
        for (int j = 0; j < width; j++)
            lane_store(y, to + c + j, dtype, best[j]);
        if (winner)
            for (int j = 0; j < width; j++)
                winner[to + c + j] = (uint8_t)tap[j];
    }
}

INLINE void max_grad_pixel(enum dtype dtype, const struct pool *pool, const void *dy, void *dx, const uint8_t *winner,
                           int n, int ih, int iw)
{
    const struct span h = covering_span(pool, ih, pool->size_h, pool->out.h),
                      w = covering_span(pool, iw, pool->size_w, pool->out.w);
    const int64_t to = pixel(pool->in, n, ih, iw);
    for (int c = 0; c < pool->in.c; c += TILE) {
        const int width = tile_width(pool->in.c, c);
        float sum[TILE] = {0};
        for (int oh = h.begin; oh < h.end; oh++)
            for (int ow = w.begin; ow < w.end; ow++) {
                const int64_t from = pixel(pool->out, n, oh, ow) + c;
                const int32_t tap =
                    (ih - oh * pool->stride + pool->pad) * pool->size_w + iw - ow * pool->stride + pool->pad;
#pragma omp simd
                for (int j = 0; j < width; j++)
                    sum[j] += winner[from + j] == tap ? lane_load(dy, from + j, dtype) : 0.0f;
            }
#pragma omp simd
        for (int j = 0; j < width; j++)
            lane_store(dx, to + c + j, dtype, sum[j]);
    }
}

/* ---- average ---- */

INLINE void average_pixel(enum dtype dtype, const struct pool *pool, const void *x, void *y, int n, int oh, int ow)
{
    const struct span h = window_h(pool, oh), w = window_w(pool, ow);
    const float count = divisor(pool, h, w);
    const int64_t to = pixel(pool->out, n, oh, ow);
    for (int c = 0; c < pool->in.c; c += TILE) {
        const int width = tile_width(pool->in.c, c);
        float sum[TILE] = {0};
        for (int ih = h.begin; ih < h.end; ih++)
            for (int iw = w.begin; iw < w.end; iw++) {
                const int64_t from = pixel(pool->in, n, ih, iw) + c;
#pragma omp simd
                for (int j = 0; j < width; j++)
                    sum[j] += lane_load(x, from + j, dtype);
            }
#pragma omp simd
        for (int j = 0; j < width; j++)
            lane_store(y, to + c + j, dtype, sum[j] / count);
    }
}

INLINE void average_grad_pixel(enum dtype dtype, const struct pool *pool, const void *dy, void *dx, int n, int ih,
                               int iw)
{
    const struct span h = covering_span(pool, ih, pool->size_h, pool->out.h),
                      w = covering_span(pool, iw, pool->size_w, pool->out.w);
    const int64_t to = pixel(pool->in, n, ih, iw);
    for (int c = 0; c < pool->in.c; c += TILE) {
        const int width = tile_width(pool->in.c, c);
        float sum[TILE] = {0};
        for (int oh = h.begin; oh < h.end; oh++)
            for (int ow = w.begin; ow < w.end; ow++) {
                const int64_t from = pixel(pool->out, n, oh, ow) + c;
                const float count = divisor(pool, window_h(pool, oh), window_w(pool, ow));
#pragma omp simd
                for (int j = 0; j < width; j++)
                    sum[j] += lane_load(dy, from + j, dtype) / count;
            }
#pragma omp simd
        for (int j = 0; j < width; j++)
            lane_store(dx, to + c + j, dtype, sum[j]);
    }
}

/* ---- rows ---- */

INLINE void forward_row(enum dtype dtype, const struct pool *pool, const struct op_call *call, int n, int oh)
{
    uint8_t *winner = call->training ? call->saved : NULL;
    for (int ow = 0; ow < pool->out.w; ow++)
        if (pool->kind == POOL_MAX)
            max_pixel(dtype, pool, call->in[0], call->out, winner, n, oh, ow);
        else
            average_pixel(dtype, pool, call->in[0], call->out, n, oh, ow);
}

INLINE void backward_row(enum dtype dtype, const struct pool *pool, const struct op_call *call, int n, int ih)
{
    for (int iw = 0; iw < pool->in.w; iw++)
        if (pool->kind == POOL_MAX)
            max_grad_pixel(dtype, pool, call->out_grad, call->in_grad[0], call->saved, n, ih, iw);
        else
            average_grad_pixel(dtype, pool, call->out_grad, call->in_grad[0], n, ih, iw);
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

static int pool_prepare(struct device *device, const struct op_desc *desc, void **state, struct op_needs *needs)
{
    (void)device;
    struct pool *pool = malloc(sizeof *pool);
    *state = pool;
    if (!pool)
        return FAIL(ERR_MEMORY, "cpu: out of memory for a layer's description; close other programs");
    const union op_params *params = desc->params;
    *pool = (struct pool){.in = desc->in[0], .out = desc->out, .dtype = desc->dtype, .kind = params->pool.kind};
    if (pool->kind == POOL_GLOBAL) {
        pool->size_h = pool->in.h;
        pool->size_w = pool->in.w;
        pool->stride = 1;
    } else {
        pool->size_h = pool->size_w = params->pool.size;
        pool->stride = params->pool.stride;
        pool->pad = params->pool.pad;
        pool->count_padding = params->pool.count_padding;
    }
    if (pool->kind == POOL_MAX && desc->training)
        needs->saved_bytes = (size_t)shape_count(desc->out);
    return OK;
}

const struct op_impl cpu_pool = {
    .prepare = pool_prepare,
    .forward = pool_forward,
    .backward = pool_backward,
    .release = free,
};
