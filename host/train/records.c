/* records: step records from the device's ring into state, logs and console, in order of steps. Knows no weights. */
#include "table.h"
#include "train.h"

#include <math.h>
#include <string.h>

static void take_good(struct trainer *trainer, const struct step_record *record)
{
    struct train_state *state = &trainer->state;
    state->bad_in_row = 0;
    state->batches_tracked += trainer->config.train.accumulate;
    state->sums.loss += (double)record->loss * record->samples;
    state->sums.samples += record->samples;
    state->sums.correct += record->correct;
}

static int take_refused(struct trainer *trainer, const struct step_record *record)
{
    struct train_state *state = &trainer->state;
    state->bad_steps++;
    state->sums.bad_steps++;
    state->bad_in_row++;
    return refused_report(trainer, record);
}

/* Only the loss scale was too high: expected now and then, and no sign of a fault, so not a bad step. */
static int take_rescaled(struct trainer *trainer, const struct step_record *record)
{
    return run_log_event(&trainer->run, "loss_scale", "\"step\":%lld,\"from\":%.9g,\"to\":%.9g",
                         (long long)record->step, (double)record->loss_scale, ldexp(1.0, record->kept.scale_exponent));
}

/* Batch norm ties the images of a batch: by how much more than images by themselves its loss scatters is told by what
 * was looked at ahead. Of written rows alone, so that a resumed run says the same. */
static void widen(struct trainer *trainer, const struct step_record *record, bool written, struct loss_view *view)
{
    const struct loss_row row = {.step = (double)record->step,
                                 .epoch = (double)record->epoch + 1.0,
                                 .samples = (double)record->samples,
                                 .loss = record->bad ? NAN : (double)record->loss,
                                 .variance = (double)record->loss_variance,
                                 .next = (double)record->loss_next};
    if (written)
        design_take(&trainer->design, &row);
    const double design = design_now(&trainer->design);
    if (isfinite(design))
        loss_window_look(&trainer->state.window, design, record->samples, trainer->session.train.subset.count, view);
}

void records_begin(struct trainer *trainer)
{
    char path[PATH_BYTES];
    struct table steps = {0};
    trainer->records_read = trainer->state.step;
    trainer->design = (struct design_track){0};
    if (trainer->state.step == 0 || !step_tied(trainer) || path_join(path, trainer->run.path, "steps.csv") < 0 ||
        table_read(&steps, path) < 0)
        return;
    const char *const names[] = {"step", "epoch", "samples", "loss", "loss_variance", "loss_next", "bad"};
    const double *columns[COUNT_OF(names)];
    for (int i = 0; i < COUNT_OF(names); i++)
        columns[i] = table_column_or_nan(&steps, names[i]);
    for (int64_t i = 0; i < steps.row_count; i++) {
        /* Nine digits are a float's: the same number as when the row was written. */
        const struct loss_row row = {columns[0][i],
                                     columns[1][i],
                                     columns[2][i],
                                     columns[6][i] != 0.0 ? NAN : (double)(float)columns[3][i],
                                     (double)(float)columns[4][i],
                                     (double)(float)columns[5][i]};
        design_take(&trainer->design, &row);
    }
    table_free(&steps);
}

static int take(struct trainer *trainer, const struct step_record *record)
{
    trainer->state.kept = record->kept;
    if (record->bad == REFUSED_SCALE)
        TRY(take_rescaled(trainer, record));
    else if (record->bad)
        TRY(take_refused(trainer, record));
    else
        take_good(trainer, record);
    struct loss_view view;
    loss_window_add(&trainer->state.window, record->bad ? NAN : (double)record->loss, (double)record->loss_variance,
                    record->samples, record->epoch, trainer->session.train.subset.count, &view);
    view.tied = step_tied(trainer);
    const int every = trainer->config.stats.steps_every;
    const bool written = record->bad || every <= 1 || record->step % every == 0;
    if (view.tied)
        widen(trainer, record, written, &view);
    console_step(&trainer->console, record, &view);
    if (written) {
        TRY(run_log_step(&trainer->run, record, &view));
        TRY(tensorboard_step(&trainer->tensorboard, record, &view));
    }
    return OK;
}

static int take_present(struct trainer *trainer)
{
    struct step_record record;
    /* What a device did after the step that ended the run is not part of the run. */
    while (trainer->records_read < trainer->state.step && !trainer->failure[0] &&
           plan_record(&trainer->session.plan, trainer->records_read, &record)) {
        TRY(take(trainer, &record));
        trainer->records_read++;
    }
    return OK;
}

int records_take(struct trainer *trainer)
{
    TRY(take_present(trainer));
    if (watch_due(&trainer->watch, trainer->records_read))
        TRY(findings_look(trainer));
    /* While steps are refused each is looked at, so that the count in a row is known. */
    return trainer->state.bad_in_row > 0 ? records_read(trainer) : OK;
}

int records_read(struct trainer *trainer)
{
    if (trainer->records_read == trainer->state.step)
        return OK;
    TRY(trainer->session.backend->wait(trainer->session.device));
    return take_present(trainer);
}
