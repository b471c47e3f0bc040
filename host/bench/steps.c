/* steps: training steps of a session for their time's sake: queued one after the other, timed in rounds. Knows nothing
 * of what a step consists of. */
#include "bench.h"
#include "order.h"

#include <math.h>

enum { WARM_STEPS = 8, MAX_ROUND_STEPS = 1000 };

int bench_open(struct bench *bench, struct session *session)
{
    const struct part *part = &session->train;
    const int64_t count = part->subset.count;
    const int64_t each = (int64_t)session->config->train.batch_size * session->config->train.accumulate;
    *bench = (struct bench){.session = session, .end = count / each * each};
    TRY(memory_take(&bench->order, (size_t)count * sizeof *bench->order, "the order of the images"));
    subset_order(&part->subset, (uint64_t)session->config->train.seed, 0, session->config->data.shuffle, bench->order);
    TRY(session->backend->upload(session->device, part->order, bench->order, (size_t)count * sizeof *bench->order));
    bench->at = bench->end;
    return OK;
}

void bench_close(struct bench *bench)
{
    batches_rest(bench->session);
    memory_give(bench->order);
    *bench = (struct bench){0};
}

static int queue_step(struct bench *bench)
{
    struct session *session = bench->session;
    const struct part *part = &session->train;
    const int batch = session->config->train.batch_size, batches = session->config->train.accumulate;
    if (bench->at == bench->end) {
        bench->at = 0;
        TRY(batches_begin(session, part->source, part->order, bench->order, 0, bench->end));
    }
    for (int micro = 0; micro < batches; micro++, bench->at += batch) {
        struct step_control control = {
            .seed = (uint64_t)session->config->train.seed,
            .step = bench->step,
            .first = bench->at,
            .valid = batch,
            .micro = micro,
            .lr = 1e-3f,
            .parts = batches,
            .ema_decay = session->config->optim.ema_decay,
        };
        TRY(batch_next(session, &control));
        TRY(plan_train_batch(&session->plan, &control, micro == 0, micro == batches - 1));
        TRY(batch_queued(session, &control));
    }
    bench->step++;
    return OK;
}

int bench_steps(struct bench *bench, int count)
{
    for (int i = 0; i < count; i++)
        TRY(queue_step(bench));
    return OK;
}

int bench_round(struct bench *bench, int steps, double *seconds)
{
    const struct session *session = bench->session;
    const double begin = clock_seconds();
    TRY(bench_steps(bench, steps));
    TRY(session->backend->wait(session->device));
    *seconds = (clock_seconds() - begin) / steps;
    return OK;
}

int bench_warm(struct bench *bench, double seconds, int *steps)
{
    double each;
    TRY(bench_round(bench, 1, &each));
    const int warm = each > seconds ? 1 : WARM_STEPS;
    TRY(bench_round(bench, warm, &each));
    TRY(bench_round(bench, warm, &each));
    *steps = (int)fmin(fmax(seconds / BENCH_ROUNDS / each, 1.0), MAX_ROUND_STEPS);
    return OK;
}

int bench_time(struct bench *bench, double seconds, struct bench_times *times)
{
    const struct session *session = bench->session;
    double rounds[BENCH_ROUNDS];
    *times = (struct bench_times){0};
    TRY(bench_warm(bench, seconds, &times->steps));
    const int64_t before = session->backend->waits(session->device), held = session->backend->held(session->device);
    for (int i = 0; i < BENCH_ROUNDS; i++)
        TRY(bench_round(bench, times->steps, &rounds[i]));
    const int64_t at_ends = session->backend->synchronous ? 0 : BENCH_ROUNDS;
    times->waits = (double)(session->backend->waits(session->device) - before - at_ends) / BENCH_ROUNDS / times->steps;
    times->held = (double)(session->backend->held(session->device) - held) / BENCH_ROUNDS / times->steps;
    sort_doubles(rounds, BENCH_ROUNDS);
    times->median = rounds[BENCH_ROUNDS / 2];
    times->least = rounds[0];
    times->most = rounds[BENCH_ROUNDS - 1];
    return OK;
}
