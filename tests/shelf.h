/* shelf: tar files for tests, written by hand so that they can be wrong in any way. */
#ifndef TESTS_SHELF_H
#define TESTS_SHELF_H
#include "fixtures.h"

#include <stdio.h>

struct shelf {
    FILE *file;
};
void shelf_open(struct shelf *shelf, const char *path);
/* kind: '0' a file, '2' a symbolic link to link, '1' a hard link, '5' a folder, '6' a pipe. */
void shelf_add(struct shelf *shelf, const char *name, char kind, const char *link, const void *bytes, size_t count);
void shelf_text(struct shelf *shelf, const char *name, const char *text);
void shelf_png(struct shelf *shelf, const char *name, int height, int width, int shade);
/* Ends with the two empty blocks that a tar file has. */
void shelf_close(struct shelf *shelf);
#endif
