/* test_mixture: two kinds of margins far apart, of other numbers and other spreads: their distance in deviations, its
 * standard error and their share against the same formulas over who is known to be which. */
#include "drawn_run.h"
#include "fixtures.h"
#include "samples.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { IMAGES = 2000, CLASSES = 10, WRONG = 120, HARD = 480 };

static struct sample_stats table[IMAGES];
static int32_t labels[IMAGES];

/* The first WRONG are far from their label, the next HARD near its border, all others right. */
static void read_margins(const double *spread)
{
    static const char *const names[CLASSES] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};
    for (int i = 0; i < IMAGES; i++) {
        const int kind = i < WRONG ? 1 : 0;
        const double margin = i >= WRONG + HARD ? 4.0 : (kind ? -40.0 : -5.0) + spread[kind] * sqrt(3.0) * jitter(i);
        const int answer = (i + (margin < 0.0)) % CLASSES;
        labels[i] = i % CLASSES;
        table[i] = (struct sample_stats){.loss = 1.0f,
                                         .margin = (float)(8.0 * margin),
                                         .probability = 0.1f,
                                         .seen = 8,
                                         .prediction = (uint16_t)answer,
                                         .majority = (uint16_t)answer,
                                         .votes = 8};
    }
    const struct dataset data = {
        .count = IMAGES, .class_count = CLASSES, .class_names = (const char **)(uintptr_t)names, .labels = labels};
    char path[PATH_BYTES];
    fixture_write(fixture_path("mixture/samples.csv"), "", 0); /* makes the folder */
    assert_int_equal(samples_write(fixture_path("mixture/samples.csv"), &data, table), OK);
    snprintf(path, sizeof path, "%s", fixture_path("mixture/samples.csv"));
    *strrchr(path, '/') = 0;
    healthy();
    run.evidence.over = true;
    doctor_labels(&run.evidence, path);
}

static void moments(int first, int count, double *mean, double *variance)
{
    double sum = 0.0, squares = 0.0;
    for (int i = first; i < first + count; i++) {
        const double distance = -(double)table[i].margin / 8.0;
        sum += distance;
        squares += distance * distance;
    }
    *mean = sum / count;
    *variance = squares / count - *mean * *mean;
}

static void test_unlike_kinds(void **state)
{
    (void)state;
    static const double spreads[][2] = {{0.5, 2.0}, {1.5, 0.4}, {1.0, 1.0}};
    for (int i = 0; i < COUNT_OF(spreads); i++) {
        double mean[2], variance[2];
        read_margins(spreads[i]);
        moments(WRONG, HARD, &mean[0], &variance[0]);
        moments(0, WRONG, &mean[1], &variance[1]);
        const double square = 0.5 * (variance[0] + variance[1]);
        const double apart = (mean[1] - mean[0]) / sqrt(square);
        const double of_means = variance[0] / HARD + variance[1] / WRONG;
        const double of_square = 0.5 * (variance[0] * variance[0] / HARD + variance[1] * variance[1] / WRONG);
        const double error = sqrt(of_means / square + apart * apart * of_square / (4.0 * square * square));
        const struct label_evidence *found = &run.evidence.labels;
        if (!(fabs(found->separation / apart - 1.0) < 0.002 && fabs(found->sep_error / error - 1.0) < 0.002))
            fail_msg("%g +- %g, not %g +- %g", found->separation, found->sep_error, apart, error);
        assert_true(fabs(found->wrong - (double)WRONG / IMAGES) < 1e-6);
    }
}

/* Margins that are all the same of each kind have a spread all the same: a thousandth of all. */
static void test_kinds_without_spread(void **state)
{
    (void)state;
    static const double none[2] = {0.0, 0.0};
    read_margins(none);
    const double share = (double)WRONG / (WRONG + HARD), all = 35.0 * sqrt(share * (1.0 - share));
    const double apart = run.evidence.labels.separation;
    if (!(fabs(apart / (35.0 / (1e-3 * all)) - 1.0) < 1e-3))
        fail_msg("%g", apart);
    assert_true(fabs(run.evidence.labels.wrong - (double)WRONG / IMAGES) < 1e-6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_unlike_kinds, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(test_kinds_without_spread, fixture_begin, fixture_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
