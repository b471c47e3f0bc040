/* machine: compares what the kernels were compiled for with what this CPU has; how threads wait; how much memory
 * there is. Compiled for any CPU itself. Must not know what a kernel does. See include/machine.h. */
#include "machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
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

/* ---- memory ---- */

enum { MACHINE_PATH = 4096 };

/* A number in a file, the first after word, times scale; INT64_MAX where there is none ("max"). */
static int64_t number_in(const char *folder, const char *name, const char *word, int64_t scale)
{
    char path[MACHINE_PATH + 64], text[16384];
    const int length = snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = length < (int)sizeof path ? fopen(path, "r") : NULL;
    if (!file)
        return INT64_MAX;
    size_t used = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[used] = 0;
    const char *at = strstr(text, word);
    if (!at)
        return INT64_MAX;
    char *end;
    at += strlen(word);
    const int64_t value = strtoll(at, &end, 10);
    return end == at || value < 0 || value > INT64_MAX / scale ? INT64_MAX : value * scale;
}

/* How the two versions of control groups name things. */
static const struct group_files {
    const char *folder, *limit, *used, *cache[2];
} versions[] = {
    {"", "memory.max", "memory.current", {"\ninactive_file ", "\nactive_file "}},
    {"/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", {"\ntotal_inactive_file ", "\ntotal_active_file "}},
};

/* What the limit of one group leaves. Files in the page cache count as used, but give way. */
static int64_t left_in_group(const struct group_files *files, const char *folder)
{
    const int64_t most = number_in(folder, files->limit, "", 1);
    int64_t taken = number_in(folder, files->used, "", 1);
    if (most == INT64_MAX || taken == INT64_MAX)
        return INT64_MAX;
    for (int i = 0; i < COUNT_OF(files->cache); i++) {
        const int64_t cached = number_in(folder, "memory.stat", files->cache[i], 1);
        taken -= cached <= taken ? cached : 0;
    }
    return most > taken ? most - taken : 0;
}

/* What the limits of a group and of those above it leave. Within a container the group's name may be that outside of
 * it; what is mounted at the top then is the container's. */
static int64_t left_in_groups(const struct group_files *files, const char *root, const char *name)
{
    char folder[MACHINE_PATH];
    const int top = snprintf(folder, sizeof folder, "%s/sys/fs/cgroup%s", root, files->folder);
    const int length = top + snprintf(folder + top, sizeof folder - (size_t)top, "%s", strstr(name, "..") ? "" : name);
    int64_t least = INT64_MAX;
    if (length >= (int)sizeof folder)
        folder[top] = '\0';
    for (;;) {
        const int64_t left = left_in_group(files, folder);
        least = left < least ? left : least;
        char *slash = strrchr(folder + top, '/');
        if (!slash)
            return least;
        *slash = '\0';
    }
}

/* What is left to this process's groups. A line is "number:controllers:name"; version 2 has no controllers. */
static int64_t left_to_groups(const char *root)
{
    char line[MACHINE_PATH];
    int64_t least = INT64_MAX;
    const int length = snprintf(line, sizeof line, "%s/proc/self/cgroup", root);
    FILE *file = length < (int)sizeof line ? fopen(line, "r") : NULL;
    if (!file)
        return INT64_MAX;
    while (fgets(line, sizeof line, file)) {
        char *rest = line, *number = strsep(&rest, ":"), *controllers = strsep(&rest, ":");
        char *name = strsep(&rest, "\n");
        if (!name)
            continue;
        bool memory = false;
        for (char *word; (word = strsep(&controllers, ","));)
            memory |= strcmp(word, "memory") == 0;
        if (memory || strcmp(number, "0") == 0) {
            const int64_t left = left_in_groups(&versions[memory], root, name);
            least = left < least ? left : least;
        }
    }
    fclose(file);
    return least;
}

int64_t machine_memory_below(const char *root)
{
    const int64_t available = number_in(root, "proc/meminfo", "MemAvailable:", 1024), left = left_to_groups(root);
    return available < left ? available : left;
}

int64_t machine_memory(void)
{
    struct rlimit limit;
    int64_t least = machine_memory_below("");
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
        const int64_t taken = number_in("/proc/self", "statm", "", sysconf(_SC_PAGESIZE));
        const int64_t own = (int64_t)limit.rlim_cur > taken ? (int64_t)limit.rlim_cur - taken : 0;
        least = own < least ? own : least;
    }
    return least == INT64_MAX ? (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE) : least;
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
