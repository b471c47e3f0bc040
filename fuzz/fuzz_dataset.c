/* A folder with one pair of IDX files: the first byte says how long the label file is, then labels, then images. */
#include "data.h"
#include "file.h"

#include "fuzz.h"

/* One folder for the process, removed at its end. */
static char folder[64];

static void remove_folder(void)
{
    folder_remove(folder);
}

static void write_part(const char *name, const uint8_t *data, size_t bytes)
{
    char path[PATH_BYTES];
    assert(path_join(path, folder, name) == OK);
    FILE *stream = fopen(path, "wb");
    assert(stream);
    const size_t written = fwrite(data, 1, bytes, stream);
    const int closed = fclose(stream);
    assert(written == bytes && closed == 0);
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
    const size_t labels = data[0] < bytes ? data[0] : bytes - 1;
    write_part("train-labels-idx1-ubyte", data + 1, labels);
    write_part("train-images-idx3-ubyte", data + 1 + labels, bytes - 1 - labels);

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
