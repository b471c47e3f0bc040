/* test_update: gradient norm, clipping, SGD, Adam, AdamW, averages and the element-wise helpers of the CPU backend,
 * against PyTorch's recorded trajectories and against plain loops in double. */
#include "backend.h"
#include "kernels/common/bf16.h"
#include "random.h"
#include "vectors.h"

#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the standard headers first */
#include <cmocka.h>

static const struct backend *const cpu = &backend_cpu;
static const int64_t sizes[] = {1, 15, 16, 17, 63, 1023, 1025, 4095, 4096, 4097, 100003, 2200001};

/* The flat arrays of one model, and everything that update reads and writes. */
struct slab {
    struct device *device;
    struct step_control control;
    struct decay_segment segments[3];
    struct update_args args;
    float norms[3];
    int32_t nonfinite;
};

static void *take(struct slab *slab, size_t bytes)
{
    void *memory;
    assert_int_equal(cpu->alloc(slab->device, bytes, &memory), OK);
    return memory;
}

static void slab_open(struct slab *slab, int64_t count, int threads)
{
    *slab = (struct slab){.control = {.lr = 0.01f, .ema_decay = 0.9}};
    assert_int_equal(cpu->open(&slab->device, 0, threads), OK);
    slab->segments[0] = (struct decay_segment){count / 3, 0.0f};
    slab->segments[1] = (struct decay_segment){count / 3 + count / 2, 0.1f};
    slab->segments[2] = (struct decay_segment){count, 0.01f};
    slab->args = (struct update_args){.kind = OPTIMIZER_ADAMW,
                                      .beta1 = 0.9,
                                      .beta2 = 0.999,
                                      .epsilon = 1e-8,
                                      .grad_scale = 1.0f,
                                      .count = count,
                                      .param = take(slab, (size_t)count * 4),
                                      .grad = take(slab, (size_t)count * 4),
                                      .moment1 = take(slab, (size_t)count * 4),
                                      .moment2 = take(slab, (size_t)count * 4),
                                      .ema = take(slab, (size_t)count * 4),
                                      .low = take(slab, (size_t)count * 2),
                                      .low_dtype = DT_BF16,
                                      .segments = slab->segments,
                                      .segment_count = 3,
                                      .control = &slab->control,
                                      .norms = slab->norms,
                                      .nonfinite = &slab->nonfinite};
    vectors_det(slab->args.param, "update.param", count, -1, 1);
    vectors_det(slab->args.grad, "update.grad", count, -2, 2);
    vectors_det(slab->args.ema, "update.ema", count, -1, 1);
}

static void slab_close(struct slab *slab)
{
    cpu->release(slab->device, slab->args.param);
    cpu->release(slab->device, slab->args.grad);
    cpu->release(slab->device, slab->args.moment1);
    cpu->release(slab->device, slab->args.moment2);
    cpu->release(slab->device, slab->args.ema);
    cpu->release(slab->device, slab->args.low);
    cpu->close(slab->device);
}

static void slab_step(struct slab *slab)
{
    assert_int_equal(cpu->grad_norm(slab->device, &slab->args), OK);
    assert_int_equal(cpu->update(slab->device, &slab->args), OK);
}

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
        slab.control.updates = t;
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
        assert_true(fabs((double)slab.norms[0] - norm) <= 1e-7 * norm);
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

static void test_averages(void **state)
{
    (void)state;
    struct vectors vectors;
    vectors_open(&vectors, "ema");
    const json_t *cases = vectors_member(vectors.json, "cases");
    assert_int_equal(json_array_size(cases), 4);
    struct slab slab;
    slab_open(&slab, 4, 1);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *one = json_array_get(cases, i);
        float *model = vectors_floats(&vectors, one, "model", NULL), *want = vectors_floats(&vectors, one, "ema", NULL);
        double *decay = vectors_doubles(&vectors, one, "decay", NULL);
        memcpy(slab.args.ema, vectors_floats(&vectors, one, "init", NULL), 16);
        for (int t = 0; t < 8; t++) {
            slab.control.ema_decay = decay[t];
            assert_int_equal(cpu->blend(slab.device, slab.args.ema, model + t * 4, 4, &slab.control), OK);
            /* One rounding of values below 1: torch's vector loop fuses the multiply-add. */
            vectors_check(vectors_text(one, "name"), slab.args.ema, want + t * 4, 4, 1.2e-7, 0);
        }
    }
    /* A copy is one whatever was there before. */
    float before[] = {NAN, INFINITY, 1e38f, 0}, value[] = {1, 2, -3e38f, 4};
    slab.control.ema_decay = 0;
    assert_int_equal(cpu->blend(slab.device, before, value, 4, &slab.control), OK);
    assert_memory_equal(before, value, sizeof value);
    slab_close(&slab);
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
        assert_true(fabs(slab.norms[0] - norm) <= 1e-7 * norm);
        assert_true(fabs(slab.norms[1] - sqrt(moved)) <= 1e-7 * sqrt(moved));
        assert_true(fabs(slab.norms[2] - sqrt(weight)) <= 1e-7 * sqrt(weight));
        free(param);
        free(ema);
        slab_close(&slab);
    }
}

static void test_threads_do_not_matter(void **state)
{
    (void)state;
    static const int64_t counts[] = {4097, 300001, 2200001};
    for (int s = 0; s < COUNT_OF(counts); s++) {
        struct slab one, other;
        slab_open(&one, counts[s], 1);
        slab_step(&one);
        for (int threads = 2; threads <= 5; threads += 3) {
            slab_open(&other, counts[s], threads);
            slab_step(&other);
            assert_memory_equal(one.norms, other.norms, sizeof one.norms);
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
            slab.args.grad[p] = poison[p];
            slab_step(&slab);
            assert_int_equal(slab.control.bad, 1);
            assert_int_equal(slab.nonfinite, 2);
            assert_false(isfinite(slab.norms[0]));
            assert_memory_equal(slab.args.param, clean.args.param, COUNT * 4);
            assert_memory_equal(slab.args.moment1, clean.args.moment1, COUNT * 4);
            assert_memory_equal(slab.args.moment2, clean.args.moment2, COUNT * 4);
            assert_memory_equal(slab.args.ema, clean.args.ema, COUNT * 4);
            assert_memory_equal(slab.args.low, clean.args.low, COUNT * 2);
            assert_int_equal(cpu->blend(slab.device, slab.args.ema, slab.args.param, COUNT, &slab.control), OK);
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
    assert_true(fabs((double)slab.norms[0] - 1e31) < 1e25);
    for (int i = 0; i < 100; i++)
        slab.args.grad[i] = 2e38f;
    slab_step(&slab);
    assert_int_equal(slab.control.bad, 1);
    assert_int_equal(slab.nonfinite, 0);
    slab_close(&slab);
}

/* ---- small ones ---- */

static void test_bf16(void **state)
{
    (void)state;
    static const struct {
        uint32_t bits;
        uint16_t want;
    } cases[] = {
        {0x3F800000, 0x3F80}, {0x3F808000, 0x3F80}, {0x3F808001, 0x3F81}, {0x3F818000, 0x3F82}, {0x3F817FFF, 0x3F81},
        {0x7F7FFFFF, 0x7F80}, {0x7F800000, 0x7F80}, {0xFF800000, 0xFF80}, {0x00000001, 0x0000}, {0x80000000, 0x8000},
        {0x7F800001, 0x7FC0}, {0xFFFFFFFF, 0xFFFF}, {0x7FFFFFFF, 0x7FFF},
    };
    for (int i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(bf16_from_float(float_from_bits(cases[i].bits)), cases[i].want);
    for (uint32_t half = 0; half < 65536; half++) {
        float value = bf16_to_float((uint16_t)half);
        if (value == value)
            assert_int_equal(bf16_from_float(value), half);
        else
            assert_true(bf16_to_float(bf16_from_float(value)) != bf16_to_float(bf16_from_float(value)));
    }
}

static void test_accumulate_lower_swap(void **state)
{
    (void)state;
    enum { MOST = 4097 };
    static float a[MOST], b[MOST], sum[MOST], kept[MOST];
    static uint16_t low_a[MOST], low_b[MOST], low_sum[MOST];
    struct slab slab;
    slab_open(&slab, 1, 2);
    vectors_det(a, "a", MOST, -1, 1);
    vectors_det(b, "b", MOST, -1, 1);
    for (int s = 0; s < COUNT_OF(sizes) && sizes[s] <= MOST; s++) {
        int64_t count = sizes[s];
        assert_int_equal(cpu->accumulate(slab.device, sum, a, count, DT_F32, true), OK);
        assert_memory_equal(sum, a, (size_t)count * 4);
        assert_int_equal(cpu->accumulate(slab.device, sum, b, count, DT_F32, false), OK);
        assert_int_equal(cpu->lower(slab.device, low_a, DT_BF16, a, count), OK);
        assert_int_equal(cpu->lower(slab.device, low_b, DT_BF16, b, count), OK);
        assert_int_equal(cpu->accumulate(slab.device, low_sum, low_a, count, DT_BF16, true), OK);
        assert_int_equal(cpu->accumulate(slab.device, low_sum, low_b, count, DT_BF16, false), OK);
        for (int64_t i = 0; i < count; i++) {
            assert_true(sum[i] == a[i] + b[i]);
            assert_int_equal(low_a[i], bf16_from_float(a[i]));
            assert_int_equal(low_sum[i], bf16_from_float(bf16_to_float(low_a[i]) + bf16_to_float(low_b[i])));
        }
        memcpy(kept, sum, sizeof sum);
        assert_int_equal(cpu->swap(slab.device, sum, b, count), OK);
        assert_memory_equal(b, kept, (size_t)count * 4);
        assert_int_equal(cpu->swap(slab.device, sum, b, count), OK);
        assert_memory_equal(sum, kept, (size_t)count * 4);
        if (count < MOST)
            assert_true(low_a[count] == 0);
    }
    slab_close(&slab);
}

static void test_count_nonfinite(void **state)
{
    (void)state;
    static float full[4097];
    static uint16_t half[4097];
    struct slab slab;
    int64_t found;
    slab_open(&slab, 1, 2);
    full[0] = NAN, full[16] = INFINITY, full[4096] = -INFINITY, full[7] = 3e38f;
    half[3] = 0x7F80, half[4095] = 0xFFC1, half[9] = 0x7F7F, half[11] = 0x7C00;
    assert_int_equal(cpu->count_nonfinite(slab.device, full, DT_F32, 4097, &found), OK);
    assert_int_equal(found, 3);
    assert_int_equal(cpu->count_nonfinite(slab.device, half, DT_BF16, 4097, &found), OK);
    assert_int_equal(found, 2);
    assert_int_equal(cpu->count_nonfinite(slab.device, half, DT_F16, 12, &found), OK);
    assert_int_equal(found, 3);
    slab_close(&slab);
}

static void test_device(void **state)
{
    (void)state;
    struct device *device;
    char text[160];
    bool hardware;
    assert_int_equal(cpu->open(&device, 1, 0), ERR_DEVICE);
    assert_null(device);
    assert_int_equal(cpu->open(&device, 0, 3), OK);
    cpu->describe(device, text, sizeof text);
    assert_non_null(strstr(text, ", 3 threads, "));
    assert_non_null(strstr(text, "oneDNN "));
    assert_true(cpu->supports(device, DT_F32, &hardware) && hardware);
    assert_false(cpu->supports(device, DT_F16, &hardware) || hardware);
    void *memory;
    assert_int_equal(cpu->alloc(device, 0, &memory), OK);
    cpu->release(device, memory);
    assert_int_equal(cpu->alloc(device, 1000, &memory), OK);
    assert_int_equal((uintptr_t)memory % 256, 0);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(((char *)memory)[i], 0);
    cpu->release(device, memory);
    assert_int_equal(cpu->alloc(device, SIZE_MAX / 2, &memory), ERR_MEMORY);
    assert_int_equal(cpu->alloc(device, SIZE_MAX, &memory), ERR_MEMORY);
    cpu->release(device, NULL);
    cpu->close(device);
    cpu->close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trajectories),
        cmocka_unit_test(test_clipping),
        cmocka_unit_test(test_averages),
        cmocka_unit_test(test_update_sizes),
        cmocka_unit_test(test_threads_do_not_matter),
        cmocka_unit_test(test_bad_step_touches_nothing),
        cmocka_unit_test(test_bad_stays_and_overflow_is_bad),
        cmocka_unit_test(test_bf16),
        cmocka_unit_test(test_accumulate_lower_swap),
        cmocka_unit_test(test_count_nonfinite),
        cmocka_unit_test(test_device),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
