/* op_run: one operation on a backend, its buffers between sentinels, and its truth in double from ref_ops. For tests
 * and benches. */
#ifndef TESTS_OP_RUN_H
#define TESTS_OP_RUN_H
#include "backend.h"
#include "cases.h"
#include "ref_ops.h"

struct op_buffer {
    char *memory; /* device memory, starts with a sentinel */
    size_t bytes;
};

struct op_run {
    const struct backend *backend;
    struct device *device;
    const struct op_case *op_case;
    enum dtype dtype;
    struct shape in, out;
    int in_count, weight_count;
    struct op_weight weights[OP_MAX_WEIGHTS];
    struct op_needs needs;
    struct op_call call;
    struct op_buffer buffers[32];
    int buffer_count;
    struct step_control control;
    struct ref_call truth; /* its arrays are the run's: inputs rounded to what the device sees; outputs its own */
    struct arena arena;
};

/* Prepares the operation and fills inputs, weights and the output's gradient with numbers that depend on seed alone. A
 * failure fails the test. */
void op_run_open(struct op_run *run, const struct backend *backend, struct device *device,
                 const struct op_case *op_case, enum dtype dtype, bool training, uint64_t seed);
/* As the first of a network in training: no gradient of its input is asked for. */
void op_run_open_first(struct op_run *run, const struct backend *backend, struct device *device,
                       const struct op_case *op_case, enum dtype dtype, uint64_t seed);
void op_run_close(struct op_run *run);

/* Uploads inputs (truth.in), weights, gradient. */
void op_run_upload(struct op_run *run);

/* Each fills scratch and what the call must overwrite with NaN, calls, waits and checks the sentinels. */
void op_run_forward(struct op_run *run);
void op_run_backward(struct op_run *run);
void op_run_commit(struct op_run *run);

/* Results as doubles, weights and their gradients in canonical order. They live until op_run_close. */
double *op_run_out(struct op_run *run);
double *op_run_in_grad(struct op_run *run, int input); /* where call.in_grad is */
double *op_run_weight(struct op_run *run, int weight);
double *op_run_weight_grad(struct op_run *run, int weight);

/* |got - want| <= relative * |want| + scaled * max |want|; NaN only where wanted. Says where it is worst. */
void op_check(const char *name, const char *what, const double *got, const double *want, int64_t count, double relative,
              double scaled);
#endif
