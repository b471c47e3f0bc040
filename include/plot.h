/* plot: charts drawn: in letters, and as a picture.
 * Level 3: includes chart, terminal. */
#ifndef PLOT_H
#define PLOT_H
#include "chart.h"
#include "terminal.h"

#include <stdio.h>

/* A chart in so many lines (at least PLOT_LINES) of the terminal's width. Curves are braille dots, or ASCII letters
 * where the terminal has no others, or no colours to tell several lines apart. Nothing where there is nothing to be
 * seen. */
enum { PLOT_LINES = 9 };
void plot_text(const struct chart *chart, const struct terminal *terminal, int lines, FILE *stream);

/* Charts side by side, the first one larger, with some sentences below. */
enum { PLOT_NOTE = 1024 };
struct plot_page {
    const char *title, *subtitle;
    const struct charts *charts;
    const char *const *notes; /* [note_count], each shorter than PLOT_NOTE */
    int note_count;
};
/* ERR_UNSUPPORTED: built without cairo. The same page is the same file, where fonts are the same. */
int plot_write_png(const struct plot_page *page, const char *path);
#endif
