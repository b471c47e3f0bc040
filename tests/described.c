/* described: see the header. Empty where the CUDA backend is not built. */
#include "described.h"
#include "fixtures.h"

#include <stdio.h>

#ifdef WITH_CUDA
/* Of kernels/cuda/cuda.h, which is private. */
int cuda_described_open(struct device **device, const char *name, const char *json);
void cuda_described_close(struct device *device);
extern const struct op_impl cuda_conv2d;

struct device *described;

/* From NVIDIA's data sheets; the members' names are those in cuDNN's own library. */
static const struct gpu {
    const char *name;
    int capability, sm_count, l2_mib, blocks_per_sm, threads_per_sm, shared_most; /* shared: bytes of a block */
    int64_t memory_gb;
} gpus[] = {
    {"NVIDIA H200", 90, 132, 60, 32, 2048, 232448, 141},     {"NVIDIA A100", 80, 108, 40, 32, 2048, 166912, 80},
    {"NVIDIA RTX 4090", 89, 128, 72, 24, 1536, 101376, 24},  {"NVIDIA B200", 100, 148, 126, 32, 2048, 232448, 180},
    {"NVIDIA RTX 5090", 120, 170, 96, 24, 1536, 101376, 32},
};

static int describe(const struct gpu *gpu)
{
    char json[1024];
    snprintf(json, sizeof json,
             "{\"cudaDeviceId\":0,\"deviceName\":\"%s\",\"deviceVer\":%d,\"driverVer\":13000,\"isTccDriver\":0,"
             "\"l2CacheSize\":%d,\"maxCtasPerSM\":%d,\"maxRegistersPerSM\":65536,\"maxSharedMemoryPerBlock\":49152,"
             "\"maxSharedMemoryPerBlockOptin\":%d,\"maxThreadsPerBlock\":1024,\"maxThreadsPerSM\":%d,"
             "\"memClockRateKHz\":3201000,\"multiProcessorCount\":%d,\"pciDeviceId\":0,\"regsPerBlock\":65536,"
             "\"reservedSharedMemoryPerBlock\":1024,\"smClockRateKHz\":1980000,\"supportCoopLaunch\":1,"
             "\"totalGlobalMem\":%lld,\"warpSize\":32,\"maxBlockSize\":[1024,1024,64],"
             "\"maxGridSize\":[2147483647,65535,65535]}",
             gpu->name, gpu->capability * 10, gpu->l2_mib << 20, gpu->blocks_per_sm, gpu->shared_most,
             gpu->threads_per_sm, gpu->sm_count, (long long)gpu->memory_gb * 1000000000);
    return cuda_described_open(&described, gpu->name, json);
}

int described_use(int capability)
{
    cuda_described_close(described);
    described = NULL;
    for (int i = 0; i < COUNT_OF(gpus); i++)
        if (gpus[i].capability == capability)
            return describe(&gpus[i]);
    return FAIL(ERR_USAGE, "no GPU of compute capability %d is described", capability);
}

int described_begin(void **state)
{
    if (fixture_begin(state) != 0)
        return -1;
    setenv("XDG_CACHE_HOME", fixture_path("cache"), 1);
    return describe(&gpus[0]);
}

int described_end(void **state)
{
    cuda_described_close(described);
    return fixture_end(state);
}

int described_conv(const union op_params *params, struct shape in, struct shape out, enum dtype dtype, bool tf32)
{
    const struct op_desc desc = {.params = params,
                                 .in = {in},
                                 .out = out,
                                 .in_count = 1,
                                 .dtype = dtype,
                                 .training = true,
                                 .in_grad = {true},
                                 .deterministic = true,
                                 .tf32 = tf32};
    void *state = NULL;
    struct op_needs needs = {0};
    int status = cuda_conv2d.prepare(described, &desc, &state, &needs);
    if (status == OK) {
        const int64_t taps = (int64_t)params->conv2d.kernel_h * params->conv2d.kernel_w;
        assert_int_equal(needs.weight[0].count, out.c * taps * in.c / params->conv2d.groups);
        assert_int_equal(needs.weight[0].dtype, dtype);
        /* A gradient in 16 bits lies in scratch before it is widened. */
        assert_true(needs.scratch_bytes >= (dtype == DT_F32 ? 0 : (size_t)needs.weight[0].count * 2));
    } else {
        assert_null(state);
    }
    cuda_conv2d.release(state);
    return status;
}

int described_prepare(const struct op_desc *asked, const union op_params *params, struct shape in, struct shape out,
                      struct op_needs *needs)
{
    struct op_desc desc = *asked;
    desc.params = params;
    desc.in[0] = in;
    desc.out = out;
    desc.in_count = 1;
    desc.training = true;
    void *state = NULL;
    *needs = (struct op_needs){0};
    int status = cuda_conv2d.prepare(described, &desc, &state, needs);
    cuda_conv2d.release(state);
    return status;
}
#else
int described_nothing;
#endif
