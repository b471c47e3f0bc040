/* report: what is worth seeing of a run, as charts, and runs and sweeps as one page of HTML.
 * Level 10: includes diagnosis, sweep_table, chart. */
#ifndef REPORT_H
#define REPORT_H
#include "chart.h"
#include "diagnosis.h"
#include "stability.h"
#include "sweep_table.h"

/* ---- a run, read ---- */

/* Everything a report says of a run. What is missing in the directory (a run that goes on, or failed) is missing here:
 * tables without rows, `problem` with the reason where the doctor cannot judge. */
struct run_facts {
    char path[PATH_BYTES];
    const char *name; /* the directory's own name */
    struct config config;
    struct run_end end;
    struct table steps, results;
    struct stability stability;
    struct diagnosis diagnosis;
    const char *problem; /* why there is no diagnosis, or NULL */
    struct arena arena;
};
/* ERR_NO_INPUT: not a run. ERR_DATA: its tables are damaged. */
int run_facts_read(struct run_facts *facts, const char *run);
void run_facts_free(struct run_facts *facts); /* accepts a zeroed struct */

/* ---- charts of runs ---- */

/* Appends the charts of one run: loss, accuracy, rate, gradient, update, split, speed and so on, those that its records
 * allow. They point into facts, which must outlive them. */
void run_charts(struct charts *charts, const struct run_facts *facts);

/* ---- pages: HTML files that need nothing else ---- */

int report_write_run(const char *run, const char *path);
#endif
