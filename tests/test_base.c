/* test_base: log and parallel helpers, numbers in order, arenas, and the failure text. */
#include "base.h"
#include "file.h"
#include "log.h"
#include "order.h"
#include "parallel.h"

#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka wants the standard headers first */
#include <cmocka.h>

/* Runs write with stderr going to a file and returns what it wrote. */
static char *captured(void (*write)(void))
{
    static char text[16384];
    FILE *file = tmpfile();
    assert_non_null(file);
    fflush(stderr);
    int kept = dup(STDERR_FILENO);
    dup2(fileno(file), STDERR_FILENO);
    write();
    fflush(stderr);
    dup2(kept, STDERR_FILENO);
    close(kept);
    ssize_t length = pread(fileno(file), text, sizeof text - 1, 0);
    fclose(file);
    assert_true(length >= 0);
    text[length] = 0;
    return text;
}

static void write_all(void)
{
    log_progress("hidden");
    log_info("plain %d", 1);
    log_warn("careful");
    log_error("broken\n\033[2J");
    log_progress_end();
}

static void write_long(void)
{
    static char big[10000];
    memset(big, 'y', sizeof big - 1);
    log_info("%s", big);
}

static void test_log_plain(void **state)
{
    (void)state;
    assert_true(log_set_color("never"));
    assert_string_equal(captured(write_all), "plain 1\nwarning: careful\nerror: broken??[2J\n");
    log_set_quiet(true);
    assert_string_equal(captured(write_all), "warning: careful\nerror: broken??[2J\n");
    log_set_quiet(false);
    char *text = captured(write_long);
    assert_true(strlen(text) > 4000 && text[strlen(text) - 1] == '\n');
    assert_false(log_set_color("sometimes"));
}

static bool colored(void)
{
    assert_true(log_set_color("auto"));
    return strlen(log_style(LOG_RED)) > 0;
}

static void write_nothing(void)
{
    /* stderr is a file here: no colour unless forced. */
    static const struct {
        const char *name, *value;
        bool colored;
    } steps[] = {{"TERM", "xterm", false},   {"FORCE_COLOR", "0", false},   {"FORCE_COLOR", "1", true},
                 {"FORCE_COLOR", "", false}, {"CLICOLOR_FORCE", "1", true}, {"TERM", "dumb", true},
                 {"NO_COLOR", "", true},     {"NO_COLOR", "1", false}};
    for (int i = 0; i < COUNT_OF(steps); i++) {
        setenv(steps[i].name, steps[i].value, 1);
        if (colored() != steps[i].colored)
            printf("step %d\n", i);
        assert_int_equal(colored(), steps[i].colored);
    }
    assert_true(log_set_color("always"));
    assert_string_equal(log_style(LOG_RED), "\033[31m");
}

static void test_log_color(void **state)
{
    (void)state;
    unsetenv("NO_COLOR");
    unsetenv("FORCE_COLOR");
    unsetenv("CLICOLOR_FORCE");
    captured(write_nothing);
    unsetenv("NO_COLOR");
    unsetenv("CLICOLOR_FORCE");
    log_set_color("never");
}

static void test_log_terminal(void **state)
{
    (void)state;
    int terminal = posix_openpt(O_RDWR | O_NOCTTY);
    if (terminal < 0 || grantpt(terminal) != 0 || unlockpt(terminal) != 0)
        skip();
    int end = open(ptsname(terminal), O_RDWR | O_NOCTTY);
    if (end < 0)
        skip();
    setenv("TERM", "xterm", 1);
    log_set_color("never");
    fflush(stderr);
    int kept = dup(STDERR_FILENO);
    dup2(end, STDERR_FILENO);
    bool is_terminal = log_is_terminal();
    double from = clock_seconds();
    log_progress("step %d", 1);
    log_progress("too soon");
    bool soon = clock_seconds() - from < 0.09;
    log_info("line");
    char wide[200];
    memset(wide, 'w', sizeof wide - 1);
    wide[sizeof wide - 1] = 0;
    log_progress("%s", wide);
    log_progress_end();
    dup2(kept, STDERR_FILENO);
    close(kept);
    char text[1024] = "", expected[1024];
    wide[79] = 0;
    snprintf(expected, sizeof expected, "\r\033[Kstep 1\r\033[Kline\r\n\r\033[K%s\r\033[K", wide);
    /* A terminal hands over what was written in pieces. */
    size_t length = 0;
    for (ssize_t got = 1; is_terminal && got > 0 && length < strlen(expected); length += (size_t)got)
        got = read(terminal, text + length, sizeof text - 1 - length);
    close(end);
    close(terminal);
    assert_true(is_terminal);
    if (!soon)
        skip(); /* the machine was too busy for the second call to come soon */
    assert_string_equal(text, expected);
}

/* ---- parallel ---- */

static int square(void *context, int64_t i)
{
    ((int64_t *)context)[i] = i * i;
    return OK;
}

struct trouble {
    int64_t slow; /* which of the failing items takes long */
    atomic_int done;
};

static int fail_on_some(void *context, int64_t i)
{
    struct trouble *trouble = context;
    /* Long enough that another thread has come to 22 before 20 fails, either way. */
    if (i == 20 || i == 22)
        usleep(i == trouble->slow ? 30000 : 10000);
    if (i == 20 || i >= 22)
        return FAIL(ERR_DATA, "item %lld is bad", (long long)i);
    atomic_fetch_add(&trouble->done, 1);
    return OK;
}

static void test_parallel(void **state)
{
    (void)state;
    static int64_t squares[1000];
    for (int threads = 0; threads < 5; threads++) {
        memset(squares, 0, sizeof squares);
        assert_int_equal(parallel_for(COUNT_OF(squares), threads, square, squares), OK);
        for (int64_t i = 0; i < COUNT_OF(squares); i++)
            assert_int_equal(squares[i], i * i);
        /* The lowest wins whether it fails last or first. */
        for (int64_t slow = 20; slow <= 22; slow += 2) {
            struct trouble trouble = {.slow = slow};
            assert_int_equal(parallel_for(1000, threads, fail_on_some, &trouble), ERR_DATA);
            assert_string_equal(fail_text(), "item 20 is bad");
            assert_true(trouble.done >= 20); /* all below the failure were done */
        }
    }
    assert_int_equal(parallel_for(0, 4, square, NULL), OK);
}

static void test_failure_text(void **state)
{
    (void)state;
    assert_int_equal(FAIL(ERR_IO, "first"), ERR_IO);
    assert_int_equal(FAIL(ERR_DATA, "second after %s", fail_text()), ERR_DATA);
    assert_string_equal(fail_text(), "second after first");
    assert_non_null(strstr(fail_origin(), "test_base.c:"));
    assert_int_equal(status_exit_code(ERR_CONFIG), 78);
    assert_int_equal(status_exit_code(ERR_DATA), 65);
    assert_int_equal(status_exit_code(OK), 0);
}

static void test_arena(void **state)
{
    (void)state;
    struct arena arena = {0};
    for (size_t i = 0; i < 300; i++) {
        unsigned char *memory = arena_push(&arena, i * 7);
        assert_int_equal((uintptr_t)memory % 64, 0);
        for (size_t j = 0; j < i * 7; j++)
            assert_int_equal(memory[j], 0);
        memset(memory, 0xAA, i * 7);
    }
    const char *format = arena_format(&arena, "%d-%s", 3, "x"), *text = arena_text(&arena, "four");
    assert_string_equal(format, "3-x");
    assert_string_equal(text, "four");
    assert_ptr_equal(text, format + 4);
    int64_t *numbers;
    assert_int_equal(arena_take(&arena, &numbers, 8, "numbers"), OK);
    assert_true((uintptr_t)numbers % 64 == 0 && *numbers == 0);
    for (size_t bytes = SIZE_MAX; bytes > SIZE_MAX / 8; bytes -= SIZE_MAX / 8) {
        assert_int_equal(arena_take(&arena, &numbers, bytes, "numbers"), ERR_MEMORY);
        assert_null(numbers);
        assert_non_null(strstr(fail_text(), "numbers"));
    }
    memset(arena_push(&arena, 1 << 20), 1, 1 << 20);
    arena_free(&arena);
    arena_free(&arena);
}

static void test_order(void **state)
{
    (void)state;
    double odd[] = {3, NAN, -1, 2}, even[] = {4, -2, NAN, 1, NAN, 8}, none[] = {NAN, NAN},
           sorted[] = {1, -1, INFINITY, 0};
    assert_true(median_of_known(odd, 4) == 2 && odd[0] == -1 && odd[2] == 3);
    assert_true(median_of_known(even, 6) == 2.5);
    assert_true(isnan(median_of_known(none, 2)) && isnan(median_of_known(none, 0)));
    sort_doubles(sorted, 4);
    assert_true(sorted[0] == -1 && sorted[1] == 0 && sorted[2] == 1 && sorted[3] == INFINITY);
    sort_doubles(sorted, 0);
    assert_true(whole_of(2.9) == 2 && whole_of(-2.9) == -2 && whole_of(NAN) == 0);
    assert_true(whole_of(INFINITY) == (int64_t)1 << 53 && whole_of(-1e300) == -((int64_t)1 << 53));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_plain), cmocka_unit_test(test_log_color),    cmocka_unit_test(test_log_terminal),
        cmocka_unit_test(test_parallel),  cmocka_unit_test(test_failure_text), cmocka_unit_test(test_arena),
        cmocka_unit_test(test_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
