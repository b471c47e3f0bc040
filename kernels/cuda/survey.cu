/* survey: sums over one array for the statistics of a layer, in one launch. Knows nothing of what the array holds.
 *
 * Reads each value once, 2 or 4 bytes at a time: it is done every few hundred steps. */
#include "cuda.h"
#include "kernels/common/survey.h"
#include "last.cuh"
#include <assert.h>

namespace
{
enum { WARPS = gpu::THREADS / 32 };

/* A thread keeps to one channel: threads beyond the largest multiple of the channels have nothing to do. More channels
 * than threads: stride 0, each value's channel is found by division. */
template <class T>
__global__ void __launch_bounds__(gpu::THREADS)
    survey_kernel(const __grid_constant__ survey_args args, survey_sums *parts, unsigned *ticket)
{
    const survey_sums none = {0.0, 0.0, 0, 0};
    const T *values = (const T *)args.values;
    const int64_t threads = gpu::grid_threads(), thread = gpu::grid_thread();
    const bool kept = args.channels > 0 && args.channels <= threads;
    const int64_t stride = kept ? threads / args.channels * args.channels : threads;
    survey_sums mine = none;
    for (int64_t i = thread; thread < stride && i < args.count; i += stride) {
        const float value = gpu::to_float(values[i]) - (args.minus ? args.minus[i] : 0.0f);
        survey_take(&mine, value);
        if (args.channels > 0 && !kept && value > 0.0f)
            atomicOr(&args.alive[i % args.channels], 1);
    }
    if (kept && mine.positive > 0)
        atomicOr(&args.alive[thread % args.channels], 1);
    mine = gpu::block_reduce<WARPS>(mine, none, survey_merge);
    if (!gpu::leave_part(parts, mine, ticket))
        return;
    survey_sums rest = none;
    for (int channel = (int)threadIdx.x; channel < args.channels; channel += gpu::THREADS) {
        rest.dead += !args.alive[channel];
        args.alive[channel] = 0;
    }
    const survey_sums total = survey_merge(gpu::parts_reduce<WARPS>(parts, (int)gridDim.x, none, survey_merge),
                                           gpu::block_reduce<WARPS>(rest, none, survey_merge));
    if (threadIdx.x == 0)
        *args.sums = total;
}
} // namespace

int cuda_survey(struct device *device, const struct survey_args *args)
{
    static_assert(gpu::MOST_BLOCKS * sizeof(survey_sums) <= CUDA_REDUCTION_BYTES, "one part for each block");
    assert(args->count > 0 && args->dtype <= DT_F16);
    return gpu::for_dtype(args->dtype, [=](auto type) -> int {
        using T = decltype(type);
        CUDA_TRY(gpu::launch(survey_kernel<T>, gpu::blocks(args->count), gpu::THREADS, 0, device->stream, *args,
                             (survey_sums *)device->reduction, device->tickets + gpu::TICKET_SURVEY));
        return OK;
    });
}
