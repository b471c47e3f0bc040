/* test_blas: products by cuBLASLt, whose calls a stand-in answers: which algorithm is taken, what is kept and read
 * again, what is refused; and linear layers whose bias and rectifier are in the product's epilogue. */
#include "blas.h"
#include "emu.h"
#include "emu_cublas.h"
#include "fixtures.h"
#include "plan.h"

#include <math.h>

extern const struct backend backend_cuda;

enum { IN = 13, UNITS = 6, ROWS = 4 };

static struct device *device;

static void check(int status)
{
    if (status < 0)
        fail_msg("%s (%s) %s", fail_text(), fail_origin(), emu_message());
}

static struct blas_problem forward_problem(enum blas_epilogue epilogue)
{
    return (struct blas_problem){.a = {DT_F16, IN, UNITS, true},
                                 .b = {DT_F16, IN, ROWS, false},
                                 .out = {DT_F16, UNITS, ROWS, false},
                                 .epilogue = epilogue,
                                 .deterministic = true};
}

static int begin(void **state)
{
    if (fixture_begin(state) != 0)
        return -1;
    setenv("XDG_CACHE_HOME", fixture_path("cache"), 1);
    setenv("EVENKEEL_CUDA_TUNE", "1", 1);
    emu_reset_round(0);
    return backend_cuda.open(&device, 0, 0);
}

static int end(void **state)
{
    backend_cuda.close(device);
    return fixture_end(state);
}

static int defaults(void **state)
{
    (void)state;
    emu_cublas = (struct emu_cublas){.offers = 1};
    return 0;
}

/* ---- choice ---- */

static void test_takes_the_fastest_once(void **state)
{
    (void)state;
    const struct blas_problem problem = forward_problem(BLAS_BIAS);
    struct blas_product first = {0}, again = {0};
    emu_cublas.offers = 3;
    check(blas_product_build(device, &first, &problem));
    assert_int_equal(first.algorithm[7], 0);
    assert_true(first.workspace_bytes > 0);
    const int products = emu_cublas_products();
    assert_true(products > 3);
    check(blas_product_build(device, &again, &problem));
    assert_int_equal(emu_cublas_products(), products); /* by what was kept */
    assert_memory_equal(again.algorithm, first.algorithm, sizeof first.algorithm);
    assert_true(again.workspace_bytes == first.workspace_bytes);
    blas_product_free(&first);
    blas_product_free(&again);
    assert_int_equal(emu_cublas_alive(), 0);
}

static void test_only_one_needs_no_clock(void **state)
{
    (void)state;
    const struct blas_problem problem = forward_problem(BLAS_PLAIN);
    struct blas_product product = {0};
    const int products = emu_cublas_products();
    check(blas_product_build(device, &product, &problem));
    assert_int_equal(emu_cublas_products(), products);
    blas_product_free(&product);
}

static void test_says_that_there_is_none(void **state)
{
    (void)state;
    const struct blas_problem problem = forward_problem(BLAS_RELU);
    struct blas_product product = {0};
    emu_cublas.without_any = true;
    assert_int_equal(blas_product_build(device, &product, &problem), ERR_UNSUPPORTED);
    assert_non_null(strstr(fail_text(), "rectified"));
    blas_product_free(&product);
    assert_int_equal(emu_cublas_alive(), 0);
}

/* ---- linear layers ---- */

/* Whether a layer with a rectifier after it does its work. */
static bool rectifies(enum dtype dtype, bool bias)
{
    const union op_params params = {.linear = {.units = UNITS, .bias = bias}};
    const struct op_desc desc = {.params = &params,
                                 .in = {{ROWS, 1, 1, IN}},
                                 .out = {ROWS, 1, 1, UNITS},
                                 .in_count = 1,
                                 .dtype = dtype,
                                 .relu_after = true};
    struct op_needs needs = {0};
    void *made;
    check(backend_cuda.ops[OP_LINEAR]->prepare(device, &desc, &made, &needs));
    backend_cuda.ops[OP_LINEAR]->release(made);
    assert_int_equal(emu_cublas_alive(), 0);
    return needs.rectifies;
}

static void test_a_rectifier_must_keep_nan(void **state)
{
    (void)state;
    for (enum dtype dtype = DT_F32; dtype <= DT_F16; dtype++)
        for (int bias = 0; bias < 2; bias++) {
            emu_cublas.loses_nan = false;
            assert_true(rectifies(dtype, bias));
            emu_cublas.loses_nan = true;
            assert_false(rectifies(dtype, bias));
        }
}

/* Then kernels of our own add the bias and sum its gradient. */
static void test_does_without_epilogues(void **state)
{
    (void)state;
    for (emu_cublas.lacks_bias = EMU_CUBLAS_UNSUPPORTED; emu_cublas.lacks_bias <= EMU_CUBLAS_INVALID;
         emu_cublas.lacks_bias++) {
        assert_false(rectifies(DT_BF16, true));
        assert_true(rectifies(DT_BF16, false));
    }
}

/* As it was promised 16 bytes when algorithms were asked for. */
static void test_the_stand_in_wants_aligned_arrays(void **state)
{
    (void)state;
    const struct blas_problem problem = forward_problem(BLAS_BIAS);
    struct blas_product product = {0};
    char *arrays[5] = {0};
    check(blas_product_build(device, &product, &problem));
    for (int i = 0; i < COUNT_OF(arrays); i++)
        check(backend_cuda.alloc(device, 4096, (void **)&arrays[i]));
    for (int off = -1; off < COUNT_OF(arrays); off++) {
        if (off >= 0)
            arrays[off] += 8;
        const int status = blas_product_run(device, &product, arrays[0], arrays[1], arrays[2], arrays[3], arrays[4]);
        assert_int_equal(status, off < 0 ? OK : ERR_DEVICE);
        if (off >= 0)
            arrays[off] -= 8;
    }
    check(backend_cuda.wait(device));
    for (int i = 0; i < COUNT_OF(arrays); i++)
        backend_cuda.release(device, arrays[i]);
    blas_product_free(&product);
}

struct trained {
    struct graph graph;
    struct plan plan;
    const void *pixels, *labels, *order;
};

/* Three steps of a perceptron; its first rectifier is joined, the second value is read twice and is not. */
static void train(struct trained *trained, enum dtype dtype, bool apart)
{
    static uint8_t pixels[ROWS * IN];
    static const int32_t labels[ROWS] = {0, 1, 2, 3}, order[ROWS] = {3, 0, 2, 1};
    for (int i = 0; i < COUNT_OF(pixels); i++)
        pixels[i] = (uint8_t)(i * 37 + i / 29 * 11);
    const struct augment augment = {.out_h = 1, .out_w = IN, .mean = {0.5f}, .std = {0.3f}};
    const struct plan_options options = {.batch = ROWS,
                                         .dtype = dtype,
                                         .training = true,
                                         .apart = apart,
                                         .survey = true,
                                         .image = {1, 1, IN, 1},
                                         .augment_train = augment,
                                         .augment_eval = augment,
                                         .update = {.kind = OPTIMIZER_SGD, .momentum = 0.9, .grad_scale = 1.0f}};
    struct graph *graph = &trained->graph;
    graph_begin(graph, "perceptron", (struct shape){1, 1, IN, 1});
    graph->class_count = 5;
    int x = graph_linear(graph, "fc1", graph->input, 8);
    x = graph_relu(graph, "relu1", x);
    const int y = graph_linear(graph, "fc2", x, 8), z = graph_relu(graph, "relu2", y);
    const int sum[] = {z, y};
    x = graph_node(graph, "add", OP_ADD, &(union op_params){0}, sum, 2);
    check(graph_linear(graph, "fc3", x, graph->class_count));
    check(plan_build(&trained->plan, graph, &backend_cuda, device, &options));
    check(plan_init_weights(&trained->plan, 1));
    check(backend_cuda.place(device, pixels, sizeof pixels, &trained->pixels));
    check(backend_cuda.place(device, labels, sizeof labels, &trained->labels));
    check(backend_cuda.place(device, order, sizeof order, &trained->order));
    plan_set_data(&trained->plan, trained->pixels, trained->labels, trained->order);
    for (int step = 0; step < 4; step++) {
        const struct step_control control = {.step = step, .valid = ROWS, .lr = 0.1f};
        if (step == 1)
            check(plan_survey_begin(&trained->plan, &control));
        check(plan_train_batch(&trained->plan, &control, true, true));
        if (step == 1)
            check(plan_survey_end(&trained->plan));
    }
    check(backend_cuda.wait(device));
    assert_string_equal(emu_message(), "");
}

static void close_trained(struct trained *trained)
{
    backend_cuda.unplace(device, trained->pixels);
    backend_cuda.unplace(device, trained->labels);
    backend_cuda.unplace(device, trained->order);
    plan_free(&trained->plan);
    graph_free(&trained->graph);
}

/* The layers as surveyed, too: each by itself, whatever is joined. */
static void test_joined_equals_apart(void **state)
{
    (void)state;
    for (enum dtype dtype = DT_F32; dtype <= DT_F16; dtype++) {
        struct trained joined = {0}, apart = {0};
        struct layer_stats layers[2][6];
        struct step_record record;
        train(&joined, dtype, false);
        train(&apart, dtype, true);
        assert_int_equal(joined.plan.joins[0].rectifies, 1);
        assert_int_equal(joined.plan.joins[2].rectifies, -1);
        assert_int_equal(apart.plan.joins[0].rectifies, -1);
        const int64_t count = joined.plan.param_count;
        float *weights[2] = {calloc((size_t)count, sizeof(float)), calloc((size_t)count, sizeof(float))};
        check(plan_read_slab(&joined.plan, SLAB_PARAM, weights[0]));
        check(plan_read_slab(&apart.plan, SLAB_PARAM, weights[1]));
        assert_memory_equal(weights[0], weights[1], (size_t)count * sizeof(float));
        assert_true(plan_record(&joined.plan, 1, &record) && isfinite(record.loss));
        check(plan_survey_read(&joined.plan, &record, layers[0]));
        check(plan_survey_read(&apart.plan, &record, layers[1]));
        for (int i = 0; i < joined.graph.node_count; i++)
            assert_true(layers[0][i].mean == layers[1][i].mean && layers[0][i].positive == layers[1][i].positive);
        assert_true(layers[0][0].mean < layers[0][1].mean); /* before and behind the rectifier */
        for (int i = 0; i < 2; i++)
            free(weights[i]);
        close_trained(&joined);
        close_trained(&apart);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_takes_the_fastest_once, defaults),
        cmocka_unit_test_setup(test_only_one_needs_no_clock, defaults),
        cmocka_unit_test_setup(test_says_that_there_is_none, defaults),
        cmocka_unit_test_setup(test_a_rectifier_must_keep_nan, defaults),
        cmocka_unit_test_setup(test_does_without_epilogues, defaults),
        cmocka_unit_test_setup(test_the_stand_in_wants_aligned_arrays, defaults),
        cmocka_unit_test_setup(test_joined_equals_apart, defaults),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
