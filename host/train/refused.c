/* refused: after a step whose loss or gradient was not finite: which tensor first, which samples, what to try. Knows
 * no schedule and no files but the log. */
#include "log.h"
#include "text.h"
#include "train.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN_SAMPLES = 4 };

struct suspects {
    int32_t *samples;
    int count;
    bool by_loss; /* their own losses are not finite; else they are all of a batch, or of the step */
};

/* The first tensor at fault. With accumulation the first batch at fault counts. Returns 1; 0: no single batch is. */
static int find_tensor(struct trainer *trainer, int64_t step_in_epoch, char *where, size_t bytes)
{
    int found = 0;
    snprintf(where, bytes,
             "nothing in a single batch; the sum over accumulated batches or the gradient's norm overflowed");
    for (int micro = 0; micro < trainer->config.train.accumulate && !found; micro++) {
        struct step_control control = step_control_at(trainer, step_in_epoch, micro);
        TRY(batch_again(&trainer->session, trainer->order, &control));
        TRY(found = plan_find_nonfinite(&trainer->session.plan, &control, where, bytes));
    }
    return found;
}

/* Updates that the device had done after the step, which is found out late, when its batches were run again: their
 * weights are those of now. Known once the device has been waited for. */
static int64_t updates_since(const struct trainer *trainer, const struct step_record *record)
{
    struct step_record last;
    return plan_record(&trainer->session.plan, trainer->state.step - 1, &last)
               ? last.kept.updates - record->kept.updates
               : 0;
}

/* Says so of what find_tensor wrote. */
static void add_updates(char *where, size_t bytes, int64_t updates, bool found)
{
    const char *plural = updates == 1 ? "" : "s";
    const size_t length = strlen(where);
    if (updates > 0 && found)
        snprintf(where + length, bytes - length, ", run again %lld update%s later", (long long)updates, plural);
    else if (updates > 0)
        snprintf(where, bytes, "nothing that is still so %lld update%s later, when its batch was run again",
                 (long long)updates, plural);
}

static void suspect_step(const struct trainer *trainer, int64_t step_in_epoch, struct arena *arena,
                         struct suspects *suspects)
{
    suspects->count = trainer->config.train.batch_size * trainer->config.train.accumulate;
    suspects->samples = arena_push(arena, (size_t)suspects->count * sizeof *suspects->samples);
    memcpy(suspects->samples, trainer->order + step_in_epoch * suspects->count,
           (size_t)suspects->count * sizeof *suspects->samples);
}

/* The samples of the batch at fault, which find_tensor ran last, whose loss is not finite, else all of it. */
static int suspect_batch(struct trainer *trainer, struct arena *arena, struct suspects *suspects)
{
    struct plan *plan = &trainer->session.plan;
    int batch = plan->options.batch, bad = 0;
    suspects->samples = arena_push(arena, (size_t)batch * sizeof *suspects->samples);
    float *losses = arena_push(arena, (size_t)batch * sizeof *losses);
    TRY(plan_read_batch(plan, suspects->samples, NULL, losses, NULL));
    for (int i = 0; i < batch; i++)
        bad += !isfinite(losses[i]);
    suspects->by_loss = bad > 0;
    for (int i = 0; i < batch; i++)
        if (!bad || !isfinite(losses[i]))
            suspects->samples[suspects->count++] = suspects->samples[i];
    return OK;
}

/* The first few, by file or by number. */
static char *list_samples(struct arena *arena, const struct suspects *suspects, const char **files, int limit)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *stream = open_memstream(&text, &bytes);
    if (!stream)
        return arena_text(arena, "");
    for (int i = 0; i < suspects->count && i < limit; i++) {
        if (files)
            fprintf(stream, "%s%s", i ? ", " : "", text_quote(arena, files[suspects->samples[i]]));
        else
            fprintf(stream, "%s%d", i ? ", " : "", suspects->samples[i]);
    }
    fclose(stream);
    char *kept = arena_text(arena, text);
    free(text);
    return kept;
}

static int report(struct trainer *trainer, const struct step_record *record, struct arena *arena)
{
    char where[512];
    struct suspects suspects = {0};
    int64_t step_in_epoch = record->step - (trainer->state.step - trainer->state.step_in_epoch);
    int found = find_tensor(trainer, step_in_epoch, where, sizeof where);
    TRY(found);
    const int64_t updates = updates_since(trainer, record);
    add_updates(where, sizeof where, updates, found);
    if (found)
        TRY(suspect_batch(trainer, arena, &suspects));
    else
        suspect_step(trainer, step_in_epoch, arena, &suspects);
    const char **files = trainer->session.train_source.data.files;
    char *numbers = list_samples(arena, &suspects, NULL, suspects.count);
    char *names = files ? list_samples(arena, &suspects, files, suspects.count) : NULL;
    TRY(run_log_event(&trainer->run, "refused",
                      "\"step\":%lld,\"epoch\":%lld,\"nonfinite\":%d,\"first_tensor\":%s,\"updates_since\":%lld,"
                      "\"by_loss\":%s,\"samples\":[%s],\"files\":[%s]",
                      (long long)record->step, (long long)record->epoch + 1, record->nonfinite,
                      text_quote(arena, where), (long long)updates, suspects.by_loss ? "true" : "false", numbers,
                      names ? names : ""));
    if (trainer->state.bad_in_row > 1)
        return OK;
    char *shown = list_samples(arena, &suspects, files, SHOWN_SAMPLES);
    log_warn("step %lld (epoch %lld): the update was refused: not finite: %s; sample%s %s%s%s", (long long)record->step,
             (long long)record->epoch + 1, where, suspects.count == 1 ? "" : "s", shown,
             suspects.count > SHOWN_SAMPLES ? ", …" : "",
             suspects.by_loss ? "" : " (the whole batch; no loss of a single image stands out)");
    return OK;
}

int refused_report(struct trainer *trainer, const struct step_record *record)
{
    struct arena arena = {0};
    int status = report(trainer, record, &arena);
    arena_free(&arena);
    TRY(status);
    const struct config *config = &trainer->config;
    if (trainer->state.bad_in_row < config->train.bad_steps)
        return OK;
    snprintf(trainer->failure, sizeof trainer->failure,
             "training diverged: %d steps in a row, the last of them step %lld, had a loss or gradient that is not "
             "finite, so their updates were refused; lower optim.lr (it is %g), give it a warm-up "
             "(schedule.warmup_epochs) or a limit (optim.clip_norm = 1)%s, and check augment.normalize and the images "
             "named in log.jsonl",
             trainer->state.bad_in_row, (long long)record->step, config->optim.lr,
             trainer->session.dtype == DT_F16 ? ", set train.precision = bf16, whose numbers may be as large as fp32's"
                                              : "");
    return OK;
}
