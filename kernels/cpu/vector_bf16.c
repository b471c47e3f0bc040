/* vector_bf16: loops over tensors in vectors of sixteen, rounded to bf16 by AVX-512's instruction. See vector.h. */
#include "vector.h"

#ifdef __AVX512BF16__
#define VECTOR_AVX512
#define VECTOR_BF16
#include "vector_loops.h"

const struct vector_kernel *vector_bf16(void)
{
    return &loops;
}
#else
const struct vector_kernel *vector_bf16(void)
{
    return NULL;
}
#endif
