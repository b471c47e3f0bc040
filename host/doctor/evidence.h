/* evidence: the evidence of a run directory. Private to host/doctor. */
#ifndef EVIDENCE_H
#define EVIDENCE_H
#include "doctor.h"
#include "table.h"

struct evidence_files {
    struct table steps, results;
    bool facts_read;          /* what log.jsonl says of the data */
    struct arena arena;       /* columns by step, where not every step has its row */
    struct evidence evidence; /* points into the tables, or there */
};

/* ---- evidence_steps.c: with stats.steps_every above 1 not every step has its row ---- */
/* Up to the last one that has. ERR_DATA: they do not go up. */
int by_step_count(const struct table *table, int64_t *steps);
/* A column by step, NaN where it has no row; lasts: there as in the next row. In the arena, unless every step has its
 * row. */
const double *by_step_column(struct table *table, const char *name, int64_t steps, bool lasts, struct arena *arena);

/* Reads steps.csv, results.csv, layers.csv and the data event of log.jsonl, also of a run that is going on. config: the
 * run's, kept by the caller. ERR_NO_INPUT, ERR_DATA. evidence_close accepts a zeroed struct. */
int evidence_open(struct evidence_files *files, const char *run, const struct config *config);
/* Reads what steps.csv and results.csv have got since evidence_open; what the run said of its data stays. */
int evidence_follow(struct evidence_files *files, const char *run);
/* Evidence alone, of tables that have been read already. */
int evidence_of(struct evidence *evidence, const char *run, const struct config *config, struct table *steps,
                struct table *results);
void evidence_close(struct evidence_files *files);
#endif
