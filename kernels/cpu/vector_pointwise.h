/* vector_pointwise: the loops of the rectifier and of addition (vector.h). */
#ifndef CPU_VECTOR_POINTWISE_H
#define CPU_VECTOR_POINTWISE_H
#include "vector.h"
#include "vector_register.h"

/* Calls each(dtype, width, number of the first element, ...) for elements [begin, end); with constant dtype, and width
 * but at the end. */
#define EACH_VECTOR(dtype, begin, end, each, ...)                                                                      \
    do {                                                                                                               \
        int64_t i_ = (begin);                                                                                          \
        for (; i_ + VECTOR <= (end); i_ += VECTOR)                                                                     \
            each(dtype, VECTOR, i_, __VA_ARGS__);                                                                      \
        if (i_ < (end))                                                                                                \
            each(dtype, (int)((end)-i_), i_, __VA_ARGS__);                                                             \
    } while (0)
#define POINTWISE(dtype, begin, end, each, ...)                                                                        \
    do {                                                                                                               \
        if ((dtype) == DT_F32)                                                                                         \
            EACH_VECTOR(DT_F32, begin, end, each, __VA_ARGS__);                                                        \
        else                                                                                                           \
            EACH_VECTOR(DT_BF16, begin, end, each, __VA_ARGS__);                                                       \
    } while (0)

INLINE void relu_one(enum dtype dtype, int width, int64_t i, const void *x, void *y)
{
    const vector value = vector_load(x, i, width, dtype);
    vector_store(y, i, width, dtype, vector_keep(mask_passes(value), value));
}

INLINE void relu_grad_one(enum dtype dtype, int width, int64_t i, const void *y, const void *dy, void *dx)
{
    const vector grad = vector_load(dy, i, width, dtype);
    vector_store(dx, i, width, dtype, vector_keep(mask_passes(vector_load(y, i, width, dtype)), grad));
}

INLINE void add_one(enum dtype dtype, int width, int64_t i, const void *a, const void *b, void *y)
{
    vector_store(y, i, width, dtype, vector_load(a, i, width, dtype) + vector_load(b, i, width, dtype));
}

static void relu(enum dtype dtype, const void *x, void *y, int64_t begin, int64_t end)
{
    POINTWISE(dtype, begin, end, relu_one, x, y);
}

static void relu_grad(enum dtype dtype, const void *y, const void *dy, void *dx, int64_t begin, int64_t end)
{
    POINTWISE(dtype, begin, end, relu_grad_one, y, dy, dx);
}

static void add(enum dtype dtype, const void *a, const void *b, void *y, int64_t begin, int64_t end)
{
    POINTWISE(dtype, begin, end, add_one, a, b, y);
}
#endif
