/* run: the run directory and what is written in it.
 * Level 5: includes config, backend. Knows files and columns, nothing of training. */
#ifndef RUN_H
#define RUN_H
#include "config.h"
#include "file.h"

struct run {
    char path[PATH_BYTES];
    struct append_file steps, results, log;
};

/* Makes <run.dir>/<name>, or <name>-2, -3 … when taken; writes config.resolved.ini and env.json. */
int run_create(struct run *run, const struct config *config);
/* Opens an existing run to continue: the logs are cut to the given lengths (from the checkpoint). ERR_NO_INPUT: not a
 * run. */
int run_reopen(struct run *run, const char *path, int64_t steps_bytes, int64_t results_bytes, int64_t log_bytes);
void run_close(struct run *run);

/* env.json: program version, compiler, machine, device line, command line, time. extra: members to add, as JSON text
 * without braces, may be "". */
int run_write_env(const struct run *run, const char *device, int argc, char **argv);

int run_log_step(struct run *run, const struct step_record *record);
struct epoch_record {
    int64_t epoch;  /* from 1 in the file */
    double seconds; /* since the run began, resumed parts added */
    double train_loss, train_accuracy, val_loss, val_accuracy, val_accuracy5;
    double lr, images_per_second;
    bool best, plateau_cut; /* lr was lowered after this epoch */
    int64_t bad_steps;
};
int run_log_epoch(struct run *run, const struct epoch_record *record);
/* One line of log.jsonl: {"ts":…,"event":event, <members>}; members is JSON text without braces. */
int run_log_event(struct run *run, const char *event, const char *members, ...) __attribute__((format(printf, 3, 4)));

/* DONE or FAILED with its text; the other is removed. Neither is there while a run is going or interrupted. */
int run_mark(struct run *run, const char *mark, const char *text);
int run_unmark(struct run *run);
#endif
