/* records: step records from the device's ring into state, logs and console, in order of steps. Knows no weights. */
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
    console_step(&trainer->console, record, &view);
    int every = trainer->config.stats.steps_every;
    if (record->bad || every <= 1 || record->step % every == 0) {
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
