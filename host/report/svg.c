/* svg: a chart as an inline SVG. Curves lie in a picture of 1000 x 1000 that is stretched to whatever room there is;
 * everything with letters, and lines that must stay thin, is placed in per cent around it. So letters have the same
 * size on a telephone and on a wide screen. Must not know what a chart shows. */
#include "page.h"
#include "text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 1000, COLUMNS = 500, ENDS = 6, END_CHARACTERS = 12 };

struct drawing {
    FILE *page;
    const struct chart *chart;
    struct chart_frame frame;
    int height; /* pixels */
    struct arena arena;
};

/* 0 at the left, 1 at the right; 0 at the top, 1 at the bottom. */
static double across(const struct drawing *drawing, double x)
{
    return chart_place(drawing->chart->x.scale, drawing->frame.left, drawing->frame.right, x);
}

static double down(const struct drawing *drawing, double y)
{
    return 1.0 - chart_place(drawing->chart->y.scale, drawing->frame.bottom, drawing->frame.top, y);
}

/* A place in the picture; what lies far outside stays outside, in few digits. */
static int in_picture(double place)
{
    return (int)lround(SIDE * fmin(fmax(place, -1.0), 2.0));
}

/* Values that a logarithmic axis does not have lie below it. */
static int picture_y(const struct drawing *drawing, double y)
{
    double place = down(drawing, y);
    return isnan(place) ? 2 * SIDE : in_picture(place);
}

/* ---- marks ---- */

static void put_line(const struct drawing *drawing, const struct chart_series *series, const double *y, bool steps)
{
    bool drawing_on = false;
    for (int64_t i = 0; i < series->count; i++) {
        if (!isfinite(y[i]) || !isfinite(series->x[i])) {
            drawing_on = false;
            continue;
        }
        const int x = in_picture(across(drawing, series->x[i])), level = picture_y(drawing, y[i]);
        if (steps && drawing_on)
            fprintf(drawing->page, "H%dV%d", x, level);
        else
            fprintf(drawing->page, "%s%d %d", drawing_on ? "L" : "M", x, level);
        drawing_on = true;
    }
}

/* Each stretch without a gap is closed by the way back along low. */
static void put_area(const struct drawing *drawing, const struct chart_series *series)
{
    for (int64_t i = 0; i < series->count;) {
        if (!isfinite(series->y[i]) || !isfinite(series->low[i])) {
            i++;
            continue;
        }
        int64_t end = i;
        for (; end < series->count && isfinite(series->y[end]) && isfinite(series->low[end]); end++)
            fprintf(drawing->page, "%s%d %d", end == i ? "M" : "L", in_picture(across(drawing, series->x[end])),
                    picture_y(drawing, series->y[end]));
        for (int64_t k = end - 1; k >= i; k--)
            fprintf(drawing->page, "L%d %d", in_picture(across(drawing, series->x[k])),
                    picture_y(drawing, series->low[k]));
        fputs("Z", drawing->page);
        i = end;
    }
}

static void put_bars(const struct drawing *drawing, const struct chart_series *series)
{
    const int half = (int)fmax(1.0, 0.35 * SIDE / (double)(series->count > 0 ? series->count : 1));
    for (int64_t i = 0; i < series->count; i++)
        if (isfinite(series->y[i])) {
            const int x = in_picture(across(drawing, series->x[i]));
            fprintf(drawing->page, "M%d %dV%dh%dV%dZ", x - half, picture_y(drawing, fmax(0.0, drawing->frame.bottom)),
                    picture_y(drawing, series->y[i]), 2 * half, picture_y(drawing, fmax(0.0, drawing->frame.bottom)));
        }
}

static void put_whiskers(const struct drawing *drawing, const struct chart_series *series)
{
    for (int64_t i = 0; i < series->count; i++)
        if (isfinite(series->low[i]) && isfinite(series->high[i]))
            fprintf(drawing->page, "M%d %dV%d", in_picture(across(drawing, series->x[i])),
                    picture_y(drawing, series->low[i]), picture_y(drawing, series->high[i]));
}

/* Lines without length, whose round ends keep their shape when the picture is stretched. */
static void put_dots(const struct drawing *drawing, const struct chart_series *series)
{
    for (int64_t i = 0; i < series->count; i++)
        if (isfinite(series->y[i]) && isfinite(series->x[i]))
            fprintf(drawing->page, "M%d %dh0", in_picture(across(drawing, series->x[i])),
                    picture_y(drawing, series->y[i]));
}

static void open_path(const struct drawing *drawing, const char *kind, const struct chart_series *series)
{
    fprintf(drawing->page, "<path class=\"%s %s\" d=\"", kind, page_colour(series->colour));
}

static void close_path(const struct drawing *drawing)
{
    fputs("\"/>\n", drawing->page);
}

static void put_joined_dots(const struct drawing *drawing, const struct chart_series *series)
{
    enum { MANY = 60 }; /* more dots than these are a line */
    open_path(drawing, series->count > MANY ? "line" : "join", series);
    put_line(drawing, series, series->y, false);
    close_path(drawing);
    if (series->count > MANY)
        return;
    open_path(drawing, "dots", series);
    put_dots(drawing, series);
    close_path(drawing);
}

static void put_series(struct drawing *drawing, const struct chart_series *whole)
{
    struct chart_series series;
    chart_thin(whole, drawing->chart->x.scale, drawing->frame.left, drawing->frame.right, COLUMNS, &drawing->arena,
               &series);
    switch (series.mark) {
    case CHART_RAW:
    case CHART_LINE:
        open_path(drawing, series.mark == CHART_RAW ? "raw" : "line", &series);
        put_line(drawing, &series, series.y, false);
        close_path(drawing);
        break;
    case CHART_STEP:
        open_path(drawing, "line", &series);
        put_line(drawing, &series, series.y, true);
        close_path(drawing);
        break;
    case CHART_BAND:
    case CHART_AREA:
        open_path(drawing, series.mark == CHART_BAND ? "band" : "area", &series);
        put_area(drawing, &series);
        close_path(drawing);
        break;
    case CHART_BARS:
        open_path(drawing, "area", &series);
        put_bars(drawing, &series);
        close_path(drawing);
        break;
    case CHART_SPREAD:
        open_path(drawing, "whisker", &series);
        put_whiskers(drawing, &series);
        close_path(drawing);
        put_joined_dots(drawing, &series);
        break;
    case CHART_DOTS: put_joined_dots(drawing, &series); break;
    }
}

/* ---- around the picture ---- */

static void put_axes(const struct drawing *drawing)
{
    struct chart_ticks ticks;
    const struct chart *chart = drawing->chart;
    chart_ticks_of(&chart->y, drawing->frame.bottom, drawing->frame.top, drawing->height > 160 ? 5 : 3, &ticks);
    for (int i = 0; i < ticks.count; i++) {
        const double place = 100.0 * down(drawing, ticks.at[i]);
        fprintf(
            drawing->page,
            "<line class=\"grid\" x2=\"100%%\" y1=\"%.2f%%\" y2=\"%.2f%%\"/><text class=\"tick\" x=\"-7\" y=\"%.2f%%\" "
            "dy=\"4\" text-anchor=\"end\">",
            place, place, place);
        page_text(drawing->page, ticks.text[i]);
        fputs("</text>\n", drawing->page);
    }
    chart_ticks_of(&chart->x, drawing->frame.left, drawing->frame.right, 5, &ticks);
    for (int i = 0; i < ticks.count; i++) {
        const double place = 100.0 * across(drawing, ticks.at[i]);
        fprintf(
            drawing->page,
            "<svg class=\"at\" x=\"%.2f%%\" y=\"100%%\"><line class=\"axis\" y2=\"4\"/><text class=\"tick\" y=\"17\" "
            "text-anchor=\"middle\">",
            place);
        page_text(drawing->page, ticks.text[i]);
        fputs("</text></svg>\n", drawing->page);
    }
    fputs("<line class=\"axis\" x2=\"100%\" y1=\"100%\" y2=\"100%\"/>\n<text class=\"name\" x=\"-44\" y=\"-11\">",
          drawing->page);
    page_text(drawing->page, chart->y.title);
    fputs("</text>\n<svg class=\"at\" x=\"100%\" y=\"100%\"><text class=\"name\" y=\"33\" text-anchor=\"end\">",
          drawing->page);
    page_text(drawing->page, chart->x.title);
    fputs("</text></svg>\n", drawing->page);
}

static void put_regions(const struct drawing *drawing)
{
    for (int i = 0; i < drawing->chart->region_count; i++) {
        const struct chart_region *region = &drawing->chart->regions[i];
        const double from = fmin(fmax(across(drawing, region->from), 0.0), 1.0);
        const double to = fmin(fmax(across(drawing, region->to), 0.0), 1.0);
        fprintf(
            drawing->page,
            "<rect class=\"region\" x=\"%.2f%%\" width=\"%.2f%%\" height=\"100%%\"/><text class=\"note\" x=\"%.2f%%\" "
            "y=\"13\" text-anchor=\"middle\">",
            100.0 * from, 100.0 * (to - from), 50.0 * (from + to));
        page_text(drawing->page, region->text);
        fputs("</text>\n", drawing->page);
    }
}

/* Events in order of x; the text of one that lies close behind another's is left to the pointer. */
static void put_events(const struct drawing *drawing)
{
    const double room = 0.2;
    double free_from = -1.0;
    for (int i = 0; i < drawing->chart->event_count; i++) {
        const struct chart_line *event = &drawing->chart->events[i];
        const double place = across(drawing, event->at);
        if (!(place >= 0.0 && place <= 1.0))
            continue;
        fprintf(drawing->page, "<g class=\"%s\"><line class=\"event\" x1=\"%.2f%%\" x2=\"%.2f%%\" y2=\"100%%\"><title>",
                page_colour(event->colour), 100.0 * place, 100.0 * place);
        page_text(drawing->page, event->text);
        fputs("</title></line>", drawing->page);
        if (place >= free_from && *event->text) {
            const char *anchor = place < 0.2 ? "start" : place > 0.8 ? "end" : "middle";
            fprintf(drawing->page, "<text class=\"flag\" x=\"%.2f%%\" y=\"-4\" text-anchor=\"%s\">", 100.0 * place,
                    anchor);
            page_text(drawing->page, event->text);
            fputs("</text>", drawing->page);
            free_from = place + room;
        }
        fputs("</g>\n", drawing->page);
    }
}

static void put_limits(const struct drawing *drawing)
{
    for (int i = 0; i < drawing->chart->limit_count; i++) {
        const struct chart_line *limit = &drawing->chart->limits[i];
        const double place = 100.0 * down(drawing, limit->at);
        if (!(place >= 0.0 && place <= 100.0))
            continue;
        fprintf(drawing->page,
                "<g class=\"%s\"><line class=\"limit\" x2=\"100%%\" y1=\"%.2f%%\" y2=\"%.2f%%\"/><text class=\"flag\" "
                "x=\"100%%\" y=\"%.2f%%\" dy=\"-4\" text-anchor=\"end\">",
                page_colour(limit->colour), place, place, place);
        page_text(drawing->page, limit->text);
        fputs("</text></g>\n", drawing->page);
    }
}

/* Raw values that the frame leaves out are counted. */
static void put_outside(const struct drawing *drawing)
{
    int64_t above = 0;
    double highest = drawing->frame.top;
    for (int i = 0; i < drawing->chart->series_count; i++) {
        const struct chart_series *series = &drawing->chart->series[i];
        for (int64_t k = 0; series->mark == CHART_RAW && k < series->count; k++)
            if (series->y[k] > drawing->frame.top && series->x[k] >= drawing->frame.left &&
                series->x[k] <= drawing->frame.right) {
                above++;
                highest = fmax(highest, series->y[k]);
            }
    }
    if (above > 0)
        fprintf(drawing->page,
                "<text class=\"note\" x=\"100%%\" dx=\"-4\" y=\"13\" text-anchor=\"end\">&#8593; %lld above, up to "
                "%.3g</text>\n",
                (long long)above, highest);
}

/* ---- names ---- */

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
        double place = down(drawing, series->y[i]);
        if (series->mark == CHART_AREA) {
            place = 0.5 * (place + down(drawing, series->low[i]));
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

/* Whether the names fit beside the ends of their lines: few and short. */
static bool names_fit(const struct chart *chart)
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
    else
        fprintf(page, fabs(value) >= 1000.0 ? "%.0f" : "%.3g", value);
}

static void put_ends(const struct drawing *drawing)
{
    struct end_label labels[ENDS];
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

static void put_legend(FILE *page, const struct chart *chart, bool ends)
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
                series->mark == CHART_RAW ? " pale" : "");
        page_text(page, series->name);
        fputs("</li>", page);
    }
    fputs("</ul>\n", page);
}

static void put_plot(struct drawing *drawing, bool ends)
{
    fprintf(drawing->page, "<div class=\"plot%s\"><svg class=\"ground\" role=\"img\" height=\"%d\" aria-label=\"",
            ends ? " ends" : "", drawing->height);
    page_text(drawing->page, drawing->chart->title);
    fputs("\">\n", drawing->page);
    put_regions(drawing);
    put_axes(drawing);
    fprintf(
        drawing->page,
        "<svg class=\"data\" width=\"100%%\" height=\"100%%\" viewBox=\"0 0 %d %d\" preserveAspectRatio=\"none\">\n",
        SIDE, SIDE);
    for (int mark = CHART_RAW; mark <= CHART_SPREAD; mark++)
        for (int i = 0; i < drawing->chart->series_count; i++)
            if ((int)drawing->chart->series[i].mark == mark)
                put_series(drawing, &drawing->chart->series[i]);
    fputs("</svg>\n", drawing->page);
    put_limits(drawing);
    put_events(drawing);
    put_outside(drawing);
    if (ends)
        put_ends(drawing);
    fputs("</svg></div>\n", drawing->page);
}

void page_figure(FILE *page, const struct chart *chart, enum figure_size size)
{
    struct drawing drawing = {.page = page, .chart = chart, .height = size == FIGURE_SMALL ? 130 : 220};
    if (!chart_frame_of(chart, &drawing.frame))
        return;
    const bool ends = names_fit(chart);
    fprintf(page, "<figure class=\"chart%s\" id=\"", size == FIGURE_SMALL ? " small" : "");
    page_text(page, chart->id);
    fputs("\"><figcaption><h3>", page);
    page_text(page, chart->title);
    fputs("</h3><p>", page);
    page_text(page, chart->how);
    fputs("</p></figcaption>\n", page);
    put_legend(page, chart, ends);
    put_plot(&drawing, ends);
    fputs("</figure>\n", page);
    arena_free(&drawing.arena);
}
