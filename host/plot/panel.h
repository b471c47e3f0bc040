/* panel: one chart drawn by cairo. Private to host/plot. */
#ifndef PANEL_H
#define PANEL_H
#include "chart.h"

#include <cairo.h>

struct box {
    double left, top, width, height;
};

/* Title, names, axes and curves within the box, whose unit is a pixel of a page at its plain size. */
void panel_draw(cairo_t *cairo, const struct chart *chart, struct box box);

enum panel_weight { PANEL_PLAIN, PANEL_BOLD };
/* Text for panel_text: anchor 0: begins at x; 0.5: centred; 1: ends there. Returns its width. Bytes that are no UTF-8
 * are replaced. */
struct lettering {
    double size;
    enum panel_weight weight;
    uint32_t colour; /* 0xRRGGBB */
};
double panel_text(cairo_t *cairo, const struct lettering *lettering, double x, double y, double anchor,
                  const char *text);
double panel_text_width(cairo_t *cairo, const struct lettering *lettering, const char *text);
#endif
