/* svg_marks: the series of a chart as paths, in a picture of 1000 x 1000 that is stretched to whatever room there is.
 * See svg.h. */
#include "svg.h"

#include <math.h>

enum { SIDE = 1000, COLUMNS = 500 };

/* A place in the picture; what lies far outside stays outside, in few digits. */
static int in_picture(double place)
{
    return (int)lround(SIDE * fmin(fmax(place, -1.0), 2.0));
}

/* Values that a logarithmic axis does not have lie below it. */
static int picture_y(const struct drawing *drawing, double y)
{
    double place = svg_down(drawing, y);
    return isnan(place) ? 2 * SIDE : in_picture(place);
}

static void put_line(const struct drawing *drawing, const struct chart_series *series, const double *y, bool steps)
{
    bool drawing_on = false;
    for (int64_t i = 0; i < series->count; i++) {
        if (!isfinite(y[i]) || !isfinite(series->x[i])) {
            drawing_on = false;
            continue;
        }
        const int x = in_picture(svg_across(drawing, series->x[i])), level = picture_y(drawing, y[i]);
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
            fprintf(drawing->page, "%s%d %d", end == i ? "M" : "L", in_picture(svg_across(drawing, series->x[end])),
                    picture_y(drawing, series->y[end]));
        for (int64_t k = end - 1; k >= i; k--)
            fprintf(drawing->page, "L%d %d", in_picture(svg_across(drawing, series->x[k])),
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
            const int x = in_picture(svg_across(drawing, series->x[i]));
            fprintf(drawing->page, "M%d %dV%dh%dV%dZ", x - half, picture_y(drawing, fmax(0.0, drawing->frame.bottom)),
                    picture_y(drawing, series->y[i]), 2 * half, picture_y(drawing, fmax(0.0, drawing->frame.bottom)));
        }
}

static void put_whiskers(const struct drawing *drawing, const struct chart_series *series)
{
    for (int64_t i = 0; i < series->count; i++)
        if (isfinite(series->low[i]) && !isnan(series->high[i]))
            fprintf(drawing->page, "M%d %dV%d", in_picture(svg_across(drawing, series->x[i])),
                    picture_y(drawing, series->low[i]), picture_y(drawing, fmin(series->high[i], drawing->frame.top)));
}

static bool is_within(double place)
{
    return place >= -1e-9 && place <= 1.0 + 1e-9;
}

/* Lines without length, whose round ends keep their shape when the picture is stretched. */
static void put_dots(const struct drawing *drawing, const struct chart_series *series)
{
    for (int64_t i = 0; i < series->count; i++)
        if (is_within(svg_across(drawing, series->x[i])) && is_within(svg_down(drawing, series->y[i])))
            fprintf(drawing->page, "M%d %dh0", in_picture(svg_across(drawing, series->x[i])),
                    picture_y(drawing, series->y[i]));
}

static void open_path(const struct drawing *drawing, const char *kind, const struct chart_series *series)
{
    fprintf(drawing->page, "<path class=\"%s %s%s\" d=\"", kind, page_colour(series->colour),
            series->dashed ? " dashed" : "");
}

static void close_path(const struct drawing *drawing)
{
    fputs("\"/>\n", drawing->page);
}

/* More dots than these are a line. */
static bool has_dots(const struct chart_series *series)
{
    enum { MANY = 60 };
    return (series->mark == CHART_DOTS || series->mark == CHART_SPREAD) && series->count <= MANY;
}

static void put_join(const struct drawing *drawing, const struct chart_series *series)
{
    open_path(drawing, has_dots(series) ? "join" : "line", series);
    put_line(drawing, series, series->y, false);
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
        put_join(drawing, &series);
        break;
    case CHART_DOTS: put_join(drawing, &series); break;
    }
}

static void open_picture(const struct drawing *drawing, const char *class)
{
    fprintf(drawing->page,
            "<svg class=\"%s\" width=\"100%%\" height=\"100%%\" viewBox=\"0 0 %d %d\" preserveAspectRatio=\"none\">\n",
            class, SIDE, SIDE);
}

/* Lines end at the frame; dots on its edge are seen whole. */
void svg_data(struct drawing *drawing)
{
    const struct chart *chart = drawing->chart;
    open_picture(drawing, "data");
    for (int mark = CHART_RAW; mark <= CHART_SPREAD; mark++)
        for (int i = 0; i < chart->series_count; i++)
            if ((int)chart->series[i].mark == mark)
                put_series(drawing, &chart->series[i]);
    fputs("</svg>\n", drawing->page);
    open_picture(drawing, "over");
    for (int i = 0; i < chart->series_count; i++)
        if (has_dots(&chart->series[i])) {
            open_path(drawing, "dots", &chart->series[i]);
            put_dots(drawing, &chart->series[i]);
            close_path(drawing);
        }
    fputs("</svg>\n", drawing->page);
}
