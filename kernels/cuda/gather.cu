/* gather: the batch out of the stored images, augmented, normalised and mixed, each sample by one block (by several
 * where no mean over the whole sample is wanted). The arithmetic is in kernels/common/augment*.h.
 *
 * Pixels that are copies of stored bytes can only become 256 values per channel: they are looked up in a table that
 * holds colour and normalisation.
 *
 * Bytes per value: 1 read (twice with contrast, the second time out of a cache), 2 or 4 written, 16 bytes at a time
 * where a sample's values are whole 16 bytes. Channels past the image's are written alone. */
#include "cuda.h"
#include "kernels/common/augment.h"
#include "kernels/common/augment_blend.h"
#include "reduce.cuh"
#include <assert.h>

namespace
{
enum { WARPS = gpu::THREADS / 32, LEVELS = 256, PACKS_EACH = 8 };

/* One picture on its way, the same for a whole block. */
struct picture {
    const uint8_t *pixels;
    struct augment_draw draw;
    struct augment_map map;
    int tinted;
    float mean[4], std[4]; /* what it is normalised by */
    float grey;            /* mean luminance of the output, if contrast changes */
};

/* A row of the batch. */
struct row_plan {
    picture own, partner;
    struct augment_blend blend;
};

/* row: where it lies in the slot, if the images are fed. */
__device__ void picture_open(const gather_args &args, int row, int32_t number, picture *sample)
{
    const step_control *control = args.control;
    const int h = args.image.h, w = args.image.w;
    const int64_t place = control->source.slot_rows ? (int64_t)control->slot * control->source.slot_rows + row : number;
    sample->pixels = control->source.pixels + place * h * w * args.image.c;
    sample->draw = augment_draw(&args.augment, h, w, control->seed, control->epoch, (uint64_t)number);
    sample->map = augment_map(&args.augment, &sample->draw, h, w);
    sample->tinted = augment_tinted(&sample->draw, args.image.c);
    sample->grey = 0.0f;
    for (int k = 0; k < 4; k++) {
        sample->mean[k] = args.augment.mean[k];
        sample->std[k] = args.augment.std[k];
    }
}

/* The stored pixel that an output pixel is a copy of. */
template <int C> __device__ const uint8_t *copied_pixel(const gather_args &args, const picture &sample, int x, int y)
{
    if (sample.map.plain) {
        int column, line;
        return augment_plain_source(&sample.map, args.augment.padding, x, y, args.image.h, args.image.w, &column, &line)
                   ? sample.pixels + ((int64_t)line * args.image.w + column) * C
                   : args.augment.fill;
    }
    int64_t from_x, from_y;
    const bool shown =
        augment_source(&sample.map, args.augment.padding, x, y, args.image.h, args.image.w, &from_x, &from_y);
    return shown ? sample.pixels + ((from_y >> 32) * args.image.w + (from_x >> 32)) * C : args.augment.fill;
}

/* The values of an output pixel after brightness. */
template <int C>
__device__ void bright_units(const gather_args &args, const picture &sample, int x, int y, float *units)
{
    if (!sample.map.linear) {
        const uint8_t *from = copied_pixel<C>(args, sample, x, y);
        for (int k = 0; k < C; k++)
            units[k] = augment_brighten((float)from[k], sample.draw.brightness);
        return;
    }
    int64_t from_x, from_y;
    const bool shown =
        augment_source(&sample.map, args.augment.padding, x, y, args.image.h, args.image.w, &from_x, &from_y);
    const struct augment_pair across = augment_pair(from_x, args.image.w), down = augment_pair(from_y, args.image.h);
    const float cover = shown ? augment_cover(&sample.map, across.cover, down.cover) : 0.0f;
    const uint8_t *upper = sample.pixels + (int64_t)down.a * args.image.w * C;
    const uint8_t *lower = sample.pixels + (int64_t)down.b * args.image.w * C;
    const int a = across.a * C, b = across.b * C;
    for (int k = 0; k < C; k++) {
        float value = augment_bilinear((float)upper[a + k], (float)upper[b + k], (float)lower[a + k],
                                       (float)lower[b + k], across.share, down.share);
        units[k] = augment_brighten(augment_edge(value, cover, (float)args.augment.fill[k]), sample.draw.brightness);
    }
}

/* How a copied value ends, by its level after brightness. */
__device__ float finish(const picture &sample, float unit, int channel)
{
    return augment_normalise(augment_contrast(unit, sample.draw.contrast, sample.grey), sample.mean[channel],
                             sample.std[channel]);
}

/* An output pixel of a picture as the network would see it, were it not mixed. */
template <int C>
__device__ void pixel_values(const gather_args &args, const picture &sample, int x, int y, float *values)
{
    bright_units<C>(args, sample, x, y, values);
    for (int k = 0; k < C; k++)
        values[k] = augment_contrast(values[k], sample.draw.contrast, sample.grey);
    if constexpr (C == 3)
        if (sample.tinted)
            augment_tint(values, values + 1, values + 2, sample.draw.saturation, sample.draw.hue,
                         sample.draw.grayscale);
    const bool erased = augment_in_box(&sample.draw.erase, x, y);
    for (int k = 0; k < C; k++)
        values[k] = erased ? 0.0f : augment_normalise(values[k], sample.mean[k], sample.std[k]);
}

/* ---- the mean luminance ---- */

/* The sum over the output pixels that are this thread's; units: every level after brightness. */
template <int C, bool LINEAR>
__device__ int64_t grey_sum(const gather_args &args, const picture &sample, const float *units)
{
    const int pixels = args.augment.out_h * args.augment.out_w;
    int64_t sum = 0;
    for (int i = (int)threadIdx.x; i < pixels; i += gpu::THREADS) {
        const int y = i / args.augment.out_w, x = i - y * args.augment.out_w;
        float values[C];
        if constexpr (LINEAR) {
            bright_units<C>(args, sample, x, y, values);
        } else {
            const uint8_t *from = copied_pixel<C>(args, sample, x, y);
            for (int k = 0; k < C; k++)
                values[k] = units[from[k]];
        }
        sum += augment_grey(values, C);
    }
    return sum;
}

/* Fills in sample->mean and std with the stored image's own; reached by all threads of the block. */
template <int C> __device__ void take_own_light(const gather_args &args, picture *sample)
{
    const int64_t values = (int64_t)args.image.h * args.image.w * C;
    int64_t sum = 0, squares = 0;
    for (int64_t i = threadIdx.x; i < values; i += gpu::THREADS) {
        const int level = sample->pixels[i];
        sum += level;
        squares += level * level;
    }
    sum = gpu::block_sum<WARPS>(sum);
    __syncthreads(); /* block_sum's shared memory is used again */
    squares = gpu::block_sum<WARPS>(squares);
    if (threadIdx.x == 0) {
        augment_own_light((uint64_t)sum, (uint64_t)squares, values, &sample->mean[0], &sample->std[0]);
        for (int k = 1; k < C; k++) {
            sample->mean[k] = sample->mean[0];
            sample->std[k] = sample->std[0];
        }
    }
    __syncthreads();
}

/* Fills in what is a matter of the whole sample; reached by all threads of the block, which sees it on return. */
template <int C> __device__ void picture_weigh(const gather_args &args, picture *sample)
{
    SHARED(float, units, [LEVELS]);
    if (args.augment.by_image)
        take_own_light<C>(args, sample);
    if (sample->draw.contrast == 1.0f)
        return;
    for (int level = (int)threadIdx.x; level < LEVELS; level += gpu::THREADS)
        units[level] = augment_brighten((float)level, sample->draw.brightness);
    __syncthreads();
    int64_t sum =
        sample->map.linear ? grey_sum<C, true>(args, *sample, units) : grey_sum<C, false>(args, *sample, units);
    sum = gpu::block_sum<WARPS>(sum);
    if (threadIdx.x == 0)
        sample->grey = augment_grey_mean(sum, (int64_t)args.augment.out_h * args.augment.out_w);
    __syncthreads();
}

/* ---- writing ---- */

/* This block's share of a loop over count pieces of the sample. */
template <class F> __device__ void for_share(int count, F at)
{
    for (int i = (int)(blockIdx.y * gpu::THREADS + threadIdx.x); i < count; i += (int)gridDim.y * gpu::THREADS)
        at(i);
}

/* N copied values from one of the sample's on, as they lie in memory: whichever pixels they belong to. */
template <class T, int C, int N>
__device__ void copies_write(const gather_args &args, const picture &sample, const T *table, T *out, int first)
{
    const int pixel = first / args.channels;
    int channel = first - pixel * args.channels, y = pixel / args.augment.out_w, x = pixel - y * args.augment.out_w;
    const uint8_t *from = copied_pixel<C>(args, sample, x, y);
    bool erased = augment_in_box(&sample.draw.erase, x, y);
    T values[N];
    for (int k = 0; k < N; k++) {
        values[k] = erased || channel >= C ? gpu::from_float<T>(0.0f) : table[channel * LEVELS + from[channel]];
        if (k + 1 < N && ++channel == args.channels) {
            channel = 0;
            if (++x == args.augment.out_w) {
                x = 0;
                y++;
            }
            from = copied_pixel<C>(args, sample, x, y);
            erased = augment_in_box(&sample.draw.erase, x, y);
        }
    }
    gpu::store<N>(out + first, values);
}

template <class T, int C>
__device__ void copies_share(const gather_args &args, const picture &sample, T *out, int count)
{
    SHARED(T, table, [C * LEVELS]);
    for (int i = (int)threadIdx.x; i < C * LEVELS; i += gpu::THREADS) {
        float unit = augment_brighten((float)(i % LEVELS), sample.draw.brightness);
        table[i] = gpu::from_float<T>(finish(sample, unit, i / LEVELS));
    }
    __syncthreads();
    constexpr int N = gpu::PACK<T>;
    if (count % N == 0)
        for_share(count / N, [&](int i) { copies_write<T, C, N>(args, sample, table, out, i * N); });
    else
        for_share(count, [&](int i) { copies_write<T, C, 1>(args, sample, table, out, i); });
}

/* A pixel at a time: what its channels share is most of the work. */
template <class T, int C> __device__ void pixels_share(const gather_args &args, const row_plan &plan, T *out, int count)
{
    for_share(count / args.channels, [&](int pixel) {
        const int y = pixel / args.augment.out_w, x = pixel - y * args.augment.out_w;
        float values[C];
        pixel_values<C>(args, plan.own, x, y, values);
        if (plan.blend.share < 1.0f) {
            float others[C];
            const bool in_box = augment_in_box(&plan.blend.box, x, y);
            pixel_values<C>(args, plan.partner, x, y, others);
            for (int k = 0; k < C; k++)
                values[k] = augment_blended(&plan.blend, in_box, values[k], others[k]);
        }
        for (int channel = 0; channel < args.channels; channel++)
            out[pixel * args.channels + channel] = gpu::from_float<T>(channel < C ? values[channel] : 0.0f);
    });
}

template <class T> __device__ void row_clear(T *out, int count)
{
    for_share(count, [&](int i) { out[i] = gpu::from_float<T>(0.0f); });
}

/* What the row is and where its label goes; by one thread. number: -1 where the row does not count. */
__device__ void row_open(const gather_args &args, int row, int32_t number, row_plan *plan)
{
    int32_t second = number;
    plan->blend.share = 1.0f;
    if (number >= 0) {
        plan->blend = augment_blend(&args.augment, args.control->seed, args.control->epoch, (uint64_t)number);
        picture_open(args, row, number, &plan->own);
    }
    if (plan->blend.share < 1.0f) {
        second = args.control->source.order[augment_partner(args.control->first + row)];
        picture_open(args, augment_partner_row(row, args.batch), second, &plan->partner);
    }
    if (blockIdx.y != 0)
        return;
    args.out_samples[row] = number;
    args.out_labels[row] = number >= 0 ? args.control->source.labels[number] : -1;
    if (args.out_shares) {
        args.out_partners[row] = second >= 0 ? args.control->source.labels[second] : -1;
        args.out_shares[row] = plan->blend.share;
    }
}

/* At most 2 blocks of an SM: left alone, the compiler aims at more and spills. */
template <class T, int C>
__global__ void __launch_bounds__(gpu::THREADS, 2) gather_kernel(const __grid_constant__ gather_args args)
{
    SHARED(row_plan, plan);
    const int row = (int)blockIdx.x, count = args.augment.out_h * args.augment.out_w * args.channels;
    const bool counts = row < args.control->valid;
    T *out = (T *)args.out + (int64_t)row * count;
    if (threadIdx.x == 0)
        row_open(args, row, counts ? args.control->source.order[args.control->first + row] : -1, &plan);
    if (!counts) {
        row_clear(out, count);
        return;
    }
    __syncthreads();
    const bool mixed = plan.blend.share < 1.0f;
    picture_weigh<C>(args, &plan.own);
    if (mixed)
        picture_weigh<C>(args, &plan.partner);
    if (mixed || plan.own.tinted || plan.own.map.linear)
        pixels_share<T, C>(args, plan, out, count);
    else
        copies_share<T, C>(args, plan.own, out, count);
}

typedef void (*gather_function)(gather_args);

template <class T> gather_function kernel_of(int c)
{
    return c == 1 ? gather_kernel<T, 1> : gather_kernel<T, 3>;
}
} // namespace

int cuda_gather(struct device *device, const struct gather_args *asked)
{
    struct gather_args args = *asked;
    const int c = args.image.c;
    if (args.channels == 0)
        args.channels = c;
    assert(args.dtype == DT_F32 || args.dtype == DT_BF16 || args.dtype == DT_F16);
    assert((c == 1 || c == 3) && args.channels >= c && args.batch > 0 && gpu::aligned16(args.out));
    const int64_t values = (int64_t)args.augment.out_h * args.augment.out_w * args.channels;
    assert(values <= INT32_MAX);
    assert(!augment_blends(&args.augment) || args.out_shares);
    /* Every block of a sample would have to take the means for itself. */
    const bool whole = args.augment.by_image || (args.augment.random && args.augment.contrast > 0.0f);
    const unsigned parts = whole ? 1 : gpu::blocks(values / PACKS_EACH / (16 / (int)dtype_bytes(args.dtype)));
    gather_function kernel = args.dtype == DT_F32    ? kernel_of<float>(c)
                             : args.dtype == DT_BF16 ? kernel_of<gpu::bf16>(c)
                                                     : kernel_of<gpu::fp16>(c);
    CUDA_TRY(gpu::launch(kernel, dim3((unsigned)args.batch, parts), gpu::THREADS, 0, device->stream, args));
    return OK;
}
