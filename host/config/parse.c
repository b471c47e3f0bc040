/* parse: reads a config file's text through libinih, which gives sections and keys their order. Lines are prepared here
 * first, because libinih alone would cut lines at 200 bytes, take indented lines for continuations, cut " ;" inside
 * quotes, accept "key: value" and duplicate keys, and ignore what follows a section's bracket. The value never passes
 * through libinih: the reader keeps it aside for the handler.
 * Must not know what keys there are beyond finding them in the schema. */
#include "schema.h"
#include "text.h"

#include <assert.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES = 96 }; /* of a section or key: fits the 200 bytes of libinih's line */

static bool plain_name(const char *name)
{
    size_t length = strlen(name);
    return length > 0 && length < NAME_BYTES &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") == length;
}

/* What the first line that says something is of; NULL: of nothing known. */
static const char *kind_of(const char *line)
{
    const size_t length = strcspn(line, " \t:=");
    if (*line == '{')
        return "JSON";
    return strncmp(line, "---", 3) == 0 || (length > 0 && line[length] == ':') ? "YAML" : NULL;
}

/* ---- section lines ---- */

static void unknown_section(struct loader *loader, const char *name)
{
    const char *names[SECTIONS_MAX + 1];
    int count = schema_sections(names);
    names[count++] = "layer";
    char near[256], all[256] = "";
    suggest_words(name, names, count, near, sizeof near);
    for (int i = 0; i < count; i++)
        strcat(strcat(all, i ? ", " : ""), names[i]);
    loader->place = SECTION_UNKNOWN;
    mistakes_add(&loader->mistakes, loader->line, "[%s]: unknown section;%s expected one of %s", name, near, all);
}

/* TOML has one [layer] or any number of [[layer]]. */
static void check_brackets(struct loader *loader, bool repeated)
{
    static const char message[] = "[layer]: is one of several layers; begin each with [[layer]]";
    if (loader->config->layer_count == 0) {
        loader->lone_layer = repeated ? 0 : loader->line;
        return;
    }
    if (loader->lone_layer)
        mistakes_add(&loader->mistakes, loader->lone_layer, "%s", message);
    if (!repeated)
        mistakes_add(&loader->mistakes, loader->line, "%s", message);
    loader->lone_layer = 0;
}

static void enter_section(struct loader *loader, const char *name, bool repeated)
{
    const char *names[SECTIONS_MAX];
    int count = schema_sections(names), index = 0;
    if (strcmp(name, "layer") == 0) {
        loader->place = SECTION_LAYER;
        check_brackets(loader, repeated);
        layer_begin(loader);
        return;
    }
    while (index < count && strcmp(names[index], name) != 0)
        index++;
    if (index == count) {
        unknown_section(loader, name);
        return;
    }
    loader->place = SECTION_KEYS;
    if (repeated)
        mistakes_add(&loader->mistakes, loader->line, "[[%s]]: only layer is repeated; write [%s]", name, name);
    if (loader->section_line[index])
        mistakes_add(&loader->mistakes, loader->line, "[%s]: the section has begun in line %d; put its keys together",
                     name, loader->section_line[index]);
    else
        loader->section_line[index] = loader->line;
}

/* "[name]" or "[[name]]" and nothing more but a comment. */
static void section_line(struct loader *loader, char *line, char *out, size_t bytes)
{
    layer_end(loader);
    loader->place = SECTION_UNKNOWN;
    bool repeated = line[1] == '[';
    char *name = line + 1 + repeated, *end = strstr(name, repeated ? "]]" : "]");
    if (!end) {
        mistakes_add(&loader->mistakes, loader->line, "'%.60s': the section's closing %s is missing", line,
                     repeated ? "]]" : "]");
        return;
    }
    *end = 0;
    char *rest = end + 1 + repeated;
    rest += strspn(rest, " \t");
    name = text_trim(name);
    if (*rest && *rest != '#' && *rest != ';')
        mistakes_add(&loader->mistakes, loader->line,
                     "[%.60s]: '%.60s' after the section; expected nothing or a comment", name, rest);
    if (!plain_name(name)) {
        mistakes_add(&loader->mistakes, loader->line, "[%.60s]: not a section's name; expected one such as [train]",
                     name);
        return;
    }
    enter_section(loader, name, repeated);
    snprintf(out, bytes, "[%s]\n", name);
}

/* ---- key lines ---- */

static void no_equals(struct loader *loader, const char *line)
{
    const char *colon = strchr(line, ':');
    if (colon)
        mistakes_add(&loader->mistakes, loader->line, "'%.60s': no equals sign; write %.*s = %.60s", line,
                     (int)(colon - line < 60 ? colon - line : 60), line, colon + 1 + strspn(colon + 1, " "));
    else
        mistakes_add(&loader->mistakes, loader->line,
                     "'%.60s': no equals sign; expected key = value (a list is written on one line)", line);
}

static void key_line(struct loader *loader, char *line, char *out, size_t bytes)
{
    char *equals = strchr(line, '=');
    if (!equals) {
        no_equals(loader, line);
        return;
    }
    *equals = 0;
    char *name = text_trim(line);
    if (!plain_name(name)) {
        mistakes_add(&loader->mistakes, loader->line, "'%.60s': not a key's name; expected letters, digits and _",
                     name);
        return;
    }
    if (!text_copy(loader->value, sizeof loader->value, equals + 1)) {
        mistakes_add(&loader->mistakes, loader->line, "%s: the line is longer than %zu bytes", name,
                     sizeof loader->value);
        return;
    }
    snprintf(out, bytes, "%s = x\n", name);
}

/* ---- libinih ---- */

/* The next line of the file into line, as text. false: none is left. */
static bool next_line(struct loader *loader, char *line, size_t bytes)
{
    line[0] = 0;
    if (loader->at >= loader->end)
        return false;
    const char *newline = memchr(loader->at, '\n', (size_t)(loader->end - loader->at));
    const char *stop = newline ? newline : loader->end;
    size_t length = (size_t)(stop - loader->at);
    loader->line++;
    if (memchr(loader->at, 0, length))
        mistakes_add(&loader->mistakes, loader->line, "a zero byte; is this a text file?");
    else if (length >= bytes)
        mistakes_add(&loader->mistakes, loader->line, "the line is longer than %zu bytes", bytes - 1);
    else {
        memcpy(line, loader->at, length);
        line[length] = 0;
    }
    loader->at = newline ? newline + 1 : loader->end;
    return true;
}

/* ini_parse_stream's fgets: hands out one short line for each line of the file; an empty one where there is nothing for
 * the handler to see. */
static char *read_line(char *out, int out_bytes, void *stream)
{
    struct loader *loader = stream;
    char text[VALUE_BYTES + 2 * NAME_BYTES];
    assert(out_bytes >= 2 * NAME_BYTES);
    if (!next_line(loader, text, sizeof text))
        return NULL;
    char *line = text_trim(loader->line == 1 ? text_begin(text) : text);
    snprintf(out, (size_t)out_bytes, "\n");
    const bool says = *line && *line != '#' && *line != ';';
    const char *kind = says && !loader->begun ? kind_of(line) : NULL;
    loader->begun |= says;
    if (kind) {
        mistakes_add(&loader->mistakes, loader->line,
                     "'%.60s': this is %s; a config has lines key = value below lines [section]", line, kind);
        loader->at = loader->end; /* the rest is no better */
    } else if (*line == '[')
        section_line(loader, line, out, (size_t)out_bytes);
    else if (says)
        key_line(loader, line, out, (size_t)out_bytes);
    return out;
}

static void set_key(struct loader *loader, const char *section, const char *name)
{
    char near[512];
    int key = schema_find(section, name);
    if (key < 0) {
        schema_suggest(section, name, near, sizeof near);
        mistakes_add(&loader->mistakes, loader->line, "%s.%s: unknown key;%s", section, name, near);
    } else if (loader->origin[key] > 0) {
        mistakes_add(&loader->mistakes, loader->line, "%s.%s: given in line %d already; remove one of the two", section,
                     schema_keys[key].name, loader->origin[key]);
    } else {
        loader_set(loader, key, loader->line, loader->value);
    }
}

static int handle(void *user, const char *section, const char *name, const char *value)
{
    (void)value;
    struct loader *loader = user;
    char near[512];
    switch (loader->place) {
    case SECTION_NONE:
        schema_suggest(NULL, name, near, sizeof near);
        mistakes_add(&loader->mistakes, loader->line,
                     "%s: stands before the first section; write it below its [section];%s", name, near);
        break;
    case SECTION_UNKNOWN: break; /* has been reported as a whole */
    case SECTION_KEYS: set_key(loader, section, name); break;
    case SECTION_LAYER: layer_set(loader, name); break;
    }
    return 1;
}

void file_parse(struct loader *loader, const char *text, size_t bytes)
{
    loader->at = text;
    loader->end = text + bytes;
    if (ini_parse_stream(read_line, loader, handle, loader) != 0 && loader->mistakes.count == 0)
        mistakes_add(&loader->mistakes, loader->line, "cannot be read as a config");
    layer_end(loader);
}
