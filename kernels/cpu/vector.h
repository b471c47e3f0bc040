/* vector: loops over whole tensors, compiled once for each instruction set, as tiles are (tile.h): the table of them.
 * Private to kernels/cpu/. Every set gives the same bits in fp32; in bf16 sets that round by an instruction flush
 * numbers below 2^-126 to 0. */
#ifndef CPU_VECTOR_H
#define CPU_VECTOR_H
#include "cpu.h"

struct pool;
struct depthwise;
struct winograd_patch;
struct few_rows;

/* How the gradient passes the rectifier behind a normalisation: everywhere; by the sign of the output, computed again
 * from x; by that of the output as it lies there. */
enum norm_gate { GATE_NONE, GATE_VALUE, GATE_OUT };

/* A pass over numbers [begin, end) of a normalisation's tensors, in rows of `lanes`, `apart` numbers one after another.
 * Arrays of floats are per lane. */
struct norm_rows {
    enum dtype dtype;
    int lanes;
    int64_t apart;
    int64_t begin, end;
    const void *x, *addend, *y, *dy; /* NULL where there is none */
    void *to, *addend_grad;          /* likewise */
    const float *mean, *scale, *bias, *shift, *slope;
    float *sum, *product; /* added to */
    bool relu;
    enum norm_gate gate;
    /* With the pooling after it: y and dy are the pooling's, `to` forward too; taps: of each result, as pool.c keeps
     * them; and what x is there, so that backward need not look for it. */
    const struct pool *pool;
    uint8_t *taps;
    void *largest;
};

/* What is made of a normalisation's x on the way to where it is wanted: relu((x - mean) * scale + bias), per channel.
 * mean NULL: nothing is, what lies there is copied. */
struct norm_made {
    const float *mean, *scale, *bias;
};
/* Pixels of `lanes` channels, their distances in bytes. */
struct norm_copy {
    enum dtype dtype;
    int lanes, pixels;
    const char *from;
    char *to;
    ptrdiff_t from_apart, to_apart;
    struct norm_made made;
};

struct vector_kernel {
    /* sum += x; sum += (x - mean)^2. */
    void (*norm_sum)(const struct norm_rows *rows);
    void (*norm_squares)(const struct norm_rows *rows);
    /* to = relu?((x - mean) * scale + bias + addend?) */
    void (*norm_apply)(const struct norm_rows *rows);
    /* The same bits as norm_apply with rectifier. */
    void (*norm_make)(const struct norm_copy *copy);
    /* grad = gate?(dy): sum += grad, product += grad * (x - mean), addend_grad = grad where wanted. */
    void (*norm_grad_sums)(const struct norm_rows *rows);
    /* to = scale * (grad - shift - (x - mean) * slope) */
    void (*norm_grads)(const struct norm_rows *rows);
    /* The same with the pooling after it; begin and end are rows of windows, counted through all images. */
    void (*norm_apply_pooled)(const struct norm_rows *rows);
    void (*norm_grad_sums_pooled)(const struct norm_rows *rows);
    void (*norm_grads_pooled)(const struct norm_rows *rows);
    /* Convolutions of few numbers (few.h): results of some rows; adds those rows to the sums of the weights' gradient;
     * an array in fp32. */
    void (*few_forward)(const struct few_rows *rows);
    void (*few_grads)(const struct few_rows *rows);
    void (*few_widen)(enum dtype dtype, float *to, const void *from, int64_t count);
    /* A row of an image's outputs; of its input's gradient, or where windows lie apart what is below a row of outputs.
     */
    void (*pool_forward)(const struct pool *pool, const struct op_call *call, int image, int row);
    void (*pool_backward)(const struct pool *pool, const struct op_call *call, int image, int row);
    /* Elements [begin, end). */
    void (*relu)(enum dtype dtype, const void *x, void *y, int64_t begin, int64_t end);
    void (*relu_grad)(enum dtype dtype, const void *y, const void *dy, void *dx, int64_t begin, int64_t end);
    void (*add)(enum dtype dtype, const void *a, const void *b, void *y, int64_t begin, int64_t end);
    /* A row of outputs, or backward of the input's gradient; adds a slice to the sums of the weights' gradient. */
    void (*depthwise_row)(const struct depthwise *layer, const struct op_call *call, bool backward, int image, int row);
    void (*depthwise_slice)(const struct depthwise *layer, const struct op_call *call, float *sums, int slice);
    /* winograd.h's: source pixels to planes, planes to results, each of `count` filters' nine taps to sixteen. */
    void (*winograd_source)(const struct winograd_patch *patch);
    void (*winograd_results)(const struct winograd_patch *patch);
    void (*winograd_taps)(float *const to[], const float *const taps[], int count);
    /* Backward: the outputs' gradient to planes; each of `count` sums of sixteen planes, `apart`, to those of nine taps
     * in the place of the first nine. */
    void (*winograd_grads)(const struct winograd_patch *patch);
    void (*winograd_grad_taps)(float *sums, ptrdiff_t apart, int count);
};

/* NULL: not compiled in. */
const struct vector_kernel *vector_bf16(void);
const struct vector_kernel *vector_avx512(void);
const struct vector_kernel *vector_avx2(void);
const struct vector_kernel *vector_plain(void);
#endif
