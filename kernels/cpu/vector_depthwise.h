/* vector_depthwise: the loops of depthwise convolution (vector.h): channels in vectors, several pixels at a time, whose
 * sums stay in registers and share the weights that are read. */
#ifndef CPU_VECTOR_DEPTHWISE_H
#define CPU_VECTOR_DEPTHWISE_H
#include "depthwise.h"
#include "vector_register.h"

/* Pixels at a time; in the gradient of the weights taps of a row and rows of them, and outputs of a row. */
enum { PIXELS = 4, TAPS = 3, OUTPUTS = 16 };

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

/* All channels, in the order in which they lie in memory. */
INLINE void run_channels(enum dtype dtype, bool backward, int pixels, const struct depthwise_rows *rows, int w)
{
    int c = 0;
    for (; c + VECTOR <= rows->channels; c += VECTOR)
        run_pixels(dtype, backward, pixels, VECTOR, rows, w, c);
    if (c < rows->channels)
        run_pixels(dtype, backward, pixels, rows->channels - c, rows, w, c);
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
    int first, end, w = 0;
    find_whole(backward, &layer->wide, &first, &end);
    for (; w < first; w++)
        run_channels(dtype, backward, 1, &rows, w);
    for (; w + PIXELS <= end; w += PIXELS)
        run_channels(dtype, backward, PIXELS, &rows, w);
    for (; w < to.w; w++)
        run_channels(dtype, backward, 1, &rows, w);
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

/* What some outputs of a row add to the sums of `high` rows of taps, all of which are inside the image, `taps` of each
 * row; inside: so are all columns. */
struct depthwise_taps {
    const struct depthwise *layer;
    const struct op_call *call;
    float *sums; /* of the first tap */
    int64_t in_row, out_row;
    int first, end, tap; /* outputs; the first tap's column */
};

INLINE void add_taps(enum dtype dtype, int high, int taps, bool inside, int width, const struct depthwise_taps *add,
                     int c)
{
    const struct axis wide = add->layer->wide;
    const int all = add->layer->out.c;
    const int64_t row = (int64_t)add->layer->in.w * all;
    const ptrdiff_t sums_row = (ptrdiff_t)wide.kernel * all;
    vector sum[TAPS][TAPS];
    for (int h = 0; h < high; h++)
        for (int t = 0; t < taps; t++)
            sum[h][t] = vector_load(add->sums, h * sums_row + (ptrdiff_t)t * all + c, width, DT_F32);
    for (int w = add->first; w < add->end; w++) {
        const int column = w * wide.stride - wide.pad + add->tap;
        const int64_t from = add->in_row * row + (int64_t)column * all + c;
        const vector grad =
            vector_load(add->call->out_grad, (add->out_row * add->layer->out.w + w) * all + c, width, dtype);
        for (int t = 0; t < taps; t++)
            for (int h = 0; h < high && (inside || (column + t >= 0 && column + t < wide.from)); h++)
                sum[h][t] = vector_multiply_add(
                    vector_load(add->call->in[0], from + h * row + (int64_t)t * all, width, dtype), grad, sum[h][t]);
    }
    for (int h = 0; h < high; h++)
        for (int t = 0; t < taps; t++)
            vector_store(add->sums, h * sums_row + (ptrdiff_t)t * all + c, width, DT_F32, sum[h][t]);
}

/* Some outputs of a row, whose taps are all inside the image where `inside` says so. */
INLINE void add_tap_rows(enum dtype dtype, int high, bool inside, int width, struct depthwise_taps add, int c)
{
    const int kernel = add.layer->wide.kernel;
    for (; add.tap + TAPS <= kernel; add.tap += TAPS, add.sums += (ptrdiff_t)TAPS * add.layer->out.c)
        add_taps(dtype, high, TAPS, inside, width, &add, c);
    for (; add.tap < kernel; add.tap++, add.sums += add.layer->out.c)
        add_taps(dtype, high, 1, inside, width, &add, c);
}

INLINE void add_bias(enum dtype dtype, int width, const struct depthwise_taps *add, float *sums, int c)
{
    const struct shape out = add->layer->out;
    vector sum = vector_load(sums, c, width, DT_F32);
    for (int w = add->first; w < add->end; w++)
        sum += vector_load(add->call->out_grad, (add->out_row * out.w + w) * out.c + c, width, dtype);
    vector_store(sums, c, width, DT_F32, sum);
}

/* Some outputs of a row, all taps, up to a vector of channels. */
INLINE void add_outputs(enum dtype dtype, bool inside, int width, struct depthwise_taps add, int image, int h, int c)
{
    const struct depthwise *layer = add.layer;
    const struct axis high = layer->high;
    float *const sums = add.sums;
    const int top = h * high.stride - high.pad;
    for (int kh = 0, rows; kh < high.kernel; kh += rows) {
        rows = top + kh >= 0 && top + kh + TAPS <= high.from && kh + TAPS <= high.kernel ? TAPS : 1;
        if (top + kh < 0 || top + kh >= high.from)
            continue;
        add.in_row = (int64_t)image * layer->in.h + top + kh;
        add.sums = sums + (ptrdiff_t)kh * layer->wide.kernel * layer->out.c;
        if (rows == TAPS)
            add_tap_rows(dtype, TAPS, inside, width, add, c);
        else
            add_tap_rows(dtype, 1, inside, width, add, c);
    }
    if (layer->bias)
        add_bias(dtype, width, &add, sums + (ptrdiff_t)layer->taps * layer->out.c, c);
}

/* One row of outputs, all taps: some outputs at a time, whose channels lie in few lines of memory. */
INLINE void add_row(enum dtype dtype, const struct depthwise *layer, const struct op_call *call, float *sums, int image,
                    int h)
{
    struct depthwise_taps add = {
        .layer = layer, .call = call, .sums = sums, .out_row = (int64_t)image * layer->out.h + h};
    int first, end;
    find_whole(false, &layer->wide, &first, &end);
    for (; add.first < layer->out.w; add.first = add.end) {
        const bool inside = add.first >= first && add.first < end;
        const int most = add.first < first ? first : inside ? end : layer->out.w;
        int c = 0;
        add.end = add.first + OUTPUTS < most ? add.first + OUTPUTS : most;
        for (; c + VECTOR <= layer->out.c; c += VECTOR)
            if (inside)
                add_outputs(dtype, true, VECTOR, add, image, h, c);
            else
                add_outputs(dtype, false, VECTOR, add, image, h, c);
        if (c < layer->out.c)
            add_outputs(dtype, false, layer->out.c - c, add, image, h, c);
    }
}

INLINE void add_slice(enum dtype dtype, const struct depthwise *layer, const struct op_call *call, float *sums,
                      int slice)
{
    for (int n = slice; n < layer->in.n; n += layer->slices)
        for (int h = 0; h < layer->out.h; h++)
            add_row(dtype, layer, call, sums, n, h);
}

static void depthwise_slice(const struct depthwise *layer, const struct op_call *call, float *sums, int slice)
{
    const struct depthwise own = *layer;
    BY_DTYPE(own.dtype, add_slice, &own, call, sums, slice);
}
#endif
