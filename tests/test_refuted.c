/* test_refuted: what a trial speaks against is no part of a repair. */
#include "diagnosis.h"
#include "text.h"
#include "tiny_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct config config;

/* Odd images, in validation as well, found first; what others made of that; a trial without them, of this gain. */
static struct diagnosis found_odd(enum cause verdict, double gain, double error)
{
    struct diagnosis diagnosis = {
        .cause = verdict, .first_guess = CAUSE_OUTLIERS, .steps = 100, .train_images = 100, .count = 2, .probed = true};
    diagnosis.found[0] = (struct symptom){.cause = CAUSE_OUTLIERS, .rule = "outliers"};
    diagnosis.found[1] = (struct symptom){.cause = CAUSE_ILLUMINATION, .rule = "illumination"};
    diagnosis.left_out_count = 20;
    text_copy(diagnosis.left_out, sizeof diagnosis.left_out, "list.csv");
    struct experiment *experiment = &diagnosis.experiment;
    experiment->arm_count = 2;
    experiment->guess = 2.3;
    experiment->arms[0] = (struct arm){.family = ARM_UNSEEN, .done = true, .result.loss = 1.8};
    experiment->arms[1] = (struct arm){.family = ARM_UNSEEN,
                                       .cause = CAUSE_OUTLIERS,
                                       .name = "odd images left out",
                                       .left_out_count = 20,
                                       .done = true,
                                       .helps = gain > 3.0 * error,
                                       .result.loss = 1.8 - gain,
                                       .gain = gain,
                                       .error = error};
    return diagnosis;
}

static bool leaves_out(const struct diagnosis *diagnosis)
{
    char repair[REPAIR_MAX][REPAIR_TEXT];
    enum cause of[REPAIR_MAX];
    const int count = diagnosis_repair(diagnosis, &config, repair, of);
    for (int i = 0; i < count; i++)
        if (strncmp(repair[i], "data.leave_out=", 15) == 0)
            return true;
    return false;
}

/* Beside another verdict images are left out where a trial speaks for it, or none was made. */
static void test_images_stay(void **state)
{
    (void)state;
    struct diagnosis diagnosis =
        found_odd(CAUSE_ILLUMINATION, -0.76, 0.34); /* worse, not beyond three standard errors */
    assert_false(leaves_out(&diagnosis));
    diagnosis.first_guess = CAUSE_ORDER; /* nor where something else was overruled */
    assert_false(leaves_out(&diagnosis));
    diagnosis = found_odd(CAUSE_ILLUMINATION, 0.3, 0.2); /* overruled, and its trial undecided */
    assert_false(leaves_out(&diagnosis));
    diagnosis.first_guess = CAUSE_ORDER;
    assert_true(leaves_out(&diagnosis));
    diagnosis = found_odd(CAUSE_ILLUMINATION, 0.6, 0.1);
    assert_true(leaves_out(&diagnosis));
    diagnosis = found_odd(CAUSE_ILLUMINATION, 0.0, 0.0);
    diagnosis.experiment.arms[1].done = false;
    assert_true(leaves_out(&diagnosis));
}

/* Nor where they are the verdict: the trial is not fair to it where validation has such images too, and harm is harm.
 */
static void test_harm_is_not_written(void **state)
{
    (void)state;
    struct diagnosis diagnosis = found_odd(CAUSE_OUTLIERS, -0.76, 0.34);
    assert_true(leaves_out(&diagnosis));
    diagnosis = found_odd(CAUSE_OUTLIERS, -0.76, 0.1);
    assert_false(leaves_out(&diagnosis));
    /* and no list is made of them, for which the run's images would be read */
    assert_int_equal(diagnosis_leave_out(&diagnosis, "/nowhere", true), OK);
    diagnosis = found_odd(CAUSE_ILLUMINATION, -0.76, 0.34);
    assert_int_equal(diagnosis_leave_out(&diagnosis, "/nowhere", true), OK);
}

static int set_up(void **state)
{
    struct train_result result;
    if (tiny_set_up(state) != 0)
        return -1;
    tiny_train_ok(NULL, "train.epochs=1", &result);
    return train_load_config(&config, result.path, NULL, 0);
}

static int tear_down(void **state)
{
    config_free(&config);
    return tiny_tear_down(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_images_stay),
        cmocka_unit_test(test_harm_is_not_written),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
