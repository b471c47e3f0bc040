/* rules_mismatch: validation images that are of another kind than training's, or have other labels. What a network has
 * learnt of too few images it recognises less often than it should; here it takes classes for others. */
#include "rules.h"

#include <math.h>
#include <stdio.h>

/* Whether these weights' answers are known, and training and validation at that epoch. */
static bool known(const struct evidence *evidence, int weights, struct moment *moment)
{
    const struct called_evidence *called = &evidence->called[weights];
    return called->images > 0 && called->epoch < evidence->epochs && moment_at(evidence, called->epoch, moment);
}

static bool say_called(const struct called_evidence *called, struct symptom *symptom, int64_t step,
                       const char *therefore)
{
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
    for (int weights = 0; weights < CALLED_WEIGHTS; weights++) {
        const struct called_evidence *called = &evidence->called[weights];
        struct moment now;
        if (called->in_ring >= 2 && known(evidence, weights, &now))
            return say_called(called, symptom, now.step, "their labels or folders are exchanged in one of the parts");
    }
    return false;
}

/* Fewer are right than of the same answers dealt out blindly, which only answers have that go with other labels; behind
 * from the beginning. */
bool rule_below_chance(const struct evidence *evidence, struct symptom *symptom)
{
    if (!rules_behind_at_once(evidence))
        return false;
    for (int weights = 0; weights < CALLED_WEIGHTS; weights++) {
        const struct called_evidence *called = &evidence->called[weights];
        const double right = (double)called->right;
        struct moment now;
        if (known(evidence, weights, &now) && moment_has_learned(evidence, &now) &&
            right < called->blind - 3.5 * called->blind_error)
            return show(symptom, now.step, called->blind / fmax(right, 0.01 * called->blind),
                        "%.1f %% of the training images are right, and %.2f %% of validation's, fewer than the same "
                        "answers dealt out blindly would have (%.1f %%): its labels go with other images",
                        100.0 * now.train_accuracy, 100.0 * right / (double)called->images,
                        100.0 * called->blind / (double)called->images);
    }
    return false;
}

/* Whether training knows classes that validation loses: were they lost in training too, it would have no more right
 * than all the others and what chance gives. */
static bool training_knows(const struct evidence *evidence, const struct called_evidence *called)
{
    const double accuracy = evidence->train_accuracy[called->epoch], classes = evidence->classes;
    const double lost = called->lost / classes * evidence->rarest;
    const double most = 1.0 - lost * (1.0 - 1.0 / classes);
    return accuracy - most > 3.5 * sqrt(accuracy * (1.0 - accuracy) / (double)evidence->train_images);
}

/* What training images are too few for is recognised less often, and taken for this and that; here classes are not
 * recognised at all and called one other, of which there are several: a network that answers with one has lost its way.
 * Of images that come class by class each batch is known, and the next one not. */
bool rule_called_otherwise(const struct evidence *evidence, struct symptom *symptom)
{
    for (int weights = 0; evidence->config->data.shuffle && weights < CALLED_WEIGHTS; weights++) {
        const struct called_evidence *called = &evidence->called[weights];
        struct moment now;
        if (called->lost >= 2 && called->targets >= 2 && known(evidence, weights, &now) &&
            training_knows(evidence, called))
            return say_called(called, symptom, now.step,
                              "training knows them, so that they look otherwise here (turned, mirrored), or are "
                              "labelled otherwise");
    }
    return false;
}

bool rules_mismatch(const struct evidence *evidence)
{
    struct symptom symptom;
    return rule_exchanged(evidence, &symptom) || rule_below_chance(evidence, &symptom) ||
           rule_called_otherwise(evidence, &symptom);
}
