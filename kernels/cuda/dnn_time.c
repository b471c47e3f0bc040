/* dnn_time: finds which of several plans of one convolution pass runs fastest on this device. Takes memory of its own
 * for it and gives it back; happens once, while a plan is prepared. Knows nothing of how plans come about. */
#include "dnn.h"
#include <cuda_runtime_api.h>
#include <math.h>
#include <stdlib.h>

enum { GROUPS = 5, RUNS = 3, FLUSH_BYTES = 128 << 20, FILL = 0x2C };

/* x, w, y, workspace, and what is written over to empty the cache. */
enum { BUFFER_X, BUFFER_W, BUFFER_Y, BUFFER_WORKSPACE, BUFFER_FLUSH, BUFFER_COUNT };

struct stand {
    void *buffer[BUFFER_COUNT];
    struct CUevent_st *before, *after;
};

static int stand_build(struct device *device, const struct dnn_conv *conv, size_t workspace, struct stand *stand)
{
    const size_t unit = dtype_bytes(conv->dtype);
    const int64_t weights = (int64_t)conv->out.c * conv->kernel_h * conv->kernel_w * (conv->in.c / conv->groups);
    const size_t bytes[BUFFER_COUNT] = {
        [BUFFER_X] = (size_t)shape_count(conv->in) * unit,
        [BUFFER_W] = (size_t)weights * unit,
        [BUFFER_Y] = (size_t)shape_count(conv->out) * unit,
        [BUFFER_WORKSPACE] = workspace,
        [BUFFER_FLUSH] = FLUSH_BYTES,
    };
    for (int i = 0; i < BUFFER_COUNT; i++) {
        if (bytes[i] == 0)
            continue;
        CUDA_TRY(cudaMalloc(&stand->buffer[i], bytes[i]));
        /* Small numbers in every dtype: zeros would draw less power, and so run at a higher clock, than real ones. */
        CUDA_TRY(cudaMemsetAsync(stand->buffer[i], FILL, bytes[i], device->stream));
    }
    CUDA_TRY(cudaEventCreate(&stand->before));
    CUDA_TRY(cudaEventCreate(&stand->after));
    return OK;
}

static void stand_free(struct stand *stand)
{
    for (int i = 0; i < BUFFER_COUNT; i++)
        cudaFree(stand->buffer[i]);
    if (stand->before)
        cudaEventDestroy(stand->before);
    if (stand->after)
        cudaEventDestroy(stand->after);
}

static int run_once(struct device *device, struct dnn_plan *plan, const struct stand *stand)
{
    return dnn_plan_run(device, plan, stand->buffer[BUFFER_X], stand->buffer[BUFFER_W], stand->buffer[BUFFER_Y],
                        stand->buffer[BUFFER_WORKSPACE]);
}

static int time_group(struct device *device, struct dnn_plan *plan, const struct stand *stand, float *ms)
{
    CUDA_TRY(cudaMemsetAsync(stand->buffer[BUFFER_FLUSH], 0, FLUSH_BYTES, device->stream));
    CUDA_TRY(cudaEventRecord(stand->before, device->stream));
    for (int run = 0; run < RUNS; run++)
        TRY(run_once(device, plan, stand));
    CUDA_TRY(cudaEventRecord(stand->after, device->stream));
    CUDA_TRY(cudaEventSynchronize(stand->after));
    CUDA_TRY(cudaEventElapsedTime(ms, stand->before, stand->after));
    return OK;
}

static int by_size(const void *a, const void *b)
{
    const float first = *(const float *)a, second = *(const float *)b;
    return (first > second) - (first < second);
}

/* The median of several groups of runs; infinite for a plan that does not run, which is no reason to stop. */
static float time_plan(struct device *device, struct dnn_plan *plan, const struct stand *stand)
{
    float ms[GROUPS];
    if (run_once(device, plan, stand) < 0 || cudaStreamSynchronize(device->stream) != cudaSuccess) {
        cudaGetLastError();
        return INFINITY;
    }
    for (int group = 0; group < GROUPS; group++)
        if (time_group(device, plan, stand, &ms[group]) < 0)
            return INFINITY;
    qsort(ms, GROUPS, sizeof *ms, by_size);
    return ms[GROUPS / 2];
}

int dnn_fastest(struct device *device, const struct dnn_conv *conv, struct dnn_plan *plans, int count, int *best)
{
    struct stand stand = {0};
    size_t workspace = 0;
    for (int i = 0; i < count; i++)
        if (plans[i].workspace_bytes > workspace)
            workspace = plans[i].workspace_bytes;
    int status = stand_build(device, conv, workspace, &stand);
    float least = INFINITY;
    *best = -1;
    for (int i = 0; i < count && status == OK; i++) {
        const float ms = time_plan(device, &plans[i], &stand);
        if (ms < least) {
            least = ms;
            *best = i;
        }
    }
    stand_free(&stand);
    return status;
}
