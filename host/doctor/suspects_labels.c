/* suspects_labels: label errors from what a run has seen of each image, one by one and in words. What tells them from
 * hard images is in doubts.h. */
#include "doubts.h"
#include "suspects_parts.h"

#include <math.h>
#include <stdlib.h>

/* Of those listed, one in ten may be right after all (Bayesian false discovery rate): nine in ten are worth a look. */
#define FALSE_SHARE 0.1
/* Half of it in validation, where hard images were not taught and lie further out than a normal distribution has them:
 * a list with a tenth expected has 12 to 20 % in it (bench/RESULTS.md). */
#define FALSE_SHARE_UNTAUGHT 0.05

/* What a network contradicts, whatever its margin: a wrong label is not among it only where it is learned by heart. */
static double most_wrong(const struct doubts *doubts)
{
    return (double)doubts->contradicted / fmax(1.0, (double)doubts->judged);
}

static const char *explain(const struct doubts *doubts, enum label_verdict verdict, double val_accuracy,
                           struct arena *arena)
{
    const double share = 100.0 * most_wrong(doubts);
    const double apart = doubts->mixture.separation, right = 100.0 * doubts->agrees;
    if (verdict == LABELS_JUDGED && doubts->witnessed && apart < LABELS_TWO_KINDS)
        return arena_format(arena,
                            "%.0f to %.0f %% of the labels are wrong: %.1f %% of the images are taken for another "
                            "class, and of the validation images, which were not taught, only %.1f %% on average; hard "
                            "images alone would be as many there, or more",
                            floor(100.0 * doubts->ahead), ceil(100.0 * most_wrong(doubts)), share,
                            share - 100.0 * doubts->ahead);
    switch (verdict) {
    case LABELS_JUDGED:
        return arena_format(arena,
                            "%.0f to %.0f %% of the labels are wrong: %.1f %% of the images are taken for another "
                            "class, and their margins "
                            "are of two kinds, %.1f deviations apart (2 are needed to tell); %.2g %% of all are of the "
                            "further kind, and "
                            "of the nearer one some may be wrong as well",
                            floor(100.0 * doubts->wrong_share), ceil(100.0 * most_wrong(doubts)), share, apart,
                            100.0 * doubts->mixture.share * (double)doubts->count / (double)doubts->judged);
    case LABELS_ALIKE:
        if (apart >= LABELS_TWO_KINDS)
            return arena_format(
                arena,
                "no label errors stand out: %.1f %% of the images are taken for another class, no more than of "
                "validation's beyond chance (%.1f %%), and that their margins are of two kinds is not sure (%.1f +- "
                "%.1g deviations apart, 2 are needed)",
                share, 100.0 * (1.0 - val_accuracy), apart, doubts->mixture.separation_error);
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
                            (long long)doubts->contradicted, (long long)doubts->judged);
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
            "needed)%s; train for more epochs or at a better rate (`evenkeel find-lr CONFIG`), or ask a run of another "
            "model",
            right, 100.0 * LABELS_STRONG,
            apart > 0.0 /* else no margins were fitted */
                ? arena_format(arena,
                               ", and what it contradicts is %.1f deviations apart (2 are needed, of a network that "
                               "does not guess)",
                               apart)
                : "");
    }
    return "";
}

static const double *order_by; /* of compare: qsort hands nothing through */

static int compare(const void *a, const void *b)
{
    const int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return order_by[x] != order_by[y] ? (order_by[x] < order_by[y]) - (order_by[x] > order_by[y]) : (x > y) - (x < y);
}

static double belief_of(const struct sample_stats *sample)
{
    return (double)sample->probability / sample->seen;
}

/* The images that are judged, and what was seen of them. */
struct seen_images {
    const struct dataset *data;
    const struct sample_stats *table;
    const int32_t *samples; /* of validation: their numbers, in the table's order; NULL: the table is by number */
};

static struct suspect describe(struct suspects *suspects, const struct doubts *doubts, int32_t which, double score,
                               const struct seen_images *images)
{
    const int32_t place = doubts->samples[which];
    const struct sample_stats *sample = &images->table[place];
    return (struct suspect){.kind = SUSPECT_LABEL,
                            .in_val = images->samples != NULL,
                            .sample = images->samples ? images->samples[place] : place,
                            .suggested = doubts_class_seen(sample),
                            .score = score,
                            .evidence = arena_format(&suspects->arena,
                                                     "right in %d of %d looks, probability of the label %.2g, "
                                                     "margin %.2f, last taken for %s",
                                                     sample->correct, sample->seen, belief_of(sample),
                                                     (double)sample->margin / sample->seen,
                                                     images->data->class_names[sample->prediction])};
}

int32_t *suspects_ranked(const double *values, int64_t count, struct arena *arena)
{
    int32_t *order = arena_push(arena, (size_t)count * sizeof *order);
    for (int64_t i = 0; i < count; i++)
        order[i] = (int32_t)i;
    order_by = values;
    qsort(order, (size_t)count, sizeof *order, compare);
    return order;
}

/* The surest of them, as long as the mean probability that they are right stays small. A network that has learnt to
 * expect wrong labels gives every other class share / (classes - 1) of its belief; one that gives a label more than
 * that and a guess does not contradict it. */
static void list(struct suspects *suspects, const struct doubts *doubts, const struct seen_images *images,
                 struct arena *arena)
{
    const double classes = (double)images->data->class_count;
    const double most = images->samples ? FALSE_SHARE_UNTAUGHT : FALSE_SHARE;
    const double least_belief = 1.0 / classes + doubts->wrong_share / (classes - 1.0);
    const int32_t *order = suspects_ranked(doubts->wrong, doubts->count, arena);
    double right = 0.0;
    int64_t kept = 0;
    for (int64_t i = 0; i < doubts->count; i++) {
        if (!(belief_of(&images->table[doubts->samples[order[i]]]) < least_belief))
            continue;
        right += 1.0 - doubts->wrong[order[i]];
        if (right > most * (double)++kept)
            return;
        const struct suspect suspect = describe(suspects, doubts, order[i], doubts->wrong[order[i]], images);
        suspects_add(suspects, &suspect);
    }
}

static double *disbelief(const struct doubts *doubts, const struct sample_stats *table, struct arena *arena)
{
    double *against = arena_push(arena, (size_t)doubts->count * sizeof *against);
    for (int64_t i = 0; i < doubts->count; i++)
        against[i] = 1.0 - belief_of(&table[doubts->samples[i]]);
    return against;
}

/* Where margins are of one kind, but validation says how many at least are wrong: so many, those believed least. */
static void list_known(struct suspects *suspects, const struct doubts *doubts, const struct seen_images *images,
                       struct arena *arena)
{
    const double *score = disbelief(doubts, images->table, arena);
    const int32_t *order = suspects_ranked(score, doubts->count, arena);
    const int64_t known = (int64_t)(doubts->ahead * (double)doubts->judged);
    for (int64_t i = 0; i < known && i < doubts->count; i++) {
        const struct suspect suspect = describe(suspects, doubts, order[i], score[order[i]], images);
        suspects_add(suspects, &suspect);
    }
}

/* For whoever wants to look all the same: the network's own belief is what there is to rank by. */
static void rank(struct suspects *suspects, const struct doubts *doubts, const struct seen_images *images,
                 struct arena *arena)
{
    const double *score = disbelief(doubts, images->table, arena);
    const int32_t *order = suspects_ranked(score, doubts->count, arena);
    suspects->doubted = arena_push(&suspects->arena, (size_t)doubts->count * sizeof *suspects->doubted);
    suspects->doubted_count = doubts->count;
    for (int64_t i = 0; i < doubts->count; i++)
        suspects->doubted[i] = describe(suspects, doubts, order[i], score[order[i]], images);
}

void suspects_labels(struct suspects *suspects, const struct dataset *data, const struct sample_stats *table,
                     const struct val_looks *val)
{
    struct arena arena = {0};
    struct doubts doubts = {0};
    const struct seen_images images = {data, table, NULL};
    doubts_gather(&doubts, data->labels, data->class_count, table, data->count, &arena);
    suspects->verdict = doubts_judge(&doubts, val);
    if (doubts.witnessed)
        doubts.wrong_share = fmax(doubts.ahead, doubts.wrong_share);
    suspects->labels_text = explain(&doubts, suspects->verdict, val->last, &suspects->arena);
    suspects->wrong_share = suspects->verdict == LABELS_JUDGED ? doubts.wrong_share : NAN;
    suspects->wrong_most = suspects->verdict == LABELS_JUDGED ? most_wrong(&doubts) : NAN;
    const bool by_heart = suspects->verdict == LABELS_BY_HEART && doubts.mixture.separation >= LABELS_TWO_KINDS;
    if (suspects->verdict == LABELS_JUDGED && doubts.mixture.separation < LABELS_TWO_KINDS)
        list_known(suspects, &doubts, &images, &arena);
    else if (suspects->verdict == LABELS_JUDGED || by_heart)
        list(suspects, &doubts, &images, &arena);
    else if (suspects->verdict != LABELS_TOO_EARLY)
        rank(suspects, &doubts, &images, &arena);
    arena_free(&arena);
}

/* Of what is not listed why, in few words. */
static const char *explain_val(const struct doubts *doubts, enum label_verdict verdict, int64_t listed,
                               struct arena *arena)
{
    const double share = 100.0 * most_wrong(doubts), apart = doubts->mixture.separation,
                 error = doubts->mixture.separation_error;
    if (verdict == LABELS_JUDGED)
        return arena_format(arena,
                            "%lld labels are likely to be wrong: %.1f %% of the images are taken for another class, "
                            "and their margins are of two kinds, %.1f +- %.1g deviations apart; accuracy is measured "
                            "too low by them",
                            (long long)listed, share, apart, error);
    if (verdict == LABELS_ALIKE)
        return arena_format(arena,
                            "no label errors stand out: %.1f %% of the images are taken for another class, and that "
                            "their margins are of two kinds is not sure (%.1f +- %.1g deviations apart, 2 are needed)",
                            share, apart, error);
    if (verdict == LABELS_TOO_FEW)
        return arena_format(arena, "no label errors stand out: %lld of %lld images are taken for another class",
                            (long long)doubts->contradicted, (long long)doubts->judged);
    return verdict == LABELS_TOO_EARLY
               ? arena_format(arena, "labels not judged: fewer than %d epochs were validated", SUSPECT_LOOKS)
               : "labels not judged: the network is too weak to tell";
}

void suspects_val_labels(struct suspects *suspects, const struct dataset *data, const int32_t *samples,
                         const struct sample_stats *table, int64_t count)
{
    struct arena arena = {0};
    struct doubts doubts = {0};
    const struct seen_images images = {data, table, samples};
    const int64_t before = suspects->count;
    int32_t *labels = arena_push(&arena, (size_t)(count + 1) * sizeof *labels);
    for (int64_t i = 0; i < count; i++)
        labels[i] = data->labels[samples[i]];
    doubts_gather(&doubts, labels, data->class_count, table, count, &arena);
    const enum label_verdict verdict =
        suspects->verdict == LABELS_TOO_WEAK ? LABELS_TOO_WEAK : doubts_judge_untaught(&doubts);
    if (verdict == LABELS_JUDGED)
        list(suspects, &doubts, &images, &arena);
    suspects->val_text = explain_val(&doubts, verdict, suspects->count - before, &suspects->arena);
    arena_free(&arena);
}
