/* test_table: tables of numbers as a run leaves them: whole, torn, damaged. */
#include "fixtures.h"
#include "table.h"

#include <math.h>

static int parse(struct table *table, const char *text)
{
    return table_parse(table, "steps.csv", text, strlen(text));
}

static void test_reads_columns(void **state)
{
    (void)state;
    struct table table;
    assert_int_equal(parse(&table, "step,loss,lr\n0,2.5,1e-3\n1,,0.5\n2,nan,inf\n"), OK);
    assert_int_equal(table.column_count, 3);
    assert_int_equal(table.row_count, 3);
    const double *loss = table_column(&table, "loss"), *lr = table_column(&table, "lr");
    assert_true(loss[0] == 2.5 && isnan(loss[1]) && isnan(loss[2]));
    assert_true(lr[0] == 1e-3 && lr[1] == 0.5 && isinf(lr[2]));
    assert_null(table_column(&table, "los"));
    const double *none = table_column_or_nan(&table, "cosine");
    assert_true(isnan(none[0]) && isnan(none[2]));
    assert_ptr_equal(table_column_or_nan(&table, "lr"), lr);
    table_free(&table);
}

static void test_torn_last_line_is_left_out(void **state)
{
    (void)state;
    const char *whole = "a,b\n1,2\n3,45\n";
    for (size_t cut = 4; cut <= strlen(whole); cut++) {
        struct table table;
        assert_int_equal(table_parse(&table, "t", whole, cut), OK);
        assert_int_equal(table.row_count, cut < 8 ? 0 : cut < strlen(whole) ? 1 : 2);
        table_free(&table);
    }
}

static void test_what_is_no_table(void **state)
{
    (void)state;
    struct table table;
    CHECK_FAILS(parse(&table, ""), ERR_DATA, "steps.csv", "no head line");
    CHECK_FAILS(parse(&table, "a,b"), ERR_DATA, "no head line");
    CHECK_FAILS(parse(&table, "a,b\n1,2\n1\n"), ERR_DATA, "steps.csv:3:", "1 cells", "head has 2");
    CHECK_FAILS(parse(&table, "a,b\n1,2\n1,2x\n"), ERR_DATA, "steps.csv:3:", "b is '2x'");
    CHECK_FAILS(parse(&table, "a\n 1\n"), ERR_DATA, "steps.csv:2:", "no number");
    CHECK_FAILS(table_parse(&table, "t", "a\0b\n1\n", 6), ERR_DATA, "no head line");
    CHECK_FAILS(table_read(&table, fixture_path("absent.csv")), ERR_NO_INPUT, "absent.csv");
}

static void test_from_a_file(void **state)
{
    (void)state;
    struct table table;
    const char *path = fixture_path("t.csv"), text[] = "a,b\n1,2\n";
    fixture_write(path, text, sizeof text - 1);
    assert_int_equal(table_read(&table, path), OK);
    assert_true(table_column(&table, "b")[0] == 2.0);
    table_free(&table);
}

static void test_salvage_leaves_out_what_cannot_be_read(void **state)
{
    (void)state;
    static const char text[] = "a,b\n1,2\n3\n5,x\n7,8\n9,10,11\n12,13\n14";
    const char *path = fixture_path("damaged.csv");
    struct table table;
    struct table_damage damage;
    fixture_write(path, text, sizeof text - 1);
    assert_int_equal(table_salvage(&table, path, &damage), OK);
    assert_int_equal(table.row_count, 3);
    const double *b = table_column(&table, "b");
    assert_true(b[0] == 2.0 && b[1] == 8.0 && b[2] == 13.0);
    assert_int_equal(damage.rows, 3);
    assert_non_null(strstr(damage.first, "damaged.csv:3: has 1 cells"));
    table_free(&table);
    /* The line is that of the file, also after others were left out. */
    fixture_write(path, "a,b\n1,2\n1,2\n1,y\n", 16);
    assert_int_equal(table_salvage(&table, path, &damage), OK);
    assert_non_null(strstr(damage.first, "damaged.csv:4: b is 'y'"));
    table_free(&table);
    fixture_write(path, "", 0);
    assert_int_equal(table_salvage(&table, path, &damage), OK);
    assert_true(table.row_count == 0 && damage.rows == 1 && strstr(damage.first, "no head line"));
    table_free(&table);
    fixture_write(path, "a\n1\n", 4);
    assert_int_equal(table_salvage(&table, path, &damage), OK);
    assert_true(table.row_count == 1 && damage.rows == 0);
    table_free(&table);
    CHECK_FAILS(table_salvage(&table, fixture_path("none.csv"), &damage), ERR_NO_INPUT, "none.csv");
}

/* Rows are added in every way a writer can be caught at: none, half a row, many. The columns are those of the whole. */
static void test_follows_a_file_that_grows(void **state)
{
    (void)state;
    enum { ROWS = 3000, CUTS = 7 };
    static char text[ROWS * 24];
    int length = snprintf(text, sizeof text, "a,b\n");
    for (int i = 0; i < ROWS; i++)
        length += snprintf(text + length, sizeof text - (size_t)length, "%d,%g\n", i, 0.5 * i);
    const int cuts[CUTS] = {4, 4, 9, 30, 1000, 1001, length};
    struct table table = {0};
    const char *path = fixture_path("grows.csv");
    for (int i = 0; i < CUTS; i++) {
        fixture_write(path, text, (size_t)cuts[i]);
        assert_int_equal(table_follow(&table, path), OK);
        int64_t rows = -1;
        for (int k = 0; k < cuts[i]; k++)
            rows += text[k] == '\n';
        assert_int_equal(table.row_count, rows);
        const double *a = table_column(&table, "a"), *b = table_column(&table, "b");
        for (int64_t r = 0; r < rows; r++)
            assert_true(a[r] == (double)r && b[r] == 0.5 * (double)r);
    }
    table_free(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_columns),
        cmocka_unit_test(test_torn_last_line_is_left_out),
        cmocka_unit_test(test_what_is_no_table),
        cmocka_unit_test_setup_teardown(test_from_a_file, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(test_salvage_leaves_out_what_cannot_be_read, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(test_follows_a_file_that_grows, fixture_begin, fixture_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
