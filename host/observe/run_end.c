/* run_end: how a run ended, read from its directory by somebody else. See include/run.h.
 * Reads only; must not know the trainer. */
#include "run.h"
#include "text.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum { MARK_LIMIT = 1 << 20 };

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

/* The exit status of the newest failure. */
static void take_status(const json_t *event, void *status)
{
    const json_t *number = json_object_get(event, "exit_status");
    if (json_is_integer(number))
        *(int *)status = (int)json_integer_value(number);
}

void run_read_end(const char *path, struct run_end *end)
{
    char config[PATH_BYTES];
    *end = (struct run_end){.kind = RUN_NONE};
    if (read_mark(path, "DONE", end->text, sizeof end->text)) {
        end->kind = RUN_DONE;
    } else if (read_mark(path, "FAILED", end->text, sizeof end->text)) {
        end->kind = RUN_FAILED;
        end->exit_status = 1; /* training's own where the log cannot tell */
        if (run_read_events(path, (const char *const[]){"failed", NULL}, take_status, &end->exit_status) < 0)
            end->exit_status = 1;
    } else if (path_join(config, path, "config.resolved.ini") == OK && file_exists(config)) {
        end->kind = RUN_OPEN;
    }
}
