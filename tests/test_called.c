/* test_called: which validation classes a run's predictions.csv shows to be taken for others, written by hand. */
#include "doctor.h"
#include "fixtures.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CLASSES = 4, EACH = 20 };

/* So many images of a class are called another, the others what they are. */
struct mistake {
    int of, as, images;
};

static struct called_evidence called_with(const struct mistake *mistakes, int count)
{
    char text[16384];
    size_t used = (size_t)snprintf(text, sizeof text, "sample,label,class,prediction,predicted,loss,file\n");
    for (int c = 0; c < CLASSES; c++)
        for (int i = 0, as = c; i < EACH; i++, as = c) {
            for (int m = 0, first = 0; m < count; m++)
                if (mistakes[m].of == c) {
                    as = i >= first && i < first + mistakes[m].images ? mistakes[m].as : as;
                    first += mistakes[m].images;
                }
            used += (size_t)snprintf(text + used, sizeof text - used, "%d,%d,\"the %c\",%d,%c,0.5,%d.png\n", i, c,
                                     'a' + c, as, 'a' + as, i);
        }
    fixture_write(fixture_path("run/predictions.csv"), text, used);
    const double best = 1.0;
    struct evidence evidence = {.classes = CLASSES, .epochs = 1, .best = &best};
    doctor_called(&evidence, fixture_path("run"));
    return evidence.called[CALLED_BEST];
}

static void test_all_right(void **state)
{
    (void)state;
    const struct called_evidence called = called_with(NULL, 0);
    assert_true(called.lost == 0 && called.targets == 0 && called.in_ring == 0);
}

static void test_two_exchanged(void **state)
{
    (void)state;
    const struct mistake mistakes[] = {{1, 2, 20}, {2, 1, 18}};
    const struct called_evidence called = called_with(mistakes, 2);
    assert_true(called.lost == 2 && called.targets == 2 && called.in_ring == 2);
    assert_string_equal(called.shown[0].name, "the b");
    assert_string_equal(called.shown[0].as, "the c");
    assert_true(called.shown[0].images == EACH && called.shown[0].wrong == 20 && called.shown[1].wrong == 18);
}

/* The two that are taken for one another the most, in both directions together. */
static void test_pair(void **state)
{
    (void)state;
    const struct mistake mistakes[] = {{0, 3, 6}, {3, 0, 3}, {3, 1, 2}, {1, 2, 8}};
    const struct called_pair pair = called_with(mistakes, 4).pair;
    assert_string_equal(pair.a, "the a");
    assert_string_equal(pair.b, "the d");
    assert_true(pair.images == 2 * EACH && pair.either == 2 * EACH - 2 && pair.right == 14 + 15 && pair.less == 3);
    assert_int_equal(called_with(NULL, 0).pair.images, 0);
}

/* Four classes of 20: dealt out blindly, the same answers have 20 right, whatever the classes answered are, with a
 * variance of 80 * 80 * 3 * 3 / (16 * 79) where each is answered 20 times, and none where one alone is. */
static void test_dealt_blindly(void **state)
{
    (void)state;
    const struct mistake round[] = {{0, 1, 20}, {1, 2, 20}, {2, 3, 20}, {3, 0, 20}};
    struct called_evidence called = called_with(round, 4);
    assert_true(called.images == 80 && called.right == 0);
    assert_float_equal(called.blind, 20.0, 1e-9);
    assert_float_equal(called.blind_error, sqrt(80.0 * 80.0 * 3.0 / (16.0 * 79.0)), 1e-9);
    const struct mistake one[] = {{0, 1, 20}, {2, 1, 20}, {3, 1, 20}};
    called = called_with(one, 3);
    assert_int_equal(called.right, 20);
    assert_float_equal(called.blind, 20.0, 1e-9);
    assert_float_equal(called.blind_error, 0.0, 1e-9);
}

/* Of three epochs the first is the best: what the last weights make of the images lies beside it. */
static void test_best_and_last(void **state)
{
    (void)state;
    const struct mistake all[] = {{0, 1, 20}, {1, 0, 20}};
    const double best[] = {1.0, 0.0, 0.0}, later[] = {1.0, 0.0, 1.0};
    struct evidence evidence = {.classes = CLASSES, .epochs = 3, .best = best};
    called_with(all, 2);
    assert_int_equal(rename(fixture_path("run/predictions.csv"), fixture_path("run/predictions-last.csv")), 0);
    called_with(NULL, 0);
    doctor_called(&evidence, fixture_path("run"));
    assert_true(evidence.called[CALLED_BEST].epoch == 0 && evidence.called[CALLED_BEST].right == 80);
    assert_true(evidence.called[CALLED_LAST].epoch == 2 && evidence.called[CALLED_LAST].in_ring == 2);
    evidence.best = later; /* the last is the best now: the file is of an epoch before */
    doctor_called(&evidence, fixture_path("run"));
    assert_true(evidence.called[CALLED_BEST].epoch == 2 && evidence.called[CALLED_LAST].images == 0);
}

/* a is called b, b c, c d and d a; and one beside such a ring comes last. */
static void test_rings(void **state)
{
    (void)state;
    const struct mistake round[] = {{0, 1, 20}, {1, 2, 20}, {2, 3, 20}, {3, 0, 20}};
    assert_int_equal(called_with(round, 4).in_ring, 4);
    const struct mistake beside[] = {{0, 3, 20}, {2, 3, 20}, {3, 2, 20}};
    const struct called_evidence called = called_with(beside, 3);
    assert_true(called.lost == 3 && called.targets == 2 && called.in_ring == 2);
    assert_string_equal(called.shown[0].name, "the c");
    const struct mistake open[] = {{0, 1, 20}, {1, 2, 20}}; /* c is right */
    assert_int_equal(called_with(open, 2).in_ring, 0);
    assert_int_equal(called_with(open, 2).lost, 2);
}

/* By chance 5 of 20 are right, with a deviation of 1.94. 15 against 3 are 2.83 standard errors of the difference apart,
 * 16 against 3 2.98, 17 against 3 3.13. */
static void test_by_chance(void **state)
{
    (void)state;
    const struct mistake sure[] = {{0, 1, 17}};
    assert_int_equal(called_with(sure, 1).lost, 1);
    const struct mistake less[] = {{0, 1, 16}, {0, 2, 1}};
    assert_int_equal(called_with(less, 2).lost, 0);
    const struct mistake often[] = {{0, 1, 11}}; /* 9 are right, more than by chance */
    assert_int_equal(called_with(often, 1).lost, 0);
}

static void test_what_cannot_be_read(void **state)
{
    (void)state;
    const double best = 1.0;
    static const char *const texts[] = {"", "sample,label\n0,0\n", "label,class,prediction\n0,a,4\n",
                                        "label,class,prediction\n-1,a,0\n", "label,class,prediction\n0\n"};
    for (int i = 0; i < COUNT_OF(texts); i++) {
        fixture_write(fixture_path("run/predictions.csv"), texts[i], strlen(texts[i]));
        struct evidence evidence = {.classes = CLASSES, .epochs = 1, .best = &best, .called = {{.lost = 7}}};
        doctor_called(&evidence, fixture_path("run"));
        assert_int_equal(evidence.called[CALLED_BEST].lost, 0);
    }
    struct evidence evidence = {.classes = CLASSES, .epochs = 1, .best = &best, .called = {{.lost = 7}}};
    doctor_called(&evidence, fixture_path("nowhere"));
    assert_int_equal(evidence.called[CALLED_BEST].lost, 0);
}

#define READS(test) cmocka_unit_test_setup_teardown(test, fixture_begin, fixture_end)
int main(void)
{
    const struct CMUnitTest tests[] = {
        READS(test_all_right),           READS(test_two_exchanged), READS(test_rings),         READS(test_by_chance),
        READS(test_what_cannot_be_read), READS(test_dealt_blindly), READS(test_best_and_last), READS(test_pair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
