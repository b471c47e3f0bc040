/* lanes: loops over NHWC rows as vectors of a fixed number of lanes, in fp32 or bf16. A narrow tensor is read as fewer,
 * wider rows: `fold` pixels side by side. Private to kernels/cpu/. */
#ifndef CPU_LANES_H
#define CPU_LANES_H
#include "cpu.h"
#include "kernels/common/bf16.h"

#define INLINE static inline __attribute__((always_inline))

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

/* max(value, 0) as torch has it: NaN stays. */
INLINE float lane_relu(float value)
{
    return value <= 0.0f ? 0.0f : value;
}

/* The gradient that passes through it, from the output. */
INLINE float lane_relu_grad(float out, float grad)
{
    return out <= 0.0f ? 0.0f : grad;
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
