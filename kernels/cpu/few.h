/* few: what a convolution of few numbers is. Private to kernels/cpu/. */
#ifndef CPU_FEW_H
#define CPU_FEW_H
#include "conv.h"
#include "vector.h"

struct few {
    struct conv conv;
    const struct vector_kernel *vector;
    struct shape in, out;
    int kernel_h, kernel_w, stride, pad_h, pad_w;
    bool bias;
    enum dtype dtype;
    int numbers; /* that a result is made of */
    int filters; /* out.c, rounded up to whole vectors of every set */
    int line;    /* numbers of a source row with its border */
    int band;    /* output rows of a unit, of one image */
    int bands, units;
    int slices; /* of units, whose gradients are summed on their own */
    size_t thread_bytes;
};

/* Some output rows of an image. Arrays of floats are per filter. */
struct few_rows {
    const struct few *layer;
    const float *source;  /* what they read, with its border: line numbers a row */
    const float *weights; /* [numbers][filters] */
    const float *bias;
    const void *out_grad; /* the first row's */
    void *out;            /* likewise */
    int rows;
    /* Forward: NULL, or what the sums and squares of the results' distances from the first one are left in. */
    float *sum, *squares;
    float *sums; /* backward: [numbers][filters], then the bias's: added to */
};
#endif
