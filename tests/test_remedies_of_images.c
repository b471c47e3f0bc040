/* test_remedies_of_images: what trials and repairs set where images are lit otherwise, or too few. */
#include "config_text.h"
#include "remedies.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Images are moved as far as a trial bears it out: little where none was made, and not at all where it lost by that. */
static void test_augmentation_on_the_side_of_its_trial(void **state)
{
    (void)state;
    static const struct {
        bool tried, gained;
        const char *sets;
    } cases[] = {
        {false, false, "augment.translate=0.05|augment.rotate=5|"},
        {true, true, "augment.translate=0.1|augment.rotate=10|"},
        {true, false, ""},
    };
    load("model.name=small_cnn");
    for (int i = 0; i < COUNT_OF(cases); i++) {
        const struct remedy_case asked = {
            .config = &config, .steps = 100, .tried = cases[i].tried, .gained = cases[i].gained};
        const struct remedy *repair = cause_table[CAUSE_OVERFITTING].repairs;
        char wanted[256];
        while (repair->fits && !repair->fits(&asked))
            repair++;
        snprintf(wanted, sizeof wanted, "%soptim.ema_decay=0.9|train.epochs=90|train.max_steps=0", cases[i].sets);
        assert_string_equal(words_of(repair, &asked), wanted);
    }
    load("augment.hflip=0.5"); /* there is some: its own settings, continued */
    for (int i = 0; i < COUNT_OF(cases); i++) {
        const struct remedy_case asked = {.config = &config, .tried = cases[i].tried, .gained = cases[i].gained};
        const struct remedy *repair = cause_table[CAUSE_OVERFITTING].repairs;
        while (repair->fits && !repair->fits(&asked))
            repair++;
        assert_string_equal(words_of(repair, &asked), "optim.ema_decay=0.9|train.epochs=90|train.max_steps=0");
    }
}

/* Validation's light is reached, in tenths; not where that is in the config already, or not known. */
static void test_light(void **state)
{
    (void)state;
    enum cause cause = 0;
    const struct remedy *vary = &trial_named("brightness varied", &cause)->remedy;
    const struct remedy *repair = &cause_table[CAUSE_MISMATCH].repairs[1];
    static const struct {
        double train, val;
        const char *said;
    } means[] = {{0.4, 0.22, "augment.brightness=0.5"},
                 {0.4, 0.47, "augment.brightness=0.2"},
                 {0.2, 0.9, "augment.brightness=1.0"}};
    struct remedy_case asked = {.config = &config, .steps = 100};
    assert_int_equal(cause, CAUSE_MISMATCH);
    load(NULL);
    assert_false(vary->fits(&asked) || repair->fits(&asked));
    for (int i = 0; i < COUNT_OF(means); i++) {
        const struct symptom found[] = {{.cause = CAUSE_ORDER},
                                        {.cause = CAUSE_MISMATCH,
                                         .numbers = {{"train_mean", means[i].train}, {"val_mean", means[i].val}},
                                         .number_count = 2}};
        assert_true(doctor_lit(found, 1) == 0.0);
        asked.lit = doctor_lit(found, 2);
        assert_true(vary->fits(&asked) && repair->fits(&asked));
        assert_string_equal(words_of(vary, &asked), means[i].said);
    }
    cause = CAUSE_MISMATCH;
    const struct remedy *even = &trial_named("light evened out", &cause)->remedy;
    assert_int_equal(cause, CAUSE_MISMATCH);
    asked.suspected = true;
    assert_true(even->fits(&asked));
    load("augment.normalize=image");
    assert_false(even->fits(&asked));
    load(NULL);
    asked.lit = 0.0; /* they differ in something else */
    assert_false(even->fits(&asked));
    const struct symptom grey = {.cause = CAUSE_MISMATCH};
    assert_true(doctor_lit(&grey, 1) == 0.0);
    asked.lit = 0.55;
    assert_string_equal(words_of(repair, &asked),
                        "augment.brightness=0.5|optim.ema_decay=0.9|train.epochs=90|train.max_steps=0");
    load("augment.brightness=0.5");
    assert_false(vary->fits(&asked) || repair->fits(&asked));
}

/* A network without convolutions is shown moved images where it is known to need some, to see whether they help. */
static void test_moved_images(void **state)
{
    (void)state;
    enum cause cause = 0;
    const struct remedy *moved = &trial_named("images shifted, turned", &cause)->remedy;
    struct remedy_case asked = {.config = &config, .suspected = true};
    load("model.name=mlp");
    assert_true(moved->fits(&asked));
    assert_string_equal(words_of(moved, &asked), "augment.translate=0.1|augment.rotate=10");
    asked.suspected = false;
    assert_false(moved->fits(&asked));
    asked.suspected = true;
    load("model.name=mlp|augment.hflip=0.5");
    assert_false(moved->fits(&asked));
    load("model.name=small_cnn");
    assert_false(moved->fits(&asked));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_light),
        cmocka_unit_test(test_moved_images),
        cmocka_unit_test(test_augmentation_on_the_side_of_its_trial),
    };
    return cmocka_run_group_tests(tests, config_folder_make, remove_all);
}
