/* The check of the CPU against what the kernels were compiled for; the memory that limits leave. */
#include "file.h"
#include "machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_this_build_runs_here(void **state)
{
    (void)state;
    assert_int_equal(machine_check(), OK);
    assert_int_equal(machine_check_features(""), OK);
}

/* The unknown name and the one that only begins like a missing feature count for nothing. */
static void test_only_whole_known_names_count(void **state)
{
    (void)state;
    assert_int_equal(machine_check_features("__AVX512ER__X __NO_SUCH_THING__ X__AVX512ER__"), OK);
}

static void test_names_what_is_missing(void **state)
{
    (void)state;
#if defined(__x86_64__)
    /* No CPU has both: one is of the last Xeon Phi, the other of AMD's Bulldozer. */
    assert_int_equal(machine_check_features("__SSE3__ __AVX512ER__ __XOP__ "), ERR_UNSUPPORTED);
    assert_non_null(strstr(fail_text(), "lacks"));
    assert_true(strstr(fail_text(), "avx512er") || strstr(fail_text(), "xop"));
    assert_null(strstr(fail_text(), "sse3"));
    assert_non_null(strstr(fail_text(), "CPU_ARCH"));
#else
    skip();
#endif
}

static char root[PATH_BYTES - 256];

/* A file below root, with its folders. */
static void put(const char *name, const char *text)
{
    char path[PATH_BYTES], folder[PATH_BYTES];
    assert_int_equal(path_join(path, root, name), OK);
    strcpy(folder, path);
    *strrchr(folder, '/') = '\0';
    assert_int_equal(folder_make(folder), OK);
    assert_int_equal(file_write(path, text, strlen(text)), OK);
}

/* A limit of version 2, with as many bytes in use and of them in files. */
static void limit(const char *group, const char *most, const char *used, const char *stat)
{
    char name[256];
    const char *const parts[][2] = {{"max", most}, {"current", used}, {"stat", stat}};
    for (int i = 0; i < COUNT_OF(parts); i++) {
        snprintf(name, sizeof name, "sys/fs/cgroup%s/memory.%s", group, parts[i][0]);
        put(name, parts[i][1]);
    }
}

static void assert_left(int64_t bytes)
{
    assert_int_equal(machine_memory_below(root), bytes);
}

static void test_memory(void **state)
{
    (void)state;
    const char *base = getenv("TMPDIR");
    snprintf(root, sizeof root, "%s/machine.XXXXXX", base ? base : "/tmp");
    assert_non_null(mkdtemp(root));
    assert_left(INT64_MAX);
    put("proc/meminfo", "MemTotal: 9000 kB\nMemFree: 10 kB\nMemAvailable: 8000 kB\n");
    assert_left(8000 << 10);
    put("proc/self/cgroup", "0::/slice/job\n");
    assert_left(8000 << 10); /* no such files */
    limit("/slice/job", "max\n", "7000\n", "anon 1\n");
    assert_left(8000 << 10);
    limit("/slice/job", "10000\n", "7000\n", "anon 1000\nfile 6000\ninactive_file 5000\nactive_file 500\n");
    assert_left(8500); /* cached files give way */
    limit("/slice", "9000\n", "7000\n", "anon 7000\n");
    assert_left(2000); /* the group above has less */
    limit("/slice", "9000\n", "9500\n", "anon 9500\n");
    assert_left(0);
    put("proc/self/cgroup", "0::/../other\n"); /* beyond what is seen here */
    limit("", "6000\n", "1000\n", "anon 1\n");
    assert_left(5000);
    /* Both versions at once, in a container that sees its own group at the top of version 1. */
    put("proc/self/cgroup", "12:cpuset:/docker/x\n4:cpu,memory:/docker/x\n0::/\n");
    put("sys/fs/cgroup/memory/memory.limit_in_bytes", "4000\n");
    put("sys/fs/cgroup/memory/memory.usage_in_bytes", "3000\n");
    put("sys/fs/cgroup/memory/memory.stat", "cache 1\ninactive_file 1\ntotal_cache 1\ntotal_inactive_file 2000\n");
    assert_left(3000);
    put("sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes", "4000\n");
    put("sys/fs/cgroup/memory/docker/x/memory.usage_in_bytes", "3500\n");
    assert_left(500);
    assert_int_equal(folder_remove(root), OK);
    assert_true(machine_memory() > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_this_build_runs_here),
        cmocka_unit_test(test_only_whole_known_names_count),
        cmocka_unit_test(test_names_what_is_missing),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
