/* tile_series: the steps of a short training on drawn tiles, as a table. */
#ifndef TILE_SERIES_H
#define TILE_SERIES_H
#include "table.h"
#include "trainer.h"

/* An mlp with 32 hidden units on the class folders tiles, without measurements of the noise scale, but for what words,
 * separated by blanks, say otherwise. The run lands in folder. steps: its steps.csv, to be freed. Fails as train_run
 * does. */
int tile_series_train(const char *tiles, const char *folder, const char *words, struct train_result *result,
                      struct table *steps);
#endif
