/* text: a chart in a terminal's letters: title, names, canvas, axes. See include/plot.h. Must not know what it shows.
 */
#include "text.h"
#include "canvas.h"
#include "plot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LINES_AROUND = 3, LEAST_COLUMNS = 20 }; /* title, axis, its ticks */

struct drawing {
    const struct chart *chart;
    struct chart_frame frame;
    struct canvas canvas;
    struct arena arena;
    int margin; /* columns before the canvas, the axis included */
    bool letters;
    FILE *stream;
};

static double across(const struct drawing *drawing, double x)
{
    return chart_place(drawing->chart->x.scale, drawing->frame.left, drawing->frame.right, x);
}

static double down(const struct drawing *drawing, double y)
{
    return 1.0 - chart_place(drawing->chart->y.scale, drawing->frame.bottom, drawing->frame.top, y);
}

/* ---- pens ---- */

static bool is_curve(const struct chart_series *series)
{
    return series->mark == CHART_LINE || series->mark == CHART_STEP || series->mark == CHART_SPREAD;
}

static bool is_fill(const struct chart_series *series)
{
    return series->mark == CHART_AREA || series->mark == CHART_BARS;
}

/* Curves, fills, and dots are told apart by their letters in turn, as on paper there are no colours. */
static struct pen pen_of(const struct chart *chart, const struct chart_series *series)
{
    static const char curves[] = "*x+@%&$", fills[] = "#+.", dots[] = "o^vd";
    int before = 0;
    for (const struct chart_series *other = chart->series; other < series; other++)
        before += is_fill(series)              ? is_fill(other)
                  : series->mark == CHART_DOTS ? other->mark == CHART_DOTS
                                               : is_curve(other);
    if (series->mark == CHART_RAW)
        return (struct pen){LAYER_CLOUD, CHART_GREY, '.'};
    if (series->mark == CHART_DOTS)
        return (struct pen){LAYER_LETTER, series->colour, dots[before % (COUNT_OF(dots) - 1)]};
    if (is_fill(series))
        return (struct pen){LAYER_FILL, series->colour, fills[before % (COUNT_OF(fills) - 1)]};
    return (struct pen){LAYER_LINE, series->colour, curves[before % (COUNT_OF(curves) - 1)]};
}

/* ---- marks ---- */

static void draw_curve(struct drawing *drawing, const struct pen *pen, const struct chart_series *series)
{
    double x0 = NAN, y0 = NAN;
    for (int64_t i = 0; i < series->count; i++) {
        const double x = across(drawing, series->x[i]), y = down(drawing, series->y[i]);
        if (series->mark == CHART_STEP && isfinite(y0)) {
            canvas_line(&drawing->canvas, pen, x0, y0, x, y0);
            canvas_line(&drawing->canvas, pen, x, y0, x, y);
        } else if (isfinite(y0)) {
            canvas_line(&drawing->canvas, pen, x0, y0, x, y);
        } else {
            canvas_dot(&drawing->canvas, pen, x, y);
        }
        x0 = x;
        y0 = isfinite(series->x[i]) ? y : NAN;
    }
}

static void draw_whiskers(struct drawing *drawing, const struct pen *pen, const struct chart_series *series)
{
    struct pen thin = *pen;
    thin.letter = '|';
    for (int64_t i = 0; i < series->count; i++) {
        const double x = across(drawing, series->x[i]);
        const double high = isinf(series->high[i]) ? drawing->frame.top : series->high[i];
        canvas_line(&drawing->canvas, &thin, x, down(drawing, series->low[i]), x, down(drawing, high));
    }
}

static void draw_points(struct drawing *drawing, const struct pen *pen, const struct chart_series *series)
{
    for (int64_t i = 0; i < series->count; i++)
        (pen->layer == LAYER_LETTER ? canvas_letter : canvas_dot)(&drawing->canvas, pen, across(drawing, series->x[i]),
                                                                  down(drawing, series->y[i]));
}

/* Between two values, for columns that lie between two points. */
static double between(const double *values, int64_t i, double part)
{
    return values[i] + part * (values[i + 1] - values[i]);
}

static void draw_area(struct drawing *drawing, const struct pen *pen, const struct chart_series *series)
{
    struct canvas *canvas = &drawing->canvas;
    int64_t i = 0;
    for (int column = 0; column < canvas->columns; column++) {
        const double place = (column + 0.5) / canvas->columns;
        while (i + 2 < series->count && across(drawing, series->x[i + 1]) < place)
            i++;
        if (i + 1 >= series->count)
            return;
        const double from = across(drawing, series->x[i]),
                     part = (place - from) / (across(drawing, series->x[i + 1]) - from);
        if (!(part >= 0.0 && part <= 1.0))
            continue;
        const double top = down(drawing, between(series->y, i, part));
        const double bottom = down(drawing, between(series->low, i, part));
        for (int row = 0; row < canvas->rows; row++) {
            const double level = (row + 0.5) / canvas->rows;
            if (level >= top && level < bottom)
                canvas_letter(canvas, pen, column / fmax(canvas->columns - 1, 1.0), row / fmax(canvas->rows - 1, 1.0));
        }
    }
}

static void draw_bars(struct drawing *drawing, const struct pen *pen, const struct chart_series *series)
{
    const double ground = fmin(down(drawing, fmax(0.0, drawing->frame.bottom)), 1.0);
    for (int64_t i = 0; i < series->count; i++) {
        const double x = across(drawing, series->x[i]), top = down(drawing, series->y[i]);
        for (double y = ground; y >= top; y -= 1.0 / drawing->canvas.rows)
            canvas_letter(&drawing->canvas, pen, x, y);
    }
}

/* A band is left out: it is rarely as wide as a letter. */
static void draw_series(struct drawing *drawing, const struct chart_series *whole)
{
    struct chart_series series;
    const struct pen pen = pen_of(drawing->chart, whole);
    struct canvas *canvas = &drawing->canvas;
    chart_thin(whole, drawing->chart->x.scale, drawing->frame.left, drawing->frame.right,
               canvas->columns * canvas->across, &drawing->arena, &series);
    switch (series.mark) {
    case CHART_RAW: draw_points(drawing, &pen, whole); break;
    case CHART_SPREAD:
        draw_whiskers(drawing, &pen, &series);
        draw_curve(drawing, &pen, &series);
        break;
    case CHART_LINE:
    case CHART_STEP: draw_curve(drawing, &pen, &series); break;
    case CHART_DOTS: draw_points(drawing, &pen, &series); break;
    case CHART_AREA: draw_area(drawing, &pen, &series); break;
    case CHART_BARS: draw_bars(drawing, &pen, &series); break;
    case CHART_BAND: break;
    }
}

static void draw_lines(struct drawing *drawing)
{
    const struct chart *chart = drawing->chart;
    struct canvas *canvas = &drawing->canvas;
    for (int i = 0; i < chart->event_count; i++) {
        const struct pen pen = {LAYER_MARK, chart->events[i].colour, ':'};
        for (int row = 0; row < canvas->rows; row++)
            canvas_letter(canvas, &pen, across(drawing, chart->events[i].at), row / fmax(canvas->rows - 1, 1.0));
    }
    for (int i = 0; i < chart->limit_count; i++) {
        const struct pen pen = {LAYER_MARK, chart->limits[i].colour, '-'};
        for (int column = 0; column < canvas->columns; column++)
            canvas_letter(canvas, &pen, column / fmax(canvas->columns - 1, 1.0), down(drawing, chart->limits[i].at));
    }
}

/* ---- around the canvas ---- */

/* Text in one colour, as far as it fits in what is left of the line; columns it took. */
static int put_text(struct drawing *drawing, enum chart_colour colour, const char *text, int room)
{
    int length = 0, columns = 0;
    /* Whole letters of UTF-8; without it, letters beyond ASCII are left out. */
    canvas_color(&drawing->canvas, drawing->stream, colour);
    while (text[length]) {
        int bytes = 1;
        while (((unsigned char)text[length + bytes] & 0xC0) == 0x80)
            bytes++;
        char letter[8] = "?";
        if ((bytes == 1 || drawing->canvas.utf8) && bytes < (int)sizeof letter)
            snprintf(letter, sizeof letter, "%.*s", bytes, text + length);
        const int wide = text_columns(letter);
        if (columns + wide > room)
            break;
        fputs(letter, drawing->stream);
        columns += wide;
        length += bytes;
    }
    canvas_plain(&drawing->canvas, drawing->stream);
    return columns;
}

static void put_names(struct drawing *drawing)
{
    const struct chart *chart = drawing->chart;
    int room = drawing->canvas.columns;
    const char *before = "";
    fprintf(drawing->stream, "%*s", drawing->margin, "");
    for (int i = 0; i < chart->series_count && room > 6; i++) {
        const struct chart_series *series = &chart->series[i];
        const struct pen pen = pen_of(chart, series);
        const char *block = is_fill(series) ? canvas_block(&drawing->canvas, pen.letter) : NULL;
        const char sign[] = {pen.letter, series->mark == CHART_DOTS ? '\0' : pen.letter, '\0'};
        if (!*series->name || series->mark == CHART_BAND)
            continue;
        room -= put_text(drawing, CHART_INK, before, room);
        if (drawing->letters || block || series->mark == CHART_DOTS)
            room -= put_text(drawing, pen.colour, block ? block : sign, room);
        else
            room -= put_text(drawing, pen.colour, series->mark == CHART_RAW ? "\u2802\u2810" : "\u2812\u2812", room);
        room -= put_text(drawing, CHART_INK, " ", room);
        room -= put_text(drawing, CHART_INK, series->name, room);
        before = "   ";
    }
    fputs("\n", drawing->stream);
}

/* Texts of events and limits, where there is room. */
static void put_flags(struct drawing *drawing)
{
    const struct chart *chart = drawing->chart;
    int column = 0;
    fprintf(drawing->stream, "%*s", drawing->margin, "");
    for (int i = 0; i < chart->event_count; i++) {
        const struct chart_line *event = &chart->events[i];
        const int width = text_columns(event->text);
        const int line = (int)lround(across(drawing, event->at) * (drawing->canvas.columns - 1));
        int at = line - width / 2;
        if (at + width > drawing->canvas.columns)
            at = drawing->canvas.columns - width;
        /* Beside the text before it, as long as it still reaches its line. */
        at = at < column + (column > 0) ? column + (column > 0) : at;
        if (at > line || at + width > drawing->canvas.columns || !*event->text)
            continue;
        fprintf(drawing->stream, "%*s", at - column, "");
        column = at + put_text(drawing, event->colour, event->text, drawing->canvas.columns - at);
    }
    fputs("\n", drawing->stream);
}

/* The tick whose label stands before that row, or NULL. */
static const char *tick_of_row(const struct drawing *drawing, const struct chart_ticks *ticks, int row)
{
    for (int i = 0; i < ticks->count; i++)
        if ((int)lround(down(drawing, ticks->at[i]) * (drawing->canvas.rows - 1)) == row)
            return ticks->text[i];
    return NULL;
}

static void put_rows(struct drawing *drawing, const struct chart_ticks *ticks)
{
    for (int row = 0; row < drawing->canvas.rows; row++) {
        const char *tick = tick_of_row(drawing, ticks, row);
        fprintf(drawing->stream, "%*s %s", drawing->margin - 2, tick ? tick : "",
                !drawing->canvas.utf8 ? "|"
                : tick                ? "\u2524"
                                      : "\u2502");
        canvas_print_row(&drawing->canvas, row, drawing->stream);
        fputs("\n", drawing->stream);
    }
}

static void put_axis(struct drawing *drawing)
{
    struct chart_ticks ticks;
    const int columns = drawing->canvas.columns;
    const bool utf8 = drawing->canvas.utf8;
    chart_ticks_of(&drawing->chart->x, drawing->frame.left, drawing->frame.right, columns / 14, &ticks);
    char *texts = arena_push(&drawing->arena, (size_t)columns + CHART_TICK_TEXT + 1);
    bool *ticked = arena_push(&drawing->arena, (size_t)columns * sizeof *ticked);
    memset(texts, ' ', (size_t)columns);
    const int title = text_columns(drawing->chart->x.title), free_to = columns - (title ? title + 1 : 0);
    for (int i = 0; i < ticks.count; i++) {
        const int at = (int)lround(across(drawing, ticks.at[i]) * (columns - 1)), width = (int)strlen(ticks.text[i]);
        if (at < 0 || at >= columns)
            continue;
        ticked[at] = true;
        const int begin = at - width / 2 > 0 ? at - width / 2 : 0;
        if (begin + width <= free_to && (begin == 0 || texts[begin - 1] == ' '))
            memcpy(texts + begin, ticks.text[i], (size_t)width);
    }
    texts[free_to > 0 ? free_to : 0] = '\0';
    fprintf(drawing->stream, "%*s%s", drawing->margin - 1, "", utf8 ? "\u2514" : "+");
    for (int x = 0; x < columns; x++)
        fputs(!utf8 ? (ticked[x] ? "+" : "-") : ticked[x] ? "\u2534" : "\u2500", drawing->stream);
    fprintf(drawing->stream, "\n%*s%s", drawing->margin, "", texts);
    if (title && free_to > 0) {
        put_text(drawing, CHART_INK, " ", 1);
        put_text(drawing, CHART_INK, drawing->chart->x.title, title);
    }
    fputs("\n", drawing->stream);
}

/* Those with a name: all of them, or curves alone. */
static int named(const struct chart *chart, bool curves)
{
    int count = 0;
    for (int i = 0; i < chart->series_count; i++)
        count +=
            *chart->series[i].name && chart->series[i].mark != CHART_BAND && (!curves || is_curve(&chart->series[i]));
    return count;
}

static int widest(const struct chart_ticks *ticks)
{
    int width = 0;
    for (int i = 0; i < ticks->count; i++)
        width = (int)strlen(ticks->text[i]) > width ? (int)strlen(ticks->text[i]) : width;
    return width;
}

void plot_text(const struct chart *chart, const struct terminal *terminal, int lines, FILE *stream)
{
    struct drawing drawing = {.chart = chart, .stream = stream};
    struct chart_ticks ticks;
    if (!chart_frame_of(chart, &drawing.frame))
        return;
    const bool flags = chart->event_count > 0, names = named(chart, false) > 0;
    const int rows = (lines > PLOT_LINES ? lines : PLOT_LINES) - LINES_AROUND - flags - names;
    chart_ticks_of(&chart->y, drawing.frame.bottom, drawing.frame.top, rows / 3, &ticks);
    drawing.margin = widest(&ticks) + 2;
    const int left = terminal->columns - drawing.margin - 1;
    /* Several curves in one colour are told apart by letters only. */
    drawing.letters = !terminal->utf8 || (!terminal->color && named(chart, true) > 1);
    canvas_begin(&drawing.canvas, &drawing.arena, terminal, left > LEAST_COLUMNS ? left : LEAST_COLUMNS, rows,
                 !drawing.letters);
    draw_lines(&drawing);
    for (int i = 0; i < chart->series_count; i++)
        draw_series(&drawing, &chart->series[i]);
    put_text(&drawing, CHART_INK, chart->title, terminal->columns - 1);
    fputs("\n", stream);
    if (names)
        put_names(&drawing);
    if (flags)
        put_flags(&drawing);
    put_rows(&drawing, &ticks);
    put_axis(&drawing);
    arena_free(&drawing.arena);
}
