/* turned: photographs that lie on their side, as cameras store them with a note in their EXIF data that says so, which
 * nobody heeds who trains. Judges by what was read with the images. */
#include "facts.h"

/* From so many on a point of accuracy may hang on it. */
#define WARN_SHARE 0.01

bool judge_turned(const struct facts *facts, struct arena *arena, struct finding *finding)
{
    int64_t turned[2] = {0};
    for (int64_t i = 0; i < facts->count; i++) {
        const struct dataset *data = facts_data(facts, i);
        if (!data->turned || !data->turned[facts->images[i].sample])
            continue;
        turned[i >= facts->train_count]++;
        finding_file(facts, arena, finding, i);
    }
    if (turned[0] + turned[1] == 0)
        return false;
    const double share = (double)(turned[0] + turned[1]) / (double)facts->count;
    finding->severity = share >= WARN_SHARE ? SEVERITY_WARN : SEVERITY_INFO;
    finding->text =
        arena_format(arena,
                     "%lld training and %lld validation images (%.3g %%) are to be turned or mirrored to be "
                     "seen upright, by their EXIF orientation; they are trained and measured as stored, as "
                     "torchvision does",
                     (long long)turned[0], (long long)turned[1], 100.0 * share);
    finding->action = "turn the files upright (exiftran -ai *.jpg), unless the others lie as these do";
    finding_number(finding, "train", (double)turned[0]);
    finding_number(finding, "val", (double)turned[1]);
    finding_number(finding, "share", share);
    return true;
}
