/* checkpoint: weights and state on disk, complete or absent.
 * Level 4: includes plan, tensors.
 *
 * A checkpoint is a folder:
 *   model.safetensors  parameters and running statistics under torchvision's names, as they are being trained
 *   ema.safetensors    the same names, averaged weights; only with an EMA. This is what validation measured.
 *   optim.safetensors  <parameter>.momentum_buffer (SGD) or .exp_avg and .exp_avg_sq (Adam)
 *   stats.safetensors  what statistics carry from step to step (host/train/stats_file.c); may be absent
 *   state.json         {"format", "state": {…}, "files": {<name>: {"bytes", "crc32"}}, "crc32" of all before} */
#ifndef CHECKPOINT_H
#define CHECKPOINT_H
#include "file.h"
#include "plan.h"
#include "tensors.h"

/* Writes <folder>.new, syncs, puts it in place of folder. At every moment folder or <folder>.old is complete; both are
 * looked at when loading. metadata: pairs for model and EMA, NULL-terminated (tensors_write). state_json: one JSON
 * object text (state.h). On failure the former checkpoint stays. */
int checkpoint_save(const char *folder, struct plan *plan, int64_t batches_tracked, const char *const *metadata,
                    const char *state_json);

/* Reads and verifies everything (checksums; every name, type and shape; nothing missing, nothing unknown) before the
 * first weight is changed. with_optimizer: model, EMA and moments, to go on training; else the weights to use, which
 * are the EMA's where there is one. *state_json (arena) gets the state's text, *batches_tracked batch norm's count;
 * arena and both may be NULL. ERR_NO_INPUT: no checkpoint there. ERR_DATA: damaged, or of another model. */
int checkpoint_load(const char *folder, struct plan *plan, bool with_optimizer, struct arena *arena, char **state_json,
                    int64_t *batches_tracked);

/* Where the checkpoint lies: folder, or <folder>.old after a crash between two renames. ERR_NO_INPUT: neither;
 * ERR_IO, ERR_DATA: that cannot be told, or there is something else. */
int checkpoint_find(char path[static PATH_BYTES], const char *folder);
#endif
