/* dealt: see dealt.h. Must not know what is asked. */
#include "dealt.h"

#include <math.h>
#include <stdlib.h>

static int surer(const void *a, const void *b)
{
    const double x = ((const struct dealt_answer *)a)->confidence, y = ((const struct dealt_answer *)b)->confidence;
    return (x < y) - (x > y);
}

double dealt_as_usual(struct dealt_answer *answers, size_t count, int classes, struct arena *arena, double *mistakes)
{
    const size_t k = (size_t)classes, surest = count / 4;
    double *of = arena_push(arena, k * sizeof *of);            /* answers with this label */
    double *missed = arena_push(arena, k * sizeof *missed);    /* mistakes with this prediction, of the others */
    int32_t *usual = arena_push(arena, k * k * sizeof *usual); /* [prediction][label]: the same */
    qsort(answers, count, sizeof *answers, surer);
    for (size_t i = 0; i < count; i++) {
        const struct dealt_answer *answer = &answers[i];
        of[answer->label]++;
        if (i < surest || answer->label == answer->prediction)
            continue;
        missed[answer->prediction]++;
        usual[(size_t)answer->prediction * k + (size_t)answer->label]++;
    }
    double sum = 0.0;
    *mistakes = 0.0;
    for (size_t i = 0; i < surest; i++) {
        const struct dealt_answer *answer = &answers[i];
        if (answer->label == answer->prediction)
            continue;
        /* What is not known of a prediction is by the classes' shares, with the weight of one mistake. */
        const double by_share = of[answer->label] / ((double)count - of[answer->prediction]);
        const double seen = usual[(size_t)answer->prediction * k + (size_t)answer->label];
        sum += log((seen + by_share) / ((missed[answer->prediction] + 1.0) * by_share));
        ++*mistakes;
    }
    return *mistakes > 0.0 ? sum / *mistakes : 0.0;
}
