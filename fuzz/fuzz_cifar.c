/* A folder with one CIFAR file. Records are 3 KB, so the input holds only what matters: the first byte how the file is
 * made (see write_file), the others the labels of its records. */
#include "data.h"

#include "folder.h"
#include <string.h>

enum { PICTURE = 3072, RECORDS_MAX = 64 };
/* data[0]: bit 0 two label bytes, bit 1 named as the test part, the rest how many bytes too few at the end. */
static const char *write_file(const uint8_t *data, size_t bytes)
{
    static uint8_t content[RECORDS_MAX * (PICTURE + 2)];
    size_t label_bytes = 1 + (data[0] & 1), missing = data[0] >> 2, used = 0;
    for (size_t i = 1; i + label_bytes <= bytes && i <= RECORDS_MAX; i += label_bytes) {
        memcpy(content + used, data + i, label_bytes);
        memset(content + used + label_bytes, data[i], PICTURE);
        used += label_bytes + PICTURE;
    }
    return folder_write(data[0] & 2 ? "test_batch.bin" : "data_batch_1.bin", content,
                        used > missing ? used - missing : used);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes == 0)
        return 0;
    folder_open();
    const char *path = write_file(data, bytes);
    struct dataset dataset = {0};
    const struct dataset_options options = {.threads = 1, .train_part = true};
    if (dataset_open(&dataset, folder, &options) == OK)
        for (int64_t i = 0; i < dataset.count; i++)
            assert(dataset.labels[i] >= 0 && dataset.labels[i] < dataset.class_count);
    dataset_close(&dataset);
    remove(path);
    return 0;
}
