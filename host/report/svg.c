/* svg: a chart as an inline SVG. Curves lie in a picture that is stretched to whatever room there is (svg_marks.c);
 * everything with letters, and lines that must stay thin, is placed in per cent around it. So letters have the same
 * size on a telephone and on a wide screen. Must not know what a chart shows. */
#include "svg.h"

#include <math.h>

/* 0 at the left, 1 at the right; 0 at the top, 1 at the bottom. */
double svg_across(const struct drawing *drawing, double x)
{
    return chart_place(drawing->chart->x.scale, drawing->frame.left, drawing->frame.right, x);
}

double svg_down(const struct drawing *drawing, double y)
{
    return 1.0 - chart_place(drawing->chart->y.scale, drawing->frame.bottom, drawing->frame.top, y);
}

/* Texts of events stand on top of the plot; the axis' name then stands above them, as either may be anywhere. */
static bool is_flagged(const struct chart *chart)
{
    return chart->event_count > 0 && *chart->y.title;
}

static void put_axes(const struct drawing *drawing)
{
    enum { MANY = 7 }; /* that a narrow chart has no room for */
    struct chart_ticks ticks;
    const struct chart *chart = drawing->chart;
    chart_ticks_of(&chart->y, drawing->frame.bottom, drawing->frame.top, drawing->height > 160 ? 5 : 3, &ticks);
    for (int i = 0; i < ticks.count; i++) {
        const double place = 100.0 * svg_down(drawing, ticks.at[i]);
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
        const double place = 100.0 * svg_across(drawing, ticks.at[i]);
        fprintf(
            drawing->page,
            "<svg class=\"at\" x=\"%.2f%%\" y=\"100%%\"><line class=\"axis\" y2=\"4\"/><text class=\"tick%s\" y=\"17\" "
            "text-anchor=\"middle\">",
            place, ticks.count > MANY && i % 2 ? " second" : "");
        page_text(drawing->page, ticks.text[i]);
        fputs("</text></svg>\n", drawing->page);
    }
    fprintf(drawing->page,
            "<line class=\"axis\" x2=\"100%%\" y1=\"100%%\" y2=\"100%%\"/>\n<text class=\"name\" x=\"-44\" y=\"%d\">",
            is_flagged(chart) ? -25 : -11);
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
        const double from = fmin(fmax(svg_across(drawing, region->from), 0.0), 1.0);
        const double to = fmin(fmax(svg_across(drawing, region->to), 0.0), 1.0);
        fprintf(drawing->page, "<rect class=\"region %s\" x=\"%.2f%%\" width=\"%.2f%%\" height=\"100%%\"/>\n",
                page_colour(region->colour), 100.0 * from, 100.0 * (to - from));
    }
}

/* Below the axis, where no curve is: one fits beside the axis' own name. */
static void put_region_names(const struct drawing *drawing)
{
    for (int i = 0; i < drawing->chart->region_count; i++) {
        fputs("<svg class=\"at\" x=\"0\" y=\"100%\"><text class=\"there\" y=\"33\">", drawing->page);
        page_text(drawing->page, drawing->chart->regions[i].text);
        fputs("</text></svg>\n", drawing->page);
    }
}

/* Events in order of x; the text of one that lies close behind another's is left to the pointer. */
static void put_events(const struct drawing *drawing)
{
    const double room = 0.2;
    double free_from = -1.0;
    for (int i = 0; i < drawing->chart->event_count; i++) {
        const struct chart_line *event = &drawing->chart->events[i];
        const double place = svg_across(drawing, event->at);
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
        const double place = 100.0 * svg_down(drawing, limit->at);
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

/* Single values that the frame leaves out are counted. */
static void put_outside(const struct drawing *drawing)
{
    int64_t above = 0;
    double highest = drawing->frame.top;
    for (int i = 0; i < drawing->chart->series_count; i++) {
        const struct chart_series *series = &drawing->chart->series[i];
        const bool single = series->mark == CHART_RAW || series->mark == CHART_DOTS;
        for (int64_t k = 0; single && k < series->count; k++)
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

static void put_plot(struct drawing *drawing, bool ends)
{
    fprintf(drawing->page, "<div class=\"plot%s%s\"><svg class=\"ground\" role=\"img\" height=\"%d\" aria-label=\"",
            ends ? " ends" : "", is_flagged(drawing->chart) ? " flagged" : "", drawing->height);
    page_text(drawing->page, drawing->chart->title);
    fputs("\">\n", drawing->page);
    put_regions(drawing);
    put_axes(drawing);
    svg_data(drawing);
    put_region_names(drawing);
    put_limits(drawing);
    put_events(drawing);
    put_outside(drawing);
    if (ends)
        svg_ends(drawing);
    fputs("</svg></div>\n", drawing->page);
}

void page_figure(FILE *page, const struct chart *chart, enum figure_size size)
{
    struct drawing drawing = {.page = page, .chart = chart, .height = size == FIGURE_SMALL ? 130 : 220};
    if (!chart_frame_of(chart, &drawing.frame))
        return;
    const bool ends = svg_names_fit(chart);
    fprintf(page, "<figure class=\"chart%s\" id=\"", size == FIGURE_SMALL ? " small" : "");
    page_text(page, chart->id);
    fputs("\"><figcaption><h3>", page);
    page_text(page, chart->title);
    fputs("</h3><p>", page);
    page_text(page, chart->how);
    fputs("</p></figcaption>\n", page);
    svg_legend(page, chart, ends);
    put_plot(&drawing, ends);
    fputs("</figure>\n", page);
    arena_free(&drawing.arena);
}
