/* near: validation images that are nearly those of training, as frames of one scene are where a film is split at
 * random. What a network has right of them it may know by heart. */
#include "facts.h"

#include <math.h>
#include <string.h>

/* Of validation: with so many known by heart its accuracy says nothing of what is missing (95 % right). */
#define MATTERS 0.05
/* Fewer are an accident. */
enum { LEAST = 5 };

/* Of validation's images looked at, those that have one in training; each listed with the first. */
static int64_t count_across(const struct facts *facts, struct arena *arena, struct finding *finding)
{
    const size_t val = (size_t)(facts->count - facts->train_count);
    bool *seen = memset(arena_push(arena, val + 1), 0, val + 1);
    int64_t count = 0;
    for (int64_t i = 0; i < facts->near.count; i++) {
        const struct pair pair = facts->near.list[i];
        if (pair.a >= facts->train_count || pair.b < facts->train_count || seen[pair.b - facts->train_count])
            continue;
        seen[pair.b - facts->train_count] = true;
        count++;
        finding_file(facts, arena, finding, pair.a);
        finding_file(facts, arena, finding, pair.b);
    }
    finding->pairs = true;
    return count;
}

/* Where a part of the training images was looked at, as large a part of those that have one is found. */
bool judge_near_leak(const struct facts *facts, struct arena *arena, struct finding *finding)
{
    const int64_t val = facts->count - facts->train_count;
    const int64_t count = val > 0 ? count_across(facts, arena, finding) : 0;
    const double part = (double)facts->train_count / (double)facts->input->train->count;
    const double share = val > 0 ? fmin(1.0, (double)count / (double)val / part) : 0.0;
    if (count < LEAST || share < MATTERS)
        return false;
    finding->severity = SEVERITY_WARN;
    finding->text = arena_format(arena,
                                 "%lld of %lld validation images are nearly equal to a training image (correlation "
                                 "above 0.99)",
                                 (long long)count, (long long)val);
    if (part < 1.0)
        finding->text =
            arena_format(arena, "%s of the %lld looked at; among all %lld there would be about %.0f %%", finding->text,
                         (long long)facts->train_count, (long long)facts->input->train->count, 100.0 * share);
    finding->action =
        "split by scene (all frames of one in the same part), not by image: the validation accuracy is too "
        "good as it is";
    finding_number(finding, "share", share);
    finding_number(finding, "images", (double)count);
    return true;
}
