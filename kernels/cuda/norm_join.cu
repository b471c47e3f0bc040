/* norm_join: what is left of a normalisation where a convolution next to it has done the rest. fp16, channels in
 * eights. Bytes per element: 0 for statistics from sums and for the result that a convolution makes for itself; 6
 * backward (reads grad and x, writes dx). */
#include "norm.h"
#include "reduce.cuh"

using namespace gpu;

static __global__ void __launch_bounds__(THREADS)
    from_sums(struct norm_joined sums, float *saved, int64_t row, int channels, double pixels, float epsilon)
{
    const int channel = int(grid_thread());
    if (channel >= channels)
        return;
    const double mean = double(sums.sum[channel]) / pixels;
    double squares = double(sums.squares[channel]) - mean * double(sums.sum[channel]);
    squares = squares < 0.0 ? 0.0 : squares; /* a NaN stays one */
    saved[SAVED_MEAN * row + channel] = float(mean);
    saved[SAVED_INVERSE * row + channel] = float(1.0 / sqrt(squares / pixels + double(epsilon)));
    saved[SAVED_VARIANCE * row + channel] = float(squares / (pixels - 1.0));
}

extern "C" int cuda_norm_from_sums(struct device *device, struct norm_joined sums, float *saved, int channels,
                                   int64_t pixels, float epsilon)
{
    CUDA_TRY(launch(from_sums, unsigned(channels + THREADS - 1) / THREADS, THREADS, 0, device->stream, sums, saved,
                    norm_row(channels), channels, double(pixels), epsilon));
    return OK;
}

/* Where the values' deviation is below their own rounding (the term is beyond fp16), nothing of it is left. */
static __global__ void __launch_bounds__(THREADS)
    factors(float *saved, int64_t row, const float *weight, const float *bias, int channels)
{
    const float fp16_most = 65504.0f;
    const int channel = int(grid_thread());
    if (channel >= channels)
        return;
    const float mean = saved[SAVED_MEAN * row + channel];
    float factor = saved[SAVED_INVERSE * row + channel] * weight[channel], term = fmaf(-mean, factor, bias[channel]);
    if (fabsf(term) > fp16_most && fabsf(factor) <= fp16_most) {
        factor = 0.0f;
        term = bias[channel];
    }
    reinterpret_cast<fp16 *>(saved + SAVED_FACTOR * row)[channel] = from_float<fp16>(factor);
    reinterpret_cast<fp16 *>(saved + SAVED_TERM * row)[channel] = from_float<fp16>(term);
}

extern "C" int cuda_norm_factors(struct device *device, float *saved, const float *weight, const float *bias,
                                 int channels)
{
    CUDA_TRY(launch(factors, unsigned(channels + THREADS - 1) / THREADS, THREADS, 0, device->stream, saved,
                    norm_row(channels), weight, bias, channels));
    return OK;
}

/* Reads grad and x, 2 bytes each, and writes as many for dx and for the addend's. */
static __global__ void __launch_bounds__(THREADS) apply(fp16 *dx, fp16 *addend_grad, const fp16 *grad, const fp16 *x,
                                                        struct norm_joined coefficients, int64_t packs, int channels)
{
    constexpr int N = PACK<fp16>;
    const int per_row = channels / N;
    for (int64_t i = grid_thread(); i < packs; i += grid_threads()) {
        float grads[N], values[N], a[N], b[N], c[N];
        const int first = int(i % per_row) * N;
        fp16 pack[N];
        load<N>(pack, grad + i * N);
        if (addend_grad)
            store<N>(addend_grad + i * N, pack);
        if (!dx)
            continue;
        for (int k = 0; k < N; k++)
            grads[k] = to_float(pack[k]);
        load_floats<N>(values, x + i * N);
        load<N>(a, coefficients.a + first);
        load<N>(b, coefficients.b + first);
        load<N>(c, coefficients.c + first);
        for (int k = 0; k < N; k++)
            grads[k] = fmaf(a[k], grads[k], fmaf(b[k], values[k], c[k]));
        store_floats<N>(dx + i * N, grads);
    }
}

extern "C" int cuda_norm_apply(struct device *device, void *dx, void *addend_grad, const void *grad, const void *x,
                               struct norm_joined coefficients, int64_t pixels, int channels)
{
    const int64_t packs = pixels * channels / PACK<fp16>;
    CUDA_TRY(launch(apply, blocks(packs), THREADS, 0, device->stream, (fp16 *)dx, (fp16 *)addend_grad,
                    (const fp16 *)grad, (const fp16 *)x, coefficients, packs, channels));
    return OK;
}
