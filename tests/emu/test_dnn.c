/* test_dnn: plans by cuDNN, whose calls a stand-in answers: which engine is taken, what is kept and read again, what is
 * refused, and that nothing is left behind. What passes compute is test_ops's and test_join's. */
#include "dnn.h"
#include "emu.h"
#include "emu_cudnn.h"
#include "fixtures.h"
#include "kernels/common/fp16.h"

#include <math.h>

extern const struct backend backend_cuda;

static struct device *device;

static void check(int status)
{
    if (status < 0)
        fail_msg("%s (%s) %s", fail_text(), fail_origin(), emu_message());
}

/* A convolution of 8 to 16 channels, or fewer. */
static struct dnn_conv conv_of(enum dtype dtype, int channels, int filters)
{
    return (struct dnn_conv){.in = {2, 5, 4, channels},
                             .out = {2, 5, 4, filters},
                             .dtype = dtype,
                             .weights_dtype = dtype,
                             .kernel_h = 3,
                             .kernel_w = 3,
                             .stride = 1,
                             .pad_h = 1,
                             .pad_w = 1,
                             .groups = 1,
                             .deterministic = true};
}

static int begin(void **state)
{
    (void)state;
    emu_reset_round(0);
    return fixture_begin(state);
}

static void open_device(const char *tune)
{
    setenv("EVENKEEL_CUDA_TUNE", tune, 1);
    check(backend_cuda.open(&device, 0, 0));
}

/* Each test has a cache of its own. */
static int timed(void **state)
{
    static int tests;
    (void)state;
    setenv("XDG_CACHE_HOME", fixture_path("cache%d", tests++), 1);
    emu_cudnn = (struct emu_cudnn){.all = true};
    open_device("1");
    return 0;
}

static int closed(void **state)
{
    (void)state;
    backend_cuda.close(device);
    return emu_cudnn_alive();
}

/* The engine that runs; frees the plan. */
static int engine_of(struct dnn_plan *plan)
{
    void *arrays[DNN_ARRAY_COUNT] = {0}, *workspace = NULL;
    for (int i = 0; i < plan->use_count; i++)
        check(backend_cuda.alloc(device, plan->uses[i].bytes, &arrays[plan->uses[i].array]));
    check(backend_cuda.alloc(device, plan->workspace_bytes, &workspace));
    check(dnn_plan_run(device, plan, (const void *const *)arrays, workspace));
    check(backend_cuda.wait(device));
    for (int i = 0; i < DNN_ARRAY_COUNT; i++)
        backend_cuda.release(device, arrays[i]);
    backend_cuda.release(device, workspace);
    dnn_plan_free(plan);
    return emu_cudnn_last();
}

static int built(const struct dnn_conv *conv, enum dnn_pass pass)
{
    struct dnn_plan plan = {0};
    check(dnn_plan_build(device, conv, pass, &plan));
    return engine_of(&plan);
}

/* Neither what sums in no fixed order, rounds or wants too much memory, faster though it were, nor what fails. */
static void test_takes_the_fastest_that_is_right(void **state)
{
    (void)state;
    for (enum dtype dtype = DT_F32; dtype <= DT_F16; dtype++)
        for (enum dnn_pass pass = DNN_FORWARD; pass <= DNN_WEIGHTS; pass++) {
            struct dnn_conv conv = conv_of(dtype, 8, 16);
            assert_int_equal(built(&conv, pass), EMU_ENGINE_QUICK);
            conv.deterministic = false;
            assert_int_equal(built(&conv, pass), EMU_ENGINE_RANDOM);
        }
}

/* What is compiled at run time is timed beside what is there; where no time is taken it is not even compiled. */
static void test_takes_what_is_compiled_at_run_time_where_it_is_fastest(void **state)
{
    (void)state;
    const struct dnn_conv conv = conv_of(DT_F16, 8, 24);
    struct dnn_plan plan = {0};
    for (enum dnn_pass pass = DNN_FORWARD; pass <= DNN_WEIGHTS; pass++)
        assert_int_equal(built(&conv, pass), EMU_ENGINE_COMPILED);
    backend_cuda.close(device);
    open_device("0");
    setenv("XDG_CACHE_HOME", fixture_path("none"), 1);
    check(dnn_plan_build(device, &conv, DNN_FORWARD, &plan));
    assert_int_equal(engine_of(&plan), EMU_ENGINE_RIGHT);
}

static void test_joined_passes_have_engines_in_fp16_alone(void **state)
{
    (void)state;
    for (enum dnn_pass pass = DNN_FORWARD_SUMS; pass < DNN_PASS_COUNT; pass++) {
        struct dnn_plan plan = {0};
        struct dnn_conv conv = conv_of(DT_F16, 8, 16);
        conv.precompiled = true;
        assert_int_equal(built(&conv, pass), EMU_ENGINE_QUICK);
        conv.dtype = conv.weights_dtype = DT_BF16;
        CHECK_FAILS(dnn_plan_build(device, &conv, pass, &plan), ERR_UNSUPPORTED, "cuDNN has no plan");
        dnn_plan_free(&plan);
        conv = conv_of(DT_F16, 12, 16);
        conv.precompiled = true;
        CHECK_FAILS(dnn_plan_build(device, &conv, pass, &plan), ERR_UNSUPPORTED, "cuDNN has no plan");
        dnn_plan_free(&plan);
        conv.precompiled = false;
        assert_int_equal(built(&conv, pass), EMU_ENGINE_COMPILED);
    }
}

/* No heuristic knows it. */
static void test_finds_an_engine_by_its_number(void **state)
{
    (void)state;
    struct dnn_conv conv = conv_of(DT_BF16, 8, 16);
    conv.weights_dtype = DT_F32;
    assert_int_equal(built(&conv, DNN_WEIGHTS), EMU_ENGINE_COMPILED);
}

static void test_is_chosen_once(void **state)
{
    (void)state;
    const struct dnn_conv conv = conv_of(DT_F16, 8, 16);
    struct dnn_plan first = {0}, again = {0};
    check(dnn_plan_build(device, &conv, DNN_DATA, &first));
    const int runs = emu_cudnn_runs();
    check(dnn_plan_build(device, &conv, DNN_DATA, &again));
    assert_int_equal(emu_cudnn_runs(), runs);
    assert_true(again.ms == first.ms && again.workspace_bytes == first.workspace_bytes);
    assert_int_equal(engine_of(&again), engine_of(&first));
}

/* Where there is none in 16 bits, the weights' gradient is fp32, whether time is taken or not. */
static void test_a_gradient_without_a_narrow_plan_is_wide(void **state)
{
    (void)state;
    const union op_params params = {.conv2d = {16, 3, 3, 1, 1, 1, 1, false}};
    const struct op_desc desc = {.params = &params,
                                 .in = {{2, 5, 4, 8}},
                                 .in_count = 1,
                                 .out = {2, 5, 4, 16},
                                 .in_grad = {true},
                                 .dtype = DT_F16,
                                 .training = true,
                                 .deterministic = true};
    emu_cudnn.refuses_narrow = true;
    for (int tune = 1; tune >= 0; tune--) {
        struct op_needs needs = {0};
        void *made;
        backend_cuda.close(device);
        setenv("XDG_CACHE_HOME", fixture_path("narrow%d", tune), 1);
        open_device(tune ? "1" : "0");
        check(backend_cuda.ops[OP_CONV2D]->prepare(device, &desc, &made, &needs));
        backend_cuda.ops[OP_CONV2D]->release(made);
    }
}

/* A kept plan that the library does not take any more is replaced; that there is none is kept too. */
static void test_what_was_kept_may_be_of_no_use(void **state)
{
    (void)state;
    struct dnn_conv conv = conv_of(DT_F16, 8, 16);
    struct dnn_plan plan = {0};
    conv.precompiled = true;
    assert_int_equal(built(&conv, DNN_FORWARD_SUMS), EMU_ENGINE_QUICK);
    emu_cudnn.refuses_joined = true;
    CHECK_FAILS(dnn_plan_build(device, &conv, DNN_FORWARD_SUMS, &plan), ERR_UNSUPPORTED, "cuDNN has no plan");
    dnn_plan_free(&plan);
    emu_cudnn.refuses_joined = false;
    CHECK_FAILS(dnn_plan_build(device, &conv, DNN_FORWARD_SUMS, &plan), ERR_UNSUPPORTED, "cuDNN has no plan");
    dnn_plan_free(&plan);
}

/* EVENKEEL_CUDA_TUNE=0: the heuristics' first that fits, run by nobody before, and not kept, so that a choice by time
 * can follow. */
static void test_takes_the_first_where_time_is_not_taken(void **state)
{
    (void)state;
    const struct dnn_conv conv = conv_of(DT_F16, 8, 16);
    struct dnn_plan plan = {0};
    backend_cuda.close(device);
    open_device("0");
    const int runs = emu_cudnn_runs();
    check(dnn_plan_build(device, &conv, DNN_FORWARD, &plan));
    assert_int_equal(emu_cudnn_runs(), runs);
    assert_true(isnan(plan.ms));
    assert_int_equal(engine_of(&plan), EMU_ENGINE_RIGHT);
    backend_cuda.close(device);
    open_device("1");
    assert_int_equal(built(&conv, DNN_FORWARD), EMU_ENGINE_QUICK);
}

static void test_says_what_does_not_fit(void **state)
{
    (void)state;
    struct dnn_conv conv = conv_of(DT_F32, 8, 16);
    struct dnn_plan plan = {0};
    conv.out.h++;
    CHECK_FAILS(dnn_plan_build(device, &conv, DNN_FORWARD, &plan), ERR_DEVICE, "cuDNN: ", "CUDNN_STATUS_BAD_PARAM",
                "shapes do not fit");
    dnn_plan_free(&plan);
}

/* What runs with other pointers than last time is bound to them anew. */
static void test_pointers_may_change(void **state)
{
    (void)state;
    const struct dnn_conv conv = conv_of(DT_F32, 1, 1);
    struct dnn_plan plan = {0};
    void *x[2], *w, *y, *workspace = NULL;
    float host[2][40], weights[9] = {0, 0, 0, 0, 1}, got[40];
    const size_t bytes = sizeof host[0];
    check(dnn_plan_build(device, &conv, DNN_FORWARD, &plan));
    check(backend_cuda.alloc(device, bytes, &y));
    check(backend_cuda.alloc(device, sizeof weights, &w));
    check(backend_cuda.alloc(device, plan.workspace_bytes, &workspace));
    check(backend_cuda.upload(device, w, weights, sizeof weights));
    for (int i = 0; i < 2; i++) {
        for (int k = 0; k < 40; k++)
            host[i][k] = (float)(k * (i + 1));
        check(backend_cuda.alloc(device, bytes, &x[i]));
        check(backend_cuda.upload(device, x[i], host[i], bytes));
    }
    for (int i = 0; i < 4; i++) {
        check(dnn_plan_run(device, &plan, (const void *const[DNN_ARRAY_COUNT]){x[i % 2], w, y}, workspace));
        check(backend_cuda.download(device, got, y, bytes));
        check(backend_cuda.wait(device));
        assert_memory_equal(got, host[i % 2], bytes);
    }
    backend_cuda.release(device, x[0]);
    backend_cuda.release(device, x[1]);
    backend_cuda.release(device, w);
    backend_cuda.release(device, y);
    backend_cuda.release(device, workspace);
    dnn_plan_free(&plan);
}

/* The library refuses arrays that are not aligned as they were described. */
static void test_the_stand_in_wants_aligned_arrays(void **state)
{
    (void)state;
    const struct dnn_conv conv = conv_of(DT_F16, 8, 16);
    struct dnn_plan plan = {0};
    char *arrays[DNN_ARRAY_COUNT] = {0}, *workspace;
    check(dnn_plan_build(device, &conv, DNN_FORWARD, &plan));
    for (int i = 0; i < plan.use_count; i++)
        check(backend_cuda.alloc(device, plan.uses[i].bytes + 16, (void **)&arrays[plan.uses[i].array]));
    check(backend_cuda.alloc(device, plan.workspace_bytes, (void **)&workspace));
    check(dnn_plan_run(device, &plan, (const void *const *)arrays, workspace));
    arrays[DNN_X] += 8;
    assert_int_equal(dnn_plan_run(device, &plan, (const void *const *)arrays, workspace), ERR_DEVICE);
    arrays[DNN_X] -= 8;
    check(backend_cuda.wait(device));
    for (int i = 0; i < DNN_ARRAY_COUNT; i++)
        backend_cuda.release(device, arrays[i]);
    backend_cuda.release(device, workspace);
    dnn_plan_free(&plan);
}

/* ---- what joined passes compute, by loops ---- */

enum { IN = 8, OUT = 16, ROWS = 2, HEIGHT = 5, WIDTH = 4, PIXELS = ROWS * HEIGHT * WIDTH, TAPS = 9 };

/* Arrays on both sides; element i of an array in double. */
struct sides {
    struct dnn_plan plan;
    void *device[DNN_ARRAY_COUNT], *workspace;
    double host[DNN_ARRAY_COUNT][OUT * TAPS * IN];
};

static double number(int array, int64_t i)
{
    return (double)((int)((i * 37 + array * 11 + i * i % 13) % 29) - 14) / 16.0;
}

static void sides_open(struct sides *sides, const struct dnn_conv *conv, enum dnn_pass pass)
{
    *sides = (struct sides){0};
    check(dnn_plan_build(device, conv, pass, &sides->plan));
    check(backend_cuda.alloc(device, sides->plan.workspace_bytes, &sides->workspace));
    for (int u = 0; u < sides->plan.use_count; u++) {
        const struct dnn_use use = sides->plan.uses[u];
        const int64_t count = (int64_t)(use.bytes / dtype_bytes(use.dtype));
        float floats[OUT * TAPS * IN];
        uint16_t halves[COUNT_OF(floats)];
        assert_true(count <= COUNT_OF(floats));
        for (int64_t i = 0; i < count; i++) {
            floats[i] = (float)(sides->host[use.array][i] = number(use.array, i));
            halves[i] = fp16_from_float(floats[i]);
        }
        check(backend_cuda.alloc(device, use.bytes, &sides->device[use.array]));
        check(backend_cuda.upload(device, sides->device[use.array], use.dtype == DT_F16 ? (void *)halves : floats,
                                  use.bytes));
    }
    check(dnn_plan_run(device, &sides->plan, (const void *const *)sides->device, sides->workspace));
}

static void sides_close(struct sides *sides)
{
    for (int i = 0; i < DNN_ARRAY_COUNT; i++)
        backend_cuda.release(device, sides->device[i]);
    backend_cuda.release(device, sides->workspace);
    dnn_plan_free(&sides->plan);
}

/* An array as the plan left it, against wanted. */
static void check_array(const struct sides *sides, enum dnn_array array, const double *wanted)
{
    float floats[OUT * TAPS * IN];
    uint16_t halves[COUNT_OF(floats)];
    int u = 0;
    while (sides->plan.uses[u].array != array)
        u++;
    const struct dnn_use use = sides->plan.uses[u];
    const bool half = use.dtype == DT_F16;
    check(backend_cuda.download(device, half ? (void *)halves : floats, sides->device[array], use.bytes));
    check(backend_cuda.wait(device));
    for (size_t i = 0; i < use.bytes / dtype_bytes(use.dtype); i++) {
        const double got = (double)(half ? fp16_to_float(halves[i]) : floats[i]);
        if (!(fabs(got - wanted[i]) <= (half ? 1e-3 : 1e-4) * (1.0 + fabs(wanted[i]))))
            fail_msg("array %d, element %zu: %.9g, by loops %.9g", array, i, got, wanted[i]);
    }
}

/* What a normalisation makes of NORM_X by FACTOR and TERM. */
static double made(const struct sides *sides, int64_t at)
{
    const double value =
        sides->host[DNN_NORM_X][at] * sides->host[DNN_FACTOR][at % IN] + sides->host[DNN_TERM][at % IN];
    return value > 0 ? (double)fp16_to_float(fp16_from_float((float)value)) : 0;
}

/* Calls with each product of the convolution: places in x, w and y. */
typedef void product(struct sides *sides, double *sums, int64_t x, int64_t w, int64_t y);
static void for_products(struct sides *sides, double *sums, product *with)
{
    for (int n = 0; n < ROWS; n++)
        for (int h = 0; h < HEIGHT; h++)
            for (int v = 0; v < WIDTH; v++)
                for (int tap = 0; tap < TAPS; tap++) {
                    const int r = h + tap / 3 - 1, s = v + tap % 3 - 1;
                    for (int i = 0; i < OUT * IN && r >= 0 && r < HEIGHT && s >= 0 && s < WIDTH; i++)
                        with(sides, sums, ((n * HEIGHT + r) * WIDTH + s) * IN + i % IN,
                             (i / IN * TAPS + tap) * IN + i % IN, ((n * HEIGHT + h) * WIDTH + v) * OUT + i / IN);
                }
}

static void forward_product(struct sides *sides, double *sums, int64_t x, int64_t w, int64_t y)
{
    const bool norm = sides->device[DNN_NORM_X];
    sums[y] += (norm ? made(sides, x) : sides->host[DNN_X][x]) * sides->host[DNN_W][w];
}

static void data_product(struct sides *sides, double *sums, int64_t x, int64_t w, int64_t y)
{
    sums[x] += sides->host[DNN_Y][y] * sides->host[DNN_W][w];
}

static void weights_product(struct sides *sides, double *sums, int64_t x, int64_t w, int64_t y)
{
    sums[w] += made(sides, x) * sides->host[DNN_Y][y];
}

static void check_forward(const struct dnn_conv *conv, enum dnn_pass pass)
{
    static struct sides sides;
    double y[PIXELS * OUT] = {0}, sum[OUT] = {0}, squares[OUT] = {0};
    sides_open(&sides, conv, pass);
    for_products(&sides, y, forward_product);
    for (int i = 0; i < PIXELS * OUT; i++) {
        const double rounded = (double)fp16_to_float(fp16_from_float((float)y[i]));
        sum[i % OUT] += rounded;
        squares[i % OUT] += rounded * rounded;
    }
    check_array(&sides, DNN_Y, y);
    check_array(&sides, DNN_SUM, sum);
    check_array(&sides, DNN_SQUARES, squares);
    sides_close(&sides);
}

static void check_data_norm(const struct dnn_conv *conv, enum dnn_pass pass)
{
    static struct sides sides;
    double x[PIXELS * IN] = {0}, bias_grad[IN] = {0}, scale_grad[IN] = {0}, a[IN], b[IN], c[IN];
    sides_open(&sides, conv, pass);
    for_products(&sides, x, data_product);
    for (int i = 0; i < PIXELS * IN; i++) {
        const double normal =
            (sides.host[DNN_NORM_X][i] - sides.host[DNN_MEAN][i % IN]) * sides.host[DNN_INVERSE][i % IN];
        x[i] += sides.host[DNN_OTHER][i]; /* 0, as the addend is, where the pass has none */
        if (!(normal * sides.host[DNN_SCALE][i % IN] + sides.host[DNN_BIAS][i % IN] + sides.host[DNN_ADDEND][i] > 0))
            x[i] = 0;
        const double rounded = (double)fp16_to_float(fp16_from_float((float)x[i]));
        bias_grad[i % IN] += rounded;
        scale_grad[i % IN] += rounded * normal;
    }
    /* dx = scale * inverse * (dy - mean(dy) - normal * mean(dy * normal)), by powers of dy and NORM_X */
    for (int k = 0; k < IN; k++) {
        const double inverse = sides.host[DNN_INVERSE][k];
        a[k] = sides.host[DNN_SCALE][k] * inverse;
        b[k] = -a[k] * inverse * scale_grad[k] / PIXELS;
        c[k] = -a[k] * bias_grad[k] / PIXELS - b[k] * sides.host[DNN_MEAN][k];
    }
    check_array(&sides, DNN_X, x);
    check_array(&sides, DNN_BIAS_GRAD, bias_grad);
    check_array(&sides, DNN_SCALE_GRAD, scale_grad);
    check_array(&sides, DNN_A, a);
    check_array(&sides, DNN_B, b);
    check_array(&sides, DNN_C, c);
    sides_close(&sides);
}

static void check_weights_norm(const struct dnn_conv *conv)
{
    static struct sides sides;
    double w[OUT * TAPS * IN] = {0};
    sides_open(&sides, conv, DNN_WEIGHTS_NORM);
    for_products(&sides, w, weights_product);
    check_array(&sides, DNN_W, w);
    sides_close(&sides);
}

static void test_joined_passes_against_loops(void **state)
{
    (void)state;
    const struct dnn_conv conv = conv_of(DT_F16, IN, OUT);
    check_forward(&conv, DNN_FORWARD_SUMS);
    check_forward(&conv, DNN_FORWARD_NORM);
    check_data_norm(&conv, DNN_DATA_NORM);
    check_data_norm(&conv, DNN_DATA_MET);
    check_weights_norm(&conv);
}

static void test_describes_its_libraries(void **state)
{
    char text[256];
    (void)state;
    backend_cuda.describe(device, text, sizeof text);
    assert_non_null(strstr(text, "cuBLAS 13.0.0, cuDNN 9.19.0"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, timed, closed)
    const struct CMUnitTest tests[] = {
        TEST(test_takes_the_fastest_that_is_right),
        TEST(test_takes_what_is_compiled_at_run_time_where_it_is_fastest),
        TEST(test_joined_passes_have_engines_in_fp16_alone),
        TEST(test_finds_an_engine_by_its_number),
        TEST(test_a_gradient_without_a_narrow_plan_is_wide),
        TEST(test_is_chosen_once),
        TEST(test_what_was_kept_may_be_of_no_use),
        TEST(test_takes_the_first_where_time_is_not_taken),
        TEST(test_says_what_does_not_fit),
        TEST(test_pointers_may_change),
        TEST(test_the_stand_in_wants_aligned_arrays),
        TEST(test_describes_its_libraries),
        TEST(test_joined_passes_against_loops),
    };
    return cmocka_run_group_tests(tests, begin, fixture_end);
}
