/* test_two_kinds: wrong labels by the margins of what a run contradicts: what is read from samples.csv, and when the
 * rule says so. */
#include "drawn_run.h"
#include "fixtures.h"
#include "samples.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { IMAGES = 2000, CLASSES = 10 };

static struct sample_stats table[IMAGES];
static int32_t labels[IMAGES];

/* One in five is far from its label, one in ten near its border, each about where its kind is; deviations 1. */
static void write_samples(void)
{
    static const char *const names[CLASSES] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j, k"};
    for (int i = 0; i < IMAGES; i++) {
        const bool wrong = i / CLASSES % 5 == 0, hard = i / CLASSES % 10 == 1; /* in every class alike */
        const double spread = sqrt(3.0) * jitter(i), margin = wrong ? -8.0 + spread : hard ? -2.0 + spread : 4.0;
        const uint16_t looks = (uint16_t)(4 + 4 * (i % 3));
        const int answer = (i + (margin < 0.0)) % CLASSES;
        labels[i] = i % CLASSES;
        table[i] = (struct sample_stats){.loss = 1.0f,
                                         .margin = (float)(looks * margin),
                                         .probability = 0.1f,
                                         .seen = looks,
                                         .prediction = (uint16_t)answer,
                                         .majority = (uint16_t)answer,
                                         .votes = looks};
    }
    const struct dataset data = {
        .count = IMAGES, .class_count = CLASSES, .class_names = (const char **)(uintptr_t)names, .labels = labels};
    fixture_write(fixture_path("run/samples.csv"), "", 0); /* makes the folder */
    assert_int_equal(samples_write(fixture_path("run/samples.csv"), &data, table), OK);
}

static void read_run(void)
{
    char run_path[PATH_BYTES];
    snprintf(run_path, sizeof run_path, "%s", fixture_path("run/samples.csv"));
    *strrchr(run_path, '/') = 0;
    doctor_labels(&run.evidence, run_path);
}

static void test_read(void **state)
{
    (void)state;
    healthy();
    run.evidence.over = true;
    fill(run.val_accuracy, 0, EPOCHS, 0.7); /* it has the same wrong labels */
    write_samples();
    read_run();
    const struct label_evidence *found = &run.evidence.labels;
    assert_true(fabs(found->wrong - 0.2) < 0.01);
    assert_true(fabs(found->agrees - 0.7) < 0.01);
    assert_true(fabs(found->contradicted - 0.3) < 0.01);
    assert_true(fabs(found->separation - 6.0) < 0.3); /* deviations apart */
    assert_true(found->sep_error > 0.1 && found->sep_error < 0.3);
    SHOWS("two_kinds", CAUSE_LABELS);
    SAYS("two_kinds", "about 20 % of all with a wrong label");
    run.evidence.over = false; /* it may be of an earlier part of the run */
    read_run();
    assert_true(run.evidence.labels.wrong == 0.0);
    run.evidence.over = true;
    fixture_write(fixture_path("run/samples.csv"), "sample,label\n0,1\n", 17); /* of another version */
    read_run();
    assert_true(run.evidence.labels.wrong == 0.0);
    SILENT("two_kinds");
}

/* Three in ten contradicted, and of validation one in ten wrong over the epochs. */
static void test_validation_tells(void **state)
{
    (void)state;
    healthy();
    run.evidence.over = true;
    run.config.optim.ema_decay = 0.9; /* the curves are not compared */
    fill(run.val_accuracy, 0, EPOCHS, 0.7);
    write_samples();
    read_run();
    assert_true(run.evidence.labels.ahead == 0.0);
    SILENT("better_on_validation");
    fill(run.val_accuracy, 0, EPOCHS, 0.9);
    read_run();
    assert_true(fabs(run.evidence.labels.ahead - 0.2) < 0.01);
    SHOWS("better_on_validation", CAUSE_LABELS);
    SAYS("better_on_validation", "only 10.0 % on average");
    run.config.augment.hflip = 0.5;
    read_run();
    assert_true(run.evidence.labels.ahead == 0.0);
}

static void test_rule(void **state)
{
    (void)state;
    const struct label_evidence clear = {
        .wrong = 0.2, .agrees = 0.7, .contradicted = 0.3, .separation = 2.5, .sep_error = 0.1};
    healthy();
    run.config.model.dropout = 0.5; /* where training and validation cannot be compared */
    run.evidence.labels = clear;
    SHOWS("two_kinds", CAUSE_LABELS);
    assert_int_equal(shown("two_kinds")->step, STEPS - 1);
    SILENT("few_wrong");
    SAYS("two_kinds", "than their label, and their margins are of two kinds, 2.5 +- 0.1");
    run.evidence.labels.sep_error = 0.17; /* 2.9 of these above 2: validation was the other witness */
    SAYS("two_kinds", "than their label, more than of validation's, and their margins are of two kinds");
    run.evidence.labels.separation = 1.99; /* validation alone */
    SILENT("two_kinds");
    run.evidence.labels = clear;
    run.evidence.labels.wrong = 0.09;
    SILENT("two_kinds");
    SHOWS("few_wrong", CAUSE_LABELS);
    SAYS("few_wrong", "about 9 % of all with a wrong label, or images unlike their class: --samples lists them"
                      "; so few cost little");
    struct symptom found[CAUSE_COUNT];
    const int count = doctor_examine(&run.evidence, found);
    assert_int_equal(doctor_cause(found, count), CAUSE_HEALTHY);
    assert_string_equal(doctor_noted(found, count), FEW_TITLE);
    run.evidence.labels.wrong = 0.0; /* --samples lists none */
    SILENT("few_wrong");
    run.evidence.labels = clear;
    run.config.data.shuffle = false; /* the last batches are all that it knows */
    SILENT("two_kinds");
    healthy();
    SILENT("two_kinds");
    SILENT("few_wrong");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_read, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(test_validation_tells, fixture_begin, fixture_end),
        cmocka_unit_test(test_rule)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
