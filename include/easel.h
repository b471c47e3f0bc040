/* easel: pictures with two lines of text below each, as one PNG.
 * Level 1: includes base. */
#ifndef EASEL_H
#define EASEL_H
#include "base.h"

struct cell {
    uint8_t *rgb; /* [height][width][3] */
    const char *lines[2];
};
struct sheet {
    const char *title;
    struct cell *cells;
    int count, height, width; /* pixels of each picture */
};

/* As a PNG in rows, small pictures enlarged, large ones reduced. Text is shortened to the width of its picture.
 * ERR_UNSUPPORTED: built without cairo. */
int easel_write(const char *file, const struct sheet *sheet);
#endif
