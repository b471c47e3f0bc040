/* test_base: file, log and parallel helpers, numbers in order, and the failure text. */
#include "base.h"
#include "file.h"
#include "log.h"
#include "order.h"
#include "parallel.h"
#include "text.h"

#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
/* cmocka wants the standard headers first */
#include <cmocka.h>

static char folder[PATH_BYTES];

static int make_folder(void **state)
{
    (void)state;
    const char *parent = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/evenkeel-base-XXXXXX", parent ? parent : "/tmp");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return folder_remove(folder);
}

static char *inside(const char *name)
{
    static char paths[4][PATH_BYTES];
    static int turn;
    char *path = paths[turn++ % 4];
    assert_int_equal(path_join(path, folder, name), OK);
    return path;
}

static void assert_content(const char *path, const char *expected)
{
    void *data;
    size_t bytes;
    assert_int_equal(file_read(path, 1 << 20, &data, &bytes), OK);
    assert_int_equal(bytes, strlen(expected));
    assert_string_equal((char *)data, expected);
    memory_give(data);
}

/* ---- file ---- */

static void test_paths(void **state)
{
    (void)state;
    char path[PATH_BYTES], *text = malloc(2 * PATH_BYTES);
    assert_int_equal(path_join(path, "a/", "b"), OK);
    assert_string_equal(path, "a/b");
    assert_int_equal(path_join(path, "/", "b"), OK);
    assert_string_equal(path, "/b");
    assert_int_equal(path_join(path, "", "b"), OK);
    assert_string_equal(path, "b");
    assert_string_equal(path_base("a/b.c"), "b.c");
    assert_string_equal(path_base("b.c"), "b.c");
    memset(text, 'x', 2 * PATH_BYTES - 1);
    text[2 * PATH_BYTES - 1] = 0;
    assert_int_equal(path_join(path, "a", text), ERR_CREATE);
    free(text);
}

static void test_read_failures(void **state)
{
    (void)state;
    void *data;
    size_t bytes;
    assert_int_equal(file_read(inside("absent"), 10, &data, &bytes), ERR_NO_INPUT);
    assert_non_null(strstr(fail_text(), "absent: cannot open: No such file"));
    assert_null(data);
    assert_int_equal(file_read(folder, 10, &data, &bytes), ERR_DATA);
    assert_non_null(strstr(fail_text(), "is a folder"));
    assert_int_equal(mkfifo(inside("pipe"), 0600), 0);
    assert_int_equal(file_read(inside("pipe"), 10, &data, &bytes), ERR_DATA); /* and does not hang */
    assert_int_equal(file_write(inside("eleven"), "12345678901", 11), OK);
    assert_int_equal(file_read(inside("eleven"), 10, &data, &bytes), ERR_DATA);
    assert_int_equal(file_read(inside("eleven"), 11, &data, &bytes), OK);
    assert_int_equal(bytes, 11);
    memory_give(data);
}

static int count_entries(void)
{
    char command[PATH_BYTES + 32];
    int count = -1;
    snprintf(command, sizeof command, "ls -A '%s' | wc -l", folder);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    assert_int_equal(fscanf(pipe, "%d", &count), 1);
    pclose(pipe);
    return count;
}

static void test_new_file(void **state)
{
    (void)state;
    struct new_file file;
    char *path = inside("result");
    assert_int_equal(file_write(path, "old", 3), OK);
    int entries = count_entries();
    assert_int_equal(new_file_open(&file, path), OK);
    fputs("new", file.stream);
    fflush(file.stream);
    assert_content(path, "old");
    new_file_abandon(&file);
    assert_content(path, "old");
    assert_int_equal(new_file_open(&file, path), OK);
    fputs("newer", file.stream);
    assert_int_equal(new_file_commit(&file), OK);
    assert_content(path, "newer");
    assert_int_equal(count_entries(), entries); /* no temporary is left */
    struct new_file zeroed = {0};
    new_file_abandon(&zeroed);
    assert_int_equal(new_file_open(&file, inside("no/such/folder")), ERR_CREATE);
    new_file_abandon(&file);
}

/* A limit on the file size fails as a full disk does: a short write, then an error. */
static void limit_file_size(rlim_t bytes)
{
    struct rlimit limit;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void test_full_disk(void **state)
{
    (void)state;
    struct append_file log;
    char *path = inside("full"), *log_path = inside("full.log");
    assert_int_equal(file_write(path, "old", 3), OK);
    assert_int_equal(append_open(&log, log_path, -1), OK);
    int entries = count_entries();
    static char big[100000];
    memset(big, 'x', sizeof big);
    limit_file_size(10000);
    int written = file_write(path, big, sizeof big);
    int first = append_write(&log, big, 6000), second = append_write(&log, big, 6000);
    int third = append_write(&log, big, 4000);
    limit_file_size(RLIM_INFINITY);
    assert_int_equal(written, ERR_IO);
    assert_content(path, "old");
    assert_int_equal(count_entries(), entries);
    assert_int_equal(first, OK);
    assert_int_equal(second, ERR_IO);
    assert_int_equal(third, OK);
    assert_int_equal(append_length(&log), 10000); /* whole records only */
    append_close(&log);
}

static void test_device_full(void **state)
{
    (void)state;
    struct append_file log;
    if (append_open(&log, "/dev/full", -1) != OK)
        skip();
    assert_int_equal(append_write(&log, "x", 1), ERR_IO);
    assert_non_null(strstr(fail_text(), "No space left"));
    append_close(&log);
}

static void test_read_only_folder(void **state)
{
    (void)state;
    struct append_file log;
    char *path = inside("locked"), *file = inside("locked/file"), *below = inside("locked/below");
    assert_int_equal(folder_make(path), OK);
    assert_int_equal(chmod(folder, 0755), 0);
    assert_int_equal(chmod(path, 0555), 0);
    bool root = geteuid() == 0; /* whom permissions do not stop */
    if (root && seteuid(65534) != 0)
        skip();
    int written = file_write(file, "x", 1), appended = append_open(&log, file, -1), made = folder_make(below);
    if (root)
        assert_int_equal(seteuid(0), 0);
    chmod(path, 0755);
    assert_int_equal(written, ERR_CREATE);
    assert_int_equal(appended, ERR_CREATE);
    assert_int_equal(made, ERR_CREATE);
    assert_non_null(strstr(fail_text(), "Permission denied"));
}

static void test_append(void **state)
{
    (void)state;
    struct append_file log;
    char *path = inside("log");
    assert_int_equal(append_open(&log, path, -1), OK);
    assert_int_equal(append_write(&log, "one\n", 4), OK);
    assert_int_equal(append_write(&log, "two\n", 4), OK);
    assert_int_equal(append_sync(&log), OK);
    append_close(&log);
    assert_int_equal(append_open(&log, path, 4), OK);
    assert_int_equal(append_write(&log, "2\n", 2), OK);
    append_close(&log);
    append_close(&log);
    assert_content(path, "one\n2\n");
    assert_int_equal(append_open(&log, path, 100), ERR_DATA); /* lost records are not papered over */
    assert_int_equal(log.descriptor, -1);
}

/* However the writer dies, what is there is whole records. */
static void test_append_killed(void **state)
{
    (void)state;
    char *path = inside("killed.log");
    off_t length = 0;
    for (int round = 0; round < 5; round++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            struct append_file log;
            if (append_open(&log, path, -1) == OK)
                while (append_write(&log, "0123456789abcde\n", 16) == OK)
                    ;
            _exit(1);
        }
        /* Let it write something, however busy the machine is. */
        struct stat status = {0};
        for (int i = 0; i < 5000 && status.st_size <= length; i++, usleep(1000))
            stat(path, &status);
        length = status.st_size;
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
    void *data;
    size_t bytes;
    assert_int_equal(file_read(path, 1 << 30, &data, &bytes), OK);
    assert_true(bytes > 0 && bytes % 16 == 0);
    for (size_t i = 0; i < bytes; i += 16)
        assert_memory_equal((char *)data + i, "0123456789abcde\n", 16);
    memory_give(data);
}

static void test_folders(void **state)
{
    (void)state;
    assert_int_equal(folder_make(inside("a/b//c/")), OK);
    assert_int_equal(folder_make(inside("a/b/c")), OK);
    assert_true(folder_exists(inside("a/b/c")));
    assert_int_equal(file_write(inside("a/file"), "x", 1), OK);
    assert_int_equal(symlink(folder, inside("a/link")), 0);
    assert_int_equal(folder_make(inside("a/file/d")), ERR_CREATE);
    assert_non_null(strstr(fail_text(), "a file of that name exists"));
    assert_int_equal(folder_make(""), ERR_CREATE);
    assert_int_equal(folder_remove(inside("a")), OK);
    assert_false(file_exists(inside("a")));
    assert_true(folder_exists(folder)); /* links are removed, not followed */
    assert_int_equal(folder_remove(inside("a")), OK);
}

/* ---- log ---- */

/* Runs write with stderr going to a file and returns what it wrote. */
static char *captured(void (*write)(void))
{
    static char text[16384];
    char *path = inside("stderr");
    fflush(stderr);
    int kept = dup(STDERR_FILENO), file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    dup2(file, STDERR_FILENO);
    write();
    fflush(stderr);
    dup2(kept, STDERR_FILENO);
    close(kept);
    ssize_t length = pread(file, text, sizeof text - 1, 0);
    close(file);
    assert_true(length >= 0);
    text[length] = 0;
    return text;
}

static void write_all(void)
{
    log_progress("hidden");
    log_info("plain %d", 1);
    log_warn("careful");
    log_error("broken");
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
    assert_string_equal(captured(write_all), "plain 1\nwarning: careful\nerror: broken\n");
    log_set_quiet(true);
    assert_string_equal(captured(write_all), "warning: careful\nerror: broken\n");
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
    assert_string_equal(arena_format(&arena, "%d-%s", 3, "x"), "3-x");
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
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),     cmocka_unit_test(test_read_failures), cmocka_unit_test(test_new_file),
        cmocka_unit_test(test_full_disk), cmocka_unit_test(test_device_full),   cmocka_unit_test(test_read_only_folder),
        cmocka_unit_test(test_append),    cmocka_unit_test(test_append_killed), cmocka_unit_test(test_folders),
        cmocka_unit_test(test_log_plain), cmocka_unit_test(test_log_color),     cmocka_unit_test(test_log_terminal),
        cmocka_unit_test(test_parallel),  cmocka_unit_test(test_failure_text),  cmocka_unit_test(test_arena),
        cmocka_unit_test(test_order),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
