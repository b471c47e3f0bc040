/* norm: batch normalisation with fused addition and rectifier: y = relu?((x - mean) / sqrt(var + eps) * w + b +
 * addend). Knows nothing of the graph; its loops are vector_norm.h's.
 *
 * Passes over memory: forward reads x twice (statistics, result) and writes y; backward reads x and dy twice (sums,
 * result) and writes dx. What passes the rectifier is computed again from x, but where there is an addend: then both
 * passes read y too, or where the addend's gradient is wanted, the first writes it and the second reads it instead of
 * dy and y. A thread goes through its part backwards the second time, since the end is still in its cache.
 *
 * Where the convolution before it has left the statistics of what it wrote, they are not computed here. Where the one
 * after it makes y for itself (norm_made), y is not written.
 *
 * A maximum pooling after it whose windows lie apart is done with it: y is not written then, and its gradient neither;
 * of x the largest of each window are kept, all that the first pass backward needs of it.
 *
 * The tensor is cut into blocks, a function of its shape alone. A block's sums are fp32; blocks are added up in order
 * in double, so results do not depend on the number of threads. A block's statistics take two passes (mean, then
 * squared deviations from it) while it is in the cache. A narrow tensor is read as wider rows: several pixels side by
 * side. */
#include "conv.h"
#include "pool.h"
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

enum { LANES_LEAST = 64, BLOCK_VALUES = 32768, BLOCK_PIXELS = 64 };

/* Rows of scratch, one float per lane: coefficients, and after the blocks' sums each thread's. */
enum { ROW_MEAN, ROW_SCALE, ROW_BIAS, ROW_SHIFT, ROW_SLOPE, ROW_COUNT };
enum { THREAD_ROWS = 2, BLOCK_ROWS = 2 };
/* Rows of saved, one float per channel. The variance is the unbiased one; scale: the weight times inverse. */
enum { SAVED_MEAN, SAVED_INVERSE, SAVED_VARIANCE, SAVED_SCALE, SAVED_ROWS };

/* How a pass is cut into blocks: of numbers, or of rows of windows. */
struct cut {
    int64_t values, block;
    int count;
};

struct norm {
    const struct vector_kernel *vector;
    float epsilon, momentum;
    bool relu, add;
    enum dtype dtype;
    int channels, lanes;   /* lanes: channels times the pixels side by side */
    int64_t row, lane_row; /* floats of a row per channel and per lane, padded */
    int64_t pixels;
    struct cut numbers, windows; /* windows: with the pooling after it */
    int block_count;             /* of whichever has more */
};

struct norm_scratch {
    float *row[ROW_COUNT];
    float *blocks, *pixels, *threads; /* pixels: of each block */
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
    scratch.pixels = next + norm->block_count * BLOCK_ROWS * norm->row;
    scratch.threads = scratch.pixels + pad_16(norm->block_count);
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

/* The rows' next block. */
static void set_block(struct norm_rows *rows, const struct cut *cut, int block)
{
    const int64_t end = (block + 1) * cut->block;
    rows->begin = block * cut->block;
    rows->end = end < cut->values ? end : cut->values;
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

/* What all passes over a block have in common. */
static struct norm_rows rows_of(const struct norm *norm, const struct norm_scratch *scratch)
{
    return (struct norm_rows){
        .dtype = norm->dtype,
        .lanes = norm->lanes,
        .apart = norm->lanes,
        .mean = scratch->row[ROW_MEAN],
        .scale = scratch->row[ROW_SCALE],
        .bias = scratch->row[ROW_BIAS],
        .shift = scratch->row[ROW_SHIFT],
        .slope = scratch->row[ROW_SLOPE],
        .relu = norm->relu,
    };
}

/* Runs a pass over this thread's blocks, the last one first: what was read last is still in the cache. */
static void run_backwards(const struct cut *cut, struct norm_rows rows, void (*pass)(const struct norm_rows *rows))
{
    const int threads = omp_get_num_threads(), thread = omp_get_thread_num();
    for (int b = own_begin(cut->count, thread + 1, threads) - 1; b >= own_begin(cut->count, thread, threads); b--) {
        set_block(&rows, cut, b);
        pass(&rows);
    }
}

/* ---- statistics ---- */

/* Leaves a block's mean and sum of squared deviations per channel. */
static void block_statistics(const struct norm *norm, const struct norm_scratch *scratch, const void *x, int block)
{
    float *sum = thread_rows(norm, scratch), *mean = sum + norm->lane_row;
    float *block_mean = block_row(norm, scratch, block, 0);
    struct norm_rows rows = {
        .dtype = norm->dtype, .lanes = norm->lanes, .apart = norm->lanes, .x = x, .mean = mean, .sum = sum};
    set_block(&rows, &norm->numbers, block);
    memset(sum, 0, (size_t)norm->lanes * sizeof(float));
    norm->vector->norm_sum(&rows);
    fold(norm, block_mean, sum);
    const float count = (float)((rows.end - rows.begin) / norm->channels);
    for (int c = 0; c < norm->channels; c++)
        block_mean[c] /= count;
    spread(norm, mean, block_mean);
    memset(sum, 0, (size_t)norm->lanes * sizeof(float));
    norm->vector->norm_squares(&rows);
    fold(norm, block_row(norm, scratch, block, 1), sum);
    scratch->pixels[block] = count;
}

/* Parts of the tensor: means and squared deviations, this file's own of blocks or those that a convolution left. */
struct parts {
    int count;
    int64_t row;
    const float *values, *pixels; /* [count][2][row]; [count] */
};

static struct parts parts_of(const struct norm *norm, const struct norm_scratch *scratch, const struct op_call *call)
{
    if (!call->sums_by)
        return (struct parts){norm->numbers.count, norm->row, scratch->blocks, scratch->pixels};
    const struct conv_sums *sums = &((const struct conv *)call->sums_by->state)->sums;
    void *saved = call->sums_by->saved;
    return (struct parts){sums->parts, sums->row, sums_row(sums, saved, 0, 0), sums_pixels(sums, saved)};
}

/* Combines the parts of one channel (Chan, Golub, LeVeque 1979). */
static void channel_statistics(const struct norm *norm, const struct parts *parts, int channel, float *saved)
{
    double total = 0.0, squares = 0.0;
    for (int p = 0; p < parts->count; p++)
        total += (double)parts->pixels[p] * (double)parts->values[2 * p * parts->row + channel];
    const double mean = total / (double)norm->pixels;
    for (int p = 0; p < parts->count; p++) {
        const double apart = (double)parts->values[2 * p * parts->row + channel] - mean;
        squares += (double)parts->values[(2 * p + 1) * parts->row + channel] + (double)parts->pixels[p] * apart * apart;
    }
    saved[SAVED_MEAN * norm->row + channel] = (float)mean;
    saved[SAVED_INVERSE * norm->row + channel] =
        (float)(1.0 / sqrt(squares / (double)norm->pixels + (double)norm->epsilon));
    saved[SAVED_VARIANCE * norm->row + channel] = (float)(squares / (double)(norm->pixels - 1));
}

/* With a pooling, what follows the rows of saved: of each of its windows the largest x. */
static void *largest_of(const struct norm *norm, const struct op_call *call)
{
    return (float *)call->saved + SAVED_ROWS * norm->row;
}

/* ---- forward ---- */

static void channel_coefficients(const struct norm *norm, const struct norm_scratch *scratch, const struct parts *parts,
                                 const struct op_call *call, int channel)
{
    float *saved = call->saved;
    const float *weight = call->weight[0], *bias = call->weight[1];
    const float *running_mean = call->weight[2], *running_var = call->weight[3];
    if (call->training)
        channel_statistics(norm, parts, channel, saved);
    const float mean = call->training ? saved[SAVED_MEAN * norm->row + channel] : running_mean[channel];
    const float inverse = call->training ? saved[SAVED_INVERSE * norm->row + channel]
                                         : (float)(1.0 / sqrt((double)running_var[channel] + (double)norm->epsilon));
    if (call->training)
        saved[SAVED_SCALE * norm->row + channel] = weight[channel] * inverse;
    for (int lane = channel; lane < norm->lanes; lane += norm->channels) {
        scratch->row[ROW_MEAN][lane] = mean;
        scratch->row[ROW_SCALE][lane] = weight[channel] * inverse;
        scratch->row[ROW_BIAS][lane] = bias[channel];
    }
}

static int norm_forward(struct device *device, const struct op_call *call)
{
    const struct norm *norm = call->state;
    const struct norm_scratch scratch = scratch_of(norm, call->scratch);
    const struct parts parts = parts_of(norm, &scratch, call);
    struct norm_rows rows = rows_of(norm, &scratch);
    rows.x = call->in[0];
    rows.addend = norm->add ? call->in[1] : NULL;
    rows.to = call->out;
    const bool pools = call->pools && !call->apart, made = call->training && call->made_by && !call->apart;
    if (pools) {
        rows.pool = call->pools->state;
        rows.to = call->pools->out;
        rows.taps = call->training ? call->pools->saved : NULL;
        rows.largest = call->training ? largest_of(norm, call) : NULL;
    }
#pragma omp parallel num_threads(device->threads)
    {
        const int threads = omp_get_num_threads(), thread = omp_get_thread_num();
        for (int b = own_begin(norm->numbers.count, thread, threads);
             call->training && !call->sums_by && b < own_begin(norm->numbers.count, thread + 1, threads); b++)
            block_statistics(norm, &scratch, call->in[0], b);
#pragma omp barrier
#pragma omp for schedule(static)
        for (int c = 0; c < norm->channels; c++)
            channel_coefficients(norm, &scratch, &parts, call, c);
        if (!made)
            run_backwards(pools ? &norm->windows : &norm->numbers, rows,
                          pools ? norm->vector->norm_apply_pooled : norm->vector->norm_apply);
    }
    return OK;
}

struct norm_made norm_made(const struct op_call *call, int first)
{
    const struct norm *norm = call->state;
    const float *saved = call->saved, *bias = call->weight[1];
    return (struct norm_made){saved + SAVED_MEAN * norm->row + first, saved + SAVED_SCALE * norm->row + first,
                              bias + first};
}

/* ---- backward ---- */

static void block_grads(const struct norm *norm, const struct norm_scratch *scratch, struct norm_rows rows, int block)
{
    set_block(&rows, rows.pool ? &norm->windows : &norm->numbers, block);
    rows.sum = thread_rows(norm, scratch);
    rows.product = rows.sum + norm->lane_row;
    memset(rows.sum, 0, (size_t)norm->lanes * sizeof(float));
    memset(rows.product, 0, (size_t)norm->lanes * sizeof(float));
    if (rows.pool)
        norm->vector->norm_grad_sums_pooled(&rows);
    else
        norm->vector->norm_grad_sums(&rows);
    fold(norm, block_row(norm, scratch, block, 0), rows.sum);
    fold(norm, block_row(norm, scratch, block, 1), rows.product);
}

/* The gradients of a channel's weight and bias, and what the second pass needs. */
static void channel_grads(const struct norm *norm, const struct norm_scratch *scratch, const struct op_call *call,
                          int blocks, int channel)
{
    double sum = 0.0, product = 0.0;
    for (int b = 0; b < blocks; b++) {
        sum += (double)block_row(norm, scratch, b, 0)[channel];
        product += (double)block_row(norm, scratch, b, 1)[channel];
    }
    const float *saved = call->saved;
    const double inverse = (double)saved[SAVED_INVERSE * norm->row + channel], count = (double)norm->pixels;
    call->weight_grad[0][channel] = (float)(product * inverse);
    call->weight_grad[1][channel] = (float)sum;
    for (int lane = channel; lane < norm->lanes; lane += norm->channels) {
        scratch->row[ROW_SHIFT][lane] = (float)(sum / count);
        scratch->row[ROW_SLOPE][lane] = (float)(product * inverse * inverse / count);
    }
}

/* The coefficients of the forward pass, to the bit. */
static void restore_coefficients(const struct norm *norm, const struct norm_scratch *scratch,
                                 const struct op_call *call)
{
    const float *mean = (const float *)call->saved + SAVED_MEAN * norm->row;
    const float *scale = (const float *)call->saved + SAVED_SCALE * norm->row;
    spread(norm, scratch->row[ROW_MEAN], mean);
    spread(norm, scratch->row[ROW_BIAS], call->weight[1]);
    spread(norm, scratch->row[ROW_SCALE], scale);
}

static int norm_backward(struct device *device, const struct op_call *call)
{
    const struct norm *norm = call->state;
    const struct norm_scratch scratch = scratch_of(norm, call->scratch);
    struct norm_rows rows = rows_of(norm, &scratch), again;
    rows.x = call->in[0];
    rows.y = call->out;
    rows.dy = call->out_grad;
    rows.to = call->in_grad[0];
    rows.addend_grad = call->in_grad[1];
    rows.gate = !norm->relu ? GATE_NONE : norm->add ? GATE_OUT : GATE_VALUE;
    if (call->pools) {
        rows.pool = call->pools->state;
        rows.taps = call->pools->saved;
        rows.largest = largest_of(norm, call);
        rows.y = call->pools->out;
        rows.dy = call->pools->out_grad;
    }
    const struct cut *cut = call->pools ? &norm->windows : &norm->numbers;
    again = rows;
    if (rows.addend_grad) {
        again.dy = rows.addend_grad;
        again.gate = GATE_NONE;
    }
    restore_coefficients(norm, &scratch, call);
#pragma omp parallel num_threads(device->threads)
    {
        const int threads = omp_get_num_threads(), thread = omp_get_thread_num();
        for (int b = own_begin(cut->count, thread, threads); b < own_begin(cut->count, thread + 1, threads); b++)
            block_grads(norm, &scratch, rows, b);
#pragma omp barrier
#pragma omp for schedule(static)
        for (int c = 0; c < norm->channels; c++)
            channel_grads(norm, &scratch, call, cut->count, c);
        if (call->in_grad[0])
            run_backwards(cut, again, call->pools ? norm->vector->norm_grads_pooled : norm->vector->norm_grads);
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

static struct cut cut_of(int64_t values, int64_t block)
{
    return (struct cut){values, block, (int)((values + block - 1) / block)};
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
    *norm = (struct norm){.vector = device->vector,
                          .epsilon = desc->params->norm.epsilon,
                          .momentum = desc->params->norm.momentum,
                          .relu = desc->params->norm.relu,
                          .add = desc->params->norm.add,
                          .dtype = desc->dtype,
                          .channels = in.c,
                          .lanes = lanes,
                          .row = pad_16(in.c),
                          .lane_row = pad_16(lanes),
                          .pixels = pixels,
                          .numbers = cut_of(pixels * in.c, rows * lanes)};
    norm->block_count = norm->numbers.count;
    if (desc->pool_after && norm->relu && !norm->add && pool_lies_apart(desc->pool_after, in)) {
        const int size = desc->pool_after->pool.size;
        const int64_t below = (int64_t)size * in.w * in.c;
        norm->windows = cut_of((int64_t)in.n * (in.h / size), (BLOCK_VALUES + below - 1) / below);
        norm->block_count = norm->windows.count > norm->block_count ? norm->windows.count : norm->block_count;
        needs->pools = true;
    }
    needs->scratch_bytes =
        sizeof(float) * (size_t)((ROW_COUNT + (int64_t)device->threads * THREAD_ROWS) * norm->lane_row +
                                 (int64_t)norm->block_count * BLOCK_ROWS * norm->row + pad_16(norm->block_count));
    needs->saved_bytes = desc->training ? sizeof(float) * (size_t)(SAVED_ROWS * norm->row) : 0;
    if (desc->training && needs->pools)
        needs->saved_bytes +=
            (size_t)(norm->windows.values * (in.w / desc->pool_after->pool.size) * in.c) * dtype_bytes(desc->dtype);
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
