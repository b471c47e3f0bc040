/* test_one_way: classes that are taken for each other in one direction: what is read from predictions.csv, against
 * values of hand and of an independent computation, and when the rule says so. */
#include "drawn_run.h"
#include "fixtures.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CLASSES_MOST = 6 };

/* counts[classes][classes] of the one called the other. */
static const struct called_evidence *read_answers(const int *counts, int classes)
{
    static char text[1 << 18];
    size_t used = (size_t)snprintf(text, sizeof text, "sample,label,class,prediction,predicted,loss,file\n");
    for (int of = 0; of < classes; of++)
        for (int as = 0; as < classes; as++)
            for (int i = 0; i < counts[of * classes + as]; i++)
                used += (size_t)snprintf(text + used, sizeof text - used, "%d,%d,c%d,%d,c%d,0.5,\n", i, of, of, as, as);
    fixture_write(fixture_path("run/predictions.csv"), text, used);
    healthy();
    part(0.8, 0.6, 0.7, 0.9);
    run.evidence.over = true;
    run.evidence.classes = classes;
    doctor_called(&run.evidence, fixture_path("run"));
    return &run.evidence.called[CALLED_BEST];
}

/* Ten of each class of three are called the next: chi-square is 30, margins are equal, and of three pairs one degree
 * of freedom is left: (cbrt(30) - 7/9) / sqrt(2/9). */
static void test_a_round(void **state)
{
    (void)state;
    static const int counts[] = {50, 10, 0, 0, 50, 10, 10, 0, 50};
    const struct called_evidence *called = read_answers(counts, 3);
    assert_true(fabs(called->one_way - (cbrt(30.0) - 7.0 / 9.0) / sqrt(2.0 / 9.0)) < 1e-9);
    assert_string_equal(called->most_so.name, "c0");
    assert_string_equal(called->most_so.as, "c1");
    assert_true(called->most_so.images == 60 && called->most_so.wrong == 10 && called->back == 0);
    SHOWS("one_way", CAUSE_LABELS);
    SAYS("one_way",
         "of 60 validation images of 'c0' 10 are called 'c1', and 0 the other way: over all pairs of classes 4.9");
    assert_int_equal(shown("one_way")->step, STEPS - 1);
}

/* A class that is answered too often gets the others' images and gives none: that is no filing. With two pairs nothing
 * is left to tell by; with six, answers are drawn in proportion to 1, 2, 4, 8 whatever the class is. */
static void test_answered_too_often(void **state)
{
    (void)state;
    static const int one[] = {60, 0, 0, 10, 50, 0, 10, 0, 50};
    assert_true(read_answers(one, 3)->one_way == 0.0);
    static const int leaning[] = {100, 8, 16, 32, 4, 100, 16, 32, 4, 8, 100, 32, 4, 8, 16, 100};
    assert_true(fabs(read_answers(leaning, 4)->one_way) < 2.0);
    SILENT("one_way");
}

/* As numpy's pseudo-inverse has it: Bowker 53.7861 of 15 pairs, Stuart and Maxwell 12.3478 of five. */
static void test_as_computed_elsewhere(void **state)
{
    (void)state;
    static const int counts[CLASSES_MOST * CLASSES_MOST] = {40, 21, 1,  0,  2,  1, 2, 44, 17, 3,  0, 1,
                                                            1,  4,  39, 12, 1,  0, 3, 1,  2,  50, 9, 2,
                                                            0,  2,  1,  1,  41, 7, 1, 0,  3,  2,  1, 48};
    const struct called_evidence *called = read_answers(counts, CLASSES_MOST);
    assert_true(fabs(called->one_way - 4.2156107734243236) < 1e-6);
}

static void test_rule(void **state)
{
    (void)state;
    struct called_evidence *called = &run.evidence.called[CALLED_BEST];
    healthy();
    part(0.8, 0.6, 0.7, 0.9);
    run.evidence.over = true;
    *called = (struct called_evidence){.images = 500, .right = 300, .one_way = 4.6};
    SHOWS("one_way", CAUSE_LABELS);
    called->one_way = 4.4;
    SILENT("one_way");
    called->one_way = 4.6;
    called->right = 250; /* it does not know the classes */
    SILENT("one_way");
    called->right = 300;
    run.evidence.over = false;
    SILENT("one_way");
    run.evidence.over = true;
    fill(run.val_accuracy, 0, EPOCHS, 0.97); /* nothing is missing */
    SILENT("one_way");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_round, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(test_answered_too_often, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(test_as_computed_elsewhere, fixture_begin, fixture_end),
        cmocka_unit_test(test_rule)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
