/* counted_malloc: a program's malloc in place of the C library's, for the libraries it is linked with too, that counts
 * the bytes asked for. To be included by one file of a program. Not with clang, whose OpenMP runtime takes memory for
 * teams of threads, nor with sanitizers. */
#ifndef TESTS_COUNTED_MALLOC_H
#define TESTS_COUNTED_MALLOC_H
#include <errno.h>
#include <stdlib.h>

#if defined(__has_feature)
#define HAS_FEATURE(x) __has_feature(x)
#else
#define HAS_FEATURE(x) 0
#endif
#if defined(__GLIBC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) &&    \
    !HAS_FEATURE(address_sanitizer) && !HAS_FEATURE(thread_sanitizer) && !HAS_FEATURE(memory_sanitizer)
#define COUNTS_ALLOCATIONS
#include <stdatomic.h>

static atomic_size_t allocated_bytes;

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *memory, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);

void *malloc(size_t bytes)
{
    allocated_bytes += bytes;
    return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    allocated_bytes += count * bytes;
    return __libc_calloc(count, bytes);
}

void *realloc(void *memory, size_t bytes)
{
    allocated_bytes += bytes;
    return __libc_realloc(memory, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes)
{
    allocated_bytes += bytes;
    return __libc_memalign(alignment, bytes);
}

int posix_memalign(void **memory, size_t alignment, size_t bytes)
{
    allocated_bytes += bytes;
    *memory = __libc_memalign(alignment, bytes);
    return *memory ? 0 : ENOMEM;
}
#endif
#endif
