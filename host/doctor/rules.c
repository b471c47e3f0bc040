/* rules: the table of rules and how they are asked: every one, its first occurrence, in the order of time. What a rule
 * looks at is in the files rules_*.c. */
#include "rules.h"
#include "order.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Of rules that show at one step the earlier in the table is the cause, the later its consequence. */
const struct rule doctor_rules[] = {
    {"offcentre", CAUSE_INPUT_SCALE, 1, EFFECT_START, rule_offcentre},
    {"off_scale", CAUSE_INPUT_SCALE, VERDICT_STEPS, EFFECT_APART, rule_off_scale},
    {"first_loss", CAUSE_INITIALISATION, 1, EFFECT_START, rule_first_loss},
    {"equal_outputs", CAUSE_INITIALISATION, 1, EFFECT_START, rule_equal_outputs},
    {"adam_forgets", CAUSE_ADAM, 1, EFFECT_SETTING, rule_adam_forgets},
    {"adam_epsilon", CAUSE_ADAM, 1, EFFECT_SETTING, rule_adam_epsilon},
    {"answers_cut", CAUSE_NO_SIGNAL, 1, EFFECT_SETTING, rule_answers_cut},
    {"narrow", CAUSE_CAPACITY, 1, EFFECT_SETTING, rule_narrow},
    {"softened", CAUSE_REGULARISATION, 1, EFFECT_APART, rule_softened},
    {"too_much", CAUSE_REGULARISATION, 1, EFFECT_APART, rule_too_much},
    {"large_steps", CAUSE_RATE_HIGH, 10, EFFECT_LONG, rule_large_steps},
    {"worse_than_guessing", CAUSE_RATE_HIGH, 5, EFFECT_BROKEN, rule_worse_than_guessing},
    {"dead_units", CAUSE_NO_SIGNAL, 1, EFFECT_BROKEN, rule_dead_units},
    {"decay", CAUSE_WEIGHT_DECAY, 60, EFFECT_SETTING, rule_decay},
    {"small_steps", CAUSE_RATE_LOW, 100, EFFECT_SHORT, rule_small_steps},
    {"short_steps", CAUSE_RATE_LOW, 200, EFFECT_SHORT, rule_short_steps},
    {"labels_unrelated", CAUSE_LABELS, 200, EFFECT_STANDS, rule_unrelated},
    {"stuck", CAUSE_NO_SIGNAL, 200, EFFECT_STANDS, rule_stuck},
    {"late_start", CAUSE_RATE_HIGH, 300, EFFECT_STANDS, rule_late_start},
    {"noise_scale", CAUSE_BATCH_SMALL, 200, EFFECT_NOISE, rule_noise_scale},
    {"unlike_batches", CAUSE_BATCH_SMALL, 200, EFFECT_NOISE, rule_unlike_batches},
    {"zigzag", CAUSE_PLAIN_SGD, VERDICT_STEPS, EFFECT_SHORT, rule_zigzag},
    {"swings", CAUSE_RATE_HIGH, VERDICT_STEPS, EFFECT_LONG, rule_swings},
    {"early_drop", CAUSE_SCHEDULE, 100, EFFECT_SETTING, rule_early_drop},
    {"spent", CAUSE_SCHEDULE, VERDICT_STEPS, EFFECT_SETTING, rule_spent},
    {"still_warming", CAUSE_SCHEDULE, VERDICT_STEPS, EFFECT_SETTING, rule_still_warming},
    {"never_fell", CAUSE_SCHEDULE, VERDICT_STEPS, EFFECT_SETTING, rule_never_fell},
    {"stopped_soon", CAUSE_EARLY_STOP, 1, EFFECT_SETTING, rule_stopped_soon},
    {"setback", CAUSE_RATE_HIGH, 60, EFFECT_BROKEN, rule_setback},
    {"rising_rate", CAUSE_RATE_HIGH, 400, EFFECT_LATE, rule_rising_rate},
    {"exchanged", CAUSE_MISMATCH, 1, EFFECT_APART, rule_exchanged},
    {"below_chance", CAUSE_MISMATCH, 1, EFFECT_APART, rule_below_chance},
    {"called_otherwise", CAUSE_MISMATCH, 1, EFFECT_APART, rule_called_otherwise},
    {"of_training_alone", CAUSE_MISMATCH, VERDICT_STEPS, EFFECT_APART, rule_of_training_alone},
    {"by_heart_alone", CAUSE_LABELS, VERDICT_STEPS, EFFECT_APART, rule_by_heart_alone},
    {"never_reached", CAUSE_MISMATCH, 1, EFFECT_APART, rule_never_reached},
    {"not_caught_up", CAUSE_AVERAGE, 1, EFFECT_SETTING, rule_not_caught_up},
    {"overfitting", CAUSE_OVERFITTING, 1, EFFECT_APART, rule_overfitting},
    {"long_past", CAUSE_OVERFITTING, VERDICT_STEPS, EFFECT_APART, rule_long_past},
    {"worthless", CAUSE_OVERFITTING, 1, EFFECT_APART, rule_worthless},
    {"few_updates", CAUSE_FEW_UPDATES, 1, EFFECT_SETTING, rule_few_updates},
    {"gap", CAUSE_OVERFITTING, 1, 0, rule_gap},
    {"withheld", CAUSE_REGULARISATION, 1, EFFECT_APART, rule_withheld},
    {"slipped", CAUSE_LABELS, 1, EFFECT_APART, rule_slipped},
    {"better_on_validation", CAUSE_LABELS, 1, EFFECT_APART, rule_better_on_validation},
    {"two_kinds", CAUSE_LABELS, 1, EFFECT_APART, rule_two_kinds},
    {"wrong_when_sure", CAUSE_LABELS, 1, EFFECT_APART, rule_wrong_when_sure},
    {"one_way", CAUSE_LABELS, 1, EFFECT_APART, rule_one_way},
    {"swallowed", CAUSE_LABELS, 1, EFFECT_APART, rule_swallowed},
    {"filed_under", CAUSE_LABELS, 1, EFFECT_APART, rule_filed_under},
    {"mixed_up", CAUSE_LABELS, 1, EFFECT_APART, rule_mixed_up},
    {"evaluated_otherwise", CAUSE_SCHEDULE, 1, 0, rule_evaluated_otherwise},
    {"jumps", CAUSE_SCHEDULE, 1, 0, rule_jumps},
    {"twins", CAUSE_LABELS, 1, 0, rule_twins},
    {"few_wrong", CAUSE_LABELS, 1, 0, rule_few_wrong},
};
const int doctor_rule_count = COUNT_OF(doctor_rules);

double column_mean(const double *column, int64_t from, int64_t to)
{
    double sum = 0.0;
    int64_t known = 0;
    for (int64_t i = from; i < to; i++)
        if (!isnan(column[i])) {
            sum += column[i];
            known++;
        }
    return known ? sum / (double)known : NAN;
}

int64_t known_after(const double *column, int64_t from, int count, int64_t steps)
{
    while (from < steps && count > 0)
        count -= !isnan(column[from++]);
    return count > 0 ? steps + 1 : from;
}

double column_median(const double *column, int64_t from, int64_t to)
{
    double window[MEDIAN_MOST];
    int64_t count = 0;
    assert(to - from <= MEDIAN_MOST);
    for (int64_t i = from; i < to; i++)
        window[count++] = column[i];
    return median_of_known(window, count);
}

/* Sum over the known losses of [from, to) of their squared standard errors. */
static double squared_errors(const struct evidence *evidence, int64_t from, int64_t to, double *known)
{
    double sum = 0.0;
    *known = 0.0;
    for (int64_t t = from; t < to; t++)
        if (isfinite(evidence->loss[t])) {
            sum += evidence->variance[t] / evidence->samples[t];
            *known += 1.0;
        }
    return sum;
}

double loss_noise(const struct evidence *evidence, int64_t from, int64_t to)
{
    double known, sum = squared_errors(evidence, from, to, &known);
    return sqrt(sum) / known;
}

double batch_noise(const struct evidence *evidence, int64_t from, int64_t to)
{
    double known, sum = squared_errors(evidence, from, to, &known);
    return sqrt(sum / known);
}

double step_size(const struct evidence *evidence, int64_t step)
{
    return evidence->update_norm[step] / evidence->weight_norm[step];
}

bool show(struct symptom *symptom, int64_t step, double strength, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(symptom->evidence, sizeof symptom->evidence, format, args);
    va_end(args);
    symptom->step = step;
    symptom->strength = strength;
    return true;
}

/* Adds in order of time; a cause that is there already stays as it showed first, with all that was seen of it, but what
 * is doubtful gives way to what is not. */
static int insert(struct symptom *found, int count, struct symptom *symptom)
{
    int place = count;
    for (int i = 0; i < count; i++)
        if (found[i].cause == symptom->cause) {
            found[i].effects = symptom->effects |= found[i].effects;
            if (found[i].doubtful != symptom->doubtful ? symptom->doubtful : found[i].step <= symptom->step)
                return count;
            memmove(found + i, found + i + 1, (size_t)(--count - i) * sizeof *found);
            place = count;
            break;
        }
    while (place > 0 && found[place - 1].step > symptom->step)
        place--;
    memmove(found + place + 1, found + place, (size_t)(count - place) * sizeof *found);
    found[place] = *symptom;
    return count + 1;
}

/* What shows by itself, without a rule. Before the first epoch nothing does. */
static unsigned seen_at_large(const struct evidence *evidence)
{
    struct ahead ahead;
    return (doctor_misses(evidence) ? EFFECT_MISSING : 0u) |
           (rules_behind_at_once(evidence) || rules_ahead(evidence, &ahead) ? EFFECT_AT_ONCE : 0u);
}

/* Of a cost in nats: less than this share of guessing is nothing, however much of the loss that is left. */
static const double trifle = 0.01;
/* Where something is missing, less than this share of the loss does not say why. */
static const double some_worth = 0.05;

/* Whether single images are learned that much worse as the finding has it. */
static bool is_costly(const struct symptom *image, const struct evidence *evidence)
{
    return image->cost > FAULT_WORTH && image->cost > FAULT_SURE * image->cost_error &&
           !(image->cost_loss < trifle * evidence->prior_entropy);
}

bool image_is_trainings_alone(const struct symptom *image)
{
    return symptom_number(image, "apart") > 1.0;
}

/* Contrast within a class that varies twice as much as in the most uneven clean set, so that three quarters of its
 * variance are none of theirs. Brightness and slopes are in some clean sets what planted ones come to. */
static bool is_plainly_uneven(const struct symptom *image)
{
    return strcmp(image->rule, "illumination") == 0 &&
           symptom_number(image, "spread") > 2.0 * symptom_number(image, "threshold");
}

static bool shows_nothing(const struct symptom *image)
{
    return strcmp(image->rule, "constant") == 0 || strcmp(image->rule, "outliers") == 0;
}

/* Images that show nothing, or not what their class does, are right by chance alone: of so many, in either part, that
 * more than a twentieth must be wrong no network gets what makes nothing missing. No image is of both kinds. */
static bool are_too_many(const struct symptom *image, const struct evidence *evidence)
{
    const double most = (1.0 - ALL_LEARNED) / (1.0 - 1.0 / evidence->classes);
    double share = 0.0, val = 0.0;
    for (int i = 0; i < evidence->image_count; i++)
        if (shows_nothing(&evidence->images[i])) {
            share += fmax(symptom_number(&evidence->images[i], "share"), 0.0);
            val += fmax(symptom_number(&evidence->images[i], "val"), 0.0); /* NaN without validation */
        }
    return shows_nothing(image) && (share > most || val > most);
}

static bool has_rule(const struct symptom *seen, int count, const char *rule)
{
    for (int i = 0; i < count; i++)
        if (strcmp(seen[i].rule, rule) == 0)
            return true;
    return false;
}

/* Whether the parts differ as far as single images do, in brightness or in texture, or validation's are the worse by
 * what matters (host/check/compare.c). */
static bool is_apart(const struct symptom *image)
{
    return symptom_number(image, "rough_apart") > 1.0 || isfinite(symptom_number(image, "val_figure")) ||
           fabs(symptom_number(image, "train_mean") - symptom_number(image, "val_mean")) >
               symptom_number(image, "train_std");
}

static bool is_below(const struct evidence *evidence, const struct moment *now)
{
    return now->train_accuracy - now->val_accuracy > 3.5 * moment_error(evidence, now);
}

/* By training's images asked as validation is; or at one of the last two epochs: the last one may be of a few steps,
 * that know no accuracy. */
static bool is_behind_lately(const struct evidence *evidence)
{
    struct moment asked;
    if (fit_asked(evidence, &asked)) {
        asked.train_accuracy = evidence->fit.accuracy;
        asked.images = (double)evidence->fit.images;
        return is_below(evidence, &asked);
    }
    for (int64_t epoch = evidence->epochs > 1 ? evidence->epochs - 2 : 0; epoch < evidence->epochs; epoch++) {
        struct moment now;
        if (moment_at(evidence, epoch, &now) && is_below(evidence, &now))
            return !fit_falls_short(evidence);
    }
    return false;
}

/* Whether validation is behind in the end, by either sign of it. */
static bool has_gap(const struct symptom *seen, int count)
{
    return has_rule(seen, count, "gap") || has_rule(seen, count, "long_past");
}

/* Whether that is what validation's being behind comes from. At first a network may know no more than what both parts
 * have in common. So far apart it takes no gap, and no other reason; less far, which parts of one set are not either,
 * it does. */
static bool leaves_behind(const struct symptom *image, const struct evidence *evidence, const struct symptom *seen,
                          int count)
{
    return image->cause == CAUSE_MISMATCH && ((is_apart(image) && is_behind_lately(evidence)) || has_gap(seen, count));
}

/* Uneven light that validation does not have, by the same limit, where the parts differ in brightness beyond what parts
 * of one set do: what a scene is like would be in both. */
static bool is_lit_otherwise(const struct symptom *image, const struct evidence *evidence)
{
    for (int i = 0; i < evidence->image_count; i++)
        if (strcmp(evidence->images[i].rule, "mismatch") == 0 &&
            isfinite(symptom_number(&evidence->images[i], "train_mean")))
            return image->cause == CAUSE_ILLUMINATION &&
                   symptom_number(image, "val") < symptom_number(image, "threshold");
    return false;
}

/* Of a loss that stands steps are short as well, if by less than twice: what explains the one explains the other. */
static bool is_of_standing(const struct symptom *symptom, const struct symptom *seen, int count)
{
    const double twice = 2.0;
    return symptom->cause == CAUSE_RATE_LOW && symptom->effects == EFFECT_SHORT && symptom->falls_short < twice &&
           has_rule(seen, count, "stuck");
}

/* Images that show nothing can be learned by heart, and of validation's as many are wrong: that leaves validation
 * behind by their share, in the part that has more of them, and not by more. */
static bool leaves_more_behind(const struct symptom *image, const struct evidence *evidence, const struct symptom *seen,
                               int count)
{
    struct moment now;
    if (image->cause != CAUSE_OUTLIERS || !has_gap(seen, count) || !lesser_gap(evidence, &now))
        return false;
    const double odd = fmax(symptom_number(image, "share"), symptom_number(image, "val"));
    return now.train_accuracy - now.val_accuracy - FAULT_SURE * moment_error(evidence, &now) > odd;
}

/* What is found in the images is there before anything else shows, and is the cause of that if it can be: of all that
 * the rules saw, but for one cause. If they saw nothing, there must be something for it to have brought about, unless
 * it is certain. */
static bool explains(const struct symptom *image, const struct evidence *evidence, const struct ahead *ahead,
                     const struct symptom *seen, int count, enum cause but)
{
    const bool plain = image_is_trainings_alone(image) || is_plainly_uneven(image) || is_lit_otherwise(image, evidence);
    /* Images that are learned by heart are, however they are lit: it is not their light that validation lacks. */
    if (image->cause == CAUSE_ILLUMINATION && !plain && has_rule(seen, count, "overfitting"))
        return false;
    if (leaves_more_behind(image, evidence, seen, count))
        return false;
    /* Where gradients come back, images that hardly resemble each other may leave a network at guessing. */
    const unsigned effects = image->effects | (plain && !gradient_fades(evidence) ? EFFECT_STANDS : 0u);
    for (int i = 0; i < count; i++)
        if (seen[i].cause != image->cause && seen[i].cause != but && (seen[i].effects & ~effects) &&
            !(effects & EFFECT_STANDS && is_of_standing(&seen[i], seen, count)))
            return false;
    unsigned shown = seen_at_large(evidence);
    if (isfinite(ahead->share)) /* of what training is asked, whatever validation has right */
        shown |= EFFECT_MISSING;
    /* What single images of training cost says nothing of what validation loses by them: where something is missing
     * and nothing else is seen, it is what there is. */
    if (is_costly(image, evidence) || (shown & EFFECT_MISSING && (plain || are_too_many(image, evidence))))
        shown |= EFFECT_COSTLY | EFFECT_WEIGHED;
    if (leaves_behind(image, evidence, seen, count))
        shown |= EFFECT_AT_ONCE;
    /* Single images that are learned worse, where something is missing. */
    if (shown & EFFECT_MISSING && image->cost > fmax(FAULT_SURE * image->cost_error, some_worth))
        shown |= EFFECT_WEIGHED;
    return (image->needs & ~shown) == 0;
}

/* Steps that were too long to begin with, and nothing lost by them: where layers normalise, the length of the weights
 * before them, that steps are measured by, is nothing to the network. Steps too long keep training from its images:
 * where all of them are learned but for a twentieth in the end, they have not. */
static bool learnt_all_the_same(const struct evidence *evidence)
{
    enum { LAST = 50 };
    const int64_t steps = evidence->steps;
    return evidence->epochs > 0 &&
           (!doctor_misses(evidence) ||
            (evidence->over && steps > LAST && learned_in(evidence, steps - LAST, steps) > 1.0 - NOTHING));
}

static int append(struct symptom *found, int count, const struct symptom *symptom)
{
    for (int i = 0; i < count; i++)
        if (found[i].cause == symptom->cause)
            return count;
    found[count] = *symptom;
    return count + 1;
}

int doctor_examine(const struct evidence *evidence, struct symptom found[static CAUSE_COUNT])
{
    struct symptom seen[CAUSE_COUNT], images[DATA_FINDINGS];
    int seen_count = 0, count = 0;
    for (int i = 0; i < doctor_rule_count; i++) {
        const struct rule *rule = &doctor_rules[i];
        struct symptom symptom = {.cause = rule->cause, .rule = rule->name, .effects = rule->shows};
        if (evidence->steps >= rule->steps && rule->check(evidence, &symptom))
            seen_count = insert(seen, seen_count, &symptom);
    }
    struct ahead ahead;
    if (!rules_ahead(evidence, &ahead) && !(has_rule(seen, seen_count, "better_on_validation") && ahead.share > 0.0))
        ahead.share = NAN;
    for (int i = 0; i < evidence->image_count; i++) {
        images[i] = evidence->images[i];
        images[i].doubtful = !explains(&images[i], evidence, &ahead, seen, seen_count, CAUSE_HEALTHY);
        image_say_cost(&images[i], ahead.share, ahead.error);
        image_say_absorbed(&images[i], evidence);
    }
    /* An order is a setting, and throws about what images make worse; of labels that say nothing there is nothing to
     * learn. What sets training's images apart comes before what validation's have as well. */
    for (int i = 0; i < evidence->image_count; i++)
        if (!images[i].doubtful && (images[i].cause == CAUSE_ORDER || symptom_is_of_all_labels(&images[i])))
            count = append(found, count, &images[i]);
    for (int alone = 1; alone >= 0; alone--)
        for (int i = 0; i < evidence->image_count; i++)
            if (!images[i].doubtful && image_is_trainings_alone(&images[i]) == alone)
                count = append(found, count, &images[i]);
    for (int i = 0; i < seen_count; i++) {
        seen[i].doubtful |= seen[i].effects == EFFECT_LONG && learnt_all_the_same(evidence);
        if (symptom_speaks(&seen[i]))
            count = append(found, count, &seen[i]);
    }
    struct symptom unknown = {.cause = CAUSE_UNKNOWN, .rule = "never_of_use", .effects = EFFECT_APART};
    if (count == 0 && rules_never_of_use(evidence, &unknown))
        count = append(found, count, &unknown);
    for (int i = 0; i < seen_count; i++)
        if (seen[i].doubtful)
            count = append(found, count, &seen[i]);
    const enum cause cause = doctor_cause(found, count);
    for (int i = 0; i < evidence->image_count; i++)
        if (images[i].doubtful) {
            images[i].second =
                cause != CAUSE_HEALTHY && explains(&images[i], evidence, &ahead, seen, seen_count, cause);
            count = append(found, count, &images[i]);
        }
    const bool explained = cause != CAUSE_HEALTHY && cause != CAUSE_UNKNOWN;
    for (int i = 0; i < seen_count; i++)
        if (seen[i].note && !explained)
            count = append(found, count, &seen[i]);
    return count;
}

bool doctor_too_early(const struct evidence *evidence)
{
    int known = 0;
    for (int64_t t = 0; t < evidence->steps && known < VERDICT_STEPS; t++)
        known += isfinite(evidence->loss[t]);
    return known < VERDICT_STEPS;
}

bool symptom_speaks(const struct symptom *symptom)
{
    return !symptom->doubtful && !symptom->note;
}

const struct symptom *doctor_note(const struct symptom *found, int count)
{
    return count > 0 && found[count - 1].note ? &found[count - 1] : NULL;
}

const char *doctor_noted(const struct symptom *found, int count)
{
    const struct symptom *note = doctor_note(found, count);
    if (!note)
        return NULL;
    return strcmp(note->rule, "jumps") == 0                 ? JUMPS_TITLE
           : strcmp(note->rule, "twins") == 0               ? PAIR_TITLE
           : strcmp(note->rule, "few_wrong") == 0           ? FEW_TITLE
           : strcmp(note->rule, "evaluated_otherwise") == 0 ? FIT_TITLE
                                                            : NOTED_TITLE;
}

enum cause doctor_cause(const struct symptom *found, int count)
{
    return count > 0 && symptom_speaks(&found[0]) ? found[0].cause : CAUSE_HEALTHY;
}

bool doctor_learns(const struct evidence *evidence)
{
    enum { LAST = 50 };
    const int64_t steps = evidence->steps;
    return learned_in(evidence, steps > LAST ? steps - LAST : 0, steps) > NOTHING && !rule_losing_ground(evidence);
}

bool doctor_guesses(double accuracy, int classes)
{
    double wrong = 1.0 - accuracy;
    double loss = (accuracy > 0.0 ? -accuracy * log(accuracy) : 0.0) +
                  (wrong > 0.0 && classes > 1 ? -wrong * log(wrong / (classes - 1)) : 0.0);
    return accuracy <= 1.0 / classes || loss > (1.0 - NOTHING) * log((double)classes);
}

bool doctor_diverged(const struct evidence *evidence, struct symptom *symptom)
{
    static bool (*const checks[])(const struct evidence *, struct symptom *) = {rule_worse_than_guessing, rule_setback};
    enum { LEAST = 200 }; /* more than any of these rules needs */
    for (int i = 0; i < COUNT_OF(checks); i++) {
        *symptom = (struct symptom){.cause = CAUSE_RATE_HIGH, .rule = "diverged"};
        if (evidence->steps >= LEAST / 4 && checks[i](evidence, symptom))
            return true;
    }
    /* Steps far too large that left a network no better than guessing. */
    return evidence->steps >= LEAST && learned_in(evidence, evidence->steps - LEAST / 2, evidence->steps) < NOTHING &&
           rule_large_steps(evidence, symptom);
}
