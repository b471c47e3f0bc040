/* reduce: 16-byte accesses, and sums over a warp, a block and a list of partial results, each in one fixed order, so
 * that a result never depends on which thread came first. Knows nothing of what is summed. */
#ifndef REDUCE_CUH
#define REDUCE_CUH
#include "launch.cuh"

namespace gpu
{
/* ---- 16 bytes at a time ---- */

/* Elements of T in 16 bytes. */
template <class T> constexpr int PACK = 16 / int(sizeof(T));

/* Copies N elements in the widest accesses there are, up to 16 bytes. The address must be aligned to their size. */
template <int N, class T> __device__ inline void load(T *values, const T *from)
{
    constexpr int BYTES = N * int(sizeof(T));
    using word = std::conditional_t<BYTES % 16 == 0, uint4, std::conditional_t<BYTES == 8, uint2, uint32_t>>;
    static_assert(BYTES % sizeof(word) == 0 || N == 1, "2, 4, 8 or whole 16 bytes");
    if constexpr (BYTES < 4) {
        values[0] = from[0];
    } else {
        word words[BYTES / sizeof(word)];
        for (int i = 0; i < int(BYTES / sizeof(word)); i++)
            words[i] = reinterpret_cast<const word *>(from)[i];
        memcpy(values, words, BYTES);
    }
}

template <int N, class T> __device__ inline void store(T *to, const T *values)
{
    constexpr int BYTES = N * int(sizeof(T));
    using word = std::conditional_t<BYTES % 16 == 0, uint4, std::conditional_t<BYTES == 8, uint2, uint32_t>>;
    static_assert(BYTES % sizeof(word) == 0 || N == 1, "2, 4, 8 or whole 16 bytes");
    if constexpr (BYTES < 4) {
        to[0] = values[0];
    } else {
        word words[BYTES / sizeof(word)];
        memcpy(words, values, BYTES);
        for (int i = 0; i < int(BYTES / sizeof(word)); i++)
            reinterpret_cast<word *>(to)[i] = words[i];
    }
}

/* The same, as floats. */
template <int N, class T> __device__ inline void load_floats(float *values, const T *from)
{
    T loaded[N];
    load<N>(loaded, from);
    for (int i = 0; i < N; i++)
        values[i] = to_float(loaded[i]);
}

template <int N, class T> __device__ inline void store_floats(T *to, const float *values)
{
    T stored[N];
    for (int i = 0; i < N; i++)
        stored[i] = from_float<T>(values[i]);
    store<N>(to, stored);
}

inline __host__ __device__ bool aligned16(const void *a)
{
    return (reinterpret_cast<uintptr_t>(a) & 15) == 0;
}

/* This thread's place in a loop in strides of the grid. */
__device__ inline int64_t grid_thread()
{
    return int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
}

__device__ inline int64_t grid_threads()
{
    return int64_t(gridDim.x) * blockDim.x;
}

/* Calls at(i, width) for stretches that cover [0, count), each by one thread of the grid; decltype(width)::value is N
 * while whole stretches of N last, then 1. Not packed: 1 from the start, for arrays that are not aligned. */
template <int N, class F> __device__ inline void for_packs(int64_t count, bool packed, F at)
{
    int64_t packs = packed ? count / N : 0;
    for (int64_t i = grid_thread(); i < packs; i += grid_threads())
        at(i * N, std::integral_constant<int, N>());
    for (int64_t i = packs * N + grid_thread(); i < count; i += grid_threads())
        at(i, std::integral_constant<int, 1>());
}

/* ---- warp ---- */

/* The value of the lane whose number differs in the bits of mask. Any plain type of whole words; all 32 lanes. */
template <class T> __device__ inline T shuffle_xor(T value, int mask)
{
    static_assert(sizeof(T) % 4 == 0 && std::is_trivially_copyable<T>::value, "plain words");
    uint32_t words[sizeof(T) / 4];
    memcpy(words, &value, sizeof value);
    for (int i = 0; i < int(sizeof(T) / 4); i++)
        words[i] = __shfl_xor_sync(~0u, words[i], mask);
    memcpy(&value, words, sizeof value);
    return value;
}

/* merge(a, b) over the warp, in every lane: neighbours first. merge must not care which of a and b comes first, as +
 * does not, or lanes will differ. */
template <class T, class F> __device__ inline T warp_reduce(T value, F merge)
{
    for (int distance = 1; distance < 32; distance *= 2)
        value = merge(value, shuffle_xor(value, distance));
    return value;
}

template <class T> __device__ inline T warp_sum(T value)
{
    return warp_reduce(value, [](T a, T b) { return a + b; });
}

/* ---- block ---- */

/* merge over a block of WARPS * 32 threads in one dimension, in every thread; none: merging it changes nothing. Reached
 * by all threads; may be called again at once. */
template <int WARPS, class T, class F> __device__ inline T block_reduce(T value, T none, F merge)
{
    static_assert(WARPS >= 1 && WARPS <= 32, "warps of a block");
    SHARED(T, of_warp, [WARPS]);
    value = warp_reduce(value, merge);
    __syncthreads(); /* the last call's readers are done */
    if (threadIdx.x % 32 == 0)
        of_warp[threadIdx.x / 32] = value;
    __syncthreads();
    int lane = int(threadIdx.x % 32);
    return warp_reduce(lane < WARPS ? of_warp[lane] : none, merge);
}

template <int WARPS, class T> __device__ inline T block_sum(T value)
{
    return block_reduce<WARPS>(value, T(0), [](T a, T b) { return a + b; });
}

/* ---- two stages ---- */

/* The second stage: one block of WARPS * 32 threads merges what every block of the first stage left, in every thread.
 */
template <int WARPS, class T, class F> __device__ inline T parts_reduce(const T *parts, int count, T none, F merge)
{
    T value = none;
    for (int i = int(threadIdx.x); i < count; i += WARPS * 32)
        value = merge(value, parts[i]);
    return block_reduce<WARPS>(value, none, merge);
}
} // namespace gpu
#endif
