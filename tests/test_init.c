/* test_init: the first weights of a ResNet against what torchvision's rules give for each, by their spread. */
#include "vectors.h"

#include "config.h"
#include "plan.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct spread {
    double mean, deviation, least, largest;
};

static struct spread spread_of(const float *x, int64_t count)
{
    struct spread spread = {.least = INFINITY, .largest = -INFINITY};
    double squares = 0.0;
    for (int64_t i = 0; i < count; i++) {
        spread.mean += (double)x[i] / (double)count;
        squares += (double)x[i] * x[i] / (double)count;
        spread.least = fmin(spread.least, (double)x[i]);
        spread.largest = fmax(spread.largest, (double)x[i]);
    }
    spread.deviation = sqrt(squares - spread.mean * spread.mean);
    return spread;
}

static bool near(double got, double want, double share)
{
    return fabs(got - want) <= share * want;
}

/* A convolution's weights have thousands of values, so that 3 % is beyond chance. The uniform ones reach their bound
 * within 2 % wherever there are 512 or more. */
static bool is_as_expected(const struct value *value, const float *weights, const json_t *conv, double fc_bound)
{
    const int64_t count = shape_count(value->shape);
    const struct spread spread = spread_of(weights, count);
    if (value->rank == 4) {
        const double expected = vectors_number(json_object_get(conv, value->name), "std_expected");
        return near(spread.deviation, expected, 0.03) && fabs(spread.mean) < 0.05 * expected;
    }
    if (strncmp(value->name, "fc.", 3) == 0)
        return spread.largest <= fc_bound && spread.least >= -fc_bound &&
               (count < 512 || (spread.largest > 0.98 * fc_bound && spread.least < -0.98 * fc_bound &&
                                near(spread.deviation, fc_bound / sqrt(3.0), 0.03)));
    const bool one = strstr(value->name, "weight") || strstr(value->name, "running_var");
    return spread.least == one && spread.largest == one;
}

static void check_init(enum model_kind kind, const char *arch)
{
    struct vectors vectors;
    struct config config = {.model = {.name = kind, .stem = STEM_IMAGENET, .init_scale = 1.0}};
    struct graph graph;
    struct plan plan;
    struct device *device;
    const struct shape image = {1, 32, 32, 3};
    const struct plan_options options = {.batch = 1, .dtype = DT_F32, .image = image};
    char path[64];
    int convs = 0;
    vectors_open(&vectors, "resnet_init");
    snprintf(path, sizeof path, "kaiming_fan_out/%s", arch);
    const json_t *conv = vectors_member(vectors.json, path);
    snprintf(path, sizeof path, "fc_bound/%s", arch);
    const double fc_bound = vectors_number(vectors.json, path);
    assert_int_equal(backend_cpu.open(&device, 0, 0), OK);
    assert_true(model_build(&graph, &config, image, 10) >= 0);
    assert_int_equal(plan_build(&plan, &graph, &backend_cpu, device, &options), OK);
    assert_int_equal(plan_init_weights(&plan, 1), OK);
    for (int v = 0; v < graph.value_count; v++) {
        const struct value *value = &graph.values[v];
        const bool param = value->role == VALUE_PARAM;
        void *weights;
        if (!param && value->role != VALUE_STATE)
            continue;
        assert_int_equal(memory_take(&weights, (size_t)shape_count(value->shape) * sizeof(float), "weights"), OK);
        assert_int_equal(plan_read_weight(&plan, param ? SLAB_PARAM : SLAB_STATE, v, weights), OK);
        if (!is_as_expected(value, weights, conv, fc_bound))
            fail_msg("%s %s: deviation %.6g", arch, value->name,
                     spread_of(weights, shape_count(value->shape)).deviation);
        convs += value->rank == 4;
        memory_give(weights);
    }
    assert_int_equal(convs, json_object_size(conv));
    plan_free(&plan);
    graph_free(&graph);
    backend_cpu.close(device);
    vectors_close(&vectors);
}

static void test_resnet18(void **state)
{
    (void)state;
    check_init(MODEL_RESNET18, "resnet18");
}

static void test_resnet50(void **state)
{
    (void)state;
    check_init(MODEL_RESNET50, "resnet50");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_resnet18), cmocka_unit_test(test_resnet50)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
