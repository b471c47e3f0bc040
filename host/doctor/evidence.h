/* evidence: the evidence of a run directory. Private to host/doctor. */
#ifndef EVIDENCE_H
#define EVIDENCE_H
#include "doctor.h"
#include "table.h"

struct evidence_files {
    struct table steps, results;
    struct evidence evidence; /* points into the tables */
};

/* Reads steps.csv, results.csv and the data event of log.jsonl, also of a run that is going on. config: the run's, kept
 * by the caller. ERR_NO_INPUT, ERR_DATA. evidence_close accepts a zeroed struct. */
int evidence_open(struct evidence_files *files, const char *run, const struct config *config);
void evidence_close(struct evidence_files *files);
#endif
