/* schedule: the learning rate of a step in closed form. See include/schedule.h.
 * Pure arithmetic on doubles; must not know of metrics. */
#include "schedule.h"

#include <assert.h>
#include <math.h>

static const double pi = 3.14159265358979323846;

/* Epochs since the first one that begins after warm-up. */
static int64_t epochs_after_warmup(const struct config *config, int64_t epoch)
{
    int64_t after = epoch - (int64_t)ceil(config->schedule.warmup_epochs);
    return after > 0 ? after : 0;
}

static double cosine_lr(const struct config *config, int64_t epoch)
{
    double low = config->schedule.min_lr;
    double length = config->train.epochs - ceil(config->schedule.warmup_epochs);
    double share = (double)epochs_after_warmup(config, epoch) / fmax(length, 1.0);
    return low + (config->optim.lr - low) * (1.0 + cos(pi * fmin(share, 1.0))) / 2.0;
}

static double step_lr(const struct config *config, int64_t epoch)
{
    int64_t drops = epochs_after_warmup(config, epoch) / config->schedule.step_epochs;
    return config->optim.lr * pow(config->schedule.gamma, (double)drops);
}

double schedule_lr(const struct config *config, double plateau_lr, int64_t epoch, int64_t step_in_epoch,
                   int64_t steps_per_epoch)
{
    assert(epoch >= 0 && step_in_epoch >= 0 && steps_per_epoch > 0);
    double lr = config->optim.lr;
    switch (config->schedule.name) {
    case SCHEDULE_CONSTANT: break;
    case SCHEDULE_STEP: lr = step_lr(config, epoch); break;
    case SCHEDULE_COSINE: lr = cosine_lr(config, epoch); break;
    case SCHEDULE_PLATEAU: lr = plateau_lr; break;
    }
    double warmup = round(config->schedule.warmup_epochs * (double)steps_per_epoch);
    double step = (double)(epoch * steps_per_epoch + step_in_epoch);
    if (step >= warmup)
        return lr;
    double start = config->schedule.warmup_start;
    return lr * (start + (1.0 - start) * step / warmup);
}

bool monitor_maximize(enum monitor_kind monitor, enum monitor_mode mode)
{
    return mode == MODE_AUTO ? monitor == MONITOR_VAL_ACCURACY : mode == MODE_MAX;
}
