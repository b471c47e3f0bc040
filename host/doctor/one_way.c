/* one_way: classes that are taken for each other in one direction. See one_way.h. */
#include "one_way.h"

#include <math.h>
#include <stddef.h>

/* d' V^- d of a symmetric matrix that has no negative eigenvalue, by elimination in place: where a pivot is nothing so
 * is the rest of its row. Returns the rank. */
static int eliminate(double *v, double *d, int n, double *sum)
{
    const double nothing = 1e-9;
    int rank = 0;
    *sum = 0.0;
    for (int k = 0; k < n; k++) {
        const double pivot = v[(size_t)k * (size_t)n + (size_t)k];
        if (!(pivot > nothing))
            continue;
        rank++;
        *sum += d[k] * d[k] / pivot;
        for (int i = k + 1; i < n; i++) {
            const double factor = v[(size_t)i * (size_t)n + (size_t)k] / pivot;
            for (int j = k + 1; j < n && factor != 0.0; j++)
                v[(size_t)i * (size_t)n + (size_t)j] -= factor * v[(size_t)k * (size_t)n + (size_t)j];
            d[i] -= factor * d[k];
        }
    }
    return rank;
}

/* Wilson and Hilferty 1931: the cube root of chi-square over its degrees of freedom is nearly normal. */
static double normal_of(double chi_square, double freedom)
{
    const double width = 2.0 / (9.0 * freedom);
    return (cbrt(fmax(chi_square, 0.0) / freedom) - (1.0 - width)) / sqrt(width);
}

int one_way_find(struct one_way *found, const int32_t *counts, int classes)
{
    const size_t n = (size_t)classes;
    double *v, *d, bowker = 0.0, margins, most = 0.0;
    int pairs = 0;
    *found = (struct one_way){.z = 0.0};
    if (classes > ONE_WAY_CLASSES)
        return OK;
    TRY(memory_take(&v, (n * n + n) * sizeof *v, "what is compared of classes"));
    d = v + n * n;
    for (size_t i = 0; i < n * n + n; i++)
        v[i] = 0.0;
    for (size_t a = 0; a < n; a++)
        for (size_t b = a + 1; b < n; b++) {
            const double there = counts[a * n + b], back = counts[b * n + a], both = there + back, more = there - back;
            if (!(both > 0.0))
                continue;
            pairs++;
            bowker += more * more / both;
            v[a * n + a] += both, v[b * n + b] += both;
            v[a * n + b] = v[b * n + a] = -both;
            d[a] += more, d[b] -= more;
            if (more * more / both > most) {
                most = more * more / both;
                const size_t of = more > 0.0 ? a : b, as = more > 0.0 ? b : a;
                found->of = (int)of, found->as = (int)as;
                found->there = counts[of * n + as], found->back = counts[as * n + of];
            }
        }
    const int freedom = pairs - eliminate(v, d, classes, &margins);
    if (freedom > 0)
        found->z = normal_of(bowker - margins, freedom);
    memory_give(v);
    return OK;
}
