/* override: "section.key=value" from the command line, and the short names people type.
 * Must not know where the words come from, nor what keys mean. */
#include "schema.h"
#include "text.h"

#include <stdio.h>
#include <string.h>

/* The name stands for several keys. */
static void ambiguous(struct loader *loader, const char *name, const int *keys, int count)
{
    char all[512] = "";
    size_t used = 0;
    for (int i = 0; i < count && used < sizeof all; i++)
        used += (size_t)snprintf(all + used, sizeof all - used, "%s%s.%s", i ? ", " : "", schema_keys[keys[i]].section,
                                 schema_keys[keys[i]].name);
    mistakes_add(&loader->mistakes, ORIGIN_COMMAND, "%s: could be several keys; expected one of %s", name, all);
}

static void unknown(struct loader *loader, const char *name)
{
    char section[96], near[512];
    text_copy(section, sizeof section, name);
    char *dot = strchr(section, '.');
    if (dot)
        *dot = 0;
    schema_suggest(dot ? section : NULL, dot ? dot + 1 : section, near, sizeof near);
    mistakes_add(&loader->mistakes, ORIGIN_COMMAND, "%s: unknown key;%s", *name ? name : "''", near);
}

/* The key that name means, or -1 after a mistake has been printed. */
static int find_override(struct loader *loader, const char *name)
{
    int found[SECTIONS_MAX];
    if (strncmp(name, "layer.", 6) == 0) {
        mistakes_add(&loader->mistakes, ORIGIN_COMMAND, "%s: layers are changed in the file, not here", name);
        return -1;
    }
    bool full = strchr(name, '.');
    int count = full ? 0 : schema_find_bare(name, found);
    int key = full ? schema_find_full(name) : count == 1 ? found[0] : -1;
    if (count > 1)
        ambiguous(loader, name, found, count);
    else if (key < 0)
        unknown(loader, name);
    return key;
}

bool config_find_key(const char *name, char key[static CONFIG_KEY])
{
    int found[SECTIONS_MAX];
    if (strchr(name, '.'))
        found[0] = schema_find_full(name);
    else if (schema_find_bare(name, found) != 1)
        return false;
    if (found[0] < 0)
        return false;
    snprintf(key, CONFIG_KEY, "%s.%s", schema_keys[found[0]].section, schema_keys[found[0]].name);
    return true;
}

void override_apply(struct loader *loader, const char *text)
{
    const char *equals = strchr(text, '=');
    if (!equals) {
        mistakes_add(&loader->mistakes, ORIGIN_COMMAND, "'%.60s': no equals sign; expected section.key=value", text);
        return;
    }
    char name[96];
    snprintf(name, sizeof name, "%.*s", equals - text < (int)sizeof name ? (int)(equals - text) : (int)sizeof name,
             text);
    int key = find_override(loader, text_trim(name));
    if (key < 0)
        return;
    if (loader->origin[key] == ORIGIN_COMMAND)
        mistakes_add(&loader->mistakes, ORIGIN_COMMAND, "%s.%s: given twice; remove one of the two",
                     schema_keys[key].section, schema_keys[key].name);
    else
        /* A shell takes the quotes off data.val="". */
        loader_set(loader, key, ORIGIN_COMMAND, equals[1] || schema_keys[key].type != KEY_TEXT ? equals + 1 : "\"\"");
}
