/* table: see include/table.h. Owns the reading of CSV files of numbers; must not know what the columns mean. */
#include "table.h"

#include "file.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where the line ends: its newline, or NULL where the text stops before one. */
static const char *line_end(const char *at, const char *end)
{
    return memchr(at, '\n', (size_t)(end - at));
}

static int count_cells(const char *at, const char *end)
{
    int count = 1;
    for (; at < end; at++)
        count += *at == ',';
    return count;
}

/* The next cell's end; *at is moved past its comma. */
static const char *next_cell(const char **at, const char *end)
{
    const char *comma = memchr(*at, ',', (size_t)(end - *at));
    const char *stop = comma ? comma : end;
    *at = comma ? comma + 1 : end;
    return stop;
}

static void read_head(struct table *table, const char *at, const char *end)
{
    table->column_count = count_cells(at, end);
    table->names = arena_push(&table->arena, (size_t)table->column_count * sizeof *table->names);
    for (int c = 0; c < table->column_count; c++) {
        const char *cell = at, *stop = next_cell(&at, end);
        table->names[c] = arena_format(&table->arena, "%.*s", (int)(stop - cell), cell);
    }
}

static bool read_cell(const char *cell, const char *stop, double *value)
{
    char text[64], *rest;
    size_t length = (size_t)(stop - cell);
    *value = NAN;
    if (length == 0)
        return true;
    if (length >= sizeof text)
        return false;
    memcpy(text, cell, length);
    text[length] = 0;
    *value = strtod(text, &rest);
    return rest == text + length && !strchr(" \t\v\f\r", *text);
}

static int read_row(struct table *table, const char *name, int64_t line, const char *at, const char *end)
{
    int64_t row = table->row_count;
    int cells = count_cells(at, end);
    if (cells != table->column_count)
        return FAIL(ERR_DATA, "%s:%lld: has %d cells where the head has %d; the file was changed or damaged", name,
                    (long long)line, cells, table->column_count);
    for (int c = 0; c < table->column_count; c++) {
        const char *cell = at, *stop = next_cell(&at, end);
        if (!read_cell(cell, stop, &table->columns[c][row]))
            return FAIL(ERR_DATA, "%s:%lld: %s is '%.*s', which is no number; the file was changed or damaged", name,
                        (long long)line, table->names[c], (int)(stop - cell < 40 ? stop - cell : 40), cell);
    }
    table->row_count++;
    return OK;
}

/* Room for so many more rows, twice as much as there was at least. */
static int make_room(struct table *table, const char *name, int64_t rows)
{
    if (table->columns && table->row_count + rows <= table->row_room)
        return OK;
    int64_t room = 2 * table->row_room;
    room = room > table->row_count + rows ? room : table->row_count + rows;
    double **columns = arena_push(&table->arena, (size_t)table->column_count * sizeof *columns);
    for (int c = 0; c < table->column_count; c++) {
        TRY(arena_take(&table->arena, &columns[c], (size_t)(room + 1) * sizeof **columns, name));
        if (table->row_count > 0)
            memcpy(columns[c], table->columns[c], (size_t)table->row_count * sizeof **columns);
    }
    table->columns = columns;
    table->row_room = room;
    return OK;
}

static void note_damage(struct table_damage *damage)
{
    if (damage->rows++ == 0)
        snprintf(damage->first, sizeof damage->first, "%s", fail_text());
}

/* Whole lines only. damage: where rows that cannot be read are noted; NULL: the first of them ends it. */
static int read_rows(struct table *table, const char *name, const char *at, const char *end,
                     struct table_damage *damage)
{
    int64_t rows = 0;
    for (const char *line = at, *stop; (stop = line_end(line, end)); line = stop + 1)
        rows++;
    TRY(make_room(table, name, rows));
    for (const char *stop; (stop = line_end(at, end)); at = stop + 1) {
        const int status = read_row(table, name, table->row_count + (damage ? damage->rows : 0) + 2, at, stop);
        if (status < 0 && damage)
            note_damage(damage);
        else
            TRY(status);
        table->bytes += stop + 1 - at;
    }
    return OK;
}

/* A beginning, with its head line. */
static int begin_table(struct table *table, const char *name, const char *text, size_t bytes,
                       struct table_damage *damage)
{
    *table = (struct table){0};
    const char *end = text + bytes, *head = line_end(text, end);
    if (!head || head == text || memchr(text, 0, bytes))
        return FAIL(ERR_DATA, "%s: is no table: it has no head line", name);
    read_head(table, text, head);
    table->bytes = head + 1 - text;
    return read_rows(table, name, head + 1, end, damage);
}

int table_parse(struct table *table, const char *name, const char *text, size_t bytes)
{
    int status = begin_table(table, name, text, bytes, NULL);
    if (status < 0)
        table_free(table);
    return status;
}

int table_read(struct table *table, const char *path)
{
    void *text;
    size_t bytes;
    *table = (struct table){0};
    TRY(file_read(path, (size_t)1 << 32, &text, &bytes));
    int status = table_parse(table, path, text, bytes);
    memory_give(text);
    return status;
}

int table_salvage(struct table *table, const char *path, struct table_damage *damage)
{
    void *text;
    size_t bytes;
    *table = (struct table){0};
    *damage = (struct table_damage){0};
    TRY(file_read(path, (size_t)1 << 32, &text, &bytes));
    const int status = begin_table(table, path, text, bytes, damage);
    memory_give(text);
    if (status == OK)
        return OK;
    table_free(table);
    if (status != ERR_DATA)
        return status;
    note_damage(damage);
    return OK;
}

int table_follow(struct table *table, const char *path)
{
    enum { CHUNK = 1 << 20 };
    if (table->bytes == 0)
        return table_read(table, path);
    FILE *file = fopen(path, "re");
    if (!file)
        return FAIL(ERR_NO_INPUT, "%s: cannot open: %s", path, strerror(errno));
    /* No line is as long as a chunk, so each chunk ends one at least, or the file has no more whole lines. */
    char *chunk = malloc(CHUNK);
    int status = chunk && fseeko(file, table->bytes, SEEK_SET) == 0 ? OK : FAIL(ERR_IO, "%s: cannot be read on", path);
    for (int64_t before = -1; status == OK && before != table->bytes;) {
        before = table->bytes;
        const size_t got = fseeko(file, before, SEEK_SET) == 0 ? fread(chunk, 1, CHUNK, file) : 0;
        status = read_rows(table, path, chunk, chunk + got, NULL);
    }
    free(chunk);
    fclose(file);
    return status;
}

void table_free(struct table *table)
{
    arena_free(&table->arena);
    *table = (struct table){0};
}

const double *table_column(const struct table *table, const char *name)
{
    for (int c = 0; c < table->column_count; c++)
        if (strcmp(table->names[c], name) == 0)
            return table->columns[c];
    return NULL;
}

const double *table_column_or_nan(struct table *table, const char *name)
{
    const double *column = table_column(table, name);
    if (column)
        return column;
    double *none = arena_push(&table->arena, (size_t)(table->row_count + 1) * sizeof *none);
    for (int64_t i = 0; i < table->row_count; i++)
        none[i] = NAN;
    return none;
}

double table_last(const struct table *table, const char *name)
{
    const double *column = table_column(table, name);
    return column && table->row_count > 0 ? column[table->row_count - 1] : NAN;
}
