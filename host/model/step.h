/* step: parts of a step that other passes over a batch share. Private to host/model. */
#ifndef STEP_H
#define STEP_H
#include "plan.h"

/* begins: a step does. What the device keeps from step to step is not sent. */
int plan_send_control(struct plan *plan, const struct step_control *control, bool begins);
/* One node forward, in training, with what it makes in its own place. */
int plan_forward_apart(struct plan *plan, int node);
int plan_gather_batch(struct plan *plan, bool training);
#endif
