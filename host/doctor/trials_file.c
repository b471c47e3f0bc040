/* trials_file: an experiment as JSON, in RUN/trials.json and in the doctor's answer. Must not judge. */
#include "experiment.h"

#include "arms.h"
#include "file.h"
#include "json.h"
#include "text.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

static const char *const family_names[ARM_FAMILIES] = {
    [ARM_ANEW] = "anew", [ARM_ONWARD] = "onward", [ARM_UNSEEN] = "unseen", [ARM_FREED] = "freed"};

/* ---- writing ---- */

static json_t *arm_json(const struct experiment *experiment, const struct arm *arm, const char *why)
{
    json_t *changes = json_array();
    for (int i = 0; i < arm->override_count; i++)
        json_array_append_new(changes, json_string(arm->text[i]));
    const bool compared = arm->done && arm->cause != CAUSE_HEALTHY;
    return json_pack(
        "{s:s, s:s, s:s, s:o, s:s*, s:I, s:i, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:o, s:b, s:b, s:s*, "
        "s:s*}",
        "name", arm->name, "family", family_names[arm->family], "cause", cause_table[arm->cause].name, "changes",
        changes, "layers", arm->layers ? layer_changes[arm->layers] : NULL, "left_out", (json_int_t)arm->left_out_count,
        "pace", arm->pace, "done", arm->done, "loss", json_known(arm->done ? arm->result.loss : NAN), "right",
        json_known(arm->done ? arm->result.right : NAN), "train_accuracy",
        json_known(arm->done ? arm->result.train_accuracy : NAN), "gain", json_known(compared ? arm->gain : NAN),
        "error", json_known(compared ? arm->error : NAN), "right_gain", json_known(compared ? arm->right_gain : NAN),
        "right_error", json_known(compared ? arm->right_error : NAN), "share",
        json_known(compared ? experiment_share(experiment, arm) : NAN), "longer", arm->longer, "longer_loss",
        json_known(arm->longer > 0 ? arm->longer_loss : NAN), "suspected", arm->suspected, "helps", arm->helps,
        "refused", arm->refused[0] ? arm->refused : NULL, "why", why);
}

static json_t *by_heart_json(bool done, int images, const struct trial_result *result)
{
    return done ? json_pack("{s:i, s:i, s:o}", "images", images, "updates", result->updates, "accuracy",
                            json_known(result->best_accuracy))
                : json_null();
}

char *experiment_json(const struct experiment *experiment, const char *const *why, struct arena *arena)
{
    json_t *arms = json_array();
    for (int i = 0; i < experiment->arm_count; i++)
        json_array_append_new(arms, arm_json(experiment, &experiment->arms[i], why ? why[i] : NULL));
    json_t *memory = by_heart_json(experiment->memory_done, experiment->memory_images, &experiment->memory);
    json_t *wider = by_heart_json(experiment->wider_done, experiment->memory_images, &experiment->wider);
    json_t *all = json_pack("{s:i, s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:o, s:o, s:o}", "batch", experiment->batch,
                            "updates", experiment->updates, "spent", experiment->updates_spent, "allowed",
                            experiment->updates_allowed, "wanted", experiment->updates_wanted, "seconds",
                            experiment->seconds, "seconds_allowed", experiment->seconds_allowed, "guess",
                            experiment->guess, "by_heart", memory, "by_heart_wider", wider, "arms", arms);
    char *text = all ? json_dumps(all, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) : NULL;
    char *kept = arena_text(arena, text ? text : "null");
    free(text);
    json_decref(all);
    return kept;
}

int experiment_write(const struct experiment *experiment, int64_t steps, const char *path)
{
    struct arena arena = {0};
    struct new_file file;
    int status = new_file_open(&file, path);
    if (status == OK) {
        fprintf(file.stream, "{\"steps\": %lld, \"experiment\": %s}\n", (long long)steps,
                experiment_json(experiment, NULL, &arena));
        status = new_file_commit(&file);
    }
    arena_free(&arena);
    return status;
}

/* ---- reading ---- */

static int find_name(const json_t *object, const char *key, const char *(*name_at)(int), int count)
{
    const char *name = json_string_value(json_object_get(object, key));
    for (int i = 0; name && i < count; i++)
        if (strcmp(name, name_at(i)) == 0)
            return i;
    return -1;
}

static const char *layers_at(int change)
{
    return layer_changes[change];
}

static const char *cause_at(int cause)
{
    return cause_table[cause].name;
}

static const char *family_at(int family)
{
    return family_names[family];
}

/* What arm_json writes null for is not a number, whatever is said of it here. */
static bool read_arm(struct arm *arm, const json_t *json)
{
    const char *name = json_string_value(json_object_get(json, "name"));
    const int family = find_name(json, "family", family_at, ARM_FAMILIES);
    const int cause = find_name(json, "cause", cause_at, CAUSE_COUNT);
    const int layers =
        json_object_get(json, "layers") ? find_name(json, "layers", layers_at, LAYER_CHANGES) : LAYERS_KEPT;
    const json_t *changes = json_object_get(json, "changes");
    const json_int_t pace = json_integer_value(json_object_get(json, "pace"));
    const bool done = json_is_true(json_object_get(json, "done")), compared = done && cause != CAUSE_HEALTHY;
    if (!name || family < 0 || cause < 0 || layers < 0 || json_array_size(changes) > ARM_OVERRIDES || pace < 1 ||
        pace > 1000)
        return false;
    *arm = (struct arm){.family = (enum arm_family)family,
                        .cause = (enum cause)cause,
                        .layers = (enum layer_change)layers,
                        .left_out_count = json_integer_value(json_object_get(json, "left_out")),
                        .pace = (int)pace,
                        .longer = done ? (int)json_integer_value(json_object_get(json, "longer")) : 0,
                        .longer_loss = json_known_value(json, "longer_loss"),
                        .suspected = json_is_true(json_object_get(json, "suspected")),
                        .done = done,
                        .result = {.loss = done ? json_known_value(json, "loss") : NAN,
                                   .right = done ? json_known_value(json, "right") : NAN,
                                   .train_accuracy = done ? json_known_value(json, "train_accuracy") : NAN},
                        .gain = compared ? json_known_value(json, "gain") : NAN,
                        .error = compared ? json_known_value(json, "error") : NAN,
                        .right_gain = compared ? json_known_value(json, "right_gain") : NAN,
                        .right_error = compared ? json_known_value(json, "right_error") : NAN};
    text_copy(arm->name, sizeof arm->name, name);
    const char *refused = json_string_value(json_object_get(json, "refused"));
    text_copy(arm->refused, sizeof arm->refused, refused && !done ? refused : "");
    for (size_t i = 0; i < json_array_size(changes); i++) {
        const char *change = json_string_value(json_array_get(changes, i));
        if (!change || !strchr(change, '=') || strlen(change) >= sizeof arm->text[0])
            return false;
        text_copy(arm->text[arm->override_count++], sizeof arm->text[0], change);
    }
    return true;
}

/* Each arm is compared with the unchanged one of its family. */
static bool read_arms(struct experiment *experiment, const json_t *arms)
{
    if (!json_is_array(arms) || json_array_size(arms) > ARMS_MAX || json_array_size(arms) < 1)
        return false;
    for (size_t i = 0; i < json_array_size(arms); i++)
        if (!read_arm(&experiment->arms[experiment->arm_count++], json_array_get(arms, i)))
            return false;
    for (int i = 0; i < experiment->arm_count; i++)
        if (!experiment_unchanged(experiment, experiment->arms[i].family))
            return false;
    return true;
}

static bool read_experiment(struct experiment *experiment, const json_t *json)
{
    const json_t *memory = json_object_get(json, "by_heart");
    const json_int_t updates = json_integer_value(json_object_get(json, "updates"));
    const json_int_t batch = json_integer_value(json_object_get(json, "batch"));
    *experiment = (struct experiment){.updates_spent = json_known_value(json, "spent"),
                                      .updates_allowed = json_known_value(json, "allowed"),
                                      .updates_wanted = json_known_value(json, "wanted"),
                                      .seconds = json_known_value(json, "seconds"),
                                      .seconds_allowed = json_number_value(json_object_get(json, "seconds_allowed")),
                                      .guess = json_known_value(json, "guess"),
                                      .memory_done = json_is_object(memory)};
    const double cost[] = {experiment->updates_spent, experiment->updates_allowed, experiment->updates_wanted,
                           experiment->seconds, experiment->guess};
    for (int i = 0; i < COUNT_OF(cost); i++)
        if (!isfinite(cost[i]))
            return false;
    if (updates < 0 || updates > INT32_MAX || batch < 1 || batch > INT32_MAX || !(experiment->guess > 0.0) ||
        !read_arms(experiment, json_object_get(json, "arms")))
        return false;
    if (experiment->seconds_allowed > 0.0 && experiment->updates_spent > 0.0)
        experiment->update_seconds = experiment->seconds / experiment->updates_spent;
    experiment->updates = (int)updates;
    experiment->batch = (int)batch;
    experiment->memory_images = (int)json_integer_value(json_object_get(memory, "images"));
    experiment->memory.updates = (int)json_integer_value(json_object_get(memory, "updates"));
    experiment->memory.best_accuracy = experiment->memory_done ? json_known_value(memory, "accuracy") : 0.0;
    if (experiment->memory_done && (experiment->memory_images < 1 || !(experiment->memory.best_accuracy >= 0.0) ||
                                    experiment->memory.best_accuracy > 1.0))
        return false;
    const json_t *wider = json_object_get(json, "by_heart_wider");
    experiment->wider_done = experiment->memory_done && json_is_object(wider);
    experiment->wider.updates = (int)json_integer_value(json_object_get(wider, "updates"));
    experiment->wider.best_accuracy = experiment->wider_done ? json_known_value(wider, "accuracy") : 0.0;
    if (!(experiment->wider.best_accuracy >= 0.0) || experiment->wider.best_accuracy > 1.0)
        return false;
    arms_judge(experiment);
    return true;
}

int experiment_parse(struct experiment *experiment, const char *name, const char *text, size_t bytes, int64_t *steps)
{
    json_error_t error;
    json_t *json = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error);
    *steps = json_integer_value(json_object_get(json, "steps"));
    const bool read = json && read_experiment(experiment, json_object_get(json, "experiment"));
    json_decref(json);
    return read ? OK
                : FAIL(ERR_DATA,
                       "%s: is not what this version writes of an experiment; make it anew with doctor --probe", name);
}

int experiment_read(struct experiment *experiment, const char *path, int64_t *steps)
{
    void *text;
    size_t bytes;
    TRY(file_read(path, (size_t)1 << 20, &text, &bytes));
    int status = experiment_parse(experiment, path, text, bytes, steps);
    memory_give(text);
    return status;
}
