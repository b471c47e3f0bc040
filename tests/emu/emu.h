/* emu: what a test says to the emulator: the schedule, how strict it is, what it found. From C and C++. */
#ifndef EMU_H
#define EMU_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The order in which threads, blocks and streams take turns. The fixed orders miss real races; random ones find them.
 */
enum emu_order { EMU_IN_ORDER, EMU_REVERSED, EMU_RANDOM };

struct emu_config {
    enum emu_order order;
    uint64_t seed;       /* of the random order */
    int resident;        /* blocks that run interleaved in the random order */
    bool strict;         /* a barrier must be reached by all threads of the block, at one place of the source */
    bool async;          /* queued work runs only when the host waits, streams interleaved */
    size_t memory_bytes; /* that the device has */
};
extern struct emu_config emu_config; /* change it only while nothing is queued */

/* Finishes what is queued, forgets the last diagnosis and error, and chooses a schedule. */
void emu_reset(enum emu_order order, uint64_t seed, bool async);

/* The schedule of a test's round: 0 in order, 1 reversed, then random with the round as seed; every second one async.
 */
void emu_reset_round(int round);
/* How many rounds a test goes through: $EMU_SCHEDULES, else the usual number. */
int emu_rounds(int usual);

/* What the last kernel did wrong; "" if nothing. */
const char *emu_message(void);

/* Queues work that reads and writes device memory as a kernel does; for what stands in for a library. */
struct CUstream_st;
int emu_enqueue(struct CUstream_st *stream, void (*work)(void *), void *argument, void (*destroy)(void *));

/* NVTX ranges begun since emu_ranges_reset, as "a(b() c())", the first few hundred; an unbalanced one shows. */
const char *emu_ranges(void);
void emu_ranges_reset(void);

/* Calls that waited for the device, and kernels run, since the last reset. */
int64_t emu_waits(void);
int64_t emu_launches(void);
/* What the host has queued since then: a graph counts as one. */
int64_t emu_queued(void);
/* Whether the runtime remembers a failure, which the next kernel would be blamed for. */
bool emu_blames(void);

#ifdef __cplusplus
}
#endif
#endif
