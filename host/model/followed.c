/* followed: see followed.h. Pure arithmetic; must not know a plan. */
#include "followed.h"

#include "random.h"

#include <math.h>

/* Rows that have a part of their own: of a tensor, or of some neighbours where there are more tensors than parts. */
struct stratum {
    int64_t begin, end;
};

static int64_t share_of(const struct stratum *stratum, double factor)
{
    const int64_t rows = stratum->end - stratum->begin, share = (int64_t)(factor * cbrt((double)rows));
    return share < 1 ? 1 : share > rows ? rows : share;
}

static int64_t shares(const struct stratum *strata, int count, double factor)
{
    int64_t sum = 0;
    for (int s = 0; s < count; s++)
        sum += share_of(&strata[s], factor);
    return sum;
}

/* The largest factor, nearly, with which the shares are SKETCH_FOLLOWED rows in all or less. */
static double factor_of(const struct stratum *strata, int count)
{
    double low = 0.0, high = SKETCH_FOLLOWED + 1.0;
    for (int i = 0; i < 64; i++) {
        const double middle = (low + high) / 2.0;
        *(shares(strata, count, middle) <= SKETCH_FOLLOWED ? &low : &high) = middle;
    }
    return low;
}

/* One row of each of the share groups that a stratum is cut into. */
static int draw(struct followed_row *rows, int number, const struct stratum *stratum, int64_t share)
{
    const int64_t all = stratum->end - stratum->begin;
    for (int64_t group = 0; group < share; group++) {
        const int64_t begin = all * group / share, size = all * (group + 1) / share - begin;
        const uint32_t word = random_words(0, RANDOM_FOLLOWED, 0, (uint64_t)(number + group), 0).word[0];
        rows[group] =
            (struct followed_row){(int32_t)(stratum->begin + begin + random_below(word, (uint32_t)size)), (float)size};
    }
    return (int)share;
}

int followed_rows(struct followed_row rows[static SKETCH_FOLLOWED], const struct flat_tensor *tensors, int count)
{
    struct stratum strata[SKETCH_FOLLOWED];
    const int together = (count + SKETCH_FOLLOWED - 1) / SKETCH_FOLLOWED;
    int used = 0, drawn = 0;
    for (int t = 0; t < count; t += together) {
        const struct flat_tensor *last = &tensors[t + together < count ? t + together - 1 : count - 1];
        const int64_t begin = tensors[t].first / SKETCH_LANES, end = sketch_rows(last->first + last->count);
        if (end > begin)
            strata[used++] = (struct stratum){begin, end};
    }
    const double factor = factor_of(strata, used);
    for (int s = 0; s < used; s++)
        drawn += draw(rows + drawn, drawn, &strata[s], share_of(&strata[s], factor));
    return drawn;
}
