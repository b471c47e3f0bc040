/* test_overclaims: what trials do not prove, and what they do all the same. */
#include "diagnosis.h"
#include "given_trials.h"
#include "tiny_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct train_result run;
static char said[CONFIDENCE_TEXT];
static const char *why; /* what became of the last trial */
static enum confidence confidence;

/* A run of so many updates that has come to this, by its trial. */
static enum cause judge(const struct given *given, enum cause guess, int steps, double comes_to)
{
    struct diagnosis diagnosis;
    assert_int_equal(diagnose_run(&diagnosis, run.path), OK);
    diagnosis.cause = diagnosis.first_guess = guess;
    diagnosis.found[0] = (struct symptom){.cause = guess, .rule = "given", .effects = EFFECT_TRAINING};
    diagnosis.count = guess != CAUSE_HEALTHY;
    diagnosis.steps = steps;
    diagnosis.scheduled = true;
    diagnosis.fitted = diagnosis.learned_all = diagnosis.too_early = diagnosis.has_gap = false;
    diagnosis.comes_to = diagnosis.val_least = comes_to;
    write_trials(run.path, given, 1, 1.0, 64, steps);
    if (diagnose_recall(&diagnosis, run.path) < 0)
        fail_msg("%s", fail_text());
    assert_true(diagnosis.probed);
    diagnosis_say_confidence(&diagnosis, said);
    confidence = diagnosis_confidence(&diagnosis);
    why = diagnosis_why(&diagnosis, &diagnosis.experiment.arms[diagnosis.experiment.arm_count - 1]);
    const enum cause cause = diagnosis.cause;
    diagnosis_free(&diagnosis);
    return cause;
}

/* Trials that are longer than the run come further than it, whatever its schedule or rate. */
static void test_longer_than_the_run(void **state)
{
    (void)state;
    const struct given worse = {"anew", CAUSE_WEIGHT_DECAY, -0.3, 0.01, false, false};
    const struct given quicker = {"anew", CAUSE_RATE_LOW, 0.5, 0.01, false, false}; /* to 0.5 */
    given_updates = 32;
    assert_int_equal(judge(&worse, CAUSE_HEALTHY, 32, 1.2), CAUSE_SCHEDULE);
    assert_int_equal(judge(&quicker, CAUSE_HEALTHY, 32, 0.6), CAUSE_RATE_LOW);
    given_updates = 33;
    assert_int_equal(judge(&worse, CAUSE_HEALTHY, 32, 1.2), CAUSE_HEALTHY);
    assert_int_equal(judge(&quicker, CAUSE_HEALTHY, 32, 0.6), CAUSE_HEALTHY);
    given_updates = 0;
}

/* 1 % of what there is to learn, where the unchanged trial lost its way (100) or went up (3). */
static void test_next_to_nothing(void **state)
{
    (void)state;
    struct given given = {"anew", CAUSE_RATE_HIGH, 0.0, 0.01, false, false};
    for (int lost = 0; lost < 2; lost++) {
        given_unchanged = lost ? 100.0 : 3.0;
        given.gain = given_unchanged - 2.28;
        assert_int_equal(judge(&given, CAUSE_REGULARISATION, 200, 2.0), CAUSE_REGULARISATION);
        assert_string_equal(why, "rejected: it has learned next to nothing");
        given.gain = given_unchanged - 2.1;
        assert_int_equal(judge(&given, CAUSE_NO_SIGNAL, 200, 2.0), CAUSE_RATE_HIGH);
        assert_string_equal(why, "proves it");
    }
    given_unchanged = 1.0;
}

/* Nor does a trial that goes on from weights that were lost already speak against what the records show. */
static void test_lost_from_the_start(void **state)
{
    (void)state;
    const struct given given = {"freed", CAUSE_REGULARISATION, 0.0, 0.0, false, false};
    given_unchanged = 1000.0;
    assert_int_equal(judge(&given, CAUSE_REGULARISATION, 200, 2.0), CAUSE_REGULARISATION);
    assert_int_equal(confidence, CONFIDENCE_SHOWN);
    assert_non_null(strstr(said, "went on from weights that were lost already"));
    given_unchanged = 1.0;
}

/* A higher rate that comes further than the run in a fifth of its updates, where the unchanged trial does not, says
 * that it was the rate, and no schedule. */
static void test_a_rate_overturns_a_schedule(void **state)
{
    (void)state;
    const struct given quicker = {"anew", CAUSE_RATE_LOW, 0.5, 0.01, false, false}; /* 400 updates to 0.5 */
    assert_int_equal(judge(&quicker, CAUSE_SCHEDULE, 2000, 0.6), CAUSE_RATE_LOW);
    assert_int_equal(judge(&quicker, CAUSE_SCHEDULE, 1999, 0.6), CAUSE_SCHEDULE);
    assert_int_equal(judge(&quicker, CAUSE_SCHEDULE, 2000, 0.49), CAUSE_SCHEDULE);
    assert_int_equal(judge(&quicker, CAUSE_SCHEDULE, 2000, 1.01),
                     CAUSE_SCHEDULE); /* the whole rate comes further, too */
}

/* What is still wrong may be in the images, of which no trial was made. */
static void test_no_fault_is_not_proven(void **state)
{
    (void)state;
    const struct given worse = {"anew", CAUSE_WEIGHT_DECAY, -0.3, 0.01, false, false};
    assert_int_equal(judge(&worse, CAUSE_HEALTHY, 2000, 0.9), CAUSE_HEALTHY);
    assert_int_equal(confidence, CONFIDENCE_SHOWN);
    assert_non_null(strstr(said, "shown; what is not learned yet no trial explains: no fault in 1 trial"));
}

static int set_up(void **state)
{
    if (tiny_set_up(state) != 0)
        return -1;
    tiny_train_ok(NULL, "train.epochs=2 train.threads=1", &run);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_longer_than_the_run),    cmocka_unit_test(test_next_to_nothing),
        cmocka_unit_test(test_lost_from_the_start),    cmocka_unit_test(test_a_rate_overturns_a_schedule),
        cmocka_unit_test(test_no_fault_is_not_proven),
    };
    return cmocka_run_group_tests(tests, set_up, tiny_tear_down);
}
