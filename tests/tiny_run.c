/* tiny_run: see tiny_run.h. */
#include "tiny_run.h"

#include "tensors.h"
#include "trainer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

char tiny_folder[PATH_BYTES - 256], tiny_data[PATH_BYTES];
char tiny_config[PATH_BYTES];

enum { MAX_WORDS = 24 };

/* Runs `train` with overrides separated by blanks, on top of the config all tests share. */
int tiny_train(const char *resume, const char *words, struct train_result *result)
{
    char text[2 * PATH_BYTES];
    const char *overrides[MAX_WORDS];
    int count = 0;
    snprintf(text, sizeof text, "%s", words);
    char *rest = text, *word;
    while ((word = strsep(&rest, " ")))
        if (*word)
            overrides[count++] = word;
    assert_true(count <= MAX_WORDS);
    struct train_request request = {
        .file = resume ? NULL : tiny_config, .resume = resume, .overrides = overrides, .override_count = count};
    return train_run(&request, result);
}

void tiny_train_ok(const char *resume, const char *words, struct train_result *result)
{
    if (tiny_train(resume, words, result) < 0)
        fail_msg("train %s: %s", words, fail_text());
    tiny_assert_whole(result);
}

/* What the time limit of tests/tap.sh ends, or whoever else, ends well for a run, and has fewer rows than asked for. */
void tiny_assert_whole(const struct train_result *result)
{
    if (result->stopped_by)
        fail_msg("%s was stopped by signal %d: the test was ended before its time, or took too long", result->path,
                 result->stopped_by);
}

void tiny_limit_memory(size_t room)
{
    struct rlimit limit;
    long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    if (!statm || fscanf(statm, "%*d %*d %*d %*d %*d %ld", &pages) != 1)
        _exit(99);
    fclose(statm);
    limit.rlim_cur = limit.rlim_max = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + room;
    if (setrlimit(RLIMIT_DATA, &limit) != 0)
        _exit(98);
}

/* ---- what a run left ---- */

char *tiny_read_text(const char *run, const char *name)
{
    char path[2 * PATH_BYTES];
    void *text;
    size_t bytes;
    snprintf(path, sizeof path, "%s/%s", run, name);
    if (file_read(path, 1 << 24, &text, &bytes) < 0)
        fail_msg("%s", fail_text());
    return text;
}

void tiny_assert_same_text(const char *run_a, const char *run_b, const char *name)
{
    char *a = tiny_read_text(run_a, name), *b = tiny_read_text(run_b, name);
    assert_string_equal(a, b);
    memory_give(a);
    memory_give(b);
}

void tiny_read_tensors(struct tensor_file *file, const char *run, const char *name)
{
    char path[2 * PATH_BYTES];
    snprintf(path, sizeof path, "%s/checkpoints/%s", run, name);
    *file = (struct tensor_file){0};
    if (tensors_read(file, path) < 0)
        fail_msg("%s", fail_text());
}

/* Largest difference of any number of two files of the same tensors. */
double tiny_largest_difference(const char *run_a, const char *run_b, const char *name)
{
    struct tensor_file a, b;
    double largest = 0.0;
    tiny_read_tensors(&a, run_a, name);
    tiny_read_tensors(&b, run_b, name);
    assert_int_equal(a.count, b.count);
    for (int i = 0; i < a.count; i++) {
        const struct tensor *other = tensors_find(&b, a.tensors[i].name);
        assert_non_null(other);
        assert_int_equal(a.tensors[i].bytes, other->bytes);
        if (a.tensors[i].type != TENSOR_F32) {
            if (memcmp(a.tensors[i].data, other->data, other->bytes) != 0)
                largest = INFINITY;
            continue;
        }
        for (size_t at = 0; at < other->bytes; at += sizeof(float)) {
            float x, y;
            memcpy(&x, (const char *)a.tensors[i].data + at, sizeof x);
            memcpy(&y, (const char *)other->data + at, sizeof y);
            double difference = fabs((double)x - (double)y);
            if (memcmp(&x, &y, sizeof x) != 0 && !(difference > 0.0))
                difference = 1e-45; /* zeros of different sign, NaN */
            largest = fmax(largest, difference);
        }
    }
    tensors_free(&a);
    tensors_free(&b);
    return largest;
}

void tiny_assert_same_run(const char *run_a, const char *run_b)
{
    assert_true(tiny_largest_difference(run_a, run_b, "last/model.safetensors") == 0.0);
    assert_true(tiny_largest_difference(run_a, run_b, "last/optim.safetensors") == 0.0);
    assert_true(tiny_largest_difference(run_a, run_b, "best/model.safetensors") == 0.0);
    assert_true(tiny_largest_difference(run_a, run_b, "last/stats.safetensors") == 0.0);
    tiny_assert_same_text(run_a, run_b, "steps.csv");
    tiny_assert_same_text(run_a, run_b, "samples.csv");
}

/* Column of a row (from 1) of a table. */
double tiny_cell_at(const char *run, const char *table, int row, const char *column)
{
    char *text = tiny_read_text(run, table), *rest = text, *head = strsep(&rest, "\n"), *name, *cell = NULL;
    int at = -1, count = 0;
    for (; (name = strsep(&head, ",")); count++)
        if (strcmp(name, column) == 0)
            at = count;
    assert_true(at >= 0);
    char *line = NULL;
    for (int i = 0; i < row; i++)
        line = strsep(&rest, "\n");
    if (!line || !*line)
        fail_msg("%s/%s has no row %d", run, table, row);
    for (int i = 0; i <= at; i++)
        cell = strsep(&line, ",");
    assert_non_null(cell);
    double value = *cell ? atof(cell) : NAN;
    memory_give(text);
    return value;
}

double tiny_result_at(const char *run, int row, const char *column)
{
    return tiny_cell_at(run, "results.csv", row, column);
}

int tiny_result_rows(const char *run)
{
    char *text = tiny_read_text(run, "results.csv");
    int rows = -1;
    for (const char *at = text; *at; at++)
        rows += *at == '\n';
    memory_give(text);
    return rows;
}

bool tiny_has_file(const char *run, const char *name)
{
    char path[2 * PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", run, name);
    return file_exists(path);
}

int tiny_set_up(void **state)
{
    (void)state;
    const char *base = getenv("TMPDIR");
    snprintf(tiny_folder, sizeof tiny_folder, "%s/train.XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(tiny_folder))
        return -1;
    snprintf(tiny_data, sizeof tiny_data, "%s/tiles", tiny_folder);
    struct tiles_options options = {.per_class = 12, .size = 16, .seed = 3};
    if (tiles_write(tiny_data, &options) < 0)
        return -1;
    snprintf(tiny_config, sizeof tiny_config, "%s/run.ini", tiny_folder);
    FILE *file = fopen(tiny_config, "w");
    if (!file)
        return -1;
    const char *device = getenv("TEST_DEVICE");
    fprintf(file,
            "[data]\ntrain = \"%s\"\nval_fraction = 0.25\n[model]\nname = \"mlp\"\nhidden = 16\n"
            "[train]\nepochs = 2\nbatch_size = 16\nprecision = \"fp32\"\ndevice = \"%s\"\n"
            "[run]\ndir = \"%s\"\n",
            tiny_data, device ? device : "cpu", tiny_folder);
    return fclose(file);
}

int tiny_tear_down(void **state)
{
    (void)state;
    return folder_remove(tiny_folder);
}
