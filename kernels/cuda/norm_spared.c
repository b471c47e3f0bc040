/* norm_spared: measures what a normalisation costs by itself and what is left of it when a convolution does a part, by
 * running both. Knows nothing of convolutions. */
#include "norm.h"
#include "tune.h"
#include <cuda_runtime_api.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* By tune's arrays. SMALL: whatever has one value per channel. */
enum { ARRAY_X, ARRAY_Y, ARRAY_GRAD, ARRAY_ADDEND, ARRAY_SMALL, ARRAY_SAVED, ARRAY_COUNT };
enum { SMALL_ROWS = 16 };

/* A convolution's state as cuda_conv_joined sees it is not at hand, so what is left is run by its own functions. */
struct trial {
    const struct op_call *call;
    struct shape shape;
    enum norm_part part;
    bool joined;
};

static int run_result(struct device *device, const struct trial *trial)
{
    struct op_call rest = *trial->call;
    rest.training = false;
    return cuda_norm.forward(device, &rest);
}

static int run(struct device *device, void *candidate, const struct tune *tune)
{
    const struct trial *trial = candidate;
    const int64_t pixels = (int64_t)trial->shape.n * trial->shape.h * trial->shape.w;
    const struct norm_joined joined = norm_joined_at(tune->array[ARRAY_SMALL], trial->shape.c, trial->shape.c);
    float *saved = tune->array[ARRAY_SAVED];
    switch (trial->part) {
    case NORM_STATISTICS:
        if (!trial->joined)
            return cuda_norm.forward(device, trial->call);
        TRY(cuda_norm_from_sums(device, joined, saved, trial->shape.c, pixels, 1e-5f));
        return run_result(device, trial);
    case NORM_RESULT:
        if (!trial->joined)
            return run_result(device, trial);
        return cuda_norm_factors(device, saved, trial->call->weight[0], trial->call->weight[1], trial->shape.c);
    default:
        if (trial->joined)
            return cuda_norm_apply(device, tune->array[ARRAY_Y], trial->call->in_grad[1], tune->array[ARRAY_GRAD],
                                   tune->array[ARRAY_X], joined, pixels, trial->shape.c);
        if (trial->part == NORM_BACKWARD_MET)
            TRY(cuda_accumulate(device, tune->array[ARRAY_GRAD], tune->array[ARRAY_X], pixels * trial->shape.c, DT_F16,
                                false));
        return cuda_norm.backward(device, trial->call);
    }
}

static int measure(struct device *device, struct tune *tune, struct trial trial, void *state, float *ms)
{
    const int64_t row = norm_row(trial.shape.c);
    float *small = (float *)tune->array[ARRAY_SMALL] + 5 * row;
    const struct op_call call = {
        .state = state,
        .scratch = tune->workspace,
        .saved = tune->array[ARRAY_SAVED],
        .in = {tune->array[ARRAY_X]},
        .out = tune->array[ARRAY_Y],
        .in_grad = {tune->array[ARRAY_Y], tune->array[ARRAY_ADDEND]},
        .out_grad = tune->array[ARRAY_GRAD],
        .weight = {small, small + row, small + 2 * row, small + 3 * row},
        .weight_grad = {small + 4 * row, small + 5 * row},
        .training = true,
    };
    trial.call = &call;
    const float whole = tune_time(device, tune, run, &trial);
    trial.joined = true;
    tune->least = INFINITY;
    const float rest = tune_time(device, tune, run, &trial);
    if (!isfinite(whole) || !isfinite(rest))
        return FAIL(ERR_DEVICE, "cuda: a normalisation does not run: %s", fail_text());
    *ms = whole - rest;
    return OK;
}

static int prepare_and_measure(struct device *device, struct trial trial, float *ms)
{
    const bool met = trial.part == NORM_BACKWARD_MET;
    const union op_params params = {.norm = {1e-5f, 0.1f, true, met}};
    const struct op_desc desc = {.params = &params,
                                 .in = {trial.shape},
                                 .out = trial.shape,
                                 .in_count = 1,
                                 .dtype = DT_F16,
                                 .training = true,
                                 .in_grad = {true}};
    struct op_needs needs = {0};
    void *state;
    TRY(cuda_norm.prepare(device, &desc, &state, &needs));
    const size_t bytes = (size_t)shape_count(trial.shape) * dtype_bytes(DT_F16);
    const struct tune_array arrays[ARRAY_COUNT] = {
        [ARRAY_X] = {DT_F16, bytes},
        [ARRAY_Y] = {DT_F16, bytes},
        [ARRAY_GRAD] = {DT_F16, bytes},
        [ARRAY_ADDEND] = {DT_F16, met ? bytes : 0},
        [ARRAY_SMALL] = {DT_F32, SMALL_ROWS * sizeof(float) * (size_t)norm_row(trial.shape.c)},
        [ARRAY_SAVED] = {DT_F32, needs.saved_bytes},
    };
    struct tune tune;
    int status = tune_open(device, &tune, arrays, ARRAY_COUNT, needs.scratch_bytes);
    if (status == OK)
        status = measure(device, &tune, trial, state, ms);
    tune_close(&tune);
    cuda_norm.release(state);
    return status;
}

int cuda_norm_spared(struct device *device, struct shape shape, enum norm_part part, float *ms)
{
    static const char *const names[] = {[NORM_STATISTICS] = "statistics",
                                        [NORM_RESULT] = "result",
                                        [NORM_BACKWARD] = "backward",
                                        [NORM_BACKWARD_MET] = "backward with addend"};
    char key[320], text[48];
    /* What is measured is this program's own kernels. */
    snprintf(key, sizeof key, "spared %s by a joined normalisation fp16 %s; %s, %d SMs, driver %s, evenkeel %s",
             names[part], shape_text(text, shape), device->name, device->sm_count, device->driver, EVENKEEL_VERSION);
    struct tune_kept kept = tune_cache_read(key);
    *ms = kept.ms;
    if (kept.choice && isfinite(kept.ms)) {
        free(kept.choice);
        return OK;
    }
    free(kept.choice);
    TRY(prepare_and_measure(device, (struct trial){.shape = shape, .part = part}, ms));
    tune_cache_write(key, "measured", *ms);
    return OK;
}
