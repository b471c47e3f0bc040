/* order: see order.h. Must not know what the numbers and names are. */
#include "order.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *left, const void *right)
{
    const double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

void sort_doubles(double *values, int64_t count)
{
    if (count > 0)
        qsort(values, (size_t)count, sizeof *values, compare);
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

void sort_names(const char **names, int64_t count)
{
    if (count > 0)
        qsort(names, (size_t)count, sizeof *names, compare_names);
}

double median_of_known(double *values, int64_t count)
{
    int64_t known = 0;
    for (int64_t i = 0; i < count; i++)
        if (!isnan(values[i]))
            values[known++] = values[i];
    if (known == 0)
        return NAN;
    sort_doubles(values, known);
    return known % 2 ? values[known / 2] : 0.5 * (values[known / 2 - 1] + values[known / 2]);
}
