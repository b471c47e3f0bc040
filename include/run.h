/* run: the run directory and what is written in it.
 * Level 5: includes config, backend. Knows files and columns, nothing of training.
 *
 * - config.resolved.ini: every key; loads to the same run
 * - env.json: program, compiler, machine, device and command line of the last start
 * - steps.csv: a row per step; nothing in it depends on the clock
 * - results.csv: a row per epoch, as ultralytics has it; `time` and `images_per_second` are the clock's
 * - layers.csv: every stats.layers_every steps, a row per layer
 * - log.jsonl: a JSON object per event
 * - stability.json: at the end, what the fluctuation of the loss was (stability.h)
 * - skipped.txt: "path: reason" of each image left out of the data; only where there are any
 * - events.out.tfevents.*: with stats.tensorboard (tensorboard.h); one for each start
 * - samples.csv: at the end, what was seen of each training image (samples.h)
 * - predictions.csv: of the best epoch so far, what the network made of each validation image (samples.h)
 * - predictions-last.csv: the same of the last epoch, where that is not the best
 * - checkpoints/
 * - DONE or FAILED: how the run ended; neither while it goes on or was interrupted
 *
 * In the files epochs count from 1, steps from 0. A statistic that was not computed is an empty cell or null; one that
 * came out as no number is "nan", "inf". */
#ifndef RUN_H
#define RUN_H
#include "config.h"
#include "file.h"
#include "fluctuation.h"

struct run {
    char path[PATH_BYTES]; /* "": not open */
    struct append_file steps, results, log;
    int steps_cells, results_cells; /* columns of the files: fewer where an older version began them */
    int lock;                       /* descriptor of the folder, locked: only one process writes in a run */
};

/* Whether a run could be made there, before the images are read; makes nothing. ERR_CREATE if not. */
int run_check_dir(const struct config *config);
/* Makes <run.dir>/<name>, or <name>-2, -3 … when taken (also by another process at this moment), with
 * config.resolved.ini, the heads of the logs and checkpoints/. On failure nothing is left. */
int run_create(struct run *run, const struct config *config);
/* Opens an existing run to continue: the logs are cut to the given lengths (from the checkpoint; 0: a new beginning).
 * ERR_NO_INPUT: not a run. ERR_CREATE: another process is writing in it. */
int run_reopen(struct run *run, const char *path, int64_t steps_bytes, int64_t results_bytes, int64_t log_bytes);
/* config.resolved.ini. */
int run_write_config(const struct run *run, const struct config *config);
void run_close(struct run *run); /* accepts a zeroed struct */
/* Before a checkpoint: what was logged is on disk; lengths for run_reopen. */
int run_sync(struct run *run, int64_t *steps_bytes, int64_t *results_bytes, int64_t *log_bytes);

/* At every start: env.json (version, compiler, machine, device line, command line, time; of later starts in its list
 * "resumed"), and the same as event "environment". */
int run_write_env(struct run *run, const char *device, int argc, char **argv);

/* skipped.txt: what was left out of training and validation images, one a line. None: the file is removed. */
int run_write_skipped(struct run *run, const char *const *lines, int64_t count, const char *const *more,
                      int64_t more_count);

/* A row of steps.csv. */
int run_log_step(struct run *run, const struct step_record *record, const struct loss_view *view);
struct epoch_record {
    int64_t epoch;  /* from 0 */
    int64_t step;   /* its last one, from 0 */
    double seconds; /* since the run began, resumed parts added */
    /* NaN: not computed */
    double train_loss, train_accuracy, val_loss, val_loss_error, val_accuracy, val_accuracy5;
    double lr, images_per_second;
    bool best, plateau_cut; /* lr was lowered after this epoch */
    int64_t bad_steps;
    double data_wait; /* seconds that training waited for images */
    int64_t skipped;  /* images left out of the data (data.on_error = skip) */
};
/* A row of results.csv, and the same as event "epoch". */
int run_log_epoch(struct run *run, const struct epoch_record *record);
/* One line of log.jsonl: {"ts":…,"event":event, <members>}; members is JSON text without braces, may be "". */
int run_log_event(struct run *run, const char *event, const char *members, ...) __attribute__((format(printf, 3, 4)));
/* A number for such members: 9 digits; NaN is null, infinities are text. Returns text. */
char *run_json_number(char text[static 32], double value);

/* stability.json, and the same as event "stability". json: one object (stability.h). */
int run_write_stability(struct run *run, const char *json);

/* DONE or FAILED with its text; the other is removed. Neither is there while a run is going or interrupted. */
int run_mark(struct run *run, const char *mark, const char *text);
int run_unmark(struct run *run);

/* How a run ended, for others than the trainer. */
enum run_end_kind { RUN_NONE, RUN_OPEN, RUN_DONE, RUN_FAILED }; /* no run there; going on or interrupted */
struct run_end {
    enum run_end_kind kind;
    char text[1024]; /* first line of DONE or FAILED */
    int exit_status; /* RUN_FAILED: what the process ended with; 1 is training's own failure */
};
void run_read_end(const char *path, struct run_end *end);
/* Calls take with each event of log.jsonl that is of one of these kinds (a list that ends in NULL), the oldest first.
 * A line that is no JSON is no event. ERR_NO_INPUT: there is no log. ERR_IO. */
struct json_t;
int run_read_events(const char *path, const char *const *kinds, void (*take)(const struct json_t *event, void *context),
                    void *context);
/* Training images that an epoch's batches are drawn from, as log.jsonl has them; 0: it does not say. */
double run_read_images(const char *path);
#endif
