/* along: what differs from batch to batch where images come in the order of a list: brightness, texture, images that
 * are no pictures. In random order the means of stretches of the list differ as chance has it. */
#include "facts.h"

#include <math.h>

/* Of the list; a training of fewer batches has little order. */
enum { STRETCHES = 20 };
/* Variance of the batches' means over what chance gives, as of the classes: beyond it the batches differ by more from
 * each other than by drawing. */
#define BATCHES_APART 2.0
/* The same of the stretches, with 19 degrees of freedom: by chance one list of 100 images in 50,000 has any of the
 * three, of 400 one in five million. */
#define SURE 4.0

enum along { ALONG_BRIGHTNESS, ALONG_TEXTURE, ALONG_KIND, ALONGS };
static const char *const words[ALONGS] = {
    "brightness",
    "texture (how rough images are)",
    "how many are no pictures (one colour, torn)",
};

/* NaN: the image does not say. */
static double figure_of(const struct image_facts *one, enum along along)
{
    const bool picture = one->kind != KIND_FLAT && one->kind != KIND_TORN;
    if (along == ALONG_KIND)
        return !picture;
    if (along == ALONG_TEXTURE)
        return picture && one->roughness > 0.0f ? log((double)one->roughness) : NAN;
    return picture ? (double)one->mean : NAN;
}

struct spread {
    double stretches; /* variance of their means over what chance gives: about 1 in random order */
    double batches;   /* the same of batches, as what differs along the list makes it */
};

static struct spread spread_of(const struct facts *facts, enum along along)
{
    double count[STRETCHES] = {0.0}, sum[STRETCHES] = {0.0}, images = 0.0, total = 0.0, squares = 0.0, between = 0.0;
    for (int64_t i = 0; i < facts->train_count; i++) {
        const int at = (int)(i * STRETCHES / facts->train_count);
        const double value = figure_of(&facts->images[i], along);
        if (isnan(value))
            continue;
        count[at]++;
        sum[at] += value;
        images++;
        total += value;
        squares += value * value;
    }
    const double whole = squares - total * total / images;
    for (int k = 0; k < STRETCHES; k++)
        if (count[k] > 0.0)
            between += count[k] * pow(sum[k] / count[k] - total / images, 2.0);
    const double within = fmax(0.0, whole - between) / (images - STRETCHES);
    /* Of the whole variance, what is between the stretches beyond chance is between batches as well: of images that are
     * all alike in a batch its mean varies by as much as single ones. */
    const double share = fmax(0.0, between - (STRETCHES - 1) * within) / whole;
    return (struct spread){between / (STRETCHES - 1) / within, 1.0 + (facts->input->batch - 1) * share};
}

/* Fewer images do not fill the stretches. */
static bool is_in_order(const struct facts *facts)
{
    return !facts->input->shuffle && facts->train_count >= 5 * STRETCHES &&
           facts->input->train->count >= (int64_t)5 * facts->input->batch;
}

bool judge_along(const struct facts *facts, struct arena *arena, struct finding *finding)
{
    struct spread worst = {0};
    const char *what = NULL;
    for (int along = 0; is_in_order(facts) && along < ALONGS; along++) {
        const struct spread spread = spread_of(facts, along);
        if (spread.stretches > SURE && spread.batches > BATCHES_APART && spread.batches > worst.batches) {
            worst = spread;
            what = words[along];
        }
    }
    if (!what)
        return false;
    finding->severity = SEVERITY_FAULT;
    finding->text = arena_format(arena,
                                 "images come in the order of the list, and along it they differ in %s: the means of "
                                 "batches of %d vary %.3g times as much as in random order",
                                 what, facts->input->batch, worst.batches);
    finding->action = "set data.shuffle = true";
    finding_number(finding, "ratio", worst.batches);
    finding_number(finding, "threshold", BATCHES_APART);
    return true;
}
