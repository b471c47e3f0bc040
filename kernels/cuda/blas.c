/* blas: describes a product of matrices to cuBLASLt, takes the algorithm that runs fastest and runs it. Sums of all
 * dtypes are fp32; where results must repeat, sums that are split over blocks are added in one order. */
#include "blas.h"
#include "tune.h"
#include "vendor.h"
#include <cuda_runtime_api.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    POINTER_ALIGNMENT = 16,
    ALGORITHMS_MOST = 32, /* that are timed */
    KEY_BYTES = 320,
};

/* ---- description ---- */

static int set(struct blas_product *product, cublasLtMatmulDescAttributes_t name, const void *value, size_t bytes)
{
    CUBLAS_TRY(vendor.cublasLtMatmulDescSetAttribute(product->desc, name, value, bytes));
    return OK;
}

static const cudaDataType_t types[DT_COUNT] = {[DT_F32] = CUDA_R_32F, [DT_BF16] = CUDA_R_16BF, [DT_F16] = CUDA_R_16F};

static bool has_bias(const struct blas_problem *problem)
{
    return problem->epilogue != BLAS_PLAIN && problem->epilogue != BLAS_RELU;
}

static int make_layout(struct blas_matrix matrix, void **layout)
{
    CUBLAS_TRY(vendor.cublasLtMatrixLayoutCreate((cublasLtMatrixLayout_t *)layout, types[matrix.dtype],
                                                 (uint64_t)matrix.rows, (uint64_t)matrix.columns, matrix.rows));
    return OK;
}

static int describe(struct blas_product *product, const struct blas_problem *problem)
{
    static const uint32_t epilogues[] = {[BLAS_PLAIN] = CUBLASLT_EPILOGUE_DEFAULT,
                                         [BLAS_BIAS] = CUBLASLT_EPILOGUE_BIAS,
                                         [BLAS_RELU] = CUBLASLT_EPILOGUE_RELU,
                                         [BLAS_BIAS_RELU] = CUBLASLT_EPILOGUE_RELU_BIAS,
                                         [BLAS_BIAS_GRAD] = CUBLASLT_EPILOGUE_BGRADB};
    const int32_t turn_a = problem->a.transposed ? CUBLAS_OP_T : CUBLAS_OP_N,
                  turn_b = problem->b.transposed ? CUBLAS_OP_T : CUBLAS_OP_N, bias_type = types[problem->out.dtype];
    CUBLAS_TRY(vendor.cublasLtMatmulDescCreate(
        (cublasLtMatmulDesc_t *)&product->desc,
        problem->tf32 && problem->a.dtype == DT_F32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F, CUDA_R_32F));
    TRY(set(product, CUBLASLT_MATMUL_DESC_TRANSA, &turn_a, sizeof turn_a));
    TRY(set(product, CUBLASLT_MATMUL_DESC_TRANSB, &turn_b, sizeof turn_b));
    TRY(set(product, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogues[problem->epilogue], sizeof epilogues[0]));
    if (has_bias(problem))
        TRY(set(product, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, &bias_type, sizeof bias_type));
    TRY(make_layout(problem->a, &product->a));
    TRY(make_layout(problem->b, &product->b));
    return make_layout(problem->out, &product->out);
}

/* ---- candidates ---- */

/* Algorithms for these pointers' alignment, best guess first; *count may be 0. */
static int ask(struct device *device, const struct blas_product *product, const struct blas_problem *problem,
               cublasLtMatmulPreference_t preference, cublasLtMatmulHeuristicResult_t *found, int *count)
{
    const uint64_t workspace = BLAS_WORKSPACE_MOST;
    const uint32_t alignment = POINTER_ALIGNMENT,
                   reductions = problem->deterministic
                                    ? CUBLASLT_REDUCTION_SCHEME_NONE | CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE
                                    : CUBLASLT_REDUCTION_SCHEME_NONE | CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE |
                                          CUBLASLT_REDUCTION_SCHEME_INPLACE;
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
    const cublasStatus_t status =
        vendor.cublasLtMatmulAlgoGetHeuristic(device->blas, product->desc, product->a, product->b, product->out,
                                              product->out, preference, ALGORITHMS_MOST, found, count);
    /* Which of the two it says of an epilogue that it has not for these types is written nowhere. */
    if (status == CUBLAS_STATUS_NOT_SUPPORTED ||
        (status == CUBLAS_STATUS_INVALID_VALUE && problem->epilogue != BLAS_PLAIN))
        *count = 0;
    else
        CUBLAS_TRY(status);
    return OK;
}

static int search(struct device *device, const struct blas_product *product, const struct blas_problem *problem,
                  cublasLtMatmulHeuristicResult_t *found, int *count)
{
    cublasLtMatmulPreference_t preference;
    *count = 0;
    CUBLAS_TRY(vendor.cublasLtMatmulPreferenceCreate(&preference));
    const int status = ask(device, product, problem, preference, found, count);
    vendor.cublasLtMatmulPreferenceDestroy(preference);
    return status;
}

static void take(struct blas_product *product, const cublasLtMatmulAlgo_t *algorithm, size_t workspace_bytes)
{
    _Static_assert(sizeof product->algorithm == sizeof *algorithm, "the header's copy of cublasLtMatmulAlgo_t");
    memcpy(product->algorithm, algorithm, sizeof product->algorithm);
    product->workspace_bytes = workspace_bytes;
}

/* ---- choice ---- */

/* By tune's arrays. */
enum { ARRAY_A, ARRAY_B, ARRAY_OUT, ARRAY_BIAS, ARRAY_COUNT };

static int run_candidate(struct device *device, void *candidate, const struct tune *tune)
{
    return blas_product_run(device, candidate, tune->array[ARRAY_A], tune->array[ARRAY_B], tune->array[ARRAY_OUT],
                            tune->array[ARRAY_BIAS], tune->workspace);
}

static size_t matrix_bytes(struct blas_matrix matrix)
{
    return (size_t)(matrix.rows * matrix.columns) * dtype_bytes(matrix.dtype);
}

static int64_t bias_count(const struct blas_problem *problem)
{
    return !has_bias(problem) ? 0 : problem->epilogue == BLAS_BIAS_GRAD ? problem->out.columns : problem->out.rows;
}

static int open_arrays(struct device *device, struct tune *tune, const struct blas_problem *problem)
{
    const struct tune_array arrays[ARRAY_COUNT] = {
        [ARRAY_A] = {problem->a.dtype, matrix_bytes(problem->a)},
        [ARRAY_B] = {problem->b.dtype, matrix_bytes(problem->b)},
        [ARRAY_OUT] = {problem->out.dtype, matrix_bytes(problem->out)},
        [ARRAY_BIAS] = {problem->out.dtype, (size_t)bias_count(problem) * dtype_bytes(problem->out.dtype)},
    };
    return tune_open(device, tune, arrays, ARRAY_COUNT, BLAS_WORKSPACE_MOST);
}

/* Leaves the fastest in product; *ms is infinite when none runs. */
static int time_candidates(struct device *device, struct blas_product *product, const struct blas_problem *problem,
                           const cublasLtMatmulHeuristicResult_t *found, int count, float *ms)
{
    struct tune tune;
    const int status = open_arrays(device, &tune, problem);
    int best = -1;
    *ms = INFINITY;
    for (int i = 0; i < count && status == OK; i++) {
        take(product, &found[i].algo, found[i].workspaceSize);
        const float took = tune_time(device, &tune, run_candidate, product);
        if (took < *ms) {
            *ms = took;
            best = i;
        }
    }
    if (best >= 0)
        take(product, &found[best].algo, found[best].workspaceSize);
    tune_close(&tune);
    return status;
}

/* All that a choice depends on, in words. */
static void make_key(const struct device *device, const struct blas_problem *problem, char key[KEY_BYTES])
{
    static const char *const epilogues[] = {"", " with bias", " rectified", " with bias, rectified",
                                            " with gradient of the bias"};
    snprintf(key, KEY_BYTES,
             "product%s%s%s of %s %" PRId64 "x%" PRId64 "%s and %" PRId64 "x%" PRId64
             "%s to %s; %s, %d SMs, driver %s, cuBLAS %zu",
             epilogues[problem->epilogue], problem->a.dtype == DT_F32 && problem->tf32 ? " tf32" : "",
             problem->deterministic ? " deterministic" : "", dtype_name(problem->a.dtype), problem->a.rows,
             problem->a.columns, problem->a.transposed ? "^T" : "", problem->b.rows, problem->b.columns,
             problem->b.transposed ? "^T" : "", dtype_name(problem->out.dtype), device->name, device->sm_count,
             device->driver, vendor.cublasLtGetVersion());
}

static void keep(const char *key, const struct blas_product *product, float ms)
{
    char text[COUNT_OF(product->algorithm) * 17 + 1];
    for (int i = 0; i < COUNT_OF(product->algorithm); i++)
        snprintf(text + 17 * i, 18, " %016" PRIx64, product->algorithm[i]);
    tune_cache_write(key, text, ms);
}

static bool take_kept(struct device *device, const char *key, struct blas_product *product)
{
    struct tune_kept kept = tune_cache_read(key);
    if (!kept.choice)
        return false;
    cublasLtMatmulAlgo_t algorithm;
    cublasLtMatmulHeuristicResult_t checked;
    uint64_t words[COUNT_OF(product->algorithm)] = {0};
    char *at = kept.choice;
    for (int i = 0; i < COUNT_OF(words); i++)
        words[i] = strtoull(at, &at, 16);
    memcpy(&algorithm, words, sizeof algorithm);
    free(kept.choice);
    if (vendor.cublasLtMatmulAlgoCheck(device->blas, product->desc, product->a, product->b, product->out, product->out,
                                       &algorithm, &checked) != CUBLAS_STATUS_SUCCESS ||
        checked.workspaceSize > BLAS_WORKSPACE_MOST) {
        tune_cache_refuse(key, "cuBLAS does not take this algorithm");
        return false;
    }
    take(product, &algorithm, checked.workspaceSize);
    return true;
}

int blas_product_build(struct device *device, struct blas_product *product, const struct blas_problem *problem)
{
    char key[KEY_BYTES];
    cublasLtMatmulHeuristicResult_t found[ALGORITHMS_MOST];
    int count;
    float ms = INFINITY;
    make_key(device, problem, key);
    TRY(describe(product, problem));
    if (take_kept(device, key, product))
        return OK;
    TRY(search(device, product, problem, found, &count));
    if (count == 1 || (count > 0 && device->untimed)) {
        take(product, &found[0].algo, found[0].workspaceSize);
        return OK;
    }
    if (count > 0)
        TRY(time_candidates(device, product, problem, found, count, &ms));
    if (!isfinite(ms))
        return FAIL(ERR_UNSUPPORTED, "cuBLAS has no algorithm (%s); use another train.precision", key);
    keep(key, product, ms);
    return OK;
}

static int run_on_nan(struct device *device, const struct blas_product *product, const struct tune *tune,
                      size_t a_bytes, uint32_t *first)
{
    CUDA_TRY(cudaMemsetAsync(tune->array[ARRAY_A], 0xFF, a_bytes, device->stream)); /* NaN in every dtype */
    TRY(blas_product_run(device, product, tune->array[ARRAY_A], tune->array[ARRAY_B], tune->array[ARRAY_OUT],
                         tune->array[ARRAY_BIAS], tune->workspace));
    CUDA_TRY(cudaMemcpyAsync(first, tune->array[ARRAY_OUT], sizeof *first, cudaMemcpyDeviceToHost, device->stream));
    CUDA_TRY(cudaStreamSynchronize(device->stream));
    return OK;
}

int blas_product_keeps_nan(struct device *device, const struct blas_product *product,
                           const struct blas_problem *problem, bool *keeps)
{
    struct tune tune;
    uint32_t first = 0;
    int status = open_arrays(device, &tune, problem);
    if (status == OK && matrix_bytes(problem->out) >= sizeof first)
        status = run_on_nan(device, product, &tune, matrix_bytes(problem->a), &first);
    tune_close(&tune);
    const uint32_t infinity = problem->out.dtype == DT_F32    ? 0x7F800000
                              : problem->out.dtype == DT_BF16 ? 0x7F80
                                                              : 0x7C00;
    *keeps = (first & (problem->out.dtype == DT_F32 ? 0x7FFFFFFF : 0x7FFF)) > infinity;
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

/* ---- running ---- */

int blas_product_run(struct device *device, const struct blas_product *product, const void *a, const void *b, void *out,
                     void *bias, void *workspace)
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
