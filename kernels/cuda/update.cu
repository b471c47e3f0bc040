/* update: the gradient's norm, and the optimizer's one pass over the flat arrays, each one launch. The arithmetic of an
 * element is in kernels/common/optimizer.h.
 *
 * Bytes per element: the norm reads 4; the update reads param, grad and writes param (12), reads and writes each moment
 * (8) and the average (8), writes the low-precision copy (2): AdamW with bf16 and an average moves 38. */
#include "cuda.h"
#include "kernels/common/optimizer.h"
#include "last.cuh"
#include <assert.h>

namespace
{
enum { WARPS = gpu::THREADS / 32, WIDTH = gpu::PACK<float> };

/* ---- the gradient's norm ---- */

struct grad_part {
    double squares;
    int64_t nonfinite;
};

__device__ grad_part grad_part_merge(grad_part a, grad_part b)
{
    return {a.squares + b.squares, a.nonfinite + b.nonfinite};
}

__device__ void grad_norm_finish(const update_args &args, grad_part total)
{
    float norm = (float)(sqrt(total.squares) * (double)args.grad_scale);
    args.norms[0] = norm;
    *args.nonfinite = total.nonfinite > INT32_MAX ? INT32_MAX : (int32_t)total.nonfinite;
    args.control->clip_scale = clip_factor(norm, args.clip_norm);
    /* Finite gradients whose norm overflows would be clipped to nothing without a word. */
    if (total.nonfinite > 0 || !float_finite(norm))
        args.control->bad = 1;
}

__global__ void __launch_bounds__(gpu::THREADS)
    grad_norm_kernel(const __grid_constant__ update_args args, grad_part *parts, unsigned *ticket)
{
    grad_part mine = {0.0, 0};
    gpu::for_packs<WIDTH>(args.count, true, [&](int64_t i, auto width) {
        constexpr int N = decltype(width)::value;
        float grad[N];
        gpu::load<N>(grad, args.grad + i);
        for (int k = 0; k < N; k++) {
            mine.squares += (double)grad[k] * (double)grad[k];
            mine.nonfinite += !float_finite(grad[k]);
        }
    });
    const grad_part none = {0.0, 0};
    mine = gpu::block_reduce<WARPS>(mine, none, grad_part_merge);
    if (!gpu::leave_part(parts, mine, ticket))
        return;
    grad_part total = gpu::parts_reduce<WARPS>(parts, (int)gridDim.x, none, grad_part_merge);
    if (threadIdx.x == 0)
        grad_norm_finish(args, total);
}

/* ---- the update ---- */

/* Squares of what the parameters moved by and of what they are. */
struct norm_part {
    double moved, weight;
};

__device__ norm_part norm_part_merge(norm_part a, norm_part b)
{
    return {a.moved + b.moved, a.weight + b.weight};
}

/* The weight decay of elements visited in rising order. */
struct decay_cursor {
    const decay_segment *segment;
    int64_t end;
    float decay, keep; /* keep: AdamW's */
};

__device__ void cursor_read(decay_cursor *cursor, const optimizer_step &step)
{
    cursor->end = cursor->segment->end;
    cursor->decay = cursor->segment->weight_decay;
    cursor->keep = adamw_keep(&step, cursor->decay);
}

/* The first segment that ends after an element. */
__device__ decay_cursor cursor_open(const update_args &args, const optimizer_step &step, int64_t element)
{
    int low = 0, high = args.segment_count - 1;
    while (low < high) {
        int middle = (low + high) / 2;
        if (args.segments[middle].end > element)
            high = middle;
        else
            low = middle + 1;
    }
    decay_cursor cursor;
    cursor.segment = args.segments + low;
    cursor_read(&cursor, step);
    return cursor;
}

__device__ void cursor_advance(decay_cursor *cursor, const optimizer_step &step, int64_t element)
{
    while (cursor->segment->end <= element)
        cursor->segment++;
    cursor_read(cursor, step);
}

enum rule { RULE_SGD, RULE_MOMENTUM, RULE_ADAM, RULE_ADAMW };

template <int RULE>
__device__ float element(const optimizer_step &step, const decay_cursor &cursor, float param, float grad,
                         float *moment1, float *moment2)
{
    if constexpr (RULE == RULE_SGD)
        return sgd_element(&step, cursor.decay, param, grad);
    else if constexpr (RULE == RULE_MOMENTUM)
        return momentum_element(&step, cursor.decay, param, grad, moment1);
    else if constexpr (RULE == RULE_ADAM)
        return adam_element(&step, cursor.decay, param, grad, moment1, moment2);
    else
        return adamw_element(&step, cursor.keep, param, grad, moment1, moment2);
}

/* N elements from i on. */
template <int RULE, int N>
__device__ void stretch(const update_args &args, const optimizer_step &step, decay_cursor *cursor, float ema_rest,
                        int64_t i, norm_part *sums)
{
    constexpr bool FIRST = RULE != RULE_SGD, SECOND = RULE == RULE_ADAM || RULE == RULE_ADAMW;
    float param[N], grad[N], moment1[N], moment2[N], ema[N];
    gpu::load<N>(param, args.param + i);
    gpu::load<N>(grad, args.grad + i);
    if constexpr (FIRST)
        gpu::load<N>(moment1, args.moment1 + i);
    if constexpr (SECOND)
        gpu::load<N>(moment2, args.moment2 + i);
    if (args.ema)
        gpu::load<N>(ema, args.ema + i);
    for (int k = 0; k < N; k++) {
        if (i + k >= cursor->end)
            cursor_advance(cursor, step, i + k);
        float before = param[k];
        param[k] = element<RULE>(step, *cursor, before, grad[k], &moment1[k], &moment2[k]);
        double moved = (double)param[k] - (double)before;
        sums->moved += moved * moved;
        sums->weight += (double)param[k] * (double)param[k];
    }
    gpu::store<N>(args.param + i, param);
    if constexpr (FIRST)
        gpu::store<N>(args.moment1 + i, moment1);
    if constexpr (SECOND)
        gpu::store<N>(args.moment2 + i, moment2);
    if (args.ema) {
        for (int k = 0; k < N; k++)
            ema[k] = ema_element(ema[k], param[k], ema_rest);
        gpu::store<N>(args.ema + i, ema);
    }
    if (args.low) {
        if (args.low_dtype == DT_BF16)
            gpu::store_floats<N>((gpu::bf16 *)args.low + i, param);
        else
            gpu::store_floats<N>((gpu::fp16 *)args.low + i, param);
    }
}

template <int RULE>
__global__ void __launch_bounds__(gpu::THREADS)
    update_kernel(const __grid_constant__ update_args args, norm_part *parts, unsigned *ticket)
{
    SHARED(optimizer_step, shared_step);
    SHARED(float, shared_ema_rest);
    if (args.control->bad)
        return;
    if (threadIdx.x == 0) {
        shared_step = optimizer_begin(&args, args.control);
        shared_ema_rest = ema_weight(args.control);
    }
    __syncthreads();
    const optimizer_step step = shared_step;
    const float ema_rest = shared_ema_rest;
    decay_cursor cursor = cursor_open(args, step, (int64_t)blockIdx.x * gpu::THREADS * WIDTH);
    norm_part mine = {0.0, 0.0};
    gpu::for_packs<WIDTH>(args.count, true, [&](int64_t i, auto width) {
        stretch<RULE, decltype(width)::value>(args, step, &cursor, ema_rest, i, &mine);
    });
    const norm_part none = {0.0, 0.0};
    mine = gpu::block_reduce<WARPS>(mine, none, norm_part_merge);
    if (!gpu::leave_part(parts, mine, ticket))
        return;
    norm_part total = gpu::parts_reduce<WARPS>(parts, (int)gridDim.x, none, norm_part_merge);
    if (threadIdx.x == 0) {
        args.norms[1] = (float)sqrt(total.moved);
        args.norms[2] = (float)sqrt(total.weight);
    }
}

/* The flat arrays begin where allocations do. */
bool aligned(const update_args &args)
{
    return gpu::aligned16(args.param) && gpu::aligned16(args.grad) && gpu::aligned16(args.moment1) &&
           gpu::aligned16(args.moment2) && gpu::aligned16(args.ema) && gpu::aligned16(args.low);
}

unsigned update_blocks(int64_t count)
{
    return gpu::blocks((count + WIDTH - 1) / WIDTH);
}
} // namespace

int cuda_grad_norm(struct device *device, const struct update_args *args)
{
    assert(args->count > 0 && aligned(*args));
    static_assert(gpu::MOST_BLOCKS * sizeof(grad_part) <= CUDA_REDUCTION_BYTES, "one part for each block");
    CUDA_TRY(gpu::launch(grad_norm_kernel, update_blocks(args->count), gpu::THREADS, 0, device->stream, *args,
                         (grad_part *)device->reduction, device->tickets + gpu::TICKET_GRAD_NORM));
    return OK;
}

int cuda_update(struct device *device, const struct update_args *args)
{
    static void (*const kernels[])(update_args, norm_part *, unsigned *) = {
        update_kernel<RULE_SGD>, update_kernel<RULE_MOMENTUM>, update_kernel<RULE_ADAM>, update_kernel<RULE_ADAMW>};
    assert(args->count > 0 && args->segment_count > 0 && aligned(*args));
    assert(!args->low || args->low_dtype == DT_BF16 || args->low_dtype == DT_F16);
    int rule = args->kind == OPTIMIZER_ADAMW  ? RULE_ADAMW
               : args->kind == OPTIMIZER_ADAM ? RULE_ADAM
               : args->moment1                ? RULE_MOMENTUM
                                              : RULE_SGD;
    CUDA_TRY(gpu::launch(kernels[rule], update_blocks(args->count), gpu::THREADS, 0, device->stream, *args,
                         (norm_part *)device->reduction, device->tickets + gpu::TICKET_UPDATE));
    return OK;
}
