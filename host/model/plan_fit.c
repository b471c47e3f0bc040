/* plan_fit: how large a plan's slabs are, and taking them; what is said when they do not fit in the device's memory:
 * what the plan needs, what is free, and the largest batch that fits, found by planning smaller ones. */
#include "plan_fit.h"
#include "text.h"

void plan_size_slabs(struct plan *plan, size_t activation_bytes, size_t scratch_bytes, size_t batch_bytes)
{
    const struct plan_options *options = &plan->options;
    const size_t params = (size_t)plan->param_count * sizeof(float), states = (size_t)plan->state_count * sizeof(float);
    const bool two_moments = options->update.kind != OPTIMIZER_SGD;
    const bool measured = options->training && !options->unmeasured;
    const bool one_moment = two_moments || options->update.momentum != 0.0f;
    const size_t bytes[SLAB_COUNT] = {
        [SLAB_PARAM] = params,
        [SLAB_LOW] = options->dtype == DT_F32 ? 0 : (size_t)plan->param_count * dtype_bytes(options->dtype),
        [SLAB_GRAD] = options->training ? params : 0,
        [SLAB_GRAD_SUM] = options->training && options->accumulate ? params : 0,
        [SLAB_MOMENT1] = options->training && one_moment ? params : 0,
        [SLAB_MOMENT2] = options->training && two_moments ? params : 0,
        [SLAB_EMA] = options->training && options->ema ? params : 0,
        [SLAB_STATE] = states,
        [SLAB_STATE_EMA] = options->training && options->ema ? states : 0,
        [SLAB_ACTIVATION] = activation_bytes,
        [SLAB_SCRATCH] = scratch_bytes,
        [SLAB_BATCH] = batch_bytes,
        [SLAB_SURVEY] = measured && options->survey ? plan_survey_bytes(plan) : 0,
        [SLAB_SAMPLES] = measured ? (size_t)options->samples * sizeof(struct sample_stats) : 0,
        [SLAB_SKETCH] = measured ? (size_t)sketches_count(plan->param_count - plan->held_count) * sizeof(float) : 0,
    };
    for (int i = 0; i < SLAB_COUNT; i++)
        plan->slabs[i].bytes = bytes[i];
}

static int take_records(struct plan *plan)
{
    void *memory = NULL;
    TRY(plan->backend->share(plan->device, PLAN_RECORDS * sizeof *plan->records, &memory));
    plan->records = memory;
    return OK;
}

int plan_take_slabs(struct plan *plan)
{
    for (int i = 0; i < SLAB_COUNT; i++) {
        if (plan->slabs[i].bytes == 0)
            continue;
        int status = plan->backend->alloc(plan->device, plan->slabs[i].bytes, &plan->slabs[i].memory);
        if (status < 0) {
            char whole[24], part[24];
            text_bytes(whole, (double)plan_bytes(plan));
            text_bytes(part, (double)plan->slabs[i].bytes);
            return FAIL(status, "the plan needs %s, %s of it for %s; lower train.batch_size (%d) or the image size: %s",
                        whole, part, slab_names[i], plan->options.batch, fail_text());
        }
    }
    return plan->options.training ? take_records(plan) : OK;
}

/* ---- what does not fit ---- */

/* 0: not even one. A larger batch never needs less. */
static int largest_batch(const struct plan *plan, size_t available, int *batch)
{
    int fits = 0, fails = plan->options.batch;
    while (fails - fits > 1) {
        const int middle = fits + (fails - fits) / 2;
        struct plan_options options = plan->options;
        size_t bytes;
        options.batch = middle;
        TRY(plan_measure(plan->graph, plan->backend, plan->device, &options, &bytes));
        *(bytes <= available ? &fits : &fails) = middle;
    }
    *batch = fits;
    return OK;
}

int plan_refuse(const struct plan *plan, size_t bytes)
{
    const size_t available = plan->backend->available(plan->device);
    char needed[24], is_free[24];
    int batch;
    text_bytes(needed, (double)bytes);
    text_bytes(is_free, (double)available);
    TRY(largest_batch(plan, available, &batch));
    if (batch == 0)
        return FAIL(
            ERR_MEMORY,
            "the plan needs %s of the device's memory at train.batch_size = %d, and %s are free, too little for "
            "even one image at a time; end other programs on the device, or use a smaller network or images",
            needed, plan->options.batch, is_free);
    return FAIL(ERR_MEMORY,
                "the plan needs %s of the device's memory at train.batch_size = %d, and %s are free; the largest "
                "train.batch_size that fits is %d",
                needed, plan->options.batch, is_free, batch);
}
