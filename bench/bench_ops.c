/* bench_ops: layers of real networks, one pass each: microseconds; GFLOP/s beside what the multipliers give at most, or
 * on a GPU the best product (bench_measure_ceiling), and on the CPU how many times as fast as oneDNN in the same run
 * (onednn.h); GB/s of the bytes a pass must touch beside the vendor's copy of as much memory (backend.copy). With
 * BENCH_JSON=FILE a JSON object per row is added there. Usage: bench_ops [--device NAME] [NAME-PART] [THREADS] */
#include "bench.h"
#include "cases.h"
#include "onednn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The best of many short rounds: other programs disturb some. */
enum { ROUNDS = 200, BUFFERS = 24, BLOCK = 1 << 16 };
static const double seconds_each = 0.2;
/* On a GPU: passes queued for one wait, and batches so large that no cache holds them. */
enum { QUEUED = 20, LARGER = 32 };

static const struct backend *backend;
static const char *device_name = "cpu";
static struct device *device;
static int threads;

static void must(int status)
{
    if (status < 0) {
        fprintf(stderr, "bench_ops: %s\n", fail_text());
        exit(1);
    }
}

struct layer {
    const struct op_impl *impl;
    struct op_call call;
    void *memory[BUFFERS];
    int count;
    int (*pass)(struct device *device, const struct op_call *call); /* the one to be timed */
    double bytes[2], flops[2];                                      /* forward, backward */
};

struct result {
    const char *name, *dtype;
    bool backward;
    double seconds, copy_seconds, onednn_seconds, bytes, flops; /* onednn_seconds 0: none to compare */
};

static void *take(struct layer *layer, size_t bytes)
{
    must(backend->alloc(device, bytes, &layer->memory[layer->count]));
    return layer->memory[layer->count++];
}

/* Zeros would make arithmetic and branches unlike the real ones. What goes up is one block, which is then doubled. */
static void *take_values(struct layer *layer, int64_t count, enum dtype dtype, unsigned seed)
{
    static float block[BLOCK];
    const size_t each = dtype_bytes(dtype), bytes = (size_t)count * each;
    char *there = take(layer, bytes);
    size_t done = bytes < BLOCK * each ? bytes : BLOCK * each;
    for (int i = 0; i < BLOCK; i++) {
        seed = seed * 1664525u + 1013904223u;
        const float value = (float)(seed >> 8) * 0x1p-23f - 1.0f;
        memcpy((char *)block + (size_t)i * each, (const char *)&value + sizeof value - each, each);
    }
    must(backend->upload(device, there, block, done));
    for (; done < bytes; done *= 2)
        must(backend->copy(device, there + done, there, done < bytes - done ? done : bytes - done));
    must(backend->wait(device));
    return there;
}

/* Layers of one or three channels are a network's first. */
static bool wants_in_grad(const struct op_case *one)
{
    return one->in.c > 3;
}

static void layer_open(struct layer *layer, const struct op_impl *impl, const struct op_case *one, enum dtype dtype)
{
    *layer = (struct layer){.impl = impl};
    const int inputs = op_case_inputs(one);
    const struct shape out = op_case_out(one);
    const struct op_desc desc = {.params = &one->params,
                                 .in = {one->in, one->in},
                                 .out = out,
                                 .in_count = inputs,
                                 .dtype = dtype,
                                 .training = true,
                                 .in_grad = {wants_in_grad(one), inputs > 1},
                                 .first = !wants_in_grad(one)};
    struct op_needs needs = {0};
    must(layer->impl->prepare(device, &desc, &layer->call.state, &needs));
    struct op_weight weights[OP_MAX_WEIGHTS];
    const int weight_count = op_table[one->kind].weights(&one->params, &one->in, weights);
    double weight_bytes = 0.0;
    struct shape in = one->in; /* as the layer wants it in memory */
    if (needs.in_channels)
        in.c = needs.in_channels;
    for (int i = 0; i < inputs; i++) {
        layer->call.in[i] = take_values(layer, shape_count(in), dtype, 1 + (unsigned)i);
        layer->call.in_grad[i] = desc.in_grad[i] ? take_values(layer, shape_count(one->in), dtype, 3) : NULL;
    }
    layer->call.out = take_values(layer, shape_count(out), dtype, 4);
    layer->call.out_grad = take_values(layer, shape_count(out), dtype, 5);
    for (int k = 0; k < weight_count; k++) {
        layer->call.weight[k] = take_values(layer, needs.weight[k].count, needs.weight[k].dtype, 6);
        if (weights[k].role == WEIGHT_PARAM)
            layer->call.weight_grad[k] = take_values(layer, needs.weight[k].count, DT_F32, 7);
        weight_bytes += (double)needs.weight[k].count * (double)dtype_bytes(needs.weight[k].dtype);
    }
    layer->call.scratch = take(layer, needs.scratch_bytes);
    layer->call.saved = take(layer, needs.saved_bytes);
    layer->call.control = take(layer, sizeof(struct step_control));
    layer->call.training = true;
    const double each = (double)dtype_bytes(dtype);
    bench_op_bytes(one->kind, &one->params, each * (double)shape_count(one->in), each * (double)shape_count(out),
                   weight_bytes, wants_in_grad(one), layer->bytes);
    layer->flops[0] = op_table[one->kind].flops(&one->params, desc.in, out);
    layer->flops[1] = (1 + wants_in_grad(one)) * layer->flops[0];
}

static void layer_close(struct layer *layer)
{
    layer->impl->release(layer->call.state);
    for (int i = 0; i < layer->count; i++)
        backend->release(device, layer->memory[i]);
}

/* One thread's own time, which other programs disturb less. */
static double seconds_now(void)
{
    struct timespec time;
    if (threads > 1 || backend != &backend_cpu)
        return clock_seconds();
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static double best_of(void (*pass)(void *context), void *context)
{
    double best = 1e9;
    const double start = seconds_now();
    const int queued = backend->synchronous ? 1 : QUEUED;
    for (int i = 0; i < ROUNDS && (i < 3 || seconds_now() - start < seconds_each); i++) {
        const double begin = seconds_now();
        for (int k = 0; k < queued; k++)
            pass(context);
        must(backend->wait(device));
        const double took = (seconds_now() - begin) / queued;
        if (took < best)
            best = took;
    }
    return best;
}

static void run_pass(void *context)
{
    struct layer *layer = context;
    must(layer->pass(device, &layer->call));
}

static double seconds_of(struct layer *layer, int (*pass)(struct device *, const struct op_call *))
{
    layer->pass = pass;
    return best_of(run_pass, layer);
}

static double onednn_seconds(const struct op_case *one, enum dtype dtype, bool backward)
{
    struct onednn *layer = onednn_open(one, dtype, wants_in_grad(one), threads);
    const double seconds = layer ? best_of(backward ? onednn_backward : onednn_forward, layer) : 0.0;
    onednn_close(layer);
    return seconds;
}

/* Copying moves its bytes twice: read and written. */
struct copy {
    void *to, *from;
    size_t bytes;
};

static void run_copy(void *context)
{
    const struct copy *copy = context;
    must(backend->copy(device, copy->to, copy->from, copy->bytes));
}

static double copy_seconds(double bytes)
{
    struct layer arrays = {0};
    const int64_t count = (int64_t)(bytes / 2 / sizeof(float));
    struct copy copy = {.bytes = (size_t)count * sizeof(float)};
    copy.to = take_values(&arrays, count, DT_F32, 1);
    copy.from = take_values(&arrays, count, DT_F32, 2);
    const double best = best_of(run_copy, &copy);
    for (int i = 0; i < arrays.count; i++)
        backend->release(device, arrays.memory[i]);
    return best;
}

static double pass_seconds(const struct op_impl *impl, const struct op_case *one, enum dtype dtype, bool backward,
                           double *bytes, double *flops)
{
    struct layer layer;
    layer_open(&layer, impl, one, dtype);
    must(impl->forward(device, &layer.call));
    const double seconds = seconds_of(&layer, backward ? impl->backward : impl->forward);
    *bytes = layer.bytes[backward];
    *flops = layer.flops[backward];
    layer_close(&layer);
    return seconds;
}

static struct result bench_pass(const struct op_case *one, enum dtype dtype, bool backward)
{
    const bool product = one->kind == OP_CONV2D || one->kind == OP_LINEAR;
    struct result result = {.name = one->name, .dtype = dtype_name(dtype), .backward = backward};
    if (backend == &backend_cpu && product)
        result.onednn_seconds = onednn_seconds(one, dtype, backward);
    result.seconds = pass_seconds(backend->ops[one->kind], one, dtype, backward, &result.bytes, &result.flops);
    result.copy_seconds = copy_seconds(result.bytes);
    if (!product)
        result.flops = 0.0;
    return result;
}

/* ---- the table, row by row: what is cut short keeps what it has ---- */

static void write_result(const char *path, const struct result *result, double top)
{
    FILE *file = fopen(path, "a");
    if (file)
        fprintf(file,
                "{\"name\": \"operation\", \"layer\": \"%s\", \"dtype\": \"%s\", \"pass\": \"%s\", \"device\": \"%s\", "
                "\"seconds\": %.6g, \"flop_per_second\": %.6g, \"bytes_per_second\": %.6g, \"share_of_copy\": %.4g, "
                "\"share_of_product\": %.4g}\n",
                result->name, result->dtype, result->backward ? "backward" : "forward", device_name, result->seconds,
                result->flops / result->seconds, result->bytes / result->seconds,
                result->copy_seconds / result->seconds, result->flops / result->seconds / top);
    if (!file || fclose(file) != 0)
        fprintf(stderr, "bench_ops: %s cannot be written\n", path);
}

static void print_result(const struct result *result, double top)
{
    const double rate = result->flops / result->seconds;
    printf("%-24s %-5s %-8s %10.1f %8.1f %6.0f", result->name, result->dtype, result->backward ? "backward" : "forward",
           result->seconds * 1e6, rate * 1e-9, top > 0 ? 100 * rate / top : 0);
    if (backend == &backend_cpu)
        printf(" %8.2f", result->onednn_seconds / result->seconds);
    printf(" %7.1f %6.0f\n", result->bytes / result->seconds * 1e-9, 100 * result->copy_seconds / result->seconds);
    fflush(stdout);
}

/* The most floating-point operations a second in each dtype that the device has; 0: none. */
static void measure_tops(double tops[static DT_F16 + 1])
{
    printf("at most");
    for (int dtype = 0; dtype <= DT_F16; dtype++) {
        struct bench_ceiling ceiling = {0};
        bool in_hardware;
        if (backend->supports(device, (enum dtype)dtype, &in_hardware))
            must(bench_measure_ceiling(backend, device, (enum dtype)dtype, &ceiling));
        tops[dtype] = ceiling.product;
        if (tops[dtype] > 0.0)
            printf("  %.0f GFLOP/s in %s", tops[dtype] * 1e-9, dtype_name((enum dtype)dtype));
    }
    printf("\n%-24s %-5s %-8s %10s %8s %6s%s %7s %6s\n", "layer", "dtype", "pass", "us", "GFLOP/s", "%most",
           backend == &backend_cpu ? " x oneDNN" : "", "GB/s", "%copy");
    fflush(stdout);
}

int main(int count, char **words)
{
    if (count > 2 && strcmp(words[1], "--device") == 0) {
        device_name = words[2];
        words += 2;
        count -= 2;
    }
    const char *part = count > 1 ? words[1] : "", *path = getenv("BENCH_JSON");
    double tops[DT_F16 + 1];
    threads = count > 2 ? atoi(words[2]) : cpu_count();
    must(backend_open(device_name, threads, &backend, &device));
    measure_tops(tops);
    for (int i = 0; i < 2 * (DT_F16 + 1) * op_layer_count; i++) {
        struct op_case layer = op_layers[i / 2 / (DT_F16 + 1)];
        const enum dtype dtype = (enum dtype)(i / 2 % (DT_F16 + 1));
        bool in_hardware;
        if (!strstr(layer.name, part) || !backend->supports(device, dtype, &in_hardware))
            continue;
        if (!backend->synchronous)
            layer.in.n *= LARGER;
        const struct result result = bench_pass(&layer, dtype, i % 2);
        print_result(&result, tops[dtype]);
        if (path)
            write_result(path, &result, tops[dtype]);
    }
    backend->close(device);
    return 0;
}
