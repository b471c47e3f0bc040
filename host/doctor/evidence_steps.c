/* evidence_steps: the columns of steps.csv by step, where only every so many steps have a row. Must not judge. */
#include "evidence.h"

#include <math.h>

/* A run of more steps has every step's row, or is none. */
#define STEPS_MOST 5e7

int by_step_count(const struct table *table, int64_t *steps)
{
    const double *number = table_column(table, "step");
    double last = -1.0;
    *steps = table->row_count;
    for (int64_t i = 0; number && i < table->row_count; i++) {
        if (!(number[i] > last) || number[i] > fmax(STEPS_MOST, (double)i))
            return FAIL(ERR_DATA, "steps.csv: line %lld: steps do not go up as they are counted", (long long)i + 2);
        last = number[i];
    }
    if (number && table->row_count > 0)
        *steps = (int64_t)last + 1;
    return OK;
}

const double *by_step_column(struct table *table, const char *name, int64_t steps, bool lasts, struct arena *arena)
{
    const double *column = table_column_or_nan(table, name), *number = table_column(table, "step");
    if (steps == table->row_count)
        return column;
    double *by_step = arena_push(arena, (size_t)steps * sizeof *by_step);
    int64_t step = 0;
    for (int64_t i = 0; i < table->row_count; i++) {
        for (; step < (int64_t)number[i]; step++)
            by_step[step] = lasts ? column[i] : NAN;
        by_step[step++] = column[i];
    }
    return by_step;
}
