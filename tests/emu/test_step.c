/* test_step: whole training steps of the CUDA backend in the emulator, with stand-ins for cuBLAS and cuDNN: they agree
 * with the CPU backend's, do not depend on the order in which threads and blocks run, and never wait. And the
 * operations that the vendor's libraries do most of, against the truth in double. */
#include "emu.h"
#include "op_run.h"
#include "steps.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

extern const struct backend backend_cuda;

enum { STEPS = 4 };
/* The race detector is slow, and finds in one random schedule what it finds in many. */
#ifdef EMU_TSAN
enum { FIRST_ROUND = 2, ROUNDS = 3 };
#else
enum { FIRST_ROUND = 0, ROUNDS = 4 };
#endif

static void check(int status)
{
    if (status < 0)
        fail_msg("%s (%s) %s", fail_text(), fail_origin(), emu_message());
}

/* ---- convolutions and linear layers ---- */

static const struct tolerance {
    enum dtype dtype;
    double relative, scaled;
} tolerances[] = {{DT_F32, 1e-6, 1e-6}, {DT_BF16, 8e-3, 4e-3}};

static void check_case(struct device *device, const struct op_case *op_case, const struct tolerance *tolerance)
{
    struct op_run run;
    op_run_open(&run, &backend_cuda, device, op_case, tolerance->dtype, true, 7);
    op_run_forward(&run);
    ref_forward(&run.truth);
    op_check(op_case->name, "output", op_run_out(&run), run.truth.out, shape_count(run.out), tolerance->relative,
             tolerance->scaled);
    op_run_backward(&run);
    ref_backward(&run.truth);
    op_check(op_case->name, "gradient of the input", op_run_in_grad(&run, 0), run.truth.in_grad[0], shape_count(run.in),
             tolerance->relative, tolerance->scaled);
    for (int k = 0; k < run.weight_count; k++)
        op_check(op_case->name, k ? "gradient of the bias" : "gradient of the weight", op_run_weight_grad(&run, k),
                 run.truth.weight_grad[k], shape_count(run.weights[k].shape), k ? 1e-6 : tolerance->relative,
                 k ? 1e-6 : tolerance->scaled);
    op_run_close(&run);
}

static void test_convolutions_and_linear_layers(void **state)
{
    (void)state;
    for (int round = FIRST_ROUND; round < emu_rounds(ROUNDS); round++) {
        struct device *device;
        emu_reset_round(round);
        check(backend_cuda.open(&device, 0, 0));
        for (int i = 0; i < op_case_count; i++)
            if (op_cases[i].kind == OP_CONV2D || op_cases[i].kind == OP_LINEAR)
                for (int t = 0; t < COUNT_OF(tolerances); t++)
                    check_case(device, &op_cases[i], &tolerances[t]);
        backend_cuda.close(device);
    }
}

/* ---- whole steps ---- */

static void near(const char *what, double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance * (1.0 + fabs(want))))
        fail_msg("%s: %.9g, on the CPU %.9g", what, got, want);
}

static void compare(const struct outcome *cuda, const struct outcome *cpu, double tolerance)
{
    assert_int_equal(cuda->waits, 0);
    for (int i = 0; i < STEPS; i++) {
        const struct step_record *got = &cuda->records[i], *want = &cpu->records[i];
        assert_int_equal(got->step, i);
        assert_int_equal(got->samples, want->samples);
        assert_int_equal(got->kept.updates, i + 1);
        assert_int_equal(got->bad, 0);
        assert_int_equal(got->nonfinite, 0);
        near("loss", got->loss, want->loss, tolerance);
        near("variance of the losses", got->loss_variance, want->loss_variance, tolerance);
        near("norm of the gradient", got->grad_norm, want->grad_norm, 2 * tolerance);
        near("norm of the update", got->update_norm, want->update_norm, 2 * tolerance);
        near("norm of the weights", got->weight_norm, want->weight_norm, tolerance);
        near("median loss", got->loss_median, want->loss_median, tolerance);
        near("90 % quantile", got->loss_p90, want->loss_p90, tolerance);
        near("gradient times update", got->grad_dot_update, want->grad_dot_update, 2 * tolerance);
        if (steps_ahead(i))
            near("loss of the next batch", got->loss_next, want->loss_next, tolerance);
        else
            assert_true(isnan(got->loss_next) && isnan(want->loss_next));
        if (i == 0) {
            assert_true(isnan(got->grad_cosine) && isnan(got->grad_dot_last));
            continue;
        }
        /* The backends' layouts differ, and with them the signs of a sketch: here it is too small to agree. */
        assert_true(fabs(got->grad_cosine) <= 1.0 && isfinite(got->grad_dot_last));
    }
    near("loss of the evaluation", cuda->sums.loss, cpu->sums.loss, tolerance);
    assert_int_equal(cuda->count, cpu->count);
    for (int64_t i = 0; i < cpu->count; i++)
        near("a weight", cuda->weights[i], cpu->weights[i], tolerance);
}

static void free_outcome(struct outcome *outcome)
{
    memory_give(outcome->weights);
}

/* Trains on both; several schedules must give the same bits. */
static void check_recipe(const struct recipe *recipe, enum dtype of_cpu, double tolerance)
{
    struct outcome first = {0}, cpu = {0};
    struct recipe on_cpu = *recipe;
    on_cpu.dtype = of_cpu;
    steps_run(&backend_cpu, &on_cpu, &cpu);
    for (int round = FIRST_ROUND; round < emu_rounds(ROUNDS); round++) {
        struct outcome cuda = {0};
        emu_reset_round(round);
        steps_run(&backend_cuda, recipe, &cuda);
        if (round == FIRST_ROUND) {
            compare(&cuda, &cpu, tolerance);
            first = cuda;
            continue;
        }
        assert_memory_equal(cuda.records, first.records, sizeof cuda.records);
        assert_memory_equal(cuda.weights, first.weights, (size_t)cuda.count * sizeof *cuda.weights);
        free_outcome(&cuda);
    }
    free_outcome(&first);
    free_outcome(&cpu);
}

static void test_fp32_agrees_with_the_cpu(void **state)
{
    (void)state;
    check_recipe(&(struct recipe){DT_F32, OPTIMIZER_SGD, 1, STEPS, true}, DT_F32, 2e-5);
}

static void test_accumulated_adamw_agrees_with_the_cpu(void **state)
{
    (void)state;
    check_recipe(&(struct recipe){DT_F32, OPTIMIZER_ADAMW, 2, STEPS, true}, DT_F32, 2e-4);
}

/* In 16 bits the CPU's fp32 is what they must come near to. */
static void test_bf16_comes_near(void **state)
{
    (void)state;
    check_recipe(&(struct recipe){DT_BF16, OPTIMIZER_SGD, 1, STEPS, false}, DT_F32, 5e-2);
}

static void test_fp16_comes_near(void **state)
{
    (void)state;
    check_recipe(&(struct recipe){DT_F16, OPTIMIZER_SGD, 1, STEPS, false}, DT_F32, 1e-2);
}

/* Of the accumulated batches' noise: the loss scale, which fp16 alone has, is no part of it. */
static void test_fp16_noise_comes_near(void **state)
{
    (void)state;
    const struct recipe recipes[] = {{DT_F16, OPTIMIZER_SGD, 2, 1, false}, {DT_F32, OPTIMIZER_SGD, 2, 1, false}};
    struct step_record records[2];
    for (int i = 0; i < 2; i++) {
        struct trainee trainee;
        emu_reset_round(0);
        trainee_open(&trainee, &backend_cuda, &recipes[i]);
        for (int micro = 0; micro < 2; micro++) {
            const struct step_control control = {.seed = 3,
                                                 .first = micro * STEPS_ROWS,
                                                 .valid = STEPS_ROWS,
                                                 .micro = micro,
                                                 .lr = 0.01f,
                                                 .noise = NOISE_OF_PARTS,
                                                 .parts = 2};
            check(plan_train_batch(&trainee.plan, &control, micro == 0, micro == 1));
        }
        check(backend_cuda.wait(trainee.device));
        assert_true(plan_record(&trainee.plan, 0, &records[i]));
        trainee_close(&trainee);
    }
    assert_true(records[0].loss_scale > 1.0f && records[0].noise_parts == 2);
    assert_true(fabsf(records[0].noise_trace / records[1].noise_trace - 1.0f) < 0.05f);
    assert_true(fabsf(records[0].noise_grad - records[1].noise_grad) < 0.05f * fabsf(records[1].noise_trace));
}

/* ---- memory ---- */

static void test_small_uploads_do_not_wait(void **state)
{
    (void)state;
    enum { COUNT = 3000, WORDS = 40 };
    struct device *device;
    void *memory;
    emu_reset_round(3);
    check(backend_cuda.open(&device, 0, 0));
    check(backend_cuda.alloc(device, COUNT * WORDS * sizeof(int32_t), &memory));
    int32_t *got = calloc(COUNT * WORDS, sizeof *got), sent[WORDS];
    assert_non_null(got);
    for (int i = 0; i < COUNT; i++) {
        for (int k = 0; k < WORDS; k++)
            sent[k] = i * WORDS + k;
        check(backend_cuda.upload(device, (int32_t *)memory + i * WORDS, sent, sizeof sent));
    }
    check(backend_cuda.download(device, got, memory, COUNT * WORDS * sizeof *got));
    check(backend_cuda.wait(device));
    for (int i = 0; i < COUNT * WORDS; i++)
        assert_int_equal(got[i], i);
    free(got);
    backend_cuda.release(device, memory);
    backend_cuda.close(device);
}

/* Everything in a step for which the host can wait: an end of the staging memory, a slot of the ring of images, the
 * lead.
 */
static void test_every_wait_is_counted(void **state)
{
    (void)state;
    enum { SLOTS = 3, SLOT_BYTES = 100, TIMES = 400 };
    struct device *device;
    struct feed feed;
    void *memory;
    static const char bytes[1000];
    for (int round = 0; round < emu_rounds(ROUNDS); round++) {
        emu_reset_round(round);
        check(backend_cuda.open(&device, 0, 0));
        check(backend_cuda.alloc(device, sizeof bytes, &memory));
        check(backend_cuda.feed_open(device, &feed, SLOTS, SLOT_BYTES));
        check(backend_cuda.wait(device));
        const int64_t before = emu_waits(), waits = backend_cuda.waits(device), held = backend_cuda.held(device);
        for (int i = 0; i < TIMES; i++) {
            check(backend_cuda.feed_wait(device, &feed, i % SLOTS));
            check(backend_cuda.feed_send(device, &feed, i % SLOTS));
            check(backend_cuda.upload(device, memory, bytes, sizeof bytes));
            check(backend_cuda.feed_taken(device, &feed, i % SLOTS));
            check(backend_cuda.pace(device));
        }
        assert_int_equal(backend_cuda.waits(device), waits);
        assert_int_equal(backend_cuda.held(device) - held, emu_waits() - before);
        if (emu_config.async)
            assert_true(emu_waits() - before >= TIMES / 2);
        backend_cuda.feed_close(device, &feed);
        backend_cuda.release(device, memory);
        backend_cuda.close(device);
    }
}

static void test_out_of_memory_says_how_much_is_free(void **state)
{
    (void)state;
    struct device *device;
    void *memory;
    const void *placed;
    static const char byte;
    const size_t before = emu_config.memory_bytes;
    emu_reset_round(0);
    emu_config.memory_bytes = (size_t)64 << 20;
    check(backend_cuda.open(&device, 0, 0));
    assert_int_equal(backend_cuda.alloc(device, (size_t)100 << 20, &memory), ERR_MEMORY);
    assert_null(memory);
    assert_non_null(strstr(fail_text(), "needs 100 MiB"));
    assert_non_null(strstr(fail_text(), "of the GPU's 64 MiB are free"));
    assert_int_equal(backend_cuda.place(device, &byte, (size_t)100 << 20, &placed), ERR_MEMORY);
    assert_null(placed);
    assert_non_null(strstr(fail_text(), "the data set needs 100 MiB"));
    check(backend_cuda.alloc(device, 1000, &memory));
    backend_cuda.release(device, memory);
    backend_cuda.close(device);
    emu_config.memory_bytes = before;
}

static void test_opens_what_is_there(void **state)
{
    (void)state;
    struct device *device;
    char text[256];
    bool in_hardware;
    emu_reset_round(0);
    assert_int_equal(backend_cuda.open(&device, 7, 0), ERR_DEVICE);
    assert_null(device);
    assert_non_null(strstr(fail_text(), "cuda:7: there "));
    check(backend_cuda.open(&device, 0, 0));
    backend_cuda.describe(device, text, sizeof text);
    assert_non_null(strstr(text, "SMs"));
    for (enum dtype dtype = DT_F32; dtype <= DT_F16; dtype++)
        assert_true(backend_cuda.supports(device, dtype, &in_hardware) && in_hardware);
    backend_cuda.close(device);
    backend_cuda.close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_opens_what_is_there),
        cmocka_unit_test(test_small_uploads_do_not_wait),
        cmocka_unit_test(test_every_wait_is_counted),
        cmocka_unit_test(test_out_of_memory_says_how_much_is_free),
        cmocka_unit_test(test_convolutions_and_linear_layers),
        cmocka_unit_test(test_fp32_agrees_with_the_cpu),
        cmocka_unit_test(test_accumulated_adamw_agrees_with_the_cpu),
        cmocka_unit_test(test_bf16_comes_near),
        cmocka_unit_test(test_fp16_comes_near),
        cmocka_unit_test(test_fp16_noise_comes_near),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
