/* mirror: a test's arrays, and their copies in the memory of the device under test, so that one test serves every
 * backend. TEST_DEVICE names the device; unset it is the CPU, or the emulated GPU in programs with the emulator. But on
 * the CPU all work is done several times from the same start, on an emulated GPU in as many schedules (EMU_SCHEDULES,
 * or fewer), and must leave the same bits each time. Knows nothing of what is computed. */
#ifndef TESTS_MIRROR_H
#define TESTS_MIRROR_H
#include "backend.h"

enum { MIRROR_PARTS = 24 };

struct mirror {
    const struct backend *backend;
    struct device *device;
    struct mirror_part {
        void *host, *device; /* device: a fence of known bytes follows */
        char *first;         /* what the first round left */
        size_t bytes;
    } parts[MIRROR_PARTS];
    int count;
    bool large; /* work is of more than these arrays: it goes through few schedules */
    bool loose; /* rounds need not leave the same bits */
};

/* The device under test, as train.device names it. */
const char *mirror_device_name(void);
/* threads: of the CPU. Every failure fails the test. */
void mirror_open(struct mirror *mirror, int threads);
void mirror_close(struct mirror *mirror);
/* An array that work reads or writes; the caller's until mirror_close. */
void mirror_add(struct mirror *mirror, const void *host, size_t bytes);
/* Where a place of an added array lies on the device; NULL for NULL. */
void *mirror_at(const struct mirror *mirror, const void *host);
/* Uploads all arrays, queues work, which must return OK, waits, checks the fences and brings all arrays back; all this
 * in every round. */
void mirror_run(struct mirror *mirror, int (*work)(struct mirror *mirror, const void *what), const void *what);

bool mirror_supports(const struct mirror *mirror, enum dtype dtype); /* computes in it */
bool mirror_is_cpu(const struct mirror *mirror);
bool mirror_is_emulated(const struct mirror *mirror);   /* and so 10 times slower than a CPU */
bool mirror_detects_races(const struct mirror *mirror); /* and so 1000 times slower; TEST_RACES: from outside */
#endif
