/* test_by_heart: what is made of a network that does, or does not, learn a few images by heart. */
#include "given_trials.h"
#include "tiny_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BASE "train.epochs=24 train.max_steps=60 train.threads=1 model.name=mlp model.hidden=64 "

/* What becomes of a run of which the rules say this, where the share by_heart was learnt. faded: no gradient came back
 * to its first layer. */
static void expect(const struct given *given, double by_heart, enum cause guess, bool faded, enum cause cause)
{
    static struct train_result run;
    struct diagnosis diagnosis;
    if (!run.path[0])
        tiny_train_ok(NULL, BASE "optim.lr=0.003", &run);
    write_trials(run.path, given, given != NULL, by_heart, 16, 60);
    assert_int_equal(diagnose_run(&diagnosis, run.path), OK);
    assert_false(diagnosis.faded);
    diagnosis.cause = diagnosis.first_guess = guess;
    diagnosis.found[0] = (struct symptom){.cause = guess, .rule = "stands", .effects = EFFECT_STANDS};
    diagnosis.count = guess != CAUSE_HEALTHY;
    diagnosis.faded = faded, diagnosis.fitted = false;
    diagnosis.comes_to = 1.0;
    assert_int_equal(diagnose_recall(&diagnosis, run.path), OK);
    assert_string_equal(cause_table[diagnosis.cause].name, cause_table[cause].name);
    diagnosis_free(&diagnosis);
}

static void test_shares(void **state)
{
    (void)state;
    struct given given = {"anew", CAUSE_RATE_LOW, 0.5, 0.01, false, false};
    expect(NULL, 0.94, CAUSE_HEALTHY, false, CAUSE_CAPACITY);
    expect(NULL, 0.96, CAUSE_HEALTHY, false, CAUSE_HEALTHY);
    expect(NULL, -1.0, CAUSE_HEALTHY, false, CAUSE_HEALTHY);   /* not known */
    expect(&given, 0.5, CAUSE_HEALTHY, false, CAUSE_CAPACITY); /* a higher rate helps what is too small, too */
    given.cause = CAUSE_RATE_HIGH;
    expect(&given, 0.5, CAUSE_HEALTHY, false, CAUSE_RATE_HIGH);
}

/* A network through which no gradient comes back learns nothing by heart either, however large it is. */
static void test_faded_gradients(void **state)
{
    (void)state;
    expect(NULL, 0.5, CAUSE_NO_SIGNAL, false, CAUSE_CAPACITY);
    expect(NULL, 0.5, CAUSE_NO_SIGNAL, true, CAUSE_NO_SIGNAL);
}

/* Badly drawn weights and badly scaled images are taken away: what the same network learns without says how large it
 * is. */
static void test_what_is_taken_away(void **state)
{
    (void)state;
    static const char *const words[] = {BASE "model.init_scale=0", BASE "augment.mean=0.9 augment.std=0.001"};
    static const enum cause causes[] = {CAUSE_INITIALISATION, CAUSE_INPUT_SCALE};
    for (int i = 0; i < COUNT_OF(words); i++) {
        struct train_result run;
        struct diagnosis diagnosis;
        tiny_train_ok(NULL, words[i], &run);
        assert_int_equal(diagnose_run(&diagnosis, run.path), OK);
        if (diagnose_probe(&diagnosis, run.path, &(struct budget){.updates = 2500.0}) < 0)
            fail_msg("%s", fail_text());
        assert_true(diagnosis.experiment.memory_done);
        assert_true(experiment_learns_by_heart(&diagnosis.experiment));
        assert_string_equal(cause_table[diagnosis.cause].name, cause_table[causes[i]].name);
        diagnosis_free(&diagnosis);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shares),
        cmocka_unit_test(test_faded_gradients),
        cmocka_unit_test(test_what_is_taken_away),
    };
    return cmocka_run_group_tests(tests, tiny_set_up, tiny_tear_down);
}
