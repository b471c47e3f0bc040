/* dnn_cache: the plans chosen earlier, one file each in $XDG_CACHE_HOME/evenkeel/cudnn (or ~/.cache/...). A file's
 * first line is its key, the rest is cuDNN's JSON. Knows nothing of what a key says. A cache may vanish at any time:
 * whatever goes wrong here means only that a plan is chosen again. */
#include "dnn.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 1024, FILE_MOST = 16 << 20 };

/* Appends to a path and makes that folder. */
static bool enter(char path[static PATH_BYTES], const char *folder)
{
    const size_t length = strlen(path);
    if (snprintf(path + length, PATH_BYTES - length, "%s", folder) >= (int)(PATH_BYTES - length))
        return false;
    return mkdir(path, 0755) == 0 || errno == EEXIST;
}

/* 64-bit FNV-1a; the key itself is compared when the file is read. */
static uint64_t hash(const char *text)
{
    uint64_t value = 0xCBF29CE484222325u;
    for (; *text; text++)
        value = (value ^ (unsigned char)*text) * 0x100000001B3u;
    return value;
}

static bool cache_path(const char *key, char path[static PATH_BYTES])
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    path[0] = '\0';
    if (cache && cache[0] == '/') {
        if (!enter(path, cache))
            return false;
    } else if (!home || home[0] != '/' || !enter(path, home) || !enter(path, "/.cache")) {
        return false;
    }
    char name[32];
    snprintf(name, sizeof name, "/%016llx.json", (unsigned long long)hash(key));
    if (!enter(path, "/evenkeel") || !enter(path, "/cudnn") || strlen(path) + sizeof name + 16 > PATH_BYTES)
        return false;
    strcat(path, name);
    return true;
}

/* The whole file as text to free, or NULL. */
static char *read_text(const char *path)
{
    struct stat about;
    FILE *file = fopen(path, "re");
    if (!file)
        return NULL;
    char *text = NULL;
    if (fstat(fileno(file), &about) == 0 && about.st_size < FILE_MOST)
        text = calloc(1, (size_t)about.st_size + 1);
    if (text && fread(text, 1, (size_t)about.st_size, file) != (size_t)about.st_size) {
        free(text);
        text = NULL;
    }
    fclose(file);
    return text;
}

char *dnn_cache_read(const char *key)
{
    char path[PATH_BYTES];
    char *text = cache_path(key, path) ? read_text(path) : NULL;
    if (!text)
        return NULL;
    const size_t length = strlen(key);
    if (strncmp(text, key, length) == 0 && text[length] == '\n') {
        memmove(text, text + length + 1, strlen(text + length + 1) + 1);
        return text;
    }
    free(text);
    return NULL;
}

/* Under a name of this process's own, then renamed: a reader sees a whole file or none. */
void dnn_cache_write(const char *key, const char *json)
{
    char path[PATH_BYTES], temporary[PATH_BYTES + 32];
    if (!cache_path(key, path))
        return;
    snprintf(temporary, sizeof temporary, "%s.%ld", path, (long)getpid());
    FILE *file = fopen(temporary, "we");
    if (!file)
        return;
    bool written = fprintf(file, "%s\n%s", key, json) > 0;
    written = fclose(file) == 0 && written;
    if (!written || rename(temporary, path) != 0)
        unlink(temporary);
}
