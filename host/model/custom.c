/* custom: builds a network from [[layer]] sections, one row of a table per layer type, and says of all layers at once
 * what does not fit. Owns the defaults of layers; must not know how sections are parsed. */
#include "custom.h"

#include "mistakes.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* A setting, or its default where the section leaves it out. */
static int setting(int given, int otherwise)
{
    return given >= 0 ? given : otherwise;
}

struct building {
    struct graph *graph;
    const struct config *config;
    const struct config_layer *layer;
    int x, other; /* inputs; other: add's second */
    int class_count;
    struct output {
        int value;
        bool known; /* its shape is as it will be: no layer that it comes from has failed */
    } outputs[CONFIG_LAYERS];
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

/* The earlier layer of that name; that there is one is checked where the sections are read. */
static int layer_number(const struct building *b, const char *name)
{
    int i = (int)(b->layer - b->config->layers) - 1;
    while (i >= 0 && strcmp(b->config->layers[i].name, name) != 0)
        i--;
    assert(i >= 0);
    return i;
}

/* Of an input of unknown shape only this is asked: whether the layer could be had with any. */
static struct shape roomy_shape(const struct config_layer *layer)
{
    enum { SIDE = 4096 };
    if (strcmp(layer->type, "linear") == 0)
        return (struct shape){1, 1, 1, 1};
    return (struct shape){1, SIDE, SIDE, setting(layer->groups, 1)};
}

/* What comes out of a layer that failed, as far as can be told. */
static struct shape likely_shape(const struct building *b)
{
    const struct config_layer *layer = b->layer;
    struct shape shape = b->graph->values[b->x].shape;
    if (strcmp(layer->type, "linear") == 0)
        return (struct shape){1, 1, 1, setting(layer->units, b->class_count)};
    shape.c = setting(layer->filters, shape.c);
    return shape;
}

static int build_nodes(struct building *b)
{
    const struct config_layer *layer = b->layer;
    const int first = b->graph->node_count;
    int type = 0;
    while (type < COUNT_OF(types) && strcmp(types[type].type, layer->type) != 0)
        type++;
    assert(type < COUNT_OF(types));
    TRY(b->x = types[type].build(b));
    if (layer->relu && types[type].relu_node) {
        char name[sizeof layer->name + 8];
        snprintf(name, sizeof name, "%s.relu", layer->name);
        TRY(b->x = graph_relu(b->graph, name, b->x));
    }
    for (int node = first; node < b->graph->node_count; node++)
        b->graph->nodes[node].line = layer->line;
    return OK;
}

/* Adds a mistake where the layer does not take its input, and goes on with the likeliest. */
static struct output layer_build(struct building *b, struct output before, struct mistakes *mistakes)
{
    const struct config_layer *layer = b->layer;
    const bool is_add = strcmp(layer->type, "add") == 0, is_linear = strcmp(layer->type, "linear") == 0;
    const struct output from = layer->from[0] ? b->outputs[layer_number(b, layer->from)] : before;
    const struct output in = is_add ? before : from;
    bool known = is_add ? in.known && from.known : in.known;
    b->other = from.value;
    b->x = in.value;
    if (!known && is_add)
        return (struct output){b->x, false};
    if (!known)
        b->x = graph_stand_in(b->graph, roomy_shape(layer));
    const struct shape likely = likely_shape(b);
    if (build_nodes(b) < 0) {
        mistakes_add(mistakes, layer->line, "%s", fail_text());
        b->x = graph_stand_in(b->graph, likely);
        known = false;
    }
    return (struct output){b->x, known || is_linear};
}

/* The last layer must tell the classes apart. */
static void judge_end(const struct building *b, struct output last, struct mistakes *mistakes)
{
    char text[48];
    const struct config *config = b->config;
    const struct shape shape = b->graph->values[last.value].shape;
    if (!last.known || (config->layer_count > 0 && shape_equal(shape, (struct shape){1, 1, 1, b->class_count})))
        return;
    mistakes_add(mistakes, config->layer_count ? config->layers[config->layer_count - 1].line : ORIGIN_DEFAULT,
                 "the last layer gives %s, but the data has %d classes; end with a linear layer of %d units",
                 shape_text(text, shape), b->class_count, b->class_count);
}

void custom_build(struct graph *graph, const struct config *config, int class_count, struct mistakes *mistakes)
{
    struct building building = {.graph = graph, .config = config, .class_count = class_count};
    struct output last = {graph->input, true};
    for (int i = 0; i < config->layer_count; i++) {
        building.layer = &config->layers[i];
        last = building.outputs[i] = layer_build(&building, last, mistakes);
    }
    graph->logits = last.value;
    judge_end(&building, last, mistakes);
}
