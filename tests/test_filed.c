/* test_filed: images of one class that are filed under another in training alone: what is counted, against values of
 * hand, and when the rule says so. */
#include "labelled_run.h"
#include "suspects.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CLASSES = 3, IMAGES = 600 };
static const char *const names[CLASSES] = {"one", "seven", "zero"};

/* counts[label][taken for] of training, val[label]. */
static const struct filed *read_run(const int counts[CLASSES][CLASSES], const int val[CLASSES])
{
    static struct sample_stats table[IMAGES];
    static int32_t labels[IMAGES];
    static char text[1 << 16];
    int count = 0;
    for (int of = 0; of < CLASSES; of++)
        for (int as = 0; as < CLASSES; as++)
            for (int i = 0; i < counts[of][as]; i++) {
                labels[count] = of;
                table[count++] = (struct sample_stats){.seen = 8,
                                                       .margin = of == as ? 8.0f : -8.0f,
                                                       .prediction = (uint16_t)of, /* the last look: learned by heart */
                                                       .majority = (uint16_t)as,
                                                       .votes = 5};
            }
    const struct dataset data = {
        .count = count, .class_count = CLASSES, .class_names = (const char **)(uintptr_t)names, .labels = labels};
    size_t used = (size_t)snprintf(text, sizeof text, "sample,label,class,prediction,predicted,loss,file\n");
    for (int of = 0; of < CLASSES; of++)
        for (int i = 0; i < val[of]; i++)
            used += (size_t)snprintf(text + used, sizeof text - used, "%d,%d,%s,%d,%s,0.1,\n", i, of, names[of], of,
                                     names[of]);
    labelled_run(&data, table, text, used);
    return &run.evidence.filed;
}

/* 150 ones and 50 sevens in training, 50 of both in validation: of 100 sevens half were filed under one, and 25 of
 * these are still taken for sevens. log(150.5 * 50.5 / (50.5 * 50.5)) is 1.0920; its error by 150.5, 50.5, 50.5, 50.5
 * images 0.2571. */
static const int moved[CLASSES][CLASSES] = {{125, 25, 0}, {1, 49, 0}, {0, 0, 100}};
static const int even[CLASSES] = {50, 50, 50};

static void test_counted(void **state)
{
    (void)state;
    const struct filed *filed = read_run(moved, even);
    assert_true(fabs(filed->shares - 1.0920 / 0.2571) < 0.002);
    assert_true(fabs(filed->mistakes - 24.0 / sqrt(26.0)) < 1e-9);
    assert_true(fabs(filed->too_many - 50.0) < 1e-9); /* 100 of each would be as in validation */
    assert_true(filed->there == 25 && filed->back == 1 && filed->val[0] == 50 && filed->val[1] == 50);
    SHOWS("filed_under", CAUSE_LABELS);
    SAYS("filed_under",
         "'one' has 150 training images to 50 of 'seven', and in validation 50 to 50 (4.2 standard errors "
         "apart); 25 of the one are taken for the other and 1 the other way: about 50 images of 'seven' "
         "are filed under 'one'");
}

static void test_when(void **state)
{
    (void)state;
    static const int less[CLASSES] = {65, 50, 50};                                     /* 3.35 errors */
    static const int rare[CLASSES][CLASSES] = {{149, 1, 0}, {25, 25, 0}, {0, 0, 100}}, /* what is rare is overlooked */
        few[CLASSES][CLASSES] = {{134, 16, 0}, {1, 49, 0}, {0, 0, 100}},               /* 15 / sqrt(17) = 3.6 */
        fewer[CLASSES][CLASSES] = {{135, 15, 0}, {1, 49, 0}, {0, 0, 100}},             /* 3.5 exactly */
        seen[CLASSES][CLASSES] = {{239, 14, 0}, {0, 47, 0}, {0, 0, 100}};              /* 14 of 103 */
    read_run(moved, less);
    SILENT("filed_under");
    read_run(rare, even);
    SILENT("filed_under");
    read_run(few, even);
    SHOWS("filed_under", CAUSE_LABELS);
    read_run(fewer, even);
    SILENT("filed_under");
    read_run(seen, even); /* there are merely more of them */
    assert_true(run.evidence.filed.shares > 3.5 && run.evidence.filed.mistakes > 3.5);
    SILENT("filed_under");
    read_run(moved, even);
    fill(run.val_accuracy, 0, EPOCHS, 0.96); /* nothing is missing */
    SILENT("filed_under");
    read_run(moved, even);
    run.config.train.balance = true; /* in doubt it names what is rare */
    SILENT("filed_under");
    read_run(moved, even);
    run.config.data.shuffle = false;
    SILENT("filed_under");
    read_run(moved, even);
    run.evidence.over = false;
    SILENT("filed_under");
}

/* Of the 25 that are taken for sevens one is as many as go the other way: the 24 that are believed least are listed. */
static void test_listed(void **state)
{
    (void)state;
    enum { ONES = 150, SEVENS = 50, THERE = 25 };
    struct sample_stats table[ONES + SEVENS];
    int32_t labels[ONES + SEVENS];
    static const int32_t val[CLASSES] = {50, 50, 50}, less[CLASSES] = {65, 50, 50};
    const struct dataset data = {.count = COUNT_OF(table),
                                 .class_count = CLASSES,
                                 .class_names = (const char **)(uintptr_t)names,
                                 .labels = labels};
    for (int i = 0; i < COUNT_OF(table); i++) {
        const bool other = i < THERE || i == ONES; /* the first of either class */
        labels[i] = i >= ONES;
        table[i] = (struct sample_stats){.seen = 8,
                                         .probability = i < THERE ? 0.08f * (float)(THERE - i) : 4.0f,
                                         .correct = other ? 2 : 8,
                                         .prediction = (uint16_t)labels[i],
                                         .majority = (uint16_t)(other ? 1 - labels[i] : labels[i]),
                                         .votes = 5};
    }
    struct suspects suspects = {.verdict = LABELS_ALIKE, .wrong_share = NAN, .wrong_most = NAN, .doubted_count = 3};
    suspects_filed(&suspects, &data, table, less); /* 3.35 errors */
    assert_true(suspects.count == 0 && suspects.verdict == LABELS_ALIKE && isnan(suspects.wrong_share));
    suspects_filed(&suspects, &data, table, val);
    assert_int_equal(suspects.verdict, LABELS_JUDGED);
    assert_int_equal(suspects.kinds[SUSPECT_LABEL], THERE - 1);
    assert_int_equal(suspects.doubted_count, 0);
    for (int i = 0; i < THERE - 1; i++) {
        assert_int_equal(suspects.list[i].sample, THERE - 1 - i); /* of falling score: number 0 is believed most */
        assert_int_equal(suspects.list[i].suggested, 1);
        assert_true(fabs(suspects.list[i].score - (1.0 - 0.01 * (i + 1))) < 1e-6);
    }
    assert_true(fabs(suspects.wrong_share - 24.0 / 200.0) < 1e-9 && fabs(suspects.wrong_most - 50.0 / 200.0) < 1e-9);
    assert_string_equal(suspects.labels_text,
                        "about 50 images of 'seven' are filed under 'one', which has 150 training images to 50 of the "
                        "other, and in validation 50 to 50; 25 of the one are taken for the other and 1 the other way");
    suspects_free(&suspects);
}

/* 170 ones and 30 sevens in training, 50 of each in validation, and 100 zeros to 50: of 100 sevens 70 were filed under
 * one, and of those left 26 are taken for ones. log(170.5 * 50.5 / (30.5 * 50.5)) is 1.7209, its error 0.2797. */
static void test_swallowed(void **state)
{
    (void)state;
    static const int most[CLASSES][CLASSES] = {{169, 1, 0}, {26, 4, 0}, {0, 0, 100}},
                     fewer[CLASSES][CLASSES] = {{169, 1, 0}, {22, 8, 0}, {0, 0, 100}}, /* 14 / sqrt(30) = 2.6 */
        apart[CLASSES][CLASSES] = {{350, 1, 0}, {26, 4, 0}, {0, 0, 100}},              /* two are more together */
        half[CLASSES][CLASSES] = {{135, 0, 0}, {55, 10, 0}, {0, 0, 100}};              /* 35 of 100 */
    static const int few_zeros[CLASSES] = {50, 50, 80};
    const struct filed *filed = read_run(most, even);
    assert_true(filed->swallowed && filed->under == 0 && filed->from == 1);
    assert_true(fabs(filed->shares - 1.7209 / 0.2797) < 0.002);
    assert_true(fabs(filed->mistakes - 22.0 / sqrt(30.0)) < 1e-9);
    assert_true(fabs(filed->too_many - 70.0) < 1e-9);
    assert_true(fabs(filed->together) < 0.1);
    SHOWS("swallowed", CAUSE_LABELS);
    SILENT("filed_under");
    SAYS("swallowed", "and so is each other class; 26 of the 30 are taken for 'one': about 70 images of 'seven' are");
    run.config.train.balance = true;
    SILENT("swallowed");
    read_run(most, even);
    fill(run.val_accuracy, 0, EPOCHS, 0.96); /* nothing is missing */
    SILENT("swallowed");
    read_run(fewer, even);
    SILENT("swallowed");
    read_run(apart, even);
    SILENT("swallowed");
    read_run(half, even);
    SILENT("swallowed");
    read_run(most, few_zeros);
    SILENT("swallowed");
    read_run(moved, even);
    SILENT("swallowed");
}

enum { ALL = 5, MOST = 512 };

/* As many training images of five classes, 50 of each in validation; of the second so many are taken for the first. */
static bool is_swallowed(struct suspects *suspects, const int images[ALL], int overlooked)
{
    static const char *const five[ALL] = {"one", "seven", "zero", "two", "three"};
    static const int32_t val[ALL] = {50, 50, 50, 50, 50};
    struct sample_stats table[MOST];
    int32_t labels[MOST];
    int count = 0;
    for (int c = 0; c < ALL; c++)
        for (int i = 0; i < images[c]; i++) {
            labels[count] = c;
            table[count++] =
                (struct sample_stats){.seen = 8, .majority = (uint16_t)(c == 1 && i < overlooked ? 0 : c), .votes = 5};
        }
    const struct dataset data = {
        .count = count, .class_count = ALL, .class_names = (const char **)(uintptr_t)five, .labels = labels};
    *suspects = (struct suspects){.wrong_share = NAN, .wrong_most = NAN};
    return suspects_swallowed(suspects, &data, table, val);
}

/* Nothing is listed, and why not is said. Of classes that are rare and frequent by intent two may be as frequent
 * together as in validation; the others are not. */
static void test_swallowed_is_said(void **state)
{
    (void)state;
    static const int filed[ALL] = {170, 30, 100, 110, 90}, intent[ALL] = {170, 30, 100, 140, 60};
    struct suspects suspects;
    assert_true(is_swallowed(&suspects, filed, 26));
    assert_int_equal(suspects.verdict, LABELS_JUDGED);
    assert_int_equal(suspects.count, 0);
    assert_true(fabs(suspects.wrong_share - 70.0 / 500.0) < 1e-9);
    assert_non_null(strstr(suspects.labels_text, "about 70 images of 'seven' are filed under 'one'"));
    assert_non_null(strstr(suspects.labels_text, "and lists none: look through 'one'"));
    suspects_free(&suspects);
    assert_false(is_swallowed(&suspects, filed, 22));
    assert_true(isnan(suspects.wrong_share));
    assert_false(is_swallowed(&suspects, intent, 26));
}

/* What cannot be counted is not there. */
static void test_not_known(void **state)
{
    (void)state;
    static const int none[CLASSES] = {0, 0, 50};
    assert_true(read_run(moved, none)->shares == 0.0);
    SILENT("filed_under");
    char folder[PATH_BYTES];
    snprintf(folder, sizeof folder, "%s", fixture_path("run/samples.csv"));
    *strrchr(folder, '/') = 0;
    static const char *const texts[] = {"sample,label\n0,1\n", "sample,label,class\n0,7,seven\n", ""};
    for (int i = 0; i < COUNT_OF(texts); i++) {
        read_run(moved, even);
        fixture_write(fixture_path("run/predictions.csv"), texts[i], strlen(texts[i]));
        doctor_labels(&run.evidence, folder);
        SILENT("filed_under");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(test_counted, fixture_begin, fixture_end),
                                       cmocka_unit_test(test_listed),
                                       cmocka_unit_test(test_swallowed_is_said),
                                       cmocka_unit_test_setup_teardown(test_swallowed, fixture_begin, fixture_end),
                                       cmocka_unit_test_setup_teardown(test_when, fixture_begin, fixture_end),
                                       cmocka_unit_test_setup_teardown(test_not_known, fixture_begin, fixture_end)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
