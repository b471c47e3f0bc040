/* machine: compares what the kernels were compiled for with what this CPU has; how threads wait. Compiled for any CPU
 * itself. Must not know what a kernel does. See include/machine.h. */
#include "machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct feature {
    const char *macro, *name;
    bool present;
};

/* features is words separated by blanks. */
static bool has_word(const char *features, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = features; (at = strstr(at, word)); at += length)
        if ((at == features || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
            return true;
    return false;
}

int machine_check_features(const char *features)
{
#if defined(__x86_64__) || defined(__i386__)
/* The compiler accepts a literal only. */
#define FEATURE(macro, name) {macro, name, __builtin_cpu_supports(name) != 0}
    __builtin_cpu_init();
    const struct feature table[] = {
        FEATURE("__SSE3__", "sse3"),
        FEATURE("__SSSE3__", "ssse3"),
        FEATURE("__SSE4_1__", "sse4.1"),
        FEATURE("__SSE4_2__", "sse4.2"),
        FEATURE("__POPCNT__", "popcnt"),
        FEATURE("__AVX__", "avx"),
        FEATURE("__AVX2__", "avx2"),
        FEATURE("__FMA__", "fma"),
        FEATURE("__FMA4__", "fma4"),
        FEATURE("__XOP__", "xop"),
        FEATURE("__BMI__", "bmi"),
        FEATURE("__BMI2__", "bmi2"),
        FEATURE("__AVX512F__", "avx512f"),
        FEATURE("__AVX512CD__", "avx512cd"),
        FEATURE("__AVX512BW__", "avx512bw"),
        FEATURE("__AVX512DQ__", "avx512dq"),
        FEATURE("__AVX512VL__", "avx512vl"),
        FEATURE("__AVX512ER__", "avx512er"),
        FEATURE("__AVX512IFMA__", "avx512ifma"),
        FEATURE("__AVX512VBMI__", "avx512vbmi"),
        FEATURE("__AVX512VBMI2__", "avx512vbmi2"),
        FEATURE("__AVX512VNNI__", "avx512vnni"),
        FEATURE("__AVX512BITALG__", "avx512bitalg"),
        FEATURE("__AVX512VPOPCNTDQ__", "avx512vpopcntdq"),
        FEATURE("__AVX512BF16__", "avx512bf16"),
        FEATURE("__GFNI__", "gfni"),
        FEATURE("__VPCLMULQDQ__", "vpclmulqdq"),
    };
#undef FEATURE
    char missing[512] = "";
    size_t used = 0;
    for (int i = 0; i < COUNT_OF(table); i++)
        if (!table[i].present && has_word(features, table[i].macro))
            used += (size_t)snprintf(missing + used, sizeof missing - used, " %s", table[i].name);
    if (used > 0)
        return FAIL(ERR_UNSUPPORTED,
                    "evenkeel was built for another CPU: this one lacks%s; build it again on this machine, or with "
                    "`make CPU_ARCH=x86-64-v2` for any",
                    missing);
#else
    (void)features;
    (void)has_word;
#endif
    return OK;
}

int machine_check(void)
{
    return machine_check_features(CPU_FEATURES);
}

void machine_limit_spinning(char **argv)
{
    if (getenv("GOMP_SPINCOUNT") || getenv("OMP_WAIT_POLICY") || setenv("GOMP_SPINCOUNT", "10000", 0) != 0)
        return;
    /* By its own path, so that the process keeps its name. Where that fails the program goes on as it is. */
    char path[4096];
    const ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length <= 0)
        return;
    path[length] = '\0';
    execv(path, argv);
}
