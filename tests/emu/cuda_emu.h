/* cuda_emu: CUDA C++ as a .cu file sees it when it is compiled by a C++ compiler for the CPU: every CUDA thread is a
 * fiber that runs until a barrier, a warp operation, now and then an atomic, or its end. What is not here does not
 * exist: PTX, cooperative groups, tensor cores, __CUDA_ARCH__. Owns declarations only; sync.cpp and schedule.cpp do the
 * work. */
#ifndef CUDA_EMU_H
#define CUDA_EMU_H
#include "cuda_math.h"
#include "cuda_runtime_api.h"
#include <tuple>
#include <type_traits>
#include <utility>

#define __global__
#define __device__
#define __host__
#define __constant__
#define __grid_constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __align__(n)    alignas(n)
#define __launch_bounds__(...)
#undef __restrict__
#define __restrict__ __restrict
/* A static would be one object for all resident blocks and never look uninitialised. */
#define __shared__ error_use_SHARED_or_DYN_SHARED

/* Vectors alias anything, as device code takes for granted. */
#define EMU_VECTOR(T, name, alignment)                                                                                 \
    struct __attribute__((may_alias, aligned(2 * alignment))) name##2                                                  \
    {                                                                                                                  \
        T x, y;                                                                                                        \
    };                                                                                                                 \
    struct __attribute__((may_alias)) name##3                                                                          \
    {                                                                                                                  \
        T x, y, z;                                                                                                     \
    };                                                                                                                 \
    struct __attribute__((may_alias, aligned(4 * alignment))) name##4                                                  \
    {                                                                                                                  \
        T x, y, z, w;                                                                                                  \
    };                                                                                                                 \
    inline name##2 make_##name##2(T x, T y)                                                                            \
    {                                                                                                                  \
        return {x, y};                                                                                                 \
    }                                                                                                                  \
    inline name##4 make_##name##4(T x, T y, T z, T w)                                                                  \
    {                                                                                                                  \
        return {x, y, z, w};                                                                                           \
    }
EMU_VECTOR(float, float, 4)
EMU_VECTOR(int, int, 4)
EMU_VECTOR(unsigned, uint, 4)
EMU_VECTOR(unsigned char, uchar, 1)
EMU_VECTOR(unsigned short, ushort, 2)
#undef EMU_VECTOR

struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

namespace emu
{
struct block;
/* The part of a thread that kernels see; the scheduler's record begins with it. */
struct thread_head {
    uint3 index;
    unsigned lane, warp;
    struct block *home;
};
struct position {
    thread_head *thread; /* running now */
    uint3 block_index;
    dim3 block_size, grid_size;
};
extern position here;

enum warp_kind {
    WARP_SYNC,
    WARP_SHUFFLE_INDEX,
    WARP_SHUFFLE_UP,
    WARP_SHUFFLE_DOWN,
    WARP_SHUFFLE_XOR,
    WARP_BALLOT,
    WARP_ADD,
    WARP_MIN,
    WARP_MAX,
    WARP_UNSIGNED_MIN,
    WARP_UNSIGNED_MAX,
    WARP_AND,
    WARP_OR,
};
/* Where in the source an operation stands; threads that meet must come from one place. */
struct site {
    const char *file;
    int line;
};
enum vote { VOTE_COUNT, VOTE_AND, VOTE_OR };

void barrier(site at);
int barrier_vote(vote kind, bool vote, site at);
/* argument: the source lane, distance or mask; width: of the groups of lanes. */
uint64_t warp_operation(warp_kind kind, unsigned mask, uint64_t value, int argument, int width, site at);
void *shared_variable(const void *key, size_t bytes, size_t alignment);
void *dynamic_shared();
void atomic_turn(); /* another thread may run first */
void fence();

/* body(context) is one thread of the kernel; destroy(context) when it can never run again. */
cudaError_t enqueue_kernel(void (*body)(void *), void *context, void (*destroy)(void *), const void *kernel, dim3 grid,
                           dim3 block, size_t shared_bytes, cudaStream_t stream);

template <class T> T &shared_reference(const void *key)
{
    return *static_cast<T *>(shared_variable(key, sizeof(T), alignof(T)));
}

/* A real atomic, so that the race detector sees one. */
template <class T, class F> T atomic_change(T *memory, F change)
{
    using word = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;
    atomic_turn();
    word *raw = reinterpret_cast<word *>(memory);
    word before = __atomic_load_n(raw, __ATOMIC_RELAXED), after;
    do {
        after = emu_bits<word>(change(emu_bits<T>(before)));
    } while (!__atomic_compare_exchange_n(raw, &before, after, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return emu_bits<T>(before);
}

/* Integers alone: the order of atomics is free, and only integers add up to the same in any order. */
template <class T>
constexpr bool atomic_type =
    std::is_same<T, int>::value || std::is_same<T, unsigned>::value || std::is_same<T, unsigned long long>::value;
} // namespace emu

#define threadIdx (emu::here.thread->index)
#define blockIdx  (emu::here.block_index)
#define blockDim  (emu::here.block_size)
#define gridDim   (emu::here.grid_size)
[[maybe_unused]] constexpr int warpSize = 32;

#define SHARED(T, name, ...)                                                                                           \
    static const char name##_key = 0;                                                                                  \
    auto &name = emu::shared_reference<T __VA_ARGS__>(&name##_key)
#define DYN_SHARED(T, name) T *name = static_cast<T *>(emu::dynamic_shared())

#define EMU_SITE emu::site at = {__builtin_FILE(), __builtin_LINE()}

inline void __syncthreads(EMU_SITE)
{
    emu::barrier(at);
}
inline int __syncthreads_count(int yes, EMU_SITE)
{
    return emu::barrier_vote(emu::VOTE_COUNT, yes != 0, at);
}
inline int __syncthreads_and(int yes, EMU_SITE)
{
    return emu::barrier_vote(emu::VOTE_AND, yes != 0, at);
}
inline int __syncthreads_or(int yes, EMU_SITE)
{
    return emu::barrier_vote(emu::VOTE_OR, yes != 0, at);
}
inline void __syncwarp(unsigned mask = ~0u, EMU_SITE)
{
    emu::warp_operation(emu::WARP_SYNC, mask, 0, 0, 32, at);
}
inline void __threadfence()
{
    emu::fence();
}
inline void __threadfence_system()
{
    __threadfence();
}

inline void __threadfence_block()
{
    emu::fence();
}

#define EMU_SHUFFLE(name, kind, argument_type)                                                                         \
    template <class T> inline T name(unsigned mask, T value, argument_type argument, int width = 32, EMU_SITE)         \
    {                                                                                                                  \
        static_assert(std::is_arithmetic<T>::value && (sizeof(T) == 4 || sizeof(T) == 8), "no such overload in CUDA"); \
        uint64_t word = 0;                                                                                             \
        memcpy(&word, &value, sizeof value);                                                                           \
        word = emu::warp_operation(emu::kind, mask, word, int(argument), width, at);                                   \
        memcpy(&value, &word, sizeof value);                                                                           \
        return value;                                                                                                  \
    }
EMU_SHUFFLE(__shfl_sync, WARP_SHUFFLE_INDEX, int)
EMU_SHUFFLE(__shfl_up_sync, WARP_SHUFFLE_UP, unsigned)
EMU_SHUFFLE(__shfl_down_sync, WARP_SHUFFLE_DOWN, unsigned)
EMU_SHUFFLE(__shfl_xor_sync, WARP_SHUFFLE_XOR, int)
#undef EMU_SHUFFLE

inline unsigned __ballot_sync(unsigned mask, int yes, EMU_SITE)
{
    return unsigned(emu::warp_operation(emu::WARP_BALLOT, mask, yes != 0, 0, 32, at));
}
inline int __any_sync(unsigned mask, int yes, EMU_SITE)
{
    return emu::warp_operation(emu::WARP_BALLOT, mask, yes != 0, 0, 32, at) != 0;
}
inline int __all_sync(unsigned mask, int yes, EMU_SITE)
{
    return emu::warp_operation(emu::WARP_BALLOT, mask, yes == 0, 0, 32, at) == 0;
}

#define EMU_REDUCE(name, T, kind)                                                                                      \
    inline T name(unsigned mask, T value, EMU_SITE)                                                                    \
    {                                                                                                                  \
        return T(emu::warp_operation(emu::kind, mask, uint32_t(value), 0, 32, at));                                    \
    }
EMU_REDUCE(__reduce_add_sync, int, WARP_ADD)
EMU_REDUCE(__reduce_add_sync, unsigned, WARP_ADD)
EMU_REDUCE(__reduce_min_sync, int, WARP_MIN)
EMU_REDUCE(__reduce_min_sync, unsigned, WARP_UNSIGNED_MIN)
EMU_REDUCE(__reduce_max_sync, int, WARP_MAX)
EMU_REDUCE(__reduce_max_sync, unsigned, WARP_UNSIGNED_MAX)
EMU_REDUCE(__reduce_and_sync, unsigned, WARP_AND)
EMU_REDUCE(__reduce_or_sync, unsigned, WARP_OR)
#undef EMU_REDUCE

#define EMU_ATOMIC(name, result)                                                                                       \
    template <class T> inline T name(T *memory, std::common_type_t<T> value)                                           \
    {                                                                                                                  \
        static_assert(emu::atomic_type<T>, #name ": of integers only");                                                \
        return emu::atomic_change(memory, [=](T old) -> T { return result; });                                         \
    }
EMU_ATOMIC(atomicAdd, T(old + value))
EMU_ATOMIC(atomicSub, T(old - value))
EMU_ATOMIC(atomicExch, (void(old), value))
EMU_ATOMIC(atomicMax, old > value ? old : value)
EMU_ATOMIC(atomicMin, old < value ? old : value)
EMU_ATOMIC(atomicOr, T(old | value))
EMU_ATOMIC(atomicAnd, T(old &value))
#undef EMU_ATOMIC
inline unsigned atomicInc(unsigned *memory, unsigned last)
{
    return emu::atomic_change(memory, [=](unsigned old) { return old >= last ? 0u : old + 1; });
}
template <class T> inline T atomicCAS(T *memory, std::common_type_t<T> expected, std::common_type_t<T> value)
{
    return emu::atomic_change(memory, [=](T old) -> T { return old == expected ? value : old; });
}

template <class T> inline T __ldg(const T *from)
{
    return *from;
}
template <class T> inline T __ldcs(const T *from)
{
    return *from;
}
template <class T> inline T __ldcg(const T *from)
{
    return *from;
}
template <class T> inline void __stcs(T *to, std::common_type_t<T> value)
{
    *to = value;
}
template <class T> inline void __stcg(T *to, std::common_type_t<T> value)
{
    *to = value;
}

namespace gpu
{
/* Queues a kernel. The arguments are copied, converted to the kernel's parameter types. */
template <class... P, class... A>
cudaError_t launch(void (*kernel)(P...), dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream, A &&...args)
{
    static_assert(sizeof...(P) == sizeof...(A), "as many arguments as the kernel has parameters");
    struct call {
        void (*kernel)(P...);
        std::tuple<std::decay_t<P>...> parameters;
    };
    static_assert(sizeof(std::tuple<std::decay_t<P>...>) <= 4096, "kernel parameters");
    auto run = [](void *context) {
        auto *made = static_cast<call *>(context);
        std::apply(made->kernel, made->parameters);
    };
    auto destroy = [](void *context) { delete static_cast<call *>(context); };
    auto *made = new call{kernel, std::tuple<std::decay_t<P>...>(std::forward<A>(args)...)};
    return emu::enqueue_kernel(run, made, destroy, reinterpret_cast<const void *>(kernel), grid, block, shared_bytes,
                               stream);
}
} // namespace gpu
#endif
