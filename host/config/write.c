/* write: a config as a file, and the schema as help. Must not know how configs are read. */
#include "schema.h"

#include "terminal.h"
#include "text.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void write_layers(const struct config *config, FILE *stream)
{
    char value[VALUE_BYTES];
    for (int i = 0; i < config->layer_count; i++) {
        fputs("\n[[layer]]\n", stream);
        for (int j = 0; j < layer_key_count; j++) {
            if (!layer_has(&config->layers[i], &layer_keys[j]))
                continue;
            value_print(&layer_keys[j], &config->layers[i], value, sizeof value);
            fprintf(stream, "%s = %s\n", layer_keys[j].name, value);
        }
    }
}

/* Whether the key is the first of its section. */
static bool begins_section(const struct key *keys, int i)
{
    return i == 0 || strcmp(keys[i].section, keys[i - 1].section) != 0;
}

int config_write(const struct config *config, FILE *stream)
{
    char value[VALUE_BYTES];
    for (int i = 0; i < schema_key_count; i++) {
        const struct key *key = &schema_keys[i];
        if (begins_section(schema_keys, i))
            fprintf(stream, "%s[%s]\n", i ? "\n" : "", key->section);
        value_print(key, config, value, sizeof value);
        fprintf(stream, "%s = %s\n", key->name, value);
    }
    write_layers(config, stream);
    return ferror(stream) ? FAIL(ERR_IO, "writing the config failed") : OK;
}

bool config_get(const struct config *config, const char *name, char *text, size_t bytes)
{
    int key = schema_find_full(name);
    if (key >= 0)
        value_print(&schema_keys[key], config, text, bytes);
    return key >= 0;
}

const char *config_word(const struct config *config, const char *name, char *text, size_t bytes)
{
    text[0] = '\0';
    config_get(config, name, text, bytes);
    const size_t length = strlen(text);
    if (text[0] == '"' && length >= 2) {
        memmove(text, text + 1, length - 2);
        text[length - 2] = '\0';
    }
    return text;
}

const char *config_fallback(const char *name)
{
    const int key = schema_find_full(name);
    return key < 0 ? NULL : schema_keys[key].fallback;
}

bool config_sets_any(const struct config *config, const char *const *keys)
{
    for (; *keys; keys++) {
        char text[VALUE_BYTES];
        if (config_get(config, *keys, text, sizeof text) && strcmp(text, config_fallback(*keys)) != 0)
            return true;
    }
    return false;
}

void config_print_keys(FILE *stream)
{
    for (int i = 0; i < schema_key_count; i++) {
        const struct key *key = &schema_keys[i];
        static const char *const truth[] = {"true", "false", NULL};
        fprintf(stream, "%s.%s\n", key->section, key->name);
        for (const char *const *word = key->type == KEY_BOOL ? truth : key->words; word && *word; word++)
            fprintf(stream, "%s.%s=%s\n", key->section, key->name, *word);
    }
}

/* ---- help ---- */

/* "0 to 1", "above 0 to below 1", "sgd, adam, adamw", or nothing. */
static void print_range(const struct key *key, char text[static 256])
{
    text[0] = 0;
    if (key->words) {
        value_expected(key, text, 256);
        memmove(text, text + strlen("one of "), strlen(text + strlen("one of ")) + 1);
    } else if (key->type != KEY_BOOL && key->type != KEY_TEXT) {
        snprintf(text, 256, "%s%.16g%s%.16g", key->above ? "above " : "", key->low,
                 key->below   ? " to below "
                 : key->above ? ", at most "
                              : " to ",
                 key->high);
    }
}

/* " (also a, b)", or nothing. */
static void print_aliases(const struct key *key, char text[static 128])
{
    size_t used = 0;
    text[0] = 0;
    for (const char *at = key->aliases; at && *at; at += strspn(at, " ")) {
        size_t length = strcspn(at, " ");
        used += (size_t)snprintf(text + used, 128 - used, "%s%.*s", used ? ", " : " (also ", (int)length, at);
        at += length;
    }
    if (used)
        snprintf(text + used, 128 - used, ")");
}

/* As wide as the terminal, within what reads well; 100 in a file or a pipe. */
static int help_columns(FILE *stream)
{
    enum { LEAST = 80, USUAL = 100, MOST = 120 };
    struct terminal terminal;
    if (!isatty(fileno(stream)))
        return USUAL;
    terminal_look(&terminal, fileno(stream));
    return terminal.columns < LEAST ? LEAST : terminal.columns > MOST ? MOST : terminal.columns;
}

/* Key, type, default and range in columns, and below them what the key means. */
static void print_text(FILE *stream, const struct key *key, const char *name, const char *range, const char *aliases)
{
    enum { INDENT = 4 };
    const int columns = help_columns(stream);
    char meaning[1024], wrapped[4096];
    int used = fprintf(stream, "%-25s %-15s ", name, value_type_name(key));
    used += fprintf(stream, *range ? "%-16s " : "%s", key->fallback);
    text_wrap(wrapped, sizeof wrapped, range, used, columns);
    fprintf(stream, "%s\n", wrapped);
    snprintf(meaning, sizeof meaning, "%s%s", key->help, aliases);
    text_wrap(wrapped, sizeof wrapped, meaning, INDENT, columns);
    fprintf(stream, "%*s%s\n", INDENT, "", wrapped);
}

static void print_key(FILE *stream, const struct key *key, bool markdown)
{
    char range[256], name[64], aliases[128];
    print_range(key, range);
    print_aliases(key, aliases);
    snprintf(name, sizeof name, "%s.%s", key->section, key->name);
    const char *tick = strchr(key->fallback, ' ') ? "" : "`";
    if (markdown)
        fprintf(stream, "| `%s` | %s | %s%s%s | %s | %s%s |\n", key->name, value_type_name(key), tick, key->fallback,
                tick, range, key->help, aliases);
    else
        print_text(stream, key, name, range, aliases);
}

static void print_section(FILE *stream, const struct key *keys, int i, bool markdown)
{
    bool layer = strcmp(keys[i].section, "layer") == 0;
    if (markdown)
        fprintf(stream, "\n## %s%s%s\n\n%s| key | type | default | range | meaning |\n|---|---|---|---|---|\n",
                layer ? "[[" : "[", keys[i].section, layer ? "]]" : "]",
                layer ? "One section per layer of a network of one's own, with `model.name = \"custom\"`, in order. "
                        "The last gives one number per class.\n\n"
                      : "");
    else if (i || layer)
        fputs("\n", stream);
}

void config_print_defaults(FILE *stream, bool markdown)
{
    if (markdown)
        fputs("# Config reference\n\n"
              "Written by `evenkeel config --defaults --markdown`; `evenkeel config --defaults` prints the same as "
              "text.\n\n"
              "A config is an INI file that is also valid TOML: texts in double quotes, lists as `[a, b]` on one line, "
              "comments after `#`.\n"
              "Files may be looser than TOML: `yes` and `no`, texts without quotes, `.5`, comments after `;`; "
              "`evenkeel config FILE` "
              "prints the TOML form. Several layers each begin with `[[layer]]`.\n"
              "Every key may be left out. Each can be given after the file as `section.key=value` "
              "(`evenkeel train my.ini optim.lr=0.01`);\n"
              "there a name alone is enough where only one key has it, and so are the names behind \"also\" "
              "(`lr=0.01 bs=64`).\n"
              "`evenkeel config FILE` prints all keys as they would be used. Paths are relative to the current "
              "folder.\n\n"
              "Settings that cannot both be had (a loss to be maximised, mean and std that nothing uses, padding "
              "around a "
              "crop that takes none) are errors.\n"
              "A setting that has nothing to act on (momentum with adam, a patience without plateau) is a warning, so "
              "that one file serves for several optimizers and sweeps.\n"
              "Every mistake of a config is told in one go, with what can be seen of images, device and precision "
              "that are not there; what is wrong with single images comes once they are read.\n",
              stream);
    for (int i = 0; i < schema_key_count; i++) {
        if (begins_section(schema_keys, i))
            print_section(stream, schema_keys, i, markdown);
        print_key(stream, &schema_keys[i], markdown);
    }
    for (int i = 0; i < layer_key_count; i++) {
        if (i == 0)
            print_section(stream, layer_keys, i, markdown);
        print_key(stream, &layer_keys[i], markdown);
    }
}
