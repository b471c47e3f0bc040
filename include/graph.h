/* graph: a model as pure description: no memory, no device. Nodes stand in execution order; the last node's output is
 * the logits.
 * Level 2: includes op. */
#ifndef GRAPH_H
#define GRAPH_H
#include "op.h"

struct config;
struct mistakes;

enum value_role { VALUE_INPUT, VALUE_ACTIVATION, VALUE_PARAM, VALUE_STATE };

struct value {
    const char *name; /* weights: torchvision's name, "layer1.0.conv1.weight"; activations: the node's name */
    enum value_role role;
    struct shape shape; /* activations with n = 1 in the graph; the plan sets the batch */
    int rank;           /* weights only, see op_weight */
    enum weight_init init;
    int fan_in;
};

struct node {
    const char *name;
    enum op_kind op;
    union op_params params;
    int in[OP_MAX_IN], in_count;
    int weight[OP_MAX_WEIGHTS], weight_count; /* value numbers */
    int out;
    int line; /* of the config file that asked for it; 0: built in */
};

struct graph {
    struct arena arena;
    const char *model; /* name */
    struct node *nodes;
    struct value *values;
    int node_count, value_count, node_room, value_room;
    int input, logits; /* value numbers */
    int first_trained; /* nodes before it are held still: weights, running statistics, no dropout */
    int class_count;
    float init_scale; /* factor on weights drawn at random; 1 */
};

/* Starts a graph with one input value. graph_free accepts a zeroed struct. */
void graph_begin(struct graph *graph, const char *model, struct shape image);
void graph_free(struct graph *graph);

/* Each appends a node and returns its output's value number, or a negative status (text says why, with the node's
 * name). Weights are named "<name>.weight" and so on. */
int graph_node(struct graph *graph, const char *name, enum op_kind op, const union op_params *params, const int *in,
               int in_count);
int graph_conv2d(struct graph *graph, const char *name, int x, int filters, int kernel, int stride, int pad, bool bias);
int graph_linear(struct graph *graph, const char *name, int x, int units);
int graph_norm(struct graph *graph, const char *name, int x, int addend, bool relu); /* addend -1: none */
int graph_relu(struct graph *graph, const char *name, int x);
int graph_max_pool(struct graph *graph, const char *name, int x, int size, int stride, int pad);
int graph_global_pool(struct graph *graph, const char *name, int x);
int graph_dropout(struct graph *graph, const char *name, int x, float rate); /* rate 0: returns x */

/* A value of that shape that nothing computes, in place of one that could not be had: to go on and find what else is
 * wrong, in a graph that is then thrown away. */
int graph_stand_in(struct graph *graph, struct shape shape);

/* The network of the config's [model] section or [[layer]] sections for images of this shape. ERR_CONFIG: it cannot be
 * built for them; the text is the first mistake. */
int model_build(struct graph *graph, const struct config *config, struct shape image, int class_count);
/* Adds all that keeps it from being built. */
void model_judge(const struct config *config, struct shape image, int class_count, struct mistakes *mistakes);
/* Names for help and suggestions, NULL-terminated. */
extern const char *const model_names[];

int64_t graph_param_count(const struct graph *graph);
int64_t graph_trained_count(const struct graph *graph); /* the parameters of them that are not held still */
int64_t graph_node_param_count(const struct graph *graph, const struct node *node);
/* The fewest numbers of one image that everything after them is computed from, of the activations before the logits;
 * *node computes them. 0, NULL: there is no such activation. */
int64_t graph_bottleneck(const struct graph *graph, const struct node **node);
double graph_flops(const struct graph *graph); /* forward, one image */
double graph_node_flops(const struct graph *graph, const struct node *node);
#endif
