/* layers: see include/layers.h. Must not know what the change is for. */
#include "layers.h"

#include "text.h"

#include <stdio.h>
#include <string.h>

/* What host/config/layers.c lets a layer have. */
enum { FILTERS_MOST = 65536, UNITS_MOST = 1 << 20 };

const char *const layer_changes[LAYER_CHANGES] = {
    [LAYERS_KEPT] = "",
    [LAYERS_DROP_NOTHING] = "no dropout in the layers",
    [LAYERS_NORMALISED] = "a normalisation behind every convolution and hidden layer",
    [LAYERS_WIDENED] = "four times the filters and units of the layers",
    [LAYERS_WIDENED_TWICE] = "sixteen times the filters and units of the layers",
    [LAYERS_OPEN] = "no relu behind the last layer",
};

/* Every layer gets four times as many filters and units, of very few 16 and 64, as long as a config may have so many.
 * All that have as many get as many, since layers may be added to one another: where any splits its channels into
 * groups, very few become four times as many too. */
static void widen(struct config *config)
{
    bool grouped = false;
    for (int i = 0; i < config->layer_count; i++)
        grouped |= config->layers[i].groups > 1;
    for (int i = 0; i < config->layer_count; i++) {
        struct config_layer *layer = &config->layers[i];
        if (layer->filters > 0 && layer->filters <= FILTERS_MOST / 4)
            layer->filters = layer->filters < 4 && !grouped ? 16 : 4 * layer->filters;
        if (layer->units > 0 && layer->units <= UNITS_MOST / 4)
            layer->units = layer->units < 16 ? 64 : 4 * layer->units;
    }
}

/* Whether the next layer normalises what this one computes. */
static bool is_followed(const struct config *config, int layer)
{
    const struct config_layer *next = &config->layers[layer + 1];
    return layer + 1 < config->layer_count && strcmp(next->type, "norm") == 0 && !*next->from;
}

/* Every convolution, and every linear layer but the last, which answers, is followed by a normalisation, which takes
 * its rectifier, unless it is already; who named the layer as input means what comes out of it now. */
static void normalise(struct config *config)
{
    struct config_layer *layers = arena_push(&config->arena, 2 * (size_t)config->layer_count * sizeof *layers);
    int count = 0;
    for (int i = 0; i < config->layer_count; i++) {
        struct config_layer layer = config->layers[i];
        for (int k = 0; k < count; k++)
            if (*layer.from && strcmp(layers[k].type, "norm") == 0 && strcmp(layers[k - 1].name, layer.from) == 0)
                text_copy(layer.from, sizeof layer.from, layers[k].name);
        layers[count++] = layer;
        const bool answers = i + 1 == config->layer_count;
        if (answers || is_followed(config, i) || (strcmp(layer.type, "conv") != 0 && strcmp(layer.type, "linear") != 0))
            continue;
        struct config_layer norm = {.type = "norm", .relu = layer.relu};
        norm.filters = norm.units = norm.kernel = norm.stride = norm.pad = norm.groups = -1;
        snprintf(norm.name, sizeof norm.name, "%.*s_norm", (int)sizeof norm.name - 6, layer.name);
        layers[count - 1].relu = false;
        layers[count++] = norm;
    }
    config->layers = layers;
    config->layer_count = count;
}

/* A layer that is nothing else goes; who named it as input means its own. */
static void open_answer(struct config *config)
{
    const int at = config_rectified_answer(config);
    if (at < 0)
        return;
    struct config_layer *layer = &config->layers[at];
    if (strcmp(layer->type, "relu") != 0) {
        layer->relu = false;
        return;
    }
    if (at + 1 < config->layer_count)
        text_copy(layer[1].from, sizeof layer[1].from, layer->from);
    memmove(layer, layer + 1, (size_t)(--config->layer_count - at) * sizeof *layer);
}

void layers_change(struct config *config, enum layer_change change)
{
    if (change == LAYERS_DROP_NOTHING)
        config_drop_nothing(config);
    if (change == LAYERS_OPEN)
        open_answer(config);
    if (change == LAYERS_NORMALISED)
        normalise(config);
    if (change == LAYERS_WIDENED || change == LAYERS_WIDENED_TWICE)
        widen(config);
    if (change == LAYERS_WIDENED_TWICE)
        widen(config);
}
