/* advice: settings that are allowed and still cannot do what they were probably set for. One row each. Must not know
 * how keys are read; contradictions that stop a run are in check.c. */
#include "config.h"

/* Early stopping ends at its patience-th bad epoch; the rate falls at the schedule's patience + 1-th, to be of use an
 * epoch before the end. */
static bool stops_before_the_rate_falls(const struct config *config)
{
    return config->schedule.name == SCHEDULE_PLATEAU && config->early_stop.patience > 0 &&
           config->early_stop.monitor == config->schedule.monitor &&
           config->early_stop.patience <= config->schedule.patience + 1;
}

static bool never_warm(const struct config *config)
{
    return config->schedule.warmup_epochs >= config->train.epochs;
}

static bool rate_never_steps(const struct config *config)
{
    return config->schedule.name == SCHEDULE_STEP && config->schedule.step_epochs >= config->train.epochs;
}

static const struct {
    bool (*applies)(const struct config *config);
    const char *text;
} advice[] = {
    {stops_before_the_rate_falls,
     "early stopping ends this run before the plateau schedule can lower the rate; raise early_stop.patience above "
     "schedule.patience + 1 to see whether a lower rate helps"},
    {never_warm, "the warm-up lasts as long as the whole run; lower schedule.warmup_epochs"},
    {rate_never_steps, "the run ends before the rate's first step; lower schedule.step_epochs"},
};

int config_advise(const struct config *config,
                  void (*say)(const char *format, ...) __attribute__((format(printf, 1, 2))))
{
    int count = 0;
    for (int i = 0; i < COUNT_OF(advice); i++)
        if (advice[i].applies(config)) {
            say("%s", advice[i].text);
            count++;
        }
    return count;
}
