/* update: the gradient's norm and sketch, and the optimizer's one pass over the flat arrays. The arithmetic of an
 * element is in kernels/common/optimizer.h and sketch.h. */
#include "flat_sums.h"
#include "kernels/common/optimizer.h"
#include <assert.h>
#include <math.h>
#include <string.h>

/* ---- the gradient's norm ---- */

INLINE void square_add(const float *values, struct lane_sums *squares)
{
    struct wide wide;
    widen(&wide, values);
    sums_add(squares, &wide, &wide);
}

/* Two sums, so that one addition need not wait for the other. */
static double squares_of(const float *values, int64_t count)
{
    struct lane_sums even = {0}, odd = {0};
    int64_t i = 0;
    for (; i + 2 * VEC <= count; i += 2 * VEC) {
        square_add(values + i, &even);
        square_add(values + i + VEC, &odd);
    }
    for (; i < count; i += VEC) {
        float row[VEC] = {0};
        memcpy(row, values + i, (size_t)(count - i < VEC ? count - i : VEC) * sizeof *row);
        square_add(row, &even);
    }
    return sums_total(&even) + sums_total(&odd);
}

/* Squares of floats do not overflow in double, so only where their sum is not finite is there anything to count. */
static int64_t count_nonfinite(const float *values, int64_t count, double squares)
{
    int64_t nonfinite = 0;
    for (int64_t i = 0; i < count && !isfinite(squares); i++)
        nonfinite += !float_finite(values[i]);
    return nonfinite;
}

static int stretch_length(int64_t count, int64_t stretch)
{
    const int64_t left = count - stretch * SKETCH_STRETCH;
    return left < SKETCH_STRETCH ? (int)left : SKETCH_STRETCH;
}

/* The buckets of a stretch of an array. */
static void sketch_stretch(float bucket[static SKETCH_LANES], const float *values, int64_t count, int64_t stretch)
{
    const int64_t begin = stretch * SKETCH_STRETCH;
    memset(bucket, 0, SKETCH_LANES * sizeof *bucket);
    sketch_add(bucket, begin, values + begin, stretch_length(count, stretch));
}

/* Lane by lane. */
struct followed_sums {
    float self[VEC], last[VEC], both[VEC], moved[VEC];
};

static double lanes_total(const float lanes[static VEC])
{
    struct wide wide;
    struct lane_sums sums;
    widen(&wide, lanes);
    memcpy(&sums, &wide, sizeof sums);
    return sums_total(&sums);
}

/* sketch_follow for the count elements of a row, which are kept for the next step. */
INLINE void follow_row(const struct update_args *args, int number, int count, struct followed_sums *sums)
{
    const struct followed_row row = args->followed[number];
    const int64_t from = row.row * (int64_t)SKETCH_LANES;
    const float *restrict grad = args->grad + from, *restrict param = args->param + from;
    float *restrict now = sketch_kept(args, 0, number), *restrict last = sketch_kept(args, 1, number);
#pragma omp simd
    for (int i = 0; i < count; i++) {
        const float g = grad[i], l = last[i], after = param[i], moved = after - last[SKETCH_LANES + i];
        const float weighted = g * row.weight;
        now[i] = g;
        now[SKETCH_LANES + i] = after;
        sums->self[i] += weighted * g;
        sums->both[i] += weighted * l;
        sums->moved[i] += weighted * moved;
        sums->last[i] += l * row.weight * l;
    }
}

/* The rows that are followed of a chunk. */
struct chunk_rows {
    int begin, end;
};

/* Those of the elements from begin to end; none of them comes before number `from`. */
static struct chunk_rows rows_of(const struct update_args *args, int from, int64_t begin, int64_t end)
{
    struct chunk_rows rows = {from, from};
    while (rows.begin < args->followed_count && args->followed[rows.begin].row * (int64_t)SKETCH_LANES < begin)
        rows.begin++;
    rows.end = rows.begin;
    while (rows.end < args->followed_count && args->followed[rows.end].row * (int64_t)SKETCH_LANES < end)
        rows.end++;
    return rows;
}

/* Their weights and what is kept of them lie far apart: on their way while the chunk's norm is taken. */
static void fetch_rows(const struct update_args *args, struct chunk_rows rows)
{
    for (int number = rows.begin; number < rows.end; number++) {
        const float *now = sketch_kept(args, 0, number), *last = sketch_kept(args, 1, number);
        __builtin_prefetch(args->param + args->followed[number].row * (int64_t)SKETCH_LANES);
        __builtin_prefetch(last);
        __builtin_prefetch(last + SKETCH_LANES);
        __builtin_prefetch(now, 1);
        __builtin_prefetch(now + SKETCH_LANES, 1);
    }
}

/* Few, so that their sums are in fp32. */
static void follow_rows(const struct update_args *args, struct chunk_rows rows, struct sketch_sums *sums)
{
    struct followed_sums lanes = {0};
    if (rows.begin == rows.end)
        return;
    for (int number = rows.begin; number < rows.end; number++) {
        const int64_t left = args->count - args->followed[number].row * (int64_t)SKETCH_LANES;
        if (left >= VEC)
            follow_row(args, number, VEC, &lanes);
        else
            follow_row(args, number, (int)left, &lanes);
    }
    sums->self = lanes_total(lanes.self);
    sums->last = lanes_total(lanes.last);
    sums->both = lanes_total(lanes.both);
    sums->moved = lanes_total(lanes.moved);
}

/* sketch_compare for every bucket. */
static void compare_part(const struct update_args *args, int64_t begin, int64_t end, struct sketch_sums *sums)
{
    struct lane_sums whole = {0}, part = {0}, shared = {0};
    for (int64_t stretch = begin; stretch < end; stretch++) {
        float bucket[SKETCH_LANES];
        struct wide g, p;
        sketch_stretch(bucket, args->grad, args->count, stretch);
        widen(&g, bucket);
        widen(&p, sketch_part(args) + stretch * SKETCH_LANES);
        sums_add(&whole, &g, &g);
        sums_add(&part, &p, &p);
        sums_add(&shared, &g, &p);
    }
    sums->whole = sums_total(&whole);
    sums->part = sums_total(&part);
    sums->shared = sums_total(&shared);
}

/* Chunks begin where stretches do. */
static struct chunk_sums chunk_grad(const struct update_args *args, struct chunk_rows rows, int64_t begin, int64_t end)
{
    struct sketch_sums sketch = {0};
    fetch_rows(args, rows);
    struct chunk_sums sums = {.sum = {squares_of(args->grad + begin, end - begin)}};
    follow_rows(args, rows, &sketch);
    if (args->sketches && args->control->noise == NOISE_OF_HALF)
        compare_part(args, begin / SKETCH_STRETCH, sketch_stretches(end), &sketch);
    memcpy(sums.sum + 1, &sketch, sizeof sketch);
    sums.nonfinite = count_nonfinite(args->grad + begin, end - begin, sums.sum[0]);
    return sums;
}

static struct chunk_sums chunk_part(const struct update_args *args, const float *grad, int64_t begin, int64_t end)
{
    for (int64_t stretch = begin / SKETCH_STRETCH;
         stretch < sketch_stretches(end) && args->control->noise == NOISE_OF_HALF; stretch++)
        sketch_stretch(sketch_part(args) + stretch * SKETCH_LANES, grad, args->count, stretch);
    return (struct chunk_sums){.sum = {squares_of(grad + begin, end - begin)}};
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
    struct sketch_sums sketch;
    const int chunks = chunk_count(args->count);
#pragma omp parallel num_threads(device->threads)
    {
        struct chunk_rows rows = {0, 0};
#pragma omp for schedule(static) /* a thread's chunks rise */
        for (int chunk = 0; chunk < chunks; chunk++) {
            const int64_t begin = chunk_begin(args->count, chunk), end = chunk_begin(args->count, chunk + 1);
            if (args->sketches)
                rows = rows_of(args, rows.end, begin, end);
            device->chunk[chunk] = chunk_grad(args, rows, begin, end);
        }
    }
    struct chunk_sums total = chunk_total(device, chunks);
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

/* A block's parameters stay in the first-level cache, for the copies that are made of them. Sums within it are in
 * fp32, lane by lane: beyond 1.8e19 a norm is infinite. */
enum { BLOCK = 2048 };

/* Where a block lies, and what of it is the same for all its elements. */
struct block {
    const struct optimizer_step *step;
    int64_t begin;
    int count;
    float decay;
};

/* The change's and the new values' squares and the change's product with the gradient. */
struct norm_sums {
    double change, weight, slope;
};

/* Rounded once where the CPU does so at no cost. */
INLINE float plus_product(float sum, float a, float b)
{
#ifdef FP_FAST_FMAF
    return fmaf(a, b, sum);
#else
    return sum + a * b;
#endif
}

/* Updates a block's parameters, each to the value of an expression of before and g, its gradient, and takes their
 * norms. */
#define UPDATE_BLOCK(expression)                                                                                       \
    do {                                                                                                               \
        float change = 0.0f, weight = 0.0f, slope = 0.0f;                                                              \
        _Pragma("omp simd reduction(+ : change, weight, slope)") for (int i = 0; i < block->count; i++)                \
        {                                                                                                              \
            const float before = param[i], g = grad[i], after = (expression), moved = after - before;                  \
            param[i] = after;                                                                                          \
            if (measured) {                                                                                            \
                change = plus_product(change, moved, moved);                                                           \
                weight = plus_product(weight, after, after);                                                           \
                slope = plus_product(slope, moved, g);                                                                 \
            }                                                                                                          \
        }                                                                                                              \
        sums->change += (double)change;                                                                                \
        sums->weight += (double)weight;                                                                                \
        sums->slope += (double)slope;                                                                                  \
    } while (0)

INLINE void update_block(const struct update_args *args, const struct block *block, bool measured,
                         struct norm_sums *sums)
{
    const struct optimizer_step step = *block->step;
    struct optimizer_step plain = step;
    plain.nesterov = false;
    const float decay = block->decay, keep = adamw_keep(&step, decay);
    float *restrict param = args->param + block->begin;
    const float *restrict grad = args->grad + block->begin;
    float *restrict moment1 = args->moment1 ? args->moment1 + block->begin : NULL;
    float *restrict moment2 = args->moment2 ? args->moment2 + block->begin : NULL;
    if (args->kind == OPTIMIZER_ADAMW)
        UPDATE_BLOCK(adamw_element(&step, keep, before, g, &moment1[i], &moment2[i]));
    else if (args->kind == OPTIMIZER_ADAM)
        UPDATE_BLOCK(adam_element(&step, decay, before, g, &moment1[i], &moment2[i]));
    else if (moment1 && step.nesterov) /* told apart here, so that neither loop has a branch in it */
        UPDATE_BLOCK(momentum_element(&step, decay, before, g, &moment1[i]));
    else if (moment1)
        UPDATE_BLOCK(momentum_element(&plain, decay, before, g, &moment1[i]));
    else
        UPDATE_BLOCK(sgd_element(&step, decay, before, g));
}

static void update_measured(const struct update_args *args, const struct block *block, struct norm_sums *sums)
{
    update_block(args, block, true, sums);
}

static void update_unmeasured(const struct update_args *args, const struct block *block, struct norm_sums *sums)
{
    update_block(args, block, false, sums);
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
    struct norm_sums sums = {0};
    const float weight = ema_weight(args->control);
    int segment = 0;
    while (begin < end) {
        while (args->segments[segment].end <= begin)
            segment++;
        assert(segment < args->segment_count);
        int64_t stop = (begin / BLOCK + 1) * BLOCK;
        stop = stop < end ? stop : end;
        stop = args->segments[segment].end < stop ? args->segments[segment].end : stop;
        const struct block block = {step, begin, (int)(stop - begin), args->segments[segment].weight_decay};
        if (args->unmeasured)
            update_unmeasured(args, &block, &sums);
        else
            update_measured(args, &block, &sums);
        block_copies(args, &block, weight);
        begin = stop;
    }
    return (struct chunk_sums){.sum = {sums.change, sums.weight, sums.slope}};
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
