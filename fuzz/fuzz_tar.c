/* A tar shard: what is accepted lies within the file, under a name that does not lead out of it, with a label. */
#include "data.h"
#include "file.h"

#include "fuzz.h"
#include <string.h>

static char folder[64];

static void remove_folder(void)
{
    folder_remove(folder);
}

static void write_shard(char path[static PATH_BYTES], const uint8_t *data, size_t bytes)
{
    if (!folder[0]) {
        const char *parent = getenv("TMPDIR");
        snprintf(folder, sizeof folder, "%.40s/evenkeel-fuzzXXXXXX", parent ? parent : "/tmp");
        assert(mkdtemp(folder));
        atexit(remove_folder);
    }
    assert(path_join(path, folder, "a.tar") == OK);
    FILE *stream = fopen(path, "wb");
    assert(stream);
    const size_t written = fwrite(data, 1, bytes, stream);
    const int closed = fclose(stream);
    assert(written == bytes && closed == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char path[PATH_BYTES];
    struct dataset dataset = {0};
    write_shard(path, data, bytes);
    const struct dataset_options options = {.threads = 1, .skip = true, .resize = 2};
    if (dataset_open(&dataset, path, &options) == OK)
        for (int64_t i = 0; i < dataset.count; i++) {
            const struct place *place = &dataset.encoded.places[i];
            uint8_t pixels[2 * 2 * 3];
            assert(dataset.labels[i] >= 0 && dataset.labels[i] < dataset.class_count);
            assert(place->offset >= 0 && place->bytes >= 0 && place->offset + place->bytes <= (int64_t)bytes);
            assert(!strstr(dataset.files[i], "/../"));
            assert(dataset_image(&dataset, i, pixels) == OK);
        }
    dataset_close(&dataset);
    return 0;
}
