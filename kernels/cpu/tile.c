/* tile: which kernels this CPU has, and which of them are used. Compiled for any CPU. See tile.h. */
#include "tile.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

static bool always(void)
{
    return true;
}

#ifdef __x86_64__
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static bool has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}

static bool has_bf16(void)
{
    return has_avx512() && __builtin_cpu_supports("avx512bf16");
}

/* The system keeps room for a process's tiles only once it has asked; threads started later inherit that. */
static bool has_amx(void)
{
    enum { AMX_BF16 = 1 << 22, AMX_TILE = 1 << 24, ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    unsigned a, b, c, d;
    return has_bf16() && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & AMX_BF16) && (d & AMX_TILE) &&
           syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}
#else
static bool never(void)
{
    return false;
}
#define has_avx2   never
#define has_avx512 never
#define has_bf16   never
#define has_amx    never
#endif

/* Best first. */
static const struct tile_set sets[] = {
    {"AMX bf16", "amx", true, has_amx, tile_amx, vector_bf16},
    {"AVX-512 bf16", "avx512_bf16", true, has_bf16, tile_bf16, vector_bf16},
    {"AVX-512", "avx512", false, has_avx512, tile_avx512, vector_avx512},
    {"AVX2", "avx2", false, has_avx2, tile_avx2, vector_avx2},
    {"vectors of 128 bits", "plain", false, always, tile_plain, vector_plain},
};

static bool is_usable(const struct tile_set *set)
{
    return set->there() && (set->kernel(DT_F32) || set->kernel(DT_BF16));
}

int tile_best_set(const struct tile_set **set)
{
    const char *most = getenv("EVENKEEL_CPU");
    const struct tile_set *const end = sets + COUNT_OF(sets);
    *set = sets;
    while (most && *most && *set < end && strcmp((*set)->option, most) != 0)
        ++*set;
    if (*set == end)
        return FAIL(ERR_CONFIG, "EVENKEEL_CPU=%s: unknown; use amx, avx512_bf16, avx512, avx2 or plain", most);
    while (!is_usable(*set))
        ++*set;
    return OK;
}

const struct tile_kernel *tile_kernel_of(const struct tile_set *set, enum dtype dtype)
{
    assert(dtype == DT_F32 || dtype == DT_BF16);
    while (!is_usable(set) || !set->kernel(dtype))
        set++;
    return set->kernel(dtype);
}

const struct vector_kernel *tile_vector_of(const struct tile_set *set)
{
    while (!set->there() || !set->vector())
        set++;
    return set->vector();
}
