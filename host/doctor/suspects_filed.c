/* suspects_filed: images of one class that lie in another's folder, one by one and in words. What tells them is in
 * filed.h. */
#include "doubts.h"
#include "filed.h"
#include "suspects_parts.h"

#include <math.h>

static double belief_of(const struct sample_stats *sample)
{
    return (double)sample->probability / sample->seen;
}

/* Of the images that were seen, and how many those are. */
static int64_t find(struct filed *filed, bool swallowed, const struct dataset *data, const struct sample_stats *table,
                    const int32_t *val, struct arena *arena)
{
    const size_t classes = (size_t)data->class_count;
    int32_t *taken = arena_push(arena, classes * classes * sizeof *taken);
    int64_t seen = 0;
    for (int64_t i = 0; i < data->count; i++)
        if (table[i].seen > 0) {
            taken[(size_t)data->labels[i] * classes + (size_t)doubts_class_seen(&table[i])]++;
            seen++;
        }
    filed_find(filed, taken, val, data->class_count);
    if (swallowed && !filed_is_sure(filed))
        filed_swallowed(filed, taken, val, data->class_count);
    return seen;
}

static void add(struct suspects *suspects, const struct sample_stats *sample, int32_t number, int from)
{
    suspects_add(suspects,
                 &(struct suspect){.kind = SUSPECT_LABEL,
                                   .sample = number,
                                   .suggested = from,
                                   .score = 1.0 - belief_of(sample),
                                   .evidence = arena_format(&suspects->arena,
                                                            "one of those filed under another class: right "
                                                            "in %d of %d looks, probability of the label "
                                                            "%.2g",
                                                            sample->correct, sample->seen, belief_of(sample))});
}

void suspects_filed(struct suspects *suspects, const struct dataset *data, const struct sample_stats *table,
                    const int32_t *val)
{
    struct arena arena = {0};
    struct filed filed;
    const int64_t seen = find(&filed, false, data, table, val, &arena);
    if (!filed_is_sure(&filed)) {
        arena_free(&arena);
        return;
    }
    int32_t *found = arena_push(&arena, (size_t)filed.there * sizeof *found);
    double *against = arena_push(&arena, (size_t)filed.there * sizeof *against);
    int64_t count = 0;
    for (int32_t i = 0; i < data->count; i++)
        if (table[i].seen > 0 && data->labels[i] == filed.under && doubts_class_seen(&table[i]) == filed.from) {
            found[count] = i;
            against[count++] = 1.0 - belief_of(&table[i]);
        }
    const int32_t *order = suspects_ranked(against, count, &arena);
    for (int64_t i = 0; i < filed.there - filed.back; i++)
        add(suspects, &table[found[order[i]]], found[order[i]], filed.from);
    const char *under = data->class_names[filed.under], *from = data->class_names[filed.from];
    suspects->verdict = LABELS_JUDGED;
    suspects->wrong_share = (double)(filed.there - filed.back) / (double)seen;
    suspects->wrong_most = fmax(filed.too_many / (double)seen, suspects->wrong_share);
    suspects->doubted_count = 0;
    suspects->labels_text = arena_format(
        &suspects->arena,
        "about %.0f images of '%s' are filed under '%s', which has %lld training images to %lld of the "
        "other, and in validation %lld to %lld; %lld of the one are taken for the other and %lld the other "
        "way",
        filed.too_many, from, under, (long long)filed.train[0], (long long)filed.train[1], (long long)filed.val[0],
        (long long)filed.val[1], (long long)filed.there, (long long)filed.back);
    arena_free(&arena);
}

bool suspects_swallowed(struct suspects *suspects, const struct dataset *data, const struct sample_stats *table,
                        const int32_t *val)
{
    struct arena arena = {0};
    struct filed filed;
    const int64_t seen = find(&filed, true, data, table, val, &arena);
    if (filed.swallowed) {
        const char *under = data->class_names[filed.under], *from = data->class_names[filed.from];
        suspects->verdict = LABELS_JUDGED;
        suspects->wrong_share = suspects->wrong_most = filed.too_many / (double)seen;
        suspects->labels_text = arena_format(
            &suspects->arena,
            "about %.0f images of '%s' are filed under '%s', which has %lld training images to %lld of the other, and "
            "in validation %lld to %lld; they are more than were left, so that the network was taught to take '%s' for "
            "'%s', and lists none: look through '%s'",
            filed.too_many, from, under, (long long)filed.train[0], (long long)filed.train[1], (long long)filed.val[0],
            (long long)filed.val[1], from, under, under);
    }
    arena_free(&arena);
    return filed.swallowed;
}
