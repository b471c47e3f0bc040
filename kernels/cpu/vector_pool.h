/* vector_pool: the loops of pooling (vector.h). Channels in vectors. The backward pass gathers, for every input pixel,
 * from the windows that cover it; where windows lie apart it writes each window's pixels, and those in none. */
#ifndef CPU_VECTOR_POOL_H
#define CPU_VECTOR_POOL_H
#include "pool.h"
#include "vector_register.h"
#include <math.h>

INLINE int64_t pixel(struct shape shape, int n, int h, int w)
{
    return (((int64_t)n * shape.h + h) * shape.w + w) * shape.c;
}

INLINE float divisor(const struct pool *pool, struct span h, struct span w)
{
    return (float)(pool->count_padding ? h.counted * w.counted : (h.end - h.begin) * (w.end - w.begin));
}

/* Four vectors of channels at a time where there are as many: enough to hide the latency of one. Calls
 * function(dtype, vectors, width of the last, ..., first channel) with constant dtype and vectors. */
enum { UNROLLED = 4 };
#define BY_CHANNELS(dtype, channels, function, ...)                                                                    \
    for (int c_ = 0, step_; c_ < (channels); c_ += step_) {                                                            \
        const int left_ = (channels)-c_;                                                                               \
        step_ = left_ >= UNROLLED * VECTOR ? UNROLLED * VECTOR : VECTOR;                                               \
        if (step_ > VECTOR)                                                                                            \
            function(dtype, UNROLLED, VECTOR, __VA_ARGS__, c_);                                                        \
        else if (left_ >= VECTOR)                                                                                      \
            function(dtype, 1, VECTOR, __VA_ARGS__, c_);                                                               \
        else                                                                                                           \
            function(dtype, 1, left_, __VA_ARGS__, c_);                                                                \
    }

/* ---- maximum ---- */

/* A window of rows x columns input pixels from `from` on, whose first has number first_tap in the kernel. torch: `value
 * > best or value is NaN` in row-major order of the window; the first one wins in any case. */
INLINE void max_window(enum dtype dtype, int vecs, int width, const struct pool *pool, const struct op_call *call,
                       int64_t from, int rows, int columns, int first_tap, int64_t to)
{
    const int channels = pool->in.c;
    const int64_t row_values = (int64_t)pool->in.w * channels;
    vector best[UNROLLED];
    vector_int taps[UNROLLED];
    for (int k = 0; k < vecs; k++) {
        best[k] = vector_load(call->in[0], from + k * VECTOR, width, dtype);
        taps[k] = (vector_int){0} + first_tap;
    }
    for (int h = 0; h < rows; h++)
        for (int w = 0; w < columns; w++) {
            const vector_int tap = (vector_int){0} + (first_tap + h * pool->size_w + w);
            for (int k = 0; k < vecs && h + w > 0; k++) {
                const vector value =
                    vector_load(call->in[0], from + h * row_values + w * channels + k * VECTOR, width, dtype);
                const vector_mask wins = mask_above_or_nan(value, best[k]);
                best[k] = (vector)vector_choose(wins, (vector_int)value, (vector_int)best[k]);
                taps[k] = vector_choose(wins, tap, taps[k]);
            }
        }
    for (int k = 0; k < vecs; k++) {
        vector_store(call->out, to + k * VECTOR, width, dtype, best[k]);
        if (call->training)
            bytes_store((uint8_t *)call->saved + to + k * VECTOR, width, taps[k]);
    }
}

INLINE void max_channels(enum dtype dtype, int vecs, int width, const struct pool *pool, const struct op_call *call,
                         int n, int oh, int ow, int c)
{
    const struct span h = pool->window_h[oh], w = pool->window_w[ow];
    const int top = oh * pool->stride - pool->pad, left = ow * pool->stride - pool->pad;
    const int rows = h.end - h.begin, columns = w.end - w.begin;
    const int first_tap = (h.begin - top) * pool->size_w + w.begin - left;
    const int64_t from = pixel(pool->in, n, h.begin, w.begin) + c, to = pixel(pool->out, n, oh, ow) + c;
    if (rows == 2 && columns == 2)
        max_window(dtype, vecs, width, pool, call, from, 2, 2, first_tap, to);
    else if (rows == 3 && columns == 3)
        max_window(dtype, vecs, width, pool, call, from, 3, 3, first_tap, to);
    else
        max_window(dtype, vecs, width, pool, call, from, rows, columns, first_tap, to);
}

INLINE void max_grad_channels(enum dtype dtype, int vecs, int width, const struct pool *pool,
                              const struct op_call *call, int n, int ih, int iw, int c)
{
    const struct span h = pool->over_h[ih], w = pool->over_w[iw];
    vector sum[UNROLLED] = {{0}};
    for (int oh = h.begin; oh < h.end; oh++)
        for (int ow = w.begin; ow < w.end; ow++) {
            const int64_t from = pixel(pool->out, n, oh, ow) + c;
            const int tap_h = ih - oh * pool->stride + pool->pad, tap_w = iw - ow * pool->stride + pool->pad;
            for (int k = 0; k < vecs; k++) {
                const vector grad = vector_load(call->out_grad, from + k * VECTOR, width, dtype);
                const vector_int taps = bytes_load((const uint8_t *)call->saved + from + k * VECTOR, width);
                sum[k] += vector_keep(mask_equal(taps, tap_h * pool->size_w + tap_w), grad);
            }
        }
    for (int k = 0; k < vecs; k++)
        vector_store(call->in_grad[0], pixel(pool->in, n, ih, iw) + c + k * VECTOR, width, dtype, sum[k]);
}

INLINE void scatter_window(enum dtype dtype, int width, const struct pool *pool, const struct op_call *call,
                           int64_t from, int64_t to, int rows, int columns)
{
    const size_t each = dtype == DT_F32 ? sizeof(float) : sizeof(uint16_t);
    const char *const grads = (const char *)call->out_grad + from * (int64_t)each;
    const vector_half taps = bytes_load_halves((const uint8_t *)call->saved + from, width);
    const vector_bits wide = __builtin_convertvector(taps, vector_bits);
    vector_half half = {0};
    vector_bits word = {0};
    vector_move(dtype == DT_F32 ? (void *)&word : (void *)&half, grads, width, each);
    for (int h = 0; h < rows; h++)
        for (int w = 0; w < columns; w++) {
            const int tap = h * columns + w;
            char *const at =
                (char *)call->in_grad[0] + (to + ((int64_t)h * pool->in.w + w) * pool->in.c) * (int64_t)each;
            if (dtype == DT_F32) {
                const vector_bits kept = word & (vector_bits)(wide == (uint32_t)tap);
                vector_move(at, &kept, width, each);
            } else {
                const vector_half kept = half & (vector_half)(taps == (uint16_t)tap);
                vector_move(at, &kept, width, each);
            }
        }
}

INLINE void scatter_channels(enum dtype dtype, int width, const struct pool *pool, const struct op_call *call,
                             int64_t from, int64_t to)
{
    if (pool->size_h == 2 && pool->size_w == 2)
        scatter_window(dtype, width, pool, call, from, to, 2, 2);
    else
        scatter_window(dtype, width, pool, call, from, to, pool->size_h, pool->size_w);
}

/* The pixels below a row of windows that lie apart, and of those in no window what comes after them. */
INLINE void scatter_row(enum dtype dtype, const struct pool *pool, const struct op_call *call, int n, int oh)
{
    const size_t each = dtype == DT_F32 ? sizeof(float) : sizeof(uint16_t);
    const int channels = pool->in.c, covered = pool->out.w * pool->size_w;
    const int first = oh * pool->size_h, end = oh + 1 == pool->out.h ? pool->in.h : first + pool->size_h;
    for (int ow = 0; ow < pool->out.w; ow++) {
        const int64_t from = pixel(pool->out, n, oh, ow), to = pixel(pool->in, n, first, ow * pool->size_w);
        int c = 0;
        for (; c + VECTOR <= channels; c += VECTOR)
            scatter_channels(dtype, VECTOR, pool, call, from + c, to + c);
        if (c < channels)
            scatter_channels(dtype, channels - c, pool, call, from + c, to + c);
    }
    for (int ih = first; ih < end; ih++) {
        const int begin = ih < first + pool->size_h ? covered : 0;
        memset((char *)call->in_grad[0] + pixel(pool->in, n, ih, begin) * (int64_t)each, 0,
               (size_t)(pool->in.w - begin) * (size_t)channels * each);
    }
}

/* ---- average ---- */

INLINE void average_channels(enum dtype dtype, int vecs, int width, const struct pool *pool, const struct op_call *call,
                             int n, int oh, int ow, int c)
{
    const struct span h = pool->window_h[oh], w = pool->window_w[ow];
    const float count = divisor(pool, h, w);
    const int64_t to = pixel(pool->out, n, oh, ow) + c;
    vector sum[UNROLLED] = {{0}};
    for (int ih = h.begin; ih < h.end; ih++)
        for (int iw = w.begin; iw < w.end; iw++)
            for (int k = 0; k < vecs; k++)
                sum[k] += vector_load(call->in[0], pixel(pool->in, n, ih, iw) + c + k * VECTOR, width, dtype);
    for (int k = 0; k < vecs; k++)
        vector_store(call->out, to + k * VECTOR, width, dtype, sum[k] / count);
}

INLINE void average_grad_channels(enum dtype dtype, int vecs, int width, const struct pool *pool,
                                  const struct op_call *call, int n, int ih, int iw, int c)
{
    const struct span h = pool->over_h[ih], w = pool->over_w[iw];
    vector sum[UNROLLED] = {{0}};
    for (int oh = h.begin; oh < h.end; oh++)
        for (int ow = w.begin; ow < w.end; ow++) {
            const float share = 1.0f / divisor(pool, pool->window_h[oh], pool->window_w[ow]);
            const int64_t from = pixel(pool->out, n, oh, ow) + c;
            for (int k = 0; k < vecs; k++)
                sum[k] += vector_load(call->out_grad, from + k * VECTOR, width, dtype) * share;
        }
    for (int k = 0; k < vecs; k++)
        vector_store(call->in_grad[0], pixel(pool->in, n, ih, iw) + c + k * VECTOR, width, dtype, sum[k]);
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

static void pool_forward(const struct pool *pool, const struct op_call *call, int image, int row)
{
    const struct pool own = *pool;
    const struct op_call own_call = *call;
    BY_DTYPE(own.dtype, forward_row, &own, &own_call, image, row);
}

static void pool_backward(const struct pool *pool, const struct op_call *call, int image, int row)
{
    const struct pool own = *pool;
    const struct op_call own_call = *call;
    if (own.apart)
        BY_DTYPE(own.dtype, scatter_row, &own, &own_call, image, row);
    else
        BY_DTYPE(own.dtype, backward_row, &own, &own_call, image, row);
}
#endif
