/* sync: where threads of a block meet: barriers, warp operations, shared memory; and what must hold there. Knows
 * nothing of who runs when. */
#include "scheduler.h"
#include <algorithm>
#include <cstdlib>

namespace emu
{
static bool same_place(site a, site b)
{
    return a.line == b.line && strcmp(a.file, b.file) == 0;
}

/* ---- barrier ---- */

/* All that live have arrived. */
void barrier_complete(block *b)
{
    const thread *first = nullptr;
    for (int i = 0; i < b->count && emu_config.strict; i++) {
        const thread *t = b->threads + i;
        if (t->state != AT_BARRIER)
            continue;
        if (!first)
            first = t;
        if (!same_place(t->at, first->at))
            fail("divergent __syncthreads: %s at %s:%d but %s at %s:%d", thread_name(first), first->at.file,
                 first->at.line, thread_name(t), t->at.file, t->at.line);
    }
    if (emu_config.strict && b->live != b->count)
        fail("__syncthreads at %s:%d after %d of %d threads of block (%u,%u,%u) have ended", first->at.file,
             first->at.line, b->count - b->live, b->count, b->index.x, b->index.y, b->index.z);
    b->arrived = 0;
    b->barrier.phase++;
    for (int i = 0; i < b->count; i++)
        if (b->threads[i].state == AT_BARRIER)
            make_ready(b->threads + i);
}

void barrier(site at)
{
    thread *t = self();
    block *b = t->home;
    char *ordered = b->barrier.now();
    __tsan_release(ordered);
    {
        quiet hush;
        t->at = at;
        t->state = AT_BARRIER;
        if (++b->arrived == b->live)
            barrier_complete(b);
    }
    suspend();
    __tsan_acquire(ordered);
}

int barrier_vote(vote kind, bool yes, site at)
{
    block *b = self()->home;
    b->votes += kind == VOTE_AND ? !yes : yes;
    barrier(at);
    const int votes = b->votes;
    barrier(at);
    b->votes = 0;
    barrier(at);
    return kind == VOTE_COUNT ? votes : kind == VOTE_AND ? votes == 0 : votes != 0;
}

/* ---- warp ---- */

/* The lane that a lane reads from. */
static int shuffle_source(const thread *t, int lane)
{
    const int first = lane & ~(t->width - 1), end = first + t->width;
    switch (t->kind) {
    case WARP_SHUFFLE_INDEX: return first | (t->argument & (t->width - 1));
    case WARP_SHUFFLE_UP: return lane - t->argument < first ? lane : lane - t->argument;
    case WARP_SHUFFLE_DOWN: return lane + t->argument >= end ? lane : lane + t->argument;
    default: return (lane ^ t->argument) >= end ? lane : lane ^ t->argument;
    }
}

static uint64_t reduce(warp_kind kind, uint32_t a, uint32_t b)
{
    switch (kind) {
    case WARP_ADD: return a + b;
    case WARP_MIN: return uint32_t(std::min(int32_t(a), int32_t(b)));
    case WARP_MAX: return uint32_t(std::max(int32_t(a), int32_t(b)));
    case WARP_UNSIGNED_MIN: return std::min(a, b);
    case WARP_UNSIGNED_MAX: return std::max(a, b);
    case WARP_AND: return a & b;
    default: return a | b;
    }
}

/* The result that all lanes share, of the operations that are no shuffles. */
static uint64_t warp_result(const thread *threads, unsigned lanes)
{
    uint64_t result = 0;
    bool first = true;
    for (int lane = 0; lane < LANES; lane++) {
        if (!(lanes >> lane & 1))
            continue;
        const thread *t = threads + lane;
        if (t->kind == WARP_BALLOT)
            result |= t->value << lane;
        else
            result = first ? uint32_t(t->value) : reduce(t->kind, uint32_t(result), uint32_t(t->value));
        first = false;
    }
    return result;
}

static void shuffle(thread *threads, unsigned lanes, int lane)
{
    thread *t = threads + lane;
    const int source = shuffle_source(t, lane);
    if (lanes >> source & 1)
        t->result = threads[source].value;
    else
        fail("%s:%d: shuffle of %s reads lane %d, which is not in the mask %08x, has ended, or does not exist",
             t->at.file, t->at.line, thread_name(t), source, t->mask);
}

/* The lanes of mask that live, if all of them wait with this mask; else 0. */
static unsigned lanes_met(const block *b, unsigned warp, unsigned mask)
{
    const unsigned lanes = b->alive[warp] & mask;
    if ((b->waiting[warp] & mask) != lanes)
        return 0;
    for (int lane = 0; lane < LANES; lane++)
        if (lanes >> lane & 1 && b->threads[warp * LANES + unsigned(lane)].mask != mask)
            return 0;
    return lanes;
}

/* Computes everyone's result if the lanes of mask have all come. */
void warp_complete(block *b, unsigned warp, unsigned mask)
{
    const unsigned lanes = lanes_met(b, warp, mask);
    if (lanes == 0)
        return;
    thread *threads = b->threads + warp * LANES, *first = threads + __builtin_ctz(lanes);
#ifdef EMU_TSAN
    if (first->kind == WARP_SYNC)
        b->warp_tokens[uint64_t(warp) << 32 | mask].phase++;
#endif
    for (int lane = 0; lane < LANES; lane++) {
        const thread *t = threads + lane;
        if (lanes >> lane & 1 && (t->kind != first->kind || !same_place(t->at, first->at)))
            fail("warp operations do not match: %s at %s:%d but %s at %s:%d", thread_name(first), first->at.file,
                 first->at.line, thread_name(t), t->at.file, t->at.line);
    }
    const bool shuffles = first->kind >= WARP_SHUFFLE_INDEX && first->kind <= WARP_SHUFFLE_XOR;
    const uint64_t result = shuffles ? 0 : warp_result(threads, lanes);
    for (int lane = 0; lane < LANES; lane++) {
        if (!(lanes >> lane & 1))
            continue;
        threads[lane].result = result;
        if (shuffles)
            shuffle(threads, lanes, lane);
    }
    b->waiting[warp] &= ~lanes;
    for (int lane = 0; lane < LANES; lane++)
        if (lanes >> lane & 1)
            make_ready(threads + lane);
}

uint64_t warp_operation(warp_kind kind, unsigned mask, uint64_t value, int argument, int width, site at)
{
    thread *t = self();
    block *b = t->home;
    char *ordered = nullptr; /* shuffles and votes order no memory, in CUDA's documentation and here */
#ifdef EMU_TSAN
    if (kind == WARP_SYNC) {
        {
            quiet hush;
            ordered = b->warp_tokens[uint64_t(t->warp) << 32 | mask].now();
        }
        __tsan_release(ordered);
    }
#endif
    {
        quiet hush;
        t->at = at;
        t->kind = kind;
        t->mask = mask;
        t->value = value;
        t->argument = argument;
        t->width = width;
        if (!(mask >> t->lane & 1))
            fail("%s:%d: %s calls a warp operation with a mask %08x that lacks its own lane", at.file, at.line,
                 thread_name(t), mask);
        if (width < 1 || width > LANES || (width & (width - 1)) != 0)
            fail("%s:%d: a shuffle's width of %d is no power of 2 up to 32", at.file, at.line, width);
        t->state = AT_WARP;
        b->waiting[t->warp] |= 1u << t->lane;
        warp_complete(b, t->warp, mask);
    }
    suspend();
    if (ordered)
        __tsan_acquire(ordered);
    return t->result;
}

/* ---- shared memory: objects of their own on the heap, so that the address sanitizer guards their ends ---- */

void *shared_variable(const void *key, size_t bytes, size_t alignment)
{
    block *b = self()->home;
    for (shared_entry &entry : b->shared)
        if (entry.key == key)
            return entry.memory;
    quiet hush;
    b->shared_bytes += bytes;
    const size_t limit = std::max(shared_limit(now.started->kernel), size_t(STATIC_SHARED_BYTES));
    if (b->shared_bytes > STATIC_SHARED_BYTES || b->shared_bytes + now.started->shared_bytes > limit)
        fail("too much shared memory: %zu bytes of variables and %zu asked for by the launch", b->shared_bytes,
             now.started->shared_bytes);
    void *memory = nullptr;
    if (posix_memalign(&memory, std::max(alignment, size_t(16)), bytes) != 0)
        abort();
    memset(memory, 0xFF, bytes);
    b->shared.push_back({key, memory});
    return memory;
}

void *dynamic_shared()
{
    if (!self()->home->dynamic)
        fail("a kernel uses dynamic shared memory, but its launch asked for none");
    return self()->home->dynamic;
}
} // namespace emu
