/* suspects_labels: label errors from what a run has seen of each image. An image that the network, whenever it met it,
 * took for another class is either hard or wrongly labelled. The area under its margin (Pleiss et al. 2020) tells
 * them apart: of a wrong label the network is as far as it is from any other class, of a hard image it is in doubt. So
 * the margins of these images are of two kinds (mixture.h), where the share of the wrong may differ for each pair of
 * label and predicted class, since confusions gather in few pairs. */
#include "mixture.h"
#include "suspects_parts.h"

#include <math.h>
#include <stdlib.h>

/* Fewer images than this that contradict their label tell nothing of two distributions. */
enum { LEAST = 50 };
/* Of those listed, one in ten may be right after all (Bayesian false discovery rate): nine in ten are worth a look. */
#define FALSE_SHARE 0.1
/* Two distributions, or one with a tail: Ashman, Bird and Zepf 1994. */
#define TWO_KINDS 2.0
/* Right more often than wrong, by as much as it takes for a majority of its contradictions to be worth a look. */
#define STRONG_ENOUGH 0.7

/* Images that contradict their label. */
struct doubts {
    int64_t count;     /* of them */
    int64_t judged;    /* images that were seen often enough */
    int32_t *samples;  /* [count] */
    int32_t *pairs;    /* [count] label and predicted class, as one number */
    double *distance;  /* [count] how far the label is from what is predicted: minus the mean margin */
    double *wrong;     /* [count] probability that the label is */
    double last_right; /* share of judged images whose last prediction was the label */
    struct mixture mixture;
    double wrong_share; /* of all judged */
};

static int32_t class_seen(const struct sample_stats *sample)
{
    return sample->votes > 0 ? sample->majority : sample->prediction;
}

static void gather(struct doubts *doubts, const struct dataset *data, const struct sample_stats *table,
                   struct arena *arena)
{
    const size_t count = (size_t)data->count;
    doubts->samples = arena_push(arena, count * sizeof *doubts->samples);
    doubts->pairs = arena_push(arena, count * sizeof *doubts->pairs);
    doubts->distance = arena_push(arena, count * sizeof *doubts->distance);
    doubts->wrong = arena_push(arena, count * sizeof *doubts->wrong);
    for (int64_t i = 0; i < data->count; i++) {
        const struct sample_stats *sample = &table[i];
        if (sample->seen < SUSPECT_LOOKS)
            continue;
        doubts->judged++;
        doubts->last_right += sample->prediction == data->labels[i];
        const double margin = (double)sample->margin / sample->seen;
        if (class_seen(sample) == data->labels[i] || !isfinite(margin))
            continue;
        doubts->samples[doubts->count] = (int32_t)i;
        doubts->pairs[doubts->count] = data->labels[i] * data->class_count + class_seen(sample);
        doubts->distance[doubts->count++] = -margin;
    }
    doubts->last_right /= fmax(1.0, (double)doubts->judged);
}

static enum label_verdict judge(const struct doubts *doubts, const struct dataset *data,
                                const struct sample_stats *table, double val_accuracy)
{
    int64_t seen = 0;
    for (int64_t i = 0; i < data->count; i++)
        seen += table[i].seen > 0;
    if (2 * doubts->judged < seen || doubts->judged == 0)
        return LABELS_TOO_EARLY;
    /* What it makes of images it has not been taught is its own; more than that it has learnt by heart. */
    if (doubts->last_right > 0.95 && doubts->last_right > val_accuracy + 0.05)
        return LABELS_BY_HEART;
    if (doubts->count < LEAST)
        return LABELS_TOO_FEW;
    if (doubts->mixture.separation >= TWO_KINDS)
        return LABELS_JUDGED;
    return doubts->last_right < STRONG_ENOUGH ? LABELS_TOO_WEAK : LABELS_ALIKE;
}

static const char *explain(const struct doubts *doubts, enum label_verdict verdict, double val_accuracy,
                           struct arena *arena)
{
    const double share = 100.0 * (double)doubts->count / fmax(1.0, (double)doubts->judged);
    const double apart = doubts->mixture.separation, right = 100.0 * doubts->last_right;
    switch (verdict) {
    case LABELS_JUDGED:
        return arena_format(
            arena,
            "about %.2g %% of the labels are wrong: %.1f %% of the images are taken for another class, and their "
            "margins are of two kinds, %.1f deviations apart (2 are needed to tell)",
            100.0 * doubts->wrong_share, share, apart);
    case LABELS_ALIKE:
        return arena_format(
            arena,
            "no label errors stand out: %.1f %% of the images are taken for another class, but their margins "
            "are of one kind, as hard images have them (%.1f deviations apart, 2 are needed to tell)",
            share, apart);
    case LABELS_TOO_EARLY:
        return arena_format(arena,
                            "labels not judged: most images were seen fewer than %d times; train for more epochs",
                            SUSPECT_LOOKS);
    case LABELS_TOO_FEW:
        return arena_format(arena, "no label errors stand out: %lld of %lld images are taken for another class",
                            (long long)doubts->count, (long long)doubts->judged);
    case LABELS_BY_HEART:
        return arena_format(
            arena,
            "labels not judged in full: the network has learnt them by heart (%.1f %% right, %.1f %% of the "
            "validation images), wrong ones included; ask a run of fewer epochs, or one with augmentation",
            right, 100.0 * val_accuracy);
    case LABELS_TOO_WEAK:
        return arena_format(
            arena,
            "labels not judged: the network is too weak to tell, it agrees with only %.1f %% of them (%.0f %% are "
            "needed), and what it contradicts is of one kind (%.1f deviations apart, 2 are needed); train for more "
            "epochs or at a better rate (`evenkeel find-lr CONFIG`), or ask a run of another model",
            right, 100.0 * STRONG_ENOUGH, apart);
    }
    return "";
}

static const double *order_by; /* of compare: qsort hands nothing through */

static int compare(const void *a, const void *b)
{
    const int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return order_by[x] != order_by[y] ? (order_by[x] < order_by[y]) - (order_by[x] > order_by[y]) : (x > y) - (x < y);
}

/* The surest of them, as long as the mean probability that they are right stays small. A network that has learnt to
 * expect wrong labels gives every other class share / (classes - 1) of its belief; one that gives a label more than
 * that and a guess does not contradict it. */
static void list(struct suspects *suspects, const struct doubts *doubts, const struct dataset *data,
                 const struct sample_stats *table, struct arena *arena)
{
    const double classes = (double)data->class_count;
    const double least_belief = 1.0 / classes + doubts->wrong_share / (classes - 1.0);
    int32_t *order = arena_push(arena, (size_t)doubts->count * sizeof *order);
    double right = 0.0;
    for (int64_t i = 0; i < doubts->count; i++)
        order[i] = (int32_t)i;
    order_by = doubts->wrong;
    qsort(order, (size_t)doubts->count, sizeof *order, compare);
    int64_t kept = 0;
    for (int64_t i = 0; i < doubts->count; i++) {
        const struct sample_stats *sample = &table[doubts->samples[order[i]]];
        const double belief = (double)sample->probability / sample->seen;
        if (!(belief < least_belief))
            continue;
        right += 1.0 - doubts->wrong[order[i]];
        if (right > FALSE_SHARE * (double)++kept)
            return;
        const int32_t seen = class_seen(sample);
        suspects_add(suspects,
                     &(struct suspect){.kind = SUSPECT_LABEL,
                                       .sample = doubts->samples[order[i]],
                                       .suggested = seen,
                                       .score = doubts->wrong[order[i]],
                                       .evidence = arena_format(
                                           &suspects->arena,
                                           "right in %d of %d looks, probability of the label %.2g, "
                                           "margin %.2f, last taken for %s",
                                           sample->correct, sample->seen, belief, (double)sample->margin / sample->seen,
                                           data->class_names[sample->prediction])});
    }
}

void suspects_labels(struct suspects *suspects, const struct dataset *data, const struct sample_stats *table,
                     double val_accuracy)
{
    struct arena arena = {0};
    struct doubts doubts = {0};
    gather(&doubts, data, table, &arena);
    if (doubts.count >= LEAST) {
        mixture_fit(&doubts.mixture, doubts.distance, doubts.pairs, doubts.count, data->class_count * data->class_count,
                    doubts.wrong);
        doubts.wrong_share = doubts.mixture.share * (double)doubts.count / (double)doubts.judged;
    }
    suspects->verdict = judge(&doubts, data, table, val_accuracy);
    suspects->labels_text = explain(&doubts, suspects->verdict, val_accuracy, &suspects->arena);
    suspects->wrong_share = suspects->verdict == LABELS_JUDGED ? doubts.wrong_share : NAN;
    const bool by_heart = suspects->verdict == LABELS_BY_HEART && doubts.mixture.separation >= TWO_KINDS;
    if (suspects->verdict == LABELS_JUDGED || by_heart)
        list(suspects, &doubts, data, table, &arena);
    arena_free(&arena);
}
