/* panel: a chart through cairo. See panel.h. Owns what marks look like; must not know what a chart shows, nor where the
 * panel lies on a page (picture.c). */
#ifdef WITH_CAIRO
#include "panel.h"
#include "text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
enum { MARGIN = 44, TITLE = 20, NAMES = 17, FLAGS = 13, TICKS = 34, DENSITY = 2 };

static const uint32_t grid_colour = 0xe6e9ee, axis_colour = 0x828b9b, note_colour = 0x5b6472;

struct drawing {
    cairo_t *cairo;
    const struct chart *chart;
    struct chart_frame frame;
    struct box plot; /* within the axes */
    struct arena arena;
};

/* ---- letters ---- */

static void set_colour(cairo_t *cairo, uint32_t rgb, double opacity)
{
    cairo_set_source_rgba(cairo, (rgb >> 16 & 0xFF) / 255.0, (rgb >> 8 & 0xFF) / 255.0, (rgb & 0xFF) / 255.0, opacity);
}

/* cairo refuses the whole picture for one byte that is no UTF-8. */
static void copy_clean(char *to, size_t bytes, const char *text)
{
    text_copy(to, bytes, text);
    for (bool utf8 = text_is_utf8(to); *to; to++)
        if ((unsigned char)*to < 0x20 || (!utf8 && (unsigned char)*to >= 0x80))
            *to = '?';
}

static double measure(cairo_t *cairo, const struct lettering *lettering, const char *clean)
{
    cairo_text_extents_t extents;
    cairo_select_font_face(cairo, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
                           lettering->weight == PANEL_BOLD ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(cairo, lettering->size);
    cairo_text_extents(cairo, clean, &extents);
    return extents.x_advance;
}

enum { TEXT_MOST = 1024 };

double panel_text_width(cairo_t *cairo, const struct lettering *lettering, const char *text)
{
    char clean[TEXT_MOST];
    copy_clean(clean, sizeof clean, text);
    return measure(cairo, lettering, clean);
}

double panel_text(cairo_t *cairo, const struct lettering *lettering, double x, double y, double anchor,
                  const char *text)
{
    char clean[TEXT_MOST];
    copy_clean(clean, sizeof clean, text);
    const double width = measure(cairo, lettering, clean);
    set_colour(cairo, lettering->colour, 1.0);
    cairo_move_to(cairo, x - anchor * width, y);
    cairo_show_text(cairo, clean);
    return width;
}

static struct lettering note(enum chart_colour colour)
{
    return (struct lettering){10.5, PANEL_PLAIN, colour == CHART_INK ? note_colour : chart_letter_colour(colour).light};
}

/* ---- places ---- */

static double x_of(const struct drawing *drawing, double x)
{
    return drawing->plot.left +
           drawing->plot.width * chart_place(drawing->chart->x.scale, drawing->frame.left, drawing->frame.right, x);
}

/* What lies far outside stays outside, where cairo can count. Values that the scale does not have are NaN. */
static double y_of(const struct drawing *drawing, double y)
{
    const double place = 1.0 - chart_place(drawing->chart->y.scale, drawing->frame.bottom, drawing->frame.top, y);
    return drawing->plot.top + drawing->plot.height * (isnan(place) ? NAN : fmin(fmax(place, -10.0), 11.0));
}

/* ---- marks ---- */

static void trace(const struct drawing *drawing, const struct chart_series *series)
{
    cairo_t *cairo = drawing->cairo;
    double before = NAN;
    for (int64_t i = 0; i < series->count; i++) {
        const double x = x_of(drawing, series->x[i]), y = y_of(drawing, series->y[i]);
        if (!isfinite(x + y)) {
            before = NAN;
            continue;
        }
        if (!isfinite(before)) {
            cairo_move_to(cairo, x, y);
        } else {
            if (series->mark == CHART_STEP)
                cairo_line_to(cairo, x, before);
            cairo_line_to(cairo, x, y);
        }
        before = y;
    }
}

static void stroke(const struct drawing *drawing, enum chart_colour colour, double width, double opacity)
{
    set_colour(drawing->cairo, chart_colours[colour].light, opacity);
    cairo_set_line_width(drawing->cairo, width);
    cairo_stroke(drawing->cairo);
}

/* Each stretch without a gap is closed by the way back along low. */
static void fill_between(const struct drawing *drawing, const struct chart_series *series, double opacity)
{
    for (int64_t i = 0; i < series->count;) {
        int64_t end = i;
        for (; end < series->count && isfinite(y_of(drawing, series->y[end]) + y_of(drawing, series->low[end])); end++)
            cairo_line_to(drawing->cairo, x_of(drawing, series->x[end]), y_of(drawing, series->y[end]));
        for (int64_t k = end - 1; k >= i; k--)
            cairo_line_to(drawing->cairo, x_of(drawing, series->x[k]), y_of(drawing, series->low[k]));
        cairo_close_path(drawing->cairo);
        i = end + 1;
    }
    set_colour(drawing->cairo, chart_colours[series->colour].light, opacity);
    cairo_fill(drawing->cairo);
}

static void draw_bars(const struct drawing *drawing, const struct chart_series *series)
{
    const double ground = y_of(drawing, fmax(0.0, drawing->frame.bottom));
    const double half = fmax(1.0, 0.35 * drawing->plot.width / (double)series->count);
    for (int64_t i = 0; i < series->count; i++) {
        const double y = y_of(drawing, series->y[i]);
        if (isfinite(y))
            cairo_rectangle(drawing->cairo, x_of(drawing, series->x[i]) - half, y, 2.0 * half, ground - y);
    }
    set_colour(drawing->cairo, chart_colours[series->colour].light, 1.0);
    cairo_fill(drawing->cairo);
}

static void draw_whiskers(const struct drawing *drawing, const struct chart_series *series)
{
    const double cap = 3.0;
    for (int64_t i = 0; i < series->count; i++) {
        const double x = x_of(drawing, series->x[i]);
        const double low = y_of(drawing, series->low[i]), top = series->high[i];
        const double high = isnan(top) ? NAN : y_of(drawing, fmin(top, drawing->frame.top));
        if (!isfinite(x + low + high))
            continue;
        cairo_move_to(drawing->cairo, x, low);
        cairo_line_to(drawing->cairo, x, high);
        cairo_move_to(drawing->cairo, x - cap, low);
        cairo_line_to(drawing->cairo, x + cap, low);
        if (isfinite(top)) {
            cairo_move_to(drawing->cairo, x - cap, high);
            cairo_line_to(drawing->cairo, x + cap, high);
        }
    }
    stroke(drawing, series->colour, 1.2, 1.0);
}

static void draw_dots(const struct drawing *drawing, const struct chart_series *series)
{
    enum { MANY = 60 }; /* more dots than these are a line */
    const double radius = 2.6, turn = 6.283185307179586;
    trace(drawing, series);
    stroke(drawing, series->colour, series->count > MANY ? 1.8 : 1.0, series->count > MANY ? 1.0 : 0.6);
    for (int64_t i = 0; i < series->count && series->count <= MANY; i++) {
        const double x = x_of(drawing, series->x[i]), y = y_of(drawing, series->y[i]);
        if (!isfinite(x + y))
            continue;
        cairo_new_sub_path(drawing->cairo);
        cairo_arc(drawing->cairo, x, y, radius, 0.0, turn);
    }
    set_colour(drawing->cairo, chart_colours[series->colour].light, 1.0);
    cairo_fill(drawing->cairo);
}

static void draw_series(struct drawing *drawing, const struct chart_series *whole)
{
    struct chart_series series;
    chart_thin(whole, drawing->chart->x.scale, drawing->frame.left, drawing->frame.right,
               DENSITY * (int)drawing->plot.width, &drawing->arena, &series);
    switch (series.mark) {
    case CHART_RAW:
        trace(drawing, &series);
        stroke(drawing, series.colour, 0.6, 0.35);
        break;
    case CHART_LINE:
    case CHART_STEP:
        trace(drawing, &series);
        stroke(drawing, series.colour, 1.8, 1.0);
        break;
    case CHART_BAND: fill_between(drawing, &series, 0.22); break;
    case CHART_AREA: fill_between(drawing, &series, 0.9); break;
    case CHART_BARS: draw_bars(drawing, &series); break;
    case CHART_SPREAD:
        draw_whiskers(drawing, &series);
        draw_dots(drawing, &series);
        break;
    case CHART_DOTS: draw_dots(drawing, &series); break;
    }
}

/* ---- around them ---- */

/* Lines of a pixel at any whole scale. */
static void rule(const struct drawing *drawing, double x0, double y0, double x1, double y1, uint32_t colour)
{
    cairo_move_to(drawing->cairo, x0, y0);
    cairo_line_to(drawing->cairo, x1, y1);
    set_colour(drawing->cairo, colour, 1.0);
    cairo_set_line_width(drawing->cairo, 1.0);
    cairo_stroke(drawing->cairo);
}

static void draw_axes(const struct drawing *drawing, const struct chart_ticks *levels)
{
    const struct box *plot = &drawing->plot;
    const struct lettering tick = note(CHART_INK);
    const double right = plot->left + plot->width, bottom = plot->top + plot->height;
    struct chart_ticks ticks;
    for (int i = 0; i < levels->count; i++) {
        const double y = y_of(drawing, levels->at[i]);
        rule(drawing, plot->left, y, right, y, grid_colour);
        panel_text(drawing->cairo, &tick, plot->left - 6.0, y + 3.5, 1.0, levels->text[i]);
    }
    chart_ticks_of(&drawing->chart->x, drawing->frame.left, drawing->frame.right, (int)(plot->width / 80.0), &ticks);
    rule(drawing, plot->left, bottom, right, bottom, axis_colour);
    for (int i = 0; i < ticks.count; i++) {
        const double x = x_of(drawing, ticks.at[i]);
        rule(drawing, x, bottom, x, bottom + 4.0, axis_colour);
        panel_text(drawing->cairo, &tick, x, bottom + 15.0, 0.5, ticks.text[i]);
    }
    panel_text(drawing->cairo, &tick, plot->left + 0.5 * plot->width, bottom + 28.0, 0.5, drawing->chart->x.title);
}

static void draw_regions(const struct drawing *drawing)
{
    const struct box *plot = &drawing->plot;
    for (int i = 0; i < drawing->chart->region_count; i++) {
        const struct chart_region *region = &drawing->chart->regions[i];
        const double from = fmax(x_of(drawing, region->from), plot->left);
        const double to = fmin(x_of(drawing, region->to), plot->left + plot->width);
        if (!(to > from))
            continue;
        cairo_rectangle(drawing->cairo, from, plot->top, to - from, plot->height);
        set_colour(drawing->cairo, chart_colours[region->colour].light, 0.12);
        cairo_fill(drawing->cairo);
    }
}

/* Above the plot, where nothing lies under them. */
static void draw_region_names(const struct drawing *drawing)
{
    const struct box *plot = &drawing->plot;
    const struct lettering text = note(CHART_INK);
    for (int i = 0; i < drawing->chart->region_count; i++) {
        const struct chart_region *region = &drawing->chart->regions[i];
        const double from = fmax(x_of(drawing, region->from), plot->left), right = plot->left + plot->width;
        const double to = fmin(x_of(drawing, region->to), right);
        const double width = panel_text_width(drawing->cairo, &text, region->text);
        const double begin = fmax(fmin(0.5 * (from + to - width), right - width), plot->left);
        if (to > from)
            panel_text(drawing->cairo, &text, begin, plot->top - 4.0, 0.0, region->text);
    }
}

/* Events in order of x; the text of one that lies close behind another's is left out. */
static void draw_events(const struct drawing *drawing)
{
    static const double dashes[] = {3.0, 3.0};
    const struct box *plot = &drawing->plot;
    double free_from = plot->left - MARGIN;
    for (int i = 0; i < drawing->chart->event_count; i++) {
        const struct chart_line *event = &drawing->chart->events[i];
        const struct lettering text = note(event->colour);
        const double x = x_of(drawing, event->at), right = plot->left + plot->width;
        if (!(x >= plot->left && x <= right))
            continue;
        cairo_set_dash(drawing->cairo, dashes, COUNT_OF(dashes), 0.0);
        cairo_move_to(drawing->cairo, x, plot->top);
        cairo_line_to(drawing->cairo, x, plot->top + plot->height);
        stroke(drawing, event->colour, 1.0, 0.9);
        cairo_set_dash(drawing->cairo, NULL, 0, 0.0);
        const double width = panel_text_width(drawing->cairo, &text, event->text);
        /* Beside the text before it, as long as it still reaches its line. */
        const double begin = fmax(fmin(x - 0.5 * width, right + 8.0 - width), free_from);
        if (begin > x || begin + width > right + 9.0)
            continue;
        panel_text(drawing->cairo, &text, begin, plot->top - 4.0, 0.0, event->text);
        free_from = begin + width + 8.0;
    }
}

static void draw_limits(const struct drawing *drawing)
{
    const struct box *plot = &drawing->plot;
    for (int i = 0; i < drawing->chart->limit_count; i++) {
        const struct chart_line *limit = &drawing->chart->limits[i];
        const struct lettering text = note(limit->colour);
        const double y = y_of(drawing, limit->at);
        if (!(y >= plot->top && y <= plot->top + plot->height))
            continue;
        cairo_move_to(drawing->cairo, plot->left, y);
        cairo_line_to(drawing->cairo, plot->left + plot->width, y);
        stroke(drawing, limit->colour, 1.0, 0.9);
        panel_text(drawing->cairo, &text, plot->left + plot->width - 3.0, y - 4.0, 1.0, limit->text);
    }
}

/* What a name stands for: a piece of its mark. Returns its width. */
static double draw_sample(const struct drawing *drawing, const struct chart_series *series, double x, double y)
{
    const double width = 14.0;
    const uint32_t colour = chart_colours[series->colour].light;
    if (series->mark == CHART_AREA || series->mark == CHART_BARS || series->mark == CHART_BAND) {
        cairo_rectangle(drawing->cairo, x, y - 8.0, 10.0, 9.0);
        set_colour(drawing->cairo, colour, series->mark == CHART_BAND ? 0.3 : 0.9);
        cairo_fill(drawing->cairo);
        return width;
    }
    cairo_move_to(drawing->cairo, x, y - 3.5);
    cairo_line_to(drawing->cairo, x + 11.0, y - 3.5);
    stroke(drawing, series->colour, series->mark == CHART_RAW ? 1.2 : 2.0, series->mark == CHART_RAW ? 0.4 : 1.0);
    if (series->mark == CHART_DOTS || series->mark == CHART_SPREAD) {
        cairo_arc(drawing->cairo, x + 5.5, y - 3.5, 3.0, 0.0, 6.283185307179586);
        set_colour(drawing->cairo, colour, 1.0);
        cairo_fill(drawing->cairo);
    }
    return width;
}

/* A name, or as much of its beginning as there is room for. */
static void shorten(char *text, size_t bytes, const char *name, const struct drawing *drawing, double room)
{
    const struct lettering lettering = note(CHART_INK);
    size_t length = strlen(name);
    snprintf(text, bytes, "%s", name);
    while (length > 0 && panel_text_width(drawing->cairo, &lettering, text) > room) {
        while (--length > 0 && ((unsigned char)name[length] & 0xC0) == 0x80) /* within a letter */
            ;
        snprintf(text, bytes, "%.*s…", (int)length, name);
    }
}

/* All names, or shortened ones: one that is missing would belong to a line all the same. */
static void draw_names(const struct drawing *drawing, struct box box, double y)
{
    const struct lettering text = note(CHART_INK);
    const double beside = 14.0 + 12.0;
    double x = drawing->plot.left, wanted = 0.0;
    int named = 0;
    x += panel_text(drawing->cairo, &text, x, y, 0.0, drawing->chart->y.title) + 14.0;
    for (int i = 0; i < drawing->chart->series_count; i++) {
        const char *name = drawing->chart->series[i].name;
        named += *name != 0;
        wanted += *name ? panel_text_width(drawing->cairo, &text, name) + beside : 0.0;
    }
    const double room = box.left + box.width - x;
    for (int i = 0; i < drawing->chart->series_count; i++) {
        const struct chart_series *series = &drawing->chart->series[i];
        char name[128];
        if (!*series->name)
            continue;
        shorten(name, sizeof name, series->name, drawing, wanted > room ? room / named - beside : room);
        x += draw_sample(drawing, series, x, y);
        x += panel_text(drawing->cairo, &text, x, y, 0.0, name) + 12.0;
    }
}

static double widest(cairo_t *cairo, const struct chart_ticks *ticks)
{
    const struct lettering tick = note(CHART_INK);
    double width = 0.0;
    for (int i = 0; i < ticks->count; i++)
        width = fmax(width, panel_text_width(cairo, &tick, ticks->text[i]));
    return width;
}

/* In smaller letters where it would not fit. */
static void draw_title(const struct drawing *drawing, struct box box)
{
    const double least = 8.0;
    struct lettering lettering = {13.5, PANEL_BOLD, chart_colours[CHART_INK].light};
    const double room = box.left + box.width - drawing->plot.left;
    const double wanted = panel_text_width(drawing->cairo, &lettering, drawing->chart->title);
    if (wanted > room)
        lettering.size = fmax(least, lettering.size * room / wanted * 0.99);
    panel_text(drawing->cairo, &lettering, drawing->plot.left, box.top + 12.0, 0.0, drawing->chart->title);
}

void panel_draw(cairo_t *cairo, const struct chart *chart, struct box box)
{
    struct drawing drawing = {.cairo = cairo, .chart = chart};
    struct chart_ticks levels;
    if (!chart_frame_of(chart, &drawing.frame))
        return;
    const double head = TITLE + NAMES + (chart->event_count > 0 || chart->region_count > 0 ? FLAGS : 0);
    chart_ticks_of(&chart->y, drawing.frame.bottom, drawing.frame.top, (int)((box.height - head - TICKS) / 40.0),
                   &levels);
    /* Most panels have the same, so that those above each other line up. */
    const double margin = fmax(widest(cairo, &levels) + 10.0, MARGIN);
    drawing.plot = (struct box){box.left + margin, box.top + head, box.width - margin, box.height - head - TICKS};
    draw_title(&drawing, box);
    draw_names(&drawing, box, box.top + TITLE + 10.0);
    draw_regions(&drawing);
    draw_axes(&drawing, &levels);
    cairo_save(cairo);
    cairo_rectangle(cairo, drawing.plot.left, drawing.plot.top - 2.0, drawing.plot.width + 2.0,
                    drawing.plot.height + 4.0);
    cairo_clip(cairo);
    cairo_set_line_join(cairo, CAIRO_LINE_JOIN_ROUND);
    for (int mark = CHART_RAW; mark <= CHART_SPREAD; mark++)
        for (int i = 0; i < chart->series_count; i++)
            if ((int)chart->series[i].mark == mark)
                draw_series(&drawing, &chart->series[i]);
    cairo_restore(cairo);
    draw_region_names(&drawing);
    draw_limits(&drawing);
    draw_events(&drawing);
    arena_free(&drawing.arena);
}
#else
typedef int built_without_cairo; /* a file may not be empty */
#endif
