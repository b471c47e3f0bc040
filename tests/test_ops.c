/* test_ops: every operation of the CPU backend against ref_ops, forward and backward, in fp32 and bf16. */
#include "op_run.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h wants the four above. */
#include <cmocka.h>

static struct device *device;

/* Tolerances: of one rounding of the result, and of fp32 sums in units of the largest value. */
struct tolerance {
    double relative, scaled;
};
static const struct tolerance of_f32 = {1e-6, 1e-6}, of_bf16 = {1.0 / 256.0, 2e-6};

static void check_forward(struct op_run *run, const struct tolerance *tolerance)
{
    op_run_forward(run);
    ref_forward(&run->truth);
    op_check(run->op_case->name, "out", op_run_out(run), run->truth.out, shape_count(run->out), tolerance->relative,
             tolerance->scaled);
}

static void check_backward(struct op_run *run, const struct tolerance *tolerance)
{
    op_run_backward(run);
    /* The mask of a rectifier is the device's own, whose rounding may differ from ours at 0. */
    run->truth.out = op_run_out(run);
    ref_backward(&run->truth);
    for (int i = 0; i < run->in_count; i++)
        op_check(run->op_case->name, i ? "gradient of the addend" : "gradient of the input", op_run_in_grad(run, i),
                 run->truth.in_grad[i], shape_count(run->in), tolerance->relative, tolerance->scaled);
    for (int k = 0; k < run->weight_count; k++)
        if (run->call.weight_grad[k])
            op_check(run->op_case->name, k ? "gradient of the bias" : "gradient of the weight",
                     op_run_weight_grad(run, k), run->truth.weight_grad[k], shape_count(run->weights[k].shape),
                     of_f32.relative, 2e-6);
}

static void check_cases(enum dtype dtype, const struct tolerance *tolerance)
{
    for (int i = 0; i < op_case_count; i++) {
        struct op_run run;
        op_run_open(&run, &backend_cpu, device, &op_cases[i], dtype, true, 1 + (uint64_t)i);
        check_forward(&run, tolerance);
        check_backward(&run, tolerance);
        op_run_close(&run);
    }
}

static void test_f32(void **state)
{
    (void)state;
    check_cases(DT_F32, &of_f32);
}

static void test_bf16(void **state)
{
    (void)state;
    bool in_hardware;
    if (!backend_cpu.supports(device, DT_BF16, &in_hardware))
        skip();
    check_cases(DT_BF16, &of_bf16);
}

static int open_device(void **state)
{
    (void)state;
    return backend_cpu.open(&device, 0, 0);
}

static int close_device(void **state)
{
    (void)state;
    backend_cpu.close(device);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_f32),
        cmocka_unit_test(test_bf16),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
