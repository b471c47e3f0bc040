/* test_joined: a convolution between two normalisations, as a network trains them, against loops in double: where the
 * backend lets it do part of their work (op_needs), each part of that; where not, the same without. TEST_DEVICE names
 * the device (mirror.h). */
#include "kernels/common/bf16.h"
#include "kernels/common/fp16.h"
#include "mirror.h"
#include "op_run.h"
#include "random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h wants the four above. */
#include <cmocka.h>

enum { VALUES_MOST = 24000, WEIGHTS_MOST = 12000, CHANNELS_MOST = 64 };

/* x -> before, rectified -> z -> conv -> y -> after, rectified -> out */
enum node { BEFORE, CONV, AFTER, NODES };
enum value { X, Z, Y, OUT, VALUES };
enum { WEIGHT, BIAS, RUNNING_MEAN, RUNNING_VARIANCE, WEIGHT_GRAD, BIAS_GRAD, ROWS };

static const union op_params norm_params = {.norm = {.epsilon = 1e-5f, .momentum = 0.1f, .relu = true}};

static struct chain {
    struct mirror mirror;
    const struct op_case *given;
    enum dtype dtype;
    bool deterministic;
    struct shape shapes[VALUES];
    struct op_needs needs[NODES];
    void *states[NODES], *saved[NODES], *scratch;
    bool gives_sums, takes_norm, makes_norm;
    /* As the device has them; in fp32 or in 16 bits. */
    float values[VALUES][VALUES_MOST], grads[VALUES][VALUES_MOST];
    float norms[NODES][ROWS][CHANNELS_MOST], weight[WEIGHTS_MOST], weight_grad[WEIGHTS_MOST];
    /* The truth. */
    double x[VALUES_MOST], z[VALUES_MOST], y[VALUES_MOST], out[VALUES_MOST], filters[WEIGHTS_MOST];
    double grad[VALUES_MOST], grad_before[VALUES_MOST], got[VALUES_MOST];
} chain;

#define MUST(call)                                                                                                     \
    do {                                                                                                               \
        if ((call) < 0)                                                                                                \
            fail_msg("%s: %s", #call, fail_text());                                                                    \
    } while (0)

static const union op_params *params_of(enum node node)
{
    return node == CONV ? &chain.given->params : &norm_params;
}

/* ---- numbers ---- */

static double value_at(const float *array, int64_t i)
{
    const uint16_t half = ((const uint16_t *)array)[i];
    return (double)(chain.dtype == DT_F32    ? array[i]
                    : chain.dtype == DT_BF16 ? bf16_to_float(half)
                                             : fp16_to_float(half));
}

static void store(float *array, int64_t i, double value)
{
    if (chain.dtype == DT_F32)
        array[i] = (float)value;
    else
        ((uint16_t *)array)[i] = chain.dtype == DT_BF16 ? bf16_from_float((float)value) : fp16_from_float((float)value);
}

/* In [-1, 1). */
static double draw(uint32_t what, int64_t i)
{
    return (double)random_words(7, RANDOM_TILE, 0, (uint64_t)i, what).word[0] * 0x1p-31 - 1.0;
}

static const double *widened(const float *array, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        chain.got[i] = value_at(array, i);
    return chain.got;
}

/* ---- on the device ---- */

static void prepare(enum node node)
{
    const bool conv = node == CONV, fp16 = chain.dtype == DT_F16;
    const struct op_desc desc = {.params = params_of(node),
                                 .in = {chain.shapes[node]},
                                 .out = chain.shapes[node + 1],
                                 .in_count = 1,
                                 .dtype = chain.dtype,
                                 .training = true,
                                 .deterministic = chain.deterministic,
                                 .in_grad = {true},
                                 .norm_after = conv,
                                 .norm_before = conv && fp16};
    struct op_needs *needs = &chain.needs[node];
    *needs = (struct op_needs){0};
    MUST(chain.mirror.backend->ops[conv ? OP_CONV2D : OP_NORM]->prepare(chain.mirror.device, &desc, &chain.states[node],
                                                                        needs));
    MUST(chain.mirror.backend->alloc(chain.mirror.device, needs->saved_bytes, &chain.saved[node]));
}

static void fill(void)
{
    for (int64_t i = 0; i < shape_count(chain.shapes[X]); i++)
        store(chain.values[X], i, 1.5 * draw(1, i) + 0.3 * (double)(i % chain.shapes[X].c % 5));
    for (int64_t i = 0; i < shape_count(chain.shapes[OUT]); i++)
        store(chain.grads[OUT], i, draw(2, i));
    for (int c = 0; c < CHANNELS_MOST; c++)
        for (enum node node = BEFORE; node < NODES; node++) {
            chain.norms[node][WEIGHT][c] = (float)(1.0 + 0.5 * draw(3 + node, c));
            chain.norms[node][BIAS][c] = (float)(0.5 * draw(6 + node, c));
            chain.norms[node][RUNNING_VARIANCE][c] = 1.0f;
        }
}

/* In the device's own layout and dtype; what is rounded is the truth. */
static void fill_filters(void)
{
    static float canonical[WEIGHTS_MOST], own[WEIGHTS_MOST];
    const struct op_impl *impl = chain.mirror.backend->ops[OP_CONV2D];
    const int taps = params_of(CONV)->conv2d.kernel_h * params_of(CONV)->conv2d.kernel_w;
    const int64_t count = (int64_t)chain.shapes[Y].c * taps * chain.shapes[Z].c;
    const enum dtype kept = chain.dtype, dtype = chain.needs[CONV].weight[0].dtype;
    assert_true(chain.needs[CONV].weight[0].count <= WEIGHTS_MOST);
    chain.dtype = dtype;
    for (int64_t i = 0; i < count; i++) {
        store(chain.weight, 0, draw(9, i) / sqrt((double)taps * chain.shapes[Z].c / 3.0));
        chain.filters[i] = value_at(chain.weight, 0);
        canonical[i] = (float)chain.filters[i];
    }
    memcpy(own, canonical, (size_t)count * sizeof *own);
    if (impl->pack)
        impl->pack(chain.states[CONV], 0, own, canonical);
    for (int64_t i = 0; i < chain.needs[CONV].weight[0].count; i++)
        store(chain.weight, i, (double)own[i]);
    chain.dtype = kept;
}

static void open_chain(const struct op_case *given, enum dtype dtype)
{
    struct mirror *mirror = &chain.mirror;
    const struct shape out = op_case_out(given);
    size_t scratch = 1;
    chain.given = given;
    chain.dtype = dtype;
    memcpy(chain.shapes, (struct shape[]){given->in, given->in, out, out}, sizeof chain.shapes);
    for (enum node node = BEFORE; node < NODES; node++) {
        prepare(node);
        scratch = chain.needs[node].scratch_bytes > scratch ? chain.needs[node].scratch_bytes : scratch;
    }
    MUST(mirror->backend->alloc(mirror->device, scratch, &chain.scratch));
    chain.gives_sums = chain.needs[CONV].gives_sums;
    chain.takes_norm = chain.needs[CONV].takes_norm;
    chain.makes_norm = chain.needs[CONV].makes_norm;
    memset(chain.values, 0xFF, sizeof chain.values);
    memset(chain.grads, 0xFF, sizeof chain.grads);
    fill();
    fill_filters();
    for (enum value value = X; value < VALUES; value++) {
        const size_t bytes = (size_t)shape_count(chain.shapes[value]) * dtype_bytes(dtype);
        assert_true(bytes <= sizeof chain.values[0]);
        mirror_add(mirror, chain.values[value], bytes);
        mirror_add(mirror, chain.grads[value], bytes);
    }
    mirror_add(mirror, chain.norms, sizeof chain.norms);
    mirror_add(mirror, chain.weight, sizeof chain.weight);
    mirror_add(mirror, chain.weight_grad, sizeof chain.weight_grad);
}

static void close_chain(void)
{
    const struct backend *backend = chain.mirror.backend;
    for (enum node node = BEFORE; node < NODES; node++) {
        backend->ops[node == CONV ? OP_CONV2D : OP_NORM]->release(chain.states[node]);
        backend->release(chain.mirror.device, chain.saved[node]);
    }
    backend->release(chain.mirror.device, chain.scratch);
    mirror_close(&chain.mirror);
}

static struct op_call call_of(struct mirror *mirror, enum node node)
{
    struct op_call call = {
        .state = chain.states[node],
        .scratch = chain.scratch,
        .saved = chain.saved[node],
        .in = {mirror_at(mirror, chain.values[node])},
        .out = mirror_at(mirror, chain.values[node + 1]),
        .in_grad = {mirror_at(mirror, chain.grads[node])},
        .out_grad = mirror_at(mirror, chain.grads[node + 1]),
        .training = true,
    };
    for (int row = WEIGHT; row <= RUNNING_VARIANCE && node != CONV; row++)
        call.weight[row] = mirror_at(mirror, chain.norms[node][row]);
    for (int row = WEIGHT_GRAD; row <= BIAS_GRAD && node != CONV; row++)
        call.weight_grad[row - WEIGHT_GRAD] = mirror_at(mirror, chain.norms[node][row]);
    if (node == CONV) {
        call.weight[0] = mirror_at(mirror, chain.weight);
        call.weight_grad[0] = mirror_at(mirror, chain.weight_grad);
    }
    return call;
}

static int step(struct mirror *mirror, const void *what)
{
    struct op_call calls[NODES];
    const struct op_impl *const norm = mirror->backend->ops[OP_NORM], *const conv = mirror->backend->ops[OP_CONV2D];
    (void)what;
    for (enum node node = BEFORE; node < NODES; node++)
        calls[node] = call_of(mirror, node);
    calls[AFTER].sums_by = chain.gives_sums ? &calls[CONV] : NULL;
    calls[BEFORE].taken_by = chain.takes_norm ? &calls[CONV] : NULL;
    calls[CONV].takes = chain.takes_norm ? &calls[BEFORE] : NULL;
    calls[BEFORE].made_by = chain.makes_norm ? &calls[CONV] : NULL;
    calls[CONV].makes = chain.makes_norm ? &calls[BEFORE] : NULL;
    TRY(norm->forward(mirror->device, &calls[BEFORE]));
    TRY(conv->forward(mirror->device, &calls[CONV]));
    TRY(norm->forward(mirror->device, &calls[AFTER]));
    TRY(norm->backward(mirror->device, &calls[AFTER]));
    TRY(conv->backward(mirror->device, &calls[CONV]));
    return norm->backward(mirror->device, &calls[BEFORE]);
}

/* ---- the truth, each operation from what the device's gave ---- */

static const double *norm_weight(enum node node, int row)
{
    static double rows[NODES][ROWS][CHANNELS_MOST];
    for (int c = 0; c < CHANNELS_MOST; c++)
        rows[node][row][c] = (double)chain.norms[node][row][c];
    return rows[node][row];
}

/* What the convolution makes of x for itself: factor and term rounded (norm.h), and the result. */
static void make_norm(void)
{
    const int channels = chain.shapes[X].c;
    const int64_t count = shape_count(chain.shapes[X]);
    for (int c = 0; c < channels; c++) {
        double sum = 0.0, squares = 0.0;
        for (int64_t i = c; i < count; i += channels)
            sum += chain.x[i];
        const double pixels = (double)count / channels, mean = sum / pixels;
        for (int64_t i = c; i < count; i += channels)
            squares += (chain.x[i] - mean) * (chain.x[i] - mean);
        const double exact = norm_weight(BEFORE, WEIGHT)[c] / sqrt(squares / pixels + 1e-5),
                     term =
                         (double)fp16_to_float(fp16_from_float((float)(norm_weight(BEFORE, BIAS)[c] - mean * exact))),
                     factor = (double)fp16_to_float(fp16_from_float((float)exact));
        for (int64_t i = c; i < count; i += channels)
            chain.z[i] = (double)fp16_to_float(fp16_from_float((float)fmax(chain.x[i] * factor + term, 0.0)));
    }
}

static struct ref_call truth_of(enum node node, const double *in, double *out, const double *out_grad, double *in_grad)
{
    static double weight_grads[2][WEIGHTS_MOST];
    struct ref_call call = {.kind = node == CONV ? OP_CONV2D : OP_NORM,
                            .params = params_of(node),
                            .in_shape = {chain.shapes[node]},
                            .out_shape = chain.shapes[node + 1],
                            .in = {in},
                            .weight = {chain.filters},
                            .out = out,
                            .out_grad = out_grad,
                            .in_grad = {in_grad},
                            .weight_grad = {weight_grads[0], weight_grads[1]},
                            .training = true};
    for (int row = WEIGHT; row <= RUNNING_VARIANCE && node != CONV; row++)
        call.weight[row] = norm_weight(node, row);
    if (node == CONV)
        call.weight_grad[1] = NULL;
    return call;
}

static double rounding(void)
{
    return chain.dtype == DT_F32 ? 1e-6 : chain.dtype == DT_BF16 ? 1.0 / 256.0 : 1.0 / 2048.0;
}

static void check(const char *what, const double *got, const double *want, int64_t count, double scaled)
{
    op_check(chain.given->name, what, got, want, count, rounding(), scaled);
}

static void copy_value(double *to, const float *array, enum value value)
{
    const int64_t count = shape_count(chain.shapes[value]);
    memcpy(to, widened(array, count), (size_t)count * sizeof *to);
}

/* A sum that takes in rounded numbers is off by less than one rounding of the largest. */
static void check_forward(void)
{
    const double near = rounding();
    copy_value(chain.x, chain.values[X], X);
    if (chain.makes_norm) {
        make_norm();
    } else {
        const struct ref_call before = truth_of(BEFORE, chain.x, chain.z, NULL, NULL);
        ref_forward(&before);
        check("result before", widened(chain.values[Z], shape_count(chain.shapes[Z])), chain.z,
              shape_count(chain.shapes[Z]), near);
        copy_value(chain.z, chain.values[Z], Z);
    }
    const struct ref_call conv = truth_of(CONV, chain.z, chain.y, NULL, NULL);
    ref_forward(&conv);
    check("convolution", widened(chain.values[Y], shape_count(chain.shapes[Y])), chain.y, shape_count(chain.shapes[Y]),
          near);
    copy_value(chain.y, chain.values[Y], Y);
    const struct ref_call after = truth_of(AFTER, chain.y, chain.out, NULL, NULL);
    ref_forward(&after);
    check("result after", widened(chain.values[OUT], shape_count(chain.shapes[OUT])), chain.out,
          shape_count(chain.shapes[OUT]), near);
}

static void check_norm_grads(enum node node, const struct ref_call *truth)
{
    static double got[CHANNELS_MOST];
    for (int k = 0; k < 2; k++) {
        for (int c = 0; c < chain.shapes[node].c; c++)
            got[c] = (double)chain.norms[node][WEIGHT_GRAD + k][c];
        check(k ? "gradient of a bias" : "gradient of a scale", got, truth->weight_grad[k], chain.shapes[node].c,
              rounding());
    }
}

static void check_backward(void)
{
    static float canonical[WEIGHTS_MOST];
    const int64_t ins = shape_count(chain.shapes[X]), outs = shape_count(chain.shapes[Y]);
    const double near = rounding();
    copy_value(chain.out, chain.values[OUT], OUT); /* the device's own mask */
    copy_value(chain.grad, chain.grads[OUT], OUT);
    const struct ref_call after = truth_of(AFTER, chain.y, chain.out, chain.grad, chain.grad_before);
    ref_backward(&after);
    check("gradient of the convolution", widened(chain.grads[Y], outs), chain.grad_before, outs, near);
    check_norm_grads(AFTER, &after);
    copy_value(chain.grad, chain.grads[Y], Y);
    const struct ref_call conv = truth_of(CONV, chain.z, chain.y, chain.grad, chain.grad_before);
    ref_backward(&conv);
    const int64_t count =
        (int64_t)chain.shapes[Y].c * conv.params->conv2d.kernel_h * conv.params->conv2d.kernel_w * chain.shapes[Z].c;
    memcpy(canonical, chain.weight_grad, (size_t)count * sizeof *canonical);
    if (chain.mirror.backend->ops[OP_CONV2D]->unpack)
        chain.mirror.backend->ops[OP_CONV2D]->unpack(chain.states[CONV], 0, canonical, chain.weight_grad);
    for (int64_t i = 0; i < count; i++)
        chain.got[i] = (double)canonical[i];
    check("gradient of the filters", chain.got, conv.weight_grad[0], count, near);
    /* The mask is where the result is positive; made rounded, it may differ from the exact one's. */
    const struct ref_call result = truth_of(BEFORE, chain.x, chain.z, NULL, NULL);
    if (chain.makes_norm)
        ref_forward(&result);
    const struct ref_call before = truth_of(BEFORE, chain.x, chain.z, chain.grad_before, chain.grad);
    ref_backward(&before);
    check("gradient of the input", widened(chain.grads[X], ins), chain.grad, ins, near);
    check_norm_grads(BEFORE, &before);
}

/* ---- cases ---- */

#define CONV_CASE(text, shape, ...)                                                                                    \
    {                                                                                                                  \
        text, OP_CONV2D, shape,                                                                                        \
        {                                                                                                              \
            .conv2d = { __VA_ARGS__ }                                                                                  \
        }                                                                                                              \
    }
#define SHAPE(...)                                                                                                     \
    {                                                                                                                  \
        __VA_ARGS__                                                                                                    \
    }
static const struct op_case cases[] = {
    CONV_CASE("3x3", SHAPE(2, 7, 9, 16), 24, 3, 3, 1, 1, 1, 1, false),
    CONV_CASE("1x1", SHAPE(4, 5, 5, 32), 8, 1, 1, 1, 0, 0, 1, false),
    CONV_CASE("3x3 stride 2", SHAPE(3, 9, 8, 16), 32, 3, 3, 2, 1, 1, 1, false),
    CONV_CASE("1x1 stride 2", SHAPE(3, 7, 6, 8), 16, 1, 1, 2, 0, 0, 1, false),
    CONV_CASE("3x3 one image", SHAPE(1, 13, 11, 8), 8, 3, 3, 1, 1, 1, 1, false),
};

/* What is joined where there is no clock is all that cuDNN has an engine for; the stand-in has all of them. */
static void check_cases(enum dtype dtype, bool deterministic)
{
    int joined = 0;
    chain.deterministic = deterministic;
    for (int i = 0; i < COUNT_OF(cases); i++) {
        mirror_open(&chain.mirror, 2);
        if (!mirror_supports(&chain.mirror, dtype)) {
            mirror_close(&chain.mirror);
            skip();
        }
        chain.mirror.loose = !deterministic;
        open_chain(&cases[i], dtype);
        mirror_run(&chain.mirror, step, NULL);
        check_forward();
        check_backward();
        joined += chain.gives_sums + chain.takes_norm + chain.makes_norm;
        if (mirror_is_emulated(&chain.mirror) && dtype == DT_F16)
            assert_true(chain.gives_sums && chain.takes_norm == !deterministic && chain.makes_norm);
        close_chain();
    }
    printf("# %s: %d of %d parts joined\n", dtype_name(dtype), joined, 3 * (int)COUNT_OF(cases));
}

static void test_f32(void **state)
{
    (void)state;
    check_cases(DT_F32, true);
}

static void test_bf16(void **state)
{
    (void)state;
    check_cases(DT_BF16, true);
}

static void test_f16(void **state)
{
    (void)state;
    check_cases(DT_F16, true);
}

/* All that can be joined, which need not leave the same bits again. */
static void test_f16_free(void **state)
{
    (void)state;
    check_cases(DT_F16, false);
}

int main(void)
{
    setenv("EVENKEEL_CUDA_TUNE", "0", 1);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_f32), cmocka_unit_test(test_bf16),
                                       cmocka_unit_test(test_f16), cmocka_unit_test(test_f16_free)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
