/* test_step: whole training steps of the CUDA backend in the emulator, with stand-ins for cuBLAS and cuDNN: they agree
 * with the CPU backend's, do not depend on the order in which threads and blocks run, and never wait. And the
 * operations that the vendor's libraries do most of, against the truth in double. */
#include "emu.h"
#include "op_run.h"
#include "plan.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

extern const struct backend backend_cuda;

enum { ROWS = 6, SAMPLES = 20, HEIGHT = 10, WIDTH = 9, CHANNELS = 3, CLASSES = 5, STEPS = 4 };
/* The race detector is slow, and finds in one random schedule what it finds in many. */
#ifdef EMU_TSAN
enum { FIRST_ROUND = 2, ROUNDS = 3 };
#else
enum { FIRST_ROUND = 0, ROUNDS = 4 };
#endif

static uint8_t pixels[SAMPLES * HEIGHT * WIDTH * CHANNELS];
static int32_t labels[SAMPLES], order[SAMPLES];

static void check(int status)
{
    if (status < 0)
        fail_msg("%s (%s) %s", fail_text(), fail_origin(), emu_message());
}

/* ---- convolutions and linear layers ---- */

static const struct tolerance {
    enum dtype dtype;
    double relative, scaled;
} tolerances[] = {{DT_F32, 1e-6, 1e-6}, {DT_BF16, 8e-3, 4e-3}};

static void check_case(struct device *device, const struct op_case *op_case, const struct tolerance *tolerance)
{
    struct op_run run;
    op_run_open(&run, &backend_cuda, device, op_case, tolerance->dtype, true, 7);
    op_run_forward(&run);
    ref_forward(&run.truth);
    op_check(op_case->name, "output", op_run_out(&run), run.truth.out, shape_count(run.out), tolerance->relative,
             tolerance->scaled);
    op_run_backward(&run);
    ref_backward(&run.truth);
    op_check(op_case->name, "gradient of the input", op_run_in_grad(&run, 0), run.truth.in_grad[0], shape_count(run.in),
             tolerance->relative, tolerance->scaled);
    for (int k = 0; k < run.weight_count; k++)
        op_check(op_case->name, k ? "gradient of the bias" : "gradient of the weight", op_run_weight_grad(&run, k),
                 run.truth.weight_grad[k], shape_count(run.weights[k].shape), k ? 1e-6 : tolerance->relative,
                 k ? 1e-6 : tolerance->scaled);
    op_run_close(&run);
}

static void test_convolutions_and_linear_layers(void **state)
{
    (void)state;
    for (int round = FIRST_ROUND; round < ROUNDS; round++) {
        struct device *device;
        emu_reset_round(round);
        check(backend_cuda.open(&device, 0, 0));
        for (int i = 0; i < op_case_count; i++)
            if (op_cases[i].kind == OP_CONV2D || op_cases[i].kind == OP_LINEAR)
                for (int t = 0; t < COUNT_OF(tolerances); t++)
                    check_case(device, &op_cases[i], &tolerances[t]);
        backend_cuda.close(device);
    }
}

/* ---- whole steps ---- */

struct recipe {
    enum dtype dtype;
    enum optimizer_kind kind;
    int accumulate;
};

struct outcome {
    struct step_record records[STEPS];
    struct loss_sums sums; /* of an evaluation afterwards */
    float *weights;        /* parameters, then states */
    int64_t count;
};

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

static void read_weights(struct plan *plan, const struct graph *graph, struct outcome *outcome)
{
    outcome->count = 0;
    void *memory;
    check(memory_take(&memory, (size_t)(plan->param_count + plan->state_count) * sizeof(float), "weights"));
    outcome->weights = memory;
    for (int v = 0; v < graph->value_count; v++) {
        const enum value_role role = graph->values[v].role;
        if (role != VALUE_PARAM && role != VALUE_STATE)
            continue;
        check(plan_read_weight(plan, role == VALUE_PARAM ? SLAB_PARAM : SLAB_STATE, v,
                               outcome->weights + outcome->count));
        outcome->count += shape_count(graph->values[v].shape);
    }
}

static void train(struct plan *plan, const struct recipe *recipe, struct step_record *on_device)
{
    for (int step = 0; step < STEPS; step++)
        for (int micro = 0; micro < recipe->accumulate; micro++) {
            const int64_t batch = (int64_t)step * recipe->accumulate + micro;
            const struct step_control control = {.seed = 3,
                                                 .step = step,
                                                 .first = batch * ROWS % (SAMPLES - ROWS),
                                                 .epoch = 1,
                                                 .valid = batch == 2 ? ROWS - 1 : ROWS,
                                                 .micro = micro,
                                                 .lr = 0.02f,
                                                 .ema_decay = 0.9};
            check(plan_train_batch(plan, &control, micro == 0, micro == recipe->accumulate - 1, on_device + step));
        }
}

static void run(const struct backend *backend, const struct recipe *recipe, struct outcome *outcome)
{
    const struct augment eval = {
        .out_h = HEIGHT, .out_w = WIDTH, .mean = {0.4f, 0.5f, 0.6f}, .std = {0.3f, 0.2f, 0.3f}};
    struct augment augmented = eval;
    augmented.random = true;
    augmented.flip_share = 0.5f;
    augmented.pad = 1;
    augmented.contrast = 0.2f;
    struct plan_options options = {
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
    struct device *device;
    struct graph graph;
    struct plan plan;
    const void *images, *image_labels, *places;
    void *records;
    build_graph(&graph);
    check(backend->open(&device, 0, 1));
    check(plan_build(&plan, &graph, backend, device, &options));
    check(plan_init_weights(&plan, 1));
    check(backend->place(device, pixels, sizeof pixels, &images));
    check(backend->place(device, labels, sizeof labels, &image_labels));
    check(backend->place(device, order, sizeof order, &places));
    check(backend->alloc(device, sizeof outcome->records, &records));
    plan_set_data(&plan, images, image_labels, places);
    check(backend->wait(device));

    const int64_t waits = emu_waits();
    train(&plan, recipe, records);
    assert_int_equal(emu_waits(), waits);

    check(backend->download(device, outcome->records, records, sizeof outcome->records));
    check(plan_clear_sums(&plan));
    const struct step_control control = {.valid = ROWS};
    check(plan_eval_batch(&plan, &control));
    check(plan_read_sums(&plan, &outcome->sums));
    read_weights(&plan, &graph, outcome);
    assert_string_equal(emu_message(), "");
    backend->release(device, records);
    backend->unplace(device, images);
    backend->unplace(device, image_labels);
    backend->unplace(device, places);
    plan_free(&plan);
    graph_free(&graph);
    backend->close(device);
}

static void near(const char *what, double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance * (1.0 + fabs(want))))
        fail_msg("%s: %.9g, on the CPU %.9g", what, got, want);
}

static void compare(const struct outcome *cuda, const struct outcome *cpu, double tolerance)
{
    for (int i = 0; i < STEPS; i++) {
        const struct step_record *got = &cuda->records[i], *want = &cpu->records[i];
        assert_int_equal(got->step, i);
        assert_int_equal(got->samples, want->samples);
        assert_int_equal(got->updates, i + 1);
        assert_int_equal(got->bad, 0);
        assert_int_equal(got->nonfinite, 0);
        near("loss", got->loss, want->loss, tolerance);
        near("variance of the losses", got->loss_variance, want->loss_variance, tolerance);
        near("norm of the gradient", got->grad_norm, want->grad_norm, 2 * tolerance);
        near("norm of the update", got->update_norm, want->update_norm, 2 * tolerance);
        near("norm of the weights", got->weight_norm, want->weight_norm, tolerance);
    }
    near("loss of the evaluation", cuda->sums.loss, cpu->sums.loss, tolerance);
    assert_int_equal(cuda->count, cpu->count);
    for (int64_t i = 0; i < cpu->count; i++)
        near("a weight", cuda->weights[i], cpu->weights[i], tolerance);
}

static void free_outcome(struct outcome *outcome)
{
    memory_give(outcome->weights);
}

/* Trains on both; several schedules must give the same bits. */
static void check_recipe(const struct recipe *recipe, enum dtype of_cpu, double tolerance)
{
    struct outcome first = {0}, cpu = {0};
    struct recipe on_cpu = *recipe;
    on_cpu.dtype = of_cpu;
    run(&backend_cpu, &on_cpu, &cpu);
    for (int round = FIRST_ROUND; round < ROUNDS; round++) {
        struct outcome cuda = {0};
        emu_reset_round(round);
        run(&backend_cuda, recipe, &cuda);
        if (round == FIRST_ROUND) {
            compare(&cuda, &cpu, tolerance);
            first = cuda;
            continue;
        }
        assert_memory_equal(cuda.records, first.records, sizeof cuda.records);
        assert_memory_equal(cuda.weights, first.weights, (size_t)cuda.count * sizeof *cuda.weights);
        free_outcome(&cuda);
    }
    free_outcome(&first);
    free_outcome(&cpu);
}

static void test_fp32_agrees_with_the_cpu(void **state)
{
    (void)state;
    check_recipe(&(struct recipe){DT_F32, OPTIMIZER_SGD, 1}, DT_F32, 2e-5);
}

static void test_accumulated_adamw_agrees_with_the_cpu(void **state)
{
    (void)state;
    check_recipe(&(struct recipe){DT_F32, OPTIMIZER_ADAMW, 2}, DT_F32, 2e-4);
}

/* In 16 bits the CPU's fp32 is what they must come near to. */
static void test_bf16_comes_near(void **state)
{
    (void)state;
    check_recipe(&(struct recipe){DT_BF16, OPTIMIZER_SGD, 1}, DT_F32, 5e-2);
}

static void test_fp16_comes_near(void **state)
{
    (void)state;
    check_recipe(&(struct recipe){DT_F16, OPTIMIZER_SGD, 1}, DT_F32, 1e-2);
}

/* ---- memory ---- */

static void test_small_uploads_do_not_wait(void **state)
{
    (void)state;
    enum { COUNT = 3000, WORDS = 40 };
    struct device *device;
    void *memory;
    emu_reset_round(3);
    check(backend_cuda.open(&device, 0, 0));
    check(backend_cuda.alloc(device, COUNT * WORDS * sizeof(int32_t), &memory));
    int32_t *got = calloc(COUNT * WORDS, sizeof *got), sent[WORDS];
    assert_non_null(got);
    for (int i = 0; i < COUNT; i++) {
        for (int k = 0; k < WORDS; k++)
            sent[k] = i * WORDS + k;
        check(backend_cuda.upload(device, (int32_t *)memory + i * WORDS, sent, sizeof sent));
    }
    check(backend_cuda.download(device, got, memory, COUNT * WORDS * sizeof *got));
    check(backend_cuda.wait(device));
    for (int i = 0; i < COUNT * WORDS; i++)
        assert_int_equal(got[i], i);
    free(got);
    backend_cuda.release(device, memory);
    backend_cuda.close(device);
}

static void test_out_of_memory_says_how_much_is_free(void **state)
{
    (void)state;
    struct device *device;
    void *memory;
    const void *placed;
    static const char byte;
    const size_t before = emu_config.memory_bytes;
    emu_reset_round(0);
    emu_config.memory_bytes = (size_t)64 << 20;
    check(backend_cuda.open(&device, 0, 0));
    assert_int_equal(backend_cuda.alloc(device, (size_t)100 << 20, &memory), ERR_MEMORY);
    assert_null(memory);
    assert_non_null(strstr(fail_text(), "needs 100 MiB"));
    assert_non_null(strstr(fail_text(), "of the GPU's 64 MiB are free"));
    assert_int_equal(backend_cuda.place(device, &byte, (size_t)100 << 20, &placed), ERR_MEMORY);
    assert_null(placed);
    assert_non_null(strstr(fail_text(), "the data set needs 100 MiB"));
    check(backend_cuda.alloc(device, 1000, &memory));
    backend_cuda.release(device, memory);
    backend_cuda.close(device);
    emu_config.memory_bytes = before;
}

static void test_opens_what_is_there(void **state)
{
    (void)state;
    struct device *device;
    char text[256];
    bool in_hardware;
    emu_reset_round(0);
    assert_int_equal(backend_cuda.open(&device, 7, 0), ERR_DEVICE);
    assert_null(device);
    assert_non_null(strstr(fail_text(), "cuda:7: there "));
    check(backend_cuda.open(&device, 0, 0));
    backend_cuda.describe(device, text, sizeof text);
    assert_non_null(strstr(text, "SMs"));
    for (enum dtype dtype = DT_F32; dtype <= DT_F16; dtype++)
        assert_true(backend_cuda.supports(device, dtype, &in_hardware) && in_hardware);
    backend_cuda.close(device);
    backend_cuda.close(NULL);
}

int main(void)
{
    for (int i = 0; i < COUNT_OF(pixels); i++)
        pixels[i] = (uint8_t)(i * 37 + i / 29 * 11);
    for (int i = 0; i < SAMPLES; i++) {
        labels[i] = i * 7 % CLASSES;
        order[i] = i * 3 % SAMPLES;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_opens_what_is_there),
        cmocka_unit_test(test_small_uploads_do_not_wait),
        cmocka_unit_test(test_out_of_memory_says_how_much_is_free),
        cmocka_unit_test(test_convolutions_and_linear_layers),
        cmocka_unit_test(test_fp32_agrees_with_the_cpu),
        cmocka_unit_test(test_accumulated_adamw_agrees_with_the_cpu),
        cmocka_unit_test(test_bf16_comes_near),
        cmocka_unit_test(test_fp16_comes_near),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
