/* layer: what the two implementations of convolution and linear layers share: this project's own (direct.h) and
 * oneDNN's (product.h). Private to kernels/cpu/. */
#ifndef CPU_LAYER_H
#define CPU_LAYER_H
#include "cpu.h"

/* The first member of every state of these layers. */
struct layer {
    const struct op_impl *impl;
};

extern const struct op_impl cpu_direct_conv2d, cpu_direct_linear, cpu_onednn_conv2d, cpu_onednn_linear;
#endif
