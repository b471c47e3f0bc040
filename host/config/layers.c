/* layers: the [[layer]] sections: their own small table of keys, and what a layer must and may have.
 * Must not know shapes: whether layers fit together is judged when the graph is built. */
#include "schema.h"
#include "text.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define SIZE(field)            sizeof(((struct config_layer *)0)->field)
#define AT(field)              .section = "layer", .offset = offsetof(struct config_layer, field), .bytes = SIZE(field)
#define FROM_TO(first, last)   .low = first, .high = last
#define FROM_BELOW(first, end) .low = first, .high = end, .below = true

static const char *const types[] = {"conv",        "linear",  "norm", "relu",    "max_pool", "avg_pool",
                                    "global_pool", "dropout", "add",  "flatten", NULL};

enum { LAYER_TYPE, LAYER_NAME, LAYER_FROM };
/* In the order in which they are written. */
const struct key layer_keys[] = {
    {.name = "type",
     .type = KEY_TEXT,
     AT(type),
     .words = types,
     .needed = NULL,
     .fallback = "required",
     .help = "what the layer does"},
    {.name = "name",
     .type = KEY_TEXT,
     AT(name),
     .fallback = "type and number",
     .help = "for from, for weights' names and for messages"},
    {.name = "from",
     .type = KEY_TEXT,
     AT(from),
     .needed = "add",
     .fallback = "the layer before",
     .help = "an earlier layer whose output is the input; add: which is added to the output of the layer before"},
    {.name = "filters",
     .type = KEY_INT,
     AT(filters),
     FROM_TO(1, 65536),
     .types = "conv",
     .needed = "conv",
     .fallback = "required",
     .help = "channels of the output"},
    {.name = "units",
     .type = KEY_INT,
     AT(units),
     FROM_TO(1, 1 << 20),
     .types = "linear",
     .fallback = "number of classes",
     .help = "size of the output"},
    {.name = "kernel",
     .aliases = "size",
     .type = KEY_INT,
     AT(kernel),
     FROM_TO(1, 255),
     .types = "conv max_pool avg_pool",
     .fallback = "conv 3, pooling 2",
     .help = "side of the window"},
    {.name = "stride",
     .type = KEY_INT,
     AT(stride),
     FROM_TO(1, 255),
     .types = "conv max_pool avg_pool",
     .fallback = "conv 1, pooling kernel",
     .help = "pixels from one window to the next"},
    {.name = "pad",
     .aliases = "padding",
     .type = KEY_INT,
     AT(pad),
     FROM_TO(0, 254),
     .types = "conv max_pool avg_pool",
     .fallback = "conv kernel / 2, pooling 0",
     .help = "zero pixels around the input"},
    {.name = "groups",
     .type = KEY_INT,
     AT(groups),
     FROM_TO(1, 65536),
     .types = "conv",
     .fallback = "1",
     .help = "channels are split into this many separate convolutions"},
    {.name = "bias",
     .type = KEY_BOOL,
     AT(bias),
     .mark_offset = offsetof(struct config_layer, bias_set),
     .types = "conv linear",
     .fallback = "true",
     .help = "add a learned number per output channel"},
    {.name = "relu",
     .aliases = "activation",
     .type = KEY_BOOL,
     AT(relu),
     .types = "conv linear norm max_pool avg_pool global_pool dropout add",
     .fallback = "false",
     .help = "end with a relu"},
    {.name = "rate",
     .aliases = "p",
     .type = KEY_FLOAT,
     AT(rate),
     FROM_BELOW(0, 1),
     .types = "dropout",
     .needed = "dropout",
     .fallback = "required",
     .help = "probability of dropping a value"},
};
const int layer_key_count = COUNT_OF(layer_keys);
static_assert(COUNT_OF(layer_keys) <= LAYER_KEYS_MAX, "LAYER_KEYS_MAX");

static struct config_layer *current(struct loader *loader)
{
    return &loader->config->layers[loader->config->layer_count - 1];
}

void layer_begin(struct loader *loader)
{
    struct config *config = loader->config;
    memset(loader->layer_key_line, 0, sizeof loader->layer_key_line);
    loader->layer_bad = false;
    if (!config->layers)
        config->layers = arena_push(&config->arena, CONFIG_LAYERS * sizeof *config->layers);
    if (config->layer_count == CONFIG_LAYERS) {
        mistakes_add(&loader->mistakes, loader->line, "[[layer]]: more than %d layers", CONFIG_LAYERS);
        loader->place = SECTION_UNKNOWN;
        return;
    }
    config->layers[config->layer_count++] = (struct config_layer){
        .line = loader->line, .filters = -1, .units = -1, .kernel = -1, .stride = -1, .pad = -1, .groups = -1};
}

static int find_key(const char *name)
{
    for (int i = 0; i < layer_key_count; i++)
        if (strcmp(layer_keys[i].name, name) == 0 || word_in(layer_keys[i].aliases, name))
            return i;
    return -1;
}

/* An activation by its name, as elsewhere: true or false of the one that there is. NULL: another. */
static const char *relu_of(const char *name)
{
    static const struct {
        const char *name, *relu;
    } names[] = {{"relu", "true"}, {"none", "false"}, {"linear", "false"}, {"true", "true"}, {"false", "false"}};
    for (int i = 0; i < COUNT_OF(names); i++)
        if (strcasecmp(names[i].name, name) == 0)
            return names[i].relu;
    return NULL;
}

void layer_set(struct loader *loader, const char *name)
{
    static _Thread_local struct token token;
    char problem[PROBLEM_BYTES];
    int index = find_key(name);
    if (index < 0) {
        const char *names[LAYER_KEYS_MAX];
        for (int i = 0; i < layer_key_count; i++)
            names[i] = layer_keys[i].name;
        suggest_words(name, names, layer_key_count, problem, sizeof problem);
        mistakes_add(&loader->mistakes, loader->line, "layer.%s: unknown key;%s", name,
                     *problem ? problem : " `evenkeel config --defaults` lists all keys");
        return;
    }
    const struct key *key = &layer_keys[index];
    if (loader->layer_key_line[index]) {
        mistakes_add(&loader->mistakes, loader->line,
                     "layer.%s: given in line %d already; a new layer begins with [[layer]]", key->name,
                     loader->layer_key_line[index]);
        return;
    }
    loader->layer_key_line[index] = loader->line;
    bool good = value_scan(loader->value, true, &token, problem);
    if (good && strcmp(name, "activation") == 0) {
        const char *relu = relu_of(token.text);
        good = relu && value_scan(relu, false, &token, problem);
        if (!relu)
            snprintf(problem, sizeof problem, "'%.40s' is none that there is; expected relu or none", token.text);
    }
    if (good && value_parse(key, current(loader), &token, problem))
        return;
    loader->layer_bad = true;
    mistakes_add(&loader->mistakes, loader->line, "layer.%s: %s", key->name, problem);
}

/* Keys that the layer's type does not take, and those it lacks. */
static void check_keys(struct loader *loader, const struct config_layer *layer)
{
    for (int i = 0; i < layer_key_count; i++) {
        const struct key *key = &layer_keys[i];
        char expected[512];
        value_expected(key, expected, sizeof expected);
        if (loader->layer_key_line[i] && key->types && !word_in(key->types, layer->type))
            mistakes_add(&loader->mistakes, loader->layer_key_line[i],
                         "layer.%s: has no meaning for type %s; expected with %s", key->name, layer->type, key->types);
        if (!loader->layer_key_line[i] && word_in(key->needed, layer->type))
            mistakes_add(&loader->mistakes, layer->line, "layer.%s: missing; type %s needs it; expected %s", key->name,
                         layer->type, expected);
    }
}

void layer_end(struct loader *loader)
{
    if (loader->place != SECTION_LAYER)
        return;
    struct config_layer *layer = current(loader);
    char expected[512];
    value_expected(&layer_keys[LAYER_TYPE], expected, sizeof expected);
    if (!loader->layer_key_line[LAYER_TYPE])
        mistakes_add(&loader->mistakes, layer->line, "layer.type: missing; expected %s", expected);
    else if (*layer->type)
        check_keys(loader, layer);
    loader->layers_bad = loader->layers_bad || loader->layer_bad || !*layer->type;
    loader->place = SECTION_NONE;
}

static const struct config_layer *find_layer(const struct config *config, int before, const char *name)
{
    for (int i = 0; i < before; i++)
        if (strcmp(config->layers[i].name, name) == 0)
            return &config->layers[i];
    return NULL;
}

/* "conv1", "conv2", …: the first number that no layer has. */
static void name_layer(struct config *config, struct config_layer *layer)
{
    for (int number = 1;; number++) {
        char name[sizeof layer->name];
        snprintf(name, sizeof name, "%s%d", layer->type, number);
        if (!find_layer(config, config->layer_count, name)) {
            text_copy(layer->name, sizeof layer->name, name);
            return;
        }
    }
}

static void check_names(struct loader *loader)
{
    struct config *config = loader->config;
    for (int i = 0; i < config->layer_count; i++) {
        const struct config_layer *layer = &config->layers[i], *same = find_layer(config, i, layer->name);
        if (*layer->name && same)
            mistakes_add(&loader->mistakes, layer->line, "layer.name: '%s' is the name of the layer in line %d too",
                         layer->name, same->line);
        if (!text_is_utf8(layer->name))
            mistakes_add(&loader->mistakes, layer->line, "layer.name: is not UTF-8; save the file as UTF-8");
    }
    for (int i = 0; i < config->layer_count; i++)
        if (!*config->layers[i].name)
            name_layer(config, &config->layers[i]);
}

/* Returns how many are wrong. */
static int check_from(struct loader *loader)
{
    struct config *config = loader->config;
    const int before = loader->mistakes.count;
    for (int i = 0; i < config->layer_count; i++) {
        const struct config_layer *layer = &config->layers[i];
        if (!*layer->from || find_layer(config, i, layer->from))
            continue;
        const char *names[CONFIG_LAYERS];
        char near[256];
        for (int j = 0; j < i; j++)
            names[j] = config->layers[j].name;
        suggest_words(layer->from, names, i, near, sizeof near);
        mistakes_add(&loader->mistakes, layer->line, "layer.from: '%s' is no earlier layer;%s", layer->from,
                     *near ? near : " expected the name of one");
    }
    return loader->mistakes.count - before;
}

/* Every output but the last must be read by something: a forgotten `from` would silently drop layers. */
static void check_used(struct loader *loader)
{
    const struct config *config = loader->config;
    for (int i = 0; i < config->layer_count - 1; i++) {
        const struct config_layer *layer = &config->layers[i];
        bool used = !*layer[1].from || strcmp(layer[1].type, "add") == 0;
        for (int later = i + 1; later < config->layer_count; later++)
            used |= strcmp(config->layers[later].from, layer->name) == 0;
        if (!used)
            mistakes_add(&loader->mistakes, layer->line,
                         "layer.from: the output of %s is read by no other layer; remove it, or name it in a from",
                         layer->name);
    }
}

void layers_end(struct loader *loader)
{
    if (loader->layers_bad)
        return; /* half-read layers have no names to go by */
    check_names(loader);
    if (check_from(loader) == 0)
        check_used(loader);
}

bool layer_has(const struct config_layer *layer, const struct key *key)
{
    const char *at = (const char *)layer + key->offset;
    if (word_in(key->needed, layer->type))
        return true;
    switch (key->type) {
    case KEY_INT: return *(const int *)at >= 0;
    case KEY_BOOL:
        return key->mark_offset ? *(const bool *)((const char *)layer + key->mark_offset) : *(const bool *)at;
    case KEY_TEXT: return *at != 0;
    default: return false;
    }
}
