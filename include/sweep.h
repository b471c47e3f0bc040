/* sweep: many runs of one config. A folder with a plan (one line a run), a copy of the config, an ordinary run
 * directory for each line, and the table over seeds. Level 8: includes measure.
 *
 * - sweep.ini: the config file as it was when the sweep was begun
 * - sweep.plan: written once, last; see sweep_write
 * - NAME/, NAME.log: a run, and what its process said
 * - sweep.csv, sweep.json: the table
 *
 * Nothing is stored of how far a sweep has come: that is read from the run directories. So it can be killed at any
 * moment, and several processes, also on several machines, may do the runs of one plan. */
#ifndef SWEEP_H
#define SWEEP_H
#include "measure.h"

enum { SWEEP_RUNS = 10000 }; /* at most, in one plan */

/* "train.batch_size" = "64". A key without a dot is a label for the table, no setting: "lr_rule" = "linear". */
struct sweep_setting {
    const char *key, *value;
};
struct sweep_run {
    const char *name;                     /* its folder in the sweep's, unique */
    const struct sweep_setting *settings; /* in the order of the command line, the seed last */
    int setting_count;
    int point; /* runs of one point differ in their seed only; points count from 0 in order of the plan */
};
struct sweep {
    char path[PATH_BYTES];
    const char *const *every; /* "key=value" for all runs */
    int every_count;
    const struct sweep_run *runs;
    int run_count, point_count;
    struct arena arena;
};

/* ---- the plan ---- */

struct sweep_request {
    const char *file;         /* config */
    const char *const *words; /* "key=value" for every run, "key=value,value…" to be swept; commas in [] do not count */
    int word_count;
    int seeds;            /* train.seed, +1, +2 … of each combination */
    const char *lr_rules; /* "constant,linear,sqrt": of the images a step takes; NULL: optim.lr as it is */
    int base_batch;       /* for which optim.lr holds; 0: what the config's step takes */
    const char *out;      /* folder; NULL: <run.dir>/<config's name>-sweep */
};
/* The plan of a request: every combination of the swept values (the last key changes fastest), all of them with the
 * first seed, then with the next. A function of the request and the file alone. Every run's config has been loaded
 * once: ERR_CONFIG has printed the first that is wrong. */
int sweep_make(struct sweep *sweep, const struct sweep_request *request);
/* Whether every run could begin with the images there are on this machine, and where device is said on its device:
 * looks at each point, reads no image, makes nothing. Mistakes of the first that could not have been printed, as before
 * a training. */
int sweep_look(const struct sweep *sweep, const char *file, bool device);
/* Makes the folder; where the same sweep is there already it is left as it is. ERR_CREATE: another one is. */
int sweep_write(const struct sweep *sweep, const struct sweep_request *request);
/* ERR_NO_INPUT: no sweep. ERR_DATA: a line that is none. */
int sweep_read(struct sweep *sweep, const char *path);
/* The text of a plan; name is the file's, for errors. Without a path. */
int sweep_parse(struct sweep *sweep, const char *name, const char *text);
void sweep_free(struct sweep *sweep); /* accepts a zeroed struct */
bool sweep_is(const char *path);      /* whether the folder is a sweep */

int sweep_file(const struct sweep *sweep, const char *name, char path[static PATH_BYTES]);
/* The config of a run; free it with config_free. */
int sweep_load_config(const struct sweep *sweep, const struct sweep_run *run, struct config *config, FILE *errors);
/* "batch_size=64 lr_rule=linear seed=1": what sets it apart. */
void sweep_run_label(const struct sweep_run *run, char *text, size_t bytes);
/* The value of a setting or label, or NULL. */
const char *sweep_value(const struct sweep_run *run, const char *key);

/* ---- the runs ---- */

enum sweep_state {
    SWEEP_WAITING, /* not begun */
    SWEEP_BEGUN,   /* interrupted, or failed for a reason that is not of its own making: to be resumed */
    SWEEP_GOING,   /* another process is at it */
    SWEEP_DONE,
    SWEEP_DIVERGED, /* a result */
    SWEEP_NO_MEMORY /* a result */
};
struct sweep_outcome {
    enum sweep_state state;
    char reason[512]; /* of the last two */
};
int sweep_outcome(const struct sweep *sweep, int run, struct sweep_outcome *outcome);
/* In few words: "val loss 0.4312, accuracy 84.20 %", "diverged at step 312", "out of memory". */
void sweep_outcome_text(const struct sweep *sweep, int run, const struct sweep_outcome *outcome, char *text,
                        size_t bytes);

/* Does one run of the plan in this process, from where it stands, while holding its lock. Nothing is done where it is
 * done or another process is at it (state says so then). stopped_by: the signal that ended it early, or 0. A failure is
 * one that is not the run's own result. */
int sweep_do(const struct sweep *sweep, int run, struct sweep_outcome *outcome, int *stopped_by);

/* Does what is left of the plan, up to so many runs at a time, each in a process of its own with its share of the CPUs.
 * A signal is passed on and all are waited for (they save). The first failure stops the others likewise.
 * stopped_by: the signal, or 0. */
int sweep_do_all(const struct sweep *sweep, int jobs, int *stopped_by);

/* ---- on a cluster ---- */

/* Whether there are templates of job scripts: ERR_NO_INPUT says where they were looked for. */
int sweep_slurm_look(void);
/* Job scripts from the templates that came with the program, in the sweep's folder: array.sbatch, report.sbatch,
 * submit.sh. limit: tasks at a time, 0: any number. */
int sweep_slurm_write(const struct sweep *sweep, int limit);
/* Runs submit.sh. ERR_DEVICE: the jobs were not accepted. */
int sweep_slurm_submit(const struct sweep *sweep);
#endif
