/* few: convolution whose every result is made of few numbers, as where images come in: there is too little to multiply
 * for tiles, whose steps would be mostly zeros and whose factors take longer to pack than to multiply. Its loops are
 * vector_few.h's; they read a band of one image, widened to fp32 and with its border, in a thread's memory. No gradient
 * of the images is ever wanted.
 *
 * Weights lie as {number, filter}. Their gradient is summed in slices of whole bands, added up in order, so that sums
 * do not depend on the number of threads. */
#include "few.h"
#include <omp.h>
#include <stdlib.h>
#include <string.h>

/* FILTERS: of the widest vectors. */
enum { FILTERS = 16, SLICES = 32, MOST_NUMBERS = 32, BAND_BYTES = 24 << 10, LINE = 64 };

bool few_suits(const struct op_desc *desc)
{
    const union op_params *params = desc->params;
    return desc->first && !desc->in_grad[0] && params->conv2d.groups == 1 &&
           params->conv2d.kernel_h * params->conv2d.kernel_w * desc->in[0].c <= MOST_NUMBERS;
}

/* ---- a thread's memory ---- */

struct memory {
    float *weights, *bias, *source;
};

static int source_rows(const struct few *few, int rows)
{
    return (rows - 1) * few->stride + few->kernel_h;
}

static size_t align_line(size_t floats)
{
    return (floats * sizeof(float) + LINE - 1) / LINE * LINE;
}

static struct memory memory_of(const struct few *few, void *scratch)
{
    float *own = (float *)((char *)scratch + (size_t)omp_get_thread_num() * few->thread_bytes);
    float *const bias = own + few->numbers * few->filters;
    return (struct memory){own, bias, bias + few->filters};
}

/* A unit's place. */
struct unit {
    int image, first, rows;
};

static struct unit unit_of(const struct few *few, int number)
{
    const int first = number % few->bands * few->band, left = few->out.h - first;
    return (struct unit){number / few->bands, first, left < few->band ? left : few->band};
}

/* What a unit reads. */
static void fill_source(const struct few *few, const void *images, const struct unit *unit, float *to)
{
    const int top = unit->first * few->stride - few->pad_h, c = few->in.c, reach = few->line / c - few->pad_w;
    const int width = few->in.w < reach ? few->in.w : reach;
    for (int r = 0; r < source_rows(few, unit->rows); r++, to += few->line) {
        const int row = top + r;
        const int64_t from = ((int64_t)unit->image * few->in.h + row) * few->in.w * c;
        memset(to, 0, (size_t)few->line * sizeof *to);
        if (row >= 0 && row < few->in.h)
            few->vector->few_widen(few->dtype, to + few->pad_w * c,
                                   (const char *)images + from * (int64_t)dtype_bytes(few->dtype), (int64_t)width * c);
    }
}

/* Where a unit's first output row begins, in bytes. */
static int64_t out_place(const struct few *few, const struct unit *unit)
{
    return ((int64_t)unit->image * few->out.h + unit->first) * few->out.w * few->out.c *
           (int64_t)dtype_bytes(few->dtype);
}

/* ---- passes ---- */

/* A part's mean and squared deviations of the sums of distances from its first result. */
static void finish_sums(const struct few *few, const struct op_call *call, const struct few_rows *rows, int part)
{
    const float pixels = (float)(rows->rows * few->out.w);
    float first[4 * LINE];
    for (int c = 0; c < few->out.c; c += COUNT_OF(first)) {
        const int left = few->out.c - c, count = left < COUNT_OF(first) ? left : COUNT_OF(first);
        few->vector->few_widen(few->dtype, first, (const char *)rows->out + (size_t)c * dtype_bytes(few->dtype), count);
        for (int i = 0; i < count; i++) {
            const float off = rows->sum[c + i] / pixels, squares = rows->squares[c + i] - off * rows->sum[c + i];
            rows->sum[c + i] = first[i] + off;
            rows->squares[c + i] = squares < 0.0f ? 0.0f : squares; /* a NaN stays one */
        }
    }
    sums_pixels(&few->conv.sums, call->saved)[part] = pixels;
}

static void forward_unit(const struct few *few, const struct op_call *call, const struct memory *memory, int number)
{
    const struct unit unit = unit_of(few, number);
    const struct conv_sums *sums = &few->conv.sums;
    struct few_rows rows = {.layer = few,
                            .source = memory->source,
                            .weights = memory->weights,
                            .bias = memory->bias,
                            .out = (char *)call->out + out_place(few, &unit),
                            .rows = unit.rows};
    fill_source(few, call->in[0], &unit, memory->source);
    if (call->training && sums->parts) {
        rows.sum = sums_row(sums, call->saved, number, SUMS_MEAN);
        rows.squares = sums_row(sums, call->saved, number, SUMS_SQUARES);
        memset(rows.sum, 0, (size_t)few->filters * sizeof(float));
        memset(rows.squares, 0, (size_t)few->filters * sizeof(float));
    }
    few->vector->few_forward(&rows);
    if (rows.sum)
        finish_sums(few, call, &rows, number);
}

static int few_run_forward(struct device *device, const struct op_call *call)
{
    const struct few *few = call->state;
    int next = 0;
#pragma omp parallel num_threads(device->threads)
    {
        const struct memory memory = memory_of(few, call->scratch);
        few->vector->few_widen(few->dtype, memory.weights, call->weight[0], (int64_t)few->numbers * few->filters);
        memset(memory.bias, 0, (size_t)few->filters * sizeof(float));
        if (few->bias)
            memcpy(memory.bias, call->weight[1], (size_t)few->out.c * sizeof(float));
        for (int unit; (unit = next_task(&next)) < few->units;)
            forward_unit(few, call, &memory, unit);
    }
    return OK;
}

static int64_t sums_count(const struct few *few)
{
    return (int64_t)(few->numbers + 1) * few->filters;
}

static int few_run_backward(struct device *device, const struct op_call *call)
{
    const struct few *few = call->state;
    float *const all = (float *)((char *)call->scratch + (size_t)device->threads * few->thread_bytes);
    const int64_t count = sums_count(few), weights = (int64_t)few->numbers * few->filters;
    int next = 0;
#pragma omp parallel num_threads(device->threads)
    {
        const struct memory memory = memory_of(few, call->scratch);
        for (int slice; (slice = next_task(&next)) < few->slices;) {
            float *const sums = all + slice * count;
            memset(sums, 0, (size_t)count * sizeof *sums);
            for (int u = own_begin(few->units, slice, few->slices); u < own_begin(few->units, slice + 1, few->slices);
                 u++) {
                const struct unit unit = unit_of(few, u);
                fill_source(few, call->in[0], &unit, memory.source);
                few->vector->few_grads(
                    &(struct few_rows){.layer = few,
                                       .source = memory.source,
                                       .out_grad = (const char *)call->out_grad + out_place(few, &unit),
                                       .rows = unit.rows,
                                       .sums = sums});
            }
        }
    }
    for (int64_t i = 0; i < weights + (few->bias ? few->out.c : 0); i++) {
        float sum = 0.0f;
        for (int slice = 0; slice < few->slices; slice++)
            sum += all[slice * count + i];
        *(i < weights ? call->weight_grad[0] + i : call->weight_grad[1] + (i - weights)) = sum;
    }
    return OK;
}

/* ---- preparing ---- */

static void divide(struct few *few)
{
    const size_t row_bytes = (size_t)few->line * sizeof(float);
    const int fitting = ((int)(BAND_BYTES / row_bytes) - few->kernel_h) / few->stride + 1;
    few->band = fitting < 1 ? 1 : fitting > few->out.h ? few->out.h : fitting;
    few->bands = (few->out.h + few->band - 1) / few->band;
    few->units = few->bands * few->out.n;
    few->slices = few->units < SLICES ? few->units : SLICES;
    few->thread_bytes = align_line((size_t)((few->numbers + 1) * few->filters) +
                                   (size_t)source_rows(few, few->band) * (size_t)few->line);
}

static int few_prepare(struct device *device, const struct op_desc *desc, void **state, struct op_needs *needs)
{
    struct few *few = malloc(sizeof *few);
    *state = few;
    if (!few)
        return FAIL(ERR_MEMORY, "cpu: out of memory for a layer's description; close other programs");
    const union op_params *params = desc->params;
    const struct shape in = desc->in[0], out = desc->out;
    *few = (struct few){
        .conv.impl = &cpu_few,
        .vector = device->vector,
        .in = in,
        .out = out,
        .kernel_h = params->conv2d.kernel_h,
        .kernel_w = params->conv2d.kernel_w,
        .stride = params->conv2d.stride,
        .pad_h = params->conv2d.pad_h,
        .pad_w = params->conv2d.pad_w,
        .bias = params->conv2d.bias,
        .dtype = desc->dtype,
        .numbers = params->conv2d.kernel_h * params->conv2d.kernel_w * in.c,
        .filters = (out.c + FILTERS - 1) / FILTERS * FILTERS,
    };
    few->line = ((out.w - 1) * few->stride + few->kernel_w) * in.c;
    divide(few);
    if (desc->norm_after) {
        few->conv.sums = (struct conv_sums){few->units, few->filters};
        needs->gives_sums = true;
        needs->saved_bytes = sums_bytes(&few->conv.sums);
    }
    needs->scratch_bytes = (size_t)device->threads * few->thread_bytes +
                           (desc->training ? (size_t)few->slices * (size_t)sums_count(few) * sizeof(float) : 0);
    needs->weight[0].count = (int64_t)few->numbers * few->filters;
    needs->weight[0].dtype = desc->dtype;
    if (few->bias) {
        needs->weight[1].count = out.c;
        needs->weight[1].dtype = DT_F32;
    }
    return OK;
}

/* Canonical weights are {filter, channel, row, column}; numbers are {row, column, channel}. */
static void move_weights(const struct few *few, float *own, float *canonical, bool packs)
{
    const int taps = few->kernel_h * few->kernel_w;
    for (int filter = 0; filter < few->out.c; filter++)
        for (int tap = 0; tap < taps; tap++)
            for (int c = 0; c < few->in.c; c++) {
                float *const ours = own + (tap * few->in.c + c) * few->filters + filter;
                float *const theirs = canonical + (filter * few->in.c + c) * taps + tap;
                if (packs)
                    *ours = *theirs;
                else
                    *theirs = *ours;
            }
}

static void few_pack(const void *state, int weight, float *own, const float *canonical)
{
    const struct few *few = state;
    if (weight > 0) {
        memcpy(own, canonical, (size_t)few->out.c * sizeof(float));
        return;
    }
    memset(own, 0, (size_t)(few->numbers * few->filters) * sizeof(float));
    move_weights(few, own, (float *)(uintptr_t)canonical, true);
}

static void few_unpack(const void *state, int weight, float *canonical, const float *own)
{
    const struct few *few = state;
    if (weight > 0)
        memcpy(canonical, own, (size_t)few->out.c * sizeof(float));
    else
        move_weights(few, (float *)(uintptr_t)own, canonical, false);
}

const struct op_impl cpu_few = {
    .prepare = few_prepare,
    .forward = few_run_forward,
    .backward = few_run_backward,
    .release = free,
    .pack = few_pack,
    .unpack = few_unpack,
};
