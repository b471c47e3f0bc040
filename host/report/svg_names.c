/* svg_names: the names of a chart's series: beside the ends of their lines, or in a legend. See svg.h. */
#include "svg.h"
#include "text.h"

#include <math.h>
#include <stdlib.h>

enum { ENDS = 6, END_CHARACTERS = 12 };

struct end_label {
    const struct chart_series *series;
    double value, y; /* y: pixels from the top */
};

static bool is_named_at_its_end(const struct chart_series *series)
{
    return *series->name && series->mark != CHART_RAW && series->mark != CHART_BAND;
}

/* Where the series ends; false where that is nowhere. */
static bool end_of(const struct drawing *drawing, const struct chart_series *series, struct end_label *label)
{
    for (int64_t i = series->count - 1; i >= 0; i--) {
        if (!isfinite(series->y[i]))
            continue;
        double place = svg_down(drawing, series->y[i]);
        if (series->mark == CHART_AREA) {
            place = 0.5 * (place + svg_down(drawing, series->low[i]));
            label->value = series->y[i] - series->low[i];
        } else {
            label->value = series->y[i];
        }
        label->series = series;
        label->y = fmin(fmax(isnan(place) ? 1.0 : place, 0.0), 1.0) * drawing->height;
        return true;
    }
    return false;
}

static int compare_labels(const void *a, const void *b)
{
    const struct end_label *x = a, *y = b;
    return (x->y > y->y) - (x->y < y->y);
}

/* Pushes labels apart, and back up where that took them below the picture. */
static void spread_labels(struct end_label *labels, int count, double height)
{
    const double apart = 30.0;
    qsort(labels, (size_t)count, sizeof *labels, compare_labels);
    for (int i = 1; i < count; i++)
        labels[i].y = fmax(labels[i].y, labels[i - 1].y + apart);
    double lowest = height - 6.0;
    for (int i = count - 1; i >= 0; i--, lowest -= apart)
        labels[i].y = fmin(labels[i].y, lowest);
}

bool svg_names_fit(const struct chart *chart)
{
    int count = 0;
    for (int i = 0; i < chart->series_count; i++) {
        count += is_named_at_its_end(&chart->series[i]);
        if (is_named_at_its_end(&chart->series[i]) && text_columns(chart->series[i].name) > END_CHARACTERS)
            return false;
    }
    return count > 0 && count <= ENDS;
}

static void put_value(FILE *page, const struct chart_axis *axis, double value)
{
    if (axis->percent)
        fprintf(page, "%.*f %%", fabs(value) < 0.9995 && fabs(value) > 0.0 ? 1 : 0, 100.0 * value);
    else if (fabs(value) >= 1e4 && fabs(value) < 1e6) /* as the axis has it */
        fprintf(page, "%.3g k", value / 1000.0);
    else
        fprintf(page, fabs(value) >= 1000.0 && fabs(value) < 1e6 ? "%.0f" : "%.3g", value);
}

void svg_ends(const struct drawing *drawing)
{
    struct end_label labels[ENDS] = {0};
    int count = 0;
    for (int i = 0; i < drawing->chart->series_count; i++)
        if (is_named_at_its_end(&drawing->chart->series[i]))
            count += end_of(drawing, &drawing->chart->series[i], &labels[count]);
    spread_labels(labels, count, drawing->height);
    for (int i = 0; i < count; i++) {
        fprintf(drawing->page, "<svg class=\"at end %s\" x=\"100%%\" y=\"%.0f\"><text x=\"8\">",
                page_colour(labels[i].series->colour), labels[i].y);
        page_text(drawing->page, labels[i].series->name);
        fputs("</text><text x=\"8\" y=\"14\">", drawing->page);
        put_value(drawing->page, &drawing->chart->y, labels[i].value);
        fputs("</text></svg>\n", drawing->page);
    }
}

void svg_legend(FILE *page, const struct chart *chart, bool ends)
{
    int named = 0;
    for (int i = 0; i < chart->series_count; i++)
        named += *chart->series[i].name != 0;
    if (named == 0)
        return;
    fprintf(page, "<ul class=\"legend%s\">", ends ? " narrow" : "");
    for (int i = 0; i < chart->series_count; i++) {
        const struct chart_series *series = &chart->series[i];
        if (!*series->name)
            continue;
        fprintf(page, "<li class=\"%s%s\"><i></i>", page_colour(series->colour),
                series->mark == CHART_RAW ? " pale"
                : series->dashed          ? " dashed"
                                          : "");
        page_text(page, series->name);
        fputs("</li>", page);
    }
    fputs("</ul>\n", page);
}
