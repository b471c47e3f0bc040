/* stream: streams, events and captured graphs of the emulated runtime. An operation runs when it is queued, or, where
 * streams are asynchronous, when the host waits, one of the streams at random. Knows nothing of what operations do. */
#include "stream.h"
#include <algorithm>
#include <cstdlib>
#include <deque>
#include <memory>

struct CUevent_st {
    bool timed;
    uint64_t recorded, done;
    uint64_t time;         /* operations that had run */
    cudaStream_t captured; /* last recorded in this stream's capture */
};
struct CUgraph_st {
    std::vector<emu::operation> operations;
};
struct CUgraphExec_st {
    std::vector<emu::operation> operations;
};
struct CUstream_st {
    bool blocking; /* the default stream waits for it */
    std::deque<emu::operation> queue;
    cudaGraph_t recording; /* NULL: not captured */
    bool spoiled;          /* what is captured */
};

namespace emu
{
std::recursive_mutex &lock = *new std::recursive_mutex;
static std::vector<cudaStream_t> &streams = *new std::vector<cudaStream_t>;
static cudaStream_t capturing;
static int64_t waits, launches, queued_count;
static uint64_t ran_count;
static bool launching; /* a graph, whose operations are queued */

/* ---- what a capture forbids ---- */

static cudaError_t refuse_capture(cudaStream_t stream, cudaError_t error, const char *call)
{
    stream->spoiled = true;
    return report_why(error, "%s while a stream is captured", call);
}

cudaError_t refuse_in_capture(const char *call)
{
    return capturing ? refuse_capture(capturing, cudaErrorStreamCaptureUnsupported, call) : cudaSuccess;
}

cudaError_t refuse_captured(cudaStream_t stream, const char *call)
{
    return stream && stream->recording ? refuse_capture(stream, cudaErrorStreamCaptureUnsupported, call) : cudaSuccess;
}

/* ---- running ---- */

static void run(const operation &next)
{
    if (!next.run)
        return;
    if (next.on_host) {
        next.run();
        return;
    }
    device_memory_open();
    next.run();
    device_memory_close();
}

/* Runs one operation of a stream that can go on; false if there is none. */
static bool step()
{
    std::vector<cudaStream_t> runnable;
    for (cudaStream_t s : streams)
        if (!s->queue.empty() && (!s->queue[0].awaited || s->queue[0].awaited->done >= s->queue[0].ticket))
            runnable.push_back(s);
    if (runnable.empty())
        return false;
    const bool random = emu_config.order == EMU_RANDOM;
    cudaStream_t chosen = runnable[random ? random_below(uint32_t(runnable.size())) : 0];
    operation next = std::move(chosen->queue[0]);
    chosen->queue.pop_front();
    ran_count++;
    run(next);
    return true;
}

void drain(cudaStream_t stream)
{
    while ((!stream || !stream->queue.empty()) && step()) {
    }
}

cudaError_t enqueue(cudaStream_t stream, operation queued)
{
    locked hold(lock);
    queued_count += !launching;
    if (!stream) {
        /* The legacy stream comes after every stream but those that were made non-blocking. */
        const cudaError_t refused = refuse_in_capture("the default stream is used");
        if (refused != cudaSuccess)
            return refused;
        for (cudaStream_t s : streams)
            if (s->blocking)
                drain(s);
        run(queued);
        return report(cudaSuccess);
    }
    if (stream->recording) {
        stream->recording->operations.push_back(std::move(queued));
        return report(cudaSuccess);
    }
    stream->queue.push_back(std::move(queued));
    if (!emu_config.async)
        drain(stream);
    return report(cudaSuccess);
}

void count_wait()
{
    waits++;
}

static bool launch_fits(dim3 grid, dim3 block, size_t shared_bytes, size_t limit)
{
    const uint64_t threads = uint64_t(block.x) * block.y * block.z;
    return threads >= 1 && threads <= MOST_THREADS && block.z <= 64 && grid.x >= 1 && grid.x <= 0x7FFFFFFFu &&
           grid.y >= 1 && grid.y <= 0xFFFFu && grid.z >= 1 && grid.z <= 0xFFFFu && shared_bytes <= limit;
}

cudaError_t enqueue_kernel(void (*body)(void *), void *context, void (*destroy)(void *), const void *kernel, dim3 grid,
                           dim3 block, size_t shared_bytes, cudaStream_t stream)
{
    locked hold(lock);
    std::shared_ptr<void> kept(context, destroy);
    if (!launch_fits(grid, block, shared_bytes, shared_limit(kernel)))
        return report_why(cudaErrorInvalidConfiguration, "grid %u x %u x %u of blocks of %u x %u x %u with %zu bytes",
                          grid.x, grid.y, grid.z, block.x, block.y, block.z, shared_bytes);
    const launch made = {body, context, kernel, grid, block, shared_bytes};
    auto work = [made, kept] {
        launches++;
        note_launch(made.kernel);
        kernel_run(made);
    };
    return enqueue(stream, {work, false, nullptr, 0});
}
} // namespace emu

/* ---- what tests call ---- */

extern "C" {
using namespace emu;

void emu_reset(enum emu_order order, uint64_t seed, bool async)
{
    locked hold(lock);
    drain(nullptr);
    forget_errors();
    emu_config.order = order;
    emu_config.seed = seed;
    emu_config.async = async;
    waits = launches = queued_count = 0;
    random_seed(seed);
}

void emu_reset_round(int round)
{
    emu_reset(round == 0 ? EMU_IN_ORDER : round == 1 ? EMU_REVERSED : EMU_RANDOM, uint64_t(round), round % 2 == 1);
}

int emu_rounds(int usual)
{
    const char *wanted = getenv("EMU_SCHEDULES");
    return wanted && atoi(wanted) > 0 ? atoi(wanted) : usual;
}

int64_t emu_waits(void)
{
    return waits;
}

int64_t emu_launches(void)
{
    return launches;
}

int64_t emu_queued(void)
{
    return queued_count;
}

int emu_enqueue(cudaStream_t stream, void (*work)(void *), void *argument, void (*destroy)(void *))
{
    std::shared_ptr<void> kept(argument, destroy);
    return enqueue(stream, {[work, kept] { work(kept.get()); }, false, nullptr, 0});
}

/* ---- streams ---- */

cudaError_t cudaStreamCreate(cudaStream_t *stream)
{
    return cudaStreamCreateWithFlags(stream, cudaStreamDefault);
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags)
{
    locked hold(lock);
    *stream = new CUstream_st();
    (*stream)->blocking = flags != cudaStreamNonBlocking;
    streams.push_back(*stream);
    return report(cudaSuccess);
}

cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    locked hold(lock);
    auto found = std::find(streams.begin(), streams.end(), stream);
    if (found == streams.end())
        return report(cudaErrorInvalidResourceHandle);
    drain(stream);
    if (capturing == stream)
        capturing = nullptr;
    delete stream->recording;
    streams.erase(found);
    delete stream;
    return report(cudaSuccess);
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
    locked hold(lock);
    if (stream && stream->recording)
        return refuse_capture(stream, cudaErrorStreamCaptureUnsupported, "the host waits");
    count_wait();
    drain(stream);
    return report(cudaSuccess);
}

cudaError_t cudaStreamQuery(cudaStream_t stream)
{
    locked hold(lock);
    if (stream && stream->recording)
        return refuse_capture(stream, cudaErrorStreamCaptureUnsupported, "the host asks for progress");
    step();
    return stream && !stream->queue.empty() ? cudaErrorNotReady : report(cudaSuccess);
}

cudaError_t cudaDeviceSynchronize(void)
{
    locked hold(lock);
    const cudaError_t refused = refuse_in_capture("the host waits");
    if (refused != cudaSuccess)
        return refused;
    count_wait();
    drain(nullptr);
    return report(cudaSuccess);
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void *argument)
{
    return enqueue(stream, {[=] { function(argument); }, true, nullptr, 0});
}

/* ---- events ---- */

cudaError_t cudaEventCreate(cudaEvent_t *event)
{
    return cudaEventCreateWithFlags(event, cudaEventDefault);
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags)
{
    *event = new CUevent_st();
    (*event)->timed = !(flags & cudaEventDisableTiming);
    return report(cudaSuccess);
}

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    locked hold(lock);
    if (!capturing)
        drain(nullptr);
    delete event;
    return report(cudaSuccess);
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    return cudaEventRecordWithFlags(event, stream, cudaEventRecordDefault);
}

/* An external one becomes part of the graph, whose launches record it: it is known as recorded when it has run. */
static cudaError_t record_in_graph(cudaEvent_t event, cudaStream_t stream)
{
    return enqueue(stream, {[=] {
                                event->done = ++event->recorded;
                                event->time = ran_count;
                            },
                            true, nullptr, 0});
}

cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream, unsigned flags)
{
    locked hold(lock);
    const bool captured = stream && stream->recording;
    if (flags == cudaEventRecordExternal)
        return captured ? record_in_graph(event, stream)
                        : report_why(cudaErrorInvalidValue, "an external event is recorded outside of a capture");
    event->captured = captured ? stream : nullptr;
    if (event->captured)
        return report(cudaSuccess);
    const uint64_t ticket = ++event->recorded;
    return enqueue(stream, {[=] {
                                event->done = ticket;
                                event->time = ran_count;
                            },
                            true, nullptr, 0});
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned)
{
    locked hold(lock);
    const cudaStream_t into = stream && stream->recording ? stream : nullptr;
    if (event->captured && event->captured != into)
        return refuse_capture(event->captured, cudaErrorStreamCaptureUnsupported, "a second stream joins");
    if (into && !event->captured)
        return refuse_capture(into, cudaErrorStreamCaptureIsolation, "an event from outside is awaited");
    if (event->captured || event->done >= event->recorded)
        return report(cudaSuccess);
    return enqueue(stream, {nullptr, true, event, event->recorded});
}

cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
    locked hold(lock);
    if (event->captured)
        return report_why(cudaErrorCapturedEvent, "the host waits for an event of a capture");
    const cudaError_t refused = refuse_in_capture("the host waits for an event");
    if (refused != cudaSuccess)
        return refused;
    count_wait();
    while (event->done < event->recorded && step()) {
    }
    return report(cudaSuccess);
}

cudaError_t cudaEventQuery(cudaEvent_t event)
{
    locked hold(lock);
    if (event->captured)
        return report_why(cudaErrorCapturedEvent, "the host asks for an event of a capture");
    const cudaError_t refused = refuse_in_capture("the host asks for an event");
    if (refused != cudaSuccess)
        return refused;
    if (event->done < event->recorded)
        step();
    return event->done < event->recorded ? cudaErrorNotReady : report(cudaSuccess);
}

/* There is no clock: every operation takes a millisecond. */
cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t from, cudaEvent_t to)
{
    locked hold(lock);
    if (from->captured || to->captured)
        return report_why(cudaErrorInvalidValue, "the time of an event of a capture");
    if (!from->timed || !to->timed || from->recorded == 0 || to->recorded == 0)
        return report_why(cudaErrorInvalidResourceHandle, "an event that keeps no time, or was never recorded");
    *milliseconds = float(to->time - from->time);
    return to->done < to->recorded || from->done < from->recorded ? cudaErrorNotReady : report(cudaSuccess);
}

/* ---- graphs ---- */

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, enum cudaStreamCaptureMode)
{
    locked hold(lock);
    if (!stream || capturing)
        return report_why(cudaErrorStreamCaptureUnsupported, "a capture of %s", stream ? "two streams" : "no stream");
    stream->recording = new CUgraph_st();
    stream->spoiled = false;
    capturing = stream;
    return report(cudaSuccess);
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph)
{
    locked hold(lock);
    *graph = nullptr;
    if (!stream || !stream->recording)
        return report(cudaErrorInvalidValue);
    cudaGraph_t recorded = stream->recording;
    stream->recording = nullptr;
    capturing = nullptr;
    if (stream->spoiled) {
        delete recorded;
        return report(cudaErrorStreamCaptureInvalidated);
    }
    *graph = recorded;
    return report(cudaSuccess);
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, enum cudaStreamCaptureStatus *status)
{
    locked hold(lock);
    *status = !stream || !stream->recording ? cudaStreamCaptureStatusNone
              : stream->spoiled             ? cudaStreamCaptureStatusInvalidated
                                            : cudaStreamCaptureStatusActive;
    return report(cudaSuccess);
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long)
{
    *exec = new CUgraphExec_st{graph->operations};
    return report(cudaSuccess);
}

cudaError_t cudaGraphUpload(cudaGraphExec_t, cudaStream_t)
{
    return report(cudaSuccess);
}

/* The operations join the stream in the order they were captured in; each runs with the arguments it had then. */
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream)
{
    locked hold(lock);
    cudaError_t error = report(cudaSuccess);
    queued_count++;
    launching = true;
    for (const operation &recorded : exec->operations)
        error = enqueue(stream, recorded);
    launching = false;
    return error;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph)
{
    delete graph;
    return report(cudaSuccess);
}

/* What is queued has its own copy. */
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec)
{
    delete exec;
    return report(cudaSuccess);
}
}
