/* flat_sums: inner products over flat arrays in double, sixteen lanes at a time, which are added up only where a chunk
 * ends; so that the state of a loop stays in registers. Private to kernels/cpu/. */
#ifndef CPU_FLAT_SUMS_H
#define CPU_FLAT_SUMS_H
#include "kernels/common/sketch.h"
#include "lanes.h"

typedef double vec_double __attribute__((vector_size(VEC / 2 * sizeof(double))));
typedef float vec_eight __attribute__((vector_size(VEC / 2 * sizeof(float))));
struct lane_sums {
    vec_double low, high;
};
/* Sixteen values in double. */
struct wide {
    vec_double low, high;
};

INLINE void widen(struct wide *to, const vec *from)
{
    vec_eight halves[2];
    memcpy(halves, from, sizeof halves);
    to->low = __builtin_convertvector(halves[0], vec_double);
    to->high = __builtin_convertvector(halves[1], vec_double);
}

INLINE void sums_add(struct lane_sums *sums, const struct wide *a, const struct wide *b)
{
    sums->low += a->low * b->low;
    sums->high += a->high * b->high;
}

INLINE double sums_total(const struct lane_sums *sums)
{
    double total = 0.0;
    for (int lane = 0; lane < VEC / 2; lane++)
        total += sums->low[lane] + sums->high[lane];
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
