/* leave_out: samples taken out of a subset by a list that a person or the doctor has made. Must not know why. */
#include "csv.h"
#include "data.h"
#include "file.h"
#include "text.h"

#include <string.h>

enum { CELLS = 16 };

struct list {
    const char *path;
    const struct dataset *data;
    int sample, label, part; /* columns; -1: there is none */
    bool *out;               /* [data->count] */
};

static int mark_row(struct list *list, char **cells, int count, int64_t row)
{
    int64_t sample, label;
    if (list->part >= 0 && count > list->part && strcmp(cells[list->part], "val") == 0)
        return OK; /* of other images, which training does not draw */
    if (count <= list->sample || !text_to_int64(cells[list->sample], &sample) || sample < 0 ||
        sample >= list->data->count)
        return FAIL(ERR_DATA, "%s: row %lld: its sample is no number from 0 to %lld, as the images of %s have them",
                    list->path, (long long)row, (long long)list->data->count - 1, list->data->source);
    if (list->label >= 0 &&
        (count <= list->label || !text_to_int64(cells[list->label], &label) || label != list->data->labels[sample]))
        return FAIL(
            ERR_DATA,
            "%s: row %lld: sample %lld has another label in %s; the list was made of other images: make it anew",
            list->path, (long long)row, (long long)sample, list->data->source);
    list->out[sample] = true;
    return OK;
}

static int read_list(struct list *list, char *text, size_t bytes)
{
    struct csv csv = {text_begin(text), text + bytes};
    char *cells[CELLS];
    int count;
    if (!csv_row(&csv, cells, CELLS, &count) || (list->sample = csv_column(cells, count, "sample")) < 0)
        return FAIL(ERR_DATA, "%s: has no head line with a column 'sample'; the doctor's suspects.csv has one",
                    list->path);
    list->label = csv_column(cells, count, "label");
    list->part = csv_column(cells, count, "part");
    for (int64_t row = 2; csv_row(&csv, cells, CELLS, &count); row++)
        TRY(mark_row(list, cells, count, row));
    return OK;
}

int subset_leave_out(struct subset *subset, const char *path)
{
    struct list list = {.path = path, .data = subset->data};
    void *text;
    size_t bytes;
    TRY(file_read(path, (size_t)1 << 32, &text, &bytes));
    int status = memory_take(&list.out, (size_t)subset->data->count * sizeof *list.out, path);
    if (status == OK)
        status = read_list(&list, text, bytes);
    memory_give(text);
    int64_t kept = 0;
    for (int64_t i = 0; i < subset->count && status == OK; i++)
        if (!list.out[subset->samples[i]])
            subset->samples[kept++] = subset->samples[i];
    if (status == OK)
        subset->count = kept;
    memory_give(list.out);
    return status;
}
