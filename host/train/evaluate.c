/* evaluate: every sample of a part once through the network, its loss and hits; class probabilities of loose images.
 * Knows no training. */
#include "trainer.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* The batch starting at position first of count. */
static struct step_control control_at(const struct session *session, int64_t first, int64_t count)
{
    int64_t left = count - first, batch = session->plan.options.batch;
    return (struct step_control){
        .seed = (uint64_t)session->config->train.seed, .first = first, .valid = (int32_t)(left < batch ? left : batch)};
}

/* Of a batch, as the device has it. */
struct rows {
    int32_t *samples, *predictions;
    float *losses, *probabilities; /* [batch], [batch][classes] */
};

static struct rows take_rows(struct arena *arena, size_t count, size_t classes)
{
    return (struct rows){arena_push(arena, count * sizeof(int32_t)), arena_push(arena, count * sizeof(int32_t)),
                         arena_push(arena, count * sizeof(float)), arena_push(arena, count * classes * sizeof(float))};
}

/* Of logits only their differences are known, as those of logarithms of probabilities, which may be too small to be
 * told. */
static float margin_of(const float *probabilities, int classes, int label, float loss)
{
    float rival = FLT_MIN;
    for (int k = 0; k < classes; k++)
        rival = k == label ? rival : fmaxf(rival, probabilities[k]);
    return -loss - logf(rival);
}

/* What the network made of the batch just queued. */
static int read_judgements(struct session *session, const struct dataset *data, int valid, const struct rows *rows,
                           struct judgement *judgements)
{
    const size_t classes = (size_t)data->class_count;
    TRY(plan_read_batch(&session->plan, rows->samples, rows->predictions, rows->losses, rows->probabilities));
    for (int i = 0; i < valid; i++) {
        const float *row = rows->probabilities + (size_t)i * classes;
        const int label = data->labels[rows->samples[i]], prediction = rows->predictions[i];
        judgements[i] = (struct judgement){rows->samples[i], label,
                                           prediction,       rows->losses[i],
                                           row[prediction],  margin_of(row, data->class_count, label, rows->losses[i])};
    }
    return OK;
}

/* NaN of one image alone. */
static double mean_error(const struct loss_sums *sums)
{
    const double n = (double)sums->samples, squares = sums->loss_squares - sums->loss * sums->loss / n;
    return squares < 0.0 ? 0.0 : sqrt(squares / (n - 1.0) / n); /* rounding may leave less than nothing */
}

int evaluate_part(struct session *session, const struct part *part, struct judgement *judgements,
                  const volatile sig_atomic_t *stop, struct evaluation *evaluation)
{
    struct plan *plan = &session->plan;
    int64_t count = part->subset.count;
    struct arena arena = {0};
    const struct rows rows = take_rows(&arena, (size_t)plan->options.batch, (size_t)session->card.class_count);
    int status = batches_begin(session, part->source, part->order, part->subset.samples, 0, count);
    if (status == OK)
        status = plan_clear_sums(plan);
    for (int64_t first = 0; first < count && status == OK; first += plan->options.batch) {
        if (stop && *stop) {
            status = EVALUATE_STOPPED;
            break;
        }
        struct step_control control = control_at(session, first, count);
        status = batch_next(session, &control);
        if (status == OK)
            status = plan_eval_batch(plan, &control);
        if (status == OK)
            status = batch_queued(session, &control);
        if (status == OK && judgements)
            status = read_judgements(session, &part->source->data, control.valid, &rows, judgements + first);
    }
    arena_free(&arena);
    if (status != OK)
        return status;
    struct loss_sums sums;
    TRY(plan_read_sums(plan, &sums));
    double samples = (double)sums.samples;
    *evaluation = (struct evaluation){
        .loss = sums.loss / samples,
        .loss_error = mean_error(&sums),
        .accuracy = (double)sums.correct / samples,
        .accuracy5 = (double)sums.correct5 / samples,
        .samples = sums.samples,
        .nonfinite = sums.nonfinite,
    };
    return EVALUATE_DONE;
}

/* What evaluate_images places for the device. */
struct loose {
    const void *pixels, *labels, *order;
};

static int place_loose(struct session *session, const uint8_t *pixels, const int32_t *numbers, int count,
                       struct loose *loose)
{
    const struct backend *backend = session->backend;
    size_t bytes = (size_t)count * sizeof *numbers;
    TRY(backend->place(session->device, pixels, (size_t)count * (size_t)shape_count(session->card.image),
                       &loose->pixels));
    TRY(backend->place(session->device, numbers, bytes, &loose->order));
    return backend->place(session->device, numbers + count, bytes, &loose->labels);
}

static int run_loose(struct session *session, const struct loose *loose, int count, float *rows, float *probabilities)
{
    struct plan *plan = &session->plan;
    size_t classes = (size_t)session->card.class_count;
    plan_set_data(plan, loose->pixels, loose->labels, loose->order);
    TRY(plan_clear_sums(plan));
    for (int first = 0; first < count; first += plan->options.batch) {
        struct step_control control = control_at(session, first, count);
        TRY(plan_eval_batch(plan, &control));
        TRY(plan_read_batch(plan, NULL, NULL, NULL, rows));
        memcpy(probabilities + (size_t)first * classes, rows, (size_t)control.valid * classes * sizeof *rows);
    }
    return OK;
}

int evaluate_images(struct session *session, const uint8_t *pixels, int count, float *probabilities)
{
    struct arena arena = {0};
    /* The order, then labels, all 0: the loss they lead to is not looked at. */
    int32_t *numbers = arena_push(&arena, 2 * (size_t)count * sizeof *numbers);
    float *rows =
        arena_push(&arena, (size_t)session->plan.options.batch * (size_t)session->card.class_count * sizeof *rows);
    for (int i = 0; i < count; i++)
        numbers[i] = i;
    struct loose loose = {0};
    int status = place_loose(session, pixels, numbers, count, &loose);
    if (status == OK)
        status = run_loose(session, &loose, count, rows, probabilities);
    const void *placed[] = {loose.labels, loose.order, loose.pixels};
    for (int i = 0; i < COUNT_OF(placed); i++)
        if (placed[i])
            session->backend->unplace(session->device, placed[i]);
    arena_free(&arena);
    return status;
}
