/* doubts: see doubts.h. Must not know a run. */
#include "doubts.h"
#include "rules.h"

#include <math.h>

/* Fewer images than this that contradict their label tell nothing of two distributions. */
enum { LEAST = 50 };

int32_t doubts_class_seen(const struct sample_stats *sample)
{
    return sample->votes > 0 ? sample->majority : sample->prediction;
}

/* Of each class, whether more of its images are taken for it than a guess would be: of a rare one that is never
 * answered every image is contradicted, which says nothing of the labels. */
static bool *known_classes(const int32_t *labels, int classes, const struct sample_stats *table, int64_t count,
                           struct arena *arena)
{
    bool *known = arena_push(arena, (size_t)classes * sizeof *known);
    int64_t *own = arena_push(arena, (size_t)classes * sizeof *own),
            *all = arena_push(arena, (size_t)classes * sizeof *all);
    for (int64_t i = 0; i < count; i++) {
        all[labels[i]] += table[i].seen > 0; /* others were held back for validation */
        own[labels[i]] += table[i].seen > 0 && doubts_class_seen(&table[i]) == labels[i];
    }
    for (int class = 0; class < classes; class ++)
        known[class] = own[class] * classes > all[class];
    return known;
}

void doubts_gather(struct doubts *doubts, const int32_t *labels, int classes, const struct sample_stats *table,
                   int64_t count, struct arena *arena)
{
    const bool *known = known_classes(labels, classes, table, count, arena);
    *doubts = (struct doubts){0};
    doubts->samples = arena_push(arena, (size_t)count * sizeof *doubts->samples);
    doubts->pairs = arena_push(arena, (size_t)count * sizeof *doubts->pairs);
    doubts->distance = arena_push(arena, (size_t)count * sizeof *doubts->distance);
    doubts->wrong = arena_push(arena, (size_t)count * sizeof *doubts->wrong);
    for (int64_t i = 0; i < count; i++) {
        const struct sample_stats *sample = &table[i];
        doubts->seen += sample->seen > 0;
        if (sample->seen < SUSPECT_LOOKS)
            continue;
        doubts->judged++;
        doubts->agrees += sample->prediction == labels[i];
        const double margin = (double)sample->margin / sample->seen;
        if (doubts_class_seen(sample) == labels[i])
            continue;
        doubts->contradicted++;
        if (!isfinite(margin) || !known[labels[i]])
            continue;
        doubts->samples[doubts->count] = (int32_t)i;
        doubts->pairs[doubts->count] = labels[i] * classes + doubts_class_seen(sample);
        doubts->distance[doubts->count++] = -margin;
    }
    doubts->agrees /= fmax(1.0, (double)doubts->judged);
    if (doubts->count < LEAST)
        return;
    mixture_fit(&doubts->mixture, doubts->distance, doubts->pairs, doubts->count, classes * classes, doubts->wrong);
    doubts->wrong_share = doubts->mixture.share * (double)doubts->count / (double)doubts->judged;
}

/* Validation's images were not taught, and what the network contradicts of them is hard, or wrongly labelled there as
 * well. Labels that are wrong in training come on top of that. An image is contradicted by most of its looks, of which
 * a network that learns slowly took the early ones before it knew, so validation is taken as it was on average where
 * that is worse than in the end. Of two shares, beyond chance; what is not known speaks against nothing. */
static bool is_as_in_validation(const struct doubts *doubts, const struct val_looks *val)
{
    const double share = (double)doubts->contradicted / (double)doubts->judged;
    const double wrong = 1.0 - fmin(val->last, val->mean); /* where the mean is not known, in the end */
    const double error = sqrt(share * (1.0 - share) / (double)doubts->judged + wrong * (1.0 - wrong) / val->images);
    return val->images > 0.0 && share - wrong <= FAULT_SURE * error;
}

/* Of labels that are not wrong a network whose word counts has half right, in the end, there or of validation's, and in
 * most of its looks, as it is these that speak. Where more than half are wrong nobody knows which. */
static bool guesses(const struct doubts *doubts, const struct val_looks *val)
{
    const double half = 0.5, least = half * (1.0 - doubts->wrong_share);
    const double kept = 1.0 - (double)doubts->contradicted / (double)doubts->judged;
    return fmin(fmax(doubts->agrees, val->last), kept) <= least || doubts->wrong_share > half;
}

/* Where validation explains the images that are contradicted, that they are of two kinds must be sure. */
static bool are_of_two_kinds(const struct doubts *doubts, const struct val_looks *val)
{
    const double apart = doubts->mixture.separation - LABELS_TWO_KINDS;
    return is_as_in_validation(doubts, val) ? apart > FAULT_SURE * doubts->mixture.separation_error : apart >= 0.0;
}

struct val_looks doubts_val_looks(const struct config *config, const double *right, int64_t epochs, double images)
{
    double sum = 0.0;
    for (int64_t epoch = 0; epoch < epochs; epoch++)
        sum += right[epoch];
    return (struct val_looks){.last = right[epochs - 1],
                              .mean = sum / (double)epochs,
                              .images = images,
                              .unlike = answers_worse(config) || !config->data.shuffle || config->train.balance};
}

/* What was contradicted in most of the looks, against what validation was wrong in on average: more looks err less
 * often than one, and what has been taught less often than what has not. So hard images count against it, and a
 * network that learns fast. */
static void witness(struct doubts *doubts, const struct val_looks *val)
{
    const double points = 0.03, sure = 3.5;
    const double judged = (double)doubts->judged, wrong = (double)doubts->contradicted / judged,
                 missed = 1.0 - val->mean;
    const double error = sqrt(wrong * (1.0 - wrong) / judged + missed * (1.0 - missed) / fmax(1.0, val->images));
    doubts->ahead = wrong - missed;
    /* False of NaN: the mean is not known. */
    doubts->witnessed =
        !val->unlike && doubts->ahead > points && doubts->ahead > sure * error && val->last >= LABELS_STRONG;
}

enum label_verdict doubts_judge(struct doubts *doubts, const struct val_looks *val)
{
    const double val_accuracy = val->last;
    if (2 * doubts->judged < doubts->seen || doubts->judged == 0)
        return LABELS_TOO_EARLY;
    /* What it makes of images it has not been taught is its own; more than that it has learnt by heart. */
    if (doubts->agrees > 0.95 && doubts->agrees > val_accuracy + 0.05)
        return LABELS_BY_HEART;
    if (guesses(doubts, val))
        return LABELS_TOO_WEAK;
    if (doubts->count < LEAST)
        return LABELS_TOO_FEW;
    witness(doubts, val);
    if (doubts->witnessed || are_of_two_kinds(doubts, val))
        return LABELS_JUDGED;
    const bool one_kind = doubts->mixture.separation < LABELS_TWO_KINDS;
    return one_kind && doubts->agrees < LABELS_STRONG ? LABELS_TOO_WEAK : LABELS_ALIKE;
}

enum label_verdict doubts_judge_untaught(const struct doubts *doubts)
{
    const struct val_looks unknown = {.last = NAN, .mean = NAN};
    if (2 * doubts->judged < doubts->seen || doubts->judged == 0)
        return LABELS_TOO_EARLY;
    if (guesses(doubts, &unknown))
        return LABELS_TOO_WEAK;
    if (doubts->count < LEAST)
        return LABELS_TOO_FEW;
    const double apart = doubts->mixture.separation - LABELS_TWO_KINDS;
    return apart > FAULT_SURE * doubts->mixture.separation_error ? LABELS_JUDGED : LABELS_ALIKE;
}
