/* chart: charts put together, their frames, and series thinned to what can be seen. See include/chart.h. Must not know
 * how anything is drawn (chart_ticks.c has the ticks), nor what the numbers mean. */
#include "chart.h"
#include "order.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Contrast with any ground at least 3 to 1, as WCAG 2 asks of graphics. Okabe and Ito's, darkened or lightened for
 * that. */
const struct chart_rgb chart_colours[CHART_COLOURS] = {
    [CHART_BLUE] = {0x0a6cb0, 0x5ab1f0},   [CHART_ORANGE] = {0xd1560a, 0xff9150}, [CHART_GREEN] = {0x008a64, 0x3fcf9f},
    [CHART_PURPLE] = {0xa84a8c, 0xe293c4}, [CHART_YELLOW] = {0xb07d00, 0xf0c850}, [CHART_SKY] = {0x2b93c9, 0x9bdcff},
    [CHART_BROWN] = {0x7a5a3c, 0xc9a481},  [CHART_GREY] = {0x7b8494, 0x8d97a8},   [CHART_INK] = {0x1d232c, 0xe4e8ee},
    [CHART_RED] = {0xc4292d, 0xff7b78},
};

/* a and b mixed, each of the three bytes by itself. */
static uint32_t mix(uint32_t a, uint32_t b, double share_of_a)
{
    uint32_t mixed = 0;
    for (int shift = 0; shift <= 16; shift += 8)
        mixed |= (uint32_t)lrint(share_of_a * (a >> shift & 0xFF) + (1.0 - share_of_a) * (b >> shift & 0xFF)) << shift;
    return mixed;
}

struct chart_rgb chart_letter_colour(enum chart_colour colour)
{
    const double share = 0.75; /* of the colour: enough for 4.5 to 1, and still told apart */
    const struct chart_rgb own = chart_colours[colour], ink = chart_colours[CHART_INK];
    return (struct chart_rgb){mix(own.light, ink.light, share), mix(own.dark, ink.dark, share)};
}

void charts_free(struct charts *charts)
{
    arena_free(&charts->arena);
    charts->count = 0;
}

const struct chart *charts_find(const struct charts *charts, const char *id)
{
    for (int i = 0; i < charts->count; i++)
        if (strcmp(charts->list[i].id, id) == 0)
            return &charts->list[i];
    return NULL;
}

/* ---- filling ---- */

struct chart *chart_add(struct charts *charts, const char *id, const char *title, const char *how)
{
    /* How many there are is decided in the program, not by data. */
    struct chart *chart = &charts->list[charts->count < CHARTS_MOST ? charts->count++ : CHARTS_MOST - 1];
    *chart = (struct chart){.id = id,
                            .title = title,
                            .how = how,
                            .x = {.title = "", .low = NAN, .high = NAN},
                            .y = {.title = "", .low = NAN, .high = NAN}};
    return chart;
}

void chart_end(struct charts *charts)
{
    if (charts->list[charts->count - 1].series_count == 0)
        charts->count--;
}

static bool any_finite(int64_t count, const double *values)
{
    for (int64_t i = 0; i < count; i++)
        if (isfinite(values[i]))
            return true;
    return false;
}

struct chart_series *chart_series_add(struct chart *chart, enum chart_mark mark, enum chart_colour colour,
                                      const char *name, int64_t count, const double *x, const double *y)
{
    if (chart->series_count == CHART_SERIES || !any_finite(count, y))
        return NULL;
    struct chart_series *series = &chart->series[chart->series_count++];
    *series = (struct chart_series){.mark = mark, .colour = colour, .name = name, .count = count, .x = x, .y = y};
    return series;
}

static void add_line(struct chart_line *lines, int *count, double at, enum chart_colour colour, const char *text)
{
    if (*count < CHART_LINES && isfinite(at))
        lines[(*count)++] = (struct chart_line){at, colour, text};
}

void chart_event_add(struct chart *chart, double x, enum chart_colour colour, const char *text)
{
    add_line(chart->events, &chart->event_count, x, colour, text);
}

void chart_limit_add(struct chart *chart, double y, enum chart_colour colour, const char *text)
{
    add_line(chart->limits, &chart->limit_count, y, colour, text);
}

/* ---- the frame ---- */

struct span {
    double low, high;
};

static void cover(struct span *span, enum chart_scale scale, double value)
{
    if (!isfinite(value) || (scale != CHART_LINEAR && value <= 0.0))
        return;
    span->low = fmin(span->low, value);
    span->high = fmax(span->high, value);
}

/* A raw line's values in order, as far as they are looked at; returns how many. */
enum { LOOK_AT = 4000 };
static int sort_values(const struct chart *chart, const struct chart_series *series, double seen[static LOOK_AT])
{
    int count = 0;
    int64_t stride = series->count / LOOK_AT + 1;
    for (int64_t i = 0; i < series->count; i += stride)
        if (isfinite(series->y[i]) && series->x[i] >= chart->x.low && series->x[i] <= chart->x.high)
            seen[count++] = series->y[i];
    sort_doubles(seen, count);
    return count;
}

/* All but the rarest of a raw line's values: 1 in 200 at either end may leave the frame. */
static void cover_most(struct span *span, const struct chart *chart, const struct chart_series *series)
{
    double seen[LOOK_AT];
    const int count = sort_values(chart, series, seen);
    if (count == 0)
        return;
    cover(span, chart->y.scale, seen[count / 200]);
    cover(span, chart->y.scale, seen[count - 1 - count / 200]);
}

static void cover_series(struct span *span, const struct chart *chart, const struct chart_series *series)
{
    if (series->mark == CHART_RAW) {
        cover_most(span, chart, series);
        return;
    }
    if (series->mark == CHART_BARS)
        cover(span, chart->y.scale, 0.0);
    for (int64_t i = 0; i < series->count; i++) {
        if (series->x[i] < chart->x.low || series->x[i] > chart->x.high)
            continue;
        cover(span, chart->y.scale, series->y[i]);
        if (series->low)
            cover(span, chart->y.scale, series->low[i]);
        if (series->high)
            cover(span, chart->y.scale, series->high[i]);
    }
}

/* Dots beside lines: their middle half, and the others as far as they lie no farther from all this than twice its
 * height. A single value far away would flatten everything. */
static void cover_near(struct span *span, const struct chart *chart, const struct chart_series *series)
{
    double seen[LOOK_AT];
    const int count = sort_values(chart, series, seen);
    if (count == 0)
        return;
    const enum chart_scale scale = chart->y.scale;
    cover(span, scale, seen[count / 4]);
    cover(span, scale, seen[count - 1 - count / 4]);
    const bool linear = scale == CHART_LINEAR;
    const double factor = linear ? 0.0 : pow(span->high / span->low, 2.0), width = 2.0 * (span->high - span->low);
    const double least = linear ? span->low - width : span->low / factor;
    const double most = linear ? span->high + width : span->high * factor;
    for (int i = 0; i < count; i++)
        if (seen[i] >= least && seen[i] <= most)
            cover(span, scale, seen[i]);
}

/* Lines first: they say what dots are far from. */
static void cover_all(struct span *span, const struct chart *chart)
{
    for (int i = 0; i < chart->series_count; i++)
        if (chart->series[i].mark != CHART_DOTS)
            cover_series(span, chart, &chart->series[i]);
    const bool beside = span->low < span->high;
    for (int i = 0; i < chart->series_count; i++)
        if (chart->series[i].mark == CHART_DOTS)
            (beside ? cover_near : cover_series)(span, chart, &chart->series[i]);
}

/* Some room above and below, half of it or a whole decade where all is one value. */
static void widen(struct span *span, enum chart_scale scale, double room)
{
    if (scale == CHART_LINEAR) {
        double width = span->high - span->low;
        width = width > 0.0 ? room * width : 0.5 * (span->high != 0.0 ? fabs(span->high) : 1.0);
        /* Quantities that are never negative keep their zero. */
        span->low = span->low >= 0.0 && span->low < 1.5 * width ? 0.0 : span->low - width;
        span->high += width;
        return;
    }
    double factor = span->high > span->low ? pow(span->high / span->low, room) : sqrt(10.0);
    span->low /= factor;
    span->high *= factor;
}

static bool span_x(const struct chart *chart, struct span *span)
{
    *span = (struct span){INFINITY, -INFINITY};
    for (int i = 0; i < chart->series_count; i++)
        for (int64_t k = 0; k < chart->series[i].count; k++)
            if (isfinite(chart->series[i].y[k]))
                cover(span, chart->x.scale, chart->series[i].x[k]);
    if (!isnan(chart->x.low))
        span->low = chart->x.low;
    if (!isnan(chart->x.high))
        span->high = chart->x.high;
    if (!(span->low <= span->high))
        return false;
    bool discrete = false; /* then its first and last value need room beside them */
    for (int i = 0; i < chart->series_count; i++)
        discrete |= chart->series[i].mark == CHART_SPREAD || chart->series[i].mark == CHART_BARS;
    if (span->low == span->high || (discrete && isnan(chart->x.low))) {
        if (chart->x.scale == CHART_LINEAR) {
            double room = span->low == span->high ? 0.5 : 0.06 * (span->high - span->low);
            span->low -= room;
            span->high += room;
        } else {
            widen(span, chart->x.scale, 0.06);
        }
    }
    return true;
}

bool chart_frame_of(const struct chart *chart, struct chart_frame *frame)
{
    struct span x, y = {INFINITY, -INFINITY};
    if (!span_x(chart, &x))
        return false;
    struct chart within = *chart;
    within.x.low = x.low;
    within.x.high = x.high;
    cover_all(&y, &within);
    for (int i = 0; i < chart->limit_count; i++)
        cover(&y, chart->y.scale, chart->limits[i].at);
    if (!(y.low <= y.high) && (isnan(chart->y.low) || isnan(chart->y.high)))
        return false;
    widen(&y, chart->y.scale, 0.05);
    *frame = (struct chart_frame){x.low, x.high, isnan(chart->y.low) ? y.low : chart->y.low,
                                  isnan(chart->y.high) ? y.high : chart->y.high};
    return frame->bottom < frame->top && frame->left < frame->right;
}

double chart_place(enum chart_scale scale, double low, double high, double value)
{
    if (scale == CHART_LINEAR)
        return (value - low) / (high - low);
    return value > 0.0 ? log(value / low) / log(high / low) : NAN;
}

/* ---- thinning ---- */

/* What a column of pixels keeps: positions in the series, -1: none yet. */
struct column {
    int64_t first, lowest, highest, last;
};

static void put_point(struct chart_series *to, const struct chart_series *from, int64_t at)
{
    ((double *)to->x)[to->count] = from->x[at];
    ((double *)to->y)[to->count] = from->y[at];
    if (from->low)
        ((double *)to->low)[to->count] = from->low[at];
    if (from->high)
        ((double *)to->high)[to->count] = from->high[at];
    to->count++;
}

static void close_column(struct chart_series *to, const struct chart_series *from, struct column *column)
{
    if (column->first < 0)
        return;
    const int64_t order[] = {column->first, column->lowest < column->highest ? column->lowest : column->highest,
                             column->lowest < column->highest ? column->highest : column->lowest, column->last};
    int64_t before = -1;
    for (int i = 0; i < COUNT_OF(order); i++)
        if (order[i] > before) {
            put_point(to, from, order[i]);
            before = order[i];
        }
    *column = (struct column){-1, -1, -1, -1};
}

static void take_point(struct column *column, const struct chart_series *series, int64_t at)
{
    if (column->first < 0)
        *column = (struct column){at, at, at, at};
    if (series->y[at] < series->y[column->lowest])
        column->lowest = at;
    if (series->y[at] > series->y[column->highest])
        column->highest = at;
    column->last = at;
}

void chart_thin(const struct chart_series *series, enum chart_scale scale, double left, double right, int columns,
                struct arena *arena, struct chart_series *thinned)
{
    enum { KEPT = 9 }; /* of each column: four points before a gap, the gap, four after it */
    *thinned = *series;
    if (series->count <= (int64_t)columns * 2)
        return;
    const size_t most = ((size_t)columns + 3) * KEPT * sizeof(double);
    thinned->count = 0;
    thinned->x = arena_push(arena, most);
    thinned->y = arena_push(arena, most);
    if (series->low)
        thinned->low = arena_push(arena, most);
    if (series->high)
        thinned->high = arena_push(arena, most);
    struct column column = {-1, -1, -1, -1};
    int at = -1;
    bool gap = false;
    for (int64_t i = 0; i < series->count; i++) {
        double place = chart_place(scale, left, right, series->x[i]) * columns;
        int here = !(place >= 0.0) ? 0 : place > columns ? columns + 1 : (int)place + 1;
        if (here > at) {
            close_column(thinned, series, &column);
            at = here;
            gap = false;
        }
        if (isfinite(series->y[i])) {
            take_point(&column, series, i);
        } else if (!gap) { /* one a column is seen, more are not */
            close_column(thinned, series, &column);
            put_point(thinned, series, i);
            gap = true;
        }
    }
    close_column(thinned, series, &column);
}
