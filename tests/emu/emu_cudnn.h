/* emu_cudnn: what a test says to the stand-in for cuDNN. From C and C++. */
#ifndef EMU_CUDNN_CONTROL_H
#define EMU_CUDNN_CONTROL_H
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The stand-in's engines, by number. Those that a careful caller does not take spoil their result. */
enum emu_engine {
    EMU_ENGINE_RIGHT,    /* takes 3 ticks of the emulated clock */
    EMU_ENGINE_SLOW,     /* 8 */
    EMU_ENGINE_QUICK,    /* 2 */
    EMU_ENGINE_FAILING,  /* when it runs */
    EMU_ENGINE_RANDOM,   /* 1, in no fixed order, so it says */
    EMU_ENGINE_ROUNDING, /* 1, rounds its inputs: likewise */
    EMU_ENGINE_HUNGRY,   /* 1, wants more workspace than anybody gives */
    EMU_ENGINE_COMPILED, /* 4, or 1 where the channels made are a multiple of 3; compiled at run time */
    EMU_ENGINES
};

struct emu_cudnn {
    bool all;            /* heuristics offer all engines; else RIGHT, or COMPILED where there is no other */
    bool refuses_joined; /* no engine for graphs of more than a convolution */
    bool refuses_met;    /* none where gradients meet, as at the end of a residual block */
    bool refuses_narrow; /* none for a gradient of weights in 16 bits */
    /* What graphs take besides that end in sums, end in a normalisation's backward pass, begin with its result. */
    int sums_ticks, backward_ticks, made_ticks;
};
extern struct emu_cudnn emu_cudnn; /* at first all 0 */
int emu_cudnn_runs(void);          /* plans run so far */
int emu_cudnn_joined(void);        /* of these, of graphs of more than a convolution */
int emu_cudnn_alive(void);         /* descriptors that were not destroyed */
int emu_cudnn_last(void);          /* engine of the plan that ran last */

#ifdef __cplusplus
}
#endif
#endif
