/* libraries: finds cuBLAS and cuDNN at run time, opens and closes them on a device's stream, and puts their failures
 * into words. Knows nothing of what they compute. */
#include "cuda.h"
#include "vendor.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct vendor vendor;

/* ---- finding ---- */

#define TEXT_OF(number) #number
#define TEXT(number)    TEXT_OF(number)
#define SYMBOL(name)    {#name, (void **)&vendor.name},

static const struct cuda_symbol dnn_symbols[] = {DNN_CALLS(SYMBOL){0}};
static const struct cuda_symbol blas_symbols[] = {BLAS_CALLS(SYMBOL){0}};

int cuda_library_load(const char *file, const char *product, const struct cuda_symbol *symbols)
{
    void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return FAIL(ERR_DEVICE,
                    "cuda: cannot load %s (%s); install %s or name its folder in LD_LIBRARY_PATH, or set train.device "
                    "= \"cpu\"",
                    file, dlerror(), product);
    for (; symbols->name; symbols++) {
        *symbols->at = dlsym(library, symbols->name);
        if (!*symbols->at)
            return FAIL(ERR_DEVICE, "cuda: %s has no %s; install %s, or set train.device = \"cpu\"", file,
                        symbols->name, product);
    }
    return OK;
}

/* Of the version that this program was compiled for. */
static int load_dnn(void)
{
    return cuda_library_load("libcudnn.so." TEXT(CUDNN_MAJOR), "cuDNN " TEXT(CUDNN_MAJOR) "." TEXT(CUDNN_MINOR),
                             dnn_symbols);
}

static int load_blas(void)
{
    return cuda_library_load("libcublasLt.so." TEXT(CUBLAS_VER_MAJOR), "cuBLAS " TEXT(CUBLAS_VER_MAJOR), blas_symbols);
}

/* ---- failures ---- */

int cudnn_failed(int status, const char *call, const char *file, int line)
{
    char detail[256] = "";
    vendor.cudnnGetLastErrorString(detail, sizeof detail);
    return fail_at(file, line, status == CUDNN_STATUS_ALLOC_FAILED ? ERR_MEMORY : ERR_DEVICE,
                   "cuDNN: %s failed: %s %s; report this with the output of `evenkeel devices`", call,
                   vendor.cudnnGetErrorString((cudnnStatus_t)status), detail);
}

int cublas_failed(int status, const char *call, const char *file, int line)
{
    return fail_at(file, line, status == CUBLAS_STATUS_ALLOC_FAILED ? ERR_MEMORY : ERR_DEVICE,
                   "cuBLAS: %s failed: %s; report this with the output of `evenkeel devices`", call,
                   vendor.cublasLtGetStatusString((cublasStatus_t)status));
}

/* ---- use ---- */

int cuda_libraries_open(struct device *device)
{
    TRY(load_blas());
    TRY(load_dnn());
    CUBLAS_TRY(vendor.cublasLtCreate(&device->blas));
    CUDNN_TRY(vendor.cudnnCreate(&device->dnn));
    CUDNN_TRY(vendor.cudnnSetStream(device->dnn, device->stream));
    const char *wanted = getenv("EVENKEEL_CUDA_TUNE");
    device->untimed = wanted && wanted[0] == '0';
    return OK;
}

void cuda_libraries_close(struct device *device)
{
    if (device->dnn)
        vendor.cudnnDestroy(device->dnn);
    if (device->blas)
        vendor.cublasLtDestroy(device->blas);
}

void cuda_libraries_describe(char *text, size_t bytes)
{
    const size_t blas = vendor.cublasLtGetVersion(), dnn = vendor.cudnnGetVersion();
    snprintf(text, bytes, "cuBLAS %zu.%zu.%zu, cuDNN %zu.%zu.%zu", blas / 10000, blas % 10000 / 100, blas % 100,
             dnn / 10000, dnn % 10000 / 100, dnn % 100);
}

/* ---- a device that is only described ---- */

static int described_start(struct device *device, const char *json)
{
    TRY(load_dnn());
    CUDNN_TRY(vendor.cudnnBackendCreateDescriptor(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, &device->properties));
    CUDNN_TRY(vendor.cudnnBackendSetAttribute(device->properties, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION,
                                              CUDNN_TYPE_CHAR, (int64_t)strlen(json), json));
    CUDNN_TRY(vendor.cudnnBackendFinalize(device->properties));
    return OK;
}

int cuda_described_open(struct device **device, const char *name, const char *json)
{
    *device = NULL;
    struct device *opened = calloc(1, sizeof *opened);
    if (!opened)
        return FAIL(ERR_MEMORY, "cuda: out of memory for the device; close other programs");
    snprintf(opened->name, sizeof opened->name, "%s", name);
    cuda_describe_driver(CUDA_DRIVER_FILE, opened->driver);
    opened->untimed = true;
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
        vendor.cudnnBackendDestroyDescriptor(device->properties);
    free(device);
}
