/* plan_params: see plan_params.h. */
#include "plan_params.h"

#include "followed.h"

/* What is updated: numbered from the first parameter that is trained. */
static bool is_trained(const struct plan *plan, int value)
{
    return plan->graph->values[value].role == VALUE_PARAM && plan_trains(plan, plan->values[value].node);
}

/* Neighbours with the same decay become one. */
static int bind_segments(struct plan *plan, struct decay_segment *on_device)
{
    const struct graph *graph = plan->graph;
    struct decay_segment *segments = arena_push(&plan->arena, (size_t)graph->value_count * sizeof *segments);
    int count = 0;
    for (int v = 0; v < graph->value_count; v++) {
        if (!is_trained(plan, v))
            continue;
        const float decay = plan->options.decay_all || graph->values[v].rank > 1 ? plan->options.weight_decay : 0.0f;
        const int64_t filled = plan->values[v].first - plan->held_count + plan->values[v].count;
        const int64_t end = (filled + PARAM_ALIGNMENT - 1) / PARAM_ALIGNMENT * PARAM_ALIGNMENT;
        if (count > 0 && segments[count - 1].weight_decay == decay)
            segments[count - 1].end = end;
        else
            segments[count++] = (struct decay_segment){.end = end, .weight_decay = decay};
    }
    plan->update.segments = on_device;
    plan->update.segment_count = count;
    return plan->backend->upload(plan->device, on_device, segments, (size_t)count * sizeof *segments);
}

static int bind_followed(struct plan *plan, struct followed_row *on_device)
{
    const struct graph *graph = plan->graph;
    struct flat_tensor *tensors = arena_push(&plan->arena, (size_t)graph->value_count * sizeof *tensors);
    struct followed_row *rows = arena_push(&plan->arena, SKETCH_FOLLOWED * sizeof *rows);
    int count = 0;
    _Static_assert((int)PARAM_ALIGNMENT % SKETCH_LANES == 0, "a row is of one tensor");
    for (int v = 0; v < graph->value_count; v++)
        if (is_trained(plan, v))
            tensors[count++] = (struct flat_tensor){plan->values[v].first - plan->held_count, plan->values[v].count};
    plan->update.followed = on_device;
    plan->update.followed_count = followed_rows(rows, tensors, count);
    return plan->backend->upload(plan->device, on_device, rows, (size_t)plan->update.followed_count * sizeof *rows);
}

int plan_bind_params(struct plan *plan, struct decay_segment *segments, struct followed_row *followed)
{
    TRY(bind_segments(plan, segments));
    return bind_followed(plan, followed);
}
