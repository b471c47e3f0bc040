/* zoo: the built-in networks, each a plain builder over graph.h. Owns architectures and torchvision's names; must not
 * know plans or devices. Networks from [[layer]] sections are in custom.c. */
#include "config.h"
#include "custom.h"
#include "graph.h"
#include "mistakes.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { NAME_BYTES = 64 };

/* ---- small networks ---- */

/* Three stages of convolution, normalisation (or bias), relu, 2x2 max pooling; width, 2 width, 4 width filters. */
static int build_small_cnn(struct graph *graph, const struct config *config, int class_count)
{
    char name[NAME_BYTES];
    int x = graph->input;
    for (int stage = 1; stage <= 3; stage++) {
        snprintf(name, sizeof name, "conv%d", stage);
        TRY(x = graph_conv2d(graph, name, x, config->model.width << (stage - 1), 3, 1, 1, !config->model.batch_norm));
        snprintf(name, sizeof name, config->model.batch_norm ? "bn%d" : "relu%d", stage);
        TRY(x = config->model.batch_norm ? graph_norm(graph, name, x, -1, true) : graph_relu(graph, name, x));
        const struct shape shape = graph->values[x].shape;
        if (shape.h >= 4 && shape.w >= 4) {
            snprintf(name, sizeof name, "pool%d", stage);
            TRY(x = graph_max_pool(graph, name, x, 2, 2, 0));
        }
    }
    TRY(x = graph_global_pool(graph, "avgpool", x));
    TRY(x = graph_dropout(graph, "dropout", x, (float)config->model.dropout));
    return graph_linear(graph, "fc", x, class_count);
}

/* Two hidden layers; hidden = 0 is plain softmax regression. */
static int build_mlp(struct graph *graph, const struct config *config, int class_count)
{
    char name[NAME_BYTES];
    int x = graph->input;
    for (int layer = 1; layer <= 2 && config->model.hidden > 0; layer++) {
        snprintf(name, sizeof name, "fc%d", layer);
        TRY(x = graph_linear(graph, name, x, config->model.hidden));
        snprintf(name, sizeof name, "relu%d", layer);
        TRY(x = graph_relu(graph, name, x));
        snprintf(name, sizeof name, "dropout%d", layer);
        TRY(x = graph_dropout(graph, name, x, (float)config->model.dropout));
    }
    return graph_linear(graph, "fc", x, class_count);
}

/* ---- ResNets (He et al., "Deep residual learning for image recognition", 2015), named and initialised as in
 * torchvision ---- */

struct resnet {
    int blocks[4];
    bool bottleneck;
};

/* A convolution without bias and its normalisation. prefix ends in a dot or is empty. */
static int conv_norm(struct graph *graph, const char *prefix, const char *conv, const char *norm, int x,
                     const int geometry[4], int addend, bool relu)
{
    char name[NAME_BYTES];
    snprintf(name, sizeof name, "%s%s", prefix, conv);
    TRY(x = graph_conv2d(graph, name, x, geometry[0], geometry[1], geometry[2], geometry[3], false));
    graph->values[graph->nodes[graph->node_count - 1].weight[0]].init = INIT_HE_FAN_OUT;
    snprintf(name, sizeof name, "%s%s", prefix, norm);
    return graph_norm(graph, name, x, addend, relu);
}

/* Stride on the 3x3 convolution of a bottleneck (torchvision's "v1.5"). The shortcut's nodes stand before the addition.
 */
static int resnet_block(struct graph *graph, const char *prefix, int x, int planes, int stride, bool bottleneck)
{
    const int out_channels = bottleneck ? planes * 4 : planes;
    const bool projected = stride != 1 || graph->values[x].shape.c != out_channels;
    int shortcut = x;
    const int narrow[4] = {planes, 1, 1, 0}, strided[4] = {planes, 3, stride, 1}, plain[4] = {planes, 3, 1, 1};
    const int wide[4] = {out_channels, 1, 1, 0}, projection[4] = {out_channels, 1, stride, 0};

    int y = x;
    if (bottleneck)
        TRY(y = conv_norm(graph, prefix, "conv1", "bn1", y, narrow, -1, true));
    TRY(y = bottleneck ? conv_norm(graph, prefix, "conv2", "bn2", y, strided, -1, true)
                       : conv_norm(graph, prefix, "conv1", "bn1", y, strided, -1, true));
    if (projected)
        TRY(shortcut = conv_norm(graph, prefix, "downsample.0", "downsample.1", x, projection, -1, false));
    return bottleneck ? conv_norm(graph, prefix, "conv3", "bn3", y, wide, shortcut, true)
                      : conv_norm(graph, prefix, "conv2", "bn2", y, plain, shortcut, true);
}

static int build_resnet(struct graph *graph, const struct config *config, const struct resnet *resnet, int class_count)
{
    const struct shape image = graph->values[graph->input].shape;
    const bool small =
        config->model.stem == STEM_CIFAR || (config->model.stem == STEM_AUTO && image.h <= 64 && image.w <= 64);
    const int stem_small[4] = {64, 3, 1, 1}, stem_large[4] = {64, 7, 2, 3};
    int x = graph->input;
    TRY(x = conv_norm(graph, "", "conv1", "bn1", x, small ? stem_small : stem_large, -1, true));
    if (!small)
        TRY(x = graph_max_pool(graph, "maxpool", x, 3, 2, 1));
    char prefix[NAME_BYTES];
    for (int stage = 0; stage < 4; stage++)
        for (int block = 0; block < resnet->blocks[stage]; block++) {
            snprintf(prefix, sizeof prefix, "layer%d.%d.", stage + 1, block);
            const int stride = stage > 0 && block == 0 ? 2 : 1;
            TRY(x = resnet_block(graph, prefix, x, 64 << stage, stride, resnet->bottleneck));
        }
    TRY(x = graph_global_pool(graph, "avgpool", x));
    TRY(x = graph_dropout(graph, "dropout", x, (float)config->model.dropout));
    return graph_linear(graph, "fc", x, class_count);
}

static int build_resnet18(struct graph *graph, const struct config *config, int class_count)
{
    return build_resnet(graph, config, &(struct resnet){{2, 2, 2, 2}, false}, class_count);
}

static int build_resnet34(struct graph *graph, const struct config *config, int class_count)
{
    return build_resnet(graph, config, &(struct resnet){{3, 4, 6, 3}, false}, class_count);
}

static int build_resnet50(struct graph *graph, const struct config *config, int class_count)
{
    return build_resnet(graph, config, &(struct resnet){{3, 4, 6, 3}, true}, class_count);
}

/* ---- the table ---- */

static const struct {
    const char *name;
    int (*build)(struct graph *graph, const struct config *config, int class_count);
} zoo[] = {
    [MODEL_SMALL_CNN] = {"small_cnn", build_small_cnn}, [MODEL_MLP] = {"mlp", build_mlp},
    [MODEL_RESNET18] = {"resnet18", build_resnet18},    [MODEL_RESNET34] = {"resnet34", build_resnet34},
    [MODEL_RESNET50] = {"resnet50", build_resnet50},    [MODEL_CUSTOM] = {"custom", NULL},
};

/* One value has no variance. */
static void judge_norms(const struct graph *graph, const struct config *config, struct mistakes *mistakes)
{
    for (int i = 0; i < graph->node_count && config->train.batch_size == 1; i++) {
        const struct node *node = &graph->nodes[i];
        const struct shape in = graph->values[node->in[0]].shape;
        if (node->op != OP_NORM || in.h * in.w > 1)
            continue;
        mistakes_add_key(mistakes, config, "train.batch_size",
                         "%s normalises over one value per channel, a batch of 1 image of 1x1 pixels, which has no "
                         "variance; use 2 or more, or larger images",
                         node->name);
        return;
    }
}

/* "layer4" is the first layer of that name or whose name begins with "layer4.". */
static int find_layer(const struct graph *graph, const char *name)
{
    const size_t length = strlen(name);
    for (int i = 0; i < graph->node_count; i++) {
        const char *at = graph->nodes[i].name;
        if (strncmp(at, name, length) == 0 && (at[length] == '\0' || at[length] == '.'))
            return i;
    }
    return -1;
}

static void freeze(struct graph *graph, const struct config *config, struct mistakes *mistakes)
{
    const char *name = config->model.freeze_before;
    if (!*name || graph->node_count == 0)
        return;
    const int first = find_layer(graph, name);
    graph->first_trained = first < 0 ? 0 : first;
    if (first < 0)
        mistakes_add_key(mistakes, config, "model.freeze_before",
                         "%s has no layer '%s'; its last is %s, and `evenkeel model CONFIG` lists all", graph->model,
                         name, graph->nodes[graph->node_count - 1].name);
    else if (graph_trained_count(graph) == 0)
        mistakes_add_key(mistakes, config, "model.freeze_before",
                         "no layer from '%s' on has weights, so nothing would be trained", name);
}

static void build(struct graph *graph, const struct config *config, struct shape image, int class_count,
                  struct mistakes *mistakes)
{
    assert((unsigned)config->model.name < (unsigned)COUNT_OF(zoo) && class_count >= 1);
    const char *name = zoo[config->model.name].name;
    graph_begin(graph, name, image);
    graph->class_count = class_count;
    graph->init_scale = (float)config->model.init_scale;
    if (config->model.name == MODEL_CUSTOM)
        custom_build(graph, config, class_count, mistakes);
    else if (zoo[config->model.name].build(graph, config, class_count) < 0)
        mistakes_add_key(mistakes, config, "model.name",
                         "%s does not fit images of %dx%d: %s; use larger images or another model", name, image.h,
                         image.w, fail_text());
    judge_norms(graph, config, mistakes);
    freeze(graph, config, mistakes);
}

int model_build(struct graph *graph, const struct config *config, struct shape image, int class_count)
{
    struct mistakes mistakes;
    mistakes_begin(&mistakes, config);
    build(graph, config, image, class_count, &mistakes);
    if (mistakes.count > 0)
        graph_free(graph);
    return mistakes_tell(&mistakes, NULL);
}

void model_judge(const struct config *config, struct shape image, int class_count, struct mistakes *mistakes)
{
    struct graph graph;
    build(&graph, config, image, class_count, mistakes);
    graph_free(&graph);
}
