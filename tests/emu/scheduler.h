/* scheduler: the records that the emulator's own files share: fibers, threads, blocks, the launch in progress.
 * Private to tests/emu/. Its users are compiled without sanitizers, or the race detector would see their data. */
#ifndef EMU_SCHEDULER_H
#define EMU_SCHEDULER_H
#include "cuda_emu.h"
#include "emu.h"
#include "sanitize.h"
#include <map>
#include <vector>

namespace emu
{
/* ---- fiber.cpp: a stack that a thread of a kernel runs on ---- */

struct fiber {
    void *context = nullptr; /* where it stopped: a stack pointer, or a ucontext_t */
    void *fake_stack = nullptr, *tsan = nullptr;
    char *bottom = nullptr;
    size_t bytes = 0;
};
fiber *fiber_take(); /* starts in fiber_main at the first switch */
void fiber_drop(fiber *dropped);
/* ending: from will never be switched to again. */
void fiber_switch(fiber *from, fiber *to, bool ending);
[[noreturn]] void fiber_main(); /* of schedule.cpp */

/* ---- schedule.cpp: who runs next ---- */

enum thread_state : uint8_t { READY, AT_BARRIER, AT_WARP, DONE };

struct thread : thread_head {
    thread_state state;
    fiber *on; /* NULL before it starts */
    site at;   /* where it waits, and for what: */
    warp_kind kind;
    int argument, width;
    unsigned mask;
    uint64_t value, result;
};

struct shared_entry {
    const void *key;
    void *memory;
};

/* What the race detector is told that a barrier orders. Two places take turns, or a fast thread's next phase would seem
 * ordered too. */
struct token {
    char place[2];
    unsigned phase;
    char *now() { return &place[phase & 1]; }
};

struct block {
    uint3 index;
    int count, live, arrived, votes;
    unsigned alive[32], waiting[32]; /* lanes of each warp */
    thread *threads;
    int capacity; /* of threads */
    std::vector<shared_entry> shared;
    size_t shared_bytes;
    void *dynamic;
    token barrier;
    std::map<uint64_t, token> warp_tokens;
};

struct launch {
    void (*body)(void *);
    void *context;
    const void *kernel;
    dim3 grid, block;
    size_t shared_bytes;
};

/* Runs a kernel to its end, or to its first mistake. */
void kernel_run(const launch &started);
inline thread *self()
{
    return static_cast<thread *>(here.thread);
}
void make_ready(thread *woken);
/* The caller has noted what it waits for; returns when that has come. */
void suspend();
uint32_t random_below(uint32_t count);
void random_seed(uint64_t seed);
/* Dynamic shared memory that a kernel may ask for. */
size_t shared_limit(const void *kernel);
void shared_limit_set(const void *kernel, size_t bytes);

/* launched.cpp */
void note_launch(const void *kernel);

/* ---- sync.cpp ---- */

void barrier_complete(block *at);
void warp_complete(block *at, unsigned warp, unsigned mask);

/* ---- a mistake of the kernel: the message is kept, the launch abandoned ---- */

[[gnu::format(printf, 1, 2), noreturn]] void fail(const char *format, ...);
const char *thread_name(const thread *named); /* one of four buffers in turn */

enum { LANES = 32, STATIC_SHARED_BYTES = 48 << 10, MOST_SHARED_BYTES = 227 << 10, MOST_THREADS = 1024 };

struct scheduler {
    const launch *started; /* NULL between kernels */
    std::vector<thread *> ready;
    size_t ready_first; /* used up before it, in order only */
    std::vector<block *> blocks, spare;
    std::vector<uint32_t> order; /* of blocks; empty: as numbered */
    size_t next_block, block_count;
    fiber launcher;
    bool launcher_known;
    thread *wanted; /* to be started by the launching context */
    std::vector<fiber *> ended;
    bool failed;
    cudaError_t error; /* sticky */
    char message[2048];
    char launch_token, end_token, fence_token;
};
extern scheduler &now;
} // namespace emu
#endif
