/* rules_jumps: a rate that does not fall: a schedule that the run has not come to, and a validation that jumps from
 * epoch to epoch, which is what weights do that are taken at one moment of such a rate. Pure functions over the
 * evidence. */
#include "rules.h"

#include <math.h>
#include <stdio.h>

/* Of validation between two epochs, beyond what training went down by, as a multiple of its standard error; of images
 * that are taken as two samples: as validation's are the same ones, it is less. 0: not down by 5 points more. */
static double fall(const struct evidence *evidence, int64_t epoch)
{
    const double points = 0.05;
    struct moment before, now;
    if (!moment_at(evidence, epoch - 1, &before) || !moment_at(evidence, epoch, &now))
        return 0.0;
    const double trained = fmax(before.train_accuracy - now.train_accuracy, 0.0);
    const double more = before.val_accuracy - now.val_accuracy - trained;
    return more > points ? more / hypot(moment_error(evidence, &before), moment_error(evidence, &now)) : 0.0;
}

/* Whether the rate has not fallen by the last step, nor will: at the end of a schedule weights come to rest. A run that
 * is over has no more of it to come. */
static bool rate_stays(const struct evidence *evidence)
{
    return (evidence->over || evidence->config->schedule.name != SCHEDULE_COSINE) &&
           evidence->rate[evidence->steps - 1] >= SMALL_SHARE * evidence->config->optim.lr;
}

/* Over the second half of the epochs: at first, validation finds its way. Training goes on as before, so that nothing
 * is lost; the best epoch's weights are kept. */
bool rule_jumps(const struct evidence *evidence, struct symptom *symptom)
{
    const double sure = 3.5;
    double furthest = 0.0;
    int64_t at = 0;
    int times = 0;
    if (evidence->config->optim.ema_decay > 0.0 || evidence->epochs < 4 ||
        !(evidence->over || 2 * evidence->steps >= evidence->planned_steps))
        return false;
    for (int64_t epoch = evidence->epochs / 2; epoch < evidence->epochs; epoch++) {
        const double z = fall(evidence, epoch);
        times += z > sure;
        at = z > furthest ? epoch : at;
        furthest = fmax(furthest, z);
    }
    struct moment before, now;
    if (!(furthest > sure) || !moment_at(evidence, at - 1, &before) || !moment_at(evidence, at, &now) ||
        !rate_stays(evidence))
        return false;
    const double decay = 1.0 - 1.0 / fmax(10.0, 0.1 * (double)evidence->steps);
    symptom->note = true;
    return show(symptom, evidence->steps - 1, furthest / sure,
                "validation jumps: %.1f %% of its images were right after epoch %lld and %.1f %% after the next (%.1f "
                "standard errors%s), of training's %.1f and %.1f %%: weights at one moment of a rate that does not "
                "fall%s; averaged "
                "weights (optim.ema_decay = %.3g) or a falling rate (%s) steady it",
                100.0 * before.val_accuracy, (long long)at, 100.0 * now.val_accuracy, furthest,
                times > 1 ? ", and not once alone" : "", 100.0 * before.train_accuracy, 100.0 * now.train_accuracy,
                config_normalises(evidence->config) ? ", and running means that follow them" : "", decay,
                evidence->config->schedule.name == SCHEDULE_COSINE ? "a cosine that ends with the run"
                                                                   : "schedule.name = cosine");
}

/* A schedule that was to bring the rate down, planned for train.epochs, and train.max_steps has ended the run before it
 * did: a run of a few steps of a long plan has its rate alone, and none that is as high is good to end with. What the
 * rest of the schedule would have taken away is what noise holds the loss up by at this rate; where that is little, the
 * rate is not what is wrong. */
bool rule_never_fell(const struct evidence *evidence, struct symptom *symptom)
{
    const double kept = 1.0 - SMALL_SHARE, worth = 0.05;
    const struct config *config = evidence->config;
    const int64_t steps = evidence->steps, last = steps - 1, tenth = steps / 10;
    const bool falls = config->schedule.name == SCHEDULE_COSINE || config->schedule.name == SCHEDULE_STEP;
    if (!falls || !evidence->over || config->train.max_steps <= 0 || steps < config->train.max_steps ||
        !(evidence->rate[last] >= kept * config->optim.lr) || config->schedule.warmup_epochs >= evidence->epoch[last] ||
        !doctor_misses(evidence))
        return false;
    double error;
    const double noise = noise_held_up(evidence, steps - tenth, steps, &error);
    const double loss = column_mean(evidence->loss, steps - tenth, steps), left = loss - loss_floor(evidence);
    if (!(noise > worth * left && noise > FAULT_SURE * error))
        return false;
    symptom->falls_short = evidence->epoch[last] / config->train.epochs;
    return show(
        symptom, last, noise / (worth * left),
        "schedule.name = %s was planned for train.epochs = %d, and train.max_steps ended the run in epoch "
        "%.0f, at %.0f %% of optim.lr: at that rate noise makes about %.0f %% of what is left of the loss (%.3g), "
        "which a rate that falls in the end takes away",
        config->schedule.name == SCHEDULE_COSINE ? "cosine" : "step", config->train.epochs, ceil(evidence->epoch[last]),
        100.0 * evidence->rate[last] / config->optim.lr, 100.0 * fmin(noise / left, 1.0), loss);
}
