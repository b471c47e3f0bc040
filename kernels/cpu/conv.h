/* conv: the implementations of convolution, between which conv.c chooses. Private to kernels/cpu/. */
#ifndef CPU_CONV_H
#define CPU_CONV_H
#include "cpu.h"

/* The first member of every state of a convolution. */
struct conv {
    const struct op_impl *impl;
};

extern const struct op_impl cpu_depthwise, cpu_direct;
#endif
