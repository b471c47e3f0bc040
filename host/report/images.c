/* images: what a run's files say of single images: the confusion matrix, the images most lost. Reads only; must not
 * know where the pixels are. */
#include "csv.h"
#include "facts.h"
#include "run.h"
#include "table.h"
#include "text.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CELLS = 20 };

/* Columns by their place in a row. A column that is missing is refused at the head. */
enum column { SAMPLE, LABEL, CLASS, PREDICTION, PREDICTED, LOSS, FILE_NAME, COLUMNS };
static const char *const column_names[COLUMNS] = {"sample",    "label", "class", "prediction",
                                                  "predicted", "loss",  "file"};

struct rows {
    const char *path;
    struct csv csv;
    char *cells[CELLS];
    int64_t line;
    struct table_damage *damage;              /* NULL: not counted */
    int count, place[COLUMNS], seen, correct; /* places of the last two: -1 where there are none */
};

/* false: the file says nothing yet. */
static bool rows_begin(struct rows *rows, const char *path, char *text, size_t bytes, struct table_damage *damage)
{
    *rows = (struct rows){.path = path, .csv = {text, text + bytes}, .line = 1, .damage = damage};
    if (!csv_row(&rows->csv, rows->cells, CELLS, &rows->count))
        return false;
    for (int i = 0; i < COLUMNS; i++)
        rows->place[i] = csv_column(rows->cells, rows->count, column_names[i]);
    rows->seen = csv_column(rows->cells, rows->count, "seen");
    rows->correct = csv_column(rows->cells, rows->count, "correct");
    return true;
}

static bool read_class(const char *cell, int *number)
{
    int64_t value;
    if (!text_to_int64(cell, &value) || value < 0 || value > UINT16_MAX)
        return false;
    *number = (int)value;
    return true;
}

static int64_t count_at(const struct rows *rows, int place)
{
    int64_t value = 0;
    if (place >= 0 && place < rows->count)
        text_to_int64(rows->cells[place], &value);
    return value;
}

struct entry {
    struct lost_image image; /* its texts point into the file's */
    int prediction;
};

/* false: it cannot be read. */
static bool take_row(const struct rows *rows, struct entry *entry)
{
    bool good = true;
    for (int i = 0; i < COLUMNS; i++)
        good = good && rows->place[i] >= 0 && rows->place[i] < rows->count;
    struct lost_image *image = &entry->image;
    *entry = (struct entry){0};
    good = good && text_to_int64(rows->cells[rows->place[SAMPLE]], &image->sample) && image->sample >= 0 &&
           read_class(rows->cells[rows->place[LABEL]], &image->label) &&
           read_class(rows->cells[rows->place[PREDICTION]], &entry->prediction);
    if (!good)
        return false;
    /* A loss that is no number is as lost as can be. */
    if (!text_to_double(rows->cells[rows->place[LOSS]], &image->loss))
        image->loss = INFINITY;
    image->name = rows->cells[rows->place[CLASS]];
    image->taken_for = rows->cells[rows->place[PREDICTED]];
    image->file = rows->cells[rows->place[FILE_NAME]];
    image->seen = (int)count_at(rows, rows->seen);
    image->correct = (int)count_at(rows, rows->correct);
    return true;
}

/* The next row that can be read; false where there is none. */
static bool rows_next(struct rows *rows, struct entry *entry)
{
    while (csv_row(&rows->csv, rows->cells, CELLS, &rows->count)) {
        rows->line++;
        if (take_row(rows, entry))
            return true;
        if (rows->damage && rows->damage->rows++ == 0)
            snprintf(rows->damage->first, sizeof rows->damage->first,
                     "%s:%lld: is no row of such a file; it was changed or damaged", rows->path, (long long)rows->line);
    }
    return false;
}

static void lose(struct lost_images *lost, const struct lost_image *image)
{
    int place = lost->count;
    while (place > 0 && lost->list[place - 1].loss < image->loss)
        place--;
    if (place == LOST_IMAGES)
        return;
    lost->count += lost->count < LOST_IMAGES;
    memmove(lost->list + place + 1, lost->list + place, (size_t)(lost->count - 1 - place) * sizeof *lost->list);
    lost->list[place] = *image;
}

/* The text that the list points into is about to go. */
static void keep_texts(struct lost_images *lost, struct arena *arena)
{
    for (int i = 0; i < lost->count; i++) {
        struct lost_image *image = &lost->list[i];
        image->name = arena_text(arena, image->name);
        image->taken_for = arena_text(arena, image->taken_for);
        image->file = arena_text(arena, image->file);
    }
}

/* How many classes a file speaks of. */
struct names {
    const char *of[CONFUSION_CLASSES];
    int count;
};

static void learn_name(struct names *names, struct arena *arena, int class, const char *name)
{
    if (class >= names->count)
        names->count = class + 1;
    if (class < CONFUSION_CLASSES && !names->of[class])
        names->of[class] = arena_text(arena, name);
}

static void read_names(struct rows rows, struct names *names, struct arena *arena)
{
    struct entry entry;
    while (rows_next(&rows, &entry)) {
        learn_name(names, arena, entry.image.label, entry.image.name);
        learn_name(names, arena, entry.prediction, entry.image.taken_for);
    }
}

static void make_confusion(struct confusion *confusion, const struct names *names, struct arena *arena)
{
    if (names->count == 0 || names->count > CONFUSION_CLASSES)
        return;
    const size_t count = (size_t)names->count;
    confusion->class_count = names->count;
    confusion->names = arena_push(arena, count * sizeof *confusion->names);
    confusion->counts = arena_push(arena, count * count * sizeof *confusion->counts);
    for (int i = 0; i < names->count; i++)
        confusion->names[i] = names->of[i] ? names->of[i] : arena_format(arena, "%d", i);
}

static void read_rows(struct rows *rows, struct confusion *confusion, struct lost_images *lost)
{
    struct entry entry;
    while (rows_next(rows, &entry)) {
        if (confusion && confusion->class_count > 0) {
            confusion->counts[entry.image.label * confusion->class_count + entry.prediction]++;
            confusion->images++;
        }
        if (entry.image.label != entry.prediction || rows->seen >= 0)
            lose(lost, &entry.image);
    }
}

/* The names are learnt from a copy: reading a row changes the text. */
static void learn_names(const char *path, const char *text, size_t bytes, struct confusion *confusion,
                        struct arena *arena)
{
    struct arena scratch = {0};
    char *copy = arena_push(&scratch, bytes + 1);
    struct names *names = arena_push(&scratch, sizeof *names);
    struct rows rows;
    memcpy(copy, text, bytes);
    if (rows_begin(&rows, path, copy, bytes, NULL))
        read_names(rows, names, arena);
    make_confusion(confusion, names, arena);
    arena_free(&scratch);
}

static int read_file(struct run_facts *facts, const char *name, struct confusion *confusion, struct lost_images *lost)
{
    char path[PATH_BYTES];
    void *text;
    size_t bytes;
    TRY(path_join(path, facts->path, name));
    if (!file_exists(path))
        return OK;
    TRY(file_read(path, (size_t)1 << 32, &text, &bytes));
    struct rows rows;
    struct table_damage damage = {0};
    if (confusion)
        learn_names(path, text, bytes, confusion, &facts->arena);
    if (rows_begin(&rows, path, text, bytes, &damage))
        read_rows(&rows, confusion, lost);
    keep_texts(lost, &facts->arena);
    memory_give(text);
    facts_note_damage(facts, &damage);
    return OK;
}

int facts_read_images(struct run_facts *facts)
{
    TRY(read_file(facts, "predictions.csv", &facts->confusion, &facts->lost_val));
    return read_file(facts, "samples.csv", NULL, &facts->lost_train);
}

static void take_classes(const json_t *event, void *context)
{
    struct run_facts *facts = context;
    const json_t *counts = json_object_get(event, "class_images");
    facts->class_count = (int)json_array_size(counts);
    facts->class_images = arena_push(&facts->arena, (json_array_size(counts) + 1) * sizeof *facts->class_images);
    for (size_t i = 0; i < json_array_size(counts); i++)
        facts->class_images[i] = json_number_value(json_array_get(counts, i));
}

/* A run without a log has a report all the same. */
void facts_read_classes(struct run_facts *facts)
{
    run_read_events(facts->path, (const char *const[]){"data", NULL}, take_classes, facts);
}
