/* ground: images on a background of one level, as drawings, scans and cut-out pictures have it, and how far that level
 * moves from image to image. Where it is clipped (black stays black when an image gets darker) brightness and contrast
 * hardly tell that lighting varies; the background does. */
#include "facts.h"

#include <math.h>
#include <stdlib.h>

enum { LEVELS = 256, CLASS_LEAST = 20 };
/* Natural images have at most some hundredths of their pixels at one level. */
#define GROUND_SHARE 0.2f
#define FAR          16

static int middle_of(const int64_t counts[LEVELS], int64_t images)
{
    int level = 0;
    for (int64_t below = counts[0]; 2 * below < images; below += counts[level])
        level++;
    return level;
}

void facts_ground(const struct facts *facts, struct ground *ground)
{
    int64_t with = 0, judged = 0, away = 0;
    for (int label = 0; label < facts->input->train->data->class_count; label++) {
        int64_t counts[LEVELS] = {0}, images = 0;
        for (int64_t i = 0; i < facts->train_count; i++) {
            const struct image_facts *one = &facts->images[i];
            if (one->label != label || one->ground_share < GROUND_SHARE)
                continue;
            counts[one->ground]++;
            images++;
        }
        with += images;
        if (images < CLASS_LEAST)
            continue;
        const int middle = middle_of(counts, images);
        judged += images;
        for (int level = 0; level < LEVELS; level++)
            away += abs(level - middle) > FAR ? counts[level] : 0;
    }
    ground->share = facts->train_count > 0 ? (double)with / (double)facts->train_count : 0.0;
    ground->away = judged > 0 ? (double)away / (double)judged : 0.0;
}
