/* update: the gradient's norm and sketch, and the optimizer's one pass over the flat arrays. The arithmetic of an
 * element is in kernels/common/optimizer.h and sketch.h. */
#include "cpu.h"
#include "kernels/common/bf16.h"
#include "kernels/common/optimizer.h"
#include "kernels/common/sketch.h"
#include <assert.h>
#include <math.h>
#include <string.h>

/* A block of every array stays in the first-level cache between the loops over it, so that memory is passed once. All
 * arrays start at the same place of a page: larger blocks evict one another. Blocks lie in one stretch of a sketch. */
enum { BLOCK = SKETCH_STRETCH };

/* Adds elements, which lie in one stretch, to its buckets. */
static inline void sketch_add(float *restrict bucket, int64_t begin, const float *restrict values, int count)
{
    int i = 0;
    for (; begin % SKETCH_LANES == 0 && i + SKETCH_LANES <= count; i += SKETCH_LANES) {
#pragma omp simd
        for (int lane = 0; lane < SKETCH_LANES; lane++)
            bucket[lane] += sketch_signed(begin + i + lane, values[i + lane]);
    }
    for (; i < count; i++)
        bucket[(begin + i) % SKETCH_LANES] += sketch_signed(begin + i, values[i]);
}

/* ---- the gradient's norm ---- */

static void block_squares(const float *restrict grad, int count, struct chunk_sums *sums)
{
    double squares = 0.0;
    int nonfinite = 0;
#pragma omp simd reduction(+ : squares, nonfinite)
    for (int i = 0; i < count; i++) {
        squares += (double)grad[i] * (double)grad[i];
        nonfinite += !float_finite(grad[i]);
    }
    sums->sum[0] += squares;
    sums->nonfinite += nonfinite;
}

static void block_sketch(const struct update_args *args, int64_t begin, int count, bool noise, struct sketch_sums *sums)
{
    const int64_t first = sketch_bucket(begin);
    const float *restrict last = sketch_last(args) + first, *restrict moved = sketch_moved(args) + first;
    float bucket[SKETCH_LANES] = {0}, part[SKETCH_LANES] = {0};
    double self = 0.0, before = 0.0, both = 0.0, slope = 0.0, of_part = 0.0, shared = 0.0;
    sketch_add(bucket, begin, args->grad + begin, count);
    memcpy(sketch_now(args) + first, bucket, sizeof bucket);
    if (noise)
        memcpy(part, sketch_part(args) + first, sizeof part);
#pragma omp simd reduction(+ : self, before, both, slope, of_part, shared)
    for (int lane = 0; lane < SKETCH_LANES; lane++) {
        const struct sketch_sums one = sketch_sums_at(bucket[lane], last[lane], moved[lane], part[lane]);
        self += one.self;
        before += one.last;
        both += one.both;
        slope += one.moved;
        of_part += one.part;
        shared += one.shared;
    }
    *sums = sketch_sums_merge(*sums, (struct sketch_sums){self, before, both, slope, of_part, shared});
}

static struct chunk_sums chunk_grad(const struct update_args *args, int64_t begin, int64_t end)
{
    struct chunk_sums sums = {0};
    struct sketch_sums sketch = {0};
    for (int64_t at = begin; at < end; at += BLOCK) {
        int count = (int)(end - at < BLOCK ? end - at : BLOCK);
        block_squares(args->grad + at, count, &sums);
        if (args->sketches)
            block_sketch(args, at, count, args->control->noise != NOISE_NONE, &sketch);
    }
    memcpy(sums.sum + 1, &sketch, sizeof sketch);
    return sums;
}

static struct chunk_sums chunk_part(const struct update_args *args, const float *grad, int64_t begin, int64_t end)
{
    struct chunk_sums sums = {0};
    for (int64_t at = begin; at < end; at += BLOCK) {
        int count = (int)(end - at < BLOCK ? end - at : BLOCK);
        float *bucket = sketch_part(args) + sketch_bucket(at);
        block_squares(grad + at, count, &sums);
        memset(bucket, 0, SKETCH_LANES * sizeof *bucket);
        sketch_add(bucket, at, grad + at, count);
    }
    return sums;
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

/* The change's and the new values' squares and the change's product with the gradient, added to sums; the change's
 * sketch. before: of the parameters, lost. */
static void block_norms(const struct update_args *args, const struct block *block, float *restrict before,
                        struct chunk_sums *sums)
{
    const float *restrict param = args->param + block->begin, *restrict grad = args->grad + block->begin;
    double change = 0.0, weight = 0.0, slope = 0.0;
#pragma omp simd reduction(+ : change, weight, slope)
    for (int i = 0; i < block->count; i++) {
        double moved = (double)param[i] - (double)before[i];
        change += moved * moved;
        weight += (double)param[i] * (double)param[i];
        slope += moved * (double)grad[i];
        before[i] = (float)moved;
    }
    sums->sum[0] += change;
    sums->sum[1] += weight;
    sums->sum[2] += slope;
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
    struct chunk_sums sums = {0};
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
    return sums;
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
