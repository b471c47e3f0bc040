/* policy: what augment.policy stands for: values for the augmentation keys that were not set themselves, one row a key;
 * and what is set of all that training sees and validation does not: these keys, mixing, dropout.
 * They are in shares and angles, so that they fit images of any size. Must not know files or command lines. */
#include "schema.h"

#include <math.h>
#include <string.h>

static const struct {
    const char *key;
    const char *value[4]; /* by enum policy_kind; NULL: as without a policy */
} presets[] = {
    {"augment.hflip", {NULL, "0.5", "0.5", "0.5"}},   {"augment.translate", {NULL, "0.06", "0.1", "0.1"}},
    {"augment.rotate", {NULL, NULL, "10", "15"}},     {"augment.scale", {NULL, NULL, "[0.9, 1.1]", "[0.8, 1.2]"}},
    {"augment.shear", {NULL, NULL, NULL, "5"}},       {"augment.brightness", {NULL, NULL, "0.2", "0.4"}},
    {"augment.contrast", {NULL, NULL, "0.2", "0.4"}}, {"augment.saturation", {NULL, NULL, NULL, "0.4"}},
    {"augment.hue", {NULL, NULL, NULL, "0.05"}},      {"augment.grayscale", {NULL, NULL, NULL, "0.1"}},
    {"augment.erase", {NULL, NULL, NULL, "0.25"}},    {"augment.mixup", {NULL, NULL, NULL, "0.2"}},
    {"augment.cutmix", {NULL, NULL, NULL, "1"}},
};

void policy_apply(struct loader *loader)
{
    for (int i = 0; i < COUNT_OF(presets); i++) {
        const char *value = presets[i].value[loader->config->augment.policy];
        int key = schema_find_full(presets[i].key);
        if (value && loader->origin[key] == ORIGIN_DEFAULT)
            loader_set(loader, key, ORIGIN_DEFAULT, value);
    }
}

const char *const config_augmentations[] = {
    "augment.hflip",      "augment.vflip",        "augment.rotate",    "augment.translate",  "augment.scale",
    "augment.shear",      "augment.crop_padding", "augment.crop_area", "augment.brightness", "augment.contrast",
    "augment.saturation", "augment.hue",          "augment.grayscale", "augment.erase",      NULL,
};
const char *const config_mixtures[] = {"augment.mixup", "augment.cutmix", "train.label_smoothing", NULL};

bool config_augments(const struct config *config)
{
    return config_sets_any(config, config_augmentations) || config->augment.crop > 0 || config->augment.mixup > 0.0 ||
           config->augment.cutmix > 0.0;
}

static bool is_dropout(const struct config_layer *layer)
{
    return strcmp(layer->type, "dropout") == 0;
}

/* A network of one's own has the layers that it lists and no others. */
double config_dropout(const struct config *config)
{
    double most = config->model.name == MODEL_CUSTOM ? 0.0 : config->model.dropout;
    for (int i = 0; i < config->layer_count; i++)
        if (is_dropout(&config->layers[i]))
            most = fmax(most, config->layers[i].rate);
    return most;
}

int config_rectified_answer(const struct config *config)
{
    int last = config->layer_count - 1;
    while (last > 0 && !*config->layers[last].from && !config->layers[last].relu &&
           (is_dropout(&config->layers[last]) || strcmp(config->layers[last].type, "flatten") == 0))
        last--;
    return last >= 0 && (config->layers[last].relu || strcmp(config->layers[last].type, "relu") == 0) ? last : -1;
}

void config_drop_nothing(struct config *config)
{
    config->model.dropout = 0.0;
    for (int i = 0; i < config->layer_count; i++)
        if (is_dropout(&config->layers[i]))
            config->layers[i].rate = 0.0f;
}
