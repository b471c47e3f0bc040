/* survey: what is summed up of an array for the statistics of a layer. Compiled by the C compiler and by nvcc. */
#ifndef COMMON_SURVEY_H
#define COMMON_SURVEY_H
#include "backend.h"

HOST_DEVICE void survey_take(struct survey_sums *sums, float value)
{
    sums->sum += (double)value;
    sums->squares += (double)value * (double)value;
    sums->positive += value > 0.0f;
}

HOST_DEVICE struct survey_sums survey_merge(struct survey_sums a, struct survey_sums b)
{
    a.sum += b.sum;
    a.squares += b.squares;
    a.positive += b.positive;
    a.dead += b.dead;
    return a;
}
#endif
