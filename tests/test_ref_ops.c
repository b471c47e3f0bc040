/* test_ref_ops: the truth that operations are tested against, its gradients against finite differences. */
#include "cases.h"
#include "random.h"
#include "ref_ops.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka.h wants the four above. */
#include <cmocka.h>

static double objective(const struct ref_call *call)
{
    double sum = 0.0;
    ref_forward(call);
    for (int64_t i = 0; i < shape_count(call->out_shape); i++)
        sum += call->out[i] * call->out_grad[i];
    return sum;
}

/* A few elements of one array, by central differences. */
static void check_differences(const char *name, const struct ref_call *call, double *values, const double *grads,
                              int64_t count)
{
    const double step = 1e-6;
    for (int64_t i = 0; i < count; i += 1 + count / 24) {
        const double kept = values[i];
        values[i] = kept + step;
        const double above = objective(call);
        values[i] = kept - step;
        const double below = objective(call);
        values[i] = kept;
        const double slope = (above - below) / (2 * step);
        if (!(fabs(slope - grads[i]) <= 1e-6 * (1.0 + fabs(slope))))
            fail_msg("%s: gradient %lld is %.9g, differences say %.9g", name, (long long)i, grads[i], slope);
    }
}

static double *random_values(struct arena *arena, int64_t count, uint32_t draw)
{
    double *values = arena_push(arena, (size_t)count * sizeof *values);
    for (int64_t i = 0; i < count; i++)
        values[i] = (double)random_unit(random_words(9, RANDOM_TILE, 0, (uint64_t)i, draw).word[0]) * 2.0 - 1.0;
    return values;
}

static void test_truth_by_differences(void **state)
{
    (void)state;
    for (int i = 0; i < op_case_count; i++) {
        const struct op_case *op_case = &op_cases[i];
        if (shape_count(op_case->in) > 5000)
            continue;
        struct arena arena = {0};
        struct op_weight weights[OP_MAX_WEIGHTS];
        double *in[OP_MAX_IN] = {0}, *weight[OP_MAX_WEIGHTS] = {0};
        struct ref_call call = {.kind = op_case->kind,
                                .params = &op_case->params,
                                .in_shape = {op_case->in, op_case->in},
                                .out_shape = op_case_out(op_case),
                                .training = true};
        const int64_t in_count = shape_count(op_case->in), out_count = shape_count(call.out_shape);
        const int weight_count = op_table[op_case->kind].weights(&op_case->params, &op_case->in, weights);
        for (int k = 0; k < op_case_inputs(op_case); k++) {
            call.in[k] = in[k] = random_values(&arena, in_count, (uint32_t)k);
            call.in_grad[k] = arena_push(&arena, (size_t)in_count * sizeof(double));
        }
        for (int k = 0; k < weight_count; k++) {
            call.weight[k] = weight[k] = random_values(&arena, shape_count(weights[k].shape), 4 + (uint32_t)k);
            call.weight_grad[k] = arena_push(&arena, (size_t)shape_count(weights[k].shape) * sizeof(double));
        }
        call.out = arena_push(&arena, (size_t)out_count * sizeof(double));
        call.out_grad = random_values(&arena, out_count, 3);
        ref_forward(&call);
        ref_backward(&call);
        for (int k = 0; k < op_case_inputs(op_case); k++)
            check_differences(op_case->name, &call, in[k], call.in_grad[k], in_count);
        for (int k = 0; k < weight_count; k++)
            if (weights[k].role == WEIGHT_PARAM)
                check_differences(op_case->name, &call, weight[k], call.weight_grad[k], shape_count(weights[k].shape));
        arena_free(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_truth_by_differences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
