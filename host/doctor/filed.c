/* filed: see filed.h. Must not know what is asked. */
#include "filed.h"

#include <math.h>

static int64_t labelled(const int32_t *taken, int label, int classes)
{
    int64_t sum = 0;
    for (int c = 0; c < classes; c++)
        sum += taken[(size_t)label * (size_t)classes + (size_t)c];
    return sum;
}

/* The logarithm of the odds of the first class in training over those in validation, in standard errors, with half an
 * image more of each (Haldane 1956). */
static double odds(const int64_t train[2], const int64_t val[2])
{
    const double a = (double)train[0] + 0.5, b = (double)train[1] + 0.5, c = (double)val[0] + 0.5,
                 d = (double)val[1] + 0.5;
    return log(a * d / (b * c)) / sqrt(1.0 / a + 1.0 / b + 1.0 / c + 1.0 / d);
}

void filed_find(struct filed *found, const int32_t *taken, const int32_t *val, int classes)
{
    const size_t k = (size_t)classes;
    *found = (struct filed){.under = -1, .from = -1};
    for (int under = 0; under < classes; under++)
        for (int from = 0; from < classes; from++) {
            const int64_t there = taken[(size_t)under * k + (size_t)from],
                          back = taken[(size_t)from * k + (size_t)under];
            if (under == from || there <= back)
                continue;
            struct filed pair = {.under = under,
                                 .from = from,
                                 .there = there,
                                 .back = back,
                                 .train = {labelled(taken, under, classes), labelled(taken, from, classes)},
                                 .val = {val[under], val[from]}};
            pair.shares = odds(pair.train, pair.val);
            pair.mistakes = (double)(there - back) / sqrt((double)(there + back));
            /* With so many more given back the shares are validation's. */
            pair.too_many = (double)(pair.train[0] * pair.val[1] - pair.train[1] * pair.val[0]) /
                            (double)(pair.val[0] + pair.val[1]);
            if (pair.val[0] + pair.val[1] > 0 &&
                fmin(pair.shares, pair.mistakes) > fmin(found->shares, found->mistakes))
                *found = pair;
        }
}

bool filed_is_sure(const struct filed *filed)
{
    const double least = 0.25;
    return filed->shares > FILED_SURE && filed->mistakes > FILED_SURE &&
           (double)(filed->there - filed->back) > least * filed->too_many;
}
