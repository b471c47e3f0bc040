/* depthwise: what a depthwise convolution is. Private to kernels/cpu/. */
#ifndef CPU_DEPTHWISE_H
#define CPU_DEPTHWISE_H
#include "conv.h"
#include "vector.h"

/* One dimension: positions read `from` positions through taps. */
struct axis {
    int size, from, kernel, stride, pad;
};

struct depthwise {
    struct conv conv;
    const struct vector_kernel *vector;
    struct shape in, out;
    struct axis high, wide;
    bool bias;
    enum dtype dtype;
    int taps, slices;
};
#endif
