/* A list of paths and labels, beside one picture that is called a: what is accepted has a label within its classes and
 * the picture's pixels. */
#include "data.h"

#include "folder.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    const uint8_t pixels[2 * 3 * 3] = {9, 8, 7};
    if (folder_open())
        assert(png_write(folder_path("a"), pixels, 2, 3, 3) == OK);
    /* A first byte of 0 parts the names of the classes from the list. */
    const uint8_t *end = bytes > 0 && data[0] == 0 ? memchr(data + 1, 0, bytes - 1) : NULL;
    const size_t skipped = end ? (size_t)(end - data) + 1 : 0;
    remove(folder_path("classes.txt"));
    if (end)
        folder_write("classes.txt", data + 1, skipped - 2);
    const char *path = folder_write("list.txt", data + skipped, bytes - skipped);
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
