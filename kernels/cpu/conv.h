/* conv: the implementations of convolution, between which conv.c chooses. Private to kernels/cpu/. */
#ifndef CPU_CONV_H
#define CPU_CONV_H
#include "vector.h"

/* What a convolution's forward pass leaves of its output for the normalisation after it, in its saved memory: the
 * output is cut into parts, a function of shapes alone; of each per channel the mean and the sum of squared deviations
 * from it, and after those of all parts each part's pixels. */
struct conv_sums {
    int parts;   /* 0: none */
    int64_t row; /* floats per channel, padded */
};

/* The first member of every state of a convolution. */
struct conv {
    const struct op_impl *impl;
    struct conv_sums sums;
};

/* Rows of a part, and where in saved memory they and the pixels lie. */
enum { SUMS_MEAN, SUMS_SQUARES, SUMS_ROWS };
static inline float *sums_row(const struct conv_sums *sums, void *saved, int part, int row)
{
    return (float *)saved + ((int64_t)part * SUMS_ROWS + row) * sums->row;
}
static inline float *sums_pixels(const struct conv_sums *sums, void *saved)
{
    return sums_row(sums, saved, sums->parts, 0);
}
static inline size_t sums_bytes(const struct conv_sums *sums)
{
    return ((size_t)sums->parts * SUMS_ROWS * (size_t)sums->row + (size_t)sums->parts) * sizeof(float);
}

/* norm.c: what a convolution makes a normalisation's result of in training, from its call, channels from `first` on. */
struct norm_made norm_made(const struct op_call *norm, int first);

/* few.c: whether it computes this convolution. */
bool few_suits(const struct op_desc *desc);

extern const struct op_impl cpu_depthwise, cpu_direct, cpu_few;
#endif
