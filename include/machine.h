/* machine: whether this CPU has the instructions that the kernels were compiled for, and how threads wait on it.
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

/* To be called first in main. Threads that wait for each other spin for some ten microseconds and then sleep, instead
 * of spinning for milliseconds on a CPU that another process has taken. GNU OpenMP reads the setting (GOMP_SPINCOUNT)
 * before main, so the program is started once more with it; not where it or OMP_WAIT_POLICY is set already. */
void machine_limit_spinning(char **argv);
#endif
