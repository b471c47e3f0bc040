/* lanes: reading and writing NHWC values in fp32 or bf16 inside vectorised loops, one element or sixteen at a time.
 * Private to kernels/cpu/; knows nothing of operations. */
#ifndef CPU_LANES_H
#define CPU_LANES_H
#include "cpu.h"
#include "kernels/common/bf16.h"
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
/* Before a loop whose every turn is to have registers of its own. */
#ifdef __clang__
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 32")
#endif

/* Called with a constant dtype, so that each use becomes a loop without a branch. */
INLINE float lane_load(const void *values, int64_t i, enum dtype dtype)
{
    return dtype == DT_F32 ? ((const float *)values)[i] : bf16_to_float(((const uint16_t *)values)[i]);
}

INLINE void lane_store(void *values, int64_t i, enum dtype dtype, float value)
{
    if (dtype == DT_F32)
        ((float *)values)[i] = value;
    else
        ((uint16_t *)values)[i] = bf16_from_float(value);
}

/* Sixteen channels at a time, as gcc's and clang's vector types: for loops whose state must stay in registers. Passed
 * by pointer, since passing such a vector by value is not the same on every x86. */
enum { VEC = 16 };
typedef float vec __attribute__((vector_size(VEC * sizeof(float))));
typedef uint32_t vec_bits __attribute__((vector_size(VEC * sizeof(uint32_t))));
typedef uint16_t vec_half __attribute__((vector_size(VEC * sizeof(uint16_t))));

/* Copies one vector's worth, or the few elements that are left. */
INLINE void vec_copy(void *to, const void *from, int width, size_t each)
{
    if (width == VEC)
        memcpy(to, from, VEC * each);
    else
        memcpy(to, from, (size_t)width * each);
}

/* Elements from width on are 0. */
INLINE void vec_load(vec *to, const void *values, int64_t i, int width, enum dtype dtype)
{
    if (dtype == DT_F32) {
        *to = (vec){0};
        vec_copy(to, (const float *)values + i, width, sizeof(float));
    } else {
        vec_half halves = {0};
        vec_copy(&halves, (const uint16_t *)values + i, width, sizeof(uint16_t));
        *to = (vec)(__builtin_convertvector(halves, vec_bits) << 16);
    }
}

/* Rounds as bf16_from_float does. */
INLINE void vec_store(void *values, int64_t i, int width, enum dtype dtype, const vec *from)
{
    if (dtype == DT_F32) {
        vec_copy((float *)values + i, from, width, sizeof(float));
    } else {
        const vec_bits bits = (vec_bits)*from, number = (vec_bits)(*from == *from);
        const vec_bits rounded = bits + 0x7FFFu + (bits >> 16 & 1u);
        const vec_bits kept = (rounded & number) | ((bits | 0x400000u) & ~number);
        const vec_half halves = __builtin_convertvector(kept >> 16, vec_half);
        vec_copy((uint16_t *)values + i, &halves, width, sizeof(uint16_t));
    }
}

/* Calls one of two copies of an inline function, each with its dtype as a constant first argument. */
#define BY_DTYPE(dtype, function, ...)                                                                                 \
    do {                                                                                                               \
        if ((dtype) == DT_F32)                                                                                         \
            function(DT_F32, __VA_ARGS__);                                                                             \
        else                                                                                                           \
            function(DT_BF16, __VA_ARGS__);                                                                            \
    } while (0)
#endif
