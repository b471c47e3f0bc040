/* conv: what a convolution prepares, between conv.c, which runs it, and conv_join.c. Private to both. */
#ifndef CUDA_CONV_H
#define CUDA_CONV_H
#include "dnn.h"

struct conv {
    struct dnn_plan plan[DNN_PASS_COUNT];
    struct shape weight, in, out; /* weight: canonical */
    int weight_channels;          /* in memory */
    enum dtype dtype;
    size_t narrow_bytes; /* of the weight gradient in the activations' dtype, at the start of scratch; 0: it is fp32 */
    bool bias;
};

/* conv_join.c: adds joined passes to the plain ones, which are there, and says in needs what that spares the
 * normalisations; plain ones that are then never run are freed. */
int conv_join(struct device *device, const struct op_desc *desc, const struct dnn_conv *described, struct conv *conv,
              struct op_needs *needs);

#endif
