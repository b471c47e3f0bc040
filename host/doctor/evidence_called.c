/* evidence_called: what a run's best and last weights call the validation images of each class, from predictions.csv
 * and predictions-last.csv. Must not judge. */
#include "csv.h"
#include "dealt.h"
#include "doctor.h"
#include "file.h"
#include "floor.h"
#include "one_way.h"
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
    struct floor_bins sure;
    struct dealt_answer *answers; /* those of known confidence */
    size_t answer_count;
};

static bool read_class(const char *cell, int classes, int *number)
{
    int64_t value;
    if (!text_to_int64(cell, &value) || value < 0 || value >= classes)
        return false;
    *number = (int)value;
    return true;
}

static size_t count_lines(const char *text, size_t bytes)
{
    size_t lines = 1;
    for (size_t i = 0; i < bytes; i++)
        lines += text[i] == '\n';
    return lines;
}

/* false: it does not say. */
static bool count(struct called *called, char *text, size_t bytes, struct arena *arena)
{
    struct csv csv = {text, text + bytes};
    char *cells[CELLS];
    int width, label, prediction;
    if (!csv_row(&csv, cells, CELLS, &width))
        return false;
    const int of = csv_column(cells, width, "label"), name = csv_column(cells, width, "class"),
              as = csv_column(cells, width, "prediction"), sure = csv_column(cells, width, "confidence");
    double confidence;
    if (of < 0 || name < 0 || as < 0)
        return false;
    called->answers = arena_push(arena, count_lines(text, bytes) * sizeof *called->answers);
    while (csv_row(&csv, cells, CELLS, &width)) {
        if (of >= width || name >= width || as >= width || !read_class(cells[of], called->classes, &label) ||
            !read_class(cells[as], called->classes, &prediction))
            return false;
        called->names[label] = cells[name];
        called->counts[label * called->classes + prediction]++;
        /* Runs made before did not tell. */
        if (sure >= 0 && sure < width && text_to_double(cells[sure], &confidence)) {
            floor_add(&called->sure, confidence, prediction != label);
            called->answers[called->answer_count++] = (struct dealt_answer){label, prediction, confidence};
        }
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
            evidence->lost_images += (int64_t)images[c];
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

/* Of answers dealt out blindly, each class as often as it is answered, in all orders: mean and variance of the right
 * ones, sums of hypergeometric counts that lean on each other. Nobody who has learned nothing has fewer than their
 * mean: not 1 of all classes, which he who always names a rare one has not. */
static void deal_blindly(const struct called *called, struct arena *arena, struct called_evidence *evidence)
{
    double *of = arena_push(arena, (size_t)called->classes * sizeof *of);
    double *as = arena_push(arena, (size_t)called->classes * sizeof *as);
    double images = 0.0, products = 0.0, variance = 0.0;
    for (int label = 0; label < called->classes; label++)
        for (int answer = 0; answer < called->classes; answer++) {
            const int32_t count = called->counts[(size_t)label * called->classes + answer];
            of[label] += count;
            as[answer] += count;
            images += count;
            evidence->right += label == answer ? count : 0;
        }
    for (int c = 0; c < called->classes; c++) {
        const double product = of[c] * as[c];
        products += product;
        variance += product * ((images - of[c]) * (images - as[c]) - product);
    }
    evidence->images = (int64_t)images;
    evidence->blind = products / images;
    evidence->blind_error = sqrt(fmax(variance + products * products, 0.0) / (images * images * (images - 1.0)));
}

static void find_pair(const struct called *called, const double *images, struct called_pair *pair)
{
    double most = 0.0;
    for (int a = 0; a < called->classes; a++)
        for (int b = 0; b < a; b++) {
            const int32_t *of_a = called->counts + (size_t)a * called->classes,
                          *of_b = called->counts + (size_t)b * called->classes;
            const double share = (of_a[b] + of_b[a]) / (images[a] + images[b]);
            if (!(share > most))
                continue;
            most = share;
            *pair = (struct called_pair){.images = (int64_t)(images[a] + images[b]),
                                         .either = of_a[a] + of_a[b] + of_b[a] + of_b[b],
                                         .right = of_a[a] + of_b[b],
                                         .less = of_a[b] < of_b[a] ? of_a[b] : of_b[a]};
            text_copy(pair->a, sizeof pair->a, called->names[b] ? called->names[b] : "");
            text_copy(pair->b, sizeof pair->b, called->names[a] ? called->names[a] : "");
        }
}

/* Fails only for lack of memory: then it is not known. */
static void find_one_way(const struct called *called, const double *images, struct called_evidence *evidence)
{
    struct one_way found;
    if (one_way_find(&found, called->counts, called->classes) < 0 || !(found.z > 0.0))
        return;
    evidence->one_way = found.z;
    evidence->most_so = (struct called_class){.images = (int64_t)images[found.of], .wrong = found.there};
    evidence->back = found.back;
    text_copy(evidence->most_so.name, LAYER_BYTES, called->names[found.of] ? called->names[found.of] : "");
    text_copy(evidence->most_so.as, LAYER_BYTES, called->names[found.as] ? called->names[found.as] : "");
}

static void judge(struct called *called, struct arena *arena, struct called_evidence *evidence)
{
    double *images = arena_push(arena, (size_t)called->classes * sizeof *images);
    for (int c = 0; c < called->classes; c++)
        called->as[c] = find_lost(called, c, &images[c]);
    describe(called, images, evidence);
    evidence->targets = count_targets(called);
    find_pair(called, images, &evidence->pair);
    find_one_way(called, images, evidence);
    deal_blindly(called, arena, evidence);
    struct error_floor floor;
    floor_fit(&floor, &called->sure);
    evidence->floor = floor.share;
    evidence->floor_z = floor.z;
    evidence->surest_wrong = floor.surest;
    evidence->as_usual =
        dealt_as_usual(called->answers, called->answer_count, called->classes, arena, &evidence->sure_mistakes);
}

static void read_called(int class_count, const char *run, const char *name, struct called_evidence *evidence)
{
    char path[PATH_BYTES];
    void *text;
    size_t bytes;
    struct arena arena = {0};
    const size_t classes = (size_t)class_count;
    if (classes > CLASSES_MOST || path_join(path, run, name) < 0 || !file_exists(path) ||
        file_read(path, (size_t)1 << 32, &text, &bytes) < 0)
        return;
    struct called called = {.classes = class_count,
                            .counts = arena_push(&arena, classes * classes * sizeof *called.counts),
                            .names = arena_push(&arena, classes * sizeof *called.names),
                            .as = arena_push(&arena, classes * sizeof *called.as)};
    if (count(&called, text, bytes, &arena))
        judge(&called, &arena, evidence);
    memory_give(text);
    arena_free(&arena);
}

void doctor_called(struct evidence *evidence, const char *run)
{
    const int64_t last = evidence->epochs - 1;
    int64_t best = last;
    while (best >= 0 && evidence->best[best] != 1.0)
        best--;
    struct called_evidence *called = evidence->called;
    called[CALLED_BEST] = (struct called_evidence){.epoch = best};
    called[CALLED_LAST] = (struct called_evidence){.epoch = last};
    if (best >= 0)
        read_called(evidence->classes, run, "predictions.csv", &called[CALLED_BEST]);
    if (last > best)
        read_called(evidence->classes, run, "predictions-last.csv", &called[CALLED_LAST]);
}
