/* bench_onward: trials from the state that a run has come to, on whole runs in which what they mend was planted: wrong
 * labels and noise among the images left out, augmentation where images were learnt by heart, a tenth of a rate that no
 * longer gets anywhere. Prints by how much each lowered the validation loss on each run. Draws its own images; some
 * minutes. */
#include "diagnosis.h"
#include "file.h"
#include "log.h"
#include "trainer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char folder[] = "/tmp/bench-onward.XXXXXX";

static void must(int status)
{
    if (status >= 0)
        return;
    fprintf(stderr, "bench_onward: %s\n", fail_text());
    exit(1);
}

/* Tiles of 16 pixels, spoiled as asked. */
static void draw(const char *name, struct tiles_options options)
{
    char path[PATH_BYTES];
    options.size = 16;
    options.seed = 5;
    must(path_join(path, folder, name));
    must(tiles_write(path, &options));
}

static void print_arms(const struct diagnosis *diagnosis)
{
    const struct experiment *experiment = &diagnosis->experiment;
    for (int i = 0; i < experiment->arm_count; i++) {
        const struct arm *arm = &experiment->arms[i];
        if (arm->family == ARM_ANEW || !arm->done)
            continue;
        if (arm->cause == CAUSE_HEALTHY)
            printf("    %-26s loss %.4f\n", arm->name, arm->result.loss);
        else
            printf("    %-26s lower by %.4f +- %.4f%s (%lld images left out)\n", arm->name, arm->gain, arm->error,
                   arm->helps ? ", helps" : "", (long long)arm->left_out_count);
    }
}

/* Trains, judges by rules and by experiment. */
static void judge(const char *what, const char *train, const char *words)
{
    enum { MOST = 32 };
    char text[4 * PATH_BYTES];
    const char *overrides[MOST];
    struct train_result result;
    struct diagnosis diagnosis = {0};
    int count = 0;
    snprintf(text, sizeof text,
             "data.train=%s/%s data.val=%s/val run.dir=%s model.name=mlp model.hidden=64 train.precision=fp32 "
             "train.threads=1 early_stop.restore_best=false %s",
             folder, train, folder, folder, words);
    for (char *rest = text, *word; (word = strsep(&rest, " ")) && count < MOST;)
        if (*word)
            overrides[count++] = word;
    const struct train_request request = {.overrides = overrides, .override_count = count};
    must(train_run(&request, &result));
    must(diagnose_run(&diagnosis, result.path));
    must(diagnose_probe(&diagnosis, result.path, &(struct budget){.share = 20.0}));
    printf("%s: by the rules %s, with trials %s\n", what, cause_table[diagnosis.first_guess].name,
           cause_table[diagnosis.cause].name);
    print_arms(&diagnosis);
    fflush(stdout);
    diagnosis_free(&diagnosis);
}

int main(void)
{
    log_set_quiet(true);
    if (!mkdtemp(folder) || !freopen("/dev/null", "w", stderr))
        return 1;
    draw("val", (struct tiles_options){.per_class = 60, .part = TILES_VAL});
    draw("clean", (struct tiles_options){.per_class = 150});
    draw("wrong", (struct tiles_options){.per_class = 150, .label_noise = 0.3});
    draw("noisy", (struct tiles_options){.per_class = 150, .outliers = 0.2});
    draw("few", (struct tiles_options){.per_class = 8});
    judge("nothing planted", "clean", "bs=32 epochs=12 optim.lr=0.001");
    judge("30 % wrong labels", "wrong", "bs=32 epochs=12 optim.lr=0.001");
    judge("20 % noise images", "noisy", "bs=32 epochs=12 optim.lr=0.001");
    judge("80 images", "few", "bs=16 epochs=120 optim.lr=0.001");
    judge("rate that never falls", "clean", "bs=32 epochs=20 optim.name=sgd optim.momentum=0.9 optim.lr=0.1");
    must(folder_remove(folder));
    return 0;
}
