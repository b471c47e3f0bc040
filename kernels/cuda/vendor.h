/* vendor: the calls of cuDNN and cuBLASLt that the backend makes, in one table that is filled when a device is opened.
 * The program is linked with neither, so it starts, on the CPU, where they are not installed. Private to kernels/cuda/;
 * C only. To make another call, name it here. */
#ifndef CUDA_VENDOR_H
#define CUDA_VENDOR_H
#include <cublasLt.h>
#include <cudnn.h>

#define DNN_CALLS(X)                                                                                                   \
    X(cudnnBackendCreateDescriptor)                                                                                    \
    X(cudnnBackendDestroyDescriptor)                                                                                   \
    X(cudnnBackendExecute)                                                                                             \
    X(cudnnBackendFinalize)                                                                                            \
    X(cudnnBackendGetAttribute)                                                                                        \
    X(cudnnBackendSetAttribute)                                                                                        \
    X(cudnnCreate)                                                                                                     \
    X(cudnnDestroy)                                                                                                    \
    X(cudnnGetErrorString)                                                                                             \
    X(cudnnGetLastErrorString)                                                                                         \
    X(cudnnGetVersion)                                                                                                 \
    X(cudnnSetStream)

#define BLAS_CALLS(X)                                                                                                  \
    X(cublasLtCreate)                                                                                                  \
    X(cublasLtDestroy)                                                                                                 \
    X(cublasLtGetStatusString)                                                                                         \
    X(cublasLtGetVersion)                                                                                              \
    X(cublasLtMatmul)                                                                                                  \
    X(cublasLtMatmulAlgoCheck)                                                                                         \
    X(cublasLtMatmulAlgoGetHeuristic)                                                                                  \
    X(cublasLtMatmulDescCreate)                                                                                        \
    X(cublasLtMatmulDescDestroy)                                                                                       \
    X(cublasLtMatmulDescSetAttribute)                                                                                  \
    X(cublasLtMatmulPreferenceCreate)                                                                                  \
    X(cublasLtMatmulPreferenceDestroy)                                                                                 \
    X(cublasLtMatmulPreferenceSetAttribute)                                                                            \
    X(cublasLtMatrixLayoutCreate)                                                                                      \
    X(cublasLtMatrixLayoutDestroy)

/* Members have the libraries' own names and types: vendor.cudnnCreate(&handle). */
#define VENDOR_MEMBER(name) __typeof__(name) *name;
struct vendor {
    DNN_CALLS(VENDOR_MEMBER)
    BLAS_CALLS(VENDOR_MEMBER)
};
#undef VENDOR_MEMBER
extern struct vendor vendor;

#endif
