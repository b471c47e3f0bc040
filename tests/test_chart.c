/* test_chart: frames, ticks and thinning of charts. */
#include "chart.h"
#include "fixtures.h"

#include <math.h>

static void check_ticks(const struct chart_axis *axis, double low, double high, int wanted, const char *expected)
{
    struct chart_ticks ticks;
    char found[512] = "";
    chart_ticks_of(axis, low, high, wanted, &ticks);
    for (int i = 0; i < ticks.count; i++) {
        strcat(found, i ? "|" : "");
        strcat(found, ticks.text[i]);
        assert_true(ticks.at[i] >= low - 1e-9 * fabs(low) && ticks.at[i] <= high + 1e-9 * fabs(high));
    }
    assert_string_equal(found, expected);
}

static void test_linear_ticks_are_round(void **state)
{
    (void)state;
    const struct chart_axis axis = {.scale = CHART_LINEAR}, percent = {.scale = CHART_LINEAR, .percent = true};
    check_ticks(&axis, 0.0, 2.4, 5, "0.0|0.5|1.0|1.5|2.0");
    check_ticks(&axis, 0.0, 584.0, 5, "0|200|400");
    check_ticks(&axis, 0.9, 9.9, 3, "2|4|6|8");
    check_ticks(&axis, 0.0, 99999.0, 5, "0|20 k|40 k|60 k|80 k");
    check_ticks(&axis, 0.0, 4e6, 5, "0|1 M|2 M|3 M|4 M");
    check_ticks(&axis, 0.0, 0.002, 5, "0.0000|0.0005|0.0010|0.0015|0.0020");
    check_ticks(&axis, 0.0, 2e-5, 4, "0|5e-6|1e-5|1.5e-5|2e-5");
    check_ticks(&axis, -1.0, 1.0, 4, "-1.0|-0.5|0.0|0.5|1.0");
    check_ticks(&percent, 0.0, 1.0, 5, "0 %|20 %|40 %|60 %|80 %|100 %");
    check_ticks(&percent, 0.97, 0.99, 4, "97.0 %|97.5 %|98.0 %|98.5 %|99.0 %");
}

static void test_logarithmic_ticks_are_powers(void **state)
{
    (void)state;
    const struct chart_axis ten = {.scale = CHART_LOG10}, two = {.scale = CHART_LOG2};
    check_ticks(&ten, 0.05, 3.0, 5, "0.05|0.1|0.2|0.5|1|2");
    check_ticks(&ten, 2e-5, 1e-2, 5, "3e-5|0.0001|0.0003|0.001|0.003|0.01");
    check_ticks(&ten, 1e-6, 1e-2, 5, "1e-6|1e-5|0.0001|0.001|0.01");
    check_ticks(&ten, 1e-12, 1.0, 5, "1e-12|1e-10|1e-8|1e-6|0.0001|0.01|1");
    check_ticks(&ten, 0.027, 7.0, 3, "0.03|0.1|0.3|1|3");
    check_ticks(&ten, 0.5, 0.9, 4, "0.5|0.6|0.7|0.8|0.9");
    check_ticks(&two, 7.0, 2100.0, 9, "8|16|32|64|128|256|512|1024|2048");
    check_ticks(&two, 7.0, 2100.0, 3, "8|64|512");
}

static void test_own_ticks(void **state)
{
    (void)state;
    const double at[] = {8.0, 100.0, 4096.0};
    const char *const names[] = {"eight", "hundred", "many"};
    const struct chart_axis axis = {.scale = CHART_LOG2, .ticks = at, .names = names, .tick_count = 3};
    check_ticks(&axis, 4.0, 128.0, 5, "eight|hundred");
}

enum { LONG = 100000 };
static double steps[LONG], values[LONG];

static struct chart_series long_series(void)
{
    for (int i = 0; i < LONG; i++) {
        steps[i] = i;
        values[i] = sin(i * 0.001) + 0.01 * (i % 7);
    }
    values[31337] = 50.0;
    values[77777] = -50.0;
    return (struct chart_series){.mark = CHART_RAW, .name = "", .count = LONG, .x = steps, .y = values};
}

static void test_thinning_keeps_what_is_seen(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct chart_series series = long_series(), thinned;
    chart_thin(&series, CHART_LINEAR, 0.0, LONG - 1.0, 500, &arena, &thinned);
    assert_true(thinned.count > 500 && thinned.count <= 4 * 502);
    bool high = false, low = false;
    for (int64_t i = 0; i < thinned.count; i++) {
        assert_true(i == 0 || thinned.x[i] > thinned.x[i - 1]);
        assert_true(thinned.y[i] == values[(int)thinned.x[i]]);
        high = high || thinned.y[i] == 50.0;
        low = low || thinned.y[i] == -50.0;
    }
    assert_true(high && low && thinned.x[0] == 0.0 && thinned.x[thinned.count - 1] == LONG - 1.0);
    /* A short one is not touched. */
    series.count = 1000;
    chart_thin(&series, CHART_LINEAR, 0.0, 999.0, 500, &arena, &thinned);
    assert_ptr_equal(thinned.y, series.y);
    arena_free(&arena);
}

static void test_thinning_keeps_gaps(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct chart_series series = long_series(), thinned;
    for (int i = 0; i < LONG; i += 3) /* more gaps than columns: bounded all the same */
        values[i] = NAN;
    for (int i = 40000; i < 60000; i++)
        values[i] = NAN;
    chart_thin(&series, CHART_LINEAR, 0.0, LONG - 1.0, 500, &arena, &thinned);
    assert_true(thinned.count <= 9 * 502);
    int64_t inside = 0;
    for (int64_t i = 0; i < thinned.count; i++)
        if (thinned.x[i] >= 40000 && thinned.x[i] < 60000) {
            assert_true(isnan(thinned.y[i]));
            inside++;
        }
    assert_true(inside > 0);
    arena_free(&arena);
}

static void test_frame(void **state)
{
    (void)state;
    struct charts charts = {0};
    struct chart_frame frame;
    struct chart *chart = chart_add(&charts, "loss", "Loss", "");
    assert_false(chart_frame_of(chart, &frame));
    assert_null(chart_series_add(chart, CHART_LINE, CHART_BLUE, "none", 2, steps, (double[]){NAN, INFINITY}));
    struct chart_series series = long_series();
    values[26 * 1206] = 50.0, values[26 * 2991] = -50.0; /* of every 26th that is looked at */
    assert_non_null(chart_series_add(chart, CHART_RAW, CHART_BLUE, "each", LONG, series.x, series.y));
    assert_true(chart_frame_of(chart, &frame));
    assert_true(frame.left == 0.0 && frame.right == LONG - 1.0);
    /* Four outliers among 100000 do not flatten the rest. */
    assert_true(frame.top > 1.0 && frame.top < 1.5 && frame.bottom < -0.9 && frame.bottom > -1.5);
    /* But what is smoothed is seen whole. */
    const double x[] = {1.0, 2.0}, y[] = {9.0, NAN};
    assert_non_null(chart_series_add(chart, CHART_LINE, CHART_BLUE, "smooth", 2, x, y));
    assert_true(chart_frame_of(chart, &frame) && frame.top > 9.0);
    chart->y.scale = CHART_LOG10;
    assert_true(chart_frame_of(chart, &frame) && frame.bottom > 0.0);
    /* What never changes lies in the middle, however small it is. */
    chart = chart_add(&charts, "rate", "Rate", "");
    assert_non_null(chart_series_add(chart, CHART_STEP, CHART_BLUE, "", 2, x, (double[]){0.005, 0.005}));
    assert_true(chart_frame_of(chart, &frame) && fabs(frame.bottom - 0.0025) < 1e-9 && fabs(frame.top - 0.0075) < 1e-9);
    charts_free(&charts);
}

/* One validation that went wrong does not flatten the course; many that are elsewhere are seen. */
static void test_frame_beside_one_dot(void **state)
{
    (void)state;
    enum { COUNT = 8 };
    const double x[COUNT] = {1, 2, 3, 4, 5, 6, 7, 8}, line[COUNT] = {2.3, 2.2, 2.1, 2.0, 1.9, 1.9, 1.8, 1.8};
    double dots[COUNT] = {2.2, 2.1, 2.0, 40.0, 1.9, 1.8, 1.8, 1.8};
    for (int scale = CHART_LINEAR; scale <= CHART_LOG10; scale++) {
        struct charts charts = {0};
        struct chart_frame frame;
        struct chart *chart = chart_add(&charts, "loss", "", "");
        chart->y.scale = (enum chart_scale)scale;
        assert_non_null(chart_series_add(chart, CHART_DOTS, CHART_ORANGE, "val", COUNT, x, dots));
        assert_true(chart_frame_of(chart, &frame) && frame.top > 40.0); /* nothing tells what it is far from */
        assert_non_null(chart_series_add(chart, CHART_LINE, CHART_BLUE, "train", COUNT, x, line));
        assert_true(chart_frame_of(chart, &frame) && frame.top > 2.3 && frame.top < 4.0 && frame.bottom < 1.8);
        dots[3] = 3.2;
        assert_true(chart_frame_of(chart, &frame) && frame.top > 3.2);
        for (int i = 0; i < COUNT; i++)
            dots[i] = 40.0 + i;
        assert_true(chart_frame_of(chart, &frame) && frame.top > 47.0);
        memcpy(dots, (double[COUNT]){2.2, 2.1, 2.0, 40.0, 1.9, 1.8, 1.8, 1.8}, sizeof dots);
        charts_free(&charts);
    }
}

static void test_frame_of_one_point(void **state)
{
    (void)state;
    struct charts charts = {0};
    struct chart_frame frame;
    const double x[] = {64.0}, y[] = {0.0};
    struct chart *chart = chart_add(&charts, "one", "", "");
    assert_non_null(chart_series_add(chart, CHART_LINE, CHART_BLUE, "", 1, x, y));
    assert_true(chart_frame_of(chart, &frame) && frame.left < 64.0 && frame.right > 64.0 && frame.top > 0.0);
    chart->x.scale = CHART_LOG2;
    assert_true(chart_frame_of(chart, &frame) && frame.left < 64.0 && frame.left > 0.0 && frame.right > 64.0);
    charts_free(&charts);
}

static void test_places(void **state)
{
    (void)state;
    assert_true(chart_place(CHART_LINEAR, 2.0, 4.0, 3.0) == 0.5);
    assert_true(fabs(chart_place(CHART_LOG10, 0.01, 100.0, 1.0) - 0.5) < 1e-12);
    assert_true(isnan(chart_place(CHART_LOG2, 1.0, 2.0, 0.0)));
}

/* ---- colours ---- */

/* WCAG 2: relative luminance, and contrast. */
static double luminance(uint32_t rgb)
{
    static const double share[] = {0.2126, 0.7152, 0.0722};
    double sum = 0.0;
    for (int i = 0; i < 3; i++) {
        const double value = (rgb >> (16 - 8 * i) & 0xFF) / 255.0;
        sum += share[i] * (value <= 0.03928 ? value / 12.92 : pow((value + 0.055) / 1.055, 2.4));
    }
    return sum;
}

static void check_contrast(uint32_t colour, uint32_t ground, double least)
{
    const double a = luminance(colour), b = luminance(ground), contrast = (fmax(a, b) + 0.05) / (fmin(a, b) + 0.05);
    if (contrast < least)
        fail_msg("%06x on %06x: %.2f to 1", colour, ground, contrast);
}

static void test_colours_stand_out(void **state)
{
    (void)state;
    static const uint32_t light[] = {0xffffff, 0xf5f6f8}, dark[] = {0x181c23, 0x101318}; /* cards and page */
    for (int c = 0; c < CHART_COLOURS; c++) {
        const struct chart_rgb letters = chart_letter_colour((enum chart_colour)c);
        for (int i = 0; i < COUNT_OF(light); i++) {
            check_contrast(chart_colours[c].light, light[i], 3.0);
            check_contrast(chart_colours[c].dark, dark[i], 3.0);
            check_contrast(letters.light, light[i], 4.5);
            check_contrast(letters.dark, dark[i], 4.5);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linear_ticks_are_round),
        cmocka_unit_test(test_logarithmic_ticks_are_powers),
        cmocka_unit_test(test_own_ticks),
        cmocka_unit_test(test_thinning_keeps_what_is_seen),
        cmocka_unit_test(test_thinning_keeps_gaps),
        cmocka_unit_test(test_frame),
        cmocka_unit_test(test_frame_beside_one_dot),
        cmocka_unit_test(test_frame_of_one_point),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_colours_stand_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
