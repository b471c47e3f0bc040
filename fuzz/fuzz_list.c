/* A list of paths and labels, beside one picture that is called a: what is accepted has a label within its classes and
 * the picture's pixels. */
#include "data.h"
#include "file.h"

#include "fuzz.h"
#include <string.h>

static char folder[64];

static void remove_folder(void)
{
    folder_remove(folder);
}

static void write_named(const char *name, const void *data, size_t bytes)
{
    char path[PATH_BYTES];
    assert(path_join(path, folder, name) == OK);
    FILE *stream = fopen(path, "wb");
    assert(stream);
    const size_t written = fwrite(data, 1, bytes, stream);
    const int closed = fclose(stream);
    assert(written == bytes && closed == 0);
}

static void make_folder(void)
{
    const char *parent = getenv("TMPDIR");
    const uint8_t pixels[2 * 3 * 3] = {9, 8, 7};
    snprintf(folder, sizeof folder, "%.40s/evenkeel-fuzzXXXXXX", parent ? parent : "/tmp");
    assert(mkdtemp(folder));
    atexit(remove_folder);
    char path[PATH_BYTES];
    assert(path_join(path, folder, "a") == OK);
    assert(png_write(path, pixels, 2, 3, 3) == OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char path[PATH_BYTES];
    if (!folder[0])
        make_folder();
    /* A first byte of 0 parts the names of the classes from the list. */
    const uint8_t *end = bytes > 0 && data[0] == 0 ? memchr(data + 1, 0, bytes - 1) : NULL;
    const size_t skipped = end ? (size_t)(end - data) + 1 : 0;
    assert(path_join(path, folder, "classes.txt") == OK);
    remove(path);
    if (end)
        write_named("classes.txt", data + 1, skipped - 2);
    write_named("list.txt", data + skipped, bytes - skipped);
    assert(path_join(path, folder, "list.txt") == OK);
    struct dataset dataset = {0};
    const struct dataset_options options = {.threads = 1, .skip = true};
    if (dataset_open(&dataset, path, &options) == OK)
        for (int64_t i = 0; i < dataset.count; i++) {
            assert(dataset.labels[i] >= 0 && dataset.labels[i] < dataset.class_count);
            assert(dataset.class_names[dataset.labels[i]][0] && dataset.pixels[i * 18] == 9);
        }
    dataset_close(&dataset);
    return 0;
}
