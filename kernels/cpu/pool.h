/* pool: what a pooling layer is. Private to kernels/cpu/. */
#ifndef CPU_POOL_H
#define CPU_POOL_H
#include "vector.h"

/* A range of pixels, in one direction. counted: its length when padding counts. */
struct span {
    int begin, end, counted;
};

struct pool {
    const struct vector_kernel *vector;
    struct shape in, out;
    enum dtype dtype;
    enum pool_kind kind;
    int size_h, size_w, stride, pad; /* global: one window, the image */
    bool count_padding;
    bool apart; /* maximum: no pixel is in two windows, and all windows are whole */
    /* Input pixels in a window, by its number; windows over an input pixel, by its position. */
    struct span *window_h, *window_w, *over_h, *over_w, spans[];
};

/* Whether no pixel is in two windows and all windows are whole. */
static inline bool pool_lies_apart(const union op_params *params, struct shape in)
{
    const int size = params->pool.size;
    return params->pool.stride == size && params->pool.pad == 0 &&
           (!params->pool.ceil || (in.h % size == 0 && in.w % size == 0));
}
#endif
