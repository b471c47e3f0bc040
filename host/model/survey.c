/* survey: the statistics of each layer about one step: its activations by a forward pass of its own before the step,
 * its weights, gradients and their change by what the step leaves. Owns SLAB_SURVEY; must not know when or why. */
#include "plan.h"

#include "step.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* What is summed up for each node. */
enum { SURVEY_OUT, SURVEY_WEIGHT, SURVEY_GRAD, SURVEY_UPDATE, SURVEY_ARRAYS };

/* The parts of the slab. */
struct survey {
    float *param, *state; /* as they were before the step */
    struct survey_sums *sums;
    int32_t *alive;
};

static int most_channels(const struct plan *plan)
{
    int most = 1;
    for (int i = 0; i < plan->graph->node_count; i++) {
        const int channels = plan->graph->values[plan->graph->nodes[i].out].shape.c;
        most = channels > most ? channels : most;
    }
    return most;
}

size_t plan_survey_bytes(const struct plan *plan)
{
    const size_t nodes = (size_t)plan->graph->node_count;
    return (size_t)(plan->param_count + plan->state_count) * sizeof(float) +
           nodes * SURVEY_ARRAYS * sizeof(struct survey_sums) + (size_t)most_channels(plan) * sizeof(int32_t);
}

static struct survey survey_of(const struct plan *plan)
{
    struct survey survey;
    survey.sums = plan->slabs[SLAB_SURVEY].memory;
    survey.param = (float *)(survey.sums + (size_t)plan->graph->node_count * SURVEY_ARRAYS);
    survey.state = survey.param + plan->param_count;
    survey.alive = (int32_t *)(survey.state + plan->state_count);
    return survey;
}

/* The stretch of the flat parameters that is a node's; false: it has none. Padding in it is 0. */
static bool stretch_of(const struct plan *plan, int node, int64_t *first, int64_t *count)
{
    const struct node *at = &plan->graph->nodes[node];
    *count = 0;
    for (int k = 0; k < at->weight_count; k++) {
        const struct plan_value *value = &plan->values[at->weight[k]];
        if (plan->graph->values[at->weight[k]].role != VALUE_PARAM)
            continue;
        if (*count == 0)
            *first = value->first;
        *count = value->first + value->count - *first;
    }
    return *count > 0;
}

int plan_survey_begin(struct plan *plan, const struct step_control *control)
{
    const struct backend *backend = plan->backend;
    const struct survey survey = survey_of(plan);
    assert(plan->options.survey);
    TRY(backend->accumulate(plan->device, survey.param, plan->slabs[SLAB_PARAM].memory, plan->param_count, DT_F32,
                            true));
    if (plan->state_count > 0)
        TRY(backend->accumulate(plan->device, survey.state, plan->slabs[SLAB_STATE].memory, plan->state_count, DT_F32,
                                true));
    TRY(plan_send_control(plan, control, true));
    TRY(plan_gather_batch(plan, true));
    for (int i = 0; i < plan->graph->node_count; i++) {
        const struct node *node = &plan->graph->nodes[i];
        const struct plan_value *out = &plan->values[node->out];
        const struct survey_args args = {
            .values = plan->calls[i].out,
            .dtype = plan->options.dtype,
            .count = (int64_t)(out->bytes / dtype_bytes(plan->options.dtype)),
            .channels = plan->graph->values[node->out].shape.c,
            .alive = survey.alive,
            .sums = &survey.sums[i * SURVEY_ARRAYS + SURVEY_OUT],
        };
        TRY(plan_forward_apart(plan, i));
        TRY(backend->survey(plan->device, &args));
    }
    return OK;
}

int plan_survey_end(struct plan *plan)
{
    const struct survey survey = survey_of(plan);
    const float *param = plan->slabs[SLAB_PARAM].memory;
    for (int i = 0; i < plan->graph->node_count; i++) {
        int64_t first, count;
        if (!stretch_of(plan, i, &first, &count))
            continue;
        const struct {
            const float *values, *minus;
        } arrays[SURVEY_ARRAYS] = {
            [SURVEY_WEIGHT] = {param + first, NULL},
            [SURVEY_GRAD] = {plan_trains(plan, i) ? plan->update.grad + first - plan->held_count : NULL, NULL},
            [SURVEY_UPDATE] = {param + first, survey.param + first},
        };
        for (int k = SURVEY_WEIGHT; k < (plan_trains(plan, i) ? SURVEY_ARRAYS : SURVEY_GRAD); k++) {
            const struct survey_args args = {.values = arrays[k].values,
                                             .minus = arrays[k].minus,
                                             .dtype = DT_F32,
                                             .count = count,
                                             .sums = &survey.sums[i * SURVEY_ARRAYS + k]};
            TRY(plan->backend->survey(plan->device, &args));
        }
    }
    return OK;
}

/* How far a batch's means and variances lie from the running ones, which moved towards them by momentum. before and
 * after: the running statistics, flat. */
static void find_gap(const struct plan *plan, int node, const float *before, const float *after,
                     struct layer_stats *layer)
{
    const struct node *at = &plan->graph->nodes[node];
    const struct plan_value *states[2];
    int count = 0;
    for (int k = 0; k < at->weight_count; k++)
        if (plan->graph->values[at->weight[k]].role == VALUE_STATE && count < 2)
            states[count++] = &plan->values[at->weight[k]];
    assert(count == 2);
    const double momentum = (double)at->params.norm.momentum, epsilon = (double)at->params.norm.epsilon;
    const int channels = plan->graph->values[at->out].shape.c;
    double means = 0.0, variances = 0.0;
    for (int c = 0; c < channels; c++) {
        const int64_t m = states[0]->first + c, v = states[1]->first + c;
        const double shift = ((double)after[m] - (double)before[m]) / momentum;
        const double variance = (double)before[v] + ((double)after[v] - (double)before[v]) / momentum;
        const double ratio = log((fmax(0.0, variance) + epsilon) / ((double)before[v] + epsilon));
        means += shift * shift / ((double)before[v] + epsilon) / channels;
        variances += ratio * ratio / channels;
    }
    layer->mean_gap = (float)sqrt(means);
    layer->variance_gap = (float)sqrt(variances);
}

static void fill_layer(const struct plan *plan, int node, const struct survey_sums *sums, double grad_scale,
                       struct layer_stats *layer)
{
    const struct plan_value *out = &plan->values[plan->graph->nodes[node].out];
    const double count = (double)(out->bytes / dtype_bytes(plan->options.dtype));
    const double mean = sums[SURVEY_OUT].sum / count;
    *layer = (struct layer_stats){
        .weight_norm = NAN, .grad_norm = NAN, .update_norm = NAN, .mean_gap = NAN, .variance_gap = NAN};
    layer->mean = (float)mean;
    layer->deviation = (float)sqrt(fmax(0.0, sums[SURVEY_OUT].squares / count - mean * mean));
    layer->positive = (float)((double)sums[SURVEY_OUT].positive / count);
    layer->dead = (float)((double)sums[SURVEY_OUT].dead / plan->graph->values[plan->graph->nodes[node].out].shape.c);
    int64_t first, weights;
    if (!stretch_of(plan, node, &first, &weights))
        return;
    layer->weight_norm = (float)sqrt(sums[SURVEY_WEIGHT].squares);
    if (!plan_trains(plan, node))
        return;
    layer->grad_norm = (float)(sqrt(sums[SURVEY_GRAD].squares) * grad_scale);
    layer->update_norm = (float)sqrt(sums[SURVEY_UPDATE].squares);
}

static int read_states(struct plan *plan, float *before, float *after)
{
    const size_t bytes = (size_t)plan->state_count * sizeof(float);
    if (bytes == 0)
        return OK;
    TRY(plan->backend->download(plan->device, before, survey_of(plan).state, bytes));
    return plan->backend->download(plan->device, after, plan->slabs[SLAB_STATE].memory, bytes);
}

int plan_survey_read(struct plan *plan, const struct step_record *record, struct layer_stats *layers)
{
    struct arena arena = {0};
    const size_t nodes = (size_t)plan->graph->node_count;
    struct survey_sums *sums = arena_push(&arena, nodes * SURVEY_ARRAYS * sizeof *sums);
    float *before = arena_push(&arena, (size_t)(2 * plan->state_count + 1) * sizeof *before);
    float *after = before + plan->state_count;
    int status =
        plan->backend->download(plan->device, sums, survey_of(plan).sums, nodes * SURVEY_ARRAYS * sizeof *sums);
    if (status >= 0)
        status = read_states(plan, before, after);
    if (status >= 0)
        status = plan->backend->wait(plan->device);
    const double unscale = isnan(record->loss_scale) ? 1.0 : 1.0 / (double)record->loss_scale;
    for (int i = 0; status >= 0 && i < plan->graph->node_count; i++) {
        fill_layer(plan, i, sums + i * SURVEY_ARRAYS, (double)plan->update.grad_scale * unscale, &layers[i]);
        if (record->bad)
            layers[i].update_norm = NAN;
        else if (plan->graph->nodes[i].op == OP_NORM && plan_trains(plan, i) && !plan->options.accumulate)
            find_gap(plan, i, before, after, &layers[i]);
    }
    arena_free(&arena);
    return status;
}
