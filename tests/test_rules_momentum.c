/* test_rules_momentum: SGD without momentum that goes to and fro, and momentum that is too long for the run. */
#include "drawn_run.h"

#include <math.h>
#include <setjmp.h>
#include <string.h>
/* cmocka wants the standard headers first */
#include <cmocka.h>

/* Plain SGD whose loss falls until the end, in steps too long, gradients against the one before. */
static void to_and_fro(void)
{
    healthy();
    run.config.optim.name = OPTIMIZER_SGD;
    run.config.optim.momentum = 0.0;
    run.evidence.over = true;
    for (int t = 0; t < STEPS; t++) {
        run.loss[t] = guess * (1.0 - 0.6 * t / STEPS) + 0.05 * jitter(t);
        run.end_slope[t] = 0.05;
        run.grad_cosine[t] = -0.3 + 0.1 * jitter(t);
    }
}

static void test_zigzag(void **state)
{
    (void)state;
    to_and_fro();
    SHOWS("zigzag", CAUSE_PLAIN_SGD);
    assert_int_equal(shown("zigzag")->step, STEPS - 1);
    SAYS("zigzag", "over the last 200 updates"); /* 200 / 600 * 0.6 ln 10 = 0.46 */
    SAYS("zigzag", "by 0.46 ");
    run.config.optim.momentum = 0.5;
    SILENT("zigzag");
    to_and_fro();
    run.config.optim.name = OPTIMIZER_ADAM;
    SILENT("zigzag");
    to_and_fro();
    run.evidence.over = false;
    SILENT("zigzag");
    to_and_fro();
    fill(run.end_slope, 400, STEPS, -0.01); /* a higher rate may lead further */
    SILENT("zigzag");
    to_and_fro();
    for (int t = 400; t < STEPS; t++)
        run.grad_cosine[t] = -0.01 + 0.1 * jitter(t); /* 200 of deviation 0.058: error 0.0041 */
    SILENT("zigzag");
    to_and_fro();
    fill(run.loss, 300, STEPS, 0.7 * guess); /* it no longer falls */
    SILENT("zigzag");
    to_and_fro();
    run.config.schedule.name = SCHEDULE_COSINE;
    fill(run.rate, 500, STEPS, 0.0002); /* it is the rate that is spent */
    SILENT("zigzag");
    to_and_fro();
    fill(run.val_accuracy, EPOCHS - 1, EPOCHS, 0.96); /* nothing is missing */
    SILENT("zigzag");
}

/* 0.98^150 is 0.048, 0.981^150 is 0.056; ln 2 * 2 / -ln 0.981 is 72. */
static void test_swings(void **state)
{
    (void)state;
    healthy();
    run.config.optim.name = OPTIMIZER_SGD;
    run.config.optim.momentum = 0.98;
    run.evidence.over = true;
    SILENT("swings");
    run.config.optim.momentum = 0.981;
    SHOWS("swings", CAUSE_RATE_HIGH);
    SAYS("swings", "takes 72 updates to halve: of what swung in the middle of 600 updates 6 % are left at the end, and "
                   "steps are 53 times as long");
    fill(run.val_accuracy, EPOCHS - 1, EPOCHS, 0.96);
    SILENT("swings");
    healthy();
    run.config.optim.momentum = 0.981; /* Adam has none */
    SILENT("swings");
    run.config.optim.name = OPTIMIZER_SGD;
    run.evidence.planned_steps = 2 * STEPS; /* 0.003 of it will be left */
    SILENT("swings");
    run.config.optim.momentum = 0.991;
    SHOWS("swings", CAUSE_RATE_HIGH);
    run.evidence.planned_steps = 2 * STEPS + 1; /* not half of it is done */
    SILENT("swings");
    run.evidence.over = true; /* cut short: a short run with usual momentum says nothing */
    run.config.optim.momentum = 0.95;
    run.evidence.steps = 200; /* 0.95^50 is 0.077 */
    SILENT("swings");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_zigzag), cmocka_unit_test(test_swings)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
