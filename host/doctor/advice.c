/* advice: a verdict as it is said to people: its name, what each finding is to it, and what to do. Must not judge. */
#include "arms.h"
#include "diagnosis.h"

#include "text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of rates that were tried and prove nothing, that with which the loss was lowest, if it was lower: better than any
 * factor that is fixed. */
static const struct arm *best_rate(const struct experiment *experiment)
{
    const struct arm *best = NULL;
    for (int i = 0; i < experiment->arm_count; i++) {
        const struct arm *arm = &experiment->arms[i];
        if (arm->cause == CAUSE_RATE_HIGH && arm->done && arm->gain > 0.0 && !arms_astray(experiment, arm) &&
            (!best || arm->gain > best->gain))
            best = arm;
    }
    return best;
}

/* Whether autopilot had lowered the rate as far as a trial does: then that is what the run trained with, and no repair
 * of it. */
static bool is_reached(const struct diagnosis *diagnosis, const struct arm *arm)
{
    return diagnosis_rate_was_cut(diagnosis) && arm->cause == CAUSE_RATE_HIGH && arm->override_count == 1 &&
           strncmp(arm->text[0], "optim.lr=", 9) == 0 &&
           !(strtod(arm->text[0] + 9, NULL) < 0.999 * diagnosis->rate_scale * diagnosis->rate);
}

/* A larger batch that proves a small one, and stays near guessing itself, says only that the rate is too high for the
 * batch: of what helps too, that which comes twice as far down from guessing, the furthest. NULL: there is none. */
static const struct arm *further_down(const struct experiment *experiment, const struct arm *proof)
{
    const struct arm *best = NULL;
    for (int i = 0; i < experiment->arm_count; i++) {
        const struct arm *arm = &experiment->arms[i];
        if (proof->cause == CAUSE_BATCH_SMALL && arm->helps && arm->family == proof->family &&
            experiment->guess - arm->result.loss > 2.0 * (experiment->guess - proof->result.loss) &&
            (!best || arm->result.loss < best->result.loss))
            best = arm;
    }
    return best;
}

const struct arm *diagnosis_mending(const struct diagnosis *diagnosis)
{
    const struct experiment *experiment = &diagnosis->experiment;
    const struct arm *arm = diagnosis->proof;
    if (!arm && diagnosis->probed && experiment_unfinished(experiment, diagnosis->cause))
        for (int i = 0; i < experiment->arm_count && !arm; i++)
            if (experiment->arms[i].cause == diagnosis->cause && arm_is_missing(&experiment->arms[i]))
                arm = &experiment->arms[i];
    if (!arm && diagnosis->probed && diagnosis->cause == CAUSE_RATE_HIGH)
        arm = best_rate(experiment);
    const struct arm *further = diagnosis->proof ? further_down(experiment, diagnosis->proof) : NULL;
    arm = further ? further : arm;
    return arm && !is_reached(diagnosis, arm) && (arm->override_count > 0 || arm->layers) &&
                   diagnosis->cause != CAUSE_SCHEDULE
               ? arm
               : NULL;
}

/* A run that has its momentum may be proven to want another optimizer. */
const char *diagnosis_title(const struct diagnosis *diagnosis)
{
    const struct arm *proof = diagnosis->proof;
    if (diagnosis->too_early)
        return "too few steps were recorded to say";
    if (diagnosis->cause == CAUSE_HEALTHY)
        return diagnosis->healthy;
    return proof && arm_swaps_optimizer(proof) ? "SGD makes less headway here than another optimizer"
                                               : cause_table[diagnosis->cause].title;
}

/* Trials were asked for, and the budget let one in. */
static bool was_tried(const struct diagnosis *diagnosis)
{
    return diagnosis->probed && experiment_tried(&diagnosis->experiment);
}

/* What the loss was still falling for is the plain step, and comes first. What ended the run is what is raised; one
 * that has not ended goes on as it is. */
static int say_train_on(const struct standing *standing, const struct config *config, char text[static ACTION_TEXT])
{
    const bool anew = standing->rate_is_spent;
    char epochs[48] = "";
    if (standing->at_last_epoch || (anew && !standing->at_max_steps))
        snprintf(epochs, sizeof epochs, " train.epochs=%d", 2 * config->train.epochs);
    char patience[48] = "";
    if (standing->at_patience && !anew)
        snprintf(patience, sizeof patience, " early_stop.patience=%d", 2 * config->early_stop.patience);
    return snprintf(text, ACTION_TEXT, "%s%s%s%s`",
                    anew ? "train anew for longer, so that the rate falls later: `evenkeel train CONFIG"
                         : "train on, as the loss was still falling: `evenkeel train --resume RUN",
                    epochs, standing->at_max_steps ? " train.max_steps=0" : "", patience);
}

/* Of a healthy run that has not learned everything: nobody knows whether more could be had, but trials can. */
static void say_open(const struct diagnosis *diagnosis, const struct config *config, bool noted,
                     char text[static ACTION_TEXT])
{
    const bool tried = was_tried(diagnosis), falls = diagnosis->standing.falls && !noted;
    const char *lead = noted ? "look at the note" : tried ? "none that helps is known" : "none that the records show";
    int used = 0;
    if (falls)
        used = say_train_on(&diagnosis->standing, config, text);
    else if (isfinite(diagnosis->val_least))
        used = snprintf(text, ACTION_TEXT,
                        "%s: %.1f %% of validation's images are right at best (loss %.3g, guessing %.3g)", lead,
                        100.0 * diagnosis->best_right, diagnosis->val_least, diagnosis->guess);
    else
        used = snprintf(text, ACTION_TEXT, "%s: %.1f %% of the training images are right at best", lead,
                        100.0 * diagnosis->best_right);
    snprintf(text + used, (size_t)(ACTION_TEXT - used), "%s",
             tried   ? falls ? "; no trial says how to come further sooner" : ", and no trial says how to come further"
             : falls ? "; whether it can be had sooner `evenkeel doctor RUN --probe` tries"
                     : ", and they do not say whether more can be had: `evenkeel doctor RUN --probe` tries it");
}

static const char *words_of(const struct diagnosis *diagnosis, const struct config *config)
{
    for (int i = 0; i < diagnosis->count; i++)
        if (diagnosis->found[i].cause == diagnosis->cause)
            return symptom_action(&diagnosis->found[i], config);
    return cause_action(diagnosis->cause, config);
}

/* Where autopilot has changed the rate, the config's is not what the run trained with: what is to be done is to set the
 * one that the repair sets. Of a rate it is all that is to be done. */
static void say_reached(const struct diagnosis *diagnosis, const struct config *config, char text[static ACTION_TEXT])
{
    char repair[REPAIR_MAX][REPAIR_TEXT];
    enum cause of[REPAIR_MAX];
    const int count = diagnosis_rate_was_cut(diagnosis) ? diagnosis_repair(diagnosis, config, repair, of) : 0;
    const bool alone = diagnosis->cause == CAUSE_RATE_HIGH || diagnosis->cause == CAUSE_RATE_LOW;
    for (int i = 0; i < count; i++) {
        const size_t length = alone ? 0 : strlen(text);
        if (strncmp(repair[i], "optim.lr=", 9) == 0)
            snprintf(text + length, ACTION_TEXT - length,
                     "%sset %.40s: autopilot had brought optim.lr from %.3g to %.3g", alone ? "" : "; ", repair[i],
                     config->optim.lr, diagnosis->rate_scale * config->optim.lr);
    }
}

/* What --apply leaves out is what to do, and not what softens it until then. */
static bool say_left_out(const struct diagnosis *diagnosis, char text[static ACTION_TEXT])
{
    const enum cause cause = diagnosis->cause;
    const char *what = cause == CAUSE_LABELS     ? "images that are likely to be wrong, or correct them"
                       : cause == CAUSE_OUTLIERS ? "images that are likely to be wrong"
                       : cause == CAUSE_LEAKAGE  ? "copies of validation images, so that validation is honest"
                                                 : NULL;
    if (!diagnosis->left_out[0] || !what)
        return false;
    snprintf(text, ACTION_TEXT, "leave out of training the %lld %s: RUN/left-out.csv, which --apply writes, lists them",
             (long long)diagnosis->left_out_count, diagnosis->left_out_mixed ? "images at fault" : what);
    return true;
}

/* Nobody expects a repair to take longer than the run did, and what it gains is in part from that. */
static void say_longer(const struct diagnosis *diagnosis, const struct config *config, char text[static ACTION_TEXT])
{
    static const char *const reasons[CAUSE_COUNT] = {
        [CAUSE_ILLUMINATION] = "what is seen through uneven light takes longer to learn",
        [CAUSE_MISMATCH] = "light that varies takes longer to learn",
        [CAUSE_IMBALANCE] = "as what is seldom seen takes longer to learn",
        [CAUSE_LABELS] = "so that fewer images, or softer labels, are learned as far",
        [CAUSE_BATCH_SMALL] = "so that larger batches make updates enough",
        [CAUSE_OVERFITTING] = "as moved images take longer to learn, and averaged weights gain by it",
        [CAUSE_SCHEDULE] = "so that the schedule ends with the run"};
    char repair[REPAIR_MAX][REPAIR_TEXT];
    enum cause of[REPAIR_MAX];
    const int count = diagnosis_repair(diagnosis, config, repair, of);
    for (int i = 0; i < count; i++) {
        const size_t used = strlen(text);
        const bool epochs = strncmp(repair[i], "train.epochs=", 13) == 0;
        const char *ended_by = diagnosis->standing.at_max_steps ? "train.max_steps=" : "train.epochs=";
        if (strncmp(repair[i], ended_by, strlen(ended_by)) == 0 && reasons[of[i]])
            snprintf(text + used, ACTION_TEXT - used, "; train for %s %s, not %lld, %s", strchr(repair[i], '=') + 1,
                     epochs ? "epochs" : "steps",
                     epochs ? (long long)config->train.epochs : (long long)config->train.max_steps, reasons[of[i]]);
    }
}

/* What --apply sets for the cause, where the words name no such key; how long the run gets and what averages its
 * weights are said elsewhere. */
static void say_unnamed(const struct diagnosis *diagnosis, const struct config *config, char text[static ACTION_TEXT])
{
    static const char *const elsewhere[] = {"optim.ema_decay=", "data.leave_out=",       "train.epochs=",
                                            "train.max_steps=", "schedule.step_epochs=", "schedule.patience="};
    char repair[REPAIR_MAX][REPAIR_TEXT], key[REPAIR_TEXT];
    enum cause of[REPAIR_MAX];
    const int count = diagnosis_repair(diagnosis, config, repair, of);
    const char *before = "; --apply sets ";
    for (int i = 0; i < count; i++) {
        const size_t used = strlen(text);
        bool said = of[i] != diagnosis->cause;
        for (int k = 0; k < COUNT_OF(elsewhere); k++)
            said |= strncmp(repair[i], elsewhere[k], strlen(elsewhere[k])) == 0;
        snprintf(key, sizeof key, "%.*s", (int)strcspn(repair[i], "="), repair[i]);
        if (said || strstr(text, key))
            continue;
        snprintf(text + used, ACTION_TEXT - used, "%s%s", before, repair[i]);
        before = ", ";
    }
}

/* Commands are said as they are to be typed: RUN is the run's directory, where that is known and has room. */
static void name_the_run(const struct diagnosis *diagnosis, char text[static ACTION_TEXT])
{
    char run[ACTION_TEXT], named[2 * ACTION_TEXT] = "";
    size_t used = 0;
    if (!diagnosis->run[0] || strlen(diagnosis->run) > ACTION_TEXT / 4)
        return;
    text_shell(run, sizeof run, diagnosis->run);
    for (const char *rest = text; *rest && used < ACTION_TEXT;) {
        const bool word =
            strncmp(rest, "RUN", 3) == 0 && (rest == text || rest[-1] == ' ') && rest[3] && strchr(" /`", rest[3]);
        used += (size_t)snprintf(named + used, sizeof named - used, "%.*s", word ? ACTION_TEXT : 1, word ? run : rest);
        rest += word ? 3 : 1;
    }
    if (used < ACTION_TEXT)
        text_copy(text, ACTION_TEXT, named);
}

static void say_what_to_do(const struct diagnosis *diagnosis, const struct config *config,
                           char text[static ACTION_TEXT])
{
    const struct arm *arm = diagnosis_mending(diagnosis);
    if (diagnosis->too_early) {
        snprintf(text, ACTION_TEXT, "train on: %d steps are the least that rules are asked about", VERDICT_STEPS);
        return;
    }
    if (!arm || diagnosis->cause == CAUSE_MISMATCH) { /* which a setting makes bearable, and only preparing mends */
        const bool healthy = diagnosis->cause == CAUSE_HEALTHY;
        const bool noted = healthy && doctor_note(diagnosis->found, diagnosis->count);
        if (healthy && diagnosis->missing) {
            say_open(diagnosis, config, noted, text);
            return;
        }
        if (say_left_out(diagnosis, text))
            return;
        const char *words = noted ? NOTED_ACTION : words_of(diagnosis, config);
        const bool asked = diagnosis->cause == CAUSE_UNKNOWN && was_tried(diagnosis);
        text_copy(text, ACTION_TEXT, asked ? "look at images and labels: no trial says why" : words);
        return;
    }
    size_t used = 0;
    if (arm->layers)
        used += (size_t)snprintf(text, ACTION_TEXT, "have %s%s", layer_changes[arm->layers],
                                 arm->override_count > 0 ? ", and " : "");
    for (int i = 0; i < arm->override_count && used < ACTION_TEXT; i++)
        used += (size_t)snprintf(text + used, ACTION_TEXT - used, "%s%s", i ? ", " : "set ", arm->text[i]);
}

void diagnosis_say_action(const struct diagnosis *diagnosis, const struct config *config, char text[static ACTION_TEXT])
{
    say_what_to_do(diagnosis, config, text);
    if (!diagnosis_mending(diagnosis))
        say_reached(diagnosis, config, text);
    if (!diagnosis->too_early && !diagnosis_mending(diagnosis))
        say_unnamed(diagnosis, config, text);
    if (!diagnosis->too_early)
        say_longer(diagnosis, config, text);
    name_the_run(diagnosis, text);
}

const char *diagnosis_why(const struct diagnosis *diagnosis, const struct arm *arm)
{
    if (arm == diagnosis->proof)
        return "proves it";
    if (arm->no_further)
        return "rejected: better for now, and hardly further than the run has been";
    if (!arm->helps)
        return experiment_why(&diagnosis->experiment, arm);
    if (diagnosis->proof)
        return "helps too";
    if (diagnosis->cause != CAUSE_HEALTHY && !arm_is_one_cure(arm))
        return "better, but no cause of what the records show";
    return diagnosis->learned_all ? "better for now, where nothing is left to gain"
                                  : "better for now, and no further than the run has come";
}

const char *diagnosis_role(const struct diagnosis *diagnosis, int i)
{
    const struct symptom *symptom = &diagnosis->found[i];
    struct symptom image;
    return symptom->cause == diagnosis->cause ? "evidence"
           : symptom->note                    ? "note"
           : symptom->doubtful                ? doctor_image(&image, symptom->rule) ? "images" : "doubtful"
           : i == 0                           ? "overruled"
                                              : "also";
}
