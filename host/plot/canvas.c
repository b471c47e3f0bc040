/* canvas: see canvas.h. Must not know what is drawn. */
#include "canvas.h"

#include <math.h>
#include <stdlib.h>

/* The sixteen colours that every terminal has, in the shades that the person chose for them. */
static const char *const colours[CHART_COLOURS] = {
    [CHART_BLUE] = "94", [CHART_ORANGE] = "33", [CHART_GREEN] = "32", [CHART_PURPLE] = "35", [CHART_YELLOW] = "93",
    [CHART_SKY] = "36",  [CHART_BROWN] = "95",  [CHART_GREY] = "90",  [CHART_INK] = "39",    [CHART_RED] = "31",
};

/* A braille letter has two columns of four dots; their bits, from the top. */
static const uint8_t dot_bits[2][4] = {{0x01, 0x02, 0x04, 0x40}, {0x08, 0x10, 0x20, 0x80}};

void canvas_begin(struct canvas *canvas, struct arena *arena, const struct terminal *terminal, int columns, int rows,
                  bool braille)
{
    *canvas = (struct canvas){.columns = columns,
                              .rows = rows,
                              .across = braille ? 2 : 1,
                              .down = braille ? 4 : 1,
                              .utf8 = terminal->utf8,
                              .color = terminal->color};
    canvas->cells = arena_push(arena, (size_t)columns * (size_t)rows * sizeof *canvas->cells);
}

/* The cell with that dot, taken by the pen; NULL: outside, or something higher is there. */
static struct cell *cell_of(struct canvas *canvas, const struct pen *pen, int x, int y)
{
    if (x < 0 || y < 0 || x >= canvas->columns * canvas->across || y >= canvas->rows * canvas->down)
        return NULL;
    struct cell *cell = &canvas->cells[y / canvas->down * canvas->columns + x / canvas->across];
    if (cell->layer > pen->layer)
        return NULL;
    if (cell->layer < pen->layer)
        *cell = (struct cell){.layer = (uint8_t)pen->layer};
    cell->colour = (uint8_t)pen->colour;
    cell->letter = pen->letter;
    return cell;
}

static void put_dot(struct canvas *canvas, const struct pen *pen, int x, int y)
{
    struct cell *cell = cell_of(canvas, pen, x, y);
    if (cell)
        cell->dots |= dot_bits[x % canvas->across][y % canvas->down];
}

/* The dot at a share of the width or height, whose ends are the outermost dots' middles. */
static int dot_at(double share, int cells, int dots)
{
    const double most = 1e6;
    return (int)lround(fmin(fmax(share * (cells * dots - 1), -most), most));
}

void canvas_dot(struct canvas *canvas, const struct pen *pen, double x, double y)
{
    if (isfinite(x) && isfinite(y))
        put_dot(canvas, pen, dot_at(x, canvas->columns, canvas->across), dot_at(y, canvas->rows, canvas->down));
}

void canvas_line(struct canvas *canvas, const struct pen *pen, double x0, double y0, double x1, double y1)
{
    const int width = canvas->columns * canvas->across, height = canvas->rows * canvas->down;
    const double left = x0 * (width - 1), right = x1 * (width - 1), top = y0 * (height - 1), bottom = y1 * (height - 1);
    if (!isfinite(left + right + top + bottom))
        return;
    /* Lines that leave the canvas far away are cut where they would take long. */
    const double dots = fmin(fmax(fabs(right - left), fabs(bottom - top)) + 1.0, 1e5);
    for (int k = 0; k <= (int)dots; k++)
        canvas_dot(canvas, pen, x0 + (x1 - x0) * k / (int)dots, y0 + (y1 - y0) * k / (int)dots);
}

void canvas_letter(struct canvas *canvas, const struct pen *pen, double x, double y)
{
    if (!isfinite(x) || !isfinite(y))
        return;
    struct cell *cell =
        cell_of(canvas, pen, dot_at(x, canvas->columns, canvas->across), dot_at(y, canvas->rows, canvas->down));
    if (cell)
        cell->dots = 0;
}

const char *canvas_block(const struct canvas *canvas, char letter)
{
    static const char *const shades[] = {"\u2588", "\u2592", "\u2591"};
    static const char letters[] = "#+.";
    for (int i = 0; i < COUNT_OF(shades); i++)
        if (letters[i] == letter && canvas->utf8)
            return shades[canvas->color ? 0 : i];
    return NULL;
}

void canvas_color(const struct canvas *canvas, FILE *stream, enum chart_colour colour)
{
    if (canvas->color)
        fprintf(stream, "\033[%sm", colours[colour]);
}

void canvas_plain(const struct canvas *canvas, FILE *stream)
{
    if (canvas->color)
        fputs("\033[0m", stream);
}

static void print_cell(const struct canvas *canvas, const struct cell *cell, FILE *stream)
{
    const char *block = cell->layer == LAYER_FILL ? canvas_block(canvas, cell->letter) : NULL;
    if (cell->layer == LAYER_NONE)
        fputc(' ', stream);
    else if (block)
        fputs(block, stream);
    else if (cell->dots && canvas->across > 1) /* U+2800 and the dots, in UTF-8 */
        fprintf(stream, "\xE2%c%c", 0xA0 | cell->dots >> 6, 0x80 | (cell->dots & 0x3F));
    else
        fputc(cell->letter, stream);
}

void canvas_print_row(const struct canvas *canvas, int row, FILE *stream)
{
    int colour = -1, last = canvas->columns;
    const struct cell *cells = &canvas->cells[row * canvas->columns];
    while (last > 0 && cells[last - 1].layer == LAYER_NONE)
        last--;
    for (int x = 0; x < last; x++) {
        if (cells[x].layer != LAYER_NONE && cells[x].colour != colour) {
            colour = cells[x].colour;
            canvas_color(canvas, stream, colour);
        }
        print_cell(canvas, &cells[x], stream);
    }
    if (colour >= 0)
        canvas_plain(canvas, stream);
}
