/* product: a product of activations and weights (convolution, fully connected layer) as oneDNN's three primitives, and
 * the layout of its weights. Private to kernels/cpu/. */
#ifndef CPU_PRODUCT_H
#define CPU_PRODUCT_H
#include "layer.h"
#include <dnnl.h>

enum product_pass { PRODUCT_FORWARD, PRODUCT_DATA, PRODUCT_WEIGHTS, PRODUCT_PASS_COUNT };

union product_op {
    dnnl_convolution_desc_t convolution;
    dnnl_inner_product_desc_t inner_product;
};

/* A canonical dimension of the weights, outermost first, and where in the kept layout its positions count: `step`
 * positions each of `dimension`. */
struct product_axis {
    int dimension;
    int64_t count, step;
};
enum { PRODUCT_AXES = 5 };

struct product_desc {
    const union op_params *params;
    dnnl_memory_desc_t src, weight, bias, dst; /* weight: its sizes alone count; bias with no dimensions: none */
    struct product_axis axes[PRODUCT_AXES];    /* of one dimension one after another; count 0: no more */
    enum dtype dtype;
    bool training, in_grad;
    /* Fills the description of one pass whose weights (or their gradient) have this layout. */
    dnnl_status_t (*describe)(const struct product_desc *desc, enum product_pass pass, const dnnl_memory_desc_t *weight,
                              union product_op *op);
};

/* impl: what the state will say it belongs to (layer.h). */
int product_prepare(struct device *device, const struct op_impl *impl, const struct product_desc *desc, void **state,
                    struct op_needs *needs);
int product_forward(struct device *device, const struct op_call *call);
int product_backward(struct device *device, const struct op_call *call);
void product_release(void *state);
void product_pack(const void *state, int weight, float *own, const float *canonical);
void product_unpack(const void *state, int weight, float *canonical, const float *own);

/* oneDNN's name of a dtype that products compute in. */
dnnl_data_type_t product_dtype(enum dtype dtype);
#endif
