/* device: opens and describes a GPU, hands out its memory, moves bytes to and from it on the one stream, and lists what
 * the backend can do. Knows nothing of what operations compute, and of cuBLAS and cuDNN only that they are opened. */
#include "cuda.h"
#include <cuda_runtime_api.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    HALF = CUDA_STAGING_BYTES / 2,
    STAGED_MOST = HALF / 2,
    STAGING_ALIGNMENT = 64,
    ROUNDING = 256,
    MEMORY_RESERVE = 48 << 20,
    LEAST_CAPABILITY = 80, /* bf16 in hardware */
};

int cuda_failed(int error, const char *call, const char *file, int line)
{
    const int status = error == cudaErrorMemoryAllocation ? ERR_MEMORY : ERR_DEVICE;
    const char *remedy = error == cudaErrorNoKernelImageForDevice
                             ? "build again with CUDA_ARCH naming this GPU (`make CUDA_ARCH=sm_90`)"
                             : "run once with CUDA_LAUNCH_BLOCKING=1, which names the call at fault";
    return fail_at(file, line, status, "CUDA: %s failed: %s (%s); %s", call, cudaGetErrorString((cudaError_t)error),
                   cudaGetErrorName((cudaError_t)error), remedy);
}

static void device_close(struct device *device)
{
    if (!device)
        return;
    if (device->stream)
        cudaStreamSynchronize(device->stream);
    cuda_libraries_close(device);
    cuda_graph_close(device);
    cuda_marks_close(device);
    for (int half = 0; half < 2; half++)
        if (device->drained[half])
            cudaEventDestroy(device->drained[half]);
    cudaFreeHost(device->staging);
    cudaFree(device->tickets);
    cudaFree(device->reduction);
    if (device->stream)
        cudaStreamDestroy(device->stream);
    free(device);
}

/* Why there is no GPU to be had, in words for whoever asked for one. */
static int no_device(cudaError_t error)
{
    int driver = 0, runtime = 0;
    cudaDriverGetVersion(&driver);
    cudaRuntimeGetVersion(&runtime);
    if (driver == 0)
        return FAIL(ERR_DEVICE, "cuda: no NVIDIA driver; install it, or set train.device = \"cpu\"");
    if (error == cudaErrorInsufficientDriver)
        return FAIL(ERR_DEVICE,
                    "cuda: the NVIDIA driver is for CUDA %d.%d and this program needs %d.%d; update the driver, or set "
                    "train.device = \"cpu\"",
                    driver / 1000, driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10);
    if (error == cudaErrorNoDevice || error == cudaSuccess)
        return FAIL(ERR_DEVICE, "cuda: the NVIDIA driver sees no GPU; look at nvidia-smi and CUDA_VISIBLE_DEVICES, or "
                                "set train.device = \"cpu\"");
    return FAIL(ERR_DEVICE, "cuda: %s (%s); look at nvidia-smi, or set train.device = \"cpu\"",
                cudaGetErrorString(error), cudaGetErrorName(error));
}

static int find_device(struct device *device)
{
    int count = 0;
    const cudaError_t error = cudaGetDeviceCount(&count);
    if (error != cudaSuccess || count == 0)
        return no_device(error);
    if (device->index >= count)
        return FAIL(ERR_DEVICE, "cuda:%d: there %s %d GPU%s, counted from 0", device->index, count == 1 ? "is" : "are",
                    count, count == 1 ? "" : "s");
    struct cudaDeviceProp properties;
    CUDA_TRY(cudaGetDeviceProperties(&properties, device->index));
    snprintf(device->name, sizeof device->name, "%.*s", CUDA_NAME_BYTES - 1, properties.name);
    device->sm_count = properties.multiProcessorCount;
    device->capability = properties.major * 10 + properties.minor;
    device->memory_bytes = properties.totalGlobalMem;
    cuda_describe_driver(CUDA_DRIVER_FILE, device->driver);
    if (device->capability < LEAST_CAPABILITY)
        return FAIL(ERR_DEVICE, "cuda:%d: %s has compute capability %d.%d; 8.0 (Ampere) is the least", device->index,
                    device->name, properties.major, properties.minor);
    return OK;
}

static int device_start(struct device *device)
{
    TRY(find_device(device));
    CUDA_TRY(cudaSetDevice(device->index));
    CUDA_TRY(cudaStreamCreateWithFlags(&device->stream, cudaStreamNonBlocking));
    device->reduction_bytes = CUDA_REDUCTION_BYTES;
    CUDA_TRY(cudaMalloc(&device->reduction, device->reduction_bytes));
    CUDA_TRY(cudaMalloc((void **)&device->tickets, CUDA_TICKETS * sizeof *device->tickets));
    CUDA_TRY(cudaMemsetAsync(device->tickets, 0, CUDA_TICKETS * sizeof *device->tickets, device->stream));
    CUDA_TRY(cudaMallocHost((void **)&device->staging, CUDA_STAGING_BYTES));
    for (int half = 0; half < 2; half++)
        CUDA_TRY(cudaEventCreateWithFlags(&device->drained[half], cudaEventDisableTiming));
    TRY(cuda_graph_open(device));
    return cuda_libraries_open(device);
}

static int device_open(struct device **device, int index, int threads)
{
    (void)threads;
    *device = NULL;
    struct device *opened = calloc(1, sizeof *opened);
    if (!opened)
        return FAIL(ERR_MEMORY, "cuda: out of memory for the device; close other programs");
    opened->index = index;
    int status = device_start(opened);
    if (status < 0) {
        device_close(opened);
        return status;
    }
    *device = opened;
    return OK;
}

static void device_describe(const struct device *device, char *text, size_t bytes)
{
    char libraries[64];
    int driver = 0;
    cudaDriverGetVersion(&driver);
    cuda_libraries_describe(libraries, sizeof libraries);
    snprintf(text, bytes, "%s, %d SMs, %.0f GB, sm_%d, driver for CUDA %d.%d, %s", device->name, device->sm_count,
             (double)device->memory_bytes / 1e9, device->capability, driver / 1000, driver % 1000 / 10, libraries);
}

static bool device_supports(const struct device *device, enum dtype dtype, bool *in_hardware)
{
    (void)device;
    *in_hardware = dtype == DT_F32 || dtype == DT_BF16 || dtype == DT_F16;
    return *in_hardware;
}

/* ---- memory ---- */

static int out_of_memory(const char *what, size_t bytes, const char *remedy)
{
    size_t free_bytes = 0, all_bytes = 0;
    cudaGetLastError(); /* the failed call's error would be reported again by the next launch */
    cudaMemGetInfo(&free_bytes, &all_bytes);
    return FAIL(ERR_MEMORY, "cuda: %s needs %zu MiB; %zu of the GPU's %zu MiB are free; %s", what, bytes >> 20,
                free_bytes >> 20, all_bytes >> 20, remedy);
}

/* The driver hands out memory in pieces of 2 MiB, one array at least one, and takes some for itself. */
static size_t device_available(const struct device *device)
{
    size_t free_bytes = 0, all_bytes = 0;
    (void)device;
    cudaMemGetInfo(&free_bytes, &all_bytes);
    return free_bytes > MEMORY_RESERVE ? free_bytes - MEMORY_RESERVE : 0;
}

static int device_alloc(struct device *device, size_t bytes, void **memory)
{
    const size_t whole = (bytes + ROUNDING - 1) / ROUNDING * ROUNDING + (bytes == 0) * ROUNDING;
    *memory = NULL;
    const cudaError_t error = cudaMalloc(memory, whole);
    if (error == cudaErrorMemoryAllocation)
        return out_of_memory("an array", bytes, "use a smaller train.batch_size, or end other programs on the GPU");
    CUDA_TRY(error);
    CUDA_TRY(cudaMemsetAsync(*memory, 0, whole, device->stream));
    return OK;
}

static void device_release(struct device *device, void *memory)
{
    (void)device;
    cudaFree(memory);
}

int cuda_wait(struct device *device)
{
    device->waits++;
    CUDA_TRY(cudaStreamSynchronize(device->stream));
    return OK;
}

/* An event that is not over is no error, but remembered as one. */
int cuda_hold(struct device *device, struct CUevent_st *event)
{
    const cudaError_t state = cudaEventQuery(event);
    if (state == cudaErrorNotReady) {
        cudaGetLastError();
        device->held++;
        CUDA_TRY(cudaEventSynchronize(event));
        return OK;
    }
    CUDA_TRY(state);
    return OK;
}

/* The caller's bytes may change when this returns: small ones (a step's numbers) leave from pinned memory without
 * waiting, large ones (never within a step) are waited for. */
static int device_upload(struct device *device, void *to, const void *from, size_t bytes)
{
    if (bytes == 0)
        return OK;
    if (bytes > STAGED_MOST) {
        CUDA_TRY(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, device->stream));
        return cuda_wait(device);
    }
    if (device->staging_used + bytes > HALF) {
        CUDA_TRY(cudaEventRecord(device->drained[device->staging_half], device->stream));
        device->staging_half = !device->staging_half;
        device->staging_used = 0;
        TRY(cuda_hold(device, device->drained[device->staging_half]));
    }
    char *staged = device->staging + device->staging_half * HALF + device->staging_used;
    device->staging_used += (bytes + STAGING_ALIGNMENT - 1) / STAGING_ALIGNMENT * STAGING_ALIGNMENT;
    memcpy(staged, from, bytes);
    CUDA_TRY(cudaMemcpyAsync(to, staged, bytes, cudaMemcpyHostToDevice, device->stream));
    return OK;
}

static int device_download(struct device *device, void *to, const void *from, size_t bytes)
{
    if (bytes > 0)
        CUDA_TRY(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, device->stream));
    return OK;
}

static int device_zero(struct device *device, void *memory, size_t bytes)
{
    if (bytes > 0)
        CUDA_TRY(cudaMemsetAsync(memory, 0, bytes, device->stream));
    return OK;
}

static int device_copy(struct device *device, void *to, const void *from, size_t bytes)
{
    if (bytes > 0)
        CUDA_TRY(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, device->stream));
    return OK;
}

/* A copy on the device. */
static int device_place(struct device *device, const void *host, size_t bytes, const void **memory)
{
    void *copy = NULL;
    *memory = NULL;
    const cudaError_t error = cudaMalloc(&copy, bytes ? bytes : ROUNDING);
    if (error == cudaErrorMemoryAllocation)
        return out_of_memory("the data set", bytes, "make a smaller one (smaller images), or use a larger GPU");
    CUDA_TRY(error);
    int status = device_upload(device, copy, host, bytes);
    if (status < 0) {
        cudaFree(copy);
        return status;
    }
    *memory = copy;
    return OK;
}

static void device_unplace(struct device *device, const void *memory)
{
    (void)device;
    cudaFree((void *)memory);
}

/* Mapped into the device's addresses, which are the host's. */
static int device_share(struct device *device, size_t bytes, void **memory)
{
    (void)device;
    *memory = NULL;
    CUDA_TRY(cudaHostAlloc(memory, bytes, cudaHostAllocMapped | cudaHostAllocPortable));
    memset(*memory, 0, bytes);
    return OK;
}

static void device_unshare(struct device *device, void *memory)
{
    (void)device;
    cudaFreeHost(memory);
}

static int64_t device_waits(const struct device *device)
{
    return device->waits;
}

static int64_t device_held(const struct device *device)
{
    return device->held;
}

const struct backend backend_cuda = {
    .name = "cuda",
    .open = device_open,
    .close = device_close,
    .describe = device_describe,
    .supports = device_supports,
    .available = device_available,
    .alloc = device_alloc,
    .release = device_release,
    .place = device_place,
    .unplace = device_unplace,
    .feed_open = cuda_feed_open,
    .feed_close = cuda_feed_close,
    .feed_send = cuda_feed_send,
    .feed_taken = cuda_feed_taken,
    .feed_wait = cuda_feed_wait,
    .share = device_share,
    .unshare = device_unshare,
    .upload = device_upload,
    .download = device_download,
    .zero = device_zero,
    .copy = device_copy,
    .wait = cuda_wait,
    .waits = device_waits,
    .held = device_held,
    .pace = cuda_pace,
    .range_begin = cuda_range_begin,
    .range_end = cuda_range_end,
    .mark = cuda_mark,
    .mark_seconds = cuda_mark_seconds,
    .repeat = cuda_repeat,
    .forget = cuda_forget,
    .gather = cuda_gather,
    .loss = cuda_loss,
    .accumulate = cuda_accumulate,
    .grad_norm = cuda_grad_norm,
    .part_norm = cuda_part_norm,
    .survey = cuda_survey,
    .update = cuda_update,
    .lower = cuda_lower,
    .blend = cuda_blend,
    .swap = cuda_swap,
    .record = cuda_record,
    .count_nonfinite = cuda_count_nonfinite,
    .ops =
        {
            [OP_CONV2D] = &cuda_conv2d,
            [OP_LINEAR] = &cuda_linear,
            [OP_NORM] = &cuda_norm,
            [OP_RELU] = &cuda_relu,
            [OP_POOL] = &cuda_pool,
            [OP_ADD] = &cuda_add,
            [OP_DROPOUT] = &cuda_dropout,
        },
};
