/* table: see include/table.h. Owns the reading of CSV files of numbers; must not know what the columns mean. */
#include "table.h"

#include "file.h"

#include <math.h>
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

static int read_row(struct table *table, const char *name, const char *at, const char *end)
{
    int64_t row = table->row_count;
    int cells = count_cells(at, end);
    if (cells != table->column_count)
        return FAIL(ERR_DATA, "%s:%lld: has %d cells where the head has %d; the file was changed or damaged", name,
                    (long long)row + 2, cells, table->column_count);
    for (int c = 0; c < table->column_count; c++) {
        const char *cell = at, *stop = next_cell(&at, end);
        if (!read_cell(cell, stop, &table->columns[c][row]))
            return FAIL(ERR_DATA, "%s:%lld: %s is '%.*s', which is no number; the file was changed or damaged", name,
                        (long long)row + 2, table->names[c], (int)(stop - cell < 40 ? stop - cell : 40), cell);
    }
    table->row_count++;
    return OK;
}

static int read_rows(struct table *table, const char *name, const char *at, const char *end)
{
    int64_t rows = 0;
    for (const char *line = at, *stop; (stop = line_end(line, end)); line = stop + 1)
        rows++;
    table->columns = arena_push(&table->arena, (size_t)table->column_count * sizeof *table->columns);
    for (int c = 0; c < table->column_count; c++)
        table->columns[c] = arena_push(&table->arena, (size_t)(rows + 1) * sizeof **table->columns);
    for (const char *stop; (stop = line_end(at, end)); at = stop + 1)
        TRY(read_row(table, name, at, stop));
    return OK;
}

int table_parse(struct table *table, const char *name, const char *text, size_t bytes)
{
    *table = (struct table){0};
    const char *end = text + bytes, *head = line_end(text, end);
    if (!head || head == text || memchr(text, 0, bytes))
        return FAIL(ERR_DATA, "%s: is no table: it has no head line", name);
    read_head(table, text, head);
    int status = read_rows(table, name, head + 1, end);
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
