/* rules_fit: training images that are right while the network trains and wrong when they are asked as validation is:
 * in evaluation, where a normalisation answers with running means, by the weights of one moment. Pure functions over
 * the evidence. */
#include "rules.h"

#include <math.h>

static double share_error(double share, double images)
{
    return sqrt(share * (1.0 - share) / images);
}

/* The end of the last epoch, where the fit is of the weights that validation saw there. */
bool fit_asked(const struct evidence *evidence, struct moment *now)
{
    const struct fit_evidence *fit = &evidence->fit;
    return fit->images > 0 && evidence->epochs > 0 && moment_at(evidence, evidence->epochs - 1, now) &&
           fit->step == now->step;
}

/* Standard error of what is lost: the two are taken as two samples. */
static double lost_error(const struct evidence *evidence, const struct moment *now)
{
    return hypot(share_error(now->train_accuracy, now->images),
                 share_error(evidence->fit.accuracy, (double)evidence->fit.images));
}

/* Learnt by heart are images that are right in evaluation too: the lead of training, of which half is nearer to all of
 * it or to nothing. With train.balance training is scored with the classes' shares added and evaluation without, so
 * that its lead says nothing until its images have been asked. */
bool fit_falls_short(const struct evidence *evidence)
{
    const double half = 0.5;
    struct moment now;
    if (!fit_asked(evidence, &now))
        return evidence->config->train.balance;
    const double lead = now.train_accuracy - now.val_accuracy, lost = now.train_accuracy - evidence->fit.accuracy;
    return lead > 0.0 && lost > half * lead && lost > FAULT_SURE * lost_error(evidence, &now);
}

/* An augmentation that no training image escapes, so that none is as evaluation shows it; NULL: there is none. */
static const char *changes_every_image(const struct config *config)
{
    return config->augment.grayscale >= 1.0 ? "augment.grayscale"
           : config->augment.erase >= 1.0   ? "augment.erase"
           : config->augment.hflip >= 1.0   ? "augment.hflip"
           : config->augment.vflip >= 1.0   ? "augment.vflip"
                                            : NULL;
}

static const char *why(const struct config *config)
{
    if (config_normalises(config))
        return "the running means of its normalisation do not fit weights that still move";
    return config->augment.crop_area_count > 0 ? "training shows other crops than evaluation"
                                               : "weights that still move are worse at one moment than they learn";
}

bool rule_evaluated_otherwise(const struct evidence *evidence, struct symptom *symptom)
{
    const struct config *config = evidence->config;
    struct moment now;
    if (config->train.balance || !fit_falls_short(evidence) || !fit_asked(evidence, &now) ||
        !moment_appears_behind(evidence, &now))
        return false;
    const double lost = now.train_accuracy - evidence->fit.accuracy, error = lost_error(evidence, &now);
    const char *changed = changes_every_image(config);
    symptom->note = true;
    if (changed)
        return show(symptom, now.step, lost / (FAULT_SURE * error),
                    "%.1f %% of training's images are right while it trains, and in evaluation %.1f %% (%.1f +- %.1f "
                    "points less), as of validation's %.1f %%: not overfitting; %s = 1 changes every training image, "
                    "so that the network has seen none as evaluation shows them: a value below 1 mends it",
                    100.0 * now.train_accuracy, 100.0 * evidence->fit.accuracy, 100.0 * lost, 100.0 * error,
                    100.0 * now.val_accuracy, changed);
    return show(
        symptom, now.step, lost / (FAULT_SURE * error),
        "%.1f %% of training's images are right while it trains, and in evaluation %.1f %% (%.1f +- %.1f points "
        "less), as of validation's %.1f %%: not overfitting; %s: %s%s, averaged weights (optim.ema_decay)%s may "
        "mend it",
        100.0 * now.train_accuracy, 100.0 * evidence->fit.accuracy, 100.0 * lost, 100.0 * error,
        100.0 * now.val_accuracy, why(config),
        config->schedule.name == SCHEDULE_COSINE ? "a lower rate" : "a falling rate (schedule.name = cosine)",
        config_normalises(config) ? ", a larger batch" : "",
        config->augment.normalize == NORMALIZE_NONE ? ", normalised input (augment.normalize)" : "");
}
