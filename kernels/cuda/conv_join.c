/* conv_join: which of a convolution's passes do part of the work of the normalisations next to it, in fp16, where cuDNN
 * has an engine for both: by the clock, pass by pass, against the plain passes and what the normalisations then do
 * themselves. Where there is no clock (ms is NAN), what is there is taken.
 *
 * Sums: the forward pass leaves those that the next normalisation's statistics come of.
 *
 * Norm: the backward pass by data does most of the backward pass of the normalisation before; at the end of a residual
 * block it also adds the gradient of the other branch. Not where results must repeat: on an H100 cuDNN 9.19 leaves
 * other last bits of the gradients of scale and bias each time, which no note of its engines says.
 *
 * Made: forward pass and weights' gradient make the result of the normalisation before on their way, so that it is
 * never written; both or none, and only with sums, as cuDNN has no fast engine without. */
#include "conv.h"
#include "norm.h"
#include <math.h>

enum { JOINED_CHANNELS = 8 /* cuDNN's joined engines want multiples of it */ };

/* plan->plan is NULL where cuDNN has none. */
static int build(struct device *device, const struct dnn_conv *described, enum dnn_pass pass, struct dnn_plan *plan)
{
    struct dnn_conv joined = *described;
    joined.precompiled = true;
    const int status = dnn_plan_build(device, &joined, pass, plan);
    if (status < 0)
        dnn_plan_free(plan);
    return status == ERR_UNSUPPORTED ? OK : status;
}

/* Adds to *ms what a normalisation takes for a part of its work; leaves a time that is not known as it is. */
static int add_part(struct device *device, struct shape shape, enum norm_part part, float *ms)
{
    float spared = 0.0f;
    if (!isnan(*ms))
        TRY(cuda_norm_spared(device, shape, part, &spared));
    *ms += spared;
    return OK;
}

/* Builds a joined pass, and leaves it out where it is slower than the plain one and that part of a normalisation. */
static int join_pass(struct device *device, const struct dnn_conv *described, enum dnn_pass pass, struct shape shape,
                     enum norm_part part, float plain_ms, struct dnn_plan *joined)
{
    TRY(build(device, described, pass, joined));
    if (!joined->plan)
        return OK;
    TRY(add_part(device, shape, part, &plain_ms));
    if (joined->ms > plain_ms)
        dnn_plan_free(joined);
    return OK;
}

/* Builds both passes that make the normalisation's result, and leaves them out where they are slower than the plain
 * ones, with sums or without, and the pass that writes the result. */
static int join_made(struct device *device, const struct dnn_conv *described, struct dnn_plan *plan)
{
    struct dnn_plan *forward = &plan[DNN_FORWARD_NORM], *weights = &plan[DNN_WEIGHTS_NORM];
    TRY(build(device, described, DNN_FORWARD_NORM, forward));
    if (forward->plan)
        TRY(build(device, described, DNN_WEIGHTS_NORM, weights));
    float plain_ms = plan[DNN_FORWARD].ms;
    if (plan[DNN_FORWARD_SUMS].plan)
        plain_ms = plan[DNN_FORWARD_SUMS].ms;
    else
        TRY(add_part(device, described->out, NORM_STATISTICS, &plain_ms));
    TRY(add_part(device, described->in, NORM_RESULT, &plain_ms));
    const bool better = weights->plan && !(forward->ms + weights->ms > plain_ms + plan[DNN_WEIGHTS].ms);
    dnn_plan_free(better ? &plan[DNN_FORWARD_SUMS] : forward);
    dnn_plan_free(better ? &plan[DNN_WEIGHTS] : weights);
    return OK;
}

int conv_join(struct device *device, const struct op_desc *desc, const struct dnn_conv *described, struct conv *conv,
              struct op_needs *needs)
{
    struct dnn_plan *plan = conv->plan;
    const bool sums = desc->norm_after && !conv->bias;
    if (!desc->training || desc->dtype != DT_F16 || described->groups != 1 || described->in.c % JOINED_CHANNELS != 0 ||
        desc->out.c % JOINED_CHANNELS != 0)
        return OK;
    if (desc->sizes_only) {
        needs->takes_norm = desc->norm_met && !desc->deterministic; /* it keeps the addend */
        return OK;
    }
    if (sums)
        TRY(join_pass(device, described, DNN_FORWARD_SUMS, desc->out, NORM_STATISTICS, plan[DNN_FORWARD].ms,
                      &plan[DNN_FORWARD_SUMS]));
    const bool norms = desc->in_grad[0] && !desc->deterministic;
    if (desc->norm_before && norms)
        TRY(join_pass(device, described, DNN_DATA_NORM, described->in, NORM_BACKWARD, plan[DNN_DATA].ms,
                      &plan[DNN_DATA_NORM]));
    if (desc->norm_met && norms)
        TRY(join_pass(device, described, DNN_DATA_MET, described->in, NORM_BACKWARD_MET, plan[DNN_DATA].ms,
                      &plan[DNN_DATA_MET]));
    if (sums && desc->norm_before)
        TRY(join_made(device, described, plan));
    needs->makes_norm = plan[DNN_FORWARD_NORM].plan;
    needs->gives_sums = needs->makes_norm || plan[DNN_FORWARD_SUMS].plan;
    needs->takes_norm = plan[DNN_DATA_NORM].plan || plan[DNN_DATA_MET].plan;
    if (needs->gives_sums || needs->takes_norm)
        needs->saved_bytes = norm_joined_bytes(desc->out.c, described->in.c);
    return OK;
}
