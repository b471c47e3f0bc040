/* test_wrong_when_sure: errors that do not end where answers grow sure: what is read from predictions.csv, and when the
 * rule says so. */
#include "drawn_run.h"
#include "fixtures.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LEVELS = 20, EACH = 100 };

/* As many wrong at each level of confidence as the curve says, to the image: confidence of odds exp(z), errors at half
 * of z, as of a network that is too sure, and a floor. The label is then one of the next so many classes; 1: by a rule,
 * 9: any. */
static void read_like(double floor, bool told, int like, int like_when_sure)
{
    static char text[1 << 18];
    size_t used = (size_t)snprintf(text, sizeof text, "sample,label,class,prediction,predicted,loss%s,file\n",
                                   told ? ",confidence" : "");
    for (int level = 0; level < LEVELS; level++) {
        const double z = 0.6 * level, wrong = floor + (1.0 - floor) / (1.0 + exp(0.5 * z));
        for (int i = 0; i < EACH; i++) {
            const int next = 1 + (i / 10 + level) % (level < 3 * LEVELS / 4 ? like : like_when_sure);
            const int answer = i % 10, label = i < (int)(EACH * wrong + 0.5) ? (answer + next) % 10 : answer;
            used += (size_t)snprintf(text + used, sizeof text - used, "%d,%d,a,%d,b,0.5", i, label, answer);
            if (told)
                used += (size_t)snprintf(text + used, sizeof text - used, ",%.9g", 1.0 / (1.0 + exp(-z)));
            used += (size_t)snprintf(text + used, sizeof text - used, ",\n");
        }
    }
    fixture_write(fixture_path("run/predictions.csv"), text, used);
    healthy();
    run.evidence.over = true;
    doctor_called(&run.evidence, fixture_path("run"));
}

static void read_answers(double floor, bool told)
{
    read_like(floor, told, 1, 1);
}

static const struct called_evidence *best(void)
{
    return &run.evidence.called[CALLED_BEST];
}

static void test_hard_images(void **state)
{
    (void)state;
    read_answers(0.0, true);
    assert_true(best()->images == LEVELS * EACH && best()->floor <= 0.02 && best()->floor_z < 1.0);
    SILENT("wrong_when_sure");
}

static void test_wrong_labels(void **state)
{
    (void)state;
    static const double floors[] = {0.08, 0.12, 0.3};
    for (int i = 0; i < COUNT_OF(floors); i++) {
        read_answers(floors[i], true);
        assert_true(fabs(best()->floor - floors[i]) < 0.02);
        assert_true(fabs(best()->surest_wrong - floors[i]) < 0.03);
        SHOWS("wrong_when_sure", CAUSE_LABELS);
    }
    SAYS("wrong_when_sure", "of the surest quarter 3");
    assert_int_equal(shown("wrong_when_sure")->step, STEPS - 1);
}

/* Sure mistakes between classes that are taken for each other anyhow are of classes that look alike; not where one
 * class takes the place of one, nor where they are of any class. */
static void test_like_classes(void **state)
{
    (void)state;
    read_like(0.12, true, 1, 1);
    assert_true(best()->as_usual > 0.9 * log(9.0));
    SHOWS("wrong_when_sure", CAUSE_LABELS);
    read_like(0.12, true, 4, 4);
    assert_true(best()->as_usual > 0.5 && best()->as_usual < log(9.0) - log(4.0) + 0.01);
    SILENT("wrong_when_sure");
    read_like(0.12, true, 4, 9);
    assert_true(best()->as_usual < 0.0);
    assert_true(best()->sure_mistakes > 0.1 * EACH * LEVELS / 4 && best()->sure_mistakes < 0.15 * EACH * LEVELS / 4);
    SHOWS("wrong_when_sure", CAUSE_LABELS);
}

/* Of runs made before confidences were recorded nothing is known. */
static void test_not_told(void **state)
{
    (void)state;
    read_answers(0.12, false);
    assert_true(best()->images == LEVELS * EACH && best()->floor == 0.0 && best()->floor_z == 0.0);
    SILENT("wrong_when_sure");
}

static void test_rule(void **state)
{
    (void)state;
    const struct called_evidence clear = {
        .images = 1000, .right = 800, .floor = 0.06, .floor_z = 3.1, .surest_wrong = 0.07};
    struct called_evidence *called = &run.evidence.called[CALLED_BEST];
    healthy();
    run.evidence.over = true;
    *called = clear;
    SHOWS("wrong_when_sure", CAUSE_LABELS);
    called->floor_z = 2.9;
    SILENT("wrong_when_sure");
    called->sure_mistakes = 40; /* they go where the others go, by as much as not */
    SILENT("wrong_when_sure");
    called->as_usual = -0.01; /* 2.9^2 + 2 * 40 * 0.01 = 3.03^2 */
    SHOWS("wrong_when_sure", CAUSE_LABELS);
    SAYS("wrong_when_sure", "(3.0 standard errors from none");
    called->sure_mistakes = 20; /* 2.97^2 */
    SILENT("wrong_when_sure");
    *called = clear;
    called->as_usual = 0.49 * log(run.evidence.classes - 1.0);
    SILENT("wrong_when_sure");
    called->as_usual = 0.51 * log(run.evidence.classes - 1.0);
    SHOWS("wrong_when_sure", CAUSE_LABELS);
    *called = clear;
    called->floor = 0.05; /* leaves nothing missing */
    SILENT("wrong_when_sure");
    *called = clear;
    called->right = 470; /* half of 940: its word is no better than another's */
    SILENT("wrong_when_sure");
    *called = clear;
    run.config.data.shuffle = false;
    SILENT("wrong_when_sure");
    run.config.data.shuffle = true;
    run.evidence.over = false;
    run.evidence.planned_steps = 2 * STEPS + 1; /* not half of it done */
    SILENT("wrong_when_sure");
    run.evidence.planned_steps = 2 * STEPS;
    SHOWS("wrong_when_sure", CAUSE_LABELS);
    *called = clear;
    run.val_accuracy[EPOCHS - 1] = run.val_accuracy[EPOCHS - 3] + 0.07; /* it is still learning */
    SILENT("wrong_when_sure");
    part(0.95, 0.2, 0.7, 1.0); /* training knows them from the beginning: it is validation's labels or images */
    *called = clear;
    run.evidence.over = true;
    SILENT("wrong_when_sure");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(test_hard_images, fixture_begin, fixture_end),
                                       cmocka_unit_test_setup_teardown(test_wrong_labels, fixture_begin, fixture_end),
                                       cmocka_unit_test_setup_teardown(test_like_classes, fixture_begin, fixture_end),
                                       cmocka_unit_test_setup_teardown(test_not_told, fixture_begin, fixture_end),
                                       cmocka_unit_test(test_rule)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
