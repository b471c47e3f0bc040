/* joins: finds operations next to each other in a graph that can be computed in one. Knows no backend, and not whether
 * it pays. */
#include "joins.h"

/* The normalisation whose x is what this node makes; -1: none. */
static int norm_after(const struct graph *graph, int node)
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

/* The node of this kind that alone reads what this node makes; -1: none. */
static int alone_after(const struct graph *graph, int node, enum op_kind kind)
{
    const int value = graph->nodes[node].out;
    for (int i = node + 1; i < graph->node_count; i++)
        if (graph->nodes[i].op == kind && graph->nodes[i].in[0] == value)
            return readers(graph, value) == 1 ? i : -1;
    return -1;
}

/* Whether this node alone reads the network's input. */
static bool is_first(const struct graph *graph, int node)
{
    return graph->nodes[node].in[0] == graph->input && readers(graph, graph->input) == 1;
}

/* The normalisation with rectifier and without addend that makes this node's first input; -1: none. */
static int norm_before(const struct graph *graph, int node)
{
    for (int i = 0; i < node; i++) {
        const struct node *before = &graph->nodes[i];
        if (before->out == graph->nodes[node].in[0])
            return before->op == OP_NORM && before->params.norm.relu && !before->params.norm.add ? i : -1;
    }
    return -1;
}

/* The normalisation with rectifier and addend that makes this node's first input, if others read that too and it is
 * wanted of all, this node's gradient coming last; -1: none. */
static int norm_met(const struct plan *plan, int node)
{
    const struct graph *graph = plan->graph;
    const int value = graph->nodes[node].in[0];
    if (readers(graph, value) < 2 || !plan->values[value].wants_grad)
        return -1;
    for (int i = 0; i < node; i++) {
        const struct node *before = &graph->nodes[i];
        for (int k = 0; k < before->in_count; k++)
            if (before->in[k] == value)
                return -1;
    }
    for (int i = 0; i < node; i++)
        if (graph->nodes[i].out == value) {
            const struct node *norm = &graph->nodes[i];
            return norm->op == OP_NORM && norm->params.norm.relu && norm->params.norm.add ? i : -1;
        }
    return -1;
}

struct plan_join joins_describe(const struct plan *plan, int node, struct op_desc *desc)
{
    const struct graph *graph = plan->graph;
    struct plan_join possible = {-1, -1, -1, -1, -1, -1, false};
    desc->first = is_first(graph, node);
    if (plan->options.apart)
        return possible;
    possible.rectifies = alone_after(graph, node, OP_RELU);
    possible.pools = alone_after(graph, node, OP_POOL);
    if (plan_trains(plan, node)) {
        possible.gives_sums_to = norm_after(graph, node);
        possible.remakes = norm_before(graph, node);
        if (!plan_trains(plan, possible.remakes))
            possible.remakes = -1;
        /* Read by nobody else, it need not be in memory, and its gradient is this node's alone. */
        if (possible.remakes >= 0 && readers(graph, graph->nodes[node].in[0]) == 1)
            possible.takes = possible.remakes;
        const int met = norm_met(plan, node);
        desc->norm_before = possible.takes >= 0;
        desc->norm_met = met >= 0;
        if (met >= 0)
            possible.takes = met;
    }
    desc->relu_after = possible.rectifies >= 0;
    desc->norm_after = possible.gives_sums_to >= 0;
    desc->norm_above = possible.remakes >= 0;
    if (possible.pools >= 0 && graph->nodes[possible.pools].params.pool.kind == POOL_MAX)
        desc->pool_after = &graph->nodes[possible.pools].params;
    return possible;
}

struct plan_join joins_taken(struct plan_join possible, const struct op_needs *needs)
{
    return (struct plan_join){.gives_sums_to = needs->gives_sums ? possible.gives_sums_to : -1,
                              .takes = needs->takes_norm ? possible.takes : -1,
                              .makes = needs->makes_norm ? possible.takes : -1,
                              .remakes = needs->remakes_norm ? possible.remakes : -1,
                              .rectifies = needs->rectifies ? possible.rectifies : -1,
                              .pools = needs->pools ? possible.pools : -1,
                              .adds = needs->adds_grad};
}

bool joins_read_again(const struct plan *plan, int node, int slot)
{
    const struct node *of = &plan->graph->nodes[node];
    return plan->values[of->out].wants_grad && slot == 0 && op_table[of->op].needs(&of->params) & OP_NEEDS_IN &&
           plan->joins[node].makes < 0 && plan->joins[node].remakes < 0;
}

bool joins_meets(const struct plan *plan, int node)
{
    const int norm = plan->joins[node].takes;
    return norm >= 0 && plan->graph->nodes[norm].params.norm.add;
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
        if (join->pools >= 0) {
            plan->calls[i].pools = &plan->calls[join->pools];
            plan->calls[join->pools].pooled_by = &plan->calls[i];
        }
        if (join->takes >= 0) {
            plan->calls[join->takes].taken_by = &plan->calls[i];
            plan->calls[i].takes = &plan->calls[join->takes];
        }
        if (join->remakes >= 0)
            plan->calls[i].remakes = &plan->calls[join->remakes];
        if (join->makes >= 0) {
            plan->calls[join->makes].made_by = &plan->calls[i];
            plan->calls[i].makes = &plan->calls[join->makes];
        }
    }
}
