/* flat: element-wise work on flat arrays that is not part of the update: accumulate, lower, blend, swap, and the search
 * for non-finite values. Knows nothing of what the arrays mean. */
#include "kernels/common/bf16.h"
#include "kernels/common/optimizer.h"
#include "vector.h"
#include <assert.h>
#include <string.h>

/* Elements per task of a parallel loop: a multiple of every vector width. */
enum { PIECE = 16384, COPY_BYTES = PIECE * (int)sizeof(float) };

int cpu_copy(struct device *device, void *to, const void *from, size_t bytes)
{
#pragma omp parallel for schedule(static) num_threads(device->threads)
    for (size_t begin = 0; begin < bytes; begin += COPY_BYTES)
        memcpy((char *)to + begin, (const char *)from + begin, bytes - begin < COPY_BYTES ? bytes - begin : COPY_BYTES);
    return OK;
}

int cpu_accumulate(struct device *device, void *to, const void *from, int64_t count, enum dtype dtype, bool first)
{
    assert(dtype == DT_F32 || dtype == DT_BF16);
    if (first)
        return cpu_copy(device, to, from, (size_t)count * dtype_bytes(dtype));
#pragma omp parallel for schedule(static) num_threads(device->threads)
    for (int64_t begin = 0; begin < count; begin += PIECE) {
        const int64_t end = begin + PIECE < count ? begin + PIECE : count;
        device->vector->add(dtype, to, from, to, begin, end);
    }
    return OK;
}

int cpu_lower(struct device *device, void *low, enum dtype dtype, const float *param, int64_t count)
{
    assert(dtype == DT_BF16);
    uint16_t *to = low;
#pragma omp parallel for simd schedule(static) num_threads(device->threads)
    for (int64_t i = 0; i < count; i++)
        to[i] = bf16_from_float(param[i]);
    return OK;
}

int cpu_blend(struct device *device, float *to, const float *from, int64_t count, const struct step_control *control)
{
    if (control->bad)
        return OK;
    float weight = ema_weight(control);
#pragma omp parallel for simd schedule(static) num_threads(device->threads)
    for (int64_t i = 0; i < count; i++)
        to[i] = ema_element(to[i], from[i], weight);
    return OK;
}

int cpu_swap(struct device *device, float *a, float *b, int64_t count)
{
#pragma omp parallel for simd schedule(static) num_threads(device->threads)
    for (int64_t i = 0; i < count; i++) {
        float kept = a[i];
        a[i] = b[i];
        b[i] = kept;
    }
    return OK;
}

/* A floating-point value is not finite when all bits of its exponent are set. */
int cpu_count_nonfinite(struct device *device, const void *memory, enum dtype dtype, int64_t count, int64_t *found)
{
    int64_t bad = 0;
    if (dtype == DT_F32) {
        const float *values = memory;
#pragma omp parallel for simd schedule(static) num_threads(device->threads) reduction(+ : bad)
        for (int64_t i = 0; i < count; i++)
            bad += !float_finite(values[i]);
    } else if (dtype == DT_BF16 || dtype == DT_F16) {
        const uint16_t *values = memory;
        const unsigned exponent = dtype == DT_BF16 ? 0x7F80 : 0x7C00;
#pragma omp parallel for simd schedule(static) num_threads(device->threads) reduction(+ : bad)
        for (int64_t i = 0; i < count; i++)
            bad += (values[i] & exponent) == exponent;
    }
    *found = bad;
    return OK;
}
