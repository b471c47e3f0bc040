/* schedule: takes a kernel's blocks in, lets their threads take turns in the configured order, and reports mistakes.
 * Knows nothing of what threads wait for (sync.cpp) and of streams (stream.cpp). */
#include "scheduler.h"
#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>

struct emu_config emu_config = {EMU_RANDOM, 1, 4, true, false, size_t(1) << 34};

namespace emu
{
position here;
scheduler &now = *new scheduler(); /* never destroyed: the leak sanitizer sees it in use */
static uint64_t random_state = 1;
static std::map<const void *, size_t> &shared_limits = *new std::map<const void *, size_t>;

uint32_t random_below(uint32_t count)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return uint32_t(((random_state >> 32) * count) >> 32);
}

void random_seed(uint64_t seed)
{
    random_state = 0x9E3779B97F4A7C15u * (seed + 1) | 1;
    for (int i = 0; i < 8; i++)
        random_below(2);
}

size_t shared_limit(const void *kernel)
{
    auto found = shared_limits.find(kernel);
    return found == shared_limits.end() ? size_t(STATIC_SHARED_BYTES) : found->second;
}

void shared_limit_set(const void *kernel, size_t bytes)
{
    shared_limits[kernel] = bytes;
}

/* ---- mistakes ---- */

const char *thread_name(const thread *named)
{
    static char buffers[4][96];
    static unsigned turn;
    char *text = buffers[turn++ % 4];
    const uint3 i = named->index, b = named->home->index;
    snprintf(text, sizeof buffers[0], "thread (%u,%u,%u) of block (%u,%u,%u)", i.x, i.y, i.z, b.x, b.y, b.z);
    return text;
}

void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = snprintf(now.message, sizeof now.message, "emu: ");
    vsnprintf(now.message + length, sizeof now.message - size_t(length), format, arguments);
    va_end(arguments);
    now.failed = true;
    quiet::end_all();
#ifdef EMU_TSAN
    fprintf(stderr, "%s\n", now.message);
    _Exit(66); /* abandoned fibers would only lead to reports of what is none of their doing */
#endif
    fiber_switch(self()->on, &now.launcher, true);
    abort();
}

[[noreturn]] static void fail_deadlock()
{
    char text[1500] = "";
    size_t used = 0;
    int left = 0;
    for (block *b : now.blocks)
        for (int i = 0; i < b->count; i++) {
            const thread *t = b->threads + i;
            if (t->state == DONE)
                continue;
            if (left++ < 6)
                used += size_t(snprintf(text + used, sizeof text - used, "; %s waits in %s at %s:%d", thread_name(t),
                                        t->state == AT_BARRIER ? "__syncthreads" : "a warp operation", t->at.file,
                                        t->at.line));
        }
    fail("deadlock, %d threads wait for others that never come%s", left, text);
}

/* ---- taking turns ---- */

void make_ready(thread *woken)
{
    woken->state = READY;
    now.ready.push_back(woken);
}

static thread *pick()
{
    const size_t waiting = now.ready.size() - now.ready_first;
    if (waiting == 0)
        return nullptr;
    if (emu_config.order == EMU_IN_ORDER) {
        thread *picked = now.ready[now.ready_first++];
        if (waiting == 1 || now.ready_first > 65536) {
            now.ready.erase(now.ready.begin(), now.ready.begin() + long(now.ready_first));
            now.ready_first = 0;
        }
        return picked;
    }
    if (emu_config.order == EMU_RANDOM)
        std::swap(now.ready[now.ready_first + random_below(uint32_t(waiting))], now.ready.back());
    thread *picked = now.ready.back();
    now.ready.pop_back();
    return picked;
}

static void become(thread *runs)
{
    here.thread = runs;
    here.block_index = runs->home->index;
}

/* Where to switch to for a thread to run. */
static fiber *fiber_of(thread *next)
{
    if (next->on)
        return next->on;
#ifdef EMU_TSAN
    /* A new fiber inherits its creator's history: the launching context, which has none, must create it. */
    now.wanted = next;
    return &now.launcher;
#else
    return next->on = fiber_take();
#endif
}

void suspend()
{
    thread *waits = self(), *next;
    {
        quiet hush;
        next = pick();
        if (!next)
            fail_deadlock();
        become(next);
    }
    __tsan_release(&now.end_token); /* in case the launch is abandoned while this one waits */
    if (next != waits)
        fiber_switch(waits->on, fiber_of(next), false);
    become(waits);
}

void atomic_turn()
{
    if (emu_config.order != EMU_RANDOM || !now.started || random_below(8) != 0)
        return;
    {
        quiet hush;
        make_ready(self());
    }
    suspend();
}

void fence()
{
    __tsan_release(&now.fence_token);
    __tsan_acquire(&now.fence_token);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* ---- blocks ---- */

static void block_fill(block *b, dim3 size)
{
    b->count = b->live = int(size.x * size.y * size.z);
    if (b->capacity < b->count) {
        free(b->threads);
        b->threads = static_cast<thread *>(calloc(size_t(b->count), sizeof(thread)));
        b->capacity = b->count;
    }
    for (int warp = 0; warp * LANES < b->count; warp++) {
        const int lanes = std::min(b->count - warp * LANES, int(LANES));
        b->alive[warp] = ~0u >> (LANES - lanes);
        b->waiting[warp] = 0;
    }
    for (int i = 0; i < b->count; i++) {
        thread *t = b->threads + i;
        const unsigned n = unsigned(i);
        t->index = {n % size.x, n / size.x % size.y, n / size.x / size.y};
        t->lane = n % LANES;
        t->warp = n / LANES;
        t->home = b;
        t->on = nullptr;
        make_ready(t);
    }
}

/* Takes in the next block, if one is left. */
static void block_admit()
{
    if (now.next_block >= now.block_count)
        return;
    const uint32_t i = now.order.empty() ? uint32_t(now.next_block) : now.order[now.next_block];
    now.next_block++;
    block *b;
    if (now.spare.empty()) {
        b = new block();
    } else {
        b = now.spare.back();
        now.spare.pop_back();
    }
    const dim3 grid = now.started->grid;
    b->index = {i % grid.x, i / grid.x % grid.y, i / grid.x / grid.y};
    b->arrived = b->votes = 0;
    b->shared_bytes = 0;
    b->dynamic = nullptr;
    if (now.started->shared_bytes > 0) {
        if (posix_memalign(&b->dynamic, 128, now.started->shared_bytes) != 0)
            abort();
        memset(b->dynamic, 0xFF, now.started->shared_bytes);
    }
    now.blocks.push_back(b);
    block_fill(b, now.started->block);
}

static void block_retire(block *b)
{
    for (shared_entry &entry : b->shared)
        free(entry.memory);
    free(b->dynamic);
    b->shared.clear();
    b->warp_tokens.clear();
    now.blocks.erase(std::find(now.blocks.begin(), now.blocks.end(), b));
    now.spare.push_back(b);
    block_admit();
}

/* A thread has come to its end: whoever waited for it alone goes on. */
static void thread_end(thread *t)
{
    block *b = t->home;
    t->state = DONE;
    b->live--;
    if (b->arrived > 0 && b->arrived == b->live)
        barrier_complete(b);
    b->alive[t->warp] &= ~(1u << t->lane);
    for (unsigned lane = 0; lane < LANES; lane++) {
        const thread *other = b->threads + t->warp * LANES + lane;
        if (b->waiting[t->warp] >> lane & 1 && other->mask >> t->lane & 1)
            warp_complete(b, t->warp, other->mask);
    }
}

/* The thread that runs after t has ended; NULL when the kernel is done. */
static thread *thread_after(thread *t, fiber *mine)
{
    block *b = t->home;
    thread_end(t);
    thread *next = pick();
    if (!next && b->live > 0)
        fail_deadlock();
    t->on = nullptr;
    if (b->live == 0) {
        block_retire(b);
        if (!next)
            next = pick();
    }
    if (!next && !now.blocks.empty()) {
        /* All that is left waits: one of them reports it, from here. */
        thread *stuck = now.blocks[0]->threads;
        become(stuck);
        if (stuck->on)
            fiber_drop(stuck->on);
        stuck->on = mine;
        fail_deadlock();
    }
    return next;
}

void fiber_main()
{
#ifdef EMU_ASAN
    const void *bottom;
    size_t bytes;
    __sanitizer_finish_switch_fiber(nullptr, &bottom, &bytes);
    if (!now.launcher_known) {
        now.launcher.bottom = static_cast<char *>(const_cast<void *>(bottom));
        now.launcher.bytes = bytes;
        now.launcher_known = true;
    }
#endif
    for (;;) {
        __tsan_acquire(&now.launch_token);
        now.started->body(now.started->context);
        __tsan_release(&now.end_token);
        thread *next;
        fiber *mine = self()->on;
        {
            quiet hush;
            next = thread_after(self(), mine);
            if (next)
                become(next);
#ifdef EMU_TSAN
            now.ended.push_back(mine); /* every thread has its own for the race detector */
#else
            if (next && !next->on) {
                next->on = mine; /* without a switch: kernels without barriers stay on one stack */
                continue;
            }
            fiber_drop(mine);
#endif
        }
        fiber_switch(mine, next ? fiber_of(next) : &now.launcher, true);
        abort();
    }
}

/* ---- kernels ---- */

static void order_blocks()
{
    now.order.clear();
    if (emu_config.order == EMU_IN_ORDER)
        return;
    now.order.resize(now.block_count);
    for (size_t i = 0; i < now.block_count; i++)
        now.order[i] = uint32_t(now.block_count - 1 - i);
    for (size_t i = now.block_count; emu_config.order == EMU_RANDOM && i > 1; i--)
        std::swap(now.order[i - 1], now.order[random_below(uint32_t(i))]);
}

static void drop_ended()
{
    for (fiber *ended : now.ended)
        fiber_drop(ended);
    now.ended.clear();
}

static void abandon()
{
    now.error = cudaErrorLaunchFailure;
    now.next_block = now.block_count;
    while (!now.blocks.empty()) {
        block *b = now.blocks.back();
        for (int i = 0; i < b->count; i++)
            if (b->threads[i].on)
                fiber_drop(b->threads[i].on);
        block_retire(b);
    }
}

static void start(thread *t)
{
    {
        quiet hush;
        drop_ended();
        t->on = fiber_take();
        become(t);
    }
    fiber_switch(&now.launcher, t->on, false);
}

void kernel_run(const launch &started)
{
    if (now.error != cudaSuccess)
        return;
    now.started = &started;
    now.block_count = size_t(started.grid.x) * started.grid.y * started.grid.z;
    now.next_block = now.ready_first = 0;
    now.failed = now.launcher_known = false;
    now.ready.clear();
    order_blocks();
    here.block_size = started.block;
    here.grid_size = started.grid;
    __tsan_release(&now.launch_token);
#ifdef EMU_TSAN
    now.launcher.tsan = __tsan_get_current_fiber();
#endif
    {
        quiet hush;
        for (int i = 0; i < (emu_config.order == EMU_RANDOM ? emu_config.resident : 1); i++)
            block_admit();
        now.wanted = pick();
    }
    while (now.wanted) {
        thread *t = now.wanted;
        now.wanted = nullptr;
        start(t);
    }
    __tsan_acquire(&now.end_token);
    quiet hush;
    drop_ended();
    if (now.failed)
        abandon();
    now.started = nullptr;
}
} // namespace emu
