/* diagnosis: see include/diagnosis.h. Owns the order of the examination. */
#include "diagnosis.h"

#include "arms.h"
#include "evidence.h"
#include "file.h"
#include "log.h"
#include "rules.h"
#include "text.h"

#include <math.h>
#include <string.h>

/* Whether the rate was not optim.lr all along, in a run that has had the time to be judged by what it has come to. */
static bool is_scheduled(const struct evidence *evidence)
{
    const struct config *config = evidence->config;
    return (config->schedule.name != SCHEDULE_CONSTANT || config->schedule.warmup_epochs > 0.0) &&
           (evidence->over || 2 * evidence->steps >= evidence->planned_steps);
}

static bool is_warming(const struct evidence *evidence)
{
    const double epochs = evidence->steps > 0 ? evidence->epoch[evidence->steps - 1] : 0.0;
    return evidence->config->schedule.warmup_epochs > 0.0 && 2.0 * evidence->config->schedule.warmup_epochs >= epochs;
}

static double least(const double *values, int64_t count)
{
    double low = NAN;
    for (int64_t i = 0; i < count; i++)
        low = fmin(low, values[i]);
    return low;
}

static void examine(struct diagnosis *diagnosis, const struct evidence *evidence)
{
    diagnosis->steps = evidence->steps;
    diagnosis->train_images = evidence->train_images;
    diagnosis->levelled = doctor_levelled(evidence);
    diagnosis->stands = doctor_stands(evidence);
    diagnosis->behind = doctor_behind(evidence);
    diagnosis->learned_all = doctor_learned_all(evidence);
    diagnosis->fitted = doctor_fitted(evidence);
    diagnosis->missing = doctor_misses(evidence);
    diagnosis->best_right = doctor_best_right(evidence);
    diagnosis->guess = val_loss_of_guessing(evidence);
    diagnosis->scheduled = is_scheduled(evidence);
    diagnosis->warming = is_warming(evidence);
    diagnosis->rate = evidence->config->optim.lr;
    diagnosis->rate_scale = evidence->rate_scale;
    diagnosis->comes_to = doctor_comes_to(evidence);
    diagnosis->val_least = least(evidence->val_loss, evidence->epochs);
    diagnosis->faded = gradient_faded_as_drawn(evidence);
    struct symptom unknown;
    diagnosis->of_no_use = rules_never_of_use(evidence, &unknown);
    diagnosis->gap = (struct symptom){.cause = CAUSE_OVERFITTING, .rule = "gap", .effects = EFFECT_APART};
    diagnosis->has_gap = rules_gap(evidence, &diagnosis->gap);
    diagnosis->gap.note = true; /* what is refuted leaves no other cause */
    diagnosis->count = doctor_examine(evidence, diagnosis->found);
    diagnosis->standing = doctor_standing(evidence);
    doctor_say_healthy(&diagnosis->standing, diagnosis->found, diagnosis->count, diagnosis->healthy);
    diagnosis->cause = diagnosis->first_guess = doctor_cause(diagnosis->found, diagnosis->count);
    diagnosis->too_early = diagnosis->cause == CAUSE_HEALTHY && doctor_too_early(evidence);
}

/* Seconds of an update, at the pace of the last epoch; NaN: none has ended. */
static double pace_of(const struct config *config, const struct table *results)
{
    const double images = table_last(results, "images_per_second");
    return images > 0.0 ? (double)config->train.batch_size * config->train.accumulate / images : NAN;
}

int diagnose_tables(struct diagnosis *diagnosis, const char *run, const struct config *config, struct table *steps,
                    struct table *results)
{
    struct evidence evidence;
    *diagnosis = (struct diagnosis){0};
    text_copy(diagnosis->run, sizeof diagnosis->run, run);
    TRY(evidence_of(&evidence, run, config, steps, results));
    examine(diagnosis, &evidence);
    diagnosis->update_seconds = pace_of(config, results);
    return OK;
}

int diagnose_run(struct diagnosis *diagnosis, const char *run)
{
    struct config config = {0};
    struct evidence_files files = {0};
    *diagnosis = (struct diagnosis){0};
    text_copy(diagnosis->run, sizeof diagnosis->run, run);
    int status = train_load_config(&config, run, NULL, 0);
    if (status == OK)
        status = evidence_open(&files, run, &config);
    if (status == OK)
        examine(diagnosis, &files.evidence);
    diagnosis->update_seconds = pace_of(&config, &files.results);
    evidence_close(&files);
    config_free(&config);
    return status;
}

static bool has_trial(const struct experiment *experiment, enum cause cause)
{
    for (int i = 0; i < experiment->arm_count; i++)
        if (experiment->arms[i].cause == cause && !experiment->arms[i].refused[0])
            return true;
    return cause == CAUSE_CAPACITY; /* learning by heart */
}

/* Whether a trial mends what the first guess was made of: one that is judged on training images says nothing of a
 * validation that is behind. arm NULL: learning by heart, which is judged on training images too. */
static bool mends_it(const struct diagnosis *diagnosis, const struct arm *arm)
{
    const unsigned seen = diagnosis->found[0].effects;
    return seen == 0 || seen & (!arm || arm->family == ARM_ANEW ? EFFECT_TRAINING : EFFECT_APART);
}

/* Where the rules saw nothing, a trial that helps proves a fault if the run has anything that the fault can have cost:
 * what is learned by heart leaves validation behind; and a run that has learned all there was, or all of its training
 * images, would have got there sooner, as nearly all do at another rate, but no further. */
static bool has_cost(const struct diagnosis *diagnosis, enum cause said)
{
    if (said == CAUSE_OVERFITTING)
        return diagnosis->behind;
    return !((diagnosis->learned_all || diagnosis->fitted) && diagnosis->proof && diagnosis->proof->family == ARM_ANEW);
}

static bool shows(const struct diagnosis *diagnosis, enum cause cause)
{
    for (int i = 0; i < diagnosis->count; i++)
        if (diagnosis->found[i].cause == cause)
            return true;
    return false;
}

/* The best epoch's weights are kept: what does not come further down than they did, by what makes a fault, is no gain.
 * What starts anew, with light evened out, has to come further at all in its few updates: sooner it is with most runs,
 * above all on a clean set whose light varies by nature. */
static bool comes_no_further(const struct diagnosis *diagnosis, const struct arm *arm)
{
    const double worth = arm->family == ARM_UNSEEN ? 0.0 : FAULT_WORTH;
    return !(arm->result.loss < (1.0 - worth) * diagnosis->val_least);
}

/* The trial that proves a cause. Of several that are judged on validation images that with the lowest loss: they may be
 * compared with unchanged ones of different states, but the images are the same. NULL: there is none. */
static const struct arm *proof_of(const struct diagnosis *diagnosis, enum cause cause)
{
    const struct experiment *experiment = &diagnosis->experiment;
    const struct arm *best = NULL;
    for (int i = 0; i < experiment->arm_count; i++) {
        const struct arm *arm = &experiment->arms[i];
        if (arm->cause != cause || !arm->helps || (arm_is_one_cure(arm) && comes_no_further(diagnosis, arm)))
            continue;
        const bool alike = best && best->family != ARM_ANEW && arm->family != ARM_ANEW;
        if (!best || (alike ? arm->result.loss < best->result.loss
                            : experiment_share(experiment, arm) > experiment_share(experiment, best)))
            best = arm;
    }
    return best ? arm_least(experiment, best) : NULL;
}

/* Whether trials are no longer than the run, so that what they come to may be held against what it came to. */
static bool is_comparable(const struct diagnosis *diagnosis)
{
    return diagnosis->experiment.updates <= diagnosis->steps;
}

double diagnosis_reached(const struct diagnosis *diagnosis)
{
    return isfinite(diagnosis->val_least) ? diagnosis->val_least : diagnosis->comes_to;
}

bool diagnosis_got_further(const struct diagnosis *diagnosis)
{
    const struct arm *proof = diagnosis->proof;
    return proof && proof->longer > 0 && proof->longer_loss < (1.0 - FAULT_WORTH) * diagnosis_reached(diagnosis);
}

/* Of the run's updates a fifth are few. */
enum { TIMES_FEWER = 5 };

/* Whether a trial comes in few updates as far as the run in all of its own, five times as many or more, within three
 * standard errors: an optimizer that takes so much longer is a fault, whatever the run would still have come to. */
static bool is_as_far_in_few(const struct diagnosis *diagnosis, const struct arm *arm)
{
    return TIMES_FEWER * diagnosis->experiment.updates <= diagnosis->steps &&
           arm->result.loss < diagnosis->comes_to + FAULT_SURE * arm->error;
}

/* A trial from new weights that is quicker than the unchanged one, as most at a higher rate are, and does not come as
 * far in its updates as the run has in all of its own, does not say that the run would have come further; made once
 * more in up to half as many updates as the run's it does where it comes further by what makes a fault. What
 * has learned nothing to speak of is no further than a run that stands at guessing. Nor does one
 * that was stirred up by the whole rate, as the unchanged one beside it, and comes no further than the run by what
 * makes a fault. */
static bool only_quicker(const struct diagnosis *diagnosis)
{
    const struct arm *proof = diagnosis->proof;
    if (proof && (proof->family == ARM_FREED || arm_is_one_cure(proof)))
        return comes_no_further(diagnosis, proof);
    if (!proof || proof->family != ARM_ANEW || !arm_hurries(proof))
        return false;
    const bool learns = proof->result.loss < LEARNS_BELOW * diagnosis->experiment.guess;
    const bool further = is_comparable(diagnosis) && proof->result.loss < diagnosis->comes_to;
    return !learns || !(further || diagnosis_got_further(diagnosis) || is_as_far_in_few(diagnosis, proof));
}

/* Wrong labels are a floor on the training loss: what comes further down in its updates than the run in all of its own,
 * by what makes a fault, says that they are not what holds it. */
static bool is_below_the_floor(const struct diagnosis *diagnosis)
{
    const struct arm *proof = diagnosis->proof;
    return diagnosis->first_guess == CAUSE_LABELS && proof && proof->family == ARM_ANEW && is_comparable(diagnosis) &&
           proof->result.loss < (1.0 - FAULT_WORTH) * diagnosis->comes_to;
}

/* The unchanged trial of new weights has the whole of optim.lr from its first update: where it comes further down than
 * the run has in all of its own, in no more of them and by what makes a fault, the schedule is what held the run back.
 * Not where the rules saw nothing and the training images are right, or validation is behind them: a training loss that
 * is lower still brings validation nothing that it lacks. NULL: it does not. */
static const struct arm *schedule_proof(const struct diagnosis *diagnosis)
{
    const enum cause guess = diagnosis->first_guess;
    const struct arm *whole = experiment_unchanged(&diagnosis->experiment, ARM_ANEW);
    const bool asked = (guess == CAUSE_HEALTHY && !diagnosis->fitted && !diagnosis->has_gap) ||
                       guess == CAUSE_SCHEDULE || guess == CAUSE_RATE_LOW || guess == CAUSE_NO_SIGNAL ||
                       guess == CAUSE_UNKNOWN;
    return asked && diagnosis->scheduled && whole && whole->done && is_comparable(diagnosis) &&
                   whole->result.loss < (1.0 - FAULT_WORTH) * diagnosis->comes_to
               ? whole
               : NULL;
}

/* Whether a trial of new weights comes further down than the run in a fifth of its updates or fewer, and the unchanged
 * one at the whole rate does not: then it is no schedule that held the run back, but what the trial changed. */
static bool outdoes_the_schedule(const struct diagnosis *diagnosis, const struct arm *arm)
{
    const struct arm *whole = experiment_unchanged(&diagnosis->experiment, ARM_ANEW);
    return arm->family == ARM_ANEW && whole && whole->done &&
           TIMES_FEWER * diagnosis->experiment.updates <= diagnosis->steps && arm->result.loss < diagnosis->comes_to &&
           !(whole->result.loss < diagnosis->comes_to);
}

/* A cause whose trial helps takes the place of a first guess that says nothing of a cause, that has no trial of its
 * own, or whose own did not help; one whose own was left out for want of budget stays. */
static bool is_overturned(const struct diagnosis *diagnosis, enum cause said)
{
    const struct experiment *experiment = &diagnosis->experiment;
    const enum cause guess = diagnosis->first_guess;
    if (said == CAUSE_HEALTHY || said == guess || only_quicker(diagnosis))
        return false;
    /* Trials that take as many updates as the run do not speak of it; nor does any of averaged weights. */
    if (guess == CAUSE_FEW_UPDATES || guess == CAUSE_AVERAGE)
        return false;
    if (said == CAUSE_CAPACITY && guess == CAUSE_NO_SIGNAL && diagnosis->faded) /* nothing comes back by heart either */
        return false;
    if (said == CAUSE_CAPACITY && guess == CAUSE_OUTLIERS) /* images of one colour with many labels: by no network */
        return false;
    /* Trials have the whole rate: one that is quicker, and comes further than a run that its schedule holds back, does
     * not tell which of the two did it, unless the unchanged one comes no further. */
    if (guess == CAUSE_SCHEDULE && diagnosis->proof && arm_hurries(diagnosis->proof) &&
        !outdoes_the_schedule(diagnosis, diagnosis->proof))
        return false;
    /* Nor does a quicker one take the place of what its own trial did not decide. */
    const struct arm *asked = experiment_arm(experiment, guess);
    if (asked && experiment_undecided(experiment, asked) && diagnosis->proof && arm_hurries(diagnosis->proof))
        return false;
    /* Another optimizer hides what was wrong before the first update. */
    if (diagnosis->proof && arm_swaps_optimizer(diagnosis->proof) && guess != CAUSE_HEALTHY &&
        diagnosis->found[0].effects & EFFECT_START)
        return false;
    if (said == CAUSE_OVERFITTING && !diagnosis->behind) /* what is learned by heart leaves validation behind */
        return false;
    if (is_below_the_floor(diagnosis))
        return true;
    /* Augmentation lowers the validation loss of most runs that have none, and less of it that of many that have: they
     * overturn nothing that is seen in the data. */
    if ((said == CAUSE_OVERFITTING || said == CAUSE_REGULARISATION) && guess != CAUSE_HEALTHY &&
        strcmp(cause_table[guess].group, "data") == 0)
        return false;
    if (guess == CAUSE_HEALTHY)
        return has_cost(diagnosis, said);
    if (guess == CAUSE_UNKNOWN || guess == CAUSE_NO_SIGNAL)
        return true;
    const struct arm *own = experiment_arm(experiment, guess);
    const bool one_cure = own && arm_is_one_cure(own);
    if (own && !one_cure) /* what is seen on validation alone is no matter of how quickly training goes */
        return (diagnosis->found[0].effects & EFFECT_TRAINING) || mends_it(diagnosis, diagnosis->proof);
    return (one_cure || !has_trial(experiment, guess)) && diagnosis->proof && mends_it(diagnosis, diagnosis->proof);
}

/* Whether a trial from new weights, as long as it took the run to show what was found, would have borne it out and does
 * not: it learns, and differs from the unchanged one by no more than chance, nor, two standard errors further, by what
 * makes a fault. */
static bool shows_no_fault(const struct experiment *experiment, const struct arm *own, const struct symptom *symptom)
{
    return own->family == ARM_ANEW && symptom->step < experiment->updates &&
           own->result.loss < LEARNS_BELOW * experiment->guess && !(own->gain > FAULT_SURE * own->error) &&
           !arm_hurries(own) && !experiment_undecided(experiment, own) &&
           !experiment_unfinished(experiment, own->cause);
}

bool diagnosis_odd_in_both(const struct diagnosis *diagnosis, enum cause cause)
{
    static const char *const of_itself[] = {"two_kinds", "wrong_when_sure", "one_way", "slipped"};
    for (int i = 0; i < diagnosis->count; i++) {
        const struct symptom *symptom = &diagnosis->found[i];
        if (symptom->cause == cause && cause == CAUSE_OUTLIERS)
            return symptom_number(symptom, "val") >= 0.5 * symptom_number(symptom, "share");
        for (int k = 0; symptom->cause == cause && k < COUNT_OF(of_itself); k++)
            if (strcmp(symptom->rule, of_itself[k]) == 0)
                return true;
    }
    return false;
}

/* The trial that refutes what was found, the best of its own, where none helps: things get worse with it, unless it is
 * of what was lost later than a trial lasts, or it shows no fault. NULL: none does. */
static const struct arm *refuting(const struct diagnosis *diagnosis, const struct symptom *symptom, bool *worse)
{
    const struct experiment *experiment = &diagnosis->experiment;
    const struct arm *own = experiment_arm(experiment, symptom->cause);
    *worse = own && own->gain < -FAULT_SURE * own->error;
    const bool later = (symptom->effects & EFFECT_BROKEN) && symptom->step >= experiment->updates;
    if (!own || own->helps || arm_is_one_cure(own) || later || diagnosis_odd_in_both(diagnosis, symptom->cause))
        return NULL;
    return *worse || shows_no_fault(experiment, own, symptom) ? own : NULL;
}

/* The next best cause takes the place of a refuted first guess. Where there is none, a validation that is behind stays
 * to be said. */
static void refute(struct diagnosis *diagnosis)
{
    const struct experiment *experiment = &diagnosis->experiment;
    bool worse, unused;
    if (diagnosis->first_guess == CAUSE_HEALTHY)
        return;
    const struct arm *refuted = refuting(diagnosis, &diagnosis->found[0], &worse);
    if (!refuted)
        return;
    enum cause next = diagnosis->of_no_use ? CAUSE_UNKNOWN : CAUSE_HEALTHY;
    for (int i = diagnosis->count - 1; i > 0; i--) {
        const struct symptom *other = &diagnosis->found[i];
        if ((symptom_speaks(other) || other->second) && other->cause != diagnosis->first_guess &&
            !experiment_worsened(experiment, other->cause) && !refuting(diagnosis, other, &unused))
            next = other->cause;
    }
    /* That a setting unlike most makes no difference at first is no word for it, if nothing else was found. */
    if (next == CAUSE_HEALTHY && !worse && !cause_table[diagnosis->first_guess].usual)
        return;
    diagnosis->refuted = refuted;
    diagnosis->cause = next;
    /* One row a cause and this one: there is room, as none is of CAUSE_HEALTHY. */
    if (next == CAUSE_HEALTHY && diagnosis->has_gap)
        diagnosis->found[diagnosis->count++] = diagnosis->gap;
    doctor_say_healthy(&diagnosis->standing, diagnosis->found, diagnosis->count, diagnosis->healthy);
}

bool diagnosis_is_certain(const struct diagnosis *diagnosis)
{
    struct symptom image;
    return diagnosis->count > 0 && symptom_is_of_all_labels(&diagnosis->found[0]) &&
           doctor_image(&image, diagnosis->found[0].rule);
}

/* Experiments can overturn the rules' first guess. That nothing is learnt is what is left where no trial says why. */
static void weigh(struct diagnosis *diagnosis)
{
    const struct experiment *experiment = &diagnosis->experiment;
    from_here_judge(&diagnosis->experiment, diagnosis->val_least, diagnosis->rate_scale);
    enum cause guess = diagnosis->first_guess, said = experiment_verdict(experiment, &diagnosis->proof);
    const struct arm *own = proof_of(diagnosis, guess);
    if (own) {
        diagnosis->proof = own;
        return;
    }
    const struct arm *whole = schedule_proof(diagnosis);
    if (whole) {
        diagnosis->proof = whole;
        diagnosis->cause = CAUSE_SCHEDULE;
        diagnosis->too_early = false;
        return;
    }
    if (is_overturned(diagnosis, said)) {
        diagnosis->proof = diagnosis->proof ? arm_least(experiment, diagnosis->proof) : NULL;
        diagnosis->cause = said;
        diagnosis->too_early = false;
        return;
    }
    const struct arm *quicker = diagnosis->proof && diagnosis->proof->family == ARM_ANEW ? diagnosis->proof : NULL;
    diagnosis->sooner =
        guess == CAUSE_HEALTHY && (diagnosis->learned_all || diagnosis->fitted || only_quicker(diagnosis)) ? quicker
                                                                                                           : NULL;
    diagnosis->proof = NULL;
    refute(diagnosis);
}

static int trials_path(char path[static PATH_BYTES], const char *run)
{
    return path_join(path, run, "trials.json");
}

static int probe(struct diagnosis *diagnosis, const char *run, const struct config *config, struct session *session,
                 const struct budget *budget)
{
    struct branch branch = {0};
    TRY(session_open(session, config));
    char folder[PATH_BYTES];
    int status = OK;
    /* What has learnt its images by heart goes on from before it had, to see whether it would again. */
    const char *state = shows(diagnosis, CAUSE_OVERFITTING) ? "best" : "last";
    if (train_find_checkpoint(config, run, state, folder) != OK)
        state = "last";
    if (train_find_checkpoint(config, run, state, folder) == OK)
        status = branch_load(&branch, session, run, state);
    else
        branch_begin(&branch, session);
    const struct experiment_request request = {.session = session,
                                               .branch = &branch,
                                               .run = run,
                                               .suspected = diagnosis->found,
                                               .suspected_count = diagnosis->count,
                                               .levelled = diagnosis->levelled,
                                               .stands = diagnosis->stands,
                                               .missing = diagnosis->missing,
                                               .fitted = diagnosis->fitted,
                                               .comes_to = diagnosis->comes_to,
                                               .val_least = diagnosis->val_least,
                                               .steps = diagnosis->steps,
                                               .updates = budget_updates(budget, config, diagnosis->steps),
                                               .seconds = budget->seconds,
                                               .update_seconds = diagnosis->update_seconds};
    signals_begin(true);
    if (status == OK)
        status = experiment_run(&diagnosis->experiment, &request);
    signals_end();
    branch_free(&branch);
    char path[PATH_BYTES];
    if (status == OK)
        status = trials_path(path, run);
    /* Where nothing was tried, what was tried before is kept. */
    if (status == OK && (experiment_tried(&diagnosis->experiment) || diagnosis->experiment.memory_done))
        status = experiment_write(&diagnosis->experiment, diagnosis->steps, path);
    if (status == ERR_CREATE) { /* a run that may only be read is answered for all the same */
        log_warn("%s; these trials are not kept, and the next call makes them anew", fail_text());
        status = OK;
    }
    diagnosis->probed = status == OK;
    if (diagnosis->probed)
        weigh(diagnosis);
    return status;
}

int diagnose_recall(struct diagnosis *diagnosis, const char *run)
{
    char path[PATH_BYTES];
    int64_t steps;
    TRY(trials_path(path, run));
    if (!file_exists(path) || diagnosis_is_certain(diagnosis))
        return OK;
    TRY(experiment_read(&diagnosis->experiment, path, &steps));
    diagnosis->probed = steps == diagnosis->steps;
    if (diagnosis->probed)
        weigh(diagnosis);
    return OK;
}

int diagnose_probe(struct diagnosis *diagnosis, const char *run, const struct budget *budget)
{
    struct config config = {0};
    struct session session = {0};
    if (diagnosis_is_certain(diagnosis))
        return OK;
    int status = train_load_config(&config, run, NULL, 0);
    if (status == OK)
        status = probe(diagnosis, run, &config, &session, budget);
    session_close(&session);
    config_free(&config);
    return status;
}

void diagnosis_free(struct diagnosis *diagnosis)
{
    experiment_free(&diagnosis->experiment);
}
