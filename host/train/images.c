/* images: what a run leaves behind of single images: what was seen of those trained on, what its best and last
 * weights make of those held back. See include/samples.h. */
#include "text.h"
#include "train.h"

#include <stdio.h>

/* Who has half of a class right misses all of so many once in 256 times. */
enum { NAMED_IMAGES = 8 };

void images_say_unnamed(const struct trainer *trainer, char text[static UNNAMED_TEXT])
{
    const struct model_card *card = &trainer->session.card;
    struct arena arena = {0};
    int first = -1, more = 0;
    int64_t images = 0;
    *text = 0;
    if (!trainer->judged)
        return;
    struct class_score *scores = arena_push(&arena, (size_t)card->class_count * sizeof *scores);
    class_scores(scores, card->class_count, trainer->judgements, trainer->session.val.subset.count);
    for (int i = 0; i < card->class_count; i++)
        if (scores[i].called == 0 && scores[i].images >= NAMED_IMAGES) {
            more += first >= 0;
            first = first >= 0 ? first : i;
            images += scores[i].images;
        }
    if (first >= 0)
        snprintf(text, UNNAMED_TEXT,
                 "the last weights never answer %s%s, which %lld validation images are; balanced "
                 "accuracy %.2f %%",
                 text_quote(&arena, card->class_names[first]),
                 more ? arena_format(&arena, " and %d other%s", more, more > 1 ? "s" : "") : "", (long long)images,
                 100.0 * balanced_accuracy(scores, card->class_count));
    arena_free(&arena);
}

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
