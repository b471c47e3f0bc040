/* test_tiles: convolutions and linear layers by every instruction set that this CPU has, against ref_ops; the other
 * operations, which test_ops checks with the best set, by all of them to the bit. Which set the backend uses is said by
 * EVENKEEL_CPU. */
#include "op_run.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h wants the four above. */
#include <cmocka.h>

/* Best first. */
static const char *const sets[] = {"amx", "avx512_bf16", "avx512", "avx2", "plain"};
static const char *const names[] = {"AMX bf16", "AVX-512 bf16", "AVX-512", "AVX2", "vectors of 128 bits"};
static uint64_t digest; /* FNV-1a of all results */

static void digest_values(const double *values, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        uint64_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        digest = (digest ^ bits) * 0x100000001B3u;
    }
}

/* Once more, added to what the first time left: twice the gradient. */
static void check_added(struct op_run *run, double relative, double scaled)
{
    const int64_t in = shape_count(run->in);
    assert_true(run->needs.adds_grad || run->op_case->params.conv2d.groups == run->in.c);
    if (!run->needs.adds_grad)
        return;
    run->call.adds_grad = true;
    assert_int_equal(run->backend->ops[run->op_case->kind]->backward(run->device, &run->call), OK);
    for (int64_t i = 0; i < in; i++)
        run->truth.in_grad[0][i] *= 2.0;
    op_check(run->op_case->name, "added gradient", op_run_in_grad(run, 0), run->truth.in_grad[0], in, relative, scaled);
    digest_values(op_run_in_grad(run, 0), in);
}

static void check_case(struct device *device, const struct op_case *one, enum dtype dtype, uint64_t seed)
{
    const double relative = dtype == DT_F32 ? 1e-6 : 1.0 / 256.0, scaled = 2e-6;
    struct op_run run;
    op_run_open(&run, &backend_cpu, device, one, dtype, true, seed);
    op_run_forward(&run);
    op_run_backward(&run);
    ref_forward(&run.truth);
    ref_backward(&run.truth);
    const int64_t in = shape_count(run.in), out = shape_count(run.out);
    op_check(one->name, "out", op_run_out(&run), run.truth.out, out, relative, scaled);
    op_check(one->name, "input gradient", op_run_in_grad(&run, 0), run.truth.in_grad[0], in, relative, scaled);
    digest_values(op_run_out(&run), out);
    digest_values(op_run_in_grad(&run, 0), in);
    for (int k = 0; k < run.weight_count; k++) {
        const int64_t count = shape_count(run.weights[k].shape);
        op_check(one->name, "weight gradient", op_run_weight_grad(&run, k), run.truth.weight_grad[k], count, 1e-6,
                 scaled);
        digest_values(op_run_weight_grad(&run, k), count);
    }
    check_added(&run, relative, scaled);
    op_run_close(&run);
}

/* Whether the CPU has the set: then the device says so. */
static bool open_device(int set, struct device **device)
{
    char text[200];
    setenv("EVENKEEL_CPU", sets[set], 1);
    assert_int_equal(backend_cpu.open(device, 0, 2), OK);
    backend_cpu.describe(*device, text, sizeof text);
    return strstr(text, names[set]) && strlen(strstr(text, names[set])) == strlen(names[set]);
}

static bool is_product(const struct op_case *one)
{
    return one->kind == OP_CONV2D || one->kind == OP_LINEAR;
}

static void digest_case(struct device *device, const struct op_case *one, enum dtype dtype, uint64_t seed)
{
    struct op_run run;
    op_run_open(&run, &backend_cpu, device, one, dtype, true, seed);
    op_run_forward(&run);
    op_run_backward(&run);
    digest_values(op_run_out(&run), shape_count(run.out));
    for (int i = 0; i < run.in_count; i++)
        digest_values(op_run_in_grad(&run, i), shape_count(run.in));
    for (int k = 0; k < run.weight_count; k++)
        if (run.call.weight_grad[k])
            digest_values(op_run_weight_grad(&run, k), shape_count(run.weights[k].shape));
    op_run_close(&run);
}

/* 0: this CPU does not have the set. */
static uint64_t check_set(int set, enum dtype dtype, bool products)
{
    struct device *device;
    digest = 0;
    if (open_device(set, &device))
        for (int i = 0; i < op_case_count; i++)
            if (is_product(&op_cases[i]) == products)
                (products ? check_case : digest_case)(device, &op_cases[i], dtype, (uint64_t)i);
    backend_cpu.close(device);
    return digest;
}

static void test_bf16(void **state)
{
    (void)state;
    for (int set = 0; set < COUNT_OF(sets); set++)
        check_set(set, DT_BF16, true);
}

static void check_same_bits(enum dtype dtype, bool products)
{
    const uint64_t plain = check_set(COUNT_OF(sets) - 1, dtype, products);
    assert_int_not_equal(plain, 0);
    for (int set = 0; set < COUNT_OF(sets) - 1; set++) {
        const uint64_t other = check_set(set, dtype, products);
        if (other)
            assert_int_equal(other, plain);
    }
}

/* Numbers of every length instead of short ones. */
static void roughen(const double *values, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        ((double *)(uintptr_t)values)[i] = (double)(float)sin(values[i] * 3.7 + (double)i);
}

/* Layers in patches, where results do not come out even: the transforms round on their own (kernels/cpu/winograd.h), so
 * twice the tolerance of sums that come out exact. */
static void check_rough(struct device *device, const struct op_case *one)
{
    const double relative = 1e-6, scaled = 4e-6;
    struct op_run run;
    op_run_open(&run, &backend_cpu, device, one, DT_F32, true, 1);
    const int64_t in = shape_count(run.in), out = shape_count(run.out);
    roughen(run.truth.in[0], in);
    roughen(run.truth.out_grad, out);
    roughen(run.truth.weight[0], shape_count(run.weights[0].shape));
    op_run_upload(&run);
    op_run_forward(&run);
    op_run_backward(&run);
    ref_forward(&run.truth);
    ref_backward(&run.truth);
    op_check(one->name, "out", op_run_out(&run), run.truth.out, out, relative, scaled);
    op_check(one->name, "input gradient", op_run_in_grad(&run, 0), run.truth.in_grad[0], in, relative, scaled);
    op_check(one->name, "weight gradient", op_run_weight_grad(&run, 0), run.truth.weight_grad[0],
             shape_count(run.weights[0].shape), relative, scaled);
    op_run_close(&run);
}

static void test_patches_round_little(void **state)
{
    (void)state;
    int checked = 0;
    for (int set = 0; set < COUNT_OF(sets); set++) {
        struct device *device;
        if (open_device(set, &device))
            for (int i = 0; i < op_case_count; i++)
                if (strstr(op_cases[i].name, "in patches")) {
                    check_rough(device, &op_cases[i]);
                    checked++;
                }
        backend_cpu.close(device);
    }
    assert_true(checked > 0);
}

/* Numbers are such that sums are exact in any order, so all sets must agree to the bit. */
static void test_f32(void **state)
{
    (void)state;
    check_same_bits(DT_F32, true);
}

static void test_loops(void **state)
{
    (void)state;
    check_same_bits(DT_F32, false);
    check_same_bits(DT_BF16, false);
}

static void test_unknown_set(void **state)
{
    (void)state;
    struct device *device;
    setenv("EVENKEEL_CPU", "sse9", 1);
    assert_int_equal(backend_cpu.open(&device, 0, 0), ERR_CONFIG);
    assert_null(device);
    assert_non_null(strstr(fail_text(), "avx512_bf16"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_f32),         cmocka_unit_test(test_bf16),
        cmocka_unit_test(test_loops),       cmocka_unit_test(test_patches_round_little),
        cmocka_unit_test(test_unknown_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
