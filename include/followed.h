/* followed: which rows of flat arrays are followed from step to step, for inner products of gradients and updates that
 * are told by a sample. Level 3: includes backend. */
#ifndef FOLLOWED_H
#define FOLLOWED_H
#include "backend.h"

/* A tensor's elements in a flat array; tensors are in order, each from a multiple of SKETCH_LANES on. */
struct flat_tensor {
    int64_t first, count;
};

/* A sample stratified by tensor (Cochran, "Sampling Techniques", 1977, 5.5): a tensor has a part in the SKETCH_FOLLOWED
 * rows as the cube root of its size, but at least one row, as the gradients of small ones are longer for their size;
 * within it rows are drawn one from each of as many groups of neighbours. The same tensors have the same rows. Returns
 * how many rows, in order. */
int followed_rows(struct followed_row rows[static SKETCH_FOLLOWED], const struct flat_tensor *tensors, int count);
#endif
