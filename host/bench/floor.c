/* floor: the least time that a part of a step could take, by what it must compute and what it must move. Counts, knows
 * no clock. */
#include "bench.h"

#include <math.h>
#include <string.h>

void bench_op_bytes(enum op_kind kind, const union op_params *params, double in, double out, double weights,
                    bool in_grad, double bytes[2])
{
    const bool relu = kind == OP_NORM && params->norm.relu, add = kind == OP_NORM && params->norm.add;
    bytes[0] = in + out + weights;
    bytes[1] = out + in;
    if (kind == OP_CONV2D || kind == OP_LINEAR)
        bytes[1] = (1 + in_grad) * (in + out + weights);
    else if (kind == OP_NORM) {
        bytes[0] = (3 + add) * in;
        bytes[1] = add ? (6 + relu) * in : 5 * in; /* of the rectifier's mask x tells */
    } else if (kind == OP_RELU || kind == OP_ADD) {
        bytes[0] = kind == OP_ADD ? 3 * in : 2 * in;
        bytes[1] = 3 * in;
    }
}

/* What is left of a pass that a neighbour does most or all of, but for sums over channels. each: bytes of an input. */
static double left_bytes(const struct op_call *call, bool backward, double each, double all)
{
    if (call->pooled_by || (!backward && (call->made_by || call->rectified_by)))
        return 0.0;
    if (!backward || !call->taken_by)
        return all;
    const int written = (call->in_grad[0] != NULL) + (call->in_grad[1] != NULL);
    return written > 0 ? (2 + written) * each : 0.0;
}

static void count_node(const struct plan *plan, struct bench_part *part)
{
    const struct node *node = &plan->graph->nodes[part->node];
    const bool product = node->op == OP_CONV2D || node->op == OP_LINEAR;
    const bool in_grad = plan->values[node->in[0]].wants_grad;
    double weights = 0.0, bytes[2];
    for (int k = 0; k < node->weight_count; k++) {
        const struct plan_value *value = &plan->values[node->weight[k]];
        weights += (double)value->count * (double)dtype_bytes(value->low ? plan->options.dtype : DT_F32);
    }
    bench_op_bytes(node->op, &node->params, (double)plan->values[node->in[0]].bytes,
                   (double)plan->values[node->out].bytes, weights, in_grad, bytes);
    part->bytes = left_bytes(&plan->calls[part->node], part->backward, (double)plan->values[node->in[0]].bytes,
                             bytes[part->backward]);
    if (product)
        part->flops =
            graph_node_flops(plan->graph, node) * plan->options.batch * (part->backward ? 1.0 + (double)in_grad : 1.0);
}

/* Reads and writes of the flat arrays. */
static double update_bytes(const struct update_args *args)
{
    const int each = 12 + (args->moment1 ? 8 : 0) + (args->moment2 ? 8 : 0) + (args->ema ? 8 : 0) +
                     (args->low ? (int)dtype_bytes(args->low_dtype) : 0);
    return (double)args->count * each;
}

void bench_count(const struct plan *plan, int batches, struct bench_profile *profile)
{
    const struct augment *augment = &plan->options.augment_train;
    const double pixels = (double)plan->options.batch * (double)shape_count(plan->options.image);
    const double input = (double)plan->options.batch * augment->out_h * augment->out_w * plan->options.image.c;
    for (int i = 0; i < profile->part_count; i++) {
        struct bench_part *part = &profile->parts[i];
        if (part->node >= 0)
            count_node(plan, part);
        else if (strcmp(part->name, "gather") == 0)
            part->bytes = pixels + input * (double)dtype_bytes(plan->options.dtype);
        else if (strcmp(part->name, "norm of the gradient") == 0)
            part->bytes = (double)plan->update.count * sizeof(float);
        else if (strcmp(part->name, "optimizer") == 0)
            part->bytes = update_bytes(&plan->update);
        if (part->within < 0 ? strcmp(part->name, "update") != 0
                             : strcmp(profile->parts[part->within].name, "update") != 0) {
            part->bytes *= batches;
            part->flops *= batches;
        }
    }
}

double bench_floor(const struct bench_ceiling *ceiling, const struct bench_part *part)
{
    if (part->bytes == 0.0)
        return part->node >= 0 ? 0.0 : NAN;
    const double moving = bench_copy_seconds(ceiling, part->bytes);
    return ceiling->product > 0.0 ? fmax(moving, part->flops / ceiling->product) : moving;
}
