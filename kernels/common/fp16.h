/* fp16: conversion between float and IEEE half precision where the processor has no instruction for it. Compiled by the
 * C compiler and by nvcc; knows nothing of tensors. */
#ifndef COMMON_FP16_H
#define COMMON_FP16_H
#include "kernels/common/bf16.h"

/* Exact: every half is a float. */
HOST_DEVICE float fp16_to_float(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16, rest = half & 0x7FFFu;
    if (rest >= 0x7C00u) /* infinity, NaN */
        return float_from_bits(sign | 0x7F800000u | (rest << 13));
    if (rest >= 0x0400u)
        return float_from_bits(sign | ((rest << 13) + 0x38000000u));
    float tiny = (float)rest * (1.0f / 16777216.0f); /* a multiple of 2^-24 */
    return sign ? -tiny : tiny;
}

/* Rounds to nearest, ties to even; what is too large becomes infinite; every NaN becomes 0x7FFF, as GPUs have it. */
HOST_DEVICE uint16_t fp16_from_float(float value)
{
    uint32_t bits = float_bits(value), sign = bits >> 16 & 0x8000u, rest = bits & 0x7FFFFFFFu;
    if (rest > 0x7F800000u)
        return 0x7FFFu;
    if (rest >= 0x477FF000u) /* 65520: half way to the first number that is not there */
        return (uint16_t)(sign | 0x7C00u);
    if (rest >= 0x38800000u) /* 2^-14: normal */
        return (uint16_t)(sign | ((rest - 0x38000000u + 0xFFFu + (rest >> 13 & 1u)) >> 13));
    /* Adding 0.5 leaves the multiple of 2^-24 in the low bits of the sum, rounded by the addition itself. */
    return (uint16_t)(sign | (float_bits(float_from_bits(rest) + 0.5f) - 0x3F000000u));
}
#endif
