/* described: see the header. Empty where the CUDA backend is not built. */
#include "described.h"
#include "fixtures.h"

#ifdef WITH_CUDA
/* Of kernels/cuda/cuda.h, which is private. */
int cuda_described_open(struct device **device, const char *name, const char *json);
void cuda_described_close(struct device *device);
extern const struct op_impl cuda_conv2d;

struct device *described;

/* From NVIDIA's data sheet; the members' names are those in cuDNN's own library. */
static const char h200[] =
    "{\"cudaDeviceId\":0,\"deviceName\":\"NVIDIA H200\",\"deviceVer\":900,\"driverVer\":13000,\"isTccDriver\":0,"
    "\"l2CacheSize\":62914560,\"maxCtasPerSM\":32,\"maxRegistersPerSM\":65536,\"maxSharedMemoryPerBlock\":49152,"
    "\"maxSharedMemoryPerBlockOptin\":232448,\"maxThreadsPerBlock\":1024,\"maxThreadsPerSM\":2048,"
    "\"memClockRateKHz\":3201000,\"multiProcessorCount\":132,\"pciDeviceId\":0,\"regsPerBlock\":65536,"
    "\"reservedSharedMemoryPerBlock\":1024,\"smClockRateKHz\":1980000,\"supportCoopLaunch\":1,"
    "\"totalGlobalMem\":150754820096,\"warpSize\":32,\"maxBlockSize\":[1024,1024,64],"
    "\"maxGridSize\":[2147483647,65535,65535]}";

int described_begin(void **state)
{
    if (fixture_begin(state) != 0)
        return -1;
    setenv("XDG_CACHE_HOME", fixture_path("cache"), 1);
    return cuda_described_open(&described, "NVIDIA H200", h200);
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
    desc.deterministic = true;
    void *state = NULL;
    *needs = (struct op_needs){0};
    int status = cuda_conv2d.prepare(described, &desc, &state, needs);
    cuda_conv2d.release(state);
    return status;
}
#else
int described_nothing;
#endif
