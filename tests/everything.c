/* everything: see everything.h. */
#include "everything.h"

#include "random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct device *device;
uint8_t pixels[IMAGES * SIZE * SIZE * CHANNELS];
int32_t labels[IMAGES], order[IMAGES];

void check(int status)
{
    if (status < 0)
        fail_msg("%s (%s)", fail_text(), fail_origin());
}

int open_all(void **state)
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

int close_all(void **state)
{
    (void)state;
    backend->close(device);
    return 0;
}

/* conv -> norm+relu -> max pool -> (conv, identity) -> add -> relu -> conv -> norm+add -> conv -> norm+relu -> conv ->
 * average pool -> dropout -> global -> fc. The pooled value is read three times, so gradients meet. */
int build_everything(struct graph *graph)
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

struct plan_options everything_options(void)
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
void open_held(struct graph *graph, struct plan *plan, const struct plan_options *options, int first)
{
    check(build_everything(graph));
    graph->first_trained = first;
    check(plan_build(plan, graph, backend, device, options));
    check(plan_init_weights(plan, 3));
    plan_set_data(plan, pixels, labels, order);
}

void open_plan(struct graph *graph, struct plan *plan, const struct plan_options *options)
{
    open_held(graph, plan, options, 0);
}

void close_plan(struct graph *graph, struct plan *plan)
{
    plan_free(plan);
    graph_free(graph);
}

struct step_control control_of(int step, float lr)
{
    return (struct step_control){
        .seed = 1, .step = step, .first = step % 3 * ROWS, .valid = ROWS, .lr = lr, .ema_decay = 0.9f};
}

void train(struct plan *plan, int steps, float lr, struct step_record *last)
{
    for (int step = 0; step < steps; step++) {
        const struct step_control control = control_of(step, lr);
        check(plan_train_batch(plan, &control, true, true));
    }
    check(backend->wait(device));
    assert_true(plan_record(plan, steps - 1, last));
}

/* Finite differences through the whole network: forward, meeting gradients and backward of every kind of node. */
void check_gradients(int first)
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
