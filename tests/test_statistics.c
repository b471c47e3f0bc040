/* test_statistics: what whole runs write of themselves (steps.csv, layers.csv, samples.csv, results.csv) against the
 * same trainings in PyTorch, whose every figure was computed as docs/statistics.md defines it
 * (tests/vectors/make_statistics_vectors.py). First weights are drawn by both, so they need not agree on anything but
 * images, settings and seed. */
#include "csv.h"
#include "mirror.h"
#include "tiny_run.h"
#include "vectors.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
/* cmocka wants the standard headers first */
#include <cmocka.h>

static struct vectors recorded;

/* ---- a run as it was recorded ---- */

static void put_big_endian(FILE *file, uint32_t value)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        fputc((int)(value >> shift & 0xFF), file);
}

static FILE *create(const char *folder, const char *name)
{
    char path[2 * PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    return file;
}

/* IDX: images and labels of a part, "train" or "val". */
static void write_part(const char *part, const char *folder)
{
    const json_t *images = vectors_member(recorded.json, part);
    const uint32_t side = (uint32_t)vectors_integer(recorded.json, "settings/side");
    int64_t pixel_count, count;
    const double *pixels = vectors_doubles(&recorded, images, "pixels", &pixel_count),
                 *labels = vectors_doubles(&recorded, images, "labels", &count);
    assert_int_equal(pixel_count, count * side * side);
    assert_int_equal(mkdir(folder, 0777), 0);
    FILE *file = create(folder, "train-images-idx3-ubyte");
    put_big_endian(file, 0x803);
    put_big_endian(file, (uint32_t)count);
    put_big_endian(file, side);
    put_big_endian(file, side);
    for (int64_t i = 0; i < pixel_count; i++)
        fputc((int)pixels[i], file);
    assert_int_equal(fclose(file), 0);
    file = create(folder, "train-labels-idx1-ubyte");
    put_big_endian(file, 0x801);
    put_big_endian(file, (uint32_t)count);
    for (int64_t i = 0; i < count; i++)
        fputc((int)labels[i], file);
    assert_int_equal(fclose(file), 0);
}

/* "type", "name", numbers and truths are named as the config's are. */
static void write_section(FILE *file, const char *section, const json_t *members)
{
    const char *key;
    const json_t *value;
    fprintf(file, "%s\n", section);
    json_object_foreach((json_t *)members, key, value)
    {
        char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(9));
        assert_non_null(text);
        fprintf(file, "%s = %s\n", key, text);
        free(text);
    }
}

static void write_config(const json_t *run)
{
    const char *name = vectors_text(run, "name");
    const json_t *settings = vectors_member(recorded.json, "settings"), *layer;
    size_t at;
    snprintf(tiny_config, sizeof tiny_config, "%s/%s.ini", tiny_folder, name);
    FILE *file = fopen(tiny_config, "w");
    assert_non_null(file);
    fprintf(file, "[data]\ntrain = \"%s/train\"\nval = \"%s/val\"\nshuffle = false\n", tiny_folder, tiny_folder);
    fprintf(file, "[augment]\nnormalize = \"given\"\nmean = [0.5]\nstd = [0.25]\n[model]\nname = \"custom\"\n");
    fprintf(file, "[stats]\nlayers_every = %lld\nnoise_every = %lld\n",
            (long long)vectors_integer(settings, "layers_every"), (long long)vectors_integer(settings, "noise_every"));
    fprintf(file,
            "[train]\nepochs = %lld\nseed = %lld\nbatch_size = %lld\naccumulate = %lld\nlabel_smoothing = %g\n"
            "precision = \"fp32\"\ndevice = \"%s\"\n[run]\ndir = \"%s\"\n",
            (long long)vectors_integer(settings, "epochs"), (long long)vectors_integer(settings, "seed"),
            (long long)vectors_integer(run, "batch_size"), (long long)vectors_integer(run, "accumulate"),
            vectors_number(run, "smoothing"), mirror_device_name(), tiny_folder);
    write_section(file, "[optim]", vectors_member(run, "optim"));
    json_array_foreach(vectors_member(run, "layers"), at, layer)
    {
        write_section(file, "[[layer]]", layer);
    }
    assert_int_equal(fclose(file), 0);
}

/* ---- what it wrote, beside what it should have written ---- */

enum { MOST_CELLS = 64 };

/* A column: how far a float's run may be from the truth, as a share of it; but for counts also absolutely. */
struct column {
    const char *name;
    double relative;
};
static const double absolute = 2e-6;
#define COUNTED      0.0
#define CLOSE        5e-5
#define TOLD_BY_BINS (1.0 / 16.0)

static const struct column of_steps[] = {{"step", COUNTED},          {"epoch", COUNTED},
                                         {"samples", COUNTED},       {"lr", 1e-6},
                                         {"bad", COUNTED},           {"nonfinite", COUNTED},
                                         {"correct", COUNTED},       {"loss", CLOSE},
                                         {"loss_variance", CLOSE},   {"loss_max", CLOSE},
                                         {"loss_next", CLOSE},       {"loss_median", TOLD_BY_BINS},
                                         {"loss_p90", TOLD_BY_BINS}, {"grad_norm", CLOSE},
                                         {"update_norm", CLOSE},     {"weight_norm", CLOSE},
                                         {"update_ratio", CLOSE},    {"grad_dot_update", CLOSE},
                                         {"grad_cosine", CLOSE},     {"grad_dot_last", CLOSE},
                                         {"noise_grad", CLOSE},      {"noise_trace", CLOSE},
                                         {"loss_smooth", CLOSE},     {"loss_smooth_error", CLOSE},
                                         {"spike_z", CLOSE},         {NULL, 0.0}};
static const struct column of_layers[] = {{"step", COUNTED},      {"weight_norm", CLOSE},  {"grad_norm", CLOSE},
                                          {"update_norm", CLOSE}, {"update_ratio", CLOSE}, {"mean", CLOSE},
                                          {"deviation", CLOSE},   {"positive", CLOSE},     {"dead", CLOSE},
                                          {"mean_gap", CLOSE},    {"variance_gap", CLOSE}, {NULL, 0.0}};
static const struct column of_samples[] = {
    {"sample", COUNTED},    {"label", COUNTED},   {"seen", COUNTED},      {"loss", CLOSE},         {"margin", CLOSE},
    {"probability", CLOSE}, {"correct", COUNTED}, {"forgotten", COUNTED}, {"prediction", COUNTED}, {NULL, 0.0}};
static const struct column of_epochs[] = {{"epoch", COUNTED},
                                          {"train/loss", CLOSE},
                                          {"train/accuracy", CLOSE},
                                          {"val/loss", CLOSE},
                                          {"val/loss_error", CLOSE},
                                          {"metrics/accuracy_top1", CLOSE},
                                          {"metrics/accuracy_top5", CLOSE},
                                          {NULL, 0.0}};

/* The product of two gradients of one step, which both figures have in them, is told by a sketch where a batch was
 * halved: of these 257 and 315 parameters to within so much of the product of their lengths. */
static const double sketched = 0.3;

/* How far off the noise scale's figures may be, beyond rounding. */
static double sketch_error(const json_t *row, const char *column)
{
    const double half = json_number_value(json_object_get(row, "half_norm")),
                 whole = json_number_value(json_object_get(row, "grad_norm"));
    return strcmp(column, "noise_grad") == 0    ? 2.0 * sketched * half * whole
           : strcmp(column, "noise_trace") == 0 ? 12.0 * sketched * half * whole
                                                : 0.0;
}

/* What was not recorded must be an empty cell. Returns 1 where the cell is wrong, after having said so. */
static int is_wrong(const char *where, const struct column *column, const json_t *row, const char *cell)
{
    const json_t *want = json_object_get(row, column->name);
    if (!want) {
        if (*cell)
            print_error("%s, %s: %s in place of an empty cell\n", where, column->name, cell);
        return *cell != '\0';
    }
    const double number = json_number_value(want), got = *cell ? atof(cell) : NAN;
    const bool good = fabs(got - number) <= absolute * (column->relative > 0.0) + column->relative * fabs(number) +
                                                sketch_error(row, column->name);
    if (!good)
        print_error("%s, %s: %s in place of %.9g\n", where, column->name, cell, number);
    return !good;
}

/* A class that was predicted more than half of the times is the majority; of any other that stands there, the votes
 * bound how often it was. */
static int is_majority_wrong(const char *where, const json_t *row, const char *majority, const char *votes)
{
    const json_t *times = json_object_get(row, "predicted_times");
    const int seen = (int)json_integer_value(json_object_get(row, "seen")), vote = atoi(votes);
    int most = 0, wrong = 0;
    for (int k = 1; k < (int)json_array_size(times); k++)
        if (vectors_integer(json_array_get(times, (size_t)k), "") >
            vectors_integer(json_array_get(times, (size_t)most), ""))
            most = k;
    const bool held = 2 * vectors_integer(json_array_get(times, (size_t)most), "") > seen;
    if (*majority) {
        const int named = (int)vectors_integer(json_array_get(times, (size_t)atoi(majority)), "");
        wrong = vote > named || 2 * named > vote + seen;
    }
    wrong |= held && (!*majority || atoi(majority) != most);
    if (wrong)
        print_error("%s: majority %s with %s votes\n", where, majority, votes);
    return wrong;
}

static int count_wrong(const struct train_result *run, const char *table, const json_t *rows,
                       const struct column *columns)
{
    char *text = tiny_read_text(run->path, table), *head[MOST_CELLS], *cells[MOST_CELLS], where[256];
    struct csv csv = {text, text + strlen(text)};
    int width, count, wrong = 0;
    size_t at;
    const json_t *row;
    assert_true(csv_row(&csv, head, MOST_CELLS, &width));
    json_array_foreach(rows, at, row)
    {
        if (!csv_row(&csv, cells, MOST_CELLS, &count))
            fail_msg("%s: %s has %zu rows of %zu", run->path, table, at, json_array_size(rows));
        const json_t *layer = json_object_get(row, "layer");
        if (layer)
            assert_string_equal(cells[csv_column(head, width, "layer")], json_string_value(layer));
        snprintf(where, sizeof where, "%s, row %zu%s%s", table, at + 1, layer ? ", " : "",
                 layer ? json_string_value(layer) : "");
        for (const struct column *column = columns; column->name; column++) {
            const int place = csv_column(head, width, column->name);
            assert_in_range(place, 0, count - 1);
            wrong += is_wrong(where, column, row, cells[place]);
        }
        if (columns == of_samples)
            wrong += is_majority_wrong(where, row, cells[csv_column(head, width, "majority")],
                                       cells[csv_column(head, width, "votes")]);
    }
    assert_false(csv_row(&csv, cells, MOST_CELLS, &count));
    memory_give(text);
    return wrong;
}

static void check_run(const char *name)
{
    const json_t *runs = vectors_member(recorded.json, "runs"), *run = NULL, *one;
    size_t at;
    json_array_foreach(runs, at, one)
    {
        if (vectors_is(one, "name", name))
            run = one;
    }
    assert_non_null(run);
    struct train_result result;
    write_config(run);
    tiny_train_ok(NULL, "", &result);
    int wrong = count_wrong(&result, "steps.csv", vectors_member(run, "steps"), of_steps);
    wrong += count_wrong(&result, "layers.csv", vectors_member(run, "layer_rows"), of_layers);
    wrong += count_wrong(&result, "samples.csv", vectors_member(run, "samples"), of_samples);
    wrong += count_wrong(&result, "results.csv", vectors_member(run, "epochs"), of_epochs);
    if (wrong)
        fail_msg("%d cells are wrong", wrong);
}

static void test_convolutions(void **state)
{
    (void)state;
    check_run("cnn");
}

static void test_mlp(void **state)
{
    (void)state;
    check_run("mlp");
}

static void test_accumulated(void **state)
{
    (void)state;
    check_run("accumulated");
}

static int set_up(void **state)
{
    char folder[PATH_BYTES];
    vectors_open(&recorded, "statistics");
    if (tiny_set_up(state) != 0)
        return -1;
    static const char *const parts[] = {"train", "val"};
    for (int i = 0; i < COUNT_OF(parts); i++) {
        snprintf(folder, sizeof folder, "%s/%s", tiny_folder, parts[i]);
        write_part(parts[i], folder);
    }
    return 0;
}

static int tear_down(void **state)
{
    vectors_close(&recorded);
    return tiny_tear_down(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_convolutions),
        cmocka_unit_test(test_mlp),
        cmocka_unit_test(test_accumulated),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
