/* test_cuda_cache: plans chosen by the CUDA backend are kept on disk: found again, never trusted when damaged or
 * foreign, written by several processes at once. Skipped where the CUDA backend is not built. */
#include "described.h"
#include "fixtures.h"

#ifdef WITH_CUDA
#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Of kernels/cuda/tune.h, which is private. */
void tune_cache_write(const char *key, const char *choice, float ms);

enum { PLANS = 3, NAME_BYTES = 64 };

static const union op_params conv = {.conv2d = {16, 3, 3, 1, 1, 1, 1, false}};
static const struct shape in = {4, 8, 8, 8}, out = {4, 8, 8, 16};

static int plan(void)
{
    return described_conv(&conv, in, out, DT_BF16, false);
}

/* The path of a file of the cache that is now in use. */
static const char *at(const char *cache, const char *name)
{
    return fixture_path("%s/evenkeel/plans/%s", cache, name);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Files of the cache, hidden ones too, in order. */
static int list(const char *cache, char names[static 16][NAME_BYTES])
{
    DIR *folder = opendir(at(cache, ""));
    int count = 0;
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 && count < 16)
            snprintf(names[count++], NAME_BYTES, "%.63s", entry->d_name);
    if (folder)
        closedir(folder);
    qsort(names, (size_t)count, NAME_BYTES, by_name);
    return count;
}

static void use(const char *cache)
{
    setenv("XDG_CACHE_HOME", fixture_path("%s", cache), 1);
}

/* Plans, and returns what was said on stderr; to free. */
static char *said_while_planning(void)
{
    const char *path = fixture_path("said");
    fflush(stderr);
    FILE *file = fopen(path, "w");
    const int kept = dup(STDERR_FILENO);
    assert_non_null(file);
    dup2(fileno(file), STDERR_FILENO);
    const int status = plan();
    fflush(stderr);
    dup2(kept, STDERR_FILENO);
    close(kept);
    fclose(file);
    assert_int_equal(status, OK);
    size_t bytes;
    char *text = (char *)fixture_read(path, &bytes);
    text = realloc(text, bytes + 1);
    assert_non_null(text);
    text[bytes] = '\0';
    return text;
}

static void check_said(const char *name, const char *reason)
{
    char *said = said_while_planning();
    if (reason ? !strstr(said, name) || !strstr(said, reason) : said[0] != '\0')
        fail_msg("%s, %s: said \"%s\"", name, reason ? reason : "nothing to say", said);
    free(said);
}

static void check_same(const char *path, const uint8_t *bytes, size_t count)
{
    size_t now;
    uint8_t *text = fixture_read(path, &now);
    assert_int_equal(now, count);
    assert_memory_equal(text, bytes, count);
    free(text);
}

static void test_finds_again(void **state)
{
    (void)state;
    char names[16][NAME_BYTES];
    struct stat before, after;
    use("again");
    assert_int_equal(plan(), OK);
    assert_int_equal(list("again", names), PLANS);
    assert_int_equal(stat(at("again", names[0]), &before), 0);
    check_said("", NULL);
    assert_int_equal(list("again", names), PLANS);
    assert_int_equal(stat(at("again", names[0]), &after), 0);
    assert_int_equal(before.st_ino, after.st_ino); /* not written again */
    assert_int_equal(described_conv(&conv, in, out, DT_F32, false), OK);
    assert_int_equal(list("again", names), 2 * PLANS);
    assert_int_equal(described_conv(&conv, in, out, DT_F32, true), OK);
    assert_int_equal(list("again", names), 3 * PLANS);
}

static void test_refuses_what_is_damaged(void **state)
{
    (void)state;
    char names[16][NAME_BYTES];
    size_t count;
    use("damaged");
    assert_int_equal(plan(), OK);
    assert_int_equal(list("damaged", names), PLANS);
    uint8_t *good = fixture_read(at("damaged", names[1]), &count), *bad = malloc(count);
    assert_non_null(bad);
    static const char other[] = "not a plan\n";
    for (size_t place = 0; place < count; place += count / 7) {
        memcpy(bad, good, count);
        bad[place] ^= 4;
        fixture_write(at("damaged", names[1]), bad, count);
        check_said(names[1], place == 0 ? "not a plan of this program" : "damaged");
        check_same(at("damaged", names[1]), good, count);
        fixture_write(at("damaged", names[1]), good, place);
        check_said(names[1], "damaged");
        check_same(at("damaged", names[1]), good, count);
    }
    fixture_write(at("damaged", names[1]), other, sizeof other - 1);
    check_said(names[1], "not a plan of this program");
    check_same(at("damaged", names[1]), good, count);
    free(bad);
    free(good);
}

static void test_refuses_what_is_foreign(void **state)
{
    (void)state;
    char names[16][NAME_BYTES];
    size_t count, other_count;
    use("foreign");
    assert_int_equal(plan(), OK);
    assert_int_equal(list("foreign", names), PLANS);
    uint8_t *good = fixture_read(at("foreign", names[0]), &count);
    uint8_t *other = fixture_read(at("foreign", names[1]), &other_count);
    fixture_write(at("foreign", names[0]), other, other_count);
    check_said(names[0], "kept for another layer or device");
    check_same(at("foreign", names[0]), good, count);

    /* Whole, for this layer, and no plan. */
    char *key = strchr((char *)good, '\n') + 1;
    *strchr(key, '\n') = '\0';
    tune_cache_write(key, "{\"not\": \"a plan\"}", 1.0f);
    check_said(names[0], "cuDNN does not take this plan");
    check_said("", NULL);
    free(other);
    free(good);
}

static void test_several_processes_at_once(void **state)
{
    (void)state;
    enum { PROCESSES = 4 };
    char names[16][NAME_BYTES];
    use("shared");
    for (int i = 0; i < PROCESSES; i++) {
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            _exit(plan() == OK ? 0 : 1);
    }
    for (int i = 0, code; i < PROCESSES; i++) {
        assert_true(wait(&code) > 0);
        assert_int_equal(code, 0);
    }
    assert_int_equal(list("shared", names), PLANS); /* and nothing left half done */
    check_said("", NULL);
}

/* Without a folder to write to, plans are chosen anew each time. */
static void test_needs_no_cache(void **state)
{
    (void)state;
    setenv("XDG_CACHE_HOME", "/dev/null", 1);
    check_said("/dev/null", "set XDG_CACHE_HOME to a folder that can be written");
    check_said("", NULL); /* once is enough */
}

static void test_folder_by_the_specification(void **state)
{
    (void)state;
    char names[16][NAME_BYTES];
    setenv("HOME", fixture_path("home"), 1);
    unsetenv("XDG_CACHE_HOME");
    assert_int_equal(plan(), OK);
    assert_int_equal(list("home/.cache", names), PLANS);
    setenv("XDG_CACHE_HOME", "relative", 1);
    setenv("HOME", fixture_path("house"), 1);
    assert_int_equal(plan(), OK);
    assert_int_equal(list("house/.cache", names), PLANS);
    assert_false(folder_exists("relative"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds_again),
        cmocka_unit_test(test_refuses_what_is_damaged),
        cmocka_unit_test(test_refuses_what_is_foreign),
        cmocka_unit_test(test_several_processes_at_once),
        cmocka_unit_test(test_needs_no_cache),
        cmocka_unit_test(test_folder_by_the_specification),
    };
    return cmocka_run_group_tests(tests, described_begin, described_end);
}
#else
static void test_without_cuda(void **state)
{
    (void)state;
    skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_without_cuda)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
