/* keep: the state of a run on disk: saving, taking it up again, what may change in between. Knows no steps. */
#include "json.h"
#include "log.h"
#include "text.h"
#include "train.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- what may change when a run goes on ---- */

enum change { CHANGE_NEVER, CHANGE_FREE, CHANGE_WARN, CHANGE_GROW };

/* Keys by name, or sections by "section."; all others change the run and are fixed. */
static const struct {
    const char *key;
    enum change change;
} changes[] = {
    {"run.", CHANGE_FREE},
    {"stats.", CHANGE_FREE},
    {"data.threads", CHANGE_FREE},
    {"data.memory", CHANGE_FREE},
    {"data.device_share", CHANGE_FREE},
    {"data.cache", CHANGE_FREE},
    {"train.bad_steps", CHANGE_FREE},
    {"train.autopilot", CHANGE_FREE},
    {"train.max_steps", CHANGE_FREE},
    {"train.epochs", CHANGE_GROW},
    {"train.min_steps", CHANGE_GROW},
    {"early_stop.patience", CHANGE_FREE},
    {"early_stop.min_delta", CHANGE_FREE},
    {"train.threads", CHANGE_WARN},
    {"train.device", CHANGE_WARN},
    {"train.deterministic", CHANGE_WARN},
    {"data.train", CHANGE_WARN},
    {"data.val", CHANGE_WARN},
};

static enum change change_of(const char *key)
{
    for (int i = 0; i < COUNT_OF(changes); i++) {
        size_t length = strlen(changes[i].key);
        bool section = changes[i].key[length - 1] == '.';
        if (section ? strncmp(key, changes[i].key, length) == 0 : strcmp(key, changes[i].key) == 0)
            return changes[i].change;
    }
    return CHANGE_NEVER;
}

/* All "section.key", one per line; given back with free. NULL: out of memory. */
static char *all_keys(void)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *stream = open_memstream(&text, &bytes);
    if (!stream)
        return NULL;
    config_print_keys(stream);
    fclose(stream);
    return text;
}

/* Splits off the next line. The listing also holds "section.key=value" lines, which are left out. */
static char *next_key(char **rest)
{
    char *line;
    while ((line = strsep(rest, "\n")))
        if (*line && !strchr(line, '='))
            return line;
    return NULL;
}

static uint64_t hash_text(uint64_t hash, const char *text)
{
    return hash_bytes(hash_bytes(hash, text, strlen(text)), "\n", 1);
}

/* The number of images decides which of them make a step; where they lie does not matter. */
static uint64_t hash_counts(uint64_t hash, const struct session *session)
{
    char text[96], shape[48];
    snprintf(text, sizeof text, "%lld %lld %s", (long long)session->train.subset.count,
             (long long)session->val.subset.count, shape_text(shape, session->card.image));
    return hash_text(hash, text);
}

/* Layers have no keys: as they are written. */
static uint64_t hash_layers(uint64_t hash, const struct config *config)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *stream = open_memstream(&text, &bytes);
    if (!stream)
        return hash;
    config_write(config, stream);
    fclose(stream);
    const char *layers = strstr(text, "[[layer]]");
    hash = hash_text(hash, layers ? layers : "");
    free(text);
    return hash;
}

uint64_t keep_hash(const struct session *session)
{
    const struct config *config = session->config;
    char *keys = all_keys(), *rest = keys, *key, value[2 * CONFIG_TEXT];
    uint64_t hash = HASH_BEGIN;
    while ((key = next_key(&rest)))
        if (change_of(key) == CHANGE_NEVER && config_get(config, key, value, sizeof value))
            hash = hash_text(hash_text(hash, key), value);
    free(keys);
    return hash_counts(hash_layers(hash, config), session);
}

static bool shrinks(const char *old, const char *new)
{
    int64_t before, after;
    return text_to_int64(old, &before) && text_to_int64(new, &after) && after < before;
}

int keep_compare(const struct config *old, const struct config *new)
{
    char before[2 * CONFIG_TEXT], after[2 * CONFIG_TEXT];
    struct arena arena = {0};
    const char *refused = "";
    char *keys = all_keys(), *rest = keys, *key;
    while ((key = next_key(&rest))) {
        if (!config_get(old, key, before, sizeof before) || !config_get(new, key, after, sizeof after) ||
            strcmp(before, after) == 0)
            continue;
        enum change change = change_of(key);
        if (change == CHANGE_WARN)
            log_warn("%s changes from %s to %s: the run goes on, but it is no longer bound to equal an uninterrupted "
                     "one",
                     key, before, after);
        if (change == CHANGE_NEVER || (change == CHANGE_GROW && shrinks(before, after)))
            refused = arena_format(&arena, "%s%s%s (%s)", refused, *refused ? ", " : "", key, before);
    }
    free(keys);
    if (new->train.epochs > old->train.epochs &&new->schedule.name == SCHEDULE_COSINE)
        log_warn("train.epochs grows from %d to %d, so the cosine schedule is stretched from here on",
                 old->train.epochs, new->train.epochs);
    int status = OK;
    if (*refused)
        status = FAIL(ERR_CONFIG,
                      "a run that is resumed keeps its settings, and these would change it: %s; start a new run for "
                      "other values (model.weights=RUN begins it with this one's weights)",
                      refused);
    arena_free(&arena);
    return status;
}

bool keep_asks_for_more(const struct config *old, const struct config *new)
{
    return new->train.epochs > old->train.epochs || new->train.min_steps > old->train.min_steps ||
           new->early_stop.min_delta != old->early_stop.min_delta;
}

/* ---- save and resume ---- */

static int checkpoint_path(char path[static PATH_BYTES], const char *run, const char *which)
{
    char folder[PATH_BYTES];
    TRY(path_join(folder, run, "checkpoints"));
    return path_join(path, folder, which);
}

int keep_save(struct trainer *trainer, const char *which)
{
    struct train_state *state = &trainer->state;
    struct run *run = &trainer->run;
    char folder[PATH_BYTES];
    TRY(records_read(trainer));
    if (trainer->failure[0])
        return FAIL(ERR_TRAINING, "%s", trainer->failure);
    trainer_account_time(trainer);
    TRY(run_sync(run, &state->steps_bytes, &state->results_bytes, &state->log_bytes));
    TRY(layers_sync(trainer));
    TRY(tensorboard_sync(&trainer->tensorboard));
    TRY(checkpoint_path(folder, run->path, which));
    struct arena arena = {0};
    int status = checkpoint_save(folder, &trainer->session.plan, state->batches_tracked, trainer->session.metadata,
                                 state_write(state, &arena));
    arena_free(&arena);
    if (status == ERR_IO || status == ERR_CREATE)
        return FAIL(status, "%s; make room, then go on with train --resume %s", fail_text(), run->path);
    TRY(status);
    if (strcmp(which, "last") == 0) {
        trainer->saved_step = state->step;
        trainer->saved_epoch = state->epoch;
    }
    return OK;
}

/* The checkpoint was made with these data? */
static int check_classes(const struct session *session, const char *folder, struct arena *arena)
{
    struct model_card card;
    TRY(card_read(&card, arena, folder));
    return card_match(&card, folder, &session->train_source.data);
}

int64_t keep_steps_per_epoch(const struct trainer *trainer)
{
    const struct config *config = &trainer->config;
    return trainer->session.train.subset.count / ((int64_t)config->train.batch_size * config->train.accumulate);
}

/* The plan for the batch of the state, which may be another than the plan at hand was made for. 1: it is a new one,
 * without the state's weights. */
static int fit_batch(struct trainer *trainer)
{
    struct config *config = &trainer->config;
    const int accumulate = trainer->accumulate * trainer->state.batch_factor;
    if (config->train.accumulate == accumulate)
        return 0;
    if ((int64_t)accumulate * config->train.batch_size > trainer->session.train.subset.count)
        return FAIL(ERR_DATA, "the saved state wants updates of %d x %d images, and there are only %lld", accumulate,
                    config->train.batch_size, (long long)trainer->session.train.subset.count);
    config->train.accumulate = accumulate;
    trainer->steps_per_epoch = trainer->console.steps_per_epoch = keep_steps_per_epoch(trainer);
    trainer->console.images_per_step = config->train.batch_size * accumulate;
    TRY(session_rebind(&trainer->session, config));
    return 1;
}

static int read_state(struct trainer *trainer, const char *folder, struct arena *arena, char path[static PATH_BYTES])
{
    char *json = NULL;
    TRY(checkpoint_load(folder, &trainer->session.plan, true, arena, &json, &trainer->state.batches_tracked));
    TRY(path_join(path, folder, "state.json"));
    return state_read(&trainer->state, path, json);
}

static int load_state(struct trainer *trainer, const char *folder, struct arena *arena)
{
    char path[PATH_BYTES];
    uint64_t hash = trainer->state.config_hash;
    TRY(check_classes(&trainer->session, folder, arena));
    TRY(read_state(trainer, folder, arena, path));
    int new_plan;
    TRY(new_plan = fit_batch(trainer));
    if (new_plan)
        TRY(read_state(trainer, folder, arena, path));
    if (trainer->state.config_hash != hash)
        return FAIL(
            ERR_CONFIG,
            "%s: saved under other settings than config.resolved.ini holds now, or with another number of images; "
            "undo the change or start a new run",
            path);
    return plan_set_kept(&trainer->session.plan, trainer->state.kept);
}

int keep_go_back(struct trainer *trainer, const char *which)
{
    struct run *run = &trainer->run;
    struct train_state *state = &trainer->state;
    char folder[PATH_BYTES], path[PATH_BYTES];
    int64_t unused, log_bytes;
    struct arena arena = {0};
    TRY(trainer->session.backend->wait(trainer->session.device));
    TRY(run_sync(run, &unused, &unused, &log_bytes));
    TRY(checkpoint_path(folder, run->path, which));
    /* A new plan: the old one's records are of steps that will be taken again. */
    TRY(session_rebind(&trainer->session, &trainer->config));
    int status = load_state(trainer, folder, &arena);
    arena_free(&arena);
    TRY(status);
    text_copy(path, sizeof path, run->path);
    layers_close(trainer);
    tensorboard_close(&trainer->tensorboard);
    watch_end(&trainer->watch);
    run_close(run);
    TRY(run_reopen(run, path, state->steps_bytes, state->results_bytes, log_bytes));
    TRY(layers_reopen(trainer));
    records_begin(trainer);
    if (trainer->config.stats.tensorboard)
        TRY(tensorboard_open(&trainer->tensorboard, run, state->step, trainer->steps_per_epoch,
                             trainer->session.train.subset.count));
    return findings_begin(trainer);
}

/* What early stopping ended is over until someone is more patient or asks for more. Saved before the config says what
 * was asked for: a run that is killed then goes on, too. */
static int wait_anew(struct trainer *trainer)
{
    struct train_state *state = &trainer->state;
    const bool anew = state->stopped_early && trainer->asked_for_more;
    if (anew)
        state->early_stop.wait = 0;
    state->stopped_early = early_stop_due(&state->early_stop, &trainer->early_stop_rule);
    trainer->records_read = state->step;
    trainer->clock = clock_seconds();
    return anew ? keep_save(trainer, "last") : OK;
}

int keep_resume(struct trainer *trainer, const char *run)
{
    char folder[PATH_BYTES], found[PATH_BYTES];
    struct train_state *state = &trainer->state;
    TRY(checkpoint_path(folder, run, "last"));
    int status = checkpoint_find(found, folder);
    if (status == OK) {
        struct arena arena = {0};
        status = load_state(trainer, folder, &arena);
        arena_free(&arena);
    } else if (status == ERR_NO_INPUT) {
        log_warn("%s: nothing was saved yet; the run starts from the beginning", run);
        status = session_start_weights(&trainer->session);
    }
    TRY(status);
    TRY(run_reopen(&trainer->run, run, state->steps_bytes, state->results_bytes, state->log_bytes));
    TRY(layers_reopen(trainer));
    TRY(wait_anew(trainer));
    TRY(run_unmark(&trainer->run));
    struct config config = trainer->config; /* as it was asked for: the state knows the rest */
    config.train.accumulate = trainer->accumulate;
    return run_write_config(&trainer->run, &config);
}

/* ---- a run directory from outside ---- */

/* A relative path counts from here; where nothing is there, from where the run was trained. */
static void find_images(struct config *config, const char *run)
{
    char *const paths[] = {config->data.train, config->data.val};
    char path[PATH_BYTES];
    json_t *env = NULL;
    for (int i = 0; i < COUNT_OF(paths); i++) {
        if (!*paths[i] || *paths[i] == '/' || file_exists(paths[i]))
            continue;
        if (!env && path_join(path, run, "env.json") == OK)
            env = json_read(path);
        const char *folder = json_string_value(json_object_get(env, "folder"));
        if (folder && *folder == '/' && path_join(path, folder, paths[i]) == OK && file_exists(path) &&
            strlen(path) < CONFIG_TEXT)
            text_copy(paths[i], CONFIG_TEXT, path);
    }
    json_decref(env);
}

int train_load_config(struct config *config, const char *run, const char *const *overrides, int override_count)
{
    char path[PATH_BYTES];
    TRY(path_join(path, run, "config.resolved.ini"));
    if (access(path, F_OK) < 0 && errno != ENOENT && errno != ENOTDIR)
        return FAIL(ERR_NO_INPUT, "%s: cannot be read: %s", run, strerror(errno));
    if (!file_exists(path))
        return FAIL(
            ERR_NO_INPUT,
            "%s: no run directory: it has no config.resolved.ini; give the folder that `evenkeel train` printed", run);
    TRY(config_load(config, path, overrides, override_count, stderr));
    find_images(config, run);
    return OK;
}

int train_find_checkpoint(const struct config *config, const char *run, const char *which, char path[static PATH_BYTES])
{
    char found[PATH_BYTES];
    if (!which) {
        TRY(checkpoint_path(path, run, "best"));
        which = config->early_stop.restore_best && checkpoint_find(found, path) == OK ? "best" : "last";
    }
    TRY(checkpoint_path(path, run, which));
    if (checkpoint_find(found, path) < 0)
        return FAIL(ERR_NO_INPUT, "%s: has no checkpoint '%s'; it appears at the end of an epoch", run, which);
    return OK;
}
