/* test_agreement: TEST_DEVICE trains as the CPU does, and learns a batch by heart in every precision that it has. On
 * the CPU itself two threads are compared with one, whose products are summed in another order.
 *
 * The tolerance is measured, not chosen. Dividing images by a slightly larger deviation changes nothing that a network
 * computes whose first convolution is normalised, only how every number on the way is rounded. So the differences of
 * such runs on the CPU are what rounding makes of the losses, and what training makes of that: 1e-7 for many steps,
 * until two of a pool's values, or a rectifier's value and 0, are so near that rounding decides, which is a jump of
 * 1e-3. A device that rounds elsewhere may differ by FACTOR times as much, at the steps where they do: it sums in
 * another order. */
#include "backend.h"
#include "tiny_run.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { STEPS = 50, ROUNDED_RUNS = 6, FACTOR = 8 };

/* Of a loss between 2 and 4. */
static const double rounding = 0x1p-22;

static const char *const recipe = "model.name=small_cnn model.width=8 train.batch_size=30 train.max_steps=50 "
                                  "train.epochs=20 augment.hflip=0.5 augment.crop_padding=2 augment.mean=0.4,0.4,0.3";

static double loss_at(const struct train_result *run, int step)
{
    return tiny_cell_at(run->path, "steps.csv", step, "loss");
}

static void train(struct train_result *result, const char *optimizer, double deviation, const char *more)
{
    char words[1024];
    snprintf(words, sizeof words, "%s %s augment.std=%.9g,%.9g,%.9g %s", recipe, optimizer, deviation, deviation,
             deviation, more);
    tiny_train_ok(NULL, words, result);
}

/* The largest share of the tolerance that any step takes. */
static double compare(const char *optimizer)
{
    const char *device = getenv("TEST_DEVICE");
    char words[64];
    struct train_result cpu, rounded[ROUNDED_RUNS], other;
    train(&cpu, optimizer, 0.2, "train.device=cpu train.threads=1");
    for (int i = 0; i < ROUNDED_RUNS; i++)
        train(&rounded[i], optimizer, 0.201 + 0.001 * i, "train.device=cpu train.threads=1");
    snprintf(words, sizeof words, "train.device=%s train.threads=%d", device ? device : "cpu", 2);
    train(&other, optimizer, 0.2, words);
    double noise = rounding, first = 0.0, largest = 0.0;
    for (int step = 1; step <= STEPS; step++) {
        for (int i = 0; i < ROUNDED_RUNS; i++)
            noise = fmax(noise, fabs(loss_at(&rounded[i], step) - loss_at(&cpu, step)));
        const double difference = fabs(loss_at(&other, step) - loss_at(&cpu, step));
        largest = fmax(largest, difference / (FACTOR * noise));
        first = step == 10 ? noise : first;
        if (!(difference <= FACTOR * noise))
            fail_msg("%s, step %d: the loss is %.9g, on the CPU %.9g; rounding explains %.2g", optimizer, step,
                     loss_at(&other, step), loss_at(&cpu, step), FACTOR * noise);
    }
    printf("# %s: %.2g of the tolerance, which is %.2g after 10 steps, %.2g after %d; loss %.4f to %.4f\n", optimizer,
           largest, FACTOR * first, FACTOR * noise, STEPS, loss_at(&cpu, 1), loss_at(&cpu, STEPS));
    return loss_at(&cpu, 1) - loss_at(&cpu, STEPS);
}

static void test_losses_of_sgd(void **state)
{
    (void)state;
    assert_true(compare("optim.name=sgd optim.lr=0.005 optim.momentum=0.9") > 0.3);
}

static void test_losses_of_adam(void **state)
{
    (void)state;
    assert_true(compare("optim.name=adamw optim.lr=0.002") > 0.3);
}

static void test_learns_by_heart(void **state)
{
    (void)state;
    const char *name = getenv("TEST_DEVICE");
    const struct backend *backend;
    struct device *device;
    assert_int_equal(backend_open(name ? name : "cpu", 1, &backend, &device), OK);
    bool has[DT_COUNT], in_hardware;
    for (int dtype = 0; dtype < DT_COUNT; dtype++)
        has[dtype] = backend->supports(device, (enum dtype)dtype, &in_hardware);
    backend->close(device);
    for (int dtype = 0; dtype < DT_COUNT; dtype++) {
        struct train_result result;
        char words[256];
        if (!has[dtype])
            continue;
        snprintf(words, sizeof words,
                 "train.precision=%s train.batch_size=90 train.epochs=60 optim.lr=0.01 model.name=small_cnn "
                 "model.width=8",
                 dtype_name((enum dtype)dtype));
        tiny_train_ok(NULL, words, &result);
        const double loss = tiny_result_at(result.path, 60, "train/loss");
        printf("# %s: loss %.4f\n", dtype_name((enum dtype)dtype), loss);
        assert_true(tiny_result_at(result.path, 60, "train/accuracy") == 1.0);
        assert_true(loss < 0.05);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_losses_of_sgd),
        cmocka_unit_test(test_losses_of_adam),
        cmocka_unit_test(test_learns_by_heart),
    };
    return cmocka_run_group_tests(tests, tiny_set_up, tiny_tear_down);
}
