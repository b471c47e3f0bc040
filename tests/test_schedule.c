/* test_schedule: closed forms against PyTorch's recorded schedulers; warm-up within an epoch; edges. */
#include "schedule.h"
#include "vectors.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* PyTorch multiplies from epoch to epoch, this program computes each epoch anew. */
static const double tolerance = 1e-15;

static struct config base_config(enum schedule_kind kind, int epochs)
{
    return (struct config){
        .optim = {.lr = 0.1}, .train = {.epochs = epochs}, .schedule = {.name = kind, .gamma = 0.1, .step_epochs = 4}};
}

/* The first count recorded rates of a scheduler are ours at the beginning of each epoch. */
static void check_recorded(const char *name, const struct config *config, int count)
{
    struct vectors vectors;
    vectors_open(&vectors, "schedules");
    const json_t *cases = vectors_member(vectors.json, "cases");
    bool found = false;
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *record = json_array_get(cases, i);
        if (strcmp(vectors_text(record, "name"), name) != 0)
            continue;
        int64_t recorded;
        const double *want = vectors_doubles(&vectors, record, "lr", &recorded);
        double got[64];
        assert_true(count <= recorded && count <= COUNT_OF(got));
        for (int epoch = 0; epoch < count; epoch++)
            got[epoch] = schedule_lr(config, NAN, epoch, 0, 1);
        vectors_check_doubles(name, got, want, count, 0, tolerance);
        found = true;
    }
    assert_true(found);
    vectors_close(&vectors);
}

static void test_step(void **state)
{
    (void)state;
    struct config config = base_config(SCHEDULE_STEP, 10);
    config.schedule.step_epochs = 3;
    check_recorded("StepLR", &config, 10);
}

static void test_exponential_is_step_of_one(void **state)
{
    (void)state;
    struct config config = base_config(SCHEDULE_STEP, 8);
    config.schedule.step_epochs = 1;
    config.schedule.gamma = 0.9;
    check_recorded("ExponentialLR", &config, 8);
}

static void test_cosine(void **state)
{
    (void)state;
    struct config config = base_config(SCHEDULE_COSINE, 10);
    config.schedule.min_lr = 0.001;
    check_recorded("CosineAnnealingLR", &config, 11);
    assert_true(schedule_lr(&config, NAN, 15, 0, 1) == 0.001); /* past the end it stays, PyTorch's rises again */
}

static void test_warmup_then_constant(void **state)
{
    (void)state;
    struct config config = base_config(SCHEDULE_CONSTANT, 10);
    config.schedule.warmup_epochs = 5;
    config.schedule.warmup_start = 0.1;
    check_recorded("LinearLR", &config, 9);
}

static void test_warmup_then_cosine(void **state)
{
    (void)state;
    struct config config = base_config(SCHEDULE_COSINE, 20);
    config.schedule.warmup_epochs = 5;
    config.schedule.warmup_start = 0.01;
    check_recorded("Sequential_linear_cosine", &config, 20);
}

static void test_warmup_goes_by_steps(void **state)
{
    (void)state;
    enum { STEPS = 8 };
    struct config config = base_config(SCHEDULE_STEP, 10);
    config.schedule.warmup_epochs = 1.5;
    config.schedule.warmup_start = 0.25;
    double before = 0;
    for (int t = 0; t < 12; t++) {
        double lr = schedule_lr(&config, NAN, t / STEPS, t % STEPS, STEPS);
        assert_true(fabs(lr - 0.1 * (0.25 + 0.75 * t / 12.0)) < 1e-16);
        assert_true(lr > before);
        before = lr;
    }
    assert_true(schedule_lr(&config, NAN, 1, 4, STEPS) == 0.1);
    /* Epoch 2 is the first that begins after warm-up: the rate drops with epoch 2 + 4. */
    assert_true(schedule_lr(&config, NAN, 5, STEPS - 1, STEPS) == 0.1);
    assert_true(fabs(schedule_lr(&config, NAN, 6, 0, STEPS) - 0.01) < 1e-17);
}

static void test_plateau_is_followed_and_warmed_up(void **state)
{
    (void)state;
    struct config config = base_config(SCHEDULE_PLATEAU, 10);
    assert_true(schedule_lr(&config, 0.0375, 3, 2, 5) == 0.0375);
    config.schedule.warmup_epochs = 2;
    assert_true(schedule_lr(&config, 0.05, 0, 0, 4) == 0.0);
    assert_true(fabs(schedule_lr(&config, 0.05, 1, 0, 4) - 0.025) < 1e-17);
    assert_true(schedule_lr(&config, 0.05, 2, 0, 4) == 0.05);
}

static void test_warmup_longer_than_training(void **state)
{
    (void)state;
    struct config config = base_config(SCHEDULE_COSINE, 3);
    config.schedule.warmup_epochs = 5;
    for (int epoch = 0; epoch < 3; epoch++)
        assert_true(fabs(schedule_lr(&config, NAN, epoch, 0, 2) - 0.1 * epoch / 5.0) < 1e-16);
}

/* Warm-up's last step is the nearest one; the cosine spans the epochs that begin after it. */
static void test_warmup_of_part_of_an_epoch(void **state)
{
    (void)state;
    struct config config = base_config(SCHEDULE_COSINE, 5);
    config.schedule.warmup_epochs = 0.25;
    assert_true(schedule_lr(&config, NAN, 0, 0, 5) == 0.0);
    assert_true(schedule_lr(&config, NAN, 0, 1, 5) == 0.1);
    assert_true(schedule_lr(&config, NAN, 1, 0, 5) == 0.1);
    assert_true(fabs(schedule_lr(&config, NAN, 3, 0, 5) - 0.05) < 1e-16);
}

static void test_warmup_as_long_as_training(void **state)
{
    (void)state;
    struct config config = base_config(SCHEDULE_COSINE, 3);
    config.schedule.warmup_epochs = 3;
    for (int epoch = 0; epoch < 3; epoch++)
        assert_true(fabs(schedule_lr(&config, NAN, epoch, 0, 2) - 0.1 * epoch / 3.0) < 1e-16);
}

static void test_accuracy_is_to_grow(void **state)
{
    (void)state;
    assert_true(monitor_maximize(MONITOR_VAL_ACCURACY, MODE_AUTO));
    assert_false(monitor_maximize(MONITOR_VAL_ACCURACY, MODE_MIN));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_step),
        cmocka_unit_test(test_exponential_is_step_of_one),
        cmocka_unit_test(test_cosine),
        cmocka_unit_test(test_warmup_then_constant),
        cmocka_unit_test(test_warmup_then_cosine),
        cmocka_unit_test(test_warmup_goes_by_steps),
        cmocka_unit_test(test_plateau_is_followed_and_warmed_up),
        cmocka_unit_test(test_warmup_longer_than_training),
        cmocka_unit_test(test_warmup_of_part_of_an_epoch),
        cmocka_unit_test(test_warmup_as_long_as_training),
        cmocka_unit_test(test_accuracy_is_to_grow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
