/* canvas: a picture made of a terminal's letters. Private to host/plot. Where the terminal has braille letters, a cell
 * is 2 x 4 dots; elsewhere it is one. */
#ifndef CANVAS_H
#define CANVAS_H
#include "chart.h"
#include "terminal.h"

#include <stdio.h>

/* What is on a higher layer takes the whole cell from what is below it. */
enum layer { LAYER_NONE, LAYER_FILL, LAYER_CLOUD, LAYER_MARK, LAYER_LINE, LAYER_LETTER };

struct cell {
    uint8_t layer, colour, dots;
    char letter; /* where there are no dots: what stands for them */
};
struct canvas {
    int columns, rows;  /* of cells */
    int across, down;   /* dots of a cell */
    bool utf8, color;   /* the terminal's */
    struct cell *cells; /* [rows][columns] */
};

/* Empty; the cells lie in the arena. braille: only where the terminal can show them. */
void canvas_begin(struct canvas *canvas, struct arena *arena, const struct terminal *terminal, int columns, int rows,
                  bool braille);
/* Places are shares of the canvas: x from the left, y from the top, 0..1. What lies outside is left out. letter: for
 * canvases without dots. */
struct pen {
    enum layer layer;
    enum chart_colour colour;
    char letter;
};
void canvas_dot(struct canvas *canvas, const struct pen *pen, double x, double y);
void canvas_line(struct canvas *canvas, const struct pen *pen, double x0, double y0, double x1, double y1);
/* The whole cell: the letter itself, or a block where the pen fills. */
void canvas_letter(struct canvas *canvas, const struct pen *pen, double x, double y);
void canvas_print_row(const struct canvas *canvas, int row, FILE *stream);

/* Begins and ends a colour; nothing where colour is off. */
void canvas_color(const struct canvas *canvas, FILE *stream, enum chart_colour colour);
void canvas_plain(const struct canvas *canvas, FILE *stream);
/* What a fill looks like. */
const char *canvas_block(const struct canvas *canvas, char letter);
#endif
