/* bench_step: what surrounds forward and backward in a step: gathering a batch (images per second) and the update of
 * the flat arrays (GB/s of the bytes it must touch, next to a copy of as much memory). Usage: bench_step [THREADS]
 * [gather|loss|update]
 */
#include "backend.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The best of many short rounds: other programs disturb some. */
enum { GATHER_ROUNDS = 60, UPDATE_ROUNDS = 12, SMALL_ROUNDS = 400, IMAGES = 512, BATCH = 128, SIDE = 64 };

static const struct backend *const cpu = &backend_cpu;

static void must(int status)
{
    if (status < 0) {
        fprintf(stderr, "bench_step: %s\n", fail_text());
        exit(1);
    }
}

static void *take(struct device *device, size_t bytes)
{
    void *memory;
    must(cpu->alloc(device, bytes, &memory));
    return memory;
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

static void bench_gather(struct device *device, const struct gather_case *one)
{
    static int32_t labels[IMAGES], order[IMAGES], out_labels[BATCH], out_samples[BATCH];
    size_t image = (size_t)SIDE * SIDE * 3;
    uint8_t *pixels = take(device, image * IMAGES);
    struct step_control control = {
        .source = {.pixels = pixels, .labels = labels, .order = order}, .seed = 1, .valid = BATCH};
    struct gather_args args = {.image = {1, SIDE, SIDE, 3},
                               .augment = one->augment,
                               .dtype = one->dtype,
                               .batch = BATCH,
                               .out = take(device, image * BATCH * sizeof(float)),
                               .out_labels = out_labels,
                               .out_samples = out_samples,
                               .control = &control};
    for (size_t i = 0; i < image * IMAGES; i++)
        pixels[i] = (uint8_t)(i * 2654435761u >> 13);
    for (int i = 0; i < IMAGES; i++)
        order[i] = (int32_t)((unsigned)i * 1021u % IMAGES);
    double best = 1e9;
    for (int round = 0; round < GATHER_ROUNDS; round++) {
        double start = clock_seconds();
        for (control.first = 0; control.first < IMAGES; control.first += BATCH)
            must(cpu->gather(device, &args));
        double taken = clock_seconds() - start;
        best = taken < best ? taken : best;
    }
    double bytes = (double)image * (1 + (one->dtype == DT_F32 ? 4 : 2));
    printf("gather %-42s %9.0f images/s  %6.2f GB/s\n", one->name, IMAGES / best, bytes * IMAGES / best * 1e-9);
    cpu->release(device, pixels);
    cpu->release(device, args.out);
}

/* ---- loss ---- */

static void bench_loss(struct device *device, int rows, int classes)
{
    size_t bytes = (size_t)rows * classes * sizeof(float);
    struct step_control control = {.valid = rows};
    struct loss_sums sums = {0};
    float *logits = take(device, bytes);
    struct loss_args args = {.logits = logits,
                             .logits_grad = take(device, bytes),
                             .dtype = DT_F32,
                             .batch = rows,
                             .classes = classes,
                             .labels = take(device, (size_t)rows * sizeof(int32_t)),
                             .smoothing = 0.1f,
                             .grad_scale = 1.0f,
                             .losses = take(device, (size_t)rows * sizeof(float)),
                             .predictions = take(device, (size_t)rows * sizeof(int32_t)),
                             .sums = &sums,
                             .control = &control};
    for (int i = 0; i < rows * classes; i++)
        logits[i] = (float)(i * 37 % 101) * 0.1f - 5.0f;
    double best = 1e9;
    for (int round = 0; round < GATHER_ROUNDS; round++) {
        double start = clock_seconds();
        must(cpu->loss(device, &args));
        double taken = clock_seconds() - start;
        best = taken < best ? taken : best;
    }
    printf("loss %d x %-38d %12.0f rows/s  %7.2f ns per logit\n", rows, classes, rows / best,
           best / rows / classes * 1e9);
    cpu->release(device, logits);
    cpu->release(device, args.logits_grad);
    cpu->release(device, (void *)args.labels);
    cpu->release(device, args.losses);
    cpu->release(device, args.predictions);
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

/* As many bytes read and written as copied by all threads together, the best that memory gives. */
static double copy_rate(struct device *device, int threads, int64_t bytes)
{
    char *from = take(device, (size_t)bytes), *to = take(device, (size_t)bytes);
    int64_t part = bytes / threads;
    double best = 1e9;
    for (int round = 0; round < UPDATE_ROUNDS; round++) {
        double start = clock_seconds();
#pragma omp parallel for num_threads(threads) schedule(static)
        for (int i = 0; i < threads; i++)
            memcpy(to + i * part, from + i * part, (size_t)part);
        double taken = clock_seconds() - start;
        best = taken < best ? taken : best;
    }
    cpu->release(device, from);
    cpu->release(device, to);
    return 2.0 * (double)bytes / best * 1e-9;
}

static void bench_update(struct device *device, const struct update_case *one, int64_t count, double ceiling)
{
    size_t bytes = (size_t)count * sizeof(float);
    struct step_control control = {.kept = {.updates = 2}, .lr = 1e-3f, .ema_decay = 0.999};
    struct decay_segment segments[] = {{count / 2, 0.01f}, {count, 0.0f}};
    struct step_norms norms;
    int32_t nonfinite;
    struct update_args args = {.kind = one->kind,
                               .momentum = one->momentum,
                               .beta1 = 0.9,
                               .beta2 = 0.999,
                               .epsilon = 1e-8,
                               .clip_norm = 1.0f,
                               .grad_scale = 1.0f,
                               .count = count,
                               .param = take(device, bytes),
                               .grad = take(device, bytes),
                               .moment1 = one->kind != OPTIMIZER_SGD || one->momentum > 0 ? take(device, bytes) : NULL,
                               .moment2 = one->kind != OPTIMIZER_SGD ? take(device, bytes) : NULL,
                               .ema = one->ema ? take(device, bytes) : NULL,
                               .low = one->low ? take(device, bytes / 2) : NULL,
                               .low_dtype = DT_BF16,
                               .segments = segments,
                               .segment_count = 2,
                               .control = &control,
                               .norms = &norms,
                               .nonfinite = &nonfinite,
                               .sketches = take(device, (size_t)sketch_count(count) * SKETCHES * sizeof(float))};
    enum { BARE, NORMS, SKETCHED, WAYS }; /* nothing measured; norms; sketches too */
    double update[WAYS] = {1e9, 1e9, 1e9}, norm[WAYS] = {1e9, 1e9, 1e9};
    float *sketches = args.sketches;
    for (int64_t i = 0; i < count; i++)
        args.grad[i] = (float)(i % 1001 - 500) * 1e-3f;
    const int rounds = count < 1000000 ? SMALL_ROUNDS : UPDATE_ROUNDS;
    for (int round = 0; round < WAYS * rounds; round++) {
        const int way = round % WAYS;
        args.sketches = way == SKETCHED ? sketches : NULL;
        args.unmeasured = way == BARE;
        double start = clock_seconds();
        must(cpu->grad_norm(device, &args));
        double middle = clock_seconds();
        must(cpu->update(device, &args));
        double end = clock_seconds();
        norm[way] = fmin(norm[way], middle - start);
        update[way] = fmin(update[way], end - middle);
    }
    args.sketches = sketches;
    const double rate = (double)count * one->bytes / update[BARE] * 1e-9, bare = update[BARE] + norm[BARE];
    printf("update %-30s %9.3f ms  %6.2f GB/s  %3.0f %% of a copy   norm %6.2f GB/s   norms %+5.1f %%, sketches %+5.1f "
           "%%\n",
           one->name, update[BARE] * 1e3, rate, 100 * rate / ceiling, (double)bytes / norm[BARE] * 1e-9,
           100.0 * (update[NORMS] + norm[NORMS] - bare) / bare,
           100.0 * (update[SKETCHED] + norm[SKETCHED] - update[NORMS] - norm[NORMS]) / bare);
    float *arrays[] = {args.param, args.grad, args.moment1, args.moment2, args.ema, args.low, args.sketches};
    for (int i = 0; i < COUNT_OF(arrays); i++)
        cpu->release(device, arrays[i]);
}

int main(int argc, char **argv)
{
    const int threads = argc > 1 ? atoi(argv[1]) : cpu_count();
    const char *part = argc > 2 ? argv[2] : "";
    struct device *device;
    char text[200];
    must(cpu->open(&device, 0, threads));
    cpu->describe(device, text, sizeof text);
    printf("%s\n", text);
    for (int i = 0; i < COUNT_OF(gather_cases) && strstr("gather", part); i++)
        bench_gather(device, &gather_cases[i]);
    for (int classes = 10; classes <= 1000 && strstr("loss", part); classes *= 100)
        bench_loss(device, BATCH, classes);
    /* In the caches, and of ResNet-50. */
    static const int64_t counts[] = {100000, 25557032};
    for (int size = 0; size < COUNT_OF(counts) && strstr("update", part); size++) {
        const double ceiling = copy_rate(device, threads, counts[size] * 8);
        printf("copy %59.2f GB/s\n", ceiling);
        for (int i = 0; i < COUNT_OF(update_cases); i++)
            bench_update(device, &update_cases[i], counts[size], ceiling);
    }
    cpu->close(device);
    return 0;
}
