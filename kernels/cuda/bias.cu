/* bias: what cuDNN and cuBLAS leave over of convolutions and linear layers: adding a bias, its gradient, widening a
 * gradient to fp32. Knows nothing of the layers. All are bound by memory: bias_add reads and writes the array once,
 * bias_grad reads it once, widen reads 2 and writes 4 bytes an element. */
#include "cuda.h"
#include "reduce.cuh"

namespace
{
enum { THREADS = 256, LANES = 32, ROWS = THREADS / LANES };

/* One thread has N neighbouring channels of a row at a time. */
template <class T, int N> __global__ void add_kernel(T *to, const float *bias, int64_t packs, int channels)
{
    const int per_row = channels / N;
    for (int64_t i = gpu::grid_thread(); i < packs; i += gpu::grid_threads()) {
        float value[N];
        const int first = int(i % per_row) * N;
        gpu::load_floats<N>(value, to + i * N);
        for (int k = 0; k < N; k++)
            value[k] += bias[first + k];
        gpu::store_floats<N>(to + i * N, value);
    }
}

/* A block has LANES packs of channels and ROWS rows at a time of its stretch of rows; each thread sums its rows in
 * order, then thread row 0 adds the block's rows in order. parts: [stretch][channel]. */
template <class T, int N>
__global__ void grad_kernel(float *parts, const T *grad, int64_t rows, int64_t stretch, int channels)
{
    SHARED(float, sums, [THREADS][N]);
    const int lane = int(threadIdx.x) % LANES, row = int(threadIdx.x) / LANES;
    const int channel = (int(blockIdx.x) * LANES + lane) * N;
    const int64_t begin = blockIdx.y * stretch, end = begin + stretch < rows ? begin + stretch : rows;
    float sum[N] = {};
    if (channel < channels) {
        for (int64_t i = begin + row; i < end; i += ROWS) {
            float value[N];
            gpu::load_floats<N>(value, grad + i * channels + channel);
            for (int k = 0; k < N; k++)
                sum[k] += value[k];
        }
    }
    for (int k = 0; k < N; k++)
        sums[threadIdx.x][k] = sum[k];
    __syncthreads();
    if (row > 0 || channel >= channels)
        return;
    for (int i = 1; i < ROWS; i++)
        for (int k = 0; k < N; k++)
            sum[k] += sums[i * LANES + lane][k];
    for (int k = 0; k < N; k++)
        parts[int64_t(blockIdx.y) * channels + channel + k] = sum[k];
}

__global__ void grad_total_kernel(float *bias_grad, const float *parts, int stretches, int channels)
{
    const int channel = int(gpu::grid_thread());
    if (channel >= channels)
        return;
    float sum = 0.0f;
    for (int i = 0; i < stretches; i++)
        sum += parts[int64_t(i) * channels + channel];
    bias_grad[channel] = sum;
}

template <class T> __global__ void widen_kernel(float *to, const T *from, int64_t count, bool packed)
{
    gpu::for_packs<gpu::PACK<T>>(count, packed, [=](int64_t i, auto width) {
        constexpr int N = decltype(width)::value;
        float value[N];
        gpu::load_floats<N>(value, from + i);
        gpu::store<N>(to + i, value);
    });
}

template <class T, int N> int add(struct device *device, T *to, const float *bias, int64_t rows, int channels)
{
    const int64_t packs = rows * channels / N;
    CUDA_TRY(gpu::launch(add_kernel<T, N>, gpu::blocks(packs), THREADS, 0, device->stream, to, bias, packs, channels));
    return OK;
}

/* As many stretches of rows as fill the device while a thread still sums 16 rows; a function of the shape alone. */
template <class T, int N> int grad(struct device *device, float *bias_grad, const T *from, int64_t rows, int channels)
{
    const int groups = (channels / N + LANES - 1) / LANES;
    const int64_t room = int64_t(device->reduction_bytes / sizeof(float)) / channels;
    int64_t stretches = 1024 / groups;
    if (stretches > (rows + ROWS * 16 - 1) / (ROWS * 16))
        stretches = (rows + ROWS * 16 - 1) / (ROWS * 16);
    if (stretches > room)
        stretches = room;
    if (stretches < 1)
        stretches = 1;
    const int64_t stretch = (rows + stretches - 1) / stretches;
    float *parts = (float *)device->reduction;
    CUDA_TRY(gpu::launch(grad_kernel<T, N>, dim3(unsigned(groups), unsigned(stretches)), THREADS, 0, device->stream,
                         stretches > 1 ? parts : bias_grad, from, rows, stretch, channels));
    if (stretches > 1)
        CUDA_TRY(gpu::launch(grad_total_kernel, unsigned(channels + THREADS - 1) / THREADS, THREADS, 0, device->stream,
                             bias_grad, parts, int(stretches), channels));
    return OK;
}

template <class T> bool packs(const void *memory, int channels)
{
    return channels % gpu::PACK<T> == 0 && gpu::aligned16(memory);
}

template <class T> int add_of(struct device *device, void *to, const float *bias, int64_t rows, int channels)
{
    return packs<T>(to, channels) ? add<T, gpu::PACK<T>>(device, (T *)to, bias, rows, channels)
                                  : add<T, 1>(device, (T *)to, bias, rows, channels);
}

template <class T> int grad_of(struct device *device, float *bias_grad, const void *from, int64_t rows, int channels)
{
    return packs<T>(from, channels) ? grad<T, gpu::PACK<T>>(device, bias_grad, (const T *)from, rows, channels)
                                    : grad<T, 1>(device, bias_grad, (const T *)from, rows, channels);
}

template <class T> int widen_of(struct device *device, float *to, const void *from, int64_t count)
{
    const bool packed = gpu::aligned16(to) && gpu::aligned16(from);
    CUDA_TRY(gpu::launch(widen_kernel<T>, gpu::blocks(count / gpu::PACK<T> + 1), THREADS, 0, device->stream, to,
                         (const T *)from, count, packed));
    return OK;
}
} // namespace

extern "C" int cuda_bias_add(struct device *device, void *to, enum dtype dtype, const float *bias, int64_t rows,
                             int channels)
{
    switch (dtype) {
    case DT_BF16: return add_of<gpu::bf16>(device, to, bias, rows, channels);
    case DT_F16: return add_of<gpu::fp16>(device, to, bias, rows, channels);
    default: return add_of<float>(device, to, bias, rows, channels);
    }
}

extern "C" int cuda_bias_grad(struct device *device, float *bias_grad, const void *grad, enum dtype dtype, int64_t rows,
                              int channels)
{
    switch (dtype) {
    case DT_BF16: return grad_of<gpu::bf16>(device, bias_grad, grad, rows, channels);
    case DT_F16: return grad_of<gpu::fp16>(device, bias_grad, grad, rows, channels);
    default: return grad_of<float>(device, bias_grad, grad, rows, channels);
    }
}

extern "C" int cuda_widen(struct device *device, float *to, const void *from, enum dtype dtype, int64_t count)
{
    switch (dtype) {
    case DT_BF16: return widen_of<gpu::bf16>(device, to, from, count);
    case DT_F16: return widen_of<gpu::fp16>(device, to, from, count);
    default: return widen_of<float>(device, to, from, count);
    }
}
