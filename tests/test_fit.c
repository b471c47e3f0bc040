/* Training images asked as validation is, at the end of a run: that it is recorded, changes nothing, and tells a
 * network that has learnt them by heart from one that is worse in evaluation. */
#include "drawn_run.h"
#include "tiny_run.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
/* cmocka wants the standard headers first */
#include <cmocka.h>

static void asked(double accuracy)
{
    run.evidence.over = true;
    run.evidence.fit = (struct fit_evidence){.step = STEPS - 1, .images = 1024, .accuracy = accuracy};
}

/* Where half of the images are copies it is a verdict: different ones would be more. */
static void test_gap_of_copies(void **state)
{
    (void)state;
    struct symptom found[CAUSE_COUNT];
    part(0.8, 0.6, 0.69, 0.9);
    run.evidence.copies = 0.49;
    assert_int_equal(doctor_cause(found, doctor_examine(&run.evidence, found)), CAUSE_HEALTHY);
    run.evidence.copies = 0.5;
    SAYS("gap", "11.0 +- 1.4 points less, and 50 % of the training images are copies of others");
    assert_int_equal(doctor_cause(found, doctor_examine(&run.evidence, found)), CAUSE_OVERFITTING);
    run.evidence.copies = 0.0;
}

/* Ten classes alike frequent: of 70 points beyond chance 35 do not carry over, or 36. */
static void test_gap_of_most(void **state)
{
    (void)state;
    struct symptom found[CAUSE_COUNT];
    part(0.8, 0.6, 0.4505, 1.7);
    assert_int_equal(doctor_cause(found, doctor_examine(&run.evidence, found)), CAUSE_HEALTHY);
    part(0.8, 0.6, 0.44, 1.7);
    assert_int_equal(doctor_cause(found, doctor_examine(&run.evidence, found)), CAUSE_HEALTHY); /* it may come yet */
    run.evidence.over = true;
    SAYS("gap", "36.0 +- 1.5 points less: most of what is learned, beyond the 10.0 % that naming the most frequent");
    assert_int_equal(doctor_cause(found, doctor_examine(&run.evidence, found)), CAUSE_OVERFITTING);
    run.evidence.largest_share = 0.2; /* 30 of 60 */
    SAYS("gap", "most of what is learned, beyond the 20.0 %");
    part(0.8, 0.6, 0.51, 1.6);
    run.evidence.over = true;
    assert_int_equal(doctor_cause(found, doctor_examine(&run.evidence, found)), CAUSE_HEALTHY);
}

/* Ahead by 11 points: half of that, lost on training's own images, is 74.5 %. */
static void test_half_of_the_lead(void **state)
{
    (void)state;
    struct symptom found[CAUSE_COUNT];
    part(0.8, 0.6, 0.69, 0.9);
    asked(0.75);
    SHOWS("gap", CAUSE_OVERFITTING);
    SILENT("evaluated_otherwise");
    assert_true(doctor_behind(&run.evidence));
    asked(0.74);
    SILENT("gap");
    SHOWS("evaluated_otherwise", CAUSE_SCHEDULE);
    SAYS("evaluated_otherwise", "80.0 % of training's images are right while it trains, and in evaluation 74.0 % (6.0 "
                                "+- 1.7 points less), as of validation's 69.0 %: not overfitting; weights that still");
    assert_false(doctor_behind(&run.evidence));
    const int count = doctor_examine(&run.evidence, found);
    assert_int_equal(doctor_cause(found, count), CAUSE_HEALTHY);
    assert_string_equal(doctor_noted(found, count), FIT_TITLE);
    run.evidence.fit.images = 300; /* 2.2 standard errors: chance may have lost it */
    SHOWS("gap", CAUSE_OVERFITTING);
    SILENT("evaluated_otherwise");
    asked(0.74);
    run.evidence.fit.step = STEPS / 2; /* of other weights than those at the end */
    SHOWS("gap", CAUSE_OVERFITTING);
    run.evidence.fit.images = 0;
    SHOWS("gap", CAUSE_OVERFITTING);
    part(0.8, 0.6, 0.71, 0.9); /* no gap to be explained */
    asked(0.71);
    SILENT("evaluated_otherwise");
}

/* Whatever training is asked: standard errors of 1024 and 2000 images at 64 and 70 % are 1.50 and 1.02 points,
 * together 1.82, and 3.5 of these 6.4. */
static void test_validation_ahead_of_it(void **state)
{
    (void)state;
    part(0.5, 1.4, 0.7, 0.9);
    run.config.model.dropout = 0.3;
    SILENT("better_on_validation");
    asked(0.635);
    SHOWS("better_on_validation", CAUSE_LABELS);
    SAYS("better_on_validation",
         "validation is predicted better (70.0 %) than training's own images when they are asked "
         "as it is (63.5 % of 1024, 3.6 standard errors)");
    asked(0.64);
    SILENT("better_on_validation");
    asked(0.671); /* 2.9 points, however sure */
    run.evidence.fit.images = run.evidence.val_images = 1000000;
    SILENT("better_on_validation");
    run.evidence.fit.accuracy = 0.669;
    SHOWS("better_on_validation", CAUSE_LABELS);
    run.evidence.fit.step = STEPS / 2;
    SILENT("better_on_validation");
}

/* By the loss: standard errors of 0.02 over 2000 images, so 0.02795 over 1024, together 0.03437, and 3.5 of these
 * 0.1203.
 */
static void test_validation_ahead_by_its_loss(void **state)
{
    (void)state;
    part(0.5, 1.4, 0.7, 0.9);
    run.config.model.dropout = 0.3;
    fill(run.val_loss_error, 0, EPOCHS, 0.02);
    asked(0.69);
    run.evidence.fit.loss = 1.02;
    SILENT("better_on_validation");
    run.evidence.fit.loss = 1.021;
    SHOWS("better_on_validation", CAUSE_LABELS);
    SAYS("better_on_validation",
         "validation's loss is lower (0.9) than that of training's own images when they are asked "
         "as it is (1.02, of 1024, 3.5 standard errors), and 70.0 % are right instead of 69.0 %");
    fill(run.val_accuracy, EPOCHS - 2, EPOCHS - 1, 0.951); /* nothing is missing */
    SILENT("better_on_validation");
    fill(run.val_accuracy, EPOCHS - 2, EPOCHS - 1, 0.7);
    run.evidence.fit.accuracy = 0.701; /* answers that are too sure are another matter */
    SILENT("better_on_validation");
    asked(0.69);
    run.evidence.fit.loss = NAN;
    SILENT("better_on_validation");
    run.evidence.fit.loss = 0.949; /* however sure */
    run.evidence.fit.images = run.evidence.val_images = 1000000;
    fill(run.val_loss_error, 0, EPOCHS, 0.0001);
    SILENT("better_on_validation");
    run.evidence.fit.loss = 0.951;
    SHOWS("better_on_validation", CAUSE_LABELS);
    run.evidence.fit.loss = 1e28; /* worse than guessing on what was not taught either: a network that blew up */
    fill(run.val_loss, EPOCHS - 1, EPOCHS, 2.31);
    SILENT("better_on_validation");
    fill(run.val_loss, EPOCHS - 1, EPOCHS, 2.3);
    SHOWS("better_on_validation", CAUSE_LABELS);
}

static void test_what_is_said_instead(void **state)
{
    (void)state;
    worse(0.99, 0.1, 0.8); /* by heart, for all that training shows */
    SHOWS("overfitting", CAUSE_OVERFITTING);
    asked(0.99);
    SHOWS("overfitting", CAUSE_OVERFITTING);
    asked(0.8);
    SILENT("overfitting");
    SHOWS("evaluated_otherwise", CAUSE_SCHEDULE);
    part(0.7, 1.0, 0.2, 2.38);
    fill(run.val_loss_error, 0, EPOCHS, 0.02);
    SHOWS("worthless", CAUSE_OVERFITTING);
    asked(0.2);
    SILENT("worthless");
    part(0.8, 0.6, 0.1, 3.0); /* as by chance, from the first epoch */
    SHOWS("of_training_alone", CAUSE_MISMATCH);
    asked(0.8);
    SHOWS("of_training_alone", CAUSE_MISMATCH);
    asked(0.1);
    SILENT("of_training_alone");
    SILENT("never_reached");
    SHOWS("evaluated_otherwise", CAUSE_SCHEDULE);
}

/* Training and validation are scored otherwise: its images, asked as validation is, are all there is to compare. */
static void test_balanced(void **state)
{
    (void)state;
    worse(0.99, 0.1, 0.8);
    SHOWS("overfitting", CAUSE_OVERFITTING);
    run.config.train.balance = true;
    SILENT("overfitting");
    SILENT("gap");
    asked(0.8);
    SILENT("overfitting");
    SILENT("evaluated_otherwise"); /* which is how balance works */
    asked(0.99);
    SHOWS("overfitting", CAUSE_OVERFITTING);
}

/* Answers for classes equally frequent are held against guessing among these, not against guessing by the shares. */
static void test_balanced_guessing(void **state)
{
    (void)state;
    part(0.7, 0.5, 0.2, 1.5);
    run.evidence.prior_entropy = 1.0;
    fill(run.val_loss_error, 0, EPOCHS, 0.02);
    SHOWS("worthless", CAUSE_OVERFITTING);
    run.config.train.balance = true;
    asked(0.7);
    SILENT("worthless");
    fill(run.val_loss, 0, EPOCHS, 2.5); /* ln 10 = 2.3 */
    SHOWS("worthless", CAUSE_OVERFITTING);
    SAYS("worthless", "2.5 at its best, above guessing (2.3)");
}

static void test_remedies(void **state)
{
    (void)state;
    part(0.8, 0.6, 0.69, 0.9);
    asked(0.69);
    SAYS("evaluated_otherwise", ": a falling rate (schedule.name = cosine), averaged weights (optim.ema_decay) may");
    run.config.schedule.name = SCHEDULE_COSINE;
    run.config.augment.normalize = NORMALIZE_NONE;
    SAYS("evaluated_otherwise", ": a lower rate, averaged weights (optim.ema_decay), normalised input (augment.norm");
    run.config.augment.crop_area_count = 2;
    run.config.augment.crop_area[0] = run.config.augment.crop_area[1] = 1.0;
    SAYS("evaluated_otherwise", "training shows other crops than evaluation");
    run.config.model.name = MODEL_RESNET18;
    SAYS("evaluated_otherwise", "the running means of its normalisation do not fit");
    SAYS("evaluated_otherwise", "a larger batch");
    run.config.augment.hflip = 0.9;
    SAYS("evaluated_otherwise", "the running means of its normalisation do not fit");
    run.config.augment.hflip = 1.0;
    SAYS("evaluated_otherwise", "not overfitting; augment.hflip = 1 changes every training image");
    run.config.augment.erase = 1.0;
    SAYS("evaluated_otherwise", "augment.erase = 1 changes every");
    run.config.augment.grayscale = 1.0;
    SAYS("evaluated_otherwise", "augment.grayscale = 1 changes every training image, so that the network has seen none "
                                "as evaluation shows them: a value below 1 mends it");
}

/* Of 1024 training images at most, those of each class alike; a run that goes on after its end is asked anew. */
static void test_recorded(void **state)
{
    (void)state;
    struct train_result whole, first, second;
    tiny_train_ok(NULL, "train.epochs=2", &whole);
    char *text = tiny_read_text(whole.path, "log.jsonl");
    const char *event = strstr(text, "\"event\":\"fit\"");
    assert_non_null(event);
    assert_null(strstr(event + 1, "\"event\":\"fit\""));
    assert_non_null(strstr(event, "\"accuracy\":"));
    memory_give(text);
    tiny_train_ok(NULL, "train.epochs=1", &first);
    tiny_train_ok(first.path, "train.epochs=2", &second);
    tiny_assert_same_run(whole.path, second.path);
    struct evidence evidence = {.over = true};
    doctor_fit(&evidence, second.path);
    assert_true(evidence.fit.images > 0 && evidence.fit.accuracy >= 0.0 && evidence.fit.accuracy <= 1.0);
    struct evidence same = {.over = true};
    doctor_fit(&same, whole.path);
    assert_memory_equal(&same.fit, &evidence.fit, sizeof same.fit);
    same.over = false; /* it may go on, with other weights */
    doctor_fit(&same, whole.path);
    assert_int_equal(same.fit.images, 0);
    tiny_train_ok(NULL, "train.epochs=1 data.val_fraction=0", &first);
    same.over = true;
    doctor_fit(&same, first.path);
    assert_int_equal(same.fit.images, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gap_of_copies),
        cmocka_unit_test(test_gap_of_most),
        cmocka_unit_test(test_half_of_the_lead),
        cmocka_unit_test(test_validation_ahead_of_it),
        cmocka_unit_test(test_validation_ahead_by_its_loss),
        cmocka_unit_test(test_what_is_said_instead),
        cmocka_unit_test(test_balanced),
        cmocka_unit_test(test_balanced_guessing),
        cmocka_unit_test(test_remedies),
        cmocka_unit_test(test_recorded),
    };
    return cmocka_run_group_tests(tests, tiny_set_up, tiny_tear_down);
}
