/* Training on images that are not held in memory: the same run bit for bit, bounded memory, a file that is lost while
 * the run goes on, waiting that is reported. */
#include "loader.h"
#include "tiny_run.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

/* 120 tiles of 64x64 are 1.4 MiB: more than the one that may be held. */
#define STREAMED " data.resize=64 data.memory=1 augment.hflip=0.5"
#define HELD     " data.resize=64 data.memory=64 augment.hflip=0.5"

/* Exit status of a training in a child that may take room bytes more than this process has (0: any number). */
static int train_in_child(const char *words, size_t room)
{
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct train_result result;
        if (room > 0)
            tiny_limit_memory(room);
        _exit(status_exit_code(tiny_train(NULL, words, &result)));
    }
    int ended;
    assert_int_equal(waitpid(child, &ended, 0), child);
    assert_true(WIFEXITED(ended));
    return WEXITSTATUS(ended);
}

/* Peak of the memory of all children so far, after training in one more. MiB. */
static double peak_of_child(const char *words)
{
    struct rusage usage;
    assert_int_equal(train_in_child(words, 0), 0);
    assert_int_equal(getrusage(RUSAGE_CHILDREN, &usage), 0);
    return (double)usage.ru_maxrss / 1024.0;
}

/* 94 MB of pixels; the ring has room for 26 of the 120 images. First of all tests, as OpenMP does not survive a fork.
 */
static void test_memory_is_bounded(void **state)
{
    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip(); /* they keep what was freed */
#endif
    static const char common[] = "data.resize=512 augment.crop=16 train.epochs=1 train.batch_size=2 data.threads=1";
    char words[256];
    snprintf(words, sizeof words, "%s data.memory=1", common);
    const double streamed = peak_of_child(words);
    snprintf(words, sizeof words, "%s data.memory=1000", common);
    const double held = peak_of_child(words);
    if (held - streamed < 50.0)
        fail_msg("%.0f MiB at most with images held, %.0f without", held, streamed);
}

/* Under a limit of the system's own that the decoded images exceed, training on them goes on; held, they are refused.
 * Of 94 MB of pixels (and the ring's 20) the process may have 72. */
static void test_data_larger_than_memory(void **state)
{
    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip(); /* they take what they want */
#endif
    static const char common[] = "data.resize=512 augment.crop=16 train.epochs=1 train.batch_size=2 data.threads=1";
    char words[256];
    snprintf(words, sizeof words, "%s data.memory=1", common);
    assert_int_equal(train_in_child(words, 72 << 20), 0);
    snprintf(words, sizeof words, "%s data.memory=1000", common);
    assert_int_equal(train_in_child(words, 72 << 20), status_exit_code(ERR_MEMORY));
}

static void write_idx(const char *name, const char *head, size_t head_bytes, uint32_t count)
{
    char path[2 * PATH_BYTES];
    snprintf(path, sizeof path, "%s/large/%s", tiny_folder, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    const uint32_t big_endian = htonl(count);
    fwrite(head, 1, 4, file);
    fwrite(&big_endian, 1, sizeof big_endian, file);
    fwrite(head + 4, 1, head_bytes - 4, file);
    assert_int_equal(ftruncate(fileno(file), ftell(file) + count), 0); /* all 0 */
    assert_int_equal(fclose(file), 0);
}

/* What is known of each image takes 128 MB where the images of one pixel take 2: an error like any other. */
static void test_tables_larger_than_memory(void **state)
{
    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip();
#endif
    const struct dataset_options options = {.threads = 1, .memory = 1, .train_part = true};
    char path[PATH_BYTES];
    int ended;
    assert_int_equal(path_join(path, tiny_folder, "large"), OK);
    assert_int_equal(folder_make(path), OK);
    write_idx("train-images-idx3-ubyte", "\0\0\10\3\0\0\0\1\0\0\0\1", 12, 2000000);
    write_idx("train-labels-idx1-ubyte", "\0\0\10\1", 4, 2000000);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct dataset dataset;
        tiny_limit_memory(64 << 20);
        const int status = dataset_open(&dataset, path, &options);
        _exit(status == ERR_MEMORY && strstr(fail_text(), path) ? 1 : 2);
    }
    assert_int_equal(waitpid(child, &ended, 0), child);
    assert_true(WIFEXITED(ended));
    assert_int_equal(WEXITSTATUS(ended), 1);
}

static void test_same_run(void **state)
{
    (void)state;
    static const char *const kinds[] = {"", " train.accumulate=2 train.batch_size=8", " optim.ema_decay=0.9",
                                        " data.shuffle=false augment.rotate=15",
                                        " augment.mixup=0.4 stats.noise_every=2"};
    for (int k = 0; k < COUNT_OF(kinds); k++) {
        char words[256];
        struct train_result held, streamed;
        snprintf(words, sizeof words, HELD "%s", kinds[k]);
        tiny_train_ok(NULL, words, &held);
        for (int threads = 1; threads <= 7; threads += 3) {
            snprintf(words, sizeof words, STREAMED "%s data.threads=%d", kinds[k], threads);
            tiny_train_ok(NULL, words, &streamed);
            tiny_assert_same_run(held.path, streamed.path);
            assert_true(held.best.loss == streamed.best.loss && held.best.accuracy == streamed.best.accuracy);
        }
    }
}

static void test_resume_in_an_epoch(void **state)
{
    (void)state;
    struct train_result whole, part;
    tiny_train_ok(NULL, HELD, &whole);
    static const char *const rests[] = {"train.max_steps=0 data.memory=64", "train.max_steps=0"};
    for (int i = 0; i < COUNT_OF(rests); i++) {
        char path[PATH_BYTES];
        tiny_train_ok(NULL, STREAMED " train.max_steps=3", &part);
        strcpy(path, part.path);
        tiny_train_ok(path, rests[i], &part);
        tiny_assert_same_run(whole.path, path);
    }
}

/* ---- IDX and CIFAR ---- */

static void put32(uint8_t *to, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* Written as they are, or through gzip. */
static void write_bytes(const char *name, const uint8_t *bytes, size_t count)
{
    char path[PATH_BYTES];
    assert_true(snprintf(path, sizeof path, "%s/%s", tiny_folder, name) < PATH_BYTES);
    gzFile file = gzopen(path, strstr(name, ".gz") ? "wb1" : "wbT");
    assert_true(file && gzwrite(file, bytes, (unsigned)count) == (int)count && gzclose(file) == Z_OK);
}

/* The tiles as IDX files (their red) and as a CIFAR-10 file, side pixels square. */
static void write_tiles(const char *folder, const char *images, int side)
{
    const struct dataset_options options = {.threads = 2, .resize = side};
    struct dataset tiles;
    char name[128];
    assert_int_equal(dataset_open(&tiles, tiny_data, &options), OK);
    const size_t pixels = (size_t)side * (size_t)side, count = (size_t)tiles.count;
    uint8_t *bytes = calloc(16 + count * (1 + 3 * pixels), 1), *to = bytes;
    for (size_t i = 0; i < count && !images; i++) {
        *to++ = (uint8_t)tiles.labels[i];
        for (int c = 0; c < 3; c++)
            for (size_t p = 0; p < pixels; p++)
                *to++ = tiles.pixels[(i * pixels + p) * 3 + (size_t)c];
    }
    for (size_t i = 0; i < count * pixels && images; i++)
        bytes[16 + i] = tiles.pixels[3 * i];
    char path[PATH_BYTES];
    assert_true(snprintf(path, sizeof path, "%s/%s", tiny_folder, folder) < PATH_BYTES);
    assert_int_equal(folder_make(path), OK);
    put32(bytes, images ? 0x803 : 0), put32(bytes + 4, (uint32_t)count);
    if (images) {
        put32(bytes + 8, (uint32_t)side), put32(bytes + 12, (uint32_t)side);
        snprintf(name, sizeof name, "%s/%s", folder, images);
        write_bytes(name, bytes, 16 + count * pixels);
        put32(bytes, 0x801);
        for (size_t i = 0; i < count; i++)
            bytes[8 + i] = (uint8_t)tiles.labels[i];
        snprintf(name, sizeof name, "%s/train-labels-idx1-ubyte", folder);
        write_bytes(name, bytes, 8 + count);
    } else {
        snprintf(name, sizeof name, "%s/data_batch_1.bin", folder);
        write_bytes(name, bytes, (size_t)(to - bytes));
    }
    free(bytes);
    dataset_close(&tiles);
}

/* What is read by its place in the file is what is held, at the size stored and at another, whatever the packing. */
static void test_raw_images_unheld(void **state)
{
    (void)state;
    static const struct {
        const char *folder, *images;
        int side;
    } sets[] = {
        {"plain", "train-images-idx3-ubyte", 24}, {"packed", "train-images-idx3-ubyte.gz", 24}, {"cifar", NULL, 32}};
    for (int s = 0; s < COUNT_OF(sets); s++) {
        write_tiles(sets[s].folder, sets[s].images, sets[s].side);
        char path[PATH_BYTES];
        assert_true(snprintf(path, sizeof path, "%s/%s", tiny_folder, sets[s].folder) < PATH_BYTES);
        for (int resize = 0; resize <= 40; resize += 20) {
            struct dataset held, unheld;
            struct dataset_options options = {.threads = 2, .train_part = true, .resize = resize};
            assert_int_equal(dataset_open(&held, path, &options), OK);
            options.memory = 1;
            if (dataset_open(&unheld, path, &options) != OK)
                fail_msg("%s", fail_text());
            assert_true(held.pixels && !unheld.pixels && held.held > 0 && unheld.held == 0);
            assert_true(held.count == unheld.count && shape_equal(held.image, unheld.image));
            uint8_t pixels[40 * 40 * 3];
            const size_t bytes = (size_t)shape_count(held.image);
            for (int64_t i = 0; i < held.count; i++) {
                struct image_sums sums;
                assert_int_equal(dataset_image(&unheld, i, pixels), OK);
                assert_memory_equal(pixels, held.pixels + (size_t)i * bytes, bytes);
                image_sums_take(&sums, pixels, held.image);
                assert_memory_equal(&sums, &unheld.sums[i], sizeof sums);
            }
            assert_memory_equal(held.labels, unheld.labels, (size_t)held.count * sizeof *held.labels);
            dataset_close(&held);
            dataset_close(&unheld);
        }
    }
}

static void test_same_run_of_raw_images(void **state)
{
    (void)state;
    static const struct {
        const char *folder, *images;
        int side, resize; /* more than a MiB of pixels when resized */
    } sets[] = {{"large", "train-images-idx3-ubyte", 100, 0},
                {"large-packed", "train-images-idx3-ubyte.gz", 100, 0},
                {"large-cifar", NULL, 32, 64}};
    for (int s = 0; s < COUNT_OF(sets); s++) {
        write_tiles(sets[s].folder, sets[s].images, sets[s].side);
        char words[2 * PATH_BYTES];
        struct train_result held, streamed;
        const char *format = "data.train=%s/%s data.resize=%d augment.crop=16 augment.hflip=0.5 data.memory=%d";
        snprintf(words, sizeof words, format, tiny_folder, sets[s].folder, sets[s].resize, 64);
        tiny_train_ok(NULL, words, &held);
        snprintf(words, sizeof words, format, tiny_folder, sets[s].folder, sets[s].resize, 1);
        tiny_train_ok(NULL, words, &streamed);
        tiny_assert_same_run(held.path, streamed.path);
    }
}

/* ---- the loader by itself ---- */

enum { SIDE = 16, BATCH = 4 };

static const struct backend *backend = &backend_cpu;

/* Opens the tiles so that they are not held. */
static void open_data(struct dataset *data)
{
    const struct dataset_options options = {.threads = 2, .memory = 1};
    assert_int_equal(dataset_open(data, tiny_data, &options), OK);
    assert_null(data->pixels);
}

/* Every batch of an order twice as long as the data, from a position on, with its last batch short. */
static void test_order_and_bounds(void **state)
{
    (void)state;
    struct device *device;
    struct dataset data;
    enum { MOST = 512 };
    int32_t order[MOST];
    uint8_t want[SIDE * SIDE * 3];
    open_data(&data);
    assert_int_equal(backend->open(&device, 0, 1), OK);
    const int64_t end = 2 * data.count - 2, first = 3;
    assert_true(end < MOST && (end - first) % BATCH != 0);
    for (int64_t i = 0; i < end; i++)
        order[i] = (int32_t)((i * 7) % data.count);
    for (int threads = 1; threads <= 9; threads += 4) {
        struct loader *loader;
        const bool partners = threads == 5;
        const struct loader_options options = {.backend = backend,
                                               .device = device,
                                               .image = data.image,
                                               .batch = BATCH,
                                               .threads = threads,
                                               .partners = partners};
        assert_int_equal(loader_open(&loader, &options), OK);
        const struct feed *feed = loader_feed(loader);
        const int slot_rows = BATCH + partners;
        assert_int_equal(feed->slot_bytes, slot_rows * SIDE * SIDE * 3);
        /* Dropped half way, then whole. */
        for (int turn = 0; turn < 2; turn++) {
            assert_int_equal(loader_begin(loader, &data, order, first, end), OK);
            for (int64_t at = first; at < (turn ? end : end / 2); at += BATCH) {
                int32_t slot;
                assert_int_equal(loader_next(loader, &slot), OK);
                for (int64_t row = 0; row < BATCH && at + row < end; row++) {
                    assert_int_equal(dataset_image(&data, order[at + row], want), OK);
                    assert_memory_equal(feed->host + (slot * slot_rows + row) * SIDE * SIDE * 3, want, sizeof want);
                }
                assert_int_equal(dataset_image(&data, order[at - 1], want), OK);
                if (partners)
                    assert_memory_equal(feed->host + (slot * slot_rows + BATCH) * SIDE * SIDE * 3, want, sizeof want);
                assert_int_equal(loader_taken(loader, slot), OK);
                int32_t again;
                assert_int_equal(loader_again(loader, &data, order, 0, 2, &again), OK);
                assert_true(again != slot);
            }
        }
        assert_true(loader_bytes(loader) == (size_t)feed->slots * feed->slot_bytes && feed->slots < 64);
        loader_close(loader);
    }
    backend->close(device);
    dataset_close(&data);
}

/* What threads read ahead of may be filled anew and given back once they rest. */
static void test_order_is_given_back(void **state)
{
    (void)state;
    enum { COUNT = 4096 };
    struct device *device;
    struct dataset data;
    struct loader *loader;
    open_data(&data);
    assert_int_equal(backend->open(&device, 0, 1), OK);
    const struct loader_options options = {
        .backend = backend, .device = device, .image = data.image, .batch = BATCH, .threads = 7};
    assert_int_equal(loader_open(&loader, &options), OK);
    for (int round = 0; round < 50; round++) {
        int32_t *order = malloc(COUNT * sizeof *order);
        assert_non_null(order);
        for (int i = 0; i < COUNT; i++)
            order[i] = i % (int)data.count;
        assert_int_equal(loader_begin(loader, &data, order, 0, COUNT), OK);
        usleep((unsigned)(20 * round));
        loader_rest(loader);
        memset(order, 0x7f, COUNT * sizeof *order); /* no image has such a number */
        free(order);
    }
    loader_close(loader);
    backend->close(device);
    dataset_close(&data);
}

/* The first in order is named, whatever the threads; batches before it are given. */
static void test_lost_file(void **state)
{
    (void)state;
    struct device *device;
    struct dataset data;
    char path[2][PATH_BYTES], aside[2][PATH_BYTES];
    int32_t order[64];
    open_data(&data);
    assert_int_equal(backend->open(&device, 0, 1), OK);
    for (int i = 0; i < 64; i++)
        order[i] = i;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(path_join(path[i], tiny_data, data.files[i ? 9 : 30]), OK);
        snprintf(aside[i], PATH_BYTES, "%.1000s.aside", path[i]);
        assert_int_equal(rename(path[i], aside[i]), 0);
    }
    for (int threads = 1; threads <= 8; threads++) {
        struct loader *loader;
        const struct loader_options options = {
            .backend = backend, .device = device, .image = data.image, .batch = BATCH, .threads = threads};
        assert_int_equal(loader_open(&loader, &options), OK);
        assert_int_equal(loader_begin(loader, &data, order, 0, 64), OK);
        int32_t slot;
        for (int batch = 0; batch < 9 / BATCH; batch++)
            assert_int_equal(loader_next(loader, &slot), OK);
        assert_int_equal(loader_next(loader, &slot), ERR_NO_INPUT);
        assert_non_null(strstr(fail_text(), path[1]));
        loader_close(loader);
    }
    for (int i = 0; i < 2; i++)
        assert_int_equal(rename(aside[i], path[i]), 0);
    backend->close(device);
    dataset_close(&data);
}

/* The wait is counted where there is one and only there. */
static void test_waiting_is_counted(void **state)
{
    (void)state;
    struct train_result result;
    tiny_train_ok(NULL, HELD, &result);
    assert_true(tiny_result_at(result.path, 1, "data_wait") == 0.0);
    /* A loader that happens to be quicker than the trainer is not waited for: that it is every time is most unlikely.
     */
    double waited = 0.0;
    for (int i = 0; i < 30 && waited == 0.0; i++) {
        tiny_train_ok(NULL, STREAMED, &result);
        waited = tiny_result_at(result.path, 1, "data_wait");
    }
    assert_true(waited > 0.0);
    assert_true(tiny_result_at(result.path, 1, "data_wait") <= tiny_result_at(result.path, 1, "time"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_is_bounded),
        cmocka_unit_test(test_data_larger_than_memory),
        cmocka_unit_test(test_tables_larger_than_memory),
        cmocka_unit_test(test_order_and_bounds),
        cmocka_unit_test(test_order_is_given_back),
        cmocka_unit_test(test_lost_file),
        cmocka_unit_test(test_same_run),
        cmocka_unit_test(test_resume_in_an_epoch),
        cmocka_unit_test(test_waiting_is_counted),
        cmocka_unit_test(test_raw_images_unheld),
        cmocka_unit_test(test_same_run_of_raw_images),
    };
    return cmocka_run_group_tests(tests, tiny_set_up, tiny_tear_down);
}
