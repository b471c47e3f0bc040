/* order: numbers in order, and the one in the middle; names in order.
 * Level 1. */
#ifndef ORDER_H
#define ORDER_H
#include "base.h"

/* In place, ascending; none is NaN. */
void sort_doubles(double *values, int64_t count);
/* In place, by byte value (as Python sorts str). */
void sort_names(const char **names, int64_t count);
/* Of the numbers among values, which are put in order at the beginning; between two in the middle their mean. NaN:
 * there are none. */
double median_of_known(double *values, int64_t count);
#endif
