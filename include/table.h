/* table: the numbers of a CSV file with a head line, by column: steps.csv, results.csv and the like, also of a run that
 * is still writing them.
 * Level 1: includes base. */
#ifndef TABLE_H
#define TABLE_H
#include "base.h"

struct table {
    struct arena arena;
    int column_count;
    const char **names; /* [column_count] */
    int64_t row_count;
    double **columns; /* [column_count][row_count]; an empty cell is NaN */
    int64_t row_room; /* of columns */
    int64_t bytes;    /* of the file, that have been read */
};

/* Reads the whole file. A last line without its end is still being written and left out. ERR_NO_INPUT: no such file.
 * ERR_DATA names the line: another number of cells than the head has, or a cell that is no number. table_free accepts a
 * zeroed struct. */
int table_read(struct table *table, const char *path);
/* Rows that could not be read. */
struct table_damage {
    int64_t rows;
    char first[300]; /* what table_read says of the first of them; "" */
};
/* table_read for who shows what there is: such rows are left out, counted and told. Of a file without a head line no
 * row is left, and that is told. */
int table_salvage(struct table *table, const char *path, struct table_damage *damage);
/* The same as table_read of text in memory; name is for errors. */
int table_parse(struct table *table, const char *name, const char *text, size_t bytes);
/* Reads the rows that a file has got since table_read or the last table_follow; all of it where table is zeroed. The
 * file must only have grown. On failure the rows before the mistake are there. Columns may move. */
int table_follow(struct table *table, const char *path);
void table_free(struct table *table);
/* NULL: no column of that name. */
const double *table_column(const struct table *table, const char *name);
/* The column, or row_count times NaN where there is none: written by an older version. Never NULL. */
const double *table_column_or_nan(struct table *table, const char *name);
/* The column's last number; NaN where there is no row, or no such column. */
double table_last(const struct table *table, const char *name);
#endif
