/* load: a config from defaults, file and overrides, in this order.
 * Must not know the syntax of files or the meaning of keys. */
#include "schema.h"

#include "file.h"
#include "text.h"

#include <assert.h>
#include <string.h>

enum { FILE_LIMIT = 1 << 20 };

void loader_set(struct loader *loader, int index, int origin, const char *raw)
{
    /* Too large for the stack of a thread that has other plans, and not needed twice at once. */
    static _Thread_local struct token token;
    const struct key *key = &schema_keys[index];
    char problem[PROBLEM_BYTES];
    loader->origin[index] = origin;
    loader->bad[index] =
        !value_scan(raw, origin > 0, &token, problem) || !value_parse(key, loader->config, &token, problem);
    if (loader->bad[index])
        mistakes_add(&loader->mistakes, origin, "%s.%s: %s", key->section, key->name, problem);
}

static void set_defaults(struct loader *loader)
{
    for (int i = 0; i < schema_key_count; i++)
        loader_set(loader, i, ORIGIN_DEFAULT, schema_keys[i].fallback);
    assert(loader->mistakes.count == 0);
}

/* "dir/fine.ini" is called "fine". */
static void set_name(struct config *config)
{
    if (!*config->run.name) {
        const char *base = *config->file ? path_base(config->file) : "run";
        size_t length = strlen(base);
        bool ending = length > 4 && strcmp(base + length - 4, ".ini") == 0;
        text_copy(config->run.name, sizeof config->run.name, base);
        if (ending && length <= sizeof config->run.name)
            memset(config->run.name + length - 4, 0, 4);
        text_one_line(config->run.name);
    }
    memcpy(config->name, config->run.name, sizeof config->name);
}

int config_load(struct config *config, const char *file, const char *const *overrides, int override_count, FILE *errors)
{
    memset(config, 0, sizeof *config);
    struct loader loader = {.config = config, .mistakes.file = file};
    set_defaults(&loader);
    if (file) {
        void *text;
        size_t bytes;
        if (!text_copy(config->file, sizeof config->file, file))
            return FAIL(ERR_NO_INPUT, "%.60s…: the path is longer than %zu bytes", file, sizeof config->file - 1);
        if (folder_exists(file))
            return FAIL(ERR_DATA, "%s: is a folder; expected a config file, in which data.train names the images",
                        file);
        TRY(file_read(file, FILE_LIMIT, &text, &bytes));
        file_parse(&loader, text, bytes);
        memory_give(text);
    }
    layers_end(&loader);
    for (int i = 0; i < override_count; i++)
        override_apply(&loader, overrides[i]);
    check_all(&loader);
    set_name(config);
    int *origin = arena_push(&config->arena, sizeof loader.origin);
    config->origin = memcpy(origin, loader.origin, sizeof loader.origin);
    return mistakes_tell(&loader.mistakes, errors);
}

void config_free(struct config *config)
{
    arena_free(&config->arena);
    memset(config, 0, sizeof *config);
}
