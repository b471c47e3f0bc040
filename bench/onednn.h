/* onednn: oneDNN's convolutions and linear layers, for bench_ops to compare with. Bare: each pass has its weights in
 * the layout it likes best, which a training step would have to reorder them into. */
#ifndef BENCH_ONEDNN_H
#define BENCH_ONEDNN_H
#include "cases.h"

struct onednn;

/* NULL: not compiled in (dnnl.h of 2.x was not there), or it has no such layer. Memory holds small numbers. */
struct onednn *onednn_open(const struct op_case *one, enum dtype dtype, bool in_grad, int threads);
void onednn_close(struct onednn *layer);

/* Return when done. */
void onednn_forward(void *layer);
void onednn_backward(void *layer);
#endif
