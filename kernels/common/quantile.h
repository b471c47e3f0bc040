/* quantile: quantiles of the losses of a step, read off a histogram whose bins are cut from the bits of a float: 16 to
 * an octave from 2^-16 to 2^8. A histogram adds up over rows, batches and threads in any order, since its counts are
 * integers. A quantile is off by at most one bin: 1/16 of its value, and half that where it lies mid-bin. Compiled by
 * the C compiler and by nvcc. */
#ifndef COMMON_QUANTILE_H
#define COMMON_QUANTILE_H
#include "backend.h"
#include "kernels/common/bf16.h"
#include <math.h>

/* The bin of the float with these leading bits; below the first edge the first, above the last the last. */
enum { QUANTILE_SHIFT = 19, QUANTILE_FIRST = (127 - 16) << 4 };

/* Of a finite loss. */
HOST_DEVICE int loss_bin(float loss)
{
    int bin = loss > 0.0f ? (int)(float_bits(loss) >> QUANTILE_SHIFT) - QUANTILE_FIRST : 0;
    return bin < 0 ? 0 : bin >= LOSS_BINS ? LOSS_BINS - 1 : bin;
}

/* The first bin holds everything from 0 on. */
HOST_DEVICE float loss_bin_from(int bin)
{
    return bin == 0 ? 0.0f : float_from_bits((uint32_t)(bin + QUANTILE_FIRST) << QUANTILE_SHIFT);
}

/* Losses in one octave of bins. */
HOST_DEVICE int32_t loss_octave(const int32_t *histogram, int octave)
{
    int32_t count = 0;
    for (int i = 0; i < LOSS_BINS_OCTAVE; i++)
        count += histogram[octave * LOSS_BINS_OCTAVE + i];
    return count;
}

/* The share-quantile (0.5: median); octaves: loss_octave of each, most: the largest loss. The ranks of a bin are spread
 * evenly over it. NaN: there is no finite loss. */
HOST_DEVICE float loss_quantile(const int32_t *histogram, const int32_t *octaves, float share, float most)
{
    int32_t total = 0, before = 0;
    for (int i = 0; i < LOSS_OCTAVES; i++)
        total += octaves[i];
    if (total == 0)
        return NAN;
    float rank = share * (float)(total - 1);
    int octave = 0;
    while (octave < LOSS_OCTAVES - 1 && (float)(before + octaves[octave]) <= rank)
        before += octaves[octave++];
    int bin = octave * LOSS_BINS_OCTAVE, last = bin + LOSS_BINS_OCTAVE - 1;
    while (bin < last && (float)(before + histogram[bin]) <= rank)
        before += histogram[bin++];
    float low = loss_bin_from(bin), high = bin == LOSS_BINS - 1 ? most : loss_bin_from(bin + 1);
    float value = low + (high - low) * (rank - (float)before + 0.5f) / (float)histogram[bin];
    return value < most || !(most == most) ? value : most;
}
#endif
