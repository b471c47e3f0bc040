/* vector_register: numbers side by side in a register, read and written as fp32 or bf16. What includes it defines
 * VECTOR_AVX512 (with VECTOR_BF16: it rounds to bf16 itself) or VECTOR_AVX2, or neither for vectors of 128 bits.
 * Private to kernels/cpu/. */
#ifndef CPU_VECTOR_REGISTER_H
#define CPU_VECTOR_REGISTER_H
#include "lanes.h"
#if defined(VECTOR_AVX512) || defined(VECTOR_AVX2)
#include <immintrin.h>
#endif

#ifdef VECTOR_AVX512
enum { VECTOR = 16 };
#elif defined(VECTOR_AVX2)
enum { VECTOR = 8 };
#else
enum { VECTOR = 4 };
#endif
typedef float vector __attribute__((vector_size(VECTOR * sizeof(float))));
typedef int32_t vector_int __attribute__((vector_size(VECTOR * sizeof(int32_t))));
typedef uint32_t vector_bits __attribute__((vector_size(VECTOR * sizeof(uint32_t))));
typedef uint16_t vector_half __attribute__((vector_size(VECTOR * sizeof(uint16_t))));
typedef uint8_t vector_byte __attribute__((vector_size(VECTOR)));

/* a * b + c, rounded once where there is an instruction for it. */
INLINE vector vector_multiply_add(vector a, vector b, vector c)
{
#if defined(VECTOR_AVX512)
    return (vector)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(VECTOR_AVX2)
    return (vector)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
    return a * b + c;
#endif
}

INLINE vector vector_splat(float value)
{
#if defined(VECTOR_AVX512)
    return (vector)_mm512_set1_ps(value);
#elif defined(VECTOR_AVX2)
    return (vector)_mm256_set1_ps(value);
#else
    return (vector){value, value, value, value};
#endif
}

/* ---- conditions ---- */

#ifdef VECTOR_AVX512
typedef __mmask16 vector_mask;
#define COMPARE(a, b, how) _mm512_cmp_ps_mask((__m512)(a), (__m512)(b), how)

/* Neither zero nor below; a NaN is not. */
INLINE vector_mask mask_passes(vector value)
{
    return COMPARE(value, (vector){0}, _CMP_NLE_UQ);
}

INLINE vector_mask mask_above_or_nan(vector value, vector other)
{
    return (vector_mask)(COMPARE(value, other, _CMP_GT_OQ) | COMPARE(value, value, _CMP_UNORD_Q));
}

INLINE vector_mask mask_equal(vector_int a, int32_t b)
{
    return _mm512_cmpeq_epi32_mask((__m512i)a, _mm512_set1_epi32(b));
}

/* value, or 0. */
INLINE vector vector_keep(vector_mask mask, vector value)
{
    return (vector)_mm512_maskz_mov_ps(mask, (__m512)value);
}

INLINE vector_int vector_choose(vector_mask mask, vector_int yes, vector_int no)
{
    return (vector_int)_mm512_mask_mov_epi32((__m512i)no, mask, (__m512i)yes);
}
#else
typedef vector_int vector_mask;

INLINE vector_mask mask_passes(vector value)
{
    return ~(value <= 0.0f);
}

INLINE vector_mask mask_above_or_nan(vector value, vector other)
{
    return (value > other) | (value != value);
}

INLINE vector_mask mask_equal(vector_int a, int32_t b)
{
    return a == b;
}

INLINE vector vector_keep(vector_mask mask, vector value)
{
    return (vector)((vector_int)value & mask);
}

INLINE vector_int vector_choose(vector_mask mask, vector_int yes, vector_int no)
{
    return (yes & mask) | (no & ~mask);
}
#endif

/* ---- memory ---- */

/* One register's worth, or the few elements that are left. */
INLINE void vector_move(void *to, const void *from, int width, size_t each)
{
    if (width == VECTOR)
        memcpy(to, from, VECTOR * each);
    else
        memcpy(to, from, (size_t)width * each);
}

INLINE vector vector_of_halves(vector_half halves)
{
#ifdef VECTOR_AVX512
    const vector_bits wide = (vector_bits)_mm512_cvtepu16_epi32((__m256i)halves);
#elif defined(VECTOR_AVX2)
    const vector_bits wide = (vector_bits)_mm256_cvtepu16_epi32((__m128i)halves);
#else
    const vector_bits wide = __builtin_convertvector(halves, vector_bits);
#endif
    return (vector)(wide << 16);
}

/* Rounds as bf16_from_float does. */
INLINE vector_half vector_to_halves(vector value)
{
#ifdef VECTOR_BF16
    return (vector_half)_mm512_cvtneps_pbh((__m512)value);
#else
    const vector_bits bits = (vector_bits)value, number = (vector_bits)(value == value);
    const vector_bits rounded = bits + 0x7FFFu + (bits >> 16 & 1u);
    const vector_bits kept = ((rounded & number) | ((bits | 0x400000u) & ~number)) >> 16;
#if defined(VECTOR_AVX512)
    return (vector_half)_mm512_cvtepi32_epi16((__m512i)kept);
#elif defined(VECTOR_AVX2)
    return (vector_half)_mm_packus_epi32(_mm256_castsi256_si128((__m256i)kept),
                                         _mm256_extracti128_si256((__m256i)kept, 1));
#else
    return __builtin_convertvector(kept, vector_half);
#endif
#endif
}

/* As if it were stored and read. */
INLINE vector vector_rounded(enum dtype dtype, vector value)
{
    return dtype == DT_F32 ? value : vector_of_halves(vector_to_halves(value));
}

/* Elements from width on are 0. */
INLINE vector vector_load(const void *values, int64_t i, int width, enum dtype dtype)
{
    if (dtype == DT_F32) {
        vector value = {0};
        vector_move(&value, (const float *)values + i, width, sizeof(float));
        return value;
    }
    vector_half halves = {0};
    vector_move(&halves, (const uint16_t *)values + i, width, sizeof(uint16_t));
    return vector_of_halves(halves);
}

INLINE void vector_store(void *values, int64_t i, int width, enum dtype dtype, vector value)
{
    if (dtype == DT_F32) {
        vector_move((float *)values + i, &value, width, sizeof(float));
    } else {
        const vector_half halves = vector_to_halves(value);
        vector_move((uint16_t *)values + i, &halves, width, sizeof(uint16_t));
    }
}

/* Bytes. In two steps where gcc takes elements one by one if the width changes fourfold. */
INLINE void bytes_store(uint8_t *to, int width, vector_int values)
{
#ifdef VECTOR_AVX512
    const vector_byte bytes = (vector_byte)_mm512_cvtepi32_epi8((__m512i)values);
#else
    const vector_byte bytes = __builtin_convertvector(__builtin_convertvector(values, vector_half), vector_byte);
#endif
    vector_move(to, &bytes, width, 1);
}

INLINE vector_half bytes_load_halves(const uint8_t *from, int width)
{
    vector_byte bytes = {0};
    vector_move(&bytes, from, width, 1);
    return __builtin_convertvector(bytes, vector_half);
}

INLINE vector_int bytes_load(const uint8_t *from, int width)
{
    return __builtin_convertvector(bytes_load_halves(from, width), vector_int);
}
#endif
