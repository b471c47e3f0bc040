/* dnn_time: finds which of several plans for one piece of work runs fastest on this device. Takes memory of its own for
 * it and gives it back; happens once, while a plan is prepared. Knows nothing of how plans come about. */
#include "dnn.h"
#include "kernels/common/fp16.h"
#include "random.h"
#include <cuda_runtime_api.h>
#include <math.h>
#include <stdlib.h>

enum { GROUPS = 5, RUNS = 3, FLUSH_BYTES = 256 << 20, BLOCK_FLOATS = 1 << 16 };

/* A plan whose first group takes this many times the least median is not worth four more. */
static const float HOPELESS = 1.5f;

struct stand {
    void *array[DNN_ARRAY_COUNT], *workspace;
    void *flush; /* written over to empty the second-level cache, which is smaller */
    struct CUevent_st *before, *after;
};

/* ---- the stand ---- */

/* Numbers in [-1, 1): zeros would draw less power, and so run at a higher clock, than real ones. */
static void draw_block(void *block, enum dtype dtype)
{
    for (int i = 0; i < BLOCK_FLOATS; i++) {
        const uint32_t word = random_words(1, 0, 0, (uint64_t)i / 4, 0).word[i % 4];
        const float value = (float)(int32_t)word * 0x1p-31f;
        if (dtype == DT_F32)
            ((float *)block)[i] = value;
        else
            ((uint16_t *)block)[i] = dtype == DT_BF16 ? bf16_from_float(value) : fp16_from_float(value);
    }
}

/* The block goes up once; what is there is then doubled. */
static int fill(struct device *device, void *memory, size_t bytes, enum dtype dtype)
{
    static _Thread_local float block[BLOCK_FLOATS];
    size_t done = BLOCK_FLOATS * dtype_bytes(dtype);
    draw_block(block, dtype);
    if (done > bytes)
        done = bytes;
    CUDA_TRY(cudaMemcpyAsync(memory, block, done, cudaMemcpyHostToDevice, device->stream));
    for (; done < bytes; done *= 2)
        CUDA_TRY(cudaMemcpyAsync((char *)memory + done, memory, done < bytes - done ? done : bytes - done,
                                 cudaMemcpyDeviceToDevice, device->stream));
    CUDA_TRY(cudaStreamSynchronize(device->stream));
    return OK;
}

static int stand_build(struct device *device, const struct dnn_plan *plan, size_t workspace, struct stand *stand)
{
    for (int i = 0; i < plan->use_count; i++) {
        void **array = &stand->array[plan->uses[i].array];
        CUDA_TRY(cudaMalloc(array, plan->uses[i].bytes));
        TRY(fill(device, *array, plan->uses[i].bytes, plan->uses[i].dtype));
    }
    if (workspace > 0)
        CUDA_TRY(cudaMalloc(&stand->workspace, workspace));
    CUDA_TRY(cudaMalloc(&stand->flush, FLUSH_BYTES));
    CUDA_TRY(cudaEventCreate(&stand->before));
    CUDA_TRY(cudaEventCreate(&stand->after));
    return OK;
}

static void stand_free(struct stand *stand)
{
    for (int i = 0; i < DNN_ARRAY_COUNT; i++)
        cudaFree(stand->array[i]);
    cudaFree(stand->workspace);
    cudaFree(stand->flush);
    if (stand->before)
        cudaEventDestroy(stand->before);
    if (stand->after)
        cudaEventDestroy(stand->after);
}

/* ---- timing ---- */

static int run_once(struct device *device, struct dnn_plan *plan, const struct stand *stand)
{
    return dnn_plan_run(device, plan, (const void *const *)stand->array, stand->workspace);
}

/* ms: of one run. */
static int time_group(struct device *device, struct dnn_plan *plan, const struct stand *stand, float *ms)
{
    CUDA_TRY(cudaMemsetAsync(stand->flush, 0, FLUSH_BYTES, device->stream));
    CUDA_TRY(cudaEventRecord(stand->before, device->stream));
    for (int run = 0; run < RUNS; run++)
        TRY(run_once(device, plan, stand));
    CUDA_TRY(cudaEventRecord(stand->after, device->stream));
    CUDA_TRY(cudaEventSynchronize(stand->after));
    CUDA_TRY(cudaEventElapsedTime(ms, stand->before, stand->after));
    *ms /= RUNS;
    return OK;
}

static int by_size(const void *a, const void *b)
{
    const float first = *(const float *)a, second = *(const float *)b;
    return (first > second) - (first < second);
}

/* The median of several groups of runs; infinite for a plan that does not run, which is no reason to stop. */
static float time_plan(struct device *device, struct dnn_plan *plan, const struct stand *stand, float least)
{
    float ms[GROUPS];
    if (run_once(device, plan, stand) < 0 || cudaStreamSynchronize(device->stream) != cudaSuccess) {
        cudaGetLastError();
        return INFINITY;
    }
    for (int group = 0; group < GROUPS; group++)
        if (time_group(device, plan, stand, &ms[group]) < 0 || ms[0] > HOPELESS * least)
            return INFINITY;
    qsort(ms, GROUPS, sizeof *ms, by_size);
    return ms[GROUPS / 2];
}

int dnn_fastest(struct device *device, struct dnn_plan *plans, int count, int *best)
{
    struct stand stand = {0};
    size_t workspace = 0;
    for (int i = 0; i < count; i++)
        if (plans[i].workspace_bytes > workspace)
            workspace = plans[i].workspace_bytes;
    int status = stand_build(device, &plans[0], workspace, &stand);
    float least = INFINITY;
    *best = -1;
    for (int i = 0; i < count && status == OK; i++) {
        plans[i].ms = time_plan(device, &plans[i], &stand, least);
        if (plans[i].ms < least) {
            least = plans[i].ms;
            *best = i;
        }
    }
    stand_free(&stand);
    return status;
}
