/* machine: whether this CPU has the instructions that the kernels were compiled for.
 * Level 1: includes base. */
#ifndef MACHINE_H
#define MACHINE_H
#include "base.h"

/* ERR_UNSUPPORTED, naming what is missing, where a kernel would end in an illegal instruction. To be called before the
 * first kernel. */
int machine_check(void);

/* The same for a given list: compiler macros as "__AVX2__ __FMA__ ", as the build found them. Names it does not know
 * are left out of account. */
int machine_check_features(const char *features);
#endif
