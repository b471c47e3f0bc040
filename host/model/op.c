/* op: the op table: shapes, weights, flops of each kind of operation. Owns the host's whole knowledge of operations;
 * must not know graphs, plans or devices. */
#include "op.h"

#include <stdio.h>

static const struct {
    const char *name;
    size_t bytes;
} dtypes[DT_COUNT] = {
    [DT_F32] = {"fp32", 4},  [DT_BF16] = {"bf16", 2}, [DT_F16] = {"fp16", 2},
    [DT_I32] = {"int32", 4}, [DT_U8] = {"uint8", 1},
};

size_t dtype_bytes(enum dtype dtype)
{
    return dtypes[dtype].bytes;
}

const char *dtype_name(enum dtype dtype)
{
    return dtypes[dtype].name;
}

int64_t shape_count(struct shape shape)
{
    return (int64_t)shape.n * shape.h * shape.w * shape.c;
}

bool shape_equal(struct shape a, struct shape b)
{
    return a.n == b.n && a.h == b.h && a.w == b.w && a.c == b.c;
}

char *shape_text(char text[static 48], struct shape shape)
{
    snprintf(text, 48, "%dx%dx%dx%d", shape.n, shape.h, shape.w, shape.c);
    return text;
}

/* ---- convolution ---- */

static int conv2d_infer(const union op_params *params, const struct shape *in, int in_count, struct shape *out)
{
    (void)in_count;
    const int kh = params->conv2d.kernel_h, kw = params->conv2d.kernel_w, stride = params->conv2d.stride;
    const int padded_h = in->h + 2 * params->conv2d.pad_h, padded_w = in->w + 2 * params->conv2d.pad_w;
    const int groups = params->conv2d.groups, filters = params->conv2d.filters;
    if (filters < 1 || kh < 1 || kw < 1 || stride < 1 || groups < 1 || params->conv2d.pad_h < 0 ||
        params->conv2d.pad_w < 0)
        return FAIL(ERR_CONFIG, "filters, kernel, stride and groups must be at least 1, pad at least 0");
    if (kh > padded_h || kw > padded_w)
        return FAIL(ERR_CONFIG, "the %dx%d kernel is larger than the padded input, %dx%d", kh, kw, padded_h, padded_w);
    if (in->c % groups)
        return FAIL(ERR_CONFIG, "groups = %d must divide the %d input channels", groups, in->c);
    if (filters % groups)
        return FAIL(ERR_CONFIG, "groups = %d must divide the %d filters", groups, filters);
    if ((double)kh * kw * (in->c / groups) * filters > 2147483647.0)
        return FAIL(ERR_CONFIG, "%d filters of %dx%dx%d are more than 2^31 weights; use smaller or fewer ones", filters,
                    kh, kw, in->c / groups);
    *out = (struct shape){in->n, (padded_h - kh) / stride + 1, (padded_w - kw) / stride + 1, filters};
    return OK;
}

/* Weight and bias of a layer whose output elements each see fan_in inputs. */
static int weight_and_bias(struct op_weight weights[static OP_MAX_WEIGHTS], struct shape shape, int rank, int fan_in,
                           bool bias)
{
    weights[0] = (struct op_weight){
        .suffix = "weight", .shape = shape, .rank = rank, .init = INIT_UNIFORM_FAN_IN, .fan_in = fan_in};
    weights[1] = (struct op_weight){
        .suffix = "bias", .shape = {1, 1, 1, shape.n}, .rank = 1, .init = INIT_UNIFORM_FAN_IN, .fan_in = fan_in};
    return bias ? 2 : 1;
}

static int conv2d_weights(const union op_params *params, const struct shape *in,
                          struct op_weight weights[static OP_MAX_WEIGHTS])
{
    const int kh = params->conv2d.kernel_h, kw = params->conv2d.kernel_w, per_group = in->c / params->conv2d.groups;
    const struct shape shape = {params->conv2d.filters, kh, kw, per_group};
    return weight_and_bias(weights, shape, 4, kh * kw * per_group, params->conv2d.bias);
}

static double conv2d_flops(const union op_params *params, const struct shape *in, struct shape out)
{
    return 2.0 * (double)shape_count(out) * params->conv2d.kernel_h * params->conv2d.kernel_w *
           (in->c / params->conv2d.groups);
}

/* ---- linear ---- */

static int linear_infer(const union op_params *params, const struct shape *in, int in_count, struct shape *out)
{
    (void)in_count;
    if (params->linear.units < 1)
        return FAIL(ERR_CONFIG, "units must be at least 1");
    if ((double)in->h * in->w * in->c * params->linear.units > 2147483647.0)
        return FAIL(ERR_CONFIG, "%dx%dx%d inputs times %d units are more than 2^31 weights; pool the input first",
                    in->h, in->w, in->c, params->linear.units);
    *out = (struct shape){in->n, 1, 1, params->linear.units};
    return OK;
}

static int linear_weights(const union op_params *params, const struct shape *in,
                          struct op_weight weights[static OP_MAX_WEIGHTS])
{
    const struct shape shape = {params->linear.units, in->h, in->w, in->c};
    return weight_and_bias(weights, shape, 2, in->h * in->w * in->c, params->linear.bias);
}

static double linear_flops(const union op_params *params, const struct shape *in, struct shape out)
{
    (void)out;
    return 2.0 * (double)shape_count(*in) * params->linear.units;
}

/* ---- batch normalisation ---- */

static int same_infer(const union op_params *params, const struct shape *in, int in_count, struct shape *out)
{
    (void)params;
    char a[48], b[48];
    if (in_count == 2 && !shape_equal(in[0], in[1]))
        return FAIL(ERR_CONFIG, "cannot add %s to %s: the shapes differ", shape_text(b, in[1]), shape_text(a, in[0]));
    *out = in[0];
    return OK;
}

static int norm_infer(const union op_params *params, const struct shape *in, int in_count, struct shape *out)
{
    if (params->norm.add != (in_count == 2))
        return FAIL(ERR_CONFIG, "a fused addition takes two inputs, none takes one");
    return same_infer(params, in, in_count, out);
}

static int norm_weights(const union op_params *params, const struct shape *in,
                        struct op_weight weights[static OP_MAX_WEIGHTS])
{
    (void)params;
    static const struct {
        const char *suffix;
        enum weight_role role;
        enum weight_init init;
    } rows[] = {
        {"weight", WEIGHT_PARAM, INIT_ONE},
        {"bias", WEIGHT_PARAM, INIT_ZERO},
        {"running_mean", WEIGHT_STATE, INIT_ZERO},
        {"running_var", WEIGHT_STATE, INIT_ONE},
    };
    for (int i = 0; i < COUNT_OF(rows); i++)
        weights[i] = (struct op_weight){
            .suffix = rows[i].suffix, .shape = {1, 1, 1, in->c}, .rank = 1, .role = rows[i].role, .init = rows[i].init};
    return COUNT_OF(rows);
}

/* What passes a rectifier shows in the result, and without an addend in x too. */
static unsigned norm_needs(const union op_params *params)
{
    return OP_NEEDS_IN | (params->norm.relu && params->norm.add ? OP_NEEDS_OUT : 0u);
}

static double norm_flops(const union op_params *params, const struct shape *in, struct shape out)
{
    (void)in;
    return (2.0 + params->norm.add + params->norm.relu) * (double)shape_count(out);
}

/* ---- pooling ---- */

/* torch: a ceil-mode window that would begin in the right padding is dropped. */
static int pooled_size(const union op_params *params, int size)
{
    const int kernel = params->pool.size, stride = params->pool.stride, pad = params->pool.pad;
    int out = (size + 2 * pad - kernel + (params->pool.ceil ? stride - 1 : 0)) / stride + 1;
    if (params->pool.ceil && (out - 1) * stride >= size + pad)
        out--;
    return out;
}

static int pool_infer(const union op_params *params, const struct shape *in, int in_count, struct shape *out)
{
    (void)in_count;
    if (params->pool.kind == POOL_GLOBAL) {
        *out = (struct shape){in->n, 1, 1, in->c};
        return OK;
    }
    const int kernel = params->pool.size, pad = params->pool.pad;
    if (kernel < 1 || params->pool.stride < 1 || pad < 0)
        return FAIL(ERR_CONFIG, "the window and stride must be at least 1, pad at least 0");
    if (2 * pad > kernel)
        return FAIL(ERR_CONFIG, "pad = %d must be at most half the window, %d", pad, kernel);
    if (kernel > in->h + 2 * pad || kernel > in->w + 2 * pad)
        return FAIL(ERR_CONFIG, "the %dx%d window is larger than the padded input, %dx%d", kernel, kernel,
                    in->h + 2 * pad, in->w + 2 * pad);
    /* The position of the maximum within its window is kept in one byte. */
    if (params->pool.kind == POOL_MAX && kernel > 15)
        return FAIL(ERR_CONFIG, "a max-pool window may be at most 15x15, this is %dx%d", kernel, kernel);
    *out = (struct shape){in->n, pooled_size(params, in->h), pooled_size(params, in->w), in->c};
    return OK;
}

static double pool_flops(const union op_params *params, const struct shape *in, struct shape out)
{
    if (params->pool.kind == POOL_GLOBAL)
        return (double)shape_count(*in);
    return (double)shape_count(out) * params->pool.size * params->pool.size;
}

/* ---- element-wise ---- */

static int dropout_infer(const union op_params *params, const struct shape *in, int in_count, struct shape *out)
{
    if (!(params->dropout.rate >= 0.0f && params->dropout.rate < 1.0f))
        return FAIL(ERR_CONFIG, "rate = %g must be at least 0 and below 1", (double)params->dropout.rate);
    return same_infer(params, in, in_count, out);
}

static int no_weights(const union op_params *params, const struct shape *in,
                      struct op_weight weights[static OP_MAX_WEIGHTS])
{
    (void)params, (void)in, (void)weights;
    return 0;
}

static unsigned needs_in(const union op_params *params)
{
    (void)params;
    return OP_NEEDS_IN;
}

static unsigned needs_out(const union op_params *params)
{
    (void)params;
    return OP_NEEDS_OUT;
}

static unsigned needs_nothing(const union op_params *params)
{
    (void)params;
    return 0;
}

static double one_flop(const union op_params *params, const struct shape *in, struct shape out)
{
    (void)params, (void)in;
    return (double)shape_count(out);
}

const struct op_info op_table[OP_COUNT] = {
    [OP_CONV2D] = {"conv2d", 1, 1, conv2d_infer, conv2d_weights, needs_in, conv2d_flops},
    [OP_LINEAR] = {"linear", 1, 1, linear_infer, linear_weights, needs_in, linear_flops},
    [OP_NORM] = {"norm", 1, 2, norm_infer, norm_weights, norm_needs, norm_flops},
    [OP_RELU] = {"relu", 1, 1, same_infer, no_weights, needs_out, one_flop},
    [OP_POOL] = {"pool", 1, 1, pool_infer, no_weights, needs_nothing, pool_flops},
    [OP_ADD] = {"add", 2, 2, same_infer, no_weights, needs_nothing, one_flop},
    [OP_DROPOUT] = {"dropout", 1, 1, dropout_infer, no_weights, needs_nothing, one_flop},
};
