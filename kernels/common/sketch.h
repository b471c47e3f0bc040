/* sketch: a flat array in an eighth of its size, such that inner products of two arrays can be told from their
 * sketches: each bucket is the sum of eight elements with signs drawn by their index (Charikar, Chen, Farach-Colton,
 * "Finding frequent items in data streams", 2002). The inner product of two sketches is unbiased over the draw; its
 * standard deviation is about |a| |b| / sqrt(buckets that matter). Compiled by the C compiler and by nvcc.
 *
 * Of each stretch of 128 elements, those 16 apart share a bucket: neighbours, which are alike, do not, and up to 16
 * elements alone are kept exactly. */
#ifndef COMMON_SKETCH_H
#define COMMON_SKETCH_H
#include "backend.h"
#include "kernels/common/bf16.h"
#include "kernels/common/loss_scale.h"
#include <math.h>

HOST_DEVICE int64_t sketch_bucket(int64_t element)
{
    return element / SKETCH_STRETCH * SKETCH_LANES + element % SKETCH_LANES;
}

/* Signs of the 32 elements that this one is among, a bit each: a hash of their common number (an xor-multiply-shift
 * mixer), so that a bit is as good as another. */
HOST_DEVICE uint32_t sketch_signs(int64_t element)
{
    uint32_t hash = (uint32_t)(element >> 5) * 0x9E3779B1u;
    hash = (hash ^ (hash >> 16)) * 0x7FEB352Du;
    hash = (hash ^ (hash >> 15)) * 0x846CA68Bu;
    return hash ^ (hash >> 16);
}

/* value or -value. signs: sketch_signs, with the element's own bit in the lowest place. */
HOST_DEVICE float sketch_flip(uint32_t signs, float value)
{
    return float_from_bits(float_bits(value) ^ (signs << 31));
}

HOST_DEVICE float sketch_signed(int64_t element, float value)
{
    return sketch_flip(sketch_signs(element) >> (element & 31), value);
}

/* Inner products over the buckets. */
struct sketch_sums {
    double self, last, both, moved; /* g.g, l.l, g.l, g.u: this gradient, the last one, the last update */
    double part, shared;            /* p.p, g.p: a part's gradient */
};

HOST_DEVICE struct sketch_sums sketch_sums_at(float gradient, float last, float moved, float part)
{
    double g = (double)gradient, l = (double)last, p = (double)part;
    struct sketch_sums sums = {g * g, l * l, g * l, g * (double)moved, p * p, g * p};
    return sums;
}

HOST_DEVICE struct sketch_sums sketch_sums_merge(struct sketch_sums a, struct sketch_sums b)
{
    a.self += b.self;
    a.last += b.last;
    a.both += b.both;
    a.moved += b.moved;
    a.part += b.part;
    a.shared += b.shared;
    return a;
}

/* NaN where there was no gradient before. scale: of the gradient, as in grad_norm. */
HOST_DEVICE void sketch_finish(struct step_norms *norms, struct sketch_sums sums, const struct step_control *control,
                               float scale)
{
    bool known = control->kept.updates > 0;
    norms->grad_cosine = known ? (float)(sums.both / sqrt(sums.self * sums.last)) : NAN;
    norms->part_cosine = sums.shared / sqrt(sums.self * sums.part);
    norms->grad_dot_last = known ? (float)(sums.moved * (double)scale) : NAN;
}

/* squares: sum over the elements of a part's gradient. */
HOST_DEVICE void part_finish(struct step_norms *norms, const struct step_control *control, double squares, bool first)
{
    const double unscale = (double)loss_unscale(control);
    squares *= unscale * unscale;
    norms->part_squares = first ? squares : norms->part_squares + squares;
}

/* From sums over the elements: squares of the change and of the new values, change times gradient. */
HOST_DEVICE void update_finish(const struct update_args *args, double moved, double weight, double slope)
{
    struct step_norms *norms = args->norms;
    norms->update = args->unmeasured ? NAN : (float)sqrt(moved);
    norms->weight = args->unmeasured ? NAN : (float)sqrt(weight);
    norms->grad_dot_update = args->unmeasured ? NAN : (float)(slope * (double)gradient_scale(args));
}

/* Where the gradient of the step under way goes, and where that of the last good one lies. A refused step's place is
 * written again by the next one. */
HOST_DEVICE float *sketch_now(const struct update_args *args)
{
    return args->sketches + (args->control->kept.updates & 1) * sketch_count(args->count);
}

HOST_DEVICE const float *sketch_last(const struct update_args *args)
{
    return args->sketches + ((args->control->kept.updates & 1) ^ 1) * sketch_count(args->count);
}

HOST_DEVICE float *sketch_moved(const struct update_args *args)
{
    return args->sketches + 2 * sketch_count(args->count);
}

HOST_DEVICE float *sketch_part(const struct update_args *args)
{
    return args->sketches + 3 * sketch_count(args->count);
}
#endif
