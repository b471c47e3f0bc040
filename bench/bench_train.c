/* bench_train: whole training steps in images per second, as `evenkeel train` queues them, of the networks that
 * bench/torch_step.py trains in PyTorch. Data: "batch" is one batch of images over and over, "resident" 4096 images on
 * the device, cropped and flipped. Beside each what share of a step statistics take: within it, by rounds with and
 * without them in turn, and in passes of their own, spread over the steps between two; not with --times, which is
 * sooner done; with --parts by the parts of a step, for steps so short that whole ones do not tell it. With
 * BENCH_JSON=FILE a JSON object per row is added there. With --serve the first case alone: after warming up it says
 * "ready PARAMETERS STEPS", and for each line on stdin, a number of steps, how many seconds a step took: so that rounds
 * of other programs can lie between its own. Usage: bench_train [--device NAME] [--case PART] [--dtype NAME] [--data
 * NAME] [--batch N] [--seconds S] [--deterministic true|false] [--times] [--parts] [--serve], where --deterministic is
 * train.deterministic. */
#include "bench.h"
#include "machine.h"
#include "order.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IMAGES = 4096 };

static const struct net {
    const char *name, *model;
    struct shape image;
    int classes, pad;
    int batch, batch_on_cpu;
} nets[] = {
    {"mlp", "model.name=mlp", {1, 28, 28, 1}, 10, 2, 128, 128},
    {"small_cnn", "model.name=small_cnn model.width=32", {1, 28, 28, 1}, 10, 2, 128, 64},
    {"resnet18", "model.name=resnet18 model.stem=cifar", {1, 32, 32, 3}, 10, 4, 512, 128},
    {"resnet50", "model.name=resnet50", {1, 224, 224, 3}, 1000, 4, 256, 8},
};

struct choice {
    const char *device, *part, *dtype, *data, *deterministic;
    int batch;
    double seconds; /* of each measurement */
    bool times;     /* and nothing else */
    bool parts;     /* statistics by parts of a step */
    bool serve;
};

static void must(int status)
{
    if (status < 0) {
        fprintf(stderr, "bench_train: %s\n", fail_text());
        exit(1);
    }
}

static void open_config(struct config *config, const struct net *net, const struct choice *choice, const char *dtype,
                        int batch, bool augmented)
{
    char text[512];
    const char *words[16];
    int count = 0;
    snprintf(text, sizeof text,
             "%s optim.name=adamw train.device=%s train.precision=%s train.deterministic=%s train.batch_size=%d "
             "augment.hflip=%g augment.crop_padding=%d",
             net->model, choice->device, dtype, choice->deterministic, batch, augmented ? 0.5 : 0.0,
             augmented ? net->pad : 0);
    for (char *rest = text, *word; (word = strsep(&rest, " "));)
        words[count++] = word;
    must(config_load(config, NULL, words, count, stderr));
}

/* ---- what statistics cost ---- */

struct shares {
    double within, passes; /* of a step's time */
};

/* The same plan in the same memory without statistics; its recordings alone are its own. */
static struct plan without_statistics(const struct plan *plan)
{
    struct plan bare = *plan;
    memset(bare.recordings, 0, sizeof bare.recordings);
    bare.options.unmeasured = bare.update.unmeasured = true;
    bare.update.sketches = NULL;
    bare.slabs[SLAB_SAMPLES].memory = NULL;
    return bare;
}

static double median(double *values, int count)
{
    sort_doubles(values, count);
    return values[count / 2];
}

/* Seconds of the passes that `evenkeel train` adds to some steps, each divided by how seldom. */
static double passes_seconds(struct session *session)
{
    enum { TIMES = 8 };
    struct plan *plan = &session->plan;
    const struct config *config = session->config;
    const struct step_control control = {
        .valid = config->train.batch_size, .lr = 1e-3f, .noise = NOISE_OF_HALF, .parts = 1};
    double seconds[2] = {0};
    for (int warm = 0; warm < 2; warm++) {
        double begin = clock_seconds();
        for (int i = 0; i < TIMES; i++)
            must(plan_half_batch(plan, &control));
        must(session->backend->wait(session->device));
        seconds[0] = (clock_seconds() - begin) / TIMES;
        begin = clock_seconds();
        for (int i = 0; i < TIMES; i++) {
            must(plan_survey_begin(plan, &control));
            must(plan_survey_end(plan));
        }
        must(session->backend->wait(session->device));
        seconds[1] = (clock_seconds() - begin) / TIMES;
    }
    return seconds[0] / config->stats.noise_every + seconds[1] / config->stats.layers_every;
}

/* What the parts that compute statistics take more with them: medians over pairs of short rounds, with
 * and without. */
static double parts_seconds(struct bench *bench, struct bench *bare)
{
    static const char *const names[] = {"loss", "norm of the gradient", "optimizer", "record"};
    enum { ROUNDS = 401, STEPS = 10, NAMES = COUNT_OF(names) };
    static double with[NAMES][ROUNDS], without[NAMES][ROUNDS];
    double more = 0.0;
    for (int i = 0; i < 2 * ROUNDS; i++) {
        struct bench_profile profile;
        must(bench_profile(i % 2 == 0 ? bench : bare, STEPS, &profile));
        for (int part = 0; part < profile.part_count; part++)
            for (int n = 0; n < NAMES; n++)
                if (strcmp(profile.parts[part].name, names[n]) == 0)
                    (i % 2 == 0 ? with : without)[n][i / 2] = profile.parts[part].seconds;
        bench_profile_free(&profile);
    }
    for (int n = 0; n < NAMES; n++) {
        double differences[ROUNDS];
        for (int i = 0; i < ROUNDS; i++)
            differences[i] = with[n][i] - without[n][i];
        const double all = median(with[n], ROUNDS), each = median(differences, ROUNDS);
        more += each;
        printf("  %-24s %7.1f us, of which statistics %5.2f\n", names[n], 1e6 * all, 1e6 * each);
    }
    return more;
}

static struct shares measure_statistics(struct bench *bench, int steps, bool parts)
{
    enum { ROUNDS = 2 * BENCH_ROUNDS + 1 };
    struct session bare_session = *bench->session;
    struct bench bare = *bench;
    double with[ROUNDS], without[ROUNDS];
    bare_session.plan = without_statistics(&bench->session->plan);
    bare.session = &bare_session;
    must(bench_round(&bare, 3, &without[0])); /* recorded by then */
    for (int i = 0; i < ROUNDS; i++) {
        must(bench_round(bench, steps, &with[i]));
        must(bench_round(&bare, steps, &without[i]));
    }
    for (int i = 0; i < BATCH_KINDS; i++)
        if (bare_session.plan.recordings[i])
            bench->session->backend->forget(bench->session->device, bare_session.plan.recordings[i]);
    const double step = median(with, ROUNDS);
    const double within = parts ? parts_seconds(bench, &bare) : step - median(without, ROUNDS);
    return (struct shares){within / step, passes_seconds(bench->session) / step};
}

/* ---- one network ---- */

static void report(const struct net *net, const struct choice *choice, const char *dtype, const char *data, int batch,
                   struct bench_times times, struct shares statistics)
{
    const double seconds = times.median;
    printf("%-10s %-5s %5d  %-9s %10.0f images/s %9.3f ms a step  host: %.3g waits a step, held back %.3g", net->name,
           dtype, batch, data, batch / seconds, seconds * 1e3, times.waits, times.held);
    if (!choice->times)
        printf("  statistics %.2f %% of it, their passes %.2f %%", 100.0 * statistics.within,
               100.0 * statistics.passes);
    printf("%s\n", strcmp(choice->deterministic, "true") == 0 ? "  deterministic" : "");
    fflush(stdout);
    const char *path = getenv("BENCH_JSON");
    FILE *file = path ? fopen(path, "a") : NULL;
    if (!file)
        return;
    fprintf(file,
            "{\"name\": \"step\", \"program\": \"evenkeel\", \"net\": \"%s\", \"device\": \"%s\", \"dtype\": \"%s\", "
            "\"batch\": %d, \"data\": \"%s\", \"images_per_second\": %.6g, \"seconds\": %.6g, \"host_waits\": %.4g, "
            "\"host_held\": %.4g, ",
            net->name, choice->device, dtype, batch, data, batch / seconds, seconds, times.waits, times.held);
    if (!choice->times)
        fprintf(file, "\"statistics_share\": %.4g, \"statistics_passes_share\": %.4g, ", statistics.within,
                statistics.passes);
    fprintf(file, "\"deterministic\": %s}\n", choice->deterministic);
    if (fclose(file) != 0)
        fprintf(stderr, "bench_train: %s cannot be written\n", path);
}

/* Rounds as they are asked for. */
static void serve(struct bench *bench, double seconds)
{
    int steps;
    char line[32];
    must(bench_warm(bench, seconds, &steps));
    printf("ready %lld %d\n", (long long)graph_param_count(&bench->session->graph), steps);
    fflush(stdout);
    while (fgets(line, sizeof line, stdin) && (steps = atoi(line)) > 0) {
        double each;
        must(bench_round(bench, steps, &each));
        printf("%.9g\n", each);
        fflush(stdout);
    }
    exit(0);
}

static void bench_net(const struct net *net, const struct choice *choice, enum dtype dtype, bool resident)
{
    const bool on_cpu = strncmp(choice->device, "cpu", 3) == 0;
    const int batch = choice->batch ? choice->batch : on_cpu ? net->batch_on_cpu : net->batch;
    struct config config = {0};
    struct session session;
    struct bench bench;
    struct bench_times times;
    open_config(&config, net, choice, dtype_name(dtype), batch, resident);
    must(session_open_noise(&session, &config, net->image, net->classes, resident ? IMAGES : batch));
    must(bench_open(&bench, &session));
    if (choice->serve)
        serve(&bench, choice->seconds);
    must(bench_time(&bench, choice->seconds, &times));
    struct shares shares = {0};
    if (!choice->times)
        shares = measure_statistics(&bench, times.steps, choice->parts);
    report(net, choice, dtype_name(dtype), resident ? "resident" : "batch", batch, times, shares);
    bench_close(&bench);
    session_close(&session);
    config_free(&config);
}

static bool read_choice(struct choice *choice, int count, char **words)
{
    *choice =
        (struct choice){.device = "cpu", .part = "", .dtype = "", .data = "", .deterministic = "true", .seconds = 3.0};
    for (int i = 1; i < count; i++) {
        bool *flag = strcmp(words[i], "--serve") == 0   ? &choice->serve
                     : strcmp(words[i], "--times") == 0 ? &choice->times
                     : strcmp(words[i], "--parts") == 0 ? &choice->parts
                                                        : NULL;
        if (flag) {
            *flag = true;
            continue;
        }
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
        else if (strcmp(words[i], "--data") == 0)
            choice->data = value;
        else if (strcmp(words[i], "--deterministic") == 0)
            choice->deterministic = value;
        else
            return false;
        i++;
    }
    return choice->batch >= 0 && choice->batch <= IMAGES && choice->seconds > 0.0;
}

int main(int count, char **words)
{
    machine_limit_spinning(words);
    struct choice choice;
    if (!read_choice(&choice, count, words)) {
        fprintf(stderr,
                "usage: %s [--device NAME] [--case PART] [--dtype NAME] [--data NAME] [--batch N] [--seconds S] "
                "[--deterministic true|false] [--times] [--parts] [--serve]\n",
                words[0]);
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
    int done = 0;
    for (int i = 0; i < COUNT_OF(nets); i++)
        for (int dtype = 0; dtype <= DT_F16; dtype++)
            for (int resident = 0; resident < 2; resident++)
                if (wanted[dtype] && strstr(nets[i].name, choice.part) &&
                    strstr(resident ? "resident" : "batch", choice.data)) {
                    bench_net(&nets[i], &choice, (enum dtype)dtype, resident);
                    done++;
                }
    if (done == 0)
        fprintf(stderr, "bench_train: nothing here has --case %s, --dtype %s (as this device has it) and --data %s\n",
                choice.part, choice.dtype, choice.data);
    return done > 0 ? 0 : 64;
}
