/* feed: the ring of slots through which images come that are not all held on the device: pinned host memory, the same
 * number of slots on the device, a stream of copies beside the steps, and events in both directions: a batch waits on
 * the device for its images, and a slot is written again only when the batch that reads it is done. */
#include "cuda.h"
#include <assert.h>
#include <cuda_runtime_api.h>
#include <stdlib.h>

enum { SLOTS_MOST = 64 };

/* feed.own */
struct slots {
    cudaStream_t copies;
    cudaEvent_t read[SLOTS_MOST], sent[SLOTS_MOST];
};

static int take(struct device *device, struct feed *feed)
{
    (void)device;
    const size_t bytes = (size_t)feed->slots * feed->slot_bytes;
    struct slots *slots = calloc(1, sizeof *slots);
    if (!slots)
        return FAIL(ERR_MEMORY, "cuda: out of memory for the ring of images; close other programs");
    feed->own = slots;
    CUDA_TRY(cudaStreamCreateWithFlags(&slots->copies, cudaStreamNonBlocking));
    for (int slot = 0; slot < feed->slots; slot++) {
        CUDA_TRY(cudaEventCreateWithFlags(&slots->read[slot], cudaEventDisableTiming));
        CUDA_TRY(cudaEventCreateWithFlags(&slots->sent[slot], cudaEventDisableTiming));
    }
    CUDA_TRY(cudaMallocHost((void **)&feed->host, bytes));
    CUDA_TRY(cudaMalloc((void **)&feed->device, bytes));
    return OK;
}

int cuda_feed_open(struct device *device, struct feed *feed, int slots, size_t slot_bytes)
{
    assert(slots > 0 && slots <= SLOTS_MOST);
    *feed = (struct feed){.slots = slots, .slot_bytes = slot_bytes};
    const int status = take(device, feed);
    if (status < 0)
        cuda_feed_close(device, feed);
    return status;
}

void cuda_feed_close(struct device *device, struct feed *feed)
{
    struct slots *slots = feed->own;
    if (slots)
        cudaStreamSynchronize(device->stream); /* what is queued may still read them */
    for (int slot = 0; slots && slot < feed->slots; slot++) {
        if (slots->read[slot])
            cudaEventDestroy(slots->read[slot]);
        if (slots->sent[slot])
            cudaEventDestroy(slots->sent[slot]);
    }
    if (slots && slots->copies) {
        cudaStreamSynchronize(slots->copies);
        cudaStreamDestroy(slots->copies);
    }
    free(slots);
    cudaFreeHost(feed->host);
    cudaFree((void *)feed->device);
    *feed = (struct feed){0};
}

int cuda_feed_send(struct device *device, struct feed *feed, int slot)
{
    assert(slot >= 0 && slot < feed->slots);
    const struct slots *slots = feed->own;
    const size_t at = (size_t)slot * feed->slot_bytes;
    CUDA_TRY(cudaMemcpyAsync((uint8_t *)feed->device + at, feed->host + at, feed->slot_bytes, cudaMemcpyHostToDevice,
                             slots->copies));
    CUDA_TRY(cudaEventRecord(slots->sent[slot], slots->copies));
    CUDA_TRY(cudaStreamWaitEvent(device->stream, slots->sent[slot], 0));
    return OK;
}

int cuda_feed_taken(struct device *device, struct feed *feed, int slot)
{
    const struct slots *slots = feed->own;
    CUDA_TRY(cudaEventRecord(slots->read[slot], device->stream));
    return OK;
}

int cuda_feed_wait(struct device *device, struct feed *feed, int slot)
{
    const struct slots *slots = feed->own;
    return cuda_hold(device, slots->read[slot]);
}
