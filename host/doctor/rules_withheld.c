/* rules_withheld: what training is not allowed to see, or to show of what it knows. Pure functions over the evidence.
 */
#include "rules.h"

#include <math.h>

/* More than half of what the network gets right when nothing is taken from it, on images that it has never seen, it
 * gets wrong while it trains: its gradient is for the most part that of what was taken away. Of mixed images there is
 * no right answer to count. */
static bool is_withheld(const struct evidence *evidence, const struct moment *now)
{
    const double a = now->train_accuracy, v = now->val_accuracy;
    const double error =
        sqrt(v * (1.0 - v) / (double)evidence->val_images + 4.0 * a * (1.0 - a) / fmax(now->images, 1.0));
    return v - 2.0 * a > 3.5 * error && !doctor_guesses(v, evidence->classes);
}

/* At the end of two epochs, in a run that has had the time, while there is something to gain. Not with train.balance,
 * where training's answers have the classes' shares added and validation's not: one's being ahead says nothing. */
bool rule_withheld(const struct evidence *evidence, struct symptom *symptom)
{
    const struct config *config = evidence->config;
    const int64_t last = evidence->epochs - 1;
    struct moment before, now;
    if (config->train.balance || !handicapped(config) || config->augment.mixup > 0.0 || config->augment.cutmix > 0.0 ||
        last < 1 || !(evidence->over || 2 * evidence->steps >= evidence->planned_steps) || !doctor_misses(evidence) ||
        !moment_at(evidence, last - 1, &before) || !moment_at(evidence, last, &now) ||
        !is_withheld(evidence, &before) || !is_withheld(evidence, &now))
        return false;
    return show(symptom, now.step, 0.5 * now.val_accuracy / now.train_accuracy,
                "%.1f %% of the validation images are right, where nothing is taken away, and %.1f %% of the training "
                "images as augmentation and dropout leave them: less than half of what is known shows in training",
                100.0 * now.val_accuracy, 100.0 * now.train_accuracy);
}

/* Of what there is to learn, less than this in the targets: a sure answer is worth less than a doubtful one, and the
 * loss that can be had is that of a guess. Smoothing by 0.1 leaves 0.8, by 0.3 half, by 0.6 a sixth. */
bool rule_softened(const struct evidence *evidence, struct symptom *symptom)
{
    const double quarter = 0.25, half = 0.5, smoothing = evidence->config->train.label_smoothing;
    const double left = 1.0 - loss_floor(evidence) / loss_of_guessing(evidence);
    const bool held = evidence->epochs > 0 && 2 * evidence->steps >= evidence->planned_steps && doctor_misses(evidence);
    const double least = held ? half : quarter;
    return smoothing > 0.0 && left < least &&
           show(symptom, 0, least / fmax(left, 1e-3),
                "train.label_smoothing = %.3g%s leaves %.0f %% of what the labels say: who knows them all still has a "
                "training loss of %.3g, where guessing has %.3g, and is not to be surer of an answer than %.0f %%",
                smoothing, evidence->config->augment.mixup > 0.0 ? " with mixed images" : "", 100.0 * left,
                loss_floor(evidence), loss_of_guessing(evidence),
                100.0 * (1.0 - smoothing + smoothing / evidence->classes));
}

static double mean_of(const double *range, int count)
{
    return count > 0 ? 0.5 * (range[0] + range[count - 1]) : 1.0;
}

/* What zooming by a factor from range leaves of an image's pixels on average: the square of it where the image gets
 * smaller, and one part in its square of the area where it gets larger than the frame. Factors are drawn evenly. */
static double zoom_left(const double *range, int count)
{
    if (count == 0)
        return 1.0;
    const double low = range[0], high = range[count - 1], small = fmin(high, 1.0), large = fmax(low, 1.0);
    if (!(high > low))
        return fmin(low * low, 1.0 / (low * low));
    double sum = 0.0;
    if (low < small)
        sum += (small * small * small - low * low * low) / 3.0;
    if (large < high)
        sum += 1.0 / large - 1.0 / high;
    return sum / (high - low);
}

/* What cropping, zooming, shifting and erasing leave of an image on average, as a share of its area. Shifts are drawn
 * evenly up to the largest, in both directions. The usual crop of 0.08 to 1 leaves 0.54. */
static double image_left(const struct config *config)
{
    const double shown = 1.0 - 0.5 * fmin(config->augment.translate, 1.0);
    return mean_of(config->augment.crop_area, config->augment.crop_area_count) *
           zoom_left(config->augment.scale, config->augment.scale_count) * shown * shown *
           (1.0 - config->augment.erase * mean_of(config->augment.erase_area, config->augment.erase_area_count));
}

/* The last two epochs: whether validation is behind in both, or ahead in both, beyond chance. */
static bool both_apart(const struct evidence *evidence, double sign)
{
    for (int64_t epoch = evidence->epochs - 2; epoch < evidence->epochs; epoch++) {
        struct moment now;
        if (epoch < 0 || !moment_at(evidence, epoch, &now) ||
            !(sign * (now.val_accuracy - now.train_accuracy) > 3.5 * moment_error(evidence, &now)))
            return false;
    }
    return true;
}

/* What keeps a network from learning images by heart has nothing to do where validation is not behind, and takes away
 * where something is missing: named where a config leaves less than half of each image, or of the units. A crop shows
 * training what validation never shows, so that validation is behind for it. */
bool rule_too_much(const struct evidence *evidence, struct symptom *symptom)
{
    const double half = 0.5;
    const struct config *config = evidence->config;
    const double left = image_left(config), units = 1.0 - config_dropout(config);
    struct moment now;
    if (evidence->epochs < 2 || !(evidence->over || 2 * evidence->steps >= evidence->planned_steps) ||
        !doctor_misses(evidence) || !moment_at(evidence, evidence->epochs - 1, &now) ||
        now.train_accuracy >= LEARNT_BY_HEART)
        return false;
    const bool crops = mean_of(config->augment.crop_area, config->augment.crop_area_count) < half;
    const bool alike = !config->train.balance;
    if (left < half && (crops || (alike && !both_apart(evidence, -1.0))))
        return show(
            symptom, 0, half / left,
            "augmentation leaves %.0f %% of each image on average (augment.crop_area, scale, translate, erase): "
            "%.1f %% of the training images are right as it leaves them, and %.1f %% of validation's",
            100.0 * left, 100.0 * now.train_accuracy, 100.0 * now.val_accuracy);
    return units < half &&
           ((alike && both_apart(evidence, 1.0)) || doctor_guesses(now.train_accuracy, evidence->classes)) &&
           show(symptom, 0, half / fmax(units, 1e-3),
                "dropout of %.3g leaves %.0f %% of the units in training: %.1f %% of its images are right, and "
                "%.1f %% of validation's, where all units are there",
                1.0 - units, 100.0 * units, 100.0 * now.train_accuracy, 100.0 * now.val_accuracy);
}
