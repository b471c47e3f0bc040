/* Joined operations: what a convolution makes of a normalisation on its way has the bits that the normalisation would
 * have written, with every instruction set, in evaluation too. */
#include "plan.h"
#include "random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { HEIGHT = 11, WIDTH = 9, CHANNELS = 3, CLASSES = 4, ROWS = 5, IMAGES = 15, STEPS = 3 };

static const struct backend *const backend = &backend_cpu;
static uint8_t pixels[IMAGES * HEIGHT * WIDTH * CHANNELS];
static int32_t labels[IMAGES], order[IMAGES];

static void check(int status)
{
    if (status < 0)
        fail_msg("%s (%s)", fail_text(), fail_origin());
}

static int fill_images(void **state)
{
    (void)state;
    for (int i = 0; i < IMAGES; i++) {
        labels[i] = i % CLASSES;
        order[i] = i * 7 % IMAGES;
    }
    for (int p = 0; p < COUNT_OF(pixels); p++)
        pixels[p] = (uint8_t)random_words(5, RANDOM_TILE, 0, 0, (uint32_t)p).word[0];
    return 0;
}

static int convolve(struct graph *graph, const char *name, int x, int filters, int kernel, int stride, int groups)
{
    const union op_params params = {
        .conv2d = {filters, kernel, kernel, stride, kernel / 2, kernel / 2, groups, groups > 1}};
    return graph_node(graph, name, OP_CONV2D, &params, &x, 1);
}

/* norm1 is read by two, norm2 and norm4 by one each; a 1x1, a 3x3 and one with a stride and groups read them, with
 * channels that fill neither steps nor registers. norm3 and norm5 are not made: one has an addend, one a pooling. */
static int build(struct graph *graph)
{
    graph_begin(graph, "joined", (struct shape){1, HEIGHT, WIDTH, CHANNELS});
    graph->class_count = CLASSES;
    int x, y;
    TRY(x = convolve(graph, "conv1", graph->input, 26, 3, 1, 1));
    TRY(x = graph_norm(graph, "norm1", x, -1, true));
    TRY(y = convolve(graph, "conv2", x, 40, 3, 1, 1));
    TRY(y = graph_norm(graph, "norm2", y, -1, true));
    TRY(y = convolve(graph, "conv3", y, 26, 1, 1, 1));
    TRY(x = graph_norm(graph, "norm3", y, x, true));
    TRY(x = convolve(graph, "conv4", x, 36, 3, 1, 1));
    TRY(x = graph_norm(graph, "norm4", x, -1, true));
    TRY(x = convolve(graph, "conv5", x, 34, 3, 2, 2));
    TRY(x = graph_norm(graph, "norm5", x, -1, true));
    TRY(x = graph_global_pool(graph, "pool", x));
    return graph_linear(graph, "fc", x, CLASSES);
}

static void forget_joins(struct plan *plan)
{
    for (int i = 0; i < plan->graph->node_count; i++)
        plan->calls[i].makes = plan->calls[i].remakes = plan->calls[i].made_by = NULL;
}

/* Trains some steps, evaluates: parameters, their gradients, running statistics and the losses of an evaluation. */
static float *result_of(struct device *device, enum dtype dtype, bool joined, size_t *bytes, size_t *activations)
{
    struct graph graph;
    struct plan plan;
    const struct augment augment = {
        .out_h = HEIGHT, .out_w = WIDTH, .mean = {0.5f, 0.5f, 0.5f}, .std = {0.25f, 0.25f, 0.25f}};
    const struct plan_options options = {
        .batch = ROWS,
        .dtype = dtype,
        .training = true,
        .private_buffers = !joined,
        .image = {1, HEIGHT, WIDTH, CHANNELS},
        .augment_train = augment,
        .augment_eval = augment,
        .update = {.kind = OPTIMIZER_ADAM, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .grad_scale = 1.0f},
    };
    check(build(&graph));
    check(plan_build(&plan, &graph, backend, device, &options));
    check(plan_init_weights(&plan, 3));
    plan_set_data(&plan, pixels, labels, order);
    if (!joined)
        forget_joins(&plan);
    for (int step = 0; step < STEPS; step++) {
        const struct step_control control = {.step = step, .first = step * ROWS, .valid = ROWS, .lr = 0.01f};
        check(plan_train_batch(&plan, &control, true, true));
    }
    const struct step_control control = {.valid = ROWS};
    check(plan_clear_sums(&plan));
    check(plan_eval_batch(&plan, &control));
    const enum slab_kind kinds[] = {SLAB_PARAM, SLAB_GRAD, SLAB_STATE};
    *bytes = ROWS * sizeof(float);
    for (int k = 0; k < COUNT_OF(kinds); k++)
        *bytes += plan.slabs[kinds[k]].bytes;
    char *result = malloc(*bytes), *next = result + ROWS * sizeof(float);
    assert_non_null(result);
    check(plan_read_batch(&plan, NULL, NULL, (float *)result, NULL));
    for (int k = 0; k < COUNT_OF(kinds); next += plan.slabs[kinds[k]].bytes, k++)
        check(plan_read_slab(&plan, kinds[k], next));
    *activations = plan.slabs[SLAB_ACTIVATION].bytes;
    plan_free(&plan);
    graph_free(&graph);
    return (float *)result;
}

static void test_made_is_what_would_be_there(void **state)
{
    (void)state;
    static const char *const sets[] = {"amx", "avx512_bf16", "avx512", "avx2", "plain"};
    for (int set = 0; set < COUNT_OF(sets); set++)
        for (int low = 0; low < 2; low++) {
            struct device *device;
            size_t bytes[2], activations[2];
            float *results[2];
            setenv("EVENKEEL_CPU", sets[set], 1);
            check(backend->open(&device, 0, 2));
            for (int joined = 0; joined < 2; joined++)
                results[joined] =
                    result_of(device, low ? DT_BF16 : DT_F32, joined, &bytes[joined], &activations[joined]);
            assert_int_equal(bytes[0], bytes[1]);
            if (memcmp(results[0], results[1], bytes[0]) != 0)
                fail_msg("%s, %s: joining changes the result", sets[set], low ? "bf16" : "fp32");
            free(results[0]);
            free(results[1]);
            backend->close(device);
        }
    unsetenv("EVENKEEL_CPU");
}

/* Who makes what, and that what is made is gone when the backward pass begins. */
static void test_what_is_made_takes_no_memory(void **state)
{
    (void)state;
    struct device *device;
    struct graph graph;
    struct plan plan;
    const struct plan_options options = {.batch = ROWS, .dtype = DT_F32, .training = true};
    check(backend->open(&device, 0, 2));
    check(build(&graph));
    check(plan_build(&plan, &graph, backend, device, &options));
    int made = 0, remade = 0;
    for (int i = 0; i < graph.node_count; i++) {
        const struct plan_join *join = &plan.joins[i];
        const char *name = graph.nodes[i].name;
        made += join->makes >= 0;
        remade += join->makes < 0 && join->remakes >= 0;
        if (join->makes >= 0)
            assert_true(strcmp(name, "conv3") == 0 || strcmp(name, "conv5") == 0);
        else if (join->remakes >= 0)
            assert_string_equal(name, "conv2");
    }
    assert_int_equal(made, 2);
    assert_int_equal(remade, 1);
    plan_free(&plan);
    graph_free(&graph);
    backend->close(device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_made_is_what_would_be_there),
        cmocka_unit_test(test_what_is_made_takes_no_memory),
    };
    return cmocka_run_group_tests(tests, fill_images, NULL);
}
