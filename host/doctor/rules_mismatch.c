/* rules_mismatch: validation images that are of another kind than training's, or have other labels. What a network has
 * learnt of too few images it recognises less often than it should; here it takes classes for others. */
#include "rules.h"

#include <math.h>
#include <stdio.h>

/* The epoch of the best weights, by validation's loss; -1: there is none. */
static int64_t best_epoch(const struct evidence *evidence, struct moment *best)
{
    int64_t epoch = -1;
    struct moment now;
    for (int64_t e = 0; e < evidence->epochs; e++)
        if (moment_at(evidence, e, &now) && (epoch < 0 || now.val_loss < best->val_loss)) {
            *best = now;
            epoch = e;
        }
    return epoch;
}

static bool say_called(const struct evidence *evidence, struct symptom *symptom, int64_t step, const char *therefore)
{
    const struct called_evidence *called = &evidence->called;
    const struct called_class *a = &called->shown[0], *b = &called->shown[1];
    return show(
        symptom, step, called->lost,
        "of %lld validation images of '%s' %lld are called '%s', of %lld of '%s' %lld are called '%s' (%d classes in "
        "all are taken for others): %s",
        (long long)a->images, a->name, (long long)a->wrong, a->as, (long long)b->images, b->name, (long long)b->wrong,
        b->as, called->lost, therefore);
}

/* No network takes A for B and B for A of itself: that is what answers exchanged look like. */
bool rule_exchanged(const struct evidence *evidence, struct symptom *symptom)
{
    struct moment best = {0};
    return evidence->called.in_ring >= 2 && best_epoch(evidence, &best) >= 0 &&
           say_called(evidence, symptom, best.step, "their labels or folders are exchanged in one of the parts");
}

/* Who guesses by the classes' shares is right in 1 of the classes at least; fewer are right only where answers go with
 * other labels. In two epochs in a row, and behind from the beginning. */
bool rule_below_chance(const struct evidence *evidence, struct symptom *symptom)
{
    const double chance = 1.0 / evidence->classes;
    const double sure = chance - 3.5 * sqrt(chance * (1.0 - chance) / (double)evidence->val_images);
    int times = 0;
    if (!rules_behind_at_once(evidence))
        return false;
    for (int64_t epoch = 0; epoch < evidence->epochs; epoch++) {
        struct moment now;
        if (!moment_at(evidence, epoch, &now) || !moment_has_learned(evidence, &now))
            continue;
        times = now.val_accuracy < sure ? times + 1 : 0;
        if (times >= 2)
            return show(
                symptom, now.step, chance / fmax(now.val_accuracy, chance / 100.0),
                "%.1f %% of the training images are right, and %.2f %% of validation's, fewer than guessing has "
                "(%.1f %%): its labels go with other images",
                100.0 * now.train_accuracy, 100.0 * now.val_accuracy, 100.0 * chance);
    }
    return false;
}

/* Whether training knows classes that validation loses: were they lost in training too, it would have no more right
 * than all the others and what chance gives. */
static bool training_knows(const struct evidence *evidence, int64_t epoch)
{
    const double accuracy = evidence->train_accuracy[epoch], classes = evidence->classes;
    const double lost = evidence->called.lost / classes * evidence->rarest;
    const double most = 1.0 - lost * (1.0 - 1.0 / classes);
    return accuracy - most > 3.5 * sqrt(accuracy * (1.0 - accuracy) / (double)evidence->train_images);
}

/* What training images are too few for is recognised less often, and taken for this and that; here classes are not
 * recognised at all and called one other, of which there are several: a network that answers with one has lost its way.
 */
bool rule_called_otherwise(const struct evidence *evidence, struct symptom *symptom)
{
    const struct called_evidence *called = &evidence->called;
    struct moment best = {0};
    const int64_t epoch = best_epoch(evidence, &best);
    /* Of images that come class by class each batch is known, and the next one not. */
    return evidence->config->data.shuffle && epoch >= 0 && called->lost >= 2 && called->targets >= 2 &&
           training_knows(evidence, epoch) &&
           say_called(evidence, symptom, best.step,
                      "training knows them, so that they look otherwise here (turned, mirrored), or are labelled "
                      "otherwise");
}

bool rules_mismatch(const struct evidence *evidence)
{
    struct symptom symptom;
    return rule_exchanged(evidence, &symptom) || rule_below_chance(evidence, &symptom) ||
           rule_called_otherwise(evidence, &symptom);
}
