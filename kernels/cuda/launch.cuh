/* launch: the few words in which a .cu file differs between nvcc and the emulator (-DEMU): shared variables, launching
 * a kernel, half precision. Everything else in a .cu file is plain CUDA C++. Knows nothing of what kernels compute. */
#ifndef LAUNCH_CUH
#define LAUNCH_CUH
#include "kernels/common/bf16.h"
#include "op.h"

#ifdef EMU
#include "cuda_emu.h"
#include "kernels/common/fp16.h"
#else
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#include <tuple>
#include <utility>

/* SHARED(float, sums, [32]); a type without constructor, in a kernel or a function that kernels call. Starts as NaN in
 * the emulator, as anything on a GPU. */
#define SHARED(T, name, ...) __shared__ T name __VA_ARGS__
/* DYN_SHARED(float, tile): the bytes that the launch asks for, from their beginning. */
#define DYN_SHARED(T, name)                                                                                            \
    extern __shared__ __align__(16) unsigned char dynamic_shared_bytes[];                                              \
    T *name = reinterpret_cast<T *>(dynamic_shared_bytes)

namespace gpu
{
/* Queues a kernel. The arguments are copied, converted to the kernel's parameter types. */
template <class... P, class... A>
inline cudaError_t launch(void (*kernel)(P...), dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream,
                          A &&...args)
{
    static_assert(sizeof...(P) == sizeof...(A), "as many arguments as the kernel has parameters");
    std::tuple<std::decay_t<P>...> parameters(std::forward<A>(args)...);
    return std::apply(
        [&](auto &...parameter) {
            void *pointers[] = {(void *)&parameter..., nullptr};
            return cudaLaunchKernel((const void *)kernel, grid, block, pointers, shared_bytes, stream);
        },
        parameters);
}
} // namespace gpu
#endif

namespace gpu
{
/* Blocks of a loop in strides of the grid over count pieces of work: enough to fill any device several times, few
 * enough that starting blocks costs nothing. A function of count alone, so sums per block are the same on every device.
 */
enum { THREADS = 256, MOST_BLOCKS = 1024 };
inline unsigned blocks(int64_t count, int threads = THREADS, int64_t most = MOST_BLOCKS)
{
    int64_t wanted = (count + threads - 1) / threads;
    return unsigned(wanted < 1 ? 1 : wanted < most ? wanted : most);
}

/* The low-precision types, as bits. */
struct bf16 {
    uint16_t bits;
};
struct fp16 {
    uint16_t bits;
};

__device__ inline float to_float(float value)
{
    return value;
}

__device__ inline float to_float(bf16 value)
{
    return bf16_to_float(value.bits);
}

__device__ inline float to_float(fp16 value)
{
#ifdef EMU
    return fp16_to_float(value.bits);
#else
    return __half2float(__ushort_as_half(value.bits));
#endif
}

/* from_float<T>(x): x rounded to nearest, ties to even. */
template <class T> __device__ inline T from_float(float value);
template <> __device__ inline float from_float<float>(float value)
{
    return value;
}

template <> __device__ inline bf16 from_float<bf16>(float value)
{
    return {bf16_from_float(value)};
}

template <> __device__ inline fp16 from_float<fp16>(float value)
{
#ifdef EMU
    return {fp16_from_float(value)};
#else
    return {__half_as_ushort(__float2half_rn(value))};
#endif
}

/* Calls with(T()), T being the type of a floating-point dtype, and returns what it returns. */
template <class F> inline int for_dtype(enum dtype dtype, F with)
{
    return dtype == DT_F32 ? with(float()) : dtype == DT_BF16 ? with(bf16()) : with(fp16());
}
} // namespace gpu
#endif
