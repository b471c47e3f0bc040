/* bench_augment: gathering a batch (read, augment, normalise, mix, write) by policy: images per second, bytes per
 * second against what a copy of memory reaches in the same run, and its share of a training step of small_cnn.
 * bench/torch_augment.py does the same to the same images in torchvision.
 * Usage: bench_augment [--data FOLDER]… [--threads N]   class folders; without: drawn tiles of 28, 64 and 224 pixels
 * --threads 1 counts the CPU time of the thread rather than the clock's, so that other programs disturb little. */
#include "machine.h"
#include "parallel.h"
#include "trainer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BATCH = 64, BATCHES = 8, IMAGES = BATCH * BATCHES, ROUNDS = 9, COPIED = 1 << 27, STEPS = 20 };
#define LEAST_SECONDS 0.03 /* of a round */

static const char *const policies[] = {
    "augment.policy=none",   "augment.hflip=0.5 augment.crop_padding=4",
    "augment.policy=light",  "augment.policy=standard",
    "augment.policy=strong",
};

static bool alone; /* one thread */

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(alone ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void must(int status)
{
    if (status < 0) {
        fprintf(stderr, "bench_augment: %s\n", fail_text());
        exit(1);
    }
}

/* ---- images ---- */

struct images {
    struct shape shape;
    uint8_t *pixels; /* IMAGES of them */
    int32_t labels[IMAGES], order[IMAGES];
};

static void images_take(struct images *images, struct shape shape)
{
    images->shape = shape;
    must(memory_take(&images->pixels, (size_t)shape_count(shape) * IMAGES, "images"));
    for (int i = 0; i < IMAGES; i++) {
        images->labels[i] = i % TILES_CLASSES;
        images->order[i] = i * 85 % IMAGES; /* 85 and IMAGES have no common divisor */
    }
}

/* Of one channel: the red one. */
static void draw_images(struct images *images, int side, int channels)
{
    uint8_t *rgb;
    images_take(images, (struct shape){1, side, side, channels});
    must(memory_take(&rgb, (size_t)side * (size_t)side * 3, "a tile"));
    for (int i = 0; i < IMAGES; i++) {
        uint8_t *to = images->pixels + (int64_t)i * side * side * channels;
        tiles_draw(rgb, side, i % TILES_CLASSES, TILES_TRAIN, 1, (uint32_t)i);
        for (int k = 0; k < side * side * channels; k++)
            to[k] = rgb[channels == 3 ? k : 3 * k];
    }
    memory_give(rgb);
}

static void read_images(struct images *images, const char *folder)
{
    struct dataset data;
    const struct dataset_options options = {.threads = 0};
    must(dataset_open(&data, folder, &options));
    images_take(images, data.image);
    for (int i = 0; i < IMAGES; i++)
        must(dataset_image(&data, i % data.count, images->pixels + i * shape_count(data.image)));
    dataset_close(&data);
}

/* ---- gathering ---- */

/* Both read and written by all threads, bytes per second. */
static double copy_rate(int threads)
{
    char *from, *to;
    double best = 1e9;
    must(memory_take(&from, COPIED, "a copy"));
    must(memory_take(&to, COPIED, "a copy"));
    for (int round = 0; round < ROUNDS; round++) {
        const double began = seconds_now();
#pragma omp parallel for num_threads(threads) schedule(static)
        for (int i = 0; i < threads; i++)
            memcpy(to + (int64_t)COPIED / threads * i, from + (int64_t)COPIED / threads * i,
                   (size_t)(COPIED / threads));
        best = fmin(best, seconds_now() - began);
    }
    memory_give(from);
    memory_give(to);
    return 2.0 * COPIED / best;
}

static void load_config(struct config *config, const char *more, const char *policy)
{
    char text[512];
    const char *words[24];
    int count = 0;
    snprintf(text, sizeof text, "%s augment.normalize=given augment.mean=0.45 augment.std=0.2 %s", more, policy);
    for (char *rest = text, *word; (word = strsep(&rest, " "));)
        if (*word)
            words[count++] = word;
    must(config_load(config, NULL, words, count, stderr));
}

/* Seconds per batch, the best of many short rounds. */
static double gather_seconds(const struct backend *backend, struct device *device, const struct images *images,
                             const struct augment *augment, enum dtype dtype)
{
    int32_t labels[BATCH], samples[BATCH], partners[BATCH];
    float shares[BATCH];
    struct step_control control = {
        .source = {.pixels = images->pixels, .labels = images->labels, .order = images->order},
        .seed = 1,
        .valid = BATCH};
    struct gather_args args = {.image = images->shape,
                               .augment = *augment,
                               .dtype = dtype,
                               .batch = BATCH,
                               .out_labels = labels,
                               .out_samples = samples,
                               .out_partners = partners,
                               .out_shares = shares,
                               .control = &control};
    const size_t values = (size_t)augment->out_h * (size_t)augment->out_w * (size_t)images->shape.c * BATCH;
    double best = 1e9;
    must(backend->alloc(device, values * sizeof(float), &args.out));
    for (int round = 0; round < ROUNDS; round++) {
        int batches = 0;
        const double began = seconds_now();
        double taken = 0.0;
        for (; taken < LEAST_SECONDS; batches++) {
            must(backend->gather(device, &args));
            taken = seconds_now() - began;
            control.first = (control.first + BATCH) % IMAGES;
            control.epoch += control.first == 0;
        }
        best = fmin(best, taken / batches);
    }
    backend->release(device, args.out);
    return best;
}

static void bench_policies(const struct backend *backend, struct device *device, const struct images *images,
                           double ceiling)
{
    const struct shape shape = images->shape;
    const struct model_card card = {.image = shape, .mean = {0.45, 0.45, 0.45}, .std = {0.2, 0.2, 0.2}};
    for (int p = 0; p < COUNT_OF(policies); p++)
        for (int half = 0; half < 2; half++) {
            struct config config;
            struct augment augment;
            load_config(&config, "", policies[p]);
            augmentation_make(&augment, &config, &card, true);
            config_free(&config);
            const double seconds = gather_seconds(backend, device, images, &augment, half ? DT_BF16 : DT_F32);
            const double bytes = (double)shape_count(shape) * BATCH * (1 + (half ? 2 : 4));
            printf("%4d x %-4d x %d  %-42s %s %9.0f images/s %6.2f GB/s, %3.0f %% of a copy\n", shape.h, shape.w,
                   shape.c, policies[p], half ? "bf16" : "fp32", BATCH / seconds, bytes / seconds * 1e-9,
                   100.0 * bytes / seconds / ceiling);
            fflush(stdout);
        }
}

/* ---- within a step ---- */

/* Seconds of a training step of small_cnn, the best of STEPS rounds of as many steps as there are batches. */
static double step_seconds(struct session *session)
{
    double best = 1e9;
    int64_t step = 0;
    for (int round = 0; round < STEPS; round++) {
        const double began = seconds_now();
        for (int i = 0; i < BATCHES; i++, step++) {
            const struct step_control control = {.seed = 1,
                                                 .step = step,
                                                 .epoch = (uint32_t)round,
                                                 .first = (int64_t)i * BATCH,
                                                 .valid = BATCH,
                                                 .lr = 1e-3f};
            must(plan_train_batch(&session->plan, &control, true, true));
        }
        must(session->backend->wait(session->device));
        best = fmin(best, (seconds_now() - began) / BATCHES);
    }
    return best;
}

static void bench_step(const char *policy, const char *precision, int threads)
{
    static struct images images;
    struct config config;
    struct session session;
    char more[200];
    snprintf(more, sizeof more,
             "train.device=cpu train.threads=%d train.batch_size=%d train.precision=%s "
             "model.name=small_cnn",
             threads, BATCH, precision);
    load_config(&config, more, policy);
    if (!images.pixels)
        draw_images(&images, 28, 1);
    must(session_open_bare(&session, &config, images.shape, TILES_CLASSES));
    must(plan_init_weights(&session.plan, 1));
    plan_set_data(&session.plan, images.pixels, images.labels, images.order);
    const double step = step_seconds(&session);
    const double gather = gather_seconds(session.backend, session.device, &images, &session.plan.options.augment_train,
                                         session.plan.options.dtype);
    printf("small_cnn 28x28x1, batch %d, %s, %-42s step %7.1f us, gather %6.1f us, %4.1f %%\n", BATCH, precision,
           policy, step * 1e6, gather * 1e6, 100.0 * gather / step);
    fflush(stdout);
    session_close(&session);
    config_free(&config);
}

int main(int argc, char **argv)
{
    static const int sides[] = {28, 64, 224};
    machine_limit_spinning(argv);
    int threads = cpu_count(), folders = 0;
    for (int i = 1; i + 1 < argc; i += 2)
        if (strcmp(argv[i], "--threads") == 0)
            threads = atoi(argv[i + 1]);
        else
            folders++;
    const struct backend *backend;
    struct device *device;
    char text[200];
    alone = threads == 1;
    must(backend_open("cpu", threads, &backend, &device));
    backend->describe(device, text, sizeof text);
    const double ceiling = copy_rate(threads);
    printf("%s\na copy of %d MiB: %.2f GB/s read and written\n", text, COPIED >> 20, ceiling * 1e-9);
    for (int i = 0; i < (folders ? (argc - 1) / 2 : COUNT_OF(sides)); i++) {
        struct images images;
        if (folders && strcmp(argv[1 + 2 * i], "--data") != 0)
            continue;
        if (folders)
            read_images(&images, argv[2 + 2 * i]);
        else
            draw_images(&images, sides[i], sides[i] == 28 ? 1 : 3);
        bench_policies(backend, device, &images, ceiling);
        memory_give(images.pixels);
    }
    backend->close(device);
    for (int p = 0; p < COUNT_OF(policies); p++)
        for (int half = 0; half < 2; half++)
            bench_step(policies[p], half ? "bf16" : "fp32", threads);
    return 0;
}
