/* outcome: what the trials of an experiment mean: which of them help, and which cause is proven. Pure functions of the
 * trials' figures. */
#include "arms.h"

#include <math.h>
#include <string.h>

/* What softens labels or images makes answers less sure, which costs loss and no accuracy: without it so much more of
 * validation must be right as makes a fault. */
#define RIGHT_WORTH 0.02

/* What brings back so much of what is lost mends it. */
#define AS_MUCH 0.8

/* Above this, in units of guessing, the unchanged trial has lost its way, and any that has not is better. */
#define LOST 10.0

/* A larger batch than a small one may lose so much of the loss. */
#define LOSES_NOTHING (-0.03)
/* A higher rate must come so much further down from guessing. */
#define QUICKER 1.2

static const struct arm *against(const struct experiment *experiment, const struct arm *arm)
{
    return experiment_unchanged(experiment, arm->family);
}

/* Whether an unchanged trial with this loss has lost its way, so that any that has not is better. */
static bool arms_lost(const struct experiment *experiment, double loss)
{
    return !isfinite(loss) || loss > LOST * experiment->guess;
}

/* So little of what there is to learn is nothing, and mends nothing. */
static bool learns(const struct experiment *experiment, double loss)
{
    return loss < LEARNS_BELOW * experiment->guess;
}

bool arms_astray(const struct experiment *experiment, const struct arm *arm)
{
    const double base = against(experiment, arm)->result.loss;
    const bool only_stops =
        arm->family == ARM_ANEW && arm->gain > FAULT_WORTH * base && !learns(experiment, arm->result.loss);
    return arms_lost(experiment, arm->result.loss) || (!arm->helps && (arms_lost(experiment, base) || only_stops));
}

bool experiment_is_lost(const struct experiment *experiment, const struct arm *arm)
{
    return arms_lost(experiment, against(experiment, arm)->result.loss);
}

bool arm_swaps_optimizer(const struct arm *arm)
{
    return arm->cause == CAUSE_PLAIN_SGD && arm->override_count > 1;
}

bool arm_hurries(const struct arm *arm)
{
    return arm->cause == CAUSE_RATE_LOW || arm_swaps_optimizer(arm);
}

/* Standard errors by which the best of so many estimates lies above what it estimates, where none differs: the mean
 * largest of as many normal numbers (Blom 1958). */
static double luck(int trials)
{
    const double share = (trials - 0.375) / (trials + 0.25);
    double low = 0.0, high = 8.0;
    for (int i = 0; i < 50; i++) {
        const double middle = 0.5 * (low + high);
        if (1.0 - 0.5 * erfc(middle * M_SQRT1_2) < share)
            low = middle;
        else
            high = middle;
    }
    return trials > 1 ? low : 0.0;
}

/* Of what nobody suspected the best is picked out of all that was tried, and is taken to be lucky; a trial of what was
 * suspected before is asked one question. In standard errors. */
static double luck_of(const struct experiment *experiment, const struct arm *arm)
{
    int trials = 0;
    for (int i = 0; i < experiment->arm_count; i++)
        trials +=
            experiment->arms[i].done && experiment->arms[i].cause != CAUSE_HEALTHY && !experiment->arms[i].suspected;
    return arm->suspected ? 0.0 : luck(trials);
}

/* gain: of it what is left when luck is taken away. */
static bool is_more_right(const struct arm *arm, double gain)
{
    return gain > fmax(RIGHT_WORTH, FAULT_SURE * arm->right_error);
}

static bool more_are_right(const struct arm *arm)
{
    return is_more_right(arm, arm->right_gain);
}

/* Where the unchanged trial has lost its way on a few images, their losses are all of the error, and no mean is told
 * from chance. Which images are right is no matter of how wrong the others are: of what was suspected before, more of
 * them must be, by what makes a fault and three standard errors, beside a loss that is lower by that. Of less
 * regularisation they decide in any case. */
bool arm_helps_by_right(const struct experiment *experiment, const struct arm *arm)
{
    const bool lower =
        arm->cause == CAUSE_REGULARISATION
            ? arm->gain > 0.0
            : arm->suspected && !arm_hurries(arm) && arm->gain > FAULT_WORTH * against(experiment, arm)->result.loss;
    return lower && !(arm->gain > FAULT_SURE * arm->error) && more_are_right(arm);
}

/* Where the unchanged trial learns nothing at all, a setting that most do not have, or a rate that is too high, was
 * suspected, and learns without it is what kept it from learning: how far it comes in so few updates is another matter.
 */
static bool wakes(const struct experiment *experiment, const struct arm *arm)
{
    return arm->suspected && (!cause_table[arm->cause].usual || arm->cause == CAUSE_RATE_HIGH) &&
           arm->family == ARM_ANEW && learns(experiment, arm->result.loss) &&
           !learns(experiment, against(experiment, arm)->result.loss);
}

static bool on_validation(const struct arm *arm)
{
    return arm->family == ARM_ONWARD || arm->family == ARM_UNSEEN;
}

/* An arm helps when it is better beyond three standard errors and by what makes a fault worth mending: a loss lower by
 * 15 %. What only hurries must make a fifth more of the way down from guessing. A larger
 * batch sees the same images in fewer updates, each of which costs less per image: it helps already when it
 * loses nothing, and the batch is one that a machine can do better than. */
static bool arm_helps(const struct experiment *experiment, const struct arm *arm)
{
    double base = against(experiment, arm)->result.loss, loss = arm->result.loss;
    if (!isfinite(loss))
        return false;
    if (arms_lost(experiment, base))
        return learns(experiment, loss);
    if (arm->family == ARM_ANEW && !arm_hurries(arm) && !learns(experiment, loss))
        return false;
    const double lucky = luck_of(experiment, arm), gain = arm->gain - lucky * arm->error;
    const bool sure = gain > FAULT_SURE * arm->error;
    if (arm_hurries(arm))
        return sure && experiment->guess - base + gain > QUICKER * (experiment->guess - base);
    const bool mends =
        (sure && gain > FAULT_WORTH * base) || arm_helps_by_right(experiment, arm) || (sure && wakes(experiment, arm));
    if (on_validation(arm) && !(loss < experiment->guess)) /* less sure of what is wrong all the same */
        return false;
    if (arm->cause == CAUSE_REGULARISATION)
        return arm->gain > 0.0 && is_more_right(arm, arm->right_gain - lucky * arm->right_error);
    if (arm->cause == CAUSE_BATCH_SMALL)
        return experiment->batch <= SMALL_BATCH &&
               (mends || (base < 0.9 * experiment->guess && arm->gain > LOSES_NOTHING * base));
    return mends;
}

bool arm_does_as_much(const struct arm *part, const struct arm *whole)
{
    return part->helps && part->right_gain >= AS_MUCH * whole->right_gain;
}

void arms_judge(struct experiment *experiment)
{
    for (int i = 0; i < experiment->arm_count; i++) {
        struct arm *arm = &experiment->arms[i];
        arm->helps = arm->done && arm->cause != CAUSE_HEALTHY && arm_helps(experiment, arm);
    }
}

double experiment_share(const struct experiment *experiment, const struct arm *arm)
{
    const double base = against(experiment, arm)->result.loss;
    return arms_lost(experiment, base) ? 1.0 - arm->result.loss / experiment->guess : arm->gain / base;
}

bool experiment_learns_by_heart(const struct experiment *experiment)
{
    return experiment->memory.best_accuracy >= LEARNT_BY_HEART;
}

bool experiment_wants_wider(const struct experiment *experiment)
{
    const double narrow = experiment->memory.best_accuracy, wide = experiment->wider.best_accuracy;
    const double error = sqrt((narrow * (1.0 - narrow) + wide * (1.0 - wide)) / fmax(experiment->memory_images, 1));
    return experiment->wider_done && !experiment_learns_by_heart(experiment) && wide < LEARNT_BY_HEART &&
           wide - narrow > FAULT_SURE * error;
}

/* A setting that is not what it is by default, or single images that are wrong, come before what is tried on every run,
 * and that before another optimizer, which hides rather than mends a badly chosen rate. */
static int rank_of(const struct arm *arm)
{
    return arm_swaps_optimizer(arm) ? 0 : cause_table[arm->cause].usual ? 1 : 2;
}

bool experiment_unfinished(const struct experiment *experiment, enum cause cause)
{
    const struct arm *best = experiment_arm(experiment, cause);
    if (!best || best->helps || !(arms_astray(experiment, best) || best->gain > FAULT_SURE * best->error))
        return false;
    for (int i = 0; i < experiment->arm_count; i++)
        if (experiment->arms[i].cause == cause && arm_is_missing(&experiment->arms[i]))
            return true;
    return false;
}

/* Another optimizer comes with a rate of its own: it says nothing of the run's as long as a lower one may mend it. */
static bool speaks(const struct experiment *experiment, const struct arm *arm)
{
    return arm->helps && !(arm_swaps_optimizer(arm) && experiment_unfinished(experiment, CAUSE_RATE_HIGH));
}

enum cause experiment_verdict(const struct experiment *experiment, const struct arm **proof)
{
    double most = 0.0;
    const struct arm *best = NULL;
    for (int i = 0; i < experiment->arm_count; i++)
        if (speaks(experiment, &experiment->arms[i]))
            most = fmax(most, experiment_share(experiment, &experiment->arms[i]));
    for (int i = 0; i < experiment->arm_count; i++) {
        const struct arm *arm = &experiment->arms[i];
        if (!speaks(experiment, arm))
            continue;
        const double share = experiment_share(experiment, arm);
        if (most > 0.0 && share < 0.7 * most)
            continue;
        if (!best || rank_of(arm) > rank_of(best) ||
            (rank_of(arm) == rank_of(best) && share > experiment_share(experiment, best)))
            best = arm;
    }
    /* A higher rate is quicker at first for a small network too: what cannot learn a few images by heart at any rate is
     * too small, however much quicker it may get there. */
    const bool small = experiment->memory_done && !experiment_learns_by_heart(experiment);
    *proof = small && best && best->cause == CAUSE_RATE_LOW ? NULL : best;
    if (*proof)
        return best->cause;
    return small ? CAUSE_CAPACITY : CAUSE_HEALTHY;
}

int arms_unchanged(const struct experiment *experiment, enum arm_family family)
{
    for (int i = 0; i < experiment->arm_count; i++)
        if (experiment->arms[i].family == family && experiment->arms[i].cause == CAUSE_HEALTHY)
            return i;
    return -1;
}

const struct arm *experiment_unchanged(const struct experiment *experiment, enum arm_family family)
{
    const int place = arms_unchanged(experiment, family);
    return place < 0 ? NULL : &experiment->arms[place];
}

const struct arm *experiment_arm(const struct experiment *experiment, enum cause cause)
{
    const struct arm *best = NULL;
    for (int i = 0; i < experiment->arm_count; i++) {
        const struct arm *arm = &experiment->arms[i];
        if (arm->cause == cause && arm->done &&
            (!best || arm->helps > best->helps ||
             (arm->helps == best->helps && experiment_share(experiment, arm) > experiment_share(experiment, best))))
            best = arm;
    }
    return best;
}

const struct arm *experiment_worsened(const struct experiment *experiment, enum cause cause)
{
    const struct arm *worst = NULL;
    for (int i = 0; i < experiment->arm_count; i++) {
        const struct arm *arm = &experiment->arms[i];
        if (arm->cause == cause && arm->done && arm->gain < -FAULT_SURE * arm->error &&
            (!worst || arm->gain < worst->gain))
            worst = arm;
    }
    return worst;
}

bool experiment_undecided(const struct experiment *experiment, const struct arm *arm)
{
    if (!arm->done || arm->cause == CAUSE_HEALTHY || arm->helps || arm_hurries(arm) || !isfinite(arm->gain))
        return false;
    if (arm->cause == CAUSE_REGULARISATION) /* but for luck they would say that it helps */
        return arm->gain > 0.0 && more_are_right(arm);
    if (arm->cause == CAUSE_BATCH_SMALL)
        return experiment->batch <= SMALL_BATCH;
    return arm->gain + 2.0 * arm->error > FAULT_WORTH * against(experiment, arm)->result.loss;
}

bool arm_is_one_cure(const struct arm *arm)
{
    for (int i = 0; i < TRIALS_MOST; i++) {
        const struct cause_trial *trial = &cause_table[arm->cause].trials[i];
        if (trial->name && strcmp(trial->name, arm->name) == 0)
            return trial->one_cure;
    }
    return false;
}

bool arm_is_missing(const struct arm *arm)
{
    return !arm->done && !arm->refused[0] && arm->cause != CAUSE_HEALTHY;
}

bool experiment_tried(const struct experiment *experiment)
{
    for (int i = 0; i < experiment->arm_count; i++)
        if (experiment->arms[i].done)
            return true;
    return false;
}

const char *experiment_why(const struct experiment *experiment, const struct arm *arm)
{
    if (arm->cause == CAUSE_HEALTHY)
        return "what the others are compared with";
    if (arm->refused[0])
        return arm->refused;
    if (!arm->done)
        return experiment->stopped ? "not tried: it was interrupted" : "not tried: the budget was spent";
    if (!isfinite(arm->result.loss))
        return "rejected: it diverged";
    if (arm->gain < -FAULT_SURE * arm->error && experiment_undecided(experiment, arm))
        return "not decided: behind after a quarter of the updates, which says little of the end";
    if (arm->gain < -FAULT_SURE * arm->error)
        return "rejected: it makes things worse";
    if (arms_astray(experiment, arm))
        return arm->result.loss < experiment->guess ? "rejected: it has learned next to nothing"
                                                    : "rejected: it stays worse than guessing";
    const bool large = arm->cause == CAUSE_BATCH_SMALL && experiment->batch > SMALL_BATCH;
    if (arm->cause == CAUSE_REGULARISATION && more_are_right(arm))
        return arm->gain > 0.0 ? "not decided: more are right, which no rule asked for, and may be luck"
                               : "rejected: more are right, and the loss is no lower";
    if (!(arm->gain > FAULT_SURE * arm->error) && !(more_are_right(arm) && (arm_hurries(arm) || large))) {
        if (!experiment_undecided(experiment, arm))
            return "rejected: no difference beyond chance";
        return more_are_right(arm) ? "not decided: more are right, which no rule asked for, and the loss may be chance"
                                   : "not decided: chance alone may make such a difference, or a fault";
    }
    if (on_validation(arm) && !(arm->result.loss < experiment->guess))
        return "rejected: validation stays worse than guessing";
    if (arm_hurries(arm))
        return "rejected: quicker at first, as a higher rate nearly always is";
    if (large)
        return "rejected: the batch is none too small";
    if (arm->cause == CAUSE_REGULARISATION)
        return "rejected: surer answers, and not more of them right";
    if (!experiment_undecided(experiment, arm))
        return "rejected: the difference is too small to be a fault";
    return experiment_share(experiment, arm) > FAULT_WORTH ? "not decided: the best of so many trials may be lucky"
                                                           : "not decided: more than chance, and maybe a fault";
}

/* The unchanged one of a family comes first, then those that were done, the best of them first. */
static bool is_before(const struct experiment *experiment, const struct arm *a, const struct arm *b)
{
    if (a->family != b->family)
        return a->family < b->family;
    if ((a->cause == CAUSE_HEALTHY) != (b->cause == CAUSE_HEALTHY))
        return a->cause == CAUSE_HEALTHY;
    if (a->done != b->done || !a->done)
        return a->done && !b->done;
    const double x = experiment_share(experiment, a), y = experiment_share(experiment, b);
    return isfinite(x) && !(x <= y);
}

void experiment_rank(const struct experiment *experiment, int order[static ARMS_MAX])
{
    for (int i = 0; i < experiment->arm_count; i++) {
        int place = i;
        while (place > 0 && is_before(experiment, &experiment->arms[i], &experiment->arms[order[place - 1]])) {
            order[place] = order[place - 1];
            place--;
        }
        order[place] = i;
    }
}
