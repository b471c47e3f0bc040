/* bench_step: what surrounds forward and backward in a step, on any device: gathering a batch (images per second), the
 * loss, the gradient's norm and the update of the flat arrays (GB/s of the bytes they must touch, beside a copy of as
 * much memory), each also without statistics. With BENCH_JSON=FILE a JSON object per row is added there.
 * Usage: bench_step [--device NAME] [THREADS] [gather|loss|update] */
#include "backend.h"
#include "followed.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The best of many short rounds: other programs disturb some. On a GPU a round is many calls for one wait. */
enum { ROUNDS = 60, QUEUED = 20, BATCH = 128, SIDE = 64, LARGER = 8 /* batches of a GPU */ };
static const double seconds_each = 0.6;

static const struct backend *backend;
static struct device *device;
static const char *device_name = "cpu", *part = "";

static void must(int status)
{
    if (status < 0) {
        fprintf(stderr, "bench_step: %s\n", fail_text());
        exit(1);
    }
}

static void *take(size_t bytes)
{
    void *memory;
    must(backend->alloc(device, bytes, &memory));
    return memory;
}

/* Device memory with these contents. */
static void *place(const void *from, size_t bytes)
{
    void *memory = take(bytes);
    must(backend->upload(device, memory, from, bytes));
    must(backend->wait(device));
    return memory;
}

/* Of one call. */
static double seconds_of(int (*call)(const void *args), const void *args)
{
    const int queued = backend->synchronous ? 1 : QUEUED;
    const double start = clock_seconds();
    double best = INFINITY;
    for (int round = 0; round < ROUNDS && (round < 3 || clock_seconds() - start < seconds_each); round++) {
        const double begin = clock_seconds();
        for (int i = 0; i < queued; i++)
            must(call(args));
        must(backend->wait(device));
        best = fmin(best, (clock_seconds() - begin) / queued);
    }
    return best;
}

/* bytes: touched, read and written; ceiling: bytes a second of a copy of this size, 0: not compared. */
static void report(const char *kind, const char *name, double seconds, double bytes, double ceiling, double images)
{
    const double rate = bytes / seconds;
    printf("%-7s %-44s %10.1f us %8.1f GB/s", kind, name, seconds * 1e6, rate * 1e-9);
    if (ceiling > 0.0)
        printf("  %4.0f %% of a copy", 100.0 * rate / ceiling);
    if (images > 0.0)
        printf("  %9.0f images/s", images / seconds);
    putchar('\n');
    fflush(stdout);
    const char *path = getenv("BENCH_JSON");
    FILE *file = path ? fopen(path, "a") : NULL;
    if (!file)
        return;
    fprintf(file,
            "{\"name\": \"%s\", \"case\": \"%s\", \"device\": \"%s\", \"seconds\": %.6g, \"bytes_per_second\": %.6g",
            kind, name, device_name, seconds, rate);
    if (ceiling > 0.0)
        fprintf(file, ", \"share_of_copy\": %.4g", rate / ceiling);
    fprintf(file, "}\n");
    if (fclose(file) != 0)
        fprintf(stderr, "bench_step: %s cannot be written\n", path);
}

/* Copying moves its bytes twice: read and written. */
struct copy {
    void *to, *from;
    size_t bytes;
};

static int call_copy(const void *args)
{
    const struct copy *copy = args;
    return backend->copy(device, copy->to, copy->from, copy->bytes);
}

static double copy_rate(double bytes)
{
    const size_t half = (size_t)(bytes / 2);
    const struct copy copy = {take(half), take(half), half};
    const double seconds = seconds_of(call_copy, &copy);
    backend->release(device, copy.to);
    backend->release(device, copy.from);
    return 2.0 * (double)half / seconds;
}

/* ---- gather ---- */

struct gather_case {
    const char *name;
    struct augment augment;
    enum dtype dtype;
};

#define PLAIN .out_h = SIDE, .out_w = SIDE, .mean = {0.5f, 0.5f, 0.5f}, .std = {0.25f, 0.25f, 0.25f}
#define MOVED .random = true, .pad = 4, .flip_share = 0.5f
static const struct gather_case gather_cases[] = {
    {"evaluation, fp32", {PLAIN}, DT_F32},
    {"flip + crop, fp32", {PLAIN, MOVED}, DT_F32},
    {"flip + crop, bf16", {PLAIN, MOVED}, DT_BF16},
    {"flip + crop + brightness, fp32", {PLAIN, MOVED, .brightness = 0.2f}, DT_F32},
    {"flip + crop + brightness + contrast, fp32", {PLAIN, MOVED, .brightness = 0.2f, .contrast = 0.2f}, DT_F32},
    {"rotation nearest, fp32", {PLAIN, MOVED, .rotate_degrees = 15.0f}, DT_F32},
    {"rotation nearest, bf16", {PLAIN, MOVED, .rotate_degrees = 15.0f}, DT_BF16},
    {"rotation linear, fp32", {PLAIN, MOVED, .rotate_degrees = 15.0f, .interpolation = INTERPOLATE_BILINEAR}, DT_F32},
};

static int call_gather(const void *args)
{
    return backend->gather(device, args);
}

static void bench_gather(const struct gather_case *one)
{
    bool in_hardware;
    if (!backend->supports(device, one->dtype, &in_hardware))
        return;
    const int batch = backend->synchronous ? BATCH : BATCH * LARGER, images = batch * 4;
    const size_t image = (size_t)SIDE * SIDE * 3, values = image * (size_t)batch;
    uint8_t *host = malloc(image * (size_t)images);
    int32_t *order = malloc((size_t)images * sizeof *order);
    for (size_t i = 0; i < image * (size_t)images; i++)
        host[i] = (uint8_t)(i * 2654435761u >> 13);
    for (int i = 0; i < images; i++)
        order[i] = (int32_t)((unsigned)i * 1021u % (unsigned)images);
    uint8_t *pixels = place(host, image * (size_t)images);
    int32_t *labels = take((size_t)images * sizeof *labels), *places = place(order, (size_t)images * sizeof *order);
    const struct step_control control = {
        .source = {.pixels = pixels, .labels = labels, .order = places}, .seed = 1, .valid = batch};
    struct gather_args args = {.image = {1, SIDE, SIDE, 3},
                               .augment = one->augment,
                               .dtype = one->dtype,
                               .batch = batch,
                               .channels = backend->synchronous || one->dtype == DT_F32 ? 3 : 4,
                               .out = take(values / 3 * 4 * sizeof(float)),
                               .out_labels = take((size_t)batch * sizeof *labels),
                               .out_samples = take((size_t)batch * sizeof *labels),
                               .control = place(&control, sizeof control)};
    const double bytes = (double)values * (1 + (double)dtype_bytes(one->dtype) * args.channels / 3);
    report("gather", one->name, seconds_of(call_gather, &args), bytes, copy_rate(bytes), batch);
    void *taken[] = {pixels, labels, places, args.out, args.out_labels, args.out_samples, (void *)args.control};
    for (int i = 0; i < COUNT_OF(taken); i++)
        backend->release(device, taken[i]);
    free(host);
    free(order);
}

/* ---- loss ---- */

static int call_loss(const void *args)
{
    return backend->loss(device, args);
}

static void bench_loss(int rows, int classes, bool unmeasured)
{
    const size_t count = (size_t)rows * (size_t)classes, bytes = count * sizeof(float);
    const struct step_control control = {.valid = rows};
    float *host = malloc(bytes);
    int32_t *numbers = malloc((size_t)rows * sizeof *numbers);
    for (int i = 0; i < rows; i++)
        numbers[i] = i;
    for (int i = 0; i < rows * classes; i++)
        host[i] = (float)(i * 37 % 101) * 0.1f - 5.0f;
    const struct loss_args args = {.logits = place(host, bytes),
                                   .logits_grad = take(bytes),
                                   .dtype = DT_F32,
                                   .batch = rows,
                                   .classes = classes,
                                   .labels = take((size_t)rows * sizeof(int32_t)),
                                   .samples = place(numbers, (size_t)rows * sizeof *numbers),
                                   .table = unmeasured ? NULL : take((size_t)rows * sizeof(struct sample_stats)),
                                   .smoothing = 0.1f,
                                   .grad_scale = 1.0f,
                                   .unmeasured = unmeasured,
                                   .losses = take((size_t)rows * sizeof(float)),
                                   .predictions = take((size_t)rows * sizeof(int32_t)),
                                   .sums = take(sizeof(struct loss_sums)),
                                   .control = place(&control, sizeof control)};
    char name[80];
    snprintf(name, sizeof name, "%d x %d%s", rows, classes, unmeasured ? ", no statistics" : "");
    report("loss", name, seconds_of(call_loss, &args), 2.0 * (double)bytes, 0.0, rows);
    void *taken[] = {(void *)args.logits, args.logits_grad, (void *)args.labels, (void *)args.samples, args.table,
                     args.losses,         args.predictions, args.sums,           args.control};
    for (int i = 0; i < COUNT_OF(taken); i++)
        backend->release(device, taken[i]);
    free(host);
    free(numbers);
}

/* ---- update ---- */

struct update_case {
    const char *name;
    enum optimizer_kind kind;
    double momentum;
    bool low, ema;
    int bytes; /* touched per element, reads and writes */
};

static const struct update_case update_cases[] = {
    {"sgd", OPTIMIZER_SGD, 0.0, false, false, 12},
    {"sgd momentum", OPTIMIZER_SGD, 0.9, false, false, 20},
    {"adam", OPTIMIZER_ADAM, 0.0, false, false, 28},
    {"adamw", OPTIMIZER_ADAMW, 0.0, false, false, 28},
    {"adamw + bf16 copy", OPTIMIZER_ADAMW, 0.0, true, false, 30},
    {"adamw + bf16 copy + average", OPTIMIZER_ADAMW, 0.0, true, true, 38},
};

static int call_norm(const void *args)
{
    return backend->grad_norm(device, args);
}

static int call_update(const void *args)
{
    return backend->update(device, args);
}

static void bench_update(const struct update_case *one, int64_t count)
{
    const size_t bytes = (size_t)count * sizeof(float);
    const struct step_control control = {.kept = {.updates = 2}, .lr = 1e-6f, .ema_decay = 0.999};
    const struct decay_segment segments[] = {{count / 2, 0.01f}, {count, 0.0f}};
    float *host = malloc(bytes);
    for (int64_t i = 0; i < count; i++)
        host[i] = (float)(i % 1001 - 500) * 1e-3f;
    struct update_args args = {.kind = one->kind,
                               .momentum = one->momentum,
                               .beta1 = 0.9,
                               .beta2 = 0.999,
                               .epsilon = 1e-8,
                               .clip_norm = 1.0f,
                               .grad_scale = 1.0f,
                               .count = count,
                               .param = place(host, bytes),
                               .grad = place(host, bytes),
                               .moment1 = one->kind != OPTIMIZER_SGD || one->momentum > 0 ? take(bytes) : NULL,
                               .moment2 = one->kind != OPTIMIZER_SGD ? take(bytes) : NULL,
                               .ema = one->ema ? take(bytes) : NULL,
                               .low = one->low ? take(bytes / 2) : NULL,
                               .low_dtype = DT_BF16,
                               .segments = place(segments, sizeof segments),
                               .segment_count = 2,
                               .control = place(&control, sizeof control),
                               .norms = take(sizeof(struct step_norms)),
                               .nonfinite = take(sizeof(int32_t))};
    float *sketches = take((size_t)sketches_count(count) * sizeof(float));
    struct followed_row rows[SKETCH_FOLLOWED];
    args.followed_count = followed_rows(rows, &(struct flat_tensor){0, count}, 1);
    args.followed = place(rows, sizeof rows);
    static const char *const ways[] = {"", ", no sketches", ", no statistics"};
    for (int way = 0; way < COUNT_OF(ways); way++) {
        char name[80];
        /* Of the rows that are followed gradients and weights are read and written, and those of the last step read. */
        const double followed = way > 0 ? 0.0 : args.followed_count * SKETCH_LANES * 6.0 * sizeof(float);
        args.unmeasured = way == 2;
        args.sketches = way > 0 ? NULL : sketches;
        snprintf(name, sizeof name, "%s, %.3g M%s", one->name, (double)count * 1e-6, ways[way]);
        const double norm = (double)count * 4 + followed, update = (double)count * one->bytes;
        report("norm", name, seconds_of(call_norm, &args), norm, copy_rate(norm), 0.0);
        report("update", name, seconds_of(call_update, &args), update, copy_rate(update), 0.0);
    }
    void *taken[] = {args.param,
                     args.grad,
                     args.moment1,
                     args.moment2,
                     args.ema,
                     args.low,
                     (void *)args.segments,
                     args.norms,
                     args.nonfinite,
                     args.control,
                     sketches,
                     (void *)args.followed};
    for (int i = 0; i < COUNT_OF(taken); i++)
        backend->release(device, taken[i]);
    free(host);
}

int main(int argc, char **argv)
{
    char text[200];
    if (argc > 2 && strcmp(argv[1], "--device") == 0) {
        device_name = argv[2];
        argc -= 2;
        argv += 2;
    }
    int threads = 0;
    for (int i = 1; i < argc; i++) {
        if (atoi(argv[i]) > 0)
            threads = atoi(argv[i]);
        else
            part = argv[i];
    }
    must(backend_open(device_name, threads, &backend, &device));
    backend->describe(device, text, sizeof text);
    printf("%s\n", text);
    for (int i = 0; i < COUNT_OF(gather_cases) && strstr("gather", part); i++)
        bench_gather(&gather_cases[i]);
    static const int classes[] = {10, 1000};
    for (int i = 0; i < COUNT_OF(classes) && strstr("loss", part); i++)
        for (int unmeasured = 0; unmeasured < 2; unmeasured++)
            bench_loss(BATCH, classes[i], unmeasured);
    static const int64_t counts[] = {25557032 /* ResNet-50 */, 100000 /* in the caches */};
    for (int k = 0; k < COUNT_OF(counts) && strstr("update", part); k++)
        for (int i = 0; i < COUNT_OF(update_cases); i++)
            bench_update(&update_cases[i], counts[k]);
    backend->close(device);
    return 0;
}
