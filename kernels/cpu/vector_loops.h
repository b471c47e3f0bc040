/* vector_loops: all loops over tensors (vector.h), for the instruction set of the file that includes this. */
#ifndef CPU_VECTOR_LOOPS_H
#define CPU_VECTOR_LOOPS_H
#include "vector_depthwise.h"
#include "vector_few.h"
#include "vector_norm.h"
#include "vector_norm_pool.h"
#include "vector_pointwise.h"
#include "vector_pool.h"
#include "vector_winograd.h"

static const struct vector_kernel loops = {
    .norm_sum = norm_sum,
    .norm_squares = norm_squares,
    .norm_apply = norm_apply,
    .norm_make = norm_make,
    .norm_grad_sums = norm_grad_sums,
    .norm_grads = norm_grads,
    .norm_apply_pooled = norm_apply_pooled,
    .norm_grad_sums_pooled = norm_grad_sums_pooled,
    .norm_grads_pooled = norm_grads_pooled,
    .few_forward = few_forward,
    .few_grads = few_grads,
    .few_widen = few_widen,
    .pool_forward = pool_forward,
    .pool_backward = pool_backward,
    .relu = relu,
    .relu_grad = relu_grad,
    .add = add,
    .depthwise_row = depthwise_row,
    .depthwise_slice = depthwise_slice,
    .winograd_source = winograd_source,
    .winograd_results = winograd_results,
    .winograd_taps = winograd_taps,
    .winograd_grads = winograd_grads,
    .winograd_grad_taps = winograd_grad_taps,
};
#endif
