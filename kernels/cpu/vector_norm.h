/* vector_norm: the loops of batch normalisation (vector.h), lane by lane and row after row, so that sums do not depend
 * on the width of registers. */
#ifndef CPU_VECTOR_NORM_H
#define CPU_VECTOR_NORM_H
#include "vector.h"
#include "vector_register.h"

/* Rows that are taken together, so that what is per lane is read once for all of them. */
enum { NORM_ROWS = 4 };

/* Calls each(dtype, width, rows, pass, number of the first row's first lane, lane) for all lanes of some rows; with
 * constant width and rows but at the end. */
#define NORM_LANES(each, dtype, rows, pass, first, lanes)                                                              \
    do {                                                                                                               \
        int lane_ = 0;                                                                                                 \
        for (; lane_ + VECTOR <= (lanes); lane_ += VECTOR)                                                             \
            each(dtype, VECTOR, rows, pass, (first) + lane_, lane_);                                                   \
        if (lane_ < (lanes))                                                                                           \
            each(dtype, (lanes)-lane_, rows, pass, (first) + lane_, lane_);                                            \
    } while (0)
#define NORM_WALK(each, dtype, pass)                                                                                   \
    do {                                                                                                               \
        const int64_t end_ = (pass)->end, apart_ = (pass)->apart;                                                      \
        const int lanes_ = (pass)->lanes;                                                                              \
        int64_t at_ = (pass)->begin;                                                                                   \
        for (; at_ + NORM_ROWS * apart_ <= end_; at_ += NORM_ROWS * apart_)                                            \
            NORM_LANES(each, dtype, NORM_ROWS, pass, at_, lanes_);                                                     \
        for (; at_ < end_; at_ += apart_) {                                                                            \
            const int there_ = end_ - at_ < lanes_ ? (int)(end_ - at_) : lanes_;                                       \
            NORM_LANES(each, dtype, 1, pass, at_, there_);                                                             \
        }                                                                                                              \
    } while (0)
/* A copy of what a pass is, since nothing that is written can be part of that. */
#define NORM_BY_DTYPE(each, pass)                                                                                      \
    do {                                                                                                               \
        const struct norm_rows own_ = *(pass);                                                                         \
        if (own_.dtype == DT_F32)                                                                                      \
            NORM_WALK(each, DT_F32, &own_);                                                                            \
        else                                                                                                           \
            NORM_WALK(each, DT_BF16, &own_);                                                                           \
    } while (0)

INLINE vector lanes_of(const float *values, int lane, int width)
{
    return vector_load(values, lane, width, DT_F32);
}

INLINE void sum_lanes(enum dtype dtype, int width, int rows, const struct norm_rows *pass, int64_t at, int lane)
{
    vector sum = lanes_of(pass->sum, lane, width);
    for (int r = 0; r < rows; r++, at += pass->apart)
        sum += vector_load(pass->x, at, width, dtype);
    vector_store(pass->sum, lane, width, DT_F32, sum);
}

INLINE void squares_lanes(enum dtype dtype, int width, int rows, const struct norm_rows *pass, int64_t at, int lane)
{
    const vector mean = lanes_of(pass->mean, lane, width);
    vector sum = lanes_of(pass->sum, lane, width);
    for (int r = 0; r < rows; r++, at += pass->apart) {
        const vector deviation = vector_load(pass->x, at, width, dtype) - mean;
        sum += deviation * deviation;
    }
    vector_store(pass->sum, lane, width, DT_F32, sum);
}

static void norm_sum(const struct norm_rows *pass)
{
    NORM_BY_DTYPE(sum_lanes, pass);
}

static void norm_squares(const struct norm_rows *pass)
{
    NORM_BY_DTYPE(squares_lanes, pass);
}

/* ---- forward ---- */

INLINE void apply_lanes(enum dtype dtype, int width, int rows, const struct norm_rows *pass, int64_t at, int lane,
                        bool relu, bool add)
{
    const vector mean = lanes_of(pass->mean, lane, width), scale = lanes_of(pass->scale, lane, width);
    const vector bias = lanes_of(pass->bias, lane, width);
    for (int r = 0; r < rows; r++, at += pass->apart) {
        vector value = (vector_load(pass->x, at, width, dtype) - mean) * scale + bias;
        if (add)
            value += vector_load(pass->addend, at, width, dtype);
        if (relu)
            value = vector_keep(mask_passes(value), value);
        vector_store(pass->to, at, width, dtype, value);
    }
}

#define APPLY_RELU_ADD(...) apply_lanes(__VA_ARGS__, true, true)
#define APPLY_RELU(...)     apply_lanes(__VA_ARGS__, true, false)
#define APPLY_ADD(...)      apply_lanes(__VA_ARGS__, false, true)
#define APPLY(...)          apply_lanes(__VA_ARGS__, false, false)

static void norm_apply(const struct norm_rows *pass)
{
    if (pass->relu && pass->addend)
        NORM_BY_DTYPE(APPLY_RELU_ADD, pass);
    else if (pass->relu)
        NORM_BY_DTYPE(APPLY_RELU, pass);
    else if (pass->addend)
        NORM_BY_DTYPE(APPLY_ADD, pass);
    else
        NORM_BY_DTYPE(APPLY, pass);
}

INLINE void make_lanes(enum dtype dtype, int width, const struct norm_copy *copy, int lane)
{
    const struct norm_made *made = &copy->made;
    const vector mean = lanes_of(made->mean, lane, width), scale = lanes_of(made->scale, lane, width);
    const vector bias = lanes_of(made->bias, lane, width);
    const char *from = copy->from;
    char *to = copy->to;
    for (int p = 0; p < copy->pixels; p++, from += copy->from_apart, to += copy->to_apart) {
        const vector value = (vector_load(from, lane, width, dtype) - mean) * scale + bias;
        vector_store(to, lane, width, dtype, vector_keep(mask_passes(value), value));
    }
}

#define MAKE_LANES(dtype, copy)                                                                                        \
    do {                                                                                                               \
        int lane_ = 0;                                                                                                 \
        for (; lane_ + VECTOR <= (copy)->lanes; lane_ += VECTOR)                                                       \
            make_lanes(dtype, VECTOR, copy, lane_);                                                                    \
        if (lane_ < (copy)->lanes)                                                                                     \
            make_lanes(dtype, (copy)->lanes - lane_, copy, lane_);                                                     \
    } while (0)

static void norm_make(const struct norm_copy *copy)
{
    const struct norm_copy own = *copy;
    if (own.dtype == DT_F32)
        MAKE_LANES(DT_F32, &own);
    else
        MAKE_LANES(DT_BF16, &own);
}

/* ---- backward ---- */

/* Gates: gate is a constant where this is inlined. */
INLINE vector gated(enum dtype dtype, int width, const struct norm_rows *pass, int64_t at, enum norm_gate gate,
                    vector deviation, vector scale, vector bias)
{
    const vector grad = vector_load(pass->dy, at, width, dtype);
    if (gate == GATE_VALUE)
        return vector_keep(mask_passes(deviation * scale + bias), grad);
    if (gate == GATE_OUT)
        return vector_keep(mask_passes(vector_load(pass->y, at, width, dtype)), grad);
    return grad;
}

INLINE void grad_sums_lanes(enum dtype dtype, int width, int rows, const struct norm_rows *pass, int64_t at, int lane,
                            enum norm_gate gate, bool add)
{
    const vector mean = lanes_of(pass->mean, lane, width), scale = lanes_of(pass->scale, lane, width);
    const vector bias = lanes_of(pass->bias, lane, width);
    vector sum = lanes_of(pass->sum, lane, width), product = lanes_of(pass->product, lane, width);
    for (int r = 0; r < rows; r++, at += pass->apart) {
        const vector deviation = vector_load(pass->x, at, width, dtype) - mean;
        const vector grad = gated(dtype, width, pass, at, gate, deviation, scale, bias);
        if (add)
            vector_store(pass->addend_grad, at, width, dtype, grad);
        sum += grad;
        product += grad * deviation;
    }
    vector_store(pass->sum, lane, width, DT_F32, sum);
    vector_store(pass->product, lane, width, DT_F32, product);
}

#define GRAD_SUMS_OUT_ADD(...) grad_sums_lanes(__VA_ARGS__, GATE_OUT, true)
#define GRAD_SUMS_OUT(...)     grad_sums_lanes(__VA_ARGS__, GATE_OUT, false)
#define GRAD_SUMS_VALUE(...)   grad_sums_lanes(__VA_ARGS__, GATE_VALUE, false)
#define GRAD_SUMS_ADD(...)     grad_sums_lanes(__VA_ARGS__, GATE_NONE, true)
#define GRAD_SUMS(...)         grad_sums_lanes(__VA_ARGS__, GATE_NONE, false)

static void norm_grad_sums(const struct norm_rows *pass)
{
    if (pass->gate == GATE_OUT && pass->addend_grad)
        NORM_BY_DTYPE(GRAD_SUMS_OUT_ADD, pass);
    else if (pass->gate == GATE_OUT)
        NORM_BY_DTYPE(GRAD_SUMS_OUT, pass);
    else if (pass->gate == GATE_VALUE)
        NORM_BY_DTYPE(GRAD_SUMS_VALUE, pass);
    else if (pass->addend_grad)
        NORM_BY_DTYPE(GRAD_SUMS_ADD, pass);
    else
        NORM_BY_DTYPE(GRAD_SUMS, pass);
}

INLINE void grads_lanes(enum dtype dtype, int width, int rows, const struct norm_rows *pass, int64_t at, int lane,
                        enum norm_gate gate)
{
    const vector mean = lanes_of(pass->mean, lane, width), scale = lanes_of(pass->scale, lane, width);
    const vector bias = lanes_of(pass->bias, lane, width);
    const vector shift = lanes_of(pass->shift, lane, width), slope = lanes_of(pass->slope, lane, width);
    for (int r = 0; r < rows; r++, at += pass->apart) {
        const vector deviation = vector_load(pass->x, at, width, dtype) - mean;
        const vector grad = gated(dtype, width, pass, at, gate, deviation, scale, bias);
        vector_store(pass->to, at, width, dtype, scale * (grad - shift - deviation * slope));
    }
}

#define GRADS_OUT(...)   grads_lanes(__VA_ARGS__, GATE_OUT)
#define GRADS_VALUE(...) grads_lanes(__VA_ARGS__, GATE_VALUE)
#define GRADS(...)       grads_lanes(__VA_ARGS__, GATE_NONE)

static void norm_grads(const struct norm_rows *pass)
{
    if (pass->gate == GATE_OUT)
        NORM_BY_DTYPE(GRADS_OUT, pass);
    else if (pass->gate == GATE_VALUE)
        NORM_BY_DTYPE(GRADS_VALUE, pass);
    else
        NORM_BY_DTYPE(GRADS, pass);
}
#endif
