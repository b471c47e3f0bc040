/* layout: weights between the canonical channels-first order and the channels-last order of the device. Host arithmetic
 * on one array; knows no device. */
#include "cuda.h"

void cuda_channels_last(float *own, const float *canonical, struct shape weight)
{
    const int64_t spatial = (int64_t)weight.h * weight.w;
    for (int64_t n = 0; n < weight.n; n++)
        for (int64_t c = 0; c < weight.c; c++)
            for (int64_t s = 0; s < spatial; s++)
                own[(n * spatial + s) * weight.c + c] = *canonical++;
}

void cuda_channels_first(float *canonical, const float *own, struct shape weight)
{
    const int64_t spatial = (int64_t)weight.h * weight.w;
    for (int64_t n = 0; n < weight.n; n++)
        for (int64_t c = 0; c < weight.c; c++)
            for (int64_t s = 0; s < spatial; s++)
                *canonical++ = own[(n * spatial + s) * weight.c + c];
}
