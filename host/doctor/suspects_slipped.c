/* suspects_slipped: images of a stretch of the list whose labels slipped, one by one. What tells it is in slipped.h. */
#include "doubts.h"
#include "slipped.h"
#include "suspects_parts.h"

bool suspects_slipped(struct suspects *suspects, const struct dataset *data, const struct sample_stats *table)
{
    struct arena arena = {0};
    struct slipped slipped;
    char text[SLIPPED_TEXT];
    int32_t *taken = arena_push(&arena, (size_t)(data->count + 1) * sizeof *taken);
    int32_t *labels = arena_push(&arena, (size_t)(data->count + 1) * sizeof *labels);
    int64_t seen = 0;
    for (int64_t i = 0; i < data->count; i++) {
        labels[i] = table[i].seen > 0 ? data->labels[i] : -1;
        taken[i] = table[i].seen > 0 ? doubts_class_seen(&table[i]) : -1;
        seen += table[i].seen > 0;
    }
    slipped_find(&slipped, labels, taken, data->count);
    const bool sure = slipped_is_sure(&slipped);
    if (sure) {
        slipped_say(&slipped, text);
        suspects->verdict = LABELS_JUDGED;
        suspects->labels_text = arena_format(&suspects->arena, "%s", text);
        suspects->doubted_count = 0;
    }
    for (int64_t i = slipped.first; sure && i <= slipped.last; i++)
        if (table[i].seen > 0)
            suspects_add(suspects, &(struct suspect){.kind = SUSPECT_LABEL,
                                                     .sample = (int32_t)i,
                                                     .suggested = labels[i - slipped.shift],
                                                     .score = (double)slipped.away / (double)slipped.images,
                                                     .evidence = "in a stretch of the list whose labels slipped"});
    if (sure)
        suspects->wrong_share = suspects->wrong_most = (double)suspects->kinds[SUSPECT_LABEL] / (double)seen;
    arena_free(&arena);
    return sure;
}
