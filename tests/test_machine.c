/* The check of the CPU against what the kernels were compiled for. */
#include "machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_this_build_runs_here),
        cmocka_unit_test(test_only_whole_known_names_count),
        cmocka_unit_test(test_names_what_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
