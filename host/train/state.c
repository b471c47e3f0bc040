/* state: the resumable part of a run to JSON text and back, by one table. See include/state.h.
 * Owns the names of the members; must not know files or the trainer. */
#include "state.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STATE_FORMAT = 4 };
enum member_type { MEMBER_I64, MEMBER_INT, MEMBER_F64, MEMBER_BOOL, MEMBER_HEX, MEMBER_WINDOW, MEMBER_TYPES };
static const char *const type_names[MEMBER_TYPES] = {
    "an integer",    "a 32-bit integer",      "a number",
    "true or false", "16 hexadecimal digits", "a list of as many numbers as the window"};

struct member {
    const char *name;
    enum member_type type;
    size_t offset;
};
#define MEMBER(name, type, field)                                                                                      \
    {                                                                                                                  \
        name, type, offsetof(struct train_state, field)                                                                \
    }
static const struct member members[] = {
    MEMBER("config_hash", MEMBER_HEX, config_hash),
    MEMBER("epoch", MEMBER_I64, epoch),
    MEMBER("step_in_epoch", MEMBER_I64, step_in_epoch),
    MEMBER("step", MEMBER_I64, step),
    MEMBER("update", MEMBER_I64, kept.updates),
    MEMBER("scale_exponent", MEMBER_INT, kept.scale_exponent),
    MEMBER("scale_good", MEMBER_INT, kept.scale_good),
    MEMBER("batches_tracked", MEMBER_I64, batches_tracked),
    MEMBER("seconds", MEMBER_F64, seconds),
    MEMBER("epoch_loss", MEMBER_F64, sums.loss),
    MEMBER("epoch_samples", MEMBER_I64, sums.samples),
    MEMBER("epoch_correct", MEMBER_I64, sums.correct),
    MEMBER("epoch_bad_steps", MEMBER_I64, sums.bad_steps),
    MEMBER("bad_steps", MEMBER_I64, bad_steps),
    MEMBER("bad_in_row", MEMBER_INT, bad_in_row),
    MEMBER("stopped_early", MEMBER_BOOL, stopped_early),
    MEMBER("rate_scale", MEMBER_F64, rate_scale),
    MEMBER("rollbacks", MEMBER_INT, rollbacks),
    MEMBER("good_step", MEMBER_I64, good_step),
    MEMBER("batch_factor", MEMBER_INT, batch_factor),
    MEMBER("plateau_lr", MEMBER_F64, plateau.lr),
    MEMBER("plateau_best", MEMBER_F64, plateau.best),
    MEMBER("plateau_bad_epochs", MEMBER_INT, plateau.bad_epochs),
    MEMBER("plateau_cooldown_left", MEMBER_INT, plateau.cooldown_left),
    MEMBER("early_stop_best", MEMBER_F64, early_stop.best),
    MEMBER("early_stop_best_epoch", MEMBER_I64, early_stop.best_epoch),
    MEMBER("early_stop_wait", MEMBER_INT, early_stop.wait),
    MEMBER("best_epoch", MEMBER_I64, best_epoch),
    MEMBER("best_loss", MEMBER_F64, best_loss),
    MEMBER("best_accuracy", MEMBER_F64, best_accuracy),
    MEMBER("window_count", MEMBER_I64, window.count),
    MEMBER("window_loss", MEMBER_WINDOW, window.loss),
    MEMBER("window_error", MEMBER_WINDOW, window.error),
    MEMBER("window_epoch", MEMBER_WINDOW, window.epoch),
    MEMBER("spikes", MEMBER_I64, window.spikes),
    MEMBER("spikes_of_batch", MEMBER_I64, window.spikes_of_batch),
    MEMBER("steps_bytes", MEMBER_I64, steps_bytes),
    MEMBER("results_bytes", MEMBER_I64, results_bytes),
    MEMBER("log_bytes", MEMBER_I64, log_bytes),
};

static const struct {
    const char *text;
    double value;
} special_numbers[] = {{"NaN", NAN}, {"Infinity", INFINITY}, {"-Infinity", -INFINITY}};

void state_begin(struct train_state *state)
{
    *state = (struct train_state){
        .rate_scale = 1.0, .batch_factor = 1, .best_epoch = -1, .best_loss = NAN, .best_accuracy = NAN};
}

static json_t *double_to_json(double value)
{
    for (int i = 0; i < COUNT_OF(special_numbers); i++)
        if (value == special_numbers[i].value || (isnan(value) && isnan(special_numbers[i].value)))
            return json_string(special_numbers[i].text);
    return json_real(value);
}

static json_t *window_to_json(const double *values)
{
    json_t *list = json_array();
    for (int i = 0; i < LOSS_WINDOW; i++)
        json_array_append_new(list, double_to_json(values[i]));
    return list;
}

static json_t *member_to_json(const struct member *member, const void *at)
{
    char hex[17];
    switch (member->type) {
    case MEMBER_I64: return json_integer(*(const int64_t *)at);
    case MEMBER_INT: return json_integer(*(const int *)at);
    case MEMBER_F64: return double_to_json(*(const double *)at);
    case MEMBER_BOOL: return json_boolean(*(const bool *)at);
    case MEMBER_WINDOW: return window_to_json(at);
    default: snprintf(hex, sizeof hex, "%016" PRIx64, *(const uint64_t *)at); return json_string(hex);
    }
}

char *state_write(const struct train_state *state, struct arena *arena)
{
    json_t *root = json_object();
    json_object_set_new(root, "format", json_integer(STATE_FORMAT));
    for (int i = 0; i < COUNT_OF(members); i++)
        json_object_set_new(root, members[i].name,
                            member_to_json(&members[i], (const char *)state + members[i].offset));
    char *dumped = json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(17));
    char *text = arena_text(arena, dumped);
    free(dumped);
    json_decref(root);
    return text;
}

static bool double_from_json(const json_t *value, double *to)
{
    const char *text = json_string_value(value);
    for (int i = 0; text && i < COUNT_OF(special_numbers); i++)
        if (strcmp(text, special_numbers[i].text) == 0) {
            *to = special_numbers[i].value;
            return true;
        }
    *to = json_real_value(value);
    return json_is_real(value);
}

static bool window_from_json(const json_t *list, double *to)
{
    bool fits = json_array_size(list) == LOSS_WINDOW; /* 0 of what is no list */
    for (int i = 0; fits && i < LOSS_WINDOW; i++)
        fits = double_from_json(json_array_get(list, (size_t)i), &to[i]);
    return fits;
}

static bool hex_from_json(const json_t *value, uint64_t *to)
{
    const char *text = json_string_value(value);
    if (!text || strlen(text) != 16 || strspn(text, "0123456789abcdef") != 16)
        return false;
    *to = strtoull(text, NULL, 16);
    return true;
}

/* false: value is not of the member's type. */
static bool member_from_json(const struct member *member, const json_t *value, void *at)
{
    json_int_t integer = json_integer_value(value);
    switch (member->type) {
    case MEMBER_I64: *(int64_t *)at = integer; return json_is_integer(value);
    case MEMBER_INT:
        if (integer < INT32_MIN || integer > INT32_MAX)
            return false;
        *(int *)at = (int)integer;
        return json_is_integer(value);
    case MEMBER_F64: return double_from_json(value, at);
    case MEMBER_BOOL: *(bool *)at = json_is_true(value); return json_is_boolean(value);
    case MEMBER_WINDOW: return window_from_json(value, at);
    default: return hex_from_json(value, at);
    }
}

static int read_members(struct train_state *state, const char *name, const json_t *root)
{
    const json_t *format = json_object_get(root, "format");
    if (!json_is_integer(format) || json_integer_value(format) != STATE_FORMAT)
        return FAIL(ERR_DATA,
                    "%s: state of another version (this program reads format %d); resume with the version "
                    "that wrote it",
                    name, STATE_FORMAT);
    for (int i = 0; i < COUNT_OF(members); i++) {
        const json_t *value = json_object_get(root, members[i].name);
        if (!value)
            return FAIL(ERR_DATA, "%s: \"%s\" is missing; use another checkpoint", name, members[i].name);
        if (!member_from_json(&members[i], value, (char *)state + members[i].offset))
            return FAIL(ERR_DATA, "%s: \"%s\" is not %s; use another checkpoint", name, members[i].name,
                        type_names[members[i].type]);
    }
    if (json_object_size(root) == (size_t)COUNT_OF(members) + 1)
        return OK;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)root, key, value)
    {
        bool known = strcmp(key, "format") == 0;
        for (int i = 0; i < COUNT_OF(members); i++)
            known = known || strcmp(key, members[i].name) == 0;
        if (!known)
            return FAIL(ERR_DATA, "%s: unknown member \"%s\"; use another checkpoint", name, key);
    }
    return OK;
}

int state_read(struct train_state *state, const char *name, const char *json)
{
    json_error_t error;
    struct train_state read = {0};
    json_t *root = json_loads(json, JSON_REJECT_DUPLICATES, &error);
    if (!root)
        return FAIL(ERR_DATA, "%s: not JSON: %s (byte %d); use another checkpoint", name, error.text, error.position);
    int status = read_members(&read, name, root);
    json_decref(root);
    if (status >= 0 && read.window.count < 0)
        status = FAIL(ERR_DATA, "%s: \"window_count\" is below 0; use another checkpoint", name);
    if (status >= 0 && (read.batch_factor < 1 || read.batch_factor > STATE_BATCH_FACTOR))
        status = FAIL(ERR_DATA, "%s: \"batch_factor\" is not from 1 to %d; use another checkpoint", name,
                      STATE_BATCH_FACTOR);
    if (status >= 0)
        *state = read;
    return status;
}
