/* test_doubts: whether labels are judged by what is contradicted of training's images and of validation's. */
#include "doubts.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the standard headers first */
#include <cmocka.h>

/* A fifth contradicted, of margins that may be of two kinds by chance: labels are wrong where that is more than of
 * validation's images, which were not taught, beyond chance (0.2 - 0.143 is three standard errors). */
static void test_validation_as_control(void **state)
{
    (void)state;
    struct doubts doubts = {.count = 200, .contradicted = 200, .judged = 1000, .seen = 1000, .agrees = 0.8};
    doubts.mixture = (struct mixture){.separation = 2.2, .separation_error = 0.1};
    assert_int_equal(doubts_judge(&doubts, &(struct val_looks){0.86, NAN, 600, false}), LABELS_JUDGED);
    assert_int_equal(doubts_judge(&doubts, &(struct val_looks){0.855, NAN, 600, false}), LABELS_ALIKE);
    assert_int_equal(doubts_judge(&doubts, &(struct val_looks){0.7, NAN, 600, false}), LABELS_ALIKE);
    /* It learned late, and most looks were taken before. */
    assert_int_equal(doubts_judge(&doubts, &(struct val_looks){0.95, 0.8, 600, true}), LABELS_ALIKE);
    assert_int_equal(doubts_judge(&doubts, &(struct val_looks){0.95, 0.9, 600, true}), LABELS_JUDGED);
    assert_int_equal(doubts_judge(&doubts, &(struct val_looks){NAN, NAN, 600, false}),
                     LABELS_JUDGED); /* nothing is known of validation */
    assert_int_equal(doubts_judge(&doubts, &(struct val_looks){0.7, NAN, 0, false}), LABELS_JUDGED);
    doubts.agrees = 0.6; /* two kinds, if not surely: it is not that the network is weak */
    assert_int_equal(doubts_judge(&doubts, &(struct val_looks){0.7, NAN, 600, false}), LABELS_ALIKE);
    doubts.mixture.separation = 2.29;
    assert_int_equal(doubts_judge(&doubts, &(struct val_looks){0.7, NAN, 600, false}), LABELS_ALIKE);
    doubts.mixture.separation = 2.31; /* they are surely of two kinds */
    assert_int_equal(doubts_judge(&doubts, &(struct val_looks){0.7, NAN, 600, false}), LABELS_JUDGED);
    doubts.mixture.separation = 1.9;
    assert_int_equal(doubts_judge(&doubts, &(struct val_looks){0.95, NAN, 600, false}), LABELS_TOO_WEAK);
}

/* A quarter wrong: of the other three half are 375, by most of the looks, and in the end or of validation. */
static void test_a_word_that_counts(void **state)
{
    (void)state;
    struct doubts doubts = {
        .count = 600, .contradicted = 624, .judged = 1000, .seen = 1000, .agrees = 0.5, .wrong_share = 0.25};
    doubts.mixture = (struct mixture){.separation = 3.0, .separation_error = 0.1};
    const struct val_looks weak = {0.2, NAN, 600, false}, strong = {0.6, NAN, 600, false};
    assert_int_equal(doubts_judge(&doubts, &weak), LABELS_JUDGED);
    assert_int_equal(doubts_judge_untaught(&doubts), LABELS_JUDGED);
    doubts.contradicted = 626; /* it found out late: in most of its looks it guessed */
    assert_int_equal(doubts_judge(&doubts, &strong), LABELS_TOO_WEAK);
    assert_int_equal(doubts_judge_untaught(&doubts), LABELS_TOO_WEAK);
    doubts.contradicted = 624;
    doubts.agrees = 0.37;
    assert_int_equal(doubts_judge(&doubts, &weak), LABELS_TOO_WEAK);
    assert_int_equal(doubts_judge(&doubts, &strong), LABELS_JUDGED);
    doubts.agrees = 0.5;
    doubts.contradicted = 520;
    doubts.wrong_share = 0.51; /* which are the wrong ones? */
    assert_int_equal(doubts_judge(&doubts, &strong), LABELS_TOO_WEAK);
    doubts.wrong_share = 0.49;
    assert_int_equal(doubts_judge(&doubts, &strong), LABELS_JUDGED);
}

/* Images that were held back for validation say nothing of a class: of these two one is known, whose images are mostly
 * taken for it. */
static void test_images_that_were_not_seen(void **state)
{
    (void)state;
    enum { SEEN = 10, OWN0 = 4, OWN1 = 6, IMAGES = 4 * SEEN };
    static struct sample_stats table[IMAGES];
    int32_t labels[IMAGES];
    for (int i = 0; i < IMAGES; i++) {
        labels[i] = i / SEEN % 2;
        if (i < 2 * SEEN) {
            const bool right = i % SEEN < (labels[i] ? OWN1 : OWN0);
            table[i].seen = SUSPECT_LOOKS;
            table[i].prediction = (uint16_t)(right ? labels[i] : 1 - labels[i]);
        }
    }
    struct arena arena = {0};
    struct doubts doubts;
    doubts_gather(&doubts, labels, 2, table, IMAGES, &arena);
    assert_int_equal(doubts.judged, 2 * SEEN);
    assert_int_equal(doubts.contradicted, 2 * SEEN - OWN0 - OWN1);
    assert_int_equal(doubts.count, SEEN - OWN1);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_images_that_were_not_seen),
                                       cmocka_unit_test(test_validation_as_control),
                                       cmocka_unit_test(test_a_word_that_counts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
