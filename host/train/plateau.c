/* plateau: torch.optim.lr_scheduler.ReduceLROnPlateau's rule for one rate. See include/schedule.h.
 * Pure arithmetic on doubles, in the order PyTorch computes, so that rates agree to the last bit. */
#include "schedule.h"

#include <math.h>

void plateau_begin(struct plateau *plateau, const struct plateau_rule *rule, double lr)
{
    *plateau = (struct plateau){.lr = lr, .best = rule->maximize ? -INFINITY : INFINITY};
}

void plateau_rule_from(struct plateau_rule *rule, const struct config *config)
{
    *rule = (struct plateau_rule){
        .maximize = monitor_maximize(config->schedule.monitor, config->schedule.mode),
        .absolute = config->schedule.threshold_mode == THRESHOLD_ABS,
        .factor = config->schedule.factor,
        .threshold = config->schedule.threshold,
        .min_lr = config->schedule.min_lr,
        .eps = config->schedule.eps,
        .patience = config->schedule.patience,
        .cooldown = config->schedule.cooldown,
    };
}

/* Relative thresholds of a negative best move towards worse values; PyTorch has it so. */
static bool improves(const struct plateau_rule *rule, double metric, double best)
{
    if (rule->maximize)
        return metric > (rule->absolute ? best + rule->threshold : best * (1.0 + rule->threshold));
    return metric < (rule->absolute ? best - rule->threshold : best * (1.0 - rule->threshold));
}

bool plateau_step(struct plateau *plateau, const struct plateau_rule *rule, double metric)
{
    if (improves(rule, metric, plateau->best)) {
        plateau->best = metric;
        plateau->bad_epochs = 0;
    } else {
        plateau->bad_epochs++;
    }
    if (plateau->cooldown_left > 0) {
        plateau->cooldown_left--;
        plateau->bad_epochs = 0;
    }
    if (plateau->bad_epochs <= rule->patience)
        return false;
    /* Cooldown begins even where the rate is at its floor. */
    plateau->cooldown_left = rule->cooldown;
    plateau->bad_epochs = 0;
    double lower = fmax(plateau->lr * rule->factor, rule->min_lr);
    if (!(plateau->lr - lower > rule->eps))
        return false;
    plateau->lr = lower;
    return true;
}
