/* dnn_describe: states a piece of work around one convolution to cuDNN as a graph of operations. Knows no plans, and
 * of the device only that the graph is for it.
 *
 * Tensors are stated in n,c,h,w order with strides that make them channels-last. */
#include "dnn.h"
#include "vendor.h"
#include <assert.h>

enum { TENSOR_ALIGNMENT = 16, INNER_ID = 1000 };

struct attribute {
    cudnnBackendAttributeName_t name;
    cudnnBackendAttributeType_t type;
    int64_t count;
    const void *value; /* NULL: the list ends */
};

/* Makes a finished descriptor that lives as long as the plan. */
static int describe(struct dnn_plan *plan, cudnnBackendDescriptorType_t type, const struct attribute *attributes,
                    cudnnBackendDescriptor_t *made)
{
    assert(plan->part_count < DNN_PARTS);
    CUDNN_TRY(vendor.cudnnBackendCreateDescriptor(type, made));
    plan->parts[plan->part_count++] = *made;
    for (; attributes->value; attributes++)
        CUDNN_TRY(vendor.cudnnBackendSetAttribute(*made, attributes->name, attributes->type, attributes->count,
                                                  attributes->value));
    CUDNN_TRY(vendor.cudnnBackendFinalize(*made));
    return OK;
}

/* ---- operands ---- */

/* Inner: it goes from one operation to the next and is never written to memory. */
static int describe_tensor(struct dnn_plan *plan, enum dtype dtype, int64_t id, bool inner, struct shape shape,
                           cudnnBackendDescriptor_t *made)
{
    static const cudnnDataType_t types[DT_COUNT] = {
        [DT_F32] = CUDNN_DATA_FLOAT, [DT_BF16] = CUDNN_DATA_BFLOAT16, [DT_F16] = CUDNN_DATA_HALF};
    const int64_t n = shape.n, c = shape.c, h = shape.h, w = shape.w, alignment = TENSOR_ALIGNMENT;
    const int64_t dims[] = {n, c, h, w}, strides[] = {h * w * c, 1, w * c, c};
    return describe(plan, CUDNN_BACKEND_TENSOR_DESCRIPTOR,
                    (const struct attribute[]){
                        {CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &types[dtype]},
                        {CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, dims},
                        {CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, strides},
                        {CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &id},
                        {CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &alignment},
                        {CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &inner},
                        {0},
                    },
                    made);
}

/* A tensor in memory. */
static int describe_array(struct dnn_plan *plan, enum dnn_array array, enum dtype dtype, struct shape shape,
                          cudnnBackendDescriptor_t *made)
{
    plan->uses[plan->use_count++] = (struct dnn_use){array, dtype, (size_t)shape_count(shape) * dtype_bytes(dtype)};
    return describe_tensor(plan, dtype, DNN_ID(array), false, shape, made);
}

static int describe_channels(struct dnn_plan *plan, enum dnn_array array, enum dtype dtype, int channels,
                             cudnnBackendDescriptor_t *made)
{
    return describe_array(plan, array, dtype, (struct shape){1, 1, 1, channels}, made);
}

static int describe_inner(struct dnn_plan *plan, enum dtype dtype, struct shape shape, cudnnBackendDescriptor_t *made)
{
    return describe_tensor(plan, dtype, INNER_ID + plan->part_count, true, shape, made);
}

static int describe_convolution(struct dnn_plan *plan, const struct dnn_conv *conv, cudnnBackendDescriptor_t *made)
{
    const int64_t dimensions = 2, pads[] = {conv->pad_h, conv->pad_w}, strides[] = {conv->stride, conv->stride},
                  dilations[] = {1, 1};
    const cudnnDataType_t math = CUDNN_DATA_FLOAT;
    const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
    return describe(plan, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR,
                    (const struct attribute[]){
                        {CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &dimensions},
                        {CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &math},
                        {CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode},
                        {CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2, pads},
                        {CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2, pads},
                        {CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2, dilations},
                        {CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2, strides},
                        {0},
                    },
                    made);
}

#define PASS(kind, prefix, in, weight, out)                                                                            \
    {                                                                                                                  \
        CUDNN_BACKEND_OPERATION_CONVOLUTION_##kind##_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_##prefix##_##in,     \
            CUDNN_ATTR_OPERATION_CONVOLUTION_##prefix##_##weight, CUDNN_ATTR_OPERATION_CONVOLUTION_##prefix##_##out,   \
            CUDNN_ATTR_OPERATION_CONVOLUTION_##prefix##_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_##prefix##_ALPHA,  \
            CUDNN_ATTR_OPERATION_CONVOLUTION_##prefix##_BETA                                                           \
    }

/* The three tensors that every pass has. */
struct operands {
    cudnnBackendDescriptor_t x, w, y;
};

static int describe_pass(struct dnn_plan *plan, const struct dnn_conv *conv, enum dnn_pass pass,
                         const struct operands *operands, cudnnBackendDescriptor_t *operation)
{
    static const struct {
        cudnnBackendDescriptorType_t type;
        cudnnBackendAttributeName_t x, w, y, convolution, alpha, beta;
    } names[] = {
        [DNN_FORWARD] = PASS(FORWARD, FORWARD, X, W, Y),
        [DNN_DATA] = PASS(BACKWARD_DATA, BWD_DATA, DX, W, DY),
        [DNN_WEIGHTS] = PASS(BACKWARD_FILTER, BWD_FILTER, X, DW, DY),
    };
    const float alpha = 1.0f, beta = 0.0f;
    cudnnBackendDescriptor_t convolution;
    TRY(describe_convolution(plan, conv, &convolution));
    return describe(plan, names[pass].type,
                    (const struct attribute[]){
                        {names[pass].x, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &operands->x},
                        {names[pass].w, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &operands->w},
                        {names[pass].y, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &operands->y},
                        {names[pass].convolution, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &convolution},
                        {names[pass].alpha, CUDNN_TYPE_FLOAT, 1, &alpha},
                        {names[pass].beta, CUDNN_TYPE_FLOAT, 1, &beta},
                        {0},
                    },
                    operation);
}

static int describe_sums(struct dnn_plan *plan, const struct dnn_conv *conv, cudnnBackendDescriptor_t y,
                         cudnnBackendDescriptor_t *operation)
{
    const cudnnGenStatsMode_t mode = CUDNN_GENSTATS_SUM_SQSUM;
    const cudnnDataType_t math = CUDNN_DATA_FLOAT;
    cudnnBackendDescriptor_t sum, squares;
    TRY(describe_channels(plan, DNN_SUM, DT_F32, conv->out.c, &sum));
    TRY(describe_channels(plan, DNN_SQUARES, DT_F32, conv->out.c, &squares));
    return describe(plan, CUDNN_BACKEND_OPERATION_GEN_STATS_DESCRIPTOR,
                    (const struct attribute[]){
                        {CUDNN_ATTR_OPERATION_GENSTATS_MODE, CUDNN_TYPE_GENSTATS_MODE, 1, &mode},
                        {CUDNN_ATTR_OPERATION_GENSTATS_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1, &math},
                        {CUDNN_ATTR_OPERATION_GENSTATS_XDESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &y},
                        {CUDNN_ATTR_OPERATION_GENSTATS_SUMDESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &sum},
                        {CUDNN_ATTR_OPERATION_GENSTATS_SQSUMDESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &squares},
                        {0},
                    },
                    operation);
}

static int describe_mode(struct dnn_plan *plan, cudnnPointwiseMode_t mode, cudnnBackendDescriptor_t *made)
{
    const cudnnDataType_t math = CUDNN_DATA_FLOAT;
    return describe(plan, CUDNN_BACKEND_POINTWISE_DESCRIPTOR,
                    (const struct attribute[]){
                        {CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode},
                        {CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1, &math},
                        {0},
                    },
                    made);
}

/* y = x (mode) b; b is NULL where the mode takes none */
static int describe_pointwise(struct dnn_plan *plan, cudnnPointwiseMode_t mode, cudnnBackendDescriptor_t x,
                              cudnnBackendDescriptor_t b, cudnnBackendDescriptor_t y,
                              cudnnBackendDescriptor_t *operation)
{
    cudnnBackendDescriptor_t described;
    TRY(describe_mode(plan, mode, &described));
    return describe(plan, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR,
                    (const struct attribute[]){
                        {CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &described},
                        {CUDNN_ATTR_OPERATION_POINTWISE_XDESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &x},
                        {CUDNN_ATTR_OPERATION_POINTWISE_YDESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &y},
                        {CUDNN_ATTR_OPERATION_POINTWISE_BDESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, b ? &b : NULL},
                        {0},
                    },
                    operation);
}

/* to = from where x is positive, else 0 */
static int describe_rectifier_backward(struct dnn_plan *plan, cudnnBackendDescriptor_t x, cudnnBackendDescriptor_t from,
                                       cudnnBackendDescriptor_t to, cudnnBackendDescriptor_t *operation)
{
    cudnnBackendDescriptor_t described;
    TRY(describe_mode(plan, CUDNN_POINTWISE_RELU_BWD, &described));
    return describe(plan, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR,
                    (const struct attribute[]){
                        {CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &described},
                        {CUDNN_ATTR_OPERATION_POINTWISE_XDESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &x},
                        {CUDNN_ATTR_OPERATION_POINTWISE_DYDESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &from},
                        {CUDNN_ATTR_OPERATION_POINTWISE_DXDESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &to},
                        {0},
                    },
                    operation);
}

/* ---- graphs ---- */

enum { OPERATIONS_MOST = 10 };

struct operations {
    cudnnBackendDescriptor_t list[OPERATIONS_MOST];
    int count;
};

static cudnnBackendDescriptor_t *next(struct operations *operations)
{
    assert(operations->count < OPERATIONS_MOST);
    return &operations->list[operations->count++];
}

/* *sum = *sum + an array, and inner. */
static int describe_addition(struct dnn_plan *plan, const struct dnn_conv *conv, enum dnn_array array,
                             cudnnBackendDescriptor_t *sum, struct operations *operations)
{
    cudnnBackendDescriptor_t added, before = *sum;
    TRY(describe_array(plan, array, conv->dtype, conv->in, &added));
    TRY(describe_inner(plan, DT_F32, conv->in, sum));
    return describe_pointwise(plan, CUDNN_POINTWISE_ADD, before, added, *sum, next(operations));
}

/* What comes after the convolution's backward pass by data, whose result is inner. */
static int describe_norm_backward(struct dnn_plan *plan, const struct dnn_conv *conv, enum dnn_pass pass,
                                  cudnnBackendDescriptor_t grad, struct operations *operations)
{
    static const enum dnn_array arrays[] = {DNN_MEAN,      DNN_INVERSE, DNN_SCALE, DNN_BIAS, DNN_SCALE_GRAD,
                                            DNN_BIAS_GRAD, DNN_A,       DNN_B,     DNN_C};
    const cudnnDataType_t math = CUDNN_DATA_FLOAT;
    cudnnBackendDescriptor_t of[DNN_ARRAY_COUNT], inner[4];
    TRY(describe_array(plan, DNN_NORM_X, conv->dtype, conv->in, &of[DNN_NORM_X]));
    TRY(describe_array(plan, DNN_X, conv->dtype, conv->in, &of[DNN_X]));
    for (int i = 0; i < COUNT_OF(arrays); i++)
        TRY(describe_channels(plan, arrays[i], DT_F32, conv->in.c, &of[arrays[i]]));
    for (int i = 0; i < COUNT_OF(inner); i++)
        TRY(describe_inner(plan, DT_F32, conv->in, &inner[i]));
    if (pass == DNN_DATA_MET)
        TRY(describe_addition(plan, conv, DNN_OTHER, &grad, operations));
    TRY(describe_pointwise(plan, CUDNN_POINTWISE_SUB, of[DNN_NORM_X], of[DNN_MEAN], inner[0], next(operations)));
    TRY(describe_pointwise(plan, CUDNN_POINTWISE_MUL, inner[0], of[DNN_INVERSE], inner[1], next(operations)));
    TRY(describe_pointwise(plan, CUDNN_POINTWISE_MUL, inner[1], of[DNN_SCALE], inner[2], next(operations)));
    TRY(describe_pointwise(plan, CUDNN_POINTWISE_ADD, inner[2], of[DNN_BIAS], inner[3], next(operations)));
    if (pass == DNN_DATA_MET)
        TRY(describe_addition(plan, conv, DNN_ADDEND, &inner[3], operations));
    TRY(describe_rectifier_backward(plan, inner[3], grad, of[DNN_X], next(operations)));
    return describe(
        plan, CUDNN_BACKEND_OPERATION_BN_BWD_WEIGHTS_DESCRIPTOR,
        (const struct attribute[]){
            {CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1, &math},
            {CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_X_DESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &of[DNN_NORM_X]},
            {CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_DY_DESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &of[DNN_X]},
            {CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_MEAN_DESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &of[DNN_MEAN]},
            {CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_INVSTD_DESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &of[DNN_INVERSE]},
            {CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_BN_SCALE_DESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &of[DNN_SCALE]},
            {CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_DBN_SCALE_DESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &of[DNN_SCALE_GRAD]},
            {CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_DBN_BIAS_DESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &of[DNN_BIAS_GRAD]},
            {CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_EQ_DY_SCALE_DESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &of[DNN_A]},
            {CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_EQ_X_SCALE_DESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &of[DNN_B]},
            {CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_EQ_BIAS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &of[DNN_C]},
            {0},
        },
        next(operations));
}

/* What comes before the convolution's: its input, which is inner. */
static int describe_norm_forward(struct dnn_plan *plan, const struct dnn_conv *conv, struct operations *operations,
                                 cudnnBackendDescriptor_t *made)
{
    cudnnBackendDescriptor_t x, factor, term, product, sum;
    TRY(describe_array(plan, DNN_NORM_X, conv->dtype, conv->in, &x));
    TRY(describe_channels(plan, DNN_FACTOR, conv->dtype, conv->in.c, &factor));
    TRY(describe_channels(plan, DNN_TERM, conv->dtype, conv->in.c, &term));
    TRY(describe_inner(plan, DT_F32, conv->in, &product));
    TRY(describe_inner(plan, DT_F32, conv->in, &sum));
    TRY(describe_inner(plan, conv->dtype, conv->in, made));
    TRY(describe_pointwise(plan, CUDNN_POINTWISE_MUL, x, factor, product, next(operations)));
    TRY(describe_pointwise(plan, CUDNN_POINTWISE_ADD, product, term, sum, next(operations)));
    return describe_pointwise(plan, CUDNN_POINTWISE_RELU_FWD, sum, NULL, *made, next(operations));
}

int dnn_describe(struct device *device, struct dnn_plan *plan, const struct dnn_conv *conv, enum dnn_pass pass,
                 void **graph)
{
    static const enum dnn_pass bare[DNN_PASS_COUNT] = {DNN_FORWARD, DNN_DATA, DNN_WEIGHTS, DNN_FORWARD,
                                                       DNN_DATA,    DNN_DATA, DNN_FORWARD, DNN_WEIGHTS};
    const struct shape weight = {conv->out.c, conv->kernel_h, conv->kernel_w, conv->in.c / conv->groups};
    const enum dtype weights_dtype = bare[pass] == DNN_WEIGHTS ? conv->weights_dtype : conv->dtype;
    struct operands operands;
    struct operations operations = {.count = 0};
    const bool takes_norm = pass == DNN_DATA_NORM || pass == DNN_DATA_MET;
    if (takes_norm)
        TRY(describe_inner(plan, DT_F32, conv->in, &operands.x));
    else if (pass == DNN_FORWARD_NORM || pass == DNN_WEIGHTS_NORM)
        TRY(describe_norm_forward(plan, conv, &operations, &operands.x));
    else
        TRY(describe_array(plan, DNN_X, conv->dtype, conv->in, &operands.x));
    TRY(describe_array(plan, DNN_W, weights_dtype, weight, &operands.w));
    TRY(describe_array(plan, DNN_Y, conv->dtype, conv->out, &operands.y));
    TRY(describe_pass(plan, conv, bare[pass], &operands, next(&operations)));
    if (pass == DNN_FORWARD_SUMS || pass == DNN_FORWARD_NORM)
        TRY(describe_sums(plan, conv, operands.y, next(&operations)));
    if (takes_norm)
        TRY(describe_norm_backward(plan, conv, pass, operands.x, &operations));
    /* By the handle cuDNN knows which device it is asked about: without it, it offers what runs on the oldest. */
    return describe(
        plan, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR,
        (const struct attribute[]){
            {CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, operations.count, operations.list},
            {CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, device->dnn ? &device->dnn : NULL},
            {0},
        },
        graph);
}
