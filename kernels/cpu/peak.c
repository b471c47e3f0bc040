/* peak: what this CPU's multipliers give at most with the instruction set in use, for benches: the bare loops of its
 * kernels (tile.h) by all threads. Must not know what uses them. */
#include "tile.h"

enum { ROUNDS = 5 };

double cpu_peak(struct device *device, enum dtype dtype)
{
    if (dtype != DT_F32 && dtype != DT_BF16)
        return 0.0;
    const struct tile_kernel *kernel = tile_kernel_of(device->set, dtype);
    double best = 0.0;
    for (int round = 0; round < ROUNDS; round++) {
        double done = 0.0;
        const double begin = clock_seconds();
#pragma omp parallel num_threads(device->threads) reduction(+ : done)
        done += kernel->peak();
        const double rate = done / (clock_seconds() - begin);
        best = rate > best ? rate : best;
    }
    return best;
}
