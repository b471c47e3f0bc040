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

static void place_data(struct trainee *trainee)
{
    static uint8_t pixels[SAMPLES * HEIGHT * WIDTH * CHANNELS];
    static int32_t labels[SAMPLES], order[SAMPLES];
    for (int i = 0; i < COUNT_OF(pixels); i++)
        pixels[i] = (uint8_t)(i * 37 + i / 29 * 11);
    for (int i = 0; i < SAMPLES; i++) {
        labels[i] = i * 7 % CLASSES;
        order[i] = i * 3 % SAMPLES;
    }
    check(trainee->backend->place(trainee->device, pixels, sizeof pixels, &trainee->pixels));
    check(trainee->backend->place(trainee->device, labels, sizeof labels, &trainee->labels));
    check(trainee->backend->place(trainee->device, order, sizeof order, &trainee->order));
    plan_set_data(&trainee->plan, trainee->pixels, trainee->labels, trainee->order);
}

void trainee_open(struct trainee *trainee, const struct backend *backend, const struct recipe *recipe)
{
    const struct plan_options options = make_options(recipe);
    *trainee = (struct trainee){.backend = backend, .recipe = recipe};
    build_graph(&trainee->graph);
    check(backend->open(&trainee->device, 0, 1));
    check(plan_build(&trainee->plan, &trainee->graph, backend, trainee->device, &options));
    check(plan_init_weights(&trainee->plan, 1));
    place_data(trainee);
    check(backend->wait(trainee->device));
}

static struct step_control control_at(const struct trainee *trainee, int step, int micro)
{
    const int64_t batch = (int64_t)step * trainee->recipe->accumulate + micro;
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

void trainee_step(struct trainee *trainee, int step)
{
    for (int micro = 0; micro < trainee->recipe->accumulate && steps_ahead(step); micro++) {
        const struct step_control next = control_at(trainee, step + 1, micro);
        check(plan_look_ahead(&trainee->plan, &next, micro == 0));
    }
    for (int micro = 0; micro < trainee->recipe->accumulate; micro++) {
        const struct step_control control = control_at(trainee, step, micro);
        check(plan_train_batch(&trainee->plan, &control, micro == 0, micro == trainee->recipe->accumulate - 1));
    }
    if (trainee->recipe->settles && step % 8 == 5) {
        const struct step_control next = control_at(trainee, step + 1, 0);
        check(plan_settle_batch(&trainee->plan, &next));
    }
}

void trainee_evaluate(struct trainee *trainee, struct loss_sums *sums)
{
    const struct step_control control = {.valid = ROWS - 1};
    check(plan_clear_sums(&trainee->plan));
    for (int i = 0; i < 2; i++)
        check(plan_eval_batch(&trainee->plan, &control));
    check(plan_read_sums(&trainee->plan, sums));
}

void trainee_weights(struct trainee *trainee, struct outcome *outcome)
{
    const struct graph *graph = &trainee->graph;
    struct plan *plan = &trainee->plan;
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

void trainee_close(struct trainee *trainee)
{
    trainee->backend->unplace(trainee->device, trainee->pixels);
    trainee->backend->unplace(trainee->device, trainee->labels);
    trainee->backend->unplace(trainee->device, trainee->order);
    plan_free(&trainee->plan);
    graph_free(&trainee->graph);
    trainee->backend->close(trainee->device);
}

/* Reads records as a trainer does: what is there, later than it was written. */
static void take_records(struct trainee *trainee, struct outcome *outcome, int queued, int *taken)
{
    while (*taken < queued && plan_record(&trainee->plan, *taken, &outcome->records[*taken]))
        ++*taken;
    outcome->late += queued > *taken;
}

void steps_run(const struct backend *backend, const struct recipe *recipe, struct outcome *outcome)
{
    struct trainee trainee;
    int taken = 0;
    assert_true(recipe->steps <= STEPS_MOST);
    trainee_open(&trainee, backend, recipe);
    *outcome = (struct outcome){0};
    const int64_t waits = backend->waits(trainee.device), held = backend->held(trainee.device), all = emu_waits();
    for (int step = 0; step < recipe->steps; step++) {
        trainee_step(&trainee, step);
        take_records(&trainee, outcome, step + 1, &taken);
    }
    outcome->waits = backend->waits(trainee.device) - waits;
    outcome->held = backend->held(trainee.device) - held;
    assert_int_equal(outcome->waits + outcome->held, emu_waits() - all); /* none is left out */
    check(backend->wait(trainee.device));
    take_records(&trainee, outcome, recipe->steps, &taken);
    assert_int_equal(taken, recipe->steps);
    trainee_evaluate(&trainee, &outcome->sums);
    trainee_weights(&trainee, outcome);
    assert_string_equal(emu_message(), "");
    trainee_close(&trainee);
}
