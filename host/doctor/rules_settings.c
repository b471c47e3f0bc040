/* rules_settings: what a config sets so that it cannot do what it is there for: a normalisation, Adam's constants, a
 * network narrower than its answer. */
#include "rules.h"

#include <math.h>
#include <stdio.h>

/* Of an input with mean m and deviation s the share m^2 / (m^2 + s^2) is the same for every image: the loss is that
 * much steeper along it than along all that tells images apart, and the rate has to suit it (LeCun et al., "Efficient
 * backprop", 1998, 4.3). More than half of it is a fault where no layer takes it out again. */
bool rule_offcentre(const struct evidence *evidence, struct symptom *symptom)
{
    const double half = 0.5, mean = evidence->input_mean, deviation = evidence->input_deviation;
    const double share = mean * mean / (mean * mean + deviation * deviation);
    return evidence->input_unusual && evidence->config->augment.normalize != NORMALIZE_AUTO &&
           evidence->layers.measured && !evidence->layers.normalises && share > half &&
           show(
               symptom, 0, share / half,
               "after normalisation the images have mean %.3g and deviation %.3g: %.0f %% of what the first layer gets "
               "is the same for every image, and no layer normalises it",
               mean, deviation, 100.0 * share);
}

/* Whether half of the run is done, and a twentieth of validation still wrong. */
static bool misses_halfway(const struct evidence *evidence)
{
    return (evidence->over || 2 * evidence->steps >= evidence->planned_steps) && doctor_misses(evidence);
}

/* Whether validation is behind training, or jumps from epoch to epoch. */
static bool is_unsteady(const struct evidence *evidence)
{
    struct symptom unused = {0};
    return doctor_behind(evidence) || rule_jumps(evidence, &unused);
}

/* Of a normalisation set by hand that is wrong by less than rule_offcentre and include/check.h ask, where something is
 * missing. It shows last, so that whatever else is seen is the cause.
 * Where no layer normalises: the curvature of the first layer goes with the square of what it gets, and the rate that
 * it bears against that: of twice the deviation a fourth. What tells images apart reaches it by their deviation: of
 * less than half it learns at a fourth of the pace, Adam, whose updates know no gradient's length, at half. Where
 * layers do, the mean is taken out again, in validation by running means, which lag ten updates behind. A healthy
 * update is 0.016 of the weights, so that of a mean of three deviations half a deviation is left by then: nine tenths
 * of the square are mean. Validation then falls behind, or jumps. */
bool rule_off_scale(const struct evidence *evidence, struct symptom *symptom)
{
    const double twice = 2.0, half = 0.5, most = 0.9;
    const double mean = evidence->input_mean, deviation = evidence->input_deviation;
    const double size = hypot(mean, deviation), share = mean * mean / (size * size);
    if (!evidence->input_unusual || evidence->config->augment.normalize == NORMALIZE_AUTO ||
        !evidence->layers.measured || !misses_halfway(evidence))
        return false;
    if (!evidence->layers.normalises && deviation < half)
        return show(symptom, evidence->steps - 1, half / fmax(deviation, 1e-6),
                    "after normalisation the images have mean %.3g and deviation %.3g, and no layer normalises them: "
                    "the first layer learns at %.2g of the usual pace",
                    mean, deviation, evidence->config->optim.name == OPTIMIZER_SGD ? deviation * deviation : deviation);
    if (!evidence->layers.normalises)
        return size > twice && show(symptom, evidence->steps - 1, size / twice,
                                    "after normalisation the images have mean %.3g and deviation %.3g, and no layer "
                                    "normalises them: the first layer bears 1/%.0f of the usual rate",
                                    mean, deviation, size * size);
    return share > most && is_unsteady(evidence) &&
           show(symptom, evidence->steps - 1, share / most,
                "after normalisation the images have mean %.3g and deviation %.3g: %.0f %% of what the first layer "
                "gets is the same for every image, and running means, which lag behind the weights, take it out again "
                "in validation, which is behind training or jumps",
                mean, deviation, 100.0 * share);
}

/* Kingma and Ba, "Adam", 2015, Theorem 4.1 needs beta1^2 / sqrt(beta2) < 1: else a gradient is forgotten as a scale
 * before it is as a direction, and one that is larger than those before it makes a step without bound. */
bool rule_adam_forgets(const struct evidence *evidence, struct symptom *symptom)
{
    const struct config *config = evidence->config;
    const double beta1 = config->optim.beta1, ratio = beta1 * beta1 / sqrt(config->optim.beta2);
    return config->optim.name != OPTIMIZER_SGD && ratio > 1.0 &&
           show(symptom, 0, ratio,
                "optim.beta1 squared over the root of optim.beta2 = %.3g is %.3g, and Adam needs it below 1: the scale "
                "of a gradient is forgotten before the gradient is",
                config->optim.beta2, ratio);
}

/* At its first step Adam's moments are the gradient itself and its square, and a weight moves by rate g / (|g| + eps):
 * the update's length times eps over rate and gradient is the share that eps has in the denominator, ruled by the
 * largest gradients. Above a half the update is the gradient over a constant. So it is for most weights where eps has
 * more than a small part in that, and the update is less than half as long as without it, when every weight moves by
 * the rate: rate sqrt(parameters). Decay is taken out, in favour of the config. */
bool rule_adam_epsilon(const struct evidence *evidence, struct symptom *symptom)
{
    enum { LOOK = 10 };
    const double half = 0.5, part = 0.1;
    const struct config *config = evidence->config;
    const double eps = config->optim.eps, decay = config->optim.weight_decay;
    const bool apart = config->optim.name == OPTIMIZER_ADAMW;
    int64_t t = 0;
    while (t < LOOK && t < evidence->steps && !(evidence->rate[t] > 0.0 && evidence->bad[t] == 0.0))
        t++;
    if (config->optim.name == OPTIMIZER_SGD || t == LOOK || t == evidence->steps)
        return false;
    const double rate = evidence->rate[t], pull = decay * evidence->weight_norm[t];
    const double update = evidence->update_norm[t] - (apart ? rate * pull : 0.0);
    const double share = eps * update / (rate * (evidence->grad_norm[t] + (apart ? 0.0 : pull)));
    if (share > half)
        return show(symptom, t, share / half,
                    "optim.eps = %.3g is %.0f %% of what Adam divides the first gradient by: its update is the "
                    "gradient over a constant, as with plain SGD",
                    eps, 100.0 * share);
    /* Only the first of all updates has this length: batches that differ make later ones shorter. */
    const double left = update / (rate * sqrt((double)evidence->parameters));
    return t == 0 && evidence->parameters > 0 && share > part && left < half &&
           show(symptom, t, half / left,
                "with optim.eps = %.3g Adam's first update had %.0f %% of the length that it has without: for most "
                "weights it is the gradient over a constant, as with plain SGD",
                eps, 100.0 * left);
}

/* Answers are compared with one another, and pushed apart without end: one that is 0 for being below 0 passes no
 * gradient on, so that nothing raises it again, and once it is so for every image its class is lost. Nobody means it;
 * named where something is missing. */
bool rule_answers_cut(const struct evidence *evidence, struct symptom *symptom)
{
    const double dead = evidence->layers.answer_dead;
    char lost[96] = "";
    if (config_rectified_answer(evidence->config) < 0 || !misses_halfway(evidence))
        return false;
    if (evidence->layers.measured && dead > 0.0)
        snprintf(lost, sizeof lost, "; %.0f of %d are 0 for every image of the last batch that was looked at",
                 round(dead * evidence->classes), evidence->classes);
    return show(symptom, 0, 1.0,
                "the answers, one of each class, pass through the relu of %s: one that is below 0 gets no gradient "
                "back, whatever its class%s",
                evidence->config->layers[config_rectified_answer(evidence->config)].name, lost);
}

/* Of what there is to learn validation had at no epoch half, at the end of the run. */
static bool val_lacks_half(const struct evidence *evidence)
{
    double best = NAN;
    for (int64_t epoch = 0; epoch < evidence->epochs; epoch++)
        best = fmin(best, evidence->val_loss[epoch]);
    return evidence->over && evidence->val_images > 0 && learned_of(evidence, best) < 0.5;
}

/* Fewer units than log2 K have no on-off pattern for each class: a fault unless the network has learnt it all the same.
 * Beyond K (d + 1) = 2^d (Hamming 1950) there are surely no K patterns of d units of which any two differ in three, so
 * that one unit that is wrong makes one class of another; the loss must show then that it is too narrow: at half of the
 * run not half of the labels learned, or in the end not half by validation. K - 1 units are as many as the logits can
 * tell. */
bool rule_narrow(const struct evidence *evidence, struct symptom *symptom)
{
    enum { WINDOW = 50 };
    const double learnt = 0.95, half = 0.5;
    const double width = (double)evidence->bottleneck, patterns = log2((double)evidence->classes);
    const int64_t steps = evidence->steps, middle = evidence->planned_steps / 2;
    if (evidence->bottleneck == 0 || width >= evidence->classes - 1 || evidence->classes * (width + 1.0) <= exp2(width))
        return false;
    const bool hopeless = width < patterns;
    const bool slow = steps >= middle && middle >= WINDOW && learned_in(evidence, middle - WINDOW, middle) <= half;
    if (!hopeless && !slow && !val_lacks_half(evidence))
        return false;
    double right = 0.0, images = 0.0;
    for (int64_t t = steps > WINDOW ? steps - WINDOW : 0; t < steps; t++)
        if (evidence->bad[t] == 0.0) {
            right += evidence->correct[t];
            images += evidence->samples[t];
        }
    return !(right > learnt * images) &&
           show(
               symptom,
               hopeless ? 0
               : slow   ? middle - 1
                        : steps - 1,
               hopeless ? patterns / width : (evidence->classes - 1) / width,
               "all that the network knows of an image passes through the %lld numbers of %s, and there are %d classes",
               (long long)evidence->bottleneck, evidence->bottleneck_at, evidence->classes);
}

/* Steps before the schedule had taken half of the rate: what stands after that stands for want of it. */
static int64_t steps_at_rate(const struct evidence *evidence)
{
    int64_t steps = evidence->steps;
    while (steps > 0 && evidence->rate[steps - 1] < 0.5 * evidence->config->optim.lr)
        steps--;
    return steps;
}

/* Whether the last quarter of the run, by then, left less to learn than the one before it, by what makes a fault. */
static bool still_falls(const struct evidence *evidence, int64_t quarter)
{
    const int64_t steps = steps_at_rate(evidence), from = steps - 2 * quarter, middle = steps - quarter;
    if (from < 0)
        return false;
    const double before = column_mean(evidence->loss, from, middle), now = column_mean(evidence->loss, middle, steps);
    const double noise = hypot(loss_noise(evidence, from, middle), loss_noise(evidence, middle, steps));
    return before - now > FAULT_SURE * noise &&
           1.0 - learned_of(evidence, now) < (1.0 - FAULT_WORTH) * (1.0 - learned_of(evidence, before));
}

double updates_wanted(double learned)
{
    const double left = 0.05, most = 100.0;
    return fmin(learned > 0.0 ? log(left) / log1p(-learned) : most, most);
}

/* A run that ends before anything can be said of its rate, and has not learned half of what there is by then, or not
 * all of it and was still learning, in the end or when the schedule lowered the rate. One that somebody cut short by
 * train.max_steps was to be that short. How many updates it would take is what its own pace says: what is left shrinks
 * by the same share with each. */
bool rule_few_updates(const struct evidence *evidence, struct symptom *symptom)
{
    const double half = 0.5, left = 0.05, most = 100.0;
    const int64_t steps = evidence->steps, quarter = (steps + 3) / 4;
    if (!evidence->over || steps >= VERDICT_STEPS || evidence->planned_steps >= VERDICT_STEPS ||
        evidence->planned_steps == evidence->config->train.max_steps)
        return false;
    const double loss = column_mean(evidence->loss, steps - quarter, steps), learned = learned_of(evidence, loss);
    const bool falls = learned < 1.0 - left && still_falls(evidence, quarter);
    if (!(learned < half || falls))
        return false;
    symptom->falls_short = updates_wanted(learned);
    return show(
        symptom, steps - 1, fmax(half / fmax(learned, half / most), 1.0),
        "the whole run was %lld updates, of %.0f images each, and %.0f %% of what there is to learn was learned "
        "in them (loss %.3g, guessing %.3g)%s; at that pace it takes about %.0f",
        (long long)steps, evidence->samples[0], 100.0 * fmax(learned, 0.0), loss, loss_of_guessing(evidence),
        !falls                                      ? ""
        : steps_at_rate(evidence) < evidence->steps ? ", the loss still falling when the schedule lowered the rate"
                                                    : ", the loss still falling",
        symptom->falls_short * (double)steps);
}
