/* custom: builds a network from [[layer]] sections, one row of a table per layer type. Owns the defaults of layers;
 * must not know how sections are parsed. */
#include "custom.h"

#include <stdio.h>
#include <string.h>

/* A setting, or its default where the section leaves it out. */
static int setting(int given, int otherwise)
{
    return given >= 0 ? given : otherwise;
}

struct building {
    struct graph *graph;
    const struct config_layer *layer;
    int x, other; /* inputs; other: add's second */
    int class_count;
};

static int layer_conv(const struct building *b)
{
    const struct config_layer *layer = b->layer;
    const int kernel = setting(layer->kernel, 3);
    union op_params params = {.conv2d = {.filters = layer->filters,
                                         .kernel_h = kernel,
                                         .kernel_w = kernel,
                                         .stride = setting(layer->stride, 1),
                                         .pad_h = setting(layer->pad, kernel / 2),
                                         .pad_w = setting(layer->pad, kernel / 2),
                                         .groups = setting(layer->groups, 1),
                                         .bias = layer->bias_set ? layer->bias : true}};
    return graph_node(b->graph, layer->name, OP_CONV2D, &params, &b->x, 1);
}

static int layer_linear(const struct building *b)
{
    const struct config_layer *layer = b->layer;
    union op_params params = {
        .linear = {.units = setting(layer->units, b->class_count), .bias = layer->bias_set ? layer->bias : true}};
    return graph_node(b->graph, layer->name, OP_LINEAR, &params, &b->x, 1);
}

static int layer_norm(const struct building *b)
{
    return graph_norm(b->graph, b->layer->name, b->x, -1, b->layer->relu);
}

static int layer_relu(const struct building *b)
{
    return graph_relu(b->graph, b->layer->name, b->x);
}

static int layer_pool(const struct building *b, enum pool_kind kind)
{
    const int size = setting(b->layer->kernel, 2);
    union op_params params = {.pool = {.kind = kind,
                                       .size = size,
                                       .stride = setting(b->layer->stride, size),
                                       .pad = setting(b->layer->pad, 0),
                                       .count_padding = true}};
    return graph_node(b->graph, b->layer->name, OP_POOL, &params, &b->x, 1);
}

static int layer_max_pool(const struct building *b)
{
    return layer_pool(b, POOL_MAX);
}

static int layer_avg_pool(const struct building *b)
{
    return layer_pool(b, POOL_AVERAGE);
}

static int layer_global_pool(const struct building *b)
{
    return graph_global_pool(b->graph, b->layer->name, b->x);
}

static int layer_dropout(const struct building *b)
{
    return graph_dropout(b->graph, b->layer->name, b->x, b->layer->rate);
}

static int layer_add(const struct building *b)
{
    union op_params params = {0};
    const int in[] = {b->x, b->other};
    return graph_node(b->graph, b->layer->name, OP_ADD, &params, in, 2);
}

/* A linear layer flattens by itself; the section exists because people write it. */
static int layer_flatten(const struct building *b)
{
    return b->x;
}

static const struct {
    const char *type;
    int (*build)(const struct building *building);
    bool relu_node; /* relu = true appends a node; norm has it inside */
} types[] = {
    {"conv", layer_conv, true},
    {"linear", layer_linear, true},
    {"norm", layer_norm, false},
    {"relu", layer_relu, false},
    {"max_pool", layer_max_pool, true},
    {"avg_pool", layer_avg_pool, true},
    {"global_pool", layer_global_pool, true},
    {"dropout", layer_dropout, true},
    {"add", layer_add, true},
    {"flatten", layer_flatten, false},
};

/* The output of the earlier layer of that name, or -1. */
static int output_of(const struct config *config, const int *outputs, int before, const char *name)
{
    for (int i = before - 1; i >= 0; i--)
        if (strcmp(config->layers[i].name, name) == 0)
            return outputs[i];
    return -1;
}

static int layer_build(struct building *b, const struct config *config, const int *outputs, int number)
{
    const struct config_layer *layer = b->layer;
    const bool is_add = strcmp(layer->type, "add") == 0;
    b->other = -1;
    if (layer->from[0]) {
        const int from = output_of(config, outputs, number, layer->from);
        if (from < 0)
            return FAIL(ERR_CONFIG, "%s: from = \"%s\" names no earlier layer", layer->name, layer->from);
        *(is_add ? &b->other : &b->x) = from;
    } else if (is_add) {
        return FAIL(ERR_CONFIG, "%s: add needs from = the name of the earlier layer to add", layer->name);
    }
    const int first = b->graph->node_count;
    for (int i = 0; i < COUNT_OF(types); i++) {
        if (strcmp(types[i].type, layer->type) != 0)
            continue;
        TRY(b->x = types[i].build(b));
        if (layer->relu && types[i].relu_node) {
            char name[sizeof layer->name + 8];
            snprintf(name, sizeof name, "%s.relu", layer->name);
            TRY(b->x = graph_relu(b->graph, name, b->x));
        }
        for (int node = first; node < b->graph->node_count; node++)
            b->graph->nodes[node].line = layer->line;
        return OK;
    }
    return FAIL(ERR_CONFIG, "%s: unknown layer type \"%s\"", layer->name, layer->type);
}

/* Every output but the last must be read by something: a forgotten `from` would silently drop layers. */
static int check_used(const struct graph *graph, const struct config *config)
{
    for (int i = 0; i < graph->node_count; i++) {
        bool used = graph->nodes[i].out == graph->logits;
        for (int later = i + 1; later < graph->node_count && !used; later++)
            for (int k = 0; k < graph->nodes[later].in_count; k++)
                used |= graph->nodes[later].in[k] == graph->nodes[i].out;
        if (!used)
            return FAIL(ERR_CONFIG,
                        "%s:%d: the output of layer %s is read by no other layer; remove it, or name it in a from",
                        config->file, graph->nodes[i].line, graph->nodes[i].name);
    }
    return OK;
}

int custom_build(struct graph *graph, const struct config *config, int class_count)
{
    int outputs[CONFIG_LAYERS];
    struct building building = {.graph = graph, .x = graph->input, .class_count = class_count};
    for (int i = 0; i < config->layer_count; i++) {
        building.layer = &config->layers[i];
        int status = layer_build(&building, config, outputs, i);
        if (status < 0)
            return FAIL(status, "%s:%d: %s", config->file, building.layer->line, fail_text());
        outputs[i] = building.x;
    }
    graph->logits = building.x;
    char text[48];
    const struct shape last = graph->values[graph->logits].shape;
    if (config->layer_count == 0 || !shape_equal(last, (struct shape){1, 1, 1, class_count}))
        return FAIL(ERR_CONFIG,
                    "%s:%d: the last layer gives %s, but the data has %d classes; end with a linear layer of %d units",
                    config->file, config->layer_count ? config->layers[config->layer_count - 1].line : 0,
                    shape_text(text, last), class_count, class_count);
    return check_used(graph, config);
}
