/* test_graph: the step as one recorded graph: the same bits as when every call is queued by itself, whatever changes
 * from step to step; records that come late; and what is said where a step cannot be recorded. */
#include "emu.h"
#include "steps.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the standard headers first */
#include <cmocka.h>

extern const struct backend backend_cuda;

/* LONG: more steps than the host may be ahead. */
/* The race detector is slow, and races are between threads of a kernel, not between steps. */
#ifdef EMU_TSAN
enum { SHORT = 4, ROUNDS = 1, RECIPES = 1, LONG = SHORT };
#else
enum { SHORT = 12, ROUNDS = 3, RECIPES = 3, LONG = BACKEND_LEAD + 8 };
#endif

static void check(int status)
{
    if (status < 0)
        fail_msg("%s (%s) %s", fail_text(), fail_origin(), emu_message());
}

static void run(const struct recipe *recipe, bool recorded, int round, struct outcome *outcome)
{
    setenv("EVENKEEL_CUDA_GRAPH", recorded ? "1" : "0", 1);
    emu_reset_round(round);
    steps_run(&backend_cuda, recipe, outcome);
    unsetenv("EVENKEEL_CUDA_GRAPH");
}

static void assert_same(const struct outcome *a, const struct outcome *b, const struct recipe *recipe)
{
    assert_int_equal(a->count, b->count);
    assert_memory_equal(a->records, b->records, (size_t)recipe->steps * sizeof *a->records);
    assert_memory_equal(a->weights, b->weights, (size_t)a->count * sizeof *a->weights);
    assert_memory_equal(&a->sums, &b->sums, sizeof a->sums);
}

static void test_recorded_equals_plain(void **state)
{
    (void)state;
    static const struct recipe recipes[3] = {{DT_F32, OPTIMIZER_SGD, 1, SHORT, false},
                                             {DT_F32, OPTIMIZER_ADAMW, 3, SHORT, false},
                                             {DT_BF16, OPTIMIZER_ADAM, 2, SHORT, false}};
    for (int i = 0; i < RECIPES; i++) {
        struct outcome plain;
        run(&recipes[i], false, 0, &plain);
        for (int round = 0; round < emu_rounds(ROUNDS); round++) {
            struct outcome recorded;
            run(&recipes[i], true, round, &recorded);
            assert_same(&recorded, &plain, &recipes[i]);
            memory_give(recorded.weights);
        }
        memory_give(plain.weights);
    }
}

static void test_records_come_late_and_nobody_waits(void **state)
{
    (void)state;
    static const struct recipe recipe = {DT_F32, OPTIMIZER_SGD, 1, LONG, false};
    struct outcome outcome;
    if ((int)LONG < (int)BACKEND_LEAD)
        skip();
    run(&recipe, true, 3, &outcome); /* asynchronous: the device works only when the host is held back */
    assert_int_equal(outcome.waits, 0);
    assert_int_equal(outcome.held, LONG - BACKEND_LEAD);
    assert_true(outcome.late > BACKEND_LEAD);
    for (int step = 0; step < LONG; step++)
        assert_int_equal(outcome.records[step].step, step);
    memory_give(outcome.weights);
}

/* The host goes on while the device has not begun, but not for ever. */
static void test_the_lead_is_bounded(void **state)
{
    (void)state;
    static const struct recipe recipe = {DT_F32, OPTIMIZER_SGD, 1, LONG, false};
    struct trainee trainee;
    struct step_record record;
    if ((int)LONG < (int)BACKEND_LEAD)
        skip();
    emu_reset_round(3);
    trainee_open(&trainee, &backend_cuda, &recipe);
    const int64_t launches = emu_launches();
    for (int step = 0; step < BACKEND_LEAD; step++)
        trainee_step(&trainee, step);
    assert_int_equal(emu_launches(), launches);
    assert_false(plan_record(&trainee.plan, 0, &record));
    for (int step = BACKEND_LEAD; step < LONG; step++) {
        trainee_step(&trainee, step);
        assert_true(plan_record(&trainee.plan, step - BACKEND_LEAD, &record));
        assert_int_equal(record.step, step - BACKEND_LEAD);
    }
    assert_false(plan_record(&trainee.plan, LONG - 1, &record));
    trainee_close(&trainee);
}

/* Once recorded, a step is not queued call by call. */
static void test_a_step_is_one_launch(void **state)
{
    (void)state;
    static const struct recipe recipe = {DT_F32, OPTIMIZER_SGD, 1, SHORT, false};
    struct trainee trainee;
    emu_reset_round(0);
    trainee_open(&trainee, &backend_cuda, &recipe);
    for (int step = 0; step < 3; step++)
        trainee_step(&trainee, step);
    /* The control numbers, the graph, the event of pace; once in many steps an event where half of the memory that
     * uploads go through is filled. */
    int marked = 0;
    for (int step = 3; step < 7; step++) {
        const int64_t before = emu_queued();
        trainee_step(&trainee, step);
        const int64_t queued = emu_queued() - before;
        marked += queued == 4;
        assert_true(queued == 3 || queued == 4);
    }
    assert_true(marked <= 1);
    trainee_close(&trainee);
}

/* Other images, as validation sets are, need no other graph. */
static void test_data_may_change(void **state)
{
    (void)state;
    static const struct recipe recipe = {DT_F32, OPTIMIZER_SGD, 1, SHORT, false};
    struct trainee trainee;
    struct loss_sums before, other, after;
    const void *flipped;
    static const int32_t reversed[STEPS_SAMPLES] = {19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1};
    emu_reset_round(0);
    trainee_open(&trainee, &backend_cuda, &recipe);
    check(backend_cuda.place(trainee.device, reversed, sizeof reversed, &flipped));
    for (int i = 0; i < 3; i++)
        trainee_evaluate(&trainee, &before);
    plan_set_data(&trainee.plan, trainee.pixels, trainee.labels, flipped);
    trainee_evaluate(&trainee, &other);
    plan_set_data(&trainee.plan, trainee.pixels, trainee.labels, trainee.order);
    trainee_evaluate(&trainee, &after);
    assert_true(before.loss != other.loss);
    assert_memory_equal(&before, &after, sizeof before);
    backend_cuda.unplace(trainee.device, flipped);
    trainee_close(&trainee);
}

/* What a profiler shows: stages, and in them layers, while calls are made one by one. */
static void test_ranges_name_stages_and_layers(void **state)
{
    (void)state;
    static const struct recipe recipe = {DT_F32, OPTIMIZER_SGD, 1, SHORT, false};
    struct trainee trainee;
    struct loss_sums sums;
    emu_reset_round(0);
    trainee_open(&trainee, &backend_cuda, &recipe);
    emu_ranges_reset();
    trainee_step(&trainee, 0);
    assert_string_equal(emu_ranges(),
                        "gather() forward(conv1() norm1() pool1() conv2() norm2() conv3() relu3() drop() fc1() fc2()) "
                        "loss() backward(fc2() fc1() drop() relu3() conv3() norm2() conv2() pool1() norm1() conv1()) "
                        "update(norm of the gradient() running statistics() optimizer() average() record())");
    for (int step = 1; step < 4; step++)
        trainee_step(&trainee, step);
    emu_ranges_reset();
    trainee_step(&trainee, 4);
    assert_string_equal(emu_ranges(), ""); /* one graph */
    trainee_evaluate(&trainee, &sums);
    assert_non_null(strstr(emu_ranges(), "loss()"));
    assert_null(strstr(emu_ranges(), "backward"));
    trainee_close(&trainee);
}

static int waiting(void *context)
{
    return backend_cuda.wait(context);
}

static void test_what_cannot_be_recorded_is_said(void **state)
{
    (void)state;
    struct device *device;
    struct recording *recording = NULL;
    emu_reset_round(0);
    check(backend_cuda.open(&device, 0, 0));
    for (int i = 0; i < 2; i++)
        check(backend_cuda.repeat(device, &recording, waiting, device));
    assert_int_equal(backend_cuda.repeat(device, &recording, waiting, device), ERR_DEVICE);
    assert_non_null(strstr(fail_text(), "cudaStreamSynchronize(device->stream) failed"));
    assert_non_null(strstr(fail_text(), "EVENKEEL_CUDA_GRAPH=0"));
    check(backend_cuda.wait(device));
    backend_cuda.forget(device, recording);
    backend_cuda.forget(device, NULL);
    backend_cuda.close(device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges_name_stages_and_layers),
        cmocka_unit_test(test_recorded_equals_plain),
        cmocka_unit_test(test_records_come_late_and_nobody_waits),
        cmocka_unit_test(test_the_lead_is_bounded),
        cmocka_unit_test(test_a_step_is_one_launch),
        cmocka_unit_test(test_data_may_change),
        cmocka_unit_test(test_what_cannot_be_recorded_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
