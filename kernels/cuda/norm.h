/* norm: what convolutions that do part of a normalisation's work share with it. Private to kernels/cuda/. */
#ifndef CUDA_NORM_H
#define CUDA_NORM_H
#include "cuda.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Rows of a normalisation's saved memory, one float per channel, of norm_row floats. The variance is the unbiased one.
 * Factor and term are fp16, in half a row: what a convolution makes the result with, max(factor * x + term, 0). Both
 * rounded, that is off by as much as x's own rounding is worth. */
enum { SAVED_MEAN, SAVED_INVERSE, SAVED_VARIANCE, SAVED_FACTOR, SAVED_TERM, SAVED_ROWS };

static inline int64_t norm_row(int channels)
{
    return (channels + 3) / 4 * 4;
}

/* Rows of the memory that a convolution saves for normalisations next to it: sums of its result and of its squares, of
 * the result's channels; then a, b, c of its input's: the gradient of the normalisation's x is a * grad + b * x + c. */
struct norm_joined {
    float *sum, *squares, *a, *b, *c;
};
static inline struct norm_joined norm_joined_at(void *saved, int out_channels, int in_channels)
{
    struct norm_joined joined;
    joined.sum = (float *)saved;
    joined.squares = joined.sum + norm_row(out_channels);
    joined.a = joined.squares + norm_row(out_channels);
    joined.b = joined.a + norm_row(in_channels);
    joined.c = joined.b + norm_row(in_channels);
    return joined;
}
static inline size_t norm_joined_bytes(int out_channels, int in_channels)
{
    return sizeof(float) * (size_t)(2 * norm_row(out_channels) + 3 * norm_row(in_channels));
}

/* norm_join.cu */
/* Fills a normalisation's first three saved rows from the sums over pixels. */
int cuda_norm_from_sums(struct device *device, struct norm_joined sums, float *saved, int channels, int64_t pixels,
                        float epsilon);
/* And the other two from these. */
int cuda_norm_factors(struct device *device, float *saved, const float *weight, const float *bias, int channels);
/* dx = a * grad + b * x + c, and addend_grad = grad; either may be NULL. dtype DT_F16, channels in eights. */
int cuda_norm_apply(struct device *device, void *dx, void *addend_grad, const void *grad, const void *x,
                    struct norm_joined coefficients, int64_t pixels, int channels);

/* norm_spared.c: milliseconds that a normalisation with rectifier of this shape, in fp16, takes less when a convolution
 * does this part of it. Measured once, then kept. MET: of one with addend, and with the addition of two gradients. */
enum norm_part {
    NORM_STATISTICS, /* forward: all but finishing sums */
    NORM_RESULT,     /* forward: the last pass */
    NORM_BACKWARD,   /* all but the last pass */
    NORM_BACKWARD_MET
};
int cuda_norm_spared(struct device *device, struct shape shape, enum norm_part part, float *ms);

/* conv.c: of a convolution's call that gives sums or takes a normalisation. */
struct norm_joined cuda_conv_joined(const struct op_call *call);

#ifdef __cplusplus
}
#endif
#endif
