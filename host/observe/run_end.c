/* run_end: how a run ended, and how many images it has, read from its directory by somebody else. See include/run.h.
 * Reads only; must not know the trainer. */
#include "run.h"
#include "text.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum { MARK_LIMIT = 1 << 20, LOG_LIMIT = 1 << 30 };

/* First line of a mark. false: the mark is not there. */
static bool read_mark(const char *run, const char *mark, char *text, size_t bytes)
{
    char path[PATH_BYTES];
    void *data;
    size_t length;
    if (path_join(path, run, mark) < 0 || !file_exists(path) || file_read(path, MARK_LIMIT, &data, &length) < 0)
        return false;
    char *rest = data;
    text_copy(text, bytes, strsep(&rest, "\n"));
    memory_give(data);
    return true;
}

/* log.jsonl, to be given back; NULL: there is none. */
static char *read_log(const char *run, size_t *length)
{
    char path[PATH_BYTES];
    void *data = NULL;
    if (path_join(path, run, "log.jsonl") < 0 || !file_exists(path) || file_read(path, LOG_LIMIT, &data, length) < 0)
        return NULL;
    return data;
}

/* The failure's exit status from the last event; training's own where the log cannot tell. */
static int failed_status(const char *run)
{
    size_t length;
    char *text = read_log(run, &length);
    int status = 1;
    if (!text)
        return status;
    while (length > 0 && text[length - 1] == '\n')
        text[--length] = '\0';
    const char *line = strrchr(text, '\n');
    json_t *event = json_loads(line ? line + 1 : text, 0, NULL);
    json_t *number = json_object_get(event, "exit_status");
    if (json_is_integer(number))
        status = (int)json_integer_value(number);
    json_decref(event);
    memory_give(text);
    return status;
}

double run_read_images(const char *path)
{
    static const char data[] = "\"event\":\"data\"";
    size_t length;
    char *text = read_log(path, &length), *line = NULL, *end;
    double images = 0.0;
    if (!text)
        return images;
    /* A process that goes on with the run counts them again: the newest word. */
    for (char *next = text; (next = strstr(next, data)); next++)
        line = next;
    while (line && line > text && line[-1] != '\n')
        line--;
    if (line && (end = strchr(line, '\n'))) {
        *end = 0;
        json_t *event = json_loads(line, 0, NULL);
        const json_t *count = json_object_get(event, "train");
        images = json_is_number(count) ? json_number_value(count) : 0.0;
        json_decref(event);
    }
    memory_give(text);
    return images > 0.0 ? images : 0.0;
}

void run_read_end(const char *path, struct run_end *end)
{
    char config[PATH_BYTES];
    *end = (struct run_end){.kind = RUN_NONE};
    if (read_mark(path, "DONE", end->text, sizeof end->text)) {
        end->kind = RUN_DONE;
    } else if (read_mark(path, "FAILED", end->text, sizeof end->text)) {
        end->kind = RUN_FAILED;
        end->exit_status = failed_status(path);
    } else if (path_join(config, path, "config.resolved.ini") == OK && file_exists(config)) {
        end->kind = RUN_OPEN;
    }
}
