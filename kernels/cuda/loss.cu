/* loss: softmax cross-entropy of a batch in one launch, one warp per row; and the record of a step. The arithmetic is
 * in kernels/common/.
 *
 * Bytes per logit: read once from memory (three passes over a row stay in the first-level cache), its gradient and, if
 * wanted, its probability written once. A step's logits are small: 1 MB for 256 rows of 1000 classes in bf16. */
#include "cuda.h"
#include "kernels/common/loss.h"
#include "kernels/common/record.h"
#include "kernels/common/samples.h"
#include "last.cuh"
#include <assert.h>

namespace
{
enum { TOP_COUNT = 5, WARPS = 4, MOST_BLOCKS = 256 };

/* What rows add to loss_sums. */
struct loss_part {
    double loss, squares;
    float most;
    int nonfinite, samples, correct, correct5;
};

__device__ loss_part loss_part_none()
{
    return {0.0, 0.0, -INFINITY, 0, 0, 0, 0};
}

/* A NaN is above everything. */
__device__ float most_merge(float a, float b)
{
    return b > a || b != b ? b : a;
}

__device__ loss_part loss_part_merge(loss_part a, loss_part b)
{
    return {a.loss + b.loss,       a.squares + b.squares, most_merge(a.most, b.most), a.nonfinite + b.nonfinite,
            a.samples + b.samples, a.correct + b.correct, a.correct5 + b.correct5};
}

/* A row's logits, with what is added to them. */
template <class T> struct row_logits {
    const T *values;
    const float *offsets; /* or NULL */

    __device__ float operator[](int class_index) const
    {
        const float logit = gpu::to_float(values[class_index]);
        return offsets ? logit + offsets[class_index] : logit;
    }
};

template <class T> __device__ loss_peak row_peak(const row_logits<T> &logits, int classes)
{
    loss_peak peak = loss_peak_empty();
    for (int c = (int)threadIdx.x % 32; c < classes; c += 32) {
        loss_peak here = {logits[c], c};
        peak = loss_peak_merge(peak, here);
    }
    return gpu::warp_reduce(peak, loss_peak_merge);
}

template <class T> __device__ loss_mass row_mass(const loss_target &target, const row_logits<T> &logits, float peak)
{
    loss_mass mass = loss_mass_empty();
    float label_logit = target.label < 0 ? 0.0f : logits[target.label];
    for (int c = (int)threadIdx.x % 32; c < target.classes; c += 32)
        mass = loss_mass_merge(mass, loss_mass_at(&target, c, logits[c], peak, label_logit));
    return gpu::warp_reduce(mass, loss_mass_merge);
}

/* Everything of one row, by one warp; what it adds to the sums, in every lane. */
template <class T> __device__ loss_part row_loss(const loss_args &args, int row)
{
    const int lane = (int)threadIdx.x % 32;
    const int64_t first = (int64_t)row * args.classes;
    const row_logits<T> logits = {(const T *)args.logits + first, args.offsets};
    const loss_target target = {
        args.targets ? args.targets + first : nullptr, args.labels[row], args.partners ? args.partners[row] : -1,
        args.partners ? args.shares[row] : 1.0f,       args.smoothing,   args.classes};
    const loss_peak peak = row_peak(logits, args.classes);
    const loss_mass mass = row_mass(target, logits, peak.logit);
    const bool counts = target.label >= 0;
    const bool graded = counts && (args.grad_rows == 0 || row < args.grad_rows);
    const float rows = (float)(args.grad_rows ? args.grad_rows : args.control->valid);
    const float scale = graded ? args.grad_scale / rows * loss_scale(args.control) : 0.0f;
    for (int c = lane; c < args.classes; c += 32) {
        float logit = logits[c];
        if (args.probabilities)
            args.probabilities[first + c] = loss_probability(mass, logit, peak.logit);
        /* Chosen, not multiplied: whatever an uncounted row holds, its gradient is 0. */
        if (args.logits_grad)
            ((T *)args.logits_grad)[first + c] =
                gpu::from_float<T>(graded ? loss_gradient(&target, c, mass, logit, peak.logit) * scale : 0.0f);
    }
    const float loss = counts ? loss_value(mass) : 0.0f;
    const bool finite = float_finite(loss);
    if (lane == 0) {
        args.losses[row] = loss;
        args.predictions[row] = peak.index;
        if (counts && finite && !args.unmeasured)
            atomicAdd(&args.sums->histogram[loss_bin(loss)], 1);
        if (counts && args.table) {
            float logit = logits[target.label];
            sample_take(&args.table[args.samples[row]], target.label, peak.index,
                        loss_plain(&target, mass, loss, logit, peak.logit), logit - mass.rival,
                        loss_probability(mass, logit, peak.logit));
        }
    }
    return {(double)loss,
            (double)loss * (double)loss,
            loss,
            counts && !finite,
            counts,
            counts && finite && peak.index == target.label,
            counts && finite && mass.above < TOP_COUNT};
}

__device__ void sums_add(const loss_args &args, loss_part total)
{
    loss_sums *sums = args.sums;
    sums->loss += total.loss;
    sums->loss_squares += total.squares;
    sums->loss_max = most_merge(sums->loss_max, total.most);
    sums->nonfinite += total.nonfinite;
    sums->samples += total.samples;
    sums->correct += total.correct;
    sums->correct5 += total.correct5;
    if (total.nonfinite > 0)
        args.control->bad = 1;
}

/* At least 4 blocks of an SM's registers: left alone, the compiler aims at more and spills. */
template <class T>
__global__ void __launch_bounds__(WARPS * 32, 4)
    loss_kernel(const __grid_constant__ loss_args args, loss_part *parts, unsigned *ticket)
{
    SHARED(loss_part, of_warp, [WARPS]);
    const int warp = (int)threadIdx.x / 32;
    loss_part mine = loss_part_none();
    for (int row = (int)blockIdx.x * WARPS + warp; row < args.batch; row += (int)gridDim.x * WARPS)
        mine = loss_part_merge(mine, row_loss<T>(args, row));
    if (threadIdx.x % 32 == 0)
        of_warp[warp] = mine;
    __syncthreads();
    if (threadIdx.x == 0)
        for (int i = 1; i < WARPS; i++)
            mine = loss_part_merge(mine, of_warp[i]);
    if (!gpu::leave_part(parts, mine, ticket))
        return;
    loss_part total = gpu::parts_reduce<WARPS>(parts, (int)gridDim.x, loss_part_none(), loss_part_merge);
    if (threadIdx.x == 0)
        sums_add(args, total);
}

/* One warp. The host may be reading: the number that says which step's record this is comes last. */
__global__ void record_kernel(step_record *ring, int slots, const loss_sums *sums,
                              const __grid_constant__ update_args args)
{
    SHARED(int32_t, octaves, [LOSS_OCTAVES]);
    if (threadIdx.x < LOSS_OCTAVES)
        octaves[threadIdx.x] = loss_octave(sums->histogram, (int)threadIdx.x);
    __syncthreads();
    if (threadIdx.x != 0)
        return;
    step_record *slot = ring + args.control->step % slots;
    *slot = record_make(&args, sums, octaves);
    __threadfence_system();
    *(volatile int64_t *)&slot->sequence = args.control->step + 1;
}
} // namespace

int cuda_loss(struct device *device, const struct loss_args *args)
{
    static_assert(LOSS_OCTAVES <= 32, "an octave for each lane");
    static_assert(MOST_BLOCKS * sizeof(loss_part) <= CUDA_REDUCTION_BYTES, "one part for each block");
    assert(args->dtype == DT_F32 || args->dtype == DT_BF16 || args->dtype == DT_F16);
    assert(args->batch > 0 && args->classes > 0);
    void (*kernel)(loss_args, loss_part *, unsigned *) = args->dtype == DT_F32    ? loss_kernel<float>
                                                         : args->dtype == DT_BF16 ? loss_kernel<gpu::bf16>
                                                                                  : loss_kernel<gpu::fp16>;
    CUDA_TRY(gpu::launch(kernel, gpu::blocks(args->batch, WARPS, MOST_BLOCKS), WARPS * 32, 0, device->stream, *args,
                         (loss_part *)device->reduction, device->tickets + gpu::TICKET_LOSS));
    return OK;
}

int cuda_record(struct device *device, struct step_record *ring, int slots, const struct loss_sums *sums,
                const struct update_args *args)
{
    CUDA_TRY(gpu::launch(record_kernel, 1, 32, 0, device->stream, ring, slots, sums, *args));
    return OK;
}
