/* linear: a fully connected layer as three products of cuBLASLt. Its input is a flat row in NHWC order and stays where
 * it is; torch's channel-first order is a matter of the weights' layout, {out,h,w,in}. The bias is fp32: in fp32 it is
 * added in the product's epilogue, in bf16 and fp16, where the epilogue would want it rounded, by a kernel of our own.
 * Knows what goes into and comes out of a pass; products are blas.c's.
 *
 * Products count in columns, so every matrix here is the transpose of the row-major one: x is [row][n], w [row][out],
 * y [out][n]. */
#include "blas.h"
#include <stdlib.h>
#include <string.h>

/* y = x w^T, dx = dy w, dw = dy^T x, in row-major words. */
enum linear_pass { LINEAR_FORWARD, LINEAR_DATA, LINEAR_WEIGHTS, LINEAR_PASS_COUNT };

struct linear {
    struct blas_product pass[LINEAR_PASS_COUNT];
    struct shape weight; /* {out,h,w,in} */
    int batch;
    enum dtype dtype;
    bool bias;
};

static void linear_release(void *state)
{
    struct linear *linear = state;
    for (int pass = 0; linear && pass < LINEAR_PASS_COUNT; pass++)
        blas_product_free(&linear->pass[pass]);
    free(linear);
}

static int linear_build(struct device *device, const struct op_desc *desc, struct linear *linear,
                        struct op_needs *needs)
{
    const struct shape in = desc->in[0];
    const enum dtype dtype = desc->dtype;
    const int64_t row = (int64_t)in.h * in.w * in.c, out = desc->out.c, batch = in.n;
    linear->weight = (struct shape){desc->out.c, in.h, in.w, in.c};
    linear->batch = in.n;
    linear->dtype = dtype;
    linear->bias = desc->params->linear.bias;
    const struct blas_matrix x = {dtype, row, batch, false}, w = {dtype, row, out, false},
                             y = {dtype, out, batch, false};
    TRY(blas_product_build(device, &linear->pass[LINEAR_FORWARD], (struct blas_matrix){dtype, row, out, true}, x, y,
                           linear->bias && dtype == DT_F32));
    if (desc->training)
        TRY(blas_product_build(device, &linear->pass[LINEAR_WEIGHTS], x, (struct blas_matrix){dtype, out, batch, true},
                               (struct blas_matrix){DT_F32, row, out, false}, false));
    if (desc->training && desc->in_grad[0])
        TRY(blas_product_build(device, &linear->pass[LINEAR_DATA], w, y, x, false));
    for (int pass = 0; pass < LINEAR_PASS_COUNT; pass++)
        if (linear->pass[pass].workspace_bytes > needs->scratch_bytes)
            needs->scratch_bytes = linear->pass[pass].workspace_bytes;
    needs->weight[0].count = shape_count(linear->weight);
    needs->weight[0].dtype = dtype;
    if (linear->bias) {
        needs->weight[1].count = out;
        needs->weight[1].dtype = DT_F32;
    }
    return OK;
}

static int linear_prepare(struct device *device, const struct op_desc *desc, void **state, struct op_needs *needs)
{
    *state = NULL;
    struct linear *linear = calloc(1, sizeof *linear);
    if (!linear)
        return FAIL(ERR_MEMORY, "cuda: out of memory for a layer's description; close other programs");
    int status = linear_build(device, desc, linear, needs);
    if (status < 0) {
        linear_release(linear);
        return status;
    }
    *state = linear;
    return OK;
}

static int linear_forward(struct device *device, const struct op_call *call)
{
    const struct linear *linear = call->state;
    const bool epilogue = linear->bias && linear->dtype == DT_F32;
    TRY(blas_product_run(device, &linear->pass[LINEAR_FORWARD], call->weight[0], call->in[0], call->out,
                         epilogue ? call->weight[1] : NULL, call->scratch));
    if (!linear->bias || epilogue)
        return OK;
    return cuda_bias_add(device, call->out, linear->dtype, call->weight[1], linear->batch, linear->weight.n);
}

static int linear_backward(struct device *device, const struct op_call *call)
{
    const struct linear *linear = call->state;
    TRY(blas_product_run(device, &linear->pass[LINEAR_WEIGHTS], call->in[0], call->out_grad, call->weight_grad[0], NULL,
                         call->scratch));
    if (linear->bias)
        TRY(cuda_bias_grad(device, call->weight_grad[1], call->out_grad, linear->dtype, linear->batch,
                           linear->weight.n));
    if (!call->in_grad[0])
        return OK;
    return blas_product_run(device, &linear->pass[LINEAR_DATA], call->weight[0], call->out_grad, call->in_grad[0], NULL,
                            call->scratch);
}

static void linear_pack(const void *state, int weight, float *own, const float *canonical)
{
    const struct linear *linear = state;
    if (weight == 0)
        cuda_channels_last(own, canonical, linear->weight);
    else
        memcpy(own, canonical, (size_t)linear->weight.n * sizeof *own);
}

static void linear_unpack(const void *state, int weight, float *canonical, const float *own)
{
    const struct linear *linear = state;
    if (weight == 0)
        cuda_channels_first(canonical, own, linear->weight);
    else
        memcpy(canonical, own, (size_t)linear->weight.n * sizeof *own);
}

const struct op_impl cuda_linear = {
    .prepare = linear_prepare,
    .forward = linear_forward,
    .backward = linear_backward,
    .release = linear_release,
    .pack = linear_pack,
    .unpack = linear_unpack,
};
