/* dnn_describe: states a piece of work around one convolution to cuDNN as a graph of operations. Knows neither plans
 * nor devices.
 *
 * Tensors are stated in n,c,h,w order with strides that make them channels-last. */
#include "dnn.h"
#include "vendor.h"
#include <assert.h>

enum { TENSOR_ALIGNMENT = 16 };

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

static int describe_tensor(struct dnn_plan *plan, enum dtype dtype, int64_t id, struct shape shape,
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
                        {0},
                    },
                    made);
}

/* A tensor in memory. */
static int describe_array(struct dnn_plan *plan, enum dnn_array array, enum dtype dtype, struct shape shape,
                          cudnnBackendDescriptor_t *made)
{
    plan->uses[plan->use_count++] = (struct dnn_use){array, dtype, (size_t)shape_count(shape) * dtype_bytes(dtype)};
    return describe_tensor(plan, dtype, DNN_ID(array), shape, made);
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
    } names[DNN_PASS_COUNT] = {
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

/* ---- graphs ---- */

int dnn_describe(struct dnn_plan *plan, const struct dnn_conv *conv, enum dnn_pass pass, void **graph)
{
    const struct shape weight = {conv->out.c, conv->kernel_h, conv->kernel_w, conv->in.c / conv->groups};
    struct operands operands;
    cudnnBackendDescriptor_t operation;
    TRY(describe_array(plan, DNN_X, conv->dtype, conv->in, &operands.x));
    TRY(describe_array(plan, DNN_W, pass == DNN_WEIGHTS ? conv->weights_dtype : conv->dtype, weight, &operands.w));
    TRY(describe_array(plan, DNN_Y, conv->dtype, conv->out, &operands.y));
    TRY(describe_pass(plan, conv, pass, &operands, &operation));
    return describe(plan, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR,
                    (const struct attribute[]){
                        {CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &operation},
                        {0},
                    },
                    graph);
}
