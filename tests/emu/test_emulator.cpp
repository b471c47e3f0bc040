/* The emulator keeps CUDA's rules: shared memory per block and instance, warp operations, barriers, atomics, launch
 * limits; and says what is wrong where a kernel breaks them. */
#include "array.h"
#include "check.h"
#include "emu.h"

static const int ROUNDS = 12;

/* ---- what must work ---- */

template <int N> static __global__ void reverse_kernel(int *out)
{
    SHARED(int, values, [N]);
    values[threadIdx.x] = int(threadIdx.x) + N;
    __syncthreads();
    out[blockIdx.x * N + threadIdx.x] = values[N - 1 - threadIdx.x];
}

static void shared_memory_is_per_block_and_instance(void **)
{
    for (int round = 0; round < ROUNDS; round++) {
        emu_reset_round(round);
        array<int> wide(16 * 64), narrow(16 * 40);
        gpu::launch(reverse_kernel<64>, 16, 64, 0, nullptr, wide.memory);
        gpu::launch(reverse_kernel<40>, 16, 40, 0, nullptr, narrow.memory);
        std::vector<int> of_wide = wide.values(), of_narrow = narrow.values();
        for (int i = 0; i < 16 * 64; i++)
            assert_int_equal(of_wide[size_t(i)], 63 - i % 64 + 64);
        for (int i = 0; i < 16 * 40; i++)
            assert_int_equal(of_narrow[size_t(i)], 39 - i % 40 + 40);
    }
}

static __device__ int broadcast(int value)
{
    SHARED(int, kept);
    __syncthreads();
    if (threadIdx.x == 0)
        kept = value;
    __syncthreads();
    return kept;
}

static __global__ void helper_kernel(int *out)
{
    const int a = broadcast(3), b = broadcast(4);
    out[blockIdx.x * blockDim.x + threadIdx.x] = a * 10 + b;
}

static void shared_memory_in_a_helper(void **)
{
    for (int round = 0; round < ROUNDS; round++) {
        emu_reset_round(round);
        array<int> out(80);
        gpu::launch(helper_kernel, 2, 40, 0, nullptr, out.memory);
        for (int value : out.values())
            assert_int_equal(value, 34);
    }
}

enum { WARP_RESULTS = 8 };
static __global__ void warp_kernel(int *out)
{
    const int lane = int(threadIdx.x);
    int *mine = out + lane * WARP_RESULTS;
    mine[0] = int(__ballot_sync(~0u, lane & 1));
    if (lane < 16)
        mine[1] = __shfl_xor_sync(0xFFFFu, lane, 5);
    else
        mine[1] = __reduce_add_sync(0xFFFF0000u, lane);
    __syncwarp();
    mine[2] = __shfl_up_sync(~0u, lane, 3);
    mine[3] = __shfl_down_sync(~0u, lane, 3);
    mine[4] = __shfl_sync(~0u, lane, 5, 8);
    mine[5] = __shfl_down_sync(~0u, lane, 2, 4);
    mine[6] = int(__shfl_xor_sync(~0u, static_cast<long long>(lane) << 40, 1) >> 40);
    mine[7] = __any_sync(~0u, lane == 31) + 2 * __all_sync(~0u, lane < 31) + 4 * (__reduce_min_sync(~0u, -lane) == -31);
}

static void warp_operations(void **)
{
    for (int round = 0; round < ROUNDS; round++) {
        emu_reset_round(round);
        array<int> out(32 * WARP_RESULTS);
        gpu::launch(warp_kernel, 1, 32, 0, nullptr, out.memory);
        const std::vector<int> got = out.values();
        for (int lane = 0; lane < 32; lane++) {
            const int *mine = &got[size_t(lane * WARP_RESULTS)];
            assert_int_equal(unsigned(mine[0]), 0xAAAAAAAAu);
            assert_int_equal(mine[1], lane < 16 ? lane ^ 5 : 376);
            assert_int_equal(mine[2], lane < 3 ? lane : lane - 3);
            assert_int_equal(mine[3], lane > 28 ? lane : lane + 3);
            assert_int_equal(mine[4], (lane & 24) + 5);
            assert_int_equal(mine[5], (lane & 3) > 1 ? lane : lane + 2);
            assert_int_equal(mine[6], lane ^ 1);
            assert_int_equal(mine[7], 5);
        }
    }
}

static __global__ void vote_kernel(int *out)
{
    const int third = __syncthreads_count(threadIdx.x % 3 == 0);
    const int any = __syncthreads_or(threadIdx.x == 5);
    const int all = __syncthreads_and(threadIdx.x < 50);
    out[threadIdx.x] = third * 4 + (any != 0) * 2 + (all != 0);
}

static void votes_of_a_block(void **)
{
    for (int round = 0; round < ROUNDS; round++) {
        emu_reset_round(round);
        array<int> out(70);
        gpu::launch(vote_kernel, 1, 70, 0, nullptr, out.memory);
        for (int value : out.values())
            assert_int_equal(value, 24 * 4 + 2);
    }
}

static __global__ void three_dimensions_kernel(int *out)
{
    const int i = int((threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x);
    const int b = int((blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x);
    atomicAdd(out + b, i);
    atomicMax(out + 12, b);
    atomicMin(out + 13, -b);
}

static void three_dimensions_and_atomics(void **)
{
    for (int round = 0; round < ROUNDS; round++) {
        emu_reset_round(round);
        array<int> out(14);
        gpu::launch(three_dimensions_kernel, dim3(2, 3, 2), dim3(3, 5, 7), 0, nullptr, out.memory);
        const std::vector<int> got = out.values();
        for (size_t b = 0; b < 12; b++)
            assert_int_equal(got[b], 105 * 104 / 2);
        assert_int_equal(got[12], 11);
        assert_int_equal(got[13], -11);
    }
}

static __global__ void spin_kernel(unsigned *flag, int *out)
{
    if (blockIdx.x == 1) {
        if (threadIdx.x == 0) {
            __threadfence();
            atomicExch(flag, 1u);
        }
    } else {
        if (threadIdx.x == 0)
            while (atomicAdd(flag, 0u) == 0) {
            }
        __syncthreads();
        out[threadIdx.x] = 7;
    }
}

static void blocks_run_interleaved(void **)
{
    for (int round = 2; round < ROUNDS; round++) {
        emu_reset_round(round);
        array<unsigned> flag(1);
        array<int> out(64);
        gpu::launch(spin_kernel, 2, 64, 0, nullptr, flag.memory, out.memory);
        assert_int_equal(out.values()[63], 7);
    }
}

static __global__ void dynamic_kernel(int *out)
{
    DYN_SHARED(int, values);
    values[threadIdx.x] = int(threadIdx.x);
    __syncthreads();
    out[threadIdx.x] = values[blockDim.x - 1 - threadIdx.x];
}

static void dynamic_shared_memory(void **)
{
    emu_reset_round(2);
    array<int> out(33);
    gpu::launch(dynamic_kernel, 1, 33, 33 * sizeof(int), nullptr, out.memory);
    assert_int_equal(out.values()[0], 32);
    const void *kernel = reinterpret_cast<const void *>(dynamic_kernel);
    assert_int_equal(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, 100000), cudaSuccess);
    assert_int_equal(gpu::launch(dynamic_kernel, 1, 33, 90000, nullptr, out.memory), cudaSuccess);
    assert_int_not_equal(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, 300000),
                         cudaSuccess);
}

/* ---- what must be refused ---- */

static void launches_beyond_the_limits(void **)
{
    emu_reset_round(0);
    array<int> out(70);
    const struct {
        dim3 grid, block;
        size_t shared_bytes;
    } refused[] = {{0, 70, 0}, {1, 1025, 0}, {dim3(1, 70000), 32, 0}, {1, dim3(1, 1, 65), 0}, {1, 32, 50000}};
    for (const auto &launch : refused)
        assert_int_equal(gpu::launch(vote_kernel, launch.grid, launch.block, launch.shared_bytes, nullptr, out.memory),
                         cudaErrorInvalidConfiguration);
    assert_int_equal(cudaGetLastError(), cudaErrorInvalidConfiguration);
    assert_int_equal(cudaGetLastError(), cudaSuccess);
    assert_int_equal(gpu::launch(vote_kernel, 1, 70, 0, nullptr, out.memory), cudaSuccess);
}

#ifndef EMU_TSAN /* where a diagnosis ends the process; test_defects.cpp sees to it */
static __global__ void partial_kernel(int *out)
{
    int value = int(threadIdx.x);
    value += __shfl_down_sync(~0u, value, 16);
    out[threadIdx.x] = value;
}

static __global__ void large_kernel(int *out)
{
    SHARED(float, values, [13000]);
    values[threadIdx.x] = 1.0f;
    __syncthreads();
    out[0] = int(values[0]);
}

static __global__ void early_kernel(int *out)
{
    SHARED(int, values, [64]);
    if (threadIdx.x >= 40)
        return;
    values[threadIdx.x] = int(threadIdx.x);
    __syncthreads();
    out[threadIdx.x] = values[39 - threadIdx.x];
}

static void diagnoses(void **)
{
    const struct {
        void (*kernel)(int *);
        int threads;
        const char *words;
    } wrong[] = {{partial_kernel, 24, "does not exist"},
                 {large_kernel, 32, "too much shared memory"},
                 {dynamic_kernel, 32, "asked for none"},
                 {early_kernel, 64, "have ended"}};
    for (int round = 0; round < ROUNDS; round++)
        for (const auto &row : wrong) {
            emu_reset_round(round);
            array<int> out(64);
            gpu::launch(row.kernel, 2, unsigned(row.threads), 0, nullptr, out.memory);
            assert_int_equal(cudaDeviceSynchronize(), cudaErrorLaunchFailure);
            assert_non_null(strstr(emu_message(), row.words));
            assert_non_null(strstr(cudaGetErrorString(cudaErrorLaunchFailure), row.words));
            emu_reset_round(round);
            assert_int_equal(cudaGetLastError(), cudaSuccess);
        }
}

static void hardware_forgives_an_early_end(void **)
{
    for (int round = 0; round < ROUNDS; round++) {
        emu_reset_round(round);
        array<int> out(64);
        emu_config.strict = false;
        gpu::launch(early_kernel, 1, 64, 0, nullptr, out.memory);
        assert_int_equal(out.values()[0], 39);
        emu_config.strict = true;
    }
}
#endif

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shared_memory_is_per_block_and_instance),
        cmocka_unit_test(shared_memory_in_a_helper),
        cmocka_unit_test(warp_operations),
        cmocka_unit_test(votes_of_a_block),
        cmocka_unit_test(three_dimensions_and_atomics),
        cmocka_unit_test(blocks_run_interleaved),
        cmocka_unit_test(dynamic_shared_memory),
        cmocka_unit_test(launches_beyond_the_limits),
#ifndef EMU_TSAN
        cmocka_unit_test(diagnoses),
        cmocka_unit_test(hardware_forgives_an_early_end),
#endif
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
