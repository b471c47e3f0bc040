/* vendor: the table of the libraries' calls, filled with the stand-in's of cuBLAS; those of cuDNN are never made. */
#include "vendor.h"

struct vendor vendor = {
    .cublasLtGetStatusString = cublasLtGetStatusString,
    .cublasLtGetVersion = cublasLtGetVersion,
    .cublasLtMatmul = cublasLtMatmul,
    .cublasLtMatmulAlgoCheck = cublasLtMatmulAlgoCheck,
    .cublasLtMatmulAlgoGetHeuristic = cublasLtMatmulAlgoGetHeuristic,
    .cublasLtMatmulDescCreate = cublasLtMatmulDescCreate,
    .cublasLtMatmulDescDestroy = cublasLtMatmulDescDestroy,
    .cublasLtMatmulDescSetAttribute = cublasLtMatmulDescSetAttribute,
    .cublasLtMatmulPreferenceCreate = cublasLtMatmulPreferenceCreate,
    .cublasLtMatmulPreferenceDestroy = cublasLtMatmulPreferenceDestroy,
    .cublasLtMatmulPreferenceSetAttribute = cublasLtMatmulPreferenceSetAttribute,
    .cublasLtMatrixLayoutCreate = cublasLtMatrixLayoutCreate,
    .cublasLtMatrixLayoutDestroy = cublasLtMatrixLayoutDestroy,
};
