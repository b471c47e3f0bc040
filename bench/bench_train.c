/* bench_train: whole training steps in images per second, as `evenkeel train` queues them, of the networks that
 * bench/torch_step.py trains in PyTorch. Data: "batch" is one batch of images over and over, "resident" 4096 images on
 * the device, cropped and flipped. With BENCH_JSON=FILE a JSON object per row is added there.
 * Usage: bench_train [--device NAME] [--case PART] [--dtype NAME] [--batch N] [--seconds S] */
#include "machine.h"
#include "trainer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IMAGES = 4096, ROUNDS = 5, WARM_STEPS = 8, MAX_ROUND_STEPS = 1000 };

static const struct net {
    const char *name, *model;
    struct shape image;
    int classes, pad;
    int batch, batch_on_cpu;
} nets[] = {
    {"small_cnn", "model.name=small_cnn model.width=32", {1, 28, 28, 1}, 10, 2, 128, 128},
    {"resnet18", "model.name=resnet18 model.stem=cifar", {1, 32, 32, 3}, 10, 4, 512, 64},
    {"resnet50", "model.name=resnet50", {1, 224, 224, 3}, 1000, 4, 256, 8},
};

struct choice {
    const char *device, *part, *dtype;
    int batch;
    double seconds; /* of each measurement */
};

static void must(int status)
{
    if (status < 0) {
        fprintf(stderr, "bench_train: %s\n", fail_text());
        exit(1);
    }
}

/* ---- one network, open ---- */

struct bench {
    struct config config;
    struct session session;
    uint8_t *pixels;
    int32_t *labels, *order;
    const void *placed[3];
    int batch, images;
    int64_t step;
};

static void open_config(struct bench *bench, const struct net *net, const struct choice *choice, const char *dtype,
                        bool augmented)
{
    char text[512];
    const char *words[16];
    int count = 0;
    snprintf(text, sizeof text,
             "%s optim.name=adamw train.device=%s train.precision=%s train.batch_size=%d augment.hflip=%g "
             "augment.crop_padding=%d",
             net->model, choice->device, dtype, bench->batch, augmented ? 0.5 : 0.0, augmented ? net->pad : 0);
    for (char *rest = text, *word; (word = strsep(&rest, " "));)
        words[count++] = word;
    must(config_load(&bench->config, NULL, words, count, stderr));
}

static void open_data(struct bench *bench, const struct net *net)
{
    struct session *session = &bench->session;
    const size_t image = (size_t)net->image.h * net->image.w * net->image.c, count = (size_t)bench->images;
    must(memory_take((void **)&bench->pixels, image * count, "images"));
    must(memory_take((void **)&bench->labels, count * sizeof(int32_t), "labels"));
    must(memory_take((void **)&bench->order, count * sizeof(int32_t), "their order"));
    uint32_t seed = 1;
    for (size_t i = 0; i < image * count; i++)
        bench->pixels[i] = (uint8_t)((seed = seed * 1664525u + 1013904223u) >> 24);
    for (size_t i = 0; i < count; i++) {
        bench->labels[i] = (int32_t)(i * 7919u % (size_t)net->classes);
        bench->order[i] = (int32_t)(i * 1021u % count); /* 1021 is prime to every count here */
    }
    const void *host[3] = {bench->pixels, bench->labels, bench->order};
    const size_t bytes[3] = {image * count, count * sizeof(int32_t), count * sizeof(int32_t)};
    for (int i = 0; i < 3; i++)
        must(session->backend->place(session->device, host[i], bytes[i], &bench->placed[i]));
    plan_set_data(&session->plan, bench->placed[0], bench->placed[1], bench->placed[2]);
}

static void close_bench(struct bench *bench)
{
    struct session *session = &bench->session;
    for (int i = 0; i < 3; i++)
        session->backend->unplace(session->device, bench->placed[i]);
    session_close(session);
    config_free(&bench->config);
    memory_give(bench->pixels);
    memory_give(bench->labels);
    memory_give(bench->order);
}

static void queue_steps(struct bench *bench, int count)
{
    for (int i = 0; i < count; i++, bench->step++) {
        const struct step_control control = {.seed = 1,
                                             .step = bench->step,
                                             .first = bench->step * bench->batch % (bench->images - bench->batch + 1),
                                             .valid = bench->batch,
                                             .lr = 1e-3f};
        must(plan_train_batch(&bench->session.plan, &control, true, true));
    }
}

/* ---- measuring ---- */

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median of rounds of many steps with one wait at the end, each of as many steps as take seconds / ROUNDS. *waits:
 * how often the host waited within steps, a step. */
static double seconds_per_step(struct bench *bench, double seconds, double *waits)
{
    const struct backend *backend = bench->session.backend;
    struct device *device = bench->session.device;
    double times[ROUNDS], begin = clock_seconds();
    queue_steps(bench, 1);
    must(backend->wait(device));
    int steps = clock_seconds() - begin > seconds ? 1 : WARM_STEPS;
    queue_steps(bench, steps);
    must(backend->wait(device));
    begin = clock_seconds();
    queue_steps(bench, steps);
    must(backend->wait(device));
    steps = (int)fmin(fmax(seconds / ROUNDS / ((clock_seconds() - begin) / steps), 1.0), MAX_ROUND_STEPS);
    const int64_t before = backend->waits(device);
    for (int round = 0; round < ROUNDS; round++) {
        begin = clock_seconds();
        queue_steps(bench, steps);
        must(backend->wait(device));
        times[round] = (clock_seconds() - begin) / steps;
    }
    *waits = (double)(backend->waits(device) - before - (backend->synchronous ? 0 : ROUNDS)) / (ROUNDS * steps);
    qsort(times, ROUNDS, sizeof *times, by_size);
    return times[ROUNDS / 2];
}

static void report(const struct net *net, const struct choice *choice, const char *dtype, const char *data, int batch,
                   double seconds, double waits)
{
    printf("%-10s %-5s %5d  %-9s %10.0f images/s %9.3f ms a step  %.3g host waits a step\n", net->name, dtype, batch,
           data, batch / seconds, seconds * 1e3, waits);
    fflush(stdout);
    const char *path = getenv("BENCH_JSON");
    FILE *file = path ? fopen(path, "a") : NULL;
    if (!file)
        return;
    fprintf(file,
            "{\"name\": \"step\", \"program\": \"evenkeel\", \"net\": \"%s\", \"device\": \"%s\", \"dtype\": \"%s\", "
            "\"batch\": %d, \"data\": \"%s\", \"images_per_second\": %.6g, \"seconds\": %.6g, \"host_waits\": %.4g}\n",
            net->name, choice->device, dtype, batch, data, batch / seconds, seconds, waits);
    if (fclose(file) != 0)
        fprintf(stderr, "bench_train: %s cannot be written\n", path);
}

static void bench_net(const struct net *net, const struct choice *choice, enum dtype dtype, bool resident)
{
    struct bench bench = {.batch = choice->batch                            ? choice->batch
                                   : strncmp(choice->device, "cpu", 3) == 0 ? net->batch_on_cpu
                                                                            : net->batch};
    bench.images = resident ? IMAGES : bench.batch;
    open_config(&bench, net, choice, dtype_name(dtype), resident);
    must(session_open_bare(&bench.session, &bench.config, net->image, net->classes));
    must(plan_init_weights(&bench.session.plan, 1));
    open_data(&bench, net);
    double waits;
    const double seconds = seconds_per_step(&bench, choice->seconds, &waits);
    report(net, choice, dtype_name(dtype), resident ? "resident" : "batch", bench.batch, seconds, waits);
    close_bench(&bench);
}

static bool read_choice(struct choice *choice, int count, char **words)
{
    *choice = (struct choice){.device = "cpu", .part = "", .dtype = "", .seconds = 3.0};
    for (int i = 1; i < count; i += 2) {
        const char *value = i + 1 < count ? words[i + 1] : NULL;
        if (!value)
            return false;
        if (strcmp(words[i], "--device") == 0)
            choice->device = value;
        else if (strcmp(words[i], "--case") == 0)
            choice->part = value;
        else if (strcmp(words[i], "--dtype") == 0)
            choice->dtype = value;
        else if (strcmp(words[i], "--batch") == 0)
            choice->batch = atoi(value);
        else if (strcmp(words[i], "--seconds") == 0)
            choice->seconds = atof(value);
        else
            return false;
    }
    return choice->batch >= 0 && choice->batch <= IMAGES && choice->seconds > 0.0;
}

int main(int count, char **words)
{
    machine_limit_spinning(words);
    struct choice choice;
    if (!read_choice(&choice, count, words)) {
        fprintf(stderr, "usage: %s [--device NAME] [--case PART] [--dtype NAME] [--batch N] [--seconds S]\n", words[0]);
        return 64;
    }
    const struct backend *backend;
    struct device *device;
    must(backend_open(choice.device, 0, &backend, &device));
    bool wanted[DT_F16 + 1], in_hardware = false;
    for (int dtype = 0; dtype <= DT_F16; dtype++)
        wanted[dtype] = backend->supports(device, (enum dtype)dtype, &in_hardware) &&
                        (dtype == DT_F32 || in_hardware) && strstr(dtype_name((enum dtype)dtype), choice.dtype);
    backend->close(device);
    for (int i = 0; i < COUNT_OF(nets); i++)
        for (int dtype = 0; dtype <= DT_F16; dtype++)
            for (int resident = 0; resident < 2; resident++)
                if (wanted[dtype] && strstr(nets[i].name, choice.part))
                    bench_net(&nets[i], &choice, (enum dtype)dtype, resident);
    return 0;
}
