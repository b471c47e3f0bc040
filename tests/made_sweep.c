/* made_sweep: see made_sweep.h. */
#include "made_sweep.h"

#include "random.h"
#include "tiny_run.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Normal numbers, by Box and Muller. */
static double draw(uint64_t index)
{
    struct random_block block = random_words(23, RANDOM_TILE, 0, index, 0);
    double u = ((double)block.word[0] + 0.5) / 4294967296.0, v = (double)block.word[1] / 4294967296.0;
    return sqrt(-2.0 * log(u)) * cos(2.0 * 3.14159265358979323846 * v);
}

static FILE *open_in(const char *folder, const char *name)
{
    char path[2 * PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    return file;
}

static void write_steps(const char *folder, const struct made *made, int run)
{
    FILE *file = open_in(folder, "steps.csv");
    int end = made->failed_at ? made->failed_at + 1 : made->steps;
    fprintf(file, "step,epoch,samples,loss,loss_variance,bad,noise_grad,noise_trace\n");
    for (int i = 0; i < end; i++) {
        uint64_t at = 2 * ((uint64_t)run << 32 | (uint64_t)i);
        double trend = made->from + (made->to - made->from) * i / made->steps;
        double loss = trend + draw(at) * made->spread / sqrt(made->batch) + draw(at + 1) * made->motion;
        bool bad = made->failed_at && i >= made->failed_at;
        fprintf(file, "%d,%d,%d,%.9g,%.9g,%d,%.9g,%.9g\n", i, 1 + i * made->epochs / made->steps, made->batch,
                bad ? NAN : loss, made->spread * made->spread, bad, made->noise_grad + made->noise_scatter * draw(~at),
                made->noise_trace);
    }
    assert_int_equal(fclose(file), 0);
}

void write_run(const struct sweep *sweep, int run, const struct made *made)
{
    char folder[PATH_BYTES];
    assert_int_equal(sweep_file(sweep, sweep->runs[run].name, folder), OK);
    assert_int_equal(folder_make(folder), OK);
    fclose(open_in(folder, "config.resolved.ini"));
    write_steps(folder, made, run);
    FILE *file = open_in(folder, "results.csv");
    fprintf(file, "epoch,time,val/loss,metrics/accuracy_top1,images_per_second\n");
    for (int i = 0; i < made->epochs && !made->failed_at; i++)
        fprintf(file, "%d,%g,%g,%g,%g\n", i + 1, made->seconds * (i + 1), made->val_loss + made->epochs - 1 - i,
                made->val_accuracy, made->batch * made->steps / made->epochs / made->seconds);
    assert_int_equal(fclose(file), 0);
    file = open_in(folder, "log.jsonl");
    fprintf(file, "{\"event\":\"start\"}\n{\"event\":\"%s\",\"exit_status\":1}\n", made->failed_at ? "failed" : "done");
    assert_int_equal(fclose(file), 0);
    file = open_in(folder, made->failed_at ? "FAILED" : "DONE");
    fprintf(file, "so it was\n");
    assert_int_equal(fclose(file), 0);
}

void make_sweep(struct sweep *sweep, const char *name, const char *words, int seeds)
{
    char folder[PATH_BYTES], text[200], *rest = text;
    snprintf(text, sizeof text, "%s", words);
    const char *const each[] = {strsep(&rest, " "), rest};
    assert_int_equal(path_join(folder, tiny_folder, name), OK);
    struct sweep_request request = {
        .file = tiny_config, .words = each, .word_count = rest ? 2 : 1, .seeds = seeds, .out = folder};
    assert_int_equal(sweep_make(sweep, &request), OK);
    assert_int_equal(sweep_write(sweep, &request), OK);
}

void make_table(struct sweep_table *table, const struct sweep *sweep, double target)
{
    if (sweep_table_make(table, sweep, target) < 0)
        fail_msg("%s", fail_text());
}
