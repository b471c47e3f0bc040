/* bench_ops: layers of real networks, one pass each: microseconds; GFLOP/s beside what the multipliers give at most, or
 * on a GPU the best product (bench_measure_ceiling), and on the CPU how many times as fast as oneDNN in the same run
 * (onednn.h); GB/s of the bytes a pass must touch beside copying as much memory. With BENCH_JSON=FILE a JSON object per
 * row is added there. Usage: bench_ops [--device NAME] [NAME-PART] [THREADS] */
#include "bench.h"
#include "cases.h"
#include "onednn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The best of many short rounds: other programs disturb some. */
enum { ROUNDS = 200, BUFFERS = 24, RESULTS = 256 };
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

/* Zeros would make arithmetic and branches unlike the real ones. */
static void *take_values(struct layer *layer, int64_t count, enum dtype dtype, unsigned seed)
{
    const size_t bytes = (size_t)count * dtype_bytes(dtype);
    char *there = take(layer, bytes), *values = malloc(bytes);
    if (!values)
        must(FAIL(ERR_MEMORY, "no memory for %zu bytes of values", bytes));
    for (int64_t i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        const float value = (float)(seed >> 8) * 0x1p-23f - 1.0f;
        uint32_t bits;
        memcpy(&bits, &value, sizeof bits);
        if (dtype == DT_F32)
            memcpy(values + 4 * i, &bits, 4);
        else
            memcpy(values + 2 * i, (char *)&bits + 2, 2);
    }
    must(backend->upload(device, there, values, bytes));
    must(backend->wait(device));
    free(values);
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
                                 .in_grad = {wants_in_grad(one), inputs > 1}};
    struct op_needs needs = {0};
    must(layer->impl->prepare(device, &desc, &layer->call.state, &needs));
    struct op_weight weights[OP_MAX_WEIGHTS];
    const int weight_count = op_table[one->kind].weights(&one->params, &one->in, weights);
    double weight_bytes = 0.0;
    for (int i = 0; i < inputs; i++) {
        layer->call.in[i] = take_values(layer, shape_count(one->in), dtype, 1 + (unsigned)i);
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

/* Copying moves its bytes twice: read and written. The backend's addition copies with all threads. */
static double copy_seconds(double bytes)
{
    struct op_case one = {.kind = OP_ADD, .in = {1, 1, 1, (int)(bytes / 2 / sizeof(float))}};
    struct layer layer;
    layer_open(&layer, backend->ops[OP_ADD], &one, DT_F32);
    layer.call.in_grad[1] = NULL;
    const double best = seconds_of(&layer, layer.impl->backward);
    layer_close(&layer);
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

static int bench_layer(const struct op_case *one, enum dtype dtype, struct result *results)
{
    const bool product = one->kind == OP_CONV2D || one->kind == OP_LINEAR;
    for (int backward = 0; backward < 2; backward++) {
        struct result *result = &results[backward];
        *result = (struct result){.name = one->name, .dtype = dtype_name(dtype), .backward = backward};
        double bytes, flops;
        if (backend == &backend_cpu && product)
            result->onednn_seconds = onednn_seconds(one, dtype, backward);
        result->seconds = pass_seconds(backend->ops[one->kind], one, dtype, backward, &bytes, &flops);
        result->copy_seconds = copy_seconds(bytes);
        result->bytes = bytes;
        result->flops = product ? flops : 0.0;
    }
    return 2;
}

/* The most floating-point operations a second in each dtype that there are results of; 0: none. */
static void measure_tops(const struct result *results, int count, double tops[static DT_COUNT])
{
    for (int dtype = 0; dtype <= DT_F16; dtype++) {
        struct bench_ceiling ceiling = {0};
        bool wanted = false;
        for (int i = 0; i < count; i++)
            wanted |= strcmp(results[i].dtype, dtype_name((enum dtype)dtype)) == 0;
        if (wanted)
            must(bench_measure_ceiling(backend, device, (enum dtype)dtype, &ceiling));
        tops[dtype] = ceiling.product;
    }
}

static double top_of(const struct result *result, const double tops[static DT_COUNT])
{
    int dtype = 0;
    while (strcmp(result->dtype, dtype_name((enum dtype)dtype)) != 0)
        dtype++;
    return tops[dtype];
}

static void write_results(const char *path, const struct result *results, int count, const double tops[static DT_COUNT])
{
    FILE *file = fopen(path, "a");
    for (int i = 0; file && i < count; i++)
        fprintf(file,
                "{\"name\": \"operation\", \"layer\": \"%s\", \"dtype\": \"%s\", \"pass\": \"%s\", \"device\": \"%s\", "
                "\"seconds\": %.6g, \"flop_per_second\": %.6g, \"bytes_per_second\": %.6g, \"share_of_copy\": %.4g, "
                "\"share_of_product\": %.4g}\n",
                results[i].name, results[i].dtype, results[i].backward ? "backward" : "forward", device_name,
                results[i].seconds, results[i].flops / results[i].seconds, results[i].bytes / results[i].seconds,
                results[i].copy_seconds / results[i].seconds,
                results[i].flops / results[i].seconds / top_of(&results[i], tops));
    if (!file || fclose(file) != 0)
        fprintf(stderr, "bench_ops: %s cannot be written\n", path);
}

static void print_results(const struct result *results, int count, const double tops[static DT_COUNT])
{
    printf("at most");
    for (int dtype = 0; dtype <= DT_F16; dtype++)
        if (tops[dtype] > 0.0)
            printf("  %.0f GFLOP/s in %s", tops[dtype] * 1e-9, dtype_name((enum dtype)dtype));
    putchar('\n');
    printf("%-24s %-5s %-8s %10s %8s %6s %8s %7s %6s\n", "layer", "dtype", "pass", "us", "GFLOP/s", "%most", "x oneDNN",
           "GB/s", "%copy");
    for (int i = 0; i < count; i++) {
        const struct result *one = &results[i];
        const double rate = one->flops / one->seconds, top = top_of(one, tops);
        printf("%-24s %-5s %-8s %10.1f %8.1f %6.0f %8.2f %7.1f %6.0f\n", one->name, one->dtype,
               one->backward ? "backward" : "forward", one->seconds * 1e6, rate * 1e-9, top > 0 ? 100 * rate / top : 0,
               one->onednn_seconds / one->seconds, one->bytes / one->seconds * 1e-9,
               100 * one->copy_seconds / one->seconds);
    }
}

int main(int count, char **words)
{
    if (count > 2 && strcmp(words[1], "--device") == 0) {
        device_name = words[2];
        words += 2;
        count -= 2;
    }
    const char *part = count > 1 ? words[1] : "", *path = getenv("BENCH_JSON");
    struct result results[RESULTS];
    int found = 0;
    threads = count > 2 ? atoi(words[2]) : cpu_count();
    must(backend_open(device_name, threads, &backend, &device));
    for (int i = 0; i < op_layer_count; i++)
        for (int dtype = 0; dtype <= DT_F16 && found + 2 <= RESULTS; dtype++) {
            bool in_hardware;
            struct op_case layer = op_layers[i];
            if (!strstr(layer.name, part) || !backend->supports(device, (enum dtype)dtype, &in_hardware))
                continue;
            if (!backend->synchronous)
                layer.in.n *= LARGER;
            found += bench_layer(&layer, (enum dtype)dtype, &results[found]);
        }
    double tops[DT_COUNT] = {0};
    measure_tops(results, found, tops);
    print_results(results, found, tops);
    if (path)
        write_results(path, results, found, tops);
    backend->close(device);
    return 0;
}
