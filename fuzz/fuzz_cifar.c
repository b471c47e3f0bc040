/* A folder with one CIFAR file. Records are 3 KB, so the input holds only what matters: the first byte how the file is
 * made (see write_file), the others the labels of its records. */
#include "data.h"
#include "file.h"

#include "fuzz.h"
#include <string.h>

enum { PICTURE = 3072, RECORDS_MAX = 64 };
static char folder[64];

static void remove_folder(void)
{
    folder_remove(folder);
}

/* data[0]: bit 0 two label bytes, bit 1 named as the test part, the rest how many bytes too few at the end. */
static void write_file(const char *path, const uint8_t *data, size_t bytes)
{
    static uint8_t content[RECORDS_MAX * (PICTURE + 2)];
    size_t label_bytes = 1 + (data[0] & 1), missing = data[0] >> 2, used = 0;
    for (size_t i = 1; i + label_bytes <= bytes && i <= RECORDS_MAX; i += label_bytes) {
        memcpy(content + used, data + i, label_bytes);
        memset(content + used + label_bytes, data[i], PICTURE);
        used += label_bytes + PICTURE;
    }
    FILE *stream = fopen(path, "wb");
    assert(stream);
    const size_t wanted = used > missing ? used - missing : used;
    const size_t written = fwrite(content, 1, wanted, stream);
    const int closed = fclose(stream);
    assert(written == wanted && closed == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes == 0)
        return 0;
    if (!folder[0]) {
        const char *parent = getenv("TMPDIR");
        snprintf(folder, sizeof folder, "%.40s/evenkeel-fuzzXXXXXX", parent ? parent : "/tmp");
        assert(mkdtemp(folder));
        atexit(remove_folder);
    }
    char path[PATH_BYTES];
    assert(path_join(path, folder, data[0] & 2 ? "test_batch.bin" : "data_batch_1.bin") == OK);
    write_file(path, data, bytes);
    struct dataset dataset = {0};
    const struct dataset_options options = {.threads = 1, .train_part = true};
    if (dataset_open(&dataset, folder, &options) == OK)
        for (int64_t i = 0; i < dataset.count; i++)
            assert(dataset.labels[i] >= 0 && dataset.labels[i] < dataset.class_count);
    dataset_close(&dataset);
    remove(path);
    return 0;
}
