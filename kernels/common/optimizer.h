/* optimizer: one element of SGD, Adam, AdamW and of the exponential moving average, with PyTorch's order of operations
 * (torch.optim, torch.lerp, torch.nn.utils.clip_grad_norm_). Compiled by the C compiler and by nvcc; knows nothing of
 * arrays. Formulas: Sutskever et al. 2013 (momentum), Kingma and Ba 2015 (Adam), Loshchilov and Hutter 2019 (AdamW). */
#ifndef COMMON_OPTIMIZER_H
#define COMMON_OPTIMIZER_H
#include "kernels/common/loss_scale.h"
#include <math.h>

/* What is the same for every element of a step. */
struct optimizer_step {
    float grad_scale, clip_scale; /* multiplied to the gradient in this order */
    double lr;
    float momentum; /* SGD */
    bool nesterov;
    float beta1, beta1_rest, beta2, beta2_rest, epsilon; /* rest = 1 - beta */
    float rate, correction2;                             /* lr / (1 - beta1^t), sqrt(1 - beta2^t) */
};

HOST_DEVICE struct optimizer_step optimizer_begin(const struct update_args *args, const struct step_control *control)
{
    struct optimizer_step step;
    step.grad_scale = gradient_scale(args);
    step.clip_scale = control->clip_scale;
    step.lr = (double)control->lr;
    step.momentum = (float)args->momentum;
    step.nesterov = args->nesterov;
    step.beta1 = (float)args->beta1;
    step.beta1_rest = (float)(1.0 - args->beta1);
    step.beta2 = (float)args->beta2;
    step.beta2_rest = (float)(1.0 - args->beta2);
    step.epsilon = (float)args->epsilon;
    double update = (double)(control->kept.updates + 1);
    step.rate = (float)(step.lr / (1.0 - pow(args->beta1, update)));
    step.correction2 = (float)sqrt(1.0 - pow(args->beta2, update));
    return step;
}

/* torch divides by multiplying with the reciprocal, and multiplies even when nothing is to be clipped. */
HOST_DEVICE float clip_factor(float norm, float clip_norm)
{
    float scale = 1.0f / (norm + 1e-6f) * clip_norm;
    return clip_norm <= 0.0f || scale > 1.0f ? 1.0f : scale;
}

HOST_DEVICE float scaled_gradient(const struct optimizer_step *step, float grad)
{
    return grad * step->grad_scale * step->clip_scale;
}

HOST_DEVICE float sgd_element(const struct optimizer_step *step, float decay, float param, float grad)
{
    return param - (float)step->lr * (scaled_gradient(step, grad) + decay * param);
}

/* A buffer starts at 0, so the first update makes it the gradient, as torch does. */
HOST_DEVICE float momentum_element(const struct optimizer_step *step, float decay, float param, float grad,
                                   float *buffer)
{
    float slope = scaled_gradient(step, grad) + decay * param;
    float kept = *buffer * step->momentum + slope;
    *buffer = kept;
    return param - (float)step->lr * (step->nesterov ? slope + step->momentum * kept : kept);
}

/* Adam proper, of a gradient that already holds its weight decay. */
HOST_DEVICE float moments_element(const struct optimizer_step *step, float param, float slope, float *moment1,
                                  float *moment2)
{
    float mean = *moment1 * step->beta1 + step->beta1_rest * slope;
    float square = *moment2 * step->beta2 + step->beta2_rest * slope * slope;
    *moment1 = mean;
    *moment2 = square;
    return param - step->rate * mean / (sqrtf(square) / step->correction2 + step->epsilon);
}

HOST_DEVICE float adam_element(const struct optimizer_step *step, float decay, float param, float grad, float *moment1,
                               float *moment2)
{
    return moments_element(step, param, scaled_gradient(step, grad) + decay * param, moment1, moment2);
}

/* keep = adamw_keep of the element's weight decay. */
HOST_DEVICE float adamw_keep(const struct optimizer_step *step, float decay)
{
    return (float)(1.0 - step->lr * (double)decay);
}

HOST_DEVICE float adamw_element(const struct optimizer_step *step, float keep, float param, float grad, float *moment1,
                                float *moment2)
{
    return moments_element(step, param * keep, scaled_gradient(step, grad), moment1, moment2);
}

/* The weight of the new value; exactly 1 for a decay of 0. timm's warm-up: short at first, so that the drawn weights
 * are forgotten. */
HOST_DEVICE float ema_weight(const struct step_control *control)
{
    double decay = control->ema_decay;
    if (control->ema_warmup)
        decay = fmin(decay, 1.0 - pow(1.0 + (double)control->kept.updates, -2.0 / 3.0));
    return (float)(1.0 - decay);
}

/* torch.lerp: two forms, so that both ends are exact. */
HOST_DEVICE float ema_element(float average, float value, float weight)
{
    float step = value - average;
    float mixed = weight < 0.5f ? average + weight * step : value - step * (1.0f - weight);
    return weight >= 1.0f ? value : mixed;
}
#endif
