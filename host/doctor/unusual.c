/* unusual: which settings lie outside what trainings are usually given, so that a fault is looked for there first. Must
 * not judge: a run may do well with any of them. */
#include "arms.h"
#include "fits.h"

#include <stdio.h>

#include <stdlib.h>
#include <string.h>

/* What is in common use: defaults of PyTorch and Keras, and the published recipes of the networks that they ship. A
 * decay of AdamW is decoupled from the gradient, so that it is given larger. A batch at which a larger one counts as a
 * repair (outcome.c) is small. */
static const struct range {
    const char *key;
    double low, high, of_adamw; /* of_adamw: the highest with AdamW; 0: the same */
} usual[] = {
    {"augment.erase", 0.0, 0.5, 0.0},       {"augment.rotate", 0.0, 45.0, 0.0},
    {"augment.translate", 0.0, 0.25, 0.0},  {"data.shuffle", 1.0, 1.0, 0.0},
    {"model.dropout", 0.0, 0.5, 0.0},       {"model.init_scale", 0.5, 2.0, 0.0},
    {"optim.beta1", 0.8, 0.95, 0.0},        {"optim.beta2", 0.95, 0.9999, 0.0},
    {"optim.eps", 0.0, 1e-6, 0.0},          {"optim.momentum", 0.5, 0.95, 0.0},
    {"optim.weight_decay", 0.0, 1e-3, 0.1}, {"train.label_smoothing", 0.0, 0.2, 0.0},
};

/* optim.clip_norm = 0 clips nothing. */
#define CLIP_LEAST 0.1

static double value_of(const struct config *config, const char *key)
{
    char text[EDIT_TEXT];
    if (!config_get(config, key, text, sizeof text))
        return 0.0;
    return strcmp(text, "true") == 0 ? 1.0 : strtod(text, NULL);
}

static bool stands_out(const struct config *config, const char *key)
{
    const double value = value_of(config, key);
    if (strcmp(key, "augment.normalize") == 0)
        return config->augment.normalize == NORMALIZE_NONE;
    if (strcmp(key, "optim.clip_norm") == 0)
        return value > 0.0 && value < CLIP_LEAST;
    if (strcmp(key, "train.accumulate") == 0) /* of a larger batch */
        return config->train.batch_size * config->train.accumulate <= SMALL_BATCH;
    for (int i = 0; i < COUNT_OF(usual); i++)
        if (strcmp(usual[i].key, key) == 0)
            return value < usual[i].low ||
                   value > (usual[i].of_adamw > 0.0 && config->optim.name == OPTIMIZER_ADAMW ? usual[i].of_adamw
                                                                                             : usual[i].high);
    return false;
}

bool setting_is_unusual(const char *setting, const struct config *config)
{
    char key[EDIT_TEXT];
    snprintf(key, sizeof key, "%.*s", (int)strcspn(setting, "="), setting);
    return stands_out(config, key);
}

bool arm_is_of_the_unusual(const struct arm *arm, const struct config *config)
{
    for (int i = 0; i < arm->override_count; i++)
        if (setting_is_unusual(arm->text[i], config))
            return true;
    return false;
}
