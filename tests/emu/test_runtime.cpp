/* The emulated runtime: order within and between streams, events, captured graphs, copies, memory that runs out. */
#include "array.h"
#include "check.h"
#include "emu.h"

static __global__ void append_kernel(int *list, const int *digit)
{
    if (threadIdx.x == 0)
        list[0] = list[0] * 10 + *digit;
}

struct stream {
    cudaStream_t raw;
    stream() { cudaStreamCreateWithFlags(&raw, cudaStreamNonBlocking); }
    ~stream() { cudaStreamDestroy(raw); }
    stream(const stream &) = delete;
};

static void append(int *list, int *digit, int value, cudaStream_t on)
{
    cudaMemsetAsync(digit, 0, sizeof *digit, on);
    cudaMemsetAsync(digit, value, 1, on);
    gpu::launch(append_kernel, 1, 32, 0, on, list, static_cast<const int *>(digit));
}

static void a_stream_keeps_its_order(void **)
{
    for (int round = 0; round < 10; round++) {
        emu_reset_round(round);
        stream one, two;
        array<int> lists(2), digits(2);
        for (int i = 1; i <= 5; i++) {
            append(lists.memory, digits.memory, i, one.raw);
            append(lists.memory + 1, digits.memory + 1, 6 - i, two.raw);
        }
        cudaStreamSynchronize(one.raw);
        cudaStreamSynchronize(two.raw);
        assert_int_equal(lists.values()[0], 12345);
        assert_int_equal(lists.values()[1], 54321);
    }
}

static void work_waits_for_the_host_to_wait(void **)
{
    emu_reset(EMU_RANDOM, 1, true);
    stream one;
    array<int> list(1), digit(1);
    append(list.memory, digit.memory, 1, one.raw);
    assert_int_equal(emu_launches(), 0);
    assert_int_equal(cudaStreamSynchronize(one.raw), cudaSuccess);
    assert_int_equal(emu_launches(), 1);
    assert_int_equal(emu_waits(), 1);
}

static void events_order_streams(void **)
{
    for (int round = 0; round < 10; round++) {
        emu_reset_round(round);
        stream one, two;
        cudaEvent_t event;
        cudaEventCreateWithFlags(&event, cudaEventDisableTiming);
        array<int> list(1), digits(2);
        append(list.memory, digits.memory, 1, one.raw);
        cudaEventRecord(event, one.raw);
        cudaStreamWaitEvent(two.raw, event, 0);
        append(list.memory, digits.memory + 1, 2, two.raw);
        cudaEventRecord(event, two.raw);
        assert_int_equal(cudaEventSynchronize(event), cudaSuccess);
        assert_int_equal(cudaEventQuery(event), cudaSuccess);
        assert_int_equal(list.values()[0], 12);
        cudaEventDestroy(event);
    }
}

static void a_graph_replays_what_was_captured(void **)
{
    for (int round = 0; round < 10; round++) {
        emu_reset_round(round);
        stream one;
        array<int> list(1), digit(1);
        int *got;
        cudaGraph_t graph;
        assert_int_equal(cudaMallocHost(reinterpret_cast<void **>(&got), sizeof *got), cudaSuccess);
        cudaGraphExec_t exec;
        assert_int_equal(cudaStreamBeginCapture(one.raw, cudaStreamCaptureModeThreadLocal), cudaSuccess);
        append(list.memory, digit.memory, 3, one.raw);
        append(list.memory, digit.memory, 4, one.raw);
        cudaMemcpyAsync(got, list.memory, sizeof *got, cudaMemcpyDeviceToHost, one.raw);
        assert_int_equal(cudaStreamEndCapture(one.raw, &graph), cudaSuccess);
        assert_int_equal(cudaGraphInstantiate(&exec, graph, 0), cudaSuccess);
        assert_int_equal(cudaGraphDestroy(graph), cudaSuccess);
        assert_int_equal(list.values()[0], 0);
        for (int i = 0; i < 2; i++)
            assert_int_equal(cudaGraphLaunch(exec, one.raw), cudaSuccess);
        assert_int_equal(cudaGraphExecDestroy(exec), cudaSuccess);
        assert_int_equal(cudaStreamSynchronize(one.raw), cudaSuccess);
        assert_int_equal(*got, 3434);
        assert_int_equal(cudaFreeHost(got), cudaSuccess);
        assert_int_equal(emu_launches(), 4);
    }
}

static cudaError_t wait(cudaStream_t on, int *)
{
    return cudaStreamSynchronize(on);
}

static cudaError_t ask(cudaStream_t on, int *)
{
    return cudaStreamQuery(on);
}

static cudaError_t allocate(cudaStream_t, int *)
{
    void *memory;
    return cudaMalloc(&memory, 16);
}

static cudaError_t copy_at_once(cudaStream_t, int *)
{
    int from = 0, to;
    return cudaMemcpy(&to, &from, sizeof to, cudaMemcpyHostToHost);
}

static cudaError_t copy_pageable(cudaStream_t on, int *device)
{
    int from = 0;
    return cudaMemcpyAsync(device, &from, sizeof from, cudaMemcpyHostToDevice, on);
}

/* Of an event that has nothing to do with the capture. */
template <cudaError_t with(cudaEvent_t)> static cudaError_t use_event(cudaStream_t, int *)
{
    cudaEvent_t event;
    cudaEventCreate(&event);
    const cudaError_t error = with(event);
    cudaEventDestroy(event);
    return error;
}

static cudaError_t wait_for_another(cudaStream_t on, int *)
{
    stream other;
    cudaEvent_t event;
    cudaEventCreate(&event);
    cudaEventRecord(event, other.raw);
    const cudaError_t error = cudaStreamWaitEvent(on, event, 0);
    cudaEventDestroy(event);
    return error;
}

static cudaError_t fork_to_another(cudaStream_t on, int *)
{
    stream other;
    cudaEvent_t event;
    cudaEventCreate(&event);
    cudaEventRecord(event, on);
    const cudaError_t error = cudaStreamWaitEvent(other.raw, event, 0);
    cudaEventDestroy(event);
    return error;
}

static void what_spoils_a_capture(void **)
{
    static cudaError_t (*const calls[])(cudaStream_t, int *) = {wait,
                                                                ask,
                                                                allocate,
                                                                copy_at_once,
                                                                copy_pageable,
                                                                use_event<cudaEventQuery>,
                                                                use_event<cudaEventSynchronize>,
                                                                wait_for_another,
                                                                fork_to_another};
    for (auto call : calls) {
        emu_reset_round(2);
        stream one;
        array<int> device(1);
        cudaGraph_t graph;
        cudaStreamCaptureStatus status;
        cudaStreamBeginCapture(one.raw, cudaStreamCaptureModeGlobal);
        cudaStreamIsCapturing(one.raw, &status);
        assert_int_equal(status, cudaStreamCaptureStatusActive);
        assert_int_not_equal(call(one.raw, device.memory), cudaSuccess);
        cudaStreamIsCapturing(one.raw, &status);
        assert_int_equal(status, cudaStreamCaptureStatusInvalidated);
        assert_int_equal(cudaStreamEndCapture(one.raw, &graph), cudaErrorStreamCaptureInvalidated);
        assert_null(graph);
        cudaStreamIsCapturing(one.raw, &status);
        assert_int_equal(status, cudaStreamCaptureStatusNone);
    }
}

/* What is queued on a stream that was made non-blocking, as all of the backend's are, is not waited for. */
static void the_default_stream_passes_others_by(void **)
{
    for (bool blocking : {false, true}) {
        emu_reset(EMU_RANDOM, 1, true);
        cudaStream_t one;
        array<int> list(1), digit(1);
        cudaStreamCreateWithFlags(&one, blocking ? cudaStreamDefault : cudaStreamNonBlocking);
        append(list.memory, digit.memory, 5, one);
        assert_int_equal(list.values()[0], blocking ? 5 : 0);
        assert_int_equal(cudaStreamDestroy(one), cudaSuccess);
    }
}

static void only_some_events_keep_time(void **)
{
    emu_reset_round(0);
    stream one;
    cudaEvent_t timed[2], bare;
    float ms;
    cudaEventCreate(&timed[0]);
    cudaEventCreate(&timed[1]);
    cudaEventCreateWithFlags(&bare, cudaEventDisableTiming);
    cudaEventRecord(timed[0], one.raw);
    cudaEventRecord(bare, one.raw);
    assert_int_equal(cudaEventElapsedTime(&ms, timed[0], timed[1]), cudaErrorInvalidResourceHandle); /* not recorded */
    cudaEventRecord(timed[1], one.raw);
    assert_int_equal(cudaEventElapsedTime(&ms, timed[0], timed[1]), cudaSuccess);
    assert_int_equal(cudaEventElapsedTime(&ms, timed[0], bare), cudaErrorInvalidResourceHandle);
    for (cudaEvent_t event : {timed[0], timed[1], bare})
        cudaEventDestroy(event);
}

/* An event of a graph is recorded by each launch, if it is external; else the capture alone knows it. */
static void a_graph_keeps_time(void **)
{
    for (int round = 0; round < 4; round++) {
        emu_reset_round(round);
        stream one;
        array<int> list(1), digit(1);
        cudaGraph_t graph;
        cudaGraphExec_t exec;
        cudaEvent_t from = nullptr, to = nullptr, inner = nullptr;
        float ms;
        for (cudaEvent_t *event : {&from, &to, &inner})
            cudaEventCreate(event);
        assert_int_equal(cudaEventRecordWithFlags(from, one.raw, cudaEventRecordExternal), cudaErrorInvalidValue);
        cudaStreamBeginCapture(one.raw, cudaStreamCaptureModeThreadLocal);
        assert_int_equal(cudaEventRecordWithFlags(from, one.raw, cudaEventRecordExternal), cudaSuccess);
        append(list.memory, digit.memory, 3, one.raw);
        assert_int_equal(cudaEventRecordWithFlags(to, one.raw, cudaEventRecordExternal), cudaSuccess);
        assert_int_equal(cudaEventRecordWithFlags(inner, one.raw, cudaEventRecordDefault), cudaSuccess);
        assert_int_equal(cudaStreamEndCapture(one.raw, &graph), cudaSuccess);
        cudaGraphInstantiate(&exec, graph, 0);
        assert_int_equal(cudaEventElapsedTime(&ms, from, to), cudaErrorInvalidResourceHandle); /* not launched */
        for (int i = 0; i < 2; i++) {
            cudaGraphLaunch(exec, one.raw);
            cudaStreamSynchronize(one.raw);
            assert_int_equal(cudaEventElapsedTime(&ms, from, to), cudaSuccess);
            assert_int_equal(ms, 4); /* three operations and the second event */
        }
        assert_int_equal(cudaEventElapsedTime(&ms, from, inner), cudaErrorInvalidValue);
        cudaGraphDestroy(graph);
        cudaGraphExecDestroy(exec);
        for (cudaEvent_t event : {from, to, inner})
            cudaEventDestroy(event);
    }
}

static void pinned_memory_is_known(void **)
{
    emu_reset_round(0);
    void *memory;
    int other;
    assert_int_equal(cudaHostAlloc(&memory, 16, cudaHostAllocMapped), cudaSuccess);
    assert_int_equal(cudaFreeHost(&other), cudaErrorInvalidValue);
    assert_int_equal(cudaFreeHost(memory), cudaSuccess);
    assert_int_equal(cudaFreeHost(memory), cudaErrorInvalidValue);
    assert_int_equal(cudaFreeHost(nullptr), cudaSuccess);
}

static void copies_are_checked(void **)
{
    emu_reset_round(0);
    array<int> device(4);
    int host[8] = {};
    assert_int_equal(cudaMemcpy(device.memory, host, 16, cudaMemcpyHostToDevice), cudaSuccess);
    assert_int_equal(cudaMemcpy(device.memory, host, 20, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
    assert_int_equal(cudaMemcpy(device.memory + 1, host, 16, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
    assert_int_equal(cudaMemcpy(host, device.memory, 16, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
    assert_int_equal(cudaMemcpy(host, host + 4, 16, cudaMemcpyDeviceToHost), cudaErrorInvalidValue);
    assert_int_equal(cudaMemset(host, 0, 16), cudaErrorInvalidValue);
    assert_int_equal(cudaFree(host), cudaErrorInvalidValue);
}

static void memory_runs_out(void **)
{
    emu_reset_round(0);
    const size_t was = emu_config.memory_bytes;
    size_t available, total;
    void *memory, *more;
    emu_config.memory_bytes = 1000;
    assert_int_equal(cudaMalloc(&memory, 600), cudaSuccess);
    assert_int_equal(cudaMalloc(&more, 600), cudaErrorMemoryAllocation);
    assert_null(more);
    cudaMemGetInfo(&available, &total);
    assert_int_equal(available, 400);
    assert_int_equal(total, 1000);
    assert_int_equal(cudaFree(memory), cudaSuccess);
    assert_int_equal(cudaMalloc(&memory, 1000), cudaSuccess);
    assert_int_equal(cudaFree(memory), cudaSuccess);
    emu_config.memory_bytes = was;
}

static void store_seven(void *argument)
{
    *static_cast<int *>(argument) = 7;
}

static void host_functions_and_stand_ins_keep_the_order(void **)
{
    for (int round = 0; round < 10; round++) {
        emu_reset_round(round);
        stream one;
        array<int> list(1);
        int *place = list.memory, got = 0, called = 0;
        emu_enqueue(one.raw, store_seven, place, [](void *) {});
        cudaMemcpyAsync(&got, place, sizeof got, cudaMemcpyDeviceToHost, one.raw);
        cudaLaunchHostFunc(one.raw, store_seven, &called);
        cudaStreamSynchronize(one.raw);
        assert_int_equal(got, 7);
        assert_int_equal(called, 7);
    }
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_keeps_its_order),
        cmocka_unit_test(work_waits_for_the_host_to_wait),
        cmocka_unit_test(events_order_streams),
        cmocka_unit_test(a_graph_replays_what_was_captured),
        cmocka_unit_test(what_spoils_a_capture),
        cmocka_unit_test(copies_are_checked),
        cmocka_unit_test(memory_runs_out),
        cmocka_unit_test(host_functions_and_stand_ins_keep_the_order),
        cmocka_unit_test(pinned_memory_is_known),
        cmocka_unit_test(the_default_stream_passes_others_by),
        cmocka_unit_test(only_some_events_keep_time),
        cmocka_unit_test(a_graph_keeps_time),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
