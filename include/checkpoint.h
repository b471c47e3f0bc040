/* checkpoint: weights and state on disk, complete or absent.
 * Level 4: includes plan. */
#ifndef CHECKPOINT_H
#define CHECKPOINT_H
#include "plan.h"

/* ---- safetensors files ---- */
struct tensor {
    const char *name;
    enum dtype dtype; /* DT_F32; 64-bit integers are marked by is_int64 */
    bool is_int64;
    int rank;
    int64_t dims[4];
    const void *data; /* inside the file's buffer, unaligned */
    size_t bytes;
};
struct tensor_file {
    struct arena arena;
    void *buffer;
    size_t bytes;
    struct tensor *tensors; /* in order of data */
    int count;
    const char **meta_keys, **meta_values;
    int meta_count;
};
/* Validates all of the format (header length, JSON, no duplicate names, contiguous offsets, sizes). Errors name the
 * file. */
int tensors_read(struct tensor_file *file, const char *path);
void tensors_free(struct tensor_file *file);
const struct tensor *tensors_find(const struct tensor_file *file, const char *name);
/* Header padded so that data starts at a multiple of 64; metadata pairs NULL-terminated: key, value, key, value, NULL.
 */
int tensors_write(const char *path, const struct tensor *tensors, int count, const char *const *metadata);

/* ---- checkpoints ---- */

/* All that a resumed run needs besides weights; written as state.json. */
struct train_state;

/* folder/{model.safetensors, optim.safetensors, state.json}: written under a temporary name, synced, renamed.
 * state_json is one JSON object text; checksums (CRC-32) and sizes of the other files are added by checkpoint_save and
 * verified by checkpoint_load. */
int checkpoint_save(const char *folder, struct plan *plan, int64_t batches_tracked, const char *const *metadata,
                    const char *state_json);
/* Loads weights, moments, EMA; *state_json (arena) gets the text. with_optimizer false: weights only. */
int checkpoint_load(const char *folder, struct plan *plan, bool with_optimizer, struct arena *arena, char **state_json,
                    int64_t *batches_tracked);
#endif
