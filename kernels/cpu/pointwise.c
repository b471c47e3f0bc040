/* pointwise: rectifier, addition, dropout. Own loops, independent of the number of threads. Knows nothing of shapes
 * beyond the number of elements. */
#include "kernels/common/dropout.h"
#include "lanes.h"
#include "vector.h"
#include <stdlib.h>
#include <string.h>

/* Elements per task of a parallel loop: a multiple of every vector width and of a dropout group. */
enum { PIECE = 16384 };

struct pointwise {
    int64_t count;
    enum dtype dtype;
    float rate;
};

static int pointwise_prepare(struct device *device, const struct op_desc *desc, void **state, struct op_needs *needs)
{
    (void)device, (void)needs;
    struct pointwise *pointwise = malloc(sizeof *pointwise);
    *state = pointwise;
    if (!pointwise)
        return FAIL(ERR_MEMORY, "cpu: out of memory for a layer's description; close other programs");
    *pointwise = (struct pointwise){.count = shape_count(desc->out), .dtype = desc->dtype};
    return OK;
}

static int64_t piece_end(int64_t begin, int64_t count)
{
    return begin + PIECE < count ? begin + PIECE : count;
}

/* ---- rectifier ---- */

static int relu_forward(struct device *device, const struct op_call *call)
{
    const struct pointwise *relu = call->state;
#pragma omp parallel for schedule(static) num_threads(device->threads)
    for (int64_t begin = 0; begin < relu->count; begin += PIECE)
        device->vector->relu(relu->dtype, call->in[0], call->out, begin, piece_end(begin, relu->count));
    return OK;
}

static int relu_backward(struct device *device, const struct op_call *call)
{
    const struct pointwise *relu = call->state;
    if (!call->in_grad[0])
        return OK;
#pragma omp parallel for schedule(static) num_threads(device->threads)
    for (int64_t begin = 0; begin < relu->count; begin += PIECE)
        device->vector->relu_grad(relu->dtype, call->out, call->out_grad, call->in_grad[0], begin,
                                  piece_end(begin, relu->count));
    return OK;
}

const struct op_impl cpu_relu = {
    .prepare = pointwise_prepare,
    .forward = relu_forward,
    .backward = relu_backward,
    .release = free,
};

/* ---- addition ---- */

static int add_forward(struct device *device, const struct op_call *call)
{
    const struct pointwise *add = call->state;
#pragma omp parallel for schedule(static) num_threads(device->threads)
    for (int64_t begin = 0; begin < add->count; begin += PIECE)
        device->vector->add(add->dtype, call->in[0], call->in[1], call->out, begin, piece_end(begin, add->count));
    return OK;
}

static int add_backward(struct device *device, const struct op_call *call)
{
    const struct pointwise *add = call->state;
    const size_t bytes = dtype_bytes(add->dtype);
    const char *from = call->out_grad;
#pragma omp parallel for schedule(static) num_threads(device->threads)
    for (int64_t begin = 0; begin < add->count; begin += PIECE)
        for (int i = 0; i < OP_MAX_IN; i++)
            if (call->in_grad[i])
                memcpy((char *)call->in_grad[i] + (size_t)begin * bytes, from + (size_t)begin * bytes,
                       (size_t)(piece_end(begin, add->count) - begin) * bytes);
    return OK;
}

const struct op_impl cpu_add = {
    .prepare = pointwise_prepare,
    .forward = add_forward,
    .backward = add_backward,
    .release = free,
};

/* ---- dropout ---- */

static int dropout_prepare(struct device *device, const struct op_desc *desc, void **state, struct op_needs *needs)
{
    TRY(pointwise_prepare(device, desc, state, needs));
    ((struct pointwise *)*state)->rate = desc->params->dropout.rate;
    return OK;
}

/* Groups whose words are drawn together, so that the generator's rounds become vector instructions. */
enum { DRAWN = 64 };

/* The mask is drawn again by the backward pass: drawing costs less than keeping it in memory. A dropped element is
 * multiplied by 0, so that it cannot hide a value that is not finite. */
INLINE void dropout_piece(enum dtype dtype, const struct pointwise *dropout, const struct op_call *call,
                          const void *from, void *to, int64_t begin, int64_t end)
{
    const struct step_control control = *call->control;
    const int64_t groups = dropout_groups(dropout->count);
    const float rate = dropout->rate, scale = dropout_scale(rate);
    const int node = call->node;
    for (int64_t i = begin; i < end; i += DRAWN * DROPOUT_GROUP) {
        float factor[DRAWN * DROPOUT_GROUP];
        const int64_t first = i / DROPOUT_GROUP;
#pragma omp simd
        for (int g = 0; g < DRAWN; g++) {
            const struct random_block words =
                dropout_words(control.seed, control.step, control.micro, node, groups, first + g);
            for (int j = 0; j < DROPOUT_GROUP; j++)
                factor[g * DROPOUT_GROUP + j] = dropout_keeps(words.word[j], rate) ? scale : 0.0f;
        }
        const int width = end - i < DRAWN * DROPOUT_GROUP ? (int)(end - i) : DRAWN * DROPOUT_GROUP;
#pragma omp simd
        for (int j = 0; j < width; j++)
            lane_store(to, i + j, dtype, lane_load(from, i + j, dtype) * factor[j]);
    }
}

static void dropout_run(struct device *device, const struct op_call *call, const void *from, void *to)
{
    const struct pointwise *dropout = call->state;
#pragma omp parallel for schedule(static) num_threads(device->threads)
    for (int64_t begin = 0; begin < dropout->count; begin += PIECE)
        BY_DTYPE(dropout->dtype, dropout_piece, dropout, call, from, to, begin, piece_end(begin, dropout->count));
}

static int dropout_forward(struct device *device, const struct op_call *call)
{
    const struct pointwise *dropout = call->state;
    if (call->training)
        dropout_run(device, call, call->in[0], call->out);
    else
        memcpy(call->out, call->in[0], (size_t)dropout->count * dtype_bytes(dropout->dtype));
    return OK;
}

static int dropout_backward(struct device *device, const struct op_call *call)
{
    if (call->in_grad[0])
        dropout_run(device, call, call->out_grad, call->in_grad[0]);
    return OK;
}

const struct op_impl cpu_dropout = {
    .prepare = dropout_prepare,
    .forward = dropout_forward,
    .backward = dropout_backward,
    .release = free,
};
