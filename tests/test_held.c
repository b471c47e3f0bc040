/* test_held: layers held still (graph.first_trained): computed as in evaluation, passed over by gradients and
 * optimizer. */
#include "everything.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Through what is trained, wherever that begins: between operations that are joined elsewhere too. */
static void test_gradient_behind_held_layers(void **state)
{
    (void)state;
    for (int first = 1; first <= LAST_NODE; first++)
        check_gradients(first);
}

/* The held part of the flat arrays, in turn. */
static float *held_part(struct plan *plan, size_t *bytes)
{
    const enum slab_kind kept[] = {SLAB_PARAM, SLAB_EMA, SLAB_MOMENT1, SLAB_MOMENT2, SLAB_GRAD};
    const size_t each = (size_t)plan->held_count * sizeof(float);
    *bytes = COUNT_OF(kept) * each;
    float *copy = malloc(*bytes);
    for (int i = 0; i < COUNT_OF(kept); i++)
        check(backend->download(device, copy + i * plan->held_count, plan->slabs[kept[i]].memory, each));
    check(backend->wait(device));
    return copy;
}

/* Running statistics of the normalisations before and behind; true where any of them moved. */
static bool states_moved(struct plan *plan, int from, int to)
{
    bool moved = false;
    for (int v = 0; v < plan->graph->value_count; v++) {
        float numbers[8];
        if (plan->graph->values[v].role != VALUE_STATE || plan->values[v].node < from || plan->values[v].node >= to)
            continue;
        check(plan_read_weight(plan, SLAB_STATE, v, numbers));
        const float drawn = strstr(plan->graph->values[v].name, "var") ? 1.0f : 0.0f;
        for (int i = 0; i < COUNT_OF(numbers); i++)
            moved |= numbers[i] != drawn;
    }
    return moved;
}

/* Of what the optimizer goes over. */
static int64_t last_segment_end(struct plan *plan)
{
    struct decay_segment segments[32];
    const int count = plan->update.segment_count;
    assert_in_range(count, 1, COUNT_OF(segments));
    check(backend->download(device, segments, plan->update.segments, (size_t)count * sizeof *segments));
    check(backend->wait(device));
    return segments[count - 1].end;
}

/* Nothing of it changes, whatever is left on for the rest: decay, averages, a survey; what is behind learns. */
static void test_held_layers_stay(void **state)
{
    (void)state;
    for (int first = 1; first <= LAST_NODE; first++)
        for (int low = 0; low < 2; low++) {
            struct graph graph;
            struct plan plan;
            struct plan_options options = everything_options();
            bool in_hardware;
            options.dtype = low ? DT_BF16 : DT_F32;
            options.ema = options.survey = true;
            options.weight_decay = 0.1f;
            if (!backend->supports(device, options.dtype, &in_hardware))
                continue;
            struct step_record begin, end;
            size_t bytes;
            open_held(&graph, &plan, &options, first);
            float *before = held_part(&plan, &bytes);
            train(&plan, 1, 0.01f, &begin);
            train(&plan, 60, 0.05f, &end);
            float *after = held_part(&plan, &bytes);
            assert_memory_equal(before, after, bytes);
            assert_false(states_moved(&plan, 0, first));
            assert_true(states_moved(&plan, first, LAST_NODE) == (first <= NORM3_NODE));
            assert_int_equal(last_segment_end(&plan), plan.param_count - plan.held_count);
            assert_int_equal(end.bad, 0);
            assert_true(end.loss < begin.loss - 0.01f);
            free(before);
            free(after);
            close_plan(&graph, &plan);
        }
}

/* Where nothing behind them knows of training, the loss in training is the one in evaluation: no dropout, running
 * statistics. */
static void test_held_layers_are_as_in_evaluation(void **state)
{
    (void)state;
    struct plan_options options = everything_options();
    options.augment_train = options.augment_eval;
    for (int training = 0; training < 2; training++) {
        struct graph graph;
        struct plan plan;
        struct loss_sums sums[2];
        const struct step_control control = control_of(0, 0.0f);
        open_held(&graph, &plan, &options, training ? 0 : LAST_NODE);
        check(plan_train_batch(&plan, &control, true, true));
        check(plan_read_sums(&plan, &sums[0]));
        check(plan_clear_sums(&plan));
        check(plan_eval_batch(&plan, &control));
        check(plan_read_sums(&plan, &sums[1]));
        assert_true((fabs((double)sums[0].loss - (double)sums[1].loss) < 1e-4) == !training);
        close_plan(&graph, &plan);
    }
}

/* Of held layers there is no gradient and no update to tell of; of the others there is. */
static void test_survey_of_held_layers(void **state)
{
    (void)state;
    struct graph graph;
    struct plan plan;
    struct plan_options options = everything_options();
    struct layer_stats layers[LAST_NODE + 1];
    struct step_record record;
    const struct step_control control = control_of(0, 0.01f);
    options.survey = true;
    open_held(&graph, &plan, &options, NORM3_NODE);
    check(plan_survey_begin(&plan, &control));
    check(plan_train_batch(&plan, &control, true, true));
    check(plan_survey_end(&plan));
    check(backend->wait(device));
    assert_true(plan_record(&plan, 0, &record));
    check(plan_survey_read(&plan, &record, layers));
    assert_true(layers[0].weight_norm > 0.0f && isnan(layers[0].grad_norm) && isnan(layers[0].update_norm));
    assert_true(isnan(layers[1].mean_gap) && layers[NORM3_NODE].mean_gap > 0.0f);
    assert_true(layers[LAST_NODE].grad_norm > 0.0f && layers[LAST_NODE].update_norm > 0.0f);
    close_plan(&graph, &plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradient_behind_held_layers),
        cmocka_unit_test(test_held_layers_stay),
        cmocka_unit_test(test_held_layers_are_as_in_evaluation),
        cmocka_unit_test(test_survey_of_held_layers),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
