/* graph: building and measuring a model's description. Owns values and nodes; must not know memory or devices. */
#include "graph.h"

#include <assert.h>
#include <string.h>

static void *grow(struct arena *arena, void *items, int count, int *room, size_t item_bytes)
{
    if (count < *room)
        return items;
    const int more = *room ? *room * 2 : 64;
    void *larger = arena_push(arena, (size_t)more * item_bytes);
    if (count)
        memcpy(larger, items, (size_t)count * item_bytes);
    *room = more;
    return larger;
}

static int value_add(struct graph *graph, const struct value *value)
{
    graph->values = grow(&graph->arena, graph->values, graph->value_count, &graph->value_room, sizeof *graph->values);
    graph->values[graph->value_count] = *value;
    return graph->value_count++;
}

void graph_begin(struct graph *graph, const char *model, struct shape image)
{
    *graph = (struct graph){.init_scale = 1.0f};
    graph->model = arena_text(&graph->arena, model);
    image.n = 1;
    graph->input = graph->logits =
        value_add(graph, &(struct value){.name = "input", .role = VALUE_INPUT, .shape = image});
}

void graph_free(struct graph *graph)
{
    arena_free(&graph->arena);
    *graph = (struct graph){0};
}

int graph_node(struct graph *graph, const char *name, enum op_kind op, const union op_params *params, const int *in,
               int in_count)
{
    const struct op_info *info = &op_table[op];
    assert(in_count >= info->in_min && in_count <= info->in_max);
    struct shape shapes[OP_MAX_IN] = {0}, out;
    for (int i = 0; i < in_count; i++) {
        assert(in[i] >= 0 && in[i] < graph->value_count);
        shapes[i] = graph->values[in[i]].shape;
    }
    int status = info->infer(params, shapes, in_count, &out);
    if (status < 0)
        return FAIL(status, "%s: %s", name, fail_text());

    struct node node = {.name = arena_text(&graph->arena, name), .op = op, .params = *params, .in_count = in_count};
    memcpy(node.in, in, (size_t)in_count * sizeof *in);
    struct op_weight weights[OP_MAX_WEIGHTS];
    node.weight_count = info->weights(params, shapes, weights);
    for (int i = 0; i < node.weight_count; i++)
        node.weight[i] = value_add(graph, &(struct value){
                                              .name = arena_format(&graph->arena, "%s.%s", name, weights[i].suffix),
                                              .role = weights[i].role == WEIGHT_PARAM ? VALUE_PARAM : VALUE_STATE,
                                              .shape = weights[i].shape,
                                              .rank = weights[i].rank,
                                              .init = weights[i].init,
                                              .fan_in = weights[i].fan_in,
                                          });
    node.out = value_add(graph, &(struct value){.name = node.name, .role = VALUE_ACTIVATION, .shape = out});
    graph->nodes = grow(&graph->arena, graph->nodes, graph->node_count, &graph->node_room, sizeof *graph->nodes);
    graph->nodes[graph->node_count++] = node;
    graph->logits = node.out;
    return node.out;
}

int graph_stand_in(struct graph *graph, struct shape shape)
{
    return value_add(graph, &(struct value){.name = "", .role = VALUE_ACTIVATION, .shape = shape});
}

int graph_conv2d(struct graph *graph, const char *name, int x, int filters, int kernel, int stride, int pad, bool bias)
{
    union op_params params = {.conv2d = {.filters = filters,
                                         .kernel_h = kernel,
                                         .kernel_w = kernel,
                                         .stride = stride,
                                         .pad_h = pad,
                                         .pad_w = pad,
                                         .groups = 1,
                                         .bias = bias}};
    return graph_node(graph, name, OP_CONV2D, &params, &x, 1);
}

int graph_linear(struct graph *graph, const char *name, int x, int units)
{
    union op_params params = {.linear = {.units = units, .bias = true}};
    return graph_node(graph, name, OP_LINEAR, &params, &x, 1);
}

int graph_norm(struct graph *graph, const char *name, int x, int addend, bool relu)
{
    union op_params params = {.norm = {.epsilon = 1e-5f, .momentum = 0.1f, .relu = relu, .add = addend >= 0}};
    const int in[] = {x, addend};
    return graph_node(graph, name, OP_NORM, &params, in, addend >= 0 ? 2 : 1);
}

int graph_relu(struct graph *graph, const char *name, int x)
{
    union op_params params = {0};
    return graph_node(graph, name, OP_RELU, &params, &x, 1);
}

int graph_max_pool(struct graph *graph, const char *name, int x, int size, int stride, int pad)
{
    union op_params params = {.pool = {.kind = POOL_MAX, .size = size, .stride = stride, .pad = pad}};
    return graph_node(graph, name, OP_POOL, &params, &x, 1);
}

int graph_global_pool(struct graph *graph, const char *name, int x)
{
    union op_params params = {.pool = {.kind = POOL_GLOBAL}};
    return graph_node(graph, name, OP_POOL, &params, &x, 1);
}

int graph_dropout(struct graph *graph, const char *name, int x, float rate)
{
    if (rate == 0.0f)
        return x;
    union op_params params = {.dropout = {.rate = rate}};
    return graph_node(graph, name, OP_DROPOUT, &params, &x, 1);
}

int64_t graph_node_param_count(const struct graph *graph, const struct node *node)
{
    int64_t count = 0;
    for (int k = 0; k < node->weight_count; k++)
        if (graph->values[node->weight[k]].role == VALUE_PARAM)
            count += shape_count(graph->values[node->weight[k]].shape);
    return count;
}

static int64_t params_from(const struct graph *graph, int first)
{
    int64_t count = 0;
    for (int i = first; i < graph->node_count; i++)
        count += graph_node_param_count(graph, &graph->nodes[i]);
    return count;
}

int64_t graph_param_count(const struct graph *graph)
{
    return params_from(graph, 0);
}

int64_t graph_trained_count(const struct graph *graph)
{
    return params_from(graph, graph->first_trained);
}

int64_t graph_bottleneck(const struct graph *graph, const struct node **narrowest)
{
    struct arena arena = {0};
    int *last_read = arena_push(&arena, (size_t)graph->value_count * sizeof *last_read);
    for (int n = 0; n < graph->node_count; n++)
        for (int i = 0; i < graph->nodes[n].in_count; i++)
            last_read[graph->nodes[n].in[i]] = n;
    int64_t fewest = 0;
    int reach = last_read[graph->input]; /* the last node that reads anything made before the one at hand */
    *narrowest = NULL;
    for (int n = 0; n < graph->node_count; n++) {
        const struct node *node = &graph->nodes[n];
        const int64_t size = shape_count(graph->values[node->out].shape);
        if (reach <= n && node->out != graph->logits && (!*narrowest || size < fewest)) {
            *narrowest = node;
            fewest = size;
        }
        reach = last_read[node->out] > reach ? last_read[node->out] : reach;
    }
    arena_free(&arena);
    return fewest;
}

double graph_node_flops(const struct graph *graph, const struct node *node)
{
    return op_table[node->op].flops(&node->params, &graph->values[node->in[0]].shape, graph->values[node->out].shape);
}

double graph_flops(const struct graph *graph)
{
    double flops = 0.0;
    for (int i = 0; i < graph->node_count; i++)
        flops += graph_node_flops(graph, &graph->nodes[i]);
    return flops;
}
