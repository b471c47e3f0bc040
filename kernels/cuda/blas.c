/* blas: describes a product of matrices to cuBLASLt, takes an algorithm and runs it. fp32 is computed in fp32 (no
 * TF32), and sums of all dtypes are fp32. Sums that are split over blocks are added in one order, so results repeat. */
#include "blas.h"
#include "vendor.h"
#include <string.h>

enum { WORKSPACE_BYTES = 32 << 20, POINTER_ALIGNMENT = 16 };

/* One algorithm whose sums repeat, for these pointers' alignment. */
static int choose(struct device *device, struct blas_product *product, cublasLtMatmulPreference_t preference)
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
        CUBLAS_TRY(
            vendor.cublasLtMatmulPreferenceSetAttribute(preference, wishes[i].name, wishes[i].value, wishes[i].bytes));
    cublasLtMatmulHeuristicResult_t result;
    int count = 0;
    const cublasStatus_t status =
        vendor.cublasLtMatmulAlgoGetHeuristic(device->blas, product->desc, product->a, product->b, product->out,
                                              product->out, preference, 1, &result, &count);
    if (status != CUBLAS_STATUS_NOT_SUPPORTED)
        CUBLAS_TRY(status);
    if (count == 0)
        return FAIL(ERR_UNSUPPORTED, "cuBLAS has no algorithm for this layer; use another train.precision");
    _Static_assert(sizeof product->algorithm == sizeof result.algo, "the header's copy of cublasLtMatmulAlgo_t");
    memcpy(product->algorithm, &result.algo, sizeof result.algo);
    product->workspace_bytes = result.workspaceSize;
    return OK;
}

static int make_layout(struct blas_matrix matrix, void **layout)
{
    static const cudaDataType_t types[DT_COUNT] = {
        [DT_F32] = CUDA_R_32F, [DT_BF16] = CUDA_R_16BF, [DT_F16] = CUDA_R_16F};
    CUBLAS_TRY(vendor.cublasLtMatrixLayoutCreate((cublasLtMatrixLayout_t *)layout, types[matrix.dtype],
                                                 (uint64_t)matrix.rows, (uint64_t)matrix.columns, matrix.rows));
    return OK;
}

int blas_product_build(struct device *device, struct blas_product *product, struct blas_matrix a, struct blas_matrix b,
                       struct blas_matrix out, bool bias)
{
    const int32_t turn_a = a.transposed ? CUBLAS_OP_T : CUBLAS_OP_N, turn_b = b.transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
    const uint32_t epilogue = bias ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT;
    CUBLAS_TRY(vendor.cublasLtMatmulDescCreate((cublasLtMatmulDesc_t *)&product->desc, CUBLAS_COMPUTE_32F, CUDA_R_32F));
    CUBLAS_TRY(
        vendor.cublasLtMatmulDescSetAttribute(product->desc, CUBLASLT_MATMUL_DESC_TRANSA, &turn_a, sizeof turn_a));
    CUBLAS_TRY(
        vendor.cublasLtMatmulDescSetAttribute(product->desc, CUBLASLT_MATMUL_DESC_TRANSB, &turn_b, sizeof turn_b));
    CUBLAS_TRY(vendor.cublasLtMatmulDescSetAttribute(product->desc, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue,
                                                     sizeof epilogue));
    TRY(make_layout(a, &product->a));
    TRY(make_layout(b, &product->b));
    TRY(make_layout(out, &product->out));
    cublasLtMatmulPreference_t preference;
    CUBLAS_TRY(vendor.cublasLtMatmulPreferenceCreate(&preference));
    int status = choose(device, product, preference);
    vendor.cublasLtMatmulPreferenceDestroy(preference);
    return status;
}

void blas_product_free(struct blas_product *product)
{
    if (product->out)
        vendor.cublasLtMatrixLayoutDestroy(product->out);
    if (product->b)
        vendor.cublasLtMatrixLayoutDestroy(product->b);
    if (product->a)
        vendor.cublasLtMatrixLayoutDestroy(product->a);
    if (product->desc)
        vendor.cublasLtMatmulDescDestroy(product->desc);
    *product = (struct blas_product){0};
}

int blas_product_run(struct device *device, const struct blas_product *product, const void *a, const void *b, void *out,
                     const float *bias, void *workspace)
{
    const float one = 1.0f, zero = 0.0f;
    if (bias)
        CUBLAS_TRY(vendor.cublasLtMatmulDescSetAttribute(product->desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias,
                                                         sizeof bias));
    CUBLAS_TRY(vendor.cublasLtMatmul(device->blas, product->desc, &one, a, product->a, b, product->b, &zero, out,
                                     product->out, out, product->out, (const cublasLtMatmulAlgo_t *)product->algorithm,
                                     workspace, product->workspace_bytes, device->stream));
    return OK;
}
