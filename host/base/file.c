/* file: whole files, files that are complete or absent, append-only logs, folders. See include/file.h.
 * Every failure names the path and the system's reason. Knows no format. Signal handlers are expected to be installed
 * with SA_RESTART; calls that are interrupted all the same are repeated here. */
#include "file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RETRY(result, call)                                                                                            \
    do                                                                                                                 \
        result = (call);                                                                                               \
    while (result < 0 && errno == EINTR)

static int print_path(char path[static PATH_BYTES], const char *format, const char *a, const char *b)
{
    int length = snprintf(path, PATH_BYTES, format, a, b);
    if (length < 0 || length >= PATH_BYTES)
        return FAIL(ERR_CREATE, "%.64s…: the path is longer than %d bytes; use a shorter one", a, PATH_BYTES - 1);
    return OK;
}

int path_join(char path[static PATH_BYTES], const char *folder, const char *name)
{
    size_t length = strlen(folder);
    bool slash = length && folder[length - 1] != '/';
    return print_path(path, slash ? "%s/%s" : "%s%s", folder, name);
}

const char *path_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* The folder that holds path. */
static int path_folder(char folder[static PATH_BYTES], const char *path)
{
    const char *base = path_base(path);
    if (base == path)
        return print_path(folder, "%s%s", ".", "");
    TRY(print_path(folder, "%s%s", path, ""));
    size_t length = (size_t)(base - path);
    folder[length > 1 ? length - 1 : 1] = 0;
    return OK;
}

/* ---- reading ---- */

int file_open(const char *path, int *descriptor, size_t *bytes)
{
    struct stat info;
    /* Non-blocking: opening a pipe that nobody writes to must not hang. */
    RETRY(*descriptor, open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (*descriptor < 0)
        return FAIL(ERR_NO_INPUT, "%s: cannot open: %s", path, strerror(errno));
    int status = OK;
    if (fstat(*descriptor, &info) != 0)
        status = FAIL(ERR_IO, "%s: %s", path, strerror(errno));
    else if (!S_ISREG(info.st_mode))
        status = FAIL(ERR_DATA, "%s: is %s; expected a file", path,
                      S_ISDIR(info.st_mode) ? "a folder" : "not a regular file");
    else
        *bytes = (size_t)info.st_size;
    if (status != OK) {
        close(*descriptor);
        *descriptor = -1;
    }
    return status;
}

static int read_open_file(int descriptor, const char *path, size_t size, void **data, size_t *bytes)
{
    size_t filled = 0;
    TRY(memory_take(data, size + 1, path));
    while (filled < size) {
        ssize_t got;
        RETRY(got, read(descriptor, (char *)*data + filled, size - filled));
        if (got < 0) {
            memory_give(*data);
            *data = NULL;
            return FAIL(ERR_IO, "%s: reading failed: %s", path, strerror(errno));
        }
        if (got == 0)
            break; /* the file was cut meanwhile: what is there is its content */
        filled += (size_t)got;
    }
    ((char *)*data)[filled] = 0;
    *bytes = filled;
    return OK;
}

int file_read(const char *path, size_t limit, void **data, size_t *bytes)
{
    int descriptor;
    size_t size;
    *data = NULL;
    *bytes = 0;
    TRY(file_open(path, &descriptor, &size));
    int status = size > limit ? FAIL(ERR_DATA, "%s: holds %zu bytes, at most %zu are expected", path, size, limit)
                              : read_open_file(descriptor, path, size, data, bytes);
    close(descriptor);
    return status;
}

bool file_exists(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0;
}

bool folder_exists(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* ---- folders ---- */

int folder_make(const char *path)
{
    char part[PATH_BYTES];
    TRY(print_path(part, "%s%s", path, ""));
    for (char *at = part; *at;) {
        at += strspn(at, "/");
        at += strcspn(at, "/");
        char kept = *at;
        *at = 0;
        if (*part && mkdir(part, 0777) != 0) {
            int reason = errno;
            if (!folder_exists(part))
                return FAIL(ERR_CREATE, "%s: cannot make the folder: %s", part,
                            reason == EEXIST ? "a file of that name exists" : strerror(reason));
        }
        *at = kept;
    }
    return *path ? OK : FAIL(ERR_CREATE, "cannot make a folder without a name");
}

int folder_sync(const char *path)
{
    int descriptor, status;
    RETRY(descriptor, open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (descriptor < 0)
        return FAIL(ERR_IO, "%s: cannot open the folder: %s", path, strerror(errno));
    RETRY(status, fsync(descriptor));
    int reason = errno;
    close(descriptor);
    /* Some network file systems cannot sync folders and say so with EINVAL. */
    if (status != 0 && reason != EINVAL && reason != ENOTSUP)
        return FAIL(ERR_IO, "%s: cannot flush the folder to disk: %s", path, strerror(reason));
    return OK;
}

static int remove_entry(const FTSENT *entry)
{
    switch (entry->fts_info) {
    case FTS_D: return OK; /* its content first */
    case FTS_DNR:
    case FTS_ERR:
    case FTS_NS:
        if (entry->fts_errno == ENOENT)
            return OK;
        return FAIL(ERR_IO, "%s: cannot remove: %s", entry->fts_path, strerror(entry->fts_errno));
    default: break;
    }
    int status = entry->fts_info == FTS_DP ? rmdir(entry->fts_accpath) : unlink(entry->fts_accpath);
    if (status != 0 && errno != ENOENT)
        return FAIL(ERR_IO, "%s: cannot remove: %s", entry->fts_path, strerror(errno));
    return OK;
}

int folder_remove(const char *path)
{
    char root[PATH_BYTES];
    TRY(print_path(root, "%s%s", path, ""));
    if (!file_exists(root))
        return OK;
    FTS *tree = fts_open((char *[]){root, NULL}, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    if (!tree)
        return FAIL(ERR_IO, "%s: cannot list: %s", path, strerror(errno));
    int status = OK;
    errno = 0;
    for (FTSENT *entry; status == OK && (entry = fts_read(tree)); errno = 0)
        status = remove_entry(entry);
    if (status == OK && errno)
        status = FAIL(ERR_IO, "%s: cannot list: %s", path, strerror(errno));
    fts_close(tree);
    return status;
}

/* ---- files that are complete or absent ---- */

/* A link stays one: its target is written. *in_place: what is there is a pipe or a device, which nothing may replace.
 */
static int find_target(const char *path, char target[static PATH_BYTES], bool *in_place)
{
    struct stat status;
    *in_place = false;
    if (stat(path, &status) != 0) /* another process may put a file there at any time */
        return lstat(path, &status) == 0 && S_ISLNK(status.st_mode)
                   ? FAIL(ERR_CREATE, "%s: is a link to what is not there; remove it", path)
                   : print_path(target, "%s%s", path, "");
    if (S_ISDIR(status.st_mode))
        return FAIL(ERR_CREATE, "%s: is a folder; name a file", path);
    *in_place = !S_ISREG(status.st_mode);
    if (*in_place || lstat(path, &status) != 0 || !S_ISLNK(status.st_mode))
        return print_path(target, "%s%s", path, "");
    char *real = realpath(path, NULL);
    const int found = real ? print_path(target, "%s%s", real, "")
                           : FAIL(ERR_CREATE, "%s: cannot follow the link: %s", path, strerror(errno));
    free(real);
    return found;
}

/* A pipe that nobody reads must not hang: -1, ENXIO. */
static int open_to_write(const char *path, int flags)
{
    int descriptor;
    RETRY(descriptor, open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | flags, 0666));
    if (descriptor >= 0)
        fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) & ~O_NONBLOCK);
    return descriptor;
}

static const char *why_not_opened(void)
{
    return errno == ENXIO ? "it is no file, and nothing reads from it" : strerror(errno);
}

int new_file_open(struct new_file *file, const char *path)
{
    static atomic_uint counter;
    *file = (struct new_file){0};
    char folder[PATH_BYTES], name[PATH_BYTES];
    bool in_place;
    int descriptor;
    TRY(find_target(path, file->path, &in_place));
    if (in_place) {
        descriptor = open_to_write(path, 0);
    } else {
        TRY(path_folder(folder, file->path));
        /* Hidden, and without the target's name so that the longest allowed names still work. */
        snprintf(name, sizeof name, ".evenkeel-%ld-%u.tmp", (long)getpid(), atomic_fetch_add(&counter, 1));
        TRY(path_join(file->temporary, folder, name));
        descriptor = open_to_write(file->temporary, O_CREAT | O_TRUNC);
    }
    if (descriptor < 0)
        return FAIL(ERR_CREATE, "%s: cannot create: %s", path, why_not_opened());
    file->stream = fdopen(descriptor, "wb");
    if (!file->stream) {
        int reason = errno;
        close(descriptor);
        unlink(file->temporary);
        return FAIL(ERR_CREATE, "%s: cannot create: %s", path, strerror(reason));
    }
    return OK;
}

/* Why what was written is not on the disk, 0 where it is. Pipes and terminals cannot be synced and need not be. */
static int sync_reason(int (*flush)(int), int descriptor)
{
    int status;
    RETRY(status, flush(descriptor));
    return status != 0 && errno != EINVAL && errno != EROFS ? errno : 0;
}

/* Closes the stream whatever happens; the first reason wins. */
static int flush_and_close(FILE *stream, const char *path)
{
    bool failed_before = ferror(stream);
    int reason = 0;
    if (fflush(stream) != 0)
        reason = errno;
    else if (!failed_before) {
        reason = sync_reason(fsync, fileno(stream));
    }
    if (fclose(stream) != 0 && !reason)
        reason = errno;
    if (reason)
        return FAIL(ERR_IO, "%s: writing failed: %s", path, strerror(reason));
    if (failed_before)
        return FAIL(ERR_IO, "%s: writing failed; is the disk or the quota full?", path);
    return OK;
}

int new_file_commit(struct new_file *file)
{
    assert(file->stream);
    int status = flush_and_close(file->stream, file->path);
    file->stream = NULL;
    if (!file->temporary[0])
        return status;
    if (status == OK && rename(file->temporary, file->path) != 0)
        status = FAIL(ERR_CREATE, "%s: cannot rename the finished file to this: %s", file->path, strerror(errno));
    if (status < 0) {
        unlink(file->temporary);
        return status;
    }
    char folder[PATH_BYTES];
    TRY(path_folder(folder, file->path));
    return folder_sync(folder);
}

void new_file_abandon(struct new_file *file)
{
    if (!file->stream)
        return;
    fclose(file->stream);
    if (file->temporary[0])
        unlink(file->temporary);
    file->stream = NULL;
}

int file_write(const char *path, const void *data, size_t bytes)
{
    struct new_file file;
    TRY(new_file_open(&file, path));
    fwrite(data, 1, bytes, file.stream); /* its errors stay in the stream until commit */
    return new_file_commit(&file);
}

/* ---- files without a name ---- */

int scratch_open(int *descriptor, char *folder)
{
    char path[PATH_BYTES];
    const char *given = getenv("TMPDIR");
    TRY(print_path(folder, "%s%s", given && *given ? given : "/var/tmp", ""));
    TRY(path_join(path, folder, "evenkeel-XXXXXX"));
    *descriptor = mkostemp(path, O_CLOEXEC);
    if (*descriptor < 0)
        return FAIL(ERR_CREATE, "%s: cannot make a temporary file: %s", folder, strerror(errno));
    unlink(path);
    return OK;
}

/* ---- logs ---- */

int append_open(struct append_file *file, const char *path, int64_t keep_bytes)
{
    *file = (struct append_file){.descriptor = -1};
    TRY(print_path(file->path, "%s%s", path, ""));
    int descriptor = open_to_write(path, O_APPEND | O_CREAT), status;
    if (descriptor < 0)
        return FAIL(ERR_CREATE, "%s: cannot open for writing: %s", path, why_not_opened());
    file->descriptor = descriptor;
    int64_t length = append_length(file);
    if (keep_bytes > length) {
        append_close(file);
        return FAIL(ERR_DATA, "%s: holds %lld bytes, but %lld were recorded; the file was cut or replaced", path,
                    (long long)length, (long long)keep_bytes);
    }
    if (keep_bytes >= 0 && keep_bytes < length) {
        RETRY(status, ftruncate(descriptor, keep_bytes));
        if (status != 0) {
            int reason = errno;
            append_close(file);
            return FAIL(ERR_IO, "%s: cannot cut to %lld bytes: %s", path, (long long)keep_bytes, strerror(reason));
        }
    }
    return OK;
}

int append_write(struct append_file *file, const void *record, size_t bytes)
{
    assert(file->descriptor >= 0);
    int64_t start = append_length(file);
    size_t done = 0;
    while (done < bytes) {
        ssize_t put;
        RETRY(put, write(file->descriptor, (const char *)record + done, bytes - done));
        if (put > 0) {
            done += (size_t)put;
            continue;
        }
        int reason = put < 0 ? errno : EIO, status = 0;
        if (done && start >= 0)
            RETRY(status, ftruncate(file->descriptor, start));
        return FAIL(ERR_IO, "%s: writing failed: %s%s", file->path, strerror(reason),
                    done && (status != 0 || start < 0) ? "; its last record is incomplete" : "");
    }
    return OK;
}

int append_sync(struct append_file *file)
{
    assert(file->descriptor >= 0);
    const int reason = sync_reason(fdatasync, file->descriptor);
    return reason ? FAIL(ERR_IO, "%s: cannot flush to disk: %s", file->path, strerror(reason)) : OK;
}

int64_t append_length(const struct append_file *file)
{
    struct stat status;
    return fstat(file->descriptor, &status) == 0 ? (int64_t)status.st_size : -1;
}

void append_close(struct append_file *file)
{
    if (file->descriptor >= 0)
        close(file->descriptor);
    file->descriptor = -1;
}

void file_put_cell(FILE *stream, const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        fputs(text, stream);
        return;
    }
    fputc('"', stream);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', stream);
        fputc(*text, stream);
    }
    fputc('"', stream);
}
