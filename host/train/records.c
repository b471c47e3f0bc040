/* records: step records from the device's ring into state, logs and console, in order of steps. Knows no weights. */
#include "train.h"

#include <string.h>

/* A device that works on by itself is read rarely: when the ring fills up, when something is to be shown, at the ends
 * of epochs. */
bool records_due(const struct trainer *trainer)
{
    int64_t unread = trainer->state.step - trainer->records_read;
    /* While steps are refused each is looked at, so that the count in a row is known. */
    return trainer->session.backend->synchronous || unread >= RECORD_RING / 2 || trainer->state.bad_in_row > 0 ||
           console_due(&trainer->console);
}

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

static int take(struct trainer *trainer, const struct step_record *record)
{
    trainer->state.update = record->updates;
    if (record->bad)
        TRY(take_refused(trainer, record));
    else
        take_good(trainer, record);
    console_step(&trainer->console, record);
    int every = trainer->config.stats.steps_every;
    if (record->bad || every <= 1 || record->step % every == 0)
        return run_log_step(&trainer->run, record);
    return OK;
}

/* Steps [from, to) lie in one piece of the ring. */
static int fetch(struct trainer *trainer, int64_t from, int64_t to)
{
    int64_t slot = from % RECORD_RING;
    return trainer->session.backend->download(trainer->session.device, trainer->records + slot,
                                              trainer->device_records + slot,
                                              (size_t)(to - from) * sizeof *trainer->records);
}

int records_read(struct trainer *trainer)
{
    int64_t from = trainer->records_read, to = trainer->state.step;
    if (from == to)
        return OK;
    int64_t turn = (from / RECORD_RING + 1) * RECORD_RING;
    TRY(fetch(trainer, from, to < turn ? to : turn));
    if (to > turn)
        TRY(fetch(trainer, turn, to));
    TRY(trainer->session.backend->wait(trainer->session.device));
    /* What a device did after the step that ended the run is not part of the run. */
    for (; trainer->records_read < to && !trainer->failure[0]; trainer->records_read++)
        TRY(take(trainer, &trainer->records[trainer->records_read % RECORD_RING]));
    return OK;
}
