/* The plan: lifetimes never overlap in memory, nodes of all kinds train together, a bad step
 * changes nothing and is named. */
#include "config.h"
#include "everything.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Each value keeps its content from its writer to its last reader only if no other buffer of that time shares its
 * bytes: with overlapping buffers the loss would not fall, so train every kind of node together. */
static void test_everything_learns(void **state)
{
    (void)state;
    bool in_hardware;
    const int kinds = backend->supports(device, DT_BF16, &in_hardware) ? 2 : 1;
    for (int low = 0; low < kinds; low++) {
        struct graph graph;
        struct plan plan;
        struct plan_options options = everything_options();
        options.dtype = low ? DT_BF16 : DT_F32;
        struct step_record first, last;
        open_plan(&graph, &plan, &options);
        train(&plan, 1, 0.01f, &first);
        train(&plan, 60, 0.01f, &last);
        assert_int_equal(last.bad, 0);
        assert_true(first.loss > 0.9f);
        assert_true(last.loss < 0.3f);
        close_plan(&graph, &plan);
    }
}

static void test_gradient_of_everything(void **state)
{
    (void)state;
    check_gradients(0);
}

/* Everything that a step may change, in one array. */
static float *snapshot(struct plan *plan, size_t *count)
{
    const enum slab_kind kept[] = {SLAB_PARAM, SLAB_MOMENT1, SLAB_MOMENT2, SLAB_EMA, SLAB_STATE, SLAB_STATE_EMA};
    size_t bytes = 0;
    for (int i = 0; i < COUNT_OF(kept); i++)
        bytes += plan->slabs[kept[i]].bytes;
    char *copy = malloc(bytes), *to = copy;
    for (int i = 0; i < COUNT_OF(kept); i++) {
        check(backend->download(device, to, plan->slabs[kept[i]].memory, plan->slabs[kept[i]].bytes));
        to += plan->slabs[kept[i]].bytes;
    }
    check(backend->wait(device));
    *count = bytes;
    return (float *)copy;
}

static void test_bad_step_changes_nothing_and_is_named(void **state)
{
    (void)state;
    struct graph graph;
    struct plan plan;
    struct plan_options options = everything_options();
    options.ema = true;
    open_plan(&graph, &plan, &options);
    struct step_record record;
    train(&plan, 2, 0.01f, &record);
    int value = -1;
    for (int v = 0; v < graph.value_count; v++)
        if (strcmp(graph.values[v].name, "norm2.bias") == 0)
            value = v;
    float bias[8];
    check(plan_read_weight(&plan, SLAB_PARAM, value, bias));
    bias[3] = 3e38f;
    check(plan_write_weight(&plan, SLAB_PARAM, value, bias));
    value--;
    check(plan_read_weight(&plan, SLAB_PARAM, value, bias));
    bias[3] = 3e38f;
    check(plan_write_weight(&plan, SLAB_PARAM, value, bias));

    size_t bytes, again;
    float *before = snapshot(&plan, &bytes);
    const struct step_control control = control_of(2, 0.01f);
    check(plan_train_batch(&plan, &control, true, true));
    check(backend->wait(device));
    assert_true(plan_record(&plan, control.step, &record));
    assert_int_not_equal(record.bad, 0);
    char text[160];
    assert_int_equal(plan_find_nonfinite(&plan, &control, text, sizeof text), 1);
    float *after = snapshot(&plan, &again);
    assert_int_equal(bytes, again);
    assert_memory_equal(before, after, bytes);
    if (!strstr(text, "norm2"))
        fail_msg("blamed: %s", text);
    free(before);
    free(after);
    close_plan(&graph, &plan);
}

/* What a layer gives is surveyed by itself, whatever it is joined with in a step. */
static void test_survey_is_of_single_layers(void **state)
{
    (void)state;
    bool in_hardware;
    const int kinds = backend->supports(device, DT_BF16, &in_hardware) ? 2 : 1;
    for (int low = 0; low < kinds; low++) {
        struct layer_stats layers[2][LAST_NODE + 1];
        for (int apart = 0; apart < 2; apart++) {
            struct graph graph;
            struct plan plan;
            struct plan_options options = everything_options();
            struct step_record record;
            const struct step_control control = control_of(0, 0.01f);
            options.dtype = low ? DT_BF16 : DT_F32;
            options.survey = true;
            options.apart = apart;
            open_plan(&graph, &plan, &options);
            check(plan_survey_begin(&plan, &control));
            check(plan_train_batch(&plan, &control, true, true));
            check(plan_survey_end(&plan));
            check(backend->wait(device));
            assert_true(plan_record(&plan, 0, &record));
            check(plan_survey_read(&plan, &record, layers[apart]));
            close_plan(&graph, &plan);
        }
        const float tolerance = low ? 1e-2f : 1e-5f;
        for (int i = 0; i <= LAST_NODE; i++) {
            const struct layer_stats *joined = &layers[0][i], *alone = &layers[1][i];
            if (fabsf(joined->mean - alone->mean) > tolerance ||
                fabsf(joined->deviation - alone->deviation) > tolerance)
                fail_msg("node %d: mean %g, deviation %g; alone %g, %g", i, (double)joined->mean,
                         (double)joined->deviation, (double)alone->mean, (double)alone->deviation);
        }
    }
}

/* So many channels that a pooled normalisation is cut into more parts than one by itself; or one that is read by
 * another layer too, and so is not done with its pooling. */
static void check_pooled(bool wide)
{
    float norms[2];
    for (int apart = 0; apart < 2; apart++) {
        struct graph graph;
        struct plan plan;
        struct plan_options options = everything_options();
        struct step_record record;
        int x;
        graph_begin(&graph, "pooled", (struct shape){1, SIZE, SIZE, CHANNELS});
        graph.class_count = CLASSES;
        check(x = graph_conv2d(&graph, "conv", graph.input, wide ? 2048 : 8, 1, 1, 0, false));
        check(x = graph_norm(&graph, "norm", x, -1, true));
        const union op_params average = {.pool = {.kind = POOL_AVERAGE, .size = 2, .stride = 2}};
        int in[2] = {x, x};
        check(in[0] = graph_max_pool(&graph, "pool", x, 2, 2, 0));
        if (!wide)
            check(in[1] = graph_node(&graph, "average", OP_POOL, &average, &x, 1));
        x = in[0];
        if (!wide)
            check(x = graph_node(&graph, "add", OP_ADD, &(union op_params){0}, in, 2));
        check(x = graph_global_pool(&graph, "global", x));
        check(graph_linear(&graph, "fc", x, CLASSES));
        options.apart = apart;
        check(plan_build(&plan, &graph, backend, device, &options));
        check(plan_init_weights(&plan, 3));
        plan_set_data(&plan, pixels, labels, order);
        train(&plan, 1, 0.01f, &record);
        norms[apart] = record.grad_norm;
        close_plan(&graph, &plan);
    }
    assert_true(norms[0] > 0.0f && fabsf(norms[0] - norms[1]) <= 1e-4f * norms[1]);
}

static void test_pooled_normalisations(void **state)
{
    (void)state;
    check_pooled(true);
    check_pooled(false);
}

/* Of three accumulated batches the first divides its images by 0: the others, good as they are, change nothing either.
 */
static void test_bad_batch_refuses_the_step(void **state)
{
    (void)state;
    struct graph graph;
    struct plan plan;
    struct plan_options options = everything_options();
    options.ema = options.accumulate = true;
    open_plan(&graph, &plan, &options);
    size_t bytes;
    float *before = snapshot(&plan, &bytes);
    for (int micro = 0; micro < 3; micro++) {
        struct step_control control = control_of(0, 0.01f);
        control.micro = micro;
        control.first = micro * ROWS;
        plan.options.augment_train.std[0] = micro == 0 ? 0.0f : 0.25f;
        check(plan_train_batch(&plan, &control, micro == 0, micro == 2));
    }
    struct step_record record;
    check(backend->wait(device));
    assert_true(plan_record(&plan, 0, &record));
    assert_int_not_equal(record.bad, 0);
    float *after = snapshot(&plan, &bytes);
    assert_memory_equal(before, after, bytes);
    free(before);
    free(after);
    close_plan(&graph, &plan);
}

/* Trains a network for three steps, takes its batch statistics over, evaluates; everything that came of it. */
static float *train_network(const struct config *config, enum dtype dtype, bool private_buffers, size_t *bytes,
                            size_t *activation_bytes)
{
    struct graph graph;
    struct plan plan;
    struct plan_options options = everything_options();
    options.dtype = dtype;
    options.ema = true;
    options.private_buffers = private_buffers;
    if (config)
        check(model_build(&graph, config, (struct shape){1, SIZE, SIZE, CHANNELS}, CLASSES));
    else
        check(build_everything(&graph));
    check(plan_build(&plan, &graph, backend, device, &options));
    check(plan_init_weights(&plan, 3));
    plan_set_data(&plan, pixels, labels, order);
    struct step_record record;
    train(&plan, 3, 0.01f, &record);
    assert_int_equal(record.bad, 0);
    *activation_bytes = plan.slabs[SLAB_ACTIVATION].bytes;
    float *result = snapshot(&plan, bytes);
    close_plan(&graph, &plan);
    return result;
}

/* A buffer given away too early is overwritten by another's content; where nothing is shared nothing can be. */
static void test_sharing_memory_changes_nothing(void **state)
{
    (void)state;
    bool in_hardware;
    const int kinds = backend->supports(device, DT_BF16, &in_hardware) ? 2 : 1;
    struct config configs[] = {
        {.model = {.name = MODEL_SMALL_CNN, .init_scale = 1, .width = 8, .batch_norm = true}},
        {.model = {.name = MODEL_SMALL_CNN, .init_scale = 1, .width = 8, .dropout = 0.2}},
        {.model = {.name = MODEL_MLP, .init_scale = 1, .hidden = 16}},
        {.model = {.name = MODEL_RESNET18, .init_scale = 1, .stem = STEM_CIFAR}},
    };
    for (int i = -1; i < COUNT_OF(configs); i++)
        for (int low = 0; low < (i == 3 ? 1 : kinds); low++) {
            size_t bytes[2], activations[2];
            float *results[2];
            for (int private = 0; private < 2; private ++)
                results[private] = train_network(i < 0 ? NULL : &configs[i], low ? DT_BF16 : DT_F32, private,
                                                 &bytes[private], &activations[private]);
            assert_int_equal(bytes[0], bytes[1]);
            if (memcmp(results[0], results[1], bytes[0]) != 0)
                fail_msg("network %d, %s: sharing memory changes the result", i, low ? "bf16" : "fp32");
            assert_true(activations[0] < activations[1]);
            free(results[0]);
            free(results[1]);
        }
}

static void test_accumulation_is_a_larger_batch(void **state)
{
    (void)state;
    /* Without batch normalisation and dropout two halves are the whole. */
    float weights[2][CLASSES * SIZE * SIZE * CHANNELS];
    for (int halves = 0; halves < 2; halves++) {
        struct graph graph;
        struct plan plan;
        graph_begin(&graph, "linear", (struct shape){1, SIZE, SIZE, CHANNELS});
        graph.class_count = CLASSES;
        check(graph_linear(&graph, "fc", graph.input, CLASSES));
        struct plan_options options = everything_options();
        options.batch = halves ? ROWS / 2 : ROWS;
        options.accumulate = halves;
        options.update.grad_scale = halves ? 0.5f : 1.0f;
        check(plan_build(&plan, &graph, backend, device, &options));
        check(plan_init_weights(&plan, 9));
        plan_set_data(&plan, pixels, labels, order);
        struct step_record record;
        for (int part = 0; part <= halves; part++) {
            struct step_control control = control_of(0, 0.01f);
            control.first = part * options.batch;
            control.valid = options.batch;
            control.micro = part;
            check(plan_train_batch(&plan, &control, part == 0, part == halves));
        }
        check(backend->wait(device));
        assert_true(plan_record(&plan, 0, &record));
        assert_int_equal(record.samples, ROWS);
        check(plan_read_weight(&plan, SLAB_PARAM, graph.nodes[0].weight[0], weights[halves]));
        close_plan(&graph, &plan);
    }
    for (int i = 0; i < COUNT_OF(weights[0]); i++)
        assert_true(fabsf(weights[0][i] - weights[1][i]) <= 1e-6f);
}

static void test_swap_twice_is_nothing(void **state)
{
    (void)state;
    struct graph graph;
    struct plan plan;
    struct plan_options options = everything_options();
    options.ema = true;
    open_plan(&graph, &plan, &options);
    struct step_record record;
    train(&plan, 4, 0.01f, &record);
    size_t bytes;
    float *before = snapshot(&plan, &bytes);
    check(plan_swap_ema(&plan));
    float *swapped = snapshot(&plan, &bytes);
    assert_memory_not_equal(before, swapped, bytes);
    check(plan_swap_ema(&plan));
    float *after = snapshot(&plan, &bytes);
    assert_memory_equal(before, after, bytes);
    free(before);
    free(swapped);
    free(after);
    close_plan(&graph, &plan);
}

/* One step: averages are nine tenths of what they began at, the drawn weights, and a tenth of what there is now. */
static void test_averages_follow(void **state)
{
    (void)state;
    static const enum slab_kind kinds[][2] = {{SLAB_PARAM, SLAB_EMA}, {SLAB_STATE, SLAB_STATE_EMA}};
    struct graph graph;
    struct plan plan;
    struct plan_options options = everything_options();
    struct step_record record;
    float *values[2][3]; /* first, now, average */
    options.ema = true;
    open_plan(&graph, &plan, &options);
    for (int turn = 0; turn < 2; turn++) {
        for (int i = 0; i < 2; i++) {
            values[i][turn] = malloc(plan.slabs[kinds[i][0]].bytes);
            check(plan_read_slab(&plan, kinds[i][0], values[i][turn]));
        }
        if (turn == 0)
            train(&plan, 1, 0.01f, &record);
    }
    for (int i = 0; i < 2; i++) {
        const size_t bytes = plan.slabs[kinds[i][0]].bytes;
        values[i][2] = malloc(bytes);
        assert_int_equal(plan.slabs[kinds[i][1]].bytes, bytes);
        check(plan_read_slab(&plan, kinds[i][1], values[i][2]));
        assert_memory_not_equal(values[i][0], values[i][1], bytes);
        for (size_t k = 0; k < bytes / sizeof(float); k++)
            assert_true(fabsf(values[i][2][k] - (0.9f * values[i][0][k] + 0.1f * values[i][1][k])) <= 1e-5f);
        for (int k = 0; k < 3; k++)
            free(values[i][k]);
    }
    close_plan(&graph, &plan);
}

/* Running statistics follow each of the batches that are accumulated, as if each were a step. */
static void test_every_batch_is_tracked(void **state)
{
    (void)state;
    float *states[2];
    size_t bytes = 0;
    for (int accumulate = 0; accumulate < 2; accumulate++) {
        struct graph graph;
        struct plan plan;
        struct plan_options options = everything_options();
        options.augment_train = options.augment_eval;
        options.accumulate = accumulate;
        open_plan(&graph, &plan, &options);
        for (int i = 0; i < 3; i++) {
            struct step_control control = control_of(accumulate ? 0 : i, 0.0f);
            control.micro = accumulate ? i : 0;
            control.first = i * ROWS;
            check(plan_train_batch(&plan, &control, !accumulate || i == 0, !accumulate || i == 2));
        }
        bytes = plan.slabs[SLAB_STATE].bytes;
        states[accumulate] = malloc(bytes);
        check(plan_read_slab(&plan, SLAB_STATE, states[accumulate]));
        close_plan(&graph, &plan);
    }
    assert_memory_equal(states[0], states[1], bytes);
    free(states[0]);
    free(states[1]);
}

static double evaluated(struct plan *plan)
{
    struct loss_sums sums;
    const struct step_control control = control_of(0, 0.0f);
    check(plan_clear_sums(plan));
    check(plan_eval_batch(plan, &control));
    check(plan_read_sums(plan, &sums));
    return sums.loss;
}

/* What is computed in 16 bits is the weights as they are: drawn, interchanged with their averages, or written. */
static void test_low_copies_follow(void **state)
{
    (void)state;
    bool in_hardware;
    double drawn[2];
    if (!backend->supports(device, DT_BF16, &in_hardware))
        skip();
    for (int low = 0; low < 2; low++) {
        struct graph graph;
        struct plan plan;
        struct plan_options options = everything_options();
        struct step_record record;
        float weight[8 * 8 * 9 + 1];
        options.dtype = low ? DT_BF16 : DT_F32;
        options.ema = true;
        check(build_everything(&graph));
        graph.init_scale = 8.0f; /* far from weights of 0 */
        check(plan_build(&plan, &graph, backend, device, &options));
        check(plan_init_weights(&plan, 3));
        plan_set_data(&plan, pixels, labels, order);
        drawn[low] = evaluated(&plan);
        train(&plan, 5, 0.05f, &record);
        check(plan_swap_ema(&plan));
        const double swapped = evaluated(&plan);
        for (int v = 0; v < graph.value_count; v++)
            if (graph.values[v].role == VALUE_PARAM) {
                assert_true(shape_count(graph.values[v].shape) <= COUNT_OF(weight));
                check(plan_read_weight(&plan, SLAB_PARAM, v, weight));
                check(plan_write_weight(&plan, SLAB_PARAM, v, weight));
            }
        assert_true(evaluated(&plan) == swapped);
        close_plan(&graph, &plan);
    }
    assert_true(fabs(drawn[0] - drawn[1]) < 0.02 * drawn[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_learns),
        cmocka_unit_test(test_gradient_of_everything),
        cmocka_unit_test(test_bad_step_changes_nothing_and_is_named),
        cmocka_unit_test(test_survey_is_of_single_layers),
        cmocka_unit_test(test_pooled_normalisations),
        cmocka_unit_test(test_bad_batch_refuses_the_step),
        cmocka_unit_test(test_sharing_memory_changes_nothing),
        cmocka_unit_test(test_accumulation_is_a_larger_batch),
        cmocka_unit_test(test_swap_twice_is_nothing),
        cmocka_unit_test(test_averages_follow),
        cmocka_unit_test(test_every_batch_is_tracked),
        cmocka_unit_test(test_low_copies_follow),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
