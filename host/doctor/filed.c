/* filed: see filed.h. Must not know what is asked. */
#include "filed.h"

#include <math.h>

/* As many as evidence_labels asks about. */
enum { FILED_CLASSES = 1024 };

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

/* Whether all classes but these two have the shares of one another that they have in validation, by a chi-square that
 * is no more than two standard deviations above what chance makes (classes - 3 degrees of freedom). */
static bool others_agree(const int64_t *train, const int32_t *val, int classes, int a, int b)
{
    const double sure = 2.0;
    double of_train = 0.0, of_val = 0.0, square = 0.0, freedom = -1.0;
    for (int c = 0; c < classes; c++)
        if (c != a && c != b) {
            of_train += (double)train[c];
            of_val += (double)val[c];
        }
    for (int c = 0; c < classes; c++) {
        const double all = (double)train[c] + val[c];
        if (c == a || c == b || !(all > 0.0))
            continue;
        const double expected = all * of_train / (of_train + of_val), apart = (double)train[c] - expected;
        square += apart * apart * (1.0 / expected + 1.0 / (all - expected));
        freedom++;
    }
    return of_train > 0.0 && of_val > 0.0 && square < freedom + sure * sqrt(2.0 * fmax(freedom, 0.0)) + 1e-9;
}

bool filed_swallowed(struct filed *found, const int32_t *taken, const int32_t *val, int classes)
{
    const double alike = 2.0;
    const size_t k = (size_t)classes;
    int64_t train[FILED_CLASSES], all[2] = {0, 0};
    if (classes < 3 || classes > FILED_CLASSES)
        return false;
    for (int c = 0; c < classes; c++) {
        train[c] = labelled(taken, c, classes);
        all[0] += train[c];
        all[1] += val[c];
    }
    for (int under = 0; under < classes; under++)
        for (int from = 0; from < classes; from++) {
            const int64_t own = taken[(size_t)from * k + (size_t)from], there = taken[(size_t)under * k + (size_t)from],
                          back = taken[(size_t)from * k + (size_t)under];
            struct filed pair = {.under = under,
                                 .from = from,
                                 .swallowed = true,
                                 .there = there,
                                 .back = back,
                                 .train = {train[under], train[from]},
                                 .val = {val[under], val[from]}};
            if (under == from || val[under] + val[from] == 0)
                continue;
            const int64_t two[2] = {pair.train[0] + pair.train[1], pair.val[0] + pair.val[1]};
            pair.shares = odds(pair.train, pair.val);
            pair.together = odds((int64_t[]){two[0], all[0] - two[0]}, (int64_t[]){two[1], all[1] - two[1]});
            pair.mistakes = (double)(back - own) / sqrt((double)(back + own));
            pair.too_many = (double)(pair.train[0] * pair.val[1] - pair.train[1] * pair.val[0]) / (double)two[1];
            if (pair.shares > FILED_SURE && pair.mistakes > FILED_SURE && fabs(pair.together) < alike &&
                pair.too_many > (double)pair.train[1] && others_agree(train, val, classes, under, from)) {
                *found = pair;
                return true;
            }
        }
    return false;
}
