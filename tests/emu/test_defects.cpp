/* Tests of the tests: kernels with one defect planted each, and who must notice it. */
#include "array.h"
#include "check.h"
#include "emu.h"
#include "fork.h"
#include <cmath>

/* Ends at the first report of the race detector, so that a report cannot be missed. */
extern "C" const char *__tsan_default_options(void);
extern "C" const char *__tsan_default_options(void)
{
    return "halt_on_error=1";
}

enum defect {
    NONE,
    /* threads */
    NO_BARRIER_IN_TREE,
    NO_BARRIER_AFTER_LOAD,
    BARRIER_OF_HALF,
    BARRIER_IN_BRANCHES,
    END_BEFORE_BARRIER,
    SHUFFLE_OF_HALF,
    SHARED_NOT_WRITTEN,
    INCREMENT_NOT_ATOMIC,
    NO_FENCE,
    /* memory */
    GLOBAL_OVERRUN,
    GLOBAL_OVERREAD,
    SHARED_OVERRUN,
    DYNAMIC_OVERRUN,
    MISALIGNED,
    HOST_READS_DEVICE,
    /* host */
    STREAM_NOT_AWAITED,
};

static const int THREADS = 64, BLOCKS = 3, ROUNDS = 20;

/* Sums a block's values over a tree. */
static __global__ void tree_kernel(const float *in, float *out, int planted)
{
    SHARED(float, sums, [THREADS]);
    const int i = int(threadIdx.x);
    if (planted == END_BEFORE_BARRIER && i == THREADS - 1)
        return;
    if (planted != SHARED_NOT_WRITTEN || i < THREADS - 1)
        sums[i + (planted == SHARED_OVERRUN)] = in[blockIdx.x * THREADS + threadIdx.x];
    if (planted == BARRIER_IN_BRANCHES) {
        if (i < THREADS / 2)
            __syncthreads();
        else
            __syncthreads();
    } else if (planted != NO_BARRIER_AFTER_LOAD && (planted != BARRIER_OF_HALF || i < THREADS / 2)) {
        __syncthreads();
    }
    for (int d = THREADS / 2; d > 0; d /= 2) {
        if (i < d)
            sums[i] += sums[i + d];
        if (planted != NO_BARRIER_IN_TREE || d != 8)
            __syncthreads();
    }
    if (i == 0)
        out[blockIdx.x] = sums[0];
}

static bool tree_is_wrong(defect planted)
{
    std::vector<float> values(THREADS * BLOCKS);
    for (size_t i = 0; i < values.size(); i++)
        values[i] = float(i % 7);
    array<float> in(values), out(BLOCKS);
    gpu::launch(tree_kernel, BLOCKS, THREADS, 0, nullptr, in.memory, out.memory, int(planted));
    const std::vector<float> got = out.values();
    for (int b = 0; b < BLOCKS; b++) {
        float want = 0;
        for (int i = 0; i < THREADS; i++)
            want += float((b * THREADS + i) % 7);
        if (!(got[size_t(b)] == want))
            return true;
    }
    return false;
}

static __global__ void shuffle_kernel(float *out, int planted)
{
    float value = float(threadIdx.x);
    if (planted != SHUFFLE_OF_HALF || threadIdx.x < 16)
        value += __shfl_down_sync(~0u, value, 16);
    out[threadIdx.x] = value;
}

static bool shuffle_is_wrong(defect planted)
{
    array<float> out(32);
    gpu::launch(shuffle_kernel, 1, 32, 0, nullptr, out.memory, int(planted));
    return out.values()[0] != 16.0f;
}

static __global__ void count_kernel(unsigned *counts, int planted)
{
    if (planted == INCREMENT_NOT_ATOMIC)
        counts[threadIdx.x % 4]++;
    else
        atomicAdd(&counts[threadIdx.x % 4], 1u);
}

static bool count_is_wrong(defect planted)
{
    array<unsigned> counts(4);
    gpu::launch(count_kernel, BLOCKS, THREADS, 0, nullptr, counts.memory, int(planted));
    return counts.values()[0] != BLOCKS * THREADS / 4;
}

/* The last block to finish adds up what all have left. */
static __global__ void last_block_kernel(float *parts, unsigned *ticket, float *total, int planted)
{
    if (threadIdx.x != 0)
        return;
    parts[blockIdx.x] = float(blockIdx.x + 1);
    if (planted != NO_FENCE)
        __threadfence();
    if (atomicInc(ticket, gridDim.x - 1) != gridDim.x - 1)
        return;
    if (planted != NO_FENCE)
        __threadfence();
    float sum = 0;
    for (unsigned i = 0; i < gridDim.x; i++)
        sum += __ldcg(parts + i);
    *total = sum;
}

static bool last_block_is_wrong(defect planted)
{
    array<float> parts(BLOCKS), total(1);
    array<unsigned> ticket(1);
    gpu::launch(last_block_kernel, BLOCKS, THREADS, 0, nullptr, parts.memory, ticket.memory, total.memory,
                int(planted));
    return total.values()[0] != 6.0f;
}

static __global__ void copy_kernel(const float *in, float *out, int count, int planted)
{
    const int i = int(blockIdx.x * blockDim.x + threadIdx.x);
    if (planted == MISALIGNED) {
        if (i == 0)
            *reinterpret_cast<float4 *>(out) = *reinterpret_cast<const float4 *>(in + 1);
        return;
    }
    if (i < count + (planted == GLOBAL_OVERRUN))
        out[i] = in[i < count + (planted == GLOBAL_OVERREAD) - 1 ? i + 1 : 0];
}

static bool copy_is_wrong(defect planted)
{
    const int count = 100; /* not whole blocks, and whole 8 bytes, so that the next byte is guarded */
    std::vector<float> values(count);
    for (size_t i = 0; i < values.size(); i++)
        values[i] = float(i);
    array<float> in(values), out(count);
    gpu::launch(copy_kernel, 2, THREADS, 0, nullptr, in.memory, out.memory, count, int(planted));
    return planted != MISALIGNED && out.values()[0] != 1.0f;
}

static __global__ void dynamic_kernel(float *out, int planted)
{
    DYN_SHARED(float, values);
    values[threadIdx.x + (planted == DYNAMIC_OVERRUN)] = 1.0f;
    __syncthreads();
    out[threadIdx.x] = values[blockDim.x - 1 - threadIdx.x];
}

static bool dynamic_is_wrong(defect planted)
{
    array<float> out(THREADS);
    gpu::launch(dynamic_kernel, 1, THREADS, THREADS * sizeof(float), nullptr, out.memory, int(planted));
    return out.values()[1] != 1.0f;
}

static bool host_is_wrong(defect planted)
{
    array<float> out(4);
    const volatile float *read = out.memory;
    return planted == HOST_READS_DEVICE && !(*read == 0.0f);
}

/* A result is fetched by a second stream, which must wait for the first. */
static bool stream_is_wrong(defect planted)
{
    cudaStream_t first, second;
    cudaEvent_t counted;
    cudaStreamCreate(&first);
    cudaStreamCreate(&second);
    cudaEventCreate(&counted);
    array<unsigned> counts(4);
    unsigned got[4] = {};
    gpu::launch(count_kernel, BLOCKS, THREADS, 0, first, counts.memory, 0);
    cudaEventRecord(counted, first);
    if (planted != STREAM_NOT_AWAITED)
        cudaStreamWaitEvent(second, counted, 0);
    cudaMemcpyAsync(got, counts.memory, sizeof got, cudaMemcpyDeviceToHost, second);
    cudaStreamSynchronize(second);
    cudaStreamSynchronize(first);
    cudaEventDestroy(counted);
    cudaStreamDestroy(first);
    cudaStreamDestroy(second);
    return got[3] != BLOCKS * THREADS / 4;
}

/* ---- who notices ---- */

/* ASan and UBSan are gcc's or clang's; the latter's copies structs without asking how they are aligned. */
enum { BY_PLAIN = 1, BY_GCC = 2, BY_TSAN = 4, BY_CLANG = 8, BY_ASAN = BY_GCC | BY_CLANG };
#if defined(EMU_ASAN) && defined(__clang__)
static const int here_is = BY_CLANG;
#elif defined(EMU_ASAN)
static const int here_is = BY_GCC;
#elif defined(EMU_TSAN)
static const int here_is = BY_TSAN;
#else
static const int here_is = BY_PLAIN;
#endif
static const int BY_ALL = BY_PLAIN | BY_ASAN | BY_TSAN;

static const struct {
    const char *name;
    bool (*is_wrong)(defect planted);
    defect planted;
    int by; /* in at least one of the schedules */
} rows[] = {
    {"a barrier missing in a tree", tree_is_wrong, NO_BARRIER_IN_TREE, BY_ALL},
    {"a barrier missing after loading", tree_is_wrong, NO_BARRIER_AFTER_LOAD, BY_ALL},
    {"a barrier that half of the block reaches", tree_is_wrong, BARRIER_OF_HALF, BY_ALL},
    {"a barrier in two branches", tree_is_wrong, BARRIER_IN_BRANCHES, BY_ALL},
    {"a thread that ends before a barrier", tree_is_wrong, END_BEFORE_BARRIER, BY_ALL},
    {"a shuffle that half of the warp reaches", shuffle_is_wrong, SHUFFLE_OF_HALF, BY_ALL},
    {"shared memory read but not written", tree_is_wrong, SHARED_NOT_WRITTEN, BY_ALL},
    {"an increment that is not atomic", count_is_wrong, INCREMENT_NOT_ATOMIC, BY_TSAN},
    {"a missing fence", last_block_is_wrong, NO_FENCE, BY_TSAN},
    {"a write beyond an array", copy_is_wrong, GLOBAL_OVERRUN, BY_ASAN},
    {"a read beyond an array", copy_is_wrong, GLOBAL_OVERREAD, BY_ASAN},
    {"a write beyond shared memory", tree_is_wrong, SHARED_OVERRUN, BY_ASAN},
    {"a write beyond dynamic shared memory", dynamic_is_wrong, DYNAMIC_OVERRUN, BY_ASAN},
    {"16 bytes read at an address that is not aligned", copy_is_wrong, MISALIGNED, BY_GCC},
    {"the host reads device memory", host_is_wrong, HOST_READS_DEVICE, BY_ASAN},
    {"a stream that does not wait for another", stream_is_wrong, STREAM_NOT_AWAITED, BY_ALL},
};

static bool notices(bool (*is_wrong)(defect), defect planted, int rounds)
{
    bool noticed = false;
    for (int round = 0; round < rounds && !noticed; round++)
        noticed = run_apart([=] {
                      emu_reset_round(round);
                      return is_wrong(planted) || cudaDeviceSynchronize() != cudaSuccess;
                  }) != FATE_FINE;
    return noticed;
}

static void planted_defects_are_noticed(void **)
{
    for (const auto &row : rows)
        if (row.by & here_is && !notices(row.is_wrong, row.planted, ROUNDS))
            fail_msg("not noticed: %s", row.name);
}

static void nothing_is_noticed_without_a_defect(void **)
{
    for (const auto &row : rows)
        if (notices(row.is_wrong, NONE, 4))
            fail_msg("noticed, but not planted: %s", row.name);
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(planted_defects_are_noticed),
        cmocka_unit_test(nothing_is_noticed_without_a_defect),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
