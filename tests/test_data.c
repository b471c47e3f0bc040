/* IDX and CIFAR files, recognised by content; the split and the order of samples; statistics. */
#include "fixtures.h"
#include "random.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>
#include <zlib.h>

/* What is found before the images are read is what is read. */
static int open_part(struct dataset *dataset, bool train_part, int resize)
{
    const struct dataset_options options = {.threads = 2, .train_part = train_part, .resize = resize};
    TRY(dataset_find(dataset, fixture_path("set"), &options));
    const struct dataset found = *dataset;
    TRY(dataset_read(dataset, &options));
    assert_true(shape_equal(found.image, dataset->image));
    assert_int_equal(found.count, dataset->count);
    assert_int_equal(found.class_count, dataset->class_count);
    return OK;
}

#define CHECK_REFUSED(status, ...)                                                                                     \
    do {                                                                                                               \
        struct dataset refused_;                                                                                       \
        CHECK_FAILS(open_part(&refused_, true, 0), (status), __VA_ARGS__);                                             \
        assert_null(refused_.pixels);                                                                                  \
    } while (0)

/* ---- IDX ---- */

enum { ROWS = 4, COLUMNS = 3, PICTURE = ROWS * COLUMNS };

static void put32(uint8_t *to, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(value >> (24 - 8 * i));
}

static void write_gz(const char *path, const void *bytes, size_t count)
{
    gzFile file = gzopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(gzwrite(file, bytes, (unsigned)count), (int)count);
    assert_int_equal(gzclose(file), Z_OK);
}

static void write_any(const char *name, const uint8_t *bytes, size_t count)
{
    const char *path = fixture_path("set/%s", name);
    fixture_write(path, bytes, count);
    if (strstr(name, ".gz"))
        write_gz(path, bytes, count);
}

/* claimed: what the header says; held: how many follow. */
static void write_images(const char *name, uint32_t claimed, int held)
{
    uint8_t bytes[16 + 64 * PICTURE];
    put32(bytes, 0x803);
    put32(bytes + 4, claimed);
    put32(bytes + 8, ROWS);
    put32(bytes + 12, COLUMNS);
    for (int i = 0; i < held * PICTURE; i++)
        bytes[16 + i] = (uint8_t)(i * 7);
    write_any(name, bytes, (size_t)(16 + held * PICTURE));
}

static void write_labels(const char *name, uint32_t claimed, int held, int classes)
{
    uint8_t bytes[8 + 64];
    put32(bytes, 0x801);
    put32(bytes + 4, claimed);
    for (int i = 0; i < held; i++)
        bytes[8 + i] = (uint8_t)(i % classes);
    write_any(name, bytes, (size_t)(8 + held));
}

static void test_idx_parts(void **state)
{
    (void)state;
    struct dataset dataset;
    write_images("train-images-idx3-ubyte.gz", 20, 20);
    write_labels("train-labels-idx1-ubyte.gz", 20, 20, 10);
    assert_int_equal(open_part(&dataset, false, 0), OK); /* whichever there is */
    assert_int_equal(dataset.count, 20);
    dataset_close(&dataset);
    write_images("t10k-images-idx3-ubyte", 8, 8);
    write_labels("t10k-labels-idx1-ubyte", 8, 8, 4);
    for (int train = 0; train < 2; train++) {
        assert_int_equal(open_part(&dataset, train, 0), OK);
        assert_string_equal(dataset.format, "idx");
        assert_int_equal(dataset.count, train ? 20 : 8);
        assert_int_equal(dataset.image.h, ROWS);
        assert_int_equal(dataset.image.w, COLUMNS);
        assert_int_equal(dataset.image.c, 1);
        /* As many classes as the labels of both parts need. */
        assert_int_equal(dataset.class_count, 10);
        assert_string_equal(dataset.class_names[9], "9");
        for (int i = 0; i < dataset.count; i++)
            assert_int_equal(dataset.labels[i], i % (train ? 10 : 4));
        for (int i = 0; i < dataset.count * PICTURE; i++)
            assert_int_equal(dataset.pixels[i], (uint8_t)(i * 7));
        dataset_close(&dataset);
    }
    assert_int_equal(open_part(&dataset, true, 8), OK);
    assert_int_equal(dataset.image.h, 8);
    assert_int_equal(dataset.image.w, 8);
    uint8_t *want, picture[PICTURE];
    for (int i = 0; i < PICTURE; i++)
        picture[i] = (uint8_t)(i * 7);
    assert_int_equal(image_resize(picture, ROWS, COLUMNS, 1, 10, 8, &want), OK);
    assert_memory_equal(dataset.pixels, want + 8, 64);
    memory_give(want);
    dataset_close(&dataset);
}

static void test_idx_faults(void **state)
{
    (void)state;
    write_images("train-images-idx3-ubyte", 20, 20);
    CHECK_REFUSED(ERR_DATA, "train-images-idx3-ubyte", "not the IDX file of labels");
    write_labels("train-labels-idx1-ubyte", 20, 19, 10);
    CHECK_REFUSED(ERR_DATA, "train-labels-idx1-ubyte", "holds 19 bytes", "says 20");
    write_labels("train-labels-idx1-ubyte", 20, 21, 10);
    CHECK_REFUSED(ERR_DATA, "train-labels-idx1-ubyte", "more than the 20 bytes");
    write_labels("train-labels-idx1-ubyte", 19, 19, 10);
    CHECK_REFUSED(ERR_DATA, "19 labels", "20 images");
    write_labels("train-labels-idx1-ubyte", 20, 20, 10);
    write_images("train-images-idx3-ubyte", 0xFFFFFFFF, 20);
    CHECK_REFUSED(ERR_DATA, "4294967295 images");
    write_images("train-images-idx3-ubyte", 0x7FFFFFFF, 20);
    CHECK_REFUSED(ERR_DATA, "train-images-idx3-ubyte", "holds fewer");
    write_images("train-images-idx3-ubyte", 0, 0);
    CHECK_REFUSED(ERR_DATA, "0 images");
    write_any("train-images-idx3-ubyte", (const uint8_t *)"\0\0\010\003\0\0", 6);
    CHECK_REFUSED(ERR_DATA, "train-images-idx3-ubyte", "header");
    write_any("train-images-idx3-ubyte", (const uint8_t *)"<!DOCTYPE html>  ", 16);
    CHECK_REFUSED(ERR_DATA, "train-images-idx3-ubyte", "no IDX file of images", "0x3c21444f");
    write_any("train-images-idx3-ubyte", (const uint8_t *)"", 0);
    CHECK_REFUSED(ERR_DATA, "train-images-idx3-ubyte", "header");
    write_images("train-images-idx3-ubyte", 20, 20);
    write_images("more-images-idx3-ubyte", 20, 20);
    CHECK_REFUSED(ERR_DATA, "more-images-idx3-ubyte and train-images-idx3-ubyte");
}

static void test_idx_cut_gzip(void **state)
{
    (void)state;
    const char *name = "train-images-idx3-ubyte.gz";
    size_t count;
    write_labels("train-labels-idx1-ubyte", 20, 20, 10);
    write_images(name, 20, 20);
    uint8_t *bytes = fixture_read(fixture_path("set/%s", name), &count);
    for (size_t kept = 0; kept < count; kept++) {
        fixture_write(fixture_path("set/%s", name), bytes, kept);
        CHECK_REFUSED(ERR_DATA, name);
    }
    bytes[count - 6] ^= 1; /* the checksum */
    fixture_write(fixture_path("set/%s", name), bytes, count);
    CHECK_REFUSED(ERR_DATA, name, "damaged");
    memory_give(bytes);
}

/* ---- CIFAR ---- */

enum { PLANE = 1024, RECORD10 = 3073, RECORD100 = 3074, RECORDS = 6 };

static void write_cifar(const char *name, int label_bytes, int first_label)
{
    static uint8_t bytes[RECORDS * RECORD100];
    uint8_t *to = bytes;
    for (int i = 0; i < RECORDS; i++) {
        if (label_bytes == 2)
            *to++ = (uint8_t)(i % 20);
        *to++ = (uint8_t)(first_label + i);
        for (int p = 0; p < 3 * PLANE; p++)
            *to++ = (uint8_t)(p / PLANE * 80 + p % 61 + i);
    }
    fixture_write(fixture_path("set/%s", name), bytes, (size_t)(to - bytes));
}

static void check_cifar(bool train_part, const char *format, int64_t count, int classes, int first_label)
{
    struct dataset dataset;
    assert_int_equal(open_part(&dataset, train_part, 0), OK);
    assert_string_equal(dataset.format, format);
    assert_int_equal(dataset.count, count);
    assert_int_equal(dataset.class_count, classes);
    assert_int_equal(dataset.labels[1], first_label + 1);
    assert_int_equal(dataset.image.h * 10000 + dataset.image.w * 10 + dataset.image.c, 320323);
    for (int p = 0; p < PLANE; p++)
        for (int c = 0; c < 3; c++)
            assert_int_equal(dataset.pixels[3 * PLANE + p * 3 + c], (uint8_t)(c * 80 + (c * PLANE + p) % 61 + 1));
    dataset_close(&dataset);
}

static void test_cifar(void **state)
{
    (void)state;
    write_cifar("data_batch_2.bin", 1, 4);
    write_cifar("data_batch_1.bin", 1, 2);
    check_cifar(false, "cifar10", 2 * RECORDS, 10, 2);
    write_cifar("test_batch.bin", 1, 3);
    check_cifar(true, "cifar10", 2 * RECORDS, 10, 2);
    check_cifar(false, "cifar10", RECORDS, 10, 3);
    static const char names[] = "plane\ncar\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n";
    fixture_write(fixture_path("set/batches.meta.txt"), names, sizeof names - 1);
    struct dataset dataset;
    assert_int_equal(open_part(&dataset, true, 0), OK);
    assert_string_equal(dataset.class_names[0], "plane");
    assert_string_equal(dataset.class_names[9], "truck");
    dataset_close(&dataset);
    fixture_write(fixture_path("set/batches.meta.txt"), names, 9);
    CHECK_REFUSED(ERR_DATA, "batches.meta.txt", "2 names");
}

static void test_cifar100(void **state)
{
    (void)state;
    write_cifar("train.bin", 2, 90);
    check_cifar(true, "cifar100", RECORDS, 100, 90);
    write_cifar("train.bin", 2, 96);
    CHECK_REFUSED(ERR_DATA, "train.bin", "record 4", "CIFAR-100");
}

static void test_cifar_faults(void **state)
{
    (void)state;
    static uint8_t bytes[2 * RECORD10];
    write_cifar("data_batch_1.bin", 1, 2);
    fixture_write(fixture_path("set/data_batch_2.bin"), bytes, 2 * RECORD10 - 1);
    CHECK_REFUSED(ERR_DATA, "data_batch_2.bin", "6145 bytes");
    fixture_write(fixture_path("set/data_batch_2.bin"), bytes, 0);
    CHECK_REFUSED(ERR_DATA, "data_batch_2.bin", "0 bytes");
    bytes[RECORD10] = 10;
    fixture_write(fixture_path("set/data_batch_2.bin"), bytes, 2 * RECORD10);
    CHECK_REFUSED(ERR_DATA, "data_batch_2.bin", "record 1", "CIFAR-10");
    write_cifar("data_batch_2.bin", 2, 2);
    CHECK_REFUSED(ERR_DATA, "data_batch_1.bin holds CIFAR-10", "data_batch_2.bin holds CIFAR-100");
}

/* A file of a size that two CIFAR-100 records have is no CIFAR file for that. */
static void test_stray_files_do_not_hide_classes(void **state)
{
    (void)state;
    static const uint8_t store[6148] = {0, 0, 0, 1};
    struct dataset dataset;
    fixture_png(fixture_path("set/a/1.png"), 4, 4, 1);
    fixture_write(fixture_path("set/.DS_Store"), store, sizeof store);
    fixture_write(fixture_path("set/labels.dat"), store, sizeof store);
    assert_int_equal(open_part(&dataset, true, 0), OK);
    assert_string_equal(dataset.format, "folder");
    dataset_close(&dataset);
}

static void test_random_damage(void **state)
{
    (void)state;
    static const char *const names[] = {"train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte", "data_batch_1.bin"};
    /* Damaged labels are warned of, hundreds of times. */
    int stderr_kept = dup(STDERR_FILENO);
    assert_non_null(freopen("/dev/null", "w", stderr));
    for (int n = 0; n < COUNT_OF(names); n++) {
        size_t count;
        assert_int_equal(folder_remove(fixture_path("set")), OK);
        if (n < 2) {
            write_images(names[0], 20, 20);
            write_labels(names[1], 20, 20, 10);
        } else {
            write_cifar(names[2], 1, 2);
        }
        uint8_t *bytes = fixture_read(fixture_path("set/%s", names[n]), &count);
        for (uint32_t round = 0; round < 200; round++) {
            struct dataset dataset;
            struct random_block draw = random_words(2, 1, (uint32_t)n, round, 0);
            uint32_t at = random_below(draw.word[0], draw.word[3] % 2 ? (uint32_t)count : 24);
            uint8_t kept = bytes[at];
            bytes[at] = (uint8_t)draw.word[1];
            size_t length = draw.word[2] % 4 ? count : random_below(draw.word[2], (uint32_t)count);
            fixture_write(fixture_path("set/%s", names[n]), bytes, length);
            if (open_part(&dataset, true, 0) == OK)
                for (int64_t i = 0; i < dataset.count; i++)
                    assert_in_range(dataset.labels[i], 0, dataset.class_count - 1);
            dataset_close(&dataset);
            bytes[at] = kept;
        }
        memory_give(bytes);
    }
    fflush(stderr);
    dup2(stderr_kept, STDERR_FILENO);
    close(stderr_kept);
}

/* ---- subsets ---- */

/* 100 samples: class sizes 1, 2, 7, 90. */

static struct dataset labelled(void)
{
    static int32_t labels[100];
    static uint8_t pixels[100 * 2];
    for (int i = 0; i < 100; i++) {
        labels[i] = i % 10 ? 3 : i == 0 ? 0 : i <= 20 ? 1 : 2;
        pixels[2 * i] = (uint8_t)i;
        pixels[2 * i + 1] = 255;
    }
    return (struct dataset){.source = "set",
                            .format = "folder",
                            .image = {1, 1, 1, 2},
                            .count = 100,
                            .class_count = 4,
                            .labels = labels,
                            .pixels = pixels};
}

static void test_split(void **state)
{
    (void)state;
    static const int wanted[] = {0, 1, 1, 14}; /* round(0.15 * size), at least 1 of 2 or more */
    struct dataset data = labelled();
    struct subset train, val, again_train, again_val;
    assert_int_equal(subset_split(&train, &val, &data, 0.15, 7), OK);
    assert_int_equal(train.count + val.count, 100);
    int in_val[4] = {0}, all[100] = {0};
    for (int64_t i = 0; i < val.count; i++) {
        in_val[data.labels[val.samples[i]]]++;
        all[val.samples[i]]++;
        assert_true(i == 0 || val.samples[i] > val.samples[i - 1]);
    }
    for (int64_t i = 0; i < train.count; i++)
        all[train.samples[i]]++;
    for (int i = 0; i < 100; i++)
        assert_int_equal(all[i], 1);
    for (int c = 0; c < 4; c++)
        assert_int_equal(in_val[c], wanted[c]);
    assert_int_equal(subset_split(&again_train, &again_val, &data, 0.15, 7), OK);
    assert_memory_equal(val.samples, again_val.samples, (size_t)val.count * sizeof *val.samples);
    subset_free(&again_train);
    subset_free(&again_val);
    assert_int_equal(subset_split(&again_train, &again_val, &data, 0.15, 8), OK);
    assert_memory_not_equal(val.samples, again_val.samples, (size_t)val.count * sizeof *val.samples);
    subset_free(&again_train);
    subset_free(&again_val);
    /* Never changes: runs of older programs can be resumed. */
    static const int32_t pinned[] = {1, 3, 10, 15, 21, 27, 28, 41};
    assert_memory_equal(val.samples, pinned, sizeof pinned);
    subset_free(&train);
    subset_free(&val);
    assert_int_equal(subset_split(&train, &val, &data, 0.99, 7), OK);
    assert_int_equal(val.count, 0 + 1 + 6 + 89); /* one of each class stays */
    subset_free(&train);
    subset_free(&val);
    CHECK_FAILS(subset_split(&train, &val, &data, 1.0, 7), ERR_CONFIG, "set", "1");
    CHECK_FAILS(subset_split(&train, &val, &data, NAN, 7), ERR_CONFIG, "set");
}

static void test_order(void **state)
{
    (void)state;
    struct dataset data = labelled();
    struct subset all, few;
    int32_t order[100], other[100];
    assert_int_equal(subset_all(&all, &data), OK);
    assert_int_equal(all.count, 100);
    subset_order(&all, 42, 3, false, order);
    for (int i = 0; i < 100; i++)
        assert_int_equal(order[i], i);
    subset_order(&all, 42, 3, true, order);
    subset_order(&all, 42, 3, true, other);
    assert_memory_equal(order, other, sizeof order);
    int seen[100] = {0}, moved = 0;
    for (int i = 0; i < 100; i++) {
        seen[order[i]]++;
        moved += order[i] != i;
    }
    for (int i = 0; i < 100; i++)
        assert_int_equal(seen[i], 1);
    assert_true(moved > 90);
    subset_order(&all, 42, 4, true, other);
    assert_memory_not_equal(order, other, sizeof order);
    subset_order(&all, 43, 3, true, other);
    assert_memory_not_equal(order, other, sizeof order);
    static const int32_t pinned[] = {40, 78, 88, 71, 43, 16, 93, 91};
    assert_memory_equal(order, pinned, sizeof pinned);
    /* Of a choice: the same permutation of positions. */
    int32_t samples[] = {5, 50, 99};
    few = (struct subset){&data, samples, 3};
    subset_order(&few, 42, 3, true, other);
    assert_int_equal(other[0] + other[1] + other[2], 154);
    subset_free(&all);
}

/* Every sample comes to every place about equally often. */
static void test_order_is_uniform(void **state)
{
    (void)state;
    enum { COUNT = 8, EPOCHS = 16000 };
    struct dataset data = labelled();
    int32_t samples[COUNT], order[COUNT];
    int hits[COUNT][COUNT] = {{0}};
    for (int i = 0; i < COUNT; i++)
        samples[i] = i;
    struct subset few = {&data, samples, COUNT};
    for (uint32_t epoch = 0; epoch < EPOCHS; epoch++) {
        subset_order(&few, 1, epoch, true, order);
        for (int i = 0; i < COUNT; i++)
            hits[i][order[i]]++;
    }
    double chi = 0.0, wanted = (double)EPOCHS / COUNT;
    for (int i = 0; i < COUNT; i++)
        for (int s = 0; s < COUNT; s++)
            chi += (hits[i][s] - wanted) * (hits[i][s] - wanted) / wanted;
    assert_true(chi < 85.4); /* 49 degrees of freedom, one in a thousand */
}

static void test_statistics(void **state)
{
    (void)state;
    struct dataset data = labelled();
    struct subset all;
    double mean[4], std[4];
    assert_int_equal(subset_all(&all, &data), OK);
    subset_statistics(&all, mean, std);
    assert_true(fabs(mean[0] - 49.5 / 255) < 1e-15);
    assert_true(fabs(std[0] - sqrt((100.0 * 100 - 1) / 12) / 255) < 1e-12);
    assert_true(mean[1] == 1.0);
    assert_true(std[1] == 0.0 && mean[2] == 0.0 && std[3] == 0.0);
    subset_free(&all);
}

/* Real files where there are some: known counts and known statistics. */
static void test_fashion_mnist(void **state)
{
    (void)state;
    const char *folder = getenv("EVENKEEL_DATA");
    char path[PATH_BYTES];
    if (!folder)
        skip();
    struct dataset dataset;
    struct subset all;
    double mean[4], std[4];
    const struct dataset_options options = {.train_part = true};
    assert_int_equal(path_join(path, folder, "fashion-mnist"), OK);
    assert_int_equal(dataset_open(&dataset, path, &options), OK);
    assert_int_equal(dataset.count, 60000);
    assert_int_equal(subset_all(&all, &dataset), OK);
    subset_statistics(&all, mean, std);
    assert_true(fabs(mean[0] - 0.2860) < 1e-4 && fabs(std[0] - 0.3530) < 1e-4);
    subset_free(&all);
    dataset_close(&dataset);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, fixture_begin, fixture_end)
int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_idx_parts),
        CASE(test_idx_faults),
        CASE(test_idx_cut_gzip),
        CASE(test_cifar),
        CASE(test_cifar100),
        CASE(test_cifar_faults),
        CASE(test_stray_files_do_not_hide_classes),
        CASE(test_random_damage),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_order_is_uniform),
        cmocka_unit_test(test_statistics),
        cmocka_unit_test(test_fashion_mnist),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
