/* vector_depthwise: the loops of depthwise convolution (vector.h): channels in vectors, several pixels at a time, whose
 * sums stay in registers and share the weights that are read. */
#ifndef CPU_VECTOR_DEPTHWISE_H
#define CPU_VECTOR_DEPTHWISE_H
#include "depthwise.h"
#include "vector_register.h"

/* Pixels at a time; taps of a row at a time in the gradient of the weights. */
enum { PIXELS = 4, TAPS = 3 };

/* What position `at` reads through a tap, -1: nothing. Backward it is an input's, which reads outputs. */
INLINE int reads(bool backward, const struct axis *axis, int at, int tap)
{
    if (!backward) {
        const int from = at * axis->stride - axis->pad + tap;
        return from >= 0 && from < axis->from ? from : -1;
    }
    const int to = at + axis->pad - tap;
    if (axis->stride == 1) /* without the division */
        return to >= 0 && to < axis->size ? to : -1;
    return to >= 0 && to % axis->stride == 0 && to / axis->stride < axis->size ? to / axis->stride : -1;
}

/* ---- forward and by data ---- */

/* A row of results and what it is made of: of outputs from inputs, backward of the input's gradient from the outputs'.
 */
struct depthwise_rows {
    const struct depthwise *layer;
    const void *source, *weights, *bias; /* bias: NULL: none */
    void *to;
    int64_t from_image, to_row; /* numbers: where the source image and the row of results begin */
    int row, from_width, channels;
};

/* Up to a vector of channels of `pixels` results from w on, all of whose taps are inside the source's rows, or of one.
 */
INLINE void run_pixels(enum dtype dtype, bool backward, int pixels, int width, const struct depthwise_rows *rows, int w,
                       int c)
{
    const struct axis high = rows->layer->high, wide = rows->layer->wide;
    const ptrdiff_t apart = (ptrdiff_t)(backward ? 1 : wide.stride) * rows->channels;
    vector sum[PIXELS];
    for (int p = 0; p < pixels; p++)
        sum[p] = rows->bias ? vector_load(rows->bias, c, width, DT_F32) : (vector){0};
    for (int kh = 0; kh < high.kernel; kh++) {
        const int h = reads(backward, &high, rows->row, kh);
        for (int kw = 0; h >= 0 && kw < wide.kernel; kw++) {
            const int column = reads(backward, &wide, w, kw);
            if (column < 0)
                continue;
            const int64_t from = rows->from_image + ((int64_t)h * rows->from_width + column) * rows->channels + c;
            const vector weight =
                vector_load(rows->weights, (int64_t)(kh * wide.kernel + kw) * rows->channels + c, width, dtype);
            for (int p = 0; p < pixels; p++)
                sum[p] = vector_multiply_add(vector_load(rows->source, from + p * apart, width, dtype), weight, sum[p]);
        }
    }
    for (int p = 0; p < pixels; p++)
        vector_store(rows->to, rows->to_row + (int64_t)(w + p) * rows->channels + c, width, dtype, sum[p]);
}

INLINE void run_channels(enum dtype dtype, bool backward, int width, const struct depthwise_rows *rows, int results,
                         int first, int end, int c)
{
    int w = 0;
    for (; w < first; w++)
        run_pixels(dtype, backward, 1, width, rows, w, c);
    for (; w + PIXELS <= end; w += PIXELS)
        run_pixels(dtype, backward, PIXELS, width, rows, w, c);
    for (; w < results; w++)
        run_pixels(dtype, backward, 1, width, rows, w, c);
}

/* Results [*first, *end) of a row read every tap. */
INLINE void find_whole(bool backward, const struct axis *wide, int *first, int *end)
{
    const int most = backward ? wide->from : wide->size;
    if (backward) {
        *first = wide->kernel - 1 - wide->pad;
        *end = wide->stride == 1 ? wide->size - wide->pad : 0;
    } else {
        *first = (wide->pad + wide->stride - 1) / wide->stride;
        *end = wide->from + wide->pad >= wide->kernel ? (wide->from + wide->pad - wide->kernel) / wide->stride + 1 : 0;
    }
    *first = *first < 0 ? 0 : *first > most ? most : *first;
    *end = *end > most ? most : *end;
}

INLINE void run_row(enum dtype dtype, bool backward, const struct depthwise *layer, const struct op_call *call,
                    int image, int row)
{
    const struct shape to = backward ? layer->in : layer->out, from = backward ? layer->out : layer->in;
    const struct depthwise_rows rows = {
        .layer = layer,
        .source = backward ? call->out_grad : call->in[0],
        .weights = call->weight[0],
        .bias = !backward && layer->bias ? call->weight[1] : NULL,
        .to = backward ? call->in_grad[0] : call->out,
        .from_image = (int64_t)image * from.h * from.w * from.c,
        .to_row = ((int64_t)image * to.h + row) * to.w * to.c,
        .row = row,
        .from_width = from.w,
        .channels = to.c,
    };
    int first, end, c = 0;
    find_whole(backward, &layer->wide, &first, &end);
    for (; c + VECTOR <= to.c; c += VECTOR)
        run_channels(dtype, backward, VECTOR, &rows, to.w, first, end, c);
    if (c < to.c)
        run_channels(dtype, backward, to.c - c, &rows, to.w, first, end, c);
}

static void depthwise_row(const struct depthwise *layer, const struct op_call *call, bool backward, int image, int row)
{
    const struct depthwise own = *layer;
    if (backward)
        BY_DTYPE(own.dtype, run_row, true, &own, call, image, row);
    else
        BY_DTYPE(own.dtype, run_row, false, &own, call, image, row);
}

/* ---- the gradient of the weights ---- */

/* Adds one row of outputs, `taps` taps of a row, up to a vector of channels. */
INLINE void add_taps(enum dtype dtype, int taps, int width, const struct depthwise *layer, const struct op_call *call,
                     float *sums, int64_t in_row, int64_t out_row, int first_tap, int c)
{
    const struct axis wide = layer->wide;
    const int all = layer->out.c;
    vector sum[TAPS];
    for (int t = 0; t < taps; t++)
        sum[t] = vector_load(sums, (int64_t)t * all + c, width, DT_F32);
    for (int w = 0; w < layer->out.w; w++) {
        const int column = w * wide.stride - wide.pad + first_tap;
        const vector grad = vector_load(call->out_grad, (out_row * layer->out.w + w) * all + c, width, dtype);
        for (int t = 0; t < taps; t++)
            if (column + t >= 0 && column + t < wide.from)
                sum[t] = vector_multiply_add(
                    vector_load(call->in[0], (in_row * layer->in.w + column + t) * all + c, width, dtype), grad,
                    sum[t]);
    }
    for (int t = 0; t < taps; t++)
        vector_store(sums, (int64_t)t * all + c, width, DT_F32, sum[t]);
}

INLINE void add_tap_row(enum dtype dtype, int width, const struct depthwise *layer, const struct op_call *call,
                        float *sums, int64_t in_row, int64_t out_row, int c)
{
    const ptrdiff_t all = layer->out.c;
    int tap = 0;
    for (; tap + TAPS <= layer->wide.kernel; tap += TAPS)
        add_taps(dtype, TAPS, width, layer, call, sums + tap * all, in_row, out_row, tap, c);
    for (; tap < layer->wide.kernel; tap++)
        add_taps(dtype, 1, width, layer, call, sums + tap * all, in_row, out_row, tap, c);
}

INLINE void add_bias(enum dtype dtype, int width, const struct depthwise *layer, const struct op_call *call,
                     float *sums, int64_t out_row, int c)
{
    vector sum = vector_load(sums, c, width, DT_F32);
    for (int w = 0; w < layer->out.w; w++)
        sum += vector_load(call->out_grad, (out_row * layer->out.w + w) * layer->out.c + c, width, dtype);
    vector_store(sums, c, width, DT_F32, sum);
}

/* One row of outputs, all taps, up to a vector of channels. */
INLINE void add_row(enum dtype dtype, int width, const struct depthwise *layer, const struct op_call *call, float *sums,
                    int image, int h, int c)
{
    const struct axis high = layer->high;
    const ptrdiff_t row_sums = (ptrdiff_t)layer->wide.kernel * layer->out.c;
    const int64_t out_row = (int64_t)image * layer->out.h + h;
    for (int kh = 0; kh < high.kernel; kh++) {
        const int row = reads(false, &high, h, kh);
        if (row >= 0)
            add_tap_row(dtype, width, layer, call, sums + kh * row_sums, (int64_t)image * layer->in.h + row, out_row,
                        c);
    }
    if (layer->bias)
        add_bias(dtype, width, layer, call, sums + high.kernel * row_sums, out_row, c);
}

INLINE void add_slice(enum dtype dtype, const struct depthwise *layer, const struct op_call *call, float *sums,
                      int slice)
{
    for (int n = slice; n < layer->in.n; n += layer->slices)
        for (int h = 0; h < layer->out.h; h++) {
            int c = 0;
            for (; c + VECTOR <= layer->out.c; c += VECTOR)
                add_row(dtype, VECTOR, layer, call, sums, n, h, c);
            if (c < layer->out.c)
                add_row(dtype, layer->out.c - c, layer, call, sums, n, h, c);
        }
}

static void depthwise_slice(const struct depthwise *layer, const struct op_call *call, float *sums, int slice)
{
    const struct depthwise own = *layer;
    BY_DTYPE(own.dtype, add_slice, &own, call, sums, slice);
}
#endif
