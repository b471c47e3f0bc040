/* conv: two-dimensional convolution as oneDNN's convolution, activations in NHWC. Knows its descriptions only; running
 * and weight layouts are product.c's. */
#include "product.h"

static dnnl_status_t conv_describe(const struct product_desc *desc, enum product_pass pass,
                                   const dnnl_memory_desc_t *weight, union product_op *op)
{
    const union op_params *params = desc->params;
    const dnnl_dims_t strides = {params->conv2d.stride, params->conv2d.stride};
    const dnnl_dims_t pads = {params->conv2d.pad_h, params->conv2d.pad_w};
    dnnl_convolution_desc_t *conv = &op->convolution;
    switch (pass) {
    case PRODUCT_FORWARD:
        return dnnl_convolution_forward_desc_init(conv, desc->training ? dnnl_forward_training : dnnl_forward_inference,
                                                  dnnl_convolution_direct, &desc->src, weight, &desc->bias, &desc->dst,
                                                  strides, pads, pads);
    case PRODUCT_DATA:
        return dnnl_convolution_backward_data_desc_init(conv, dnnl_convolution_direct, &desc->src, weight, &desc->dst,
                                                        strides, pads, pads);
    default:
        return dnnl_convolution_backward_weights_desc_init(conv, dnnl_convolution_direct, &desc->src, weight,
                                                           &desc->bias, &desc->dst, strides, pads, pads);
    }
}

static int conv_prepare(struct device *device, const struct op_desc *desc, void **state, struct op_needs *needs)
{
    const union op_params *params = desc->params;
    const struct shape in = desc->in[0], out = desc->out;
    const int groups = params->conv2d.groups, kh = params->conv2d.kernel_h, kw = params->conv2d.kernel_w;
    const bool grouped = groups > 1;
    struct product_desc product = {
        .params = params,
        .dtype = desc->dtype,
        .training = desc->training,
        .in_grad = desc->in_grad[0],
        .describe = conv_describe,
    };
    const dnnl_data_type_t dtype = product_dtype(desc->dtype);
    const dnnl_dims_t src = {in.n, in.c, in.h, in.w}, dst = {out.n, out.c, out.h, out.w}, bias = {out.c};
    const dnnl_dims_t weight[] = {{out.c, in.c, kh, kw}, {groups, out.c / groups, in.c / groups, kh, kw}};
    DNNL_TRY(dnnl_memory_desc_init_by_tag(&product.src, 4, src, dtype, dnnl_nhwc));
    DNNL_TRY(dnnl_memory_desc_init_by_tag(&product.dst, 4, dst, dtype, dnnl_nhwc));
    DNNL_TRY(dnnl_memory_desc_init_by_tag(&product.weight, 4 + grouped, weight[grouped], dnnl_f32,
                                          grouped ? dnnl_goihw : dnnl_oihw));
    for (int i = 0; i < 4 + grouped; i++)
        product.axes[i] = (struct product_axis){.dimension = i, .count = weight[grouped][i], .step = 1};
    if (params->conv2d.bias)
        DNNL_TRY(dnnl_memory_desc_init_by_tag(&product.bias, 1, bias, dnnl_f32, dnnl_a));
    return product_prepare(device, &cpu_onednn_conv2d, &product, state, needs);
}

const struct op_impl cpu_onednn_conv2d = {
    .prepare = conv_prepare,
    .forward = product_forward,
    .backward = product_backward,
    .release = product_release,
    .pack = product_pack,
    .unpack = product_unpack,
};
