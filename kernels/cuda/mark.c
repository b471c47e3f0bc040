/* mark: moments in the stream that keep their time, as events; a graph that was recorded with marks notes them anew at
 * each launch, so the parts of a step are timed in the very graph that is trained with, and the host has no part in it.
 */
#include "cuda.h"
#include <cuda_runtime_api.h>
#include <stdlib.h>

static int take_marks(struct device *device, int count)
{
    struct CUevent_st **marks = realloc(device->marks, (size_t)count * sizeof(struct CUevent_st *));
    if (!marks)
        return FAIL(ERR_MEMORY, "cuda: out of memory for the marks of a profile; close other programs");
    for (device->marks = marks; device->mark_count < count; device->mark_count++)
        CUDA_TRY(cudaEventCreateWithFlags(&marks[device->mark_count], cudaEventDefault));
    return OK;
}

int cuda_mark(struct device *device, int number)
{
    if (number >= device->mark_count)
        TRY(take_marks(device, number + 1));
    /* While a graph is recorded, only an external event becomes a node of it; else there is no such thing. */
    enum cudaStreamCaptureStatus status;
    CUDA_TRY(cudaStreamIsCapturing(device->stream, &status));
    CUDA_TRY(cudaEventRecordWithFlags(device->marks[number], device->stream,
                                      status == cudaStreamCaptureStatusNone ? cudaEventRecordDefault
                                                                            : cudaEventRecordExternal));
    return OK;
}

int cuda_mark_seconds(struct device *device, int from, int to, double *seconds)
{
    float milliseconds = 0.0f;
    CUDA_TRY(cudaEventElapsedTime(&milliseconds, device->marks[from], device->marks[to]));
    *seconds = 1e-3 * (double)milliseconds;
    return OK;
}

void cuda_marks_close(struct device *device)
{
    for (int i = 0; i < device->mark_count; i++)
        cudaEventDestroy(device->marks[i]);
    free(device->marks);
}
