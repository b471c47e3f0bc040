/* terminal: what a stream's terminal can show.
 * Level 1. */
#ifndef TERMINAL_H
#define TERMINAL_H
#include "base.h"

struct terminal {
    int columns, lines;
    bool utf8;   /* letters beyond ASCII; told from LC_ALL, LC_CTYPE, LANG */
    bool color;  /* --color, NO_COLOR and so on: see log.h */
    bool screen; /* what was written can be drawn over */
};

/* Size: COLUMNS and LINES where they are set, else the terminal's own, else 80 x 24. */
void terminal_look(struct terminal *terminal, int descriptor);
#endif
