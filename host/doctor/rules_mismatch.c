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

/* A normalisation answers for validation with means that lag behind weights that still move fast: halfway through it
 * has caught up. */
static bool has_settled(const struct evidence *evidence)
{
    return !config_normalises(evidence->config) || evidence->over || 2 * evidence->steps >= evidence->planned_steps;
}

/* No network takes A for B and B for A of itself: that is what answers exchanged look like. But for one whose running
 * means are not yet those of its weights. */
bool rule_exchanged(const struct evidence *evidence, struct symptom *symptom)
{
    for (int weights = 0; weights < CALLED_WEIGHTS; weights++) {
        const struct called_evidence *called = &evidence->called[weights];
        struct moment now;
        if (called->in_ring >= 2 && known(evidence, weights, &now) && has_settled(evidence))
            return say_called(called, symptom, now.step, "their labels or folders are exchanged in one of the parts");
    }
    return false;
}

/* Whether at some epoch validation had more right than weights can have that know nothing of the lost classes: then it
 * is these weights that do not know them, and not the images that are other ones. */
static bool known_at_another_epoch(const struct evidence *evidence, const struct called_evidence *called)
{
    const double images = (double)evidence->val_images, lost = (double)called->lost_images / (double)called->images;
    const double most = 1.0 - lost * (1.0 - 1.0 / evidence->classes);
    for (int64_t epoch = 0; epoch < evidence->epochs; epoch++) {
        const double right = evidence->val_accuracy[epoch];
        if (right - most > 3.5 * sqrt(right * (1.0 - right) / images))
            return true;
    }
    return false;
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
            training_knows(evidence, called) && has_settled(evidence) && !fit_falls_short(evidence) &&
            !known_at_another_epoch(evidence, called))
            return say_called(called, symptom, now.step,
                              "training knows them, so that they look otherwise here (turned, mirrored), or are "
                              "labelled otherwise");
    }
    return false;
}

/* Whether no more of validation's are right than always naming the most frequent class brings, beyond chance. */
static bool is_by_chance(const struct evidence *evidence, const struct moment *now)
{
    const double sure = 3.5, usual = right_by_chance(evidence);
    return now->val_accuracy <= usual + sure * sqrt(usual * (1.0 - usual) / (double)evidence->val_images);
}

/* Validation's answers are no better than chance at the end of every epoch, and behind training's in the last two:
 * nothing of what is learned holds there. Averaged weights may be those of the beginning all along. *first: training at
 * the end of the second epoch, which has seen each image once before. */
static bool is_unshared(const struct evidence *evidence, struct moment *first)
{
    const int64_t last = evidence->epochs - 1;
    struct moment now;
    if (last < 2 || !evidence->config->data.shuffle || evidence->config->optim.ema_decay > 0.0 ||
        evidence->config->augment.crop_area_count > 0 || !moment_at(evidence, 1, first))
        return false;
    for (int64_t epoch = 0; epoch <= last; epoch++)
        if (!moment_at(evidence, epoch, &now) || !is_by_chance(evidence, &now) ||
            (epoch >= last - 1 && !moment_behind(evidence, &now)))
            return false;
    return !answers_guess(evidence, now.train_accuracy * now.images, now.images);
}

/* Images that the network has seen once at most it has not learned by heart: what it knows of them it has from others,
 * and so from a rule that holds in training alone. */
bool rule_of_training_alone(const struct evidence *evidence, struct symptom *symptom)
{
    struct moment first;
    return is_unshared(evidence, &first) &&
           !answers_guess(evidence, first.train_accuracy * first.images, first.images) &&
           show(symptom, first.step, 2.0,
                "%.1f %% of the training images are right when they are seen for the second time, and no more of "
                "validation's than by chance, then and at the end of every epoch: what they are told by holds in "
                "training alone (a mark in its images, labels of validation that go with other images)",
                100.0 * first.train_accuracy);
}

/* Where even those are right by chance alone, and more only with each time they are seen, nothing holds for two images.
 */
bool rule_by_heart_alone(const struct evidence *evidence, struct symptom *symptom)
{
    const double enough = 200.0;
    struct moment first;
    if (!is_unshared(evidence, &first) || first.images < enough ||
        !answers_guess(evidence, first.train_accuracy * first.images, first.images))
        return false;
    const double last = evidence->train_accuracy[evidence->epochs - 1];
    return show(
        symptom, first.step, 2.0,
        "training images are right by chance when they are seen for the second time (%.1f %%), and %.1f %% after "
        "%lld epochs, validation's never: each is learned by heart, and labels seem to say nothing of the "
        "images (a list shifted by a line, another order of files)",
        100.0 * first.train_accuracy, 100.0 * last, (long long)evidence->epochs);
}

/* What the last part of the first epoch's training had right, where each image is scored before it is trained on: of
 * images not seen before. Were all that was wrong new images of the rarest class, so much would be right of classes
 * that are alike, and its standard error; copies have been seen before. */
static double first_epoch(const struct evidence *evidence, const struct moment *first, double *error)
{
    const double a = first->train_accuracy, counts = evidence->rarest * (1.0 - evidence->copies);
    *error = sqrt(a * (1.0 - a) / first->images) / counts;
    return 1.0 - (1.0 - a) / counts;
}

/* Where most images are copies of others, the first epoch has seen most of what it ends with. */
static bool below_first_epoch(const struct evidence *evidence, struct moment *first, double *best)
{
    const double half = 0.5;
    double error;
    if (evidence->epochs == 0 || evidence->copies > half || !evidence->config->data.shuffle ||
        evidence->config->augment.crop_area_count > 0 || fit_falls_short(evidence) ||
        !moment_of_any_weights(evidence, 0, first))
        return false;
    const double right = first_epoch(evidence, first, &error);
    *best = 0.0;
    for (int64_t epoch = 0; epoch < evidence->epochs; epoch++)
        *best = fmax(*best, evidence->val_accuracy[epoch]);
    const double behind = right - *best;
    return behind > 0.1 && behind > 3.5 * hypot(error, sqrt(*best * (1.0 - *best) / (double)evidence->val_images));
}

bool rules_below_first_epoch(const struct evidence *evidence)
{
    struct moment first;
    double best;
    return below_first_epoch(evidence, &first, &best);
}

/* A network that knows more by now, and has never got as much of validation right as of training images that it had
 * not seen in its first epoch: it has learned what is of use on new images, if they are of this kind. Three epochs and
 * half of the run, as the means of a normalisation lag behind at first. */
bool rule_never_reached(const struct evidence *evidence, struct symptom *symptom)
{
    struct moment first, now;
    double best;
    if (evidence->epochs < 3 || !(evidence->over || 2 * evidence->steps >= evidence->planned_steps) ||
        !moment_at(evidence, evidence->epochs - 1, &now) || !below_first_epoch(evidence, &first, &best) ||
        now.train_accuracy < first.train_accuracy)
        return false;
    return show(symptom, now.step, first.train_accuracy / fmax(best, 0.01),
                "in the first epoch, where training had seen no image before, it had %.1f %% right in the end, and "
                "validation has never had more than %.1f %%, in %lld epochs: not learned by heart, but other images, "
                "or labels that do not go with them",
                100.0 * first.train_accuracy, 100.0 * best, (long long)evidence->epochs);
}

bool rules_mismatch(const struct evidence *evidence)
{
    struct symptom symptom;
    return rule_exchanged(evidence, &symptom) || rule_below_chance(evidence, &symptom) ||
           rule_called_otherwise(evidence, &symptom) || rule_of_training_alone(evidence, &symptom) ||
           rule_by_heart_alone(evidence, &symptom) || rule_never_reached(evidence, &symptom);
}
