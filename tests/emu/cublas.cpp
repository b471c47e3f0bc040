/* cublas: stands in for cuBLASLt where the CUDA backend runs in the emulator: the calls that blas.c makes, answered by
 * the plainest kernel, one warp for all results and sums in double. Refuses what the library documents that it does:
 * epilogues with a bias of another dtype than the result's. Workspaces are asked for and spoilt, so that a caller who
 * leaves no room is found out. Owns no rule of how products are chosen. */
#include "cublasLt.h"
#include "cuda.h"
#include "emu_cublas.h"
#include "launch.cuh"
#include <atomic>
#include <cmath>
#include <cstring>

struct cublasLtContext {
};
struct emu_layout {
    cudaDataType_t type;
    int64_t rows, columns;
};
struct emu_product {
    cublasComputeType_t compute;
    int32_t turn_a, turn_b;
    uint32_t epilogue;
    int32_t bias_type;
    void *bias;
};
struct emu_preference {
    uint64_t workspace;
    uint32_t alignment;
};

struct emu_cublas emu_cublas = {1, false, false, EMU_CUBLAS_HAS};

namespace
{
enum { WORKSPACE_BYTES = 1000, THREADS = 32, MARK = 0xB1A5 };
enum algorithm { RIGHT, SLOW, FAILING };
std::atomic<int> products, alive;

__global__ void spoil_kernel(unsigned char *workspace)
{
    for (int i = int(threadIdx.x); i < WORKSPACE_BYTES; i += THREADS)
        workspace[i] = 0xFF;
}

struct problem {
    emu_layout a, b, out;
    emu_product how;
    bool loses_nan;
};

bool has_bias(const emu_product &how)
{
    return how.epilogue == CUBLASLT_EPILOGUE_BIAS || how.epilogue == CUBLASLT_EPILOGUE_RELU_BIAS ||
           how.epilogue == CUBLASLT_EPILOGUE_BGRADB;
}

/* Matrices of columns. */
template <class T, class U>
__device__ double sum_at(int64_t row, int64_t column, const problem &of, const T *a, const T *b)
{
    const int64_t depth = of.how.turn_a ? of.a.rows : of.a.columns;
    double sum = 0;
    for (int64_t k = 0; k < depth; k++) {
        const T left = a[of.how.turn_a ? row * of.a.rows + k : k * of.a.rows + row];
        const T right = b[of.how.turn_b ? k * of.b.rows + column : column * of.b.rows + k];
        sum += double(gpu::to_float(left)) * gpu::to_float(right);
    }
    return sum;
}

template <class T, class U> __global__ void product_kernel(problem of, const T *a, const T *b, U *out)
{
    const uint32_t epilogue = of.how.epilogue;
    U *const bias = (U *)of.how.bias;
    for (int64_t i = threadIdx.x; i < of.out.rows * of.out.columns; i += THREADS) {
        double sum = sum_at<T, U>(i % of.out.rows, i / of.out.rows, of, a, b);
        if (epilogue == CUBLASLT_EPILOGUE_BIAS || epilogue == CUBLASLT_EPILOGUE_RELU_BIAS)
            sum += double(gpu::to_float(bias[i % of.out.rows]));
        if (epilogue == CUBLASLT_EPILOGUE_RELU || epilogue == CUBLASLT_EPILOGUE_RELU_BIAS)
            sum = of.loses_nan ? (sum > 0 ? sum : 0) : (sum <= 0 ? 0 : sum);
        out[i] = gpu::from_float<U>(float(sum));
    }
    for (int64_t i = threadIdx.x; epilogue == CUBLASLT_EPILOGUE_BGRADB && i < of.out.columns; i += THREADS) {
        const int64_t depth = of.how.turn_b ? of.b.columns : of.b.rows;
        double sum = 0;
        for (int64_t k = 0; k < depth; k++)
            sum += double(gpu::to_float(b[of.how.turn_b ? k * of.b.rows + i : i * of.b.rows + k]));
        bias[i] = gpu::from_float<U>(float(sum));
    }
}

template <class T, class U>
cublasStatus_t run(const problem &of, const void *a, const void *b, void *out, CUstream_st *stream)
{
    return gpu::launch(product_kernel<T, U>, 1, THREADS, 0, stream, of, (const T *)a, (const T *)b, (U *)out) ==
                   cudaSuccess
               ? CUBLAS_STATUS_SUCCESS
               : CUBLAS_STATUS_INVALID_VALUE;
}

bool offered(const emu_product &how, const emu_layout &a, const emu_layout &out)
{
    return !emu_cublas.without_any &&
           !(has_bias(how) && (how.bias_type != int32_t(out.type) || emu_cublas.lacks_bias != EMU_CUBLAS_HAS)) &&
           (how.compute == CUBLAS_COMPUTE_32F || a.type == CUDA_R_32F);
}

/* As was promised when algorithms were asked for. */
bool aligned(const void *memory)
{
    return uintptr_t(memory) % 16 == 0;
}

template <class T> cublasStatus_t made(T **thing, T value)
{
    *thing = new T(value);
    alive++;
    return CUBLAS_STATUS_SUCCESS;
}

template <class T> cublasStatus_t gone(T *thing)
{
    delete thing;
    alive--;
    return CUBLAS_STATUS_SUCCESS;
}
} // namespace

int emu_cublas_products()
{
    return products;
}

int emu_cublas_alive()
{
    return alive;
}

const char *cublasLtGetStatusString(cublasStatus_t status)
{
    return status == CUBLAS_STATUS_NOT_SUPPORTED ? "CUBLAS_STATUS_NOT_SUPPORTED" : "CUBLAS_STATUS_INVALID_VALUE";
}

size_t cublasLtGetVersion()
{
    return CUBLAS_VER_MAJOR * 10000;
}

cublasStatus_t cublasLtCreate(cublasLtHandle_t *handle)
{
    *handle = new cublasLtContext;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle)
{
    delete handle;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *desc, cublasComputeType_t compute, cudaDataType_t scale)
{
    if (scale != CUDA_R_32F)
        return CUBLAS_STATUS_NOT_SUPPORTED;
    return made(desc, emu_product{compute, CUBLAS_OP_N, CUBLAS_OP_N, CUBLASLT_EPILOGUE_DEFAULT, -1, nullptr});
}

cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t desc)
{
    return gone(desc);
}

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t desc, cublasLtMatmulDescAttributes_t name,
                                              const void *value, size_t bytes)
{
    const struct {
        cublasLtMatmulDescAttributes_t name;
        void *at;
        size_t bytes;
    } all[] = {{CUBLASLT_MATMUL_DESC_TRANSA, &desc->turn_a, sizeof desc->turn_a},
               {CUBLASLT_MATMUL_DESC_TRANSB, &desc->turn_b, sizeof desc->turn_b},
               {CUBLASLT_MATMUL_DESC_EPILOGUE, &desc->epilogue, sizeof desc->epilogue},
               {CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, &desc->bias_type, sizeof desc->bias_type},
               {CUBLASLT_MATMUL_DESC_BIAS_POINTER, &desc->bias, sizeof desc->bias}};
    for (const auto &one : all)
        if (one.name == name && one.bytes == bytes) {
            memcpy(one.at, value, bytes);
            return CUBLAS_STATUS_SUCCESS;
        }
    return CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *layout, cudaDataType_t type, uint64_t rows,
                                          uint64_t columns, int64_t pitch)
{
    if (pitch != int64_t(rows))
        return CUBLAS_STATUS_NOT_SUPPORTED;
    return made(layout, emu_layout{type, int64_t(rows), int64_t(columns)});
}

cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout)
{
    return gone(layout);
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *preference)
{
    return made(preference, emu_preference{0, 0});
}

cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference)
{
    return gone(preference);
}

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t name, const void *value,
                                                    size_t bytes)
{
    const bool of_workspace = name == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES;
    if (bytes != (of_workspace ? sizeof preference->workspace : sizeof preference->alignment))
        return CUBLAS_STATUS_INVALID_VALUE;
    if (of_workspace)
        memcpy(&preference->workspace, value, bytes);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t desc, cublasLtMatrixLayout_t a,
                                              cublasLtMatrixLayout_t, cublasLtMatrixLayout_t, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int most,
                                              cublasLtMatmulHeuristicResult_t *results, int *count)
{
    static const algorithm order[] = {SLOW, FAILING, RIGHT};
    *count = 0;
    if (preference->workspace < WORKSPACE_BYTES)
        return CUBLAS_STATUS_INVALID_VALUE;
    if (!offered(*desc, *a, *d))
        return emu_cublas.lacks_bias == EMU_CUBLAS_INVALID ? CUBLAS_STATUS_INVALID_VALUE : CUBLAS_STATUS_NOT_SUPPORTED;
    for (; *count < emu_cublas.offers && *count < most; ++*count) {
        results[*count] = {};
        results[*count].algo.data[0] = MARK;
        results[*count].algo.data[7] = uint64_t(emu_cublas.offers == 1 ? RIGHT : order[*count % 3]);
        results[*count].workspaceSize = WORKSPACE_BYTES;
    }
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulAlgoCheck(cublasLtHandle_t, cublasLtMatmulDesc_t, cublasLtMatrixLayout_t,
                                       cublasLtMatrixLayout_t, cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
                                       const cublasLtMatmulAlgo_t *algo, cublasLtMatmulHeuristicResult_t *result)
{
    if (algo->data[0] != MARK)
        return CUBLAS_STATUS_NOT_SUPPORTED;
    result->algo = *algo;
    result->workspaceSize = WORKSPACE_BYTES;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t desc, const void *, const void *a,
                              cublasLtMatrixLayout_t a_layout, const void *b, cublasLtMatrixLayout_t b_layout,
                              const void *, const void *, cublasLtMatrixLayout_t, void *d,
                              cublasLtMatrixLayout_t d_layout, const cublasLtMatmulAlgo_t *algo, void *workspace,
                              size_t workspace_bytes, CUstream_st *stream)
{
    const problem of = {*a_layout, *b_layout, *d_layout, *desc, emu_cublas.loses_nan};
    if (algo->data[0] != MARK || algo->data[7] == FAILING || workspace_bytes < WORKSPACE_BYTES ||
        !offered(*desc, *a_layout, *d_layout) || (has_bias(*desc) && !desc->bias) || !aligned(a) || !aligned(b) ||
        !aligned(d) || !aligned(workspace) || (has_bias(*desc) && !aligned(desc->bias)))
        return CUBLAS_STATUS_NOT_SUPPORTED;
    products++;
    for (int i = 0; i < (algo->data[7] == SLOW ? 4 : 1); i++)
        if (gpu::launch(spoil_kernel, 1, THREADS, 0, stream, (unsigned char *)workspace) != cudaSuccess)
            return CUBLAS_STATUS_INVALID_VALUE;
    const bool widens = d_layout->type == CUDA_R_32F;
    switch (a_layout->type) {
    case CUDA_R_16BF:
        return widens ? run<gpu::bf16, float>(of, a, b, d, stream) : run<gpu::bf16, gpu::bf16>(of, a, b, d, stream);
    case CUDA_R_16F:
        return widens ? run<gpu::fp16, float>(of, a, b, d, stream) : run<gpu::fp16, gpu::fp16>(of, a, b, d, stream);
    default: return run<float, float>(of, a, b, d, stream);
    }
}
