/* test_cuda_plans: cuDNN plans every convolution of the zoo in every precision for a GPU that is only described, so
 * that neither GPU nor driver is needed. Skipped where the CUDA backend is not built. */
#include "config.h"
#include "described.h"
#include "fixtures.h"
#include "graph.h"

#ifdef WITH_CUDA
/* Of kernels/cuda/cuda.h, which is private. */
struct cuda_symbol {
    const char *name;
    void **at;
};
int cuda_library_load(const char *file, const char *product, const struct cuda_symbol *symbols);
/* In 16 bits the first convolution takes images whose channels are padded. */
static void plan_first(const struct node *node, struct shape in, struct shape out)
{
    for (enum dtype dtype = DT_F32; dtype <= DT_F16; dtype++) {
        struct op_needs needs;
        const struct op_desc desc = {.dtype = dtype, .first = true};
        if (described_prepare(&desc, &node->params, in, out, &needs) < 0)
            fail_msg("%s first: %s", node->name, fail_text());
        const int channels = dtype == DT_F32 ? in.c : 4,
                  taps = node->params.conv2d.kernel_h * node->params.conv2d.kernel_w;
        assert_int_equal(needs.in_channels, dtype == DT_F32 ? 0 : channels);
        assert_int_equal(needs.weight[0].count, out.c * taps * channels);
    }
}

/* Convolutions with a normalisation next to them whose work they could do, and those that have a plan for it. */
enum { SUMS, BACKWARD, MADE, MET, JOINS };
struct joined {
    int possible[JOINS], done[JOINS];
};

/* Whether a normalisation with addend makes this node's input, and gradients meet there, this node's last. */
static bool is_met(const struct graph *graph, int number)
{
    const int value = graph->nodes[number].in[0];
    bool made = false, first = true, others = false;
    for (int i = 0; i < graph->node_count; i++) {
        const struct node *node = &graph->nodes[i];
        made |= node->out == value && node->op == OP_NORM && node->params.norm.add;
        for (int k = 0; k < node->in_count; k++) {
            first &= i >= number || node->in[k] != value;
            others |= i > number && node->in[k] == value;
        }
    }
    return made && first && others;
}

static struct op_needs joined_needs(const struct node *node, struct shape in, struct shape out, struct op_desc desc)
{
    struct op_needs needs;
    desc.dtype = DT_F16;
    desc.in_grad[0] = true;
    if (described_prepare(&desc, &node->params, in, out, &needs) < 0)
        fail_msg("%s joined: %s", node->name, fail_text());
    return needs;
}

/* In fp16 a convolution of channels in eights can be joined with the normalisations next to it; with one with addend
 * where its stride is 1. */
static void plan_joined(const struct graph *graph, int number, struct shape in, struct shape out, struct joined *joined)
{
    const struct node *node = &graph->nodes[number];
    const bool eights = in.c % 8 == 0 && out.c % 8 == 0 && node->params.conv2d.groups == 1;
    bool before = false, after = false;
    for (int i = 0; i < graph->node_count; i++) {
        const struct node *other = &graph->nodes[i];
        after |= other->op == OP_NORM && other->in[0] == node->out;
        before |= other->op == OP_NORM && other->out == node->in[0] && !other->params.norm.add;
    }
    const struct op_needs needs =
        joined_needs(node, in, out, (struct op_desc){.norm_before = before, .norm_after = after});
    const bool sums = after && eights && !node->params.conv2d.bias, back = before && eights;
    const bool meets = is_met(graph, number) && eights && node->params.conv2d.stride == 1,
               met = meets && joined_needs(node, in, out, (struct op_desc){.norm_met = true}).takes_norm;
    const bool possible[] = {sums, back, sums && back, meets},
               done[] = {needs.gives_sums, needs.takes_norm, needs.makes_norm, met};
    for (int i = 0; i < JOINS; i++) {
        assert_true(possible[i] || !done[i]);
        joined->possible[i] += possible[i];
        joined->done[i] += done[i];
    }
}

/* Every convolution of a network, in every precision. */
static struct joined plan_model(enum model_kind kind, enum stem_kind stem, struct shape image, int batch)
{
    const struct config config = {
        .model = {.name = kind, .stem = stem, .width = 32, .hidden = 128, .batch_norm = true}};
    struct graph graph;
    assert_int_equal(model_build(&graph, &config, image, 10), OK);
    int convolutions = 0;
    struct joined joined = {0};
    for (int i = 0; i < graph.node_count; i++) {
        const struct node *node = &graph.nodes[i];
        if (node->op != OP_CONV2D)
            continue;
        convolutions++;
        struct shape in = graph.values[node->in[0]].shape, out = graph.values[node->out].shape;
        in.n = out.n = batch;
        for (enum dtype dtype = DT_F32; dtype <= DT_F16; dtype++)
            if (described_conv(&node->params, in, out, dtype, false) < 0)
                fail_msg("%s: %s", node->name, fail_text());
        if (described_conv(&node->params, in, out, DT_F32, true) < 0)
            fail_msg("%s in TF32: %s", node->name, fail_text());
        plan_joined(&graph, i, in, out, &joined);
        if (node->in[0] == graph.input)
            plan_first(node, in, out);
    }
    assert_true(convolutions > 0);
    graph_free(&graph);
    return joined;
}

/* On an H200 all that is possible has plans, of which a ResNet has twenty at least. */
static void check_joined(struct joined joined, int least)
{
    int done = 0;
    for (int i = 0; i < JOINS; i++) {
        assert_int_equal(joined.done[i], joined.possible[i]);
        done += joined.done[i];
    }
    assert_true(done >= least);
}

static void test_small_cnn(void **state)
{
    (void)state;
    check_joined(plan_model(MODEL_SMALL_CNN, STEM_AUTO, (struct shape){1, 28, 28, 1}, 128), 0);
    check_joined(plan_model(MODEL_SMALL_CNN, STEM_AUTO, (struct shape){1, 64, 64, 3}, 128), 0);
}

static void test_resnets_on_small_images(void **state)
{
    (void)state;
    for (enum model_kind kind = MODEL_RESNET18; kind <= MODEL_RESNET50; kind++)
        check_joined(plan_model(kind, STEM_CIFAR, (struct shape){1, 32, 32, 3}, 512), 20);
}

static void test_resnets_on_large_images(void **state)
{
    (void)state;
    for (enum model_kind kind = MODEL_RESNET18; kind <= MODEL_RESNET50; kind++)
        check_joined(plan_model(kind, STEM_IMAGENET, (struct shape){1, 224, 224, 3}, 256), 20);
}

/* The other kinds of GPU that the program is compiled for: every kind of layer in every precision. cuDNN has what joins
 * a forward pass up to sm_100, what joins a backward pass everywhere, here and there not for all shapes. */
static void test_other_gpus(void **state)
{
    (void)state;
    static const int capabilities[] = {80, 89, 100, 120};
    for (int i = 0; i < COUNT_OF(capabilities); i++) {
        assert_int_equal(described_use(capabilities[i]), OK);
        plan_model(MODEL_SMALL_CNN, STEM_AUTO, (struct shape){1, 28, 28, 1}, 128);
        const struct joined of = plan_model(MODEL_RESNET50, STEM_IMAGENET, (struct shape){1, 224, 224, 3}, 256);
        print_message("# sm_%d: sums %d of %d, backward %d of %d, result %d of %d, meeting %d of %d\n", capabilities[i],
                      of.done[SUMS], of.possible[SUMS], of.done[BACKWARD], of.possible[BACKWARD], of.done[MADE],
                      of.possible[MADE], of.done[MET], of.possible[MET]);
        assert_true(of.done[BACKWARD] > 0);
        if (capabilities[i] <= 100) {
            assert_int_equal(of.done[SUMS], of.possible[SUMS]);
            assert_int_equal(of.done[MADE], of.possible[MADE]);
        }
    }
    assert_int_equal(described_use(90), OK);
}

static void test_odd_shapes(void **state)
{
    (void)state;
    static const struct {
        struct shape in, out;
        union op_params params;
    } odd[] = {
        {{1, 7, 5, 3}, {1, 7, 5, 5}, {.conv2d = {5, 3, 3, 1, 1, 1, 1, true}}},
        {{3, 15, 14, 10}, {3, 8, 7, 20}, {.conv2d = {20, 3, 3, 2, 1, 1, 5, true}}},
        {{8, 16, 16, 8}, {8, 16, 16, 8}, {.conv2d = {8, 3, 3, 1, 1, 1, 8, false}}},
        {{2, 9, 9, 4}, {2, 9, 9, 7}, {.conv2d = {7, 1, 5, 1, 0, 2, 1, false}}},
    };
    for (int i = 0; i < COUNT_OF(odd); i++)
        for (enum dtype dtype = DT_F32; dtype <= DT_F16; dtype++)
            if (described_conv(&odd[i].params, odd[i].in, odd[i].out, dtype, false) < 0)
                fail_msg("case %d: %s", i, fail_text());
}

/* The output's shape is not the convolution's. */
static void test_says_what_it_cannot_plan(void **state)
{
    (void)state;
    const union op_params params = {.conv2d = {8, 1, 1, 1, 0, 0, 1, false}};
    const struct shape in = {4, 8, 8, 8}, wrong = {4, 9, 9, 8};
    CHECK_FAILS(described_conv(&params, in, wrong, DT_F32, false), ERR_DEVICE, "cuDNN: ", "BAD_PARAM");
}

static void test_says_what_it_cannot_load(void **state)
{
    (void)state;
    void *found[2] = {NULL, NULL};
    const struct cuda_symbol symbols[] = {{"malloc", &found[0]}, {"cudnnFlyToTheMoon", &found[1]}, {0}};
    CHECK_FAILS(cuda_library_load("libnowhere.so.9", "cuDNN 9.8", symbols), ERR_DEVICE, "libnowhere.so.9",
                "install cuDNN 9.8", "train.device = \"cpu\"");
    assert_null(found[0]);
    CHECK_FAILS(cuda_library_load("libc.so.6", "cuDNN 9.8", symbols), ERR_DEVICE, "libc.so.6 has no cudnnFlyToTheMoon");
    assert_non_null(found[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_says_what_it_cannot_load),
        cmocka_unit_test(test_small_cnn),
        cmocka_unit_test(test_resnets_on_small_images),
        cmocka_unit_test(test_resnets_on_large_images),
        cmocka_unit_test(test_other_gpus),
        cmocka_unit_test(test_odd_shapes),
        cmocka_unit_test(test_says_what_it_cannot_plan),
    };
    return cmocka_run_group_tests(tests, described_begin, described_end);
}
#else
static void test_without_cuda(void **state)
{
    (void)state;
    skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_without_cuda)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
