/* Lists and tar shards: what is read of them, in which order, under which classes; held in memory or not. */
#include "shelf.h"

#include "loader.h"

#include <sys/stat.h>
#include <unistd.h>

enum { H = 6, W = 5, BYTES = H * W * 3 };

static const struct dataset_options plain = {.threads = 2}, unheld = {.threads = 2, .memory = 1};

static void check_picture(const struct dataset *dataset, int64_t sample, int shade)
{
    uint8_t want[BYTES], got[BYTES];
    fixture_picture(want, H, W, shade);
    assert_int_equal(dataset_image(dataset, sample, got), OK);
    assert_memory_equal(got, want, BYTES);
    if (dataset->pixels)
        assert_memory_equal(dataset->pixels + sample * BYTES, want, BYTES);
}

/* Samples with the shades and labels given, held or not. */
static void check_set(const char *path, const char *format, int count, const int *shades, const int *labels)
{
    for (int held = 0; held < 2; held++) {
        struct dataset dataset;
        if (dataset_open(&dataset, path, held ? &plain : &unheld) != OK)
            fail_msg("%s: %s", path, fail_text());
        assert_string_equal(dataset.format, format);
        assert_int_equal(dataset.count, count);
        assert_int_equal(dataset.image.h, H);
        assert_int_equal(dataset.image.w, W);
        assert_true(held == (dataset.pixels != NULL));
        for (int i = 0; i < count; i++) {
            check_picture(&dataset, i, shades[i]);
            assert_int_equal(dataset.labels[i], labels[i]);
        }
        dataset_close(&dataset);
    }
}

static void make_pictures(int count)
{
    for (int i = 0; i < count; i++)
        fixture_png(fixture_path("pictures/%d.png", i), H, W, i);
}

static void write_text(const char *path, const char *text)
{
    fixture_write(path, text, strlen(text));
}

/* ---- lists ---- */

static void test_list_of_names(void **state)
{
    (void)state;
    struct dataset dataset;
    make_pictures(4);
    rename(fixture_path("pictures/3.png"), fixture_path("pictures/a b,c.png"));
    char absolute[PATH_BYTES];
    snprintf(absolute, sizeof absolute,
             "# a comment\r\n\r\npictures/2.png\twasp\r\npictures/0.png, ant\n%s bee\n"
             "pictures/a b,c.png\tant",
             fixture_path("pictures/1.png"));
    write_text(fixture_path("list.txt"), absolute);
    check_set(fixture_path("list.txt"), "list", 4, (int[]){2, 0, 1, 3}, (int[]){2, 0, 1, 0});
    assert_int_equal(dataset_open(&dataset, fixture_path("list.txt"), &plain), OK);
    assert_int_equal(dataset.class_count, 3);
    assert_string_equal(dataset.class_names[0], "ant");
    assert_string_equal(dataset.class_names[2], "wasp");
    dataset_close(&dataset);
}

/* As spreadsheets save it: with a byte order mark and in quotes. */
static void test_list_of_a_spreadsheet(void **state)
{
    (void)state;
    struct dataset dataset;
    make_pictures(5);
    rename(fixture_path("pictures/4.png"), fixture_path("pictures/a \"b\", c.png"));
    write_text(fixture_path("list.csv"), "\xEF\xBB\xBFpictures/0.png,\"ant, red\"\r\n\"pictures/1.png\" , \"bee\"\r\n"
                                         "\"pictures/2.png\",bee\r\npictures/3.png \"ant, red\"\r\n"
                                         "pictures/a \"b\", c.png,bee\r\n");
    check_set(fixture_path("list.csv"), "list", 5, (int[]){0, 1, 2, 3, 4}, (int[]){0, 1, 1, 0, 1});
    assert_int_equal(dataset_open(&dataset, fixture_path("list.csv"), &plain), OK);
    assert_string_equal(dataset.class_names[0], "ant, red");
    dataset_close(&dataset);
    write_text(fixture_path("classes.txt"), "\xEF\xBB\xBF"
                                            "bee\r\nant, red\r\n");
    check_set(fixture_path("list.csv"), "list", 5, (int[]){0, 1, 2, 3, 4}, (int[]){1, 0, 0, 1, 0});
    write_text(fixture_path("list.csv"), "pictures/0.png,bee\n\"pictures/1.png\"\n");
    CHECK_FAILS(dataset_open(&dataset, fixture_path("list.csv"), &plain), ERR_DATA, "list.csv:2: there is no label");
}

/* The whole of a list that is written otherwise: what of it, by line. */
static void test_list_otherwise(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"pictures/0.png;ant\n", "list.csv:1: path and label are parted by ';'; expected a tab or a comma"},
        {"\"pictures/a b.png\";\"red ant\"\n", "list.csv:1: path and label are parted by ';'"},
        {"\"pictures/0,1.png\";\"ant\"\n", "list.csv:1: path and label are parted by ';'"},
        {"# by hand\nfile;label\n", "list.csv:2: path and label are parted by ';'"},
        {"ant,pictures/0.png\n",
         "list.csv:1: the columns are the other way round: 'ant' stands where the path is expected and "
         "'pictures/0.png' where its label is; put the path first"},
        {"pictures/0.png,ant\n\"red ant\",\"pictures/1.png\"\n", "list.csv:2: the columns are the other way round"},
        {"label,file\n", "list.csv:1: there is no file 'label'; a line of column names is to be removed"},
        /* Files that are missing, no names of columns. */
        {"7,ant\npictures/0.png,bee\npictures/1.png,ant\n", "list.csv:1: there is no file '7'"},
        {"pictures/7,cow\npictures/0.png,bee\npictures/1.png,ant\n", "list.csv:1: there is no file 'pictures/7'"},
        {"filename,label\n8,bee\n9,ant\n", "list.csv:1: there is no file 'filename'"},
    };
    struct dataset dataset;
    make_pictures(2);
    for (int i = 0; i < COUNT_OF(cases); i++) {
        write_text(fixture_path("list.csv"), cases[i][0]);
        CHECK_FAILS(dataset_open(&dataset, fixture_path("list.csv"), &plain), ERR_DATA, cases[i][1]);
    }
    /* Names as odd as these are read all the same. */
    rename(fixture_path("pictures/0.png"), fixture_path("pictures/a;0.png"));
    write_text(fixture_path("list.csv"), "pictures/a;0.png b;c\npictures/1.png\td.png;e\n");
    check_set(fixture_path("list.csv"), "list", 2, (int[]){0, 1}, (int[]){0, 1});
}

static void test_list_with_column_names(void **state)
{
    (void)state;
    make_pictures(3);
    write_text(fixture_path("list.csv"), "filename,label\npictures/2.png,bee\npictures/0.png,ant\n");
    check_set(fixture_path("list.csv"), "list", 2, (int[]){2, 0}, (int[]){1, 0});
    /* Labels are numbers still, and files may be without an ending. */
    rename(fixture_path("pictures/1.png"), fixture_path("pictures/one"));
    write_text(fixture_path("list.csv"), "\"image id\",\"class\"\npictures/one,1\npictures/0.png,0\n");
    check_set(fixture_path("list.csv"), "list", 2, (int[]){1, 0}, (int[]){1, 0});
    write_text(fixture_path("pictures.csv"), "path\tlabel\n2.png\t0\none\t1\n");
    check_set(fixture_path("pictures.csv"), "list", 2, (int[]){2, 1}, (int[]){0, 1});
}

/* A list beside a folder of its name, whose files it names; classes.txt stays beside the list. */
static void test_list_beside_its_folder(void **state)
{
    (void)state;
    make_pictures(3);
    write_text(fixture_path("classes.txt"), "zebra\nant\n");
    write_text(fixture_path("pictures.csv"), "2.png,ant\n0.png,zebra\n");
    check_set(fixture_path("pictures.csv"), "list", 2, (int[]){2, 0}, (int[]){1, 0});
    write_text(fixture_path("pictures.csv"), "pictures/2.png,ant\n");
    check_set(fixture_path("pictures.csv"), "list", 1, (int[]){2}, (int[]){1});
    struct dataset dataset;
    write_text(fixture_path("pictures.csv"), "7.png,ant\n");
    CHECK_FAILS(dataset_open(&dataset, fixture_path("pictures.csv"), &plain), ERR_NO_INPUT,
                "pictures.csv:1: ", "7.png");
}

static void test_list_of_numbers(void **state)
{
    (void)state;
    struct dataset dataset;
    make_pictures(3);
    write_text(fixture_path("list.csv"), "pictures/0.png,10\npictures/1.png,2\npictures/2.png,9\n");
    check_set(fixture_path("list.csv"), "list", 3, (int[]){0, 1, 2}, (int[]){10, 2, 9});
    assert_int_equal(dataset_open(&dataset, fixture_path("list.csv"), &plain), OK);
    assert_int_equal(dataset.class_count, 11);
    assert_string_equal(dataset.class_names[10], "10");
    dataset_close(&dataset);
    /* A number too many makes all of them names, sorted as text. */
    write_text(fixture_path("list.csv"), "pictures/0.png,10\npictures/1.png,2\npictures/2.png,x\n");
    check_set(fixture_path("list.csv"), "list", 3, (int[]){0, 1, 2}, (int[]){0, 1, 2});
}

/* The same numbering for lists that lack classes. */
static void test_classes_file(void **state)
{
    (void)state;
    struct dataset dataset;
    make_pictures(3);
    write_text(fixture_path("classes.txt"), "zebra\nant\n\nbee\n");
    write_text(fixture_path("names.tsv"), "pictures/0.png\tbee\npictures/1.png\tzebra\n");
    write_text(fixture_path("numbers.tsv"), "pictures/0.png\t2\npictures/1.png\t0\n");
    for (int numbers = 0; numbers < 2; numbers++) {
        const char *path = fixture_path(numbers ? "numbers.tsv" : "names.tsv");
        check_set(path, "list", 2, (int[]){0, 1}, (int[]){2, 0});
        assert_int_equal(dataset_open(&dataset, path, &plain), OK);
        assert_int_equal(dataset.class_count, 3);
        assert_string_equal(dataset.class_names[1], "ant");
        dataset_close(&dataset);
    }
    write_text(fixture_path("numbers.tsv"), "pictures/0.png\t3\npictures/1.png\t0\n");
    CHECK_FAILS(dataset_open(&dataset, fixture_path("numbers.tsv"), &plain), ERR_DATA, "numbers.tsv:1", "'3'",
                "is not in classes.txt");
    assert_int_equal(unlink(fixture_path("classes.txt")), 0);
    assert_int_equal(mkfifo(fixture_path("classes.txt"), 0600), 0);
    CHECK_FAILS(dataset_open(&dataset, fixture_path("numbers.tsv"), &plain), ERR_DATA, "classes.txt: is not a regular");
}

/* ---- shards ---- */

/* Whether this build reads tar files at all. */
static bool reads_tar(void)
{
    struct shelf shelf;
    struct dataset dataset;
    shelf_open(&shelf, fixture_path("try.tar"));
    shelf_close(&shelf);
    return dataset_open(&dataset, fixture_path("try.tar"), &plain) != ERR_UNSUPPORTED;
}

static void write_shards(const char *first_label, const char *second_label)
{
    struct shelf shelf;
    shelf_open(&shelf, fixture_path("shards/s-08.tar"));
    shelf_add(&shelf, "./", '5', NULL, NULL, 0);
    shelf_text(&shelf, "._0001.png", "what a Mac leaves");
    shelf_png(&shelf, "0001.left.png", H, W, 1);
    shelf_text(&shelf, "0001.cls", first_label);
    shelf_text(&shelf, "0001.json", "{}");
    shelf_text(&shelf, "0002.cls", second_label);
    shelf_png(&shelf, "0002.PNG", H, W, 2);
    shelf_close(&shelf);
    shelf_open(&shelf, fixture_path("shards/s-10.tar"));
    shelf_text(&shelf, "deep/er/0003.x.cls", "not a label: two endings");
    shelf_text(&shelf, "deep/er/0003.cls", first_label);
    shelf_png(&shelf, "deep/er/0003.png", H, W, 3);
    shelf_close(&shelf);
    shelf_open(&shelf, fixture_path("shards/s-09.tar"));
    shelf_png(&shelf, "0001.png", H, W, 4);
    shelf_text(&shelf, "0001.cls", second_label);
    shelf_close(&shelf);
}

static void test_shards(void **state)
{
    (void)state;
    if (!reads_tar())
        skip();
    static const int shades[] = {1, 2, 4, 3};
    write_shards("1\n", "0");
    check_set(fixture_path("shards"), "tar", 4, shades, (int[]){1, 0, 0, 1});
    check_set(fixture_path("shards/s-{08..10}.tar"), "tar", 4, shades, (int[]){1, 0, 0, 1});
    check_set(fixture_path("shards/s-{08..09}.tar"), "tar", 3, shades, (int[]){1, 0, 0});
}

static void test_shards_of_names(void **state)
{
    (void)state;
    if (!reads_tar())
        skip();
    write_shards("oak", "ash");
    check_set(fixture_path("shards"), "tar", 4, (int[]){1, 2, 4, 3}, (int[]){1, 0, 0, 1});
    struct shelf shelf;
    shelf_open(&shelf, fixture_path("folders.tar"));
    shelf_png(&shelf, "train/oak/1.png", H, W, 1);
    shelf_png(&shelf, "train/ash/1.png", H, W, 2);
    shelf_png(&shelf, "train/oak/2.png", H, W, 3);
    shelf_close(&shelf);
    check_set(fixture_path("folders.tar"), "tar", 3, (int[]){1, 2, 3}, (int[]){1, 0, 1});
}

/* Names longer than a header has room for. */
static void test_long_names(void **state)
{
    (void)state;
    if (!reads_tar())
        skip();
    struct shelf shelf;
    char name[200];
    memset(name, 'n', sizeof name);
    strcpy(name + 180, ".png");
    shelf_open(&shelf, fixture_path("long.tar"));
    shelf_add(&shelf, "././@LongLink", 'L', NULL, name, strlen(name) + 1);
    shelf_png(&shelf, "cut", H, W, 1);
    strcpy(name + 180, ".cls");
    shelf_add(&shelf, "././@LongLink", 'L', NULL, name, strlen(name) + 1);
    shelf_text(&shelf, "cut", "0");
    shelf_close(&shelf);
    check_set(fixture_path("long.tar"), "tar", 1, (int[]){1}, (int[]){0});
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, fixture_begin, fixture_end)
int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_list_of_names),          CASE(test_list_of_a_spreadsheet),
        CASE(test_list_otherwise),         CASE(test_list_with_column_names),
        CASE(test_list_beside_its_folder), CASE(test_list_of_numbers),
        CASE(test_classes_file),           CASE(test_shards),
        CASE(test_shards_of_names),        CASE(test_long_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
