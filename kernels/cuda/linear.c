/* linear: a fully connected layer as cuBLASLt products. Its input is a flat row in NHWC order and stays where it is;
 * torch's channel-first order is a matter of the weights' layout, {out,h,w,in}. The bias is fp32: in fp32 it is added
 * in the product's epilogue, in bf16 and fp16, where the epilogue would want it rounded, by a kernel of our own.
 *
 * cuBLASLt counts in columns, so every matrix here is the transpose of the row-major one: x is [row][n], w [row][out],
 * y [out][n]. fp32 is computed in fp32 (no TF32), and sums of all dtypes are fp32. Sums split over blocks are added in
 * one order, so results repeat. */
#include "cuda.h"
#include <cublasLt.h>
#include <stdlib.h>
#include <string.h>

enum { WORKSPACE_BYTES = 32 << 20, POINTER_ALIGNMENT = 16 };

/* y = x w^T, dx = dy w, dw = dy^T x, in row-major words. */
enum linear_pass { LINEAR_FORWARD, LINEAR_DATA, LINEAR_WEIGHTS, LINEAR_PASS_COUNT };

struct product {
    cublasLtMatmulDesc_t desc;
    cublasLtMatrixLayout_t a, b, out;
    cublasLtMatmulAlgo_t algorithm;
    size_t workspace_bytes;
};

struct linear {
    struct product pass[LINEAR_PASS_COUNT];
    struct shape weight; /* {out,h,w,in} */
    int batch;
    enum dtype dtype;
    bool bias;
};

static void product_free(struct product *product)
{
    if (product->out)
        cublasLtMatrixLayoutDestroy(product->out);
    if (product->b)
        cublasLtMatrixLayoutDestroy(product->b);
    if (product->a)
        cublasLtMatrixLayoutDestroy(product->a);
    if (product->desc)
        cublasLtMatmulDescDestroy(product->desc);
    *product = (struct product){0};
}

static void linear_release(void *state)
{
    struct linear *linear = state;
    for (int pass = 0; linear && pass < LINEAR_PASS_COUNT; pass++)
        product_free(&linear->pass[pass]);
    free(linear);
}

/* ---- choice ---- */

/* One algorithm whose sums repeat, for these pointers' alignment. */
static int choose(struct device *device, struct product *product, cublasLtMatmulPreference_t preference)
{
    const uint64_t workspace = WORKSPACE_BYTES;
    const uint32_t alignment = POINTER_ALIGNMENT,
                   reductions = CUBLASLT_REDUCTION_SCHEME_NONE | CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
    const struct {
        cublasLtMatmulPreferenceAttributes_t name;
        const void *value;
        size_t bytes;
    } wishes[] = {
        {CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace, sizeof workspace},
        {CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &reductions, sizeof reductions},
        {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, &alignment, sizeof alignment},
        {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, &alignment, sizeof alignment},
        {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, &alignment, sizeof alignment},
        {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, &alignment, sizeof alignment},
    };
    for (int i = 0; i < COUNT_OF(wishes); i++)
        CUBLAS_TRY(cublasLtMatmulPreferenceSetAttribute(preference, wishes[i].name, wishes[i].value, wishes[i].bytes));
    cublasLtMatmulHeuristicResult_t result;
    int count = 0;
    const cublasStatus_t status =
        cublasLtMatmulAlgoGetHeuristic(device->blas, product->desc, product->a, product->b, product->out, product->out,
                                       preference, 1, &result, &count);
    if (status != CUBLAS_STATUS_NOT_SUPPORTED)
        CUBLAS_TRY(status);
    if (count == 0)
        return FAIL(ERR_UNSUPPORTED, "cuBLAS has no algorithm for this layer; use another train.precision");
    product->algorithm = result.algo;
    product->workspace_bytes = result.workspaceSize;
    return OK;
}

/* A matrix of columns columns, each of rows elements, one after another. */
struct matrix {
    enum dtype dtype;
    int64_t rows, columns;
    bool transposed; /* used so; not for the result */
};

static int make_layout(struct matrix matrix, cublasLtMatrixLayout_t *layout)
{
    static const cudaDataType_t types[DT_COUNT] = {
        [DT_F32] = CUDA_R_32F, [DT_BF16] = CUDA_R_16BF, [DT_F16] = CUDA_R_16F};
    CUBLAS_TRY(cublasLtMatrixLayoutCreate(layout, types[matrix.dtype], (uint64_t)matrix.rows, (uint64_t)matrix.columns,
                                          matrix.rows));
    return OK;
}

/* out = a b */
static int product_build(struct device *device, struct product *product, struct matrix a, struct matrix b,
                         struct matrix out, bool bias)
{
    const int32_t turn_a = a.transposed ? CUBLAS_OP_T : CUBLAS_OP_N, turn_b = b.transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
    const uint32_t epilogue = bias ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT;
    CUBLAS_TRY(cublasLtMatmulDescCreate(&product->desc, CUBLAS_COMPUTE_32F, CUDA_R_32F));
    CUBLAS_TRY(cublasLtMatmulDescSetAttribute(product->desc, CUBLASLT_MATMUL_DESC_TRANSA, &turn_a, sizeof turn_a));
    CUBLAS_TRY(cublasLtMatmulDescSetAttribute(product->desc, CUBLASLT_MATMUL_DESC_TRANSB, &turn_b, sizeof turn_b));
    CUBLAS_TRY(
        cublasLtMatmulDescSetAttribute(product->desc, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue));
    TRY(make_layout(a, &product->a));
    TRY(make_layout(b, &product->b));
    TRY(make_layout(out, &product->out));
    cublasLtMatmulPreference_t preference;
    CUBLAS_TRY(cublasLtMatmulPreferenceCreate(&preference));
    int status = choose(device, product, preference);
    cublasLtMatmulPreferenceDestroy(preference);
    return status;
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
    const struct matrix x = {dtype, row, batch, false}, w = {dtype, row, out, false}, y = {dtype, out, batch, false};
    TRY(product_build(device, &linear->pass[LINEAR_FORWARD], (struct matrix){dtype, row, out, true}, x, y,
                      linear->bias && dtype == DT_F32));
    if (desc->training)
        TRY(product_build(device, &linear->pass[LINEAR_WEIGHTS], x, (struct matrix){dtype, out, batch, true},
                          (struct matrix){DT_F32, row, out, false}, false));
    if (desc->training && desc->in_grad[0])
        TRY(product_build(device, &linear->pass[LINEAR_DATA], w, y, x, false));
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

/* ---- running ---- */

static int run(struct device *device, const struct product *product, const void *a, const void *b, void *out,
               void *workspace)
{
    const float one = 1.0f, zero = 0.0f;
    CUBLAS_TRY(cublasLtMatmul(device->blas, product->desc, &one, a, product->a, b, product->b, &zero, out, product->out,
                              out, product->out, &product->algorithm, workspace, product->workspace_bytes,
                              device->stream));
    return OK;
}

static int linear_forward(struct device *device, const struct op_call *call)
{
    const struct linear *linear = call->state;
    const struct product *product = &linear->pass[LINEAR_FORWARD];
    const bool epilogue = linear->bias && linear->dtype == DT_F32;
    if (epilogue)
        CUBLAS_TRY(cublasLtMatmulDescSetAttribute(product->desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &call->weight[1],
                                                  sizeof call->weight[1]));
    TRY(run(device, product, call->weight[0], call->in[0], call->out, call->scratch));
    if (!linear->bias || epilogue)
        return OK;
    return cuda_bias_add(device, call->out, linear->dtype, call->weight[1], linear->batch, linear->weight.n);
}

static int linear_backward(struct device *device, const struct op_call *call)
{
    const struct linear *linear = call->state;
    TRY(run(device, &linear->pass[LINEAR_WEIGHTS], call->in[0], call->out_grad, call->weight_grad[0], call->scratch));
    if (linear->bias)
        TRY(cuda_bias_grad(device, call->weight_grad[1], call->out_grad, linear->dtype, linear->batch,
                           linear->weight.n));
    if (!call->in_grad[0])
        return OK;
    return run(device, &linear->pass[LINEAR_DATA], call->weight[0], call->out_grad, call->in_grad[0], call->scratch);
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
