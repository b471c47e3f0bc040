/* tensorboard: which curves a run has in TensorBoard. See include/tensorboard.h. Owns their names and descriptions;
 * must not know the format (event_file.c). */
#include "tensorboard.h"
#include "event_file.h"

#include <assert.h>
#include <math.h>

/* What stands before the slash groups curves. */
enum tag {
    LOSS,
    LOSS_SMOOTH,
    LOSS_SMOOTH_ERROR,
    SPIKE,
    GRAD_NORM,
    UPDATE_RATIO,
    RATE,
    SAMPLING,
    MOTION,
    TREND,
    EPOCH_LOSS,
    EPOCH_ACCURACY,
    VAL_LOSS,
    VAL_ACCURACY,
    VAL_ACCURACY5,
    SPEED,
    TAGS
};
#define OF_THE_LOSS "share of the loss's variance over 200 steps "
static const struct {
    const char *name, *description;
} tags[] = {
    [LOSS] = {"train/loss", "mean loss of a step's images"},
    [LOSS_SMOOTH] = {"train/loss_smooth", "mean of the last 64 losses"},
    [LOSS_SMOOTH_ERROR] = {"train/loss_smooth_error",
                           "standard error of the smoothed loss: what drawing images alone gives it"},
    [SPIKE] = {"train/spike_z", "how far the loss lies above the median of the 64 before it, in robust standard "
                                "deviations; above 6 it is a spike"},
    [GRAD_NORM] = {"optim/grad_norm", "norm of the gradient, before clipping"},
    [UPDATE_RATIO] = {"optim/update_ratio", "norm of what a step changes over norm of the weights"},
    [RATE] = {"optim/lr", "learning rate"},
    [SAMPLING] = {"fluctuation/sampling", OF_THE_LOSS "that is chance in drawing images"},
    [MOTION] = {"fluctuation/motion", OF_THE_LOSS "that the weights' movement adds beside a trend"},
    [TREND] = {"fluctuation/trend", OF_THE_LOSS "that a straight line explains"},
    [EPOCH_LOSS] = {"epoch/train_loss", "mean loss of the epoch's images, each as it was trained on"},
    [EPOCH_ACCURACY] = {"epoch/train_accuracy",
                        "share of the epoch's images that were right, each as it was trained on"},
    [VAL_LOSS] = {"epoch/val_loss", "mean loss of the validation images"},
    [VAL_ACCURACY] = {"epoch/val_accuracy", "share of the validation images that are right"},
    [VAL_ACCURACY5] = {"epoch/val_accuracy5",
                       "share of the validation images whose class is among the five most likely"},
    [SPEED] = {"epoch/images_per_second", "training alone, without the evaluation"},
};
static_assert((int)TAGS <= (int)TENSORBOARD_TAGS && COUNT_OF(tags) == (int)TAGS, "one row a curve");

/* A record being put together. */
struct values {
    struct event_scalar scalars[TAGS];
    int count;
};

static void put(struct values *values, const struct tensorboard *board, enum tag tag, double value)
{
    values->scalars[values->count++] =
        (struct event_scalar){tags[tag].name, value, board->told[tag] ? NULL : tags[tag].description};
}

static void put_known(struct values *values, const struct tensorboard *board, enum tag tag, double value)
{
    if (!isnan(value))
        put(values, board, tag, value);
}

static int explain(int status, const struct tensorboard *board)
{
    if (status >= 0)
        return status;
    return FAIL(status, "%s; make room, then go on from the last checkpoint: evenkeel train --resume %s", fail_text(),
                board->run);
}

static int write_values(struct tensorboard *board, int64_t step, const struct values *values)
{
    if (values->count == 0)
        return OK;
    TRY(explain(event_file_scalars(&board->file, step, values->scalars, values->count), board));
    for (int tag = 0; tag < TAGS; tag++)
        for (int i = 0; i < values->count; i++)
            board->told[tag] |= values->scalars[i].tag == tags[tag].name;
    return OK;
}

/* ---- steps ---- */

enum { ROW_STEP, ROW_EPOCH, ROW_SAMPLES, ROW_LOSS, ROW_VARIANCE, ROW_NEXT, ROW_FIGURES };
static const char *const row_names[ROW_FIGURES] = {"step", "epoch", "samples", "loss", "loss_variance", "loss_next"};

static void keep_row(struct tensorboard *board, const double figures[ROW_FIGURES])
{
    const int64_t at = board->rows++ % TENSORBOARD_ROWS;
    for (int i = 0; i < ROW_FIGURES; i++)
        board->kept[i][at] = figures[i];
}

/* Copies the last rows out in order. */
static int64_t unroll(const struct tensorboard *board, double to[ROW_FIGURES][TENSORBOARD_ROWS])
{
    const int64_t count = board->rows < TENSORBOARD_ROWS ? board->rows : TENSORBOARD_ROWS;
    for (int i = 0; i < ROW_FIGURES; i++)
        for (int64_t row = 0; row < count; row++)
            to[i][row] = board->kept[i][(board->rows - count + row) % TENSORBOARD_ROWS];
    return count;
}

static void put_shares(struct values *values, const struct tensorboard *board, bool tied)
{
    double rows[ROW_FIGURES][TENSORBOARD_ROWS];
    const int64_t count = unroll(board, rows);
    struct fluctuation here;
    const struct loss_series series = {.count = count,
                                       .step = rows[ROW_STEP],
                                       .epoch = rows[ROW_EPOCH],
                                       .samples = rows[ROW_SAMPLES],
                                       .loss = rows[ROW_LOSS],
                                       .variance = rows[ROW_VARIANCE],
                                       .next = tied ? rows[ROW_NEXT] : NULL,
                                       .images = board->images};
    fluctuation_of(&series, count > STABILITY_STEPS ? count - STABILITY_STEPS : 0, count, board->epoch_steps, &here);
    put_known(values, board, SAMPLING, here.sampling.value);
    put_known(values, board, MOTION, here.motion.value);
    put_known(values, board, TREND, here.trend.value);
}

int tensorboard_step(struct tensorboard *board, const struct step_record *record, const struct loss_view *view)
{
    struct values values = {0};
    if (!board->file.path[0])
        return OK;
    const double row[ROW_FIGURES] = {(double)record->step, (double)record->epoch + 1.0, record->samples,
                                     record->loss,         record->loss_variance,       record->loss_next};
    keep_row(board, row);
    /* Of a refused step a NaN is what was found. */
    (record->bad ? put : put_known)(&values, board, LOSS, record->loss);
    (record->bad ? put : put_known)(&values, board, GRAD_NORM, record->grad_norm);
    put_known(&values, board, LOSS_SMOOTH, view->smooth);
    put_known(&values, board, LOSS_SMOOTH_ERROR, view->smooth_error);
    put_known(&values, board, SPIKE, view->spike_z);
    put_known(&values, board, UPDATE_RATIO, (double)record->update_norm / (double)record->weight_norm);
    put_known(&values, board, RATE, record->lr);
    if (board->rows % TENSORBOARD_SHARES_EVERY == 0)
        put_shares(&values, board, view->tied);
    return write_values(board, record->step, &values);
}

/* ---- epochs ---- */

int tensorboard_epoch(struct tensorboard *board, const struct epoch_record *record)
{
    struct values values = {0};
    if (!board->file.path[0])
        return OK;
    put_known(&values, board, EPOCH_LOSS, record->train_loss);
    put_known(&values, board, EPOCH_ACCURACY, record->train_accuracy);
    put_known(&values, board, VAL_LOSS, record->val_loss);
    put_known(&values, board, VAL_ACCURACY, record->val_accuracy);
    put_known(&values, board, VAL_ACCURACY5, record->val_accuracy5);
    put_known(&values, board, SPEED, record->images_per_second);
    return write_values(board, record->step, &values);
}

/* ---- the file ---- */

/* A resumed run's last rows; a table that cannot be read is no reason not to train. */
static void take_rows(struct tensorboard *board)
{
    char path[PATH_BYTES];
    struct table steps = {0};
    if (path_join(path, board->run, "steps.csv") >= 0 && table_read(&steps, path) >= 0) {
        for (int64_t row = 0; row < steps.row_count; row++) {
            double figures[ROW_FIGURES];
            for (int i = 0; i < ROW_FIGURES; i++)
                figures[i] = table_column_or_nan(&steps, row_names[i])[row];
            keep_row(board, figures);
        }
    }
    table_free(&steps);
}

int tensorboard_open(struct tensorboard *board, const struct run *run, int64_t step, int64_t epoch_steps,
                     int64_t images)
{
    *board = (struct tensorboard){.run = run->path, .epoch_steps = epoch_steps, .images = (double)images};
    take_rows(board);
    TRY(explain(event_file_create(&board->file, run->path), board));
    return step > 0 ? explain(event_file_restart(&board->file, step), board) : OK;
}

int tensorboard_sync(struct tensorboard *board)
{
    return board->file.path[0] ? append_sync(&board->file) : OK;
}

void tensorboard_close(struct tensorboard *board)
{
    if (board->file.path[0])
        append_close(&board->file);
    *board = (struct tensorboard){0};
}
