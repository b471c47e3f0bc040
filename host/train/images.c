/* images: what a run leaves behind of single images: what was seen of those trained on, what its best and last
 * weights make of those held back. See include/samples.h. */
#include "train.h"

/* Beside the checkpoints, which hold the same for machines. */
int images_write_samples(struct trainer *trainer)
{
    char path[PATH_BYTES];
    struct plan *plan = &trainer->session.plan;
    if (plan->options.samples == 0 || plan->options.samples > SAMPLES_CSV_MOST)
        return OK;
    TRY(path_join(path, trainer->run.path, "samples.csv"));
    struct sample_stats *table;
    TRY(memory_take(&table, (size_t)plan->options.samples * sizeof *table, path));
    int status = plan_read_slab(plan, SLAB_SAMPLES, table);
    if (status >= 0)
        status = samples_write(path, &trainer->session.train_source.data, table);
    memory_give(table);
    return status;
}

int images_write_judgements(struct trainer *trainer, bool best)
{
    char path[PATH_BYTES];
    const struct part *val = &trainer->session.val;
    if (!trainer->judgements)
        return OK;
    TRY(path_join(path, trainer->run.path, best ? "predictions.csv" : "predictions-last.csv"));
    return judgements_write(path, &val->source->data, trainer->judgements, val->subset.count);
}
