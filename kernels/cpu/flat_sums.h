/* flat_sums: inner products over flat arrays in double, sixteen lanes at a time, which are added up only where a chunk
 * ends; so that the state of a loop stays in registers. Private to kernels/cpu/. */
#ifndef CPU_FLAT_SUMS_H
#define CPU_FLAT_SUMS_H
#include "kernels/common/sketch.h"
#include "lanes.h"
#ifdef __AVX__
#include <immintrin.h>
#endif

/* Sixteen lanes whatever the CPU, in parts that are a register each: of wider vectors compilers make many moves through
 * memory. */
#ifdef __AVX512F__
enum { PART = VEC / 2 };
#else
enum { PART = VEC / 4 };
#endif
enum { PARTS = VEC / PART };
typedef double vec_double __attribute__((vector_size(PART * sizeof(double))));
#ifndef __AVX__
typedef float vec_part __attribute__((vector_size(PART * sizeof(float)), aligned(4), may_alias));
#endif
struct lane_sums {
    vec_double part[PARTS];
};
/* Sixteen values in double. */
struct wide {
    vec_double part[PARTS];
};

/* By name where there is an instruction for it: gcc 12 converts halves of a __builtin_convertvector and joins them. */
INLINE void widen(struct wide *to, const float *from)
{
    UNROLL for (int p = 0; p < PARTS; p++)
#if defined(__AVX512F__)
        to->part[p] = _mm512_cvtps_pd(_mm256_loadu_ps(from + p * PART));
#elif defined(__AVX__)
        to->part[p] = _mm256_cvtps_pd(_mm_loadu_ps(from + p * PART));
#else
        to->part[p] = __builtin_convertvector(*(const vec_part *)(from + p * PART), vec_double);
#endif
}

INLINE void sums_add(struct lane_sums *sums, const struct wide *a, const struct wide *b)
{
    UNROLL for (int p = 0; p < PARTS; p++) sums->part[p] += a->part[p] * b->part[p];
}

/* In the same order whatever a part is. */
INLINE double sums_total(const struct lane_sums *sums)
{
    double total = 0.0;
    for (int p = 0; p < PARTS / 2; p++) {
        const vec_double both = sums->part[p] + sums->part[p + PARTS / 2];
        for (int lane = 0; lane < PART; lane++)
            total += both[lane];
    }
    return total;
}

/* Adds elements [begin, begin + count), which lie in one stretch, to its buckets. */
INLINE void sketch_add(float *bucket, int64_t begin, const float *values, int count)
{
    static const vec_bits to_top = {31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16};
    _Static_assert((int)SKETCH_LANES == (int)VEC, "a row of buckets is a vector");
    int i = 0;
    if (begin % SKETCH_LANES == 0 && count >= VEC) {
        vec sum, value;
        memcpy(&sum, bucket, sizeof sum);
        uint32_t signs = sketch_signs(begin) >> (begin & 31);
        for (; i + VEC <= count; i += VEC) {
            if ((begin + i) % 32 == 0)
                signs = sketch_signs(begin + i);
            const vec_bits all = (vec_bits){0} + signs;
            memcpy(&value, values + i, sizeof value);
            sum += (vec)((vec_bits)value ^ ((all << to_top) & 0x80000000u));
            signs >>= VEC;
        }
        memcpy(bucket, &sum, sizeof sum);
    }
    for (; i < count; i++)
        bucket[(begin + i) % SKETCH_LANES] += sketch_signed(begin + i, values[i]);
}
#endif
