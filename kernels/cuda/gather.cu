/* gather: the batch out of the stored images, augmented and normalised, each sample by one block (by several where no
 * mean over the whole sample is wanted). The arithmetic is in kernels/common/augment.h.
 *
 * Pixels that are copies of stored bytes (all but linearly interpolated ones) can only become 256 values per channel:
 * they are looked up in a table that holds colour and normalisation.
 *
 * Bytes per value: 1 read (twice with contrast, the second time out of a cache), 2 or 4 written, 16 bytes at a time
 * where a sample's values are whole 16 bytes. */
#include "cuda.h"
#include "kernels/common/augment.h"
#include "reduce.cuh"
#include <assert.h>

namespace
{
enum { WARPS = gpu::THREADS / 32, CHANNELS = 4, LEVELS = 256, PACKS_EACH = 8 };

/* One sample on its way, the same for a whole block. */
struct picture {
    const uint8_t *pixels;
    struct augment_draw draw;
    struct augment_map map;
    int rotated;
};

__device__ void picture_open(const gather_args &args, int row, int32_t number, picture *sample)
{
    const step_control *control = args.control;
    const int h = args.image.h, w = args.image.w;
    const int64_t place = control->source.fed ? (int64_t)control->slot * args.batch + row : number;
    sample->pixels = control->source.pixels + place * h * w * args.image.c;
    sample->draw = augment_draw(&args.augment, h, w, control->seed, control->epoch, (uint64_t)number);
    sample->map = augment_map(&args.augment, &sample->draw, h, w);
    sample->rotated = sample->draw.degrees != 0.0;
}

/* The place in the stored image, if it is in it. */
__device__ bool mapped_place(const gather_args &args, const picture &sample, int x, int y, int64_t *from_x,
                             int64_t *from_y)
{
    const struct augment_map &map = sample.map;
    *from_x = map.x0 + map.xx * x + map.xy * y;
    *from_y = map.y0 + map.yx * x + map.yy * y;
    return augment_framed(&sample.draw, x, y, args.image.h, args.image.w) &&
           augment_inside(*from_x, *from_y, args.image.h, args.image.w);
}

/* The stored pixel that an output pixel is a copy of; NULL: none, the value is 0. */
template <int C> __device__ const uint8_t *copied_pixel(const gather_args &args, const picture &sample, int x, int y)
{
    const int h = args.image.h, w = args.image.w;
    int column = x + sample.draw.left, line = y + sample.draw.top;
    bool inside;
    if (sample.rotated) {
        int64_t from_x, from_y;
        inside = mapped_place(args, sample, x, y, &from_x, &from_y);
        column = (int)(from_x >> 32);
        line = (int)(from_y >> 32);
    } else {
        inside = (unsigned)column < (unsigned)w && (unsigned)line < (unsigned)h;
        column = sample.draw.flip ? w - 1 - column : column;
    }
    return inside ? sample.pixels + ((int64_t)line * w + column) * C : nullptr;
}

/* The interpolated values of an output pixel, after brightness. */
template <int C>
__device__ void linear_units(const gather_args &args, const picture &sample, int x, int y, float *units)
{
    int64_t from_x, from_y;
    const bool inside = mapped_place(args, sample, x, y, &from_x, &from_y);
    const struct augment_pair across = augment_pair(inside ? from_x : 0, args.image.w);
    const struct augment_pair down = augment_pair(inside ? from_y : 0, args.image.h);
    const uint8_t *upper = sample.pixels + (int64_t)down.a * args.image.w * C;
    const uint8_t *lower = sample.pixels + (int64_t)down.b * args.image.w * C;
    const int a = across.a * C, b = across.b * C;
    for (int k = 0; k < C; k++) {
        float value = augment_bilinear((float)upper[a + k], (float)upper[b + k], (float)lower[a + k],
                                       (float)lower[b + k], across.share, down.share);
        units[k] = augment_brighten(inside ? value : 0.0f, sample.draw.brightness);
    }
}

/* How a value after brightness ends. */
struct colour {
    float contrast, grey; /* grey: mean luminance of the sample, if contrast changes */
};

__device__ float finish(const gather_args &args, colour colour, float unit, int channel)
{
    return augment_normalise(augment_contrast(unit, colour.contrast, colour.grey), args.augment.mean[channel],
                             args.augment.std[channel]);
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
            linear_units<C>(args, sample, x, y, values);
        } else {
            const uint8_t *from = copied_pixel<C>(args, sample, x, y);
            for (int k = 0; k < C; k++)
                values[k] = units[from ? from[k] : 0];
        }
        sum += augment_grey(values, C);
    }
    return sum;
}

/* Reached by all threads of the block. */
template <int C> __device__ float grey_mean(const gather_args &args, const picture &sample)
{
    SHARED(float, units, [LEVELS]);
    for (int level = (int)threadIdx.x; level < LEVELS; level += gpu::THREADS)
        units[level] = augment_brighten((float)level, sample.draw.brightness);
    __syncthreads();
    int64_t sum = sample.map.linear ? grey_sum<C, true>(args, sample, units) : grey_sum<C, false>(args, sample, units);
    return augment_grey_mean(gpu::block_sum<WARPS>(sum), (int64_t)args.augment.out_h * args.augment.out_w);
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
    const int pixel = first / C;
    int channel = first - pixel * C, y = pixel / args.augment.out_w, x = pixel - y * args.augment.out_w;
    const uint8_t *from = copied_pixel<C>(args, sample, x, y);
    T values[N];
    for (int k = 0; k < N; k++) {
        values[k] = table[channel * LEVELS + (from ? from[channel] : 0)];
        if (k + 1 < N && ++channel == C) {
            channel = 0;
            if (++x == args.augment.out_w) {
                x = 0;
                y++;
            }
            from = copied_pixel<C>(args, sample, x, y);
        }
    }
    gpu::store<N>(out + first, values);
}

template <class T, int C>
__device__ void copies_share(const gather_args &args, const picture &sample, colour colour, T *out, int count)
{
    SHARED(T, table, [C * LEVELS]);
    for (int i = (int)threadIdx.x; i < C * LEVELS; i += gpu::THREADS) {
        float unit = augment_brighten((float)(i % LEVELS), sample.draw.brightness);
        table[i] = gpu::from_float<T>(finish(args, colour, unit, i / LEVELS));
    }
    __syncthreads();
    constexpr int N = gpu::PACK<T>;
    if (count % N == 0)
        for_share(count / N, [&](int i) { copies_write<T, C, N>(args, sample, table, out, i * N); });
    else
        for_share(count, [&](int i) { copies_write<T, C, 1>(args, sample, table, out, i); });
}

/* A pixel at a time: what its channels share is most of the work. */
template <class T, int C>
__device__ void linear_share(const gather_args &args, const picture &sample, colour colour, T *out, int count)
{
    for_share(count / C, [&](int pixel) {
        const int y = pixel / args.augment.out_w, x = pixel - y * args.augment.out_w;
        float values[C];
        linear_units<C>(args, sample, x, y, values);
        for (int channel = 0; channel < C; channel++)
            out[pixel * C + channel] = gpu::from_float<T>(finish(args, colour, values[channel], channel));
    });
}

template <class T> __device__ void row_clear(T *out, int count)
{
    for_share(count, [&](int i) { out[i] = gpu::from_float<T>(0.0f); });
}

template <class T, int C>
__global__ void __launch_bounds__(gpu::THREADS) gather_kernel(const __grid_constant__ gather_args args)
{
    SHARED(picture, sample);
    const int row = (int)blockIdx.x, count = args.augment.out_h * args.augment.out_w * C;
    const bool counts = row < args.control->valid;
    const int32_t number = counts ? args.control->source.order[args.control->first + row] : -1;
    T *out = (T *)args.out + (int64_t)row * count;
    if (threadIdx.x == 0 && blockIdx.y == 0) {
        args.out_samples[row] = number;
        args.out_labels[row] = counts ? args.control->source.labels[number] : -1;
    }
    if (!counts) {
        row_clear(out, count);
        return;
    }
    if (threadIdx.x == 0)
        picture_open(args, row, number, &sample);
    __syncthreads();
    colour colour = {sample.draw.contrast, 0.0f};
    if (colour.contrast != 1.0f)
        colour.grey = grey_mean<C>(args, sample);
    if (sample.map.linear)
        linear_share<T, C>(args, sample, colour, out, count);
    else
        copies_share<T, C>(args, sample, colour, out, count);
}

typedef void (*gather_function)(gather_args);

template <class T> gather_function kernel_of(int c)
{
    static const gather_function kernels[CHANNELS] = {gather_kernel<T, 1>, gather_kernel<T, 2>, gather_kernel<T, 3>,
                                                      gather_kernel<T, 4>};
    return kernels[c - 1];
}
} // namespace

int cuda_gather(struct device *device, const struct gather_args *args)
{
    const int c = args->image.c;
    assert(args->dtype == DT_F32 || args->dtype == DT_BF16 || args->dtype == DT_F16);
    assert(c >= 1 && c <= CHANNELS && args->batch > 0 && gpu::aligned16(args->out));
    const int64_t values = (int64_t)args->augment.out_h * args->augment.out_w * c;
    assert(values <= INT32_MAX);
    /* Every block of a sample would have to take the mean for itself. */
    const bool whole = args->augment.random && args->augment.contrast > 0.0f;
    const unsigned parts = whole ? 1 : gpu::blocks(values / PACKS_EACH / (16 / (int)dtype_bytes(args->dtype)));
    gather_function kernel = args->dtype == DT_F32    ? kernel_of<float>(c)
                             : args->dtype == DT_BF16 ? kernel_of<gpu::bf16>(c)
                                                      : kernel_of<gpu::fp16>(c);
    CUDA_TRY(gpu::launch(kernel, dim3((unsigned)args->batch, parts), gpu::THREADS, 0, device->stream, *args));
    return OK;
}
