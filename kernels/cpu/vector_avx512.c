/* vector_avx512: loops over tensors in vectors of sixteen, by AVX-512. See vector.h. */
#include "vector.h"

#ifdef __AVX512BW__
#define VECTOR_AVX512
#include "vector_loops.h"

const struct vector_kernel *vector_avx512(void)
{
    return &loops;
}
#else
const struct vector_kernel *vector_avx512(void)
{
    return NULL;
}
#endif
