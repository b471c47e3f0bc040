/* update: the gradient's norm, and the optimizer's one pass over the flat arrays. The arithmetic of an element is in
 * kernels/common/optimizer.h. */
#include "cpu.h"
#include "kernels/common/bf16.h"
#include "kernels/common/optimizer.h"
#include <assert.h>
#include <math.h>

/* A block of every array stays in the first-level cache between the loops over it, so that memory is passed once. All
 * arrays start at the same place of a page: larger blocks evict one another. */
enum { BLOCK = 256 };

int cpu_grad_norm(struct device *device, const struct update_args *args)
{
    int chunks = chunk_count(args->count);
#pragma omp parallel for schedule(static) num_threads(device->threads)
    for (int chunk = 0; chunk < chunks; chunk++) {
        int64_t end = chunk_begin(args->count, chunk + 1);
        const float *grad = args->grad;
        double squares = 0.0;
        int64_t nonfinite = 0;
#pragma omp simd reduction(+ : squares, nonfinite)
        for (int64_t i = chunk_begin(args->count, chunk); i < end; i++) {
            squares += (double)grad[i] * (double)grad[i];
            nonfinite += !float_finite(grad[i]);
        }
        device->chunk[chunk] = (struct chunk_sums){{squares, 0.0}, nonfinite};
    }
    struct chunk_sums total = chunk_total(device, chunks);
    float norm = (float)(sqrt(total.sum[0]) * (double)args->grad_scale);
    args->norms[0] = norm;
    *args->nonfinite = total.nonfinite > INT32_MAX ? INT32_MAX : (int32_t)total.nonfinite;
    args->control->clip_scale = clip_factor(norm, args->clip_norm);
    /* Finite gradients whose norm overflows would be clipped to nothing without a word. */
    if (total.nonfinite > 0 || !float_finite(norm))
        args->control->bad = 1;
    return OK;
}

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

/* The change's and the new values' squares, added to sums. */
static void block_norms(const float *param, const float *before, int count, struct chunk_sums *sums)
{
    double change = 0.0, weight = 0.0;
#pragma omp simd reduction(+ : change, weight)
    for (int i = 0; i < count; i++) {
        double moved = (double)param[i] - (double)before[i];
        change += moved * moved;
        weight += (double)param[i] * (double)param[i];
    }
    sums->sum[0] += change;
    sums->sum[1] += weight;
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
        int64_t stop = args->segments[segment].end < end ? args->segments[segment].end : end;
        struct block block = {step, begin, (int)(stop - begin < BLOCK ? stop - begin : BLOCK),
                              args->segments[segment].weight_decay};
        const float *restrict param = args->param + begin;
#pragma omp simd
        for (int i = 0; i < block.count; i++)
            before[i] = param[i];
        block_kinds[args->kind](args, &block);
        block_norms(param, before, block.count, &sums);
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
    args->norms[1] = (float)sqrt(total.sum[0]);
    args->norms[2] = (float)sqrt(total.sum[1]);
    return OK;
}
