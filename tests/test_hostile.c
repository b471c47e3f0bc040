/* Everything a data set can have wrong: each is named with its path and reason before anything is trained, all of it at
 * once, or left out and listed. One table for all formats. */
#include "shelf.h"

#include <sys/stat.h>
#include <unistd.h>

static const struct dataset_options plain = {.threads = 2}, skipping = {.threads = 2, .skip = true};

/* ---- makers: each spoils one thing of a data set that is good otherwise ---- */

static void make_good(void)
{
    for (int i = 0; i < 4; i++)
        fixture_png(fixture_path("set/%s/%d.png", i < 2 ? "ant" : "bee", i), 6, 5, i);
}

/* PNG with a header that says any size, its checksum right. */
static void write_header_only(const char *path, uint32_t width, uint32_t height)
{
    uint8_t bytes[58] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
    for (int i = 0; i < 4; i++) {
        bytes[16 + i] = (uint8_t)(width >> (24 - 8 * i));
        bytes[20 + i] = (uint8_t)(height >> (24 - 8 * i));
    }
    bytes[24] = 8;
    bytes[25] = 2;
    uint32_t crc = 0xFFFFFFFFu;
    for (int i = 12; i < 29; i++) {
        crc ^= bytes[i];
        for (int k = 0; k < 8; k++)
            crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
    }
    for (int i = 0; i < 4; i++)
        bytes[29 + i] = (uint8_t)(~crc >> (24 - 8 * i));
    memcpy(bytes + 33, "\0\0\0\1IDATx\0\0\0\0\0\0\0\0IEND\0\0\0\0", 25); /* the frame of a whole file */
    fixture_write(path, bytes, sizeof bytes);
}

static void cut_png(void)
{
    size_t count;
    make_good();
    uint8_t *bytes = fixture_read(fixture_path("set/ant/0.png"), &count);
    fixture_write(fixture_path("set/ant/0.png"), bytes, count / 2);
    free(bytes);
}
static void bad_crc(void)
{
    size_t count;
    make_good();
    uint8_t *bytes = fixture_read(fixture_path("set/ant/0.png"), &count);
    bytes[count - 14] ^= 1;
    fixture_write(fixture_path("set/ant/0.png"), bytes, count);
    free(bytes);
}
static void huge_header(void)
{
    make_good();
    write_header_only(fixture_path("set/ant/0.png"), 100000, 100000);
}
static void large_header(void)
{
    make_good();
    write_header_only(fixture_path("set/ant/0.png"), 60000, 60000);
}
static void zero_size(void)
{
    make_good();
    write_header_only(fixture_path("set/ant/0.png"), 0, 6);
}
static void empty_file(void)
{
    make_good();
    fixture_write(fixture_path("set/ant/0.png"), "", 0);
}
static void wrong_magic(void)
{
    make_good();
    fixture_write(fixture_path("set/ant/0.png"), "XPNG\r\n\x1a\n and so on", 18);
}
static void cut_jpeg(void)
{
    make_good();
    fixture_write(fixture_path("set/ant/0.png"), "\xff\xd8\xff\xe0\0\x10JFIF", 10);
}
static void a_pipe(void)
{
    make_good();
    assert_int_equal(mkfifo(fixture_path("set/ant/pipe.png"), 0600), 0);
}
static void a_circle(void)
{
    make_good();
    assert_int_equal(symlink("..", fixture_path("set/ant/up")), 0);
}
static void dangling(void)
{
    make_good();
    assert_int_equal(symlink("nowhere", fixture_path("set/ant/link.png")), 0);
}
static void link_to_itself(void)
{
    make_good();
    assert_int_equal(symlink("self.png", fixture_path("set/ant/self.png")), 0);
}
static void list_names_a_folder(void)
{
    make_good();
    static const char text[] = "set/ant/0.png\t0\nset/bee\t1\nset/bee/2.png\t1\n";
    fixture_write(fixture_path("list.txt"), text, sizeof text - 1);
}
static void list_names_nothing(void)
{
    make_good();
    static const char text[] = "set/ant/0.png\t0\nset/bee/2.png\t1\nset/bee/9.png\t1\n";
    fixture_write(fixture_path("list.txt"), text, sizeof text - 1);
}
static void list_without_label(void)
{
    make_good();
    static const char text[] = "set/ant/0.png\t0\nset/bee/3.png\nset/bee/2.png\t1\n";
    fixture_write(fixture_path("list.txt"), text, sizeof text - 1);
}
static void list_begun_oddly(void)
{
    make_good();
    static const char text[] = "7,1\nset/ant/0.png,0\nset/bee/2.png,1\n";
    fixture_write(fixture_path("list.csv"), text, sizeof text - 1);
}
static void list_label_below(void)
{
    make_good();
    static const char text[] = "set/ant/0.png\t0\nset/bee/3.png\t-1\nset/bee/2.png\t1\n";
    fixture_write(fixture_path("list.txt"), text, sizeof text - 1);
}
/* A class number in 32 bits. */
static void list_label_far_below(void)
{
    make_good();
    static const char text[] = "set/ant/0.png\t0\nset/bee/3.png\t-4294967295\nset/bee/2.png\t1\n";
    fixture_write(fixture_path("list.txt"), text, sizeof text - 1);
}
static void list_label_beyond(void)
{
    make_good();
    static const char text[] = "set/ant/0.png\t0\nset/bee/3.png\t70000\nset/bee/2.png\t1\n";
    fixture_write(fixture_path("list.txt"), text, sizeof text - 1);
}
static void list_with_zero_byte(void)
{
    fixture_write(fixture_path("list.txt"), "a\0b\t1\n", 6);
}
static void list_empty(void)
{
    fixture_write(fixture_path("list.txt"), "# nothing\n", 10);
}

/* A shard of two good samples with something between them. */
static void with_member(const char *name, char kind, const char *link)
{
    struct shelf shelf;
    shelf_open(&shelf, fixture_path("a.tar"));
    shelf_png(&shelf, "1.png", 6, 5, 1);
    shelf_text(&shelf, "1.cls", "0");
    shelf_add(&shelf, name, kind, link, "x", kind == '0' ? 1 : 0);
    shelf_png(&shelf, "2.png", 6, 5, 2);
    shelf_text(&shelf, "2.cls", "1");
    shelf_close(&shelf);
}
static void tar_up(void)
{
    with_member("a/../../etc/passwd.png", '0', NULL);
}
static void tar_absolute(void)
{
    with_member("/etc/passwd.png", '0', NULL);
}
static void tar_symlink(void)
{
    with_member("9.png", '2', "/etc/passwd");
}
static void tar_hard_link(void)
{
    with_member("9.png", '1', "1.png");
}
static void tar_pipe(void)
{
    with_member("9.png", '6', NULL);
}
static void tar_no_image(void)
{
    with_member("9.cls", '0', NULL);
}
static void tar_no_label(void)
{
    struct shelf shelf;
    shelf_open(&shelf, fixture_path("a.tar"));
    shelf_png(&shelf, "1.png", 6, 5, 1);
    shelf_text(&shelf, "1.cls", "0");
    shelf_png(&shelf, "9.png", 6, 5, 1);
    shelf_png(&shelf, "2.png", 6, 5, 2);
    shelf_text(&shelf, "2.cls", "1");
    shelf_close(&shelf);
}
/* As `tar cf a.tar -C folder .` makes it. */
static void tar_here(void)
{
    struct shelf shelf;
    shelf_open(&shelf, fixture_path("a.tar"));
    shelf_png(&shelf, "./1.png", 6, 5, 1);
    shelf_png(&shelf, "./cat/2.png", 6, 5, 2);
    shelf_png(&shelf, "./dog/3.png", 6, 5, 3);
    shelf_close(&shelf);
}
static void tar_cut(void)
{
    size_t count;
    with_member("notes", '0', NULL);
    uint8_t *bytes = fixture_read(fixture_path("a.tar"), &count);
    fixture_write(fixture_path("a.tar"), bytes, count - 1024 - 512 - 512 + 100 - 512);
    free(bytes);
}
/* Between two samples; and within what ends the archive. */
static void cut_from_end(size_t bytes_off)
{
    size_t count;
    with_member("notes", '0', NULL);
    uint8_t *bytes = fixture_read(fixture_path("a.tar"), &count);
    fixture_write(fixture_path("a.tar"), bytes, count - bytes_off);
    free(bytes);
}
static void tar_cut_between(void)
{
    cut_from_end(1024);
}
static void tar_cut_in_end(void)
{
    cut_from_end(512);
}
static void tar_gzipped(void)
{
    fixture_write(fixture_path("a.tar"), "\x1f\x8b\x08\0\0\0\0\0\0\3", 10);
}
static void tar_garbage(void)
{
    char bytes[2048];
    memset(bytes, 'x', sizeof bytes);
    fixture_write(fixture_path("a.tar"), bytes, sizeof bytes);
}
static void tar_empty(void)
{
    fixture_write(fixture_path("a.tar"), "", 0);
}
static void tar_absent(void)
{
    with_member("notes", '0', NULL);
}

static void idx_pair(const char *images, size_t image_bytes, const char *labels, size_t label_bytes)
{
    fixture_write(fixture_path("idx/train-images-idx3-ubyte"), images, image_bytes);
    fixture_write(fixture_path("idx/train-labels-idx1-ubyte"), labels, label_bytes);
}
static void idx_too_few(void)
{
    idx_pair("\0\0\x08\3\0\0\1\0\0\0\0\4\0\0\0\4", 16, "\0\0\x08\1\0\0\0\1\0", 9);
}
static void idx_wrong_magic(void)
{
    idx_pair("\0\0\x0d\3\0\0\0\1\0\0\0\1\0\0\0\1x", 17, "\0\0\x08\1\0\0\0\1\0", 9);
}
static void idx_zero_size(void)
{
    idx_pair("\0\0\x08\3\0\0\0\1\0\0\0\0\0\0\0\4", 16, "\0\0\x08\1\0\0\0\1\0", 9);
}
static void idx_folder(void)
{
    idx_pair("\0\0\x08\3\0\0\0\1\0\0\0\1\0\0\0\1x", 17, "\0\0\x08\1\0\0\0\1\0", 9);
    assert_int_equal(unlink(fixture_path("idx/train-labels-idx1-ubyte")), 0);
    assert_int_equal(folder_make(fixture_path("idx/train-labels-idx1-ubyte")), OK);
}
static void idx_empty(void)
{
    idx_pair("", 0, "\0\0\x08\1\0\0\0\1\0", 9);
}
static void idx_labels_differ(void)
{
    idx_pair("\0\0\x08\3\0\0\0\1\0\0\0\1\0\0\0\1x", 17, "\0\0\x08\1\0\0\0\2\0\1", 10);
}
static void tar_folder(void)
{
    assert_int_equal(folder_make(fixture_path("b.tar/x")), OK);
}
static void list_folder(void)
{
    assert_int_equal(folder_make(fixture_path("list.txt")), OK);
}
static void cifar_folder(void)
{
    assert_int_equal(folder_make(fixture_path("cifar/data_batch_1.bin")), OK);
}
static void cifar_empty(void)
{
    fixture_write(fixture_path("cifar/data_batch_1.bin"), "", 0);
}
static void pack_folder(void)
{
    assert_int_equal(folder_make(fixture_path("a.pack")), OK);
}
static void pack_cut(void)
{
    fixture_write(fixture_path("a.pack"), "evenkeel", 8);
}
static void cifar_label(void)
{
    char record[3073] = {0};
    record[0] = 10;
    fixture_write(fixture_path("cifar/data_batch_1.bin"), record, sizeof record);
}
static void cifar_cut(void)
{
    char record[3000] = {0};
    fixture_write(fixture_path("cifar/data_batch_1.bin"), record, sizeof record);
}
static void nothing(void) {}
static void an_executable(void)
{
    fixture_write(fixture_path("x.bin"),
                  "\x7f"
                  "ELF",
                  4);
}

/* ---- the table ---- */

static const struct {
    const char *name;
    void (*make)(void);
    const char *open; /* what data.train names */
    int status;
    const char *path, *reason; /* both in the message */
    int left;                  /* images that are left with skip; -1: skip does not help */
} cases[] = {
    {"cut PNG", cut_png, "set", ERR_DATA, "set/ant/0.png", "truncated", 3},
    {"wrong checksum", bad_crc, "set", ERR_DATA, "set/ant/0.png", "CRC", 3},
    {"100000x100000", huge_header, "set", ERR_DATA, "set/ant/0.png", "says 100000x100000 pixels", 3},
    {"60000x60000", large_header, "set", ERR_DATA, "set/ant/0.png", "says 60000x60000 pixels", 3},
    {"no width", zero_size, "set", ERR_DATA, "set/ant/0.png", "says 0x6 pixels", 3},
    {"0 bytes", empty_file, "set", ERR_DATA, "set/ant/0.png", "0 bytes", 3},
    {"wrong magic", wrong_magic, "set", ERR_DATA, "set/ant/0.png", "neither a PNG nor a JPEG", 3},
    {"cut JPEG", cut_jpeg, "set", ERR_DATA, "set/ant/0.png", "JPEG", 3},
    {"a pipe", a_pipe, "set", ERR_DATA, "set/ant/pipe.png", "not a regular file", 4},
    {"links in a circle", a_circle, "set", ERR_DATA, "set/ant/up", "set/ant/up: is the folder", 4},
    {"dangling link", dangling, "set", ERR_NO_INPUT, "set/ant/link.png", "No such file", 4},
    {"link to itself", link_to_itself, "set", ERR_NO_INPUT, "set/ant/self.png", "symbolic links", 4},
    {"a folder in a list", list_names_a_folder, "list.txt", ERR_DATA, "list.txt:2: ", "is a folder", 2},
    {"no such file in a list", list_names_nothing, "list.txt", ERR_NO_INPUT, "list.txt:3: ", "set/bee/9.png", 2},
    {"no label", list_without_label, "list.txt", ERR_DATA, "list.txt:2", "no label", 2},
    {"no column names", list_begun_oddly, "list.csv", ERR_DATA, "list.csv:1", "no file '7'; a line of column names", 2},
    {"label below 0", list_label_below, "list.txt", ERR_DATA, "list.txt:2", "out of range", 2},
    {"label far below 0", list_label_far_below, "list.txt", ERR_DATA, "list.txt:2", "out of range", 2},
    {"label beyond", list_label_beyond, "list.txt", ERR_DATA, "list.txt:2", "out of range", 2},
    {"a zero byte in a list", list_with_zero_byte, "list.txt", ERR_DATA, "list.txt", "no text", -1},
    {"an empty list", list_empty, "list.txt", ERR_DATA, "list.txt", "lists no image", -1},
    {"tar: ../", tar_up, "a.tar", ERR_DATA, "a.tar", "leads out of the archive", 2},
    {"tar: absolute", tar_absolute, "a.tar", ERR_DATA, "/etc/passwd.png", "leads out of the archive", 2},
    {"tar: symbolic link", tar_symlink, "a.tar", ERR_DATA, "9.png", "is a link", 2},
    {"tar: hard link", tar_hard_link, "a.tar", ERR_DATA, "9.png", "is a link", 2},
    {"tar: pipe", tar_pipe, "a.tar", ERR_DATA, "9.png", "no regular file", 2},
    {"tar: no image", tar_no_image, "a.tar", ERR_DATA, "sample '9'", "has no image", 2},
    {"tar: no label", tar_no_label, "a.tar", ERR_DATA, "sample '9'", "has no label", 2},
    {"tar: of a folder's content", tar_here, "a.tar", ERR_DATA, "sample './1'", "has no label", 2},
    {"tar: cut off", tar_cut, "a.tar", ERR_DATA, "a.tar", "cut off", 1},
    {"tar: cut between samples", tar_cut_between, "a.tar", ERR_DATA, "a.tar", "without the two empty blocks", 2},
    {"tar: cut within its end", tar_cut_in_end, "a.tar", ERR_DATA, "a.tar", "without the two empty blocks", 2},
    {"tar: compressed", tar_gzipped, "a.tar", ERR_DATA, "a.tar", "is compressed", -1},
    {"tar: garbage", tar_garbage, "a.tar", ERR_DATA, "a.tar", "is no tar file", -1},
    {"tar: empty", tar_empty, "a.tar", ERR_DATA, "a.tar", "0 bytes", -1},
    {"tar: shard absent", tar_absent, "b-{0..1}.tar", ERR_NO_INPUT, "b-0.tar", "No such file", -1},
    {"tar: range upside down", tar_absent, "b-{3..1}.tar", ERR_DATA, "{3..1}", "lower number first", -1},
    {"tar: range without its end", tar_absent, "b-{0..1.tar", ERR_DATA, "{0..1.tar", "lower number first", -1},
    {"IDX: more than the file", idx_too_few, "idx", ERR_DATA, "train-images", "holds fewer", -1},
    {"IDX: wrong magic", idx_wrong_magic, "idx", ERR_DATA, "train-images", "no IDX file", -1},
    {"IDX: no height", idx_zero_size, "idx", ERR_DATA, "train-images", "cannot be used", -1},
    {"IDX: a folder", idx_folder, "idx", ERR_DATA, "idx", "not the IDX file of labels", -1},
    {"IDX: empty", idx_empty, "idx", ERR_DATA, "train-images", "ends within", -1},
    {"IDX: labels", idx_labels_differ, "idx", ERR_DATA, "train-labels", "holds 2 labels", -1},
    {"tar: a folder", tar_folder, "b.tar", ERR_DATA, "b.tar/x", "has no image", -1},
    {"list: a folder", list_folder, "list.txt", ERR_DATA, "list.txt", "holds no class folders", -1},
    {"list: not named", list_with_zero_byte, ".", ERR_DATA, "class folders", "must be named itself", -1},
    {"CIFAR: a folder", cifar_folder, "cifar", ERR_DATA, "data_batch_1.bin", "has no image", -1},
    {"CIFAR: empty", cifar_empty, "cifar", ERR_DATA, "data_batch_1.bin", "0 bytes", -1},
    {"pack: a folder", pack_folder, "a.pack", ERR_DATA, "a.pack", "holds no class folders", -1},
    {"pack: cut", pack_cut, "a.pack", ERR_DATA, "a.pack", "no packed data set", -1},
    {"CIFAR: label", cifar_label, "cifar", ERR_DATA, "data_batch_1.bin", "label", -1},
    {"CIFAR: cut", cifar_cut, "cifar", ERR_DATA, "data_batch_1.bin", "no whole number", -1},
    {"nothing there", nothing, "absent", ERR_NO_INPUT, "absent", "no such file or folder", -1},
    {"no known kind", an_executable, "x.bin", ERR_DATA, "x.bin", "no known kind", -1},
};

static void check_refused(int at)
{
    struct dataset dataset;
    const int status = dataset_open(&dataset, fixture_path("%s", cases[at].open), &plain);
    if (status == ERR_UNSUPPORTED)
        return; /* built without the library */
    if (status != cases[at].status || !strstr(fail_text(), cases[at].path) || !strstr(fail_text(), cases[at].reason))
        fail_msg("%s: status %d, %s", cases[at].name, status, status == OK ? "accepted" : fail_text());
    assert_null(dataset.pixels);
    assert_null(dataset.arena.last);
}

static void check_skipped(int at)
{
    struct dataset dataset;
    const int status = dataset_open(&dataset, fixture_path("%s", cases[at].open), &skipping);
    if (status == ERR_UNSUPPORTED)
        return;
    if ((status == OK) != (cases[at].left >= 0))
        fail_msg("%s, skipping: status %d, %s", cases[at].name, status, status == OK ? "accepted" : fail_text());
    if (status != OK)
        return;
    if (dataset.count != cases[at].left || dataset.skipped_count < 1 || !strstr(dataset.skipped[0], cases[at].path) ||
        !strstr(dataset.skipped[0], cases[at].reason))
        fail_msg("%s, skipping: %d images, %d left out, %s", cases[at].name, (int)dataset.count,
                 (int)dataset.skipped_count, dataset.skipped_count ? dataset.skipped[0] : "");
    dataset_close(&dataset);
}

static void test_each(void **state)
{
    for (int i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(fixture_begin(state), 0);
        cases[i].make();
        check_refused(i);
        check_skipped(i);
        fixture_end(state);
    }
}

/* All are named together, the rest counted. */
static void test_all_at_once(void **state)
{
    (void)state;
    struct dataset dataset;
    make_good();
    for (int i = 0; i < 40; i++)
        fixture_write(fixture_path("set/ant/x%02d.png", i), "", 0);
    CHECK_FAILS(dataset_open(&dataset, fixture_path("set"), &plain), ERR_DATA, "40 images", "set/ant/x00.png",
                "data.on_error = skip");
    assert_int_equal(dataset_open(&dataset, fixture_path("set"), &skipping), OK);
    assert_int_equal(dataset.count, 4);
    assert_int_equal(dataset.skipped_count, 40);
    for (int i = 0; i < 40; i++)
        assert_non_null(strstr(dataset.skipped[i], fixture_path("set/ant/x%02d.png", i)));
    dataset_close(&dataset);
}

/* What is left keeps its pixels and labels, in order; a class that loses all is named. */
static void test_what_is_left(void **state)
{
    (void)state;
    struct dataset dataset;
    make_good();
    fixture_write(fixture_path("set/ant/0.png"), "", 0);
    for (int64_t memory = 0; memory < 2; memory++) {
        const struct dataset_options options = {.threads = 3, .skip = true, .memory = memory};
        assert_int_equal(dataset_open(&dataset, fixture_path("set"), &options), OK);
        for (int i = 0; i < 3; i++) {
            uint8_t want[6 * 5 * 3], got[6 * 5 * 3];
            fixture_picture(want, 6, 5, i + 1);
            assert_int_equal(dataset_image(&dataset, i, got), OK);
            assert_memory_equal(got, want, sizeof want);
            assert_int_equal(dataset.labels[i], i > 0);
        }
        dataset_close(&dataset);
    }
    fixture_write(fixture_path("set/ant/1.png"), "", 0);
    CHECK_FAILS(dataset_open(&dataset, fixture_path("set"), &skipping), ERR_DATA,
                "class 'ant' is left: 2 cannot be used", "set/ant/0.png: the file is empty");
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, fixture_begin, fixture_end)
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each),
        CASE(test_all_at_once),
        CASE(test_what_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
