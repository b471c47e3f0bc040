/* bench_watch: what asking the doctor's rules while training costs. Plays a finished run's records back into a folder
 * of its own, row by row as they were written, looks whenever a training would, and takes the time of the looks alone;
 * prints that beside what the run's own steps took. Argument: a run. */
#include "file.h"
#include "log.h"
#include "table.h"
#include "trainer.h"
#include "watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 5 };

static void must(int status)
{
    if (status >= 0)
        return;
    fprintf(stderr, "bench_watch: %s\n", fail_text());
    exit(1);
}

static void read_text(const char *run, const char *name, void **text, size_t *bytes)
{
    char path[PATH_BYTES];
    must(path_join(path, run, name));
    must(file_read(path, (size_t)1 << 32, text, bytes));
}

static void copy(const char *run, const char *folder, const char *name)
{
    char path[PATH_BYTES];
    size_t bytes;
    void *text;
    read_text(run, name, &text, &bytes);
    must(path_join(path, folder, name));
    must(file_write(path, text, bytes));
    memory_give(text);
}

/* Seconds of all looks of a run of so many steps; *looks how many. */
static double play(const char *run, const char *folder, int64_t steps, int *looks)
{
    struct config config = {0};
    struct watch watch;
    char path[PATH_BYTES];
    size_t bytes;
    static const char *const whole[] = {"log.jsonl", "results.csv", "layers.csv"};
    for (int i = 0; i < COUNT_OF(whole); i++)
        copy(run, folder, whole[i]);
    must(train_load_config(&config, run, NULL, 0));
    void *rows;
    read_text(run, "steps.csv", &rows, &bytes);
    char *next = strchr(rows, '\n') + 1;
    must(path_join(path, folder, "steps.csv"));
    FILE *file = fopen(path, "w");
    if (!file)
        exit(1);
    fwrite(rows, 1, (size_t)(next - (char *)rows), file);
    fflush(file);
    double begun = clock_seconds(), seconds = 0.0;
    must(watch_begin(&watch, folder, &config));
    seconds += clock_seconds() - begun;
    *looks = 0;
    for (int64_t step = 1; step <= steps; step++) {
        char *end = strchr(next, '\n') + 1;
        fwrite(next, 1, (size_t)(end - next), file);
        next = end;
        if (!watch_due(&watch, step))
            continue;
        fflush(file);
        begun = clock_seconds();
        must(watch_look(&watch, folder, &config, step));
        seconds += clock_seconds() - begun;
        ++*looks;
    }
    watch_end(&watch);
    fclose(file);
    memory_give(rows);
    config_free(&config);
    return seconds;
}

int main(int argc, char **argv)
{
    char folder[] = "/tmp/bench-watch.XXXXXX", path[PATH_BYTES];
    struct table results = {0}, steps = {0};
    if (argc != 2) {
        fprintf(stderr, "usage: bench_watch RUN\n");
        return 64;
    }
    log_set_quiet(true);
    must(path_join(path, argv[1], "results.csv"));
    must(table_read(&results, path));
    must(path_join(path, argv[1], "steps.csv"));
    must(table_read(&steps, path));
    const double *time = table_column(&results, "time");
    if (!time || results.row_count < 1 || steps.row_count < 1 || !mkdtemp(folder))
        return 1;
    double best = 0.0;
    int looks = 0;
    for (int round = 0; round < ROUNDS; round++) {
        const double seconds = play(argv[1], folder, steps.row_count, &looks);
        best = round == 0 || seconds < best ? seconds : best;
    }
    const double count = (double)steps.row_count, step = time[results.row_count - 1] / count;
    printf("%.0f steps, %d looks: %.1f us a step (best of %d), %.2f %% of the run's %.0f us\n", count, looks,
           1e6 * best / count, ROUNDS, 100.0 * best / count / step, 1e6 * step);
    table_free(&results);
    table_free(&steps);
    must(folder_remove(folder));
    return 0;
}
