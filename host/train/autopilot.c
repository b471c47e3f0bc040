/* autopilot: what a run may do by itself: when training diverges, go back to the last state at which nothing showed,
 * with a lower rate; when the noise of small batches takes back what the steps gain, enlarge the batch. Whether
 * something shows is the doctor's to say; looks are at fixed steps, and the rules see nothing but what the run
 * recorded, so a run that was interrupted and goes on does the same. */
#include "log.h"
#include "text.h"
#include "train.h"

/* A fourth is what the doctor's trials take off first; five of them are a thousandth. */
enum { LOOK_EVERY = 50, MOST_ROLLBACKS = 5 };
#define LOWER 0.25
/* As the doctor's trial has it; an epoch keeps enough steps to be one. */
enum { LARGER = 4, STEPS_LEAST = 10 };

static bool may_act(const struct trainer *trainer)
{
    return trainer->config.train.autopilot && trainer->state.rollbacks < MOST_ROLLBACKS;
}

static int save_good(struct trainer *trainer)
{
    trainer->state.good_step = trainer->state.step;
    return keep_save(trainer, "good");
}

int autopilot_begin(struct trainer *trainer)
{
    return trainer->config.train.autopilot && trainer->state.step == 0 ? save_good(trainer) : OK;
}

static int go_back(struct trainer *trainer, int64_t step, const char *evidence)
{
    struct train_state *state = &trainer->state;
    struct arena arena = {0};
    const int rollbacks = state->rollbacks + 1;
    const double scale = state->rate_scale * LOWER, seconds = state->seconds;
    TRY(keep_go_back(trainer, "good"));
    state->rollbacks = rollbacks;
    state->rate_scale = scale;
    state->seconds = seconds;
    int status = run_log_event(&trainer->run, "autopilot",
                               "\"act\":\"rollback\",\"at_step\":%lld,\"to_step\":%lld,\"rate_scale\":%.9g,"
                               "\"lr\":%.9g,\"evidence\":%s",
                               (long long)step, (long long)state->step, scale, scale * trainer->config.optim.lr,
                               text_quote(&arena, evidence));
    arena_free(&arena);
    TRY(status);
    log_warn("autopilot: %s; going back from step %lld to step %lld with %g of the learning rate (%.3g)", evidence,
             (long long)step, (long long)state->step, scale, scale * trainer->config.optim.lr);
    /* From here a killed run goes on with the lower rate. */
    TRY(save_good(trainer));
    return keep_save(trainer, "last");
}

int autopilot_recover(struct trainer *trainer)
{
    char evidence[sizeof trainer->failure];
    if (!may_act(trainer))
        return 0;
    text_copy(evidence, sizeof evidence, trainer->failure);
    trainer->failure[0] = 0;
    TRY(go_back(trainer, trainer->state.step, evidence));
    return 1;
}

int autopilot_look(struct trainer *trainer)
{
    if (!may_act(trainer) || trainer->state.step % LOOK_EVERY != 0)
        return 0;
    TRY(records_read(trainer));
    if (trainer->failure[0])
        return 0; /* the caller's to see */
    TRY(findings_look(trainer));
    struct symptom symptom;
    if (!watch_diverged(&trainer->watch, trainer->state.good_step, &symptom))
        return 0;
    TRY(go_back(trainer, trainer->state.step, symptom.evidence));
    return 1;
}

int autopilot_keep(struct trainer *trainer)
{
    if (!trainer->config.train.autopilot)
        return OK;
    TRY(findings_look(trainer));
    struct symptom symptom;
    /* A state that is no better than chance is no better than the first one, and may be past mending. */
    const bool good =
        watch_learns(&trainer->watch) && !watch_diverged(&trainer->watch, trainer->state.good_step, &symptom);
    return good ? save_good(trainer) : OK;
}

static bool may_enlarge(const struct trainer *trainer)
{
    return trainer->config.train.autopilot && trainer->state.batch_factor < STATE_BATCH_FACTOR &&
           trainer->steps_per_epoch >= (int64_t)LARGER * STEPS_LEAST;
}

/* The state is saved for the larger batch and taken up from there, so that a run that is interrupted at any moment has
 * either done it or not. */
int autopilot_enlarge(struct trainer *trainer)
{
    struct train_state *state = &trainer->state;
    struct symptom symptom;
    if (!may_enlarge(trainer))
        return OK;
    TRY(findings_look(trainer));
    if (!watch_noise_limited(&trainer->watch, &symptom))
        return OK;
    const int batch = trainer->config.train.batch_size * trainer->config.train.accumulate;
    state->batch_factor *= LARGER;
    struct arena arena = {0};
    int status = run_log_event(
        &trainer->run, "autopilot",
        "\"act\":\"enlarge\",\"at_step\":%lld,\"batch\":%d,\"to_batch\":%d,\"accumulate\":%d,\"evidence\":%s",
        (long long)state->step, batch, LARGER * batch, trainer->accumulate * state->batch_factor,
        text_quote(&arena, symptom.evidence));
    arena_free(&arena);
    TRY(status);
    log_warn("autopilot: %s; from step %lld on %d images make an update, %d batches of %d", symptom.evidence,
             (long long)state->step, LARGER * batch, trainer->accumulate * state->batch_factor,
             trainer->config.train.batch_size);
    TRY(keep_save(trainer, "last"));
    return keep_go_back(trainer, "last");
}
