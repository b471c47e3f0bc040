/* mistakes: see mistakes.h. Must not know the syntax of files or the meaning of keys. */
#include "mistakes.h"

#include "schema.h"

#include <stdarg.h>
#include <string.h>

/* Lines of the file in their order, then the file as a whole, then the command line. */
static bool comes_before(int origin, int other)
{
    return origin > 0 ? other <= 0 || origin < other : other < origin;
}

/* Of one origin the mistake found first comes first: what only shows once all has been read belongs beside the rest of
 * its line. */
static void keep(struct mistakes *mistakes, int origin, int status, char *text)
{
    mistakes->status = mistakes->count == 0 || mistakes->status == status ? status : ERR_CONFIG;
    if (++mistakes->count > MISTAKES_SHOWN)
        return;
    /* What is quoted from the file must not reach a terminal as an escape sequence. */
    for (char *at = text; *at; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7F)
            *at = '?';
    int place = mistakes->count - 1;
    for (; place > 0 && comes_before(origin, mistakes->shown[place - 1].origin); place--)
        mistakes->shown[place] = mistakes->shown[place - 1];
    mistakes->shown[place] = (struct mistake){.origin = origin, .text = arena_text(&mistakes->texts, text)};
}

void mistakes_begin(struct mistakes *mistakes, const struct config *config)
{
    *mistakes = (struct mistakes){.file = *config->file ? config->file : NULL};
}

void mistakes_add(struct mistakes *mistakes, int origin, const char *format, ...)
{
    char text[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    keep(mistakes, origin, ERR_CONFIG, text);
}

/* Finds where the keys were set: the first that was. named: which, or the first. */
static int find_origin(const struct config *config, const char *keys, char named[static CONFIG_KEY])
{
    char names[4 * CONFIG_KEY], *rest = names, *name;
    int origin = ORIGIN_DEFAULT;
    snprintf(names, sizeof names, "%s", keys);
    *named = 0;
    while (origin == ORIGIN_DEFAULT && (name = strsep(&rest, " "))) {
        const int key = schema_find_full(name);
        origin = config->origin && key >= 0 ? config->origin[key] : ORIGIN_DEFAULT;
        if (!*named || origin != ORIGIN_DEFAULT)
            snprintf(named, CONFIG_KEY, "%s", name);
    }
    return origin;
}

void mistakes_add_failure(struct mistakes *mistakes, const struct config *config, const char *keys, int status)
{
    char named[CONFIG_KEY], text[4096];
    const int origin = find_origin(config, keys, named);
    snprintf(text, sizeof text, "%s: %s", named, fail_text());
    keep(mistakes, origin, status, text);
}

void mistakes_add_key(struct mistakes *mistakes, const struct config *config, const char *keys, const char *format, ...)
{
    char named[CONFIG_KEY], text[4096];
    const int origin = find_origin(config, keys, named);
    const int length = snprintf(text, sizeof text, "%s: ", named);
    va_list args;
    va_start(args, format);
    vsnprintf(text + length, sizeof text - (size_t)length, format, args);
    va_end(args);
    keep(mistakes, origin, ERR_CONFIG, text);
}

/* "file:line: error: …" */
static const char *line_of(struct mistakes *mistakes, const char *file, const struct mistake *mistake)
{
    if (mistake->origin > 0)
        return arena_format(&mistakes->texts, "%s:%d: error: %s", file, mistake->origin, mistake->text);
    return arena_format(&mistakes->texts, "%s: error: %s", mistake->origin == ORIGIN_COMMAND ? "command line" : file,
                        mistake->text);
}

int mistakes_tell(struct mistakes *mistakes, FILE *errors)
{
    const char *file = mistakes->file ? mistakes->file : "command line";
    const int count = mistakes->count;
    bool in_file = count > MISTAKES_SHOWN;
    for (int i = 0; i < count && i < MISTAKES_SHOWN; i++)
        in_file |= mistakes->shown[i].origin != ORIGIN_COMMAND;
    int status = OK;
    for (int i = 0; errors && i < count && i < MISTAKES_SHOWN; i++)
        fprintf(errors, "%s\n", line_of(mistakes, file, &mistakes->shown[i]));
    if (errors && count > MISTAKES_SHOWN)
        fprintf(errors, "%s: error: and %d more\n", file, count - MISTAKES_SHOWN);
    if (count > 0 && errors)
        status = FAIL(mistakes->status, "%s: %d mistake%s in the config", in_file ? file : "command line", count,
                      count == 1 ? "" : "s");
    else if (count > 0)
        status = FAIL(mistakes->status, "%s", line_of(mistakes, file, &mistakes->shown[0]));
    arena_free(&mistakes->texts);
    *mistakes = (struct mistakes){.file = mistakes->file};
    return status;
}

int mistakes_settle(struct mistakes *mistakes, int status, FILE *errors)
{
    if (status == OK)
        return mistakes_tell(mistakes, errors);
    arena_free(&mistakes->texts);
    *mistakes = (struct mistakes){.file = mistakes->file};
    return status;
}
