/* sanitize: what the emulator tells the address sanitizer (EMU_ASAN) and the thread sanitizer (EMU_TSAN) about fibers,
 * memory and order; nothing where neither is built in. Knows nothing of threads and blocks. */
#ifndef EMU_SANITIZE_H
#define EMU_SANITIZE_H
#include <cstddef>

#ifdef EMU_ASAN
extern "C" {
void __sanitizer_start_switch_fiber(void **, const void *, size_t);
void __sanitizer_finish_switch_fiber(void *, const void **, size_t *);
void __asan_poison_memory_region(const volatile void *, size_t);
void __asan_unpoison_memory_region(const volatile void *, size_t);
}
#else
inline void __sanitizer_start_switch_fiber(void **, const void *, size_t) {}
inline void __sanitizer_finish_switch_fiber(void *, const void **, size_t *) {}
inline void __asan_poison_memory_region(const volatile void *, size_t) {}
inline void __asan_unpoison_memory_region(const volatile void *, size_t) {}
#endif

#ifdef EMU_TSAN
extern "C" {
void *__tsan_get_current_fiber();
void *__tsan_create_fiber(unsigned);
void __tsan_destroy_fiber(void *);
void __tsan_switch_to_fiber(void *, unsigned);
void __tsan_acquire(void *);
void __tsan_release(void *);
void AnnotateIgnoreReadsBegin(const char *, int);
void AnnotateIgnoreReadsEnd(const char *, int);
void AnnotateIgnoreWritesBegin(const char *, int);
void AnnotateIgnoreWritesEnd(const char *, int);
}
#else
inline void __tsan_acquire(void *) {}
inline void __tsan_release(void *) {}
#endif

namespace emu
{
/* While one lives the scheduler's own accesses, and those of the malloc, mmap and memset it calls, are no events. */
struct quiet {
#ifdef EMU_TSAN
    static inline int depth;
    quiet()
    {
        depth++;
        AnnotateIgnoreReadsBegin("", 0);
        AnnotateIgnoreWritesBegin("", 0);
    }
    ~quiet()
    {
        end();
    }
    static void end()
    {
        depth--;
        AnnotateIgnoreWritesEnd("", 0);
        AnnotateIgnoreReadsEnd("", 0);
    }
    static void end_all()
    {
        while (depth > 0)
            end();
    }
#else
    quiet() {}
    ~quiet() {}
    static void end_all() {}
#endif
    quiet(const quiet &) = delete;
};
} // namespace emu
#endif
