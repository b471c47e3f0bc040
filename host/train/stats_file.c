/* stats_file: see stats_file.h. Owns the names of the tensors; must not know what the statistics mean.
 *
 * sketch.<backend>  F32 [n]           update_args.sketches (include/backend.h), in its layout
 * samples           U8 [samples, 24]  struct sample_stats (include/backend.h) by sample number, little endian */
#include "stats_file.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { STATS_TENSORS = 2 };

/* What a plan's statistics lie in. Returns how many. */
static int list_tensors(const struct plan *plan, struct tensor tensors[static STATS_TENSORS],
                        enum slab_kind slabs[static STATS_TENSORS], char name[static 64])
{
    const struct slab *sketch = &plan->slabs[SLAB_SKETCH], *samples = &plan->slabs[SLAB_SAMPLES];
    int count = 0;
    snprintf(name, 64, "sketch.%s", plan->backend->name);
    if (sketch->bytes > 0) {
        slabs[count] = SLAB_SKETCH;
        tensors[count++] = (struct tensor){.name = name,
                                           .type = TENSOR_F32,
                                           .rank = 1,
                                           .dims = {(int64_t)(sketch->bytes / sizeof(float))},
                                           .bytes = sketch->bytes};
    }
    if (samples->bytes > 0) {
        slabs[count] = SLAB_SAMPLES;
        tensors[count++] = (struct tensor){.name = "samples",
                                           .type = TENSOR_U8,
                                           .rank = 2,
                                           .dims = {plan->options.samples, sizeof(struct sample_stats)},
                                           .bytes = samples->bytes};
    }
    return count;
}

int stats_file_write(const char *path, struct plan *plan, struct file_sum *sum)
{
    struct tensor tensors[STATS_TENSORS];
    enum slab_kind slabs[STATS_TENSORS];
    char name[64];
    struct arena arena = {0};
    const int count = list_tensors(plan, tensors, slabs, name);
    int status = OK;
    for (int i = 0; i < count && status >= 0; i++) {
        void *memory = arena_push(&arena, tensors[i].bytes);
        tensors[i].data = memory;
        status = plan_read_slab(plan, slabs[i], memory);
    }
    if (status >= 0)
        status = tensors_write(path, tensors, count, NULL, sum);
    arena_free(&arena);
    return status;
}

int stats_file_load(struct plan *plan, const struct tensor_file *file)
{
    struct tensor tensors[STATS_TENSORS];
    enum slab_kind slabs[STATS_TENSORS];
    char name[64];
    const int count = list_tensors(plan, tensors, slabs, name);
    int status = OK;
    for (int i = 0; i < count && status >= 0; i++) {
        struct arena arena = {0};
        const struct tensor *found = file ? tensors_find(file, tensors[i].name) : NULL;
        void *memory = arena_push(&arena, tensors[i].bytes);
        if (found && found->type == tensors[i].type && found->bytes == tensors[i].bytes)
            memcpy(memory, found->data, found->bytes);
        else if (tensors[i].type == TENSOR_F32)
            for (size_t k = 0; k < tensors[i].bytes / sizeof(float); k++)
                ((float *)memory)[k] = NAN; /* unknown, so what is made of it is missing; of samples nothing was seen */
        status = plan_write_slab(plan, slabs[i], memory);
        arena_free(&arena);
    }
    return status;
}
