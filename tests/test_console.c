/* test_console: what fits into a terminal's line, and what is left out of it first. */
#include "console.h"
#include "text.h"

#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* As long as these lines get. */
static struct console console = {.epochs = 100,
                                 .steps_per_epoch = 10000,
                                 .refused = 12,
                                 .view = {.smooth = 2.30259, .smooth_error = 0.0123, .spike_z = NAN}};
static const struct progress progress = {
    .epoch = 99, .step_in_epoch = 10000, .lr = 0.000123, .images_per_second = 12345, .seconds_left = 4000};

static void expect(int columns, const char *expected)
{
    char text[512];
    console_progress(&console, &progress, columns, text, sizeof text);
    assert_string_equal(text, expected);
    assert_true(text_columns(text) <= columns);
}

static void test_what_is_left_out_first(void **state)
{
    (void)state;
    char whole[512], left[24];
    text_duration(left, progress.seconds_left);
    console_progress(&console, &progress, INT_MAX, whole, sizeof whole);
    assert_non_null(strstr(whole, left));
    expect(120, "epoch 100/100  step 10000/10000  loss 2.3026 ± 0.0123  1:06:40 left  12.3 k images/s  lr 0.000123  "
                "12 refused");
    expect(100, "epoch 100/100  step 10000/10000  loss 2.3026 ± 0.0123  1:06:40 left  12.3 k images/s  12 refused");
    expect(90, "epoch 100/100  step 10000/10000  loss 2.3026  1:06:40 left  12.3 k images/s  12 refused");
    expect(79, "epoch 100/100  step 10000/10000  loss 2.3026  1:06:40 left  12 refused");
    expect(64, "epoch 100/100  step 10000/10000  loss 2.3026  1:06:40 left");
    expect(50, "epoch 100/100  step 10000/10000  loss 2.3026");
}

static void test_a_mean_on_its_way(void **state)
{
    (void)state;
    console.view.direction = -1;
    expect(100, "epoch 100/100  step 10000/10000  loss 2.3026 falling  1:06:40 left  12.3 k images/s  12 refused");
    console.view.direction = 1;
    expect(100, "epoch 100/100  step 10000/10000  loss 2.3026 rising  1:06:40 left  12.3 k images/s  12 refused");
    console.view.direction = 0;
}

/* A step that a loss scale refused is no fault, and not counted as one. */
static void test_only_faults_count_as_refused(void **state)
{
    (void)state;
    struct console counted = {0};
    const struct loss_view view = {.smooth = 1.0};
    static const int bads[] = {0, REFUSED_SCALE, REFUSED_NONFINITE, 0, REFUSED_NONFINITE};
    for (int i = 0; i < (int)(sizeof bads / sizeof *bads); i++) {
        const struct step_record record = {.bad = bads[i]};
        console_step(&counted, &record, &view);
    }
    assert_int_equal(counted.refused, 2);
}

static void test_row_fits(void **state)
{
    (void)state;
    const char *const texts[CONSOLE_CELLS] = {"12/300", "2.3026", "10.00",  "2.3019", "0.0123",
                                              "11.25",  "0.001",  "12.3 k", "1:06:40"};
    static const struct {
        int columns, width;
        const char *titles;
    } cases[] = {
        {INT_MAX, 82, "  epoch  train loss   acc %  val loss    s.e.   acc %        lr  images/s     time"},
        {82, 82, "  epoch  train loss   acc %  val loss    s.e.   acc %        lr  images/s     time"},
        {81, 74, "  epoch  train loss   acc %  val loss   acc %        lr  images/s     time"},
        {73, 64, "  epoch  train loss   acc %  val loss   acc %  images/s     time"},
        {60, 54, "  epoch  train loss   acc %  val loss   acc %     time"},
        {50, 46, "  epoch  train loss  val loss   acc %     time"},
        {20, 46, "  epoch  train loss  val loss   acc %     time"},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        char row[256];
        assert_int_equal(console_row(NULL, cases[i].columns, row, sizeof row), cases[i].width);
        assert_string_equal(row, cases[i].titles);
        assert_int_equal(console_row(texts, cases[i].columns, row, sizeof row), cases[i].width);
        assert_int_equal(text_columns(row), cases[i].width);
        assert_non_null(strstr(row, cases[i].width == 82 ? "2.3019  0.0123   11.25" : "2.3019   11.25"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_faults_count_as_refused),
        cmocka_unit_test(test_row_fits),
        cmocka_unit_test(test_what_is_left_out_first),
        cmocka_unit_test(test_a_mean_on_its_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
