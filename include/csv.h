/* csv: rows of text cells, quoted where they need it (RFC 4180), as samples.csv and predictions.csv have them. Tables
 * of numbers alone: table.h. Level 1: includes base. */
#ifndef CSV_H
#define CSV_H
#include "base.h"

/* A text being taken apart; it is changed: cells are terminated where they stand. */
struct csv {
    char *at, *end; /* what is left; *end is a zero byte */
};
/* The next row's cells, at most so many (more are left out); they point into the text. false: the text is over. A last
 * row without its end is still being written and left out. */
bool csv_row(struct csv *csv, char **cells, int most, int *count);
/* The place of a column in a head line's cells; -1: it is not there. */
int csv_column(char *const *head, int count, const char *name);
#endif
