/* ceiling: what a device gives at most, measured through its backend: copies of memory, products. Knows no network. */
#include "bench.h"

#include <math.h>

static const double seconds_each = 0.03;
/* Calls for one wait where the device does not wait for each anyway. */
enum { ROUNDS_LEAST = 3, QUEUED = 16 };

static int queued_on(const struct backend *backend)
{
    return backend->synchronous ? 1 : QUEUED;
}

/* ---- copies ---- */

/* Bytes of the copied arrays: from what the first cache holds to what none does. */
static int64_t copy_bytes(int size)
{
    return (int64_t)1 << (15 + 2 * size);
}

struct copies {
    const struct backend *backend;
    struct device *device;
    void *to;
    const void *from;
    int64_t bytes;
};

static int queue_copies(void *context)
{
    const struct copies *copies = context;
    for (int i = 0; i < queued_on(copies->backend); i++)
        TRY(copies->backend->copy(copies->device, copies->to, copies->from, (size_t)copies->bytes));
    return OK;
}

/* Recorded, so that the host has no part in the time. */
static int repeat_copies(struct copies *copies, struct recording **recording, double *best)
{
    const double start = clock_seconds();
    *best = INFINITY;
    for (int i = 0; i < BACKEND_PLAIN_RUNS + ROUNDS_LEAST || clock_seconds() - start < seconds_each; i++) {
        const double begin = clock_seconds();
        TRY(copies->backend->repeat(copies->device, recording, queue_copies, copies));
        TRY(copies->backend->wait(copies->device));
        *best = fmin(*best, (clock_seconds() - begin) / queued_on(copies->backend));
    }
    return OK;
}

static int measure_copy(const struct backend *backend, struct device *device, void *to, const void *from, int64_t bytes,
                        double *rate)
{
    struct copies copies = {backend, device, to, from, bytes};
    struct recording *recording = NULL;
    double best;
    const int status = repeat_copies(&copies, &recording, &best);
    backend->forget(device, recording);
    *rate = 2.0 * (double)bytes / best;
    return status;
}

static int measure_copies(const struct backend *backend, struct device *device, struct bench_ceiling *ceiling)
{
    const size_t most = (size_t)copy_bytes(BENCH_COPIES - 1);
    void *from = NULL, *to = NULL;
    int status = backend->alloc(device, most, &from);
    if (status == OK)
        status = backend->alloc(device, most, &to);
    for (int i = 0; i < BENCH_COPIES && status == OK; i++)
        status = measure_copy(backend, device, to, from, copy_bytes(i), &ceiling->copy[i]);
    for (int i = BENCH_COPIES - 2; i >= 0 && !backend->synchronous; i--)
        ceiling->copy[i] = fmax(ceiling->copy[i], ceiling->copy[i + 1]);
    backend->release(device, from);
    backend->release(device, to);
    return status;
}

double bench_copy_seconds(const struct bench_ceiling *ceiling, double bytes)
{
    /* Half of what is moved is read, half written. */
    const double place = fmin(fmax((log2(bytes / 2.0) - 15.0) / 2.0, 0.0), BENCH_COPIES - 1.0);
    const int below = (int)fmin(place, BENCH_COPIES - 2.0);
    const double share = place - below;
    return bytes / exp((1.0 - share) * log(ceiling->copy[below]) + share * log(ceiling->copy[below + 1]));
}

/* ---- products ---- */

/* A square product of so many rows, columns and terms, by the backend's own linear layer. */
static int product_side(const struct backend *backend)
{
    return backend->synchronous ? 2048 : 8192;
}

/* Numbers in [0.5, 1), in any dtype: of zeros a product would draw less power, at a higher clock. */
static int fill(const struct backend *backend, struct device *device, char *memory, size_t bytes, enum dtype dtype)
{
    static uint16_t block[1 << 16];
    const uint16_t half = dtype == DT_F16 ? 0x3800 : 0x3F00, digits = dtype == DT_F16 ? 0x3FF : 0x7F;
    uint32_t word = 1;
    for (int i = 0; i < COUNT_OF(block); i++) {
        word = word * 1664525u + 1013904223u;
        block[i] = (uint16_t)(half | (word >> 16 & digits));
    }
    for (size_t at = 0; at < bytes; at += sizeof block)
        TRY(backend->upload(device, memory + at, block, bytes - at < sizeof block ? bytes - at : sizeof block));
    return OK;
}

static int open_product(const struct backend *backend, struct device *device, enum dtype dtype, struct op_call *call,
                        void *memory[6])
{
    const int side = product_side(backend);
    const union op_params params = {.linear = {.units = side}};
    const struct op_desc desc = {
        .params = &params, .in = {{side, 1, 1, side}}, .out = {side, 1, 1, side}, .in_count = 1, .dtype = dtype};
    const size_t bytes = (size_t)side * (size_t)side * dtype_bytes(dtype);
    struct op_needs needs = {0};
    TRY(backend->ops[OP_LINEAR]->prepare(device, &desc, &call->state, &needs));
    const size_t sizes[6] = {bytes,
                             bytes,
                             (size_t)needs.weight[0].count * dtype_bytes(needs.weight[0].dtype),
                             needs.scratch_bytes,
                             needs.saved_bytes,
                             sizeof(struct step_control)};
    for (int i = 0; i < COUNT_OF(sizes); i++)
        TRY(backend->alloc(device, sizes[i], &memory[i]));
    TRY(fill(backend, device, memory[0], sizes[0], dtype));
    TRY(fill(backend, device, memory[2], sizes[2], dtype));
    call->in[0] = memory[0];
    call->out = memory[1];
    call->weight[0] = memory[2];
    call->scratch = memory[3];
    call->saved = memory[4];
    call->control = memory[5];
    return OK;
}

static int measure_product(const struct backend *backend, struct device *device, enum dtype dtype, double *rate)
{
    struct op_call call = {0};
    void *memory[6] = {0};
    double best = INFINITY;
    int status = open_product(backend, device, dtype, &call, memory);
    for (int i = 0; i < ROUNDS_LEAST && status == OK; i++) {
        const double begin = clock_seconds();
        for (int k = 0; k < queued_on(backend) && status == OK; k++)
            status = backend->ops[OP_LINEAR]->forward(device, &call);
        if (status == OK)
            status = backend->wait(device);
        best = fmin(best, (clock_seconds() - begin) / queued_on(backend));
    }
    for (int i = 0; i < COUNT_OF(memory); i++)
        backend->release(device, memory[i]);
    backend->ops[OP_LINEAR]->release(call.state);
    *rate = 2.0 * pow(product_side(backend), 3.0) / best;
    return status;
}

int bench_measure_ceiling(const struct backend *backend, struct device *device, enum dtype dtype,
                          struct bench_ceiling *ceiling)
{
    *ceiling = (struct bench_ceiling){0};
    TRY(measure_copies(backend, device, ceiling));
    if (backend->peak)
        ceiling->product = backend->peak(device, dtype);
    if (ceiling->product > 0.0)
        return OK;
    ceiling->side = product_side(backend);
    return measure_product(backend, device, dtype, &ceiling->product);
}
