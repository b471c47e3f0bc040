/* Packed data sets: equal to their source, used only while that is as it was, refused by name where anything in them is
 * not as it was written. */
#include "fixtures.h"
#include "shelf.h"
#include "small_disk.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { H = 6, W = 5, BYTES = H * W * 3, COUNT = 30 };

static struct dataset_options options = {.threads = 2, .train_part = true};

static void make_source(void)
{
    for (int i = 0; i < COUNT; i++)
        fixture_png(fixture_path("set/%s/%02d.png", i % 3 ? "ant" : "bee", i), H, W, i);
}

static void must(int status)
{
    if (status != OK)
        fail_msg("%s", fail_text());
}

/* Packs the source beside it. */
static const char *pack(void)
{
    struct dataset dataset;
    uint64_t fingerprint;
    char path[PATH_BYTES];
    options.cache = NULL;
    must(dataset_open(&dataset, fixture_path("set"), &options));
    must(source_fingerprint(fixture_path("set"), &options, &fingerprint));
    options.cache = "auto";
    must(cache_path(path, fixture_path("set"), &options));
    assert_string_equal(path, fixture_path("set.train.pack"));
    must(pack_write(&dataset, path, fingerprint, 2));
    dataset_close(&dataset);
    return fixture_path("set.train.pack");
}

/* A source that is called as its part is not called so twice. */
static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *source;
        bool train;
        const char *path;
    } cases[] = {
        {"x/photos/", true, "x/photos.train.pack"},  {"x/train", true, "x/train.pack"},
        {"x/train/", true, "x/train.pack"},          {"train", true, "train.pack"},
        {"x/train", false, "x/train.val.pack"},      {"val", false, "val.pack"},
        {"retrain", true, "retrain.train.pack"},     {"in", true, "in.train.pack"},
        {"train.csv", true, "train.csv.train.pack"},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        char path[PATH_BYTES];
        const struct dataset_options named = {.train_part = cases[i].train, .cache = "auto"};
        must(cache_path(path, cases[i].source, &named));
        assert_string_equal(path, cases[i].path);
    }
}

/* Opens the source, which must have been read as the format says. */
static void check_opened_as(const char *format)
{
    struct dataset dataset;
    must(dataset_open(&dataset, fixture_path("set"), &options));
    assert_string_equal(dataset.format, format);
    dataset_close(&dataset);
}

static void test_equals_source(void **state)
{
    (void)state;
    make_source();
    const char *path = pack();
    for (int64_t memory = 0; memory < 2; memory++) {
        struct dataset source, packed;
        const struct dataset_options held = {.threads = 2}, wanted = {.threads = 2, .memory = memory};
        must(dataset_open(&source, fixture_path("set"), &held));
        must(dataset_open(&packed, path, &wanted));
        assert_true((memory == 0) == (packed.pixels != NULL));
        assert_int_equal(packed.count, source.count);
        assert_int_equal(packed.class_count, 2);
        assert_string_equal(packed.class_names[1], "bee");
        assert_true(shape_equal(packed.image, source.image));
        for (int64_t i = 0; i < COUNT; i++) {
            uint8_t pixels[BYTES];
            must(dataset_image(&packed, i, pixels));
            assert_memory_equal(pixels, source.pixels + i * BYTES, BYTES);
            assert_int_equal(packed.labels[i], source.labels[i]);
            assert_string_equal(packed.files[i], source.files[i]);
            assert_memory_equal(&packed.sums[i], &source.sums[i], sizeof *source.sums);
        }
        dataset_close(&source);
        dataset_close(&packed);
    }
}

static void test_used_while_up_to_date(void **state)
{
    (void)state;
    struct dataset dataset;
    make_source();
    options.cache = "auto";
    check_opened_as("folder");
    pack();
    check_opened_as("pack");
    options.cache = "off";
    check_opened_as("folder");
    options.cache = "auto";
    /* The other part, another size. */
    options.train_part = false;
    check_opened_as("folder");
    options.train_part = true;
    options.resize = 4;
    check_opened_as("folder");
    options.resize = 0;
    check_opened_as("pack");
    /* Another time, a file more, a file less, another name: each alone, then as it was. */
    struct stat info;
    assert_int_equal(stat(fixture_path("set/ant/01.png"), &info), 0);
    const struct timespec before[2] = {info.st_atim, info.st_mtim};
    struct timespec later[2] = {info.st_atim, info.st_mtim};
    later[1].tv_sec++;
    assert_int_equal(utimensat(AT_FDCWD, fixture_path("set/ant/01.png"), later, 0), 0);
    check_opened_as("folder");
    assert_int_equal(utimensat(AT_FDCWD, fixture_path("set/ant/01.png"), before, 0), 0);
    check_opened_as("pack");
    fixture_png(fixture_path("set/ant/99.png"), H, W, 1);
    check_opened_as("folder");
    assert_int_equal(unlink(fixture_path("set/ant/99.png")), 0);
    check_opened_as("pack");
    assert_int_equal(rename(fixture_path("set/ant/01.png"), fixture_path("set/ant/0a.png")), 0);
    check_opened_as("folder");
    /* One that was named is not passed over in silence. */
    char folder[PATH_BYTES];
    strcpy(folder, fixture_path("packs"));
    options.cache = folder;
    must(folder_make(folder));
    assert_int_equal(rename(fixture_path("set.train.pack"), fixture_path("packs/train.pack")), 0);
    CHECK_FAILS(dataset_open(&dataset, fixture_path("set"), &options), ERR_DATA, "packs/train.pack", "other files",
                "evenkeel pack");
    assert_int_equal(rename(fixture_path("set/ant/0a.png"), fixture_path("set/ant/01.png")), 0);
    check_opened_as("pack");
    /* Brought along without its source. */
    assert_int_equal(rename(fixture_path("set"), fixture_path("gone")), 0);
    check_opened_as("pack");
    options.cache = "auto";
}

static uint64_t fingerprint_of(const char *name)
{
    uint64_t fingerprint;
    must(source_fingerprint(fixture_path("%s", name), &options, &fingerprint));
    return fingerprint;
}

/* What labels mean is beside a list and beside shards, not in them. */
static void test_classes_beside(void **state)
{
    (void)state;
    static const char text[] = "set/ant/01.png\tant\nset/bee/00.png\tbee\n";
    static const char *const classes[] = {"ant\nbee\n", "bee\nant\nfly\n"};
    static const char *const sources[] = {"list.txt", "s-{0..1}.tar"};
    struct shelf shelf;
    make_source();
    fixture_write(fixture_path("list.txt"), text, sizeof text - 1);
    for (int i = 0; i < 2; i++) {
        shelf_open(&shelf, fixture_path("s-%d.tar", i));
        shelf_png(&shelf, "1.png", H, W, i);
        shelf_text(&shelf, "1.cls", i ? "bee" : "ant");
        shelf_close(&shelf);
    }
    for (int i = 0; i < COUNT_OF(sources); i++) {
        const uint64_t before = fingerprint_of(sources[i]);
        uint64_t with[2];
        for (int k = 0; k < 2; k++) {
            fixture_write(fixture_path("classes.txt"), classes[k], strlen(classes[k]));
            with[k] = fingerprint_of(sources[i]);
        }
        assert_int_equal(unlink(fixture_path("classes.txt")), 0);
        assert_true(with[0] != before && with[1] != before && with[0] != with[1]);
        assert_true(fingerprint_of(sources[i]) == before);
    }
}

/* Any bit anywhere, any length, is refused by name; nothing is rebuilt behind one's back. */
static void test_damaged(void **state)
{
    (void)state;
    struct dataset dataset;
    size_t count;
    char path[PATH_BYTES];
    make_source();
    strcpy(path, pack());
    uint8_t *bytes = fixture_read(path, &count);
    for (size_t at = 0; at < count; at += at < 600 ? 1 : 97) {
        bytes[at] ^= 0x10;
        fixture_write(path, bytes, count);
        int status = dataset_open(&dataset, fixture_path("set"), &options);
        if (status == OK) {
            dataset_close(&dataset);
            fail_msg("a wrong byte at %zu was not noticed", at);
        } else {
            CHECK_FAILS(status, ERR_DATA, "set.train.pack");
        }
        bytes[at] ^= 0x10;
    }
    for (size_t kept = 0; kept < count; kept += kept < 300 ? 7 : 331) {
        fixture_write(path, bytes, kept);
        CHECK_FAILS(dataset_open(&dataset, fixture_path("set"), &options), ERR_DATA, "set.train.pack");
    }
    fixture_write(path, "a text of somebody's, longer than a header would be", 50);
    CHECK_FAILS(dataset_open(&dataset, fixture_path("set"), &options), ERR_DATA, "set.train.pack",
                "no packed data set");
    free(bytes);
}

/* Pixels that are not held are checked where they are read. */
static void test_damaged_when_streamed(void **state)
{
    (void)state;
    struct dataset dataset;
    size_t count;
    uint8_t pixels[BYTES];
    make_source();
    const char *path = pack();
    uint8_t *bytes = fixture_read(path, &count);
    bytes[count - 1] ^= 1;
    fixture_write(path, bytes, count);
    const struct dataset_options unheld = {.threads = 1, .memory = 1};
    must(dataset_open(&dataset, path, &unheld));
    must(dataset_image(&dataset, COUNT - 2, pixels));
    CHECK_FAILS(dataset_image(&dataset, COUNT - 1, pixels), ERR_DATA, "image 29", "bee/27.png", "checksum");
    dataset_close(&dataset);
    free(bytes);
}

static void test_full_disk(void **state)
{
    (void)state;
    struct dataset dataset;
    const struct dataset_options plain = {.threads = 1, .resize = 64};
    make_source();
    char disk[PATH_BYTES];
    strcpy(disk, fixture_path("disk"));
    must(folder_make(disk));
    if (!small_disk_mount(disk))
        skip();
    must(dataset_open(&dataset, fixture_path("set"), &plain));
    const int status = pack_write(&dataset, fixture_path("disk/train.pack"), 0, 1);
    const bool left = file_exists(fixture_path("disk/train.pack"));
    dataset_close(&dataset);
    small_disk_unmount(disk);
    CHECK_FAILS(status, ERR_IO, "disk/train.pack", "disk or the quota full");
    assert_false(left);
}

/* What was left out is left out of the copy and still told; a run that is to stop at it stops and names it. What leaves
 * nothing out is good for both. */
static void test_skipped(void **state)
{
    (void)state;
    struct dataset dataset;
    make_source();
    for (int skip = 0; skip < 2; skip++) {
        options.skip = skip;
        pack();
        options.skip = !skip;
        check_opened_as("pack");
    }
    fixture_write(fixture_path("set/ant/01.png"), "x", 1);
    options.skip = true;
    pack();
    options.skip = false;
    CHECK_FAILS(dataset_open(&dataset, fixture_path("set"), &options), ERR_DATA, "ant/01.png", "neither a PNG");
    options.skip = true;
    must(dataset_open(&dataset, fixture_path("set"), &options));
    options.skip = false;
    assert_string_equal(dataset.format, "pack");
    assert_int_equal(dataset.count, COUNT - 1);
    assert_int_equal(dataset.skipped_count, 1);
    assert_non_null(strstr(dataset.skipped[0], "ant/01.png"));
    dataset_close(&dataset);
}

/* Offsets of host/data/pack.h's header, and of the labels in its index of COUNT samples. */
enum {
    AT_ORDER = 16,
    AT_VERSION = 20,
    AT_SKIPPED = 56,
    AT_INDEX = 88,
    AT_BYTES = 104,
    AT_INDEX_CRC = 116,
    AT_CRC = 124
};
enum { LABELS = COUNT * 64, INDEX = COUNT * 72 };

static void put_crc(uint8_t *bytes, size_t at, size_t from, size_t count)
{
    const uint32_t sum = (uint32_t)crc32(0, bytes + from, (unsigned)count);
    memcpy(bytes + at, &sum, sizeof sum);
}

/* Wrong although every checksum is right: of another machine, another version, another length, labels of no class. */
static void test_sealed_but_wrong(void **state)
{
    (void)state;
    struct dataset dataset;
    size_t count;
    char path[PATH_BYTES];
    make_source();
    strcpy(path, pack());
    uint8_t *bytes = fixture_read(path, &count);
    int64_t index;
    memcpy(&index, bytes + AT_INDEX, sizeof index);
    const struct {
        size_t at;
        uint8_t value;
        const char *reason;
    } cases[] = {
        {AT_ORDER, 9, "byte order"},
        {AT_VERSION, 2, "another version"},
        {AT_BYTES, (uint8_t)(bytes[AT_BYTES] + 1), "cut off"},
        {AT_SKIPPED + 7, 0x80, "damaged"},
        {(size_t)index + LABELS, 2, "damaged"},
        {(size_t)index + LABELS + 3, 0x80, "damaged"},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        const uint8_t kept = bytes[cases[i].at];
        bytes[cases[i].at] = cases[i].value;
        put_crc(bytes, AT_INDEX_CRC, (size_t)index, INDEX);
        put_crc(bytes, AT_CRC, 0, AT_CRC);
        fixture_write(path, bytes, count);
        CHECK_FAILS(dataset_open(&dataset, fixture_path("set"), &options), ERR_DATA, "set.train.pack", cases[i].reason);
        bytes[cases[i].at] = kept;
    }
    put_crc(bytes, AT_INDEX_CRC, (size_t)index, INDEX);
    put_crc(bytes, AT_CRC, 0, AT_CRC);
    fixture_write(path, bytes, count);
    check_opened_as("pack");
    free(bytes);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, fixture_begin, fixture_end)
int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_names),          CASE(test_equals_source), CASE(test_used_while_up_to_date),
        CASE(test_classes_beside), CASE(test_damaged),       CASE(test_damaged_when_streamed),
        CASE(test_full_disk),      CASE(test_skipped),       CASE(test_sealed_but_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
