/* blas: a product of matrices by cuBLASLt: description, choice of an algorithm by time, running. Private to
 * kernels/cuda/; vendor-free. */
#ifndef CUDA_BLAS_H
#define CUDA_BLAS_H
#include "cuda.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { BLAS_WORKSPACE_MOST = 32 << 20 };

/* A matrix of columns of rows elements each, one column after another. */
struct blas_matrix {
    enum dtype dtype;
    int64_t rows, columns;
    bool transposed; /* used so; not for the result */
};

/* What is done with out = a b besides; bias is of out's dtype. */
enum blas_epilogue {
    BLAS_PLAIN,
    BLAS_BIAS,      /* out += bias[row] */
    BLAS_RELU,      /* out = max(out, 0) */
    BLAS_BIAS_RELU, /* both, in this order */
    BLAS_BIAS_GRAD, /* bias[column of out] = sum over the products' depth of b */
};

struct blas_problem {
    struct blas_matrix a, b, out;
    enum blas_epilogue epilogue;
    bool deterministic; /* only algorithms whose results repeat bit for bit */
    bool tf32;          /* fp32 operands may be rounded to TF32 */
};

struct blas_product {
    void *desc;            /* cublasLtMatmulDesc_t */
    void *a, *b, *out;     /* cublasLtMatrixLayout_t */
    uint64_t algorithm[8]; /* cublasLtMatmulAlgo_t */
    size_t workspace_bytes;
};

/* ERR_UNSUPPORTED: cuBLAS has no algorithm for this problem, or not with this epilogue. On failure *product can still
 * be freed. */
int blas_product_build(struct device *device, struct blas_product *product, const struct blas_problem *problem);
void blas_product_free(struct blas_product *product); /* accepts a zeroed struct */
/* Whether what is not a number in a is none in out either: not every rectifier leaves it so. Waits. */
int blas_product_keeps_nan(struct device *device, const struct blas_product *product,
                           const struct blas_problem *problem, bool *keeps);
/* bias: read or written by the epilogue; NULL where it has none. */
int blas_product_run(struct device *device, const struct blas_product *product, const void *a, const void *b, void *out,
                     void *bias, void *workspace);

#ifdef __cplusplus
}
#endif
#endif
