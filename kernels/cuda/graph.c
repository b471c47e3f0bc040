/* graph: the calls of a step recorded once as a CUDA graph and launched as one from then on, and the bound on how far
 * the host runs ahead. Knows nothing of what the calls do.
 *
 * The first few times the calls are made plainly: kernels are loaded when they are first launched, and neither that nor
 * the libraries' first use can be recorded. What a graph was recorded with (addresses, sizes, numbers) stays in it. */
#include "cuda.h"
#include <cuda_runtime_api.h>
#include <stdlib.h>

struct recording {
    int runs;
    cudaGraphExec_t graph; /* NULL: not recorded yet */
};

int cuda_graph_open(struct device *device)
{
    const char *wanted = getenv("EVENKEEL_CUDA_GRAPH");
    device->eager = wanted && wanted[0] == '0';
    for (int i = 0; i < BACKEND_LEAD; i++)
        CUDA_TRY(cudaEventCreateWithFlags(&device->paces[i], cudaEventDisableTiming | cudaEventBlockingSync));
    return OK;
}

void cuda_graph_close(struct device *device)
{
    for (int i = 0; i < BACKEND_LEAD; i++)
        if (device->paces[i])
            cudaEventDestroy(device->paces[i]);
}

int cuda_pace(struct device *device)
{
    cudaEvent_t event = device->paces[device->steps++ % BACKEND_LEAD];
    if (device->steps > BACKEND_LEAD)
        TRY(cuda_hold(device, event));
    CUDA_TRY(cudaEventRecord(event, device->stream));
    return OK;
}

static int capture_failed(int status, const char *reason)
{
    cudaGetLastError();
    return FAIL(
        status,
        "CUDA: the step could not be recorded as a graph: %s; set EVENKEEL_CUDA_GRAPH=0 in the environment, which "
        "queues every kernel by itself, and report this with the output of `evenkeel devices`",
        reason);
}

/* Other threads may go on with calls that a capture would forbid: ThreadLocal. */
static int capture(struct device *device, cudaGraph_t *graph, int (*queue)(void *context), void *context)
{
    *graph = NULL;
    CUDA_TRY(cudaStreamBeginCapture(device->stream, cudaStreamCaptureModeThreadLocal));
    const int status = queue(context);
    const cudaError_t error = cudaStreamEndCapture(device->stream, graph);
    if (error == cudaSuccess)
        return status;
    /* Where a call failed, that the capture is then no good either says nothing. */
    return status < 0 ? capture_failed(status, fail_text()) : capture_failed(ERR_DEVICE, cudaGetErrorString(error));
}

static int record(struct device *device, struct recording *recording, int (*queue)(void *context), void *context)
{
    cudaGraph_t graph;
    const int status = capture(device, &graph, queue, context);
    const cudaError_t error = status < 0 ? cudaSuccess : cudaGraphInstantiate(&recording->graph, graph, 0);
    if (graph)
        cudaGraphDestroy(graph);
    TRY(status);
    if (error != cudaSuccess)
        return capture_failed(ERR_DEVICE, cudaGetErrorString(error));
    CUDA_TRY(cudaGraphUpload(recording->graph, device->stream));
    return OK;
}

int cuda_repeat(struct device *device, struct recording **recording, int (*queue)(void *context), void *context)
{
    if (!*recording && !(*recording = calloc(1, sizeof **recording)))
        return FAIL(ERR_MEMORY, "cuda: out of memory for the recording of a step; close other programs");
    if (device->eager || (*recording)->runs < BACKEND_PLAIN_RUNS) {
        (*recording)->runs++;
        return queue(context);
    }
    if (!(*recording)->graph)
        TRY(record(device, *recording, queue, context));
    CUDA_TRY(cudaGraphLaunch((*recording)->graph, device->stream));
    return OK;
}

void cuda_forget(struct device *device, struct recording *recording)
{
    (void)device;
    if (recording && recording->graph)
        cudaGraphExecDestroy(recording->graph);
    free(recording);
}
