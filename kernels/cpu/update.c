/* update: the gradient's norm and sketch, and the optimizer's one pass over the flat arrays. The arithmetic of an
 * element is in kernels/common/optimizer.h and sketch.h. */
#include "flat_sums.h"
#include "kernels/common/optimizer.h"
#include <assert.h>
#include <math.h>
#include <string.h>

/* A block of every array stays in the first-level cache between the loops over it, so that memory is passed once. All
 * arrays start at the same place of a page: larger blocks evict one another. Blocks lie in one stretch of a sketch. */
enum { BLOCK = SKETCH_STRETCH };

/* ---- the gradient's norm ---- */

INLINE void block_squares(const float *values, int count, struct lane_sums *squares)
{
    for (int i = 0; i < count; i += VEC) {
        vec value;
        struct wide wide;
        vec_load(&value, values, i, count - i < VEC ? count - i : VEC, DT_F32);
        widen(&wide, &value);
        sums_add(squares, &wide, &wide);
    }
}

/* Squares of floats do not overflow in double, so only where their sum is not finite is there anything to count. */
static int64_t count_nonfinite(const float *values, int64_t count, double squares)
{
    int64_t nonfinite = 0;
    for (int64_t i = 0; i < count && !isfinite(squares); i++)
        nonfinite += !float_finite(values[i]);
    return nonfinite;
}

/* struct sketch_sums, lane by lane. */
struct sketch_lanes {
    struct lane_sums self, last, both, moved, part, shared;
};

INLINE void widen_bucket(struct wide *to, const float *bucket)
{
    vec values;
    memcpy(&values, bucket, sizeof values);
    widen(to, &values);
}

INLINE void block_sketch(const struct update_args *args, int64_t begin, int count, bool noise,
                         struct sketch_lanes *sums)
{
    const int64_t first = sketch_bucket(begin);
    float bucket[SKETCH_LANES] = {0};
    struct wide self, last, moved, part;
    sketch_add(bucket, begin, args->grad + begin, count);
    memcpy(sketch_now(args) + first, bucket, sizeof bucket);
    widen_bucket(&self, bucket);
    widen_bucket(&last, sketch_last(args) + first);
    widen_bucket(&moved, sketch_moved(args) + first);
    sums_add(&sums->self, &self, &self);
    sums_add(&sums->last, &last, &last);
    sums_add(&sums->both, &self, &last);
    sums_add(&sums->moved, &self, &moved);
    if (!noise)
        return;
    widen_bucket(&part, sketch_part(args) + first);
    sums_add(&sums->part, &part, &part);
    sums_add(&sums->shared, &self, &part);
}

static struct chunk_sums chunk_grad(const struct update_args *args, int64_t begin, int64_t end)
{
    struct lane_sums squares = {0};
    struct sketch_lanes lanes = {0};
    const bool noise = args->control->noise != NOISE_NONE;
    for (int64_t at = begin; at < end; at += BLOCK) {
        int count = (int)(end - at < BLOCK ? end - at : BLOCK);
        block_squares(args->grad + at, count, &squares);
        if (args->sketches)
            block_sketch(args, at, count, noise, &lanes);
    }
    const struct sketch_sums sketch = {sums_total(&lanes.self),  sums_total(&lanes.last), sums_total(&lanes.both),
                                       sums_total(&lanes.moved), sums_total(&lanes.part), sums_total(&lanes.shared)};
    struct chunk_sums sums = {.sum = {sums_total(&squares)}};
    memcpy(sums.sum + 1, &sketch, sizeof sketch);
    sums.nonfinite = count_nonfinite(args->grad + begin, end - begin, sums.sum[0]);
    return sums;
}

static struct chunk_sums chunk_part(const struct update_args *args, const float *grad, int64_t begin, int64_t end)
{
    struct lane_sums squares = {0};
    for (int64_t at = begin; at < end; at += BLOCK) {
        int count = (int)(end - at < BLOCK ? end - at : BLOCK);
        float *bucket = sketch_part(args) + sketch_bucket(at);
        block_squares(grad + at, count, &squares);
        memset(bucket, 0, SKETCH_LANES * sizeof *bucket);
        sketch_add(bucket, at, grad + at, count);
    }
    return (struct chunk_sums){.sum = {sums_total(&squares)}};
}

int cpu_part_norm(struct device *device, const struct update_args *args, const float *grad, bool first)
{
    assert(args->sketches);
    if (args->control->noise == NOISE_NONE)
        return OK;
    int chunks = chunk_count(args->count);
#pragma omp parallel for schedule(static) num_threads(device->threads)
    for (int chunk = 0; chunk < chunks; chunk++)
        device->chunk[chunk] =
            chunk_part(args, grad, chunk_begin(args->count, chunk), chunk_begin(args->count, chunk + 1));
    part_finish(args->norms, args->control, chunk_total(device, chunks).sum[0], first);
    return OK;
}

int cpu_grad_norm(struct device *device, const struct update_args *args)
{
    int chunks = chunk_count(args->count);
#pragma omp parallel for schedule(static) num_threads(device->threads)
    for (int chunk = 0; chunk < chunks; chunk++)
        device->chunk[chunk] = chunk_grad(args, chunk_begin(args->count, chunk), chunk_begin(args->count, chunk + 1));
    struct chunk_sums total = chunk_total(device, chunks);
    struct sketch_sums sketch;
    memcpy(&sketch, total.sum + 1, sizeof sketch);
    float norm = (float)(sqrt(total.sum[0]) * (double)gradient_scale(args));
    args->norms->grad = norm;
    sketch_finish(args->norms, sketch, args->control, args->sketches ? gradient_scale(args) : NAN);
    *args->nonfinite = total.nonfinite > INT32_MAX ? INT32_MAX : (int32_t)total.nonfinite;
    args->control->clip_scale = clip_factor(norm, args->clip_norm);
    /* Finite gradients whose norm overflows would be clipped to nothing without a word. */
    if (total.nonfinite > 0 || !float_finite(norm))
        args->control->bad = 1;
    return OK;
}

/* ---- the update ---- */

/* Where a block lies, and what of it is the same for all its elements. */
struct block {
    const struct optimizer_step *step;
    int64_t begin;
    int count;
    float decay;
};

static void block_sgd(const struct update_args *args, const struct block *block)
{
    const struct optimizer_step step = *block->step;
    float *restrict param = args->param + block->begin;
    const float *restrict grad = args->grad + block->begin;
    float *restrict moment1 = args->moment1 ? args->moment1 + block->begin : NULL;
    if (!moment1) {
#pragma omp simd
        for (int i = 0; i < block->count; i++)
            param[i] = sgd_element(&step, block->decay, param[i], grad[i]);
        return;
    }
#pragma omp simd
    for (int i = 0; i < block->count; i++)
        param[i] = momentum_element(&step, block->decay, param[i], grad[i], &moment1[i]);
}

static void block_adam(const struct update_args *args, const struct block *block)
{
    const struct optimizer_step step = *block->step;
    float *restrict param = args->param + block->begin, *restrict moment1 = args->moment1 + block->begin;
    float *restrict moment2 = args->moment2 + block->begin;
    const float *restrict grad = args->grad + block->begin;
#pragma omp simd
    for (int i = 0; i < block->count; i++)
        param[i] = adam_element(&step, block->decay, param[i], grad[i], &moment1[i], &moment2[i]);
}

static void block_adamw(const struct update_args *args, const struct block *block)
{
    const struct optimizer_step step = *block->step;
    const float keep = adamw_keep(&step, block->decay);
    float *restrict param = args->param + block->begin, *restrict moment1 = args->moment1 + block->begin;
    float *restrict moment2 = args->moment2 + block->begin;
    const float *restrict grad = args->grad + block->begin;
#pragma omp simd
    for (int i = 0; i < block->count; i++)
        param[i] = adamw_element(&step, keep, param[i], grad[i], &moment1[i], &moment2[i]);
}

static void (*const block_kinds[])(const struct update_args *args, const struct block *block) = {
    [OPTIMIZER_SGD] = block_sgd,
    [OPTIMIZER_ADAM] = block_adam,
    [OPTIMIZER_ADAMW] = block_adamw,
};

/* The change's and the new values' squares and the change's product with the gradient. */
struct norm_lanes {
    struct lane_sums change, weight, slope;
};

/* Norms, and the change's sketch. before: of the parameters, lost. Within a block in fp32, eight
 * terms a lane: beyond 1.8e19 a norm is infinite. */
INLINE void block_norms(const struct update_args *args, const struct block *block, float *before,
                        struct norm_lanes *sums)
{
    const float *param = args->param + block->begin, *grad = args->grad + block->begin;
    vec change = {0}, weight = {0}, slope = {0};
    for (int i = 0; i < block->count; i += VEC) {
        const int width = block->count - i < VEC ? block->count - i : VEC;
        vec value, moved, down;
        vec_load(&value, param, i, width, DT_F32);
        vec_load(&moved, before, i, width, DT_F32);
        vec_load(&down, grad, i, width, DT_F32);
        moved = value - moved;
        vec_store(before, i, width, DT_F32, &moved);
        change += moved * moved;
        weight += value * value;
        slope += moved * down;
    }
    sums_take(&sums->change, &change);
    sums_take(&sums->weight, &weight);
    sums_take(&sums->slope, &slope);
    if (!args->sketches)
        return;
    float *bucket = sketch_moved(args) + block->begin / SKETCH_STRETCH * SKETCH_LANES;
    if (block->begin % SKETCH_STRETCH == 0)
        memset(bucket, 0, SKETCH_LANES * sizeof *bucket);
    sketch_add(bucket, block->begin, before, block->count);
}

static void block_copies(const struct update_args *args, const struct block *block, float weight)
{
    const float *restrict param = args->param + block->begin;
    if (args->low) {
        uint16_t *restrict low = (uint16_t *)args->low + block->begin;
#pragma omp simd
        for (int i = 0; i < block->count; i++)
            low[i] = bf16_from_float(param[i]);
    }
    if (args->ema) {
        float *restrict ema = args->ema + block->begin;
#pragma omp simd
        for (int i = 0; i < block->count; i++)
            ema[i] = ema_element(ema[i], param[i], weight);
    }
}

static struct chunk_sums chunk_update(const struct update_args *args, const struct optimizer_step *step, int64_t begin,
                                      int64_t end)
{
    struct norm_lanes sums = {0};
    float before[BLOCK];
    int segment = 0;
    float weight = ema_weight(args->control);
    while (begin < end) {
        while (args->segments[segment].end <= begin)
            segment++;
        assert(segment < args->segment_count);
        int64_t stop = (begin / BLOCK + 1) * BLOCK;
        stop = stop < end ? stop : end;
        stop = args->segments[segment].end < stop ? args->segments[segment].end : stop;
        struct block block = {step, begin, (int)(stop - begin), args->segments[segment].weight_decay};
        const float *restrict param = args->param + begin;
        if (!args->unmeasured)
#pragma omp simd
            for (int i = 0; i < block.count; i++)
                before[i] = param[i];
        block_kinds[args->kind](args, &block);
        if (!args->unmeasured)
            block_norms(args, &block, before, &sums);
        block_copies(args, &block, weight);
        begin += block.count;
    }
    return (struct chunk_sums){.sum = {sums_total(&sums.change), sums_total(&sums.weight), sums_total(&sums.slope)}};
}

int cpu_update(struct device *device, const struct update_args *args)
{
    assert(!args->low || args->low_dtype == DT_BF16);
    if (args->control->bad)
        return OK;
    const struct optimizer_step step = optimizer_begin(args, args->control);
    int chunks = chunk_count(args->count);
#pragma omp parallel for schedule(static) num_threads(device->threads)
    for (int chunk = 0; chunk < chunks; chunk++)
        device->chunk[chunk] =
            chunk_update(args, &step, chunk_begin(args->count, chunk), chunk_begin(args->count, chunk + 1));
    struct chunk_sums total = chunk_total(device, chunks);
    update_finish(args, total.sum[0], total.sum[1], total.sum[2]);
    return OK;
}
