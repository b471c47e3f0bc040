/* trial_parts: what the files of a trial share. Private to host/doctor. */
#ifndef TRIAL_PARTS_H
#define TRIAL_PARTS_H
#include "trial.h"

/* Writes the branch's state into a plan of the same network. Moments only where the optimizer keeps the same ones;
 * otherwise they stay as drawn weights leave them: zero. */
int branch_put(const struct branch *branch, struct plan *plan, enum optimizer_kind optimizer);
/* Images of one update. */
int64_t branch_step_images(const struct config *config);
#endif
