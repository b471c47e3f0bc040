/* plan_params: what the update is told of the parameters, which lie in one flat array. Private to host/model. */
#ifndef PLAN_PARAMS_H
#define PLAN_PARAMS_H
#include "plan.h"

enum { PARAM_ALIGNMENT = 64 }; /* elements, of where a parameter begins: 256 bytes of fp32, 128 of bf16 */

/* Weight decay by stretches, and rows that are followed: fills plan->update's and both arrays on the device, which have
 * room for a segment for each value and for SKETCH_FOLLOWED rows. */
int plan_bind_params(struct plan *plan, struct decay_segment *segments, struct followed_row *followed);
#endif
