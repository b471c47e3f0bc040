/* pool: maximum, average and global average over windows of an NHWC image; its loops are vector_pool.h's. Needs no
 * zeroed buffer and no order between threads. */
#include "pool.h"
#include <stdlib.h>

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

static int pool_forward(struct device *device, const struct op_call *call)
{
    const struct pool *pool = call->state;
    if (call->pooled_by && !call->apart)
        return OK;
#pragma omp parallel for collapse(2) schedule(static) num_threads(device->threads)
    for (int n = 0; n < pool->out.n; n++)
        for (int oh = 0; oh < pool->out.h; oh++)
            pool->vector->pool_forward(pool, call, n, oh);
    return OK;
}

static int pool_backward(struct device *device, const struct op_call *call)
{
    const struct pool *pool = call->state;
    const int rows = pool->apart ? pool->out.h : pool->in.h;
    if (!call->in_grad[0] || call->pooled_by)
        return OK;
#pragma omp parallel for collapse(2) schedule(static) num_threads(device->threads)
    for (int n = 0; n < pool->in.n; n++)
        for (int row = 0; row < rows; row++)
            pool->vector->pool_backward(pool, call, n, row);
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
    const union op_params *params = desc->params;
    const struct shape in = desc->in[0], out = desc->out;
    const size_t span_count = (size_t)in.h + (size_t)in.w + (size_t)out.h + (size_t)out.w;
    struct pool *pool = malloc(sizeof *pool + span_count * sizeof *pool->spans);
    *state = pool;
    if (!pool)
        return FAIL(ERR_MEMORY, "cpu: out of memory for a layer's description; close other programs");
    *pool =
        (struct pool){.vector = device->vector, .in = in, .out = out, .dtype = desc->dtype, .kind = params->pool.kind};
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
    pool->apart = pool->kind == POOL_MAX && pool_lies_apart(params, in);
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
