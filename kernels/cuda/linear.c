/* linear: a fully connected layer as three products of cuBLASLt. Its input is a flat row in NHWC order and stays where
 * it is; torch's channel-first order is a matter of the weights' layout, {out,h,w,in}. In the products' epilogues,
 * where cuBLAS has them, the bias is added, in the activations' dtype, a rectifier follows, and the bias's gradient is
 * summed, in fp32; else kernels of our own do that. Knows what goes into and comes out of a pass; products are
 * blas.c's.
 *
 * Products count in columns, so every matrix here is the transpose of the row-major one: x is [row][n], w [row][out],
 * y [out][n]. */
#include "blas.h"
#include <stdlib.h>
#include <string.h>

/* y = x w^T, dx = dy w, dw = dy^T x, in row-major words. */
enum linear_pass { LINEAR_FORWARD, LINEAR_RECTIFIED, LINEAR_DATA, LINEAR_WEIGHTS, LINEAR_PASS_COUNT };

struct linear {
    struct blas_product pass[LINEAR_PASS_COUNT];
    bool in_epilogue[LINEAR_PASS_COUNT]; /* the bias, or its gradient */
    struct shape weight;                 /* {out,h,w,in} */
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

/* With the bias in the epilogue where cuBLAS can. */
static int build_pass(struct device *device, struct linear *linear, enum linear_pass pass, struct blas_problem problem)
{
    if (linear->bias && problem.epilogue != BLAS_PLAIN) {
        const int status = blas_product_build(device, &linear->pass[pass], &problem);
        linear->in_epilogue[pass] = status == OK;
        if (status != ERR_UNSUPPORTED)
            return status;
        blas_product_free(&linear->pass[pass]);
    }
    problem.epilogue = BLAS_PLAIN;
    return blas_product_build(device, &linear->pass[pass], &problem);
}

/* The forward pass with the rectifier after it, where all of it goes into one product. */
static int build_rectified(struct device *device, struct linear *linear, struct blas_problem problem, bool *rectifies)
{
    problem.epilogue = linear->bias ? BLAS_BIAS_RELU : BLAS_RELU;
    if (linear->bias && !linear->in_epilogue[LINEAR_FORWARD])
        return OK;
    int status = blas_product_build(device, &linear->pass[LINEAR_RECTIFIED], &problem);
    if (status == OK)
        status = blas_product_keeps_nan(device, &linear->pass[LINEAR_RECTIFIED], &problem, rectifies);
    if (!*rectifies)
        blas_product_free(&linear->pass[LINEAR_RECTIFIED]);
    return status == ERR_UNSUPPORTED ? OK : status;
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
                             w_turned = {dtype, row, out, true}, y = {dtype, out, batch, false},
                             y_turned = {dtype, out, batch, true}, dw = {DT_F32, row, out, false};
    const bool deterministic = desc->deterministic, tf32 = desc->tf32;
    const struct blas_problem forward = {w_turned, x, y, BLAS_BIAS, deterministic, tf32};
    if (!desc->sizes_only)
        TRY(build_pass(device, linear, LINEAR_FORWARD, forward));
    if (desc->relu_after && !desc->sizes_only)
        TRY(build_rectified(device, linear, forward, &needs->rectifies));
    if (desc->training && !desc->sizes_only)
        TRY(build_pass(device, linear, LINEAR_WEIGHTS,
                       (struct blas_problem){x, y_turned, dw, BLAS_BIAS_GRAD, deterministic, tf32}));
    if (desc->training && desc->in_grad[0] && !desc->sizes_only)
        TRY(build_pass(device, linear, LINEAR_DATA, (struct blas_problem){w, y, x, BLAS_PLAIN, deterministic, tf32}));
    for (int pass = 0; pass < LINEAR_PASS_COUNT; pass++)
        if (linear->pass[pass].workspace_bytes > needs->scratch_bytes)
            needs->scratch_bytes = linear->pass[pass].workspace_bytes;
    if (desc->sizes_only)
        needs->scratch_bytes = BLAS_WORKSPACE_MOST;
    needs->weight[0].count = shape_count(linear->weight);
    needs->weight[0].dtype = dtype;
    if (linear->bias) {
        needs->weight[1].count = out;
        needs->weight[1].dtype = linear->in_epilogue[LINEAR_FORWARD] ? dtype : DT_F32;
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
    const bool in_epilogue = linear->in_epilogue[LINEAR_FORWARD];
    if (call->rectifies && !call->apart)
        return blas_product_run(device, &linear->pass[LINEAR_RECTIFIED], call->weight[0], call->in[0],
                                call->rectifies->out, linear->bias ? call->weight[1] : NULL, call->scratch);
    TRY(blas_product_run(device, &linear->pass[LINEAR_FORWARD], call->weight[0], call->in[0], call->out,
                         in_epilogue ? call->weight[1] : NULL, call->scratch));
    if (!linear->bias || in_epilogue)
        return OK;
    return cuda_bias_add(device, call->out, linear->dtype, call->weight[1], linear->batch, linear->weight.n);
}

static int linear_backward(struct device *device, const struct op_call *call)
{
    const struct linear *linear = call->state;
    const bool in_epilogue = linear->in_epilogue[LINEAR_WEIGHTS];
    TRY(blas_product_run(device, &linear->pass[LINEAR_WEIGHTS], call->in[0], call->out_grad, call->weight_grad[0],
                         in_epilogue ? call->weight_grad[1] : NULL, call->scratch));
    if (linear->bias && !in_epilogue)
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
        cuda_channels_last(own, canonical, linear->weight, linear->weight.c);
    else
        memcpy(own, canonical, (size_t)linear->weight.n * sizeof *own);
}

static void linear_unpack(const void *state, int weight, float *canonical, const float *own)
{
    const struct linear *linear = state;
    if (weight == 0)
        cuda_channels_first(canonical, own, linear->weight, linear->weight.c);
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
