/* settings: what a run was made with: every setting, those that are not the default marked, and where it ran. */
#include "json.h"
#include "sections.h"
#include "text.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* A config as the text that config_write makes; free() it. */
static char *config_text(const struct config *config)
{
    char *text = NULL;
    size_t bytes;
    FILE *stream = open_memstream(&text, &bytes);
    if (!stream)
        return NULL;
    const int status = config_write(config, stream);
    if (fclose(stream) != 0 || status < 0) {
        free(text);
        return NULL;
    }
    return text;
}

/* Whether the value of section.key is what a config without any settings has. */
static bool is_default(const struct config *defaults, const char *section, const char *key, const char *value)
{
    char name[2 * CONFIG_KEY], usual[CONFIG_TEXT + 8];
    snprintf(name, sizeof name, "%s.%s", section, key);
    return config_get(defaults, name, usual, sizeof usual) && strcmp(usual, value) == 0;
}

static void put_setting(FILE *page, const struct config *defaults, const char *section, char *line)
{
    char *value = strstr(line, " = ");
    if (!value)
        return;
    *value = 0;
    value += 3;
    fprintf(page, "<div%s><span>", is_default(defaults, section, line, value) ? "" : " class=\"set\"");
    page_text(page, line);
    fputs("</span><b>", page);
    page_text(page, value);
    fputs("</b></div>\n", page);
}

static void put_config(FILE *page, const struct config *config)
{
    struct config defaults = {0};
    char *text = config_text(config), *rest = text, section[CONFIG_KEY] = "";
    if (!text || config_load(&defaults, NULL, NULL, 0, stderr) < 0) {
        free(text);
        return;
    }
    fputs("<div class=\"settings\">", page);
    for (char *line; (line = strsep(&rest, "\n"));) {
        if (*line != '[') {
            put_setting(page, &defaults, section, line);
            continue;
        }
        fputs(*section ? "</section>\n<section><h3>" : "<section><h3>", page);
        text_copy(section, sizeof section, line + strspn(line, "["));
        section[strcspn(section, "]")] = 0;
        page_text(page, section);
        fputs("</h3>\n", page);
    }
    fputs(*section ? "</section></div>\n" : "</div>\n", page);
    free(text);
    config_free(&defaults);
}

static void put_fact(FILE *page, const char *name, const char *text)
{
    if (!text || !*text)
        return;
    fprintf(page, "<tr><th>%s</th><td>", name);
    page_text(page, text);
    fputs("</td></tr>\n", page);
}

static void put_command(FILE *page, const json_t *command)
{
    char text[4096] = "evenkeel";
    for (size_t i = 0; i < json_array_size(command); i++) {
        const size_t used = strlen(text);
        const char *word = json_string_value(json_array_get(command, i));
        if (!word || used + 2 >= sizeof text)
            break;
        text[used] = ' ';
        text_shell(text + used + 1, sizeof text - used - 1, word);
    }
    put_fact(page, "command", text);
}

static void put_environment(FILE *page, const struct run_facts *facts)
{
    static const struct {
        const char *key, *name;
    } shown[] = {{"device", "device"},     {"host", "host"},       {"system", "system"},    {"version", "evenkeel"},
                 {"compiler", "compiler"}, {"started", "started"}, {"folder", "started in"}};
    char path[PATH_BYTES];
    json_t *env = path_join(path, facts->path, "env.json") == OK ? json_read(path) : NULL;
    fputs("<section class=\"card\"><h3>Where it ran</h3><div class=\"scroll\"><table class=\"facts\"><tbody>\n", page);
    put_fact(page, "run", facts->path);
    for (int i = 0; i < COUNT_OF(shown); i++)
        put_fact(page, shown[i].name, json_string_value(json_object_get(env, shown[i].key)));
    if (json_is_array(json_object_get(env, "command")))
        put_command(page, json_object_get(env, "command"));
    fputs("</tbody></table></div></section>\n", page);
    json_decref(env);
}

void page_settings(FILE *page, const struct run_facts *facts)
{
    fputs("<h2>What it was made with</h2>\n<div class=\"stack\">", page);
    put_environment(page, facts);
    fputs("<section class=\"card\"><h3>Settings</h3><p class=\"soft\">In bold what is not the default.</p>\n", page);
    put_config(page, &facts->config);
    fputs("</section></div>\n", page);
}
