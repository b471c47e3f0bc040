/* update: the gradient's norm and sketch, and the optimizer's one pass over the flat arrays, each one launch. The
 * arithmetic of an element is in kernels/common/optimizer.h and sketch.h.
 *
 * Bytes per element: the norm reads 4; sketches take some hundred rows of 16 in all; the update reads param, grad and
 * writes param (12), reads and writes each moment (8) and the average (8), writes the low-precision copy (2): AdamW
 * with bf16 and an average moves 38. */
#include "cuda.h"
#include "kernels/common/optimizer.h"
#include "kernels/common/sketch.h"
#include "last.cuh"
#include <assert.h>

namespace
{
enum { WARPS = gpu::THREADS / 32, WIDTH = gpu::PACK<float> };

/* ---- stretches of a sketch, one to a warp ---- */

static_assert(32 * WIDTH == SKETCH_STRETCH, "a warp's packs are a stretch");

/* Calls at(first, i, mine) with all lanes of a warp for each stretch in turn: its first element, this lane's first
 * element, and how many of it are this lane's, 0 to WIDTH. */
template <class F> __device__ void for_stretches(int64_t count, F at)
{
    const int lane = (int)threadIdx.x % 32;
    const int64_t stretches = (count + SKETCH_STRETCH - 1) / SKETCH_STRETCH;
    for (int64_t s = gpu::grid_thread() / 32; s < stretches; s += gpu::grid_threads() / 32) {
        const int64_t i = s * SKETCH_STRETCH + lane * WIDTH, left = count - i;
        at(s, i, left >= WIDTH ? WIDTH : left > 0 ? (int)left : 0);
    }
}

/* A lane's elements of a stretch; 0 where there are none. */
__device__ void load_some(float (&values)[WIDTH], const float *from, int count)
{
    if (count == WIDTH) {
        gpu::load<WIDTH>(values, from);
        return;
    }
    for (int k = 0; k < WIDTH; k++)
        values[k] = k < count ? from[k] : 0.0f;
}

/* The buckets of a stretch from every lane's elements, signed, 0 where there are none. Lane (bits b4 b3 b2 b1 b0) gets
 * bucket 4 * (b1 b0) + 2 * b4 + b3: each step halves what a lane holds and adds the other half of its partner. */
__device__ float bucket_sum(const float (&value)[WIDTH])
{
    const bool b4 = threadIdx.x & 16, b3 = threadIdx.x & 8;
    float pair[2];
    for (int k = 0; k < 2; k++) {
        float given = b4 ? value[k] : value[2 + k], kept = b4 ? value[2 + k] : value[k];
        pair[k] = kept + gpu::shuffle_xor(given, 16);
    }
    float sum = (b3 ? pair[1] : pair[0]) + gpu::shuffle_xor(b3 ? pair[0] : pair[1], 8);
    return sum + gpu::shuffle_xor(sum, 4);
}

/* Which of the stretch's buckets. */
__device__ int bucket_of_lane()
{
    const int lane = (int)threadIdx.x % 32;
    return 4 * (lane & 3) + (lane >> 4) * 2 + (lane >> 3 & 1);
}

/* Two lanes hold each bucket: this one speaks for it. */
__device__ bool bucket_mine()
{
    return (threadIdx.x & 4) == 0;
}

/* ---- the gradient's norm ---- */

struct grad_part {
    double squares;
    int64_t nonfinite;
};

__device__ grad_part grad_part_merge(grad_part a, grad_part b)
{
    return {a.squares + b.squares, a.nonfinite + b.nonfinite};
}

__device__ void grad_norm_finish(const update_args &args, const grad_part &total, const sketch_sums &sketch)
{
    float norm = (float)(sqrt(total.squares) * (double)gradient_scale(&args));
    args.norms->grad = norm;
    sketch_finish(args.norms, sketch, args.control, args.sketches ? gradient_scale(&args) : NAN);
    *args.nonfinite = total.nonfinite > INT32_MAX ? INT32_MAX : (int32_t)total.nonfinite;
    args.control->clip_scale = clip_factor(norm, args.clip_norm);
    /* Finite gradients whose norm overflows would be clipped to nothing without a word. */
    if (total.nonfinite > 0 || !float_finite(norm))
        args.control->bad = 1;
}

/* The rows that are followed, a thread for each of their elements: few beside all, which were read just now. */
__device__ void follow_rows(const update_args &args, sketch_sums *sums)
{
    for (int64_t i = gpu::grid_thread(); i < (int64_t)args.followed_count * SKETCH_LANES; i += gpu::grid_threads()) {
        const int64_t row = i / SKETCH_LANES, lane = i % SKETCH_LANES;
        const followed_row followed = args.followed[row];
        const int64_t element = followed.row * (int64_t)SKETCH_LANES + lane;
        if (element >= args.count)
            continue;
        float *now = sketch_kept(&args, 0, row) + lane;
        const float *last = sketch_kept(&args, 1, row) + lane;
        const float grad = args.grad[element], param = args.param[element];
        sketch_follow(sums, (double)followed.weight, grad, last[0], param - last[SKETCH_LANES]);
        now[0] = grad;
        now[SKETCH_LANES] = param;
    }
}

/* How many blocks, the first ones, have anything of a sketch. */
__device__ int sketched_blocks(const update_args &args, bool compared)
{
    const int blocks = (int)gridDim.x, rows_of_block = gpu::THREADS / SKETCH_LANES;
    const int following = args.sketches ? (args.followed_count + rows_of_block - 1) / rows_of_block : 0;
    return compared || following > blocks ? blocks : following;
}

/* Two blocks to a multiprocessor: otherwise nvcc aims at more and spills. Sums over a block are shuffled word by word:
 * seven of a sketch beside two of the norm, so only the few blocks that have any add them up. */
__global__ void __launch_bounds__(gpu::THREADS, 2)
    grad_norm_kernel(const __grid_constant__ update_args args, grad_part *parts, sketch_sums *sketches,
                     unsigned *ticket)
{
    const grad_part none = {0.0, 0};
    grad_part mine = none;
    sketch_sums sketch = {0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0};
    const float *part = args.sketches && args.control->noise == NOISE_OF_HALF ? sketch_part(&args) : nullptr;
    const int sketched = sketched_blocks(args, part != nullptr);
    for_stretches(args.count, [&](int64_t stretch, int64_t i, int count) {
        float grad[WIDTH];
        load_some(grad, args.grad + i, count);
        for (int k = 0; k < WIDTH; k++) {
            mine.squares += (double)grad[k] * (double)grad[k];
            mine.nonfinite += !float_finite(grad[k]);
        }
        if (!part)
            return;
        for (int k = 0; k < WIDTH; k++)
            grad[k] = sketch_signed(i + k, grad[k]);
        const float bucket = bucket_sum(grad);
        if (bucket_mine())
            sketch_compare(&sketch, bucket, part[stretch * SKETCH_LANES + bucket_of_lane()]);
    });
    if ((int)blockIdx.x < sketched) {
        const sketch_sums zero = {0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0};
        if (args.sketches)
            follow_rows(args, &sketch);
        sketch = gpu::block_reduce<WARPS>(sketch, zero, sketch_sums_merge);
        if (threadIdx.x == 0)
            sketches[blockIdx.x] = sketch;
    }
    mine = gpu::block_reduce<WARPS>(mine, none, grad_part_merge);
    if (!gpu::leave_part(parts, mine, ticket))
        return;
    const grad_part total = gpu::parts_reduce<WARPS>(parts, (int)gridDim.x, none, grad_part_merge);
    if (threadIdx.x >= 32)
        return;
    sketch = {0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0};
    for (int block = (int)threadIdx.x; block < sketched; block += 32)
        sketch = sketch_sums_merge(sketch, sketches[block]);
    sketch = gpu::warp_reduce(sketch, sketch_sums_merge);
    if (threadIdx.x == 0)
        grad_norm_finish(args, total, sketch);
}

/* ---- the gradient of a part of the batch ---- */

__device__ double add(double a, double b)
{
    return a + b;
}

__global__ void __launch_bounds__(gpu::THREADS)
    part_norm_kernel(const __grid_constant__ update_args args, const float *gradient, bool first, double *parts,
                     unsigned *ticket)
{
    if (args.control->noise == NOISE_NONE)
        return;
    double mine = 0.0;
    float *sketch = args.control->noise == NOISE_OF_HALF ? sketch_part(&args) : nullptr;
    for_stretches(args.count, [&](int64_t stretch, int64_t i, int count) {
        float grad[WIDTH];
        load_some(grad, gradient + i, count);
        for (int k = 0; k < WIDTH; k++) {
            mine += (double)grad[k] * (double)grad[k];
            grad[k] = sketch_signed(i + k, grad[k]);
        }
        if (!sketch)
            return;
        const float bucket = bucket_sum(grad);
        if (bucket_mine())
            sketch[stretch * SKETCH_LANES + bucket_of_lane()] = bucket;
    });
    mine = gpu::block_reduce<WARPS>(mine, 0.0, add);
    if (!gpu::leave_part(parts, mine, ticket))
        return;
    const double total = gpu::parts_reduce<WARPS>(parts, (int)gridDim.x, 0.0, add);
    if (threadIdx.x == 0)
        part_finish(args.norms, args.control, total, first);
}

/* ---- the update ---- */

/* Squares of what the parameters moved by and of what they are; movement times gradient. */
struct norm_part {
    double moved, weight, slope;
};

__device__ norm_part norm_part_merge(norm_part a, norm_part b)
{
    return {a.moved + b.moved, a.weight + b.weight, a.slope + b.slope};
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
__device__ void elements(const update_args &args, const optimizer_step &step, decay_cursor *cursor, float ema_rest,
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
        if (args.unmeasured)
            continue;
        double moved = (double)param[k] - (double)before;
        sums->moved += moved * moved;
        sums->weight += (double)param[k] * (double)param[k];
        sums->slope += moved * (double)grad[k];
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

/* With momentum nvcc aims at five blocks to a multiprocessor of sm_89, and spills. */
template <int RULE>
__global__ void __launch_bounds__(gpu::THREADS, RULE == RULE_MOMENTUM ? 4 : 0)
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
    const norm_part none = {0.0, 0.0, 0.0};
    norm_part mine = none;
    for_stretches(args.count, [&](int64_t, int64_t i, int count) {
        if (count == WIDTH)
            elements<RULE, WIDTH>(args, step, &cursor, ema_rest, i, &mine);
        else
            for (int k = 0; k < count; k++)
                elements<RULE, 1>(args, step, &cursor, ema_rest, i + k, &mine);
    });
    mine = gpu::block_reduce<WARPS>(mine, none, norm_part_merge);
    if (!gpu::leave_part(parts, mine, ticket))
        return;
    norm_part total = gpu::parts_reduce<WARPS>(parts, (int)gridDim.x, none, norm_part_merge);
    if (threadIdx.x == 0)
        update_finish(&args, total.moved, total.weight, total.slope);
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
    static_assert(gpu::MOST_BLOCKS * (sizeof(grad_part) + sizeof(sketch_sums)) <= CUDA_REDUCTION_BYTES,
                  "one part for each block");
    grad_part *parts = (grad_part *)device->reduction;
    CUDA_TRY(gpu::launch(grad_norm_kernel, update_blocks(args->count), gpu::THREADS, 0, device->stream, *args, parts,
                         (sketch_sums *)(parts + gpu::MOST_BLOCKS), device->tickets + gpu::TICKET_GRAD_NORM));
    return OK;
}

int cuda_part_norm(struct device *device, const struct update_args *args, const float *grad, bool first)
{
    assert(args->count > 0 && args->sketches && gpu::aligned16(grad));
    CUDA_TRY(gpu::launch(part_norm_kernel, update_blocks(args->count), gpu::THREADS, 0, device->stream, *args, grad,
                         first, (double *)device->reduction, device->tickets + gpu::TICKET_PART_NORM));
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
