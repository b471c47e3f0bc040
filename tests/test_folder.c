/* Class folders: ImageFolder's classes and order, and every file that cannot be used named with its reason. */
#include "fixtures.h"
#include "vectors.h"

#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct dataset_options plain = {.threads = 2};

/* What is found before the images are read is what is read. */
static int open_here(struct dataset *dataset)
{
    TRY(dataset_find(dataset, fixture_path("set"), &plain));
    const struct dataset found = *dataset;
    assert_null(found.pixels);
    TRY(dataset_read(dataset, &plain));
    assert_true(shape_equal(found.image, dataset->image));
    assert_int_equal(found.count, dataset->count);
    assert_int_equal(found.class_count, dataset->class_count);
    return OK;
}

/* Two classes of two pictures. */
static void make_good(void)
{
    for (int i = 0; i < 4; i++)
        fixture_png(fixture_path("set/%s/%d.png", i < 2 ? "ant" : "bee", i), 6, 5, i);
}

/* Opening fails, leaves an empty struct, and says all the texts. */
#define CHECK_REFUSED(status, ...)                                                                                     \
    do {                                                                                                               \
        struct dataset refused_;                                                                                       \
        CHECK_FAILS(open_here(&refused_), (status), __VA_ARGS__);                                                      \
        assert_null(refused_.pixels);                                                                                  \
        assert_null(refused_.arena.last);                                                                              \
    } while (0)

static void test_recorded_order(void **state)
{
    (void)state;
    struct vectors recorded;
    struct dataset dataset;
    vectors_open(&recorded, "imagefolder");
    json_t *files = vectors_member(recorded.json, "files"), *classes = vectors_member(recorded.json, "classes");
    json_t *samples = vectors_member(recorded.json, "samples");
    /* All hold PNG: the ending says what is an image, the content what kind. */
    for (size_t i = 0; i < json_array_size(files); i++)
        fixture_png(fixture_path("set/%s", json_string_value(json_array_get(files, i))), 3, 4, (int)i);
    assert_int_equal(open_here(&dataset), OK);
    assert_string_equal(dataset.format, "folder");
    /* But for what is hidden, which sorts before all else: one class and one image. */
    int hidden = 0;
    int64_t at = 0;
    for (size_t i = 0; i < json_array_size(classes); i++) {
        const char *name = json_string_value(json_array_get(classes, i));
        if (name[0] == '.')
            hidden++;
        else
            assert_string_equal(dataset.class_names[i - (size_t)hidden], name);
    }
    assert_int_equal(hidden, 1);
    assert_int_equal(dataset.class_count, json_array_size(classes) - 1);
    for (size_t i = 0; i < json_array_size(samples); i++) {
        const json_t *sample = json_array_get(samples, i);
        const char *file = json_string_value(json_array_get(sample, 0));
        if (file[0] == '.' || strstr(file, "/."))
            continue;
        assert_true(at < dataset.count);
        assert_string_equal(dataset.files[at], file);
        assert_int_equal(dataset.labels[at++], json_integer_value(json_array_get(sample, 1)) - hidden);
    }
    assert_int_equal(dataset.count, at);
    assert_int_equal(at, json_array_size(samples) - 2);
    dataset_close(&dataset);
    vectors_close(&recorded);
}

static void test_pixels_at_any_thread_count(void **state)
{
    (void)state;
    enum { FILES = 40, BYTES = 6 * 5 * 3 };
    for (int i = 0; i < FILES; i++)
        fixture_png(fixture_path("set/c%d/%03d.png", i % 3, i), 6, 5, i);
    for (int threads = 1; threads <= 5; threads++) {
        struct dataset dataset;
        const struct dataset_options options = {.threads = threads};
        assert_int_equal(dataset_open(&dataset, fixture_path("set"), &options), OK);
        assert_int_equal(dataset.count, FILES);
        assert_int_equal(dataset.image.h, 6);
        assert_int_equal(dataset.image.w, 5);
        assert_int_equal(dataset.image.c, 3);
        for (int64_t i = 0; i < FILES; i++) {
            uint8_t want[BYTES];
            fixture_picture(want, 6, 5, atoi(strchr(dataset.files[i], '/') + 1));
            assert_memory_equal(dataset.pixels + i * BYTES, want, BYTES);
        }
        dataset_close(&dataset);
    }
}

static void test_resize_brings_all_to_one_size(void **state)
{
    (void)state;
    struct dataset dataset;
    fixture_png(fixture_path("set/a/1.png"), 9, 5, 1);
    fixture_png(fixture_path("set/a/2.png"), 30, 64, 2);
    fixture_png(fixture_path("set/b/3.png"), 8, 8, 3);
    const struct dataset_options options = {.threads = 2, .resize = 8};
    assert_int_equal(dataset_open(&dataset, fixture_path("set"), &options), OK);
    assert_int_equal(dataset.image.h, 8);
    assert_int_equal(dataset.image.w, 8);
    for (int64_t i = 0; i < 3; i++) {
        uint8_t *want;
        assert_int_equal(image_load(fixture_path("set/%s", dataset.files[i]), dataset.image, 8, &want, NULL), OK);
        assert_memory_equal(dataset.pixels + i * 8 * 8 * 3, want, 8 * 8 * 3);
        memory_give(want);
    }
    dataset_close(&dataset);
    CHECK_REFUSED(ERR_CONFIG, "a/1.png is 5x9", "a/2.png is 64x30", "data.resize=N");
}

static void test_wrong_folders(void **state)
{
    (void)state;
    CHECK_REFUSED(ERR_NO_INPUT, "set: no such file or folder");
    fixture_write(fixture_path("set"), "x", 1);
    CHECK_REFUSED(ERR_DATA, "is a file");
    unlink(fixture_path("set"));
    fixture_png(fixture_path("set/lonely.png"), 4, 4, 0);
    CHECK_REFUSED(ERR_DATA, "no class folders", "<class>/<image>.jpg or .png");
    make_good();
    assert_int_equal(folder_make(fixture_path("set/cat")), OK);
    fixture_write(fixture_path("set/cat/notes.txt"), "x", 1);
    CHECK_REFUSED(ERR_DATA, "class 'cat' has no image");
}

/* What other programs take as one folder. */
static void test_parts_are_no_classes(void **state)
{
    (void)state;
    fixture_png(fixture_path("set/train/a/0.png"), 4, 4, 0);
    fixture_png(fixture_path("set/test/a/1.png"), 4, 4, 1);
    CHECK_REFUSED(ERR_DATA, "no classes; name them by themselves: data.train=", "set/train data.val=", "set/test");
    fixture_png(fixture_path("set/Val/a/2.png"), 4, 4, 2);
    CHECK_REFUSED(ERR_DATA, "'train' and 'Val'", "set/Val");
    /* Classes may be called so among others. */
    fixture_png(fixture_path("set/tram/3.png"), 4, 4, 3);
    struct dataset dataset;
    assert_int_equal(dataset_open(&dataset, fixture_path("set"), &(struct dataset_options){.threads = 1}), OK);
    assert_int_equal(dataset.class_count, 4);
    dataset_close(&dataset);
}

static void test_hostile_files(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *reason;
        size_t count;
    } cases[] = {
        {"", "0 bytes", 0},
        {"\x89PNG", "truncated", 4},
        {"\x89PNG\r\n\x1a\n", "truncated", 8},
        {"\xff\xd8\xff\xe0 JFIF", "JPEG", 9},
        {"GIF89a..", "holds GIF", 8},
        {"<!DOCTYPE html>", "holds HTML", 15},
        {"hello world", "is neither a PNG nor a JPEG file", 11},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        make_good();
        fixture_write(fixture_path("set/ant/0.png"), cases[i].bytes, cases[i].count);
        CHECK_REFUSED(ERR_DATA, "ant/0.png", cases[i].reason);
    }
}

static void test_truncated_and_damaged(void **state)
{
    (void)state;
    make_good();
    size_t count;
    uint8_t *bytes = fixture_read(fixture_path("set/bee/3.png"), &count);
    for (size_t kept = 0; kept < count; kept++) {
        fixture_write(fixture_path("set/bee/3.png"), bytes, kept);
        CHECK_REFUSED(ERR_DATA, "bee/3.png");
    }
    bytes[count - 14] ^= 0x40; /* in the checksum of the pixels */
    fixture_write(fixture_path("set/bee/3.png"), bytes, count);
    CHECK_REFUSED(ERR_DATA, "bee/3.png", "CRC");
    memory_give(bytes);
}

static void test_links(void **state)
{
    (void)state;
    struct dataset dataset;
    make_good();
    /* A linked class and a linked picture are followed. */
    assert_int_equal(symlink("ant", fixture_path("set/crow")), 0);
    assert_int_equal(symlink("../bee/2.png", fixture_path("set/ant/link.png")), 0);
    assert_int_equal(open_here(&dataset), OK);
    assert_int_equal(dataset.class_count, 3);
    assert_int_equal(dataset.count, 8);
    dataset_close(&dataset);
    assert_int_equal(symlink("gone", fixture_path("set/ant/dangling.png")), 0);
    CHECK_REFUSED(ERR_NO_INPUT, "ant/dangling.png");
    unlink(fixture_path("set/ant/dangling.png"));
    assert_int_equal(symlink("..", fixture_path("set/ant/up")), 0);
    CHECK_REFUSED(ERR_DATA, "ant/up", "once more; remove the link");
    unlink(fixture_path("set/ant/up"));
    assert_int_equal(symlink(".", fixture_path("set/self")), 0);
    CHECK_REFUSED(ERR_DATA, "set/self", "link");
}

/* Each folder holds the next, and a link to it: 2^24 paths lead to the last one's image. What a packed copy is known by
 * is found without going them all, too. */
static void test_folders_doubled_by_links(void **state)
{
    (void)state;
    struct dataset dataset;
    char path[PATH_BYTES];
    uint64_t before, after;
    make_good();
    strcpy(path, fixture_path("set/ant"));
    for (int depth = 0; depth < 24; depth++) {
        char *end = path + strlen(path);
        strcpy(end, "/b");
        assert_int_equal(symlink("a", path), 0);
        strcpy(end, "/a");
        assert_int_equal(mkdir(path, 0700), 0);
    }
    assert_int_equal(source_fingerprint(fixture_path("set"), &plain, &before), OK);
    strcat(path, "/5.png");
    fixture_png(path, 6, 5, 5);
    assert_int_equal(source_fingerprint(fixture_path("set"), &plain, &after), OK);
    assert_true(before != after);
    CHECK_REFUSED(ERR_DATA, "24 images or files", "/b: is the folder", "/a once more");
    const struct dataset_options skipping = {.threads = 2, .skip = true};
    assert_int_equal(dataset_open(&dataset, fixture_path("set"), &skipping), OK);
    assert_int_equal(dataset.count, 5);
    assert_int_equal(dataset.skipped_count, 24);
    dataset_close(&dataset);
}

static void test_not_a_file(void **state)
{
    (void)state;
    make_good();
    /* ImageFolder walks into a folder whatever its name; it holds no image. */
    struct dataset dataset;
    assert_int_equal(folder_make(fixture_path("set/ant/folder.png")), OK);
    assert_int_equal(open_here(&dataset), OK);
    assert_int_equal(dataset.count, 4);
    dataset_close(&dataset);
    uint8_t *pixels;
    int height, width;
    CHECK_FAILS(image_read(fixture_path("set/ant/folder.png"), &pixels, &height, &width), ERR_DATA, "folder.png");
    assert_int_equal(mkfifo(fixture_path("set/ant/pipe.png"), 0600), 0);
    CHECK_REFUSED(ERR_DATA, "pipe.png");
}

/* Root reads everything by two of its capabilities; this thread and those it starts go without, or take them back. */
static void be_ordinary(bool ordinary)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    assert_int_equal(syscall(SYS_capget, &header, data), 0);
    const uint32_t reading = 1u << CAP_DAC_OVERRIDE | 1u << CAP_DAC_READ_SEARCH;
    data[0].effective = ordinary ? data[0].effective & ~reading : data[0].effective | (data[0].permitted & reading);
    assert_int_equal(syscall(SYS_capset, &header, data), 0);
}

static void test_unreadable(void **state)
{
    (void)state;
    make_good();
    struct dataset dataset;
    chmod(fixture_path("set/bee/2.png"), 0);
    be_ordinary(true);
    const int one = open_here(&dataset);
    be_ordinary(false);
    CHECK_FAILS(one, ERR_NO_INPUT, "bee/2.png", "denied");
    chmod(fixture_path("set/ant"), 0);
    be_ordinary(true);
    const int two = open_here(&dataset);
    be_ordinary(false);
    chmod(fixture_path("set/ant"), 0700);
    CHECK_FAILS(two, ERR_NO_INPUT, "2 images or files", "ant", "denied");
}

static void test_first_failure_whatever_the_threads(void **state)
{
    (void)state;
    for (int i = 0; i < 60; i++)
        fixture_png(fixture_path("set/c/%03d.png", i), 4, 4, i);
    for (int i = 20; i < 60; i += 3)
        fixture_write(fixture_path("set/c/%03d.png", i), "broken", 6);
    for (int threads = 1; threads <= 4; threads++) {
        struct dataset dataset;
        const struct dataset_options options = {.threads = threads};
        CHECK_FAILS(dataset_open(&dataset, fixture_path("set"), &options), ERR_DATA, "c/020.png");
    }
}

static void test_more_than_memory(void **state)
{
    (void)state;
    struct dataset dataset;
    const struct dataset_options options = {.threads = 1, .resize = 1000000};
    make_good();
    CHECK_FAILS(dataset_open(&dataset, fixture_path("set"), &options), ERR_MEMORY, "4 images of 1x1000000x1000000x3",
                "11175.9 GiB", "data.resize");
}

static void test_match(void **state)
{
    (void)state;
    const char *abc[] = {"a", "b", "c"}, *acd[] = {"a", "c", "d"};
    struct dataset train = {.source = "T", .format = "folder", .class_count = 3, .class_names = abc};
    struct dataset val = train;
    val.source = "V";
    assert_int_equal(dataset_match(&train, &val), OK);
    val.class_names = acd;
    CHECK_FAILS(dataset_match(&train, &val), ERR_DATA, "T and V", "class 1 is 'b'", "'c'");
    val.class_names = abc;
    val.class_count = 2;
    CHECK_FAILS(dataset_match(&train, &val), ERR_DATA, "V has no class 'c'");
    CHECK_FAILS(dataset_match(&val, &train), ERR_DATA, "T has a class 'c' that V has not");
    const char *numbers[] = {"0", "1", "2"};
    train.class_names = val.class_names = numbers;
    assert_int_equal(dataset_match(&train, &val), OK);
    CHECK_FAILS(dataset_match(&val, &train), ERR_DATA, "'2'");
}

static void test_absent_class(void **state)
{
    (void)state;
    const char *trained[] = {"ant", "bee", "cat"}, *other[] = {"ant", "bat", "bee"};
    struct dataset train = {.source = "T", .format = "folder", .class_count = 3, .class_names = trained};
    struct dataset dataset;
    const struct dataset_options options = {.threads = 1};
    make_good();
    for (int more = 0; more < 2; more++) {
        assert_int_equal(dataset_open(&dataset, fixture_path("set"), &options), OK);
        assert_int_equal(dataset.class_count, 2);
        int32_t last = dataset.labels[dataset.count - 1];
        train.class_names = more ? other : trained;
        dataset_adopt_classes(&dataset, &train);
        assert_int_equal(dataset_match(&train, &dataset), OK);
        assert_string_equal(dataset.class_names[dataset.labels[dataset.count - 1]], "bee");
        assert_int_equal(dataset.labels[dataset.count - 1], last + more);
        dataset_close(&dataset);
    }
    trained[1] = "cow";
    train.class_names = trained;
    assert_int_equal(dataset_open(&dataset, fixture_path("set"), &options), OK);
    dataset_adopt_classes(&dataset, &train);
    CHECK_FAILS(dataset_match(&train, &dataset), ERR_DATA, "'bee'");
    dataset_close(&dataset);
}

/* What the log says while the folder is opened; to be freed. */
static char *said_of(struct dataset *dataset)
{
    const char *path = fixture_path("said");
    size_t count;
    const int kept = dup(STDERR_FILENO);
    assert_non_null(freopen(path, "w", stderr));
    const int status = open_here(dataset);
    fflush(stderr);
    dup2(kept, STDERR_FILENO);
    close(kept);
    assert_int_equal(status, OK);
    uint8_t *bytes = fixture_read(path, &count);
    char *text = strndup((char *)bytes, count);
    free(bytes);
    return text;
}

/* ImageFolder is silent about them; hidden files are nobody's images. */
static void test_other_files_are_counted(void **state)
{
    (void)state;
    static const char *const names[] = {"ant/1.gif",     "ant/deep/2.GIF", "bee/notes.txt", "bee/README",
                                        "ant/.DS_Store", "notes.txt",      "loose.png"};
    struct dataset dataset;
    make_good();
    char *said = said_of(&dataset);
    assert_string_equal(said, "");
    free(said);
    dataset_close(&dataset);
    for (int i = 0; i < COUNT_OF(names); i++)
        fixture_write(fixture_path("set/%s", names[i]), "x", 1);
    said = said_of(&dataset);
    assert_int_equal(dataset.count, 4);
    assert_non_null(strstr(said, "4 files in the class folders are left out"));
    assert_non_null(strstr(said, ": .gif 2, no ending 1, .txt 1\n"));
    assert_non_null(strstr(said, "1 image beside the class folders is left out"));
    free(said);
    dataset_close(&dataset);
}

/* To ImageFolder they are classes and images. */
static void test_hidden_ones_are_left_out(void **state)
{
    (void)state;
    static const char *const names[] = {".git/x", ".ipynb_checkpoints/1-checkpoint.png", "ant/._1.png",
                                        "bee/.ipynb_checkpoints/2-checkpoint.png", "._loose.png"};
    struct dataset dataset;
    make_good();
    for (int i = 0; i < COUNT_OF(names); i++)
        fixture_write(fixture_path("set/%s", names[i]), "x", 1);
    char *said = said_of(&dataset);
    assert_int_equal(dataset.count, 4);
    assert_int_equal(dataset.class_count, 2);
    assert_non_null(strstr(said, "set: 4 hidden folders or images are left out: .git, …\n"));
    assert_null(strstr(said, "beside the class folders"));
    free(said);
    dataset_close(&dataset);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, fixture_begin, fixture_end)
int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_recorded_order),
        CASE(test_pixels_at_any_thread_count),
        CASE(test_wrong_folders),
        CASE(test_parts_are_no_classes),
        CASE(test_hidden_ones_are_left_out),
        CASE(test_resize_brings_all_to_one_size),
        CASE(test_hostile_files),
        CASE(test_truncated_and_damaged),
        CASE(test_links),
        CASE(test_not_a_file),
        CASE(test_unreadable),
        CASE(test_first_failure_whatever_the_threads),
        CASE(test_match),
        CASE(test_more_than_memory),
        CASE(test_absent_class),
        CASE(test_other_files_are_counted),
        CASE(test_folders_doubled_by_links),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
