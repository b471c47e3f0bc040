/* test_class_scores: what a network made of each class, counted from its answers to single images. */
#include "samples.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants the standard headers first */
#include <cmocka.h>

/* Of three images of class 0 two are right and one is called 1; the one image of class 1 is called 3; class 2 has no
 * image, and class 3 has one that is right. */
static void test_counts(void **state)
{
    (void)state;
    enum { CLASSES = 4 };
    static const struct judgement judgements[] = {{.label = 0, .prediction = 0},
                                                  {.label = 0, .prediction = 1},
                                                  {.label = 1, .prediction = 3},
                                                  {.label = 3, .prediction = 3},
                                                  {.label = 0, .prediction = 0}};
    struct class_score scores[CLASSES] = {{9, 9, 9}};
    class_scores(scores, CLASSES, judgements, COUNT_OF(judgements));
    static const struct class_score wanted[CLASSES] = {{3, 2, 2}, {1, 1, 0}, {0, 0, 0}, {1, 2, 1}};
    assert_memory_equal(scores, wanted, sizeof wanted);
    assert_true(fabs(class_recall(scores[0]) - 2.0 / 3.0) < 1e-12);
    assert_true(class_precision(scores[0]) == 1.0 && class_precision(scores[3]) == 0.5);
    assert_true(class_recall(scores[1]) == 0.0 && class_precision(scores[1]) == 0.0);
    assert_true(isnan(class_recall(scores[2])) && isnan(class_precision(scores[2])));
    assert_true(class_f1(scores[0]) == 0.8 && class_f1(scores[1]) == 0.0 && isnan(class_f1(scores[2])));
    assert_true(fabs(macro_f1(scores, CLASSES) - (0.8 + 0.0 + 2.0 / 3.0) / 3.0) < 1e-12);
    assert_true(fabs(balanced_accuracy(scores, CLASSES) - (2.0 / 3.0 + 0.0 + 1.0) / 3.0) < 1e-12);
    class_scores(scores, CLASSES, judgements, 0);
    assert_true(isnan(balanced_accuracy(scores, CLASSES)));
}

/* Of 10 right among 20 and of all right among 40 as in tables of Wilson's interval; mirrored; none known of no images.
 */
static void test_range(void **state)
{
    (void)state;
    const struct accuracy_range half = accuracy_range(10, 20), all = accuracy_range(40, 40),
                                none = accuracy_range(0, 0);
    assert_true(fabs(half.low - 0.2993) < 1e-4 && fabs(half.high - 0.7007) < 1e-4);
    assert_true(fabs(all.low - 0.9124) < 1e-4 && all.high == 1.0);
    assert_true(none.low == 0.0 && none.high == 1.0);
    const struct accuracy_range few = accuracy_range(3, 50), most = accuracy_range(47, 50);
    assert_true(fabs(few.low + most.high - 1.0) < 1e-12 && fabs(few.high + most.low - 1.0) < 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_counts), cmocka_unit_test(test_range)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
