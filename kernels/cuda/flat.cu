/* flat: element-wise work on flat arrays that is not part of the update: accumulate, lower, blend, swap, and the search
 * for non-finite values. Knows nothing of what the arrays mean. */
#include "cuda.h"
#include "kernels/common/optimizer.h"
#include "reduce.cuh"
#include <assert.h>

using namespace gpu;

/* Reads 2 and writes 1 value per element. */
template <class T> static __global__ void add_kernel(T *to, const T *from, int64_t count, bool packed)
{
    for_packs<PACK<T>>(count, packed, [=](int64_t i, auto width) {
        constexpr int N = decltype(width)::value;
        float sum[N], part[N];
        load_floats<N>(sum, to + i);
        load_floats<N>(part, from + i);
        for (int k = 0; k < N; k++)
            sum[k] += part[k];
        store_floats<N>(to + i, sum);
    });
}

/* Reads 4 and writes 2 bytes per element. */
template <class T> static __global__ void lower_kernel(T *low, const float *param, int64_t count, bool packed)
{
    for_packs<PACK<T>>(count, packed, [=](int64_t i, auto width) {
        constexpr int N = decltype(width)::value;
        float values[N];
        load<N>(values, param + i);
        store_floats<N>(low + i, values);
    });
}

/* Reads 8 and writes 4 bytes per element. */
static __global__ void blend_kernel(float *to, const float *from, int64_t count, const struct step_control *control,
                                    bool packed)
{
    if (control->bad)
        return;
    const float weight = ema_weight(control);
    for_packs<PACK<float>>(count, packed, [=](int64_t i, auto width) {
        constexpr int N = decltype(width)::value;
        float average[N], value[N];
        load<N>(average, to + i);
        load<N>(value, from + i);
        for (int k = 0; k < N; k++)
            average[k] = ema_element(average[k], value[k], weight);
        store<N>(to + i, average);
    });
}

/* Reads 8 and writes 8 bytes per element. */
static __global__ void swap_kernel(float *a, float *b, int64_t count, bool packed)
{
    for_packs<PACK<float>>(count, packed, [=](int64_t i, auto width) {
        constexpr int N = decltype(width)::value;
        float of_a[N], of_b[N];
        load<N>(of_a, a + i);
        load<N>(of_b, b + i);
        store<N>(a + i, of_b);
        store<N>(b + i, of_a);
    });
}

/* parts[block] = what the block found. */
template <class T>
static __global__ void __launch_bounds__(THREADS)
    nonfinite_kernel(const T *values, int64_t count, int64_t *parts, bool packed)
{
    int64_t bad = 0;
    for_packs<PACK<T>>(count, packed, [&](int64_t i, auto width) {
        constexpr int N = decltype(width)::value;
        float value[N];
        load_floats<N>(value, values + i);
        for (int k = 0; k < N; k++)
            bad += !float_finite(value[k]);
    });
    bad = block_sum<THREADS / 32>(bad);
    if (threadIdx.x == 0)
        parts[blockIdx.x] = bad;
}

static __global__ void __launch_bounds__(THREADS) total_kernel(const int64_t *parts, int count, int64_t *total)
{
    const int64_t sum =
        parts_reduce<THREADS / 32>(parts, count, int64_t(0), [](int64_t a, int64_t b) { return a + b; });
    if (threadIdx.x == 0)
        *total = sum;
}

/* Blocks for arrays of T worked on in packs. */
template <class T> static unsigned pack_blocks(int64_t count)
{
    return blocks((count + PACK<T> - 1) / PACK<T>);
}

int cuda_accumulate(struct device *device, void *to, const void *from, int64_t count, enum dtype dtype, bool first)
{
    assert(dtype <= DT_F16);
    if (first) {
        CUDA_TRY(
            cudaMemcpyAsync(to, from, size_t(count) * dtype_bytes(dtype), cudaMemcpyDeviceToDevice, device->stream));
        return OK;
    }
    return for_dtype(dtype, [=](auto type) -> int {
        using T = decltype(type);
        CUDA_TRY(launch(add_kernel<T>, pack_blocks<T>(count), THREADS, 0, device->stream, static_cast<T *>(to),
                        static_cast<const T *>(from), count, aligned16(to) && aligned16(from)));
        return OK;
    });
}

int cuda_lower(struct device *device, void *low, enum dtype dtype, const float *param, int64_t count)
{
    assert(dtype == DT_BF16 || dtype == DT_F16);
    return for_dtype(dtype, [=](auto type) -> int {
        using T = decltype(type);
        CUDA_TRY(launch(lower_kernel<T>, pack_blocks<T>(count), THREADS, 0, device->stream, static_cast<T *>(low),
                        param, count, aligned16(low) && aligned16(param)));
        return OK;
    });
}

int cuda_blend(struct device *device, float *to, const float *from, int64_t count, const struct step_control *control)
{
    CUDA_TRY(launch(blend_kernel, pack_blocks<float>(count), THREADS, 0, device->stream, to, from, count, control,
                    aligned16(to) && aligned16(from)));
    return OK;
}

int cuda_swap(struct device *device, float *a, float *b, int64_t count)
{
    CUDA_TRY(launch(swap_kernel, pack_blocks<float>(count), THREADS, 0, device->stream, a, b, count,
                    aligned16(a) && aligned16(b)));
    return OK;
}

int cuda_count_nonfinite(struct device *device, const void *memory, enum dtype dtype, int64_t count, int64_t *found)
{
    static_assert((MOST_BLOCKS + 1) * sizeof(int64_t) <= CUDA_REDUCTION_BYTES, "one sum per block, and the total");
    int64_t *parts = static_cast<int64_t *>(device->reduction), *total = parts + MOST_BLOCKS;
    *found = 0;
    if (dtype > DT_F16)
        return OK;
    TRY(for_dtype(dtype, [=](auto type) -> int {
        using T = decltype(type);
        const unsigned grid = pack_blocks<T>(count);
        CUDA_TRY(launch(nonfinite_kernel<T>, grid, THREADS, 0, device->stream, static_cast<const T *>(memory), count,
                        parts, aligned16(memory)));
        CUDA_TRY(launch(total_kernel, 1, THREADS, 0, device->stream, parts, int(grid), total));
        return OK;
    }));
    CUDA_TRY(cudaMemcpyAsync(found, total, sizeof *found, cudaMemcpyDeviceToHost, device->stream));
    return cuda_wait(device);
}
