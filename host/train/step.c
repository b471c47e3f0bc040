/* step: what a step of a run is told, and when it is measured more closely. Knows one step; must not know epochs' ends.
 */
#include "train.h"

double step_rate(const struct trainer *trainer, int64_t step_in_epoch)
{
    const struct train_state *state = &trainer->state;
    return state->rate_scale *
           schedule_lr(&trainer->config, state->plateau.lr, state->epoch, step_in_epoch, trainer->steps_per_epoch);
}

/* Steps between two measurements: so many, but fewer in a run that must have stats.noise_least of them. */
static int64_t interval(const struct trainer *trainer, int64_t every)
{
    const struct config *config = &trainer->config;
    const int64_t planned = config->train.epochs * trainer->steps_per_epoch;
    if (config->stats.noise_least > 0 && planned / config->stats.noise_least < every)
        every = planned / config->stats.noise_least;
    return every > 1 ? every : 1;
}

/* What a step costs goes by the interval: one forward and backward pass more where the batch is halved; accumulated
 * batches cost only one more reading of the gradients, so that they are measured more often. So are a run's first
 * steps, for short runs to have measurements at all. */
static enum noise_kind noise_at(const struct trainer *trainer, int64_t step)
{
    enum { PARTS_OFTENER = 8, FIRST_OFTENER = 2, FIRST = 8 };
    const struct config *config = &trainer->config;
    const bool parts = config->train.accumulate > 1, first = step < FIRST * (int64_t)config->stats.noise_every;
    if (config->stats.noise_every == 0 || !config->stats.enabled || (!parts && config->train.batch_size < 2))
        return NOISE_NONE;
    const int64_t every = config->stats.noise_every / (parts ? PARTS_OFTENER : first ? FIRST_OFTENER : 1);
    return step % interval(trainer, every) == 0 ? parts ? NOISE_OF_PARTS : NOISE_OF_HALF : NOISE_NONE;
}

bool step_tied(const struct trainer *trainer)
{
    const struct graph *graph = &trainer->session.graph;
    bool norm = false;
    for (int i = 0; i < graph->node_count; i++)
        norm |= graph->nodes[i].op == OP_NORM;
    return norm && trainer->config.data.shuffle;
}

/* A forward pass more, so that it is done half as seldom; oftener at first where it also tells how much batches
 * scatter, so that a run of 256 steps has the 8 looks that this needs, but not at every step. */
static bool ahead_at(const struct trainer *trainer, int64_t step, int64_t step_in_epoch)
{
    enum { OFTENER = 2, FIRST_OFTENER = 8, FIRST = 8, OFTEN = 4 };
    const struct config *config = &trainer->config;
    const int noise_every = config->stats.noise_every;
    int64_t every = noise_every / OFTENER;
    if (every > OFTEN && step < FIRST * (int64_t)noise_every && step_tied(trainer))
        every = noise_every / FIRST_OFTENER > OFTEN ? noise_every / FIRST_OFTENER : OFTEN;
    return noise_every > 0 && config->stats.enabled && step_in_epoch + 1 < trainer->steps_per_epoch &&
           step % interval(trainer, every) == 0;
}

struct step_control step_control_at(const struct trainer *trainer, int64_t step_in_epoch, int micro)
{
    const struct config *config = &trainer->config;
    const struct train_state *state = &trainer->state;
    const int64_t step = state->step - state->step_in_epoch + step_in_epoch;
    return (struct step_control){
        .seed = (uint64_t)config->train.seed,
        .step = step,
        .first = (step_in_epoch * config->train.accumulate + micro) * config->train.batch_size,
        .epoch = (uint32_t)state->epoch,
        .valid = config->train.batch_size,
        .micro = micro,
        .lr = (float)step_rate(trainer, step_in_epoch),
        .noise = (int32_t)noise_at(trainer, step),
        .parts = config->train.accumulate,
        .ahead = ahead_at(trainer, step, step_in_epoch),
        .ema_decay = config->optim.ema_decay,
        .ema_warmup = config->optim.ema_warmup,
    };
}

/* The next step's batches with the weights of now. Images that are not held are read a first time for it. */
static int look_ahead(struct trainer *trainer)
{
    for (int micro = 0; micro < trainer->config.train.accumulate; micro++) {
        struct step_control next = step_control_at(trainer, trainer->state.step_in_epoch + 1, micro);
        TRY(batch_again(&trainer->session, trainer->order, &next));
        TRY(plan_look_ahead(&trainer->session.plan, &next, micro == 0));
        TRY(batch_queued(&trainer->session, &next));
    }
    return OK;
}

int step_queue(struct trainer *trainer)
{
    struct train_state *state = &trainer->state;
    int batches = trainer->config.train.accumulate;
    const bool surveyed = layers_due(trainer, state->step);
    for (int micro = 0; micro < batches; micro++) {
        struct step_control control = step_control_at(trainer, state->step_in_epoch, micro);
        TRY(batch_next(&trainer->session, &control));
        if (surveyed && micro == 0)
            TRY(plan_survey_begin(&trainer->session.plan, &control));
        if (control.noise == NOISE_OF_HALF)
            TRY(plan_half_batch(&trainer->session.plan, &control));
        if (control.ahead && micro == 0)
            TRY(look_ahead(trainer));
        TRY(plan_train_batch(&trainer->session.plan, &control, micro == 0, micro == batches - 1));
        TRY(batch_queued(&trainer->session, &control));
    }
    state->step++;
    state->step_in_epoch++;
    return surveyed ? layers_write(trainer) : OK;
}
