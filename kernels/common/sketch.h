/* sketch: inner products of flat arrays, told without keeping the arrays.
 *
 * From one step to the next by a sample: rows of 16 elements, each of which counts for some of its neighbours
 * (include/followed.h).
 *
 * Within a step by a sketch of all of it in an eighth of its size: each bucket is the sum of eight elements with signs
 * drawn by their index (Charikar, Chen, Farach-Colton, "Finding frequent items in data streams", 2002). The inner
 * product of two sketches is unbiased over the draw; its standard deviation is about |a| |b| / sqrt(buckets that
 * matter). Of each stretch of 128 elements, those 16 apart share a bucket: neighbours, which are alike, do not, and up
 * to 16 elements alone are kept exactly. Compiled by the C compiler and by nvcc. */
#ifndef COMMON_SKETCH_H
#define COMMON_SKETCH_H
#include "backend.h"
#include "kernels/common/bf16.h"
#include "kernels/common/loss_scale.h"
#include <math.h>

/* An xor-multiply-shift mixer. */
HOST_DEVICE uint32_t sketch_hash(uint32_t number)
{
    uint32_t hash = number * 0x9E3779B1u;
    hash = (hash ^ (hash >> 16)) * 0x7FEB352Du;
    hash = (hash ^ (hash >> 15)) * 0x846CA68Bu;
    return hash ^ (hash >> 16);
}

/* Signs of the 32 elements that this one is among, a bit each: a hash of their common number, so that a bit is as good
 * as another. */
HOST_DEVICE uint32_t sketch_signs(int64_t element)
{
    return sketch_hash((uint32_t)(element >> 5));
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

/* Inner products. */
struct sketch_sums {
    double self, last, both,
        moved;                  /* g.g, l.l, g.l, g.u by what is followed: this gradient, the last, the last update */
    double whole, part, shared; /* g.g, p.p, g.p over the buckets: a part's gradient */
};

/* What a followed element adds. */
HOST_DEVICE void sketch_follow(struct sketch_sums *sums, double weight, float gradient, float last, float moved)
{
    const double g = (double)gradient, l = (double)last;
    sums->self += weight * (g * g);
    sums->last += weight * (l * l);
    sums->both += weight * (g * l);
    sums->moved += weight * (g * (double)moved);
}

/* What a bucket adds where the noise is measured. */
HOST_DEVICE void sketch_compare(struct sketch_sums *sums, float gradient, float part)
{
    const double g = (double)gradient, p = (double)part;
    sums->whole += g * g;
    sums->part += p * p;
    sums->shared += g * p;
}

HOST_DEVICE struct sketch_sums sketch_sums_merge(struct sketch_sums a, struct sketch_sums b)
{
    a.self += b.self;
    a.last += b.last;
    a.both += b.both;
    a.moved += b.moved;
    a.whole += b.whole;
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
    norms->part_cosine = sums.shared / sqrt(sums.whole * sums.part);
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

/* What is kept of a row that is followed: SKETCH_LANES floats of the gradient, then as many of the weights, of the step
 * under way (back 0) and of the last good one (back 1); nothing is used past the array's end. A refused step's place is
 * written again by the next one. */
HOST_DEVICE float *sketch_kept(const struct update_args *args, int back, int64_t row)
{
    const int64_t turn = (args->control->kept.updates + back) & 1;
    return args->sketches + (turn * sketch_followed(args->count) + row) * 2 * SKETCH_LANES;
}

/* Stretch by stretch. */
HOST_DEVICE float *sketch_part(const struct update_args *args)
{
    return args->sketches + 4 * sketch_followed(args->count) * SKETCH_LANES;
}
#endif
