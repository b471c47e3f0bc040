/* checkpoint: weights and state on disk, complete or absent.
 * Level 4: includes plan, tensors. */
#ifndef CHECKPOINT_H
#define CHECKPOINT_H
#include "plan.h"
#include "tensors.h"

/* folder/{model.safetensors, optim.safetensors, state.json}: written under a temporary name, synced, renamed.
 * state_json is one JSON object text (state.h); checksums (CRC-32) and sizes of the other files are added by checkpoint_save and
 * verified by checkpoint_load. */
int checkpoint_save(const char *folder, struct plan *plan, int64_t batches_tracked, const char *const *metadata,
                    const char *state_json);
/* Loads weights, moments, EMA; *state_json (arena) gets the text. with_optimizer false: weights only. */
int checkpoint_load(const char *folder, struct plan *plan, bool with_optimizer, struct arena *arena, char **state_json,
                    int64_t *batches_tracked);
#endif
