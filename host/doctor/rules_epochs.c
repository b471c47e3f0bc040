/* rules_epochs: training against validation, at the end of epochs. Training is measured over the last steps before, so
 * that it speaks of the same weights. */
#include "order.h"
#include "rules.h"

#include <math.h>

/* The last quarter of an epoch, 100 steps at most: long enough to measure, short enough to speak of the same weights.
 */
enum { RECENT = 100, JUMPS = 8 };

/* The first step of an epoch, from 0; epochs need not be of one length, as the batch may have grown in between. */
static int64_t first_of(const struct evidence *evidence, int64_t epoch)
{
    int64_t low = 0, high = evidence->steps;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (evidence->epoch[middle] < (double)epoch + 1.0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Of an epoch of a few steps the last: more would lag behind validation. */
int64_t moment_recent(const struct evidence *evidence, int64_t epoch)
{
    const int64_t quarter = (first_of(evidence, epoch + 1) - first_of(evidence, epoch)) / 4;
    const int64_t recent = quarter < RECENT ? quarter : RECENT;
    return recent > 1 ? recent : 1;
}

double steps_accuracy(const struct evidence *evidence, int64_t from, int64_t to, double *images)
{
    double correct = 0.0;
    *images = 0.0;
    for (int64_t t = from; t < to; t++)
        if (evidence->bad[t] == 0.0) {
            *images += evidence->samples[t];
            correct += evidence->correct[t];
        }
    return correct / *images;
}

bool moment_at(const struct evidence *evidence, int64_t epoch, struct moment *moment)
{
    return moment_of_any_weights(evidence, epoch, moment) && average_has_caught_up(evidence, moment->step + 1);
}

bool moment_of_any_weights(const struct evidence *evidence, int64_t epoch, struct moment *moment)
{
    const int64_t begin = first_of(evidence, epoch), end = first_of(evidence, epoch + 1);
    if (end == begin)
        return false;
    const int64_t from = end - moment_recent(evidence, epoch);
    double images;
    const double accuracy = steps_accuracy(evidence, from, end, &images);
    *moment = (struct moment){.step = end - 1,
                              .train_loss = column_mean(evidence->loss, from, end),
                              .train_accuracy = accuracy,
                              .val_loss = evidence->val_loss[epoch],
                              .val_accuracy = evidence->val_accuracy[epoch],
                              .images = images};
    return images > 0.0 && !isnan(moment->val_loss) && evidence->val_images > 0;
}

double moment_error(const struct evidence *evidence, const struct moment *now)
{
    const double a = now->train_accuracy, v = now->val_accuracy;
    return sqrt(a * (1.0 - a) / now->images + v * (1.0 - v) / (double)evidence->val_images);
}

bool moment_appears_behind(const struct evidence *evidence, const struct moment *now)
{
    const double behind = now->train_accuracy - now->val_accuracy;
    return behind > 0.1 && behind > 3.5 * moment_error(evidence, now);
}

bool moment_behind(const struct evidence *evidence, const struct moment *now)
{
    return moment_appears_behind(evidence, now) && !fit_falls_short(evidence);
}

bool doctor_behind(const struct evidence *evidence)
{
    struct moment last;
    return evidence->epochs > 0 && moment_at(evidence, evidence->epochs - 1, &last) &&
           last.train_accuracy - last.val_accuracy > 3.5 * moment_error(evidence, &last) && !fit_falls_short(evidence);
}

bool moment_has_learned(const struct evidence *evidence, const struct moment *now)
{
    return learned_of(evidence, now->train_loss) > NOTHING;
}

/* A normalisation that sees so few images in training is a noisy one; validation has the means of many batches. */
static bool normalises_by_few(const struct config *config)
{
    return config_normalises(config) && config->train.batch_size <= NORMALISED_FEW;
}

bool answers_worse(const struct config *config)
{
    return config_augments(config) || normalises_by_few(config) || config_dropout(config) > 0.0;
}

bool handicapped(const struct config *config)
{
    return answers_worse(config) || config->train.label_smoothing > 0.0;
}

double val_loss_error(const struct evidence *evidence, int64_t epoch)
{
    const double known = evidence->val_loss_error[epoch];
    return isfinite(known) ? known : evidence->val_loss[epoch] / sqrt((double)evidence->val_images);
}

/* Whether the training images are learnt by heart, and validation is far behind: before that, a validation loss that
 * rises is that of answers too sure, and the best epoch's weights are at hand. */
static bool by_heart(const struct evidence *evidence, const struct moment *now)
{
    return now->train_accuracy >= LEARNT_BY_HEART && moment_behind(evidence, now) && now->val_loss > now->train_loss;
}

/* By how much the validation loss goes up or down from one epoch to the next, in the median of the last ones: where
 * weights jump, images are the smaller part of what one epoch's loss is uncertain by. 0: not known. */
static double usual_jump(const struct evidence *evidence)
{
    double jumps[JUMPS];
    int64_t count = 0;
    for (int64_t epoch = evidence->epochs - 1; epoch > 0 && count < JUMPS; epoch--)
        if (isfinite(evidence->val_loss[epoch] - evidence->val_loss[epoch - 1]))
            jumps[count++] = fabs(evidence->val_loss[epoch] - evidence->val_loss[epoch - 1]);
    return count > 0 ? median_of_known(jumps, count) : 0.0;
}

/* Whether the validation loss of the last two epochs is above the best of all by its standard error, in both: a run
 * that is at its best has lost nothing, however far validation is behind. */
static bool stays_worse(const struct evidence *evidence)
{
    const double jump = usual_jump(evidence);
    double best = INFINITY;
    int times = 0;
    for (int64_t epoch = 0; epoch < evidence->epochs; epoch++) {
        const double loss = evidence->val_loss[epoch];
        if (isnan(loss))
            continue;
        best = fmin(best, loss);
        times = loss > best + hypot(val_loss_error(evidence, epoch), jump) ? times + 1 : 0;
    }
    return times >= 2;
}

/* Whether validation came to a new best since, by 3.5 of its standard errors. */
static bool has_come_back(const struct evidence *evidence, int64_t epoch, double best)
{
    while (++epoch < evidence->epochs)
        if (evidence->val_loss[epoch] < best - 3.5 * val_loss_error(evidence, epoch))
            return true;
    return false;
}

/* So in two epochs, in which validation got no better, its loss not being below its best by 3.5 of its standard errors;
 * and it has not come back since. */
bool rule_overfitting(const struct evidence *evidence, struct symptom *symptom)
{
    double best = INFINITY;
    int times = 0;
    if (rules_mismatch(evidence) || rules_below_first_epoch(evidence) || !stays_worse(evidence))
        return false;
    for (int64_t epoch = 0; epoch < evidence->epochs; epoch++) {
        struct moment now;
        if (!moment_at(evidence, epoch, &now))
            continue;
        const bool better = now.val_loss < best - 3.5 * val_loss_error(evidence, epoch);
        times = by_heart(evidence, &now) && !better ? times + 1 : 0;
        best = fmin(best, now.val_loss);
        if (times >= 2 && !has_come_back(evidence, epoch, best))
            return show(symptom, now.step, now.val_loss / now.train_loss,
                        "training: loss %.3g, accuracy %.1f %%; validation: loss %.3g after %.3g at its best, accuracy "
                        "%.1f %%; in the last two epochs %.3g and %.3g",
                        now.train_loss, 100.0 * now.train_accuracy, now.val_loss, best, 100.0 * now.val_accuracy,
                        evidence->val_loss[evidence->epochs - 2], evidence->val_loss[evidence->epochs - 1]);
    }
    return false;
}

/* Somebody who gives each class its share has a lower loss on validation than the run at any of its epochs, so that
 * what it has learned is worth less there than nothing. */
bool rule_worthless(const struct evidence *evidence, struct symptom *symptom)
{
    struct moment best = {.val_loss = INFINITY}, now;
    const double guess = val_loss_of_guessing(evidence);
    int epochs = 0;
    if (rules_mismatch(evidence) || rules_below_first_epoch(evidence))
        return false;
    for (int64_t epoch = 0; epoch < evidence->epochs; epoch++) {
        if (!moment_at(evidence, epoch, &now) || !moment_has_learned(evidence, &now))
            continue;
        if (!moment_behind(evidence, &now) || !(now.val_loss - 3.5 * val_loss_error(evidence, epoch) > guess))
            return false;
        best = now.val_loss < best.val_loss ? now : best;
        epochs++;
    }
    return epochs >= 2 &&
           show(symptom, best.step, best.val_loss / guess,
                "validation's loss is %.3g at its best, above guessing (%.3g), where training's is %.3g: "
                "nothing of what is learned carries over; accuracy %.1f %% and %.1f %%",
                best.val_loss, guess, best.train_loss, 100.0 * best.val_accuracy, 100.0 * best.train_accuracy);
}

/* What is left of a difference at the last two epochs, where nothing shows that it costs what could be had: as good as
 * such images allow, perhaps. Not where most of them are there twice: different ones would be more. */
bool rule_gap(const struct evidence *evidence, struct symptom *symptom)
{
    return !rule_overfitting(evidence, symptom) && rules_gap(evidence, symptom);
}

bool lesser_gap(const struct evidence *evidence, struct moment *now)
{
    const int64_t last = evidence->epochs - 1;
    struct moment before;
    if (last < 0 || !moment_at(evidence, last, now))
        return false;
    if (last > 0 && moment_at(evidence, last - 1, &before) &&
        before.train_accuracy - before.val_accuracy < now->train_accuracy - now->val_accuracy)
        *now = before;
    return true;
}

/* The epoch of validation's lowest loss, -1: none is known. */
static int64_t best_epoch(const struct evidence *evidence)
{
    int64_t best = -1;
    for (int64_t epoch = 0; epoch < evidence->epochs; epoch++)
        if (isfinite(evidence->val_loss[epoch]) && (best < 0 || evidence->val_loss[epoch] < evidence->val_loss[best]))
            best = epoch;
    return best;
}

/* Three quarters of a run and more in which training came further by what makes a fault and validation, which is far
 * behind, neither by its loss nor by its answers: what was learned in them is of these images alone, whether or not
 * answers that grow too sure have taken the loss up by then. Where it never was of any use there, by heart is not why.
 */
bool rule_long_past(const struct evidence *evidence, struct symptom *symptom)
{
    enum { LEAST = 8 };
    const int64_t best = best_epoch(evidence), last = evidence->epochs - 1;
    struct moment then, now;
    struct symptom unused;
    if (!evidence->over || best < 0 || last + 1 < LEAST || 4 * (best + 1) > last + 1 || !lesser_gap(evidence, &now) ||
        !moment_at(evidence, best, &then) || !moment_has_learned(evidence, &now) || !moment_behind(evidence, &now) ||
        rules_mismatch(evidence) || rules_below_first_epoch(evidence) || rules_never_of_use(evidence, &unused))
        return false;
    /* In the epoch after that, and in the last quarter of the run. */
    const int64_t from = first_of(evidence, best + 1), to = first_of(evidence, best + 2), steps = evidence->steps;
    const double before = column_mean(evidence->loss, from, to),
                 fall = before - column_mean(evidence->loss, steps - steps / 4, steps);
    const double noise = hypot(loss_noise(evidence, from, to), loss_noise(evidence, steps - steps / 4, steps));
    const double more = now.val_accuracy - then.val_accuracy;
    const double v = now.val_accuracy, error = sqrt(2.0 * v * (1.0 - v) / (double)evidence->val_images);
    return fall > FAULT_WORTH * before && fall > FAULT_SURE * noise && more < 3.5 * error &&
           show(symptom, now.step, fall / (FAULT_WORTH * before),
                "validation's loss was lowest after epoch %lld of %lld (%.3g, %.1f %% right) and no lower since, while "
                "training's fell from %.3g to %.3g; in the end %.1f %% of the training images are right and %.1f %% of "
                "validation's: what is learned in three quarters of the run is of these images alone",
                (long long)best + 1, (long long)last + 1, then.val_loss, 100.0 * then.val_accuracy, before,
                before - fall, 100.0 * now.train_accuracy, 100.0 * now.val_accuracy);
}

bool rules_gap(const struct evidence *evidence, struct symptom *symptom)
{
    struct moment now;
    if (!lesser_gap(evidence, &now) || !moment_has_learned(evidence, &now) || !moment_behind(evidence, &now) ||
        rules_mismatch(evidence) || rule_worthless(evidence, symptom))
        return false;
    const double behind = now.train_accuracy - now.val_accuracy, error = moment_error(evidence, &now), half = 0.5;
    if (evidence->copies >= half)
        return show(symptom, now.step, 10.0 * behind,
                    "%.1f %% of the training images are right and %.1f %% of validation's, %.1f +- %.1f points less, "
                    "and %.0f %% of the training images are copies of others: so few different ones are learned by "
                    "heart",
                    100.0 * now.train_accuracy, 100.0 * now.val_accuracy, 100.0 * behind, 100.0 * error,
                    100.0 * evidence->copies);
    struct symptom unused; /* and while a run goes on validation may yet come after it */
    if (evidence->over && !doctor_too_early(evidence) &&
        behind > half * (now.train_accuracy - right_by_chance(evidence)) && !rules_never_of_use(evidence, &unused))
        return show(symptom, now.step, 10.0 * behind,
                    "%.1f %% of the training images are right and %.1f %% of validation's, %.1f +- %.1f points less: "
                    "most of what is learned, beyond the %.1f %% that naming the most frequent class brings, is of "
                    "these images alone",
                    100.0 * now.train_accuracy, 100.0 * now.val_accuracy, 100.0 * behind, 100.0 * error,
                    100.0 * right_by_chance(evidence));
    symptom->note = true;
    return show(symptom, now.step, 10.0 * behind,
                "%.1f %% of the training images are right and %.1f %% of validation's, %.1f +- %.1f points less: not "
                "all that is learned carries over; more images, augmentation that suits them, a smaller network or "
                "weight decay may bring it nearer",
                100.0 * now.train_accuracy, 100.0 * now.val_accuracy, 100.0 * behind, 100.0 * error);
}

/* Images learned by heart are told apart by this: at first validation keeps up with training. */
bool rules_behind_at_once(const struct evidence *evidence)
{
    int behind = 0;
    for (int64_t epoch = 0; epoch < evidence->epochs; epoch++) {
        struct moment now;
        if (!moment_at(evidence, epoch, &now) || !moment_has_learned(evidence, &now))
            continue;
        if (!moment_behind(evidence, &now))
            return false;
        behind++;
    }
    return behind > 0;
}

/* A best loss above that of guessing, which somebody has who gives every class the same probability, or as good as that
 * with answers that are no better either: nothing learned; or answers that are right more often than chance and far too
 * sure where they are wrong. */
bool rules_never_of_use(const struct evidence *evidence, struct symptom *symptom)
{
    const double even = log((double)evidence->classes);
    double loss = NAN, accuracy = NAN;
    struct moment now;
    for (int64_t epoch = 0; evidence->val_images > 0 && epoch < evidence->epochs; epoch++)
        if (evidence->best[epoch] == 1.0 && moment_at(evidence, epoch, &now)) {
            loss = evidence->val_loss[epoch];
            accuracy = evidence->val_accuracy[epoch];
        }
    const bool guesses = doctor_guesses(accuracy, evidence->classes);
    if (!(loss > (guesses ? (1.0 - NOTHING) * even : even)) ||
        !(evidence->over || 2 * evidence->steps >= evidence->planned_steps) || (guesses && doctor_too_early(evidence)))
        return false;
    return guesses
               ? show(
                     symptom, evidence->steps - 1, loss / even / (1.0 - NOTHING),
                     "at its best the validation loss is %.4g, no better than %.4g, that of guessing among %d classes; "
                     "%.1f %% of the answers are right",
                     loss, even, evidence->classes, 100.0 * accuracy)
               : show(symptom, evidence->steps - 1, loss / even,
                      "at its best the validation loss is %.3g, above %.3g, that of guessing among %d classes, though "
                      "%.1f %% "
                      "of the answers are right: where the network is wrong it is far too sure",
                      loss, even, evidence->classes, 100.0 * accuracy);
}
