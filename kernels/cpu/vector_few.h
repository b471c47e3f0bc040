/* vector_few: the loops of convolutions of few numbers (vector.h): filters in vectors, several pixels at a time
 * forward, several numbers at a time in the gradient of the weights, so that sums stay in registers. */
#ifndef CPU_VECTOR_FEW_H
#define CPU_VECTOR_FEW_H
#include "few.h"
#include "vector_register.h"

/* Pixels, and vectors of filters, at a time: as many sums as there are registers for. */
#ifdef VECTOR_AVX512
enum { FEW_PIXELS = 8, FEW_GRADS = 2 };
#else
enum { FEW_PIXELS = 4, FEW_GRADS = 1 };
#endif
enum { FEW_VECTORS = 2, FEW_NUMBERS = 9 };

/* ---- sources ---- */

INLINE void widen_numbers(enum dtype dtype, float *to, const void *from, int64_t count)
{
    int64_t i = 0;
    for (; i + VECTOR <= count; i += VECTOR)
        vector_store(to, i, VECTOR, DT_F32, vector_load(from, i, VECTOR, dtype));
    if (i < count)
        vector_store(to, i, (int)(count - i), DT_F32, vector_load(from, i, (int)(count - i), dtype));
}

static void few_widen(enum dtype dtype, float *to, const void *from, int64_t count)
{
    BY_DTYPE(dtype, widen_numbers, to, from, count);
}

/* ---- forward ---- */

/* The place of some results: what they read, and where they go. */
struct few_place {
    const float *from;
    int64_t to;
    int c; /* the first filter */
};

/* What the results stand off from the unit's first one, and the squares of it. */
INLINE void few_measure(const struct few_rows *rows, int c, int width, const vector *values, int pixels, int apart,
                        vector pivot)
{
    vector sum = vector_load(rows->sum, c, width, DT_F32), squares = vector_load(rows->squares, c, width, DT_F32);
    UNROLL
    for (int p = 0; p < pixels; p++) {
        const vector off = values[p * apart] - pivot;
        sum += off;
        squares += off * off;
    }
    vector_store(rows->sum, c, width, DT_F32, sum);
    vector_store(rows->squares, c, width, DT_F32, squares);
}

INLINE void few_pixels(enum dtype dtype, int pixels, int vectors, int width, const struct few_rows *rows,
                       struct few_place place, bool measured)
{
    const struct few *layer = rows->layer;
    const int step = layer->stride * layer->in.c, run = layer->kernel_w * layer->in.c, filters = layer->filters;
    const float *weight = rows->weights + place.c, *from = place.from;
    vector sum[FEW_PIXELS][FEW_VECTORS];
    UNROLL
    for (int p = 0; p < pixels; p++)
        UNROLL
    for (int v = 0; v < vectors; v++)
        sum[p][v] = vector_load(rows->bias, place.c + v * VECTOR, VECTOR, DT_F32);
    for (int kh = 0; kh < layer->kernel_h; kh++, from += layer->line)
        for (int i = 0; i < run; i++, weight += filters) {
            vector factor[FEW_VECTORS];
            UNROLL
            for (int v = 0; v < vectors; v++)
                factor[v] = vector_load(weight, v * VECTOR, VECTOR, DT_F32);
            UNROLL
            for (int p = 0; p < pixels; p++) {
                const vector number = vector_splat(from[p * step + i]);
                UNROLL
                for (int v = 0; v < vectors; v++)
                    sum[p][v] = vector_multiply_add(number, factor[v], sum[p][v]);
            }
        }
    UNROLL
    for (int p = 0; p < pixels; p++)
        UNROLL
    for (int v = 0; v < vectors; v++) {
        vector_store(rows->out, place.to + p * (int64_t)layer->out.c + v * VECTOR, width, dtype, sum[p][v]);
        sum[p][v] = vector_rounded(dtype, sum[p][v]);
    }
    UNROLL
    for (int v = 0; v < vectors && measured; v++) {
        const vector pivot = vector_load(rows->out, place.c + v * VECTOR, width, dtype);
        few_measure(rows, place.c + v * VECTOR, width, &sum[0][v], pixels, FEW_VECTORS, pivot);
    }
}

/* Up to two vectors of filters of all rows. */
INLINE void few_filters(enum dtype dtype, int vectors, int width, const struct few_rows *rows, int c, bool measured)
{
    const struct few *layer = rows->layer;
    const int step = layer->stride * layer->in.c, across = layer->out.w;
    struct few_place first = {rows->source, c, c};
    if (measured) /* that its distance from itself is 0 */
        few_pixels(dtype, 1, vectors, width, rows, first, false);
    for (int row = 0; row < rows->rows; row++) {
        struct few_place place = {rows->source + (int64_t)row * layer->stride * layer->line,
                                  (int64_t)row * across * layer->out.c + c, c};
        int left = across;
        for (; left >= FEW_PIXELS; left -= FEW_PIXELS) {
            few_pixels(dtype, FEW_PIXELS, vectors, width, rows, place, measured);
            place.from += FEW_PIXELS * step;
            place.to += FEW_PIXELS * (int64_t)layer->out.c;
        }
        if (left >= 4) {
            few_pixels(dtype, 4, vectors, width, rows, place, measured);
            place.from += 4 * step;
            place.to += 4 * (int64_t)layer->out.c;
            left -= 4;
        }
        for (; left > 0; left--) {
            few_pixels(dtype, 1, vectors, width, rows, place, measured);
            place.from += step;
            place.to += layer->out.c;
        }
    }
}

INLINE void few_results(enum dtype dtype, const struct few_rows *rows, bool measured)
{
    const int filters = rows->layer->out.c;
    int c = 0;
    for (; c + FEW_VECTORS * VECTOR <= filters; c += FEW_VECTORS * VECTOR)
        few_filters(dtype, FEW_VECTORS, VECTOR, rows, c, measured);
    for (; c < filters; c += VECTOR)
        few_filters(dtype, 1, filters - c < VECTOR ? filters - c : VECTOR, rows, c, measured);
}

static void few_forward(const struct few_rows *rows)
{
    const struct few_rows own = *rows;
    if (own.sum)
        BY_DTYPE(own.layer->dtype, few_results, &own, true);
    else
        BY_DTYPE(own.layer->dtype, few_results, &own, false);
}

/* ---- the gradient of the weights ---- */

/* Adds what `high` rows of the window by `wide` numbers of each are multiplied with, from number `number` on. */
INLINE void few_add(enum dtype dtype, int high, int wide, int vectors, int width, const struct few_rows *rows,
                    int number, int c)
{
    const struct few *layer = rows->layer;
    const int step = layer->stride * layer->in.c, run = layer->kernel_w * layer->in.c;
    float *const sums = rows->sums + (int64_t)number * layer->filters + c;
    vector sum[FEW_NUMBERS][FEW_GRADS];
    UNROLL
    for (int n = 0; n < high * wide; n++)
        UNROLL
    for (int v = 0; v < vectors; v++)
        sum[n][v] = vector_load(sums, (int64_t)n * layer->filters + v * VECTOR, VECTOR, DT_F32);
    for (int row = 0; row < rows->rows; row++) {
        const float *from = rows->source + (row * layer->stride + number / run) * layer->line + number % run;
        int64_t at = (int64_t)row * layer->out.w * layer->out.c + c;
        for (int w = 0; w < layer->out.w; w++, from += step, at += layer->out.c) {
            vector grad[FEW_GRADS];
            UNROLL
            for (int v = 0; v < vectors; v++)
                grad[v] = vector_load(rows->out_grad, at + v * VECTOR, width, dtype);
            UNROLL
            for (int h = 0; h < high; h++)
                UNROLL
            for (int i = 0; i < wide; i++) {
                const vector value = vector_splat(from[h * layer->line + i]);
                UNROLL
                for (int v = 0; v < vectors; v++)
                    sum[h * wide + i][v] = vector_multiply_add(value, grad[v], sum[h * wide + i][v]);
            }
        }
    }
    UNROLL
    for (int n = 0; n < high * wide; n++)
        UNROLL
    for (int v = 0; v < vectors; v++)
        vector_store(sums, (int64_t)n * layer->filters + v * VECTOR, VECTOR, DT_F32, sum[n][v]);
}

INLINE void few_add_bias(enum dtype dtype, int vectors, int width, const struct few_rows *rows, int c)
{
    const struct few *layer = rows->layer;
    float *const sums = rows->sums + (int64_t)layer->numbers * layer->filters;
    for (int v = 0; v < vectors; v++, c += VECTOR) {
        vector sum = vector_load(sums, c, VECTOR, DT_F32);
        for (int64_t p = 0; p < (int64_t)rows->rows * layer->out.w; p++)
            sum += vector_load(rows->out_grad, p * layer->out.c + c, width, dtype);
        vector_store(sums, c, VECTOR, DT_F32, sum);
    }
}

/* All numbers, up to some vectors of filters. */
INLINE void few_add_filters(enum dtype dtype, int vectors, int width, const struct few_rows *rows, int c)
{
    const int run = rows->layer->kernel_w * rows->layer->in.c, numbers = rows->layer->numbers;
    int n = 0;
    for (; run == 3 && n + 9 <= numbers; n += 9)
        few_add(dtype, 3, 3, vectors, width, rows, n, c);
    while (n < numbers) {
        const int left = run - n % run;
        if (left >= 9)
            few_add(dtype, 1, 9, vectors, width, rows, n, c);
        else if (left >= 3)
            few_add(dtype, 1, 3, vectors, width, rows, n, c);
        else
            few_add(dtype, 1, 1, vectors, width, rows, n, c);
        n += left >= 9 ? 9 : left >= 3 ? 3 : 1;
    }
    if (rows->layer->bias)
        few_add_bias(dtype, vectors, width, rows, c);
}

INLINE void few_add_all(enum dtype dtype, const struct few_rows *rows)
{
    const int filters = rows->layer->out.c;
    int c = 0;
    for (; c + FEW_GRADS * VECTOR <= filters; c += FEW_GRADS * VECTOR)
        few_add_filters(dtype, FEW_GRADS, VECTOR, rows, c);
    for (; c < filters; c += VECTOR)
        few_add_filters(dtype, 1, filters - c < VECTOR ? filters - c : VECTOR, rows, c);
}

static void few_grads(const struct few_rows *rows)
{
    const struct few_rows own = *rows;
    BY_DTYPE(own.layer->dtype, few_add_all, &own);
}
#endif
