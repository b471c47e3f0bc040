/* vector_avx2: loops over tensors in vectors of eight, by AVX2. See vector.h. */
#include "vector.h"

#if defined(__AVX2__) && defined(__FMA__)
#define VECTOR_AVX2
#include "vector_loops.h"

const struct vector_kernel *vector_avx2(void)
{
    return &loops;
}
#else
const struct vector_kernel *vector_avx2(void)
{
    return NULL;
}
#endif
