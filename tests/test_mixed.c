/* test_mixed: two classes whose labels are mixed up in training alone: what is counted, and when the rule says so. */
#include "labelled_run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CLASSES = 3, IMAGES = 1000 };
static const char *const names[CLASSES] = {"moth", "wasp", "gnat"};

/* counts[label][called]: of training in the end, of validation by the best weights. */
static const struct mixed *read_run(const int train[CLASSES][CLASSES], const int val[CLASSES][CLASSES])
{
    static struct sample_stats table[IMAGES];
    static int32_t labels[IMAGES];
    static char text[1 << 16];
    int count = 0, number = 0;
    size_t used = (size_t)snprintf(text, sizeof text, "sample,label,class,prediction,predicted,loss,file\n");
    for (int of = 0; of < CLASSES; of++)
        for (int as = 0; as < CLASSES; as++) {
            for (int i = 0; i < train[of][as]; i++) {
                labels[count] = of;
                table[count++] = (struct sample_stats){
                    .seen = 8, .margin = 8.0f, .prediction = (uint16_t)as, .majority = (uint16_t)of, .votes = 5};
            }
            for (int i = 0; i < val[of][as]; i++)
                used += (size_t)snprintf(text + used, sizeof text - used, "%d,%d,%s,%d,%s,0.1,\n", number++, of,
                                         names[of], as, names[as]);
        }
    const struct dataset data = {
        .count = count, .class_count = CLASSES, .class_names = (const char **)(uintptr_t)names, .labels = labels};
    labelled_run(&data, table, text, used);
    return &run.evidence.mixed;
}

/* Of 400 that are called moth or wasp 196 are right in training, of 200 in validation 140. */
static const int mixed[CLASSES][CLASSES] = {{98, 102, 5}, {102, 98, 5}, {2, 2, 300}},
                 told[CLASSES][CLASSES] = {{70, 30, 2}, {30, 70, 2}, {3, 3, 90}};

static void test_counted(void **state)
{
    (void)state;
    const struct mixed *found = read_run(mixed, told);
    assert_true(found->a == 0 && found->b == 1);
    assert_true(found->train.images == 410 && found->train.either == 400 && found->train.right == 196);
    assert_true(found->train.others == 304 && found->train.others_right == 300);
    assert_true(found->val.images == 204 && found->val.either == 200 && found->val.right == 140);
    SHOWS("mixed_up", CAUSE_LABELS);
    SAYS("mixed_up",
         "of 400 training images of 'moth' and 'wasp' that are taken for one of the two 196 are right, as by "
         "chance, and of validation's 70.0 % of 200: they can be told apart");
}

static void test_when(void **state)
{
    (void)state;
    /* 0.61 - 0.49 = 0.12: 2.8 errors of 0.0427. Others are told no better. Surely above chance by two errors. */
    static const int less[CLASSES][CLASSES] = {{61, 39, 2}, {39, 61, 2}, {3, 3, 90}},
                     hard[CLASSES][CLASSES] = {{98, 102, 5}, {102, 98, 5}, {40, 40, 300}},
                     beyond[CLASSES][CLASSES] = {{111, 89, 5}, {89, 111, 5}, {2, 2, 300}},
                     apart[CLASSES][CLASSES] = {{98, 102, 60}, {102, 98, 60}, {2, 2, 300}};
    read_run(mixed, less);
    SILENT("mixed_up");
    read_run(hard, told);
    SILENT("mixed_up");
    read_run(beyond, told);
    SILENT("mixed_up");
    read_run(apart, told); /* 400 of 520 are called one of the two */
    SILENT("mixed_up");
    read_run(mixed, told);
    run.val_accuracy[EPOCHS - 1] = run.val_accuracy[0] + 0.15; /* 0.15 * 300 / 200 = 0.225 above 0.21: being learned */
    SILENT("mixed_up");
    run.val_accuracy[EPOCHS - 1] = run.val_accuracy[0] + 0.03;
    SHOWS("mixed_up", CAUSE_LABELS);
    fill(run.val_accuracy, 0, EPOCHS, 0.96); /* nothing is missing */
    SILENT("mixed_up");
    read_run(mixed, told);
    run.evidence.over = false;
    SILENT("mixed_up");
    read_run(mixed, told);
    run.config.data.shuffle = false;
    SILENT("mixed_up");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(test_counted, fixture_begin, fixture_end),
                                       cmocka_unit_test_setup_teardown(test_when, fixture_begin, fixture_end)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
