/* bench_stability: whole runs whose fluctuation has a known cause, and what the split says of them: frozen weights are
 * all sampling; healthy runs have phi about 1; sorted images and too high a rate show as motion. Draws its own images;
 * some minutes. Arguments: which parts (frozen, healthy, sorted, high), all where there are none. */
#include "file.h"
#include "fluctuation.h"
#include "log.h"
#include "order.h"
#include "stability.h"
#include "tile_series.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double images = 2250.0; /* that are trained on */
static char folder[PATH_BYTES - 256], tiles[PATH_BYTES];

static void must(int status)
{
    if (status >= 0)
        return;
    fprintf(stderr, "%s\n", fail_text());
    exit(1);
}

/* Trains with words on top of what all share; false: it diverged. */
static bool train(const char *words, struct table *steps)
{
    char all[1024];
    struct train_result result;
    snprintf(all, sizeof all, "train.precision=fp32 %s", words);
    const int status = tile_series_train(tiles, folder, all, &result, steps);
    if (status == ERR_TRAINING)
        return false;
    must(status);
    if (result.stopped_by)
        exit(1);
    return true;
}

/* The rows from the first-th on as one stretch. */
static struct fluctuation whole(const struct table *steps, int64_t first)
{
    struct loss_series series;
    struct fluctuation fluctuation;
    loss_series_of(steps, images, &series);
    fluctuation_of(&series, first, series.count, fluctuation_epoch_steps(&series), &fluctuation);
    return fluctuation;
}

static void head(const char *what)
{
    printf("\n%-44s %6s %6s %6s  %6s %6s %6s\n", what, "sampl.", "motion", "trend", "phi", "VR", "r1");
}

static void frozen(void)
{
    static const char *const cases[] = {"train.batch_size=8 train.epochs=16", "train.batch_size=64 train.epochs=100",
                                        "train.batch_size=512 train.epochs=800"};
    head("frozen weights, one stretch");
    for (int i = 0; i < COUNT_OF(cases); i++) {
        char words[256];
        struct table steps = {0};
        snprintf(words, sizeof words, "optim.name=sgd optim.momentum=0 optim.lr=1e-12 %s", cases[i]);
        if (!train(words, &steps))
            must(-1);
        const struct fluctuation got = whole(&steps, 0);
        printf("%-44s %6.3f %6.3f %6.3f  %6.3f %6.3f %6.3f   %lld steps\n", cases[i], got.sampling.value,
               got.motion.value, got.trend.value, got.phi.value, got.variance_ratio, got.autocorrelation.value,
               (long long)got.steps);
        table_free(&steps);
    }
}

/* Medians over windows of STABILITY_STEPS. */
static double windows(const char *words)
{
    struct table steps = {0};
    struct stability stability;
    if (!train(words, &steps)) {
        printf("%-44s diverged\n", words);
        return NAN;
    }
    stability_of(&steps, images, &stability);
    printf("%-44s %6.3f %6.3f %6.3f  %6.3f %6.2f %6.2f   %lld windows\n", words, stability.sampling, stability.motion,
           stability.trend, stability.phi, stability.variance_ratio, stability.last.autocorrelation.value,
           (long long)stability.windows);
    fflush(stdout);
    table_free(&steps);
    return stability.phi;
}

static void healthy(void)
{
    static const struct {
        const char *optimizer;
        double best;
    } optimizers[] = {{"optim.name=sgd optim.momentum=0.9", 0.02}, {"optim.name=adam", 0.002}};
    static const double factors[] = {0.3, 1.0, 2.0};
    static const int batches[] = {32, 128};
    double phi[COUNT_OF(optimizers) * COUNT_OF(factors) * COUNT_OF(batches)];
    int count = 0;
    head("healthy, medians over windows");
    for (int o = 0; o < COUNT_OF(optimizers); o++)
        for (int b = 0; b < COUNT_OF(batches); b++)
            for (int f = 0; f < COUNT_OF(factors); f++) {
                char words[256];
                snprintf(words, sizeof words, "%s optim.lr=%g bs=%d epochs=%d", optimizers[o].optimizer,
                         factors[f] * optimizers[o].best, batches[b], batches[b] / 2);
                phi[count++] = windows(words);
            }
    sort_doubles(phi, count);
    printf("median phi of %d runs: %.3f, from %.3f to %.3f\n", count, 0.5 * (phi[count / 2 - 1] + phi[count / 2]),
           phi[0], phi[count - 1]);
}

static void sorted(void)
{
    head("images in order of their classes");
    windows("data.shuffle=false optim.name=sgd optim.lr=0.02 bs=32 epochs=16");
    windows("data.shuffle=false optim.name=adam optim.lr=0.002 bs=32 epochs=16");
}

/* ---- rates that are too high ---- */

enum { SEEDS = 3 };

static double middle(double values[SEEDS])
{
    sort_doubles(values, SEEDS);
    return values[SEEDS / 2];
}

/* Whether the third sentence leaves the rate open or says to lower it. */
static bool clears_nothing(const struct stability *stability)
{
    char texts[STABILITY_TEXTS][STABILITY_TEXT];
    return stability_say(stability, texts) == STABILITY_TEXTS &&
           (strstr(texts[2], "lower optim.lr") || strstr(texts[2], "whether the learning rate is right"));
}

/* A row: medians over seeds, how many of the runs show motion, how many texts say nothing good of the rate. */
static void too_high(const char *optimizer, double rate, int batch)
{
    double loss[SEEDS], phi[SEEDS], ratio[SEEDS], lag[SEEDS];
    int moved = 0, silent = 0;
    for (int seed = 0; seed < SEEDS; seed++) {
        char words[256];
        struct table steps = {0};
        struct stability got;
        snprintf(words, sizeof words, "%s optim.lr=%g bs=%d epochs=%d seed=%d", optimizer, rate, batch, batch / 2,
                 seed);
        if (!train(words, &steps)) {
            printf("%-32s %5g %5d  diverged\n", optimizer, rate, batch);
            return;
        }
        stability_of(&steps, images, &got);
        loss[seed] = got.last.loss.value;
        phi[seed] = got.phi;
        ratio[seed] = got.variance_ratio;
        lag[seed] = got.last.autocorrelation.value;
        moved += got.variance_ratio > 2.0 && got.last.autocorrelation.low > 0.0;
        silent += clears_nothing(&got);
        table_free(&steps);
    }
    printf("%-32s %5g %5d  %6.3f %6.3f %7.2f %6.2f   %d of %d  %d of %d\n", optimizer, rate, batch, middle(loss),
           middle(phi), middle(ratio), middle(lag), moved, SEEDS, silent, SEEDS);
    fflush(stdout);
}

static void high(void)
{
    static const struct {
        const char *optimizer;
        double rates[3];
    } cases[] = {
        {"optim.name=sgd optim.momentum=0", {0.2, 0.3, 0.5}},
        {"optim.name=sgd optim.momentum=0.9", {0.1, 0.2, 0.5}},
        {"optim.name=adam", {0.03, 0.1, 1.0}},
    };
    static const int batches[] = {32, 128, 512};
    printf("\n%-32s %5s %5s  %6s %6s %7s %6s  %s\n", "too high a rate", "rate", "batch", "loss", "phi", "VR", "r1",
           "motion shows, text leaves the rate open or lowers it");
    for (int c = 0; c < COUNT_OF(cases); c++)
        for (int r = 0; r < COUNT_OF(cases[c].rates); r++)
            for (int b = 0; b < COUNT_OF(batches); b++)
                too_high(cases[c].optimizer, cases[c].rates[r], batches[b]);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } parts[] = {{"frozen", frozen}, {"healthy", healthy}, {"sorted", sorted}, {"high", high}};
    const char *base = getenv("TMPDIR");
    struct tiles_options options = {.per_class = 250, .size = 16, .seed = 5};
    snprintf(folder, sizeof folder, "%s/stability.XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(folder))
        return 1;
    log_set_quiet(true);
    must(path_join(tiles, folder, "tiles"));
    must(tiles_write(tiles, &options));
    for (int i = 0; i < COUNT_OF(parts); i++) {
        bool wanted = argc == 1;
        for (int k = 1; k < argc; k++)
            wanted = wanted || strcmp(argv[k], parts[i].name) == 0;
        if (wanted)
            parts[i].run();
    }
    must(folder_remove(folder));
    return 0;
}
