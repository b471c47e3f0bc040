/* rules_average: averaged weights (optim.ema_decay), which validation sees in the place of the trained ones. Pure
 * functions over the evidence. */
#include "rules.h"

#include <math.h>

/* Of the average after so many updates this is still the weights as they were drawn: each update leaves optim.ema_decay
 * of what was there. With warm-up the first update leaves nothing. */
static double share_as_drawn(const struct config *config, int64_t updates)
{
    return config->optim.ema_decay == 0.0 || config->optim.ema_warmup ? 0.0
                                                                      : pow(config->optim.ema_decay, (double)updates);
}

/* More than this is another network than the one that is trained. */
static const double caught_up = 0.05;

bool average_has_caught_up(const struct evidence *evidence, int64_t updates)
{
    return share_as_drawn(evidence->config, updates) <= caught_up;
}

/* An average that will not have caught up at the end of the run, and validation far behind for it. */
bool rule_not_caught_up(const struct evidence *evidence, struct symptom *symptom)
{
    const int64_t epoch = evidence->epochs - 1, steps = evidence->steps, planned = evidence->planned_steps;
    const int64_t end = evidence->over || steps > planned ? steps : planned;
    struct moment now;
    if (average_has_caught_up(evidence, end) || epoch < 0 || !moment_of_any_weights(evidence, epoch, &now) ||
        !moment_has_learned(evidence, &now) || !moment_behind(evidence, &now))
        return false;
    const double decay = evidence->config->optim.ema_decay, share = share_as_drawn(evidence->config, end);
    return show(symptom, now.step, share / caught_up,
                "optim.ema_decay = %g averages over %.0f updates, and the run has %lld: in the end %.0f %% of the "
                "weights that validation sees are still the first ones, before any training; %.1f %% of the training "
                "images are right and %.1f %% of validation's, which says nothing of the images",
                decay, 1.0 / (1.0 - decay), (long long)end, 100.0 * share, 100.0 * now.train_accuracy,
                100.0 * now.val_accuracy);
}
