/* class_scores: judgements counted class by class. See include/samples.h. */
#include "samples.h"

#include <math.h>
#include <string.h>

void class_scores(struct class_score *scores, int class_count, const struct judgement *judgements, int64_t count)
{
    memset(scores, 0, (size_t)class_count * sizeof *scores);
    for (int64_t i = 0; i < count; i++) {
        const struct judgement *judgement = &judgements[i];
        scores[judgement->label].images++;
        scores[judgement->prediction].called++;
        scores[judgement->label].right += judgement->prediction == judgement->label;
    }
}

static double share(int64_t part, int64_t whole)
{
    return whole > 0 ? (double)part / (double)whole : NAN;
}

double class_recall(struct class_score score)
{
    return share(score.right, score.images);
}

double class_precision(struct class_score score)
{
    return share(score.right, score.called);
}

double class_f1(struct class_score score)
{
    return share(2 * score.right, score.images + score.called);
}

/* Of the classes of which it is known. */
static double mean_of(double (*figure)(struct class_score), const struct class_score *scores, int class_count)
{
    double sum = 0.0;
    int known = 0;
    for (int i = 0; i < class_count; i++)
        if (!isnan(figure(scores[i]))) {
            sum += figure(scores[i]);
            known++;
        }
    return known > 0 ? sum / known : NAN;
}

double balanced_accuracy(const struct class_score *scores, int class_count)
{
    return mean_of(class_recall, scores, class_count);
}

double macro_f1(const struct class_score *scores, int class_count)
{
    return mean_of(class_f1, scores, class_count);
}

struct accuracy_range accuracy_range(int64_t right, int64_t images)
{
    if (images <= 0)
        return (struct accuracy_range){0.0, 1.0};
    const double n = (double)images, p = (double)right / n, z = 1.96, over = 1.0 + z * z / n;
    const double middle = (p + z * z / (2.0 * n)) / over,
                 half = z * sqrt(p * (1.0 - p) / n + z * z / (4.0 * n * n)) / over;
    return (struct accuracy_range){fmax(0.0, middle - half), fmin(1.0, middle + half)};
}
