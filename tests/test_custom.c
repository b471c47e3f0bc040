/* test_custom: networks of [[layer]] sections: built as written, and each mistake reported with its line. */
#include "config.h"
#include "graph.h"

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
    expect_custom_error(layers, COUNT_OF(layers), "net.ini:11: add4: cannot add 1x12x12x8 to 1x12x12x9");
    layers[2].filters = 8;
    layers[3].from[0] = 'x';
    expect_custom_error(layers, COUNT_OF(layers), "net.ini:11: add4: from = \"xorm2\" names no earlier layer");
    layers[3].from[0] = 'n';
    layers[0].kernel = 30;
    layers[0].pad = 1;
    expect_custom_error(layers, COUNT_OF(layers), "net.ini:3: conv1: the 30x30 kernel is larger than the padded input");
    layers[0].kernel = 255;
    layers[0].pad = 254;
    layers[0].filters = 1 << 20;
    expect_custom_error(layers, COUNT_OF(layers), "net.ini:3: conv1: 1048576 filters of 255x255x3 are more than");
    layers[0].filters = 8;
    layers[0].kernel = layers[0].pad = -1;
    layers[5].units = 7;
    expect_custom_error(layers, COUNT_OF(layers),
                        "net.ini:16: the last layer gives 1x1x1x7, but the data has 4 classes");
    layers[5].units = -1;
    strcpy(layers[5].from, "norm2");
    expect_custom_error(layers, COUNT_OF(layers), "net.ini:11: the output of layer add4 is read by no other layer");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_custom_networks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
