/* test_say: lines for people, one each into a pipe, broken at words on a terminal, which here is one of this test's own
 * of 40 columns. */
#include "cli.h"

#include <fcntl.h>
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka wants the standard headers first */
#include <cmocka.h>

enum { SEEN = 1024 };

/* What a terminal, or else a pipe, gets to see. */
static void seen(char text[static SEEN], bool terminal, void (*say)(FILE *stream))
{
    int ends[2];
    if (terminal) {
        ends[0] = posix_openpt(O_RDWR | O_NOCTTY);
        assert_true(ends[0] >= 0 && grantpt(ends[0]) == 0 && unlockpt(ends[0]) == 0);
        ends[1] = open(ptsname(ends[0]), O_RDWR | O_NOCTTY);
    } else
        assert_int_equal(pipe(ends), 0);
    FILE *stream = fdopen(ends[1], "w");
    assert_non_null(stream);
    say(stream);
    fclose(stream); /* what it got stays to be read, and fits */
    ssize_t got = 0, more;
    while ((more = read(ends[0], text + got, (size_t)(SEEN - 1 - got))) > 0)
        got += more;
    text[got] = 0;
    size_t used = 0;
    for (char *at = text; *at; at++) /* a terminal ends lines with both */
        if (*at != '\r')
            text[used++] = *at;
    text[used] = 0;
    close(ends[0]);
}

static void say_line(FILE *stream)
{
    cli_say(stream, 8, "action", "make %d of the same images: lower train.batch_size", 2);
    cli_say(stream, 2, "  → ", "one");
}

static void say_lines(FILE *stream)
{
    cli_say_lines(stream, "Says why a run's loss\nfluctuates, and what to change:\n  evenkeel doctor RUN\nAlso now.");
}

static void test_a_line(void **state)
{
    (void)state;
    char text[SEEN];
    seen(text, true, say_line);
    assert_string_equal(text, "action  make 2 of the same images: lower\n        train.batch_size\n  → one\n");
    seen(text, false, say_line);
    assert_string_equal(text, "action  make 2 of the same images: lower train.batch_size\n  → one\n");
}

static void test_prose(void **state)
{
    (void)state;
    char text[SEEN];
    seen(text, true, say_lines);
    assert_string_equal(text,
                        "Says why a run's loss fluctuates, and\nwhat to change:\n  evenkeel doctor RUN\nAlso now.\n");
    seen(text, false, say_lines);
    assert_string_equal(text,
                        "Says why a run's loss\nfluctuates, and what to change:\n  evenkeel doctor RUN\nAlso now.\n");
}

int main(void)
{
    setlocale(LC_CTYPE, "C.UTF-8");
    setenv("COLUMNS", "40", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_line),
        cmocka_unit_test(test_prose),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
