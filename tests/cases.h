/* cases: the table of operations that tests and benches run, each a kind, parameters and an input shape. */
#ifndef TESTS_CASES_H
#define TESTS_CASES_H
#include "op.h"

struct op_case {
    const char *name;
    enum op_kind kind;
    struct shape in;
    union op_params params;
};
extern const struct op_case op_cases[];
extern const int op_case_count;

/* Layers of real networks, for benches. */
extern const struct op_case op_layers[];
extern const int op_layer_count;

int op_case_inputs(const struct op_case *op_case); /* how many inputs, all of shape in */
struct shape op_case_out(const struct op_case *op_case);
#endif
