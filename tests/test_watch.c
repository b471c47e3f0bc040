/* test_watch: what the rules say while a run goes on: each finding is said once, and taken back once where it no longer
 * holds. */
#include "drawn_run.h"
#include "watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct watch watch;

/* What the rules say of the drawn run as it stands; returns how many findings are new. */
static int look(void)
{
    struct symptom said[CAUSE_COUNT];
    return watch_hear(&watch, said, doctor_examine(&run.evidence, said));
}

static void test_a_finding_is_taken_back_once(void **state)
{
    (void)state;
    watch = (struct watch){0};
    stand(1.0);
    assert_int_equal(look(), 1);
    assert_int_equal(watch.found[0].cause, CAUSE_NO_SIGNAL);
    assert_true(watch.as_cause[CAUSE_NO_SIGNAL]);
    assert_int_equal(look(), 0);
    assert_int_equal(watch.count, 1);
    assert_int_equal(watch.withdrawn_count, 0);
    healthy();
    assert_int_equal(look(), 0);
    assert_int_equal(watch.count, 0);
    assert_int_equal(watch.withdrawn_count, 1);
    assert_int_equal(watch.withdrawn[0].cause, CAUSE_NO_SIGNAL);
    assert_int_equal(watch.verdict.cause, CAUSE_HEALTHY);
    assert_int_equal(look(), 0);
    assert_int_equal(watch.withdrawn_count, 0);
    stand(1.0); /* found anew, after it was taken back */
    assert_int_equal(look(), 1);
    assert_int_equal(watch.withdrawn_count, 0);
}

/* Of two findings that are the cause and its consequence, one alone falls; what becomes doubtful falls too. */
static void test_others_stay(void **state)
{
    (void)state;
    struct symptom said[] = {{.cause = CAUSE_RATE_HIGH}, {.cause = CAUSE_BATCH_SMALL}, {.cause = CAUSE_LABELS}};
    watch = (struct watch){0};
    assert_int_equal(watch_hear(&watch, said, 3), 3);
    assert_true(watch.as_cause[CAUSE_RATE_HIGH] && !watch.as_cause[CAUSE_BATCH_SMALL]);
    said[1].doubtful = true;
    assert_int_equal(watch_hear(&watch, said, 3), 0);
    assert_int_equal(watch.count, 2);
    assert_int_equal(watch.found[0].cause, CAUSE_RATE_HIGH);
    assert_int_equal(watch.found[1].cause, CAUSE_LABELS);
    assert_int_equal(watch.withdrawn_count, 1);
    assert_int_equal(watch.withdrawn[0].cause, CAUSE_BATCH_SMALL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_finding_is_taken_back_once),
                                       cmocka_unit_test(test_others_stay)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
