/* parallel: host work spread over threads (decoding images), not kernels.
 * Level 1. */
#ifndef PARALLEL_H
#define PARALLEL_H
#include "base.h"

/* Calls work(context, i) for every i in [0, count) from up to threads threads (0: cpu_count). The first failure by
 * lowest i wins, whatever the timing: its status is returned and its text becomes the caller's. After a failure
 * remaining higher indices may be left out. */
int parallel_for(int64_t count, int threads, int (*work)(void *context, int64_t i), void *context);
#endif
