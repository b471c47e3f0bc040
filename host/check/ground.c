/* ground: images on a background of one level, as drawings, scans and cut-out pictures have it, how far that level
 * moves from image to image, and whether what is before it moves along. Where it is clipped (black stays black when an
 * image gets darker) brightness and contrast hardly tell that lighting varies; the background does. */
#include "facts.h"

#include <math.h>
#include <stdlib.h>

enum { LEVELS = 256, CLASS_LEAST = 20 };
/* Natural images have at most some hundredths of their pixels at one level. */
#define GROUND_SHARE 0.2f

bool image_has_ground(const struct image_facts *one)
{
    return one->ground_share >= GROUND_SHARE;
}

static int middle_of(const int64_t counts[LEVELS], int64_t images)
{
    int level = 0;
    for (int64_t below = counts[0]; 2 * below < images; below += counts[level])
        level++;
    return level;
}

/* Share of a class's images whose background is far from the usual; NaN: too few have one. */
static double away_of(const struct facts *facts, int label)
{
    int64_t counts[LEVELS] = {0}, images = 0, away = 0;
    for (int64_t i = 0; i < facts->train_count; i++)
        if (facts->images[i].label == label && image_has_ground(&facts->images[i])) {
            counts[facts->images[i].ground]++;
            images++;
        }
    if (images < CLASS_LEAST)
        return NAN;
    const int middle = middle_of(counts, images);
    for (int level = 0; level < LEVELS; level++)
        away += abs(level - middle) > FAR_OFF ? counts[level] : 0;
    return (double)away / (double)images;
}

/* Slope of figure over ground in a class; NaN: too few have both, or none differs. */
static double carry_of(const struct facts *facts, int label)
{
    double images = 0.0, x = 0.0, y = 0.0, xx = 0.0, xy = 0.0;
    for (int64_t i = 0; i < facts->train_count; i++) {
        const struct image_facts *one = &facts->images[i];
        if (one->label != label || !image_has_ground(one) || isnan(one->figure))
            continue;
        images++;
        x += one->ground, y += (double)one->figure;
        xx += (double)one->ground * one->ground, xy += one->ground * (double)one->figure;
    }
    const double spread = xx - x * x / images;
    return images >= CLASS_LEAST && spread > 0.0 ? (xy - x * y / images) / spread : NAN;
}

static double over_classes(const struct facts *facts, double (*of)(const struct facts *, int), double *values)
{
    int64_t known = 0;
    for (int label = 0; label < facts->input->train->data->class_count; label++) {
        values[known] = of(facts, label);
        known += !isnan(values[known]);
    }
    return known > 0 ? facts_median(values, known) : NAN;
}

int facts_ground(const struct facts *facts, struct ground *ground)
{
    const size_t classes = (size_t)facts->input->train->data->class_count;
    double *values, with = 0.0;
    *ground = (struct ground){0};
    TRY(memory_take(&values, (classes + 1) * sizeof *values, "what is measured of classes"));
    for (int64_t i = 0; i < facts->train_count; i++)
        with += image_has_ground(&facts->images[i]);
    ground->share = with / fmax(1.0, (double)facts->train_count);
    ground->away = over_classes(facts, away_of, values);
    ground->carry = over_classes(facts, carry_of, values);
    memory_give(values);
    return OK;
}
