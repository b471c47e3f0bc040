/* fiber: stacks and the switch between them: fifteen instructions on x86-64, ucontext elsewhere (thirteen times
 * slower). Knows nothing of what runs on a stack. */
#include "scheduler.h"
#include <cstdio>
#include <cstdlib>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__x86_64__) && !defined(EMU_UCONTEXT)
extern "C" void emu_fiber_switch(void **save, void *to);
asm(R"(
.text
.type emu_fiber_switch,@function
emu_fiber_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp,(%rdi)
    movq %rsi,%rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
)");
#else
#include <ucontext.h>
#define EMU_UCONTEXT 1
#endif

namespace emu
{
enum { STACK_BYTES = 64 << 10, SAVED_WORDS = 10, RETURN_WORD = 6, COLOUR_STEP = 192, COLOURS_BYTES = 4096 };
static std::vector<fiber *> &pool = *new std::vector<fiber *>; /* never destroyed: the leak sanitizer sees it in use */

void fiber_switch(fiber *from, fiber *to, bool ending)
{
    __sanitizer_start_switch_fiber(ending ? nullptr : &from->fake_stack, to->bottom, to->bytes);
#ifdef EMU_TSAN
    __tsan_switch_to_fiber(to->tsan, 1); /* 1: the switch itself orders nothing */
#endif
#ifdef EMU_UCONTEXT
    if (!from->context)
        from->context = new ucontext_t;
    swapcontext(static_cast<ucontext_t *>(from->context), static_cast<ucontext_t *>(to->context));
#else
    emu_fiber_switch(&from->context, to->context);
#endif
    __sanitizer_finish_switch_fiber(from->fake_stack, nullptr, nullptr);
}

static fiber *fiber_make()
{
    const size_t page = size_t(sysconf(_SC_PAGESIZE));
    void *memory =
        mmap(nullptr, STACK_BYTES + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory, page, PROT_NONE) != 0) {
        perror("emu: stack of a thread");
        abort();
    }
    fiber *made = new fiber();
    made->bottom = static_cast<char *>(memory) + page;
    made->bytes = STACK_BYTES;
    return made;
}

static void fiber_prepare(fiber *fresh)
{
#ifdef EMU_UCONTEXT
    if (!fresh->context)
        fresh->context = new ucontext_t;
    ucontext_t *context = static_cast<ucontext_t *>(fresh->context);
    getcontext(context);
    context->uc_stack.ss_sp = fresh->bottom;
    context->uc_stack.ss_size = fresh->bytes;
    context->uc_link = nullptr;
    makecontext(context, fiber_main, 0);
#else
    /* Tops of stacks at different distances from a page, or all would share the same few sets of the cache. */
    static unsigned colour;
    const size_t down = colour++ * COLOUR_STEP % COLOURS_BYTES;
    void **top = reinterpret_cast<void **>(fresh->bottom + fresh->bytes - down) - SAVED_WORDS;
    memset(top, 0, SAVED_WORDS * sizeof *top);
    top[RETURN_WORD] = reinterpret_cast<void *>(&fiber_main);
    fresh->context = top;
#endif
}

fiber *fiber_take()
{
    fiber *taken;
    if (pool.empty()) {
        taken = fiber_make();
    } else {
        taken = pool.back();
        pool.pop_back();
#ifdef EMU_TSAN
        /* Mapping anew makes the race detector forget the former owner's accesses. */
        mmap(taken->bottom, taken->bytes, PROT_READ | PROT_WRITE,
             MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
#endif
    }
    __asan_unpoison_memory_region(taken->bottom, taken->bytes);
#ifdef EMU_TSAN
    taken->tsan = __tsan_create_fiber(0);
#endif
    fiber_prepare(taken);
    return taken;
}

void fiber_drop(fiber *dropped)
{
#ifdef EMU_TSAN
    if (dropped->tsan)
        __tsan_destroy_fiber(dropped->tsan);
    dropped->tsan = nullptr;
#endif
    pool.push_back(dropped);
}
} // namespace emu
