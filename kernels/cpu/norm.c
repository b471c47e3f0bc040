/* norm: batch normalisation with fused addition and rectifier: y = relu?((x - mean) / sqrt(var + eps) * w + b +
 * addend). Knows nothing of the graph.
 *
 * Passes over memory: forward reads x twice (statistics, result) and writes y; backward reads x, dy and y twice (sums,
 * result) and writes dx. Where the addend's gradient is wanted, the first pass writes it and the second reads it
 * instead of dy and y.
 *
 * The tensor is cut into blocks, a function of its shape alone. A block's sums are fp32; blocks are added up in order
 * in double, so results do not depend on the number of threads. A block's statistics take two passes (mean, then
 * squared deviations from it) while it is in the cache. A narrow tensor is read as wider rows: several pixels side by
 * side. */
#include "lanes.h"
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

enum { LANES_LEAST = 64, BLOCK_VALUES = 32768, BLOCK_PIXELS = 64 };

/* Rows of scratch, one float per lane: coefficients, and after the blocks' sums each thread's. */
enum { ROW_MEAN, ROW_SCALE, ROW_SHIFT, ROW_SLOPE, ROW_COUNT };
enum { THREAD_ROWS = 2, BLOCK_ROWS = 2 };
/* Rows of saved, one float per channel. The variance is the unbiased one. */
enum { SAVED_MEAN, SAVED_INVERSE, SAVED_VARIANCE, SAVED_ROWS };

struct norm {
    float epsilon, momentum;
    bool relu;
    enum dtype dtype;
    int channels, lanes;           /* lanes: channels times the pixels side by side */
    int64_t row, lane_row;         /* floats of a row per channel and per lane, padded */
    int64_t pixels, values, block; /* block: values */
    int block_count;
};

struct norm_scratch {
    float *row[ROW_COUNT];
    float *blocks, *threads;
};

static int64_t pad_16(int64_t floats)
{
    return (floats + 15) / 16 * 16;
}

static struct norm_scratch scratch_of(const struct norm *norm, void *memory)
{
    struct norm_scratch scratch;
    float *next = memory;
    for (int i = 0; i < ROW_COUNT; i++, next += norm->lane_row)
        scratch.row[i] = next;
    scratch.blocks = next;
    scratch.threads = next + norm->block_count * BLOCK_ROWS * norm->row;
    return scratch;
}

static float *thread_rows(const struct norm *norm, const struct norm_scratch *scratch)
{
    return scratch->threads + omp_get_thread_num() * THREAD_ROWS * norm->lane_row;
}

static float *block_row(const struct norm *norm, const struct norm_scratch *scratch, int block, int row)
{
    return scratch->blocks + ((int64_t)block * BLOCK_ROWS + row) * norm->row;
}

static int64_t block_end(const struct norm *norm, int block)
{
    const int64_t end = (block + 1) * norm->block;
    return end < norm->values ? end : norm->values;
}

/* Adds the lanes of a channel, in order. */
static void fold(const struct norm *norm, float *channels, const float *lanes)
{
    memcpy(channels, lanes, (size_t)norm->channels * sizeof(float));
    for (int side = norm->channels; side < norm->lanes; side += norm->channels)
        for (int c = 0; c < norm->channels; c++)
            channels[c] += lanes[side + c];
}

/* Copies a row of channels to every pixel that stands side by side. */
static void spread(const struct norm *norm, float *lanes, const float *channels)
{
    for (int side = 0; side < norm->lanes; side += norm->channels)
        memcpy(lanes + side, channels, (size_t)norm->channels * sizeof(float));
}

static int min_lanes(int lanes, int64_t left)
{
    return left < lanes ? (int)left : lanes;
}

/* ---- statistics ---- */

INLINE void add_values(enum dtype dtype, const void *x, int64_t begin, int64_t end, int lanes, float *restrict sum)
{
    for (int64_t i = begin; i < end; i += lanes) {
        const int width = min_lanes(lanes, end - i);
#pragma omp simd
        for (int j = 0; j < width; j++)
            sum[j] += lane_load(x, i + j, dtype);
    }
}

INLINE void add_squares(enum dtype dtype, const void *x, int64_t begin, int64_t end, int lanes,
                        const float *restrict mean, float *restrict sum)
{
    for (int64_t i = begin; i < end; i += lanes) {
        const int width = min_lanes(lanes, end - i);
#pragma omp simd
        for (int j = 0; j < width; j++) {
            const float deviation = lane_load(x, i + j, dtype) - mean[j];
            sum[j] += deviation * deviation;
        }
    }
}

/* Leaves a block's mean and sum of squared deviations per channel. */
static void block_statistics(const struct norm *norm, const struct norm_scratch *scratch, const void *x, int block)
{
    const int64_t begin = block * norm->block, end = block_end(norm, block);
    float *sum = thread_rows(norm, scratch), *mean = sum + norm->lane_row;
    float *block_mean = block_row(norm, scratch, block, 0);
    memset(sum, 0, (size_t)norm->lanes * sizeof(float));
    BY_DTYPE(norm->dtype, add_values, x, begin, end, norm->lanes, sum);
    fold(norm, block_mean, sum);
    const float count = (float)((end - begin) / norm->channels);
    for (int c = 0; c < norm->channels; c++)
        block_mean[c] /= count;
    spread(norm, mean, block_mean);
    memset(sum, 0, (size_t)norm->lanes * sizeof(float));
    BY_DTYPE(norm->dtype, add_squares, x, begin, end, norm->lanes, mean, sum);
    fold(norm, block_row(norm, scratch, block, 1), sum);
}

/* Combines the blocks of one channel (Chan, Golub, LeVeque 1979). */
static void channel_statistics(const struct norm *norm, const struct norm_scratch *scratch, int channel, float *saved)
{
    double total = 0.0, squares = 0.0;
    for (int b = 0; b < norm->block_count; b++) {
        const double count = (double)((block_end(norm, b) - b * norm->block) / norm->channels);
        total += count * (double)block_row(norm, scratch, b, 0)[channel];
    }
    const double mean = total / (double)norm->pixels;
    for (int b = 0; b < norm->block_count; b++) {
        const double count = (double)((block_end(norm, b) - b * norm->block) / norm->channels);
        const double apart = (double)block_row(norm, scratch, b, 0)[channel] - mean;
        squares += (double)block_row(norm, scratch, b, 1)[channel] + count * apart * apart;
    }
    saved[SAVED_MEAN * norm->row + channel] = (float)mean;
    saved[SAVED_INVERSE * norm->row + channel] =
        (float)(1.0 / sqrt(squares / (double)norm->pixels + (double)norm->epsilon));
    saved[SAVED_VARIANCE * norm->row + channel] = (float)(squares / (double)(norm->pixels - 1));
}

/* ---- forward ---- */

struct norm_forward {
    const void *x, *addend;
    void *y;
    const float *mean, *scale, *shift;
};

INLINE void apply(enum dtype dtype, bool relu, bool add, const struct norm_forward *pass, int64_t begin, int64_t end,
                  int lanes)
{
    const void *const x = pass->x, *const addend = pass->addend;
    void *const y = pass->y;
    const float *const mean = pass->mean, *const scale = pass->scale, *const shift = pass->shift;
    for (int64_t i = begin; i < end; i += lanes) {
        const int width = min_lanes(lanes, end - i);
#pragma omp simd
        for (int j = 0; j < width; j++) {
            float value = (lane_load(x, i + j, dtype) - mean[j]) * scale[j] + shift[j];
            if (add)
                value += lane_load(addend, i + j, dtype);
            lane_store(y, i + j, dtype, relu ? lane_relu(value) : value);
        }
    }
}

INLINE void apply_variant(enum dtype dtype, bool relu, const struct norm_forward *pass, int64_t begin, int64_t end,
                          int lanes)
{
    if (relu && pass->addend)
        apply(dtype, true, true, pass, begin, end, lanes);
    else if (relu)
        apply(dtype, true, false, pass, begin, end, lanes);
    else if (pass->addend)
        apply(dtype, false, true, pass, begin, end, lanes);
    else
        apply(dtype, false, false, pass, begin, end, lanes);
}

static int norm_forward(struct device *device, const struct op_call *call)
{
    const struct norm *norm = call->state;
    const struct norm_scratch scratch = scratch_of(norm, call->scratch);
    const float *weight = call->weight[0], *bias = call->weight[1];
    const float *running_mean = call->weight[2], *running_var = call->weight[3];
    float *saved = call->saved;
    const struct norm_forward pass = {
        call->in[0], call->in[1], call->out, scratch.row[ROW_MEAN], scratch.row[ROW_SCALE], scratch.row[ROW_SHIFT]};
#pragma omp parallel num_threads(device->threads)
    {
        if (call->training) {
#pragma omp for schedule(static)
            for (int b = 0; b < norm->block_count; b++)
                block_statistics(norm, &scratch, call->in[0], b);
        }
#pragma omp for schedule(static)
        for (int c = 0; c < norm->channels; c++) {
            if (call->training)
                channel_statistics(norm, &scratch, c, saved);
            const float mean = call->training ? saved[SAVED_MEAN * norm->row + c] : running_mean[c];
            const float inverse = call->training ? saved[SAVED_INVERSE * norm->row + c]
                                                 : (float)(1.0 / sqrt((double)running_var[c] + (double)norm->epsilon));
            for (int lane = c; lane < norm->lanes; lane += norm->channels) {
                scratch.row[ROW_MEAN][lane] = mean;
                scratch.row[ROW_SCALE][lane] = weight[c] * inverse;
                scratch.row[ROW_SHIFT][lane] = bias[c];
            }
        }
#pragma omp for schedule(static)
        for (int b = 0; b < norm->block_count; b++)
            BY_DTYPE(norm->dtype, apply_variant, norm->relu, &pass, b * norm->block, block_end(norm, b), norm->lanes);
    }
    return OK;
}

/* ---- backward ---- */

struct norm_backward {
    const void *x, *y, *dy;
    void *dx, *addend_grad; /* either may be NULL */
    const float *mean, *scale, *shift, *slope;
};

/* Sums of the gradient, and of the gradient times the deviation; writes the addend's gradient if there is one. */
INLINE void add_grads(enum dtype dtype, bool relu, bool add, const struct norm_backward *pass, int64_t begin,
                      int64_t end, int lanes, float *restrict sum, float *restrict product)
{
    const void *const x = pass->x, *const y = pass->y, *const dy = pass->dy;
    void *const addend_grad = pass->addend_grad;
    const float *const mean = pass->mean;
    for (int64_t i = begin; i < end; i += lanes) {
        const int width = min_lanes(lanes, end - i);
#pragma omp simd
        for (int j = 0; j < width; j++) {
            float grad = lane_load(dy, i + j, dtype);
            if (relu)
                grad = lane_relu_grad(lane_load(y, i + j, dtype), grad);
            if (add)
                lane_store(addend_grad, i + j, dtype, grad);
            sum[j] += grad;
            product[j] += grad * (lane_load(x, i + j, dtype) - mean[j]);
        }
    }
}

INLINE void add_grads_variant(enum dtype dtype, bool relu, const struct norm_backward *pass, int64_t begin, int64_t end,
                              int lanes, float *sum, float *product)
{
    if (relu && pass->addend_grad)
        add_grads(dtype, true, true, pass, begin, end, lanes, sum, product);
    else if (relu)
        add_grads(dtype, true, false, pass, begin, end, lanes, sum, product);
    else if (pass->addend_grad)
        add_grads(dtype, false, true, pass, begin, end, lanes, sum, product);
    else
        add_grads(dtype, false, false, pass, begin, end, lanes, sum, product);
}

/* dx = scale * (grad - shift - (x - mean) * slope); grad comes from the addend's gradient where that was written. */
INLINE void input_grads(enum dtype dtype, bool relu, const struct norm_backward *pass, int64_t begin, int64_t end,
                        int lanes)
{
    const void *const x = pass->x, *const y = pass->y;
    const void *const dy = pass->addend_grad ? pass->addend_grad : pass->dy;
    void *const dx = pass->dx;
    const float *const mean = pass->mean, *const scale = pass->scale, *const shift = pass->shift,
                       *const slope = pass->slope;
    for (int64_t i = begin; i < end; i += lanes) {
        const int width = min_lanes(lanes, end - i);
#pragma omp simd
        for (int j = 0; j < width; j++) {
            float grad = lane_load(dy, i + j, dtype);
            if (relu)
                grad = lane_relu_grad(lane_load(y, i + j, dtype), grad);
            const float deviation = lane_load(x, i + j, dtype) - mean[j];
            lane_store(dx, i + j, dtype, scale[j] * (grad - shift[j] - deviation * slope[j]));
        }
    }
}

INLINE void input_grads_variant(enum dtype dtype, bool relu, const struct norm_backward *pass, int64_t begin,
                                int64_t end, int lanes)
{
    if (relu && !pass->addend_grad)
        input_grads(dtype, true, pass, begin, end, lanes);
    else
        input_grads(dtype, false, pass, begin, end, lanes);
}

static void block_grads(const struct norm *norm, const struct norm_scratch *scratch, const struct norm_backward *pass,
                        int block)
{
    float *sum = thread_rows(norm, scratch), *product = sum + norm->lane_row;
    memset(sum, 0, (size_t)norm->lanes * sizeof(float));
    memset(product, 0, (size_t)norm->lanes * sizeof(float));
    BY_DTYPE(norm->dtype, add_grads_variant, norm->relu, pass, block * norm->block, block_end(norm, block), norm->lanes,
             sum, product);
    fold(norm, block_row(norm, scratch, block, 0), sum);
    fold(norm, block_row(norm, scratch, block, 1), product);
}

/* The gradients of a channel's weight and bias, and what the second pass needs. */
static void channel_grads(const struct norm *norm, const struct norm_scratch *scratch, const struct op_call *call,
                          int channel)
{
    double sum = 0.0, product = 0.0;
    for (int b = 0; b < norm->block_count; b++) {
        sum += (double)block_row(norm, scratch, b, 0)[channel];
        product += (double)block_row(norm, scratch, b, 1)[channel];
    }
    const float *saved = call->saved, *weight = call->weight[0];
    const double inverse = (double)saved[SAVED_INVERSE * norm->row + channel], count = (double)norm->pixels;
    call->weight_grad[0][channel] = (float)(product * inverse);
    call->weight_grad[1][channel] = (float)sum;
    for (int lane = channel; lane < norm->lanes; lane += norm->channels) {
        scratch->row[ROW_SCALE][lane] = (float)((double)weight[channel] * inverse);
        scratch->row[ROW_SHIFT][lane] = (float)(sum / count);
        scratch->row[ROW_SLOPE][lane] = (float)(product * inverse * inverse / count);
    }
}

static int norm_backward(struct device *device, const struct op_call *call)
{
    const struct norm *norm = call->state;
    const struct norm_scratch scratch = scratch_of(norm, call->scratch);
    const struct norm_backward pass = {call->in[0],
                                       call->out,
                                       call->out_grad,
                                       call->in_grad[0],
                                       call->in_grad[1],
                                       scratch.row[ROW_MEAN],
                                       scratch.row[ROW_SCALE],
                                       scratch.row[ROW_SHIFT],
                                       scratch.row[ROW_SLOPE]};
    spread(norm, scratch.row[ROW_MEAN], (const float *)call->saved + SAVED_MEAN * norm->row);
#pragma omp parallel num_threads(device->threads)
    {
#pragma omp for schedule(static)
        for (int b = 0; b < norm->block_count; b++)
            block_grads(norm, &scratch, &pass, b);
#pragma omp for schedule(static)
        for (int c = 0; c < norm->channels; c++)
            channel_grads(norm, &scratch, call, c);
        if (pass.dx) {
#pragma omp for schedule(static)
            for (int b = 0; b < norm->block_count; b++)
                BY_DTYPE(norm->dtype, input_grads_variant, norm->relu, &pass, b * norm->block, block_end(norm, b),
                         norm->lanes);
        }
    }
    return OK;
}

/* ---- the rest ---- */

static int norm_commit(struct device *device, const struct op_call *call)
{
    (void)device;
    if (call->control->bad)
        return OK;
    const struct norm *norm = call->state;
    const float *saved = call->saved;
    float *running_mean = call->weight[2], *running_var = call->weight[3];
    const float kept = 1.0f - norm->momentum;
    for (int c = 0; c < norm->channels; c++) {
        running_mean[c] = kept * running_mean[c] + norm->momentum * saved[SAVED_MEAN * norm->row + c];
        running_var[c] = kept * running_var[c] + norm->momentum * saved[SAVED_VARIANCE * norm->row + c];
    }
    return OK;
}

static int norm_prepare(struct device *device, const struct op_desc *desc, void **state, struct op_needs *needs)
{
    const struct shape in = desc->in[0];
    const int64_t pixels = (int64_t)in.n * in.h * in.w;
    *state = NULL;
    if (desc->training && pixels == 1)
        return FAIL(ERR_CONFIG, "normalisation over one value per channel: a batch of 1 image of 1x1 pixels has no "
                                "variance; use train.batch_size of 2 or more, or larger images");
    struct norm *norm = malloc(sizeof *norm);
    if (!norm)
        return FAIL(ERR_MEMORY, "cpu: out of memory for a layer's description; close other programs");
    int sides = (LANES_LEAST + in.c - 1) / in.c;
    if (sides > pixels)
        sides = (int)pixels;
    const int lanes = in.c * sides;
    int64_t rows = (BLOCK_VALUES + lanes - 1) / lanes;
    if (rows * sides < BLOCK_PIXELS)
        rows = BLOCK_PIXELS;
    *norm = (struct norm){.epsilon = desc->params->norm.epsilon,
                          .momentum = desc->params->norm.momentum,
                          .relu = desc->params->norm.relu,
                          .dtype = desc->dtype,
                          .channels = in.c,
                          .lanes = lanes,
                          .row = pad_16(in.c),
                          .lane_row = pad_16(lanes),
                          .pixels = pixels,
                          .values = pixels * in.c,
                          .block = rows * lanes};
    norm->block_count = (int)((norm->values + norm->block - 1) / norm->block);
    needs->scratch_bytes =
        sizeof(float) * (size_t)((ROW_COUNT + (int64_t)device->threads * THREAD_ROWS) * norm->lane_row +
                                 (int64_t)norm->block_count * BLOCK_ROWS * norm->row);
    needs->saved_bytes = desc->training ? sizeof(float) * (size_t)(SAVED_ROWS * norm->row) : 0;
    for (int i = 0; i < OP_MAX_WEIGHTS; i++) {
        needs->weight[i].count = in.c;
        needs->weight[i].dtype = DT_F32;
    }
    *state = norm;
    return OK;
}

const struct op_impl cpu_norm = {
    .prepare = norm_prepare,
    .forward = norm_forward,
    .backward = norm_backward,
    .commit = norm_commit,
    .release = free,
};
