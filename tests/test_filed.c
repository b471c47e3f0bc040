/* test_filed: images of one class that are filed under another in training alone: what is counted, against values of
 * hand, and when the rule says so. */
#include "drawn_run.h"
#include "fixtures.h"
#include "samples.h"
#include "suspects.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CLASSES = 3, IMAGES = 400 };
static const char *const names[CLASSES] = {"one", "seven", "zero"};

/* counts[label][taken for] of training, val[label]. */
static const struct filed *read_run(const int counts[CLASSES][CLASSES], const int val[CLASSES])
{
    static struct sample_stats table[IMAGES];
    static int32_t labels[IMAGES];
    static char text[1 << 16];
    char folder[PATH_BYTES];
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
    fixture_write(fixture_path("run/predictions.csv"), text, used);
    assert_int_equal(samples_write(fixture_path("run/samples.csv"), &data, table), OK);
    snprintf(folder, sizeof folder, "%s", fixture_path("run/samples.csv"));
    *strrchr(folder, '/') = 0;
    healthy();
    part(0.9, 0.3, 0.9, 0.3);
    run.evidence.over = true;
    run.evidence.classes = CLASSES;
    doctor_labels(&run.evidence, folder);
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
                                       cmocka_unit_test_setup_teardown(test_when, fixture_begin, fixture_end),
                                       cmocka_unit_test_setup_teardown(test_not_known, fixture_begin, fixture_end)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
