/* pool: maximum, average and global average over windows of an NHWC image. Knows nothing of the graph.
 *
 * A thread has one pack of channels of one pixel: of an output forward, of an input backward, where it gathers from the
 * windows that cover it, so that nothing is zeroed first and nothing depends on an order. Every tensor is read from
 * memory once; where windows overlap the caches serve the rest. Bytes per output element in bf16, s inputs per output:
 * 2s + 2 each way, and 1 for the maximum's winner (a window has at most 15 x 15 places). Channels that are no whole
 * packs go one by one. */
#include "rows.cuh"
#include <math.h>
#include <stdlib.h>

using namespace gpu;

struct pool {
    struct shape in, out;
    enum dtype dtype;
    enum pool_kind kind;
    int size_h, size_w, stride, pad; /* global: one window, the image */
    bool count_padding;
};

/* ---- windows ---- */

/* A range of pixels, in one direction. counted: its length when padding counts. */
struct span {
    int begin, end, counted;
};

__device__ inline struct span window_span(const struct pool &pool, int position, int size, int limit)
{
    struct span span;
    span.begin = position * pool.stride - pool.pad;
    span.end = span.begin + size;
    span.counted = (span.end < limit + pool.pad ? span.end : limit + pool.pad) - span.begin;
    if (span.begin < 0)
        span.begin = 0;
    if (span.end > limit)
        span.end = limit;
    return span;
}

/* The windows over an input pixel. */
__device__ inline struct span over_span(const struct pool &pool, int position, int size, int count)
{
    const int padded = position + pool.pad;
    struct span span = {padded < size ? 0 : (padded - size) / pool.stride + 1, padded / pool.stride + 1, 0};
    if (span.end > count)
        span.end = count;
    return span;
}

__device__ inline float divisor(const struct pool &pool, struct span h, struct span w)
{
    return float(pool.count_padding ? h.counted * w.counted : (h.end - h.begin) * (w.end - w.begin));
}

/* The pixel and first channel of a thread's pack. */
struct spot {
    int n, h, w, c;
};

template <int N> __device__ inline struct spot spot_of(struct shape shape, unsigned pack)
{
    const unsigned packs = unsigned(shape.c) / N, pixel = pack / packs, row = pixel / unsigned(shape.w);
    return {int(row / unsigned(shape.h)), int(row % unsigned(shape.h)), int(pixel % unsigned(shape.w)),
            int(pack % packs * N)};
}

__device__ inline int64_t element(struct shape shape, int n, int h, int w, int c)
{
    return ((int64_t(n) * shape.h + h) * shape.w + w) * shape.c + c;
}

/* ---- maximum ---- */

/* torch: `value > best or value is NaN` in row-major order of the window, from -inf at its first pixel. winners: or
 * NULL. */
template <class T, int N>
static __global__ void __launch_bounds__(THREADS, 4)
    maximum(struct pool pool, unsigned packs, const T *x, T *y, uint8_t *winners)
{
    const unsigned pack = unsigned(grid_thread());
    if (pack >= packs)
        return;
    const struct spot at = spot_of<N>(pool.out, pack);
    const struct span h = window_span(pool, at.h, pool.size_h, pool.in.h);
    const struct span w = window_span(pool, at.w, pool.size_w, pool.in.w);
    const int top = at.h * pool.stride - pool.pad, left = at.w * pool.stride - pool.pad;
    float best[N];
    uint8_t winner[N];
    for (int j = 0; j < N; j++) {
        best[j] = -INFINITY;
        winner[j] = uint8_t((h.begin - top) * pool.size_w + w.begin - left);
    }
    for (int ih = h.begin; ih < h.end; ih++)
        for (int iw = w.begin; iw < w.end; iw++) {
            float value[N];
            load_floats<N>(value, x + element(pool.in, at.n, ih, iw, at.c));
            for (int j = 0; j < N; j++)
                if (value[j] > best[j] || value[j] != value[j]) {
                    best[j] = value[j];
                    winner[j] = uint8_t((ih - top) * pool.size_w + iw - left);
                }
        }
    store_floats<N>(y + int64_t(pack) * N, best);
    if (winners)
        store<N>(winners + int64_t(pack) * N, winner);
}

template <class T, int N>
static __global__ void __launch_bounds__(THREADS, 4)
    maximum_grad(struct pool pool, unsigned packs, const T *dy, const uint8_t *winners, T *dx)
{
    const unsigned pack = unsigned(grid_thread());
    if (pack >= packs)
        return;
    const struct spot at = spot_of<N>(pool.in, pack);
    const struct span h = over_span(pool, at.h, pool.size_h, pool.out.h);
    const struct span w = over_span(pool, at.w, pool.size_w, pool.out.w);
    float sum[N] = {};
    for (int oh = h.begin; oh < h.end; oh++)
        for (int ow = w.begin; ow < w.end; ow++) {
            const int64_t from = element(pool.out, at.n, oh, ow, at.c);
            const int place = (at.h - oh * pool.stride + pool.pad) * pool.size_w + at.w - ow * pool.stride + pool.pad;
            float grad[N];
            uint8_t winner[N];
            load_floats<N>(grad, dy + from);
            load<N>(winner, winners + from);
            for (int j = 0; j < N; j++)
                sum[j] += winner[j] == place ? grad[j] : 0.0f;
        }
    store_floats<N>(dx + int64_t(pack) * N, sum);
}

/* ---- average ---- */

template <class T, int N>
static __global__ void __launch_bounds__(THREADS, 4) average(struct pool pool, unsigned packs, const T *x, T *y)
{
    const unsigned pack = unsigned(grid_thread());
    if (pack >= packs)
        return;
    const struct spot at = spot_of<N>(pool.out, pack);
    const struct span h = window_span(pool, at.h, pool.size_h, pool.in.h);
    const struct span w = window_span(pool, at.w, pool.size_w, pool.in.w);
    const float count = divisor(pool, h, w);
    float sum[N] = {};
    for (int ih = h.begin; ih < h.end; ih++)
        for (int iw = w.begin; iw < w.end; iw++) {
            float value[N];
            load_floats<N>(value, x + element(pool.in, at.n, ih, iw, at.c));
            for (int j = 0; j < N; j++)
                sum[j] += value[j];
        }
    for (int j = 0; j < N; j++)
        sum[j] /= count;
    store_floats<N>(y + int64_t(pack) * N, sum);
}

/* For the global average too: its one window covers every pixel. */
template <class T, int N>
static __global__ void __launch_bounds__(THREADS, 3) average_grad(struct pool pool, unsigned packs, const T *dy, T *dx)
{
    const unsigned pack = unsigned(grid_thread());
    if (pack >= packs)
        return;
    const struct spot at = spot_of<N>(pool.in, pack);
    const struct span h = over_span(pool, at.h, pool.size_h, pool.out.h);
    const struct span w = over_span(pool, at.w, pool.size_w, pool.out.w);
    float sum[N] = {};
    for (int oh = h.begin; oh < h.end; oh++)
        for (int ow = w.begin; ow < w.end; ow++) {
            const float share = 1.0f / divisor(pool, window_span(pool, oh, pool.size_h, pool.in.h),
                                               window_span(pool, ow, pool.size_w, pool.in.w));
            float grad[N];
            load_floats<N>(grad, dy + element(pool.out, at.n, oh, ow, at.c));
            for (int j = 0; j < N; j++)
                sum[j] += grad[j] * share;
        }
    store_floats<N>(dx + int64_t(pack) * N, sum);
}

/* A block sums a tile of one image's channels: its strands share the pixels. */
template <class T, int N>
static __global__ void __launch_bounds__(THREADS, 4)
    global_average(struct shape in, int columns, int strands, const T *x, T *y)
{
    SHARED(float, parts, [N * THREADS]);
    const int pixels = in.h * in.w, strand = int(threadIdx.x) / columns;
    const int c = (int(blockIdx.y) * columns + int(threadIdx.x) % columns) * N;
    const bool working = strand < strands && c < in.c;
    const T *const image = x + int64_t(blockIdx.x) * pixels * in.c + c;
    float sum[N] = {};
    for (int pixel = strand; working && pixel < pixels; pixel += strands) {
        float value[N];
        load_floats<N>(value, image + int64_t(pixel) * in.c);
        for (int j = 0; j < N; j++)
            sum[j] += value[j];
    }
    merge_strands<N>(columns, strands, parts, sum, [](float a, float b) { return a + b; });
    if (working && strand == 0) {
        for (int j = 0; j < N; j++)
            sum[j] /= float(pixels);
        store_floats<N>(y + int64_t(blockIdx.x) * in.c + c, sum);
    }
}

/* ---- launching ---- */

static unsigned pack_blocks(unsigned packs)
{
    return unsigned(rows_divide(packs, THREADS));
}

template <class T, int N> static int forward(struct device *device, const struct pool *pool, const struct op_call *call)
{
    const T *const x = (const T *)call->in[0];
    T *const y = (T *)call->out;
    const unsigned packs = unsigned(shape_count(pool->out) / N);
    if (pool->kind == POOL_MAX) {
        CUDA_TRY(launch(maximum<T, N>, pack_blocks(packs), THREADS, 0, device->stream, *pool, packs, x, y,
                        (uint8_t *)(call->training ? call->saved : NULL)));
    } else if (pool->kind == POOL_AVERAGE) {
        CUDA_TRY(launch(average<T, N>, pack_blocks(packs), THREADS, 0, device->stream, *pool, packs, x, y));
    } else {
        const int across = pool->in.c / N, tiles = int(rows_divide(across, COLUMNS_MOST));
        const int columns = int(rows_divide(across, tiles));
        CUDA_TRY(launch(global_average<T, N>, dim3(unsigned(pool->in.n), unsigned(tiles)), THREADS, 0, device->stream,
                        pool->in, columns, THREADS / columns, x, y));
    }
    return OK;
}

template <class T, int N>
static int backward(struct device *device, const struct pool *pool, const struct op_call *call)
{
    const T *const dy = (const T *)call->out_grad;
    T *const dx = (T *)call->in_grad[0];
    const unsigned packs = unsigned(shape_count(pool->in) / N);
    if (pool->kind == POOL_MAX)
        CUDA_TRY(launch(maximum_grad<T, N>, pack_blocks(packs), THREADS, 0, device->stream, *pool, packs, dy,
                        (const uint8_t *)call->saved, dx));
    else
        CUDA_TRY(launch(average_grad<T, N>, pack_blocks(packs), THREADS, 0, device->stream, *pool, packs, dy, dx));
    return OK;
}

static int pool_forward(struct device *device, const struct op_call *call)
{
    const struct pool *pool = (const struct pool *)call->state;
    return for_dtype(pool->dtype, [&](auto type) {
        using T = decltype(type);
        return pool->in.c % PACK<T> == 0 ? forward<T, PACK<T>>(device, pool, call) : forward<T, 1>(device, pool, call);
    });
}

static int pool_backward(struct device *device, const struct op_call *call)
{
    const struct pool *pool = (const struct pool *)call->state;
    if (!call->in_grad[0])
        return OK;
    return for_dtype(pool->dtype, [&](auto type) {
        using T = decltype(type);
        return pool->in.c % PACK<T> == 0 ? backward<T, PACK<T>>(device, pool, call)
                                         : backward<T, 1>(device, pool, call);
    });
}

static int pool_prepare(struct device *, const struct op_desc *desc, void **state, struct op_needs *needs)
{
    const union op_params *params = desc->params;
    const struct shape in = desc->in[0], out = desc->out;
    const bool global = params->pool.kind == POOL_GLOBAL;
    *state = NULL;
    if (shape_count(in) > INT32_MAX || shape_count(out) > INT32_MAX)
        return FAIL(ERR_UNSUPPORTED, "cuda: pooling of %lld values is too large; use a smaller train.batch_size",
                    (long long)shape_count(in));
    struct pool *pool = (struct pool *)malloc(sizeof *pool);
    if (!pool)
        return FAIL(ERR_MEMORY, "cuda: out of memory for a layer's description; close other programs");
    *pool = {in,
             out,
             desc->dtype,
             params->pool.kind,
             global ? in.h : params->pool.size,
             global ? in.w : params->pool.size,
             global ? 1 : params->pool.stride,
             global ? 0 : params->pool.pad,
             !global && params->pool.count_padding};
    if (pool->kind == POOL_MAX && desc->training)
        needs->saved_bytes = size_t(shape_count(out));
    *state = pool;
    return OK;
}

extern "C" const struct op_impl cuda_pool = {
    pool_prepare, pool_forward, pool_backward, NULL, free, NULL, NULL,
};
