/* dropout: which elements are kept, as a function of (seed, step, micro batch, node, element) alone.
 * Compiled by the C compiler and by nvcc; knows nothing of tensors. */
#ifndef COMMON_DROPOUT_H
#define COMMON_DROPOUT_H
#include "random.h"
#include <stdbool.h>

enum { DROPOUT_GROUP = 4 }; /* elements decided by one block of random words */

/* Groups in a value of count elements; the last may be partial. */
HOST_DEVICE int64_t dropout_groups(int64_t count)
{
    return (count + DROPOUT_GROUP - 1) / DROPOUT_GROUP;
}

/* The words of one group. Micro batches of one step follow one another. */
HOST_DEVICE struct random_block dropout_words(uint64_t seed, int64_t step, int32_t micro, int node, int64_t groups,
                                              int64_t group)
{
    return random_words(seed, RANDOM_DROPOUT, (uint32_t)step, (uint64_t)(micro * groups + group), (uint32_t)node);
}

HOST_DEVICE bool dropout_keeps(uint32_t word, float rate)
{
    return random_unit(word) >= rate;
}

/* What a kept element is multiplied by, so that the expectation stays. */
HOST_DEVICE float dropout_scale(float rate)
{
    return 1.0f / (1.0f - rate);
}
#endif
