/* test_text: parsing of numbers, suggestions, JSON text, sizes for people. */
#include "text.h"

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the standard headers first */
#include <cmocka.h>

static void test_integers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
        int64_t value;
    } cases[] = {
        {"0", true, 0},
        {"-17", true, -17},
        {"+5", true, 5},
        {"9223372036854775807", true, INT64_MAX},
        {"9223372036854775808", false, 0},
        {"-9223372036854775808", true, INT64_MIN},
        {"", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"6x4", false, 0},
        {"1.0", false, 0},
        {"0x10", false, 0},
        {"-", false, 0},
        {"+-1", false, 0},
        {"1e3", false, 0},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        int64_t value = 0;
        if (text_to_int64(cases[i].text, &value) != cases[i].good || value != cases[i].value)
            fail_msg("'%s' gave %lld", cases[i].text, (long long)value);
    }
}

static void test_doubles(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
        double value;
    } cases[] = {
        {"0.001", true, 0.001},
        {"1e-3", true, 1e-3},
        {"-.5", true, -.5},
        {"5.", true, 5},
        {"4.9e-324", true, 4.9e-324},
        {"1e-400", false, 0},
        {"1e400", false, 0},
        {"nan", false, 0},
        {"inf", false, 0},
        {"-Infinity", false, 0},
        {"0x1p3", false, 0},
        {"0,001", false, 0},
        {"1.0f", false, 0},
        {" 1", false, 0},
        {"", false, 0},
        {"e", false, 0},
        {"1e", false, 0},
        {"--1", false, 0},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        double value = 0;
        if (text_to_double(cases[i].text, &value) != cases[i].good || value != cases[i].value)
            fail_msg("'%s' gave %g", cases[i].text, value);
    }
}

static void test_bools(void **state)
{
    (void)state;
    bool value = false;
    assert_true(text_to_bool("true", &value) && value);
    assert_true(text_to_bool("Off", &value) && !value);
    assert_true(text_to_bool("1", &value) && value);
    assert_false(text_to_bool("2", &value));
    assert_false(text_to_bool("", &value));
}

static void test_trim_and_copy(void **state)
{
    (void)state;
    char text[] = " \t a b \r\n", blank[] = "  ", small[4];
    assert_string_equal(text_trim(text), "a b");
    assert_string_equal(text_trim(blank), "");
    assert_true(text_copy(small, sizeof small, "abc"));
    assert_false(text_copy(small, sizeof small, "abcd"));
    assert_string_equal(small, "abc");
}

static void test_distance(void **state)
{
    (void)state;
    assert_int_equal(text_distance("", "", 2), 0);
    assert_int_equal(text_distance("momentum", "momentum", 2), 0);
    assert_int_equal(text_distance("momentun", "momentum", 2), 1);
    assert_int_equal(text_distance("mometnum", "momentum", 2), 1); /* a swap is one change */
    assert_int_equal(text_distance("ca", "abc", 3), 3);            /* optimal string alignment, not the unrestricted */
    assert_int_equal(text_distance("kitten", "sitting", 5), 3);
    assert_int_equal(text_distance("kitten", "sitting", 2), 3); /* capped at limit + 1 */
    assert_int_equal(text_distance("LR", "lr", 2), 0);
}

static void test_suggest(void **state)
{
    (void)state;
    static const char *const words[] = {"lr",         "momentum",   "weight_decay", "min_lr",
                                        "batch_size", "batch_norm", "batch"};
    const char *found[TEXT_SUGGESTIONS];
    assert_int_equal(text_suggest("momentun", words, COUNT_OF(words), found), 1);
    assert_string_equal(found[0], "momentum");
    assert_int_equal(text_suggest("batch", words, COUNT_OF(words), found), 3);
    assert_string_equal(found[0], "batch");
    assert_string_equal(found[1], "batch_size");
    assert_int_equal(text_suggest("zzzzzz", words, COUNT_OF(words), found), 0);
    assert_int_equal(text_suggest("", words, COUNT_OF(words), found), 0);
    assert_int_equal(text_suggest("xy", words, COUNT_OF(words), found), 0); /* two changes of two letters: no */
}

static void test_json(void **state)
{
    (void)state;
    char text[64];
    assert_int_equal(text_json(text, sizeof text, "a\"b\\c\n\x01\t"), 19);
    assert_string_equal(text, "\"a\\\"b\\\\c\\n\\u0001\\t\"");
    text_json(text, sizeof text, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    assert_string_equal(text, "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
    text_json(text, sizeof text, "\xff\xc3(\xed\xa0\x80\xe2\x82");
    assert_string_equal(text, "\"\\ufffd\\ufffd(\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\"");
    assert_int_equal(text_json(NULL, 0, "abc"), 5);
    struct arena arena = {0};
    assert_string_equal(text_quote(&arena, "a\"\xff"), "\"a\\\"\\ufffd\"");
    arena_free(&arena);
    assert_true(text_is_utf8("") && text_is_utf8("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"));
    assert_false(text_is_utf8("caf\xe9") || text_is_utf8("\xe2\x82") || text_is_utf8("\xffx"));
    assert_int_equal(text_json(text, 4, "abc"), 5);
    assert_string_equal(text, "\"ab");
}

static void test_sizes(void **state)
{
    (void)state;
    char text[24];
    static const struct {
        void (*print)(char *, double);
        double number;
        const char *expected;
    } cases[] = {
        {text_count, 999, "999"},
        {text_count, 1234567, "1.23 M"},
        {text_count, 999999, "1.00 M"},
        {text_count, 0, "0"},
        {text_bytes, 1536, "1.50 KiB"},
        {text_bytes, 12, "12 B"},
        {text_bytes, 1023.9 * 1024, "1.00 MiB"},
        {text_duration, 3725, "1:02:05"},
        {text_duration, 59.7, "1:00"},
        {text_duration, 3.21, "3.2 s"},
        {text_duration, 42, "42 s"},
        {text_duration, 3599.6, "1:00:00"},
        {text_duration, -1, "-"},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        cases[i].print(text, cases[i].number);
        assert_string_equal(text, cases[i].expected);
    }
}

static void test_shell(void **state)
{
    (void)state;
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"runs/photos-2", "runs/photos-2"},
        {"my runs/a", "'my runs/a'"},
        {"it's", "'it'\\''s'"},
        {"", "''"},
        {"$(x)", "'$(x)'"},
        {"é", "'é'"},
    };
    char text[32];
    for (int i = 0; i < COUNT_OF(cases); i++) {
        text_shell(text, sizeof text, cases[i].text);
        assert_string_equal(text, cases[i].expected);
    }
}

static void test_columns(void **state)
{
    (void)state;
    if (!setlocale(LC_CTYPE, "C.UTF-8"))
        skip();
    assert_int_equal(text_columns("abc"), 3);
    assert_int_equal(text_columns("Wäldchen"), 8);
    assert_int_equal(text_columns("森林"), 4);
    assert_int_equal(text_columns("e\xcc\x81"), 1);
    assert_int_equal(text_columns("a\xff\xe6z"), 4);
    assert_int_equal(text_columns(""), 0);
}

static void test_wrap(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int indent, columns;
        const char *wrapped;
    } cases[] = {
        {"", 4, 10, ""},
        {"one two", 4, 80, "one two"},
        {"one two three", 4, 11, "one two\n    three"},
        {"one two three", 4, 10, "one\n    two\n    three"},
        {"one  two", 0, 8, "one  two"}, /* blanks between words are kept */
        {"äöü ßßß", 2, 9, "äöü ßßß"},   /* letters are counted, not bytes */
        {"äöü ßßß", 2, 8, "äöü\n  ßßß"},
        {"a/path/longer/than/a/line then", 2, 8, "a/path/longer/than/a/line\n  then"},
        {"then a/path/longer/than/a/line", 2, 8, "then\n  a/path/longer/than/a/line"},
    };
    if (!setlocale(LC_CTYPE, "C.UTF-8"))
        skip();
    char to[128];
    for (int i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(text_wrap(to, sizeof to, cases[i].text, cases[i].indent, cases[i].columns),
                         strlen(cases[i].wrapped));
        assert_string_equal(to, cases[i].wrapped);
    }
    assert_int_equal(text_wrap(to, 6, "one two three", 0, 80), 5);
    assert_string_equal(to, "one t");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrap),    cmocka_unit_test(test_integers),      cmocka_unit_test(test_doubles),
        cmocka_unit_test(test_bools),   cmocka_unit_test(test_trim_and_copy), cmocka_unit_test(test_distance),
        cmocka_unit_test(test_suggest), cmocka_unit_test(test_json),          cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_shell),   cmocka_unit_test(test_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
