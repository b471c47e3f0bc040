/* norm: batch normalisation with fused addition and rectifier: y = relu?((x - mean) / sqrt(var + eps) * w + b +
 * addend). Knows nothing of the graph.
 *
 * Passes and bytes per element in bf16 (fp32: twice that; masks stay one byte per 16):
 *   forward   statistics  2       reads x
 *             result      4       reads x, writes y; with addend 6, and 1/8 for the rectifier's mask
 *   backward  sums        4       reads x, dy; with addend and rectifier 1/8 for the mask
 *             result      6       reads x, dy, writes dx; with addend 8, and 1/8
 * Without addend the rectifier's mask is computed again from x, by the same function as y, so it is y's own bit for
 * bit. Evaluation is the result alone. The first pass goes from the tensor's end, which the kernel before wrote last,
 * and the second from its beginning, which the first read last: what the second-level cache holds is read from there.
 *
 * Sums are fp32 over at most 128 values of one thread, which takes its statistics relative to its first value; threads
 * of a block are merged in a fixed order, and blocks in double by a second kernel. */
#include "norm.h"
#include "rows.cuh"
#include <stdlib.h>

using namespace gpu;

enum {
    AHEAD = 4,           /* packs that a thread has in flight */
    FINISH_CHANNELS = 8, /* of a block of the second stage: 32 bytes of each row of sums */
    FINISH_STRANDS = 64,
};

/* Saved are the rows of norm.h; after them the mask. */

struct norm {
    float epsilon, momentum;
    bool relu, add;
    enum dtype dtype;
    struct rows_cut cut;
    int64_t row; /* floats of a row per channel, padded */
};

/* Arrays with one value per channel. */
struct norm_channels {
    const float *mean, *inverse, *variance; /* inverse: or NULL, then from variance */
    const float *weight, *bias;
    float epsilon;
};

/* Where a rectifier's mask comes from. */
enum gate { GATE_NONE, GATE_VALUE, GATE_BITS };

/* ---- arithmetic ---- */

struct moments {
    float count, mean, squares; /* squares: of the deviations from the mean */
};

/* Chan, Golub, LeVeque 1979. */
__device__ inline struct moments merge_moments(struct moments a, struct moments b)
{
    if (b.count == 0.0f)
        return a;
    if (a.count == 0.0f)
        return b;
    const float count = a.count + b.count, share = b.count / count, apart = b.mean - a.mean;
    return {count, fmaf(apart, share, a.mean), a.squares + b.squares + apart * apart * (a.count * share)};
}

struct products {
    float grad, product; /* sums of the gradient, and of it times the deviation */
};

__device__ inline struct products merge_products(struct products a, struct products b)
{
    return {a.grad + b.grad, a.product + b.product};
}

/* What a thread keeps of its channels. */
template <int N> struct coefficients {
    float mean[N], scale[N], bias[N];
};

template <int N>
__device__ inline void load_coefficients(struct coefficients<N> *own, const struct norm_channels &channels,
                                         const struct rows_cut &cut, int lane)
{
    float inverse[N], weight[N];
    load_channels<N>(own->mean, channels.mean, cut, lane);
    load_channels<N>(inverse, channels.inverse ? channels.inverse : channels.variance, cut, lane);
    load_channels<N>(weight, channels.weight, cut, lane);
    load_channels<N>(own->bias, channels.bias, cut, lane);
    for (int j = 0; j < N; j++)
        own->scale[j] = weight[j] * (channels.inverse ? inverse[j] : 1.0f / sqrtf(inverse[j] + channels.epsilon));
}

/* Before addend and rectifier. Forward and backward pass must agree on it. */
__device__ inline float normalised(float x, float mean, float scale, float bias)
{
    return fmaf(x - mean, scale, bias);
}

/* Whether a rectifier's gradient passes: torch's rule, by the rounded result; NaN passes. */
template <class T> __device__ inline bool passes(T result)
{
    return !(to_float(result) <= 0.0f);
}

/* ---- statistics ---- */

/* partial: per chunk a row of means and one of squares. */
template <class T>
static __global__ void __launch_bounds__(THREADS) statistics(const T *x, struct rows_cut cut, float *partial)
{
    constexpr int N = PACK<T>;
    SHARED(struct moments, parts, [N * THREADS]);
    const struct rows_place place = rows_place_of<N>(cut, true);
    T packs[AHEAD][N];
    float shift[N] = {}, sum[N] = {}, squares[N] = {};
    struct moments own[N];
    if (place.rows + place.last > 0) {
        load_pack(packs[0], x + place.first, place.rows > 0 ? N : place.last);
        for (int j = 0; j < N; j++)
            shift[j] = to_float(packs[0][j]);
    }
    rows_walk<N, AHEAD>(
        cut, place, true, [&](int slot, int64_t at, int width) { load_pack(packs[slot], x + at, width); },
        [&](int slot, int64_t, int width) {
            for (int j = 0; j < N; j++) {
                const float apart = j < width ? to_float(packs[slot][j]) - shift[j] : 0.0f;
                sum[j] += apart;
                squares[j] = fmaf(apart, apart, squares[j]);
            }
        });
    for (int j = 0; j < N; j++) {
        const float count = float(place.rows + (j < place.last ? 1 : 0)), mean = count > 0.0f ? sum[j] / count : 0.0f;
        const float left = squares[j] - mean * sum[j];
        own[j] = {count, shift[j] + mean, left < 0.0f ? 0.0f : left};
    }
    merge_strands<N>(cut.columns, cut.strands, parts, own, merge_moments);
    if (place.strand == 0 && place.lane < cut.lanes) {
        float *const to = partial + int64_t(place.chunk) * 2 * cut.lanes + place.lane;
        float row[2][N];
        for (int j = 0; j < N; j++) {
            row[0][j] = own[j].mean;
            row[1][j] = own[j].squares;
        }
        store<N>(to, row[0]);
        store<N>(to + cut.lanes, row[1]);
    }
}

struct pair {
    double first, second;
};

/* The sums of term(chunk, side, first, second) over a channel's partial results, in strand 0. A block has
 * FINISH_CHANNELS x FINISH_STRANDS threads, all of which come here. */
template <class F>
__device__ inline struct pair channel_total(const struct rows_cut &cut, const float *partial, int channel, F term)
{
    SHARED(struct pair, parts, [FINISH_STRANDS * FINISH_CHANNELS]);
    const int sides = cut.lanes / cut.channels, strand = int(threadIdx.x) / FINISH_CHANNELS;
    struct pair total = {0.0, 0.0};
    for (int i = strand; channel < cut.channels && i < cut.chunks * sides; i += FINISH_STRANDS) {
        const int chunk = i / sides, side = i % sides;
        const float *const from = partial + int64_t(chunk) * 2 * cut.lanes + side * cut.channels + channel;
        const struct pair more = term(chunk, side, from[0], from[cut.lanes]);
        total.first += more.first;
        total.second += more.second;
    }
    parts[threadIdx.x] = total;
    for (int step = FINISH_STRANDS / 2; step > 0; step /= 2) {
        __syncthreads();
        if (strand < step) {
            const struct pair more = parts[int(threadIdx.x) + step * FINISH_CHANNELS];
            total.first += more.first;
            total.second += more.second;
            parts[threadIdx.x] = total;
        }
    }
    return total;
}

__device__ inline int finish_channel()
{
    return int(blockIdx.x * FINISH_CHANNELS + threadIdx.x % FINISH_CHANNELS);
}

static __global__ void __launch_bounds__(FINISH_CHANNELS *FINISH_STRANDS)
    finish_statistics(const float *partial, struct rows_cut cut, float epsilon, float *saved, int64_t row)
{
    const int channel = finish_channel();
    const struct pair total = channel_total(
        cut, partial, channel, [&](int chunk, int side, float mean, float squares) -> struct pair {
            const double count = double(rows_pixels(cut, chunk, side)), sum = count * double(mean);
            return {sum, double(squares) + sum * double(mean)};
        });
    if (threadIdx.x >= FINISH_CHANNELS || channel >= cut.channels)
        return;
    const double pixels = double(cut.count / cut.channels), mean = total.first / pixels;
    double squares = total.second - mean * total.first;
    if (squares < 0.0)
        squares = 0.0;
    saved[SAVED_MEAN * row + channel] = float(mean);
    saved[SAVED_INVERSE * row + channel] = float(1.0 / sqrt(squares / pixels + double(epsilon)));
    saved[SAVED_VARIANCE * row + channel] = float(squares / (pixels - 1.0));
}

/* ---- forward ---- */

/* mask: a byte per pack, bit j for its element j; or NULL. */
template <class T, bool RELU, bool ADD>
static __global__ void __launch_bounds__(THREADS, 2)
    result(const T *x, const T *addend, T *y, uint8_t *mask, struct rows_cut cut, struct norm_channels channels)
{
    constexpr int N = PACK<T>, AT_ONCE = ADD ? AHEAD / 2 : AHEAD;
    const struct rows_place place = rows_place_of<N>(cut, false);
    if (place.rows + place.last == 0)
        return;
    struct coefficients<N> own;
    load_coefficients(&own, channels, cut, place.lane);
    T packs[AT_ONCE][N], addends[AT_ONCE][N];
    rows_walk<N, AT_ONCE>(
        cut, place, false,
        [&](int slot, int64_t at, int width) {
            load_pack(packs[slot], x + at, width);
            if constexpr (ADD)
                load_pack(addends[slot], addend + at, width);
        },
        [&](int slot, int64_t at, int width) {
            unsigned bits = 0;
            for (int j = 0; j < N; j++) {
                float value = normalised(to_float(packs[slot][j]), own.mean[j], own.scale[j], own.bias[j]);
                if constexpr (ADD)
                    value += to_float(addends[slot][j]);
                if constexpr (RELU)
                    value = value <= 0.0f ? 0.0f : value;
                packs[slot][j] = from_float<T>(value);
                bits |= unsigned(passes(packs[slot][j])) << j;
            }
            store_pack(y + at, packs[slot], width);
            if (RELU && ADD && mask)
                mask[at / N] = uint8_t(bits);
        });
}

template <class T>
static int launch_result(struct device *device, const struct norm *norm, const struct op_call *call,
                         const struct norm_channels &channels)
{
    void (*const kernels[2][2])(const T *, const T *, T *, uint8_t *, struct rows_cut, struct norm_channels) = {
        {result<T, false, false>, result<T, false, true>}, {result<T, true, false>, result<T, true, true>}};
    uint8_t *mask = call->training ? (uint8_t *)((float *)call->saved + SAVED_ROWS * norm->row) : NULL;
    CUDA_TRY(launch(kernels[norm->relu][norm->add], rows_blocks(norm->cut), THREADS, 0, device->stream,
                    (const T *)call->in[0], (const T *)call->in[1], (T *)call->out, mask, norm->cut, channels));
    return OK;
}

static unsigned finish_blocks(const struct norm *norm)
{
    return unsigned(rows_divide(norm->cut.channels, FINISH_CHANNELS));
}

static struct norm_channels saved_channels(const struct norm *norm, const struct op_call *call)
{
    const float *saved = (const float *)call->saved;
    return {saved + SAVED_MEAN * norm->row, saved + SAVED_INVERSE * norm->row, NULL,
            (const float *)call->weight[0], (const float *)call->weight[1],    norm->epsilon};
}

static int norm_forward(struct device *device, const struct op_call *call)
{
    const struct norm *norm = (const struct norm *)call->state;
    struct norm_channels channels = saved_channels(norm, call);
    return for_dtype(norm->dtype, [&](auto type) {
        using T = decltype(type);
        if (call->training && call->sums_by) {
            TRY(cuda_norm_from_sums(device, cuda_conv_joined(call->sums_by), (float *)call->saved, norm->cut.channels,
                                    norm->cut.count / norm->cut.channels, norm->epsilon));
        } else if (call->training) {
            CUDA_TRY(launch(statistics<T>, rows_blocks(norm->cut), THREADS, 0, device->stream, (const T *)call->in[0],
                            norm->cut, (float *)call->scratch));
            CUDA_TRY(launch(finish_statistics, finish_blocks(norm), FINISH_CHANNELS * FINISH_STRANDS, 0, device->stream,
                            (const float *)call->scratch, norm->cut, norm->epsilon, (float *)call->saved, norm->row));
        } else {
            channels.mean = (const float *)call->weight[2];
            channels.inverse = NULL;
            channels.variance = (const float *)call->weight[3];
        }
        if (call->training && call->made_by)
            TRY(cuda_norm_factors(device, (float *)call->saved, channels.weight, channels.bias, norm->cut.channels));
        const bool made = call->training && call->made_by && !call->apart;
        return made ? int(OK) : launch_result<T>(device, norm, call, channels);
    });
}

/* ---- backward ---- */

/* The gradient behind the rectifier. */
template <class T, enum gate GATE>
__device__ inline float gated(float grad, float x, unsigned bits, int j, const struct coefficients<PACK<T>> &own)
{
    if constexpr (GATE == GATE_VALUE)
        return passes(from_float<T>(normalised(x, own.mean[j], own.scale[j], own.bias[j]))) ? grad : 0.0f;
    if constexpr (GATE == GATE_BITS)
        return bits >> j & 1 ? grad : 0.0f;
    return grad;
}

/* partial: per chunk a row of sums of the gradient and one of products. */
template <class T, enum gate GATE>
static __global__ void __launch_bounds__(THREADS, 2)
    sums(const T *x, const T *dy, const uint8_t *mask, struct rows_cut cut, struct norm_channels channels,
         float *partial)
{
    constexpr int N = PACK<T>, AT_ONCE = AHEAD / 2;
    SHARED(struct products, parts, [N * THREADS]);
    const struct rows_place place = rows_place_of<N>(cut, true);
    struct coefficients<N> own;
    struct products total[N] = {};
    T packs[AT_ONCE][N], grads[AT_ONCE][N];
    uint8_t bits[AT_ONCE];
    load_coefficients(&own, channels, cut, place.lane);
    rows_walk<N, AT_ONCE>(
        cut, place, true,
        [&](int slot, int64_t at, int width) {
            load_pack(packs[slot], x + at, width);
            load_pack(grads[slot], dy + at, width);
            bits[slot] = GATE == GATE_BITS ? mask[at / N] : 0;
        },
        [&](int slot, int64_t, int) {
            for (int j = 0; j < N; j++) {
                const float value = to_float(packs[slot][j]);
                const float grad = gated<T, GATE>(to_float(grads[slot][j]), value, bits[slot], j, own);
                total[j].grad += grad;
                total[j].product = fmaf(grad, value - own.mean[j], total[j].product);
            }
        });
    merge_strands<N>(cut.columns, cut.strands, parts, total, merge_products);
    if (place.strand == 0 && place.lane < cut.lanes) {
        float *const to = partial + int64_t(place.chunk) * 2 * cut.lanes + place.lane;
        float row[2][N];
        for (int j = 0; j < N; j++) {
            row[0][j] = total[j].grad;
            row[1][j] = total[j].product;
        }
        store<N>(to, row[0]);
        store<N>(to + cut.lanes, row[1]);
    }
}

/* shift and slope: what the second pass needs. */
static __global__ void __launch_bounds__(FINISH_CHANNELS *FINISH_STRANDS)
    finish_sums(const float *partial, struct rows_cut cut, const float *inverse, float *weight_grad, float *bias_grad,
                float *shift, float *slope)
{
    const int channel = finish_channel();
    const struct pair total = channel_total(
        cut, partial, channel, [](int, int, float grad, float product) -> struct pair {
            return {double(grad), double(product)};
        });
    if (threadIdx.x >= FINISH_CHANNELS || channel >= cut.channels)
        return;
    const double pixels = double(cut.count / cut.channels), scale = double(inverse[channel]);
    weight_grad[channel] = float(total.second * scale);
    bias_grad[channel] = float(total.first);
    shift[channel] = float(total.first / pixels);
    slope[channel] = float(total.second * scale * scale / pixels);
}

/* dx = scale * (grad - shift - (x - mean) * slope), and the addend's gradient, which is grad. Either may be NULL. */
template <class T, enum gate GATE>
static __global__ void __launch_bounds__(THREADS)
    gradients(const T *x, const T *dy, const uint8_t *mask, T *dx, T *addend_grad, struct rows_cut cut,
              struct norm_channels channels, const float *shifts, const float *slopes)
{
    constexpr int N = PACK<T>, AT_ONCE = AHEAD / 2;
    const struct rows_place place = rows_place_of<N>(cut, false);
    if (place.rows + place.last == 0)
        return;
    struct coefficients<N> own;
    float shift[N], slope[N];
    load_coefficients(&own, channels, cut, place.lane);
    load_channels<N>(shift, shifts, cut, place.lane);
    load_channels<N>(slope, slopes, cut, place.lane);
    T packs[AT_ONCE][N], grads[AT_ONCE][N];
    uint8_t bits[AT_ONCE];
    rows_walk<N, AT_ONCE>(
        cut, place, false,
        [&](int slot, int64_t at, int width) {
            load_pack(packs[slot], x + at, width);
            load_pack(grads[slot], dy + at, width);
            bits[slot] = GATE == GATE_BITS ? mask[at / N] : 0;
        },
        [&](int slot, int64_t at, int width) {
            for (int j = 0; j < N; j++) {
                const float value = to_float(packs[slot][j]);
                const float grad = gated<T, GATE>(to_float(grads[slot][j]), value, bits[slot], j, own);
                grads[slot][j] = from_float<T>(grad);
                packs[slot][j] = from_float<T>(own.scale[j] * (grad - shift[j] - (value - own.mean[j]) * slope[j]));
            }
            if (dx)
                store_pack(dx + at, packs[slot], width);
            if (addend_grad)
                store_pack(addend_grad + at, grads[slot], width);
        });
}

template <class T, enum gate GATE>
static int launch_backward(struct device *device, const struct norm *norm, const struct op_call *call)
{
    const struct norm_channels channels = saved_channels(norm, call);
    const uint8_t *mask = (const uint8_t *)((float *)call->saved + SAVED_ROWS * norm->row);
    float *shift = (float *)call->scratch, *slope = shift + norm->row, *partial = slope + norm->row;
    const T *x = (const T *)call->in[0], *dy = (const T *)call->out_grad;
    CUDA_TRY(launch(sums<T, GATE>, rows_blocks(norm->cut), THREADS, 0, device->stream, x, dy, mask, norm->cut, channels,
                    partial));
    CUDA_TRY(launch(finish_sums, finish_blocks(norm), FINISH_CHANNELS * FINISH_STRANDS, 0, device->stream, partial,
                    norm->cut, channels.inverse, call->weight_grad[0], call->weight_grad[1], shift, slope));
    if (call->in_grad[0] || call->in_grad[1])
        CUDA_TRY(launch(gradients<T, GATE>, rows_blocks(norm->cut), THREADS, 0, device->stream, x, dy, mask,
                        (T *)call->in_grad[0], (T *)call->in_grad[1], norm->cut, channels, shift, slope));
    return OK;
}

static int norm_backward(struct device *device, const struct op_call *call)
{
    const struct norm *norm = (const struct norm *)call->state;
    if (call->taken_by && !call->in_grad[0] && !call->in_grad[1])
        return OK;
    if (call->taken_by)
        return cuda_norm_apply(device, call->in_grad[0], call->in_grad[1], call->out_grad, call->in[0],
                               cuda_conv_joined(call->taken_by), norm->cut.count / norm->cut.channels,
                               norm->cut.channels);
    return for_dtype(norm->dtype, [&](auto type) {
        using T = decltype(type);
        if (!norm->relu)
            return launch_backward<T, GATE_NONE>(device, norm, call);
        return norm->add ? launch_backward<T, GATE_BITS>(device, norm, call)
                         : launch_backward<T, GATE_VALUE>(device, norm, call);
    });
}

/* ---- the rest ---- */

static __global__ void __launch_bounds__(THREADS)
    commit(const struct step_control *control, const float *saved, int64_t row, int channels, float momentum,
           float *running_mean, float *running_var)
{
    const int c = int(blockIdx.x * THREADS + threadIdx.x);
    if (c >= channels || control->bad)
        return;
    const float kept = 1.0f - momentum;
    running_mean[c] = kept * running_mean[c] + momentum * saved[SAVED_MEAN * row + c];
    running_var[c] = kept * running_var[c] + momentum * saved[SAVED_VARIANCE * row + c];
}

static int norm_commit(struct device *device, const struct op_call *call)
{
    const struct norm *norm = (const struct norm *)call->state;
    CUDA_TRY(launch(commit, unsigned(rows_divide(norm->cut.channels, THREADS)), THREADS, 0, device->stream,
                    call->control, (const float *)call->saved, norm->row, norm->cut.channels, norm->momentum,
                    (float *)call->weight[2], (float *)call->weight[3]));
    return OK;
}

static int norm_prepare(struct device *, const struct op_desc *desc, void **state, struct op_needs *needs)
{
    const struct shape in = desc->in[0];
    const int64_t pixels = (int64_t)in.n * in.h * in.w;
    const int pack = 16 / int(dtype_bytes(desc->dtype));
    struct rows_cut cut = {};
    *state = NULL;
    if (desc->training && pixels == 1)
        return FAIL(ERR_CONFIG, "normalisation over one value per channel: a batch of 1 image of 1x1 pixels has no "
                                "variance; use train.batch_size of 2 or more, or larger images");
    TRY(rows_cut_make(&cut, pixels, in.c, pack));
    struct norm *norm = (struct norm *)malloc(sizeof *norm);
    if (!norm)
        return FAIL(ERR_MEMORY, "cuda: out of memory for a layer's description; close other programs");
    *norm = {desc->params->norm.epsilon,
             desc->params->norm.momentum,
             desc->params->norm.relu,
             desc->params->norm.add,
             desc->dtype,
             cut,
             norm_row(in.c)};
    needs->scratch_bytes = sizeof(float) * size_t(2 * norm->row + int64_t(cut.chunks) * 2 * cut.lanes);
    needs->saved_bytes = desc->training ? sizeof(float) * size_t(SAVED_ROWS * norm->row) : 0;
    if (desc->training && norm->relu && norm->add)
        needs->saved_bytes += size_t(rows_divide(cut.count, pack));
    for (int i = 0; i < OP_MAX_WEIGHTS; i++) {
        needs->weight[i].count = in.c;
        needs->weight[i].dtype = DT_F32;
    }
    *state = norm;
    return OK;
}

extern "C" const struct op_impl cuda_norm = {
    norm_prepare, norm_forward, norm_backward, norm_commit, free, NULL, NULL,
};
