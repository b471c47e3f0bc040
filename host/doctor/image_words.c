/* image_words: what is added to a finding in the images when a run has shown what it costs. Must not judge. */
#include "rules.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* "12 % +- 3.1 lower" */
enum { LOWER_TEXT = 64 };
static void say_lower(double share, double error, char text[static LOWER_TEXT])
{
    if (share >= 0.0)
        snprintf(text, LOWER_TEXT, "%.0f %% +- %.1f lower", 100.0 * share, 100.0 * error);
    else
        snprintf(text, LOWER_TEXT, "no lower (%.0f %% +- %.1f higher)", -100.0 * share, 100.0 * error);
}

/* A normalisation in the network divides by what it finds, and takes out what is the same for every image: not what the
 * zeros around an image make of a mean, nor, in validation, by what running means lag behind. */
void image_say_absorbed(struct symptom *image, const struct evidence *evidence)
{
    const size_t used = strlen(image->evidence), room = sizeof image->evidence - used;
    const double right = doctor_best_right(evidence);
    if (strcmp(image->rule, "normalisation") != 0 || !evidence->layers.normalises)
        return;
    if (right > ALL_LEARNED)
        snprintf(image->evidence + used, room,
                 "; a normalisation in the network takes most of it out again (%.1f %% are right all the same)",
                 100.0 * right);
    else
        snprintf(image->evidence + used, room, "; a normalisation in the network takes most of it out again");
}

void image_say_cost(struct symptom *image, double share, double error)
{
    const size_t used = strlen(image->evidence), room = sizeof image->evidence - used;
    char *end = image->evidence + used;
    char lower[LOWER_TEXT];
    say_lower(image->cost, image->cost_error, lower);
    if (image_is_trainings_alone(image) && isfinite(share))
        snprintf(end, room, "; validation's loss is %.0f %% +- %.1f lower than training's", 100.0 * share,
                 100.0 * error);
    else if (image_is_trainings_alone(image) || !isfinite(image->cost))
        return;
    else if (image->cause == CAUSE_ILLUMINATION)
        snprintf(end, room, "; if all were learned as the better lit half is, the loss would be %s", lower);
    else
        snprintf(end, room, "; if they were learned as the others are, the loss would be %s", lower);
}
