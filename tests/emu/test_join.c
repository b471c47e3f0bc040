/* test_join: convolutions that do part of their normalisations' work (cuDNN's joined engines, here by a stand-in; the
 * CPU's own) give what each operation gives by itself, and what the CPU backend gives, within rounding. */
#include "emu.h"
#include "emu_cudnn.h"
#include "fixtures.h"
#include "kernels/common/fp16.h"
#include "plan.h"
#include "trained.h"

#include <math.h>

extern const struct backend backend_cuda;

enum { STEPS = 5 };
#ifdef EMU_TSAN
enum { ROUNDS = 1, CASES = 1 }; /* it is slow */
#else
enum { ROUNDS = 3, CASES = 5 };
#endif

/* Of each weight's norm: after the first step, and after the last, when fp16's rounding has had its way. Where results
 * of normalisations are made by what reads them, factor and term are rounded besides, which moves whole channels by up
 * to 2^-11 and flips rectifiers behind them; that this is all that FIRST_MADE_NEAR lets pass is a test of its own. */
static const double FIRST_NEAR = 3e-3, FIRST_MADE_NEAR = 0.15, STATES_NEAR = 1e-3, LAST_NEAR = 0.1, CPU_NEAR = 0.15;
/* How much further from the exact gradient joined may be than apart; and what is nothing. */
static const double FURTHER = 1.25, NOTHING = 2e-3;

static bool pooling; /* in the CPU's own test: fp16 may take another of two values that are nearly the largest */

/* Two residual blocks, the second with a projection; chains of every kind, and every reason not to join. */
static void build_graph(struct graph *graph)
{
    graph_begin(graph, "blocks", (struct shape){1, TRAINED_SIDE, TRAINED_SIDE, TRAINED_CHANNELS});
    graph->class_count = TRAINED_CLASSES;
    int x = graph_conv2d(graph, "stem", graph->input, 16, 3, 1, 1, false); /* channels not in eights */
    x = graph_norm(graph, "stem.norm", x, -1, true); /* read twice: its backward pass is its own */
    int y = graph_conv2d(graph, "a1", x, 24, 3, 1, 1, false);
    y = graph_norm(graph, "a1.norm", y, -1, true);
    y = graph_conv2d(graph, "a2", y, 16, 3, 1, 1, false);
    x = graph_norm(graph, "a2.norm", y, x, true); /* with addend, read twice: b1's gradient is the last */
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
    if (pooling)
        x = graph_max_pool(graph, "max", x, 2, 2, 0); /* a row and a column are in no window */
    x = graph_global_pool(graph, "pool", x);
    trained_check(graph_linear(graph, "fc", x, TRAINED_CLASSES));
}

/* Of the nodes that give sums, then of those that take a normalisation, then of those that make its result. */
static void assert_joins(const struct trained *trained, const char *gives, const char *takes, const char *makes)
{
    const char *const wanted[] = {gives, takes, makes};
    char text[COUNT_OF(wanted)][128] = {""};
    for (int i = 0; i < trained->graph.node_count; i++) {
        const struct plan_join *join = &trained->plan.joins[i];
        const int with[] = {join->gives_sums_to, join->takes, join->makes};
        for (int k = 0; k < COUNT_OF(wanted); k++)
            if (with[k] >= 0)
                strcat(strcat(text[k], " "), trained->graph.nodes[i].name);
    }
    for (int k = 0; k < COUNT_OF(wanted); k++)
        assert_string_equal(text[k], wanted[k]);
}

static void test_joins_what_it_can(void **state)
{
    (void)state;
    struct trained joined, apart, exact;
    emu_reset_round(0);
    trained_open(&joined, build_graph, &backend_cuda, DT_F16, false);
    assert_joins(&joined, " a1 a2 b1 b2 shortcut", " a2 b1 b2 b3", " a2 b2");
    trained_open(&apart, build_graph, &backend_cuda, DT_F16, true);
    assert_joins(&apart, "", "", "");
    trained_open(&exact, build_graph, &backend_cuda, DT_F32, false);
    assert_joins(&exact, "", "", "");
    trained_close(&exact);
    trained_open(&exact, build_graph, &backend_cuda, DT_F16, TRAINED_DETERMINISTIC);
    assert_joins(&exact, " a1 a2 b1 b2 shortcut", "", " a2 b2");
    trained_close(&exact);
    trained_close(&apart);
    trained_close(&joined);
    emu_cudnn.refuses_joined = true;
    trained_open(&apart, build_graph, &backend_cuda, DT_F16, false);
    assert_joins(&apart, "", "", "");
    trained_close(&apart);
    emu_cudnn.refuses_joined = false;
}

static double evaluated(struct trained *trained)
{
    struct loss_sums sums;
    trained_check(plan_clear_sums(&trained->plan));
    trained_check(plan_eval_batch(&trained->plan, &(struct step_control){.valid = TRAINED_ROWS}));
    trained_check(plan_read_sums(&trained->plan, &sums));
    return sums.loss;
}

/* Five steps: the last ones are replayed from a recording. */
static void test_joined_equals_apart(void **state)
{
    (void)state;
    for (int round = 0; round < emu_rounds(ROUNDS); round++) {
        struct trained joined, apart;
        emu_reset_round(round);
        trained_open(&joined, build_graph, &backend_cuda, DT_F16, false);
        trained_open(&apart, build_graph, &backend_cuda, DT_F16, true);
        trained_steps(&joined, 0, 1);
        trained_steps(&apart, 0, 1);
        trained_near("joined and apart", &joined, &apart, SLAB_GRAD, FIRST_MADE_NEAR);
        trained_near("joined and apart", &joined, &apart, SLAB_STATE, STATES_NEAR);
        trained_steps(&joined, 1, STEPS);
        trained_steps(&apart, 1, STEPS);
        trained_near("joined and apart", &joined, &apart, SLAB_PARAM, LAST_NEAR);
        const double joined_loss = evaluated(&joined), apart_loss = evaluated(&apart);
        if (!(fabs(joined_loss - apart_loss) <= LAST_NEAR * apart_loss))
            fail_msg("evaluation: loss %.9g joined, %.9g apart", joined_loss, apart_loss);
        trained_close(&apart);
        trained_close(&joined);
    }
}

static int value_named(const struct graph *graph, const char *name)
{
    for (int v = 0; v < graph->value_count; v++)
        if (strcmp(graph->values[v].name, name) == 0)
            return v;
    fail_msg("no %s", name);
    return -1;
}

/* Of a normalisation whose result is made by what reads it: changes scale and bias so that factor and term, with the
 * statistics of the step that ran last, are numbers of fp16. */
static void make_exact(struct trained *trained, const char *norm, float *scale, float *bias)
{
    char scale_name[32], bias_name[32];
    float saved[2 * 32];
    snprintf(scale_name, sizeof scale_name, "%s.weight", norm);
    snprintf(bias_name, sizeof bias_name, "%s.bias", norm);
    const int scale_value = value_named(&trained->graph, scale_name),
              bias_value = value_named(&trained->graph, bias_name);
    const int channels = trained->graph.values[scale_value].shape.c;
    int node = 0;
    while (strcmp(trained->graph.nodes[node].name, norm) != 0)
        node++;
    assert_true(channels % 4 == 0 && 2 * channels <= COUNT_OF(saved));
    trained_check(trained->backend->download(trained->device, saved, trained->plan.calls[node].saved,
                                             sizeof(float) * 2 * (size_t)channels)); /* SAVED_MEAN, SAVED_INVERSE */
    trained_check(plan_read_weight(&trained->plan, SLAB_PARAM, scale_value, scale));
    trained_check(plan_read_weight(&trained->plan, SLAB_PARAM, bias_value, bias));
    trained_check(trained->backend->wait(trained->device));
    for (int c = 0; c < channels; c++) {
        const double mean = (double)saved[c], inverse = (double)saved[channels + c];
        const double factor = (double)fp16_to_float(fp16_from_float((float)(inverse * (double)scale[c])));
        const double term = (double)fp16_to_float(fp16_from_float((float)((double)bias[c] - mean * factor)));
        scale[c] = (float)(factor / inverse);
        bias[c] = (float)(term + mean * factor);
    }
    trained_check(plan_write_weight(&trained->plan, SLAB_PARAM, scale_value, scale));
    trained_check(plan_write_weight(&trained->plan, SLAB_PARAM, bias_value, bias));
}

/* Where factor and term need no rounding, those that make a normalisation's result differ no more than the others. */
static void test_made_differs_by_the_rounding_of_factors_alone(void **state)
{
    (void)state;
    static const char *const norms[] = {"a1.norm", "b1.norm"};
    struct trained trained[2];
    float scale[COUNT_OF(norms)][32], bias[COUNT_OF(norms)][32];
    emu_reset_round(0);
    trained_open(&trained[0], build_graph, &backend_cuda, DT_F16, true);
    for (int i = 0; i < COUNT_OF(norms); i++) {
        trained_check(
            plan_train_batch(&trained[0].plan, &(struct step_control){.seed = 3, .valid = TRAINED_ROWS}, true, true));
        make_exact(&trained[0], norms[i], scale[i], bias[i]);
    }
    trained_close(&trained[0]);
    for (int apart = 0; apart < 2; apart++) {
        char name[32];
        trained_open(&trained[apart], build_graph, &backend_cuda, DT_F16, apart);
        for (int i = 0; i < COUNT_OF(norms); i++) {
            const struct graph *graph = &trained[apart].graph;
            snprintf(name, sizeof name, "%s.weight", norms[i]);
            trained_check(plan_write_weight(&trained[apart].plan, SLAB_PARAM, value_named(graph, name), scale[i]));
            snprintf(name, sizeof name, "%s.bias", norms[i]);
            trained_check(plan_write_weight(&trained[apart].plan, SLAB_PARAM, value_named(graph, name), bias[i]));
        }
        trained_steps(&trained[apart], 0, 1);
    }
    assert_joins(&trained[0], " a1 a2 b1 b2 shortcut", " a2 b1 b2 b3", " a2 b2");
    trained_near("joined and apart, factors exact", &trained[0], &trained[1], SLAB_GRAD, FIRST_NEAR);
    trained_near("joined and apart, factors exact", &trained[0], &trained[1], SLAB_STATE, STATES_NEAR);
    trained_close(&trained[1]);
    trained_close(&trained[0]);
}

/* Joined, gradients are no further from those in fp32 than each operation by itself leaves them. */
static void test_joined_is_as_near_the_cpu_as_apart(void **state)
{
    (void)state;
    struct trained joined, apart, exact;
    emu_reset_round(0);
    trained_open(&joined, build_graph, &backend_cuda, DT_F16, false);
    trained_open(&apart, build_graph, &backend_cuda, DT_F16, true);
    trained_open(&exact, build_graph, &backend_cpu, DT_F32, false);
    trained_steps(&joined, 0, 1);
    trained_steps(&apart, 0, 1);
    trained_steps(&exact, 0, 1);
    const double scale = exp2(LOSS_SCALE_START);
    for (int v = -1; (v = trained_next(&joined, SLAB_GRAD, v)) >= 0;) {
        const double near = trained_distance(&joined, &exact, SLAB_GRAD, v, scale),
                     most = FURTHER * trained_distance(&apart, &exact, SLAB_GRAD, v, scale) + NOTHING;
        if (!(near <= most))
            fail_msg("the gradient of %s is off by %g, more than %g", joined.graph.values[v].name, near, most);
    }
    trained_steps(&joined, 1, STEPS);
    trained_steps(&exact, 1, STEPS);
    trained_near("joined and CPU", &joined, &exact, SLAB_PARAM, CPU_NEAR);
    trained_close(&exact);
    trained_close(&apart);
    trained_close(&joined);
}

/* Of the one normalisation that a maximum pooling comes after. */
static const char *pooling_of(const struct trained *trained)
{
    for (int i = 0; i < trained->graph.node_count; i++)
        if (trained->plan.joins[i].pools >= 0)
            return trained->graph.nodes[i].name;
    return "";
}

/* The CPU leaves sums after every convolution, adds gradients of what is read twice, and pools with the rectifier. */
static void test_the_cpu_joins_too(void **state)
{
    (void)state;
    static const struct {
        enum dtype dtype;
        double grad, state;
        const char *makes; /* of few channels windows are packed, which makes nothing */
    } most[] = {{DT_F32, 1e-4, 1e-6, " a2 b2 b3"}, {DT_BF16, 3e-2, 1e-4, " a2 b3"}};
    pooling = true;
    for (int i = 0; i < COUNT_OF(most); i++) {
        struct trained joined, apart;
        trained_open(&joined, build_graph, &backend_cpu, most[i].dtype, false);
        trained_open(&apart, build_graph, &backend_cpu, most[i].dtype, true);
        assert_joins(&joined, " stem a1 a2 b1 b2 b3 shortcut c", "", most[i].makes);
        assert_joins(&apart, "", "", "");
        assert_int_equal(joined.plan.gradient_sum_count, 0);
        assert_string_equal(pooling_of(&joined), "c.norm");
        assert_string_equal(pooling_of(&apart), "");
        trained_steps(&joined, 0, 1);
        trained_steps(&apart, 0, 1);
        trained_near("the CPU, joined and apart", &joined, &apart, SLAB_GRAD, most[i].grad);
        trained_near("the CPU, joined and apart", &joined, &apart, SLAB_STATE, most[i].state);
        trained_close(&apart);
        trained_close(&joined);
    }
}

/* Each pass is joined where that is faster by the clock; what the normalisations are spared is measured by running
 * them. */
static void test_joins_by_the_clock(void **state)
{
    (void)state;
    static const struct {
        struct emu_cudnn cudnn;
        const char *gives, *takes, *makes;
    } cases[] = {
        {{.all = true}, " a1 a2 b1 b2 shortcut", " a2 b1 b2 b3", " a2 b2"},
        {{.all = true, .made_ticks = 9}, " a1 a2 b1 b2 shortcut", " a2 b1 b2 b3", ""},
        {{.all = true, .made_ticks = 9, .sums_ticks = 9}, "", " a2 b1 b2 b3", ""},
        {{.all = true, .sums_ticks = 9, .backward_ticks = 9}, " a2 b2", "", " a2 b2"},
        {{.all = true, .made_ticks = 9, .sums_ticks = 9, .backward_ticks = 9}, "", "", ""},
    };
    setenv("EVENKEEL_CUDA_TUNE", "1", 1);
    for (int i = 0; i < CASES; i++) {
        struct trained timed, apart;
        emu_reset_round(0);
        setenv("XDG_CACHE_HOME", fixture_path("cache%d", i), 1);
        emu_cudnn = cases[i].cudnn;
        trained_open(&timed, build_graph, &backend_cuda, DT_F16, false);
        assert_joins(&timed, cases[i].gives, cases[i].takes, cases[i].makes);
        const int joined_before = emu_cudnn_joined();
        trained_steps(&timed, 0, 1);
        assert_int_equal(emu_cudnn_joined() > joined_before, *cases[i].gives || *cases[i].takes);
        trained_open(&apart, build_graph, &backend_cuda, DT_F16, true);
        trained_steps(&apart, 0, 1);
        trained_near("timed and apart", &timed, &apart, SLAB_GRAD, *cases[i].makes ? FIRST_MADE_NEAR : FIRST_NEAR);
        trained_close(&apart);
        trained_close(&timed);
        const int runs = emu_cudnn_runs();
        trained_open(&timed, build_graph, &backend_cuda, DT_F16, false); /* all by what was kept */
        assert_joins(&timed, cases[i].gives, cases[i].takes, cases[i].makes);
        assert_int_equal(emu_cudnn_runs(), runs);
        trained_close(&timed);
        assert_int_equal(emu_cudnn_alive(), 0);
    }
    emu_cudnn = (struct emu_cudnn){0};
    setenv("EVENKEEL_CUDA_TUNE", "0", 1);
    setenv("XDG_CACHE_HOME", fixture_path("empty"), 1);
}

/* cuDNN's rectifier makes 0 of what is not a number: the step is refused all the same, and the tensor named. */
static void test_overflow_is_not_rectified_away(void **state)
{
    (void)state;
    static float weights[24 * 3 * 3 * 16], after[COUNT_OF(weights)];
    struct trained joined;
    struct step_record record;
    char text[512] = "";
    emu_reset_round(0);
    trained_open(&joined, build_graph, &backend_cuda, DT_F16, false);
    const int value = value_named(&joined.graph, "a1.weight");
    for (int i = 0; i < COUNT_OF(weights); i++)
        weights[i] = 3e4f; /* fp16's largest is 65504 */
    trained_check(plan_write_weight(&joined.plan, SLAB_PARAM, value, weights));
    trained_steps(&joined, 0, 1);
    assert_true(plan_record(&joined.plan, 0, &record));
    assert_int_equal(record.bad, REFUSED_SCALE);
    assert_true(isfinite(record.loss));
    trained_check(plan_read_weight(&joined.plan, SLAB_PARAM, value, after));
    assert_memory_equal(after, weights, sizeof weights);
    const struct step_control again = {.seed = 3, .valid = TRAINED_ROWS, .lr = 0.05f};
    assert_int_equal(plan_find_nonfinite(&joined.plan, &again, text, sizeof text), 1);
    if (!strstr(text, "the output of a1 (forward"))
        fail_msg("%s", text);
    trained_close(&joined);
}

static void survey(struct trained *trained, struct layer_stats *layers)
{
    struct step_record record;
    const struct step_control control = {.seed = 3, .valid = TRAINED_ROWS, .lr = 0.05f};
    trained_check(plan_survey_begin(&trained->plan, &control));
    trained_check(plan_train_batch(&trained->plan, &control, true, true));
    trained_check(plan_survey_end(&trained->plan));
    trained_check(trained->backend->wait(trained->device));
    assert_true(plan_record(&trained->plan, 0, &record));
    trained_check(plan_survey_read(&trained->plan, &record, layers));
}

/* Who looks at layers sees what a step never writes, too. */
static void test_layers_are_surveyed_as_if_apart(void **state)
{
    (void)state;
    struct layer_stats joined_layers[32], apart_layers[32];
    struct trained joined, apart;
    emu_reset_round(0);
    trained_open(&joined, build_graph, &backend_cuda, DT_F16, false);
    trained_open(&apart, build_graph, &backend_cuda, DT_F16, true);
    assert_true(joined.graph.node_count <= COUNT_OF(joined_layers));
    survey(&joined, joined_layers);
    survey(&apart, apart_layers);
    for (int i = 0; i < joined.graph.node_count; i++)
        if (!(fabs((double)(joined_layers[i].mean - apart_layers[i].mean)) <=
              2e-3 * (double)apart_layers[i].deviation) ||
            !(fabs((double)(joined_layers[i].positive - apart_layers[i].positive)) <= 2e-3))
            fail_msg("%s: mean %g, positive %g; apart %g, %g", joined.graph.nodes[i].name,
                     (double)joined_layers[i].mean, (double)joined_layers[i].positive, (double)apart_layers[i].mean,
                     (double)apart_layers[i].positive);
    trained_close(&apart);
    trained_close(&joined);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_joins_what_it_can),
        cmocka_unit_test(test_joined_equals_apart),
        cmocka_unit_test(test_made_differs_by_the_rounding_of_factors_alone),
        cmocka_unit_test(test_joined_is_as_near_the_cpu_as_apart),
        cmocka_unit_test(test_the_cpu_joins_too),
        cmocka_unit_test(test_joins_by_the_clock),
        cmocka_unit_test(test_overflow_is_not_rectified_away),
        cmocka_unit_test(test_layers_are_surveyed_as_if_apart),
    };
    return cmocka_run_group_tests(tests, trained_begin, fixture_end);
}
