/* plan_fit: the slabs of a plan. Private to host/model. */
#ifndef PLAN_FIT_H
#define PLAN_FIT_H
#include "plan.h"

/* Fills plan->slabs[].bytes. */
void plan_size_slabs(struct plan *plan, size_t activation_bytes, size_t scratch_bytes, size_t batch_bytes);
/* And the ring of records, for training. */
int plan_take_slabs(struct plan *plan);
/* ERR_MEMORY, for a plan that would take so many bytes, which are not there. */
int plan_refuse(const struct plan *plan, size_t bytes);
#endif
