/* check: keys that are right alone and wrong together. One row per contradiction; a rule is left out where one of its
 * keys was refused already. Must not know how keys are read. */
#include "file.h"
#include "schema.h"
#include "text.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool loss_maximized(enum monitor_kind monitor, enum monitor_mode mode)
{
    return monitor == MONITOR_VAL_ACCURACY ? mode == MODE_MIN : mode == MODE_MAX;
}

static bool no_validation(const struct config *config, enum monitor_kind monitor)
{
    return monitor != MONITOR_TRAIN_LOSS && !*config->data.val && config->data.val_fraction == 0;
}

static bool nesterov_alone(const struct config *config)
{
    return config->optim.nesterov && (config->optim.name != OPTIMIZER_SGD || config->optim.momentum == 0);
}

static bool ema_warmup_alone(const struct config *config)
{
    return config->optim.ema_warmup && config->optim.ema_decay == 0;
}

static bool plateau_blind(const struct config *config)
{
    return config->schedule.name == SCHEDULE_PLATEAU && no_validation(config, config->schedule.monitor);
}

static bool plateau_upside_down(const struct config *config)
{
    return loss_maximized(config->schedule.monitor, config->schedule.mode);
}

static bool stopping_blind(const struct config *config)
{
    return config->early_stop.patience > 0 && no_validation(config, config->early_stop.monitor);
}

static bool stopping_upside_down(const struct config *config)
{
    return loss_maximized(config->early_stop.monitor, config->early_stop.mode);
}

static bool floor_above_rate(const struct config *config)
{
    return config->schedule.min_lr > config->optim.lr;
}

static bool crop_too_large(const struct config *config)
{
    return config->data.resize > 0 && config->augment.crop > config->data.resize + 2 * config->augment.crop_padding;
}

/* Two numbers that begin and end a range; or none, if that is allowed. */
static bool no_range(const double *values, int count, bool none_allowed)
{
    return !(count == 2 && values[0] <= values[1]) && !(count == 0 && none_allowed);
}

static bool scale_no_range(const struct config *config)
{
    return no_range(config->augment.scale, config->augment.scale_count, true);
}

static bool crop_area_no_range(const struct config *config)
{
    return no_range(config->augment.crop_area, config->augment.crop_area_count, true);
}

static bool crop_ratio_no_range(const struct config *config)
{
    return no_range(config->augment.crop_ratio, config->augment.crop_ratio_count, false);
}

static bool erase_area_no_range(const struct config *config)
{
    return no_range(config->augment.erase_area, config->augment.erase_area_count, false);
}

static bool erase_ratio_no_range(const struct config *config)
{
    return no_range(config->augment.erase_ratio, config->augment.erase_ratio_count, false);
}

static bool resized_crop_padded(const struct config *config)
{
    return config->augment.crop_area_count > 0 && config->augment.crop_padding > 0;
}

static bool counts_differ(const struct config *config)
{
    return config->augment.mean_count != config->augment.std_count;
}

static bool numbers_missing(const struct config *config)
{
    return config->augment.normalize == NORMALIZE_GIVEN && config->augment.mean_count == 0 &&
           config->augment.std_count == 0;
}

static bool numbers_unused(const struct config *config)
{
    return config->augment.normalize != NORMALIZE_GIVEN && config->augment.mean_count > 0 &&
           config->augment.mean_count == config->augment.std_count;
}

static bool layers_missing(const struct config *config)
{
    return config->model.name == MODEL_CUSTOM && config->layer_count == 0;
}

static bool half_on_cpu(const struct config *config)
{
    return config->train.precision == PRECISION_FP16 && strcmp(config->train.device, "cpu") == 0;
}

static const struct rule {
    bool (*broken)(const struct config *config);
    const char *keys[4]; /* the first that was set is named */
    const char *message;
} rules[] = {
    {nesterov_alone, {"optim.nesterov", "optim.name", "optim.momentum"}, "needs sgd with momentum above 0"},
    {ema_warmup_alone,
     {"optim.ema_warmup", "optim.ema_decay"},
     "there is no running mean; set optim.ema_decay above 0"},
    {plateau_blind,
     {"schedule.monitor", "schedule.name", "data.val_fraction", "data.val"},
     "the schedule watches validation, and there is none; set data.val or data.val_fraction, or monitor train_loss"},
    {stopping_blind,
     {"early_stop.patience", "early_stop.monitor", "data.val_fraction", "data.val"},
     "early stopping watches validation, and there is none; set data.val or data.val_fraction, or monitor train_loss"},
    {plateau_upside_down, {"schedule.mode", "schedule.monitor"}, "a loss improves downwards and an accuracy upwards"},
    {stopping_upside_down,
     {"early_stop.mode", "early_stop.monitor"},
     "a loss improves downwards and an accuracy upwards"},
    {floor_above_rate, {"schedule.min_lr", "optim.lr"}, "the lowest rate is above the rate to begin with"},
    {crop_too_large,
     {"augment.crop", "data.resize", "augment.crop_padding"},
     "the crop is larger than the resized image with its padding"},
    {scale_no_range, {"augment.scale"}, "needs two numbers, the smaller first, or []"},
    {crop_area_no_range, {"augment.crop_area"}, "needs two numbers, the smaller first, or []"},
    {crop_ratio_no_range, {"augment.crop_ratio"}, "needs two numbers, the smaller first"},
    {erase_area_no_range, {"augment.erase_area"}, "needs two numbers, the smaller first"},
    {erase_ratio_no_range, {"augment.erase_ratio"}, "needs two numbers, the smaller first"},
    {resized_crop_padded,
     {"augment.crop_padding", "augment.crop_area"},
     "a random resized crop lies within the image and takes no padding"},
    {counts_differ, {"augment.mean", "augment.std"}, "mean and std need the same number of values, one per channel"},
    {numbers_missing, {"augment.normalize", "augment.mean"}, "given needs augment.mean and augment.std"},
    {numbers_unused, {"augment.normalize", "augment.mean", "augment.std"}, "mean and std are used only with given"},
    {half_on_cpu, {"train.precision", "train.device"}, "fp16 is for cuda alone; set auto, bf16 or fp32"},
    {layers_missing, {"model.name"}, "custom needs [[layer]] sections in the file"},
};

/* " (optim.nesterov = true, optim.name = "adam")" */
static void print_values(const struct loader *loader, const struct rule *rule, char *text, size_t bytes)
{
    size_t used = 0;
    for (int i = 0; i < COUNT_OF(rule->keys) && rule->keys[i] && used < bytes; i++) {
        char value[128];
        config_get(loader->config, rule->keys[i], value, sizeof value);
        used += (size_t)snprintf(text + used, bytes - used, "%s%s = %s", i ? ", " : " (", rule->keys[i], value);
    }
    if (used < bytes)
        snprintf(text + used, bytes - used, ")");
}

static void check_rule(struct loader *loader, const struct rule *rule)
{
    int named = -1, origin = ORIGIN_DEFAULT;
    for (int i = 0; i < COUNT_OF(rule->keys) && rule->keys[i]; i++) {
        int key = schema_find_full(rule->keys[i]);
        if (loader->bad[key])
            return;
        if (named < 0 && loader->origin[key] != ORIGIN_DEFAULT) {
            named = i;
            origin = loader->origin[key];
        }
    }
    if (!rule->broken(loader->config))
        return;
    char values[512];
    print_values(loader, rule, values, sizeof values);
    mistakes_add(&loader->mistakes, origin, "%s: %s%s", rule->keys[named < 0 ? 0 : named], rule->message, values);
}

/* What was left out takes the value that goes with the rest. */
static void fill_in(struct loader *loader)
{
    struct config *config = loader->config;
    policy_apply(loader);
    if (loader->origin[schema_find_full("augment.normalize")] == ORIGIN_DEFAULT && config->augment.mean_count > 0)
        config->augment.normalize = NORMALIZE_GIVEN;
    /* PyTorch's AdamW decays by default, its Adam does not. */
    if (loader->origin[schema_find_full("optim.weight_decay")] == ORIGIN_DEFAULT &&
        config->optim.name == OPTIMIZER_ADAMW)
        config->optim.weight_decay = 0.01;
}

static void check_layers(struct loader *loader)
{
    const struct config *config = loader->config;
    int key = schema_find_full("model.name");
    if (config->layer_count > 0 && config->model.name != MODEL_CUSTOM && !loader->bad[key])
        mistakes_add(&loader->mistakes,
                     loader->origin[key] == ORIGIN_DEFAULT ? config->layers[0].line : loader->origin[key],
                     "model.name: the [[layer]] sections are used only with model.name = \"custom\"");
}

/* A name with a line's end in it would make two lines of the one that train prints. */
static void check_name(struct loader *loader)
{
    int key = schema_find_full("run.name");
    const char *name = loader->config->run.name;
    if (loader->origin[key] != ORIGIN_DEFAULT && (strchr(name, '/') || *name == '.' || text_has_control(name)))
        mistakes_add(&loader->mistakes, loader->origin[key],
                     "run.name: '%s' cannot name a folder in run.dir; expected a name without / and control characters "
                     "that begins with no dot",
                     name);
}

/* "auto", "cpu", "cuda", "cuda:1". Whether there is such a device is known where one is opened. */
static void check_device(struct loader *loader)
{
    const int key = schema_find_full("train.device");
    const char *name = loader->config->train.device, *colon = strchr(name, ':');
    static const char *const words[] = {"auto", "cpu", "cuda"};
    const size_t length = colon ? (size_t)(colon - name) : strlen(name);
    int64_t number = 0;
    bool known = !colon || (length == 4 && strncmp(name, "cuda", 4) == 0 && text_to_int64(colon + 1, &number) &&
                            number >= 0 && number <= 1023);
    int i = 0;
    while (known && i < COUNT_OF(words) && (strlen(words[i]) != length || strncmp(words[i], name, length) != 0))
        i++;
    if (!known || i == COUNT_OF(words))
        mistakes_add(&loader->mistakes, loader->origin[key],
                     "train.device: '%s' is not a device; expected auto, cpu, cuda or cuda:N%s", name,
                     strcasecmp(name, "gpu") == 0 || strcasecmp(name, "cuda") == 0 ? "; did you mean cuda?" : "");
}

/* Whether the images are there is found out where they are opened. A config that is refused does not come that far:
 * what can be seen of it now is told with the rest. Patterns and packed copies (data.cache) are left to that place. */
static void check_paths(struct loader *loader)
{
    static const char *const keys[] = {"data.train", "data.val"}, *const packs[] = {".train.pack", ".val.pack",
                                                                                    ".pack"};
    const char *const paths[] = {loader->config->data.train, loader->config->data.val};
    if (!word_in("auto off", loader->config->data.cache))
        return;
    for (int i = 0; i < COUNT_OF(keys) && loader->mistakes.count > 0; i++) {
        const int key = schema_find_full(keys[i]);
        char pack[PATH_BYTES + 16], own[PATH_BYTES + 16];
        snprintf(pack, sizeof pack, "%s%s", paths[i], packs[i]);
        snprintf(own, sizeof own, "%s%s", paths[i], packs[COUNT_OF(keys)]);
        if (*paths[i] && !loader->bad[key] && !strchr(paths[i], '{') && !file_exists(paths[i]) && !file_exists(pack) &&
            !file_exists(own))
            mistakes_add(&loader->mistakes, loader->origin[key], "%s: %s: no such file or folder", keys[i], paths[i]);
    }
}

void check_all(struct loader *loader)
{
    fill_in(loader);
    for (int i = 0; i < COUNT_OF(rules); i++)
        check_rule(loader, &rules[i]);
    check_layers(loader);
    check_name(loader);
    check_device(loader);
    check_paths(loader);
}
