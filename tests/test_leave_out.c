/* test_leave_out: samples that a list takes out of a subset, and lists that belong to other images. */
#include "data.h"
#include "tiny_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { IMAGES = 9 };
static int32_t labels[IMAGES] = {0, 1, 2, 0, 1, 2, 0, 1, 2};
static const struct dataset data = {.source = "photos", .count = IMAGES, .class_count = 3, .labels = labels};

static int leave_out(const char *text, struct subset *subset)
{
    char path[PATH_BYTES];
    assert_int_equal(path_join(path, tiny_folder, "list.csv"), OK);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(subset_all(subset, &data), OK);
    return subset_leave_out(subset, path);
}

static void expect(const char *text, const char *kept)
{
    struct subset subset;
    char list[64] = "";
    assert_int_equal(leave_out(text, &subset), OK);
    for (int64_t i = 0; i < subset.count; i++)
        snprintf(list + strlen(list), sizeof list - strlen(list), "%d", (int)subset.samples[i]);
    assert_string_equal(list, kept);
    subset_free(&subset);
}

static void test_lists(void **state)
{
    (void)state;
    expect("sample\n", "012345678");
    expect("sample\n0\n8\n4\n", "123567");
    expect("sample\n4\n4\n", "01235678"); /* twice is once */
    expect("file,sample,label,evidence\n\"a, \"\"b\"\"\",3,0,\"why, indeed\"\n,7,1,x\n", "0124568");
    expect("sample,part\n3,train\n4,val\n99,val\n", "01245678"); /* validation's are of other images */
    expect("sample\n0\n1\n2\n3\n4\n5\n6\n7\n8\n", "");
}

static void test_other_lists(void **state)
{
    (void)state;
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"", "no head line with a column 'sample'"},
        {"file,label\na,1\n", "no head line with a column 'sample'"},
        {"sample\n9\n", "row 2: its sample is no number from 0 to 8"},
        {"sample\n1\n-1\n", "row 3: its sample"},
        {"sample\nx\n", "row 2: its sample"},
        {"file,sample\nonly\n", "row 2: its sample"},
        {"sample,label\n3,1\n", "row 2: sample 3 has another label in photos"},
        {"sample,label\n3,\n", "row 2: sample 3 has another label"},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        struct subset subset;
        assert_int_equal(leave_out(cases[i].text, &subset), ERR_DATA);
        if (!strstr(fail_text(), cases[i].error))
            fail_msg("case %d: %s", i, fail_text());
        assert_int_equal(subset.count, IMAGES); /* as it was */
        subset_free(&subset);
    }
    struct subset subset;
    assert_int_equal(subset_all(&subset, &data), OK);
    assert_int_equal(subset_leave_out(&subset, "/nowhere/list.csv"), ERR_NO_INPUT);
    subset_free(&subset);
}

/* A run does not train on what is left out, and never sees it. */
static void test_run(void **state)
{
    (void)state;
    struct train_result result;
    char path[PATH_BYTES], words[2 * PATH_BYTES];
    assert_int_equal(path_join(path, tiny_folder, "out.csv"), OK);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("sample\n1\n5\n", file);
    assert_int_equal(fclose(file), 0);
    snprintf(words, sizeof words, "train.epochs=1 train.batch_size=1 train.threads=1 data.leave_out=%s", path);
    tiny_train_ok(NULL, words, &result);
    char *samples = tiny_read_text(result.path, "samples.csv");
    assert_non_null(strstr(samples, "\n0,"));
    assert_null(strstr(samples, "\n1,"));
    assert_non_null(strstr(samples, "\n2,"));
    assert_null(strstr(samples, "\n5,"));
    memory_give(samples);
    tiny_train_ok(NULL, "train.epochs=1 train.batch_size=1 train.threads=1", &result);
    samples = tiny_read_text(result.path, "samples.csv");
    assert_non_null(strstr(samples, "\n1,"));
    memory_give(samples);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_other_lists),
        cmocka_unit_test(test_run),
    };
    return cmocka_run_group_tests(tests, tiny_set_up, tiny_tear_down);
}
