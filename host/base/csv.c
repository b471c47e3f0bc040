/* csv: see include/csv.h. Owns quotes and the ends of cells and rows. */
#include "csv.h"

#include <string.h>

/* Takes the cell at *at apart and returns its first byte; *at is left behind its end, *more: a comma followed. NULL:
 * the text ended within the row. */
static char *take_cell(char **at, const char *end, bool *more)
{
    const char *from = *at;
    char *cell = *at, *to = *at;
    bool quoted = false;
    for (; from < end; from++) {
        if (*from == '"') {
            /* Within quotes two stand for one; else they open or close. */
            if (quoted && from + 1 < end && from[1] == '"')
                *to++ = *from++;
            else
                quoted = !quoted;
        } else if (!quoted && (*from == ',' || *from == '\n')) {
            *more = *from == ',';
            *at = cell + (from - cell) + 1;
            if (!*more && to > cell && to[-1] == '\r' && from[-1] == '\r')
                to--;
            *to = 0;
            return cell;
        } else {
            *to++ = *from;
        }
    }
    return NULL;
}

bool csv_row(struct csv *csv, char **cells, int most, int *count)
{
    *count = 0;
    for (bool more = true; more;) {
        char *cell = take_cell(&csv->at, csv->end, &more);
        if (!cell)
            return false;
        if (*count < most)
            cells[(*count)++] = cell;
    }
    return true;
}

int csv_column(char *const *head, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (strcmp(head[i], name) == 0)
            return i;
    return -1;
}
