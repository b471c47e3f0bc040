/* cpu: what the files of the CPU backend share: the device, and the fixed division of long arrays that makes
 * every sum independent of the number of threads. Private to kernels/cpu/. */
#ifndef CPU_H
#define CPU_H
#include "backend.h"

/* A long array is always cut into the same chunks; each chunk's sums are added up in order afterwards. */
enum { CHUNK_COUNT = 512, CHUNK_LEAST = 4096, CHUNK_STEP = SKETCH_STRETCH };

struct chunk_sums {
    double sum[8];
    int64_t nonfinite;
};

struct device {
    int threads;
    const struct tile_set *set;           /* whose kernels compute products (tile.h) */
    const struct vector_kernel *vector;   /* and loops over tensors (vector.h) */
    struct chunk_sums chunk[CHUNK_COUNT]; /* of the reduction in progress */
};

/* Elements per chunk: a multiple of CHUNK_STEP, a function of count alone. */
static inline int64_t chunk_length(int64_t count)
{
    int64_t length = (count + CHUNK_COUNT - 1) / CHUNK_COUNT;
    if (length < CHUNK_LEAST)
        length = CHUNK_LEAST;
    return (length + CHUNK_STEP - 1) / CHUNK_STEP * CHUNK_STEP;
}

static inline int chunk_count(int64_t count)
{
    return (int)((count + chunk_length(count) - 1) / chunk_length(count));
}

/* The first element of a chunk; that of the chunk after the last is count. */
static inline int64_t chunk_begin(int64_t count, int chunk)
{
    int64_t begin = chunk * chunk_length(count);
    return begin < count ? begin : count;
}

/* Where a thread's share of `count` parts begins; that of the thread after the last is count. */
static inline int own_begin(int count, int thread, int threads)
{
    return (int)((int64_t)count * thread / threads);
}

/* Hands out 0, 1, 2, ... to threads as they come: a loop with dynamic schedule, for which OpenMP's runtime may
 * allocate. */
static inline int next_task(int *next)
{
    return __atomic_fetch_add(next, 1, __ATOMIC_RELAXED);
}

/* The sum of the chunks in order. */
struct chunk_sums chunk_total(const struct device *device, int chunks);

extern const struct op_impl cpu_conv2d, cpu_linear, cpu_norm, cpu_relu, cpu_pool, cpu_add, cpu_dropout;

int cpu_feed_open(struct device *device, struct feed *feed, int slots, size_t slot_bytes);
void cpu_feed_close(struct device *device, struct feed *feed);
int cpu_feed_ready(struct device *device, struct feed *feed, int slot);
int cpu_gather(struct device *device, const struct gather_args *args);
int cpu_loss(struct device *device, const struct loss_args *args);
int cpu_grad_norm(struct device *device, const struct update_args *args);
int cpu_part_norm(struct device *device, const struct update_args *args, const float *grad, bool first);
int cpu_survey(struct device *device, const struct survey_args *args);
int cpu_update(struct device *device, const struct update_args *args);
int cpu_copy(struct device *device, void *to, const void *from, size_t bytes);
int cpu_accumulate(struct device *device, void *to, const void *from, int64_t count, enum dtype dtype, bool first);
int cpu_lower(struct device *device, void *low, enum dtype dtype, const float *param, int64_t count);
int cpu_blend(struct device *device, float *to, const float *from, int64_t count, const struct step_control *control);
int cpu_swap(struct device *device, float *a, float *b, int64_t count);
int cpu_record(struct device *device, struct step_record *ring, int slots, const struct loss_sums *sums,
               const struct update_args *args);
double cpu_peak(struct device *device, enum dtype dtype);
int cpu_count_nonfinite(struct device *device, const void *memory, enum dtype dtype, int64_t count, int64_t *found);
#endif
