/* A tar shard: what is accepted lies within the file, under a name that does not lead out of it, with a label. */
#include "data.h"

#include "folder.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct dataset dataset = {0};
    folder_open();
    const char *path = folder_write("a.tar", data, bytes);
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
