/* A folder with one pair of IDX files: the first byte says how long the label file is, then labels, then images. */
#include "data.h"

#include "folder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes == 0)
        return 0;
    folder_open();
    const size_t labels = data[0] < bytes ? data[0] : bytes - 1;
    folder_write("train-labels-idx1-ubyte", data + 1, labels);
    folder_write("train-images-idx3-ubyte", data + 1 + labels, bytes - 1 - labels);

    struct dataset dataset = {0};
    const struct dataset_options options = {.threads = 1, .train_part = true};
    if (dataset_open(&dataset, folder, &options) == OK) {
        int64_t sum = 0;
        for (int64_t i = 0; i < dataset.count; i++)
            assert(dataset.labels[i] >= 0 && dataset.labels[i] < dataset.class_count);
        for (int64_t i = 0; i < dataset.count * shape_count(dataset.image); i++)
            sum += dataset.pixels[i];
        assert(sum >= 0);
    }
    dataset_close(&dataset);
    return 0;
}
