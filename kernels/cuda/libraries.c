/* libraries: opens and closes cuBLAS and cuDNN on a device's stream, and puts their failures into words. Knows nothing
 * of what they compute. */
#include "cuda.h"
#include <cublasLt.h>
#include <cudnn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int cudnn_failed(int status, const char *call, const char *file, int line)
{
    char detail[256] = "";
    cudnnGetLastErrorString(detail, sizeof detail);
    return fail_at(file, line, status == CUDNN_STATUS_ALLOC_FAILED ? ERR_MEMORY : ERR_DEVICE,
                   "cuDNN: %s failed: %s %s; report this with the output of `evenkeel devices`", call,
                   cudnnGetErrorString((cudnnStatus_t)status), detail);
}

int cublas_failed(int status, const char *call, const char *file, int line)
{
    return fail_at(file, line, status == CUBLAS_STATUS_ALLOC_FAILED ? ERR_MEMORY : ERR_DEVICE,
                   "cuBLAS: %s failed: %s; report this with the output of `evenkeel devices`", call,
                   cublasLtGetStatusString((cublasStatus_t)status));
}

int cuda_libraries_open(struct device *device)
{
    CUBLAS_TRY(cublasLtCreate(&device->blas));
    CUDNN_TRY(cudnnCreate(&device->dnn));
    CUDNN_TRY(cudnnSetStream(device->dnn, device->stream));
    return OK;
}

void cuda_libraries_close(struct device *device)
{
    if (device->dnn)
        cudnnDestroy(device->dnn);
    if (device->blas)
        cublasLtDestroy(device->blas);
}

void cuda_libraries_describe(char *text, size_t bytes)
{
    const size_t blas = cublasLtGetVersion(), dnn = cudnnGetVersion();
    snprintf(text, bytes, "cuBLAS %zu.%zu.%zu, cuDNN %zu.%zu.%zu", blas / 10000, blas % 10000 / 100, blas % 100,
             dnn / 10000, dnn % 10000 / 100, dnn % 100);
}

/* ---- a device that is only described ---- */

static int described_start(struct device *device, const char *json)
{
    CUDNN_TRY(cudnnBackendCreateDescriptor(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, &device->properties));
    CUDNN_TRY(cudnnBackendSetAttribute(device->properties, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
                                       (int64_t)strlen(json), json));
    CUDNN_TRY(cudnnBackendFinalize(device->properties));
    return OK;
}

int cuda_described_open(struct device **device, const char *name, const char *json)
{
    *device = NULL;
    struct device *opened = calloc(1, sizeof *opened);
    if (!opened)
        return FAIL(ERR_MEMORY, "cuda: out of memory for the device; close other programs");
    snprintf(opened->name, sizeof opened->name, "%s", name);
    int status = described_start(opened, json);
    if (status < 0) {
        cuda_described_close(opened);
        return status;
    }
    *device = opened;
    return OK;
}

void cuda_described_close(struct device *device)
{
    if (!device)
        return;
    if (device->properties)
        cudnnBackendDestroyDescriptor(device->properties);
    free(device);
}
