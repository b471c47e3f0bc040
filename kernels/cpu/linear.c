/* linear: a fully connected layer as oneDNN's inner product. Its input is a flat row in NHWC order and stays where
 * it is; torch's channel-first order is a matter of the weights' layout. Knows its descriptions only; running and
 * weight layouts are product.c's. */
#include "product.h"

static dnnl_status_t linear_describe(const struct product_desc *desc, enum product_pass pass,
                                     const dnnl_memory_desc_t *weight, union product_op *op)
{
    dnnl_inner_product_desc_t *product = &op->inner_product;
    switch (pass) {
    case PRODUCT_FORWARD:
        return dnnl_inner_product_forward_desc_init(product,
                                                    desc->training ? dnnl_forward_training : dnnl_forward_inference,
                                                    &desc->src, weight, &desc->bias, &desc->dst);
    case PRODUCT_DATA: return dnnl_inner_product_backward_data_desc_init(product, &desc->src, weight, &desc->dst);
    default: return dnnl_inner_product_backward_weights_desc_init(product, &desc->src, weight, &desc->bias, &desc->dst);
    }
}

static int linear_prepare(struct device *device, const struct op_desc *desc, void **state, struct op_needs *needs)
{
    const struct shape in = desc->in[0], out = desc->out;
    const int64_t row = (int64_t)in.h * in.w * in.c;
    struct product_desc product = {
        .params = desc->params,
        .axes = {{0, out.c, 1}, {1, in.c, 1}, {1, in.h, (int64_t)in.w * in.c}, {1, in.w, in.c}},
        .dtype = desc->dtype,
        .training = desc->training,
        .in_grad = desc->in_grad[0],
        .describe = linear_describe,
    };
    const dnnl_data_type_t dtype = product_dtype(desc->dtype);
    const dnnl_dims_t src = {in.n, row}, dst = {out.n, out.c}, weight = {out.c, row}, bias = {out.c};
    DNNL_TRY(dnnl_memory_desc_init_by_tag(&product.src, 2, src, dtype, dnnl_nc));
    DNNL_TRY(dnnl_memory_desc_init_by_tag(&product.dst, 2, dst, dtype, dnnl_nc));
    DNNL_TRY(dnnl_memory_desc_init_by_tag(&product.weight, 2, weight, dnnl_f32, dnnl_oi));
    if (desc->params->linear.bias)
        DNNL_TRY(dnnl_memory_desc_init_by_tag(&product.bias, 1, bias, dnnl_f32, dnnl_a));
    return product_prepare(device, &cpu_onednn_linear, &product, state, needs);
}

const struct op_impl cpu_onednn_linear = {
    .prepare = linear_prepare,
    .forward = product_forward,
    .backward = product_backward,
    .release = product_release,
    .pack = product_pack,
    .unpack = product_unpack,
};
