/* evidence_labels: whether what a run contradicts of its images' labels is of two kinds, or of one class filed under
 * another, or of two that are mixed up, from samples.csv. Must not judge. */
#include "csv.h"
#include "doctor.h"
#include "doubts.h"
#include "file.h"
#include "filed.h"
#include "mixed.h"
#include "slipped.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

enum { CELLS = 16, CLASSES_MOST = 1024 };

/* The columns that are read, in the order of the numbers of a row. */
enum { SAMPLE, LABEL, SEEN, MARGIN, PREDICTION, MAJORITY, VOTES, COLUMNS };
static const char *const columns[COLUMNS] = {"sample", "label", "seen", "margin", "prediction", "majority", "votes"};

struct rows {
    int32_t *numbers, *labels; /* of the list */
    struct sample_stats *table;
    int64_t count;
};

static int64_t lines_of(const char *text, size_t bytes)
{
    int64_t lines = 0;
    for (size_t i = 0; i < bytes; i++)
        lines += text[i] == '\n';
    return lines;
}

/* false: it does not say. */
static bool take(struct rows *rows, char *const *cells, int width, const int *place, int classes)
{
    double number[COLUMNS];
    for (int i = 0; i < COLUMNS; i++)
        if (place[i] >= width || !text_to_double(cells[place[i]], &number[i]))
            return false;
    for (int i = 0; i < COLUMNS; i++)
        if (i != MARGIN && i != SAMPLE && !(number[i] >= 0.0 && number[i] <= UINT16_MAX))
            return false;
    if (!(number[SAMPLE] >= 0.0 && number[SAMPLE] < INT32_MAX) || number[LABEL] >= classes ||
        number[PREDICTION] >= classes || number[MAJORITY] >= classes)
        return false;
    rows->numbers[rows->count] = (int32_t)number[SAMPLE];
    rows->labels[rows->count] = (int32_t)number[LABEL];
    rows->table[rows->count++] = (struct sample_stats){.seen = (uint16_t)number[SEEN],
                                                       .margin = (float)(number[MARGIN] * number[SEEN]),
                                                       .prediction = (uint16_t)number[PREDICTION],
                                                       .majority = (uint16_t)number[MAJORITY],
                                                       .votes = (uint16_t)number[VOTES]};
    return true;
}

static bool read_rows(struct rows *rows, char *text, size_t bytes, int classes, struct arena *arena)
{
    struct csv csv = {text, text + bytes};
    char *cells[CELLS];
    int width, place[COLUMNS];
    const size_t lines = (size_t)lines_of(text, bytes);
    rows->numbers = arena_push(arena, lines * sizeof *rows->numbers);
    rows->labels = arena_push(arena, lines * sizeof *rows->labels);
    rows->table = arena_push(arena, lines * sizeof *rows->table);
    if (!csv_row(&csv, cells, CELLS, &width))
        return false;
    for (int i = 0; i < COLUMNS; i++)
        if ((place[i] = csv_column(cells, width, columns[i])) < 0)
            return false;
    while (csv_row(&csv, cells, CELLS, &width))
        if (!take(rows, cells, width, place, classes))
            return false;
    return true;
}

/* What validation's images of each class are called by the best weights, [classes][classes], and the classes' names,
 * which point into the text; false: it does not say. */
static bool read_val(char *text, size_t bytes, int classes, int32_t *called, const char **names)
{
    struct csv csv = {text, text + bytes};
    char *cells[CELLS];
    int width;
    double label, answer;
    if (!csv_row(&csv, cells, CELLS, &width))
        return false;
    const int of = csv_column(cells, width, "label"), name = csv_column(cells, width, "class"),
              as = csv_column(cells, width, "prediction");
    while (csv_row(&csv, cells, CELLS, &width)) {
        if (of < 0 || of >= width || name < 0 || name >= width || as < 0 || as >= width ||
            !text_to_double(cells[of], &label) || !(label >= 0.0 && label < classes) ||
            !text_to_double(cells[as], &answer) || !(answer >= 0.0 && answer < classes))
            return false;
        called[(size_t)label * (size_t)classes + (size_t)answer]++;
        names[(int)label] = cells[name];
    }
    return true;
}

/* What each label's images were taken for: mostly, or last. */
static const int32_t *taken_for(const struct rows *rows, size_t classes, bool last, struct arena *arena)
{
    int32_t *taken = arena_push(arena, classes * classes * sizeof *taken);
    for (int64_t i = 0; i < rows->count; i++) {
        const struct sample_stats *sample = &rows->table[i];
        if (sample->seen > 0)
            taken[(size_t)rows->labels[i] * classes +
                  (size_t)(last ? sample->prediction : doubts_class_seen(sample))]++;
    }
    return taken;
}

static void name_class(char name[static LAYER_BYTES], const char *const *names, int class)
{
    text_copy(name, LAYER_BYTES, class >= 0 && names[class] ? names[class] : "");
}

/* What takes validation's images as well. */
static void find_by_class(struct evidence *evidence, const char *run, const struct rows *rows, struct arena *arena)
{
    const size_t classes = (size_t)evidence->classes;
    int32_t *called = arena_push(arena, classes * classes * sizeof *called),
            *val = arena_push(arena, classes * sizeof *val);
    const char **names = arena_push(arena, classes * sizeof *names);
    char path[PATH_BYTES];
    void *text;
    size_t bytes;
    if (path_join(path, run, "predictions.csv") < 0 || !file_exists(path) ||
        file_read(path, (size_t)1 << 32, &text, &bytes) < 0)
        return;
    struct filed *filed = &evidence->filed;
    struct mixed *mixed = &evidence->mixed;
    if (read_val(text, bytes, evidence->classes, called, names)) {
        for (size_t i = 0; i < classes * classes; i++)
            val[i / classes] += called[i];
        const int32_t *taken = taken_for(rows, classes, false, arena);
        filed_find(filed, taken, val, evidence->classes);
        if (!filed_is_sure(filed))
            filed_swallowed(filed, taken, val, evidence->classes);
        mixed_find(mixed, taken_for(rows, classes, true, arena), called, evidence->classes);
        name_class(filed->under_name, names, filed->under);
        name_class(filed->from_name, names, filed->from);
        name_class(mixed->a_name, names, mixed->a);
        name_class(mixed->b_name, names, mixed->b);
    }
    memory_give(text);
}

/* samples.csv has the images of training that were seen, in the list's order. Of a list much longer than that nothing
 * is asked. */
static void find_slipped(struct slipped *slipped, const struct rows *rows, struct arena *arena)
{
    const int64_t most = 16;
    const int64_t count = rows->count > 0 ? (int64_t)rows->numbers[rows->count - 1] + 1 : 0;
    if (count > most * rows->count)
        return;
    int32_t *labels = arena_push(arena, (size_t)(count + 1) * sizeof *labels),
            *taken = arena_push(arena, (size_t)(count + 1) * sizeof *taken);
    for (int64_t i = 0; i < count; i++)
        labels[i] = taken[i] = -1;
    for (int64_t i = 0; i < rows->count; i++)
        if (rows->numbers[i] < count) {
            labels[rows->numbers[i]] = rows->labels[i];
            taken[rows->numbers[i]] = rows->table[i].seen > 0 ? doubts_class_seen(&rows->table[i]) : -1;
        }
    slipped_find(slipped, labels, taken, count);
}

void doctor_labels(struct evidence *evidence, const char *run)
{
    char path[PATH_BYTES];
    void *text;
    size_t bytes;
    struct arena arena = {0};
    struct rows rows = {0};
    evidence->labels = (struct label_evidence){0};
    evidence->filed = (struct filed){0};
    evidence->mixed = (struct mixed){0};
    evidence->slipped = (struct slipped){0};
    if (!evidence->over || evidence->epochs == 0 || evidence->classes > CLASSES_MOST ||
        path_join(path, run, "samples.csv") < 0 || !file_exists(path) ||
        file_read(path, (size_t)1 << 32, &text, &bytes) < 0)
        return;
    if (read_rows(&rows, text, bytes, evidence->classes, &arena)) {
        struct doubts doubts;
        const struct val_looks val =
            doubts_val_looks(evidence->config, evidence->val_accuracy, evidence->epochs, (double)evidence->val_images);
        find_by_class(evidence, run, &rows, &arena);
        find_slipped(&evidence->slipped, &rows, &arena);
        doubts_gather(&doubts, rows.labels, evidence->classes, rows.table, rows.count, &arena);
        if (doubts_judge(&doubts, &val) == LABELS_JUDGED)
            evidence->labels =
                (struct label_evidence){.wrong = doubts.wrong_share,
                                        .agrees = doubts.agrees,
                                        .contradicted = (double)doubts.contradicted / (double)doubts.judged,
                                        .ahead = doubts.witnessed ? doubts.ahead : 0.0,
                                        .separation = doubts.mixture.separation,
                                        .sep_error = doubts.mixture.separation_error};
    }
    memory_give(text);
    arena_free(&arena);
}
