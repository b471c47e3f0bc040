/* stream: what stream.cpp and memory.cpp share: the lock, the queue of operations, the errors. Private to tests/emu/.
 */
#ifndef EMU_STREAM_H
#define EMU_STREAM_H
#include "scheduler.h"
#include <functional>
#include <mutex>

namespace emu
{
struct operation {
    std::function<void()> run; /* none: only waits */
    bool on_host;              /* must not touch device memory */
    cudaEvent_t awaited;       /* goes on when this event has been recorded as often as */
    uint64_t ticket;
};

extern std::recursive_mutex &lock;
using locked = std::lock_guard<std::recursive_mutex>;

/* Queues it; it runs at once unless the streams are asynchronous. */
cudaError_t enqueue(cudaStream_t stream, operation queued);
/* Runs what is queued in a stream; of all streams for NULL. */
void drain(cudaStream_t stream);
/* Refuses what may not be called while a stream is captured. */
cudaError_t refuse_in_capture(const char *call);
/* The same of work on this stream, if it is the one. */
cudaError_t refuse_captured(cudaStream_t stream, const char *call);
/* error.cpp */
void forget_errors();
/* Remembers an error for cudaGetLastError; returns it, or the one that sticks. */
cudaError_t report(cudaError_t error);
[[gnu::format(printf, 2, 3)]] cudaError_t report_why(cudaError_t error, const char *format, ...);

/* memory.cpp: while no operation runs the host must not touch device memory. */
void device_memory_open();
void device_memory_close();
void count_wait();
} // namespace emu
#endif
