/* test_update: a backend's gradient norm, clipping, SGD, Adam and AdamW, against PyTorch's recorded trajectories,
 * against plain loops in double, and bit for bit against the shared arithmetic. */
#include "kernels/common/fp16.h"
#include "kernels/common/optimizer.h"
#include "slab.h"
#include "vectors.h"

#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the standard headers first */
#include <cmocka.h>

static const int64_t sizes[] = {1, 15, 16, 17, 63, 1023, 1025, 4095, 4096, 4097, 100003, 2200001};

/* ---- PyTorch's answers ---- */

/* The flat array has no missing gradients, and there is no amsgrad, dampening or RMSprop. */
static bool case_applies(const json_t *one)
{
    return json_array_size(vectors_member(one, "skip_grad_none")) == 0 && !vectors_has(one, "params/amsgrad") &&
           !vectors_has(one, "params/dampening") && !vectors_is(one, "opt", "RMSprop");
}

static double param_or(const json_t *one, const char *path, double otherwise)
{
    return vectors_has(one, path) ? vectors_number(one, path) : otherwise;
}

static void slab_configure(struct slab *slab, const json_t *one)
{
    bool sgd = vectors_is(one, "opt", "SGD"), adamw = vectors_is(one, "opt", "AdamW");
    struct update_args *args = &slab->args;
    args->kind = sgd ? OPTIMIZER_SGD : adamw ? OPTIMIZER_ADAMW : OPTIMIZER_ADAM;
    args->momentum = param_or(one, "params/momentum", 0.0);
    args->nesterov = vectors_has(one, "params/nesterov");
    args->beta1 = param_or(one, "params/betas/0", 0.9);
    args->beta2 = param_or(one, "params/betas/1", 0.999);
    args->epsilon = param_or(one, "params/eps", 1e-8);
    for (int i = 0; i < 3; i++)
        slab->segments[i].weight_decay = (float)param_or(one, "params/weight_decay", adamw ? 0.01 : 0.0);
}

static void trajectory_check(struct vectors *vectors, const json_t *one)
{
    enum { STEPS = 10, W = 6, B = 5 };
    struct slab slab;
    slab_open(&slab, W + B, 1);
    slab_configure(&slab, one);
    float *moment1 = slab.args.moment1;
    if (slab.args.kind == OPTIMIZER_SGD && slab.args.momentum == 0.0)
        slab.args.moment1 = NULL;
    const char *name = vectors_text(one, "name");
    char key[64];
    memcpy(slab.args.param, vectors_tensor_floats(vectors, "param0.w"), W * 4);
    memcpy(slab.args.param + W, vectors_tensor_floats(vectors, "param0.b"), B * 4);
    snprintf(key, sizeof key, "%s.f32.w", name);
    const float *want_w = vectors_tensor_floats(vectors, key);
    snprintf(key, sizeof key, "%s.f32.b", name);
    const float *want_b = vectors_tensor_floats(vectors, key);
    const float *grad_w = vectors_tensor_floats(vectors, "grad.w"), *grad_b = vectors_tensor_floats(vectors, "grad.b");
    double *multiplier = vectors_doubles(vectors, one, "lr_mult", NULL);
    for (int t = 0; t < STEPS; t++) {
        memcpy(slab.args.grad, grad_w + t * W, W * 4);
        memcpy(slab.args.grad + W, grad_b + t * B, B * 4);
        slab.control.kept.updates = t;
        slab.control.lr = (float)(vectors_number(one, "lr0") * multiplier[t]);
        slab_step(&slab);
        /* 2e-7: what PyTorch's own float32 run differs from its float64 run over ten steps. */
        vectors_check(name, slab.args.param, want_w + t * W, W, 2e-7, 0);
        vectors_check(name, slab.args.param + W, want_b + t * B, B, 2e-7, 0);
    }
    slab.args.moment1 = moment1;
    slab_close(&slab);
}

static void test_trajectories(void **state)
{
    (void)state;
    struct vectors vectors;
    vectors_open(&vectors, "optim");
    const json_t *cases = vectors_member(vectors.json, "cases");
    int checked = 0;
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *one = json_array_get(cases, i);
        if (case_applies(one)) {
            trajectory_check(&vectors, one);
            checked++;
        }
    }
    assert_int_equal(checked, 10);
    vectors_close(&vectors);
}

/* What clipping did is seen through SGD with a learning rate of 1 on parameters of 0. */
static void clip_check(struct vectors *vectors, const json_t *one)
{
    struct slab slab;
    int64_t counts[2] = {0}, parts = (int64_t)json_array_size(vectors_member(one, "grads")), count = 0;
    float grads[8], want[8];
    for (int64_t part = 0; part < parts; part++) {
        char path[32];
        snprintf(path, sizeof path, "grads/%d", (int)part);
        float *grad = vectors_floats(vectors, one, path, &counts[part]);
        snprintf(path, sizeof path, "out/%d", (int)part);
        float *out = vectors_floats(vectors, one, path, NULL);
        memcpy(grads + count, grad, (size_t)counts[part] * 4);
        memcpy(want + count, out, (size_t)counts[part] * 4);
        count += counts[part];
    }
    slab_open(&slab, count, 1);
    slab.args.kind = OPTIMIZER_SGD;
    slab.args.clip_norm = (float)vectors_number(one, "params/max_norm");
    slab.control.lr = 1.0f;
    memset(slab.segments, 0, sizeof slab.segments);
    for (int i = 0; i < 3; i++)
        slab.segments[i].end = count;
    memset(slab.args.param, 0, (size_t)count * 4);
    memcpy(slab.args.grad, grads, (size_t)count * 4);
    slab_step(&slab);
    double norm = vectors_number(one, "total_norm");
    if (isfinite(norm)) {
        for (int64_t i = 0; i < count; i++)
            slab.args.param[i] = -slab.args.param[i];
        assert_int_equal(slab.control.bad, 0);
        vectors_check(vectors_text(one, "name"), slab.args.param, want, count, 0, 6e-8);
        assert_true(fabs((double)slab.norms.grad - norm) <= 1e-7 * norm);
    } else {
        assert_int_equal(slab.control.bad, 1);
        assert_true(slab.args.param[0] == 0.0f && slab.args.param[1] == 0.0f);
    }
    slab_close(&slab);
}

static void test_clipping(void **state)
{
    (void)state;
    struct vectors vectors;
    vectors_open(&vectors, "clip_grad");
    const json_t *cases = vectors_member(vectors.json, "cases");
    int checked = 0;
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *one = json_array_get(cases, i);
        /* Other norms and clipping by value are not offered. */
        if (vectors_has(one, "params/norm_type") || vectors_has(one, "params/clip_value"))
            continue;
        clip_check(&vectors, one);
        checked++;
    }
    assert_int_equal(checked, 7);
    vectors_close(&vectors);
}

/* ---- plain loops in double ---- */

static double decay_of(const struct slab *slab, int64_t i)
{
    int segment = 0;
    while (slab->segments[segment].end <= i)
        segment++;
    return (double)slab->segments[segment].weight_decay;
}

/* One first AdamW step at every size: parameters, moments, low-precision copy, average and the three norms. */
static void test_update_sizes(void **state)
{
    (void)state;
    for (int s = 0; s < COUNT_OF(sizes); s++) {
        int64_t count = sizes[s];
        struct slab slab;
        slab_open(&slab, count, 2);
        if ((mirror_is_emulated(&slab.mirror) && count > EMULATED_MOST) ||
            (mirror_detects_races(&slab.mirror) && count > RACES_MOST)) {
            slab_close(&slab);
            break;
        }
        slab.args.clip_norm = 3.0f;
        slab.args.grad_scale = 0.25f;
        struct update_args *args = &slab.args;
        float *param = malloc((size_t)count * 4), *ema = malloc((size_t)count * 4);
        memcpy(param, args->param, (size_t)count * 4);
        memcpy(ema, args->ema, (size_t)count * 4);
        slab_step(&slab);
        double squares = 0, moved = 0, weight = 0, lr = (double)slab.control.lr;
        for (int64_t i = 0; i < count; i++)
            squares += (double)args->grad[i] * args->grad[i];
        double norm = sqrt(squares) * 0.25, clip = fmin(1.0, 3.0 / (norm + 1e-6));
        for (int64_t i = 0; i < count; i++) {
            double g = args->grad[i] * 0.25 * clip, m = 0.1 * g, v = 0.001 * g * g;
            double want = param[i] * (1 - lr * decay_of(&slab, i)) - lr * (m / 0.1) / (sqrt(v / 0.001) + 1e-8);
            if (fabs(args->param[i] - want) > 3e-7 || fabs(args->moment1[i] - m) > 1e-7 ||
                fabs(args->moment2[i] - v) > 1e-7 || fabs(args->ema[i] - (0.9 * ema[i] + 0.1 * want)) > 3e-7)
                fail_msg("size %d, element %d: %g, expected %g", (int)count, (int)i, (double)args->param[i], want);
            assert_int_equal(((uint16_t *)args->low)[i], bf16_from_float(args->param[i]));
            moved += ((double)args->param[i] - param[i]) * ((double)args->param[i] - param[i]);
            weight += (double)args->param[i] * args->param[i];
        }
        assert_true(fabs(slab.norms.grad - norm) <= 1e-7 * norm);
        /* Within 1024 values squares are added in fp32, one by one where nothing is vectorised. */
        assert_true(fabs(slab.norms.update - sqrt(moved)) <= 2e-6 * sqrt(moved));
        assert_true(fabs(slab.norms.weight - sqrt(weight)) <= 2e-6 * sqrt(weight));
        free(param);
        free(ema);
        slab_close(&slab);
    }
}

/* What the shared arithmetic makes of element i, from what a slab held before. */
static float element_want(const struct slab *slab, const struct optimizer_step *step, int64_t i, float *moment1,
                          float *moment2)
{
    const struct update_args *args = &slab->args;
    float decay = (float)decay_of(slab, i), param = args->param[i], grad = args->grad[i];
    *moment1 = args->moment1[i];
    *moment2 = args->moment2[i];
    if (args->kind == OPTIMIZER_SGD)
        return momentum_element(step, decay, param, grad, moment1);
    if (args->kind == OPTIMIZER_ADAM)
        return adam_element(step, decay, param, grad, moment1, moment2);
    return adamw_element(step, adamw_keep(step, decay), param, grad, moment1, moment2);
}

/* Bit for bit, but for a GPU's own pow and square root in the numbers that a whole step shares. */
static bool near(const struct slab *slab, float got, float want)
{
    bool exact = mirror_is_cpu(&slab->mirror) || mirror_is_emulated(&slab->mirror);
    return exact ? float_bits(got) == float_bits(want) : fabsf(got - want) <= 1e-6f * fabsf(want) + 1e-9f;
}

/* A later step of one kind: moments that are something already, clipping, a scale, an average that warms up. */
static void shared_check(enum optimizer_kind kind, int64_t count, enum dtype low_dtype)
{
    struct slab slab, start;
    slab_open(&slab, count, 2);
    slab.args.kind = kind;
    slab.args.momentum = 0.9;
    slab.args.nesterov = count % 2 == 1;
    slab.args.clip_norm = 0.5f;
    slab.args.grad_scale = 0.5f;
    slab.args.low_dtype = low_dtype;
    slab.control.kept.updates = 17;
    slab.control.ema_warmup = 1;
    vectors_det(slab.args.moment1, "update.moment1", count, -1, 1);
    vectors_det(slab.args.moment2, "update.moment2", count, 0, 1);
    start = slab;
    float **arrays[] = {&start.args.param, &start.args.grad, &start.args.moment1, &start.args.moment2, &start.args.ema};
    for (int k = 0; k < COUNT_OF(arrays); k++)
        *arrays[k] = memcpy(malloc((size_t)count * 4), *arrays[k], (size_t)count * 4);
    slab_step(&slab);
    start.control.clip_scale = slab.control.clip_scale;
    const struct optimizer_step step = optimizer_begin(&start.args, &slab.control);
    const float rest = ema_weight(&slab.control);
    for (int64_t i = 0; i < count; i++) {
        float moment1, moment2, want = element_want(&start, &step, i, &moment1, &moment2);
        const struct update_args *got = &slab.args;
        uint16_t low = ((const uint16_t *)got->low)[i];
        if (!near(&slab, got->param[i], want) || !near(&slab, got->moment1[i], moment1) ||
            !near(&slab, got->moment2[i], moment2) ||
            !near(&slab, got->ema[i], ema_element(start.args.ema[i], got->param[i], rest)) ||
            low != (low_dtype == DT_BF16 ? bf16_from_float(got->param[i]) : fp16_from_float(got->param[i])))
            fail_msg("kind %d, size %d, element %d: %.9g, expected %.9g", (int)kind, (int)count, (int)i,
                     (double)got->param[i], (double)want);
    }
    for (int k = 0; k < COUNT_OF(arrays); k++)
        free(*arrays[k]);
    slab_close(&slab);
}

static void test_shared_arithmetic(void **state)
{
    (void)state;
    struct mirror device;
    mirror_open(&device, 1);
    const bool half = mirror_supports(&device, DT_F16);
    mirror_close(&device);
    for (int kind = OPTIMIZER_SGD; kind <= OPTIMIZER_ADAMW; kind++)
        for (int s = 0; s < COUNT_OF(sizes) && sizes[s] <= 4097; s++)
            shared_check((enum optimizer_kind)kind, sizes[s], half && s % 2 == 1 ? DT_F16 : DT_BF16);
}

static void test_threads_do_not_matter(void **state)
{
    (void)state;
    static const int64_t counts[] = {4097, 300001, 2200001};
    for (int s = 0; s < COUNT_OF(counts); s++) {
        struct slab one, other;
        slab_open(&one, counts[s], 1);
        if (!mirror_is_cpu(&one.mirror)) {
            slab_close(&one);
            skip();
        }
        slab_step(&one);
        for (int threads = 2; threads <= 5; threads += 3) {
            slab_open(&other, counts[s], threads);
            slab_step(&other);
            assert_memory_equal(&one.norms, &other.norms, sizeof one.norms);
            assert_memory_equal(one.args.param, other.args.param, (size_t)counts[s] * 4);
            slab_close(&other);
        }
        slab_close(&one);
    }
}

/* ---- what must refuse ---- */

static void test_bad_step_touches_nothing(void **state)
{
    (void)state;
    static const float poison[] = {NAN, INFINITY, -INFINITY};
    enum { COUNT = 5003 };
    for (int kind = OPTIMIZER_SGD; kind <= OPTIMIZER_ADAMW; kind++)
        for (int p = 0; p < COUNT_OF(poison); p++) {
            struct slab slab, clean;
            slab_open(&slab, COUNT, 2);
            slab_open(&clean, COUNT, 2);
            slab.args.kind = (enum optimizer_kind)kind;
            slab.args.clip_norm = 1.0f;
            slab.args.grad[COUNT - 1 - p] = poison[p];
            slab.args.grad[p] = slab.args.grad[p + 7] = poison[p];
            slab_step(&slab);
            assert_int_equal(slab.control.bad, 1);
            assert_int_equal(slab.nonfinite, 3);
            assert_false(isfinite(slab.norms.grad));
            assert_memory_equal(slab.args.param, clean.args.param, COUNT * 4);
            assert_memory_equal(slab.args.moment1, clean.args.moment1, COUNT * 4);
            assert_memory_equal(slab.args.moment2, clean.args.moment2, COUNT * 4);
            assert_memory_equal(slab.args.ema, clean.args.ema, COUNT * 4);
            assert_memory_equal(slab.args.low, clean.args.low, COUNT * 2);
            slab_blend(&slab);
            assert_memory_equal(slab.args.ema, clean.args.ema, COUNT * 4);
            slab_close(&slab);
            slab_close(&clean);
        }
}

/* A bad loss stays bad through a finite gradient, and finite gradients whose norm overflows a float are bad. */
static void test_bad_stays_and_overflow_is_bad(void **state)
{
    (void)state;
    struct slab slab;
    slab_open(&slab, 100, 1);
    slab.control.bad = 1;
    slab_step(&slab);
    assert_int_equal(slab.control.bad, 1);
    assert_true(slab.args.moment1[0] == 0.0f);
    slab.control.bad = 0;
    for (int i = 0; i < 100; i++)
        slab.args.grad[i] = 1e30f;
    slab_step(&slab);
    assert_int_equal(slab.control.bad, 0);
    assert_true(fabs((double)slab.norms.grad - 1e31) < 1e25);
    for (int i = 0; i < 100; i++)
        slab.args.grad[i] = 2e38f;
    slab_step(&slab);
    assert_int_equal(slab.control.bad, 1);
    assert_int_equal(slab.nonfinite, 0);
    slab_close(&slab);
}

/* Without statistics the parameters are the same, and what was not measured is missing. */
static void test_unmeasured_updates_alike(void **state)
{
    (void)state;
    enum { COUNT = 1025 };
    struct slab slabs[2];
    for (int i = 0; i < 2; i++) {
        slab_open(&slabs[i], COUNT, 2);
        float *const sketches = slabs[i].args.sketches;
        slabs[i].args.unmeasured = i == 1;
        slabs[i].args.sketches = i == 1 ? NULL : sketches;
        slab_step(&slabs[i]);
        slabs[i].args.sketches = sketches;
    }
    assert_memory_equal(slabs[0].args.param, slabs[1].args.param, COUNT * 4);
    assert_memory_equal(slabs[0].args.moment2, slabs[1].args.moment2, COUNT * 4);
    assert_memory_equal(slabs[0].args.low, slabs[1].args.low, COUNT * 2);
    assert_memory_equal(slabs[0].args.ema, slabs[1].args.ema, COUNT * 4);
    const struct step_norms *measured = &slabs[0].norms, *bare = &slabs[1].norms;
    assert_true(measured->update > 0.0f && measured->weight > 0.0f && measured->grad_dot_update != 0.0f);
    assert_true(bare->grad == measured->grad);
    assert_true(isnan(bare->update) && isnan(bare->weight) && isnan(bare->grad_dot_update));
    for (int i = 0; i < 2; i++)
        slab_close(&slabs[i]);
}

/* Moments that have decayed to nothing are 0, whichever thread they fall to, and a gradient of nothing leaves none. */
static void test_nothing_is_subnormal(void **state)
{
    (void)state;
    enum { COUNT = 300001 };
    struct slab slab;
    slab_open(&slab, COUNT, 3);
#ifndef __SSE2__
    slab_close(&slab);
    skip();
#endif
    if (!mirror_is_cpu(&slab.mirror)) {
        slab_close(&slab);
        skip();
    }
    slab.args.kind = OPTIMIZER_ADAM;
    for (int i = 0; i < COUNT; i++) {
        slab.args.grad[i] = 1e-39f;
        slab.args.moment1[i] = 1.2e-38f;
        slab.args.moment2[i] = 1e-41f;
    }
    for (int i = 0; i < COUNT_OF(slab.segments); i++)
        slab.segments[i].weight_decay = 0.0f;
    slab_step(&slab);
    for (int i = 0; i < COUNT; i++)
        if (float_bits(slab.args.moment1[i]) != 0 || float_bits(slab.args.moment2[i]) != 0)
            fail_msg("element %d: moments %g and %g", i, (double)slab.args.moment1[i], (double)slab.args.moment2[i]);
    slab_close(&slab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trajectories),
        cmocka_unit_test(test_clipping),
        cmocka_unit_test(test_update_sizes),
        cmocka_unit_test(test_shared_arithmetic),
        cmocka_unit_test(test_threads_do_not_matter),
        cmocka_unit_test(test_bad_step_touches_nothing),
        cmocka_unit_test(test_bad_stays_and_overflow_is_bad),
        cmocka_unit_test(test_unmeasured_updates_alike),
        cmocka_unit_test(test_nothing_is_subnormal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
