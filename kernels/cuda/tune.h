/* tune: choosing once, by time, among several ways to compute the same; and the file of earlier choices. Private to
 * kernels/cuda/; vendor-free. */
#ifndef CUDA_TUNE_H
#define CUDA_TUNE_H
#include "cuda.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- tune.c: memory of its own to run candidates on, taken while a plan is prepared and given back ---- */

enum { TUNE_ARRAYS = 20 };

struct tune_array {
    enum dtype dtype;
    size_t bytes;
};

struct tune {
    void *array[TUNE_ARRAYS]; /* filled with random numbers in [-1, 1) */
    void *workspace;
    void *flush; /* written over to empty the second-level cache, which is smaller */
    size_t flush_bytes;
    struct CUevent_st *before, *after;
    float least; /* ms of the fastest candidate so far */
};

/* arrays: those of 0 bytes are NULL. On failure *tune can still be closed. */
int tune_open(struct device *device, struct tune *tune, const struct tune_array *arrays, int count,
              size_t workspace_bytes);
void tune_close(struct tune *tune); /* accepts a zeroed struct */

/* Milliseconds of one run: the median of several groups of runs, each after the cache was emptied, after one run to
 * warm up. INFINITY for a candidate that does not run, or is so much slower than the fastest before that it was given
 * up. */
float tune_time(struct device *device, struct tune *tune,
                int (*run)(struct device *device, void *candidate, const struct tune *tune), void *candidate);

/* ---- tune_cache.c: choices made earlier ---- */

/* What cannot be read or written is chosen again next time, never an error; a first choice that cannot be kept, and
 * what is there and damaged, are named in a warning. key: all that the choice depends on, one line. */
struct tune_kept {
    char *choice; /* to free; NULL: nothing is kept for this key */
    float ms;
};
struct tune_kept tune_cache_read(const char *key);
void tune_cache_write(const char *key, const char *choice, float ms);
/* Says that what was read for this key is of no use. */
void tune_cache_refuse(const char *key, const char *reason);

#ifdef __cplusplus
}
#endif
#endif
