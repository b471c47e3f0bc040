/* classes: the confusion matrix, accuracy class by class, and what is most often taken for what. Counts only what
 * predictions.csv says. */
#include "samples.h"
#include "sections.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TABLE_CLASSES = 20, DRAWN_CLASSES = 300, LISTED_CLASSES = 40 };

static int64_t count_at(const struct confusion *confusion, int label, int prediction)
{
    return confusion->counts[(int64_t)label * confusion->class_count + prediction];
}

static int64_t sum_of(const struct confusion *confusion, int label)
{
    int64_t sum = 0;
    for (int k = 0; k < confusion->class_count; k++)
        sum += count_at(confusion, label, k);
    return sum;
}

/* How strong a cell is coloured: so that single mistakes among many images are still seen. */
static double strength(int64_t count, int64_t of)
{
    return count > 0 ? fmax(0.08, sqrt((double)count / (double)of)) : 0.0;
}

/* ---- the matrix: as a table with figures, or as a picture where there are many classes ---- */

static void put_cell(FILE *page, const struct confusion *confusion, int label, int prediction, int64_t of)
{
    const int64_t count = count_at(confusion, label, prediction);
    const double colour = strength(count, of);
    fprintf(page, "<td class=\"%s\" title=\"", label == prediction ? "c-blue" : "c-orange");
    page_text(page, confusion->names[label]);
    fputs(" taken for ", page);
    page_text(page, confusion->names[prediction]);
    if (count > 0)
        fprintf(page, ": %lld of %lld\"><i style=\"--strength:%.2f\"></i><span>%lld</span></td>", (long long)count,
                (long long)of, colour, (long long)count);
    else
        fputs(": never\"></td>", page);
}

static void put_table(FILE *page, const struct confusion *confusion)
{
    fputs("<table class=\"matrix\"><thead><tr><th></th>", page);
    for (int k = 0; k < confusion->class_count; k++) {
        fputs("<th><span>", page);
        page_text(page, confusion->names[k]);
        fputs("</span></th>", page);
    }
    fputs("</tr></thead><tbody>\n", page);
    for (int i = 0; i < confusion->class_count; i++) {
        const int64_t of = sum_of(confusion, i);
        fputs("<tr><th>", page);
        page_text(page, confusion->names[i]);
        fputs("</th>", page);
        for (int k = 0; k < confusion->class_count; k++)
            put_cell(page, confusion, i, k, of);
        fputs("</tr>\n", page);
    }
    fputs("</tbody></table>\n", page);
}

/* A few steps of strength, a path for each. */
static void put_picture(FILE *page, const struct confusion *confusion)
{
    enum { LEVELS = 6 };
    const int n = confusion->class_count;
    fprintf(
        page,
        "<svg class=\"many\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"confusion matrix\"><rect class=\"back\" "
        "width=\"%d\" height=\"%d\"/>\n",
        n, n, n, n);
    for (int diagonal = 0; diagonal < 2; diagonal++)
        for (int level = 1; level <= LEVELS; level++) {
            fprintf(page, "<path class=\"%s\" style=\"opacity:%.2f\" d=\"", diagonal ? "c-blue" : "c-orange",
                    (double)level / LEVELS);
            for (int i = 0; i < n; i++) {
                const int64_t of = sum_of(confusion, i);
                for (int k = 0; k < n; k++)
                    if ((i == k) == diagonal && (int)ceil(strength(count_at(confusion, i, k), of) * LEVELS) == level)
                        fprintf(page, "M%d %dh1v1h-1z", k, i);
            }
            fputs("\"/>\n", page);
        }
    fputs("</svg>\n", page);
}

static void put_matrix(FILE *page, const struct confusion *confusion)
{
    const bool table = confusion->class_count <= TABLE_CLASSES;
    if (confusion->class_count > DRAWN_CLASSES)
        return;
    fprintf(page,
            "<figure class=\"chart\" id=\"confusion\"><figcaption><h3>Which classes are taken for which</h3><p>A row "
            "for each "
            "true class, a column for each answer%s. Blue: right. Orange: mistakes, stronger where more of the "
            "class's images are lost.</p></figcaption>\n",
            table ? ", in images" : ", in the order of the classes");
    if (table)
        put_table(page, confusion);
    else
        put_picture(page, confusion);
    fputs("</figure>\n", page);
}

/* ---- class by class ---- */

struct class_line {
    int class;
    int64_t images, correct;
    double accuracy;
    struct accuracy_range range;
    int taken_for; /* the most frequent mistake, -1: none */
};

static struct class_line line_of(const struct confusion *confusion, int class)
{
    struct class_line line = {.class = class, .images = sum_of(confusion, class), .taken_for = -1};
    line.correct = count_at(confusion, class, class);
    for (int k = 0; k < confusion->class_count; k++)
        if (k != class && count_at(confusion, class, k) > 0 &&
            (line.taken_for < 0 || count_at(confusion, class, k) > count_at(confusion, class, line.taken_for)))
            line.taken_for = k;
    line.accuracy = (double)line.correct / (double)line.images;
    line.range = accuracy_range(line.correct, line.images);
    return line;
}

static int compare_lines(const void *a, const void *b)
{
    const struct class_line *x = a, *y = b;
    const int by_accuracy = (x->accuracy > y->accuracy) - (x->accuracy < y->accuracy);
    return by_accuracy ? by_accuracy : (x->class > y->class) - (x->class < y->class);
}

static void put_line(FILE *page, const struct confusion *confusion, const struct class_line *line)
{
    fputs("<tr><th>", page);
    page_text(page, confusion->names[line->class]);
    fprintf(page,
            "</th><td class=\"bar\"><div><i class=\"c-blue\" style=\"width:%.1f%%\"></i><u "
            "style=\"left:%.1f%%;width:%.1f%%\"></u>"
            "</div></td><td class=\"n\">%.1f&#160;%%</td><td class=\"n soft of\">%lld of %lld</td><td class=\"soft\">",
            100.0 * line->accuracy, 100.0 * line->range.low, 100.0 * (line->range.high - line->range.low),
            100.0 * line->accuracy, (long long)line->correct, (long long)line->images);
    if (line->taken_for >= 0) {
        page_text(page, confusion->names[line->taken_for]);
        fprintf(page, " %lld", (long long)count_at(confusion, line->class, line->taken_for));
    }
    fputs("</td></tr>\n", page);
}

static void put_lines(FILE *page, const struct confusion *confusion)
{
    struct arena arena = {0};
    struct class_line *lines = arena_push(&arena, (size_t)confusion->class_count * sizeof *lines);
    int count = 0;
    for (int i = 0; i < confusion->class_count; i++)
        if (sum_of(confusion, i) > 0)
            lines[count++] = line_of(confusion, i);
    qsort(lines, (size_t)count, sizeof *lines, compare_lines);
    const int shown = count < LISTED_CLASSES ? count : LISTED_CLASSES;
    fputs("<figure class=\"chart\" id=\"classes\"><figcaption><h3>Accuracy of each class, the hardest first</h3><p>",
          page);
    if (shown < count)
        fprintf(page, "The hardest %d of %d. ", shown, count);
    fputs("Thin line: the range that so few images leave open (95&#160;%). Last column: what it is most often taken "
          "for.</p></figcaption><div class=\"scroll\"><table class=\"classes\"><tbody>\n",
          page);
    for (int i = 0; i < shown; i++)
        put_line(page, confusion, &lines[i]);
    fputs("</tbody></table></div></figure>\n", page);
    arena_free(&arena);
}

void page_classes(FILE *page, const struct run_facts *facts)
{
    const struct confusion *confusion = &facts->confusion;
    if (confusion->class_count == 0 || confusion->images == 0)
        return;
    fprintf(
        page,
        "<h2>Which classes it gets wrong</h2>\n<p class=\"lead\">%lld validation images, as the weights of the best "
        "epoch see them.</p>\n<div class=\"grid classes\">\n",
        (long long)confusion->images);
    put_matrix(page, confusion);
    put_lines(page, confusion);
    fputs("</div>\n", page);
}
