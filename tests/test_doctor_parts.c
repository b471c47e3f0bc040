/* test_doctor_parts: images that are otherwise in training than in validation, and when that is the cause of what a run
 * shows. */
#include "found_images.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Validation behind from the first epoch on, and learning by heart after it. */
static void fall_behind(void)
{
    healthy();
    fill(run.val_accuracy, 0, EPOCHS, 0.4);
    fill(run.val_loss, 0, EPOCHS, 2.0);
    for (int e = 2; e < EPOCHS; e++) {
        run.val_loss[e] = 2.5;
        fill(run.correct, 100 * e, 100 * e + 100, 62.0);
        fill(run.loss, 100 * e, 100 * e + 100, 0.2);
    }
}

/* Images learned by heart are predicted well at first; those of another kind are not, at any time. */
static void test_validation_prepared_otherwise(void **state)
{
    (void)state;
    healthy();
    find_images("mismatch");
    expect_doubtful(CAUSE_HEALTHY, CAUSE_MISMATCH);
    fill(run.val_accuracy, 0, EPOCHS, 0.4);
    fill(run.val_loss, 0, EPOCHS, 2.0);
    expect(CAUSE_MISMATCH, "mismatch");
    for (int e = 2; e < EPOCHS; e++) { /* overfitting is how it shows */
        run.val_loss[e] = 2.5;
        fill(run.correct, 100 * e, 100 * e + 100, 62.0);
        fill(run.loss, 100 * e, 100 * e + 100, 0.2);
    }
    expect(CAUSE_MISMATCH, "mismatch");
    assert_int_equal(found[1].cause, CAUSE_OVERFITTING);
    run.val_accuracy[0] = 0.6; /* training has 0.63: not behind at once */
    expect_doubtful(CAUSE_OVERFITTING, CAUSE_MISMATCH);
    run.val_accuracy[0] = 0.4;
    fill(run.loss, 0, 100, 0.96 * guess); /* the first epoch has learned nothing, and says nothing */
    run.val_accuracy[0] = 0.6;
    expect(CAUSE_MISMATCH, "mismatch");
    healthy(); /* not behind at first, and not by heart in the end */
    find_images("mismatch");
    run.val_accuracy[0] = 0.63;
    fill(run.val_accuracy, 1, EPOCHS, 0.5);
    expect(CAUSE_MISMATCH, "mismatch"); /* parts of one set do not differ, and this one is behind */
    struct symptom *parts = &run.evidence.images[0];
    healthy(); /* nor without one, where validation is behind by more than chance: 79 of 84 % */
    find_images("mismatch");
    fill(run.val_accuracy, EPOCHS - 1, EPOCHS, 0.79);
    strcpy(parts->numbers[0].name, "train_rough"), parts->numbers[0].value = 0.3;
    strcpy(parts->numbers[1].name, "val_rough"), parts->numbers[1].value = 0.5;
    parts->number_count = 2;
    expect_doubtful(CAUSE_HEALTHY, CAUSE_MISMATCH); /* not for grain */
    strcpy(parts->numbers[2].name, "rough_apart"), parts->numbers[2].value = 0.9;
    parts->number_count = 3;
    expect_doubtful(CAUSE_HEALTHY, CAUSE_MISMATCH);
    parts->numbers[2].value = 1.1; /* but for grain of which images have more than they differ by */
    expect(CAUSE_MISMATCH, "mismatch");
    strcpy(parts->numbers[0].name, "train_mean"), parts->numbers[0].value = 0.5;
    strcpy(parts->numbers[1].name, "val_mean"), parts->numbers[1].value = 0.29;
    strcpy(parts->numbers[2].name, "train_std"), parts->numbers[2].value = 0.2;
    expect(CAUSE_MISMATCH, "mismatch");
    parts->numbers[1].value = 0.31;
    expect_doubtful(CAUSE_HEALTHY, CAUSE_MISMATCH);
    parts->numbers[1].value = 0.29;
    fill(run.val_accuracy, EPOCHS - 2, EPOCHS, 0.84); /* neither of the last two epochs */
    expect_doubtful(CAUSE_HEALTHY, CAUSE_MISMATCH);
    run.val_accuracy[EPOCHS - 2] = 0.74; /* one of them */
    expect(CAUSE_MISMATCH, "mismatch");
    strcpy(parts->numbers[0].name, "train"), assert_int_equal(doctor_cause(found, examine()), CAUSE_HEALTHY);
    strcpy(parts->numbers[0].name, "val_figure"), expect(CAUSE_MISMATCH, "mismatch");
    run.evidence.over =
        true; /* asked alike: of 1024 images and 2000 one point each, of which 3.5 are 4.6 points together */
    run.evidence.fit = (struct fit_evidence){.step = STEPS - 1, .images = 1024, .accuracy = 0.88};
    assert_int_equal(doctor_cause(found, examine()), CAUSE_HEALTHY);
    run.evidence.fit.accuracy = 0.89;
    expect(CAUSE_MISMATCH, "mismatch");
    strcpy(parts->numbers[0].name, "train_mean");
    healthy(); /* without a gap there is nothing to explain */
    find_images("mismatch");
    parts->numbers[1].value = 0.29;
    expect_doubtful(CAUSE_HEALTHY, CAUSE_MISMATCH);
    healthy(); /* predicted better, as where training's images have grain: their labels need not be wrong */
    find_images("mismatch");
    fill(run.val_accuracy, 0, EPOCHS, 0.9);
    fill(run.val_loss, 0, EPOCHS, 0.2);
    expect(CAUSE_MISMATCH, "mismatch");
    run.val_loss[EPOCHS - 1] = 0.9 * run.loss[STEPS - 1]; /* by less than a fault */
    expect_doubtful(CAUSE_LABELS, CAUSE_MISMATCH);
    fall_behind();
    run.evidence.image_count = 0; /* a gap alone is no proof of it */
    expect(CAUSE_OVERFITTING, "overfitting");
}

/* A slope that validation has not, by the same limit, is no scene's, where the parts differ in brightness. */
static void test_light_of_one_part(void **state)
{
    (void)state;
    healthy();
    find_images("mismatch");
    find_images("shading");
    struct symptom *parts = &run.evidence.images[0], *light = &run.evidence.images[1];
    light->cost = light->cost_error = 0.01;
    strcpy(light->numbers[0].name, "threshold"), light->numbers[0].value = 0.38;
    strcpy(light->numbers[1].name, "val"), light->numbers[1].value = 0.37;
    light->number_count = 2;
    expect_doubtful(CAUSE_HEALTHY, CAUSE_ILLUMINATION); /* they differ in grain */
    strcpy(parts->numbers[0].name, "train_mean"), parts->numbers[0].value = 0.5;
    parts->number_count = 1;
    expect(CAUSE_ILLUMINATION, "shading");
    light->numbers[1].value = 0.39;
    expect_doubtful(CAUSE_HEALTHY, CAUSE_ILLUMINATION);
    light->numbers[1].value = 0.37;
    learn_all();
    expect_doubtful(CAUSE_HEALTHY, CAUSE_ILLUMINATION);
}

/* Validation is behind by 47 points: odd images in both parts leave it behind by their share. */
static void test_a_gap_beyond_odd_images(void **state)
{
    (void)state;
    struct symptom *odd = &run.evidence.images[0];
    fall_behind();
    run.evidence.over = true;
    fill(run.val_loss, 0, EPOCHS, 2.0); /* which does not rise */
    fill(run.val_accuracy, 0, 2, 0.6);
    fill(run.val_accuracy, 2, EPOCHS, 0.5);
    find_images("outliers");
    strcpy(odd->numbers[0].name, "share"), odd->numbers[0].value = 0.1;
    strcpy(odd->numbers[1].name, "val"), odd->numbers[1].value = 0.46;
    odd->number_count = 2;
    expect(CAUSE_OUTLIERS, "outliers");
    odd->numbers[0].value = 0.46, odd->numbers[1].value = 0.1; /* learned by heart, of which validation has nothing */
    expect(CAUSE_OUTLIERS, "outliers");
    odd->numbers[0].value = 0.3, odd->numbers[1].value = 0.3;
    expect_doubtful(CAUSE_OVERFITTING, CAUSE_OUTLIERS);
    assert_string_equal(found[0].rule, "gap");
    find_images("mismatch");
    expect(CAUSE_MISMATCH, "mismatch");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_validation_prepared_otherwise),
        cmocka_unit_test(test_light_of_one_part),
        cmocka_unit_test(test_a_gap_beyond_odd_images),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
