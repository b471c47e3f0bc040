/* run_records: rows and events of a run's logs. Private to host/observe. */
#ifndef RUN_RECORDS_H
#define RUN_RECORDS_H
#include "run.h"

/* The first lines of steps.csv and results.csv, where these are empty. */
int run_records_write_heads(struct run *run);
#endif
