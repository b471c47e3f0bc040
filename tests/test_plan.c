/* The plan: lifetimes never overlap in memory, nodes of all kinds train together, a bad step
 * changes nothing and is named. */
#include "config.h"
#include "plan.h"
#include "random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- a network with every kind of node, and data for it ---- */

enum { SIZE = 12, CHANNELS = 3, CLASSES = 4, ROWS = 8, IMAGES = 24 };
enum { NORM3_NODE = 9, LAST_NODE = 14 }; /* of build_everything */

static const struct backend *const backend = &backend_cpu;
static struct device *device;
static uint8_t pixels[IMAGES * SIZE * SIZE * CHANNELS];
static int32_t labels[IMAGES], order[IMAGES];

static void check(int status)
{
    if (status < 0)
        fail_msg("%s (%s)", fail_text(), fail_origin());
}

static int open_all(void **state)
{
    (void)state;
    for (int i = 0; i < IMAGES; i++) {
        labels[i] = i % CLASSES;
        order[i] = (i * 7) % IMAGES;
        for (int p = 0; p < SIZE * SIZE * CHANNELS; p++) {
            const uint32_t word = random_words(5, RANDOM_TILE, 0, (uint64_t)i, (uint32_t)p).word[0];
            pixels[i * SIZE * SIZE * CHANNELS + p] = (uint8_t)(word % 128 + (uint32_t)labels[i] * 32);
        }
    }
    return backend->open(&device, 0, 0);
}

static int close_all(void **state)
{
    (void)state;
    backend->close(device);
    return 0;
}

/* conv -> norm+relu -> max pool -> (conv, identity) -> add -> relu -> conv -> norm+add -> conv -> norm+relu -> conv ->
 * average pool -> dropout -> global -> fc. The pooled value is read three times, so gradients meet. */
static int build_everything(struct graph *graph)
{
    graph_begin(graph, "everything", (struct shape){1, SIZE, SIZE, CHANNELS});
    graph->class_count = CLASSES;
    int x, y, z;
    TRY(x = graph_conv2d(graph, "conv1", graph->input, 8, 3, 1, 1, true));
    TRY(x = graph_norm(graph, "norm1", x, -1, true));
    TRY(x = graph_max_pool(graph, "pool1", x, 2, 2, 0));
    TRY(y = graph_conv2d(graph, "conv2", x, 8, 3, 1, 1, false));
    const int in[] = {x, y};
    TRY(z = graph_node(graph, "add", OP_ADD, &(union op_params){0}, in, 2));
    TRY(z = graph_relu(graph, "relu", z));
    TRY(z = graph_conv2d(graph, "conv3", z, 8, 1, 1, 0, true));
    TRY(z = graph_norm(graph, "norm2", z, x, true));
    TRY(z = graph_conv2d(graph, "conv4", z, 8, 1, 1, 0, false));
    TRY(z = graph_norm(graph, "norm3", z, -1, true));
    TRY(z = graph_conv2d(graph, "conv5", z, 8, 1, 1, 0, true));
    const union op_params average = {
        .pool = {.kind = POOL_AVERAGE, .size = 3, .stride = 2, .pad = 1, .count_padding = true}};
    TRY(z = graph_node(graph, "average", OP_POOL, &average, &z, 1));
    TRY(z = graph_dropout(graph, "dropout", z, 0.1f));
    TRY(z = graph_global_pool(graph, "global", z));
    return graph_linear(graph, "fc", z, CLASSES);
}

static struct plan_options everything_options(void)
{
    const struct augment augment = {
        .out_h = SIZE, .out_w = SIZE, .mean = {0.5f, 0.5f, 0.5f}, .std = {0.25f, 0.25f, 0.25f}};
    struct plan_options options = {
        .batch = ROWS,
        .dtype = DT_F32,
        .training = true,
        .image = {1, SIZE, SIZE, CHANNELS},
        .augment_train = augment,
        .augment_eval = augment,
        .update = {.kind = OPTIMIZER_ADAM, .beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-8f, .grad_scale = 1.0f},
    };
    options.augment_train.random = true;
    options.augment_train.flip_share = 0.5f;
    return options;
}

/* first: of the nodes that are trained; the others are held still. */
static void open_held(struct graph *graph, struct plan *plan, const struct plan_options *options, int first)
{
    check(build_everything(graph));
    graph->first_trained = first;
    check(plan_build(plan, graph, backend, device, options));
    check(plan_init_weights(plan, 3));
    plan_set_data(plan, pixels, labels, order);
}

static void open_plan(struct graph *graph, struct plan *plan, const struct plan_options *options)
{
    open_held(graph, plan, options, 0);
}

static void close_plan(struct graph *graph, struct plan *plan)
{
    plan_free(plan);
    graph_free(graph);
}

static struct step_control control_of(int step, float lr)
{
    return (struct step_control){
        .seed = 1, .step = step, .first = step % 3 * ROWS, .valid = ROWS, .lr = lr, .ema_decay = 0.9f};
}

static void train(struct plan *plan, int steps, float lr, struct step_record *last)
{
    for (int step = 0; step < steps; step++) {
        const struct step_control control = control_of(step, lr);
        check(plan_train_batch(plan, &control, true, true));
    }
    check(backend->wait(device));
    assert_true(plan_record(plan, steps - 1, last));
}

/* ---- tests ---- */

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

/* Finite differences through the whole network: forward, meeting gradients and backward of every kind of node. */
static void check_gradients(int first)
{
    struct graph graph;
    struct plan plan;
    struct plan_options options = everything_options();
    options.update.kind = OPTIMIZER_SGD;
    open_held(&graph, &plan, &options, first);
    struct step_control control = control_of(0, 0.0f);
    check(plan_train_batch(&plan, &control, true, true));
    for (int v = 0; v < graph.value_count; v++) {
        if (graph.values[v].role != VALUE_PARAM || plan.values[v].node < first)
            continue;
        /* One direction per weight: its own gradient, scaled to a step that changes the loss by far more than rounding.
         */
        float weight[1024], gradient[1024], moved[1024];
        const int64_t count = shape_count(graph.values[v].shape);
        assert_true(count <= COUNT_OF(weight));
        check(plan_train_batch(&plan, &control, true, true));
        check(plan_read_weight(&plan, SLAB_PARAM, v, weight));
        check(plan_read_weight(&plan, SLAB_GRAD, v, gradient));
        double square = 0.0, loss[2];
        for (int64_t i = 0; i < count; i++)
            square += (double)gradient[i] * gradient[i];
        if (square < 1e-8)
            continue; /* a bias before a norm has no effect */
        const double step = 2e-3 / sqrt(square);
        for (int side = 0; side < 2; side++) {
            for (int64_t i = 0; i < count; i++)
                moved[i] = (float)(weight[i] + (side ? step : -step) * gradient[i]);
            check(plan_write_weight(&plan, SLAB_PARAM, v, moved));
            check(plan_train_batch(&plan, &control, true, true));
            struct loss_sums sums;
            check(plan_read_sums(&plan, &sums));
            loss[side] = sums.loss / ROWS;
        }
        check(plan_write_weight(&plan, SLAB_PARAM, v, weight));
        const double measured = (loss[1] - loss[0]) / (2.0 * step);
        if (fabs(measured - square) > 0.02 * square + 1e-5)
            fail_msg("%s: finite difference %.6g, gradient %.6g", graph.values[v].name, measured, square);
    }
    close_plan(&graph, &plan);
}

static void test_gradient_of_everything(void **state)
{
    (void)state;
    check_gradients(0);
}

/* ---- layers held still ---- */

/* Through what is trained, wherever that begins: between operations that are joined elsewhere too. */
static void test_gradient_behind_held_layers(void **state)
{
    (void)state;
    for (int first = 1; first <= LAST_NODE; first++)
        check_gradients(first);
}

/* The held part of the flat arrays, in turn. */
static float *held_part(struct plan *plan, size_t *bytes)
{
    const enum slab_kind kept[] = {SLAB_PARAM, SLAB_EMA, SLAB_MOMENT1, SLAB_MOMENT2, SLAB_GRAD};
    const size_t each = (size_t)plan->held_count * sizeof(float);
    float *copy = malloc(COUNT_OF(kept) * each + 1);
    for (int i = 0; i < COUNT_OF(kept); i++)
        check(backend->download(device, copy + i * plan->held_count, plan->slabs[kept[i]].memory, each));
    check(backend->wait(device));
    *bytes = COUNT_OF(kept) * each;
    return copy;
}

/* Running statistics of the normalisations before and behind; true where any of them moved. */
static bool states_moved(struct plan *plan, int from, int to)
{
    bool moved = false;
    for (int v = 0; v < plan->graph->value_count; v++) {
        float numbers[8];
        if (plan->graph->values[v].role != VALUE_STATE || plan->values[v].node < from || plan->values[v].node >= to)
            continue;
        check(plan_read_weight(plan, SLAB_STATE, v, numbers));
        const float drawn = strstr(plan->graph->values[v].name, "var") ? 1.0f : 0.0f;
        for (int i = 0; i < COUNT_OF(numbers); i++)
            moved |= numbers[i] != drawn;
    }
    return moved;
}

/* Of what the optimizer goes over. */
static int64_t last_segment_end(struct plan *plan)
{
    struct decay_segment segments[32];
    const int count = plan->update.segment_count;
    assert_in_range(count, 1, COUNT_OF(segments));
    check(backend->download(device, segments, plan->update.segments, (size_t)count * sizeof *segments));
    check(backend->wait(device));
    return segments[count - 1].end;
}

/* Nothing of it changes, whatever is left on for the rest: decay, averages, a survey; what is behind learns. */
static void test_held_layers_stay(void **state)
{
    (void)state;
    for (int first = 1; first <= LAST_NODE; first++)
        for (int low = 0; low < 2; low++) {
            struct graph graph;
            struct plan plan;
            struct plan_options options = everything_options();
            bool in_hardware;
            options.dtype = low ? DT_BF16 : DT_F32;
            options.ema = options.survey = true;
            options.weight_decay = 0.1f;
            if (!backend->supports(device, options.dtype, &in_hardware))
                continue;
            struct step_record begin, end;
            size_t bytes;
            open_held(&graph, &plan, &options, first);
            float *before = held_part(&plan, &bytes);
            train(&plan, 1, 0.01f, &begin);
            train(&plan, 60, 0.05f, &end);
            float *after = held_part(&plan, &bytes);
            assert_memory_equal(before, after, bytes);
            assert_false(states_moved(&plan, 0, first));
            assert_true(states_moved(&plan, first, LAST_NODE) == (first <= NORM3_NODE));
            assert_int_equal(last_segment_end(&plan), plan.param_count - plan.held_count);
            assert_int_equal(end.bad, 0);
            assert_true(end.loss < begin.loss - 0.01f);
            free(before);
            free(after);
            close_plan(&graph, &plan);
        }
}

/* Where nothing behind them knows of training, the loss in training is the one in evaluation: no dropout, running
 * statistics. */
static void test_held_layers_are_as_in_evaluation(void **state)
{
    (void)state;
    struct plan_options options = everything_options();
    options.augment_train = options.augment_eval;
    for (int training = 0; training < 2; training++) {
        struct graph graph;
        struct plan plan;
        struct loss_sums sums[2];
        const struct step_control control = control_of(0, 0.0f);
        open_held(&graph, &plan, &options, training ? 0 : LAST_NODE);
        check(plan_train_batch(&plan, &control, true, true));
        check(plan_read_sums(&plan, &sums[0]));
        check(plan_clear_sums(&plan));
        check(plan_eval_batch(&plan, &control));
        check(plan_read_sums(&plan, &sums[1]));
        assert_true((fabs((double)sums[0].loss - (double)sums[1].loss) < 1e-4) == !training);
        close_plan(&graph, &plan);
    }
}

/* Of held layers there is no gradient and no update to tell of; of the others there is. */
static void test_survey_of_held_layers(void **state)
{
    (void)state;
    struct graph graph;
    struct plan plan;
    struct plan_options options = everything_options();
    struct layer_stats layers[LAST_NODE + 1];
    struct step_record record;
    const struct step_control control = control_of(0, 0.01f);
    options.survey = true;
    open_held(&graph, &plan, &options, NORM3_NODE);
    check(plan_survey_begin(&plan, &control));
    check(plan_train_batch(&plan, &control, true, true));
    check(plan_survey_end(&plan));
    check(backend->wait(device));
    assert_true(plan_record(&plan, 0, &record));
    check(plan_survey_read(&plan, &record, layers));
    assert_true(layers[0].weight_norm > 0.0f && isnan(layers[0].grad_norm) && isnan(layers[0].update_norm));
    assert_true(isnan(layers[1].mean_gap) && layers[NORM3_NODE].mean_gap > 0.0f);
    assert_true(layers[LAST_NODE].grad_norm > 0.0f && layers[LAST_NODE].update_norm > 0.0f);
    close_plan(&graph, &plan);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_learns),
        cmocka_unit_test(test_gradient_of_everything),
        cmocka_unit_test(test_gradient_behind_held_layers),
        cmocka_unit_test(test_held_layers_stay),
        cmocka_unit_test(test_held_layers_are_as_in_evaluation),
        cmocka_unit_test(test_survey_of_held_layers),
        cmocka_unit_test(test_bad_step_changes_nothing_and_is_named),
        cmocka_unit_test(test_sharing_memory_changes_nothing),
        cmocka_unit_test(test_accumulation_is_a_larger_batch),
        cmocka_unit_test(test_swap_twice_is_nothing),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
