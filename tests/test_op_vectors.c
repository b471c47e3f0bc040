/* test_op_vectors: a backend's operations (TEST_DEVICE names the device: mirror.h), and the truth they are tested
 * against, against PyTorch's recorded answers. Recorded but not offered here: dilation, strides that differ by
 * direction, adaptive pooling to more than one pixel, momentum none. */
#include "mirror.h"
#include "op_run.h"
#include "vectors.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h wants the four above. */
#include <cmocka.h>

static struct mirror mirror;

static double *recorded(struct vectors *vectors, struct op_run *run, const char *name, const char *part)
{
    char key[96];
    snprintf(key, sizeof key, "%s.%s", name, part);
    const int64_t count = tensor_count(vectors_tensor(vectors, key));
    const float *values = vectors_tensor(vectors, key)->rank == 4 && strcmp(part, "w") && strcmp(part, "dw")
                              ? vectors_tensor_nhwc(vectors, key)
                              : vectors_tensor_floats(vectors, key);
    double *wide = arena_push(&run->arena, (size_t)count * sizeof *wide);
    for (int64_t i = 0; i < count; i++)
        wide[i] = (double)values[i];
    return wide;
}

static bool has(const struct vectors *vectors, const char *name, const char *part)
{
    char key[96];
    snprintf(key, sizeof key, "%s.%s", name, part);
    return vectors_has_tensor(vectors, key);
}

static void open_run(struct op_run *run, const struct op_case *op_case)
{
    op_run_open(run, mirror.backend, mirror.device, op_case, DT_F32, true, 1);
}

static void check(const struct op_run *run, const char *what, const double *got, const double *want, int64_t count)
{
    op_check(run->op_case->name, what, got, want, count, 1e-6, 1e-6);
}

/* Forward and backward, of the device and of the truth, against y, dx, dw, db. */
static void check_recorded(struct op_run *run, struct vectors *vectors, const char *name)
{
    const double *y = recorded(vectors, run, name, "y"), *dx = recorded(vectors, run, name, "dx");
    op_run_forward(run);
    op_run_backward(run);
    ref_forward(&run->truth);
    ref_backward(&run->truth);
    check(run, "y", op_run_out(run), y, shape_count(run->out));
    check(run, "y of the truth", run->truth.out, y, shape_count(run->out));
    check(run, "dx", op_run_in_grad(run, 0), dx, shape_count(run->in));
    check(run, "dx of the truth", run->truth.in_grad[0], dx, shape_count(run->in));
    static const char *const parts[] = {"dw", "db"};
    for (int k = 0; k < run->weight_count && k < 2; k++) {
        const double *grad = recorded(vectors, run, name, parts[k]);
        check(run, parts[k], op_run_weight_grad(run, k), grad, shape_count(run->weights[k].shape));
        check(run, "gradient of the truth", run->truth.weight_grad[k], grad, shape_count(run->weights[k].shape));
    }
}

/* A layer recorded as x, dy and perhaps w and b. */
static void check_layer(struct vectors *vectors, const char *name, enum op_kind kind, union op_params params)
{
    char key[96];
    snprintf(key, sizeof key, "%s.x", name);
    const struct tensor *x = vectors_tensor(vectors, key);
    const bool image = x->rank == 4;
    const struct op_case op_case = {.name = name,
                                    .kind = kind,
                                    .in = {.n = (int)x->dims[0],
                                           .h = image ? (int)x->dims[2] : 1,
                                           .w = image ? (int)x->dims[3] : 1,
                                           .c = (int)x->dims[1]},
                                    .params = params};
    struct op_run run;
    open_run(&run, &op_case);
    run.truth.in[0] = recorded(vectors, &run, name, "x");
    run.truth.out_grad = recorded(vectors, &run, name, "dy");
    static const char *const parts[] = {"w", "b"};
    for (int k = 0; k < run.weight_count; k++)
        run.truth.weight[k] = recorded(vectors, &run, name, parts[k]);
    op_run_upload(&run);
    check_recorded(&run, vectors, name);
    op_run_close(&run);
}

static void test_conv_linear(void **state)
{
    (void)state;
    if (!mirror.backend->ops[OP_CONV2D])
        skip();
    static const struct {
        const char *name;
        int filters, kernel, stride, pad, groups;
    } rows[] = {
        {"k3s1p1", 4, 3, 1, 1, 1}, {"k3s2p1", 2, 3, 2, 1, 1}, {"k7s2p3", 2, 7, 2, 3, 1},
        {"k1s2", 3, 1, 2, 0, 1},   {"k3g2", 4, 3, 1, 1, 2},   {"k3dw", 3, 3, 2, 1, 3},
    };
    struct vectors vectors;
    vectors_open(&vectors, "conv_linear");
    for (int i = 0; i < COUNT_OF(rows); i++) {
        const union op_params params = {.conv2d = {.filters = rows[i].filters,
                                                   .kernel_h = rows[i].kernel,
                                                   .kernel_w = rows[i].kernel,
                                                   .stride = rows[i].stride,
                                                   .pad_h = rows[i].pad,
                                                   .pad_w = rows[i].pad,
                                                   .groups = rows[i].groups,
                                                   .bias = has(&vectors, rows[i].name, "b")}};
        check_layer(&vectors, rows[i].name, OP_CONV2D, params);
    }
    check_layer(&vectors, "linear", OP_LINEAR, (union op_params){.linear = {.units = 3, .bias = true}});
    vectors_close(&vectors);
}

static void test_pool_relu(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum pool_kind kind;
        int size, stride, pad;
        bool ceil, count_padding;
    } rows[] = {
        {"max_k2s2", POOL_MAX, 2, 2, 0, false, true},         {"max_k3s2p1", POOL_MAX, 3, 2, 1, false, true},
        {"max_k3s2_ceil", POOL_MAX, 3, 2, 0, true, true},     {"max_nan", POOL_MAX, 3, 2, 1, false, true},
        {"avg_k3s2p1", POOL_AVERAGE, 3, 2, 1, false, true},   {"avg_k3s2p1_excl", POOL_AVERAGE, 3, 2, 1, false, false},
        {"avg_k3s2_ceil", POOL_AVERAGE, 3, 2, 0, true, true}, {"adaptive1", POOL_GLOBAL, 0, 0, 0, false, false},
    };
    struct vectors vectors;
    vectors_open(&vectors, "pool_relu");
    for (int i = 0; i < COUNT_OF(rows); i++) {
        const union op_params params = {.pool = {.kind = rows[i].kind,
                                                 .size = rows[i].size,
                                                 .stride = rows[i].stride,
                                                 .pad = rows[i].pad,
                                                 .ceil = rows[i].ceil,
                                                 .count_padding = rows[i].count_padding}};
        check_layer(&vectors, rows[i].name, OP_POOL, params);
    }
    check_layer(&vectors, "relu", OP_RELU, (union op_params){{0}});
    vectors_close(&vectors);
}

/* Three training steps one after another, then evaluation of the first batch with the statistics they left. */
static void check_norm(struct vectors *vectors, const char *variant, union op_params params)
{
    const struct op_case op_case = {.name = variant, .kind = OP_NORM, .in = {2, 2, 3, 3}, .params = params};
    struct op_run run;
    char name[64], part[16];
    open_run(&run, &op_case);
    run.truth.weight[0] = recorded(vectors, &run, "bn", "weight");
    run.truth.weight[1] = recorded(vectors, &run, "bn", "bias");
    double mean[3] = {0.0, 0.0, 0.0}, variance[3] = {1.0, 1.0, 1.0};
    for (int batch = 0; batch < 3; batch++) {
        snprintf(part, sizeof part, "x%d", batch);
        run.truth.in[0] = recorded(vectors, &run, "bn", part);
        snprintf(part, sizeof part, "dy%d", batch);
        run.truth.out_grad = recorded(vectors, &run, "bn", part);
        run.truth.weight[2] = mean;
        run.truth.weight[3] = variance;
        op_run_upload(&run);
        snprintf(name, sizeof name, "bn.%s.f32.%d", variant, batch);
        check_recorded(&run, vectors, name);
        op_run_commit(&run);
        ref_commit(&run.truth, mean, variance);
        static const char *const parts[] = {"running_mean", "running_var"};
        for (int k = 0; k < 2; k++) {
            const double *want = recorded(vectors, &run, name, parts[k]);
            check(&run, parts[k], op_run_weight(&run, 2 + k), want, 3);
            check(&run, "statistics of the truth", k ? variance : mean, want, 3);
        }
    }
    run.truth.in[0] = recorded(vectors, &run, "bn", "x0");
    run.call.training = false;
    op_run_upload(&run);
    op_run_forward(&run);
    snprintf(name, sizeof name, "bn.%s.f32.eval", variant);
    check(&run, "y of evaluation", op_run_out(&run), recorded(vectors, &run, name, "y"), shape_count(run.out));
    op_run_close(&run);
}

static void test_norm(void **state)
{
    (void)state;
    struct vectors vectors;
    vectors_open(&vectors, "batchnorm");
    check_norm(&vectors, "default", (union op_params){.norm = {.epsilon = 1e-5f, .momentum = 0.1f}});
    check_norm(&vectors, "mom0.3_eps1e-3", (union op_params){.norm = {.epsilon = 1e-3f, .momentum = 0.3f}});
    vectors_close(&vectors);
}

static int open_device(void **state)
{
    (void)state;
    mirror_open(&mirror, 0);
    return 0;
}

static int close_device(void **state)
{
    (void)state;
    mirror_close(&mirror);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conv_linear),
        cmocka_unit_test(test_pool_relu),
        cmocka_unit_test(test_norm),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
