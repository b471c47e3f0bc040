/* memory: the memory of the emulated device, copies, and what it says of itself. Device memory is the host's own, but
 * starts as NaNs, and is poisoned for the address sanitizer while no operation runs. */
#include "stream.h"
#include <cstdio>
#include <cstdlib>

namespace emu
{
static std::map<const char *, size_t> &allocations = *new std::map<const char *, size_t>;
static std::map<const char *, size_t> &pinned = *new std::map<const char *, size_t>; /* of the host */
static size_t allocated;

void device_memory_open()
{
#ifdef EMU_ASAN
    for (const auto &held : allocations)
        __asan_unpoison_memory_region(held.first, held.second);
#endif
}

void device_memory_close()
{
#ifdef EMU_ASAN
    for (const auto &held : allocations)
        __asan_poison_memory_region(held.first, held.second);
#endif
}

/* How many bytes of one of these arrays lie from memory on; 0: it is in none. */
static size_t rest_of(const std::map<const char *, size_t> &arrays, const void *memory)
{
    const char *first = static_cast<const char *>(memory);
    auto after = arrays.upper_bound(first);
    if (after == arrays.begin())
        return 0;
    const auto held = std::prev(after);
    const size_t offset = size_t(first - held->first);
    return offset >= held->second ? 0 : held->second - offset;
}

/* 'D' device memory, 'H' the host's, '?' device memory that ends too early. */
static char place_of(const void *memory, size_t bytes)
{
    const size_t rest = rest_of(allocations, memory);
    return rest == 0 ? 'H' : bytes <= rest ? 'D' : '?';
}

static bool pageable(const void *memory, size_t bytes)
{
    return place_of(memory, bytes) == 'H' && rest_of(pinned, memory) < bytes;
}

static cudaError_t check_copy(const void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind)
{
    const char wanted[][3] = {"HH", "DH", "HD", "DD"};
    const char found[] = {place_of(to, bytes), place_of(from, bytes), 0};
    if (found[0] == '?' || found[1] == '?')
        return report_why(cudaErrorInvalidValue, "a copy of %zu bytes is larger than its array", bytes);
    if (kind != cudaMemcpyDefault && strcmp(found, wanted[kind]) != 0)
        return report_why(cudaErrorInvalidValue, "a copy of kind %d, to and from %s (Device, Host)", int(kind), found);
    return cudaSuccess;
}

static cudaError_t host_take(void **memory, size_t bytes)
{
    locked hold(lock);
    const cudaError_t refused = refuse_in_capture("memory is allocated");
    if (refused != cudaSuccess)
        return refused;
    if (posix_memalign(memory, 4096, bytes ? bytes : 1) != 0)
        return report(cudaErrorMemoryAllocation);
    memset(*memory, 0xFF, bytes);
    pinned[static_cast<char *>(*memory)] = bytes;
    return report(cudaSuccess);
}
} // namespace emu

extern "C" {
using namespace emu;

/* ---- memory ---- */

cudaError_t cudaMalloc(void **memory, size_t bytes)
{
    locked hold(lock);
    *memory = nullptr;
    const cudaError_t refused = refuse_in_capture("memory is allocated");
    if (refused != cudaSuccess || bytes == 0)
        return refused;
    if (allocated + bytes > emu_config.memory_bytes || posix_memalign(memory, 256, bytes) != 0)
        return report(cudaErrorMemoryAllocation);
    memset(*memory, 0xFF, bytes);
    allocated += bytes;
    allocations[static_cast<char *>(*memory)] = bytes;
    device_memory_close();
    return report(cudaSuccess);
}

cudaError_t cudaFree(void *memory)
{
    locked hold(lock);
    if (!memory)
        return cudaSuccess;
    const cudaError_t refused = refuse_in_capture("memory is released");
    if (refused != cudaSuccess)
        return refused;
    drain(nullptr);
    auto held = allocations.find(static_cast<char *>(memory));
    if (held == allocations.end())
        return report_why(cudaErrorInvalidValue, "%p, to be released, is not allocated", memory);
    __asan_unpoison_memory_region(memory, held->second);
    allocated -= held->second;
    allocations.erase(held);
    free(memory);
    return report(cudaSuccess);
}

cudaError_t cudaMallocHost(void **memory, size_t bytes)
{
    return host_take(memory, bytes);
}

cudaError_t cudaHostAlloc(void **memory, size_t bytes, unsigned)
{
    return host_take(memory, bytes);
}

cudaError_t cudaFreeHost(void *memory)
{
    locked hold(lock);
    if (!memory)
        return cudaSuccess;
    const cudaError_t refused = refuse_in_capture("memory is released");
    if (refused != cudaSuccess)
        return refused;
    drain(nullptr);
    if (!pinned.erase(static_cast<char *>(memory)))
        return report_why(cudaErrorInvalidValue, "%p, to be released, is not pinned", memory);
    free(memory);
    return report(cudaSuccess);
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind, cudaStream_t stream)
{
    locked hold(lock);
    const cudaError_t wrong = check_copy(to, from, bytes, kind);
    if (wrong != cudaSuccess || bytes == 0)
        return wrong;
    /* It would be read when the graph runs, or not at all: the runtime refuses it. */
    const cudaError_t refused = pageable(to, bytes) || pageable(from, bytes)
                                    ? refuse_captured(stream, "pageable memory is copied")
                                    : cudaSuccess;
    if (refused != cudaSuccess)
        return refused;
    return enqueue(stream, {[=] { memcpy(to, from, bytes); }, false, nullptr, 0});
}

cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind)
{
    count_wait();
    return cudaMemcpyAsync(to, from, bytes, kind, nullptr);
}

cudaError_t cudaMemsetAsync(void *memory, int value, size_t bytes, cudaStream_t stream)
{
    locked hold(lock);
    if (place_of(memory, bytes) != 'D')
        return report_why(cudaErrorInvalidValue, "%zu bytes to be set are not all device memory", bytes);
    return enqueue(stream, {[=] { memset(memory, value, bytes); }, false, nullptr, 0});
}

cudaError_t cudaMemset(void *memory, int value, size_t bytes)
{
    return cudaMemsetAsync(memory, value, bytes, nullptr);
}

cudaError_t cudaMemGetInfo(size_t *available, size_t *total)
{
    locked hold(lock);
    *total = emu_config.memory_bytes;
    *available = emu_config.memory_bytes - allocated;
    return report(cudaSuccess);
}

/* ---- the device ---- */

enum { SM_COUNT = 4, CAPABILITY_MAJOR = 9, CAPABILITY_MINOR = 0, CUDA_VERSION = 13000, L2_BYTES = 2 << 20 };

cudaError_t cudaGetDeviceCount(int *count)
{
    *count = 1;
    return cudaSuccess;
}

cudaError_t cudaSetDevice(int device)
{
    return device == 0 ? cudaSuccess : report(cudaErrorInvalidDevice);
}

cudaError_t cudaGetDevice(int *device)
{
    *device = 0;
    return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *properties, int device)
{
    if (device != 0)
        return report(cudaErrorInvalidDevice);
    *properties = cudaDeviceProp();
    snprintf(properties->name, sizeof properties->name, "emulated GPU");
    properties->totalGlobalMem = emu_config.memory_bytes;
    properties->sharedMemPerBlock = STATIC_SHARED_BYTES;
    properties->sharedMemPerBlockOptin = MOST_SHARED_BYTES;
    properties->warpSize = LANES;
    properties->maxThreadsPerBlock = MOST_THREADS;
    properties->multiProcessorCount = SM_COUNT;
    properties->major = CAPABILITY_MAJOR;
    properties->minor = CAPABILITY_MINOR;
    properties->l2CacheSize = L2_BYTES;
    return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr attribute, int device)
{
    if (device != 0)
        return report(cudaErrorInvalidDevice);
    switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock: *value = MOST_THREADS; return cudaSuccess;
    case cudaDevAttrWarpSize: *value = LANES; return cudaSuccess;
    case cudaDevAttrMultiProcessorCount: *value = SM_COUNT; return cudaSuccess;
    case cudaDevAttrL2CacheSize: *value = L2_BYTES; return cudaSuccess;
    case cudaDevAttrComputeCapabilityMajor: *value = CAPABILITY_MAJOR; return cudaSuccess;
    case cudaDevAttrComputeCapabilityMinor: *value = CAPABILITY_MINOR; return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = MOST_SHARED_BYTES; return cudaSuccess;
    }
    return report(cudaErrorInvalidValue);
}

cudaError_t cudaDriverGetVersion(int *version)
{
    *version = CUDA_VERSION;
    return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int *version)
{
    *version = CUDA_VERSION;
    return cudaSuccess;
}

cudaError_t cudaFuncSetAttribute(const void *function, enum cudaFuncAttribute attribute, int value)
{
    locked hold(lock);
    if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize || value < 0 || value > MOST_SHARED_BYTES)
        return report(cudaErrorInvalidValue);
    shared_limit_set(function, size_t(value));
    return cudaSuccess;
}
}
