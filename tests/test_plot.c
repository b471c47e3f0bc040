/* test_plot: charts in letters: what stands where, that it fits, and that a terminal gets only what it can show; and as
 * pictures: curves lie where they belong, words stay on the page. */
#include "fixtures.h"
#include "plot.h"
#include "text.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

enum { POINTS = 200 };
static double x[POINTS], rising[POINTS], falling[POINTS], broken[POINTS], lower[POINTS];

static int set_up(void **state)
{
    (void)state;
    setlocale(LC_CTYPE, "C.UTF-8"); /* as the program does */
    for (int i = 0; i < POINTS; i++) {
        x[i] = i;
        rising[i] = i / (POINTS - 1.0);
        falling[i] = 2.0 * exp(-i / 40.0);
        lower[i] = 0.5 * falling[i];
        broken[i] = i % 50 < 10 ? NAN : i % 50 == 20 ? 1e300 : falling[i];
    }
    return 0;
}

/* What is drawn; free() it. */
static char *draw(const struct chart *chart, const struct terminal *terminal, int lines)
{
    char *text = NULL;
    size_t bytes;
    FILE *stream = open_memstream(&text, &bytes);
    plot_text(chart, terminal, lines, stream);
    fclose(stream);
    return text;
}

static void test_letters(void **state)
{
    (void)state;
    struct charts charts = {0};
    const struct terminal plain = {.columns = 40, .lines = 14};
    const double at[] = {0.0, 199.0}, validated[] = {0.75, 0.25};
    struct chart *chart = chart_add(&charts, "a", "A title", "");
    chart->x.title = "step";
    chart->y.low = 0.0;
    chart->y.high = 1.0;
    chart_series_add(chart, CHART_RAW, CHART_BLUE, "raw", POINTS, x, falling);
    chart_series_add(chart, CHART_LINE, CHART_BLUE, "line", POINTS, x, rising);
    chart_series_add(chart, CHART_DOTS, CHART_ORANGE, "dots", 2, at, validated);
    chart_event_add(chart, 100.0, CHART_RED, "event");
    char *text = draw(chart, &plain, 14);
    assert_string_equal(text, "A title\n"
                              "     .. raw   ** line   o dots\n"
                              "                    event\n"
                              "1.0 |    ..           :             ***\n"
                              "    |     ..          :         ****\n"
                              "    |o     ..         :     ****\n"
                              "    |       ..        : ****\n"
                              "0.5 |        ...    ****\n"
                              "    |          .****  :\n"
                              "    |       **** .....:               o\n"
                              "    |   ****         .:......\n"
                              "0.0 |***              :     ...........\n"
                              "    ++----------------+----------------\n"
                              "     0               100           step\n");
    free(text);
    charts_free(&charts);
}

/* Dots of several series are told apart without colours, too. */
static void test_dots(void **state)
{
    (void)state;
    struct charts charts = {0};
    const struct terminal plain = {.columns = 30, .lines = 9};
    const double at[] = {0.0, 1.0}, low[] = {0.25, 0.25}, high[] = {0.75, 0.75};
    struct chart *chart = chart_add(&charts, "a", "A title", "");
    chart->y.low = 0.0;
    chart->y.high = 1.0;
    chart_series_add(chart, CHART_LINE, CHART_BLUE, "line", 2, at, low);
    chart_series_add(chart, CHART_DOTS, CHART_BLUE, "one", 2, at, low);
    chart_series_add(chart, CHART_DOTS, CHART_ORANGE, "two", 2, at, high);
    char *text = draw(chart, &plain, 9);
    assert_string_equal(text, "A title\n"
                              "   ** line   o one   ^ two\n"
                              "1 |\n"
                              "  |^                        ^\n"
                              "  |\n"
                              "  |o************************o\n"
                              "0 |\n"
                              "  ++------------------------+\n"
                              "   0                        1\n");
    free(text);
    charts_free(&charts);
}

/* A whisker whose upper end is not known leaves the frame; one that is not known at all is not there. */
static void test_whiskers(void **state)
{
    (void)state;
    struct charts charts = {0};
    const struct terminal plain = {.columns = 40, .lines = 12};
    const double at[] = {0.0, 1.0, 2.0, 3.0}, y[] = {0.5, 0.5, 0.5, 0.5};
    const double low[] = {0.2, 0.2, NAN, 0.2}, high[] = {0.8, INFINITY, NAN, NAN};
    struct chart *chart = chart_add(&charts, "a", "A title", "");
    chart->y.low = 0.0;
    chart->y.high = 1.0;
    struct chart_series *series = chart_series_add(chart, CHART_SPREAD, CHART_BLUE, "", 4, at, y);
    series->low = low;
    series->high = high;
    char *text = draw(chart, &plain, 12);
    assert_string_equal(text, "A title\n"
                              "1.0 |            |\n"
                              "    |            |\n"
                              "    |  |         |\n"
                              "    |  |         |\n"
                              "0.5 |  ******************************\n"
                              "    |  |         |\n"
                              "    |  |         |\n"
                              "    |\n"
                              "0.0 |\n"
                              "    +--+------------------+------------\n"
                              "       0                  2            \n");
    free(text);
    charts_free(&charts);
}

/* Areas reach from their floor to their line, between points as well; fills and curves have letters of their own in
 * turn; of two texts of events that meet the second moves aside, as far as it still reaches its line. */
static void test_areas_and_flags(void **state)
{
    (void)state;
    static const double at[] = {0.0, 1.0, 2.0, 3.0}, floor[] = {0.0, 0.0, 0.0, 0.0};
    static const double middle[] = {0.25, 0.25, 0.75, 0.75}, top[] = {1.0, 1.0, 1.0, 1.0},
                        line[] = {0.9, 0.9, 0.1, 0.1};
    const struct terminal plain = {.columns = 36, .lines = 12};
    struct charts charts = {0};
    struct chart *chart = chart_add(&charts, "b", "Areas", "");
    chart->y.low = 0.0;
    chart->y.high = 1.0;
    chart_series_add(chart, CHART_AREA, CHART_SKY, "below", 4, at, middle)->low = floor;
    chart_series_add(chart, CHART_AREA, CHART_ORANGE, "above", 4, at, top)->low = middle;
    chart_series_add(chart, CHART_LINE, CHART_INK, "line", 4, at, line);
    chart_event_add(chart, 1.0, CHART_RED, "first");
    chart_event_add(chart, 1.5, CHART_RED, "second");
    chart_event_add(chart, 1.6, CHART_RED, "third");
    chart_event_add(chart, 2.6, CHART_RED, "fourth");
    char *text = draw(chart, &plain, 12);
    assert_string_equal(text, "Areas\n"
                              "     ## below   ++ above   ** line\n"
                              "             first second  fourth\n"
                              "1.0 |++++++++++:++++:+++++++++:++++\n"
                              "    |************+++:+++++++++:++++\n"
                              "    |++++++++++:+**+:++#######:####\n"
                              "0.5 |++++++++++:+++**#########:####\n"
                              "    |++++++++++:+###:**#######:####\n"
                              "    |##########:####:##************\n"
                              "0.0 |##########:####:#########:####\n"
                              "    ++------------------+----------\n"
                              "     0                  2          \n");
    free(text);
    charts_free(&charts);
}

/* Dots of braille letters, numbered as in Unicode: 1 to 3 and 7 on the left, 4 to 6 and 8 on the right. */
static const struct {
    int across, down;
} dots[8] = {{0, 0}, {0, 1}, {0, 2}, {1, 0}, {1, 1}, {1, 2}, {0, 3}, {1, 3}};

/* Every dot lies on the parabola, and none of its 80 columns is left out. */
static void test_braille_follows_the_curve(void **state)
{
    (void)state;
    enum { ACROSS = 80, DOWN = 40 };
    struct charts charts = {0};
    const struct terminal unicode = {.columns = 46, .lines = 13, .utf8 = true};
    struct chart *chart = chart_add(&charts, "a", "", "");
    double square[POINTS];
    bool seen[ACROSS] = {false};
    for (int i = 0; i < POINTS; i++)
        square[i] = rising[i] * rising[i];
    chart->y.low = 0.0;
    chart->y.high = 1.0;
    chart_series_add(chart, CHART_LINE, CHART_BLUE, "", POINTS, x, square);
    char *text = draw(chart, &unicode, 13), *rest = text, *line;
    for (int row = -1; (line = strsep(&rest, "\n")); row++) {
        const char *axis = strstr(line, "\u2502") ? strstr(line, "\u2502") : strstr(line, "\u2524");
        int column = 0;
        for (const unsigned char *at = (const unsigned char *)axis; at && *(at += *at == ' ' ? 1 : 3); column++) {
            if (*at == ' ')
                continue;
            assert_int_equal(at[0], 0xE2);
            assert_int_equal(at[1] & 0xFC, 0xA0);
            for (int dot = 0; dot < 8; dot++) {
                if (!(((at[1] & 0x03) << 6 | (at[2] & 0x3F)) >> dot & 1))
                    continue;
                const int across = 2 * column + dots[dot].across, down = 4 * row + dots[dot].down;
                const double there = across / (ACROSS - 1.0), expected = (DOWN - 1) * (1.0 - there * there);
                if (fabs(down - expected) > 1.5)
                    fail_msg("a dot at %d, %d; expected at %.1f", across, down, expected);
                seen[across] = true;
            }
        }
    }
    for (int i = 0; i < ACROSS; i++)
        assert_true(seen[i]);
    free(text);
    charts_free(&charts);
}

/* Every mark on every scale, with gaps and values out of range. */
static void fill(struct charts *charts)
{
    static const char *const name = "Größe: ein langer Name mit 汉字";
    for (int scale = CHART_LINEAR; scale <= CHART_LOG2; scale++) {
        struct chart *chart = chart_add(charts, "all", name, "");
        chart->x = (struct chart_axis){.title = name, .low = NAN, .high = NAN};
        chart->y.scale = (enum chart_scale)scale;
        for (int mark = CHART_RAW; mark <= CHART_SPREAD; mark++) {
            struct chart_series *series = chart_series_add(chart, (enum chart_mark)mark, (enum chart_colour)mark, name,
                                                           POINTS, x, mark % 2 ? broken : falling);
            series->low = lower;
            series->high = falling;
        }
        for (int i = 0; i < CHART_LINES; i++)
            chart_event_add(chart, 20.0 * i, CHART_PURPLE, name);
        chart_limit_add(chart, 1.0, CHART_RED, name);
    }
    struct chart *one = chart_add(charts, "one", "", "");
    chart_series_add(one, CHART_DOTS, CHART_BLUE, "", 1, x, falling);
}

/* Columns that a line takes once its escape sequences are gone. */
static int columns_of(const char *line)
{
    char seen[1 << 14];
    int length = 0;
    for (; *line; line++)
        if (*line == '\033')
            line += strcspn(line, "m");
        else
            seen[length++] = *line;
    seen[length] = '\0';
    return text_columns(seen);
}

static void check_fits(const struct chart *chart, const struct terminal *terminal, int lines)
{
    enum { NARROWEST = 36 }; /* below, it is wider than the terminal */
    char *text = draw(chart, terminal, lines), *rest = text, *line;
    int count = 0;
    while ((line = strsep(&rest, "\n")) && rest) {
        const int columns = columns_of(line);
        if (columns > (terminal->columns > NARROWEST ? terminal->columns : NARROWEST))
            fail_msg("%d columns of %d: %s", columns, terminal->columns, line);
        for (const char *at = line; *at; at++) {
            assert_true(terminal->color || *at != '\033');
            assert_true(terminal->utf8 || (unsigned char)*at < 0x80);
        }
        count++;
    }
    assert_int_equal(count, lines > PLOT_LINES ? lines : PLOT_LINES);
    free(text);
}

static void test_it_fits(void **state)
{
    (void)state;
    static const int columns[] = {1, 30, 40, 80, 133, 200, 1000}, lines[] = {1, 10, 24, 61};
    struct charts charts = {0};
    fill(&charts);
    for (int mode = 0; mode < 4; mode++)
        for (int c = 0; c < COUNT_OF(columns); c++)
            for (int l = 0; l < COUNT_OF(lines); l++)
                for (int i = 0; i < charts.count; i++)
                    check_fits(&charts.list[i],
                               &(struct terminal){.columns = columns[c], .utf8 = mode & 1, .color = mode & 2},
                               lines[l]);
    charts_free(&charts);
}

static void test_nothing_is_nothing(void **state)
{
    (void)state;
    struct charts charts = {0};
    const struct terminal plain = {.columns = 80, .lines = 24};
    char *text = draw(chart_add(&charts, "none", "title", ""), &plain, 24);
    assert_string_equal(text ? text : "", "");
    free(text);
    charts_free(&charts);
}

static void look(struct terminal *terminal, const char *lc_all, const char *lang, const char *term, const char *columns)
{
    const char *const variables[][2] = {{"LC_ALL", lc_all}, {"LC_CTYPE", NULL},   {"LANG", lang},
                                        {"TERM", term},     {"COLUMNS", columns}, {"LINES", NULL},
                                        {"NO_COLOR", NULL}, {"FORCE_COLOR", "1"}};
    for (int i = 0; i < COUNT_OF(variables); i++)
        assert_int_equal(variables[i][1] ? setenv(variables[i][0], variables[i][1], 1) : unsetenv(variables[i][0]), 0);
    terminal_look(terminal, STDOUT_FILENO);
}

static void test_what_a_terminal_can_show(void **state)
{
    (void)state;
    int ends[2];
    struct terminal terminal;
    /* A pipe has no size of its own. */
    const int kept = dup(STDOUT_FILENO);
    fflush(stdout);
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDOUT_FILENO);
    look(&terminal, NULL, "de_DE.UTF-8", "xterm", NULL);
    const struct terminal unicode = terminal;
    look(&terminal, "C", "de_DE.UTF-8", "xterm", "133");
    const struct terminal ascii = terminal;
    look(&terminal, "", "en_US.utf8", "dumb", "0x50");
    const struct terminal dumb = terminal;
    setenv("NO_COLOR", "1", 1);
    terminal_look(&terminal, STDOUT_FILENO);
    dup2(kept, STDOUT_FILENO);
    assert_true(unicode.utf8 && unicode.color && !unicode.screen);
    assert_int_equal(unicode.columns, 80);
    assert_int_equal(unicode.lines, 24);
    assert_false(ascii.utf8);
    assert_int_equal(ascii.columns, 133);
    assert_false(dumb.utf8);
    assert_int_equal(dumb.columns, 80);
    assert_false(terminal.color);
}

/* ---- pictures ---- */

struct picture {
    uint8_t *rgb;
    int height, width;
};

static struct picture picture_of(const struct plot_page *page)
{
    struct picture picture = {0};
    const char *path = fixture_path("page.png");
    const int status = plot_write_png(page, path);
    if (status == ERR_UNSUPPORTED)
        skip();
    if (status < 0 || image_read(path, &picture.rgb, &picture.height, &picture.width) < 0)
        fail_msg("%s", fail_text());
    return picture;
}

/* Mean height, from above, of the pixels of that colour in a slice of the picture's width; NaN: there are none. */
static double level_of(const struct picture *picture, double from, double to, uint32_t colour)
{
    double sum = 0.0;
    int count = 0;
    for (int row = 0; row < picture->height; row++)
        for (int column = (int)(from * picture->width); column < (int)(to * picture->width); column++) {
            const uint8_t *rgb = picture->rgb + ((int64_t)row * picture->width + column) * 3;
            if ((uint32_t)(rgb[0] << 16 | rgb[1] << 8 | rgb[2]) == colour) {
                sum += row;
                count++;
            }
        }
    return count ? sum / count : NAN;
}

/* Two lines that cross: where each is, slice by slice. The frame's height comes from a limit at its top and bottom. */
static void test_picture_has_the_curves(void **state)
{
    (void)state;
    struct charts charts = {0};
    const struct plot_page page = {.title = "title", .subtitle = "", .charts = &charts};
    const uint32_t blue = chart_colours[CHART_BLUE].light, red = chart_colours[CHART_RED].light;
    double sinking[POINTS];
    for (int i = 0; i < POINTS; i++)
        sinking[i] = i >= 100 && i < 140 ? NAN : 1.0 - rising[i];
    struct chart *chart = chart_add(&charts, "a", "", "");
    chart->y.low = 0.0;
    chart->y.high = 1.0;
    chart_series_add(chart, CHART_LINE, CHART_BLUE, "", POINTS, x, rising);
    chart_series_add(chart, CHART_LINE, CHART_RED, "", POINTS, x, sinking);
    struct picture picture = picture_of(&page);
    const double left = level_of(&picture, 0.20, 0.25, blue), right = level_of(&picture, 0.85, 0.9, blue);
    const double left_red = level_of(&picture, 0.20, 0.25, red), right_red = level_of(&picture, 0.85, 0.9, red);
    assert_true(left > right + 0.2 * picture.height && right_red > left_red + 0.2 * picture.height);
    /* The middle of the rise lies half way up, and both lines mirror each other. */
    assert_true(fabs(left + left_red - right - right_red) < 4.0);
    assert_true(isnan(level_of(&picture, 0.62, 0.66, red))); /* the gap */
    assert_false(isnan(level_of(&picture, 0.62, 0.66, blue)));
    free(picture.rgb);
    charts_free(&charts);
}

static void test_pictures_of_all_marks_repeat(void **state)
{
    (void)state;
    struct charts charts = {0};
    struct plot_page page = {.title = "not UTF-8: \xff\xfe", .subtitle = "", .charts = &charts};
    fill(&charts);
    struct picture first = picture_of(&page), again = picture_of(&page);
    assert_int_equal(first.width, again.width);
    assert_memory_equal(first.rgb, again.rgb, (size_t)first.width * (size_t)first.height * 3);
    free(first.rgb);
    free(again.rgb);
    charts_free(&charts);
}

/* A long sentence is broken: the page grows, and nothing is written up to its edge. */
static void test_notes_are_broken_into_lines(void **state)
{
    (void)state;
    enum { WORDS = 60 };
    char text[PLOT_NOTE] = "", endless[PLOT_NOTE];
    const char *const notes[] = {text, endless};
    struct charts charts = {0};
    struct plot_page page = {.title = "", .subtitle = "", .charts = &charts, .notes = notes};
    for (int i = 0; i < WORDS; i++)
        strcat(text, i ? " mmmmm" : "mmmmm");
    memset(endless, 'm', sizeof endless);
    endless[sizeof endless - 1] = '\0';
    chart_series_add(chart_add(&charts, "a", "", ""), CHART_LINE, CHART_BLUE, "", POINTS, x, rising);
    struct picture without = picture_of(&page);
    page.note_count = 1;
    struct picture with = picture_of(&page);
    assert_true(with.height > without.height + 100);
    for (int row = without.height; row < with.height; row++)
        for (int column = with.width - 20; column < with.width; column++)
            assert_int_equal(with.rgb[((int64_t)row * with.width + column) * 3], 255);
    page.note_count = 2; /* one word without end is cut off, not turned into endless lines */
    struct picture more = picture_of(&page);
    assert_true(more.height < with.height + 100);
    free(without.rgb);
    free(with.rgb);
    free(more.rgb);
    charts_free(&charts);
}

/* Charts fill their rows: eight two of four, seven with the first twice as wide. */
static void test_rows_are_full(void **state)
{
    (void)state;
    int heights[10];
    for (int count = 6; count <= 9; count++) {
        struct charts charts = {0};
        const struct plot_page page = {.title = "", .subtitle = "", .charts = &charts};
        for (int i = 0; i < count; i++) {
            struct chart *chart = chart_add(&charts, "a", "", "");
            chart_series_add(chart, CHART_LINE, CHART_BLUE, "", POINTS, x, rising);
        }
        struct picture picture = picture_of(&page);
        heights[count] = picture.height;
        free(picture.rgb);
        charts_free(&charts);
    }
    assert_true(heights[6] == heights[7] && heights[7] == heights[8] && heights[9] > heights[8]);
}

static void test_picture_that_cannot_be_written(void **state)
{
    (void)state;
    struct charts charts = {0};
    const struct plot_page page = {.title = "", .subtitle = "", .charts = &charts};
    chart_series_add(chart_add(&charts, "a", "", ""), CHART_LINE, CHART_BLUE, "", POINTS, x, rising);
    const int status = plot_write_png(&page, "/nowhere/at/all.png");
    if (status == ERR_UNSUPPORTED)
        skip();
    CHECK_FAILS(status, ERR_CREATE, "/nowhere/at/all.png", "cannot create");
    charts_free(&charts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_letters),
        cmocka_unit_test(test_dots),
        cmocka_unit_test(test_whiskers),
        cmocka_unit_test(test_areas_and_flags),
        cmocka_unit_test(test_braille_follows_the_curve),
        cmocka_unit_test(test_it_fits),
        cmocka_unit_test(test_nothing_is_nothing),
        cmocka_unit_test(test_what_a_terminal_can_show),
        cmocka_unit_test_setup_teardown(test_picture_has_the_curves, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(test_pictures_of_all_marks_repeat, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(test_notes_are_broken_into_lines, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(test_rows_are_full, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(test_picture_that_cannot_be_written, fixture_begin, fixture_end),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
