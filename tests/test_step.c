/* test_step: what a device keeps from one step to the next by itself: the count of updates, which refused steps leave
 * alone, whether or not the host reads records in between; and what is found out after a refused step. */
#include "plan.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 4, SIZE = 3, CLASSES = 3, WEIGHTS = CLASSES * SIZE * SIZE };

static struct device *device;
static uint8_t pixels[ROWS * SIZE * SIZE];
static const int32_t labels[ROWS] = {0, 1, 2, 0}, order[ROWS] = {0, 1, 2, 3};

struct world {
    struct graph graph;
    struct plan plan;
};

static void check(int status)
{
    if (status < 0)
        fail_msg("%s", fail_text());
}

static void world_open(struct world *world)
{
    const struct augment augment = {.out_h = SIZE, .out_w = SIZE, .std = {1.0f}};
    const struct plan_options options = {
        .batch = ROWS,
        .training = true,
        .ema = true,
        .samples = ROWS,
        .image = {1, SIZE, SIZE, 1},
        .augment_train = augment,
        .augment_eval = augment,
        .update = {.kind = OPTIMIZER_ADAM, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .grad_scale = 1.0f},
    };
    graph_begin(&world->graph, "linear", (struct shape){1, SIZE, SIZE, 1});
    world->graph.class_count = CLASSES;
    check(graph_linear(&world->graph, "fc", world->graph.input, CLASSES));
    check(plan_build(&world->plan, &world->graph, &backend_cpu, device, &options));
    check(plan_init_weights(&world->plan, 1));
    plan_set_data(&world->plan, pixels, labels, order);
}

static void world_close(struct world *world)
{
    plan_free(&world->plan);
    graph_free(&world->graph);
}

/* A bad step divides its images by 0. */
static void step(struct world *world, bool bad, struct step_record *record)
{
    const struct step_control control = {.valid = ROWS, .lr = 0.1f, .ema_decay = 0.99, .ema_warmup = 1};
    world->plan.options.augment_train.std[0] = bad ? 0.0f : 1.0f;
    check(plan_train_batch(&world->plan, &control, true, true));
    check(backend_cpu.wait(device));
    assert_true(plan_record(&world->plan, control.step, record));
}

static void read_weights(struct world *world, enum slab_kind slab, float weights[WEIGHTS])
{
    for (int v = 0; v < world->graph.value_count; v++)
        if (strcmp(world->graph.values[v].name, "fc.weight") == 0)
            check(plan_read_weight(&world->plan, slab, v, weights));
}

static void assert_same(struct world *a, struct world *b)
{
    static const enum slab_kind slabs[] = {SLAB_PARAM, SLAB_MOMENT1, SLAB_MOMENT2, SLAB_EMA};
    for (int i = 0; i < COUNT_OF(slabs); i++) {
        float of_a[WEIGHTS], of_b[WEIGHTS];
        read_weights(a, slabs[i], of_a);
        read_weights(b, slabs[i], of_b);
        assert_memory_equal(of_a, of_b, sizeof of_a);
    }
}

static void test_refused_steps_do_not_count(void **state)
{
    (void)state;
    struct world plain, refused;
    struct step_record records[5];
    world_open(&plain);
    world_open(&refused);
    for (int i = 0; i < 3; i++)
        step(&plain, false, &records[i]);
    assert_int_equal(records[2].kept.updates, 3);
    for (int i = 0; i < 5; i++)
        step(&refused, i == 0 || i == 2, &records[i]);
    static const int64_t updates[] = {0, 1, 1, 2, 3};
    for (int i = 0; i < 5; i++) {
        assert_int_equal(records[i].bad != 0, i == 0 || i == 2);
        assert_int_equal(records[i].kept.updates, updates[i]);
    }
    assert_same(&plain, &refused);
    world_close(&plain);
    world_close(&refused);
}

/* Looking at other batches in between changes nothing, and no image counts as seen by it; drawing weights begins anew.
 */
static void test_count_is_kept_and_set(void **state)
{
    (void)state;
    struct world world;
    struct step_record record;
    const struct step_control control = {.valid = ROWS};
    char text[160] = "";
    struct sample_stats none[ROWS], seen[ROWS];
    world_open(&world);
    check(plan_read_slab(&world.plan, SLAB_SAMPLES, none));
    check(plan_set_kept(&world.plan, (struct step_kept){.updates = 41}));
    check(plan_eval_batch(&world.plan, &control));
    assert_int_equal(plan_find_nonfinite(&world.plan, &control, text, sizeof text), 0);
    assert_string_equal(text, "");
    check(plan_read_slab(&world.plan, SLAB_SAMPLES, seen));
    assert_memory_equal(none, seen, sizeof none);
    step(&world, false, &record);
    assert_int_equal(record.kept.updates, 42);
    check(plan_init_weights(&world.plan, 2));
    step(&world, false, &record);
    assert_int_equal(record.kept.updates, 1);
    world_close(&world);
}

/* Whatever came after the bad step, the batch at fault is there to be looked at. */
static void test_batch_at_fault_is_read(void **state)
{
    (void)state;
    struct world world;
    struct step_record record;
    const struct step_control control = {.valid = ROWS};
    int32_t samples[ROWS];
    float losses[ROWS];
    char text[160];
    world_open(&world);
    step(&world, false, &record);
    world.plan.options.augment_train.std[0] = 0.0f;
    assert_int_equal(plan_find_nonfinite(&world.plan, &control, text, sizeof text), 1);
    assert_non_null(strstr(text, "network's input"));
    check(plan_read_batch(&world.plan, samples, NULL, losses, NULL));
    assert_memory_equal(samples, order, sizeof samples);
    for (int i = 0; i < ROWS; i++)
        assert_false(isfinite(losses[i]));
    world_close(&world);
}

static int open_device(void **state)
{
    (void)state;
    for (int i = 0; i < COUNT_OF(pixels); i++)
        pixels[i] = (uint8_t)(i * 37);
    return backend_cpu.open(&device, 0, 1);
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
        cmocka_unit_test(test_refused_steps_do_not_count),
        cmocka_unit_test(test_count_is_kept_and_set),
        cmocka_unit_test(test_batch_at_fault_is_read),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
