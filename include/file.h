/* file: whole files, files that are complete or absent, folders.
 * Level 1. Every failure names the path and the system's reason. */
#ifndef FILE_H
#define FILE_H
#include "base.h"
#include <stdio.h>

enum { PATH_BYTES = 1024 };

/* Joins folder and name with one slash. ERR_CREATE when longer than PATH_BYTES. */
int path_join(char path[static PATH_BYTES], const char *folder, const char *name);
/* The part after the last slash (slashes at the end ignored by the caller). */
const char *path_base(const char *path);

/* Opens a file for reading: its descriptor, -1 on failure, and how much it holds. ERR_NO_INPUT: cannot open. ERR_DATA:
 * a folder, a pipe or a device. */
int file_open(const char *path, int *descriptor, size_t *bytes);
/* Reads at most limit bytes; the buffer has one extra zero byte and is given back with memory_give. Fails as file_open
 * does. ERR_DATA also: larger than limit. ERR_IO: read failed. */
int file_read(const char *path, size_t limit, void **data, size_t *bytes);

bool file_exists(const char *path); /* anything of that name */
bool folder_exists(const char *path);

/* Makes the folder and its parents; one that exists is fine. */
int folder_make(const char *path);
/* Makes what was renamed or created inside the folder durable. */
int folder_sync(const char *path);
/* Removes the folder and all in it; absent is fine. */
int folder_remove(const char *path);

/* A file that appears under its name only when complete: written under a temporary name in the same folder, flushed
 * to disk, renamed, folder synced. A crash or a full disk leaves the former file untouched. Through a link its target
 * is written; a pipe or a device takes the bytes as they come, and one that nobody reads is ERR_CREATE, as is a folder.
 */
struct new_file {
    FILE *stream;                                 /* write here; errors are found at commit */
    char path[PATH_BYTES], temporary[PATH_BYTES]; /* the second: "" for a pipe or a device */
};
int new_file_open(struct new_file *file, const char *path);
int new_file_commit(struct new_file *file);   /* closes; on failure removes the temporary */
void new_file_abandon(struct new_file *file); /* closes and removes; accepts a zeroed struct */
/* A cell of a CSV file: in quotes where it needs them. */
void file_put_cell(FILE *stream, const char *text);

/* The three in one. */
int file_write(const char *path, const void *data, size_t bytes);

/* A file without a name, in $TMPDIR, else /var/tmp: gone when its descriptor is closed, however the process ends.
 * folder: PATH_BYTES, where it was made. */
int scratch_open(int *descriptor, char *folder);

/* A log: a file only ever appended to, each record by one write(2), so that kill -9 leaves whole records and at most
 * one at the end that is torn where a page ends: readers leave out a last line without its newline. */
struct append_file {
    int descriptor; /* -1: closed */
    char path[PATH_BYTES];
};
/* keep_bytes >= 0: an existing file is first cut to that length (resume), else appended to. */
int append_open(struct append_file *file, const char *path, int64_t keep_bytes);
int append_write(struct append_file *file, const void *record, size_t bytes);
int append_sync(struct append_file *file);
int64_t append_length(const struct append_file *file);
void append_close(struct append_file *file);
#endif
