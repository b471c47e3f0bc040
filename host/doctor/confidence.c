/* confidence: how sure a verdict is, from what was seen and what was tried. Must not change the verdict. */
#include "diagnosis.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char *const confidence_names[CONFIDENCE_COUNT] = {"shown", "proven", "doubtful"};

/* Whether everything that could have told otherwise was tried: each trial, and learning by heart. */
static bool all_tried(const struct experiment *experiment)
{
    for (int i = 0; i < experiment->arm_count; i++)
        if (arm_is_missing(&experiment->arms[i]))
            return false;
    return experiment->arm_count > 0 && experiment->memory_done;
}

/* Whether no trial leaves open that what it changed is a fault. */
static bool all_decided(const struct experiment *experiment)
{
    for (int i = 0; i < experiment->arm_count; i++)
        if (experiment_undecided(experiment, &experiment->arms[i]))
            return false;
    return true;
}

/* What is in the images or labels shows in trials only where there is one of it; what has one that is judged on
 * training images is in the config, which has nothing of it where it is not made. */
static bool is_not_tested(const struct experiment *experiment, enum cause cause)
{
    const bool of_data = strcmp(cause_table[cause].group, "data") == 0 && cause != CAUSE_OVERFITTING;
    const bool is_set = cause_table[cause].trials[0].name && cause_table[cause].trials[0].family == ARM_ANEW;
    return of_data && !is_set && !experiment_arm(experiment, cause);
}

/* Whether what the run has not learned may be for want of something that no trial was made of: then that the others
 * find no fault proves none. */
static bool is_unexplained(const struct diagnosis *diagnosis)
{
    bool untested = false;
    for (int cause = 0; cause < CAUSE_COUNT; cause++)
        untested |= is_not_tested(&diagnosis->experiment, (enum cause)cause);
    return diagnosis->missing && untested;
}

/* Of a healthy run, whether nothing is left that could tell otherwise. */
static bool is_cleared(const struct diagnosis *diagnosis)
{
    return all_tried(&diagnosis->experiment) && all_decided(&diagnosis->experiment) && !is_unexplained(diagnosis);
}

/* Whether a trial went on from weights of the run that were lost already, as the unchanged one's beside it, and could
 * mend nothing. */
static bool goes_on_lost(const struct diagnosis *diagnosis, const struct arm *arm)
{
    return (arm->family == ARM_FREED || arm->family == ARM_ONWARD) && !arm->helps &&
           experiment_is_lost(&diagnosis->experiment, arm);
}

static bool fails_by_heart(const struct diagnosis *diagnosis)
{
    const struct experiment *experiment = &diagnosis->experiment;
    return diagnosis->cause == CAUSE_CAPACITY && experiment->memory_done && !experiment_learns_by_heart(experiment);
}

enum confidence diagnosis_confidence(const struct diagnosis *diagnosis)
{
    if (!diagnosis->probed)
        return diagnosis->too_early ? CONFIDENCE_DOUBTFUL : CONFIDENCE_SHOWN;
    if (diagnosis->cause == CAUSE_HEALTHY) /* trials say nothing of how far so few steps can have come */
        return diagnosis->too_early    ? CONFIDENCE_DOUBTFUL
               : is_cleared(diagnosis) ? CONFIDENCE_PROVEN
                                       : CONFIDENCE_SHOWN;
    if (diagnosis->proof || fails_by_heart(diagnosis))
        return CONFIDENCE_PROVEN;
    const struct arm *own = experiment_arm(&diagnosis->experiment, diagnosis->cause);
    const bool over = own && !own->helps && !arm_is_one_cure(own) && !goes_on_lost(diagnosis, own) &&
                      !diagnosis_odd_in_both(diagnosis, diagnosis->cause) &&
                      !experiment_unfinished(&diagnosis->experiment, diagnosis->cause);
    return over ? CONFIDENCE_DOUBTFUL : CONFIDENCE_SHOWN;
}

/* The trial that lowered the loss most, of those that were compared; NULL: none did. */
static const struct arm *best_of(const struct experiment *experiment, int *tried)
{
    const struct arm *best = NULL;
    *tried = 0;
    for (int i = 0; i < experiment->arm_count; i++) {
        const struct arm *arm = &experiment->arms[i];
        if (!arm->done || arm->cause == CAUSE_HEALTHY)
            continue;
        ++*tried;
        if (arm->gain > 0.0 && isfinite(arm->gain) &&
            (!best || experiment_share(experiment, arm) > experiment_share(experiment, best)))
            best = arm;
    }
    return best;
}

static void say_not_tested(const struct experiment *experiment, char text[static CONFIDENCE_TEXT])
{
    const char *before = "; no trial was made of ";
    for (int cause = 0; cause < CAUSE_COUNT; cause++) {
        const size_t used = strlen(text);
        if (!is_not_tested(experiment, (enum cause)cause))
            continue;
        snprintf(text + used, CONFIDENCE_TEXT - used, "%s%s", before, cause_table[cause].name);
        before = ", ";
    }
}

/* Of a healthy run: what was tried, and the most that any of it gained. */
static void say_best(const struct diagnosis *diagnosis, const char *how_sure, char text[static CONFIDENCE_TEXT])
{
    static const char rejected[] = "rejected: ";
    const struct experiment *experiment = &diagnosis->experiment;
    int tried;
    const struct arm *best = best_of(experiment, &tried);
    int used = snprintf(text, CONFIDENCE_TEXT, "%s: no fault in %d trial%s; ", how_sure, tried, tried == 1 ? "" : "s");
    if (!best) {
        snprintf(text + used, (size_t)(CONFIDENCE_TEXT - used), "none lowered the loss");
        return;
    }
    const char *why = diagnosis_why(diagnosis, best);
    const bool is_rejected = strncmp(why, rejected, sizeof rejected - 1) == 0;
    snprintf(text + used, (size_t)(CONFIDENCE_TEXT - used),
             "the best, %s, lowered the loss by %.3g +- %.2g, %.0f %% (a fault costs %.0f %%): %s", best->name,
             best->gain, best->error, 100.0 * experiment_share(experiment, best), 100.0 * FAULT_WORTH,
             is_rejected ? why + sizeof rejected - 1 : why);
}

static void say_tried(const struct diagnosis *diagnosis, const char *how_sure, char text[static CONFIDENCE_TEXT])
{
    say_best(diagnosis, how_sure, text);
    say_not_tested(&diagnosis->experiment, text);
}

static void say_refuted(const struct diagnosis *diagnosis, const char *how_sure, char text[static CONFIDENCE_TEXT])
{
    const struct arm *arm = diagnosis->refuted;
    const int used = snprintf(text, CONFIDENCE_TEXT,
                              "%s: what the records show first (%s) was refuted: with %s the loss was "
                              "%s by %.3g +- %.2g",
                              how_sure, cause_table[diagnosis->first_guess].name, arm->name,
                              arm->gain < 0.0 ? "higher" : "lower only", fabs(arm->gain), arm->error);
    if (!(arm->gain < -FAULT_SURE * arm->error))
        snprintf(text + used, (size_t)(CONFIDENCE_TEXT - used), ", and a fault costs %.0f %%", 100.0 * FAULT_WORTH);
}

/* A trial that gets there sooner, and no further. */
static void say_sooner(const struct diagnosis *diagnosis, const char *how_sure, char text[static CONFIDENCE_TEXT])
{
    const struct arm *arm = diagnosis->sooner;
    const bool there = diagnosis->learned_all || diagnosis->fitted;
    snprintf(text, CONFIDENCE_TEXT, "%s: %s; %s %s (by %.3g +- %.2g in loss after %d updates)", how_sure,
             diagnosis->learned_all ? "nothing is left to gain"
             : diagnosis->fitted    ? "the training images are right, and what is missing is missing on validation"
                                    : "the run has come further than its trials",
             arm->name, there ? "would have got there sooner" : "is only quicker at first", arm->gain, arm->error,
             diagnosis->experiment.updates);
}

void diagnosis_say_confidence(const struct diagnosis *diagnosis, char text[static CONFIDENCE_TEXT])
{
    const enum confidence confidence = diagnosis_confidence(diagnosis);
    const bool healthy = diagnosis->cause == CAUSE_HEALTHY;
    const struct arm *arm =
        diagnosis->proof ? diagnosis->proof : experiment_arm(&diagnosis->experiment, diagnosis->cause);
    if (diagnosis_is_certain(diagnosis))
        snprintf(text, CONFIDENCE_TEXT, "shown: counted in the images; no trial can say or mend more, so none is made");
    else if (diagnosis->refuted)
        say_refuted(diagnosis, confidence_names[confidence], text);
    else if (healthy && diagnosis->sooner)
        say_sooner(diagnosis, confidence_names[confidence], text);
    else if (confidence == CONFIDENCE_PROVEN && healthy)
        say_tried(diagnosis, "proven", text);
    else if (confidence == CONFIDENCE_PROVEN && !arm)
        snprintf(text, CONFIDENCE_TEXT, "proven: %.0f %% of %d images are all it learnt by heart",
                 100.0 * diagnosis->experiment.memory.best_accuracy, diagnosis->experiment.memory_images);
    else if (confidence == CONFIDENCE_PROVEN && arm->cause == CAUSE_HEALTHY)
        snprintf(text, CONFIDENCE_TEXT,
                 "proven: from new weights %d updates at the whole rate come to a loss of %.3g, and all %lld of the "
                 "run to %.3g",
                 diagnosis->experiment.updates, arm->result.loss, (long long)diagnosis->steps, diagnosis->comes_to);
    else if (confidence == CONFIDENCE_PROVEN && !isfinite(arm->gain))
        snprintf(text, CONFIDENCE_TEXT, "proven: with %s the loss is %.3g, where the unchanged trial diverged",
                 arm->name, arm->result.loss);
    else if (confidence == CONFIDENCE_PROVEN && experiment_is_lost(&diagnosis->experiment, arm))
        snprintf(text, CONFIDENCE_TEXT, "proven: with %s the loss is %.3g, where the unchanged trial's is %.3g",
                 arm->name, arm->result.loss, experiment_unchanged(&diagnosis->experiment, arm->family)->result.loss);
    else if (confidence == CONFIDENCE_PROVEN && arm->gain <= 0.0)
        snprintf(text, CONFIDENCE_TEXT, "proven: %s came to the same loss in fewer updates (%.3g +- %.2g higher)",
                 arm->name, -arm->gain, arm->error);
    else if (confidence == CONFIDENCE_PROVEN && arm_helps_by_right(&diagnosis->experiment, arm))
        snprintf(text, CONFIDENCE_TEXT,
                 "proven: with %s %.1f +- %.1f points more of the images are right; the loss is lower by %.3g +- %.2g, "
                 "which a few images make so uncertain",
                 arm->name, 100.0 * arm->right_gain, 100.0 * arm->right_error, arm->gain, arm->error);
    else if (confidence == CONFIDENCE_PROVEN && diagnosis_got_further(diagnosis))
        snprintf(text, CONFIDENCE_TEXT,
                 "proven: %s lowered the loss by %.3g +- %.2g, and came to a %s loss of %.3g in %d updates, where the "
                 "run came to %.3g in all %lld",
                 arm->name, arm->gain, arm->error, isfinite(diagnosis->val_least) ? "validation" : "training",
                 arm->longer_loss, arm->longer, diagnosis_reached(diagnosis), (long long)diagnosis->steps);
    else if (confidence == CONFIDENCE_PROVEN)
        snprintf(text, CONFIDENCE_TEXT, "proven: %s lowered the loss by %.3g +- %.2g", arm->name, arm->gain,
                 arm->error);
    else if (confidence == CONFIDENCE_DOUBTFUL && healthy)
        snprintf(text, CONFIDENCE_TEXT, "doubtful: nothing was found, in too few steps to find anything");
    else if (confidence == CONFIDENCE_DOUBTFUL && !isfinite(arm->result.loss))
        snprintf(text, CONFIDENCE_TEXT, "doubtful: the records show it, but with %s it diverged", arm->name);
    else if (confidence == CONFIDENCE_DOUBTFUL && !isfinite(arm->gain))
        snprintf(text, CONFIDENCE_TEXT,
                 "doubtful: the records show it, but with %s it was no better than guessing either", arm->name);
    else if (confidence == CONFIDENCE_DOUBTFUL)
        snprintf(text, CONFIDENCE_TEXT,
                 "doubtful: the records show it, but with %s the loss was %s by %.3g +- %.2g after %d updates",
                 arm->name, arm->gain < 0.0 ? "higher" : "lower only", fabs(arm->gain), arm->error,
                 diagnosis->experiment.updates / arm->pace);
    else if (healthy && !diagnosis->probed)
        snprintf(text, CONFIDENCE_TEXT, "by the records alone; not tested by experiment (doctor --probe)");
    else if (healthy && !experiment_tried(&diagnosis->experiment))
        snprintf(text, CONFIDENCE_TEXT, "by the records alone; %s",
                 diagnosis->experiment.stopped ? "the experiments were interrupted"
                                               : "the budget was too small for any trial");
    else if (diagnosis->probed && healthy)
        say_tried(diagnosis,
                  !all_tried(&diagnosis->experiment)     ? "shown so far; not all trials were made"
                  : !all_decided(&diagnosis->experiment) ? "shown so far; not every trial decides"
                                                         : "shown; what is not learned yet no trial explains",
                  text);
    else if (diagnosis->probed && arm && diagnosis_odd_in_both(diagnosis, diagnosis->cause))
        snprintf(text, CONFIDENCE_TEXT,
                 "shown by the records; validation %s too, so that the trial with %s says nothing against it",
                 diagnosis->cause == CAUSE_LABELS ? "may have such labels" : "has such images", arm->name);
    else if (diagnosis->probed && arm && goes_on_lost(diagnosis, arm))
        snprintf(
            text, CONFIDENCE_TEXT,
            "shown by the records; the trial with %s went on from weights that were lost already, and says nothing",
            arm->name);
    else if (diagnosis->probed && arm && arm_is_one_cure(arm))
        snprintf(text, CONFIDENCE_TEXT, "shown by the records; %s does not mend it, and nothing speaks against it",
                 arm->name);
    else if (diagnosis->probed && arm)
        snprintf(text, CONFIDENCE_TEXT, "shown by the records; %s is not enough, and the budget was spent before more",
                 arm->name);
    else if (diagnosis->probed)
        snprintf(text, CONFIDENCE_TEXT, "shown by the records; no trial of it was made");
    else
        snprintf(text, CONFIDENCE_TEXT, "shown by the records; not tested by experiment (doctor --probe)");
}
