/* machine: whether this CPU has the instructions that the kernels were compiled for, how threads wait on it, and what
 * memory is left.
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

/* Bytes that this process may still take: what the machine has available, or what is left of the limits of its control
 * groups (of either version, at every level; cached files count as free) or of its own. */
int64_t machine_memory(void);

/* The same without the process's own limit, read from proc/ and sys/ in that folder; INT64_MAX: nothing is known. */
int64_t machine_memory_below(const char *root);

/* To be called first in main. Threads that wait for each other spin for some ten microseconds and then sleep, instead
 * of spinning for milliseconds on a CPU that another process has taken. GNU OpenMP reads the setting (GOMP_SPINCOUNT)
 * before main, so the program is started once more with it; not where it or OMP_WAIT_POLICY is set already. */
void machine_limit_spinning(char **argv);
#endif
