/* pointwise: rectifier, addition, dropout. Knows nothing of shapes beyond the number of elements.
 *
 * Bytes per element in bf16 (fp32: twice): rectifier 4 forward (x, y), 6 backward (y, dy, dx); addition 6 forward, 6
 * backward (dy once, two gradients); dropout 4 each way: its mask is drawn again by the backward pass. */
#include "kernels/common/dropout.h"
#include "rows.cuh"
#include <stdlib.h>

using namespace gpu;

struct pointwise {
    int64_t count;
    enum dtype dtype;
    float rate;
};

static int pointwise_prepare(struct device *, const struct op_desc *desc, void **state, struct op_needs *)
{
    struct pointwise *pointwise = (struct pointwise *)malloc(sizeof *pointwise);
    *state = pointwise;
    if (!pointwise)
        return FAIL(ERR_MEMORY, "cuda: out of memory for a layer's description; close other programs");
    *pointwise = {shape_count(desc->out), desc->dtype, 0.0f};
    return OK;
}

/* A grid whose threads each have a few packs. */
template <class T> static unsigned pack_blocks(const struct pointwise *pointwise)
{
    return blocks(rows_divide(pointwise->count, PACK<T>), THREADS, 16 * MOST_BLOCKS);
}

/* Calls at(i, width) for packs that cover [0, count): width elements from i on. */
template <class T, class F> __device__ inline void all_packs(int64_t count, F at)
{
    for (int64_t i = grid_thread() * PACK<T>; i < count; i += grid_threads() * PACK<T>)
        at(i, count - i < PACK<T> ? int(count - i) : PACK<T>);
}

/* ---- rectifier ---- */

/* max(x, 0) as torch has it: NaN stays. */
template <class T> static __global__ void __launch_bounds__(THREADS) rectify(const T *x, T *y, int64_t count)
{
    all_packs<T>(count, [&](int64_t i, int width) {
        T pack[PACK<T>];
        load_pack(pack, x + i, width);
        for (int j = 0; j < PACK<T>; j++)
            pack[j] = to_float(pack[j]) <= 0.0f ? T{0} : pack[j];
        store_pack(y + i, pack, width);
    });
}

template <class T>
static __global__ void __launch_bounds__(THREADS) rectify_grad(const T *y, const T *dy, T *dx, int64_t count)
{
    all_packs<T>(count, [&](int64_t i, int width) {
        T out[PACK<T>], grad[PACK<T>];
        load_pack(out, y + i, width);
        load_pack(grad, dy + i, width);
        for (int j = 0; j < PACK<T>; j++)
            grad[j] = to_float(out[j]) <= 0.0f ? T{0} : grad[j];
        store_pack(dx + i, grad, width);
    });
}

static int relu_forward(struct device *device, const struct op_call *call)
{
    const struct pointwise *relu = (const struct pointwise *)call->state;
    if (call->rectified_by && !call->apart)
        return OK;
    return for_dtype(relu->dtype, [&](auto type) {
        using T = decltype(type);
        CUDA_TRY(launch(rectify<T>, pack_blocks<T>(relu), THREADS, 0, device->stream, (const T *)call->in[0],
                        (T *)call->out, relu->count));
        return int(OK);
    });
}

static int relu_backward(struct device *device, const struct op_call *call)
{
    const struct pointwise *relu = (const struct pointwise *)call->state;
    if (!call->in_grad[0])
        return OK;
    return for_dtype(relu->dtype, [&](auto type) {
        using T = decltype(type);
        CUDA_TRY(launch(rectify_grad<T>, pack_blocks<T>(relu), THREADS, 0, device->stream, (const T *)call->out,
                        (const T *)call->out_grad, (T *)call->in_grad[0], relu->count));
        return int(OK);
    });
}

extern "C" const struct op_impl cuda_relu = {
    pointwise_prepare, relu_forward, relu_backward, NULL, free, NULL, NULL,
};

/* ---- addition ---- */

template <class T>
static __global__ void __launch_bounds__(THREADS) sum_of_two(const T *a, const T *b, T *y, int64_t count)
{
    all_packs<T>(count, [&](int64_t i, int width) {
        T left[PACK<T>], right[PACK<T>];
        load_pack(left, a + i, width);
        load_pack(right, b + i, width);
        for (int j = 0; j < PACK<T>; j++)
            left[j] = from_float<T>(to_float(left[j]) + to_float(right[j]));
        store_pack(y + i, left, width);
    });
}

/* Either may be NULL. */
template <class T>
static __global__ void __launch_bounds__(THREADS) copy_to_two(const T *from, T *a, T *b, int64_t count)
{
    all_packs<T>(count, [&](int64_t i, int width) {
        T pack[PACK<T>];
        load_pack(pack, from + i, width);
        if (a)
            store_pack(a + i, pack, width);
        if (b)
            store_pack(b + i, pack, width);
    });
}

static int add_forward(struct device *device, const struct op_call *call)
{
    const struct pointwise *add = (const struct pointwise *)call->state;
    return for_dtype(add->dtype, [&](auto type) {
        using T = decltype(type);
        CUDA_TRY(launch(sum_of_two<T>, pack_blocks<T>(add), THREADS, 0, device->stream, (const T *)call->in[0],
                        (const T *)call->in[1], (T *)call->out, add->count));
        return int(OK);
    });
}

static int add_backward(struct device *device, const struct op_call *call)
{
    const struct pointwise *add = (const struct pointwise *)call->state;
    if (!call->in_grad[0] && !call->in_grad[1])
        return OK;
    return for_dtype(add->dtype, [&](auto type) {
        using T = decltype(type);
        CUDA_TRY(launch(copy_to_two<T>, pack_blocks<T>(add), THREADS, 0, device->stream, (const T *)call->out_grad,
                        (T *)call->in_grad[0], (T *)call->in_grad[1], add->count));
        return int(OK);
    });
}

extern "C" const struct op_impl cuda_add = {
    pointwise_prepare, add_forward, add_backward, NULL, free, NULL, NULL,
};

/* ---- dropout ---- */

static int dropout_prepare(struct device *device, const struct op_desc *desc, void **state, struct op_needs *needs)
{
    TRY(pointwise_prepare(device, desc, state, needs));
    ((struct pointwise *)*state)->rate = desc->params->dropout.rate;
    return OK;
}

/* A dropped element is multiplied by 0, so that it cannot hide a value that is not finite. */
template <class T>
static __global__ void __launch_bounds__(THREADS)
    drop(const T *from, T *to, int64_t count, float rate, int node, const struct step_control *control)
{
    const int64_t groups = dropout_groups(count), step = control->step;
    const uint64_t seed = control->seed;
    const int32_t micro = control->micro;
    const float scale = dropout_scale(rate);
    all_packs<T>(count, [&](int64_t i, int width) {
        T pack[PACK<T>];
        load_pack(pack, from + i, width);
        for (int g = 0; g < PACK<T>; g += DROPOUT_GROUP) {
            const struct random_block words = dropout_words(seed, step, micro, node, groups, (i + g) / DROPOUT_GROUP);
            for (int j = 0; j < DROPOUT_GROUP; j++)
                pack[g + j] =
                    from_float<T>(to_float(pack[g + j]) * (dropout_keeps(words.word[j], rate) ? scale : 0.0f));
        }
        store_pack(to + i, pack, width);
    });
}

static int dropout_run(struct device *device, const struct op_call *call, const void *from, void *to)
{
    const struct pointwise *dropout = (const struct pointwise *)call->state;
    return for_dtype(dropout->dtype, [&](auto type) {
        using T = decltype(type);
        CUDA_TRY(launch(drop<T>, pack_blocks<T>(dropout), THREADS, 0, device->stream, (const T *)from, (T *)to,
                        dropout->count, dropout->rate, call->node, call->control));
        return int(OK);
    });
}

static int dropout_forward(struct device *device, const struct op_call *call)
{
    const struct pointwise *dropout = (const struct pointwise *)call->state;
    if (call->training)
        return dropout_run(device, call, call->in[0], call->out);
    CUDA_TRY(cudaMemcpyAsync(call->out, call->in[0], size_t(dropout->count) * dtype_bytes(dropout->dtype),
                             cudaMemcpyDeviceToDevice, device->stream));
    return OK;
}

static int dropout_backward(struct device *device, const struct op_call *call)
{
    return call->in_grad[0] ? dropout_run(device, call, call->out_grad, call->in_grad[0]) : int(OK);
}

extern "C" const struct op_impl cuda_dropout = {
    dropout_prepare, dropout_forward, dropout_backward, NULL, free, NULL, NULL,
};
