/* steps: see steps.h. */
#include "steps.h"
#include "emu.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka wants the standard headers first */
#include <cmocka.h>

enum { ROWS = STEPS_ROWS, SAMPLES = STEPS_SAMPLES, HEIGHT = 10, WIDTH = 9, CHANNELS = 3, CLASSES = 5 };

static void check(int status)
{
    if (status < 0)
        fail_msg("%s (%s) %s", fail_text(), fail_origin(), emu_message());
}

/* Every kind of operation, a branch that meets again, biases. */
static void build_graph(struct graph *graph)
{
    graph_begin(graph, "every", (struct shape){1, HEIGHT, WIDTH, CHANNELS});
    graph->class_count = CLASSES;
    int x = graph_conv2d(graph, "conv1", graph->input, 8, 3, 1, 1, false);
    x = graph_norm(graph, "norm1", x, -1, true);
    x = graph_max_pool(graph, "pool1", x, 2, 2, 0);
    int y = graph_conv2d(graph, "conv2", x, 8, 3, 1, 1, true);
    y = graph_norm(graph, "norm2", y, x, true);
    y = graph_conv2d(graph, "conv3", y, 12, 3, 2, 1, true);
    y = graph_relu(graph, "relu3", y);
    y = graph_dropout(graph, "drop", y, 0.25f);
    y = graph_linear(graph, "fc1", y, 16);
    check(graph_linear(graph, "fc2", y, CLASSES));
}

static struct plan_options make_options(const struct recipe *recipe)
{
    const struct augment eval = {
        .out_h = HEIGHT, .out_w = WIDTH, .mean = {0.4f, 0.5f, 0.6f}, .std = {0.3f, 0.2f, 0.3f}};
    struct augment augmented = eval;
    augmented.random = true;
    augmented.flip_share = 0.5f;
    augmented.pad = 1;
    augmented.contrast = 0.2f;
    return (struct plan_options){
        .batch = ROWS,
        .dtype = recipe->dtype,
        .training = true,
        .accumulate = recipe->accumulate > 1,
        .ema = true,
        .weight_decay = 1e-2f,
        .smoothing = 0.1f,
        .image = {1, HEIGHT, WIDTH, CHANNELS},
        .augment_train = augmented,
        .augment_eval = eval,
        .update = {.kind = recipe->kind,
                   .momentum = 0.9,
                   .nesterov = true,
                   .beta1 = 0.9,
                   .beta2 = 0.999,
                   .epsilon = 1e-3,
                   .clip_norm = 1.0f,
                   .grad_scale = 1.0f / (float)recipe->accumulate},
    };
}

static void place_data(struct bench *bench)
{
    static uint8_t pixels[SAMPLES * HEIGHT * WIDTH * CHANNELS];
    static int32_t labels[SAMPLES], order[SAMPLES];
    for (int i = 0; i < COUNT_OF(pixels); i++)
        pixels[i] = (uint8_t)(i * 37 + i / 29 * 11);
    for (int i = 0; i < SAMPLES; i++) {
        labels[i] = i * 7 % CLASSES;
        order[i] = i * 3 % SAMPLES;
    }
    check(bench->backend->place(bench->device, pixels, sizeof pixels, &bench->pixels));
    check(bench->backend->place(bench->device, labels, sizeof labels, &bench->labels));
    check(bench->backend->place(bench->device, order, sizeof order, &bench->order));
    plan_set_data(&bench->plan, bench->pixels, bench->labels, bench->order);
}

void bench_open(struct bench *bench, const struct backend *backend, const struct recipe *recipe)
{
    const struct plan_options options = make_options(recipe);
    *bench = (struct bench){.backend = backend, .recipe = recipe};
    build_graph(&bench->graph);
    check(backend->open(&bench->device, 0, 1));
    check(plan_build(&bench->plan, &bench->graph, backend, bench->device, &options));
    check(plan_init_weights(&bench->plan, 1));
    place_data(bench);
    check(backend->wait(bench->device));
}

static struct step_control control_at(const struct bench *bench, int step, int micro)
{
    const int64_t batch = (int64_t)step * bench->recipe->accumulate + micro;
    return (struct step_control){.seed = 3,
                                 .step = step,
                                 .first = batch * ROWS % (SAMPLES - ROWS),
                                 .epoch = 1,
                                 .valid = batch % 7 == 2 ? ROWS - 1 : ROWS,
                                 .micro = micro,
                                 .lr = 0.02f / (float)(1 + step / 4),
                                 .ahead = steps_ahead(step),
                                 .ema_decay = 0.9};
}

void bench_step(struct bench *bench, int step)
{
    for (int micro = 0; micro < bench->recipe->accumulate && steps_ahead(step); micro++) {
        const struct step_control next = control_at(bench, step + 1, micro);
        check(plan_look_ahead(&bench->plan, &next, micro == 0));
    }
    for (int micro = 0; micro < bench->recipe->accumulate; micro++) {
        const struct step_control control = control_at(bench, step, micro);
        check(plan_train_batch(&bench->plan, &control, micro == 0, micro == bench->recipe->accumulate - 1));
    }
}

void bench_evaluate(struct bench *bench, struct loss_sums *sums)
{
    const struct step_control control = {.valid = ROWS - 1};
    check(plan_clear_sums(&bench->plan));
    for (int i = 0; i < 2; i++)
        check(plan_eval_batch(&bench->plan, &control));
    check(plan_read_sums(&bench->plan, sums));
}

void bench_weights(struct bench *bench, struct outcome *outcome)
{
    const struct graph *graph = &bench->graph;
    struct plan *plan = &bench->plan;
    void *memory;
    check(memory_take(&memory, (size_t)(plan->param_count + plan->state_count) * sizeof(float), "weights"));
    outcome->weights = memory;
    outcome->count = 0;
    for (int v = 0; v < graph->value_count; v++) {
        const enum value_role role = graph->values[v].role;
        if (role != VALUE_PARAM && role != VALUE_STATE)
            continue;
        check(plan_read_weight(plan, role == VALUE_PARAM ? SLAB_PARAM : SLAB_STATE, v,
                               outcome->weights + outcome->count));
        outcome->count += shape_count(graph->values[v].shape);
    }
}

void bench_close(struct bench *bench)
{
    bench->backend->unplace(bench->device, bench->pixels);
    bench->backend->unplace(bench->device, bench->labels);
    bench->backend->unplace(bench->device, bench->order);
    plan_free(&bench->plan);
    graph_free(&bench->graph);
    bench->backend->close(bench->device);
}

/* Reads records as a trainer does: what is there, later than it was written. */
static void take_records(struct bench *bench, struct outcome *outcome, int queued, int *taken)
{
    while (*taken < queued && plan_record(&bench->plan, *taken, &outcome->records[*taken]))
        ++*taken;
    outcome->late += queued > *taken;
}

void steps_run(const struct backend *backend, const struct recipe *recipe, struct outcome *outcome)
{
    struct bench bench;
    int taken = 0;
    assert_true(recipe->steps <= STEPS_MOST);
    bench_open(&bench, backend, recipe);
    *outcome = (struct outcome){0};
    const int64_t waits = backend->waits(bench.device), held = backend->held(bench.device), all = emu_waits();
    for (int step = 0; step < recipe->steps; step++) {
        bench_step(&bench, step);
        take_records(&bench, outcome, step + 1, &taken);
    }
    outcome->waits = backend->waits(bench.device) - waits;
    outcome->held = backend->held(bench.device) - held;
    assert_int_equal(outcome->waits + outcome->held, emu_waits() - all); /* none is left out */
    check(backend->wait(bench.device));
    take_records(&bench, outcome, recipe->steps, &taken);
    assert_int_equal(taken, recipe->steps);
    bench_evaluate(&bench, &outcome->sums);
    bench_weights(&bench, outcome);
    assert_string_equal(emu_message(), "");
    bench_close(&bench);
}
