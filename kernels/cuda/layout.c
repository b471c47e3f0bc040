/* layout: weights between the canonical channels-first order and the channels-last order of the device. Host arithmetic
 * on one array; knows no device. */
#include "cuda.h"
#include <string.h>

void cuda_channels_last(float *own, const float *canonical, struct shape weight, int own_channels)
{
    const int64_t spatial = (int64_t)weight.h * weight.w;
    memset(own, 0, (size_t)(weight.n * spatial * own_channels) * sizeof *own);
    for (int64_t n = 0; n < weight.n; n++)
        for (int64_t c = 0; c < weight.c; c++)
            for (int64_t s = 0; s < spatial; s++)
                own[(n * spatial + s) * own_channels + c] = *canonical++;
}

void cuda_channels_first(float *canonical, const float *own, struct shape weight, int own_channels)
{
    const int64_t spatial = (int64_t)weight.h * weight.w;
    for (int64_t n = 0; n < weight.n; n++)
        for (int64_t c = 0; c < weight.c; c++)
            for (int64_t s = 0; s < spatial; s++)
                *canonical++ = own[(n * spatial + s) * own_channels + c];
}
