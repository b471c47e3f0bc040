/* test_join: convolutions that do part of their normalisations' work (cuDNN's joined engines, here by a stand-in; the
 * CPU's own) give what each operation gives by itself, and what the CPU backend gives, within rounding. */
#include "emu.h"
#include "plan.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka wants the standard headers first */
#include <cmocka.h>

extern const struct backend backend_cuda;

enum { ROWS = 4, SIDE = 9, CHANNELS = 3, CLASSES = 5, STEPS = 5 };
#ifdef EMU_TSAN
enum { ROUNDS = 1 };
#else
enum { ROUNDS = 3 };
#endif

/* Of each weight's norm: after the first step, and after the last, when fp16's rounding has had its way. */
static const double FIRST_NEAR = 3e-3, STATES_NEAR = 5e-5, LAST_NEAR = 5e-2, CPU_NEAR = 0.15;

static void check(int status)
{
    if (status < 0)
        fail_msg("%s (%s) %s", fail_text(), fail_origin(), emu_message());
}

/* Two residual blocks, the second with a projection; chains of every kind, and every reason not to join. */
static void build_graph(struct graph *graph)
{
    graph_begin(graph, "blocks", (struct shape){1, SIDE, SIDE, CHANNELS});
    graph->class_count = CLASSES;
    int x = graph_conv2d(graph, "stem", graph->input, 16, 3, 1, 1, false); /* channels not in eights */
    x = graph_norm(graph, "stem.norm", x, -1, true); /* read twice: its backward pass is its own */
    int y = graph_conv2d(graph, "a1", x, 24, 3, 1, 1, false);
    y = graph_norm(graph, "a1.norm", y, -1, true);
    y = graph_conv2d(graph, "a2", y, 16, 3, 1, 1, false);
    x = graph_norm(graph, "a2.norm", y, x, true); /* with addend */
    y = graph_conv2d(graph, "b1", x, 8, 1, 1, 0, false);
    y = graph_norm(graph, "b1.norm", y, -1, true);
    y = graph_conv2d(graph, "b2", y, 16, 3, 2, 1, false);
    y = graph_norm(graph, "b2.norm", y, -1, true);
    y = graph_conv2d(graph, "b3", y, 32, 1, 1, 0, true); /* with bias: takes a norm, gives no sums */
    y = graph_norm(graph, "b3.norm", y, -1, false);
    int z = graph_conv2d(graph, "shortcut", x, 32, 1, 2, 0, false);
    x = graph_norm(graph, "shortcut.norm", z, y, true);
    x = graph_conv2d(graph, "c", x, 12, 3, 1, 1, false); /* channels not in eights */
    x = graph_norm(graph, "c.norm", x, -1, true);
    x = graph_global_pool(graph, "pool", x);
    check(graph_linear(graph, "fc", x, CLASSES));
}

struct trained {
    struct graph graph;
    struct plan plan;
    struct device *device;
    const void *pixels, *labels, *order;
    const struct backend *backend;
};

static void open_plan(struct trained *trained, const struct backend *backend, enum dtype dtype, bool apart)
{
    static uint8_t pixels[ROWS * SIDE * SIDE * CHANNELS];
    static int32_t labels[ROWS], order[ROWS];
    for (int i = 0; i < COUNT_OF(pixels); i++)
        pixels[i] = (uint8_t)(i * 37 + i / 29 * 11);
    for (int i = 0; i < ROWS; i++) {
        labels[i] = i % CLASSES;
        order[i] = i;
    }
    struct augment augment = {.out_h = SIDE, .out_w = SIDE};
    for (int c = 0; c < CHANNELS; c++) {
        augment.mean[c] = 0.5f;
        augment.std[c] = 0.3f;
    }
    const struct plan_options options = {
        .batch = ROWS,
        .dtype = dtype,
        .training = true,
        .apart = apart,
        .image = {1, SIDE, SIDE, CHANNELS},
        .augment_train = augment,
        .augment_eval = augment,
        .update = {.kind = OPTIMIZER_SGD, .momentum = 0.9, .grad_scale = 1.0f},
    };
    *trained = (struct trained){.backend = backend};
    check(backend->open(&trained->device, 0, 1));
    build_graph(&trained->graph);
    check(plan_build(&trained->plan, &trained->graph, backend, trained->device, &options));
    check(backend->place(trained->device, pixels, sizeof pixels, &trained->pixels));
    check(backend->place(trained->device, labels, sizeof labels, &trained->labels));
    check(backend->place(trained->device, order, sizeof order, &trained->order));
    plan_set_data(&trained->plan, trained->pixels, trained->labels, trained->order);
    check(plan_init_weights(&trained->plan, 3));
}

static void close_plan(struct trained *trained)
{
    trained->backend->unplace(trained->device, trained->pixels);
    trained->backend->unplace(trained->device, trained->labels);
    trained->backend->unplace(trained->device, trained->order);
    plan_free(&trained->plan);
    graph_free(&trained->graph);
    trained->backend->close(trained->device);
}

static void train(struct trained *trained, int from, int to)
{
    for (int step = from; step < to; step++)
        check(plan_train_batch(
            &trained->plan, &(struct step_control){.seed = 3, .step = step, .valid = ROWS, .lr = 0.05f}, true, true));
    check(trained->backend->wait(trained->device));
}

/* The norm of the difference over the norm, per weight. */
static void check_near(const char *what, struct trained *got, struct trained *wanted, enum slab_kind slab, double most)
{
    static float a[8192], b[8192];
    for (int v = 0; v < got->graph.value_count; v++) {
        const struct value *value = &got->graph.values[v];
        const int64_t count = shape_count(value->shape);
        if (value->role != (slab == SLAB_STATE ? VALUE_STATE : VALUE_PARAM))
            continue;
        if (slab == SLAB_GRAD && strcmp(value->name, "b3.bias") == 0)
            continue; /* of a bias before a normalisation: nothing but rounding */
        double apart = 0, whole = slab == SLAB_GRAD ? 1e-12 : 1e-4 * (double)count;
        assert_true(count <= COUNT_OF(a));
        check(plan_read_weight(&got->plan, slab, v, a));
        check(plan_read_weight(&wanted->plan, slab, v, b));
        for (int64_t i = 0; i < count; i++) {
            apart += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
            whole += (double)b[i] * (double)b[i];
        }
        if (!(sqrt(apart / whole) <= most))
            fail_msg("%s: %s of %s is off by %g, more than %g", what, slab_names[slab], value->name,
                     sqrt(apart / whole), most);
    }
}

static const char *names(const struct trained *trained, bool takes, char text[static 128])
{
    text[0] = '\0';
    for (int i = 0; i < trained->graph.node_count; i++) {
        const struct plan_join *join = &trained->plan.joins[i];
        if ((takes ? join->takes : join->gives_sums_to) >= 0)
            strcat(strcat(text, " "), trained->graph.nodes[i].name);
    }
    return text;
}

static void test_joins_what_it_can(void **state)
{
    (void)state;
    char text[128];
    struct trained joined, apart, exact;
    emu_reset_round(0);
    open_plan(&joined, &backend_cuda, DT_F16, false);
    assert_string_equal(names(&joined, false, text), " a1 a2 b1 b2 shortcut");
    assert_string_equal(names(&joined, true, text), " a2 b2 b3");
    open_plan(&apart, &backend_cuda, DT_F16, true);
    assert_string_equal(names(&apart, false, text), "");
    assert_string_equal(names(&apart, true, text), "");
    open_plan(&exact, &backend_cuda, DT_F32, false);
    assert_string_equal(names(&exact, false, text), "");
    close_plan(&exact);
    close_plan(&apart);
    close_plan(&joined);
}

/* Five steps: the last ones are replayed from a recording. */
static void test_joined_equals_apart(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct trained joined, apart;
        emu_reset_round(round);
        open_plan(&joined, &backend_cuda, DT_F16, false);
        open_plan(&apart, &backend_cuda, DT_F16, true);
        train(&joined, 0, 1);
        train(&apart, 0, 1);
        check_near("joined and apart", &joined, &apart, SLAB_GRAD, FIRST_NEAR);
        check_near("joined and apart", &joined, &apart, SLAB_STATE, STATES_NEAR);
        train(&joined, 1, STEPS);
        train(&apart, 1, STEPS);
        check_near("joined and apart", &joined, &apart, SLAB_PARAM, LAST_NEAR);
        close_plan(&apart);
        close_plan(&joined);
    }
}

static void test_joined_comes_near_the_cpu(void **state)
{
    (void)state;
    struct trained joined, exact;
    emu_reset_round(0);
    open_plan(&joined, &backend_cuda, DT_F16, false);
    open_plan(&exact, &backend_cpu, DT_F32, false);
    train(&joined, 0, STEPS);
    train(&exact, 0, STEPS);
    check_near("joined and CPU", &joined, &exact, SLAB_PARAM, CPU_NEAR);
    close_plan(&exact);
    close_plan(&joined);
}

/* The CPU leaves sums after every convolution, and adds gradients of what is read twice. */
static void test_the_cpu_joins_too(void **state)
{
    (void)state;
    static const struct {
        enum dtype dtype;
        double grad, state;
    } most[] = {{DT_F32, 1e-4, 1e-6}, {DT_BF16, 3e-2, 1e-4}};
    char text[128];
    for (int i = 0; i < COUNT_OF(most); i++) {
        struct trained joined, apart;
        open_plan(&joined, &backend_cpu, most[i].dtype, false);
        open_plan(&apart, &backend_cpu, most[i].dtype, true);
        assert_string_equal(names(&joined, false, text), " stem a1 a2 b1 b2 b3 shortcut c");
        assert_string_equal(names(&apart, false, text), "");
        assert_int_equal(joined.plan.gradient_sum_count, 0);
        train(&joined, 0, 1);
        train(&apart, 0, 1);
        check_near("the CPU, joined and apart", &joined, &apart, SLAB_GRAD, most[i].grad);
        check_near("the CPU, joined and apart", &joined, &apart, SLAB_STATE, most[i].state);
        close_plan(&apart);
        close_plan(&joined);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_joins_what_it_can),
        cmocka_unit_test(test_joined_equals_apart),
        cmocka_unit_test(test_joined_comes_near_the_cpu),
        cmocka_unit_test(test_the_cpu_joins_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
