/* early_stop: counts epochs without improvement. See include/schedule.h.
 * Pure arithmetic; must not know what stopping means. */
#include "schedule.h"

#include <math.h>

void early_stop_begin(struct early_stop *stop, const struct early_stop_rule *rule)
{
    *stop = (struct early_stop){.best = rule->maximize ? -INFINITY : INFINITY, .best_epoch = -1};
}

void early_stop_rule_from(struct early_stop_rule *rule, const struct config *config)
{
    *rule = (struct early_stop_rule){
        .maximize = monitor_maximize(config->early_stop.monitor, config->early_stop.mode),
        .min_delta = config->early_stop.min_delta,
        .patience = config->early_stop.patience,
    };
}

bool early_stop_step(struct early_stop *stop, const struct early_stop_rule *rule, int64_t epoch, double metric)
{
    bool better = rule->maximize ? metric - rule->min_delta > stop->best : metric + rule->min_delta < stop->best;
    if (stop->best_epoch < 0)
        better = !isnan(metric);
    if (!better) {
        stop->wait++;
        return false;
    }
    stop->best = metric;
    stop->best_epoch = epoch;
    stop->wait = 0;
    return true;
}

bool early_stop_due(const struct early_stop *stop, const struct early_stop_rule *rule)
{
    return rule->patience > 0 && stop->wait >= rule->patience;
}
