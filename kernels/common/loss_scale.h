/* loss_scale: the factor by which the loss is multiplied in fp16, so that small gradients are not lost: a power of two,
 * exact to take back. Halved whenever a gradient overflows, doubled after a long time without (Micikevicius et al.
 * 2018; torch.amp.GradScaler). Compiled by the C compiler and by nvcc; knows nothing of gradients. */
#ifndef COMMON_LOSS_SCALE_H
#define COMMON_LOSS_SCALE_H
#include "backend.h"
#include "random.h"
#include <math.h>

/* GradScaler doubles after 2000 good steps too; it knows no bounds, which finite fp16 gradients all 0 would run past.
 */
enum { LOSS_SCALE_PATIENCE = 2000, LOSS_SCALE_MOST = 24 };

HOST_DEVICE float loss_scale(const struct step_control *control)
{
    return ldexpf(1.0f, control->kept.scale_exponent);
}

HOST_DEVICE float loss_unscale(const struct step_control *control)
{
    return ldexpf(1.0f, -control->kept.scale_exponent);
}

/* What the gradient in update_args is multiplied by to be the step's. */
HOST_DEVICE float gradient_scale(const struct update_args *args)
{
    return args->grad_scale * loss_unscale(args->control);
}

/* Ends a step. True: it was refused because the scale was too high and, as far as is known, for nothing else. Losses
 * that are not finite come from the forward pass, which the scale has no part in. */
HOST_DEVICE bool loss_scale_step(struct step_control *control, bool losses_finite)
{
    struct step_kept *kept = &control->kept;
    if (!control->bad) {
        if (++kept->scale_good < LOSS_SCALE_PATIENCE)
            return false;
        kept->scale_good = 0;
        kept->scale_exponent += kept->scale_exponent < LOSS_SCALE_MOST;
        return false;
    }
    kept->scale_good = 0;
    if (!losses_finite || kept->scale_exponent == 0)
        return false;
    kept->scale_exponent--;
    return true;
}
#endif
