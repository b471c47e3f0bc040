/* test_run_events: what others read of a run: the newest word of its log, past lines that a kill cut and lines that are
 * no JSON; how it ended. */
#include "file.h"
#include "run.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[256];

static void write_in(const char *name, const char *text)
{
    char path[PATH_BYTES];
    assert_int_equal(path_join(path, folder, name), OK);
    assert_int_equal(file_write(path, text, strlen(text)), OK);
}

static int make_folder(void **state)
{
    (void)state;
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/evenkeel-events-XXXXXX", base && base[0] ? base : "/tmp");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return folder_remove(folder);
}

static void add_number(const json_t *event, void *text)
{
    char *end = strchr(text, '\0');
    snprintf(end, 16, " %d", (int)json_integer_value(json_object_get(event, "n")));
}

static void test_events_of_some_kinds(void **state)
{
    (void)state;
    char seen[64] = "";
    assert_int_equal(run_read_events(folder, (const char *const[]){"data", NULL}, add_number, seen), ERR_NO_INPUT);
    assert_non_null(strstr(fail_text(), "log.jsonl: cannot open"));
    char path[PATH_BYTES];
    assert_int_equal(path_join(path, folder, "log.jsonl"), OK);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(run_read_events(folder, (const char *const[]){"data", NULL}, add_number, seen), ERR_DATA);
    assert_int_equal(unlink(path), 0);
    write_in("log.jsonl", "{\"ts\":\"t\",\"event\":\"data\",\"n\":1}\n"
                          "\n"
                          "{\"ts\":\"t\",\"event\":\"database\",\"n\":2}\n"
                          "{\"ts\":\"t\",\"event\":\"note\",\"text\":\"\\\"event\\\":\\\"data\\\"\",\"n\":3}\n"
                          "{\"ts\":\"t\",\"event\":\"data\",\"n\":\n"
                          "{\"ts\":\"t\",\"event\":\"images\",\"n\":4}\n"
                          "{\"ts\":\"t\",\"event\":\"data\",\"n\":5}\n"
                          "{\"ts\":\"t\",\"event\":\"data\",\"n\":6}");
    assert_int_equal(run_read_events(folder, (const char *const[]){"data", NULL}, add_number, seen), OK);
    assert_string_equal(seen, " 1 5");
    seen[0] = '\0';
    assert_int_equal(run_read_events(folder, (const char *const[]){"images", "data", NULL}, add_number, seen), OK);
    assert_string_equal(seen, " 1 4 5");
}

static void test_images_are_the_newest_count(void **state)
{
    (void)state;
    assert_true(run_read_images(folder) == 0.0);
    write_in("log.jsonl",
             "{\"event\":\"data\",\"train\":70}\n{\"event\":\"data\",\"train\":80}\n{\"event\":\"done\"}\n");
    assert_true(run_read_images(folder) == 80.0);
    write_in("log.jsonl", "{\"event\":\"data\",\"train\":null}\n");
    assert_true(run_read_images(folder) == 0.0);
}

static void test_end(void **state)
{
    (void)state;
    struct run_end end;
    run_read_end(folder, &end);
    assert_int_equal(end.kind, RUN_NONE);
    write_in("config.resolved.ini", "");
    run_read_end(folder, &end);
    assert_int_equal(end.kind, RUN_OPEN);
    write_in("FAILED", "no room\nmore of it\n");
    run_read_end(folder, &end);
    assert_int_equal(end.kind, RUN_FAILED);
    assert_string_equal(end.text, "no room");
    assert_int_equal(end.exit_status, 1);
    write_in("log.jsonl", "{\"event\":\"failed\",\"exit_status\":74}\n{\"event\":\"failed\",\"exit_status\":71}\n");
    run_read_end(folder, &end);
    assert_int_equal(end.exit_status, 71);
    write_in("DONE", "all of it\n");
    run_read_end(folder, &end);
    assert_int_equal(end.kind, RUN_DONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_events_of_some_kinds, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_images_are_the_newest_count, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_end, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
