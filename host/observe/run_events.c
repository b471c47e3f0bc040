/* run_events: what log.jsonl tells others than the trainer, event by event. See include/run.h.
 * Reads only; must not know what the events are for. */
#include "file.h"
#include "run.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_one_of(const char *line, const char *const *kinds)
{
    const char *kind = strstr(line, "\"event\":\"");
    if (!kind)
        return false;
    kind += strlen("\"event\":\"");
    for (; *kinds; kinds++)
        if (strncmp(kind, *kinds, strlen(*kinds)) == 0 && kind[strlen(*kinds)] == '"')
            return true;
    return false;
}

int run_read_events(const char *run, const char *const *kinds, void (*take)(const struct json_t *event, void *context),
                    void *context)
{
    char path[PATH_BYTES], *line = NULL;
    size_t room = 0, length_now;
    int descriptor;
    TRY(path_join(path, run, "log.jsonl"));
    TRY(file_open(path, &descriptor, &length_now));
    FILE *stream = fdopen(descriptor, "r");
    if (!stream) {
        close(descriptor);
        return FAIL(ERR_MEMORY, "%s: cannot be read: %s", path, strerror(errno));
    }
    for (ssize_t length; (length = getline(&line, &room, stream)) > 0;) {
        if (line[length - 1] != '\n' || !is_one_of(line, kinds))
            continue; /* without its end a line is being written, or was when the process was killed */
        json_t *event = json_loads(line, 0, NULL);
        if (event)
            take(event, context);
        json_decref(event);
    }
    const bool broken = ferror(stream);
    const int reason = errno;
    free(line);
    fclose(stream);
    return broken ? FAIL(ERR_IO, "%s: cannot read: %s", path, strerror(reason)) : OK;
}

/* A process that goes on with the run counts them again: the newest word. */
static void take_images(const json_t *event, void *images)
{
    const json_t *count = json_object_get(event, "train");
    *(double *)images = json_is_number(count) ? json_number_value(count) : 0.0;
}

double run_read_images(const char *path)
{
    double images = 0.0;
    if (run_read_events(path, (const char *const[]){"data", NULL}, take_images, &images) < 0)
        return 0.0;
    return images > 0.0 ? images : 0.0;
}
