/* suspects_parts: what the files of suspects share. Private to host/doctor. */
#ifndef SUSPECTS_PARTS_H
#define SUSPECTS_PARTS_H
#include "suspects.h"

/* Appends; evidence must live as long as suspects->arena. */
void suspects_add(struct suspects *suspects, const struct suspect *suspect);
/* Places of the values by falling value, of equal ones by place; in the arena. */
int32_t *suspects_ranked(const double *values, int64_t count, struct arena *arena);
#endif
