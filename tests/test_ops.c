/* test_ops: every operation of a backend against ref_ops, forward and backward, in all its precisions. TEST_DEVICE
 * names the device (mirror.h). */
#include "counted_malloc.h"
#include "mirror.h"
#include "op_run.h"

#include "random.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h wants the four above. */
#include <cmocka.h>

static struct mirror mirror; /* of the digest alone: operations have their own buffers */
static uint64_t digest;

/* ---- against the truth ---- */

/* Tolerances: of one rounding of the result, and of fp32 sums in units of the largest value. */
static const struct tolerance {
    double relative, scaled;
} tolerances[DT_COUNT] = {
    [DT_F32] = {1e-6, 1e-6},
    [DT_BF16] = {1.0 / 256.0, 2e-6},
    [DT_F16] = {1.0 / 2048.0, 2e-6},
};

/* FNV-1a, eight bytes at a time: says whether all results are the same in every schedule. */
static void digest_values(const double *values, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        uint64_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        digest = (digest ^ bits) * 0x100000001B3u;
    }
}

static void open_run(struct op_run *run, const struct op_case *op_case, enum dtype dtype, bool training, uint64_t seed)
{
    op_run_open(run, mirror.backend, mirror.device, op_case, dtype, training, seed);
}

/* cuDNN sums a convolution in one go, or transformed: 3.7e-6 of the largest value has been seen on an H100 in fp32. */
static double scaled_of(const struct op_run *run)
{
    return run->op_case->kind == OP_CONV2D && !mirror_is_cpu(&mirror) ? 8e-6 : tolerances[run->dtype].scaled;
}

static void check_forward(struct op_run *run)
{
    const struct tolerance *tolerance = &tolerances[run->dtype];
    const int64_t count = shape_count(run->out);
    op_run_forward(run);
    ref_forward(&run->truth);
    const double *out = op_run_out(run);
    /* On CUDA a bias is added to what was already rounded to 16 bits: where the two nearly cancel, the error is of
     * their size. */
    const bool biased = run->weight_count > 1 && (run->op_case->kind == OP_CONV2D || run->op_case->kind == OP_LINEAR);
    op_check(run->op_case->name, "out", out, run->truth.out, count, tolerance->relative,
             biased && run->dtype != DT_F32 && !mirror_is_cpu(&mirror) ? tolerance->relative : scaled_of(run));
    digest_values(out, count);
}

static void check_backward(struct op_run *run)
{
    const struct tolerance *tolerance = &tolerances[run->dtype];
    op_run_backward(run);
    /* The mask of a rectifier is the device's own, whose rounding may differ from ours at 0. */
    run->truth.out = op_run_out(run);
    ref_backward(&run->truth);
    for (int i = 0; i < run->in_count && run->call.in_grad[i]; i++) {
        const double *grad = op_run_in_grad(run, i);
        op_check(run->op_case->name, i ? "gradient of the addend" : "gradient of the input", grad,
                 run->truth.in_grad[i], shape_count(run->in), tolerance->relative, scaled_of(run));
        digest_values(grad, shape_count(run->in));
    }
    for (int k = 0; k < run->weight_count; k++)
        if (run->call.weight_grad[k]) {
            const int64_t count = shape_count(run->weights[k].shape);
            const double *grad = op_run_weight_grad(run, k);
            /* cuDNN gives a convolution's weight gradient in the activations' dtype; it is widened afterwards. */
            const bool rounded = run->op_case->kind == OP_CONV2D && k == 0 && !mirror_is_cpu(&mirror);
            op_check(run->op_case->name, k ? "gradient of the bias" : "gradient of the weight", grad,
                     run->truth.weight_grad[k], count, tolerances[rounded ? run->dtype : DT_F32].relative,
                     rounded ? scaled_of(run) : 2e-6);
            digest_values(grad, count);
        }
}

enum { FEW_VALUES = 1000 }; /* in the time that the race detector takes */

static bool offered(const struct op_case *op_case)
{
    return mirror.backend->ops[op_case->kind] &&
           !(mirror_detects_races(&mirror) && shape_count(op_case->in) > FEW_VALUES);
}

static void train_case(int i, enum dtype dtype)
{
    struct op_run run;
    open_run(&run, &op_cases[i], dtype, true, 1 + (uint64_t)i);
    check_forward(&run);
    check_backward(&run);
    op_run_close(&run);
}

/* What was prepared for training evaluates too. */
static void evaluate_case(int i, enum dtype dtype)
{
    for (int training = 0; training < 2; training++) {
        struct op_run run;
        open_run(&run, &op_cases[i], dtype, training, (training ? 200 : 100) + (uint64_t)i);
        run.call.training = run.truth.training = false;
        check_forward(&run);
        op_run_close(&run);
    }
}

/* Convolutions that images go into, which may ask for more channels of them. */
static void first_case(int i, enum dtype dtype)
{
    struct op_run run;
    if (op_cases[i].kind != OP_CONV2D || op_cases[i].in.c > 8)
        return;
    op_run_open_first(&run, mirror.backend, mirror.device, &op_cases[i], dtype, 300 + (uint64_t)i);
    check_forward(&run);
    check_backward(&run);
    op_run_close(&run);
}

struct pass {
    void (*check)(int i, enum dtype dtype);
    enum dtype dtype;
    bool small; /* few values alone, in many schedules of an emulated GPU */
};

static int pass_work(struct mirror *of, const void *what)
{
    const struct pass *pass = what;
    digest = 0xCBF29CE484222325u;
    for (int i = 0; i < op_case_count; i++)
        if (offered(&op_cases[i]) && !(pass->small && shape_count(op_cases[i].in) > FEW_VALUES))
            pass->check(i, pass->dtype);
    return of->backend->upload(of->device, mirror_at(of, &digest), &digest, sizeof digest);
}

static void run_pass(struct pass pass)
{
    mirror.large = !pass.small;
    mirror_run(&mirror, pass_work, &pass);
}

static void check_cases(void (*check)(int i, enum dtype dtype), enum dtype dtype)
{
    /* With the race detector bf16 alone speaks for all: only the width of loads is another. */
    if (!mirror_supports(&mirror, dtype) || (mirror_detects_races(&mirror) && dtype != DT_BF16))
        skip();
    run_pass((struct pass){check, dtype, false});
}

static void test_f32(void **state)
{
    (void)state;
    check_cases(train_case, DT_F32);
}

static void test_bf16(void **state)
{
    (void)state;
    check_cases(train_case, DT_BF16);
}

static void test_f16(void **state)
{
    (void)state;
    check_cases(train_case, DT_F16);
}

static void test_small_in_many_schedules(void **state)
{
    (void)state;
    if (!mirror_is_emulated(&mirror))
        skip();
    run_pass((struct pass){train_case, DT_F32, true});
    run_pass((struct pass){train_case, DT_BF16, true});
}

static void test_evaluation(void **state)
{
    (void)state;
    check_cases(evaluate_case, DT_F32);
}

static void test_first_f32(void **state)
{
    (void)state;
    check_cases(first_case, DT_F32);
}

static void test_first(void **state)
{
    (void)state;
    check_cases(first_case, DT_BF16);
}

static void test_first_f16(void **state)
{
    (void)state;
    check_cases(first_case, DT_F16);
}

/* ---- normalisation ---- */

static void commit(struct op_run *run, int32_t bad)
{
    run->control.bad = bad;
    assert_int_equal(run->backend->upload(run->device, (void *)run->call.control, &run->control, sizeof run->control),
                     OK);
    op_run_commit(run);
}

static void test_commit(void **state)
{
    (void)state;
    for (int i = 0; i < op_case_count; i++) {
        if (op_cases[i].kind != OP_NORM || !offered(&op_cases[i]))
            continue;
        struct op_run run;
        open_run(&run, &op_cases[i], DT_F32, true, 300 + (uint64_t)i);
        op_run_forward(&run);
        double *mean = op_run_weight(&run, 2), *variance = op_run_weight(&run, 3);
        commit(&run, 1);
        assert_memory_equal(op_run_weight(&run, 2), mean, (size_t)run.in.c * sizeof *mean);
        assert_memory_equal(op_run_weight(&run, 3), variance, (size_t)run.in.c * sizeof *variance);
        commit(&run, 0);
        ref_commit(&run.truth, mean, variance);
        op_check(run.op_case->name, "running mean", op_run_weight(&run, 2), mean, run.in.c, 1e-6, 1e-6);
        op_check(run.op_case->name, "running variance", op_run_weight(&run, 3), variance, run.in.c, 1e-6, 1e-6);
        op_run_close(&run);
    }
}

/* A mean of thousands of deviations: sums of squares would leave no digit of the variance. What is left to err is the
 * rounding of means, by 4096 / 2^25. */
static void test_far_from_zero(void **state)
{
    (void)state;
    for (int i = 0; i < op_case_count; i++) {
        if (!offered(&op_cases[i]) || op_cases[i].kind != OP_NORM || op_cases[i].params.norm.add)
            continue;
        struct op_run run;
        open_run(&run, &op_cases[i], DT_F32, true, 400 + (uint64_t)i);
        double *x = arena_push(&run.arena, (size_t)shape_count(run.in) * sizeof *x);
        for (int64_t k = 0; k < shape_count(run.in); k++)
            x[k] = run.truth.in[0][k] + 4096.0;
        run.truth.in[0] = x;
        op_run_upload(&run);
        op_run_forward(&run);
        ref_forward(&run.truth);
        op_check(run.op_case->name, "out", op_run_out(&run), run.truth.out, shape_count(run.out), 1e-3, 1e-3);
        double *mean = op_run_weight(&run, 2), *variance = op_run_weight(&run, 3);
        commit(&run, 0);
        ref_commit(&run.truth, mean, variance);
        op_check(run.op_case->name, "running variance", op_run_weight(&run, 3), variance, run.in.c, 1e-4, 0.0);
        op_run_close(&run);
    }
}

/* A rectifier does not hide it, forward or backward. */
static void test_nan_stays(void **state)
{
    (void)state;
    for (int i = 0; i < op_case_count; i++) {
        if (!offered(&op_cases[i]) || op_cases[i].kind != OP_NORM)
            continue;
        struct op_run run;
        open_run(&run, &op_cases[i], DT_F32, true, 500 + (uint64_t)i);
        const int64_t count = shape_count(run.in);
        double *x = arena_push(&run.arena, (size_t)count * sizeof *x);
        memcpy(x, run.truth.in[0], (size_t)count * sizeof *x);
        x[count - 1] = (double)NAN;
        run.truth.in[0] = x;
        op_run_upload(&run);
        op_run_forward(&run);
        op_run_backward(&run);
        const double *out = op_run_out(&run), *grad = op_run_in_grad(&run, 0);
        for (int64_t k = 0; k < count; k++) {
            const bool spoilt = k % run.in.c == run.in.c - 1;
            if (isnan(out[k]) != spoilt || isnan(grad[k]) != spoilt)
                fail_msg("%s: element %lld of %lld is %g, its gradient %g", run.op_case->name, (long long)k,
                         (long long)count, out[k], grad[k]);
        }
        op_run_close(&run);
    }
}

static void test_one_value_has_no_variance(void **state)
{
    (void)state;
    const struct op_impl *norm = mirror.backend->ops[OP_NORM];
    const union op_params params = {.norm = {.epsilon = 1e-5f, .momentum = 0.1f}};
    struct op_desc desc = {
        .params = &params, .in = {{1, 1, 1, 8}}, .out = {1, 1, 1, 8}, .in_count = 1, .training = true};
    struct op_needs needs = {0};
    void *made = &made;
    assert_int_equal(norm->prepare(mirror.device, &desc, &made, &needs), ERR_CONFIG);
    assert_null(made);
    assert_non_null(strstr(fail_text(), "variance"));
    desc.training = false;
    assert_int_equal(norm->prepare(mirror.device, &desc, &made, &needs), OK);
    norm->release(made);
}

/* ---- threads ---- */

/* The values of a run are such that sums are exact in any order; spread over magnitudes they are not. */
static const double *spread(struct op_run *run, const double *values, int64_t count)
{
    double *spread = arena_push(&run->arena, (size_t)count * sizeof *spread);
    for (int64_t k = 0; k < count; k++)
        spread[k] = values[k] * pow(1.37, (double)(k * 7 % 23 - 11));
    return spread;
}

/* All results of a step one after another. */
static double *results_of(const struct op_case *op_case, enum dtype dtype, int threads, struct op_run *run,
                          int64_t *count)
{
    struct device *other;
    assert_int_equal(backend_cpu.open(&other, 0, threads), OK);
    op_run_open(run, &backend_cpu, other, op_case, dtype, true, 5);
    run->truth.in[0] = spread(run, run->truth.in[0], shape_count(run->in));
    run->truth.out_grad = spread(run, run->truth.out_grad, shape_count(run->out));
    op_run_upload(run);
    op_run_forward(run);
    op_run_backward(run);
    const int64_t in = shape_count(run->in), out = shape_count(run->out);
    int64_t weights = 0;
    for (int k = 0; k < run->weight_count; k++)
        weights += shape_count(run->weights[k].shape);
    double *all = arena_push(&run->arena, (size_t)(2 * in + out + weights) * sizeof *all), *next = all;
    memcpy(next, op_run_out(run), (size_t)out * sizeof *all);
    next += out;
    for (int i = 0; i < run->in_count && run->call.in_grad[i]; i++, next += in)
        memcpy(next, op_run_in_grad(run, i), (size_t)in * sizeof *all);
    for (int k = 0; k < run->weight_count; k++)
        if (run->call.weight_grad[k]) {
            memcpy(next, op_run_weight_grad(run, k), (size_t)shape_count(run->weights[k].shape) * sizeof *all);
            next += shape_count(run->weights[k].shape);
        }
    *count = next - all;
    return all;
}

static void test_threads_change_nothing(void **state)
{
    (void)state;
    if (!mirror_is_cpu(&mirror))
        skip();
    for (int i = 0; i < op_case_count; i++)
        for (int bf16 = 0; bf16 < 2; bf16++) {
            struct op_run one, three;
            int64_t count, same;
            const double *alone = results_of(&op_cases[i], bf16 ? DT_BF16 : DT_F32, 1, &one, &count);
            const double *together = results_of(&op_cases[i], bf16 ? DT_BF16 : DT_F32, 3, &three, &same);
            assert_int_equal(count, same);
            assert_memory_equal(alone, together, (size_t)count * sizeof *alone);
            op_run_close(&one);
            op_run_close(&three);
            backend_cpu.close(one.device);
            backend_cpu.close(three.device);
        }
}

static void test_repeats(void **state)
{
    (void)state;
    if (mirror_is_emulated(&mirror))
        skip();
    for (int i = 0; i < op_case_count; i++) {
        struct op_run run;
        if (!offered(&op_cases[i]))
            continue;
        open_run(&run, &op_cases[i], DT_F32, true, 4);
        const double *out[2], *in_grad[2] = {NULL, NULL}, *weight_grad[2] = {NULL, NULL};
        for (int time = 0; time < 2; time++) {
            op_run_forward(&run);
            op_run_backward(&run);
            out[time] = op_run_out(&run);
            if (run.call.in_grad[0])
                in_grad[time] = op_run_in_grad(&run, 0);
            if (run.call.weight_grad[0])
                weight_grad[time] = op_run_weight_grad(&run, 0);
        }
        assert_memory_equal(out[0], out[1], (size_t)shape_count(run.out) * sizeof(double));
        if (run.call.in_grad[0])
            assert_memory_equal(in_grad[0], in_grad[1], (size_t)shape_count(run.in) * sizeof(double));
        if (run.call.weight_grad[0])
            assert_memory_equal(weight_grad[0], weight_grad[1],
                                (size_t)shape_count(run.weights[0].shape) * sizeof(double));
        op_run_close(&run);
    }
}

/* ---- allocation ---- */

static void test_nothing_is_allocated(void **state)
{
    (void)state;
#ifndef COUNTS_ALLOCATIONS
    skip();
#else
    if (!mirror_is_cpu(&mirror))
        skip();
    for (int i = 0; i < 2 * op_case_count; i++) {
        const struct op_case *op_case = &op_cases[i / 2];
        struct op_run run;
        open_run(&run, op_case, i % 2 ? DT_BF16 : DT_F32, true, 1);
        const struct op_impl *impl = mirror.backend->ops[op_case->kind];
        op_run_forward(&run);
        op_run_backward(&run);
        const size_t before = allocated_bytes;
        assert_int_equal(impl->forward(mirror.device, &run.call), OK);
        assert_int_equal(impl->backward(mirror.device, &run.call), OK);
        if (impl->commit)
            assert_int_equal(impl->commit(mirror.device, &run.call), OK);
        const size_t taken = allocated_bytes - before;
        if (taken > 0)
            fail_msg("%s: a step allocated %zu bytes", op_case->name, taken);
        op_run_close(&run);
    }
#endif
}

static int open_device(void **state)
{
    (void)state;
    mirror_open(&mirror, 0);
    mirror_add(&mirror, &digest, sizeof digest);
    return 0;
}

static int close_device(void **state)
{
    (void)state;
    mirror_close(&mirror);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_f32),
        cmocka_unit_test(test_bf16),
        cmocka_unit_test(test_f16),
        cmocka_unit_test(test_small_in_many_schedules),
        cmocka_unit_test(test_evaluation),
        cmocka_unit_test(test_first_f32),
        cmocka_unit_test(test_first),
        cmocka_unit_test(test_first_f16),
        cmocka_unit_test(test_commit),
        cmocka_unit_test(test_far_from_zero),
        cmocka_unit_test(test_nan_stays),
        cmocka_unit_test(test_one_value_has_no_variance),
        cmocka_unit_test(test_threads_change_nothing),
        cmocka_unit_test(test_repeats),
        cmocka_unit_test(test_nothing_is_allocated),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
