/* budget: how much experiments need, and how that is asked for. Must not run them. */
#include "doctor.h"
#include "trial.h"

#include "log.h"
#include "text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

int budget_read(const char *text, struct budget *budget)
{
    char number[32];
    const size_t length = strlen(text);
    const char unit = length > 0 && strchr("%s", text[length - 1]) ? text[length - 1] : 0;
    double value;
    snprintf(number, sizeof number, "%.*s", (int)(length - (unit != 0)), text);
    if (!text_to_double(number, &value) || !(value > 0.0) || value > 1e9)
        return FAIL(ERR_USAGE,
                    "--budget %s: expected what experiments may take, above 0: a share of the run's updates as 5%% or "
                    "0.05, updates as 400, or seconds as 30s",
                    text);
    *budget = (struct budget){0};
    if (unit == 's')
        budget->seconds = value;
    else if (unit == '%' || value < 1.0)
        budget->share = unit ? value / 100.0 : value;
    else
        budget->updates = value;
    return OK;
}

void budget_say_ahead(int trials, double updates, double update_seconds, char text[static AHEAD_TEXT])
{
    const int used = snprintf(text, AHEAD_TEXT, "%d trials, about %.0f updates", trials, ceil(updates));
    const double seconds = updates * update_seconds;
    if (seconds >= 600.0)
        snprintf(text + used, (size_t)(AHEAD_TEXT - used), ", about %.0f min at the run's pace", ceil(seconds / 60.0));
    else if (seconds > 0.0)
        snprintf(text + used, (size_t)(AHEAD_TEXT - used), ", about %.0f s at the run's pace", ceil(seconds));
}

double doctor_settling(const struct config *config)
{
    return config_normalises(config) ? TRIAL_SETTLED / 3.0 / config->train.accumulate : 0.0;
}

/* What trials cost that are as short as can be: those that arms.c lists where the rules suspect nothing, each family
 * with its unchanged one; images that are left out may be found. */
static double shortest_trials(const struct config *config)
{
    const struct remedy_case asked = {.config = config, .missing = true, .levelled = true, .stands = true};
    bool family[ARM_FAMILIES] = {[ARM_ANEW] = true, [ARM_ONWARD] = true};
    int count = TRIALS_AHEAD, settled = TRIALS_FURTHER + 1;
    for (int cause = 0; cause < CAUSE_COUNT; cause++)
        for (int i = 0; i < TRIALS_MOST; i++) {
            const struct cause_trial *trial = &cause_table[cause].trials[i];
            if (!trial->name || (trial->remedy.fits && !trial->remedy.fits(&asked)))
                continue;
            family[trial->family] = true;
            count++;
            settled += trial->pace > 0 ? trial->pace : 1;
        }
    for (int i = 0; i < ARM_FAMILIES; i++) {
        count += family[i];
        settled += family[i];
    }
    return count * TRIAL_UPDATES_LEAST + settled * doctor_settling(config);
}

double doctor_budget(const struct config *config, int64_t steps)
{
    const double batch = (double)config->train.batch_size * config->train.accumulate;
    const double by_heart = MEMORY_USUAL * MEMORY_UPDATES * MEMORY_IMAGES / batch;
    return fmax(DOCTOR_SHARE * (double)steps, ceil(fmax(shortest_trials(config), by_heart) + by_heart));
}

double budget_updates(const struct budget *budget, const struct config *config, int64_t steps)
{
    const double least = doctor_budget(config, 0), share = budget->share * (double)steps;
    const bool enough = share >= shortest_trials(config);
    if (budget->seconds > 0.0)
        return INFINITY;
    if (budget->updates > 0.0)
        return budget->updates;
    if (!(budget->share > 0.0))
        return doctor_budget(config, steps);
    if (!enough)
        log_info("budget     %g %% of the run's %lld updates are %.0f, too few for trials: up to %.0f are made, the "
                 "least that makes trials; an exact limit is given in updates or seconds",
                 100.0 * budget->share, (long long)steps, floor(share), least);
    return enough ? share : least;
}
