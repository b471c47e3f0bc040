/* test_meet: the end of a residual block, where gradients of several readers meet: a convolution that does the
 * normalisation's backward pass there adds the others' gradient first. Which do, that gradients are what they are
 * without, and that what is read then is still there. What all joins have in common is test_join's. */
#include "emu.h"
#include "emu_cudnn.h"
#include "fixtures.h"
#include "trained.h"

#include <stdio.h>
#include <unistd.h>

extern const struct backend backend_cuda;

/* The race detector is slow, and kernels are the same in all tests. */
#ifdef EMU_TSAN
enum { ROUNDS = 1, LONG = 0 };
#else
enum { ROUNDS = 3, LONG = 1 };
#endif

/* Of a gradient's norm: two roundings of a sum against one, and the rectifiers that flips. */
static const double NEAR = 3e-3;

/* Two blocks with an identity, of which the second's input is the first's result, and one with a projection. */
static void build_graph(struct graph *graph)
{
    graph_begin(graph, "residual", (struct shape){1, TRAINED_SIDE, TRAINED_SIDE, TRAINED_CHANNELS});
    graph->class_count = TRAINED_CLASSES;
    int sum[2], x = graph_conv2d(graph, "stem", graph->input, 16, 3, 1, 1, false);
    x = graph_norm(graph, "stem.norm", x, -1, true); /* without addend: gradients are added by themselves */
    int y = graph_norm(graph, "a1.norm", graph_conv2d(graph, "a1", x, 8, 1, 1, 0, false), -1, true);
    x = graph_norm(graph, "a2.norm", graph_conv2d(graph, "a2", y, 16, 3, 1, 1, false), x, true);
    y = graph_norm(graph, "b1.norm", graph_conv2d(graph, "b1", x, 8, 1, 1, 0, false), -1, true);
    x = graph_norm(graph, "b2.norm", graph_conv2d(graph, "b2", y, 16, 3, 1, 1, false), x, true);
    y = graph_norm(graph, "c1.norm", graph_conv2d(graph, "c1", x, 8, 1, 1, 0, false), -1, true);
    y = graph_conv2d(graph, "c2", y, 32, 3, 2, 1, false);
    const int z = graph_norm(graph, "shortcut.norm", graph_conv2d(graph, "shortcut", x, 32, 1, 2, 0, false), -1, false);
    x = graph_norm(graph, "c2.norm", y, z, true); /* its addend is read by nobody else */
    y = graph_norm(graph, "d1.norm", graph_conv2d(graph, "d1", x, 16, 3, 1, 1, false), -1, true);
    x = graph_norm(graph, "d2.norm", graph_conv2d(graph, "d2", y, 32, 1, 1, 0, false), x, true);
    y = graph_conv2d(graph, "e", x, 32, 3, 2, 1, false); /* in strides, which no engine takes */
    sum[0] = graph_global_pool(graph, "e.pool", graph_norm(graph, "e.norm", y, -1, true));
    sum[1] = graph_global_pool(graph, "pool", x);
    x = graph_node(graph, "add", OP_ADD, &(union op_params){0}, sum, 2);
    trained_check(graph_linear(graph, "fc", x, TRAINED_CLASSES));
}

/* The nodes that are told of others' gradients. */
static void assert_met(const struct trained *trained, const char *wanted)
{
    char text[128] = "";
    for (int i = 0; i < trained->graph.node_count; i++)
        if (trained->plan.calls[i].met_grad)
            strcat(strcat(text, " "), trained->graph.nodes[i].name);
    assert_string_equal(text, wanted);
}

static void test_same_gradients(void **state)
{
    (void)state;
    for (int round = 0; round < emu_rounds(ROUNDS); round++) {
        struct trained met, unmet;
        emu_reset_round(round);
        trained_open(&met, build_graph, &backend_cuda, DT_F16, 0);
        assert_met(&met, " b1 c1 d1");
        emu_cudnn.refuses_met = true;
        trained_open(&unmet, build_graph, &backend_cuda, DT_F16, 0);
        emu_cudnn.refuses_met = false;
        assert_met(&unmet, "");
        assert_int_equal(unmet.plan.gradient_sum_count, met.plan.gradient_sum_count);
        trained_steps(&met, 0, 1);
        trained_steps(&unmet, 0, 1);
        trained_near("met and unmet", &met, &unmet, SLAB_GRAD, NEAR);
        trained_near("met and unmet", &met, &unmet, SLAB_STATE, 0.0);
        trained_close(&unmet);
        trained_close(&met);
    }
}

/* Were the addend or a sum written over before it is read, memory that is not shared would give other bits. */
static void test_shared_memory_changes_nothing(void **state)
{
    (void)state;
    struct trained shared, apart;
    if (!LONG)
        skip();
    emu_reset_round(0);
    trained_open(&shared, build_graph, &backend_cuda, DT_F16, 0);
    trained_open(&apart, build_graph, &backend_cuda, DT_F16, TRAINED_PRIVATE_BUFFERS);
    assert_true(shared.plan.slabs[SLAB_ACTIVATION].bytes < apart.plan.slabs[SLAB_ACTIVATION].bytes);
    trained_steps(&shared, 0, 4);
    trained_steps(&apart, 0, 4);
    trained_near("shared and private", &shared, &apart, SLAB_GRAD, 0.0);
    trained_near("shared and private", &shared, &apart, SLAB_PARAM, 0.0);
    trained_close(&apart);
    trained_close(&shared);
}

/* What is told before any memory is taken is no less than what is taken. */
static void test_measured_is_enough(void **state)
{
    (void)state;
    struct trained met;
    size_t bytes;
    emu_reset_round(0);
    trained_open(&met, build_graph, &backend_cuda, DT_F16, 0);
    trained_check(plan_measure(&met.graph, &backend_cuda, met.device, &met.plan.options, &bytes));
    assert_true(bytes >= plan_bytes(&met.plan));
    trained_close(&met);
}

/* Opens a network whose plans are chosen by time, and returns what was said on stderr; to free. */
static char *said_while_opening(struct trained *timed)
{
    const char *path = fixture_path("said");
    size_t bytes;
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fflush(stderr);
    const int kept = dup(STDERR_FILENO);
    dup2(fileno(file), STDERR_FILENO);
    trained_open(timed, build_graph, &backend_cuda, DT_F16, 0);
    fflush(stderr);
    dup2(kept, STDERR_FILENO);
    close(kept);
    fclose(file);
    uint8_t *read = fixture_read(path, &bytes);
    char *text = calloc(bytes + 1, 1);
    assert_non_null(text);
    memcpy(text, read, bytes);
    free(read);
    return text;
}

/* By the clock: with the addition of gradients in what the normalisation is spared. That it takes long is said once. */
static void test_met_by_the_clock(void **state)
{
    (void)state;
    static const struct {
        int ticks;
        const char *met;
    } cases[] = {{0, " b1 c1 d1"}, {9, ""}};
    if (!LONG)
        skip();
    setenv("EVENKEEL_CUDA_TUNE", "1", 1);
    for (int i = 0; i < COUNT_OF(cases); i++) {
        struct trained timed;
        emu_reset_round(0);
        setenv("XDG_CACHE_HOME", fixture_path("cache%d", i), 1);
        emu_cudnn = (struct emu_cudnn){.all = true, .backward_ticks = cases[i].ticks};
        char *said = said_while_opening(&timed);
        assert_int_equal(strstr(said, "trying all of cuDNN's plans") != NULL, i == 0);
        free(said);
        assert_met(&timed, cases[i].met);
        trained_close(&timed);
        assert_int_equal(emu_cudnn_alive(), 0);
    }
    emu_cudnn = (struct emu_cudnn){0};
    setenv("EVENKEEL_CUDA_TUNE", "0", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_gradients),
        cmocka_unit_test(test_shared_memory_changes_nothing),
        cmocka_unit_test(test_measured_is_enough),
        cmocka_unit_test(test_met_by_the_clock),
    };
    return cmocka_run_group_tests(tests, trained_begin, fixture_end);
}
