/* base: failure text, arena, large arrays, clock, hash, whole numbers, CPU count. See include/base.h. */
#include "base.h"

#include <assert.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

static _Thread_local char text[2048], origin[256];

int fail_at(const char *file, int line, int code, const char *format, ...)
{
    assert(code < 0);
    /* Formatted aside first: the arguments may quote the former text. */
    char fresh[sizeof text];
    va_list args;
    va_start(args, format);
    vsnprintf(fresh, sizeof fresh, format, args);
    va_end(args);
    memcpy(text, fresh, sizeof text);
    snprintf(origin, sizeof origin, "%s:%d", file, line);
    return code;
}

const char *fail_text(void)
{
    return text;
}

const char *fail_origin(void)
{
    return origin;
}

int status_exit_code(int status)
{
    static const struct {
        int status, exit_code;
    } table[] = {
        {OK, EX_OK},
        {ERR_USAGE, EX_USAGE},
        {ERR_CONFIG, EX_CONFIG},
        {ERR_DATA, EX_DATAERR},
        {ERR_NO_INPUT, EX_NOINPUT},
        {ERR_CREATE, EX_CANTCREAT},
        {ERR_IO, EX_IOERR},
        {ERR_MEMORY, EX_OSERR},
        {ERR_DEVICE, EX_UNAVAILABLE},
        {ERR_UNSUPPORTED, EX_UNAVAILABLE},
        {ERR_TRAINING, 1},
    };
    for (int i = 0; i < COUNT_OF(table); i++)
        if (table[i].status == status)
            return table[i].exit_code;
    return EX_SOFTWARE;
}

enum { ALIGNMENT = 64, BLOCK_BYTES = 64 * 1024 };

struct arena_block {
    struct arena_block *before;
    size_t used, size; /* of the bytes after this header */
};
/* The header takes one alignment unit so that what follows is aligned. */
static_assert(sizeof(struct arena_block) <= ALIGNMENT, "arena block header");

static size_t round_up(size_t bytes)
{
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static void *take_aligned(size_t bytes)
{
    if (bytes > PTRDIFF_MAX - ALIGNMENT)
        return NULL;
    return aligned_alloc(ALIGNMENT, round_up(bytes ? bytes : 1));
}

/* NULL: out of memory. */
static void *push(struct arena *arena, size_t bytes, size_t alignment)
{
    bytes += !bytes;
    if (bytes > PTRDIFF_MAX - 2 * ALIGNMENT)
        return NULL;
    struct arena_block *last = arena->last;
    size_t at = last ? (last->used + alignment - 1) / alignment * alignment : 0;
    if (!last || at > last->size || last->size - at < bytes) {
        size_t size = bytes > BLOCK_BYTES ? round_up(bytes) : BLOCK_BYTES;
        last = take_aligned(ALIGNMENT + size);
        if (!last)
            return NULL;
        *last = (struct arena_block){.before = arena->last, .used = 0, .size = size};
        arena->last = last;
        at = 0;
    }
    last->used = at + bytes;
    return memset((char *)last + ALIGNMENT + at, 0, bytes);
}

static void *push_or_end(struct arena *arena, size_t bytes, size_t alignment)
{
    void *memory = push(arena, bytes, alignment);
    if (memory)
        return memory;
    fprintf(stderr, "evenkeel: error: out of memory: %zu bytes more of names and notes\n", bytes);
    exit(EX_OSERR);
}

void *arena_push(struct arena *arena, size_t bytes)
{
    return push_or_end(arena, bytes, ALIGNMENT);
}

/* So much could not be had for what it says. */
static void *no_memory(const char *what, size_t bytes)
{
    FAIL(ERR_MEMORY, "out of memory: %s needs %.1f MiB", what, (double)bytes / 1048576.0);
    return NULL;
}

void *arena_taken(struct arena *arena, size_t bytes, const char *what)
{
    void *memory = push(arena, bytes, ALIGNMENT);
    return memory ? memory : no_memory(what, bytes);
}

char *arena_text(struct arena *arena, const char *from)
{
    size_t bytes = strlen(from) + 1;
    return memcpy(push_or_end(arena, bytes, 1), from, bytes);
}

char *arena_format(struct arena *arena, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    assert(length >= 0);
    char *to = push_or_end(arena, (size_t)length + 1, 1);
    vsnprintf(to, (size_t)length + 1, format, again);
    va_end(again);
    return to;
}

void arena_free(struct arena *arena)
{
    while (arena->last) {
        struct arena_block *block = arena->last;
        arena->last = block->before;
        free(block);
    }
}

void *memory_taken(size_t bytes, const char *what)
{
    void *memory = take_aligned(bytes);
    return memory ? memset(memory, 0, bytes) : no_memory(what, bytes);
}

void memory_give(void *memory)
{
    free(memory);
}

double clock_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

void clock_timestamp(char stamp[static 32])
{
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t length = strftime(stamp, 32, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(stamp + length, 32 - length, ".%03ldZ", now.tv_nsec / 1000000);
}

int64_t whole_of(double value)
{
    const double most = 0x1p53;
    return isnan(value) ? 0 : (int64_t)(value > most ? most : value < -most ? -most : value);
}

uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t count)
{
    for (const unsigned char *at = bytes; count > 0; at++, count--)
        hash = (hash ^ *at) * 0x100000001B3u;
    return hash;
}

int cpu_count(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    int count = CPU_COUNT(&set);
    return count > 0 ? count : 1;
}
