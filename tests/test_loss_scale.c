/* test_loss_scale: the scale's rule step by step; that scaling a loss changes nothing where nothing overflows; a
 * backend without fp16 says so. */
#include "kernels/common/loss_scale.h"
#include "plan.h"
#include "tiny_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka wants the standard headers first */
#include <cmocka.h>

static void check(int status)
{
    if (status < 0)
        fail_msg("%s", fail_text());
}

static void test_halves_on_overflow_down_to_one(void **state)
{
    (void)state;
    struct step_control control = {.kept = {.scale_exponent = 2, .scale_good = 100}, .bad = 1};
    assert_true(loss_scale(&control) == 4.0f && loss_unscale(&control) == 0.25f);
    assert_true(loss_scale_step(&control, true));
    assert_true(loss_scale(&control) == 2.0f && control.kept.scale_good == 0);
    assert_true(loss_scale_step(&control, true));
    assert_true(loss_scale(&control) == 1.0f);
    assert_false(loss_scale_step(&control, true)); /* it cannot be the scale any more */
    assert_true(loss_scale(&control) == 1.0f);
}

static void test_losses_that_are_not_finite_are_not_its_fault(void **state)
{
    (void)state;
    struct step_control control = {.kept = {.scale_exponent = 16, .scale_good = 100}, .bad = 1};
    assert_false(loss_scale_step(&control, false));
    assert_int_equal(control.kept.scale_exponent, 16);
    assert_int_equal(control.kept.scale_good, 0);
}

static void test_doubles_after_two_thousand_good_steps(void **state)
{
    (void)state;
    struct step_control control = {.kept = {.scale_exponent = 22}};
    for (int step = 1; step <= 8000; step++) {
        assert_false(loss_scale_step(&control, true));
        assert_int_equal(control.kept.scale_exponent, step < 2000 ? 22 : step < 4000 ? 23 : 24);
    }
}

/* A power of two takes no digits away: the same weights, bit for bit. */
static void train(struct device *device, int exponent, float *weights, struct step_record *record)
{
    enum { ROWS = 4, SIDE = 3 };
    static const uint8_t pixels[ROWS * SIDE * SIDE] = {9, 200, 31, 4, 77, 250, 1};
    static const int32_t labels[ROWS] = {0, 1, 2, 0}, order[ROWS] = {0, 1, 2, 3};
    const struct augment augment = {.out_h = SIDE, .out_w = SIDE, .std = {1.0f}};
    const struct plan_options options = {
        .batch = ROWS,
        .training = true,
        .image = {1, SIDE, SIDE, 1},
        .augment_train = augment,
        .augment_eval = augment,
        .update = {.kind = OPTIMIZER_ADAM,
                   .beta1 = 0.9,
                   .beta2 = 0.999,
                   .epsilon = 1e-8,
                   .clip_norm = 0.1f,
                   .grad_scale = 1.0f},
    };
    struct graph graph;
    struct plan plan;
    graph_begin(&graph, "linear", (struct shape){1, SIDE, SIDE, 1});
    graph.class_count = 3;
    check(graph_linear(&graph, "fc", graph.input, 3));
    check(plan_build(&plan, &graph, &backend_cpu, device, &options));
    check(plan_init_weights(&plan, 1));
    check(plan_set_kept(&plan, (struct step_kept){.scale_exponent = exponent}));
    plan_set_data(&plan, pixels, labels, order);
    for (int step = 0; step < 3; step++) {
        const struct step_control control = {.step = step, .valid = ROWS, .lr = 0.1f};
        check(plan_train_batch(&plan, &control, true, true));
    }
    assert_true(plan_record(&plan, 2, record));
    check(plan_read_weight(&plan, SLAB_PARAM, graph.nodes[0].weight[0], weights));
    plan_free(&plan);
    graph_free(&graph);
}

static void test_scaling_changes_nothing(void **state)
{
    (void)state;
    struct device *device;
    struct step_record plain, scaled;
    float of_plain[27], of_scaled[27];
    check(backend_cpu.open(&device, 0, 1));
    train(device, 0, of_plain, &plain);
    train(device, 10, of_scaled, &scaled);
    assert_memory_equal(of_plain, of_scaled, sizeof of_plain);
    assert_true(plain.grad_norm == scaled.grad_norm && plain.grad_norm > 0.0f);
    backend_cpu.close(device);
}

static void test_the_cpu_refuses_fp16(void **state)
{
    (void)state;
    struct train_result result;
    assert_int_equal(tiny_train(NULL, "train.device=cpu train.precision=fp16", &result), ERR_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_halves_on_overflow_down_to_one),
        cmocka_unit_test(test_losses_that_are_not_finite_are_not_its_fault),
        cmocka_unit_test(test_doubles_after_two_thousand_good_steps),
        cmocka_unit_test(test_scaling_changes_nothing),
        cmocka_unit_test(test_the_cpu_refuses_fp16),
    };
    return cmocka_run_group_tests(tests, tiny_set_up, tiny_tear_down);
}
