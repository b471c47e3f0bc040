/* joins: finds operations next to each other in a graph that can be computed in one. Knows no backend, and not whether
 * it pays. */
#include "joins.h"

int joins_norm_after(const struct graph *graph, int node)
{
    for (int i = node + 1; i < graph->node_count; i++)
        if (graph->nodes[i].op == OP_NORM && graph->nodes[i].in[0] == graph->nodes[node].out)
            return i;
    return -1;
}

static int readers(const struct graph *graph, int value)
{
    int count = value == graph->logits;
    for (int i = 0; i < graph->node_count; i++)
        for (int k = 0; k < graph->nodes[i].in_count; k++)
            count += graph->nodes[i].in[k] == value;
    return count;
}

int joins_relu_after(const struct graph *graph, int node)
{
    const int value = graph->nodes[node].out;
    for (int i = node + 1; i < graph->node_count; i++)
        if (graph->nodes[i].op == OP_RELU && graph->nodes[i].in[0] == value)
            return readers(graph, value) == 1 ? i : -1;
    return -1;
}

bool joins_first(const struct graph *graph, int node)
{
    return graph->nodes[node].in[0] == graph->input && readers(graph, graph->input) == 1;
}

int joins_norm_before(const struct graph *graph, int node)
{
    const int value = graph->nodes[node].in[0];
    for (int i = 0; i < node; i++) {
        const struct node *before = &graph->nodes[i];
        if (before->out == value)
            return before->op == OP_NORM && before->params.norm.relu && !before->params.norm.add &&
                           readers(graph, value) == 1
                       ? i
                       : -1;
    }
    return -1;
}

bool joins_read_again(const struct plan *plan, int node, int slot)
{
    const struct node *of = &plan->graph->nodes[node];
    return plan->options.training && op_table[of->op].needs(&of->params) & OP_NEEDS_IN &&
           !(plan->joins[node].makes >= 0 && slot == 0);
}

void joins_bind(struct plan *plan)
{
    for (int i = 0; i < plan->graph->node_count; i++) {
        const struct plan_join *join = &plan->joins[i];
        plan->calls[i].adds_grad = join->adds;
        if (join->gives_sums_to >= 0)
            plan->calls[join->gives_sums_to].sums_by = &plan->calls[i];
        if (join->rectifies >= 0) {
            plan->calls[i].rectifies = &plan->calls[join->rectifies];
            plan->calls[join->rectifies].rectified_by = &plan->calls[i];
        }
        if (join->takes >= 0) {
            plan->calls[join->takes].taken_by = &plan->calls[i];
            plan->calls[i].takes = &plan->calls[join->takes];
        }
        if (join->makes >= 0) {
            plan->calls[join->makes].made_by = &plan->calls[i];
            plan->calls[i].makes = &plan->calls[join->makes];
        }
    }
}
