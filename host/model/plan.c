/* plan: binds a graph to a device: prepares every operation, lays out the slabs, takes the memory. Owns all device
 * memory of a run; must not know config, data files or training policy. The order of a step is in step.c, weights in
 * weights.c, what is printed in plan_print.c. */
#include "plan.h"

#include "joins.h"
#include "liveness.h"
#include "plan_fit.h"
#include "plan_params.h"
#include "text.h"

#include <assert.h>
#include <string.h>

enum { BATCH_ALIGNMENT = 256 };

static int64_t round_up(int64_t value, int64_t unit)
{
    return (value + unit - 1) / unit * unit;
}

bool plan_trains(const struct plan *plan, int node)
{
    return plan->options.training && node >= plan->graph->first_trained;
}

static struct shape with_batch(struct shape shape, int batch)
{
    shape.n = batch;
    return shape;
}

/* ---- which gradients are wanted ---- */

static void mark_wanted_gradients(struct plan *plan)
{
    const struct graph *graph = plan->graph;
    for (int i = 0; i < graph->node_count; i++) {
        if (!plan_trains(plan, i))
            continue;
        const struct node *node = &graph->nodes[i];
        bool wanted = false;
        for (int k = 0; k < node->weight_count; k++)
            wanted |= graph->values[node->weight[k]].role == VALUE_PARAM;
        for (int k = 0; k < node->in_count; k++)
            wanted |= plan->values[node->in[k]].wants_grad;
        plan->values[node->out].wants_grad = wanted;
    }
}

/* ---- operations ---- */

static int prepare_node(struct plan *plan, int number, size_t *saved_bytes, size_t *scratch_bytes)
{
    const struct graph *graph = plan->graph;
    const struct node *node = &graph->nodes[number];
    const struct op_impl *impl = plan->backend->ops[node->op];
    if (!impl)
        return FAIL(ERR_UNSUPPORTED, "%s: the %s backend has no %s", node->name, plan->backend->name,
                    op_table[node->op].name);
    const int batch = plan->options.batch;
    struct op_desc desc = {
        .params = &node->params,
        .in_count = node->in_count,
        .out = with_batch(graph->values[node->out].shape, batch),
        .dtype = plan->options.dtype,
        .training = plan_trains(plan, number),
        .deterministic = plan->options.deterministic,
        .tf32 = plan->options.tf32,
        .sizes_only = plan->sizes_only,
    };
    for (int k = 0; k < node->in_count; k++) {
        desc.in[k] = with_batch(graph->values[node->in[k]].shape, batch);
        desc.in_grad[k] = plan->values[node->in[k]].wants_grad;
    }
    const struct plan_join possible = joins_describe(plan, number, &desc);
    struct op_needs needs = {0};
    int status = impl->prepare(plan->device, &desc, &plan->states[number], &needs);
    if (status < 0)
        return FAIL(status, "%s: %s", node->name, fail_text());
    plan->joins[number] = joins_taken(possible, &needs);
    if (needs.in_channels)
        plan->input_channels = needs.in_channels;
    *saved_bytes = needs.saved_bytes;
    if (needs.scratch_bytes > *scratch_bytes)
        *scratch_bytes = needs.scratch_bytes;
    for (int k = 0; k < node->weight_count; k++) {
        struct plan_value *value = &plan->values[node->weight[k]];
        int64_t *total = graph->values[node->weight[k]].role == VALUE_PARAM ? &plan->param_count : &plan->state_count;
        assert(needs.weight[k].count >= shape_count(graph->values[node->weight[k]].shape));
        if (number < graph->first_trained && total == &plan->param_count)
            plan->held_count = *total + round_up(needs.weight[k].count, PARAM_ALIGNMENT);
        *value = (struct plan_value){.node = number,
                                     .weight = k,
                                     .first = *total,
                                     .count = needs.weight[k].count,
                                     .low = needs.weight[k].dtype != DT_F32};
        *total += round_up(value->count, PARAM_ALIGNMENT);
    }
    return OK;
}

/* ---- activations: lifetimes, then places ---- */

/* Moments: node i runs forward at i, the loss at node_count, node i backward at 2 * node_count - i. */
static int backward_moment(const struct plan *plan, int node)
{
    return 2 * plan->graph->node_count - node;
}

struct layout {
    struct live_buffer *buffers;
    size_t **results; /* where each buffer's offset goes */
    int count;
};

static struct live_buffer *layout_add(struct layout *layout, size_t bytes, int from, int to, size_t *result)
{
    layout->results[layout->count] = result;
    layout->buffers[layout->count] = (struct live_buffer){.bytes = bytes, .from = from, .to = to};
    return &layout->buffers[layout->count++];
}

static void extend(struct live_buffer *buffer, int moment)
{
    if (moment > buffer->to)
        buffer->to = moment;
    if (moment < buffer->from)
        buffer->from = moment;
}

/* What an operation saves is read by its backward pass, and by commit, which comes after all of them. */
static int last_use_of_saved(const struct plan *plan, int node)
{
    if (!plan_trains(plan, node))
        return node;
    const bool committed = plan->backend->ops[plan->graph->nodes[node].op]->commit != NULL;
    const int taken = plan->joins[node].takes;
    return backward_moment(plan, committed ? -1 : taken >= 0 ? taken : node);
}

/* What a pooling makes and saves is written and read where the node is computed that it is part of. */
static void lay_out_pooled(const struct plan *plan, int node, struct live_buffer *out, struct live_buffer *saved)
{
    struct live_buffer *const both[] = {out, saved};
    for (int i = 0; i < COUNT_OF(both) && both[i]; i++) {
        extend(both[i], node);
        extend(both[i], plan_trains(plan, node) ? backward_moment(plan, node) : node);
    }
}

/* Values and what operations save: from the forward moment to the last reader, which may be a backward pass. */
static void lay_out_values(struct plan *plan, struct layout *layout, const size_t *saved_bytes, size_t *saved_offsets)
{
    const struct graph *graph = plan->graph;
    struct live_buffer **of_value = arena_push(&plan->arena, (size_t)graph->value_count * sizeof *of_value);
    struct live_buffer **of_saved = arena_push(&plan->arena, (size_t)graph->node_count * sizeof *of_saved);
    struct plan_value *input = &plan->values[graph->input];
    of_value[graph->input] = layout_add(layout, input->bytes, 0, 0, &input->offset);
    for (int i = 0; i < graph->node_count; i++) {
        const struct node *node = &graph->nodes[i];
        struct plan_value *out = &plan->values[node->out];
        const unsigned needs = out->wants_grad ? op_table[node->op].needs(&node->params) : 0;
        of_value[node->out] = layout_add(layout, out->bytes, i, i, &out->offset);
        if (needs & OP_NEEDS_OUT)
            extend(of_value[node->out], backward_moment(plan, i));
        for (int k = 0; k < node->in_count; k++)
            extend(of_value[node->in[k]], joins_read_again(plan, i, k) ? backward_moment(plan, i) : i);
        if (saved_bytes[i])
            of_saved[i] = layout_add(layout, saved_bytes[i], i, last_use_of_saved(plan, i), &saved_offsets[i]);
    }
    for (int i = 0; i < graph->node_count; i++) {
        const struct plan_join *join = &plan->joins[i];
        if (join->rectifies >= 0)
            extend(of_value[graph->nodes[join->rectifies].out], i);
        if (joins_meets(plan, i)) /* the rectifier's mask is of it too */
            extend(of_value[graph->nodes[join->takes].in[1]], backward_moment(plan, i));
        if (join->pools >= 0)
            lay_out_pooled(plan, i, of_value[graph->nodes[join->pools].out], of_saved[join->pools]);
    }
    extend(of_value[graph->logits], graph->node_count);
}

/* Gradients: from the first writer in backward order to the backward pass of the node that made the value. */
static void lay_out_gradients(struct plan *plan, struct layout *layout)
{
    const struct graph *graph = plan->graph;
    struct live_buffer **of_value = arena_push(&plan->arena, (size_t)graph->value_count * sizeof *of_value);
    struct plan_value *logits = &plan->values[graph->logits];
    of_value[graph->logits] =
        layout_add(layout, logits->bytes, graph->node_count, graph->node_count, &logits->grad_offset);
    plan->gradient_sums = arena_push(&plan->arena, (size_t)graph->node_count * OP_MAX_IN * sizeof *plan->gradient_sums);
    for (int i = graph->node_count - 1; i >= 0; i--) {
        const struct node *node = &graph->nodes[i];
        const int now = backward_moment(plan, i);
        if (!plan->values[node->out].wants_grad)
            continue;
        assert(of_value[node->out]);
        extend(of_value[node->out], now);
        if (plan->joins[i].pools >= 0)
            extend(of_value[graph->nodes[plan->joins[i].pools].out], now);
        for (int k = 0; k < node->in_count; k++) {
            struct plan_value *in = &plan->values[node->in[k]];
            if (!in->wants_grad)
                continue;
            if (!of_value[node->in[k]]) {
                of_value[node->in[k]] = layout_add(layout, in->bytes, now, now, &in->grad_offset);
                plan->joins[i].adds &= k > 0;
                continue;
            }
            if (k == 0 && plan->joins[i].adds)
                continue;
            struct plan_sum *sum = &plan->gradient_sums[plan->gradient_sum_count++];
            *sum = (struct plan_sum){.node = i, .slot = k, .value = node->in[k], .met = k == 0 && joins_meets(plan, i)};
            extend(of_value[node->in[k]], now);
            struct live_buffer *own = layout_add(layout, in->bytes, now, now, &sum->offset);
            if (sum->met)
                of_value[node->in[k]] = own; /* which the normalisation's backward pass begins at */
        }
    }
}

static size_t lay_out(struct plan *plan, const size_t *saved_bytes, size_t *saved_offsets)
{
    const struct graph *graph = plan->graph;
    /* Per node at most: its value, what it saves, a gradient or sum per input; and the input and the logits' gradient.
     */
    const size_t room = (size_t)graph->node_count * (2 + OP_MAX_IN) + 2;
    struct layout layout = {
        .buffers = arena_push(&plan->arena, room * sizeof *layout.buffers),
        .results = arena_push(&plan->arena, room * sizeof *layout.results),
    };
    for (int v = 0; v < graph->value_count; v++) {
        const enum value_role role = graph->values[v].role;
        if (role == VALUE_INPUT || role == VALUE_ACTIVATION)
            plan->values[v].bytes =
                (size_t)(shape_count(graph->values[v].shape) * plan->options.batch) * dtype_bytes(plan->options.dtype);
    }
    plan->values[graph->input].bytes *= (size_t)plan->input_channels;
    plan->values[graph->input].bytes /= (size_t)graph->values[graph->input].shape.c;
    lay_out_values(plan, &layout, saved_bytes, saved_offsets);
    if (plan->options.training)
        lay_out_gradients(plan, &layout);
    assert((size_t)layout.count <= room);
    for (int i = 0; i < layout.count && plan->options.private_buffers; i++) {
        extend(&layout.buffers[i], 0);
        extend(&layout.buffers[i], backward_moment(plan, -1));
    }
    const size_t bytes = liveness_place(layout.buffers, layout.count);
    for (int i = 0; i < layout.count; i++)
        *layout.results[i] = layout.buffers[i].offset;
    return bytes;
}

/* ---- slabs ---- */

/* What lies in SLAB_BATCH, by offset. */
struct batch_layout {
    size_t control, sums, labels, samples, partners, shares, losses, predictions, probabilities, norms, nonfinite,
        segments, followed, bytes;
};

static size_t carve(size_t *used, size_t bytes)
{
    const size_t offset = *used;
    *used += (size_t)round_up((int64_t)bytes, BATCH_ALIGNMENT);
    return offset;
}

static struct batch_layout lay_out_batch(const struct plan *plan)
{
    const size_t rows = (size_t)plan->options.batch, classes = (size_t)plan->graph->class_count;
    struct batch_layout layout = {0};
    layout.control = carve(&layout.bytes, sizeof(struct step_control));
    layout.sums = carve(&layout.bytes, 2 * sizeof(struct loss_sums));
    layout.labels = carve(&layout.bytes, rows * sizeof(int32_t));
    layout.samples = carve(&layout.bytes, rows * sizeof(int32_t));
    layout.partners = carve(&layout.bytes, rows * sizeof(int32_t));
    layout.shares = carve(&layout.bytes, rows * sizeof(float));
    layout.losses = carve(&layout.bytes, rows * sizeof(float));
    layout.predictions = carve(&layout.bytes, rows * sizeof(int32_t));
    layout.probabilities = carve(&layout.bytes, rows * classes * sizeof(float));
    layout.norms = carve(&layout.bytes, sizeof(struct step_norms));
    layout.nonfinite = carve(&layout.bytes, sizeof(int32_t));
    layout.segments = carve(&layout.bytes, (size_t)plan->graph->value_count * sizeof(struct decay_segment));
    layout.followed = carve(&layout.bytes, SKETCH_FOLLOWED * sizeof(struct followed_row));
    return layout;
}

static void *slab_at(const struct plan *plan, enum slab_kind slab, size_t offset)
{
    char *memory = plan->slabs[slab].memory;
    return memory ? memory + offset : NULL;
}

/* ---- calls ---- */

static void bind_node(struct plan *plan, int number, size_t saved_bytes, size_t saved_offset)
{
    const struct graph *graph = plan->graph;
    const struct node *node = &graph->nodes[number];
    struct op_call *call = &plan->calls[number];
    *call = (struct op_call){
        .state = plan->states[number],
        .scratch = plan->slabs[SLAB_SCRATCH].memory,
        .saved = saved_bytes ? slab_at(plan, SLAB_ACTIVATION, saved_offset) : NULL,
        .out = slab_at(plan, SLAB_ACTIVATION, plan->values[node->out].offset),
        .control = plan->control,
        .node = number,
    };
    if (plan->values[node->out].wants_grad)
        call->out_grad = slab_at(plan, SLAB_ACTIVATION, plan->values[node->out].grad_offset);
    for (int k = 0; k < node->in_count; k++) {
        const struct plan_value *in = &plan->values[node->in[k]];
        call->in[k] = slab_at(plan, SLAB_ACTIVATION, in->offset);
        if (in->wants_grad)
            call->in_grad[k] = slab_at(plan, SLAB_ACTIVATION, in->grad_offset);
    }
    for (int k = 0; k < node->weight_count; k++) {
        const struct plan_value *value = &plan->values[node->weight[k]];
        const bool param = graph->values[node->weight[k]].role == VALUE_PARAM;
        const size_t first = (size_t)value->first;
        if (value->low)
            call->weight[k] = slab_at(plan, SLAB_LOW, first * dtype_bytes(plan->options.dtype));
        else
            call->weight[k] = slab_at(plan, param ? SLAB_PARAM : SLAB_STATE, first * sizeof(float));
        if (param)
            call->weight_grad[k] = slab_at(plan, SLAB_GRAD, first * sizeof(float));
    }
}

static void bind_calls(struct plan *plan, const size_t *saved_bytes, const size_t *saved_offsets)
{
    for (int i = 0; i < plan->graph->node_count; i++)
        bind_node(plan, i, saved_bytes[i], saved_offsets[i]);
    joins_bind(plan);
    for (int i = 0; i < plan->gradient_sum_count; i++) {
        const struct plan_sum *sum = &plan->gradient_sums[i];
        struct op_call *call = &plan->calls[sum->node];
        if (sum->met) {
            call->met_grad = call->in_grad[0];
            plan->calls[plan->joins[sum->node].takes].out_grad = slab_at(plan, SLAB_ACTIVATION, sum->offset);
        }
        call->in_grad[sum->slot] = slab_at(plan, SLAB_ACTIVATION, sum->offset);
    }
}

static int bind_batch(struct plan *plan, const struct batch_layout *layout)
{
    const struct plan_options *options = &plan->options;
    const struct graph *graph = plan->graph;
    plan->control = slab_at(plan, SLAB_BATCH, layout->control);
    plan->sums = slab_at(plan, SLAB_BATCH, layout->sums);
    plan->aside_sums = plan->sums ? plan->sums + 1 : NULL;
    plan->gather = (struct gather_args){
        .image = options->image,
        .dtype = options->dtype,
        .batch = options->batch,
        .channels = plan->input_channels,
        .out = slab_at(plan, SLAB_ACTIVATION, plan->values[graph->input].offset),
        .out_labels = slab_at(plan, SLAB_BATCH, layout->labels),
        .out_samples = slab_at(plan, SLAB_BATCH, layout->samples),
        .out_partners = slab_at(plan, SLAB_BATCH, layout->partners),
        .out_shares = slab_at(plan, SLAB_BATCH, layout->shares),
        .control = plan->control,
    };
    plan->loss = (struct loss_args){
        .logits = slab_at(plan, SLAB_ACTIVATION, plan->values[graph->logits].offset),
        .dtype = options->dtype,
        .batch = options->batch,
        .classes = graph->class_count,
        .labels = plan->gather.out_labels,
        .samples = plan->gather.out_samples,
        .grad_scale = 1.0f,
        .losses = slab_at(plan, SLAB_BATCH, layout->losses),
        .predictions = slab_at(plan, SLAB_BATCH, layout->predictions),
        .probabilities = slab_at(plan, SLAB_BATCH, layout->probabilities),
        .sums = plan->sums,
        .control = plan->control,
    };
    if (!options->training)
        return OK;
    plan->update = options->update;
    const size_t held = (size_t)plan->held_count, held_bytes = held * sizeof(float);
    plan->update.count = plan->param_count - plan->held_count;
    plan->update.param = slab_at(plan, SLAB_PARAM, held_bytes);
    plan->update.grad = slab_at(plan, options->accumulate ? SLAB_GRAD_SUM : SLAB_GRAD, held_bytes);
    plan->update.moment1 = slab_at(plan, SLAB_MOMENT1, held_bytes);
    plan->update.moment2 = slab_at(plan, SLAB_MOMENT2, held_bytes);
    plan->update.ema = slab_at(plan, SLAB_EMA, held_bytes);
    plan->update.low = slab_at(plan, SLAB_LOW, held * dtype_bytes(options->dtype));
    plan->update.low_dtype = options->dtype;
    plan->update.control = plan->control;
    plan->update.scale_loss = options->dtype == DT_F16;
    plan->update.unmeasured = options->unmeasured;
    plan->update.norms = slab_at(plan, SLAB_BATCH, layout->norms);
    plan->update.aside = plan->aside_sums;
    plan->update.sketches = plan->slabs[SLAB_SKETCH].memory;
    plan->update.nonfinite = slab_at(plan, SLAB_BATCH, layout->nonfinite);
    return plan_bind_params(plan, slab_at(plan, SLAB_BATCH, layout->segments),
                            slab_at(plan, SLAB_BATCH, layout->followed));
}

/* What was found out about the plan's memory before any is taken. */
struct measured {
    size_t *saved_bytes, *saved_offsets;
    struct batch_layout batch;
};

static int measure(struct plan *plan, struct measured *measured)
{
    const struct graph *graph = plan->graph;
    const size_t nodes = (size_t)graph->node_count;
    plan->states = arena_push(&plan->arena, nodes * sizeof *plan->states);
    plan->calls = arena_push(&plan->arena, nodes * sizeof *plan->calls);
    plan->joins = arena_push(&plan->arena, nodes * sizeof *plan->joins);
    plan->values = arena_push(&plan->arena, (size_t)graph->value_count * sizeof *plan->values);
    measured->saved_bytes = arena_push(&plan->arena, nodes * sizeof *measured->saved_bytes);
    measured->saved_offsets = arena_push(&plan->arena, nodes * sizeof *measured->saved_offsets);
    size_t scratch_bytes = 0;
    mark_wanted_gradients(plan);
    plan->input_channels = graph->values[graph->input].shape.c;
    for (int i = 0; i < graph->node_count; i++)
        TRY(prepare_node(plan, i, &measured->saved_bytes[i], &scratch_bytes));
    const size_t activation_bytes = lay_out(plan, measured->saved_bytes, measured->saved_offsets);
    measured->batch = lay_out_batch(plan);
    plan_size_slabs(plan, activation_bytes, scratch_bytes, measured->batch.bytes);
    return OK;
}

int plan_measure(const struct graph *graph, const struct backend *backend, struct device *device,
                 const struct plan_options *options, size_t *bytes)
{
    struct plan plan = {.graph = graph, .backend = backend, .device = device, .options = *options, .sizes_only = true};
    struct measured measured;
    const int status = measure(&plan, &measured);
    *bytes = plan_bytes(&plan);
    plan_free(&plan);
    return status;
}

static int build(struct plan *plan)
{
    struct measured measured;
    size_t bytes;
    const int status = measure(plan, &measured);
    if (status == ERR_MEMORY && plan->backend->available(plan->device) != SIZE_MAX) {
        /* Operations are tried out where they are prepared, which takes part of what they need. */
        TRY(plan_measure(plan->graph, plan->backend, plan->device, &plan->options, &bytes));
        return plan_refuse(plan, bytes);
    }
    TRY(status);
    if (plan_bytes(plan) > plan->backend->available(plan->device))
        return plan_refuse(plan, plan_bytes(plan));
    TRY(plan_take_slabs(plan));
    TRY(bind_batch(plan, &measured.batch));
    bind_calls(plan, measured.saved_bytes, measured.saved_offsets);
    return OK;
}

int plan_build(struct plan *plan, const struct graph *graph, const struct backend *backend, struct device *device,
               const struct plan_options *options)
{
    *plan = (struct plan){.graph = graph, .backend = backend, .device = device, .options = *options};
    int status = build(plan);
    if (status < 0)
        plan_free(plan);
    return status;
}

void plan_free(struct plan *plan)
{
    for (int i = 0; i < BATCH_KINDS; i++)
        if (plan->recordings[i])
            plan->backend->forget(plan->device, plan->recordings[i]);
    if (plan->records)
        plan->backend->unshare(plan->device, plan->records);
    for (int i = 0; plan->states && i < plan->graph->node_count; i++) {
        const struct op_impl *impl = plan->backend->ops[plan->graph->nodes[i].op];
        if (impl)
            impl->release(plan->states[i]);
    }
    for (int i = 0; i < SLAB_COUNT; i++)
        if (plan->slabs[i].memory)
            plan->backend->release(plan->device, plan->slabs[i].memory);
    arena_free(&plan->arena);
    *plan = (struct plan){0};
}
