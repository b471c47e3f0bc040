/* recorded: what a run's own files say of its images: their labels, so that these can be judged where the images are
 * far away, or gone; and a list of suspects that was written. Judges nothing. */
#include "doubts.h"
#include "suspects_parts.h"

#include "csv.h"
#include "file.h"
#include "text.h"

#include <math.h>
#include <string.h>

enum { CELLS = 16 };

/* A row's number of a column, below a limit. */
static bool take_number(char *const *cells, int count, int column, int64_t below, int64_t *number)
{
    return column < count && text_to_int64(cells[column], number) && *number >= 0 && *number < below;
}

/* Columns of a table of images, and what is done with each row's cells. */
struct reading {
    const char *columns[2]; /* names */
    int at[2];              /* where they are */
    bool (*take)(const struct reading *reading, char *const *cells, int count);
    void *to;
    int64_t samples; /* numbers are below it */
    int classes;
};

static int read_rows(struct reading *reading, const char *path)
{
    char *cells[CELLS];
    void *text;
    size_t bytes;
    int count;
    TRY(file_read(path, (size_t)1 << 32, &text, &bytes));
    struct csv csv = {text_begin(text), (char *)text + bytes};
    int status = OK;
    const bool headed = csv_row(&csv, cells, CELLS, &count);
    for (int i = 0; i < COUNT_OF(reading->columns) && status == OK; i++)
        if (!headed || (reading->at[i] = csv_column(cells, count, reading->columns[i])) < 0)
            status = FAIL(ERR_DATA, "%s: has no head line with a column '%s'", path, reading->columns[i]);
    for (int64_t row = 2; status == OK && csv_row(&csv, cells, CELLS, &count); row++)
        if (!reading->take(reading, cells, count))
            status = FAIL(ERR_DATA, "%s: row %lld: its %s or %s is none of this run", path, (long long)row,
                          reading->columns[0], reading->columns[1]);
    memory_give(text);
    return status;
}

/* ---- labels ---- */

static bool take_label(const struct reading *reading, char *const *cells, int count)
{
    int64_t sample, label;
    if (!take_number(cells, count, reading->at[0], reading->samples, &sample) ||
        !take_number(cells, count, reading->at[1], reading->classes, &label))
        return false;
    ((int32_t *)reading->to)[sample] = (int32_t)label;
    return true;
}

static bool count_label(const struct reading *reading, char *const *cells, int count)
{
    int64_t sample, label;
    struct labelled *labelled = reading->to;
    if (!take_number(cells, count, reading->at[0], reading->samples, &sample) ||
        !take_number(cells, count, reading->at[1], reading->classes, &label))
        return false;
    labelled->val_images[label]++;
    labelled->val_count++;
    return true;
}

static int read_training(struct dataset *data, const char *run, const struct sample_stats *table, struct arena *arena)
{
    char path[PATH_BYTES];
    data->labels = arena_push(arena, (size_t)data->count * sizeof *data->labels);
    for (int64_t i = 0; i < data->count; i++)
        data->labels[i] = -1;
    struct reading reading = {{"sample", "label"},
                              .take = take_label,
                              .to = data->labels,
                              .samples = data->count,
                              .classes = data->class_count};
    TRY(path_join(path, run, "samples.csv"));
    TRY(read_rows(&reading, path));
    for (int64_t i = 0; i < data->count; i++) {
        if (table[i].seen > 0 && data->labels[i] < 0)
            return FAIL(ERR_DATA, "%s: has no row of sample %lld", path, (long long)i);
        data->labels[i] = data->labels[i] < 0 ? 0 : data->labels[i]; /* held back: nothing is said of it */
    }
    return OK;
}

int labelled_read(struct labelled *labelled, const struct config *config, const char *run, struct arena *arena)
{
    const struct sample_stats *table;
    struct model_card card;
    char folder[PATH_BYTES], path[PATH_BYTES];
    struct dataset *data = arena_push(arena, sizeof *data);
    *labelled = (struct labelled){.config = config, .data = data};
    TRY(train_find_checkpoint(config, run, "last", folder));
    TRY(card_read(&card, arena, folder));
    data->source = run;
    data->class_count = card.class_count;
    data->class_names = card.class_names;
    TRY(samples_read(folder, data->class_count, arena, &table, &data->count));
    TRY(read_training(data, run, table, arena));
    labelled->val_images = arena_push(arena, (size_t)data->class_count * sizeof *labelled->val_images);
    struct reading reading = {
        {"sample", "label"}, .take = count_label, .to = labelled, .samples = INT32_MAX, .classes = data->class_count};
    TRY(path_join(path, run, "predictions.csv"));
    return *config->data.val || config->data.val_fraction > 0.0 ? read_rows(&reading, path) : OK;
}

/* ---- a list that was written ---- */

static bool take_suspect(const struct reading *reading, char *const *cells, int count)
{
    int64_t sample;
    struct suspect suspect = {.suggested = -1, .evidence = ""};
    if (!take_number(cells, count, reading->at[0], reading->samples, &sample) || reading->at[1] >= count)
        return false;
    while (suspect.kind < SUSPECT_KINDS && strcmp(suspect_names[suspect.kind], cells[reading->at[1]]) != 0)
        suspect.kind++;
    suspect.sample = (int32_t)sample;
    if (suspect.kind < SUSPECT_KINDS)
        suspects_add(reading->to, &suspect);
    return suspect.kind < SUSPECT_KINDS;
}

int suspects_read(struct suspects *suspects, const char *path)
{
    *suspects = (struct suspects){.wrong_share = NAN, .wrong_most = NAN};
    struct reading reading = {{"sample", "kind"}, .take = take_suspect, .to = suspects, .samples = INT32_MAX};
    return read_rows(&reading, path);
}
