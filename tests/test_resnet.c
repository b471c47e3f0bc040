/* ResNets against PyTorch's recorded answers: names, shapes, parameter counts, logits, loss and gradient norms of
 * ResNet-18/34/50; two tiny ResNets through ten optimizer steps. */
#include "vectors.h"

#include "config.h"
#include "plan.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct backend *const backend = &backend_cpu;
static struct device *device;

static int open_device(void **state)
{
    (void)state;
    return backend->open(&device, 0, 0);
}

static int close_device(void **state)
{
    (void)state;
    backend->close(device);
    return 0;
}

static void check(int status)
{
    if (status < 0)
        fail_msg("%s (%s)", fail_text(), fail_origin());
}

static int find_value(const struct graph *graph, const char *name)
{
    for (int v = 0; v < graph->value_count; v++)
        if (strcmp(graph->values[v].name, name) == 0)
            return v;
    fail_msg("no value %s", name);
    return -1;
}

/* ---- whole ResNets ---- */

static bool ends_with(const char *text, const char *ending)
{
    const size_t a = strlen(text), b = strlen(ending);
    return a >= b && strcmp(text + a - b, ending) == 0;
}

/* Names and shapes of the state dict, each exactly once. */
static void check_names(const struct graph *graph, const struct vectors *vectors)
{
    int expected = 0, have = 0;
    const json_t *list = vectors_member(vectors->json, "state_dict");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *row = json_array_get(list, i), *dims = json_array_get(row, 1);
        const char *name = json_string_value(json_array_get(row, 0));
        if (ends_with(name, "num_batches_tracked"))
            continue;
        expected++;
        const struct value *value = &graph->values[find_value(graph, name)];
        const struct shape shape = value->shape;
        assert_int_equal(value->rank, json_array_size(dims));
        const int64_t oihw[4] = {shape.n, shape.c, shape.h, shape.w};
        for (size_t d = 0; d < json_array_size(dims); d++) {
            const int64_t want = json_integer_value(json_array_get(dims, d));
            assert_int_equal(value->rank == 1             ? shape.c
                             : value->rank == 2 && d == 1 ? shape.h * shape.w * shape.c
                                                          : oihw[d],
                             want);
        }
    }
    for (int v = 0; v < graph->value_count; v++)
        have += graph->values[v].role == VALUE_PARAM || graph->values[v].role == VALUE_STATE;
    assert_int_equal(have, expected);
    assert_int_equal(graph_param_count(graph), vectors_integer(vectors->json, "num_params_10cls"));
}

/* The weights that the recording was made with, by formula from their names. */
static void formula_range(const struct value *value, double *low, double *high)
{
    const struct shape shape = value->shape;
    if (value->rank == 4)
        *high = sqrt(3.0) * sqrt(2.0 / ((double)shape.n * shape.h * shape.w)), *low = -*high;
    else if (value->rank == 2 || strcmp(value->name, "fc.bias") == 0)
        *high = 1.0 / sqrt((double)value->fan_in), *low = -*high;
    else if (ends_with(value->name, "running_mean") || ends_with(value->name, "bias"))
        *low = -0.1, *high = 0.1;
    else if (ends_with(value->name, "running_var"))
        *low = 0.5, *high = 1.5;
    else
        *low = 0.8, *high = 1.2;
}

static void set_formula_weights(struct plan *plan, const char *arch)
{
    for (int v = 0; v < plan->graph->value_count; v++) {
        const struct value *value = &plan->graph->values[v];
        if (value->role != VALUE_PARAM && value->role != VALUE_STATE)
            continue;
        const int64_t count = shape_count(value->shape);
        void *weights;
        check(memory_take(&weights, (size_t)count * sizeof(float), "weights"));
        char name[96];
        double low, high;
        snprintf(name, sizeof name, "%s.%s", arch, value->name);
        formula_range(value, &low, &high);
        vectors_det(weights, name, count, low, high);
        check(plan_write_weight(plan, value->role == VALUE_PARAM ? SLAB_PARAM : SLAB_STATE, v, weights));
        memory_give(weights);
    }
}

static double l2_norm(const float *x, int64_t count)
{
    double sum = 0.0;
    for (int64_t i = 0; i < count; i++)
        sum += (double)x[i] * x[i];
    return sqrt(sum);
}

/* A ReLU whose input is within rounding of 0 may open here and close there, and with it a whole path. With each
 * convolution's result moved by 1.5e-7 of itself, PyTorch in float64 changes the sides of no ReLU of ResNet-18 and of 1
 * to 4 of ResNet-50, whose gradient norms differ by up to 7.3e-3 then, as its float32 ones do (7.4e-3). ResNet-34 lies
 * between: its nearest ReLUs are 6e-6 to 2e-5 from 0, its float32 logits 1.1e-5 off here and 6.1e-6 in PyTorch; one
 * changes its side here (7.2e-3), none there (1.3e-5). */
static void check_gradient_norms(struct plan *plan, const struct vectors *vectors, double relative)
{
    const json_t *norms = vectors_member(vectors->json, "grad_l2_f64");
    for (int v = 0; v < plan->graph->value_count; v++) {
        const struct value *value = &plan->graph->values[v];
        if (value->role != VALUE_PARAM)
            continue;
        const int64_t count = shape_count(value->shape);
        void *gradient;
        check(memory_take(&gradient, (size_t)count * sizeof(float), "gradient"));
        check(plan_read_weight(plan, SLAB_GRAD, v, gradient));
        const double got = l2_norm(gradient, count), want = json_number_value(json_object_get(norms, value->name));
        if (!(fabs(got - want) <= relative * want + 1e-5))
            fail_msg("%s: gradient norm %.9g, recorded %.9g", value->name, got, want);
        memory_give(gradient);
    }
}

static void check_resnet(enum model_kind kind, const char *arch, double tolerance, double of_norms)
{
    enum { ROWS = 2, SIZE = 64, CLASSES = 10 };
    struct vectors vectors;
    vectors_open(&vectors, arch);
    struct config config = {.model = {.name = kind, .stem = STEM_IMAGENET}};
    struct graph graph;
    struct plan plan;
    check(model_build(&graph, &config, (struct shape){1, SIZE, SIZE, 3}, CLASSES));
    check_names(&graph, &vectors);
    const struct plan_options options = {
        .batch = ROWS, .dtype = DT_F32, .training = true, .image = {1, SIZE, SIZE, 3}, .update = {.grad_scale = 1.0f}};
    check(plan_build(&plan, &graph, backend, device, &options));
    set_formula_weights(&plan, arch);

    static float nchw[ROWS * 3 * SIZE * SIZE], nhwc[ROWS * 3 * SIZE * SIZE];
    vectors_det(nchw, "input", ROWS * 3 * SIZE * SIZE, -2.0, 2.0);
    nhwc_from_nchw(nhwc, nchw, ROWS, 3, SIZE, SIZE);
    const int32_t labels[ROWS] = {3, 7};
    const struct step_control control = {.valid = ROWS};
    float logits[ROWS * CLASSES];
    check(backend->upload(device, plan.gather.out_labels, labels, sizeof labels));
    check(backend->upload(device, plan.control, &control, sizeof control));
    const char *const answers[] = {"eval_logits_f64", "train_logits_f64"};
    for (int training = 0; training < 2; training++) {
        check(backend->upload(device, plan.gather.out, nhwc, sizeof nhwc));
        check(plan_forward(&plan, training));
        check(backend->download(device, logits, plan.loss.logits, sizeof logits));
        check(backend->wait(device));
        vectors_check(answers[training], logits, vectors_floats(&vectors, vectors.json, answers[training], NULL),
                      ROWS * CLASSES, tolerance, 0.0);
    }
    char *activations = plan.slabs[SLAB_ACTIVATION].memory;
    plan.loss.logits_grad = activations + plan.values[graph.logits].grad_offset;
    check(plan_clear_sums(&plan));
    check(backend->loss(device, &plan.loss));
    check(plan_backward(&plan));
    struct loss_sums sums;
    check(plan_read_sums(&plan, &sums));
    const double loss = vectors_number(vectors.json, "train_loss_f64");
    assert_true(fabs(sums.loss / ROWS - loss) <= tolerance);
    check_gradient_norms(&plan, &vectors, of_norms);
    plan_free(&plan);
    graph_free(&graph);
    vectors_close(&vectors);
}

/* Tolerances: what PyTorch's own float32 run differs from its float64 run by, doubled for another summation order. */
static void test_resnet18(void **state)
{
    (void)state;
    check_resnet(MODEL_RESNET18, "resnet18", 2e-5, 1e-4);
}

static void test_resnet34(void **state)
{
    (void)state;
    check_resnet(MODEL_RESNET34, "resnet34", 2e-4, 1e-2);
}

static void test_resnet50(void **state)
{
    (void)state;
    check_resnet(MODEL_RESNET50, "resnet50", 1e-3, 1e-2);
}

/* ---- tiny ResNets, ten steps ---- */

enum { TINY_ROWS = 6, TINY_SIZE = 16, TINY_CLASSES = 5, TINY_STEPS = 10, TINY_PIXELS = TINY_SIZE * TINY_SIZE * 3 };

static int conv_norm(struct graph *graph, const char *prefix, int number, int x, const int geometry[4], int addend,
                     bool relu)
{
    char conv[48], norm[48];
    snprintf(conv, sizeof conv, number ? "%sconv%d" : "%sdownsample.0", prefix, number);
    snprintf(norm, sizeof norm, number ? "%sbn%d" : "%sdownsample.1", prefix, number);
    TRY(x = graph_conv2d(graph, conv, x, geometry[0], geometry[1], geometry[2], geometry[3], false));
    return graph_norm(graph, norm, x, addend, relu);
}

static int tiny_block(struct graph *graph, const char *prefix, int x, int planes, int stride, bool bottleneck)
{
    const int out = bottleneck ? planes * 4 : planes;
    const int first[4] = {planes, bottleneck ? 1 : 3, bottleneck ? 1 : stride, !bottleneck}, last[4] = {out, 1, 1, 0};
    const int second[4] = {planes, 3, bottleneck ? stride : 1, 1}, projection[4] = {out, 1, stride, 0};
    int y, shortcut = x;
    if (stride != 1 || graph->values[x].shape.c != out)
        TRY(shortcut = conv_norm(graph, prefix, 0, x, projection, -1, false));
    TRY(y = conv_norm(graph, prefix, 1, x, first, -1, true));
    if (!bottleneck)
        return conv_norm(graph, prefix, 2, y, second, shortcut, true);
    TRY(y = conv_norm(graph, prefix, 2, y, second, -1, true));
    return conv_norm(graph, prefix, 3, y, last, shortcut, true);
}

static int tiny_build(struct graph *graph, bool bottleneck)
{
    const int stem[4] = {4, 7, 2, 3};
    graph_begin(graph, "tiny", (struct shape){1, TINY_SIZE, TINY_SIZE, 3});
    graph->class_count = TINY_CLASSES;
    int x = graph->input;
    TRY(x = conv_norm(graph, "", 1, x, stem, -1, true));
    TRY(x = graph_max_pool(graph, "maxpool", x, 3, 2, 1));
    TRY(x = tiny_block(graph, "layer1.0.", x, 4, 1, bottleneck));
    TRY(x = tiny_block(graph, "layer2.0.", x, 8, 2, bottleneck));
    TRY(x = graph_global_pool(graph, "avgpool", x));
    return graph_linear(graph, "fc", x, TINY_CLASSES);
}

static void check_weights(struct plan *plan, struct vectors *vectors, const char *prefix, enum slab_kind slab,
                          double tolerance)
{
    for (int v = 0; v < plan->graph->value_count; v++) {
        const struct value *value = &plan->graph->values[v];
        const bool state = value->role == VALUE_STATE;
        if ((value->role != VALUE_PARAM && !state) || (state && slab == SLAB_GRAD))
            continue;
        float got[2048];
        const int64_t count = shape_count(value->shape);
        assert_true(count <= COUNT_OF(got));
        check(plan_read_weight(plan, state ? SLAB_STATE : slab, v, got));
        char name[96];
        snprintf(name, sizeof name, "%s.%s", prefix, value->name);
        vectors_check(name, got, vectors_tensor_floats(vectors, name), count, tolerance, 0.0);
    }
}

static void load_initial(struct plan *plan, struct vectors *vectors)
{
    for (int v = 0; v < plan->graph->value_count; v++) {
        const struct value *value = &plan->graph->values[v];
        if (value->role != VALUE_PARAM && value->role != VALUE_STATE)
            continue;
        char name[96];
        snprintf(name, sizeof name, "init.%s", value->name);
        check(plan_write_weight(plan, value->role == VALUE_PARAM ? SLAB_PARAM : SLAB_STATE, v,
                                vectors_tensor_floats(vectors, name)));
    }
}

/* Both recorded batches as one data set: sample 6 b + i. */
static void load_images(struct vectors *vectors, uint8_t *pixels, int32_t *labels)
{
    for (int b = 0; b < 2; b++) {
        const uint8_t *nchw = vectors_tensor_bytes(vectors, b ? "x1" : "x0");
        const double *classes = vectors_tensor_doubles(vectors, b ? "y1" : "y0");
        for (int n = 0; n < TINY_ROWS; n++) {
            labels[b * TINY_ROWS + n] = (int32_t)classes[n];
            for (int c = 0; c < 3; c++)
                for (int p = 0; p < TINY_SIZE * TINY_SIZE; p++)
                    pixels[(b * TINY_ROWS + n) * TINY_PIXELS + p * 3 + c] =
                        nchw[(n * 3 + c) * TINY_SIZE * TINY_SIZE + p];
        }
    }
}

static void train_tiny(const char *vectors_name, bool bottleneck, bool adamw)
{
    struct vectors vectors;
    vectors_open(&vectors, vectors_name);
    static uint8_t pixels[2 * TINY_ROWS * TINY_PIXELS];
    int32_t labels[2 * TINY_ROWS], order[2 * TINY_ROWS];
    load_images(&vectors, pixels, labels);
    for (int i = 0; i < 2 * TINY_ROWS; i++)
        order[i] = i;

    const struct augment augment = {
        .out_h = TINY_SIZE, .out_w = TINY_SIZE, .mean = {0.485f, 0.456f, 0.406f}, .std = {0.229f, 0.224f, 0.225f}};
    const struct plan_options options = {
        .batch = TINY_ROWS,
        .dtype = DT_F32,
        .training = true,
        .decay_all = true,
        .weight_decay = adamw ? 0.05f : 1e-4f,
        .smoothing = 0.1f,
        .image = {1, TINY_SIZE, TINY_SIZE, 3},
        .augment_train = augment,
        .augment_eval = augment,
        .update = {.kind = adamw ? OPTIMIZER_ADAMW : OPTIMIZER_SGD,
                   .momentum = 0.9f,
                   .nesterov = true,
                   .beta1 = 0.9f,
                   .beta2 = 0.999f,
                   .epsilon = bottleneck ? 1e-3f : 1e-8f,
                   .grad_scale = 1.0f},
    };
    struct graph graph;
    struct plan plan;
    check(tiny_build(&graph, bottleneck));
    check(plan_build(&plan, &graph, backend, device, &options));
    load_initial(&plan, &vectors);
    plan_set_data(&plan, pixels, labels, order);

    const double *losses = vectors_doubles(&vectors, vectors.json, adamw ? "adamw_loss_f64" : "sgd_loss_f64", NULL);
    for (int step = 0; step < TINY_STEPS; step++) {
        struct step_record record;
        const struct step_control control = {
            .step = step, .first = step % 2 * TINY_ROWS, .valid = TINY_ROWS, .lr = adamw ? 0.01f : 0.05f};
        check(plan_train_batch(&plan, &control, true, true));
        check(backend->wait(device));
        assert_true(plan_record(&plan, step, &record));
        assert_int_equal(record.bad, 0);
        if (fabs((double)record.loss - losses[step]) > 1e-6)
            fail_msg("step %d: loss %.8f, recorded %.8f", step, (double)record.loss, losses[step]);
        if (step == 0)
            check_weights(&plan, &vectors, "grad0", SLAB_GRAD, 2e-6);
        if (step == 0 && !adamw)
            check_weights(&plan, &vectors, "sgd.step1", SLAB_PARAM, 2e-6);
    }
    check_weights(&plan, &vectors, adamw ? "adamw.step10" : "sgd.step10", SLAB_PARAM, 5e-6);

    float logits[TINY_ROWS * TINY_CLASSES];
    check(plan_eval_batch(&plan, &(struct step_control){.valid = TINY_ROWS}));
    check(backend->download(device, logits, plan.loss.logits, sizeof logits));
    check(backend->wait(device));
    const char *answer = adamw ? "adamw_final_eval_logits_f64" : "sgd_final_eval_logits_f64";
    vectors_check(answer, logits, vectors_floats(&vectors, vectors.json, answer, NULL), COUNT_OF(logits), 2e-5, 0.0);
    plan_free(&plan);
    graph_free(&graph);
    vectors_close(&vectors);
}

static void test_tiny_basic_sgd(void **state)
{
    (void)state;
    train_tiny("tiny_resnet_basic", false, false);
}

static void test_tiny_basic_adamw(void **state)
{
    (void)state;
    train_tiny("tiny_resnet_basic", false, true);
}

static void test_tiny_bottleneck_sgd(void **state)
{
    (void)state;
    train_tiny("tiny_resnet_bottleneck", true, false);
}

static void test_tiny_bottleneck_adamw(void **state)
{
    (void)state;
    train_tiny("tiny_resnet_bottleneck", true, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tiny_basic_sgd),
        cmocka_unit_test(test_tiny_basic_adamw),
        cmocka_unit_test(test_tiny_bottleneck_sgd),
        cmocka_unit_test(test_tiny_bottleneck_adamw),
        cmocka_unit_test(test_resnet18),
        cmocka_unit_test(test_resnet34),
        cmocka_unit_test(test_resnet50),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
