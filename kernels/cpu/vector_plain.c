/* vector_plain: loops over tensors in vectors of 128 bits, for whatever compiles the program. See vector.h. */
#include "vector_loops.h"

const struct vector_kernel *vector_plain(void)
{
    return &loops;
}
