/* slipped: see slipped.h. Must not know a run. */
#include "slipped.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* The stretch of the largest sum (Kadane's algorithm), of one shift. */
static struct slipped find(const int32_t *labels, const int32_t *taken, int64_t count, int shift)
{
    struct slipped best = {.shift = shift}, now = best;
    int64_t differ = 0;
    for (int64_t i = 0; i < count; i++) {
        const int64_t from = i - shift;
        if (from < 0 || from >= count || labels[i] < 0 || labels[from] < 0 || taken[i] < 0)
            continue;
        if (now.images == 0)
            now.first = i;
        now.images++;
        now.last = i;
        now.own += taken[i] == labels[i];
        now.away += taken[i] == labels[from];
        differ += (taken[i] == labels[i]) != (taken[i] == labels[from]);
        if (now.away <= now.own)
            now = (struct slipped){.shift = shift};
        else if (now.away - now.own > best.away - best.own)
            best = now;
    }
    best.errors = differ > 0 ? (double)(best.away - best.own) / sqrt((double)differ) : 0.0;
    return best;
}

void slipped_find(struct slipped *found, const int32_t *labels, const int32_t *taken, int64_t count)
{
    *found = (struct slipped){0};
    for (int shift = -SLIPPED_MOST; shift <= SLIPPED_MOST; shift++) {
        const struct slipped one = find(labels, taken, count, shift);
        if (one.errors > found->errors)
            *found = one;
    }
}

bool slipped_is_sure(const struct slipped *slipped)
{
    const double sure = 6.0;
    return slipped->errors > sure;
}

void slipped_say(const struct slipped *slipped, char text[static SLIPPED_TEXT])
{
    const int lines = abs(slipped->shift);
    snprintf(text, SLIPPED_TEXT,
             "images %lld to %lld of the list have the label of the image %d line%s %s: of %lld of them %.0f %% are "
             "taken for what stands %d line%s %s, and %.0f %% for their own label",
             (long long)slipped->first, (long long)slipped->last, lines, lines == 1 ? "" : "s",
             slipped->shift > 0 ? "further on" : "further back", (long long)slipped->images,
             100.0 * (double)slipped->away / (double)slipped->images, lines, lines == 1 ? "" : "s",
             slipped->shift > 0 ? "before" : "behind", 100.0 * (double)slipped->own / (double)slipped->images);
}
