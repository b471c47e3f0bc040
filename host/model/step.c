/* step: the order of one training or evaluation step, as calls queued on the device. Owns that order; never waits,
 * never allocates, and must not know why a step is taken. */
#include "step.h"

#include <assert.h>

int plan_send_control(struct plan *plan, const struct step_control *control, bool begins)
{
    struct step_control sent = *control;
    sent.source = plan->source;
    sent.bad = 0;
    sent.clip_scale = 1.0f;
    const size_t bytes = begins ? offsetof(struct step_control, kept) : offsetof(struct step_control, bad);
    return plan->backend->upload(plan->device, plan->control, &sent, bytes);
}

int plan_forward(struct plan *plan, bool training)
{
    for (int i = 0; i < plan->graph->node_count; i++) {
        plan->calls[i].training = training && plan_trains(plan, i);
        plan->backend->range_begin(plan->graph->nodes[i].name);
        const int status = plan->backend->ops[plan->graph->nodes[i].op]->forward(plan->device, &plan->calls[i]);
        plan->backend->range_end();
        TRY(status);
    }
    return OK;
}

int plan_forward_apart(struct plan *plan, int node)
{
    struct op_call *call = &plan->calls[node];
    call->training = plan_trains(plan, node);
    call->apart = true;
    const int status = plan->backend->ops[plan->graph->nodes[node].op]->forward(plan->device, call);
    call->apart = false;
    return status;
}

/* One node's backward pass, then the additions of gradients that meet there. *sum walks gradient_sums. */
static int backward_node(struct plan *plan, int node, int *sum)
{
    if (!plan->values[plan->graph->nodes[node].out].wants_grad)
        return OK;
    TRY(plan->backend->ops[plan->graph->nodes[node].op]->backward(plan->device, &plan->calls[node]));
    for (; *sum < plan->gradient_sum_count && plan->gradient_sums[*sum].node == node; ++*sum) {
        const struct plan_sum *meeting = &plan->gradient_sums[*sum];
        if (meeting->met)
            continue;
        const struct plan_value *value = &plan->values[meeting->value];
        char *activations = plan->slabs[SLAB_ACTIVATION].memory;
        const int64_t count = (int64_t)(value->bytes / dtype_bytes(plan->options.dtype));
        TRY(plan->backend->accumulate(plan->device, activations + value->grad_offset, activations + meeting->offset,
                                      count, plan->options.dtype, false));
    }
    return OK;
}

int plan_backward(struct plan *plan)
{
    int sum = 0;
    for (int i = plan->graph->node_count - 1; i >= 0; i--) {
        plan->backend->range_begin(plan->graph->nodes[i].name);
        const int status = backward_node(plan, i, &sum);
        plan->backend->range_end();
        TRY(status);
    }
    return OK;
}

/* Running statistics follow only a batch that was good. */
static int commit(struct plan *plan)
{
    for (int i = plan->graph->first_trained; i < plan->graph->node_count; i++) {
        const struct op_impl *impl = plan->backend->ops[plan->graph->nodes[i].op];
        if (impl->commit)
            TRY(impl->commit(plan->device, &plan->calls[i]));
    }
    return OK;
}

int plan_gather_batch(struct plan *plan, bool training)
{
    const struct backend *backend = plan->backend;
    plan->gather.augment = training ? plan->options.augment_train : plan->options.augment_eval;
    TRY(backend->gather(plan->device, &plan->gather));
    plan->loss.offsets = training ? plan->options.class_offsets : NULL;
    plan->loss.smoothing = training ? plan->options.smoothing : 0.0f;
    const bool blends = augment_blends(&plan->gather.augment);
    plan->loss.partners = blends ? plan->gather.out_partners : NULL;
    plan->loss.shares = blends ? plan->gather.out_shares : NULL;
    plan->loss.logits_grad = NULL;
    plan->loss.table = training ? plan->slabs[SLAB_SAMPLES].memory : NULL;
    plan->loss.unmeasured = training && plan->options.unmeasured;
    if (training) {
        char *activations = plan->slabs[SLAB_ACTIVATION].memory;
        plan->loss.logits_grad = activations + plan->values[plan->graph->logits].grad_offset;
    }
    return OK;
}

/* A batch to be queued: what a recording was made of. */
struct batch {
    struct plan *plan;
    bool training, first, last;
};

/* The stages of a batch, each a range of its own for profilers. */
static int stage_gather(const struct batch *batch)
{
    if (batch->first && batch->training)
        TRY(plan_clear_sums(batch->plan));
    return plan_gather_batch(batch->plan, batch->training);
}

static int stage_forward(const struct batch *batch)
{
    return plan_forward(batch->plan, batch->training);
}

static int stage_loss(const struct batch *batch)
{
    return batch->plan->backend->loss(batch->plan->device, &batch->plan->loss);
}

static int stage_backward(const struct batch *batch)
{
    struct plan *plan = batch->plan;
    const float *grad = (const float *)plan->slabs[SLAB_GRAD].memory + plan->held_count;
    TRY(plan_backward(plan));
    if (!plan->options.accumulate)
        return OK;
    if (!plan->options.unmeasured)
        TRY(plan->backend->part_norm(plan->device, &plan->update, grad, batch->first));
    return plan->backend->accumulate(plan->device, plan->update.grad, grad, plan->update.count, DT_F32, batch->first);
}

/* ---- the parts of stage_update, each a range of its own for profilers ---- */

static int update_norm(struct plan *plan)
{
    return plan->backend->grad_norm(plan->device, &plan->update);
}

static int update_weights(struct plan *plan)
{
    return plan->backend->update(plan->device, &plan->update);
}

static int update_average(struct plan *plan)
{
    if (!plan->options.ema || plan->state_count == 0)
        return OK;
    return plan->backend->blend(plan->device, plan->slabs[SLAB_STATE_EMA].memory, plan->slabs[SLAB_STATE].memory,
                                plan->state_count, plan->control);
}

static int update_record(struct plan *plan)
{
    return plan->backend->record(plan->device, plan->records, PLAN_RECORDS, plan->sums, &plan->update);
}

static int stage_update(const struct batch *batch)
{
    static const struct {
        const char *name;
        int (*queue)(struct plan *plan);
        bool each; /* batch; else the last one only */
    } parts[] = {{"norm of the gradient", update_norm, false},
                 {"running statistics", commit, true},
                 {"optimizer", update_weights, false},
                 {"average", update_average, false},
                 {"record", update_record, false}};
    for (int i = 0; i < COUNT_OF(parts); i++) {
        if (!batch->last && !parts[i].each)
            continue;
        batch->plan->backend->range_begin(parts[i].name);
        const int status = parts[i].queue(batch->plan);
        batch->plan->backend->range_end();
        TRY(status);
    }
    return OK;
}

static const struct stage {
    const char *name;
    int (*queue)(const struct batch *batch);
    bool training; /* not part of an evaluation */
} stages[] = {{"gather", stage_gather, false},
              {"forward", stage_forward, false},
              {"loss", stage_loss, false},
              {"backward", stage_backward, true},
              {"update", stage_update, true}};

static int queue_batch(void *context)
{
    const struct batch *batch = context;
    const struct backend *backend = batch->plan->backend;
    for (int i = 0; i < COUNT_OF(stages); i++) {
        if (stages[i].training && !batch->training)
            continue;
        backend->range_begin(stages[i].name);
        const int status = stages[i].queue(batch);
        backend->range_end();
        TRY(status);
    }
    return OK;
}

static int queue_half(void *context)
{
    struct plan *plan = ((const struct batch *)context)->plan;
    struct loss_args loss;
    TRY(plan->backend->zero(plan->device, plan->aside_sums, sizeof *plan->aside_sums));
    TRY(plan_gather_batch(plan, true));
    TRY(plan_forward(plan, true));
    loss = plan->loss;
    loss.grad_rows = plan->options.batch / 2;
    loss.table = NULL;
    loss.sums = plan->aside_sums;
    TRY(plan->backend->loss(plan->device, &loss));
    TRY(plan_backward(plan));
    return plan->backend->part_norm(plan->device, &plan->update, plan->update.grad, true);
}

int plan_half_batch(struct plan *plan, const struct step_control *control)
{
    struct batch batch = {plan, true, true, true};
    assert(plan->options.training && !plan->options.accumulate && !plan->options.unmeasured);
    assert(control->noise == NOISE_OF_HALF);
    assert(plan->options.batch >= 2);
    TRY(plan_send_control(plan, control, true));
    return plan->backend->repeat(plan->device, &plan->recordings[BATCH_HALF], queue_half, &batch);
}

static int queue_ahead(void *context)
{
    struct plan *plan = ((const struct batch *)context)->plan;
    struct loss_args loss;
    TRY(plan_gather_batch(plan, true));
    TRY(plan_forward(plan, true));
    loss = plan->loss;
    loss.logits_grad = NULL;
    loss.table = NULL;
    loss.unmeasured = true;
    loss.sums = plan->aside_sums;
    return plan->backend->loss(plan->device, &loss);
}

int plan_look_ahead(struct plan *plan, const struct step_control *next, bool first)
{
    struct batch batch = {plan, true, first, false};
    assert(plan->options.training && !plan->options.unmeasured);
    TRY(plan_send_control(plan, next, true));
    if (first)
        TRY(plan->backend->zero(plan->device, plan->aside_sums, sizeof *plan->aside_sums));
    return plan->backend->repeat(plan->device, &plan->recordings[BATCH_AHEAD], queue_ahead, &batch);
}

static int queue_settle(void *context)
{
    struct plan *plan = ((const struct batch *)context)->plan;
    TRY(plan_gather_batch(plan, true));
    TRY(plan_forward(plan, true));
    return commit(plan);
}

int plan_settle_batch(struct plan *plan, const struct step_control *control)
{
    struct batch batch = {plan, true, true, false};
    assert(plan->options.training && plan->source.pixels);
    TRY(plan_send_control(plan, control, true));
    TRY(plan->backend->repeat(plan->device, &plan->recordings[BATCH_SETTLE], queue_settle, &batch));
    return plan->backend->pace(plan->device);
}

int plan_train_batch(struct plan *plan, const struct step_control *control, bool first, bool last)
{
    const enum batch_kind kind = first ? last ? BATCH_WHOLE : BATCH_FIRST : last ? BATCH_LAST : BATCH_MIDDLE;
    struct batch batch = {plan, true, first, last};
    assert(plan->options.training && plan->source.pixels && (plan->options.accumulate || kind == BATCH_WHOLE));
    TRY(plan_send_control(plan, control, first));
    if (last) /* what lies there may be a record of a step of this number */
        __atomic_store_n(&plan->records[control->step % PLAN_RECORDS].sequence, 0, __ATOMIC_RELAXED);
    TRY(plan->backend->repeat(plan->device, &plan->recordings[kind], queue_batch, &batch));
    return last ? plan->backend->pace(plan->device) : OK;
}

bool plan_record(const struct plan *plan, int64_t step, struct step_record *record)
{
    const struct step_record *slot = &plan->records[step % PLAN_RECORDS];
    if (__atomic_load_n(&slot->sequence, __ATOMIC_ACQUIRE) != step + 1)
        return false;
    *record = *slot;
    return true;
}

int plan_eval_batch(struct plan *plan, const struct step_control *control)
{
    struct batch batch = {plan, false, true, true};
    assert(plan->source.pixels);
    TRY(plan_send_control(plan, control, true));
    TRY(plan->backend->repeat(plan->device, &plan->recordings[BATCH_EVAL], queue_batch, &batch));
    return plan->backend->pace(plan->device);
}

void plan_set_data(struct plan *plan, const uint8_t *pixels, const int32_t *labels, const int32_t *order)
{
    plan->source = (struct image_source){.pixels = pixels, .labels = labels, .order = order};
}

void plan_set_feed(struct plan *plan, const struct feed *feed, const int32_t *labels, const int32_t *order)
{
    const size_t image = (size_t)shape_count(plan->options.image), images = feed->slot_bytes / image;
    const bool blends = augment_blends(&plan->options.augment_train);
    assert(feed->slot_bytes % image == 0 && images == (size_t)(plan->options.batch + blends));
    plan_set_data(plan, feed->device, labels, order);
    plan->source.slot_rows = (int32_t)images;
}

int plan_clear_sums(struct plan *plan)
{
    return plan->backend->zero(plan->device, plan->sums, sizeof *plan->sums);
}

int plan_read_sums(struct plan *plan, struct loss_sums *sums)
{
    TRY(plan->backend->download(plan->device, sums, plan->sums, sizeof *sums));
    return plan->backend->wait(plan->device);
}

int plan_read_batch(struct plan *plan, int32_t *samples, int32_t *predictions, float *losses, float *probabilities)
{
    const size_t rows = (size_t)plan->options.batch;
    const struct {
        void *to;
        const void *from;
        size_t bytes;
    } columns[] = {
        {samples, plan->gather.out_samples, rows * sizeof *samples},
        {predictions, plan->loss.predictions, rows * sizeof *predictions},
        {losses, plan->loss.losses, rows * sizeof *losses},
        {probabilities, plan->loss.probabilities, rows * (size_t)plan->graph->class_count * sizeof *probabilities},
    };
    for (int i = 0; i < COUNT_OF(columns); i++)
        if (columns[i].to)
            TRY(plan->backend->download(plan->device, columns[i].to, columns[i].from, columns[i].bytes));
    return plan->backend->wait(plan->device);
}

/* ---- after a refused step ---- */

struct suspect {
    const void *memory;
    enum dtype dtype;
    int64_t count;
};

/* Writes text and returns 1 if the tensor has non-finite values, 0 if not. */
static int examine(struct plan *plan, struct suspect suspect, char *text, size_t bytes, const char *format,
                   const char *name, const char *pass)
{
    int64_t found = 0;
    TRY(plan->backend->count_nonfinite(plan->device, suspect.memory, suspect.dtype, suspect.count, &found));
    if (found == 0)
        return 0;
    snprintf(text, bytes, format, name, pass, (long long)found, (long long)suspect.count);
    return 1;
}

static struct suspect activation(const struct plan *plan, int value, const void *memory)
{
    return (struct suspect){memory, plan->options.dtype,
                            (int64_t)(plan->values[value].bytes / dtype_bytes(plan->options.dtype))};
}

static int examine_forward(struct plan *plan, char *text, size_t bytes)
{
    const struct graph *graph = plan->graph;
    int found;
    TRY(found = examine(plan, activation(plan, graph->input, plan->gather.out), text, bytes,
                        "the %s (%s; %lld of %lld values)", "network's input", "after augmentation"));
    for (int i = 0; i < graph->node_count && !found; i++) {
        const struct node *node = &graph->nodes[i];
        for (int k = 0; k < node->weight_count && !found; k++) {
            const struct plan_value *value = &plan->values[node->weight[k]];
            if (graph->values[node->weight[k]].role == VALUE_STATE && plan_trains(plan, i))
                continue; /* training writes it and never reads it */
            const struct suspect weight = {plan->calls[i].weight[k], value->low ? plan->options.dtype : DT_F32,
                                           value->count};
            TRY(found = examine(plan, weight, text, bytes, "the weights %s (%s; %lld of %lld values)",
                                graph->values[node->weight[k]].name, "before this step"));
        }
        if (found)
            break;
        TRY(plan_forward_apart(plan, i));
        TRY(found = examine(plan, activation(plan, node->out, plan->calls[i].out), text, bytes,
                            "the output of %s (%s; %lld of %lld values)", node->name, "forward"));
    }
    return found;
}

static int examine_backward(struct plan *plan, char *text, size_t bytes)
{
    const struct graph *graph = plan->graph;
    int sum = 0, found;
    TRY(found = examine(plan, (struct suspect){plan->loss.losses, DT_F32, plan->options.batch}, text, bytes,
                        "the %s (%s; %lld of %lld values)", "loss", "forward"));
    for (int i = graph->node_count - 1; i >= 0 && !found; i--) {
        const struct node *node = &graph->nodes[i];
        const struct plan_value *out = &plan->values[node->out];
        if (!out->wants_grad)
            continue;
        if (!plan->calls[i].pools) /* else it is not there */
            TRY(found = examine(plan, activation(plan, node->out, plan->calls[i].out_grad), text, bytes,
                                "the gradient of the output of %s (%s; %lld of %lld values)", node->name, "backward"));
        TRY(backward_node(plan, i, &sum));
        for (int k = 0; k < node->weight_count && !found; k++) {
            if (!plan->calls[i].weight_grad[k])
                continue;
            const struct suspect gradient = {plan->calls[i].weight_grad[k], DT_F32,
                                             plan->values[node->weight[k]].count};
            TRY(found = examine(plan, gradient, text, bytes, "the gradient of %s (%s; %lld of %lld values)",
                                graph->values[node->weight[k]].name, "backward"));
        }
    }
    return found;
}

int plan_find_nonfinite(struct plan *plan, const struct step_control *control, char *text, size_t bytes)
{
    TRY(plan_send_control(plan, control, true));
    TRY(plan_gather_batch(plan, true));
    plan->loss.table = NULL; /* the step itself has been taken in */
    int found;
    TRY(found = examine_forward(plan, text, bytes));
    if (found)
        TRY(plan_forward(plan, true)); /* the rest of it, for the losses */
    TRY(plan->backend->loss(plan->device, &plan->loss));
    return found ? found : examine_backward(plan, text, bytes);
}
