/* picture: panels on a page, as PNG. See include/plot.h. Owns the page's layout; what a panel looks like is panel.c's.
 */
#include "plot.h"

#ifdef WITH_CAIRO
#include "file.h"
#include "panel.h"

#include <math.h>
#include <string.h>

/* Pixels at plain size; the file has SCALE of them for each, for screens that are as fine and for print. */
enum {
    SCALE = 2,
    PANEL_WIDTH = 380,
    PANEL_HEIGHT = 270,
    GAP = 26,
    EDGE = 24,
    HEAD = 58,
    NOTE_LINE = 17,
    NOTES_MOST = 16
};

static const uint32_t ink = 0x1d232c, grey = 0x5b6472;
static const struct lettering heading = {19.0, PANEL_BOLD, ink}, below = {12.0, PANEL_PLAIN, grey},
                              note = {12.0, PANEL_PLAIN, ink};

struct layout {
    int columns, rows;
    int first;            /* columns of the first chart */
    double width, height; /* of the page */
    double notes;         /* where they begin */
};

/* The first chart takes two columns, but where the charts fill their rows without that. */
static struct layout lay_out(const struct charts *charts)
{
    const int cells = charts->count + 1;
    struct layout layout = {.columns = cells > 6 ? 4 : cells > 4 ? 3 : 2};
    layout.first = charts->count % layout.columns == 0 ? 1 : 2;
    layout.rows = (charts->count + layout.first - 1 + layout.columns - 1) / layout.columns;
    layout.width = 2 * EDGE + layout.columns * PANEL_WIDTH + (layout.columns - 1) * GAP;
    layout.notes = EDGE + HEAD + layout.rows * (PANEL_HEIGHT + GAP);
    return layout;
}

/* One line's worth of a text from *at on, which is moved behind it; broken at a blank. */
static void next_line(cairo_t *cairo, const char *text, size_t *at, double room, char line[static PLOT_NOTE])
{
    size_t end = *at, fitting = *at;
    do {
        end += strcspn(text + end + (end > *at), " ") + (end > *at);
        snprintf(line, PLOT_NOTE, "%.*s", (int)(end - *at), text + *at);
        if (fitting > *at && panel_text_width(cairo, &note, line) > room)
            break;
        fitting = end;
    } while (text[end]);
    snprintf(line, PLOT_NOTE, "%.*s", (int)(fitting - *at), text + *at);
    *at = fitting + (text[fitting] == ' ');
}

/* Draws the notes, or only counts their lines. */
static int put_notes(cairo_t *cairo, const struct plot_page *page, const struct layout *layout, bool drawn)
{
    char line[PLOT_NOTE];
    int lines = 0;
    for (int i = 0; i < page->note_count; i++)
        for (size_t at = 0; page->notes[i][at] && lines < NOTES_MOST; lines++) {
            next_line(cairo, page->notes[i], &at, layout->width - 2 * EDGE, line);
            if (drawn)
                panel_text(cairo, &note, EDGE, layout->notes + NOTE_LINE * lines, 0.0, line);
        }
    return lines;
}

static void draw(cairo_t *cairo, const struct plot_page *page, const struct layout *layout)
{
    cairo_scale(cairo, SCALE, SCALE);
    cairo_set_source_rgb(cairo, 1.0, 1.0, 1.0);
    cairo_paint(cairo);
    panel_text(cairo, &heading, EDGE, EDGE + 14.0, 0.0, page->title);
    panel_text(cairo, &below, EDGE, EDGE + 34.0, 0.0, page->subtitle);
    for (int i = 0, cell = 0; i < page->charts->count; i++) {
        const int cells = i == 0 ? layout->first : 1;
        const struct box box = {
            .left = EDGE + cell % layout->columns * (PANEL_WIDTH + GAP),
            .top = EDGE + HEAD + cell / layout->columns * (PANEL_HEIGHT + GAP),
            .width = cells * PANEL_WIDTH + (cells - 1) * GAP,
            .height = PANEL_HEIGHT,
        };
        panel_draw(cairo, &page->charts->list[i], box);
        cell += cells;
    }
    put_notes(cairo, page, layout, true);
}

static cairo_status_t write_bytes(void *stream, const unsigned char *bytes, unsigned count)
{
    fwrite(bytes, 1, count, stream); /* its errors stay in the stream until commit */
    return CAIRO_STATUS_SUCCESS;
}

/* Text is measured before there is a page: its height depends on how it breaks. */
static void measure(const struct plot_page *page, struct layout *layout)
{
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, 1, 1);
    cairo_t *cairo = cairo_create(surface);
    layout->height = layout->notes + NOTE_LINE * put_notes(cairo, page, layout, false) + EDGE - NOTE_LINE;
    cairo_destroy(cairo);
    cairo_surface_destroy(surface);
}

int plot_write_png(const struct plot_page *page, const char *path)
{
    struct layout layout = lay_out(page->charts);
    struct new_file file = {0};
    measure(page, &layout);
    cairo_surface_t *surface =
        cairo_image_surface_create(CAIRO_FORMAT_RGB24, SCALE * (int)layout.width, SCALE * (int)layout.height);
    cairo_t *cairo = cairo_create(surface);
    draw(cairo, page, &layout);
    int status = new_file_open(&file, path);
    cairo_status_t drawn = cairo_status(cairo);
    if (status >= 0 && drawn == CAIRO_STATUS_SUCCESS)
        drawn = cairo_surface_write_to_png_stream(surface, write_bytes, file.stream);
    if (status >= 0 && drawn != CAIRO_STATUS_SUCCESS) {
        new_file_abandon(&file);
        status = FAIL(ERR_MEMORY, "%s: cairo cannot draw it: %s", path, cairo_status_to_string(drawn));
    }
    if (status >= 0)
        status = new_file_commit(&file);
    cairo_destroy(cairo);
    cairo_surface_destroy(surface);
    return status;
}
#else
int plot_write_png(const struct plot_page *page, const char *path)
{
    (void)page;
    return FAIL(ERR_UNSUPPORTED, "%s: this program was built without cairo; install libcairo2-dev and build again",
                path);
}
#endif
