/* rules_stands: a loss that stands at guessing: nothing is learned, or only late, and what keeps it there. */
#include "rules.h"

#include <math.h>
#include <stdio.h>

enum { WINDOW = 100 };
/* A loss that does not fall by more of what there is to learn is flat. */
#define FLAT 0.01

/* Of the last layer's gradient, less than this in the first one is as good as none. */
#define FADED 1e-3

bool gradient_fades(const struct evidence *evidence)
{
    const struct layer_evidence *layers = &evidence->layers;
    return layers->first_layer[0] && layers->first_grad < FADED * layers->last_grad;
}

bool gradient_faded_as_drawn(const struct evidence *evidence)
{
    return evidence->layers.first_drawn < FADED * evidence->layers.last_drawn;
}

void say_faded(const struct evidence *evidence, char text[static EVIDENCE_BYTES])
{
    const struct layer_evidence *layers = &evidence->layers;
    *text = 0;
    if (gradient_fades(evidence) && layers->first_grad == 0.0)
        snprintf(text, EVIDENCE_BYTES, "; no gradient comes back to %s", layers->first_layer);
    else if (gradient_fades(evidence))
        snprintf(text, EVIDENCE_BYTES, "; the gradient of %s is %.2g of that of %s", layers->first_layer,
                 layers->first_grad / layers->last_grad, layers->last_layer);
}

bool steps_overshoot(const struct evidence *evidence, int64_t from, int64_t to)
{
    const double sure = 2.0;
    double sum = 0.0, squares = 0.0, known = 0.0;
    for (int64_t t = from; t < to; t++)
        if (isfinite(evidence->end_slope[t])) {
            sum += evidence->end_slope[t];
            squares += evidence->end_slope[t] * evidence->end_slope[t];
            known++;
        }
    const double mean = sum / known, error = sqrt(fmax(squares / known - mean * mean, 0.0) / known);
    return evidence->config->data.shuffle && known >= WINDOW / 2 && mean > sure * error;
}

/* Nothing learned by loss nor by answers. A loss far above guessing is no better. */
static bool is_guessing(const struct evidence *evidence, int64_t from, int64_t to)
{
    double right = 0.0, images = 0.0;
    for (int64_t t = from; t < to; t++)
        if (evidence->bad[t] == 0.0) {
            right += evidence->correct[t];
            images += evidence->samples[t];
        }
    return learned_of(evidence, column_mean(evidence->loss, from, to)) < NOTHING &&
           answers_guess(evidence, right, images);
}

/* Whether in the end something is learned all the same, by the last steps or the last validation. */
static bool has_begun(const struct evidence *evidence)
{
    const int64_t last = evidence->epochs - 1;
    const double images = (double)evidence->val_images;
    return !is_guessing(evidence, evidence->steps - WINDOW, evidence->steps) ||
           (last >= 0 && images > 0.0 && isfinite(evidence->val_accuracy[last]) &&
            !answers_guess(evidence, evidence->val_accuracy[last] * images, images));
}

/* An image on its side or on its head is another class to some data, and tells it from none. */
static bool turns_over(const struct config *config)
{
    return config->augment.rotate >= 90.0 || config->augment.vflip > 0.0;
}

/* SGD with less than half of what it gathers with 0.9 goes a fifth as far at most. */
static bool lacks_momentum(const struct config *config)
{
    return config->optim.name == OPTIMIZER_SGD && config->optim.momentum < 0.5;
}

/* Gradients that come back to the first layer are no want of a signal: images may say nothing as augmentation leaves
 * them, steps go too far to lead down, or, without momentum, not far enough to leave the plain. */
static enum cause blame_standing(const struct evidence *evidence, int64_t from, int64_t to)
{
    if (evidence->layers.dead_share >= DEAD && evidence->layers.dead_step > 0)
        return blame_dead(evidence);
    if (evidence->layers.measured && !gradient_fades(evidence) && turns_over(evidence->config))
        return CAUSE_REGULARISATION;
    if (evidence->layers.measured && !gradient_fades(evidence) && steps_overshoot(evidence, from, to))
        return blame_large(evidence, from);
    return evidence->layers.measured && !gradient_fades(evidence) && lacks_momentum(evidence->config) ? CAUSE_PLAIN_SGD
                                                                                                      : CAUSE_NO_SIGNAL;
}

static void say_why(const struct evidence *evidence, const struct symptom *symptom, char text[static EVIDENCE_BYTES])
{
    say_faded(evidence, text);
    if (symptom->cause == CAUSE_REGULARISATION)
        snprintf(text, EVIDENCE_BYTES,
                 "; images are turned over (augment.rotate, augment.vflip), which may make one class of another");
    if (symptom->cause == CAUSE_PLAIN_SGD)
        snprintf(text, EVIDENCE_BYTES,
                 "; gradients come back to %s, and with optim.momentum = %.3g the steps go %.2g of the way that they "
                 "would with 0.9",
                 evidence->layers.first_layer[0] ? evidence->layers.first_layer : "the first layer",
                 evidence->config->optim.momentum, 0.1 / (1.0 - evidence->config->optim.momentum));
}

/* Steps that are called short by less than twice are so of any loss that stands: what keeps it there is asked first.
 */
static int64_t before_short_steps(const struct evidence *evidence, int64_t step)
{
    static bool (*const rules[])(const struct evidence *, struct symptom *) = {rule_small_steps, rule_short_steps};
    const double twice = 2.0;
    for (int i = 0; i < COUNT_OF(rules); i++) {
        struct symptom steps = {.cause = CAUSE_RATE_LOW};
        if (rules[i](evidence, &steps) && steps.cause == CAUSE_RATE_LOW && steps.falls_short < twice &&
            steps.step <= step)
            step = steps.step - 1;
    }
    return step;
}

/* A hundred steps at the loss of guessing, and none of it going down, nor anything learned since. */
bool rule_stuck(const struct evidence *evidence, struct symptom *symptom)
{
    const double guess = loss_of_guessing(evidence), range = guess - loss_floor(evidence);
    for (int64_t t = WINDOW; t + WINDOW <= evidence->steps; t += WINDOW / 2) {
        const double first = column_mean(evidence->loss, t, t + WINDOW / 2);
        const double second = column_mean(evidence->loss, t + WINDOW / 2, t + WINDOW);
        const double level = 0.5 * (first + second), off = fabs(level - guess) / range;
        if (!(off < NOTHING && fabs(first - second) < FLAT * range) || !is_guessing(evidence, t, t + WINDOW))
            continue;
        if (has_begun(evidence))
            return false;
        char why[EVIDENCE_BYTES];
        symptom->cause = blame_standing(evidence, t, evidence->steps);
        say_why(evidence, symptom, why);
        const int64_t step = t + WINDOW - 1;
        return show(symptom, symptom->cause == CAUSE_REGULARISATION ? before_short_steps(evidence, step) : step,
                    NOTHING / fmax(off, 1e-3),
                    "from step %lld to %lld the loss stood at %.4g, which is guessing by the class shares (%.4g)%s",
                    (long long)t, (long long)t + WINDOW, level, guess, why);
    }
    return false;
}

/* A quarter of the run and more before anything is learned, in steps that end beyond the lowest point along them:
 * shorter ones may have begun sooner. So steps do at the best rate as well, where there is a plain to cross, so that a
 * trial has to say it: until then it is doubtful. */
bool rule_late_start(const struct evidence *evidence, struct symptom *symptom)
{
    int64_t begun = 0;
    while (begun + WINDOW <= evidence->steps && is_guessing(evidence, begun, begun + WINDOW))
        begun += WINDOW / 2;
    if (begun < 2 * WINDOW || 4 * begun < evidence->planned_steps || !has_begun(evidence) ||
        !steps_overshoot(evidence, WINDOW, begun) ||
        column_mean(evidence->rate, WINDOW, begun) < SMALL_SHARE * evidence->config->optim.lr)
        return false;
    symptom->cause = blame_large(evidence, WINDOW);
    symptom->doubtful = true;
    return show(
        symptom, begun - 1, 4.0 * (double)begun / (double)evidence->planned_steps,
        "up to step %lld of %lld the loss stood at guessing (%.4g), in steps that ended beyond the lowest point "
        "along them; only then was anything learned",
        (long long)begun, (long long)evidence->planned_steps, loss_of_guessing(evidence));
}
