/* load: a config from defaults, file and overrides, in this order; and reporting mistakes.
 * Must not know the syntax of files or the meaning of keys. */
#include "schema.h"

#include "file.h"
#include "text.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { FILE_LIMIT = 1 << 20 };

/* Lines of the file in their order, then the file as a whole, then the command line. */
static bool comes_before(int origin, int other)
{
    return origin > 0 ? other <= 0 || origin < other : other < origin;
}

/* Of one origin the mistake found first comes first. */
static void keep_mistake(struct loader *loader, int origin, const char *text)
{
    int place = loader->mistakes - 1;
    for (; place > 0 && comes_before(origin, loader->shown[place - 1].origin); place--)
        loader->shown[place] = loader->shown[place - 1];
    loader->shown[place] = (struct mistake){.origin = origin, .text = arena_text(&loader->texts, text)};
}

void loader_mistake(struct loader *loader, int origin, const char *format, ...)
{
    char text[4096];
    va_list args;
    loader->mistakes++;
    if (loader->mistakes > MISTAKES_SHOWN)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    /* What is quoted from the file must not reach a terminal as an escape sequence. */
    for (char *at = text; *at; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7F)
            *at = '?';
    keep_mistake(loader, origin, text);
}

static void print_mistakes(const struct loader *loader, FILE *errors)
{
    const char *file = loader->file ? loader->file : "command line";
    for (int i = 0; i < loader->mistakes && i < MISTAKES_SHOWN; i++) {
        const struct mistake *mistake = &loader->shown[i];
        if (mistake->origin > 0)
            fprintf(errors, "%s:%d: error: %s\n", file, mistake->origin, mistake->text);
        else
            fprintf(errors, "%s: error: %s\n", mistake->origin == ORIGIN_COMMAND ? "command line" : file,
                    mistake->text);
    }
    if (loader->mistakes > MISTAKES_SHOWN)
        fprintf(errors, "%s: error: and %d more\n", file, loader->mistakes - MISTAKES_SHOWN);
}

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
        loader_mistake(loader, origin, "%s.%s: %s", key->section, key->name, problem);
}

static void set_defaults(struct loader *loader)
{
    for (int i = 0; i < schema_key_count; i++)
        loader_set(loader, i, ORIGIN_DEFAULT, schema_keys[i].fallback);
    assert(loader->mistakes == 0);
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
    }
    memcpy(config->name, config->run.name, sizeof config->name);
}

int config_load(struct config *config, const char *file, const char *const *overrides, int override_count, FILE *errors)
{
    memset(config, 0, sizeof *config);
    struct loader loader = {.config = config, .file = file};
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
    print_mistakes(&loader, errors);
    arena_free(&loader.texts);
    if (loader.mistakes == 0)
        return OK;
    return FAIL(ERR_CONFIG, "%s: %d mistake%s in the config; see above", file ? file : "command line", loader.mistakes,
                loader.mistakes == 1 ? "" : "s");
}

void config_free(struct config *config)
{
    arena_free(&config->arena);
    memset(config, 0, sizeof *config);
}
