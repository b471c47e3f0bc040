/* test_noise: the noise of a gradient, told in a step by half a batch or by accumulated ones, against the gradients of
 * the parts taken one by one; that measuring changes nothing; and the scale made of many measurements. */
#include "fluctuation.h"
#include "plan.h"
#include "random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the standard headers first */
#include <cmocka.h>

enum { ROWS = 12, SIZE = 8, CLASSES = 3, UNITS = 24, MOST_WEIGHTS = SIZE * SIZE * UNITS + UNITS * CLASSES + 200 };

static struct device *device;
static uint8_t pixels[ROWS * SIZE * SIZE];
static int32_t labels[ROWS], order[ROWS];

static void check(int status)
{
    if (status < 0)
        fail_msg("%s", fail_text());
}

static int open_all(void **state)
{
    (void)state;
    for (int i = 0; i < ROWS; i++) {
        labels[i] = i % CLASSES;
        order[i] = (i * 5) % ROWS;
        for (int p = 0; p < SIZE * SIZE; p++)
            pixels[i * SIZE * SIZE + p] = (uint8_t)random_words(9, RANDOM_TILE, 0, (uint64_t)i, (uint32_t)p).word[0];
    }
    return backend_cpu.open(&device, 0, 2);
}

static int close_all(void **state)
{
    (void)state;
    backend_cpu.close(device);
    return 0;
}

struct world {
    struct graph graph;
    struct plan plan;
};

static void world_open(struct world *world, int batch, int parts)
{
    const struct augment augment = {.out_h = SIZE, .out_w = SIZE, .mean = {0.5f}, .std = {0.25f}};
    const struct plan_options options = {
        .batch = batch,
        .training = true,
        .accumulate = parts > 1,
        .samples = ROWS,
        .image = {1, SIZE, SIZE, 1},
        .augment_train = augment,
        .augment_eval = augment,
        .update = {.kind = OPTIMIZER_SGD, .grad_scale = 1.0f / (float)parts},
    };
    graph_begin(&world->graph, "two layers", (struct shape){1, SIZE, SIZE, 1});
    world->graph.class_count = CLASSES;
    int x = graph_linear(&world->graph, "fc1", world->graph.input, UNITS);
    x = graph_relu(&world->graph, "relu", x);
    check(graph_linear(&world->graph, "fc2", x, CLASSES));
    check(plan_build(&world->plan, &world->graph, &backend_cpu, device, &options));
    check(plan_init_weights(&world->plan, 4));
    plan_set_data(&world->plan, pixels, labels, order);
}

static void world_close(struct world *world)
{
    plan_free(&world->plan);
    graph_free(&world->graph);
}

/* A step of parts batches of the plan's size, from the first-th image of the order on. ahead: looks at as many after
 * them before that. */
static struct step_record step_ahead(struct world *world, int first, int parts, enum noise_kind noise, bool ahead)
{
    struct step_record record;
    const int batch = world->plan.options.batch;
    for (int part = 0; part < parts && ahead; part++) {
        const struct step_control next = {
            .step = 1, .first = first + (parts + part) * batch, .valid = batch, .micro = part, .parts = parts};
        check(plan_look_ahead(&world->plan, &next, part == 0));
    }
    for (int part = 0; part < parts; part++) {
        const struct step_control control = {.first = first + part * batch,
                                             .valid = batch,
                                             .micro = part,
                                             .lr = 0.1f,
                                             .noise = (int32_t)noise,
                                             .parts = parts,
                                             .ahead = ahead};
        if (noise == NOISE_OF_HALF && !ahead)
            check(plan_half_batch(&world->plan, &control));
        check(plan_train_batch(&world->plan, &control, part == 0, part == parts - 1));
    }
    assert_true(plan_record(&world->plan, 0, &record));
    return record;
}

static struct step_record step(struct world *world, int first, int parts, enum noise_kind noise)
{
    return step_ahead(world, first, parts, noise, false);
}

static int64_t read_gradient(struct world *world, float *to)
{
    int64_t count = 0;
    for (int v = 0; v < world->graph.value_count; v++) {
        if (world->graph.values[v].role != VALUE_PARAM)
            continue;
        check(plan_read_weight(&world->plan, SLAB_GRAD, v, to + count));
        count += shape_count(world->graph.values[v].shape);
    }
    assert_true(count <= MOST_WEIGHTS);
    return count;
}

/* The gradient of count images alone. */
static int64_t gradient_of(int first, int count, float *to)
{
    struct world world;
    world_open(&world, count, 1);
    step(&world, first, 1, NOISE_NONE);
    int64_t weights = read_gradient(&world, to);
    world_close(&world);
    return weights;
}

/* By definition, from the gradients of two parts: their product, and |a - b|^2 / (1 / n_a + 1 / n_b). */
static void noise_by_definition(int batch, double *grad, double *trace)
{
    static float a[MOST_WEIGHTS], b[MOST_WEIGHTS];
    const int half = batch / 2;
    const int64_t count = gradient_of(0, half, a);
    gradient_of(half, batch - half, b);
    *grad = *trace = 0.0;
    for (int64_t i = 0; i < count; i++) {
        *grad += (double)a[i] * (double)b[i];
        *trace += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    }
    *trace /= 1.0 / half + 1.0 / (batch - half);
}

static void test_half_of_a_batch(void **state)
{
    (void)state;
    static const int batches[] = {2, 5, 12};
    for (int i = 0; i < COUNT_OF(batches); i++) {
        struct world world;
        double grad, trace;
        noise_by_definition(batches[i], &grad, &trace);
        world_open(&world, batches[i], 1);
        const struct step_record record = step(&world, 0, 1, NOISE_OF_HALF);
        assert_int_equal(record.noise_parts, 2);
        /* What a sketch of some 200 buckets may be off by, of the squared norm of the gradient of half. */
        const double room = 4.0 / sqrt(200.0) * (fabs(grad) + trace / batches[i]);
        if (fabs(record.noise_grad - grad) > room || fabs(record.noise_trace - trace) > room * batches[i])
            fail_msg("batch %d: %g and %g, expected %g and %g", batches[i], (double)record.noise_grad,
                     (double)record.noise_trace, grad, trace);
        world_close(&world);
    }
}

static void test_accumulated_batches(void **state)
{
    (void)state;
    struct world world;
    double grad, trace;
    noise_by_definition(ROWS, &grad, &trace);
    world_open(&world, ROWS / 2, 2);
    struct step_record record = step(&world, 0, 2, NOISE_OF_PARTS);
    assert_int_equal(record.noise_parts, 2);
    assert_true(fabs(record.noise_grad - grad) <= 1e-5 * (fabs(grad) + trace));
    assert_true(fabs(record.noise_trace - trace) <= 1e-5 * trace);
    world_close(&world);
    world_open(&world, ROWS / 4, 4);
    record = step(&world, 0, 4, NOISE_OF_PARTS);
    assert_int_equal(record.noise_parts, 4);
    assert_true(isfinite(record.noise_grad) && record.noise_trace > 0.0f);
    record = step(&world, 0, 4, NOISE_NONE);
    assert_true(record.noise_parts == 0 && isnan(record.noise_grad) && isnan(record.noise_trace));
    world_close(&world);
}

static void assert_same_weights(struct world *one, struct world *other)
{
    static float with[MOST_WEIGHTS], without[MOST_WEIGHTS];
    for (int v = 0; v < one->graph.value_count; v++)
        if (one->graph.values[v].role == VALUE_PARAM) {
            check(plan_read_weight(&one->plan, SLAB_PARAM, v, with));
            check(plan_read_weight(&other->plan, SLAB_PARAM, v, without));
            assert_memory_equal(with, without, (size_t)shape_count(one->graph.values[v].shape) * sizeof *with);
        }
}

/* The first count images of the order were seen once, the others never. */
static void assert_seen(struct world *world, int count)
{
    struct sample_stats seen[ROWS];
    check(plan_read_slab(&world->plan, SLAB_SAMPLES, seen));
    for (int i = 0; i < ROWS; i++)
        assert_int_equal(seen[order[i]].seen, i < count);
}

/* The same weights, bit for bit, and the same record but for the measurement; samples are seen once. */
static void test_measuring_changes_nothing(void **state)
{
    (void)state;
    struct world one, other;
    world_open(&one, ROWS, 1);
    world_open(&other, ROWS, 1);
    struct step_record measured = step(&one, 0, 1, NOISE_OF_HALF);
    const struct step_record plain = step(&other, 0, 1, NOISE_NONE);
    measured.noise_grad = plain.noise_grad;
    measured.noise_trace = plain.noise_trace;
    measured.noise_parts = plain.noise_parts;
    assert_memory_equal(&measured, &plain, sizeof plain);
    assert_same_weights(&one, &other);
    assert_seen(&one, ROWS);
    world_close(&one);
    world_close(&other);
}

/* The next batches have the loss that they have where this step is not taken, and all else is as without looking. */
static void test_looking_ahead(void **state)
{
    (void)state;
    for (int parts = 1; parts <= 3; parts += 2) {
        struct world ahead, plain, next;
        const int batch = ROWS / 2 / parts;
        world_open(&ahead, batch, parts);
        world_open(&plain, batch, parts);
        world_open(&next, batch, parts);
        struct step_record got = step_ahead(&ahead, 0, parts, NOISE_NONE, true);
        const struct step_record want = step(&plain, 0, parts, NOISE_NONE);
        assert_true(got.loss_next == step(&next, ROWS / 2, parts, NOISE_NONE).loss);
        assert_true(got.loss_next != got.loss && isnan(want.loss_next));
        got.loss_next = want.loss_next;
        assert_memory_equal(&got, &want, sizeof want);
        assert_same_weights(&ahead, &plain);
        assert_seen(&ahead, ROWS / 2);
        world_close(&ahead);
        world_close(&plain);
        world_close(&next);
    }
}

/* ---- the scale ---- */

static double uniform(uint64_t *next)
{
    return ((double)random_words(3, RANDOM_SPOIL, 0, (*next)++, 0).word[0] + 0.5) / 4294967296.0;
}

/* Measurements whose means are known give intervals that hold them, 95 times of a hundred. */
static void test_scale(void **state)
{
    (void)state;
    enum { SERIES = 300, COUNT = 60 };
    double grad[COUNT], trace[COUNT];
    uint64_t next = 0;
    int inside = 0;
    for (int s = 0; s < SERIES; s++) {
        for (int i = 0; i < COUNT; i++) {
            const double shared = uniform(&next) - 0.5;
            grad[i] = 2.0 * (1.0 + 3.0 * (uniform(&next) - 0.5) + shared);
            trace[i] = 300.0 * (1.0 + uniform(&next) - 0.5 + shared);
        }
        const struct estimate scale = noise_scale_of(grad, trace, COUNT);
        assert_true(scale.low <= scale.value && scale.value <= scale.high);
        inside += scale.low <= 150.0 && 150.0 <= scale.high;
    }
    assert_true(inside >= 0.91 * SERIES && inside <= 0.99 * SERIES);
    /* A gradient that cannot be told from 0 leaves the scale without a bound. */
    for (int i = 0; i < COUNT; i++)
        grad[i] = i % 2 ? 1.0 : -0.9;
    const struct estimate open = noise_scale_of(grad, trace, COUNT);
    assert_true(isinf(open.high) && open.low > 0.0);
    /* What was not measured is not counted; too few say nothing. */
    grad[3] = NAN, trace[7] = NAN;
    assert_true(open.low != noise_scale_of(grad, trace, COUNT).low);
    const struct estimate few = noise_scale_of(grad, trace, 8);
    assert_true(isnan(few.value) && isnan(few.low) && isnan(few.high));
    assert_false(isnan(noise_scale_of(grad, trace, 10).value)); /* eight that count */
    /* Of eight the interval is Student's, whose quantile is 2.365 and not 1.96. */
    double sum = 0.0, squares = 0.0;
    for (int i = 0; i < 8; i++) {
        trace[i] = 300.0;
        grad[i] = 2.0 + 0.2 * (i - 3.5);
        sum += grad[i] / 8.0;
        squares += 0.04 * (i - 3.5) * (i - 3.5) / 7.0;
    }
    const struct estimate eight = noise_scale_of(grad, trace, 8);
    const double error = 2.365 * sqrt(squares / 8.0);
    assert_true(fabs((300.0 / eight.low - sum) / error - 1.0) < 0.05);
    assert_true(fabs((sum - 300.0 / eight.high) / error - 1.0) < 0.05);
    /* Where the two move together their ratio is known exactly. */
    for (int i = 0; i < COUNT; i++)
        trace[i] = 150.0 * (grad[i] = 1.0 + uniform(&next));
    const struct estimate sharp = noise_scale_of(grad, trace, COUNT);
    assert_true(fabs(sharp.low - 150.0) < 0.01 && fabs(sharp.high - 150.0) < 0.01);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_half_of_a_batch),
        cmocka_unit_test(test_accumulated_batches),
        cmocka_unit_test(test_measuring_changes_nothing),
        cmocka_unit_test(test_looking_ahead),
        cmocka_unit_test(test_scale),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
