/* test_no_cost: trials that help prove no fault where the run has nothing that a fault can have cost. */
#include "diagnosis.h"
#include "tiny_run.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct train_result run;
static double guess = 2.302585; /* what guessing comes to */

static double val_least = 1.2;
static bool fitted; /* the training images are right */
static int longer;  /* updates of the trial once more, and what that came to; 0: not made */
static double longer_loss;

/* One trial beside unchanged ones of loss 1; not all was tried where learning by heart was not. */
static void write_trials(const char *family, const char *cause, double gain, const char *by_heart)
{
    char path[PATH_BYTES];
    assert_int_equal(path_join(path, run.path, "trials.json"), OK);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file,
            "{\"steps\": 60, \"experiment\": {\"batch\": 16, \"updates\": 60, \"spent\": 900.0, \"allowed\": 1000.0, "
            "\"wanted\": 950.0, \"seconds\": 1.5, \"guess\": %f, \"by_heart\": %s, \"arms\": ["
            "{\"name\": \"unchanged\", \"family\": \"%s\", \"cause\": \"healthy\", \"changes\": [], \"left_out\": 0, "
            "\"pace\": 1, \"done\": true, \"loss\": 1.0, \"train_accuracy\": 0.5, \"gain\": null, \"error\": null}, "
            "{\"name\": \"trial 0\", \"family\": \"%s\", \"cause\": \"%s\", \"changes\": [\"optim.lr=0.5\"], "
            "\"left_out\": 0, \"pace\": 1, \"done\": true, \"loss\": %f, \"train_accuracy\": 0.5, \"gain\": %f, "
            "\"error\": 0.01, \"longer\": %d, \"longer_loss\": %f}]}}\n",
            guess, by_heart, family, family, cause, 1.0 - gain, gain, longer, longer_loss);
    assert_int_equal(fclose(file), 0);
}

/* Of a run in which the rules saw nothing, with what it has come to. */
static void expect(bool behind, bool learned_all, double comes_to, enum cause cause, const char *words)
{
    struct diagnosis diagnosis;
    char said[CONFIDENCE_TEXT];
    assert_int_equal(diagnose_run(&diagnosis, run.path), OK);
    diagnosis.cause = diagnosis.first_guess = CAUSE_HEALTHY; /* whatever the rules make of so few images */
    diagnosis.count = 0;
    diagnosis.behind = behind;
    diagnosis.learned_all = learned_all;
    diagnosis.fitted = fitted;
    diagnosis.val_least = val_least;
    diagnosis.comes_to = comes_to;
    diagnosis.too_early = false;
    diagnosis.missing = false;
    if (diagnose_recall(&diagnosis, run.path) < 0)
        fail_msg("%s", fail_text());
    assert_string_equal(cause_table[diagnosis.cause].name, cause_table[cause].name);
    assert_true((diagnosis.proof != NULL) == (cause != CAUSE_HEALTHY));
    diagnosis_say_confidence(&diagnosis, said);
    if (!strstr(said, words))
        fail_msg("%s", said);
    diagnosis_free(&diagnosis);
}

/* By heart learns who leaves validation behind, and who has learned all there is would have got there sooner at best.
 */
static void test_what_has_cost_nothing(void **state)
{
    (void)state;
    static const char tried[] = "{\"images\": 80, \"updates\": 250, \"accuracy\": 1.0}";
    tiny_train_ok(NULL,
                  "train.epochs=24 train.max_steps=60 train.threads=1 model.name=mlp model.hidden=64 "
                  "early_stop.restore_best=false "
                  "optim.lr=0.003",
                  &run);
    write_trials("onward", "overfitting", 0.5, tried);
    expect(true, false, 0.9, CAUSE_OVERFITTING, "proven: trial 0");
    expect(false, false, 0.9, CAUSE_HEALTHY,
           "proven: no fault in 1 trial; the best, trial 0, lowered the loss by 0.5 +- 0.01, 50 % (a fault costs 15 "
           "%): better for now, and no further than the run has come; no trial was made of illumination, outliers, "
           "labels, imbalance, leakage, mismatch");
    write_trials("anew", "rate_low", 0.5, tried);
    expect(false, false, 0.9, CAUSE_RATE_LOW, "proven: trial 0");
    expect(false, true, 0.9, CAUSE_HEALTHY, "nothing is left to gain; trial 0 would have got there sooner");
    fitted = true;
    expect(false, false, 0.9, CAUSE_HEALTHY,
           "the training images are right, and what is missing is missing on validation; trial 0 would have got there "
           "sooner");
    fitted = false;
    /* At 0.5 the trial stands where the run does not: the run itself has come further, or has not. */
    expect(false, false, 0.4, CAUSE_HEALTHY, "trial 0 is only quicker at first");
    longer = 30; /* and once more: 15 % below 1.2 is 1.02 */
    val_least = 1.2;
    longer_loss = 1.019;
    write_trials("anew", "rate_low", 0.5, tried);
    expect(
        false, false, 0.4, CAUSE_RATE_LOW,
        "proven: trial 0 lowered the loss by 0.5 +- 0.01, and came to a validation loss of 1.02 in 30 updates, where "
        "the run came to 1.2 in all 60");
    longer_loss = 1.021;
    write_trials("anew", "rate_low", 0.5, tried);
    expect(false, false, 0.4, CAUSE_HEALTHY, "trial 0 is only quicker at first");
    val_least = NAN; /* no validation: of the training loss 15 % below 0.4 is 0.34 */
    longer_loss = 0.339;
    write_trials("anew", "rate_low", 0.5, tried);
    expect(false, false, 0.4, CAUSE_RATE_LOW,
           "came to a training loss of 0.339 in 30 updates, where the run came to 0.4");
    val_least = 1.2;
    longer = 0;
    write_trials("anew", "rate_high", 0.5, tried); /* a lower rate is not quicker by itself */
    expect(false, false, 0.4, CAUSE_RATE_HIGH, "proven: trial 0");
    write_trials("anew", "rate_low", 0.01, "null");
    expect(false, false, 0.9, CAUSE_HEALTHY,
           "not all trials were made: no fault in 1 trial; the best, trial 0, lowered the loss by 0.01");
}

/* Of a run of fewer updates than say anything of a rate, trials as long as itself say nothing either. */
static void test_a_run_as_short_as_its_trials(void **state)
{
    (void)state;
    struct diagnosis diagnosis;
    tiny_train_ok(NULL, "train.epochs=12 train.threads=1 model.name=mlp model.hidden=64 optim.lr=0.0001", &run);
    write_trials("anew", "rate_low", 0.9, "null");
    assert_int_equal(diagnose_run(&diagnosis, run.path), OK);
    assert_int_equal(diagnosis.first_guess, CAUSE_FEW_UPDATES);
    assert_false(diagnosis.too_early);
    assert_int_equal(diagnose_recall(&diagnosis, run.path), OK);
    assert_true(diagnosis.probed);
    assert_int_equal(diagnosis.cause, CAUSE_FEW_UPDATES);
    diagnosis_free(&diagnosis);
}

/* A larger batch need only lose nothing where the run learns; where it stands at guessing it must mend that. */
static void test_larger_batches(void **state)
{
    (void)state;
    write_trials("anew", "batch_small", -0.02, "null");
    expect(false, false, 0.9, CAUSE_BATCH_SMALL, "came to the same loss");
    write_trials("anew", "batch_small", 0.3, "null");
    expect(false, false, 0.9, CAUSE_BATCH_SMALL, "lowered the loss by 0.3");
    guess = 1.0;
    write_trials("anew", "batch_small", 0.3, "null");
    expect(false, false, 0.9, CAUSE_BATCH_SMALL, "lowered the loss by 0.3");
    write_trials("anew", "batch_small", 0.1, "null");
    expect(false, false, 0.9, CAUSE_HEALTHY, "shown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_what_has_cost_nothing),
                                       cmocka_unit_test(test_larger_batches),
                                       cmocka_unit_test(test_a_run_as_short_as_its_trials)};
    return cmocka_run_group_tests(tests, tiny_set_up, tiny_tear_down);
}
