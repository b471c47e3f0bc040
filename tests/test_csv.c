/* test_csv: rows of quoted text. */
#include "csv.h"
#include "fixtures.h"

/* All rows of text, cells in brackets, rows parted by slashes. */
static void check(const char *text, const char *expected)
{
    char copy[256], found[512] = "", *cells[4];
    strcpy(copy, text);
    struct csv csv = {copy, copy + strlen(copy)};
    for (int count, rows = 0; csv_row(&csv, cells, 4, &count); rows++) {
        strcat(found, rows ? "/" : "");
        for (int i = 0; i < count; i++) {
            strcat(found, "[");
            strcat(found, cells[i]);
            strcat(found, "]");
        }
    }
    assert_string_equal(found, expected);
}

static void test_rows(void **state)
{
    (void)state;
    check("", "");
    check("a,b\n1,2\n", "[a][b]/[1][2]");
    check("a,\n,b\n", "[a][]/[][b]");
    check("a,b\r\n1,2\r\n", "[a][b]/[1][2]");
    check("1,2,3,4,5,6\n7\n", "[1][2][3][4]/[7]");
}

static void test_quotes(void **state)
{
    (void)state;
    check("\"a,b\",c\n", "[a,b][c]");
    check("\"say \"\"hello\"\"\",\"\"\n", "[say \"hello\"][]");
    check("\"two\nlines\",x\n", "[two\nlines][x]");
    check("\"kept\r\"\nx\n", "[kept\r]/[x]");
}

static void test_a_torn_last_row_is_left_out(void **state)
{
    (void)state;
    check("a,b\n1,2", "[a][b]");
    check("a,b\n\"1,2\n", "[a][b]");
}

static void test_columns(void **state)
{
    (void)state;
    char words[3][8] = {"sample", "class", "file"}, *head[] = {words[0], words[1], words[2]};
    assert_int_equal(csv_column(head, 3, "file"), 2);
    assert_int_equal(csv_column(head, 3, "loss"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_quotes),
        cmocka_unit_test(test_a_torn_last_row_is_left_out),
        cmocka_unit_test(test_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
