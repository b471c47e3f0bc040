/* test_precision: what train.precision means on devices that can this and that. */
#include "trainer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* A device that can compute in some types, and has some of these in hardware: bits by enum dtype. */
static unsigned can, hardware;

static bool supports(const struct device *device, enum dtype dtype, bool *in_hardware)
{
    (void)device;
    *in_hardware = hardware >> dtype & 1;
    return can >> dtype & 1;
}

static const struct backend some = {.name = "some", .supports = supports};

#define BIT(dtype) (1u << (dtype))

static void test_auto(void **state)
{
    (void)state;
    static const struct {
        unsigned can, hardware;
        enum dtype dtype;
    } cases[] = {
        {BIT(DT_F32), BIT(DT_F32), DT_F32},
        {BIT(DT_F32) | BIT(DT_BF16), BIT(DT_F32), DT_F32}, /* emulated, which is slower */
        {BIT(DT_F32) | BIT(DT_BF16), BIT(DT_F32) | BIT(DT_BF16), DT_BF16},
        {BIT(DT_F32), BIT(DT_F32) | BIT(DT_BF16), DT_F32}, /* there, but nothing uses it */
        {BIT(DT_F32) | BIT(DT_F16), BIT(DT_F32) | BIT(DT_F16),
         DT_F32}, /* its range is too small to be chosen unasked */
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        enum dtype dtype;
        can = cases[i].can;
        hardware = cases[i].hardware;
        assert_int_equal(session_dtype(PRECISION_AUTO, &some, NULL, &dtype), OK);
        assert_int_equal(dtype, cases[i].dtype);
    }
}

static void test_named(void **state)
{
    (void)state;
    static const struct {
        enum precision_kind named;
        enum dtype dtype;
    } kinds[] = {{PRECISION_FP32, DT_F32}, {PRECISION_BF16, DT_BF16}, {PRECISION_FP16, DT_F16}};
    for (int i = 0; i < COUNT_OF(kinds); i++) {
        enum dtype dtype;
        can = BIT(kinds[i].dtype);
        hardware = 0;
        assert_int_equal(session_dtype(kinds[i].named, &some, NULL, &dtype), OK);
        assert_int_equal(dtype, kinds[i].dtype);
        can = ~can;
        assert_int_equal(session_dtype(kinds[i].named, &some, NULL, &dtype), ERR_UNSUPPORTED);
        assert_non_null(strstr(fail_text(), "the some backend"));
    }
}

/* Every CPU that multiplies bf16, with AMX or without, has AVX-512's bf16 instructions. */
static void test_this_cpu(void **state)
{
    (void)state;
    struct device *device;
    bool in_hardware = false, there = false;
#if defined(__x86_64__)
    __builtin_cpu_init();
    there = __builtin_cpu_supports("avx512bf16") != 0;
#endif
    assert_int_equal(backend_cpu.open(&device, 0, 1), OK);
    backend_cpu.supports(device, DT_BF16, &in_hardware);
    assert_int_equal(in_hardware, there);
    backend_cpu.close(device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_auto),
        cmocka_unit_test(test_named),
        cmocka_unit_test(test_this_cpu),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
