/* svg: what the parts of drawing a chart share. Private to host/report. */
#ifndef SVG_H
#define SVG_H
#include "page.h"

struct drawing {
    FILE *page;
    const struct chart *chart;
    struct chart_frame frame;
    int height; /* pixels */
    struct arena arena;
};
/* 0 at the left, 1 at the right; 0 at the top, 1 at the bottom. */
double svg_across(const struct drawing *drawing, double x);
double svg_down(const struct drawing *drawing, double y);

/* ---- svg_marks.c ---- */
/* All series, within the frame. */
void svg_data(struct drawing *drawing);

/* ---- svg_names.c ---- */
/* Whether the names of the series fit beside the ends of their lines: few and short. */
bool svg_names_fit(const struct chart *chart);
void svg_ends(const struct drawing *drawing);
/* As a list; ends: only for screens that are too narrow for the names at the ends. */
void svg_legend(FILE *page, const struct chart *chart, bool ends);
#endif
