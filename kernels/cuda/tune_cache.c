/* tune_cache: the plans chosen earlier, one file each in $XDG_CACHE_HOME/evenkeel/plans (or ~/.cache/...). Knows
 * nothing of what a key or a plan says. A cache may vanish at any time: whatever goes wrong here means only that a plan
 * is chosen again, by a clock, and so perhaps another one. Files are whole or absent, so processes that run at once do
 * not disturb each other: the last choice stays.
 *
 * A file: "evenkeel plan 1 <sum of the rest>", the key, the milliseconds of a run, and the choice, a line each. */
#include "file.h"
#include "log.h"
#include "tune.h"
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MOST = 16 << 20, HEAD_BYTES = 48 };

/* By the XDG base directory specification: a relative $XDG_CACHE_HOME is none. */
static int cache_folder(char folder[static PATH_BYTES])
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (cache && cache[0] == '/')
        return path_join(folder, cache, "evenkeel/plans");
    if (home && home[0] == '/')
        return path_join(folder, home, ".cache/evenkeel/plans");
    return FAIL(ERR_CREATE, "neither XDG_CACHE_HOME nor HOME is an absolute path");
}

static int cache_path(const char *key, char path[static PATH_BYTES])
{
    char folder[PATH_BYTES], name[32];
    TRY(cache_folder(folder));
    snprintf(name, sizeof name, "%016llx.plan", (unsigned long long)hash_bytes(HASH_BEGIN, key, strlen(key)));
    return path_join(path, folder, name);
}

void tune_cache_refuse(const char *key, const char *reason)
{
    char path[PATH_BYTES];
    if (cache_path(key, path) == OK)
        log_warn("%s: %s; choosing again", path, reason);
}

/* The text after this line, which becomes text of its own; NULL: there is no end to it. */
static char *next_line(char *line)
{
    char *end = strchr(line, '\n');
    if (!end)
        return NULL;
    *end = '\0';
    return end + 1;
}

/* Why text is no use for this key, or NULL. */
static const char *take_apart(char *text, const char *key, char **choice, float *ms)
{
    char wanted[HEAD_BYTES], *rest = next_line(text);
    if (!rest)
        return "damaged";
    snprintf(wanted, sizeof wanted, "evenkeel plan 1 %016llx",
             (unsigned long long)hash_bytes(HASH_BEGIN, rest, strlen(rest)));
    if (strcmp(text, wanted) != 0)
        return strncmp(text, "evenkeel plan 1 ", 16) == 0 ? "damaged" : "not a plan of this program";
    char *time = next_line(rest);
    *choice = time ? next_line(time) : NULL;
    if (!*choice)
        return "damaged";
    *ms = strtof(time, NULL);
    return strcmp(rest, key) == 0 ? NULL : "kept for another layer or device";
}

struct tune_kept tune_cache_read(const char *key)
{
    char path[PATH_BYTES];
    void *text;
    size_t bytes;
    struct tune_kept kept = {NULL, NAN};
    char *choice;
    if (cache_path(key, path) < 0 || !file_exists(path) || file_read(path, FILE_MOST, &text, &bytes) < 0)
        return kept;
    const char *reason = take_apart(text, key, &choice, &kept.ms);
    if (reason)
        tune_cache_refuse(key, reason);
    else
        kept.choice = strdup(choice);
    memory_give(text);
    return kept;
}

/* Once in a process: every layer has choices. */
static void warn_unkept(void)
{
    static atomic_flag said = ATOMIC_FLAG_INIT;
    if (!atomic_flag_test_and_set(&said))
        log_warn("%s; which of a layer's plans is fastest is not kept, so it is measured at every start, and --resume "
                 "may take other plans and give other bits; set XDG_CACHE_HOME to a folder that can be written",
                 fail_text());
}

void tune_cache_write(const char *key, const char *choice, float ms)
{
    char folder[PATH_BYTES], path[PATH_BYTES];
    const size_t room = HEAD_BYTES + strlen(key) + strlen(choice) + 64;
    char *text = malloc(room);
    if (text && (cache_folder(folder) < 0 || folder_make(folder) < 0 || cache_path(key, path) < 0)) {
        warn_unkept();
    } else if (text) {
        char *rest = text + HEAD_BYTES;
        snprintf(rest, room - HEAD_BYTES, "%s\n%.9g\n%s", key, (double)ms, choice);
        const int head = snprintf(text, HEAD_BYTES, "evenkeel plan 1 %016llx\n",
                                  (unsigned long long)hash_bytes(HASH_BEGIN, rest, strlen(rest)));
        memmove(text + head, rest, strlen(rest) + 1);
        if (file_write(path, text, strlen(text)) < 0)
            warn_unkept();
    }
    free(text);
}
