/* tune: runs candidates for one piece of work on memory of its own and measures them. Happens once, while a plan is
 * prepared. Knows nothing of what they compute. */
#include "tune.h"
#include "kernels/common/fp16.h"
#include "random.h"
#include <assert.h>
#include <cuda_runtime_api.h>
#include <math.h>
#include <stdlib.h>

enum { GROUPS = 5, RUNS = 3, BLOCK_NUMBERS = 1 << 16, FLUSH_CACHES = 2 };

/* A candidate whose first group takes this many times the least median is not worth four more; one whose very first run
 * takes longer than that many, and than what a first run may take to load its code, not even that group. */
static const float HOPELESS = 1.5f, HOPELESS_AT_FIRST = 4.0f, LOADING_MS = 20.0f;

/* ---- memory ---- */

/* Zeros would draw less power, and so run at a higher clock, than real numbers. */
static void draw_block(void *block, enum dtype dtype)
{
    for (int i = 0; i < BLOCK_NUMBERS; i++) {
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
    static _Thread_local float block[BLOCK_NUMBERS];
    size_t done = BLOCK_NUMBERS * dtype_bytes(dtype);
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

int tune_open(struct device *device, struct tune *tune, const struct tune_array *arrays, int count,
              size_t workspace_bytes)
{
    assert(count <= TUNE_ARRAYS);
    *tune = (struct tune){.least = INFINITY};
    for (int i = 0; i < count; i++) {
        if (arrays[i].bytes == 0)
            continue;
        CUDA_TRY(cudaMalloc(&tune->array[i], arrays[i].bytes));
        TRY(fill(device, tune->array[i], arrays[i].bytes, arrays[i].dtype));
    }
    if (workspace_bytes > 0)
        CUDA_TRY(cudaMalloc(&tune->workspace, workspace_bytes));
    int cache_bytes = 0;
    CUDA_TRY(cudaDeviceGetAttribute(&cache_bytes, cudaDevAttrL2CacheSize, device->index));
    tune->flush_bytes = (size_t)cache_bytes * FLUSH_CACHES;
    CUDA_TRY(cudaMalloc(&tune->flush, tune->flush_bytes));
    CUDA_TRY(cudaEventCreate(&tune->before));
    CUDA_TRY(cudaEventCreate(&tune->after));
    return OK;
}

void tune_close(struct tune *tune)
{
    for (int i = 0; i < TUNE_ARRAYS; i++)
        cudaFree(tune->array[i]);
    cudaFree(tune->workspace);
    cudaFree(tune->flush);
    if (tune->before)
        cudaEventDestroy(tune->before);
    if (tune->after)
        cudaEventDestroy(tune->after);
    *tune = (struct tune){0};
}

/* ---- time ---- */

struct candidate {
    int (*run)(struct device *device, void *candidate, const struct tune *tune);
    void *what;
};

/* ms: of one run. */
static int time_group(struct device *device, const struct tune *tune, struct candidate candidate, float *ms)
{
    CUDA_TRY(cudaMemsetAsync(tune->flush, 0, tune->flush_bytes, device->stream));
    CUDA_TRY(cudaEventRecord(tune->before, device->stream));
    for (int run = 0; run < RUNS; run++)
        TRY(candidate.run(device, candidate.what, tune));
    CUDA_TRY(cudaEventRecord(tune->after, device->stream));
    CUDA_TRY(cudaEventSynchronize(tune->after));
    CUDA_TRY(cudaEventElapsedTime(ms, tune->before, tune->after));
    *ms /= RUNS;
    return OK;
}

/* The first run ever, and whether to go on. */
static bool worth_more(struct device *device, const struct tune *tune, struct candidate candidate)
{
    float ms = 0.0f;
    return cudaEventRecord(tune->before, device->stream) == cudaSuccess &&
           candidate.run(device, candidate.what, tune) == OK &&
           cudaEventRecord(tune->after, device->stream) == cudaSuccess &&
           cudaEventSynchronize(tune->after) == cudaSuccess &&
           cudaEventElapsedTime(&ms, tune->before, tune->after) == cudaSuccess &&
           !(ms > LOADING_MS + HOPELESS_AT_FIRST * tune->least);
}

static int by_size(const void *a, const void *b)
{
    const float first = *(const float *)a, second = *(const float *)b;
    return (first > second) - (first < second);
}

float tune_time(struct device *device, struct tune *tune,
                int (*run)(struct device *device, void *candidate, const struct tune *tune), void *candidate)
{
    float ms[GROUPS];
    if (!worth_more(device, tune, (struct candidate){run, candidate})) {
        cudaGetLastError();
        return INFINITY;
    }
    for (int group = 0; group < GROUPS; group++) {
        if (time_group(device, tune, (struct candidate){run, candidate}, &ms[group]) < 0) {
            cudaGetLastError();
            return INFINITY;
        }
        if (ms[0] > HOPELESS * tune->least)
            return INFINITY;
    }
    qsort(ms, GROUPS, sizeof *ms, by_size);
    if (ms[GROUPS / 2] < tune->least)
        tune->least = ms[GROUPS / 2];
    return ms[GROUPS / 2];
}
