/* evidence_called: what a run's best weights call the validation images of each class, from its predictions.csv. Must
 * not judge. */
#include "csv.h"
#include "doctor.h"
#include "file.h"
#include "text.h"

#include <math.h>
#include <string.h>

/* Standard errors. */
#define SURE 3.0
enum { CELLS = 8, CLASSES_MOST = 1024, NOT_LOST = -1 };

struct called {
    int classes;
    int32_t *counts;    /* [classes][classes]: images of the one called the other */
    const char **names; /* [classes]; they point into the text */
    int *as;            /* [classes]: what a lost class is called, or NOT_LOST */
};

static bool read_class(const char *cell, int classes, int *number)
{
    int64_t value;
    if (!text_to_int64(cell, &value) || value < 0 || value >= classes)
        return false;
    *number = (int)value;
    return true;
}

/* false: it does not say. */
static bool count(struct called *called, char *text, size_t bytes)
{
    struct csv csv = {text, text + bytes};
    char *cells[CELLS];
    int width, label, prediction;
    if (!csv_row(&csv, cells, CELLS, &width))
        return false;
    const int of = csv_column(cells, width, "label"), name = csv_column(cells, width, "class"),
              as = csv_column(cells, width, "prediction");
    if (of < 0 || name < 0 || as < 0)
        return false;
    while (csv_row(&csv, cells, CELLS, &width)) {
        if (of >= width || name >= width || as >= width || !read_class(cells[of], called->classes, &label) ||
            !read_class(cells[as], called->classes, &prediction))
            return false;
        called->names[label] = cells[name];
        called->counts[label * called->classes + prediction]++;
    }
    return true;
}

/* A class is lost that is recognised no more often than by chance, one of all classes, and called one other more often
 * than what it is, beyond the standard errors of the two counts. Returns what it is called. */
static int find_lost(const struct called *called, int class, double *images)
{
    const int32_t *row = called->counts + (size_t) class * called->classes;
    int as = 0;
    *images = 0.0;
    for (int c = 0; c < called->classes; c++) {
        *images += row[c];
        as = row[c] > row[as] ? c : as;
    }
    const double chance = 1.0 / called->classes, right = row[class], wrong = row[as];
    const bool by_chance = right - *images * chance < 2.0 * sqrt(*images * chance * (1.0 - chance));
    return as != class && by_chance && wrong - right > SURE * sqrt(wrong + right) ? as : NOT_LOST;
}

/* Whether a lost class comes back to itself by what it is called: A is called B and B is called A. */
static bool is_in_ring(const struct called *called, int class)
{
    int at = called->as[class];
    for (int steps = 0; steps < called->classes && at != NOT_LOST && at != class; steps++)
        at = called->as[at];
    return at == class;
}

/* Those of a ring first: they are the plainest. */
static void describe(const struct called *called, const double *images, struct called_evidence *evidence)
{
    for (int ring = 1; ring >= 0; ring--)
        for (int c = 0; c < called->classes; c++) {
            if (called->as[c] == NOT_LOST || is_in_ring(called, c) != (ring == 1))
                continue;
            if (evidence->lost < CALLED_SHOWN) {
                struct called_class *shown = &evidence->shown[evidence->lost];
                const char *as = called->names[called->as[c]];
                text_copy(shown->name, sizeof shown->name, called->names[c]);
                text_copy(shown->as, sizeof shown->as, as ? as : "a class that validation lacks");
                shown->images = (int64_t)images[c];
                shown->wrong = called->counts[(size_t)c * called->classes + called->as[c]];
            }
            evidence->lost++;
            evidence->in_ring += ring;
        }
}

static int count_targets(const struct called *called)
{
    int targets = 0;
    for (int c = 0; c < called->classes; c++) {
        bool is_target = false;
        for (int from = 0; from < called->classes && !is_target; from++)
            is_target = called->as[from] == c;
        targets += is_target;
    }
    return targets;
}

static void judge(struct called *called, struct arena *arena, struct called_evidence *evidence)
{
    double *images = arena_push(arena, (size_t)called->classes * sizeof *images);
    for (int c = 0; c < called->classes; c++)
        called->as[c] = find_lost(called, c, &images[c]);
    describe(called, images, evidence);
    evidence->targets = count_targets(called);
}

void doctor_called(struct evidence *evidence, const char *run)
{
    char path[PATH_BYTES];
    void *text;
    size_t bytes;
    struct arena arena = {0};
    const size_t classes = (size_t)evidence->classes;
    evidence->called = (struct called_evidence){0};
    if (classes > CLASSES_MOST || path_join(path, run, "predictions.csv") < 0 || !file_exists(path) ||
        file_read(path, (size_t)1 << 32, &text, &bytes) < 0)
        return;
    struct called called = {.classes = evidence->classes,
                            .counts = arena_push(&arena, classes * classes * sizeof *called.counts),
                            .names = arena_push(&arena, classes * sizeof *called.names),
                            .as = arena_push(&arena, classes * sizeof *called.as)};
    if (count(&called, text, bytes))
        judge(&called, &arena, &evidence->called);
    memory_give(text);
    arena_free(&arena);
}
