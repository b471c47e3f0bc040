/* test_trial: trials from a run's own state: an unchanged trial is the run's own continuation, bit for bit; a changed
 * one differs by what was changed and by nothing else. */
#include "tensors.h"
#include "tiny_run.h"
#include "trial.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PROBE = 24, UPDATES = 6, KEPT_MOST = 4096 };
static const char words[] =
    "train.epochs=3 train.threads=1 model.name=small_cnn model.width=4 augment.crop_padding=2 augment.hflip=0.5 "
    "augment.rotate=10 model.dropout=0.2 optim.weight_decay=0.01 optim.lr=0.004 "
    "schedule.name=plateau";

static struct train_result begun; /* stopped after 7 updates */
static struct config config;
static struct session session;
static struct branch branch;
static struct probe probe;
static float losses[2][PROBE];

static int set_up(void **state)
{
    if (tiny_set_up(state) != 0)
        return -1;
    char joined[512];
    snprintf(joined, sizeof joined, "%s train.max_steps=7", words);
    tiny_train_ok(NULL, joined, &begun);
    if (train_load_config(&config, begun.path, NULL, 0) < 0 || session_open(&session, &config) < 0 ||
        branch_load(&branch, &session, begun.path, "last") < 0 ||
        probe_open(&probe, &session, &session.train, PROBE) < 0) {
        fprintf(stderr, "%s\n", fail_text());
        return -1;
    }
    return 0;
}

static int tear_down(void **state)
{
    probe_close(&probe, &session);
    branch_free(&branch);
    session_close(&session);
    config_free(&config);
    return tiny_tear_down(state);
}

static struct trial_result run_trial(int slot, struct trial trial)
{
    struct trial_result result = {.losses = losses[slot]};
    if (!trial.updates)
        trial.updates = UPDATES;
    if (trial_run(&branch, begun.path, &trial, &probe, &result) < 0)
        fail_msg("%s: %s", trial.name, fail_text());
    assert_ptr_equal(session.config, &config);
    return result;
}

/* Largest difference between the session's weights and a run's last checkpoint. */
static double distance(const char *run)
{
    struct tensor_file file;
    double largest = 0.0;
    int compared = 0;
    tiny_read_tensors(&file, run, "last/model.safetensors");
    for (int v = 0; v < session.graph.value_count; v++) {
        const struct value *value = &session.graph.values[v];
        if (value->role != VALUE_PARAM && value->role != VALUE_STATE)
            continue;
        const struct tensor *tensor = tensors_find(&file, value->name);
        assert_non_null(tensor);
        int64_t count = shape_count(value->shape);
        float *own = malloc((size_t)count * sizeof *own);
        assert_int_equal(plan_read_weight(&session.plan, value->role == VALUE_PARAM ? SLAB_PARAM : SLAB_STATE, v, own),
                         OK);
        for (int64_t i = 0; i < count; i++)
            largest = fmax(largest, fabs((double)own[i] - (double)((const float *)tensor->data)[i]));
        free(own);
        compared++;
    }
    assert_true(compared > 4);
    tensors_free(&file);
    return largest;
}

static void test_unchanged_trial_is_the_run(void **state)
{
    (void)state;
    struct train_result whole;
    char joined[512];
    snprintf(joined, sizeof joined, "%s train.max_steps=%d", words, 7 + UPDATES);
    tiny_train_ok(NULL, joined, &whole);
    struct trial_result first = run_trial(0, (struct trial){.name = "unchanged"});
    assert_true(distance(whole.path) == 0.0);
    assert_true(distance(begun.path) > 0.0);
    assert_int_equal(first.refused, 0);
    assert_true(first.images == UPDATES * 16.0);
    /* and again after another trial: nothing is left behind */
    const char *const sgd[] = {"optim.name=sgd", "optim.lr=0.1", "train.accumulate=2"};
    struct trial_result other =
        run_trial(1, (struct trial){.name = "sgd", .overrides = sgd, .override_count = COUNT_OF(sgd)});
    assert_true(other.loss != first.loss);
    assert_true(other.images == 2 * UPDATES * 16.0);
    struct trial_result again = run_trial(1, (struct trial){.name = "unchanged"});
    assert_true(distance(whole.path) == 0.0);
    assert_true(again.loss == first.loss);
    assert_memory_equal(losses[0], losses[1], sizeof losses[0]);
}

/* Everything that is trained or kept, one after the other. */
static void read_kept(float *params, float *states, int64_t counts[2])
{
    counts[0] = counts[1] = 0;
    for (int v = 0; v < session.graph.value_count; v++) {
        const struct value *value = &session.graph.values[v];
        const bool state = value->role == VALUE_STATE;
        if (value->role != VALUE_PARAM && !state)
            continue;
        float *to = state ? states + counts[1] : params + counts[0];
        assert_int_equal(plan_read_weight(&session.plan, state ? SLAB_STATE : SLAB_PARAM, v, to), OK);
        counts[state] += shape_count(value->shape);
        assert_true(counts[state] <= KEPT_MOST);
    }
}

/* Running statistics settle before a trial is judged: its steps and weights are the same bit for bit, only the
 * statistics differ, and they are then nearer to what the weights as they stand make of the images. */
static void test_statistics_settle(void **state)
{
    (void)state;
    static float params[2][KEPT_MOST], states[3][KEPT_MOST];
    int64_t counts[2];
    const char *const quick[] = {"optim.lr=0.05"};
    struct trial trial = {.name = "as they lag", .overrides = quick, .override_count = 1, .updates = 30, .fresh = true};
    const struct trial_result lagging = run_trial(0, trial);
    assert_true(lagging.settled_images == 0.0);
    read_kept(params[0], states[0], counts);
    trial.settled = true;
    const struct trial_result settled = run_trial(1, trial);
    assert_true(settled.settled_images == TRIAL_SETTLED * 16.0);
    assert_int_equal(settled.reading_count, TRIAL_READINGS);
    double mean = 0.0;
    for (int i = 0; i < TRIAL_READINGS; i++)
        mean += (double)settled.readings[i] / TRIAL_READINGS;
    assert_true(fabs(mean - settled.loss) < 1e-5 && settled.readings[0] != settled.readings[1]);
    read_kept(params[1], states[1], counts);
    assert_true(counts[1] > 0);
    assert_memory_equal(params[0], params[1], (size_t)counts[0] * sizeof *params[0]);
    assert_true(settled.train_loss == lagging.train_loss && settled.images == lagging.images);
    assert_true(settled.loss != lagging.loss);
    /* far more batches: what they settle at */
    struct subset *subset = &session.train.subset;
    int32_t *order = NULL;
    const size_t bytes = (size_t)subset->count * sizeof *order;
    assert_int_equal(session.backend->alloc(session.device, bytes, (void **)&order), OK);
    assert_int_equal(session.backend->upload(session.device, order, subset->samples, bytes), OK);
    for (int i = 0; i < 200; i++) {
        struct step_control control = {.seed = 1, .step = i, .valid = 16, .first = i % 5 * 16};
        if (control.first == 0)
            assert_int_equal(batches_begin(&session, session.train.source, order, subset->samples, 0, 5 * (int64_t)16),
                             OK);
        assert_int_equal(batch_next(&session, &control), OK);
        assert_int_equal(plan_settle_batch(&session.plan, &control), OK);
        assert_int_equal(batch_queued(&session, &control), OK);
    }
    read_kept(params[1], states[2], counts);
    assert_memory_equal(params[0], params[1], (size_t)counts[0] * sizeof *params[0]);
    batches_rest(&session);
    session.backend->release(session.device, order);
    double off[2] = {0.0, 0.0};
    for (int k = 0; k < 2; k++)
        for (int64_t i = 0; i < counts[1]; i++)
            off[k] += fabs((double)states[k][i] - (double)states[2][i]);
    if (!(off[1] < 0.5 * off[0]))
        fail_msg("settled statistics are off by %g, lagging ones by %g", off[1], off[0]);
}

static void test_rate_is_a_ratio(void **state)
{
    (void)state;
    const char *const tiny_rate[] = {"optim.lr=4e-30"};
    struct trial_result still =
        run_trial(0, (struct trial){.name = "still", .overrides = tiny_rate, .override_count = 1, .updates = 1});
    /* Nothing but the running statistics moved. */
    const char *const same[] = {"optim.lr=0.004"};
    struct trial_result moved =
        run_trial(1, (struct trial){.name = "same", .overrides = same, .override_count = 1, .updates = 1});
    double gain, error;
    trial_gain(&still, &moved, PROBE, &gain, &error);
    assert_true(gain != 0.0 && error > 0.0);
    assert_true(fabs(gain - (still.loss - moved.loss)) < 1e-6);
}

static void test_gain_by_hand(void **state)
{
    (void)state;
    struct trial_result a = {.losses = (float[]){1, 2, 3, 4}}, b = {.losses = (float[]){1, 1, 1, 1}};
    double gain, error;
    trial_gain(&a, &b, 4, &gain, &error);
    assert_true(fabs(gain - 1.5) < 1e-12);
    assert_true(fabs(error - sqrt(5.0 / 3.0 / 4.0)) < 1e-12);
    /* and of readings that differ by 2, 1 and 0: a standard deviation of 1 */
    const float first[] = {3, 2, 2}, second[] = {1, 1, 2};
    memcpy(a.readings, first, sizeof first);
    memcpy(b.readings, second, sizeof second);
    a.reading_count = b.reading_count = 3;
    trial_gain(&a, &b, 4, &gain, &error);
    assert_true(fabs(gain - 1.5) < 1e-12);
    assert_true(fabs(error - sqrt(5.0 / 3.0 / 4.0 + 1.0)) < 1e-12);
}

/* A memorisation trial: a fresh network on a handful of images learns them by heart. */
static void test_given_samples_alone(void **state)
{
    (void)state;
    int32_t few[16];
    for (int i = 0; i < 16; i++)
        few[i] = session.train.subset.samples[5 * i];
    const char *const alone[] = {"optim.lr=0.01", "model.dropout=0.9"};
    struct trial_result learnt = run_trial(0, (struct trial){.name = "by heart",
                                                             .overrides = alone,
                                                             .override_count = COUNT_OF(alone),
                                                             .updates = 80,
                                                             .samples = few,
                                                             .sample_count = 16,
                                                             .still = true,
                                                             .fresh = true});
    assert_true(learnt.train_accuracy == 1.0);
    assert_true(learnt.train_loss < 0.2);
}

static void test_left_out_are_not_drawn(void **state)
{
    (void)state;
    /* All but 16 left out is the same as drawing from those 16 in the order that is left. */
    const struct subset *subset = &session.train.subset;
    int32_t *order = malloc((size_t)subset->count * sizeof *order);
    bool *out = calloc((size_t)session.train_source.data.count, sizeof *out);
    subset_order(subset, (uint64_t)config.train.seed, 0, true, order);
    for (int64_t i = 16; i < subset->count; i++)
        out[order[i]] = true;
    const char *const plain[] = {"augment.hflip=0", "augment.rotate=0", "augment.crop_padding=0", "model.dropout=0"};
    struct trial trial = {.name = "left out",
                          .overrides = plain,
                          .override_count = COUNT_OF(plain),
                          .left_out = out,
                          .fresh = true,
                          .updates = 1};
    struct trial_result rest = run_trial(0, trial);
    trial.left_out = NULL;
    trial.samples = order;
    trial.sample_count = 16;
    struct trial_result given = run_trial(1, trial);
    assert_true(rest.loss == given.loss);
    trial.sample_count = 8; /* fewer than an update takes */
    struct trial_result result = {.losses = losses[1]};
    assert_int_equal(trial_run(&branch, begun.path, &trial, &probe, &result), ERR_CONFIG);
    assert_non_null(strstr(fail_text(), "only 8 to draw from"));
    free(order);
    free(out);
}

/* init_scale is a factor on what is drawn at random, and on nothing else. */
static void test_first_weights_scaled(void **state)
{
    (void)state;
    float drawn[2][512];
    const char *const scales[] = {"model.init_scale=1", "model.init_scale=3"};
    for (int v = 0; v < session.graph.value_count; v++) {
        if (session.graph.values[v].role != VALUE_PARAM || shape_count(session.graph.values[v].shape) > 512)
            continue;
        int64_t count = shape_count(session.graph.values[v].shape);
        for (int i = 0; i < 2; i++) {
            struct config scaled;
            assert_int_equal(train_load_config(&scaled, begun.path, &scales[i], 1), OK);
            assert_int_equal(session_rebind(&session, &scaled), OK);
            assert_int_equal(plan_read_weight(&session.plan, SLAB_PARAM, v, drawn[i]), OK);
            session.config = &config;
            config_free(&scaled);
        }
        bool random = session.graph.values[v].init != INIT_ZERO && session.graph.values[v].init != INIT_ONE;
        for (int64_t k = 0; k < count; k++)
            assert_true(fabsf(drawn[1][k] - (random ? 3.0f : 1.0f) * drawn[0][k]) <= 1e-6f * fabsf(drawn[1][k]));
    }
}

/* Values without weights come and go with the config: a network without its dropout takes up the same weights. */
static void test_weights_go_over_without_dropout(void **state)
{
    (void)state;
    const char *const overrides[] = {"model.dropout=0", "optim.lr=1e-30", "optim.weight_decay=0"};
    run_trial(0, (struct trial){.name = "no dropout", .overrides = overrides, .override_count = 3, .least_rate = 1.0});
    struct tensor_file file;
    int compared = 0;
    tiny_read_tensors(&file, begun.path, "last/model.safetensors");
    for (int v = 0; v < session.graph.value_count; v++) {
        const struct value *value = &session.graph.values[v];
        if (value->role != VALUE_PARAM)
            continue;
        const int64_t count = shape_count(value->shape);
        float *own = malloc((size_t)count * sizeof *own);
        assert_int_equal(plan_read_weight(&session.plan, SLAB_PARAM, v, own), OK);
        assert_memory_equal(own, tensors_find(&file, value->name)->data, (size_t)count * sizeof *own);
        free(own);
        compared++;
    }
    assert_true(compared > 4);
    tensors_free(&file);
}

/* An image is right whose label has the largest probability: more than half is, and no more than 1/K cannot be. */
static void test_hits_go_with_losses(void **state)
{
    (void)state;
    float hits[PROBE];
    struct trial_result result = {.losses = losses[0], .hits = hits};
    const struct trial trial = {.name = "unchanged", .updates = 1};
    assert_int_equal(trial_run(&branch, begun.path, &trial, &probe, &result), OK);
    double right = 0.0;
    for (int i = 0; i < PROBE; i++) {
        assert_true(hits[i] == 0.0f || hits[i] == 1.0f);
        assert_true(hits[i] == 1.0f || losses[0][i] >= logf(2.0f));
        assert_true(hits[i] == 0.0f || losses[0][i] <= logf((float)session.card.class_count) + 1e-4f);
        right += (double)hits[i] / PROBE;
    }
    assert_true(right > 0.0 && right < 1.0);
    assert_true(fabs(right - result.right) < 1e-6);
    float fewer[PROBE] = {0};
    const struct trial_result none = {.hits = fewer};
    double gain, error;
    trial_gain_right(&none, &result, PROBE, &gain, &error);
    assert_true(fabs(gain - right) < 1e-6);
    assert_true(fabs(error - sqrt(right * (1.0 - right) / (PROBE - 1))) < 1e-6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_weights_go_over_without_dropout),
        cmocka_unit_test(test_hits_go_with_losses),
        cmocka_unit_test(test_unchanged_trial_is_the_run),
        cmocka_unit_test(test_statistics_settle),
        cmocka_unit_test(test_rate_is_a_ratio),
        cmocka_unit_test(test_gain_by_hand),
        cmocka_unit_test(test_given_samples_alone),
        cmocka_unit_test(test_left_out_are_not_drawn),
        cmocka_unit_test(test_first_weights_scaled),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
