/* stats_file: the safetensors file of a checkpoint that keeps what statistics carry from step to step. Without it a run
 * goes on all the same; the first statistics after it are then missing. Private to host/train. */
#ifndef STATS_FILE_H
#define STATS_FILE_H
#include "plan.h"
#include "tensors.h"

int stats_file_write(const char *path, struct plan *plan, struct file_sum *sum);
/* file NULL, or without a tensor of the plan's own size: that statistic begins anew. */
int stats_file_load(struct plan *plan, const struct tensor_file *file);
#endif
