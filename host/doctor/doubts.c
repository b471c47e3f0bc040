/* doubts: see doubts.h. Must not know a run. */
#include "doubts.h"

#include <math.h>

/* Fewer images than this that contradict their label tell nothing of two distributions. */
enum { LEAST = 50 };

int32_t doubts_class_seen(const struct sample_stats *sample)
{
    return sample->votes > 0 ? sample->majority : sample->prediction;
}

void doubts_gather(struct doubts *doubts, const int32_t *labels, int classes, const struct sample_stats *table,
                   int64_t count, struct arena *arena)
{
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
        if (doubts_class_seen(sample) == labels[i] || !isfinite(margin))
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
 * well. Labels that are wrong in training come on top of that. Of two shares, beyond chance; what is not known speaks
 * against nothing. */
static bool is_as_in_validation(const struct doubts *doubts, double val_accuracy, int64_t val_images)
{
    const double share = (double)doubts->count / (double)doubts->judged, wrong = 1.0 - val_accuracy;
    const double error =
        sqrt(share * (1.0 - share) / (double)doubts->judged + wrong * (1.0 - wrong) / (double)val_images);
    return val_images > 0 && share - wrong <= FAULT_SURE * error;
}

/* Where validation explains the images that are contradicted, that they are of two kinds must be sure. */
static bool are_of_two_kinds(const struct doubts *doubts, double val_accuracy, int64_t val_images)
{
    const double apart = doubts->mixture.separation - LABELS_TWO_KINDS;
    return is_as_in_validation(doubts, val_accuracy, val_images) ? apart > FAULT_SURE * doubts->mixture.separation_error
                                                                 : apart >= 0.0;
}

enum label_verdict doubts_judge(const struct doubts *doubts, double val_accuracy, int64_t val_images)
{
    if (2 * doubts->judged < doubts->seen || doubts->judged == 0)
        return LABELS_TOO_EARLY;
    /* What it makes of images it has not been taught is its own; more than that it has learnt by heart. */
    if (doubts->agrees > 0.95 && doubts->agrees > val_accuracy + 0.05)
        return LABELS_BY_HEART;
    if (doubts->count < LEAST)
        return LABELS_TOO_FEW;
    if (are_of_two_kinds(doubts, val_accuracy, val_images))
        return LABELS_JUDGED;
    const bool one_kind = doubts->mixture.separation < LABELS_TWO_KINDS;
    return one_kind && doubts->agrees < LABELS_STRONG ? LABELS_TOO_WEAK : LABELS_ALIKE;
}
