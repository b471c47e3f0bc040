/* test_answer: the doctor's answer in words: what to do, of a verdict that is given. */
#include "config_text.h"
#include "diagnosis.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the standard headers first */
#include <cmocka.h>

static void expect_action(const struct diagnosis *diagnosis, const char *settings, const char *says)
{
    struct config config;
    char *said, action[ACTION_TEXT];
    assert_int_equal(config_text_load(&config, "", 0, settings, &said), OK);
    free(said);
    diagnosis_say_action(diagnosis, &config, action);
    config_free(&config);
    assert_string_equal(action, says);
}

/* Where the loss was still falling, the plain step comes before the experiment. */
static void test_still_falling(void **state)
{
    (void)state;
    struct diagnosis diagnosis = {.missing = true, .val_least = 0.5, .best_right = 0.8, .guess = 2.3};
    expect_action(&diagnosis, "train.epochs=20",
                  "none that the records show: 80.0 % of validation's images are right at best (loss 0.5, guessing "
                  "2.3), and they do not say whether more can be had: `evenkeel doctor RUN --probe` tries it");
    diagnosis.standing.falls = true;
    expect_action(&diagnosis, "train.epochs=20",
                  "train on, as the loss was still falling: `evenkeel train --resume RUN train.epochs=40`; whether it "
                  "can be had sooner `evenkeel doctor RUN --probe` tries");
    expect_action(&diagnosis, "train.epochs=20|train.max_steps=300",
                  "train on, as the loss was still falling: `evenkeel train --resume RUN train.max_steps=0`; whether "
                  "it can be had sooner `evenkeel doctor RUN --probe` tries");
    diagnosis.probed = true;
    diagnosis.experiment.arms[0].done = true;
    diagnosis.experiment.arm_count = 1;
    diagnosis.standing.rate_is_spent = true;
    expect_action(&diagnosis, "train.epochs=20",
                  "train anew for longer, so that the rate falls later: `evenkeel train CONFIG train.epochs=40`; no "
                  "trial says how to come further sooner");
    diagnosis.found[0] = (struct symptom){.cause = CAUSE_OVERFITTING, .rule = "gap", .note = true};
    diagnosis.count = 1;
    expect_action(&diagnosis, "train.epochs=20",
                  "look at the note: 80.0 % of validation's images are right at best (loss 0.5, guessing 2.3), and no "
                  "trial says how to come further");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_still_falling)};
    return cmocka_run_group_tests(tests, config_folder_make, config_folder_remove);
}
