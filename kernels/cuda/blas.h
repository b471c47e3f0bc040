/* blas: a product of two matrices, planned once and run every step. Private to kernels/cuda/; vendor-free. */
#ifndef CUDA_BLAS_H
#define CUDA_BLAS_H
#include "cuda.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A matrix of columns of rows elements each, one column after another. */
struct blas_matrix {
    enum dtype dtype;
    int64_t rows, columns;
    bool transposed; /* used so; not for the result */
};

struct blas_product {
    void *desc;            /* cublasLtMatmulDesc_t */
    void *a, *b, *out;     /* cublasLtMatrixLayout_t */
    uint64_t algorithm[8]; /* cublasLtMatmulAlgo_t */
    size_t workspace_bytes;
};

/* out = a b, with bias + bias[row], fp32. On failure *product can still be freed. */
int blas_product_build(struct device *device, struct blas_product *product, struct blas_matrix a, struct blas_matrix b,
                       struct blas_matrix out, bool bias);
void blas_product_free(struct blas_product *product); /* accepts a zeroed struct */
/* bias: as it was built, else NULL. */
int blas_product_run(struct device *device, const struct blas_product *product, const void *a, const void *b, void *out,
                     const float *bias, void *workspace);

#ifdef __cplusplus
}
#endif
#endif
