/* mixture: numbers of two kinds told apart.
 * Level 1: includes base. */
#ifndef MIXTURE_H
#define MIXTURE_H
#include "base.h"

/* Two normal distributions; [1] is the one of larger values. */
struct mixture {
    double mean[2], deviation[2];
    double share; /* of the second, over all */
    /* Distance of the means over the root mean square of the deviations (Ashman, Bird and Zepf 1994): above 2 the two
     * are two, below it is as likely one kind with a tail. */
    double separation, separation_error; /* the latter: its standard error, were it known which value is of which kind
                                          */
};

/* Fits by expectation and maximisation, from a start that is a function of the values alone. How frequent the second
 * kind is may differ by group, [count] numbers below groups; groups with few members lean on the share over all.
 * posterior: [count], the probability that a value is of the second kind. count: at least 2. */
void mixture_fit(struct mixture *mixture, const double *values, const int32_t *group, int64_t count, int32_t groups,
                 double *posterior);
#endif
