/* test_slipped: a stretch of the list whose labels are those of other lines: where it is found, against values of hand,
 * when the rule says so, and what is listed. */
#include "labelled_run.h"
#include "slipped.h"
#include "suspects.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CLASSES = 3, IMAGES = 1200, FIRST = 400, LAST = 799 };
static const char *const names[CLASSES] = {"one", "seven", "zero"};
static int32_t labels[IMAGES], taken[IMAGES];

/* Classes by lot; of every fifth image the network has no idea. shift: of the labels from FIRST to LAST. */
static void draw(int shift)
{
    int32_t truth[IMAGES];
    uint32_t lot = 1;
    for (int i = 0; i < IMAGES; i++) {
        lot = 1664525u * lot + 1013904223u;
        truth[i] = (int32_t)((lot >> 16) % CLASSES);
    }
    for (int i = 0; i < IMAGES; i++) {
        labels[i] = i >= FIRST && i <= LAST ? truth[i + shift] : truth[i];
        taken[i] = i % 5 == 0 ? 0 : truth[i];
    }
}

static void test_found(void **state)
{
    (void)state;
    static const int shifts[] = {1, -1, 3, -4};
    struct slipped found;
    for (int i = 0; i < COUNT_OF(shifts); i++) {
        draw(shifts[i]);
        slipped_find(&found, labels, taken, IMAGES);
        assert_int_equal(found.shift, shifts[i]);
        assert_true(slipped_is_sure(&found));
        assert_true(llabs(found.first - FIRST) < 8 && llabs(found.last - LAST) < 8);
        assert_true(found.away > found.own && found.images == found.last - found.first + 1);
    }
    draw(0);
    slipped_find(&found, labels, taken, IMAGES);
    assert_false(slipped_is_sure(&found));
    draw(SLIPPED_MOST + 1); /* too far to be looked for */
    slipped_find(&found, labels, taken, IMAGES);
    assert_false(slipped_is_sure(&found));
}

/* By hand: 40 images of two classes in turn, 36 of them called the other: what stands one line away. */
static void test_counted(void **state)
{
    (void)state;
    enum { COUNT = 50 };
    int32_t of[COUNT], as[COUNT];
    struct slipped found;
    char text[SLIPPED_TEXT];
    for (int i = 0; i < COUNT; i++) {
        of[i] = i % 2;
        as[i] = i >= 5 && i < 45 ? 1 - of[i] : of[i];
    }
    for (int i = 20; i < 24; i++)
        as[i] = of[i];
    slipped_find(&found, of, as, COUNT);
    assert_true(found.first == 5 && found.last == 44 && found.images == 40 && found.own == 4 && found.away == 36);
    assert_true(fabs(found.errors - 32.0 / sqrt(47.0)) < 1e-9); /* 47 have a line three further on */
    assert_false(slipped_is_sure(&found));                      /* 4.7 */
    slipped_say(&found, text);
    assert_string_equal(text, "images 5 to 44 of the list have the label of the image 3 lines further back: of 40 of "
                              "them 90 % are taken for what stands 3 lines behind, and 10 % for their own label");
}

/* In a list sorted by class a neighbour's label is the image's own, whatever it is taken for; one that was not seen
 * says nothing. */
static void test_not_known(void **state)
{
    (void)state;
    struct slipped found;
    draw(1);
    for (int i = 0; i < IMAGES; i++)
        labels[i] = i / (IMAGES / CLASSES);
    slipped_find(&found, labels, taken, IMAGES);
    assert_false(slipped_is_sure(&found));
    draw(1);
    for (int i = 0; i < IMAGES; i++)
        taken[i] = -1;
    slipped_find(&found, labels, taken, IMAGES);
    assert_int_equal(found.images, 0);
    slipped_find(&found, labels, taken, 0);
    assert_int_equal(found.images, 0);
}

static struct sample_stats table[IMAGES];

static struct dataset data_of(void)
{
    for (int i = 0; i < IMAGES; i++)
        table[i] = (struct sample_stats){.seen = 8,
                                         .margin = taken[i] == labels[i] ? 8.0f : -8.0f,
                                         .prediction = (uint16_t)labels[i], /* learned by heart in the end */
                                         .majority = (uint16_t)taken[i],
                                         .votes = 5};
    return (struct dataset){
        .count = IMAGES, .class_count = CLASSES, .class_names = (const char **)(uintptr_t)names, .labels = labels};
}

static void read_run(int shift, int every)
{
    draw(shift);
    const struct dataset data = data_of();
    for (int i = 0; i < IMAGES; i++)
        table[i].seen = i % every == 0 && every > 1 ? 0 : table[i].seen; /* in validation: has no line */
    labelled_run(&data, table, "", 0);
}

static void test_said(void **state)
{
    (void)state;
    read_run(1, 1);
    SHOWS("slipped", CAUSE_LABELS);
    SAYS("slipped", "of the list have the label of the image 1 line further on: of ");
    SAYS("slipped", "are taken for what stands 1 line before, and ");
    SAYS("slipped", "for their own label: a line was lost there");
    read_run(-2, 1);
    SAYS("slipped", "2 lines further back");
    SAYS("slipped", ": a line was put in there");
    read_run(1, 16); /* a sixteenth is in validation: numbers, not lines of the table, count */
    SHOWS("slipped", CAUSE_LABELS);
    read_run(0, 1);
    SILENT("slipped");
    read_run(1, 1);
    run.evidence.over = false;
    SILENT("slipped");
    read_run(1, 1);
    fill(run.val_accuracy, 0, EPOCHS, 0.96); /* nothing is missing */
    SILENT("slipped");
}

/* All of the stretch, whatever the network makes of each. */
static void test_listed(void **state)
{
    (void)state;
    struct suspects suspects = {.verdict = LABELS_ALIKE, .wrong_share = NAN, .doubted_count = 3};
    draw(0);
    struct dataset data = data_of();
    assert_false(suspects_slipped(&suspects, &data, table));
    assert_true(suspects.count == 0 && suspects.verdict == LABELS_ALIKE);
    draw(-1);
    data = data_of();
    table[600].seen = 0; /* in validation */
    assert_true(suspects_slipped(&suspects, &data, table));
    assert_int_equal(suspects.verdict, LABELS_JUDGED);
    assert_int_equal(suspects.doubted_count, 0);
    const int32_t first = suspects.list[0].sample;
    assert_true(abs(first - FIRST) < 8 && llabs(suspects.count - (LAST - FIRST)) < 16);
    for (int64_t i = 0; i < suspects.count; i++) {
        const int32_t sample = first + (int32_t)i + (first + i >= 600);
        assert_int_equal(suspects.list[i].sample, sample);
        assert_int_equal(suspects.list[i].suggested, sample + 1 == 600 ? -1 : labels[sample + 1]); /* not seen */
    }
    assert_true(fabs(suspects.wrong_share - (double)suspects.count / (IMAGES - 1)) < 1e-9);
    suspects_free(&suspects);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found), cmocka_unit_test(test_counted), cmocka_unit_test(test_not_known),
        cmocka_unit_test_setup_teardown(test_said, fixture_begin, fixture_end), cmocka_unit_test(test_listed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
