/* advice: settings that are allowed and still cannot do what they were probably set for. One row each, and the
 * keys that nothing reads by the schema. Must not know how keys are read; contradictions that stop a run are in
 * check.c. */
#include "schema.h"

#include <stdio.h>
#include <string.h>

/* Early stopping ends at its patience-th bad epoch; the rate falls at the schedule's patience + 1-th, to be of use an
 * epoch before the end. */
static bool stops_before_the_rate_falls(const struct config *config)
{
    return config->schedule.name == SCHEDULE_PLATEAU && config->early_stop.patience > 0 &&
           config->early_stop.monitor == config->schedule.monitor &&
           config->early_stop.patience <= config->schedule.patience + 1;
}

static bool never_warm(const struct config *config)
{
    return config->schedule.warmup_epochs >= config->train.epochs && config->train.min_steps == 0;
}

static bool rate_never_steps(const struct config *config)
{
    return config->schedule.name == SCHEDULE_STEP && config->schedule.step_epochs >= config->train.epochs &&
           config->train.min_steps == 0;
}

/* With 8 images ImageNet's error is 1 point higher than with 32, with 4 it is 4, with 2 it is 11 (ResNet-50; Wu and He,
 * "Group normalization", 2018). */
static bool normalises_few(const struct config *config)
{
    enum { FEW = 4 };
    bool norms = config->model.name == MODEL_SMALL_CNN ? config->model.batch_norm : config->model.name != MODEL_MLP;
    if (config->model.name == MODEL_CUSTOM) {
        norms = false;
        for (int i = 0; i < config->layer_count; i++)
            norms |= strcmp(config->layers[i].type, "norm") == 0;
    }
    return norms && config->train.batch_size <= FEW;
}

static bool holds_what_was_drawn(const struct config *config)
{
    return *config->model.freeze_before && !*config->model.weights;
}

static bool answers_through_relu(const struct config *config)
{
    return config_rectified_answer(config) >= 0;
}

static const struct {
    bool (*applies)(const struct config *config);
    const char *text;
} advice[] = {
    {stops_before_the_rate_falls,
     "early stopping ends this run before the plateau schedule can lower the rate; raise early_stop.patience above "
     "schedule.patience + 1 to see whether a lower rate helps"},
    {never_warm, "the warm-up lasts as long as the whole run; lower schedule.warmup_epochs"},
    {normalises_few, "batch normalisation over so few images is mostly noise, whatever train.accumulate is; raise "
                     "train.batch_size to 16, or do without normalisation"},
    {holds_what_was_drawn, "model.freeze_before holds weights that were drawn at random; name the learned ones with "
                           "model.weights"},
    {answers_through_relu, "the network's answers pass through a relu: a class whose answer is below 0 learns nothing; "
                           "take it from the last [[layer]]"},
    {rate_never_steps, "the run ends before the rate's first step; lower schedule.step_epochs"},
};

/* A key that was changed although the choice it goes with was not made ("momentum = 0.5" with Adam): 1 when so. */
static int advise_unused(const struct config *config, const struct key *key,
                         void (*say)(const char *format, ...) __attribute__((format(printf, 1, 2))))
{
    if (!key->only_key)
        return 0;
    char full[64], value_text[128], other_text[128];
    snprintf(full, sizeof full, "%s.%s", key->section, key->name);
    const char *value = config_word(config, full, value_text, sizeof value_text),
               *other = config_word(config, key->only_key, other_text, sizeof other_text);
    if (strcmp(value, key->fallback) == 0 || word_in(key->only_words, other))
        return 0;
    say("%s = %s has no effect with %s = %s; it is for %s", full, value, key->only_key, other, key->only_words);
    return 1;
}

/* Keys that do nothing while another is 0 or empty. */
static const struct {
    const char *key, *of;
} parts[] = {
    {"augment.crop_ratio", "augment.crop_area"}, {"augment.padding_mode", "augment.crop_padding"},
    {"augment.erase_area", "augment.erase"},     {"augment.erase_ratio", "augment.erase"},
    {"optim.decay", "optim.weight_decay"},       {"schedule.warmup_start", "schedule.warmup_epochs"},
};

static int advise_part(const struct config *config, const char *key, const char *of,
                       void (*say)(const char *format, ...) __attribute__((format(printf, 1, 2))))
{
    char value_text[128], other_text[128];
    const char *value = config_word(config, key, value_text, sizeof value_text),
               *other = config_word(config, of, other_text, sizeof other_text);
    if (strcmp(value, schema_keys[schema_find_full(key)].fallback) == 0 || !word_in("0 []", other))
        return 0;
    say("%s = %s has no effect with %s = %s", key, value, of, other);
    return 1;
}

/* Images are set aside only where none are named. */
static int advise_fraction(const struct config *config,
                           void (*say)(const char *format, ...) __attribute__((format(printf, 1, 2))))
{
    char text[128];
    const char *value = config_word(config, "data.val_fraction", text, sizeof text);
    if (!*config->data.val || strcmp(value, schema_keys[schema_find_full("data.val_fraction")].fallback) == 0)
        return 0;
    say("data.val_fraction = %s has no effect with data.val = %s", value, config->data.val);
    return 1;
}

int config_advise(const struct config *config,
                  void (*say)(const char *format, ...) __attribute__((format(printf, 1, 2))))
{
    int count = 0;
    for (int i = 0; i < COUNT_OF(advice); i++)
        if (advice[i].applies(config)) {
            say("%s", advice[i].text);
            count++;
        }
    count += advise_fraction(config, say);
    for (int i = 0; i < COUNT_OF(parts); i++)
        count += advise_part(config, parts[i].key, parts[i].of, say);
    for (int i = 0; i < schema_key_count; i++)
        count += advise_unused(config, &schema_keys[i], say);
    return count;
}

/* A schedule that is cut off before it has done half of what it is for: the rate is as good as constant. */
int config_advise_steps(const struct config *config, int64_t steps_per_epoch,
                        void (*say)(const char *format, ...) __attribute__((format(printf, 1, 2))))
{
    const int64_t ends = config->train.max_steps, planned = config->train.epochs * steps_per_epoch,
                  first = config->schedule.step_epochs * steps_per_epoch;
    char text[128];
    const bool cosine = config->schedule.name == SCHEDULE_COSINE && 2 * ends < planned;
    const bool step = config->schedule.name == SCHEDULE_STEP && ends <= first && first < planned;
    if (ends == 0 || !(cosine || step))
        return 0;
    say("train.max_steps = %lld ends the run before schedule.name = %s %s; it is planned over %lld steps (train.epochs "
        "= "
        "%d): set train.epochs to what is trained",
        (long long)ends, config_word(config, "schedule.name", text, sizeof text),
        cosine ? "has halved the rate" : "has lowered the rate", (long long)planned, config->train.epochs);
    return 1;
}
