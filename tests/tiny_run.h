/* tiny_run: whole runs in this process on a few drawn tiles, and what they left behind, read from their directories as
 * a person would. TEST_DEVICE names the device, the CPU where it is unset. Every mistake fails the running test. */
#ifndef TINY_RUN_H
#define TINY_RUN_H
#include "file.h"
#include "tensors.h"
#include "trainer.h"

/* A fresh folder with a data set of 16x16 tiles and a config that all runs share; for cmocka's group setup and
 * teardown. */
extern char tiny_folder[PATH_BYTES - 256], tiny_data[PATH_BYTES], tiny_config[PATH_BYTES];
int tiny_set_up(void **state);
int tiny_tear_down(void **state);

/* Trains, or resumes a run, with overrides separated by blanks, on top of that config. The second fails the test where
 * training does. */
int tiny_train(const char *resume, const char *words, struct train_result *result);
void tiny_train_ok(const char *resume, const char *words, struct train_result *result);
/* Fails where a signal ended it. */
void tiny_assert_whole(const struct train_result *result);

/* This process, a child, may take so many bytes more than it has; it exits where that cannot be. */
void tiny_limit_memory(size_t room);

char *tiny_read_text(const char *run, const char *name); /* a file of the run; given back with memory_give */
void tiny_read_tensors(struct tensor_file *file, const char *run, const char *name); /* below checkpoints/ */
void tiny_assert_same_text(const char *run_a, const char *run_b, const char *name);
/* Largest difference of any number of two checkpoint files of the same tensors; 0 only where they are equal bit for
 * bit. */
double tiny_largest_difference(const char *run_a, const char *run_b, const char *name);
/* Weights, moments, best weights, statistics, steps.csv and samples.csv, bit for bit. */
void tiny_assert_same_run(const char *run_a, const char *run_b);

/* Column of a row (from 1) of a table of the run, NaN where it is empty; of results.csv. */
double tiny_cell_at(const char *run, const char *table, int row, const char *column);
double tiny_result_at(const char *run, int row, const char *column);
int tiny_result_rows(const char *run);
bool tiny_has_file(const char *run, const char *name);
#endif
