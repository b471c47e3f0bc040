/* vector_norm_pool: the loops of a normalisation with rectifier and the maximum pooling after it in one (vector.h):
 * what lies between is neither written nor read. Windows are squares that lie apart; begin and end are rows of them,
 * counted through all images. */
#ifndef CPU_VECTOR_NORM_POOL_H
#define CPU_VECTOR_NORM_POOL_H
#include "pool.h"
#include "vector_norm.h"

/* The first number below a row of windows, of x. */
INLINE int64_t below(const struct pool *pool, int64_t row)
{
    const int64_t image = row / pool->out.h, line = row % pool->out.h * pool->size_h;
    return (image * pool->in.h + line) * pool->in.w * pool->in.c;
}

/* Calls each(dtype, width, side of a window, rows, row of windows, channel), with a constant side of 2. */
#define WINDOW_CHANNELS(each, dtype, side, rows, row)                                                                  \
    do {                                                                                                               \
        const int channels_ = (rows)->pool->in.c;                                                                      \
        int c_ = 0;                                                                                                    \
        for (; c_ + VECTOR <= channels_; c_ += VECTOR)                                                                 \
            each(dtype, VECTOR, side, rows, row, c_);                                                                  \
        if (c_ < channels_)                                                                                            \
            each(dtype, channels_ - c_, side, rows, row, c_);                                                          \
    } while (0)
#define WINDOW_ROWS(each, dtype, rows)                                                                                 \
    for (int64_t row_ = (rows)->begin; row_ < (rows)->end; row_++)                                                     \
        if ((rows)->pool->size_h == 2)                                                                                 \
            WINDOW_CHANNELS(each, dtype, 2, rows, row_);                                                               \
        else                                                                                                           \
            WINDOW_CHANNELS(each, dtype, (rows)->pool->size_h, rows, row_)
#define WINDOWS_BY_DTYPE(each, rows)                                                                                   \
    do {                                                                                                               \
        const struct norm_rows own_ = *(rows);                                                                         \
        if (own_.dtype == DT_F32)                                                                                      \
            WINDOW_ROWS(each, DT_F32, &own_);                                                                          \
        else                                                                                                           \
            WINDOW_ROWS(each, DT_BF16, &own_);                                                                         \
    } while (0)

/* ---- forward ---- */

INLINE void apply_windows(enum dtype dtype, int width, int side, const struct norm_rows *rows, int64_t row, int c)
{
    const struct pool *pool = rows->pool;
    const ptrdiff_t channels = pool->in.c, line = channels * pool->in.w;
    const vector mean = lanes_of(rows->mean, c, width), scale = lanes_of(rows->scale, c, width);
    const vector bias = lanes_of(rows->bias, c, width);
    int64_t from = below(pool, row) + c, to = row * pool->out.w * channels + c;
    for (int ow = 0; ow < pool->out.w; ow++, from += side * channels, to += channels) {
        vector best = {0}, largest = {0};
        vector_int taps = {0};
        for (int h = 0; h < side; h++)
            for (int w = 0; w < side; w++) {
                const vector x = vector_load(rows->x, from + h * line + w * channels, width, dtype);
                vector value = (x - mean) * scale + bias;
                /* Rounded as if it were stored in between, so that the first of equal ones wins likewise. */
                value = vector_rounded(dtype, vector_keep(mask_passes(value), value));
                if (h + w == 0) {
                    best = value;
                    largest = x;
                    continue;
                }
                const vector_mask wins = mask_above_or_nan(value, best);
                best = (vector)vector_choose(wins, (vector_int)value, (vector_int)best);
                largest = (vector)vector_choose(wins, (vector_int)x, (vector_int)largest);
                taps = vector_choose(wins, (vector_int){0} + (h * side + w), taps);
            }
        vector_store(rows->to, to, width, dtype, best);
        if (!rows->taps)
            continue;
        bytes_store(rows->taps + to, width, taps);
        vector_store(rows->largest, to, width, dtype, largest);
    }
}

static void norm_apply_pooled(const struct norm_rows *rows)
{
    WINDOWS_BY_DTYPE(apply_windows, rows);
}

/* ---- backward ---- */

/* A window's gradient behind the rectifier: of its largest value alone, which is the pooling's result. */
INLINE vector window_grad(enum dtype dtype, int width, const struct norm_rows *rows, int64_t at)
{
    const vector grad = vector_load(rows->dy, at, width, dtype);
    return vector_keep(mask_passes(vector_load(rows->y, at, width, dtype)), grad);
}

INLINE void grad_sums_windows(enum dtype dtype, int width, int side, const struct norm_rows *rows, int64_t row, int c)
{
    (void)side;
    const struct pool *pool = rows->pool;
    const ptrdiff_t channels = pool->in.c;
    const vector mean = lanes_of(rows->mean, c, width);
    vector sum = lanes_of(rows->sum, c, width), product = lanes_of(rows->product, c, width);
    int64_t at = row * pool->out.w * channels + c;
    for (int ow = 0; ow < pool->out.w; ow++, at += channels) {
        const vector grad = window_grad(dtype, width, rows, at);
        sum += grad;
        product += grad * (vector_load(rows->largest, at, width, dtype) - mean);
    }
    vector_store(rows->sum, c, width, DT_F32, sum);
    vector_store(rows->product, c, width, DT_F32, product);
}

static void norm_grad_sums_pooled(const struct norm_rows *rows)
{
    WINDOWS_BY_DTYPE(grad_sums_windows, rows);
}

/* Pixels that are in no window, one after another. */
INLINE void grads_outside(enum dtype dtype, int width, const struct norm_rows *rows, int64_t at, int64_t pixels, int c)
{
    const ptrdiff_t channels = rows->pool->in.c;
    const vector mean = lanes_of(rows->mean, c, width), scale = lanes_of(rows->scale, c, width);
    const vector shift = lanes_of(rows->shift, c, width), slope = lanes_of(rows->slope, c, width);
    for (int64_t i = 0; i < pixels; i++, at += channels) {
        const vector deviation = vector_load(rows->x, at, width, dtype) - mean;
        vector_store(rows->to, at, width, dtype, scale * ((vector){0} - shift - deviation * slope));
    }
}

INLINE void grads_windows(enum dtype dtype, int width, int side, const struct norm_rows *rows, int64_t row, int c)
{
    const struct pool *pool = rows->pool;
    const ptrdiff_t channels = pool->in.c, line = channels * pool->in.w;
    const vector mean = lanes_of(rows->mean, c, width), scale = lanes_of(rows->scale, c, width);
    const vector shift = lanes_of(rows->shift, c, width), slope = lanes_of(rows->slope, c, width);
    const int64_t first = below(pool, row) + c, covered = (int64_t)pool->out.w * side;
    int64_t from = first, at = row * pool->out.w * channels + c;
    for (int ow = 0; ow < pool->out.w; ow++, from += side * channels, at += channels) {
        const vector whole = window_grad(dtype, width, rows, at);
        const vector_int taps = bytes_load(rows->taps + at, width);
        for (int h = 0; h < side; h++)
            for (int w = 0; w < side; w++) {
                const int64_t place = from + h * line + w * channels;
                const vector deviation = vector_load(rows->x, place, width, dtype) - mean;
                const vector grad = vector_keep(mask_equal(taps, h * side + w), whole);
                vector_store(rows->to, place, width, dtype, scale * (grad - shift - deviation * slope));
            }
    }
    for (int h = 0; h < side; h++)
        grads_outside(dtype, width, rows, first + h * line + covered * channels, pool->in.w - covered, c);
    if (row % pool->out.h == pool->out.h - 1)
        grads_outside(dtype, width, rows, first + side * line, (int64_t)(pool->in.h - pool->out.h * side) * pool->in.w,
                      c);
}

static void norm_grads_pooled(const struct norm_rows *rows)
{
    WINDOWS_BY_DTYPE(grads_windows, rows);
}
#endif
