/* folder: one folder for the process, for readers of whole folders; removed at its end. */
#ifndef FUZZ_FOLDER_H
#define FUZZ_FOLDER_H
#include "file.h"

#include "fuzz.h"

static char folder[64];

static void folder_clear(void)
{
    folder_remove(folder);
}

/* Makes it the first time it is asked for; true then. */
static inline bool folder_open(void)
{
    if (folder[0])
        return false;
    const char *parent = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%.40s/evenkeel-fuzzXXXXXX", parent ? parent : "/tmp");
    assert(mkdtemp(folder));
    atexit(folder_clear);
    return true;
}

/* The path of a file in it; lives until the next is asked for. */
static inline const char *folder_path(const char *name)
{
    static char path[PATH_BYTES];
    assert(path_join(path, folder, name) == OK);
    return path;
}

/* Writes one; returns its path. */
static inline const char *folder_write(const char *name, const void *data, size_t bytes)
{
    const char *path = folder_path(name);
    FILE *stream = fopen(path, "wb");
    assert(stream);
    const size_t written = fwrite(data, 1, bytes, stream);
    const int closed = fclose(stream);
    assert(written == bytes && closed == 0);
    return path;
}
#endif
