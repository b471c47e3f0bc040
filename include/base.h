/* base: status codes, the one line of failure text, memory that lives as long as a run, the clock.
 * Level 0: includes libc only. */
#ifndef BASE_H
#define BASE_H
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Elements that an array parameter has at least; C++ cannot say it, and the CUDA compiler reads this header. */
#ifdef __cplusplus
#define AT_LEAST(count)
#else
#define AT_LEAST(count) static count
#endif

/* A function that can fail for reasons outside the program returns OK or one of these and leaves one line of
 * text (fail_text). Mistakes of the program itself are assert()s, which stay on in every build. */
enum status {
    OK = 0,
    ERR_USAGE = -1,       /* command line */
    ERR_CONFIG = -2,      /* config file or override */
    ERR_DATA = -3,        /* a file was read and its content is wrong */
    ERR_NO_INPUT = -4,    /* a file or folder is missing or unreadable */
    ERR_CREATE = -5,      /* an output cannot be created */
    ERR_IO = -6,          /* reading or writing failed half way */
    ERR_MEMORY = -7,      /* host or device memory */
    ERR_DEVICE = -8,      /* no device, or its library failed */
    ERR_UNSUPPORTED = -9, /* the backend lacks an operation, precision or layout */
    ERR_TRAINING = -10,   /* training failed: diverged, non-finite */
};

/* The process exit status for a status: 0, 1 (training failed), or one of sysexits.h. */
int status_exit_code(int status);

/* Writes the thread's failure text and returns code. The text names the thing, the reason and the remedy. */
int fail_at(const char *file, int line, int code, const char *format, ...) __attribute__((format(printf, 4, 5)));
#define FAIL(code, ...) fail_at(__FILE__, __LINE__, (code), __VA_ARGS__)

/* The text of the last failure in this thread; "" if none. Valid until the next failure. */
const char *fail_text(void);

/* Source position of the last failure ("file:line"), for tests and debuggers. */
const char *fail_origin(void);

/* Passes a failure up. */
#define TRY(call)                                                                                                      \
    do {                                                                                                               \
        int try_status_ = (call);                                                                                      \
        if (try_status_ < 0)                                                                                           \
            return try_status_;                                                                                        \
    } while (0)

/* Host memory for many small things that live equally long (a config, a graph, a run). Zero-initialise, push,
 * free once. Pushed memory is zeroed and aligned to 64 bytes, texts lie one after the other. Running out of memory in
 * arena_push and the two for text ends the program with a message and exit 71: arrays as long as a data set or a run
 * are for arena_take, which fails as memory_take does. */
struct arena {
    struct arena_block *last;
};
void *arena_push(struct arena *arena, size_t bytes);
char *arena_text(struct arena *arena, const char *text); /* a copy of text */
char *arena_format(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
void arena_free(struct arena *arena);
#define arena_take(arena, pointer, bytes, what) ((*(pointer) = arena_taken((arena), (bytes), (what))) ? OK : ERR_MEMORY)
void *arena_taken(struct arena *arena, size_t bytes, const char *what);

/* One large zeroed array, aligned to 64 bytes, into *pointer, of any type; what names it in the error (ERR_MEMORY, and
 * NULL there). Free with memory_give. */
#define memory_take(pointer, bytes, what) ((*(pointer) = memory_taken((bytes), (what))) ? OK : ERR_MEMORY)
void *memory_taken(size_t bytes, const char *what);
void memory_give(void *memory);

/* Seconds of a clock that never goes back; for durations. */
double clock_seconds(void);

/* Now as RFC 3339 in UTC, "2026-01-31T23:59:59.123Z". */
void clock_timestamp(char text[AT_LEAST(32)]);

/* CPUs this process may run on (affinity mask, so cgroup- and Slurm-aware), at least 1. */
int cpu_count(void);

/* FNV-1a, 64 bits, of more bytes; begins with HASH_BEGIN. */
#define HASH_BEGIN 0xCBF29CE484222325u
uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t count);

/* The whole part of a number that may be anything, as a cell of a file: NaN is 0, and beyond 2^53, to which doubles
 * count, it is that. */
int64_t whole_of(double value);

#define COUNT_OF(array) ((int)(sizeof(array) / sizeof((array)[0])))

#ifdef __cplusplus
}
#endif
#endif
