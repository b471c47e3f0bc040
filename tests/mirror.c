/* mirror: see mirror.h. */
#include "mirror.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the standard headers first */
#include <cmocka.h>

enum { FENCE = 256, FENCE_BYTE = 0xA5 };

/* In programs with the emulator alone: chooses the schedule of a round; how many rounds; the backend that is emulated.
 */
extern void emu_reset_round(int round) __attribute__((weak));
extern int emu_rounds(int usual) __attribute__((weak));
extern const struct backend backend_cuda __attribute__((weak));

bool mirror_is_cpu(const struct mirror *mirror)
{
    return mirror->backend == &backend_cpu;
}

bool mirror_is_emulated(const struct mirror *mirror)
{
    return emu_reset_round && !mirror_is_cpu(mirror);
}

/* In programs with a sanitizer alone. */
extern void __asan_init(void) __attribute__((weak));
extern void __tsan_init(void) __attribute__((weak));

bool mirror_detects_races(const struct mirror *mirror)
{
    return (__tsan_init && mirror_is_emulated(mirror)) || getenv("TEST_RACES");
}

bool mirror_supports(const struct mirror *mirror, enum dtype dtype)
{
    bool in_hardware;
    return mirror->backend->supports(mirror->device, dtype, &in_hardware);
}

/* Of a GPU as of the emulator. The latter's first two schedules are fixed, the others random: what is small goes
 * through many. Where a sanitizer leaves time for few, the random ones. */
enum { ROUNDS = 4, ROUNDS_SMALL = 10, ROUNDS_ADDRESSES = 2, ROUNDS_RACES = 1, ROUNDS_GPU = 2, SMALL_BYTES = 16 << 10 };

static bool is_small(const struct mirror *mirror)
{
    size_t bytes = 0;
    for (int i = 0; i < mirror->count; i++)
        bytes += mirror->parts[i].bytes;
    return !mirror->large && bytes <= SMALL_BYTES;
}

/* Rounds from first to the one before last. TEST_ROUNDS: on a GPU, where a tool makes it slow. */
static void choose_rounds(const struct mirror *mirror, int *first, int *last)
{
    const int least = mirror_detects_races(mirror) ? ROUNDS_RACES : ROUNDS_ADDRESSES;
    *first = 0;
    if (!mirror_is_emulated(mirror)) {
        const char *wanted = getenv("TEST_ROUNDS");
        *last = mirror_is_cpu(mirror) || mirror_detects_races(mirror) ? 1 : wanted ? atoi(wanted) : ROUNDS_GPU;
        return;
    }
    *last = emu_rounds(is_small(mirror) ? ROUNDS_SMALL : ROUNDS);
    if ((mirror_detects_races(mirror) || __asan_init) && *last <= ROUNDS_SMALL)
        *first = *last > least ? *last - least : 0;
}

const char *mirror_device_name(void)
{
    const char *name = getenv("TEST_DEVICE");
    return name ? name : emu_reset_round ? "cuda" : "cpu";
}

void mirror_open(struct mirror *mirror, int threads)
{
    const char *name = getenv("TEST_DEVICE");
    int status;
    *mirror = (struct mirror){0};
    if (emu_reset_round && !name) {
        mirror->backend = &backend_cuda;
        status = backend_cuda.open(&mirror->device, 0, threads);
    } else {
        status = backend_open(name ? name : "cpu", threads, &mirror->backend, &mirror->device);
    }
    if (status != OK)
        fail_msg("%s", fail_text());
}

void mirror_close(struct mirror *mirror)
{
    for (int i = 0; i < mirror->count; i++) {
        mirror->backend->release(mirror->device, mirror->parts[i].device);
        free(mirror->parts[i].first);
    }
    mirror->backend->close(mirror->device);
    *mirror = (struct mirror){0};
}

void mirror_add(struct mirror *mirror, const void *host, size_t bytes)
{
    assert_in_range(mirror->count, 0, MIRROR_PARTS - 1);
    struct mirror_part *part = &mirror->parts[mirror->count++];
    *part = (struct mirror_part){.host = (void *)host, .bytes = bytes, .first = malloc(bytes)};
    assert_non_null(part->first);
    assert_int_equal(mirror->backend->alloc(mirror->device, bytes + FENCE, &part->device), OK);
}

void *mirror_at(const struct mirror *mirror, const void *host)
{
    const char *place = host;
    for (int i = 0; place && i < mirror->count; i++) {
        const struct mirror_part *part = &mirror->parts[i];
        if (place >= (char *)part->host && place < (char *)part->host + part->bytes)
            return (char *)part->device + (place - (char *)part->host);
    }
    assert_null(host); /* an array that was not added */
    return NULL;
}

static void upload(struct mirror *mirror)
{
    char fence[FENCE];
    memset(fence, FENCE_BYTE, sizeof fence);
    for (int i = 0; i < mirror->count; i++) {
        const struct mirror_part *part = &mirror->parts[i];
        assert_int_equal(mirror->backend->upload(mirror->device, part->device, part->host, part->bytes), OK);
        assert_int_equal(mirror->backend->upload(mirror->device, (char *)part->device + part->bytes, fence, FENCE), OK);
    }
    assert_int_equal(mirror->backend->wait(mirror->device), OK);
}

/* What the part holds on the device now: bytes, which the caller frees. */
static char *download(struct mirror *mirror, int number)
{
    const struct mirror_part *part = &mirror->parts[number];
    char *bytes = malloc(part->bytes + FENCE);
    assert_non_null(bytes);
    assert_int_equal(mirror->backend->download(mirror->device, bytes, part->device, part->bytes + FENCE), OK);
    assert_int_equal(mirror->backend->wait(mirror->device), OK);
    for (int i = 0; i < FENCE; i++)
        if ((unsigned char)bytes[part->bytes + (size_t)i] != FENCE_BYTE)
            fail_msg("array %d: %d bytes past its end are not what they were", number, i);
    return bytes;
}

void mirror_run(struct mirror *mirror, int (*work)(struct mirror *mirror, const void *what), const void *what)
{
    int first, last;
    choose_rounds(mirror, &first, &last);
    for (int round = first; round < last; round++) {
        if (mirror_is_emulated(mirror))
            emu_reset_round(round);
        upload(mirror);
        if (work(mirror, what) != OK || mirror->backend->wait(mirror->device) != OK)
            fail_msg("round %d: %s", round, fail_text());
        for (int i = 0; i < mirror->count; i++) {
            struct mirror_part *part = &mirror->parts[i];
            char *bytes = download(mirror, i);
            if (round == first)
                memcpy(part->first, bytes, part->bytes);
            else if (!mirror->loose && memcmp(part->first, bytes, part->bytes) != 0)
                fail_msg("array %d is not in round %d what it was in round %d", i, round, first);
            free(bytes);
        }
    }
    for (int i = 0; i < mirror->count; i++)
        memcpy(mirror->parts[i].host, mirror->parts[i].first, mirror->parts[i].bytes);
}
