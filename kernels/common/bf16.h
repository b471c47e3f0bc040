/* bf16: conversion between float and bfloat16, and the test for finite values that every part uses.
 * Compiled by the C compiler and by nvcc; knows nothing of tensors. */
#ifndef COMMON_BF16_H
#define COMMON_BF16_H
#include "random.h"
#include <stdbool.h>
#include <string.h>

/* Holds under every option but -ffast-math, and becomes one subtraction and one comparison. */
HOST_DEVICE bool float_finite(float value)
{
    return value - value == 0.0f;
}

HOST_DEVICE uint32_t float_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

HOST_DEVICE float float_from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

HOST_DEVICE float bf16_to_float(uint16_t half)
{
    return float_from_bits((uint32_t)half << 16);
}

/* Rounds to nearest, ties to even. A NaN stays a NaN: its quiet bit is set, so that dropping the low bits cannot make
 * it an infinity. */
HOST_DEVICE uint16_t bf16_from_float(float value)
{
    uint32_t bits = float_bits(value);
    uint32_t rounded = bits + 0x7FFFu + ((bits >> 16) & 1u);
    return (uint16_t)((value == value ? rounded : bits | 0x400000u) >> 16);
}
#endif
