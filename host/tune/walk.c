/* walk: see walk.h. Knows steps and the order of images, not why they are taken. */
#include "walk.h"

#include <assert.h>

int walk_open(struct walk *walk, struct session *session)
{
    const struct config *config = session->config;
    const int64_t count = session->train.subset.count;
    *walk = (struct walk){
        .session = session,
        .config = config,
        .steps_per_epoch = count / ((int64_t)config->train.batch_size * config->train.accumulate),
    };
    return memory_take(&walk->order, (size_t)count * sizeof *walk->order, "the order of an epoch");
}

void walk_close(struct walk *walk)
{
    batches_rest(walk->session);
    memory_give(walk->order);
}

static int begin_epoch(struct walk *walk)
{
    struct session *session = walk->session;
    const struct part *part = &session->train;
    const int64_t step_images = (int64_t)walk->config->train.batch_size * walk->config->train.accumulate;
    batches_rest(session);
    subset_order(&part->subset, walk->seed, (uint32_t)(walk->step / walk->steps_per_epoch), walk->config->data.shuffle,
                 walk->order);
    TRY(session->backend->upload(session->device, part->order, walk->order,
                                 (size_t)part->subset.count * sizeof *walk->order));
    walk->begun = true;
    return batches_begin(session, part->source, part->order, walk->order,
                         walk->step % walk->steps_per_epoch * step_images, walk->steps_per_epoch * step_images);
}

int walk_begin(struct walk *walk, uint64_t seed, int64_t step)
{
    walk->seed = seed;
    walk->step = step;
    walk->begun = false;
    TRY(plan_init_weights(&walk->session->plan, seed));
    return session_start_weights(walk->session);
}

int walk_step(struct walk *walk, double rate, struct step_record *record)
{
    struct session *session = walk->session;
    const int batch = walk->config->train.batch_size, batches = walk->config->train.accumulate;
    const int64_t step_in_epoch = walk->step % walk->steps_per_epoch;
    if (step_in_epoch == 0 || !walk->begun)
        TRY(begin_epoch(walk));
    for (int micro = 0; micro < batches; micro++) {
        struct step_control control = {
            .seed = walk->seed,
            .step = walk->step,
            .first = (step_in_epoch * batches + micro) * batch,
            .epoch = (uint32_t)(walk->step / walk->steps_per_epoch),
            .valid = batch,
            .micro = micro,
            .lr = (float)rate,
        };
        TRY(batch_next(session, &control));
        TRY(plan_train_batch(&session->plan, &control, micro == 0, micro == batches - 1));
        TRY(batch_queued(session, &control));
    }
    TRY(session->backend->wait(session->device));
    bool there = plan_record(&session->plan, walk->step++, record);
    assert(there);
    (void)there;
    return OK;
}
