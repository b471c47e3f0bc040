/* fit: how well the weights a run ends with know the training images, asked as validation is: in evaluation, without
 * augmentation. While it trains a network answers with the means of its batches, and of weights that still move. */
#include "train.h"

/* The standard error of a share of so many is below 1.6 points: a third of half the 10 points by which validation is
 * called behind. */
enum { FIT_IMAGES = 1024 };

/* Evenly over the training images, which lie class by class or in an order of their own: the same ones each time. */
static struct part choose(struct trainer *trainer)
{
    const struct part *train = &trainer->session.train;
    const int64_t all = train->subset.count, count = all < FIT_IMAGES ? all : FIT_IMAGES;
    for (int64_t i = 0; i < count; i++)
        trainer->order[i] = train->subset.samples[i * all / count];
    struct part part = *train; /* the order of the last epoch is no longer needed */
    part.subset.samples = trainer->order;
    part.subset.count = count;
    return part;
}

int fit_log(struct trainer *trainer)
{
    struct session *session = &trainer->session;
    struct evaluation fit;
    if (!session->val.source || trainer->state.step == 0)
        return OK;
    batches_rest(session);
    const struct part part = choose(trainer);
    TRY(session->backend->upload(session->device, part.order, part.subset.samples,
                                 (size_t)part.subset.count * sizeof *part.subset.samples));
    int status;
    TRY(status = trainer_evaluate(trainer, &part, NULL, &fit));
    if (status == EVALUATE_STOPPED)
        return OK;
    char loss[32];
    return run_log_event(&trainer->run, "fit", "\"step\":%lld,\"images\":%lld,\"loss\":%s,\"accuracy\":%.9g",
                         (long long)trainer->state.step - 1, (long long)fit.samples, run_json_number(loss, fit.loss),
                         fit.accuracy);
}
