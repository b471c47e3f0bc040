/* weight_file: one safetensors file of a checkpoint: which tensors belong in it, and their way to and from a plan.
 * Private to host/train. */
#ifndef WEIGHT_FILE_H
#define WEIGHT_FILE_H
#include "plan.h"
#include "tensors.h"

enum weight_file { WEIGHT_MODEL, WEIGHT_EMA, WEIGHT_OPTIM, WEIGHT_FILES };
/* Also of stats_file.h, the one after them. */
enum { STATS_FILE = WEIGHT_FILES, CHECKPOINT_FILES };
extern const char *const weight_file_names[CHECKPOINT_FILES];

/* Whether a checkpoint of this plan has the file. */
bool weight_file_expected(const struct plan *plan, enum weight_file kind);

/* What a file has of a weight: type, shape and bytes; neither name nor data. */
void weight_file_shape(struct tensor *tensor, const struct value *value);
/* "[64,3,7,7]" */
void weight_file_dims(char text[static 64], const struct tensor *tensor);

int weight_file_write(enum weight_file kind, const char *path, struct plan *plan, int64_t batches_tracked,
                      const char *const *metadata, struct file_sum *sum);

/* Every tensor of kind is in the file with the plan's shape, and no other. path is for errors. */
int weight_file_check(enum weight_file kind, const struct plan *plan, const struct tensor_file *file, const char *path);

/* Hands the tensors of a checked file to the plan; kind may be WEIGHT_MODEL for an EMA's file. batches_tracked (may be
 * NULL) is left alone where the file has none. */
int weight_file_load(enum weight_file kind, struct plan *plan, const struct tensor_file *file,
                     int64_t *batches_tracked);
#endif
