/* tensorboard: what a run says of itself to TensorBoard: an event file in the run's folder, beside steps.csv, which has
 * more (stats.tensorboard). Names of the curves and what they are: docs/statistics.md.
 * Level 6: includes run. */
#ifndef TENSORBOARD_H
#define TENSORBOARD_H
#include "run.h"
#include "stability.h"

enum { TENSORBOARD_TAGS = 16, TENSORBOARD_SHARES_EVERY = 50, TENSORBOARD_ROWS = 1024, TENSORBOARD_FIGURES = 6 };

/* Zeroed: not wanted; the functions below then do nothing. */
struct tensorboard {
    struct append_file file; /* path "": none */
    const char *run;
    bool told[TENSORBOARD_TAGS]; /* curves whose description has been written */
    double images;               /* of an epoch */
    int64_t epoch_steps, rows;   /* rows so far; the arrays hold the last ones, row r at r % TENSORBOARD_ROWS */
    double kept[TENSORBOARD_FIGURES][TENSORBOARD_ROWS];
};

/* Begins a new file; earlier ones stay, and what they hold of the given step and later ones TensorBoard then leaves
 * out. The shares of the fluctuation go on from steps.csv. epoch_steps: of a whole epoch; images: that it is drawn
 * from. The run must stay. */
int tensorboard_open(struct tensorboard *board, const struct run *run, int64_t step, int64_t epoch_steps,
                     int64_t images);
/* Each is one record, written at once. Statistics that were not computed are left out. */
int tensorboard_step(struct tensorboard *board, const struct step_record *record, const struct loss_view *view);
int tensorboard_epoch(struct tensorboard *board, const struct epoch_record *record);
int tensorboard_sync(struct tensorboard *board); /* what was written is on disk */
void tensorboard_close(struct tensorboard *board);
#endif
