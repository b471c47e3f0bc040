/* ref_ops: see ref_ops.h. */
#include "ref_ops.h"

#include "kernels/common/dropout.h"
#include <math.h>
#include <string.h>

static int64_t at(struct shape s, int n, int h, int w, int c)
{
    return (((int64_t)n * s.h + h) * s.w + w) * s.c + c;
}

static void clear(double *values, int64_t count)
{
    if (values)
        memset(values, 0, (size_t)count * sizeof *values);
}

/* ---- convolution: y[n,h,w,o] = b[o] + sum x[n, h*s+kh-p, w*s+kw-p, i] * W[o,i,kh,kw] ---- */

static void conv2d_walk(const struct ref_call *call, bool backward)
{
    const union op_params *p = call->params;
    const struct shape in = call->in_shape[0], out = call->out_shape;
    const int kh = p->conv2d.kernel_h, kw = p->conv2d.kernel_w, per = in.c / p->conv2d.groups;
    for (int64_t y = 0; y < shape_count(out); y++) {
        const int o = (int)(y % out.c), ow = (int)(y / out.c % out.w), oh = (int)(y / out.c / out.w % out.h);
        const int n = (int)(y / out.c / out.w / out.h), first = o / (out.c / p->conv2d.groups) * per;
        double sum = p->conv2d.bias ? call->weight[1][o] : 0.0;
        for (int t = 0; t < per * kh * kw; t++) {
            const int ih = oh * p->conv2d.stride + t / kw % kh - p->conv2d.pad_h;
            const int iw = ow * p->conv2d.stride + t % kw - p->conv2d.pad_w;
            if (ih < 0 || ih >= in.h || iw < 0 || iw >= in.w)
                continue;
            const int64_t x = at(in, n, ih, iw, first + t / kw / kh), w = (int64_t)o * per * kh * kw + t;
            sum += call->in[0][x] * call->weight[0][w];
            if (backward && call->in_grad[0])
                call->in_grad[0][x] += call->out_grad[y] * call->weight[0][w];
            if (backward && call->weight_grad[0])
                call->weight_grad[0][w] += call->out_grad[y] * call->in[0][x];
        }
        if (!backward)
            call->out[y] = sum;
        else if (p->conv2d.bias && call->weight_grad[1])
            call->weight_grad[1][o] += call->out_grad[y];
    }
}

static void conv2d_forward(const struct ref_call *call)
{
    conv2d_walk(call, false);
}

static void conv2d_backward(const struct ref_call *call)
{
    conv2d_walk(call, true);
}

/* ---- linear: y[n,o] = b[o] + sum x[n,h,w,c] * W[o, (c*H + h)*W + w] ---- */

static void linear_walk(const struct ref_call *call, bool backward)
{
    const struct shape in = call->in_shape[0];
    const int units = call->out_shape.c;
    const int64_t each = (int64_t)in.h * in.w * in.c;
    for (int n = 0; n < in.n; n++)
        for (int o = 0; o < units; o++) {
            const int64_t y = (int64_t)n * units + o;
            double sum = call->params->linear.bias ? call->weight[1][o] : 0.0;
            for (int64_t t = 0; t < each; t++) {
                const int64_t c = t / in.w / in.h, h = t / in.w % in.h, w = t % in.w;
                const int64_t x = at(in, n, (int)h, (int)w, (int)c), k = o * each + t;
                sum += call->in[0][x] * call->weight[0][k];
                if (backward && call->in_grad[0])
                    call->in_grad[0][x] += call->out_grad[y] * call->weight[0][k];
                if (backward && call->weight_grad[0])
                    call->weight_grad[0][k] += call->out_grad[y] * call->in[0][x];
            }
            if (!backward)
                call->out[y] = sum;
            else if (call->params->linear.bias && call->weight_grad[1])
                call->weight_grad[1][o] += call->out_grad[y];
        }
}

static void linear_forward(const struct ref_call *call)
{
    linear_walk(call, false);
}

static void linear_backward(const struct ref_call *call)
{
    linear_walk(call, true);
}

/* ---- normalisation ---- */

static int64_t pixels(const struct ref_call *call)
{
    return shape_count(call->in_shape[0]) / call->in_shape[0].c;
}

/* The biased variance. */
static void batch_statistics(const struct ref_call *call, int c, double *mean, double *variance)
{
    const int channels = call->in_shape[0].c;
    double sum = 0.0, squares = 0.0;
    for (int64_t i = c; i < shape_count(call->in_shape[0]); i += channels)
        sum += call->in[0][i];
    *mean = sum / (double)pixels(call);
    for (int64_t i = c; i < shape_count(call->in_shape[0]); i += channels)
        squares += (call->in[0][i] - *mean) * (call->in[0][i] - *mean);
    *variance = squares / (double)pixels(call);
}

static double relu(double value)
{
    return value <= 0.0 ? 0.0 : value;
}

static void norm_forward(const struct ref_call *call)
{
    const union op_params *p = call->params;
    const int channels = call->in_shape[0].c;
    for (int c = 0; c < channels; c++) {
        double mean = call->weight[2][c], variance = call->weight[3][c];
        if (call->training)
            batch_statistics(call, c, &mean, &variance);
        for (int64_t i = c; i < shape_count(call->out_shape); i += channels) {
            double value = (call->in[0][i] - mean) / sqrt(variance + (double)p->norm.epsilon) * call->weight[0][c] +
                           call->weight[1][c];
            if (p->norm.add)
                value += call->in[1][i];
            call->out[i] = p->norm.relu ? relu(value) : value;
        }
    }
}

static void norm_backward(const struct ref_call *call)
{
    const union op_params *p = call->params;
    const int channels = call->in_shape[0].c;
    for (int c = 0; c < channels; c++) {
        double mean, variance, sum = 0.0, product = 0.0;
        batch_statistics(call, c, &mean, &variance);
        const double inverse = 1.0 / sqrt(variance + (double)p->norm.epsilon), count = (double)pixels(call);
        for (int pass = 0; pass < 2; pass++)
            for (int64_t i = c; i < shape_count(call->out_shape); i += channels) {
                const double grad = p->norm.relu && call->out[i] <= 0.0 ? 0.0 : call->out_grad[i];
                const double normal = (call->in[0][i] - mean) * inverse;
                if (pass == 0) {
                    sum += grad;
                    product += grad * normal;
                } else {
                    if (call->in_grad[0])
                        call->in_grad[0][i] =
                            call->weight[0][c] * inverse * (grad - sum / count - normal * product / count);
                    if (p->norm.add && call->in_grad[1])
                        call->in_grad[1][i] = grad;
                }
            }
        call->weight_grad[0][c] = product;
        call->weight_grad[1][c] = sum;
    }
}

void ref_commit(const struct ref_call *call, double *running_mean, double *running_var)
{
    const double momentum = (double)call->params->norm.momentum, count = (double)pixels(call);
    for (int c = 0; c < call->in_shape[0].c; c++) {
        double mean, variance;
        batch_statistics(call, c, &mean, &variance);
        running_mean[c] = (1.0 - momentum) * running_mean[c] + momentum * mean;
        running_var[c] = (1.0 - momentum) * running_var[c] + momentum * variance * count / (count - 1.0);
    }
}

/* ---- pooling ---- */

/* Calls for each output with its window's pixels; max: picks the winner first. */
static void pool_walk(const struct ref_call *call, bool backward)
{
    const union op_params *p = call->params;
    const struct shape in = call->in_shape[0], out = call->out_shape;
    const bool global = p->pool.kind == POOL_GLOBAL;
    const int size_h = global ? in.h : p->pool.size, size_w = global ? in.w : p->pool.size;
    const int stride = global ? 1 : p->pool.stride, pad = global ? 0 : p->pool.pad;
    for (int64_t y = 0; y < shape_count(out); y++) {
        const int c = (int)(y % out.c), ow = (int)(y / out.c % out.w), oh = (int)(y / out.c / out.w % out.h);
        const int n = (int)(y / out.c / out.w / out.h);
        int64_t winner = -1;
        double best = -INFINITY, sum = 0.0;
        int inside = 0, counted = 0;
        for (int t = 0; t < size_h * size_w; t++) {
            const int ih = oh * stride - pad + t / size_w, iw = ow * stride - pad + t % size_w;
            counted += ih < in.h + pad && iw < in.w + pad;
            if (ih < 0 || ih >= in.h || iw < 0 || iw >= in.w)
                continue;
            const int64_t x = at(in, n, ih, iw, c);
            inside++;
            sum += call->in[0][x];
            if (winner < 0 || call->in[0][x] > best || isnan(call->in[0][x])) {
                winner = x;
                best = call->in[0][x];
            }
        }
        const int divisor = !global && p->pool.count_padding ? counted : inside;
        if (!backward)
            call->out[y] = p->pool.kind == POOL_MAX ? best : sum / divisor;
        else if (p->pool.kind == POOL_MAX)
            call->in_grad[0][winner] += call->out_grad[y];
        else
            for (int t = 0; t < size_h * size_w; t++) {
                const int ih = oh * stride - pad + t / size_w, iw = ow * stride - pad + t % size_w;
                if (ih >= 0 && ih < in.h && iw >= 0 && iw < in.w)
                    call->in_grad[0][at(in, n, ih, iw, c)] += call->out_grad[y] / divisor;
            }
    }
}

static void pool_forward(const struct ref_call *call)
{
    pool_walk(call, false);
}

static void pool_backward(const struct ref_call *call)
{
    if (call->in_grad[0])
        pool_walk(call, true);
}

/* ---- element-wise ---- */

static void relu_forward(const struct ref_call *call)
{
    for (int64_t i = 0; i < shape_count(call->out_shape); i++)
        call->out[i] = relu(call->in[0][i]);
}

static void relu_backward(const struct ref_call *call)
{
    for (int64_t i = 0; i < shape_count(call->out_shape); i++)
        call->in_grad[0][i] = call->out[i] <= 0.0 ? 0.0 : call->out_grad[i];
}

static void add_forward(const struct ref_call *call)
{
    for (int64_t i = 0; i < shape_count(call->out_shape); i++)
        call->out[i] = call->in[0][i] + call->in[1][i];
}

static void add_backward(const struct ref_call *call)
{
    for (int k = 0; k < OP_MAX_IN; k++)
        if (call->in_grad[k])
            memcpy(call->in_grad[k], call->out_grad, (size_t)shape_count(call->out_shape) * sizeof(double));
}

static double dropout_factor(const struct ref_call *call, int64_t i)
{
    if (!call->training)
        return 1.0;
    const float rate = call->params->dropout.rate;
    const int64_t groups = (shape_count(call->out_shape) + 3) / 4;
    const struct random_block words = random_words(call->seed, RANDOM_DROPOUT, (uint32_t)call->step,
                                                   (uint64_t)(call->micro * groups + i / 4), (uint32_t)call->node);
    return random_unit(words.word[i % 4]) >= rate ? 1.0 / (1.0 - (double)rate) : 0.0;
}

static void dropout_forward(const struct ref_call *call)
{
    for (int64_t i = 0; i < shape_count(call->out_shape); i++)
        call->out[i] = call->in[0][i] * dropout_factor(call, i);
}

static void dropout_backward(const struct ref_call *call)
{
    for (int64_t i = 0; i < shape_count(call->out_shape); i++)
        call->in_grad[0][i] = call->out_grad[i] * dropout_factor(call, i);
}

/* ---- by kind ---- */

static const struct {
    void (*forward)(const struct ref_call *call);
    void (*backward)(const struct ref_call *call);
} table[OP_COUNT] = {
    [OP_CONV2D] = {conv2d_forward, conv2d_backward},    [OP_LINEAR] = {linear_forward, linear_backward},
    [OP_NORM] = {norm_forward, norm_backward},          [OP_RELU] = {relu_forward, relu_backward},
    [OP_POOL] = {pool_forward, pool_backward},          [OP_ADD] = {add_forward, add_backward},
    [OP_DROPOUT] = {dropout_forward, dropout_backward},
};

void ref_forward(const struct ref_call *call)
{
    table[call->kind].forward(call);
}

void ref_backward(const struct ref_call *call)
{
    struct op_weight weights[OP_MAX_WEIGHTS];
    const int count = op_table[call->kind].weights(call->params, call->in_shape, weights);
    for (int i = 0; i < count; i++)
        clear(call->weight_grad[i], shape_count(weights[i].shape));
    for (int k = 0; k < OP_MAX_IN; k++)
        clear(call->in_grad[k], shape_count(call->in_shape[k]));
    table[call->kind].backward(call);
}
