/* test_custom: networks of [[layer]] sections: built as written, and each mistake reported with its line. */
#include "config.h"
#include "graph.h"
#include "mistakes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka wants the standard headers first */
#include <cmocka.h>

enum { SIZE = 12, CHANNELS = 3, CLASSES = 4 };

static void expect_custom_error(const struct config_layer *layers, int count, const char *text)
{
    struct config config = {.model = {.name = MODEL_CUSTOM}, .layer_count = count};
    strcpy(config.file, "net.ini");
    config.layers = (struct config_layer *)layers;
    struct graph graph = {0};
    const int status = model_build(&graph, &config, (struct shape){1, SIZE, SIZE, CHANNELS}, CLASSES);
    graph_free(&graph);
    if (!text) {
        if (status < 0)
            fail_msg("%s", fail_text());
        return;
    }
    assert_int_equal(status, ERR_CONFIG);
    if (!strstr(fail_text(), text))
        fail_msg("expected \"%s\" in: %s", text, fail_text());
}

#define LAYER(...)                                                                                                     \
    {                                                                                                                  \
        .filters = -1, .units = -1, .kernel = -1, .stride = -1, .pad = -1, .groups = -1, __VA_ARGS__                   \
    }

static void test_custom_networks(void **state)
{
    (void)state;
    const struct config_layer good[] = {
        LAYER(.line = 3, .type = "conv", .name = "conv1"),
        LAYER(.line = 6, .type = "norm", .name = "norm2", .relu = true),
        LAYER(.line = 8, .type = "conv", .name = "conv3"),
        LAYER(.line = 11, .type = "add", .name = "add4", .from = "norm2"),
        LAYER(.line = 14, .type = "flatten", .name = "flatten5"),
        LAYER(.line = 16, .type = "linear", .name = "out"),
    };
    struct config_layer layers[COUNT_OF(good)];
    memcpy(layers, good, sizeof layers);
    layers[0].filters = layers[2].filters = 8;
    expect_custom_error(layers, COUNT_OF(layers), NULL);
    layers[2].filters = 9;
    expect_custom_error(layers, COUNT_OF(layers), "net.ini:11: error: add4: cannot add 1x12x12x8 to 1x12x12x9");
    layers[2].filters = 8;
    layers[0].kernel = 30;
    layers[0].pad = 1;
    expect_custom_error(layers, COUNT_OF(layers),
                        "net.ini:3: error: conv1: the 30x30 kernel is larger than the padded input");
    layers[0].kernel = 255;
    layers[0].pad = 254;
    layers[0].filters = 1 << 20;
    expect_custom_error(layers, COUNT_OF(layers),
                        "net.ini:3: error: conv1: 1048576 filters of 255x255x3 are more than");
    layers[0].filters = 8;
    layers[0].kernel = layers[0].pad = -1;
    layers[5].units = 7;
    expect_custom_error(layers, COUNT_OF(layers),
                        "net.ini:16: error: the last layer gives 1x1x1x7, but the data has 4 classes");
}

/* What a section leaves out. */
static void test_left_out(void **state)
{
    (void)state;
    struct config_layer layers[] = {
        LAYER(.line = 3, .type = "conv", .name = "conv"),
        LAYER(.line = 6, .type = "max_pool", .name = "max"),
        LAYER(.line = 8, .type = "avg_pool", .name = "average"),
        LAYER(.line = 9, .type = "linear", .name = "out"),
    };
    layers[0].filters = 8;
    layers[1].kernel = 3;
    struct config config = {.model = {.name = MODEL_CUSTOM}, .layers = layers, .layer_count = COUNT_OF(layers)};
    struct graph graph = {0};
    if (model_build(&graph, &config, (struct shape){1, SIZE, SIZE, CHANNELS}, CLASSES) < 0)
        fail_msg("%s", fail_text());
    /* 3x3 with a border that keeps the size, windows side by side, of 2x2, a unit for each class. */
    static const struct shape shapes[] = {{1, 12, 12, 8}, {1, 4, 4, 8}, {1, 2, 2, 8}, {1, 1, 1, CLASSES}};
    assert_int_equal(graph.node_count, COUNT_OF(shapes));
    assert_int_equal(graph.nodes[0].params.conv2d.kernel_h, 3);
    for (int i = 0; i < COUNT_OF(shapes); i++)
        assert_true(shape_equal(graph.values[graph.nodes[i].out].shape, shapes[i]));
    graph_free(&graph);
}

/* After one that failed: what would fail with any input is told too, what only follows from it is not. */
static void test_all_layers_judged(void **state)
{
    (void)state;
    struct config_layer layers[] = {
        LAYER(.line = 3, .type = "conv", .name = "small"),
        LAYER(.line = 7, .type = "max_pool", .name = "pool"), /* of 2x2 pixels */
        LAYER(.line = 9, .type = "conv", .name = "groups"),
        LAYER(.line = 13, .type = "avg_pool", .name = "padded"),
        LAYER(.line = 17, .type = "add", .name = "sum", .from = "pool"),
        LAYER(.line = 20, .type = "linear", .name = "hidden"),
        LAYER(.line = 23, .type = "max_pool", .name = "late"), /* of 1x1 pixels */
        LAYER(.line = 25, .type = "linear", .name = "out"),
    };
    layers[0].filters = 8;
    layers[0].kernel = 11;
    layers[0].pad = 0;
    layers[1].kernel = layers[3].kernel = 3;
    layers[2].filters = 6;
    layers[2].groups = 4;
    layers[3].pad = 2;
    layers[5].units = 7;
    layers[7].units = 5;
    static const struct mistake expected[] = {
        {7, "pool: the 3x3 window is larger than the padded input, 2x2"},
        {9, "groups: groups = 4 must divide the 6 filters"},
        {13, "padded: pad = 2 must be at most half the window, 3"},
        {23, "late: the 2x2 window is larger than the padded input, 1x1"},
        {25, "the last layer gives 1x1x1x5, but the data has 4 classes"},
    };
    struct config config = {.model = {.name = MODEL_CUSTOM}, .layers = layers, .layer_count = COUNT_OF(layers)};
    struct mistakes mistakes = {0};
    model_judge(&config, (struct shape){1, SIZE, SIZE, CHANNELS}, CLASSES, &mistakes);
    assert_int_equal(mistakes.count, COUNT_OF(expected));
    for (int i = 0; i < COUNT_OF(expected); i++) {
        assert_int_equal(mistakes.shown[i].origin, expected[i].origin);
        assert_memory_equal(mistakes.shown[i].text, expected[i].text, strlen(expected[i].text));
    }
    assert_int_equal(mistakes_tell(&mistakes, NULL), ERR_CONFIG);
    assert_non_null(strstr(fail_text(), ":7: error: pool"));
}

/* What everything after it is computed from: beside what a sum reads from further back, nothing is. */
static void test_bottleneck(void **state)
{
    (void)state;
    struct config_layer layers[] = {
        LAYER(.line = 3, .type = "conv", .name = "wide"),
        LAYER(.line = 6, .type = "conv", .name = "beside"),
        LAYER(.line = 7, .type = "conv", .name = "beside too"),
        LAYER(.line = 8, .type = "conv", .name = "back"),
        LAYER(.line = 11, .type = "add", .name = "sum", .from = "wide"),
        LAYER(.line = 14, .type = "linear", .name = "few"),
        LAYER(.line = 15, .type = "linear", .name = "more"),
        LAYER(.line = 16, .type = "linear", .name = "out"),
    };
    layers[0].filters = layers[3].filters = 8;
    layers[1].filters = layers[2].filters = 1;
    layers[6].units = 9;
    struct config config = {.model = {.name = MODEL_CUSTOM}, .layer_count = COUNT_OF(layers), .layers = layers};
    static const struct {
        int units;
        int64_t fewest;
        const char *name;
    } cases[] = {{3, 3, "few"}, {20, 9, "more"}};
    for (int i = 0; i < COUNT_OF(cases); i++) {
        struct graph graph = {0};
        const struct node *node;
        layers[5].units = cases[i].units;
        if (model_build(&graph, &config, (struct shape){1, SIZE, SIZE, CHANNELS}, CLASSES) < 0)
            fail_msg("%s", fail_text());
        assert_int_equal(graph_bottleneck(&graph, &node), cases[i].fewest);
        assert_string_equal(node->name, cases[i].name);
        graph_free(&graph);
    }
    /* The filters beside the sum are none: 144 numbers that 1152 others are added to. */
    memmove(layers + 5, layers + 7, sizeof layers[0]);
    config.layer_count = 6;
    struct graph graph = {0};
    const struct node *node;
    assert_int_equal(model_build(&graph, &config, (struct shape){1, SIZE, SIZE, CHANNELS}, CLASSES), OK);
    assert_int_equal(graph_bottleneck(&graph, &node), 8 * SIZE * SIZE);
    graph_free(&graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_custom_networks), cmocka_unit_test(test_left_out),
                                       cmocka_unit_test(test_all_layers_judged), cmocka_unit_test(test_bottleneck)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
