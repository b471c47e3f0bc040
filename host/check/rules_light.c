/* rules_light: rules for images that are lit unlike each other, with the origin of each threshold; see rules.c. */
#include "facts.h"

#include <math.h>

/* What findings of light have in common: what to do, and that it is done already. */
static void light(const struct facts *facts, struct arena *arena, struct finding *finding)
{
    const bool relit = facts->input->relit;
    finding->of_light = true;
    finding->severity = relit ? SEVERITY_INFO : SEVERITY_WARN;
    if (relit)
        finding->text = arena_format(arena, "%s; %s for it", finding->text,
                                     facts->input->by_image ? "augment.normalize = image makes up"
                                                            : "augment.brightness and augment.contrast make up");
    finding->action = facts_labels_may_say_nothing(facts)
                          ? "see first whether list and files are in step (unrelated): "
                            "of labels that say nothing no class has a light; then " RELIGHT_ACTION
                      : relit ? "even the light out beforehand if accuracy is still missing"
                              : RELIGHT_ACTION;
}

/* Labels that say nothing make one class of all images: how these differ within it is no matter of light. */
static bool has_classes(const struct facts *facts)
{
    return !facts_labels_say_nothing(facts);
}

/* What the same comes to in validation, where there is enough of it to tell. */
static void number_of_val(struct finding *finding, double value)
{
    if (isfinite(value))
        finding_number(finding, "val", value);
}

/* After the limit of clean sets, where that is kept and it is that the parts differ which was found. */
static const char *kept(bool over)
{
    return over ? "" : ", as here";
}

/* Whether training's images are worse than validation's. */
static bool is_worse(const struct facts *facts, enum figure figure)
{
    return facts->apart[figure].strength > 1.0;
}

/* "; 0.4 in training and 0.12 in validation …", where it is worse in training. */
static const char *beside_val(const struct facts *facts, enum figure figure, struct arena *arena)
{
    const struct apart *apart = &facts->apart[figure];
    return is_worse(facts, figure)
               ? arena_format(arena,
                              "; %.2g in training and %.2g in validation, further apart than parts of one set are",
                              apart->train, apart->val)
               : "";
}

/* Half of the images have a background of one level, and with one in five of them it is not where it is with the others
 * of their class. Clean sets on such backgrounds (Fashion-MNIST, MNIST) have next to none of either. */
static bool grounds_differ(const struct facts *facts, struct ground *ground)
{
    return facts_ground(facts, ground) == OK && ground->share >= 0.5 && ground->away >= 0.2;
}

/* Light falls on all that is in a picture: added to it, what stands before the background changes by as much, and by
 * more where black is clipped; where the background is of a colour that was chosen, by nothing. Half way between. */
static bool is_carried(const struct ground *ground)
{
    return ground->carry >= 0.5;
}

/* Deviation within the classes of log(standard deviation of an image) above 0.35: pilot; clean sets 0.07 to 0.27, real
 * uneven lighting (Yale-B) 0.43, planted 0.40 and more, all as standard deviations; the robust one used here is the
 * same where the lighting varies from image to image, and does not take a few odd images for it. */
bool judge_illumination(const struct facts *facts, struct arena *arena, struct finding *finding)
{
    const double spread = facts_contrast_spread(facts, false);
    if (!(spread > 0.35 && has_classes(facts)) && !is_worse(facts, FIGURE_CONTRAST))
        return false;
    finding->text = arena_format(arena,
                                 "the contrast of images of one class differs widely: the logarithm of an image's "
                                 "standard deviation varies by %.2f within a class (clean sets: below 0.35%s)%s",
                                 spread, kept(spread > 0.35), beside_val(facts, FIGURE_CONTRAST, arena));
    light(facts, arena, finding);
    finding_number(finding, "spread", spread);
    finding_number(finding, "threshold", 0.35);
    number_of_val(finding, facts_contrast_spread(facts, true));
    finding_apart(facts, FIGURE_CONTRAST, finding);
    return true;
}

/* Deviation of the images' mean brightness within the classes, in deviations within an image, above 1.2: one and a half
 * times the most that clean sets have (Fashion-MNIST 0.30, drawn tiles 0.68, EuroSAT 0.80; with all images brighter or
 * darker by up to 40 levels 0.38, 1.28, 1.40, by up to 90 levels 0.66, 2.75, 2.89). Depth: 0.1, 25 levels, so that
 * images of hardly any contrast, whose own deviation is small, are not taken for it. */
bool judge_brightness(const struct facts *facts, struct arena *arena, struct finding *finding)
{
    double within;
    const double between = facts_brightness_spread(facts, false, &within), ratio = between / within;
    if (!(within > 0.0 && ratio > 1.2 && between > 0.1 && has_classes(facts)) && !is_worse(facts, FIGURE_BRIGHTNESS))
        return false;
    finding->text =
        arena_format(arena,
                     "the brightness of images of one class differs widely: their means vary by %.0f of "
                     "255 levels, %.3g times as much as the pixels of an image (clean sets: below 1.2%s)%s",
                     255.0 * between, ratio, kept(ratio > 1.2), beside_val(facts, FIGURE_BRIGHTNESS, arena));
    light(facts, arena, finding);
    finding_number(finding, "ratio", ratio);
    finding_number(finding, "threshold", 1.2);
    finding_number(finding, "depth", between);
    const double val = facts_brightness_spread(facts, true, &within);
    number_of_val(finding, val / within);
    finding_apart(facts, FIGURE_BRIGHTNESS, finding);
    return true;
}

bool judge_background(const struct facts *facts, struct arena *arena, struct finding *finding)
{
    struct ground ground;
    if (!has_classes(facts) || !grounds_differ(facts, &ground) || !is_carried(&ground))
        return false;
    finding->text =
        arena_format(arena,
                     "%.0f %% of the images have a background of one level, which with %.0f %% of them is more "
                     "than 16 of 255 levels brighter or darker than is usual in their class, and what is before it "
                     "with it (by %.2g of that)",
                     100.0 * ground.share, 100.0 * ground.away, ground.carry);
    light(facts, arena, finding);
    finding_number(finding, "away", ground.away);
    finding_number(finding, "threshold", 0.2);
    finding_number(finding, "share", ground.share);
    finding_number(finding, "carry", ground.carry);
    return true;
}

/* Share above 0.38. Pictures without lighting of their own have the spectrum of natural images, amplitude 1/f^1.0 to
 * 1/f^1.2 (Field 1987; Tolhurst, Tadmor, Chao 1992), for which it is 0.23 and 0.32 by simulation. Depth: 0.05, or the
 * slopes are too faint to matter. */
bool judge_shading(const struct facts *facts, struct arena *arena, struct finding *finding)
{
    const struct shape image = facts->input->train->data->image;
    struct shading found;
    if (image.h < 16 || image.w < 16 || facts_shading(facts, &found) != OK || found.images < 50 ||
        ((found.share <= 0.38 || found.depth < 0.05 || !has_classes(facts)) && !is_worse(facts, FIGURE_SLOPE)))
        return false;
    finding->text = arena_format(arena,
                                 "images are lit unevenly: %.0f %% of what differs in brightness within an image is a "
                                 "slope from one side to the other (natural scenes: below 38 %%%s)%s",
                                 100.0 * found.share, kept(found.share > 0.38), beside_val(facts, FIGURE_SLOPE, arena));
    light(facts, arena, finding);
    finding_number(finding, "share", found.share);
    finding_number(finding, "threshold", 0.38);
    finding_number(finding, "depth", found.depth);
    finding_apart(facts, FIGURE_SLOPE, finding);
    return true;
}
