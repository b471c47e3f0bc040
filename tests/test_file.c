/* test_file: whole files, files that are complete or absent, logs, folders. */
#include "file.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
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

/* What is at the place of an output is never replaced by something of another kind. */
static void test_new_file_over_what_is_there(void **state)
{
    (void)state;
    struct stat status;
    struct new_file file;
    char *fifo = strdup(inside("fifo")), *link = strdup(inside("link")), *device = strdup(inside("full")), got[8] = "";
    assert_int_equal(file_write(inside("target"), "old", 3), OK);
    assert_int_equal(symlink("target", link), 0);
    assert_int_equal(file_write(link, "new", 3), OK);
    assert_content(inside("target"), "new");
    assert_true(lstat(link, &status) == 0 && S_ISLNK(status.st_mode));
    unlink(inside("target"));
    assert_int_equal(file_write(link, "new", 3), ERR_CREATE);
    assert_non_null(strstr(fail_text(), "link"));
    assert_int_equal(new_file_open(&file, folder), ERR_CREATE);
    /* A pipe: without a reader it does not hang, with one it takes the bytes, and it stays a pipe. */
    assert_int_equal(mkfifo(fifo, 0600), 0);
    alarm(20);
    const int entries = count_entries();
    assert_int_equal(file_write(fifo, "new", 3), ERR_CREATE);
    assert_non_null(strstr(fail_text(), fifo));
    struct append_file log;
    assert_int_equal(append_open(&log, fifo, 0), ERR_CREATE);
    assert_non_null(strstr(fail_text(), fifo));
    const int reader = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(reader >= 0);
    assert_int_equal(file_write(fifo, "new", 3), OK);
    assert_int_equal(read(reader, got, sizeof got), 3);
    assert_string_equal(got, "new");
    assert_int_equal(new_file_open(&file, fifo), OK);
    new_file_abandon(&file);
    close(reader);
    alarm(0);
    assert_true(lstat(fifo, &status) == 0 && S_ISFIFO(status.st_mode));
    /* A disk that is full, where this user may make one. */
    if (mknod(device, S_IFCHR | 0600, makedev(1, 7)) == 0) {
        const int written = file_write(device, "new", 3);
        assert_true(written == ERR_IO || written == ERR_CREATE); /* the second: devices are not opened here */
        assert_true(lstat(device, &status) == 0 && S_ISCHR(status.st_mode));
        unlink(device);
    }
    assert_int_equal(count_entries(), entries);
    unlink(fifo);
    unlink(link);
    free(fifo);
    free(link);
    free(device);
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

/* However the writer dies, what is there is whole records: none of these lies across the end of a page. */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_read_failures),
        cmocka_unit_test(test_new_file),
        cmocka_unit_test(test_new_file_over_what_is_there),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_device_full),
        cmocka_unit_test(test_read_only_folder),
        cmocka_unit_test(test_append),
        cmocka_unit_test(test_append_killed),
        cmocka_unit_test(test_folders),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
