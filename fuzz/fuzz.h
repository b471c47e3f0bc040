/* fuzz: what a fuzz target is, and files with given content for readers that want a path. */
#ifndef FUZZ_H
#define FUZZ_H
#include "base.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* libFuzzer's entry: whatever the bytes are, it returns 0, and neither crashes nor leaks. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* A file in memory, readable as path until fuzz_file_close. */
struct fuzz_file {
    int descriptor;
    char path[64];
};

static inline void fuzz_file_open(struct fuzz_file *file, const uint8_t *data, size_t bytes)
{
    file->descriptor = memfd_create("fuzz", MFD_CLOEXEC);
    assert(file->descriptor >= 0);
    for (size_t done = 0; done < bytes;) {
        ssize_t written = write(file->descriptor, data + done, bytes - done);
        assert(written > 0);
        done += (size_t)written;
    }
    snprintf(file->path, sizeof file->path, "/proc/self/fd/%d", file->descriptor);
}

static inline void fuzz_file_close(struct fuzz_file *file)
{
    close(file->descriptor);
}
#endif
