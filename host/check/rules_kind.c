/* rules_kind: rules for images that are no pictures of their class, or parts of some; see rules.c. */
#include "facts.h"

/* Images that are of a kind, listed; of training and of validation. */
static void list_kind(const struct facts *facts, enum image_kind kind, struct arena *arena, struct finding *finding,
                      int64_t count[static 2])
{
    count[0] = count[1] = 0;
    for (int64_t i = 0; i < facts->count; i++)
        if (facts->images[i].kind == kind) {
            count[i >= facts->train_count]++;
            finding_file(facts, arena, finding, i);
        }
}

double part_share(const struct facts *facts, const int64_t count[static 2], bool val)
{
    const int64_t all = val ? facts->count - facts->train_count : facts->train_count;
    return all > 0 ? (double)count[val] / (double)all : 0.0;
}

const char *part_counts(const struct facts *facts, struct arena *arena, const int64_t count[static 2])
{
    const int64_t val = facts->count - facts->train_count;
    const char *text = arena_format(arena, "%lld of %lld training images (%.3g %%)", (long long)count[0],
                                    (long long)facts->train_count, 100.0 * part_share(facts, count, false));
    return val == 0 ? text
                    : arena_format(arena, "%s and %lld of %lld validation images (%.3g %%)", text, (long long)count[1],
                                   (long long)val, 100.0 * part_share(facts, count, true));
}

static void number_shares(const struct facts *facts, const int64_t count[static 2], enum figure figure,
                          struct finding *finding)
{
    finding_number(finding, "share", part_share(facts, count, false));
    finding_number(finding, "val", part_share(facts, count, true));
    finding_apart(facts, figure, finding);
}

/* More than one training image in 200, and not by accident. Clean sets have a few in ten thousand. */
static bool is_many(const struct facts *facts, const int64_t count[static 2])
{
    const double share = part_share(facts, count, false);
    return count[0] >= 5 && share > 0.005 && share < 0.5; /* what most images are is no oddity */
}

bool judge_outliers(const struct facts *facts, struct arena *arena, struct finding *finding)
{
    int64_t count[2];
    list_kind(facts, KIND_ODD, arena, finding, count);
    if (!is_many(facts, count))
        return false;
    finding->severity = SEVERITY_WARN;
    finding->text = arena_format(arena,
                                 "%s are noise, or far rougher or smoother than the rest of their class, as test "
                                 "patterns are",
                                 part_counts(facts, arena, count));
    int64_t aslant = 0;
    for (int64_t i = 0; i < facts->count; i++)
        aslant += facts->images[i].kind == KIND_ODD && facts->images[i].aslant != 0;
    if (aslant > 0)
        finding->text =
            arena_format(arena,
                         "%s; in %lld each row begins some pixels later than the one before, as in files that were "
                         "read with a wrong length of row",
                         finding->text, (long long)aslant);
    finding->action = "look at them and remove what is no picture of its class";
    finding->of_odd = true;
    number_shares(facts, count, FIGURE_ODD, finding);
    finding_number(finding, "threshold", 0.005);
    return true;
}

/* Of so many validation images of one colour some are still right by chance. */
static double most_right(const struct facts *facts, double flat)
{
    return 1.0 - flat * (1.0 - 1.0 / facts->input->train->data->class_count);
}

bool judge_constant(const struct facts *facts, struct arena *arena, struct finding *finding)
{
    int64_t count[2];
    list_kind(facts, KIND_FLAT, arena, finding, count);
    if (finding->file_total == 0)
        return false;
    const double most = most_right(facts, part_share(facts, count, true));
    finding->severity = SEVERITY_WARN;
    finding->text = arena_format(arena, "%s %s one colour all over", part_counts(facts, arena, count),
                                 finding->file_total == 1 ? "is" : "are");
    if (most < 0.95)
        finding->text =
            arena_format(arena, "%s: no more than %.0f %% of validation can be right", finding->text, 100.0 * most);
    finding->action = "remove them";
    finding->of_odd = true;
    finding_number(finding, "images", (double)finding->file_total);
    number_shares(facts, count, FIGURE_FLAT, finding);
    return true;
}

bool judge_torn(const struct facts *facts, struct arena *arena, struct finding *finding)
{
    int64_t count[2];
    list_kind(facts, KIND_TORN, arena, finding, count);
    if (!is_many(facts, count))
        return false;
    finding->severity = SEVERITY_WARN;
    int64_t half = 0;
    for (int64_t i = 0; i < facts->count; i++)
        half += facts->images[i].kind == KIND_TORN && facts->images[i].half != HALF_NONE;
    finding->text =
        2 * half > count[0] + count[1]
            ? arena_format(arena,
                           "%s are noise in one half, where neighbouring pixels do not go together, and a "
                           "picture in the other",
                           part_counts(facts, arena, count))
            : arena_format(arena,
                           "%s were read in part: from some line on they are one line over and over, of which "
                           "hardly a pixel is above",
                           part_counts(facts, arena, count));
    finding->action = "look at them, and read them again from where they come from, or remove them";
    finding->of_odd = true;
    number_shares(facts, count, FIGURE_TORN, finding);
    return true;
}
