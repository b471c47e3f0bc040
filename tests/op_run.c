/* op_run: see op_run.h. */
#include "op_run.h"

#include "kernels/common/bf16.h"
#include "kernels/common/fp16.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h wants the four above. */
#include <cmocka.h>

enum { GUARD = 256, GUARD_BYTE = 0xA5 };

#define MUST(call)                                                                                                     \
    do {                                                                                                               \
        if ((call) < 0)                                                                                                \
            fail_msg("%s: %s", #call, fail_text());                                                                    \
    } while (0)

static void *buffer_new(struct op_run *run, size_t bytes)
{
    assert_true(run->buffer_count < COUNT_OF(run->buffers));
    struct op_buffer *buffer = &run->buffers[run->buffer_count++];
    buffer->bytes = bytes;
    void *memory;
    MUST(run->backend->alloc(run->device, bytes + 2 * GUARD, &memory));
    buffer->memory = memory;
    unsigned char guard[GUARD];
    memset(guard, GUARD_BYTE, sizeof guard);
    MUST(run->backend->upload(run->device, buffer->memory, guard, GUARD));
    MUST(run->backend->upload(run->device, buffer->memory + GUARD + bytes, guard, GUARD));
    return buffer->memory + GUARD;
}

static void check_guards(struct op_run *run)
{
    MUST(run->backend->wait(run->device));
    for (int i = 0; i < run->buffer_count; i++)
        for (int side = 0; side < 2; side++) {
            unsigned char guard[GUARD];
            const struct op_buffer *buffer = &run->buffers[i];
            MUST(run->backend->download(run->device, guard, buffer->memory + side * (GUARD + buffer->bytes), GUARD));
            MUST(run->backend->wait(run->device));
            for (int k = 0; k < GUARD; k++)
                if (guard[k] != GUARD_BYTE)
                    fail_msg("%s: byte %d %s buffer %d was written", run->op_case->name, k,
                             side ? "after" : "in the sentinel before", i);
        }
}

/* All bits set: NaN in every floating-point type. */
static void spoil(struct op_run *run, void *memory, size_t bytes)
{
    if (!memory)
        return;
    void *ones = malloc(bytes + 1);
    assert_non_null(ones);
    memset(ones, 0xFF, bytes);
    MUST(run->backend->upload(run->device, memory, ones, bytes));
    MUST(run->backend->wait(run->device));
    free(ones);
}

/* ---- values ---- */

static double half_to_double(uint16_t half, enum dtype dtype)
{
    return (double)(dtype == DT_BF16 ? bf16_to_float(half) : fp16_to_float(half));
}

static uint16_t half_from_double(double value, enum dtype dtype)
{
    return dtype == DT_BF16 ? bf16_from_float((float)value) : fp16_from_float((float)value);
}

static double rounded(double value, enum dtype dtype)
{
    return dtype == DT_F32 ? (double)(float)value : half_to_double(half_from_double(value, dtype), dtype);
}

/* Multiples of 1/64 in [-1, 1), so that maxima tie now and then, plus an offset per channel. */
static double *values_new(struct op_run *run, uint64_t seed, uint32_t draw, int64_t count, int channels, double offset,
                          enum dtype dtype)
{
    double *values = arena_push(&run->arena, (size_t)count * sizeof *values);
    for (int64_t i = 0; i < count; i++) {
        const uint32_t word = random_words(seed, RANDOM_TILE, 0, (uint64_t)i, draw).word[0];
        const double even = (double)random_below(word, 128) / 64.0 - 1.0;
        values[i] = rounded(even + offset * (double)(i % channels % 5), dtype);
    }
    return values;
}

static void upload(struct op_run *run, void *memory, const double *values, int64_t count, enum dtype dtype)
{
    char *raw = malloc((size_t)count * dtype_bytes(dtype) + 1);
    assert_non_null(raw);
    for (int64_t i = 0; i < count; i++)
        if (dtype == DT_F32)
            ((float *)raw)[i] = (float)values[i];
        else
            ((uint16_t *)raw)[i] = half_from_double(values[i], dtype);
    MUST(run->backend->upload(run->device, memory, raw, (size_t)count * dtype_bytes(dtype)));
    MUST(run->backend->wait(run->device));
    free(raw);
}

static double *download(struct op_run *run, const void *memory, int64_t count, enum dtype dtype)
{
    char *raw = malloc((size_t)count * dtype_bytes(dtype) + 1);
    double *values = arena_push(&run->arena, (size_t)count * sizeof *values);
    assert_non_null(raw);
    MUST(run->backend->download(run->device, raw, memory, (size_t)count * dtype_bytes(dtype)));
    MUST(run->backend->wait(run->device));
    for (int64_t i = 0; i < count; i++)
        values[i] = dtype == DT_F32 ? (double)((float *)raw)[i] : half_to_double(((uint16_t *)raw)[i], dtype);
    free(raw);
    return values;
}

/* ---- weights ---- */

static const struct op_impl *impl_of(const struct op_run *run)
{
    return run->backend->ops[run->op_case->kind];
}

/* Packs canonical weights; checks that unpacking gives them back bit for bit and that what is more is zero. */
static void upload_weight(struct op_run *run, int k)
{
    const int64_t count = shape_count(run->weights[k].shape), own_count = run->needs.weight[k].count;
    float *canonical = arena_push(&run->arena, (size_t)count * sizeof(float));
    float *again = arena_push(&run->arena, (size_t)count * sizeof(float));
    float *own = arena_push(&run->arena, (size_t)own_count * sizeof(float));
    for (int64_t i = 0; i < count; i++)
        canonical[i] = (float)run->truth.weight[k][i];
    if (impl_of(run)->pack) {
        memset(own, 0xFF, (size_t)own_count * sizeof(float));
        impl_of(run)->pack(run->call.state, k, own, canonical);
        impl_of(run)->unpack(run->call.state, k, again, own);
        assert_memory_equal(again, canonical, (size_t)count * sizeof(float));
        int64_t zeros = 0, wanted = own_count - count;
        for (int64_t i = 0; i < own_count; i++)
            zeros += float_bits(own[i]) == 0;
        for (int64_t i = 0; i < count; i++)
            wanted += float_bits(canonical[i]) == 0;
        assert_int_equal(zeros, wanted);
    } else {
        assert_int_equal(own_count, count);
        memcpy(own, canonical, (size_t)count * sizeof(float));
    }
    if (run->needs.weight[k].dtype == DT_F32) {
        MUST(run->backend->upload(run->device, run->call.weight[k], own, (size_t)own_count * sizeof(float)));
    } else {
        float *master = buffer_new(run, (size_t)own_count * sizeof(float));
        MUST(run->backend->upload(run->device, master, own, (size_t)own_count * sizeof(float)));
        MUST(run->backend->lower(run->device, run->call.weight[k], run->needs.weight[k].dtype, master, own_count));
    }
    MUST(run->backend->wait(run->device));
}

static double *unpacked(struct op_run *run, int k, const void *memory, bool gradient)
{
    const int64_t count = shape_count(run->weights[k].shape), own_count = run->needs.weight[k].count;
    double *own = download(run, memory, own_count, DT_F32);
    if (!impl_of(run)->unpack)
        return own;
    float *from = arena_push(&run->arena, (size_t)own_count * sizeof(float));
    float *to = arena_push(&run->arena, (size_t)count * sizeof(float));
    float *back = arena_push(&run->arena, (size_t)own_count * sizeof(float));
    double *values = arena_push(&run->arena, (size_t)count * sizeof(double));
    for (int64_t i = 0; i < own_count; i++)
        from[i] = (float)own[i];
    impl_of(run)->unpack(run->call.state, k, to, from);
    for (int64_t i = 0; i < count; i++)
        values[i] = (double)to[i];
    /* A gradient's padding must be zero, or the norm and the moments would see it. */
    impl_of(run)->pack(run->call.state, k, back, to);
    for (int64_t i = 0; gradient && i < own_count; i++)
        if (back[i] == 0.0f && from[i] != 0.0f)
            fail_msg("%s: padding of weight %d has gradient %g", run->op_case->name, k, (double)from[i]);
    return values;
}

/* ---- opening ---- */

static void open_weights(struct op_run *run, uint64_t seed)
{
    run->weight_count = op_table[run->op_case->kind].weights(&run->op_case->params, &run->in, run->weights);
    for (int k = 0; k < run->weight_count; k++) {
        const int64_t count = shape_count(run->weights[k].shape);
        const bool variance = run->weights[k].role == WEIGHT_STATE && k == 3;
        run->truth.weight[k] = values_new(run, seed, 10 + (uint32_t)k, count, 1, 0.0, DT_F32);
        for (int64_t i = 0; variance && i < count; i++)
            ((double *)run->truth.weight[k])[i] += 1.5;
        run->call.weight[k] =
            buffer_new(run, (size_t)run->needs.weight[k].count * dtype_bytes(run->needs.weight[k].dtype));
        if (run->weights[k].role == WEIGHT_PARAM) {
            run->call.weight_grad[k] = buffer_new(run, (size_t)run->needs.weight[k].count * sizeof(float));
            run->truth.weight_grad[k] = arena_push(&run->arena, (size_t)count * sizeof(double));
        }
    }
}

static int in_channels(const struct op_run *run)
{
    return run->needs.in_channels ? run->needs.in_channels : run->in.c;
}

static void open_values(struct op_run *run, bool training, bool first, uint64_t seed)
{
    const int64_t in = shape_count(run->in), out = shape_count(run->out);
    const size_t each = dtype_bytes(run->dtype);
    const double offset = run->op_case->kind == OP_NORM ? 3.0 : 0.0;
    for (int i = 0; i < run->in_count; i++) {
        run->truth.in[i] = values_new(run, seed, (uint32_t)i, in, run->in.c, offset, run->dtype);
        run->call.in[i] = buffer_new(run, (size_t)in / (size_t)run->in.c * (size_t)in_channels(run) * each);
        if (training && !(first && i == 0)) {
            run->call.in_grad[i] = buffer_new(run, (size_t)in * each);
            run->truth.in_grad[i] = arena_push(&run->arena, (size_t)in * sizeof(double));
        }
    }
    run->truth.out = arena_push(&run->arena, (size_t)out * sizeof(double));
    run->truth.out_grad = values_new(run, seed, 5, out, 1, 0.0, run->dtype);
    run->call.out = buffer_new(run, (size_t)out * each);
    if (training)
        run->call.out_grad = buffer_new(run, (size_t)out * each);
}

static void open_run(struct op_run *run, const struct backend *backend, struct device *device,
                     const struct op_case *op_case, enum dtype dtype, bool training, bool first, uint64_t seed)
{
    *run = (struct op_run){.backend = backend,
                           .device = device,
                           .op_case = op_case,
                           .dtype = dtype,
                           .in = op_case->in,
                           .out = op_case_out(op_case),
                           .in_count = op_case_inputs(op_case)};
    run->control = (struct step_control){.seed = seed, .step = 7, .micro = 1};
    struct op_desc desc = {.params = &op_case->params,
                           .in = {run->in, run->in},
                           .out = run->out,
                           .in_count = run->in_count,
                           .dtype = dtype,
                           .training = training,
                           .first = first,
                           .in_grad = {training && !first, training && run->in_count > 1}};
    run->call = (struct op_call){.node = 3, .training = training};
    run->truth = (struct ref_call){.kind = op_case->kind,
                                   .params = &op_case->params,
                                   .in_shape = {run->in, run->in},
                                   .out_shape = run->out,
                                   .training = training,
                                   .seed = seed,
                                   .step = 7,
                                   .micro = 1,
                                   .node = 3};
    if (impl_of(run)->prepare(device, &desc, &run->call.state, &run->needs) < 0)
        fail_msg("%s: %s", op_case->name, fail_text());
    open_weights(run, seed);
    open_values(run, training, first, seed);
    run->call.scratch = buffer_new(run, run->needs.scratch_bytes);
    run->call.saved = buffer_new(run, run->needs.saved_bytes);
    run->call.control = buffer_new(run, sizeof run->control);
    op_run_upload(run);
}

/* Channels that the operation wants more of are 0. */
static void upload_input(struct op_run *run, int input)
{
    const int own = in_channels(run), channels = run->in.c;
    const int64_t count = shape_count(run->in) / channels * own;
    double *padded = calloc((size_t)count + 1, sizeof *padded);
    assert_non_null(padded);
    for (int64_t i = 0; i < count; i++)
        padded[i] = i % own < channels ? run->truth.in[input][i / own * channels + i % own] : 0.0;
    upload(run, (void *)run->call.in[input], padded, count, run->dtype);
    free(padded);
}

void op_run_upload(struct op_run *run)
{
    for (int i = 0; i < run->in_count; i++)
        upload_input(run, i);
    if (run->call.out_grad)
        upload(run, (void *)run->call.out_grad, run->truth.out_grad, shape_count(run->out), run->dtype);
    for (int k = 0; k < run->weight_count; k++)
        upload_weight(run, k);
    MUST(run->backend->upload(run->device, (void *)run->call.control, &run->control, sizeof run->control));
    MUST(run->backend->wait(run->device));
}

void op_run_open(struct op_run *run, const struct backend *backend, struct device *device,
                 const struct op_case *op_case, enum dtype dtype, bool training, uint64_t seed)
{
    open_run(run, backend, device, op_case, dtype, training, false, seed);
}

void op_run_open_first(struct op_run *run, const struct backend *backend, struct device *device,
                       const struct op_case *op_case, enum dtype dtype, uint64_t seed)
{
    open_run(run, backend, device, op_case, dtype, true, true, seed);
}

void op_run_close(struct op_run *run)
{
    impl_of(run)->release(run->call.state);
    for (int i = 0; i < run->buffer_count; i++)
        run->backend->release(run->device, run->buffers[i].memory);
    arena_free(&run->arena);
}

/* ---- running ---- */

void op_run_forward(struct op_run *run)
{
    spoil(run, run->call.scratch, run->needs.scratch_bytes);
    spoil(run, run->call.saved, run->needs.saved_bytes);
    spoil(run, run->call.out, (size_t)shape_count(run->out) * dtype_bytes(run->dtype));
    MUST(impl_of(run)->forward(run->device, &run->call));
    check_guards(run);
}

void op_run_backward(struct op_run *run)
{
    spoil(run, run->call.scratch, run->needs.scratch_bytes);
    for (int i = 0; i < run->in_count; i++)
        spoil(run, run->call.in_grad[i], (size_t)shape_count(run->in) * dtype_bytes(run->dtype));
    for (int k = 0; k < run->weight_count; k++)
        spoil(run, run->call.weight_grad[k], (size_t)run->needs.weight[k].count * sizeof(float));
    MUST(impl_of(run)->backward(run->device, &run->call));
    check_guards(run);
}

void op_run_commit(struct op_run *run)
{
    MUST(impl_of(run)->commit(run->device, &run->call));
    check_guards(run);
}

double *op_run_out(struct op_run *run)
{
    return download(run, run->call.out, shape_count(run->out), run->dtype);
}

double *op_run_in_grad(struct op_run *run, int input)
{
    return download(run, run->call.in_grad[input], shape_count(run->in), run->dtype);
}

double *op_run_weight(struct op_run *run, int weight)
{
    return unpacked(run, weight, run->call.weight[weight], false);
}

double *op_run_weight_grad(struct op_run *run, int weight)
{
    return unpacked(run, weight, run->call.weight_grad[weight], true);
}

void op_check(const char *name, const char *what, const double *got, const double *want, int64_t count, double relative,
              double scaled)
{
    double scale = 0.0, worst = 0.0;
    int64_t where = -1;
    for (int64_t i = 0; i < count; i++)
        if (isfinite(want[i]) && fabs(want[i]) > scale)
            scale = fabs(want[i]);
    for (int64_t i = 0; i < count; i++) {
        if (got[i] == want[i] || (isnan(got[i]) && isnan(want[i])))
            continue;
        const double over = fabs(got[i] - want[i]) / (relative * fabs(want[i]) + scaled * scale);
        if (!(over <= worst)) {
            worst = over;
            where = i;
        }
        if (isnan(over))
            break;
    }
    if (!(worst <= 1.0))
        fail_msg("%s: %s[%lld of %lld] is %.9g, should be %.9g: %.3g times the tolerance", name, what, (long long)where,
                 (long long)count, got[where], want[where], worst);
}
