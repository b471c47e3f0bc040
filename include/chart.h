/* chart: a chart as data: what is to be seen, not how it is drawn. Filled from a run (include/report.h), drawn by
 * renderers: as SVG, as PNG, in the terminal.
 * Level 2: includes base. */
#ifndef CHART_H
#define CHART_H
#include "base.h"

enum chart_scale { CHART_LINEAR, CHART_LOG10, CHART_LOG2 };
enum chart_mark {
    CHART_RAW,    /* line, thin and pale: single values behind a smoothed line */
    CHART_BAND,   /* between low and y, pale */
    CHART_AREA,   /* between low and y, full colour: a layer of a stack */
    CHART_LINE,   /* through the points */
    CHART_STEP,   /* y holds until the next x */
    CHART_BARS,   /* from 0 to y, centred on x */
    CHART_DOTS,   /* points joined by a thin line */
    CHART_SPREAD, /* dots, joined, each with a whisker from low to high */
};
/* Roles rather than colours: a renderer has a colour for each, told apart also by people who do not see red or green
 * and on light and dark ground alike (chart_colours). CHART_INK is the text's own. */
enum chart_colour {
    CHART_BLUE,
    CHART_ORANGE,
    CHART_GREEN,
    CHART_PURPLE,
    CHART_YELLOW,
    CHART_SKY,
    CHART_BROWN,
    CHART_GREY,
    CHART_INK,
    CHART_RED, /* for what is wrong, nothing else */
    CHART_COLOURS
};
struct chart_rgb {
    uint32_t light, dark; /* 0xRRGGBB, on light and on dark ground */
};
extern const struct chart_rgb chart_colours[CHART_COLOURS];
/* The colour for letters, which want more contrast than lines: nearer to the ink. */
struct chart_rgb chart_letter_colour(enum chart_colour colour);

/* x ascends; NaN in y (or low, high) is a gap. Arrays are not owned by the chart: see struct charts. */
struct chart_series {
    enum chart_mark mark;
    enum chart_colour colour;
    const char *name; /* in the legend or at the line's end; "": in neither */
    bool dashed;      /* a second one of its colour */
    int64_t count;
    const double *x, *y;
    const double *low, *high; /* BAND, AREA: low; SPREAD: both; else NULL. high INFINITY: no upper end is known, the
                               * whisker leaves the frame */
};
/* A line across the chart: at an x (something happened there) or at a y (a limit). */
struct chart_line {
    double at;
    enum chart_colour colour;
    const char *text; /* few words, or "" */
};
/* A stretch of x that is shaded. */
struct chart_region {
    double from, to;
    enum chart_colour colour;
    const char *text;
};
struct chart_axis {
    const char *title; /* with its unit; "": none */
    enum chart_scale scale;
    double low, high;         /* NaN: from the data */
    bool percent;             /* values are shares 0..1, labelled 0 % to 100 % */
    const double *ticks;      /* [tick_count], or NULL for round numbers */
    const char *const *names; /* of the ticks; NULL: the numbers */
    int tick_count;
};

enum { CHART_SERIES = 16, CHART_LINES = 12, CHART_REGIONS = 2 };
struct chart {
    const char *id;    /* "loss": unique among its charts; letters, digits, dashes */
    const char *title; /* what one sees */
    const char *how;   /* how to read it, one line */
    struct chart_axis x, y;
    struct chart_series series[CHART_SERIES]; /* drawn in this order, except that marks are drawn in theirs */
    int series_count;
    struct chart_line events[CHART_LINES]; /* at an x */
    int event_count;
    struct chart_line limits[CHART_LINES]; /* at a y */
    int limit_count;
    struct chart_region regions[CHART_REGIONS];
    int region_count;
};

/* Charts and all they point to. charts_free accepts a zeroed struct. */
enum { CHARTS_MOST = 32 };
struct charts {
    struct chart list[CHARTS_MOST];
    int count;
    struct arena arena;
};
void charts_free(struct charts *charts);
/* The chart of that id, or NULL. */
const struct chart *charts_find(const struct charts *charts, const char *id);

/* ---- filling ---- */

struct chart *chart_add(struct charts *charts, const char *id, const char *title, const char *how);
/* Takes back the chart that was added last where nothing was put in it. */
void chart_end(struct charts *charts);
/* Returns NULL, and adds nothing, where no y is a finite number (or the chart is full). */
struct chart_series *chart_series_add(struct chart *chart, enum chart_mark mark, enum chart_colour colour,
                                      const char *name, int64_t count, const double *x, const double *y);
void chart_event_add(struct chart *chart, double x, enum chart_colour colour, const char *text);
void chart_limit_add(struct chart *chart, double y, enum chart_colour colour, const char *text);

/* ---- what renderers share ---- */

/* Corners of what is shown, in values. Raw lines may leave it: its height is chosen for the rest, and for all but their
 * rarest values. */
struct chart_frame {
    double left, right, bottom, top;
};
/* false: there is nothing to be shown. */
bool chart_frame_of(const struct chart *chart, struct chart_frame *frame);
/* 0 at the axis' low end, 1 at its high end; outside of it, less or more. NaN where the scale has no such value. */
double chart_place(enum chart_scale scale, double low, double high, double value);

enum { CHART_TICKS = 16, CHART_TICK_TEXT = 24 };
struct chart_ticks {
    int count;
    double at[CHART_TICKS];
    char text[CHART_TICKS][CHART_TICK_TEXT];
};
/* Round numbers within low..high, about as many as wanted: 1, 2 or 5 times a power of ten; on logarithmic axes powers,
 * thinned out. The axis' own ticks, where it has some. */
void chart_ticks_of(const struct chart_axis *axis, double low, double high, int wanted, struct chart_ticks *ticks);

/* The series cut to what so many columns of pixels between left and right can show: of each column the first, lowest,
 * highest and last point, in order. Arrays of the arena. Series that are short enough are passed on as they are. */
void chart_thin(const struct chart_series *series, enum chart_scale scale, double left, double right, int columns,
                struct arena *arena, struct chart_series *thinned);
#endif
