/* ref_ops: the slow truth of every operation: naive loops in double, forward and backward. Written from the formulas,
 * for reading; no backend's code is used. */
#ifndef TESTS_REF_OPS_H
#define TESTS_REF_OPS_H
#include "op.h"

struct ref_call {
    enum op_kind kind;
    const union op_params *params;
    struct shape in_shape[OP_MAX_IN], out_shape;
    const double *in[OP_MAX_IN];          /* NHWC */
    const double *weight[OP_MAX_WEIGHTS]; /* canonical order: OIHW, (out, c*h*w), vectors */
    double *out;                          /* written by forward; backward reads the rectifier's mask from it */
    const double *out_grad;
    double *in_grad[OP_MAX_IN];          /* NULL: not wanted */
    double *weight_grad[OP_MAX_WEIGHTS]; /* NULL: not wanted */
    bool training;
    /* dropout */
    uint64_t seed;
    int64_t step;
    int micro, node;
};

void ref_forward(const struct ref_call *call);
void ref_backward(const struct ref_call *call);

/* Running statistics after a training step whose input was call->in[0]; in place. */
void ref_commit(const struct ref_call *call, double *running_mean, double *running_var);
#endif
