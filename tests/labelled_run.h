/* labelled_run: a drawn run that is over, with what it recorded of its images' labels. */
#ifndef LABELLED_RUN_H
#define LABELLED_RUN_H
#include "drawn_run.h"
#include "fixtures.h"
#include "samples.h"

/* Writes samples.csv of the images and predictions.csv as it is given, and has run.evidence read both. The folder is
 * the fixture's "run". */
void labelled_run(const struct dataset *data, const struct sample_stats *table, const char *predictions, size_t bytes);
#endif
