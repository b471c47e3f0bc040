/* stats_file: see stats_file.h. Owns the names of the tensors; must not know what the statistics mean.
 *
 * sketch.<backend>  F32 [n]           update_args.sketches (include/backend.h), in its layout
 * samples           U8 [samples, 24]  struct sample_stats (include/backend.h) by sample number, little endian
 * validation        U8 [images, 24]   the same of validation's images, in their part's order, of all evaluations */
#include "stats_file.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { STATS_TENSORS = 3 };

/* A statistic, and what it lies in. */
struct kept {
    struct tensor tensor;
    enum slab_kind slab;
    void *host; /* not in a slab, but here */
};

/* What a plan keeps. Returns how many. */
static int list_kept(const struct plan *plan, struct kept kept[static STATS_TENSORS], char name[static 64])
{
    const struct slab *sketch = &plan->slabs[SLAB_SKETCH], *samples = &plan->slabs[SLAB_SAMPLES];
    const int64_t entry = sizeof(struct sample_stats);
    int count = 0;
    snprintf(name, 64, "sketch.%s", plan->backend->name);
    if (sketch->bytes > 0)
        kept[count++] = (struct kept){
            {name, TENSOR_F32, 1, {(int64_t)(sketch->bytes / sizeof(float))}, NULL, sketch->bytes}, SLAB_SKETCH, NULL};
    if (samples->bytes > 0)
        kept[count++] = (struct kept){
            {"samples", TENSOR_U8, 2, {plan->options.samples, entry}, NULL, samples->bytes}, SLAB_SAMPLES, NULL};
    if (plan->val_images > 0)
        kept[count++] = (struct kept){
            {"validation", TENSOR_U8, 2, {plan->val_images, entry}, NULL, (size_t)(plan->val_images * entry)},
            SLAB_COUNT,
            plan->val_seen};
    return count;
}

int stats_file_write(const char *path, struct plan *plan, struct file_sum *sum)
{
    struct kept kept[STATS_TENSORS];
    struct tensor tensors[STATS_TENSORS];
    char name[64];
    struct arena arena = {0};
    const int count = list_kept(plan, kept, name);
    int status = OK;
    for (int i = 0; i < count && status >= 0; i++) {
        void *memory = kept[i].host ? kept[i].host : arena_push(&arena, kept[i].tensor.bytes);
        tensors[i] = kept[i].tensor;
        tensors[i].data = memory;
        if (!kept[i].host)
            status = plan_read_slab(plan, kept[i].slab, memory);
    }
    if (status >= 0)
        status = tensors_write(path, tensors, count, NULL, sum);
    arena_free(&arena);
    return status;
}

int stats_file_load(struct plan *plan, const struct tensor_file *file)
{
    struct kept kept[STATS_TENSORS];
    char name[64];
    const int count = list_kept(plan, kept, name);
    int status = OK;
    for (int i = 0; i < count && status >= 0; i++) {
        struct arena arena = {0};
        const struct tensor *wanted = &kept[i].tensor, *found = file ? tensors_find(file, wanted->name) : NULL;
        void *memory = kept[i].host ? kept[i].host : arena_push(&arena, wanted->bytes);
        if (found && found->type == wanted->type && found->bytes == wanted->bytes)
            memcpy(memory, found->data, found->bytes);
        else if (wanted->type == TENSOR_F32)
            for (size_t k = 0; k < wanted->bytes / sizeof(float); k++)
                ((float *)memory)[k] = NAN; /* unknown, so what is made of it is missing; of samples nothing was seen */
        else
            memset(memory, 0, wanted->bytes);
        if (!kept[i].host)
            status = plan_write_slab(plan, kept[i].slab, memory);
        arena_free(&arena);
    }
    return status;
}
